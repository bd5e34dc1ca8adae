"""The reference of a code problem (docs/code_problems.md), read and checked.

Promises: `parse` raises ValueError with the key and what would be right; what it returns can be judged.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from verifiers.code import test_modules
from verifiers.code.wire import values
from verifiers.reference_fields import MAX_LABEL_CHARS, BadReferenceError, check_tolerance, excerpt, only_keys, text
from verifiers.types import Json

_KEYS = {
    "stdin": {"language", "tests", "tolerance", "compare", "checker", "prelude", "several_answers"},
    "function": {
        "language",
        "tests",
        "tolerance",
        "entry_point",
        "compare",
        "output_argument",
        "prompt",
        "prelude",
        "wrapped_outputs",
        "several_answers",
    },
    "assert": {"language", "entry_point", "prompt", "test", "test_list", "test_setup"},
}
_COMMON = {"mode", "time_limit_s", "memory_limit_mb"}
LANGUAGES = ("python", "cpp", "javascript")
PRELUDES = ("livecodebench",)
_ANY_ORDER = ("set", "multiset", "sorted_lines")
COMPARE = {"stdin": ("lines", "exact", *_ANY_ORDER), "function": ("exact", "json", *_ANY_ORDER)}
"""Values of `compare` by mode, the default first (judges/comparison.py)."""
CHECKER_LANGUAGES = ("python", "cpp")
PROTOCOLS = ("testlib", "score")
NO_OUTPUT = ""
"""What a checker program is given as the expected output of a test that has none."""
_DEFINED = re.compile(r"(?m)^\s*(?:async )?(?:def|class) (\w+)\s*[(:]")
_QUOTED = re.compile(r"`(?:def |class )?(\w+)(?:\([^`\n]*\))?(?: ?-> ?[^`\n]*)?:?`")
_NAME = r"(?!(?:and|that|which|to|for|with|of|is|should|must|will|expected|returns|takes)\b)[A-Za-z_]\w*"
_LISTED = re.compile(
    rf"\b(?:functions?|class(?:es)?|methods?)(?: named| called)? ({_NAME}(?:(?:,? and |, ){_NAME}){{0,5}})"
)
_CLASS_TIME_LIMIT_S = 6.0
"""Seconds per test of a method of a class, where the problem declares no limit: LiveCodeBench's."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tolerance:
    rel: float | None = None
    abs: float | None = None

    @property
    def declared(self) -> bool:
        return self.rel is not None or self.abs is not None


@dataclasses.dataclass(frozen=True, slots=True)
class Test:
    """`stdin`: text in, text out. `function`: JSON arguments in, decoded value out."""

    input: Any
    output: Any
    kwargs: Mapping[str, Json]
    operations: tuple[str, ...] = ()
    """`function`: a sequence of calls on one object; `input` then holds one list of arguments per operation."""


@dataclasses.dataclass(frozen=True, slots=True)
class CheckerProgram:
    """A program that says whether an output is right, for problems with several right answers."""

    language: str
    source: str
    protocol: str
    """`testlib` or `score` (judges/checker_program.py)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    mode: str
    language: str
    tests: tuple[Test, ...]
    tolerance: Tolerance
    time_limit_s: float | None
    memory_limit_mb: int | None
    entry_point: str
    compare: str
    """One of COMPARE[mode]."""
    wrapped_outputs: bool
    """Each expected value may stand alone in a list: `[true]` for `true`."""
    several_answers: bool
    """The expected outputs are some of several right ones: another output is neither right nor wrong."""
    checker: CheckerProgram | None
    prelude: str
    """The imports and limits that the program gets without asking: `livecodebench` or none."""
    output_argument: int | None
    prompt: str
    program: str
    """`assert`: the whole test program, set-up and call of `check` included."""
    runner: str
    """`assert`: lines after a test module that run its tests (test_modules.py)."""
    imported: frozenset[str]
    """`assert`: names that a test module imports from the candidate's module."""
    named: frozenset[str]
    """`assert`: names of functions and classes that the words of the task have."""


def _text(row: Mapping[str, Json], key: str, default: str = "") -> str:
    value = row.get(key, default)
    if value is None:
        value = default
    if not isinstance(value, str):
        raise ValueError(f"{key}: expected text, got {type(value).__name__}")
    return value


def _positive(row: Mapping[str, Json], key: str) -> float | None:
    value = row.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        raise ValueError(f"{key}: expected a positive number, got {value!r}")
    return value


def _tolerance(row: Mapping[str, Json]) -> Tolerance:
    value = row.get("tolerance") or {}
    if not isinstance(value, Mapping) or not value.keys() <= {"rel", "abs"}:
        raise ValueError(f'tolerance: expected {{"rel": x, "abs": y}}, got {value!r}')
    for name, number in value.items():
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number < 1:
            raise ValueError(f"tolerance.{name}: expected a number from 0 to 1, got {number!r}")
    return Tolerance(value.get("rel"), value.get("abs"))


def _checker(row: Mapping[str, Json]) -> CheckerProgram | None:
    value = row.get("checker")
    if value is None:
        return None
    keys = {"language", "source", "protocol"}
    if not isinstance(value, Mapping) or value.keys() != keys or not all(isinstance(v, str) for v in value.values()):
        raise ValueError('checker: expected {"language": …, "source": …, "protocol": …}, each of them text')
    language, source, protocol = value["language"].lower(), value["source"], value["protocol"]
    if language not in CHECKER_LANGUAGES:
        raise ValueError(f'checker.language: expected "python" or "cpp", got {language!r}')
    if protocol not in PROTOCOLS:
        raise ValueError(f'checker.protocol: expected "testlib" or "score", got {protocol!r}')
    if language == "python":
        _parses(source, "checker.source")
    if not source.strip():
        raise ValueError("checker.source: empty")
    if row.get("compare") is not None or row.get("tolerance"):
        raise ValueError("checker: decides alone, so neither compare nor tolerance can be declared beside it")
    return CheckerProgram(language, source, protocol)


def _compare(row: Mapping[str, Json], mode: str) -> str:
    if mode == "assert":
        return ""
    known = COMPARE[mode]
    compare = _text(row, "compare", known[0])
    if compare not in known:
        raise ValueError(f"compare: expected one of {', '.join(known)} in mode {mode}, got {compare!r}")
    if compare in ("set", "multiset") and row.get("tolerance"):
        raise ValueError(f'tolerance: does not go with compare {compare!r}; "sorted_lines" takes one')
    return compare


def _prelude(row: Mapping[str, Json], entry_point: str, tests: tuple[Test, ...]) -> str:
    prelude = _text(row, "prelude")
    if prelude and prelude not in PRELUDES:
        raise ValueError(f"prelude: expected {PRELUDES[0]!r} or nothing, got {prelude!r}")
    # Classes are written for LeetCode, which gives its programs these names.
    is_class = "." in entry_point or any(test.operations for test in tests)
    return prelude or (PRELUDES[0] if is_class else "")


def _sequence(test: Mapping[str, Json], where: str) -> Test:
    """LeetCode's tests of a class: names of operations, the constructor's first, and arguments, one list for each."""
    operations, arguments, output = test["operations"], test["input"], test["output"]
    if not isinstance(operations, list) or not operations or not all(isinstance(name, str) for name in operations):
        raise ValueError(f"{where}: operations is the list of names to call, the class first")
    if not isinstance(arguments, list) or not all(isinstance(args, list) for args in arguments):
        raise ValueError(f"{where}: with operations, input holds one list of arguments for each")
    if len(arguments) != len(operations) or not isinstance(output, list) or len(output) != len(operations):
        raise ValueError(f"{where}: {len(operations)} operations need as many lists of arguments and outputs")
    try:
        values.decode_object(arguments)
        return Test(values.portable(arguments), values.decode_object(output), {}, tuple(operations))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{where}: {error}") from None


def _tests(row: Mapping[str, Json], mode: str) -> tuple[Test, ...]:
    rows = row.get("tests")
    if not isinstance(rows, list) or not rows:
        raise ValueError("tests: expected a non-empty list")
    tests = []
    for number, test in enumerate(rows):
        where = f"tests[{number}]"
        known = {"input", "output"} | ({"kwargs", "operations"} if mode == "function" else set())
        if not isinstance(test, Mapping) or not {"input"} <= test.keys() <= known:
            raise ValueError(f'{where}: expected {{"input": …, "output": …}}')
        if not has_output(test, mode) and row.get("checker") is None:
            raise ValueError(f"{where}: has no output, and no checker decides without one")
        if mode == "stdin":
            output = NO_OUTPUT if test.get("output") is None else test["output"]
            if not isinstance(test["input"], str) or not isinstance(output, str):
                raise ValueError(f"{where}: input and output are text in mode stdin")
            tests.append(Test(test["input"], output, {}))
            continue
        if test.get("operations") is not None:
            if test.get("kwargs") or row.get("output_argument") is not None:
                raise ValueError(f"{where}: operations go with neither kwargs nor output_argument")
            tests.append(_sequence(test, where))
            continue
        kwargs = test.get("kwargs") or {}
        if not isinstance(test["input"], list) or not isinstance(kwargs, Mapping):
            raise ValueError(f"{where}: input is the list of positional arguments, kwargs an object")
        try:
            values.decode_object([test["input"], dict(kwargs)])
            tests.append(
                Test(
                    values.portable(test["input"]), values.decode_object(test["output"]), values.portable(dict(kwargs))
                )
            )
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where}: {error}") from None
    return tuple(tests)


def _parses(source: str, what: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{what}: not a Python program: {error}") from None


def test_name(entry_point: str) -> str:
    """What `check` gets it under: a name the test cannot mean otherwise, where it is a method or a builtin's name."""
    taken = "." in entry_point or entry_point in dir(builtins)
    return "entry_point_" + entry_point.replace(".", "_") if taken else entry_point


def _assert_program(row: Mapping[str, Json], entry_point: str) -> tuple[str, str, frozenset[str]]:
    test, test_list = row.get("test"), row.get("test_list")
    if (test is None) == (test_list is None):
        raise ValueError("test, test_list: exactly one of them is needed in mode assert")
    if test_list is not None:
        if not isinstance(test_list, list) or not all(isinstance(line, str) for line in test_list):
            raise ValueError("test_list: expected a list of assert statements")
        program = "\n".join(test_list)
    else:
        program = _text(row, "test")
    tree = _parses(program, "test" if test is not None else "test_list")
    if not any(isinstance(node, ast.Assert | ast.Raise) for node in ast.walk(tree)) and "assert" not in program:
        raise ValueError("test: has no assert, so nothing could ever be verified by it")
    setup = _text(row, "test_setup")
    _parses(setup, "test_setup")
    defines_check = any(isinstance(node, ast.FunctionDef) and node.name == "check" for node in tree.body)
    if entry_point and defines_check:
        program += f"\ncheck({test_name(entry_point)})\n"
    runner, imported = "", frozenset[str]()
    if not defines_check and test_modules.is_test_module(tree):
        program, runner, imported = test_modules.as_program(program)
    return f"{setup}\n{program}\n", runner, imported


def _wrapped(row: Mapping[str, Json], tests: tuple[Test, ...], entry_point: str, compare: str) -> bool:
    """Whether each expected value stands alone in a list, as the files of APPS, TACO and PRIME write them.

    Where the problem does not say, only all of several tests together tell, and only for a plain function: values of
    methods are LiveCodeBench's, which are written as they are.
    """
    declared = row.get("wrapped_outputs")
    alone = all(type(test.output) is list and len(test.output) == 1 and not test.operations for test in tests)
    if declared is None:
        return compare == "json" and len(tests) > 1 and "." not in entry_point and alone
    if not isinstance(declared, bool):
        raise ValueError(f"wrapped_outputs: expected true or false, got {declared!r}")
    if declared and not alone:
        raise ValueError("wrapped_outputs: not every output is a list of one value")
    return declared


def _several(row: Mapping[str, Json]) -> bool:
    declared = row.get("several_answers", False)
    if not isinstance(declared, bool):
        raise ValueError(f"several_answers: expected true or false, got {declared!r}")
    if declared and row.get("checker") is not None:
        raise ValueError("several_answers: the checker decides about every output; leave one of them out")
    return declared


def names_in(task: str) -> frozenset[str]:
    """Names that a task gives to functions and classes: in code of its own, between backticks, or behind such a word.

    Calls do not count: tests stand among them as examples, and their helpers.
    """
    found = {*_DEFINED.findall(task), *_QUOTED.findall(task)}
    for match in _LISTED.finditer(task):
        found.update(re.split(r",? and |, ", match[1]))
    return frozenset(found)


def parse(row: Mapping[str, Json], task: str = "") -> Reference:
    """`task` is what the solver is told. Raises ValueError."""
    mode = row.get("mode")
    if mode not in _KEYS:
        raise ValueError(f'mode: expected "stdin", "function" or "assert", got {mode!r}')
    if unknown := row.keys() - _KEYS[mode] - _COMMON:
        known = ", ".join(sorted(_KEYS[mode] | _COMMON))
        raise ValueError(f"{sorted(unknown)[0]}: unknown key in mode {mode}; known: {known}")
    language = _text(row, "language", "python").lower()
    if language not in LANGUAGES or (mode != "stdin" and language != "python"):
        raise ValueError(f"language: {language!r} is not available in mode {mode}")
    entry_point = _text(row, "entry_point")
    if mode == "function" and not entry_point:
        raise ValueError("entry_point: needed in mode function")
    if (entry_point and not all(part.isidentifier() for part in entry_point.split(".")[:2])) or entry_point.count(
        "."
    ) > 1:
        raise ValueError(f'entry_point: expected "name" or "Class.method", got {entry_point!r}')
    compare = _compare(row, mode)
    tests = _tests(row, mode) if mode != "assert" else ()
    prelude = _prelude(row, entry_point, tests)
    output_argument = row.get("output_argument")
    if output_argument is not None and (not isinstance(output_argument, int) or output_argument < 0):
        raise ValueError(f"output_argument: expected the number of an argument, got {output_argument!r}")
    memory = _positive(row, "memory_limit_mb")
    program, runner, imported = _assert_program(row, entry_point) if mode == "assert" else ("", "", frozenset[str]())
    return Reference(
        mode=mode,
        language=language,
        tests=tests,
        tolerance=_tolerance(row),
        time_limit_s=_positive(row, "time_limit_s")
        or (_CLASS_TIME_LIMIT_S if prelude and mode == "function" else None),
        memory_limit_mb=None if memory is None else max(1, int(memory)),
        entry_point=entry_point,
        compare=compare,
        wrapped_outputs=_wrapped(row, tests, entry_point, compare),
        several_answers=_several(row),
        checker=_checker(row),
        prelude=prelude,
        output_argument=output_argument,
        prompt=_text(row, "prompt"),
        program=program,
        runner=runner,
        imported=imported,
        named=names_in(task) if mode == "assert" else frozenset(),
    )


def has_code_key(reference: Mapping[str, Json]) -> bool:
    """Whether there are tests. A test without an output tells right from wrong only beside a checker program."""
    if any(reference.get(key) is not None for key in ("test", "test_list")):
        return True
    tests = reference.get("tests")
    if not isinstance(tests, list) or not tests:
        return tests is not None
    mode, has_checker = str(reference.get("mode")), reference.get("checker") is not None
    return has_checker or any(not isinstance(test, Mapping) or has_output(test, mode) for test in tests)


def has_output(test: Mapping[str, Json], mode: str) -> bool:
    """Whether a test says what is right. In mode `stdin` a null is no output; a function may well have to return it."""
    return test.get("output") is not None or (mode == "function" and "output" in test)


def check_code(reference: Mapping[str, Json]) -> None:
    """The outline of docs/code_problems.md: modes, keys, tests, of which a problem without an answer key has none.
    `parse` reads values and test programs. Raises BadReferenceError."""
    mode = reference.get("mode")
    if not isinstance(mode, str) or mode not in _KEYS:
        known = ", ".join(_KEYS)
        raise BadReferenceError("reference.mode", "missing" if mode is None else excerpt(mode), f"one of {known}")
    only_keys(reference, _KEYS[mode] | _COMMON, ("entry_point",) if mode == "function" else ())
    if reference.get("entry_point") is not None:
        text(reference["entry_point"], "reference.entry_point", MAX_LABEL_CHARS)
    for key in ("time_limit_s", "memory_limit_mb"):
        value = reference.get(key)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float | None)
            or (value is not None and not value > 0)
        ):
            raise BadReferenceError(f"reference.{key}", excerpt(value), "a number above 0")
    if reference.get("tolerance") is not None:
        check_tolerance(reference["tolerance"])
    if mode == "assert":
        if reference.get("test") is not None and reference.get("test_list") is not None:
            raise BadReferenceError("reference.test", "both of test and test_list", "one of them")
        return
    if reference.get("tests") is not None:
        needs_outputs = has_code_key(reference) and reference.get("checker") is None
        _check_tests(reference["tests"], mode, needs_outputs)


def _check_tests(tests: Json, mode: str, needs_outputs: bool) -> None:
    if not isinstance(tests, list) or not tests:
        raise BadReferenceError(
            "reference.tests", "missing" if tests is None else excerpt(tests), "a list of at least one test"
        )
    for index, test in enumerate(tests):
        field = f"reference.tests[{index}]"
        if not isinstance(test, dict) or "input" not in test or (needs_outputs and not has_output(test, mode)):
            raise BadReferenceError(field, excerpt(test), 'an object {"input": …, "output": …}')
        if mode == "stdin" and not (isinstance(test["input"], str) and isinstance(test.get("output"), str | None)):
            raise BadReferenceError(field, excerpt(test), "input and output as text")
        if mode == "function" and not isinstance(test["input"], list):
            raise BadReferenceError(f"{field}.input", excerpt(test["input"]), "the list of arguments")
