"""Mutants of right programs against test modules: the verifier beside unittest and plain calls in a child process.

As in test_code_mutants.py: what the oracle fails is never verified, and what it passes is never refuted. `make mutants`
runs all of them.
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import code_mutants
import pytest
from code_mutants import Subject

from verifiers.code.checker import CodeChecker
from verifiers.types import Kind, Limits, Problem, Status

SHARE = int(os.environ.get("PROOFMILL_MUTANTS_SHARE", "20"))
PER_SUBJECT = 30
SUBJECTS = [s for s in code_mutants.subjects(Path(__file__).with_name("right_programs.toml")) if s.asserts]
LIMITS = Limits(wall_s=code_mutants.TIMEOUT_S, cpu_s=3.0, memory_mb=512, output_kb=1024)
_CALL_ALL = "\n\nfor name, item in list(globals().items()):\n    if name.startswith('test'):\n        item()\n"


@pytest.fixture(scope="module")
def checker() -> Iterator[CodeChecker]:
    checker = CodeChecker(num_workers=1)
    yield checker
    checker.close()


class _AsMethods(ast.NodeTransformer):
    """Assert statements as unittest's methods."""

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        test, name = node.test, "assertTrue"
        args = [test]
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
            name, args = "assertEqual", [test.left, test.comparators[0]]
        elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            name, args = "assertFalse", [test.operand]
        method = ast.Attribute(ast.Name("self", ast.Load()), name, ast.Load())
        return ast.Expr(ast.Call(method, args, []))


def module(subject: Subject, runner: str) -> str:
    """The subject's asserts as a test module."""
    tree = ast.parse(subject.asserts)
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    body = [node for node in tree.body if node not in imports]
    defined = sorted({node.name for node in ast.parse(subject.source).body if hasattr(node, "name")})
    head = "\n".join(["import unittest", f"from solution import {', '.join(defined)}", *map(ast.unparse, imports)])
    if runner == "unittest":
        body = [_AsMethods().visit(node) for node in body]
    text = "\n".join(ast.unparse(ast.fix_missing_locations(node)) for node in body)
    first = "def test_all():" if runner == "pytest" else "def test_all(self):"
    function = first + "\n" + "\n".join("    " + line for line in text.split("\n"))
    if runner == "pytest":
        return f"{head}\n\n{function}\n"
    return (
        f"{head}\n\nclass TestAll(unittest.TestCase):\n" + "\n".join("    " + ln for ln in function.split("\n")) + "\n"
    )


def passes(folder: Path, source: str, test: str, runner: str) -> bool:
    (folder / "solution.py").write_text(source)
    (folder / "test_solution.py").write_text(test if runner == "unittest" else test + _CALL_ALL)
    command = ["-m", "unittest", "-q", "test_solution"] if runner == "unittest" else ["test_solution.py"]
    try:
        done = subprocess.run(
            [sys.executable, "-B", *command],
            cwd=folder,
            env={},
            timeout=code_mutants.TIMEOUT_S,
            capture_output=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


@pytest.mark.parametrize("runner", ["unittest", "pytest"])
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.name)
def test_mutants_against_test_modules(checker: CodeChecker, subject: Subject, runner: str, tmp_path: Path) -> None:
    test = module(subject, runner)
    problem = Problem(subject.name, Kind.CODE, "", {"mode": "assert", "test": test})
    assert passes(tmp_path, subject.source, test, runner)
    assert checker.verify(problem, subject.source, LIMITS).status in (Status.VERIFIED, Status.UNDECIDED)
    for number, source in enumerate(code_mutants.mutants(subject, seed=41, count=PER_SUBJECT)):
        if number % SHARE:
            continue
        verdict = checker.verify(problem, source, LIMITS)
        if passes(tmp_path, source, test, runner):
            assert verdict.status is not Status.REFUTED, (source, test, verdict)
        else:
            assert verdict.status is not Status.VERIFIED, (source, test, verdict)
