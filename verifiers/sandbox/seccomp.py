"""The system-call filter of a sandboxed process: an allow-list, as a BPF program assembled here.

Promises: whatever is not on the list fails with EPERM (clone3 with ENOSYS, so that libc falls back to clone, whose
flags can be read); a foreign architecture or the x32 ABI kills. Not on the list, among others: ptrace, process_vm_*,
mount and its kin, unshare, setns, keyctl, bpf, io_uring, perf_event_open, userfaultfd, SysV IPC, every socket but an
AF_UNIX pair, and clone with a namespace flag.
Does not: look behind pointers (seccomp cannot), or limit what the allowed calls may name: namespaces, read-only mounts
and Landlock do.
"""

from __future__ import annotations

import errno
import struct

from verifiers.sandbox.kernel import CLONE_NAMESPACES, CLONE_THREAD

_X86_64 = """
    read=0 write=1 open=2 close=3 stat=4 fstat=5 lstat=6 poll=7 lseek=8 mmap=9 mprotect=10 munmap=11 brk=12
    rt_sigaction=13 rt_sigprocmask=14 rt_sigreturn=15 pread64=17 pwrite64=18 readv=19 writev=20 access=21 pipe=22
    select=23 sched_yield=24 mremap=25 msync=26 mincore=27 madvise=28 dup=32 dup2=33 pause=34 nanosleep=35
    getitimer=36 alarm=37 setitimer=38 getpid=39 sendfile=40 sendto=44 recvfrom=45 sendmsg=46 recvmsg=47 shutdown=48
    getsockname=51 getpeername=52 setsockopt=54 getsockopt=55 execve=59 exit=60 wait4=61 uname=63 flock=73
    fsync=74 fdatasync=75 truncate=76 ftruncate=77 getdents=78 getcwd=79 chdir=80 fchdir=81 rename=82 mkdir=83
    rmdir=84 creat=85 link=86 unlink=87 symlink=88 readlink=89 chmod=90 fchmod=91 chown=92 fchown=93 lchown=94
    umask=95 gettimeofday=96 getrlimit=97 getrusage=98 sysinfo=99 times=100 getuid=102 getgid=104 geteuid=107
    getegid=108 setpgid=109 getppid=110 getpgrp=111 setsid=112 getgroups=115 getresuid=118 getresgid=120 getpgid=121
    getsid=124 capget=125 rt_sigpending=127 rt_sigtimedwait=128 rt_sigsuspend=130 sigaltstack=131 utime=132
    statfs=137 fstatfs=138 getpriority=140 sched_getparam=143 sched_getscheduler=145 sched_get_priority_max=146
    sched_get_priority_min=147 sched_rr_get_interval=148 mlock=149 munlock=150 mlockall=151 munlockall=152 prctl=157
    arch_prctl=158 setrlimit=160 sync=162 gettid=186 readahead=187 getxattr=191 lgetxattr=192 fgetxattr=193
    listxattr=194 llistxattr=195 flistxattr=196 time=201 futex=202 sched_getaffinity=204 epoll_create=213
    getdents64=217 set_tid_address=218 restart_syscall=219 fadvise64=221 timer_create=222 timer_settime=223
    timer_gettime=224 timer_getoverrun=225 timer_delete=226 clock_gettime=228 clock_getres=229 clock_nanosleep=230
    exit_group=231 epoll_wait=232 epoll_ctl=233 utimes=235 waitid=247 openat=257 mkdirat=258 fchownat=260
    futimesat=261 newfstatat=262 unlinkat=263 renameat=264 linkat=265 symlinkat=266 readlinkat=267 fchmodat=268
    faccessat=269 pselect6=270 ppoll=271 set_robust_list=273 get_robust_list=274 splice=275 tee=276
    sync_file_range=277 vmsplice=278 utimensat=280 epoll_pwait=281 signalfd=282 timerfd_create=283 eventfd=284
    fallocate=285 timerfd_settime=286 timerfd_gettime=287 signalfd4=289 eventfd2=290 epoll_create1=291 dup3=292
    pipe2=293 preadv=295 pwritev=296 recvmmsg=299 sendmmsg=307 getcpu=309 sched_getattr=315 renameat2=316
    getrandom=318 memfd_create=319 execveat=322 membarrier=324 mlock2=325 copy_file_range=326 preadv2=327
    pwritev2=328 pkey_mprotect=329 pkey_alloc=330 pkey_free=331 statx=332 rseq=334 close_range=436 openat2=437
    faccessat2=439 epoll_pwait2=441 futex_waitv=449
"""
_AARCH64 = """
    getxattr=8 lgetxattr=9 fgetxattr=10 listxattr=11 llistxattr=12 flistxattr=13 getcwd=17 eventfd2=19
    epoll_create1=20 epoll_ctl=21 epoll_pwait=22 dup=23 dup3=24 flock=32 mkdirat=34 unlinkat=35
    symlinkat=36 linkat=37 renameat=38 statfs=43 fstatfs=44 truncate=45 ftruncate=46 fallocate=47 faccessat=48
    chdir=49 fchdir=50 fchmod=52 fchmodat=53 fchownat=54 fchown=55 openat=56 close=57 pipe2=59 getdents64=61
    lseek=62 read=63 write=64 readv=65 writev=66 pread64=67 pwrite64=68 preadv=69 pwritev=70 sendfile=71 pselect6=72
    ppoll=73 signalfd4=74 vmsplice=75 splice=76 tee=77 readlinkat=78 newfstatat=79 fstat=80 sync=81 fsync=82
    fdatasync=83 sync_file_range=84 timerfd_create=85 timerfd_settime=86 timerfd_gettime=87 utimensat=88 capget=90
    exit=93 exit_group=94 waitid=95 set_tid_address=96 futex=98 set_robust_list=99 get_robust_list=100 nanosleep=101
    getitimer=102 setitimer=103 timer_create=107 timer_gettime=108 timer_getoverrun=109 timer_settime=110
    timer_delete=111 clock_gettime=113 clock_getres=114 clock_nanosleep=115 sched_getscheduler=120
    sched_getparam=121 sched_getaffinity=123 sched_yield=124 sched_get_priority_max=125 sched_get_priority_min=126
    sched_rr_get_interval=127 restart_syscall=128 sigaltstack=132 rt_sigsuspend=133 rt_sigaction=134
    rt_sigprocmask=135 rt_sigpending=136 rt_sigtimedwait=137 rt_sigreturn=139 getpriority=141 getresuid=148
    getresgid=150 times=153 setpgid=154 getpgid=155 getsid=156 setsid=157 getgroups=158 uname=160 getrlimit=163
    setrlimit=164 getrusage=165 umask=166 prctl=167 getcpu=168 gettimeofday=169 getpid=172 getppid=173 getuid=174
    geteuid=175 getgid=176 getegid=177 gettid=178 sysinfo=179 getsockname=204 getpeername=205 sendto=206
    recvfrom=207 setsockopt=208 getsockopt=209 shutdown=210 sendmsg=211 recvmsg=212 readahead=213 brk=214 munmap=215
    mremap=216 execve=221 mmap=222 fadvise64=223 mprotect=226 msync=227 mlock=228 munlock=229 mlockall=230
    munlockall=231 mincore=232 madvise=233 recvmmsg=243 wait4=260 sendmmsg=269 sched_getattr=275 renameat2=276
    getrandom=278 memfd_create=279 execveat=281 membarrier=283 mlock2=284 copy_file_range=285 preadv2=286
    pwritev2=287 pkey_mprotect=288 pkey_alloc=289 pkey_free=290 statx=291 rseq=293 close_range=436 openat2=437
    faccessat2=439 epoll_pwait2=441 futex_waitv=449
"""
# Calls whose arguments are looked at.
_X86_64_CHECKED = {
    "clone": 56,
    "fcntl": 72,
    "fork": 57,
    "ioctl": 16,
    "kill": 62,
    "pidfd_open": 434,
    "pidfd_send_signal": 424,
    "prlimit64": 302,
    "rt_sigqueueinfo": 129,
    "rt_tgsigqueueinfo": 297,
    "sched_setaffinity": 203,
    "sched_setattr": 314,
    "sched_setparam": 142,
    "sched_setscheduler": 144,
    "setpriority": 141,
    "socketpair": 53,
    "tgkill": 234,
    "tkill": 200,
    "vfork": 58,
}
_AARCH64_CHECKED = {
    "clone": 220,
    "fcntl": 25,
    "ioctl": 29,
    "kill": 129,
    "pidfd_open": 434,
    "pidfd_send_signal": 424,
    "prlimit64": 261,
    "rt_sigqueueinfo": 138,
    "rt_tgsigqueueinfo": 240,
    "sched_setaffinity": 122,
    "sched_setattr": 274,
    "sched_setparam": 118,
    "sched_setscheduler": 119,
    "setpriority": 140,
    "socketpair": 199,
    "tgkill": 131,
    "tkill": 130,
}
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32_BIT = 0x40000000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C  # they type into another process's terminal
_AF_UNIX = 1
# Arguments of fcntl and ioctl that make another process receive a descriptor's signal, SIGKILL for instance.
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _FIOSETOWN, _SIOCSPGRP = 8, 10, 15, 0x8901, 0x8902

_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_GREATER, _JUMP_IF_AT_LEAST, _JUMP_IF_SET, _RETURN = 0x20, 0x15, 0x25, 0x35, 0x45, 0x06
_ALLOW, _KILL, _DENY = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
_NO_SUCH_CALL = 0x00050000 | errno.ENOSYS
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_CLONE3 = 435

_Instruction = tuple[int, int, int, int]


def _argument(index: int) -> _Instruction:
    """Loads the low word of an argument; the kernel's own types of those checked here are ints."""
    return (_LOAD, 0, 0, _FIRST_ARGUMENT + 8 * index)


def _ranges(numbers: list[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


# Further calls that a fork server needs to make a cell. `assemble_withdrawal` takes them away again in each cell.
_ADMINISTRATION = {
    "x86_64": {
        "setresuid": 117,
        "setresgid": 119,
        "setgroups": 116,
        "capset": 126,
        "unshare": 272,
        "setns": 308,
        "mount": 165,
        "seccomp": 317,
        "landlock_create_ruleset": 444,
        "landlock_add_rule": 445,
        "landlock_restrict_self": 446,
    },
    "aarch64": {
        "setresuid": 147,
        "setresgid": 149,
        "setgroups": 159,
        "capset": 91,
        "unshare": 97,
        "setns": 268,
        "mount": 40,
        "seccomp": 277,
        "landlock_create_ruleset": 444,
        "landlock_add_rule": 445,
        "landlock_restrict_self": 446,
    },
}


def assemble_withdrawal(machine: str) -> bytes:
    """The second, short filter of a cell whose fork server runs under `assemble(…, administrator=True)`.

    Filters stack and the strictest answer counts, so the two together are `assemble(…)`; installing the long one in
    every cell would cost 0.3 ms each.
    """
    allow, deny = (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)
    checked = _X86_64_CHECKED if machine == "x86_64" else _AARCH64_CHECKED
    program: list[_Instruction] = [(_LOAD, 0, 0, _NUMBER)]
    for number in _ADMINISTRATION[machine].values():
        program += [(_JUMP_IF_EQUAL, 0, 1, number), deny]
    clone = [_argument(0), (_JUMP_IF_SET, 0, 1, CLONE_NAMESPACES), deny, allow]
    program += [(_JUMP_IF_EQUAL, 0, len(clone), checked["clone"]), *clone, allow]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


_ALLOWED, _DENIED = (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _DENY)


def _only(index: int, *values: int) -> list[_Instruction]:
    """Allows the call if the argument is one of `values`."""
    tests = [(_JUMP_IF_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [_argument(index), *tests, _DENIED, _ALLOWED]


def _but(index: int, *values: int) -> list[_Instruction]:
    """Allows the call unless the argument is one of `values`."""
    tests = [(_JUMP_IF_EQUAL, len(values) - i, 0, value) for i, value in enumerate(values)]
    return [_argument(index), *tests, _ALLOWED, _DENIED]


def _blocks(checked: dict[str, int], administrator: bool, only_pid: int | None) -> dict[str, list[_Instruction]]:
    """What is done about each call whose arguments are looked at; calls that stand in neither table are denied."""
    blocks = {"socketpair": _only(0, _AF_UNIX), "ioctl": _but(1, _TIOCSTI, _TIOCLINUX)}
    if only_pid is None:
        no_namespaces = [_argument(0), (_JUMP_IF_SET, 0, 1, CLONE_NAMESPACES), _DENIED, _ALLOWED]
        blocks["clone"] = [_ALLOWED] if administrator else no_namespaces
        return {**{name: [_ALLOWED] for name in checked}, **blocks}
    blocks["clone"] = [
        _argument(0),
        (_JUMP_IF_SET, 2, 0, CLONE_NAMESPACES),
        (_JUMP_IF_SET, 0, 1, CLONE_THREAD),
        _ALLOWED,
        _DENIED,
    ]
    blocks["ioctl"] = _but(1, _TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP)
    blocks["fcntl"] = _but(1, _F_SETOWN, _F_SETSIG, _F_SETOWN_EX)
    # A cell leads a process group of its own, which nothing else is ever in.
    blocks["kill"] = _only(0, only_pid, 0, -only_pid & 0xFFFFFFFF)
    blocks["tgkill"] = _only(0, only_pid)
    blocks["prlimit64"] = _only(0, 0, only_pid)
    return blocks


def assemble(machine: str, *, administrator: bool = False, only_pid: int | None = None) -> bytes:
    """The filter program for `machine` ("x86_64", "aarch64").

    `only_pid` is for a process that shares a PID namespace with others: it may then signal only itself and start
    threads but no processes, so that killing it leaves nothing behind. `administrator` is for a fork server.
    """
    table, checked = (_X86_64, _X86_64_CHECKED) if machine == "x86_64" else (_AARCH64, _AARCH64_CHECKED)
    numbers = [int(entry.partition("=")[2]) for entry in table.split()]
    if administrator:
        numbers += _ADMINISTRATION[machine].values()
    program: list[_Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_IF_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        program += [(_JUMP_IF_AT_LEAST, 0, 1, _X32_BIT), (_RETURN, 0, 0, _KILL)]
    program += [(_JUMP_IF_EQUAL, 0, 1, _CLONE3), (_RETURN, 0, 0, _NO_SUCH_CALL)]
    for name, block in _blocks(checked, administrator, only_pid).items():
        if name in checked:
            program += [(_JUMP_IF_EQUAL, 0, len(block), checked[name]), *block]
    for low, high in _ranges(numbers):
        program += [(_JUMP_IF_AT_LEAST, 0, 2, low), (_JUMP_IF_GREATER, 1, 0, high), _ALLOWED]
    program.append(_DENIED)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
