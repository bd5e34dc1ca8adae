"""Best-first search for a tactic proof: propose tactics for a goal state, apply them, follow the likeliest, backtrack.

    root ─► queue ─► best state ─► Proposer: [(tactic, logprob), …] ─► TacticBackend.apply ─► new state ─► queue
                                                                              └─ no goals left ─► accept(tactics)
Promises: pure (no process, no model, no clock but the one it is given); every state is expanded at most once, states
that show the same goals are one; never more than the budget's expansions, applied tactics, waiting states and depth.
Does not: prove anything. A state without goals is a claim of the backend; what counts is `accept`, which composes the
whole proof and has it checked as any other candidate; where it says no, the search goes on. Fails: whatever the
backend or the proposer raises passes through.

The order is that of GPT-f (Polu and Sutskever 2020): a state's priority is the sum of its tactics' log-probabilities;
`length_penalty` p divides the sum by depth^p, so that 1 compares means and long proofs are not drowned.
"""

from __future__ import annotations

import dataclasses
import enum
import heapq
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol


@dataclasses.dataclass(frozen=True, slots=True)
class TacticState:
    """Goals that are left, as Lean prints them; none means that the backend claims a proof."""

    goals: tuple[str, ...]
    handle: Any = dataclasses.field(compare=False, repr=False)
    """The backend's own; opaque here."""


@dataclasses.dataclass(frozen=True, slots=True)
class TacticFailure:
    """Why there is no new state. `reason` is one of `error`, `policy`, `timeout`, `resources`, `crash`."""

    reason: str
    message: str


class TacticBackend(Protocol):
    """A Lean that runs one tactic at a time on one theorem."""

    def start(self) -> TacticState | TacticFailure:
        """The theorem's own goal, its hypotheses introduced."""
        ...

    def apply(self, state: TacticState, tactic: str) -> TacticState | TacticFailure:
        """What `tactic` makes of `state`, which stays usable."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Proposal:
    """A tactic to try and the natural logarithm of its probability (at most 0)."""

    tactic: str
    logprob: float


class Proposer(Protocol):
    """Where tactics come from: a model, or a list."""

    def propose(self, state: TacticState) -> Sequence[Proposal]:
        """Tactics for the first goal of `state`, in any order."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class SearchBudget:
    """Bounds of one search."""

    expansions: int = 100
    """States whose tactics are tried."""
    applications: int = 2000
    """Tactics that are run."""
    depth: int = 16
    """Tactics of a proof."""
    width: int = 16
    """Tactics tried on a state, the likeliest first."""
    waiting: int = 10_000
    """States in the queue; the least likely is dropped."""
    wall_s: float = 60.0


class Outcome(enum.StrEnum):
    """How a search ended."""

    PROVED = "proved"
    EXHAUSTED = "exhausted"
    """Nothing is left to try."""
    BUDGET = "budget"
    """Expansions or applications ran out."""
    TIME = "time"
    NO_START = "no start"
    """The backend has no first state; `SearchResult.detail` says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class SearchResult:
    """`tactics` is the accepted proof when PROVED, else empty."""

    outcome: Outcome
    tactics: tuple[str, ...] = ()
    expansions: int = 0
    applications: int = 0
    states: int = 0
    """Different states that were reached."""
    duplicates: int = 0
    """Times that a known state was reached again."""
    rejected: int = 0
    """Finished proofs that `accept` refused."""
    failures: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Applications without a new state, by reason."""
    detail: str = ""
    seconds: float = 0.0


@dataclasses.dataclass(slots=True, eq=False)
class _Node:
    state: TacticState
    tactics: tuple[str, ...]
    logprob: float
    score: float
    expanded: bool = False


def search(
    backend: TacticBackend,
    proposer: Proposer,
    accept: Callable[[tuple[str, ...]], bool],
    budget: SearchBudget,
    length_penalty: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> SearchResult:
    """Looks for a proof of the backend's theorem. `accept` gets the tactics of a finished proof, in order."""
    tree = _Tree(budget, length_penalty)
    started = clock()
    expansions = applications = rejected = 0
    failures: Counter[str] = Counter()

    def result(outcome: Outcome, tactics: tuple[str, ...] = (), detail: str = "") -> SearchResult:
        return SearchResult(
            outcome=outcome,
            tactics=tactics,
            expansions=expansions,
            applications=applications,
            states=tree.num_states,
            duplicates=tree.num_duplicates,
            rejected=rejected,
            failures=dict(failures),
            detail=detail,
            seconds=clock() - started,
        )

    root = backend.start()
    if isinstance(root, TacticFailure):
        return result(Outcome.NO_START, detail=f"{root.reason}: {root.message}")
    tree.add(root, (), 0.0)
    while (node := tree.take()) is not None:
        if expansions >= budget.expansions:
            return result(Outcome.BUDGET)
        if clock() - started >= budget.wall_s:
            return result(Outcome.TIME)
        expansions += 1
        for proposal in _likeliest(proposer.propose(node.state), budget.width):
            if applications >= budget.applications:
                return result(Outcome.BUDGET)
            if clock() - started >= budget.wall_s:
                return result(Outcome.TIME)
            applications += 1
            reached = backend.apply(node.state, proposal.tactic)
            if isinstance(reached, TacticFailure):
                failures[reached.reason] += 1
                continue
            tactics = (*node.tactics, proposal.tactic)
            if reached.goals:
                tree.add(reached, tactics, node.logprob + proposal.logprob)
            elif accept(tactics):
                return result(Outcome.PROVED, tactics)
            else:
                rejected += 1
    return result(Outcome.EXHAUSTED)


class _Tree:
    """The states reached and the queue of those to expand, best first; of equal ones the older."""

    def __init__(self, budget: SearchBudget, length_penalty: float) -> None:
        self.num_duplicates = 0
        self._budget = budget
        self._length_penalty = length_penalty
        self._known: dict[tuple[str, ...], _Node] = {}
        self._queue: list[tuple[float, int, _Node]] = []
        self._order = 0

    @property
    def num_states(self) -> int:
        return len(self._known)

    def add(self, state: TacticState, tactics: tuple[str, ...], logprob: float) -> None:
        score = logprob / max(len(tactics), 1) ** self._length_penalty
        node = _Node(state, tactics, logprob, score)
        known = self._known.get(state.goals)
        if known is not None:
            self.num_duplicates += 1
            if known.expanded or known.score >= score:
                return
        self._known[state.goals] = node  # the worse node stays in the queue and is skipped when its turn comes
        if len(tactics) >= self._budget.depth:
            return
        self._order += 1
        heapq.heappush(self._queue, (-score, self._order, node))
        if len(self._queue) > 2 * self._budget.waiting:
            self._queue = heapq.nsmallest(self._budget.waiting, self._queue)  # sorted, so a heap

    def take(self) -> _Node | None:
        while self._queue:
            node = heapq.heappop(self._queue)[2]
            if self._known[node.state.goals] is node:
                node.expanded = True
                return node
        return None


def _likeliest(proposals: Sequence[Proposal], width: int) -> list[Proposal]:
    """The `width` best, each tactic once."""
    best: dict[str, Proposal] = {}
    for proposal in proposals:
        tactic = proposal.tactic.strip()
        if tactic and (tactic not in best or best[tactic].logprob < proposal.logprob):
            best[tactic] = Proposal(tactic, proposal.logprob)
    return heapq.nsmallest(width, best.values(), key=lambda p: -p.logprob)
