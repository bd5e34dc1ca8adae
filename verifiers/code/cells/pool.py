"""The slots of a checker, by language: started on first use, replaced when broken, at most `num_workers` in use at
once."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from verifiers.code.cells import languages
from verifiers.code.cells.worker import Slot, python_room
from verifiers.sandbox.room import SandboxError, Tier
from verifiers.types import Limits


class Pool:
    """Thread-safe."""

    def __init__(
        self, tier: Tier, num_workers: int, *, tmp_mb: int, allow_unprotected: bool, paired_modes: str
    ) -> None:
        """`paired_modes` names the module whose MODES a cell may be told to run (verifiers.code.cells.guest.serve)."""
        self._tier = tier
        self._tmp_mb = tmp_mb
        self._paired_modes = paired_modes
        self._allow_unprotected = allow_unprotected
        self._free = threading.Semaphore(max(1, num_workers))
        self._idle: dict[tuple[str, str, int, int], list[Slot]] = {}
        self._lock = threading.Lock()
        self._closed = False

    def _open(self, language: str, limits: Limits) -> Slot:
        extra = languages.read_only(language)
        room = python_room(self._tier, limits.memory_mb, limits.processes, self._tmp_mb, self._paired_modes, extra)
        return Slot(self._tier, room, allow_unprotected=self._allow_unprotected)

    @contextlib.contextmanager
    def slot(self, language: str, limits: Limits) -> Iterator[Slot]:
        """A slot of one's own for candidates, waited for if need be. Raises SandboxError."""
        with self._free, self._lend("candidates", language, limits) as slot:
            yield slot

    @contextlib.contextmanager
    def checker_slot(self, language: str, limits: Limits) -> Iterator[Slot]:
        """A slot for checker programs, in a room that no candidate is ever started in. Raises SandboxError.

        Taken by a thread that holds a slot for its candidate, so these are no more than those.
        """
        with self._lend("checkers", language, limits) as slot:
            yield slot

    @contextlib.contextmanager
    def _lend(self, purpose: str, language: str, limits: Limits) -> Iterator[Slot]:
        key = (purpose, languages.room_of(language), limits.memory_mb, limits.processes)
        with self._lock:
            if self._closed:
                raise SandboxError("the checker is closed")
            idle = self._idle.setdefault(key, [])
            slot = idle.pop() if idle else None
            spare = self._spare(key) if slot is None else None
        if spare is not None:
            spare.close()
        if slot is None:
            slot = self._open(language, limits)
        try:
            yield slot
        finally:
            with self._lock:
                keep = not slot.broken and not self._closed
                if keep:
                    self._idle[key].append(slot)
            if not keep:
                slot.close()

    def _spare(self, key: tuple[str, str, int, int]) -> Slot | None:
        """An idle slot of another kind to close, so that rare limits do not pile up rooms."""
        if sum(len(slots) for slots in self._idle.values()) < _MAX_IDLE:
            return None
        return next((slots.pop(0) for other, slots in self._idle.items() if other != key and slots), None)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            slots = [slot for idle in self._idle.values() for slot in idle]
            self._idle.clear()
        for slot in slots:
            slot.close()


_MAX_IDLE = 16
