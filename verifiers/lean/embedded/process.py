"""One Lean process seen from outside: start it, ask it, bound it, end it.

Promises: an answer within the deadline or an exception, after which the process is dead; nothing a process sends can do
more than be a wrong answer (it is parsed as JSON with a size bound, an export is carried on unread). The process runs
in the sandbox's strongest tier, without network, host files or home. Does not: trust an elaborator's answer. What
counts as proven is the auditor's word (engine.py). Fails: Timeout, OutOfMemory, Died.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from verifiers.lean.assembly import MAX_HEARTBEATS_IN_TEXT
from verifiers.lean.embedded.install import Prepared
from verifiers.sandbox.cgroups import Group
from verifiers.sandbox.room import Room, SandboxedProcess, library_symlinks, shared_libraries, start
from verifiers.types import Json

EMBEDDED = Path(__file__).resolve().parent / "worker"
START_TIMEOUT_S = 120.0  # 4 s on an idle machine; the first start after boot reads 380 MB
MAX_ANSWER_BYTES = 512 << 20
_SCRIPT_HEAP_MB = 1024
_RESERVED_MB = 3072
# Address space that the runtime reserves and mostly never touches: the module's memory up to its maximum of 2 GB, and a
# deep stack. A per-process limit counts it, a control group does not.


class ProcessError(RuntimeError):
    """A request was not answered; the process is dead."""


class Timeout(ProcessError):
    """The wall clock ran out."""


class OutOfMemory(ProcessError):
    """The process took more than it may."""


class Died(ProcessError):
    """The process ended, or answered nonsense."""


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """What every process of one engine is started with."""

    prepared: Prepared
    imports: tuple[str, ...]
    max_heartbeats: int
    """In Lean's unit, thousands of small allocations."""
    replay_heartbeats: int
    """For the kernel replay, in small allocations; 0 for none."""
    memory_mb: int
    allow_unprotected: bool = False
    """Whether to run where the machine offers no sandbox at all."""


class LeanProcess:
    """A started worker.js. One request at a time; not thread-safe."""

    def __init__(self, settings: Settings, role: str) -> None:
        self.role = role
        self.num_requests = 0
        self.heap_mb = 0
        self.tired = False
        self._buffer = bytearray()
        self._process = _start(settings, role)
        self.tier = str(self._process.tier)
        try:
            ready, _ = self._read(time.monotonic() + START_TIMEOUT_S)
        except BaseException:
            self.close()
            raise
        self.lean_version = str(ready.get("version", ""))

    def ask(
        self, request: Mapping[str, Json], deadline: float, payload: bytes | None = None
    ) -> tuple[dict[str, Json], bytes | None]:
        """The answer and its payload. `deadline` is on the monotonic clock. Raises ProcessError."""
        self.num_requests += 1
        message = dict(request)
        if payload is not None:
            message["payload"] = True
        data = json.dumps(message).encode() + b"\n" + (payload + b"\n" if payload is not None else b"")
        # A thread writes, for a large request could fill the pipe while the process fills the other one.
        writer = None
        if len(data) > 32768:
            writer = threading.Thread(target=self._write, args=(data,), daemon=True)
            writer.start()
        else:
            self._write(data)
        try:
            answer, exported = self._read(deadline)
        except BaseException:
            self.close()
            raise
        if writer:
            writer.join()
        self.heap_mb = int(answer.get("heapMb", 0))
        self.tired = bool(answer.get("tired"))
        return answer, exported

    def _write(self, data: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        with contextlib.suppress(OSError):  # a dead process shows when its answer is read
            view = memoryview(data)
            while view:
                view = view[stdin.write(view) or 0 :]

    def _read(self, deadline: float) -> tuple[dict[str, Json], bytes | None]:
        line = self._line(deadline)
        try:
            answer = json.loads(line)
        except ValueError:
            raise Died(f"an answer that is not JSON: {line[:200]!r}") from None
        if not isinstance(answer, dict):
            raise Died("an answer that is not an object")
        if "fatal" in answer:
            raise Died(str(answer["fatal"])[:2000])
        return answer, self._line(deadline) if answer.get("payload") else None

    def _line(self, deadline: float) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched)
            if end >= 0:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                return line
            searched = len(self._buffer)
            if searched > MAX_ANSWER_BYTES:
                raise Died("an answer that is too long")
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                raise Timeout("wall clock")
            readable, _, _ = select.select([stdout], [], [], remaining)
            if not readable:
                continue
            chunk = os.read(stdout.fileno(), 1 << 20)
            if not chunk:
                raise self._died()
            self._buffer += chunk

    def _died(self) -> ProcessError:
        try:
            status = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return Died("closed its channel")
        if self._process.oom_kills:
            return OutOfMemory("over its memory limit")
        return Died(f"ended with wait status {status}")

    def close(self) -> None:
        self._process.close()


def _start(settings: Settings, role: str) -> SandboxedProcess:
    prepared = settings.prepared
    room = Room(
        argv=(
            "/lean/node",
            f"--max-old-space-size={_SCRIPT_HEAP_MB}",
            "/lean/worker/worker.js",
            configuration(settings, role, "/lean/module", "/lean/module/library"),
        ),
        read_only={
            "/lean/node": os.path.realpath(prepared.node),
            "/lean/worker": os.path.realpath(EMBEDDED),
            "/lean/module": os.path.realpath(prepared.module_dir),
            **shared_libraries(),
        },
        symlinks=library_symlinks(),
        tmp_mb=0,
        cwd="/",
        memory_mb=settings.memory_mb + _RESERVED_MB,
    )
    process = start(room, stdin=subprocess.PIPE, stdout=subprocess.PIPE, allow_unprotected=settings.allow_unprotected)
    if process.cgroup:
        with contextlib.suppress(OSError):
            Group(*process.cgroup).limit(settings.memory_mb << 20, room.processes)
    return process


def configuration(settings: Settings, role: str, module_dir: str, library_dir: str) -> str:
    return json.dumps(
        {
            "moduleDir": module_dir,
            "libraryDir": library_dir,
            "imports": ["Init", *settings.imports],
            "maxHeartbeats": settings.max_heartbeats,
            "maxHeartbeatsInText": max(settings.max_heartbeats, MAX_HEARTBEATS_IN_TEXT),
            "replayHeartbeats": settings.replay_heartbeats,
            "role": role,
        }
    )
