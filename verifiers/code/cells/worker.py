"""The judge's side of the sandboxes: a slot is one room with its fork server, a cell one running program in it.

Promises: `Cell.close` (and so every context exit) returns when nothing of the program is left; a slot whose fork
server is gone or does not answer raises SandboxError and is replaced by its owner. One slot serves one thread at a
time.
Does not: judge anything.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import socket
import time
from collections.abc import Mapping
from types import TracebackType

from verifiers.code.wire import framing
from verifiers.sandbox import cgroups
from verifiers.sandbox.room import (
    INTERPRETER,
    Room,
    SandboxError,
    Tier,
    library_symlinks,
    python_paths,
    shared_libraries,
    start,
)
from verifiers.types import Json

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
_INSIDE = "/opt/proofmill"
_START_S = 30.0
_KILL_S = 10.0  # a killed PID namespace is gone in milliseconds; a machine under load takes longer
_MAX_REPORT = 1 << 16
_FIRST_PROCESSES = 4
"""Processes that a room needs beside the programs' own: the fork server's parent, and the first one of each cell's PID
namespace, for the two cells of mode `assert` and the prepared one."""
STDERR_BYTES = 4096
_FORK_SERVER = f"import sys; sys.path.append({_INSIDE!r}); from verifiers.code.cells.fork_server import main; main()"


@dataclasses.dataclass(frozen=True, slots=True)
class Exit:
    """How a cell ended. `status` as of os.waitpid."""

    status: int
    cpu_s: float
    max_rss_kb: int
    oom: bool

    @property
    def code(self) -> int | None:
        """The exit status, or None if a signal ended it."""
        return os.WEXITSTATUS(self.status) if os.WIFEXITED(self.status) else None

    @property
    def signal(self) -> int | None:
        return os.WTERMSIG(self.status) if os.WIFSIGNALED(self.status) else None


class Cell:
    """One running program. Use as a context manager."""

    def __init__(self, slot: Slot, number: int, channel: socket.socket) -> None:
        self.slot = slot
        self.number = number
        self.channel = channel
        self.exit: Exit | None = None

    def __enter__(self) -> Cell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def start(self, job: Mapping[str, Json], fds: tuple[int, ...] = ()) -> None:
        try:
            self.channel.settimeout(_START_S)
            # Said before any program is there: what goes wrong until then is not the program's fault.
            hello = json.loads(framing.receive_bytes(self.channel, _MAX_REPORT))
            if "confined" not in hello:
                raise SandboxError(f"the cell could not be made: {hello}"[:500])
            framing.send(self.channel, job, fds)
        except (OSError, EOFError, ValueError) as error:
            raise SandboxError(f"the cell did not take its program: {error}") from error

    def kill(self) -> None:
        self.slot.kill(self.number)

    def wait(self, timeout_s: float) -> Exit | None:
        """The exit, or None if it has not come in time."""
        deadline = time.monotonic() + timeout_s
        while self.exit is None:
            left = deadline - time.monotonic()
            if left <= 0 or not self.slot.pump(left):
                break
        return self.exit

    def close(self) -> None:
        self.channel.close()
        if self.exit is None:
            self.kill()
            if self.wait(_KILL_S) is None:
                self.slot.broken = True
                raise SandboxError("a killed cell did not end")
        self.slot.forget(self.number)


_PACKAGES = (
    *("numpy", "sympy", "mpmath"),
    # The extra `judge`: what programs and test modules of public sets import, with what these need themselves.
    *("scipy", "pandas", "dateutil", "six", "pytz", "tzdata", "sortedcontainers"),
    *("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments"),
)
"""Packages that programs may import, where they are installed; a name may also be that of a single file."""


def packages() -> dict[str, str]:
    """Where the allow-listed packages lie on this machine: name in the rooms' package folder -> path."""
    import importlib.util

    found = {}
    for name in _PACKAGES:
        spec = importlib.util.find_spec(name)
        if not spec or not spec.origin:
            continue
        path = os.path.realpath(spec.origin)
        if os.path.basename(path) != "__init__.py":
            found[os.path.basename(path)] = path
            continue
        directory = os.path.dirname(path)
        found[name] = directory
        if os.path.isdir(directory + ".libs"):  # a wheel's own shared libraries
            found[name + ".libs"] = directory + ".libs"
    return found


def python_room(
    tier: Tier,
    memory_mb: int,
    processes: int,
    tmp_mb: int,
    paired_modes: str,
    extra: Mapping[str, str] | None = None,
) -> Room:
    """The room of a slot: the interpreter, its standard library, the allowed packages and this package's own code.

    `paired_modes` is the module under verifiers/code/ whose MODES the room's fork server runs.
    """
    read_only = {
        **shared_libraries(),
        **python_paths(),
        **{f"{_INSIDE}/verifiers/{name}": f"{_PACKAGE}/{name}" for name in ("sandbox", "code")},
        **{f"/opt/packages/{name}": path for name, path in packages().items()},
        **(extra or {}),
    }
    library = os.path.dirname(os.path.realpath(os.__file__))
    settings = {
        "boundary": tier.boundary,
        "as_root": tier.as_root,
        "landlock": tier.landlock,
        "readable": sorted({*read_only.values(), "/dev/null", "/dev/urandom", "/dev/zero"}),
        "tmp_mb": tmp_mb,
        "packages": ["/opt/packages"]
        if tier.boundary == "namespaces"
        else sorted({os.path.dirname(path) for path in packages().values()}),
        "preload": [],
        "paired_modes": paired_modes,
    }
    code = _FORK_SERVER
    if tier.boundary != "namespaces":  # nothing is bound, so the code is where it is
        code = code.replace(repr(_INSIDE), repr(os.path.dirname(_PACKAGE)))
    return Room(
        argv=(INTERPRETER, "-I", "-S", "-B", "-X", "utf8", "-c", code, json.dumps(settings)),
        read_only=read_only,
        hidden=(f"{library}/site-packages", f"{library}/dist-packages"),
        symlinks=library_symlinks(),
        files={"/etc/passwd": "nobody:x:65534:65534:nobody:/tmp:/bin/false\n", "/etc/group": "nogroup:x:65534:\n"},
        env={"PYTHONHASHSEED": "0", "MALLOC_ARENA_MAX": "4"},
        tmp_mb=0,
        cwd="/",
        memory_mb=memory_mb,
        processes=processes + _FIRST_PROCESSES,
        administrator=True,
    )


class Slot:
    """A room with its fork server. Raises SandboxError when it cannot be started."""

    def __init__(self, tier: Tier, room: Room, *, allow_unprotected: bool) -> None:
        self.tier = tier
        self.broken = False
        self._next = 0
        self._cells: dict[int, Cell] = {}
        self._control, theirs = socket.socketpair()
        with theirs:
            # The fork server expects its control socket at a fixed number.
            self._process = start(
                room,
                tier=tier,
                stdin=theirs.fileno(),
                allow_unprotected=allow_unprotected,
            )
        group = self._process.cgroup
        self._group = cgroups.Group(*group) if group else None
        self._oom_kills = 0
        self._control.settimeout(_START_S)
        try:
            framing.receive_bytes(self._control, _MAX_REPORT)
        except (OSError, EOFError, ValueError) as error:
            self.close()
            raise SandboxError(f"the fork server did not start: {error}") from error

    def spawn(self) -> Cell:
        number = self._next
        self._next += 1
        try:
            framing.send(self._control, {"spawn": number})
            self._control.settimeout(_START_S)
            while True:
                reply, fds = framing.receive_with_fds(self._control, 1)
                if reply.get("spawned") == number:
                    break
                self._report(reply)
        except (OSError, EOFError, ValueError) as error:
            self.broken = True
            raise SandboxError(f"the fork server does not answer: {error}") from error
        cell = Cell(self, number, socket.socket(fileno=fds[0]))
        self._cells[number] = cell
        return cell

    def kill(self, number: int) -> None:
        with contextlib.suppress(OSError):
            framing.send(self._control, {"kill": number})

    def forget(self, number: int) -> None:
        self._cells.pop(number, None)

    def fileno(self) -> int:
        return self._control.fileno()

    def pump(self, timeout_s: float) -> bool:
        """Takes in one report of the fork server, if one comes in time."""
        poll = select.poll()  # select() cannot take the high descriptors of a busy actor
        poll.register(self._control, select.POLLIN)
        if not poll.poll(max(0, int(timeout_s * 1000) + 1)):
            return False
        try:
            self._report(json.loads(framing.receive_bytes(self._control, _MAX_REPORT)))
        except (OSError, EOFError, ValueError) as error:
            self.broken = True
            raise SandboxError(f"the fork server is gone: {error}") from error
        return True

    def _report(self, reply: Mapping[str, Json]) -> None:
        cell = self._cells.get(reply.get("exited", -1))
        if cell is not None:
            oom = False
            if self._group and os.WIFSIGNALED(reply["status"]):
                kills = self._group.oom_kills()
                oom, self._oom_kills = kills > self._oom_kills, kills
            cell.exit = Exit(reply["status"], reply["cpu_s"], reply["max_rss_kb"], oom)

    def close(self) -> None:
        self.broken = True
        self._control.close()
        self._process.close()
