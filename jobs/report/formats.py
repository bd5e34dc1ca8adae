"""Numbers as people read them; the filters of the report's templates. None is a dash everywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from markupsafe import Markup, escape

DASH = "–"
LONG_WORD = 20
"""Length in characters above which a page may break a word inside."""
MAX_FACTS = 24
"""Largest number of entries of a JSON object that are shown one per line."""
FACT_CHARS = 600
EXCERPT_CHARS = 4000
"""Length of an excerpt in characters. A reasoning trace can be a megabyte; the report shows its two ends."""


def number(value: float | None) -> str:
    return DASH if value is None else f"{value:,.0f}"


def short(value: float | None) -> str:
    """
    >>> short(1234567), short(950), short(999_700)
    ('1.23 M', '950', '1 M')
    """
    if value is None:
        return DASH
    for least, size, unit in ((999.5e9, 1e12, "T"), (999.5e6, 1e9, "G"), (999.5e3, 1e6, "M"), (1e4, 1e3, "k")):
        if value >= least:
            return f"{value / size:.3g} {unit}"
    return f"{value:,.0f}"


def percent(value: float | None, digits: int = 1) -> str:
    """A share as a percentage. The space before the sign does not break, so that no line begins with the sign."""
    return DASH if value is None else f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"


def cautious_percent(value: float | None) -> str:
    """A share of counted things. It never reads 0 % or 100 % unless it is exactly none or all.

    >>> [cautious_percent(value).replace("\N{NO-BREAK SPACE}", " ") for value in (0.9999, 1, 0.0001, 0, 0.5)]
    ['> 99.9 %', '100.0 %', '< 0.1 %', '0.0 %', '50.0 %']
    """
    if value is not None and 0.9995 <= value < 1:
        return f">\N{NO-BREAK SPACE}{percent(0.999)}"
    if value is not None and 0 < value < 0.0005:
        return f"<\N{NO-BREAK SPACE}{percent(0.001)}"
    return percent(value)


def p_value(value: float) -> str:
    """
    >>> p_value(0.0421), p_value(1.5e-34)
    ('0.042', '< 0.0001')
    """
    return f"{value:.2g}" if value >= 0.0001 else "< 0.0001"


def dollars(value: float | None) -> str:
    """A sum with two digits after the point; see `price_unit` for smaller sums.

    >>> dollars(1234.5), dollars(0.004), dollars(0)
    ('$1,234.50', '< $0.01', '$0.00')
    """
    if value is None:
        return DASH
    return "< $0.01" if 0 < value < 0.005 else f"${value:,.2f}"


class PriceUnit(NamedTuple):
    """How many things a price is given for."""

    size: int
    name: str

    def of(self, one: str, many: str) -> str:
        """
        >>> PriceUnit(1, "").of("problem", "problems"), PriceUnit(1_000, "1,000").of("problem", "problems")
        ('problem', '1,000 problems')
        """
        return f"{self.name} {many}" if self.name else one


PRICE_UNITS = (PriceUnit(1, ""), PriceUnit(1_000, "1,000"), PriceUnit(10**6, "million"))


def price_unit(prices: Iterable[float | None]) -> PriceUnit:
    """The smallest unit for which all these prices of one thing have two digits.

    >>> [price_unit(prices).size for prices in ([0.25, 4], [0.00082, 0.0012], [9.4e-07])]
    [1, 1000, 1000000]
    """
    least = min((price for price in prices if price), default=1.0)
    return next((unit for unit in PRICE_UNITS if least * unit.size >= 0.1), PRICE_UNITS[-1])


def priced(price: float | None, unit: PriceUnit) -> str:
    """
    >>> priced(0.00082, PriceUnit(1_000, "1,000"))
    '$0.82'
    """
    return dollars(price if price is None else price * unit.size)


def seconds(value: float | None) -> str:
    """
    >>> seconds(0.0042), seconds(7.5), seconds(240), seconds(40_000)
    ('4.2 ms', '7.5 s', '4 min', '11 h')
    """
    if value is None:
        return DASH
    for size, unit in ((7200.0, "h"), (120.0, "min"), (1.0, "s")):
        if value >= size:
            return f"{significant(value / {'h': 3600, 'min': 60, 's': 1}[unit])} {unit}"
    return f"{significant(value * 1000)} ms"


def significant(value: float) -> str:
    """Two significant digits, whole numbers in full.

    >>> significant(0.0421), significant(6.04), significant(123.4)
    ('0.042', '6', '123')
    """
    return f"{value:.2g}" if value < 99.5 else f"{value:,.0f}"


def clipped(text: str, limit: int) -> str:
    """The beginning of a long text.

    >>> clipped("time limit", 20), clipped("time limit", 5)
    ('time limit', 'time…')
    """
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def excerpt(text: str, limit: int = EXCERPT_CHARS) -> str:
    """The beginning and the end of a long text."""
    if len(text) <= limit:
        return text
    head, tail = limit // 3, limit - limit // 3
    return f"{text[:head]}\n\n[… {len(text) - limit:,} characters left out …]\n\n{text[-tail:]}"


def breakable(text: str) -> Markup:
    """HTML in which a long name may be broken behind its underscores, slashes, dots and dashes, and a word that is too
    long for a phone anywhere.

    >>> print(breakable("modular_arithmetic"))
    modular_<wbr>arithmetic
    """
    pieces = re.findall(rf"[^_/.\-]{{1,{LONG_WORD}}}[_/.\-]*|[_/.\-]+", text)
    return Markup("<wbr>").join(escape(piece) for piece in pieces)


class Fact(NamedTuple):
    """One entry of a JSON object, for people to read."""

    name: str
    text: str


def facts(text: str | None) -> list[Fact]:
    """A stored JSON column, one fact per entry; a text that is no JSON object is a single fact without a name.

    >>> facts('{"answer": "5", "tests": [1, 2], "none": {}}')
    [Fact(name='answer', text='5'), Fact(name='tests', text='1, 2')]
    """
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return [Fact("", excerpt(text or "", FACT_CHARS))]
    if not isinstance(value, dict):
        return [Fact("", excerpt(plain(value), FACT_CHARS))]
    found = [Fact(name.replace("_", " "), excerpt(plain(inner), FACT_CHARS)) for name, inner in value.items()]
    shown = [fact for fact in found if fact.text]
    left = len(shown) - MAX_FACTS
    return [*shown[:MAX_FACTS], Fact("", f"{left:,} more")] if left > 0 else shown


def plain(value: Any) -> str:
    """A JSON value with as little JSON punctuation as possible; empty for an empty value."""
    if value is None or value in ("", [], {}):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return "\n".join(f"{name}: {plain(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        simple = all(isinstance(inner, str | int | float) and len(str(inner)) < 40 for inner in value)
        return (", " if simple else "\n").join(plain(inner) for inner in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
