"""Numbers with units, nouns, currencies and percent signs against each other and against bare numbers."""

from __future__ import annotations

import abc
from fractions import Fraction

from verifiers.math.comparing import equality
from verifiers.math.comparing.equality import UndecidedError
from verifiers.math.reading import units
from verifiers.math.reading.expression import SCALARS, Node
from verifiers.math.reading.vocabulary import UNITS

_SCALES = frozenset({"celsius", "fahrenheit", "kelvin"})
"""Units that begin at a point of their own: a bare number does not tell which of them is meant."""


class Measures(abc.ABC):
    """The part of a comparison that knows units; the numbers themselves are compared by the class that takes it in."""

    @abc.abstractmethod
    def same(self, gold: Node, answer: Node) -> bool:
        """Whether two answers of any kind are the same."""

    @abc.abstractmethod
    def scalars(self, gold: Node, answer: Node) -> bool:
        """Whether two numbers or expressions are the same."""

    @abc.abstractmethod
    def one_against_many(self, gold: Node, answer: Node) -> bool:
        """Whether two collections, or a collection and a single value, are the same."""

    def quantities(self, gold: Node, answer: Node) -> bool:
        parts = answer.args if answer.op == "list" else ()
        gold, answer = units.joined(gold), units.joined(answer)
        if parts and answer.op == "qty" and gold.op in SCALARS:
            return self.compound(gold, answer, parts)
        if gold.op == "list" or answer.op == "list":
            return self.one_against_many(gold, answer)
        if (units.may_change(gold) or units.may_change(answer)) and not (
            gold.op == answer.op and gold.value == answer.value
        ):
            raise UndecidedError("words that may change the number before them")
        if gold.op == "percent" or answer.op == "percent":
            return self.percentages(gold, answer)
        if gold.op != "qty":
            if units.is_angle(answer) and gold.op in SCALARS:
                return self.scalars(gold, answer.args[0])
            if gold.op not in SCALARS:
                return self.not_a_number(gold)
            if (product := units.as_product(gold)) is not None:
                return self.quantities(product, answer)
            if gold.symbols() or any(UNITS[unit][0] in _SCALES for unit, _ in answer.value[0]):
                raise UndecidedError("a unit behind something else than a number of that unit")
            return self.same(gold, answer.args[0])
        if answer.op != "qty":
            if answer.op == "deg":
                return units.is_angle(gold) and equality.equal(gold.args[0], answer)
            product = units.as_product(answer)
            if product is None:
                if answer.op not in SCALARS:
                    return self.not_a_number(answer)
                if not self.same(gold.args[0], answer):
                    return False
                if units.may_be_dropped(gold):
                    return True
                raise UndecidedError("the reference has a unit, the answer states none")
            answer = product
        if units.noun(gold) or units.noun(answer):
            if not self.same(gold.args[0], answer.args[0]):
                return False
            if units.same_noun(gold, answer):
                return True
            raise UndecidedError("different nouns behind the number")
        (left, left_unit), (right, right_unit) = units.measure(gold), units.measure(answer)
        if left_unit != right_unit:
            if units.could_agree(left_unit, right_unit):
                raise UndecidedError("units whose conversion is not fixed")
            return False
        # In the unit of the reference, since a tolerance is meant in it.
        ratio = Node("num", value=right.args[1].value / left.args[1].value)
        return self.scalars(gold.args[0], Node("mul", (answer.args[0], ratio)))

    def compound(self, gold: Node, answer: Node, parts: tuple[Node, ...]) -> bool:
        """1 hour 30 minutes where the reference is a bare number: 90 in the last unit; in another one it is open."""
        if self.scalars(gold, answer.args[0]):
            return True
        for part in parts:
            (unit, _), (total, _) = units.measure(part), units.measure(answer)
            if self.scalars(gold, Node("div", (total, unit.args[1]))):
                raise UndecidedError("a quantity in two units, where the unit of the reference is not known")
        return False

    def not_a_number(self, node: Node) -> bool:
        if node.op in ("group", "matrix", "named", "union", "time", "date", "ratio", "empty"):
            return False
        raise UndecidedError("a unit against something else than a number")

    def percentages(self, gold: Node, answer: Node) -> bool:
        if gold.op == answer.op:
            return self.same(gold.args[0], answer.args[0])
        if gold.op == "percent":
            if answer.op not in SCALARS:
                return False
            if self.scalars(gold, answer):
                return self.not_above_one(gold)
            if self.scalars(gold.args[0], answer):
                raise UndecidedError("the reference is a percentage, the answer lacks the sign")
            return False
        if gold.op not in SCALARS:
            raise UndecidedError("a percentage against something else than a number")
        if self.scalars(gold, answer):
            return self.not_above_one(gold)
        size = equality.compare_order(gold, Node("num", value=Fraction(1)))
        if size > 0 and self.scalars(gold, answer.args[0]):
            raise UndecidedError("the answer is a percentage, the reference lacks the sign")
        return False

    def not_above_one(self, gold: Node) -> bool:
        """25% is 0.25, but 500% may be 500 as well as 5."""
        if equality.compare_order(gold, Node("num", value=Fraction(1))) > 0:
            raise UndecidedError("a percentage above one hundred against a number")
        return True
