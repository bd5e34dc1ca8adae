"""Checks that a problem is canonical: every field there, of its type, within its caps (docs/problem_files.md).

Every layout's problems end here, so nothing downstream meets a missing field or a wrong type. Whether an answer can be
*understood* (is `\\frac{1}{` an expression?) is for the checker of its kind to say: `Checker.check_problem`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping

from jobs.problems.errors import BadRow, excerpt, json_type
from verifiers.types import Json, Kind, Problem

MAX_ID_CHARS = 512
MAX_PROMPT_CHARS = 1_000_000
MAX_LABEL_CHARS = 512
MAX_ANSWER_CHARS = 100_000
MAX_OPTIONS = 26
"""Options are named by the letters A to Z."""

FIELDS = ("id", "kind", "prompt", "reference", "domain", "source", "split", "meta")
KINDS = ", ".join(Kind)
MATH_KEYS = frozenset({"answer", "type", "tolerance"})
CHOICE_KEYS = frozenset({"options", "answer"})
LEAN_KEYS = frozenset({"header", "name", "statement"})
encode = json.JSONEncoder(allow_nan=False).encode
"""Made once: `json.dumps` with an option makes a new encoder at each call."""
CODE_COMMON_KEYS = frozenset({"mode", "language", "time_limit_s", "memory_limit_mb"})
CODE_KEYS = {
    "stdin": frozenset({"tests", "tolerance", "compare", "checker", "prelude"}),
    "function": frozenset(
        {
            *("tests", "tolerance", "entry_point", "compare", "output_argument", "prompt", "prelude"),
            "wrapped_outputs",
        }
    ),
    "assert": frozenset({"entry_point", "prompt", "test", "test_list", "test_setup"}),
}


def read_canonical(row: Mapping[str, Json]) -> Problem:
    """A problem from a canonical row. `reference` and `meta` may also be JSON text, as Parquet columns are. Raises
    BadRow."""
    if unknown := [name for name in row if name not in FIELDS]:
        raise BadRow(unknown[0], "unknown field", f"known are {', '.join(FIELDS)}; put further data under meta")
    for name in FIELDS[:4]:
        if row.get(name) is None:
            raise BadRow(name, "missing", "id, kind, prompt and reference are required")
    kind = text(row["kind"], "kind", 20)
    if kind not in set(Kind):
        raise BadRow("kind", f"unknown kind {excerpt(kind)}", f"one of {KINDS}")
    return check(
        Problem(
            id=row["id"],
            kind=Kind(kind),
            prompt=row["prompt"],
            reference=object_field(row["reference"], "reference"),
            domain=row.get("domain") or "",
            source=row.get("source") or "",
            split=row.get("split") or "",
            meta=object_field(row.get("meta") or {}, "meta"),
        )
    )


def check(problem: Problem) -> Problem:
    """The problem itself. Raises BadRow naming the first field that is wrong."""
    identity = text(problem.id, "id", MAX_ID_CHARS)
    if not identity.strip() or not identity.isprintable():
        raise BadRow("id", f"{excerpt(identity)} is blank or has control characters", "a short printable name")
    if not text(problem.prompt, "prompt", MAX_PROMPT_CHARS).strip():
        raise BadRow("prompt", "empty", "what the model is asked, as text")
    for name in ("domain", "source", "split"):
        text(getattr(problem, name), name, MAX_LABEL_CHARS)
    plain(problem.reference, "reference")
    plain(problem.meta, "meta")
    CHECKS[problem.kind](problem.reference)
    return problem


def text(value: Json, field: str, max_chars: int) -> str:
    if not isinstance(value, str):
        raise BadRow(field, f"is a {json_type(value)}: {excerpt(value)}", 'a string in quotes, "…"')
    if len(value) > max_chars:
        raise BadRow(field, f"{len(value):,} characters", f"at most {max_chars:,}")
    return value


def object_field(value: Json, field: str) -> dict[str, Json]:
    """An object, or the JSON text of one. Nulls inside a Parquet struct stand for keys that other rows have."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise BadRow(field, f"text that is not JSON: {excerpt(value)}", "an object, or its JSON text")
    if not isinstance(value, dict):
        raise BadRow(field, f"is a {json_type(value)}: {excerpt(value)}", "an object, {…}")
    return {key: inner for key, inner in value.items() if inner is not None}


def only_keys(reference: Mapping[str, Json], known: Iterable[str], required: Iterable[str]) -> None:
    """A misspelt key must not pass in silence: `tolerence` would mean that no tolerance is declared."""
    known = sorted(known)
    for key in reference:
        if key not in known:
            raise BadRow(f"reference.{key}", "unknown key", f"known are {', '.join(known)}")
    for key in required:
        if key not in reference:
            raise BadRow(f"reference.{key}", "missing", f"required are {', '.join(required)}")


def check_math(reference: Mapping[str, Json]) -> None:
    only_keys(reference, MATH_KEYS, ("answer",))
    answer = reference["answer"]
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        raise BadRow(
            "reference.answer", f"is the number {answer!r}", f'a string, "{answer!r}": numbers lose digits on the way'
        )
    if not text(answer, "reference.answer", MAX_ANSWER_CHARS).strip():
        raise BadRow("reference.answer", "empty", "the final answer, as LaTeX or plain text")
    if "type" in reference:
        text(reference["type"], "reference.type", 50)
    if "tolerance" in reference:
        check_tolerance(reference["tolerance"])


def check_tolerance(tolerance: Json) -> None:
    field = "reference.tolerance"
    if not isinstance(tolerance, dict) or not tolerance or not set(tolerance) <= {"rel", "abs"}:
        raise BadRow(field, excerpt(tolerance), 'an object with rel, abs or both: {"rel": 1e-6}')
    for key, value in tolerance.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value < 0:
            raise BadRow(f"{field}.{key}", excerpt(value), "a finite number, 0 or more")


def check_choice(reference: Mapping[str, Json]) -> None:
    only_keys(reference, CHOICE_KEYS, ("options", "answer"))
    options = reference["options"]
    if not isinstance(options, list) or not 2 <= len(options) <= MAX_OPTIONS:
        raise BadRow("reference.options", excerpt(options), f"a list of 2 to {MAX_OPTIONS} strings")
    for index, option in enumerate(options):
        if not text(option, f"reference.options[{index}]", MAX_ANSWER_CHARS).strip():
            raise BadRow(f"reference.options[{index}]", "empty", "the option's text, without its letter")
    letters = [chr(ord("A") + index) for index in range(len(options))]
    if reference["answer"] not in letters:
        raise BadRow("reference.answer", excerpt(reference["answer"]), f"one letter from A to {letters[-1]}")


def check_lean(reference: Mapping[str, Json]) -> None:
    only_keys(reference, LEAN_KEYS, ("header", "name", "statement"))
    text(reference["header"], "reference.header", MAX_PROMPT_CHARS)
    name = text(reference["name"], "reference.name", MAX_LABEL_CHARS)
    statement = text(reference["statement"], "reference.statement", MAX_PROMPT_CHARS).strip()
    if not name.strip() or not statement:
        raise BadRow(
            "reference.name" if statement else "reference.statement", "empty", "the theorem's name and statement"
        )
    if re.search(r":=\s*(by\b\s*)?(sorry\s*)?$", statement):
        raise BadRow(
            "reference.statement", f"ends with {excerpt(statement[-20:])}", "everything before `:=`, and no more"
        )
    if not re.search(rf"(?<![\w.'!?]){re.escape(name)}(?![\w'!?])", statement):
        raise BadRow(
            "reference.name", f"{excerpt(name)} does not occur in the statement", "the name that the statement declares"
        )


def check_code(reference: Mapping[str, Json]) -> None:
    """The outline of docs/code_problems.md: modes, keys, tests. The checker itself reads values and test programs."""
    mode = reference.get("mode")
    if not isinstance(mode, str) or mode not in CODE_KEYS:
        known = ", ".join(CODE_KEYS)
        raise BadRow("reference.mode", "missing" if mode is None else excerpt(mode), f"one of {known}")
    only_keys(reference, CODE_KEYS[mode] | CODE_COMMON_KEYS, ("entry_point", "tests") if mode == "function" else ())
    if "entry_point" in reference:
        text(reference["entry_point"], "reference.entry_point", MAX_LABEL_CHARS)
    for key in ("time_limit_s", "memory_limit_mb"):
        if key in reference:
            value = reference[key]
            if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
                raise BadRow(f"reference.{key}", excerpt(value), "a number above 0")
    if "tolerance" in reference:
        check_tolerance(reference["tolerance"])
    if mode == "assert":
        if ("test" in reference) == ("test_list" in reference):
            raise BadRow("reference.test", "neither or both of test and test_list", "one of them")
        return
    tests = reference.get("tests")
    if not isinstance(tests, list) or not tests:
        raise BadRow("reference.tests", "missing" if tests is None else excerpt(tests), "a list of at least one test")
    for index, test in enumerate(tests):
        field = f"reference.tests[{index}]"
        if not isinstance(test, dict) or "input" not in test or "output" not in test:
            raise BadRow(field, excerpt(test), 'an object {"input": …, "output": …}')
        if mode == "stdin" and not (isinstance(test["input"], str) and isinstance(test["output"], str)):
            raise BadRow(field, excerpt(test), "input and output as text")
        if mode == "function" and not isinstance(test["input"], list):
            raise BadRow(f"{field}.input", excerpt(test["input"]), "the list of arguments")


def plain(value: Json, field: str) -> None:
    """Parquet can hold dates, decimals and bytes; what goes on as JSON can not."""
    if not value:
        return
    try:
        encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRow(field, f"not plain JSON: {error}", "strings, numbers, true/false, lists and objects")


CHECKS = {Kind.MATH: check_math, Kind.CHOICE: check_choice, Kind.LEAN: check_lean, Kind.CODE: check_code}
