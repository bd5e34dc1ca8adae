"""The checker of multiple-choice problems: which single option does the text settle on?

Promises: only the final segment (after any thinking) counts; a letter only counts where the grammar anchors it (a box,
an `answer is`, a line of its own), never as the start or the middle of a word; the last explicit statement wins; hedges
and ties are `malformed`; an option's own text counts when exactly one option has it. There is no fallback guess.
Does not: judge reasoning, or read a letter out of prose.
Costs: linear in the text, a few regular expressions without nested repetition; it runs in the caller's process.

`shuffle` reorders the options of a problem under a recorded seed: some published sets have every answer at A.
"""

from __future__ import annotations

import dataclasses
import random
import re
import string
import time
import unicodedata

from verifiers import thoughts
from verifiers.choice.reference import replace_listed
from verifiers.math.reading import extract
from verifiers.math.reading.extract import NoAnswerError
from verifiers.types import Json, Limits, Problem, Status, Verdict

MAX_OPTIONS = len(string.ascii_uppercase)
MAX_FINAL_CHARS = 20_000
"""Only the end of a text is searched: a model that argues for longer after its answer did not end on it."""

MAX_SPAN_CHARS = 2_000
"""Of one statement."""

# Letters that look like Latin ones on the page: Cyrillic and Greek.
_LOOK_ALIKES = str.maketrans("АВСЕНІЈКМОРТХавсеіјорхуΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABCEHIJKMOPTXabceijopxyABEZHIKMNOPTYX")


class ChoiceChecker:
    """Checks texts against `reference` `{"options": [...], "answer": "C"}`."""

    name = "choice"
    version = "3"
    default_limits = Limits(wall_s=1.0, cpu_s=1.0)

    def __init__(self, num_workers: int = 1) -> None:
        del num_workers  # pure and quick: there is nothing to run side by side

    def check_problem(self, problem: Problem) -> str | None:
        """Why the reference cannot be used, or None."""
        options, answer = problem.reference.get("options"), problem.reference.get("answer")
        if not isinstance(options, list | tuple) or not 2 <= len(options) <= MAX_OPTIONS:
            return f"reference.options must be a list of 2 to {MAX_OPTIONS} options"
        if not all(isinstance(option, str) and option.strip() for option in options):
            return "reference.options must be non-empty strings"
        if not isinstance(answer, str) or answer not in _letters(len(options)):
            return f"reference.answer must be one letter of {_letters(len(options))[0]} to {_letters(len(options))[-1]}"
        if len({_plain(option) for option in options}) < len(options):
            return "reference.options holds the same option twice"
        return None

    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        limits = limits or self.default_limits
        began = time.perf_counter()
        wrong = self.check_problem(problem)
        evidence: dict[str, Json] = {}
        if wrong is not None:
            status, reason = Status.ERROR, wrong
        elif len(text) > limits.text_chars:
            status, reason = Status.MALFORMED, "the text is too long"
        else:
            parts = thoughts.split(text, finish_reason)
            try:
                if unreadable := parts.unreadable():
                    raise NoAnswerError(unreadable)
                letter, how = choose(
                    parts.answer,
                    list(problem.reference["options"]),
                    parts.cut_off("before a final answer") if parts.cut else "",
                )
            except NoAnswerError as error:
                status, reason = Status.MALFORMED, str(error)
            else:
                evidence = {"answer": letter, "found": how}
                right = letter == problem.reference["answer"]
                status = Status.VERIFIED if right else Status.REFUTED
                reason = "the reference's option" if right else "another option"
        reason = thoughts.name_unknown(reason, finish_reason)
        return Verdict(status, reason, evidence, self.name, self.version, time.perf_counter() - began, limits)

    def close(self) -> None:
        """Nothing to end."""


def choose(text: str, options: list[str], cut_off: str = "") -> tuple[str, str]:
    """The letter the text settles on, and how it was found. Raises NoAnswerError.

    `cut_off` is the reason of a text that was cut off before its answer was complete; empty if it was not cut off.
    """
    text = text[-MAX_FINAL_CHARS:]
    text = unicodedata.normalize("NFKC", extract_invisible(text)).translate(_LOOK_ALIKES)
    letters = _letters(len(options))
    spans = _boxed(text)
    if spans:
        found = [_settle(span, options, letters) for span in spans]
        if len(set(found)) > 1:
            raise NoAnswerError("several boxes with different options")
        letter = found[0]
        last_box = text.rfind("\\boxed")
        if later := _last_statement(text, last_box):
            after = _try(later[1], options, letters)
            if after and after != letter:
                raise NoAnswerError("the box and a later statement differ")
        if extract.is_taken_back(text, last_box, text.index(spans[-1], last_box) + len(spans[-1]) + 1, boxed=True):
            raise NoAnswerError("the answer is taken back")
        return letter, "boxed"
    if statement := _last_statement(text):
        start, span, end = statement
        if cut_off and text[end : end + 1] != "\n" and end + 1 >= len(text):
            raise NoAnswerError(cut_off)
        if extract.is_taken_back(text, start, end, boxed=False):
            raise NoAnswerError("the answer is taken back")
        return _settle(span, options, letters), "stated"
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if cut_off:
        raise NoAnswerError(cut_off)
    if not lines:
        raise NoAnswerError("empty")
    letter_or_none = _try(lines[-1], options, letters)
    if letter_or_none is None:
        raise NoAnswerError("no final answer")
    if len(lines) > 1 and _try(lines[-2], options, letters) not in (None, letter_or_none):
        raise NoAnswerError("a list of options")
    return letter_or_none, "last line"


def shuffle(problem: Problem, seed: int) -> Problem:
    """The problem with its options in another order; `meta.shuffle` records the seed and the original positions.

    The prompt is rebuilt only where it contains the options as lettered lines; raises ValueError if it does not.
    """
    options = list(problem.reference["options"])
    order = list(range(len(options)))
    random.Random(f"{seed}\x00{problem.id}").shuffle(order)
    letters = _letters(len(options))
    shuffled = [options[index] for index in order]
    try:
        prompt = replace_listed(problem.prompt, options, shuffled)
    except ValueError as letter:
        raise ValueError(
            f"problem {problem.id}: option {letter} does not stand on a line of its own in the prompt"
        ) from None
    answer = letters[order.index(letters.index(problem.reference["answer"]))]
    reference = {**problem.reference, "options": shuffled, "answer": answer}
    meta = {**problem.meta, "shuffle": {"seed": seed, "order": order}}
    return dataclasses.replace(problem, prompt=prompt, reference=reference, meta=meta)


def _letters(count: int) -> str:
    return string.ascii_uppercase[:count]


def extract_invisible(text: str) -> str:
    """Without characters that nobody sees."""
    return "".join(char for char in text if unicodedata.category(char) != "Cf")


_STATEMENT = re.compile(
    r"(?:\b(?:(?:final|correct|best|right)\s+){0,3}(?:answer|choice|option)\b(?:\s+(?:choice|option|letter))?"
    r"(?:\s+(?:here|to\s+this\s+question|to\s+the\s+question))?[\s*_]*(?:is|are|:|=|would\s+be|should\s+be|must\s+be)[\s:]*|"
    r"\b(?:i|we)\s+(?:choose|pick|select|go\s+with|answer)\s+(?:option\s+|answer\s+|choice\s+)?|"
    r"\b(?:no|wait|actually|rather|correction)\b[,.:;! -]*(?:it\s+is|it's|it\s+should\s+be|that\s+is|that's)\s+)",
    re.IGNORECASE,
)
_OPTION_IS_RIGHT = re.compile(
    r"(?:^|(?<=[\s(*]))(?:option|choice|answer)\s+\(?([A-Za-z])\)?\s+"
    r"(?:is|seems|must\s+be)\s+(?:the\s+)?(?:correct|right|best|true)\b",
    re.IGNORECASE,
)


_UNSAID_BEFORE = re.compile(
    r"\b(?:least(?:\s+\w+)?|worst|other|second|third|alternative|eliminated|rejected|your|student(?:'s)?|not(?:\s+the)?|"
    r"think|should|might|may|could)\s*$",
    re.IGNORECASE,
)
"""`the worst choice is A`, `should I choose A`: whatever is stated, it is not the answer."""


def _last_statement(text: str, after: int = -1) -> tuple[int, str, int] | None:
    """The last explicit statement that begins behind `after`: its start, the span that says the answer, and its end."""
    matches = [*_STATEMENT.finditer(text), *_OPTION_IS_RIGHT.finditer(text)]
    for match in sorted(matches, key=lambda match: match.start(), reverse=True):
        if match.start() <= after:
            return None
        if extract.is_supposed(text, match.start()) or _UNSAID_BEFORE.search(text[: match.start()][-40:]):
            continue
        if match.re is _OPTION_IS_RIGHT:
            if not re.match(r"[^.!\n]{0,80}\?", text[match.end() : match.end() + 81]):
                return match.start(), match[1], match.end()
            continue
        start = match.end()
        while start < len(text) and text[start] in " \t\n*_:":
            start += 1
        end = start
        while end < min(len(text), start + MAX_SPAN_CHARS) and text[end] != "\n":
            # "D. text" is one span; a full stop behind more than a letter ends the sentence.
            if (
                text[end] in ".!?"
                and (end + 1 == len(text) or text[end + 1].isspace())
                and len(text[start:end].strip("(*[ ")) > 1
            ):
                break
            end += 1
        span = text[start:end]
        if text[end : end + 1] == "?" or span.rstrip().endswith("?") or re.match(r"not\b", span, re.IGNORECASE):
            continue
        if span.strip():
            return match.start(), span, end
    return None


def _boxed(text: str) -> list[str]:
    spans = []
    at = 0
    while (start := text.find("\\boxed", at)) >= 0:
        brace = start + len("\\boxed")
        if not text.startswith("{", brace):
            at = brace
            continue
        end = extract.closing_brace(text, brace)
        if end is None:
            raise NoAnswerError("a box that is not closed")
        spans.append(text[brace + 1 : end])
        at = end
    return spans


def _settle(span: str, options: list[str], letters: str) -> str:
    letter = _try(span, options, letters)
    if letter is None:
        raise NoAnswerError("the final statement names no single option")
    return letter


_TEXT_COMMAND = re.compile(r"\\(?:text|textbf|mathrm|mathbf|textit|rm|bf|operatorname|mbox)\s*\{([^{}]*)\}")
_LEADING = re.compile(
    r"^(?:the\s+)?(?:(?:correct|right|best)\s+)?(?:option|choice|answer|letter)\s*(?:is\s*)?[:#]?\s*", re.IGNORECASE
)


def _clean(span: str) -> str:
    before = None
    while before != span:
        before = span
        span = _TEXT_COMMAND.sub(r"\1", span)
    span = span.replace("\\ ", " ").replace("$", "").replace("**", "").replace("__", "").replace("`", "").strip()
    span = re.sub(r"^\\[(\[]|\\[)\]]$", "", span).strip()
    return _LEADING.sub("", span.strip("* "))


def _try(span: str, options: list[str], letters: str) -> str | None:
    """The one option a span names: its letter, its letter with its text or an explanation, or its text."""
    span = _clean(span)
    plain = _plain(span)
    by_text = [letter for letter, option in zip(letters, options, strict=True) if _plain(option) == plain and plain]
    if len(by_text) == 1 and not (len(plain) == 1 and plain.upper() in letters and by_text[0] != plain.upper()):
        return by_text[0]
    match = re.match(r"^[(\[{]?\s*([A-Za-z])(?:\s*[)\]}])?(.*)$", span, re.DOTALL)
    if match is None or match[1].upper() not in letters:
        return None
    letter, rest = match[1].upper(), match[2]
    bracketed = span[:1] in "([{" or bool(re.match(r"^[A-Za-z]\s*[)\]}]", span))
    if rest.strip(" .!*)]}:,;") == "":
        return letter
    if rest[:1].isalnum() or rest[:1] in "'’_^\\=+<>" or re.match(r"\.\d", rest):
        return None  # the start of a word or of a formula
    if "?" in rest or extract.is_taken_back(rest, 0, 0, boxed=False):
        return None
    own = _plain(options[letters.index(letter)])
    rest_plain = _plain(rest.lstrip(" .):,;-–—"))
    if rest_plain == own:
        return letter
    if _names_another(rest, letter, letters):
        return None
    others = [_plain(option) for place, option in enumerate(options) if letters[place] != letter]
    if rest_plain in others or _describes_another(rest_plain, own, others):
        return None  # the letter of one option with the text of another
    if bracketed or rest[:1] in ".):,;*":
        return letter
    # "C because …", "C is correct", "C, since": but not "A cell", "I think".
    if re.match(
        r"^\s*(?:[-–—(]|because\b|since\b|as\b|is\s+(?:the\s+)?(?:correct|right|best|true)\b)", rest, re.IGNORECASE
    ):
        return letter
    return None


_OTHER_LETTER = re.compile(r"(?<![A-Za-z0-9])(?:([A-Z])\)|([A-Z])(?![A-Za-z0-9'’]))")
_HEDGE = re.compile(
    r"\b(?:also|wait|actually|though|rather|instead|hence|thus|therefore|alternatively)\b", re.IGNORECASE
)
_REASON = re.compile(r"\b(?:because|since|as|not|nor|wrong|incorrect|unlike|than|over)\b")


def _describes_another(rest: str, own: str, others: list[str]) -> bool:
    """`C, that is red` where red is another option: its text as words of their own, without a word like `because`."""
    if re.search(rf"(?<!\w){re.escape(own)}(?!\w)", rest) or _REASON.search(rest):
        return False
    return any(
        (len(other) > 1 or other.isdigit()) and re.search(rf"(?<!\w){re.escape(other)}(?!\w)", rest) for other in others
    )


def _names_another(rest: str, letter: str, letters: str) -> bool:
    """`B or C`, `A, B, C and D`, `B/C`, `B and (C)`, `B, but D also works`: another letter beside the first."""
    for match in _OTHER_LETTER.finditer(rest):
        other = match[1] or match[2]
        if other in letters and other != letter and (match[1] or _HEDGE.search(rest)):
            return True
    for match in re.finditer(
        r"(?:\bor\b|\band\b|/|,|&|\bnot\b)\s*(?:option\s+|answer\s+)?[(\[]?([A-Za-z])(?![A-Za-z0-9'’])[)\]]?", rest
    ):
        other = match[1]
        if (
            other.upper() in letters
            and other.upper() != letter
            and (other.isupper() or match[0].rstrip().endswith(")"))
        ):
            return True
    return False


def _plain(text: str) -> str:
    """An option's text without markup, case and outer punctuation, for comparing."""
    before = None
    while before != text:
        before = text
        text = _TEXT_COMMAND.sub(r"\1", text)
    text = unicodedata.normalize("NFKC", text).replace("$", "").replace("\\,", "").replace("**", "")
    text = re.sub(r"\\[()\[\] ]", " ", text)
    text = re.sub(r"\\(?:left|right|displaystyle)\b", "", text).replace("\\dfrac", "\\frac")
    return " ".join(text.casefold().split()).strip(" .;,:")
