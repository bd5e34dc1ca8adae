"""Every attack, with the syntax policy and without it: the audit alone must hold.

One attack a file in `adversarial/`. Its first line is a comment with the problem it is aimed at and the statuses
expected with the policy on (`policy`) and off (`audit`); `|` separates statuses where time decides. A sound proof
beside an attack that the audit has no reason to see is `verified` without the policy.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from verifiers.lean.checker import LeanChecker
from verifiers.lean.second_kernel.library import find_library
from verifiers.types import Kind, Limits, Problem, Status

pytestmark = pytest.mark.lean

CORPUS = sorted((Path(__file__).parent / "adversarial").glob("*.lean"))
LIMITS = Limits(wall_s=8.0)
TRUE = "theorem t (a b : Nat) : a + b = b + a"
FALSE = "theorem t : (2 : Nat) + 2 = 5"


@pytest.fixture(scope="module")
def audit_only() -> Iterator[LeanChecker]:
    checker = LeanChecker(policy=False)
    yield checker
    checker.close()


def problem(statement: str, header: str = "", name: str = "t") -> Problem:
    return Problem("p", Kind.LEAN, "", {"header": header, "statement": statement, "name": name})


def read(path: Path) -> tuple[Problem, str, dict[str, str]]:
    text = path.read_text()
    first, rest = text.split("\n", 1)
    meta = json.loads(first.removeprefix("-- "))
    return problem(meta["statement"], meta["header"], meta["name"]), rest, meta


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.stem)
def test_with_policy(lean: LeanChecker, path: Path) -> None:
    stated, text, meta = read(path)
    verdict = lean.verify(stated, text, LIMITS)
    assert verdict.status in meta["policy"].split("|"), (verdict.reason, verdict.evidence)


@pytest.mark.parametrize("path", CORPUS, ids=lambda p: p.stem)
def test_audit_alone(audit_only: LeanChecker, path: Path) -> None:
    stated, text, meta = read(path)
    verdict = audit_only.verify(stated, text, LIMITS)
    assert verdict.status in meta["audit"].split("|"), (verdict.reason, verdict.evidence)
    assert verdict.reason != "kernels disagree", verdict.evidence
    if verdict.status is Status.VERIFIED and not isinstance(find_library(), str):
        assert len(verdict.evidence["kernels"]) == 2


GENERATED = {
    "null_byte": (TRUE, TRUE + " := by omega\0", "malformed"),
    "invalid_utf8": (TRUE, b"by omega -- \xff\xfe".decode(errors="surrogateescape"), "malformed"),
    "ten_thousand_lines": (FALSE, "-- nothing\n" * 10_000 + FALSE + " := by decide", "refuted"),
    "two_thousand_theorems": (
        FALSE,
        "".join(f"theorem h{i} : True := trivial\n" for i in range(2_000)) + FALSE + " := by decide",
        "refuted|undecided",
    ),
    "deep_parentheses": (FALSE, FALSE + " := " + "(" * 20_000 + "rfl" + ")" * 20_000, "refuted|undecided"),
    "deep_application": (FALSE, FALSE + " := by\n  exact " + "id (" * 5_000 + "rfl" + ")" * 5_000, "refuted|undecided"),
    "deep_successor": (
        FALSE,
        FALSE + " := by\n  have := " + "Nat.succ (" * 3_000 + "0" + ")" * 3_000 + "\n  rfl",
        "refuted|undecided",
    ),
    "huge_numeral": (FALSE, FALSE + f" := by\n  have : 2 ^ {10**30} = 1 := by decide\n  omega", "refuted|undecided"),
    "huge_power": (
        FALSE,
        FALSE + " := by\n  have : 2 ^ 2 ^ 2 ^ 2 ^ 2 ^ 2 = 1 := by decide +kernel\n  omega",
        "refuted|undecided",
    ),
}


@pytest.mark.parametrize("name", GENERATED)
def test_generated_with_policy(lean: LeanChecker, name: str) -> None:
    statement, text, statuses = GENERATED[name]
    assert lean.verify(problem(statement), text, LIMITS).status in statuses.split("|")


@pytest.mark.parametrize("name", GENERATED)
def test_generated_audit_alone(audit_only: LeanChecker, name: str) -> None:
    statement, text, statuses = GENERATED[name]
    assert audit_only.verify(problem(statement), text, LIMITS).status in statuses.split("|")


def test_nothing_leaks_from_one_candidate_to_the_next(audit_only: LeanChecker) -> None:
    """Notations, instances, attributes, options and openings of a hostile candidate are gone for the next one."""
    honest = "by\n  -- {}\n  omega"
    hostile = [
        'local notation "omega" => rfl\n' + FALSE + " := by decide",
        "instance (priority := high) : Add Nat := ⟨fun _ _ => 5⟩\n" + FALSE + " := rfl",
        'macro_rules | `(tactic| omega) => `(tactic| fail "leaked")\n' + FALSE + " := by decide",
        "set_option maxRecDepth 10\n" + FALSE + " := by decide",
        "attribute [-simp] Nat.add_zero\n" + FALSE + " := by decide",
        "namespace Nat\ntheorem add_comm : True := trivial\n" + FALSE + " := by decide",
    ]
    for i, attack in enumerate(hostile * 2):
        assert audit_only.verify(problem(FALSE), f"-- {i}\n{attack}").status is Status.REFUTED
        verdict = audit_only.verify(problem(TRUE), honest.format(i))
        assert verdict.status is Status.VERIFIED, (attack, verdict)
        simp = audit_only.verify(problem("theorem t (n : Nat) : n + 0 = n"), f"by simp -- {i}")
        assert simp.status is Status.VERIFIED, (attack, simp)
