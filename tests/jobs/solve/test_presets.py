"""Presets: what they hold, what wins over what, and the plan of each on three sorts of hardware.

The plans are golden files beside this one. After a change that is meant: `make preset-plans`, and read the difference.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cluster.model_size import model_size
from jobs import cli
from jobs.config import ConfigError, SolveConfig, check_config, load_config
from jobs.layers import Layer, merge_layers
from jobs.nightly.settings import changed
from jobs.presets import SECTIONS, PresetError, known_presets, load_preset, read_preset
from jobs.solve import command
from jobs.solve.plan import Where, describe_plan, plan_run

GOLDEN = Path(__file__).with_name("preset_plans")
HARDWARE = ("8xH100", "8xH200", "cpu:2")
ASKED = {
    "vibethinker-3b", "vibethinker-1.5b", "qwen2.5-coder-3b", "qwen3.6-27b", "falcon-h1r-7b", "deepseek-v3.2",
    "kimi-k2.5", "gpt-oss-120b", "deepseek-prover-v2-7b", "goedel-prover-v2-8b", "kimina-prover",
}  # fmt: skip
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    """No hub and no folder: every plan is made from the preset's `[shape]`."""

    def refuse(path: str, revision: str = "") -> dict[str, Any]:
        raise ConfigError(f"model.path = {path!r}: not here")

    monkeypatch.setattr("jobs.solve.plan.read_model_config", refuse)


def config(name: str, **sections: Any) -> SolveConfig:
    table: dict[str, Any] = {"run": {"id": "r"}, "problems": {"files": ["p.jsonl"]}, **sections}
    allowed = {"trust_remote_code": True, "revision": COMMIT} if load_preset(name).remote_code else {}
    table["model"] = {"preset": name, **allowed, **table.get("model", {})}
    return check_config(table, "test")


def leaves(table: Any, path: str = "") -> list[str]:
    if not isinstance(table, dict):
        return [path]
    return [leaf for key in table for leaf in leaves(table[key], f"{path}.{key}".lstrip("."))]


def at(table: Any, path: str) -> Any:
    for key in path.split("."):
        table = table[key]
    return table


def test_the_presets_of_the_thesis_are_there() -> None:
    assert set(known_presets()) == ASKED


@pytest.mark.parametrize("name", sorted(ASKED))
def test_every_value_has_a_source_and_no_source_is_idle(name: str) -> None:
    preset = load_preset(name)
    assert preset.about and preset.shape_source
    assert set(preset.values) <= set(SECTIONS)
    paths = leaves(dict(preset.values))
    assert all(len(preset.source(path)) > 10 for path in paths)
    for given in preset.sources:
        assert any(path == given or path.startswith(f"{given}.") for path in paths), f"{given} is the source of nothing"


@pytest.mark.parametrize("name", sorted(ASKED))
def test_a_preset_reaches_the_config(name: str) -> None:
    found = config(name).resolved()
    preset = load_preset(name)
    for path in leaves(dict(preset.values)):
        assert at(found, path) == at(dict(preset.values), path), path
    assert check_config(found, "resolved").resolved() == found, "a stored config is the same config again"


@pytest.mark.parametrize("name", sorted(ASKED))
def test_parameters_are_those_that_transformers_counts(name: str) -> None:
    """The text model only, without a vision tower. Built on the meta device from the preset's `[shape]`."""
    transformers = pytest.importorskip("transformers")
    torch = pytest.importorskip("torch")
    shape = dict(load_preset(name).shape)
    text = {key: value for key, value in shape.get("text_config", shape).items() if key != "quantization_config"}
    # The language model of Kimi K2.5 is DeepSeek-V3's class, which transformers maps `kimi_k2` to as well.
    kind = {"kimi_k2": "deepseek_v3"}.get(text.pop("model_type"), shape.get("text_config", shape)["model_type"])
    text.pop("architectures", None)
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(transformers.AutoConfig.for_model(kind, **text))
    counted = sum(part.numel() for part in model.parameters())
    assert model_size(shape).num_parameters == pytest.approx(counted, rel=0.005)


@pytest.mark.parametrize("name", sorted(ASKED))
def test_the_plan_is_the_golden_one(name: str, unreadable: None) -> None:
    problems: Any = SimpleNamespace(num_problems=100)
    parts = []
    for hardware in HARDWARE:
        try:
            found = config(name)
            text = describe_plan(found, problems, plan_run(found, where=Where(named=hardware, from_shape=True)))
        except ConfigError as error:
            text = f"refused: {error}"
        parts.append(f"== {hardware}\n{text}\n")
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("PROOFMILL_WRITE_GOLDEN"):
        file.write_text("\n".join(parts), encoding="utf-8")
    assert "\n".join(parts) == file.read_text(encoding="utf-8")


def test_the_plans_fit_or_refuse_as_published() -> None:
    """What the golden files must keep whatever else is printed: the giants need the larger GPUs."""
    for name in ASKED:
        text = (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")
        assert [f"== {hardware}\n" in text for hardware in HARDWARE] == [True] * 3
        h100 = text.split("== 8xH200")[0]
        assert ("refused" in h100) == (name in ("deepseek-v3.2", "kimi-k2.5")), name
        assert "refused" not in text.split("== 8xH200")[1].split("== cpu:2")[0], name


def test_the_file_wins_over_the_preset_and_set_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text(
        '[run]\nid = "r"\n[problems]\nfiles = ["p"]\n[model]\npreset = "qwen3.6-27b"\nmax_model_len = 4096\n'
        "[model.engine_args]\nseed = 1\n[sampling]\ntop_k = 5\ntemperature = 0.5\n"
    )
    found = load_config(file, ["sampling.temperature=0.25"])
    assert (found.sampling.temperature, found.sampling.top_k, found.sampling.top_p) == (0.25, 5, 0.95)
    assert found.model.max_model_len == 4096
    assert found.model.engine_args == {"seed": 1, "language_model_only": True}, "tables are merged key by key"
    other = load_config(file, ["model.preset=falcon-h1r-7b"])
    assert (other.model.path, other.sampling.top_p, other.sampling.top_k) == ("tiiuae/Falcon-H1R-7B", 0.95, 5)


def test_tables_are_merged_and_left_alone() -> None:
    below, above = {"a": {"x": 1, "y": {"z": 1}}, "b": 1}, {"a": {"x": 2, "y": {"w": 2}}, "c": 3}
    assert merge_layers([Layer("below", below), Layer("above", above)])[0] == {
        "a": {"x": 2, "y": {"z": 1, "w": 2}},
        "b": 1,
        "c": 3,
    }
    assert below == {"a": {"x": 1, "y": {"z": 1}}, "b": 1} and above["a"]["y"] == {"w": 2}
    assert merge_layers([Layer("below", {"a": {"x": 1}}), Layer("above", {"a": 7})])[0] == {"a": 7}, (
        "a value replaces a table"
    )


@pytest.mark.parametrize("name", ["vibethinker", "VibeThinker-3B", "../plan", ""])
def test_an_unknown_preset_is_one_clear_error(name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    problems = tmp_path / "p.jsonl"
    problems.write_text('{"id": "1", "kind": "math", "prompt": "1+1?", "reference": {"answer": "2"}}\n')
    words = ["solve", "--preset", name, "--problems", str(problems), "--out", str(tmp_path / "out"), "--dry-run"]
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and all(known in told for known in ASKED), told
    assert not (tmp_path / "out").exists(), "no config is written for it"
    if name:
        with pytest.raises(ConfigError, match=r"test: model\.preset: .* known: deepseek-prover") as caught:
            check_config({"model": {"preset": name}}, "test")
        assert "\n" not in str(caught.value)


def test_a_near_name_is_suggested() -> None:
    with pytest.raises(PresetError, match=r"did you mean falcon-h1r-7b\?"):
        load_preset("falcon-h1-7b")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[verify]\nactors = 2\n", "verify: a preset sets keys of"),
        ('[shape]\nmodel_type = "qwen2"\n', "source"),
        ('[model]\npreset = "kimi-k2.5"\n[shape]\nsource = "s"\n', "names no other"),
        ("[model\n", "cannot be read"),
    ],
)
def test_a_broken_preset_names_its_file(text: str, wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "novel.toml"
    file.write_text(text)
    with pytest.raises(PresetError, match=wrong) as caught:
        read_preset(file)
    assert str(file) in str(caught.value)


def test_code_of_a_model_needs_leave_and_a_pinned_revision(tmp_path: Path) -> None:
    table: dict[str, Any] = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"preset": "kimi-k2.5"}}
    with pytest.raises(ConfigError, match="--allow-remote-code"):
        check_config(table, "test")
    table["model"]["trust_remote_code"] = True
    for loose in ("", "main", COMMIT[:12]):
        table["model"]["revision"] = loose
        with pytest.raises(ConfigError, match="40 hexadecimal digits"):
            check_config(table, "test")
    table["model"]["revision"] = COMMIT
    assert check_config(table, "test").model.trust_remote_code
    local = {"preset": "kimi-k2.5", "trust_remote_code": True, "path": str(tmp_path)}
    assert check_config({**table, "model": local}, "test").model.path == str(tmp_path), "a folder has no revision"


def test_presets_that_need_no_code_do_not_ask_for_it() -> None:
    asking = [name for name in ASKED if load_preset(name).remote_code]
    assert asking == ["kimi-k2.5"]
    assert not config("vibethinker-3b").model.trust_remote_code


def test_a_run_does_not_start_from_a_shape(unreadable: None) -> None:
    with pytest.raises(ConfigError, match="not here"):
        plan_run(config("vibethinker-3b"), where=Where(named="8xH100"))
    with pytest.raises(ConfigError, match="not here"):
        plan_run(
            check_config({"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m/m"}}, "test"),
            where=Where(named="8xH100", from_shape=True),
        )


def test_a_config_that_is_here_is_read_rather_than_the_shape() -> None:
    found = config("vibethinker-3b", model={"path": "models/tiny_reasoner", "max_model_len": 512})
    plan = plan_run(found, where=Where(named="8xH100", from_shape=True))
    assert plan.model.num_parameters < 10**7
    assert not any("[shape]" in note for note in plan.notes)


def test_the_command_plans_for_named_hardware(
    unreadable: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    problems = tmp_path / "p.jsonl"
    problems.write_text('{"id": "1", "kind": "math", "prompt": "1+1?", "reference": {"answer": "2"}}\n')
    words = ["solve", "--preset", "vibethinker-3b", "--problems", str(problems), "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--dry-run", "--on", "2x8:H200"]) == 0
    told = capsys.readouterr().out
    assert "TP 1 on 1 × H200" in told and "planned from the [shape] of the preset vibethinker-3b" in told
    assert cli.main([*words, "--dry-run", "--on", "8xH900"]) == 2
    assert "H900 is no GPU known here" in capsys.readouterr().err
    assert cli.main([*words, "--on", "8xH100"]) == 2, "a run starts on what is there"
    assert "give --dry-run" in capsys.readouterr().err
    written = (tmp_path / "out" / "vibethinker-3b-p.toml").read_text()
    assert 'preset = "vibethinker-3b"' in written and "temperature" not in written, "the preset stays a name"


def test_the_flags_are_overrides_that_resume() -> None:
    args = argparse.Namespace(preset="kimi-k2.5", allow_remote_code=True)
    assert command.preset_overrides(args) == ['model.preset="kimi-k2.5"', "model.trust_remote_code=true"]


def test_init_writes_the_name_of_a_preset(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "my.toml"
    assert cli.main(["init", "--preset", "falcon-h1r-7b", "--problems", "p.jsonl", "--to", str(file)]) == 0
    assert load_config(file).sampling.temperature == 0.6
    assert cli.main(["init", "--problems", "p.jsonl"]) == 2
    assert "give --model or --preset" in capsys.readouterr().err


def test_a_near_miss_cannot_exchange_the_preset_of_a_leg() -> None:
    """Its table holds every value of the leg already, so the other preset's values would not count."""
    leg = config("falcon-h1r-7b")
    assert changed(leg, {}, ["sampling.temperature=0.9"]).sampling.temperature == 0.9
    with pytest.raises(ConfigError, match="add a leg"):
        changed(leg, {}, ["model.preset=vibethinker-3b"])
