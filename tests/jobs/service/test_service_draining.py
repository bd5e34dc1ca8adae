"""A gateway that stops, in this process: nothing new, nothing cut without an answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import fastapi
import httpx
import pytest
from fastapi.responses import StreamingResponse

from jobs.service.draining import DrainGate, Draining, Phase

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Slow:
    """Routes that answer once they are let go."""

    def __init__(self) -> None:
        self.draining = Draining()
        self.go = asyncio.Event()
        self.ended = 0
        app = fastapi.FastAPI()

        @app.get("/plain")
        async def plain() -> str:
            try:
                await self.go.wait()
            finally:
                self.ended += 1
            return "done"

        @app.get("/events")
        async def events() -> StreamingResponse:
            return StreamingResponse(self.parts("data: 1\n\n"), media_type="text/event-stream")

        @app.get("/lines")
        async def lines() -> StreamingResponse:
            return StreamingResponse(self.parts("1\n"), media_type="application/x-ndjson")

        @app.get("/healthz")
        async def healthz() -> str:
            return "ok"

        app.add_middleware(DrainGate, draining=self.draining)
        self.app = app

    async def parts(self, part: str) -> AsyncIterator[str]:
        yield part
        await self.go.wait()
        yield part

    async def under_way(self, count: int) -> None:
        while len(self.draining.running) != count:
            await asyncio.sleep(0.01)

    async def ask(self, path: str) -> tuple[int, str, bool]:
        """Status, body, and whether the body came to its end."""
        sent: list[dict[str, Any]] = []
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b"", "root_path": ""}

        async def receive() -> dict[str, Any]:
            await asyncio.sleep(3600)
            return {}

        async def send(message: Any) -> None:
            sent.append(message)

        with contextlib.suppress(asyncio.CancelledError):
            await self.app({**scope, "http_version": "1.1", "scheme": "http", "server": ("t", 1)}, receive, send)
        body = b"".join(message.get("body", b"") for message in sent[1:]).decode()
        return sent[0]["status"], body, not sent[-1].get("more_body", False)


async def test_what_is_under_way_ends_and_nothing_new_begins() -> None:
    slow = Slow()
    asked = [asyncio.create_task(slow.ask(path)) for path in ("/plain", "/events", "/lines")]
    await slow.under_way(3)
    slow.draining.set(Phase.DRAINING)
    status, body, complete = await slow.ask("/plain")
    assert (status, complete) == (503, True) and "the service is stopping" in body
    assert (await slow.ask("/healthz"))[0] == 200
    slow.go.set()
    assert await asyncio.gather(*asked) == [
        (200, '"done"', True),
        (200, "data: 1\n\ndata: 1\n\n", True),
        (200, "1\n1\n", True),
    ]
    assert not slow.draining.running


async def test_what_does_not_end_gets_503_and_no_stream_looks_complete() -> None:
    slow = Slow()
    asked = [asyncio.create_task(slow.ask(path)) for path in ("/plain", "/events", "/lines")]
    await slow.under_way(3)
    slow.draining.set(Phase.DRAINING)
    slow.draining.set(Phase.ENDING)
    plain, events, lines = await asyncio.gather(*asked)
    assert plain[0] == 503 and plain[2] and "the service is stopping" in plain[1]
    assert events[0] == 200 and events[1].startswith("data: 1\n\nevent: error\ndata: {") and not events[2]
    assert lines == (200, "1\n", False)
    assert slow.ended == 1 and not slow.draining.running
    slow.draining.set(Phase.SERVING)
    assert slow.draining.phase is Phase.ENDING, "a phase never goes back"


async def test_a_client_that_leaves_is_not_answered() -> None:
    slow = Slow()
    task = asyncio.create_task(slow.ask("/plain"))
    await slow.under_way(1)
    task.cancel()
    with pytest.raises(IndexError):
        await task  # nothing was sent
    assert slow.ended == 1 and not slow.draining.running


async def test_a_refusal_is_a_problem_detail_that_says_when_to_come_back() -> None:
    slow = Slow()
    transport = httpx.ASGITransport(slow.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        slow.draining.set(Phase.DRAINING)
        answer = await client.get("/plain")
    assert answer.status_code == 503 and int(answer.headers["retry-after"]) >= 1
    assert answer.headers["content-type"] == "application/problem+json"
