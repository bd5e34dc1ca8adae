"""The problems of this example: held-out ones of three fields in equal numbers.

Promises: the same seeds give the same problems; no problem is in two sets; none of them, in any wording, is on the side
that the models and the bundled reasoner were trained on (models.tiny_reasoner.problems.item).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

from examples.expert_iteration.problem_files import Fresh, write_problems
from examples.families.recipe import Recipe
from models.tiny_reasoner.problems.draw import draw_item
from models.tiny_reasoner.problems.item import Item


def held_out_sets(recipe: Recipe, sizes: Mapping[int, int]) -> dict[int, list[Item]]:
    """Seed → its problems, so many of each field as `sizes` says; the domains of a field take turns."""
    fresh = Fresh()

    def stream(rng: Random, domain: str) -> Iterator[Item]:
        while True:
            yield draw_item(rng, domain, held_out=True)

    found: dict[int, list[Item]] = {}
    for seed, per_field in sizes.items():
        rng = Random(f"families held out {seed}")
        found[seed] = [
            fresh.first(stream(rng, domains[number % len(domains)]))
            for number in range(per_field)
            for domains in recipe.fields.values()
        ]
    return found


def write_sets(recipe: Recipe, sizes: Mapping[int, int], folder: Path) -> dict[int, Path]:
    """Writes the problems of each seed as a problem file, unless it is there already."""
    paths = {seed: folder / f"seed-{seed}.jsonl" for seed in sizes}
    if not all(path.exists() for path in paths.values()):
        for seed, items in held_out_sets(recipe, sizes).items():
            write_problems(items, paths[seed])
    return paths
