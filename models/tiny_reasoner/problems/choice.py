"""Multiple choice: a question of another family with three wrong options near the right answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from models.tiny_reasoner.problems import algebra, numbers
from models.tiny_reasoner.problems.item import Item
from verifiers.types import Kind

_SOURCES: tuple[Callable[[Random], Item], ...] = (
    numbers.draw_arithmetic,
    numbers.draw_fraction,
    numbers.draw_gcd_lcm,
    numbers.draw_modular,
    algebra.draw_linear,
    algebra.draw_polynomial,
    algebra.draw_derivative,
)


def draw_choice(rng: Random) -> Item:
    if rng.random() < 0.2:
        return _draw_multiple(rng)
    while True:
        item = rng.choice(_SOURCES)(rng)
        options = _options(rng, item.reference["answer"])
        if options:
            break
    steps = item.solution.rsplit("\n", 1)[0]
    return _item(item.key, item.prompt, steps, options, options.index(item.reference["answer"]))


def _draw_multiple(rng: Random) -> Item:
    m = rng.randint(3, 12)
    right = rng.randrange(4)
    values: list[int] = []
    while len(values) < 4:
        value = m * rng.randint(3, 14)
        value += 0 if len(values) == right else rng.randint(1, m - 1)
        if value not in values:
            values.append(value)
    steps = ", ".join(f"{v}-{v // m * m}={v % m}" for v in values)
    prompt = rng.choice((f"Which number is a multiple of {m}?", f"Which of these is divisible by {m}?"))
    return _item(f"multiple {m} {sorted(values)}", prompt, steps, [str(v) for v in values], right)


def _item(key: str, question: str, steps: str, options: list[str], right: int) -> Item:
    letter = "ABCD"[right]
    lines = "\n".join(f"{name}) {option}" for name, option in zip("ABCD", options, strict=True))
    return Item(
        domain="multiple_choice",
        kind=Kind.CHOICE,
        key=key,
        prompt=f"{question}\n{lines}",
        reference={"options": options, "answer": letter},
        solution=f"{steps}\n{letter}) {options[right]}\n\\boxed{{{letter}}}",
    )


def _options(rng: Random, answer: str) -> list[str]:
    """The answer among three texts with one number of it changed; empty when it has no number to change."""
    numbers_in = list(re.finditer(r"\d+", answer))
    if not numbers_in:
        return []
    options = [answer]
    while len(options) < 4:
        found = rng.choice(numbers_in)
        value = int(found[0]) + rng.choice((-10, -3, -2, -1, 1, 2, 3, 10))
        option = answer[: found.start()] + str(value) + answer[found.end() :]
        if value > 0 and option not in options:
            options.append(option)
    rng.shuffle(options)
    return options
