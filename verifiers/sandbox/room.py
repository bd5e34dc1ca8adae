"""Starts a process in a sandbox: the launch interface of this package.

What is promised depends on the tier, which `detect` finds by really starting a process in it:

- `namespaces`: user, PID, mount, network, IPC and UTS namespaces, a read-only root that holds only the paths named, a
  private size-capped /tmp, no network (not even loopback), a system-call allow-list, no capabilities, no_new_privs,
  Landlock where the kernel has it, and a control group where one can be made (else per-process rlimits). As root the
  process runs under a user id of its own; without root under the caller's, mapped to the user `nobody`.
- `landlock`: Landlock and the system-call filter alone, where no namespaces can be made. Threads can be started but no
  processes, no file written, no socket opened; the process can see that others exist, and shares the machine's clock
  and name.
- `none`: no protection at all. `start` refuses it unless `allow_unprotected=True`.

A sandbox shares the kernel, the CPU and its caches with the machine: kernel bugs and timing side channels are out of
scope.

    room = Room(
        argv=("/usr/bin/node", "/srv/worker.js"),
        read_only={"/usr/bin/node": "/usr/bin/node", "/srv": "/opt/worker", **shared_libraries()},  # inside: outside
        symlinks=library_symlinks(),
        memory_mb=2048,
    )
    process = start(room, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(b"…"); process.stdin.flush(); process.stdout.readline()      # ordinary unbuffered pipes
    process.kill()                 # the whole tree; also done when the caller's process dies, however it dies
    process.wait()                 # wait status as of os.waitpid; process.oom_kills says whether memory was the reason

Thread-safe, and safe in a process with threads: a fresh interpreter does the work, nothing is forked from the caller.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from verifiers.sandbox import cgroups, kernel
from verifiers.types import Json

_ROOT = Path(__file__).resolve().parents[2]
_START_S = 30.0  # enough for a loaded machine; a normal start takes 0.1 s
INTERPRETER = os.path.realpath(getattr(sys, "_base_executable", sys.executable))


class SandboxError(RuntimeError):
    """The sandbox could not be started: our fault or the machine's, never the sandboxed program's."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tier:
    """What stands between a sandboxed process and the machine."""

    boundary: str
    """Kind of boundary: `namespaces`, `landlock` or `none`."""
    as_root: bool = False
    """Whether the launcher is root, so that the sandbox has user ids of its own."""
    cgroup: tuple[int, str, str] | None = None
    landlock: int = 0
    """Landlock ABI version in use; 0 for none."""

    @property
    def protected(self) -> bool:
        return self.boundary != "none"

    def __str__(self) -> str:
        """For instance `namespaces+seccomp+landlock7+cgroup1`, as written into every verdict."""
        if not self.protected:
            return "none"
        parts = ["namespaces"] if self.boundary == "namespaces" else []
        parts.append("seccomp")
        if self.landlock:
            parts.append(f"landlock{self.landlock}")
        parts.append(f"cgroup{self.cgroup[0]}" if self.cgroup else "rlimits")
        if self.boundary == "namespaces" and self.as_root:
            parts.append("own-user")
        return "+".join(parts)


@dataclasses.dataclass(frozen=True, slots=True)
class Room:
    """A command, and everything that it may see and use. Paths are absolute."""

    argv: tuple[str, ...]
    read_only: Mapping[str, str]
    """Path inside → path on the host (a file or a directory, symbolic links resolved)."""
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """The whole environment; nothing is inherited."""
    hidden: tuple[str, ...] = ()
    """Directories inside that appear empty."""
    symlinks: Mapping[str, str] = dataclasses.field(default_factory=dict)
    files: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Small read-only text files: path inside → text."""
    cwd: str = "/tmp"
    tmp_mb: int = 64
    """Size of the private /tmp; 0 for none."""
    memory_mb: int = 1024
    """Memory limit: of the whole tree if there is a control group, and of each process's private memory (RLIMIT_DATA)
    in any case."""
    processes: int = 64
    cpu_s: int | None = None
    """CPU seconds per process; None for no limit, in a long-lived room."""
    file_mb: int = 256
    open_files: int = 256
    administrator: bool = False
    """Whether the process keeps every capability *inside* the room, to make cells in it. Only for this project's own
    trusted processes."""

    def to_spec(self, tier: Tier, pass_fds: Sequence[int]) -> dict[str, Json]:
        limits = {"CORE": 0, "NOFILE": self.open_files, "FSIZE": self.file_mb << 20, "MEMLOCK": 64 << 10, "MSGQUEUE": 0}
        if not self.administrator:
            limits["DATA"] = self.memory_mb << 20
            if self.cpu_s is not None:
                limits["CPU"] = self.cpu_s
            if not tier.cgroup and tier.boundary == "namespaces":
                limits["NPROC"] = self.processes  # counted per user and user namespace
        return {
            "argv": list(self.argv),
            "read_only": dict(self.read_only),
            "env": dict(self.env),
            "hidden": list(self.hidden),
            "symlinks": dict(self.symlinks),
            "files": dict(self.files),
            "cwd": self.cwd,
            "tmp_mb": self.tmp_mb,
            "memory_mb": self.memory_mb,
            "processes": self.processes,
            "administrator": self.administrator,
            "hostname": "sandbox",
            "limits": limits,
            "pass_fds": list(pass_fds),
            "boundary": tier.boundary,
            "as_root": tier.as_root,
            "cgroup": list(tier.cgroup) if tier.cgroup else None,
            "landlock": tier.landlock,
        }


class SandboxedProcess:
    """A running room. `stdin`, `stdout` and `stderr` are unbuffered binary streams where PIPE was asked for."""

    def __init__(self, launcher: subprocess.Popen[bytes], control: socket.socket, tier: Tier) -> None:
        self._launcher = launcher
        self._control = control
        self._replies = control.makefile("rb")
        self._lock = threading.Lock()
        self._status: int | None = None
        self.tier = tier
        self.stdin: IO[bytes] | None = launcher.stdin
        self.stdout: IO[bytes] | None = launcher.stdout
        self.stderr: IO[bytes] | None = launcher.stderr
        self.oom_kills = 0
        self.cgroup: tuple[int, str, str] | None = None

    def _read_reply(self) -> dict[str, Json]:
        line = self._replies.readline()
        reply: dict[str, Json] = json.loads(line) if line else {"error": "the launcher died"}
        return reply

    def _await_ready(self) -> None:
        self._control.settimeout(_START_S)
        try:
            reply = self._read_reply()
        except (OSError, ValueError) as error:
            reply = {"error": f"no answer from the launcher: {error}"}
        if "error" in reply:
            self.kill()
            self.wait()
            raise SandboxError(f"cannot start {self.tier.boundary} sandbox: {reply['error']}")
        self._control.settimeout(None)
        if reply["cgroup"]:
            version, memory, pids = reply["cgroup"]
            self.cgroup = (version, memory, pids)

    @property
    def pid(self) -> int:
        """Pid of the launcher, whose only descendants are the sandboxed processes (for measuring, not for signals)."""
        return self._launcher.pid

    def poll(self) -> int | None:
        """The wait status if the process has ended, else None."""
        if self._status is None and self._launcher.poll() is not None:
            return self.wait()
        return self._status

    def kill(self) -> None:
        """Ends the whole tree. Returns at once; `wait` tells when nothing is left."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_WR)

    def wait(self, timeout: float | None = None) -> int:
        """Wait status as of os.waitpid, once nothing of the tree is left. Raises subprocess.TimeoutExpired."""
        self._launcher.wait(timeout)
        with self._lock:
            if self._status is None:
                reply: dict[str, Json] = {}
                with contextlib.suppress(OSError, ValueError):
                    reply = self._read_reply()
                self.oom_kills = int(reply.get("oom_kills", 0))
                self._status = int(reply.get("status", 9))
                self._replies.close()
                self._control.close()
        return self._status

    def close(self) -> None:
        """Kills, waits and closes the pipes. A second call does nothing."""
        self.kill()
        self.wait()
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()


def start(
    room: Room,
    *,
    tier: Tier | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    allow_unprotected: bool = False,
) -> SandboxedProcess:
    """Starts `room` in `tier` (default: the strongest this machine has). Raises SandboxError."""
    tier = tier or detect()
    if not tier.protected and not allow_unprotected:
        raise SandboxError(
            "this machine offers no protection for untrusted programs (see `proofmill doctor`): "
            "set allow_unprotected = true to run them all the same"
        )
    ours, theirs = socket.socketpair()
    code = f"import sys; sys.path.append({str(_ROOT)!r}); from verifiers.sandbox.launcher import main; main()"
    with theirs:
        fds = (theirs.fileno(), *pass_fds)
        try:
            launcher = subprocess.Popen(
                [INTERPRETER, "-I", "-S", "-B", "-c", code, str(theirs.fileno()), str(os.getpid())],
                bufsize=0,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=fds,
                env={},
                cwd="/",
                start_new_session=True,  # the caller handles a Ctrl-C on the terminal
            )
        except OSError as error:
            ours.close()
            raise SandboxError(f"cannot start the launcher: {error}") from error
    process = SandboxedProcess(launcher, ours, tier)
    with contextlib.suppress(OSError):
        ours.sendall(json.dumps(room.to_spec(tier, pass_fds)).encode() + b"\n")
    process._await_ready()
    return process


@functools.cache
def shared_libraries() -> dict[str, str]:
    """Where this machine keeps the C library, the dynamic loader and related files, for `Room.read_only`.

    The paths come from what this interpreter itself has mapped, so no distribution's layout is assumed.
    """
    paths: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            if match := re.search(r"(/\S+/(?:lib(?:c|m|dl|pthread|stdc\+\+|gcc_s|z)[.-][^/ ]*|ld-[^/ ]*))$", line):
                directory = os.path.realpath(os.path.dirname(match[1]))
                if "site-packages" not in directory:  # a wheel's own copy
                    paths[directory] = directory
    with contextlib.suppress(OSError, IndexError):
        # The loader's path is written into every program, usually through a symbolic link such as /lib64.
        with open(INTERPRETER, "rb") as file:
            loader = re.search(rb"(/lib[^\x00]*/ld-[^\x00]+)\x00", file.read(1 << 16))
        if loader:
            name = loader[1].decode()
            paths[name] = os.path.realpath(name)
    for name in ("/etc/ld.so.cache", "/etc/localtime"):
        if Path(name).exists():
            paths[name] = os.path.realpath(name)
    return paths


def library_symlinks() -> dict[str, str]:
    """Links such as /lib -> usr/lib that the host has, for `Room.symlinks`."""
    links = {}
    inside = shared_libraries()
    for name in ("/lib", "/lib64", "/lib32", "/bin"):
        path = Path(name)
        if path.is_symlink() and not any(target.startswith(name + "/") for target in inside):
            links[name] = str(path.readlink())
    return links


def _works(tier: Tier) -> str:
    """Why no process can be started in `tier`; empty if one can."""
    room = Room(
        argv=(INTERPRETER, "-I", "-S", "-B", "-c", "print(6 * 7)"),
        read_only={**python_paths(), **shared_libraries()},
        symlinks=library_symlinks(),
        memory_mb=256,
    )
    try:
        process = start(room, tier=tier, stdout=subprocess.PIPE)
        assert process.stdout is not None
        output = process.stdout.read()
        status = process.wait()
        process.close()
    except SandboxError as error:
        return str(error)
    return "" if output == b"42\n" else f"a trial program ended with wait status {status} and wrote {output[:100]!r}"


def python_paths() -> dict[str, str]:
    """The interpreter and its standard library, for `Room.read_only` (site-packages are to be hidden)."""
    library = os.path.dirname(os.path.realpath(os.__file__))
    paths = {INTERPRETER: INTERPRETER, library: library}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/maps").read_text().splitlines():
            if match := re.search(r"(/\S+/libpython[^/ ]*)$", line):
                paths[match[1]] = os.path.realpath(match[1])
    return paths


@dataclasses.dataclass(frozen=True, slots=True)
class Survey:
    """What this machine offers: the tier in use, and for each stronger one why it is not available."""

    tier: Tier
    missing: tuple[tuple[str, str], ...]


@functools.cache
def survey() -> Survey:
    """Finds the strongest tier by starting a trial program in each, best first. Takes about 0.2 s, once per process."""
    missing: list[tuple[str, str]] = []
    if not kernel.SUPPORTED:
        return Survey(
            Tier("none"), (("namespaces", f"not Linux on x86_64 or aarch64: {sys.platform} {kernel.MACHINE}"),)
        )
    landlock = kernel.landlock_abi()
    hierarchy = cgroups.find()
    group = (hierarchy.version, hierarchy.memory, hierarchy.pids) if hierarchy else None
    if not group:
        missing.append(("cgroup", "no memory and pids controllers writable; per-process limits instead"))
    if not landlock:
        missing.append(("landlock", "the kernel has none"))
    ways = [True, False] if os.geteuid() == 0 else [False]
    for as_root in ways:
        tier = Tier("namespaces", as_root, group, landlock)
        why = _works(tier)
        if not why:
            return Survey(tier, tuple(missing))
        missing.append((str(tier), why))
    if landlock:
        tier = Tier("landlock", os.geteuid() == 0, group, landlock)
        why = _works(tier)
        if not why:
            return Survey(tier, tuple(missing))
        missing.append((str(tier), why))
    return Survey(Tier("none", False, group, 0), tuple(missing))


def detect() -> Tier:
    """The strongest tier this machine has; `none` if no real one works."""
    return survey().tier
