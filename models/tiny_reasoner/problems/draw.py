"""Draws from the mixture of all families, on one side of the split, deterministically from a seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from models.tiny_reasoner.problems import algebra, choice, numbers, programs, theorems
from models.tiny_reasoner.problems.item import Item

FAMILIES: dict[str, tuple[Callable[[Random], Item], float]] = {
    "arithmetic": (numbers.draw_arithmetic, 1.6),
    "fractions": (numbers.draw_fraction, 1.4),
    "gcd_lcm": (numbers.draw_gcd_lcm, 1.2),
    "modular_arithmetic": (numbers.draw_modular, 1.2),
    "linear_equations": (algebra.draw_linear, 1.2),
    "quadratic_equations": (algebra.draw_quadratic, 1.0),
    "systems": (algebra.draw_system, 1.4),
    "polynomials": (algebra.draw_polynomial, 1.2),
    "derivatives": (algebra.draw_derivative, 1.0),
    "multiple_choice": (choice.draw_choice, 1.4),
    "programs": (programs.draw_program, 1.2),
    "theorems": (theorems.draw_theorem, 1.4),
}
"""Domain -> how to draw one item, and its weight in the training mixture."""

DOMAINS = tuple(FAMILIES)


def draw_items(seed: int | str, held_out: bool, domains: tuple[str, ...] = DOMAINS) -> Iterator[Item]:
    """An endless stream of items of one side; the same arguments give the same stream."""
    rng = Random(f"tiny_reasoner {seed} {held_out}")
    weights = [FAMILIES[domain][1] for domain in domains]
    while True:
        (domain,) = rng.choices(domains, weights)
        yield draw_item(rng, domain, held_out)


def draw_item(rng: Random, domain: str, held_out: bool) -> Item:
    draw = FAMILIES[domain][0]
    while True:
        item = draw(rng)
        if item.held_out == held_out:
            return item


def draw_distinct(seed: int | str, held_out: bool, num_per_domain: int) -> list[Item]:
    """`num_per_domain` items of each domain, no two with the same key or the same prompt."""
    rng = Random(f"tiny_reasoner distinct {seed} {held_out}")
    items = []
    for domain in DOMAINS:
        keys: set[str] = set()
        prompts: set[str] = set()
        while len(keys) < num_per_domain:
            item = draw_item(rng, domain, held_out)
            if item.key not in keys and item.prompt not in prompts:
                keys.add(item.key)
                prompts.add(item.prompt)
                items.append(item)
    return items
