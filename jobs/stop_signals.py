"""Signals that ask a command to stop, collected for a loop that looks at them."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def stop_signals() -> Iterator[list[str]]:
    """SIGINT and SIGTERM append to the yielded list instead of ending the process."""
    seen: list[str] = []
    names = {signal.SIGINT: "interrupted", signal.SIGTERM: "asked to end (SIGTERM)"}
    try:
        before = {number: signal.signal(number, lambda n, _: seen.append(names[signal.Signals(n)])) for number in names}
    except ValueError:  # not the main thread: the caller handles signals
        yield seen
        return
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
