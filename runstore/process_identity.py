"""Which process this is, told apart from a later one with the same number."""

from __future__ import annotations

from pathlib import Path

import psutil


def boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def is_running(pid: int, started: float) -> bool:
    try:
        return started_at(pid) == started and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def started_at(pid: int) -> float:
    """When a process was started, in ticks since boot where Linux gives them. psutil computes a time of day from these
    ticks, which moves when the clock is set. Raises psutil.NoSuchProcess."""
    try:
        return float(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except OSError:
        return psutil.Process(pid).create_time()
