"""Statements of core Lean with proofs that hold and proofs that do not.

`golden/NAME.in` has problems separated by blank lines: the statement's lines (what precedes its `theorem` is the
header), then proofs, `+` before one that holds and `-` before one that does not, continued by lines indented by two
spaces. `golden/NAME.expected.out` has the verdict of each proof. PROOFMILL_UPDATE_GOLDEN=1 writes it anew, after which
every `+` must still be verified and no `-`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from lean_golden import FILES, read

from verifiers.lean.checker import LeanChecker
from verifiers.types import Limits, Status

pytestmark = pytest.mark.lean


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
