"""Words as answers: spelled numbers, and what stands behind a number (a unit, a noun, degrees, percent, a scale)."""

from __future__ import annotations

from fractions import Fraction

from verifiers.math.tree import Node
from verifiers.math.words import CASED_UNITS, FRACTION_WORDS, NUMBER_WORDS, SCALE_WORDS, UNITS


def read_words(words: list[str]) -> Node:
    """Spelled numbers, else a text compared without case."""
    lowered = [word.lower() for word in words]
    number = spelled_number([part for word in lowered for part in word.split("-")])
    if number is not None:
        return number
    return Node("text", value=" ".join(lowered))


def spelled_number(words: list[str]) -> Node | None:
    """`twenty one`, `three hundred and five`, `two thirds`, `minus seven`, with what follows as a noun or unit."""
    if not words:
        return None
    sign = 1
    if words[0] in ("minus", "negative") and len(words) > 1:
        sign, words = -1, words[1:]
    total, current, used = 0, 0, 0
    for index, word in enumerate(words):
        if word in NUMBER_WORDS:
            current += NUMBER_WORDS[word]
        elif word in SCALE_WORDS and used:
            if word == "hundred":
                current *= 100
            else:
                total += current * SCALE_WORDS[word]
                current = 0
        elif word == "and" and used and index + 1 < len(words) and words[index + 1] in NUMBER_WORDS:
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
    if rest and rest[0] in FRACTION_WORDS:
        value /= FRACTION_WORDS[rest[0]]
        rest = rest[1:]
    node = Node("num", value=value)
    return with_words(node, rest) if rest else node


def with_words(node: Node, words: list[str]) -> Node:
    """A number with the words behind it: degrees, percent, a unit, or a noun."""
    lowered = [word.lower() for word in words]
    if lowered[0] in ("degrees", "degree", "deg") and len(words) == 1:
        return Node("deg", (node,))
    if lowered[0] in ("degrees", "degree") and lowered[1:] in (["celsius"], ["fahrenheit"], ["c"], ["f"]):
        return Node("qty", (node,), ((({"c": "celsius", "f": "fahrenheit"}.get(lowered[1], lowered[1]), 1),), ""))
    if lowered[0] in ("percent", "percents") and len(words) == 1:
        return Node("percent", (node,))
    if len(words) == 1 and words[0] in CASED_UNITS:
        return Node("qty", (node,), (((CASED_UNITS[words[0]], 1),), ""))
    if lowered[0] in SCALE_WORDS:
        node = Node("mul", (node, Node("num", value=Fraction(SCALE_WORDS[lowered[0]]))))
        return with_words(node, words[1:]) if len(words) > 1 else node
    if lowered[0] == "dozen":
        node = Node("num", value=Fraction(1)) if node == Node("sym", value="a") else node
        node = Node("mul", (node, Node("num", value=Fraction(12))))
        return with_words(node, words[1:]) if len(words) > 1 else node
    if lowered[0] == "of" and len(words) > 1:
        return with_words(node, words[1:])
    power = 1
    if lowered[0] in ("square", "sq", "cubic") and len(words) >= 2:
        power = 3 if lowered[0] == "cubic" else 2
        lowered = lowered[1:]
    if lowered[0] in UNITS and len(lowered) > 1 and lowered[1] in ("squared", "cubed"):
        power = 2 if lowered[1] == "squared" else 3
        lowered = [lowered[0], *lowered[2:]]
    if lowered in (["mph"], ["kph"], ["kmh"], ["kmph"]):
        length = "mile" if lowered == ["mph"] else "km"
        return Node("qty", (node,), (((length, 1), ("hour", -1)), ""))
    if len(lowered) == 3 and lowered[1] == "per" and lowered[0] in UNITS and (lowered[2] in UNITS):
        return Node("qty", (node,), (((lowered[0], 1), (lowered[2], -1)), ""))
    if lowered[0] in UNITS and not (len(lowered[0]) == 1 and words[0] not in CASED_UNITS):
        return Node("qty", (node,), (((lowered[0], power),), ""))
    return Node("qty", (node,), ((), " ".join(lowered)))
