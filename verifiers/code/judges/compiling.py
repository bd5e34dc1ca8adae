"""Compiles a program in a cell, under the limits of the programs themselves."""

from __future__ import annotations

from typing import Any

from verifiers.code.cells.run import Deadline, Stop, run_job, sealed_file
from verifiers.code.cells.worker import Slot
from verifiers.code.evidence import Outcome, limit, stderr_tail
from verifiers.types import Limits, Status

_MAX_EXECUTABLE = 64 << 20
"""Largest executable that is taken from a compiler, in bytes."""


def compile_program(slot: Slot, job_: dict[str, Any], limits: Limits, deadline: Deadline) -> int | Outcome:
    """A sealed descriptor of the executable, or why there is none. Raises SandboxError."""
    run = run_job(slot, job_, b"", limits, deadline, stdout_cap=_MAX_EXECUTABLE)
    evidence = {"compiler": stderr_tail(run.stderr)}
    if run.stop is not Stop.NONE:
        return limit(run.stop, {**evidence, "phase": "compile"})
    if run.exit.status != 0 or not run.stdout:
        return Outcome(Status.REFUTED, "does not compile", evidence)
    return sealed_file(run.stdout, "program")
