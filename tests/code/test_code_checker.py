"""Verdicts of the code checker in its three modes, on programs that mean well."""

from collections.abc import Iterator

import pytest

from verifiers.code.checker import CodeChecker
from verifiers.types import Kind, Limits, Problem, Status, Verdict

LIMITS = Limits(wall_s=20.0, cpu_s=10.0, memory_mb=512, output_kb=2048)


@pytest.fixture(scope="module")
def checker() -> Iterator[CodeChecker]:
    checker = CodeChecker(num_workers=1)
    yield checker
    checker.close()


def problem(**reference: object) -> Problem:
    return Problem("p", Kind.CODE, "", reference)


GCD = problem(
    mode="function",
    entry_point="gcd",
    tests=[{"input": [12, 18], "output": 6}, {"input": [5, 7], "output": 1}],
)
SUM = problem(mode="stdin", tests=[{"input": "3 4\n", "output": "7\n"}, {"input": "1 1", "output": "2"}])


def check(checker: CodeChecker, problem: Problem, text: str, limits: Limits = LIMITS) -> Verdict:
    return checker.verify(problem, text, limits)


def test_function_mode(checker: CodeChecker) -> None:
    right = "```python\ndef gcd(a, b):\n    while b: a, b = b, a % b\n    return a\n```"
    verdict = check(checker, GCD, right)
    assert (verdict.status, verdict.evidence["passed"]) == (Status.VERIFIED, 2)
    assert verdict.evidence["tier"] == str(checker.tier)
    wrong = check(checker, GCD, "def gcd(a, b): return 6")
    assert wrong.status is Status.REFUTED
    assert wrong.evidence["first_failure"] == {
        "test": 2,
        "tests": 2,
        "input": "gcd(5, 7)",
        "expected": "1",
        "got": "6",
    }


def test_stdin_mode(checker: CodeChecker) -> None:
    assert check(checker, SUM, "a, b = map(int, input().split())\nprint(a + b)").status is Status.VERIFIED
    wrong = check(checker, SUM, "print(7)")
    assert wrong.status is Status.REFUTED
    assert wrong.evidence["first_failure"]["got"] == "7\n"
    assert wrong.evidence["first_failure"]["test"] == 2


def test_limits_are_undecided(checker: CodeChecker) -> None:
    short = Limits(wall_s=1.0, cpu_s=10.0, memory_mb=256, output_kb=64)
    for text, reason in [
        ("import time\ntime.sleep(60)", "time limit"),
        ("while True: print('x' * 100)", "output limit"),
        ("x = bytearray(4 << 30)", "memory limit"),
    ]:
        verdict = check(checker, SUM, text, short)
        assert (verdict.status, verdict.reason) == (Status.UNDECIDED, reason)


def test_cpu_limit(checker: CodeChecker) -> None:
    verdict = check(checker, SUM, "while True: pass", Limits(wall_s=30.0, cpu_s=1.0))
    assert (verdict.status, verdict.reason) == (Status.UNDECIDED, "cpu limit")


def test_malformed(checker: CodeChecker) -> None:
    for text in ("", "I do not know.", "```python\ndef gcd(a, b:\n```", "x" * 2_000_000):
        assert check(checker, GCD, text).status is Status.MALFORMED
