"""Slow clients and stalled uploads against a real HTTP server, with the front door and without it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
import weakref
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jobs.service import memory
from jobs.service.front_door import FrontDoor, Limits, timed_protocol

LIMITS = Limits(header_timeout_s=1.5, body_timeout_s=1.5, max_pending_bytes=100_000)
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


async def size(request: Request) -> JSONResponse:
    try:
        return JSONResponse({"size": len(await request.body())})
    except ClientDisconnect:
        return JSONResponse({"size": -1})


async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
    """Serve's proxy: a request whose gateway dies is left without an answer."""
    if scope["path"] == "/dies":
        await receive()
    elif scope["path"] == "/dies-later":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"transfer-encoding", b"chunked")]})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    else:
        await Starlette(routes=[Route("/", size, methods=["POST"])])(scope, receive, send)


class Server:
    def __init__(self, guarded: bool) -> None:
        self.door = FrontDoor(proxy, LIMITS)
        protocol = timed_protocol(LIMITS.header_timeout_s) if guarded else HttpToolsProtocol
        app = self.door if guarded else self.door.app
        self._server = uvicorn.Server(uvicorn.Config(app, port=0, http=protocol, log_level="error", lifespan="off"))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()

    def connect(self, data: bytes) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        client.sendall(data)
        return client

    def close(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(30)


@pytest.fixture(scope="module", params=[True, False], ids=["guarded", "unguarded"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    server = Server(request.param)
    server.guarded = request.param
    yield server
    server.close()


def answer_of(client: socket.socket, wait_s: float = 30) -> bytes | None:
    """All that the server says until it closes the connection; None where it does not close it."""
    client.settimeout(wait_s)
    said = b""
    with client, contextlib.suppress(ConnectionResetError):
        try:
            while data := client.recv(65_536):
                said += data
        except TimeoutError:
            return None
    return said


def test_a_head_that_does_not_come_to_an_end(server: Server) -> None:
    clients = [server.connect(half) for half in (b"", b"POST / HT", b"POST / HTTP/1.1\r\nHost: x\r\n")]
    for client in clients if server.guarded else clients[-1:]:
        said = answer_of(client, 30 if server.guarded else 3)
        assert said == (b"" if server.guarded else None), "without the guard such a connection stays open"


def test_a_later_head_of_a_connection_does_not_come_to_an_end(server: Server) -> None:
    client = server.connect(HEAD % 2 + b"ab")
    assert b'{"size":2}' in client.recv(65_536)
    client.sendall(b"POST / HT")
    said = answer_of(client, 30 if server.guarded else 3)
    assert said == (b"" if server.guarded else None)


def test_a_body_that_does_not_come_to_an_end(server: Server) -> None:
    said = answer_of(server.connect(HEAD % 1000 + b"x" * 10), 30 if server.guarded else 3)
    if not server.guarded:
        assert said is None
        return
    head, _, body = said.partition(b"\r\n\r\n")
    assert b" 408 " in head and b"application/problem+json" in head
    assert json.loads(body)["type"].endswith(":too-slow")
    assert server.door.pending == 0


def test_bodies_under_way_are_bounded_together(server: Server) -> None:
    if not server.guarded:
        pytest.skip("there is no bound to test")
    first = server.connect(HEAD % 200_000 + b"x" * 60_000)
    second = server.connect(HEAD % 200_000 + b"x" * 60_000)
    answers = [answer_of(first) or b"", answer_of(second) or b""]
    statuses = sorted(answer.split(b" ")[1] for answer in answers)
    assert statuses == [b"408", b"429"], "one of the two is refused, and the other one is waited for"
    assert server.door.pending == 0


def test_what_comes_in_time_is_answered(server: Server) -> None:
    client = server.connect(HEAD % 90_000)
    client.sendall(b"x" * 90_000)
    with client:
        assert b'{"size":90000}' in client.recv(65_536)


def test_a_gateway_that_dies_during_a_request(server: Server) -> None:
    with server.connect(HEAD.replace(b" / ", b" /dies ") % 2 + b"ab") as client:
        head, _, body = client.recv(65_536).partition(b"\r\n\r\n")
    if not server.guarded:
        assert b" 500 " in head and body == b"Internal Server Error"
        return
    assert b" 503 " in head and b"retry-after: 1" in head.lower() and b"application/problem+json" in head
    assert json.loads(body)["error"]["code"] == "gateway-died"


def test_a_gateway_that_dies_during_its_answer(server: Server) -> None:
    said = answer_of(server.connect(HEAD.replace(b" / ", b" /dies-later ") % 2 + b"ab")) or b""
    assert b" 200 " in said and b"begun" in said, "what has come is there"
    assert not said.endswith(b"0\r\n\r\n") and b"503" not in said, "and is not ended as if it were all"


def test_memory_goes_back_once_after_many_large_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    class Held:
        """Stands for the frames of a request that was broken off, which hold its body in a cycle."""

    returned = []
    real = memory.trim
    monkeypatch.setattr(memory, "trim", lambda: (returned.append(1), real()))
    monkeypatch.setattr(memory, "DELAY_S", 0.05)

    async def requests() -> weakref.ref[Held]:
        returner = memory.Returner()
        held = Held()
        held.me = held
        gone = weakref.ref(held)
        del held
        for _ in range(20):
            returner.ask()
        while not returned:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        return gone

    assert asyncio.run(requests())() is None and returned == [1]
