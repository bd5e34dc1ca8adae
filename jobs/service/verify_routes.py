"""`POST /v1/verify`: verdicts of a batch of solutions."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import fastapi
import fastapi.openapi.utils

from jobs.service import http_errors
from jobs.service.gateway import Gateway, client_of
from jobs.service.schemas import VerifyRequest, VerifyResponse, body_schema, problems_of, read_body
from jobs.service.settings import Token
from jobs.service.verifying import Check


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
            raise http_errors.HttpProblem(413, "too-large", f"{len(body.items):,} items; at most {most:,} a request")
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
