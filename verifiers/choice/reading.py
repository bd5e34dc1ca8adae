"""From an answer's text to the one option that it settles on.

An answer says its option in statements: a box, a labelled letter (`Answer: C`, `<answer>C</answer>`, JSON), a sentence
(`the answer is C`, `C is the correct option`, `I choose C`), or a last line that is the answer alone. All statements
that stand must agree; one that a correction takes back does not stand, nor does a question, a supposition or a denial.
Statements that disagree make the text malformed: which of them was meant is not guessed.

A sentence that judges an option (`option C is correct`, `I would pick C`) is weaker: models write it of several options
on their way, so it counts only where nothing stronger is said, or behind the last thing that is.

Promises: linear in the text. Every repeat of every pattern is bounded, spans do not overlap, and a flood of statements
is refused. Does not: read a letter out of prose.
"""

from __future__ import annotations

import bisect
import dataclasses
import functools
import re
import string
import unicodedata

MAX_FINAL_CHARS = 20_000
"""Only the end of a text is searched: a model that argues for longer after its answer did not end on it."""
MAX_SPAN_CHARS = 2_000
"""Longest statement read, in characters."""
MAX_STATEMENTS = 64
"""A text with more statements than this is a flood, not an answer."""


class NoAnswerError(ValueError):
    """The text settles on no single option; the message is the verdict's reason."""


@dataclasses.dataclass(frozen=True, slots=True)
class Statement:
    """One place where a text says an option, or seems to."""

    start: int
    begin: int
    """Where the span begins."""
    end: int
    span: str
    how: str
    """boxed | labelled | stated | judged | last line"""
    is_whole: bool = True
    """Something follows that shows that the statement was complete, should the text have been cut off."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reading:
    """What a span says: one letter, or none; and the letters that it names without settling on one."""

    letter: str = ""
    named: frozenset[str] = frozenset()


# Letters that look like Latin ones on the page: Cyrillic and Greek. Only where they stand alone: words stay words.
_LOOK_ALIKES = dict(zip("АВСЕНІЈКМОРТХавсеіјорхуΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABCEHIJKMOPTXabceijopxyABEZHIKMNOPTYX", strict=True))
_LONE_LOOK_ALIKE = re.compile(rf"(?<![^\W\d_])[{''.join(_LOOK_ALIKES)}](?![^\W\d_])")


def choose(text: str, options: list[str], cut_off: str = "") -> tuple[str, str]:
    """The letter the text settles on, and how it was found. Raises NoAnswerError.

    `cut_off` is the reason of a text that was cut off before its answer was complete; empty if it was not cut off.
    """
    text = normalised(text[-MAX_FINAL_CHARS:])
    if not text.strip():
        raise NoAnswerError(cut_off or "empty")
    known = Options.of(tuple(options))
    found = statements(text)
    last = _last_line(text, known) if not cut_off else None
    strong = [one for one in found if one.how != "judged"]
    strong_end = strong[-1].end if strong else -1
    weak = [one for one in found if one.how == "judged" and one.start >= strong_end]
    if last is not None and (not found or last.start >= found[-1].end):
        if not found and _is_a_list(text, last, known):
            raise NoAnswerError("a list of options")
        strong = [*(one for one in strong if one.how != "boxed" or known.read(one.span) != Reading()), last]
    standing = [*strong, *weak]
    if not standing and not found and not cut_off and (first := _first_line(text, known)):
        standing = [first]
    if not standing:
        raise NoAnswerError(cut_off or "no final answer")
    final, letter = _agreed(text, standing, known)
    behind = final.begin if final.how == "boxed" else final.end
    if cut_off and not final.is_whole and not _is_explained(final.span, letter, known):
        raise NoAnswerError(cut_off)
    if any(
        match[match.lastindex or 0] in known.letters.replace(letter, "") for match in _RESTATED.finditer(text, behind)
    ):
        raise NoAnswerError("several statements with different options")
    if _TAKEN_BACK.search(text, final.begin) or _DISOWNED.match(text[final.end : final.end + 200]):
        raise NoAnswerError("the answer is taken back")
    return letter, final.how


def normalised(text: str) -> str:
    """Compatibility forms resolved, invisible characters dropped, lone look-alikes as the letters they look like."""
    text = unicodedata.normalize("NFKC", text)
    if not text.isascii():
        text = "".join(char for char in text if unicodedata.category(char) != "Cf")
        text = _LONE_LOOK_ALIKE.sub(lambda match: _LOOK_ALIKES[match[0]], text)
    return text


def _agreed(text: str, standing: list[Statement], known: Options) -> tuple[Statement, str]:
    """The statement that the text settles on, and its letter."""
    final: Statement | None = None
    letter, narrowed = "", frozenset[str]()
    before: Statement | None = None
    for one in standing:
        # A correction withdraws what was stated before it.
        if before is not None and _RETRACTION.search(text, before.begin, one.begin):
            final, letter, narrowed = None, "", frozenset()
        before = one
        reading = known.read(one.span)
        if reading.letter:
            if letter and letter != reading.letter:
                raise NoAnswerError("several statements with different options")
            final, letter = one, reading.letter
        elif reading.named:
            # `B or C` may come before the answer that it leaves open, never behind it.
            if letter:
                raise NoAnswerError("the final statement names no single option")
            narrowed = reading.named & narrowed if narrowed else reading.named
            if not narrowed:
                raise NoAnswerError("several statements with different options")
        elif letter and not _REMARK.match(one.span):
            raise NoAnswerError("the final statement names no single option")
    if final is None:
        raise NoAnswerError("the final statement names no single option")
    if narrowed and letter not in narrowed:
        raise NoAnswerError("several statements with different options")
    return final, letter


# Statements

_GAP = r"[\s*_]{0,20}"
_S = r"\s{1,8}"
_IS = rf"(?:is|are|was|(?:would|should|must|will|has{_S}to){_S}be|(?:seems|appears){_S}to{_S}be)\b(?:{_S}that\b)?"
_LABEL = re.compile(
    rf"\b(?:(?:final|correct|best|right|proper|chosen|selected){_S}){{0,3}}"
    rf"(?:(?:final|correct|best|selected|chosen)_)?"
    rf"(?:answers?|ans|choice|option|pick)(?:[ _]?(?:choice|option|letter|key))?\b\.?[\"'”’]?"
    rf"(?:{_S}(?:here|(?:to|for){_S}(?:this|the){_S}(?:question|problem)))?"
    rf"{_GAP}(?:(?P<colon>[:=])|{_IS})",
    re.IGNORECASE,
)
_FOREIGN_LABEL = re.compile(
    r"(?:\b(?:antwort|lösung|réponse|respuesta|resposta|risposta|ответ|jawaban|đáp án|cevap|odpowiedź|svar|vastaus|"
    r"απάντηση)|الإجابة|الجواب|उत्तर|উত্তর|答案|答え|答|正解|정답|답)"
    r"(?: ?(?:correcta|correcte|corretta|correta|الصحيحة|सही))?"
    r"[\s*_]{0,20}(?::|=|[—–-]\s|\b(?:ist|lautet|est|es|é|è|är|er|jest|adalah|là|هي)\b|应该是|应为|应是|是|为|選|选|は|은|는)"
    r"|正确的?(?:选项|答案)[\s*_]{0,8}(?:是|为|:)|正确选项[\s*_]{0,8}(?:是|为|:)"
    r"|(?<![不没未别勿])(?:故|应|因此|所以|综上|本题|则|可|我|[,。;]\s{0,4}|^)选(?:择)?(?:选项|答案)?[\s*_]{0,8}:?",
    re.IGNORECASE | re.MULTILINE,
)
_HEADING = re.compile(
    rf"^[ \t#*_>-]{{0,12}}(?:the{_S})?(?:(?:final|correct){_S})?(?:answer|choice|option)[ \t*_]{{0,8}}\n{{1,4}}"
    r"|^####(?!#)[ \t]{0,8}(?=[(\[*$\\]{0,4}[A-Za-z][)\].*$]{0,4}[ \t]{0,8}$)",
    re.IGNORECASE | re.MULTILINE,
)
_CONDITION = re.compile(
    r"\b(?:if|unless|else|otherwise|provided|assuming|depending|except|not|nobody|never|to\s{1,4}question)\b",
    re.IGNORECASE,
)
"""Behind `C is the correct answer`: then it is not, or not always."""
_ONLY_IF = re.compile(r"\b(?:if|unless|else|otherwise|provided|depending|nobody|to\s{1,4}question)\b", re.IGNORECASE)
_TAG = re.compile(r"[<\[](?:final[_ ]?|correct[_ ]?)?(?:answer|choice|option)[>\]]", re.IGNORECASE)
_TAG_END = re.compile(r"[<\[]/")
_LONE = r"(?=[(\[*_\"'`$]{0,6}[A-Za-z](?![\w'’^(+#=-]))"
"""A letter by itself comes next."""
_TERSE = re.compile(
    rf"\b(?:answer|ans|option|choice)\.?[ \t]{{0,8}}(?:[-–—→=]>?|\.)[ \t]{{1,8}}{_LONE}"
    rf"|\banswer[ \t]{{0,8}}(?:→|->|=>)[ \t]{{0,8}}{_LONE}"
    rf"|\b(?:solution|final|conclusion|result|verdict|selection|response)[ \t*_]{{0,8}}[:=][ \t*_]{{0,8}}{_LONE}",
    re.IGNORECASE,
)
_CHOICE = re.compile(
    rf"\b(?:i|we|let's|let{_S}us)(?:{_S}(?:therefore|thus|hence|so))?"
    rf"(?P<modal>['’](?:d|ll)|{_S}(?:would|will|shall|can))?(?:{_S}(?:therefore|thus|hence))?{_S}"
    rf"(?:choose|chose|pick|picked|select|selected|go{_S}with|opt{_S}for|settle{_S}on|answer|(?:say|guess)(?={_S}[(\[*]{{0,3}}[A-Z]\b))"
    rf"{_S}(?:(?:option|answer|choice){_S})?"
    rf"|\bi(?:['’]m|{_S}am){_S}(?:going{_S}(?:with|to{_S}(?:choose|pick|select))|choosing|picking|selecting){_S}"
    rf"|(?:^|[.!?\n]{_S})(?P<imperative>(?:so{_S}|thus,?{_S}|therefore,?{_S})?(?:choose|select|pick){_S}(?:option{_S})?){_LONE}",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    rf"\b(?:no|wait|actually|rather|correction)\b[,.:;! -]{{0,10}}"
    rf"(?:it{_S}is|it['’]s|it{_S}should{_S}be|that{_S}is|that['’]s){_S}",
    re.IGNORECASE,
)
_JUDGED = re.compile(
    rf"(?<![\w.\\])(?:(?:option|choice|answer|letter){_S}[(\[*$]{{0,4}}(?P<named>[a-z])|[(\[*$]{{0,4}}(?P<bare>(?-i:[A-Z])))"
    rf"[)\]*$.]{{0,4}}{_S}(?:is|seems(?:{_S}to{_S}be)?|appears{_S}to{_S}be|must{_S}be)"
    rf"(?:{_S}(?:clearly|definitely|therefore|thus|indeed|obviously))?{_S}(?P<the>the{_S})?(?:most{_S})?"
    rf"(?:(?P<good>correct|right|best|true|accurate|appropriate|valid)\b)?(?:{_S})?(?P<noun>(?:answer|option|choice|one)\b)?",
    re.IGNORECASE,
)
_BOX = re.compile(r"\\(?:boxed|fbox|framebox)[ \t]{0,8}(?:\{|(?=[A-Za-z(]))")

_UNSAID = re.compile(
    r"(?:\b(?:if|whether|suppose|supposing|assume|assuming|unless|imagine|doubt|wrong|incorrect|false|naive|tempting)\b|"
    r"(?:\bnot|n['’]t)[ \t]{1,8}(?:the[ \t]{1,8}case|true|think|believe|clear|mean|say))[^.?!,;:\n]{0,80}$|"
    # What others say: `one might think the answer is C`, but not `I think the answer is C`.
    r"\b(?:people|some|many|most|one|someone|anyone|students?|you|they|would|might|may|could)\b[^.?!;:\n]{0,40}"
    r"\b(?:say|says|think|thinks|believe|guess|assume|claim|argue|expect|conclude)(?:[ \t]{1,8}that)?"
    r"(?:[ \t]{1,8}the)?[ \t]{1,8}$|"
    r"\b(?:says|said|claims|claimed|argues|argued|thinks|believes|thought|believed|assumed|guessed|suspected|expected)\b"
    r"(?:[ \t]{1,8}that)?(?:[ \t]{1,8}the)?[ \t]{1,8}[\"“]?$|"
    r"\b(?:least(?:[ \t]{1,8}\w{1,20})?|worst|other|second|third|alternative|eliminated|rejected|your|"
    r"student(?:['’]s)?|not(?:[ \t]{1,8}the)?|no|think|should|might|may|could|can|does|did|would)[ \t]{1,8}$",
    re.IGNORECASE,
)
"""In front of a statement: then nobody says that it is so."""
_DENIED = re.compile(
    r"(?:\bnot|n['’]t|\bnever|\bcannot{0,1}\s{1,8}be)\b(?:\s{1,8}(?:the|equal|to|be|in|fact|answer|is)){0,4}[\s:$*(\[\\]{0,10}$",
    re.IGNORECASE,
)
_RETRACTION = re.compile(
    r"(?:^|[.!?;,:\n—–(-])[\s*_]{0,8}(?:(?:but|oh|hm{1,8}|ah|and)[\s,]{1,4})?"
    r"(?:no\s{0,4}[,.!;:—–\n-]|no\s{1,4}(?:wait|it\b|that\b)|wait\b|hold\s{1,4}on|actually\b|oops\b|sorry\b|rather,|instead,)|"
    r"\bcorrect(?:ion|ing|ed\s{1,4}answer)\b|\bto\s{1,4}correct\s{1,4}(?:this|that|it|my)|\bscratch\s{1,4}that\b|\bi\s{1,4}mean\b|\blet\s{1,4}me\s{1,4}(?:re|correct)|"
    r"\bon\s{1,4}(?:reflection|second\s{1,4}thought)|\bupon\s{1,4}reflection|\breconsider|\bmy\s{1,4}mistake\b|"
    r"\b(?:change|revise|withdraw|correct)\s{1,4}my\s{1,4}answer|\brevised\b|\bi\s{1,4}take\s{1,4}(?:that|it)\s{1,4}back\b|"
    r"\b(?:that|this|it)(?:['’]s|\s{1,4}is|\s{1,4}was)\s{1,4}(?:wrong|incorrect|not\s{1,4}(?:right|correct)|a\s{1,4}mistake)|"
    r"\bi\s{1,4}(?:was|am)\s{1,4}(?:wrong|mistaken)|\bi\s{1,4}made\s{1,4}an?\s{1,4}(?:\w{1,20}\s{1,4})?(?:mistake|error)",
    re.IGNORECASE,
)
"""Between two statements: the second one corrects the first."""
_TAKEN_BACK = re.compile(
    r"(?:[.!?;,—–-]\s{0,8}|^)no\s{0,4}[,.!;:]|\.{2,3}\s{0,4}not\b|"
    r"\b(?:wait(?!\s{1,8}(?:for|until|to)\b)|oops|scratch\s{1,8}that|actually,?\s{1,8}no\b|correction\b|just\s{1,8}kidding|"
    r"sorry\s{0,4},|i\s{1,8}meant?\b|strike\s{1,8}that|hold\s{1,8}on\b|"
    r"on\s{1,8}second\s{1,8}thought|my\s{1,8}mistake|i\s{1,8}take\s{1,8}(?:that|it)\s{1,8}back|"
    r"that(?:['’]s|\s{1,8}is|\s{1,8}was)\s{1,8}(?:wrong|incorrect|not\s{1,8}right|a\s{1,8}mistake)|"
    r"i\s{1,8}(?:was|am)\s{1,8}(?:wrong|mistaken)|"
    r"i\s{1,8}made\s{1,8}(?:a|an|some)\s{1,8}(?:\w{1,20}\s{1,8})?(?:mistake|error))\b",
    re.IGNORECASE,
)
"""Behind the last statement: it is withdrawn, and nothing is put in its place."""
_DISOWNED = re.compile(
    r"[\s.,;:$*)}\]\\]{0,20}(?:\(|\[)?(?:(?:which|but\s{1,8}(?:this|that|it)|this|that|it)\s{1,8})?"
    r"(?:(?:is|was|are)\s{1,8}(?:\w{1,20}\s{1,8}){0,2}?)?"
    r"(?:wrong|incorrect|mistaken|impossible|false|not\s{1,8}(?:the|right|correct|possible|valid|it)|n['’]t\s{1,8}(?:the|right|correct))\b",
    re.IGNORECASE,
)
"""Directly behind it."""
_RESTATED = re.compile(
    rf"\b(?:it{_S}is|it['’]s|make{_S}(?:that|it)|it{_S}should{_S}be|that{_S}would{_S}be|but){_S}(?:(?:actually|really|option|answer){_S}){{0,2}}"
    r"[(\[*]{0,3}((?-i:[A-Z]))[)\]*]{0,3}(?=[\s]{0,4}(?:[.!,;\n]|$))"
    r"|(?<![A-Za-z])((?-i:[A-Z]))\b[^.\n]{0,20}\b(?:also|equally|too)\b"
    r"|\balso\s{1,4}(?:correct|right|possible|acceptable|valid|true)[\s:(]{1,4}((?-i:[A-Z]))\b",
    re.IGNORECASE,
)
"""Behind the last statement: a letter that is said again in passing."""
_REMARK = re.compile(
    r"(?:(?:also|therefore|thus|hence|clearly|further|well|indeed|directly)\s{1,8})?"
    r"(?:supported|based|consistent|explained|found|derived|obtained|confirmed|justified|reached|clear|obvious|"
    r"straightforward|in\s{1,8}line|because|since|as\s{1,8}follows)\b",
    re.IGNORECASE,
)
"""`the answer is supported by the data`: a remark on the answer, which says none."""


def statements(text: str) -> list[Statement]:
    """All statements in order, without questions, suppositions and denials. Raises NoAnswerError."""
    anchors: list[tuple[int, int, str]] = []
    for pattern, how in (
        (_LABEL, "stated"),
        (_FOREIGN_LABEL, "labelled"),
        (_HEADING, "labelled"),
        (_TAG, "labelled"),
        (_TERSE, "labelled"),
        (_CHOICE, "stated"),
        (_CORRECTED, "stated"),
        (_JUDGED, "judged"),
        (_BOX, "boxed"),
    ):
        for match in pattern.finditer(text):
            if anchor := _anchor(match, how):
                anchors.append(anchor)
        if len(anchors) > 8 * MAX_STATEMENTS:
            raise NoAnswerError("too many statements")
    anchors = [one for one in sorted(set(anchors)) if not is_unsaid(text, one[0])]
    if len(anchors) > MAX_STATEMENTS:
        raise NoAnswerError("too many statements")
    starts = [start for start, _, _ in anchors]
    found: list[Statement] = []
    for start, end, how in anchors:
        # A span ends where the next statement begins.
        following = bisect.bisect_left(starts, max(end, start + 1))
        limit = starts[following] if following < len(starts) else len(text)
        if one := _statement(text, start, end, how, limit):
            found.append(one)
    return found


def _anchor(match: re.Match[str], how: str) -> tuple[int, int, str] | None:
    if match.re is _LABEL and match["colon"]:
        how = "labelled"
    if match.re is _CHOICE and (match["modal"] or match["imperative"]):
        how = "judged"
    if match.re is _JUDGED:
        if not match["good"] and not (match["the"] and (match["noun"] or "").lower() == "answer"):
            return None
        return match.start(), match.end(), "stated" if match["noun"] else "judged"
    return match.start(), match.end(), how


def is_unsaid(text: str, start: int) -> bool:
    """Whether what stands in front of a statement makes it a supposition, a question or of a wrong answer."""
    return _UNSAID.search(text[max(0, start - 100) : start]) is not None


def _statement(text: str, start: int, end: int, how: str, limit: int) -> Statement | None:
    if how == "boxed":
        return _box(text, start, end)
    if (judged := _JUDGED.match(text, start)) and judged.end() == end:
        clause = re.split(r"[.!\n]", text[end : end + 100])[0]
        if "?" in clause or _CONDITION.search(_NEGATED_LETTERS.sub(" ", clause)):
            return None
        return Statement(start, start, end, judged["named"] or judged["bare"], how)
    begin = end
    if _TAG.match(text, start):
        close = _TAG_END.search(text, begin, begin + MAX_SPAN_CHARS)
        if close and limit < close.start():
            return None  # what stands inside is a statement of its own
        stop = close.start() if close else min(limit, begin + MAX_SPAN_CHARS)
        return Statement(start, begin, stop, text[begin:stop].replace("```", ""), how, close is not None)
    while begin < min(limit, end + 40) and text[begin] in " \t\n*_:":
        begin += 1
    stop, is_whole = _span_end(text, begin, min(limit, begin + MAX_SPAN_CHARS))
    if tag := _TAG_END.search(text, begin, stop):
        stop, is_whole = tag.start(), True
    if denied := _NOT_BUT.match(text, begin, stop):
        begin = denied.end()
    span = text[begin:stop]
    if text[stop : stop + 1] in ("?", "？") or span.rstrip(" *_)\"'").endswith(("?", "？")) or _NEGATED.match(span):
        return None
    if not span.strip(" \t\n*_\"'") or _BOX.search(span):
        return None  # the box is a statement of its own
    return Statement(start, begin, stop, span, how, is_whole)


_NOT_BUT = re.compile(
    rf"not{_S}(?:option{_S})?[(\[]?[A-Z](?![A-Za-z0-9'’])[)\]]?\s{{0,4}}[,;.]?\s{{0,4}}(?:but|(?:instead,?{_S})?it{_S}is|it's){_S}",
)
"""`not A but C`"""
_NEGATED = re.compile(r"(?:\w{1,12}ly\s{1,8})?(?:not\b|n['’]t\b|neither\b)", re.IGNORECASE)
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "「": "」"}


def _span_end(text: str, begin: int, limit: int) -> tuple[int, bool]:
    """Where the statement that begins at `begin` ends, and whether something follows it there."""
    if quote := _QUOTES.get(text[begin : begin + 1]):
        line_end = text.find("\n", begin, limit)
        close = text.find(quote, begin + 1, line_end if line_end >= 0 else limit)
        if close >= 0:
            return close + 1, True
    for at in range(begin, limit):
        char = text[at]
        if char == "\n" or char in "。！；":
            return at, True
        # "D. text" is one span; a full stop behind more than a letter ends the sentence.
        is_end = char in ".!?？" and (at + 1 == len(text) or text[at + 1].isspace())
        if is_end and len(text[begin:at].strip("(*[$ ")) > 1:
            return at, at + 1 < len(text)
    return limit, limit < len(text)


def _box(text: str, start: int, end: int) -> Statement | None:
    if text[end - 1] != "{":
        # `\boxed C`
        stop = end + 1
        while stop < len(text) and text[stop].isalnum():
            stop += 1
        span = text[end:stop]
        begin = end
    else:
        close = _closing_brace(text, end - 1)
        if close is None:
            raise NoAnswerError("a box that is not closed")
        begin, stop, span = end, close + 1, text[end:close]
    if _DENIED.search(text[max(0, start - 60) : start]):
        raise NoAnswerError("the answer is taken back")
    if text[stop : stop + 10].lstrip("$ )*").startswith(("?", "？")):
        return None
    return Statement(start, begin, stop, span, "boxed")


def _closing_brace(text: str, at: int) -> int | None:
    """Index of the brace that closes the one at `at`; boxes of a longer answer than a statement are none."""
    depth = 0
    escaped = False
    for index in range(at, min(len(text), at + 2 * MAX_SPAN_CHARS)):
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


# The last line

_LEADS = re.compile(r"[\s(\[*_]{0,8}[A-Za-z][)\].:*_]")
"""`C. blue` and `(C) blue`."""
_BARE = re.compile(r"[\s(\[{*_$\"'`\\]{0,12}[A-Za-z][\s)\]}*_$\"'`.\\]{0,12}")


def _last_line(text: str, known: Options) -> Statement | None:
    """The last line that has anything on it, if it is an answer alone. A fence around it is no line."""
    end = len(text.rstrip(" \t\n`~"))
    begin = text.rfind("\n", 0, end) + 1
    line = text[begin:end]
    if not _is_answer_alone(line, known, is_only=not text[:begin].strip(" \t\n`~")):
        return None
    return Statement(begin, begin, end, line, "last line")


def _first_line(text: str, known: Options) -> Statement | None:
    """The first line, if it is an answer alone and no later line begins with another option."""
    begin = len(text) - len(text.lstrip())
    end = text.find("\n", begin)
    if end < 0 or not _is_answer_alone(text[begin:end], known, is_only=False):
        return None
    letter = known.read(text[begin:end]).letter
    if any(match[1].upper() != letter for match in _OPTION_LINE.finditer(text, end)):
        return None
    return Statement(begin, begin, end, text[begin:end], "first line")


def _is_answer_alone(line: str, known: Options, *, is_only: bool) -> bool:
    if len(line) > MAX_SPAN_CHARS or not known.read(line).letter:
        return False
    return is_only or bool(_BARE.fullmatch(_cleaned(line)) or _LEADS.match(line)) or known.is_an_option(line)


_OPTION_LINE = re.compile(r"^[\s(\[*_>-]{0,8}([A-Za-z])(?:[)\].:]|[*_]{1,3}[)\].:])", re.MULTILINE)


def _is_a_list(text: str, last: Statement, known: Options) -> bool:
    """Whether the line above names another option: a list of them is no answer."""
    above = text[: last.begin].rstrip()
    line = above[above.rfind("\n") + 1 :]
    if len(line) > MAX_SPAN_CHARS:
        return False
    return known.read(line).letter not in ("", known.read(last.span).letter)


# Spans

_COMMAND = re.compile(
    r"\\(?:textbf|textit|textrm|texttt|text|mathrm|mathbf|mathit|mathsf|rm|bf|operatorname|mbox|fbox|boxed)[ \t]{0,8}\{"
)
_LEADING = re.compile(
    rf"(?:(?:so|hence|then|it{_S}is|it['’]s|only|la|die|a(?={_S}op)|the|therefore|thus|clearly|definitely|certainly|obviously|simply|most|likely|probably|indeed|just|again),?{_S}){{0,3}}"
    rf"(?:(?:correct|right|best|final){_S}){{0,2}}(?:(?:option|opción|opção|opzione|вариант|choice|answer|letter|选项|项)(?:\s{{1,8}}|(?=[(\[:#*$]))|选项)?"
    rf"(?:is{_S})?[:#]?\s{{0,8}}",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[(\[{<]?\s{0,4}([A-Za-z])(?![A-Za-z0-9_^'’])(\s{0,4}[)\]}>])?", re.DOTALL)
_NEGATED_LETTERS = re.compile(
    rf"[,;(]?\s{{0,8}}(?:(?:and|but|so|definitely|certainly){_S}){{0,2}}(?:not|nor|neither|rather{_S}than|instead{_S}of|unlike)"
    rf"(?:{_S}(?:options?|answers?|choices?))?{_S}[(\[]?([A-Z])(?![A-Za-z0-9'’])[)\]]?"
    rf"(?:\s{{0,4}}(?:,|/|or|nor|and)\s{{0,4}}(?:(?:or|nor|and){_S})?(?:option{_S})?[(\[]?([A-Z])(?![A-Za-z0-9'’])[)\]]?){{0,8}}\)?"
)
_FAULTED_LETTER = re.compile(
    rf"(?<![A-Za-z0-9])[(\[]?[A-Z][)\]]?{_S}(?:is|was|would{_S}be|cannot{_S}be|can['’]t{_S}be|isn['’]t)"
    rf"(?:{_S}\w{{1,12}}ly)?{_S}(?:wrong|incorrect|false|not|the{_S}wrong|impossible|out|correct(?<=n['’]t correct))\b"
)
_OTHER_LETTER = re.compile(r"(?<![A-Za-z0-9])(?:([A-Z])\)|([A-Z])(?![A-Za-z0-9'’]))")
_HEDGE = re.compile(
    r"\b(?:also|wait|actually|though|rather|instead|hence|thus|therefore|alternatively|possibly|maybe|perhaps)\b",
    re.IGNORECASE,
)
_JOINED_LETTER = re.compile(
    rf"(?:\bor\b|\band\b|/|,|&|\bnot\b|\+|或|和)\s{{0,8}}(?:(?:or|and|possibly|maybe){_S})?(?:(?:option|answer){_S})?"
    r"[(\[]?([A-Za-z])(?![A-Za-z0-9'’])[)\]]?"
)
_REASON = re.compile(r"\b(?:because|since|as|not|nor|wrong|incorrect|unlike|than|over)\b")
_EXPLAINED = re.compile(
    rf"\s{{0,8}}(?:[-–—:]\s{{0,4}}\w|\(|because\b|since\b|as\b|which\b|for\b|due\b|(?:です|でした|だ|입니다|이다|이에요|(?:选?项)(?:是?正确)?)\s{{0,4}}(?:[。.,;]|$)|is{_S}(?:the{_S})?(?:correct|right|best|true|answer)\b)",
    re.IGNORECASE,
)


_ARGUED = re.compile(r"[\s,;:(–—-]{0,8}(?:because|since|as|given\s{1,4}that|due\s{1,4}to)\b", re.IGNORECASE)
"""`C, since A and B are …`: letters behind it belong to the argument."""
_TEXT_AND_LETTER = re.compile(
    rf"(?P<text>.{{1,{MAX_SPAN_CHARS}}}?)\s{{0,4}}(?:,|[—–-]|\()?\s{{0,4}}(?:(?:which|that){_S}is{_S})?(?:(?:option|choice|answer){_S})?"
    r"[(\[]?(?P<letter>[A-Z])[)\]]{0,2}[ .]{0,4}",
    re.DOTALL,
)
"""`carbon dioxide (C)`"""
_SHORT_ANSWER = re.compile(r"A\s{0,4}:\s{0,4}[(\[*]{0,3}([A-Za-z])[)\]*]{0,3}[ .]{0,4}")
"""`A: C` answers a question that began with `Q:`."""


class Options:
    """The options of a problem, prepared for reading spans."""

    def __init__(self, options: tuple[str, ...]) -> None:
        self.letters = string.ascii_uppercase[: len(options)]
        self.plain = {letter: plain(option) for letter, option in zip(self.letters, options, strict=True)}

    @classmethod
    @functools.lru_cache(maxsize=512)
    def of(cls, options: tuple[str, ...]) -> Options:
        return cls(options)

    def is_an_option(self, span: str) -> bool:
        return plain(span) in self.plain.values()

    def read(self, span: str) -> Reading:
        """The one option a span names: its letter, its letter with its text or an explanation, or its text."""
        span = _cleaned(span)
        said = plain(span)
        by_text = [letter for letter, option in self.plain.items() if option == said and said]
        if len(by_text) == 1 and not (len(said) == 1 and said.upper() in self.letters and by_text[0] != said.upper()):
            return Reading(by_text[0])
        if short := _SHORT_ANSWER.fullmatch(span):
            letter = short[1].upper()
            return Reading(letter if letter in self.letters else "")
        if (both := _TEXT_AND_LETTER.fullmatch(span)) and self.plain.get(both["letter"]) == plain(both["text"]):
            return Reading(both["letter"])
        match = _LETTER.match(span)
        if match is None or match[1].upper() not in self.letters:
            return Reading(named=self._named(span))
        letter, rest = match[1].upper(), span[match.end() :]
        if self._is_said(letter, rest, is_bracketed=bool(match[2])):
            return Reading(letter)
        return Reading(named=self._named(span))

    def _is_said(self, letter: str, rest: str, *, is_bracketed: bool) -> bool:
        """Whether what follows a letter leaves it the answer."""
        if not rest.strip(" .!*)]}>:,;\"'`/\\"):
            return True
        if rest[:1] in "^\\=+<>_#" or re.match(r"\.\d", rest):
            return False  # the start of a formula
        if rest[:1] == "(" and not is_bracketed and plain(rest.strip("() .")) != self.plain[letter]:
            return False  # `C(5,2)`
        if "?" in rest or _TAKEN_BACK.search(rest) or _DISOWNED.match(rest):
            return False
        own = self.plain[letter]
        if plain(rest.lstrip(" .):,;-–—")) == own:
            return True
        for match in _NEGATED_LETTERS.finditer(rest):
            if letter in re.findall(r"(?<![A-Za-z])[A-Z](?![A-Za-z])", match[0]):
                return False  # `C, not C`
        rest = _FAULTED_LETTER.sub(" ", _NEGATED_LETTERS.sub(" ", rest))
        if not rest.strip(" .!*)]}>:,;"):
            return True
        is_argued = _ARGUED.match(rest) is not None
        if (not is_argued or _HEDGE.search(rest)) and self._names_another(rest, letter):
            return False
        if not is_argued and rest[:1] != "." and _ONLY_IF.search(re.split(r"[.!?]\s", rest)[0]):
            return False
        others = [option for other, option in self.plain.items() if other != letter]
        said = plain(rest.lstrip(" .):,;-–—"))
        if rest[:1] == "." and said == rest[1:].strip(" .") and len(said.split()) <= 2 and not _has_words(own, said):
            return False  # `C. elegans`
        if said in others or _describes_another(said, own, others):
            return False  # the letter of one option with the text of another
        # "C because …", "C is correct", "C, since": but not "A cell", "I think".
        return is_bracketed or rest[:1] in ".):,;*" or _EXPLAINED.match(rest) is not None

    def _names_another(self, rest: str, letter: str) -> bool:
        """`B or C`, `A, B, C and D`, `B/C`, `B and (C)`, `B, but D also works`: another letter beside the first."""
        for match in _OTHER_LETTER.finditer(rest):
            other = match[1] or match[2]
            if other in self.letters and other != letter and (match[1] or _HEDGE.search(rest)):
                return True
        for match in _JOINED_LETTER.finditer(rest):
            other = match[1]
            is_letter = other.isupper() or match[0].rstrip().endswith(")")
            if is_letter and other.upper() in self.letters and other.upper() != letter:
                return True
        return False

    def _named(self, span: str) -> frozenset[str]:
        """Letters of options that stand in a span as words of their own; `I` and `A` only beside others."""
        span = _NEGATED_LETTERS.sub(" ", span)
        found = {match[1] or match[2] for match in _OTHER_LETTER.finditer(span)} & set(self.letters)
        return frozenset(found) if found - {"A", "I"} else frozenset()


def _is_explained(span: str, letter: str, known: Options) -> bool:
    """`C. This is bec`: a new sentence began behind the letter, which no other option could go on with."""
    match = _LETTER.match(_cleaned(span))
    if match is None:
        return False
    rest = plain(_cleaned(span)[match.end() :].lstrip(" .):,;-–—"))
    return len(rest) > 1 and not any(
        option.startswith(rest) or rest.startswith(option) for other, option in known.plain.items() if other != letter
    )


def _describes_another(rest: str, own: str, others: list[str]) -> bool:
    """`C, that is red` where red is another option: its text as words of their own, without a word like `because`."""
    if _has_words(rest, own) or _REASON.search(rest):
        return False
    return any((len(other) > 1 or other.isdigit()) and _has_words(rest, other) for other in others)


def _has_words(text: str, words: str) -> bool:
    """Whether `words` stand in `text` and are not part of longer ones."""
    at = text.find(words) if words else -1
    while at >= 0:
        end = at + len(words)
        if not (text[at - 1 : at].isalnum() and at) and not text[end : end + 1].isalnum():
            return True
        at = text.find(words, end)
    return False


_SYMBOLS = re.compile("[✅✓✔☑✘❌⭐👉➡\ufe0f■□●○◆🎯]")


def _cleaned(span: str) -> str:
    span = unwrapped(span).replace("\\ ", " ").replace("\\,", " ").replace("$", "").replace("**", "").replace("__", "")
    span = _SYMBOLS.sub("", span.replace("`", "")).strip(' \t\n"“”「」')
    if span[:1] in ("'", "‘"):
        span = span.strip(" '‘’")
    for opening, closing in (("\\(", "\\)"), ("\\[", "\\]")):
        span = span.removeprefix(opening).removesuffix(closing).strip()
    span = span.strip("*_ ")
    match = _LEADING.match(span)
    return span[match.end() :].strip('"“” ') if match and match.end() < len(span) else span


def unwrapped(text: str) -> str:
    r"""Without commands that only set their argument in another font: `\text{\textbf{C}}` is `C`. One pass."""
    if "\\" not in text:
        return text
    out: list[str] = []
    kept: list[bool] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "\\":
            if command := _COMMAND.match(text, at):
                kept.append(False)
                at = command.end()
                continue
            out.append(text[at : at + 2])
            at += 2
            continue
        if char == "{":
            kept.append(True)
        elif char == "}" and kept and not kept.pop():
            at += 1
            continue
        out.append(char)
        at += 1
    return "".join(out)


def plain(text: str) -> str:
    """An option's text without markup, case and outer punctuation, for comparing."""
    text = unicodedata.normalize("NFKC", unwrapped(text)).replace("$", "").replace("\\,", "").replace("**", "")
    text = re.sub(r"\\[()\[\] ]", " ", text)
    text = (
        re.sub(r"\\(?:left|right|displaystyle)\b", "", text).replace("\\dfrac", "\\frac").replace("\\tfrac", "\\frac")
    )
    return " ".join(text.casefold().split()).strip(" .;,:")
