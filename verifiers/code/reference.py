"""The reference of a code problem (docs/code_problems.md), read and checked.

Promises: `parse` raises ValueError with the key and what would be right; what it returns can be judged.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
from collections.abc import Mapping
from typing import Any

from verifiers.code.wire import values
from verifiers.reference_fields import MAX_LABEL_CHARS, BadReferenceError, check_tolerance, excerpt, only_keys, text
from verifiers.types import Json

_KEYS = {
    "stdin": {"language", "tests", "tolerance"},
    "function": {"language", "tests", "tolerance", "entry_point", "compare", "output_argument", "prompt"},
    "assert": {"language", "entry_point", "prompt", "test", "test_list", "test_setup"},
}
_COMMON = {"mode", "time_limit_s", "memory_limit_mb"}
LANGUAGES = ("python", "cpp", "javascript")


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


@dataclasses.dataclass(frozen=True, slots=True)
class Reference:
    mode: str
    language: str
    tests: tuple[Test, ...]
    tolerance: Tolerance
    time_limit_s: float | None
    memory_limit_mb: int | None
    entry_point: str
    tuples_are_lists: bool
    output_argument: int | None
    prompt: str
    program: str
    """`assert`: the whole test program, set-up and call of `check` included."""


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


def _tests(row: Mapping[str, Json], mode: str) -> tuple[Test, ...]:
    rows = row.get("tests")
    if not isinstance(rows, list) or not rows:
        raise ValueError("tests: expected a non-empty list")
    tests = []
    for number, test in enumerate(rows):
        where = f"tests[{number}]"
        if not isinstance(test, Mapping) or not {"input", "output"} <= test.keys() <= {"input", "output", "kwargs"}:
            raise ValueError(f'{where}: expected {{"input": …, "output": …}}')
        if mode == "stdin":
            if not isinstance(test["input"], str) or not isinstance(test["output"], str):
                raise ValueError(f"{where}: input and output are text in mode stdin")
            tests.append(Test(test["input"], test["output"], {}))
            continue
        kwargs = test.get("kwargs") or {}
        if not isinstance(test["input"], list) or not isinstance(kwargs, Mapping):
            raise ValueError(f"{where}: input is the list of positional arguments, kwargs an object")
        try:
            values.decode_object([test["input"], dict(kwargs)])
            tests.append(Test(test["input"], values.decode_object(test["output"]), kwargs))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{where}: {error}") from None
    return tuple(tests)


def _parses(source: str, what: str) -> ast.Module:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{what}: not a Python program: {error}") from None


def test_name(entry_point: str) -> str:
    """What `check` gets it under: a name the test can not mean otherwise, where it is a method or a builtin's name."""
    taken = "." in entry_point or entry_point in dir(builtins)
    return "entry_point_" + entry_point.replace(".", "_") if taken else entry_point


def _assert_program(row: Mapping[str, Json], entry_point: str) -> str:
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
    return f"{setup}\n{program}\n"


def parse(row: Mapping[str, Json]) -> Reference:
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
    compare = _text(row, "compare", "exact")
    if compare not in ("exact", "json"):
        raise ValueError(f'compare: expected "exact" or "json", got {compare!r}')
    output_argument = row.get("output_argument")
    if output_argument is not None and (not isinstance(output_argument, int) or output_argument < 0):
        raise ValueError(f"output_argument: expected the number of an argument, got {output_argument!r}")
    memory = _positive(row, "memory_limit_mb")
    return Reference(
        mode=mode,
        language=language,
        tests=_tests(row, mode) if mode != "assert" else (),
        tolerance=_tolerance(row),
        time_limit_s=_positive(row, "time_limit_s"),
        memory_limit_mb=None if memory is None else max(1, int(memory)),
        entry_point=entry_point,
        tuples_are_lists=compare == "json",
        output_argument=output_argument,
        prompt=_text(row, "prompt"),
        program=_assert_program(row, entry_point) if mode == "assert" else "",
    )


def check_code(reference: Mapping[str, Json]) -> None:
    """The outline of docs/code_problems.md: modes, keys, tests. `parse` reads values and test programs.
    Raises BadReferenceError."""
    mode = reference.get("mode")
    if not isinstance(mode, str) or mode not in _KEYS:
        known = ", ".join(_KEYS)
        raise BadReferenceError("reference.mode", "missing" if mode is None else excerpt(mode), f"one of {known}")
    only_keys(reference, _KEYS[mode] | _COMMON, ("entry_point", "tests") if mode == "function" else ())
    if "entry_point" in reference:
        text(reference["entry_point"], "reference.entry_point", MAX_LABEL_CHARS)
    for key in ("time_limit_s", "memory_limit_mb"):
        if key in reference:
            value = reference[key]
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise BadReferenceError(f"reference.{key}", excerpt(value), "a number above 0")
    if "tolerance" in reference:
        check_tolerance(reference["tolerance"])
    if mode == "assert":
        if ("test" in reference) == ("test_list" in reference):
            raise BadReferenceError("reference.test", "neither or both of test and test_list", "one of them")
        return
    tests = reference.get("tests")
    if not isinstance(tests, list) or not tests:
        raise BadReferenceError(
            "reference.tests", "missing" if tests is None else excerpt(tests), "a list of at least one test"
        )
    for index, test in enumerate(tests):
        field = f"reference.tests[{index}]"
        if not isinstance(test, dict) or "input" not in test or "output" not in test:
            raise BadReferenceError(field, excerpt(test), 'an object {"input": …, "output": …}')
        if mode == "stdin" and not (isinstance(test["input"], str) and isinstance(test["output"], str)):
            raise BadReferenceError(field, excerpt(test), "input and output as text")
        if mode == "function" and not isinstance(test["input"], list):
            raise BadReferenceError(f"{field}.input", excerpt(test["input"]), "the list of arguments")
