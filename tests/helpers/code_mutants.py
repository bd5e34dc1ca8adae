"""Right programs, a seeded mutator, and plain CPython as the oracle of what their mutants are worth.

The oracle knows nothing of the verifier: it runs the mutant with its tests in a child process, as any harness would.
"""

from __future__ import annotations

import ast
import dataclasses
import json
import random
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TIMEOUT_S = 3.0


@dataclasses.dataclass(frozen=True)
class Subject:
    """A right program. `calls` are arguments for mode `function`, `asserts` a test program, `inputs` standard input."""

    name: str
    source: str
    entry_point: str = ""
    calls: tuple[str, ...] = ()
    """Tuples of arguments, as Python text."""
    asserts: str = ""
    inputs: tuple[str, ...] = ()


def subjects(path: Path) -> list[Subject]:
    """Those of a TOML file."""
    found = []
    for name, row in tomllib.loads(path.read_text()).items():
        tuples = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
        found.append(Subject(name, **tuples))
    return found


# --- the mutator -----------------------------------------------------------------------------------------------------

_SWAPS: dict[type, tuple[type, ...]] = {
    ast.Add: (ast.Sub, ast.Mult),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Add, ast.Pow),
    ast.Div: (ast.FloorDiv,),
    ast.FloorDiv: (ast.Div,),
    ast.Mod: (ast.FloorDiv,),
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt,),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt,),
    ast.Eq: (ast.NotEq, ast.Is),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.And: (ast.Or,),
    ast.Or: (ast.And,),
}
_COPIES = {"list", "dict", "set", "sorted", "tuple"}


def _copied(value: ast.expr) -> ast.expr | None:
    """What an expression is a copy of."""
    is_copy = isinstance(value, ast.Call) and getattr(value.func, "id", "") in _COPIES
    return value.args[0] if is_copy and isinstance(value, ast.Call) and value.args else None


def _changes(node: ast.AST) -> Iterator[Callable[[], None]]:
    """What may be done to one node, each as a function that does it in place."""

    def put(field: str, value: Any) -> Callable[[], None]:
        return lambda: setattr(node, field, value)

    if isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp):
        yield from (put("op", other()) for other in _SWAPS.get(type(node.op), ()))
    if isinstance(node, ast.Compare):
        yield from (put("ops", [other(), *node.ops[1:]]) for other in _SWAPS.get(type(node.ops[0]), ()))
    if isinstance(node, ast.Constant):
        if type(node.value) is bool:
            yield put("value", not node.value)
        elif type(node.value) in (int, float):
            yield from (put("value", value) for value in (node.value + 1, -node.value, float(node.value)))
        elif type(node.value) is str:
            yield put("value", node.value + "x")
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        yield put("test", ast.UnaryOp(ast.Not(), node.test))
    if isinstance(node, ast.Return) and node.value is not None:
        value = node.value
        wrapped = (ast.Tuple([value], ast.Load()), ast.List([value], ast.Load()), ast.Constant(None))
        yield from (put("value", other) for other in wrapped)
        yield put("value", ast.Call(ast.Name("str", ast.Load()), [value], []))
        yield put("value", ast.Call(ast.Name("iter", ast.Load()), [value], []))
    if isinstance(node, ast.Call):
        if len(node.args) > 1:
            yield put("args", node.args[::-1])
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("append", "add", "extend", "pop"):
            others = {"append": "extend", "add": "discard", "extend": "append", "pop": "remove"}
            yield lambda: setattr(node.func, "attr", others[node.func.attr])  # type: ignore[attr-defined]
    if isinstance(node, ast.Assign) and (copied := _copied(node.value)):
        yield put("value", copied)  # the defensive copy forgotten
    if isinstance(node, ast.FunctionDef):
        for default in node.args.defaults:
            yield lambda default=default: node.args.defaults.__setitem__(  # type: ignore[misc]
                node.args.defaults.index(default), ast.List([], ast.Load())
            )
    if isinstance(node, ast.Slice):
        yield put("lower", ast.Constant(1))
        yield put("upper", None)
    body = getattr(node, "body", None)
    if isinstance(body, list):
        for position, statement in enumerate(body):
            if len(body) > 1 and not isinstance(statement, ast.Import | ast.ImportFrom):
                yield lambda position=position: body.__delitem__(position)  # type: ignore[misc]
            if position and not isinstance(statement, ast.FunctionDef | ast.ClassDef):
                yield lambda position=position: body.insert(position - 1, body.pop(position))  # type: ignore[misc]


def _parameters_changed(tree: ast.Module) -> Iterator[Callable[[], None]]:
    """A function that spoils what it was given, before it does its work or while it returns."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for argument in function.args.args:
                for what in ("sort()", "clear()", "append(0)", "reverse()"):
                    source = f"try:\n    {argument.arg}.{what}\nexcept AttributeError:\n    pass"
                    statement = ast.parse(source).body[0]
                    yield lambda f=function, s=statement: f.body.insert(0, s)  # type: ignore[misc]
                    finish = ast.Try(list(function.body), [], [], [statement])
                    yield lambda f=function, t=finish: setattr(f, "body", [t])  # type: ignore[misc]


def mutants(subject: Subject, seed: int, count: int) -> list[str]:
    """Up to `count` different programs, each with one or two changes."""
    chooser = random.Random(f"{subject.name} {seed}")
    found: dict[str, None] = {}
    for _ in range(count * 6):
        tree = ast.parse(subject.source)
        for _ in range(chooser.choice((1, 1, 1, 2))):
            changes = [change for node in ast.walk(tree) for change in _changes(node)]
            spoils = list(_parameters_changed(tree))
            chooser.choice(spoils if spoils and chooser.random() < 0.15 else changes or spoils or [lambda: None])()
        source = ast.unparse(ast.fix_missing_locations(tree))
        if source != ast.unparse(ast.parse(subject.source)):
            found[source] = None
        if len(found) == count:
            break
    return list(found)


# --- the oracle ------------------------------------------------------------------------------------------------------

_CALLER = """
import json, sys
code, entry_point, calls = json.loads(sys.argv[1])
for expected in calls:
    scope = {"__name__": "solution"}
    exec(compile(code, "solution.py", "exec", dont_inherit=True), scope)
    print(repr(scope[entry_point](*eval(expected))))
"""


def _plain(arguments: list[str], stdin: str = "") -> str | None:
    """Standard output of plain Python, or None if it fails or does not end."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None


def results(subject: Subject, source: str) -> list[str] | None:
    """The reprs of what a program returns for each call of its subject, each in a fresh namespace."""
    printed = _plain([_CALLER, json.dumps([source, subject.entry_point, subject.calls])])
    return None if printed is None else printed.splitlines()


def passes_asserts(subject: Subject, source: str) -> bool:
    """The mutant and the asserts in one namespace, as plain execution has them."""
    return _plain([f"{source}\n{subject.asserts}\n"]) is not None


def outputs(subject: Subject, source: str) -> list[list[str]] | None:
    found = []
    for text in subject.inputs:
        printed = _plain([source], text)
        if printed is None:
            return None
        found.append([line.strip() for line in printed.strip().split("\n")])
    return found
