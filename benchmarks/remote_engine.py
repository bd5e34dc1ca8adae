"""What the remote engine costs: its tokens per second against those of a bare `openai` client, at equal concurrency.

    python -m benchmarks.remote_engine [--rounds 5] [--server stand-in|vllm] [--requests 600] [--concurrency 32]

Both ask the same server for the same samples, in turns within one process, the engine first in every other round. The
server is the stand-in endpoint, which answers at once, or `vllm serve` with the bundled model. The bare client does
what a script of ten lines does: a semaphore, one `chat.completions.create` per sample, the text and the usage taken
from the answer. Both ways of asking are measured: answers in one piece, and streams.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.vllm_server import NAME, VllmServer
from workers.engines.base import EngineSettings, GenerationRequest, SamplingParameters
from workers.engines.openai_compatible import OpenAIEngine

ROOT = Path(__file__).resolve().parent.parent
STAND_IN_TOKENS = 200
SAMPLING = SamplingParameters(temperature=1.0, max_tokens=96)


@contextlib.contextmanager
def stand_in() -> Iterator[tuple[str, str]]:
    """Address and model of the stand-in endpoint."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.endpoint_stand_in"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        # A piece has as many tokens as vLLM is asked to put into one.
        manners = {"owned_by": "vllm", "text": "word " * STAND_IN_TOKENS, "piece_tokens": 32}
        urllib.request.urlopen(f"http://127.0.0.1:{port}/control", json.dumps(manners).encode()).close()
        yield f"http://127.0.0.1:{port}/v1", "stand-in"
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def vllm(concurrency: int) -> Iterator[tuple[str, str]]:
    """Address and model of a real server."""
    with tempfile.TemporaryDirectory() as folder:
        server = VllmServer(Path(folder) / "server.log", sequences=concurrency)
        try:
            server.wait()
            yield server.url, NAME
        finally:
            server.kill()


def prompts(count: int) -> list[str]:
    return [f"Compute {i % 90 + 7} + {i % 70 + 12}." for i in range(count)]


class Ours:
    """The remote engine."""

    def __init__(self, url: str, model: str, concurrency: int, stream: bool) -> None:
        keys = {"engine": "openai", "base_url": url, "model": model, "stream": stream}
        self._engine = OpenAIEngine(EngineSettings(**keys, max_concurrency=concurrency))
        self._numbers = itertools.count()

    async def start(self) -> None:
        await self._engine.start()

    async def draw(self, asked: list[str], seed: int) -> int:
        """The number of tokens of the answers."""
        wanted = [
            GenerationRequest(
                str(next(self._numbers)), SAMPLING, messages=(("user", text),), seed=seed + i, confidential=False
            )
            for i, text in enumerate(asked)
        ]
        return sum(found.completion_tokens for found in await asyncio.gather(*map(self._engine.generate, wanted)))

    async def stop(self) -> None:
        self._engine.stop()
        await asyncio.sleep(0.05)


class Bare:
    """An `openai` client and a semaphore."""

    def __init__(self, url: str, model: str, concurrency: int, stream: bool) -> None:
        import openai

        self._client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
        self._model, self._stream = model, stream
        self._places = asyncio.Semaphore(concurrency)

    async def start(self) -> None:
        pass

    async def draw(self, asked: list[str], seed: int) -> int:
        one = self._streamed if self._stream else self._whole
        return sum(await asyncio.gather(*(one(text, seed + i) for i, text in enumerate(asked))))

    def _request(self, text: str, seed: int) -> dict[str, Any]:
        return {
            "model": self._model,
            "messages": [{"role": "user", "content": text}],
            "temperature": SAMPLING.temperature,
            "max_tokens": SAMPLING.max_tokens,
            "seed": seed,
        }

    async def _whole(self, text: str, seed: int) -> int:
        async with self._places:
            answer = await self._client.chat.completions.create(**self._request(text, seed))
        assert answer.usage is not None
        assert answer.choices[0].message.content is not None
        return answer.usage.completion_tokens

    async def _streamed(self, text: str, seed: int) -> int:
        pieces, tokens = [], 0
        async with self._places:
            stream = await self._client.chat.completions.create(
                **self._request(text, seed), stream=True, stream_options={"include_usage": True}
            )
            async for event in stream:
                if event.choices and event.choices[0].delta.content:
                    pieces.append(event.choices[0].delta.content)
                if event.usage is not None:
                    tokens = event.usage.completion_tokens
        assert "".join(pieces)
        return tokens

    async def stop(self) -> None:
        await self._client.close()


class Rates(NamedTuple):
    """Figures of one client, per round."""

    per_s: list[float]
    """Tokens per second."""
    cpu_ms: list[float]
    """Processor time of this process per sample, in milliseconds. Other work on the machine does not add to it."""


async def measure(url: str, model: str, arguments: argparse.Namespace, stream: bool) -> tuple[Rates, Rates]:
    """The figures of the engine and of the bare client."""
    clients = [kind(url, model, arguments.concurrency, stream) for kind in (Ours, Bare)]
    rates = Rates([], []), Rates([], [])
    for client in clients:
        await client.start()
        await client.draw(prompts(4 * arguments.concurrency), seed=1)  # connections are open and the limit has grown
    for number in range(arguments.rounds):
        order = [0, 1] if number % 2 == 0 else [1, 0]
        for which in order:
            began, worked = time.perf_counter(), time.process_time()
            tokens = await clients[which].draw(prompts(arguments.requests), seed=1000 * (number + 1))
            rates[which].per_s.append(tokens / (time.perf_counter() - began))
            rates[which].cpu_ms.append(1000 * (time.process_time() - worked) / arguments.requests)
    for client in clients:
        await client.stop()
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--server", choices=("stand-in", "vllm"), default="stand-in")
    parser.add_argument("--requests", type=int, default=600)
    parser.add_argument("--concurrency", type=int, default=32)
    arguments = parser.parse_args()
    opened = stand_in() if arguments.server == "stand-in" else vllm(arguments.concurrency)
    with opened as (url, model):
        print(
            f"{arguments.server}, {arguments.requests} requests, {arguments.concurrency} at once, "
            f"{arguments.rounds} rounds"
        )
        for stream in (False, True):
            ours, bare = asyncio.run(measure(url, model, arguments, stream))
            name = "streams" if stream else "whole answers"
            ratios = [mine / theirs for mine, theirs in zip(ours.per_s, bare.per_s, strict=True)]
            print(
                f"{name:<14} engine {statistics.median(ours.per_s):>10,.0f} tokens per second, bare client "
                f"{statistics.median(bare.per_s):>10,.0f}; ratio {statistics.median(ratios):.3f}, the median of "
                f"{', '.join(f'{ratio:.2f}' for ratio in ratios)}; processor time per sample "
                f"{statistics.median(ours.cpu_ms):.2f} and {statistics.median(bare.cpu_ms):.2f} ms",
                flush=True,
            )


if __name__ == "__main__":
    main()
