"""What stands behind an answer: in its own sentence, and in the sentences that follow it to the end of the text.

A model that explains its answer writes about the subject of the question; a model that goes back on its answer, grades
it, hedges it or replaces it writes about the answer. Sentences about the subject are free. A sentence about the answer,
about an option or in the first person is harmless only where it is of a known kind, and a short sentence only where all
its words are known. Anything else makes the answer one that the text may have gone back on.

Promises: linear in the text that it is given, which callers bound. Does not: find statements
(verifiers.choice.reading).
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterator

from verifiers import answer_words as words
from verifiers.choice.chosen import Chosen
from verifiers.choice.spans import NEGATED_LETTERS
from verifiers.choice.subject import (
    MAX_SHORT_WORDS,
    NEGATION,
    denies_own,
    favours,
    holds_on_to_the_subject,
    is_about_the_subject,
    names_the_subject,
    states_another,
    tells_of_the_subject,
)

MAX_MARK_CHARS = 24
"""Characters of a number or letter with its full stop and markup at the beginning of a line."""

_TOKEN = re.compile(
    r"<\|[\w |/-]{0,30}\|?>|<[A-Z_]{2,30}>|\[/?[A-Z_]{2,20}\]|[|]{1,2}(?=\s|$)|"
    r"</?(?:final_?)?(?:answer|choice|option|solution|response|result|output|reasoning|explanation|final|end|s|p|br|b|i|u|em|strong|"
    r"div|span|details|summary|im_end|eos|eot|think|thought)\s{0,2}/?>"
)
"""Special tokens and tags, which say nothing."""
_MARKUP = re.compile(r"\\(?:text\w{0,4}|math\w{2,4}|quad|qquad|left|right|displaystyle|[\[\](),;! ])|[$*_`#>{}\\]")
_SENTENCE = re.compile(r"[.!?。！？;；][)\]*_\"'”’]{0,4}(?=\s|$|[^\x00-\x7f])|\n")
_ABBREVIATION = re.compile(r"\b(?:i\.e|e\.g|cf|vs|approx|ca|etc|resp|Fig|Eq|No|Dr|Mr|Mrs|Ms|St|Prof|eq|fig)\.$")
_NUMBER = re.compile(r"\d{1,20}")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s{0,2}(%)?")
_CONFIDENCE = re.compile(r"\W{0,8}(?:my\s{1,4})?(?:confidence|certainty|probability)\b", re.IGNORECASE)
_HELPFUL_QUESTION = re.compile(
    r"\W{0,8}(?:why\s{1,4}not\s{1,4}(?:option\s{1,4})?[(\[]?[A-Z][)\]]?(?:\s{0,4}(?:,|or|and)\s{0,4}[(\[]?[A-Z][)\]]?){0,3}\W{1,4}$|why(?:\s{1,4}(?:not|are)\s{1,4}the\s{1,4}(?:other|rest)\w{0,3}(?:\s{1,4}\w{1,12}){0,4}|\s{1,4}is\s{1,4}this\s{1,4}(?:the\s{1,4})?"
    r"(?:correct|right)(?:\s{1,4}answer)?)?\W{0,6}$|would\s{1,4}you\s{1,4}like\b|do\s{1,4}you\s{1,4}(?:have|need|want)\b|"
    r"does\s{1,4}(?:this|that)\s{1,4}help\b|need\s{1,4}(?:any\s{1,4})?(?:more\s{1,4})?help\b|any\s{1,4}questions\b)",
    re.IGNORECASE,
)
_OTHERS = re.compile(
    r"\W{0,8}(?:(?:all|none|each|both|neither|any|some|while|as\s{1,4}for|in\s{1,4}contrast,?|conversely,?|whereas|and|meanwhile,?|also,?|"
    r"on\s{1,4}the\s{1,4}other\s{1,4}hand,?|note\s{1,4}that|however,?)\s{1,4}){0,2}"
    r"(?:of\s{1,4})?(?:the\s{1,4}|all\s{1,4})?(?:(?:other|remaining|rest\s{1,4}of\s{1,4}the)\s{1,4}(?:\w{1,12}\s{1,4}){0,2}?(?:options?|choices?|answers?|alternatives|ones)|"
    r"others|rest|alternatives)\b|\W{0,8}(?:everything|all)\s{1,4}else\b",
    re.IGNORECASE,
)
"""The beginning of a sentence about the options that were not chosen: `The other options …`."""
_SUPPOSED = re.compile(
    r"\W{0,8}(?:if|suppose|assuming|assume)\s{1,4}(?:that\s{1,4})?(?:option|choice|answer)?\s{0,4}[(\[]?[A-Z][)\]]?\s{1,4}"
    r"(?:is|was|were|holds|held)\s{1,4}(?:\w{1,12}\s{0,4}){1,4},",
    re.IGNORECASE,
)
"""A supposition about another option, such as `If option A were right, …`."""
_NUMBERED = re.compile(
    r"\W{0,8}(?:statements?|claims?|propositions?|items?|premises?|assertions?)\s{1,4}[(\[]?[IVX\d]{1,4}\b",
    re.IGNORECASE,
)
_BEFORE_OTHER = words.words_of(
    "option options choice choices answer answers note that while although and as for also similarly likewise finally",
    "statement statements claim in of first second third fourth on the other",
    "hand contrast in conversely however whereas both neither letter letters",
    "because since",
)
_EXPLAINED = re.compile(
    r"\W{0,8}(?:explanation|reasoning|rationale|justification|reason|analysis|note|solution|working|background|details?|step\s{1,4}\d{1,2})"
    r"[*_ ]{0,4}:",
    re.IGNORECASE,
)
_OTHERS_HEADING = re.compile(
    r"\W{0,8}why\s{1,4}(?:not\s{1,4})?the\s{1,4}(?:others?|other\s{1,4}(?:options|choices|answers)|rest)(?:\s{1,4}are\s{1,4}(?:wrong|incorrect|not\s{1,4}correct))?"
    r"[*_ ]{0,4}:[*_ ]{0,4}(?=\w)",
    re.IGNORECASE,
)
_THIS = re.compile(r"\W{0,8}(?:this|that|it)\b", re.IGNORECASE)
_THIS_ANSWER = re.compile(
    r"\W{0,8}(?:this|that|it|the|my|these)\s{1,4}(?:(?:correct|right|final|chosen|selected|best|given|above)\s{1,4}){0,2}"
    r"(?:answer|option|choice|selection|conclusion|result)\b",
    re.IGNORECASE,
)
_SO = r"(?:(?:so|thus|hence|therefore|overall|in\s{1,4}(?:summary|short|conclusion)),?\s{1,4})?"
_CLEAR = re.compile(
    rf"\W{{0,8}}{_SO}(?:"
    + "|".join(
        (
            r"(?:(?:this|that|which|it)\s{1,4}(?:makes|leaves)\s{1,4})?the\s{1,4}(?:choice|answer|solution|conclusion)\s{1,4}(?:is\s{1,4}|was\s{1,4})?"
            r"(?:(?:therefore|thus|very|quite)\s{1,4})?(?:clear|obvious|evident|straightforward|unambiguous)",
            r"the\s{1,4}(?:explanation|reasoning|reason|justification)\s{1,4}is\s{1,4}(?:as\s{1,4}follows|given\s{1,4}(?:above|below)|simple)",
            r"we\s{1,4}have\s{1,4}(?:(?:therefore|thus|now)\s{1,4})?(?:found|determined|identified|reached)\s{1,4}the\s{1,4}(?:right|correct)\s{1,4}"
            r"(?:option|answer|choice)",
            r"i\s{1,4}am\s{1,4}(?:\w{1,12}\s{1,4})?(?:confident|certain|sure)\s{1,4}(?:in|of|about)\s{1,4}(?:this|my|the)\s{1,4}"
            r"(?:answer|choice|option|conclusion)",
            r"(?:this|it|that)\s{1,4}is\s{1,4}a\s{1,4}(?:\w{1,12}-)?(?:known|standard|basic|classic|textbook|common)\s{1,4}"
            r"(?:result|fact|definition|property|example|exercise|question|problem)(?:\s{1,4}[\w' ]{1,60})?",
            r"the\s{1,4}(?:option|choice|answer|one)\s{1,4}that\s{1,4}(?:best\s{1,4})?(?:matches|fits|agrees)(?:\s{1,4}best)?\s{1,4}is\s{1,4}"
            r"(?:(?:therefore|thus|indeed)\s{1,4})?(?:option\s{1,4})?[(\[]?(?P<fitting>[A-Z])[)\]]?",
            r"(?:to\s{1,4}summari[sz]e|in\s{1,4}summary|in\s{1,4}short|to\s{1,4}conclude)\s{0,4}[:,]\s{0,4}(?:option\s{1,4})?[(\[]?(?P<summed>[A-Z])[)\]]?",
            r"(?:this|it|that)\s{1,4}is\s{1,4}(?:a|the)\s{1,4}(?:(?:direct|immediate)\s{1,4})?consequence\s{1,4}of\s{1,4}"
            r"(?:the\s{1,4})?[\w' -]{1,40}",
            r"(?:this|that)\s{1,4}is\s{1,4}why\s{1,4}(?:option\s{1,4})?[(\[]?(?P<why>[A-Z])[)\]]?\s{1,4}is\s{1,4}(?:the\s{1,4})?(?:right|correct|best)(?:\s{1,4}(?:option|choice|answer))?",
            r"(?:option\s{1,4})?[(\[]?(?P<states>[A-Z])[)\]]?\s{1,4}(?:states|says|describes|gives)\s{1,4}(?:exactly|precisely|just)\s{1,4}(?:this|that)",
            r"(?:this|it|that)\s{1,4}follows\s{1,4}(?:\w{1,12}ly\s{1,4})?from\s{1,4}(?:the\s{1,4})?[\w' -]{1,40}",
            r"(?:this|that)\s{1,4}(?:answers|completes|solves|settles|concludes|finishes)\s{1,4}(?:the|this|our)\s{1,4}"
            r"(?:question|solution|problem|exercise|task|proof|argument)",
            r"(?:this|it|that)\s{1,4}(?:matches|corresponds\s{1,4}to|agrees\s{1,4}with|is)\s{1,4}(?:the\s{1,4})?(?:option|choice|answer)\s{1,4}"
            r"[(\[]?(?P<letter>[A-Z])[)\]]?",
            r"[\w ,]{0,40}leaves?\s{1,4}(?:only|just|us\s{1,4}with)\s{1,4}(?:only\s{1,4})?one\s{1,4}"
            r"(?:choice|option|answer|possibility)",
        )
    )
    + r")\s{0,4}[.!]?$",
    re.IGNORECASE,
)
"""A sentence that says of an answer that it is clear, follows or was what was asked for; if it names a letter, it is
that of the answer."""
_ELIMINATES = re.compile(
    r"\W{0,8}(?:so\s{1,4}|thus,?\s{1,4})?(?:this|that|which)\s{1,4}(?:eliminates|excludes|rules\s{1,4}out)\s{1,4}(?:options?\s{1,4}|choices?\s{1,4})?"
    r"(?P<letters>[(\[]?[A-Z][)\]]?(?:(?:,\s{0,4}|\s{1,4})(?:(?:and|or)\s{1,4})?[(\[]?[A-Z][)\]]?){0,8})\s{0,4}[.!]?",
    re.IGNORECASE,
)
"""A sentence that excludes options by their letters: `This eliminates A and B.`"""
_THIS_IS = re.compile(
    r"\W{0,8}(?:this|it|that)\s{1,4}is\s{1,4}(?:because|since|the|due|supported|consistent|based|also\s{1,4}consistent)\b",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"\W{0,8}(?:(?:[Ss]o|[Tt]hus|[Tt]herefore|[Hh]ence|[Oo]nly|[Hh]ere),?\s{1,4}){0,2}"
    r"(?:[Oo]ption|[Cc]hoice|[Aa]nswer|[Ll]etter)?\s{0,4}[(\[]?([A-Z])[)\]]?(?![\w'’])[,.:]?"
)
_IN_PROSE = re.compile(r"\s{1,4}(?!is\b)[a-z]")
"""What follows `A` or `I` where it is the article or the pronoun."""
_IN_ARGUMENTS = frozenset(("fail", "fails", "rule", "rules", "nothing", "none"))


def is_taken_further(text: str, end: int, chosen: Chosen, *, is_cut: bool = False, of_value: bool = False) -> bool:
    """Whether the text from `end`, directly behind an answer, does more than explain it. The last sentence of a text
    that was cut off is not read; behind an answer that gives an option's text (`of_value`) its sentence may go on."""
    sign = _BEFORE_TEXT.match(text, end)
    if sign and _end_of_own(text[sign.end() : sign.end() + 2 * len(chosen.own) + 8].casefold(), chosen.own):
        pieces = list(sentences(text, sign.end()))
        pieces[0] = f": {pieces[0]}"  # `C. carbon dioxide` is one piece
    else:
        pieces = list(sentences(text, end))
    if is_cut:
        pieces = pieces[:-1]
    elif pieces[1:] and _bare(pieces[-1]).endswith(":"):
        return True  # what was announced is missing
    subject = set(chosen.subject or ())
    if chosen.subject is not None:
        chosen = dataclasses.replace(chosen, subject=subject)  # what one sentence tells of, the next may go on about
    for index, piece in enumerate(pieces):
        if index == 0:
            harmless = is_harmless_tail(piece, chosen) or (of_value and _is_of_a_value(piece, chosen))
        else:
            harmless = is_harmless_sentence(piece, chosen)
        if not harmless:
            return True
        subject.update(words.stems_in(piece))
    return False


def _is_of_a_value(tail: str, chosen: Chosen) -> bool:
    """Whether a sentence goes on harmlessly behind an option's text: `\\boxed{5} metres per second`."""
    found = words.words_in(tail)
    if found[:1] and (found[0] in words.RESTRICTING - words.FUNCTION or found[0] in ("or", "and", "but", "if")):
        return False
    if any(len(other) > 1 and other in tail.casefold() for other in chosen.other_texts) or has_unknown_mark(tail):
        return False
    return not words.DISMISSING.union(words.SAYING).intersection(found) and is_about_the_subject(_bare(tail), chosen)


def sentences(text: str, begin: int) -> Iterator[str]:
    """The sentences from `begin`, each with its final sign. A letter or number with a full stop begins one."""
    at = begin
    for match in _SENTENCE.finditer(text, begin):
        piece = text[at : match.end()]
        if match[0][0] == "." and _ABBREVIATION.search(piece[-12:]):
            continue
        if (
            match[0][0] == "."
            and at > begin
            and len(piece) <= MAX_MARK_CHARS
            and len(_MARKUP.sub("", piece).strip(" .()-–•:\t")) <= 2
        ):
            continue
        yield piece
        at = match.end()
    if text[at:].strip():
        yield text[at:]


_SAD = re.compile(r"(?<![\w:]):['-]?[(/](?![\w$\\(*/])")


def has_unknown_mark(text: str) -> bool:
    """Whether a symbol stands there that is not known to decorate an answer: `❌`, a thumb that points down."""
    if _SAD.search(text):
        return True
    return not text.isascii() and any(
        unicodedata.category(char) == "So" and char not in words.MARKS_FOR for char in text
    )


def _bare(text: str) -> str:
    return " ".join(_MARKUP.sub(" ", _TOKEN.sub(" ", text)).split())


def is_harmless_tail(tail: str, chosen: Chosen) -> bool:
    """Whether what follows an answer in its own sentence leaves it the answer."""
    if has_unknown_mark(tail) or "~~" in tail or _RELATION.search(tail):
        return False
    if chosen.own and len(chosen.own) > 1 and denies_own(tail, chosen):
        return False
    tail = _RESTATED_AS.sub(" ", _without_negated(_bare(tail), chosen))
    said = tail.strip(_EDGES)
    if not said:
        return "?" not in tail
    if "?" in tail:
        return False
    low = said.casefold()
    if chosen.own and (at := _end_of_own(low, chosen.own)):
        rest = said[at:]
        return is_harmless_tail(rest, dataclasses.replace(chosen, own="")) or _is_told(tail, said, chosen)
    if _CJK_TAIL.fullmatch(said):
        return True
    found = words.words_in(said)
    if chosen.others_in(said) and not _is_of_others(said, chosen) and not _is_reason(said, chosen):
        return False
    allowed = {*chosen.own.split(), chosen.letter.lower()}
    if _ONE_OF_SEVERAL.search(said):
        return False
    if found and all(word in words.TAIL or word in allowed for word in found):
        return set(_NUMBER.findall(low)) <= set(_NUMBER.findall(chosen.own))
    if _REASON.match(said):
        return _is_reason(said, chosen)
    return _is_told(tail, said, chosen)


_ONE_OF_SEVERAL = re.compile(
    r"\b(?:an?|one)\s{1,4}(?:\w{1,12}\s{1,4})?(?:option|choice|answer|candidate)\b", re.IGNORECASE
)


def _is_told(tail: str, said: str, chosen: Chosen) -> bool:
    """Whether a tail is an explanation behind a sign: `C: plants absorb it`, `C (plants absorb it)`."""
    found = words.words_in(said)
    return (
        tail.lstrip()[:1] in tuple(":-–—(,.")
        and len(found) >= 3
        and found[0] not in words.RESTRICTING
        and not words.DISMISSING.union(words.SAYING).intersection(found)
        and is_about_the_subject(said, chosen)
        and (len(found) > MAX_SHORT_WORDS or names_the_subject(found, chosen))
    )


_CJK_REASON = re.compile(r"(?:因为|因為|由于|由於|理由|解析|解释|解釋|說明|说明|なぜなら|왜냐하면)")
_CJK_DENIAL = re.compile(r"错|誤|误|不对|不是|不正|应该是|應該是|才是|改|猜|可能|也许|違|틀")
_RELATION = re.compile(
    r"[≠≉¬∼≁→⇒⇔↔⟶⟹∨∧⊕∪∩|~]|[-=]>|\\(?:to|neq?|not|sim|lor|land|implies|rightarrow|Rightarrow|oplus|vee|wedge|longrightarrow)(?![A-Za-z])"
)
"""Signs that set an answer in relation to something else."""
_EDGES = " .,:;!()[]\"'“”’-–—。，、！" + "".join(words.MARKS_FOR)
_CJK_TAIL = re.compile(
    r"(?:选项|選項|项|項|是?正确(?:的|答案)?|です|でした|だ|である|입니다|이다|이에요|예요|了)[。.]?"
)
_BEFORE_TEXT = re.compile(r"[.:)\]*_ \t-]{1,8}")
_RESTATED_AS = re.compile(r"^\W{0,8}(?:i\.e\.,?|that\s{1,4}is,|namely,?)\s{1,4}", re.IGNORECASE)
"""A phrase that leads to the answer in other words. Whether it is the same answer, the words behind it decide."""


def _without_negated(tail: str, chosen: Chosen) -> str:
    """The tail without other options that it denies: `not A`, `rather than oxygen`, `not A, oxygen`."""
    tail = NEGATED_LETTERS.sub("\0", tail)
    for other in chosen.other_texts:
        at = tail.casefold().find(other)
        if at >= 0 and len(other) > 1 and (NEGATION.search(tail[:at]) or tail[:at].rstrip(" ,.():").endswith("\0")):
            tail = NEGATION.sub("", tail[:at]) + tail[at + len(other) :]
    return tail.replace("\0", " ")


def _end_of_own(said: str, own: str) -> int:
    """Where the option's own text ends with which `said` begins, whatever the signs between its letters and digits are;
    0 if it does not begin with it."""
    wanted = [char for char in own if char.isalnum()]
    at = 0
    for place, char in enumerate(said):
        if at < len(wanted) and char == wanted[at]:
            at += 1
        elif at == len(wanted):
            return 0 if char.isalnum() else place
        elif char.isalnum():
            return 0
    return len(said) if wanted and at == len(wanted) else 0


_REASON = re.compile(
    r"(?:(?:is|was)\s{1,4}(?:\w{1,12}\s{1,4}){0,3})?(?:because|since|as|due\s{1,4}to|given\s{1,4}that|for\s{1,4}the\s{1,4}reason)\b",
    re.IGNORECASE,
)


def _is_reason(said: str, chosen: Chosen) -> bool:
    """Whether a clause gives a reason for the answer: `because plants absorb it`, `since A and B are wrong`."""
    reason = _REASON.match(said)
    if reason is None or not all(
        word in words.TAIL or word in words.PREDICATES
        for word in words.words_in(reason[0])[:-1][:4]
        if word not in ("due", "given", "for", "that")
    ):
        return False
    found = words.words_in(said[reason.end() :])
    if states_another(said[reason.end() :], chosen):
        return False
    is_comparison = reason[0].casefold().endswith("as")
    if (
        is_comparison
        and found
        and (found[0] in words.NO_REASON or not (len(found) > 3 or names_the_subject(found, chosen)))
    ):
        return False
    blamed = words.DENYING.intersection(found)
    if blamed and not chosen.others_in(said) and not words.OTHERS.intersection(found):
        return False
    if len(found) < 3 and not chosen.others_in(said) and not chosen.asked.intersection(found):
        return False
    return bool(found) and not {"i", "me", "my", "guess", "guessed"}.union(words.SAYING).intersection(found)


def is_harmless_sentence(sentence: str, chosen: Chosen) -> bool:
    """Whether a sentence that follows an answer leaves it the answer."""
    if has_unknown_mark(sentence):
        return False
    said = _bare(sentence)
    if not any(char.isalnum() for char in said):
        return "?" not in said
    if said.endswith(("?", "？", "?)", '?"')):
        return _HELPFUL_QUESTION.match(said) is not None
    found = words.words_in(said)
    if not found:
        return not chosen.others_in(said)
    if _CONFIDENCE.match(said):
        return is_confident(said) and not chosen.others_in(said)
    if (named := _NAMED_LETTER.search(said)) and named[1] in chosen.letters.replace(chosen.letter, ""):
        return False
    is_heading = all(word in words.HEADINGS for word in found) and (
        said.endswith(":") or (len(found) <= 2 and not _NO_HEADING.intersection(found))
    )
    if is_heading:
        return True
    if found[0] in words.CLOSING_OPENERS and all(word in words.CLOSING for word in found):
        return not chosen.others_in(said)
    if _CJK_REASON.match(said):
        return _CJK_DENIAL.search(said) is None
    if heading := _OTHERS_HEADING.match(said):
        return is_harmless_sentence(said[heading.end() :], chosen)
    if label := _EXPLAINED.match(said):
        rest = said[label.end() :].strip()
        if _EXPLAINED.match(rest):
            return False
        if not rest or is_harmless_sentence(rest, chosen):
            return True
        told = words.words_in(rest)
        is_told = len(told) > MAX_SHORT_WORDS or (len(told) > 2 and names_the_subject(told, chosen))
        return is_told and is_about_the_subject(rest, chosen)
    if _is_of_others(said, chosen) or (found[0] == "not" and set(found[1:]) <= chosen.asked and len(found) > 1):
        return True
    if is_of_the_answer(said, chosen):
        return True
    if (gone := _ELIMINATES.fullmatch(said)) and chosen.letter not in re.findall(r"\b[A-Z]\b", gone["letters"]):
        return True
    if (clear := _CLEAR.match(said)) and {*clear.groups()} <= {None, chosen.letter}:
        doubting = words.DENYING.union(words.DISMISSING, words.UNSETTLING, words.NEGATING, words.FAULTING)
        return not doubting.difference(("question",)).intersection(found)
    own = _OWN.match(said)
    if _THIS_IS.match(said) or (own and own[1] == chosen.letter and own[1] not in "AI"):
        return False
    if chosen.others_in(said) or not is_about_the_subject(said, chosen):
        return False
    if all(len(word) == 1 for word in found) and chosen.mentions_own(said):
        return False
    is_formula = _TAG.search(sentence) is None and re.search(r"[=≈→<>]|\\frac", sentence) is not None
    if _THIS.match(said) and not is_formula and not names_the_subject(found, chosen, share=len(found)):
        return False
    if is_formula or (len(found) > MAX_SHORT_WORDS and holds_on_to_the_subject(said, chosen)):
        return True
    if len(found) > MAX_SHORT_WORDS:
        return False
    if said.endswith(":") and not words.DISMISSING.union(words.RESTRICTING, words.FAVOURING).intersection(found[:1]):
        return not words.DISMISSING.union(words.FAVOURING).intersection(found)
    if found[0] in ("because", "since", "as", "due") and len(found) >= 2 and found[1] != "if":
        return True
    unfit = words.DISMISSING.union(words.RESTRICTING - words.FUNCTION, words.FAVOURING)
    if unfit.difference(words.PLACING).intersection(found):
        return False
    return (not unfit.intersection(found) and names_the_subject(found, chosen)) or tells_of_the_subject(found, chosen)


_NO_HEADING = frozenset(("wrong", "incorrect", "not", "others", "other"))


_TAG = re.compile(r"</?[A-Za-z]")
_NAMED_LETTER = re.compile(r"^\W{0,4}\w{1,3}\s{0,2}:?[=→]\s{0,2}[(\[]?([A-Z])[)\]]?\s{0,2}[.!]?$")
"""A sentence that only gives a letter to a name: `x = D`."""
_SHARE = re.compile(r"(\d{1,4})\s{0,2}(?:/|out\s{1,2}of)\s{0,2}(\d{1,4})")


def is_confident(said: str) -> bool:
    """Whether a confidence is at least one half."""
    if share := _SHARE.search(said):
        return 2 * float(share[1]) >= float(share[2])
    if match := _PERCENT.search(said):
        value = float(match[1])
        return value >= 50 if match[2] or value > 1 else value >= 0.5
    return bool({"high", "full", "certain", "strong", "complete", "sure"}.intersection(words.words_in(said))) and not (
        {"not", "no", "low"}.intersection(words.words_in(said))
    )


def _is_of_others(said: str, chosen: Chosen) -> bool:
    """Whether a sentence is about the options that were not chosen, and favours none of them."""
    found = words.words_in(said)
    if _OTHERS.match(said) or _NUMBERED.match(said):
        if {"disagree", "disagreed", "differ", "otherwise"}.intersection(found):
            return False
        ends_on_letter = any(match.end() >= len(said.rstrip(" .!)*")) for match in chosen.others_in(said))
        return not (ends_on_letter or favours(found, words.FAVOURING_OTHERS) or words.ABOUT_AUTHOR.intersection(found))
    others = chosen.others_in(said)
    if (supposed := _SUPPOSED.match(said)) and len(others) == 1 and others[0].end() <= supposed.end():
        taken = words.DENYING.union(words.ABOUT_THE_ANSWER) - {"option", "answer", "choice"}
        return not taken.intersection(found) and not favours(words.words_in(said[supposed.end() :]))
    if not others or any(word not in _BEFORE_OTHER for word in words.words_in(said[: others[0].start()])):
        return False
    rest = words.words_in(said[others[-1].end() :])
    if not rest or rest[0] in words.RESTRICTING or (len(rest) <= 2 and words.INSISTING.intersection(rest)):
        return False
    if "%" in said or words.ABOUT_AUTHOR.intersection(found) or words.SAYING.intersection(rest[:2]):
        return False
    if len(others) == 1 and said[others[0].end() :].lstrip()[:1] == ",":
        return False
    judged = words.NEGATING.union(words.DENYING, words.DISMISSING, words.DIFFERING, chosen.asked - words.FUNCTION)
    is_set_aside = said[others[0].end() :].lstrip().startswith(":") or _WOULD_BE.search(said)
    if len(found) <= MAX_SHORT_WORDS and judged.isdisjoint(found) and not is_set_aside:
        return False  # `B edges it.`
    claimed = rest[0] in words.CLAIMING or (rest[0] in ("is", "was") and len(rest) > 1 and rest[1] in words.CLAIMED)
    if claimed and not words.NEGATING.union(words.DENYING, words.DISMISSING, words.DIFFERING).intersection(rest):
        return False  # `D satisfies all conditions`
    denied = words.DENYING | words.DISMISSING
    if any(word in denied and words.NEGATING.intersection(found[max(0, at - 4) : at]) for at, word in enumerate(found)):
        return False  # `D cannot be excluded`
    if chosen.mentions_own(said) and words.DENYING.intersection(found):
        return False
    return not favours(words.words_in(_WOULD_BE.sub(" ", said)))


_WOULD_BE = re.compile(
    r"\bwould\s{1,4}(?:only\s{1,4})?(?:be|have\s{1,4}been)\s{1,4}(?:right|correct|true|the\s{1,4}(?:right\s{1,4}|correct\s{1,4})?answer)\s{1,4}"
    r"(?:only\s{1,4})?(?:for|if|in|when|with|under)\b(?!\s{1,4}(?:this|our|the|that|here)\b)",
    re.IGNORECASE,
)
"""A phrase by which an option would be right for something that was not asked: `A would be right for France`."""


def is_of_the_answer(said: str, chosen: Chosen) -> bool:
    """Whether a sentence says something good of the answer: `C is correct because …`, `This option describes …`."""
    own = _OWN.match(said)
    if own and own[1] == chosen.letter and not (own[1] in "AI" and _IN_PROSE.match(said, own.end())):
        rest = said[own.end() :]
    elif about := _THIS_IS.match(said):
        found = words.words_in(said[about.end() :])
        if (reason := re.search(r"(?:because|since|due)$", about[0], re.IGNORECASE)) is not None:
            return _is_reason(said[about.start() + reason.start() :], chosen)
        taken = words.DENYING.union(words.DISMISSING, words.SAYING, words.ABOUT_AUTHOR) - _IN_ARGUMENTS
        return not taken.intersection(found) and _is_plain_noun(said[about.end() :])
    elif about := _THIS_ANSWER.match(said):
        rest = said[about.end() :]
    else:
        return False
    if chosen.own and rest.strip(" .:-–—()").casefold().startswith(chosen.own):
        rest = rest.strip(" .:-–—()")[len(chosen.own) :]
        if not rest.strip(" .)"):
            return True
    if not _is_plain_noun(rest):
        return False
    following = words.words_in(rest)
    if not following or following[0] not in words.PREDICATES:
        return _is_reason(rest.strip(" ,.:;–—-("), chosen)
    if following[0] in _PRAISING:
        return not words.DENYING.union(words.ABOUT_AUTHOR, ("but", "however", "only", "if")).intersection(following)
    return (
        (
            following[0] not in ("is", "was")
            or (len(following) > 1 and following[1] in words.PREDICATES | words.COMPLEMENTS)
        )
        and not words.DENYING.union(words.DISMISSING, words.SAYING, words.LIMITING).intersection(
            words.words_in(_ONLY_ONE.sub(" ", rest))
        )
        and (
            following[0] in _JUDGING or names_the_subject(following, chosen, share=len(following)) or len(following) > 5
        )
        and not any(match[0] != "A" for match in chosen.others_in(rest))
    )


_ONLY_ONE = re.compile(r"\bthe\s{1,4}only\s{1,4}(?=(?:one|option|choice|answer|letter)\b)", re.IGNORECASE)
_PRAISING = frozenset(("correctly", "accurately", "precisely"))
_JUDGING = frozenset(("is", "was", "correct", "right", "best", "true", "matches", "satisfies", "fits"))


def _is_plain_noun(text: str) -> bool:
    """Whether an answer, option, choice or letter that a text speaks of is called nothing but right, and is of this
    question: not `the popular choice`, `the answer for even n`."""
    for match in _NOUN.finditer(text):
        if any(word not in words.TAIL for word in words.words_in(match[1])):
            return False
        following = words.words_in(text[match.end() : match.end() + 40])[:3]
        is_of_another = following[:1] in (["for"], ["of"], ["to"], ["in"], ["if"], ["when"], ["on"])
        if is_of_another and not {"question", "options", "given"} & set(following):
            return False
        is_told_apart = following[:1] == ["that"] and following[1:2] and following[1] in words.PREDICATES
        if "another" in following or (following[:1] == ["that"] and not is_told_apart):
            return False
    return True


_NOUN = re.compile(r"((?:\b[\w-]{1,20}\s{1,4}){0,2})\b(?:answers?|choices?|options?|letter|one|key)\b", re.IGNORECASE)
