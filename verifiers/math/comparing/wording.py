"""Answers in words: when two wordings are the same, and when only letter case or commas keep them apart.

An article in front of a noun and the case of an ordinary word do not matter. The case of single letters and of strings
of letters does: `Aa` is another genotype than `AA`, and the `A` of `Player A` is no article.
"""

from __future__ import annotations

from verifiers.math.comparing.equality import UndecidedError

_SHORT_WORDS = frozenset({"no", "up", "am", "pm", "on", "in", "to", "it", "is", "of", "or", "by", "at", "as"})
"""Words of two letters whose case does not matter."""
_SHOUTED = frozenset(
    {"yes", "true", "false", "none", "odd", "even", "north", "south", "east", "west", "and", "or", "not"}
)
_DAYS = frozenset("monday tuesday wednesday thursday friday saturday sunday".split())  # noqa: SIM905


def same_words(gold: str, answer: str) -> bool:
    """Whether two answers in words are the same. Raises UndecidedError where only case or commas differ."""
    left, right = _words(gold), _words(answer)
    if [_key(word) for word in left] == [_key(word) for word in right]:
        if _commas(gold) == _commas(answer) or len(left) == 1:
            return True
        raise UndecidedError("words that are divided by other commas")
    if [word.lower() for word in left] == [word.lower() for word in right]:
        raise UndecidedError("letters that differ only in case")
    return False


def _words(text: str) -> list[str]:
    """The words without articles; `a` is an article only before an ordinary word."""
    parts = text.replace("-", " ").replace(",", " , ").split()
    kept: list[str] = []
    for place, part in enumerate(parts):
        behind = parts[place + 1] if place + 1 < len(parts) else ""
        ordinary = len(behind) > 2 and behind.islower()
        lower = part.lower()
        if lower == "the" and behind not in ("", ",") and part != "THE":
            continue
        if (part in ("a", "an") or (part in ("A", "An") and not place)) and ordinary:
            continue
        if lower == "on" and not place and behind.lower() in _DAYS:
            continue
        kept.append(part)
    return [word.strip(".") or word for word in kept if word != ","]


def _commas(text: str) -> list[int]:
    """The numbers of words between the commas."""
    return [len(_words(part)) for part in text.split(",") if part.strip()]


def _key(word: str) -> str:
    """The word as it is compared: without case where that cannot matter."""
    lower = word.lower()
    letters = set(lower)
    if len(word) < 3:
        return lower if lower in _SHORT_WORDS else word
    if len(letters) == 1 or (len(letters) == 2 and len(word) > 3):
        return word  # AABB, HTHT, aaa
    if word in (lower, lower.capitalize()) or lower in _SHOUTED:
        return lower
    return lower if word.isupper() and len(letters) > 3 and letters & set("aeiou") else word
