"""Mutants of right programs: the verifier against plain CPython.

A mutant that plain execution fails is never verified. One that it passes is never refuted, but for the differences that
docs/code_problems.md names. `make mutants` runs all of them, a plain run of the tests a twentieth.
"""

import ast
import collections
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import code_mutants
import pytest
from code_mutants import Subject

from verifiers.code.checker import CodeChecker
from verifiers.types import Kind, Limits, Problem, Status

SHARE = int(os.environ.get("PROOFMILL_MUTANTS_SHARE", "20"))
"""One in so many mutants is run."""
PER_MODE = 60
SUBJECTS = code_mutants.subjects(Path(__file__).with_name("right_programs.toml"))
LIMITS = Limits(wall_s=code_mutants.TIMEOUT_S, cpu_s=3.0, memory_mb=512, output_kb=1024)


@pytest.fixture(scope="module")
def checker() -> Iterator[CodeChecker]:
    checker = CodeChecker(num_workers=1)
    yield checker
    checker.close()


def modes(subject: Subject) -> list[str]:
    given = {"function": subject.calls, "assert": subject.asserts, "stdin": subject.inputs}
    return [mode for mode, tests in given.items() if tests]


def reference(subject: Subject, mode: str) -> dict[str, Any]:
    if mode == "assert":
        return {"mode": mode, "test_list": [subject.asserts]}
    if mode == "stdin":
        right = code_mutants.outputs(subject, subject.source)
        assert right is not None
        tests = [{"input": i, "output": "\n".join(o)} for i, o in zip(subject.inputs, right, strict=True)]
        return {"mode": mode, "tests": tests}
    right_results = code_mutants.results(subject, subject.source)
    assert right_results is not None
    pairs = [(ast.literal_eval(c), ast.literal_eval(r)) for c, r in zip(subject.calls, right_results, strict=True)]
    tests_ = [{"input": list(call), "output": tagged(result)} for call, result in pairs]
    return {"mode": mode, "entry_point": subject.entry_point, "tests": tests_}


def tagged(value: Any) -> Any:
    return {"$tuple": [tagged(item) for item in value]} if isinstance(value, tuple) else value


def plainly_right(subject: Subject, mode: str, source: str) -> bool:
    if mode == "assert":
        return code_mutants.passes_asserts(subject, source)
    run = code_mutants.outputs if mode == "stdin" else code_mutants.results
    return run(subject, source) == run(subject, subject.source)


@pytest.mark.parametrize("mode", ["function", "assert", "stdin"])
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_mutants(checker: CodeChecker, subject: Subject, mode: str, record_property: Any) -> None:
    if mode not in modes(subject):
        pytest.skip("the subject has no tests for this mode")
    problem = Problem(subject.name, Kind.CODE, "", reference(subject, mode))
    assert checker.verify(problem, subject.source, LIMITS).status is Status.VERIFIED
    counts: collections.Counter[str] = collections.Counter()
    for number, source in enumerate(code_mutants.mutants(subject, seed=14, count=PER_MODE)):
        if number % SHARE:
            continue
        verdict = checker.verify(problem, source, LIMITS)
        right = plainly_right(subject, mode, source)
        counts[f"{'right' if right else 'wrong'} {verdict.status}"] += 1
        if right:
            assert verdict.status is not Status.REFUTED, (source, verdict)
        else:
            assert verdict.status is not Status.VERIFIED, (source, verdict)
    record_property("counts", dict(counts))
    print(subject.name, mode, dict(counts))
