"""Trees to balls: rigorous enclosures by Arb (python-flint) of closed expressions and of functions at a point.

Promises: the exact value, where it is defined, lies in the returned complex ball; so two disjoint balls prove two
values different. Overlapping balls prove nothing.
Does not: decide equality (verifiers.math.algebra.normal_form does).
Fails: `UndefinedError` where a value does not exist (1/0, ln 0), `UnsupportedError` for what it does not know or will
not try because its cost has no bound (the message says which).

Conventions: odd roots of negative reals are real (the cube root of -8 is -2); degrees count as pi/180; `log` without a
base is evaluated under both customary bases by the caller.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from fractions import Fraction

from flint import acb, arb, ctx, fmpq, fmpz

from verifiers.math.reading.expression import Node

MAX_EXPONENT_BITS = 4096
"""Size of exponents and factorial arguments taken on: a tower like 7^7^7^7 has an exponent of two million bits."""
MAX_TERMS = 20_000
"""Terms of an explicit sum or product."""


class UndefinedError(ArithmeticError):
    """The expression has no value."""


class UnsupportedError(Exception):
    """An expression about which nothing is known, or whose cost has no acceptable bound."""


@contextlib.contextmanager
def precision(bits: int) -> Iterator[None]:
    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


def enclose(node: Node, point: Mapping[str, Fraction | acb], log_base: str = "e", real: bool = False) -> acb:
    """A ball around the value of `node` at the current precision; `point` gives every free symbol.

    With `real`, a detour through complex numbers (the root of a negative number, and so on) is undefined.
    """
    return Evaluation(point, log_base, real).of(node)


def rational(value: Fraction) -> acb:
    return acb(arb(fmpq(value.numerator, value.denominator)))


def is_real(ball: acb) -> bool:
    return bool(ball.imag.is_zero())


class Evaluation:
    """One evaluation at a point; a subclass may know more kinds of nodes."""

    def __init__(self, point: Mapping[str, Fraction | acb], log_base: str, real: bool) -> None:
        self.real = real
        self.point = point
        self.log_base = log_base
        self.num_terms = 0

    def inside(self, point: Mapping[str, Fraction | acb]) -> Evaluation:
        """The evaluation of a body whose bound variable has a value."""
        return type(self)(point, self.log_base, self.real)

    def of(self, node: Node) -> acb:
        value = getattr(self, f"_{node.op}", self._unknown)(node)
        if not value.is_finite():
            raise UndefinedError("not finite at this precision")
        if self.real and not is_real(value):
            raise UndefinedError("not real")
        return value

    def _unknown(self, node: Node) -> acb:
        raise UnsupportedError(f"no value of a {node.op}")

    def _num(self, node: Node) -> acb:
        return rational(node.value)

    def _const(self, node: Node) -> acb:
        if node.value == "pi":
            return acb(arb.pi())
        if node.value == "e":
            return acb(arb.const_e())
        if node.value == "i":
            return acb(0, 1)
        raise UnsupportedError("infinity inside an expression")

    def _sym(self, node: Node) -> acb:
        value = self.point.get(node.value)
        if value is None:
            raise UnsupportedError(f"the free symbol {node.value}")
        return rational(value) if isinstance(value, Fraction) else value

    def _add(self, node: Node) -> acb:
        total = acb(0)
        for arg in node.args:
            total += self.of(arg)
        return total

    def _neg(self, node: Node) -> acb:
        return -self.of(node.args[0])

    def _mul(self, node: Node) -> acb:
        return self.of(node.args[0]) * self.of(node.args[1])

    def _div(self, node: Node) -> acb:
        return self.divide(self.of(node.args[0]), self.of(node.args[1]))

    def divide(self, top: acb, bottom: acb) -> acb:
        if bottom.is_zero():
            raise UndefinedError("division by zero")
        return top / bottom

    def _deg(self, node: Node) -> acb:
        return self.of(node.args[0]) * acb(arb.pi()) / 180

    def _percent(self, node: Node) -> acb:
        return self.of(node.args[0]) / 100

    def _pow(self, node: Node) -> acb:
        base_node, exponent_node = node.args
        exponent = self.of(exponent_node)
        check_size(exponent)
        if base_node == Node("const", value="e"):
            return exponent.exp()
        base = self.of(base_node)
        if base.is_zero():
            if is_real(exponent) and exponent.real > 0:
                return acb(0)
            raise UndefinedError("a power of zero")
        if (whole := exact_integer(exponent)) is not None:
            return base**whole
        fraction = literal_fraction(exponent_node)
        if fraction is not None and fraction.denominator % 2 == 1 and is_real(base) and base.real < 0:
            return self.root(base, fraction.denominator) ** fmpz(fraction.numerator)
        if is_real(base) and not (base.real > 0) and not (base.real < 0):
            raise UndefinedError("a base too close to zero")
        return base.pow(exponent)

    def root(self, value: acb, index: int) -> acb:
        if is_real(value):
            if value.real > 0:
                return acb(value.real.root(index))
            if value.is_zero():
                return acb(0)
            if value.real < 0:
                magnitude = (-value.real).root(index)
                if index % 2:
                    return acb(-magnitude)
                return acb(magnitude) * acb(arb(1) / index).exp_pi_i()
        return value.root(index)

    def _sum(self, node: Node) -> acb:
        total = acb(0)
        for term in self.terms(node):
            total += term
        return total

    def _prod(self, node: Node) -> acb:
        total = acb(1)
        for term in self.terms(node):
            total *= term
        return total

    def terms(self, node: Node) -> Iterator[acb]:
        body, index, low_node, high_node = node.args
        low, high = exact_integer(self.of(low_node)), exact_integer(self.of(high_node))
        if low is None or high is None:
            raise UnsupportedError("a sum whose bounds are no integers")
        if high < low - 1:
            raise UnsupportedError("a sum that runs downwards")
        for k in range(int(low), int(high) + 1):
            self.num_terms += 1
            if self.num_terms > MAX_TERMS:
                raise UnsupportedError(f"more than {MAX_TERMS} terms")
            inner = self.inside({**self.point, index.value: Fraction(k)})
            inner.num_terms = self.num_terms
            yield inner.of(body)
            self.num_terms = inner.num_terms

    def _fn(self, node: Node) -> acb:
        name = node.value
        if name == "root":
            index = exact_integer(self.of(node.args[1]))
            if index is None or not 1 <= index <= 10**6:
                raise UnsupportedError("a root of an odd index")
            return self.root(self.of(node.args[0]), int(index))
        if name in ("det", "max", "min", "gcd", "lcm", "mod", "floor", "ceil", "binom", "factorial", "doublefactorial"):
            return self._discrete(name, [self.of(arg) for arg in node.args])
        values = [self.of(arg) for arg in node.args]
        x = values[0]
        if name == "logbase":
            return self.divide(self.log(x), self.log(values[1]))
        if name == "log":
            return self.log(x) if self.log_base == "e" else self.log(x) / acb(10).log()
        if name == "ln":
            return self.log(x)
        function = _FUNCTIONS.get(name)
        if function is None:
            raise UnsupportedError(f"the function {name}")
        value = function(x)
        return acb(value.real) if is_real(x) and (name not in _COMPLEX_OUTSIDE or abs(x.real) <= 1) else value

    def log(self, x: acb) -> acb:
        if x.is_zero():
            raise UndefinedError("the logarithm of zero")
        if is_real(x) and x.real < 0:
            return acb((-x.real).log(), arb.pi())
        return x.log()

    def _discrete(self, name: str, values: list[acb]) -> acb:
        reals = [value.real for value in values]
        if not all(is_real(value) for value in values):
            raise UnsupportedError(f"{name} of complex numbers")
        if name in ("max", "min"):
            result = reals[0]
            for value in reals[1:]:
                result = result.max(value) if name == "max" else result.min(value)
            return acb(result)
        if name in ("floor", "ceil"):
            return acb(reals[0].floor() if name == "floor" else reals[0].ceil())
        for value in reals:
            check_size(acb(value))
        if name == "factorial":
            whole = exact_integer(values[0])
            if whole is not None and whole < 0:
                raise UndefinedError("the factorial of a negative integer")
            return acb((reals[0] + 1).gamma())
        if name == "binom":
            n, k = exact_integer(values[0]), exact_integer(values[1])
            if n is None or k is None or n < 0:
                raise UnsupportedError("a binomial of other than natural numbers")
            if not 0 <= k <= n:
                return acb(0)
            if min(k, n - k) <= 1000:
                top = arb(1)
                for j in range(int(min(k, n - k))):
                    top = top * arb(n - j) / (j + 1)
                return acb(top)
            return acb((arb(n) + 1).gamma() / ((arb(k) + 1).gamma() * (arb(n - k) + 1).gamma()))
        wholes = [exact_integer(value) for value in values]
        if any(whole is None for whole in wholes):
            raise UnsupportedError(f"{name} of other than integers")
        integers = [fmpz(whole) for whole in wholes]
        if name == "mod":
            if integers[1] == 0:
                raise UndefinedError("a remainder by zero")
            return acb(integers[0] % integers[1])
        if name in ("gcd", "lcm"):
            result = integers[0]
            for integer in integers[1:]:
                result = result.gcd(integer) if name == "gcd" else result.lcm(integer)
            return acb(abs(result))
        if name == "doublefactorial" and 0 <= integers[0] <= MAX_TERMS:
            product = arb(1)
            for factor in range(int(integers[0]), 0, -2):
                product *= factor
            return acb(product)
        raise UnsupportedError(name)


def check_size(value: acb) -> None:
    """Checks the size of an exponent or argument. Raises UnsupportedError where it is too large to work with."""
    if not abs(value.real) < arb(2) ** MAX_EXPONENT_BITS:
        raise UnsupportedError("an exponent or factorial beyond the size limit")


def exact_integer(value: acb) -> fmpz | None:
    """The integer the ball is exactly, if it is one."""
    if not is_real(value) or not value.real.is_integer() or not value.real.is_exact():
        return None
    return value.real.unique_fmpz()


def literal_fraction(node: Node) -> Fraction | None:
    """The rational a node of plain numbers spells, for rules that look at the exponent as written."""
    if node.op == "num":
        value: Fraction = node.value
        return value
    if node.op == "neg":
        inner = literal_fraction(node.args[0])
        return None if inner is None else -inner
    if node.op == "div":
        top, bottom = (literal_fraction(arg) for arg in node.args)
        return top / bottom if top is not None and bottom else None
    return None


_COMPLEX_OUTSIDE = frozenset({"arcsin", "arccos", "arctanh", "arccosh", "arcsec", "arccsc"})
_FUNCTIONS = {
    "sin": acb.sin, "cos": acb.cos, "tan": acb.tan, "cot": acb.cot, "sec": acb.sec, "csc": acb.csc, "sinh": acb.sinh,
    "cosh": acb.cosh, "tanh": acb.tanh, "coth": acb.coth, "arcsin": acb.asin, "arccos": acb.acos, "arctan": acb.atan,
    "arcsinh": acb.asinh, "arccosh": acb.acosh, "arctanh": acb.atanh,
    "arccot": lambda x: acb(arb.pi() / 2) - x.atan(), "arcsec": lambda x: (1 / x).acos(),
    "arccsc": lambda x: (1 / x).asin(), "conj": lambda x: x.conjugate(),
    "abs": lambda x: acb(abs(x)), "Re": lambda x: acb(x.real), "Im": lambda x: acb(x.imag),
    "arg": lambda x: acb(x.arg()), "sgn": lambda x: x.sgn(),
}  # fmt: skip
