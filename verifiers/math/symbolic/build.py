"""Our trees as sympy objects, node by node; no text is parsed. Imported in the symbolic worker only.

Conventions are those of the exact engine: symbols are real; odd roots of negative numbers are real, so a root of an odd
index is built only of what is not negative; the arc cotangent lies between 0 and pi; `log` without a base is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import sympy

from verifiers.math.algebra.ball import UnsupportedError
from verifiers.math.reading.expression import Node

MAX_EXPONENT = 200
"""The absolute value of a numeric exponent that is taken on; sympy expands powers."""


def build(node: Node, symbols: dict[str, Any]) -> Any:
    """The sympy expression of a tree; `symbols` is filled with the symbols that were made. Raises UnsupportedError."""
    return _Builder(symbols).of(node)


class _Builder:
    def __init__(self, symbols: dict[str, Any]) -> None:
        self.symbols = symbols

    def of(self, node: Node) -> Any:
        method = getattr(self, f"_{node.op}", None)
        if method is None:
            raise UnsupportedError(f"sympy is not given a {node.op}")
        return method(node)

    def _num(self, node: Node) -> Any:
        return _rational(node.value)

    def _const(self, node: Node) -> Any:
        return {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo}[node.value]

    def _sym(self, node: Node) -> Any:
        if node.value not in self.symbols:
            # A dummy has no name that sympy could give a meaning to.
            self.symbols[node.value] = sympy.Dummy(real=True)
        return self.symbols[node.value]

    def _add(self, node: Node) -> Any:
        return sympy.Add(*(self.of(arg) for arg in node.args))

    def _neg(self, node: Node) -> Any:
        return -self.of(node.args[0])

    def _mul(self, node: Node) -> Any:
        return self.of(node.args[0]) * self.of(node.args[1])

    def _div(self, node: Node) -> Any:
        bottom = self.of(node.args[1])
        if bottom.is_zero:
            raise UnsupportedError("a division by zero")
        return self.of(node.args[0]) / bottom

    def _deg(self, node: Node) -> Any:
        return self.of(node.args[0]) * sympy.pi / 180

    def _percent(self, node: Node) -> Any:
        return self.of(node.args[0]) / 100

    def _pow(self, node: Node) -> Any:
        base, exponent = self.of(node.args[0]), self.of(node.args[1])
        if exponent.is_Rational:
            if abs(exponent) > MAX_EXPONENT:
                raise UnsupportedError("a large exponent")
            if exponent.q % 2 and exponent.q > 1 and not base.is_nonnegative:
                raise UnsupportedError("an odd root of what may be negative")
        if exponent.is_number and not exponent.is_Rational and abs(sympy.N(exponent, 5)) > MAX_EXPONENT:
            raise UnsupportedError("a large exponent")
        if base.is_zero and exponent.is_nonpositive is not False:
            raise UnsupportedError("a power of zero")
        return base**exponent

    def _fn(self, node: Node) -> Any:
        arguments = [self.of(arg) for arg in node.args]
        x = arguments[0]
        if node.value == "root":
            index = arguments[1]
            if not (index.is_Integer and 2 <= index <= MAX_EXPONENT) or (index % 2 and not x.is_nonnegative):
                raise UnsupportedError("a root of what may be negative")
            return x ** (1 / index)
        if node.value == "logbase":
            return sympy.log(x) / sympy.log(arguments[1])
        if node.value in ("factorial", "binom") and any(abs(arg) > 1000 for arg in arguments if arg.is_number):
            raise UnsupportedError("a large factorial")
        if node.value not in _FUNCTIONS:
            raise UnsupportedError(f"sympy is not given {node.value}")
        return _FUNCTIONS[node.value](*arguments)

    def _sum(self, node: Node) -> Any:
        return self._series(node, sympy.Sum)

    def _prod(self, node: Node) -> Any:
        return self._series(node, sympy.Product)

    def _series(self, node: Node, make: Callable[..., Any]) -> Any:
        body, index, low, high = node.args
        ends = [_as_integers(self.of(end)) for end in (low, high)]
        variable = sympy.Dummy(integer=True, nonnegative=True if ends[0].is_nonnegative else None)
        return make(self._inside(body, index, variable), (variable, *ends))

    def _inside(self, body: Node, bound: Node, variable: Any) -> Any:
        return _Builder({**self.symbols, bound.value: variable}).of_sharing(body, self.symbols, bound.value)

    def of_sharing(self, body: Node, outer: dict[str, Any], bound: str) -> Any:
        """Builds a body; symbols that it meets first are those of the outside as well."""
        made = self.of(body)
        outer.update({name: symbol for name, symbol in self.symbols.items() if name != bound})
        return made

    def _int(self, node: Node) -> Any:
        if len(node.args) != 4:
            raise UnsupportedError("an integral without bounds")
        body, bound, low, high = node.args
        variable = sympy.Dummy(real=True)
        return sympy.Integral(self._inside(body, bound, variable), (variable, self.of(low), self.of(high)))

    def _derivative(self, node: Node) -> Any:
        body, variable = node.args
        return sympy.Derivative(self.of(body), (self.of(variable), node.value or 1))

    def _lim(self, node: Node) -> Any:
        body, (bound, target), side = node.args[0], node.args[1].args, node.args[1].value
        variable = sympy.Dummy(real=True)
        at = self.of(target)
        side = side or ("-" if at is sympy.oo else "+" if at is -sympy.oo else "+-")
        return sympy.Limit(self._inside(body, bound, variable), variable, at, side)


def _rational(value: Fraction) -> Any:
    return sympy.Rational(value.numerator, value.denominator)


def _as_integers(end: Any) -> Any:
    """The bound of a sum, whose symbols are natural numbers."""
    if end.is_number and not (end.is_Integer or end in (sympy.oo, -sympy.oo)):
        raise UnsupportedError("a sum whose bounds are no integers")
    return end


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sin": sympy.sin, "cos": sympy.cos, "tan": sympy.tan, "cot": sympy.cot, "sec": sympy.sec, "csc": sympy.csc,
    "sinh": sympy.sinh, "cosh": sympy.cosh, "tanh": sympy.tanh, "arcsin": sympy.asin, "arccos": sympy.acos,
    "arctan": sympy.atan, "arccot": lambda x: sympy.pi / 2 - sympy.atan(x), "arcsinh": sympy.asinh,
    "ln": sympy.log, "abs": sympy.Abs, "factorial": sympy.factorial, "binom": sympy.binomial,
}  # fmt: skip
