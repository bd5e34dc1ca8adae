"""Which clients may ask, and how much: bearer tokens, rates, request sizes, and work accepted at a time.

Promises: tokens are compared in constant time, by digest, against every client; a request whose header already shows
that it is too large is refused before its body is read; rates and pending work are bounded, and a refusal says when to
come back.
Does not: encrypt (the ingress terminates TLS) or share its counts between gateways: with n gateways a client may get n
times its rate, so the rates of the config are divided by their number.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hmac
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.config import ConfigError
from jobs.service.http_errors import HttpProblem
from jobs.service.memory import Returner
from jobs.service.settings import Token, check_tokens, read_tokens, token_digest

log = logging.getLogger("proofmill.service")

LARGE_BODY = 8 << 20
"""Size of a body, in bytes, after whose end memory is given back."""
RELOAD_S = 1.0
"""Shortest time between two looks at the file of tokens, in seconds."""
MAX_HEADER_CHARS = 1024
ANONYMOUS = Token(name="anonymous", sha256="0" * 64, requests_per_s=1e9, items_per_s=1e12)
"""The client where no tokens are configured, which loads on loopback only."""


class Bucket:
    """A token bucket whose level may go negative: it lets one large request through and makes the next one wait.

    Without this, a client with 5,000 items per second could never send a batch of 10,000 items.
    """

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self.rate = rate
        self.capacity = max(rate, 1.0)
        self.level = self.capacity
        self.clock = clock
        self.time = clock()

    def take(self, amount: float) -> float:
        """Takes `amount` and returns 0, or returns the seconds to wait."""
        now = self.clock()
        self.level = min(self.capacity, self.level + (now - self.time) * self.rate)
        self.time = now
        if self.level <= 0:
            return -self.level / self.rate + 1.0 / self.rate
        self.level -= amount
        return 0.0


class Tokens:
    """The tokens of the config and of `tokens_file`, which is read again when it changes.

    A file that cannot be used any more changes nothing: the tokens that were read last stay valid, and the log says
    why.
    """

    def __init__(self, fixed: Sequence[Token], file: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self._fixed, self._file, self._clock = tuple(fixed), file, clock
        self._looked_at = -math.inf
        self._stamp: tuple[int, int, int] | None = None
        self._known = self._fixed
        self.is_open = not fixed and not file
        """Whether no token is needed: none is configured, and none can come."""

    def now_known(self) -> tuple[Token, ...]:
        if self._file and self._clock() - self._looked_at >= RELOAD_S:
            self._looked_at = self._clock()
            self._reload()
        return self._known

    def _reload(self) -> None:
        try:
            stat = Path(self._file).stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if stamp == self._stamp:
                return
            self._stamp = stamp
            self._known = tuple(check_tokens([*self._fixed, *read_tokens(self._file)], self._file))
            log.info("%s: %d tokens", self._file, len(self._known))
        except (OSError, ConfigError) as error:
            log.error("the tokens stay as they were: %s", error)


class Access:
    """Clients and what they have used."""

    def __init__(
        self, tokens: Tokens | Sequence[Token], clock: Callable[[], float] = time.monotonic, share: float = 1.0
    ) -> None:
        self._tokens = tokens if isinstance(tokens, Tokens) else Tokens(tokens)
        self._clock, self._share = clock, share
        self._buckets: dict[tuple[str, str], Bucket] = {}

    def authenticate(self, header: str | None) -> Token:
        """The client of an Authorization header. Raises HttpProblem 401."""
        if self._tokens.is_open:
            return ANONYMOUS
        challenge = {"WWW-Authenticate": 'Bearer realm="proofmill"'}
        scheme, _, token = (header or "").partition(" ")
        if not header or scheme.lower() != "bearer" or len(header) > MAX_HEADER_CHARS:
            raise HttpProblem(401, "unauthorized", "send a token: Authorization: Bearer …", headers=challenge)
        digest = token_digest(token.strip())
        found: Token | None = None
        for known in self._tokens.now_known():  # no early exit: the time must not reveal which client matched, if any
            if hmac.compare_digest(digest, known.sha256):
                found = known
        if found is None:
            challenge["WWW-Authenticate"] += ', error="invalid_token"'
            raise HttpProblem(401, "unauthorized", "this token is not known here", headers=challenge)
        if found.expires is not None and dt.datetime.now(dt.UTC) >= found.expires:
            challenge["WWW-Authenticate"] += ', error="invalid_token"'
            raise HttpProblem(401, "unauthorized", "this token has expired", headers=challenge)
        return found

    def charge_request(self, token: Token) -> None:
        """Raises HttpProblem 429."""
        self._charge(token.name, "requests", token.requests_per_s, 1)

    def charge_items(self, token: Token, num_items: int) -> None:
        """Raises HttpProblem 429."""
        self._charge(token.name, "items", token.items_per_s, num_items)

    def _charge(self, name: str, what: str, rate: float, amount: float) -> None:
        """Tokens of one name share what they may use."""
        bucket = self._buckets.get((name, what))
        if bucket is None or bucket.rate != rate * self._share:  # a new client, or its rate has changed
            bucket = self._buckets[name, what] = Bucket(rate * self._share, self._clock)
        if wait_s := bucket.take(amount):
            raise HttpProblem(429, "rate-limited", f"more than {rate:g} {what} per second", retry_after_s=wait_s)


class Admission:
    """Bounds the work accepted and not yet finished; the queue behind the interface cannot grow without bound."""

    def __init__(self, capacity: int, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.capacity, self.what = capacity, what
        self.pending = 0
        self._clock = clock
        self._done = 0
        self._since = clock()
        self._rate = 0.0

    @contextlib.asynccontextmanager
    async def enter(self, amount: int) -> AsyncIterator[None]:
        """Raises HttpProblem 429 unless `amount` more fits. One request always fits where nothing is pending."""
        if self.pending and self.pending + amount > self.capacity:
            raise HttpProblem(
                429, "busy", f"{self.pending} {self.what} are pending", retry_after_s=self._drain_s(amount)
            )
        self.pending += amount
        try:
            yield
        finally:
            self.pending -= amount
            self._done += amount
            if (elapsed := self._clock() - self._since) > 1.0:
                self._rate, self._done, self._since = self._done / elapsed, 0, self._clock()

    def _drain_s(self, amount: int) -> float:
        if not self._rate:
            return 1.0
        return min(60.0, (self.pending + amount - self.capacity) / self._rate)


class BodyLimit:
    """ASGI middleware: 413 for bodies over `max_bytes`, announced or streamed; 429 when the bodies of all requests
    under way together exceed `max_pending_bytes`; 400 for broken lengths."""

    def __init__(self, app: ASGIApp, max_bytes: int, max_pending_bytes: int) -> None:
        self.app, self.max_bytes, self.max_pending_bytes = app, max_bytes, max_pending_bytes
        self.pending = 0
        self._memory = Returner()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if fault := self._header_fault(scope):
            await fault.response()(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                size = len(message.get("body", b""))
                received += size
                self.pending += size
                if received > self.max_bytes:
                    raise self._too_large()
                if self.pending > max(self.max_pending_bytes, received):
                    raise HttpProblem(429, "busy", "too much is being read at once", retry_after_s=1)
            return message

        try:
            await self.app(scope, counted, send)
        finally:
            self.pending -= received
            if received >= LARGE_BODY:
                self._memory.ask()

    def _header_fault(self, scope: Scope) -> HttpProblem | None:
        for name, value in scope["headers"]:
            if name == b"content-length":
                if not value.isdigit():
                    return HttpProblem(400, "bad-request", "Content-Length is no number")
                if len(value) > 18 or int(value) > self.max_bytes:
                    return self._too_large()
        return None

    def _too_large(self) -> HttpProblem:
        return HttpProblem(413, "too-large", f"the body may hold at most {self.max_bytes:,} bytes")


class Meter:
    """ASGI middleware: reports route, status and seconds of every request, the streamed answer included."""

    def __init__(self, app: ASGIApp, report: Callable[[str, int, float], object]) -> None:
        self.app, self.report = app, report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            # The template, never the path itself: a metric tag must not grow with what clients ask.
            route = getattr(scope.get("route"), "path", "none")
            self.report(route, status, time.perf_counter() - started)
