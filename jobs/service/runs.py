"""Batch runs by API: what clients may ask for, and the processes that run it. Each is the same as `proofmill solve`.

Promises: the resolved config, the problems and the owner of a run are stored before it starts, beside its output; a run
is a process of its own, so a keeper that dies takes no run's rows with it: its successor on the same node finds the
process again, and the same request (same `run.id`) resumes. A client sees and stops its own runs only. What a client
can choose is `CLIENT_KEYS`; every path passes `confinement`, the output is the service's, and no code, address or
engine argument comes from a client. One keeper serves all gateways (deploy.py): state, limits and stops are one.
Does not: queue (beyond `runs.max_running` the answer is 429), or find the process of a run on another node. Where the
keeper had to move, such a run has the state `stopped` until it has ended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pydantic

from jobs.config import ConfigError, SolveConfig, check_config
from jobs.exit_codes import EXIT_INTERRUPTED
from jobs.problems.canonical import require_answer_key
from jobs.problems.errors import BadRow
from jobs.service import http_errors
from jobs.service.confinement import confined
from jobs.service.paging import ListPage
from jobs.service.processes import Processes
from jobs.service.request_faults import pointer
from jobs.service.schemas import Model, ProblemBody, bad_row
from jobs.service.settings import Runs
from jobs.submit.package import CODE_ROOT
from runstore.layout import REPORT, REQUEST, REQUEST_OUTCOME, REQUEST_PROBLEMS, run_uri
from runstore.reader import read_problems_table, read_run_json
from runstore.storage import Storage, StorageError, open_storage
from verifiers.types import Json

INDEX = "service/runs/"
"""Folder below the output that holds one empty key per run, by owner, from which an owner's runs are listed."""
CLIENT_KEYS: dict[str, tuple[str, ...]] = {
    "run": ("id", "seed"),
    "problems": ("files", "layout", "columns", "kind", "limit", "unchecked", "unique_prompts", "skip_bad"),
    "model": ("path", "revision", "dtype", "max_model_len"),
    "prompt": ("system", "suffix", "suffix_by_kind"),
    "sampling": (
        *("policy", "num_samples", "wave", "num_verified", "distinct", "estimates"),
        *("temperature", "top_p", "top_k", "min_p", "max_tokens", "stop", "shuffle_choices"),
        *("logprobs", "seeded"),
        *("repair.rounds", "repair.kinds", "repair.evidence_chars"),
    ),
    "budget": ("tokens", "gpu_s", "usd", "wall_s"),
}
"""Single keys of a run's config that clients may set, by section; `a.b` is a key of a section inside it. A key that is
not named here is closed, and no section is open as a whole. Plugins, engines, addresses, output and every other file
name are the operator's."""
CLOSE_POLL_S = 0.1


class RunRequest(Model):
    config: dict[str, dict[str, Any]]
    """Sections of a `proofmill solve` config: run, problems, model, prompt, sampling, budget."""
    problems: list[ProblemBody] = pydantic.Field(default_factory=list)
    """Inline problems, in the place of `config.problems`."""


class Progress(pydantic.BaseModel):
    problems: int | None
    """Problems of the set; null before the run has read it."""
    problems_begun: int
    """Problems with a durable sample."""
    solved: int
    """Problems with a verified sample."""
    samples: int
    statuses: dict[str, int]
    """Samples by status of their verdict; those that were aborted count as `aborted`."""
    completion_tokens: int


class RunBody(pydantic.BaseModel):
    id: str
    state: Literal["running", "complete", "stopped", "failed"]
    """stopped: interrupted or killed; the same request resumes it. failed: see `error`."""
    output: str
    exit_code: int | None = None
    """Exit code of `proofmill solve`, once it has ended: 0 done, 2 config, 3 errors, 130 interrupted."""
    error: str = ""
    ended_at: int | None = None
    """Seconds since the epoch at which its last process ended in good order."""
    progress: Progress | None = None
    """Counts of the rows that are durable so far; not in lists."""
    summary: dict[str, Any] | None = None


class RunList(ListPage[RunBody]):
    """A page of runs, without their progress."""


class RunKeeper:
    """The runs of this service. Methods act for one client (`owner`), raise HttpProblem and may be called from
    threads."""

    def __init__(self, settings: Runs, ray_address: str = "") -> None:
        self.settings = settings
        self.ray_address = ray_address
        self._lock = threading.Lock()
        self._closed = False
        self._processes: Processes | None = None

    def start(self, owner: str, request: RunRequest) -> RunBody:
        """Starts a run, or resumes the one of the same id and config."""
        self.require_runs()
        config = self.checked_config(owner, request.config, len(request.problems))
        return self.begin(owner, config, problem_lines(request.problems, config.problems.unchecked == "accept"))

    def require_runs(self) -> None:
        if not self.settings.output_uri:
            raise http_errors.HttpProblem(501, "no-runs", "batch runs are switched off: [runs] output_uri is not set")

    def begin(self, owner: str, config: SolveConfig, lines: Sequence[str], beside: Mapping[str, bytes] = {}) -> RunBody:
        """Stores a request and starts its process. `lines` are its inline problems, `beside` further keys that belong
        to it."""
        run_id = config.run.id
        with self._lock:  # two equal requests at once must not start two processes
            if self._closed:
                raise http_errors.HttpProblem(503, "not-ready", "the service is stopping", retry_after_s=5)
            processes = self.processes()
            running = processes.running()
            if run_id in running:
                raise http_errors.HttpProblem(409, "already-running", "this run is under way")
            if len(running) >= self.settings.max_running:
                raise http_errors.HttpProblem(429, "busy", "as many runs as allowed are under way", retry_after_s=60)
            storage = run_storage(self.settings.output_uri, run_id)
            self.write(storage, owner, config, lines)
            for key, data in beside.items():
                storage.create(key, data)
            storage.delete(REQUEST_OUTCOME)
            open_storage(self.settings.output_uri).create(f"{INDEX}{owner}/{run_id}", b"{}")
            processes.add(run_id, launch(config))
        return self.describe(run_id)

    def checked_config(self, owner: str, sections: dict[str, dict[str, Any]], num_inline: int) -> SolveConfig:
        """The whole config of the run of a client that sets `sections`. Raises HttpProblem 403, 413 and 422."""
        table: dict[str, Any] = {}
        wrong = []
        for section, values in sections.items():
            if section not in CLIENT_KEYS:
                wrong.append({"pointer": pointer(["config", section]), "detail": "not for clients to set"})
                continue
            for key in single_keys(values, SolveConfig.model_fields[section].annotation):
                if key not in CLIENT_KEYS[section]:
                    place = pointer(["config", section, *key.split(".")])
                    wrong.append({"pointer": place, "detail": "not for clients to set"})
            table[section] = dict(values)
        if wrong:
            raise http_errors.invalid(wrong)
        run_id = str(table.get("run", {}).get("id", ""))
        # The owner's name is a part of the id, so that no client can name another one's run.
        table.setdefault("run", {})["id"] = f"{owner}.{run_id}" if run_id else ""
        for section, values in self.settings.template.items():
            merged = {**table.get(section, {}), **values} if isinstance(values, dict) else values
            table[section] = merged
        table["output"] = {"uri": self.settings.output_uri}
        table["ray"] = {**table.get("ray", {}), **({"address": self.ray_address} if self.ray_address else {})}
        problems = table.setdefault("problems", {})
        if num_inline:
            if num_inline > self.settings.max_inline_problems:
                message = f"at most {self.settings.max_inline_problems:,} inline problems"
                raise http_errors.HttpProblem(413, "too-large", message)
            problems["files"] = [f"{self.uri(table['run']['id'] or '-')}/{REQUEST_PROBLEMS}"]
            problems["layout"] = "canonical"
        try:
            config = check_config(table, "config")
        except ConfigError as error:
            raise http_errors.invalid(config_faults(str(error), sections)) from None
        roots = self.settings.roots
        files = config.problems.files if num_inline else [confined(name, roots) for name in config.problems.files]
        update: dict[str, Any] = {"problems": config.problems.model_copy(update={"files": files})}
        if not self.has_model():
            update["model"] = config.model.model_copy(update={"path": confined(config.model.path, roots)})
        return config.model_copy(update=update)

    def has_model(self) -> bool:
        """Whether the operator's template says which model, or which models, a run has."""
        template = self.settings.template
        model = template.get("model", {})
        return "models" in template or "path" in model or "base_url" in model

    def write(self, storage: Storage, owner: str, config: SolveConfig, lines: Sequence[str]) -> None:
        """Stores a request before its run starts. Raises HttpProblem 409 where the id belongs to another request."""
        same = storage.create(REQUEST_PROBLEMS, ("\n".join(lines) + "\n").encode()) if lines else True
        record = {"owner": owner, "config": config.resolved()}
        if not storage.create(REQUEST, json.dumps(record, sort_keys=True).encode()) or not same:
            message = "a run of this id exists with another config; choose another run.id"
            raise http_errors.HttpProblem(409, "id-taken", message)

    def owned(self, owner: str, run_id: str) -> str:
        """The full id. Raises HttpProblem 404 for unknown runs and for those of others alike."""
        full = run_id if run_id.startswith(f"{owner}.") else f"{owner}.{run_id}"
        missing = http_errors.HttpProblem(404, "unknown-run", "no run of this id")
        if not self.settings.output_uri or "/" in full or ".." in full or len(full) > 200:
            raise missing
        try:
            data = run_storage(self.settings.output_uri, full).read(REQUEST)
        except (StorageError, ValueError):
            raise missing from None
        if data is None or json.loads(data)["owner"] != owner:
            raise missing
        return full

    def status(self, owner: str, run_id: str) -> RunBody:
        return self.describe(self.owned(owner, run_id))

    def describe(self, run_id: str) -> RunBody:
        """The state of a run; `run_id` is the full id."""
        with self._lock:
            running = run_id in self.processes().running()
        storage = run_storage(self.settings.output_uri, run_id)
        record = read_run_json(storage) or {}
        outcome = json.loads(storage.read(REQUEST_OUTCOME) or b"{}")
        code = outcome.get("exit_code")
        state: Literal["running", "complete", "stopped", "failed"] = "stopped"
        if running:
            state = "running"
        elif record.get("complete"):
            state = "complete"
        elif code not in (None, EXIT_INTERRUPTED):
            state = "failed"
        return RunBody(
            id=run_id,
            state=state,
            output=self.uri(run_id),
            exit_code=None if running else code,
            error="" if running else outcome.get("error", ""),
            ended_at=None if running else outcome.get("ended_at"),
            summary=record.get("summary"),
        )

    def problems(self, owner: str, run_id: str, offset: int, limit: int) -> list[dict[str, Json]]:
        """Rows of the run's problems table. HttpProblem 404 before it is written."""
        table = read_problems_table(run_storage(self.settings.output_uri, self.owned(owner, run_id)))
        if table is None:
            raise http_errors.HttpProblem(404, "not-yet", "the run has not written its problems table yet")
        rows: list[dict[str, Json]] = table.slice(offset, limit).to_pylist()
        return rows

    def report(self, owner: str, run_id: str) -> bytes:
        data = run_storage(self.settings.output_uri, self.owned(owner, run_id)).read(REPORT)
        if data is None:
            raise http_errors.HttpProblem(404, "not-yet", "the run has not written its report yet")
        return data

    def stop(self, owner: str, run_id: str) -> RunBody:
        """Interrupts a run. Finished samples are kept, and the same request resumes it."""
        full = self.owned(owner, run_id)
        with self._lock:
            self.processes().interrupt(full)
        return self.describe(full)

    def close(self, timeout_s: float) -> list[str]:
        """Starts no further run, interrupts those of this node and waits until they have ended. Returns the ids of
        those that have not. They are resumable as after any interrupt."""
        if not self.settings.output_uri:
            return []
        deadline = time.monotonic() + timeout_s
        with self._lock:
            self._closed = True
            running = self.processes().running()
            for run_id in running:
                self.processes().interrupt(run_id)
        while running and time.monotonic() < deadline:
            time.sleep(CLOSE_POLL_S)
            with self._lock:
                running = self.processes().running()
        return sorted(running)

    def processes(self) -> Processes:
        if self._processes is None:
            self._processes = Processes(open_storage(self.settings.output_uri))
        return self._processes

    def uri(self, run_id: str) -> str:
        return run_uri(self.settings.output_uri, run_id)


def problem_lines(problems: Sequence[ProblemBody], keyless: bool = False) -> list[str]:
    """Inline problems as lines of a problem file. `keyless`: they may lack an answer key. Raises HttpProblem 422 for
    those that cannot be used."""
    lines, wrong = [], []
    for index, body in enumerate(problems):
        try:
            problem = body.problem()
            lines.append(json.dumps((problem if keyless else require_answer_key(problem)).to_json()))
        except BadRow as error:
            wrong.append(bad_row(error, f"/problems/{index}", body))
    if wrong:
        raise http_errors.invalid(wrong)
    return lines


def config_faults(text: str, sections: Mapping[str, Any]) -> list[dict[str, str]]:
    """The lines of a ConfigError as faults at places of the client's config. A value that the client did not send
    belongs to the operator's template; its fault has the place of the section."""
    found: dict[str, str] = {}
    for line in text.removeprefix("config: ").split("\nconfig: "):
        key, _, detail = line.partition(": ")
        place: list[str] = ["config"]
        inside: Any = sections
        for part in key.split("."):
            if isinstance(inside, dict) and part in inside:
                inside = inside[part]
                place.append(part)
            elif detail == "missing":
                place.append(part)
            else:
                break
        found.setdefault(pointer(place), http_errors.shown(detail or line))
    return [{"pointer": where, "detail": detail} for where, detail in found.items()]


def single_keys(values: dict[str, Any], section: Any) -> Iterator[str]:
    """The keys that `values` sets in a section of the settings. Keys of an inner section have their whole path."""
    for key, value in values.items():
        field = section.model_fields.get(key)
        inner = field.annotation if field else None
        if isinstance(value, dict) and isinstance(inner, type) and issubclass(inner, pydantic.BaseModel):
            yield from (f"{key}.{name}" for name in single_keys(value, inner))
        else:
            yield key


def run_storage(output_uri: str, run_id: str) -> Storage:
    return open_storage(run_uri(output_uri, run_id))


def launch(config: SolveConfig) -> subprocess.Popen[bytes]:
    """The run's process (run_process.py); its log goes beside other temporary files of the keeper's node."""
    # Variables that Ray sets for the keeper's own worker do not apply to a run, which plans its CPUs and GPUs itself.
    # Plugins may lie on the operator's own path.
    path = os.pathsep.join(filter(None, [str(CODE_ROOT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": path}
    environment.pop("OMP_NUM_THREADS", None)
    if not environment.get("CUDA_VISIBLE_DEVICES"):
        environment.pop("CUDA_VISIBLE_DEVICES", None)
    # A process that a shell starts in the background ignores SIGINT, and so do all its children. A DELETE soon after
    # the POST, before the solver handles signals, would then be lost.
    words = ["env", "--default-signal=INT", sys.executable, "-m", "jobs.service.run_process"]
    words += [config.output.uri, config.run.id]
    descriptor, _ = tempfile.mkstemp(prefix=f"proofmill-{config.run.id}-", suffix=".log")
    with os.fdopen(descriptor, "wb") as log:
        return subprocess.Popen(words, stdout=log, stderr=log, cwd=Path.cwd(), env=environment, start_new_session=True)
