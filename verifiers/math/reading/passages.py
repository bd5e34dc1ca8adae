# ruff: noqa: E501  (tables)
"""The sentences and headings above and below a final answer: do they announce it as none, or undo it?

Directly above an answer may stand any step of the work. What announces a wrong answer, a guess, a quotation, a format,
one case of several or another number than the answer makes it none. Below an answer may stand a check, an explanation
or a farewell. A retraction, a doubt, a bound, a further step, an attribution or another value undoes it.

Promises: only a bounded stretch beside the answer is read, sentence by sentence, so all of it is linear.
"""

from __future__ import annotations

import re

from verifiers.math.reading import languages
from verifiers.math.reading.vocabulary import NUMBER_WORDS

NEAR_ABOVE = 400
"""Characters in front of an answer in which the sentence above it is looked for."""
FAR_ABOVE = 1500
"""Characters in front of an answer in which a heading may announce a wrong solution."""
MAX_BELOW = 4000
"""Characters behind an answer whose sentences are read."""
MAX_SENTENCE = 300
"""Characters of one sentence that are read."""

_MARKS = re.compile(r"\\(?:text|textbf|mathbf|begin|end)\b\s*(?:\{\w+\*?\})?|\\[\[\]()]|[*_#>`$\[\]{}]|</?\w{1,14}>")
_PIECES = re.compile(r"(?<=[.!?:])[\s*_$]+|(?<=[.!?:]\*\*)\s+|\n+")
_OWN_LABEL = re.compile(
    r"(?:(?:so|thus|hence|therefore)\s*,?\s*)?(?:(?:the|my|our)\s+)?(?:final\s+|correct\s+)?(?:answers?|ans|a|conclusion|solution|result)(?:\s+is)?\s*:?\Z|答案?[:：]?\Z",
    re.IGNORECASE,
)
_CASE = (
    r"\W{0,3}(?:[a-z]\b|\|\w\|)\W{0,3}(?:(?:is|are|was)\b|even\b|odd\b|positive\b|negative\b|prime\b|[=<>≤≥≠]|\\[a-z]+)"
)
_WRONG = r"(?:wrong|incorrect|erroneous|flawed|bad|invalid|false|bogus|fake|mistaken|faulty|fallacious|failed|naive|naïve|unsuccessful)"
_WORK = r"(?:solution|answer|approach|attempt|argument|proof|method|reasoning|way|result|value|calculation|try|computation|derivation|response)"
_ANNOUNCES = re.compile(
    rf"\b{_WRONG}\)?\s+(?:\w+\s+)?{_WORK}s?\b|\b(?:following|next|below)\b.*\b(?:is|are|was)\s+(?:\w+\s+)?(?:{_WRONG}|not|untrue|a\s+lie)\b|"
    rf"\b(?:answer|result|value|solution|calculation|sign)\s+(?:is|was|seems|looks)\s+(?:\w+\s+)?(?:{_WRONG}|off|not\s+(?:right|correct))\Z|"
    r"\b(?:line|sentence|statement|number|box|value|answer)s?\s+(?:below|that\s+follows|underneath)\b|"
    r"\bstudents?\s+(?:\w+\s+)?(?:wrote|writes?|solved|answered|claims?|claimed|argued|gave|submitted)\b|\A(?:(?:the|an?|my|our)\s+)?\w+['’]s\s+(?:\w+\s+)?(?:solution|answer|attempt|work|approach|guess|response|example)\s*:?\Z|"
    r"\A(?!(?:It|This|That|What)\b)[A-Z]\w+\s+(?:says|said|wrote|writes|claims|claimed|thinks|thought|answered|argues|argued|replied|guessed|suggests)\s*:?\Z|\b(?:template|book|prompt)\s+says\b|"
    r"\bfind\s+the\s+(?:error|mistake|flaw|bug)|\bwhat\s+not\s+to\b|\b(?:do\s+not|don['’]t|never)\s+(?:write|do|use|say|answer|copy|submit|believe|trust)\b|"
    r"\b(?:output|answer|response)?\s*format(?:\s+(?:is|example)\b|\s*:?\Z)|\btemplate\b|\bexample\s+(?:of|output|answer|response|format)\b|\bfor\s+example,\s+if\b|\bwrite\s+your\b|\b(?:look|looks|answer|answers)\s+like\s+this\b|"
    r"\bguess(?:es|ing|ed)?\b|\bi\s+(?:give|gave)\s+up\b|\bi(?:\s+am|['’]m|\s+was)?\s+(?:can['’]t|cannot|can\s+not|could\s+not|couldn['’]t|unable\s+to|did\s+not|didn['’]t|failed\s+to|do\s+not|don['’]t)\s+(?:really\s+)?(?:solve|determine|find|answer|figure|prove|compute|finish|know|see|understand)\b|"
    r"\b(?:answer|it|this|problem)\s+(?:cannot|can['’]t|could\s+not)\s+be\s+(?:determined|solved|found|known|computed)\b|\bno\s+(?:idea|clue)\b|\bran\s+out\s+of\b|\bunsure\b|\bnot\s+(?:\w+\s+)?(?:sure|certain|confident)\b|\bill-?posed\b|"
    r"\b(?:lying|lorem|placeholders?|joke|joking|kidding|hypothetical\w*)\b|\A(?:so\s+|thus\s+|hence\s+)?there\s+(?:is|are)\s+no\s+(?:solutions?|answers?)\W*\Z|\Ano\s+(?:solutions?|answers?)\W*\Z|"
    r"\A(?:suppose|assume|imagine|pretend|let\s+us\s+(?:pretend|imagine|suppose|assume))\b|\b(?:original|first|initial|old|earlier)\s+\(\w+\)|"
    r"\b(?:invert|double|halve|negate|reverse|add|subtract|multiply|divide|increase|decrease)\b.*\b(?:number|line|value|result|answer)\s+(?:below|that\s+follows)\b",
    re.IGNORECASE,
)
"""A sentence directly above an answer that announces something else than the answer."""
_HEADS_OTHER = re.compile(
    r"(?:(?:an?\s+|the\s+)?(?:previous|warm-?up|last|next|other|another|different|similar|simpler|easier|related|practice|sample|example|the\s+prompt['’]s)\b.{0,20}\b(?:problem|question|exercise|task|example|answer|solution)s?|answer\s+to\s+(?:question|problem|part)\b.*|"
    r"(?:draft|deprecated|obsolete|old|quote|quotation|user|human|student|teacher|question|problem|prompt|decoys?|distractors?|forbidden|negation|counter-?examples?|approximately|approximation|roughly|estimate|percent|percentage|squared|cubed|traps?|hints?|rejected|discarded|unused|example|placeholder|"
    r"(?:upper|lower|trivial|crude|rough)\s+bound|bound)s?|(?:excluded|rejected|discarded|forbidden|wrong|incorrect|invalid|old|previous|outdated|deprecated|draft|intermediate|provisional|alternative)\s+(?:values?|answers?|results?|options?|solutions?)|(?:common|typical|usual)\s+(?:mistakes?|errors?|pitfalls?)|"
    r"(?:first|second|third|initial|failed|earlier|rough|early|another|wrong)?\s*(?:attempt|try|draft|version)s?\b.*|wrong\s+.*|(?:sub)?case\b.*|(?:ignoring|neglecting|disregarding|without|before)\b[^,.]*|in\s+(?:hundreds|thousands|millions|billions|dozens|tens|percent|base|binary|hexadecimal|octal|units)\b.*|mod(?:ulo)?\b.*|"
    r"(?:not|everything|anything|all|nothing)\s+(?:the\s+answer|but|except)\b.*|(?:the\s+)?(?:opposite|reciprocal|negative|square|square\s+root|inverse|half|double|twice|triple|cube|logarithm|complement|floor|ceiling)\b.*\b(?:answer|result|number|value|solution)\b.*|"
    rf"answer\s+(?:minus|plus|times|squared|over|mod|divided)\b.*|(?:if|for|when|whenever|given|unless|in\s+case)\b{_CASE}[^,.:]{{0,40}})\s*:?\Z",
    re.IGNORECASE,
)
"""A heading or a label directly above an answer under which something else than the answer stands."""
_FAR_ANNOUNCES = re.compile(
    rf"\b(?:here\s+is|consider|this\s+is|following\s+is)\s+(?:an?|the)\s+(?:\w+\s+)?{_WRONG}\s+(?:\w+\s+)?{_WORK}|\A(?:\w+\s+)?{_WRONG}\s+{_WORK}s?\s*:?\Z|\bfind\s+the\s+(?:error|mistake|flaw)\s+in\b|\A\w+\s+student\s+(?:wrote|solved)\b.*:\Z",
    re.IGNORECASE,
)
_CORRECTS = re.compile(
    r"\b(?:correct|correctly|right|actual|fix|instead|however|but|now|properly|true)\b", re.IGNORECASE
)


def is_announced_as_none(text: str, start: int) -> bool:
    """Whether what stands above the answer at `start` announces a wrong answer, a guess, a case or another number."""
    pieces = _pieces(text[max(0, start - NEAR_ABOVE) : start])
    if text[start - 1 : start] != "\n" and pieces and not _ends_itself(text, start):
        own = pieces.pop()  # the sentence of the answer itself
        if ";" in own:
            pieces.append(own.rpartition(";")[0])
    while pieces and _OWN_LABEL.match(pieces[-1]):
        pieces.pop()
    if pieces and pieces[-1].endswith((":", "：")) and languages.is_foreign(pieces[-1]):
        return not languages.states_answer(pieces[-1])
    if pieces and (_ANNOUNCES.search(pieces[-1]) or _HEADS_OTHER.match(pieces[-1])):
        return True
    far = _pieces(text[max(0, start - FAR_ABOVE) : start])
    for place in range(len(far) - 1, -1, -1):
        if _FAR_ANNOUNCES.search(far[place]):
            return True
        if _CORRECTS.search(far[place]):
            return False
    return False


def _ends_itself(text: str, start: int) -> bool:
    """Whether a sentence or a label ends directly in front of the place."""
    before = re.sub(r"(?:[\s$*_`\[(\\>]|<\w{1,14}>|#{1,6})+\Z", "", text[max(0, start - 60) : start])
    return before == "" or before[-1:] in ".!?:" or "\n" in text[start - (min(start, 60) - len(before)) : start]


def _pieces(text: str) -> list[str]:
    """The sentences and lines of a text without marks; a label that ends with a colon is one of its own."""
    return [piece for part in _PIECES.split(text) if (piece := _MARKS.sub("", part[:MAX_SENTENCE]).strip(" \t-–—•"))]


# Below an answer.

_CLOSERS_OF_ANSWER = re.compile(r"(?:[\s$*_`)\]}.,;:!]|\\[\])]|\\(?:quad|qquad|,|end\{\w+\*?\})|</\w+>)*")
_ALONE = re.compile(
    r"\W*(?:not(?:\s+(?:quite|really|exactly|so\s+fast))?|nah|nope|no|hang\s+on|hold\s+on|psych|kidding|april\s+fools?|lol|lmao|jk|/?s|sarcasm|probably|maybe(?:\s+not)?|perhaps(?:\s+not)?|possibly|allegedly|supposedly|hopefully|presumably|"
    r"or\s+not|as\s+if|yeah,?\s+right|i\s+(?:think|guess|hope|suppose)|gotcha|wrong|false|incorrect|rejected|nonsense|rubbish|unlikely|doubtful|unverified|unproven|n/?a|tbd|todo)\W*\Z",
    re.IGNORECASE,
)
_UNDOES = re.compile(
    rf"\b(?:hang\s+on|hold\s+on|not\s+quite|kidding|jok(?:e|ing)|april\s+fools?|sarcas\w+|said\s+no\s+one|(?:a|the)\s+fool|lied|lying|(?:made|making)\s+(?:this|it|that)\s+up|made-?up|quote\s+ends|end\s+(?:of\s+)?(?:the\s+)?quote|"
    r"sign\s+is\s+(?:off|wrong|flipped)|not\s+(?:yet\s+)?(?:done|finished|right|correct|proven|proved|rigorous)(?:\s+yet)?|incomplete|unfinished|"
    r"(?:this|that|it|which|i|we)\s+(?:only|just|merely)\s+(?:counts?|counted|covers?|covered|holds?|works?|applies|handles?|includes?|considers?|considered)|(?:this|that|it|which|i|we)\s+(?:omits?|omitted|ignores?|ignored|misses|missed|forgets?|forgot|leaves?\s+out|left\s+out|neglects?|neglected|overcounts?|overcounted|undercounts?|undercounted|double-?counts?|double-?counted)|"
    rf"(?:this|that|the)\s+(?:\w+\s+)?(?:quote|quotation|text|passage|statement|box|line|number|answer|value|result|solution|claim|work|student|user)\s+(?:is|was)\s+(?:\w+\s+)?{_WRONG}|"
    rf"(?:this|that|it|which)\s+(?:is|was)\s+(?:\w+\s+)?(?:an?|the)\s+(?:\w+\s+)?(?:bound|estimate|overestimate|underestimate|guess|approximation|lie|hunch|conjecture|{_WRONG}\s+\w+)|overestimat\w+|underestimat\w+|"
    r"guess(?:ed|ing)|no\s+proof|(?:could|can|did|do)(?:\s*not|n['’]t)\s+(?:really\s+)?prove|unproven|(?:i|have|some)\s+doubts?|doubt\s+(?:it|this|that)|uncertain|unsure|not\s+(?:\w+\s+)?(?:sure|certain|confident)|"
    r"works?\s+(?:too|as\s+well)|also\s+(?:works?|possible|valid|an?\s+(?:solution|answer|root))|(?:could|might|may)\s+(?:also\s+)?be\s+-?\d|(?:this|that|it|which)\s+violates|(?:this|that|it|which)\s+is\s+(?:extraneous|impossible|absurd|invalid)|(?:we|i)\s+(?:reject|discard|exclude)\s+(?:it|this|that)|"
    r"so\s+this\s+is\s+impossible|there\s+is\s+no\s+(?:answer|solution)|(?:gives|yields|get|is|reach|obtain)\s+(?:us\s+)?a\s+contradiction|would\s+be\s+the\s+(?:answer|result)|"
    rf"(?:none|all|everything|nothing|much|most)\s+(?:of\s+)?(?:this|that|the\s+above|above)\b|the\s+above\s+(?:\w+\s+)?(?:is|was|contains)\s+(?:the\s+|an?\s+|by\s+)?(?:{_WRONG}|joke|student|mistake|error)|end\s+of\s+(?:the\s+)?(?:\w+\s+)?{_WRONG}|"
    r"student['’]s\s+(?:solution|answer|work|argument)|by\s+a\s+student|find\s+the\s+(?:error|mistake)|(?:contains|is|has)\s+an?\s+(?:error|mistake)|so\s+says|(?:that|this)\s+is\s+what\s+\w+\s+(?:says?|thinks?|said|claims?|wrote|believes?)|(?:todo|fixme)|"
    r"still\s+(?:has|have|need|needs)\s+to|remains?\s+to\s+(?:add|subtract|be\s+added|double|multiply|divide|prove|show|check)|lorem\s+ipsum)\b",
    re.IGNORECASE,
)
_ATTRIBUTES = re.compile(
    r"\b(?:key|book|textbook|teacher|[A-Z][a-z]+)\s+(?:says|claims|thinks|believes|said)\s+\$?-?\d", re.ASCII
)
_LABELS = re.compile(
    r"\A(?:grade|score|verdict|status|feedback|teacher|mark|marks|evaluation|assessment|reviewer|grader|result)\s*:\s*(?!(?:correct|verified|true|pass|proved|\\d)\b)\S?",
    re.IGNORECASE,
)
_FURTHER_STEP = re.compile(
    r"(?:(?:step\s*\w{1,3}\s*[:.)]|\d{1,2}[.)]|todo:?|now|then|next|finally|so|and|but|we|you|one|must|should|need\s+to|have\s+to|has\s+to|just|also|please)[\s,]*)*"
    r"(?:add|subtract|double|halve|triple|multiply|divide|square|negate|invert|round)\s+(?:it|this|that|one|two|1|by|up|down|the\s+(?:result|answer|number)|\d+)\b(?!\s+(?:and|eggs|cups)\b)",
    re.IGNORECASE,
)
_ADDS = re.compile(
    r"\b(?:adding|subtracting|doubling|halving|tripling|multiplying|dividing|including|taking)\b.*\b(?:get|gives?|obtain|yields?|is)\b|\b(?:double|add|multiply|subtract|divide)\b.*\bto\s+get\b",
    re.IGNORECASE,
)
_CONCLUDES = re.compile(r"\A(?:so|thus|hence|therefore|ergo|and\s+so|consequently|make\s+that|better)\b", re.IGNORECASE)
_TOTALS = re.compile(
    r"\A(?:so|thus|hence|therefore|ergo|and|then|in\s+fact|really)\b.*\b(?:total|answer|result|value|count|number)\s+(?:is|are|=|equals|becomes|:)",
    re.IGNORECASE,
)
_IS_THE_ANSWER = re.compile(
    r"\b(-?\d[\d.,]*)\s+(?:is\s+(?:also\s+)?(?:the|a|an|our|possible|right|correct)\b|it\s+is\b|instead\b|also\s+works?\b|works?\s+too\b)",
    re.IGNORECASE,
)
_CHECKS = re.compile(
    r"\b(?:check|checking|verify|verifies|verification|indeed|confirms?|sanity|substitut\w+|because|since|example|plug\w*)\b|[✓✔✅]",
    re.IGNORECASE,
)
_BOTH = re.compile(
    r"\bboth\b.*\bwork\b|\b(?:another|the\s+other)\s+(?:solution|root|answer|value|possibility)\b\W*(?:is\b)?.*\d",
    re.IGNORECASE,
)
_FALSE_EQUALITY = re.compile(r"(?:\A|[a-z:]\s)(-?\d{1,9})\s*=\s*(-?\d{1,9})(?![\d.,]*\s*[-+*/^=\d(\\])")
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_WORD_NUMBERS = re.compile(
    r"\b(" + "|".join(word for word in NUMBER_WORDS if word not in ("one", "zero")) + r")\b", re.IGNORECASE
)
_HARMLESS = re.compile(
    r"\b(?:common|typical|frequent)\s+(?:mistake|error)|\bno\s+doubt\b|\bwithout\s+(?:a\s+)?doubt\b|\botherwise\b|\bnot\s+only\b|\bhope\b",
    re.IGNORECASE,
)
_ENDS_WITH_NUMBER = re.compile(r"(?:\A|[\s$:=])-?\d[\d.,]*[\s$!)]*\Z")
_OPERATES = re.compile(r"\d\s*[-+*/^×·−]|\\|[<>≤≥]|\d\s*=")
_FEW_WORDS = 6
_SHORT_WORDS = 9


def is_undone(answer: str, behind: str) -> bool:
    """Whether a sentence behind the answer takes it back, doubts it, goes on calculating or states another value."""
    own = set(_NUMBER.findall(_in_digits(answer)))
    closing = _CLOSERS_OF_ANSWER.match(behind)
    at = closing.end() if closing else 0
    rest = behind[at : at + MAX_BELOW]
    # Words in small letters on the line of the answer go on with its sentence, which is read elsewhere.
    own_sentence = rest[:1].islower() and _ALONE.match(rest) is None and not re.search(r"\n|[.!]\s", behind[:at])
    pieces = _sentences(rest)
    return any(_undoes(piece, own) for piece in pieces[own_sentence:])


def _sentences(text: str) -> list[str]:
    parts = re.split(r"(?<=[.!?])[\s*_$]+|\n+", text)
    return [piece for part in parts if (piece := _MARKS.sub("", part[:MAX_SENTENCE]).strip(" \t-–—•"))]


def _in_digits(text: str) -> str:
    return _WORD_NUMBERS.sub(lambda match: str(NUMBER_WORDS[match[1].lower()]), text)


def _undoes(sentence: str, own: set[str]) -> bool:
    if _ALONE.match(sentence) or _LABELS.match(sentence) or _ATTRIBUTES.search(sentence):
        return True
    if _UNDOES.search(sentence) and not _HARMLESS.search(sentence):
        return True
    if "\\" not in sentence and any(match[1] != match[2] for match in _FALSE_EQUALITY.finditer(sentence)):
        return True
    if _FURTHER_STEP.match(sentence) and not _CHECKS.search(sentence):
        return True
    return _states_another(_in_digits(sentence), own)


def _states_another(sentence: str, own: set[str]) -> bool:
    numbers = _NUMBER.findall(sentence)
    if not numbers:
        return False
    if _BOTH.search(sentence) and not set(numbers) <= own:
        return True
    if any(match[1] not in own for match in _IS_THE_ANSWER.finditer(sentence)) and not _CHECKS.search(sentence):
        return True
    if numbers[-1] in own or _CHECKS.search(sentence):
        return False
    if _TOTALS.match(sentence) or _ADDS.search(sentence):
        return True
    if len(sentence.split()) <= _FEW_WORDS and _ENDS_WITH_NUMBER.search(sentence) and not _OPERATES.search(sentence):
        return not own & set(numbers)
    if own & set(numbers) or len(sentence.split()) > _SHORT_WORDS:
        return False
    return _CONCLUDES.match(sentence) is not None or re.match(r"[\s=>≈→⇒:]*-?\d[\d.,]*\W*\Z", sentence) is not None
