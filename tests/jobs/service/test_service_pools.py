"""/v1/solve over several pools: the first stage first, a further one only where it gave nothing, each at its price."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from made_up_generators import FakeGenerators

from jobs.config import check_config
from jobs.service.app import build_app
from jobs.service.gateway import Gateway
from jobs.service.pools import PooledGenerators, Ways
from jobs.service.settings import check_service_config
from jobs.service.verifying import LocalVerifiers
from runstore.schema import Sample, SampleRequest
from verifiers.checker import Checkers
from verifiers.types import Problem

pytestmark = pytest.mark.anyio
PROBLEM = {"kind": "math", "prompt": "2+3?", "reference": {"answer": "5"}}
CONFIG = check_config(
    {
        "default_route": "ladder",
        "run": {"id": "r"},
        "problems": {"files": ["p"]},
        "models": {"small": {"path": "a"}, "large": {"path": "b"}},
        "cascades": {"ladder": {"stages": [{"model": "small", "samples": 4}, {"model": "large", "samples": 2}]}},
        "routes": [{"when": {"kind": "code"}, "use": "large"}],
    },
    "test",
)


class Says(FakeGenerators):
    """Says the same for every index, at once."""

    pace_s = 0.0

    def __init__(self, text: str, usd_per_replica_s: float) -> None:
        super().__init__([text] * 16)
        self.usd_per_replica_s = usd_per_replica_s


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def verifiers() -> Any:
    verifiers = LocalVerifiers(Checkers(1), 1)
    yield verifiers
    verifiers.close()


async def solved(verifiers: Any, small: Says, large: Says, path: str = "/v1/solve", **body: Any) -> dict[str, Any]:
    ways = Ways(CONFIG)
    generators = PooledGenerators(ways, {"small": small, "large": large})
    gateway = Gateway(check_service_config({}, "t"), verifiers, generators=generators, ways=ways, model="ladder")
    transport = httpx.ASGITransport(build_app(gateway))
    async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client:
        answer = await client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def indices(generators: FakeGenerators) -> list[int]:
    return [request.sample_index for request, _ in generators.asked]


async def test_a_further_stage_is_drawn_where_the_first_gave_nothing(verifiers: Any) -> None:
    small, large = Says("\\boxed{4}", 0.5), Says("\\boxed{5}", 8.0)
    body = await solved(verifiers, small, large, problem=PROBLEM, num_samples=8)
    assert body["verified"] and body["sample_index"] in (4, 5)
    assert indices(small) == [0, 1, 2, 3] and indices(large) == [4, 5]
    of_large = body["num_checked"] - 4  # each sample takes a second, and four share a replica
    assert body["cost"]["usd"] == pytest.approx(4 * 0.5 / 4 + of_large * 8.0 / 4)


async def test_what_the_first_stage_solves_costs_the_large_model_nothing(verifiers: Any) -> None:
    small, large = Says("\\boxed{5}", 0.5), Says("\\boxed{5}", 8.0)
    body = await solved(verifiers, small, large, problem=PROBLEM, num_samples=2)
    assert body["verified"] and indices(small) == [0, 1] and indices(large) == []
    assert body["num_samples"] == 2 and body["cost"]["usd"] <= 2 * 0.5 / 4


async def test_a_request_bounds_each_stage_and_nothing_is_given_unverified(verifiers: Any) -> None:
    small, large = Says("\\boxed{4}", 0.5), Says("\\boxed{4}", 8.0)
    body = await solved(verifiers, small, large, problem=PROBLEM, num_samples=1)
    assert not body["verified"] and body["text"] is None
    assert indices(small) == [0] and indices(large) == [4] and body["num_checked"] == body["num_samples"] == 2


async def test_a_chat_without_a_problem_goes_where_most_problems_go(verifiers: Any) -> None:
    small, large = Says("hello", 0.5), Says("no", 8.0)
    messages = [{"role": "user", "content": "Hello?"}]
    body = await solved(verifiers, small, large, "/v1/chat/completions", model="ladder", messages=messages, n=6)
    assert {choice["message"]["content"] for choice in body["choices"]} == {"hello"} and not large.asked


async def test_a_route_leads_a_problem_to_its_pool_whatever_its_index() -> None:
    ways = Ways(CONFIG)
    code = Problem("p", "code", "", {})
    assert ways.blocks(code, 3) == (range(3),)
    assert {ways.pool_of(SampleRequest(code, index, 1, 0)) for index in range(8)} == {"large"}
    math = Problem("p", "math", "", {})
    assert [ways.pool_of(SampleRequest(math, index, 1, 0)) for index in (0, 3, 4, 5)] == ["small"] * 2 + ["large"] * 2


async def test_an_abort_reaches_every_pool_and_all_must_be_ready() -> None:
    small, large = Says("", 0.5), Says("", 0.5)
    generators = PooledGenerators(Ways(CONFIG), {"small": small, "large": large})
    await generators.abort(["a/0/1"])
    assert small.aborted == large.aborted == ["a/0/1"]
    assert await generators.ready()
    large.dead = True
    assert not await generators.ready()
    sample = Sample("p", 4, 1, 0, None, (), "x", "stop", 10, 20, None, 0, 0.0, 2.0, 0.0)
    assert generators.usd_of(SampleRequest(Problem("p", "math", "", {}), 4, 1, 0), sample) == 0.5 * 2.0 / 4
