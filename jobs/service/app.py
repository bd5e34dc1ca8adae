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
from collections.abc import AsyncIterator
from typing import Any

import fastapi
import fastapi.openapi.utils
import pydantic

from jobs.service import batch_routes, chat_schema, http_errors, solve_routes
from jobs.service.access import BodyLimit, Meter
from jobs.service.batches import BatchKeeper
from jobs.service.chat_routes import chat_routes
from jobs.service.draining import DrainGate
from jobs.service.gateway import Gateway, client_of
from jobs.service.run_routes import ask_here, run_routes
from jobs.service.runs import RunRequest
from jobs.service.schemas import (
    Health,
    VerifyRequest,
    add_schemas,
)
from jobs.service.verify_routes import verify_routes

VERSION = "1"
REPORT_S = 5.0
BODIES: list[type[pydantic.BaseModel]] = [
    VerifyRequest,
    RunRequest,
    *solve_routes.BODIES,
    *chat_schema.BODIES,
    *batch_routes.BODIES,
]


def build_app(gateway: Gateway) -> fastapi.FastAPI:
    """The ASGI application over `gateway`."""
    server = gateway.config.server
    app = fastapi.FastAPI(
        title="Proofmill",
        version=VERSION,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lambda app: background(gateway),
    )
    http_errors.install(app)
    app.add_middleware(
        BodyLimit,
        max_bytes=server.max_body_mb * 2**20,
        max_pending_bytes=int(server.max_pending_body_mb * 2**20 * gateway.share),
    )
    app.add_middleware(DrainGate, draining=gateway.draining)
    app.add_middleware(Meter, report=gateway.metrics.request)
    add_health(app, gateway)
    app.include_router(verify_routes(gateway))
    ask = gateway.runs or ask_here(BatchKeeper(gateway.config.runs))
    admit = client_of(gateway)
    known = [http_errors.known_parameters(admit)]
    app.include_router(run_routes(ask, admit), dependencies=known)
    app.include_router(batch_routes.batch_routes(ask, admit), dependencies=known)
    app.include_router(solve_routes.solve_routes(gateway, client_of(gateway)))
    app.include_router(chat_routes(gateway, client_of(gateway)))
    app.openapi = lambda: openapi(app)  # type: ignore[method-assign]
    return app


@contextlib.asynccontextmanager
async def background(gateway: Gateway) -> AsyncIterator[None]:
    """Sets the gauges at intervals: Ray drops a gauge that was not set for a while, and idle would look like dead.
    Follows what stops the gateway."""

    async def report() -> None:
        while True:
            gateway.metrics.pending(gateway.items.pending)
            gateway.metrics.sampling(gateway.samples.pending, gateway.samples.capacity)
            await asyncio.sleep(REPORT_S)

    tasks = [asyncio.ensure_future(report())]
    if gateway.follow is not None:
        tasks.append(asyncio.ensure_future(gateway.follow(gateway.draining)))
    try:
        yield
    finally:
        for task in tasks:
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


def add_health(app: fastapi.FastAPI, gateway: Gateway) -> None:
    @app.head("/healthz", operation_id="healthz_head")
    @app.get("/healthz")
    async def healthz() -> Health:
        """The gateway runs."""
        return Health(status="ok")

    @app.head("/readyz", operation_id="readyz_head", responses=http_errors.responses(503))
    @app.get("/readyz", responses=http_errors.responses(503))
    async def readyz() -> Health:
        """A verifier answers, and where the service solves an engine is loaded: work would be done."""
        if not await gateway.verifiers.ready():
            raise http_errors.HttpProblem(503, "not-ready", "no verifier answers yet", retry_after_s=2)
        if gateway.generators is not None and not await gateway.generators.ready():
            raise http_errors.HttpProblem(503, "not-ready", "no engine is loaded yet", retry_after_s=2)
        return Health(status="ok")
