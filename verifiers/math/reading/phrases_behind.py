# ruff: noqa: E501  (tables)
"""Phrases behind an answer: what changes, restricts, doubts or withdraws it, and what may follow it.

The notation of the tables is that of verifiers.math.reading.phrases.
"""

from __future__ import annotations

from verifiers.math.reading.phrases import phrases

REASONS = phrases(
    r"""
    which (?:occurs|happens) / (?:(?:and )?(?:is|are) )?(?:achieved|attained|reached) (?:when|at|for|if)
    occurs? (?:when|at|for) / because / since / as (?!many|much) / where / so that
    by (?:the|our|using|symmetry|definition|construction) / from (?:the|our|which|above)
    """
)
"""Where a sentence begins to give a reason."""

COMPARING = phrases(
    r"""
    than / less / ago / early / late / in \d+\s*\Z / fewer(?! [a-z]+) / lower / below / beyond / short of / plus / minus
    """
)
"""Phrases that compare the number with another."""

CHANGING = phrases(
    r"""
    times (?:that|the|as|more|larger|bigger|greater|less|smaller|faster|longer|its|his|her|their|\d|[a-z]\b)
    (?<!second\ )(?<!seconds\ )(?<!meter\ )(?<!meters\ )(?<!units\ )(?<!inches\ )(?<!feet\ )squared / cubed / fold
    percent / percentage / percentile
    """
)
"""Phrases that make it another number."""

ABOUT = phrases(
    r"""
    per cent / approx\w* / roughly / about / estimat\w* / rounded / rounding
    """
)
"""Phrases that say that it is rounded or estimated."""

BOUNDING = phrases(
    r"""
    or (?:more|less|fewer|so|higher|greater) / and (?:up|above|over|a half|counting|change) / at (?:least|most) / up to
    more\s*\Z
    """
)
"""Phrases that make it a bound."""

ROUNDING_PLACES = phrases(
    r"""
    nearest (?!dollar|cent|integer|whole|degree|unit|tenth|hundredth|thousandth|penny|inch|meter|foot|mile|minute|second|hour|day|year|percent|number)
    """
)
"""A place of rounding that is no usual one."""

CONDITIONS = phrases(
    r"""
    if / unless / provided / otherwise / assuming / whenever
    """
)
"""Words with which a condition begins."""

FACTORS = phrases(
    r"""
    halv(?:e|ed|ing) / doubl(?:ed|ing) / tripl(?:ed|ing) / quadrupl(?:ed|ing) / double (?:it|this|that)
    """
)
"""Changes of the number by a factor."""

CONCESSIONS = phrases(
    r"""
    not (?:the|our|my|an?) (?:\w+ )?answer / though / although / also works? / works? too
    """
)
"""Phrases that deny, doubt or restrict what stands in front."""

ONE_OF_SEVERAL = phrases(
    r"""
    (?:is|are|was|were) (?:only |just |merely |but )?(?:one|another|an?|some) (?:of (?:the )?)?(?:\w+ )?(?:solution|answer|value|root|possib\w+|candidate|example|option|choice|case|guess)s?
    """
)
"""Phrases that call the value one of several."""

OTHERS_SAY = phrases(
    r"""
    said / says / claims? / claimed / thinks? / thought / believes? / wrote / writes / guess(?:ed)? / suggested
    answered / replied / teacher / student\'s / careless
    """
)
"""Phrases that say that somebody else gave the value."""

ONE_CASE = phrases(
    r"""
    part \(?(?:[a-h]|i{1,3}|iv|\d)\b
    (?:first|second|third|other|previous|last|next|special|former|latter|best|worst|this|that|each|either|one) (?:case|part|subcase|scenario|question|attempt)
    case (?:\d|[ivx]+\b|one|two) / in case / probability \d / on (?:earth|mars|the moon|average)
    """
)
"""Phrases that restrict the value to a part, a case or a place."""

GROUPS = phrases(
    r"""
    (?:pairs?|couples?|sets?|groups?|packs?) of (?:them|these|those|it)
    """
)
"""Phrases that count groups and no members."""

GIVING_REASONS = phrases(
    r"""
    because / since / as\b / so\b / hence / thus / therefore / where
    which (?:is|are|was|means|gives|has|makes|can|we|completes|equals|agrees|matches|occurs|happens) / that is / i\.?e\b
    (?:is|are|was|will be|must be) (?:the|our|my|indeed|a (?:prime|perfect|multiple)|an integer|correct|right|prime|even|odd|irreducible|positive|as desired|what we|already|achiev\w+|attain\w+|obtained|reached|between)
    """
)
"""Phrases that give a reason or explain."""

SUMMING_UP = phrases(
    r"""
    in (?:total|all|simplest|lowest|scientific|standard|base|interval|terms|decimal|reduced)\b / total\b / altogether
    overall / left\b / remaining / remain\b / each\b / every (?:day|week|month|year|hour|minute|night)\b
    in (?:profit|change|tips|savings|sales)\b / apiece / respectively / combined / per\b
    """
)
"""Phrases that say of what the number is the sum or the share, and in which form."""

DESCRIBING = phrases(
    r"""
    of (?:the|its|his|her|their|our|all|them|it|these|those|this|that|a|an|each)\b / (?:when|at|for) [a-z]\s*=
    (?:for|of) (?:all|every|any|some|an? arbitrary)\b / from -?\d
    when (?:the \w+ is divided|it is divided|divided|converted|expressed|written|simplified|reduced|factored)
    to (?:the (?:problem|question|north|south|east|west|left|right|power)|compute|get|find|be|have|her|his|their|each|pay|spend|buy|complete|finish|reach)\b
    for (?:the|a|an|his|her|their|its|this|each|our|both|one|two|three|four|five|six|seven|eight|nine|ten|\d+) (?!case|part)\w+
    (?:on|at|from|by|in|with) (?:the|his|her|their|its|each|this|that|average|a|an|\d+|monday|tuesday|wednesday|thursday|friday|saturday|sunday)\b
    """
)
"""Phrases that describe the noun that the number counts, or its place and purpose."""

CONFIRMING = phrases(
    r"""
    as (?:desired|required|claimed|needed|wanted|expected|the) / satisf\w+ / works\b
    that (?:is|are|the|we|satisf\w+|has|have|can|work)
    and (?:so|thus|we|hence|that|is|are|therefore|the (?:answer|proof))
    is (?:achieved|attained|possible|defined|true|needed) / mod\b / modulo / pmod / corresponds? / matches / agrees
    we (?:are|have|get|see|can|know) / has\b / cubic / square / (?:more|fewer)\b / times\s*\Z / real root / such\b
    exactly\b / this\b / and only / we\b / the (?:answer|moon|sum|total|only) / QED / tombstone / blacksquare
    checkmark / done / proved / confirmed / ✓ / ✔ / ✅ / □ / ■ / ∎ / 🎉 / rad / respectively
    """
)
"""Phrases that confirm the value, or end the proof."""

REMARKS = phrases(
    r"""
    p?mod / bmod / since / because / by / as / using / from / where / in / units? / the / which / i\.e / that / per
    total / or / and / with / of / to / after / all / each / so / it / we / this / simplified / reduced / exact\w*
    rounded / ≈ / approx / = / \d / square / cubic / not \d / QED / checked / correct / verified / answer / option
    choice / \\text
    """
)
"""What a harmless remark in brackets begins with."""

RETRACTING_ALONE = phrases(
    r"""
    not(?: (?:quite|really|exactly|so fast))? / nah / nope / no / psych / lol / lmao / jk / /?s / sarcasm
    """
)
"""Phrases that take an answer back where it is all that a sentence says."""

HEDGING_ALONE = phrases(
    r"""
    maybe not / perhaps not / allegedly / or not / as if / yeah,? right / i (?:think|guess|hope|suppose) / gotcha
    """
)
"""Phrases that doubt an answer where it is all that a sentence says."""

CALLING_WRONG_ALONE = phrases(
    r"""
    wrong / false / incorrect / rejected / nonsense / rubbish / unlikely / doubtful / unverified / unproven / n/?a / tbd
    todo
    """
)
"""Phrases that call an answer wrong or unfinished where it is all that a sentence says."""

JOKING = phrases(
    r"""
    not quite / jok(?:e|ing) / sarcas\w+ / said no one / (?:a|the) fool
    lied / lying / (?:made|making) (?:this|it|that) up / made-?up / quote ends / end (?:of )?(?:the )?quote
    """
)
"""Phrases that say that the answer was no answer in earnest."""

NOT_FINISHED = phrases(
    r"""
    sign is (?:off|wrong|flipped) / not (?:yet )?(?:done|finished|right|correct|proven|proved|rigorous)(?: yet)?
    incomplete / unfinished
    (?:this|that|it|which|i|we) (?:only|just|merely) (?:counts?|counted|covers?|covered|holds?|works?|applies|handles?|includes?|considers?|considered)
    (?:this|that|it|which|i|we) (?:omits?|omitted|ignores?|ignored|misses|missed|forgets?|forgot|leaves? out|left out|neglects?|neglected|overcounts?|overcounted|undercounts?|undercounted|double-?counts?|double-?counted)
    """
)
"""Phrases that say that the work has an error or is not finished."""

CALLED_OTHER = phrases(
    r"""
    (?:this|that|the) (?:\w+ )?(?:quote|quotation|text|passage|statement|box|line|number|answer|value|result|solution|claim|work|student|user) (?:is|was) (?:\w+ )?{wrong}
    (?:this|that|it|which) (?:is|was) (?:\w+ )?(?:an?|the) (?:\w+ )?(?:bound|estimate|overestimate|underestimate|guess|approximation|lie|hunch|conjecture|{wrong} \w+)
    overestimat\w+ / underestimat\w+
    """
)
"""Phrases that call what stands above wrong, a bound or a guess."""

NOT_PROVEN = phrases(
    r"""
    guess(?:ed|ing) / no proof / (?:could|can|did|do)(?:\s*not|n't) (?:really )?prove / unproven
    (?:i|have|some) doubts? / doubt (?:it|this|that) / uncertain
    """
)
"""Phrases that say that the answer is guessed or doubted."""

OTHERS_WORK = phrases(
    r"""
    works? (?:too|as well) / also (?:works?|possible|valid|an? (?:solution|answer|root))
    (?:could|might|may) (?:also )?be -?\d
    """
)
"""Phrases that say that another value is an answer as well."""

IMPOSSIBLE = phrases(
    r"""
    (?:this|that|it|which) violates / (?:this|that|it|which) is (?:extraneous|impossible|absurd|invalid)
    (?:we|i) (?:reject|discard|exclude) (?:it|this|that) / so this is impossible / there is no (?:answer|solution)
    (?:no|none of (?:the|these|those|our)) (?:options?|choices?|answers?|candidates?|values?) (?:listed |given |above |here )?(?:fits?|works?|matches|match|applies|apply|holds?|satisf\w+|(?:is|are) (?:right|correct|possible|valid))
    (?:gives|yields|get|is|reach|obtain) (?:us )?a contradiction / would be the (?:answer|result)
    """
)
"""Phrases that say that the answer is impossible or leads to a contradiction."""

ABOVE_IS_WRONG = phrases(
    r"""
    (?:none|all|everything|nothing|much|most) (?:of )?(?:this|that|the above|above)\b
    the above (?:\w+ )?(?:is|was|contains) (?:the |an? |by )?(?:{wrong}|joke|student|mistake|error)
    end of (?:the )?(?:\w+ )?{wrong} / student's (?:solution|answer|work|argument) / by a student
    find the (?:error|mistake) / (?:contains|is|has) an? (?:error|mistake) / so says
    (?:that|this) is what \w+ (?:says?|thinks?|said|claims?|wrote|believes?)
    """
)
"""Phrases that say that what stands above is wrong or somebody else's."""

STEPS_LEFT = phrases(
    r"""
    (?:todo|fixme) / still (?:has|have|need|needs) to
    remains? to (?:add|subtract|be added|double|multiply|divide|prove|show|check) / lorem ipsum
    """
)
"""Phrases that say that steps remain."""

GRADING_LABELS = phrases(
    r"""
    grade / score / verdict / status / feedback / teacher / mark / marks / evaluation / assessment / reviewer / grader
    result
    """
)
"""Labels of a grade."""

CALCULATING = phrases(
    r"""
    adding / subtracting / doubling / halving / tripling / multiplying / dividing / including / taking
    """
)
"""Participles with which a further calculation begins."""

SIGNS_BEHIND = phrases(
    r"""
    \\(?:pm|mp|cdot|times|div|choose|pi|binom|to|neq?|bmod)\b / \\\ \\mathrm\{mod\} / ± / \+/- / [×‰≈] / \|\s*-?\d
    --?\s*\d / –\s*\d / -\s*nope / \+\s*\d / \^\{?(?:th|st|nd|rd)
    """
)
"""Signs directly behind a box that make it another number."""

WORDS_BEHIND = phrases(
    r"""
    bps\b / ppm\b / tops\b / upwards\b / left to go / more to go / remaining to / points off / \[[a-z\ ]+\] / :\(
    N/A\b / becomes\b / ,\s*(?:i\.e\.?,?|that is,?|respectively|reciprocated)\s*\$?(?:-?\d|\Z|\W*\Z)
    ,\s*(?:and )?(?:the|its) \w{3,20} (?:is )?\$?-?\d[\d.]*\$?[\s.]*(?:\n|\Z) / in the limit / as \$?n\s*\\to
    modulo errors / sans\b / \(to be\b
    """
)
"""Words directly behind a box that make it another number."""

OTHER_VALUES_BEHIND = phrases(
    r"""
    [;,]?\s*(?:and|or|then|hence|so|thus|sorry|to|⇒|→|=>)[\s,]*(?:it\s*'?i?s )?\$?(?:-?\d|(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b)
    (?:with )?remainder \$?\d / (?:mod|modulo|choose|in base) \$?\d / per mille
    \((?:an? )?(?:guess|approx|approximately|rounded|crossed out|old|estimate|wrong|not)\b
    (?:is|was) (?:only |just )?(?:what|the (?:old|first|previous|wrong|format|answer before)|an? (?:guess|estimate|example))\b
    [,;]\s*(?:corrected|sorry|whereas|although)\b
    """
)
"""Phrases directly behind a box that give another value or a remainder, or say that it is no answer."""

WITHDRAWING = phrases(
    r"""
    never mind
    (?:ignore|scrap|delete|forget|retract|withdraw|undo|cancel) (?:that|this|it|the (?:above|previous|last|answer))
    (?:this|that|it|the answer|verification|(?:the|this|that) check) (?:fails|failed|can(?:no|')t be|is (?:(?:only|just) )?an? (?:guess|contradiction|estimate)|contradicts|is off)
    verification failed / something is (?:off|wrong)
    """
)
"""Phrases that withdraw the answer or say that it fails."""

DOUBTING = phrases(
    r"""
    not (?:\w+ )?(?:sure|confident|certain) / might be (?:wrong|off|incorrect)
    (?:this|that|it) is (?:only |just )?(?:an? (?:upper|lower|rough)\b|an? (?:bound|approximation)\b|the answer to (?:part|question|\())
    i think so / just kidding
    """
)
"""Phrases that doubt the answer, or call it a bound."""

REDOING = phrases(
    r"""
    (?:now|then|finally|next),? (?:double|halve|triple|multiply|divide|add|subtract) (?:it|this|that|by|\d|one|the result)
    i (?:forgot|missed|overlooked|misread|slipped|made an? (?:\w+ )?(?:slip|mistake|error))
    (?:could\s*n't|could not|cannot|can't) (?:solve|determine|find) / no such \w+ exists? / none exists?
    has no (?:answer|solution) / (?:i )?(?:do not|don't) know
    (?:looks|seems) (?:right|correct),? (?:but|it is not|it isn)
    """
)
"""Phrases that say that the work has a mistake or goes on."""

WITHDRAWING_FIRST = phrases(
    r"""
    there (?:is|are) no solutions? / no solutions? / undo / retract(?:ed)? / error / redo / not(?=!)
    """
)
"""Phrases that begin a sentence that withdraws the answer."""

NEW_ATTEMPTS = phrases(
    r"""
    attempt / version / take / try / second attempt
    """
)
"""Labels of another attempt."""

FAILING = phrases(
    r"""
    fails / failed / (?:does|did)(?: not|n't) / is (?:not|too|wrong|incorrect|impossible|invalid|extraneous|excluded)
    cannot / can't / violates / contradicts / must be (?:rejected|excluded|discarded)
    """
)
"""Phrases behind a number that call it wrong."""

CALLING_WRONG = phrases(
    r"""
    wrong / incorrect / mistaken / impossible / false / absurd / invalid / rejected
    not (?:the|right|correct|possible|valid|it|true|an?) / n\'t (?:the|right|correct)
    (?:does|do|did|can|could|will|would)(?: not|n\'t) / cannot / fails?\b
    too (?:small|large|big|low|high|much|many|few) / [✗❌✘]
    """
)
"""Phrases directly behind an answer that call it wrong."""

CONTRADICTIONS = phrases(
    r"""
    contradict\w* / impossible / absurd / incorrect / wrong / not possible / does not (?:work|hold|satisfy)
    doesn\'t (?:work|hold|satisfy) / cannot be / can\'t be / fails
    """
)
"""Phrases later in the sentence of an answer by which it is impossible."""

VERDICTS_BEHIND_COMMA = phrases(
    r"""
    contradiction / impossible / incorrect / wrong / false / absurd / rejected
    """
)
"""Phrases behind a comma that call the answer wrong."""

TAKING_BACK = phrases(
    r"""
    wait(?! (?:for|until|to)\b| time) / oops / whoops / scratch that / strike that / actually,? no
    (?:on|upon) second thought
    (?:that|this|it|which)(?:\'s| is| was) (?:wrong|incorrect|not (?:right|correct)|a mistake) / i was wrong
    i made (?:a|an|some) (?:\w+ )?(?:mistake|error)
    (?:let me|let's|let us|(?:i|we) (?:need|have|want|should|must|will|am going|are going)(?: to)?) (?:re-?(?:do|compute|calculate|check|consider|think|examine|evaluate|visit|try|count|work|solve|verify|read|start|write)|check again|try again|correct|fix)
    disregard / (?:take|taking) (?:that|this|it) back
    (?:misread|misunderstood|miscalculated|miscounted|recomputing|recalculating|redoing) / i meant? / off by one
    my mistake / my bad / i apologi[sz]e
    (?:it|that|this|the (?:correct |right |final )?answer|which) should(?: actually)? (?:be(?! noted)|have been)
    """
)
"""Phrases that withdraw the answer or look at it again."""

CORRECTION_LABELS = phrases(
    r"""
    correction / corrected / edit / update / erratum / errata / revised / amended / typo
    """
)
"""Labels of a correction."""

TURNING = phrases(
    r"""
    actually / hmm+ / hold on / sorry / apologies / nope / however / but / yet / unfortunately / correction
    """
)
"""Words that turn against what was said, as the first of a sentence."""

NEXT_PROBLEM_LABELS = phrases(
    r"""
    user / human / prompt / input / question / problem / exercise / query / instruction / task / q
    """
)
"""Labels of another problem behind the answer."""

DENYING_BEHIND = phrases(
    r"""
    (?:is|was) (?:the|an?|just an?|only an?) (?:\w+ )?(?:distractor|decoy|trap|bait|red herring|placeholder|example|guess)
    not / never / no / cannot / wrong / incorrect / mistak\w* / false / impossible / absurd / invalid / extraneous
    spurious / inadmissible / reject\w* / discard\w* / exclud\w* / ruled out / contradict\w* / violat\w* / fail\w*
    off by / bound / too / would / were / if / unless / or / rather / instead / mean / meant / actually / maybe
    perhaps / but / however / except / error / typo
    """
)
"""Phrases behind a box, in its sentence, that deny or restrict it."""
