"""What the models of growing size learn: sums worked step by step, and a table of invented facts.

A sum is a rule: `78594=75093.` writes the last digit of each running total of its digits. There are 100,000
sums; a model that has the rule works those it never saw. A fact is `zaru:1734.`, an invented name and a number that was
drawn for it. Nothing about one fact follows from the others, so each must be held as it is.

Promises: the side of a sum (training or held out) depends on the sum alone; the same seed gives the same table.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from random import Random

from models.tiny_reasoner.problems.item import is_held_out
from models.tiny_reasoner.training import Example

PAD, END = " ", "."
ALPHABET = PAD + END + "0123456789=:abcdefghijklmnopqrstuvwxyz"
"""One token per character; the first is padding, the second ends every answer."""
DIGITS_PER_SUM = 5
DIGITS_PER_FACT = 4
_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwz", "aeiou"
_IDS = {character: number for number, character in enumerate(ALPHABET)}


@dataclasses.dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and the right answer with its end."""

    prompt: str
    answer: str

    def example(self) -> Example:
        return Example(encode(self.prompt + self.answer), len(self.prompt))


def encode(text: str) -> list[int]:
    return [_IDS[character] for character in text]


def decode(tokens: Sequence[int]) -> str:
    return "".join(ALPHABET[token] for token in tokens)


def draw_sum(rng: Random, held_out: bool) -> Question:
    """One sum of the wanted side."""
    while True:
        digits = [rng.randrange(10) for _ in range(DIGITS_PER_SUM)]
        prompt = "".join(map(str, digits)) + "="
        if is_held_out(prompt) == held_out:
            break
    answer = "".join(str(total % 10) for total in itertools.accumulate(digits))
    return Question(prompt, answer + END)


def draw_sums(seed: str, count: int, held_out: bool) -> list[Question]:
    rng = Random(f"sums {seed} {held_out}")
    return [draw_sum(rng, held_out) for _ in range(count)]


def fact_table(seed: int, count: int) -> list[Question]:
    """`count` facts, no two of the same name."""
    rng = Random(f"facts {seed}")
    names: dict[str, None] = {}
    while len(names) < count:
        names["".join(rng.choice(letters) for letters in (_CONSONANTS, _VOWELS, _CONSONANTS, _VOWELS))] = None
    return [Question(f"{name}:", f"{rng.randrange(10**DIGITS_PER_FACT):0{DIGITS_PER_FACT}d}{END}") for name in names]
