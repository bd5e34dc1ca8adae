"""The hostile programs again: in the weaker tiers of the sandbox, and against problems with a checker program."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from code_corpora import PROBLEMS, as_answer, header

from verifiers.code.checker import CodeChecker
from verifiers.sandbox import kernel
from verifiers.sandbox.room import Tier
from verifiers.types import Kind, Limits, Problem, Status

ADVERSARIAL = sorted((Path(__file__).parent / "adversarial").iterdir())
LIMITS = Limits(wall_s=1.0, cpu_s=1.0, memory_mb=256, output_kb=256, processes=24)
_SUM = """
import sys
given, answer, output = (open(path, errors="replace").read() for path in sys.argv[1:])
numbers = [word for word in output.split()]
print(int(len(numbers) == 1 and numbers[0] == str(sum(map(int, given.split())))))
"""
CHECKED = Problem(
    "add-checked",
    Kind.CODE,
    "",
    {**PROBLEMS["stdin"].reference, "checker": {"language": "python", "source": _SUM, "protocol": "score"}},
)


def tiers() -> dict[str, Tier]:
    found = {"no root": Tier("namespaces", False, None, kernel.landlock_abi())}
    if kernel.landlock_abi():
        found["landlock"] = Tier("landlock", os.geteuid() == 0, None, kernel.landlock_abi())
    return found


@pytest.fixture(scope="module", params=list(tiers()))
def weaker(request: pytest.FixtureRequest) -> Iterator[CodeChecker]:
    checker = CodeChecker(num_workers=1, tier=tiers()[request.param])
    yield checker
    checker.close()


def leaks() -> list[str]:
    folders = ("/", "/tmp", "/var/tmp", "/dev/shm")
    return [name for folder in folders for name in ("proofmill_leak",) if Path(folder, name).exists()]


def modes(path: Path) -> list[str]:
    return [mode for mode in header(path)["mode"].split(", ") if mode in ("stdin", "function", "assert")]


@pytest.mark.parametrize("path", [path for path in ADVERSARIAL if modes(path)], ids=lambda path: path.stem)
def test_hostile_program_in_a_weaker_tier(path: Path, weaker: CodeChecker) -> None:
    for mode in modes(path):
        verdict = weaker.verify(PROBLEMS[mode], as_answer(path), LIMITS)
        assert verdict.status is not Status.VERIFIED, verdict
        assert verdict.status is not Status.ERROR, verdict
    assert leaks() == []
    right = "a, b = map(int, input().split())\nprint(a + b)"
    assert weaker.verify(PROBLEMS["stdin"], right, LIMITS).status is Status.VERIFIED


@pytest.mark.parametrize("path", [path for path in ADVERSARIAL if path.suffix == ".py"], ids=lambda path: path.stem)
def test_hostile_program_against_a_checker_program(path: Path, shared_checker: CodeChecker) -> None:
    verdict = shared_checker.verify(CHECKED, as_answer(path), LIMITS)
    assert verdict.status is not Status.VERIFIED, verdict
    assert leaks() == []
    right = "a, b = map(int, input().split())\nprint(a + b)"
    assert shared_checker.verify(CHECKED, right, LIMITS).status is Status.VERIFIED
