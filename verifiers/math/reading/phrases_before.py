# ruff: noqa: E501  (tables)
"""Phrases in front of an answer by which a sentence says less, or something else, than that it is the answer.

The notation of the tables is that of verifiers.math.reading.phrases.
"""

from __future__ import annotations

from verifiers.math.reading.phrases import phrases

COMPARATIVES = phrases(
    r"""
    less / greater / more / fewer / smaller / larger / higher / lower
    """
)
"""Comparatives in front of `than`."""

BELIEVING = phrases(
    r"""
    think / believe / guess / suspect / hope / feel / bet / reckon / imagine
    """
)
"""Verbs of belief behind `I` or `we`."""

ACQUAINTANCES = phrases(
    r"""
    friend / teacher / classmate / colleague / calculator / book / textbook / brother / sister / neighbou?r
    """
)
"""People and things behind `my` whose answer is not the answer of the text."""

SOURCES = phrases(
    r"""
    wikipedia / internet / chatgpt / wolfram\w* / google / answer key / textbook / calculator
    """
)
"""What gives an answer that is not worked out in the text."""

BOUNDS_AND_ESTIMATES = phrases(
    r"""
    estimates? / estimations? / approximations? / approximate
    (?:lower|upper|rough|crude|trivial|best|known|tight|loose|weak|strong)(?:er)? (?:\w+ )?bounds? / conjectur\w+
    hypothes\w+
    """
)
"""Values near the answer."""

WRONG_WORK = phrases(
    r"""
    (?:wrong|incorrect|bad|failed) (?:answer|attempt|solution|guess|try|approach|method|working|proof|argument|result|value)s?
    wrongly / incorrectly / flawed / fake / bogus / placeholder
    """
)
"""Work and values that the text calls wrong or not meant."""

PARTS_AND_CASES = phrases(
    r"""
    part \(?(?:[a-h]|i{1,3}|iv|v|\d)\b\)?
    (?:first|second|third|other|previous|last|next|special|degenerate|extreme|best|worst) (?:case|part|subcase|scenario|question|problem|attempt|try)
    case (?:\d|[ivx]+|one|two|three|[a-d])\b / on average about
    """
)
"""A part of the problem or one case of several."""

TENTATIVE = phrases(
    r"""
    provisional\w* / tentativ\w+ / preliminary / supposed(?:ly)? / alleged(?:ly)? / hoped / presumabl\w+
    """
)
"""Values that are not final."""

HEARSAY = phrases(
    r"""
    students? (?:may|might|often|will|would) / according to / quote[sd]?
    """
)
"""Values that the text only reports."""

NOT_KNOWN = phrases(
    r"""
    no answer / not sure / unsure / unclear / unknown / no idea / skip(?:ped|ping)? (?:this|it)
    """
)
"""Phrases that say that there is no answer or none is known."""

SPECIMENS = phrases(
    r"""
    dummy / example answer / sample answer / somebody / someone / others? (?:say|think|claim|get)
    """
)
"""Values that only show the form of an answer, or are somebody else's."""

POSSIBILITIES = phrases(
    r"""
    could / might / may / seems? to / appears? to / likely / probably / possibly
    """
)
"""Verbs and adverbs that only call a value possible."""

SAYING = phrases(
    r"""
    wrote / suggests? / suggested
    answered / replied / insists? / insisted / argues? / argued / predict(?:s|ed)? / bets? / hopes? / reckons?
    assert(?:s|ed)? / told / heard / recall(?:s|ed)? / remember(?:s|ed)?
    """
)
"""Verbs of saying and thinking."""

OWN_SUBJECTS = phrases(
    r"""
    we / i / you / problem / question / theorem / formula / lemma / identity / rule / equation / inequality / law
    definition / condition / statement / this / that / which / it / one
    """
)
"""Subjects whose saying is that of the text or of the problem."""

COMMANDS = phrases(
    r"""
    let(?:'?s| us)? / try / take / choose / pick / test / check / consider / imagine / set / put
    (?:substitute|plug(?: in)?|multiply|divide|add|subtract)\b(?![^,:]*=)
    """
)
"""Verbs of a command in front of a box."""

QUESTION_WORDS = phrases(
    r"""
    is / are / does / do / can / could / would / should / will / what / why / how
    """
)
"""Words with which a question begins."""

STUDENT_VERBS = phrases(
    r"""
    wrote / writes? / solved / answered / claims? / claimed / argued / gave / submitted
    """
)
"""What students did whose work is shown."""

WORK_OF_OTHERS = phrases(
    r"""
    solution / answer / attempt / work / approach / guess / response / example
    """
)
"""What belongs to somebody else."""

OTHERS_SAYING = phrases(
    r"""
    says / said / wrote / writes / claims / claimed / thinks / thought / answered / argues / argued / replied / guessed
    suggests
    """
)
"""Verbs behind a name that announce its words."""

NOT_TO_DO = phrases(
    r"""
    write / do / use / say / answer / copy / submit / believe / trust
    """
)
"""What the reader is told not to do."""

INABILITIES = phrases(
    r"""
    can't / cannot / can not / could not / couldn't / unable to / did not / didn't / failed to / do not / don't
    """
)
"""Phrases that say that the text cannot do what follows."""

OPERATIONS = phrases(
    r"""
    invert / double / halve / negate / reverse / add / subtract / multiply / divide / increase / decrease
    """
)
"""Changes that the reader is told to make to the number below."""

OTHER_PROBLEMS = phrases(
    r"""
    (?:an? |the )?(?:previous|warm-?up|last|next|other|another|different|similar|simpler|easier|related|practice|sample|example|the prompt's)\b.{0,20}\b(?:problem|question|exercise|task|example|answer|solution)s?
    answer to (?:question|problem|part)\b.*
    """
)
"""Headings of another problem or of its answer."""

ROLES_AND_VALUES = phrases(
    r"""
    (?:draft|deprecated|obsolete|old|quote|quotation|user|human|student|teacher|question|problem|prompt|decoys?|distractors?|forbidden|negation|counter-?examples?|approximately|approximation|roughly|estimate|percent|percentage|squared|cubed|traps?|hints?|rejected|discarded|unused|example|placeholder|(?:upper|lower|trivial|crude|rough) bound|bound)s?
    (?:excluded|rejected|discarded|forbidden|wrong|incorrect|invalid|old|previous|outdated|deprecated|draft|intermediate|provisional|alternative) (?:values?|answers?|results?|options?|solutions?)
    (?:common|typical|usual) (?:mistakes?|errors?|pitfalls?)
    """
)
"""Headings that name another value, or who speaks."""

ATTEMPTS_AND_CASES = phrases(
    r"""
    (?:first|second|third|initial|failed|earlier|rough|early|another|wrong)?\s*(?:attempt|try|draft|version)s?\b.*
    wrong .* / (?:sub)?case\b.*
    """
)
"""Headings of an attempt or of one case."""

OTHER_NUMBERS = phrases(
    r"""
    (?:ignoring|neglecting|disregarding|without|before)\b[^,.]*
    in (?:hundreds|thousands|millions|billions|dozens|tens|percent|base|binary|hexadecimal|octal|units)\b.*
    mod(?:ulo)?\b.* / (?:not|everything|anything|all|nothing) (?:the answer|but|except)\b.*
    (?:the )?(?:opposite|reciprocal|negative|square|square root|inverse|half|double|twice|triple|cube|logarithm|complement|floor|ceiling)\b.*\b(?:answer|result|number|value|solution)\b.*
    answer (?:minus|plus|times|squared|over|mod|divided)\b.*
    (?:if|for|when|whenever|given|unless|in case)\b{bare_case}[^,.:]{0,40}
    """
)
"""Headings under which another number than the answer stands."""

RELATING_TO_ANSWER = phrases(
    r"""
    of / in / from / than / twice / half / thrice / triple / double / minus / plus / times / by / over / modulo
    opposite / not
    """
)
"""Phrases in front of `the answer` by which it is only a part of what is spoken of."""

EARLIER = phrases(
    r"""
    initially / originally / previously / formerly / at first\b / for (?-i:[A-Z][a-z]+)\b
    if (?:wrong|true|false|so|not|correct|allowed|possible)\b
    """
)
"""Phrases that say that the value is an earlier one, or that of somebody else."""

DOUBTFUL_ADVERBS = phrases(
    r"""
    carelessly / naively / superficially / formally / loosely / ideally / heuristically / hypothetically / theoretically
    alternatively / conversely / informally / empirically / roughly / supposedly / reportedly / intuitively / apparently
    seemingly / presumably / asymptotically / numerically speaking
    """
)
"""Adverbs that doubt the value or call it something near the answer."""

SIDE_OF_THINGS = phrases(
    r"""
    (?:on|at) (?:the surface|mars|first \w+|face value) / to (?:first|leading|lowest|zeroth) order / up to
    mod(?:ulo)?\b
    in (?:base|thousands|millions|hundreds|tens|units|percent|hexadecimal|binary|octal|dozens|the limit|theory|practice|principle|(?:one|the \w+|this|that) case|radians mod)
    """
)
"""Phrases that restrict in which respect the value holds."""

LEAVING_OUT = phrases(
    r"""
    forgetting / ignoring / neglecting / excluding / except / apart from / barring / assuming / granted / granting
    given (?:that )?\W*[a-z]\W / with (?!this|these|all|everything) / without
    for (?:small|large|most|some|men|women|boys|girls|the (?:first|second|converse|other)|many|few|certain)\b / under\b
    """
)
"""Leaves something out, or supposes it."""

POOR_SOURCES = phrases(
    r"""
    by (?:mistake|accident|guess\w*|a guess|an? (?:numerical|rough|quick)|rounding|intuition|analogy|estimation|estimating|elimination of|chance|convention)
    from (?:memory|the (?:picture|figure|diagram|graph|plot|book|internet)) / judging
    as (?:far as|claimed|[A-Z]\w+ (?:says|claims|said)|a guess|i (?:recall|remember)) / if i\b
    """
)
"""Names a poor source of the value."""

TURNING_BACK = phrases(
    r"""
    should\s+ / until / then again / yesterday / in no way / by no means / towards? a contradiction / had\s+ / were\s+
    """
)
"""Supposes, denies or turns back."""

SAYING_LESS = phrases(
    r"""
    or else
    it (?:seems|appears|is (?:possible|doubtful|untrue|unlikely|conjectured|plausible|a myth|rumou?red|believed|claimed|said|alleged))
    i (?:deny|bet|was told|heard|recall|remember|doubt|assume|suppose|wonder)
    (?:must|need to|want to|have to|cannot|to) (?:show|prove|check|verify) that
    """
)
"""Phrases that say less than that it is so."""

ATTRIBUTING = phrases(
    r"""
    told / wrote / reads / states? / holds / has it / suggested / assumed / supposed / rumou?red / scribbled / submitted / printed / ended with
    insists? / swears? / marked .{0,20} / in the margin / (?:misconception|belief|myth|assumption|opinion|intuition|rumou?r) is
    exclude / rule out / deny / doubt / fail to see (?:how|why) / wrong / incorrect / false
    (?:older|earlier|previous|some) (?:editions?|versions?)(?: \w+){0,3}
    """
)
"""Phrases in front of `the answer` by which somebody or something else gives it, or by which it is denied."""

NOT_REACHING = phrases(
    r"""
    never / nowhere / by no means / in no way
    (?:this|that|which) (?:skips|omits|misses|leaves out|drops|forgets|overlooks|rules out|excludes|eliminates)
    (?:we|i|it|one) (?:fails?|skips?|misses|miss|lose|loses|tried|test|expected|never|initially \w+|first (?:got|found|obtained)|previously \w+|would (?:get|be|have|obtain|find)|could (?:get|be|have|obtain|find)|used to|start with|begin with|are given|had)
    fails? to / used to be
    """
)
"""Phrases that deny, try or begin what follows."""

DENYING_SUBJECTS = phrases(
    r"""
    nobody / none / nothing / nowhere / no (?:solution|value|one|number|\w+ gives) / few / only fools / everyone but \w+
    """
)
"""Subjects that deny the whole sentence."""

BARE_LABELS = phrases(
    r"""
    we (?:want|had) / or / and / line / equation / no\.? / score / points / sanity check / number of (?:steps|cases)
    i'd go with
    """
)
"""Sentences that only count, number or wish."""

OTHER_SOURCES = phrases(
    r"""
    problem / book / textbook / simulation / heuristic / experiment / truncation / rounding(?: (?:up|down))?
    correction / picture / computer / student
    """
)
"""What suggests a value that the text does not state."""

OTHER_SUBJECTS = phrases(
    r"""
    guess / mistake / error / decoy / distractor / trap / hint / subtotal / carry / base case / partial sum
    unattainable \w+
    (?:starting|initial|previous|next|given|forbidden|excluded|rejected|wrong|discarded|placeholder) (?:value|number|term|answer|result)
    first (?:candidate|root|zero|solution|case|possibility|option|choice|guess)
    (?:other|next|wrong) candidate / other (?:root|case|possibility) / number (?:to be excluded|of excluded values)
    (?:question|problem|step|line|equation|page|exercise) number / (?:difference|distance) from .*
    (?:supremum|infimum|bound) \W*not attained\W*
    """
)
"""Subjects that no problem asks for."""

OTHER_LEFT_SIDES = phrases(
    r"""
    \A\W*-\s*[a-z] / \A\W*1\s*/\s*[a-z] / \A\W*[a-z]\s*\^\s*\d / \A\W*\\sqrt\s*[a-z] / \A\W*\\log\s*[a-z]
    [a-z]\s*_\s*(?:old|\\?text\s*wrong|wrong) / \b(?:guess|error|mistake)
    """
)
"""Left sides that no problem asks for."""

GOALS = phrases(
    r"""
    need(?:ed)?(?: to (?:get|have|find|reach|show|obtain))? / want(?:ed)?(?: to (?:get|have|find|reach|show|obtain))?
    required? / seek / sought / try / tried / aim (?:at|for) / look for / hope for
    """
)
"""Phrases that say that the value is only needed or tried."""

SPEAKING = phrases(
    r"""
    guess\w* / hopes?
    expects? / suspects? / doubts? / check / verify / show / prove / pretend / conclude / write / writes / asserts?
    insists? / no way / unlikely / improbable / nobody / not / never / cannot
    """
)
"""Verbs and adverbs with which a clause says something else than that it is the answer."""

QUALIFYING = phrases(
    r"""
    could / may / might / seems? / appears? / used to / would (?:have|then) / was\b
    be \Z(?<!will\ be\ )(?<!must\ be\ )(?<!would\ be\ )(?<!should\ be\ ) / previous (?:question|problem|part)
    sub-?problem / sub-?question / part \( / in the (?:\w+ )?case / for \$?[a-z]\$?\s*=
    """
)
"""Phrases between `answer` and a box by which the answer is only supposed, or is that of a part."""

GUESSING = phrases(
    r"""
    maybe / perhaps / possibly / presumably / i(?:'d| would| will)? guess / my (?:first |best )?guess / tempt(?:ed|ing)
    trap / naively / might / common (?:error|mistake) / at first (?:glance|sight) / for example / e\.g\.
    students often / some would / i give up
    """
)
"""Phrases in front of a box by which it is guessed, or an example."""

EXCLUDING = phrases(
    r"""
    (?:do|does|did|can|could|would|should|must)(?: not|n't) / cannot / not quite / almost / nearly / excludes?
    excluding
    """
)
"""Phrases in front of a box that exclude it."""

CALLED_WRONG = phrases(
    r"""
    wrong / incorrect / false / naive / tempting / mistaken / erroneous / invalid / flawed
    """
)
"""Words that call what follows something else than the answer."""

RULING_OUT = phrases(
    r"""
    unless / rejects? / rejected / discards? / discarded / rules? out / ruled out / rather than / instead of
    other than / anything but / except / neither / nor / doubt that
    """
)
"""Words that rule out what follows."""

MULTIPLES = phrases(
    r"""
    twice / half / double / triple / thrice / third / quarter / square / cube / root / multiple / reciprocal / negative
    opposite / power / logarithm / factorial
    """
)
"""Phrases in front of a number by which another number is meant."""
