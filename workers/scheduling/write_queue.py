"""Rows that wait to be written into a part: checked rows, and aborted rows that are no longer held back.

Promises: rows leave in the order in which they came; a cut takes at least one row if any waits, and beyond that first
row never more rows and bytes than asked for.
Does not: move samples between stages or know writers (workers.scheduling.ledger does).
"""

from __future__ import annotations

import collections

from workers.scheduling.sample_state import SampleState

UNWRITTEN_PER_UNCHECKED = 4
"""Number of rows that may wait for a writer, as a multiple of `max_unchecked`. The bound on pending bytes holds for
them too, so this one is only reached where many short texts wait for a slow writer."""


class WriteQueue:
    """Not thread-safe: the ledger owns it."""

    def __init__(self) -> None:
        self._waiting: collections.deque[SampleState] = collections.deque()
        self.num_bytes = 0
        """Bytes of the rows that wait."""

    def __len__(self) -> int:
        """Number of rows that wait."""
        return len(self._waiting)

    def add(self, sample: SampleState) -> None:
        """`sample` has to be in stage CHECKED, and its `num_bytes` stays as it is while it waits."""
        self._waiting.append(sample)
        self.num_bytes += sample.num_bytes

    def oldest(self) -> float:
        """When the longest-waiting row became ready; 0 where none waits."""
        return self._waiting[0].since if self._waiting else 0.0

    def cut(self, max_rows: int, max_bytes: int) -> list[SampleState]:
        """Takes the rows of one part, oldest first."""
        rows: list[SampleState] = []
        size = 0
        while self._waiting and len(rows) < max_rows and (not rows or size + self._waiting[0].num_bytes <= max_bytes):
            sample = self._waiting.popleft()
            size += sample.num_bytes
            rows.append(sample)
        self.num_bytes -= size
        return rows

    def __contains__(self, sample: SampleState) -> bool:
        """Linear in the rows that wait; for checks in tests."""
        return any(waiting is sample for waiting in self._waiting)
