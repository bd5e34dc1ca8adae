# ruff: noqa: E501  (tables)
"""Does a text stand by an answer? Suppositions, denials, answers taken back, and boxes that are parts of a formula.

Every check looks at a bounded stretch of text beside the answer, or at the text behind the last answer once, so all are
linear in the length of the text.
"""

from __future__ import annotations

import re

from verifiers.math.reading.phrases import compiled, form
from verifiers.math.reading.phrases_before import (
    CALLED_WRONG,
    MULTIPLES,
    RULING_OUT,
)
from verifiers.math.reading.phrases_behind import (
    CALLING_WRONG,
    CONTRADICTIONS,
    CORRECTION_LABELS,
    DENYING_BEHIND,
    NEXT_PROBLEM_LABELS,
    TAKING_BACK,
    TURNING,
    VERDICTS_BEHIND_COMMA,
)
from verifiers.math.reading.vocabulary import GLUED_UNITS

NEAR = 160
"""Characters beside an answer in which the words that belong to it are looked for."""

FIRST_WITHOUT_SPACES = "\u3040"
"""The first of the letters of Japanese, Chinese and Korean."""
FORMULA_CHARS = 1000
"""Characters before and behind a box in which the marks of the formula around it are looked for."""

_UNSAID_BEFORE = compiled(
    form(
        r"(?:\b(?:if|whether|suppose|supposing|assume|assuming|unless|imagine|doubt|wrong|incorrect|false|naive|tempting|mistaken|erroneous|invalid|flawed|trap|had)\b|(?:\bnot|n\'t) (?:the case|true|think|believe|clear|mean|say))[^.?!,;:\n]*\Z"
    ),
)
"""Words before `the answer is 5` by which the text does not say that it is."""
_WRONG_BEFORE = compiled(
    form(r"\b@\b[^.?!,;:\n]*\Z", CALLED_WRONG, RULING_OUT),
)
"""Words before a box that name what follows as something that is not the answer."""
_SUPPOSED_BEFORE = compiled(
    form(
        r"\b(?:if|whether|suppose|supposing|assume|assuming|imagine)\b(?: that)?(?:[,\s]+(?:(?!\b(?:so|then|thus|therefore|hence)\b)[^.?!,;:\n]){0,40}?)?\b(?:answer|result|solution|value|number|it|this|that|[a-z])\s*(?:is|was|were|be|been|equals?|equal to|=|\$)[\s$:*=(]*\Z"
    ),
    form(r"\b(?:answer|result|solution|value|it) (?:were|had been|been)\b[\s$:*=(]*\Z"),
)
_DENIED = compiled(
    form(
        r"(?:\bnot|n\'t|\bnever|\bcannot(?: be)?|\bno longer)\b(?: (?:the|an?|equal|to|be|in|fact|actually|really|simply|just|exactly|necessarily|correct|right|final|answer|value|solution|is))*[\s:$*(\[\\]*\Z"
    ),
)
_DOUBTED_BEFORE = re.compile(
    r"(?:\bnot|n't|\bun)\s*(?:think|believe|sure|certain|convinced|likely)\b[^.?!;\n]*\Z", re.IGNORECASE
)
_SENTENCE_BEHIND = compiled(
    form(
        r"^[\s.,;:$*)\]\\(\[{}-]*(?:(?:which|but (?:this|that|it)|but|this|that|it) )?(?:(?:is|was|are|would be|seems|looks) (?:\w+ ){0,2}?)?@",
        CALLING_WRONG,
    ),
    form(r"^[\ \t$)*,}\]]*(?:if|unless|provided|assuming|only (?:if|when)|before round)\b"),
    form(r"^[\s$]*(?:or|and) \$?-?\d"),
    form(r"^[^.?!\n]*\b(?:then|so|but|which|that|this|it)\b[^.?!\n]*\b@\b", CONTRADICTIONS),
    form(r"^[^.?!\n]{0,40}[,;(]\s*(?:an? )?@\b", VERDICTS_BEHIND_COMMA),
)
"""Words directly behind the answer, or in its sentence, that call it wrong."""
_TAKEN_BACK = compiled(
    form(r"\b@\b", TAKING_BACK),
    form(r"(?:\A|[.!?\n)}$])[\s*_#>$]{0,6}@\b[\w\ \t]{0,10}[:：(]", CORRECTION_LABELS),
    form(r"\bcorrected (?:answer|value|result)\b"),
    form(r"\b(?:correct|right|true|actual|real) (?:answer|value|result) is not\b"),
    form(r"(?:\A|[.!?\n:]|\*\*)[\s*_#>]{0,6}@\b", TURNING),
    form(r"(?:\A|[.!?\n])[\s*_#>]{0,6}no[,.:;!—-]"),
    form(r"\n[\ \t*#_]*(?:(?:next|new|another|second)[\ \t]+)?@(?:[\ \t]+\d{1,3})?[\ \t*_]*[:：]", NEXT_PROBLEM_LABELS),
)
"""Words behind the last answer that withdraw it, or go on with another problem."""
_STRUCK_OUT = re.compile(r"(?:~~|<s>|<del>|<strike>|\\(?:cancel|xcancel|sout|st)\{)\$?\Z")
_REASONS = re.compile(r"\b(?:because|since|as|where|for)\b", re.IGNORECASE)


def is_supposed(text: str, start: int) -> bool:
    """Whether the statement that begins at `start` is a supposition, or of a wrong answer."""
    before = text[max(0, start - 80) : start]
    before = before[max(map(before.rfind, ".?!,;:")) + 1 :]  # the pattern does not reach across these
    return _UNSAID_BEFORE.search(before) is not None


def is_taken_back(text: str, start: int, end: int, *, boxed: bool) -> bool:
    """Whether what stands behind the last answer withdraws it, or what stands before a box denies it."""
    behind = text[end:]
    if boxed:
        before = text[max(0, start - NEAR) : start]
        if behind.lstrip("$ )*").startswith(("?", "？")) or _STRUCK_OUT.search(before):
            return True
        before = before[max(map(before.rfind, ".?!")) + 1 :]  # none of the patterns reaches across these
        if any(pattern.search(before) for pattern in (_DENIED, _WRONG_BEFORE, _SUPPOSED_BEFORE, _DOUBTED_BEFORE)):
            return True
    sentence = behind[:NEAR]
    reason = _REASONS.search(sentence)
    if _SENTENCE_BEHIND.search(sentence[: reason.start()] if reason else sentence):
        return True
    return _TAKEN_BACK.search(behind) is not None


# The sentence around a box

PLAIN_WORDS = compiled(
    form(
        r"[\s,:*_]*(?:(?:the|an?|thus|therefore|then|hence|so|simply|just|clearly|exactly|precisely|indeed|now|all|only|unique|equal to|equals|given by|total|total of|final|correct|desired|required|smallest|largest|minimum|maximum|minimal|maximal|greatest|least|possible|common|real|complex|rational|positive|prime|ordered|number|integer|fraction|values?|probability|area|volume|perimeter|length|width|height|distance|angle|slope|polynomial|expression|formula|equation|function|line|curve|points?|vertex|vector|matrix|set|interval|pairs?|tuple|triple|solutions?|ratio)\b[\s,:*_]*)*"
    ),
)
"""What may stand between `the answer is` and the formula that is the answer."""
_COSMETIC = re.compile(r"\\(?:text|mbox|textbf|mathrm|quad|qquad|displaystyle|[,;:! ])|[{}$~*_`]")
_CONTRAST = re.compile(r",?\s*(?:and\s+)?not\s+-?[\d\\][^,;]*\Z")
"""A denied number behind the stated one: `5, not 6`."""
_OF_THE_NOUN = compiled(
    form(r"\b(?:that|who|whose|such|where|when|since|because|as|with|for|of|in|per|which (?:are|do|have|can))\b"),
)
"""Where a sentence stops to speak of the number in the box: what follows describes a noun, or gives a reason."""
_DENIED_BEHIND = compiled(
    form(r"\b@\b", DENYING_BEHIND),
    form(r"n't\b"),
    form(r"→"),
    form(r"->"),
    form(r"=>"),
    form(r"<-"),
    form(r"[✗❌✘]"),
    form(r"\A\s*(?:and|,)\s*-?\d"),
)
_DENIED_BEFORE = compiled(
    form(r"\b(?:wrong|incorrect|false|mistaken|invalid|rejected|extraneous|impossible)\b(?: \w+){0,3}\s*[:：]?\s*\Z"),
    form(r"\b(?:impossible|unlikely|untrue|false|wrong|mistake|error) (?:that|to|for|if)\b.*\Z"),
    form(r"\bso far\s*[:：]?\s*\Z"),
    form(r"[✗❌✘]\s*\Z"),
    form(r"\b@ (?:of )?(?:the number )?\Z", MULTIPLES),
    form(r"\b(?:more|less|greater|fewer|larger|smaller|higher|lower|bigger|other) than\s*\Z"),
    form(r"\b(?:below|above|over|under|beyond|between|except|besides|not|never|minus|plus|than)\s*\Z"),
)
_ANSWER_IS = re.compile(r".*\banswers?\s*(?:is|are|was|[:：=])([^\d$\\]*)", re.IGNORECASE)
_CONDITIONAL = re.compile(r"\bwould\b", re.IGNORECASE)
_CONDITION = re.compile(r"\b(?:if|were|had|without|otherwise|unless)\b", re.IGNORECASE)


def is_denied(text: str, start: int, end: int) -> bool:
    """Whether the sentence around a box says that its content is not the answer, or another value than the answer."""
    before = re.split(r"[.?!;\n](?:\s|\Z)|\n", text[max(0, start - NEAR) : start])[-1]
    if _CONDITIONAL.search(before) and _CONDITION.search(before):
        return True
    if (stated := _ANSWER_IS.match(before)) and PLAIN_WORDS.fullmatch(_COSMETIC.sub(" ", stated[1])) is None:
        return True
    if _DENIED_BEFORE.search(_COSMETIC.sub(" ", before.rsplit(",", 1)[-1])):
        return True
    behind = re.split(r"[.?!](?:[\s$*)\\]|\Z)|\n", text[end : end + NEAR], maxsplit=1)[0]
    behind = _CONTRAST.sub("", _COSMETIC.sub(" ", behind))
    noun = _OF_THE_NOUN.search(behind)
    return _DENIED_BEHIND.search(behind[: noun.start()] if noun else behind) is not None


# A box in a formula

_BEFORE_IN_MATH = re.compile(
    r"(?:\A|=|\\(?:approx|Rightarrow|Longrightarrow|implies|iff|Leftrightarrow|to|rightarrow|longrightarrow|therefore|quad|qquad|equiv|"
    r"colon|displaystyle|textstyle|large|Large|LARGE|huge|Huge|bf|left|medspace|thinspace|sim|in|ni|because|so|land|lor)|\\\\(?:\[[^\]]*\])?|"
    r"[,;:&]|\\(?:text|mbox|textbf|mathrm|textrm|color|boxed|fbox|mathbf|hspace)\s*\{[^{}]*\}|\\begin\{\w+\*?\}(?:\{[^{}]*\})?|\\end\{\w+\*?\}|=\s*\}\$?|"
    r"\\(?:text|mbox|textbf|textrm|underline|mathbf|bm|boldsymbol|color\{\w+\})\s*\{[^{}]*|\{\\(?:color|bf|large|Large)[^{}]*(?:\{\w+\})?)\s*\Z"
)
"""What may stand in a formula before a box that is the answer: a relation, a comma, words, nothing."""
_BEFORE_IN_TEXT = re.compile(r"(?:\d[.,]|[\w)\]}^/+\-−–±×÷·√]|[\w)\]}][*_<>]|\A[<>])\Z")
_SIGN_BEFORE = re.compile(r"(?:\A|[\s$])!\$?\Z|(?:\A|\n)\s{0,4}!\s{0,4}\$?\Z|(?:\A|\n)[ \t]*~\$?\Z")
"""A sign directly before a box that changes it: `!5` and `~5`."""
_OPERATOR_ENDS_FORMULA = re.compile(r"(?:\\(?:cdot|times|div|pm|mp|sqrt|log|ln)|[-+*/^_])\s{0,4}\$(?=[ \t]{0,4}\$?\Z)")
"""A formula in front of the box that ends with an operator: `$2 \\cdot$ \\boxed{5}`."""
_SIGN_BEHIND = re.compile(r"[ \t]{0,4}\$(?!\$)[ \t]{0,4}(?:\\(?:cdot|times|div|pm|mp)(?![A-Za-z])|[-+*/^_])")
_ANOTHER_IN_FORMULA = re.compile(
    r"(?:\s|[.,;&]|\\(?:q?quad(?![A-Za-z])|[\\,;: ]))*(?:[.,;&]|\\(?:q?quad(?![A-Za-z])|\\))(?:\s|&|\\(?:q?quad(?![A-Za-z])|[,;: ]))*"
    r"(?:\\?[A-Za-z]{1,6}(?:_\{?\w\}?)?\s*&?(?:[=<>]|\\(?:le|ge|leq|geq|ne|neq|lt|gt)(?![A-Za-z]))&?\s*|&?=&?\s*)?-?\d[\d.,/]*\s*(?:\$|\\[\])]|\\end\{|\n|\Z)"
)
"""Another number in the formula of the box: `\\boxed{5},\\quad n = 2`."""
_PERCENT_OF = re.compile(r"\$?\s{0,4}of\s+\$?\d")
_RELATION_BEFORE = re.compile(r"(?:[≠≤≥]|\w\s*[<>])\Z(?<!<\w>)(?<!\w>)")
_NOT_EQUAL_BEFORE = re.compile(
    r"(?:\\not\s*(?:=|\\[a-z]+)|[<>]=|\s!=|\\(?:ne|neq|not)|\\(?:le|ge|leq|geq|lt|gt|leqslant|geqslant|lesssim|gtrsim|ll|gg|prec|succ|propto))[\s$]*\Z"
)
_ABOUT_BEFORE = re.compile(r"(?:\\(?:approx|sim|simeq)|≈|~=)\Z")
"""A rounded value: it is an answer only where the box holds a decimal fraction."""
_SPACES_BEFORE = re.compile(r"(?:\s|~|\\[,;:! ]|\{\})+\Z")
_SPACES_BEHIND = re.compile(r"(?:\s|~|\\[,;:! ]|\{\})*")
_BRACES_BEHIND = re.compile(r"(?:[ \t]*\})*")
_CHANGED_BEHIND = compiled(
    form(
        r"[\s$]*(?:squared|cubed|factorial|plus|minus|halves|thirds|quarters|fourths|fifths|sixths|eighths|tenths|hundredths|(?:times|over|divided by|multiplied by) [$\d\\])(?![a-z])"
    ),
)
_COMMENT_BEFORE = re.compile(r"(?:\A|\n)[ \t]*%[^\n]*\Z")
_TAG_BEFORE = re.compile(r"<\w+>\Z")
_BEHIND_IN_MATH = re.compile(
    r"\s*(?:\Z|[.,;?&)]|:(?!\s*[\dA-Za-z\\])|\$|\\[\])]|\\\\|\\(?:end|quad|qquad|text|mbox|mathrm|textrm|textbf|tag|blacksquare|square|Box|checkmark|approx|"
    r"right|hspace|boxed|fbox|therefore|land|lor|label|nonumber|notag|big|Big|hfill)(?![a-zA-Z])|\n|\()"
)
_BEHIND_IN_TEXT = re.compile(
    r"(?:[\w^!/+×·√={]|[ \t]+\d|[*_]{1,2}[\w(\\]|\.\d|<[\s\d=]|>|\\(?:cdot|times|sqrt|pi|frac|div|pm|left)|\s+[+*/×·^=<>]\s|\s*[-−]\s*\d)"
)
_ENDING_NUMBER = re.compile(r"(?:\\,|\\ |[~\s$])*+(\\?%|°|\^\s*\{?\\circ\}?|\\degree)")
_SCALE_BEHIND = re.compile(
    r"(?:\\[,; ]|[\s$~])*+(?:\\(?:text|mathrm|mbox)\s*+\{\s*+)?(hundred|thousand|million|billion|trillion|dozen|percent)\b",
    re.IGNORECASE,
)


def is_part_of_formula(text: str, start: int, end: int) -> bool:
    """Whether arithmetic stands beside a box, so that its content is only a part of what the formula says."""
    opened = _formula_start(text, start)
    near = text[max(0, start - 20) : start]
    if _PERCENT_OF.match(text, end) or _CHANGED_BEHIND.match(text, end) or _NOT_EQUAL_BEFORE.search(near):
        return True
    closed = end + 1 if opened is not None and text[end : end + 1] == "$" and text[end : end + 2] != "$$" else end
    in_next = _SIGN_BEHIND.match(text, closed) if opened is None or closed > end else None
    if _SIGN_BEFORE.search(near) or in_next or _ends_with_operator(text, start):
        return True
    if _ABOUT_BEFORE.search(near.rstrip(" $")) and _DECIMAL.search(text[start:end]) is None:
        return True
    if _COMMENT_BEFORE.search(text[max(0, start - NEAR) : start]):
        return True
    after = _end(_BRACES_BEHIND, text, end)
    if opened is None:
        if _TAG_BEFORE.search(near.rstrip()):
            near = ""
        if _RELATION_BEFORE.search(near.rstrip()):
            return True
        # Scripts without spaces between words put a verb or a counter directly beside a number.
        glued_before = near[-1:] < FIRST_WITHOUT_SPACES and _BEFORE_IN_TEXT.search(near)
        glued_behind = text[after : after + 1] < FIRST_WITHOUT_SPACES and _BEHIND_IN_TEXT.match(text, after)
        return bool(glued_before or glued_behind)
    if _ANOTHER_IN_FORMULA.match(text[end : end + NEAR]):
        return True
    before = _SPACES_BEFORE.sub("", text[max(opened, start - NEAR) : start])
    if _ITEMS_BEFORE.fullmatch(before):
        return True
    after = _end(_SPACES_BEHIND, text, after)
    if unit := _LETTERS_BEHIND.match(text, after):
        after = unit.end() if unit[0].lower() in GLUED_UNITS else after
    return _BEFORE_IN_MATH.search(before) is None or _BEHIND_IN_MATH.match(text, after) is None


def _ends_with_operator(text: str, start: int) -> bool:
    """Whether the formula directly in front of a box, closed before it, ends with an operator."""
    line = text[max(0, start - NEAR, text.rfind("\n", max(0, start - NEAR), start) + 1) : start]
    match = _OPERATOR_ENDS_FORMULA.search(line)
    return match is not None and line.count("$", 0, match.end() - 1) % 2 == 1


_DECIMAL = re.compile(r"\d*\.\d")
_ITEMS_BEFORE = re.compile(r"[\s(\[{\\]{0,8}(?:-?\d[\d.]{0,20}\s{0,4},\s{0,4}){1,8}")
"""Other values of a list in front of a box."""
_LETTERS_BEHIND = re.compile(r"[A-Za-z]{2,}")


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _formula_start(text: str, start: int) -> int | None:
    """Where the formula around a place begins; None outside of formulas. A single dollar sign opens a formula only
    where another one closes it in the same line: elsewhere it is money."""
    opened: int | None = None
    mark = ""
    for match in _FORMULA_MARK.finditer(
        text, max(0, start - 4000, text.rfind("\n\n", max(0, start - FORMULA_CHARS), start)), start
    ):
        token = match[0]
        if opened is None:
            if token in _CLOSING:
                opened, mark = match.end(), _CLOSING[token]
            elif token.startswith("\\begin"):
                opened, mark = match.end(), "\\end"
        elif token.startswith(mark):
            opened = None
    if opened is not None:
        return opened
    line = max(0, start - FORMULA_CHARS, text.rfind("\n", max(0, start - FORMULA_CHARS), start) + 1)
    dollars = [match.end() for match in _DOLLAR.finditer(text, line, start)]
    end = text.find("\n", start, start + FORMULA_CHARS)
    closed = _DOLLAR.search(text, start, end if end >= 0 else start + FORMULA_CHARS)
    return dollars[-1] if len(dollars) % 2 and closed else None


_CLOSING = {"$$": "$$", "\\[": "\\]", "\\(": "\\)"}
_FORMULA_MARK = re.compile(
    r"\$\$|\\begin\{(?:align|aligned|equation|gather|gathered|split|multline)\*?\}|"
    r"\\end\{(?:align|aligned|equation|gather|gathered|split|multline)\*?\}|\\[\[\]()]|\\."
)
_DOLLAR = re.compile(r"(?<!\\)\$")


_LEFT_SIDE = compiled(
    form(
        r"(?:\A|[.;:]\s)[\s*_>]*(?:(?:so|thus|hence|therefore|then|finally|now|we (?:get|have)|that is)\s*,?\s*){0,2}(?:\$\$?|\\[\[(])\s*([^=<>$\n]{1,80}?)\s*=\s*(?:\$\$?|\\[\])])?\s*(?:\$\$?|\\[\[(])?\s*\Z"
    ),
)


def left_side(text: str, start: int) -> str:
    """The left side of the equation whose right side is the box at `start`, where the sentence is only that equation."""
    line_start = text.rfind("\n", max(0, start - NEAR), start) + 1
    match = (
        _LEFT_SIDE.search(text[max(line_start, start - NEAR) : start])
        if text.find("=", line_start, start) >= 0
        else None
    )
    if match is None:
        return ""
    above = text[max(0, line_start - 20) : line_start].rstrip(" \t\n$[\\")
    return match[1] if above == "" or above[-1] in ".!?:;" else ""


def with_suffix(text: str, end: int) -> tuple[str, int]:
    """What belongs to the number in a box that ends at `end` (a percent or degree sign, `thousand`) and its end."""
    if match := _ENDING_NUMBER.match(text, end):
        return match[1], match.end()
    if match := _SCALE_BEHIND.match(text, end):
        return f"\\text{{ {match[1]}}}", match.end()
    return "", end
