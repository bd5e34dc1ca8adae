"""`POST /v1/solve`: one problem, a verified answer or none; without an answer key what most samples agree on."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any

import fastapi
import pydantic
from fastapi.responses import StreamingResponse

from jobs.problems.errors import BadRow
from jobs.service import http_errors
from jobs.service.agreed import SelectionBody
from jobs.service.gateway import Gateway
from jobs.service.schemas import Model, ProblemBody, VerdictBody, bad_row, body_schema, read_body
from jobs.service.settings import Token
from jobs.service.solving import Event, Generators, solve
from jobs.service.steered import SteeredGenerators
from jobs.service.steering import Steering
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
    selection: SelectionBody | None
    """How the text was chosen where the problem has no answer key. Nothing about it is proven; `verified` is false."""
    num_samples: int
    num_checked: int
    """Samples with a verdict. Only these can be said not to be verified."""
    num_unchecked: int
    """Samples of a problem without an answer key, of which nothing can be said."""
    num_lost: int
    """Samples whose generator or verifier died time and again."""
    num_unfinished: int
    """Samples that were ended: another one was verified first, or the time was over."""
    cost: CostBody


BODIES: list[type[pydantic.BaseModel]] = [SolveRequest]


@contextlib.asynccontextmanager
async def admit_samples(
    gateway: Gateway, num_samples: int, client: Token, pointer: str, drawn: int = 0
) -> AsyncIterator[Generators]:
    """The generators, for as many samples. Raises HttpProblem 422, 429 and 501; `pointer` is where the client set the
    number. `drawn` is how many may be drawn for it, stage by stage; 0 = as many."""
    if gateway.generators is None:
        raise http_errors.HttpProblem(501, "no-model", "this service only verifies: [solve] config is not set")
    most = gateway.config.solve.max_samples
    if num_samples > most:
        listed = [{"pointer": pointer, "detail": f"at most {most}"}]
        raise http_errors.HttpProblem(422, "invalid-request", "more than this service allows", errors=listed)
    gateway.access.charge_items(client, drawn or num_samples)
    async with gateway.samples.enter(num_samples):  # stages are drawn one after the other
        gateway.metrics.sampling(gateway.samples.pending, gateway.samples.capacity)
        yield gateway.generators
    gateway.metrics.sampling(gateway.samples.pending, gateway.samples.capacity)


async def begin_solving(
    gateway: Gateway,
    problem: Problem,
    num_samples: int,
    seed: int,
    client: Token,
    *,
    steering: Steering | None = None,
    pointer: str = "/num_samples",
) -> AsyncIterator[Event]:
    """Admits the request and returns its events; what is refused is refused here, before an answer begins."""
    stack = contextlib.AsyncExitStack()
    blocks = gateway.ways.blocks(problem, num_samples) if gateway.ways else (range(num_samples),)
    generators = await stack.enter_async_context(
        admit_samples(gateway, num_samples, client, pointer, sum(map(len, blocks)))
    )
    settings = gateway.config.solve
    events = solve(
        problem,
        sum(map(len, blocks)),
        SteeredGenerators(generators, steering) if steering else generators,
        gateway.verifiers,
        attempts=gateway.config.verify.attempts,
        timeout_s=settings.timeout_s,
        seed=seed,
        blocks=blocks,
    )

    async def counted() -> AsyncIterator[Event]:
        async with stack, contextlib.aclosing(events):
            async for event in events:
                if event.name == "sample":
                    tokens = event.data.get("completion_tokens", 0)
                    gateway.metrics.sample(tokens, event.data.get("generation_s", 0.0))
                elif event.name == "result":
                    gateway.metrics.solved(event.data["verified"], event.data["cost"]["usd"])
                yield event

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
        """Samples until one is verified, at most `num_samples`. An unverified text is never given. The samples of a
        problem without an answer key are all drawn, and `unchecked`."""
        body = await read_body(request, SolveRequest)
        problem = read_problem(body.problem)
        events = await begin(problem, body.num_samples, body.seed, client)
        if body.stream:
            return StreamingResponse(sse(events), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        return json_response(await last(events))

    return router


def read_problem(body: ProblemBody) -> Problem:
    """Raises HttpProblem 422."""
    try:
        return body.problem()
    except BadRow as error:
        raise http_errors.invalid([bad_row(error, "/problem", body)]) from None


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


def json_response(body: dict[str, Any]) -> fastapi.Response:
    return fastapi.Response(json.dumps(body), media_type="application/json")
