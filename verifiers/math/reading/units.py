"""Numbers with units: conversion to the first unit of each dimension, nouns, currencies, and what may be left out."""

from __future__ import annotations

from fractions import Fraction

from verifiers.math.reading.expression import Node
from verifiers.math.reading.nouns import change_nothing, singular
from verifiers.math.reading.vocabulary import CASED_UNITS, UNITS

Dimensions = tuple[tuple[str, int], ...]
_DERIVED: dict[str, Dimensions] = {
    "volume": (("length", 3),),
    "frequency": (("time", -1),),
    "force": (("mass", 1), ("length", 1), ("time", -2)),
    "energy": (("mass", 1), ("length", 2), ("time", -2)),
    "power": (("mass", 1), ("length", 2), ("time", -3)),
    "pressure": (("mass", 1), ("length", -1), ("time", -2)),
    "voltage": (("mass", 1), ("length", 2), ("time", -3), ("current", -1)),
    "resistance": (("mass", 1), ("length", 2), ("time", -3), ("current", -2)),
}
_LOOSE: dict[str, Dimensions] = {
    "month": (("time", 1),),
    "pound": (("mass", 1),),
    "electronvolt": _DERIVED["energy"],
    "calorie": _DERIVED["energy"],
    "angle": (),
}
"""What dimensions of their own may still mean: a year in days, pounds of weight, the radians in rad/s."""
_CURRENCIES = frozenset({"dollar", "euro", "pound", "yen", "rupee"})


_ABBREVIATED = {"sq": "square", "cu": "cubic", "pts": "point", "pt": "point"}


def noun(node: Node) -> str:
    """What stands behind the number if it is no unit: apples."""
    name: str = node.value[1]
    return name


def may_change(node: Node) -> bool:
    """Whether the words behind the number may make it another number: any that are not known to be harmless."""
    if node.op != "qty":
        return False
    if any(unit == "k" for unit, _ in node.value[0]):
        return True  # 5K: kelvins, or thousands
    if node.value[0] == (("n", 1), ("a", -1)):
        return True  # N/A: not available
    return not change_nothing(noun(node).split())


def same_noun(a: Node, b: Node) -> bool:
    left, right = ({_ABBREVIATED.get(word, singular(word)) for word in noun(node).split()} for node in (a, b))
    return bool(left and right) and (left <= right or right <= left)


def is_angle(node: Node) -> bool:
    return bool(node.op == "qty" and len(node.value[0]) == 1 and UNITS[node.value[0][0][0]][0] == "angle")


def may_be_dropped(gold: Node) -> bool:
    """A reference's noun or currency need not be repeated; a unit of measurement must be."""
    factors, _ = gold.value
    return bool(noun(gold)) or is_angle(gold) or (len(factors) == 1 and UNITS[factors[0][0]][0] in _CURRENCIES)


def measure(node: Node) -> tuple[Node, Dimensions]:
    """Value in the first units of its dimensions, and the dimensions with their powers."""
    scale, dimensions = Fraction(1), dict[str, int]()
    for unit, power in node.value[0]:
        dimension, size = UNITS[unit]
        scale *= size**power
        for base, exponent in _DERIVED.get(dimension, ((dimension, 1),)):
            dimensions[base] = dimensions.get(base, 0) + exponent * power
    value = Node("mul", (node.args[0], Node("num", value=scale)))
    return value, tuple(sorted((name, power) for name, power in dimensions.items() if power))


def could_agree(a: Dimensions, b: Dimensions) -> bool:
    """Whether different dimensions measure one thing by a conversion that is not fixed here."""
    loose = []
    for dimensions in (a, b):
        powers = dict[str, int]()
        for dimension, power in dimensions:
            for base, exponent in _LOOSE.get(dimension, ((dimension, 1),)):
                powers[base] = powers.get(base, 0) + exponent * power
        loose.append({base: power for base, power in powers.items() if power})
    return loose[0] == loose[1]


def joined(node: Node) -> Node:
    """Joins 5 feet and 3 inches to one quantity, if the units have one dimension and descend."""
    if node.op != "list" or len(node.args) < 2 or node.value == "or" or not all(arg.op == "qty" for arg in node.args):
        return node
    if any(noun(arg) for arg in node.args):
        return node
    measures = [measure(arg) for arg in node.args]
    sizes = [value.args[1].value for value, _ in measures]
    if (
        len({dimensions for _, dimensions in measures}) > 1
        or sorted(sizes, reverse=True) != sizes
        or len(set(sizes)) < len(sizes)
    ):
        return node
    total = Node("add", tuple(value for value, _ in measures))
    last = node.args[-1]
    return Node("qty", (Node("div", (total, Node("num", value=sizes[-1]))),), last.value)


def as_product(node: Node) -> Node | None:
    """Reads `5 m` or `3 m/s` as a product of symbols, where the other side has a unit: the symbols are units."""
    factors: list[tuple[str, int]] = []
    while node.op in ("mul", "div"):
        found = _unit_power(node.args[1])
        if found is None:
            break
        unit, power = found
        factors.insert(0, (unit, power if node.op == "mul" else -power))
        node = node.args[0]
    if not factors or node.symbols():
        return None
    return Node("qty", (node,), (tuple(factors), ""))


def _unit_power(node: Node) -> tuple[str, int] | None:
    if node.op == "sym" and node.value in CASED_UNITS:
        return CASED_UNITS[node.value], 1
    if node.op == "pow" and node.args[1].op == "num" and node.args[1].value.denominator == 1:
        inner = _unit_power(node.args[0])
        if inner is not None and abs(node.args[1].value) < 9:
            return inner[0], int(node.args[1].value)
    return None
