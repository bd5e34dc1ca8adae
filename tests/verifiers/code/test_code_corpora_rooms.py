"""The hostile programs again: in the weaker tiers of the sandbox, beside a checker program, and as checker programs.

`make test` runs a fifth of the pairs of program and room, another fifth in each room; `make corpora` runs all of them.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from code_corpora import PROBLEMS, as_answer, header

from verifiers.code.checker import CodeChecker
from verifiers.sandbox import kernel
from verifiers.sandbox.room import Tier
from verifiers.types import Kind, Limits, Problem, Status

SHARE = int(os.environ.get("PROOFMILL_CORPORA_SHARE", "5"))
ADVERSARIAL = sorted((Path(__file__).parent / "adversarial").iterdir())
LIMITS = Limits(wall_s=1.0, cpu_s=1.0, memory_mb=256, output_kb=256, processes=24)
_SUM = """
import sys
given, answer, output = (open(path, errors="replace").read() for path in sys.argv[1:])
numbers = [word for word in output.split()]
print(int(len(numbers) == 1 and numbers[0] == str(sum(map(int, given.split())))))
"""
RIGHT = "a, b = map(int, input().split())\nprint(a + b)"
PATIENT = Limits(wall_s=60.0, cpu_s=20.0, memory_mb=256, output_kb=256, processes=24)
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


def pairs(rooms: list[str], paths: list[Path]) -> list[object]:
    """The pairs of this run, those of a room together."""
    return [
        pytest.param(room, path, id=f"{room}-{path.stem}")
        for room in rooms
        for path in paths
        if zlib.crc32(f"{room} {path.name}".encode()) % SHARE == 0
    ]


@pytest.fixture(scope="module")
def checkers() -> Iterator[dict[str, CodeChecker]]:
    made = {name: CodeChecker(num_workers=1, tier=tier) for name, tier in tiers().items()}
    yield made
    for checker in made.values():
        checker.close()


def leaks() -> list[str]:
    folders = ("/", "/tmp", "/var/tmp", "/dev/shm")
    return [name for folder in folders for name in ("proofmill_leak",) if Path(folder, name).exists()]


def modes(path: Path) -> list[str]:
    return [mode for mode in header(path)["mode"].split(", ") if mode in ("stdin", "function", "assert")]


@pytest.mark.parametrize(("tier", "path"), pairs(list(tiers()), [path for path in ADVERSARIAL if modes(path)]))
def test_hostile_program_in_a_weaker_tier(tier: str, path: Path, checkers: dict[str, CodeChecker]) -> None:
    for mode in modes(path):
        verdict = checkers[tier].verify(PROBLEMS[mode], as_answer(path), LIMITS)
        assert verdict.status is not Status.VERIFIED, verdict
        assert verdict.status is not Status.ERROR, verdict
    assert leaks() == []
    assert checkers[tier].verify(PROBLEMS["stdin"], RIGHT, LIMITS).status is Status.VERIFIED


PYTHON = [path for path in ADVERSARIAL if path.suffix == ".py"]
ROOMS = ["strongest", *tiers()]


def in_room(room: str, checkers: dict[str, CodeChecker], strongest: CodeChecker) -> CodeChecker:
    return strongest if room == "strongest" else checkers[room]


@pytest.mark.parametrize(("room", "path"), pairs(ROOMS, PYTHON))
def test_hostile_program_against_a_checker_program(
    room: str, path: Path, checkers: dict[str, CodeChecker], shared_checker: CodeChecker
) -> None:
    checker = in_room(room, checkers, shared_checker)
    verdict = checker.verify(CHECKED, as_answer(path), LIMITS)
    assert verdict.status is not Status.VERIFIED, verdict
    assert leaks() == []
    assert checker.verify(CHECKED, RIGHT, LIMITS).status is Status.VERIFIED


@pytest.mark.parametrize(("room", "path"), pairs(ROOMS, PYTHON))
def test_hostile_program_as_a_checker_program(
    room: str, path: Path, checkers: dict[str, CodeChecker], shared_checker: CodeChecker
) -> None:
    """It decides about its own problem, and about nothing else: what it did is gone when the next check begins."""
    checker = in_room(room, checkers, shared_checker)
    source = path.read_text(encoding="utf-8")
    reference = {**CHECKED.reference, "checker": {"language": "python", "source": source, "protocol": "score"}}
    verdict = checker.verify(Problem("hostile-checker", Kind.CODE, "", reference), RIGHT, LIMITS)
    assert verdict.status is not Status.ERROR, verdict
    assert leaks() == []
    assert checker.verify(CHECKED, RIGHT, PATIENT).status is Status.VERIFIED
    assert checker.verify(CHECKED, "print(8)", PATIENT).status is Status.REFUTED
