"""When a request may be sent: hard caps per minute, on requests and on tokens, and pauses that the endpoint asks for.

A window that slides over the last minute is kept exactly: what was sent in it never sums up to more than the cap. In
the first minute of a process the cap opens evenly, since the process may replace one that has just used all of it.

Promises: never more than the cap in any minute; who asked first is served first; what is given back is there at once.
Does not: sleep or read a clock of its own, so that tests need no time.
"""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import Awaitable, Callable

MINUTE_S = 60.0
KEPT_S = MINUTE_S + 0.001
"""How long what was sent counts, in seconds. The part above a minute is for the rounding of sums of times."""


class Use:
    """What one request takes of a cap."""

    __slots__ = ("amount", "at")

    def __init__(self, amount: int, at: float) -> None:
        self.amount = amount
        self.at = at


class Window:
    """One cap over the last minute. Pure."""

    def __init__(self, cap: int, now: float) -> None:
        self.cap = cap
        self._began = now
        self._uses: collections.deque[Use] = collections.deque()
        self._used = 0

    def wait_s(self, amount: int, now: float) -> float:
        """Seconds until `amount` may be taken, from what is known now. Never for more than the cap itself, which the
        caller has to refuse."""
        self._forget(now)
        if not self._uses or not amount:
            return 0.0
        free = self.cap - self._used
        wait_s = 0.0
        for use in self._uses:
            if free >= amount:
                break
            free += use.amount
            wait_s = use.at + KEPT_S - now
        opens_s = self._began + (self._used + amount) / self.cap * MINUTE_S - now if self._is_opening(now) else 0.0
        return max(wait_s, min(opens_s, self._began + MINUTE_S - now), 0.0)

    def take(self, amount: int, now: float) -> Use:
        use = Use(amount, now)
        self._uses.append(use)
        self._used += amount
        return use

    def give_back(self, use: Use, amount: int) -> None:
        """Returns a part of what was taken and not used. Nothing happens where the minute is over."""
        amount = min(amount, use.amount)
        if amount > 0 and self._uses and use.at >= self._uses[0].at:
            use.amount -= amount
            self._used -= amount

    def _is_opening(self, now: float) -> bool:
        return now < self._began + MINUTE_S

    def _forget(self, now: float) -> None:
        while self._uses and self._uses[0].at <= now - KEPT_S:
            self._used -= self._uses.popleft().amount


class Ticket:
    """One request that was counted."""

    __slots__ = ("tokens", "use")

    def __init__(self, tokens: int, use: Use | None) -> None:
        self.tokens = tokens
        self.use = use


class RateLimits:
    """Both caps of an endpoint; 0 = no cap. Requests that wait are sent in turn. Belongs to one event loop."""

    def __init__(
        self,
        requests_per_minute: int,
        tokens_per_minute: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        pause_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """`pause_s` says for how many seconds from now nothing may be sent."""
        self._pause_s = pause_s
        self._clock, self._sleep = clock, sleep
        self._requests = Window(requests_per_minute, clock()) if requests_per_minute else None
        self._tokens = Window(tokens_per_minute, clock()) if tokens_per_minute else None
        self._turn = asyncio.Lock()

    async def take(self, tokens: int) -> Ticket:
        """Waits until one more request of at most `tokens` may be sent, and counts it. Raises ValueError for more
        tokens than a minute may have."""
        if self._tokens is not None and tokens > self._tokens.cap:
            raise ValueError(
                f"a request of up to {tokens:,} tokens is more than tokens_per_minute = {self._tokens.cap:,}"
            )
        async with self._turn:  # a lock serves in the order of asking
            while (wait_s := self._wait_s(tokens)) > 0:
                await self._sleep(wait_s)
            now = self._clock()
            if self._requests is not None:
                self._requests.take(1, now)
            return Ticket(tokens, self._tokens.take(tokens, now) if self._tokens is not None else None)

    def _wait_s(self, tokens: int) -> float:
        now = self._clock()
        requests_s = self._requests.wait_s(1, now) if self._requests is not None else 0.0
        return max(self._pause_s(), requests_s, self._tokens.wait_s(tokens, now) if self._tokens is not None else 0.0)

    def settle(self, ticket: Ticket, used: int) -> None:
        """A request has ended and used this many tokens."""
        if self._tokens is not None and ticket.use is not None:
            self._tokens.give_back(ticket.use, ticket.tokens - used)
