"""The small process that starts one sandboxed process, watches it, and dies with the process that started it.

Runs as `python -I -S -c …` with an empty environment: a fresh single-threaded process, because the caller (a Ray actor)
has threads and must not fork. It reads a room specification (see room.py) from its control socket, makes the room,
executes the command in it, answers `{"ready": true}` or `{"error": …}`, and at the end `{"status": …, "oom_kills": …}`.

Promises: the sandboxed process and all its descendants are dead when this process has ended, also when it is killed
(PR_SET_PDEATHSIG on a PID namespace's first process); it ends when the control socket closes or its parent dies; the
control group is removed, except when this very process is killed (then the next start removes it).
Does not: choose the tier (room.py does, by trying).
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import socket
import sys
from typing import Any

from verifiers.sandbox import cgroups, kernel, seccomp

NOBODY = 65534
_OVERHEAD_BYTES = 48 << 20  # share of the group's memory for the first process itself, its page tables and pipes
_ERROR_CHARS = 2000
_DEVICES = ("null", "zero", "full", "random", "urandom")
_LOCKED = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV
_PLAIN = kernel.MS_NOSUID | kernel.MS_NODEV
_MOUNT_NAMESPACES = (
    kernel.CLONE_NEWPID | kernel.CLONE_NEWNS | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS
)

Spec = dict[str, Any]


def _identity_map(first: int) -> list[tuple[int, int]]:
    """(inside, outside) user ids: an administrator of the room, and nobody. Neither is a user of the machine."""
    return [(0, first), (NOBODY, first + 1)]


def _first_free_id(path: str) -> int | None:
    """The first of two ids for one room, from this namespace's own: high unused ones, or a container's last."""
    with open(path, encoding="ascii") as file:
        extents = [[int(word) for word in line.split()] for line in file]
    start, _, count = max(extents, key=lambda extent: extent[2])
    if count >= 1 << 31:
        return 1_800_000_000 + 2 * (os.getpid() % 4_000_000)
    return start + count - 2 if count > 1000 else None


def _write_maps(pid: int, root: bool) -> None:
    """Raises OSError where the kernel forbids it."""
    if root:
        for kind in ("uid", "gid"):
            first = _first_free_id(f"/proc/self/{kind}_map")
            if first is None:
                raise OSError(f"too few {kind}s in this container for a user of its own")
            lines = "\n".join(f"{inside} {outside} 1" for inside, outside in _identity_map(first))
            cgroups._write(f"/proc/{pid}/{kind}_map", lines)
    else:
        cgroups._write(f"/proc/{pid}/setgroups", "deny")
        cgroups._write(f"/proc/{pid}/uid_map", f"{NOBODY} {os.geteuid()} 1")
        cgroups._write(f"/proc/{pid}/gid_map", f"{NOBODY} {os.getegid()} 1")


def _make_place(path: str, directory: bool) -> None:
    os.makedirs(path if directory else os.path.dirname(path), exist_ok=True)
    if not directory:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o644))


def _bind(source: str, target: str, attributes: int) -> None:
    _make_place(target, os.path.isdir(source))
    kernel.mount(source, target, "", kernel.MS_BIND | kernel.MS_REC)
    kernel.set_mount_attributes(target, attributes, recursive=True)


def _mount_proc(target: str, everything: bool) -> None:
    """Mounts a /proc with the room's own processes. An administrator's cells may mount theirs only where a whole /proc
    is visible."""
    for options in ("",) if everything else ("subset=pid", ""):
        with contextlib.suppress(OSError):  # a container that hides parts of /proc may not mount another one
            kernel.mount("proc", target, "proc", _PLAIN | kernel.MS_NOEXEC, options)
            return


def _build_root(spec: Spec) -> None:
    """Replaces the root directory by a read-only one that holds what the specification names, and nothing else."""
    kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
    # Two steps, so that every host path stays reachable (below /host) while the room is built, /tmp included.
    kernel.mount("tmpfs", "/tmp", "tmpfs", _PLAIN, "size=1m,mode=755")
    os.mkdir("/tmp/host")
    kernel.pivot_root("/tmp", "/tmp/host")
    os.chdir("/")
    os.mkdir("/room")
    kernel.mount("tmpfs", "/room", "tmpfs", _PLAIN, "size=4m,mode=755")
    for target, source in sorted(spec["read_only"].items()):
        _bind("/host" + source, "/room" + target, _LOCKED)
    for target in spec["hidden"]:
        if os.path.isdir("/room" + target):
            kernel.mount("tmpfs", "/room" + target, "tmpfs", _PLAIN | kernel.MS_RDONLY, "size=4k,mode=755")
    for target, destination in spec["symlinks"].items():
        os.makedirs(os.path.dirname("/room" + target), exist_ok=True)
        os.symlink(destination, "/room" + target)
    for target, text in spec["files"].items():
        _make_place("/room" + target, directory=False)
        with open("/room" + target, "w", encoding="utf-8") as file:
            file.write(text)
    for name in _DEVICES:
        if os.path.exists("/host/dev/" + name):
            attributes = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NOEXEC
            _bind("/host/dev/" + name, "/room/dev/" + name, attributes)
    os.symlink("/tmp/.shm", "/room/dev/shm")
    os.symlink("/proc/self/fd", "/room/dev/fd")
    for name in ("stdin", "stdout", "stderr"):
        os.symlink(f"/proc/self/fd/{('stdin', 'stdout', 'stderr').index(name)}", f"/room/dev/{name}")
    os.makedirs("/room/proc", exist_ok=True)
    _mount_proc("/room/proc", everything=spec["administrator"])
    os.makedirs("/room/tmp", exist_ok=True)
    if spec["tmp_mb"]:
        size = f"size={spec['tmp_mb']}m,nr_inodes=8192,mode=1777"
        kernel.mount("tmpfs", "/room/tmp", "tmpfs", _PLAIN, size)
        os.mkdir("/room/tmp/.shm")
        os.chmod("/room/tmp/.shm", 0o1777)
    kernel.set_mount_attributes("/room", _LOCKED, recursive=False)
    kernel.unmount("/host")
    os.chdir("/room")
    kernel.pivot_root(".", ".")
    kernel.unmount(".")
    os.chdir("/")


def _set_limits(limits: dict[str, int], stack: int) -> None:
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(number)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard) if value != -1 else hard
        resource.setrlimit(number, (value, value))
    # Honest programs raise their own stack limit, which needs a high hard limit. Other limits bound memory.
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    soft = stack if hard == resource.RLIM_INFINITY else min(stack, hard)
    resource.setrlimit(resource.RLIMIT_STACK, (soft, hard))


def _readable_paths(spec: Spec) -> list[str]:
    return [*spec["read_only"].values(), *(f"/dev/{name}" for name in _DEVICES)]


def _confine(spec: Spec, namespaces: bool) -> None:
    """The last steps of a process that runs untrusted work itself."""
    kernel.drop_bounding_set()
    kernel.drop_capabilities()
    kernel.set_no_new_privileges()
    if spec["landlock"]:
        if namespaces:
            kernel.restrict_files(spec["landlock"], ["/"], ["/tmp", "/dev/null"] if spec["tmp_mb"] else ["/dev/null"])
        else:
            kernel.restrict_files(spec["landlock"], _readable_paths(spec), ["/dev/null"])
    kernel.die_with_parent()
    kernel.install_seccomp(seccomp.assemble(kernel.MACHINE, only_pid=None if namespaces else os.getpid()))


def _become(spec: Spec, group: cgroups.Group | None, told: int, tell: int) -> None:
    """Takes the child into the room, up to the exec. `told` and `tell` are pipes to the launcher for the id maps."""
    namespaces = spec["boundary"] == "namespaces"
    root = spec["as_root"]
    if group:
        group.join()
    os.setsid()
    if namespaces:
        if not root:
            os.read(told, 1)  # the maps are written
        else:
            os.setgroups([])
        _build_root(spec)
        if root:
            kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNS)
            os.write(tell, b"m")
            if os.read(told, 1) != b"m":
                raise OSError("the launcher could not write the id maps")
            user = 0 if spec["administrator"] else NOBODY
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        elif spec["administrator"]:
            kernel.keep_capabilities_over_exec()
        if spec["hostname"]:
            with contextlib.suppress(OSError):
                socket.sethostname(spec["hostname"])
    elif root and not spec["administrator"] and kernel.open_to_everybody(spec["argv"][0]):
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    os.umask(0o022)
    os.chdir(spec["cwd"] if namespaces else "/")
    # A new program lays out its memory and its threads by the stack limit. Deep recursion in a cell needs a high
    # one; in a program with threads of its own a high one would waste address space.
    _set_limits(spec["limits"], 1 << 30 if spec["administrator"] else 8 << 20)
    for number in range(1, signal.NSIG):
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    if spec["administrator"] or spec["boundary"] == "none":
        kernel.die_with_parent()
    else:
        _confine(spec, namespaces)


def _spawn(spec: Spec, group: cgroups.Group | None) -> int:
    """Returns the child's pid once its exec has succeeded; raises OSError with the step that failed."""
    told_r, told_w = os.pipe()
    tell_r, tell_w = os.pipe()
    failure_r, failure_w = os.pipe()
    namespaces, root = spec["boundary"] == "namespaces", spec["as_root"]
    flags = _MOUNT_NAMESPACES | (0 if root else kernel.CLONE_NEWUSER) if namespaces else 0
    pid = kernel.clone(flags)
    if pid == 0:
        try:
            _become(spec, group, told_r, tell_w)
            kernel.close_all_descriptors_but({0, 1, 2, failure_w, *spec["pass_fds"]})
            for fd in spec["pass_fds"]:
                os.set_inheritable(fd, True)
            os.execve(spec["argv"][0], spec["argv"], spec["env"])
        except BaseException as error:
            os.write(failure_w, f"{type(error).__name__}: {error}".encode()[:_ERROR_CHARS])
        finally:
            os._exit(127)
    for fd in (told_r, tell_w, failure_w):
        os.close(fd)
    problem = ""
    try:
        if namespaces and (not root or os.read(tell_r, 1) == b"m"):
            _write_maps(pid, root)
            os.write(told_w, b"m")
    except OSError as error:
        problem = f"id maps: {error}"
    os.close(told_w)
    os.close(tell_r)
    with open(failure_r, "rb") as file:
        problem = file.read().decode(errors="replace") or problem
    if problem:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise OSError(problem)
    return pid


def _watch(control: socket.socket, parent: int, pid: int) -> int:
    """Waits for the child's end, and brings it about when the control socket closes or the parent is gone."""
    child = os.pidfd_open(pid)
    poll = select.poll()
    for fd in (control.fileno(), parent, child):
        poll.register(fd, select.POLLIN)
    while True:
        events = {fd for fd, _ in poll.poll()}
        if events & {control.fileno(), parent}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            return os.waitpid(pid, 0)[1]
        if child in events:
            return os.waitpid(pid, 0)[1]


def _send(control: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        control.sendall(json.dumps(message).encode() + b"\n")


def main() -> None:
    """`argv`: control descriptor, pid of the caller."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    parent = os.pidfd_open(os.getppid())
    if os.getppid() != int(sys.argv[2]):
        return
    with control.makefile("rb") as lines:
        spec: Spec = json.loads(lines.readline())
    group = None
    try:
        if spec["cgroup"]:
            group = cgroups.make(cgroups.Hierarchy(*spec["cgroup"]), f"{os.getpid()}")
            group.limit((spec["memory_mb"] << 20) + _OVERHEAD_BYTES, spec["processes"])
        pid = _spawn(spec, group)
        if spec["administrator"] and group:
            # The room's own process must outlive a memory-hungry cell; its cells raise their score again.
            with contextlib.suppress(OSError):
                cgroups._write(f"/proc/{pid}/oom_score_adj", "-1000")
        # The pipes belong to the child alone: the caller must see their end when it dies.
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        for fd in spec["pass_fds"]:
            os.close(fd)
        _send(control, {"ready": True, "cgroup": [group.version, group.memory, group.pids] if group else None})
        status = _watch(control, parent, pid)
        _send(control, {"status": status, "oom_kills": group.oom_kills() if group else 0})
    except Exception as error:
        _send(control, {"error": f"{type(error).__name__}: {error}"[:_ERROR_CHARS]})
    finally:
        if group:
            group.remove()
