# ruff: noqa: E501  (tables)
"""Does a text stand by an answer? Suppositions, denials, answers taken back, and boxes that are parts of a formula.

Every check looks at a bounded stretch of text beside the answer, or at the text behind the last answer once, so all are
linear in the length of the text.
"""

from __future__ import annotations

import re

NEAR = 160
"""Characters beside an answer in which the words that belong to it are looked for."""

_UNSAID_BEFORE = re.compile(
    r"(?:\b(?:if|whether|suppose|supposing|assume|assuming|unless|imagine|doubt|wrong|incorrect|false|naive|tempting|mistaken|"
    r"erroneous|invalid|flawed|trap|had)\b|(?:\bnot|n't)\s+(?:the\s+case|true|think|believe|clear|mean|say))[^.?!,;:\n]*\Z",
    re.IGNORECASE,
)
"""Before `the answer is 5`: then the text does not say that it is."""
_WRONG_BEFORE = re.compile(
    r"\b(?:wrong|incorrect|false|naive|tempting|mistaken|erroneous|invalid|flawed|unless|rejects?|rejected|discards?|discarded|"
    r"rules?\s+out|ruled\s+out|rather\s+than|instead\s+of|other\s+than|anything\s+but|except|neither|nor|doubt\s+that)\b"
    r"[^.?!,;:\n]*\Z",
    re.IGNORECASE,
)
"""Before a box: what follows is named as something that is not the answer."""
_SUPPOSED_BEFORE = re.compile(
    r"\b(?:if|whether|suppose|supposing|assume|assuming|imagine|had|were)\b(?:\s+that)?(?:[,\s]+[^.?!,;:\n]{0,40}?)?"
    r"\b(?:answer|result|solution|value|number|it|this|that|[a-z])\s*(?:is|was|were|be|been|equals?|equal\s+to|=|\$)[\s$:*=(]*\Z|"
    r"\b(?:answer|result|solution|value|it)\s+were\b[\s$:*=(]*\Z",
    re.IGNORECASE,
)
_DENIED = re.compile(
    r"(?:\bnot|n't|\bnever|\bcannot(?:\s+be)?|\bno\s+longer)\b(?:\s+(?:the|an?|equal|to|be|in|fact|actually|really|simply|just|exactly|"
    r"necessarily|correct|right|final|answer|value|solution|is))*[\s:$*(\[\\]*\Z",
    re.IGNORECASE,
)
_DOUBTED_BEFORE = re.compile(
    r"(?:\bnot|n't|\bun)\s*(?:think|believe|sure|certain|convinced|likely)\b[^.?!;\n]*\Z", re.IGNORECASE
)
_SENTENCE_BEHIND = re.compile(
    r"^[\s.,;:$*)\]\\(\[{}-]*(?:(?:which|but\s+(?:this|that|it)|but|this|that|it)\s+)?(?:(?:is|was|are|would\s+be|seems|looks)\s+(?:\w+\s+){0,2}?)?"
    r"(?:wrong|incorrect|mistaken|impossible|false|absurd|invalid|rejected|not\s+(?:the|right|correct|possible|valid|it|true|an?)|"
    r"n't\s+(?:the|right|correct)|(?:does|do|did|can|could|will|would)(?:\s+not|n't)|cannot|fails?\b|too\s+(?:small|large|big|low|high|much|many|few)|[✗❌✘])|"
    r"^[\s$)*,}\]]*(?:if|unless|provided|assuming|only\s+(?:if|when)|before\s+round)\b|"
    r"^[\s$]*(?:or|and)\s+\$?-?\d|"
    r"^[^.?!\n]*\b(?:then|so|but|which|that|this|it)\b[^.?!\n]*\b(?:contradict\w*|impossible|absurd|incorrect|wrong|not\s+possible|"
    r"does\s+not\s+(?:work|hold|satisfy)|doesn't\s+(?:work|hold|satisfy)|cannot\s+be|can't\s+be|fails)\b|"
    r"^[^.?!\n]{0,40}[,;(]\s*(?:an?\s+)?(?:contradiction|impossible|incorrect|wrong|false|absurd|rejected)\b",
    re.IGNORECASE,
)
"""Directly behind the answer, or in its sentence: it is called wrong."""
_TAKEN_BACK = re.compile(
    r"\b(?:wait(?!\s+(?:for|until|to)\b|\s+time)|oops|whoops|scratch\s+that|strike\s+that|actually,?\s+no|(?:on|upon)\s+second\s+thought|"
    r"(?:that|this|it|which)(?:'s|\s+is|\s+was)\s+(?:wrong|incorrect|not\s+(?:right|correct)|a\s+mistake)|i\s+was\s+wrong|"
    r"i\s+made\s+(?:a|an|some)\s+(?:\w+\s+)?(?:mistake|error)|let\s+me\s+(?:re|check\s+again|try\s+again|correct|fix)|"
    r"disregard|my\s+mistake|my\s+bad|i\s+apologi[sz]e|"
    r"(?:it|that|this|the\s+(?:correct\s+|right\s+|final\s+)?answer|which)\s+should(?:\s+actually)?\s+(?:be(?!\s+noted)|have\s+been))\b|"
    r"\b(?:correction|corrected|edit|update|erratum|errata|revised|amended|typo)\b\s*[:：(]|"
    r"\bcorrected\s+(?:answer|value|result)\b|\b(?:correct|right|true|actual|real)\s+(?:answer|value|result)\s+is\s+not\b|"
    r"(?:\A|[.!?\n:]|\*\*)[\s*_#>]{0,20}(?:actually|hmm+|hold\s+on|sorry|apologies|nope|however|but|yet|unfortunately|correction)\b|"
    r"(?:\A|[.!?\n])[\s*_#>]{0,20}no[,.:;!—-]",
    re.IGNORECASE,
)
"""Behind the last answer: it is withdrawn."""
_STRUCK_OUT = re.compile(r"(?:~~|<s>|<del>|<strike>|\\(?:cancel|xcancel|sout|st)\{)\$?\Z")
_REASONS = re.compile(r"\b(?:because|since|as|where|for)\b", re.IGNORECASE)


def is_supposed(text: str, start: int) -> bool:
    """Whether the statement that begins at `start` is a supposition, or of a wrong answer."""
    return _UNSAID_BEFORE.search(text[max(0, start - 80) : start]) is not None


def is_taken_back(text: str, start: int, end: int, *, boxed: bool) -> bool:
    """Whether what stands behind the last answer withdraws it, or what stands before a box denies it."""
    behind = text[end:]
    if boxed:
        before = text[max(0, start - NEAR) : start]
        if behind.lstrip("$ )*").startswith("?") or _STRUCK_OUT.search(before):
            return True
        if any(pattern.search(before) for pattern in (_DENIED, _WRONG_BEFORE, _SUPPOSED_BEFORE, _DOUBTED_BEFORE)):
            return True
    sentence = behind[:NEAR]
    reason = _REASONS.search(sentence)
    if _SENTENCE_BEHIND.search(sentence[: reason.start()] if reason else sentence):
        return True
    return _TAKEN_BACK.search(behind) is not None


# A box in a formula

_MATH_OPENS = re.compile(
    r"\$\$?|\\\[|\\\(|\\begin\{(?:align|aligned|equation|gather|gathered|split|multline)\*?\}|\n[ \t]*\n"
)
_BEFORE_IN_MATH = re.compile(
    r"(?:\A|=|\\(?:approx|Rightarrow|Longrightarrow|implies|iff|Leftrightarrow|to|rightarrow|longrightarrow|therefore|quad|qquad|equiv|"
    r"colon|displaystyle|textstyle|large|Large|LARGE|huge|Huge|bf|left|medspace|thinspace|sim|in|ni|because|so|land|lor)|\\\\(?:\[[^\]]*\])?|"
    r"\\[,;:! ]|[,;:&~]|\\(?:text|mbox|textbf|mathrm|textrm|color|boxed|fbox|mathbf|hspace)\s*\{[^{}]*\}|\}\$?|"
    r"\\(?:text|mbox|textbf|textrm|underline|mathbf|bm|boldsymbol|color\{\w+\})\s*\{[^{}]*|\{\\(?:color|bf|large|Large)[^{}]*(?:\{\w+\})?)\s*\Z"
)
"""What may stand in a formula before a box that is the answer: a relation, a comma, words, nothing."""
_BEFORE_IN_TEXT = re.compile(r"(?:[\w)\]}^/+\-−–±×÷·√]|[\w)\]}][*_<>]|\A[<>])\Z")
_TAG_BEFORE = re.compile(r"<\w+>\Z")
_BEHIND_IN_MATH = re.compile(
    r"\s*(?:\Z|[.,;:?&~)]|\$|\\[\])]|\\\\|\\(?:end|quad|qquad|text|mbox|mathrm|textrm|textbf|tag|blacksquare|square|Box|checkmark|approx|"
    r"right|hspace|boxed|fbox|implies|Rightarrow|therefore|land|lor|label|nonumber|notag|big|Big|hfill)(?![a-zA-Z])|\\[,;:! ]|\}|\n|\()"
)
_BEHIND_IN_TEXT = re.compile(
    r"(?:[\w^!/+×·√=]|[*_]{1,2}[\w(\\]|\.\d|<[\s\d=]|>|\\(?:cdot|times|sqrt|pi|frac|div|pm|left)|\s+[+*/×·^=<>]\s|\s*[-−]\s*\d)"
)
_ENDING_NUMBER = re.compile(r"\s*(?:\\,|\\ |~)*\s*(\\?%|°|\^\s*\{?\\circ\}?|\\degree)")
_SCALE_BEHIND = re.compile(
    r"[\s$]*(?:\\[,; ]|~)*\s*(?:\\(?:text|mathrm|mbox)\s*\{)?\s*(hundred|thousand|million|billion|trillion|dozen|percent)\b",
    re.IGNORECASE,
)


def is_part_of_formula(text: str, start: int, end: int) -> bool:
    """Whether arithmetic stands beside a box, so that its content is only a part of what the formula says."""
    opened = _formula_start(text, start)
    if opened is None:
        before = text[max(0, start - 20) : start]
        if _TAG_BEFORE.search(before):
            before = ""
        return bool(_BEFORE_IN_TEXT.search(before)) or bool(_BEHIND_IN_TEXT.match(text, end))
    before = text[max(opened, start - NEAR) : start]
    return _BEFORE_IN_MATH.search(before) is None or _BEHIND_IN_MATH.match(text, end) is None


def _formula_start(text: str, start: int) -> int | None:
    """Where the formula around a place begins; None outside of formulas."""
    paragraph = max(0, start - 4000, text.rfind("\n\n", max(0, start - 4000), start))
    opened: int | None = None
    mark = ""
    at = paragraph
    while match := _FORMULA_MARK.search(text, at, start):
        at = match.end()
        token = match[0]
        if token[0] == "\\" and len(token) == 2 and token not in _CLOSING and token not in _CLOSING.values():
            continue  # an escaped character
        if opened is None:
            if token in _CLOSING:
                opened, mark = at, _CLOSING[token]
            elif token.startswith("\\begin"):
                opened, mark = at, "\\end"
        elif token.startswith(mark):
            opened = None
    return opened


_CLOSING = {"$": "$", "$$": "$$", "\\[": "\\]", "\\(": "\\)"}
_FORMULA_MARK = re.compile(
    r"\$\$|\$|\\begin\{(?:align|aligned|equation|gather|gathered|split|multline)\*?\}|"
    r"\\end\{(?:align|aligned|equation|gather|gathered|split|multline)\*?\}|\\."
)


def with_suffix(text: str, end: int) -> tuple[str, int]:
    """What belongs to the number in a box that ends at `end` (a percent or degree sign, `thousand`) and its end."""
    if match := _ENDING_NUMBER.match(text, end):
        return match[1], match.end()
    if match := _SCALE_BEHIND.match(text, end):
        return f"\\text{{ {match[1]}}}", match.end()
    return "", end
