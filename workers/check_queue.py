"""Finished rows that wait for a verifier: which kind comes next, and what goes alone.

Promises: a row leaves once for each time it was added, and only while it still waits; a row suspected of killing its
verifier is handed out alone, to an idle one.
Does not: know verifiers or keep rows that are being checked (workers.ledger does).
"""

from __future__ import annotations

import collections

from workers.flight import Flight, Stage

CHECK_SECONDS_FIRST = 0.05
"""Guess of a check's length before the first of its kind has ended."""


class CheckQueue:
    """Not thread-safe: the ledger owns it."""

    def __init__(self) -> None:
        self._waiting: dict[str, collections.deque[Flight]] = {}
        """By kind; without empty queues."""
        self._suspects: collections.deque[Flight] = collections.deque()
        self._seconds: dict[str, float] = {}

    def add(self, flight: Flight) -> None:
        """`flight` has to be in stage FINISHED."""
        if flight.suspect:
            self._suspects.append(flight)
        else:
            self._waiting.setdefault(flight.problem.entry.kind, collections.deque()).append(flight)

    def take(self, room: int, idle: bool) -> list[Flight]:
        """Up to `room` rows, or a single suspect for a verifier that is idle."""
        while idle and self._suspects:
            flight = self._suspects.popleft()
            if flight.stage is Stage.FINISHED:
                return [flight]
        chosen: list[Flight] = []
        given: collections.Counter[str] = collections.Counter()
        while len(chosen) < room and self._waiting:
            kind = self._next_kind(given)
            queue = self._waiting[kind]
            flight = queue.popleft()
            if not queue:
                del self._waiting[kind]
            if flight.stage is Stage.FINISHED:
                chosen.append(flight)
                given[kind] += 1
        return chosen

    def _next_kind(self, given: collections.Counter[str]) -> str:
        if len(self._waiting) == 1:
            return next(iter(self._waiting))
        # Seconds of work waiting per slot given in this round: many fast checks do not starve a few slow ones.
        return max(self._waiting, key=lambda kind: len(self._waiting[kind]) * self.seconds(kind) / (1 + given[kind]))

    def note_seconds(self, kind: str, seconds: float) -> None:
        """A check of this kind took so long."""
        self._seconds[kind] = 0.9 * self.seconds(kind) + 0.1 * seconds

    def seconds(self, kind: str) -> float:
        return self._seconds.get(kind, CHECK_SECONDS_FIRST)

    def backlog_s(self) -> float:
        """Seconds of checking that wait, for one checker working alone."""
        return sum(len(queue) * self.seconds(kind) for kind, queue in self._waiting.items())

    def mean_seconds(self) -> float:
        """Of a check, over the rows that wait now; over all kinds known where none waits."""
        waiting = sum(len(queue) for queue in self._waiting.values())
        if waiting:
            return self.backlog_s() / waiting
        return sum(self._seconds.values()) / len(self._seconds) if self._seconds else CHECK_SECONDS_FIRST

    def num_waiting(self) -> dict[str, int]:
        """Unchecked rows by kind."""
        return {kind: len(queue) for kind, queue in self._waiting.items()}
