"""A sandboxed process that answers JSON lines: ask it, bound it, end it.

Promises: an answer within the deadline or an exception, after which the process is dead; nothing a process sends can do
more than be a wrong answer (it is parsed as JSON with a size bound, a payload is carried on unread). Fails: Timeout,
OutOfMemory, Died.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import threading
import time
from collections.abc import Mapping

from verifiers.sandbox.room import SandboxedProcess
from verifiers.types import Json

MAX_ANSWER_BYTES = 512 << 20


class ProcessError(RuntimeError):
    """A request was not answered; the process is dead."""


class Timeout(ProcessError):
    """The wall clock ran out."""


class OutOfMemory(ProcessError):
    """The process took more than it may."""


class Died(ProcessError):
    """The process ended, or answered nonsense."""


class LineProcess:
    """A sandboxed process that answers JSON lines with JSON lines. One request at a time; not thread-safe."""

    def __init__(self, process: SandboxedProcess, start_timeout_s: float) -> None:
        self.num_requests = 0
        self.heap_mb = 0
        self.tired = False
        self._buffer = bytearray()
        self._process = process
        self.tier = str(self._process.tier)
        try:
            ready, _ = self._read(time.monotonic() + start_timeout_s)
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
