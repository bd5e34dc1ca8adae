"""Equations, systems, polynomials and derivatives with integer data."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from random import Random

from models.tiny_reasoner.problems.item import Item, math_item

_LETTERS = "xyzntk"


def draw_linear(rng: Random) -> Item:
    v = rng.choice(_LETTERS)
    root = rng.randint(-15, 20)
    a = _nonzero(rng, -9, 12)
    form = rng.choice(("one", "one", "two", "bracket", "quotient", "rational"))
    if form == "two":
        c = _nonzero(rng, -9, 12)
        if c == a:
            c = a + 1 if a != -1 else 2
        b = rng.randint(-30, 30)
        d = (a - c) * root + b
        equation = f"{polynomial((b, a), v)} = {polynomial((d, c), v)}"
        slope, rest = a - c, d - b
        steps = f"{term(slope, v)}={d}{signed(-b)}={rest}\n{v}={rest}/{slope}={root}"
        key = f"linear {b} {a} {d} {c}"
    elif form == "bracket":
        b = _nonzero(rng, -12, 12)
        c = a * (root + b)
        equation = f"{a}({v}{_spaced(b)}) = {c}"
        steps = f"{v}{signed(b)}={c}/{a}={root + b}\n{v}={root + b}{signed(-b)}={root}"
        key = f"linear bracket {a} {b} {c}"
    elif form == "quotient":
        a, b = rng.randint(2, 9), rng.randint(-20, 20)
        c = root + b
        equation = f"{v}/{a}{_spaced(b)} = {c}" if b else f"{v}/{a} = {c}"
        steps = f"{v}/{a}={c}{signed(-b)}={root}\n{v}={a}*{root}={a * root}"
        key, root = f"linear quotient {a} {b} {c}", a * root
    else:
        b = rng.randint(-30, 30)
        c = a * root + b
        if form == "rational":
            c += rng.randint(1, 5)
        value = Fraction(c - b, a)
        equation = f"{polynomial((b, a), v)} = {c}"
        steps = f"{term(a, v)}={c}{signed(-b)}={c - b}\n{v}={c - b}/{a}={value}"
        key = f"linear {b} {a} {c} 0"
        prompt = rng.choice((f"Solve {equation}.", f"Solve for {v}: {equation}", f"Find {v} if {equation}."))
        return math_item("linear_equations", key, prompt, steps, str(value))
    prompt = rng.choice((f"Solve {equation}.", f"Solve for {v}: {equation}", f"Find {v} if {equation}."))
    return math_item("linear_equations", key, prompt, steps, str(root))


def draw_quadratic(rng: Random) -> Item:
    """Integer roots by the discriminant, asked for as the larger, the smaller or both."""
    low, high = sorted((rng.randint(-12, 12), rng.randint(-12, 12)))
    scale = rng.choice((1, 1, 1, 2, 3))
    b, c = -(low + high), low * high
    equation = f"{polynomial((c * scale, b * scale, scale))} = 0"
    lines = []
    if scale > 1:
        lines.append(f"Divide by {scale}: {polynomial((c, b, 1))}=0")
    root = high - low
    lines.append(f"D={b * b}{signed(-4 * c)}={root * root}={root}^2")
    lines.append(f"({-b}-{root})/2={-b - root}/2={low}\n({-b}+{root})/2={-b + root}/2={high}")
    ask = rng.choice(("larger", "smaller", "both"))
    if low == high:
        ask = "both"
    if ask == "both":
        prompt = rng.choice((f"Find all roots of {equation}.", f"Solve {equation}. List all solutions."))
        answer = f"{low}, {high}" if low != high else str(low)
    else:
        prompt = rng.choice((f"Find the {ask} root of {equation}.", f"What is the {ask} solution of {equation}?"))
        answer = str(high if ask == "larger" else low)
    return math_item("quadratic_equations", f"quadratic {low} {high}", prompt, "\n".join(lines), answer)


def draw_system(rng: Random) -> Item:
    """Two equations, integer solution, by Cramer's rule."""
    x, y = rng.randint(-9, 9), rng.randint(-9, 9)
    while True:
        a, b, c, d = (_nonzero(rng, -5, 6) for _ in range(4))
        if a * d != b * c:
            break
    e, f = a * x + b * y, c * x + d * y
    det, det_x, det_y = a * d - b * c, e * d - b * f, a * f - e * c
    steps = (
        f"D={_minor(a, d, b, c)}={det}\n"
        f"x: {_minor(e, d, b, f)}={det_x}, {det_x}/{det}={x}\n"
        f"y: {_minor(a, f, e, c)}={det_y}, {det_y}/{det}={y}"
    )
    equations = f"{_two_terms(a, b)} = {e} and {_two_terms(c, d)} = {f}"
    first, second = sorted(((a, b, e), (c, d, f)))
    key = f"system {first} {second}"
    if rng.random() < 0.5:
        name, value = rng.choice((("x", x), ("y", y)))
        prompt = rng.choice((f"Given {equations}, find {name}.", f"If {equations}, what is {name}?"))
        return math_item("systems", key, prompt, steps, str(value))
    prompt = rng.choice((f"Solve {equations} for (x, y).", f"Find (x, y) with {equations}."))
    return math_item("systems", key, prompt, steps, f"({x}, {y})")


def draw_polynomial(rng: Random) -> Item:
    form = rng.choice(("product", "product", "square", "sum", "value"))
    if form == "value":
        p = (_coefficient(rng), _coefficient(rng), _nonzero(rng, -5, 6))
        at = rng.choice((-4, -3, -2, -1, 2, 3, 4, 5, 6))
        terms = [p[2] * at * at, p[1] * at, p[0]]
        steps = f"{p[2]}*{at * at}={terms[0]}, {p[1]}*{at}={terms[1]}\n{_running_sum(terms)}"
        prompt = rng.choice((f"Let p(x) = {polynomial(p)}. Find p({at}).", f"Evaluate {polynomial(p)} at x = {at}."))
        return math_item("polynomials", f"value {p} {at}", prompt, steps, str(sum(terms)))
    if form == "sum":
        p = (_coefficient(rng), _coefficient(rng), _nonzero(rng, -9, 9))
        q = (_coefficient(rng), _coefficient(rng), _coefficient(rng))
        sign = rng.choice("+-")
        total = tuple(i + j if sign == "+" else i - j for i, j in zip(p, q, strict=True))
        lines = [f"{i}{signed(j if sign == '+' else -j)}={k}" for i, j, k in zip(p, q, total, strict=True)]
        answer = polynomial(total, tight=True)
        prompt = f"Simplify ({polynomial(p)}) {sign} ({polynomial(q)})."
        ordered = (p, q) if sign == "-" else tuple(sorted((p, q)))
        return math_item("polynomials", f"sum {sign} {ordered}", prompt, ", ".join(reversed(lines)), answer)
    a, b = _nonzero(rng, -5, 6), _nonzero(rng, -9, 9)
    if form == "square":
        steps = f"{a}*{a}={a * a}, 2*{a}*{b}={2 * a * b}, {b}*{b}={b * b}"
        answer = polynomial((b * b, 2 * a * b, a * a), tight=True)
        prompt = rng.choice((f"Expand ({polynomial((b, a))})^2.", f"Write ({polynomial((b, a))})^2 without brackets."))
        return math_item("polynomials", f"product {(a, b)} {(a, b)}", prompt, steps, answer)
    c, d = _nonzero(rng, -5, 6), _nonzero(rng, -9, 9)
    middle = a * d + b * c
    steps = f"{a}*{c}={a * c}, {a}*{d}{_signed_product(b, c)}={a * d}{signed(b * c)}={middle}, {b}*{d}={b * d}"
    answer = polynomial((b * d, middle, a * c), tight=True)
    shown = f"({polynomial((b, a))})({polynomial((d, c))})"
    prompt = rng.choice((f"Expand {shown}.", f"Multiply out {shown}."))
    first, second = sorted(((a, b), (c, d)))
    return math_item("polynomials", f"product {first} {second}", prompt, steps, answer)


def draw_derivative(rng: Random) -> Item:
    degree = rng.randint(2, 5)
    p = [rng.choice((0, _coefficient(rng), _coefficient(rng))) for _ in range(degree)] + [_nonzero(rng, -9, 12)]
    slopes = [k * c for k, c in enumerate(p)][1:]
    lines = [f"{k}*{p[k]}={k * p[k]}" for k in range(degree, 0, -1) if p[k]]
    steps, shown = ", ".join(lines), polynomial(p)
    if rng.random() < 0.65:
        prompt = rng.choice((f"Differentiate {shown}.", f"Find f'(x) for f(x) = {shown}.", f"Find d/dx of {shown}."))
        return math_item("derivatives", f"derivative {p[1:]}", prompt, steps, polynomial(slopes, tight=True))
    at = rng.choice((-2, -1, 1, 2, 3)) if degree < 5 else rng.choice((-1, 1, 2))
    terms = [c * at**k for k, c in enumerate(slopes) if c][::-1]
    powers = ", ".join(f"{c}*{at**k}={c * at**k}" for k, c in reversed(list(enumerate(slopes))) if c and k)
    steps += f"\n{polynomial(slopes, tight=True)}"
    if powers:
        steps += f"\n{powers}"
    if len(terms) > 1:
        steps += f"\n{_running_sum(terms)}"
    prompt = rng.choice((f"Let f(x) = {shown}. Find f'({at}).", f"Find the slope of {shown} at x = {at}."))
    return math_item("derivatives", f"slope {p[1:]} {at}", prompt, steps, str(sum(terms)))


def term(coefficient: int, name: str) -> str:
    """`3x`, `-x`, `x`."""
    return {1: name, -1: f"-{name}"}.get(coefficient, f"{coefficient}{name}")


def signed(value: int) -> str:
    """`+5` or `-5`."""
    return f"{value:+d}"


def polynomial(coefficients: Sequence[int], variable: str = "x", tight: bool = False) -> str:
    """Highest power first; `coefficients[k]` belongs to x^k. `tight` leaves the spaces out.

    >>> polynomial((5, -4, 0, 12))
    '12x^3 - 4x + 5'
    """
    text = ""
    for power in range(len(coefficients) - 1, -1, -1):
        value = coefficients[power]
        if not value:
            continue
        name = "" if power == 0 else variable if power == 1 else f"{variable}^{power}"
        size = term(abs(value), name) if name else str(abs(value))
        if not text:
            text = f"-{size}" if value < 0 else size
        else:
            text += f" {'-' if value < 0 else '+'} {size}"
    text = text or "0"
    return text.replace(" ", "") if tight else text


def _two_terms(a: int, b: int) -> str:
    return f"{term(a, 'x')} {'-' if b < 0 else '+'} {term(abs(b), 'y')}"


def _minor(a: int, d: int, b: int, c: int) -> str:
    return f"{a}*{d}-{b}*{c}={a * d}{signed(-b * c)}"


def _signed_product(b: int, c: int) -> str:
    return f"{'-' if b < 0 else '+'}{abs(b)}*{c}"


def _running_sum(terms: Sequence[int]) -> str:
    total, lines = terms[0], []
    for value in terms[1:]:
        lines.append(f"{total}{signed(value)}={total + value}")
        total += value
    return ", ".join(lines)


def _spaced(value: int) -> str:
    return f" {'-' if value < 0 else '+'} {abs(value)}"


def _coefficient(rng: Random) -> int:
    return rng.randint(-9, 9)


def _nonzero(rng: Random, low: int, high: int) -> int:
    while True:
        if value := rng.randint(low, high):
            return value
