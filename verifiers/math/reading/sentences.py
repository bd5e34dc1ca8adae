# ruff: noqa: E501  (tables)
"""The sentences around a final answer: do they suppose it, attribute it, doubt it, revise it or state another value?

Before `the answer is`, only words that introduce a result may stand in its clause; any other clause (`Tom thinks the
answer is`) says something else than the answer. Behind an answer, a sentence whose only number stands at its end and
is another one states another value.
"""

from __future__ import annotations

import re

from verifiers.math.reading.phrases import compiled, form
from verifiers.math.reading.phrases_before import (
    EXCLUDING,
    GUESSING,
    QUALIFYING,
    SPEAKING,
)
from verifiers.math.reading.phrases_behind import (
    DOUBTING,
    FAILING,
    NEW_ATTEMPTS,
    OTHER_VALUES_BEHIND,
    REDOING,
    WITHDRAWING,
    WITHDRAWING_FIRST,
)
from verifiers.math.reading.phrases_common import CLAIMING

NEAR = 200
"""Characters beside an answer in which its sentence is looked for."""
MAX_TAIL_CHARS = 4000
"""Characters behind an answer in which its sentences are looked at one by one."""

_SENTENCE_END = re.compile(r"(?<!\.)[.?!;。](?=[\s$*)\\]|\Z)|\n")
_CLAUSE_END = re.compile(r"[,:;—–)]")
_SAYS = compiled(
    form(r"\b@\b", CLAIMING, SPEAKING),
    form(r"n't\b"),
)
_INTRODUCES = re.compile(
    r"[\s*_#>`$\"(\[\-•\d.)]*(?:(?:so|thus|hence|therefore|then|and|now|finally|consequently|accordingly|overall|clearly|again|also|"
    r"we|i|you|one|this|it|which|that|these|can|may|now|get|gets|got|have|has|see|sees|find|finds|found|conclude|concludes|concluded|know|obtain|"
    r"deduce|note|say|state|means?|gives?|gave|implies|shows?|yields?|makes?|follows?|is|are|as|because|since|where|here|our|my|your|its|the|a|an|"
    r"desired|required|requested|correct|right|actual|only|numerical|numeric|numerically|simplified|exact|complete|overall|"
    r"final|integer|total|box|boxed|put|give|write|report|there(?:fore|by)|must|will|be|answer|answers|is)\b[\s*_`$,:]*)*",
    re.IGNORECASE,
)
"""What may stand before `the answer is` in its clause."""
_NOT_THE_ANSWER = compiled(
    form(
        r"(?:\b(?:approximate|approximated|rough|estimated|initial|preliminary|tentative|provisional|partial|possible|plausible|alternative|alternate|old|earlier|previous|intermediate|naive|naïve|tempting|wrong|incorrect|bad|false|failed|invalid|expected|likely|official|sample|example|fake|dummy)|\b(?:an?|one|another|some|any|each|no|not|non|his|her|their|your|whose|[a-z]+'s)(?: [a-z]+)?) \Z"
    ),
)
"""Words directly before `answer is` by which it is one of several answers, that of somebody else, or none that counts."""
_UNREAL_CLAUSE = compiled(
    form(
        r"^[\s*_#>\-]*(?:(?:if(?! (?:we|you|he|she|they|each|i|there)\b)|had|were|unless|whenever|otherwise|suppose|supposing|assume|without|ignoring|neglecting|naively|intuitively|provided|imagine|pretend|according to|at first|before (?:rounding|simplif\w+|correct\w+)|in (?:that|this|which|the \w+) case|under (?:that|this|the|another) \w+|guess|claim|conjecture|hypothesis|prove|disprove|show|wrong|incorrect|bad|attempt|failed)\b|(?:when|given|assuming|for|with) (?:\$?[a-z]\$?\s*[=<>]|(?:[a-z] (?:is )?)?(?:odd|even|positive|negative)\b))"
    ),
)
_WOULD_CLAUSE = re.compile(r"^[\s*_#>\-]*(?:if|for|with|in|under|on|by|without|otherwise|given)\b", re.IGNORECASE)
_STATES = compiled(
    form(r"\b(?:an? (?:approximate |rough )?|the (?:final |correct )?|our )?answers?\b"),
)
_QUALIFIED = compiled(
    form(r"\b@", QUALIFYING),
)
_HEDGED = compiled(
    form(r"\b@\b[^,;\d=]{0,60}\Z", GUESSING),
    form(r"\b@\b(?:(?!\b(?:is|are|was|were|equals?|gives?)\b)[^,;:\d=]){0,60}\Z", EXCLUDING),
    form(r"\b(?:incorrectly|erroneously|mistakenly)\b[^;\d=]{0,60}\Z"),
)
"""Words before a box, in its clause, by which what is in it is guessed, excluded or an example."""
_SUPPOSED_ALONE = re.compile(r"^[\s*_$]*(?:say|suppose|assume|if|without|let|is)[\s*_$]*\Z", re.IGNORECASE)
_EXAMPLE = compiled(
    form(r"\b(?:e\.g\.|i\.e\. not|for example|such as),?[\s$*]*\Z"),
)
_QUALIFIED_BEHIND = compiled(
    form(r"[\s$*`]*@", OTHER_VALUES_BEHIND),
)
"""Words directly behind a box that give another value or a remainder, or say that it is no answer."""
_WITHDRAWN = compiled(
    form(r"\b@", WITHDRAWING, DOUBTING, REDOING),
    form(r"(?:\A|[.!?\n:])[\s*_#>]{0,8}@\b[\s.!:]", WITHDRAWING_FIRST),
    form(r"(?:\A|[.!?\n])[\s*_#>]{0,8}@\s{0,4}(?:two|again|\d{1,3})?\s{0,4}[:：]", NEW_ATTEMPTS),
    form(r"\bfalse\s*\."),
    form(r"\binvalid\s*\."),
)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_ENDS_WITH_NUMBER = re.compile(r"(?:\A|[\s$:=])(-?\d[\d,]*(?:\.\d+)?)[\s$*.!)]*\Z")
_LETTER = re.compile(r"(?:\\(?:text|textbf|mathrm|mathbf|mbox)\s*)?[\s({\[*$]*([A-Z])[\s)}\]*$.]*\Z")
"""An answer that is one letter: that of an option, or of a point."""
_ENDS_WITH_LETTER = re.compile(r"(?:\A|[\s$:=(|])([A-Z])[\s$*.!)]*\Z")
_LETTER_BESIDE = re.compile(r"[\s$]*[|/]\s*\(?([A-Z])\b")
_DENIES = re.compile(
    r"\b(?:not|nor|neither|never|without|wrong|incorrect|eliminated?|exclude[ds]?|reject(?:ed|s)?|rul\w+)\b|n['’]t\b",
    re.IGNORECASE,
)
_FAILS = compiled(
    form(r"(?<![\d.])(-?\d[\d,]*(?:\.\d+)?)\$? @\b", FAILING),
)
"""A number of which the text says that it is wrong."""
_CALCULATES = re.compile(r"[+*/^<>≤≥×·√\\]|\d\s*[-−]\s*\d|=[^=]*=|\d\s*=")


def is_of_another_answer(text: str, start: int) -> bool:
    """Whether the words directly before `answer`, which begins at `start`, make it another one than the final answer."""
    before = _SENTENCE_END.split(text[max(0, start - NEAR) : start])[-1]
    return _NOT_THE_ANSWER.search(before) is not None


def is_supposed(text: str, start: int) -> bool:
    """Whether the clause before `answer is`, which begins at `start`, says something else than that it is the answer."""
    before = _SENTENCE_END.split(text[max(0, start - NEAR) : start])[-1]
    if _NOT_THE_ANSWER.search(before):
        return True
    if start > NEAR and len(before) == NEAR:
        return False
    before = re.sub(r"\b(?:the|an?|our|my)\s+(?:[a-z]+\s+)?\Z", "", before, flags=re.IGNORECASE)
    clauses = _CLAUSE_END.split(before)
    would = re.match(r"[\w\s]{0,12}\banswers?\s+would\b", text[start : start + 30], re.IGNORECASE)
    for clause in clauses[:-1]:
        if _UNREAL_CLAUSE.match(clause) or (would and _WOULD_CLAUSE.match(clause)):
            return True
    last = clauses[-1]
    if _UNREAL_CLAUSE.match(last) or (would and _WOULD_CLAUSE.match(last)):
        return True
    return _SAYS.search(last) is not None and _INTRODUCES.fullmatch(last) is None


def is_hedged(text: str, start: int, end: int) -> bool:
    """Whether the sentence around a box guesses, excludes or qualifies what is in it."""
    before = _SENTENCE_END.split(text[max(0, start - NEAR) : start])[-1]
    if _EXAMPLE.search(text[max(0, start - 20) : start]) or _QUALIFIED_BEHIND.match(text[end : end + NEAR]):
        return True
    if _SUPPOSED_ALONE.match(before) or _HEDGED.search(before):
        return True
    stated = list(_STATES.finditer(before))
    if not stated:
        return False
    place = max(0, start - len(before)) + stated[-1].start()
    return _QUALIFIED.search(before[stated[-1].end() :]) is not None or is_supposed(text, place)


def is_revised(answer: str, behind: str, *, ends_sentence: bool) -> bool:
    """Whether a sentence behind the answer withdraws it or states another value. `ends_sentence`: the mark of the
    answer ends its sentence, so that what follows on its line is another one."""
    if _WITHDRAWN.search(behind):
        return True
    if (letter := _LETTER.match(answer)) and _names_another_letter(letter[1], behind, ends_sentence=ends_sentence):
        return True
    own = set(_NUMBER.findall(answer))
    if any(match[1] in own for match in _FAILS.finditer(behind[:MAX_TAIL_CHARS])):
        return True
    for sentence in _SENTENCE_END.split(behind[:MAX_TAIL_CHARS])[0 if ends_sentence else 1 :]:
        found = _ENDS_WITH_NUMBER.search(sentence)
        if (
            found
            and found[1] not in own
            and not own & set(_NUMBER.findall(sentence))
            and not _CALCULATES.search(sentence)
        ):
            return True
    return False


def _names_another_letter(own: str, behind: str, *, ends_sentence: bool) -> bool:
    """Whether a sentence behind an answer that is one letter ends on another one, which it does not deny."""
    if (beside := _LETTER_BESIDE.match(behind)) and beside[1] != own:
        return True
    for sentence in _SENTENCE_END.split(behind[:MAX_TAIL_CHARS])[0 if ends_sentence else 1 :]:
        found = _ENDS_WITH_LETTER.search(sentence)
        if found and found[1] != own and not re.search(rf"\b{own}\b", sentence) and not _DENIES.search(sentence):
            return True
    return False
