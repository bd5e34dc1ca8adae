"""Which answers to a problem without an answer key say the same: the clusters that agreement counts.

Answers cluster by proven equality: math by the math engine, choice by its letters, code by the programs' outputs on
generated inputs (verifiers.code.agreement). Lean needs none, because its statement is the key. What is proven different
stays apart, and what is undecided joins neither (verifiers.partition).

Promises: pure in its arguments, apart from limits of time; an answer that cannot be read, is too long to be whole, or
cannot be compared in time has no vote and never raises; hostile answers cost their own comparison and nothing else,
since they are compared in processes that can be killed.
Does not: say that an answer is right.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from verifiers.kinds import KINDS
from verifiers.partition import Classes, Relations
from verifiers.registry import load
from verifiers.types import Json, Problem

MAX_REPRESENTATIVES = 16
"""Most clusters of a problem that are told to a verifier and kept by the coordinator."""
MAX_REPRESENTATIVE_BYTES = 1664
"""Longest answer that is compared, in bytes of UTF-8. Rows keep no answers above 2,000 characters whole, and two that
were cut off may differ in what was lost. Sixteen answers of this length, and what is known of them, take the
coordinator less than 40 KB per open problem (tests/workers/sampling/test_votes.py)."""


class Clusters(NamedTuple):
    """The clusters of some answers, by position."""

    members: tuple[tuple[int, ...], ...]
    """The positions of each cluster, ascending; clusters by their first member."""
    voters: int
    """Answers in clusters."""
    unplaced: tuple[int, ...]
    """Answers that vote for nothing: they cannot be read, or may be the same as those of a larger cluster."""


class Placement(NamedTuple):
    """Where an answer belongs among representatives of clusters."""

    number: int | None
    """The cluster that it is proven equal to; None: none of them."""
    equal: tuple[int, ...] = ()
    """All clusters that it is proven equal to, in order; they are to be merged."""
    apart: tuple[int, ...] = ()
    """Clusters that it is proven different from. It is undecided against those in neither."""
    readable: bool = True
    """Whether it can agree with anything at all, and so may begin a cluster."""


class Engine(Protocol):
    """Compares the answers of one kind. Safe to call from many threads."""

    def pairs(
        self, problem: Problem, answers: Sequence[str], pairs: Sequence[tuple[int, int]]
    ) -> list[bool | None]: ...

    def classes(self, problem: Problem, answers: Sequence[str]) -> Relations: ...

    def close(self) -> None: ...


class Agreement:
    """The engines of all kinds, each started on first use. Thread-safe."""

    def __init__(self, num_workers: int = 1, settings: Mapping[str, Mapping[str, Json]] | None = None) -> None:
        """`settings` are the config's `[verify.<kind>]` tables."""
        self._num_workers = num_workers
        self._settings = settings or {}
        self._open: dict[str, Engine] = {}
        self._lock = threading.Lock()

    def _of(self, kind: str) -> Engine | None:
        """None: nothing compares answers of this kind, and all of them are undecided against each other."""
        target = KINDS.row(kind).agreement
        if not target:
            return None
        with self._lock:
            if kind not in self._open:
                make = load(target)
                self._open[kind] = make(num_workers=self._num_workers, settings=self._settings.get(kind, {}))
            return self._open[kind]

    def clusters(self, problem: Problem, answers: Sequence[str | None]) -> Clusters:
        """The clusters of all answers, in index order; None does not vote."""
        whole = [position for position, answer in enumerate(answers) if answer is not None and fits(answer)]
        engine = self._of(str(problem.kind))
        found = engine.classes(problem, [str(answers[place]) for place in whole]) if engine and whole else None
        members: dict[int, list[int]] = {}
        classes = Classes()
        if found is not None:
            for place, founder in zip(whole, found.founders, strict=True):
                if founder is not None:
                    members.setdefault(founder, []).append(place)
                    classes.found(founder)
            for one, other in found.apart:
                classes.part(one, other)
        voting = classes.voting([(founder, len(places)) for founder, places in members.items()])
        chosen = sorted((tuple(members[founder]) for founder in voting), key=lambda places: places[0])
        placed = {place for places in chosen for place in places}
        unplaced = [place for place, answer in enumerate(answers) if answer is not None and place not in placed]
        return Clusters(tuple(chosen), len(placed), tuple(unplaced))

    def place(self, problem: Problem, answer: str, representatives: Sequence[tuple[int, str]]) -> Placement:
        """Where one answer belongs among (number, answer) of clusters."""
        engine = self._of(str(problem.kind))
        if engine is None or not fits(answer):
            return Placement(None, readable=False)
        texts = [text for _, text in representatives] + [answer]
        last = len(texts) - 1
        readable, *found = engine.pairs(problem, texts, [(last, last), *((place, last) for place in range(last))])
        numbers = [number for number, _ in representatives]
        equal = tuple(number for number, same in zip(numbers, found, strict=True) if same)
        apart = tuple(number for number, same in zip(numbers, found, strict=True) if same is False)
        return Placement(equal[0] if equal else None, equal, apart, readable is True)

    def compare(self, problem: Problem, answers: Sequence[str], pairs: Sequence[tuple[int, int]]) -> list[bool | None]:
        """Whether the answers of each pair are equal (True), different (False) or undecided (None)."""
        engine = self._of(str(problem.kind))
        return engine.pairs(problem, answers, pairs) if engine else [None] * len(pairs)

    def close(self) -> None:
        with self._lock:
            for engine in self._open.values():
                engine.close()
            self._open.clear()


def fits(answer: str) -> bool:
    """Whether an answer is short enough to be whole, and not empty."""
    return bool(answer) and len(answer.encode("utf-8", "surrogatepass")) <= MAX_REPRESENTATIVE_BYTES


_shared: Agreement | None = None
_shared_lock = threading.Lock()


def shared() -> Agreement:
    """The engines that this process shares, closed at its exit."""
    global _shared
    with _shared_lock:
        if _shared is None:
            _shared = Agreement()
            atexit.register(_shared.close)
    return _shared


def cluster_answers(problem: Problem, answers: Sequence[str | None]) -> Clusters:
    """`Agreement.clusters` with the engines that this process shares."""
    return shared().clusters(problem, answers)


def place(problem: Problem, answer: str, representatives: Sequence[tuple[int, str]]) -> Placement:
    """`Agreement.place` with the engines that this process shares."""
    return shared().place(problem, answer, representatives)
