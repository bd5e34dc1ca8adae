"""What an engine's owner started ends with it, however the owner ends, and only that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

OWNER = '''
import subprocess, sys, time
from workers.engines.orphans import end_with_this_process

if sys.argv[1] == "guarded":
    end_with_this_process()
    end_with_this_process()
below = """
import subprocess, time
print(subprocess.Popen(["sleep", "600"], start_new_session=True).pid, flush=True)
time.sleep(600)
"""
child = subprocess.Popen([sys.executable, "-c", below], start_new_session=True, stdout=subprocess.PIPE, text=True)
print(child.pid, child.stdout.readline().strip(), flush=True)
time.sleep(600)
'''
"""Starts a process that starts another one, each in a session of its own, and prints both ids."""


def start_owner(kind: str) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, kind], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    below = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
    assert len(below) == 2
    return owner, below


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_until_gone(processes: list[psutil.Process]) -> None:
    deadline = time.monotonic() + 120
    while not all(is_gone(process) for process in processes):
        assert time.monotonic() < deadline, processes
        time.sleep(0.1)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_everything_below_a_killed_owner_ends(how: signal.Signals) -> None:
    owner, below = start_owner("guarded")
    watches = [one for one in psutil.Process(owner.pid).children() if "orphans" in " ".join(one.cmdline())]
    assert len(watches) == 1
    owner.send_signal(how)
    owner.wait()
    wait_until_gone([*below, *watches])


def test_without_the_watch_it_lives_on_and_a_watch_leaves_the_processes_of_others_alone() -> None:
    other, lasting = start_owner("unguarded")
    owner, below = start_owner("guarded")
    try:
        for one in (other, owner):
            os.kill(one.pid, signal.SIGKILL)
            one.wait()
        wait_until_gone(below)
        assert not any(is_gone(process) for process in lasting)
    finally:
        for process in lasting:
            process.kill()
