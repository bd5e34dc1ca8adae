# expect: refuted
# mode: stdin

import ctypes, os

libc = ctypes.CDLL(None, use_errno=True)
MS_RDONLY, NEWUSER, NEWNS = 1, 0x10000000, 0x20000
attempts = [
    lambda: libc.unshare(NEWUSER),
    lambda: libc.unshare(NEWNS),
    lambda: libc.ptrace(0, 0, 0, 0),
    lambda: libc.mount(b'none', b'/tmp', b'tmpfs', 0, 0),
    lambda: libc.umount2(b'/proc', 2),
    lambda: libc.setns(0, 0),
    lambda: libc.chroot(b'/tmp'),
    lambda: libc.personality(0x40000),
    lambda: libc.syscall(425, 8, 0),  # io_uring_setup
    lambda: libc.syscall(321, 0, 0, 0),  # bpf
    lambda: libc.syscall(298, 0, 0, 0, 0, 0),  # perf_event_open
    lambda: libc.syscall(323, 0),  # userfaultfd
    lambda: libc.syscall(250, 0, 0),  # keyctl
    lambda: libc.syscall(310, os.getppid(), 0, 0, 0, 0, 0),  # process_vm_readv
    lambda: libc.shmget(1, 4096, 0o1666),
    lambda: libc.msgget(1, 0o1666),
    lambda: libc.setuid(0),
    lambda: libc.sethostname(b'x', 1),
    lambda: libc.syscall(56, NEWUSER | 17, 0, 0, 0, 0),  # clone
    lambda: libc.syscall(435, 0, 0),  # clone3
]
if any(attempt() >= 0 for attempt in attempts):
    print(7)
