"""Does an answer mean what the reference means? Types first, then values.

`compare(gold, answer)` returns a `Comparison`: verified or refuted with evidence, or undecided with the reason. The
rules about types, units, bases, sets and assignments are those of docs/math_answers.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction

from verifiers.math.algebra.ball import UndefinedError, UnsupportedError
from verifiers.math.algebra.normal_field import FinerExponentError
from verifiers.math.comparing import equality, families, relations, sets
from verifiers.math.comparing.equality import UndecidedError, all_of, match
from verifiers.math.reading import units
from verifiers.math.reading.expression import SCALARS, Node
from verifiers.math.reading.parser import letters_of
from verifiers.types import Status


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    status: Status
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Tolerance:
    """What the problem declares: |answer - gold| <= max(abs, rel |gold|)."""

    rel: Fraction = Fraction(0)
    abs: Fraction = Fraction(0)


class ContradictionError(ValueError):
    """The answer is a chain whose sides differ: it states two answers."""


def compare(gold: Node, answer: Node, tolerance: Tolerance | None = None) -> Comparison:
    """Total: every failure to decide is an `undecided` with its reason."""
    try:
        gold, answer = relations.tidy(gold), relations.tidy(answer)
        if _Comparer(tolerance).same(gold, answer):
            return Comparison(Status.VERIFIED, "equal to the reference")
        return Comparison(Status.REFUTED, "differs from the reference")
    except ContradictionError as error:
        return Comparison(Status.MALFORMED, str(error))
    except (UndecidedError, UnsupportedError, FinerExponentError) as error:
        if gold == answer:
            return Comparison(Status.VERIFIED, "written as the reference is")
        if isinstance(error, FinerExponentError):
            return Comparison(Status.UNDECIDED, "exponents that were not brought to one denominator")
        return Comparison(Status.UNDECIDED, str(error))
    except UndefinedError as error:
        return Comparison(Status.UNDECIDED, f"a value that does not exist: {error}")
    except RecursionError:
        return Comparison(Status.UNDECIDED, "nesting too deep")


_REAL_SETS = frozenset({"union", "inter", "setminus", "named", "builder"})
_NUMBER_WORDS = frozenset({"dozen", "pair", "couple", "nil", "once", "twice", "thrice", "nought", "naught", "infinite"})


class _Comparer:
    def __init__(self, tolerance: Tolerance | None) -> None:
        self.tolerance = tolerance

    def same(self, gold: Node, answer: Node) -> bool:
        if gold.op in SCALARS and answer.op in SCALARS and not (_holds_vectors(gold) or _holds_vectors(answer)):
            return self.scalars(gold, answer)
        if answer.op == "rel" and gold.op != "rel":
            answer = self.last_side(gold, answer)
        if gold != answer and (_holds_vectors(gold) or _holds_vectors(answer)):
            raise UndecidedError("arithmetic with vectors or matrices")
        gold_kind, answer_kind = kind(gold), kind(answer)
        kinds = {gold_kind, answer_kind}
        if kinds == {"scalar"}:
            return self.scalars(gold, answer)
        if "text" in kinds:
            return self.texts(gold, answer)
        if "family" in kinds or families.is_family(gold) or families.is_family(answer):
            return families.same(gold, answer)
        if "qty" in kinds or "percent" in kinds:
            return self.quantities(gold, answer)
        if self.are_real_sets(gold, answer):
            if sets.same_set(sets.real_set(gold), sets.real_set(answer)):
                return True
            if self.tolerance is not None:
                raise UndecidedError("a tolerance on a set")
            return False
        if "rel" in kinds:
            return self.relations(gold, answer)
        if gold_kind == answer_kind == "list" and _names_values(gold) and not _names_values(answer):
            if not self.one_against_many(Node("list", _values(gold)), answer):
                return False
            raise UndecidedError("values without the names that the reference gives them")
        if gold_kind == answer_kind:
            method: Callable[[Node, Node], bool] | None = getattr(self, f"same_{gold_kind}", None)
            if method is not None:
                return method(gold, answer)
        if kinds <= {"group", "matrix"}:
            return self.vectors(gold, answer)
        if kinds <= {"list", "scalar", "set", "empty"}:
            if _names_values(gold) and answer.op in ("list", "set"):
                raise UndecidedError("values without the names that the reference gives them")
            return self.one_against_many(gold, answer)
        if kinds == {"list", "group"}:
            return self.list_against_group(gold, answer)
        if kinds <= {"time", "ratio"} and len(kinds) == 2:
            return self.time_against_ratio(gold, answer)
        if answer_kind == "time" and gold_kind == "scalar" and not answer.value[3]:
            answer, answer_kind = Node("ratio", tuple(map(_integer, answer.value[:2]))), "ratio"
            kinds = {gold_kind, answer_kind}
        if kinds == {"ratio", "scalar"}:
            ratio, scalar = (gold, answer) if gold_kind == "ratio" else (answer, gold)
            if len(ratio.args) == 2 and self.scalars(Node("div", ratio.args), scalar):
                raise UndecidedError("a ratio against a fraction")
            return False
        if kinds == {"based", "scalar"}:
            based, scalar = (gold, answer) if gold_kind == "based" else (answer, gold)
            number = equality.as_rational(scalar)
            if number is not None and number not in _values_of_digits(*based.value):
                return False
        if "based" in kinds:
            raise UndecidedError("a base on one side only")
        if "scalar" in kinds and kinds & {"time", "date", "group", "matrix", "empty", *_REAL_SETS}:
            return False
        raise UndecidedError(f"a {answer_kind} against a {gold_kind}")

    def scalars(self, gold: Node, answer: Node) -> bool:
        if self.tolerance is not None and not gold.symbols() and not answer.symbols():
            if answer.op == "deg" and gold.op != "deg" and equality.as_rational(gold) is not None:
                answer = answer.args[0]  # as below
            return equality.within(gold, answer, self.tolerance.abs, self.tolerance.rel)
        if equality.equal(gold, relations.rename_constant(gold, answer)):
            return True
        if answer.op == "mul" and answer.args[1].op == "sym" and answer.args[1].value in "kKM" and not gold.symbols():
            raise UndecidedError("a letter that could mean thousands or millions")
        if answer.symbols() and not gold.symbols():
            product = units.as_product(answer)
            if product is not None and self.same(gold, product.args[0]):
                raise UndecidedError("a letter that could be a unit")
        if relations.num_constants(gold) > 1 and relations.num_constants(answer) > 1:
            raise UndecidedError("several constants that may have other names")
        if answer.op == "deg" and gold.op != "deg" and equality.as_rational(gold) is not None:
            return equality.equal(gold, answer.args[0])  # the degree sign is a unit that the reference leaves out
        if gold.symbols() and answer.symbols():
            left, right = units.as_product(gold), units.as_product(answer)
            if left is not None and right is not None and self.quantities(left, right):
                raise UndecidedError("letters that could be units")
        if not answer.symbols():
            product = units.as_product(gold) if gold.symbols() else gold
            if product is not None and product.op in ("deg", "qty") and equality.equal(product.args[0], answer):
                raise UndecidedError("the reference has a unit, the answer states none")
        return False

    # Chains: a = b = c

    def last_side(self, gold: Node, answer: Node) -> Node:
        """The value a chain arrives at. Formulas on its way may hold symbols the value does not; values must agree."""
        if set(answer.value) - {"=", "~"}:
            return answer
        named = relations.assignment(answer)
        sides = list(answer.args)
        if named is not None and len(sides) == 2 and set(answer.value) == {"="}:
            return named[1] if kind(gold) in _VALUE_KINDS else answer
        if kind(gold) not in _VALUE_KINDS or (gold.op in ("list", "set") and _is_to_solve(answer)):
            return answer
        if "~" in answer.value:
            return self.before_rounding(gold, answer)
        last: Node = sides[-1]
        if relations.is_name(sides[0]):
            sides = sides[1:]
        for side in sides[:-1]:
            if side.symbols() - last.symbols() or (kind(side) != kind(last) and (side.symbols() or side.op == "based")):
                if side is answer.args[0] and not relations.names_a_value(side):
                    raise UndecidedError("an equation where the reference is a value")
                continue
            if not self.same(side, last):
                raise ContradictionError("the sides of the chain differ")
        return last

    def before_rounding(self, gold: Node, answer: Node) -> Node:
        """x = sqrt 2 = 1.41 approximately: the exact side is the answer, or the rounded one where the reference is."""
        place = answer.value.index("~")
        exact: Node = answer.args[place]
        rounded: Node = answer.args[place + 1]
        if relations.is_name(exact):
            return rounded
        if gold.op in SCALARS and exact.op in SCALARS and rounded.op in SCALARS:
            hundredth = Fraction(1, 100)
            if not equality.within(exact, rounded, Fraction(0), hundredth):
                raise ContradictionError("the sides of the chain differ")
            if not gold.symbols() and self.scalars(gold, rounded):
                return rounded
        return exact

    def member(self, gold: Node, answer: Node) -> bool:
        """Inside a set, {2} is another element than 2."""
        if "set" in (gold.op, answer.op) and gold.op != answer.op:
            return False
        return self.same(gold, answer)

    def one_against_many(self, gold: Node, answer: Node) -> bool:
        left = list(gold.args) if gold.op in ("set", "list", "empty") else [gold]
        right = list(answer.args) if answer.op in ("set", "list", "empty") else [answer]
        if "set" in (gold.op, answer.op):
            left, right = self.distinct(left), self.distinct(right)
        return match(left, right, self.member if gold.op == answer.op == "set" else self.same)

    def distinct(self, items: list[Node]) -> list[Node]:
        kept: list[Node] = []
        for item in items:
            if not any(_Comparer(None).same(other, item) for other in kept):
                kept.append(item)
        return kept

    # Words

    def texts(self, gold: Node, answer: Node) -> bool:
        if gold.op == answer.op == "text":
            return _plain(gold.value) == _plain(answer.value)
        text, other = (gold, answer) if gold.op == "text" else (answer, gold)
        words = _plain(text.value)
        if other.op == "sym" and len(words) == 1:
            return bool(other.value.lower() == words)
        if other.op in ("empty", "set") and words in _EMPTY:
            return other.op == "empty"
        if words in ("infinity", "positive infinity", "+infinity") and equality.infinity_rank(other):
            return equality.infinity_rank(other) == 1
        if words in _ALL_REALS and (other.op in _REAL_SETS or other.op == "group"):
            return sets.same_set(sets.real_set(other), sets.EVERYTHING)
        letters = "".join(node.value for node in letters_of(other))
        if letters and letters.lower() == words.replace(" ", ""):
            return True
        if (
            kind(other) == "scalar"
            and not other.symbols()
            and not set(words.split()) & _NUMBER_WORDS
            and len(words) > 1
        ):
            return False
        raise UndecidedError("words against a formula")

    # Units

    def quantities(self, gold: Node, answer: Node) -> bool:
        gold, answer = units.joined(gold), units.joined(answer)
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
            return self.same(gold, answer.args[0])
        if answer.op != "qty":
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
                return True
            if self.scalars(gold.args[0], answer):
                raise UndecidedError("the reference is a percentage, the answer lacks the sign")
            return False
        if gold.op not in SCALARS:
            raise UndecidedError("a percentage against something else than a number")
        if self.scalars(gold, answer):
            return True
        size = equality.compare_order(gold, Node("num", value=Fraction(1)))
        return size > 0 and self.scalars(gold, answer.args[0])

    # Relations and sets of reals

    def are_real_sets(self, gold: Node, answer: Node) -> bool:
        """Whether both can be sets of reals and at least one must be."""
        return any(map(_must_be_real_set, (gold, answer))) and all(map(_may_be_real_set, (gold, answer)))

    def relations(self, gold: Node, answer: Node) -> bool:
        for equation, values in ((gold, answer), (answer, gold)):
            if _is_to_solve(equation) and values.op in ("list", "set", "empty") and not values.symbols():
                return sets.same_set(sets.real_set(equation), sets.real_set(Node("set", values.args)))
        left, right = relations.assignment(gold), relations.assignment(answer)
        if left is not None and right is not None:
            if left[0] == right[0]:
                return self.same(left[1], right[1])
            if left[1].symbols() or right[1].symbols():
                if relations.is_function_name(left[0]) and relations.is_function_name(right[0]):
                    return self.same(left[1], right[1])
            else:
                return False
        if left is not None and answer.op != "rel" and kind(answer) in _VALUE_KINDS:
            return self.same(left[1], answer)
        if gold.op == "rel" and answer.op == "rel":
            if gold.value == answer.value:
                try:
                    if self.in_order(gold, answer):
                        return True
                except (UndecidedError, UnsupportedError, UndefinedError):
                    pass
            return relations.same_relation(gold, answer)
        if gold.op == "rel" and answer.op != "rel" and set(gold.value) <= {"=", "~"}:
            # The reference "x + y = 7" asks for the value 7.
            value_asked = relations.names_a_value(gold.args[0]) and not gold.args[-1].symbols()
            if kind(answer) in _VALUE_KINDS and value_asked:
                return self.same(gold.args[-1], answer)
            if answer.op in SCALARS:
                raise UndecidedError("an expression where the reference is an equation")
        if "scalar" in (kind(gold), kind(answer)) and not gold.symbols() | answer.symbols():
            return False
        raise UndecidedError("relations of different shape")

    def list_against_group(self, gold: Node, answer: Node) -> bool:
        """x=1, y=2 against (1,2): by the alphabetical order of the names."""
        listed, group = (gold, answer) if gold.op == "list" else (answer, gold)
        if group.value not in ("()", "<>", "[]"):
            return False  # a half-open interval
        named = [relations.assignment(arg) for arg in listed.args]
        if all(part is not None for part in named):
            pairs = sorted((part for part in named if part is not None), key=lambda part: part[0])
            if len({name for name, _ in pairs}) == len(pairs):
                return self.in_order(Node("group", tuple(value for _, value in pairs)), group)
        if listed.args and all(arg.op == "group" for arg in listed.args):
            return False  # one point against several
        raise UndecidedError("a list against a tuple")

    # Things with parts

    def same_group(self, gold: Node, answer: Node) -> bool:
        if "<>" not in (gold.value, answer.value) and gold.value != answer.value:
            if {gold.value, answer.value} != {"()", "[]"}:
                return False
            if len(gold.args) == 2 and not (gold.symbols() | answer.symbols()):
                try:
                    ascending = equality.compare_order(*gold.args) < 0
                except (UndecidedError, UnsupportedError):
                    ascending = False
                if ascending:
                    return False  # an open and a closed interval
        return self.in_order(gold, answer)

    def in_order(self, gold: Node, answer: Node) -> bool:
        if len(gold.args) != len(answer.args):
            return False
        return all_of([_later(self.same, a, b) for a, b in zip(gold.args, answer.args, strict=True)])

    def same_set(self, gold: Node, answer: Node) -> bool:
        return self.one_against_many(gold, answer)

    def same_list(self, gold: Node, answer: Node) -> bool:
        joints = {gold.value, answer.value}
        if "or" in joints and (joints == {"and", "or"} or (len(joints) > 1 and _names_values(gold))):
            raise UndecidedError("'and' against 'or'")
        return match(list(gold.args), list(answer.args), self.same)

    def same_matrix(self, gold: Node, answer: Node) -> bool:
        return gold.value == answer.value and self.in_order(gold, answer)

    def vectors(self, gold: Node, answer: Node) -> bool:
        """A tuple against a matrix of one row or column, or nested brackets against a matrix."""
        matrix, group = (gold, answer) if gold.op == "matrix" else (answer, gold)
        if all(arg.op == "group" for arg in group.args):
            rows = group.args
            if len({len(row.args) for row in rows}) == 1:
                cells = tuple(cell for row in rows for cell in row.args)
                return self.same_matrix(matrix, Node("matrix", cells, (len(rows), len(rows[0].args))))
        if 1 not in matrix.value:
            return False
        return self.in_order(matrix, group)

    def same_ratio(self, gold: Node, answer: Node) -> bool:
        if len(gold.args) != len(answer.args):
            return False
        first_gold, first_answer = gold.args[0], answer.args[0]
        if self.tolerance is not None:
            raise UndecidedError("a tolerance on a ratio")
        return all_of(
            [
                _later(equality.equal, Node("mul", (a, first_answer)), Node("mul", (b, first_gold)))
                for a, b in zip(gold.args[1:], answer.args[1:], strict=True)
            ]
        )

    def time_against_ratio(self, gold: Node, answer: Node) -> bool:
        time, ratio = (gold, answer) if gold.op == "time" else (answer, gold)
        hour, minute, second, half, has_seconds = time.value
        if half:
            return False
        parts = (hour, minute, second) if has_seconds else (hour, minute)
        return self.same_ratio(Node("ratio", tuple(map(_integer, parts))), ratio)

    def same_time(self, gold: Node, answer: Node) -> bool:
        (left, left_known), (right, right_known) = _seconds(gold), _seconds(answer)
        if left_known == right_known or left_known is right_known is None:
            return left == right
        if left % 43200 != right % 43200:
            if (
                not gold.value[3]
                and not answer.value[3]
                and gold.value[0] * answer.value[1] == gold.value[1] * answer.value[0]
            ):
                raise UndecidedError("times that could be ratios")
            return False
        raise UndecidedError("morning or afternoon is not stated")

    def same_date(self, gold: Node, answer: Node) -> bool:
        if gold.value[0] is None or answer.value[0] is None:
            return bool(gold.value[1:] == answer.value[1:])
        return bool(gold.value == answer.value)

    def same_based(self, gold: Node, answer: Node) -> bool:
        return bool(gold.value[1] == answer.value[1] and gold.value[0].lstrip("0") == answer.value[0].lstrip("0"))

    def same_empty(self, gold: Node, answer: Node) -> bool:
        return True

    def same_named(self, gold: Node, answer: Node) -> bool:
        if gold.value != answer.value and {gold.value, answer.value} <= {"N", "Z+", "Z^+", "Z_+", "Z>0", "N*", "N+"}:
            raise UndecidedError("whether zero is a natural number")
        return bool(gold.value == answer.value)

    def same_cases(self, gold: Node, answer: Node) -> bool:
        return match(list(gold.args), list(answer.args), self.same)

    def same_branch(self, gold: Node, answer: Node) -> bool:
        return self.in_order(gold, answer)

    def same_cong(self, gold: Node, answer: Node) -> bool:
        if len(gold.args) != len(answer.args):
            return False
        return relations.same_congruence(gold, answer)


_VALUE_KINDS = frozenset(
    {"scalar", "group", "set", "matrix", "list", "qty", "percent", "based", "ratio", "text", "time", "empty"}
)
_EMPTY = frozenset(
    f"{start}{kind}{noun}"
    for start in ("no ", "there is no ", "there are no ")
    for kind in ("", "real ")
    for noun in ("solution", "solutions", "root", "roots")
) | {"none", "empty set", "empty", "no such x"}
_ALL_REALS = frozenset(
    {"all real numbers", "all reals", "reals", "real numbers", "any real number", "all real x", "all real"}
)


def kind(node: Node) -> str:
    return "scalar" if node.op in SCALARS else node.op


def _names_values(node: Node) -> bool:
    """x = 1, y = 2: values that only their names tell apart."""
    if node.op != "list":
        return False
    named = [relations.assignment(arg) for arg in node.args]
    return len({part[0] for part in named if part is not None}) > 1 and None not in named


def _values(node: Node) -> tuple[Node, ...]:
    return tuple(arg.args[1] for arg in node.args)


def _holds_vectors(node: Node) -> bool:
    """(1,2) + t(3,4), A^T: arithmetic with tuples or matrices that is not worked out here."""
    return node.op in SCALARS and any(inner.op in ("group", "matrix") for inner in node.walk())


def _is_to_solve(node: Node) -> bool:
    """An equation in one unknown that is not just its value: x^2 = 4."""
    return node.op == "rel" and node.value == ("=",) and len(node.symbols()) == 1 and relations.assignment(node) is None


def _values_of_digits(digits: str, base: int) -> set[int]:
    """What a number without a base could mean: the value, or the digits with the base left out."""
    return {int(digits, base), *({int(digits)} if digits.isdigit() else ())}


def _integer(value: int) -> Node:
    return Node("num", value=Fraction(value))


def _later(same: Callable[[Node, Node], bool], a: Node, b: Node) -> Callable[[], bool]:
    return lambda: same(a, b)


def _is_inequality(node: Node) -> bool:
    return (
        node.op == "rel" and bool(set(node.value) & (sets.INEQUALITIES | {"in", "notin"})) and len(node.symbols()) == 1
    )


def _must_be_real_set(node: Node) -> bool:
    if node.op in _REAL_SETS:
        return not (node.op == "named" and node.value[0] != "R")
    if node.op == "group" and node.value in ("(]", "[)", "]["):
        return True
    if node.op == "group" and len(node.args) == 2 and any(equality.infinity_rank(arg) for arg in node.args):
        return True
    return _is_inequality(node) or (node.op == "list" and any(map(_is_inequality, node.args)))


def _may_be_real_set(node: Node) -> bool:
    if node.op == "list":
        relation = all(arg.op == "rel" and len(arg.symbols()) == 1 for arg in node.args)
        return relation and len(node.symbols()) == 1
    if node.op == "rel":
        return len(node.symbols()) == 1 and set(node.value) <= sets.INEQUALITIES | {"in", "notin", "="}
    if node.op == "group":
        return len(node.args) == 2 and not node.symbols() and all(arg.op in SCALARS for arg in node.args)
    if node.op == "named":
        return bool(node.value[0] == "R")
    return node.op in _REAL_SETS or (node.op in ("set", "empty") and not node.symbols())


def _seconds(node: Node) -> tuple[int, bool | None]:
    """Seconds since midnight, and whether the half of the day is known."""
    hour, minute, second, half, _ = node.value
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    known = True if half or hour >= 13 or hour == 0 else None
    return hour * 3600 + minute * 60 + second, known


def _plain(text: str) -> str:
    words = text.lower().replace("-", " ").replace(",", " ").split()
    if len(words) > 1:
        words = [word for word in words if word not in ("the", "a", "an", "on")]
    return " ".join(words).strip(" .")
