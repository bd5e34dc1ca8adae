"""The tree that a read answer is: one small node type, and the caps every reader keeps to.

Nothing here is ever evaluated by Python; a node is data. `op` names what it is:

    numbers       num (value: Fraction)  const (value: pi e i inf)  sym (value: name)
    arithmetic    add mul div pow neg pm(value: 1 for ±, -1 for ∓)  fn(value: name)  call(value: name)
                  sum prod (args: body, index, low, high)
    with a kind   deg percent qty(value: unit)  based(value: digits, base)  ratio time date text
    collections   group(value: brackets) set list(value: , and or)  matrix(value: rows, columns)
    sets          union inter setminus named(value: R Z N Q C, with + - or *)  builder empty
    relations     rel(value: operators)  cases  cong
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

SCALARS = frozenset("num const sym add mul div pow neg fn call sum prod deg int lim derivative".split())  # noqa: SIM905
"""Nodes that are one value or one function."""

MAX_CHARS = 4000
"""A final answer longer than this is no answer anyone wrote by intention."""
MAX_TOKENS = 2000
MAX_DEPTH = 60
"""Nesting of brackets, fractions and exponents; ten thousand braces are an attack on the reader's stack."""
MAX_DIGITS = 1200
"""Digits of one literal: reading a longer one already costs quadratic time."""


MAX_SHOWN_DEPTH = 60
"""Levels of a tree that `show` renders; a product of two thousand letters nests as deep as it is long."""


class UnreadableError(ValueError):
    """The text is not an answer this reader knows; the message says why in a few words."""


@dataclasses.dataclass(frozen=True, slots=True)
class Node:
    op: str
    args: tuple[Node, ...] = ()
    value: Any = None

    def walk(self) -> Iterator[Node]:
        """The node and everything below it."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(node.args)

    def has_decimals(self) -> bool:
        """Whether a number in it is no integer: `3.14` is one node, `1/3` a quotient of integers."""
        return any(node.op == "num" and node.value.denominator > 1 for node in self.walk())

    def symbols(self) -> frozenset[str]:
        """Names of the free symbols; `#1` and so on are the bound indices of sums."""
        names: list[str] = []
        stack = [self]
        while stack:
            node = stack.pop()
            if node.args:
                stack.extend(node.args)
            elif node.op == "sym" and node.value[0] != "#":
                names.append(node.value)
        return frozenset(names)


def show(node: Node, depth: int = 0) -> str:
    """A compact rendering for evidence and debugging; what lies deeper than MAX_SHOWN_DEPTH is left out."""
    value = "" if node.value is None else f":{node.value}"
    if not node.args or depth == MAX_SHOWN_DEPTH:
        return f"{node.op}{value}" + ("(…)" if node.args else "")
    return f"{node.op}{value}({', '.join(show(arg, depth + 1) for arg in node.args)})"
