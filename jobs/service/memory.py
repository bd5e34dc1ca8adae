"""Gives memory that was freed back to the system. The C library keeps what large requests left behind, and the process
would stay as large as its largest moment."""

from __future__ import annotations

import contextlib
import ctypes
import time

MIN_PAUSE_S = 2.0
"""Shortest time between two calls, in seconds; one takes milliseconds."""
_last = 0.0


def give_back() -> None:
    """Does nothing where it was called just before, or where the C library cannot do it."""
    global _last
    if time.monotonic() - _last < MIN_PAUSE_S:
        return
    _last = time.monotonic()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
