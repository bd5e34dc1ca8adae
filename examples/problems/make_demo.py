"""Writes examples/problems/demo.jsonl: held-out problems of every family of the tiny reasoner, in canonical form.

    python -m examples.problems.make_demo

The same every time. Domains take turns, so that the first lines of the file already show all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from models.tiny_reasoner.problems.draw import draw_distinct
from verifiers.types import Problem

PATH = Path(__file__).with_name("demo.jsonl")
NUM_PER_DOMAIN = 20
SEED = "demo"


def demo_problems() -> Iterator[Problem]:
    items = draw_distinct(SEED, held_out=True, num_per_domain=NUM_PER_DOMAIN)
    for turn in range(NUM_PER_DOMAIN):
        for item in items[turn::NUM_PER_DOMAIN]:
            yield item.problem()


def main() -> None:
    lines = (json.dumps(problem.to_json(), ensure_ascii=False) for problem in demo_problems())
    PATH.write_text("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    main()
