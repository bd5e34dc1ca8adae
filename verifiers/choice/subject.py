"""Sentences behind an answer that speak of the question's subject, and those that only seem to.

A sentence about the subject is free to say what it likes. It is about the subject only where it names something of it,
and neither judges the answer or the work that led to it nor ends on another option.

Promises: linear in the sentence. Does not: know the kinds of sentences about an answer (verifiers.choice.behind).
"""

from __future__ import annotations

import re

from verifiers import answer_words as words
from verifiers.choice.chosen import Chosen

MAX_SHORT_WORDS = 6
"""A sentence of so few words behind an answer must consist of known ones."""


def favours(found: list[str], favouring: frozenset[str] = words.FAVOURING) -> bool:
    """Whether a favouring word stands without a negation in the four words in front of it."""
    for index, word in enumerate(found):
        near = found[max(0, index - 4) : index]
        if word in favouring and (not words.NEGATING.intersection(near) or ("not" in near and "only" in near)):
            return True
    return False


def names_the_subject(found: list[str], chosen: Chosen, share: int = 3) -> bool:
    """Whether a third of the words that tell anything are words of the question and its options."""
    content = [word for word in found if word not in words.FUNCTION]
    return len(content) <= share * sum(word in chosen.asked for word in content)


NEGATION = re.compile(
    r"(?:\band\s{1,4})?\b(?:not|rather\s{1,4}than|instead\s{1,4}of|unlike|nor)\W{1,4}(?:the\s{1,4})?$", re.IGNORECASE
)


def denies_own(tail: str, chosen: Chosen) -> bool:
    at = tail.casefold().find(chosen.own)
    return at > 0 and NEGATION.search(tail[:at]) is not None


_VERDICT = re.compile(
    r"\b(?:none|nothing|no\s{1,4}one|nobody|neither|not|never|hardly|far\s{1,4}from|anything\s{1,4}but|n['’]t)\b[^.]{0,40}\b(?:right|correct|true\s{0,4}[.!]?$)\b|"
    r"\b(?:is|are|was|were)\s{1,4}(?:all\s{1,4}|just\s{1,4})?(?:false|a\s{1,4}(?:lie|joke|hoax|mistake|guess|trap))\s{0,4}[.!]?$|"
    r"\b(?:reject|discard|dismiss|exclude|drop|doubt|ignore|forget|retract|withdraw)\w{0,3}\s{1,4}(?:it|this|that|the\s{1,4}above)\b|"
    r"\b(?:instead|rather)\s{0,4}[.!]?$|\b(?:dis)?agree\w{0,2}\s{1,4}with\s{1,4}(?:this|that|it|me)\b|"
    r"\b(?:contradiction|absurd|mismatch|impossible|nonsense)\s{0,4}[.!]?$|\b(?:this|that|it)\s{1,4}depends\b|"
    r"\b(?:something|anything|somewhere|someone)\s{1,4}(?:else|different)\b",
    re.IGNORECASE,
)


def states_another(said: str, chosen: Chosen) -> bool:
    """Whether a sentence states the text of another option, or denies that of the chosen one: `The gas is helium.`"""
    low = said.casefold().strip(" .!")
    if len(chosen.own) > 1 and denies_own(low, chosen):
        return True
    for other in chosen.other_texts:
        at = low.find(other)
        if at < 0 or (at and low[at - 1].isalnum()) or low[at + len(other) : at + len(other) + 1].isalnum():
            continue
        lead, rest = low[:at].rstrip(" \"'“"), low[at + len(other) :]
        if (
            not rest.strip(" .!\"'”")
            and not chosen.others_in(said)
            and _STATED_BEFORE.search(lead)
            and (len(other) > 3 or _IT_IS.fullmatch(lead))
        ):
            return True
        is_opening = not lead or (lead.endswith(",") and len(lead) <= MAX_OPENING_CHARS)
        if len(other) > 2 and (_CONCLUDED.match(low) or is_opening) and chosen.own not in low:
            found = words.words_in(rest)
            is_subject = _IS_WHAT.match(rest) is not None
            if (_CONCLUDED.match(low) or is_subject or favours(found[:4])) and not words.NEGATING.intersection(
                words.words_in(low)
            ):
                return True
        is_another = len(other) > 2 and chosen.own not in low
        if is_another and (_is_led_to(words.words_in(lead), rest) or _answers_with(lead, rest, other, chosen)):
            return True
    return False


_TURNING = re.compile(
    r"\b(?:however|though|although|nevertheless|nonetheless|then\s{1,4}again|on\s{1,4}the\s{1,4}other\s{1,4}hand|strictly|after\s{1,4}all|in\s{1,4}fact|in\s{1,4}reality|rather)\b"
)
_RESULTING = re.compile(
    r"\b(?:gives?|giving|yields?|becomes?|makes?|equals?|namely|that\s{1,4}is|comes\s{1,4}out(?:\s{1,4}(?:as|to|at))?|obtains?|gets?|is|be|was)\s{0,4}(?:exactly|about|only|really|mostly|actually)?$"
)
QUESTION_SHARE = 0.6
"""Share of the words that tell what a question is about, from which on a sentence answers it anew."""


def _answers_with(lead: str, rest: str, other: str, chosen: Chosen) -> bool:
    """Whether a sentence answers the question with another option's text: it turns to it, ends a calculation with it,
    or says again most of what the question says. One that denies something does not."""
    if words.NEGATING.union(words.DENYING).intersection(words.words_in(f"{lead} {rest}")):
        return False
    if _TURNING.search(lead) or _TURNING.search(rest):
        return True
    is_last = not rest.strip(" .!\"'”")
    if is_last and any(char.isdigit() for char in other) and _RESULTING.search(lead):
        return True
    said = words.stems_in(f"{lead} {rest}") & chosen.question
    return len(said) >= 2 and len(said) >= QUESTION_SHARE * len(chosen.question)


MAX_OPENING_CHARS = 40
"""Characters of what may stand, with a comma, in front of a sentence's subject: `Upon further thought,`."""
_IS_WHAT = re.compile(
    r"\s{1,4}(?:is|was|are|were)\s{1,4}(?:the\b|what\b|(?:\w{1,12}\s{1,4})?(?:asked|meant|described|intended|wanted|needed|required)\b)"
)
"""A predicate that makes an option's text the answer: `is the gas`, `is what is meant`."""


def _is_led_to(lead: list[str], rest: str) -> bool:
    """Whether another option's text is what a sentence leads to: `the description suits helium`, `it turns out that
    helium is what is described`."""
    if words.NEGATING.intersection(lead) or words.NEGATING.intersection(words.words_in(rest)):
        return False
    if {"turns", "appears", "seems"}.intersection(lead) and _IS_WHAT.match(rest):
        return True
    before = lead[-3:]
    if before[-1:] in (["towards"], ["toward"]):
        return True
    if before[-1:] == ["for"] and _PLEAS.intersection(lead):
        return True  # `a good case can be made for helium`
    return bool(words.FITTING.intersection(before)) and not words.WORK.union(_FACTS).isdisjoint(lead)


_PLEAS = frozenset(
    ("case", "argument", "arguments", "argue", "argued", "made", "vote", "opt", "plea", "evidence", "speaks", "speak")
)
_FACTS = frozenset(
    (
        "description",
        "descriptions",
        "facts",
        "evidence",
        "data",
        "definition",
        "definitions",
        "everything",
        "this",
        "that",
        "it",
    )
)


_STATED_BEFORE = re.compile(
    r"(?<!not )\b(?:is|are|was|were|be|equals|must\s{1,4}be)\s{0,4}"
    r"(?:the|an?|actually|really|in\s{1,4}fact|thus|therefore)?$"
)
_IT_IS = re.compile(
    r"(?:so|thus|hence|no,|actually,?|really,?)?\s{0,4}(?:it|this|that|the\s{1,4}(?:value|result|number|total))\s{1,4}(?:is|was|equals|must\s{1,4}be)(?:\s{1,4}\w{1,12})?"
)
_FALSE_EQUATION = re.compile(
    r"\b(?:gives?|yields?|get|becomes|means|implies|is|that)\s{1,4}(-?\d{1,9})\s{0,2}=\s{0,2}(-?\d{1,9})\s{0,2}(?:[.,;!]|$)"
)
"""A false equation that a sentence arrives at: `gives 3 = 5`."""
_CONCLUDED = re.compile(
    r"\W{0,8}(?:so|thus|hence|therefore|consequently|in\s{1,4}(?:fact|truth|reality)|really|actually)\b"
)


def holds_on_to_the_subject(said: str, chosen: Chosen) -> bool:
    """Whether a sentence names something that the question or the text before it speaks of. One that names nothing of
    it may speak of the answer in words that no table holds."""
    if chosen.subject is None or not chosen.subject.isdisjoint(words.stems_in(said)):
        return True
    found = words.words_in(said)
    is_a_formula = all(len(word) <= 2 for word in found) and any(char.isdigit() for char in said)
    introduces = said.endswith(":")  # what it introduces is read as well
    return is_a_formula or introduces or found[0] == "they"


MIN_TOLD = 3
"""Words that tell something in a short sentence which tells enough of the subject that it begins with."""


def tells_of_the_subject(found: list[str], chosen: Chosen) -> bool:
    """Whether a short sentence begins with a word of the subject and goes on about it: `Ribosomes build proteins.`"""
    told = [word for word in found if words.stems_in(word)]
    return chosen.subject is not None and len(told) >= MIN_TOLD and told[0][: words.STEM_CHARS] in chosen.subject


def _faults_the_work(found: list[str], chosen: Chosen) -> bool:
    """Whether a sentence finds fault with the work that led to the answer: `The last step does not hold up.`"""
    faulting = words.FAULTING - chosen.asked
    return any(
        (word in words.WORK and (word not in chosen.asked or word == "question"))
        and not faulting.isdisjoint(found[max(0, at - 4) : at + 7])
        for at, word in enumerate(found)
    )


def is_about_the_subject(said: str, chosen: Chosen) -> bool:
    """Whether a sentence speaks of the question's subject: it neither judges nor names the answer or an option."""
    found = words.words_in(said)
    if states_another(said, chosen):
        return False
    if words.ORDINALS.intersection(found) and (words.COMPARING.intersection(found) or len(found) <= MAX_SHORT_WORDS):
        return False
    if (equal := _FALSE_EQUATION.search(said)) and equal[1] != equal[2]:
        return False
    about = words.ABOUT_THE_ANSWER | (words.GRADING - chosen.asked) | (words.UNSETTLING - chosen.asked)
    if (
        _faults_the_work(found, chosen)
        or words.DENYING.intersection(found)
        or about.intersection(found)
        or _VERDICT.search(said)
    ):
        return False
    if found[:1] in (["no"], ["nope"], ["not"], ["actually"], ["wait"], ["but"]) and len(found) <= MAX_SHORT_WORDS:
        return False
    return not any(
        match.end() >= len(said.rstrip(" .!)*")) or favours(words.words_in(said[match.end() :])[:6])
        for match in chosen.others_in(said)
    )
