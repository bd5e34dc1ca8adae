# ruff: noqa: E501  (tables)
"""Whose words an answer is: quotations, and lines with a name as their label.

`Bob: "The answer is 5."` states nothing. What hides an answer otherwise, in any kind of problem, is known to
verifiers.enclosures.

Promises: bounded stretches beside the answer are read.
"""

from __future__ import annotations

import re

from verifiers.enclosures import NEAR, Enclosures
from verifiers.math.reading.nouns import is_describing, is_noun
from verifiers.math.reading.vocabulary import QUANTITIES, words_of

_QUOTE_OPENS = re.compile(r"\S.*[:,]\s*[*_]{0,3}[\"“«„'‘](?:[^\"”»'’]{0,60})\Z")
_QUOTE_OPENS_WITH = frozenset("\"“«„'‘")
_LABEL = re.compile(r"[\s>*_#\-]*([A-Z][a-z]+(?: [A-Za-z]+)?)[\s*_]*:")
_SPEAKER = re.compile(
    r"[\s>*_#\-]*(?:\[([A-Za-z][A-Za-z ]{1,20})\](?![(\[])|\(([A-Z][a-z]+)\)|@([A-Za-z]\w*)|([A-Z][a-z]+)\s+[-—–]\s)"
)
_LABELS = frozenset(
    words_of("""
    answer final solution conclusion result response output explanation reasoning note summary step proof analysis therefore thus so hence finally here ans calculation calculations check correction corrected update edit
    verification derivation working work workings method approach given assistant model system bot ai gpt problem question task part case simplification simplified simplify interpretation option
    total thought thoughts discussion overview recap remark comment details computation strategy idea plan it this then now first second third next last also overall statement format rationale inference logic evidence insight context facts claim
    a the in to as my our for with by from at on of all let we i
    """)
)
"""Words of labels that are no names."""
_PEOPLE = frozenset(
    words_of(
        "student students teacher tutor user human friend pupil classmate colleague person child kid boy girl man woman"
    )
)


def hides(text: str, start: int, end: int) -> str:
    """Why what stands from `start` to `end` is not said by the text itself; empty where it is."""
    if reason := Enclosures(text).hides(start, end):
        return reason
    line_start = text.rfind("\n", 0, start) + 1
    head = text[line_start:start] if line_start >= start - NEAR else ""
    return "an answer of somebody else" if _names_speaker(_SPEAKER.match(head)) else ""


def is_quoted(text: str, start: int) -> bool:
    """Whether the statement that begins at `start` is somebody's words: `Bob: "The answer is 5."`"""
    before = text[max(text.rfind("\n", 0, start) + 1, start - NEAR) : start]
    if _QUOTE_OPENS_WITH.isdisjoint(before):
        return False
    return _QUOTE_OPENS.match(before.lstrip("> \t")) is not None


def is_said_by_another(text: str, start: int) -> bool:
    """Whether the line of the statement that begins at `start` has a name as its label: `Alice: The answer is 5.`"""
    before = text[max(text.rfind("\n", 0, start) + 1, start - NEAR) : start]
    return _names_speaker(_LABEL.match(before)) or _names_speaker(_SPEAKER.match(before))


def _names_speaker(label: re.Match[str] | None) -> bool:
    """Whether what stands at the beginning of a line is no label of an answer, and so the name of a speaker."""
    if label is None:
        return False
    words = next(part for part in label.groups() if part).lower().split()
    return not _PEOPLE.isdisjoint(words) or not any(map(_is_of_work, words))


def _is_of_work(word: str) -> bool:
    """Whether a word of a label belongs to work on a problem: `Solution`, `Adding`, `Area`, `Justification`."""
    known = word in _LABELS or word in QUANTITIES or is_noun(word) or is_describing(word)
    return known or word.endswith(("ing", "tion", "sion", "ment", "sis"))
