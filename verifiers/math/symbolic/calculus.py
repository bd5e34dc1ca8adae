"""Derivatives of trees, by the rules of calculus; exact, and without sympy."""

from __future__ import annotations

from fractions import Fraction

from verifiers.math.algebra.ball import UnsupportedError
from verifiers.math.reading.expression import Node

MAX_NODES = 20_000
"""Nodes that a derivative may have; repeated quotients and products grow fast."""

ZERO, ONE, TWO = (Node("num", value=Fraction(k)) for k in (0, 1, 2))


def derivative(node: Node, variable: str, order: int = 1) -> Node:
    """The derivative of `node` in the symbol `variable`. Raises UnsupportedError."""
    for _ in range(order):
        node = _derivative(node, variable)
        if sum(1 for _ in node.walk()) > MAX_NODES:
            raise UnsupportedError("a derivative that grows too large")
    return node


def mul(a: Node, b: Node) -> Node:
    if ZERO in (a, b):
        return ZERO
    if a == ONE:
        return b
    return a if b == ONE else Node("mul", (a, b))


def power(base: Node, exponent: Node) -> Node:
    return base if exponent == ONE else Node("pow", (base, exponent))


def _sub(a: Node, b: Node) -> Node:
    return a if b == ZERO else Node("add", (a, Node("neg", (b,))))


def _function(name: str, argument: Node) -> Node:
    return Node("fn", (argument,), name)


def _derivative(node: Node, variable: str) -> Node:
    if not any(inner.op == "sym" and inner.value == variable for inner in node.walk()):
        return ZERO
    if node.op == "sym":
        return ONE
    if node.op == "neg":
        return Node("neg", (_derivative(node.args[0], variable),))
    if node.op == "add":
        return Node("add", tuple(_derivative(arg, variable) for arg in node.args))
    if node.op == "mul":
        left, right = node.args
        first, second = mul(_derivative(left, variable), right), mul(left, _derivative(right, variable))
        return Node("add", (first, second))
    if node.op == "div":
        top, bottom = node.args
        upper = _sub(mul(_derivative(top, variable), bottom), mul(top, _derivative(bottom, variable)))
        return Node("div", (upper, power(bottom, TWO)))
    if node.op == "pow":
        return _of_power(node, variable)
    if node.op == "fn":
        return _of_function(node, variable)
    raise UnsupportedError(f"the derivative of a {node.op}")


def _of_power(node: Node, variable: str) -> Node:
    base, exponent = node.args
    inner, outer = _derivative(base, variable), _derivative(exponent, variable)
    if outer == ZERO:
        return mul(mul(exponent, power(base, _sub(exponent, ONE))), inner)
    if base == Node("const", value="e"):
        return mul(node, outer)
    if inner == ZERO:
        return mul(mul(node, _function("ln", base)), outer)
    slope = Node("add", (mul(outer, _function("ln", base)), Node("div", (mul(exponent, inner), base))))
    return mul(node, slope)


def _of_function(node: Node, variable: str) -> Node:
    argument = node.args[0]
    inner = _derivative(argument, variable)
    square = power(argument, TWO)
    if node.value == "root" and node.args[1] == TWO:
        return Node("div", (inner, mul(TWO, node)))
    if node.value == "logbase" and _derivative(node.args[1], variable) == ZERO:
        return Node("div", (inner, mul(argument, _function("ln", node.args[1]))))
    minus_square, plus_square = _sub(ONE, square), Node("add", (ONE, square))
    slopes = {
        "sin": _function("cos", argument),
        "cos": Node("neg", (_function("sin", argument),)),
        "tan": Node("div", (ONE, power(_function("cos", argument), TWO))),
        "cot": Node("neg", (Node("div", (ONE, power(_function("sin", argument), TWO))),)),
        "sinh": _function("cosh", argument),
        "cosh": _function("sinh", argument),
        "ln": Node("div", (ONE, argument)),
        "arctan": Node("div", (ONE, plus_square)),
        "arcsin": Node("div", (ONE, Node("fn", (minus_square, TWO), "root"))),
        "arccos": Node("neg", (Node("div", (ONE, Node("fn", (minus_square, TWO), "root"))),)),
    }
    if node.value not in slopes:
        raise UnsupportedError(f"the derivative of {node.value}")
    return mul(slopes[node.value], inner)
