"""The places for workers: what the coordinator knows of the generator, verifier or writer in each of them.

Does not: start or end workers (workers.coordinator.supervisor does) or decide what they get (the dispatcher does).
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable
from typing import Any

from workers.messages import CheckItem, SampleKey, SampleTask
from workers.scheduling.sample_state import SampleState


class WorkerSlot:
    """A place for one worker, filled again when its occupant dies. `worker` numbers occupants, never reused."""

    def __init__(self, name: str, index: int) -> None:
        self.name = name
        self.index = index
        self.worker = -1
        self.actor: Any = None
        self.ready = False
        self.restarts = 0


class GeneratorSlot(WorkerSlot):
    def __init__(self, index: int) -> None:
        super().__init__("generator", index)
        self.capacity = 0
        self.vacate()

    def vacate(self) -> None:
        """Forgets the worker that was here."""
        self.credit = 0
        """Tasks that it may get now."""
        self.num_assigned = 0
        """Tasks handed to it so far."""
        self.running = 0
        self.polled = False
        """A `results` call is on its way; what it is to be told must go in a message of its own."""
        self.tasks: list[SampleTask] = []
        """To be told with the next `results` call."""
        self.chunks: set[int] = set()
        """Chunks whose references it has."""
        self.chunks_gone: list[int] = []


class VerifierSlot(WorkerSlot):
    def __init__(self, index: int) -> None:
        super().__init__("verifier", index)
        self.capacity = 0
        """Twice its threads."""
        self.vacate()

    def vacate(self) -> None:
        """Forgets the worker that was here."""
        self.check_s = 0.0
        """Upper bound on one check, in seconds."""
        self.assigned: dict[SampleKey, float | None] = {}
        """Rows given and not answered, in the order in which it begins them; since when it has had a thread for one
        (monotonic seconds), None while that may still wait."""
        self.outstanding_s = 0.0
        """Seconds of work in them."""
        self.polled = False
        self.items: list[CheckItem] = []
        """To be told with the next `results` call."""

    @property
    def outstanding(self) -> int:
        return len(self.assigned)

    def assign(self, items: Iterable[CheckItem], seconds: float, now: float) -> None:
        """Rows worth so many seconds of work."""
        self.assigned |= {key: None for item in items for key, _ in item.rows}
        self.outstanding_s += seconds
        self._begin(now)

    def complete(self, keys: Iterable[SampleKey], now: float) -> None:
        """Each row is taken to have been as much work as the others."""
        before = len(self.assigned)
        for key in keys:
            self.assigned.pop(key, None)
        self.outstanding_s *= len(self.assigned) / before if before else 0.0
        self._begin(now)

    def overdue(self, before: float) -> list[SampleKey]:
        """Rows that it has been at since before `before`."""
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
        """The stream's first slot that is not acknowledged."""
        self.writing: list[SampleState] = []
        """Rows of the part on its way."""
        self.failure: asyncio.Future[None] | None = None
        """Set with an exception to end the slot's worker."""
