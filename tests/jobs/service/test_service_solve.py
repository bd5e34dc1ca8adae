"""/v1/solve and the OpenAI-compatible chat over a made-up generator: early stop, cost, streams, refusals, clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import httpx
import openai
import pytest

from jobs.service.app import build_app
from jobs.service.gateway import Gateway
from jobs.service.settings import check_service_config
from jobs.service.solving import GeneratorLost
from jobs.service.verifying import LocalVerifiers
from runstore.schema import Sample, SampleRequest
from verifiers.checker import Checkers

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class FakeGenerators:
    """Sample i takes i * 20 ms and says what `texts` has for it; later ones never end unless aborted."""

    num_slots = 4
    usd_per_replica_s = 0.5

    def __init__(self, texts: Sequence[str | None]) -> None:
        self.texts = texts
        self.aborted: list[str] = []
        self.cancelled = 0
        self.dead = False

    async def generate(self, request: SampleRequest) -> Sample:
        if self.dead:
            raise GeneratorLost("ActorDiedError")
        index = request.sample_index
        try:
            await asyncio.sleep(0.02 * index if index < len(self.texts) else 3600)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return Sample(
            request.problem.id, index, 1, 0, None, (("user", request.problem.prompt),), self.texts[index], "stop",
            10, 20, -0.5, request.seed, 0.0, 1.0, 0.0,
        )  # fmt: skip

    async def abort(self, request_ids: Sequence[str]) -> None:
        self.aborted += request_ids


PROBLEM = {"kind": "math", "prompt": "2+3?", "reference": {"answer": "5"}}


@pytest.fixture(scope="module")
def verifiers():
    verifiers = LocalVerifiers(Checkers(1), 1)
    yield verifiers
    verifiers.close()


def client_of(verifiers, generators: FakeGenerators | None, **sections) -> httpx.AsyncClient:
    config = check_service_config(sections, "test")
    gateway = Gateway(config, verifiers, generators=generators, model="tiny")
    return httpx.AsyncClient(transport=httpx.ASGITransport(build_app(gateway)), base_url="http://test", timeout=60)


async def test_the_first_verified_sample_ends_the_others(verifiers) -> None:
    generators = FakeGenerators(["\\boxed{4}", "\\boxed{5}"])
    async with client_of(verifiers, generators) as client:
        response = await client.post("/v1/solve", json={"problem": PROBLEM, "num_samples": 6})
    body = response.json()
    assert response.status_code == 200, body
    assert body["verified"] and body["text"] == "\\boxed{5}" and body["sample_index"] == 1
    assert body["verdict"]["status"] == "verified"
    assert len(generators.aborted) == 4 and generators.cancelled == 4
    assert body["cost"]["completion_tokens"] == 40 and body["cost"]["usd"] == pytest.approx(0.5 * 2 / 4)


async def test_an_unverified_text_is_never_given(verifiers) -> None:
    async with client_of(verifiers, FakeGenerators(["\\boxed{4}", "", None])) as client:
        body = (await client.post("/v1/solve", json={"problem": PROBLEM, "num_samples": 3})).json()
    assert body["verified"] is False and body["text"] is None and body["verdict"] is None
    assert body["cost"]["samples"] == 3


async def test_progress_is_streamed_as_events(verifiers) -> None:
    generators = FakeGenerators(["\\boxed{4}", "\\boxed{5}"])
    async with (
        client_of(verifiers, generators) as client,
        client.stream("POST", "/v1/solve", json={"problem": PROBLEM, "num_samples": 3, "stream": True}) as response,
    ):
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [block.split("\n", 1) async for block in blocks(response)]
    names = [name for name, _ in events]
    assert names == ["event: started", "event: sample", "event: sample", "event: result"]
    assert json.loads(events[-1][1].removeprefix("data: "))["text"] == "\\boxed{5}"


async def blocks(response: httpx.Response):
    text = "".join([part async for part in response.aiter_text()])
    for block in text.split("\n\n"):
        if block:
            yield block


async def test_refusals_are_http_errors_before_the_stream_begins(verifiers) -> None:
    async with client_of(verifiers, None) as client:
        no_model = await client.post("/v1/solve", json={"problem": PROBLEM, "stream": True})
        assert no_model.status_code == 501 and no_model.json()["type"].endswith("no-model")
    generators = FakeGenerators([])
    async with client_of(verifiers, generators, solve={"max_samples": 4, "max_running": 4}) as client:
        too_many = await client.post("/v1/solve", json={"problem": PROBLEM, "num_samples": 5})
        assert too_many.status_code == 422
        hanging = asyncio.create_task(client.post("/v1/solve", json={"problem": PROBLEM, "num_samples": 4}))
        await asyncio.sleep(0.2)
        busy = await client.post("/v1/solve", json={"problem": PROBLEM, "num_samples": 1})
        assert busy.status_code == 429 and int(busy.headers["retry-after"]) >= 1
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
        assert generators.cancelled == 4, "samples of a client that left go on"
    dead = FakeGenerators([])
    dead.dead = True
    async with client_of(verifiers, dead) as client:
        assert (await client.post("/v1/solve", json={"problem": PROBLEM})).status_code == 503


def openai_client(verifiers, generators: FakeGenerators) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        base_url="http://test/v1", api_key="none", http_client=client_of(verifiers, generators), max_retries=0
    )


EXTRA = {"proofmill": {"kind": "math", "reference": {"answer": "5"}, "num_samples": 2}}
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+3?"}]


async def test_the_openai_client_works_unchanged(verifiers) -> None:
    client = openai_client(verifiers, FakeGenerators(["\\boxed{4}", "\\boxed{5}"]))
    completion = await client.chat.completions.create(
        model="tiny", messages=MESSAGES, temperature=0.3, extra_body=EXTRA
    )
    assert completion.choices[0].message.content == "\\boxed{5}" and completion.usage.total_tokens == 60
    assert completion.model_extra["proofmill"]["verified"] is True
    stream = await client.chat.completions.create(model="tiny", messages=MESSAGES, stream=True, extra_body=EXTRA)
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert text == "\\boxed{5}"
    assert [model.id async for model in await client.models.list()] == ["tiny"]


async def test_the_openai_client_sees_refusals_and_errors(verifiers) -> None:
    client = openai_client(verifiers, FakeGenerators(["\\boxed{4}", "\\boxed{6}"]))
    completion = await client.chat.completions.create(model="tiny", messages=MESSAGES, extra_body=EXTRA)
    assert completion.choices[0].message.content is None
    assert "none of 2 samples" in completion.choices[0].message.refusal
    with pytest.raises(openai.UnprocessableEntityError):
        await client.chat.completions.create(model="tiny", messages=MESSAGES)
