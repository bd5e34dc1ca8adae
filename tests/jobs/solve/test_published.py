"""Published sampling: the model's generation_config.json gives defaults, the plan says so, and a resume keeps them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.config import ConfigError, SolveConfig, check_config, load_config
from jobs.nightly.run import longer_sample
from jobs.nightly.settings import changed
from jobs.solve.plan import describe_plan, tokens_per_sequence
from jobs.solve.published import Published, describe_sampling, read_published, with_published
from jobs.solve.record import check_resume, new_record
from jobs.solve.settings import coordinator_settings, generator_settings, longest_sample
from runstore.batches import PromptColumns, pack_batch, part_table, problem_columns, unpack_batch
from runstore.schema import Provenance, Sample
from verifiers.types import Problem

PROBLEMS: Any = SimpleNamespace(sha256="0" * 64, num_problems=1, to_json=lambda: {"sha256": "0" * 64})


def write_model(folder: Path, **published: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "generation_config.json").write_text(json.dumps(published))
    return folder


def config(model: Path | str, **sampling: Any) -> SolveConfig:
    table = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": str(model)}, "sampling": sampling}
    return check_config(table, "test")


def test_published_values_are_defaults_below_the_file(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m", temperature=0.6, top_p=0.95, top_k=20, do_sample=False, eos_token_id=[1, 2])
    settled, published = with_published(config(model, temperature=1.0))
    assert (settled.sampling.temperature, settled.sampling.top_p, settled.sampling.top_k) == (1.0, 0.95, 20)
    assert published.values == {"temperature": 0.6, "top_p": 0.95, "top_k": 20}
    (line,) = describe_sampling(settled, published)
    assert line == (
        f"sampling: temperature 1 (the config file); top_p 0.95, top_k 20 ({model}/generation_config.json); "
        "min_p 0 (the engine's default); max_tokens 1,024 (Proofmill's default)"
    )


@pytest.mark.parametrize(
    ("published", "key", "value"),
    [
        ({"top_k": 0}, "top_k", -1),
        ({"top_k": None, "top_p": 0.8}, "top_p", 0.8),
        ({"max_new_tokens": 2048}, "max_tokens", 2048),
        ({"repetition_penalty": 1.05}, "repetition_penalty", 1.05),
        ({"min_p": 0.05}, "min_p", 0.05),
    ],
)
def test_each_published_key_reaches_its_own(tmp_path: Path, published: dict[str, Any], key: str, value: Any) -> None:
    settled, _ = with_published(config(write_model(tmp_path / "m", **published)))
    assert getattr(settled.sampling, key) == value == getattr(generator_settings(settled, "", False).sampling, key)


def test_a_model_that_publishes_nothing_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    plain = config(tmp_path / "m")
    assert with_published(plain)[0] == plain == with_published(config(write_model(tmp_path / "m")))[0]
    assert read_published(config("no such folder")) == Published({})


@pytest.mark.parametrize("text", ["{", "[1]", '{"temperature": "hot"}', '{"top_p": 1.5}', '{"max_new_tokens": -1}'])
def test_a_file_that_says_nothing_sensible_is_one_error_that_names_it(tmp_path: Path, text: str) -> None:
    (write_model(tmp_path / "m") / "generation_config.json").write_text(text)
    with pytest.raises(ConfigError, match=r"m/generation_config\.json: ") as raised:
        with_published(config(tmp_path / "m"))
    assert "\n" not in str(raised.value)


def test_a_resume_draws_as_the_run_began(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m", temperature=0.6, top_k=20)
    first, published = with_published(config(model))
    record = json.loads(json.dumps(new_record(first, PROBLEMS, {}, published)))
    write_model(tmp_path / "m", temperature=0.9, min_p=0.1)
    again, _ = with_published(config(model), record)
    assert again.sampling == first.sampling
    check_resume(again, PROBLEMS, record, "run")
    with pytest.raises(ConfigError, match=r"sampling\.temperature was 0\.6 and is 0\.9 now"):
        check_resume(with_published(config(model))[0], PROBLEMS, record, "run")


def test_a_run_of_an_older_version_goes_on_without_published_values(tmp_path: Path) -> None:
    model = write_model(tmp_path / "m", temperature=0.6)
    record = new_record(config(model), PROBLEMS, {})
    del record["published"]
    for key in ("by_kind", "loop", "thinking_tokens", "stop_token_ids", "repetition_penalty"):
        del record["config"]["sampling"][key]
    again, _ = with_published(config(model), record)
    assert again.sampling.temperature == 1.0
    check_resume(again, PROBLEMS, record, "run")


def test_a_kind_has_values_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        f'[run]\nid = "r"\n[problems]\nfiles = ["p"]\n[model]\npath = "{tmp_path}"\n[sampling]\ntop_p = 0.9\n'
        "[sampling.by_kind.math]\ntemperature = 0.6\nmax_tokens = 0\nstop = []\n"
    )
    loaded = load_config(path, ["sampling.by_kind.code.temperature=0.2", "sampling.stop=['END']"])
    settings = generator_settings(loaded, "", False)
    math, code, lean = (settings.plain().parameters_of(kind) for kind in ("math", "code", "lean"))
    assert (math.temperature, math.max_tokens, math.top_p, math.stop) == (0.6, 0, 0.9, ())
    assert (code.temperature, code.max_tokens, code.top_p, code.stop) == (0.2, 1024, 0.9, ("END",))
    assert lean == settings.sampling == loaded.sampling.parameters()
    common, *of_kinds = describe_sampling(loaded)
    assert common.startswith("sampling: temperature 1, top_k -1, min_p 0 (the engine's default); top_p 0.9 (the config")
    assert of_kinds == [
        "sampling of math: temperature 0.6, max_tokens as many as the context allows, stop [] (the config file)",
        "sampling of code: temperature 0.2 (--set)",
    ]
    with pytest.raises(ConfigError, match=r"sampling\.by_kind\.math\.temperature: .* got -1"):
        load_config(path, ["sampling.by_kind.math.temperature=-1"])
    with pytest.raises(ConfigError, match=r"sampling\.by_kind\.math\.seeded: unknown key"):
        load_config(path, ["sampling.by_kind.math.seeded=false"])


def test_the_longest_kind_is_planned_for() -> None:
    longer = config("m", max_tokens=512, by_kind={"math": {"max_tokens": 2048}})
    assert longest_sample(longer) == 2048 and tokens_per_sequence(longer) == 3072
    whole = config("m", max_tokens=512, by_kind={"math": {"max_tokens": 0}})
    assert longest_sample(whole) == 0 == tokens_per_sequence(whole)
    assert longest_sample(whole, 4096) == 4096
    plan: Any = SimpleNamespace(describe=lambda: "plan")
    assert "samples of as many tokens as the context allows" in describe_plan(whole, PROBLEMS, plan)
    settings = coordinator_settings(whole, ("math",), "out", False, context=4096)
    assert settings.ledger.max_tokens == 4096
    assert settings.pools[0].generator.longest_sample(700) == 700


def test_a_night_scales_every_length_but_that_of_the_context() -> None:
    leg = config("m", max_tokens=512, by_kind={"math": {"max_tokens": 0}, "code": {"temperature": 0.1}})
    assert longer_sample(leg, 2.0, 512) == 1024 and longer_sample(leg, 2.0, 0) == 0
    again = changed(leg, {"sampling": {"max_tokens": 1024}})
    assert again.sampling.by_kind == leg.sampling.by_kind and again.sampling.max_tokens == 1024


def test_a_row_says_how_its_own_kind_was_drawn() -> None:
    origin = Provenance("r", 1, "c", "m", "", "e", "", "0", {"temperature": 1.0}, {("", "math"): {"temperature": 0.5}})

    def row(kind: str) -> tuple[str, PromptColumns, Sample]:
        problem = Problem(id=kind, kind=kind, prompt="?", reference={})
        sample = Sample(kind, 0, 1, 0, None, (), "text", "stop", 1, 1, None, 7, 0.0, 0.0, 0.0)
        return "{}", PromptColumns(problem_columns(problem), "[]"), sample

    batch = unpack_batch(pack_batch([row("math"), row("code")], origin))
    table = part_table([(batch, [1, 0], [None, None])])
    assert [json.loads(text)["temperature"] for text in table["sampling"].to_pylist()] == [1.0, 0.5]
