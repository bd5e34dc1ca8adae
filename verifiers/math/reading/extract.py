"""From a model's whole output to its one final answer.

Rules (docs/math_answers.md explains them): the text is an answer without its thought (verifiers.thoughts). The last
`\\boxed{…}` is the answer, and other boxes must agree with it; without a box the last explicit statement (`#### x`,
`the answer is x`) is; a text that is in whole one readable answer is that answer. A correction (`no`, `wait`, …)
withdraws what was stated before it. Candidates that conflict make the text malformed; nothing is ever guessed from the
middle of a derivation.
"""

from __future__ import annotations

import dataclasses
import re

MAX_BOXES = 64
"""A text with more boxes or explicit statements than this is a flood, not an answer."""

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?=\{)|\\boxed\s+(?=[^\s{])|\\boxed(?=[\d])")
_STATEMENT = re.compile(
    r"####|(?:\bfinal\s+)?\banswers?\b(?:\s*\*\*)?\s*(?:is|are|=|:|to\s+(?:the|this)\s+(?:problem|question)\s+is)(?:\s*:)?|"
    r"\banswer\s+(?:will|would|should|must)\s+be\b|"
    r"\b(?:no|wait|actually|rather|correction)\b[,.:;! -]*(?:it\s+is|it's|it\s+should\s+be|that\s+is|that's)\b"
    r"(?!\s*(?:wrong|incorrect|not|a|an|the|right|correct|impossible|false|true)\b)",
    re.IGNORECASE,
)
_RETRACTION = re.compile(
    r"\b(?:no\b|wait\b|actually\b|correction\b|correcting\b|oops\b|mistake\b|wrong\b|incorrect\b|"
    r"let me re|scratch that|i mean\b|rather\b|instead\b)",
    re.IGNORECASE,
)


_ANSWER_WORDS = re.compile(
    r"^\\(?:text|mbox|textbf)\s*\{\s*(?:the\s+)?(?:final\s+)?answer\s*(?:is)?\s*[:=]?\s*\}", re.IGNORECASE
)


_UNSAID_BEFORE = re.compile(
    r"(?:\b(?:if|whether|suppose|supposing|assume|assuming|unless|imagine|doubt|wrong|incorrect|false|naive|tempting)\b|"
    r"(?:\bnot|n't)\s+(?:the\s+case|true|think|believe|clear|mean|say))[^.?!,;:\n]*$",
    re.IGNORECASE,
)
"""Before `the answer is 5`: then nobody says that it is."""
_DENIED = re.compile(
    r"(?:\bnot|n't|\bnever|\bcannot be)\b(?:\s+(?:the|equal|to|be|in|fact))*[\s:$*(\[\\]*$", re.IGNORECASE
)
_TAKEN_BACK = re.compile(
    r"^[\s.,;:$*)\]\\]*(?:(?:which|but\s+(?:this|that|it)|this|that|it)\s+)?(?:is|was|are)\s+(?:\w+\s+){0,2}?"
    r"(?:wrong|incorrect|mistaken|impossible|false|not\s+(?:the|right|correct|possible|valid|it)|n't\s+(?:the|right|correct))\b|"
    r"\b(?:wait(?!\s+(?:for|until|to)\b)|oops|scratch\s+that|actually,?\s+no|that(?:'s|\s+is|\s+was)\s+(?:wrong|incorrect|not\s+right|a\s+mistake)|"
    r"i\s+made\s+(?:a|an|some)\s+(?:\w+\s+)?(?:mistake|error))\b",
    re.IGNORECASE,
)
"""Behind the last answer: it is withdrawn and nothing is put in its place."""
_HEADING = re.compile(r"[ \t]*\d+[.)][ \t]+\S")
"""What follows the #### of a numbered heading."""

_JOINT = re.compile(r"[\s$]*(,?\s*(?:and|or)|,|;)[\s$]*(?:[a-z](?:_\d)?\s*=\s*)?", re.IGNORECASE)


class NoAnswerError(ValueError):
    """No single final answer; the message is the verdict's reason."""


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    text: str
    start: int
    end: int
    how: str
    """boxed | stated | whole"""
    joint: str = ""
    """What stands between the previous box and this one, if it only joins them: a comma, `and`, `or`."""


def candidates(text: str, cut_off: str = "") -> list[Candidate]:
    """Every candidate for the final answer that is still standing, in order; the last is the answer if the rest agree
    with it. Raises NoAnswerError.

    `cut_off` is the reason of a text that was cut off before its answer was complete; empty: it was not cut off. What
    follows the last complete answer is then judged as in any text.
    """
    boxes = _boxes(text)
    statements = _statements(text)
    if boxes:
        # A statement only matters where it comes after the box and so could contradict it.
        standing = boxes + [s for s in statements if s.start > boxes[-1].end]
    else:
        standing = statements
    if not standing:
        whole = text.strip()
        if cut_off:
            raise NoAnswerError(cut_off)  # the whole text is no answer where the rest of it is missing
        if not whole:
            raise NoAnswerError("empty")
        return [Candidate(strip_markup(whole), 0, len(text), "whole")]
    if cut_off and standing[-1].how == "stated" and _reaches_the_end(text, standing[-1].end):
        raise NoAnswerError(cut_off)
    # A question is no statement, and a correction withdraws what stands before it.
    kept: list[Candidate] = []
    for index, candidate in enumerate(standing):
        following = (
            text[candidate.end : standing[index + 1].start] if index + 1 < len(standing) else text[candidate.end :]
        )
        if index + 1 < len(standing) and _RETRACTION.search(following):
            kept = []
            continue
        kept.append(candidate)
    last = kept[-1]
    if is_taken_back(text, last.start, last.end, boxed=last.how == "boxed"):
        raise NoAnswerError("the answer is taken back")
    return kept


def is_taken_back(text: str, start: int, end: int, *, boxed: bool) -> bool:
    """Whether what stands behind the last answer withdraws it, or what stands before a box denies it."""
    behind = text[end:]
    if boxed and (behind.lstrip("$ )*").startswith("?") or _DENIED.search(text[max(0, start - 40) : start])):
        return True
    return _TAKEN_BACK.search(behind) is not None


def is_supposed(text: str, start: int) -> bool:
    """Whether the statement that begins at `start` is a supposition, or of a wrong answer."""
    return _UNSAID_BEFORE.search(text[max(0, start - 80) : start]) is not None


def _reaches_the_end(text: str, end: int) -> bool:
    """Whether a statement that ends at `end` may have gone on: nothing but its own punctuation follows."""
    return end >= len(text) or (text[end] != "\n" and end + 1 >= len(text))


def _boxes(text: str) -> list[Candidate]:
    found: list[Candidate] = []
    at = 0
    while match := _BOX.search(text, at):
        if len(found) == MAX_BOXES:
            raise NoAnswerError("too many boxes")
        if not text.startswith("{", match.end()):
            token = re.compile(r"\\?[A-Za-z]+|\d").match(text, match.end())
            if token is None:
                at = match.end()
                continue
            found.append(Candidate(token[0], match.start(), token.end(), "boxed"))
            at = token.end()
            continue
        end = closing_brace(text, match.end())
        if end is None:
            raise NoAnswerError("a box that is not closed")
        inner = text[match.end() + 1 : end]
        while nested := re.fullmatch(r"\s*\$*\s*\\(?:boxed|fbox)\s*\{(.*)\}\s*\$*\s*", inner, re.DOTALL):
            if closing_brace("{" + nested[1] + "}", 0) != len(nested[1]) + 1:
                break
            inner = nested[1]
        joint = _JOINT.fullmatch(text[found[-1].end : match.start()]) if found else None
        found.append(Candidate(inner.strip(), match.start(), end + 1, "boxed", joint[1].strip() if joint else ""))
        at = end + 1
    return found


def closing_brace(text: str, at: int) -> int | None:
    """Index of the brace that closes the one at `at`."""
    depth = 0
    escaped = False
    for index in range(at, len(text)):
        char = text[index]
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return index
    return None


def _statements(text: str) -> list[Candidate]:
    found: list[Candidate] = []
    for match in _STATEMENT.finditer(text):
        start = match.end()
        if match[0] == "####" and _HEADING.match(text, start):
            continue
        if is_supposed(text, match.start()):
            continue
        # "**Answer:**\n\n42": the answer stands on the next line that has anything on it.
        while start < len(text) and text[start] in " \t\n*:_":
            start += 1
        end = _statement_end(text, start)
        span = text[start:end]
        if span.strip() and text[end : end + 1] != "?":
            if len(found) == MAX_BOXES:
                raise NoAnswerError("too many statements")
            found.append(Candidate(strip_markup(span), start, end, "stated"))
    return found


def _statement_end(text: str, start: int) -> int:
    """End of the line or of the sentence: a full stop before white space, a question or exclamation mark before it."""
    for index in range(start, len(text)):
        char = text[index]
        if char == "\n":
            opened = text[start:index]
            if (
                opened.count("$$") % 2
                or opened.count(r"\[") > opened.count(r"\]")
                or opened.count(r"\begin") > opened.count(r"\end")
            ):
                continue
            if opened.strip() in ("$$", r"\[", ""):
                continue
            return index
        if (
            char in ".?!"
            and (index + 1 == len(text) or text[index + 1].isspace())
            and not (char == "!" and text[index - 1].isdigit())
        ):
            if char == "." and re.search(r"\b[ap]\.m$", text[start:index], re.IGNORECASE):
                return index + 1
            return index
    return len(text)


def strip_markup(span: str) -> str:
    """Without markdown emphasis, math delimiters around the whole, and trailing punctuation."""
    span = span.strip()
    before = None
    while before != span:
        before = span
        span = _ANSWER_WORDS.sub("", span.strip())
        while span.endswith((",", ";", ":")) and not span.endswith(("\\,", "\\;", "\\:")):
            span = span[:-1].rstrip()
        if span.startswith("**") != span.endswith("**"):
            span = span.removeprefix("**").removesuffix("**")
        if (
            span.endswith(".")
            and not span.endswith(("...", r"\right."))
            and not re.search(r"[ap]\.m\.$", span, re.IGNORECASE)
        ):
            span = span[:-1]
        for mark in ("**", "__", "`", "*", "$$", "$"):
            if (
                span.startswith(mark)
                and span.endswith(mark)
                and len(span) > 2 * len(mark)
                and mark not in span[len(mark) : -len(mark)]
            ):
                span = span[len(mark) : -len(mark)]
        for opening, closing in ((r"\(", r"\)"), (r"\[", r"\]")):
            if span.startswith(opening) and span.endswith(closing):
                span = span[2:-2]
        match = re.fullmatch(r"\\(?:boxed|fbox)\s*\{(.*)\}", span, re.DOTALL)
        if match and closing_brace(span, span.index("{")) == len(span) - 1:
            span = match[1]
    return span


_PLAIN_WORDS = re.compile(
    r"[\s,:*_]*(?:(?:the|an?|thus|therefore|then|hence|so|simply|just|clearly|exactly|precisely|indeed|now|all|only|unique|"
    r"equal\s+to|equals|given\s+by|total|total\s+of|final|correct|desired|required|smallest|largest|minimum|maximum|minimal|"
    r"maximal|greatest|least|possible|common|real|complex|rational|positive|prime|ordered|number|integer|fraction|values?|"
    r"probability|area|volume|perimeter|length|width|height|distance|angle|slope|polynomial|expression|formula|equation|"
    r"function|line|curve|points?|vertex|vector|matrix|set|interval|pairs?|tuple|triple|solutions?|ratio)\b[\s,:*_]*)*",
    re.IGNORECASE,
)
"""What may stand between `the answer is` and the formula that is the answer."""
_OTHER_VALUE = re.compile(
    r"^\s*(?:is|are|was|does|do|has|fails?|away|short|before|after|until|cents?|to)\b|"
    r"\d|[<>≤≥≠≈+*/=^]|[-−](?!\w)|\b(?:not|never|nothing|neither|nor|no|anything|unlikely|wrong|incorrect|impossible|false|"
    r"different|other|except|but|half|twice|double|triple|thrice|times|less|more|fewer|greater|larger|smaller|bigger|higher|"
    r"lower|least|most|between|above|below|under|over|beyond|up|square|squared|cube|cubed|root|power|factorial|negative|"
    r"minus|plus|divided|multiplied|modulo|mod|base|percent|percentage|per|hundred|thousand|million|billion|trillion|dozen|"
    r"hundreds|thousands|millions|or|wait|sorry|mean|rather|instead|oops|unless|together|along|also|then|otherwise|fails?)\b|"
    r"n't\b",
    re.IGNORECASE,
)
"""Behind a formula: words and signs with which the sentence may state something else."""
_REASON = re.compile(r"(.+?)(?:,?\s+(because|since|as|so|which|where|when|and then|for)\b|,\s+(?=[a-z]{3,}))")


def readings(span: str) -> list[str]:
    """A stated span, and what may be the answer in it: its only formula, its bold part, what precedes words. Words that
    may make the sentence say something else (`not`, `half of`, `at least`) leave the whole span only."""
    made = [span]
    formulas = list(re.finditer(r"\$\$?(.+?)\$\$?|\\\((.+?)\\\)|\\\[(.+?)\\\]", span, re.DOTALL))
    if len(formulas) == 1 and _is_all_that_is_said(span, formulas[0]):
        made.append("".join(part or "" for part in formulas[0].groups()))
    bold = list(re.finditer(r"\*\*(.+?)\*\*", span, re.DOTALL))
    if len(bold) == 1 and _is_all_that_is_said(span, bold[0]):
        made.append(strip_markup(bold[0][1]))
    if match := _REASON.match(span):
        rest = span[match.end() :]
        reason = match[2] in ("because", "since") or (match[2] == "so" and not re.match(r"\s+far\b", rest))
        condition = match[2] in ("for", "where", "when") and not re.search(
            r",|\b(?:and|or|otherwise|but|while)\b", rest
        )
        contrast = match[2] is None and re.match(r"not\s+[$\-\d]", rest)  # "5, not 6"
        if reason or condition or contrast or not _OTHER_VALUE.search(rest):
            made.append(strip_markup(match[1]))
    return list(dict.fromkeys(made))


def _is_all_that_is_said(span: str, match: re.Match[str]) -> bool:
    before, behind = span[: match.start()], span[match.end() :]
    behind = re.split(r",?\s+(?:because|since|so|where)\b", behind, maxsplit=1)[0]
    return _PLAIN_WORDS.fullmatch(before) is not None and not _OTHER_VALUE.search(behind)
