"""The reference of a math problem: its final answer, or several, as text, and how near to it a number has to be.

`answers` are several right ones, any of which is enough; `all` are several that are all asked for, in any order.
"""

from __future__ import annotations

from collections.abc import Mapping

from verifiers.reference_fields import MAX_ANSWER_CHARS, BadReferenceError, check_tolerance, excerpt, only_keys, text
from verifiers.types import Json

ANSWER_KEYS = ("answer", "answers", "all")
MATH_KEYS = frozenset({*ANSWER_KEYS, "type", "tolerance"})
MAX_ANSWERS = 100
"""Number of answers that one reference may have: each is compared on its own."""


def has_math_key(reference: Mapping[str, Json]) -> bool:
    """Whether there is anything that an answer could be compared with."""
    return bool(keys_given(reference))


def keys_given(reference: Mapping[str, Json]) -> list[str]:
    """The keys of ANSWER_KEYS that hold something: a null, which stands for a gap in Parquet, is no answer."""
    return [key for key in ANSWER_KEYS if reference.get(key) is not None]


def check_math(reference: Mapping[str, Json]) -> None:
    """Checks the reference of a math problem, which may lack an answer key. Raises BadReferenceError."""
    only_keys(reference, MATH_KEYS, ())
    given = keys_given(reference)
    if len(given) > 1:
        raise BadReferenceError(f"reference.{given[1]}", f"beside {given[0]}", "one of the two")
    for key in given:
        value = reference[key]
        if key == "answer":
            _check_answer(value, "reference.answer")
            continue
        if not isinstance(value, list) or not 1 <= len(value) <= MAX_ANSWERS:
            raise BadReferenceError(f"reference.{key}", excerpt(value), f"a list of 1 to {MAX_ANSWERS} answers")
        for number, answer in enumerate(value):
            _check_answer(answer, f"reference.{key}[{number}]")
    if reference.get("type") is not None:
        text(reference["type"], "reference.type", 50)
    if reference.get("tolerance") is not None:
        check_tolerance(reference["tolerance"])


def _check_answer(answer: Json, field: str) -> None:
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        raise BadReferenceError(
            field, f"is the number {answer!r}", f'a string, "{answer!r}": numbers lose digits on the way'
        )
    if not text(answer, field, MAX_ANSWER_CHARS).strip():
        raise BadReferenceError(field, "empty", "the final answer, as LaTeX or plain text")
