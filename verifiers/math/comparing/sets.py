"""Subsets of the real line: intervals, unions, solution sets of inequalities in one variable.

`real_set(node)` turns whatever describes such a set (`(-1,2]`, `x>1 or x<-1`, a set-builder, the reals without 0)
into disjoint sorted pieces with exact end points; two sets are equal when their pieces are. End points are ordered by
verifiers.math.comparing.equality, so nothing here rounds.
Fails: `UnsupportedError` for inequalities whose roots are beyond rational and quadratic ones; `UndecidedError` where an
order could not be proven.
"""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction
from functools import cmp_to_key

from flint import fmpz_poly

from verifiers.math.algebra import ball
from verifiers.math.algebra.ball import UnsupportedError
from verifiers.math.algebra.normal_field import Field
from verifiers.math.algebra.normal_form import normal_form
from verifiers.math.comparing import equality
from verifiers.math.reading.expression import SCALARS, Node

INFINITY = Node("const", value="inf")
MINUS_INFINITY = Node("neg", (INFINITY,))
_NO_REALS = (INFINITY, Node("const", value="i"))
INEQUALITIES = frozenset({"<", ">", "<=", ">=", "!="})
_SWAPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<=", "=": "=", "!=": "!="}
MAX_PIECES = 40


@dataclasses.dataclass(frozen=True, slots=True)
class Piece:
    low: Node
    low_closed: bool
    high: Node
    high_closed: bool


RealSet = list[Piece]
EVERYTHING = [Piece(MINUS_INFINITY, False, INFINITY, False)]


def same_set(a: RealSet, b: RealSet) -> bool:
    """Both in normal form. Raises UndecidedError."""
    if len(a) != len(b):
        return False
    for left, right in zip(a, b, strict=True):
        if left.low_closed != right.low_closed or left.high_closed != right.high_closed:
            return False
        if equality.compare_order(left.low, right.low) or equality.compare_order(left.high, right.high):
            return False
    return True


def real_set(node: Node) -> RealSet:
    """The set of real numbers that a tree describes. Raises UnsupportedError, UndecidedError, UndefinedError."""
    op = node.op
    if op == "group" and len(node.args) == 2 and node.value in ("()", "[]", "(]", "[)", "]["):
        low, high = node.args
        if (node.value[0] == "[" and equality.infinity_rank(low)) or (
            node.value[1] == "]" and equality.infinity_rank(high)
        ):
            raise equality.UndecidedError("a closed bracket at infinity")
        return normalize([Piece(low, node.value[0] == "[", high, node.value[1] == "]")])
    if op == "set":
        if node.symbols() or any(
            part.op not in SCALARS or part in _NO_REALS for arg in node.args for part in arg.walk()
        ):
            raise UnsupportedError("an element that is no real number")
        return normalize([Piece(arg, True, arg, True) for arg in node.args])
    if op == "empty":
        return []
    if op == "named":
        return _named(node.value)
    if op == "union":
        return union(*(real_set(arg) for arg in node.args))
    if op == "inter":
        return intersection(*(real_set(arg) for arg in node.args))
    if op == "setminus":
        left, right = (real_set(arg) for arg in node.args)
        return intersection(left, complement(right))
    if op == "builder":
        return _builder(node)
    if op == "rel":
        return _relation(node)
    if op == "list":
        return _list(node)
    raise UnsupportedError(f"a {op} as a set of reals")


def _named(name: str) -> RealSet:
    zero = Node("num", value=Fraction(0))
    if name == "R":
        return EVERYTHING
    marks = name[1:].replace("\\", "")
    if name[0] != "R":
        raise UnsupportedError("a set of integers as a set of reals")
    if marks in ("+", ">0", "++", "+*", "*+"):
        return [Piece(zero, False, INFINITY, False)]
    if marks in ("-", "<0", "--", "-*", "*-"):
        return [Piece(MINUS_INFINITY, False, zero, False)]
    if marks in ("0+", "+0", "ge0", ">=0"):
        return [Piece(zero, True, INFINITY, False)]
    if marks in ("0-", "-0", "le0", "<=0"):
        return [Piece(MINUS_INFINITY, False, zero, True)]
    if marks in ("*", "times"):
        return complement([Piece(zero, True, zero, True)])
    raise UnsupportedError(f"the set {name}")


def _builder(node: Node) -> RealSet:
    head, condition = node.args
    domain = EVERYTHING
    if head.op == "rel" and head.value == ("in",):
        domain = real_set(head.args[1])
        head = head.args[0]
    if head.op != "sym" or condition.symbols() - {head.value}:
        raise UnsupportedError("a set-builder of an expression, or with another variable")
    return intersection(domain, real_set(condition))


def _list(node: Node) -> RealSet:
    parts = [real_set(arg) for arg in node.args]
    if node.value == "or":
        return union(*parts)
    both = intersection(*parts)
    if node.value == "and" or both:
        return both
    return union(*parts)  # "x < -1, x > 1" can only mean either


def _relation(node: Node) -> RealSet:
    if len(node.symbols()) != 1:
        raise UnsupportedError("a relation in other than one variable")
    (name,) = node.symbols()
    result = EVERYTHING
    for left, operator, right in zip(node.args, node.value, node.args[1:], strict=False):
        if operator in ("in", "notin") and left.op == "sym":
            part = real_set(right)
            part = part if operator == "in" else complement(part)
        elif operator in _SWAPPED:
            part = solve(left, operator, right, name)
        else:
            raise UnsupportedError(f"the relation {operator}")
        result = intersection(result, part)
    return result


def solve(left: Node, operator: str, right: Node, name: str) -> RealSet:
    """The reals for which `left operator right` holds."""
    for node, other, swapped in ((left, right, False), (right, left, True)):
        if node == Node("sym", value=name) and name not in other.symbols():
            return _ray(_SWAPPED[operator] if swapped else operator, other)
    difference = Node("add", (left, Node("neg", (right,))))
    return _solve_zero(difference, operator, name)


def _ray(operator: str, end: Node) -> RealSet:
    if "=" in operator and equality.infinity_rank(end):
        raise equality.UndecidedError("a bound at infinity that is reached")
    point = Piece(end, True, end, True)
    if operator == "=":
        return [point]
    if operator == "!=":
        return complement([point])
    if operator in ("<", "<="):
        return normalize([Piece(MINUS_INFINITY, False, end, operator == "<=")])
    return normalize([Piece(end, operator == ">=", INFINITY, False)])


def _solve_zero(f: Node, operator: str, name: str) -> RealSet:
    """Solves f operator 0, by the zeros and poles of f and its sign between them; |u| is split at the sign of u."""
    inner = next((n for n in f.walk() if n.op == "fn" and n.value == "abs" and name in n.symbols()), None)
    if inner is not None:
        (u,) = inner.args
        positive = intersection(_solve_zero(u, ">=", name), _solve_zero(_replace(f, inner, u), operator, name))
        negative = intersection(
            _solve_zero(u, "<", name), _solve_zero(_replace(f, inner, Node("neg", (u,))), operator, name)
        )
        return union(positive, negative)
    zeros, poles = _critical(f, name)
    marks = sorted([*((zero, True) for zero in zeros), *((pole, False) for pole in poles)], key=_by_point)
    ends: list[Node] = [MINUS_INFINITY, *(mark for mark, _ in marks), INFINITY]
    pieces = [Piece(zero, True, zero, True) for zero, is_zero in marks if is_zero and operator in ("=", "<=", ">=")]
    for low, high in itertools.pairwise(ends):
        if operator == "=":
            break
        positive_here = _sign_between(f, name, low, high) > 0
        if operator == "!=" or positive_here == (operator in (">", ">=")):
            pieces.append(Piece(low, False, high, False))
    return normalize(pieces)


def _by_low_end(a: tuple[Node, bool], b: tuple[Node, bool]) -> int:
    return equality.compare_order(a[0], b[0])


_by_point = cmp_to_key(_by_low_end)


def _critical(f: Node, name: str) -> tuple[list[Node], list[Node]]:
    """Real zeros and poles of a rational function with rational coefficients, or of a linear one with any."""
    field = Field()
    form = normal_form(field, f)
    kinds = {field.generators[index].kind for index in field.used(form.top, form.bottom)}
    if kinds <= {"sym"}:
        return _roots(_univariate(form.top)), _roots(_univariate(form.bottom))
    variable = next((i for i, g in enumerate(field.generators) if g.kind == "sym" and g.key == name), None)
    others_constant = all(field.generators[i].constant for i in field.used(form.top, form.bottom) if i != variable)
    if variable is not None and others_constant and int(form.top.degrees()[variable]) == 1:
        if int(form.bottom.degrees()[variable]) > 0:
            raise UnsupportedError("an inequality beyond rational coefficients")
        at_zero = _replace(f, Node("sym", value=name), Node("num", value=Fraction(0)))
        at_one = _replace(f, Node("sym", value=name), Node("num", value=Fraction(1)))
        slope = Node("add", (at_one, Node("neg", (at_zero,))))
        return [Node("neg", (Node("div", (at_zero, slope)),))], []
    raise UnsupportedError("an inequality beyond rational coefficients")


def _univariate(poly: object) -> fmpz_poly:
    coefficients: dict[int, int] = {}
    for monomial, coefficient in poly.to_dict().items():  # type: ignore[attr-defined]
        coefficients[int(sum(monomial))] = int(coefficient)
    return fmpz_poly([coefficients.get(power, 0) for power in range(max(coefficients, default=0) + 1)])


def _roots(poly: fmpz_poly) -> list[Node]:
    roots: list[Node] = []
    if poly.degree() < 1:
        return roots
    for factor, _ in poly.factor()[1]:
        if factor.degree() == 1:
            roots.append(Node("num", value=Fraction(-int(factor[0]), int(factor[1]))))
        elif factor.degree() == 2:
            c, b, a = (int(factor[power]) for power in range(3))
            discriminant = b * b - 4 * a * c
            if discriminant > 0:
                root = Node("fn", (Node("num", value=Fraction(discriminant)), Node("num", value=Fraction(2))), "root")
                for sign in (root, Node("neg", (root,))):
                    top = Node("add", (Node("num", value=Fraction(-b)), sign))
                    roots.append(Node("div", (top, Node("num", value=Fraction(2 * a)))))
        elif factor.real_roots():
            raise UnsupportedError("roots beyond quadratic ones")
    return roots


def _sign_between(f: Node, name: str, low: Node, high: Node) -> int:
    bits = 128
    with ball.precision(bits):
        ends = [None if abs(equality.infinity_rank(end)) else ball.enclose(end, {}).real for end in (low, high)]
    left, right = ends
    if left is None and right is None:
        point = Fraction(0)
    elif left is None:
        point = Fraction(float(right.mid())).limit_denominator(1000) - 1  # type: ignore[union-attr]
    elif right is None:
        point = Fraction(float(left.mid())).limit_denominator(1000) + 1
    else:
        point = (Fraction(float(left.mid())) + Fraction(float(right.mid()))) / 2
        if not (left < float(point) < right):
            raise UnsupportedError("roots too close to tell apart")
    with ball.precision(bits):
        value = ball.enclose(f, {name: point})
    if value.real > 0:
        return 1
    if value.real < 0:
        return -1
    raise UnsupportedError("a sign that was not decided")


def _replace(node: Node, old: Node, new: Node) -> Node:
    if node == old:
        return new
    return Node(node.op, tuple(_replace(arg, old, new) for arg in node.args), node.value) if node.args else node


# Algebra of sets


def normalize(pieces: RealSet) -> RealSet:
    """Sorted, disjoint, joined where they touch; empty pieces dropped."""
    if len(pieces) > MAX_PIECES:
        raise UnsupportedError("a set of too many pieces")
    kept = []
    for piece in pieces:
        order = equality.compare_order(piece.low, piece.high)
        if order < 0 or (order == 0 and piece.low_closed and piece.high_closed):
            finite_low, finite_high = not equality.infinity_rank(piece.low), not equality.infinity_rank(piece.high)
            kept.append(
                Piece(piece.low, piece.low_closed and finite_low, piece.high, piece.high_closed and finite_high)
            )
    kept.sort(key=cmp_to_key(_by_low))
    joined: RealSet = []
    for piece in kept:
        if joined:
            last = joined[-1]
            gap = equality.compare_order(last.high, piece.low)
            if gap > 0 or (gap == 0 and (last.high_closed or piece.low_closed)):
                further = equality.compare_order(last.high, piece.high)
                high, closed = (last.high, last.high_closed) if further > 0 else (piece.high, piece.high_closed)
                if further == 0:
                    closed = last.high_closed or piece.high_closed
                joined[-1] = Piece(last.low, last.low_closed, high, closed)
                continue
        joined.append(piece)
    return joined


def _by_low(a: Piece, b: Piece) -> int:
    return equality.compare_order(a.low, b.low) or (b.low_closed - a.low_closed)


def union(*sets: RealSet) -> RealSet:
    return normalize([piece for pieces in sets for piece in pieces])


def complement(pieces: RealSet) -> RealSet:
    result: RealSet = []
    low, low_closed = MINUS_INFINITY, False
    for piece in pieces:
        result.append(Piece(low, low_closed, piece.low, not piece.low_closed))
        low, low_closed = piece.high, not piece.high_closed
    result.append(Piece(low, low_closed, INFINITY, False))
    return normalize(result)


def intersection(*sets: RealSet) -> RealSet:
    result = sets[0]
    for pieces in sets[1:]:
        result = complement(union(complement(result), complement(pieces)))
    return result
