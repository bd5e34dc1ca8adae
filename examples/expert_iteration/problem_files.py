"""The problems of a flywheel as canonical files: one held-out set, and fresh training-side problems for each round.

Promises: the two sides share no question, however worded (models.tiny_reasoner.problems.item); no question comes twice
in the held-out set or over all rounds; the same settings give the same bytes.
Does not promise: that the bundled model never saw a training-side question, since it was trained on that side.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from random import Random

from examples.expert_iteration.settings import PLACE, Settings
from models.tiny_reasoner.problems.draw import draw_item, draw_items
from models.tiny_reasoner.problems.item import Item


def held_out_items(settings: Settings) -> list[Item]:
    """`held_out_per_domain` of each domain; domains take turns."""
    rng = Random(f"flywheel held out {settings.seed}")

    def stream(domain: str) -> Iterator[Item]:
        while True:
            yield draw_item(rng, domain, held_out=True)

    fresh = Fresh()
    turns = range(settings.problems.held_out_per_domain)
    items = [fresh.first(stream(domain)) for _ in turns for domain in settings.problems.domains]
    return [worded(item, settings.problems.wording) for item in items]


def worded(item: Item, wording: str) -> Item:
    """The item with its statement put into `wording`. Its key, and with it its side of the split, stays."""
    return dataclasses.replace(item, prompt=wording.replace(PLACE, item.prompt))


def round_items(settings: Settings) -> Iterator[list[Item]]:
    """The problems of the first round, of the second, …"""
    stream = draw_items(f"flywheel {settings.seed}", held_out=False, domains=settings.problems.domains)
    fresh = Fresh()
    for _ in range(settings.rounds):
        yield [worded(fresh.first(stream), settings.problems.wording) for _ in range(settings.problems.per_round)]


class Fresh:
    """Lets each question pass once: by its canonical content, and by its wording (two contents may share one)."""

    MAX_REPEATS = 10_000

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def first(self, items: Iterable[Item]) -> Item:
        """The first item not seen before. Raises ValueError where so many in a row are old that the supply must have
        run out."""
        for repeats, item in enumerate(items):
            if item.key not in self._seen and item.prompt not in self._seen:
                self._seen |= {item.key, item.prompt}
                return item
            if repeats == self.MAX_REPEATS:
                break
        raise ValueError(f"after {len(self._seen) // 2} problems there is no further one; ask for fewer")


def write_problems(items: Sequence[Item], path: Path) -> None:
    """Canonical JSONL, whole or not at all."""
    lines = (json.dumps(item.problem().to_json(), ensure_ascii=False) for item in items)
    write_whole(path, "".join(f"{line}\n" for line in lines))


def write_whole(path: Path, text: str) -> None:
    """A kill leaves the old file, or none, or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text)
    partial.replace(path)
