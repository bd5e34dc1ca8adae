"""Ends an engine's processes when the process that owns them is gone.

vLLM runs its engine in processes below the one that asks it for samples. They wait for the next request and never look
whether the sender is still there. An owner that is killed outright cannot end them, and when Ray dies with it (a
killed driver, a node's killed raylet), nothing else does: the engine would hold its GPU or its memory until a person
finds it.

Promises: some `LOOK_S` after the owner's end, however it ended, every process that was started with the owner's mark in
its environment gets SIGKILL, those that it starts meanwhile included.
Does not: find a process that was forked without a new program (its environment in /proc is its parent's; vLLM starts
its processes as new programs inside a Ray actor), that hides its environment, or that belongs to another user. It does
not outlive a SIGKILL of its own; what kills the whole tree of the owner kills the engine with it.

Runs as a program with the owner's process id and the mark as arguments, and imports nothing outside the standard
library, since one runs beside each engine.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

MARK = "PROOFMILL_ENGINE_OWNER"
"""Name of the environment variable that says to which owner a process belongs."""
LOOK_S = 1.0
"""Seconds between two looks whether the owner is still there."""
QUIET_LOOKS = 3
"""How many looks in a row must find no marked process before the watch ends."""


def end_with_this_process() -> None:
    """From here on the programs that this process starts end with it. Must be called before the engine starts. A second
    call changes nothing."""
    if MARK in os.environ and os.environ[MARK].startswith(f"{os.getpid()}-"):
        return
    mark = f"{os.getpid()}-{secrets.token_hex(8)}"
    environment = {name: value for name, value in os.environ.items() if name != MARK}
    subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, str(os.getpid()), mark],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.environ[MARK] = mark


def marked(mark: str) -> list[int]:
    """Ids of the living processes that were started with `mark` in their environment."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            # A zombie's environment reads as empty.
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def watch(owner: int, mark: str) -> None:
    """Waits for the end of `owner`, which must be this process's parent, and kills what it leaves behind."""
    while os.getppid() == owner:
        time.sleep(LOOK_S)
    quiet = 0
    while quiet < QUIET_LOOKS:
        left = marked(mark)
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        quiet = 0 if left else quiet + 1
        time.sleep(LOOK_S / 5)


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2])
