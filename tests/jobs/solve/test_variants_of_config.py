"""`[[sampling.variants]]`: what a variant asks, what the dry-run prints and refuses, and what a resume compares."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs.cli import main
from jobs.config import ConfigError, SolveConfig, check_config, load_config
from jobs.problems.errors import ProblemFileError
from jobs.problems.load import ProblemSetSummary
from jobs.solve.record import check_resume, new_record
from jobs.solve.settings import generator_settings
from jobs.solve.variants import describe_variants, require_different
from jobs.submit.package import plan_package
from verifiers.types import Problem
from workers.prompting.messages import build_messages

MODEL = Path(__file__).resolve().parents[3] / "models" / "tiny_reasoner"
EXAMPLE = '{"prompt": "2 + 2?", "answer": "\\\\boxed{4}"}\n'
PROBLEM = Problem("m", "math", "3 + 3?", {"answer": "6"})
CODE = Problem("c", "code", "Write f.", {})


def config(*variants: dict[str, Any], sampling: dict[str, Any] | None = None, **prompt: Any) -> SolveConfig:
    table = {
        **{"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": str(MODEL)}, "prompt": prompt},
        "sampling": {"num_samples": 6, **(sampling or {}), "variants": list(variants)},
    }
    return check_config(table, "test")


def test_what_a_variant_leaves_out_is_the_runs_own(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text(EXAMPLE)
    made = config(
        {"name": "plain"},
        {"name": "brief", "suffix": "Box alone.", "temperature": 0.6, "share": 0.5},
        {"name": "bare", "system": "", "suffix": "", "examples": ""},
        sampling={"temperature": 1.0, "by_kind": {"code": {"temperature": 0.2, "max_tokens": 9}}},
        system="Be careful.",
        suffix="Box it.",
        suffix_by_kind={"code": "In Python."},
        examples=str(tmp_path / "e.jsonl"),
    )
    settings = generator_settings(made, "", False)
    plain, brief, bare = settings.variants
    assert settings.deal == (0, 2, 1, 0, 2, 0)
    assert [role for role, _ in build_messages(PROBLEM, plain.style)] == ["system", "user", "assistant", "user"]
    assert build_messages(PROBLEM, plain.style) == build_messages(PROBLEM, settings.style)
    assert build_messages(CODE, plain.style)[-1][1] == "Write f.\nIn Python."
    assert build_messages(CODE, brief.style)[-1][1] == "Write f.\nBox alone."
    assert build_messages(PROBLEM, bare.style) == (("user", "3 + 3?"),)
    assert [each.parameters_of("math").temperature for each in settings.variants] == [1.0, 0.6, 1.0]
    assert [each.parameters_of("code").temperature for each in settings.variants] == [0.2, 0.6, 0.2]
    assert {each.parameters_of("code").max_tokens for each in settings.variants} == {9}
    said = settings.sampling_of()
    assert said["brief", "code"].temperature == said["brief", ""].temperature == 0.6
    assert said["plain", "code"].temperature == 0.2 and said["plain", ""].temperature == 1.0


def test_rows_keep_the_log_probabilities_that_stored_tokens_imply() -> None:
    table = config({"name": "a"}, {"name": "b", "temperature": 0.5}).resolved()
    table["output"]["tokens"] = "ids+logprobs"
    settings = generator_settings(check_config(table, "test"), "", False)
    assert all(variant.sampling.logprobs for variant in settings.variants)


def test_without_variants_nothing_changes() -> None:
    settings = generator_settings(config(), "", False)
    assert settings.variants == () and settings.deal == (0,) and settings.sampling_of() == {}
    assert [variant.name for variant in settings.every_variant()] == [""]


A, B = {"name": "a"}, {"name": "b", "suffix": "Be brief."}
WRONG: dict[str, tuple[list[dict[str, Any]], str]] = {
    "no share": ([A, {**B, "share": 0}], "sampling.variants.1.share: .* greater than 0"),
    "negative share": ([A, {**B, "share": -1.5}], "sampling.variants.1.share: .* greater than 0"),
    "endless share": ([A, {**B, "share": float("inf")}], "sampling.variants.1.share: .* finite"),
    "one name": ([A, {**B, "name": "a"}], "sampling.variants: two variants are called 'a'"),
    "no name": ([A, {"suffix": "x"}], "sampling.variants.1.name: missing"),
    "a name with a space": ([{"name": "a b"}], "sampling.variants.0.name: "),
    "an unknown key": (
        [{**A, "temprature": 0.5}],
        "temprature: unknown key .did you mean temperature.*known here: name",
    ),
    "a temperature": ([A, {**B, "temperature": -1}], "sampling.variants.1.temperature: .* got -1"),
    "too few samples": ([A, {**B, "share": 0.01}], "sampling.variants: 'b' gets none of the 6 samples"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_dealt_is_one_clear_line(name: str) -> None:
    variants, said = WRONG[name]
    with pytest.raises(ConfigError, match=said) as raised:
        config(*variants)
    assert "\n" not in str(raised.value)


ALIKE: list[tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = [
    ([A, {"name": "b"}], {}, {}),
    ([A, {"name": "b", "share": 3.0}], {}, {}),
    ([A, {"name": "b", "system": ""}], {}, {}),
    ([A, {"name": "b", "temperature": 0.7}], {"temperature": 0.7}, {}),
    ([A, B], {}, {"suffix": "Be brief."}),
    ([A, B, {"name": "c", "suffix": "Be brief.", "temperature": 1.0}], {}, {}),
]


@pytest.mark.parametrize(("variants", "sampling", "prompt"), ALIKE)
def test_variants_that_differ_in_nothing_are_refused(
    variants: list[dict[str, Any]], sampling: dict[str, Any], prompt: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="differ in nothing that the model sees or draws by") as raised:
        require_different(config(*variants, sampling=sampling, **prompt))
    assert "\n" not in str(raised.value)


def test_examples_are_compared_by_what_they_say(tmp_path: Path) -> None:
    for name in ("e.jsonl", "copy.jsonl"):
        (tmp_path / name).write_text(EXAMPLE)
    (tmp_path / "other.jsonl").write_text(EXAMPLE.replace("2 + 2", "1 + 3"))

    def asked(name: str) -> SolveConfig:
        shown = {"name": "shown", "examples": str(tmp_path / "e.jsonl")}
        return config(shown, {"name": "b", "examples": str(tmp_path / name)})

    require_different(asked("other.jsonl"))
    with pytest.raises(ConfigError, match="'shown' and 'b' differ in nothing"):
        require_different(asked("copy.jsonl"))


def test_variants_that_differ_for_one_kind_only_are_two() -> None:
    """In a run at temperature 1.0 for all kinds but one, a variant at 1.0 differs for that kind."""
    require_different(
        config(A, {"name": "b", "temperature": 1.0}, sampling={"by_kind": {"code": {"temperature": 0.2}}})
    )


def test_the_plan_prints_the_deal() -> None:
    made = config(A, {**B, "temperature": 0.6, "share": 0.5}, {"name": "c", "system": "x" * 60})
    lines = list(describe_variants(made))
    assert lines[0] == "variants    3, dealt by index: a c b a c a"
    assert lines[1] == "  a: 3 of 6 samples per problem; as [prompt] and [sampling] say"
    assert lines[2] == "  b: 1 of 6 samples per problem; temperature 0.6, suffix 'Be brief.'"
    assert lines[3] == f"  c: 2 of 6 samples per problem; system '{'x' * 39}…'"
    assert len(lines) == 4 and list(describe_variants(config())) == []
    early = config(A, B, sampling={"policy": "until_verified"})
    assert "the report counts the variants and does not compare them" in list(describe_variants(early))[-1]


def test_the_dry_run_prints_variants_and_refuses_bad_few_shot_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    shutil.copy(MODEL / "config.json", folder)
    (tmp_path / "p.jsonl").write_text('{"id": "a", "kind": "math", "prompt": "1+1?", "reference": {"answer": "2"}}\n')
    examples, path = tmp_path / "e.jsonl", tmp_path / "c.toml"
    path.write_text(
        f'run.id = "r"\nproblems.files = ["{tmp_path}/p.jsonl"]\nmodel.path = "{folder}"\noutput.uri = "{tmp_path}/o"\n'
        f'resources.device = "cpu"\n[[sampling.variants]]\nname = "a"\n[[sampling.variants]]\nname = "b"\n'
        f'examples = "{examples}"\n'
    )

    def asked() -> tuple[int, str, str]:
        code = main(["solve", str(path), "--dry-run"])
        said = capsys.readouterr()
        return code, said.out, said.err

    examples.write_text(EXAMPLE)
    code, out, _ = asked()
    assert code == 0 and f"  b: 4 of 8 samples per problem; examples of {examples}" in out
    for content, said in (
        ("{\n", "e.jsonl:1: "),
        ('{"prompt": "2 + 2?"}\n', "e.jsonl:1: answer: missing"),
        ("", "e.jsonl: the file has no rows"),
        (EXAMPLE * 101, "sampling.variants.b.examples = .* 101 examples; give 1 to 100"),
    ):
        examples.write_text(content)
        code, _, err = asked()
        assert code == 2 and len(err.strip().splitlines()) == 1
        assert re.search(said, err), err
    examples.unlink()
    code, _, err = asked()
    assert code == 2 and str(examples) in err and len(err.strip().splitlines()) == 1


def test_a_resume_asks_in_the_same_ways(tmp_path: Path) -> None:
    problems = ProblemSetSummary(1, {"math": 1}, {"": 1}, "ab" * 32, ())
    file = tmp_path / "e.jsonl"
    file.write_text(EXAMPLE)
    shown = {"name": "b", "examples": str(file)}
    record = json.loads(json.dumps(new_record(config(A, shown), problems, {})))
    check_resume(config(A, shown), problems, record, "out")
    for changed in ([A, {**shown, "share": 2.0}], [shown, A], [A], []):
        with pytest.raises(ConfigError, match=r"sampling\.variants was "):
            check_resume(config(*changed), problems, record, "out")
    file.write_text(EXAMPLE * 2)
    with pytest.raises(ConfigError, match=r"the examples of prompt\.examples and of sampling\.variants were others"):
        check_resume(config(A, shown), problems, record, "out")
    older = json.loads(json.dumps(new_record(config(), problems, {})))
    del older["config"]["sampling"]["variants"]
    check_resume(config(), problems, older, "out")


def test_a_submitted_job_takes_few_shot_files_along(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text("{}\n")
    (tmp_path / "e.jsonl").write_text(EXAMPLE)
    path = tmp_path / "c.toml"
    path.write_text(
        'run.id = "r"\nproblems.files = ["p.jsonl"]\nmodel.path = "org/name"\n[[sampling.variants]]\nname = "a"\n'
        '[[sampling.variants]]\nname = "b"\nexamples = "e.jsonl"\n'
    )
    made = plan_package(path, load_config(path), folder=tmp_path)
    assert "e.jsonl" in {entry.path for entry in made.entries}
    (tmp_path / "e.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"sampling\.variants\.b\.examples: nothing matches e\.jsonl"):
        plan_package(path, load_config(path), folder=tmp_path)


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(ProblemFileError, match=r"none\.jsonl"):
        require_different(config(A, {"name": "b", "examples": "none.jsonl"}))


def test_a_table_in_the_place_of_a_list_is_told_how_to_begin() -> None:
    table = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m"}}
    with pytest.raises(ConfigError, match=r"an entry of a list begins with \[\[sampling\.variants\]\]$"):
        check_config({**table, "sampling": {"variants": {"name": "a"}}}, "test")


def test_a_run_of_several_models_has_no_variants() -> None:
    table = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "models": {"small": {"path": "m"}}}
    with pytest.raises(ConfigError, match=r"sampling\.variants: a run of several models deals samples by its routes"):
        check_config({**table, "sampling": {"variants": [A, B]}}, "test")


def test_a_run_with_a_cascade_has_no_variants() -> None:
    """Variants are dealt by the index, and the rounds of a stage lie as far apart as the stage has samples."""
    table = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m"}}
    cascade = {"stages": [{"model": "model", "samples": 5}]}
    assert check_config({**table, "cascade": cascade}, "test")
    with pytest.raises(ConfigError, match=r"sampling\.variants: .* so does one with a cascade"):
        check_config({**table, "cascade": cascade, "sampling": {"variants": [A, B]}}, "test")
