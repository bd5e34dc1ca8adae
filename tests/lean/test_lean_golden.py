"""Statements of core Lean with proofs that hold and proofs that do not.

`golden/NAME.in` has problems separated by blank lines: the statement's lines (what precedes its `theorem` is the
header), then proofs, `+` before one that holds and `-` before one that does not, continued by lines indented by two
spaces. `golden/NAME.expected.out` has the verdict of each proof. PROOFMILL_UPDATE_GOLDEN=1 writes it anew, after which
every `+` must still be verified and no `-`.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from verifiers.lean.checker import LeanChecker
from verifiers.types import Kind, Limits, Problem, Status

pytestmark = pytest.mark.lean

FILES = sorted((Path(__file__).parent / "golden").glob("*.in"))


@dataclasses.dataclass(frozen=True)
class Case:
    problem: Problem
    proof: str
    holds: bool


def read(path: Path) -> list[Case]:
    return [case for block in path.read_text().strip().split("\n\n") for case in _cases(block.split("\n"))]


def _cases(lines: list[str]) -> Iterator[Case]:
    first = next(i for i, line in enumerate(lines) if line.startswith(("+ ", "- ")))
    start = next(i for i, line in enumerate(lines) if line.startswith("theorem "))
    reference = {"header": "\n".join(lines[:start]), "statement": "\n".join(lines[start:first]), "name": "t"}
    problem = Problem("golden", Kind.LEAN, "", reference)
    proofs: list[list[str]] = []
    for line in lines[first:]:
        if line.startswith(("+ ", "- ")):
            proofs.append([line[:1], line[2:]])
        else:
            proofs[-1].append(line.removeprefix("  "))
    for sign, *proof in proofs:
        yield Case(problem, "\n".join(proof), sign == "+")


def test_there_are_enough_of_them() -> None:
    problems = {(c.problem.reference["header"], c.problem.reference["statement"]) for f in FILES for c in read(f)}
    assert len(problems) >= 130
    assert sum(len(read(f)) for f in FILES) >= 370


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_golden(lean: LeanChecker, path: Path) -> None:
    shown = []
    for case in read(path):
        verdict = lean.verify(case.problem, case.proof, Limits(wall_s=60.0))
        assert (verdict.status is Status.VERIFIED) == case.holds, (case, verdict)
        shown.append(f"{verdict.status}: {verdict.reason}")
    expected = path.with_suffix(".expected.out")
    if os.environ.get("PROOFMILL_UPDATE_GOLDEN"):
        expected.write_text("\n".join(shown) + "\n")
    assert shown == expected.read_text().splitlines()
