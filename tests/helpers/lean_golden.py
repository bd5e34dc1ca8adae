"""The golden statements and proofs of core Lean: tests/verifiers/lean/test_lean_golden.py has their format."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from verifiers.types import Kind, Problem

FILES = sorted((Path(__file__).parents[1] / "verifiers" / "lean" / "golden").glob("*.in"))


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
