"""`/v1/files` and `/v1/batches`, as OpenAI's clients use them."""

from __future__ import annotations

from typing import Any, Literal

import fastapi
import pydantic
import python_multipart  # noqa: F401  Starlette reads forms with it, and would miss it only when the first file comes.
import starlette.datastructures
import starlette.formparsers

from jobs.service import http_errors
from jobs.service.batches import BatchBody, BatchList, BatchRequest
from jobs.service.files import DeletedFile, FileBody, FileList
from jobs.service.run_routes import JSON_LINES, Ask
from jobs.service.schemas import body_schema, read_body
from jobs.service.settings import Token

UPLOAD = {
    "type": "object",
    "properties": {
        "purpose": {"type": "string", "enum": ["batch"]},
        "file": {"type": "string", "format": "binary", "description": "JSON lines, one request per line"},
    },
    "required": ["file", "purpose"],
}
BODIES: list[type[pydantic.BaseModel]] = [BatchRequest]
MAX_FIELDS = 10


def batch_routes(ask: Ask, admit: Any) -> fastapi.APIRouter:
    router = fastapi.APIRouter()
    router.include_router(file_routes(ask, admit))
    errors = http_errors.responses(401, 404, 422, 429, 501, 503)

    @router.post(
        "/v1/batches",
        response_model=BatchBody,
        responses=http_errors.responses(400, 401, 403, 409, 413, 415, 422, 429, 501, 503),
        openapi_extra=body_schema(BatchRequest),
    )
    async def create(request: fastapi.Request, client: Token = admit) -> BatchBody:
        """Starts a run that answers the lines of an uploaded file."""
        body = await read_body(request, BatchRequest)
        found: BatchBody = await ask("start_batch", client.name, body)
        return found

    @router.get("/v1/batches", responses=errors)
    async def batches(
        after: str = fastapi.Query("", max_length=100),
        limit: int = fastapi.Query(20, ge=1, le=100),
        client: Token = admit,
    ) -> BatchList:
        found: BatchList = await ask("list_batches", client.name, after, limit)
        return found

    @router.get("/v1/batches/{batch_id}", responses=errors)
    async def batch(batch_id: str, client: Token = admit) -> BatchBody:
        """The state of a batch. Where its process was killed, this resumes it."""
        found: BatchBody = await ask("batch", client.name, batch_id)
        return found

    @router.post("/v1/batches/{batch_id}/cancel", responses=errors)
    async def cancel(batch_id: str, client: Token = admit) -> BatchBody:
        """Stops a batch in good order. The lines that have an answer are its output."""
        found: BatchBody = await ask("cancel_batch", client.name, batch_id)
        return found

    return router


def file_routes(ask: Ask, admit: Any) -> fastapi.APIRouter:
    router = fastapi.APIRouter()
    errors = http_errors.responses(401, 404, 422, 429, 501, 503)

    @router.post(
        "/v1/files",
        response_model=FileBody,
        responses=http_errors.responses(400, 401, 413, 415, 422, 429, 501, 503),
        openapi_extra={"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": UPLOAD}}}},
    )
    async def upload(request: fastapi.Request, client: Token = admit) -> FileBody:
        """Stores a file for a batch."""
        name, content = await read_upload(request)
        found: FileBody = await ask("add_file", client.name, name, content)
        return found

    @router.get("/v1/files", responses=errors)
    async def files(
        after: str = fastapi.Query("", max_length=100),
        limit: int = fastapi.Query(100, ge=1, le=1000),
        purpose: Literal["batch"] = "batch",
        client: Token = admit,
    ) -> FileList:
        """The files that the client has uploaded. Results are named by their batches."""
        found: FileList = await ask("list_files", client.name, after, limit)
        return found

    @router.get("/v1/files/{file_id}", responses=errors)
    async def file(file_id: str, client: Token = admit) -> FileBody:
        found: FileBody = await ask("file", client.name, file_id)
        return found

    @router.get(
        "/v1/files/{file_id}/content",
        responses={**errors, 200: {"content": {JSON_LINES: {"schema": {"type": "string"}}}}},
    )
    async def content(file_id: str, client: Token = admit) -> fastapi.Response:
        data: bytes = await ask("file_content", client.name, file_id)
        return fastapi.Response(data, media_type=JSON_LINES)

    @router.delete("/v1/files/{file_id}", responses={**errors, **http_errors.responses(409)})
    async def delete(file_id: str, client: Token = admit) -> DeletedFile:
        found: DeletedFile = await ask("delete_file", client.name, file_id)
        return found

    return router


async def read_upload(request: fastapi.Request) -> tuple[str, bytes]:
    """(the client's name of the file, content) of a multipart form. Raises HttpProblem 400, 415 and 422."""
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise http_errors.HttpProblem(415, "unsupported-media-type", "send multipart/form-data")
    try:
        async with request.form(max_files=1, max_fields=MAX_FIELDS) as form:
            wrong = []
            if form.get("purpose") != "batch":
                wrong.append({"parameter": "purpose", "detail": "this service takes files for batches only: batch"})
            for name in form:
                if name not in ("purpose", "file"):
                    wrong.append({"parameter": http_errors.shown(name), "detail": "not known here"})
            file = form.get("file")
            if not isinstance(file, starlette.datastructures.UploadFile):
                wrong.append({"parameter": "file", "detail": "missing, or not sent as a file"})
            if wrong:
                raise http_errors.invalid(wrong)
            assert isinstance(file, starlette.datastructures.UploadFile)
            return file.filename or "", await file.read()
    except starlette.formparsers.MultiPartException as error:
        raise http_errors.HttpProblem(400, "bad-request", http_errors.shown(error.message)) from None
