"""Thousands of mixed candidates through one elaborator: verdicts as from a fresh process, memory flat."""

from __future__ import annotations

import os

import pytest

from verifiers.lean.checker import LeanChecker
from verifiers.types import Kind, Problem, Status

pytestmark = pytest.mark.lean

ADD = "theorem t (a b : Nat) : a + b = b + a"
AND = "theorem t (p q : Prop) (h : p ∧ q) : q ∧ p"
CANDIDATES = [
    (ADD, "by omega", Status.VERIFIED),
    (ADD, "by rfl", Status.REFUTED),
    (AND, "⟨h.2, h.1⟩", Status.VERIFIED),
    (AND, "h", Status.REFUTED),
    (ADD, "by sorry", Status.REFUTED),
    (ADD, 'local notation "x" => 1\ntheorem u : x = 1 := rfl\n' + ADD + " := by omega", Status.VERIFIED),
    (AND, "theorem t : True := trivial", Status.REFUTED),
    (ADD, "instance (priority := high) : Add Nat := ⟨fun _ _ => 5⟩\n" + ADD + " := rfl", Status.REFUTED),
]
COUNT = int(os.environ.get("PROOFMILL_STRESS_COUNT", "1000"))
WARM = 100


def test_thousands_of_candidates_in_one_process() -> None:
    checker = LeanChecker(num_spares=0)
    heaps = []
    try:
        for i in range(COUNT):
            statement, text, status = CANDIDATES[i % len(CANDIDATES)]
            problem = Problem("p", Kind.LEAN, "", {"header": "", "statement": statement, "name": "t"})
            verdict = checker.verify(problem, f"-- {i}\n{text}")
            assert verdict.status is status, (text, verdict)
            (pool,) = checker._pools.values()
            (elaborator,) = pool._idle
            if i == 0:
                first = elaborator
            assert elaborator is first, "the process was replaced"
            heaps.append(elaborator.heap_mb)
    finally:
        checker.close()
    assert heaps[-1] <= heaps[WARM] + 16, (heaps[WARM], heaps[-1])
