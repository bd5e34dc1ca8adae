"""Runs the project's tools, one command a sandbox: the seam between this engine and everything that is Lean.

Promises: a command sees the toolchain, the project's compiled modules and the files it is given, all read-only, and a
/tmp of its own; no network, no home, nothing else of the host; every process it started is dead when `run` returns;
bytes that come back are bounded. The clock, memory and process count are kept from outside. Does not: say anything of
the truth of what comes back. A command that ran a candidate's code, or loaded a file that such a command wrote, may
send anything; audit.py says which these are. Fails: RoomError, if no room could be made.

Only the sandbox tier with namespaces will do: without a private file system there is no place to work in.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Protocol

from verifiers.lean.native.project import TOOLCHAIN, Project
from verifiers.sandbox.cgroups import Group
from verifiers.sandbox.room import (
    INTERPRETER,
    Room,
    SandboxedProcess,
    SandboxError,
    detect,
    library_symlinks,
    python_paths,
    shared_libraries,
    start,
)

MAX_OUTPUT_BYTES = 4 << 20
"""Longest output of a command, per stream. An honest one writes a page of errors."""
MAX_FILE_BYTES = 256 << 20
"""Largest file that a command may hand out. A compiled candidate has kilobytes to a few megabytes."""
MAX_EXPORT_BYTES = 1 << 30
"""Largest export, which streams to a file. A proof over the whole of Mathlib's analysis has about 360 MB."""
TMP_MB = 1024
_THREADS = 4
_PROCESSES = 256
_MAPPED_MB = 24_000
# Compiled libraries are mapped privately and writable, which a per-process limit counts and a control group does not.

_CARRIER = "/lean/file_carrier.py"
_SHIMS = "/lean/shims"
_WHICH = """#!{python} -ISB
import os, sys
for name in sys.argv[1:]:
    places = [name] if "/" in name else [os.path.join(p, name) for p in os.environ.get("PATH", "").split(":")]
    found = next((p for p in places if os.path.isfile(p) and os.access(p, os.X_OK)), None)
    if found is None:
        sys.exit(1)
    print(found)
"""
_GIT = """#!{python} -ISB
import sys
sys.exit("there is no git in this room, and nothing to fetch")
"""


class RoomError(RuntimeError):
    """A command could not be started in a sandbox: the machine's fault or ours."""


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """One command. Paths in `argv` are the room's."""

    argv: tuple[str, ...]
    wall_s: float
    memory_mb: int
    files: Mapping[str, Path] = dataclasses.field(default_factory=dict)
    """Path in the room: file or folder of the host, read-only there."""
    hand_out: tuple[str, ...] = ()
    """Files that the command writes below /tmp and that come back."""
    stdout_to: Path | None = None
    """Standard output goes to this file instead of into `Done`."""
    modules: tuple[str, ...] = ()
    """Folders of the room with further compiled modules."""
    cwd: str = "/tmp"


@dataclasses.dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int | None
    """Exit code; None if it was killed, by us or by a signal."""
    stdout: bytes = b""
    stderr: bytes = b""
    handed_out: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    timed_out: bool = False
    out_of_memory: bool = False
    overflowed: bool = False
    """Wrote more than it may; it was killed for it."""
    seconds: float = 0.0

    @property
    def crashed(self) -> bool:
        """Ended by something that is neither a verdict nor a limit: worth a second try in a fresh process."""
        return self.code is None and not (self.timed_out or self.out_of_memory or self.overflowed)

    def text(self) -> str:
        """Both streams, as far as they are text."""
        return (self.stdout + b"\n" + self.stderr).decode(errors="replace").strip()


class Runner(Protocol):
    """Runs tasks. `tier` is what protects the machine from them."""

    tier: str

    def run(self, task: Task) -> Done:
        """Raises RoomError."""
        ...


def room_for(project: Project, task: Task, channel: int | None = None) -> Room:
    """The room of a task; `channel` is the descriptor of the file carrier, if files are to come back."""
    entries = tuple(f"/lean/path/{number}" for number in range(len(project.search_path)))
    read_only = {
        TOOLCHAIN: str(project.prefix),
        **dict(zip(entries, map(str, project.search_path), strict=True)),
        **python_paths(),
        **shared_libraries(),
        **{inside: os.path.realpath(outside) for inside, outside in task.files.items()},
    }
    if env := shutil.which("env"):
        read_only["/usr/bin/env"] = os.path.realpath(env)
    environment = {
        "PATH": f"{TOOLCHAIN}/bin:{_SHIMS}:/usr/bin",
        "HOME": "/tmp",
        "LANG": "C.UTF-8",
        "LEAN_SYSROOT": TOOLCHAIN,  # else tools ask a `lean` for it
        "LEAN_PATH": ":".join((*task.modules, *entries)),
        "LD_LIBRARY_PATH": f"{TOOLCHAIN}/lib/lean:{TOOLCHAIN}/lib",
        "LEAN_NUM_THREADS": str(_THREADS),
        "LEAN_ABORT_ON_PANIC": "1",  # a tool that panics must not go on to say yes
    }
    argv = task.argv
    if channel is not None:
        read_only[_CARRIER] = str(Path(__file__).resolve().with_name("file_carrier.py"))
        environment["CARRIER_FILES"] = json.dumps(task.hand_out)
        argv = (INTERPRETER, "-I", "-S", "-B", _CARRIER, str(channel), *argv)
    return Room(
        argv=argv,
        read_only=read_only,
        env=environment,
        symlinks=library_symlinks(),
        cwd=task.cwd,
        tmp_mb=TMP_MB,
        memory_mb=task.memory_mb + _MAPPED_MB,
        processes=_PROCESSES,
        file_mb=TMP_MB,
        open_files=16384,  # one per compiled module, and Mathlib has thousands
    )


def shims(folder: Path) -> Path:
    """Writes the few programs that Lake asks for by name, and returns their folder."""
    folder.mkdir(mode=0o755, exist_ok=True)
    for name, text in (("which", _WHICH), ("git", _GIT)):
        (folder / name).write_text(text.format(python=INTERPRETER))
        (folder / name).chmod(0o755)
    return folder


class RoomRunner:
    """The real `Runner`. Thread-safe: every run is a process tree of its own."""

    def __init__(self, project: Project, scratch: Path) -> None:
        """`scratch` is a folder of ours. Raises RoomError where the machine has no namespaces."""
        tier = detect()
        if tier.boundary != "namespaces":
            raise RoomError(
                f"the native Lean engine needs a sandbox with namespaces, and this machine has: {tier} "
                "(see `proofmill doctor`)"
            )
        self.project = project
        self.tier = str(tier)
        self._shims = shims(scratch / "shims")

    def start(
        self, task: Task, channel: int | None = None, *, stdin: bool = False, stderr: bool = False
    ) -> SandboxedProcess:
        """Starts a command that the caller attends to, its output on a pipe. Raises RoomError."""
        task = dataclasses.replace(task, files={**task.files, _SHIMS: self._shims})
        room = room_for(self.project, task, channel)
        try:
            process = start(
                room,
                pass_fds=() if channel is None else (channel,),
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE if stderr else subprocess.DEVNULL,
            )
        except (SandboxError, OSError) as error:
            raise RoomError(str(error)) from error
        if process.cgroup:
            with contextlib.suppress(OSError):
                Group(*process.cgroup).limit(task.memory_mb << 20, room.processes)
        return process

    def run(self, task: Task) -> Done:
        began = time.monotonic()
        receive, send = os.pipe() if task.hand_out else (-1, -1)
        try:
            process = self.start(task, send if task.hand_out else None, stderr=True)
        except BaseException:
            for fd in (receive, send):
                if fd >= 0:
                    os.close(fd)
            raise
        if send >= 0:
            os.close(send)
        try:
            return _attend(process, task, receive, began)
        finally:
            process.close()
            if receive >= 0:
                os.close(receive)


@dataclasses.dataclass(slots=True)
class _Streams:
    """What has come from a command so far, by descriptor, and which limit has ended the reading."""

    buffers: dict[int, bytearray]
    timed_out: bool = False
    overflowed: bool = False


def _read_all(limits: Mapping[int, int], sinks: Mapping[int, IO[bytes]], until: float) -> _Streams:
    """Reads descriptors until all of them are closed, one exceeds its limit in bytes, or the clock shows `until`."""
    streams = _Streams({fd: bytearray() for fd in limits})
    sizes = dict.fromkeys(limits, 0)
    waiting = set(limits)
    poll = select.poll()  # select() itself knows no descriptor above 1023
    for fd in waiting:
        poll.register(fd, select.POLLIN)
    while waiting and not streams.overflowed:
        remaining = until - time.monotonic()
        if remaining <= 0:
            streams.timed_out = True
            break
        for fd, _ in poll.poll(remaining * 1000):
            chunk = os.read(fd, 1 << 20)
            if not chunk:
                waiting.discard(fd)
                poll.unregister(fd)
                continue
            sizes[fd] += len(chunk)
            if sizes[fd] > limits[fd]:
                streams.overflowed = True
            elif fd in sinks:
                sinks[fd].write(chunk)
            else:
                streams.buffers[fd] += chunk
    return streams


def _attend(process: SandboxedProcess, task: Task, receive: int, began: float) -> Done:
    """Reads what comes, until everything is closed or a limit is hit."""
    assert process.stdout is not None and process.stderr is not None
    out, err = process.stdout.fileno(), process.stderr.fileno()
    limits = {out: MAX_EXPORT_BYTES if task.stdout_to else MAX_OUTPUT_BYTES, err: MAX_OUTPUT_BYTES}
    if receive >= 0:
        limits[receive] = (MAX_FILE_BYTES + 8) * len(task.hand_out)
    with contextlib.ExitStack() as stack:
        sinks = {out: stack.enter_context(task.stdout_to.open("wb"))} if task.stdout_to else {}
        streams = _read_all(limits, sinks, began + task.wall_s)
    code = None
    if not (streams.timed_out or streams.overflowed):
        try:
            status = process.wait(timeout=max(task.wall_s - (time.monotonic() - began), 0.1))
            code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        except subprocess.TimeoutExpired:
            streams.timed_out = True
    process.close()
    oom = code != 0 and process.oom_kills > 0
    if receive >= 0 and code is not None and code > 128:
        code = None  # as the carrier reports a signal
    return Done(
        code=None if oom else code,
        stdout=bytes(streams.buffers[out]),
        stderr=bytes(streams.buffers[err]),
        handed_out=_unpack(bytes(streams.buffers[receive]), task.hand_out) if receive >= 0 else {},
        timed_out=streams.timed_out,
        out_of_memory=oom,
        overflowed=streams.overflowed,
        seconds=time.monotonic() - began,
    )


def _unpack(data: bytes, names: tuple[str, ...]) -> dict[str, bytes]:
    """The files that came whole."""
    files: dict[str, bytes] = {}
    at = 0
    for name in names:
        size = int.from_bytes(data[at : at + 8], "big")
        at += 8
        if size == (1 << 64) - 1:
            continue
        if size > MAX_FILE_BYTES or at + size > len(data):
            break
        files[name] = data[at : at + size]
        at += size
    return files
