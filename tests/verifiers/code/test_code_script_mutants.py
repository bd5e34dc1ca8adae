"""Mutants of right scripts: the verifier beside plain CPython with LiveCodeBench's comparison of outputs.

As in test_code_mutants.py: what the oracle fails is never verified, and what it passes is never refuted. `make mutants`
runs all of them.
"""

import decimal
import os
from collections.abc import Iterator
from pathlib import Path

import code_mutants
import pytest
from code_mutants import Subject

from verifiers.code.checker import CodeChecker
from verifiers.types import Kind, Limits, Problem, Status

SHARE = int(os.environ.get("PROOFMILL_MUTANTS_SHARE", "20"))
PER_SUBJECT = 100
SUBJECTS = code_mutants.subjects(Path(__file__).with_name("right_scripts.toml"))
LIMITS = Limits(wall_s=code_mutants.TIMEOUT_S, cpu_s=3.0, memory_mb=512, output_kb=1024)


@pytest.fixture(scope="module")
def checker() -> Iterator[CodeChecker]:
    checker = CodeChecker(num_workers=1)
    yield checker
    checker.close()


def same_line(left: str, right: str) -> bool:
    if left == right:
        return True
    try:
        numbers = [[decimal.Decimal(token) for token in line.split()] for line in (left, right)]
    except decimal.InvalidOperation:
        return False
    return numbers[0] == numbers[1]


def same(left: list[list[str]] | None, right: list[list[str]] | None) -> bool:
    """Whether two programs print the same for every input."""
    return (
        left is not None
        and right is not None
        and all(len(a) == len(b) and all(map(same_line, a, b)) for a, b in zip(left, right, strict=True))
    )


@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_mutants_of_scripts(checker: CodeChecker, subject: Subject) -> None:
    right = code_mutants.outputs(subject, subject.source)
    assert right is not None
    tests = [{"input": i, "output": "\n".join(o)} for i, o in zip(subject.inputs, right, strict=True)]
    problem = Problem(subject.name, Kind.CODE, "", {"mode": "stdin", "tests": tests})
    assert checker.verify(problem, subject.source, LIMITS).status is Status.VERIFIED
    for number, source in enumerate(code_mutants.mutants(subject, seed=7, count=PER_SUBJECT)):
        if number % SHARE:
            continue
        verdict = checker.verify(problem, f"```python\n{source}\n```", LIMITS)
        if same(code_mutants.outputs(subject, source), right):
            assert verdict.status in (Status.VERIFIED, Status.UNDECIDED), (source, verdict)
        else:
            assert verdict.status is not Status.VERIFIED, (source, verdict)
