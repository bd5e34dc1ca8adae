"""Goals out, tactics in, on the embedded Lean: honest steps, hostile ones, and searches whose proofs are audited."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from verifiers.lean.checker import LeanChecker
from verifiers.lean.embedded.tactics import MAX_TACTIC_CHARS, MAX_TACTICS, EmbeddedTactics, compose
from verifiers.lean.search.best_first import Outcome, Proposal, SearchBudget, TacticFailure, TacticState, search
from verifiers.lean.search.core_tactics import CoreTactics, read_goal
from verifiers.types import Kind, Problem, Status

pytestmark = pytest.mark.lean

AND = "theorem t (p q : Prop) (h : p ∧ q) : q ∧ p"


def problem(statement: str = AND, header: str = "") -> Problem:
    return Problem("p", Kind.LEAN, "", {"header": header, "statement": statement, "name": "t"})


def begin(lean: LeanChecker, statement: str = AND, header: str = "") -> tuple[EmbeddedTactics, TacticState]:
    backend = lean.open_tactics(problem(statement, header))
    state = backend.start()
    assert isinstance(state, TacticState), state
    return backend, state


def goals(backend: EmbeddedTactics, state: TacticState, *tactics: str) -> tuple[str, ...]:
    for tactic in tactics:
        reached = backend.apply(state, tactic)
        assert isinstance(reached, TacticState), (tactic, reached)
        state = reached
    return state.goals


def test_goals_step_by_step_and_back(lean: LeanChecker) -> None:
    backend, root = begin(lean)
    assert root.goals == ("p q : Prop\nh : p ∧ q\n⊢ q ∧ p",)
    two = backend.apply(root, "constructor")
    assert isinstance(two, TacticState)
    assert [goal.split("\n")[-1] for goal in two.goals] == ["⊢ q", "⊢ p"]
    assert len(goals(backend, two, "exact h.2")) == 1
    assert goals(backend, two, "exact h.2", "exact h.1") == ()
    # The earlier states are as they were.
    assert goals(backend, root, "exact ⟨h.2, h.1⟩") == ()
    assert backend.apply(two, "exact h.1").reason == "error"  # type: ignore[union-attr]


def test_several_lines_and_cases(lean: LeanChecker) -> None:
    backend, root = begin(lean, "theorem t (n : Nat) : 0 + n = n")
    split = goals(backend, root, "induction n with\n| zero => ?_\n| succ n ih => ?_")
    assert [goal.split("\n")[-1] for goal in split] == ["⊢ 0 + 0 = 0", "⊢ 0 + (n + 1) = n + 1"]
    assert goals(backend, root, "induction n with\n| zero => rfl\n| succ n ih => omega") == ()
    assert goals(backend, root, "have h : 0 + n = n := by\n  omega\nexact h") == ()


HOSTILE = [
    ("sorry", "policy"),
    ("all_goals sorry", "policy"),
    ("native_decide", "policy"),
    ("run_tac pure ()", "policy"),
    ("#exit", "policy"),
    ("simp\nset_option maxHeartbeats 0", "policy"),
    ("skip)\n(skip", "error"),
    ("skip\ntheorem x : 1 = 1 := by\n  skip", "error"),
    ("exact ⟨h.2, h.1⟩\n)\ntheorem x : 1 = 1 := by\n  (skip", "error"),
    ("exact ⟨h.2, h.1⟩\n)\nend\nexample : True := by\n  (trivial", "policy"),
    ("/- ", "error"),
    ('exact "', "error"),
    ("· skip", "error"),
    ("case nonsense =>", "error"),
    ("exact foo", "error"),
    ("fail 'x'", "error"),
    ("", "error"),
    ("repeat (first | skip)", "error"),
    ("\0", "error"),
    ("x" * (MAX_TACTIC_CHARS + 1), "error"),
]


@pytest.mark.parametrize(("tactic", "reason"), HOSTILE)
def test_what_is_no_tactic_is_a_failure(lean: LeanChecker, tactic: str, reason: str) -> None:
    backend, root = begin(lean)
    reached = backend.apply(root, tactic)
    assert isinstance(reached, TacticFailure), reached
    assert reached.reason == reason, reached
    assert goals(backend, root, "exact ⟨h.2, h.1⟩") == ()


def test_nothing_of_one_state_reaches_another(lean: LeanChecker) -> None:
    backend, root = begin(lean, "theorem t (a b : Nat) : a + b = b + a")
    for hostile in (
        'exact (by omega)\n)\nmacro "omega" : tactic => `(tactic| skip)\nexample : True := by\n  (trivial',
        "exact (by omega)\n)\ninstance : Add Nat := ⟨fun _ _ => 0⟩\nexample : True := by\n  (trivial",
        "exact (by omega)\n)\ntheorem t : False := by\n  (skip",
    ):
        assert isinstance(backend.apply(root, hostile), TacticFailure)
        assert goals(backend, root, "omega") == ()


def test_a_state_survives_the_process_that_showed_it(lean: LeanChecker) -> None:
    backend = lean.open_tactics(problem("theorem t (a b : Nat) (h : a = b) : b = a"), step_s=2.0)
    root = backend.start()
    assert isinstance(root, TacticState)
    further = backend.apply(root, "have k := h")
    assert isinstance(further, TacticState)
    stuck = "have : (List.range 10000000).foldl (· + ·) 0 % 2 = 5 := by decide +kernel"
    reached = backend.apply(further, stuck)
    assert isinstance(reached, TacticFailure) and reached.reason in ("timeout", "resources"), reached
    assert goals(backend, further, "exact k.symm") == ()


def test_a_state_has_bounded_depth(lean: LeanChecker) -> None:
    backend, root = begin(lean)
    deep = TacticState(root.goals, ("skip",) * MAX_TACTICS)
    reached = backend.apply(deep, "skip")
    assert isinstance(reached, TacticFailure) and "more than" in reached.message


def test_no_state_without_a_statement(lean: LeanChecker) -> None:
    reached = lean.open_tactics(problem("theorem t : 1 + true = 2")).start()
    assert isinstance(reached, TacticFailure) and "does not elaborate" in reached.message
    with pytest.raises(ValueError, match="needs Mathlib"):
        lean.open_tactics(problem(header="import Mathlib"))
    with pytest.raises(ValueError, match=r"reference\.name"):
        lean.open_tactics(Problem("p", Kind.LEAN, "", {"header": "", "statement": "theorem t : 1 = 1"}))


SEARCHES = [
    ("", "theorem t (p q r : Prop) : (p → q) → (q → r) → p → r"),
    ("", "theorem t (n : Nat) : 0 + n = n"),
    ("", "theorem t (p q : Prop) : p ∧ q ∨ q ∧ p → p ∧ q ∧ (q ∨ ¬ p)"),
    ("", "theorem t (xs ys : List Nat) : (xs ++ ys).length = ys.length + xs.length"),
    ("namespace A\nvariable (f : Nat → Nat)", "theorem t (h : ∀ x, f x = x) : f (f 2) = 2"),
]


@pytest.mark.parametrize(("header", "statement"), SEARCHES)
def test_a_search_finds_proofs_that_the_audit_accepts(lean: LeanChecker, header: str, statement: str) -> None:
    stated = problem(statement, header)

    def accept(tactics: Sequence[str]) -> bool:
        return lean.verify(stated, compose(statement, tactics)).status is Status.VERIFIED

    result = search(lean.open_tactics(stated), CoreTactics(), accept, SearchBudget(width=24))
    assert result.outcome is Outcome.PROVED, result


class Script:
    """Proposes the same tactics on every state."""

    def __init__(self, *tactics: str) -> None:
        self.tactics = tactics

    def propose(self, state: TacticState) -> list[Proposal]:
        return [Proposal(tactic, -1.0 - i) for i, tactic in enumerate(self.tactics)]


def test_a_proof_of_several_steps_is_composed(lean: LeanChecker) -> None:
    statement = "theorem t (p q r : Prop) (h : p ∧ (q ∧ r)) : (r ∧ q) ∧ p"
    composed: list[str] = []

    def accept(tactics: Sequence[str]) -> bool:
        composed.append(compose(statement, tactics))
        return lean.verify(problem(statement), composed[-1]).status is Status.VERIFIED

    script = Script("exact h.2.2", "exact h.2.1", "exact h.1", "constructor")
    result = search(lean.open_tactics(problem(statement)), script, accept, SearchBudget())
    assert result.outcome is Outcome.PROVED, result
    assert len(result.tactics) == 5
    assert len(composed) == 1 + result.rejected


def test_a_false_statement_is_not_proved(lean: LeanChecker) -> None:
    stated = problem("theorem t (a b : Nat) : a + b = a")
    backend = lean.open_tactics(stated)
    budget = SearchBudget(expansions=6, applications=120)
    assert search(backend, CoreTactics(), lambda _: False, budget).outcome is not Outcome.PROVED


def test_a_forged_end_is_refused_by_the_audit() -> None:
    """With the policy off a tactic may claim an end that is none; the composed proof is what counts."""
    checker = LeanChecker(policy=False, num_spares=0)
    try:
        stated = problem("theorem t (a b : Nat) : a + b = a")
        verdicts: list[Status] = []

        def accept(tactics: Sequence[str]) -> bool:
            verdicts.append(checker.verify(stated, compose(str(stated.reference["statement"]), tactics)).status)
            return verdicts[-1] is Status.VERIFIED

        script = Script("sorry", "exact sorryAx _ false")
        result = search(checker.open_tactics(stated), script, accept, SearchBudget())
        assert result.outcome is Outcome.EXHAUSTED
        assert result.rejected >= 2 and set(verdicts) == {Status.REFUTED}
    finally:
        checker.close()


def test_the_core_proposer_reads_goals() -> None:
    goal = "case succ\np q : Prop\nn✝ : Nat\nh : p ∧\n  q\nx : Nat := 3\n⊢ ∃ n,\n  n = 2"
    hypotheses, target = read_goal(goal)
    assert hypotheses == [("p", "Prop"), ("q", "Prop"), ("h", "p ∧ q"), ("x", "Nat")]
    assert target == "∃ n, n = 2"
    proposals = {p.tactic: p.logprob for p in CoreTactics().propose(TacticState((goal,), None))}
    assert "cases h" in proposals and "omega" in proposals and all(v < 0 for v in proposals.values())
    assert CoreTactics().propose(TacticState((), None)) == []
