"""The HTTP application: routes, and what they share.

    client ──HTTP──► gateway (this) ──chunks──► verifier replicas (jobs.service.deploy)
                        │                         └ a Checkers each, processes per check
                        ├──samples──► generator replicas
                        └──starts───► batch runs, each the same as `proofmill solve`

Promises: nothing is read or computed for a client that is not admitted (access); every queue is bounded: bodies and
items by admission (429), chunks of one request by a window (verifying). Answers keep the order of what was asked.
Does not: terminate TLS or compress; an ingress in front does.
Knows nothing of Ray: deploy.py hosts it in Ray Serve, tests in this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Annotated, Any

import fastapi
import fastapi.openapi.utils
import pydantic
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from jobs.service import http_errors, solve_routes
from jobs.service.access import Access, Admission, BodyLimit, Meter
from jobs.service.metrics import Metrics, NoMetrics
from jobs.service.run_routes import Ask, ask_here, run_routes
from jobs.service.runs import RunKeeper, RunRequest
from jobs.service.schemas import (
    Health,
    VerifyRequest,
    VerifyResponse,
    add_schemas,
    body_schema,
    problems_of,
    read_body,
)
from jobs.service.settings import ServiceConfig, Token
from jobs.service.solving import Generators
from jobs.service.verifying import Check, Checked, Verifiers, check_all
from verifiers.types import Problem

VERSION = "1"
REPORT_S = 5.0
BODIES: list[type[pydantic.BaseModel]] = [VerifyRequest, *solve_routes.BODIES, RunRequest]
BEARER = HTTPBearer(auto_error=False)
"""For the OpenAPI schema; Access reads the header."""


@dataclasses.dataclass(slots=True)
class Gateway:
    """What the routes share."""

    config: ServiceConfig
    verifiers: Verifiers
    known: Mapping[str, Problem] = dataclasses.field(default_factory=dict)
    metrics: Metrics = dataclasses.field(default_factory=NoMetrics)
    share: float = 1.0
    """This gateway's part of the configured rates and of the pending work: one over the number of gateways."""
    generators: Generators | None = None
    """None: the service only verifies."""
    model: str = ""
    runs: Ask | None = None
    """Calls the keeper of batch runs; None: one in this process."""
    access: Access = dataclasses.field(init=False)
    items: Admission = dataclasses.field(init=False)
    samples: Admission = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.access = Access(self.config.tokens, share=self.share)
        self.items = Admission(math.ceil(self.config.server.max_pending_items * self.share), "items")
        self.samples = Admission(math.ceil(self.config.solve.max_running * self.share), "samples")

    async def client(self, request: fastapi.Request) -> Token:
        """The authenticated client of a request, charged for one. Raises Fault 401 and 429."""
        client = self.access.authenticate(request.headers.get("authorization"))
        self.access.charge_request(client)
        return client

    async def checked(self, checks: list[Check]) -> AsyncGenerator[list[Checked], None]:
        """Verdicts in order, counted."""
        chunks = check_all(self.verifiers, checks, attempts=self.config.verify.attempts, on_lost=self.metrics.lost)
        kinds = (str(check.problem.kind) for check in checks)
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                # The chunk first: zip would else take one kind too many.
                pairs = zip(chunk, kinds, strict=False)
                self.metrics.verdicts([(kind, each.status, each.seconds) for each, kind in pairs])
                yield chunk


def build_app(gateway: Gateway) -> fastapi.FastAPI:
    """The ASGI application over `gateway`."""
    server = gateway.config.server
    app = fastapi.FastAPI(
        title="Proofmill",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lambda app: reporting(gateway),
    )
    http_errors.install(app)
    app.add_middleware(
        BodyLimit, max_bytes=server.max_body_mb * 2**20, max_pending_bytes=server.max_pending_body_mb * 2**20
    )
    app.add_middleware(Meter, report=gateway.metrics.request)
    add_health(app, gateway)
    app.include_router(verify_routes(gateway))
    app.include_router(run_routes(gateway.runs or ask_here(RunKeeper(gateway.config.runs)), client_of(gateway)))
    app.include_router(solve_routes.solve_routes(gateway, client_of(gateway)))
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]
    return app


@contextlib.asynccontextmanager
async def reporting(gateway: Gateway) -> AsyncIterator[None]:
    """Sets the gauges again and again: Ray forgets one that was not set for a while, and idle would look like gone."""

    async def report() -> None:
        while True:
            gateway.metrics.pending(gateway.items.pending)
            gateway.metrics.sampling(gateway.samples.pending, gateway.samples.capacity)
            await asyncio.sleep(REPORT_S)

    task = asyncio.create_task(report())
    try:
        yield
    finally:
        task.cancel()


def openapi(app: fastapi.FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1, with the bodies that routes read by themselves."""
    if not app.openapi_schema:
        schema = fastapi.openapi.utils.get_openapi(
            title=app.title,
            version=app.version,
            routes=app.routes,
            description="Checks and solves mathematics, code, Lean and multiple-choice problems.",
        )
        add_schemas(schema, *BODIES, http_errors.ProblemDetails)
        app.openapi_schema = schema
    return app.openapi_schema


def client_of(gateway: Gateway) -> Any:
    """The dependency that admits a request."""

    async def client(
        request: fastapi.Request, _: Annotated[HTTPAuthorizationCredentials | None, fastapi.Depends(BEARER)]
    ) -> Token:
        return await gateway.client(request)

    return fastapi.Depends(client)


def add_health(app: fastapi.FastAPI, gateway: Gateway) -> None:
    @app.get("/healthz")
    async def healthz() -> Health:
        """The gateway runs."""
        return Health(status="ok")

    @app.get("/readyz", responses=http_errors.responses(503))
    async def readyz() -> Health:
        """A verifier answers, so work would be done."""
        if not await gateway.verifiers.ready():
            raise http_errors.Fault(503, "not-ready", "no verifier answers yet", retry_after_s=2)
        return Health(status="ok")


def verify_routes(gateway: Gateway) -> fastapi.APIRouter:
    router = fastapi.APIRouter()
    admit = client_of(gateway)
    answers: dict[int | str, dict[str, Any]] = {
        200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}},
        **http_errors.responses(400, 401, 404, 413, 415, 422, 429),
    }

    @router.post(
        "/v1/verify", response_model=VerifyResponse, responses=answers, openapi_extra=body_schema(VerifyRequest)
    )
    async def verify(request: fastapi.Request, client: Token = admit) -> fastapi.Response:
        """Verdicts of a batch of solutions, in order. Safe to repeat."""
        body = await read_body(request, VerifyRequest)
        if len(body.items) > gateway.config.server.max_items:
            most = gateway.config.server.max_items
            raise http_errors.Fault(413, "too-large", f"{len(body.items):,} items; at most {most:,} a request")
        gateway.access.charge_items(client, len(body.items))
        limits = body.limits.capped(gateway.config.caps)
        problems = problems_of(body.items, gateway.known)
        items = zip(problems, body.items, strict=True)
        checks = [Check(problem, item.text, limits, item.finish_reason) for problem, item in items]

        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(gateway.items.enter(len(checks)))
            gateway.metrics.pending(gateway.items.pending)
            if body.stream:
                held = stack.pop_all()  # the stream leaves it when it ends
                return fastapi.responses.StreamingResponse(lines(held, checks), media_type="application/x-ndjson")
            verdicts = [checked.body async for chunk in gateway.checked(checks) for checked in chunk]
        gateway.metrics.pending(gateway.items.pending)
        return fastapi.Response('{"verdicts":[' + ",".join(verdicts) + "]}", media_type="application/json")

    async def lines(held: contextlib.AsyncExitStack, checks: list[Check]) -> AsyncIterator[str]:
        async with held:
            async for chunk in gateway.checked(checks):
                yield "".join(checked.body + "\n" for checked in chunk)
        gateway.metrics.pending(gateway.items.pending)

    return router
