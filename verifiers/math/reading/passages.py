# ruff: noqa: E501  (tables)
"""The sentences and headings above and below a final answer: do they announce it as none, or undo it?

Directly above an answer may stand any step of the work. What announces a wrong answer, a guess, a quotation, a format,
one case of several or another number than the answer makes it none. Below an answer may stand a check, an explanation
or a farewell. A retraction, a doubt, a bound, a further step, an attribution or another value undoes it.

Promises: only a bounded stretch beside the answer is read, sentence by sentence, so all of it is linear.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from verifiers import answer_words
from verifiers.math.reading import languages
from verifiers.math.reading.nouns import is_noun
from verifiers.math.reading.phrases import WRONG, compiled, form
from verifiers.math.reading.phrases_before import (
    ATTEMPTS_AND_CASES,
    INABILITIES,
    NOT_TO_DO,
    OPERATIONS,
    OTHER_NUMBERS,
    OTHER_PROBLEMS,
    OTHERS_SAYING,
    ROLES_AND_VALUES,
    STUDENT_VERBS,
    WORK_OF_OTHERS,
)
from verifiers.math.reading.phrases_behind import (
    ABOVE_IS_WRONG,
    CALCULATING,
    CALLED_OTHER,
    CALLING_WRONG_ALONE,
    GRADING_LABELS,
    HEDGING_ALONE,
    IMPOSSIBLE,
    JOKING,
    NOT_FINISHED,
    NOT_PROVEN,
    OTHERS_WORK,
    RETRACTING_ALONE,
    STEPS_LEFT,
)
from verifiers.math.reading.phrases_common import HEDGES, KIDDING, UNSURE
from verifiers.math.reading.vocabulary import NUMBER_WORDS, QUANTITIES, unit_name, words_of

NEAR_ABOVE = 400
"""Characters in front of an answer in which the sentence above it is looked for."""
FAR_ABOVE = 1500
"""Characters in front of an answer in which a heading may announce a wrong solution."""
MAX_BELOW = 4000
"""Characters behind an answer whose sentences are read."""
MAX_SENTENCE = 300
"""Characters of one sentence that are read."""

_MARKS = re.compile(r"\\(?:text|textbf|mathbf|begin|end)\b\s*(?:\{\w+\*?\})?|\\[\[\]()]|[*_#>`$\[\]{}]|</?\w{1,14}>")
_PIECES = re.compile(r"(?<=[.!?:])[\s*_$]+|(?<=[.!?:]\*\*)\s+|\n+")
_OWN_LABEL = compiled(
    form(
        r"(?:(?:so|thus|hence|therefore)\s*,?\s*)?(?:(?:the|my|our) )?(?:final |correct )?(?:answers?|ans|a|conclusion|solution|result)(?: is)?\s*:?\Z"
    ),
    form(r"答案?[:：]?\Z"),
)
_ANNOUNCES = compiled(
    form(r"\b{wrong}\)? (?:\w+ )?{work}s?\b"),
    form(r"\b(?:following|next|below)\b.*\b(?:is|are|was) (?:\w+ )?(?:{wrong}|not|untrue|a lie)\b"),
    form(
        r"\b(?:answer|result|value|solution|calculation|sign) (?:is|was|seems|looks) (?:\w+ )?(?:{wrong}|off|not (?:right|correct))\Z"
    ),
    form(r"\b(?:line|sentence|statement|number|box|value|answer)s? (?:below|that follows|underneath)\b"),
    form(r"\bstudents? (?:\w+ )?@\b", STUDENT_VERBS),
    form(r"\A(?:(?:the|an?|my|our) )?\w+'s (?:\w+ )?@\s*:?\Z", WORK_OF_OTHERS),
    form(r"\A(?!(?:It|This|That|What)\b)[A-Z]\w+ @\s*:?\Z", OTHERS_SAYING),
    form(r"\b(?:template|book|prompt) says\b"),
    form(r"\bfind the (?:error|mistake|flaw|bug)"),
    form(r"\bwhat not to\b"),
    form(r"\b(?:do not|don't|never) @\b", NOT_TO_DO),
    form(r"\b(?:output|answer|response)?\s*format(?: (?:is|example)\b|\s*:?\Z)"),
    form(r"\btemplate\b"),
    form(r"\bexample (?:of|output|answer|response|format)\b"),
    form(r"\bfor example, if\b"),
    form(r"\bwrite your\b"),
    form(r"\b(?:look|looks|answer|answers) like this\b"),
    form(r"\bguess(?:es|ing|ed)?\b"),
    form(r"\bi (?:give|gave) up\b"),
    form(
        r"\bi(?: am|'m| was)? @ (?:really )?(?:solve|determine|find|answer|figure|prove|compute|finish|know|see|understand)\b",
        INABILITIES,
    ),
    form(r"\b(?:answer|it|this|problem) (?:cannot|can't|could not) be (?:determined|solved|found|known|computed)\b"),
    form(r"\bno (?:idea|clue)\b"),
    form(r"\bran out of\b"),
    form(r"\b@\b", UNSURE),
    form(r"\bill-?posed\b"),
    form(r"\b(?:lying|lorem|placeholders?|joke|joking|kidding|hypothetical\w*)\b"),
    form(r"\A(?:so |thus |hence )?there (?:is|are) no (?:solutions?|answers?)\W*\Z"),
    form(r"\Ano (?:solutions?|answers?)\W*\Z"),
    form(r"\A(?:suppose|assume|imagine|pretend|let us (?:pretend|imagine|suppose|assume))\b"),
    form(r"\b(?:original|first|initial|old|earlier) \(\w+\)"),
    form(r"\b@\b.*\b(?:number|line|value|result|answer) (?:below|that follows)\b", OPERATIONS),
)
"""A sentence directly above an answer that announces something else than the answer."""
_HEADS_OTHER = compiled(
    form(r"@\s*:?\Z", OTHER_PROBLEMS, ROLES_AND_VALUES, ATTEMPTS_AND_CASES, OTHER_NUMBERS),
)
"""A heading or a label directly above an answer under which something else than the answer stands."""
_FAR_ANNOUNCES = compiled(
    form(r"\b(?:here is|consider|this is|following is) (?:an?|the) (?:\w+ )?{wrong} (?:\w+ )?{work}"),
    form(r"\A(?:\w+ )?{wrong} {work}s?\s*:?\Z"),
    form(r"\bfind the (?:error|mistake|flaw) in\b"),
    form(r"\A\w+ student (?:wrote|solved)\b.*:\Z"),
)
_FAR_HINTS = (*WRONG, "find", "student")
"""What no text lacks in small letters that `_FAR_ANNOUNCES` matches."""
_CORRECTS = re.compile(
    r"\b(?:correct|correctly|right|actual|fix|instead|however|but|now|properly|true)\b", re.IGNORECASE
)


def is_announced_as_none(text: str, start: int) -> bool:
    """Whether what stands above the answer at `start` announces a wrong answer, a guess, a case or another number."""
    pieces = _pieces(text[max(0, start - NEAR_ABOVE) : start])
    if text[start - 1 : start] != "\n" and pieces and not _ends_itself(text, start):
        own = pieces.pop()  # the sentence of the answer itself
        if ";" in own:
            pieces.append(own.rpartition(";")[0])
    while pieces and _OWN_LABEL.match(pieces[-1]):
        pieces.pop()
    if pieces and pieces[-1].endswith((":", "：")) and languages.says_something_else(pieces[-1]):
        return True
    if pieces and (_ANNOUNCES.search(pieces[-1]) or _HEADS_OTHER.match(pieces[-1])):
        return True
    above = text[max(0, start - FAR_ABOVE) : start]
    plain = _MARKS.sub("", above).lower()
    if not any(hint in plain for hint in _FAR_HINTS):
        return False
    far = _pieces(above)
    for place in range(len(far) - 1, -1, -1):
        if _FAR_ANNOUNCES.search(far[place]):
            return True
        if _CORRECTS.search(far[place]):
            return False
    return False


def _ends_itself(text: str, start: int) -> bool:
    """Whether a sentence or a label ends directly in front of the place."""
    before = re.sub(r"(?:[\s$*_`\[(\\>]|<\w{1,14}>|#{1,6})+\Z", "", text[max(0, start - 60) : start])
    return before == "" or before[-1:] in ".!?:" or "\n" in text[start - (min(start, 60) - len(before)) : start]


def _pieces(text: str) -> list[str]:
    """The sentences and lines of a text without marks; a label that ends with a colon is one of its own."""
    return [piece for part in _PIECES.split(text) if (piece := _MARKS.sub("", part[:MAX_SENTENCE]).strip(" \t-–—•"))]


# Below an answer.

_CLOSERS_OF_ANSWER = re.compile(r"(?:[\s$*_`)\]}.,;:!]|\\[\])]|\\(?:quad|qquad|,|end\{\w+\*?\})|</\w+>)*")
_ALONE = compiled(
    form(
        r"\A(?:(?:the|my|our) )?(?:final |correct )?(?:answers?|ans|result|solution)(?: is)?\s*[:=]?\s*(?:\?+|…|\.{2,}|none|n/a|unknown|unclear|undecided|tbd|todo|missing|-{1,3})\W*\Z"
    ),
    form(r"\W*@\W*\Z", KIDDING, RETRACTING_ALONE, HEDGES, HEDGING_ALONE, CALLING_WRONG_ALONE),
)
_UNDOES = compiled(
    form(
        r"\b@\b",
        KIDDING,
        JOKING,
        UNSURE,
        NOT_FINISHED,
        CALLED_OTHER,
        NOT_PROVEN,
        OTHERS_WORK,
        IMPOSSIBLE,
        ABOVE_IS_WRONG,
        STEPS_LEFT,
    ),
)
_ATTRIBUTES = re.compile(
    r"\b(?:key|book|textbook|teacher|[A-Z][a-z]+)\s+(?:says|claims|thinks|believes|said)\s+\$?-?\d", re.ASCII
)
_LABELS = compiled(
    form(r"\A@\s*:\s*(?!(?:correct|verified|true|pass|proved|\\d)\b)\S?", GRADING_LABELS),
)
_FURTHER_STEP = compiled(
    form(
        r"(?:(?:step\s*\w{1,3}\s*[:.)]|\d{1,2}[.)]|todo:?|now|then|next|finally|so|and|but|we|you|one|must|should|need to|have to|has to|just|also|please)[\s,]*)*(?:add|subtract|double|halve|triple|multiply|divide|square|negate|invert|round) (?:it|this|that|one|two|1|by|up|down|the (?:result|answer|number)|\d+)\b(?! (?:and|eggs|cups)\b)"
    ),
)
_ADDS = compiled(
    form(r"\b@\b.*\b(?:get|gives?|obtain|yields?|is)\b", CALCULATING),
    form(r"\b(?:double|add|multiply|subtract|divide)\b.*\bto get\b"),
)
_CONCLUDES = compiled(
    form(r"\A(?:so|thus|hence|therefore|ergo|and so|consequently|make that|better)\b"),
)
_TOTALS = compiled(
    form(
        r"\A(?:so|thus|hence|therefore|ergo|and|then|in fact|really)\b.*\b(?:total|answer|result|value|count|number) (?:is|are|=|equals|becomes|:)"
    ),
)
_IS_THE_ANSWER = compiled(
    form(
        r"\b(-?\d[\d.,]*) (?:is (?:also )?(?:the|a|an|our|possible|right|correct)\b|it is\b|instead\b|also works?\b|works? too\b)"
    ),
)
_CHECKS = re.compile(
    r"\b(?:check|checking|verify|verifies|verification|indeed|confirms?|sanity|substitut\w+|because|since|example|plug\w*)\b|[✓✔✅]",
    re.IGNORECASE,
)
_BOTH = compiled(
    form(r"\bboth\b.*\bwork\b"),
    form(r"\b(?:another|the other) (?:solution|root|answer|value|possibility)\b\W*(?:is\b)?.*\d"),
)
_FALSE_EQUALITY = re.compile(r"(?:\A|[a-z:]\s)(-?\d{1,9})\s*=\s*(-?\d{1,9})(?![\d.,]*\s*[-+*/^=\d(\\])")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_WORD_NUMBERS = re.compile(
    r"\b(" + "|".join(word for word in NUMBER_WORDS if word not in ("one", "zero")) + r")\b", re.IGNORECASE
)
_HARMLESS = compiled(
    form(r"\b(?:common|typical|frequent) (?:mistake|error)"),
    form(r"\bno doubt\b"),
    form(r"\bwithout (?:a )?doubt\b"),
    form(r"\botherwise\b"),
    form(r"\bnot only\b"),
    form(r"\bhope\b"),
)
_ENDS_WITH_NUMBER = re.compile(r"(?:\A|[\s$:=])-?\d[\d.,]*[\s$!)]*\Z")
_OPERATES = re.compile(r"\d\s*[-+*/^×·−]|\\|[<>≤≥]|\d\s*=")
_FEW_WORDS = 6
_SHORT_WORDS = 9


_PLAIN_WORDS = (
    answer_words.CLOSING
    | answer_words.HEADINGS
    | answer_words.TAIL
    | answer_words.FUNCTION
    | frozenset(
        words_of("""
        thus therefore hence so we have found verified check checked correct boxed completes complete proof solution value values conclude required desired solved conclusion
        simplified form expression expressions equation equations result satisfies satisfied conditions condition holds given original problem exactly note verification matches this means no other solutions work works there
        """)
    )
)
"""Words of a sentence behind an answer that only closes, heads or confirms."""
_OF_MATHEMATICS = (
    frozenset(
        words_of("""
        polynomial polynomials factor factors factoring formula formulas sum sums product products inequality count counts counted counting pair pairs unit units integer integers
        divisor divisors multiple multiples even odd prime primes square squares root roots angle angles triangle triangles circle circles sides area volume symmetric symmetry substitution
        substituting identity theorem lemma induction function functions derivative integral series sequence matrix vector determinant probability permutation permutations combination
        combinations modulo remainder proved proven add adding added subtract subtracting multiply multiplying divide dividing curve parabola hyperbola ellipse
        graph geometric algebraic algebra arithmetic geometry table order
        """)
    )
    | QUANTITIES
) - frozenset(words_of("set time times force percent chance"))
"""Words of mathematics: a sentence with one explains, whatever the problem speaks of."""
_DOUBTING = (answer_words.UNSETTLING | answer_words.DENYING) - frozenset(
    words_of("question questions asked whether object objection")
)
"""Words with which a sentence goes back on an answer, whatever else it speaks of."""
_IN_MATH = re.compile(r"[=\\$^+<>≤≥√π]")
"""A sign of a formula. A sentence with one is judged by what it calculates."""
_UNIT_WORDS = 2
"""Words of a unit or noun that stands behind its number on a line of its own."""


def is_loose(sentence: str, before: AbstractSet[str]) -> bool:
    """Whether a sentence tells nothing of the subject, whose stems are `before`: it may go back on the answer in words
    that no table holds, as `The jury is still out.`"""
    words = answer_words.words_in(sentence)
    if not words or words[0] == "they" or all(word in _PLAIN_WORDS for word in words):
        return False
    if len(words) <= _UNIT_WORDS and all(unit_name(word) or is_noun(word) or len(word) == 1 for word in words):
        return False
    if not _DOUBTING.isdisjoint(words) and _OPTIONS.isdisjoint(words):
        return True
    if not any(stem.isalpha() for stem in before) or not _OF_MATHEMATICS.isdisjoint(words):
        return False
    return before.isdisjoint(answer_words.stems_in(sentence))


_OPTIONS = frozenset(words_of("option options choice choices others"))
"""Words of a sentence that may reject what was not chosen: `Option A is wrong.`"""
_COMMAND = re.compile(r"\\[A-Za-z]+")
_DRAWING = re.compile(r"\[asy\].*?(?:\[/asy\]|\Z)", re.DOTALL)


def is_left_alone(above: str, behind: str, *, is_cut: bool) -> bool:
    """Whether a sentence behind the answer speaks of nothing that the text speaks of. `above` is the problem, and
    the text up to the end of the answer."""
    closing = _CLOSERS_OF_ANSWER.match(behind)
    at = closing.end() if closing else 0
    rest = _DRAWING.sub("", behind[at : at + MAX_BELOW])
    if not rest.strip():
        return False
    is_new = re.search(r"[.!?:]\W*\Z|\n", behind[:at]) is not None and not rest[:1].islower()
    own_sentence = not is_new and _ALONE.match(rest) is None  # `\\boxed{10} Gyr`, `\\boxed{5} (mod 7)`
    parts = [part for part in _SENTENCES.split(rest) if part.strip()][own_sentence:]
    subject = answer_words.stems_in(_COMMAND.sub(" ", above[-MAX_ABOVE_CHARS:])) if parts else set()
    for place, part in enumerate(parts[:-1] if is_cut else parts):
        sentence = _MARKS.sub("", part[:MAX_SENTENCE]).strip(" \t-–—•")
        goes_on = sentence[-1:] not in ".!?" and place + 1 < len(parts) and _IN_MATH.search(parts[place + 1])
        if not goes_on and not _IN_MATH.search(part) and is_loose(sentence, subject):
            return True
        subject |= answer_words.stems_in(sentence)
    return False


MAX_ABOVE_CHARS = 20_000
"""Characters of the problem and in front of an answer that tell what the text speaks of."""


def is_undone(answer: str, behind: str) -> bool:
    """Whether a sentence behind the answer takes it back, doubts it, goes on calculating or states another value."""
    own = set(_NUMBER.findall(_in_digits(answer)))
    closing = _CLOSERS_OF_ANSWER.match(behind)
    at = closing.end() if closing else 0
    rest = behind[at : at + MAX_BELOW]
    # Words in small letters on the line of the answer go on with its sentence, which is read elsewhere.
    own_sentence = rest[:1].islower() and _ALONE.match(rest) is None and not re.search(r"\n|[.!]\s", behind[:at])
    pieces = _sentences(rest)
    return any(_undoes(piece, own) for piece in pieces[own_sentence:])


_SENTENCES = re.compile(r"(?<=[.!?])[\s*_$]+|\n+")


def _sentences(text: str) -> list[str]:
    parts = _SENTENCES.split(text)
    return [piece for part in parts if (piece := _MARKS.sub("", part[:MAX_SENTENCE]).strip(" \t-–—•"))]


def _in_digits(text: str) -> str:
    return _WORD_NUMBERS.sub(lambda match: str(NUMBER_WORDS[match[1].lower()]), text)


def _undoes(sentence: str, own: set[str]) -> bool:
    if _ALONE.match(sentence) or _LABELS.match(sentence) or _ATTRIBUTES.search(sentence):
        return True
    if _UNDOES.search(sentence) and not _HARMLESS.search(sentence):
        return True
    if "\\" not in sentence and any(match[1] != match[2] for match in _FALSE_EQUALITY.finditer(sentence)):
        return True
    if _FURTHER_STEP.match(sentence) and not _CHECKS.search(sentence):
        return True
    return _states_another(_in_digits(sentence), own)


def _states_another(sentence: str, own: set[str]) -> bool:
    numbers = _NUMBER.findall(sentence)
    if not numbers:
        return False
    if _BOTH.search(sentence) and not set(numbers) <= own:
        return True
    if any(match[1] not in own for match in _IS_THE_ANSWER.finditer(sentence)) and not _CHECKS.search(sentence):
        return True
    if numbers[-1] in own or _CHECKS.search(sentence):
        return False
    if _TOTALS.match(sentence) or _ADDS.search(sentence):
        return True
    if len(sentence.split()) <= _FEW_WORDS and _ENDS_WITH_NUMBER.search(sentence) and not _OPERATES.search(sentence):
        return not own & set(numbers)
    if own & set(numbers) or len(sentence.split()) > _SHORT_WORDS:
        return False
    return _CONCLUDES.match(sentence) is not None or re.match(r"[\s=>≈→⇒:]*-?\d[\d.,]*\W*\Z", sentence) is not None
