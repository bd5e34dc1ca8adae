"""Hand-written pairs of reference and answer, a file for each type of answer (format: golden/README.md)."""

import re
from pathlib import Path

import pytest

from verifiers.math.judge import work

FOLDER = Path(__file__).parent / "golden"
STATUS = {"=": "verified", "!": "refuted", "m": "malformed", "u": "undecided"}


def pairs(path):
    for line in path.read_text(encoding="utf-8").split("\n"):
        if line and not line.startswith("#"):
            gold, *rest = re.split(r" @([=!mu]) ", line)
            for mark, answer in zip(rest[::2], rest[1::2], strict=True):
                yield gold, answer, STATUS[mark]


def judge(gold, answer):
    text = f"The answer is {answer}" if answer.startswith("**") else f"So we get \\boxed{{{answer}}}."
    return work({"reference": {"answer": gold}, "text": text})


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_pairs(path):
    wrong = []
    for gold, answer, expected in pairs(path):
        verdict = judge(gold, answer)
        if verdict["status"] != expected:
            wrong.append((gold, answer, expected, verdict["status"], verdict["reason"]))
    assert not wrong


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_gold_against_itself(path):
    for gold in {gold for gold, _, _ in pairs(path)}:
        assert judge(gold, gold)["status"] == "verified", gold


def test_there_are_enough_of_both_kinds():
    every = [expected for path in FOLDER.glob("*.txt") for _, _, expected in pairs(path)]
    assert every.count("verified") > 300
    assert every.count("refuted") > 300
