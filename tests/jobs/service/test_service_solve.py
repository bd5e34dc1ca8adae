"""/v1/solve over a made-up generator: early stop, cost, streams, refusals."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest
from made_up_generators import FakeGenerators

from jobs.service.app import build_app
from jobs.service.gateway import Gateway
from jobs.service.settings import check_service_config
from jobs.service.verifying import LocalVerifiers
from verifiers.checker import Checkers

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


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


WITHOUT_KEY = {"kind": "math", "prompt": "1 divided by 2?", "reference": {}}


async def test_without_an_answer_key_most_samples_choose_and_nothing_is_called_proven(verifiers) -> None:
    """The same value in several spellings is one answer; what gives no answer does not vote."""
    texts = ["\\boxed{3}", "\\boxed{1/2}", "no idea", "\\boxed{0.5}", "\\boxed{\\frac{1}{2}}", "\\boxed{3}"]
    async with client_of(verifiers, FakeGenerators(texts)) as client:
        response = await client.post("/v1/solve", json={"problem": WITHOUT_KEY, "num_samples": 6})
    body = response.json()
    assert response.status_code == 200, body
    assert body["verified"] is False and body["verdict"]["status"] == "unchecked"
    assert body["text"] == "\\boxed{1/2}" and body["sample_index"] == 1
    assert (body["num_checked"], body["num_unchecked"]) == (0, 6)
    chosen = body["selection"]
    assert (chosen["method"], chosen["answer"], chosen["votes"]) == ("agreement", "1/2", 3)
    assert (chosen["runner_up"], chosen["runner_up_votes"], chosen["voters"], chosen["samples"]) == ("3", 2, 5, 6)
    assert chosen["proven"] is False and "nothing was proven" in chosen["note"] and chosen["tied"] is False


async def test_without_an_answer_key_and_without_an_answer_there_is_no_text(verifiers) -> None:
    async with client_of(verifiers, FakeGenerators(["no idea", "none"])) as client:
        body = (await client.post("/v1/solve", json={"problem": WITHOUT_KEY, "num_samples": 2})).json()
    assert body["verified"] is False and body["text"] is None and body["verdict"] is None
    assert body["selection"]["answer"] is None and body["selection"]["votes"] == 0


async def test_with_an_answer_key_agreement_gives_no_text(verifiers) -> None:
    async with client_of(verifiers, FakeGenerators(["\\boxed{4}"] * 5)) as client:
        body = (await client.post("/v1/solve", json={"problem": PROBLEM, "num_samples": 5})).json()
    assert body["verified"] is False and body["text"] is None and body["selection"] is None
