# ruff: noqa: E501  (tables)
"""What may stand in one sentence with a box, as lists of the words that are allowed.

Whether a sentence states the number in its box cannot be told by looking for words that deny it: English has too many
ways to bound a number, to restrict it to a case or to compare it. So the places beside the box are read by what is
allowed there. Directly in front of it stands a verb or a sign of equality, perhaps with harmless words in between
(`there are exactly`); directly behind it stands nothing, a unit or a noun, and behind that what describes the noun or
gives a reason. A condition, a part, a bound or an attribution in the rest of the sentence makes the box no answer.

Promises: every check looks at a bounded stretch of text, so all of it is linear.
"""

from __future__ import annotations

import re

from verifiers import prose
from verifiers.math.reading.nouns import is_describing, is_noun
from verifiers.math.reading.phrases import compiled, form
from verifiers.math.reading.phrases_before import (
    ACQUAINTANCES,
    BELIEVING,
    BOUNDS_AND_ESTIMATES,
    COMMANDS,
    COMPARATIVES,
    HEARSAY,
    NOT_KNOWN,
    OWN_SUBJECTS,
    PARTS_AND_CASES,
    POSSIBILITIES,
    QUESTION_WORDS,
    SAYING,
    SOURCES,
    SPECIMENS,
    TENTATIVE,
    WRONG_WORK,
)
from verifiers.math.reading.phrases_behind import (
    ABOUT,
    BOUNDING,
    CHANGING,
    COMPARING,
    CONCESSIONS,
    CONDITIONS,
    CONFIRMING,
    DESCRIBING,
    FACTORS,
    GIVING_REASONS,
    GROUPS,
    ONE_CASE,
    ONE_OF_SEVERAL,
    OTHERS_SAY,
    REASONS,
    REMARKS,
    ROUNDING_PLACES,
    SUMMING_UP,
)
from verifiers.math.reading.phrases_common import CLAIMING, HEDGES
from verifiers.math.reading.sentence_words import (
    ABOUT_WORDS,
    ANSWER_LABELS,
    HARMLESS,
    IRREGULAR_VERBS,
    LETTER_UNITS,
    LINKS,
    NO_NOUNS,
    OTHER_UNITS,
    PART_NOUNS,
    PARTICLE_VERBS,
    PARTICLES,
    VERBS,
)
from verifiers.math.reading.vocabulary import CHANGING_WORDS, QUANTITIES, unit_name, words_of

NEAR = 240
"""Characters beside a box in which its sentence is read."""

_SENTENCE_END = re.compile(r"(?<!\.)[.?!;。](?=[\s$*)\\\]]|\Z)|\n")
_ABBREVIATION = re.compile(r"\b(?:i\.e|e\.g|approx|resp|vs|cf|no|ca|etc|mrs?|ms|dr|st)\Z", re.IGNORECASE)
_OPENING = re.compile(r"(?:\s|\$|\\\[|\\\(|\\begin\{\w+\*?\}|\*|_|\[|\()+\Z")
_DISPLAY = re.compile(r"\\\[|\$\$|\\begin\{")
_WRAPPERS = re.compile(
    r"\\(?:text|mbox|textbf|textit|emph|mathrm|textrm|mathbf|bf|underline)\b\s*|\\(?:quad|qquad|displaystyle|left|right|boldsymbol|bm|color\{\w+\}|large|Large|huge|[,;:! ])|"
    r"\\[\[\]()]|[{}$*_`~]|</?\w{1,12}>"
)
"""Marks that are no words and no mathematics."""
_TOKEN = re.compile(r"\\[A-Za-z]+|[A-Za-zÀ-ÿА-яё]+(?:['’\-][A-Za-z]+)*|\d+(?:[.,]\d+)*|[^\s]")

# Directly in front of the box.

_SIGNS = frozenset("= : ： , & ) ] } | > ( [ ; . # \" “ ' – — → ⇒ ∴ ≡ ∈ ≅ ↔ ⟹ 。 ， …".split())  # noqa: SIM905

# In the clause in front of the box.

_QUALIFIES = compiled(
    form(r"\b@ than(?: or equal to)?\s*\Z", COMPARATIVES),
    form(r"(?<![A-Za-z\d)\]}])\((?-i:[a-h]|i{1,3}|iv)\)"),
    form(r"\A\(?(?:[a-h]|i{1,3}|iv|\d)\)"),
    form(r"\bin the case\b"),
    form(r"\bfor [a-z]\s*=\s*\d+\s*(?:,|:|is|are)?\s*\Z"),
    form(r"\b(?:i|we) (?:\w+ )?@\b", BELIEVING),
    form(r"\bmy @\b", ACQUAINTANCES),
    form(r"\b@ (?:got|gets|gives?|gave|has|shows?|lists?|states?|returns?|found|finds?)\b", SOURCES),
    form(r"\b(?:intermediate|draft|interim)\b"),
    form(r"\b@\b", BOUNDS_AND_ESTIMATES, WRONG_WORK, PARTS_AND_CASES, TENTATIVE, HEARSAY, NOT_KNOWN, SPECIMENS),
    form(r"\b@ (?:(?:well|also|only|then|as|be|equal|have|been)\s*){0,3}\Z", POSSIBILITIES),
    form(r"\bcan (?:also )?be\s*\Z"),
)
_NUMBERED_PART = re.compile(
    r"(?:\A|\s)\(?(?:part|question|problem|exercise|case)\s*\(?(?:[a-h]|i{1,3}|iv|v|\d{1,2})\)?\s*[:.)]?\s*\Z",
    re.IGNORECASE,
)
_SAYS_OTHER = compiled(
    form(r"\b@\b", CLAIMING, SAYING),
)
_OWN_SUBJECT = compiled(
    form(r"\b@(?: (?:can|may|also|now|then|could|must|have|has))? \Z", OWN_SUBJECTS),
)
_OF_OTHERS = compiled(
    form(
        r"\b(?:(?!(?:it|that|there|what|here|let|today|problem|question|how|who)'s)[a-z]+'s?|his|her|their|your) (?:\w+ )?(?:answer|solution|result|guess|estimate|claim|calculation|response|attempt|work|reply)s?\s*(?:(?:is|was|are|gives?|says?|[:=])\s*(?:that )?(?:(?:the )?(?:answer|it) is\s*)?)?\Z"
    ),
    form(
        r"\b(?:answer|solution|result|guess|estimate|claim|response|attempt)s? (?:of|by|from) (?:(?:an?|the|my|some|another) (?:\w+ )?(?:student|friend|teacher|classmate|colleague|user|model|book|pupil|person|calculator)|[A-Z][a-z]+) (?:is|was)\s*\Z"
    ),
)
_INDEFINITE = compiled(
    form(
        r"(?:\A|[,:]\s*)(?:(?:so|thus|hence|therefore|then|and|now|finally|clearly|also)\s*,?\s*)?(?:an?|one|some|another|any|each) (?:(?:such|more|other|possible|valid|further|obvious|easy|approximate|simple|natural|first|reasonable|good|better|rough|quick|lower|upper|trivial|naive|partial|plausible|likely|common|typical|alternative|candidate|special|particular|correct) )*(?:answer|value|bound|solution|result|guess|estimate|candidate|choice|option|possibility|example|root|case|approximation|try|attempt|limit|member|element|number)s?\b[^,:]*\b(?:is|are|was|would be|equals?|gives?)\b"
    ),
)
_CONDITION = compiled(
    form(
        r"(?:\A|[,:(]\s*|\b(?:and|so|then|but|thus|hence) )(?:(?:only )?(?:if|when|whenever|unless|provided(?: that)?|assuming(?: that)?|for|given(?: that)?|with|in case|as long as|once|while|until) {case}|(?:otherwise|else|unless|in (?:the|this|that|each|either|one) (?:\w+ )?case|in case \w+|under (?:this|that|these|those|the|an?) \w+|on (?:earth|mars|the moon)|without \w+ing|ignoring|neglecting|disregarding|before \w+ing|after rounding|to the nearest|excluding|including|apart from|except)\b)"
    ),
)
_IMPERATIVE = compiled(
    form(
        r"(?:\A|[,:]\s*)(?:(?:so|now|next|first|then|thus|and|or|but|finally|instead)\s*,?\s*)?@\b(?:(?!\bto (?:find|get|obtain|give|yield|see)\b)[^,:])*\Z",
        COMMANDS,
    ),
    form(r"\A(?:(?:so|now|but|and|or|then)\s*,?\s*)?@\b[^,:]*\Z", QUESTION_WORDS),
)
"""A command or a question, which states nothing."""
_CASE_BEFORE = compiled(
    form(
        r"\A(?:(?:so|thus|hence|therefore|then|and|but|now)\s*,?\s*)?(when|if|whenever|for|given|assuming|with|provided|unless|while|in case|once|ignoring|neglecting|disregarding)\b(?P<condition>[^,:]*)[,:]?\s*(?:then )?(?P<main>[^,:]*)\Z"
    ),
)
_BARE_MAIN = compiled(
    form(
        r"(?:(?:it|this|that|the (?:final )?(?:answer|value|result|solution)) (?:is|equals|becomes|will be|must be|gives)|we (?:get|have|obtain|find)|there (?:is|are)|=|:)?\s*\Z"
    ),
)

# Behind the box.

_QUOTED = re.compile(r"[\s$.,)*}]{0,6}[\"”»’](?!\s*(?:\Z|\n|[.,}\]]))")
_REASON = compiled(
    form(r"\b@", REASONS),
)
_COMPARES = compiled(
    form(r"\b@\b", COMPARING, CHANGING, ABOUT, BOUNDING),
)
"""Words directly behind a number or its noun that compare it with another number."""
_RESTRICTS = compiled(
    form(
        r"\b@\b",
        ROUNDING_PLACES,
        CONDITIONS,
        HEDGES,
        FACTORS,
        CONCESSIONS,
        ONE_OF_SEVERAL,
        OTHERS_SAY,
        ONE_CASE,
        GROUPS,
    ),
)
"""Words in the sentence behind a box by which it holds in some case only, or is said of others."""
_VERB_BEHIND = re.compile(
    r"\b(?:is|are|was|were|be|has|have|had|can|could|that|who|which|whose|to|do|does|did|need|needs|of|for|in)\b",
    re.IGNORECASE,
)
_EXTREMUM = re.compile(r"\b(?:maxim\w+|minim\w+|extrem\w+|largest|smallest|greatest|least|max|min)\b", re.IGNORECASE)
_ANOTHER_CASE = compiled(
    form(r"\b(?:for|when|while|with|given|once) {case}"),
    form(r",\s*(?:and )?-?\d[\d.,/]* (?:for|if|when|in|on|otherwise)\b"),
)
_BARE_TAIL = compiled(
    form(r"@", GIVING_REASONS, SUMMING_UP, DESCRIBING, CONFIRMING),
)


def is_no_statement(text: str, start: int, end: int) -> bool:
    """Whether the sentence around the box at `start` to `end` is none that states what is in the box."""
    if prose.gives_up(text[max(0, start - NEAR) : start]):
        return True
    before = sentence_before(text, start)
    if _is_lone_step(text, start):
        return True
    decimal = _DECIMAL.search(text[start:end]) is not None
    if not _links(before, decimal) or _qualifies(before, decimal):
        return True
    return not _is_allowed_behind(text, end, extremum=_EXTREMUM.search(before) is not None)


_STEP = compiled(
    form(
        r"(?:\A|\n)[\s*_#>\-]*step (\d{1,2})\b[\s*_:.)\-]*(?:(?:we|i) (?:get|have|obtain|find)|(?:it|this) (?:is|gives|equals))?[\s$*_\\(\[:]*\Z"
    ),
)


def _is_lone_step(text: str, start: int) -> bool:
    """Whether the box is all that a numbered step says, and the step before it is not in the text: the first step is
    no conclusion, and one without the others is no solution."""
    step = _STEP.search(text[max(0, start - 80) : start])
    if step is None:
        return False
    return int(step[1]) < 2 or re.search(rf"\bstep\s+{int(step[1]) - 1}\b", text[:start], re.IGNORECASE) is None


def is_changed_behind(text: str, end: int) -> bool:
    """Whether words on the line behind a tag restrict what is in it or make it another number."""
    return text[end : end + 1] != "\n" and not _is_allowed_behind(text, end, extremum=False)


_BOX = re.compile(r"\\(?:boxed|fbox)\s{0,4}\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
"""An earlier box of the sentence."""
_DECIMAL = re.compile(r"\d*\.\d")


def sentence_before(text: str, start: int) -> str:
    """What stands in the sentence in front of a place, without marks."""
    near = text[max(0, start - NEAR) : start]
    opening = _OPENING.search(near)
    if opening and "\n" in opening[0] and _DISPLAY.search(opening[0]) and opening[0].count("\n") <= 4:
        near = near[: opening.start()]
    at = 0
    for match in reversed(list(_SENTENCE_END.finditer(near))):
        if not (match[0] == "." and _ABBREVIATION.search(near, max(0, match.start() - 8), match.start())):
            at = match.end()
            break
    return _WRAPPERS.sub(" ", _BOX.sub(" , ", near[at:])).strip()


def _links(before: str, decimal: bool) -> bool:
    """Whether the words directly in front of the box lead to it."""
    tokens = [match[0] for match in _TOKEN.finditer(before)]
    if len(tokens) == 1 and tokens[0] in "-–−+—―‒":
        return False
    for place in range(len(tokens) - 1, -1, -1):
        token, previous = tokens[place].lower(), tokens[place - 1].lower() if place else ""
        if not token[0].isalpha():
            return _sign_links(tokens, place)
        if token[0] > LAST_LETTER:
            return token in _CHINESE
        if token in HARMLESS or (token in ABOUT_WORDS and decimal):
            continue
        if token == "of" and previous:
            return previous in QUANTITIES or previous in PARTICLE_VERBS or previous == "out"
        if token in LINKS or _is_verb(token):
            return True
        if token in PARTICLES and previous in PARTICLES and place > 1:
            return tokens[place - 2].lower() in PARTICLE_VERBS
        if token in PARTICLES or tokens[place].istitle():
            return previous in PARTICLE_VERBS or _is_verb(previous)
        return False
    return True


def _sign_links(tokens: list[str], place: int) -> bool:
    """Whether a sign, a number or a command of TeX may stand in front of the words before a box."""
    token = tokens[place]
    if token[0].isdigit():
        # "13 + 15, or 28" says one value twice; "4 or 5" are two.
        formula = tokens[max(0, place - 8) : place]
        first = max((index for index, part in enumerate(formula) if len(part) > 1 and part[0].isalpha()), default=-1)
        formula = formula[first + 1 :]
        return (
            tokens[place + 1 : place + 2] == ["or"]
            and "=" not in formula
            and any(part in _OPERATORS or part == "\\frac" for part in formula)
        )
    if token[0] == "\\":
        return True  # what a formula may end with is known to is_part_of_formula
    return token in _SIGNS or (place == 0 and token in "•·") or token[0] > LAST_LETTER


_OPERATORS = frozenset(words_of("+ - * / × − ^ ·"))
LAST_LETTER = "\u218f"
"""The last letter of the scripts with spaces between words; arrows, check marks and other signs come behind it."""
_CHINESE = frozenset("是为為于於得有即故共成值解案果が는은")
"""The last character of `the answer is`, `equals`, `we get`."""


def _is_verb(word: str) -> bool:
    if word in VERBS or word in IRREGULAR_VERBS:
        return True
    for ending in ("ies", "ied", "es", "ed", "ing", "s", "d"):
        stem = word.removesuffix(ending)
        if stem == word:
            continue
        if ending in ("ies", "ied"):
            stem += "y"
        if stem in VERBS or f"{stem}e" in VERBS or (len(stem) > 2 and stem[-1] == stem[-2] and stem[:-1] in VERBS):
            return True
    return False


def _qualifies(before: str, decimal: bool) -> bool:
    """Whether the rest of the sentence restricts, bounds or attributes what is in the box."""
    if not before:
        return False
    last = before[max(before.rfind(":"), 0) :]
    if (found := _QUALIFIES.search(before)) and not (decimal and found[0].lower().startswith("approx")):
        return True
    if _IMPERATIVE.search(before) or _is_other_label(before):
        return True
    if _NUMBERED_PART.search(before) or _OF_OTHERS.search(before) or _INDEFINITE.search(before):
        return True
    for said in _SAYS_OTHER.finditer(last):
        if _OWN_SUBJECT.search(last[: said.start()]) is None:
            return True
    case = _CASE_BEFORE.match(before)
    if case is None or _BARE_MAIN.match(case["main"]) is None:
        return False
    supposed = case[1].lower() in ("assuming", "provided", "unless", "ignoring", "neglecting", "disregarding")
    return supposed or _CONDITION.match(f"if {case['condition'].strip()}") is not None


def _is_other_label(before: str) -> bool:
    """Whether the sentence is only a short label, and none for an answer: `Hint:`, `Bob:`, `Upper limit:`."""
    if not before.endswith((":", "：")) or before[0] > LAST_LETTER:
        return False
    words = [match[0].lower() for match in _TOKEN.finditer(before.strip(":： ")) if match[0][0].isalnum()]
    if not words or len(words) > MAX_LABEL_WORDS or words[0] == "step":
        return False
    if words[0] in ("case", "part", "option", "hint", "example", "question", "problem", "exercise"):
        return True
    return not (words[-1] in LINKS or words[-1] in HARMLESS or words[-1] in QUANTITIES or words[-1] in ANSWER_LABELS)


MAX_LABEL_WORDS = 3


def _is_allowed_behind(text: str, end: int, *, extremum: bool) -> bool:
    """Whether nothing behind the box restricts it or makes it another number. Where the sentence names an extremum,
    the place where it is attained may follow."""
    near = text[end : end + NEAR]
    if _QUOTED.match(near) or _UNFINISHED.match(near):
        return False
    if (bracket := _BRACKETED.match(near)) and not _is_harmless_remark(bracket[1]):
        return False
    closing = _CLOSING.match(near)
    rest = near[closing.end() :] if closing else near
    if closing and "\n" in closing[0] and not (rest[:1].islower() and re.search(r"\\\]|\$\$|\\end", closing[0])):
        return True
    if closing and _ENDS.search(closing[0]):
        return True
    behind = _SENTENCE_END.split(rest, maxsplit=1)[0]
    behind = _WRAPPERS.sub(" ", behind).strip()
    reason = _REASON.search(behind)
    said = behind[: reason.start()] if reason else behind
    if _RESTRICTS.search(said) or (_ANOTHER_CASE.search(said) and not extremum):
        return False
    verb = _VERB_BEHIND.search(said)
    if _COMPARES.search(said[: verb.start()] if verb else said):
        return False
    if (
        not behind
        or not behind[0].isalpha()
        or behind[0] > LAST_LETTER
        or (closing and any(sign in closing[0] for sign in ",;:"))
    ):
        return True
    if _BARE_TAIL.match(behind):
        return True
    return _is_noun_phrase([match[0] for match in _TOKEN.finditer(behind)])


def _is_noun_phrase(words: list[str]) -> bool:
    """Whether a unit, a noun or a name stands behind a number, perhaps with a describing word."""
    for place, word in enumerate(words[:4]):
        small = word.lower()
        if not word[0].isalpha() or small in CHANGING_WORDS:
            return False
        if small == "in" or small in NO_NOUNS:
            return False
        if len(word) == 1:
            return word in LETTER_UNITS
        if is_noun(small) or unit_name(word) or small in OTHER_UNITS or small.split("-")[0] in OTHER_UNITS:
            return True
        if word.istitle() or (
            small.endswith("s") and small.removesuffix("s") not in PART_NOUNS and not small.endswith("nths")
        ):
            return True
        if not is_describing(small) and not (place + 1 < len(words) and is_noun(words[place + 1].lower())):
            return False
    return False


def _is_harmless_remark(remark: str) -> bool:
    """Whether what stands in brackets behind a box gives a reason, a modulus or a unit."""
    words = [match[0] for match in _TOKEN.finditer(_WRAPPERS.sub(" ", remark))]
    return not words or _REMARK.match(remark) is not None or _is_noun_phrase(words)


_UNFINISHED = re.compile(
    r"[\s$*]{0,4}(?:\\[\])])?\s{0,2}(?::\s*\d|,?\s{0,3}(?:\.\.\.|…|\\[lc]?dots)|\[\d{1,3}\]|[†‡👎🚫]|[-'’](?!s\b\s+[a-z])[a-z]|\s(?:--|[—–-])\s+[A-Z][a-z]+\s*(?:\Z|\n))"
)
"""A ratio, a list that goes on, a footnote, or a name behind a dash."""
_BRACKETED = re.compile(r"[\s$\\\])*]{0,6}\(((?![)$])[^()\n]{0,80})\)")
_REMARK = compiled(
    form(r"[\s$\\]{0,4}@", REMARKS),
)
_CLOSING = re.compile(r"(?:[\s$*_`)\]},.;:]|\\[\])(]|\\(?:quad|qquad|[,;:! ]|right|end\{\w+\*?\})|</\w+>)+")
_ENDS = re.compile(r"\.(?:[\s$*)\\]|\Z)")
