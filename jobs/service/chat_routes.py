"""`POST /v1/chat/completions` and `GET /v1/models`, for OpenAI's clients.

Promises: `model` in an answer is the model that gave it; `proofmill.checked` says whether anything was checked; a text
that answers a problem is given only when it was verified, or when the problem has no answer key: then it is the one
that most samples agree on, and `proofmill.selection` says that nothing was proven.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import fastapi
from fastapi.responses import StreamingResponse

from jobs.problems.errors import BadRow
from jobs.service import http_errors
from jobs.service.chat_schema import ChatRequest, ModelCard, ModelList, unknown_model
from jobs.service.gateway import Gateway
from jobs.service.schemas import ProblemBody, bad_row, body_schema, read_body
from jobs.service.settings import Token
from jobs.service.solve_routes import admit_samples, begin_solving, json_response, last
from jobs.service.solving import Cost, Event, GeneratorLost, Generators, refusal_of, usd_of
from jobs.service.steered import SteeredGenerators, chat_requests
from runstore.schema import CUT_SHORT, Sample, SampleRequest

Answer = dict[str, Any]
"""Members that every part of an answer shares: id, created, model."""
ENDS = {"stop": "stop", **dict.fromkeys(CUT_SHORT, "length")}
"""OpenAI's names of the ways in which a text ends. A text of no other end is given."""


def chat_routes(gateway: Gateway, admit: Any) -> fastapi.APIRouter:
    router = fastapi.APIRouter()
    errors = http_errors.responses(400, 401, 413, 415, 422, 429, 501, 503, 504)
    streamed: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
    }

    @router.get("/v1/models", responses=http_errors.responses(401, 429))
    async def models(client: Token = admit) -> ModelList:
        """OpenAI's list of models, which many clients ask for first."""
        return ModelList(data=[ModelCard(id=gateway.model)] if gateway.model else [])

    @router.get("/v1/models/{model:path}", responses=http_errors.responses(401, 404, 429))
    async def model_card(model: str, client: Token = admit) -> ModelCard:
        if not gateway.model or model != gateway.model:
            raise unknown_model(model)
        return ModelCard(id=gateway.model)

    @router.post("/v1/chat/completions", responses={**streamed, **errors}, openapi_extra=body_schema(ChatRequest))
    async def chat(request: fastapi.Request, client: Token = admit) -> fastapi.Response:
        """OpenAI's chat completion. With `proofmill`: a verified answer, or a refusal where no sample could be
        verified; for a problem without an answer key the answer that most samples agree on, and
        `proofmill.selection` says that nothing was proven. Without it: what the model says, and nothing is checked."""
        body = await read_body(request, ChatRequest)
        body.check(gateway.max_tokens)
        answer = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": gateway.model}
        if body.proofmill is None:
            return await unchecked(gateway, body, client, answer)
        return await checked(gateway, body, client, answer)

    return router


async def checked(gateway: Gateway, body: ChatRequest, client: Token, answer: Answer) -> fastapi.Response:
    """The answer to a problem."""
    asked = body.proofmill
    assert asked is not None
    # The reference and not the conversation says what is right; the last message is the problem.
    row = ProblemBody(id="chat", kind=asked.kind, prompt=body.messages[-1].pair()[1], reference=asked.reference)
    try:
        problem = row.problem()
    except BadRow as error:
        listed = bad_row(error, "/proofmill", row)
        if error.field == "prompt":
            listed["pointer"] = f"/messages/{len(body.messages) - 1}/content"
        raise http_errors.invalid([listed]) from None
    seed = asked.seed if body.seed is None else body.seed
    events = await begin_solving(
        gateway,
        problem,
        asked.num_samples,
        seed,
        client,
        steering=body.steering(),
        pointer="/proofmill/num_samples",
    )
    if body.stream:
        chunks = checked_chunks(events, answer, wants_usage(body))
        return StreamingResponse(chunks, media_type="text/event-stream")
    result = await last(events)
    choice = {"index": 0, "message": message_of(result), "finish_reason": "stop", "logprobs": None}
    extra = {**checked_extra(result), "seed": seed}
    return json_response(completion(answer, [choice], usage_of(result["cost"]), extra))


async def unchecked(gateway: Gateway, body: ChatRequest, client: Token, answer: Answer) -> fastapi.Response:
    """What the model says, once or `n` times."""
    number = body.n or 1
    seed = secrets.randbelow(2**53) if body.seed is None else body.seed
    requests = chat_requests(number, seed)
    started = time.perf_counter()
    async with admit_samples(gateway, number, client, "/n") as generators:
        steered = SteeredGenerators(generators, body.steering())
        samples = await draw_all(steered, requests, gateway.config.solve.timeout_s)
    cost = Cost()
    for asked, sample in zip(requests, samples, strict=True):
        cost.add_sample(sample, usd_of(generators, asked, sample))
        gateway.metrics.sample(sample.completion_tokens, sample.generation_s)
    # The prompt is the same for all choices, and OpenAI counts it once.
    tokens = {"prompt_tokens": samples[0].prompt_tokens, "completion_tokens": cost.completion_tokens}
    extra = unchecked_extra(cost.to_json(time.perf_counter() - started), seed)
    texts = [(sample.text or "", ENDS[sample.finish_reason]) for sample in samples]
    if body.stream:
        chunks = unchecked_chunks(texts, answer, extra, usage_of(tokens) if wants_usage(body) else None)
        return StreamingResponse(chunks, media_type="text/event-stream")
    choices = [
        {
            "index": index,
            "message": {"role": "assistant", "content": text, "refusal": None},
            "finish_reason": end,
            "logprobs": None,
        }
        for index, (text, end) in enumerate(texts)
    ]
    return json_response(completion(answer, choices, usage_of(tokens), extra))


async def draw_all(generators: Generators, requests: list[SampleRequest], timeout_s: float) -> list[Sample]:
    """All samples, or none. Raises HttpProblem 503 and 504; leaving it ends what is still being drawn."""
    tasks = [asyncio.create_task(generators.generate(request)) for request in requests]
    try:
        async with asyncio.timeout(timeout_s):
            samples = await asyncio.gather(*tasks)
        if any(sample.finish_reason not in ENDS for sample in samples):
            raise http_errors.HttpProblem(503, "not-ready", "the engine ended the answer early", retry_after_s=5)
        return samples
    except TimeoutError:
        raise http_errors.HttpProblem(504, "timeout", f"no answer within {timeout_s:g} s") from None
    except GeneratorLost:
        raise http_errors.HttpProblem(503, "not-ready", "no generator answers", retry_after_s=5) from None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        ended = [request for request, task in zip(requests, tasks, strict=True) if task.cancelled()]
        if ended:
            with contextlib.suppress(GeneratorLost):
                await generators.abort([f"{one.problem.id}/{one.sample_index}/{one.seed}" for one in ended])


def completion(answer: Answer, choices: list[Any], usage: Mapping[str, int], extra: Mapping[str, Any]) -> Answer:
    return {**answer, "object": "chat.completion", "choices": choices, "usage": usage, "proofmill": extra}


def checked_extra(result: Mapping[str, Any]) -> dict[str, Any]:
    """The member `proofmill` of an answer to a problem."""
    counts = ("num_samples", "num_checked", "num_unchecked", "num_lost", "num_unfinished")
    members = {key: result[key] for key in ("verified", "verdict", "selection", *counts, "cost")}
    return {"checked": result["selection"] is None, **members}


def unchecked_extra(cost: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The member `proofmill` of an answer that nothing checked."""
    extra = {"checked": False, "verified": False, "verdict": None, "num_samples": cost["samples"]}
    return {**extra, "cost": cost, "seed": seed}


def message_of(result: dict[str, Any]) -> dict[str, Any]:
    if result["text"] is not None:  # verified, or chosen without an answer key
        return {"role": "assistant", "content": result["text"], "refusal": None}
    return {"role": "assistant", "content": None, "refusal": refusal_of(result)}


def usage_of(tokens: Mapping[str, Any]) -> dict[str, int]:
    prompt, generated = tokens["prompt_tokens"], tokens["completion_tokens"]
    return {"prompt_tokens": prompt, "completion_tokens": generated, "total_tokens": prompt + generated}


def wants_usage(body: ChatRequest) -> bool:
    return bool(body.stream_options and body.stream_options.include_usage)


class Chunks:
    """Writes the chunks of one streamed answer. Where the client wants the usage, it comes alone in the last chunk and
    is null in those before, as OpenAI has it."""

    def __init__(self, answer: Answer, with_usage: bool) -> None:
        self.answer = {**answer, "object": "chat.completion.chunk"}
        self.usage = {"usage": None} if with_usage else {}

    def delta(self, delta: Mapping[str, Any], end: str | None = None, index: int = 0, **more: Any) -> str:
        choice = {"index": index, "delta": delta, "finish_reason": end, "logprobs": None}
        return self.write({**self.answer, "choices": [choice], **self.usage, **more})

    def last(self, usage: Mapping[str, int]) -> str:
        return self.write({**self.answer, "choices": [], "usage": usage}) if self.usage else ""

    @staticmethod
    def write(content: Mapping[str, Any]) -> str:
        return f"data: {json.dumps(content)}\n\n"


async def checked_chunks(events: AsyncIterator[Event], answer: Answer, with_usage: bool) -> AsyncIterator[str]:
    """OpenAI's stream. A text that is not verified yet is not sent, so all of it comes at once."""
    chunks = Chunks(answer, with_usage)
    yield chunks.delta({"role": "assistant"})
    try:
        async for event in events:
            if event.name == "sample":
                yield f": sample {event.data['sample_index']} {event.data['status']}\n\n"
            elif event.name == "result":
                message = message_of(event.data)
                key = "refusal" if message["content"] is None else "content"
                yield chunks.delta({key: message[key]})
                yield chunks.delta({}, "stop", proofmill=checked_extra(event.data))
                yield chunks.last(usage_of(event.data["cost"]))
    except http_errors.HttpProblem as fault:  # the status is sent already
        yield chunks.write(fault.body())
    yield "data: [DONE]\n\n"


async def unchecked_chunks(
    texts: list[tuple[str, str]], answer: Answer, extra: Mapping[str, Any], usage: Mapping[str, int] | None
) -> AsyncIterator[str]:
    """The same for what the model said; the engine gives each text whole."""
    chunks = Chunks(answer, usage is not None)
    for index, (text, end) in enumerate(texts):
        yield chunks.delta({"role": "assistant", "content": text}, index=index)
        yield chunks.delta({}, end, index, proofmill=extra)
    yield chunks.last(usage or {})
    yield "data: [DONE]\n\n"
