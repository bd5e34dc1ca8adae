"""What stands around a statement: whether its sentence lets it count, and whether the text goes back on it later.

In front of a statement the rule is an allow-list: there are more ways to suppose, attribute or doubt an answer than a
list could hold, and few ways to give one. What the list does not know is no evidence.

Promises: linear in what it is given, which callers bound. Does not: find statements (verifiers.choice.reading).
"""

from __future__ import annotations

import re

from verifiers import prose
from verifiers.answer_words import (
    CHECKING,
    CJK_LEADING,
    DENYING,
    DISMISSING,
    FAILING,
    FUNCTION,
    GIVING_UP,
    HEADINGS,
    INTRODUCING,
    LEADING,
    NEGATING,
    SAYING,
    UNKNOWING,
    WORKING,
    words_in,
)
from verifiers.choice.behind import has_unknown_mark
from verifiers.choice.objects import is_key

MAX_LEAD_CHARS = 240
"""Characters in front of a statement that are read as its sentence. A longer lead is not known to be harmless."""

_SUSPECT = re.compile(
    r"\b(?:if|when(?:ever)?|unless|otherwise|suppos\w{1,8}|assum\w{1,8}|provided|pretend\w{0,5}|imagin\w{1,4}|guess\w{0,5}|"
    r"claim\w{0,4}|conjecture\w{0,2}|hypothes\w{1,6}|according|unlikely|no\s{1,4}way|refuse|naive(?:ly)?|"
    r"intuitively|ignoring|wrong(?:ly)?|incorrect(?:ly)?|bad|failed|flawed|disprove|glance|sight|used\s{1,4}to|"
    r"let['’]s\s{1,4}say|looks\s{1,4}like|example|format|template|e\.g|form|instead|without|under|would\s{1,4}have|could|might|"
    r"whether|doubt|tempt\w{1,4}|were\s{1,4}\w{1,20}\s{1,4}to|in\s{1,4}(?:that|this|which)\s{1,4}case|"
    r"had\s{1,4}(?:the|it|we))\b|^\W{0,4}(?:had|were|should|given|with|for)\b",
    re.IGNORECASE,
)
_JOINS = re.compile(r"\W{0,8}(?:so|but|and|thus|hence|therefore|then|which|making|meaning|actually)\b", re.IGNORECASE)
_SUBORDINATE = re.compile(
    r"\W{0,8}(?:因为|因為|由于|由於|根据|根據|(?:since|because|as|eliminating|excluding|ruling\s{1,4}out|based|from|looking|considering|after|among|of|out|between|comparing|overall|finally|clearly|"
    r"upon|now|then|so|thus|hence|therefore|also|next|consequently|given)\b|"
    r"in\s{1,8}(?:conclusion|summary|short|total|all|the\s{1,8}end)\b|"
    r"by\s{1,8}(?:the\s{1,8})?(?:process|elimination|definition|above|law|rule|theorem|principle)\b)",
    re.IGNORECASE,
)
_SUPPOSED = re.compile(
    r"\W{0,8}(?:(?:so|now|first|let\s{1,8}us|let['’]s|we|next)[\s,]{1,8}){0,3}(?:suppose|assume|assuming|imagine|pretend|say)\b",
    re.IGNORECASE,
)
_SUPPOSED_LABEL = re.compile(
    r"\b(?:if|when|case|suppose|assum\w{1,8}|wrong|incorrect|naive|claim|attempt|flawed|failed|guess)\b", re.IGNORECASE
)
"""A label on the line above that supposes something: `If n is odd:`."""
_SENTENCE_END = re.compile(r"[.!?]['\"”)*_]{0,4}\s|[\n。！？]")


def sentence_before(text: str, start: int) -> str:
    """What stands between the beginning of the sentence and the statement. An ellipsis ends no sentence."""
    lead = text[max(0, start - MAX_LEAD_CHARS) : start]
    begin = 0
    for match in _SENTENCE_END.finditer(lead):
        if match[0][0] != "." or not lead[: match.start()].casefold().endswith((".", "e.g", "i.e", "cf")):
            begin = match.end()
    return lead[begin:]


def _follows_a_supposition(text: str, begin: int) -> bool:
    """Whether the sentence before the one that begins at `begin` supposes something, in the same paragraph."""
    between = text[max(0, begin - 20) : begin]
    between = between[len(between.rstrip(" \t\n.!?*_)")) :]
    end = begin - len(between)
    if "\n\n" in between or not end:
        return False
    previous = sentence_before(text, end)
    return bool(
        _SUPPOSED.match(previous) or (previous.rstrip().endswith(":") and _SUPPOSED_LABEL.search(previous[-80:]))
    )


def is_counted_lead(text: str, start: int, asked: frozenset[str] = frozenset(), *, is_box: bool = False) -> bool:
    """Whether the sentence in front of a statement, and what introduces it, give an answer. `asked` are the words of
    the question: in front of a box they name what was looked for (`the total force is`)."""
    lead = sentence_before(text, start)
    begin = start - len(lead)
    line = text.rfind("\n", begin, start) + 1
    if has_unknown_mark(text[max(begin, line, start - MAX_LEAD_CHARS) : start]) or "~~" in lead:
        return False
    if key := is_key(text, start):
        return key.is_plain and not is_badly_introduced(text, key.begin, asked)
    if _follows_a_supposition(text, begin) or is_badly_introduced(text, begin, asked):
        return False
    if is_quoted(lead):
        return False
    if is_box:
        lead = _NAMED_VALUE.sub("", _MATHS.sub(" ", lead))
    if not any(char.isalpha() for char in lead):
        return not _FORM_TAG.search(lead) and (is_box or not _NUMBERED_LEAD.search(lead))
    if not lead.isascii() and _FOREIGN_DENIAL.search(lead):
        return False
    further = asked | INTRODUCING if is_box else frozenset()
    clauses = re.split(r"[,;:–—(]|\s-\s", lead)
    if not _is_harmless(clauses[-1], further) or (not is_box and _NUMBERED_LEAD.search(clauses[-1])):
        return False
    before = lead[: len(lead) - len(clauses[-1])]
    if not any(char.isalpha() for char in before):
        return True
    if before.rstrip().endswith(":"):
        return _is_harmless(clauses[-2], further)
    if _SUSPECT.search(before):
        return all(_is_harmless(clause) for clause in clauses[:-1])
    if before.rstrip().endswith(";"):
        return True
    return bool(_is_harmless(before, further) or _SUBORDINATE.match(before) or _JOINS.match(clauses[-1]))


_QUOTES = (("“", "”"), ("„", "“"), ("«", "»"), ("「", "」"), ("『", "』"), ("‹", "›"))
_SINGLE = re.compile(r"(?:^|[\s(:])['‘][^'’\n]{0,200}$")


def is_quoted(lead: str) -> bool:
    """Whether a quotation that begins in a statement's lead is open where the statement begins."""
    if lead.count('"') % 2 or any(lead.rfind(opening) > lead.rfind(closing) for opening, closing in _QUOTES):
        return True
    return _SINGLE.search(lead) is not None


_RULED_OUT = re.compile(r"\brul(?:e|es|ed|ing)\s{1,4}out\b", re.IGNORECASE)


def is_free_lead(text: str, start: int, asked: frozenset[str]) -> bool:
    """Whether the sentence in front of a box that holds a value may go before an answer: it says what the value is of,
    in any words but those that dismiss it."""
    lead = sentence_before(text, start)
    begin = start - len(lead)
    if has_unknown_mark(lead) or "~~" in lead or is_badly_introduced(text, begin, asked, is_value=True):
        return False
    if _follows_a_supposition(text, begin) or is_quoted(lead):
        return False
    if _RULED_OUT.search(lead):
        return False
    clause = words_in(_MATHS.sub(" ", re.split(r"[,;:–—(]|\s-\s", lead)[-1]))
    return not (
        _NOT_INTRODUCING - {"least", "old", "test", "sample", "error", "random", "drop", "removed"}
    ).intersection(clause)


_NUMBERED_LEAD = re.compile(
    r"(?<!step )(?<!question )(?<!problem )(?<!exercise )(?<![qQ#.\d])\b\d{1,20}(?![.)\d])", re.IGNORECASE
)
"""A number that is no number of a step or a question: `2019 answer: C`."""
_MATHS = re.compile(
    r"\\(?:text\w{0,4}|math\w{2,4}|quad|qquad|displaystyle|large|Large|huge|left|therefore|[\[\](),;! ])|[${}&\\]"
)
_NAMED_VALUE = re.compile(
    r"(?<![^\W\d_])[A-Za-z\u0370-\u03ff](?:_\w{1,12}|\w{0,12}\([\w, ]{1,12}\))?\s{0,4}[=:]\s{0,4}$"
)
"""A name with an equals sign in front of a box: `x =`."""


_ATTRIBUTED = re.compile(
    r"^[\s#*_>-]{0,12}(?:(?!(?:it|let|here|that|what|there|today)['’])[\w]{1,20}['’]s|(?:an?|the|some|his|her|their|your|another|one)?\s{0,4}"
    r"(?:wrong|incorrect|flawed|bad|failed|buggy|naive|student|students['’]|previous|former|old|rejected|faulty|bogus|first|mistaken|sample|example))\s{1,4}"
    r"(?:(?:\w{1,16}\s{1,4}){0,2})(?:solution|answer|attempt|work|working|reasoning|argument|proof|response|approach|guess|submission|paper|essay|notes?)"
    r"[*_ ]{0,4}:?[*_ ]{0,4}$",
    re.IGNORECASE | re.MULTILINE,
)
_OWN_HEADING = re.compile(
    r"^[\s#*_>-]{0,12}(?:(?:the|my|our|so|thus|therefore|hence)\s{1,4}){0,2}(?:final|correct|right|true|actual|proper|real|conclusion)\b",
    re.IGNORECASE | re.MULTILINE,
)


def is_of_another_author(text: str, start: int) -> bool:
    """Whether a heading above says that the work which ends in a statement is of somebody else, or is wrong:
    `Alice's solution:`, `A flawed argument:`."""
    headings = list(_ATTRIBUTED.finditer(text, 0, start))
    return bool(headings) and _OWN_HEADING.search(text, headings[-1].end(), start + 1) is None


def is_badly_introduced(text: str, begin: int, asked: frozenset[str] = frozenset(), *, is_value: bool = False) -> bool:
    """Whether what stands above the sentence that begins at `begin` introduces it as anything but an answer:
    `Bob said:`, `The following is wrong.`, `I have no idea.`"""
    above = text[max(0, begin - MAX_LEAD_CHARS) : begin].rstrip(" \t\n*_$>#[({\\-\"'`")
    if not above:
        return False
    if above[-1] in ":：":
        line = sentence_before(above, len(above))
        clauses = re.split(r"[,;:–—(]|\s-\s", line.strip(" *_:"))
        judged = clauses[-1] if _JOINS.match(clauses[-1]) else line
        if has_unknown_mark(line) or (_NOT_INTRODUCING - asked).intersection(words_in(judged)):
            return True
        if not _JOINS.match(clauses[-1]) and _SUPPOSING.match(line):
            return True
        if is_value:
            return bool(SAYING.intersection(words_in(line)))
        further = asked | INTRODUCING | FUNCTION | HEADINGS - {"other", "others"}
        return not _is_harmless(_MATHS.sub(" ", clauses[-1]), further)
    line = above[above.rfind("\n") + 1 :]
    if _is_a_bad_beginning(line, asked):
        return True
    if _is_a_bad_heading(
        line, is_bold=text[max(0, begin - MAX_LEAD_CHARS) : begin].rstrip().endswith("**"), asked=asked
    ):
        return True
    last = sentence_before(above, max(0, len(above) - 1))
    if above[-1] == "?" and _WHICH.match(last) and (_NOT_INTRODUCING - asked).intersection(words_in(last)):
        return True
    former = above[: len(above) - len(last) - 1].rstrip()
    spoken = [last, sentence_before(former, max(0, len(former) - 1))]
    if begin > MAX_LEAD_CHARS:
        spoken = [one for one in spoken if not above.startswith(one)]  # it begins further above
    return any(_gives_nothing(one, asked) for one in spoken if one)


_GOES_ON = re.compile(
    r"\b(?:is|be|are|was|were|would|will|then|that|not|never|but|or|and|than|to|of|for|the|an?|if|unless|when|it|this|"
    r"choose|pick|select|take|reject|avoid|eliminate|exclude|says?|said|claims?|gets?|gives?|get|obtain|have|with|by|as|"
    r"so|i\.e|namely)[*_ ]{0,4}$|,$",
    re.IGNORECASE,
)
"""The end of a line whose sentence goes on below."""
_SUPPOSING = re.compile(
    r"\W{0,8}(?:(?:so|then|but|and|now|thus|even|only)\s{1,4}){0,2}(?:if|when|whenever|unless|suppos\w{1,4}|assum\w{1,4}|provided|were|had|"
    r"should|otherwise|in\s{1,4}that\s{1,4}case|under|without|pretend\w{0,3}|imagin\w{1,3})\b",
    re.IGNORECASE,
)
_ASKING = re.compile(
    r"\W{0,8}(?:is|are|was|could|can|would|should|does|do|did|why|how|which|who|what)\b(?!\s{1,4}(?:is|we))",
    re.IGNORECASE,
)


def _is_a_bad_beginning(line: str, asked: frozenset[str]) -> bool:
    """Whether a sentence begins on the line above and is not one that gives an answer: `Bob claims the answer is`."""
    if not _GOES_ON.search(line):
        return False
    sentence = sentence_before(line, len(line))
    if sentence.endswith(",") and _SUBORDINATE.match(sentence):
        return False  # `Since the other options fail,`
    clauses = re.split(r"[,;:–—(]|\s-\s", _MATHS.sub(" ", sentence).rstrip(", "))
    before = sentence[: max(0, len(sentence) - len(clauses[-1]))]
    return bool(
        _ASKING.match(sentence)
        or not _is_harmless(clauses[-1], asked | INTRODUCING)
        or _SUPPOSING.match(before)
        or _DENIED_END.search(sentence)
    )


_DENIED_END = re.compile(r"\b(?:not|never|or|nor|n['’]t|but|than)[*_: ]{0,4}$", re.IGNORECASE)


def _is_a_bad_heading(line: str, *, is_bold: bool, asked: frozenset[str]) -> bool:
    """Whether a line is a heading, or a few words by themselves, of anything but an answer: `## Failed attempt`."""
    found = words_in(line)
    if len(found) > MAX_HEADING_WORDS:
        return False
    is_heading = line.lstrip()[:1] == "#" or (is_bold and line.lstrip()[:2] == "**")
    if _STEP.match(line):
        return is_heading and bool((_NOT_INTRODUCING - asked).intersection(found))
    if not is_heading and (len(found) > MAX_LABEL_WORDS or not _LABEL_LINE.fullmatch(line) or _ITEM.match(line)):
        return False
    return not all(
        word in LEADING or word in INTRODUCING or word in HEADINGS or word in asked or _CJK.search(word)
        for word in found
    ) or bool((_NOT_INTRODUCING - asked).intersection(found))


_STEP = re.compile(r"[\W_]{0,12}(?:step|\d{1,2}[.)])", re.IGNORECASE)
_LABEL_LINE = re.compile(r"[ \t*_>-]{0,8}[^\W\d_][\w'’ -]{1,60}[*_ ]{0,4}")
_ITEM = re.compile(r"[ \t]{0,8}(?:[-*+•][ \t]|[(\[]?[A-Za-z][)\].:])")
MAX_LABEL_WORDS = 4


def _gives_nothing(sentence: str, asked: frozenset[str]) -> bool:
    """Whether a sentence says that its author does not know, or that what follows is no answer."""
    found = words_in(sentence)
    known = frozenset(found)
    if found[:1] == ["guess"]:
        return False  # `Guess: the answer is A.` is a statement of its own
    if GIVING_UP & known and (len(found) <= MAX_SHORT_CONFESSION or "i" in known or "i'm" in known):
        return True
    if "i" in known and UNKNOWING & known and NEGATING & known:
        return True
    if _DISOWNED_ABOVE.search(sentence):
        return True
    if CHECKING & known and FAILING & known and len(found) <= MAX_SHORT_CONFESSION:
        return True
    if (
        found[:1] in (["i"], ["i'm"], ["i’m"], ["my"])
        and len(found) <= MAX_HEADING_WORDS
        and "answer is" not in sentence
    ):
        unknown = (word for word in found if word not in LEADING and word not in WORKING and len(word) > 1)
        return any(word not in asked for word in unknown)
    return _ANNOUNCED.search(sentence) is not None and not _is_harmless(sentence, INTRODUCING)


_WHICH = re.compile(
    r"\W{0,8}(?:so\s{1,4}|and\s{1,4}|but\s{1,4})?(?:which|what)\s{1,4}(?:of|option|choice|answer|statement|letter|one|is)\b",
    re.IGNORECASE,
)
"""The beginning of a question that the answer behind it answers: `Which one is wrong?`"""
_DISOWNED_ABOVE = re.compile(
    r"\b(?:everything|all|most|none|nothing|much|(?:the(?=\s{1,4}\w{1,16}\s{1,4}(?:above|so\s{1,4}far|here)\b)|my|this|our)\s{1,4}(?:whole\s{1,4}|entire\s{1,4})?(?:reasoning|argument|work|working|solution|"
    r"analysis|proof|derivation|calculation|computation|method|approach|attempt|logic|text))\s{1,4}"
    r"(?:of\s{1,4}(?:this|it|that|the)\s{1,4}|above\s{1,4}|so\s{1,4}far\s{1,4}|here\s{1,4}|(?:that\s{1,4})?i\s{1,4}\w{1,12}\s{1,4}|above,?\s{1,4}){0,2}"
    r"(?:is|was|are|were|has|have|may\s{1,4}be|might\s{1,4}be|could\s{1,4}be|contains?|fails?|failed)\s{1,4}(?:\w{1,12}\s{1,4}){0,3}?"
    r"(?:wrong|flawed|false|incorrect|made\s{1,4}up|invalid|nonsense|faulty|an?\s{1,4}(?:mistake|error|lie|joke)|mistakes|errors|broken|bogus|unreliable|incomplete|unfinished)\b|"
    r"\b(?:this|it|that|which|mine|what\s{1,4}follows|(?:the|my)\s{1,4}answer)\s{1,4}(?:is|was|will\s{1,4}be|would\s{1,4}be)\s{1,4}(?:\w{1,12}\s{1,4}){0,2}"
    r"(?:guess|guesswork|speculation|joke|lie|gamble|stab|shot)\b|"
    r"\bout\s{1,4}of\s{1,4}(?:time|ideas|patience|tokens|space|budget|energy|options)\b|\btime\s{1,4}(?:is|['’]s)\s{1,4}up\b|\bno\s{1,4}time\b|"
    r"\b(?:must|have\s{1,4}to|need\s{1,4}to|should|will|ll)\s{1,4}(?:just\s{1,4})?(?:answer|pick|choose|say|write|put|give|guess)\s{1,4}(?:something|anything|one|at\s{1,4}random)\b",
    re.IGNORECASE,
)
"""A sentence that disowns the work above it, or says that there was no time to do it."""
_ANNOUNCED = re.compile(
    r"\b(?:the|what|which)\s{1,4}(?:text\s{1,4}|part\s{1,4}|line\s{1,4}|sentence\s{1,4})?follow(?:s|ing)\s{0,4}(?:$|[.,!]|(?:is|was|are|were|isn|has|should|must|comes|may|might|would|will|can|"
    r"cannot|text|line|lines|sentence|statement|statements|answer|claim|paragraph|passage|letter|quote)\b)|"
    r"\b(?:next|coming|subsequent|last)\s{1,4}(?:line|lines|sentence|statement|answer|claim|paragraph|letter|passage|part|bit)\b|"
    r"(?:^|[.!?\n])\W{0,6}(?:below|beneath|underneath|here)(?:\s{1,4}(?:is|are|comes|follows)|['’]s)\b|\b(?:is|line|text|answer|claim|statement)\s{1,4}below\s{0,4}(?:$|[.,!:])",
    re.IGNORECASE,
)
"""A sentence that speaks of what follows it."""
MAX_HEADING_WORDS = 8
MAX_SHORT_CONFESSION = 6
"""Words of a sentence that is short enough to be no more than a confession: `Just guessing.`"""
_NOT_INTRODUCING = (DENYING | DISMISSING | frozenset(("not", "no", "others"))) - frozenset(
    ("rule", "rules", "fail", "eliminate", "eliminating")
)


_FORM_TAG = re.compile(r"<(?:example|format|template)", re.IGNORECASE)
_FOREIGN_DENIAL = re.compile(
    r"错|不是|旧|示例|例如|假设|假如|如果|若|否则|可能|\bwenn\b|\bfalls\b|"
    r"\bsi\b|\bse\b|\bесли\b|\bfalsch|\bmauvaise|\bincorrect|\bneprav|невер",
    re.IGNORECASE,
)
_CJK = re.compile("[\u0600-\u06ff\u0900-\u09ff\u1e00-\u1eff\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")


def _is_harmless(clause: str, further: frozenset[str] = frozenset()) -> bool:
    """Whether a clause consists of words that only lead to an answer."""
    found = words_in(clause)
    for index, word in enumerate(found):
        if _CJK.search(word):
            if CJK_LEADING.fullmatch(word) is None:
                return False
        elif word == "no":
            if index < len(found) - 1:
                return False
        elif word not in LEADING and word not in further:
            return False
    return True


_BOX_DENIED = re.compile(
    r"\b(?:complement|opposite|negation|inverse|contrary)\s{1,8}of\W{0,8}$|"
    r"\b(?:everything|anything|all|nothing)\s{1,8}(?:but|except)(?:\s{1,8}for)?\W{0,8}$|\bexcept(?:\s{1,8}for)?\W{0,8}$|"
    r"(?:n['’]t|\bnever|\bnot)\s{1,8}(?:pick|choose|select|take|use|answer|write|put)\b[^.\n;]{0,40}$|"
    r"\b(?:format|form|template|for\s{1,8}example|e\.g\.|for\s{1,8}instance|such\s{1,8}as|like\s{1,8}this)\b[^.!\n]{0,40}$|"
    r"\b(?:if|unless|suppose|assuming|otherwise|were)\b[^.!\n]{0,120}$|"
    r"\b(?:maybe|perhaps|possibly|might|could)\b[^.!\n,;]{0,40}$|"
    r"\b(?:(?!(?:it|that|there|what|here|let|who)['’]s)[a-z]{1,20}['’]s|his|her|their)\s{1,8}(?:\w{1,12}\s{1,8})?(?:answer|guess|choice|pick|option)\b[^.!\n,;]{0,20}$|"
    r"\b(?:one|another|some|old|previous|possible)\s{1,8}(?:answer|choice|option)\s{1,8}(?:is|was)\b\W{0,8}$|"
    r"\bmy\s{1,8}(?:friend|teacher|classmate|colleague|brother|sister|book|textbook)\b[^.!\n,;]{0,40}$|"
    r"\b(?!(?:we|i|this|that|which|it)\b)[a-z]{2,20}\s{1,8}(?:says?|said|thinks?|thought|claims?|claimed|believes?|wrote|chose|picked|answered)\b[^.!\n,;]{0,20}$",
    re.IGNORECASE,
)
_OTHER_LABEL = re.compile(r"^\W{0,8}((?:[A-Za-z'’]{1,20}\s{0,4}){1,3}):\W{0,8}$")
_OF_OTHERS = re.compile(
    r"^[\s$)*\"”'.,;:(\\\]}–—-]{0,12}(?:(?:is|was)\s{1,8}(?:what|[A-Z][a-z]{1,20}['’]s|my\s{1,8}(?:first|initial|old)|the\s{1,8}(?:old|first|wrong|previous|other)\b|"
    r"an?\s{1,8}(?:trap|guess|common|possible|tempting|distractor)|one\s{1,8}of|only\b|just\b)|(?:might|may|could|seems)\b|(?:says?|said|according|unless|guess|approximately|maybe|perhaps|probably|"
    r"or\s{1,8}so|on\s{1,8}earth|for\s{1,8}part|if(?!\s{1,4}you\s{1,4}(?:need|have|want|would|like)\b)|in\s{1,8}(?:the|that|this|one)\s{1,8}(?:\w{1,12}\s{1,8})?case)\b)",
    re.IGNORECASE,
)
"""What, directly behind an answer, restricts it or says that it is somebody else's."""
_SAID_BY_OTHERS = re.compile(
    r"\b(?:says?|said|according\s{1,8}to|claims?|claimed|thinks?|guess(?:ed|es)?|approximately|supposedly|which\s{1,8}[A-Z][a-z]{1,20}\s{1,8}\w{1,12}(?:ed|s|d))\b"
)


def is_denied_box(text: str, start: int) -> bool:
    """Whether a box stands in a sentence that warns of it, shows a form or supposes something."""
    lead = sentence_before(text, start)
    if _BOX_DENIED.search(lead) or prose.gives_up(text[max(0, start - MAX_LEAD_CHARS) : start]):
        return True
    label = _OTHER_LABEL.match(lead)
    return label is not None and not _is_harmless(label[1])


def is_of_others(text: str, end: int, span: str) -> bool:
    """Whether an answer that ends at `end` is attributed, guessed or restricted, by what stands behind it or in `span`,
    its statement."""
    return _OF_OTHERS.match(text[end : end + 80]) is not None or _SAID_BY_OTHERS.search(span) is not None


_CALCULATED_BEFORE = re.compile(
    r"(?:[\d+/^×÷·<≠±√]|(?<![*\s])\*|(?<!\*)\*(?=[ \t]{1,8}$)|[A-Za-z\d}]_|(?<!-)-(?=$)|(?:^|[\d)}$=(])[ \t]{0,4}-|"
    r"[A-Za-z\d]\(|[A-Za-z}\])]\{|"
    r"\\(?:times|cdot|div|pm|mp|neg|lnot|neq?|sqrt|leq?|geq?|log|ln|sin|cos|tan))[ \t]{0,4}$"
)
_FONT = re.compile(
    r"\\(?:text\w{0,4}|math\w{2,4}|displaystyle|large|Large|huge|boxed|fbox|framebox|color\{\w{1,20}\})\{$"
)
_CALCULATED_BEHIND = re.compile(
    r"[ \t]{0,4}(?:[\^_+/×÷·=>%°]|<(?![/|])|!?[ \t]{0,4}\^|\*(?!\*)[ \t]{0,4}\w|"
    r"\\(?:times|cdot|div|pm|mp|%|sqrt|pi|circ|frac|sin|cos|leq?|geq?|neq?)|-[ \t]{0,4}[\d\\])"
    r"|[A-Za-z\d]|-\w"
)
_SPACING = re.compile(r"\\[,;:! ]|\\q?quad(?![A-Za-z])|[{}](?=\^)")


def is_calculated_with(text: str, start: int, stop: int) -> bool:
    r"""Whether a box is a part of a formula: `2\boxed{8}`, `\boxed{8}^2`, `\frac{\boxed{8}}{2}`."""
    lead = _SPACING.sub(" ", text[max(0, start - 40) : start])
    line = lead[lead.rfind("\n") + 1 :]
    if line.strip() in ("-", "*", "+", ">") and line.rstrip() != line:
        line = ""  # an item of a list
    if text[stop : stop + 1] == "'" and text[start - 1 : start] != "'":
        return True
    before = _CALCULATED_BEFORE.search(line) is not None and _FONT.search(line) is None
    return before or _CALCULATED_BEHIND.match(_SPACING.sub(" ", text[stop : stop + 40])) is not None


_LIST_LABEL = re.compile(
    r"\b(?:choices|options|candidates|examples?|format|template|wrong|incorrect|eliminated)\b[^\n]{0,40}:\W{0,8}$",
    re.IGNORECASE,
)


def is_list_label(above: str) -> bool:
    """Whether the line above says that what follows is no answer but a list or a form."""
    return _LIST_LABEL.search(above.rstrip()) is not None


_OVERRULED = re.compile(
    r"\blet\s{1,8}me\s{1,8}re-?(?:do|compute|calculate|check|consider|think|examine|evaluate|try|work|solve|read|start)\w{0,4}\b|"
    r"\bnever\s{0,2}mind\b|\bsorry\b|\bsecond\s{1,4}thoughts?\b|\bshould\s{1,8}have\s{1,8}been\b|\bhm{2,8}\b|\bapolog|"
    r"\bmy\s{1,4}bad\b|\bi\s{1,4}(?:disagree|retract|withdraw)\b|"
    r"(?:^|\n)[\s*_#]{0,8}(?:edit|edited|update|updated|revised|revision|changed)\b[^\n:]{0,20}:|\(\s{0,4}(?:no|wrong|false)\b|"
    r"\bboth\b[^.\n]{0,40}\b(?:right|correct|true|valid|possible|work)\b|"
    r"(?:\.{2,4}|…)\s{0,4}(?:or|maybe)\b",
    re.IGNORECASE,
)
_BETTER = re.compile(
    r"(?<![A-Za-z])([A-Z])[)\]*]{0,3}\s{1,8}"
    r"(?:(?:is|seems)\s{1,8}(?:(?:a|the|also|actually|really|in|fact|much|clearly|probably)\s{1,8}){0,3}"
    r"(?:better|best|right|correct|true|answer)|is\s{1,8}(?:the|my)\s{1,8}(?:one|choice|pick)|would\s{1,8}be\s{1,8}(?:(?:a|the|much)\s{1,8}){0,2}(?:better|best))\b"
)
_MARKED_WRONG = re.compile(
    r"['\"](?:is_?)?(?:correct|valid|right|certain)\w{0,12}['\"]\s{0,8}:\s{0,8}(?:false|null|0|['\"]no)\b",
    re.IGNORECASE,
)


def is_overruled(text: str, begin: int, end: int, letter: str, letters: str) -> bool:
    """Whether the text behind a final statement goes back on it, or finds another option better. `letters` are those of
    the problem."""
    if _OVERRULED.search(text, begin) or _MARKED_WRONG.search(text):
        return True
    return any(match[1] != letter and match[1] in letters for match in _BETTER.finditer(text, end))
