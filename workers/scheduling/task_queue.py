"""Samples that wait to be drawn (again): repair rounds, what a resume found missing, and what lost its replica."""

from __future__ import annotations

import collections
from collections.abc import Iterator

from workers.scheduling.sample_state import SampleState


class TaskQueue:
    """First in, first out, with suspects in front. Entries may be dead: the ledger knows which samples still wait."""

    def __init__(self) -> None:
        self._queued: collections.deque[SampleState] = collections.deque()
        self._suspects: collections.deque[SampleState] = collections.deque()
        """Samples that end as errors if one more replica stands still beside them. They are drawn apart from each
        other, so that the one to blame does not take the others along."""

    def __len__(self) -> int:
        return len(self._queued) + len(self._suspects)

    def __iter__(self) -> Iterator[SampleState]:
        yield from self._suspects
        yield from self._queued

    def __contains__(self, sample: object) -> bool:
        return sample in self._queued or sample in self._suspects

    def append(self, sample: SampleState) -> None:
        (self._suspects if sample.is_last_chance() else self._queued).append(sample)

    def take(self, may_suspect: bool) -> SampleState | None:
        """The next sample, a suspect only if `may_suspect`; None if there is none."""
        if may_suspect and self._suspects:
            return self._suspects.popleft()
        return self._queued.popleft() if self._queued else None
