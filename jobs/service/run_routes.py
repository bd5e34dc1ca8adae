"""`/v1/runs`: the routes over the keeper of the runs (runs.py), wherever it lives."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

import fastapi
import pydantic

from jobs.service import http_errors
from jobs.service.run_results import Filters, Page, to_jsonl, to_parquet
from jobs.service.runs import RunBody, RunKeeper, RunList, RunRequest
from jobs.service.schemas import body_schema, read_body
from jobs.service.settings import Token
from runstore.schema import SAMPLE_SCHEMA
from verifiers.reference_fields import MAX_ID_CHARS

MAX_PAGE = 1000
MAX_SAMPLES = 10_000
JSON_LINES = "application/x-ndjson"
PARQUET = "application/vnd.apache.parquet"

Ask = Callable[..., Awaitable[Any]]
"""Calls a method of the keeper by name: `ask("status", owner, run_id)`. Raises HttpProblem."""


def ask_here(keeper: RunKeeper) -> Ask:
    """A keeper in this process; its methods block on storage."""

    async def ask(method: str, *arguments: Any) -> Any:
        return await asyncio.to_thread(getattr(keeper, method), *arguments)

    return ask


class SampleQuery(pydantic.BaseModel):
    """Which rows of a run are wanted."""

    model_config = pydantic.ConfigDict(extra="forbid")

    status: Literal["", "verified", "refuted", "malformed", "undecided", "error", "unchecked"] = ""
    kind: Annotated[str, pydantic.Field(max_length=100)] = ""
    problem_id: Annotated[str, pydantic.Field(max_length=MAX_ID_CHARS)] = ""
    finish_reason: Annotated[str, pydantic.Field(max_length=100)] = ""
    columns: Annotated[str, pydantic.Field(max_length=2000)] = ""
    """Names with commas between them; empty = all."""
    format: Literal["jsonl", "parquet"] = "jsonl"
    limit: Annotated[int, pydantic.Field(ge=1, le=MAX_SAMPLES)] = 1000
    """Most rows of the page. It ends earlier where it grows large."""
    cursor: Annotated[str, pydantic.Field(max_length=16_384)] = ""


def columns_of(text: str) -> tuple[str, ...]:
    """Raises HttpProblem 422 for a name that is no column."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if unknown := [name for name in names if name not in SAMPLE_SCHEMA.names]:
        detail = http_errors.shown(f"no column {unknown[0]!r}; there are {', '.join(SAMPLE_SCHEMA.names)}")
        fault = {"parameter": "columns", "detail": detail}
        raise http_errors.HttpProblem(422, "invalid-request", "one fault in the request", errors=[fault])
    return names


def as_text(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI entry of an answer that is no JSON object."""
    return {200: {"content": {media_type: {"schema": {"type": "string"}} for media_type in media_types}}}


ERRORS = http_errors.responses(401, 404, 422, 429, 503)


def run_routes(ask: Ask, admit: Any) -> fastapi.APIRouter:
    """Starting, listing and stopping runs, and what they make."""
    router = fastapi.APIRouter()
    add_control_routes(router, ask, admit)
    add_product_routes(router, ask, admit)
    return router


def add_control_routes(router: fastapi.APIRouter, ask: Ask, admit: Any) -> None:
    """Starting, listing and stopping runs."""

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

    @router.get("/v1/runs", responses=http_errors.responses(401, 422, 429, 501, 503))
    async def runs(
        after: str = fastapi.Query("", max_length=200, description="id of the last run of the page before"),
        limit: int = fastapi.Query(20, ge=1, le=100),
        client: Token = admit,
    ) -> RunList:
        """The client's runs, by id."""
        found: RunList = await ask("list_runs", client.name, after, limit)
        return found

    @router.get("/v1/runs/{run_id}", responses=ERRORS)
    async def status(run_id: str, client: Token = admit) -> RunBody:
        """State, and what is durable so far."""
        found: RunBody = await ask("status", client.name, run_id)
        return found

    @router.delete("/v1/runs/{run_id}", status_code=202, responses=ERRORS)
    async def stop(run_id: str, client: Token = admit) -> RunBody:
        """Stops a run in good order; its rows stay."""
        found: RunBody = await ask("stop", client.name, run_id)
        return found


def add_product_routes(router: fastapi.APIRouter, ask: Ask, admit: Any) -> None:
    """What a run makes: problems, report, log and samples."""

    @router.get("/v1/runs/{run_id}/problems", responses=ERRORS)
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
        responses=ERRORS,
    )
    async def report(run_id: str, client: Token = admit) -> fastapi.Response:
        page: bytes = await ask("report", client.name, run_id)
        # The page holds what models wrote; nothing in it may run with this origin's rights.
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}
        return fastapi.responses.HTMLResponse(page, headers=headers)

    @router.get(
        "/v1/runs/{run_id}/log",
        response_class=fastapi.responses.PlainTextResponse,
        responses={**ERRORS, **as_text("text/plain")},
    )
    async def log(
        run_id: str, tail_bytes: int = fastapi.Query(65_536, ge=1, le=2**20), client: Token = admit
    ) -> fastapi.Response:
        """The end of what the run's process has written."""
        text: bytes = await ask("log", client.name, run_id, tail_bytes)
        return fastapi.Response(text, media_type="text/plain; charset=utf-8")

    @router.get("/v1/runs/{run_id}/samples", responses={**ERRORS, **as_text(JSON_LINES, PARQUET)})
    async def samples(
        run_id: str,
        filters: Annotated[SampleQuery, fastapi.Query()],
        client: Token = admit,
    ) -> fastapi.Response:
        """A page of the run's rows as they are stored, while it runs too. The header `Proofmill-Cursor` is the `cursor`
        of the next page, and `Proofmill-More` says whether rows are known to follow."""
        wanted = Filters(
            filters.status, filters.kind, filters.problem_id, filters.finish_reason, columns_of(filters.columns)
        )
        page: Page = await ask("samples", client.name, run_id, wanted, filters.cursor, filters.limit)
        is_parquet = filters.format == "parquet"
        content = await asyncio.to_thread(to_parquet if is_parquet else to_jsonl, page.rows)
        headers = {"Proofmill-Cursor": page.cursor, "Proofmill-More": "true" if page.has_more else "false"}
        return fastapi.Response(content, headers=headers, media_type=PARQUET if is_parquet else JSON_LINES)
