"""Does sympy prove that two expressions are equal? Imported in the symbolic worker only.

There are three ways, each a proof as far as sympy's own rules are right. The difference simplifies to zero. Or the sine
or tangent of a constant difference is exactly zero while its size is proven to be below pi. Or the derivative of the
difference is zero on one interval, and the difference is zero at one point of it.
"""

from __future__ import annotations

from typing import Any

import sympy
from sympy.calculus.util import continuous_domain

from verifiers.math.reading.expression import Node
from verifiers.math.symbolic.build import build
from verifiers.math.symbolic.numeric import magnitude_below


def proves_equal(a: Node, b: Node) -> bool:
    """Whether sympy proves that two trees are equal. Raises UnsupportedError for trees that are not built."""
    symbols: dict[str, Any] = {}
    left, right = build(a, symbols), build(b, symbols)
    difference = _worked_out(left) - _worked_out(right)
    if difference.has(sympy.nan, sympy.zoo, sympy.oo, sympy.Integral, sympy.Limit, sympy.Sum, sympy.Product):
        return False
    if _is_zero(difference):
        return True
    if not difference.free_symbols:
        return _is_small_multiple_of_pi(difference, Node("add", (a, Node("neg", (b,)))))
    return len(difference.free_symbols) == 1 and _is_constant_zero(difference)


def _worked_out(expression: Any) -> Any:
    return sympy.piecewise_fold(expression.doit()).replace(lambda part: isinstance(part, sympy.Piecewise), _generic)


def _generic(piecewise: Any) -> Any:
    """The branch that holds but at single points; a choice between intervals stays."""
    branches = [(value, condition) for value, condition in piecewise.args if not isinstance(condition, sympy.Eq)]
    if len(branches) == 1 and branches[0][1] in (True, sympy.true):
        return branches[0][0]
    return piecewise


def _is_zero(difference: Any) -> bool:
    if difference == 0:
        return True
    return any(rewrite(difference) == 0 for rewrite in (sympy.simplify, _expanded))


def _expanded(difference: Any) -> Any:
    return sympy.simplify(sympy.expand_trig(sympy.expand_log(sympy.expand(difference))))


def _is_small_multiple_of_pi(difference: Any, node: Node) -> bool:
    """Whether sin d = 0 or tan d = 0 makes d a multiple of pi that is smaller than 3, and so 0."""
    if not difference.has(sympy.asin, sympy.acos, sympy.atan) or not magnitude_below(node, 3):
        return False
    return any(_is_zero(sympy.expand_trig(function(difference))) for function in (sympy.tan, sympy.sin))


def _is_constant_zero(difference: Any) -> bool:
    """The derivative is zero on a domain that is one interval, and the difference is zero at a point of it."""
    (symbol,) = difference.free_symbols
    if not _is_zero(sympy.diff(difference, symbol)):
        return False
    try:
        domain = continuous_domain(difference, symbol, sympy.S.Reals)
    except NotImplementedError:
        return False
    if not isinstance(domain, sympy.Interval) or domain.measure == 0:
        return False
    inside = [point for point in (0, sympy.Rational(1, 2), 1, 2, -1, -2) if domain.interior.contains(point) == True]  # noqa: E712
    return any(_is_zero(difference.subs(symbol, point)) for point in inside)
