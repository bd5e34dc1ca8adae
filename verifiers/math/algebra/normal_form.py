"""From a tree to its normal form: every operation and function as arithmetic in a `Field`.

Sines and cosines become exponentials (Euler), so that their identities are those of polynomials; inverse functions at
algebraic points become rational multiples of pi where that can be proven; sums and products with integer bounds are
written out; factorials of symbols are shifted to a common argument. What has no rule becomes an opaque generator, equal
only to itself.
Fails: `UndefinedError`, `UnsupportedError` as in verifiers.math.algebra.ball.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from flint import arb, fmpz

from verifiers.math.algebra import ball
from verifiers.math.algebra.ball import UndefinedError, UnsupportedError
from verifiers.math.algebra.normal_field import NUM_GENERATORS, Element, Field, key_of
from verifiers.math.reading.expression import Node


def normal_form(field: Field, node: Node) -> Element:
    """The element of a tree. Raises UndefinedError and UnsupportedError."""
    return _Builder(field).of(node)


class _Builder:
    def __init__(self, field: Field) -> None:
        self.field = field
        self.bound: dict[str, Element] = {}
        self.num_terms = 0

    def of(self, node: Node) -> Element:
        method = getattr(self, f"_{node.op}", None)
        if method is None:
            raise UnsupportedError(f"no normal form of a {node.op}")
        element: Element = method(node)
        return element

    def _num(self, node: Node) -> Element:
        return self.field.fraction(node.value)

    def _const(self, node: Node) -> Element:
        if node.value == "pi":
            return self.field.pi()
        if node.value == "e":
            return self.field.exp(self.field.integer(1))
        if node.value == "i":
            return self.field.imaginary()
        raise UnsupportedError("infinity inside an expression")

    def _sym(self, node: Node) -> Element:
        return self.bound.get(node.value) or self.field.symbol(node.value)

    def _add(self, node: Node) -> Element:
        total = self.of(node.args[0])
        for arg in node.args[1:]:
            total = self.field.add(total, self.of(arg))
        return total

    def _neg(self, node: Node) -> Element:
        return self.field.neg(self.of(node.args[0]))

    def _mul(self, node: Node) -> Element:
        return self.field.mul(self.of(node.args[0]), self.of(node.args[1]))

    def _div(self, node: Node) -> Element:
        return self.field.div(self.of(node.args[0]), self.of(node.args[1]))

    def _deg(self, node: Node) -> Element:
        return self.field.mul(self.of(node.args[0]), self.field.div(self.field.pi(), self.field.integer(180)))

    def _percent(self, node: Node) -> Element:
        return self.field.div(self.of(node.args[0]), self.field.integer(100))

    def _call(self, node: Node) -> Element:
        if len(node.args) != 1:
            raise UnsupportedError("an unknown function of several arguments")
        return self.field.opaque(f"call {node.value}", self.of(node.args[0]))

    def _pow(self, node: Node) -> Element:
        field = self.field
        base_node, exponent_node = node.args
        exponent = self.of(exponent_node)
        if base_node == Node("const", value="e"):
            return field.exp(exponent)
        base = self.of(base_node)
        value = field.as_fraction(exponent)
        if value is not None:
            if value.denominator == 1:
                if value.numerator < 0 and field.is_zero(base):
                    raise UndefinedError("a power of zero")
                if value == 0 and field.is_zero(base):
                    raise UndefinedError("0^0")
                return field.power(base, value.numerator)
            if abs(value.numerator) > 10**5:
                raise UnsupportedError("a power too large to expand")
            return field.power(field.root(base, value.denominator), value.numerator)
        if field.is_zero(base):
            raise UnsupportedError("a power of zero")
        return field.exp(field.mul(exponent, field.log(base)))

    def _sum(self, node: Node) -> Element:
        return self._series(node, self.field.add, self.field.integer(0))

    def _prod(self, node: Node) -> Element:
        return self._series(node, self.field.mul, self.field.integer(1))

    def _series(self, node: Node, join: Any, result: Element) -> Element:
        body, index, low_node, high_node = node.args
        bounds = [self.field.as_fraction(self.of(bound)) for bound in (low_node, high_node)]
        if any(bound is None or bound.denominator != 1 for bound in bounds):
            raise UnsupportedError("a sum whose bounds are no integers")
        if (bounds[1] or 0) < (bounds[0] or 0) - 1:
            raise UnsupportedError("a sum that runs downwards")
        before = self.bound.get(index.value)
        for k in range(int(bounds[0] or 0), int(bounds[1] or 0) + 1):
            self.num_terms += 1
            if self.num_terms > ball.MAX_TERMS:
                raise UnsupportedError(f"more than {ball.MAX_TERMS} terms")
            self.bound[index.value] = self.field.integer(k)
            result = join(result, self.of(body))
        if before is None:
            self.bound.pop(index.value, None)
        else:
            self.bound[index.value] = before
        return result

    def _fn(self, node: Node) -> Element:
        field = self.field
        name = node.value
        if name == "root":
            index = field.as_fraction(self.of(node.args[1]))
            if index is None or index.denominator != 1:
                raise UnsupportedError("a root of an odd index")
            return field.root(self.of(node.args[0]), int(index))
        if name == "det":
            raise UnsupportedError("a determinant")
        values = [self.of(arg) for arg in node.args]
        x = values[0]
        if name == "abs":
            return field.absolute(x)
        if name == "ln" or (name == "log" and field.log_base == "e"):
            return field.log(x)
        if name == "log":
            return field.div(field.log(x), field.log(field.integer(10)))
        if name == "logbase":
            return field.div(field.log(x), field.log(values[1]))
        if name in ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "coth"):
            return self._circular(name, x)
        if name in ("factorial", "binom", "gcd", "lcm", "mod", "floor", "ceil", "max", "min", "doublefactorial"):
            return self._discrete(name, values)
        if name in ("conj", "Re", "Im") and not field.is_constant(x):
            return field.opaque(name, x)  # symbols may stand for complex numbers there
        if name == "conj":
            return field.conjugate(x)
        if name in ("Re", "Im"):
            other = field.conjugate(x)
            if name == "Re":
                return field.div(field.add(x, other), field.integer(2))
            return field.div(field.add(x, field.neg(other)), field.mul(field.integer(2), field.imaginary()))
        if name in _INVERSE:
            return self._inverse(name, x)
        return field.opaque(name, x)

    def _circular(self, name: str, x: Element) -> Element:
        """Sines, cosines and kin by Euler's formula, so that every identity between sines and cosines is one between
        polynomials."""
        field = self.field
        hyperbolic = name.endswith("h")
        short = name[:-1] if hyperbolic else name
        z = field.exp(x if hyperbolic else field.mul(x, field.imaginary()))
        inverse = field.div(field.integer(1), z)
        cos = field.div(field.add(z, inverse), field.integer(2))
        sin = field.div(
            field.add(z, field.neg(inverse)),
            field.integer(2) if hyperbolic else field.mul(field.integer(2), field.imaginary()),
        )
        one = field.integer(1)
        pairs = {
            "sin": (sin, one),
            "cos": (cos, one),
            "tan": (sin, cos),
            "cot": (cos, sin),
            "sec": (one, cos),
            "csc": (one, sin),
        }
        return field.div(*pairs[short])

    def _inverse(self, name: str, x: Element) -> Element:
        """Values at algebraic points: a rational multiple of pi is guessed from a ball and proven by the function."""
        field = self.field
        forward, low, high = _INVERSE[name]
        if field.is_constant(x):
            with ball.precision(128):
                try:
                    value = ball._FUNCTIONS[name](field.enclose(x))
                    middle = float((value.real / arb.pi()).mid())
                    guess = Fraction(middle).limit_denominator(120)
                except (UndefinedError, UnsupportedError, ValueError, OverflowError):
                    guess = None
            if guess is not None and abs(float(guess) - middle) < 1e-12 and low <= guess <= high:
                angle = field.mul(field.pi(), field.fraction(guess))
                try:
                    if field.is_zero(field.add(self._circular(forward, angle), field.neg(x))):
                        return angle
                except (UndefinedError, UnsupportedError):
                    pass
        if name in ("arcsin", "arctan") and x.top.leading_coefficient() < 0:
            return field.neg(field.opaque(name, field.neg(x)))
        if name == "arccos":
            half = field.div(field.pi(), field.integer(2))
            return field.add(half, field.neg(self._inverse("arcsin", x)))
        return field.opaque(name, x)

    def _discrete(self, name: str, values: list[Element]) -> Element:
        field = self.field
        fractions = [field.as_fraction(value) for value in values]
        if name == "factorial":
            return self._factorial(values[0])
        if name == "binom" and fractions[1] is not None and fractions[1].denominator == 1 and 0 <= fractions[1] <= 5000:
            k = int(fractions[1])
            n = fractions[0]
            if n is not None and n.denominator == 1 and n >= k:
                return field.integer(math.comb(int(n), k)) if n < 100_000 else self._falling(values[0], k)
            return self._falling(values[0], k)
        if name == "binom":
            upper, lower = values
            return field.div(
                self._factorial(upper),
                field.mul(self._factorial(lower), self._factorial(field.add(upper, field.neg(lower)))),
            )
        if any(fraction is None for fraction in fractions):
            if name in ("floor", "ceil", "max", "min") and all(field.is_constant(value) for value in values):
                return self._ordered(name, values)
            if name in ("max", "min", "gcd", "lcm"):
                ordered = sorted(values, key=lambda value: str(key_of(value)))
                label = f"{name} {[key_of(value) for value in ordered]}"
                return field.opaque(label, ordered[0])
            raise UnsupportedError(f"{name} of other than rationals")
        known = [fraction for fraction in fractions if fraction is not None]
        if name in ("max", "min"):
            return field.fraction(max(known) if name == "max" else min(known))
        if name in ("floor", "ceil"):
            return field.integer(math.floor(known[0]) if name == "floor" else math.ceil(known[0]))
        if any(fraction.denominator != 1 for fraction in known):
            raise UnsupportedError(f"{name} of other than integers")
        integers = [int(fraction) for fraction in known]
        if name == "mod":
            if integers[1] == 0:
                raise UndefinedError("a remainder by zero")
            return field.integer(integers[0] % integers[1])
        if name == "doublefactorial":
            if not 0 <= integers[0] <= 10_000:
                raise UnsupportedError("a double factorial too large to expand")
            return field.integer(math.prod(range(integers[0], 0, -2)))
        return field.integer(math.gcd(*integers) if name == "gcd" else math.lcm(*integers))

    def _ordered(self, name: str, values: list[Element]) -> Element:
        field = self.field
        if name in ("max", "min"):
            best = values[0]
            for value in values[1:]:
                sign = field.sign(field.add(value, field.neg(best)))
                if sign is None:
                    raise UnsupportedError("an order that was not decided")
                if (sign > 0) == (name == "max"):
                    best = value
            return best
        with ball.precision(256):
            below = field.enclose(values[0]).real.floor()
        whole = below.unique_fmpz()
        if whole is None or field.sign(values[0]) is None:
            raise UnsupportedError("a floor that was not decided")
        if name == "ceil":
            exact = field.is_zero(field.add(values[0], field.neg(field.integer(whole))))
            return field.integer(whole if exact else whole + 1)
        return field.integer(whole)

    def _falling(self, n: Element, k: int) -> Element:
        field = self.field
        if k > 60:
            raise UnsupportedError("a binomial too large to expand")
        result = field.integer(1)
        for j in range(k):
            result = field.div(field.mul(result, field.add(n, field.integer(-j))), field.integer(j + 1))
        return result

    def _factorial(self, n: Element) -> Element:
        """A factorial in terms of the smallest one: (n+3)! = (n+3)(n+2)(n+1) n!, so that quotients cancel."""
        field = self.field
        value = field.as_fraction(n)
        if value is not None:
            if value.denominator != 1 or value < 0:
                raise UnsupportedError("a factorial of other than a natural number")
            if value > 50_000:
                raise UnsupportedError("a factorial too large to expand")
            return field.integer(fmpz.fac_ui(int(value)))
        if not n.bottom.is_one():
            raise UnsupportedError("a factorial of a quotient")
        shift = int(n.top.to_dict().get((0,) * NUM_GENERATORS, 0))
        if abs(shift) > 50:
            raise UnsupportedError("a factorial with a large shift")
        base = field.add(n, field.integer(-shift))
        result = field.opaque("factorial", base)
        for j in range(1, shift + 1):
            result = field.mul(result, field.add(base, field.integer(j)))
        for j in range(0, shift, -1):
            result = field.div(result, field.add(base, field.integer(j)))
        return result


_HALF, _NONE, _WHOLE = Fraction(1, 2), Fraction(0), Fraction(1)
_INVERSE = {
    "arcsin": ("sin", -_HALF, _HALF),
    "arccos": ("cos", _NONE, _WHOLE),
    "arctan": ("tan", -_HALF, _HALF),
    "arccot": ("cot", _NONE, _WHOLE),
    "arcsec": ("sec", _NONE, _WHOLE),
    "arccsc": ("csc", -_HALF, _HALF),
}
"""For each inverse function: the function that it inverts, and its range in units of pi."""
