"""The engine `openai` against a real `vllm serve` on loopback, compared with the same model in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.vllm_server import CONTEXT, MODEL, NAME, VllmServer, vllm_server
from workers.engines.base import EngineSettings, EngineStartError, Generation, GenerationRequest, SamplingParameters
from workers.engines.registry import open_engine

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

PROMPTS = ["Compute 12 + 30.", "Compute 7 * 8.", "Solve x + 3 = 10.", "Compute 100 - 41.", "What is 2 + 2?"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VllmServer]:
    with vllm_server(tmp_path_factory.mktemp("vllm") / "server.log") as running:
        yield running


def remote(server: VllmServer, **further: Any) -> EngineSettings:
    return EngineSettings(**{"engine": "openai", "base_url": server.url, "model": NAME, **further})


def requests(sampling: SamplingParameters, prompts: list[str] = PROMPTS) -> list[GenerationRequest]:
    return [
        GenerationRequest(f"{i}", sampling, messages=(("user", prompt),), seed=i, confidential=False)
        for i, prompt in enumerate(prompts)
    ]


def drawn(settings: EngineSettings, wanted: list[GenerationRequest]) -> tuple[list[Generation], Any]:
    async def scene() -> tuple[list[Generation], Any]:
        engine = open_engine(settings)
        await engine.start()
        try:
            return list(await asyncio.gather(*map(engine.generate, wanted))), engine
        finally:
            engine.stop()
            await asyncio.sleep(0)

    return asyncio.run(scene())


def test_a_server_draws_what_the_model_in_process_draws(server: VllmServer) -> None:
    greedy = SamplingParameters(temperature=0, max_tokens=60, repetition_penalty=1.05)
    wanted = [*requests(greedy), *requests(SamplingParameters(temperature=0, max_tokens=0), ["long " * 600])]
    there, engine = drawn(remote(server), wanted)
    assert engine.version.startswith("vllm ")
    assert engine.revision.startswith(f"{NAME}@vllm-")
    assert engine.max_model_len == CONTEXT
    assert engine.facts()["noticed"].get("usage not believed", 0) == 0
    local = EngineSettings(path=str(MODEL), dtype="float32", max_model_len=CONTEXT, max_num_seqs=32)
    here, _ = drawn(local, wanted)
    # The server stops counting a prompt that does not fit where it leaves the context.
    assert CONTEXT < there[-1].prompt_tokens <= here[-1].prompt_tokens
    there[-1].prompt_tokens = here[-1].prompt_tokens
    for remotely, locally in zip(there, here, strict=True):
        for name in ("text", "finish_reason", "prompt_tokens", "completion_tokens", "opened_thought"):
            assert getattr(remotely, name) == getattr(locally, name), name


def test_an_abort_ends_the_request_in_the_server(server: VllmServer) -> None:
    async def scene() -> list[Generation]:
        engine = open_engine(remote(server))
        await engine.start()
        long = SamplingParameters(max_tokens=450, min_p=0.0, stop_token_ids=(), temperature=2.0)
        wanted = requests(long, ["Tell me a long story."] * 6)
        running = [asyncio.ensure_future(engine.generate(request)) for request in wanted]
        while not await asyncio.to_thread(server.running):
            await asyncio.sleep(0.01)
            if all(task.done() for task in running):
                break
        await engine.abort([request.id for request in wanted])
        found = list(await asyncio.gather(*running))
        while await asyncio.to_thread(server.running):
            await asyncio.sleep(0.05)
        engine.stop()
        return found

    found = asyncio.run(scene())
    assert {generation.finish_reason for generation in found} <= {"abort", "stop", "length"}
    assert any(generation.finish_reason == "abort" for generation in found)


def test_a_wrong_model_is_told_with_the_right_one(server: VllmServer) -> None:
    with pytest.raises(EngineStartError, match=rf"model\.model = 'other'.*It has {NAME}"):
        open_engine(remote(server, model="other")).try_out([SamplingParameters()])
