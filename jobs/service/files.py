"""Files that clients upload for batches (OpenAI's Files API).

    <output>/service/files/<owner>/<id>.json     what the client is shown
    <output>/service/files/<owner>/<id>.jsonl    the content

Promises: ids and places are the service's own; a client's file name is shown to it again and used for nothing. A client
sees its own files only. Number and size of an owner's files are bounded.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from typing import Literal

import pydantic

from jobs.service.http_errors import HttpProblem
from jobs.service.paging import ListPage, page_of
from runstore.storage import Storage

FOLDER = "service/files/"
FILE_ID = re.compile(r"file-[0-9a-f]{24}")
MAX_FILES = 1000
MAX_NAME_CHARS = 200


class FileBody(pydantic.BaseModel):
    """OpenAI's file object."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: Literal["batch", "batch_output"]
    status: Literal["processed"] = "processed"


class FileList(ListPage[FileBody]):
    """A page of uploaded files."""


class DeletedFile(pydantic.BaseModel):
    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


def no_file() -> HttpProblem:
    return HttpProblem(404, "unknown-file", "no file of this id")


class FileStore:
    """The uploaded files below one output. Methods raise HttpProblem and StorageError."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def add(self, owner: str, filename: str, content: bytes) -> FileBody:
        if len(self._ids(owner)) >= MAX_FILES:
            raise HttpProblem(413, "too-many-files", f"{MAX_FILES:,} files are stored; delete some")
        shown_name = "".join(letter for letter in filename if letter.isprintable())[:MAX_NAME_CHARS]
        body = FileBody(
            id=f"file-{secrets.token_hex(12)}",
            bytes=len(content),
            created_at=int(time.time()),
            filename=shown_name or "file.jsonl",
            purpose="batch",
        )
        self._storage.replace(f"{FOLDER}{owner}/{body.id}.jsonl", content)
        self._storage.replace(f"{FOLDER}{owner}/{body.id}.json", body.model_dump_json().encode())
        return body

    def get(self, owner: str, file_id: str) -> FileBody:
        return FileBody.model_validate(json.loads(self._read(owner, file_id, "json")))

    def content(self, owner: str, file_id: str) -> bytes:
        return self._read(owner, file_id, "jsonl")

    def delete(self, owner: str, file_id: str) -> DeletedFile:
        self.get(owner, file_id)
        for suffix in ("json", "jsonl"):
            self._storage.delete(f"{FOLDER}{owner}/{file_id}.{suffix}")
        return DeletedFile(id=file_id)

    def page(self, owner: str, after: str, limit: int) -> FileList:
        return page_of(FileList, self._ids(owner), after, limit, lambda file_id: self.get(owner, file_id))

    def _ids(self, owner: str) -> list[str]:
        prefix = f"{FOLDER}{owner}/"
        names = [key.removeprefix(prefix) for key in self._storage.keys(prefix)]
        return sorted(name.removesuffix(".json") for name in names if name.endswith(".json"))

    def _read(self, owner: str, file_id: str, suffix: str) -> bytes:
        if not FILE_ID.fullmatch(file_id):
            raise no_file()
        data = self._storage.read(f"{FOLDER}{owner}/{file_id}.{suffix}")
        if data is None:
            raise no_file()
        return data
