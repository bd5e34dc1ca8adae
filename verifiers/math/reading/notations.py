"""Answers that are read whole, before the grammar: times, dates, ratios of numbers, numbers in a base.

Inside a formula a colon, a slash or a subscript means something else; these forms count only where they are everything.
"""

from __future__ import annotations

import re
from fractions import Fraction

from verifiers.math.reading.expression import Node
from verifiers.math.reading.vocabulary import NUMBER_WORDS

_CLOCK = re.compile(r"(\d{1,2})\s*:\s*(\d{2})(?:\s*:\s*(\d{2}))?\s*(?:([aApP])\.?\s?[mM]\.?)?")
_ZONED = re.compile(_CLOCK.pattern + r"\s*(?:UTC|GMT|CET|CEST|BST|IST|JST|[ECMP][SD]T)")
_RATIO = re.compile(r"\d+(?:\.\d+)?(?:\s*:\s*\d+(?:\.\d+)?)+")
_BASED = re.compile(r"(?:\(([0-9A-Za-z]+)\)|([0-9A-Za-z]+))\s*(?:_\s*\(?|\s+base\s+)(\d{1,2}|[a-z]+)\)?")
_TEXT = re.compile(
    r"\\(?:text|mathrm|textrm|mathtt|mbox|hbox|textbf|textnormal)\s*\{([^{}]*)\}|\\(?:displaystyle|textstyle)(?![a-zA-Z])"
)
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})|(\d{1,2})/(\d{1,2})/(\d{4})")
_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
_MONTH_DATE = re.compile(
    r"([A-Za-z]+)\.?\s+(\d{1,2})(?:st|nd|rd|th)?(?:,?\s+(\d{4}))?|(\d{1,2})(?:st|nd|rd|th)?\s+(?:of\s+)?([A-Za-z]+)\.?(?:,?\s+(\d{4}))?"
)


def read_notation(text: str) -> Node | None:
    """The time, date, ratio or based number that the whole text is, else None."""
    if len(text) > 80 or not any(c.isdigit() for c in text):
        return None
    bare = _TEXT.sub(r"\1", text)
    bare = re.sub(r"\\[ ,;:]|~|\u00a0|\u202f", " ", bare.replace("\\!", "")).replace("$", "").replace("{", "").replace(
        "}", ""
    ).strip().rstrip(".") + ("." if re.search(r"[aApP]\.\s?[mM]\.$", _bare_end(text)) else "")
    bare = bare.replace("\\colon", ":").replace("：", ":").strip()
    if match := _CLOCK.fullmatch(bare):
        hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
        half = (match[4] or "").lower()
        if minute < 60 and second < 60 and hour < 25 and (not half or 1 <= hour <= 12):
            return Node("time", value=(hour, minute, second, half, match[3] is not None))
    match = re.fullmatch(r"(\d{1,2})\s*([aApP])\.?\s?[mM]\.?", bare)
    if match and 1 <= int(match[1]) <= 12 and "Pm" not in bare and "Am" not in bare:
        return Node("time", value=(int(match[1]), 0, 0, match[2].lower(), False))
    if _ZONED.fullmatch(bare):
        return Node("text", value=" ".join(bare.split()))
    based = _BASED.fullmatch(bare)
    if based and (base := _base_value(based[3])) is not None:
        digits = (based[1] or based[2]).lower()
        if any(c.isdigit() for c in digits) and all(int(c, 36) < base for c in digits):
            return Node("based", value=(digits, base))
    if _RATIO.fullmatch(bare):
        return Node("ratio", tuple(Node("num", value=Fraction(part.strip())) for part in bare.split(":")))
    if match := _DATE.fullmatch(bare):
        if match[1]:
            return Node("date", value=(int(match[1]), int(match[2]), int(match[3])))
        return Node("date", value=(int(match[6]), int(match[4]), int(match[5])))
    if match := _MONTH_DATE.fullmatch(bare):
        name = (match[1] or match[5]).lower()
        months = [
            index + 1
            for index, month in enumerate(_MONTHS)
            if month == name or (len(name) >= 3 and month[:3] == name) or name == "sept" == month[:4]
        ]
        if months:
            year = match[3] or match[6]
            return Node("date", value=(int(year) if year else None, months[0], int(match[2] or match[4])))
    return None


def _base_value(text: str) -> int | None:
    base = int(text) if text.isdigit() else NUMBER_WORDS.get(text, 0)
    return base if 2 <= base <= 36 else None


def _bare_end(text: str) -> str:
    return text.rstrip("$} \n")


_LABEL = re.compile(
    r"(?:(?<=^)|(?<=[\s,;.}\\])|(?<=quad))(?:\\(?:text|textbf|mathrm)\s*\{\s*)?(?:\(([a-h]|[1-8])\)|(?<!\()([a-h])\))(?:\s*\})?\s*"
)
_BETWEEN_PARTS = re.compile(r"(?:[\s,;.]|\\(?:quad|qquad|\\|,|;| )|\\text\s*\{\s*(?:and)?\s*\}|\band\b)+$")


def lettered_parts(text: str) -> list[str] | None:
    """The answers of a problem in parts, `(a) 5 (b) 7`, in order; None for anything else."""
    if ")" not in text or not (first := _LABEL.match(text)) or (first[1] or first[2]) not in ("a", "1"):
        return None
    labels = [first]
    for match in _LABEL.finditer(text, first.end()):
        if (match[1] or match[2]) == chr(ord(labels[-1][1] or labels[-1][2]) + 1):
            labels.append(match)
    ends = [*(label.start() for label in labels[1:]), len(text)]
    parts = [text[label.end() : end] for label, end in zip(labels, ends, strict=True)]
    parts = [_BETWEEN_PARTS.sub("", part).strip() for part in parts]
    return parts if len(parts) > 1 and all(parts) else None
