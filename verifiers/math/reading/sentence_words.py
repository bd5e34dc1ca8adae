# ruff: noqa: E501  (tables)
"""Words of the sentence around an answer that are known one by one: what may stand there, and what is no noun.

Phrases of several words are tables of phrases_before.py and phrases_behind.py.
"""

from __future__ import annotations

from verifiers.math.reading.vocabulary import words_of

LINKS = frozenset(
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

PARTICLES = frozenset(
    words_of("to as at us in into out of up with down from for be on have them him her back me us you it")
)
"""Words that may follow a verb: `simplifies to`, `gives us`, `comes out to`."""

PARTICLE_VERBS = frozenset(
    words_of("""
    simplifies simplify reduces reduce evaluates evaluate equal equals equates corresponds leads adds amounts comes came works boils converges tends sums lead notation raised go goes rise rises raised rises counts
    factors rounds rounded rounding expands gives gave leaves left giving leaving rewritten written expressed known given set simplified reduced computed
    converts converted translates equivalent multiply multiplying add adding answer solution value total it this result us
    """)
)

HARMLESS = frozenset(
    words_of("""
    the a an our my exactly precisely just simply only indeed clearly then thus therefore hence so also now finally total all final correct right
    equal remaining other another additional extra desired required following answer value number probability distance area volume length
    simplified exact respectively always both together either still actually really even altogether already further same whole full entire initial
    minimum maximum smallest largest minimal maximal least greatest fraction integer equation expression function point points pair ordered interval set
    polynomial angle vector matrix coordinates congruent and or coordinate nothing but numbers values solutions option choice unique quadratic cubic linear differential base function line curve plane circle integers
    """)
)
"""Words that may stand between the verb and the box."""

VERBS = frozenset(
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

IRREGULAR_VERBS = frozenset(
    words_of("""
    ate drank sold bought spent paid earned made baked read wrote walked ran swam drove rode flew took gave brought sent kept lost won saw caught
    held cut built grew sewed owed did had got left found put chose fed laid dug threw hit shot stood sat slept taught lent broke began came went
    sang drew split wore fell rose met led swept spun set shut done eaten drunk written driven ridden flown taken given grown thrown seen worn
    gotten shaken stolen spoken torn won sewn mown sown shown
    """)
)

ABOUT_WORDS = frozenset(words_of("approximately about roughly around nearly approx"))
"""Words that are allowed only where the box holds a decimal fraction, which is itself a rounded value."""

ANSWER_LABELS = frozenset(
    words_of("""
    conclusion together follows box boxed below up simplifying simplification form notation summary combining substituting evaluating solving ans antwort réponse respuesta
    risposta resposta ответ solución lösung step steps computation calculation check verification therefore expression range domain work proof obtain choice
    """)
)
"""Last words of labels behind which an answer stands."""

NO_NOUNS = frozenset(
    words_of(
        "versus minus plus less is was has does its this thus as us yes his hers needs seems means could would should might may can must will shall to of and or but be been for with by from at on that which who towards always perhaps besides across whereas unless sometimes vs"
    )
)
"""Words that are no nouns: they end like plurals, or belong to the grammar of the sentence."""

PART_NOUNS = frozenset(
    words_of("fourth fifth sixth seventh eighth ninth tenth twelfth hundredth thousandth millionth billionth couple")
)

OTHER_UNITS = frozenset(
    words_of("""
    c f k erg ergs ev gyr myr yr pm nm amu angstrom angstroms arcsec arcseconds parsec parsecs pc kpc mpc degree degrees radian radians solar magnitudes mole moles
    r rad coulomb tesla weber farad henry lumen lux molar ppm mph kph cm mm km sq square cubic mod dimensional sided
    """)
)
"""Units that the comparison does not convert, and beginnings of units."""

LETTER_UNITS = frozenset("mghsLlNJWVCF")
"""Units of one letter, and the scales of temperature."""

ADJECTIVES_OF_ANSWER = frozenset(
    words_of("""
    final correct exact required desired simplified numerical numeric complete overall total right requested actual true only
    unique unambiguous integer and last sought simplest reduced needed asked closed-form definitive full proper resulting
    is that to of be
    """)
)

BETWEEN_ANSWER_AND_VERB = frozenset(
    words_of("""
    to the this our your original given above problem question exercise we seek want need are looking for in simplest lowest
    exact form terms fraction as of and or rounded nearest integer tenth hundredth whole number cent dollar decimal places two
    three four one place therefore thus hence then so also which box boxed below a simplified reduced scientific interval
    notation standard mixed radical its here expressed written asked required desired proportion equation expression
    puzzle initial degrees radians units dollars
    """)
)
