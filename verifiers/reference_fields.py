"""Reading the fields of a reference, for the validators of all kinds (verifiers/<kind>/reference.py).

Promises: what is wrong is one BadReferenceError with the field, what was found there and what would be right; jobs adds
the file and the line. Does not: understand a value (is `\\frac{1}{` an expression?); `Checker.check_problem` does.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping

from verifiers.types import Json

MAX_ID_CHARS = 512
MAX_PROMPT_CHARS = 1_000_000
MAX_LABEL_CHARS = 512
MAX_ANSWER_CHARS = 100_000
MAX_OPTIONS = 26
"""Options are named by the letters A to Z."""
MAX_EXCERPT = 300
"""Characters of foreign text that one error quotes."""

encode = json.JSONEncoder(allow_nan=False).encode
"""Made once: `json.dumps` with an option makes a new encoder at each call."""


class BadReferenceError(ValueError):
    """A field that cannot be used: its name, what was found and what is wanted instead."""

    def __init__(self, field: str, found: str, wanted: str) -> None:
        super().__init__(field, found, wanted)
        self.field, self.found, self.wanted = field, found, wanted

    def __str__(self) -> str:
        return f"{self.field}: {self.found}; {self.wanted}"


def excerpt(value: object) -> str:
    """`repr` cut to MAX_EXCERPT characters, without rendering more than is shown."""
    shown = repr(value[:MAX_EXCERPT] if isinstance(value, str | bytes | list) else value)
    return shown if len(shown) <= MAX_EXCERPT else shown[:MAX_EXCERPT] + "…"


def json_type(value: object) -> str:
    """The JSON name of a value's type."""
    names = {bool: "true/false", int: "number", float: "number", str: "string", list: "list", dict: "object"}
    return "null" if value is None else names.get(type(value), type(value).__name__)


def text(value: Json, field: str, max_chars: int) -> str:
    """The value itself. Raises BadReferenceError where it is no text or too long."""
    if not isinstance(value, str):
        raise BadReferenceError(field, f"is a {json_type(value)}: {excerpt(value)}", 'a string in quotes, "…"')
    if len(value) > max_chars:
        raise BadReferenceError(field, f"{len(value):,} characters", f"at most {max_chars:,}")
    return value


def only_keys(reference: Mapping[str, Json], known: Iterable[str], required: Iterable[str]) -> None:
    """A misspelt key must not pass in silence: `tolerence` would mean that no tolerance is declared."""
    known = sorted(known)
    for key in reference:
        if key not in known:
            raise BadReferenceError(f"reference.{key}", "unknown key", f"known are {', '.join(known)}")
    for key in required:
        if key not in reference:
            raise BadReferenceError(f"reference.{key}", "missing", f"required are {', '.join(required)}")


def check_tolerance(tolerance: Json) -> None:
    """The `tolerance` of a math or code reference. Raises BadReferenceError."""
    field = "reference.tolerance"
    if not isinstance(tolerance, dict) or not tolerance or not set(tolerance) <= {"rel", "abs"}:
        raise BadReferenceError(field, excerpt(tolerance), 'an object with rel, abs or both: {"rel": 1e-6}')
    for key, value in tolerance.items():
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or value < 0:
            raise BadReferenceError(f"{field}.{key}", excerpt(value), "a finite number, 0 or more")


def plain(value: Json, field: str) -> None:
    """Parquet can hold dates, decimals and bytes; what goes on as JSON cannot. Raises BadReferenceError."""
    if not value:
        return
    try:
        encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadReferenceError(field, f"not plain JSON: {error}", "strings, numbers, true/false, lists and objects")
