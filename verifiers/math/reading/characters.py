# ruff: noqa: E501  (tables)
"""Characters of Unicode as LaTeX: digits of every script, superscripts, fractions, operators, Greek, odd spaces.

Invisible characters never split or join what a reader of the page would see; text that a terminal would show in another
order (bidirectional controls) is refused.
"""

from __future__ import annotations

import re
import unicodedata

from verifiers.math.reading.expression import UnreadableError
from verifiers.math.reading.vocabulary import words_of

_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", "0123456789+-ni")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-")
_FRACTIONS = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5",
    "⅙": "1/6", "⅚": "5/6", "⅐": "1/7", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8", "⅑": "1/9", "⅒": "1/10",
}  # fmt: skip
_CHARACTERS = {
    "−": "-", "–": "-", "—": "-", "﹣": "-", "－": "-", "‐": "-", "‑": "-", "×": "*", "·": "*", "⋅": "*", "∙": "*",
    "•": "*", "∗": "*", "÷": r"\div ", "⁄": "/", "∕": "/", "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ",
    "≠": r"\ne ", "≈": r"\approx ", "≡": r"\equiv ", "∈": r"\in ", "∉": r"\notin ", "∪": r"\cup ", "∩": r"\cap ",
    "∖": r"\setminus ", "∅": r"\emptyset ", "⌀": r"\emptyset ", "Ø": r"\emptyset ", "∞": r"\infty ", "√": r"\surd ",
    "∛": r"\cbrt ", "π": r"\pi ", "°": r"^\circ ", "º": r"^\circ ", "˚": r"^\circ ", "±": r"\pm ", "∓": r"\mp ",
    "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}",
    "⟨": r"\langle ", "⟩": r"\rangle ", "〈": r"\langle ", "〉": r"\rangle ", "⌊": r"\lfloor ", "⌋": r"\rfloor ",
    "⌈": r"\lceil ", "⌉": r"\rceil ", "′": "'", "’": "'", "‘": "'", "∣": "|", "｜": "|", "∑": r"\sum ", "∏": r"\prod ",
    "∧": r"\land ", "∨": r"\lor ", "→": r"\to ", "⇒": r"\Rightarrow ", "⟹": r"\Rightarrow ", "∫": r"\int ", "€": r"\text{euros}",
    "£": r"\text{pounds}", "¥": r"\text{yen}", "…": r"\ldots ", "⋯": r"\ldots ", "“": '"', "”": '"', "∘": r"\circ ",
    "\u00a0": r"\,", "\u2009": r"\,", "\u202f": r"\,", "\u2007": r"\,", "\u2008": r"\,", "\u200a": r"\,",
}  # fmt: skip
_GREEK_LETTERS = dict(zip("αβγδεζηθικλμνξρστυφχψωϕϵΓΔΘΛΞΠΣΦΨΩ", words_of(
    """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi
    psi omega phi epsilon Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega
    """
), strict=True))  # fmt: skip
_CHARACTERS.update({letter: f"\\{name} " for letter, name in _GREEK_LETTERS.items()})
_CIRCLED = re.compile("[\u2460-\u2473]")
"""Numbers in circles: the names of statements, not numbers."""
_CIRCLED_NAMES = "abcdefghijklmnopqrst"
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
_INVISIBLE_OPERATORS = re.compile("[\u2061-\u2064]")
_ZERO_WIDTH = re.compile("[\u200b-\u200d\u2060\ufeff\u00ad\ufe00-\ufe0f\u180e\u034f]")


def unify(text: str) -> str:
    """Unicode to ASCII LaTeX: digits of every script, superscripts, fraction signs, operators, Greek, odd spaces."""
    if text.isascii():
        return text
    if _BIDI.search(text):
        raise UnreadableError("text with bidirectional controls")
    if _INVISIBLE_OPERATORS.search(text):
        raise UnreadableError("text with invisible operators")
    text = _ZERO_WIDTH.sub("", text)
    text = _CIRCLED.sub(lambda m: f"\\text{{ circled{_CIRCLED_NAMES[ord(m[0]) - 0x2460]} }}", text)
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ]+", lambda m: "^{" + m[0].translate(_SUPERSCRIPTS) + "}", text)
    text = re.sub("[₀₁₂₃₄₅₆₇₈₉₊₋]+", lambda m: "_{" + m[0].translate(_SUBSCRIPTS) + "}", text)
    text = re.sub(
        f"(\\d?)([{''.join(_FRACTIONS)}])",
        lambda m: (m[1] + " " if m[1] else "") + "\\frac{" + _FRACTIONS[m[2]].replace("/", "}{") + "}",
        text,
    )
    text = "".join(_CHARACTERS.get(c) or c for c in text)
    if text.isascii():
        return text
    # Compatibility forms (full-width, mathematical alphabets), then decimal digits of other scripts.
    text = unicodedata.normalize("NFKC", text)
    text = "".join(_CHARACTERS.get(c) or _digit(c) for c in text)
    return text


def _digit(char: str) -> str:
    if char.isascii():
        return char
    value = unicodedata.decimal(char, None)
    return char if value is None else str(value)
