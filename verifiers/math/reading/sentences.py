# ruff: noqa: E501  (tables)
"""The sentences around a final answer: do they suppose it, attribute it, doubt it, revise it or state another value?

Before `the answer is`, only words that introduce a result may stand in its clause; any other clause (`Tom thinks the
answer is`) says something else than the answer. Behind an answer, a sentence whose only number stands at its end and
is another one states another value.
"""

from __future__ import annotations

import re

NEAR = 200
"""Characters beside an answer in which its sentence is looked for."""
MAX_TAIL_CHARS = 4000
"""Characters behind an answer in which its sentences are looked at one by one."""

_SENTENCE_END = re.compile(r"(?<!\.)[.?!;。](?=[\s$*)\\]|\Z)|\n")
_CLAUSE_END = re.compile(r"[,:;—–)]")
_SAYS = re.compile(
    r"\b(?:say|says|said|think|thinks|thought|believes?|believed|claims?|claimed|guess\w*|hopes?|expects?|suspects?|doubts?|check|verify|"
    r"show|prove|pretend|conclude|write|writes|asserts?|insists?|no\s+way|unlikely|improbable|nobody|not|never|cannot)\b|n['’]t\b",
    re.IGNORECASE,
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
_NOT_THE_ANSWER = re.compile(
    r"(?:\b(?:approximate|approximated|rough|estimated|initial|preliminary|tentative|provisional|partial|possible|plausible|alternative|alternate|old|earlier|"
    r"previous|intermediate|naive|naïve|tempting|wrong|incorrect|bad|false|failed|invalid|expected|likely|official|sample|example|fake|dummy)|"
    r"\b(?:an?|one|another|some|any|each|no|his|her|their|your|whose|[a-z]+['’]s)(?:\s+[a-z]+)?)\s+\Z",
    re.IGNORECASE,
)
"""Directly before `answer is`: one of several answers, that of somebody else, or none that counts."""
_UNREAL_CLAUSE = re.compile(
    r"^[\s*_#>\-]*(?:(?:if(?!\s+(?:we|you|he|she|they|each|i|there)\b)|had|were|unless|whenever|otherwise|suppose|supposing|assume|without|ignoring|neglecting|naively|intuitively|"
    r"provided|imagine|pretend|according\s+to|at\s+first|before\s+(?:rounding|simplif\w+|correct\w+)|in\s+(?:that|this|which|the\s+\w+)\s+case|"
    r"under\s+(?:that|this|the|another)\s+\w+|guess|claim|conjecture|hypothesis|prove|disprove|show|wrong|incorrect|bad|attempt|failed)\b|"
    r"(?:when|given|assuming|for|with)\s+(?:\$?[a-z]\$?\s*[=<>]|(?:[a-z]\s+(?:is\s+)?)?(?:odd|even|positive|negative)\b))",
    re.IGNORECASE,
)
_WOULD_CLAUSE = re.compile(r"^[\s*_#>\-]*(?:if|for|with|in|under|on|by|without|otherwise|given)\b", re.IGNORECASE)
_STATES = re.compile(
    r"\b(?:an?\s+(?:approximate\s+|rough\s+)?|the\s+(?:final\s+|correct\s+)?|our\s+)?answers?\b", re.IGNORECASE
)
_QUALIFIED = re.compile(
    r"\b(?:could|may|might|seems?|appears?|used\s+to|would\s+(?:have|then)|was\b|be\s+\Z(?<!will be )(?<!must be )(?<!would be )(?<!should be )|previous\s+(?:question|problem|part)|sub-?problem|sub-?question|part\s+\(|"
    r"in\s+the\s+(?:\w+\s+)?case|for\s+\$?[a-z]\$?\s*=)",
    re.IGNORECASE,
)
_HEDGED = re.compile(
    r"\b(?:maybe|perhaps|possibly|presumably|i(?:['’]d|\s+would|\s+will)?\s+guess|my\s+(?:first\s+|best\s+)?guess|tempt(?:ed|ing)|trap|"
    r"naively|might|common\s+(?:error|mistake)|at\s+first\s+(?:glance|sight)|for\s+example|e\.g\.|students\s+often|"
    r"some\s+would|i\s+give\s+up)\b[^,;\d=]{0,60}\Z|"
    r"\b(?:(?:do|does|did|can|could|would|should|must)(?:\s+not|n['’]t)|cannot|not\s+quite|almost|nearly|excludes?|excluding)\b"
    r"(?:(?!\b(?:is|are|was|were|equals?|gives?)\b)[^,;:\d=]){0,60}\Z|"
    r"\b(?:incorrectly|erroneously|mistakenly)\b[^;\d=]{0,60}\Z",
    re.IGNORECASE,
)
"""Before a box in its clause: what is in it is guessed, excluded or an example."""
_SUPPOSED_ALONE = re.compile(r"^[\s*_$]*(?:say|suppose|assume|if|without|let|is)[\s*_$]*\Z", re.IGNORECASE)
_EXAMPLE = re.compile(r"\b(?:e\.g\.|i\.e\.\s+not|for\s+example|such\s+as),?[\s$*]*\Z", re.IGNORECASE)
_QUALIFIED_BEHIND = re.compile(
    r"[\s$*`]*(?:[;,]?\s*(?:and|or|then|hence|so|thus|sorry|to|⇒|→|=>)[\s,]*(?:it\s*['’]?i?s\s+)?\$?(?:-?\d|(?:zero|one|two|three|four|five|six|seven|"
    r"eight|nine|ten|eleven|twelve)\b)|(?:with\s+)?remainder\s+\$?\d|(?:mod|modulo|choose|in\s+base)\s+\$?\d|per\s+mille|"
    r"\((?:an?\s+)?(?:guess|approx|approximately|rounded|crossed\s+out|old|estimate|wrong|not)\b|"
    r"(?:is|was)\s+(?:only\s+|just\s+)?(?:what|the\s+(?:old|first|previous|wrong|format|answer\s+before)|an?\s+(?:guess|estimate|example))\b|"
    r"[,;]\s*(?:corrected|sorry|whereas|although)\b)",
    re.IGNORECASE,
)
"""Directly behind a box: another value, a remainder, or that it is no answer."""
_WITHDRAWN = re.compile(
    r"\b(?:never\s+mind|(?:ignore|scrap|delete|forget|retract|withdraw|undo|cancel)\s+(?:that|this|it|the\s+(?:above|previous|last|answer))|"
    r"(?:this|that|it|the\s+answer|verification|(?:the|this|that)\s+check)\s+(?:fails|failed|can(?:no|['’])t\s+be|is\s+(?:(?:only|just)\s+)?an?\s+(?:guess|contradiction|estimate)|"
    r"contradicts|is\s+off)|verification\s+failed|something\s+is\s+(?:off|wrong)|not\s+(?:\w+\s+)?(?:sure|confident|certain)|might\s+be\s+(?:wrong|off|incorrect)|"
    r"(?:this|that|it)\s+is\s+(?:only\s+|just\s+)?(?:an?\s+(?:upper|lower|rough)\b|an?\s+(?:bound|approximation)\b|the\s+answer\s+to\s+(?:part|question|\())|"
    r"i\s+think\s+so|just\s+kidding|(?:now|then|finally|next),?\s+(?:double|halve|triple|multiply|divide|add|subtract)\s+(?:it|this|that|by|\d|one|the\s+result)|"
    r"i\s+(?:forgot|missed|overlooked|misread|slipped|made\s+an?\s+(?:\w+\s+)?(?:slip|mistake|error))|(?:could\s*n['’]t|could\s+not|cannot|can['’]t)\s+(?:solve|determine|find)|"
    r"no\s+such\s+\w+\s+exists?|none\s+exists?|has\s+no\s+(?:answer|solution)|(?:i\s+)?(?:do\s+not|don['’]t)\s+know|(?:looks|seems)\s+(?:right|correct),?\s+(?:but|it\s+is\s+not|it\s+isn))|"
    r"(?:\A|[.!?\n:])[\s*_#>]{0,8}(?:there\s+(?:is|are)\s+no\s+solutions?|no\s+solutions?|undo|retract(?:ed)?|error|redo|not(?=!))\b[\s.!:]|"
    r"(?:\A|[.!?\n])[\s*_#>]{0,8}(?:attempt|version|take|try|second\s+attempt)\s{0,4}(?:two|again|\d{1,3})?\s{0,4}[:：]|\bfalse\s*\.|\binvalid\s*\.",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_ENDS_WITH_NUMBER = re.compile(r"(?:\A|[\s$:=])(-?\d[\d,]*(?:\.\d+)?)[\s$*.!)]*\Z")
_FAILS = re.compile(
    r"(?<![\d.])(-?\d[\d,]*(?:\.\d+)?)\$?\s+(?:fails|failed|(?:does|did)(?:\s+not|n['’]t)|is\s+(?:not|too|wrong|incorrect|impossible|invalid|extraneous|excluded)|"
    r"cannot|can['’]t|violates|contradicts|must\s+be\s+(?:rejected|excluded|discarded))\b",
    re.IGNORECASE,
)
"""A number of which the text says that it is wrong."""
_CALCULATES = re.compile(r"[+*/^<>≤≥×·√\\]|\d\s*[-−]\s*\d|=[^=]*=|\d\s*=")


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
