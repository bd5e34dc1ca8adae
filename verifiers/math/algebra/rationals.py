"""Plain rational arithmetic on trees: the quick exact way for most answers.

Promises: bounded cost (every intermediate number stays below `MAX_BITS`), exact, and None for whatever is not plain.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from verifiers.math.algebra.ball import UndefinedError
from verifiers.math.reading.expression import Node

MAX_BITS = 20_000
MAX_TERMS = 5_000
_ARITHMETIC = frozenset({"neg", "add", "mul", "div", "pow", "percent"})
_FUNCTIONS = frozenset(
    {"factorial", "binom", "floor", "ceil", "abs", "gcd", "lcm", "mod", "max", "min", "doublefactorial"}
)


def small_rational(node: Node, bound: Mapping[str, Fraction]) -> Fraction | None:
    """The value of a tree under the given values of its symbols. Raises UndefinedError."""
    op = node.op
    if op == "num":
        value: Fraction = node.value
        return value
    if op == "sym":
        return bound.get(node.value)
    if op in ("sum", "prod"):
        return _series(node, bound)
    if op not in _ARITHMETIC and not (op == "fn" and node.value in _FUNCTIONS):
        return None
    parts: list[Fraction] = []
    for arg in node.args:
        part = small_rational(arg, bound)
        if part is None or part.numerator.bit_length() + part.denominator.bit_length() > MAX_BITS:
            return None
        parts.append(part)
    return _function(node.value, parts) if op == "fn" else _arithmetic(op, parts)


def _arithmetic(op: str, parts: list[Fraction]) -> Fraction | None:
    if op == "neg":
        return -parts[0]
    if op == "add":
        return sum(parts, Fraction(0))
    if op == "mul":
        return parts[0] * parts[1]
    if op == "percent":
        return parts[0] / 100
    if op == "div":
        if parts[1] == 0:
            raise UndefinedError("division by zero")
        return parts[0] / parts[1]
    base, exponent = parts
    if exponent.denominator != 1 or (base == 0 and exponent <= 0):
        return None
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) * bits > MAX_BITS:
        return None
    result: Fraction = base ** int(exponent)
    return result


def _function(name: str, parts: list[Fraction]) -> Fraction | None:
    if name == "abs":
        return abs(parts[0])
    if name in ("floor", "ceil"):
        return Fraction(math.floor(parts[0]) if name == "floor" else math.ceil(parts[0]))
    if name in ("max", "min"):
        return max(parts) if name == "max" else min(parts)
    if any(part.denominator != 1 for part in parts):
        return None
    whole = [int(part) for part in parts]
    if name in ("gcd", "lcm"):
        return Fraction(math.gcd(*whole) if name == "gcd" else math.lcm(*whole))
    if name == "mod":
        if whole[1] == 0:
            raise UndefinedError("a remainder by zero")
        return Fraction(whole[0] % whole[1])
    if any(not 0 <= number <= 1500 for number in whole):
        return None
    if name == "binom":
        return Fraction(math.comb(*whole))
    if name == "factorial":
        return Fraction(math.factorial(whole[0]))
    return Fraction(math.prod(range(whole[0], 0, -2)))


def _series(node: Node, bound: Mapping[str, Fraction]) -> Fraction | None:
    body, index, *ends = node.args
    low, high = (small_rational(end, bound) for end in ends)
    if (
        low is None
        or high is None
        or low.denominator != 1
        or high.denominator != 1
        or not -1 <= high - low <= MAX_TERMS
    ):
        return None
    result = Fraction(0 if node.op == "sum" else 1)
    for k in range(int(low), int(high) + 1):
        term = small_rational(body, {**bound, index.value: Fraction(k)})
        if term is None:
            return None
        result = result + term if node.op == "sum" else result * term
        if result.numerator.bit_length() + result.denominator.bit_length() > MAX_BITS:
            return None
    return result
