"""Tokens per second of one vLLM engine in a steady state: neither its start nor its drain is counted."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil

from workers.engines.base import EngineSettings
from workers.engines.vllm import VllmEngine
from workers.engines.vllm_start import set_environment


class TokenCounter:
    """Counts steps and generated tokens of an engine; vLLM calls `record` for each step."""

    def __init__(self) -> None:
        self.steps = 0
        self.tokens = 0

    def record(self, _scheduler_stats: Any, iteration_stats: Any, *_: Any, **__: Any) -> None:
        self.steps += 1
        if iteration_stats is not None:
            self.tokens += iteration_stats.num_generation_tokens

    def log_engine_initialized(self) -> None:
        pass

    def log(self) -> None:
        pass

    def record_sleep_state(self, *_: Any) -> None:
        pass


def start_engine(settings: EngineSettings) -> tuple[Any, TokenCounter]:
    """An AsyncLLM as Proofmill starts it, and its counter. Must be called inside the event loop that will use it."""
    set_environment(settings)
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.v1.engine.async_llm import AsyncLLM

    counter = TokenCounter()
    arguments = AsyncEngineArgs(**VllmEngine(settings).arguments())
    return AsyncLLM.from_engine_args(arguments, stat_loggers=[lambda _config, _rank=0: counter]), counter


def cpu_seconds() -> dict[str, float]:
    """Processor time of this process (the front end) and of the engine's processes together, in seconds."""
    me = psutil.Process()
    engine = sum(sum(child.cpu_times()[:2]) for child in me.children(recursive=True) if child.is_running())
    return {"front_end": sum(me.cpu_times()[:2]), "engine": engine}


async def steady(
    llm: Any,
    counter: TokenCounter,
    parameters: Callable[[int], Any],
    prompts: Sequence[Sequence[int]],
    in_flight: int,
    warm_s: float,
    window_s: float,
) -> dict[str, float]:
    """Figures of a window of `window_s` seconds, `warm_s` after `in_flight` requests began to run. A request that ends
    is followed by the next one at once. `parameters` gives the SamplingParams of the n-th request."""
    numbers = itertools.count()

    async def keep_one_running() -> None:
        while True:
            number = next(numbers)
            prompt = {"prompt_token_ids": list(prompts[number % len(prompts)])}
            async for _ in llm.generate(prompt, parameters(number), f"{id(numbers)}-{number}"):
                pass

    running = [asyncio.create_task(keep_one_running()) for _ in range(in_flight)]
    try:
        await asyncio.sleep(warm_s)
        began, steps, tokens, cpu = time.monotonic(), counter.steps, counter.tokens, cpu_seconds()
        await asyncio.sleep(window_s)
        seconds = time.monotonic() - began
        drawn, made, spent = counter.tokens - tokens, counter.steps - steps, cpu_seconds()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    per_token = 1e6 / max(1, drawn)
    return {
        "in_flight": in_flight,
        "tokens_per_s": round(drawn / seconds, 1),
        "ms_per_step": round(1000 * seconds / max(1, made), 3),
        "front_end_cpu_us_per_token": round(per_token * (spent["front_end"] - cpu["front_end"]), 2),
        "engine_cpu_us_per_token": round(per_token * (spent["engine"] - cpu["engine"]), 2),
    }
