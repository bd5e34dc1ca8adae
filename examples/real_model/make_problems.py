"""Writes problems.jsonl: word problems of one or two steps, in the layout of GSM8K (the `answer` ends in ####).

    python -m examples.real_model.make_problems

The texts are written for this example. Numbers are drawn so that every intermediate value is a whole number above zero.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

COUNT = 100
SEED = 7
NAMES = [
    "Amir",
    "Bea",
    "Chen",
    "Dora",
    "Elif",
    "Farid",
    "Greta",
    "Hugo",
    "Iris",
    "Jonas",
    "Kofi",
    "Lena",
    "Mira",
    "Nils",
]
THINGS = ["apples", "stickers", "marbles", "pencils", "books", "shells", "coins", "cards", "stamps", "beads"]
GOODS = [("notebook", "notebooks"), ("ticket", "tickets"), ("mug", "mugs"), ("plant", "plants"), ("kite", "kites")]

Written = tuple[str, list[str], int]
"""Question, worked steps, answer."""


def gave_away(draw: random.Random) -> Written:
    (one, other), thing = draw.sample(NAMES, 2), draw.choice(THINGS)
    had, given = draw.randint(20, 60), draw.randint(3, 15)
    return (
        f"{one} has {had} {thing} and gives {given} of them to {other}. How many {thing} does {one} have left?",
        [f"{one} has {had} - {given} = {had - given} {thing} left."],
        had - given,
    )


def two_gains(draw: random.Random) -> Written:
    name, thing = draw.choice(NAMES), draw.choice(THINGS)
    first, second, third = draw.randint(5, 30), draw.randint(5, 30), draw.randint(2, 12)
    return (
        f"{name} finds {first} {thing} on Monday and {second} on Tuesday. On Wednesday {name} loses {third} of them. "
        f"How many {thing} are left?",
        [
            f"In two days that is {first} + {second} = {first + second} {thing}.",
            f"After Wednesday {first + second} - {third} = {first + second - third} are left.",
        ],
        first + second - third,
    )


def price(draw: random.Random) -> Written:
    name, (one, many) = draw.choice(NAMES), draw.choice(GOODS)
    count, each = draw.randint(3, 9), draw.randint(2, 12)
    return (
        f"A {one} costs ${each}. How many dollars does {name} pay for {count} {many}?",
        [f"{count} {many} cost {count} * {each} = {count * each} dollars."],
        count * each,
    )


def change(draw: random.Random) -> Written:
    name, (one, many) = draw.choice(NAMES), draw.choice(GOODS)
    count, each = draw.randint(2, 6), draw.randint(2, 8)
    note = draw.choice([50, 100])
    return (
        f"{name} buys {count} {many} at ${each} a {one} and pays with a ${note} bill. How many dollars of change does "
        f"{name} get?",
        [
            f"The {many} cost {count} * {each} = {count * each} dollars.",
            f"The change is {note} - {count * each} dollars.",
        ],
        note - count * each,
    )


def per_week(draw: random.Random) -> Written:
    name = draw.choice(NAMES)
    pages, weeks = draw.randint(3, 20), draw.randint(2, 5)
    return (
        f"{name} reads {pages} pages every day. How many pages does {name} read in {weeks} weeks?",
        [f"{weeks} weeks have {weeks} * 7 = {7 * weeks} days.", f"That is {7 * weeks} * {pages} pages."],
        7 * weeks * pages,
    )


def shared(draw: random.Random) -> Written:
    name, thing = draw.choice(NAMES), draw.choice(THINGS)
    friends, each = draw.randint(3, 8), draw.randint(2, 12)
    return (
        f"{name} shares {friends * each} {thing} equally among {friends} friends. How many {thing} does each friend "
        "get?",
        [f"Each friend gets {friends * each} / {friends} = {each} {thing}."],
        each,
    )


def twice_as_many(draw: random.Random) -> Written:
    (one, other), thing = draw.sample(NAMES, 2), draw.choice(THINGS)
    count, times = draw.randint(4, 25), draw.choice([2, 3])
    word = {2: "twice", 3: "three times"}[times]
    return (
        f"{one} has {count} {thing}. {other} has {word} as many. How many {thing} do they have together?",
        [f"{other} has {times} * {count} = {times * count}.", f"Together they have {count} + {times * count}."],
        count + times * count,
    )


def earns(draw: random.Random) -> Written:
    name = draw.choice(NAMES)
    wage, hours, rent = draw.randint(8, 20), draw.randint(4, 9), draw.randint(5, 30)
    return (
        f"{name} earns ${wage} per hour and works {hours} hours. Then {name} spends ${rent} on food. How many dollars "
        "are left?",
        [f"The pay is {wage} * {hours} = {wage * hours} dollars.", f"Left are {wage * hours} - {rent} dollars."],
        wage * hours - rent,
    )


FORMS: list[Callable[[random.Random], Written]] = [
    gave_away, two_gains, price, change, per_week, shared, twice_as_many, earns,
]  # fmt: skip


def problems(count: int, seed: int) -> Iterator[dict[str, str]]:
    """`count` different problems, the forms in turn."""
    draw, seen = random.Random(seed), set[str]()
    while len(seen) < count:
        question, steps, answer = FORMS[len(seen) % len(FORMS)](draw)
        if question not in seen:
            seen.add(question)
            yield {"question": question, "answer": "\n".join([*steps, f"#### {answer}"])}


def main() -> None:
    rows = [json.dumps(row) + "\n" for row in problems(COUNT, SEED)]
    Path(__file__).with_name("problems.jsonl").write_text("".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
