"""A set with and without answer keys from end to end: solved on a real local Ray with the real checkers, reported,
exported, compared, read by a night, and checked once there are keys. Only the engine is a stand-in."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from batches import QuietDisplay, with_engine

from jobs.cli import main
from jobs.config import ConfigError, check_config
from jobs.nightly.history import read_outcomes
from jobs.nightly.tracks import first_stage_outcomes
from jobs.report.compare import compare
from jobs.solve import command as solve_command
from runstore.layout import run_uri
from runstore.reader import find_run, read_problems_table, read_run_json, read_samples, read_selections
from runstore.storage import open_storage
from verifiers.types import Status

pytestmark = pytest.mark.ray

MODEL = Path(__file__).resolve().parents[3] / "models" / "tiny_reasoner"
SAMPLES = 4
SOLVED = r"So the answer is \boxed{7}."
PROGRAM = "```python\nprint(int(input()) + 1)\n```"
TESTS = {"mode": "stdin", "tests": [{"input": "1\n", "output": "2\n"}]}
OPTIONS = {"options": ["a red one", "a green one", "a blue one"]}
KEYED = [
    ("m", "math", {"answer": "7"}, [SOLVED]),
    ("m-wrong", "math", {"answer": "8"}, [SOLVED]),
    ("c", "choice", {**OPTIONS, "answer": "B"}, ["The answer is B."]),
    ("p", "code", TESTS, [PROGRAM]),
]
KEYLESS = [
    ("u-m", "math", {}, [SOLVED, "I cannot tell."]),
    ("u-c", "choice", OPTIONS, ["The answer is B.", "The answer is C."]),
    ("u-p", "code", {"mode": "stdin"}, [PROGRAM]),
    ("u-i", "code", {"mode": "stdin", "tests": [{"input": "1\n"}]}, [PROGRAM]),
]
LATER = {"u-m": {"answer": "7"}, "u-c": {**OPTIONS, "answer": "B"}, "u-p": TESTS}


def row(name: str, kind: str, reference: dict[str, Any], texts: list[str]) -> dict[str, Any]:
    task = {"answer": "", "p": 0.0, "tokens": 5, "texts": texts}
    return {"id": name, "kind": kind, "prompt": json.dumps(task), "reference": reference, "domain": kind}


def write(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return str(path)


def config_of(folder: Path, problems: str, **sampling: Any) -> Any:
    return check_config(
        {
            "run": {"id": "mixed"},
            "problems": {"files": [problems], "unchecked": "accept"},
            "output": {"uri": str(folder / "out"), "flush_s": 0.3, "lease_s": 3.0},
            "model": {"path": str(MODEL)},
            "sampling": {"policy": "fixed", "num_samples": SAMPLES, "max_tokens": 100, **sampling},
            "resources": {"cpus_per_replica": 0.1, "cpus_per_verifier": 0.1, "device": "cpu"},
            "cost": {"usd_per_cpu_hour": 2.0},
        },
        "test",
    )


@dataclasses.dataclass(frozen=True)
class Solved:
    folder: Path
    uri: str
    code: int
    said: str


@pytest.fixture(scope="module")
def solved(ray_here: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Solved]:
    import io

    import stand_ins

    real = solve_command.coordinator_settings

    def with_stand_in(*args: Any, **kwargs: Any) -> Any:
        settings = real(*args, **kwargs)
        pools = tuple(with_engine(pool, stand_ins.StandInEngine) for pool in settings.pools)
        return dataclasses.replace(settings, pools=pools)

    folder = tmp_path_factory.mktemp("keyless")
    config = config_of(folder, write(folder / "set.jsonl", [row(*each) for each in KEYED + KEYLESS]))
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.setattr(solve_command, "coordinator_settings", with_stand_in)
        patch.setattr(solve_command, "connect", lambda *_: contextlib.nullcontext())
        patch.setattr(solve_command, "describe_prompts", lambda _: "")
        code = solve_command.solve(config, display=QuietDisplay())
    yield Solved(folder, run_uri(config.output.uri, config.run.id), code, said.getvalue())


def stored(solved: Solved, columns: list[str]) -> list[dict[str, Any]]:
    batches = (batch for file in find_run(solved.uri).files for batch in read_samples(file, columns))
    return [each for batch in batches for each in batch.to_pylist()]


def test_the_run_ends_well_and_its_keyless_samples_are_unchecked(solved: Solved) -> None:
    assert solved.code == 0
    assert "8 problems (2 choice, 3 code, 3 math), 4 without an answer key" in solved.said
    columns = ["problem_id", "status", "reason", "extracted_answer", "evidence"]
    rows = [
        each
        for file in find_run(solved.uri).files
        for batch in read_samples(file, columns)
        for each in batch.to_pylist()
    ]
    statuses = Counter((each["problem_id"], each["status"]) for each in rows)
    wanted = {"m": "verified", "m-wrong": "refuted", "c": "verified", "p": "verified"}
    wanted |= {name: "unchecked" for name, *_ in KEYLESS}
    assert statuses == dict.fromkeys(wanted.items(), SAMPLES)
    answers = {(each["problem_id"], each["extracted_answer"]) for each in rows if each["status"] == "unchecked"}
    assert answers >= {("u-p", "print(int(input()) + 1)"), ("u-m", "7"), ("u-c", "B")}
    assert all(
        json.loads(each["evidence"]).get("no_answer")
        for each in rows
        if each["status"] == "unchecked" and each["extracted_answer"] is None
    )


def test_the_problems_table_says_nothing_of_what_was_not_checked(solved: Solved) -> None:
    table = read_problems_table(open_storage(solved.uri))
    assert table is not None
    for each in table.to_pylist():
        keyless = each["problem_id"].startswith("u-")
        assert each["num_unchecked"] == (SAMPLES if keyless else 0) and each["settled"] == "exhausted"
        assert (each["pass_rate"] is None) == (each["settled_verified"] is None) == keyless
        assert each["solved"] == (each["problem_id"] in ("m", "c", "p"))
        assert bool(json.loads(each["stopping_rule"]).get("keyless")) == keyless


def test_summary_and_report_count_checked_problems_only(solved: Solved) -> None:
    assert "3 of 4 (75.0%)" in solved.said
    assert re.search(r"without an answer key +│ 4 problems, in no share", solved.said)
    record: Any = read_run_json(open_storage(solved.uri))
    assert record["complete"] and record["problems"]["keyless"] == {"": 4}
    assert record["summary"]["pass_at_k"]["1"]["value"] == pytest.approx(0.75)
    page = (open_storage(solved.uri).read("report.html") or b"").decode()
    assert "4 of 8 problems, which have no answer key (16 unchecked samples)" in page
    assert "problems solved: 3 of 4 with an answer key, without the 4 that have none" in page
    assert "verified solutions of 16 checked samples" in page
    assert 'class="chip unchecked"' in page, "samples to read"


def test_answers_are_chosen_without_a_probability_where_few_references_tell(solved: Solved) -> None:
    columns = ["problem_id", "keyless", "winner", "votes", "voters", "probability", "suspect"]
    found = {
        each["problem_id"]: each
        for batch in read_selections(open_storage(solved.uri), columns)
        for each in batch.to_pylist()
    }
    assert set(found) == {name for name, *_ in KEYED + KEYLESS}
    assert (found["u-m"]["winner"], found["u-m"]["votes"]) == ("7", found["u-m"]["voters"])
    assert found["u-c"]["winner"] in ("B", "C") and found["u-c"]["voters"] == SAMPLES
    assert found["m-wrong"]["winner"] == "7" and not any(each["suspect"] for each in found.values())
    assert all(each["probability"] is None for each in found.values())
    assert all(each["keyless"] == name.startswith("u-") for name, each in found.items())
    assert "selections" in solved.said and "no probability" in solved.said
    page = (open_storage(solved.uri).read("report.html") or b"").decode()
    assert "Chosen without a proof" in page


def test_a_comparison_leaves_them_out(solved: Solved) -> None:
    found = compare(solved.uri, solved.uri)
    assert (found.common, found.unchecked, found.compared, found.both, found.neither) == (8, 4, 4, 3, 1)
    figures = {figure.label: figure.first for figure in found.figures}
    assert figures["of these without an answer key"] == "4" and figures["problems solved"].startswith("75.0")
    assert found.num_paired == 4 and found.same_problems


def test_a_night_has_no_outcome_of_them(solved: Solved) -> None:
    table = read_problems_table(open_storage(solved.uri))
    assert table is not None
    names = {name for name, *_ in KEYED}
    assert set(read_outcomes(table)) == set(first_stage_outcomes(open_storage(solved.uri))) == names


@pytest.mark.parametrize("form", ["sft", "kto", "rl"])
def test_no_export_takes_them(solved: Solved, form: str) -> None:
    out = solved.folder / form
    settings = ["gates.min_work_tokens=0", "gates.luck_agreement=0"] if form != "rl" else ["rl.low=0", "rl.high=1"]
    flags = [word for each in settings for word in ("--set", each)]
    assert main(["export", form, "--run", solved.uri, "--out", str(out), *flags]) == 0
    rows = [each for path in (out / "data").glob("*.parquet") for each in pq.read_table(path).to_pylist()]
    assert rows and not any(each["problem_id"].startswith("u-") for each in rows)
    card = (out / "README.md").read_text()
    assert "4 problems without an answer key are in no row and in no figure of this card" in card
    funnel = json.loads((out / "export.json").read_text())["funnel"]
    assert funnel["status_unchecked"] == (4 if form == "rl" else 16)


def test_keys_give_verdicts_without_generation(solved: Solved, capsys: pytest.CaptureFixture[str]) -> None:
    later = [row(name, kind, LATER[name], texts) for name, kind, _, texts in KEYLESS if name in LATER]
    out = solved.folder / "verdicts.jsonl"
    keyed = write(solved.folder / "keyed.jsonl", [*later, row("stray", "math", {"answer": "1"}, [])])
    assert main(["verify", "--run", solved.uri, "--problems", keyed, "--out", str(out)]) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    by_problem: dict[str, set[str]] = {}
    for line in lines:
        by_problem.setdefault(line["problem_id"], set()).add(line["status"])
    assert by_problem["u-p"] == {"verified"} and by_problem["u-i"] == {"unchecked"}
    assert by_problem["u-m"] <= {"verified", "malformed"} and by_problem["u-c"] <= {"verified", "refuted"}
    assert by_problem["m"] == {"verified"} and by_problem["m-wrong"] == {"refuted"}
    assert "match no sample of the run: stray" in capsys.readouterr().err
    statuses = {each["status"] for each in stored(solved, ["status"])}
    assert statuses == {Status.VERIFIED, Status.REFUTED, Status.UNCHECKED}, "the run is as it was"


def test_policies_that_wait_for_verified_solutions_are_refused_in_the_dry_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    problems = write(tmp_path / "set.jsonl", [row(*each) for each in KEYED[:1] + KEYLESS[:2]])
    with pytest.raises(ConfigError, match=r"sampling.policy = .*2 problems have no answer key.*\[agreement\]"):
        solve_command.solve(config_of(tmp_path, problems, policy="until_verified"), dry_run=True)
    assert "3 problems (1 choice, 2 math), 2 without an answer key" in capsys.readouterr().out
