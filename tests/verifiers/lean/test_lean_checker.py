"""The checker as the pipeline sees it, over the embedded engine."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from verifiers.lean.checker import LeanChecker
from verifiers.types import Kind, Limits, Problem, Status

pytestmark = pytest.mark.lean

STATEMENT = "theorem t (a b : Nat) : a + b = b + a"


def problem(statement: str = STATEMENT, header: str = "", name: str = "t") -> Problem:
    return Problem("p", Kind.LEAN, "", {"header": header, "statement": statement, "name": name})


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("omega", Status.VERIFIED, "proved"),
        ("Nat.add_comm a b", Status.VERIFIED, "proved"),
        (f"So:\n```lean\n{STATEMENT} := by omega\n```", Status.VERIFIED, "proved"),
        ("rfl", Status.REFUTED, "Lean error"),
        ("by omega )", Status.REFUTED, "syntax error"),
        ("by sorry", Status.REFUTED, "policy: uses sorry"),
        ("The answer is 5.", Status.MALFORMED, "not Lean"),
        ("theorem u : 1 = 1 := rfl", Status.MALFORMED, "theorem not found"),
        ("theorem t (a b : Nat) : a + b = a + b := rfl", Status.REFUTED, "states something else"),
    ],
)
def test_verdicts(lean: LeanChecker, text: str, status: Status, reason: str) -> None:
    verdict = lean.verify(problem(), text)
    assert (verdict.status, verdict.reason) == (status, reason), verdict.evidence
    assert pickle.loads(pickle.dumps(verdict)) == verdict


def test_evidence_of_a_proof(lean: LeanChecker) -> None:
    evidence = lean.verify(problem("theorem t (p : Prop) : p ∨ ¬p"), "Classical.em p").evidence
    assert evidence["toolchain"].startswith("4.28.0")
    assert evidence["replayed"] == 1
    assert evidence["audit"] == "kernel replay"
    assert "tier" in evidence
    choice = lean.verify(
        problem("theorem t (α : Type) (h : Nonempty α) : ∃ _ : α, True"), "⟨Classical.choice h, trivial⟩"
    )
    assert choice.evidence["axioms"] == ["Classical.choice"]


def test_evidence_of_a_failure_points_into_the_text(lean: LeanChecker) -> None:
    text = "Let us see.\n```lean\nby\n  cases a\n  · omega\n  · simp only []\n```"
    verdict = lean.verify(problem(), text)
    assert verdict.status is Status.REFUTED
    line = verdict.evidence["error"]["line"]
    assert text.split("\n")[line - 1].strip() == "· simp only []"
    unsolved = lean.verify(problem(), "by\n  constructor").evidence
    assert unsolved["error"]["message"]
    goals = lean.verify(problem("theorem t (p q : Prop) (h : p) : p ∧ q"), "by\n  constructor\n  · exact h").evidence
    assert goals["goals"] == ["⊢ q"]


def test_a_warm_checker_starts_nothing_for_its_first_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    checker = LeanChecker(num_spares=0)
    checker.warm()
    monkeypatch.setattr("verifiers.lean.embedded.engine.Pool._spawn", lambda pool: pytest.fail("a process was started"))
    assert checker.verify(problem("theorem t : 1 = 1"), "by rfl").status is Status.VERIFIED
    checker.warm()
    checker.close()


def test_warming_leaves_it_to_the_first_check_to_say_why_lean_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr("verifiers.lean.embedded.engine.LeanProcess", broken)
    checker = LeanChecker()
    checker.warm()
    verdict = checker.verify(problem("theorem t : 1 = 1"), "by rfl")
    assert verdict.status is Status.ERROR and "no room" in str(verdict.evidence)
    checker.close()


def test_mathlib_needs_a_native_project() -> None:
    checker = LeanChecker()  # starts nothing for this
    verdict = checker.verify(problem(header="import Mathlib\nopen Nat"), "by norm_num")
    assert verdict.status is Status.UNDECIDED
    assert verdict.reason == "needs Mathlib: configure a native Lean project"
    checker.close()


def test_problems_are_checked_before_they_are_used(lean: LeanChecker) -> None:
    assert lean.check_problem(problem()) is None
    assert lean.check_problem(problem(header="import Mathlib")) is None
    assert "does not elaborate" in (lean.check_problem(problem("theorem t : 1 + true = 2")) or "")
    assert "no theorem named u" in (lean.check_problem(problem(name="u")) or "")
    assert "header does not elaborate" in (lean.check_problem(problem(header="open Nonsense")) or "")
    unfinished = problem("theorem t : f = f", "def f : Nat := sorry")
    assert "depends on sorry" in (lean.check_problem(unfinished) or "")
    assert lean.verify(unfinished, "rfl").status is Status.UNDECIDED
    assert "did not open" in (lean.check_problem(problem(header="end\ndef left_out := 1")) or "")


def test_an_error_counts_after_any_number_of_messages(lean: LeanChecker) -> None:
    noise = "".join(f'theorem h{i} : True := by\n  trace "so far"\n  trivial\n' for i in range(60))
    verdict = lean.verify(problem(), f"{noise}{STATEMENT} := by rfl")
    assert (verdict.status, verdict.reason) == (Status.REFUTED, "Lean error"), verdict
    broken = problem(header=f"{noise}theorem wrong : False := trivial")
    assert "header does not elaborate" in (lean.check_problem(broken) or "")


def test_duplicates_are_checked_once(lean: LeanChecker) -> None:
    text = "by\n  -- many samples say the same\n  omega"
    lean.verify(problem(), "by omega")
    before = num_elaborations(lean)
    with ThreadPoolExecutor(8) as threads:
        verdicts = list(threads.map(lambda _: lean.verify(problem(), text), range(8)))
    assert {v.status for v in verdicts} == {Status.VERIFIED}
    assert sum("shared" not in v.evidence for v in verdicts) == 1
    assert num_elaborations(lean) == before + 1


def test_equal_texts_for_different_statements_are_not_shared(lean: LeanChecker) -> None:
    text = "by\n  -- the same words\n  omega"
    assert lean.verify(problem(), text).status is Status.VERIFIED
    other = lean.verify(problem("theorem t (a b : Nat) : a + b = a"), text)
    assert other.status is Status.REFUTED and "shared" not in other.evidence
    same = lean.verify(problem(), text)
    assert same.status is Status.VERIFIED and same.evidence["shared"] is True


def num_elaborations(lean: LeanChecker) -> int:
    return sum(process.num_requests for pool in lean._pools.values() for process in pool._idle)


def test_a_stuck_proof_costs_one_verdict(lean: LeanChecker) -> None:
    # Only the kernel evaluates this, and it knows no heartbeats there.
    stuck = "by\n  have : (List.range 10000000).foldl (· + ·) 0 % 2 = 5 := by decide +kernel\n  omega"
    verdict = lean.verify(problem(), stuck, Limits(wall_s=2.0))
    assert verdict.status is Status.UNDECIDED, verdict
    assert verdict.reason in ("timeout", "heartbeat limit", "memory limit")
    assert lean.verify(problem(), "by omega").status is Status.VERIFIED


def test_text_length_is_bounded(lean: LeanChecker) -> None:
    verdict = lean.verify(problem(), "x" * 200, Limits(text_chars=100))
    assert (verdict.status, verdict.reason) == (Status.MALFORMED, "text too long")


def test_header_definitions_are_part_of_the_statement(lean: LeanChecker) -> None:
    stated = problem("theorem t : twice 2 = 4", "def twice (n : Nat) : Nat := n + n")
    proof = "theorem t : twice 2 = 4 := rfl"
    assert lean.verify(stated, proof).status is Status.VERIFIED
    repeated = lean.verify(stated, f"def twice (n : Nat) : Nat := n + n\n{proof}")
    assert repeated.status is Status.VERIFIED, repeated
    changed = lean.verify(stated, "def twice (_ : Nat) : Nat := 4\ntheorem t : twice 2 = 4 := rfl")
    assert changed.status is Status.REFUTED


def test_a_matcher_in_the_statement_may_have_another_name(lean: LeanChecker) -> None:
    stated = problem("theorem t (o : Option Nat) : (match o with | some _ => 1 | none => 1) = 1")
    helper = "theorem helper (o : Option Nat) : (match o with | some _ => 1 | none => 1) = 1 := by cases o <;> rfl"
    assert lean.verify(stated, "by cases o <;> rfl").status is Status.VERIFIED
    full = f"{helper}\n{stated.reference['statement']} := helper o"
    verdict = lean.verify(stated, full)
    assert verdict.status is Status.VERIFIED, verdict


def test_a_proof_in_the_statement_may_have_another_name(lean: LeanChecker) -> None:
    stated = problem("theorem t : (⟨3, by omega⟩ : Fin 5).val = 3")
    full = f"theorem helper : (⟨3, by omega⟩ : Fin 5).val = 3 := rfl\n{stated.reference['statement']} := helper"
    verdict = lean.verify(stated, full)
    assert verdict.status is Status.VERIFIED, verdict


def test_a_byte_order_mark_is_a_character(lean: LeanChecker) -> None:
    verdict = lean.verify(problem('theorem t : "\\uFEFFa".length = 2'), "rfl")
    assert verdict.status is Status.VERIFIED, verdict


def test_a_theorem_of_the_header_is_not_taken_for_the_problem(lean: LeanChecker) -> None:
    stated = problem("theorem t : 1 = 1", "theorem A.t : True := trivial\nnamespace Longer")
    assert lean.verify(stated, "rfl").status is Status.VERIFIED
    assert lean.verify(stated, "theorem A.t : True := trivial").status is not Status.VERIFIED


def test_vacuous_statements_are_flagged(lean: LeanChecker) -> None:
    verdict = lean.verify(problem("theorem t (n : Nat) (h : n < n) : n = 37"), "by omega")
    assert verdict.status is Status.VERIFIED
    assert verdict.evidence["vacuous"] is True
    assert "vacuous" not in lean.verify(problem(), "by omega").evidence
