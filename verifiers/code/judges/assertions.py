"""Mode `assert`: the test program and the candidate in two cells, joined by a channel for plain data only.

The candidate never holds the test's code or an expected value, and the comparison is made between builtin values in a
process that it has no access to. Passing needs the test program's own report that it ran to its end, with at least one
assert evaluated and at least one call across the channel; the report travels over a socket of the test's cell.

What can not be split this way is `undecided`, never guessed: a test that compares objects of the candidate's own class,
computes with them or looks into the class itself. Running test and candidate in one process, with a secret token as
evidence of completion, was tried on paper and left out: a program that shares the process can read the token, replace
the comparison, or compare equal to everything.
"""

from __future__ import annotations

import ast
import builtins
import socket
import sys
from typing import Any

from verifiers.code import extraction
from verifiers.code import reference as references
from verifiers.code.cells.run import CellGoneError, Conversation, Deadline, Stop, cell_limits, stop_of_error
from verifiers.code.cells.worker import Slot
from verifiers.code.evidence import Outcome, cut, describe_exit, limit, show
from verifiers.code.extraction import Program
from verifiers.code.reference import Reference
from verifiers.types import Limits, Status

_ONE_PROCESS = {"redirect_stdout", "redirect_stderr", "stdout", "stderr", "stdin", "patch", "getsource", "signature"}
_ONE_PROCESS |= {"SystemExit", "KeyboardInterrupt", "BaseException"}
"""What a test uses that expects the candidate in its own process. If it fails, that may be the reason."""


def _free_names(test: ast.Module, preamble: ast.Module) -> list[str]:
    """Names that the test program expects from outside."""
    stored = {n.id for n in ast.walk(test) if isinstance(n, ast.Name) and not isinstance(n.ctx, ast.Load)}
    arguments = {n.arg for n in ast.walk(test) if isinstance(n, ast.arg)}
    handlers = {n.name for n in ast.walk(test) if isinstance(n, ast.ExceptHandler) and n.name}
    inner = {n.name for n in ast.walk(test) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for n in ast.walk(test)
        if isinstance(n, ast.Import | ast.ImportFrom)
        for alias in n.names
    }
    known = stored | arguments | handlers | inner | imported
    known |= extraction.defined_names(test) | extraction.defined_names(preamble)
    return sorted(extraction.used_names(test) - known - set(dir(builtins)) - {"__name__"})


def _called(test: ast.Module) -> set[str]:
    return {n.func.id for n in ast.walk(test) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}


def _mentioned(test: ast.Module) -> set[str]:
    attributes = {n.attr for n in ast.walk(test) if isinstance(n, ast.Attribute)}
    return attributes | extraction.used_names(test)


def _caught(test: ast.Module) -> set[str]:
    handlers = [n.type for n in ast.walk(test) if isinstance(n, ast.ExceptHandler) and n.type]
    return {name for handler in handlers for name in extraction.used_names(handler)}


def _modules(names: list[str], test: ast.Module, entry_point: str) -> list[str]:
    """Standard modules that the test uses without importing them, as graders let it; a name it calls is no module."""
    called = _called(test)
    return [name for name in names if name in sys.stdlib_module_names and name not in called and name != entry_point]


def judge(slot: Slot, reference: Reference, program: Program, limits: Limits, deadline: Deadline) -> Outcome:
    """Raises SandboxError."""
    preamble = extraction.preamble(reference.prompt, reference.entry_point)
    test = ast.parse(reference.program)
    names = _free_names(test, extraction.parse(preamble) or ast.Module([], []))
    modules = _modules(names, test, reference.entry_point)
    if set(names) == set(modules):
        # The candidate's function may have a builtin's name, `sum` for instance, but only if no other could be meant:
        # which one it is must not depend on what the candidate defines.
        called = sorted(_called(test) & set(dir(builtins)))
        tree = extraction.parse(program.source)
        if len(called) != 1 or tree is None or called[0] not in extraction.defined_names(tree):
            return Outcome(Status.UNDECIDED, "the test program calls nothing of the candidate", {})
        names += called
    if caught := sorted(_caught(test) & set(names)):
        detail = f"the test catches the candidate's {caught[0]}"
        return Outcome(Status.UNDECIDED, "test can not be separated", {"detail": detail})
    aliases = _aliases(names, reference, program)
    evidence: dict[str, Any] = {
        "extraction": program.rule,
        "entry_point": program.entry_point,
        "separation": "test and candidate in two processes",
    }
    deadline = deadline.sooner(reference.time_limit_s)
    test_job = {
        "mode": "test",
        "code": reference.program,
        "preamble": preamble,
        "names": names,
        "modules": modules,
        "limits": cell_limits(limits),
    }
    candidate_job = {
        "mode": "candidate",
        "code": program.source,
        "aliases": aliases,
        "limits": cell_limits(limits),
    }
    left, right = socket.socketpair()
    with left, right:
        # The test's cell first: a program that starts as many processes as it may shall not leave it without one.
        tester = Conversation(slot, test_job, limits, (right.fileno(),))
        right.close()
        candidate = Conversation(slot, candidate_job, limits, (left.fileno(),))
        left.close()
        with candidate:
            with tester:
                try:
                    loaded = candidate.ask(None, deadline)
                except CellGoneError as gone:
                    return _ended(gone, evidence, "while it was loaded")
                except ValueError as error:
                    return Outcome(Status.REFUTED, "no plain answer", {**evidence, "detail": cut(str(error))})
                if type(loaded) is not dict or "loaded" not in loaded:
                    return _not_loaded(loaded, evidence)
                try:
                    report = tester.ask(None, deadline)
                except CellGoneError as gone:
                    return _ended(gone, evidence, "while the test program ran")
                except ValueError as error:
                    return Outcome(Status.ERROR, "test program failure", {**evidence, "detail": cut(str(error))})
            ended = candidate.ended()
    outcome = _verdict(report, ended, evidence)
    if outcome.reason == "assertion failed" and (needed := sorted(_mentioned(test) & _ONE_PROCESS)):
        return Outcome(Status.UNDECIDED, "test can not be separated", {**outcome.evidence, "detail": needed[0]})
    return outcome


def _aliases(names: list[str], reference: Reference, program: Program) -> dict[str, str]:
    """Names under which the program has what the test calls."""
    if reference.entry_point and program.entry_point != (name := references.test_name(reference.entry_point)):
        return {name: program.entry_point}
    if not reference.entry_point:
        tree = extraction.parse(program.source)
        wanted = [name for name in names if tree is None or name not in extraction.defined_names(tree)]
        found = extraction.resolve_all(tree, wanted) if tree else {}
        return found
    return {}


def _ended(gone: CellGoneError, evidence: dict[str, Any], when: str) -> Outcome:
    if gone.stop is not Stop.NONE:
        return limit(gone.stop, evidence)
    shown = {**evidence, "first_failure": {"got": f"the program ended {when} ({describe_exit(gone.exit)})"}}
    return Outcome(Status.REFUTED, "no answer", shown)


def _not_loaded(answer: Any, evidence: dict[str, Any]) -> Outcome:
    raised = answer.get("raised") if type(answer) is dict else None
    what = f"{show(raised)}: {show(answer.get('message', ''))}" if raised else ""
    if (stop := stop_of_error(what)) is not Stop.NONE:
        return limit(stop, evidence)
    got = f"raised {what}" if raised else "an answer outside the protocol"
    return Outcome(Status.REFUTED, "runtime error", {**evidence, "first_failure": {"got": cut(got)}})


def _verdict(report: Any, ended: CellGoneError | None, evidence: dict[str, Any]) -> Outcome:
    if type(report) is not dict:
        return Outcome(Status.ERROR, "test program failure", {**evidence, "detail": show(report)})
    if "unsupported" in report:
        return Outcome(
            Status.UNDECIDED, "test can not be separated", {**evidence, "detail": cut(report["unsupported"])}
        )
    if "memory" in report:
        return limit(Stop.MEMORY, evidence)
    if "failed" in report:
        shown = {**evidence, "first_failure": {key: cut(str(value)) for key, value in report["failed"].items()}}
        if "gone" in report and ended is not None:
            if ended.stop is not Stop.NONE:
                return limit(ended.stop, shown)
            shown["first_failure"]["exit"] = describe_exit(ended.exit)
        return Outcome(Status.REFUTED, "no answer" if "gone" in report else "assertion failed", shown)
    if report.get("passed", 0) > 0 and report.get("calls", 0) > 0:
        counts = {"tests": report["passed"], "passed": report["passed"], "calls": report["calls"]}
        return Outcome(Status.VERIFIED, "all tests passed", {**evidence, **counts})
    return Outcome(Status.UNDECIDED, "the test program asserted nothing about the candidate", evidence)
