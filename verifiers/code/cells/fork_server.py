"""The warm interpreter of one slot: forks a clean cell for every program. Runs inside a room, as its administrator.

A cell is a fork in PID and mount namespaces of its own: a new /tmp, a /proc that shows only itself, user nobody,
no capabilities, the system-call filter and Landlock. The first process of that PID namespace is another, which only
waits (kernel.Pause). It is prepared before it is needed and gets its program over a
socket that the fork server holds no end of: this process never sees a line of a candidate, so no later cell can
inherit one.

Shared by the cells of one slot, one after the other: the network namespace (empty; sockets are refused anyway), the
control group and the read-only root. Where there are no namespaces, a cell is a fork under Landlock and the filter
alone: it cannot start processes, write files or signal others.

Protocol on standard input (a socketpair with the judge; see frames.py): in `{"spawn": id}`, `{"kill": id}`; out
`{"spawned": id}` with the judge's end of the cell's channel, `{"exited": id, "status", "cpu_s", "max_rss_kb"}`.
It ends, and every cell with it, when that socket closes.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys
from typing import Any

from verifiers.code.cells import checker_host, guest
from verifiers.code.wire import framing
from verifiers.sandbox import kernel, seccomp

_CHANNEL_FD = 3
NOBODY = 65534
_THREAD_STACK = 8 << 20
_PLAIN = kernel.MS_NOSUID | kernel.MS_NODEV

# Imported here once, so that no candidate pays for them; what else it imports is read from the disk as usual.
PRELOADED = [
    "bisect",
    "collections",
    "copy",
    "datetime",
    "decimal",
    "fractions",
    "functools",
    "heapq",
    "itertools",
    "math",
    "operator",
    "re",
    "statistics",
    "string",
    "typing",
    "dataclasses",
    "enum",
    "io",
    "time",
    "traceback",
    "threading",
    "queue",
    "textwrap",
]


def _set_default_thread_stack(size: int) -> None:
    """glibc takes the stack limit at program start, here a very high one, as every thread's stack size."""
    libc = ctypes.CDLL(None)
    attributes = ctypes.create_string_buffer(128)
    with contextlib.suppress(AttributeError):  # not glibc: its threads have small fixed stacks
        if libc.pthread_getattr_default_np(attributes) == 0:
            libc.pthread_attr_setstacksize(attributes, ctypes.c_size_t(size))
            libc.pthread_setattr_default_np(attributes)


def _return_free_memory() -> None:
    """Gives back what reading and compiling the modules has left free, which every fork would copy the tables of."""
    with contextlib.suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(ctypes.c_size_t(0))


class Cell:
    def __init__(self, pid: int, channel: socket.socket, init: kernel.Pause | None) -> None:
        self.pid = pid
        self.channel: socket.socket | None = channel
        self.pidfd = os.pidfd_open(pid)
        self.init = init
        """The first process of its PID namespace, where it has one of its own."""
        self.id = -1


class ForkServer:
    def __init__(self, settings: dict[str, Any], paired_modes: dict[str, guest.PairedMode]) -> None:
        self.paired_modes = paired_modes
        self.namespaces: bool = settings["boundary"] == "namespaces"
        self.unprotected: bool = settings["boundary"] == "none"
        self.landlock: int = settings["landlock"]
        self.readable: list[str] = settings["readable"]
        self.tmp_mb: int = settings["tmp_mb"]
        self.as_root: bool = settings["as_root"]
        self.filter = seccomp.assemble_withdrawal(kernel.MACHINE)
        self.control = socket.socket(fileno=os.dup(0))
        self.own = os.pidfd_open(os.getpid())
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, 0)
        os.close(null)
        self.ready: Cell | None = None
        self.cells: dict[int, Cell] = {}

    def _fork(self) -> tuple[int, kernel.Pause | None]:
        """The pid of a cell, or 0 in it, and the first process of its PID namespace.

        A cell is not that first process itself: the kernel drops signals to it that it does not handle, so a program
        that kills itself would live on.
        """
        if not self.namespaces:
            return os.fork(), None
        kernel.unshare(kernel.CLONE_NEWPID)  # for the next children; this process stays where it is
        pid, init = -1, None
        try:
            init = kernel.Pause()
            pid = kernel.clone(kernel.CLONE_NEWNS)
        finally:
            if pid != 0:
                kernel.join(self.own, kernel.CLONE_NEWPID)
            if pid < 0 and init is not None:
                init.end()
        return pid, init

    def prepare(self) -> Cell:
        ours, theirs = socket.socketpair()
        pid, init = self._fork()
        if pid == 0:
            status = 126
            try:
                os.dup2(theirs.fileno(), _CHANNEL_FD)
                kernel.close_descriptors(_CHANNEL_FD + 1)
                for spent in (ours, theirs, self.control):
                    spent.detach()
                for cell in (*self.cells.values(), *([self.ready] if self.ready else [])):
                    if cell.channel:
                        cell.channel.detach()
                channel = socket.socket(fileno=_CHANNEL_FD)
                channel.set_inheritable(False)
                self._confine()
                if not self.namespaces and not self.unprotected:
                    guest.watch_denied_operations()
                framing.send(channel, {"confined": True})
                status = guest.serve(channel, self.paired_modes, checker_host.MODES)
            except BaseException as error:
                with contextlib.suppress(BaseException):
                    framing.send(socket.socket(fileno=_CHANNEL_FD), {"broken": f"{type(error).__name__}: {error}"})
            finally:
                os._exit(status)
        theirs.close()
        return Cell(pid, ours, init)

    def _confine(self) -> None:
        os.setsid()  # a signal to its own process group reaches nothing else
        kernel.set_dumpable(True)  # else /proc/self belongs to root, and /dev/stdin cannot be opened
        with contextlib.suppress(OSError):  # the fork server itself is exempt: the kernel shall choose the cell
            fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
            os.write(fd, b"1000")
            os.close(fd)
        if self.unprotected:
            kernel.die_with_parent()
            return
        if self.namespaces:
            kernel.mount("tmpfs", "/tmp", "tmpfs", _PLAIN, f"size={self.tmp_mb}m,nr_inodes=8192,mode=1777")
            os.mkdir("/tmp/.shm")
            os.chmod("/tmp/.shm", 0o1777)
            # Hidden are processes that the program may not look into: the first one of its namespace.
            for options in ("subset=pid,hidepid=4", "hidepid=4", "hidepid=2", "subset=pid", ""):
                try:
                    kernel.mount("proc", "/proc", "proc", _PLAIN | kernel.MS_NOEXEC | kernel.MS_RDONLY, options)
                    break
                except OSError:
                    continue
            else:
                # The room's own /proc would show the fork server and the neighbours.
                kernel.mount("tmpfs", "/proc", "tmpfs", _PLAIN | kernel.MS_RDONLY, "size=4k")
            if self.as_root:
                os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            os.chdir("/tmp")
        elif os.geteuid() == 0 and kernel.open_to_everybody(sys.executable):
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
        if self.namespaces:
            kernel.set_dumpable(True)  # the change of user has reset it
        kernel.drop_capabilities()
        kernel.set_no_new_privileges()
        if self.landlock:
            if self.namespaces:
                kernel.restrict_files(self.landlock, ["/"], ["/tmp", "/dev/null"])
            else:
                kernel.restrict_files(self.landlock, self.readable, ["/dev/null"])
        if not self.namespaces:
            kernel.die_with_parent()
        program = self.filter if self.namespaces else seccomp.assemble(kernel.MACHINE, only_pid=os.getpid())
        kernel.install_seccomp(program)

    def _handle(self, message: dict[str, Any]) -> None:
        if "spawn" in message:
            cell = self.ready or self.prepare()
            self.ready = None
            cell.id = message["spawn"]
            self.cells[cell.id] = cell
            assert cell.channel is not None
            framing.send(self.control, {"spawned": cell.id}, (cell.channel.fileno(),))
            cell.channel.close()
            cell.channel = None
        elif (cell_ := self.cells.get(message["kill"])) is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(cell_.pid, signal.SIGKILL)

    def _reap(self, cell: Cell) -> None:
        _, status, usage = os.wait4(cell.pid, 0)
        os.close(cell.pidfd)
        if cell.init is not None:
            cell.init.end()
        if cell is self.ready:
            self.ready = None
            return
        del self.cells[cell.id]
        report = {
            "exited": cell.id,
            "status": status,
            "cpu_s": usage.ru_utime + usage.ru_stime,
            "max_rss_kb": usage.ru_maxrss,
        }
        framing.send(self.control, report)

    def run(self) -> None:
        while True:
            poll = select.poll()
            poll.register(self.control.fileno(), select.POLLIN)
            watched = {cell.pidfd: cell for cell in self.cells.values()}
            if self.ready:
                watched[self.ready.pidfd] = self.ready
            for fd in watched:
                poll.register(fd, select.POLLIN)
            events = {fd for fd, _ in poll.poll()}
            for fd in events & watched.keys():
                self._reap(watched[fd])
            if self.control.fileno() in events:
                try:
                    self._handle(json.loads(framing.receive_bytes(self.control, 1 << 16)))
                except EOFError:
                    return
            elif not self.ready:
                with contextlib.suppress(OSError):  # a running cell may hold all processes there may be
                    self.ready = self.prepare()


def _enter_own_namespace() -> None:
    """Goes on in a child that is the first process of a PID namespace which belongs to the room's own user namespace.

    The room's belongs to the machine's where it was made as root, and then no process could come back to it after it
    has made a cell in another one.
    """
    kernel.unshare(kernel.CLONE_NEWPID)
    pid = os.fork()
    if pid:
        kernel.close_descriptors(0)  # the judge has to see the end of the fork server's own
        _, status = os.waitpid(pid, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def main() -> None:
    kernel.set_dumpable(False)
    settings = json.loads(sys.argv[1])
    for name in (*PRELOADED, *settings["preload"]):
        with contextlib.suppress(ImportError):
            __import__(name)
    _set_default_thread_stack(_THREAD_STACK)
    sys.set_int_max_str_digits(0)  # the cells' CPU limit ends what that guards against, and honest programs print them
    paired_modes = importlib.import_module(settings["paired_modes"]).MODES
    guest.livecodebench_names()
    guest.forget_verifier(settings["packages"])
    if settings["boundary"] == "namespaces":
        _enter_own_namespace()
        kernel.drop_bounding_set()
        kernel.set_no_new_privileges()
        kernel.install_seccomp(seccomp.assemble(kernel.MACHINE, administrator=True))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    server = ForkServer(settings, paired_modes)
    # Collected garbage would dirty the pages that every cell shares with this process.
    gc.collect()
    _return_free_memory()
    gc.freeze()
    framing.send(server.control, {"ready": True})
    server.run()
