"""How many requests are open at an endpoint at once: as many as it takes well, up to a bound.

The limit follows additive increase and multiplicative decrease, as TCP does. It begins low and doubles about once per
round of answers until the first sign of congestion. From then on it grows by STEP of itself per round. Congestion is a
refusal for overload (429, 503), a connection that fails, or first bytes that come SLOW_TIMES later than they came when
the endpoint was not busy. Refusals of one round count once, since they were all sent under the same limit.

Promises: never more than `most` requests are open; who waited longest goes first; a cancelled waiter takes no place.
Does not: read a clock, or know what a request is.
"""

from __future__ import annotations

import asyncio
import collections

FIRST = 8.0
"""Requests at the start."""
BACK_OFF = 0.5
"""What a refusal leaves of the limit."""
EASE_OFF = 0.9
"""What slow answers leave of it."""
STEP = 0.05
"""Growth of the limit per round of answers, as a share of it; at least one request."""
SLOW_TIMES = 4.0
"""How many times its best time the endpoint may take to the first byte."""
SLOW_S = 2.0
"""Seconds above the best time that are no sign of congestion, however short the best time is."""
WEIGHT = 0.1
"""Weight of the newest answer in the running mean of the time to the first byte."""
FORGET = 1.0005
"""Growth per answer of the best time, so that a best time of long ago is forgotten."""
EASY = 4.0
"""Slow answers alone bring the limit no lower than this."""


class AdaptiveLimit:
    """Belongs to one event loop."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = min(FIRST, float(most))
        self.open = 0
        self.refusals = 0
        """How often the limit was lowered because of a refusal."""
        self._waiting: collections.deque[asyncio.Future[None]] = collections.deque()
        self._is_starting = True
        self._peak = self._peak_before = 0
        """Most requests that were open in this round of answers, and in the one before."""
        self._peak_ends = 0
        """The round ends with the answer to a request with a higher number."""
        self._sent = 0
        self._round_ends = 0
        """Requests with a lower number were sent before the limit was last lowered."""
        self._mean_s = 0.0
        self._best_s = 0.0

    @property
    def room(self) -> int:
        """Most requests that may be open now."""
        return max(1, int(self.limit))

    async def enter(self) -> int:
        """Waits for a place. Returns the number of the request, which `succeeded`, `slow` and `refused` take."""
        if self.open >= self.room or self._waiting:
            place = asyncio.get_running_loop().create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self.leave()  # the place was given in the same moment
                raise
        else:
            self.open += 1
        self._sent += 1
        self._peak = max(self._peak, self.open)
        return self._sent

    def leave(self) -> None:
        """Gives a place back."""
        self.open -= 1
        self._let_in()

    def succeeded(self, number: int, first_s: float | None = None) -> None:
        """An answer came; `first_s` is the time to its first byte, where that is known."""
        if first_s is not None and self._is_slow(first_s):
            self._lower(number, EASE_OFF, min(EASY, float(self.most)))
            return
        if number > self._peak_ends:
            self._peak_ends, self._peak_before, self._peak = self._sent, self._peak, self.open
        if 2 * max(self._peak, self._peak_before) < self.room:
            return  # the limit is not what bounds the requests, so nothing is known about a higher one
        grown = 1.0 if self._is_starting else max(1.0, STEP * self.limit) / self.limit
        self.limit = min(float(self.most), self.limit + grown)
        self._let_in()

    def refused(self, number: int) -> None:
        """The endpoint had too much to do, or did not answer."""
        if number > self._round_ends:
            self.refusals += 1
        self._lower(number, BACK_OFF, 1.0)

    def _lower(self, number: int, share: float, least: float) -> None:
        if number <= self._round_ends:
            return
        self._round_ends = self._sent
        self._is_starting = False
        self.limit = max(min(least, self.limit), self.limit * share)

    def _is_slow(self, first_s: float) -> bool:
        self._mean_s = first_s if not self._mean_s else self._mean_s + WEIGHT * (first_s - self._mean_s)
        self._best_s = min(self._best_s * FORGET, self._mean_s) if self._best_s else self._mean_s
        return self._mean_s > SLOW_TIMES * self._best_s and self._mean_s > self._best_s + SLOW_S

    def _let_in(self) -> None:
        while self._waiting and self.open < self.room:
            place = self._waiting.popleft()
            if not place.done():
                self.open += 1
                place.set_result(None)
