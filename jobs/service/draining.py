"""A gateway that is about to end: it takes nothing new, and every request that it has gets an answer.

    serving ──► draining: new requests get 503, those under way go on
            ──► ending:   those still under way get 503 too

Promises: a request is answered or gets 503; a stream that is cut ends with an error event where its form has one, and
never looks complete.
Knows nothing of Ray: control.py says when.
"""

from __future__ import annotations

import asyncio
import enum
import json
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.service.http_errors import HttpProblem

RETRY_AFTER_S = 5.0


class Phase(enum.StrEnum):
    SERVING = "serving"
    DRAINING = "draining"
    ENDING = "ending"


class Draining:
    """The phase of one gateway and its requests under way."""

    def __init__(self) -> None:
        self.phase = Phase.SERVING
        self.running: set[asyncio.Task[Any]] = set()

    def set(self, phase: Phase) -> None:
        """Goes on to `phase`; never back."""
        if list(Phase).index(phase) > list(Phase).index(self.phase):
            self.phase = phase
        if self.ended:
            for task in self.running:
                task.cancel()

    @property
    def ended(self) -> bool:
        return self.phase is Phase.ENDING


def stopping() -> HttpProblem:
    return HttpProblem(503, "not-ready", "the service is stopping", retry_after_s=RETRY_AFTER_S)


class DrainGate:
    """ASGI middleware: counts requests under way, and refuses or ends them as the phase wants it."""

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        self._app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/healthz":
            await self._app(scope, receive, send)
            return
        if self._draining.phase is not Phase.SERVING:
            await stopping().response()(scope, receive, send)
            return
        task = asyncio.current_task()
        assert task is not None
        head: list[Message] = []

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                head.append(message)
            await send(message)

        self._draining.running.add(task)
        try:
            await self._app(scope, receive, noting)
        except asyncio.CancelledError:
            if not self._draining.ended:
                raise  # the client went away
            task.uncancel()
            if not head:
                await stopping().response()(scope, receive, send)
            else:
                if is_event_stream(head[0]):
                    event = f"event: error\ndata: {json.dumps(stopping().body())}\n\n"
                    await send({"type": "http.response.body", "body": event.encode(), "more_body": True})
                raise  # what was sent must not look complete
        finally:
            self._draining.running.discard(task)


def is_event_stream(head: Message) -> bool:
    return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in head["headers"])
