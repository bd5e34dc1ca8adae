"""A pool of killable worker processes for work whose cost on hostile input cannot be bounded from inside.

Promises: a call ends within its wall limit and a moment, whatever the work does, because a worker is killed from
outside; a hang, crash or exhausted memory costs one call and one fork (about a millisecond), never the pool; the clock
starts when a worker begins the work, not while the call waits for one; safe from any thread and inside Ray actors (the
caller is never forked and none of its signals is touched); everything dies with the caller.
Does not: confine hostile *code* (verifiers.code has a sandbox for that).
Fails: `PoolError` when no worker can be started at all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from verifiers.processes.environment import child_environment
from verifiers.processes.fork_server import FRAME, STARTED, read_exactly
from verifiers.types import Json

START_TIMEOUT_S = 60.0
"""Longest wait, in seconds, for a fork server to import its work and for a worker to begin. Only a machine in trouble
needs more."""
MAX_CALLS_PER_WORKER = 2000
"""Number of calls after which a worker is replaced. It bounds how much memory a leak in a C library can take."""


class PoolError(RuntimeError):
    """No worker process could be started or reached."""


class End(enum.StrEnum):
    """How a call ended."""

    DONE = "done"
    RAISED = "raised"
    WALL = "wall limit"
    CPU = "cpu limit"
    MEMORY = "memory limit"
    CRASHED = "crashed"


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """`value` is what the work returned (when DONE); `detail` says more about any other end."""

    end: End
    value: Json
    detail: str
    seconds: float
    starved: bool = False
    """Whether the call ended at the wall limit because the machine was too busy: the worker had a processor for less
    than half of that time."""


@dataclasses.dataclass(slots=True)
class _Worker:
    pid: int
    connection: socket.socket
    calls: int = 0


class Pool:
    """`num_workers` processes that run `target` (`module:function`, one JSON value in, one JSON value out)."""

    def __init__(self, target: str, num_workers: int = 1) -> None:
        self._target = target
        self._slots = threading.BoundedSemaphore(num_workers)
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._fork_server: subprocess.Popen[bytes] | None = None
        self._idle: list[_Worker] = []
        self._closed = False

    def call(self, payload: Json, wall_s: float, cpu_s: float, memory_mb: int) -> Outcome:
        """Runs the work on `payload`. Waits for a free worker first; that time is not counted. Raises PoolError."""
        body = json.dumps({"payload": payload, "cpu_s": cpu_s, "memory_mb": memory_mb}).encode()
        with self._slots:
            for attempt in (0, 1):
                worker = self._take()
                try:
                    outcome = self._run(worker, body, wall_s)
                except _NotStartedError as error:
                    # An idle worker may have been killed from outside. If a fresh one dies too, the fault is ours.
                    self._retire(worker)
                    if attempt:
                        raise PoolError(f"a fresh worker did not begin its work: {error}") from None
                    continue
                except BaseException:
                    self._retire(worker)
                    raise
                if outcome.end in (End.DONE, End.RAISED) and worker.calls < MAX_CALLS_PER_WORKER:
                    with self._lock:
                        if not self._closed:
                            self._idle.append(worker)
                            return outcome
                status = self._retire(worker)
                return outcome if outcome.end is not End.CRASHED else _name_crash(outcome, status)
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Ends every process of the pool. A second call does nothing; calls after it raise PoolError."""
        with self._lock:
            self._closed = True
            for worker in self._idle:
                worker.connection.close()
            self._idle.clear()
            self._stop_fork_server()

    def _run(self, worker: _Worker, body: bytes, wall_s: float) -> Outcome:
        connection = worker.connection
        worker.calls += 1
        try:
            connection.settimeout(START_TIMEOUT_S)
            connection.sendall(FRAME.pack(len(body)) + body)
            if read_exactly(connection, 1) != STARTED:
                raise _NotStartedError("unexpected message")
        except (OSError, EOFError) as error:
            raise _NotStartedError(str(error) or "it ended") from None
        began = time.perf_counter()
        cpu_before = _cpu_seconds(worker.pid)
        poller = select.poll()
        poller.register(connection, select.POLLIN)
        if not poller.poll(wall_s * 1000):
            seconds = time.perf_counter() - began
            starved = _cpu_seconds(worker.pid) - cpu_before < wall_s / 2
            return Outcome(End.WALL, None, f"{wall_s:g} s", seconds, starved)
        try:
            # The reply is ready and small, so the wall limit, or a second if that is longer, suffices to read it.
            connection.settimeout(max(1.0, wall_s))
            (size,) = FRAME.unpack(read_exactly(connection, FRAME.size))
            reply = json.loads(read_exactly(connection, size))
        except (OSError, EOFError):
            return Outcome(End.CRASHED, None, "", time.perf_counter() - began)
        seconds = time.perf_counter() - began
        if "value" in reply:
            return Outcome(End.DONE, reply["value"], "", seconds)
        if "out_of_memory" in reply:
            return Outcome(End.MEMORY, None, "", seconds)
        return Outcome(End.RAISED, None, f"{reply['raised']}\n{reply['trace']}", seconds)

    def _take(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise PoolError("the pool is closed")
            if self._idle:
                return self._idle.pop()
            for attempt in (0, 1):
                try:
                    return self._spawn()
                except (OSError, PoolError, ValueError) as error:
                    self._stop_fork_server()
                    if attempt:
                        raise PoolError(f"cannot start a worker for {self._target}: {error}") from None
        raise AssertionError("unreachable")

    def _spawn(self) -> _Worker:
        if self._control is None:
            self._start_fork_server()
        assert self._control is not None
        self._control.send(b"spawn")
        message, fds, _, _ = socket.recv_fds(self._control, 64, 1)
        if not message or len(fds) != 1:
            raise PoolError("the fork server ended")
        return _Worker(int(message), socket.socket(fileno=fds[0]))

    def _start_fork_server(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            root = str(Path(__file__).resolve().parents[2])
            path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
            self._fork_server = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "verifiers.processes.fork_server",
                    str(theirs.fileno()),
                    str(os.getpid()),
                    self._target,
                ],
                pass_fds=[theirs.fileno()],
                env={**child_environment(), "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # the caller handles a Ctrl-C on the terminal
            )
        ours.settimeout(START_TIMEOUT_S)
        self._control = ours
        if ours.recv(64) != b"ready":
            raise PoolError("the fork server could not import its work")

    def _retire(self, worker: _Worker) -> int | None:
        """Kills the worker. Returns its wait status, or None if the fork server and with it all workers are dead."""
        worker.connection.close()
        with self._lock:
            if self._control is None:
                return None
            try:
                self._control.send(f"reap {worker.pid}".encode())
                return int(self._control.recv(64))
            except (OSError, ValueError):
                self._stop_fork_server()
                return None

    def _stop_fork_server(self) -> None:
        for worker in self._idle:
            worker.connection.close()
        self._idle.clear()
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._fork_server is not None:
            with contextlib.suppress(ProcessLookupError):
                self._fork_server.kill()
            self._fork_server.wait()
            self._fork_server = None


class _NotStartedError(Exception):
    """The worker was gone before it began, so the request can be given to another one."""


def _cpu_seconds(pid: int) -> float:
    """User and system time of a process so far, in seconds; 0 if the process is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _name_crash(outcome: Outcome, status: int | None) -> Outcome:
    if status is None or not os.WIFSIGNALED(status):
        return dataclasses.replace(outcome, detail="the worker process ended")
    number = os.WTERMSIG(status)
    if number in (signal.SIGPROF, signal.SIGXCPU):
        return dataclasses.replace(outcome, end=End.CPU)
    return dataclasses.replace(outcome, detail=f"killed by {signal.Signals(number).name}")
