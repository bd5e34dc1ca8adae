"""Families indexed by an integer: pi/4 + k pi with k an integer, odd multiples, arithmetic progressions.

Two families {a + b k : k in Z} are equal when b is the same up to sign and the offsets differ by a multiple of it.
"""

from __future__ import annotations

import dataclasses
from fractions import Fraction

from verifiers.math.algebra.ball import UnsupportedError
from verifiers.math.algebra.normal_field import Field
from verifiers.math.algebra.normal_form import normal_form
from verifiers.math.comparing import equality
from verifiers.math.comparing.equality import UndecidedError, match
from verifiers.math.reading.expression import Node

_INDICES = ("k", "n", "m", "l", "j", "t")


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    offset: Node
    step: Node


def is_family(node: Node) -> bool:
    return _parts(node) is not None


def _parts(node: Node) -> tuple[list[Node], str] | None:
    """The expressions of a family and the name of its integer index."""
    if node.op == "list" and len(node.args) >= 2:
        index = _integer_index(node.args[-1])
        if index is not None:
            expressions = list(node.args[:-1])
            return ([_strip_name(e, index) for e in expressions], index)
    if node.op in ("builder",):
        head, condition = node.args
        index = _integer_index(condition)
        if index is not None and index in head.symbols():
            return ([head], index)
    return None


def _strip_name(node: Node, index: str) -> Node:
    if node.op == "rel" and node.value == ("=",) and node.args[0].op == "sym" and node.args[0].value != index:
        return node.args[1]
    return node


def _integer_index(node: Node) -> str | None:
    if (
        node.op == "rel"
        and node.value == ("in",)
        and node.args[0].op == "sym"
        and node.args[1] == Node("named", value="Z")
    ):
        name: str = node.args[0].value
        return name
    return None


def same(gold: Node, answer: Node) -> bool:
    left, right = _families(gold), _families(answer)
    if left is None or right is None:
        raise UndecidedError("a family of values against something else")
    if (_parts(gold) is None) != (_parts(answer) is None):
        if _match(left, right):
            raise UndecidedError("a family whose index is an integer on one side only")
        return False
    return _match(left, right)


def _match(left: list[Family], right: list[Family]) -> bool:
    if len(left) != len(right):
        raise UndecidedError("families split in different ways")
    # `match` pairs nodes off, so the families go in by number.
    every = [*left, *right]
    places = [Node("num", value=Fraction(place)) for place in range(len(every))]
    return match(
        places[: len(left)], places[len(left) :], lambda x, y: _same_family(every[int(x.value)], every[int(y.value)])
    )


def _families(node: Node) -> list[Family] | None:
    parts = _parts(node)
    if parts is None:
        expressions, index = ([node.args[1]] if node.op == "rel" and len(node.args) == 2 else [node]), ""
        if node.op == "list":
            expressions = list(node.args)
        names = {name for e in expressions for name in e.symbols() if name in _INDICES}
        if len(names) != 1:
            return None
        (index,) = names
    else:
        expressions, index = parts
    made: list[Family] = []
    for expression in expressions:
        for single in expression.args if expression.op == "list" else (expression,):
            made.append(_linear(single, index))
    return made


def _linear(node: Node, index: str) -> Family:
    def at(value: int) -> Node:
        return _substitute(node, index, Node("num", value=Fraction(value)))

    offset = at(0)
    step = Node("add", (at(1), Node("neg", (offset,))))
    field = Field()
    form = normal_form(field, node)
    place = next((i for i, g in enumerate(field.generators) if g.kind == "sym" and g.key == index), None)
    if place is None or int(form.top.degrees()[place]) != 1 or int(form.bottom.degrees()[place]) > 0:
        raise UnsupportedError("a family that is not an arithmetic progression")
    return Family(offset, step)


def _same_family(a: Family, b: Family) -> bool:
    if not equality.equal(a.step, b.step) and not equality.equal(a.step, Node("neg", (b.step,))):
        return False
    turns = Node("div", (Node("add", (a.offset, Node("neg", (b.offset,)))), a.step))
    field = Field()
    value = field.as_fraction(normal_form(field, turns))
    if value is None:
        raise UndecidedError("offsets whose difference was not compared")
    return value.denominator == 1


def _substitute(node: Node, name: str, value: Node) -> Node:
    if node.op == "sym" and node.value == name:
        return value
    return Node(node.op, tuple(_substitute(arg, name, value) for arg in node.args), node.value) if node.args else node
