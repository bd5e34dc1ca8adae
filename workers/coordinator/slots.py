"""The places for workers: what the coordinator knows of the generator, verifier or writer in each of them.

Does not: start or end workers (workers.coordinator.supervisor does) or decide what they get (the dispatcher does).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from typing import Any

from workers.actors.presence import Presence
from workers.messages import CheckItem, SampleKey, SampleTask
from workers.scheduling.sample_state import SampleState


class WorkerSlot:
    """A place for one worker, filled again when its occupant dies. `worker` is the occupant's number, never reused."""

    def __init__(self, name: str, index: int) -> None:
        self.name = name
        self.index = index
        self.worker = -1
        self.actor: Any = None
        self.presence: Presence | None = None
        """Where the occupant's process is; None until Ray has placed it."""
        self.ready = False
        self.stalled = False
        """Whether the occupant stood still and was ended for it."""
        self.restarts = 0
        self.retired = False
        """Whether the place is given up, because every worker in it failed."""


class GeneratorSlot(WorkerSlot):
    def __init__(self, index: int, pool: int = 0) -> None:
        super().__init__("generator", index)
        self.pool = pool
        """Index of CoordinatorSettings.pools."""
        self.waits_since: float | None = None
        """Since when the occupant has waited to be placed (monotonic seconds)."""
        self.rested = False
        """Whether an occupant has given its GPUs or cores back, so that the next one starts only when it is needed."""
        self.capacity = 0
        self.failed_starts = 0
        """Number of engines that did not start here."""
        self.vacate()

    @property
    def is_placed(self) -> bool:
        """Whether there is a process that holds GPUs or cores."""
        return self.actor is not None and self.presence is not None

    def vacate(self) -> None:
        """Forgets the worker that was here."""
        self.credit = 0
        """Number of tasks that it may get now."""
        self.num_assigned = 0
        """Number of tasks handed to it so far."""
        self.running = 0
        self.polled = False
        """Whether a `results` call is on its way. New orders must then go in a message of their own."""
        self.tasks: list[SampleTask] = []
        """Tasks to send with the next `results` call."""
        self.suspect: SampleKey | None = None
        """The suspect that it draws (see workers.messages.SampleTask)."""
        self.chunks: set[int] = set()
        """Chunks whose references it has."""
        self.chunks_gone: list[int] = []


class VerifierSlot(WorkerSlot):
    def __init__(self, index: int) -> None:
        super().__init__("verifier", index)
        self.capacity = 0
        """Rows that it may hold: twice its number of threads."""
        self.vacate()

    def vacate(self) -> None:
        """Forgets the worker that was here."""
        self.check_s = 0.0
        """Upper bound on one check, in seconds."""
        self.assigned: dict[SampleKey, float | None] = {}
        """Rows handed over and not yet answered, in the order in which it begins them. The value is when a thread was
        free for the row (monotonic seconds), or None while the row may still be waiting."""
        self.outstanding_s = 0.0
        """Estimated seconds of work in `assigned`."""
        self.polled = False
        self.items: list[CheckItem] = []
        """Rows to send with the next `results` call."""

    @property
    def outstanding(self) -> int:
        return len(self.assigned)

    def assign(self, items: Iterable[CheckItem], seconds: float, now: float) -> None:
        """Adds rows to `assigned`; `seconds` is their estimated work together."""
        self.assigned |= {key: None for item in items for key, _ in item.rows}
        self.outstanding_s += seconds
        self._begin(now)

    def complete(self, keys: Iterable[SampleKey], now: float) -> None:
        """Removes answered rows. Each row is taken to have been as much work as the others."""
        before = len(self.assigned)
        for key in keys:
            self.assigned.pop(key, None)
        self.outstanding_s *= len(self.assigned) / before if before else 0.0
        self._begin(now)

    def overdue(self, before: float) -> list[SampleKey]:
        """Rows whose check began before `before`."""
        return [key for key, since in self.assigned.items() if since is not None and since < before]

    def _begin(self, now: float) -> None:
        for key in itertools.islice(self.assigned, self.capacity // 2):
            if self.assigned[key] is None:
                self.assigned[key] = now


class WriterSlot(WorkerSlot):
    def __init__(self, index: int) -> None:
        super().__init__("writer", index)
        self.busy = False
        self.next_stream_slot = 0
        """First slot of the stream that is not acknowledged."""
        self.writing: list[SampleState] = []
        """Rows of the part that is being written."""
        self.failure: asyncio.Future[None] | None = None
        """Set with an exception to end the slot's worker."""


def replicas_of(pool: int, generators: Iterable[GeneratorSlot]) -> list[GeneratorSlot]:
    """The slots of one pool, which is an index of CoordinatorSettings.pools."""
    return [slot for slot in generators if slot.pool == pool]
