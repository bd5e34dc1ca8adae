"""Mode `stdin`: a fresh process for every test, real streams, output compared here.

Comparison: lines are split at newlines (a carriage return before one does not count), blanks at the end of a line and
blank lines at the end of the output do not count; everything else does, within a line too: `1  2` is not `1 2`. With a
declared tolerance a line that differs is compared token by token, numbers within the tolerance and other tokens
exactly. A program that ends with an uncaught exception, a signal or an exit status other than 0 fails, whatever it
printed.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import Any

from verifiers.code import languages
from verifiers.code.cells.run import Deadline, Output, Stop, cell_limits, run_job, stop_of_error
from verifiers.code.cells.worker import Slot
from verifiers.code.evidence import Outcome, cut, describe_exit, limit, stderr_tail
from verifiers.code.extraction import Program
from verifiers.code.reference import Reference, Test, Tolerance
from verifiers.types import Limits, Status

_MAX_TOKEN = 400  # a longer token is no number of any test
_EXPECTED_SLACK = 1 << 16


def lines_of(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _number(token: str) -> float | None:
    if len(token) > _MAX_TOKEN or "_" in token or not token.isascii():
        return None
    try:
        number = float(token)
    except ValueError:
        return None
    # Digits beyond every float would all be the same infinity.
    return None if math.isinf(number) and any(map(str.isdigit, token)) else number


def _same_line(expected: str, got: str, tolerance: Tolerance) -> bool:
    if expected == got:
        return True
    if not tolerance.declared:
        return False
    left, right = expected.split(), got.split()
    if len(left) != len(right):
        return False
    for a, b in zip(left, right, strict=True):
        if a == b:
            continue
        x, y = _number(a), _number(b)
        if x is None or y is None or not math.isclose(x, y, rel_tol=tolerance.rel or 0.0, abs_tol=tolerance.abs or 0.0):
            return False
    return True


def same_output(expected: str, got: str, tolerance: Tolerance) -> bool:
    left, right = lines_of(expected), lines_of(got)
    return len(left) == len(right) and all(_same_line(a, b, tolerance) for a, b in zip(left, right, strict=True))


def _first_difference(expected: str, got: str, tolerance: Tolerance) -> int | None:
    left, right = lines_of(expected), lines_of(got)
    for number, (a, b) in enumerate(zip(left, right, strict=False), start=1):
        if not _same_line(a, b, tolerance):
            return number
    return min(len(left), len(right)) + 1


def _failed(test: Test, number: int, count: int, run: Output) -> dict[str, Any]:
    got = run.stdout.decode("utf-8", "backslashreplace")
    shown = {
        "test": number,
        "tests": count,
        "input": cut(test.input),
        "expected": cut(test.output),
        "got": cut(got),
    }
    if run.stderr:
        shown["stderr"] = stderr_tail(run.stderr)
    return shown


def judge(slot: Slot, reference: Reference, program: Program, limits: Limits, deadline: Deadline) -> Outcome:
    """Runs the program once per test, up to the first that fails. Raises SandboxError."""
    evidence: dict[str, Any] = {"extraction": program.rule}
    with contextlib.ExitStack() as stack:
        prepared = stack.enter_context(_prepared(slot, reference.language, program, limits, deadline))
        if isinstance(prepared, Outcome):
            return Outcome(prepared.status, prepared.reason, {**evidence, **prepared.evidence})
        job, fds = prepared
        count = len(reference.tests)
        for number, test in enumerate(reference.tests, start=1):
            wanted = test.output.encode("utf-8", "surrogatepass")
            cap = max(limits.output_kb << 10, len(wanted) + _EXPECTED_SLACK)
            until = deadline.sooner(reference.time_limit_s)
            stdin = test.input.encode("utf-8", "surrogatepass")
            run = run_job(slot, job, stdin, limits, until, extra_fds=fds, stdout_cap=cap)
            failed = _failed(test, number, count, run)
            if run.stop is not Stop.NONE:
                return limit(run.stop, {**evidence, "first_failure": failed})
            if run.exit.status != 0:
                last_words = run.stderr.decode("utf-8", "replace").rstrip().rpartition("\n")[2]
                if (stop := stop_of_error(last_words)) is not Stop.NONE:
                    return limit(stop, {**evidence, "first_failure": failed})
                failed["exit"] = describe_exit(run.exit)
                return Outcome(Status.REFUTED, "runtime error", {**evidence, "first_failure": failed})
            got = run.stdout.decode("utf-8", "surrogateescape")  # what is not UTF-8 shall equal no text of a test
            if not same_output(test.output, got, reference.tolerance):
                failed["line"] = _first_difference(test.output, got, reference.tolerance)
                return Outcome(Status.REFUTED, "wrong output", {**evidence, "first_failure": failed})
        return Outcome(Status.VERIFIED, "all tests passed", {**evidence, "tests": count, "passed": count})


@contextlib.contextmanager
def _prepared(
    slot: Slot, language: str, program: Program, limits: Limits, deadline: Deadline
) -> Iterator[tuple[dict[str, Any], tuple[int, ...]] | Outcome]:
    """The job that runs the program, with the descriptors it needs: compiled first where the language wants that."""
    if language == "python":
        yield {"mode": "script", "code": program.source, "limits": cell_limits(limits)}, ()
        return
    job = languages.job(language, program.source, limits)
    compile_job = languages.compile_job(language, program.source, limits)
    if compile_job is None:
        yield job, ()
        return
    result = languages.compile_program(slot, compile_job, limits, deadline)
    if isinstance(result, Outcome):
        yield result
        return
    try:
        yield job, (result,)
    finally:
        os.close(result)
