"""Exact normal forms: an expression as a quotient of polynomials over algebraic and transcendental generators.

Promises: `Field.is_zero` answers True only with a proof. Constants that are algebraic (radicals, roots of unity and so
every sine of a rational multiple of pi) are decided completely by a separation bound: a non-zero algebraic integer of
degree D whose conjugates are at most u in size is at least u^(1-D) in size, so a ball around the value that excludes
everything else proves it zero. Generators that stand for pi, e, logarithms, exponentials and free symbols are treated
as independent: if a form vanishes with them independent it vanishes.
Does not: answer False (two forms that differ may still be equal; balls refute, see verifiers.math.comparing.equality).
Fails: `UndefinedError`, `UnsupportedError` as in verifiers.math.algebra.ball.

Source of the bound: the degree-measure argument of Mignotte (1982) in the constructive form of Burnikel, Fleischer,
Mehlhorn and Schirra, "A strong and easily computable separation bound for arithmetic expressions involving radicals"
(2000).
Identities used hold for principal values of positive arguments; functions of symbols are therefore compared where both
are real, which docs/math_answers.md states as the rule.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from flint import acb, arb, fmpz, fmpz_mpoly_ctx

from verifiers.math.algebra import ball
from verifiers.math.algebra.ball import UndefinedError, UnsupportedError

NUM_GENERATORS = 20
MAX_POWER_BITS = 2_000_000
"""Bits of an exact integer power or factorial: 2^2000000 takes milliseconds, a tower takes forever."""
MAX_POLYNOMIAL_TERMS = 20_000
MAX_ROOT_INDEX = 360
MAX_SEPARATION_BITS = 60_000
"""Precision spent on one zero test; the bound grows with the product of the degrees of all radicals."""
TRIAL_DIVISION_LIMIT = 2**48
"""Integers up to here are factored whole; beyond, only perfect powers and small primes are taken out of a radical."""

_CONTEXT = fmpz_mpoly_ctx.get([f"g{index}" for index in range(NUM_GENERATORS)], "lex")
_ONE = _CONTEXT.constant(1)
_ZERO = _CONTEXT.constant(0)
Poly = Any
"""flint's fmpz_mpoly over the shared context."""


@dataclasses.dataclass(frozen=True, slots=True)
class Element:
    """A quotient of polynomials in the generators of one `Field`; `bottom` is not identically zero."""

    top: Poly
    bottom: Poly


@dataclasses.dataclass(slots=True)
class _Generator:
    kind: str
    """One of sym, unity, root, abs, pi, e, log, exp and opaque."""
    key: Any
    order: int = 0
    """The index of a root, or the order N of a root of unity exp(2 pi i / N)."""
    argument: Element | None = None
    algebraic: bool = False
    """A constant algebraic integer: its conjugates are at most 2^size in absolute value."""
    size: float = 0.0
    constant: bool = False
    needs: frozenset[int] = frozenset()
    """Generators its argument is made of."""


class FinerExponentError(Exception):
    """Says that exp(term) occurs with a fractional factor, so that the work starts again with exp(term / denominator)
    as the generator."""

    def __init__(self, key: str, denominator: int) -> None:
        super().__init__(key, denominator)
        self.key = key
        self.denominator = denominator


class Field:
    """A growing set of generators, and arithmetic on elements over them.

    `denominators` are what earlier attempts at the same expressions learned through `FinerExponentError`.
    """

    def __init__(self, log_base: str = "e", denominators: Mapping[str, int] | None = None) -> None:
        self._denominators = denominators or {}
        self.generators: list[_Generator] = []
        self.log_base = log_base
        self._by_key: dict[Any, int] = {}

    # Elements

    def integer(self, value: Any) -> Element:
        return Element(_CONTEXT.constant(fmpz(value)), _ONE)

    def fraction(self, value: Fraction) -> Element:
        return Element(_CONTEXT.constant(fmpz(value.numerator)), _CONTEXT.constant(fmpz(value.denominator)))

    def add(self, a: Element, b: Element) -> Element:
        if a.bottom == b.bottom:
            return self._reduced(a.top + b.top, a.bottom)
        return self._reduced(a.top * b.bottom + b.top * a.bottom, a.bottom * b.bottom)

    def neg(self, a: Element) -> Element:
        return Element(-a.top, a.bottom)

    def mul(self, a: Element, b: Element) -> Element:
        if len(a.top) * len(b.top) > MAX_POLYNOMIAL_TERMS * 10:
            raise UnsupportedError("a product of too many terms")
        return self._reduced(a.top * b.top, a.bottom * b.bottom)

    def div(self, a: Element, b: Element) -> Element:
        if self.is_zero(b):
            raise UndefinedError("division by zero")
        return self._reduced(a.top * b.bottom, a.bottom * b.top)

    def power(self, a: Element, exponent: int) -> Element:
        if exponent < 0:
            if self.is_zero(a):
                raise UndefinedError("division by zero")
            a, exponent = Element(a.bottom, a.top), -exponent
        if exponent == 0:
            return self.integer(1)
        for poly in (a.top, a.bottom):
            bits = max((abs(c).bit_length() for c in poly.coeffs()), default=0)
            terms = len(poly)
            if bits * exponent > MAX_POWER_BITS or (terms > 1 and exponent > 500) or exponent.bit_length() > 40:
                raise UnsupportedError("a power too large to expand")
            if terms > 1 and math.comb(exponent + terms - 1, terms - 1) > MAX_POLYNOMIAL_TERMS:
                raise UnsupportedError("a power of too many terms")
        if a.top.is_constant() and a.bottom.is_constant():
            return self._reduced(a.top**exponent, a.bottom**exponent)
        # Square and multiply, so that radicals are reduced on the way.
        result, square = self.integer(1), a
        while exponent:
            if exponent & 1:
                result = self.mul(result, square)
            exponent >>= 1
            if exponent:
                square = self.mul(square, square)
        return result

    def _reduced(self, top: Poly, bottom: Poly) -> Element:
        top, bottom = self._fold(top), self._fold(bottom)
        if len(top) > MAX_POLYNOMIAL_TERMS or len(bottom) > MAX_POLYNOMIAL_TERMS:
            raise UnsupportedError("too many terms")
        if top.is_zero():
            return Element(_ZERO, _ONE)
        if not bottom.is_one():
            common = top.gcd(bottom)
            if not common.is_one():
                top, bottom = top / common, bottom / common
            if bottom.leading_coefficient() < 0:
                top, bottom = -top, -bottom
        return Element(top, bottom)

    def _fold(self, poly: Poly) -> Poly:
        """Lowers powers of radicals and roots of unity below their order."""
        if poly.is_constant():
            return poly
        degrees = [int(degree) for degree in poly.degrees()]
        for index in range(len(self.generators) - 1, -1, -1):
            generator = self.generators[index]
            limit = generator.order // 2 if generator.kind == "unity" and generator.order % 2 == 0 else generator.order
            if not limit or degrees[index] < limit:
                continue
            parts: dict[int, dict[tuple[int, ...], Any]] = {}
            for monomial, coefficient in _terms(poly):
                turns, rest = divmod(monomial[index], limit)
                lowered = (*monomial[:index], rest, *monomial[index + 1 :])
                parts.setdefault(turns, {})[lowered] = coefficient
            replacement = self._power_value(generator, limit)
            poly = _ZERO
            for turns, terms in parts.items():
                poly += _CONTEXT.from_dict(terms) * replacement**turns
            if len(poly) > MAX_POLYNOMIAL_TERMS:
                raise UnsupportedError("too many terms")
            return self._fold(poly)
        return poly

    def _power_value(self, generator: _Generator, limit: int) -> Poly:
        if generator.kind == "unity":
            return -_ONE if limit < generator.order else _ONE
        assert generator.argument is not None
        return generator.argument.top

    # Generators

    def _generator(self, made: _Generator) -> int:
        key = (made.kind, made.order, made.key)
        if key not in self._by_key:
            if len(self.generators) == NUM_GENERATORS:
                raise UnsupportedError("too many different functions and symbols")
            self._by_key[key] = len(self.generators)
            self.generators.append(made)
        return self._by_key[key]

    def _gen(self, made: _Generator) -> Element:
        return Element(_CONTEXT.gen(self._generator(made)), _ONE)

    def symbol(self, name: str) -> Element:
        return self._gen(_Generator("sym", name))

    def pi(self) -> Element:
        return self._gen(_Generator("pi", "pi", constant=True))

    def unity(self, turn: Fraction) -> Element:
        """The value exp(2 pi i turn)."""
        turn %= 1
        sign = 1
        if turn >= Fraction(1, 2):
            sign, turn = -1, turn - Fraction(1, 2)
        if turn == 0:
            return self.integer(sign)
        order = turn.denominator * (2 if turn.denominator % 2 else 1)
        if order > MAX_ROOT_INDEX:
            raise UnsupportedError("a root of unity of high order")
        root = self._gen(_Generator("unity", order, order=order, algebraic=True, constant=True))
        result = self.power(root, int(turn * order))
        return result if sign == 1 else self.neg(result)

    def imaginary(self) -> Element:
        return self.unity(Fraction(1, 4))

    def used(self, *polys: Poly) -> frozenset[int]:
        """Indices of the generators in the polynomials, with those their arguments need."""
        indices: set[int] = set()
        for poly in polys:
            for index, degree in enumerate(poly.degrees()):
                if degree > 0 and index not in indices:
                    indices |= {index, *self.generators[index].needs}
        return frozenset(indices)

    def is_constant(self, a: Element) -> bool:
        return all(self.generators[index].constant for index in self.used(a.top, a.bottom))

    def as_fraction(self, a: Element) -> Fraction | None:
        if a.top.is_constant() and a.bottom.is_constant():
            top = a.top.leading_coefficient() if not a.top.is_zero() else 0
            return Fraction(int(top), int(a.bottom.leading_coefficient()))
        return None

    # Roots, absolute values, logarithms, exponentials

    def root(self, a: Element, index: int) -> Element:
        if index == 1:
            return a
        if not 1 < index <= MAX_ROOT_INDEX:
            raise UnsupportedError("a root of high index")
        value = self.as_fraction(a)
        if value is not None:
            return self._rational_root(value, index)
        if not self.is_constant(a):
            return self._symbolic_root(a, index)
        sign = self.sign(a)
        if sign == 0:
            return self.integer(0)
        if sign == -1:
            magnitude = self.root(self.neg(a), index)
            if index % 2:
                return self.neg(magnitude)
            return self.mul(magnitude, self.unity(Fraction(1, 2 * index)))
        if sign is None:
            return self._gen(
                _Generator(
                    "opaque",
                    ("root", index, key_of(a)),
                    argument=a,
                    constant=True,
                    order=0,
                    needs=self.used(a.top, a.bottom),
                )
            )
        # A positive real: root(N/D) = root(N D^(k-1)) / D with D > 0, so that the radicand is an algebraic integer.
        bottom = Element(a.bottom, _ONE)
        if self.sign(bottom) == -1:
            a, bottom = Element(-a.top, -a.bottom), self.neg(bottom)
        elif self.sign(bottom) is None:
            raise UnsupportedError("a root of a quotient of complex numbers")
        radicand = self.mul(Element(a.top, _ONE), self.power(bottom, index - 1))
        content, inner = self._extract(radicand, index)
        return (
            self.mul(self.div(self.integer(content), bottom), self._radical(inner, index))
            if inner is not None
            else self.div(self.integer(content), bottom)
        )

    def _extract(self, a: Element, index: int) -> tuple[Any, Element | None]:
        """The largest integer whose `index`-th power divides the polynomial, and what is left."""
        content = fmpz(0)
        for coefficient in a.top.coeffs():
            content = content.gcd(coefficient)
        outside = fmpz(1)
        for prime, exponent in _small_factors(content):
            outside *= prime ** (exponent // index)
        if outside != 1:
            a = Element(a.top / _CONTEXT.constant(outside**index), a.bottom)
        return outside, a

    def _radical(self, radicand: Element, index: int) -> Element:
        """The generator for a root of a positive real algebraic integer (a polynomial)."""
        if (value := self.as_fraction(radicand)) is not None:
            return self._rational_root(value, index)
        indices = self.used(radicand.top)
        algebraic = all(self.generators[i].algebraic for i in indices)
        size = self._size(radicand.top) / index if algebraic else 0.0
        return self._gen(
            _Generator(
                "root",
                key_of(radicand),
                order=index,
                argument=radicand,
                algebraic=algebraic,
                size=size,
                constant=True,
                needs=indices,
            )
        )

    def _rational_root(self, value: Fraction, index: int) -> Element:
        if value == 0:
            return self.integer(0)
        if value < 0:
            magnitude = self._rational_root(-value, index)
            if index % 2:
                return self.neg(magnitude)
            return self.mul(magnitude, self.unity(Fraction(1, 2 * index)))
        radicand = fmpz(value.numerator) * fmpz(value.denominator) ** (index - 1)
        outside = fmpz(1)
        result = self.integer(1)
        for prime, exponent in _small_factors(radicand):
            outside *= prime ** (exponent // index)
            if rest := exponent % index:
                common = math.gcd(rest, index)
                root = self._gen(
                    _Generator(
                        "root",
                        int(prime),
                        order=index // common,
                        argument=self.integer(prime),
                        algebraic=True,
                        size=_log2(prime) / (index // common),
                        constant=True,
                    )
                )
                result = self.mul(result, self.power(root, rest // common))
        return self.div(self.mul(result, self.integer(outside)), self.integer(value.denominator))

    def _symbolic_root(self, a: Element, index: int) -> Element:
        """Roots of functions: squares come out of square roots as absolute values, other radicands stay."""
        if index == 2:
            # sqrt(N/D) = sqrt(N D)/|D| wherever the left side is real.
            top = self.mul(Element(a.top, _ONE), Element(a.bottom, _ONE)).top
            bottom = self.absolute(Element(a.bottom, _ONE))
        else:
            top = self.mul(Element(a.top, _ONE), self.power(Element(a.bottom, _ONE), index - 1)).top
            bottom = Element(a.bottom, _ONE)
        content, factors = top.factor()
        outside = self.integer(1)
        pieces: list[tuple[Element, int]] = []
        sign = 1
        if content < 0:
            content, sign = -content, -1
        for poly, exponent in factors:
            whole, rest = divmod(int(exponent), index)
            factor = Element(poly, _ONE)
            if whole:
                # With the factor also left inside, it cannot be negative.
                base = self.absolute(factor) if index % 2 == 0 and not rest else factor
                outside = self.mul(outside, self.power(base, whole))
            if rest:
                pieces.append((factor, rest))
        if sign < 0 and index % 2:
            outside, sign = self.neg(outside), 1
        if index == 2 and sign > 0 and len(pieces) == 1:
            # sqrt(1/n) is real only for n > 0: what is left inside is also the sign of the denominator.
            scale, below = a.bottom.factor()
            if scale > 0 and [poly for poly, _ in below] == [pieces[0][0].top]:
                bottom = Element(a.bottom, _ONE)
        result = self.mul(self._rational_root(Fraction(int(content)), index), outside)
        if sign < 0 or len(pieces) == 1:
            # One radicand. A product under an even root is taken apart only where no sign is in doubt.
            inside = self.integer(sign)
            for factor, rest in pieces:
                inside = self.mul(inside, self.power(factor, rest))
            pieces = [] if self.as_fraction(inside) == 1 else [(inside, 1)]
        for radicand, rest in pieces:
            generator = self._gen(
                _Generator("root", key_of(radicand), order=index, argument=radicand, needs=self.used(radicand.top))
            )
            result = self.mul(result, self.power(generator, rest))
        return self.div(result, bottom)

    def absolute(self, a: Element) -> Element:
        if self.is_constant(a):
            sign = self.sign(a)
            if sign is not None:
                return a if sign >= 0 else self.neg(a)
            # |z| = sqrt(z conj z)
            return self.root(self.mul(a, self.conjugate(a)), 2)
        return self.div(self._absolute_poly(a.top), self._absolute_poly(a.bottom))

    def _absolute_poly(self, poly: Poly) -> Element:
        content, factors = poly.factor()
        result = self.integer(abs(content))
        for factor, exponent in factors:
            exponent = int(exponent)
            element = Element(factor, _ONE)
            if exponent % 2 == 0:
                result = self.mul(result, self.power(element, exponent))
                continue
            if factor.leading_coefficient() < 0:
                element = self.neg(element)
            if self.is_constant(element):
                result = self.mul(result, self.power(self.absolute(element), exponent))
                continue
            indices = self.used(element.top)
            if self._evidently_positive(element):
                result = self.mul(result, self.power(element, exponent))
                continue
            square = self.mul(element, element)
            generator = self._gen(_Generator("abs", key_of(element), order=2, argument=square, needs=indices))
            result = self.mul(result, self.power(generator, exponent))
        return result

    def _evidently_positive(self, a: Element) -> bool:
        """A sum of even powers with positive coefficients and a positive constant, in real symbols; an exponential."""
        constant = False
        for monomial, coefficient in _terms(a.top):
            if coefficient < 0:
                return False
            for index, exponent in enumerate(monomial):
                if exponent % 2 and not self._positive_generator(index):
                    return False
                if exponent and self.generators[index].kind == "unity":
                    return False
            constant = constant or all(
                not exponent or self._positive_generator(index) for index, exponent in enumerate(monomial)
            )
        return constant

    def _positive_generator(self, index: int) -> bool:
        generator = self.generators[index]
        if generator.kind == "exp":
            return all(self.generators[i].kind not in ("unity", "opaque") for i in generator.needs)
        return generator.kind in ("pi", "e") or (generator.kind == "root" and generator.constant)

    def log(self, a: Element) -> Element:
        value = self.as_fraction(a)
        if value is not None:
            if value == 0:
                raise UndefinedError("the logarithm of zero")
            result = self.integer(0)
            if value < 0:
                value = -value
                result = self.mul(self.pi(), self.imaginary())
            for part, sign in ((value.numerator, 1), (value.denominator, -1)):
                for prime, exponent in _small_factors(fmpz(part)):
                    log = self._gen(_Generator("log", int(prime), argument=self.integer(prime), constant=True))
                    result = self.add(result, self.mul(self.integer(sign * int(exponent)), log))
            return result
        constant = self.is_constant(a)
        if constant and self.sign(a) != 1:
            return self._gen(_Generator("log", key_of(a), argument=a, constant=True, needs=self.used(a.top, a.bottom)))
        result = self.integer(0)
        for poly, sign in ((a.top, 1), (a.bottom, -1)):
            content, factors = poly.factor()
            negative = content < 0
            result = self.add(result, self.mul(self.integer(sign), self.log(self.integer(abs(content)))))
            pieces = [(Element(factor, _ONE), int(exponent)) for factor, exponent in factors]
            for place, (element, exponent) in enumerate(pieces):
                if negative and exponent % 2 and place == next((i for i, p in enumerate(pieces) if p[1] % 2), -1):
                    element, negative = self.neg(element), False
                if self.is_constant(element) and self.sign(element) == -1:
                    element = self.neg(element)
                result = self.add(result, self.mul(self.integer(sign * exponent), self._log_factor(element, constant)))
        return result

    def _log_factor(self, element: Element, constant: bool) -> Element:
        """Logarithm of an irreducible factor; of a lone radical or exponential it is taken apart."""
        if len(element.top) == 1 and element.top.leading_coefficient() == 1:
            (index,) = (i for i, degree in enumerate(element.top.degrees()) if degree)
            generator = self.generators[index]
            if generator.kind == "root" and generator.argument is not None:
                return self.div(self.log(generator.argument), self.integer(generator.order))
            if generator.kind == "e":
                return self.div(self.integer(1), self.integer(generator.order or 1))
            if generator.kind == "exp" and generator.argument is not None:
                return generator.argument
        return self._gen(
            _Generator(
                "log",
                key_of(element),
                argument=element,
                constant=self.is_constant(element),
                needs=self.used(element.top),
            )
        )

    def exp(self, a: Element) -> Element:
        """The exponential of a sum, as the product over its terms: rational multiples of i pi become roots of unity,
        those of logarithms powers."""
        if self.is_constant(a) and self.is_zero(a):
            return self.integer(1)
        if not a.bottom.is_constant():
            return self._exp_generator(a, 1)
        result = self.integer(1)
        bottom = int(a.bottom.leading_coefficient())
        for monomial, coefficient in _terms(a.top):
            factor = Fraction(int(coefficient), bottom)
            result = self.mul(result, self._exp_term(monomial, factor))
        return result

    def _exp_term(self, monomial: tuple[int, ...], factor: Fraction) -> Element:
        present = {index: exponent for index, exponent in enumerate(monomial) if exponent}
        kinds = {index: self.generators[index] for index in present}
        inverse = self._exp_of_inverse(kinds, present, factor)
        if inverse is not None:
            return inverse
        if not present:
            return self._exp_generator(self.integer(1), factor)
        if len(present) == 2 and any(g.kind == "pi" and present[i] == 1 for i, g in kinds.items()):
            for index, generator in kinds.items():
                if generator.kind == "unity" and Fraction(present[index], generator.order) == Fraction(1, 4):
                    return self.unity(factor / 2)
        if len(present) == 1:
            ((index, exponent),) = present.items()
            generator = self.generators[index]
            if generator.kind == "log" and exponent == 1 and generator.argument is not None:
                if factor.denominator > MAX_ROOT_INDEX or abs(factor.numerator) > 10**6:
                    raise UnsupportedError("a power with a large exponent")
                return self.power(self.root(generator.argument, factor.denominator), factor.numerator)
        return self._exp_generator(Element(_CONTEXT.from_dict({monomial: 1}), _ONE), factor)

    def _exp_of_inverse(
        self, kinds: dict[int, _Generator], present: dict[int, int], factor: Fraction
    ) -> Element | None:
        """The values exp(i k arcsin u) and exp(i k arctan u), which are algebraic in u."""
        if len(present) != 2 or factor.denominator != 1 or abs(factor) > 50:
            return None
        u, name = None, ""
        for index, generator in kinds.items():
            if generator.kind == "opaque" and present[index] == 1 and generator.key[0] in ("arcsin", "arctan"):
                u, name = generator.argument, generator.key[0]
            elif generator.kind != "unity" or Fraction(present[index], generator.order) != Fraction(1, 4):
                return None
        if u is None:
            return None
        square = self.mul(u, u)
        imaginary = self.mul(self.imaginary(), u)
        one = self.integer(1)
        if name == "arcsin":
            value = self.add(self.root(self.add(one, self.neg(square)), 2), imaginary)
        else:
            value = self.div(self.add(one, imaginary), self.root(self.add(one, square), 2))
        return self.power(value, int(factor))

    def _exp_generator(self, term: Element, factor: Fraction | int) -> Element:
        """The value exp(factor * term) as a power of exp(term / q), with one q for all factors of a term."""
        factor = Fraction(factor)
        if abs(factor.numerator) > 100_000:
            raise UnsupportedError("an exponential with a large exponent")
        key = str(key_of(term))
        denominator = self._denominators.get(key, 1)
        power = factor * denominator
        if power.denominator != 1:
            common = math.lcm(denominator, factor.denominator)
            if common > MAX_ROOT_INDEX:
                raise UnsupportedError("an exponential with a fine exponent")
            raise FinerExponentError(key, common)
        unit = self.div(term, self.integer(denominator))
        generator = self._gen(
            _Generator(
                "exp",
                key_of(unit),
                argument=unit,
                constant=self.is_constant(term),
                needs=self.used(unit.top, unit.bottom),
            )
        )
        return self.power(generator, int(power))

    def opaque(self, name: str, a: Element) -> Element:
        """A function value about which nothing is known but its argument (reduced, so equal arguments agree)."""
        return self._gen(
            _Generator(
                "opaque", (name, key_of(a)), argument=a, constant=self.is_constant(a), needs=self.used(a.top, a.bottom)
            )
        )

    def conjugate(self, a: Element) -> Element:
        """The complex conjugate. Raises UnsupportedError unless every generator's conjugate is known."""
        return Element(self._conjugate_poly(a.top), self._conjugate_poly(a.bottom))

    def _conjugate_poly(self, poly: Poly) -> Poly:
        result = _ZERO
        for monomial, coefficient in _terms(poly):
            term = Element(_CONTEXT.from_dict({(0,) * NUM_GENERATORS: coefficient}), _ONE)
            for index, exponent in enumerate(monomial):
                if not exponent:
                    continue
                generator = self.generators[index]
                if generator.kind == "unity":
                    term = self.mul(term, self.unity(Fraction(-exponent, generator.order)))
                elif self._real_generator(index):
                    term = self.mul(term, Element(_CONTEXT.gen(index) ** exponent, _ONE))
                else:
                    raise UnsupportedError("the conjugate of an unknown function")
            result += term.top
        return self._fold(result)

    def _real_generator(self, index: int) -> bool:
        generator = self.generators[index]
        if generator.kind in ("sym", "pi", "abs"):
            return True
        if generator.kind == "root":
            return generator.constant  # constant radicals are only made of positive reals
        if generator.kind == "log" and isinstance(generator.key, int):
            return True
        if generator.kind == "exp":
            return all(self._real_generator(i) for i in generator.needs)
        return False

    # Decisions

    def is_zero(self, a: Element) -> bool:
        """True: proven to vanish identically. False: not proven (and, for algebraic constants, proven different)."""
        if a.top.is_zero():
            return True
        groups: dict[tuple[int, ...], dict[tuple[int, ...], Any]] = {}
        for monomial, coefficient in _terms(a.top):
            outer = tuple(
                0 if exponent and self.generators[i].algebraic else exponent for i, exponent in enumerate(monomial)
            )
            inner = tuple(
                exponent if exponent and self.generators[i].algebraic else 0 for i, exponent in enumerate(monomial)
            )
            groups.setdefault(outer, {})[inner] = coefficient
        if all(self._algebraic_zero(_CONTEXT.from_dict(terms)) for terms in groups.values()):
            return True
        return self._logarithms_cancel(a.top)

    def _logarithms_cancel(self, poly: Poly) -> bool:
        """Integer multiples of logarithms of positive constants sum to 0 when the product of their powers is 1."""
        product = self.integer(1)
        for monomial, coefficient in _terms(poly):
            present = [(index, exponent) for index, exponent in enumerate(monomial) if exponent]
            if len(present) != 1 or present[0][1] != 1 or abs(coefficient) > 1000:
                return False
            generator = self.generators[present[0][0]]
            if generator.kind != "log" or not generator.constant or generator.argument is None:
                return False
            if self.sign(generator.argument) != 1:
                return False
            product = self.mul(product, self.power(generator.argument, int(coefficient)))
        return self.is_zero(self.add(product, self.integer(-1)))

    def _size(self, poly: Poly) -> float:
        """The logarithm to base 2 of a bound on every conjugate of an algebraic polynomial."""
        sizes = []
        for monomial, coefficient in _terms(poly):
            sizes.append(
                _log2(abs(coefficient))
                + sum(exponent * self.generators[i].size for i, exponent in enumerate(monomial) if exponent)
            )
        return (max(sizes) + math.log2(len(sizes))) * (1 + 1e-9) + 1e-6

    def _degree(self, indices: frozenset[int]) -> int:
        degree, order = 1, 1
        for index in indices:
            generator = self.generators[index]
            if generator.kind == "unity":
                order = math.lcm(order, generator.order)
            else:
                degree *= generator.order
        return degree * _totient(order)

    def _algebraic_zero(self, poly: Poly) -> bool:
        if poly.is_zero():
            return True
        if poly.is_constant():
            return False
        indices = self.used(poly)
        size = max(self._size(poly), 0.0)
        needed = size * (self._degree(indices) - 1) + 2
        bits = 64
        while True:
            with ball.precision(bits):
                value = self._enclose_poly(poly, {})
                if not value.contains(0):
                    return False
                magnitude = value.abs_upper()
                if magnitude < arb(2) ** -fmpz(math.ceil(needed)):
                    return True
            if bits > MAX_SEPARATION_BITS:
                raise UnsupportedError("a separation bound beyond the precision limit")
            bits = (
                min(bits * 4, max(bits * 2, int(needed + size) + 128))
                if bits < 1024
                else max(bits * 2, int(needed + size) + 128)
            )

    def sign(self, a: Element) -> int | None:
        """Sign of a constant that is proven real; None if it is not real or was not proven so."""
        if self.is_zero(a):
            return 0
        real = self._evidently_real(a)
        for bits in (64, 256, 1024):
            with ball.precision(bits):
                try:
                    value = self.enclose(a)
                except UndefinedError:
                    continue
                if value.imag > 0 or value.imag < 0:
                    return None
                if value.real > 0 or value.real < 0:
                    if not real:
                        try:
                            real = self.is_zero(self.add(a, self.neg(self.conjugate(a))))
                        except UnsupportedError:
                            return None
                        if not real:
                            return None
                    return 1 if value.real > 0 else -1
        return None

    def _evidently_real(self, a: Element) -> bool:
        return all(
            degree <= 0 or self._real_generator(i)
            for poly in (a.top, a.bottom)
            for i, degree in enumerate(poly.degrees())
        )

    def enclose(self, a: Element) -> acb:
        """A ball around a constant at the current precision."""
        memo: dict[int, acb] = {}
        top, bottom = self._enclose_poly(a.top, memo), self._enclose_poly(a.bottom, memo)
        value = top / bottom
        if not value.is_finite():
            raise UndefinedError("not finite at this precision")
        return value

    def _enclose_poly(self, poly: Poly, memo: dict[int, acb]) -> acb:
        total = acb(0)
        for monomial, coefficient in _terms(poly):
            term = acb(arb(coefficient))
            for index, exponent in enumerate(monomial):
                if exponent:
                    if index not in memo:
                        memo[index] = self._enclose_generator(self.generators[index], memo)
                    term *= memo[index] ** exponent
            total += term
        return total

    def _enclose_generator(self, generator: _Generator, memo: dict[int, acb]) -> acb:
        if generator.kind == "pi":
            return acb(arb.pi())
        if generator.kind == "unity":
            return acb(arb(2) / generator.order).exp_pi_i()
        if generator.argument is None or not generator.constant:
            raise UnsupportedError("no value of a symbol")
        argument = self._enclose_poly(generator.argument.top, memo) / self._enclose_poly(
            generator.argument.bottom, memo
        )
        if generator.kind == "root":
            return acb(argument.real.root(generator.order))  # its radicand was proven a positive real
        if generator.kind == "exp":
            return argument.exp()
        if generator.kind == "log":
            return acb(argument.real.log()) if isinstance(generator.key, int) else argument.log()
        raise UnsupportedError("no value of an opaque function")


def _terms(poly: Poly) -> list[tuple[tuple[int, ...], Any]]:
    return [(tuple(map(int, monomial)), coefficient) for monomial, coefficient in poly.to_dict().items()]


def key_of(a: Element) -> tuple[str, str]:
    return (str(a.top), str(a.bottom))


def _log2(value: Any) -> float:
    bits = int(fmpz(value).bit_length())
    if bits < 900:
        return math.log2(int(value)) if value else 0.0
    return float(bits)


def _totient(order: int) -> int:
    result = order
    for prime, _ in fmpz(order).factor():
        result = result // int(prime) * (int(prime) - 1)
    return result


_SMALL_PRIMES = [p for p in range(2, 1000) if all(p % q for q in range(2, int(p**0.5) + 1))]


def _small_factors(value: Any) -> list[tuple[Any, int]]:
    """Coprime parts: the prime factorization for moderate integers, else small primes and a composite rest."""
    value = fmpz(value)
    if value == 1:
        return []
    if value < TRIAL_DIVISION_LIMIT:
        return [(prime, int(exponent)) for prime, exponent in value.factor()]
    parts = []
    for prime in _SMALL_PRIMES:
        exponent = 0
        while value % prime == 0:
            value //= prime
            exponent += 1
        if exponent:
            parts.append((fmpz(prime), exponent))
    if value == 1:
        return parts
    if value < TRIAL_DIVISION_LIMIT:
        return parts + [(prime, int(exponent)) for prime, exponent in value.factor()]
    for exponent in (2, 3, 5, 7):
        root = value.root(exponent)
        if root**exponent == value:
            return [*parts, (root, exponent)]
    return [*parts, (value, 1)]
