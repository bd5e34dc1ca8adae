# ruff: noqa: E501  (tables)
"""Whether the sentence that leads to an answer speaks of the answer itself or of something near it.

`The floor of the answer`, `the obvious answer`, `the answer to a simpler problem` and `up to sign, the answer` are no
answers. So the words that belong to `answer`, and the words up to the verb are read by what is allowed there.
"""

from __future__ import annotations

import re

from verifiers.math.reading import languages
from verifiers.math.reading.vocabulary import words_of

_ANSWER = re.compile(r"\banswers?\b", re.IGNORECASE)
_DESCRIBED = re.compile(r"\b(?:the|our|my|an?)\s+((?:[a-z][\w-]*\s+){1,3})\Z", re.IGNORECASE)
_ADJECTIVES = frozenset(
    words_of("""
    final correct exact required desired simplified numerical numeric complete overall total right requested actual true only
    unique unambiguous integer and last sought simplest reduced needed asked closed-form definitive full proper resulting
    is that to of be
    """)
)
_BEFORE_ANSWER = re.compile(
    r"\b(?:of|in|from|than|twice|half|thrice|triple|double|minus|plus|times|by|over|modulo|opposite|not)\s+(?:the|our|my|this)\s+(?:\w+\s+)?\Z|\b(?:twice|half|triple|double|non|no|un|anti|sample|example)[\s-]+\Z",
    re.IGNORECASE,
)
_LINK = re.compile(
    r"\b(?:is|are|equals?|becomes|will|must|should|be|comes|simplifies|reduces|evaluates|would|could|was|turns|works)\b|[=:：]",
    re.IGNORECASE,
)
_BETWEEN = frozenset(
    words_of("""
    to the this our your original given above problem question exercise we seek want need are looking for in simplest lowest
    exact form terms fraction as of and or rounded nearest integer tenth hundredth whole number cent dollar decimal places two
    three four one place therefore thus hence then so also which box boxed below a simplified reduced scientific interval
    notation standard mixed radical its here expressed written asked required desired proportion equation expression
    puzzle initial degrees radians units dollars
    """)
)
_NO_INTRODUCTION = re.compile(
    r"\W*(?:initially|originally|previously|formerly|at\s+first\b|for\s+(?-i:[A-Z][a-z]+)\b|if\s+(?:wrong|true|false|so|not|correct|allowed|possible)\b|carelessly|naively|superficially|formally|loosely|ideally|heuristically|hypothetically|theoretically|alternatively|conversely|informally|empirically|roughly|supposedly|reportedly|intuitively|apparently|seemingly|presumably|asymptotically|numerically\s+speaking|"
    r"(?:on|at)\s+(?:the\s+surface|mars|first\s+\w+|face\s+value)|to\s+(?:first|leading|lowest|zeroth)\s+order|up\s+to|mod(?:ulo)?\b|in\s+(?:base|thousands|millions|hundreds|tens|units|percent|hexadecimal|binary|octal|dozens|the\s+limit|theory|practice|principle|(?:one|the\s+\w+|this|that)\s+case|radians\s+mod)|"
    r"forgetting|ignoring|neglecting|excluding|except|apart\s+from|barring|assuming|granted|granting|given\s+(?:that\s+)?\W*[a-z]\W|with\s+(?!this|these|all|everything)|without|for\s+(?:small|large|most|some|men|women|boys|girls|the\s+(?:first|second|converse|other)|many|few|certain)\b|under\b|"
    r"by\s+(?:mistake|accident|guess\w*|a\s+guess|an?\s+(?:numerical|rough|quick)|rounding|intuition|analogy|estimation|estimating|elimination\s+of|chance|convention)|from\s+(?:memory|the\s+(?:picture|figure|diagram|graph|plot|book|internet))|judging|as\s+(?:far\s+as|claimed|[A-Z]\w+\s+(?:says|claims|said)|a\s+guess|i\s+(?:recall|remember))|"
    r"if\s+i\b|should\s+|until|then\s+again|yesterday|in\s+no\s+way|by\s+no\s+means|towards?\s+a\s+contradiction|had\s+|were\s+)",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"\W*(?:(?:so|thus|hence|then)\W+)?(?:(?:it|this|that|x)\s+(?:is|equals|was)|we\s+(?:get|have|obtain|find)|=|:)?\W*\Z",
    re.IGNORECASE,
)
_SAYS_LESS = re.compile(
    r"\b(?:or\s+else|it\s+(?:seems|appears|is\s+(?:possible|doubtful|untrue|unlikely|conjectured|plausible|a\s+myth|rumou?red|believed|claimed|said|alleged))|i\s+(?:deny|bet|was\s+told|heard|recall|remember|doubt|assume|suppose|wonder)|(?:must|need\s+to|want\s+to|have\s+to|cannot|to)\s+(?:show|prove|check|verify)\s+that)\b[^,;:]*\Z",
    re.IGNORECASE,
)
_NO_STATEMENT = re.compile(
    r"\b(?:never|nowhere|by\s+no\s+means|in\s+no\s+way|(?:we|i|it|one)\s+(?:fails?|skips?|misses|miss|lose|loses|tried|test|expected|never|initially\s+\w+|first\s+(?:got|found|obtained)|previously\s+\w+|would\s+(?:get|be|have|obtain|find)|could\s+(?:get|be|have|obtain|find)|used\s+to|start\s+with|begin\s+with|are\s+given|had)|fails?\s+to|used\s+to\s+be)\W*(?:\w+(?:\W+|\Z)){0,2}\Z|"
    r"\A\W*(?:nobody|none|nothing|nowhere|no\s+(?:solution|value|one|number|\w+\s+gives)|few|only\s+fools|everyone\s+but\s+\w+)\b|\A\W*(?:we\s+(?:want|had)|or|and|line|equation|no\.?|score|points|sanity\s+check|number\s+of\s+(?:steps|cases)|i['’]d\s+go\s+with)\W*\Z|"
    r"\A\W*(?:(?!(?:He|She|It|This|That|We|Which|There|They|One|Each|Everyone|Everybody)\b)(?-i:[A-Z][a-z]+))\s+(?:gets|got|obtained|obtains|found|finds)\W*\Z|\b(?:problem|book|textbook|simulation|heuristic|experiment|truncation|rounding(?:\s+(?:up|down))?|correction|picture|computer|student)\s+(?:says\s+it\s+is|gives|shows|suggests)\W*\Z|"
    r"\bthe\s+(?:guess|mistake|error|decoy|distractor|trap|hint|subtotal|carry|base\s+case|partial\s+sum|unattainable\s+\w+|(?:starting|initial|previous|next|given|forbidden|excluded|rejected|wrong|discarded|placeholder)\s+(?:value|number|term|answer|result)|(?:first|other|next|wrong)\s+candidate|other\s+root|number\s+(?:to\s+be\s+excluded|of\s+excluded\s+values)|(?:question|problem|step|line|equation|page|exercise)\s+number|(?:difference|distance)\s+from\s+.*|(?:supremum|infimum|bound)\s+\W*not\s+attained\W*)\s*(?:is|was|=|:)\W*\Z|"
    r"(?:\\neg|\\to|\\equiv|\\notin|\\mid|≠|#|!|~)\s*\Z|(?:\A\W*-\s*[a-z]|\A\W*1\s*/\s*[a-z]|\A\W*[a-z]\s*\^\s*\d|\A\W*\\sqrt\s*[a-z]|\A\W*\\log\s*[a-z]|[a-z]\s*_\s*(?:old|\\?text\s*wrong|wrong)|\b(?:guess|error|mistake))\s*=\s*\Z",
    re.IGNORECASE,
)
"""A sentence in front of a box that denies, tries or begins, or whose subject is none that is asked for."""


_BARE_END = re.compile(r"\b(?:it\s+(?:is|was)|we\s+(?:get|have))\W*\Z", re.IGNORECASE)


def is_of_another(sentence: str) -> bool:
    """Whether the words of the sentence in front of an answer speak of something else than the answer."""
    if _SAYS_LESS.search(sentence):
        return True
    if languages.is_foreign(sentence) and not languages.states_answer(sentence):
        return True
    found = list(_ANSWER.finditer(sentence))
    clauses = re.split(r"[,;—](?:\s|\Z)", sentence)
    if not found and _NO_INTRODUCTION.match(sentence) and _BARE_END.search(sentence):
        return True
    if not found:
        return (
            len(clauses) > 1 and _BARE.match(clauses[-1]) is not None and _NO_INTRODUCTION.match(clauses[0]) is not None
        )
    head, tail = sentence[: found[-1].start()], sentence[found[-1].end() :]
    if _BEFORE_ANSWER.search(head):
        return True
    described = _DESCRIBED.search(head)
    if described and not all(word.lower() in _ADJECTIVES for word in described[1].split()):
        return True
    link = _LINK.search(tail)
    between = re.findall(r"[A-Za-z]+|\d+", tail[: link.start()] if link else tail)
    if not all(word.lower() in _BETWEEN for word in between):
        return True
    return len(clauses) > 1 and _NO_INTRODUCTION.match(clauses[0]) is not None


_MEMBER = re.compile(r"\\in\W*\Z")
_SET = re.compile(r"\\f?box(?:ed)?\s*\{\s*(?:\\left\s*)?(?:[\[(]|\\\{|\\mathbb)")


_GOAL = re.compile(
    r"\b(?:we|i|you|one)\s+(?:still\s+|only\s+|now\s+)?(?:need(?:ed)?(?:\s+to\s+(?:get|have|find|reach|show|obtain))?|want(?:ed)?(?:\s+to\s+(?:get|have|find|reach|show|obtain))?|required?|seek|sought|try|tried|aim\s+(?:at|for)|look\s+for|hope\s+for)\W*\Z",
    re.IGNORECASE,
)
_NO_WORD = re.compile(r"(?:[\s$*)}]|\\[\])])*(?:[.!;,:]|\n|\Z)")


def is_no_statement(sentence: str, box: str, behind: str) -> bool:
    """Whether a sentence that leads to a box denies its content, only tries it, or names something not asked for. That
    x lies in an interval or a set states that interval or set; that it lies in a number states nothing."""
    if _MEMBER.search(sentence) and not _SET.match(box):
        return True
    if _GOAL.search(sentence) and _NO_WORD.match(behind):
        return True
    return _NO_STATEMENT.search(sentence) is not None


_BEHIND = re.compile(
    r"[\s$~]*(?:\\(?:pm|mp|cdot|times|div|choose|pi|binom|to|neq?|bmod)\b|\\ \\mathrm\{mod\}|±|\+/-|[×‰≈]|\|\s*-?\d|--?\s*\d|–\s*\d|-\s*nope|\+\s*\d|\^\{?(?:th|st|nd|rd)|bps\b|ppm\b|tops\b|upwards\b|left\s+to\s+go|more\s+to\s+go|remaining\s+to|points\s+off|"
    r"\[[a-z ]+\]|:\(|N/A\b|becomes\b|,\s*(?:i\.e\.?,?|that\s+is,?|respectively|reciprocated)\s*\$?(?:-?\d|\Z|\W*\Z)|,\s*(?:and\s+)?(?:the|its)\s+\w{3,20}\s+(?:is\s+)?\$?-?\d[\d.]*\$?[\s.]*(?:\n|\Z)|in\s+the\s+limit|as\s+\$?n\s*\\to|modulo\s+errors|sans\b|\(to\s+be\b)",
    re.IGNORECASE,
)


def is_changed_behind(box: str, behind: str) -> bool:
    """Whether a sign, another number or a word directly behind a box makes it another number."""
    if _BEHIND.match(behind[:60]):
        return True
    number = re.match(r"[\s$]*\((-?\d+)\)", behind[:40])
    return number is not None and re.search(r"\{\s*-?\d+\s*\}\Z", box) is not None and number[1] not in box
