"""Mode `stdin`: a fresh process for every test, real streams, output compared here.

Outputs are compared as judges/comparison.py says, or by the problem's checker program (judges/checker_program.py). A
program that ends with an uncaught exception, a signal or an exit status other than 0 fails, whatever it printed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from verifiers.code.cells import languages
from verifiers.code.cells.guest import DENIED_MARK, may_run_commands
from verifiers.code.cells.run import Deadline, Output, Stop, cell_limits, run_job, stop_of_error
from verifiers.code.cells.worker import Slot
from verifiers.code.evidence import Outcome, another_answer, cut, denied, describe_exit, limit, stderr_tail
from verifiers.code.extraction import Program
from verifiers.code.judges import comparison
from verifiers.code.judges.checker_program import Session
from verifiers.code.judges.compiling import compile_program
from verifiers.code.reference import Reference, Test
from verifiers.types import Limits, Status

_EXPECTED_SLACK = 1 << 16


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


def judge(
    slot: Slot,
    reference: Reference,
    program: Program,
    limits: Limits,
    deadline: Deadline,
    checker: Session | None = None,
) -> Outcome:
    """Runs the program once per test, up to the first that fails. Raises SandboxError."""
    evidence: dict[str, Any] = {"extraction": program.rule}
    if checker is not None:
        evidence["checker"] = "program"
    with contextlib.ExitStack() as stack:
        prepared = stack.enter_context(prepare(slot, reference, program, limits, deadline))
        if isinstance(prepared, Outcome):
            return Outcome(prepared.status, prepared.reason, {**evidence, **prepared.evidence})
        job, fds = prepared
        count = len(reference.tests)
        waiting: dict[str, Any] | None = None  # the test whose output the checker is looking at
        refused: list[str] = []
        for number, test in enumerate(reference.tests, start=1):
            wanted = test.output.encode("utf-8", "surrogatepass")
            cap = max(limits.output_kb << 10, len(wanted) + _EXPECTED_SLACK)
            until = deadline.sooner(reference.time_limit_s)
            stdin = test.input.encode("utf-8", "surrogatepass")
            run = run_job(slot, job, stdin, limits, until, extra_fds=fds, stdout_cap=cap)
            if waiting is not None and checker is not None and (outcome := _ruled(checker, waiting)):
                outcome = Outcome(outcome.status, outcome.reason, {**evidence, "first_failure": waiting})
                return denied(outcome, refused)
            refused += refused_to(slot, program, run)
            outcome = ended_badly(run) or (_compared(reference, test, run) if checker is None else None)
            if outcome is not None:
                failed = {**_failed(test, number, count, run), **outcome.evidence}
                outcome = Outcome(outcome.status, outcome.reason, {**evidence, "first_failure": failed})
                return denied(outcome, refused)
            if checker is not None:
                checker.begin(stdin, run.stdout, wanted, deadline)
                waiting = _failed(test, number, count, run)
        if waiting is not None and checker is not None and (outcome := _ruled(checker, waiting)):
            outcome = Outcome(outcome.status, outcome.reason, {**evidence, "first_failure": waiting})
            return denied(outcome, refused)
        passed = Outcome(Status.VERIFIED, "all tests passed", {**evidence, "tests": count, "passed": count})
        return denied(passed, refused)


def ended_badly(run: Output) -> Outcome | None:
    """None if the program has ended well. The evidence is about this run."""
    if run.stop is not Stop.NONE:
        return limit(run.stop, {})
    if run.exit.status == 0:
        return None
    last_words = run.stderr.decode("utf-8", "replace").rstrip().rpartition("\n")[2]
    if (stop := stop_of_error(last_words)) is not Stop.NONE:
        return limit(stop, {})
    return Outcome(Status.REFUTED, "runtime error", {"exit": describe_exit(run.exit)})


def refused_to(slot: Slot, program: Program, run: Output) -> list[str]:
    """What the sandbox refused, as the cell has noted on standard error."""
    if slot.tier.boundary != "landlock" and not may_run_commands(program.source):
        return []
    lines = run.stderr.decode("utf-8", "replace").rstrip().split("\n")
    noted = [line.removeprefix(DENIED_MARK) for line in lines if line.startswith(DENIED_MARK)]
    # A long traceback can have pushed the note out.
    is_weak = slot.tier.boundary == "landlock"
    return noted or [line for line in lines[-1:] if is_weak and line.startswith("PermissionError")]


def _compared(reference: Reference, test: Test, run: Output) -> Outcome | None:
    """None if the output is right."""
    got = run.stdout.decode("utf-8", "surrogateescape")  # what is not UTF-8 shall equal no text of a test
    line = comparison.first_difference(test.output, got, reference.compare, reference.tolerance)
    if line is None:
        return None
    if reference.several_answers:
        return another_answer({"line": line})
    return Outcome(Status.REFUTED, "wrong output", {"line": line})


def _ruled(checker: Session, failed: dict[str, Any]) -> Outcome | None:
    """None if the checker program says that the output is right."""
    ruling = checker.finish()
    if ruling.right:
        return None
    failed["checker"] = ruling.words
    if ruling.right is None:
        return Outcome(Status.UNDECIDED, "the checker program did not decide", {})
    return Outcome(Status.REFUTED, "wrong output", {})


@contextlib.contextmanager
def prepare(
    slot: Slot, reference: Reference, program: Program, limits: Limits, deadline: Deadline
) -> Iterator[tuple[dict[str, Any], tuple[int, ...]] | Outcome]:
    """The job that runs the program, with the descriptors it needs: compiled first where the language wants that."""
    language = reference.language
    if language == "python":
        job = {"mode": "script", "code": program.source, "prelude": reference.prelude, "limits": cell_limits(limits)}
        yield job, ()
        return
    if slot.tier.boundary == "landlock" and languages.needs_namespaces(language):
        detail = f"a program in {language} needs namespaces, which this machine does not grant"
        yield Outcome(Status.UNDECIDED, "denied by the sandbox", {"detail": detail})
        return
    job = languages.job(language, program.source, limits)
    compile_job = languages.compile_job(language, program.source, limits)
    if compile_job is None:
        yield job, ()
        return
    result = compile_program(slot, compile_job, limits, deadline)
    if isinstance(result, Outcome):
        yield result
        return
    try:
        yield job, (result,)
    finally:
        os.close(result)
