"""The votes of one problem's samples for answers, and what their verdicts say of the winner.

Promises: the choice is a function of the answers in index order and of nothing that a checker said about them, so that
it is made in the same way with and without an answer key. What does not vote: repair rounds (they answer to a verdict),
samples that are aborted or were cut off, malformed ones, faults of ours, and answers that are undecided against every
cluster.
Does not: compare answers itself (verifiers.agreement does), or read storage. Pure.
"""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from runstore.schema import CUT_SHORT
from verifiers.types import Json, Problem, Status
from workers.sampling.agreement import AgreementRule

KEY_FIELDS = frozenset({"answer", "answers", "all", "tests", "test_list", "test"})
"""Fields of a reference that are its answer key."""
NOT_DRAWN = frozenset({Status.ERROR})
"""Statuses that say nothing of a sample."""


class Clusters(Protocol):
    """What a clustering gives: positions of answers."""

    @property
    def members(self) -> Sequence[Sequence[int]]:
        """Each cluster ascending, the clusters by first member."""
        ...

    @property
    def unplaced(self) -> Sequence[int]:
        """Answers that are undecided against every cluster."""
        ...


Clustering = Callable[[Problem, Sequence[str | None]], Clusters]
"""Groups answers that are proven equal; None does not vote."""


class Draw(NamedTuple):
    """One sample, as far as a vote and its verdict need it."""

    sample_index: int
    round: int
    status: str | None
    """None: aborted."""
    finish_reason: str
    answer: str | None
    source: str
    """Model and temperature."""

    @property
    def is_first_attempt(self) -> bool:
        return self.status is not None and self.status not in NOT_DRAWN and self.round == 0

    @property
    def vote(self) -> str | None:
        """The answer that it votes for."""
        return None if self.status == Status.MALFORMED or self.finish_reason in CUT_SHORT else self.answer


@dataclasses.dataclass(frozen=True, slots=True)
class Votes:
    """What came of the vote on one problem."""

    clusters: tuple[tuple[Draw, ...], ...]
    """Largest first, those of one size by first member. The first one has won."""
    samples: int
    """Number of first attempts, with and without an answer."""
    unplaced: frozenset[int]
    """Sample indices of the answers that are undecided against every cluster."""
    silent: frozenset[int]
    """Sample indices of the first attempts without an answer."""

    @property
    def votes(self) -> int:
        return len(self.clusters[0]) if self.clusters else 0

    @property
    def runner_up_votes(self) -> int:
        return len(self.clusters[1]) if len(self.clusters) > 1 else 0

    @property
    def voters(self) -> int:
        return sum(map(len, self.clusters))

    @property
    def score(self) -> float | None:
        """How far the winner leads. Two samples without an answer are added, so that four of four are less than
        thirty of thirty."""
        return (self.votes - self.runner_up_votes) / (self.samples + 2) if self.clusters else None

    @property
    def margin(self) -> float | None:
        return (self.votes - self.runner_up_votes) / self.voters if self.clusters else None

    @property
    def tied(self) -> bool:
        """Whether another answer has as many votes. The one that came first has then won."""
        return bool(self.clusters) and self.votes == self.runner_up_votes

    @property
    def sources(self) -> int:
        """Number of different models and temperatures behind the winner."""
        return len({draw.source for draw in self.clusters[0]}) if self.clusters else 0


def count_votes(problem: Problem, draws: Sequence[Draw], cluster: Clustering) -> Votes:
    """The vote of a problem's samples, which come in index order."""
    first = first_attempts(draws)
    return tally(first, cluster(without_key(problem), [draw.vote for draw in first]))


def first_attempts(draws: Sequence[Draw]) -> list[Draw]:
    return [draw for draw in draws if draw.is_first_attempt]


def tally(first: Sequence[Draw], found: Clusters) -> Votes:
    """The vote of these first attempts, whose answers are clustered by position."""
    clusters = [tuple(first[place] for place in members) for members in found.members]
    unplaced = frozenset(first[place].sample_index for place in found.unplaced)
    placed = {draw.sample_index for members in clusters for draw in members}
    silent = frozenset(draw.sample_index for draw in first) - placed - unplaced
    return _ordered(clusters, len(first), unplaced, silent)


def _ordered(
    clusters: Sequence[tuple[Draw, ...]], samples: int, unplaced: frozenset[int], silent: frozenset[int]
) -> Votes:
    largest = sorted(clusters, key=lambda members: (-len(members), members[0].sample_index))
    return Votes(tuple(largest), samples, unplaced, silent)


def as_keyless(votes: Votes, rule: Mapping[str, Json]) -> Votes:
    """The vote as it would have been if the problem had had no answer key. `rule` is the stopping rule of such
    problems: it may end at agreement, and a later stage of a cascade is then not drawn."""
    of_index = {draw.sample_index: number for number, members in enumerate(votes.clusters) for draw in members}
    indices = sorted([*of_index, *votes.unplaced, *votes.silent])
    stages = rule.get("stages") or [{**rule, "start": 0}]
    starts = [*(int(stage["start"]) for stage in stages), sys.maxsize]
    used: set[int] = set()
    for stage, start, stop in zip(stages, starts, starts[1:], strict=False):
        here = [index for index in indices if start <= index < stop]
        length, is_agreed = _length(here, of_index, votes.unplaced, stage.get("agreement"))
        used.update(here[:length])
        if is_agreed:
            break
    clusters = [tuple(draw for draw in members if draw.sample_index in used) for members in votes.clusters]
    kept = [members for members in clusters if members]
    return _ordered(kept, len(used), votes.unplaced & used, votes.silent & used)


def _length(
    indices: Sequence[int], of_index: Mapping[int, int], unplaced: frozenset[int], agreement: Json
) -> tuple[int, bool]:
    """How many of a stage's samples would have been looked at, and whether they agreed."""
    if not isinstance(agreement, dict):
        return len(indices), False
    rule = AgreementRule.from_json(agreement)
    counts: Counter[int] = Counter()
    without_place = 0
    for seen, index in enumerate(indices[: rule.max_samples], 1):
        if index in of_index:
            counts[of_index[index]] += 1
        without_place += index in unplaced
        if rule.is_settled(counts.values(), without_place, seen):
            return seen, True
    return min(len(indices), rule.max_samples), False


def without_key(problem: Problem) -> Problem:
    """The problem as it would be without an answer key, so that no vote is counted by one."""
    reference = {name: value for name, value in problem.reference.items() if name not in KEY_FIELDS}
    return dataclasses.replace(problem, reference=reference)


def is_keyless(draws: Sequence[Draw]) -> bool:
    """Whether the problem has no answer key."""
    return any(draw.status == Status.UNCHECKED for draw in draws)


def is_right(cluster: Sequence[Draw]) -> bool:
    """Whether the verdicts prove a cluster's answer right. One that the checker could not decide is not proven."""
    statuses = Counter(draw.status for draw in cluster)
    return statuses[Status.VERIFIED] > 0 and statuses[Status.REFUTED] == 0


def looks_at_verdicts(rule: Mapping[str, Json]) -> bool:
    """Whether the number of a problem's samples depended on what a checker said about them. Then the votes are a
    choice among all votes, and say nothing about problems without an answer key, whose samples no verdict stops. It is
    taken to be so where the rule is not known."""
    stages = rule.get("stages") or [rule]
    if not rule or (len(stages) > 1 and not rule.get("audit")):
        return True
    return any(stage.get("num_verified") or stage.get("give_up") for stage in stages)
