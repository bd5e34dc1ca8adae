"""References that may be wrong: many samples agree on one other answer, and no sample was verified.

A verdict never changes by it. The list is for people, and for `export --drop-suspects`.
"""

from __future__ import annotations

from collections.abc import Sequence

from jobs.selections.votes import Draw, Votes
from verifiers.types import Status

MIN_VOTES = 8
"""Fewest refuted samples that agree."""
MIN_SOURCES = 2
"""Fewest different models and temperatures among them. One that repeats its own error is not heard twice."""
MIN_PROBABILITY = 0.9


def may_be_suspect(draws: Sequence[Draw], votes: Votes) -> bool:
    """Whether the reference is suspect, if the winner is as probable as MIN_PROBABILITY. Every sample of the winner
    is refuted: where the checker could not compare, the reference is not what is doubtful."""
    if any(draw.status == Status.VERIFIED for draw in draws) or votes.votes < MIN_VOTES:
        return False
    return votes.sources >= MIN_SOURCES and all(draw.status == Status.REFUTED for draw in votes.clusters[0])
