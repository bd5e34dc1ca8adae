"""Memory of a checker's warm Lean processes, for the Lean benchmarks."""

from __future__ import annotations

from pathlib import Path

import psutil

from verifiers.lean.checker import LeanChecker
from verifiers.lean.line_process import LineProcess


def process_mb(process: LineProcess) -> float:
    """Resident memory of one Lean process and what started it, shared pages counted once by share (PSS) where /proc
    tells."""
    root = psutil.Process(process._process._launcher.pid)
    return sum(_mb(member) for member in [root, *root.children(recursive=True)])


def _mb(process: psutil.Process) -> float:
    try:
        for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return float(process.memory_info().rss) / (1 << 20)


def processes_by_role(checker: LeanChecker) -> dict[str, list[LineProcess]]:
    """The idle processes: `elaborator`, `auditor`, `spare`, `second_kernel`."""
    (pool,) = checker._pools.values()
    return {
        "elaborator": list(pool._idle),
        "auditor": [pool._auditor] if pool._auditor else [],
        "spare": list(pool._fresh),
        "second_kernel": [pool._second._process] if pool._second and pool._second._process else [],
    }
