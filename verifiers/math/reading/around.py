# ruff: noqa: E501  (tables)
"""What may stand in one sentence with a box, as lists of the words that are allowed.

Whether a sentence states the number in its box cannot be told by looking for words that deny it: English has too many
ways to bound a number, to restrict it to a case or to compare it. So the places beside the box are read by what is
allowed there. Directly in front of it stands a verb or a sign of equality, perhaps with harmless words in between
(`there are exactly`); directly behind it stands nothing, a unit or a noun, and behind that what describes the noun or
gives a reason. A condition, a part, a bound or an attribution in the rest of the sentence makes the box no answer.

Promises: every check looks at a bounded stretch of text, so all of it is linear.
"""

from __future__ import annotations

import re

from verifiers import prose
from verifiers.math.reading.nouns import is_describing, is_noun
from verifiers.math.reading.vocabulary import CHANGING_WORDS, QUANTITIES, unit_name, words_of

NEAR = 240
"""Characters beside a box in which its sentence is read."""

_SENTENCE_END = re.compile(r"(?<!\.)[.?!;。](?=[\s$*)\\\]]|\Z)|\n")
_ABBREVIATION = re.compile(r"\b(?:i\.e|e\.g|approx|resp|vs|cf|no|ca|etc|mrs?|ms|dr|st)\Z", re.IGNORECASE)
_OPENING = re.compile(r"(?:\s|\$|\\\[|\\\(|\\begin\{\w+\*?\}|\*|_|\[|\()+\Z")
_DISPLAY = re.compile(r"\\\[|\$\$|\\begin\{")
_WRAPPERS = re.compile(
    r"\\(?:text|mbox|textbf|textit|emph|mathrm|textrm|mathbf|bf|underline)\b\s*|\\(?:quad|qquad|displaystyle|left|right|boldsymbol|bm|color\{\w+\}|large|Large|huge|[,;:! ])|"
    r"\\[\[\]()]|[{}$*_`~]|</?\w{1,12}>"
)
"""Marks that are no words and no mathematics."""
_TOKEN = re.compile(r"\\[A-Za-z]+|[A-Za-zÀ-ÿА-яё]+(?:['’\-][A-Za-z]+)*|\d+(?:[.,]\d+)*|[^\s]")

# Directly in front of the box.

_LINKS = frozenset(
    words_of("""
    is are be equals equal gives give giving gave yields yield yielding get gets getting got have has had having obtain obtains obtaining obtained
    find finds finding found conclude becomes become makes make making left leaves leave need needs takes take requires require contains contain
    namely therefore thus hence so then answer answers answer's solution solutions result results total value sum product simplifies reduces evaluates implies
    means that there's it's that's result's which it this and or where because since by write writing rewrite know see know say's was were totaling totalling
    costs cost returns denote totals remains remain comes amounts lasts spans measures weighs reaches produces produce conclusion finally now also we in with go goes
    ist sind lautet beträgt est sont es son vale è sono é são является равно равен равна составляет это
    """)
)
"""Verbs and labels that say what the box holds, and words that begin a clause."""
_PARTICLES = frozenset(
    words_of("to as at us in into out of up with down from for be on have them him her back me us you it")
)
"""Behind a verb: `simplifies to`, `gives us`, `comes out to`."""
_PARTICLE_VERBS = frozenset(
    words_of("""
    simplifies simplify reduces reduce evaluates evaluate equal equals equates corresponds leads adds amounts comes came works boils converges tends sums lead notation raised go goes rise rises raised rises counts
    factors rounds rounded rounding expands gives gave leaves left giving leaving rewritten written expressed known given set simplified reduced computed
    converts converted translates equivalent multiply multiplying add adding answer solution value total it this result us
    """)
)
_HARMLESS = frozenset(
    words_of("""
    the a an our my exactly precisely just simply only indeed clearly then thus therefore hence so also now finally total all final correct right
    equal remaining other another additional extra desired required following answer value number probability distance area volume length
    simplified exact respectively always both together either still actually really even altogether already further same whole full entire initial
    minimum maximum smallest largest minimal maximal least greatest fraction integer equation expression function point points pair ordered interval set
    polynomial angle vector matrix coordinates congruent and or coordinate nothing but numbers values solutions option choice unique quadratic cubic linear differential base function line curve plane circle integers
    """)
)
"""Between the verb and the box."""
_VERBS = frozenset(
    words_of("""
    eat drink sell buy spend pay earn save make bake cook read write walk run swim drive travel ride fly climb cover use collect gather pick plant grow
    lose gain win score play watch see catch hold carry lift pack fill pour put place move bring send receive give donate share lend owe charge cost
    cut paint build produce create sew knit own keep store order serve work study sleep teach train hire raise borrow invest deposit withdraw
    harvest water feed milk lay hatch count answer solve complete finish attend visit miss skip throw hit kick shoot jump hop pass fail do want need
    require expect include contain remain measure weigh last stand live stay wait pull push stack arrange choose form deliver ship sing dance print type
    download upload burn consume produce release absorb add deduct average total gross net rent book reserve occupy seat host clean wash dry iron fold
    draw color trim mow dig shovel remove replace fix repair assemble construct install sit fit mix divide split obtain have get take leave find
    start begin end arrive reach bounce roll spin deal adopt rescue groom trade swap exchange recycle reuse return refund tip budget
    try attempt meet greet call text email bark smile vote donate scan display hang grade review edit publish post tag label wrap open lock
    peel chop slice dice boil fry grill roast taste smoke chew swallow crush melt freeze heat cool burn light switch press
    carve sketch copy paste erase correct mark check test examine inspect spot discover identify name list rank sort stack pile load unload tow park
    board exit enter skate ski surf row sail dive punch block steal hide chase marry hug kiss invite welcome interview fire promote bill tax rent bid bet
    bank transfer wire waste misplace drop spill leak drain flood soak sink float rise descend shrink double triple halve expand stretch bend twist turn
    rotate flip toss juggle shuffle seed sow prune rake sweep mop vacuum dust scrub polish stain drill nail glue tape tie staple smell think design invent
    compose perform rehearse practice record film host organize blink permute satisfy rearrange partition tile cover bound enclose pair match touch connect
    join separate share distribute assign hand accept reject retain go knit issue equal attain achieve intersect cross meet become span stretch accumulate generate yield
    """)
)
_IRREGULAR = frozenset(
    words_of("""
    ate drank sold bought spent paid earned made baked read wrote walked ran swam drove rode flew took gave brought sent kept lost won saw caught
    held cut built grew sewed owed did had got left found put chose fed laid dug threw hit shot stood sat slept taught lent broke began came went
    sang drew split wore fell rose met led swept spun set shut done eaten drunk written driven ridden flown taken given grown thrown seen worn
    gotten shaken stolen spoken torn won sewn mown sown shown
    """)
)
_ABOUT = frozenset(words_of("approximately about roughly around nearly approx"))
"""Allowed only where the box holds a decimal fraction, which is itself a rounded value."""
_SIGNS = frozenset("= : ： , & ) ] } | > ( [ ; . # \" “ ' – — → ⇒ ∴ ≡ ∈ ≅ ↔ ⟹ 。 ， …".split())  # noqa: SIM905

# In the clause in front of the box.

_QUALIFIES = re.compile(
    r"\b(?:less|greater|more|fewer|smaller|larger|higher|lower)\s+than(?:\s+or\s+equal\s+to)?\s*\Z|(?<![A-Za-z\d)\]}])\((?-i:[a-h]|i{1,3}|iv)\)|\A\(?(?:[a-h]|i{1,3}|iv|\d)\)|"
    r"\bin\s+the\s+case\b|\bfor\s+[a-z]\s*=\s*\d+\s*(?:,|:|is|are)?\s*\Z|"
    r"\b(?:i|we)\s+(?:\w+\s+)?(?:think|believe|guess|suspect|hope|feel|bet|reckon|imagine)\b|\bmy\s+(?:friend|teacher|classmate|colleague|calculator|book|textbook|brother|sister|neighbou?r)\b|"
    r"\b(?:wikipedia|internet|chatgpt|wolfram\w*|google|answer\s+key|textbook|calculator)\s+(?:got|gets|gives?|gave|has|shows?|lists?|states?|returns?|found|finds?)\b|\b(?:intermediate|draft|interim)\b|"
    r"\b(?:estimates?|estimations?|approximations?|approximate|(?:lower|upper|rough|crude|trivial|best|known|tight|loose|weak|strong)(?:er)?\s+(?:\w+\s+)?bounds?|conjectur\w+|hypothes\w+|(?:wrong|incorrect|bad|failed)\s+(?:answer|attempt|solution|guess|try|approach|method|working|proof|argument|result|value)s?|wrongly|incorrectly|flawed|fake|bogus|placeholder|"
    r"part\s+\(?(?:[a-h]|i{1,3}|iv|v|\d)\b\)?|(?:first|second|third|other|previous|last|next|special|degenerate|extreme|best|worst)\s+(?:case|part|subcase|scenario|question|problem|attempt|try)|"
    r"case\s+(?:\d|[ivx]+|one|two|three|[a-d])\b|on\s+average\s+about|provisional\w*|tentativ\w+|preliminary|supposed(?:ly)?|alleged(?:ly)?|hoped|presumabl\w+|students?\s+(?:may|might|often|will|would)|"
    r"according\s+to|quote[sd]?|no\s+answer|not\s+sure|unsure|unclear|unknown|no\s+idea|skip(?:ped|ping)?\s+(?:this|it)|dummy|example\s+answer|sample\s+answer|somebody|someone|others?\s+(?:say|think|claim|get))\b|"
    r"\b(?:could|might|may|seems?\s+to|appears?\s+to|likely|probably|possibly)\s+(?:(?:well|also|only|then|as|be|equal|have|been)\s*){0,3}\Z|\bcan\s+(?:also\s+)?be\s*\Z",
    re.IGNORECASE,
)
_NUMBERED_PART = re.compile(
    r"(?:\A|\s)\(?(?:part|question|problem|exercise|case)\s*\(?(?:[a-h]|i{1,3}|iv|v|\d{1,2})\)?\s*[:.)]?\s*\Z",
    re.IGNORECASE,
)
_SAYS_OTHER = re.compile(
    r"\b(?:says?|said|think|thinks|thought|believes?|believed|claims?|claimed|wrote|suggests?|suggested|answered|replied|insists?|insisted|"
    r"argues?|argued|predict(?:s|ed)?|bets?|hopes?|reckons?|assert(?:s|ed)?|told|heard|recall(?:s|ed)?|remember(?:s|ed)?)\b",
    re.IGNORECASE,
)
_OWN_SUBJECT = re.compile(
    r"\b(?:we|i|you|problem|question|theorem|formula|lemma|identity|rule|equation|inequality|law|definition|condition|statement|this|that|which|it|one)(?:\s+(?:can|may|also|now|then|could|must|have|has))?\s+\Z",
    re.IGNORECASE,
)
_OF_OTHERS = re.compile(
    r"\b(?:(?!(?:it|that|there|what|here|let|today|problem|question|how|who)['’]s)[a-z]+['’]s?|his|her|their|your)\s+(?:\w+\s+)?"
    r"(?:answer|solution|result|guess|estimate|claim|calculation|response|attempt|work|reply)s?\s*(?:(?:is|was|are|gives?|says?|[:=])\s*(?:that\s+)?(?:(?:the\s+)?(?:answer|it)\s+is\s*)?)?\Z|"
    r"\b(?:answer|solution|result|guess|estimate|claim|response|attempt)s?\s+(?:of|by|from)\s+(?:(?:an?|the|my|some|another)\s+(?:\w+\s+)?(?:student|friend|teacher|classmate|colleague|user|model|book|pupil|person|calculator)|[A-Z][a-z]+)\s+(?:is|was)\s*\Z",
    re.IGNORECASE,
)
_INDEFINITE = re.compile(
    r"(?:\A|[,:]\s*)(?:(?:so|thus|hence|therefore|then|and|now|finally|clearly|also)\s*,?\s*)?(?:an?|one|some|another|any|each)\s+(?:(?:such|more|other|possible|valid|further|obvious|easy|"
    r"approximate|simple|natural|first|reasonable|good|better|rough|quick|lower|upper|trivial|naive|partial|plausible|likely|common|typical|alternative|candidate|special|particular|correct)\s+)*"
    r"(?:answer|value|bound|solution|result|guess|estimate|candidate|choice|option|possibility|example|root|case|approximation|try|attempt|limit|member|element|number)s?\b[^,:]*\b(?:is|are|was|would\s+be|equals?|gives?)\b",
    re.IGNORECASE,
)
_VARIABLE = r"(?:[a-zA-Z]|\\[a-z]{2,7}|[a-zA-Z]_?\w|\|[a-z]\||[a-zA-Z]\([a-z]\))"
_RELATION = r"(?:=|<|>|≤|≥|≠|\\(?:le|ge|leq|geq|ne|neq|lt|gt|in|equiv|mid|nmid|to)\b|∈|≡)"
_CASE = (
    rf"(?:{_VARIABLE}\s*{_RELATION}|{_VARIABLE}\s+(?:is|are|was)\b|{_VARIABLE}\s+(?:odd|even|positive|negative|prime|large|small|integer)\b|"
    r"(?:odd|even|positive|negative|large|small|prime|integer|non\w+)\s+[a-zA-Z]\b|\d+\s*(?:<|>|\\leq?\b|\\geq?\b|≤|≥)|all\s+other|larger|smaller|other|each\s+case|(?:this|that|the)\s+\w*\s*case)"
)
_CONDITION = re.compile(
    rf"(?:\A|[,:(]\s*|\b(?:and|so|then|but|thus|hence)\s+)(?:(?:only\s+)?(?:if|when|whenever|unless|provided(?:\s+that)?|assuming(?:\s+that)?|for|given(?:\s+that)?|with|in\s+case|as\s+long\s+as|once|while|until)\s+{_CASE}|"
    r"(?:otherwise|else|unless|in\s+(?:the|this|that|each|either|one)\s+(?:\w+\s+)?case|in\s+case\s+\w+|under\s+(?:this|that|these|those|the|an?)\s+\w+|on\s+(?:earth|mars|the\s+moon)|without\s+\w+ing|ignoring|neglecting|disregarding|"
    r"before\s+\w+ing|after\s+rounding|to\s+the\s+nearest|excluding|including|apart\s+from|except)\b)",
    re.IGNORECASE,
)
_IMPERATIVE = re.compile(
    r"(?:\A|[,:]\s*)(?:(?:so|now|next|first|then|thus|and|or|but|finally|instead)\s*,?\s*)?(?:let(?:['’]?s|\s+us)?|try|take|choose|pick|test|check|consider|imagine|set|put|"
    r"(?:substitute|plug(?:\s+in)?|multiply|divide|add|subtract)\b(?![^,:]*=))\b(?:(?!\bto\s+(?:find|get|obtain|give|yield|see)\b)[^,:])*\Z|"
    r"\A(?:(?:so|now|but|and|or|then)\s*,?\s*)?(?:is|are|does|do|can|could|would|should|will|what|why|how)\b[^,:]*\Z",
    re.IGNORECASE,
)
"""A command or a question, which states nothing."""
_CASE_BEFORE = re.compile(
    r"\A(?:(?:so|thus|hence|therefore|then|and|but|now)\s*,?\s*)?(when|if|whenever|for|given|assuming|with|provided|unless|while|in\s+case|once|ignoring|neglecting|disregarding)\b(?P<condition>[^,:]*)[,:]?\s*(?:then\s+)?(?P<main>[^,:]*)\Z",
    re.IGNORECASE,
)
_BARE_MAIN = re.compile(
    r"(?:(?:it|this|that|the\s+(?:final\s+)?(?:answer|value|result|solution))\s+(?:is|equals|becomes|will\s+be|must\s+be|gives)|we\s+(?:get|have|obtain|find)|there\s+(?:is|are)|=|:)?\s*\Z",
    re.IGNORECASE,
)

# Behind the box.

_QUOTED = re.compile(r"[\s$.,)*}]{0,6}[\"”»’](?!\s*(?:\Z|\n|[.,}\]]))")
_REASON = re.compile(
    r"\b(?:which\s+(?:occurs|happens)|(?:(?:and\s+)?(?:is|are)\s+)?(?:achieved|attained|reached)\s+(?:when|at|for|if)|occurs?\s+(?:when|at|for)|because|since|as\s+(?!many|much)|where|so\s+that|by\s+(?:the|our|using|symmetry|definition|construction)|from\s+(?:the|our|which|above))",
    re.IGNORECASE,
)
_COMPARES = re.compile(
    r"\b(?:than|less|ago|early|late|in\s+\d+\s*\Z|fewer(?!\s+[a-z]+)|lower|below|beyond|short\s+of|plus|minus|times\s+(?:that|the|as|more|larger|bigger|greater|less|smaller|faster|longer|its|his|her|their|\d|[a-z]\b)|"
    r"(?<!second )(?<!seconds )(?<!meter )(?<!meters )(?<!units )(?<!inches )(?<!feet )squared|cubed|fold|percent|percentage|percentile|per\s+cent|approx\w*|roughly|about|estimat\w*|rounded|rounding|"
    r"or\s+(?:more|less|fewer|so|higher|greater)|and\s+(?:up|above|over|a\s+half|counting|change)|at\s+(?:least|most)|up\s+to|more\s*\Z)\b",
    re.IGNORECASE,
)
"""Directly behind a number or its noun: another number than that."""
_RESTRICTS = re.compile(
    r"\b(?:nearest\s+(?!dollar|cent|integer|whole|degree|unit|tenth|hundredth|thousandth|penny|inch|meter|foot|mile|minute|second|hour|day|year|percent|number)|"
    r"if|unless|provided|otherwise|assuming|whenever|maybe|perhaps|possibly|probably|hopefully|presumably|halv(?:e|ed|ing)|doubl(?:ed|ing)|tripl(?:ed|ing)|quadrupl(?:ed|ing)|double\s+(?:it|this|that)|not\s+(?:the|our|my|an?)\s+(?:\w+\s+)?answer|supposedly|though|although|also\s+works?|works?\s+too|"
    r"(?:is|are|was|were)\s+(?:only\s+|just\s+|merely\s+|but\s+)?(?:one|another|an?|some)\s+(?:of\s+(?:the\s+)?)?(?:\w+\s+)?(?:solution|answer|value|root|possib\w+|candidate|example|option|choice|case|guess)s?|"
    r"said|says|claims?|claimed|thinks?|thought|believes?|wrote|writes|guess(?:ed)?|suggested|answered|replied|teacher|student's|careless|"
    r"part\s+\(?(?:[a-h]|i{1,3}|iv|\d)\b|(?:first|second|third|other|previous|last|next|special|former|latter|best|worst|this|that|each|either|one)\s+(?:case|part|subcase|scenario|question|attempt)|"
    r"case\s+(?:\d|[ivx]+\b|one|two)|in\s+case|probability\s+\d|on\s+(?:earth|mars|the\s+moon|average)|(?:pairs?|couples?|sets?|groups?|packs?)\s+of\s+(?:them|these|those|it))\b",
    re.IGNORECASE,
)
"""In the sentence behind a box: it holds in some case only, or is said of others."""
_VERB_BEHIND = re.compile(
    r"\b(?:is|are|was|were|be|has|have|had|can|could|that|who|which|whose|to|do|does|did|need|needs|of|for|in)\b",
    re.IGNORECASE,
)
_EXTREMUM = re.compile(r"\b(?:maxim\w+|minim\w+|extrem\w+|largest|smallest|greatest|least|max|min)\b", re.IGNORECASE)
_ANOTHER_CASE = re.compile(
    rf"\b(?:for|when|while|with|given|once)\s+{_CASE}|,\s*(?:and\s+)?-?\d[\d.,/]*\s+(?:for|if|when|in|on|otherwise)\b",
    re.IGNORECASE,
)
_BARE_TAIL = re.compile(
    r"(?:because|since|as\b|so\b|hence|thus|therefore|where|which\s+(?:is|are|was|means|gives|has|makes|can|we|completes|equals|agrees|matches|occurs|happens)|that\s+is|i\.?e\b|"
    r"(?:is|are|was|will\s+be|must\s+be)\s+(?:the|our|my|indeed|a\s+(?:prime|perfect|multiple)|an\s+integer|correct|right|prime|even|odd|irreducible|positive|as\s+desired|what\s+we|already|achiev\w+|attain\w+|obtained|reached|between)|"
    r"in\s+(?:total|all|simplest|lowest|scientific|standard|base|interval|terms|decimal|reduced)\b|total\b|altogether|overall|left\b|remaining|remain\b|each\b|every\s+(?:day|week|month|year|hour|minute|night)\b|in\s+(?:profit|change|tips|savings|sales)\b|apiece|respectively|combined|per\b|"
    r"of\s+(?:the|its|his|her|their|our|all|them|it|these|those|this|that|a|an|each)\b|(?:when|at|for)\s+[a-z]\s*=|(?:for|of)\s+(?:all|every|any|some|an?\s+arbitrary)\b|from\s+-?\d|when\s+(?:the\s+\w+\s+is\s+divided|it\s+is\s+divided|divided|converted|expressed|written|simplified|reduced|factored)|"
    r"to\s+(?:the\s+(?:problem|question|north|south|east|west|left|right|power)|compute|get|find|be|have|her|his|their|each|pay|spend|buy|complete|finish|reach)\b|"
    r"for\s+(?:the|a|an|his|her|their|its|this|each|our|both|one|two|three|four|five|six|seven|eight|nine|ten|\d+)\s+(?!case|part)\w+|(?:on|at|from|by|in|with)\s+(?:the|his|her|their|its|each|this|that|average|a|an|\d+|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b|"
    r"as\s+(?:desired|required|claimed|needed|wanted|expected|the)|satisf\w+|works\b|that\s+(?:is|are|the|we|satisf\w+|has|have|can|work)|and\s+(?:so|thus|we|hence|that|is|are|therefore|the\s+(?:answer|proof))|"
    r"is\s+(?:achieved|attained|possible|defined|true|needed)|mod\b|modulo|pmod|corresponds?|matches|agrees|we\s+(?:are|have|get|see|can|know)|has\b|cubic|square|(?:more|fewer)\b|times\s*\Z|real\s+root|such\b|exactly\b|this\b|and\s+only|we\b|the\s+(?:answer|moon|sum|total|only)|"
    r"QED|tombstone|blacksquare|checkmark|done|proved|confirmed|✓|✔|✅|□|■|∎|🎉|rad|respectively)",
    re.IGNORECASE,
)


def is_no_statement(text: str, start: int, end: int) -> bool:
    """Whether the sentence around the box at `start` to `end` is none that states what is in the box."""
    if prose.gives_up(text[max(0, start - NEAR) : start]):
        return True
    before = sentence_before(text, start)
    if _is_lone_step(text, start):
        return True
    decimal = _DECIMAL.search(text[start:end]) is not None
    if not _links(before, decimal) or _qualifies(before, decimal):
        return True
    return not _is_allowed_behind(text, end, extremum=_EXTREMUM.search(before) is not None)


_STEP = re.compile(
    r"(?:\A|\n)[\s*_#>\-]*step\s+(\d{1,2})\b[\s*_:.)\-]*(?:(?:we|i)\s+(?:get|have|obtain|find)|(?:it|this)\s+(?:is|gives|equals))?[\s$*_\\(\[:]*\Z",
    re.IGNORECASE,
)


def _is_lone_step(text: str, start: int) -> bool:
    """Whether the box is all that a numbered step says, and the step before it is not in the text: the first step is
    no conclusion, and one without the others is no solution."""
    step = _STEP.search(text[max(0, start - 80) : start])
    if step is None:
        return False
    return int(step[1]) < 2 or re.search(rf"\bstep\s+{int(step[1]) - 1}\b", text[:start], re.IGNORECASE) is None


def is_changed_behind(text: str, end: int) -> bool:
    """Whether words on the line behind a tag restrict what is in it or make it another number."""
    return text[end : end + 1] != "\n" and not _is_allowed_behind(text, end, extremum=False)


_BOX = re.compile(r"\\(?:boxed|fbox)\s{0,4}\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\}")
"""An earlier box of the sentence."""
_DECIMAL = re.compile(r"\d*\.\d")


def sentence_before(text: str, start: int) -> str:
    """What stands in the sentence in front of a place, without marks."""
    near = text[max(0, start - NEAR) : start]
    opening = _OPENING.search(near)
    if opening and "\n" in opening[0] and _DISPLAY.search(opening[0]) and opening[0].count("\n") <= 4:
        near = near[: opening.start()]
    at = 0
    for match in reversed(list(_SENTENCE_END.finditer(near))):
        if not (match[0] == "." and _ABBREVIATION.search(near, max(0, match.start() - 8), match.start())):
            at = match.end()
            break
    return _WRAPPERS.sub(" ", _BOX.sub(" , ", near[at:])).strip()


def _links(before: str, decimal: bool) -> bool:
    """Whether the words directly in front of the box lead to it."""
    tokens = [match[0] for match in _TOKEN.finditer(before)]
    if len(tokens) == 1 and tokens[0] in "-–−+—―‒":
        return False
    for place in range(len(tokens) - 1, -1, -1):
        token, previous = tokens[place].lower(), tokens[place - 1].lower() if place else ""
        if not token[0].isalpha():
            return _sign_links(tokens, place)
        if token[0] > LAST_LETTER:
            return token in _CHINESE
        if token in _HARMLESS or (token in _ABOUT and decimal):
            continue
        if token == "of" and previous:
            return previous in QUANTITIES or previous in _PARTICLE_VERBS or previous == "out"
        if token in _LINKS or _is_verb(token):
            return True
        if token in _PARTICLES and previous in _PARTICLES and place > 1:
            return tokens[place - 2].lower() in _PARTICLE_VERBS
        if token in _PARTICLES or tokens[place].istitle():
            return previous in _PARTICLE_VERBS or _is_verb(previous)
        return False
    return True


def _sign_links(tokens: list[str], place: int) -> bool:
    """Whether a sign, a number or a command of TeX may stand in front of the words before a box."""
    token = tokens[place]
    if token[0].isdigit():
        # "13 + 15, or 28" says one value twice; "4 or 5" are two.
        formula = tokens[max(0, place - 8) : place]
        first = max((index for index, part in enumerate(formula) if len(part) > 1 and part[0].isalpha()), default=-1)
        formula = formula[first + 1 :]
        return (
            tokens[place + 1 : place + 2] == ["or"]
            and "=" not in formula
            and any(part in _OPERATORS or part == "\\frac" for part in formula)
        )
    if token[0] == "\\":
        return True  # what a formula may end with is known to is_part_of_formula
    return token in _SIGNS or (place == 0 and token in "•·") or token[0] > LAST_LETTER


_OPERATORS = frozenset(words_of("+ - * / × − ^ ·"))
LAST_LETTER = "\u218f"
"""Behind it come arrows, check marks and other signs that say nothing, and scripts without spaces between words."""
_CHINESE = frozenset("是为為于於得有即故共成值解案果が는은")
"""The last character of `the answer is`, `equals`, `we get`."""


def _is_verb(word: str) -> bool:
    if word in _VERBS or word in _IRREGULAR:
        return True
    for ending in ("ies", "ied", "es", "ed", "ing", "s", "d"):
        stem = word.removesuffix(ending)
        if stem == word:
            continue
        if ending in ("ies", "ied"):
            stem += "y"
        if stem in _VERBS or f"{stem}e" in _VERBS or (len(stem) > 2 and stem[-1] == stem[-2] and stem[:-1] in _VERBS):
            return True
    return False


def _qualifies(before: str, decimal: bool) -> bool:
    """Whether the rest of the sentence restricts, bounds or attributes what is in the box."""
    if not before:
        return False
    last = before[max(before.rfind(":"), 0) :]
    if (found := _QUALIFIES.search(before)) and not (decimal and found[0].lower().startswith("approx")):
        return True
    if _IMPERATIVE.search(before) or _is_other_label(before):
        return True
    if _NUMBERED_PART.search(before) or _OF_OTHERS.search(before) or _INDEFINITE.search(before):
        return True
    for said in _SAYS_OTHER.finditer(last):
        if _OWN_SUBJECT.search(last[: said.start()]) is None:
            return True
    case = _CASE_BEFORE.match(before)
    if case is None or _BARE_MAIN.match(case["main"]) is None:
        return False
    supposed = case[1].lower() in ("assuming", "provided", "unless", "ignoring", "neglecting", "disregarding")
    return supposed or _CONDITION.match(f"if {case['condition'].strip()}") is not None


def _is_other_label(before: str) -> bool:
    """Whether the sentence is only a short label, and none for an answer: `Hint:`, `Bob:`, `Upper limit:`."""
    if not before.endswith((":", "：")) or before[0] > LAST_LETTER:
        return False
    words = [match[0].lower() for match in _TOKEN.finditer(before.strip(":： ")) if match[0][0].isalnum()]
    if not words or len(words) > MAX_LABEL_WORDS or words[0] == "step":
        return False
    if words[0] in ("case", "part", "option", "hint", "example", "question", "problem", "exercise"):
        return True
    return not (words[-1] in _LINKS or words[-1] in _HARMLESS or words[-1] in QUANTITIES or words[-1] in _LABELS)


MAX_LABEL_WORDS = 3
_LABELS = frozenset(
    words_of("""
    conclusion together follows box boxed below up simplifying simplification form notation summary combining substituting evaluating solving ans antwort réponse respuesta
    risposta resposta ответ solución lösung step steps computation calculation check verification therefore expression range domain work proof obtain choice
    """)
)
"""Last words of labels behind which an answer stands."""


def _is_allowed_behind(text: str, end: int, *, extremum: bool) -> bool:
    """Whether nothing behind the box restricts it or makes it another number. Where the sentence names an extremum,
    the place where it is attained may follow."""
    near = text[end : end + NEAR]
    if _QUOTED.match(near) or _UNFINISHED.match(near):
        return False
    if (bracket := _BRACKETED.match(near)) and not _is_harmless_remark(bracket[1]):
        return False
    closing = _CLOSING.match(near)
    rest = near[closing.end() :] if closing else near
    if closing and "\n" in closing[0] and not (rest[:1].islower() and re.search(r"\\\]|\$\$|\\end", closing[0])):
        return True
    if closing and _ENDS.search(closing[0]):
        return True
    behind = _SENTENCE_END.split(rest, maxsplit=1)[0]
    behind = _WRAPPERS.sub(" ", behind).strip()
    reason = _REASON.search(behind)
    said = behind[: reason.start()] if reason else behind
    if _RESTRICTS.search(said) or (_ANOTHER_CASE.search(said) and not extremum):
        return False
    verb = _VERB_BEHIND.search(said)
    if _COMPARES.search(said[: verb.start()] if verb else said):
        return False
    if (
        not behind
        or not behind[0].isalpha()
        or behind[0] > LAST_LETTER
        or (closing and any(sign in closing[0] for sign in ",;:"))
    ):
        return True
    if _BARE_TAIL.match(behind):
        return True
    return _is_noun_phrase([match[0] for match in _TOKEN.finditer(behind)])


def _is_noun_phrase(words: list[str]) -> bool:
    """Whether a unit, a noun or a name stands behind a number, perhaps with a describing word."""
    for place, word in enumerate(words[:4]):
        small = word.lower()
        if not word[0].isalpha() or small in CHANGING_WORDS:
            return False
        if small == "in" or small in _NO_NOUNS:
            return False
        if len(word) == 1:
            return word in _LETTER_UNITS
        if is_noun(small) or unit_name(word) or small in _UNITS or small.split("-")[0] in _UNITS:
            return True
        if word.istitle() or (
            small.endswith("s") and small.removesuffix("s") not in _PARTS and not small.endswith("nths")
        ):
            return True
        if not is_describing(small) and not (place + 1 < len(words) and is_noun(words[place + 1].lower())):
            return False
    return False


_NO_NOUNS = frozenset(
    words_of(
        "versus minus plus less is was has does its this thus as us yes his hers needs seems means could would should might may can must will shall to of and or but be been for with by from at on that which who towards always perhaps besides across whereas unless sometimes vs"
    )
)
"""Words that are no nouns: they end like plurals, or belong to the grammar of the sentence."""
_LETTER_UNITS = frozenset("mghsLlNJWVCF")
"""Units of one letter, and the scales of temperature."""
_PARTS = frozenset(
    words_of("fourth fifth sixth seventh eighth ninth tenth twelfth hundredth thousandth millionth billionth couple")
)
_UNITS = frozenset(
    words_of("""
    c f k erg ergs ev gyr myr yr pm nm amu angstrom angstroms arcsec arcseconds parsec parsecs pc kpc mpc degree degrees radian radians solar magnitudes mole moles
    r rad coulomb tesla weber farad henry lumen lux molar ppm mph kph cm mm km sq square cubic mod dimensional sided
    """)
)
"""Units that the comparison does not convert, and beginnings of units."""


def _is_harmless_remark(remark: str) -> bool:
    """Whether what stands in brackets behind a box gives a reason, a modulus or a unit."""
    words = [match[0] for match in _TOKEN.finditer(_WRAPPERS.sub(" ", remark))]
    return not words or _REMARK.match(remark) is not None or _is_noun_phrase(words)


_UNFINISHED = re.compile(
    r"[\s$*]{0,4}(?:\\[\])])?\s{0,2}(?::\s*\d|,?\s{0,3}(?:\.\.\.|…|\\[lc]?dots)|\[\d{1,3}\]|[†‡👎🚫]|[-'’](?!s\b\s+[a-z])[a-z]|\s(?:--|[—–-])\s+[A-Z][a-z]+\s*(?:\Z|\n))"
)
"""A ratio, a list that goes on, a footnote, or a name behind a dash."""
_BRACKETED = re.compile(r"[\s$\\\])*]{0,6}\(((?![)$])[^()\n]{0,80})\)")
_REMARK = re.compile(
    r"[\s$\\]{0,4}(?:p?mod|bmod|since|because|by|as|using|from|where|in|units?|the|which|i\.e|that|per|total|or|and|with|of|to|after|all|each|so|it|we|this|simplified|reduced|exact\w*|"
    r"rounded|≈|approx|=|\d|square|cubic|not\s+\d|QED|checked|correct|verified|answer|option|choice|\\text)",
    re.IGNORECASE,
)
_CLOSING = re.compile(r"(?:[\s$*_`)\]},.;:]|\\[\])(]|\\(?:quad|qquad|[,;:! ]|right|end\{\w+\*?\})|</\w+>)+")
_ENDS = re.compile(r"\.(?:[\s$*)\\]|\Z)")
