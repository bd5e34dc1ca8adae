"""The table of kinds: every built-in kind has a row whose parts can be imported and used; a kind is text above it."""

from __future__ import annotations

import ast
import inspect
import json
import re
from pathlib import Path

import pytest

from jobs.problems.canonical import check
from jobs.problems.errors import BadRow
from verifiers.checker import Checkers, check_settings
from verifiers.kinds import KINDS
from verifiers.reference_fields import BadReferenceError
from verifiers.registry import UnknownNameError, load
from verifiers.types import Kind, Problem

ROOT = Path(__file__).resolve().parents[2]


def test_every_built_in_kind_has_a_row() -> None:
    assert set(KINDS) == set(Kind)
    for kind in KINDS:
        checker = load(KINDS.row(kind).checker)
        assert {"num_workers"} <= set(inspect.signature(checker).parameters)
        assert checker.name == kind
        assert not KINDS.row(kind).shuffle or KINDS.row(kind).without_order, "exports must know shuffled items again"


def test_an_unknown_kind_is_one_clear_error() -> None:
    message = "unknown problem kind 'proof'; known: math, code, lean, choice"
    with pytest.raises(UnknownNameError, match=re.escape(message)):
        Checkers().check_problem(Problem("p", "proof", "?", {}))
    with pytest.raises(UnknownNameError, match=re.escape(message)):
        check_settings({"proof": {"strict": True}})


BAD = [
    ("math", {"answer": 5}, "reference.answer"),
    ("math", {"answer": "5", "tolerence": {"rel": 1}}, "reference.tolerence"),
    ("math", {"answer": "5", "tolerance": {"rel": -1}}, "reference.tolerance.rel"),
    ("choice", {"options": ["a"], "answer": "A"}, "reference.options"),
    ("choice", {"options": ["a", "b"], "answer": "C"}, "reference.answer"),
    ("lean", {"header": "", "name": "t", "statement": "theorem s : True"}, "reference.name"),
    ("lean", {"header": "", "name": "t", "statement": "theorem t : True := by sorry"}, "reference.statement"),
    ("code", {"mode": "stdin", "tests": []}, "reference.tests"),
    ("code", {"mode": "stdin", "tests": [{"input": "1", "output": "2"}, {"input": "1"}]}, "reference.tests[1]"),
    ("code", {"mode": "assert", "test": "x", "entry": "f"}, "reference.entry"),
]


@pytest.mark.parametrize(("kind", "reference", "field"), BAD)
def test_a_validator_names_the_field_and_jobs_says_the_same(
    kind: str, reference: dict[str, object], field: str
) -> None:
    with pytest.raises(BadReferenceError) as found:
        KINDS.row(kind).check_reference(reference)
    assert found.value.field == field
    with pytest.raises(BadRow) as row:
        check(Problem("p", kind, "?", reference))
    assert (row.value.field, row.value.wrong, row.value.right) == (
        found.value.field,
        found.value.found,
        found.value.wanted,
    )


def test_nothing_under_a_kind_imports_the_table() -> None:
    """A cycle otherwise: the table imports every kind's reference. It imports nothing else of them."""
    for path in (ROOT / "verifiers").rglob("*.py"):
        names = {
            alias if isinstance(node, ast.Import) else f"{node.module}.{alias}"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in [name.name for name in node.names]
        }
        below = path.relative_to(ROOT / "verifiers").parts[0]
        if below in set(KINDS):
            assert not {name for name in names if name.startswith(("verifiers.kinds", "verifiers.checker"))}, path
        if path == ROOT / "verifiers" / "kinds.py":
            inside = [name for name in names if re.match(rf"verifiers\.({'|'.join(KINDS)})\b", name)]
            assert inside and all(".reference." in name for name in inside)


THEOREM = "theorem t (a b : Nat) : a + b = b + a"
SHOWN = [
    f"Prove in Lean 4: {THEOREM}",
    f"Prove `{THEOREM}`.",
    f"```lean4\n{THEOREM} := by\n  sorry\n```\nGive the whole file.",
    "theorem t (a b : Nat) :\n    a + b = b + a := by",
    f"{THEOREM}.\nProve it.",
]
NOT_SHOWN = [
    "Prove it.",
    f"Prove {THEOREM} + 0",
    f"Prove {THEOREM} ∧ True",
    f"{THEOREM}\n  ∧ 0 = 0",
    f"not{THEOREM}",
    "Prove t, that is a + b = b + a.",
]


@pytest.mark.parametrize("prompt", SHOWN)
def test_a_theorem_that_the_prompt_shows_is_not_shown_twice(prompt: str) -> None:
    problem = Problem("p", "lean", prompt, {"header": "open Nat", "name": "t", "statement": THEOREM})
    assert KINDS.row("lean").show(problem) == prompt


@pytest.mark.parametrize("prompt", NOT_SHOWN)
def test_no_theorem_is_proved_blind(prompt: str) -> None:
    problem = Problem("p", "lean", prompt, {"header": "open Nat", "name": "t", "statement": THEOREM})
    shown = KINDS.row("lean").show(problem)
    assert shown.startswith(prompt) and shown.endswith(f"```lean4\nopen Nat\n\n{THEOREM} := by\n  sorry\n```")


def test_a_long_statement_is_looked_for_in_no_time() -> None:
    statement = "theorem t : " + " + ".join(["1"] * 200_000) + " = 200000"
    problem = Problem("p", "lean", statement[:-1] * 2, {"header": "", "name": "t", "statement": statement})
    assert len(KINDS.row("lean").show(problem)) > 3 * len(statement) - 10


def documented_rows() -> list[dict[str, object]]:
    """The canonical rows in docs/problem_files.md."""
    text = (ROOT / "docs" / "problem_files.md").read_text()
    lines = re.findall(r'^\{"id":.*\}$', text, re.MULTILINE)
    return [json.loads(line) for line in lines]


SOLUTIONS = {
    "math": "So $x = \\boxed{5}$.",
    "code": "```python\ndef gcd(a, b):\n    while b:\n        a, b = b, a % b\n    return a\n```",
    "lean": "```lean4\ntheorem t (a b : Nat) : a + b = b + a := Nat.add_comm a b\n```",
    "choice": "Only 7 is prime.\nAnswer: C",
}


@pytest.mark.lean
def test_the_documents_examples_can_be_solved_from_what_the_model_sees() -> None:
    """Every row of the page is read, shown whole and solved."""
    from workers.prompting.messages import PromptStyle, build_messages

    problems = [check(Problem.from_json(row)) for row in documented_rows()]
    assert {problem.kind for problem in problems} == set(KINDS)
    checkers = Checkers()
    try:
        for problem in problems:
            ((_, content),) = build_messages(problem, PromptStyle())
            for key in ("statement", "header"):
                assert problem.reference.get(key, "") in content
            for option in problem.reference.get("options", []):
                assert option in content
            assert checkers.check_problem(problem) is None
            verdict = checkers.verify(problem, SOLUTIONS[problem.kind])
            assert verdict.status == "verified", (problem.id, verdict)
    finally:
        checkers.close()
