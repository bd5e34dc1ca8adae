"""Batches by OpenAI's API: a file of chat requests becomes a run, and its samples become files again.

    POST /v1/files ──► files.py ──► POST /v1/batches ──► batch_lines.py ──► a run (runs.py) ──► batch_output.py

Promises: all that runs promise: durable from the first sample on, resumable, seen by its owner only. A batch whose
process was killed is resumed when its owner asks for it, MAX_STARTS times at most. A line without a problem is answered
and not checked. A batch ends after its completion window.
Does not: queue. Beyond `runs.max_running` the answer is 429, and OpenAI's client tries again.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic

from jobs.config import Prompt, SolveConfig, check_config
from jobs.service.batch_lines import BatchPlan, line_of, read_batch
from jobs.service.batch_output import Asked, BatchFiles, build_files
from jobs.service.files import DeletedFile, FileBody, FileList, FileStore, no_file
from jobs.service.http_errors import HttpProblem, invalid
from jobs.service.paging import ListPage, page_of
from jobs.service.run_results import ResultKeeper
from jobs.service.runs import RunBody, run_storage
from jobs.service.schemas import Model
from jobs.service.settings import Runs
from jobs.service.unchecked import PLUGIN
from runstore.layout import (
    BATCH_ERRORS,
    BATCH_OUTPUT,
    REQUEST,
    REQUEST_BATCH,
    REQUEST_CANCELLED,
    REQUEST_PROBLEMS,
)
from runstore.reader import read_run_json
from runstore.storage import Storage, open_storage
from verifiers.types import Json

BATCH_ID = re.compile(r"batch_([0-9a-f]{24})")
RESULT_ID = re.compile(r"file-([0-9a-f]{24})-(output|errors)")
WINDOWS = {"24h": 24 * 3600.0}
MAX_STARTS = 3
"""Starts of one batch, over which it counts as failed: something about it kills its process."""
Status = Literal["in_progress", "cancelling", "cancelled", "completed", "failed"]


class BatchRequest(Model):
    """OpenAI's request for a batch."""

    input_file_id: Annotated[str, pydantic.Field(max_length=100)]
    endpoint: Literal["/v1/chat/completions"]
    completion_window: Literal["24h"]
    metadata: dict[str, str] | None = None


class BatchError(pydantic.BaseModel):
    code: str
    message: str
    line: int | None = None
    param: str | None = None


class BatchErrors(pydantic.BaseModel):
    object: Literal["list"] = "list"
    data: list[BatchError]


class RequestCounts(pydantic.BaseModel):
    total: int
    completed: int
    failed: int


class BatchBody(pydantic.BaseModel):
    """OpenAI's batch object. `run_id` names the run, which `/v1/runs` shows too."""

    id: str
    object: Literal["batch"] = "batch"
    endpoint: str
    errors: BatchErrors | None = None
    input_file_id: str
    completion_window: str
    status: Status
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: int
    in_progress_at: int
    expires_at: int
    completed_at: int | None = None
    failed_at: int | None = None
    cancelled_at: int | None = None
    request_counts: RequestCounts
    metadata: dict[str, str] | None = None
    model: str
    run_id: str


class BatchList(ListPage[BatchBody]):
    """A page of batches."""


class BatchRecord(pydantic.BaseModel):
    """What is stored beside a run that is a batch."""

    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None
    created_at: int
    is_checked: bool
    seed: int
    num_lines: int


class BatchKeeper(ResultKeeper):
    """The keeper of runs, with batches and their files."""

    def __init__(self, settings: Runs, ray_address: str = "") -> None:
        super().__init__(settings, ray_address)
        self._counts: dict[str, tuple[int, int]] = {}
        """Lines with and without an answer, of batches that have ended."""

    def files(self) -> FileStore:
        self.require_runs()
        return FileStore(open_storage(self.settings.output_uri))

    def add_file(self, owner: str, filename: str, content: bytes) -> FileBody:
        return self.files().add(owner, filename, content)

    def file(self, owner: str, file_id: str) -> FileBody:
        if not (match := RESULT_ID.fullmatch(file_id)):
            return self.files().get(owner, file_id)
        batch_id = f"batch_{match[1]}"
        content = self.result(owner, batch_id, match[2])
        record = self.record(run_storage(self.settings.output_uri, self.owned(owner, batch_id)))
        return FileBody(
            id=file_id,
            bytes=len(content),
            created_at=record.created_at,
            filename=f"{batch_id}_{match[2]}.jsonl",
            purpose="batch_output",
        )

    def file_content(self, owner: str, file_id: str) -> bytes:
        if match := RESULT_ID.fullmatch(file_id):
            return self.result(owner, f"batch_{match[1]}", match[2])
        return self.files().content(owner, file_id)

    def list_files(self, owner: str, after: str, limit: int) -> FileList:
        return self.files().page(owner, after, limit)

    def delete_file(self, owner: str, file_id: str) -> DeletedFile:
        if RESULT_ID.fullmatch(file_id):
            self.file(owner, file_id)  # 404 for those of others
            raise HttpProblem(409, "in-use", "the results of a batch stay as long as its run")
        return self.files().delete(owner, file_id)

    def start_batch(self, owner: str, request: BatchRequest) -> BatchBody:
        """Starts a run for the lines of an uploaded file."""
        try:
            content = self.files().content(owner, request.input_file_id)
        except HttpProblem as missing:
            if missing.status != 404:
                raise
            raise invalid([{"pointer": "/input_file_id", "detail": "no file of this id"}]) from None
        plan = read_batch(content, self.settings.max_inline_problems)
        batch_id = f"batch_{secrets.token_hex(12)}"
        config = self.config_of(owner, batch_id, plan, WINDOWS[request.completion_window])
        record = BatchRecord(
            **dict(request),
            created_at=int(time.time()),
            is_checked=plan.is_checked,
            seed=plan.seed,
            num_lines=len(plan.problems),
        )
        lines = [line_of(problem) for problem in plan.problems]
        self.begin(owner, config, lines, {REQUEST_BATCH: record.model_dump_json().encode()})
        return self.batch(owner, batch_id)

    def config_of(self, owner: str, batch_id: str, plan: BatchPlan, window_s: float) -> SolveConfig:
        """The run's config. What a batch may set is less than what any run may set."""
        sections: dict[str, dict[str, Any]] = {
            "run": {"id": batch_id, "seed": plan.seed},
            "sampling": plan.sampling,
            "budget": {"wall_s": window_s},
        }
        if not self.has_model():
            sections["model"] = {"path": plan.model}
        if not plan.is_checked:
            sections["problems"] = {"unchecked": "accept"}
        config = self.checked_config(owner, sections, len(plan.problems))
        if plan.is_checked:
            return config
        # Nothing is added to a chat. Its kind is known to the run's processes only, and to no request of a client.
        return config.model_copy(update={"prompt": Prompt(), "plugins": [*config.plugins, PLUGIN]})

    def batch(self, owner: str, batch_id: str) -> BatchBody:
        """The state of a batch. Resumes it where its process was killed."""
        full = self.owned_batch(owner, batch_id)
        run = self.describe(full)
        if run.state == "stopped" and self.may_resume(full):
            run = self.resume(full) or run
        return self.shown(batch_id, run)

    def list_batches(self, owner: str, after: str, limit: int) -> BatchList:
        self.require_runs()
        ids = [key for key in self.run_ids(owner) if BATCH_ID.fullmatch(key)]
        return page_of(BatchList, ids, after, limit, lambda key: self.shown(key, self.describe(f"{owner}.{key}")))

    def cancel_batch(self, owner: str, batch_id: str) -> BatchBody:
        full = self.owned_batch(owner, batch_id)
        if self.describe(full).state in ("running", "stopped"):
            storage = run_storage(self.settings.output_uri, full)
            storage.create(REQUEST_CANCELLED, json.dumps({"at": int(time.time())}).encode())
            self.stop(owner, batch_id)
        return self.shown(batch_id, self.describe(full))

    def owned_batch(self, owner: str, batch_id: str) -> str:
        """The full id of the run. Raises HttpProblem 404."""
        self.require_runs()
        if not BATCH_ID.fullmatch(batch_id):
            raise HttpProblem(404, "unknown-batch", "no batch of this id")
        return self.owned(owner, batch_id)

    def may_resume(self, full: str) -> bool:
        storage = run_storage(self.settings.output_uri, full)
        starts = len((read_run_json(storage) or {}).get("starts", []))
        return storage.read(REQUEST_CANCELLED) is None and starts < MAX_STARTS

    def resume(self, full: str) -> RunBody | None:
        """Starts the stored request again; None where it has to wait for another run."""
        storage = run_storage(self.settings.output_uri, full)
        stored = json.loads(storage.read(REQUEST) or b"{}")
        try:
            return self.begin(stored["owner"], stored_config(stored), ())
        except HttpProblem as busy:
            if busy.kind not in ("busy", "already-running"):
                raise
            return None

    def shown(self, batch_id: str, run: RunBody) -> BatchBody:
        """The batch of a run, as OpenAI's clients know it."""
        storage = run_storage(self.settings.output_uri, run.id)
        record = self.record(storage)
        cancelled = storage.read(REQUEST_CANCELLED) is not None
        status = self.status_of(run, cancelled)
        hex_digits = batch_id.removeprefix("batch_")
        has_ended = status in ("completed", "cancelled", "failed")
        done, failed = self.counts(storage, run, record) if has_ended else self.counts_so_far(run.id, record)
        return BatchBody(
            id=batch_id,
            endpoint=record.endpoint,
            errors=errors_of(run, status),
            input_file_id=record.input_file_id,
            completion_window=record.completion_window,
            status=status,
            output_file_id=f"file-{hex_digits}-output" if has_ended and done else None,
            error_file_id=f"file-{hex_digits}-errors" if has_ended and failed else None,
            created_at=record.created_at,
            in_progress_at=record.created_at,
            expires_at=record.created_at + int(WINDOWS[record.completion_window]),
            request_counts=RequestCounts(total=record.num_lines, completed=done, failed=failed),
            metadata=record.metadata,
            model=self.model_of(storage),
            run_id=run.id,
            completed_at=run.ended_at if status == "completed" else None,
            failed_at=run.ended_at if status == "failed" else None,
            cancelled_at=run.ended_at if status == "cancelled" else None,
        )

    def status_of(self, run: RunBody, cancelled: bool) -> Status:
        if run.state == "running":
            return "cancelling" if cancelled else "in_progress"
        if run.state == "complete":
            return "completed"
        if run.state == "stopped":
            return "cancelled" if cancelled else "in_progress" if self.may_resume(run.id) else "failed"
        return "failed"

    def counts_so_far(self, full: str, record: BatchRecord) -> tuple[int, int]:
        """Lines that have an answer, and 0: what failed is known at the end."""
        progress = self.progress(full)
        return min(progress.solved if record.is_checked else progress.problems_begun, record.num_lines), 0

    def counts(self, storage: Storage, run: RunBody, record: BatchRecord) -> tuple[int, int]:
        """Lines with and without an answer, of a batch that has ended."""
        if run.id not in self._counts:
            files = self.build(storage, run, record)
            self._counts[run.id] = files.num_answered, files.num_failed
        return self._counts[run.id]

    def result(self, owner: str, batch_id: str, which: str) -> bytes:
        """The file of answers or that of errors. Raises HttpProblem 404."""
        full = self.owned_batch(owner, batch_id)
        run = self.describe(full)
        storage = run_storage(self.settings.output_uri, full)
        cancelled = storage.read(REQUEST_CANCELLED) is not None
        if self.status_of(run, cancelled) in ("in_progress", "cancelling"):
            raise no_file()
        key = BATCH_OUTPUT if which == "output" else BATCH_ERRORS
        data = storage.read(key)
        if data is None:
            files = self.build(storage, run, self.record(storage))
            data = files.output if which == "output" else files.errors
            if run.state == "complete" or cancelled:  # else a later start may add answers
                storage.replace(key, data)
        if not data:
            raise no_file()
        return data

    def build(self, storage: Storage, run: RunBody, record: BatchRecord) -> BatchFiles:
        lines = (storage.read(REQUEST_PROBLEMS) or b"").splitlines()
        ids = [json.loads(line)["id"] for line in lines]
        batch_id = run.id.rpartition(".")[2]
        asked = Asked(batch_id, record.created_at, record.is_checked, record.seed, self.model_of(storage))
        return build_files(storage, ids, asked)

    @staticmethod
    def record(storage: Storage) -> BatchRecord:
        return BatchRecord.model_validate_json(storage.read(REQUEST_BATCH) or b"{}")

    @staticmethod
    def model_of(storage: Storage) -> str:
        """The model of a batch, or the way that most of its problems take through several."""
        config = stored_config(json.loads(storage.read(REQUEST) or b"{}"))
        return config.route_table()[0].name if config.models else config.model.path


def stored_config(request: Mapping[str, Json]) -> SolveConfig:
    """The config of a stored request. The plugin of chats without a problem is not loaded here, since a client could
    then name its kind in any request."""
    names = request["config"].get("plugins", [])
    table = {**request["config"], "plugins": [name for name in names if name != PLUGIN]}
    return check_config(table, "config").model_copy(update={"plugins": names})


def errors_of(run: RunBody, status: Status) -> BatchErrors | None:
    if status != "failed":
        return None
    message = run.error or f"the run's process was killed {MAX_STARTS} times"
    return BatchErrors(data=[BatchError(code="run-failed", message=message)])
