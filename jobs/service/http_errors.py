"""Errors of the HTTP interface as RFC 9457 problem details (`application/problem+json`).

Promises: every answer of 400 and above that the application gives has this form, with a stable `type`, and a member
`error` as OpenAI's clients read it, whose message holds the reasons; it shows nothing of the server's insides (paths,
traces, settings); an unexpected fault gets an id that is also in the server's log. Pointers (request_faults) name
places of the client's own body.
Does not: shape what an ingress or Ray Serve's proxy answers by itself.
"""

from __future__ import annotations

import http
import json
import logging
import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import fastapi
import pydantic
import starlette.exceptions
import starlette.routing
from fastapi.exceptions import RequestValidationError

from jobs.service.request_faults import place_faults, pointer

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:proofmill:problem:"
MAX_ERRORS = 20
"""Number of faults that an answer lists. A bad 10,000-item batch should not get an answer larger than itself."""
MAX_CHARS = 300
"""Longest detail, in characters."""
MAX_IN_MESSAGE = 3
"""Number of faults that the message for OpenAI's clients repeats; they show their user nothing else."""
OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
"""OpenAI's names of kinds of errors by status. Other statuses below 500 are `invalid_request_error`."""

log = logging.getLogger("proofmill.service")


class HttpProblem(Exception):
    """An error with a type; becomes the response."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        retry_after_s: float | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, kind, detail)
        self.status, self.kind, self.detail, self.errors = status, kind, detail, errors
        self.headers = dict(headers or {})
        if retry_after_s is not None:
            self.headers["Retry-After"] = str(max(1, math.ceil(retry_after_s)))

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "type": TYPE_PREFIX + self.kind,
            "title": http.HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = list(self.errors)[:MAX_ERRORS]
        return {**body, "error": self.for_openai()}

    def for_openai(self) -> dict[str, Any]:
        """The member `error`, which is all that OpenAI's clients put into their exceptions."""
        reasons = [f"{place_of(each)}: {each.get('detail', '')}" for each in self.errors]
        more = [f"and {len(reasons) - MAX_IN_MESSAGE} more"] if len(reasons) > MAX_IN_MESSAGE else []
        other = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "message": "; ".join([self.detail, *reasons[:MAX_IN_MESSAGE], *more]),
            "type": OPENAI_TYPES.get(self.status, other),
            "code": self.kind,
            "param": parameter_name(self.errors[0]) if self.errors else None,
        }

    def response(self) -> fastapi.Response:
        return fastapi.Response(json.dumps(self.body()), self.status, self.headers, MEDIA_TYPE)


def place_of(fault: Mapping[str, Any]) -> str:
    """Where a fault is, in words."""
    line = f"line {fault['line']}" if "line" in fault else ""
    place = fault.get("pointer") or fault.get("parameter") or ""
    return ", ".join(filter(None, [line, place])) or "body"


def parameter_name(fault: Mapping[str, Any]) -> str | None:
    """OpenAI's `param`: `messages[0].content` for the pointer `/messages/0/content`."""
    if "pointer" not in fault or "line" in fault:
        return fault.get("parameter")
    name = ""
    for part in str(fault["pointer"]).split("/")[1:]:
        name += f"[{part}]" if part.isdigit() else f".{part}"
    return name.removeprefix(".").replace("~1", "/").replace("~0", "~") or None


class OpenAIError(pydantic.BaseModel):
    message: str
    type: str
    code: str
    param: str | None


class ProblemDetails(pydantic.BaseModel):
    """The schema of the above, for OpenAPI."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None
    error: OpenAIError


def invalid(faults: Sequence[Mapping[str, Any]]) -> HttpProblem:
    """422 for faults that have a pointer, or the name of a parameter, and a detail."""
    number = "one fault" if len(faults) == 1 else f"{len(faults):,} faults"
    return HttpProblem(422, "invalid-request", f"{number} in the request", errors=faults)


def invalid_body(error: pydantic.ValidationError, body: bytes) -> HttpProblem:
    """422 with a JSON pointer into `body` for each fault. The client's values are not repeated."""
    faults = place_faults(error.errors(include_url=False, include_context=False), body)
    return invalid([{"pointer": pointer(place), "detail": shown(message)} for place, message in faults])


def invalid_parameters(error: RequestValidationError) -> HttpProblem:
    """422 for parameters of the path or the query, which no pointer into the body can name."""
    return invalid(
        [{"parameter": shown(str(each["loc"][-1])), "detail": shown(each["msg"])} for each in error.errors()]
    )


def known_parameters(admit: Any) -> Any:
    """A dependency of routers whose routes take parameters of the query: 422 for one that the route does not know, once
    the client is admitted. So a misspelt `limit` is not silently ignored."""

    async def check(request: fastapi.Request, client: Any = admit) -> None:
        known = []
        for field in request.scope["route"].dependant.query_params:
            kind = field.field_info.annotation
            is_model = isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)
            known += list(kind.model_fields) if is_model else [field.alias]
        detail = f"not known here; known: {', '.join(known) or 'none'}"
        if unknown := [name for name in request.query_params if name not in known]:
            raise invalid([{"parameter": shown(name), "detail": detail} for name in unknown])

    return fastapi.Depends(check)


def shown(text: str) -> str:
    """A text that may hold what the client sent, bounded, and without broken Unicode."""
    return text[:MAX_CHARS].encode(errors="replace").decode()


def install(app: fastapi.FastAPI) -> None:
    """Makes every error of `app` a problem detail."""

    @app.exception_handler(HttpProblem)
    async def on_fault(request: fastapi.Request, error: HttpProblem) -> fastapi.Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: fastapi.Request, error: RequestValidationError) -> fastapi.Response:
        return invalid_parameters(error).response()

    @app.exception_handler(starlette.exceptions.HTTPException)
    async def on_http(request: fastapi.Request, error: starlette.exceptions.HTTPException) -> fastapi.Response:
        kind = http.HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(methods_at(app, request)))
        return HttpProblem(error.status_code, kind, str(error.detail), headers=headers).response()

    @app.exception_handler(Exception)
    async def on_unexpected(request: fastapi.Request, error: Exception) -> fastapi.Response:
        incident = uuid.uuid4().hex[:12]
        log.error("incident %s: %s %s", incident, request.method, request.url.path, exc_info=error)
        return HttpProblem(500, "internal", f"an unexpected fault, logged as incident {incident}").response()


def methods_at(app: fastapi.FastAPI, request: fastapi.Request) -> set[str]:
    """Every method of the request's path; Starlette's own 405 names those of the first route that fits only."""
    found: set[str] = set()
    for route in app.routes:
        if isinstance(route, starlette.routing.Route):
            match, _ = route.matches(request.scope)
            if match is not starlette.routing.Match.NONE:
                found.update(route.methods or ())
    return found


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the errors a route may give."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {"description": http.HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }
