"""Exported RL rows, scored by each trainer's own reward code: a verified sample gets 1, a refuted one does not.

verl is installed apart from our own packages (locks/trainers.txt). open-instruct is on no index: `by_open_instruct`
does what its code server (`code_utils`, 2026-08) does with a row: each test is run behind the candidate's program, in
the same names, and the share that raises nothing is the reward.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_up_runs import write_run
from rl_cases import CASES, FENCED, half_right
from trainer_loaders import read_by

from jobs.export.formats import scorers
from jobs.export.pipeline import export
from jobs.export.settings import load_settings

Json = Any

BY_VERL = {"math", "choice", "function", "method", "list", "strings", "wrapped", "stdin"}
BY_OPEN_INSTRUCT = {
    "math": ("math", "choice"),
    "code_stdio": ("stdin",),
    "code": ("asserts", "loop of asserts", "check", "check of a builtin's name", "check of a method"),
}

UNSCORABLE: dict[str, dict[str, Json]] = {
    "tuple": {"mode": "function", "entry_point": "f", "tests": [{"input": [1], "output": {"$tuple": [1, 2]}}]},
    "set": {"mode": "function", "entry_point": "f", "tests": [{"input": [[{"$set": [1]}]], "output": 1}]},
    "infinite": {"mode": "function", "entry_point": "f", "tests": [{"input": [1], "output": {"$float": "inf"}}]},
    "keywords": {"mode": "function", "entry_point": "f", "tests": [{"input": [1], "kwargs": {"b": 2}, "output": 1}]},
    "no argument": {"mode": "function", "entry_point": "f", "tests": [{"input": [], "output": 1}]},
    "number keys": {"mode": "function", "entry_point": "f", "tests": [{"input": [{"1": 2}], "output": 1}]},
    "number keys out": {"mode": "function", "entry_point": "f", "tests": [{"input": [1], "output": {"1": 2}}]},
    "empty object first": {"mode": "function", "entry_point": "f", "tests": [{"input": [{}, 1], "output": 1}]},
    "another class": {"mode": "function", "entry_point": "Tree.f", "tests": [{"input": [1], "output": 1}]},
    "a class's operations": {
        "mode": "function",
        "entry_point": "Tree",
        "tests": [{"operations": ["Tree", "get"], "input": [[], []], "output": [None, 1]}],
    },
    "output argument": {
        "mode": "function",
        "entry_point": "f",
        "output_argument": 0,
        "tests": [{"input": [[2, 1]], "output": [1, 2]}],
    },
    "tolerance": {
        "mode": "function",
        "entry_point": "f",
        "tolerance": {"rel": 1e-6},
        "tests": [{"input": [2], "output": 1.414}],
    },
    "any order": {
        "mode": "function",
        "entry_point": "f",
        "compare": "multiset",
        "tests": [{"input": [1], "output": [1, 2]}],
    },
    "tolerance of stdin": {
        "mode": "stdin",
        "tolerance": {"abs": 1e-6},
        "tests": [{"input": "2", "output": "1.414"}],
    },
    "white space counts": {"mode": "stdin", "compare": "exact", "tests": [{"input": "2", "output": "1"}]},
    "C++": {"mode": "stdin", "language": "cpp", "tests": [{"input": "2", "output": "1"}]},
    "checker": {
        "mode": "stdin",
        "checker": {"language": "python", "source": "print(1)", "protocol": "score"},
        "tests": [{"input": "2", "output": "1"}],
    },
    "several answers": {"mode": "stdin", "several_answers": True, "tests": [{"input": "2", "output": "1"}]},
    "test module": {"mode": "assert", "test": "def test_f():\n    assert f(1) == 1\n"},
}
"""References that neither trainer's reward code can express."""


def exported(tmp_path: Path, layout: str, *overrides: str, cases: Json = None) -> tuple[list[dict[str, Json]], Json]:
    rows = [row for name, case in (CASES | (cases or {})).items() for row in half_right(name, *case)]
    run = write_run(tmp_path / "run", rows)
    settings = load_settings(
        "rl", None, ["work.processes=1", f"output.layout='{layout}'", "output.files='jsonl'", *overrides]
    )
    summary = export(settings, [run], str(tmp_path / "out"))
    lines = (tmp_path / "out" / "data" / "train.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines], summary


def unscorable() -> dict[str, Json]:
    return {name: ("code", reference, "pass", "pass") for name, reference in UNSCORABLE.items()}


def test_verl_scores_what_was_verified_and_what_was_refuted(tmp_path: Path) -> None:
    exported_rows, summary = exported(tmp_path, "verl", cases=unscorable())
    assert summary.funnel["no_scorer"] == len(CASES) - len(BY_VERL) + len(UNSCORABLE)
    texts = {
        name: [FENCED.format(text) if kind == "code" else text for text in both]
        for name, (kind, _, *both) in CASES.items()
    }
    # Why a list is written inside another: without that, its first element counts as right.
    bare = next(row for row in exported_rows if row["extra_info"]["id"] == "list")
    test = CASES["list"][1]["tests"][0]
    plain = {"inputs": [scorers.lines_of(test["input"])], "outputs": [json.dumps(test["output"])], "fn_name": "tail"}
    bare["extra_info"]["id"] = "bare list"
    bare["reward_model"]["ground_truth"] = json.dumps(plain)
    texts["bare list"] = texts["list"]
    with (tmp_path / "out" / "data" / "train.jsonl").open("a") as stream:
        stream.write(json.dumps(bare) + "\n")
    (tmp_path / "texts.json").write_text(json.dumps(texts))
    rows = read_by("verl", tmp_path / "out" / "data" / "train.jsonl", tmp_path / "texts.json")
    scores = {row["id"]: row["scores"] for row in rows}
    assert scores.pop("bare list") == [1.0, 1.0]
    assert set(scores) == BY_VERL
    assert all(right == 1.0 and wrong <= 0.0 for right, wrong in scores.values()), scores


def by_open_instruct(program: str, truth: str, verifier: str) -> float:
    """The reward of a program, as its code server gives it."""
    passed = []
    for test in json.loads(truth):
        reads = verifier == "code_stdio"
        source, given = (program, test["input"]) if reads else (f"{program}\n\n{test}", "")
        done = subprocess.run([sys.executable, "-c", source], input=given, capture_output=True, text=True, check=False)
        passed.append(done.stdout.strip() == test["output"].strip() if reads else done.returncode == 0)
    return sum(passed) / len(passed)


def test_open_instruct_scores_what_was_verified_and_what_was_refuted(tmp_path: Path) -> None:
    rows, summary = exported(tmp_path, "open_instruct", cases=unscorable())
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["dataset"], set()).add(row["problem_id"])
        if row["dataset"] != "math":
            _, _, right, wrong = CASES[row["problem_id"]]
            assert by_open_instruct(right, row["ground_truth"], row["dataset"]) == 1.0, row
            assert by_open_instruct(wrong, row["ground_truth"], row["dataset"]) == 0.0, row
    assert found == {verifier: set(names) for verifier, names in BY_OPEN_INSTRUCT.items()}
    assert summary.funnel["no_scorer"] == len(CASES) + len(UNSCORABLE) - len(rows)
    truths = {row["problem_id"]: row["ground_truth"] for row in rows}
    assert json.loads(truths["asserts"]) == [
        "limit = 6\nassert gcd(12, 18) == limit",
        "limit = 6\nassert gcd(8, 4) == 4",
    ]
    assert not any("null" in truth for truth in truths.values())


@pytest.mark.parametrize("layout", ["verl", "open_instruct"])
def test_an_answer_with_a_tolerance_has_no_scorer(tmp_path: Path, layout: str) -> None:
    """Their scorers compare texts: what is right within the tolerance would score 0."""
    case = ("math", {"answer": "3.14", "tolerance": {"rel": 0.01}}, "\\boxed{3.15}", "\\boxed{4}")
    rows, summary = exported(tmp_path, layout, "select.kinds=['math']", cases={"near": case})
    assert [row["kind"] for row in rows] == ["math"] and summary.funnel["no_scorer"] == 1


def test_a_reward_function_of_ones_own_takes_every_reference(tmp_path: Path) -> None:
    rows, summary = exported(tmp_path, "verl", "rl.data_source='mine'", cases=unscorable())
    assert summary.funnel["no_scorer"] == 0 and {row["data_source"] for row in rows} == {"mine"}
    truths = {row["extra_info"]["id"]: row["reward_model"]["ground_truth"] for row in rows}
    assert json.loads(truths["C++"]) == UNSCORABLE["C++"] and truths["math"] == "17"


def test_a_set_whose_scorer_reads_no_box_is_scored_by_another(tmp_path: Path) -> None:
    rows = [{**row, "source": "openai/gsm8k"} for row in half_right("math", *CASES["math"])]
    settings = load_settings("rl", None, ["work.processes=1", "output.files='jsonl'"])
    export(settings, [write_run(tmp_path / "run", rows)], str(tmp_path / "out"))
    (row,) = map(json.loads, (tmp_path / "out" / "data" / "train.jsonl").read_text().splitlines())
    assert row["data_source"] == "math_dapo" and row["source"] == "openai/gsm8k"
