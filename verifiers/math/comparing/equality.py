"""Are two expressions equal? True or False with a proof, or an exception that says why neither was found.

Order of evidence: identical trees; rationals; balls that do not meet (refutes); the exact normal form of the difference
(verifies, and refutes algebraic numbers). Functions of free symbols are compared where both are real: a rational point
with disjoint real values refutes, only an identity verifies. Evaluation at points never verifies.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from fractions import Fraction

from flint import acb

from verifiers.math.algebra import ball
from verifiers.math.algebra.ball import UndefinedError, UnsupportedError
from verifiers.math.algebra.normal_field import Field, FinerExponentError
from verifiers.math.algebra.normal_form import normal_form
from verifiers.math.algebra.rationals import small_rational
from verifiers.math.comparing import questions
from verifiers.math.reading.expression import Node

PRECISIONS = (64, 256, 1024, 4096)
"""Bits of the balls that try to separate two constants."""
_COORDINATES = tuple(
    map(Fraction, "7/5 3/11 5/7 17/4 13/6 2/3 29/9 3/8 5 2 11/13 3 1/7 7 9/4 19/12".split())  # noqa: SIM905
)
NUM_POINTS = 12


class UndecidedError(Exception):
    """Neither equality nor difference could be proven; the message is the reason a verdict gives."""


def equal(a: Node, b: Node) -> bool:
    """Whether two expressions are equal. Raises UndecidedError, UndefinedError, UnsupportedError.

    What stays open here is noted as a question for the symbolic engine, or answered if that was asked before.
    """
    try:
        return _decided(a, b)
    except (UndecidedError, UndefinedError, UnsupportedError):
        answer = questions.answer(a, b)
        if answer is None:
            raise
        return answer


def _decided(a: Node, b: Node) -> bool:
    ranks = infinity_rank(a), infinity_rank(b)
    if any(ranks):
        if not all(ranks) and (a.symbols() or b.symbols()):
            raise UndecidedError("infinity against a function")
        return ranks[0] == ranks[1]
    if has_plain_log(a) or has_plain_log(b):
        answers = {_equal(a, b, base) for base in ("e", "10")}
        if len(answers) == 2:
            raise UndecidedError("a logarithm whose base is not given")
        return answers.pop()
    return _equal(a, b, "e")


def has_plain_log(node: Node) -> bool:
    return any(n.op == "fn" and n.value == "log" for n in node.walk())


def as_rational(node: Node) -> Fraction | None:
    """The value of a tree of small rational arithmetic; None for anything else. Raises UndefinedError."""
    return small_rational(node, {})


def _equal(a: Node, b: Node, log_base: str) -> bool:
    left, right = as_rational(a), as_rational(b)
    if left is not None and right is not None:
        return left == right
    symbols = sorted(a.symbols() | b.symbols())
    if symbols:
        return _equal_functions(a, b, symbols, log_base)
    reason = ""
    try:
        with ball.precision(PRECISIONS[0]):
            if _separated(a, b, {}, log_base):
                return False
    except (UndefinedError, UnsupportedError) as error:
        reason = str(error)
    if a == b:
        return True
    try:
        if _same_form(a, b, log_base):
            return True
    except UnsupportedError as error:
        reason = reason or str(error)
    for bits in PRECISIONS[1:]:
        try:
            with ball.precision(bits):
                if _separated(a, b, {}, log_base):
                    return False
        except UndefinedError as error:
            reason = reason or str(error)
        except UnsupportedError as error:
            reason = str(error)
            break
    raise UndecidedError(reason or "equal as far as was computed, without a proof")


def _same_form(a: Node, b: Node, log_base: str) -> bool:
    denominators: dict[str, int] = {}
    while True:
        field = Field(log_base, denominators)
        try:
            difference = field.add(normal_form(field, a), field.neg(normal_form(field, b)))
            return field.is_zero(difference)
        except FinerExponentError as finer:
            denominators[finer.key] = finer.denominator


def _separated(a: Node, b: Node, point: dict[str, Fraction], log_base: str) -> bool:
    left, right = ball.enclose(a, point, log_base), ball.enclose(b, point, log_base)
    return not left.overlaps(right)


def _equal_functions(a: Node, b: Node, symbols: list[str], log_base: str) -> bool:
    complex_valued = any(n.op == "const" and n.value == "i" for n in itertools.chain(a.walk(), b.walk()))
    reason = ""
    for turn, point in enumerate(points(symbols)):
        for bits in PRECISIONS[:2] if turn < 3 else PRECISIONS[:1]:
            try:
                with ball.precision(bits):
                    left = ball.enclose(a, point, log_base, real=not complex_valued)
                    right = ball.enclose(b, point, log_base, real=not complex_valued)
            except (UndefinedError, UnsupportedError) as error:
                reason = str(error)
                break
            if not left.overlaps(right):
                return False
    if a == b:
        return True
    try:
        if _same_form(a, b, log_base):
            return True
    except UnsupportedError as error:
        reason = str(error)
    raise UndecidedError(reason or "functions that agree where they were compared, without a proof")


def points(symbols: list[str]) -> list[dict[str, Fraction]]:
    """Rational points, the same for every pair: every pattern of signs of up to three symbols, then natural numbers
    (for n! and its kind)."""
    made = []
    for turn in range(NUM_POINTS):
        point = {}
        for place, name in enumerate(symbols):
            magnitude = _COORDINATES[(turn * 5 + 3 * place) % len(_COORDINATES)]
            point[name] = -magnitude if turn >> (place % 3) & 1 else magnitude
        made.append(point)
    for turn in (0, 1, 2, 3):
        made.append({name: Fraction(3 + turn + 2 * place) for place, name in enumerate(symbols)})
    return made


def compare_order(a: Node, b: Node) -> int:
    """-1, 0 or 1 for two real constants; infinities allowed. Raises UndecidedError."""
    ranks = [infinity_rank(node) for node in (a, b)]
    if any(ranks):
        return (ranks[0] > ranks[1]) - (ranks[0] < ranks[1])
    left, right = as_rational(a), as_rational(b)
    if left is not None and right is not None:
        return (left > right) - (left < right)
    if equal(a, b):
        return 0
    for bits in PRECISIONS:
        with ball.precision(bits):
            x, y = ball.enclose(a, {}), ball.enclose(b, {})
            if not _is_real_enough(x) or not _is_real_enough(y):
                raise UndecidedError("an order between complex numbers")
            if x.real < y.real:
                return -1
            if x.real > y.real:
                return 1
    raise UndecidedError("two values too close to order")


def _is_real_enough(value: acb) -> bool:
    return bool(value.imag.contains(0))


def infinity_rank(node: Node) -> int:
    """1 for infinity, -1 for minus infinity, 0 for anything else."""
    if node.op == "const" and node.value == "inf":
        return 1
    if node.op == "neg":
        return -infinity_rank(node.args[0])
    return 0


def within(a: Node, b: Node, absolute: Fraction, relative: Fraction) -> bool:
    """|a - b| <= max(absolute, relative |a|) with a the reference. Raises UndecidedError."""
    for bits in PRECISIONS:
        with ball.precision(bits):
            gold, answer = ball.enclose(a, {}), ball.enclose(b, {})
            room = ball.rational(absolute).real.max(ball.rational(relative).real * abs(gold))
            distance = abs(gold - answer)
            if distance <= room:
                return True
            if distance > room:
                return False
    raise UndecidedError("a value on the edge of the tolerance")


def all_of(checks: list[Callable[[], bool]]) -> bool:
    """All True; one proven False settles it even if another one is undecided."""
    pending: UndecidedError | None = None
    for check in checks:
        try:
            if not check():
                return False
        except UndecidedError as error:
            pending = error
    if pending is not None:
        raise pending
    return True


def match(a: list[Node], b: list[Node], same: Callable[[Node, Node], bool]) -> bool:
    """Whether the items pair off in some order. Raises UndecidedError if that hangs on an undecided pair."""
    if len(a) != len(b):
        return False
    free = list(range(len(b)))
    pending: UndecidedError | None = None
    for item in a:
        for place in free:
            try:
                if same(item, b[place]):
                    free.remove(place)
                    break
            except UndecidedError as error:
                pending = error
        else:
            if pending is not None:
                raise pending
            return False
    return True
