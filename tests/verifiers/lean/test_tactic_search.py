"""Best-first search over made-up states: no Lean, so that order, backtracking and budgets are seen exactly."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest

from verifiers.lean.search.best_first import (
    Outcome,
    Proposal,
    SearchBudget,
    SearchResult,
    TacticFailure,
    TacticState,
    search,
)

Graph = Mapping[str, Mapping[str, tuple[str, float]]]
"""State → tactic → (next state, probability). `done` has no goals; `bad` is a failure."""


class Board:
    """Backend and proposer over one graph; keeps what was asked."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.applied: list[tuple[str, str]] = []
        self.expanded: list[str] = []

    def start(self) -> TacticState | TacticFailure:
        return TacticState(("root",), "root") if "root" in self.graph else TacticFailure("error", "no such theorem")

    def apply(self, state: TacticState, tactic: str) -> TacticState | TacticFailure:
        self.applied.append((state.handle, tactic))
        name, _ = self.graph[state.handle][tactic]
        if name == "bad":
            return TacticFailure("error", "unsolved goals")
        return TacticState(() if name == "done" else (name,), name)

    def propose(self, state: TacticState) -> Sequence[Proposal]:
        self.expanded.append(state.handle)
        return [Proposal(tactic, math.log(p)) for tactic, (_, p) in self.graph.get(state.handle, {}).items()]


def run(
    graph: Graph, budget: SearchBudget | None = None, length_penalty: float = 0.0, refuse: Sequence[str] = ()
) -> tuple[SearchResult, Board]:
    board = Board(graph)
    result = search(board, board, lambda ts: " ".join(ts) not in refuse, budget or SearchBudget(), length_penalty)
    return result, board


def test_it_backtracks_out_of_a_likely_dead_end() -> None:
    graph = {
        "root": {"likely": ("trap", 0.9), "unlikely": ("way", 0.1)},
        "trap": {"x": ("bad", 0.6), "y": ("bad", 0.4)},
        "way": {"finish": ("done", 1.0)},
    }
    result, board = run(graph)
    assert (result.outcome, result.tactics) == (Outcome.PROVED, ("unlikely", "finish"))
    assert board.expanded == ["root", "trap", "way"]
    assert result.failures == {"error": 2}
    assert (result.expansions, result.applications, result.states) == (3, 5, 3)


def test_a_proof_that_the_audit_refuses_does_not_end_the_search() -> None:
    graph = {"root": {"forged": ("done", 0.9), "step": ("s", 0.1)}, "s": {"honest": ("done", 1.0)}}
    result, _ = run(graph, refuse=["forged"])
    assert (result.outcome, result.tactics, result.rejected) == (Outcome.PROVED, ("step", "honest"), 1)
    result, _ = run(graph, refuse=["forged", "step honest"])
    assert (result.outcome, result.tactics, result.rejected) == (Outcome.EXHAUSTED, (), 2)


def test_states_with_equal_goals_are_one() -> None:
    graph = {
        "root": {"a": ("same", 0.5), "b": ("same", 0.4), "loop": ("root", 0.1)},
        "same": {"back": ("root", 0.5), "finish": ("bad", 0.5)},
    }
    result, board = run(graph)
    assert result.outcome is Outcome.EXHAUSTED
    assert board.expanded == ["root", "same"]
    assert (result.states, result.duplicates) == (2, 3)


def test_the_likelier_way_to_a_waiting_state_replaces_the_other() -> None:
    graph = {
        "root": {"rare": ("goal", 0.05), "common": ("mid", 0.95)},
        "mid": {"on": ("goal", 0.9)},
        "goal": {"finish": ("done", 1.0)},
    }
    result, board = run(graph)
    assert result.tactics == ("common", "on", "finish")
    assert board.expanded == ["root", "mid", "goal"]


def test_length_penalty_lets_a_long_likely_line_go_first() -> None:
    # Sums: line of three 3·log 0.6 = -1.53 against log 0.3 = -1.20. Means: -0.51 against -1.20.
    graph = {
        "root": {"long": ("l1", 0.6), "short": ("s", 0.3)},
        "l1": {"on": ("l2", 0.6)},
        "l2": {"on": ("l3", 0.6)},
        "l3": {"x": ("bad", 1.0)},
        "s": {"x": ("bad", 1.0)},
    }
    assert run(graph)[1].expanded == ["root", "l1", "l2", "s", "l3"]
    assert run(graph, length_penalty=1.0)[1].expanded == ["root", "l1", "l2", "l3", "s"]


def endless(width: int) -> Graph:
    class Tree(dict):
        def __missing__(self, state: str) -> dict[str, tuple[str, float]]:
            return {f"t{i}": (f"{state}{i}", 1 / width) for i in range(width)}

        def get(self, state: str, default: object = None) -> dict[str, tuple[str, float]]:
            return self[state]

    return Tree(root={f"t{i}": (f"{i}", 1 / width) for i in range(width)})


def test_budgets_hold() -> None:
    result, _ = run(endless(3), SearchBudget(expansions=7))
    assert (result.outcome, result.expansions) == (Outcome.BUDGET, 7)
    result, board = run(endless(3), SearchBudget(applications=8))
    assert (result.outcome, len(board.applied)) == (Outcome.BUDGET, 8)
    result, board = run(endless(9), SearchBudget(expansions=3, width=2))
    assert len(board.applied) == 6
    result, board = run(endless(2), SearchBudget(depth=3))
    assert result.outcome is Outcome.EXHAUSTED
    assert max(len(state) for state, _ in board.applied if state != "root") == 2
    result, board = run(endless(4), SearchBudget(expansions=200, waiting=5, depth=1000))
    assert result.expansions == 200


def test_the_clock_ends_it() -> None:
    board = Board(endless(2))
    seconds = iter(range(10_000))
    budget = SearchBudget(expansions=10_000, applications=10_000, wall_s=50)
    result = search(board, board, lambda _: True, budget, clock=lambda: float(next(seconds)))
    assert result.outcome is Outcome.TIME
    assert result.applications < 60


def test_no_first_state_is_told() -> None:
    result, _ = run({})
    assert (result.outcome, result.detail) == (Outcome.NO_START, "error: no such theorem")


def test_equal_and_empty_proposals_are_tried_once_or_not_at_all() -> None:
    class Babbler(Board):
        def propose(self, state: TacticState) -> Sequence[Proposal]:
            return [Proposal("x", -3.0), Proposal(" x\n", -1.0), Proposal("  ", -0.1)]

    board = Babbler({"root": {"x": ("bad", 1.0)}})
    search(board, board, lambda _: True, SearchBudget())
    assert board.applied == [("root", "x")]


@pytest.mark.parametrize("penalty", [0.0, 0.5, 1.0])
def test_the_order_is_the_same_every_time(penalty: float) -> None:
    budget = SearchBudget(expansions=40)
    assert run(endless(3), budget, penalty)[1].applied == run(endless(3), budget, penalty)[1].applied
