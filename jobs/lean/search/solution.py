"""One problem searched: tactic by tactic, each finished proof composed into a whole text and audited.

Promises: a solution has a text only if the checker's verdict on this very text is `verified`, by the same audit as for
any other candidate. Does not: trust the search, or the backend that says that no goals are left.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from verifiers.lean.embedded.tactics import compose
from verifiers.lean.search.best_first import Outcome, Proposer, SearchBudget, SearchResult, TacticBackend, search
from verifiers.types import Json, Problem, Status, Verdict

Verify = Callable[[Problem, str], Verdict]


@dataclasses.dataclass(frozen=True, slots=True)
class Solution:
    """What came of one problem."""

    problem: Problem
    result: SearchResult
    text: str | None = None
    """The verified solution, None where there is none."""
    verdict: Verdict | None = None
    """The verdict on `text`, or else on the last finished proof that was refused."""

    def to_json(self) -> dict[str, Json]:
        """A line in the offline-solution layout, with the verdict and the search beside it."""
        return {
            "problem_id": self.problem.id,
            **({} if self.text is None else {"text": self.text}),
            "verdict": None if self.verdict is None else self.verdict.to_json(),
            "search": {**dataclasses.asdict(self.result), "outcome": str(self.result.outcome)},
        }


def find_solution(
    problem: Problem,
    backend: TacticBackend,
    proposer: Proposer,
    verify: Verify,
    budget: SearchBudget,
    length_penalty: float = 0.0,
    clock: Callable[[], float] = time.monotonic,
) -> Solution:
    """Searches a proof of `problem`, whose statement `backend` runs tactics on."""
    statement = str(problem.reference["statement"])
    found: list[tuple[str, Verdict]] = []

    def accept(tactics: tuple[str, ...]) -> bool:
        # First as a person would write it, then as the search ran it, in case that reads differently.
        for bracketed in (False, True):
            text = f"```lean\n{compose(statement, tactics, bracketed=bracketed)}```"
            found.append((text, verify(problem, text)))
            if found[-1][1].status is Status.VERIFIED:
                return True
        return False

    result = search(backend, proposer, accept, budget, length_penalty, clock)
    if not found:
        return Solution(problem, result)
    text, verdict = found[-1]
    return Solution(problem, result, text if result.outcome is Outcome.PROVED else None, verdict)
