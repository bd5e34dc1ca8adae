"""Pairs of expressions that the exact engine left open, and the answers that the symbolic engine gave.

`equality.equal` asks here before it gives up. A comparison inside `collect` notes every pair that stayed open, so that
the checker can put them to the symbolic worker; the second comparison then runs with the answers. Outside of `collect`
nothing is noted and nothing is known.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
from collections.abc import Iterator, Mapping

from verifiers.math.reading.expression import Node

MAX_OPEN = 6
"""The number of open pairs that one comparison notes; a long list of open pairs is not worth seconds each."""
MAX_NODES = 200
"""The number of nodes of a pair that is noted."""

Pair = tuple[Node, Node]


@dataclasses.dataclass(slots=True)
class Questions:
    known: Mapping[Pair, bool]
    open: list[Pair] = dataclasses.field(default_factory=list)
    used: bool = False
    """Whether an answer of the symbolic engine was used."""


_current: contextvars.ContextVar[Questions | None] = contextvars.ContextVar("questions", default=None)


@contextlib.contextmanager
def collect(known: Mapping[Pair, bool]) -> Iterator[Questions]:
    questions = Questions(known)
    token = _current.set(questions)
    try:
        yield questions
    finally:
        _current.reset(token)


def answer(a: Node, b: Node) -> bool | None:
    """What the symbolic engine said about the pair; None, and the pair is noted, if it was not asked yet."""
    questions = _current.get()
    if questions is None:
        return None
    # Hashing a tree recurses, so the size comes first.
    if sum(1 for node in (a, b) for _ in node.walk()) > MAX_NODES:
        return None
    for pair in ((a, b), (b, a)):
        if pair in questions.known:
            questions.used = True
            return questions.known[pair]
    if len(questions.open) < MAX_OPEN and (a, b) not in questions.open:
        questions.open.append((a, b))
    return None
