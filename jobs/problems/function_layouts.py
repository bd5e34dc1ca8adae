"""Layouts of functions with test programs: KodCode, BigCodeBench, LeetCodeDataset, AceCode.

Sources: the publishers' cards and readers; docs/problem_files.md says what is taken from each.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from jobs.problems import code_tests
from jobs.problems.code_layouts import STARTER_TASK
from jobs.problems.contest_layouts import NAMED_TASK, task_prompt
from jobs.problems.errors import BadRow
from jobs.problems.rows import RowContext, identity, optional_string, parsed, some, string
from verifiers.reference_fields import excerpt
from verifiers.types import Json, Kind, Problem

Row = Mapping[str, Json]

WHOLE_PROGRAM = "Give the whole program in one ```python block."
DECLARATION_TASK = "The function is declared as follows. " + WHOLE_PROGRAM


def is_kodcode(row: Row) -> bool:
    return isinstance(row["question"], str) and isinstance(row["test"], str) and isinstance(row["solution"], str)


def read_kodcode(row: Row, context: RowContext) -> Problem:
    """KodCode/KodCode-V1 and its RL editions: `test` is a pytest module that imports from `solution`, or JSON with
    lists `stdin` and `stdout`; `test_info` has the declarations that a program is asked for."""
    statement, test = string(row, "question").strip(), string(row, "test")
    code_tests.check_statement(statement, "question")
    if test.lstrip().startswith("{"):
        streams = parsed(test, "test")
        lists = {"inputs": streams.get("stdin"), "outputs": streams.get("stdout")}
        reference = code_tests.inputs_outputs(lists, "test", statement)
        prompt = task_prompt(statement, reference)
    else:
        reference = code_tests.program_reference(test, "test")
        info = parsed(row.get("test_info") or [], "test_info")
        declared = [
            str(item["function_declaration"]).strip()
            for item in (info if isinstance(info, list) else [])
            if isinstance(item, dict) and item.get("function_declaration")
        ]
        shown = f"{DECLARATION_TASK}\n\n```python\n" + "\n".join(declared) + "\n```"
        prompt = f"{statement}\n\n{shown if declared else WHOLE_PROGRAM}"
    return Problem(
        id=identity(row, "question_id", context),
        kind=Kind.CODE,
        prompt=prompt,
        reference=reference,
        domain=optional_string(row, "subset"),
        source="kodcode",
        meta=some(style=row.get("style"), difficulty=row.get("gpt_difficulty")),
    )


def read_bigcodebench(row: Row, context: RowContext) -> Problem:
    """bigcode/bigcodebench: `test` is a unittest module that calls `entry_point`, and `code_prompt` the imports and the
    function's head, which a program begins with."""
    head, name = string(row, "code_prompt"), string(row, "entry_point")
    task = optional_string(row, "instruct_prompt").strip()
    if not task:
        task = f"{STARTER_TASK}\n\n```python\n{string(row, 'complete_prompt').rstrip()}\n```"
    return Problem(
        id=identity(row, "task_id", context),
        kind=Kind.CODE,
        prompt=task,
        reference={"mode": "assert", "entry_point": name, "prompt": head, "test": string(row, "test")},
        source="bigcodebench",
        meta=some(libs=row.get("libs")),
    )


def read_leetcode_dataset(row: Row, context: RowContext) -> Problem:
    """newfacade/LeetCodeDataset: `test` defines `check(candidate)`, `entry_point` is `Solution().name`, and `prompt`
    holds the imports and classes that LeetCode gives to every program."""
    statement, starter = string(row, "problem_description").strip(), optional_string(row, "starter_code")
    code_tests.check_statement(statement, "problem_description")
    code_tests.check_starter(starter, "starter_code")
    name = code_tests.entry_point(string(row, "entry_point"), "entry_point")
    reference = code_tests.program_reference(row.get("test"), "test", name, row.get("prompt"))
    code = f"{STARTER_TASK}\n\n```python\n{starter.rstrip()}\n```" if starter.strip() else f"{NAMED_TASK} `{name}`."
    return Problem(
        id=f"leetcode-{identity(row, 'task_id', context)}",
        kind=Kind.CODE,
        prompt=f"{statement}\n\n{code}",
        reference=reference,
        domain=optional_string(row, "difficulty"),
        source="leetcode",
        meta=some(tags=row.get("tags"), date=str(row.get("estimated_date") or "")),
    )


def asserts_of(row: Row) -> Json:
    return row.get("test_cases", row.get("tests"))


def is_acecode(row: Row) -> bool:
    tests = asserts_of(row)
    return isinstance(row["question"], str) and isinstance(tests, list) and all(isinstance(test, str) for test in tests)


def read_acecode(row: Row, context: RowContext) -> Problem:
    """TIGER-Lab/AceCode-87K and AceCode-V2: `test_cases` (`tests`) are assert statements about one function."""
    statement, tests = string(row, "question").strip(), asserts_of(row)
    if not isinstance(tests, list) or not tests or not all(isinstance(test, str) and test.strip() for test in tests):
        raise BadRow("test_cases", excerpt(tests), "a list of assert statements, with at least one")
    name = called_name(tests)
    named = f"\n\n{NAMED_TASK} `{name}`. {WHOLE_PROGRAM}" if name else f"\n\n{WHOLE_PROGRAM}"
    return Problem(
        id=identity(row, "id", context),
        kind=Kind.CODE,
        prompt=statement + named,
        reference={"mode": "assert", "test_list": tests},
        source=optional_string(row, "source") or "acecode",
    )


def called_name(tests: list[Json]) -> str:
    """The function that all assert statements call first; empty where they do not agree."""
    names = set()
    for test in tests:
        try:
            tree = ast.parse(str(test).strip())
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return ""
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
        names.add(min(calls, key=lambda call: (call.lineno, call.col_offset)).func.id if calls else "")  # type: ignore[attr-defined]
    return names.pop() if len(names) == 1 else ""
