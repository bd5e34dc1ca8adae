"""`proofmill serve` as a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).parents[2]
STARTED = "proofmill serves on"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def environment_of(variables: Mapping[str, str]) -> dict[str, str]:
    """These variables of ours, but for those that lead to a Ray, and `variables`. Plugins may lie among the helpers."""
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        environment.pop(name, None)
    path = [str(ROOT), str(Path(__file__).parent), environment.get("PYTHONPATH", "")]
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, path)), **variables}


class ServiceProcess:
    """One service; `config` is the text of its TOML file, to which the port is added."""

    def __init__(self, folder: Path, config: str, port: int = 0, **variables: str) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        path = folder / f"service-{self.port}-{time.monotonic_ns()}.toml"
        path.write_text(f"server.port = {self.port}\n{config}")
        self.log = path.with_suffix(".log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jobs.cli", "serve", str(path)],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=environment_of(variables),
                cwd=ROOT,
            )

    def until(self, condition: Callable[[], object], timeout_s: float = 240) -> None:
        """Waits while the service runs."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline or self.process.poll() is not None:
                pytest.fail(f"it did not come to that:\n{self.text()[-5000:]}")
            time.sleep(0.2)

    def wait(self) -> None:
        """Until the service says that it serves."""
        self.until(lambda: STARTED in self.text())

    def text(self) -> str:
        return self.log.read_text()

    def descendants(self) -> list[psutil.Process]:
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def replicas(self, deployment: str) -> list[psutil.Process]:
        return self.named(f"ServeReplica:proofmill:{deployment}")

    def named(self, word: str) -> list[psutil.Process]:
        """Descendants whose first word holds `word`."""
        found = []
        for process in self.descendants():
            with contextlib.suppress(psutil.Error):
                words = process.cmdline()
                if words and word in words[0]:
                    found.append(process)
        return found

    def interrupt(self) -> None:
        """Ctrl-C in a terminal: to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def ended(self) -> int:
        """Waits for the end; returns the exit code."""
        try:
            return self.process.wait(120)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"the service did not end:\n{self.text()[-5000:]}")

    def kill(self) -> None:
        """For the end of a test: whatever is left of the service."""
        for process in [*self.descendants()]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.process.kill()
        self.process.wait()


def get(url: str, token: str = "") -> int:
    """The status; 0 where nothing listens."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, headers=headers, timeout=30).status_code
    return 0
