"""What a pool worker does to tell which final answers of one math problem are proven equal.

A pure function of its payload, as verifiers.math.judge is; time and memory are bounded from outside, by the pool. The
engine compares an answer with a reference, which may be told less exactly: a reference `5` accepts `5 m`. Here neither
side is a reference, so "equal" needs both directions, and "different" needs one that no other contradicts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from fractions import Fraction

from flint import acb

from verifiers.math.algebra import ball
from verifiers.math.algebra.ball import UndefinedError, UnsupportedError
from verifiers.math.comparing import equality, questions
from verifiers.math.comparing.compare import compare
from verifiers.math.judge import read_answer
from verifiers.math.reading import extract
from verifiers.math.reading.expression import Node, UnreadableError
from verifiers.math.symbolic import wire
from verifiers.partition import partition
from verifiers.types import Json, Status

_RATIONAL = frozenset({"num", "add", "mul", "div", "neg"})
"""Nodes of plain arithmetic, whose values decide alone."""
_FORMULA = _RATIONAL | {"const", "sym", "pow", "fn"}
_POINT = {"x": Fraction(7, 5), "y": Fraction(11, 3), "z": Fraction(13, 4), "n": Fraction(17)}
"""Where formulas are evaluated. Other letters may be units (m), thousands (k) or constants of integration (C), about
which the engine has rules of its own."""
_BITS = 128
_ZERO = Node("num", value=Fraction(0))


def work(payload: Mapping[str, Json]) -> dict[str, Json]:
    """Takes `{"answers", "type", "pairs", "known"}` and gives `{"relations" or "classes", "open"}`.

    With `pairs` it says of each pair of positions whether the two are equal: True, False or None. Without, it gives the
    fields of verifiers.partition.Relations. `open` and `known` are those of verifiers.math.judge.work.
    """
    known = {(wire.unpack(a), wire.unpack(b)): equal for a, b, equal in payload.get("known") or ()}
    with questions.collect(known) as asked:
        answers = _Answers(payload["answers"], payload.get("type"))
        if payload.get("pairs") is not None:
            result: dict[str, Json] = {"relations": [answers.same(*pair) for pair in payload["pairs"]]}
        else:
            found = partition(len(answers), answers.same)
            result = {"founders": found.founders, "apart": found.apart}
    return {**result, "open": [[wire.pack(a), wire.pack(b)] for a, b in asked.open]}


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class _Answer:
    """An answer that can agree with others. Equal texts share one object."""

    node: Node
    value: Fraction | None
    """Where plain arithmetic gives one."""
    shape: tuple[object, ...] = ()
    """What two answers must share for their enclosures to prove them different; empty: nothing does."""
    enclosures: tuple[acb, ...] = ()
    """Balls around its parts, at fixed values of its letters."""


class _Answers:
    """Some answers, and what is known of pairs of them."""

    def __init__(self, answers: Sequence[str], answer_type: str | None) -> None:
        read: dict[str, _Answer | None] = {}
        for answer in answers:
            if answer not in read:
                read[answer] = _read(answer, answer_type)
        self._answers = [read[answer] for answer in answers]
        self._found: dict[tuple[int, int], bool | None] = {}

    def __len__(self) -> int:
        return len(self._answers)

    def same(self, one: int, other: int) -> bool | None:
        """Whether two answers are proven equal (True) or proven different (False)."""
        left, right = self._answers[one], self._answers[other]
        if left is None or right is None:
            return None
        if left is right:
            return True
        if left.value is not None and right.value is not None:
            return left.value == right.value
        key = id(left), id(right)
        if key not in self._found:
            self._found[key] = _same(left, right)
        return self._found[key]


def _read(answer: str, answer_type: str | None) -> _Answer | None:
    """None: it cannot be read, or is undecided against itself (1/0), or states two values (2 = 3), so that it cannot
    agree with anything."""
    if answer_type == "text":
        return _Answer(Node("text", value=" ".join(answer.split())), None)
    for span in dict.fromkeys([answer, *extract.readings(answer)]):
        try:
            node = read_answer(span)
            break
        except (UnreadableError, RecursionError):
            continue
    else:
        return None
    try:
        if all(part.op in _RATIONAL for part in node.walk()) and (value := equality.as_rational(node)) is not None:
            return _Answer(node, value)
        if (enclosed := _enclosed(node))[0]:
            return _Answer(node, None, *enclosed)
        itself, against = compare(node, node).status, compare(_ZERO, node).status
        if itself is not Status.VERIFIED or against is Status.MALFORMED:
            return None
        return _Answer(node, None)
    except (UndefinedError, RecursionError):
        return None


def _enclosed(node: Node) -> tuple[tuple[object, ...], tuple[acb, ...]]:
    """The shape and the enclosures of an answer whose difference from its like is proven by one value: a formula of
    letters that name no unit and no constant, or a tuple of such. Nothing for any other."""
    parts = node.args if node.op == "group" else (node,)
    if not all(part.op in _FORMULA for whole in parts for part in whole.walk()):
        return (), ()
    letters = node.symbols()
    if not letters <= _POINT.keys() or any(part.value in ("log", "mod") for part in node.walk() if part.op == "fn"):
        return (), ()
    try:
        with ball.precision(_BITS):
            balls = tuple(ball.enclose(part, _POINT, real=True) for part in parts)
    except (UndefinedError, UnsupportedError):
        return (), ()
    return (node.op == "group", node.value if node.op == "group" else None, len(parts), letters), balls


def _same(one: _Answer, other: _Answer) -> bool | None:
    alike = one.shape and one.shape == other.shape
    # The engine would come to the same end by the same means; this way each answer is evaluated once.
    if alike and any(not a.overlaps(b) for a, b in zip(one.enclosures, other.enclosures, strict=True)):
        return False
    left, right = one.node, other.node
    try:
        if left == right:
            return True
        first = compare(left, right).status
        if first not in (Status.VERIFIED, Status.REFUTED, Status.UNDECIDED):
            return None
        second = compare(right, left).status
    except RecursionError:  # a product of a thousand factors is a tree as deep
        return None
    if first is second is Status.VERIFIED:
        return True
    found = {first, second}
    return False if Status.REFUTED in found and found <= {Status.REFUTED, Status.UNDECIDED} else None
