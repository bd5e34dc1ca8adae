# ruff: noqa: E501  (tables)
"""The vocabulary of the reader: function names, Greek letters, connectives, spelled numbers and units."""

from __future__ import annotations

from fractions import Fraction


def words_of(words: str) -> list[str]:
    return words.split()


FUNCTIONS = {
    name: name
    for name in words_of(
    """
    sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan arccot arcsec arccsc ln log lg exp sqrt
    cbrt gcd lcm max min abs floor ceil det deg dim ker arg Re Im sgn
    """
)
} | {
    "asin": "arcsin", "acos": "arccos", "atan": "arctan", "arcsinh": "arcsinh", "arccosh": "arccosh", "arctanh": "arctanh",
    "asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh", "arsinh": "arcsinh", "arcosh": "arccosh", "artanh": "arctanh",
    "cosec": "csc", "tg": "tan", "ctg": "cot", "arctg": "arctan", "sh": "sinh", "ch": "cosh", "th": "tanh", "GCD": "gcd", "LCM": "lcm",
    "ceiling": "ceil", "sign": "sgn", "Arg": "arg", "binomial": "binom", "factorial": "factorial", "surd": "sqrt",
}  # fmt: skip
for _short in ("sh", "ch", "th", "deg", "dim", "ker"):
    del FUNCTIONS[_short]

GREEK = frozenset(
    words_of(
        """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi
    psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar
    """
    )
)

NOT_PRODUCTS = frozenset(
    words_of(
        """
    since single sinks singer sins cost costs coset cosine secant second seconds secret section tank tans tang
    logic login logs pink pie pile pint pit pine spin copied lng
        """
    )
)
"""Words that begin with the name of a function and are none."""

KEYWORDS = frozenset(
    words_of(
        """
    and or if for all where when with is are the of mod base otherwise union in not
    """
    )
)

SHORT_WORDS = frozenset(
    words_of(
        """
    yes no none odd even red blue one two six ten am pm cat dog man boy girl day all any top left up down on
    to so it he we an as at by do go me my us its now how who why new old two day sun mon tue wed thu fri
    sat jan feb mar apr may jun jul aug sep oct nov dec bob tom sam tim ann amy joe jim ben dan kim max pat
    ray ron roy una via vs per not sq cubic dozen mph kph kmh kmph
    """
    )
)

_UNITS_TEENS = words_of(
    """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen
    """
)
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
NUMBER_WORDS = {word: value for value, word in enumerate(_UNITS_TEENS)} | {
    word: 20 + 10 * index for index, word in enumerate(_TENS)
}
SCALE_WORDS = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
FRACTION_WORDS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4, "fourths": 4, "fifth": 5,
    "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7, "eighth": 8, "eighths": 8, "ninth": 9, "ninths": 9,
    "tenth": 10, "tenths": 10, "twelfth": 12, "twelfths": 12, "hundredth": 100, "hundredths": 100,
}  # fmt: skip

CHANGING_WORDS = (
    frozenset(NUMBER_WORDS)
    | frozenset(SCALE_WORDS)
    | frozenset(f"{word}s" for word in SCALE_WORDS)
    | frozenset(FRACTION_WORDS)
    | frozenset(
        words_of(
            """
    and point plus minus negative times over divided multiplied by to power squared cubed factorial half tens first thousandth
    thousandths millionth millionths quadrillion quintillion lakh lakhs crore crores score gross grand dozen recurring
    repeating repeated less below most least not wrong incorrect false percent percents cent noon midnight
            """
        )
    )
)
"""Words behind a number that may make it another one: `two and a half`, `5 squared`, `0.3 recurring`, `3 fourths`."""

QUANTITIES = frozenset(
    words_of(
        """
    total sum value values product quotient area volume perimeter length width height distance radius diameter probability remainder ratio slope speed
    rate price cost profit number answer solution difference average mean median mode range period amplitude maximum minimum degree measure
    size amount age weight mass time temperature percentage percent discount score force energy power velocity acceleration frequency wavelength
    circumference side base depth density charge current voltage pressure set pair form equation result fraction
    term coefficient index order rank dimension determinant factor root norm magnitude chance digit digits number's terms coordinate loss gain increase decrease growth reduction change
        """
    )
)
"""What a number can be: `a total of 5`, `an area of 5`."""

OTHER_VALUE_LABELS = frozenset(
    words_of(
        """
    old wrong prev previous guess guessed try tried trial test false incorrect bad naive est estimate estimated approx err error
    draft temp tmp excluded rejected other alt mistake mistaken bound upper lower
        """
    )
)
"""Labels of names, as in `x_old`, that say it is another value than the answer."""

# unit → (dimension, size in the dimension's first unit). Exact by definition; temperature scales are dimensions of their own.
_F = Fraction
_TABLE: dict[str, dict[str, Fraction | int]] = {
    "length": {
        "m": 1, "meter": 1, "metre": 1, "cm": _F(1, 100), "centimeter": _F(1, 100), "centimetre": _F(1, 100), "mm": _F(1, 1000),
        "millimeter": _F(1, 1000), "millimetre": _F(1, 1000), "km": 1000, "kilometer": 1000, "kilometre": 1000, "dm": _F(1, 10),
        "nm": _F(1, 10**9), "nanometer": _F(1, 10**9), "micrometer": _F(1, 10**6), "inch": _F(254, 10000), "inche": _F(254, 10000),
        "in": _F(254, 10000), "foot": _F(3048, 10000), "feet": _F(3048, 10000), "ft": _F(3048, 10000), "yard": _F(9144, 10000),
        "yd": _F(9144, 10000), "mile": _F(1609344, 1000), "mi": _F(1609344, 1000),
    },
    "mass": {
        "g": _F(1, 1000), "gram": _F(1, 1000), "kg": 1, "kilogram": 1, "mg": _F(1, 10**6), "milligram": _F(1, 10**6), "ton": 1000,
        "tonne": 1000, "lb": _F(45359237, 10**8), "pound_mass": _F(45359237, 10**8), "oz": _F(45359237, 16 * 10**8),
        "ounce": _F(45359237, 16 * 10**8),
    },
    "time": {
        "s": 1, "sec": 1, "second": 1, "ms": _F(1, 1000), "millisecond": _F(1, 1000), "min": 60, "minute": 60, "h": 3600, "hr": 3600,
        "hour": 3600, "day": 86400, "week": 604800,
    },
    "month": {"month": 1, "year": 12, "yr": 12, "decade": 120, "century": 1200},
    "volume": {
        "l": _F(1, 1000), "liter": _F(1, 1000), "litre": _F(1, 1000), "ml": _F(1, 10**6), "milliliter": _F(1, 10**6),
        "millilitre": _F(1, 10**6), "cc": _F(1, 10**6), "gallon": _F(3785411784, 10**12), "gal": _F(3785411784, 10**12), "quart": _F(3785411784, 4 * 10**12),
        "pint": _F(3785411784, 8 * 10**12), "cup": _F(3785411784, 16 * 10**12),
    },
    "dollar": {"dollar": 1, "usd": 1, "buck": 1, "cent": _F(1, 100), "penny": _F(1, 100), "pennie": _F(1, 100), "¢": _F(1, 100)},
    "euro": {"euro": 1, "eur": 1},
    "pound": {"pound": 1, "gbp": 1, "pence": _F(1, 100)},
    "yen": {"yen": 1},
    "rupee": {"rupee": 1},
    "force": {"n": 1, "newton": 1, "kn": 1000},
    "energy": {"j": 1, "joule": 1, "kj": 1000, "kilojoule": 1000, "kwh": 3600000},
    "electronvolt": {"ev": 1, "kev": 1000, "mev": 10**6},
    "calorie": {"calorie": 1, "cal": 1, "kcal": 1000},
    "power": {"w": 1, "watt": 1, "kw": 1000, "kilowatt": 1000, "mw": 10**6},
    "voltage": {"v": 1, "volt": 1, "mv": _F(1, 1000), "kv": 1000},
    "current": {"a": 1, "amp": 1, "ampere": 1, "ma": _F(1, 1000)},
    "resistance": {"ohm": 1, "kohm": 1000},
    "frequency": {"hz": 1, "hertz": 1, "khz": 1000, "mhz": 10**6},
    "pressure": {"pa": 1, "pascal": 1, "kpa": 1000, "atm": 101325, "bar": 100000},
    "amount": {"mol": 1, "mole": 1},
    "kelvin": {"k": 1, "kelvin": 1},
    "celsius": {"celsius": 1},
    "fahrenheit": {"fahrenheit": 1},
    "bit": {"bit": 1, "byte": 8, "kb": 8000, "mb": 8 * 10**6, "gb": 8 * 10**9},
    "angle": {"radian": 1, "rad": 1},
}  # fmt: skip
UNITS: dict[str, tuple[str, Fraction]] = {
    unit: (dimension, Fraction(size)) for dimension, sizes in _TABLE.items() for unit, size in sizes.items()
}
UNITS |= {f"{unit}s": value for unit, value in UNITS.items() if len(unit) > 2}
UNITS |= {f"{unit}s": UNITS[unit] for unit in ("lb", "kg", "hr", "yr", "km", "cm", "ml")}
# A milliwatt is no megawatt: of these only the spelling for which the table holds the size is the unit.
_CASED_SYMBOLS = {
    "mw": ("MW",), "mv": ("mV",), "ma": ("mA",), "gb": ("GB",), "mb": ("MB",), "kb": ("kB", "KB"), "mev": ("MeV",), "nm": ("nm",),
    "mhz": ("MHz",), "cal": ("cal",), "mg": ("mg",), "mm": ("mm",), "ms": ("ms",), "ml": ("ml", "mL"), "kn": ("kN",),
}  # fmt: skip
# One-letter units only count behind a number in text mode, and then by their own case: m is a metre, M is not.
CASED_UNITS = {
    "m": "m",
    "g": "g",
    "s": "s",
    "h": "h",
    "L": "l",
    "l": "l",
    "N": "n",
    "J": "j",
    "W": "w",
    "V": "v",
    "A": "a",
    "K": "k",
}


def unit_name(word: str) -> str:
    """The entry of `UNITS` that a word is, or an empty string."""
    if len(word) == 1:
        return CASED_UNITS.get(word, word if word in UNITS and not word.isalpha() else "")
    name = word.lower()
    return name if name in UNITS and word in _CASED_SYMBOLS.get(name, (word,)) else ""


GLUED_UNITS = frozenset(
    words_of(
        """
    cm mm km dm kg mg ml lb lbs oz ft yd mph kph kmh hr hrs min sec mins secs kwh hz khz mhz ghz kj kpa kcal usd eur
        """
    )
)
"""Units that count as such even when they are glued to their number (`5cm`); other letters there are factors (`2mn`)."""
