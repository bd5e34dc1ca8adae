"""The fast first pass: warm Lean REPLs through lean-interact, which may reject and never accept.

Promises: a REPL runs in the sandbox, like everything that runs a candidate's code; headers are elaborated once and the
environments shared by all candidates that have them; a REPL that timed out, crashed, grew over its memory or served
`max_requests` is replaced; what it sends is bounded and parsed, nothing more. A rejection stands only if the process
then answers a question that it cannot have known before (`_answers`): output that an earlier candidate left behind
falls out of step there.
Does not: accept. And a candidate that takes the process over by stealth could have later ones rejected; the text policy
keeps known ways out of here, and a text it refuses never comes. Fails: Timeout. Everything else that goes wrong is
`None`, no opinion, and the audit decides.
"""

from __future__ import annotations

import dataclasses
import importlib
import secrets
import select
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from verifiers.lean.assembly import split_imports
from verifiers.lean.native.sandboxed_tools import RoomError, RoomRunner, Task
from verifiers.sandbox.room import SandboxedProcess
from verifiers.types import Json

MAX_ANSWER_BYTES = 8 << 20
MAX_HEADERS = 8
"""Environments of headers that one REPL holds."""
MEMORY_SHARE = 0.8
"""Share of its memory limit above which a REPL is replaced between two candidates."""
HEADER_TIMEOUT_S = 300.0  # `import Mathlib` from a cold disk


class Timeout(Exception):
    """The candidate took longer than it may."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rejection:
    """Lean's messages; at least one is an error, or `sorries` counts unfinished places."""

    messages: tuple[dict[str, Json], ...]
    num_sorries: int = 0


class WarmPass:
    """Up to `num_workers` REPLs, started as they are needed. Thread-safe."""

    def __init__(
        self,
        runner: RoomRunner,
        repl: str,
        files: Mapping[str, Path],
        num_workers: int,
        memory_mb: int,
        max_requests: int,
        max_heartbeats: int,
    ) -> None:
        """`repl` is the program's path in the room, `files` what has to be there for it. Raises ImportError without
        lean-interact.
        """
        importlib.import_module("lean_interact.server")
        self._runner = runner
        self._repl = repl
        self._files = files
        self._memory_mb = memory_mb
        self._max_requests = max_requests
        self._max_heartbeats = max_heartbeats
        self._idle: list[Any] = []
        self._free = threading.Semaphore(num_workers)
        self._lock = threading.Lock()
        self._closed = False

    def examine(self, header: str, code: str, wall_s: float) -> Rejection | None:
        """A reason to reject `code` after `header` (imports included), or None. Raises Timeout."""
        with self._free:
            server = self._take(header)
            if server is None:
                return None
            keep = False
            try:
                found = self._examine(server, header, code, wall_s)
                keep = server.is_alive() and not self._is_tired(server)
                return found
            except TimeoutError:
                raise Timeout from None
            except Exception:
                return None  # a crash, nonsense, too much memory: the audit has its own process
            finally:
                with self._lock:
                    keep = keep and not self._closed
                    if keep:
                        self._idle.append(server)
                if not keep:
                    server.kill()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            servers, self._idle = self._idle, []
        for server in servers:
            server.kill()

    def _take(self, header: str) -> Any:
        """An idle REPL, best one that knows the header; else a new one; None if there is none to be had."""
        with self._lock:
            if self._closed:
                return None
            if self._idle:
                knowing = [server for server in self._idle if header in server.environments]
                server = (knowing or self._idle)[-1]
                self._idle.remove(server)
                return server
        try:
            return _server(self._runner, self._repl, self._files, self._memory_mb)
        except (RoomError, OSError, ValueError, ChildProcessError):
            return None

    def _is_tired(self, server: Any) -> bool:
        if server.num_requests >= self._max_requests or len(server.environments) > MAX_HEADERS:
            return True
        return float(server.get_memory_usage()) > MEMORY_SHARE * self._memory_mb

    def _examine(self, server: Any, header: str, code: str, wall_s: float) -> Rejection | None:
        from lean_interact.interface import Command, CommandResponse

        environment = self._environment(server, header)
        if environment is None:
            return None
        server.num_requests += 1
        answer = server.run(Command(cmd=code, env=environment), timeout=wall_s)
        if not isinstance(answer, CommandResponse):
            return None
        messages = tuple(message_of(message) for message in answer.messages)
        if not answer.sorries and not any(message["severity"] == "error" for message in messages):
            return None
        if not self._answers(server, environment):
            server.kill()
            return None
        return Rejection(messages, len(answer.sorries))

    def _answers(self, server: Any, environment: int) -> bool:
        """Whether the process still answers what it is asked."""
        from lean_interact.interface import Command, CommandResponse

        nonce = str(secrets.randbits(60) + (1 << 60))
        answer = server.run(Command(cmd=f"#check ({nonce} : Nat)", env=environment), timeout=10.0)
        if not isinstance(answer, CommandResponse) or len(answer.messages) != 1:
            return False
        return answer.messages[0].severity == "info" and nonce in answer.messages[0].data

    def _with_heartbeats(self, header: str) -> str:
        """The header behind the budget that `lean` gets on its command line elsewhere: what the header sets counts."""
        body = _body_of(header)
        imports = header[: len(header) - len(body)]
        return f"{imports}\nset_option maxHeartbeats {self._max_heartbeats}\n{body}\n"

    def _environment(self, server: Any, header: str) -> int | None:
        """Number of the environment after `header`, made once per process; None if it does not elaborate here."""
        from lean_interact.interface import Command, CommandResponse

        if header not in server.environments:
            text = self._with_heartbeats(header)
            try:
                answer = server.run(Command(cmd=text), timeout=HEADER_TIMEOUT_S)
            except TimeoutError:
                return None  # the problem's time, not the candidate's
            good = isinstance(answer, CommandResponse) and not any(m.severity == "error" for m in answer.messages)
            server.environments[header] = answer.env if good else None
        known: int | None = server.environments[header]
        return known


def _body_of(header: str) -> str:
    """What follows the imports."""
    _, rest = split_imports(header)
    return rest.lstrip() if isinstance(rest, str) else header


def message_of(message: Any) -> dict[str, Json]:
    """A lean-interact message in the form that the other engine has, too."""
    return {
        "severity": message.severity,
        "line": message.start_pos.line,
        "column": message.start_pos.column,
        "text": message.data,
    }


class _Stream:
    """The REPL's pipes as lean-interact uses them: text lines, with a bound on each answer."""

    def __init__(self, process: SandboxedProcess) -> None:
        assert process.stdin is not None and process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self._buffer = bytearray()
        self._left = MAX_ANSWER_BYTES

    def write(self, text: str) -> None:
        self._left = MAX_ANSWER_BYTES
        view = memoryview(text.encode("utf-8", "replace"))
        while view:
            view = view[self._stdin.write(view) or 0 :]

    def flush(self) -> None:
        """Nothing is buffered."""

    def readline(self) -> str:
        """One line; empty at the end of the stream or of what an answer may have."""
        while (end := self._buffer.find(b"\n")) < 0:
            try:
                chunk = self._stdout.read(1 << 16) if self._left > 0 else b""
            except (OSError, ValueError):  # closed by the thread that gave up waiting
                return ""
            if not chunk:
                return ""
            self._left -= len(chunk)
            self._buffer += chunk
        line = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return line.decode("utf-8", "replace")

    def pending(self) -> bool:
        """Whether something came that was not asked for."""
        poll = select.poll()
        poll.register(self._stdout, select.POLLIN)
        return bool(self._buffer) or bool(poll.poll(0))

    def read(self) -> str:
        return ""

    def close(self) -> None:
        """The process closes them."""


class _Process:
    """A sandboxed REPL as the `Popen` that lean-interact expects."""

    def __init__(self, process: SandboxedProcess) -> None:
        self._process = process
        self.pid = process.pid
        self.stdin = self.stdout = _Stream(process)
        self.stderr = None

    def poll(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout: float | None = None) -> int:
        return self._process.wait(timeout)

    def close(self) -> None:
        self._process.close()


def _server(runner: RoomRunner, repl: str, files: Mapping[str, Path], memory_mb: int) -> Any:
    """A started server of lean-interact whose process is in a room."""
    from lean_interact.server import LeanServer

    class Server(LeanServer):  # type: ignore[misc, unused-ignore]
        """lean-interact's server with its process swapped: it starts and ends rooms, and is otherwise the library's."""

        def start(self) -> None:
            self.num_requests = 0
            self.environments: dict[str, int | None] = {}
            task = Task(argv=(repl,), wall_s=0, memory_mb=memory_mb, files=files)
            self._proc: _Process | None = _Process(runner.start(task, stdin=True))

        def kill(self) -> None:
            process, self._proc = getattr(self, "_proc", None), None
            if process:
                process.close()

        def _execute_cmd_in_repl(self, json_query: str, verbose: bool, timeout: float | None) -> str:
            if self._proc and self._proc.stdout.pending():
                raise BrokenPipeError("the REPL wrote something unasked")
            return str(super()._execute_cmd_in_repl(json_query, verbose, timeout))

    return Server(_config())


def _config() -> Any:
    """A configuration that prepares, builds and downloads nothing: the process is started from a room."""
    from lean_interact.config import LeanREPLConfig

    class Config(LeanREPLConfig):  # type: ignore[misc, unused-ignore]
        def _setup_repl(self) -> None:
            self._cache_repl_dir = Path("/lean/tools")

    # The plain community protocol: further fields are a fork's.
    return Config(
        build_repl=False,
        enable_incremental_optimization=False,
        enable_parallel_elaboration=False,
    )
