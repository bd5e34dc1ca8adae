# ruff: noqa: E501  (tables)
"""The words that an answer's surroundings are judged by, as tables: a reader splits a text into words and looks each one
up, so that a longer list costs nothing. The readers of multiple choice use them all, that of math those for sentences
behind an answer.

Words are in lower case. A list of allowed words is complete by intent: what it does not hold is not known to be
harmless.
"""

from __future__ import annotations

import re

from verifiers.enclosures import SYMBOLS


def words_of(*lines: str) -> frozenset[str]:
    return frozenset(word for line in lines for word in line.split())


WORD = re.compile(r"[^\W\d_](?:[\w'’.-]{0,40}[^\W_])?")
"""A word, with inner hyphens, points and apostrophes."""
_CONTRACTED = re.compile(r"['’](?:s|d|ll|m|re|ve)$")


def words_in(text: str) -> list[str]:
    """The words of a text in lower case, without contracted verbs (`it's` is `it`)."""
    return [_CONTRACTED.sub("", word.casefold()).strip(".-") for word in WORD.findall(text)]


LEADING = words_of(
    "a above accurate actual actually ah alright also alternatives am an analysis and ans answer answering",
    "approach appropriate are as así at based be believe best bonne but by can carefully certain certainly",
    "choice choices chosen clear clearly closest conclude conclusion confident consequently convinced correct",
    "correct_answer correcta correcte corrected correction correctly d daher damit das de deduce definitely",
    "den der deshalb determine die donc e een eight el elimination entonces ergo es est evident evidently",
    "exact exercise explanation fairly final final_answer finally find fits fitting five follows for four",
    "from get given gives go have hence here het hmm however i i.e ie il implies implying in indeed indicates",
    "information is ist it its know la le lautet leads leaves leaving les letter ll lo logical m making mcq",
    "me meaning means most must my namely nine no now number o obviously of ok okay one only oops",
    "opción option options opzione opção os our overall perfect pick por portanto pretty problem process",
    "proper provided q q1 que question quite rather re reasonable reasoning response resposta respuesta",
    "result richtige right risposta réponse s say see select selected seven should shows simply",
    "single six so solution somit statement step suggests suitable sum summarize summary summing sure t tanto",
    "task tells that the then thereby therefore these think this three thus to to-day true two un une up us",
    "ve verdict very wait we well which will would yes è é är верный значит итак поэтому правильный",
    "antwort antwoord lösung réponse respuesta resposta ответ solución solução soluzione",
    "both eliminating evaluating looking considering comparing given",
)
"""Words that only lead to an answer. `no` counts only at the end of its clause (`No, the answer is C`)."""
INTRODUCING = words_of(
    "value using formula calculate calculated computing compute equal equals obtain obtained final expression output",
    "following each analyze analyse evaluate compare now let look put together match matches matching corresponding",
    "among between do does can description on upon reflection checking rechecking after again corresponds closest nearest give have found findings combining all they than when",
)
"""Further words of a line that ends in a colon and introduces an answer."""
HEADINGS = words_of(
    "explanation explanations reasoning reason reasons rationale justification why analysis solution details detail step steps",
    "working proof discussion summary conclusion background note notes key points takeaways references reference",
    "source sources the for of and not others other options option are wrong incorrect choices each here",
    "where brief short detailed breakdown by elimination further additional information context calculation calculations",
)
"""Words of a heading or label behind an answer."""
CLOSING = words_of(
    "i hope this that it is helps help helped was useful clear correct right let me know if you have any more other",
    "questions question need anything else further assistance clarification feel free to ask reach out thank thanks",
    "for your time good luck with exam am very fairly quite confident sure certain in my answer of the and about",
    "absolutely completely pretty we are done qed end hope please would like happy studying answer final solved",
    "a more detailed explanation another problem problems just unclear studies clears things up interested learning topic",
)
"""Words of a polite or confident closing sentence."""
CLOSING_OPENERS = words_of("i hope let feel thank thanks please good we qed if absolutely happy done")
"""The words that such a sentence begins with."""
TAIL = words_of(
    "is the a an correct right best answer option choice one most appropriate accurate and final indeed here above",
    "in this question problem which that therefore thus so true only of among given all these as required needed",
    "i hope it confirmed verified found stated shown es ist est la le correcta richtig correcte properly",
    "definitely clearly obviously certainly undoubtedly without doubt for sure alone yes what we wanted desired",
)
"""Words behind an answer in its own sentence that leave it the answer."""
RESTRICTING = words_of(
    "for in on at if when whenever where under unless only with without to says said per via until till before after by",
    "from than or and but then now though although assuming provided i.e e.g namely meaning instead alias aka versus vs",
    "except excluding not no never hardly barely scarcely according corrected changed replaced renamed revised formerly",
    "previously originally initially first later last next while whereas despite like unlike about around roughly",
    "approximately almost nearly maybe perhaps possibly probably presumably allegedly supposedly apparently",
    "hopefully tentatively provisionally whether once pending subject just merely at upon against",
)
"""Words that, directly behind an answer, restrict it, date it, hedge it or lead to another one."""
DENYING = words_of(
    "wrong wrongly incorrect incorrectly mistaken mistakenly erroneous untrue invalid bogus nonsense nonsensical rubbish",
    "garbage kidding joking joke jk lol oops whoops sorry apologies apologize apologise pardon nope nah retract retracted",
    "retracting withdrawn disregard reconsider reconsidering rethink rethinking recheck rechecking correction corrected",
    "corrections errata erratum guess guessed guessing guesswork unsure dunno maybe perhaps misread misstated misspoke",
    "miscounted misremembered typo bluff bluffing pretend pretended lied lying decoy distractor distractors trap tempting",
    "falsch faux fausse falso falsa incorrecto incorrecta incorreto incorreta sbagliato sbagliata errado errada fout",
    "verkeerd felaktigt fel väärin źle неверно неправильно hatalı yanlış 错误 错",
    "unfounded refuted debunked disproved disproven overruled overturned superseded obsolete outdated void voided",
    "disagree disagrees disagreed differ differs otherwise whether undecided inconclusive unresolved unclear tbd todo rejected discarded scrapped",
)
"""Words that judge or take back an answer. Behind one they may stand only in a sentence about the other options."""
ABOUT_THE_ANSWER = words_of(
    "answer answers answered answering option options choice choices letter letters verdict",
    "i me my mine myself",
)
"""Words that speak about the answer and its author. A sentence with one behind an answer must be of a known kind."""
GRADING = words_of("status grade graded grader score scored response responses credit examiner attempt attempts")
"""Words that may speak about the answer, unless the question has them."""
UNSETTLING = words_of(
    "tentative tentatively suggestion suggestions ambiguous ambiguously ambiguity unsettled uncertain uncertainty provisional provisionally",
    "premature prematurely hasty hastily haste careless carelessly carelessness sloppy rushed rashly hunch speculate speculating speculation",
    "speculative hesitant hesitate hesitation suspicious fishy dodgy shaky torn toss gut withdraw withdraws withdrawing retraction",
    "rescind revoke revoked amend amended amendment revise revises revising revision backtrack backtracking overlooked overlook oversight",
    "misinterpreted misinterpretation misreading misunderstood misunderstanding mixed-up confused jumped unconvinced unconvincing",
    "disprove collapses collapse unravel unravels unjustified unsupported unsound unsubstantiated unproven unreliable untenable",
    "hindsight afterthought reassess reassessing reassessment reevaluate re-evaluate revisit revisiting reread rereading re-reading",
    "misapplied misapplication interchanged mixed neglected disregarded omitted misjudged miscalculated object objection objections",
    "question questions asked meant disclaimer caveat postscript p.s addendum nb flagged inaccurate bothers nagging nags scrap scrapping salt bet bets",
)
"""Words of an author who doubts or goes back on an answer, unless the question has them."""
WORK = words_of(
    "argument arguments conclusion conclusions reasoning derivation derivations deduction deductions inference premise premises assumption",
    "assumptions step steps explanation explanations solution solutions verification check checks statement wording reading",
    "readings interpretation interpretations question questions analysis calculation calculations computation proof",
    "result results",
)
"""Words that speak of the work that led to an answer, unless the question has them. A sentence with one may not fault it."""
FAULTING = words_of(
    "unfortunately sadly regrettably alas however but yet though although nor not never cannot can't don't doesn't isn't wasn't won't can’t don’t doesn’t",
    "isn’t wasn’t won’t didn't didn’t hardly nothing none neither without otherwise elsewhere different differently another gap gaps hole holes circular",
    "missing lacks lack unfounded weak thin longer opposite reversed reverse contrary instead several except",
)
"""Words that find fault with the work, in a sentence about it."""
FITTING = words_of(
    "suits suit fits fit matches match favours favors favour favor supports support indicates points point leads lead arrives arrive",
)
"""Words behind which another option's text is what the work leads to: `the facts favour helium`, `this points to helium`."""
DISMISSING = words_of(
    "eliminate eliminates eliminated eliminating exclude excludes excluded excluding reject rejects rejected rejecting",
    "discard discards discarded dismiss dismisses dismissed avoid avoids avoided ruled rule rules skip skips skipped",
    "contradict contradicts contradicted contradicting contradiction refute refutes refuted disprove disproves disproved",
    "fail fails failed doubt doubts doubted deny denies denied ban banned cross crossed strike struck cancel cancelled",
    "canceled drop dropped remove removed delete deleted ignore ignored forget forgot unlikely impossible false bad worst",
    "weak weakest inferior flawed misleading plausible claimed alleged supposed rumoured rumored hypothetical",
    "old previous former stale wrongfully lie lies hoax fake beware against opposite complement swap swapped flip flipped",
    "mistake mistakes error errors erred blunder blundered questionable dubious debatable contested disputed pending",
    "random randomly placeholder example sample dummy test demo template quoted cited reported told heard half partly",
    "partially sometimes rarely never nothing none nobody hardly sad sadly unfortunately regrettably luck lucky",
)
"""Words that dismiss or discredit. A sentence about the stated answer may hold none of them, nor a short one behind it."""
FAVOURING = words_of(
    "correct right true best better answer valid works work worked fits fit plausible likely likelier likeliest appropriate",
    "good accurate suitable preferred preferable stronger strongest superior also equally too well winner wins win",
    "acceptable possible prefer recommended ideal optimal proper favourite favorite pick choose chosen select",
    "truth correctly instead meant intended holds stands deserves credit",
)
"""Words that favour an option. Of another option than the stated one they contradict it, unless they are negated."""
FAVOURING_OTHERS = words_of(
    "correct right true best better valid works also equally too fits fit acceptable superior answer"
)
"""Words that favour the options that were not chosen, in a sentence about all of them."""
ABOUT_AUTHOR = words_of("i me my mine myself")
NEGATING = words_of(
    "not isn't aren't wasn't doesn't don't cannot can't never no neither nor less least without fails fail incorrect isn’t",
    "aren’t doesn’t don’t can’t hardly won't won’t wouldn't didn't couldn't weren't unlikely",
)
"""Words that negate a favouring word, if they stand at most four words in front of it."""
PREDICATES = words_of(
    "is was correct right best true supported consistent accurately correctly directly clearly",
    "exactly fully precisely describes represents matches satisfies reflects states gives explains aligns fits shows",
    "captures addresses corresponds includes provides refers follows makes meets completes accounts involves contains",
    "stands therefore thus indeed obtained derived reached justified chosen selected confirmed verified",
    "agrees accurate appropriate suitable describing explained highlights emphasizes indicates identifies",
    "focuses suggests acknowledges demonstrates illustrates defines summarizes outlines implies best-supported specifically",
    "has does presents covers mentions expresses encompasses conveys combines lists works holds",
)
"""The first words of what may be said about the stated option behind it."""
COMPLEMENTS = words_of("because since as the only most based in a an due")
"""Words besides PREDICATES that may follow `is` in what is said about the stated option."""
LIMITING = words_of(
    "i me my not no but isn't if unless only sometimes cases case theory when whenever until instead n't though although"
)
"""Words that limit what is said about the stated option."""
SAYING = words_of(
    "said says say claims claim claimed told tells think thinks thought believe believes believed wrote writes write argues",
    "argued asserts asserted insists insisted chose picked picks chooses voted votes swears bets guesses guess",
)
"""Words that attribute a statement to somebody."""
INSISTING = words_of(
    "actually really indeed surely it then please instead obviously definitely yes wins ftw rather now after"
)
"""Words that make a lone letter another answer: `D, actually`, `D it is`."""
CLAIMING = words_of(
    "describes matches satisfies should must has gets deserves meets answers explains fulfils fulfills addresses completes",
    "captures corresponds agrees best correctly accurately fully exactly",
)
CLAIMED = words_of("the what to listed given expected required marked chosen selected exactly precisely clearly indeed")
"""The first words of a sentence about another option that claim it to be what the question asks for."""
DIFFERING = words_of(
    "different another unrelated other opposite instead only product former however but distinct separate"
)
"""Words in such a sentence that tell why it is not."""
PLACING = words_of("from at with by in on where when via upon per until after before between under like around about")
"""Words of RESTRICTING that may stand in a short sentence which tells of the subject: `Ribosomes build it from acids.`"""
ORDINALS = words_of(
    "first second third fourth fifth last next neighbouring neighboring below entry later previous another following"
)
COMPARING = words_of("better closer correct right best matches fits instead lists precisely")
"""Words that compare. With one of ORDINALS, a sentence compares an option that it counts with the chosen one."""
NO_REASON = words_of("per opposed of a an if though with for in by to long far soon much well")
"""Words directly behind `as` with which it gives no reason."""
FUNCTION = words_of(
    "the a an of in to and is are was were they it its their by as from with at be been has have had which into on for this",
    "these those that there he she we also then thus so",
)
"""Words that do not tell what a sentence is about."""
OTHERS = words_of("other others remaining rest alternatives")
"""Words for the options that were not chosen."""
GIVING_UP = words_of(
    "guess guessing guessed random randomly coin dice clue clueless idea ideas unsure dunno stumped stuck lost baffled",
    "surrender eeny gamble lottery blindly blind unknown undecided arbitrarily arbitrary whim gut hunch",
    "skip pass quit give gave",
)
"""Words of one who does not know the answer: `I give up`, `No idea.`"""
CHECKING = words_of("check checks checking verification verify test sanity verifying")
FAILING = words_of("no fails failed fail negative wrong contradicts contradicted inconsistent mismatch disagrees")
"""Words that say, with one of CHECKING, that the check of an answer failed."""
WORKING = words_of(
    "i'm i’m my work worked eliminated eliminate ruled out torn between checked verified verify calculated computed used use",
    "found considered compared compare thought first looked looking reviewed analyzed analyze went through evaluated know",
    "recall recalled remember need needed want wanted noticed notice all other options choices substitute substituted applied",
    "apply solve solved obtain obtained derived derive using with each one these those it was initially before later option",
    "settles settled clear both cases again this substituting into equation formula value values expect expected",
)
"""What an author says of honest work, in a short sentence in the first person in front of an answer."""
UNKNOWING = words_of(
    "know sure tell solve decide answer think believe understand certain remember recall determine see figure"
)
"""Verbs that say, when they are negated, that the author does not know."""
MARKS_FOR = (SYMBOLS | frozenset("•·©❓")) - frozenset("°™↳↪⟶⟹△▲")
"""Symbols that decorate an answer. Any other symbol (a cross, a thumb that points down) is not known to be harmless."""
CJK_LEADING = re.compile(
    r"(?:所以|因此|因而|故而|故|综上所述|综上|総上|綜上所述|綜上|总之|最终|最後|最后|正确|正確|最佳|标准|答案|答え|答|选项|選項|選択肢|本题|该题|此题|这道题|本題|"
    r"应该|應該|应|應|当|选择|選擇|选|選|是|为|為|的|我们|我|认为|可知|可得|得出|得到|得|从而|那么|则|即|也|就是|就|只有|有|符合|题意|由此|由上|可见|"
    r"以上|分析|根据|結論|结论|正解|は|が|を|と|です|よって|したがって|従って|ゆえに|つまり|정답은|정답|답은|답|따라서|그러므로|그래서|"
    r"因为|项|项为|选出|最合适|最|合适|准确|恰当|可以|知道|知|上述|推理|所述|题目|问题|的是|:|\s){1,42}"
)
"""A Chinese, Japanese or Korean lead that consists of known phrases."""
ANSWER_KEYS = words_of(
    "answer finalanswer correctanswer answerchoice choice option selectedoption selected answerletter letter selectedanswer",
    "answeroption correctoption correctchoice finalchoice chosenoption chosenanswer bestanswer prediction mcqanswer ans",
)
PROSE_KEYS = words_of(
    "reason reasoning reasons explanation explanations thought thoughts thinking rationale analysis justification steps step",
    "cot chainofthought work working summary background solution stepbystep question questionid id index number options",
    "choices text answertext optiontext content answercontent answerdescription subject topic category type qid uid problem a",
    "b c d e f g h i j k l m n o p explanationtext",
)
CONFIDENCE_KEYS = words_of("confidence certainty probability confidencescore confidencelevel")
WRAPPING_KEYS = words_of("result results output response data final answer finalanswer solution")
TRUE_KEYS = words_of("correct iscorrect valid isvalid verified certain sure isfinal final right")
"""JSON keys, without signs between their words: an object that holds any other key is not known to give its answer."""
GENERIC = (
    LEADING
    | INTRODUCING
    | HEADINGS
    | CLOSING
    | TAIL
    | RESTRICTING
    | DENYING
    | ABOUT_THE_ANSWER
    | GRADING
    | UNSETTLING
    | WORK
    | FAULTING
    | FITTING
    | DISMISSING
    | FAVOURING
    | NEGATING
    | PREDICATES
    | COMPLEMENTS
    | SAYING
    | INSISTING
    | CLAIMING
    | CLAIMED
    | DIFFERING
    | ORDINALS
    | COMPARING
    | FUNCTION
    | OTHERS
    | GIVING_UP
    | CHECKING
    | FAILING
    | WORKING
    | UNKNOWING
    | words_of(
        "about there where them than what while could should being were into such some more very even ever make made like much many each",
        "same done doing take takes taken come comes known needs wants thing things ways look looks thinks point points part parts once here",
        "really your yours their them hers whose until over under through during within along another too will shall gives seen seems seem seemed",
        "uses back down off own side sides case cases kind sort fact facts truth reason reasons matter matters mind issue issues problem problems",
        "everything something anything someone anyone everyone moment time times start begin began end ends go goes went turn turns turned put puts",
        "leave leaves left keep keeps kept hold holds held stand stands stood call calls called mean means meant show shows showed shown tell tells",
        "the and for but not you all can her was one our out get has him his how new now old see two way who did its let put say she too use used",
        "any may own per via yet nor few lot try tried far ago big bit set run add word words letter name names list line lines text sentence paragraph passage page book reader author teacher student examiner people person",
    )
)
"""Words that do not tell what a text is about: all that the tables above hold, and common ones."""


STEM_CHARS = 5
"""First letters by which forms of one word are taken for the same."""


def stems_in(text: str) -> set[str]:
    """The first letters of the words that tell what a text is about, and its longer numbers."""
    return {word[:STEM_CHARS] for word in words_in(text) if len(word) > 2 and word not in GENERIC} | set(
        _NUMBER.findall(text)
    )


_NUMBER = re.compile(r"\d{2,20}")
