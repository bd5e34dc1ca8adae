"""Samples that wait to be drawn (again): repair rounds, what a resume found missing, what lost its replica, and what is
kept for the replica that has the prompt in its prefix cache."""

from __future__ import annotations

import collections
from collections.abc import Iterator

from workers.scheduling.sample_state import SampleState

KEPT_SHARE = 0.125
"""The most samples that are kept for one replica, as a share of what it runs at once. It draws as many again in an
eighth of the time of a sample, so none of them waits long."""


class TaskQueue:
    """First in, first out, with suspects in front. Entries may be dead: the ledger knows which samples still wait."""

    def __init__(self) -> None:
        self._queued: collections.deque[SampleState] = collections.deque()
        self._suspects: collections.deque[SampleState] = collections.deque()
        """Samples that end as errors if one more replica stands still beside them. They are drawn apart from each
        other, so that the one to blame does not take the others along."""
        self._kept: dict[int, collections.deque[SampleState]] = {}
        """Replica → samples kept for it, the one that waits longest first."""
        self._most: dict[int, int] = {}
        """Replica → the most samples that may be kept for it."""
        self._asked: dict[int, float] = {}
        """Replica → when it asked last."""

    def __len__(self) -> int:
        return len(self._queued) + len(self._suspects) + sum(map(len, self._kept.values()))

    def __iter__(self) -> Iterator[SampleState]:
        yield from self._suspects
        yield from self._queued
        for kept in self._kept.values():
            yield from kept

    def __contains__(self, sample: object) -> bool:
        return sample in self._queued or sample in self._suspects or any(sample in kept for kept in self._kept.values())

    def append(self, sample: SampleState) -> None:
        (self._suspects if sample.is_last_chance() else self._queued).append(sample)

    def meet(self, replica: int, capacity: int, now: float) -> None:
        """Says that this replica asks, so that samples may be kept for it; `capacity`: how many it runs at once."""
        self._kept.setdefault(replica, collections.deque())
        self._most[replica] = max(1, int(KEPT_SHARE * capacity))
        self._asked[replica] = now

    def room_for(self, replica: int) -> int | None:
        """How many more samples may be kept for a replica; None where none may, because it is not known to be at
        work."""
        kept = self._kept.get(replica)
        return None if kept is None else self._most[replica] - len(kept)

    def forget(self, replica: int) -> None:
        """The replica is gone: what was kept for it is for all, before the others."""
        self._queued.extendleft(reversed(self._kept.pop(replica, ())))
        self._asked.pop(replica, None)

    def keep(self, sample: SampleState, replica: int, now: float) -> bool:
        """Keeps a sample for a replica; false where that replica is gone, or enough is kept for it."""
        if (self.room_for(replica) or 0) <= 0:
            return False
        sample.since = now
        self._kept[replica].append(sample)
        return True

    def take(self, may_suspect: bool, replica: int, kept_before: float) -> SampleState | None:
        """The next sample for this replica, a suspect only if `may_suspect`; None if there is none. Samples kept for
        others are among them only where they have been kept since before `kept_before`."""
        if may_suspect and self._suspects:
            return self._suspects.popleft()
        if self._queued:
            return self._queued.popleft()
        for other, kept in self._kept.items():
            if kept and kept[0].since < kept_before:
                if self._asked[other] < kept_before:
                    self.forget(other)  # until it asks again
                    return self._queued.popleft()
                return kept.popleft()
        own = self._kept.get(replica)
        return own.popleft() if own else None

    def take_kept(self) -> SampleState | None:
        """A sample kept for whichever replica has the most of them waiting; None if none is kept."""
        kept = max(self._kept.values(), key=len, default=None)
        return kept.popleft() if kept else None
