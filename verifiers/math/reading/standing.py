# ruff: noqa: E501  (tables)
"""Does a text stand by an answer? Suppositions, denials, answers taken back, and boxes that are parts of a formula.

Every check looks at a bounded stretch of text beside the answer, or at the text behind the last answer once, so all are
linear in the length of the text.
"""

from __future__ import annotations

import re

from verifiers.math.reading.vocabulary import GLUED_UNITS

NEAR = 160
"""Characters beside an answer in which the words that belong to it are looked for."""

FIRST_WITHOUT_SPACES = "\u3040"
"""From here on come the letters of Japanese, Chinese and Korean."""
FORMULA_CHARS = 1000
"""Characters before and behind a box in which the marks of the formula around it are looked for."""

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
    r"\b(?:if|whether|suppose|supposing|assume|assuming|imagine)\b(?:\s+that)?"
    r"(?:[,\s]+(?:(?!\b(?:so|then|thus|therefore|hence)\b)[^.?!,;:\n]){0,40}?)?"
    r"\b(?:answer|result|solution|value|number|it|this|that|[a-z])\s*(?:is|was|were|be|been|equals?|equal\s+to|=|\$)[\s$:*=(]*\Z|"
    r"\b(?:answer|result|solution|value|it)\s+(?:were|had\s+been|been)\b[\s$:*=(]*\Z",
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
    r"^[ \t$)*,}\]]*(?:if|unless|provided|assuming|only\s+(?:if|when)|before\s+round)\b|"
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
    r"i\s+made\s+(?:a|an|some)\s+(?:\w+\s+)?(?:mistake|error)|(?:let\s+me|let['’]s|let\s+us|(?:i|we)\s+(?:need|have|want|should|must|will|am\s+going|are\s+going)(?:\s+to)?)\s+(?:re-?(?:do|compute|calculate|check|consider|think|examine|evaluate|visit|try|count|work|solve|verify|read|start|write)|check\s+again|try\s+again|correct|fix)|"
    r"disregard|(?:take|taking)\s+(?:that|this|it)\s+back|(?:misread|misunderstood|miscalculated|miscounted|recomputing|recalculating|redoing)|"
    r"i\s+meant?|off\s+by\s+one|my\s+mistake|my\s+bad|i\s+apologi[sz]e|"
    r"(?:it|that|this|the\s+(?:correct\s+|right\s+|final\s+)?answer|which)\s+should(?:\s+actually)?\s+(?:be(?!\s+noted)|have\s+been))\b|"
    r"(?:\A|[.!?\n)}$])[\s*_#>$]{0,6}(?:correction|corrected|edit|update|erratum|errata|revised|amended|typo)\b[\w \t]{0,10}[:：(]|"
    r"\bcorrected\s+(?:answer|value|result)\b|\b(?:correct|right|true|actual|real)\s+(?:answer|value|result)\s+is\s+not\b|"
    r"(?:\A|[.!?\n:]|\*\*)[\s*_#>]{0,6}(?:actually|hmm+|hold\s+on|sorry|apologies|nope|however|but|yet|unfortunately|correction)\b|"
    r"(?:\A|[.!?\n])[\s*_#>]{0,6}no[,.:;!—-]|"
    r"\n[ \t*#_]*(?:(?:next|new|another|second)[ \t]+)?(?:user|human|prompt|input|question|problem|exercise|query|instruction|task|q)(?:[ \t]+\d{1,3})?[ \t*_]*[:：]",
    re.IGNORECASE,
)
"""Behind the last answer: it is withdrawn, or the text goes on with another problem."""
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

PLAIN_WORDS = re.compile(
    r"[\s,:*_]*(?:(?:the|an?|thus|therefore|then|hence|so|simply|just|clearly|exactly|precisely|indeed|now|all|only|unique|"
    r"equal\s+to|equals|given\s+by|total|total\s+of|final|correct|desired|required|smallest|largest|minimum|maximum|minimal|"
    r"maximal|greatest|least|possible|common|real|complex|rational|positive|prime|ordered|number|integer|fraction|values?|"
    r"probability|area|volume|perimeter|length|width|height|distance|angle|slope|polynomial|expression|formula|equation|"
    r"function|line|curve|points?|vertex|vector|matrix|set|interval|pairs?|tuple|triple|solutions?|ratio)\b[\s,:*_]*)*",
    re.IGNORECASE,
)
"""What may stand between `the answer is` and the formula that is the answer."""
_COSMETIC = re.compile(r"\\(?:text|mbox|textbf|mathrm|quad|qquad|displaystyle|[,;:! ])|[{}$~*_`]")
_CONTRAST = re.compile(r",?\s*(?:and\s+)?not\s+-?[\d\\][^,;]*\Z")
"""5, not 6"""
_OF_THE_NOUN = re.compile(
    r"\b(?:that|who|whose|such|where|when|since|because|as|with|for|of|in|per|which\s+(?:are|do|have|can))\b",
    re.IGNORECASE,
)
"""Where a sentence stops to speak of the number in the box: what follows describes a noun, or gives a reason."""
_DENIED_BEHIND = re.compile(
    r"\b(?:not|never|no|cannot|wrong|incorrect|mistak\w*|false|impossible|absurd|invalid|extraneous|spurious|inadmissible|reject\w*|discard\w*|"
    r"exclud\w*|ruled\s+out|contradict\w*|violat\w*|fail\w*|off\s+by|bound|too|would|were|if|unless|or|rather|instead|mean|meant|actually|"
    r"maybe|perhaps|but|however|except|error|typo)\b|n['’]t\b|→|->|=>|<-|[✗❌✘]|\A\s*(?:and|,)\s*-?\d",
    re.IGNORECASE,
)
_DENIED_BEFORE = re.compile(
    r"\b(?:wrong|incorrect|false|mistaken|invalid|rejected|extraneous|impossible)\b(?:\s+\w+){0,3}\s*[:：]?\s*\Z|"
    r"\b(?:impossible|unlikely|untrue|false|wrong|mistake|error)\s+(?:that|to|for|if)\b.*\Z|\bso\s+far\s*[:：]?\s*\Z|[✗❌✘]\s*\Z|"
    r"\b(?:twice|half|double|triple|thrice|third|quarter|square|cube|root|multiple|reciprocal|negative|opposite|power|logarithm|factorial)\s+"
    r"(?:of\s+)?(?:the\s+number\s+)?\Z|\b(?:more|less|greater|fewer|larger|smaller|higher|lower|bigger|other)\s+than\s*\Z|"
    r"\b(?:below|above|over|under|beyond|between|except|besides|not|never|minus|plus|than)\s*\Z",
    re.IGNORECASE,
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
"""`!5` and `~5`."""
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
_CHANGED_BEHIND = re.compile(
    r"[\s$]*(?:squared|cubed|factorial|plus|minus|halves|thirds|quarters|fourths|fifths|sixths|eighths|tenths|hundredths|"
    r"(?:times|over|divided\s+by|multiplied\s+by)\s+[$\d\\])(?![a-z])",
    re.IGNORECASE,
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


_LEFT_SIDE = re.compile(
    r"(?:\A|[.;:]\s)[\s*_>]*(?:(?:so|thus|hence|therefore|then|finally|now|we\s+(?:get|have)|that\s+is)\s*,?\s*){0,2}"
    r"(?:\$\$?|\\[\[(])\s*([^=<>$\n]{1,80}?)\s*=\s*(?:\$\$?|\\[\])])?\s*(?:\$\$?|\\[\[(])?\s*\Z",
    re.IGNORECASE,
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
