"""The reference of a math problem: its final answer as text, and how near to it a number has to be."""

from __future__ import annotations

from collections.abc import Mapping

from verifiers.reference_fields import MAX_ANSWER_CHARS, BadReferenceError, check_tolerance, only_keys, text
from verifiers.types import Json

MATH_KEYS = frozenset({"answer", "type", "tolerance"})
ANSWER_KEYS = ("answer", "answers", "all")


def has_math_key(reference: Mapping[str, Json]) -> bool:
    """Whether there is anything that an answer could be compared with."""
    return any(reference.get(key) is not None for key in ANSWER_KEYS)


def check_math(reference: Mapping[str, Json]) -> None:
    """Checks the reference of a math problem, which may lack an answer key. Raises BadReferenceError."""
    has_key = has_math_key(reference)
    only_keys(reference, MATH_KEYS, ("answer",) if has_key else ())
    if has_key:
        _check_answer(reference["answer"])
    if "type" in reference:
        text(reference["type"], "reference.type", 50)
    if "tolerance" in reference:
        check_tolerance(reference["tolerance"])


def _check_answer(answer: Json) -> None:
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        raise BadReferenceError(
            "reference.answer", f"is the number {answer!r}", f'a string, "{answer!r}": numbers lose digits on the way'
        )
    if not text(answer, "reference.answer", MAX_ANSWER_CHARS).strip():
        raise BadReferenceError("reference.answer", "empty", "the final answer, as LaTeX or plain text")
