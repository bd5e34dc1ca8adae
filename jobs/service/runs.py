"""Batch runs by API: `POST /v1/runs` and what follows from it. Each is the same as `proofmill solve` with that config.

Promises: the resolved config, the problems and the owner of a run are stored before it starts, beside its output; a run
is a process of its own, so a gateway that dies takes no run's rows with it, and the same request again (same `run.id`)
resumes. A client sees and stops its own runs only. What a client can choose is `CLIENT_KEYS`; every path passes
`confinement`, the output is the service's, and no code, address or engine argument comes from a client.
Does not: queue; beyond `runs.max_running` the answer is 429.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import fastapi
import pyarrow.parquet as pq
import pydantic

from jobs.config import ConfigError, SolveConfig, check_config
from jobs.package import CODE_ROOT
from jobs.problems.faults import BadRow
from jobs.service import faults
from jobs.service.confinement import confined
from jobs.service.schemas import Model, ProblemBody, bad_row, body_schema, read_body
from jobs.service.settings import Runs, Token
from verifiers.types import Json
from workers.storage import Storage, StorageError, open_storage

CLIENT_KEYS: dict[str, tuple[str, ...] | None] = {
    "run": ("id", "seed"),
    "problems": ("files", "layout", "columns", "kind", "limit", "skip_bad"),
    "model": ("path", "revision", "dtype", "max_model_len"),
    "prompt": None,
    "sampling": None,
    "budget": None,
}
"""Sections and keys of a run's config that clients may set; None: all of the section."""
MAX_PAGE = 1000


class RunRequest(Model):
    config: dict[str, dict[str, Any]]
    """Sections of a `proofmill solve` config: run, problems, model, prompt, sampling, budget."""
    problems: list[ProblemBody] = pydantic.Field(default_factory=list)
    """Inline problems, in the place of `config.problems`."""


class RunBody(pydantic.BaseModel):
    id: str
    state: Literal["running", "complete", "stopped"]
    output: str
    summary: dict[str, Any] | None = None


class RunKeeper:
    """The runs of this service. One gateway keeps them; with more, a run is seen by all and stopped by its own."""

    def __init__(self, settings: Runs, ray_address: str = "") -> None:
        self.settings = settings
        self.ray_address = ray_address
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, owner: str, request: RunRequest) -> RunBody:
        """Raises Fault."""
        if not self.settings.output_uri:
            raise faults.Fault(501, "no-runs", "batch runs are switched off: [runs] output_uri is not set")
        config = self.checked_config(owner, request)
        storage = self.storage(config.run.id)
        if config.run.id in self.running():
            raise faults.Fault(409, "already-running", "this run is under way")
        if len(self.running()) >= self.settings.max_running:
            raise faults.Fault(429, "busy", "as many runs as allowed are under way", retry_after_s=60)
        self.write(storage, owner, config, request)
        self._processes[config.run.id] = launch(config)
        return self.describe(config.run.id)

    def checked_config(self, owner: str, request: RunRequest) -> SolveConfig:
        """The whole config of the run. Raises Fault 403 and 422."""
        table: dict[str, Any] = {}
        wrong = []
        for section, values in request.config.items():
            if section not in CLIENT_KEYS:
                wrong.append({"pointer": faults.pointer(["config", section]), "detail": "not for clients to set"})
                continue
            allowed = CLIENT_KEYS[section]
            for key in values:
                if allowed is not None and key not in allowed:
                    place = faults.pointer(["config", section, key])
                    wrong.append({"pointer": place, "detail": "not for clients to set"})
            table[section] = dict(values)
        if wrong:
            raise faults.Fault(422, "invalid-request", "the config can not be used; see errors", errors=wrong)
        run_id = str(table.get("run", {}).get("id", ""))
        # The owner's name is a part of the id, so that no client can name another one's run.
        table.setdefault("run", {})["id"] = f"{owner}.{run_id}" if run_id else ""
        for section, values in self.settings.template.items():
            merged = {**table.get(section, {}), **values} if isinstance(values, dict) else values
            table[section] = merged
        table["output"] = {"uri": self.settings.output_uri}
        table["ray"] = {**table.get("ray", {}), **({"address": self.ray_address} if self.ray_address else {})}
        problems = table.setdefault("problems", {})
        if request.problems:
            if len(request.problems) > self.settings.max_inline_problems:
                raise faults.Fault(413, "too-large", f"at most {self.settings.max_inline_problems:,} inline problems")
            problems["files"] = [f"{self.storage(table['run']['id'] or '-').uri}/request/problems.jsonl"]
            problems["layout"] = "canonical"
        try:
            config = check_config(table, "config")
        except ConfigError as error:
            raise faults.Fault(422, "invalid-request", str(error)[:2000]) from None
        roots = self.settings.roots
        files = config.problems.files if request.problems else [confined(name, roots) for name in config.problems.files]
        fixed = "path" in self.settings.template.get("model", {})
        model = config.model.path if fixed else confined(config.model.path, roots)
        return config.model_copy(
            update={
                "problems": config.problems.model_copy(update={"files": files}),
                "model": config.model.model_copy(update={"path": model}),
            }
        )

    def write(self, storage: Storage, owner: str, config: SolveConfig, request: RunRequest) -> None:
        """Raises Fault 409 where the id belongs to another request, and 422 for problems that can not be used."""
        lines = []
        for index, body in enumerate(request.problems):
            try:
                lines.append(json.dumps(body.problem().to_json()))
            except BadRow as error:
                listed = [bad_row(error, f"/problems/{index}")]
                raise faults.Fault(422, "invalid-request", "a problem can not be used", errors=listed) from None
        same = storage.create("request/problems.jsonl", ("\n".join(lines) + "\n").encode()) if lines else True
        record = {"owner": owner, "config": config.resolved()}
        if not storage.create("request/request.json", json.dumps(record, sort_keys=True).encode()) or not same:
            raise faults.Fault(409, "id-taken", "a run of this id exists with another config; choose another run.id")

    def owned(self, owner: str, run_id: str) -> str:
        """The full id. Raises Fault 404 for unknown runs and for those of others alike."""
        full = run_id if run_id.startswith(f"{owner}.") else f"{owner}.{run_id}"
        missing = faults.Fault(404, "unknown-run", "no run of this id")
        if not self.settings.output_uri or "/" in full or ".." in full or len(full) > 200:
            raise missing
        try:
            data = self.storage(full).read("request/request.json")
        except (StorageError, ValueError):
            raise missing from None
        if data is None or json.loads(data)["owner"] != owner:
            raise missing
        return full

    def describe(self, run_id: str) -> RunBody:
        storage = self.storage(run_id)
        record = json.loads(storage.read("run.json") or b"{}")
        state: Literal["running", "complete", "stopped"] = "stopped"
        if run_id in self.running():
            state = "running"
        elif record.get("complete"):
            state = "complete"
        return RunBody(id=run_id, state=state, output=storage.uri, summary=record.get("summary"))

    def problems(self, run_id: str, offset: int, limit: int) -> list[dict[str, Json]]:
        """Rows of the run's problems table. Raises Fault 404 before it is written."""
        data = self.storage(run_id).read("problems.parquet")
        if data is None:
            raise faults.Fault(404, "not-yet", "the run has not written its problems table yet")
        import pyarrow as pa

        rows: list[dict[str, Json]] = pq.read_table(pa.BufferReader(data)).slice(offset, limit).to_pylist()
        return rows

    def report(self, run_id: str) -> bytes:
        data = self.storage(run_id).read("report.html")
        if data is None:
            raise faults.Fault(404, "not-yet", "the run has not written its report yet")
        return data

    def stop(self, run_id: str) -> None:
        """Interrupts it; finished samples are kept, the same request resumes."""
        if process := self._processes.get(run_id):
            process.send_signal(signal.SIGINT)

    def running(self) -> set[str]:
        return {run_id for run_id, process in self._processes.items() if process.poll() is None}

    def storage(self, run_id: str) -> Storage:
        return open_storage(f"{self.settings.output_uri.rstrip('/')}/runs/{run_id}")


def launch(config: SolveConfig) -> subprocess.Popen[bytes]:
    """`proofmill solve` in a process of its own; its log goes beside other temporary files."""
    folder = Path(tempfile.mkdtemp(prefix="proofmill-run-"))
    (folder / "config.json").write_text(json.dumps(config.resolved()))
    code = "import json, sys; from jobs.config import check_config; from jobs.solve import solve;"
    code += "sys.exit(solve(check_config(json.load(open(sys.argv[1])), 'config')))"
    environment = {**os.environ, "PYTHONPATH": str(CODE_ROOT)}
    with (folder / "solve.log").open("wb") as log:
        words = [sys.executable, "-c", code, str(folder / "config.json")]
        return subprocess.Popen(words, stdout=log, stderr=log, cwd=Path.cwd(), env=environment, start_new_session=True)


def run_routes(keeper: RunKeeper, admit: Any) -> fastapi.APIRouter:
    router = fastapi.APIRouter()
    errors = faults.responses(401, 404, 422, 429)

    @router.post(
        "/v1/runs",
        status_code=202,
        response_model=RunBody,
        responses=faults.responses(400, 401, 403, 409, 413, 415, 422, 429, 501),
        openapi_extra=body_schema(RunRequest),
    )
    async def start(request: fastapi.Request, client: Token = admit) -> RunBody:
        """Starts a batch run, or resumes the one of the same id and config."""
        body = await read_body(request, RunRequest)
        return await asyncio.to_thread(keeper.start, client.name, body)

    @router.get("/v1/runs/{run_id}", responses=errors)
    async def status(run_id: str, client: Token = admit) -> RunBody:
        full = await asyncio.to_thread(keeper.owned, client.name, run_id)
        return await asyncio.to_thread(keeper.describe, full)

    @router.get("/v1/runs/{run_id}/problems", responses=errors)
    async def problems(
        run_id: str,
        offset: int = fastapi.Query(0, ge=0, le=2**31),
        limit: int = fastapi.Query(100, ge=1, le=MAX_PAGE),
        client: Token = admit,
    ) -> list[dict[str, Any]]:
        full = await asyncio.to_thread(keeper.owned, client.name, run_id)
        return await asyncio.to_thread(keeper.problems, full, offset, limit)

    @router.get(
        "/v1/runs/{run_id}/report",
        response_class=fastapi.responses.HTMLResponse,
        responses=errors,
    )
    async def report(run_id: str, client: Token = admit) -> fastapi.Response:
        full = await asyncio.to_thread(keeper.owned, client.name, run_id)
        page = await asyncio.to_thread(keeper.report, full)
        # The page holds what models wrote; nothing in it may run with this origin's rights.
        headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"}
        return fastapi.responses.HTMLResponse(page, headers=headers)

    @router.delete("/v1/runs/{run_id}", status_code=202, responses=errors)
    async def stop(run_id: str, client: Token = admit) -> RunBody:
        """Stops a run in good order; its rows stay."""
        full = await asyncio.to_thread(keeper.owned, client.name, run_id)
        await asyncio.to_thread(keeper.stop, full)
        return await asyncio.to_thread(keeper.describe, full)

    return router
