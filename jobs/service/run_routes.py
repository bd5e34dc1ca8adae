"""`/v1/runs`: the routes over the keeper of the runs (runs.py), wherever it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import fastapi

from jobs.service import http_errors
from jobs.service.runs import RunBody, RunKeeper, RunRequest
from jobs.service.schemas import body_schema, read_body
from jobs.service.settings import Token

MAX_PAGE = 1000

Ask = Callable[..., Awaitable[Any]]
"""Calls a method of the keeper by name: `ask("status", owner, run_id)`. Raises HttpProblem."""


def ask_here(keeper: RunKeeper) -> Ask:
    """A keeper in this process; its methods block on storage."""

    async def ask(method: str, *arguments: Any) -> Any:
        return await asyncio.to_thread(getattr(keeper, method), *arguments)

    return ask


def run_routes(ask: Ask, admit: Any) -> fastapi.APIRouter:
    router = fastapi.APIRouter()
    errors = http_errors.responses(401, 404, 422, 429, 503)

    @router.post(
        "/v1/runs",
        status_code=202,
        response_model=RunBody,
        responses=http_errors.responses(400, 401, 403, 409, 413, 415, 422, 429, 501, 503),
        openapi_extra=body_schema(RunRequest),
    )
    async def start(request: fastapi.Request, client: Token = admit) -> RunBody:
        """Starts a batch run, or resumes the one of the same id and config."""
        body = await read_body(request, RunRequest)
        found: RunBody = await ask("start", client.name, body)
        return found

    @router.get("/v1/runs/{run_id}", responses=errors)
    async def status(run_id: str, client: Token = admit) -> RunBody:
        found: RunBody = await ask("status", client.name, run_id)
        return found

    @router.get("/v1/runs/{run_id}/problems", responses=errors)
    async def problems(
        run_id: str,
        offset: int = fastapi.Query(0, ge=0, le=2**31),
        limit: int = fastapi.Query(100, ge=1, le=MAX_PAGE),
        client: Token = admit,
    ) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = await ask("problems", client.name, run_id, offset, limit)
        return rows

    @router.get(
        "/v1/runs/{run_id}/report",
        response_class=fastapi.responses.HTMLResponse,
        responses=errors,
    )
    async def report(run_id: str, client: Token = admit) -> fastapi.Response:
        page: bytes = await ask("report", client.name, run_id)
        # The page holds what models wrote; nothing in it may run with this origin's rights.
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}
        return fastapi.responses.HTMLResponse(page, headers=headers)

    @router.delete("/v1/runs/{run_id}", status_code=202, responses=errors)
    async def stop(run_id: str, client: Token = admit) -> RunBody:
        """Stops a run in good order; its rows stay."""
        found: RunBody = await ask("stop", client.name, run_id)
        return found

    return router
