"""Numbers as people read them; the filters of the report's templates. None is a dash everywhere."""

from __future__ import annotations

DASH = "–"
EXCERPT_CHARS = 4000
"""A reasoning trace can be a megabyte; the report shows its two ends."""


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
    """With a space that does not break, so that no line begins with the sign."""
    return DASH if value is None else f"{100 * value:.{digits}f}\N{NO-BREAK SPACE}%"


def dollars(value: float | None) -> str:
    """Two digits after the point, or two significant ones for the small sums of a small model."""
    if value is None:
        return DASH
    if value >= 0.1 or value == 0:
        return f"${value:,.2f}"
    return f"${value:.2g}" if value >= 1e-4 else f"${value:.1e}"


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
