"""Errors of the HTTP interface as RFC 9457 problem details (`application/problem+json`).

Promises: every answer of 400 and above that the application gives has this form, with a stable `type`; it shows nothing
of the server's insides (paths, traces, settings); an unexpected fault gets an id that is also in the server's log.
Does not: shape what an ingress or Ray Serve's proxy answers by itself.
"""

from __future__ import annotations

import http
import json
import logging
import math
import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

import fastapi
import pydantic
import starlette.exceptions
from fastapi.exceptions import RequestValidationError

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:proofmill:problem:"
MAX_ERRORS = 20
"""Number of faults that an answer lists. A bad 10,000-item batch should not get an answer larger than itself."""
MAX_CHARS = 300
"""Longest pointer or detail, in characters. Both can hold a key that the client made up."""

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
        return body

    def response(self) -> fastapi.Response:
        return fastapi.Response(json.dumps(self.body()), self.status, self.headers, MEDIA_TYPE)


class ProblemDetails(pydantic.BaseModel):
    """The schema of the above, for OpenAPI."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, Any]] | None = None


def invalid(error: pydantic.ValidationError | RequestValidationError) -> HttpProblem:
    """422 with a JSON pointer to each fault. The client's values are not repeated."""
    faults = error.errors()
    listed = [
        {"pointer": pointer(fault["loc"]), "detail": str(fault["msg"])[:MAX_CHARS].encode(errors="replace").decode()}
        for fault in faults[:MAX_ERRORS]
    ]
    return HttpProblem(422, "invalid-request", f"{len(faults)} fault(s) in the request; see errors", errors=listed)


def pointer(location: Sequence[int | str]) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    return "".join("/" + part.encode(errors="replace").decode() for part in parts)[:MAX_CHARS]


def install(app: fastapi.FastAPI) -> None:
    """Makes every error of `app` a problem detail."""

    @app.exception_handler(HttpProblem)
    async def on_fault(request: fastapi.Request, error: HttpProblem) -> fastapi.Response:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: fastapi.Request, error: RequestValidationError) -> fastapi.Response:
        return invalid(error).response()

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
    documented = app.openapi()["paths"]
    found: set[str] = set()
    for template, operations in documented.items():
        pattern = re.sub(r"\\{[^/]+\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, request.url.path):
            found.update(method.upper() for method in operations)
    return found


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI entries for the errors a route may give."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        status: {"description": http.HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }
