"""Words as answers: spelled numbers, and what stands behind a number (a unit, a noun, degrees, percent, a scale)."""

from __future__ import annotations

from fractions import Fraction

from verifiers.math.reading.expression import Node
from verifiers.math.reading.nouns import change_nothing
from verifiers.math.reading.vocabulary import FRACTION_WORDS, NUMBER_WORDS, SCALE_WORDS, unit_name


def read_words(words: list[str]) -> Node:
    """Spelled numbers, else a text compared without case."""
    lowered = [word.strip(",").lower() for word in words]
    number = spelled_number([part for word in lowered for part in word.split("-")])
    if number is not None:
        return number
    return Node("text", value=" ".join(words))


def spelled_number(words: list[str]) -> Node | None:
    """The number that words spell (`twenty one`, `two thirds`, `minus seven`), with what follows as a noun or unit."""
    if not words:
        return None
    sign = 1
    if words[0] in ("minus", "negative") and len(words) > 1:
        sign, words = -1, words[1:]
    total, current, used = 0, 0, 0
    for index, word in enumerate(words):
        before = words[index - 1] if index else ""
        if word in NUMBER_WORDS:
            # `twenty one` and `hundred one` are one number, `one two` and `nineteen eighty` are two.
            digit_behind_ten = 0 < NUMBER_WORDS[word] < 10 and NUMBER_WORDS.get(before, 0) >= 20
            if index and not digit_behind_ten and before not in SCALE_WORDS and before != "and":
                break
            current += NUMBER_WORDS[word]
        elif word in SCALE_WORDS and current and (word != "hundred" or current < 100):
            if word == "hundred":
                current *= 100
            else:
                total += current * SCALE_WORDS[word]
                current = 0
        elif word == "and" and before in SCALE_WORDS and index + 1 < len(words) and words[index + 1] in NUMBER_WORDS:
            pass
        else:
            break
        used = index + 1
    if (
        used == 0
        and words[0] in ("a", "an", "half")
        and words[0:1] + words[1:2] in (["a", "half"], ["half"], ["a", "third"], ["a", "quarter"])
    ):
        part = words[1] if words[0] == "a" else words[0]
        return Node("num", value=Fraction(sign, FRACTION_WORDS[part])) if len(words) <= 2 else None
    if used == 0:
        return None
    value = Fraction(sign * (total + current))
    rest = words[used:]
    # `twenty thirds` and `one third`; a singular behind another number is an ordinal (`twenty-third`).
    if rest and rest[0] in FRACTION_WORDS and used == 1 and (value == 1 or rest[0].endswith("s")):
        value /= FRACTION_WORDS[rest[0]]
        rest = rest[1:]
    node = Node("num", value=value)
    return with_words(node, rest) if rest else node


_OF_PERCENT = frozenset(
    {"increase", "decrease", "profit", "loss", "discount", "interest", "chance", "probability", "off"}
)


def with_words(node: Node, words: list[str]) -> Node:
    """A number with the words behind it: degrees, percent, a unit, or a noun."""
    lowered = [word.lower() for word in words]
    if lowered[0] in ("degrees", "degree", "deg") and len(words) == 1:
        return Node("deg", (node,))
    if lowered[0] in ("degrees", "degree") and lowered[1:] in (["celsius"], ["fahrenheit"], ["c"], ["f"]):
        return Node("qty", (node,), ((({"c": "celsius", "f": "fahrenheit"}.get(lowered[1], lowered[1]), 1),), ""))
    if lowered[:2] == ["per", "cent"]:
        lowered = ["percent", *lowered[2:]]
    if lowered[0] in ("percent", "percents") and (change_nothing(lowered[1:]) or set(lowered[1:]) <= _OF_PERCENT):
        return Node("percent", (node,))
    if lowered[0] in SCALE_WORDS:
        node = Node("mul", (node, Node("num", value=Fraction(SCALE_WORDS[lowered[0]]))))
        return with_words(node, words[1:]) if len(words) > 1 else node
    if lowered[0] == "dozen":
        node = Node("num", value=Fraction(1)) if node == Node("sym", value="a") else node
        node = Node("mul", (node, Node("num", value=Fraction(12))))
        return with_words(node, words[1:]) if len(words) > 1 else node
    if lowered[0] == "of" and len(words) > 1:
        return with_words(node, words[1:])
    if lowered in (["mph"], ["kph"], ["kmh"], ["kmph"]):
        length = "mile" if lowered == ["mph"] else "km"
        return Node("qty", (node,), (((length, 1), ("hour", -1)), ""))
    top, rest = _unit(words)
    if top is not None:
        if len(rest) > 1 and rest[0].lower() == "per":
            bottom, behind = _unit(rest[1:])
            if bottom is not None and not behind:
                return Node("qty", (node,), ((top, (bottom[0], -bottom[1])), ""))
        elif change_nothing(rest) and not any(unit_name(word) for word in rest):
            return Node("qty", (node,), ((top,), ""))
    # The case of a symbol matters: T is a tesla, t a tonne.
    return Node("qty", (node,), ((), " ".join(word if len(word) < 3 else word.lower() for word in words)))


def _unit(words: list[str]) -> tuple[tuple[str, int] | None, list[str]]:
    """The unit that words begin with, its power, and the words behind it: `square meters`, `second squared`."""
    power = 1
    if words[0].lower() in ("square", "sq", "cubic") and len(words) > 1:
        power, words = 3 if words[0].lower() == "cubic" else 2, words[1:]
    name, rest = unit_name(words[0]), words[1:]
    if power == 1 and rest and rest[0].lower() in ("squared", "cubed"):
        power, rest = 2 if rest[0].lower() == "squared" else 3, rest[1:]
    return ((name, power) if name else None), rest
