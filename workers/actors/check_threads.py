"""Threads that check side by side: the one drain of checks, shared by the verifier actor and the service.

Promises: each item is checked once and its result handed over from a thread; if the check raises, `failed` makes that
item's result and no other item is affected. Items wait in one queue, so a slow check holds up its own thread only.
Does not: bound the queue (its callers hand over what they may), keep an order, or kill what hangs (the checkers do).
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
_Waiting = tuple[Item, Callable[[Item, Result], object], Callable[[], bool]]


class CheckThreads(Generic[Item, Result]):
    """Calls `check` in a thread for every item. Where it raises, `failed(item, error, seconds)` gives the result."""

    def __init__(
        self,
        num_threads: int,
        check: Callable[[Item], Result],
        failed: Callable[[Item, Exception, float], Result],
    ) -> None:
        self.num_threads = num_threads
        self._check = check
        self._failed = failed
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="check")
        self._waiting: queue.SimpleQueue[_Waiting[Item, Result]] = queue.SimpleQueue()

    def add(
        self,
        items: Iterable[Item],
        done: Callable[[Item, Result], object],
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Begins to check `items`; `done(item, result)` is called from the thread that checked it. Items whose turn
        comes when `wanted()` is false are dropped."""
        count = 0
        for item in items:
            self._waiting.put((item, done, wanted))
            count += 1
        # One pool task per item would cost as much as a check, so there is one per thread that has something to do.
        for _ in range(min(self.num_threads, count)):
            self._threads.submit(self._drain)

    def close(self) -> None:
        """Starts no further check; those under way go on."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _drain(self) -> None:
        """Checks until nothing waits. Runs in a thread of the pool."""
        while True:
            try:
                item, done, wanted = self._waiting.get_nowait()
            except queue.Empty:
                return
            if not wanted():
                continue
            started = time.perf_counter()
            try:
                result = self._check(item)
            except Exception as error:  # a checker must not raise; if one does, it is our fault and one item's result
                result = self._failed(item, error, time.perf_counter() - started)
            done(item, result)
