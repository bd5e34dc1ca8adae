"""How the tests are shared out among processes; a real S3 server on loopback, and a proxy in front of it that breaks
requests on demand."""

from __future__ import annotations

import functools
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

# Ray would start its workers at niceness 15, where they stand still for seconds beside any other work on the machine.
os.environ.setdefault("RAY_worker_niceness", "0")

BUCKET = "runs"
RAY_LANE = "ray"
"""What the files with tests that start a Ray or an engine are one unit of work under."""


@functools.cache
def starts_ray(path: Path) -> bool:
    return "pytest.mark.ray" in path.read_text()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In several processes, the files that start a Ray come first: together they take longest."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not starts_ray(item.path))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, all files that start a Ray go to one process, one after another: each brings processes of
    its own for several cores. Every other file is a unit of its own."""
    from xdist.scheduler import LoadFileScheduling

    class Lanes(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return RAY_LANE if starts_ray(config.rootpath / file) else file

    return Lanes(config, log) if config.getvalue("dist") == "loadfile" else None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def s3_port() -> Iterator[int]:
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=2).close()
            break
        except OSError:
            assert server.poll() is None and time.monotonic() < deadline, "the S3 server did not start"
            time.sleep(0.1)
    yield port
    assert server.poll() is None, "a test ended the S3 server that all tests share"
    server.terminate()
    server.wait()


@pytest.fixture
def s3(s3_port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Credentials and endpoint in the environment, an empty bucket; returns its URI."""
    import boto3

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{s3_port}")
    client = boto3.session.Session().client("s3")
    bucket = f"{BUCKET}-{os.urandom(4).hex()}"
    client.create_bucket(Bucket=bucket)
    return f"s3://{bucket}/prefix"


class FaultyProxy:
    """Forwards to the S3 server. `faults` is consumed one entry a matching request:

    "500" / "503"   answers so without forwarding          "lost"   forwards, then drops the answer
    "reset"         drops the connection before forwarding  "slow"   forwards after a second
    "expired"       answers ExpiredToken without forwarding

    With `parts_let_through` set, further PUTs of a run's parts wait until `opened` is set.
    """

    def __init__(self, upstream: int) -> None:
        proxy = self
        self.faults: list[str] = []
        self.method = "PUT"
        self.seen: list[str] = []
        self.parts_let_through: int | None = None
        self.opened = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = proxy.faults.pop(0) if proxy.faults and self.command == proxy.method else ""
                proxy.seen.append(f"{self.command} {fault}".strip())
                if fault == "reset":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                if fault in ("500", "503", "expired"):
                    code, name = (400, "ExpiredToken") if fault == "expired" else (int(fault), "InternalError")
                    text = f"<?xml version='1.0'?><Error><Code>{name}</Code><Message>told to</Message></Error>".encode()
                    self.send_response(code)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                    return
                if fault == "slow":
                    time.sleep(1.0)
                if proxy.parts_let_through is not None and self.command == "PUT" and "/samples/" in self.path:
                    proxy.parts_let_through -= 1
                    if proxy.parts_let_through < 0:
                        proxy.opened.wait(300)
                upstream_connection = http.client.HTTPConnection("127.0.0.1", upstream)
                upstream_connection.request(self.command, self.path, body, dict(self.headers))
                answer = upstream_connection.getresponse()
                data = answer.read()
                if fault == "lost":
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                        self.send_header(name, value)
                length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
                self.send_header("Content-Length", length or "0")
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(data)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = forward

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def proxy(s3: str, s3_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    import runstore.storage

    monkeypatch.setattr(runstore.storage, "BACKOFF_S", 0.01)
    proxy = FaultyProxy(s3_port)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
    yield proxy
    proxy.server.shutdown()
