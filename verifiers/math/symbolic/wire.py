"""Trees as JSON, for the way to the symbolic worker and back."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from verifiers.math.reading.expression import Node
from verifiers.types import Json


def pack(node: Node) -> Json:
    """The tree as `[op, arguments, value]`, with rationals and tuples marked."""
    return [node.op, [pack(arg) for arg in node.args], _pack_value(node.value)]


def unpack(row: Json) -> Node:
    op, args, value = row
    return Node(op, tuple(unpack(arg) for arg in args), _unpack_value(value))


def _pack_value(value: Any) -> Json:
    if isinstance(value, Fraction):
        return {"rational": [str(value.numerator), str(value.denominator)]}
    if isinstance(value, tuple):
        return {"tuple": [_pack_value(part) for part in value]}
    return value


def _unpack_value(value: Json) -> Any:
    if isinstance(value, dict):
        if "rational" in value:
            top, bottom = value["rational"]
            return Fraction(int(top), int(bottom))
        return tuple(_unpack_value(part) for part in value["tuple"])
    return value
