"""Several models in a config: what each pool takes from where, and every fault between the tables as one line."""

from __future__ import annotations

import copy
import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from jobs.cli import main
from jobs.config import ConfigError, SolveConfig, check_config, load_config
from jobs.exit_codes import EXIT_CONFIG
from jobs.pools.tables import When, is_among
from jobs.problems.load import ProblemSetSummary
from jobs.solve.published import settle_pools
from jobs.solve.record import check_resume, new_record
from jobs.solve.settings import coordinator_settings, route_settings

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "examples" / "cascade.toml"
PROBLEMS = ProblemSetSummary(1, {"math": 1}, {"": 1}, "ab" * 32, ())

TEXT = """
default_route = "small"

[run]
id = "r"
[problems]
files = ["p.jsonl"]

[models.small]
path = "models/tiny_reasoner"
[models.small.sampling]
temperature = 0.6
num_samples = 4
[models.large]
preset = "vibethinker-3b"
max_num_seqs = 64
[models.large.resources]
replicas = 2
accelerator_type = "H100"

[sampling]
max_tokens = 77
[sampling.by_kind.math]
temperature = 0.2
[resources]
cpus_per_replica = 2.5
writers = 3

[[routes]]
when = {kind = "math", domain = ["algebra"], meta = {level = [4, 5]}}
use = "small"
[[routes]]
use = "ladder"
[cascades.ladder]
stages = [{model = "small", samples = 16}, {model = "large", samples = 3, policy = "until_verified"}]
"""


def config(text: str = TEXT) -> SolveConfig:
    return check_config(tomllib.loads(text), "run.toml")


def told(old: str, new: str, text: str = TEXT) -> str:
    """What is said of the config with one change."""
    assert text.count(old) == 1, old
    with pytest.raises(ConfigError) as raised:
        config(text.replace(old, new))
    return str(raised.value)


def test_a_pool_lies_over_the_shared_tables_and_these_over_its_preset() -> None:
    pools = config().pools()
    small, large = pools["small"], pools["large"]
    assert (small.sampling.temperature, small.sampling.max_tokens, small.sampling.num_samples) == (0.6, 77, 4)
    assert (large.sampling.top_p, large.sampling.max_tokens) == (0.95, 77), "the preset below the file"
    assert (large.model.path, large.model.max_num_seqs) == ("WeiboAI/VibeThinker-3B", 64), "the pool over its preset"
    assert "math" in large.prompt.suffix_by_kind and not small.prompt.suffix_by_kind
    assert (small.resources.replicas, large.resources.replicas) == (1, 2)
    assert (large.resources.accelerator_type, large.resources.cpus_per_replica) == ("H100", 2.5)
    assert small.resources.writers == large.resources.writers == 3, "what is not of a pool stays the run's"
    for pool in pools.values():
        assert pool.sampling.parameters_by_kind()["math"].temperature == 0.2, "a kind lies over the pool"


def test_each_value_says_which_layer_it_is_from(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(TEXT)
    loaded = load_config(file, ["models.large.sampling.top_k=9", "sampling.min_p=0.1"])
    small, large = loaded.pools()["small"], loaded.pools()["large"]
    assert large.sampling.top_k == 9 and small.sampling.min_p == 0.1
    assert [large.origin("sampling", key) for key in ("top_k", "top_p", "max_tokens", "min_p", "seeded")] == [
        *("--set", "the preset vibethinker-3b", "the config file", "--set", "")
    ]
    assert small.origin("sampling", "temperature") == "the config file"
    assert (small.key("model.path"), small.key("resources.replicas")) == (
        *("models.small.path", "models.small.resources.replicas"),
    )
    alone = check_config({"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m"}}, "t")
    assert alone.pools() == {"model": alone} and alone.key("model.path") == "model.path"


def test_published_values_lie_below_a_pool_and_are_kept_by_pool() -> None:
    """The bundled model's generation_config.json gives temperature 1; `small` sets its own."""
    table = tomllib.loads(TEXT.replace('preset = "vibethinker-3b"', 'path = "models/tiny_reasoner"'))
    table["models"]["small"]["sampling"] = {"top_p": 0.5}
    loaded = check_config(table, "t")
    settled, published = settle_pools(loaded)
    assert set(published) == {"small", "large"} and published["large"].values
    key, value = next(iter(published["large"].values.items()))
    assert getattr(settled.pools()["large"].sampling, key) == value
    assert settled.pools()["large"].origin("sampling", key) == published["large"].place
    record = json.loads(json.dumps(new_record(settled, PROBLEMS, {}, published)))
    record["published_by_pool"]["large"]["values"] = {key: value / 2}
    again = settle_pools(loaded, record)[0].pools()["large"]
    assert getattr(again.sampling, key) == value / 2, "a resume draws with the values that the run began with"


def test_a_stored_config_is_the_same_config_again() -> None:
    for text in (TEXT, EXAMPLE.read_text()):
        stored = json.loads(json.dumps(config(text).resolved()))
        assert check_config(stored, "stored").resolved() == stored
        assert check_config(stored, "stored").route_table() == config(text).route_table()


def test_a_config_with_one_model_is_one_pool_called_model() -> None:
    table: dict[str, Any] = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m"}}
    alone = check_config(table, "t")
    settings = coordinator_settings(alone, ("math",), "out", use_gpu=False)
    assert [pool.name for pool in settings.pools] == ["model"]
    assert [(route.name, len(route.stages)) for route in settings.routes] == [("model", 1)]
    assert alone.resolved()["sampling"]["num_samples"] == 8
    head = {"run": table["run"], "problems": table["problems"]}
    named = check_config({**head, "models": {"only": table["model"]}}, "t")
    assert list(named.pools()) == ["only"] and named.route_table()[0].name == "only"
    staged = check_config({**table, "cascade": {"stages": [{"model": "model", "samples": 3}]}}, "t")
    assert route_settings(staged)[0].stages[0].sampling["num_samples"] == 3


def test_pools_that_no_route_leads_to_are_not_started() -> None:
    text = TEXT.replace('[[routes]]\nuse = "ladder"\n', "")
    assert list(config(text).pools()) == ["small"]


def test_the_routes_are_numbered_as_the_coordinator_has_them() -> None:
    found = config()
    settings = coordinator_settings(found, ("math",), "out", use_gpu={"small": False, "large": True})
    assert [route.name for route in settings.routes] == [route.name for route in found.route_table()]
    assert [route.name for route in settings.routes] == ["small", "ladder"]
    small, large = settings.pools
    assert (small.gpus_per_replica, large.gpus_per_replica, large.replicas) == (0, 1, 2)
    assert (small.accelerator_type, large.accelerator_type) == ("", "H100")
    assert (small.generator.pool, large.generator.pool) == ("small", "large")
    stages = settings.routes[1].stages
    assert [(stage.pool, stage.sampling["num_samples"], stage.sampling["policy"]) for stage in stages] == [
        *(("small", 16, "fixed"), ("large", 3, "until_verified"))
    ]
    assert settings.routes[0].stages[0].sampling["num_samples"] == 4


@pytest.mark.parametrize(
    ("kind", "domain", "meta", "name"),
    [
        ("math", "algebra", {"level": 4}, "small"),
        ("math", "algebra", {"level": 5.0}, "small"),
        ("math", "algebra", {"level": "4"}, "ladder"),
        ("math", "algebra", {"level": [4]}, "ladder"),
        ("math", "algebra", {}, "ladder"),
        ("math", "geometry", {"level": 4}, "ladder"),
        ("code", "algebra", {"level": 4}, "ladder"),
    ],
)
def test_the_first_route_that_fits_takes_a_problem(kind: str, domain: str, meta: dict[str, Any], name: str) -> None:
    found = config()
    assert found.route_table()[found.route_of(kind, domain, meta)].name == name


def test_true_is_not_one_and_a_text_is_no_number() -> None:
    assert is_among(1, [1, 2]) and is_among(True, [True]) and is_among("1", ["1"])
    assert not is_among(True, [1]) and not is_among(1, [True]) and not is_among("1", [1]) and not is_among(None, [0])
    assert When(meta={"hard": True}).fits("math", "", {"hard": True})
    assert not When(meta={"hard": True}).fits("math", "", {"hard": 1})
    assert When(kind="math").fits("math", "", {}) and When().is_open()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('use = "ladder"', 'use = "laddr"', "routes.1.use: 'laddr' is no model or cascade here (did you mean ladder?)"),
        ('use = "small"', 'use = "smal"', "routes.0.use: 'smal' is no model or cascade here (did you mean small?)"),
        ('default_route = "small"', 'default_route = "x"', "default_route: 'x' is no model or cascade here; known: sm"),
        ('default_route = "small"', "", "default_route: missing: with [[routes]]"),
        ('{model = "large",', '{model = "larg",', "cascades.ladder.stages.1.model: 'larg' is no model here (did you"),
        (" samples = 3,", "", "cascades.ladder.stages.1.samples: missing"),
        (" samples = 3,", " samples = 0,", "cascades.ladder.stages.1.samples: Input should be greater than 0"),
        ('"until_verified"', '"until_verifed"', "fixed, until_verified, adaptive (did you mean until_verified?)"),
        ('{model = "large",', '{model = "small",', "cascades.ladder.stages.1.model: a cycle: small is stage 0 already"),
        ('{model = "large",', '{model = "ladder",', "stages.1.model: a cycle of cascades: ladder → ladder"),
        ("samples = 16", "samples = true", "cascades.ladder.stages.0.samples: expected a number, got True"),
        ("num_samples = 4", "num_samples = true", "models.small.sampling.num_samples: expected a number"),
        ('kind = "math"', 'kind = "maths"', "routes.0.when.kind.0: unknown problem kind 'maths'; known: math,"),
        ('kind = "math"', 'kinds = "math"', "routes.0.when.kinds: unknown key (did you mean kind?)"),
        ("[4, 5]", "[]", "routes.0.when.meta.level: Value should have at least 1 item"),
        ("[4, 5]", "{above = 3}", "routes.0.when.meta.level.0: expected a text, a number, true or false"),
        ("replicas = 2", "replica = 2", "models.large.resources.replica: unknown key (did you mean replicas?)"),
        ("replicas = 2", "writers = 2", "models.large.resources.writers: unknown key"),
        ("temperature = 0.6", "temperature = 6", "models.small.sampling.temperature: Input should be less than"),
        ("num_samples = 4", "repair = {rounds = 2}", "models.small.sampling.repair: is one for all pools"),
        ('"vibethinker-3b"', '"vibethinker3b"', "models.large.preset: 'vibethinker3b' is no preset (did you mean"),
        ("[sampling]", "[budget]\nusd = 3\n[sampling]", "models.small.cost.usd_per_gpu_hour: missing: budget.usd = 3"),
        ("[run]", '[model]\npath = "m"\n[run]', "models: [model] and [models.NAME] both stand here"),
        (
            "[run]",
            "[cascade]\nstages = [{model = 'small', samples = 1}]\n[run]",
            "cascade: all problems take [cascade]",
        ),
        ("[cascades.ladder]", "[cascades.small]", "cascades.small: a model has the name small too"),
        (
            "[[routes]]\nuse",
            '[[routes]]\nuse = "large"\n[[routes]]\nuse',
            "routes.2: is never reached, because",
        ),
    ],
)
def test_each_fault_is_one_line_with_its_key(old: str, new: str, said: str) -> None:
    text = told(old, new)
    assert any(line.startswith("run.toml: ") and said in line for line in text.splitlines()), text


def test_a_change_of_the_one_model_says_which_of_several_it_should_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "run.toml"
    path.write_text(TEXT)
    with pytest.raises(ConfigError, match=r"--set model\.dtype: there is no \[model\] here, but 2 models") as caught:
        load_config(path, ["model.dtype=float32"])
    assert str(caught.value).endswith("set models.small.dtype or models.large.dtype")
    with pytest.raises(
        ConfigError, match=r"--set models\.smal\.dtype: 'smal' is no model here \(did you mean small\?\)"
    ):
        load_config(path, ["models.smal.dtype=float32"])
    new = load_config(path, ["models.third.path=models/tiny_reasoner", "models.third.dtype=float32"])
    assert "third" in new.models
    for flag, right in {
        "--preset=qwen3.6-27b": '--set models.small.preset="qwen3.6-27b" or --set models.large.preset="qwen3.6-27b"',
        "--allow-remote-code": "--set models.small.trust_remote_code=true or",
    }.items():
        assert main(["solve", str(path), flag]) == EXIT_CONFIG
        said = capsys.readouterr().err
        assert f"{flag.partition('=')[0]}: {path} has no [model], but 2 models (small, large)" in said
        assert right in said


def test_a_name_below_the_singular_is_meant_for_the_plural() -> None:
    head = "[run]\nid = 'r'\n[problems]\nfiles = ['p']\n"
    with pytest.raises(ConfigError, match=r"model\.small: unknown key \(did you mean \[models\.small\]\?\)"):
        config(f"{head}[model.small]\npath = 'm'\n")
    with pytest.raises(ConfigError, match=r"cascade\.up: unknown key \(did you mean \[cascades\.up\]\?\)"):
        config(f"{head}[model]\npath = 'm'\n[cascade.up]\nstages = []\n")
    with pytest.raises(ConfigError, match=r"route: unknown key \(did you mean routes\?\)"):
        config(f"{head}[model]\npath = 'm'\n[[route]]\nuse = 'model'\n")


def test_a_fault_of_a_shared_table_is_told_once() -> None:
    assert told("max_tokens = 77", "max_tokens = -7").count("\n") == 0
    both = told("max_tokens = 77", "max_tokens = -7\n[models.small.prompt]\nsufix = 'x'")
    assert both.count("\n") == 1 and "models.small.prompt.sufix: unknown key (did you mean suffix?)" in both


def test_several_models_need_a_way_for_every_problem() -> None:
    bare = "[run]\nid = 'r'\n[problems]\nfiles = ['p']\n[models.a]\npath = 'm'\n[models.b]\npath = 'n'\n"
    with pytest.raises(ConfigError, match=r"default_route: missing: 2 models stand here \(a, b\)"):
        config(bare)
    assert [route.name for route in config(f"default_route = 'b'\n{bare}").route_table()] == ["b"]
    with_cascade = f"{bare}[cascade]\nstages = [{{model = 'a', samples = 2}}, {{model = 'b', samples = 1}}]\n"
    assert config(with_cascade).route_table()[0].pools == ("a", "b")
    with pytest.raises(ConfigError, match="model: missing"):
        config("[run]\nid = 'r'\n[problems]\nfiles = ['p']\n")


def test_num_samples_beside_a_cascade_is_refused_unless_a_route_reads_it() -> None:
    def ladder(head: str = "", tail: str = "") -> str:
        stages = "[{model = 'a', samples = 2}, {model = 'b', samples = 1}]"
        models = f"[models.a]\npath = 'm'\n{tail}[models.b]\npath = 'n'\n[cascades.up]\nstages = {stages}\n"
        return f"default_route = 'up'\n{head}[run]\nid = 'r'\n[problems]\nfiles = ['p']\n{models}"

    to_a = "[[routes]]\nuse = 'a'\nwhen = {kind = 'lean'}\n"
    shared, own = "[sampling]\nnum_samples = 5\n", "[models.a.sampling]\nnum_samples = 5\n"
    for text in (ladder(shared), ladder(tail=own)):
        with pytest.raises(ConfigError, match="num_samples: has no effect"):
            config(text)
    for text in (ladder(shared + to_a), ladder(to_a, own)):
        found = config(text)
        assert found.pools()["a"].sampling.num_samples == 5
    assert "num_samples" not in config(ladder()).resolved()["sampling"]


def test_two_pools_that_differ_in_nothing_are_one() -> None:
    text = TEXT.replace('preset = "vibethinker-3b"\nmax_num_seqs = 64', 'path = "models/tiny_reasoner"')
    assert list(config(text).pools()) == ["small", "large"], "another temperature makes another pool"
    alike = text.replace("temperature = 0.6\nnum_samples = 4\n", "")
    with pytest.raises(ConfigError, match=r"models\.large: is models\.small again"):
        config(alike)


def test_an_audit_needs_a_cascade_of_two_stages() -> None:
    assert config(f"audit = 0.05\n{TEXT}").audit == 0.05
    with pytest.raises(ConfigError, match=r"audit: .* leads to a cascade of two stages"):
        config("audit = 0.05\n" + TEXT.replace('use = "ladder"', 'use = "large"'))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"models": {"small": {"sampling": {"temperature": 0.5}}}}, "models.small.sampling.temperature was 0.6"),
        ({"models": {"small": {"prompt": {"suffix": "x"}}}}, "models.small.prompt.suffix was"),
        ({"cascades": {"ladder": {"stages": [{"model": "small", "samples": 16}]}}}, "cascades was"),
        ({"default_route": "large"}, "default_route was 'small'"),
        ({"audit": 0.1}, "audit was 0.0 and is 0.1 now"),
        ({"models": {"large": {"resources": {"replicas": 5}, "cost": {"usd_per_gpu_hour": 2.0}}}}, ""),
        ({"models": {"small": {"max_num_seqs": 7}}}, ""),
    ],
)
def test_a_resume_may_change_how_fast_pools_work_and_not_what_they_draw(change: dict[str, Any], said: str) -> None:
    record = {**new_record(config(), PROBLEMS, {}, {}), "problems": {"sha256": PROBLEMS.sha256}}
    table = tomllib.loads(TEXT)
    lay_over(table, change)
    changed = check_config(table, "t")
    if not said:
        check_resume(changed, PROBLEMS, record, "out")
        return
    with pytest.raises(ConfigError) as raised:
        check_resume(changed, PROBLEMS, record, "out")
    assert said in str(raised.value)


def lay_over(table: dict[str, Any], change: dict[str, Any]) -> None:
    for key, value in copy.deepcopy(change).items():
        if isinstance(value, dict) and isinstance(table.get(key), dict):
            lay_over(table[key], value)
        else:
            table[key] = value


def test_the_schema_knows_the_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    for text in (TEXT, EXAMPLE.read_text()):
        jsonschema.validate(tomllib.loads(text), schema)
    for old, new in (("samples = 3", "sample = 3"), ("[4, 5]", "{above = 3}"), ("replicas = 2", "writers = 2")):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(tomllib.loads(TEXT.replace(old, new)), schema)
    without = tomllib.loads(TEXT)
    del without["models"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(without, schema)
