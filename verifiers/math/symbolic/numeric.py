"""Rigorous values of integrals, derivatives, sums and limits, and whether two expressions agree at random points.

`Difference.PROVEN` rests on disjoint balls of both values and is a proof. Limits, infinite sums and improper integrals
have no ball of their own: their value is estimated, and `Enclosure.rough` says so. An estimate may only support what
sympy has proven; it never refutes.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from flint import acb, arb

from verifiers.math.algebra import ball
from verifiers.math.algebra.ball import Evaluation, UndefinedError, UnsupportedError, exact_integer, is_real
from verifiers.math.reading.expression import Node
from verifiers.math.symbolic.calculus import derivative

PRECISION = 128
NUM_POINTS = 12
MIN_POINTS = 3
"""Points with a value on both sides that agreement needs, where there are free symbols."""
TIGHT = arb("1e-12")
"""Greatest relative radius of a rigorous ball that counts as a value."""
ROUGH = arb("0.02")
"""The same for an estimate, and its greatest radius where the value is below 1."""


_LENGTHS = (300, 801, 1200)
"""Lengths of partial sums, even and odd, so that a sum that swings does not seem to stand still."""
_REACHES = (100, 1001, 3000)
"""Finite bounds that stand for an infinite one."""


class Agreement(enum.StrEnum):
    AGREE = "agree"
    DIFFER = "differ"
    """The verdict that two expressions differ, proven by two disjoint balls at one point."""
    UNKNOWN = "unknown"


class Enclosure(Evaluation):
    """Balls of what `Evaluation` knows, and of the nodes of analysis."""

    def __init__(self, point: Mapping[str, Fraction | acb], log_base: str = "e", real: bool = False) -> None:
        super().__init__(point, log_base, real)
        self.marks: list[bool] = []
        """Shared with the evaluations inside; anything in it says that a value rests on an estimate."""

    @property
    def rough(self) -> bool:
        return bool(self.marks)

    def inside(self, point: Mapping[str, Fraction | acb]) -> Enclosure:
        made = Enclosure(point, self.log_base, self.real)
        made.marks = self.marks
        return made

    def _derivative(self, node: Node) -> acb:
        body, variable = node.args
        return self.of(derivative(body, variable.value, node.value or 1))

    def _int(self, node: Node) -> acb:
        if len(node.args) != 4:
            raise UnsupportedError("an integral without bounds")
        body, variable, low, high = node.args
        start, stop = ends = self._end(low), self._end(high)
        integrate = self._integrator(body, variable.value)
        if start is not None and stop is not None:
            value = integrate(start, stop)
            if value.is_finite():
                return value
            # The integrand may be infinite at an end: step by step closer to it.
            margins = [(stop - start) * ball.rational(Fraction(1, 10**exponent)) for exponent in (6, 9)]
            return self._estimate([integrate(start + margin, stop - margin) for margin in margins])
        estimates = [integrate(*_bounded(ends, (low, high), reach)) for reach in _REACHES]
        return self._estimate(estimates)

    def _end(self, node: Node) -> acb | None:
        """A finite bound, or None for an infinite one."""
        if _infinite(node):
            return None
        value = self.of(node)
        if not is_real(value):
            raise UnsupportedError("an integral between complex bounds")
        return value

    def _integrator(self, body: Node, variable: str) -> Callable[[acb, acb], acb]:
        raised: list[Exception] = []

        def integrand(z: acb, analytic: bool) -> acb:
            # An exception must not leave the callback: the C code around it goes on.
            try:
                return _Analytic({**self.point, variable: z}, self.log_base, bool(analytic)).of(body)
            except (UndefinedError, UnsupportedError) as error:
                raised.append(error)
                return acb("nan")

        def integrate(low: acb, high: acb) -> acb:
            tolerance = arb(2) ** -60
            value = acb.integral(integrand, low, high, rel_tol=tolerance, abs_tol=tolerance, eval_limit=20_000)
            if raised:
                raise raised[0]
            return value

        return integrate

    def _lim(self, node: Node) -> acb:
        body, (variable, target), side = node.args[0], node.args[1].args, node.args[1].value
        estimates = []
        for exponent in (4, 6):
            step = Fraction(1, 10**exponent)
            for at in self._near(target, side or "", step):
                estimates.append(self.inside({**self.point, variable.value: at}).of(body))
        return self._estimate(estimates)

    def _near(self, target: Node, side: str, step: Fraction) -> Iterator[acb]:
        if _infinite(target):
            sign = -1 if target.op == "neg" else 1
            yield acb(sign * int(1 / step) * 7)
            return
        at = self.of(target)
        for sign in (1, -1):
            if side in ("", "+" if sign > 0 else "-"):
                yield at + sign * ball.rational(step)

    def _sum(self, node: Node) -> acb:
        if not _infinite(node.args[3]):
            return super()._sum(node)
        body, index, low, _ = node.args
        first = exact_integer(self.of(low))
        if first is None:
            raise UnsupportedError("a sum whose bounds are no integers")
        finite = [Node("num", value=Fraction(int(first) + length)) for length in _LENGTHS]
        return self._estimate([super(Enclosure, self)._sum(Node("sum", (body, index, low, end))) for end in finite])

    def _estimate(self, values: list[acb]) -> acb:
        """The last value, with a radius from how far apart the values are."""
        self.marks.append(True)
        if not all(value.is_finite() for value in values):
            raise UndefinedError("an estimate that is not finite")
        spread = arb(0)
        for value in values[:-1]:
            spread = spread.max(abs(value - values[-1]).upper())
        radius = 10 * spread + arb("1e-9")
        return acb(values[-1].real + arb(0, radius.upper()))


class _Analytic(Evaluation):
    """An integrand on complex balls. With `analytic` it must be holomorphic there, or return what is not finite."""

    def __init__(self, point: Mapping[str, Fraction | acb], log_base: str, analytic: bool) -> None:
        super().__init__(point, log_base, False)
        self.analytic = analytic

    def of(self, node: Node) -> acb:
        method = getattr(self, f"_{node.op}", self._unknown)
        value: acb = method(node)
        return value  # a ball that is not finite is what `acb.integral` wants to see

    def divide(self, top: acb, bottom: acb) -> acb:
        return top / bottom

    def _pow(self, node: Node) -> acb:
        base_node, exponent_node = node.args
        exponent = self.of(exponent_node)
        ball.check_size(exponent)
        if base_node == Node("const", value="e"):
            return exponent.exp()
        whole = exact_integer(exponent)
        base = self.of(base_node)
        return base**whole if whole is not None else base.pow(exponent, analytic=self.analytic)

    def _fn(self, node: Node) -> acb:
        x = self.of(node.args[0])
        name = node.value
        if name == "root" and node.args[1] == Node("num", value=Fraction(2)):
            return x.sqrt(analytic=self.analytic)
        if name == "ln":
            return x.log(analytic=self.analytic)
        if name == "abs":
            return x.real_abs(analytic=self.analytic)
        if name in _MEROMORPHIC:
            return _MEROMORPHIC[name](x)
        if name == "arctan" and bool(abs(x.imag) < 1):
            return x.atan()
        if name in ("arcsin", "arccos") and bool(abs(x.real) < 1):
            return x.asin() if name == "arcsin" else x.acos()
        if name in ("arctan", "arcsin", "arccos"):
            return acb("nan")
        raise UnsupportedError(f"the integral of {name}")

    def _sum(self, node: Node) -> acb:
        raise UnsupportedError("the integral of a sum")

    _prod = _sum


_MEROMORPHIC = {
    "sin": acb.sin, "cos": acb.cos, "tan": acb.tan, "cot": acb.cot, "sec": acb.sec, "csc": acb.csc,
    "sinh": acb.sinh, "cosh": acb.cosh, "tanh": acb.tanh,
}  # fmt: skip


def agreement(a: Node, b: Node) -> Agreement:
    """Compares both at random points, the same for every call: disjoint rigorous balls differ for certain."""
    symbols = sorted(a.symbols() | b.symbols())
    rng = random.Random(" ".join(symbols))
    whole = _integer_symbols(a) | _integer_symbols(b)
    agreed = 0
    for _ in range(NUM_POINTS if symbols else 1):
        point = {name: _coordinate(rng, name in whole) for name in symbols}
        try:
            with ball.precision(PRECISION):
                left, right = Enclosure(point, "e", bool(symbols)), Enclosure(point, "e", bool(symbols))
                x, y = left.of(a), right.of(b)
                rough = left.rough or right.rough
                if not x.overlaps(y):
                    return Agreement.UNKNOWN if rough else Agreement.DIFFER
                if all(_tight(value, rough) for value in (x, y)):
                    agreed += 1
        except (UndefinedError, UnsupportedError):
            continue
    return Agreement.AGREE if agreed >= (MIN_POINTS if symbols else 1) else Agreement.UNKNOWN


def magnitude_below(node: Node, bound: int) -> bool:
    """Whether the absolute value of a closed expression is proven to be below the bound."""
    try:
        with ball.precision(PRECISION):
            enclosure = Enclosure({}, "e", False)
            value = enclosure.of(node)
    except (UndefinedError, UnsupportedError):
        return False
    return bool(abs(value) < bound) and not enclosure.rough


def _coordinate(rng: random.Random, whole: bool) -> Fraction:
    if whole:
        return Fraction(rng.randrange(1, 15))
    return rng.choice((1, 1, -1)) * Fraction(rng.randrange(1, 60), rng.randrange(7, 40))


def _integer_symbols(node: Node) -> frozenset[str]:
    """Symbols that only make sense as natural numbers: bounds of sums and products, factorials, binomials."""
    found: set[str] = set()
    for inner in node.walk():
        if inner.op in ("sum", "prod"):
            found |= inner.args[2].symbols() | inner.args[3].symbols()
        if inner.op == "fn" and inner.value in ("factorial", "binom", "doublefactorial", "gcd", "lcm", "mod"):
            found |= inner.symbols()
    return frozenset(found)


def _tight(value: acb, rough: bool) -> bool:
    """Whether the ball is small enough to count as a value; near zero an estimate is measured absolutely."""
    most = ROUGH * abs(value).max(arb(1)) if rough else TIGHT * abs(value).max(arb("1e-6"))
    return bool(value.real.rad() <= most.lower()) and bool(value.imag.rad() <= most.lower())


def _infinite(node: Node) -> bool:
    return node == Node("const", value="inf") or (node.op == "neg" and _infinite(node.args[0]))


def _bounded(ends: tuple[acb | None, acb | None], nodes: tuple[Node, Node], reach: int) -> list[acb]:
    return [
        acb(-reach if node.op == "neg" else reach) if end is None else end
        for end, node in zip(ends, nodes, strict=True)
    ]
