"""Answers in words: when two wordings are the same, and when only letter case or commas keep them apart.

An article in front of a noun and the case of an ordinary word do not matter. The case of single letters and of strings
of letters does: `Aa` is another genotype than `AA`, and the `A` of `Player A` is no article.
"""

from __future__ import annotations

from verifiers.math.comparing import equality, sets
from verifiers.math.comparing.equality import UndecidedError
from verifiers.math.comparing.kinds import REAL_SETS, kind
from verifiers.math.reading.expression import Node
from verifiers.math.reading.parser import letters_of

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
        return lower if lower in _SHORT_WORDS and not word.isupper() else word
    if len(letters) == 1 or (len(letters) == 2 and len(word) > 3):
        return word  # AABB, HTHT, aaa
    if word in (lower, lower.capitalize()) or lower in _SHOUTED:
        return lower
    return lower if word.isupper() and len(letters) > 3 and letters & set("aeiou") else word


_EMPTY = frozenset(
    f"{start}{kind}{noun}"
    for start in ("no ", "there is no ", "there are no ")
    for kind in ("", "real ")
    for noun in ("solution", "solutions", "root", "roots")
) | {"none", "empty set", "empty", "no such x"}
_ALL_REALS = frozenset(
    {"all real numbers", "all reals", "reals", "real numbers", "any real number", "all real x", "all real"}
)


_NUMBER_WORDS = frozenset({"dozen", "pair", "couple", "nil", "once", "twice", "thrice", "nought", "naught", "infinite"})


def _same_letters_listed(text: str, letters: list[str]) -> bool:
    """Compares `A, C` as words with the letters A and C. Raises UndecidedError for another order."""
    words = [word for word in text.replace(",", " ").split() if word.lower() not in ("and", "or")]
    if words == letters:
        return True
    if sorted(words) == sorted(letters):
        raise UndecidedError("letters in another order")
    return False


def words_against(gold: Node, answer: Node) -> bool:
    """Words on one side, a formula on the other. Raises UndecidedError."""
    text, other = (gold, answer) if gold.op == "text" else (answer, gold)
    words = text.value.lower().strip(" .")
    if other.op in ("empty", "set") and words in _EMPTY:
        return other.op == "empty"
    if words in ("infinity", "positive infinity", "+infinity") and equality.infinity_rank(other):
        return equality.infinity_rank(other) == 1
    if words in _ALL_REALS and (other.op in REAL_SETS or other.op == "group"):
        return sets.same_set(sets.real_set(other), sets.EVERYTHING)
    if other.op == "list" and all(arg.op == "sym" for arg in other.args):
        return _same_letters_listed(text.value, [arg.value for arg in other.args])
    letters = "".join(node.value for node in letters_of(other))
    if letters and letters.lower() == words.replace(" ", ""):
        return same_words(text.value.replace(" ", ""), letters)
    numeric = kind(other) == "scalar" and not other.symbols()
    if numeric and not set(words.split()) & _NUMBER_WORDS and len(words) > 1:
        return False
    if letters and " " not in words and "," not in words:
        return False
    raise UndecidedError("words against a formula")
