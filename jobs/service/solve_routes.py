"""`POST /v1/solve` and `POST /v1/chat/completions`: one problem, a verified answer or none."""

from __future__ import annotations

import contextlib
import functools
import json
import secrets
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import fastapi
import pydantic
from fastapi.responses import StreamingResponse

from jobs.config import KindName
from jobs.problems.errors import BadRow
from jobs.service import http_errors
from jobs.service.gateway import Gateway
from jobs.service.schemas import Model, ProblemBody, VerdictBody, bad_row, body_schema, read_body
from jobs.service.settings import Token
from jobs.service.solving import Event, refusal_of, solve
from verifiers.reference_fields import MAX_PROMPT_CHARS
from verifiers.types import Problem

MAX_SEED = 2**53
"""JSON numbers beyond it lose digits in many clients."""


class SolveRequest(Model):
    problem: ProblemBody
    num_samples: Annotated[int, pydantic.Field(ge=1)] = 8
    seed: Annotated[int, pydantic.Field(ge=0, le=MAX_SEED)] = 0
    stream: bool = False
    """Answer as server-sent events: started, one sample event each, result."""


class CostBody(pydantic.BaseModel):
    samples: int
    prompt_tokens: int
    completion_tokens: int
    generation_s: float
    verify_s: float
    wall_s: float
    usd: float


class SolveResponse(pydantic.BaseModel):
    problem_id: str
    verified: bool
    text: str | None
    sample_index: int | None
    verdict: VerdictBody | None
    num_samples: int
    num_checked: int
    """Samples with a verdict. Only these can be said not to be verified."""
    num_lost: int
    """Samples whose generator or verifier died time and again."""
    num_unfinished: int
    """Samples that were ended: another one was verified first, or the time was over."""
    cost: CostBody


class ChatPart(pydantic.BaseModel):
    type: Literal["text"]
    text: str


class ChatMessage(pydantic.BaseModel):
    role: Literal["system", "developer", "user", "assistant"]
    content: Annotated[str, pydantic.Field(max_length=MAX_PROMPT_CHARS)] | list[ChatPart]

    def text(self) -> str:
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatProblem(Model):
    """The field `proofmill` of a chat request (`extra_body` in the openai client)."""

    kind: KindName
    reference: dict[str, Any]
    num_samples: Annotated[int, pydantic.Field(ge=1)] = 8
    seed: Annotated[int, pydantic.Field(ge=0, le=MAX_SEED)] = 0


class ChatRequest(pydantic.BaseModel):
    """OpenAI's request with one more field. Other fields of OpenAI's are accepted and not used: sampling is the
    service's."""

    model: Annotated[str, pydantic.Field(max_length=512)] = ""
    messages: Annotated[list[ChatMessage], pydantic.Field(min_length=1, max_length=100)]
    stream: bool = False
    proofmill: ChatProblem


class ModelCard(pydantic.BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "proofmill"


class ModelList(pydantic.BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelCard]


BODIES: list[type[pydantic.BaseModel]] = [SolveRequest, ChatRequest]


async def begin_solving(
    gateway: Gateway, problem: Problem, num_samples: int, seed: int, client: Token
) -> AsyncIterator[Event]:
    """Admits the request and returns its events; the first is there, so refusals are still HTTP errors."""
    if gateway.generators is None:
        raise http_errors.HttpProblem(501, "no-model", "this service only verifies: [solve] config is not set")
    settings = gateway.config.solve
    if num_samples > settings.max_samples:
        listed = [{"pointer": "/num_samples", "detail": f"at most {settings.max_samples}"}]
        raise http_errors.HttpProblem(422, "invalid-request", "more than this service allows", errors=listed)
    gateway.access.charge_items(client, num_samples)
    stack = contextlib.AsyncExitStack()
    await stack.enter_async_context(gateway.samples.enter(num_samples))
    events = solve(
        problem,
        num_samples,
        gateway.generators,
        gateway.verifiers,
        attempts=gateway.config.verify.attempts,
        timeout_s=settings.timeout_s,
        seed=seed,
    )

    async def counted() -> AsyncIterator[Event]:
        async with stack, contextlib.aclosing(events):
            gateway.metrics.sampling(gateway.samples.pending, gateway.samples.capacity)
            async for event in events:
                if event.name == "sample":
                    tokens = event.data.get("completion_tokens", 0)
                    gateway.metrics.sample(tokens, event.data.get("generation_s", 0.0))
                elif event.name == "result":
                    gateway.metrics.solved(event.data["verified"], event.data["cost"]["usd"])
                yield event
        gateway.metrics.sampling(gateway.samples.pending, gateway.samples.capacity)

    return counted()


def solve_routes(gateway: Gateway, admit: Any) -> fastapi.APIRouter:
    router = fastapi.APIRouter()
    errors = http_errors.responses(400, 401, 413, 415, 422, 429, 501, 503)
    streamed: dict[int | str, dict[str, Any]] = {
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}
    }

    begin = functools.partial(begin_solving, gateway)

    @router.post(
        "/v1/solve",
        response_model=SolveResponse,
        responses={**streamed, **errors},
        openapi_extra=body_schema(SolveRequest),
    )
    async def solve_one(request: fastapi.Request, client: Token = admit) -> fastapi.Response:
        """Samples until one is verified, at most `num_samples`. An unverified text is never given."""
        body = await read_body(request, SolveRequest)
        problem = read_problem(body.problem)
        events = await begin(problem, body.num_samples, body.seed, client)
        if body.stream:
            return StreamingResponse(sse(events), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        return json_response(await last(events))

    @router.get("/v1/models", responses=http_errors.responses(401, 429))
    async def models(client: Token = admit) -> ModelList:
        """OpenAI's list of models, which many clients ask for first."""
        return ModelList(data=[ModelCard(id=gateway.model)] if gateway.model else [])

    @router.post("/v1/chat/completions", responses=errors, openapi_extra=body_schema(ChatRequest))
    async def chat(request: fastapi.Request, client: Token = admit) -> fastapi.Response:
        """OpenAI's chat completion with a verified answer, or a refusal where no sample could be verified."""
        body = await read_body(request, ChatRequest)
        # The reference and not the conversation says what is right; the last user message is the problem.
        prompt = next((each.text() for each in reversed(body.messages) if each.role == "user"), "")
        row = ProblemBody(id="chat", kind=body.proofmill.kind, prompt=prompt, reference=body.proofmill.reference)
        events = await begin(read_problem(row), body.proofmill.num_samples, body.proofmill.seed, client)
        name = body.model or gateway.model
        answer = {"id": f"chatcmpl-{secrets.token_hex(12)}", "created": int(time.time()), "model": name}
        if body.stream:
            return StreamingResponse(chat_chunks(events, answer), media_type="text/event-stream")
        result = await last(events)
        usage = usage_of(result)
        choice = {"index": 0, "message": message_of(result), "finish_reason": "stop", "logprobs": None}
        extra = {key: result[key] for key in ("verified", "verdict", "num_samples", "cost")}
        body_out = {**answer, "object": "chat.completion", "choices": [choice], "usage": usage, "proofmill": extra}
        return json_response(body_out)

    return router


def read_problem(body: ProblemBody) -> Problem:
    """Raises HttpProblem 422."""
    try:
        return body.problem()
    except BadRow as error:
        listed = [bad_row(error, "/problem")]
        message = "the problem can not be used; see errors"
        raise http_errors.HttpProblem(422, "invalid-request", message, errors=listed) from None


async def last(events: AsyncIterator[Event]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    async for event in events:
        result = event.data
    return result


async def sse(events: AsyncIterator[Event]) -> AsyncIterator[str]:
    try:
        async for event in events:
            yield event.sse()
    except http_errors.HttpProblem as fault:  # the status is sent already
        yield Event("error", fault.body()).sse()


def message_of(result: dict[str, Any]) -> dict[str, Any]:
    if result["verified"]:
        return {"role": "assistant", "content": result["text"], "refusal": None}
    return {"role": "assistant", "content": None, "refusal": refusal_of(result)}


def usage_of(result: dict[str, Any]) -> dict[str, int]:
    prompt, completion = result["cost"]["prompt_tokens"], result["cost"]["completion_tokens"]
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


async def chat_chunks(events: AsyncIterator[Event], answer: dict[str, Any]) -> AsyncIterator[str]:
    """OpenAI's stream. A text that is not verified yet is not sent, so all of it comes at once."""

    def chunk(delta: dict[str, Any], finish_reason: str | None) -> str:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
        return f"data: {json.dumps({**answer, 'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"

    yield chunk({"role": "assistant"}, None)
    try:
        async for event in events:
            if event.name == "sample":
                yield f": sample {event.data['sample_index']} {event.data['status']}\n\n"
            elif event.name == "result":
                message = message_of(event.data)
                key = "content" if event.data["verified"] else "refusal"
                yield chunk({key: message[key]}, None)
                yield chunk({}, "stop")
    except http_errors.HttpProblem as fault:
        yield f"data: {json.dumps({'error': fault.body()})}\n\n"
    yield "data: [DONE]\n\n"


def json_response(body: dict[str, Any]) -> fastapi.Response:
    return fastapi.Response(json.dumps(body), media_type="application/json")
