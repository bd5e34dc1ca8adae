"""What the coordinator keeps of the answers to one open problem without an answer key: its clusters, and who voted.

Answers are compared by verifiers. Each is told the clusters that are known, at most MAX_REPRESENTATIVES answers of at
most MAX_REPRESENTATIVE_BYTES, and reports where a sample's answer belongs. Several verifiers may find the same new
cluster at once; the next request carries both and asks whether they are equal, and until that is known the smaller one
has no vote.

What verifiers are told follows the order of arrival. What the rule of agreement counts does not: it takes in the
reports in index order, and each prefix is judged by the reports of its own samples alone. So the room for clusters is
given out in index order, and a run, its resume and whatever reads its rows later decide the same from the same rows.

Promises: under 40 KB per problem, and half a KB more per report that waits for an earlier sample (a test measures
both); no order of arrival changes what the same reports decide; rows hold what was reported (`Placed.to_json`), so a
resume needs no other texts.
Does not: compare answers or decide anything (workers.sampling.agreement holds the rule).
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from verifiers.agreement import MAX_REPRESENTATIVES
from verifiers.partition import Classes
from workers.sampling.agreement import NO_VOTE, UNPLACED, AgreementRule, first_agreement

EVIDENCE = "agreement"
"""Key of a verdict's evidence under which a row keeps what was reported of its answer."""
_UNKNOWN = -3


class Placed(NamedTuple):
    """Where a verifier found that an answer belongs. Clusters are named by the number, within its stage, of the sample
    that was the first in them."""

    answer: bytes
    """The answer as UTF-8; empty if it cannot stand for a cluster."""
    equal: tuple[int, ...] = ()
    """Clusters that it is proven equal to; none: it begins one."""
    apart: tuple[int, ...] = ()
    """Clusters that it is proven different from."""
    compared: tuple[tuple[int, int, bool | None], ...] = ()
    """Pairs of clusters that were compared besides, and of the new one and those that it is undecided against: equal
    (True), different (False) or undecided (None)."""

    def to_json(self) -> dict[str, Any]:
        row = {"equal": list(self.equal), "apart": list(self.apart), "compared": [list(pair) for pair in self.compared]}
        return {**{name: value for name, value in row.items() if value}, "placed": bool(self.answer)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any], answer: str) -> Placed:
        compared = tuple((one, other, same) for one, other, same in row.get("compared", ()))
        text = answer.encode("utf-8", "surrogatepass") if row.get("placed") else b""
        return cls(text, tuple(row.get("equal", ())), tuple(row.get("apart", ())), compared)


NOWHERE = Placed(b"")
"""An answer that can be compared with nothing."""


class Known(NamedTuple):
    """What a check request says of a problem's clusters."""

    start: int
    """First sample index of the stage, from which clusters are numbered."""
    representatives: tuple[tuple[int, bytes], ...]
    unmet: tuple[tuple[int, int], ...]
    """Pairs of them that no verifier has compared yet."""


class Clusters:
    """The clusters of one problem's stage, as reports lead to them one after the other."""

    __slots__ = ("_answers", "_by_index", "_checked", "_classes", "_met")

    def __init__(self) -> None:
        self._classes = Classes()
        self._answers: dict[int, bytes] = {}
        """Cluster → an answer that stands for it."""
        self._met: dict[int, int] = {}
        """Cluster → the clusters that it was compared with, one bit each."""
        self._by_index = array("i")
        self._checked = 0
        """Length of the prefix that the rule has been applied to in vain."""

    def known(self, start: int) -> Known:
        """What the next check request says."""
        names = sorted(self._answers)
        unmet = [
            (one, other) for one in names for other in names if one < other and not self._met.get(one, 0) >> other & 1
        ]
        return Known(start, tuple((name, self._answers[name]) for name in names), tuple(unmet))

    def place(self, index: int, placed: Placed) -> None:
        """Takes in a report. A second one for a sample is ignored."""
        if self.vote(index) != _UNKNOWN:
            return
        for one, other, same in placed.compared:
            if self._open(one) and self._open(other):  # their first answers may be reported later
                self._compare(one, other, same)
        self._vote(index, self._cluster(index, placed))
        for one, other, same in placed.compared:
            if index in (one, other):
                self._compare(one, other, same)

    def vote(self, index: int) -> int:
        return self._by_index[index] if index < len(self._by_index) else _UNKNOWN

    def first_agreement(self, rule: AgreementRule, length: int) -> int:
        """Length of the shortest prefix, of the first `length` samples, after which the leader stands; -1: none."""
        votes = [vote if vote != _UNKNOWN else NO_VOTE for vote in map(self.vote, range(length))]
        found = first_agreement(rule, votes, self._classes, self._checked)
        if found < 0:
            self._checked = max(self._checked, length)
        return found

    def _cluster(self, index: int, placed: Placed) -> int:
        """The cluster that the sample votes for, opened if it is new and there is room for it."""
        if not placed.answer:
            return UNPLACED
        equal = [name for name in placed.equal if self._open(name)]
        if placed.equal and not equal:
            return UNPLACED
        if not equal:
            if index in placed.apart:
                return UNPLACED  # drawn again, with another answer than the one that others were found equal to
            same = next((known for known, text in self._answers.items() if text == placed.answer), None)
            if same is not None:
                self._classes.found(index)  # reports of others may name it
                self._compare(same, index, True)
            elif not self._open(index):
                return UNPLACED
            equal = [index]
        name = equal[0]
        for other in equal[1:]:
            self._compare(name, other, True)
        for other in placed.apart:
            if self._open(other):  # its first answer may be reported later
                self._compare(name, other, False)
        name = self._classes.root(name)
        self._answers.setdefault(name, placed.answer)
        return name

    def _open(self, name: int) -> bool:
        """Whether there is such a cluster, or room for it."""
        if name in self._classes:
            return True
        if len(self._classes) >= MAX_REPRESENTATIVES:
            return False
        self._classes.found(name)
        return True

    def _compare(self, one: int, other: int, same: bool | None) -> None:
        """Takes in what is known of two clusters."""
        if one not in self._classes or other not in self._classes:
            return
        one, other = self._classes.root(one), self._classes.root(other)
        if one == other:
            return
        self._met[one] = self._met.get(one, 0) | 1 << other
        self._met[other] = self._met.get(other, 0) | 1 << one
        if same is None or (same is False and self._classes.are_apart(one, other)):
            return
        # A prefix that did not agree may do so with what is known now. A cluster without an answer yet had no vote.
        if one in self._answers and other in self._answers:
            self._checked = 0
        if same is False:
            self._classes.part(one, other)
            return
        name = self._classes.merge(one, other)
        gone = other if name == one else one
        if name != gone and self._classes.root(gone) == name:
            answer = self._answers.pop(gone, b"")
            if answer:
                self._answers.setdefault(name, answer)
            self._met[name] |= self._met.pop(gone)

    def _vote(self, index: int, vote: int) -> None:
        missing = index + 1 - len(self._by_index)
        if missing > 0:
            self._by_index.extend([_UNKNOWN] * missing)
        self._by_index[index] = vote


class Votes:
    """The clusters of one problem's stage: those that verifiers are told, and those that the rule counts."""

    __slots__ = ("_agreed", "_counted", "_length", "_told", "_waiting")

    def __init__(self) -> None:
        self._told = Clusters()
        """In order of arrival."""
        self._counted = Clusters()
        """In index order, up to `_length`."""
        self._waiting: dict[int, Placed] = {}
        """Reports that are not counted yet, by sample."""
        self._length = 0
        """Length of the prefix that is counted."""
        self._agreed = -1
        """Length of the prefix whose answers agreed; -1: none so far."""

    def known(self, start: int) -> Known:
        """What the next check request says."""
        return self._told.known(start)

    def place(self, index: int, placed: Placed) -> None:
        """Takes in a report. A second one for a sample is ignored."""
        if index < self._length or index in self._waiting:
            return
        self._told.place(index, placed)
        # To count an answer it is enough to know one that has the same text.
        digest = hashlib.blake2b(placed.answer, digest_size=16).digest() if placed.answer else b""
        self._waiting[index] = placed._replace(answer=digest)

    def first_agreement(self, rule: AgreementRule, length: int) -> int:
        """Length of the shortest prefix, of the first `length` samples, after which the leader stands; -1: none. What
        became of these samples must be known, since those without a report have no vote from now on."""
        while self._agreed < 0 and self._length < length:
            placed = self._waiting.pop(self._length, None)
            if placed is not None:
                self._counted.place(self._length, placed)
            self._length += 1
            self._agreed = self._counted.first_agreement(rule, self._length)
        return self._agreed


def replayed(placements: Iterable[tuple[int, Placed]]) -> Votes:
    """The votes that reports lead to, in ascending order of samples."""
    votes = Votes()
    for index, placed in sorted(placements):
        votes.place(index, placed)
    return votes
