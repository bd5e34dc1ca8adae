"""The answer to a problem without an answer key, chosen by the agreement of a request's samples.

Promises: the choice is the one that `selections.parquet` of a run would have (jobs.selections.votes); it is never
called verified, and says itself that nothing was proven. It has no probability: a request has no references to measure
one on.
"""

from __future__ import annotations

import json
from typing import Any

import pydantic

from jobs.selections.select import AGREEMENT
from jobs.selections.votes import Draw, Votes, first_attempts, tally, without_key
from jobs.service.verifying import Checked, Verifiers, cluster
from runstore.schema import Sample
from verifiers.types import Problem

NOT_PROVEN = "nothing was proven: the problem has no answer key, and the answer is the one that most samples agree on"


class SelectionBody(pydantic.BaseModel):
    """How the answer to a problem without an answer key was chosen."""

    method: str
    answer: str | None
    """None: no sample gave an answer."""
    votes: int
    """Samples that gave it."""
    runner_up: str | None
    runner_up_votes: int
    voters: int
    """Samples whose answers could be compared."""
    samples: int
    margin: float | None
    tied: bool
    proven: bool
    """Always false."""
    note: str


class Agreed:
    """The unchecked samples of one request."""

    def __init__(self, problem: Problem) -> None:
        self._problem = without_key(problem)
        self._drawn: dict[int, tuple[Draw, Sample, Checked]] = {}

    def add(self, sample: Sample, checked: Checked) -> None:
        evidence = json.loads(checked.body).get("evidence") or {}
        answer = evidence.get("answer")
        read = answer if isinstance(answer, str) else None
        draw = Draw(sample.sample_index, 0, checked.status, sample.finish_reason, read, "")
        self._drawn[sample.sample_index] = draw, sample, checked

    async def votes(self, verifiers: Verifiers, attempts: int) -> Votes | None:
        """None where the verifiers died over it."""
        first = first_attempts([draw for _, (draw, _, _) in sorted(self._drawn.items())])
        found = await cluster(verifiers, self._problem, [draw.vote for draw in first], attempts)
        return tally(first, found) if found is not None else None

    def chosen(self, votes: Votes) -> tuple[Sample, Checked] | None:
        """The first sample that gave the winning answer."""
        if not votes.clusters:
            return None
        _, sample, checked = self._drawn[votes.clusters[0][0].sample_index]
        return sample, checked


def has_majority(votes: Votes) -> bool:
    """Whether more than half of the samples agree; a further stage is not drawn then."""
    return 2 * votes.votes > votes.samples


def selection_body(votes: Votes) -> dict[str, Any]:
    """The member `selection` of a result."""
    leaders = [*(members[0].vote for members in votes.clusters[:2]), None, None]
    return {
        "method": AGREEMENT,
        "answer": leaders[0],
        "votes": votes.votes,
        "runner_up": leaders[1],
        "runner_up_votes": votes.runner_up_votes,
        "voters": votes.voters,
        "samples": votes.samples,
        "margin": votes.margin,
        "tied": votes.tied,
        "proven": False,
        "note": NOT_PROVEN,
    }
