"""Finished rows that wait for a verifier: decides which kind comes next, and which row is checked alone.

Promises: a row leaves once for each time it was added, and only while it still waits; kinds that wait share the
verifiers' time equally, so slow checks neither hold up fast ones nor starve; a row suspected of killing its verifier is
handed out alone, to an idle one.
Does not: know verifiers or keep rows that are being checked (workers.scheduling.ledger does).
"""

from __future__ import annotations

import collections

from workers.scheduling.sample_state import SampleState, Stage

CHECK_SECONDS_FIRST = 0.05
"""Assumed length of a check, in seconds, before the first of its kind has ended."""


NEWEST_WEIGHT = 0.1
"""Weight of the newest check in the running mean of its kind: the mean follows a change within some ten checks, and a
single check that runs into its time limit does not make its kind look slow. The mean size of a row has the same."""


class CheckQueue:
    """Not thread-safe: the ledger owns it."""

    def __init__(self) -> None:
        self._waiting: dict[str, collections.deque[SampleState]] = {}
        """Kind → its waiting rows. A kind with no waiting rows has no entry."""
        self._suspects: collections.deque[SampleState] = collections.deque()
        self._seconds: dict[str, float] = {}
        self._served: dict[str, float] = {}
        """Kind → seconds of work handed out. A kind that begins to wait again starts level with the others."""
        self._level = 0.0
        self.row_bytes = 0.0
        """Running mean of the size of the rows that came."""

    def add(self, sample: SampleState) -> None:
        """`sample` has to be in stage FINISHED."""
        self.row_bytes += NEWEST_WEIGHT * (sample.num_bytes - self.row_bytes)
        if sample.suspect:
            self._suspects.append(sample)
        else:
            kind = sample.problem.kind
            if kind not in self._waiting:
                self._waiting[kind] = collections.deque()
                self._served[kind] = max(self._served.get(kind, 0.0), self._level)
            self._waiting[kind].append(sample)

    def take(self, at_least: int, at_most: int, seconds: float, idle: bool) -> list[SampleState]:
        """Rows worth about `seconds` of work, between `at_least` and `at_most` of them where so many wait; or a single
        suspect for a verifier that is idle."""
        while idle and self._suspects:
            sample = self._suspects.popleft()
            if sample.stage is Stage.FINISHED:
                return [sample]
        chosen: list[SampleState] = []
        while self._waiting and len(chosen) < at_most and (seconds > 0 or len(chosen) < at_least):
            # The kind that was given least time: fair queueing with equal weights (Demers, Keshav and Shenker 1989).
            kind = (
                min(self._waiting, key=self._served.__getitem__)
                if len(self._waiting) > 1
                else next(iter(self._waiting))
            )
            queue = self._waiting[kind]
            sample = queue.popleft()
            if not queue:
                del self._waiting[kind]
            if sample.stage is Stage.FINISHED:
                chosen.append(sample)
                cost = self.seconds(kind)
                seconds -= cost
                self._level = self._served[kind]
                self._served[kind] += cost
        return chosen

    def note_seconds(self, kind: str, seconds: float) -> None:
        """Records how long a check of this kind took."""
        self._seconds[kind] = (1 - NEWEST_WEIGHT) * self.seconds(kind) + NEWEST_WEIGHT * seconds

    def seconds(self, kind: str) -> float:
        return self._seconds.get(kind, CHECK_SECONDS_FIRST)

    def backlog_s(self) -> float:
        """Seconds of checking that wait, for one checker working alone."""
        return sum(len(queue) * self.seconds(kind) for kind, queue in self._waiting.items())

    def num_waiting(self) -> dict[str, int]:
        """Unchecked rows by kind."""
        return {kind: len(queue) for kind, queue in self._waiting.items()}
