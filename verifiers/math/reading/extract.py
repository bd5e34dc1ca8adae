"""From a model's whole output to its one final answer.

Rules (docs/math_answers.md explains them): the text is an answer without its thought (verifiers.thoughts). The last
`\\boxed{…}` is the answer, and other boxes must agree with it; without a box the last explicit statement (`#### x`,
`the answer is x`) is; a text that is in whole one readable answer is that answer. A correction (`no`, `wait`, …)
withdraws what was stated before it. Candidates that conflict make the text malformed; nothing is ever guessed from the
middle of a derivation.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from fractions import Fraction

from verifiers import prose, thoughts
from verifiers.math.reading import around, json_texts, languages, passages, sentences, speakers, statements, subjects
from verifiers.math.reading import standing as standing_in
from verifiers.math.reading.expression import Node
from verifiers.math.reading.nouns import change_nothing
from verifiers.math.reading.number_words import spelled_number
from verifiers.math.reading.standing import is_supposed as is_supposed
from verifiers.math.reading.standing import is_taken_back as is_taken_back
from verifiers.math.reading.vocabulary import unit_name

MAX_STATEMENT_CHARS = 4000
MAX_SPAN_CHARS = 3 * MAX_STATEMENT_CHARS
"""A longer text is no single answer, and not looked at as one."""
MAX_JOINT_CHARS = 60
"""Characters between two boxes that may join them."""
MAX_NESTED_BOXES = 8
MAX_LABELS = 256
"""Labels such as `answer:` that are looked at."""
MAX_BOXES = 64
"""A text with more boxes or explicit statements than this is a flood, not an answer."""

_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?=\{)|\\boxed\s+(?=[^\s{])|\\boxed(?=[\d])")
_RETRACTION = re.compile(
    r"\b(?:no\b|wait\b|actually\b|correction\b|correcting\b|oops\b|mistake\b|wrong\b|incorrect\b|"
    r"let me re|scratch that|i mean\b|rather\b|instead\b)",
    re.IGNORECASE,
)


_ANSWER_WORDS = re.compile(
    r"^\\(?:text|mbox|textbf)\s*\{\s*(?:the\s+)?(?:final\s+)?answer\s*(?:is)?\s*[:=]?\s*\}", re.IGNORECASE
)


_JOINT = re.compile(
    r"[\s$]*(?:\\(?:quad|qquad|[,;: ]))*\s*"
    r"(?:(,|;)?[\s$]*(?:\\(?:quad|qquad|[,;: ])|\\text\s*\{)*[\s$]*(and|or)?[\s$}]*)"
    r"(?:\\(?:quad|qquad|[,;: ])|[\s$])*(?:([a-z](?:_\{?\w\}?)?)\s*=\s*)?",
    re.IGNORECASE,
)
_NAME_BEFORE = re.compile(r"(?:\A|[\s$&,;:({])([A-Za-z](?:_\{?\w\}?)?)\s*&?=\s*\Z")
_TAG = re.compile(r"<(answer|final_answer)>", re.IGNORECASE)
_SENTENCES = re.compile(r"(?<=[.!?])\s+|\n+")
MAX_KEY_CHARS = 300
MAX_REMARK_CHARS = 4000
"""Characters of a key beside the answer that are read as if they stood behind it."""
_NESTED_BOX = re.compile(r"\s*\$*\s*\\(?:boxed|fbox)\s*\{(.*)\}\s*\$*\s*", re.DOTALL)
_INDEX = re.compile(r"\\[A-Za-z]+|[A-Za-z](?![A-Za-z])|\d")
"""What a box without braces holds; a word behind `\\boxed` is prose about the command."""


class NoAnswerError(ValueError):
    """No single final answer; the message is the verdict's reason."""


@dataclasses.dataclass(frozen=True, slots=True)
class Candidate:
    text: str
    start: int
    end: int
    how: str
    """How the text gives it: boxed, stated or whole."""
    joint: str = ""
    """What stands between the previous box and this one, if it only joins them: a comma, `and`, `or`."""
    name: str = ""
    """The x of `x =` before a box."""
    left: str = ""
    """The left side of an equation that is the whole sentence, and whose right side is the box."""


def candidates(text: str, cut_off: str = "", prompt: str = "") -> list[Candidate]:
    """Every candidate for the final answer that is still standing, in order; the last is the answer if the rest agree
    with it. Raises NoAnswerError.

    `cut_off` is the reason of a text that was cut off before its answer was complete; empty: it was not cut off. What
    follows the last complete answer is then judged as in any text. `prompt` is the problem, which says what a text may
    speak of.
    """
    return _candidates(thoughts.without_end_tokens(text), cut_off, prompt)


def _candidates(text: str, cut_off: str, prompt: str, *, in_json: bool = False) -> list[Candidate]:
    found = None if in_json else json_texts.read(text)
    if found is not None:
        return _in_json(found, cut_off, prompt)
    boxes = _boxes(text)
    tags = [tag for tag in _tags(text) if not any(tag.start < box.start < tag.end for box in boxes)]
    marked = sorted([*boxes, *tags], key=lambda candidate: candidate.start)
    statements = _statements(text)
    if marked:
        # A statement only matters where it comes after the box and so could contradict it.
        later = [s for s in statements if s.start > marked[-1].end]
        standing = marked + (later or _bare_last_line(text, marked[-1].end))
    else:
        standing = statements
    if not standing:
        whole = text.strip()
        if cut_off:
            raise NoAnswerError(cut_off)  # the whole text is no answer where the rest of it is missing
        if not whole:
            raise NoAnswerError("empty")
        if len(whole) > MAX_SPAN_CHARS:
            raise NoAnswerError("no final answer")
        return [Candidate(strip_markup(whole), 0, len(text), "whole")]
    if cut_off and standing[-1].how == "stated" and _reaches_the_end(text, standing[-1].end):
        raise NoAnswerError(cut_off)
    kept = _still_standing(text, standing)
    _raise_if_not_stated(text, kept, prompt, is_cut=bool(cut_off))
    return kept


def _raise_if_not_stated(text: str, kept: list[Candidate], prompt: str, *, is_cut: bool) -> None:
    """Raises where the text does not state its last answer, or takes it back, changes it or goes on behind it."""
    last, group = kept[-1], _last_group(kept)
    first, behind = group[-1], text[last.end :]
    own = " ".join(candidate.text for candidate in group)
    line = text[text.rfind("\n", 0, last.start) + 1 : last.start]
    boxed, marked = last.how == "boxed", last.how in ("boxed", "tagged")
    if boxed and json_texts.is_under_another_key(line[-MAX_KEY_CHARS:]):
        raise NoAnswerError("the box stands under a key that names no final answer")
    if boxed and any(standing_in.is_part_of_formula(text, box.start, box.end) for box in group):
        raise NoAnswerError("a box that is a part of a formula")
    if hidden := speakers.hides(text, first.start, last.end):
        raise NoAnswerError(hidden)
    if is_taken_back(text, last.start, last.end, boxed=marked) or (
        marked and standing_in.is_denied(text, first.start, last.end)
    ):
        raise NoAnswerError("the answer is taken back")
    if boxed and sentences.is_hedged(text, first.start, last.end):
        raise NoAnswerError("the answer is guessed or qualified")
    if boxed and around.is_no_statement(text, first.start, last.end):
        raise NoAnswerError("the sentence around the box does not state what is in it")
    if sentences.is_revised(own, behind, ends_sentence=last.how == "tagged"):
        raise NoAnswerError("the answer is revised")
    _raise_if_of_another(text, first, last)
    if languages.undoes(behind):
        raise NoAnswerError("words in another language behind the answer that do not belong to stating it")
    if passages.is_undone(own, behind):
        raise NoAnswerError("what stands behind the answer undoes it")
    if passages.is_left_alone(f"{prompt}\n{text[: last.end]}", behind, is_cut=is_cut):
        raise NoAnswerError("what stands behind the answer speaks of nothing that the text speaks of")
    if passages.is_announced_as_none(text, first.start):
        raise NoAnswerError("what stands above the answer announces that it is none")
    # A text that is known to be cut breaks off anyway: what was complete before the cut stands.
    if not is_cut and prose.breaks_off(text, last.end):
        raise NoAnswerError("the text goes on behind the answer and breaks off")


def _raise_if_of_another(text: str, first: Candidate, last: Candidate) -> None:
    """Raises where the sentence that leads to the answer speaks of something else, or what follows changes it."""
    sentence = around.sentence_before(text, first.start)
    if last.how != "tagged" and subjects.is_of_another(sentence):
        raise NoAnswerError("the sentence speaks of something else than the answer")
    if last.how == "tagged" and (
        standing_in.with_suffix(text, last.end)[0] or around.is_changed_behind(text, last.end)
    ):
        raise NoAnswerError("what stands behind the answer changes it")
    if last.how != "boxed":
        return
    box = text[last.start : last.end]
    if subjects.is_no_statement(sentence, box, text[last.end :]) or subjects.is_changed_behind(box, text[last.end :]):
        raise NoAnswerError("the sentence around the box does not state what is in it")


def _still_standing(text: str, standing: list[Candidate]) -> list[Candidate]:
    """The answers without those that a correction between two of them withdraws."""
    kept: list[Candidate] = []
    for index, candidate in enumerate(standing):
        if index + 1 < len(standing) and _RETRACTION.search(text, candidate.end, standing[index + 1].start):
            kept = []
            continue
        kept.append(candidate)
    return kept


def _last_group(candidates: list[Candidate]) -> list[Candidate]:
    """The last box with those that it is joined with."""
    group = [candidates[-1]]
    for candidate in reversed(candidates[:-1]):
        if not group[-1].joint:
            break
        group.append(candidate)
    return group


def _in_json(found: json_texts.JsonText, cut_off: str, prompt: str) -> list[Candidate]:
    """The answer of a JSON object, if what its other keys say does not take it back."""
    if found.problem:
        raise NoAnswerError(found.problem)
    inner = _candidates(found.answer, cut_off, prompt, in_json=True)
    stated = [dataclasses.replace(c, how="stated") if c.how == "whole" else c for c in inner]
    said: list[Candidate] = []
    for remark in found.remarks:
        # Its last sentences are read as if they stood behind the answer, and its whole as if it stood before it.
        last = "\n".join(part for part in _SENTENCES.split(remark[-MAX_REMARK_CHARS:])[-3:])
        said += _candidates(f"{remark}\n\n#### {stated[-1].text}", "", prompt, in_json=True)
        said += _candidates(f"#### {stated[-1].text}\n\n{last}", "", prompt, in_json=True)
    return [*said, *stated]


def _tags(text: str) -> list[Candidate]:
    """What stands between <answer> and </answer>."""
    found: list[Candidate] = []
    for match in _TAG.finditer(text):
        end = text.find("<", match.end(), match.end() + MAX_STATEMENT_CHARS)
        while end >= 0 and not text.startswith(f"</{match[1]}>", end):
            end = text.find("<", end + 1, match.end() + MAX_STATEMENT_CHARS)
        if end < 0:
            raise NoAnswerError("an answer tag that is not closed")
        if len(found) == MAX_BOXES:
            raise NoAnswerError("too many answers")
        inner = text[match.end() : end]
        stated = _statements(inner)
        span = stated[0].text if len(stated) == 1 else strip_markup(inner)
        found.append(Candidate(span, match.start(), end + len(match[1]) + 3, "tagged"))
    return found


def _bare_last_line(text: str, end: int) -> list[Candidate]:
    """A formula without words that is the last line behind the last box, which it may contradict."""
    behind = text[end:].rstrip()
    start = behind.rfind("\n") + 1
    line = behind[start : start + MAX_STATEMENT_CHARS]
    if not start or not any(char.isdigit() for char in line) or statements.has_words(line):
        return []
    return [Candidate(strip_markup(line), end + start, end + len(behind), "stated")]


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
            token = _INDEX.match(text, match.end())
            if token is None:
                at = match.end()
                continue
            found.append(Candidate(token[0], match.start(), token.end(), "boxed"))
            at = token.end()
            continue
        end = closing_brace(text, match.end())
        if end is None:
            raise NoAnswerError("a box that is not closed")
        inner = _unboxed(text[match.end() + 1 : end])
        suffix, after = standing_in.with_suffix(text, end + 1)
        joint = name = ""
        near = found and match.start() - found[-1].end <= MAX_JOINT_CHARS
        if near and (between := _JOINT.fullmatch(text[found[-1].end : match.start()])) and between[0].strip("$ "):
            joint = " ".join(part for part in between.groups()[:2] if part) or ("," if "quad" in between[0] else "")
        if before := _NAME_BEFORE.search(text[max(0, match.start() - 12) : match.start()]):
            name = before[1]
        left = standing_in.left_side(text, match.start())
        found.append(Candidate(inner.strip() + suffix, match.start(), after, "boxed", joint, name, left))
        at = after
    return found


def _unboxed(inner: str) -> str:
    """The content of boxes that hold nothing but another box."""
    for _ in range(MAX_NESTED_BOXES):
        nested = _NESTED_BOX.fullmatch(inner)
        if nested is None:
            break
        if closing_brace("{" + nested[1] + "}", 0) != len(nested[1]) + 1:
            break
        inner = nested[1]
    return inner


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
    matches = list(itertools.islice(statements.STATEMENT.finditer(text), MAX_LABELS + 1))
    if len(matches) > MAX_LABELS:
        raise NoAnswerError("too many statements")
    if (label := statements.SHORT_LABEL.search(text)) and not statements.OPTION_LINE.search(text):
        matches.append(label)
    for match in matches:
        start = match.end()
        if statements.is_heading(text, match[0], start) or _is_supposed(text, match):
            continue
        if speakers.is_quoted(text, start) or speakers.is_said_by_another(text, match.start()):
            continue
        # "**Answer:**\n\n42": the answer stands on the next line that has anything on it.
        start = statements.answer_start(text, start)
        listed = statements.listed_items(text, start)
        if listed is not None and "\n" in text[match.end() - 1 : start + 1]:
            end = listed[1]
            span = ", ".join(listed[0]) if listed[0] else "a list"
        else:
            end = statements.statement_end(text, start)
            span = text[start:end]
        if not text[start:].strip():
            raise NoAnswerError("an answer that is announced and not given")
        if span.strip() and text[end : end + 1] != "?":
            if len(found) == MAX_BOXES:
                raise NoAnswerError("too many statements")
            found.append(Candidate(strip_markup(span), start, end, "stated"))
    return found


def _is_supposed(text: str, match: re.Match[str]) -> bool:
    spoken = "answer" in match[0].lower() and match[0].rstrip()[-1].isalpha()
    if is_supposed(text, match.start()):
        return True
    # Of a label only what describes it is read: `Expected answer: 5`.
    return (sentences.is_supposed if spoken else sentences.is_of_another_answer)(text, match.start())


def strip_markup(span: str) -> str:
    """The text without markdown emphasis, math delimiters around the whole, and trailing punctuation."""
    span = span.strip()
    if len(span) > MAX_SPAN_CHARS:
        return span
    before = None
    while before != span:
        before = span
        span = _ANSWER_WORDS.sub("", span.strip())
        while span.endswith((",", ";", ":")) and not span.endswith(("\\,", "\\;", "\\:")):
            span = span[:-1].rstrip()
        if span.startswith("**") != span.endswith("**") and span.count("**") == 1:
            span = span.removeprefix("**").removesuffix("**")
        if (
            span.endswith(".")
            and not span.endswith(("..", r"\right."))
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


_REASON = re.compile(r"(?<!\s),?\s++(?:(?:because|since)\b|(?:so|hence|thus|therefore)\b(?!\s+far\b)(?=[^\d$\\]*\Z))")
"""Words behind an answer that say why it is right, or that nothing more follows."""
_PRAISE = re.compile(
    r"(?<!\s),?\s++(?:which\s++is|as)\s++(?:irreducible|prime|composite|even|odd|positive|an?\s+integer|desired|required|claimed|requested|"
    r"wanted|expected|needed|(?:the|our)\s+(?:final\s+|desired\s+|required\s+)?answer|what\s+we\s+(?:wanted|needed))[\s.]*\Z",
    re.IGNORECASE,
)
_CONTRAST = re.compile(r",\s+not\s+\$?-?\d[\d.,/]*\$?[\s.]*\Z")
"""A denied number behind the stated one: `5, not 6`."""
_BOLD = re.compile(r"(?<![\w)\]}*])\*\*(?=[^\s*])([^*]+?)(?<=[^\s*])\*\*(?![\w(*])")
_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(.+?)\$|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)


def readings(span: str) -> list[str]:
    """A stated span, and what may be the answer in it: the part before a reason, its only formula, its bold part. Only
    words that are known to change nothing may stand beside that part; any other leaves the whole span only."""
    if len(span) > MAX_STATEMENT_CHARS:
        return [span]  # too long for an answer, and for patterns that look ahead
    plain = _without_repetition(_BOLD.sub(r"\1", span))
    made = [plain]
    cut = next((match for tail in (_REASON, _PRAISE, _CONTRAST) if (match := tail.search(plain))), None)
    if cut:
        made.append(strip_markup(plain[: cut.start()]))
    for marked in (_FORMULA, _BOLD):
        found = list(itertools.islice(marked.finditer(span), 2))
        if len(found) == 1 and _is_all_that_is_said(span, found[0]):
            made.append(strip_markup(next(part for part in found[0].groups() if part)))
    return list(dict.fromkeys(made))


def _without_repetition(span: str) -> str:
    """The answer without brackets that repeat it: `eighteen (18)` is 18, and `5 (cm)` is 5 cm. Anything else in
    brackets stays."""
    if number := _SPELLED_AND_IN_DIGITS.fullmatch(span):
        spelled = spelled_number(number[1].lower().replace("-", " ").split())
        if spelled is not None and spelled == Node("num", value=Fraction(number[2].replace(",", ""))):
            return number[2]
    if (unit := _UNIT_IN_BRACKETS.fullmatch(span)) and _is_measure(unit[2].split()):
        return f"{unit[1]} {unit[2]}"
    return span


_SPELLED_AND_IN_DIGITS = re.compile(r"([A-Za-z]+(?:[ -][A-Za-z]+){0,6})\s*\(\s*(\d[\d,]*)\s*\)")
_UNIT_IN_BRACKETS = re.compile(r"(-?\d[\d.,/]*)\s*\(\s*([A-Za-z]{2,}(?: [A-Za-z]+){0,2})\s*\)")


def _is_all_that_is_said(span: str, match: re.Match[str]) -> bool:
    """Whether only plain words stand before a part of a statement, and behind it only a unit, a noun or a reason."""
    before, behind = span[: match.start()], span[match.end() :]
    if standing_in.PLAIN_WORDS.fullmatch(before) is None or behind.startswith(("..", "…")):
        return False
    if _NUMBER_ALONE.fullmatch(next(part for part in match.groups() if part).strip()) and _NAMES_A_THING.search(before):
        return False
    if _LABEL_OF_FORMULA.fullmatch(match[0].strip("$*")) and before.rstrip().endswith(("by", "equation", "formula")):
        return False
    for tail in (_REASON, _PRAISE, _CONTRAST):
        if cut := tail.search(behind):
            behind = behind[: cut.start()]
            break
    words = behind.strip(" .,;:*_")
    return not words or (
        words.replace(" ", "").replace(".", "").isalpha() and _is_measure(words.replace(".", "").split())
    )


_NUMBER_ALONE = re.compile(r"-?[\d.,/]+")
_NAMES_A_THING = re.compile(
    r"\b(?:lines?|curve|equation|formula|points?|vertex|vector|matrix|set|interval|pairs?|tuple|triple)[\s*_]*\Z|"
    r"(?:\A|\b(?!(?:the|a|an|only|final|total|real|correct|desired|required|unique)\b)\w+\b|[.:]\s)\s*(?:number|solutions?|expression|function|angle)[\s*_]*\Z",
    re.IGNORECASE,
)
"""A word behind which a number is the name of a thing, or a multiple: `line 5`, `equation 5`, `triple 5`."""
_LABEL_OF_FORMULA = re.compile(r"\(\d{1,3}\)")
"""Words behind which a number in brackets is that of an equation: `given by (5)`."""


def _is_measure(words: list[str]) -> bool:
    """Nouns, or a unit with nouns behind it."""
    return change_nothing(words) or (bool(unit_name(words[0])) and change_nothing(words[1:]))
