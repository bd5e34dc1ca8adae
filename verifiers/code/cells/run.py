"""One run of a program in a cell, seen from outside: its output, its answers, its end.

Promises: nothing of the run is left when a function here returns; the wall clock, the output cap and the cell's own
limits end it otherwise. A `Stop` other than `none` says which limit did.
Does not: compare.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import math
import os
import re
import select
import signal
import sys
import time
from enum import StrEnum
from typing import Any

from verifiers.code.cells.worker import STDERR_BYTES, Cell, Exit, Slot
from verifiers.code.wire import framing, values
from verifiers.sandbox.room import SandboxError
from verifiers.types import Limits

_PIPE_BYTES = 1 << 18
_GRACE_S = 20.0  # a killed cell is gone in milliseconds; on a machine under load, with many processes, later
_SETTLE_S = 0.2
_F_ADD_SEALS, _SEALS = 1033, 0xF  # seal, shrink, grow, write
_SLACK_MB = 64
"""Address space and memory that the interpreter itself takes."""


class Stop(StrEnum):
    """Why a run ended that did not end by itself."""

    NONE = ""
    WALL = "time limit"
    CPU = "cpu limit"
    MEMORY = "memory limit"
    OUTPUT = "output limit"
    THREADS = "thread limit"
    MODULE = "module not installed"


@dataclasses.dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the monotonic clock."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.monotonic() + seconds)

    def left(self) -> float:
        return self.at - time.monotonic()

    def sooner(self, seconds: float | None) -> Deadline:
        """This one, or `seconds` from now if that comes first."""
        return self if seconds is None else Deadline(min(self.at, time.monotonic() + seconds))


def cell_limits(limits: Limits) -> dict[str, int]:
    memory = (limits.memory_mb + _SLACK_MB) << 20
    return {
        "CPU": max(1, math.ceil(limits.cpu_s)),
        "DATA": memory,
        # Shared mappings are not private data; the control group counts them, and this does where there is none.
        "AS": memory + (4 << 30),
        "STACK": 1 << 30,
        "NPROC": limits.processes,  # per user and user namespace; the control group counts too, where there is one
        "NOFILE": 128,
        "FSIZE": max(limits.output_kb << 10, 16 << 20),
    }


def sealed_file(data: bytes, name: str) -> int:
    """A read-only file in memory that no process can change any more; the caller closes the descriptor.

    A file, not a pipe: programs that read standard input by its size, or with one os.read, are honest.
    """
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        fcntl.fcntl(fd, _F_ADD_SEALS, _SEALS)
        return os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(fd)


@dataclasses.dataclass(frozen=True, slots=True)
class Output:
    """What a script printed and how it ended."""

    stdout: bytes
    stderr: bytes
    stop: Stop
    exit: Exit


class _Pipe:
    """The reading end of a cell's output; what exceeds the cap is noted and thrown away."""

    def __init__(self, cap: int, keep_tail: bool) -> None:
        self.read_fd, self.write_fd = os.pipe()
        os.set_blocking(self.read_fd, False)
        os.fchmod(self.write_fd, 0o666)  # a program may open /dev/stdout anew, as another user
        with contextlib.suppress(OSError):  # above the user's pipe quota
            fcntl.fcntl(self.write_fd, 1031, _PIPE_BYTES)
        self.data = bytearray()
        self.exceeded = False
        self._cap = cap
        self._keep_tail = keep_tail

    def read(self) -> bool:
        """Reads what is there; False at the end of the stream."""
        try:
            part = os.read(self.read_fd, _PIPE_BYTES)
        except BlockingIOError:
            return True
        self.data += part
        if len(self.data) > self._cap:
            self.exceeded = True
            self.data = self.data[-self._cap :] if self._keep_tail else self.data[: self._cap]
        return bool(part)

    def drain(self) -> None:
        """The rest, once every writer is dead."""
        while not self.exceeded or self._keep_tail:
            if not self.read():
                break

    def close_writer(self) -> None:
        if self.write_fd >= 0:
            os.close(self.write_fd)
            self.write_fd = -1

    def close(self) -> None:
        self.close_writer()
        os.close(self.read_fd)


def _stop_of(exit_: Exit, cpu_s: float) -> Stop:
    if exit_.oom:
        return Stop.MEMORY
    if exit_.signal in (signal.SIGKILL, signal.SIGXCPU) and exit_.cpu_s >= cpu_s * 0.8:
        return Stop.CPU
    return Stop.NONE


def stop_of_error(line: str) -> Stop:
    """What a program's last words say it lacked: the end of a traceback or of what a C++ runtime says."""
    if re.match(r"(numpy\.\S+)?MemoryError\b|\s*what\(\):\s+std::bad_alloc$", line):
        return Stop.MEMORY
    if line.startswith("RuntimeError: can't start new thread"):  # too many, or stacks beyond the memory limit
        return Stop.THREADS
    missing = re.match(r"ModuleNotFoundError: No module named '(\w+)", line)
    if missing and missing[1] not in sys.stdlib_module_names:  # elsewhere the program may have been right
        return Stop.MODULE
    return Stop.NONE


def run_job(
    slot: Slot,
    job: dict[str, Any],
    stdin: bytes,
    limits: Limits,
    deadline: Deadline,
    extra_fds: tuple[int, ...] = (),
    stdout_cap: int | None = None,
) -> Output:
    """Runs a job that talks through standard streams. Raises SandboxError."""
    cap = limits.output_kb << 10 if stdout_cap is None else stdout_cap
    out, err = _Pipe(cap, keep_tail=False), _Pipe(STDERR_BYTES, keep_tail=True)
    try:
        source = sealed_file(stdin, "stdin")
        try:
            cell = slot.spawn()
            with cell:
                cell.start(job, (source, out.write_fd, err.write_fd, *extra_fds))
                out.close_writer()
                err.close_writer()
                stop = _collect(cell, out, err, deadline)
                if stop is not Stop.NONE:
                    cell.kill()
                exit_ = cell.wait(_GRACE_S)
                if exit_ is None:
                    raise SandboxError("a killed cell did not end")
        finally:
            os.close(source)
        out.drain()
        err.drain()
        if stop is Stop.NONE:
            stop = Stop.OUTPUT if out.exceeded else _stop_of(exit_, limits.cpu_s)
        return Output(bytes(out.data), bytes(err.data), stop, exit_)
    finally:
        out.close()
        err.close()


def _collect(cell: Cell, out: _Pipe, err: _Pipe, deadline: Deadline) -> Stop:
    """Reads until the cell has ended or has to be ended."""
    poll = select.poll()
    open_pipes = {pipe.read_fd: pipe for pipe in (out, err)}
    for fd in open_pipes:
        poll.register(fd, select.POLLIN)
    poll.register(cell.slot.fileno(), select.POLLIN)
    while cell.exit is None:
        left = deadline.left()
        if left <= 0:
            return Stop.WALL
        for fd, _ in poll.poll(int(left * 1000) + 1):
            pipe = open_pipes.get(fd)
            if pipe is None:
                cell.slot.pump(0)
            elif not pipe.read():
                poll.unregister(fd)
        if out.exceeded:
            return Stop.OUTPUT
    return Stop.NONE


class CellGoneError(Exception):
    """The program ended instead of answering; `stop` and `exit` say how."""

    def __init__(self, stop: Stop, exit_: Exit) -> None:
        super().__init__(stop, exit_)
        self.stop = stop
        self.exit = exit_


class Conversation:
    """A cell that answers over its channel. Use as a context manager; every method may raise CellGoneError."""

    def __init__(self, slot: Slot, job: dict[str, Any], limits: Limits, fds: tuple[int, ...] = ()) -> None:
        self._limits = limits
        self._cell = slot.spawn()
        self._cell.start(job, fds)

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self._cell.close()

    def _gone(self, stop: Stop) -> CellGoneError:
        if stop is not Stop.NONE:
            self._cell.kill()
        exit_ = self._cell.wait(_SETTLE_S)
        if exit_ is None:  # it closed its channel and goes on; one that is about to end keeps its status
            self._cell.kill()
            exit_ = self._cell.wait(_GRACE_S)
        if exit_ is None:
            raise SandboxError("a killed cell did not end")
        return CellGoneError(stop or _stop_of(exit_, self._limits.cpu_s), exit_)

    def ended(self) -> CellGoneError | None:
        """How the cell ended, if it has within a moment."""
        exit_ = self._cell.wait(_SETTLE_S)
        return None if exit_ is None else CellGoneError(_stop_of(exit_, self._limits.cpu_s), exit_)

    def tell(self, message: Any, deadline: Deadline, fds: tuple[int, ...] = ()) -> None:
        """Sends `message`, with descriptors for a cell that expects them."""
        left = deadline.left()
        if left <= 0:
            raise self._gone(Stop.WALL)
        try:
            self._cell.channel.settimeout(left)
            framing.send(self._cell.channel, message, fds)
        except TimeoutError:
            raise self._gone(Stop.WALL) from None
        except OSError:
            raise self._gone(Stop.NONE) from None

    def hear(self, deadline: Deadline) -> Any:
        """Decodes the next answer. Raises ValueError when that is not plain data."""
        try:
            # A deadline for the whole message: a program that drips its answer gains nothing.
            body = framing.receive_bytes(_Timed(self._cell.channel, deadline), self._limits.output_kb << 10)
        except TimeoutError:
            raise self._gone(Stop.WALL) from None
        except framing.FrameError:
            raise self._gone(Stop.OUTPUT) from None
        except (OSError, EOFError):
            raise self._gone(Stop.NONE) from None
        return values.decode(body)

    def ask(self, message: Any | None, deadline: Deadline) -> Any:
        """Sends `message` (if not None) and decodes the answer. Raises ValueError when that is not plain data."""
        if message is not None:
            self.tell(message, deadline)
        return self.hear(deadline)


class _Timed:
    """recv with one deadline over all calls."""

    def __init__(self, channel: Any, deadline: Deadline) -> None:
        self._channel = channel
        self._deadline = deadline

    def recv(self, count: int) -> bytes:
        left = self._deadline.left()
        if left <= 0:
            raise TimeoutError
        self._channel.settimeout(left)
        part: bytes = self._channel.recv(count)
        return part
