"""What guards the door itself, in Serve's proxy, before a gateway sees a request: slow clients and stalled uploads.

Serve's proxy waits for a request's head without a limit, and passes a body on to its gateway as fast as it comes, so a
client that stops half-way holds its connection, and its bytes in both processes, for as long as it likes.

Promises: a connection whose head is not complete within `header_timeout_s` is closed. A body of which nothing comes for
`body_timeout_s`, or less than MIN_BYTES_PER_S in the long run, is answered with 408. Bodies under way hold at most
`max_pending_bytes` together; beyond that a further one gets 429. Memory of ended bodies goes back to the system. A
request whose gateway died before it answered gets 503, and not a 500 without a reason.
Does not: limit how long an answer takes.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from typing import Any

import pydantic
import uvicorn.protocols.http.auto
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jobs.service.http_errors import HttpProblem
from jobs.service.memory import Returner

log = logging.getLogger("proofmill.service")

VARIABLE = "PROOFMILL_FRONT_DOOR"
"""Environment variable with the `Limits` as JSON, which Ray's processes inherit from the one that starts Ray."""
CALLBACK_VARIABLE = "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH"
"""Serve's own variable: what its proxies call for the middlewares around them."""
CALLBACK = "jobs.service.front_door.middlewares"
MIN_BYTES_PER_S = 64 << 10
"""Slowest upload that is waited for."""
LARGE_BODY = 8 << 20
"""Size of a body, in bytes, after whose end memory is given back."""


class Limits(pydantic.BaseModel):
    header_timeout_s: float = 10.0
    body_timeout_s: float = 30.0
    max_pending_bytes: int = 512 << 20


def announce(limits: Limits) -> None:
    """Has the proxies of a Ray that this process starts guard their door."""
    os.environ[VARIABLE] = limits.model_dump_json()
    os.environ[CALLBACK_VARIABLE] = CALLBACK


def middlewares() -> list[Middleware]:
    """Called by Serve's proxy before it listens."""
    limits = Limits.model_validate(json.loads(os.environ.get(VARIABLE, "{}")))
    limit_heads(limits.header_timeout_s)
    return [Middleware(FrontDoor, limits=limits)]


def limit_heads(timeout_s: float) -> None:
    """Has every HTTP server that this process starts from now on close connections with slow heads."""
    uvicorn.protocols.http.auto.AutoHTTPProtocol = timed_protocol(timeout_s)  # type: ignore[misc]


def timed_protocol(timeout_s: float) -> type[HttpToolsProtocol]:
    """Uvicorn's protocol, which has no such limit of its own, with one."""

    class TimedProtocol(HttpToolsProtocol):
        head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.await_head()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            if self.head_timer is None:  # a later request of the same connection
                self.await_head()

        def on_headers_complete(self) -> None:
            self.forget_head()
            super().on_headers_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self.forget_head()
            super().connection_lost(exc)

        def await_head(self) -> None:
            self.head_timer = self.loop.call_later(timeout_s, self.transport.abort)

        def forget_head(self) -> None:
            if self.head_timer is not None:
                self.head_timer.cancel()
                self.head_timer = None

    return TimedProtocol


class FrontDoor:
    """ASGI middleware around Serve's proxy."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self.pending = 0
        """Bytes of bodies of requests that are not answered yet."""
        self._memory = Returner()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        upload = Upload(self, receive, send)
        try:
            await self.app(scope, upload.receive, upload.send)
            await upload.end()
        finally:
            self.pending -= upload.received
            if upload.received >= LARGE_BODY:
                self._memory.ask()


class Upload:
    """One request: its body as it comes, and the answer."""

    def __init__(self, door: FrontDoor, receive: Receive, send: Send) -> None:
        self._door = door
        self._receive, self._send = receive, send
        self._clock = asyncio.get_running_loop().time
        self._started = self._progressed = self._clock()
        self.received = 0
        self._is_whole = False
        self._is_answered = False
        self._is_refused = False

    async def receive(self) -> Message:
        if self._is_whole or self._is_answered:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline()):
                message = await self._receive()
        except TimeoutError:
            return await self._refuse(HttpProblem(408, "too-slow", "the body did not come in time"))
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self._progressed = self._clock()
            self.received += size
            self._door.pending += size
            self._is_whole = not message.get("more_body", False)
            if self._door.pending > max(self._door.limits.max_pending_bytes, self.received):
                return await self._refuse(HttpProblem(429, "busy", "too much is being read at once", retry_after_s=1))
        return message

    def _deadline(self) -> float:
        """When the next bytes are too late: what came fast at first must not stall for long afterwards."""
        least = self._started + self.received / MIN_BYTES_PER_S
        return min(self._progressed, least) + self._door.limits.body_timeout_s

    async def send(self, message: Message) -> None:
        if not self._is_refused:
            self._is_answered = True
            await self._send(message)

    async def end(self) -> None:
        """Answers where Serve's proxy has ended without an answer: the gateway that held the request has died."""
        if not self._is_answered and not self._is_refused:
            fault = HttpProblem(503, "gateway-died", "the gateway ended during this request", retry_after_s=1)
            await fault.response()({"type": "http"}, self._receive, self._send)

    async def _refuse(self, fault: HttpProblem) -> Message:
        """Answers the client, and tells the proxy that it is gone."""
        if not self._is_answered:
            self._is_refused = True
            fault.headers["Connection"] = "close"
            await fault.response()({"type": "http"}, self._receive, self._send)
        return {"type": "http.disconnect"}
