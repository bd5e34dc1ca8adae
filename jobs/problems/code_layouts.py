"""Layouts of code benchmarks: HumanEval, MBPP, LiveCodeBench. docs/code_problems.md describes the references made
here."""

from __future__ import annotations

import base64
import binascii
import io
import pickle
import zlib
from collections.abc import Mapping

from jobs.problems.errors import BadRow
from jobs.problems.rows import RowContext, identity, objects, optional_string, parsed, some, string
from verifiers.reference_fields import excerpt
from verifiers.types import Json, Kind, Problem

Row = Mapping[str, Json]

HUMANEVAL_TASK = "Complete this Python function. Give the whole program in one ```python block."
MBPP_TASK = "Your code should pass these tests:"
STDIN_TASK = (
    "Read the input from standard input and write the answer to standard output. "
    "Give the whole program in one ```python block."
)
STARTER_TASK = "Use this starting code. Give the whole program in one ```python block."
LIVECODEBENCH_HARNESS: dict[str, Json] = {"prelude": "livecodebench", "time_limit_s": 6}
"""What the publisher's runner gives to every program: its imports, its recursion limit, and its time limit per test."""
MAX_TESTS_BYTES = 512 * 2**20
"""Largest size of unpacked private tests. LiveCodeBench's largest are some 100 MB; a zlib bomb unpacks to far more."""


def read_humaneval(row: Row, context: RowContext) -> Problem:
    """openai/human-eval: `prompt` is the head of a function, `test` a program that defines `check(candidate)`."""
    prompt, entry_point = string(row, "prompt"), string(row, "entry_point")
    return Problem(
        id=identity(row, "task_id", context),
        kind=Kind.CODE,
        prompt=f"{HUMANEVAL_TASK}\n\n```python\n{prompt.strip()}\n```",
        reference={"mode": "assert", "entry_point": entry_point, "prompt": prompt, "test": string(row, "test")},
        source="humaneval",
    )


def read_mbpp(row: Row, context: RowContext) -> Problem:
    """google-research MBPP: `text` (`prompt` in the sanitised set) and `test_list`, asserts that call the function by
    name. MBPP+ (evalplus) has a hundred times as many tests in `test`, a program; `test_list` only shows the name."""
    tests = row.get("test_list")
    if not isinstance(tests, list) or not tests or not all(isinstance(test, str) for test in tests):
        raise BadRow("test_list", excerpt(tests), "a list of assert statements")
    task = string(row, "prompt" if "prompt" in row else "text").strip()
    imports = row.get("test_imports") or []
    if not isinstance(imports, list) or not all(isinstance(line, str) for line in imports):
        raise BadRow("test_imports", excerpt(imports), "a list of import statements")
    setup = "\n".join(line for line in [*imports, optional_string(row, "test_setup_code")] if line.strip())
    program = optional_string(row, "test")
    reference: dict[str, Json] = (
        {"mode": "assert", "test": program}
        if program.strip()
        else {
            "mode": "assert",
            "test_list": tests,
        }
    )
    if setup:
        reference["test_setup"] = setup
    return Problem(
        id=f"mbpp-{identity(row, 'task_id', context)}",
        kind=Kind.CODE,
        # As in MBPP's own protocol, the asserts show the function's name and signature.
        prompt=f"{task}\n{MBPP_TASK}\n\n```python\n" + "\n".join(tests) + "\n```",
        reference=reference,
        source="mbpp",
    )


def read_livecodebench(row: Row, context: RowContext) -> Problem:
    """livecodebench/code_generation_lite: public and private tests, each `stdin` or `functional` (one argument
    per line)."""
    tests = objects(row, "public_test_cases") + private_tests(row.get("private_test_cases"))
    if not tests:
        raise BadRow("public_test_cases", "no tests, public or private", "at least one test")
    kinds = {str(test.get("testtype")) for test in tests}
    if kinds not in ({"stdin"}, {"functional"}):
        raise BadRow("public_test_cases", f"testtype {excerpt(sorted(kinds))}", "all stdin or all functional")
    for test in tests:
        if not isinstance(test.get("input"), str) or not isinstance(test.get("output"), str):
            raise BadRow(
                "public_test_cases", f"a test is {excerpt(test)}", '{"input": "…", "output": "…", "testtype": "…"}'
            )
    starter = optional_string(row, "starter_code")
    reference: dict[str, Json]
    if kinds == {"stdin"}:
        how = STDIN_TASK
        pairs = [{"input": test["input"], "output": test["output"]} for test in tests]
        reference = {"mode": "stdin", "tests": pairs, **LIVECODEBENCH_HARNESS}
    else:
        metadata = parsed(row.get("metadata") or "{}", "metadata")
        name = metadata.get("func_name") if isinstance(metadata, dict) else None
        if not isinstance(name, str) or not name:
            raise BadRow(
                "metadata", f"no func_name: {excerpt(row.get('metadata'))}", '{"func_name": "…"} for functional tests'
            )
        how = STARTER_TASK
        pairs = [functional_test(test) for test in tests]
        # The publisher's own check compares after JSON, where a tuple is a list.
        reference = {
            "mode": "function",
            "entry_point": f"Solution.{name}",
            "compare": "json",
            "tests": pairs,
            **LIVECODEBENCH_HARNESS,
        }
    question = string(row, "question_content").strip()
    code = f"\n\n```python\n{starter.rstrip()}\n```" if starter.strip() else ""
    return Problem(
        id=f"{optional_string(row, 'platform') or 'lcb'}-{identity(row, 'question_id', context)}",
        kind=Kind.CODE,
        prompt=f"{question}\n\n{how}{code}",
        reference=reference,
        domain=optional_string(row, "difficulty"),
        source="livecodebench",
        meta=some(contest_date=str(row.get("contest_date") or ""), contest_id=row.get("contest_id")),
    )


def functional_test(test: Row) -> dict[str, Json]:
    arguments = [parsed(line, "input of a functional test") for line in test["input"].split("\n") if line.strip()]
    return {"input": arguments, "output": parsed(test["output"], "output of a functional test")}


def private_tests(value: Json) -> list[dict[str, Json]]:
    """Private tests: JSON text, or base64 of zlib of a pickle of JSON text. Raises BadRow."""
    field = "private_test_cases"
    if value is None or value == "":
        return []
    try:
        return objects({field: value}, field)
    except BadRow:
        if not isinstance(value, str):
            raise
    try:
        packed = base64.b64decode(value, validate=True)
        decompressor = zlib.decompressobj()
        data = decompressor.decompress(packed, MAX_TESTS_BYTES)
        if decompressor.unconsumed_tail:
            raise BadRow(field, f"unpacks to more than {MAX_TESTS_BYTES >> 20} MiB", "tests of one problem")
        text = TextUnpickler(io.BytesIO(data)).load()
    except (binascii.Error, zlib.error, EOFError) as error:
        raise BadRow(field, f"neither JSON nor base64 of zlib: {error}", "the file as its publisher has it")
    except Exception as error:  # a hostile pickle can make load() raise anything
        raise BadRow(field, f"a pickle that is not plain text: {excerpt(str(error))}", "a pickled JSON string")
    if not isinstance(text, str):
        raise BadRow(field, f"pickled {type(text).__name__}, not text", "a pickled JSON string")
    return objects({field: text}, field)


class TextUnpickler(pickle.Unpickler):
    """Unpickles builtin values only. A pickle is a program, so every global that it asks for is refused unresolved."""

    def find_class(self, module_name: str, global_name: str) -> object:
        raise pickle.UnpicklingError(f"the pickle asks for {module_name}.{global_name}")

    def persistent_load(self, pid: object) -> object:
        raise pickle.UnpicklingError("the pickle asks for a persistent object")
