"""Signals that ask a command to stop, collected for a loop that looks at them."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

NAMES = {signal.SIGINT: "interrupted", signal.SIGTERM: "asked to end (SIGTERM)"}


class StopSignals(list[str]):
    """What came so far, in words."""

    def install(self) -> None:
        """Makes SIGINT and SIGTERM come here. To be repeated while Ray starts: Ray puts a handler of its own, which
        prints a stack, before the one that it finds. Raises ValueError outside the main thread."""
        for number in NAMES:
            signal.signal(number, lambda number, _: self.append(NAMES[signal.Signals(number)]))


@contextlib.contextmanager
def stop_signals() -> Iterator[StopSignals]:
    """SIGINT and SIGTERM append to the yielded list instead of ending the process."""
    seen = StopSignals()
    before = {number: signal.getsignal(number) for number in NAMES}
    try:
        seen.install()
    except ValueError:  # not the main thread: the caller handles signals
        yield seen
        return
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
