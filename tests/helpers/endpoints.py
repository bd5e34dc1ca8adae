"""An OpenAI-compatible endpoint as a process of its own, which misbehaves on demand, and engines that ask it."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from workers.engines.base import EngineSettings, GenerationRequest, SamplingParameters

ROOT = Path(__file__).parents[2]
HELLO = (("user", "What is 2 + 2?"),)


class StandInEndpoint:
    """The process of benchmarks.endpoint_stand_in."""

    def __init__(self, port: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.endpoint_stand_in", str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def behave(self, **manners: Any) -> None:
        """Sets all manners, and forgets what was seen."""
        self._ask("/control", json.dumps(manners).encode())

    def seen(self) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("/seen")
        return found

    def _ask(self, path: str, data: bytes | None = None) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data, timeout=30) as answer:
            return json.load(answer)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def stand_in_endpoint() -> Iterator[StandInEndpoint]:
    endpoint = StandInEndpoint()
    try:
        yield endpoint
    finally:
        endpoint.kill()


def settings(endpoint: StandInEndpoint | str, **further: Any) -> EngineSettings:
    url = endpoint if isinstance(endpoint, str) else endpoint.url
    return EngineSettings(**{"engine": "openai", "base_url": url, "model": "stand-in", **further})


def request(name: str = "a", **further: Any) -> GenerationRequest:
    sampling = further.pop("sampling", SamplingParameters(max_tokens=64))
    return GenerationRequest(**{"id": name, "sampling": sampling, "messages": HELLO, "confidential": False, **further})
