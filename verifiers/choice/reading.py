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
import unicodedata

from verifiers import prose
from verifiers.answer_words import stems_in, words_in
from verifiers.choice.behind import is_harmless_tail, is_of_the_answer, is_taken_further, sentences
from verifiers.choice.chosen import Chosen
from verifiers.choice.context import (
    is_badly_introduced,
    is_calculated_with,
    is_counted_lead,
    is_denied_box,
    is_free_lead,
    is_list_label,
    is_of_another_author,
    is_of_others,
    is_overruled,
)
from verifiers.choice.objects import is_key
from verifiers.choice.spans import (
    DISOWNED,
    MAX_SPAN_CHARS,
    NEGATED_LETTERS,
    SPACES,
    TAKEN_BACK,
    Options,
    Reading,
    cleaned,
    is_explained,
    plain,
)
from verifiers.enclosures import Enclosures

MAX_FINAL_CHARS = 20_000
"""Characters at the end of a text that are searched. A model that argues for longer behind its answer did not end on
it."""
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
    """How the option is said: boxed, labelled, stated, judged, first line or last line."""
    is_sure: bool = True
    """Whether only harmless words stand in front of it in its sentence. A statement that is not sure says nothing, but
    may contradict."""
    is_whole: bool = True
    """Whether something follows which shows that the statement was complete, should the text have been cut off."""


# Letters that look like Latin ones on the page: Cyrillic and Greek. Only where they stand alone: words stay words.
_LOOK_ALIKES = dict(zip("АВСЕНІЈКМОРТХавсеіјорхуΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABCEHIJKMOPTXabceijopxyABEZHIKMNOPTYX", strict=True))
_LONE_LOOK_ALIKE = re.compile(rf"(?<![^\W\d_])[{''.join(_LOOK_ALIKES)}](?![^\W\d_])")


def choose(text: str, options: list[str], cut_off: str = "", question: str = "") -> tuple[str, str]:
    """The letter the text settles on, and how it was found. Raises NoAnswerError.

    `cut_off` is the reason of a text that was cut off before its answer was complete; empty if it was not cut off.
    """
    text = normalised(text[-MAX_FINAL_CHARS:])
    if not text.strip():
        raise NoAnswerError(cut_off or "empty")
    known = Options.of(tuple(options))
    asked = _words_asked(question, tuple(options))
    everything = statements(text, asked)
    found = [one for one in everything if one.is_sure]
    last = _last_line(text, known, asked) if not cut_off else None
    strong = [one for one in found if one.how != "judged"]
    strong_end = strong[-1].end if strong else -1
    weak = [one for one in found if one.how == "judged" and one.start >= strong_end]
    first = _first_line(text, known, last)
    # A line that holds a doubtful statement is that statement, and no answer alone.
    last, first = (_unless_doubtful(line, everything) for line in (last, first))
    if last is not None and (not found or last.start >= found[-1].end):
        if not found and _is_a_list(text, last, known):
            raise NoAnswerError("a list of options")
        strong = [*(one for one in strong if one.how != "boxed" or known.read(one.span) != Reading()), last]
    standing = [*strong, *weak]
    if first is not None and (not standing or first.end <= standing[0].start):
        standing = [first, *standing]
    if not standing:
        raise NoAnswerError(cut_off or "no final answer")
    final, letter = _agreed(text, standing, known)
    behind = final.begin if final.how == "boxed" else final.end
    if cut_off and not final.is_whole and not is_explained(final.span, letter, known):
        raise NoAnswerError(cut_off)
    if any(
        match[match.lastindex or 0] in known.letters.replace(letter, "") for match in _RESTATED.finditer(text, behind)
    ):
        raise NoAnswerError("several statements with different options")
    outside = final.span if known.plain[letter] not in plain(final.span) else ""
    # A text that is known to be cut breaks off anyway: what was complete before the cut stands.
    if is_of_others(text, final.end, outside) or (not cut_off and prose.breaks_off(text, final.begin)):
        raise NoAnswerError("the answer is qualified, attributed or not finished")
    if _GOES_ON.search(outside) and not text[final.end :].strip(" .\n"):
        raise NoAnswerError("the final statement is not finished")
    begin = final.end if known.plain[letter] in plain(final.span) else final.begin
    rest = _CLOSING.sub("", text[final.end : final.end + 200])
    if (
        TAKEN_BACK.search(text, begin)
        or DISOWNED.match(rest)
        or is_overruled(text, begin, final.end, letter, known.letters)
    ):
        raise NoAnswerError("the answer is taken back")
    others = tuple(option for other, option in known.plain.items() if other != letter)
    subject = _subject(question, tuple(options), text[: final.start]) if question.strip() else None
    chosen = Chosen(letter, known.plain[letter], known.letters, asked, others, subject, _subject(question, (), ""))
    if is_of_another_author(text, final.start):
        raise NoAnswerError("the answer is of another author")
    if _is_taken_further(text, final, chosen, known, is_cut=bool(cut_off)):
        raise NoAnswerError("what follows the answer is not known to leave it the answer")
    doubtful = (one for one in everything if not one.is_sure and (one.start >= final.start or one.how == "labelled"))
    if any(known.read(one.span).letter not in ("", letter) for one in doubtful):
        raise NoAnswerError("several statements with different options")
    return letter, final.how


@functools.lru_cache(maxsize=256)
def _words_asked(question: str, options: tuple[str, ...]) -> frozenset[str]:
    """The words of the question and its options, in the singular and the plural."""
    found = words_in(normalised(question[-MAX_FINAL_CHARS:])) + words_in(" ".join(options))
    return frozenset(found) | {word[:-1] for word in found if word[-1:] == "s"} | {f"{word}s" for word in found}


def _subject(question: str, options: tuple[str, ...], before: str) -> frozenset[str]:
    """The stems of what a question, its options and the text in front of an answer are about."""
    return frozenset(stems_in(f"{normalised(question[-MAX_FINAL_CHARS:])}\n{' '.join(options)}\n{before}"))


def _is_taken_further(text: str, final: Statement, chosen: Chosen, known: Options, *, is_cut: bool) -> bool:
    """Whether the text goes on behind the letter of its final statement in a way that is not known to be harmless."""
    if key := is_key(text, final.start):
        behind = f".\n{key.prose}\n{text[max(key.end, final.end) :]}"
        return is_taken_further(behind, 0, chosen, is_cut=is_cut)
    end = final.end
    of_value = False
    if final.how == "judged" or (final.how == "stated" and final.span in (chosen.letter, chosen.letter.lower())):
        stop = next(sentences(text, end), "")
        if is_of_the_answer(f"{chosen.letter} {stop}", chosen):
            return is_taken_further("." + text[end + len(stop) :], 0, chosen, is_cut=is_cut)
    elif letter := known.letter_patterns[chosen.letter].search(text, final.begin, final.end):
        end = final.end if final.how == "boxed" else letter.end()
        if final.how == "boxed" and not is_harmless_tail(text[letter.end() : final.end], chosen):
            return True
    else:
        of_value = True
    if (
        final.how != "boxed"
        and text.startswith(final.span, final.begin)
        and plain(final.span.rstrip(" .")) == chosen.own
    ):
        end, of_value = final.end, True
    return is_taken_further(text, end, chosen, is_cut=is_cut, of_value=of_value)


def _unless_doubtful(line: Statement | None, everything: list[Statement]) -> Statement | None:
    if line is None or any(not one.is_sure and line.begin <= one.start < line.end for one in everything):
        return None
    return line


_GOES_ON = re.compile(r"(?:[/\\,:;&+=<|]|\.{2,8}|…|\s[-–—])\s{0,8}\Z")
"""Signs behind which something is missing: `C/`, `C,`."""
_CLOSING = re.compile(r"^\s{0,8}[<\[]/[^<>\]]{0,20}[>\]]")
"""The end of an answer's tag."""


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
_BE = rf"(?:(?:would|should|must|will|has{SPACES}to){SPACES}be)"
_IS = rf"(?:is|are|was|{_BE})\b(?:{SPACES}that\b)?"
_LABEL = re.compile(
    rf"\b(?:(?:final|correct|best|right|proper|chosen|selected){SPACES}){{0,3}}"
    rf"(?:(?:final|correct|best|selected|chosen)_)?"
    rf"(?:answers?|ans|choice|option|pick)(?:[ _]?(?:choice|option|letter|key))?\b\.?[\"'”’]?"
    rf"(?:{SPACES}(?:here|(?:to|for){SPACES}(?:this|the){SPACES}(?:question|problem)))?"
    rf"{_GAP}(?:(?P<colon>[:=])|{_IS})",
    re.IGNORECASE,
)
_FOREIGN_LABEL = re.compile(
    r"(?:\b(?:antwort|antwoord|lösung|opción|opção|alternativa|"
    r"réponse|respuesta|resposta|risposta|ответ|jawaban|đáp án|cevap|odpowiedź|svar|vastaus|"
    r"απάντηση)|الإجابة|الجواب|उत्तर|উত্তর|答案|答え|答|正解|정답|답)"
    r"(?: ?(?:correcta|correcte|corretta|correta|الصحيحة|सही))?"
    r"[\s*_]{0,20}(?::|=|[—–-]\s|\b(?:ist|lautet|est|es|é|è|är|er|jest|adalah|là|هي)\b|应该是|应为|应是|是|为|為|選|选|は|은|는)"
    r"|[【\[](?:正确)?答案[】\]]:?|正确的?(?:选项|答案)[\s*_]{0,8}(?:是|为|:)|正确选项[\s*_]{0,8}(?:是|为|:)"
    r"|(?<![不没未别勿])(?:故|应|因此|所以|综上|本题|则|可|我|[,。;]\s{0,4}|^)选(?:择)?(?:选项|答案)?[\s*_]{0,8}:?",
    re.IGNORECASE | re.MULTILINE,
)
_HEADING = re.compile(
    rf"^[ \t#*_>-]{{0,12}}(?:the{SPACES})?(?:(?:final|correct){SPACES})?(?:answer|choice|option)[ \t*_]{{0,8}}\n{{1,4}}"
    r"|^####(?!#)[ \t]{0,8}(?=[(\[*$\\]{0,4}[A-Za-z][)\].*$]{0,4}[ \t]{0,8}$)",
    re.IGNORECASE | re.MULTILINE,
)
_CONDITION = re.compile(
    r"\b(?:if|unless|else|otherwise|provided|assuming|depending|except|not|nobody|never|to\s{1,4}question)\b",
    re.IGNORECASE,
)
"""Words behind `C is the correct answer` by which it is not the answer, or not always."""
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
    rf"\b(?:i|we|let's|let{SPACES}us)(?:{SPACES}(?:therefore|thus|hence|so))?"
    rf"(?P<modal>['’](?:d|ll)|{SPACES}(?:would|will|shall|can))?(?:{SPACES}(?:therefore|thus|hence))?{SPACES}"
    rf"(?:choose|chose|pick|picked|select|selected|go{SPACES}with|opt{SPACES}for|settle{SPACES}on|answer|(?:say|guess)(?={SPACES}[(\[*]{{0,3}}[A-Z]\b))"
    rf"{SPACES}(?:(?:option|answer|choice){SPACES})?"
    rf"|\bi(?:['’]m|{SPACES}am){SPACES}(?:going{SPACES}(?:with|to{SPACES}(?:choose|pick|select))|choosing|picking|selecting){SPACES}"
    rf"|(?:^|[.!?\n]{SPACES})(?P<imperative>(?:so{SPACES}|thus,?{SPACES}|therefore,?{SPACES})?(?:choose|select|pick){SPACES}(?:option{SPACES})?){_LONE}",
    re.IGNORECASE,
)
_CORRECTED = re.compile(
    rf"\b(?:no|wait|actually|rather|correction)\b[,.:;! -]{{0,10}}"
    rf"(?:it{SPACES}is|it['’]s|it{SPACES}should{SPACES}be|that{SPACES}is|that['’]s){SPACES}",
    re.IGNORECASE,
)
_JUDGED = re.compile(
    rf"(?<![\w.\\])(?:(?:option|choice|answer|letter){SPACES}[(\[*$]{{0,4}}(?P<named>[a-z])|[(\[*$]{{0,4}}(?P<bare>(?-i:[A-Z])))"
    rf"[)\]*$.]{{0,4}}{SPACES}(?:is|seems(?:{SPACES}to{SPACES}be)?|appears{SPACES}to{SPACES}be|must{SPACES}be)"
    rf"(?:{SPACES}(?:clearly|definitely|therefore|thus|indeed|obviously))?{SPACES}(?P<the>the{SPACES})?(?:most{SPACES})?"
    rf"(?:(?P<good>correct|right|best|true|accurate|appropriate|valid)\b)?(?:{SPACES})?(?P<noun>(?:answer|option|choice|one)\b)?",
    re.IGNORECASE,
)
_MATCHED = re.compile(
    rf"\b(?:this|that|it|which|answer|result|value)(?:{SPACES}(?:directly|exactly|clearly))?"
    rf"{SPACES}(?:corresponds{SPACES}to|matches|is)(?:{SPACES}with)?"
    rf"{SPACES}(?:the{SPACES})?(?:answer{SPACES})?(?:option|choice){SPACES}{_LONE}"
    rf"|\bonly{SPACES}(?:(?:option|choice|answer){SPACES})?(?=[(\[*]{{0,3}}(?-i:[A-Z])[)\]*]{{0,3}}{SPACES}"
    r"(?:satisfies|fits|works|matches|meets|holds|remains)\b)",
    re.IGNORECASE,
)
"""A sentence that finds what fits: `This corresponds to option C.`, `Only option C satisfies the condition.`"""
_MATCHED_LETTER = re.compile(r"[(\[*]{0,3}([A-Za-z])")
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
"""Words in front of a statement by which the text does not say that it is so."""
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
"""Words between two statements by which the second one corrects the first."""
_RESTATED = re.compile(
    rf"\b(?:it{SPACES}is|it['’]s|make{SPACES}(?:that|it)|it{SPACES}should{SPACES}be|that{SPACES}would{SPACES}be|but){SPACES}(?:(?:actually|really|option|answer){SPACES}){{0,2}}"
    r"[(\[*]{0,3}((?-i:[A-Z]))[)\]*]{0,3}(?=[\s]{0,4}(?:[.!,;\n]|$))"
    r"|(?<![A-Za-z])((?-i:[A-Z]))\b[^.\n]{0,20}\b(?:also|equally|too)\b"
    r"|\balso\s{1,4}(?:correct|right|possible|acceptable|valid|true)[\s:(]{1,4}((?-i:[A-Z]))\b",
    re.IGNORECASE,
)
"""A letter that is said again in passing, behind the last statement."""
_REMARK = re.compile(
    r"(?:(?:also|therefore|thus|hence|clearly|further|well|indeed|directly)\s{1,8})?"
    r"(?:supported|based|consistent|explained|found|derived|obtained|confirmed|justified|reached|clear|obvious|"
    r"straightforward|(?:correct|right)\s{1,8}(?:because|since|as)|in\s{1,8}line|because|since|as\s{1,8}follows)\b",
    re.IGNORECASE,
)
"""A remark on the answer, which says none: `the answer is supported by the data`."""


def statements(text: str, asked: frozenset[str] = frozenset()) -> list[Statement]:
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
        (_MATCHED, "judged"),
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
    enclosures = Enclosures(text)
    found: list[Statement] = []
    for start, end, how in anchors:
        # A span ends where the next statement begins.
        following = bisect.bisect_left(starts, max(end, start + 1))
        limit = starts[following] if following < len(starts) else len(text)
        if one := _statement(text, start, end, how, limit):
            is_sure = (
                not enclosures.hides(one.start, one.end, may_be_data=True)
                and _HEDGED.search(text, start, end) is None
                and (
                    is_free_lead(text, start, asked)
                    if how == "boxed" and not _is_of_a_letter(one.span)
                    else is_counted_lead(text, start, asked, is_box=how == "boxed")
                )
            )
            found.append(one if is_sure else _doubted(one))
    return found


_HEDGED = re.compile(r"\b(?:seems|appears|answers|was)\b", re.IGNORECASE)
"""Words in a statement by which its author is not sure, or speaks of several answers."""


def _is_of_a_letter(span: str) -> bool:
    """Whether a box holds a letter and no value: in front of a value stands what it is the value of."""
    bare = cleaned(span)
    return _BARE.fullmatch(bare) is not None or _LEADS.match(bare) is not None


def _doubted(one: Statement) -> Statement:
    return dataclasses.replace(one, is_sure=False)


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
        if "?" in clause or _CONDITION.search(NEGATED_LETTERS.sub(" ", clause)):
            return None
        return Statement(start, start, end, judged["named"] or judged["bare"], how)
    if (matched := _MATCHED.match(text, start)) and matched.end() == end:
        found = _MATCHED_LETTER.match(text, end)
        clause = re.split(r"[.!\n]", text[end : end + 100])[0]
        if found is None or "?" in clause or _CONDITION.search(clause):
            return None
        return Statement(start, end, found.end(), found[1], how)
    begin = end
    if _TAG.match(text, start):
        close = _TAG_END.search(text, begin, begin + MAX_SPAN_CHARS)
        if close and limit < close.start():
            return None  # what stands inside is a statement of its own
        if close is None:
            return None
        stop = close.start()
        return Statement(start, begin, stop, text[begin:stop].replace("```", ""), how)
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
    return Statement(start, begin, stop, span, how, is_whole=is_whole)


_NOT_BUT = re.compile(
    rf"not{SPACES}(?:option{SPACES})?[(\[]?[A-Z](?![A-Za-z0-9'’])[)\]]?\s{{0,4}}[,;.]?\s{{0,4}}(?:but|(?:instead,?{SPACES})?it{SPACES}is|it's){SPACES}",
)
"""A denied option in front of the stated one: `not A but C`."""
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
        is_end = char in ".!?？" and not text[at + 1 : at + 9].lstrip("*_)]\"'”$")[:1].strip()
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
    if _DENIED.search(text[max(0, start - 60) : start]) or is_denied_box(text, start):
        raise NoAnswerError("the answer is taken back")
    if is_calculated_with(text, start, stop):
        raise NoAnswerError("a box that is a part of a formula")
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
"""The letter at the beginning of `C. blue` and `(C) blue`."""
_BARE = re.compile(r"[\s(\[{*_$\"'`\\]{0,12}[A-Za-z][\s)\]}*_$\"'`.\\]{0,12}")


def _last_line(text: str, known: Options, asked: frozenset[str]) -> Statement | None:
    """The last line that has anything on it, if it is an answer alone. A fence around it is no line."""
    end = len(text.rstrip(" \t\n`~"))
    begin = text.rfind("\n", 0, end) + 1
    line = text[begin:end]
    if is_list_label(text[max(0, begin - 200) : begin]) or is_badly_introduced(text, begin, asked):
        return None
    if not _is_answer_alone(line, known, is_only=not text[:begin].strip(" \t\n`~")):
        return None
    return Statement(begin, begin, end, line, "last line")


def _first_line(text: str, known: Options, last: Statement | None) -> Statement | None:
    """The first line, if it is an answer alone and no line between it and the last begins with another option: then it
    would be the head of a list."""
    begin = len(text) - len(text.lstrip())
    end = text.find("\n", begin)
    if end < 0 or not _is_answer_alone(text[begin:end], known, is_only=False):
        return None
    letter = known.read(text[begin:end]).letter
    between = text[end : last.begin if last else len(text)]
    if any(match[1].upper() != letter for match in _OPTION_LINE.finditer(between)):
        return None
    return Statement(begin, begin, end, text[begin:end], "first line")


def _is_answer_alone(line: str, known: Options, *, is_only: bool) -> bool:
    if len(line) > MAX_SPAN_CHARS or not known.read(line).letter:
        return False
    return is_only or bool(_BARE.fullmatch(cleaned(line)) or _LEADS.match(cleaned(line))) or known.is_an_option(line)


_OPTION_LINE = re.compile(r"^[\s(\[*_>-]{0,8}([A-Za-z])(?:[)\].:]|[*_]{1,3}[)\].:])", re.MULTILINE)


def _is_a_list(text: str, last: Statement, known: Options) -> bool:
    """Whether the line above names another option: a list of them is no answer."""
    above = text[: last.begin].rstrip()
    line = above[above.rfind("\n") + 1 :]
    if len(line) > MAX_SPAN_CHARS:
        return False
    head, letter = known.read(line).letter, known.read(last.span).letter
    is_apart = letter < head and "\n\n" in text[len(above) : last.begin]
    # Behind the end of a list, an option that the list already had is named again.
    if is_apart and any(match[1].upper() == letter for match in _OPTION_LINE.finditer(above)):
        return False
    return head not in ("", letter)
