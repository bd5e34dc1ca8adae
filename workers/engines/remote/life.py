"""Whether an endpoint lives: its signs of life, how long it has failed without any, and how long it asks to wait.

Promises: it is lost only after a time without a sign of life, and after several failures in that time, so that neither
a single slow answer nor a single broken connection counts as a loss. Refusals (a key that has expired) need less time,
and count only while no request is answered that was sent since. What it asks to wait is waited, and prolongs the time.
Does not: ask the endpoint anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LEAST_FAILURES = 4
"""Failures without a sign of life in between, before the endpoint may count as lost."""
SURE_S = 20.0
"""Seconds of refusals alone after which it is believed that no request would escape them."""
LONGEST_PAUSE_S = 900.0
"""An endpoint that asks to wait longer than this, as for the quota of a day, counts as lost."""


class Life:
    """Belongs to one event loop."""

    def __init__(self, lost_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._lost_s = lost_s
        self._clock = clock
        self.num_failures = 0
        """Failures since the last sign of life."""
        self._down_since = 0.0
        self._last_sign = -1.0
        self._resumes_at = 0.0
        self._longest_pause_s = 0.0
        self._num_refusals = 0
        """Refusals since the last request that was answered."""
        self._refused_since = 0.0
        self._last_answered = -1.0

    def alive(self) -> None:
        """A byte of an answer came."""
        self._last_sign = self._clock()
        self.num_failures = 0
        self._longest_pause_s = 0.0

    def was_seen_since(self, moment: float) -> bool:
        """Whether a sign of life came after `moment` (seconds of the clock)."""
        return self._last_sign > moment

    def answered(self, sent: float) -> None:
        """A request that was sent at the moment `sent` is being answered, so that the endpoint does not refuse all."""
        self._last_answered = max(self._last_answered, sent)
        self._num_refusals = 0

    def answers_since(self, moment: float) -> bool:
        """Whether a request is or was answered that was sent at `moment` or later."""
        return self._last_answered >= moment

    def failed(self, pause_s: float | None = None) -> bool:
        """A request failed; `pause_s` is how long the endpoint asks to wait. Returns whether it is lost."""
        now = self._clock()
        if not self.num_failures:
            self._down_since = now
        self.num_failures += 1
        if self.asks_to_wait(pause_s):
            return True
        return self.num_failures >= LEAST_FAILURES and now - self._down_since > self._lost_s + self._longest_pause_s

    def refused(self, pause_s: float | None = None) -> bool:
        """A request was refused, and none is known to be answered. The same as `failed`."""
        now = self._clock()
        if not self._num_refusals:
            self._refused_since = now
        self._num_refusals += 1
        if self.asks_to_wait(pause_s):
            return True
        patience_s = min(self._lost_s, SURE_S) + self._longest_pause_s
        return self._num_refusals >= LEAST_FAILURES and now - self._refused_since > patience_s

    def asks_to_wait(self, pause_s: float | None) -> bool:
        """Takes in a pause that the endpoint asks for. Returns whether it is longer than a run waits."""
        if pause_s is None:
            return False
        if pause_s > max(LONGEST_PAUSE_S, self._lost_s):
            return True
        self._longest_pause_s = max(self._longest_pause_s, pause_s)
        self._resumes_at = max(self._resumes_at, self._clock() + pause_s)
        return False

    def pause_s(self) -> float:
        """Seconds for which the endpoint asked to get no requests."""
        return max(0.0, self._resumes_at - self._clock())
