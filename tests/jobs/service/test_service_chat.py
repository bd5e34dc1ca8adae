"""OpenAI's chat over a made-up generator, through OpenAI's own client: answers, streams, refusals, errors."""

from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest
from made_up_generators import FakeGenerators

from jobs.problems.canonical import read_canonical
from jobs.problems.errors import BadRow
from jobs.service.app import build_app
from jobs.service.chat_schema import LABELS, ChatRequest
from jobs.service.gateway import Gateway
from jobs.service.settings import check_service_config, token_digest
from jobs.service.steering import CLIENT_SAMPLING, Steering
from jobs.service.verifying import LocalVerifiers
from verifiers.checker import Checkers
from verifiers.types import Problem
from workers.engines.base import SamplingParameters
from workers.prompting.messages import PromptStyle

pytestmark = pytest.mark.anyio
MODEL = "models/tiny"
EXTRA = {"proofmill": {"kind": "math", "reference": {"answer": "5"}, "num_samples": 2}}
MESSAGES: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2+3?"}]
HISTORY: list[Any] = [
    {"role": "developer", "content": "Be kind."},
    {"role": "user", "content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]},
    {"role": "assistant", "content": None, "refusal": "No.", "tool_calls": None, "audio": None},
    {"role": "user", "content": "2+3?"},
]
PAIRS = (("system", "Be kind."), ("user", "Hello"), ("assistant", "No."), ("user", "2+3?"))


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def verifiers():
    verifiers = LocalVerifiers(Checkers(1), 1)
    yield verifiers
    verifiers.close()


def http_client(verifiers, generators: FakeGenerators | None, **sections) -> httpx.AsyncClient:
    config = check_service_config(sections, "test")
    model = MODEL if generators else ""
    gateway = Gateway(config, verifiers, generators=generators, model=model)
    return httpx.AsyncClient(transport=httpx.ASGITransport(build_app(gateway)), base_url="http://test/v1", timeout=60)


def openai_client(verifiers, generators: FakeGenerators | None, **sections) -> openai.AsyncOpenAI:
    http = http_client(verifiers, generators, **sections)
    return openai.AsyncOpenAI(base_url="http://test/v1", api_key="none", http_client=http, max_retries=0)


async def test_a_problem_gets_a_verified_answer_from_the_model_that_is_here(verifiers) -> None:
    client = openai_client(verifiers, FakeGenerators(["\\boxed{4}", "\\boxed{5}"]))
    create = client.chat.completions.create
    completion = await create(model="gpt-4o", messages=MESSAGES, temperature=0.3, extra_body=EXTRA)
    assert completion.choices[0].message.content == "\\boxed{5}" and completion.usage.total_tokens == 60
    assert completion.model == MODEL, "the answer must name the model that gave it"
    assert completion.model_extra["proofmill"]["verified"] and completion.model_extra["proofmill"]["checked"]
    stream = await create(model="gpt-4o", messages=MESSAGES, stream=True, extra_body=EXTRA)
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "\\boxed{5}"
    assert {chunk.model for chunk in chunks} == {MODEL}
    assert all(chunk.usage is None for chunk in chunks), "no usage unless the client asks for it"
    assert chunks[-1].model_extra["proofmill"]["verified"]


async def test_a_problem_without_an_answer_key_gets_the_answer_that_most_samples_agree_on(verifiers) -> None:
    client = openai_client(verifiers, FakeGenerators(["\\boxed{4}", "\\boxed{5}", "\\boxed{5.0}"]))
    extra = {"proofmill": {"kind": "math", "reference": {}, "num_samples": 3}}
    create = client.chat.completions.create
    completion = await create(model="tiny", messages=MESSAGES, extra_body=extra)
    told = completion.model_extra["proofmill"]
    assert completion.choices[0].message.content == "\\boxed{5}" and completion.choices[0].message.refusal is None
    assert told["checked"] is told["verified"] is told["selection"]["proven"] is False
    assert told["selection"]["votes"] == 2 and told["verdict"]["status"] == "unchecked"
    chunks = [chunk async for chunk in await create(model="t", messages=MESSAGES, stream=True, extra_body=extra)]
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "\\boxed{5}"
    assert chunks[-1].model_extra["proofmill"]["selection"]["proven"] is False
    silent = openai_client(verifiers, FakeGenerators(["no", "none", "nothing"]))
    refused = await silent.chat.completions.create(model="tiny", messages=MESSAGES, extra_body=extra)
    assert refused.choices[0].message.content is None and "nothing was checked" in refused.choices[0].message.refusal


async def test_an_unverified_text_becomes_a_refusal(verifiers) -> None:
    client = openai_client(verifiers, FakeGenerators(["\\boxed{4}", "\\boxed{6}"]))
    completion = await client.chat.completions.create(model="tiny", messages=MESSAGES, extra_body=EXTRA)
    assert completion.choices[0].message.content is None
    assert "none of 2 samples" in completion.choices[0].message.refusal
    assert completion.model_extra["proofmill"]["checked"] and not completion.model_extra["proofmill"]["verified"]


async def test_without_a_problem_the_model_answers_and_nothing_is_checked(verifiers) -> None:
    generators = FakeGenerators(["Hello!", "Hi!", "Good day!"])
    client = openai_client(verifiers, generators)
    completion = await client.chat.completions.create(model="x", messages=HISTORY, n=3, seed=-7)
    assert [choice.message.content for choice in completion.choices] == ["Hello!", "Hi!", "Good day!"]
    assert [choice.index for choice in completion.choices] == [0, 1, 2]
    extra = completion.model_extra["proofmill"]
    assert extra["checked"] is False and extra["verified"] is False and extra["verdict"] is None
    assert completion.usage.prompt_tokens == 10 and completion.usage.completion_tokens == 60
    problem = Problem("", "", "", {})
    asked = [steering.messages(problem, PromptStyle("Think.", "Box it.")) for _, steering in generators.asked]
    assert asked == [PAIRS] * 3, "the conversation goes to the model as it is"
    seeds = [request.seed for request, _ in generators.asked]
    assert len(set(seeds)) == 3
    generators.asked.clear()
    await client.chat.completions.create(model="x", messages=HISTORY, n=3, seed=-7)
    assert [request.seed for request, _ in generators.asked] == seeds, "the same seed draws the same"
    generators.asked.clear()
    await client.chat.completions.create(model="x", messages=HISTORY)
    await client.chat.completions.create(model="x", messages=HISTORY)
    assert len({request.seed for request, _ in generators.asked}) == 2, "without a seed each answer is drawn anew"


async def test_a_cut_off_answer_says_so(verifiers) -> None:
    generators = FakeGenerators(["One, two,"])
    generators.finish_reason = "length"
    client = openai_client(verifiers, generators)
    completion = await client.chat.completions.create(model="x", messages=MESSAGES, max_completion_tokens=3)
    assert completion.choices[0].finish_reason == "length"
    assert generators.asked[0][1].sampling == {"max_tokens": 3}


@pytest.mark.parametrize("extra", [{}, {"extra_body": EXTRA}])
async def test_the_usage_comes_in_the_last_chunk(verifiers, extra: dict) -> None:
    client = openai_client(verifiers, FakeGenerators(["\\boxed{5}", ""]))
    stream = await client.chat.completions.create(
        model="x", messages=MESSAGES, stream=True, stream_options={"include_usage": True}, **extra
    )
    *chunks, last = [chunk async for chunk in stream]
    assert last.choices == [] and last.usage.total_tokens == 30
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "\\boxed{5}"
    assert [chunk.choices[0].finish_reason for chunk in chunks][-1] == "stop"


def test_what_the_model_is_shown_with_a_problem() -> None:
    problem = Problem("p", "math", "2+3?", {"answer": "5"})
    style = PromptStyle("Think.", "Box it.")
    shown = ("user", "2+3?\nBox it.")
    assert Steering(()).messages(problem, style) == (("system", "Think."), shown)
    history = (("user", "Hello"), ("assistant", "Hi"))
    assert Steering(history).messages(problem, style) == (("system", "Think."), *history, shown)
    own = (("system", "Be kind."), *history)
    assert Steering(own).messages(problem, style) == (*own, shown), "the client's system message replaces ours"


def test_a_broken_conversation_of_a_problem_is_the_rows_fault() -> None:
    row = {"id": "a", "kind": "math", "prompt": "?", "reference": {"answer": "5"}}
    before = [{"role": "user", "content": "Hi"}]
    assert read_canonical({**row, "meta": {"messages_before": before}}).meta["messages_before"] == before
    for broken in ("Hi", 5, [5], [{"role": "user"}], [{"role": "user", "content": 7}]):
        with pytest.raises(BadRow) as caught:
            read_canonical({**row, "meta": {"messages_before": broken}})
        assert caught.value.field == "meta.messages_before"


def test_the_client_sets_sampling_by_named_keys_only() -> None:
    operators = SamplingParameters(temperature=0.5, max_tokens=100, stop=("END",))
    assert Steering(()).parameters(operators) == operators
    chosen = Steering((), sampling={"temperature": 0.0, "stop": ["x"], "engine_args": "y"}).parameters(operators)
    assert chosen == SamplingParameters(temperature=0.0, max_tokens=100, stop=("END", "x"))
    closed = {"logprobs", "seeded"}  # what is recorded and repeated is the operator's to say
    closed |= {"frequency_penalty", "presence_penalty", "repetition_penalty", "stop_token_ids"}  # refused as OpenAI's
    closed |= {"thinking_tokens", "loop"}  # these need arguments of the engine
    open_or_closed = set(CLIENT_SAMPLING) | closed
    assert open_or_closed == set(SamplingParameters.model_fields), "read CLIENT_SAMPLING again: a key is new"
    assert not closed & set(CLIENT_SAMPLING)


HONOURED = {
    *("messages", "proofmill", "stream", "stream_options", "n", "seed", "temperature", "top_p", "top_k", "min_p"),
    *("max_tokens", "max_completion_tokens", "stop", "model", "response_format"),
}
REFUSED = {
    "logprobs": True, "top_logprobs": 3, "tools": [{"type": "function"}], "tool_choice": "required",
    "parallel_tool_calls": True, "functions": [{}], "function_call": {"name": "f"}, "web_search_options": {},
    "presence_penalty": 0.5, "frequency_penalty": -0.5, "logit_bias": {"50256": -100}, "modalities": ["audio"],
    "audio": {}, "prediction": {}, "reasoning_effort": "high", "verbosity": "low", "service_tier": "flex",
    "store": True,
}  # fmt: skip


def test_every_field_is_honoured_or_refused_or_a_label() -> None:
    assert set(ChatRequest.model_fields) == HONOURED | set(REFUSED) | set(LABELS)


@pytest.mark.parametrize(("field", "value"), REFUSED.items())
async def test_what_cannot_be_honoured_is_refused(verifiers, field: str, value: Any) -> None:
    generators = FakeGenerators(["Hello!"])
    async with http_client(verifiers, generators) as client:
        answer = await client.post("/chat/completions", json={"messages": MESSAGES, field: value})
        assert answer.status_code == 422 and not generators.asked, answer.text
        assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{field}"]
        assert answer.json()["error"]["param"] == field
        silent = await client.post("/chat/completions", json={"messages": MESSAGES, field: None})
        assert silent.status_code == 200, silent.text


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"messages": []}, ["/messages"]),
        ({"messages": [{"role": "user", "content": 5}]}, ["/messages/0/content"]),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
         ["/messages/0/content/0"]),
        ({"messages": [{"role": "tool", "content": "x"}]}, ["/messages/0/role"]),
        ({"messages": [{"role": "user"}]}, ["/messages/0"]),
        ({"messages": [{"role": "user", "content": "x", "name": "Bob"}]}, ["/messages/0/name"]),
        ({"stop": ["a", 5]}, ["/stop/1"]),
        ({"stop": ["x"] * 17}, ["/stop"]),
        ({"temperature": 99}, ["/temperature"]),
        ({"response_format": {"type": "json_object"}}, ["/response_format/type"]),
        ({"stream_options": {"include_usage": True}}, ["/stream_options"]),
        ({"max_tokens": 3, "max_completion_tokens": 4}, ["/max_tokens"]),
        ({"max_tokens": 10**9}, ["/max_tokens"]),
        ({"n": 65}, ["/n"]),
        ({"best_of": 3}, ["/best_of"]),
        ({**EXTRA, "n": 2}, ["/n"]),
        ({"proofmill": {"kind": "math", "reference": {"answer": ""}}}, ["/proofmill/reference/answer"]),
        ({"proofmill": {"kind": "maths", "reference": {}}}, ["/proofmill/kind"]),
        ({"proofmill": {**EXTRA["proofmill"], "num_samples": 99}}, ["/proofmill/num_samples"]),
        ({"proofmill": {**EXTRA["proofmill"], "seed": 1}, "seed": 2}, ["/seed"]),
        ({**EXTRA, "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]},
         ["/messages/1/role"]),
        ({"proofmill": {"kind": "code", "reference": {"mode": "stdin", "tests": [{"input": 1, "output": ""}]}}},
         ["/proofmill/reference/tests/0"]),
    ],
)  # fmt: skip
async def test_one_mistake_is_one_pointer_into_the_body(verifiers, changes: dict, pointers: list[str]) -> None:
    generators = FakeGenerators(["Hello!"])
    async with http_client(verifiers, generators) as client:
        answer = await client.post("/chat/completions", json={"messages": MESSAGES, **changes})
    assert answer.status_code == 422 and not generators.asked, answer.text
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


async def test_the_clients_exception_tells_what_is_wrong(verifiers) -> None:
    client = openai_client(verifiers, FakeGenerators(["Hello!"]))
    with pytest.raises(openai.UnprocessableEntityError, match="/tools: this service calls no tools") as caught:
        await client.chat.completions.create(
            model="x", messages=MESSAGES, tools=[{"type": "function", "function": {"name": "f"}}]
        )
    error = caught.value
    assert (error.code, error.param, error.type) == ("invalid-request", "tools", "invalid_request_error")
    locked = openai_client(verifiers, None, tokens=[{"name": "a", "sha256": token_digest("other")}])
    with pytest.raises(openai.AuthenticationError, match="this token is not known here"):
        await locked.models.list()
    with pytest.raises(openai.InternalServerError, match="only verifies") as missing:
        await openai_client(verifiers, None).chat.completions.create(model="x", messages=MESSAGES)
    assert missing.value.code == "no-model"


async def test_a_conversation_that_the_template_refuses_is_the_clients_mistake(verifiers) -> None:
    generators = FakeGenerators(["", ""])
    generators.refuses = "Conversation roles must alternate"
    client = openai_client(verifiers, generators)
    for extra in ({}, {"extra_body": EXTRA}):
        with pytest.raises(openai.UnprocessableEntityError, match="roles must alternate"):
            await client.chat.completions.create(model="x", messages=HISTORY, **extra)


async def test_a_dead_or_slow_engine_is_an_error_and_no_answer(verifiers) -> None:
    generators = FakeGenerators([])
    client = openai_client(verifiers, generators, solve={"timeout_s": 0.2})
    with pytest.raises(openai.APIStatusError) as slow:
        await client.chat.completions.create(model="x", messages=MESSAGES, n=2)
    assert slow.value.status_code == 504 and len(generators.aborted) == 2 and generators.cancelled == 2
    generators.dead = True
    client = openai_client(verifiers, generators)
    with pytest.raises(openai.InternalServerError, match="no generator answers"):
        await client.chat.completions.create(model="x", messages=MESSAGES)
    stopped = FakeGenerators(["half"])
    stopped.finish_reason = "abort"
    with pytest.raises(openai.InternalServerError, match="ended the answer early"):
        await openai_client(verifiers, stopped).chat.completions.create(model="x", messages=MESSAGES)


async def test_models_are_listed_and_found_by_name(verifiers) -> None:
    client = openai_client(verifiers, FakeGenerators([]))
    assert [model.id async for model in await client.models.list()] == [MODEL]
    assert (await client.models.retrieve(MODEL)).id == MODEL
    with pytest.raises(openai.NotFoundError, match="no model of this name"):
        await client.models.retrieve("gpt-4o")
    async with http_client(verifiers, None) as http:
        assert (await http.get("/models/x")).status_code == 404
