"""Layouts of contest problems, where a program reads and prints or one function is called: APPS, TACO, CodeContests,
CodeContests+, DeepCoder, open-r1/codeforces, rStar-Coder, PRIME Intellect's sets, OpenCodeReasoning.

Promises: what a publisher's own tests cannot judge is a fault of its row and never judged by something weaker: no
tests, tests that are not complete, a missing checker, files, interaction, images.
Sources: the publishers' cards and readers; docs/problem_files.md says what is taken from each.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping

from jobs.problems import code_tests
from jobs.problems.code_layouts import LIVECODEBENCH_HARNESS, STARTER_TASK, STDIN_TASK
from jobs.problems.errors import BadRow
from jobs.problems.rows import RowContext, answer_text, identity, objects, optional_string, parsed, some, string
from verifiers.reference_fields import excerpt
from verifiers.types import Json, Kind, Problem

Row = Mapping[str, Json]

NAMED_TASK = "Write the Python function"
LANGUAGES = {"python": "python", "python3": "python", "cpp": "cpp", "c++": "cpp", "javascript": "javascript"}
CODE_TASKS = ("verifiable_code", "prime_rl_code", "code")
MATH_TASKS = ("verifiable_math", "math")
_SECONDS = re.compile(r"\s*([\d.]+)\s*(?:s|sec|seconds?)?\s*", re.IGNORECASE)
_MEGABYTES = re.compile(r"\s*([\d.]+)\s*(?:mb|mib|megabytes?)?\s*", re.IGNORECASE)


def task_prompt(statement: str, reference: Row, starter: str = "") -> str:
    """A bare statement with what the model has to give: a program, or a function by its name or starting code."""
    statement = statement.strip()
    if reference["mode"] == "stdin":
        # A starter that no test calls is only a hint; the program must read and print all the same.
        return f"{statement}\n\n{STDIN_TASK}"
    if starter.strip():
        return f"{statement}\n\n{STARTER_TASK}\n\n```python\n{starter.rstrip()}\n```"
    return f"{statement}\n\n{NAMED_TASK} `{reference['entry_point']}`. {STDIN_TASK.partition('. ')[2]}"


def read_apps(row: Row, context: RowContext) -> Problem:
    """codeparrot/apps and BAAI/TACO: `input_output` is JSON text with parallel lists, `fn_name` where a function is
    called. TACO also counts pictures and gives limits in words."""
    statement, starter = string(row, "question"), optional_string(row, "starter_code")
    code_tests.check_statement(statement, "question")
    pictures = str(row.get("picture_num") or "0").strip()
    if pictures not in ("0", "0.0"):
        raise BadRow("picture_num", f"is {excerpt(pictures)}: the task shows pictures", "a task that is all text")
    tests = row.get("input_output")
    if tests in (None, ""):
        raise BadRow("input_output", "no tests", "at least one test")
    reference = code_tests.inputs_outputs(tests, "input_output", statement)
    if reference["mode"] == "function":
        code_tests.check_starter(starter, "starter_code")
    reference |= code_tests.time_limit(_number(row.get("time_limit"), _SECONDS))
    reference |= code_tests.memory_limit(_number(row.get("memory_limit"), _MEGABYTES))
    field = "problem_id" if row.get("problem_id") is not None else "id"
    given = identity(row, field, context)
    return Problem(
        # The numbers of a training file and of a test file are the same ones.
        id=given if given == context.made_id else f"{context.label}-{given}",
        kind=Kind.CODE,
        prompt=task_prompt(statement, reference, starter),
        reference=reference,
        domain=optional_string(row, "difficulty"),
        source=optional_string(row, "source"),
        meta=some(url=row.get("url"), tags=row.get("tags")),
    )


def _number(value: Json, pattern: re.Pattern[str]) -> float | None:
    """The number of a limit like `2.0 seconds`; None where it says something else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    found = pattern.fullmatch(value) if isinstance(value, str) else None
    try:
        return float(found[1]) if found else None
    except ValueError:
        return None


def read_code_contests(row: Row, context: RowContext) -> Problem:
    """deepmind/code_contests: three groups of tests, each with parallel lists `input` and `output`. The set has no
    checkers: where the words allow several answers, another one than the test's is undecided."""
    statement = string(row, "description")
    code_tests.check_statement(statement, "description")
    for field in ("input_file", "output_file"):
        if optional_string(row, field).strip():
            raise BadRow(field, f"is {excerpt(row[field])}: the program has to use files", "standard streams")
    pairs: list[tuple[Json, Json]] = []
    for field in ("public_tests", "private_tests", "generated_tests"):
        group = row.get(field) or {}
        inputs, outputs = (group.get("input"), group.get("output")) if isinstance(group, dict) else (None, None)
        if not isinstance(inputs, list | None) or not isinstance(outputs, list | None):
            raise BadRow(field, excerpt(group), '{"input": […], "output": […]}')
        if len(inputs or []) != len(outputs or []):
            raise BadRow(field, f"{len(inputs or [])} inputs, {len(outputs or [])} outputs", "as many of each")
        pairs += zip(inputs or [], outputs or [], strict=True)
    reference = code_tests.stdin_reference(pairs, "public_tests", statement)
    limit = row.get("time_limit")
    if isinstance(limit, dict):
        parts = [limit.get("seconds") or 0, limit.get("nanos") or 0]
        if not all(isinstance(part, int | float) for part in parts):
            raise BadRow("time_limit", excerpt(limit), '{"seconds": 2, "nanos": 0}')
        reference |= code_tests.time_limit(parts[0] + parts[1] / 1e9)
    if isinstance(size := row.get("memory_limit_bytes"), int):
        reference |= code_tests.memory_limit(size / 2**20)
    return Problem(
        id=identity(row, "name", context),
        kind=Kind.CODE,
        prompt=task_prompt(statement, reference),
        reference=reference,
        source="code_contests",
        meta=some(difficulty=row.get("difficulty"), rating=row.get("cf_rating"), tags=row.get("cf_tags")),
    )


def read_code_contests_plus(row: Row, context: RowContext) -> Problem:
    """ByteDance-Seed/Code-Contests-Plus: `checker` is a C++ program for testlib, which decides about every output, and
    `test_cases` are pairs of texts. Its default configuration has generators in place of tests."""
    statement = string(row, "description")
    code_tests.check_statement(statement, "description")
    tests = row.get("test_cases")
    if not tests:
        raise BadRow("test_cases", "no tests", "a configuration of the set that has them, such as 1x")
    reference = code_tests.stdin_reference(_pairs(row, "test_cases"), "test_cases")
    checker = optional_string(row, "checker")
    if not checker.strip():
        raise BadRow("checker", "missing, and outputs of this set are only judged by it", "the checker's C++ source")
    reference["checker"] = {"language": language_of(checker), "source": checker, "protocol": "testlib"}
    limit = row.get("time_limit")
    if isinstance(limit, int | float):  # milliseconds
        reference |= code_tests.time_limit(limit / 1000)
    if isinstance(size := row.get("memory_limit"), int | float):
        reference |= code_tests.memory_limit(size)
    given, source = identity(row, "id", context), optional_string(row, "source")
    return Problem(
        id=f"{source.lower()}-{given}" if source and given != context.made_id else given,
        kind=Kind.CODE,
        prompt=task_prompt(statement, reference),
        reference=reference,
        source="code_contests_plus",
        meta=some(
            title=row.get("title"),
            contest=source,
            # How many right programs the tests accept and how many wrong ones they refute, as the publisher measured.
            true_positive_rate=row.get("true_positive_rate"),
            true_negative_rate=row.get("true_negative_rate"),
        ),
    )


def language_of(checker: str) -> str:
    """`cpp` or `python`: what has a statement or two and parses as Python is Python."""
    try:
        return "python" if ast.parse(checker).body else "cpp"
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "cpp"


def _pairs(row: Row, field: str) -> list[tuple[Json, Json]]:
    return [(test.get("input"), test.get("output")) for test in objects(row, field)]


def read_codeforces(row: Row, context: RowContext) -> Problem:
    """open-r1/codeforces: `official_tests`, and `generated_checker`, a Python program, where several outputs are
    right. Tests that are not complete would accept programs that are wrong or slow: such rows are faults."""
    statement = _codeforces_statement(row)
    code_tests.check_statement(statement, "description")
    if optional_string(row, "interaction_format").strip():
        raise BadRow("interaction_format", "an interactive problem, and the set has no judge to talk to", "none")
    if optional_string(row, "input_mode") not in ("", "stdio"):
        raise BadRow("input_mode", f"is {excerpt(row['input_mode'])}: the program has to use files", "stdio")
    if row.get("executable") is False:
        raise BadRow("executable", "false: the publisher says that the row cannot be judged", "true")
    if row.get("official_tests_complete") is not True:
        generated = (
            f" (its {row['generated_tests']} generated tests are files apart)" if row.get("generated_tests") else ""
        )
        raise BadRow("official_tests_complete", f"not true: tests are missing here{generated}", "true")
    checker = optional_string(row, "generated_checker").strip()
    said = optional_string(row, "language")
    if said and said.lower() not in LANGUAGES:
        raise BadRow("language", f"is {excerpt(said)}", f"one of {', '.join(sorted(LANGUAGES))}")
    reference = code_tests.stdin_reference(
        _pairs(row, "official_tests"),
        "official_tests",
        "" if checker else statement,
        LANGUAGES[said.lower()] if said else "python",
    )
    if checker:
        reference["checker"] = {"language": "python", "source": checker, "protocol": "score"}
    reference |= code_tests.time_limit(_number(row.get("time_limit"), _SECONDS))
    reference |= code_tests.memory_limit(_number(row.get("memory_limit"), _MEGABYTES))
    given = identity(row, "id", context)
    return Problem(
        # The configurations with prompts have each problem once per language.
        id=f"{given}-{said}" if said else given,
        kind=Kind.CODE,
        prompt=optional_string(row, "prompt").strip() or task_prompt(statement, reference),
        reference=reference,
        source="codeforces",
        meta=some(rating=row.get("rating"), tags=row.get("tags"), contest_start=row.get("contest_start")),
    )


def _codeforces_statement(row: Row) -> str:
    parts = [string(row, "description").strip()]
    if title := optional_string(row, "title").strip():
        parts.insert(0, title)
    for field, heading in (("input_format", "Input"), ("output_format", "Output")):
        if text := optional_string(row, field).strip():
            parts.append(f"{heading}\n\n{text}")
    for number, example in enumerate(objects({"examples": row.get("examples") or []}, "examples"), start=1):
        shown = "\n".join(f"{key.capitalize()}:\n{str(example.get(key) or '').rstrip()}" for key in ("input", "output"))
        parts.append(f"Example {number}\n\n{shown}")
    if note := optional_string(row, "note").strip():
        parts.append(f"Note\n\n{note}")
    return "\n\n".join(parts)


def is_deepcoder(row: Row) -> bool:
    return isinstance(row["problem"], str) and isinstance(row["tests"], str | list | dict)


def read_deepcoder(row: Row, context: RowContext) -> Problem:
    """agentica-org/DeepCoder-Preview-Dataset: `tests` is JSON text: a list of cases in three of its configurations,
    TACO's parallel lists in the fourth. LiveCodeBench's rows name their method in `metadata.func_name`."""
    statement, starter = string(row, "problem"), optional_string(row, "starter_code")
    code_tests.check_statement(statement, "problem")
    metadata = parsed(row.get("metadata") or {}, "metadata")
    name = metadata.get("func_name") if isinstance(metadata, dict) else None
    tests = parsed(row.get("tests"), "tests")
    some_tests = tests if isinstance(tests, list) else []
    is_called = isinstance(tests, dict) or any(
        isinstance(test, dict) and test.get("testtype") == "functional" for test in some_tests
    )
    reference = code_tests.cases(tests, "tests", statement, name=name if is_called else None)
    code_tests.check_starter(starter, "starter_code")
    if row.get("metadata") is not None:  # LiveCodeBench's rows, with what its runner gives to every program
        reference |= LIVECODEBENCH_HARNESS
    return Problem(
        id=context.made_id,
        kind=Kind.CODE,
        prompt=task_prompt(statement, reference, starter),
        reference=reference,
        source="deepcoder",
    )


def read_verification_info(row: Row, context: RowContext) -> Problem:
    """Prime Intellect's SYNTHETIC-1, SYNTHETIC-2 and INTELLECT-2, and open-r1's verifiable-coding-problems:
    `verification_info` holds an answer or tests, as a struct, as JSON or as a Python literal. `task_type` says what a
    row asks for, and only tasks of mathematics and of code can be judged here."""
    prompt, task = string(row, "prompt").strip(), optional_string(row, "task_type")
    info = code_tests.literal(row.get("verification_info"), "verification_info")
    if not isinstance(info, dict):
        raise BadRow("verification_info", "missing" if info is None else excerpt(info), "an object")
    if task in CODE_TASKS or (not task and "test_cases" in info):
        kind = Kind.CODE
        reference = _reference_of_info(info, prompt)
    elif task in MATH_TASKS:
        kind = Kind.MATH
        reference = {"answer": answer_text(info.get("ground_truth"), "verification_info.ground_truth")}
    else:
        known = ", ".join((*CODE_TASKS, *MATH_TASKS))
        raise BadRow("task_type", f"is {excerpt(task)}, a task that is not judged here", f"one of {known}")
    if context.kind and context.kind != kind:
        raise BadRow("task_type", f"is {excerpt(task)}, but problems.kind is {context.kind}", "leave problems.kind out")
    return Problem(
        id=identity(row, "problem_id", context),
        kind=kind,
        prompt=prompt,
        reference=reference,
        domain=task,
        source=optional_string(row, "source"),
    )


def _reference_of_info(info: Row, prompt: str) -> dict[str, Json]:
    code_tests.check_statement(prompt, "prompt")
    said = str(info.get("language") or "python").lower()
    if said not in LANGUAGES:
        raise BadRow("verification_info.language", f"is {excerpt(said)}", f"one of {', '.join(sorted(LANGUAGES))}")
    tests = code_tests.literal(info.get("test_cases"), "verification_info.test_cases")
    field = "verification_info.test_cases"
    return code_tests.cases(tests, field, prompt, LANGUAGES[said], name=info.get("fn_name"))


def is_intellect_code(row: Row) -> bool:
    """INTELLECT-3's rows of code hold tests in `info`, which has other things in rows of other tasks."""
    try:
        info = parsed(row["info"], "info")
    except BadRow:
        return False
    return isinstance(info, dict) and "tests" in info


def read_intellect_code(row: Row, context: RowContext) -> Problem:
    """PrimeIntellect/INTELLECT-3-RL, configuration `code`: `info` is JSON text whose `tests` are JSON text again, with
    parallel lists."""
    statement = string(row, "question").strip()
    code_tests.check_statement(statement, "question")
    info = parsed(row.get("info"), "info")
    if not isinstance(info, dict):
        raise BadRow("info", excerpt(info), 'an object with "tests", or its JSON text')
    return Problem(
        id=context.made_id,
        kind=Kind.CODE,
        prompt=statement,
        reference=code_tests.cases(info.get("tests"), "info.tests", statement, name=info.get("fn_name")),
        source=optional_string(info, "source"),
    )


def read_rstar(row: Row, context: RowContext) -> Problem:
    """microsoft/rStar-Coder with tests: `inputs` and `outputs` are JSON text of lists; `func_name` and `class_name`
    where a function is called."""
    statement, starter = string(row, "question"), optional_string(row, "starter_code")
    code_tests.check_statement(statement, "question")
    tests = {key: parsed(row.get(key), key) for key in ("inputs", "outputs")}
    name = optional_string(row, "func_name").strip()
    owner = optional_string(row, "class_name").strip()
    reference = code_tests.inputs_outputs(tests, "inputs", statement, f"{owner}.{name}" if name and owner else name)
    if reference["mode"] == "function":
        code_tests.check_starter(starter, "starter_code")
    return Problem(
        id=identity(row, "question_id", context),
        kind=Kind.CODE,
        prompt=task_prompt(statement, reference, starter),
        reference=reference,
        source="rstar-coder",
    )


def is_open_code_reasoning(row: Row) -> bool:
    texts = ("solution", "license", "dataset", "split")
    return all(isinstance(row[name], str) for name in texts) and ("input" in row or "question" in row)


def read_open_code_reasoning(row: Row, context: RowContext) -> Problem:
    """nvidia/OpenCodeReasoning and its second edition, which hold tasks and solutions and no tests: problems without
    an answer key. Where the task itself is left out (`-`), `dataset` and `index` say which row of another set has
    it."""
    field = "input" if row.get("input") is not None else "question"
    statement = string(row, field).strip()
    if statement == "-":
        place = ", ".join(str(row[name]) for name in ("dataset", "split", "index") if row.get(name) is not None)
        raise BadRow(field, f"left out by the publisher: it is in {place}", "the task itself")
    return Problem(
        id=identity(row, "id", context),
        kind=Kind.CODE,
        prompt=statement,
        reference={"mode": "stdin"},
        domain=optional_string(row, "difficulty"),
        source=optional_string(row, "dataset") or "opencodereasoning",
        split=optional_string(row, "split"),
    )
