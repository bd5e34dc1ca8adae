"""Mode `assert`: the test program and the candidate in two cells, joined by a channel for plain data only.

The candidate never holds the test's code or an expected value, and the comparison is made between builtin values in a
process that it has no access to. Passing needs the test program's own report that it ran to its end, with at least one
assert evaluated and at least one call across the channel; the report travels over a socket of the test's cell.

What cannot be split this way is `undecided`, never guessed: a test that compares objects of the candidate's own class,
computes with them or looks at what the candidate does to its process. So is a test that fails by itself, and one whose
verdict rests on an argument that the candidate has changed. Running test and candidate in one process, with a secret
token as evidence of completion, was tried on paper and left out: a program that shares the process can read the token,
replace the comparison, or compare equal to everything.
"""

from __future__ import annotations

import ast
import dataclasses
import secrets
import socket
from collections.abc import Mapping
from typing import Any

from verifiers.code import extraction
from verifiers.code import reference as references
from verifiers.code.cells.guest import may_run_commands
from verifiers.code.cells.run import CellGoneError, Conversation, Deadline, Stop, cell_limits, stop_of_error
from verifiers.code.cells.worker import Slot
from verifiers.code.evidence import Outcome, cut, denied, denied_names, describe_exit, limit, show
from verifiers.code.extraction import Program
from verifiers.code.judges import output_arguments, renaming, test_names
from verifiers.code.reference import Reference
from verifiers.types import Limits, Status

_ONE_PROCESS = set(
    """
    stdout stderr stdin getsource signature SystemExit KeyboardInterrupt BaseException tempfile mkdtemp mkstemp
    TemporaryDirectory NamedTemporaryFile write_text makedirs chdir seed setrecursionlimit getrecursionlimit
    reload gc getrefcount perf_counter getLogger localcontext getcontext setcontext setlocale environ
    """.split()  # noqa: SIM905
)
"""Names of what works otherwise, or not at all, when test and candidate are two processes. If a test that uses one
fails, that may be the reason."""
_LAST_WORD_S = 2.0
_ONE_PROCESS_NAMES = {"open", "id", "globals", "time"}
"""More of them, which mean something else as attributes."""
_CAPTURES = set(
    """
    redirect_stdout redirect_stderr patch capsys catch_warnings monkeypatch assertLogs settrace setprofile tracemalloc
    """.split()  # noqa: SIM905
)
"""Names of what looks at a function's effects on its process. A test that uses one proves nothing about a candidate in
another process."""


def _captures(test: test_names.Test) -> set[str]:
    replaced = {n.attr for n in ast.walk(test.tree) if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)}
    return (test.mentioned & _CAPTURES) | (replaced & {"stdout", "stderr", "stdin", "argv", "environ"})


def _needs_one_process(test: test_names.Test) -> list[str]:
    return sorted((test.mentioned & _ONE_PROCESS) | (extraction.used_names(test.tree) & _ONE_PROCESS_NAMES))


def _caught(test: ast.Module) -> set[str]:
    handlers = [n.type for n in ast.walk(test) if isinstance(n, ast.ExceptHandler) and n.type]
    return {name for handler in handlers for name in extraction.used_names(handler)}


@dataclasses.dataclass(frozen=True, slots=True)
class _Pair:
    """The two jobs of one check, and what is known before they run."""

    test_job: dict[str, Any]
    candidate_job: dict[str, Any]
    asked: str
    evidence: dict[str, Any]


def _undecided(detail: str, evidence: Mapping[str, Any]) -> Outcome:
    return Outcome(Status.UNDECIDED, "test cannot be separated", {**evidence, "detail": detail})


def judge(slot: Slot, reference: Reference, program: Program, limits: Limits, deadline: Deadline) -> Outcome:
    """Raises SandboxError."""
    test = test_names.read(reference.program, reference.prompt, reference.entry_point)
    prepared = _prepare(reference, program, test, limits)
    if isinstance(prepared, Outcome):
        return prepared
    deadline = deadline.sooner(reference.time_limit_s)
    outcome, report = _run(slot, prepared, limits, deadline)
    if outcome.status is Status.REFUTED and (needed := _needs_one_process(test)):
        return _undecided(needed[0], outcome.evidence)
    if outcome.status is not Status.VERIFIED:
        return outcome
    if "seed" in test.mentioned and "random" in program.source:
        return _undecided("the test seeds a generator that the program may use", prepared.evidence)
    if not report.get("changed"):
        return outcome
    # What a test computes from an argument after the call is the candidate's to choose, if the call changes it.
    traces = []
    for keeps in (False, True):
        job = {**prepared.test_job, "traced": True, "keeps_arguments": keeps}
        again, traced = _run(slot, dataclasses.replace(prepared, test_job=job), limits, deadline)
        if again.status is Status.VERIFIED:
            traces.append(traced.get("trace"))
    names = {*prepared.test_job["names"], "candidate"}
    if len(traces) == 2 and output_arguments.holds(test.tree, prepared.test_job["code"], names, (traces[0], traces[1])):
        return outcome
    detail = "what the test expects may depend on an argument that the program has changed"
    return _undecided(detail, prepared.evidence)


def _prepare(reference: Reference, program: Program, test: test_names.Test, limits: Limits) -> _Pair | Outcome:
    tree = extraction.parse(program.source) or ast.Module([], [])
    asked = references.test_name(reference.entry_point) if reference.entry_point else ""
    evidence: dict[str, Any] = {
        "extraction": program.rule,
        "entry_point": program.entry_point,
        "separation": "test and candidate in two processes",
    }
    names = test_names.sort_out(test, tree, asked, reference.imported, reference.named)
    if not names.candidate:
        return Outcome(Status.UNDECIDED, names.doubt, evidence)
    if names.doubt:
        return _undecided(names.doubt, evidence)
    if captures := sorted(_captures(test)):
        return _undecided(captures[0], evidence)
    if caught := sorted(_caught(test.tree) & set(names.candidate)):
        return _undecided(f"the test catches the candidate's {caught[0]}", evidence)
    aliases = {asked: program.entry_point} if asked else {}
    if not asked and (renamed := renaming.find_called(reference, program)):
        aliases = {renamed.asked: renamed.found}
    test_job = {
        "mode": "test",
        "code": reference.program + reference.runner,
        "preamble": test.preamble,
        "names": names.candidate,
        "libraries": names.libraries,
        "nodes": names.nodes,
        "records": test.records,
        "keeps_arguments": False,
        "traced": False,
        "seed": secrets.randbits(64),
        "limits": cell_limits(limits),
    }
    candidate_job = {
        "mode": "candidate",
        "code": program.source,
        "aliases": aliases,
        "nodes": names.nodes,
        "records": test.records,
        "prelude": reference.prelude,
        "limits": cell_limits(limits),
    }
    return _Pair(test_job, candidate_job, asked or names.candidate[0], evidence)


def _run(slot: Slot, pair: _Pair, limits: Limits, deadline: Deadline) -> tuple[Outcome, dict[str, Any]]:
    """The outcome, and the report of the test program if there is one."""
    evidence = pair.evidence
    left, right = socket.socketpair()
    with left, right:
        # The test's cell first: a program that starts as many processes as it may shall not leave it without one.
        tester = Conversation(slot, pair.test_job, limits, (right.fileno(),))
        right.close()
        candidate = Conversation(slot, pair.candidate_job, limits, (left.fileno(),))
        left.close()
        with candidate:
            with tester:
                try:
                    loaded = candidate.ask(None, deadline)
                except CellGoneError as gone:
                    return _ended(gone, evidence, "while it was loaded"), {}
                except ValueError as error:
                    return Outcome(Status.REFUTED, "no plain answer", {**evidence, "detail": cut(str(error))}), {}
                if type(loaded) is not dict or "loaded" not in loaded:
                    return denied(_not_loaded(loaded, evidence), denied_names(loaded)), {}
                try:
                    report = tester.ask(None, deadline)
                except CellGoneError as gone:
                    return _ended(gone, evidence, "while the test program ran"), {}
                except ValueError as error:
                    return Outcome(Status.ERROR, "test program failure", {**evidence, "detail": cut(str(error))}), {}
            refused = _refused(slot, candidate, pair.candidate_job["code"])
            ended = candidate.ended()
    return denied(_verdict(report, ended, pair), refused), report if type(report) is dict else {}


def _refused(slot: Slot, candidate: Conversation, code: str) -> list[str]:
    """What the sandbox has refused to the candidate, as its cell says once the test program has ended."""
    if slot.tier.boundary != "landlock" and not may_run_commands(code):
        return []
    try:
        return denied_names(candidate.hear(Deadline.after(_LAST_WORD_S)))
    except (CellGoneError, ValueError):
        return []


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


def _verdict(report: Any, ended: CellGoneError | None, pair: _Pair) -> Outcome:
    evidence = pair.evidence
    if type(report) is not dict:
        return Outcome(Status.ERROR, "test program failure", {**evidence, "detail": show(report)})
    if "unsupported" in report:
        return _undecided(cut(report["unsupported"]), evidence)
    if "memory" in report:
        return limit(Stop.MEMORY, evidence)
    if "missing" in report:
        return _missing(report["missing"], pair)
    if "own_fault" in report:
        detail = cut(str(report["own_fault"]))
        return Outcome(Status.UNDECIDED, "the test program fails by itself", {**evidence, "detail": detail})
    if "failed" in report:
        return _failed(report, ended, evidence)
    if report.get("passed", 0) > 0 and report.get("calls", 0) > 0:
        counts = {"tests": report["passed"], "passed": report["passed"], "calls": report["calls"]}
        return Outcome(Status.VERIFIED, "all tests passed", {**evidence, **counts})
    return Outcome(Status.UNDECIDED, "the test program asserted nothing about the candidate", evidence)


def _missing(missing: list[str], pair: _Pair) -> Outcome:
    """The test uses names that the program has not: refuted if it lacks what is asked for."""
    if pair.asked in missing or len(missing) == len(pair.test_job["names"]):
        failure = {"got": f"the program does not define {missing[0]}"}
        return Outcome(Status.REFUTED, "no such function", {**pair.evidence, "first_failure": failure})
    return _undecided(f"the test uses {missing[0]}, which neither it nor the program defines", pair.evidence)


def _failed(report: dict[str, Any], ended: CellGoneError | None, evidence: dict[str, Any]) -> Outcome:
    shown = {**evidence, "first_failure": {key: cut(str(value)) for key, value in report["failed"].items()}}
    if "gone" in report and ended is not None:
        if ended.stop is not Stop.NONE:
            return limit(ended.stop, shown)
        shown["first_failure"]["exit"] = describe_exit(ended.exit)
    if (stop := stop_of_error(str(report.get("raised", "")))) is not Stop.NONE:
        return limit(stop, shown)
    return Outcome(Status.REFUTED, "no answer" if "gone" in report else "assertion failed", shown)
