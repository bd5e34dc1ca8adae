"""The Linux calls that Python lacks, through ctypes: no compiler and no package is needed on a worker node.

Promises: every function raises OSError with the kernel's errno on failure. Linux on x86_64 and aarch64 only
(`SUPPORTED` says whether this is one). Imports nothing but the standard library, so that a bare `python -I -S` can use
it.
Does not: decide what to isolate (launcher.py and the code verifier's cells do).
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import sys
from typing import ClassVar

MACHINE = platform.machine()
SUPPORTED = sys.platform == "linux" and MACHINE in ("x86_64", "aarch64")
_ARM = MACHINE == "aarch64"

CLONE_NEWTIME = 0x00000080
CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
CLONE_NAMESPACES = (
    CLONE_NEWTIME
    | CLONE_NEWNS
    | CLONE_NEWCGROUP
    | CLONE_NEWUTS
    | CLONE_NEWIPC
    | CLONE_NEWUSER
    | CLONE_NEWPID
    | CLONE_NEWNET
)
CLONE_VM, CLONE_FS, CLONE_FILES = 0x00000100, 0x00000200, 0x00000400
CLONE_THREAD = 0x00010000
SIGCHLD = 17

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
MNT_DETACH = 2

MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_RAISE = 2
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_LAST_CAPABILITY = 63  # higher than any kernel's; the first EINVAL ends the loops

_SYS_CLONE = 220 if _ARM else 56
_SYS_PIVOT_ROOT = 41 if _ARM else 155
_SYS_CAPGET = 90 if _ARM else 125
_SYS_CAPSET = 91 if _ARM else 126
_SYS_SECCOMP = 277 if _ARM else 317
_SYS_CLOSE_RANGE = 436
_SYS_MOUNT_SETATTR = 442
_SYS_LANDLOCK_CREATE_RULESET = 444
_SYS_LANDLOCK_ADD_RULE = 445
_SYS_LANDLOCK_RESTRICT_SELF = 446

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.clone.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
_libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong, ctypes.c_ulong)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _syscall(what: str, number: int, *arguments: object) -> int:
    # ctypes passes bare integers as C ints; the kernel reads full registers.
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _check(_libc.syscall(ctypes.c_long(number), *wide), what)


def clone(flags: int) -> int:
    """fork() with namespace flags: 0 in the child, the child's pid in the parent. The caller must be single-threaded.

    The child skips libc's fork handlers, so it should exec, or at least start no threads before it forks or execs.
    """
    return _syscall("clone", _SYS_CLONE, flags | SIGCHLD, 0, 0, 0, 0)


def unshare(flags: int) -> None:
    _check(_libc.unshare(ctypes.c_int(flags)), "unshare")


def join(pidfd: int, flags: int) -> None:
    """setns(2): joins the namespaces `flags` of another process; with CLONE_NEWPID only later children do."""
    _check(_libc.setns(ctypes.c_int(pidfd), ctypes.c_int(flags)), "setns")


_PAUSE_STACK = 16 << 10
_STACK_ALIGNMENT = 16
_SIGNAL_SET_BYTES = 128
_ALL_SIGNALS = b"\xff" * _SIGNAL_SET_BYTES


class Pause:
    """A process that waits to be killed: the first process of a PID namespace, when it is made after unshare.

    It shares this process's memory and files, so it costs no copy of them, and it runs nothing but libc's `pause` on a
    stack of its own. All signals are blocked in it, so it never enters a handler of this process. The caller must be
    single-threaded.
    """

    _free: ClassVar[list[ctypes.Array[ctypes.c_char]]] = []

    def __init__(self) -> None:
        self._stack = self._free.pop() if self._free else ctypes.create_string_buffer(_PAUSE_STACK)
        top = ctypes.addressof(self._stack) + _PAUSE_STACK
        entry = ctypes.cast(_libc.pause, ctypes.c_void_p)
        flags = CLONE_VM | CLONE_FS | CLONE_FILES | SIGCHLD
        before = ctypes.create_string_buffer(_SIGNAL_SET_BYTES)
        _libc.sigprocmask(signal.SIG_SETMASK, _ALL_SIGNALS, before)  # Python's own takes 0.2 ms for its sets
        try:
            self.pid = _check(_libc.clone(entry, top - top % _STACK_ALIGNMENT, flags, None), "clone")
        finally:
            _libc.sigprocmask(signal.SIG_SETMASK, before, None)

    def end(self) -> None:
        """Kills it, with all that is left in its namespace, and returns when nothing is."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._free.append(self._stack)


def mount(source: str, target: str, fstype: str = "", flags: int = 0, data: str = "") -> None:
    _check(
        _libc.mount(source.encode(), target.encode(), fstype.encode() or None, flags, data.encode() or None),
        f"mount {fstype or source} on {target}",
    )


class _MountAttr(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("attr_set", "attr_clr", "propagation", "userns_fd")]


def set_mount_attributes(target: str, attributes: int, *, recursive: bool) -> None:
    """mount_setattr(2), Linux 5.12: adds MOUNT_ATTR_* flags."""
    attr = _MountAttr(attr_set=attributes)
    path = ctypes.c_char_p(target.encode())
    flags = _AT_RECURSIVE if recursive else 0
    size = ctypes.sizeof(attr)
    _syscall(f"mount_setattr {target}", _SYS_MOUNT_SETATTR, _AT_FDCWD, path, flags, ctypes.byref(attr), size)


def unmount(target: str) -> None:
    """Unmounts lazily: open files stay valid, the tree is gone at once."""
    _check(_libc.umount2(ctypes.c_char_p(target.encode()), ctypes.c_int(MNT_DETACH)), f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    new, old = ctypes.c_char_p(new_root.encode()), ctypes.c_char_p(put_old.encode())
    _syscall("pivot_root", _SYS_PIVOT_ROOT, new, old)


def prctl(option: int, value: int = 0, third: int = 0) -> None:
    _check(_libc.prctl(option, value, third, 0, 0), f"prctl {option}")


def die_with_parent() -> None:
    """Has the kernel send SIGKILL to this process when its parent *thread* ends. To be set after the last change of
    user."""
    prctl(_PR_SET_PDEATHSIG, 9)


def adopt_orphans() -> None:
    """Makes this process the parent of descendants whose own parent has ended."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def set_dumpable(dumpable: bool) -> None:
    """Sets whether this process is dumpable. If not, /proc/<pid>/mem, environ and fd are closed to processes of the
    same user."""
    prctl(_PR_SET_DUMPABLE, int(dumpable))


def set_no_new_privileges() -> None:
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint32) for name in ("effective", "permitted", "inheritable")]


_CAPABILITY_VERSION_3 = 0x20080522


def keep_capabilities_over_exec() -> None:
    """Makes every permitted capability ambient. Capabilities then survive an exec by a user other than 0 in this
    namespace."""
    header, data = _CapHeader(_CAPABILITY_VERSION_3, 0), (_CapData * 2)()
    _syscall("capget", _SYS_CAPGET, ctypes.byref(header), ctypes.byref(data))
    for word in data:
        word.inheritable = word.permitted
    _syscall("capset", _SYS_CAPSET, ctypes.byref(header), ctypes.byref(data))
    for capability in range(_LAST_CAPABILITY + 1):
        if data[capability // 32].permitted >> (capability % 32) & 1:
            prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, capability)


def drop_bounding_set() -> None:
    """Ensures that no later exec can gain a capability. Capabilities that are held stay."""
    for capability in range(_LAST_CAPABILITY + 1):
        try:
            prctl(_PR_CAPBSET_DROP, capability)
        except OSError:
            break  # past the kernel's last one, or no right to drop (then no_new_privs has to do)
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)


def drop_capabilities() -> None:
    """Empties the inheritable, permitted and effective sets of this thread, for good."""
    header, data = _CapHeader(_CAPABILITY_VERSION_3, 0), (_CapData * 2)()
    _syscall("capset", _SYS_CAPSET, ctypes.byref(header), ctypes.byref(data))


def close_descriptors(first: int, last: int = 0x7FFFFFFF) -> None:
    if first <= last:
        _syscall("close_range", _SYS_CLOSE_RANGE, first, last, 0)


def close_all_descriptors_but(keep: set[int]) -> None:
    first = 0
    for fd in sorted(keep):
        close_descriptors(first, fd - 1)
        first = fd + 1
    close_descriptors(first)


class _SockFprog(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def install_seccomp(program: bytes) -> None:
    """Installs a BPF program (8 bytes per instruction) for this thread and its children. Needs no_new_privs."""
    fprog = _SockFprog(len(program) // 8, program)
    _syscall("seccomp", _SYS_SECCOMP, 1, 0, ctypes.byref(fprog))


class _LandlockRuleset(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("handled_access_fs", "handled_access_net", "scoped")]


class _LandlockPathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("allowed_access", ctypes.c_uint64), ("parent_fd", ctypes.c_int32)]


LANDLOCK_READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read_file, read_dir
_LANDLOCK_RULE_PATH_BENEATH = 1
# By ABI version: file-system rights 1 << 0 up to this bit, exclusive.
_LANDLOCK_FS_BITS = {1: 13, 2: 14, 3: 15, 4: 15}
_LANDLOCK_FILE_RIGHTS = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14 | 1 << 15  # what a rule for a plain file may name


def landlock_abi() -> int:
    """The kernel's Landlock ABI version; 0 where the kernel has no Landlock."""
    try:
        return _syscall("landlock", _SYS_LANDLOCK_CREATE_RULESET, ctypes.c_void_p(None), 0, 1)
    except OSError:
        return 0


def restrict_files(abi: int, readable: list[str], writable: list[str]) -> None:
    """Restricts this thread by Landlock: reading and executing only beneath `readable`, everything else only beneath
    `writable`. From ABI 4 on no TCP, from ABI 6 on no abstract sockets and no signals out of the domain. Needs
    no_new_privs."""
    handled = (1 << _LANDLOCK_FS_BITS.get(abi, 16)) - 1
    ruleset = _LandlockRuleset(handled_access_fs=handled)
    size = 8
    if abi >= 4:
        ruleset.handled_access_net, size = 3, 16
    if abi >= 6:
        ruleset.scoped, size = 3, 24
    fd = _syscall("landlock_create_ruleset", _SYS_LANDLOCK_CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    try:
        for paths, rights in ((readable, LANDLOCK_READ), (writable, handled)):
            for path in paths:
                try:
                    target = os.open(path, os.O_PATH | os.O_CLOEXEC)
                except FileNotFoundError:
                    continue
                try:
                    is_directory = os.path.isdir(path)
                    allowed = rights if is_directory else rights & _LANDLOCK_FILE_RIGHTS
                    rule = _LandlockPathBeneath(allowed_access=allowed & handled, parent_fd=target)
                    kind = _LANDLOCK_RULE_PATH_BENEATH
                    _syscall("landlock_add_rule", _SYS_LANDLOCK_ADD_RULE, fd, kind, ctypes.byref(rule), 0)
                finally:
                    os.close(target)
        _syscall("landlock_restrict_self", _SYS_LANDLOCK_RESTRICT_SELF, fd, 0)
    finally:
        os.close(fd)


def open_to_everybody(path: str) -> bool:
    """Whether the user `nobody` could execute it. Without a mount namespace only root can run an interpreter below
    /root."""
    while path != "/":
        if not os.stat(path).st_mode & 1:
            return False
        path = os.path.dirname(path)
    return True
