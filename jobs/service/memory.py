"""Gives memory that was freed back to the system. The C library keeps what large requests left behind, and the process
would stay as large as its largest moment."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc

DELAY_S = 1.0
"""Pause after the end of the last large request, in seconds, so that nothing of it is held any more."""
MAX_DELAY_S = 10.0
"""Longest time that further large requests put it off, in seconds."""


class Returner:
    """Collects requests to give memory back; many at a time become one."""

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._asked_at = 0.0
        """When the first request that is not fulfilled yet was made."""

    def ask(self) -> None:
        """Gives memory back soon. Belongs to a running event loop."""
        loop = asyncio.get_running_loop()
        if self._timer is None:
            self._asked_at = loop.time()
        else:
            self._timer.cancel()
        due = min(loop.time() + DELAY_S, self._asked_at + MAX_DELAY_S)
        self._timer = loop.call_at(due, self._fulfil)

    def _fulfil(self) -> None:
        self._timer = None
        trim()


def trim() -> None:
    """Frees what only cycles hold, as the frames of a request that was broken off, and returns what is free. Does
    nothing where the C library cannot do it."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
