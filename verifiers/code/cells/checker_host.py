"""Runs a problem's checker program, once per test, in a cell that no candidate has touched (judges/checker_program.py).

The host is trusted when it starts and never looks into the files that it passes on. Each run of the checker is a child
of its own: the candidate's output in that file is hostile input, and what it could make of one run ends with it. The
judge believes nothing from here but how that run ended and what it printed.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import socket
import types
from typing import Any

from verifiers.code.cells import guest
from verifiers.code.wire import framing
from verifiers.sandbox import kernel

_EXECUTABLE = "/tmp/checker"
_WORK = "/tmp/work"
_TAIL_BYTES = 2000
_FILES = 3


def _tail(fd: int) -> str:
    size = os.fstat(fd).st_size
    data = os.pread(fd, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    return data.decode("utf-8", "replace")


def _child(job: dict[str, Any], code: types.CodeType | None, files: list[int], out: int, err: int) -> int:
    null = os.open("/dev/null", os.O_RDONLY)
    for target, fd in enumerate((null, out, err)):
        os.dup2(fd, target)
    for fd in files:
        os.set_inheritable(fd, True)
    arguments = [f"/proc/self/fd/{fd}" for fd in files]
    os.chdir(_WORK)
    if code is None:
        os.execve(_EXECUTABLE, [_EXECUTABLE, *arguments], guest.ENVIRONMENT)
    kernel.set_dumpable(True)  # else the kernel does not let it open its own files by these names
    return guest.run_script(job["code"], arguments, compiled=code)


def _end_leftovers() -> None:
    """Ends and reaps what a run has left behind."""
    if os.getppid() == 0:  # in a PID namespace of its own: it signals nothing but its own descendants
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                os.waitpid(-1, 0)


def _run(job: dict[str, Any], code: types.CodeType | None, files: list[int], channel: socket.socket) -> dict[str, Any]:
    out, err = os.memfd_create("out"), os.memfd_create("err")
    try:
        if os.listdir(_WORK):
            importlib.import_module("shutil").rmtree(_WORK, ignore_errors=True)
            os.makedirs(_WORK, exist_ok=True)
        pid = os.fork()
        if pid == 0:
            status = 127
            try:
                os.close(channel.detach())
                status = _child(job, code, files, out, err)
            finally:
                os._exit(status)
        _, status = os.waitpid(pid, 0)
        _end_leftovers()
        full = max(os.fstat(fd).st_size for fd in (out, err)) >= job["limits"]["FSIZE"]
        return {"status": status, "stdout": _tail(out), "stderr": _tail(err), "full": full}
    finally:
        for fd in (out, err, *files):
            os.close(fd)


def host(job: dict[str, Any], channel: socket.socket, fds: list[int]) -> int:
    """Answers `{}` with three files (input, output, answer in the protocol's order) by how the checker's run ended."""
    kernel.set_dumpable(False)  # no child reaches into this process
    kernel.adopt_orphans()
    if fds:
        os.lseek(fds[0], 0, os.SEEK_SET)  # the offset is shared with the cells before
        with open(_EXECUTABLE, "wb") as file, open(fds[0], "rb") as source:
            while chunk := source.read(1 << 20):
                file.write(chunk)
        os.chmod(_EXECUTABLE, 0o755)
    guest.set_limits(job["limits"])
    os.mkdir(_WORK)
    code = None if fds else compile(job["code"], guest.SOURCE, "exec", dont_inherit=True)
    framing.send(channel, {"loaded": True})
    while True:
        try:
            _, files = framing.receive_with_fds(channel, _FILES)
        except EOFError:
            return 0
        framing.send(channel, _run(job, code, files, channel))


MODES: dict[str, guest.HostMode] = {"checker": host}
