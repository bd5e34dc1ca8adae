"""The service and problems without an answer key: every answer is 200 and says that nothing was checked."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from made_up_generators import FakeGenerators

from jobs.service.app import build_app
from jobs.service.gateway import Gateway
from jobs.service.settings import check_service_config
from jobs.service.verifying import LocalVerifiers
from verifiers.checker import Checkers
from verifiers.types import Status

pytestmark = pytest.mark.anyio
MATH: dict[str, Any] = {"kind": "math", "prompt": "2+3?", "reference": {}}
CHOICE: dict[str, Any] = {"kind": "choice", "prompt": "?", "reference": {"options": ["a1", "b1"]}}
CODE: dict[str, Any] = {"kind": "code", "prompt": "?", "reference": {"mode": "stdin"}}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def verifiers() -> Iterator[LocalVerifiers]:
    found = LocalVerifiers(Checkers(1), 1)
    yield found
    found.close()


async def post(verifiers: Any, path: str, body: Any, texts: tuple[str, ...] = ()) -> httpx.Response:
    generators = FakeGenerators(texts)
    generators.pace_s = 0.0
    app = build_app(Gateway(check_service_config({}, "test"), verifiers, generators=generators, model="tiny"))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test", timeout=60) as client:
        return await client.post(path, json=body)


async def test_a_check_without_a_key_is_answered_with_the_status(verifiers: LocalVerifiers) -> None:
    items = [
        {"problem": MATH, "text": "\\boxed{5}"},
        {"problem": CHOICE, "text": "The answer is B."},
        {"problem": CODE, "text": "```python\nprint(1)\n```"},
        {"problem": {**MATH, "reference": {"answer": "5"}}, "text": "\\boxed{5}"},
    ]
    answer = await post(verifiers, "/v1/verify", {"items": items})
    assert answer.status_code == 200
    verdicts = answer.json()["verdicts"]
    assert [each["status"] for each in verdicts] == ["unchecked"] * 3 + ["verified"]
    assert [each["evidence"]["answer"].strip() for each in verdicts[:2]] == ["5", "B"]


async def test_limits_of_a_check_without_a_key(verifiers: LocalVerifiers) -> None:
    body = {"items": [{"problem": MATH, "text": "\\boxed{5}"}], "limits": {"wall_s": 1.5}}
    answer = await post(verifiers, "/v1/verify", body)
    (verdict,) = answer.json()["verdicts"]
    assert verdict["status"] == "unchecked" and verdict["limits"]["wall_s"] == 1.5


async def test_solving_without_a_key_is_no_failure_of_the_service(verifiers: LocalVerifiers) -> None:
    body = {"problem": MATH, "num_samples": 3}
    answer = await post(verifiers, "/v1/solve", body, ("\\boxed{5}", "\\boxed{5}", "\\boxed{6}"))
    assert answer.status_code == 200
    result = answer.json()
    assert (result["num_samples"], result["num_checked"], result["num_unchecked"]) == (3, 0, 3)
    assert (result["num_lost"], result["num_unfinished"]) == (0, 0)
    assert result["verified"] is False


async def test_a_chat_about_a_problem_without_a_key_says_that_nothing_was_checked(verifiers: LocalVerifiers) -> None:
    asked = {"kind": "math", "reference": {}, "num_samples": 2}
    body = {"model": "tiny", "messages": [{"role": "user", "content": "2+3?"}], "proofmill": asked}
    answer = await post(verifiers, "/v1/chat/completions", body, ("\\boxed{5}", "\\boxed{5}"))
    assert answer.status_code == 200
    extra = answer.json()["proofmill"]
    assert extra["verified"] is False and (extra["num_checked"], extra["num_unchecked"]) == (0, 2)


@pytest.mark.parametrize("status", list(Status))
def test_reward_clients_reward_proofs_and_mask_what_nothing_is_known_of(
    status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend("integrations")
    rewards = importlib.import_module("proofmill_rewards.client").REWARDS
    wanted = {Status.VERIFIED: 1.0, Status.REFUTED: 0.0, Status.MALFORMED: 0.0}
    assert rewards[str(status)] == wanted.get(status)
