# ruff: noqa: E501  (tables)
"""Whether the sentence that leads to an answer speaks of the answer itself or of something near it.

`The floor of the answer`, `the obvious answer`, `the answer to a simpler problem` and `up to sign, the answer` are no
answers. So the words that belong to `answer`, and the words up to the verb are read by what is allowed there.
"""

from __future__ import annotations

import re

from verifiers.math.reading import languages
from verifiers.math.reading.phrases import compiled, form
from verifiers.math.reading.phrases_before import (
    ATTRIBUTING,
    BARE_LABELS,
    DENYING_SUBJECTS,
    DOUBTFUL_ADVERBS,
    EARLIER,
    GOALS,
    LEAVING_OUT,
    NOT_REACHING,
    OTHER_LEFT_SIDES,
    OTHER_SOURCES,
    OTHER_SUBJECTS,
    POOR_SOURCES,
    RELATING_TO_ANSWER,
    SAYING_LESS,
    SIDE_OF_THINGS,
    TURNING_BACK,
)
from verifiers.math.reading.phrases_behind import (
    SIGNS_BEHIND,
    WORDS_BEHIND,
)
from verifiers.math.reading.sentence_words import ADJECTIVES_OF_ANSWER, BETWEEN_ANSWER_AND_VERB

_ANSWER = re.compile(r"\banswers?\b", re.IGNORECASE)
_DESCRIBED = compiled(
    form(r"\b(?:the|our|my|an?) ((?:[a-z][\w-]* ){1,3})\Z"),
)
_BEFORE_ANSWER = compiled(
    form(r"\b@ (?:the|our|my|this) (?:\w+ )?\Z", RELATING_TO_ANSWER),
    form(r"\b(?:twice|half|triple|double|non|no|un|anti|sample|example)[\s-]+\Z"),
)
_ATTRIBUTED = compiled(
    form(r"\b@(?: (?:me|us))?\W{0,3}(?:that )?(?:(?:the|my|our|an?) )?(?:\w+ )?\Z", ATTRIBUTING),
)
_LINK = re.compile(
    r"\b(?:is|are|equals?|becomes|will|must|should|be|comes|simplifies|reduces|evaluates|would|could|was|turns|works)\b|[=:：]",
    re.IGNORECASE,
)
_NO_INTRODUCTION = compiled(
    form(r"\W*@", EARLIER, DOUBTFUL_ADVERBS, SIDE_OF_THINGS, LEAVING_OUT, POOR_SOURCES, TURNING_BACK),
)
_BARE = compiled(
    form(
        r"\W*(?:(?:so|thus|hence|then)\W+)?(?:(?:it|this|that|x) (?:is|equals|was)|we (?:get|have|obtain|find)|=|:)?\W*\Z"
    ),
)
_SAYS_LESS = compiled(
    form(r"\b@\b[^,;:]*\Z", SAYING_LESS),
)
_NO_STATEMENT = compiled(
    form(r"\b@\W*(?:\w+(?:\W+|\Z)){0,2}\Z", NOT_REACHING),
    form(r"\A\W*@\b", DENYING_SUBJECTS),
    form(r"\A\W*@\W*\Z", BARE_LABELS),
    form(
        r"\A\W*(?:(?!(?:He|She|It|This|That|We|Which|There|They|One|Each|Everyone|Everybody)\b)(?-i:[A-Z][a-z]+)) (?:gets|got|obtained|obtains|found|finds)\W*\Z"
    ),
    form(r"\b@ (?:says it is|gives|shows|suggests)\W*\Z", OTHER_SOURCES),
    form(r"\bthe @\s*(?:is|was|=|:)\W*\Z", OTHER_SUBJECTS),
    form(r"(?:\\neg|\\to|\\equiv|\\notin|\\mid|≠|#|!|~)\s*\Z"),
    form(r"@\s*=\s*\Z", OTHER_LEFT_SIDES),
)
"""A sentence in front of a box that denies, tries or begins, or whose subject is none that is asked for."""


_BARE_END = compiled(
    form(r"\b(?:it (?:is|was)|we (?:get|have))\W*\Z"),
)


def is_of_another(sentence: str) -> bool:
    """Whether the words of the sentence in front of an answer speak of something else than the answer."""
    if _SAYS_LESS.search(sentence):
        return True
    if languages.says_something_else(sentence):
        return True
    found = list(_ANSWER.finditer(sentence))
    clauses = re.split(r"[,;—](?:\s|\Z)", sentence)
    if not found and _NO_INTRODUCTION.match(sentence) and _BARE_END.search(sentence):
        return True
    if not found:
        return (
            len(clauses) > 1 and _BARE.match(clauses[-1]) is not None and _NO_INTRODUCTION.match(clauses[0]) is not None
        )
    head, tail = sentence[: found[-1].start()], sentence[found[-1].end() :]
    if _BEFORE_ANSWER.search(head) or _ATTRIBUTED.search(head):
        return True
    described = _DESCRIBED.search(head)
    if described and not all(word.lower() in ADJECTIVES_OF_ANSWER for word in described[1].split()):
        return True
    link = _LINK.search(tail)
    between = re.findall(r"[A-Za-z]+|\d+", tail[: link.start()] if link else tail)
    if not all(word.lower() in BETWEEN_ANSWER_AND_VERB for word in between):
        return True
    return len(clauses) > 1 and _NO_INTRODUCTION.match(clauses[0]) is not None


_MEMBER = re.compile(r"\\in\W*\Z")
_SET = re.compile(r"\\f?box(?:ed)?\s*\{\s*(?:\\left\s*)?(?:[\[(]|\\\{|\\mathbb)")


_GOAL = compiled(
    form(r"\b(?:we|i|you|one) (?:still |only |now )?@\W*\Z", GOALS),
)
_NO_WORD = re.compile(r"(?:[\s$*)}]|\\[\])])*(?:[.!;,:]|\n|\Z)")


def is_no_statement(sentence: str, box: str, behind: str) -> bool:
    """Whether a sentence that leads to a box denies its content, only tries it, or names something not asked for. That
    x lies in an interval or a set states that interval or set; that it lies in a number states nothing."""
    if _MEMBER.search(sentence) and not _SET.match(box):
        return True
    if _GOAL.search(sentence) and _NO_WORD.match(behind):
        return True
    return _NO_STATEMENT.search(sentence) is not None


_BEHIND = compiled(
    form(r"[\s$~]*@", SIGNS_BEHIND, WORDS_BEHIND),
)


def is_changed_behind(box: str, behind: str) -> bool:
    """Whether a sign, another number or a word directly behind a box makes it another number."""
    if _BEHIND.match(behind[:60]):
        return True
    number = re.match(r"[\s$]*\((-?\d+)\)", behind[:40])
    return number is not None and re.search(r"\{\s*-?\d+\s*\}\Z", box) is not None and number[1] not in box
