"""Does an answer mean what the reference means? Types first, then values.

`compare(gold, answer)` returns a `Comparison`: verified or refuted with evidence, or undecided with the reason. The
rules about types, units, bases, sets and assignments are those of docs/math_answers.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction

from verifiers.math import decide
from verifiers.math.ball import UndefinedError, UnsupportedError
from verifiers.math.decide import UndecidedError, all_of, match
from verifiers.math.tree import Node
from verifiers.math.words import UNITS
from verifiers.types import Status

SCALARS = frozenset(["num", "const", "sym", "add", "mul", "div", "pow", "neg", "fn", "call", "sum", "prod", "deg"])


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    status: Status
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Tolerance:
    rel: Fraction = Fraction(0)
    abs: Fraction = Fraction(0)


def compare(gold: Node, answer: Node, tolerance: Tolerance | None = None) -> Comparison:
    """Total: every failure to decide is an `undecided` with its reason."""
    try:
        if _Comparer(tolerance).same(gold, answer):
            return Comparison(Status.VERIFIED, "equal to the reference")
        return Comparison(Status.REFUTED, "differs from the reference")
    except UndecidedError as error:
        return Comparison(Status.UNDECIDED, str(error))
    except UnsupportedError as error:
        return Comparison(Status.UNDECIDED, f"unsupported: {error}")
    except UndefinedError as error:
        return Comparison(Status.UNDECIDED, f"a value that does not exist: {error}")
    except RecursionError:
        return Comparison(Status.UNDECIDED, "nesting too deep")


class _Comparer:
    def __init__(self, tolerance: Tolerance | None) -> None:
        self.tolerance = tolerance

    def same(self, gold: Node, answer: Node) -> bool:
        gold, answer = expand_signs(gold), expand_signs(answer)
        if gold.op in SCALARS and answer.op in SCALARS:
            return self.scalars(gold, answer)
        gold_kind, answer_kind = kind(gold), kind(answer)
        if "text" in (gold_kind, answer_kind):
            return self.texts(gold, answer)
        if "qty" in (gold_kind, answer_kind) or "percent" in (gold_kind, answer_kind):
            return self.quantities(gold, answer)
        if "rel" in (gold_kind, answer_kind):
            return self.relations(gold, answer)
        if gold_kind == answer_kind:
            method: Callable[[Node, Node], bool] | None = getattr(self, f"same_{gold_kind}", None)
            if method is not None:
                return method(gold, answer)
        if {gold_kind, answer_kind} <= {"set", "list", "empty"}:
            return match(list(gold.args), list(answer.args), self.same)
        if {gold_kind, answer_kind} <= {"group", "matrix"}:
            return self.vectors(gold, answer)
        if {gold_kind, answer_kind} <= {"list", "scalar", "set"}:
            return self.one_against_many(gold, answer)
        if "based" in (gold_kind, answer_kind):
            raise UndecidedError("a base on one side only")
        if "scalar" in (gold_kind, answer_kind) and {gold_kind, answer_kind} & {
            "ratio",
            "time",
            "date",
            "group",
            "matrix",
            "empty",
        }:
            return False
        raise UndecidedError(f"a {answer_kind} against a {gold_kind}")

    def scalars(self, gold: Node, answer: Node) -> bool:
        if self.tolerance is not None and not gold.symbols() and not answer.symbols():
            return decide.within(gold, answer, self.tolerance.abs, self.tolerance.rel)
        return decide.equal(gold, answer)

    def one_against_many(self, gold: Node, answer: Node) -> bool:
        left = list(gold.args) if gold.op in ("set", "list") else [gold]
        right = list(answer.args) if answer.op in ("set", "list") else [answer]
        return match(left, right, self.same)

    # Words

    def texts(self, gold: Node, answer: Node) -> bool:
        if gold.op == answer.op == "text":
            return _plain(gold.value) == _plain(answer.value)
        letters = {node.op: node for node in (gold, answer)}
        if "sym" in letters and len(letters["text"].value) == 1:
            return bool(letters["sym"].value.lower() == letters["text"].value)
        raise UndecidedError("words against a formula")

    # Units

    def quantities(self, gold: Node, answer: Node) -> bool:
        if gold.op == "percent" or answer.op == "percent":
            return self.percentages(gold, answer)
        if gold.op != "qty":
            if gold.op not in SCALARS:
                raise UndecidedError("a unit against something else than a number")
            return self.same(gold, answer.args[0])
        if answer.op != "qty":
            product = _unit_product(answer, gold)
            if product is None:
                if answer.op in SCALARS and (gold.value[1] or gold.value[0] in CURRENCY_UNITS):
                    return self.same(gold.args[0], answer)
                if answer.op in SCALARS and not self.same(gold.args[0], answer):
                    return False
                raise UndecidedError("the reference has a unit, the answer states none")
            answer = product
        (left, left_unit), (right, right_unit) = _quantity(gold), _quantity(answer)
        if gold.value[1] or answer.value[1]:
            if not self.same(gold.args[0], answer.args[0]):
                return False
            if _plain(gold.value[1]).rstrip("s") == _plain(answer.value[1]).rstrip("s"):
                return True
            raise UndecidedError("different nouns behind the number")
        if left_unit != right_unit:
            return False
        return self.scalars(left, right)

    def percentages(self, gold: Node, answer: Node) -> bool:
        if gold.op == answer.op:
            return self.same(gold.args[0], answer.args[0])
        if gold.op == "percent":
            if answer.op not in SCALARS:
                return False
            if self.scalars(gold, answer):
                return True
            if self.scalars(gold.args[0], answer):
                raise UndecidedError("the reference is a percentage, the answer lacks the sign")
            return False
        if gold.op not in SCALARS:
            raise UndecidedError("a percentage against something else than a number")
        if self.scalars(gold, answer):
            return True
        size = decide.compare_order(gold, Node("num", value=Fraction(1)))
        return size > 0 and self.scalars(gold, answer.args[0])

    # Relations

    def relations(self, gold: Node, answer: Node) -> bool:
        gold_side, answer_side = assignment(gold), assignment(answer)
        if gold_side is not None and answer_side is not None:
            (left_name, left), (right_name, right) = gold_side, answer_side
            if left_name == right_name:
                return self.same(left, right)
            if left.symbols() or right.symbols():
                if left_name[0] in "fghy" and right_name[0] in "fghy":
                    return self.same(left, right)
                raise UndecidedError("different names on the left")
            return False
        if gold_side is not None and answer.op != "rel" and kind(answer) in ("scalar", "group", "set", "matrix"):
            return self.same(gold_side[1], answer)
        if answer_side is not None and gold.op != "rel" and kind(gold) in ("scalar", "group", "set", "matrix"):
            return self.same(gold, answer_side[1])
        if gold.op == answer.op == "rel" and gold.value == answer.value and self.in_order(gold, answer):
            return True
        raise UndecidedError("relations of different shape")

    # Things with parts

    def same_group(self, gold: Node, answer: Node) -> bool:
        if (
            "<>" not in (gold.value, answer.value)
            and gold.value != answer.value
            and {gold.value, answer.value} != {"()", "[]"}
        ):
            return False
        return self.in_order(gold, answer)

    def in_order(self, gold: Node, answer: Node) -> bool:
        if len(gold.args) != len(answer.args):
            return False
        return all_of([lambda a=a, b=b: self.same(a, b) for a, b in zip(gold.args, answer.args, strict=True)])  # type: ignore[misc]

    def same_set(self, gold: Node, answer: Node) -> bool:
        return match(list(gold.args), list(answer.args), self.same)

    def same_list(self, gold: Node, answer: Node) -> bool:
        return match(list(gold.args), list(answer.args), self.same)

    def same_matrix(self, gold: Node, answer: Node) -> bool:
        return gold.value == answer.value and self.in_order(gold, answer)

    def vectors(self, gold: Node, answer: Node) -> bool:
        return self.in_order(gold, answer)

    def same_ratio(self, gold: Node, answer: Node) -> bool:
        if len(gold.args) != len(answer.args):
            return False
        first_gold, first_answer = gold.args[0], answer.args[0]
        return all_of(
            [
                lambda a=a, b=b: decide.equal(Node("mul", (a, first_answer)), Node("mul", (b, first_gold)))  # type: ignore[misc]
                for a, b in zip(gold.args[1:], answer.args[1:], strict=True)
            ]
        )

    def same_time(self, gold: Node, answer: Node) -> bool:
        if gold.value[3] and answer.value[3]:
            return bool(gold.value == answer.value)
        return bool(gold.value[:3] == answer.value[:3])

    def same_date(self, gold: Node, answer: Node) -> bool:
        if gold.value[0] is None or answer.value[0] is None:
            return bool(gold.value[1:] == answer.value[1:])
        return bool(gold.value == answer.value)

    def same_based(self, gold: Node, answer: Node) -> bool:
        return bool(gold.value[1] == answer.value[1] and gold.value[0].lstrip("0") == answer.value[0].lstrip("0"))

    def same_empty(self, gold: Node, answer: Node) -> bool:
        return True

    def same_named(self, gold: Node, answer: Node) -> bool:
        return bool(gold.value == answer.value)


CURRENCY_UNITS = frozenset((((unit, 1),)) for unit in ("dollar", "dollars", "euro", "euros", "pound", "pounds"))


def kind(node: Node) -> str:
    return "scalar" if node.op in SCALARS else node.op


def assignment(node: Node) -> tuple[str, Node] | None:
    """`x = …`, `f(x) = …`, `y = a = b` with a lone name on the left that the right side does not contain."""
    if node.op != "rel" or set(node.value) != {"="} or len(node.args) != 2:
        return None
    left, right = node.args
    name = None
    if left.op == "sym" or left.op == "call":
        name = left.value
    elif left.op == "mul" and all(arg.op == "sym" for arg in left.args) and left.args[0].value.isupper():
        name = left.args[0].value
    if name is None or name in right.symbols():
        return None
    return name, right


def expand_signs(node: Node) -> Node:
    """2 ± 3 as the list of both values; all signs of one expression move together."""
    if not any(n.op == "pm" for n in node.walk()):
        return node
    if node.op in ("list", "set"):
        items: list[Node] = []
        for arg in node.args:
            expanded = expand_signs(arg)
            items.extend(expanded.args if expanded.op == "list" else [expanded])
        return Node(node.op, tuple(items), node.value)
    if node.op == "rel":
        return Node("rel", tuple(expand_signs(arg) for arg in node.args), node.value)
    if node.op == "group":
        return node
    return Node("list", (_signed(node, 1), _signed(node, -1)), "or")


def _signed(node: Node, sign: int) -> Node:
    args = tuple(_signed(arg, sign) for arg in node.args)
    if node.op == "pm":
        left, right = args
        return Node("add", (left, right if node.value * sign > 0 else Node("neg", (right,))))
    return Node(node.op, args, node.value)


def _quantity(node: Node) -> tuple[Node, tuple[tuple[str, int], ...]]:
    """Value in the first units of its dimensions, and the dimensions with their powers."""
    factors, _ = node.value
    scale = Fraction(1)
    dimensions: dict[str, int] = {}
    for unit, power in factors:
        dimension, size = UNITS[unit]
        scale *= size**power
        dimensions[dimension] = dimensions.get(dimension, 0) + power
    if set(dimensions) == {"volume"}:
        dimensions = {"length": 3 * dimensions["volume"]}
    value = Node("mul", (node.args[0], Node("num", value=scale)))
    return value, tuple(sorted((name, power) for name, power in dimensions.items() if power))


def _unit_product(node: Node, gold: Node) -> Node | None:
    """`5 m` read as a product, where the reference has a unit: the symbols are units."""
    from verifiers.math.words import CASED_UNITS

    def factors(n: Node, sign: int) -> list[tuple[str, int]] | None:
        if n.op == "sym" and n.value in CASED_UNITS:
            return [(CASED_UNITS[n.value], sign)]
        if n.op == "pow" and n.args[1].op == "num" and n.args[1].value.denominator == 1 and abs(n.args[1].value) < 9:
            inner = factors(n.args[0], sign)
            return None if inner is None else [(unit, power * int(n.args[1].value)) for unit, power in inner]
        return None

    units: list[tuple[str, int]] = []
    sign = 1
    while node.op in ("mul", "div"):
        sign = 1 if node.op == "mul" else -1
        found = factors(node.args[1], sign)
        if found is None:
            return None
        units = found + units
        node = node.args[0]
    if not units or node.symbols():
        return None
    return Node("qty", (node,), (tuple(units), ""))


def _plain(text: str) -> str:
    words = [word for word in text.lower().replace("-", " ").split() if word not in ("the", "a", "an")]
    return " ".join(words).strip(" .")
