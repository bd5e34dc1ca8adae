"""Arithmetic, fractions and number theory: integer questions whose steps are short enough for a tiny model."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

from models.tiny_reasoner.problems.item import Item, math_item

_THINGS = ("apples", "books", "coins", "stamps", "shells", "cards", "pens", "seeds")
_PEOPLE = ("Ada", "Ben", "Cora", "Dan", "Eva", "Finn", "Gia", "Hugo")


def draw_arithmetic(rng: Random) -> Item:
    return rng.choice((_draw_sum, _draw_difference, _draw_product, _draw_product, _draw_mixed))(rng)


def _draw_sum(rng: Random) -> Item:
    a, b = _sized(rng), _sized(rng)
    prompt = rng.choice(
        (
            f"Compute {a} + {b}.",
            f"What is {a} + {b}?",
            f"{_person(rng)} has {a} {_thing(rng)} and gets {b} more. How many are there now?",
        )
    )
    return math_item("arithmetic", f"sum {min(a, b)} {max(a, b)}", prompt, add_columns(a, b), str(a + b))


def _draw_difference(rng: Random) -> Item:
    a, b = _sized(rng), _sized(rng)
    asks = [f"Compute {a} - {b}.", f"What is {a} - {b}?"]
    if a > b:
        asks.append(f"{_person(rng)} has {a} {_thing(rng)} and gives away {b}. How many are left?")
        steps = subtract_columns(a, b)
    else:
        steps = f"{subtract_columns(b, a)}\n{a}-{b}={a - b}"
    return math_item("arithmetic", f"difference {a} {b}", rng.choice(asks), steps, str(a - b))


def _draw_product(rng: Random) -> Item:
    a, b = rng.randint(11, 99), rng.randint(3, 99)
    prompt = rng.choice(
        (
            f"Compute {a} * {b}.",
            f"What is {a} times {b}?",
            f"{_person(rng)} fills {a} boxes with {b} {_thing(rng)} each. How many are there in all?",
        )
    )
    return math_item("arithmetic", f"product {min(a, b)} {max(a, b)}", prompt, multiply(a, b), str(a * b))


def _draw_mixed(rng: Random) -> Item:
    a, b, c = rng.randint(2, 30), rng.randint(2, 12), rng.randint(2, 60)
    p = a * b
    text, steps, value = rng.choice(
        (
            (f"{a} * {b} + {c}", f"{multiply(a, b)}\n{p}+{c}={p + c}", p + c),
            (f"{c} - {a} * {b}", f"{multiply(a, b)}\n{c}-{p}={c - p}", c - p),
            (f"({a} + {c}) * {b}", f"{a}+{c}={a + c}\n{multiply(a + c, b)}", (a + c) * b),
            (f"({a} - {c}) * {b}", f"{a}-{c}={a - c}\n{a - c}*{b}={(a - c) * b}", (a - c) * b),
        )
    )
    prompt = rng.choice((f"Compute {text}.", f"What is {text}?", f"Evaluate {text}."))
    return math_item("arithmetic", f"mixed {text}", prompt, steps, str(value))


def draw_fraction(rng: Random) -> Item:
    x, y = _fraction(rng), _fraction(rng)
    (p, q), (r, s) = x, y
    operation = rng.choice("++--*/")
    if operation == "+":
        num, den = p * s + r * q, q * s
        steps = f"({p}*{s}+{r}*{q})/({q}*{s})=({p * s}+{r * q})/{den}={num}/{den}"
        key = f"fraction + {min(x, y)} {max(x, y)}"
    elif operation == "-":
        num, den = p * s - r * q, q * s
        steps = f"({p}*{s}-{r}*{q})/({q}*{s})=({p * s}-{r * q})/{den}={num}/{den}"
        key = f"fraction - {x} {y}"
    elif operation == "*":
        num, den = p * r, q * s
        steps = f"({p}*{r})/({q}*{s})={num}/{den}"
        key = f"fraction * {min(x, y)} {max(x, y)}"
    else:
        num, den = p * s, q * r
        steps = f"{p}/{q}*{s}/{r}=({p}*{s})/({q}*{r})={num}/{den}"
        key = f"fraction / {x} {y}"
    divisor = math.gcd(num, den)
    value = Fraction(num, den)
    answer = str(value)
    if divisor > 1:
        steps += f"\ngcd {divisor}: {answer}"
    left, right = f"{p}/{q}", f"{r}/{s}"
    shown = f"({left}) / ({right})" if operation == "/" else f"{left} {operation} {right}"
    prompt = rng.choice((f"Compute {shown} in lowest terms.", f"What is {shown}? Simplify.", f"Simplify {shown}."))
    return math_item("fractions", key, prompt, steps, answer)


def draw_gcd_lcm(rng: Random) -> Item:
    g = rng.choice((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15))
    a, b = sorted((g * rng.randint(2, 24), g * rng.randint(2, 24)), reverse=True)
    if rng.random() < 0.6:
        prompt = rng.choice(
            (
                f"Find gcd({a}, {b}).",
                f"What is the greatest common divisor of {a} and {b}?",
                f"Find the greatest common divisor of {b} and {a}.",
            )
        )
        return math_item("gcd_lcm", f"gcd {a} {b}", prompt, _euclid(a, b), str(math.gcd(a, b)))
    a, b = max(2, a // 2), max(2, b // 2)
    divisor = math.gcd(a, b)
    value = math.lcm(a, b)
    steps = f"{_euclid(a, b)}\ngcd {divisor}\n{a}/{divisor}={a // divisor}\n{multiply(a // divisor, b)}"
    prompt = rng.choice((f"Find lcm({a}, {b}).", f"What is the least common multiple of {b} and {a}?"))
    return math_item("gcd_lcm", f"lcm {a} {b}", prompt, steps, str(value))


def draw_modular(rng: Random) -> Item:
    m = rng.randint(3, 23)
    form = rng.choice(("remainder", "product", "power", "inverse"))
    if form == "remainder":
        a = rng.randint(50, 999)
        prompt = rng.choice((f"What is the remainder when {a} is divided by {m}?", f"Compute {a} mod {m}."))
        return math_item("modular_arithmetic", f"remainder {a} {m}", prompt, _divide(a, m), str(a % m))
    if form == "product":
        a, b = rng.randint(5, 60), rng.randint(5, 60)
        r, s = a % m, b % m
        steps = f"{_divide(a, m)}\n{_divide(b, m)}\n{multiply(r, s)}\n{_divide(r * s, m)}"
        prompt = rng.choice((f"Compute {a} * {b} mod {m}.", f"Find the remainder of {a} * {b} divided by {m}."))
        return math_item("modular_arithmetic", f"product {min(a, b)} {max(a, b)} {m}", prompt, steps, str(a * b % m))
    if form == "power":
        a, k = rng.randint(2, 12), rng.randint(3, 6)
        lines, value = [_divide(a, m)], a % m
        for power in range(2, k + 1):
            product = value * a
            lines.append(f"{a}^{power}: {value}*{a}={product}, {_divide(product, m)}")
            value = product % m
        prompt = rng.choice((f"Compute {a}^{k} mod {m}.", f"What is the remainder when {a}^{k} is divided by {m}?"))
        return math_item("modular_arithmetic", f"power {a} {k} {m}", prompt, "\n".join(lines), str(value))
    m = rng.choice((5, 7, 11, 13, 17, 19))
    a = rng.randint(2, m - 1)
    inverse = pow(a, -1, m)
    tries = range(1, m * a + 1, m)  # a divides the one that it takes m's multiples to
    lines = [f"{v}-{v // a}*{a}={v % a}" for v in tries if v <= a * inverse]
    steps = "\n".join(lines) + f"\n{a}*{inverse}={a * inverse}"
    prompt = rng.choice((f"Find the inverse of {a} modulo {m}.", f"Which x from 1 to {m - 1} has {a}x = 1 mod {m}?"))
    return math_item("modular_arithmetic", f"inverse {a} {m}", prompt, steps, str(inverse))


def add_columns(a: int, b: int) -> str:
    """Column addition, lowest digit first: `7+6=13, 4+8+1=13, 3+5+1=9`."""
    steps, carry = [], 0
    while a or b:
        total = a % 10 + b % 10 + carry
        steps.append(f"{a % 10}+{b % 10}{'+1' if carry else ''}={total}")
        carry, a, b = total // 10, a // 10, b // 10
    return ", ".join(steps)


def subtract_columns(a: int, b: int) -> str:
    """Column subtraction for a >= b, lowest digit first, a borrow written as `3-8=5-10`."""
    steps, borrow = [], 0
    while a or b:
        digit = a % 10 - b % 10 - borrow
        left = f"{a % 10}-{b % 10}{'-1' if borrow else ''}"
        borrow = int(digit < 0)
        steps.append(f"{left}={digit + 10}-10" if borrow else f"{left}={digit}")
        a, b = a // 10, b // 10
    return ", ".join(steps)


def multiply(a: int, b: int) -> str:
    """Splits both factors into tens and units, `47*30=1200+210=1410`, `47*6=240+42=282`, then adds by columns."""
    if a < 10 or b == 0:
        return f"{a}*{b}={a * b}"
    tens, units = b // 10 * 10, b % 10
    parts = [part for part in (tens, units) if part]
    lines = []
    for part in parts:
        high, low = a // 10 * 10 * part, a % 10 * part
        lines.append(f"{a}*{part}={high}+{low}={high + low}")
    if len(parts) == 2:
        lines.append(f"{add_columns(a * tens, a * units)}\n{a * tens}+{a * units}={a * b}")
    return "\n".join(lines)


def _euclid(a: int, b: int) -> str:
    lines = []
    while b:
        lines.append(f"{a}-{a // b}*{b}={a}-{a // b * b}={a % b}")
        a, b = b, a % b
    return "\n".join(lines)


def _divide(a: int, m: int) -> str:
    """Long division down to the remainder, every quotient a digit: `87-3*23=87-69=18, 184-8*23=184-184=0`."""
    if a < m:
        return f"{a}<{m}"
    steps, rest = [], 0
    for digit in str(a):
        value = rest * 10 + int(digit)
        rest = value % m
        if value >= m or steps:
            steps.append(f"{value}-{value // m}*{m}={value}-{value // m * m}={rest}")
    return ", ".join(steps)


def _sized(rng: Random) -> int:
    return rng.randint(10, rng.choice((99, 999, 999, 9999)))


def _fraction(rng: Random) -> tuple[int, int]:
    while True:
        p, q = rng.randint(1, 15), rng.randint(2, 15)
        if math.gcd(p, q) == 1:
            return p, q


def _person(rng: Random) -> str:
    return rng.choice(_PEOPLE)


def _thing(rng: Random) -> str:
    return rng.choice(_THINGS)
