"""Few-shot examples: what is read, what is refused, and that a resume keeps to them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from jobs.config import ConfigError, check_config
from jobs.problems.errors import ProblemFileError
from jobs.problems.examples import read_examples
from jobs.solve.record import check_resume, new_record
from jobs.solve.settings import generator_settings
from verifiers.types import Problem
from workers.engines.rendering import labelled
from workers.prompting.messages import build_messages

GOOD = [{"prompt": "2 + 2?", "answer": "\\boxed{4}", "kind": "math"}, {"prompt": "Hello?", "answer": "Hello."}]
PROBLEMS: Any = SimpleNamespace(sha256="0" * 64, to_json=lambda: {"sha256": "0" * 64})


def write(path: Path, rows: list[Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def config(examples: str) -> Any:
    table = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m", "completion": True}}
    return check_config({**table, "prompt": {"system": "Be brief.", "examples": examples}}, "test")


def test_examples_stand_before_each_problem_of_their_kind(tmp_path: Path) -> None:
    style = generator_settings(config(write(tmp_path / "e.jsonl", GOOD)), str(tmp_path), False).style
    messages = build_messages(Problem("m", "math", "3 + 3?", {"answer": "6"}), style)
    roles = ["system", "user", "assistant", "user", "assistant", "user"]
    assert [role for role, _ in messages] == roles and messages[2][1] == "\\boxed{4}"
    assert len(build_messages(Problem("c", "code", "Write f.", {}), style)) == 4
    assert labelled(messages).endswith("Hello?\n\nSolution:\nHello.\n\nProblem:\n3 + 3?\n\nSolution:\n")


BAD = {
    "answer: missing": [{"prompt": "2 + 2?"}],
    "prompt: is 7": [{"prompt": 7, "answer": "4"}],
    "kind: is 'maths'": [{"prompt": "2 + 2?", "answer": "4", "kind": "maths"}],
}


@pytest.mark.parametrize("said", BAD)
def test_a_faulty_line_is_named(tmp_path: Path, said: str) -> None:
    path = write(tmp_path / "e.jsonl", [*GOOD, *BAD[said]])
    with pytest.raises(ProblemFileError, match=f"e.jsonl:3: {said}"):
        read_examples(path)


def test_too_few_and_too_many(tmp_path: Path) -> None:
    assert read_examples("") == ()
    with pytest.raises(ConfigError, match="101 examples; give 1 to 100"):
        read_examples(write(tmp_path / "e.jsonl", GOOD[:1] * 101))
    with pytest.raises(ProblemFileError):
        read_examples(str(tmp_path / "none.jsonl"))
    with pytest.raises(ProblemFileError, match="the file has no rows; give at least one example, or leave"):
        read_examples(write(tmp_path / "empty.jsonl", []))


def test_a_resume_keeps_to_its_examples(tmp_path: Path) -> None:
    path = write(tmp_path / "e.jsonl", GOOD)
    record = json.loads(json.dumps(new_record(config(path), PROBLEMS, {})))
    check_resume(config(path), PROBLEMS, record, "out")
    write(tmp_path / "e.jsonl", GOOD[:1])
    with pytest.raises(ConfigError, match=r"the examples of prompt\.examples were others"):
        check_resume(config(path), PROBLEMS, record, "out")
    none = config("")
    check_resume(none, PROBLEMS, {"config": none.resolved(), "problems": {"sha256": "0" * 64}}, "out")
