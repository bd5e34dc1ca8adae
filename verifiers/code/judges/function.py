"""Mode `function`: arguments go in and results come out as plain data; what is expected stays here.

All tests of a program share one cell where they cannot influence each other through the program's own state, as far as
its source tells. Otherwise each gets a cell of its own, and then all run once more in one cell, as every public harness
runs them: a program whose answers depend on earlier calls is neither right nor wrong here. A wrong guess costs the
fairness of a verdict on a stateful program, never its soundness: state cannot bring an expected value into the cell.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import itertools
from typing import Any

from verifiers.code import extraction
from verifiers.code.cells.run import CellGoneError, Conversation, Deadline, Stop, cell_limits, stop_of_error
from verifiers.code.cells.worker import Slot
from verifiers.code.evidence import (
    Outcome,
    another_answer,
    denied,
    denied_names,
    describe_exit,
    limit,
    show,
    show_value,
)
from verifiers.code.extraction import Program
from verifiers.code.judges import comparison
from verifiers.code.reference import Reference, Test
from verifiers.code.wire import values
from verifiers.types import Json, Limits, Status

_VALUES = (ast.Constant, ast.Name, ast.Attribute, ast.UnaryOp, ast.BinOp, ast.Tuple)
_CONSTANT_PARTS = (*_VALUES, ast.operator, ast.unaryop, ast.expr_context)


def _constant(node: ast.AST | None) -> bool:
    # Walked, not recursed into: a sum can be longer than the stack is deep.
    return node is None or all(isinstance(part, _CONSTANT_PARTS) for part in ast.walk(node))


def is_stateless(tree: ast.Module) -> bool:
    """Nothing at module or class level, in a default or under `global` that a call could change for the next call.

    Errs towards False: then every test gets a process of its own.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Global | ast.Nonlocal):
            return False
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            defaults = [*node.args.defaults, *node.args.kw_defaults]
            if not all(map(_constant, defaults)):
                return False
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.decorator_list:
            return False
    scopes: list[list[ast.stmt]] = [tree.body, *(n.body for n in ast.walk(tree) if isinstance(n, ast.ClassDef))]
    for statement in itertools.chain.from_iterable(scopes):
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            if not _constant(statement.value):
                return False
        elif isinstance(statement, ast.Expr):
            if not isinstance(statement.value, ast.Constant):
                return False
        elif not isinstance(
            statement,
            ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Pass,
        ):
            return False
    # An attribute of a function or class set from inside a call is state too.
    names = extraction.defined_names(tree)
    return not any(
        isinstance(node, ast.Attribute | ast.Subscript)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id in names
        for node in ast.walk(tree)
    )


def judge(slot: Slot, reference: Reference, program: Program, limits: Limits, deadline: Deadline) -> Outcome:
    """Calls the program once per test, up to the first that fails. Raises SandboxError."""
    tree = extraction.parse(program.source)
    shared = tree is not None and is_stateless(tree)
    evidence: dict[str, Any] = {
        "extraction": program.rule,
        "entry_point": program.entry_point,
        "process": "shared" if shared else "one per test",
    }
    calls = _Calls(slot, reference, job_of(reference, program, limits), limits, deadline)
    outcome = calls.run(evidence, shared)
    if shared or outcome.status is not Status.VERIFIED or len(reference.tests) == 1:
        return outcome
    again = calls.run({**evidence, "process": "all in one"}, True)
    if again.status is Status.REFUTED:
        return Outcome(Status.UNDECIDED, "the answers depend on earlier calls", again.evidence)
    return outcome if again.status is Status.VERIFIED else again


def job_of(reference: Reference, program: Program, limits: Limits) -> dict[str, Any]:
    """The job of a cell that loads the program and answers calls of it."""
    return {
        "mode": "function",
        "code": program.source,
        "entry_point": program.entry_point,
        "output_argument": reference.output_argument,
        "prelude": reference.prelude,
        "sequences": any(test.operations for test in reference.tests),
        "limits": cell_limits(limits),
    }


@dataclasses.dataclass(frozen=True, slots=True)
class _Calls:
    """The calls that the tests ask for, of one program."""

    slot: Slot
    reference: Reference
    job: dict[str, Any]
    limits: Limits
    deadline: Deadline

    def run(self, evidence: dict[str, Any], shared: bool) -> Outcome:
        """All of them, up to the first that fails, in one process or in one each."""
        reference, count = self.reference, len(self.reference.tests)
        refused: list[str] = []
        with contextlib.ExitStack() as stack:
            conversation: Conversation | None = None
            for number, test in enumerate(reference.tests, start=1):
                until = self.deadline.sooner(reference.time_limit_s)
                called = _show_call(self.job["entry_point"], test)
                failed = {"test": number, "tests": count, "input": called, "expected": show_value(test.output)}
                shown = {**evidence, "first_failure": failed}
                try:
                    if conversation is None or not shared:
                        stack.close()
                        conversation = stack.enter_context(Conversation(self.slot, self.job, self.limits))
                        loaded = conversation.ask(None, until)
                        if problem := _problem_of(loaded, "loaded"):
                            return _refuted_or_limit(problem, loaded, evidence, failed)
                    answer = conversation.ask(call_of(test), until)
                except CellGoneError as gone:
                    if gone.stop is not Stop.NONE:
                        return limit(gone.stop, shown)
                    failed["got"] = f"the program ended without an answer ({describe_exit(gone.exit)})"
                    return Outcome(Status.REFUTED, "no answer", shown)
                except ValueError as error:
                    failed["got"] = f"an answer that is not plain data: {error}"[:300]
                    return Outcome(Status.REFUTED, "no plain answer", shown)
                if problem := _problem_of(answer, "value"):
                    return _refuted_or_limit(problem, answer, evidence, failed)
                refused += denied_names(answer)
                if not _right(reference, test, answer["value"]):
                    failed["got"] = show_value(answer["value"])
                    wrong = Outcome(Status.REFUTED, "wrong answer", shown)
                    outcome = another_answer(shown) if reference.several_answers else wrong
                    return denied(outcome, denied_names(answer))
        counts = {"tests": count, "passed": count}
        return denied(Outcome(Status.VERIFIED, "all tests passed", {**evidence, **counts}), refused)


def call_of(test: Test) -> dict[str, Json]:
    """What a cell is told for one test."""
    if test.operations:
        return {"args": test.input, "operations": list(test.operations)}
    return {"args": test.input, "kwargs": dict(test.kwargs)}


def _right(reference: Reference, test: Test, got: Any) -> bool:
    """The expected value itself or, where the problem's outputs are wrapped, the value in it."""
    wanted = [test.output, *(test.output if reference.wrapped_outputs else [])]
    return any(comparison.same_value(value, got, reference.compare, reference.tolerance) for value in wanted)


def _problem_of(answer: Any, wanted: str) -> str:
    """Empty if `answer` holds `wanted`, else what it says instead. The cell may send anything."""
    if type(answer) is not dict:
        return "an answer outside the protocol"
    if wanted in answer:
        return ""
    if "not_plain" in answer:
        return f"returned a value that is not plain data: {show(answer['not_plain'])}"
    if "raised" in answer:
        line = f" (line {answer['line']})" if type(answer.get("line")) is int else ""
        return f"raised {show(answer['raised'])}: {show(answer.get('message', ''))}{line}"
    return "an answer outside the protocol"


def _refuted_or_limit(problem: str, answer: Any, evidence: dict[str, Any], failed: dict[str, Any]) -> Outcome:
    failed["got"] = problem[:700]
    shown = {**evidence, "first_failure": failed}
    if type(answer) is dict and "raised" in answer:
        if (stop := stop_of_error(f"{show(answer['raised'])}: {show(answer.get('message', ''))}")) is not Stop.NONE:
            return limit(stop, shown)
        return denied(Outcome(Status.REFUTED, "runtime error", shown), denied_names(answer))
    if type(answer) is dict and "not_plain" in answer and answer.get("foreign") is True:
        # A value of a library, or one too large to carry: it may well be equal to what is expected.
        return Outcome(Status.UNDECIDED, "the value cannot cross", shown)
    return denied(Outcome(Status.REFUTED, "no plain answer", shown), denied_names(answer))


def _show_call(entry_point: str, test: Test) -> str:
    if test.operations:
        pairs = zip(test.operations, test.input, strict=True)
        return "; ".join(f"{name}({', '.join(map(show_value, args))})" for name, args in pairs)[:1000]
    try:
        arguments = [show_value(values.decode_object(value)) for value in test.input]
        arguments += [f"{name}={show_value(values.decode_object(value))}" for name, value in test.kwargs.items()]
    except ValueError:
        return f"{entry_point}(…)"
    return f"{entry_point}({', '.join(arguments)})"[:1000]
