"""A control group for one sandbox, where one can be made: a cap on memory and processes that counts the whole tree.

Promises: `find` returns only hierarchies in which a group was really made and a limit really written; `Group.remove`
kills what is left inside. Works with version 1 (memory and pids controllers) and version 2 (delegated subtree).
Does not: move any process that was there before, or enable a controller that the parent group keeps for itself. Where
nothing is writable the callers fall back on per-process rlimits and say so in the tier.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import time

_PREFIX = "proofmill-"
_REMOVE_S = 2.0  # an emptied group can stay busy for a moment


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _read(path: str) -> str:
    with open(path, encoding="ascii") as file:
        return file.read()


@dataclasses.dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where groups can be made. `memory` and `pids` are the same directory in version 2."""

    version: int
    memory: str
    pids: str


@dataclasses.dataclass(frozen=True, slots=True)
class Group:
    version: int
    memory: str
    pids: str

    def join(self) -> None:
        """Moves the calling process in; its children follow."""
        for path in {self.memory, self.pids}:
            _write(f"{path}/cgroup.procs", "0")

    def limit(self, memory_bytes: int, processes: int) -> None:
        if self.version == 1:
            names = ["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"]
            # The two limits must never cross, so raising starts with the second one.
            if memory_bytes > int(_read(f"{self.memory}/{names[0]}")):
                names.reverse()
            for name in names:
                with contextlib.suppress(FileNotFoundError):  # no swap accounting
                    _write(f"{self.memory}/{name}", str(memory_bytes))
        else:
            _write(f"{self.memory}/memory.max", str(memory_bytes))
            with contextlib.suppress(OSError):
                _write(f"{self.memory}/memory.swap.max", "0")
        _write(f"{self.pids}/pids.max", str(processes))

    def oom_kills(self) -> int:
        """Number of processes that the kernel has killed in this group for lack of memory, since the group was made."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        try:
            for line in _read(f"{self.memory}/{name}").splitlines():
                key, _, value = line.partition(" ")
                if key == "oom_kill":
                    return int(value)
        except (OSError, ValueError):
            pass
        return 0

    def remove(self) -> None:
        deadline = time.monotonic() + _REMOVE_S
        for path in {self.memory, self.pids}:
            while True:
                with contextlib.suppress(OSError):
                    for pid in _read(f"{path}/cgroup.procs").split():
                        os.kill(int(pid), signal.SIGKILL)
                try:
                    os.rmdir(path)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.005)


def make(hierarchy: Hierarchy, name: str) -> Group:
    """Makes a group. Raises OSError when it cannot be made."""
    memory, pids = f"{hierarchy.memory}/{_PREFIX}{name}", f"{hierarchy.pids}/{_PREFIX}{name}"
    for path in {memory, pids}:
        os.mkdir(path)
    return Group(hierarchy.version, memory, pids)


def _mounts() -> list[tuple[str, str, str]]:
    """(mount point, type, super options) of every control group mount."""
    mounts = []
    for line in _read("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        fields, (kind, _, options) = left.split(" "), right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            mounts.append((fields[4], kind, options))
    return mounts


def _candidates() -> list[Hierarchy]:
    own = {}
    for line in _read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            own[controller] = path.rstrip("/")
    mounts = _mounts()
    found = []
    v1 = {
        name: point
        for point, kind, options in mounts
        for name in ("memory", "pids")
        if kind == "cgroup" and name in options.split(",")
    }
    if len(v1) == 2:
        found.append(Hierarchy(1, *(v1[name] + own.get(name, "") for name in ("memory", "pids"))))
        found.append(Hierarchy(1, v1["memory"], v1["pids"]))  # a container may see the mount from its own group
    for point, kind, _ in mounts:
        if kind == "cgroup2":
            for path in dict.fromkeys((point + own.get("", ""), point)):
                found.append(Hierarchy(2, path, path))
    return found


def _usable(hierarchy: Hierarchy) -> bool:
    try:
        if hierarchy.version == 2:
            enabled = _read(f"{hierarchy.memory}/cgroup.subtree_control").split()
            if not {"memory", "pids"} <= set(enabled):
                _write(f"{hierarchy.memory}/cgroup.subtree_control", "+memory +pids")
        group = make(hierarchy, f"probe-{os.getpid()}-{time.monotonic_ns()}")
    except (OSError, ValueError):
        return False
    try:
        group.limit(64 << 20, 16)
        return True
    except (OSError, ValueError):
        return False
    finally:
        group.remove()


def _sweep(hierarchy: Hierarchy) -> None:
    """Removes empty groups whose launcher was killed before it could do so. A group that is not empty stays."""
    for path in {hierarchy.memory, hierarchy.pids}:
        for name in os.listdir(path):
            pid = name.removeprefix(_PREFIX)
            if pid != name and pid.isdecimal() and not os.path.exists(f"/proc/{pid}"):
                with contextlib.suppress(OSError):
                    os.rmdir(f"{path}/{name}")


def find() -> Hierarchy | None:
    """A hierarchy in which this process can make groups, or None."""
    try:
        hierarchy = next((h for h in _candidates() if _usable(h)), None)
        if hierarchy:
            _sweep(hierarchy)
        return hierarchy
    except (OSError, ValueError):
        return None


def memory_limit() -> int:
    """Physical memory in bytes, or the limit of this process's container where that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            text = _read(path).strip()
        except OSError:
            continue
        if text.isdigit() and 0 < int(text) < total:
            return int(text)
    return total
