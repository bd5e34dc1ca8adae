"""The prepared parent that pool workers are forked from.

Run by verifiers.processes.pool as `python -m verifiers.processes.fork_server CONTROL_FD PARENT_PID MODULE:FUNCTION`.

Promises: it is single-threaded and freshly executed, so forking it is safe whatever threads its caller runs; it imports
the work once and hands out workers in about a millisecond; it ends when its caller does (the control socket closes, or
its parent changes), and its workers end with it (PR_SET_PDEATHSIG).
Does not: time anything (verifiers.processes.pool does) or confine the work beyond rlimits: the work is our own code on
hostile data, not hostile code.

PR_SET_PDEATHSIG is not used for the fork server itself: it fires when the *thread* that started the child ends, and a
pool may well be opened from a short-lived thread.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import math
import os
import resource
import select
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

FRAME = struct.Struct("!I")
"""Length prefix of every message on a worker's socket."""
STARTED = b"\x01"
"""Sent by a worker when it begins a request: the caller's clock starts here."""
ORPHAN_POLL_S = 5.0
"""Seconds between two looks whether the parent has changed. They matter if a stray copy of the control socket keeps it
open."""
_PR_SET_PDEATHSIG = 1

Work = Callable[[Any], Any]


def main(argv: list[str]) -> None:
    control = socket.socket(fileno=int(argv[0]))
    parent_pid = int(argv[1])
    module, _, function = argv[2].partition(":")
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    work: Work = getattr(importlib.import_module(module), function)
    gc.collect()
    gc.freeze()  # keeps the collector from touching, and so copying, the pages that workers share
    control.send(b"ready")
    _serve(control, parent_pid, work)


def _serve(control: socket.socket, parent_pid: int, work: Work) -> None:
    poller = select.poll()
    poller.register(control, select.POLLIN)
    while True:
        if not poller.poll(ORPHAN_POLL_S * 1000):
            if os.getppid() != parent_pid:
                return
            continue
        message = control.recv(64)
        if not message:
            return
        command, _, argument = message.decode().partition(" ")
        if command == "spawn":
            _spawn(control, work)
        else:  # "reap PID"
            control.send(str(_reap(int(argument))).encode())


def _spawn(control: socket.socket, work: Work) -> None:
    ours, theirs = socket.socketpair()
    server_pid = os.getpid()
    pid = os.fork()
    if pid == 0:
        status = 1
        with contextlib.suppress(BaseException):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != server_pid:
                os._exit(1)
            ours.close()
            control.close()
            _work_loop(theirs, work)
            status = 0
        os._exit(status)
    theirs.close()
    socket.send_fds(control, [str(pid).encode()], [ours.fileno()])
    ours.close()


def _reap(pid: int) -> int:
    """Kills the worker unless it is dead already; returns its wait status. Only its parent may do this, since for a
    parent the pid cannot have been reused."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return os.waitpid(pid, 0)[1]


def read_exactly(connection: socket.socket, size: int) -> bytes:
    """Reads `size` bytes. Raises EOFError if the connection ends sooner."""
    chunks = []
    while size:
        chunk = connection.recv(min(size, 1 << 20))
        if not chunk:
            raise EOFError
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _work_loop(connection: socket.socket, work: Work) -> None:
    own_bytes = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    while True:
        try:
            (size,) = FRAME.unpack(read_exactly(connection, FRAME.size))
        except EOFError:
            return
        request = json.loads(read_exactly(connection, size))
        _set_limits(own_bytes, request["cpu_s"], request["memory_mb"])
        connection.sendall(STARTED)
        try:
            reply = {"value": work(request["payload"])}
        except MemoryError:
            reply = {"out_of_memory": True}
        except Exception as error:
            reply = {"raised": f"{type(error).__name__}: {error}"[:500], "trace": traceback.format_exc()[-2000:]}
        signal.setitimer(signal.ITIMER_PROF, 0)
        body = json.dumps(reply).encode()
        connection.sendall(FRAME.pack(len(body)) + body)
        if "out_of_memory" in reply:
            return  # its heap may be fragmented up to the cap, so a fresh fork is cheaper than the next failure


def _set_limits(own_bytes: int, cpu_s: float, memory_mb: int) -> None:
    """Limits CPU time and memory. ITIMER_PROF bounds CPU time, since its default action ends the process even inside
    one long C call; RLIMIT_CPU, in whole seconds, backs it up. RLIMIT_AS bounds memory, counted on top of what the
    worker maps before any work."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = usage.ru_utime + usage.ru_stime
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    _lower(resource.RLIMIT_CPU, math.ceil(used + cpu_s) + 1)
    _lower(resource.RLIMIT_AS, own_bytes + memory_mb * 2**20)


def _lower(which: int, soft: int) -> None:
    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


if __name__ == "__main__":
    main(sys.argv[1:])
