"""Samples that are lost: drawn again where that can help, and never told as samples that could not be verified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import pytest
from made_up_generators import FakeGenerators

from jobs.service import redrawing, verifying
from jobs.service.app import build_app
from jobs.service.deploy import GeneratorReplica
from jobs.service.gateway import Gateway
from jobs.service.settings import check_service_config
from jobs.service.solving import GeneratorLost
from jobs.service.verifying import LocalVerifiers, VerifierLost
from runstore.schema import Sample, SampleRequest
from verifiers.checker import Checkers
from verifiers.types import Kind, Problem
from workers.engines.base import SamplingParameters
from workers.engines.remote.confidential import SOURCES, ConfidentialError
from workers.prompting.messages import PromptStyle
from workers.rollouts.single import Single

pytestmark = pytest.mark.anyio
WRONG, RIGHT = "\\boxed{4}", "\\boxed{5}"
PROBLEM = {"kind": "math", "prompt": "2+3?", "reference": {"answer": "5"}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrawing, "RETRY_DELAY_S", 0.0)
    monkeypatch.setattr(verifying, "RETRY_DELAY_S", 0.0)


@pytest.fixture(scope="module")
def verifiers():
    verifiers = LocalVerifiers(Checkers(1), 1)
    yield verifiers
    verifiers.close()


class Dying(FakeGenerators):
    """The generator dies under sample i `deaths[i]` times."""

    def __init__(self, texts: Sequence[str | None], deaths: Mapping[int, int]) -> None:
        super().__init__(texts)
        self.deaths = Counter(deaths)
        self.seeds: list[tuple[int, int]] = []
        self.loaded = True

    async def generate(self, request: SampleRequest, steering: Any = None) -> Sample:
        self.seeds.append((request.sample_index, request.seed))
        if self.deaths[request.sample_index] > 0:
            self.deaths[request.sample_index] -= 1
            raise GeneratorLost("ActorDiedError")
        return await super().generate(request, steering)

    async def ready(self) -> bool:
        return self.loaded


class DeadVerifiers:
    num_replicas = 1

    async def check(self, chunk: Any) -> Any:
        raise VerifierLost("ActorDiedError")

    async def ready(self) -> bool:
        return True


async def ask(verifiers: Any, generators: Any, num_samples: int, **solve: Any) -> httpx.Response:
    return await post(verifiers, generators, "/v1/solve", {"problem": PROBLEM, "num_samples": num_samples}, **solve)


async def post(verifiers: Any, generators: Any, path: str, body: Any, **solve: Any) -> httpx.Response:
    config = check_service_config({"solve": solve}, "test")
    app = build_app(Gateway(config, verifiers, generators=generators, model="tiny"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", timeout=60) as client:
        return await (client.post(path, json=body) if body else client.get(path))


def counts(body: Mapping[str, Any]) -> tuple[int, int, int, int]:
    return body["num_samples"], body["num_checked"], body["num_lost"], body["num_unfinished"]


async def test_a_sample_is_drawn_again_when_its_generator_dies(verifiers) -> None:
    generators = Dying([WRONG, RIGHT], {0: 2, 1: 2})
    answer = await ask(verifiers, generators, 2)
    assert answer.status_code == 200 and answer.json()["text"] == RIGHT
    assert answer.json()["num_lost"] == 0
    assert len(generators.seeds) == 6 and len(set(generators.seeds)) == 2, "another try has another seed"


async def test_samples_lost_for_good_are_counted_apart(verifiers) -> None:
    answer = await ask(verifiers, Dying([WRONG, RIGHT, WRONG], {1: 99}), 3)
    assert answer.status_code == 200 and answer.json()["verified"] is False
    assert counts(answer.json()) == (3, 2, 1, 0)
    chat = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "2+3?"}],
        "proofmill": {"kind": "math", "reference": {"answer": "5"}, "num_samples": 3},
    }
    told = await post(verifiers, Dying([WRONG, RIGHT, WRONG], {1: 99}), "/v1/chat/completions", chat)
    refusal = told.json()["choices"][0]["message"]["refusal"]
    assert refusal == "none of 2 samples could be verified; 1 of 3 lost"
    assert counts(told.json()["proofmill"]) == (3, 2, 1, 0)


class Refusing:
    async def generate(self, request: Any) -> Any:
        raise ConfidentialError("nothing was sent")


async def test_what_a_model_may_not_be_asked_is_no_loss_of_its_replica() -> None:
    """As such it would be asked again, of every other replica too."""
    replica = object.__new__(GeneratorReplica)
    replica._style, replica._rollout, replica._engine = PromptStyle(), Single, Refusing()  # type: ignore[assignment]
    replica._sampling, replica._parameters_of = SamplingParameters(), lambda kind: SamplingParameters()
    replica._confidential = SOURCES
    problem = Problem("p", Kind.MATH, "2+3?", {"answer": "5"}, source="gpqa")
    sample = await replica.generate(SampleRequest(problem, 0, 1, 7))
    assert (sample.finish_reason, sample.text) == ("error", "") and "ConfidentialError" in sample.error


async def test_a_sample_that_could_not_be_drawn_is_drawn_once_and_its_text_is_never_an_answer(verifiers) -> None:
    generators = FakeGenerators([RIGHT, RIGHT])
    generators.refuses = "the engine answered with ConfidentialError"
    answer = await ask(verifiers, generators, 2)
    assert answer.status_code == 503 and "2 of 2 lost" in answer.json()["detail"]
    assert len(generators.asked) == 2


async def test_where_no_sample_got_a_verdict_the_answer_is_no_negative(verifiers) -> None:
    lost = await ask(verifiers, Dying([], {0: 99, 1: 99}), 2)
    assert lost.status_code == 503 and "2 of 2 lost" in lost.json()["detail"]
    unchecked = await ask(DeadVerifiers(), Dying([RIGHT, RIGHT], {}), 2)
    assert unchecked.status_code == 503 and "2 of 2 lost" in unchecked.json()["detail"]
    empty = await ask(verifiers, Dying([None], {}), 1)
    assert empty.status_code == 503 and "1 of 1 lost" in empty.json()["detail"], "the engine ended it without a text"
    late = await ask(verifiers, Dying([], {}), 2, timeout_s=0.3)
    assert late.status_code == 503 and "2 of 2 not finished in time" in late.json()["detail"]


async def test_what_was_not_finished_in_time_is_counted_apart(verifiers) -> None:
    answer = await ask(verifiers, Dying([WRONG], {2: 99}), 3, timeout_s=2.0)
    assert answer.status_code == 200 and answer.json()["verified"] is False
    assert counts(answer.json()) == (3, 1, 1, 1)


async def test_a_service_that_solves_is_ready_once_an_engine_is_loaded(verifiers) -> None:
    generators = Dying([], {})
    generators.loaded = False
    answer = await post(verifiers, generators, "/readyz", None)
    assert answer.status_code == 503 and "no engine is loaded" in answer.json()["detail"]
    generators.loaded = True
    assert (await post(verifiers, generators, "/readyz", None)).status_code == 200
    assert (await post(verifiers, None, "/readyz", None)).status_code == 200
