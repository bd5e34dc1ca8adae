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
from verifiers.math.comparing import equality, families, names, relations, sets, wording
from verifiers.math.comparing.equality import UndecidedError, all_of, match
from verifiers.math.comparing.kinds import (
    NOT_WORKED_OUT,
    REAL_SETS,
    STATED_BY_NAME,
    VALUE_KINDS,
    are_numbered,
    are_real_sets,
    as_ratio,
    holds_vectors,
    integer,
    is_to_solve,
    kind,
    names_values,
    only_one_has_units,
    rounded_value,
    same_date,
    same_digits,
    same_letters,
    same_time,
    values,
    values_of_digits,
    without_units,
)
from verifiers.math.comparing.measures import Measures
from verifiers.math.reading import units
from verifiers.math.reading.expression import SCALARS, Node
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
    """Compares two trees. It is total: every failure to decide is an `undecided` with its reason.

    A writing with two readings (`81,256`) verifies where the sides agree in one reading, and refutes where they differ
    in all of them.
    """
    if "either" not in (gold.op, answer.op):
        return _compare(gold, answer, tolerance)
    pairs = [(g, a) for g in _readings(gold) for a in _readings(answer)]
    results = [(_compare(g, a, tolerance), g, a) for g, a in pairs]
    for result, one, other in results:
        if result.status is Status.VERIFIED:
            weak = (gold.op == "either" and gold.value and one is not gold.args[0]) or (
                answer.op == "either" and answer.value and other is not answer.args[0]
            )
            # The parts of 81,256 in another order are the same list only if it is one.
            if weak or (gold.op == "either" and one.op == "list" and not _in_same_order(one, other)):
                return Comparison(Status.UNDECIDED, "commas that may separate numbers or group their digits")
            return result
    if all(result.status is Status.REFUTED for result, _, _ in results):
        return results[0][0]
    if all(result.status is Status.MALFORMED for result, _, _ in results):
        return results[0][0]
    return Comparison(Status.UNDECIDED, "commas that may separate numbers or group their digits")


def _readings(node: Node) -> tuple[Node, ...]:
    return node.args if node.op == "either" else (node,)


def _in_same_order(one: Node, other: Node) -> bool:
    same_shape = other.op == "list" and len(one.args) == len(other.args)
    return same_shape and all(
        _compare(a, b, None).status is Status.VERIFIED for a, b in zip(one.args, other.args, strict=True)
    )


def _compare(gold: Node, answer: Node, tolerance: Tolerance | None) -> Comparison:
    try:
        is_set = answer.op == "set" and gold.op in SCALARS
        whole, rounded = gold, relations.rounded_side(gold)
        gold, answer = relations.tidy(relations.exact_side(gold)), relations.tidy(answer)
        gold, answer = relations.without_fonts(gold, answer)
        if _Comparer(tolerance).same(gold, answer):
            if is_set:
                raise UndecidedError("a set where the reference is its element")
            return Comparison(Status.VERIFIED, "equal to the reference")
        _refuse_accents(gold, answer, tolerance)
        if rounded is not None and _Comparer(tolerance).same(relations.tidy(rounded), answer):
            raise UndecidedError("the rounded side of the reference")
        return Comparison(Status.REFUTED, "differs from the reference")
    except ContradictionError as error:
        return Comparison(Status.MALFORMED, str(error))
    except (UndecidedError, UnsupportedError, FinerExponentError) as error:
        if whole == answer or gold == answer:
            return Comparison(Status.VERIFIED, "written as the reference is")
        if isinstance(error, FinerExponentError):
            return Comparison(Status.UNDECIDED, "exponents that were not brought to one denominator")
        return Comparison(Status.UNDECIDED, str(error))
    except UndefinedError as error:
        return Comparison(Status.UNDECIDED, f"a value that does not exist: {error}")
    except RecursionError:
        return Comparison(Status.UNDECIDED, "nesting too deep")


def _refuse_accents(gold: Node, answer: Node, tolerance: Tolerance | None) -> None:
    """Raises UndecidedError where only accents and raised labels keep two different answers apart."""
    left, right = relations.without_accents(gold), relations.without_accents(answer)
    if (left != gold) != (right != answer) and _Comparer(tolerance).same(left, right):
        raise UndecidedError("a name with an accent or a raised label against one without")


class _Comparer(Measures):
    def __init__(self, tolerance: Tolerance | None) -> None:
        self.tolerance = tolerance

    def same(self, gold: Node, answer: Node) -> bool:
        """Whether two answers are the same, by the first rule of `_RULES` that knows their two kinds."""
        vectors = holds_vectors(gold) or holds_vectors(answer)
        if gold.op in SCALARS and answer.op in SCALARS and not vectors:
            return self.scalars(gold, answer)
        if answer.op == "rel" and gold.op != "rel":
            answer = self.last_side(gold, answer)
            vectors = holds_vectors(gold) or holds_vectors(answer)
        if gold != answer and vectors:
            raise UndecidedError("arithmetic with vectors or matrices")
        for applies, judge in _RULES:
            if applies(gold, answer):
                return judge(self, gold, answer)
        raise UndecidedError(f"a {kind(answer)} against a {kind(gold)}")

    # Pairs of kinds (the rules choose among these)

    def as_written(self, gold: Node, answer: Node) -> bool:
        if gold == answer:
            return True
        raise UndecidedError("parts that are left out")

    def conditions(self, gold: Node, answer: Node) -> bool:
        """Compares answers such as `x^2 where x > 0`. A condition on one side only is open."""
        main_gold, *under = gold.args if gold.op == "where" else (gold,)
        main_answer, *other = answer.args if answer.op == "where" else (answer,)
        if not self.same(main_gold, main_answer):
            return False
        if under and other and self.same(under[0], other[0]):
            return True
        raise UndecidedError("a condition behind the answer")

    def real_sets(self, gold: Node, answer: Node) -> bool:
        left, right = sets.real_set(gold), sets.real_set(answer)
        if not sets.same_set(left, right):
            if self.tolerance is not None:
                raise UndecidedError("a tolerance on a set")
            return False
        named = (gold.op in STATED_BY_NAME and answer.op in STATED_BY_NAME) or gold.op == answer.op == "builder"
        if named and gold.symbols() != answer.symbols():
            raise UndecidedError("the same values of another variable")
        if left in ([], sets.EVERYTHING) and gold.op == answer.op == "rel" and not self.same_sides(gold, answer):
            raise UndecidedError("relations that hold always or never")
        return True

    def same_sides(self, gold: Node, answer: Node) -> bool:
        """Whether the sides are equal one by one, read forwards or backwards."""
        turned = tuple(relations.FLIPPED.get(operator, operator) for operator in reversed(answer.value))
        for operators, sides in ((answer.value, answer.args), (turned, tuple(reversed(answer.args)))):
            if operators == gold.value and self.in_order(gold, Node("rel", sides, operators)):
                return True
        return False

    def lists_by_name(self, gold: Node, answer: Node) -> bool:
        if not self.one_against_many(Node("list", values(gold)), answer):
            return False
        raise UndecidedError("values without the names that the reference gives them")

    def unnamed(self, gold: Node, answer: Node) -> bool:
        raise UndecidedError("values without the names that the reference gives them")

    def lettered(self, gold: Node, answer: Node) -> bool:
        if gold.op == answer.op:
            return self.in_order(gold, answer)
        raise UndecidedError("an answer in parts against one that has none")

    def same_kind(self, gold: Node, answer: Node) -> bool:
        return _SAME_KIND[kind(gold)](self, gold, answer)

    def ratio_against_number(self, gold: Node, answer: Node) -> bool:
        ratio, scalar = (gold, answer) if gold.op in ("ratio", "time") else (answer, gold)
        if ratio.op == "time":
            ratio = Node("ratio", tuple(map(integer, ratio.value[:2])))
        if len(ratio.args) == 2 and self.scalars(Node("div", ratio.args), scalar):
            raise UndecidedError("a ratio against a fraction")
        return False

    def base_on_one_side(self, gold: Node, answer: Node) -> bool:
        based, other = (gold, answer) if gold.op == "based" else (answer, gold)
        if kind(other) == "scalar":
            number = equality.as_rational(other)
            if number is not None and number not in values_of_digits(*based.value):
                return False
        raise UndecidedError("a base on one side only")

    def different(self, gold: Node, answer: Node) -> bool:
        return False

    def families(self, gold: Node, answer: Node) -> bool:
        return families.same(gold, answer)

    def scalars(self, gold: Node, answer: Node) -> bool:
        if self.tolerance is not None and not gold.symbols() and not answer.symbols():
            if answer.op == "deg" and gold.op != "deg" and equality.as_rational(gold) is not None:
                answer = answer.args[0]  # as below
            return equality.within(gold, answer, self.tolerance.abs, self.tolerance.rel)
        if equality.equal(gold, relations.rename_constant(gold, answer)):
            if answer.op == "fn" and answer.value == "mod" and gold != answer and equality.equal(gold, answer.args[0]):
                raise UndecidedError("a number and its modulus, where the reference has none")
            return True
        if answer.op == "mul" and answer.args[1].op == "sym" and answer.args[1].value in "kKM" and not gold.symbols():
            raise UndecidedError("a letter that could mean thousands or millions")
        if answer.symbols() and not gold.symbols():
            product = units.as_product(answer)
            if product is not None and self.same(gold, product.args[0]):
                raise UndecidedError("a letter that could be a unit")
        if same_letters(gold, answer):
            raise UndecidedError("letters that may be a product or a name")
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
        if kind(gold) in VALUE_KINDS and not (gold.op in ("list", "set") and is_to_solve(answer)):
            names.refuse_another(answer)
        named = relations.assignment(answer)
        sides = list(answer.args)
        if named is not None and len(sides) == 2 and set(answer.value) == {"="}:
            return named[1] if kind(gold) in VALUE_KINDS else answer
        if kind(gold) not in VALUE_KINDS or (gold.op in ("list", "set") and is_to_solve(answer)):
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
            if any(part.op in NOT_WORKED_OUT for part in side.walk()):
                continue
            if not self.same(side, last):
                raise ContradictionError("the sides of the chain differ")
        return last

    def before_rounding(self, gold: Node, answer: Node) -> Node:
        """The exact side of x = sqrt 2 = 1.41 (approximately), or the rounded one where the reference is."""
        place = answer.value.index("~")
        exact: Node = answer.args[place]
        rounded: Node = answer.args[place + 1]
        if relations.is_name(exact):
            return rounded_value(rounded)
        if {exact.op, rounded.op} & {"qty", "percent"}:
            return self.measures_before_rounding(exact, rounded)
        if gold.op in SCALARS and exact.op in SCALARS and rounded.op in SCALARS:
            hundredth = Fraction(1, 100)
            if not equality.within(exact, rounded, Fraction(0), hundredth):
                raise ContradictionError("the sides of the chain differ")
            if not gold.symbols() and self.scalars(gold, rounded):
                return rounded
        return exact

    def measures_before_rounding(self, exact: Node, rounded: Node) -> Node:
        """2/3 dollars = 0.67 dollars approximately: the exact side, if both measure about the same."""
        close = _Comparer(Tolerance(rel=Fraction(1, 100)))
        if not close.same(exact, rounded):
            raise ContradictionError("the sides of the chain differ")
        return exact

    def member(self, gold: Node, answer: Node) -> bool:
        """Inside a set, {2} is another element than 2."""
        if "set" in (gold.op, answer.op) and gold.op != answer.op:
            return False
        return self.same(gold, answer)

    def one_against_many(self, gold: Node, answer: Node) -> bool:
        left = list(gold.args) if gold.op in ("set", "list", "empty") else [gold]
        right = list(answer.args) if answer.op in ("set", "list", "empty") else [answer]
        unsure: list[UndecidedError] = []
        if "set" in (gold.op, answer.op):
            left, right = self.distinct(left, unsure), self.distinct(right, unsure)
        if match(left, right, self.member if gold.op == answer.op == "set" else self.part):
            return True
        if unsure:
            raise unsure[0]
        return False

    def part(self, gold: Node, answer: Node) -> bool:
        """As `same`, for a part of a list or tuple: there {2} may be meant as 2 or as a set."""
        if "set" in (gold.op, answer.op) and (gold.op in SCALARS or answer.op in SCALARS) and self.same(gold, answer):
            raise UndecidedError("a set where the other side has its element")
        return self.same(gold, answer)

    def distinct(self, items: list[Node], unsure: list[UndecidedError]) -> list[Node]:
        """The items without repetitions; what may or may not be one is kept, and noted in `unsure`."""
        kept: list[Node] = []
        for item in items:
            try:
                if any(_Comparer(None).same(other, item) for other in kept):
                    continue
            except UndecidedError as error:
                unsure.append(error)
            kept.append(item)
        return kept

    # Words

    def texts(self, gold: Node, answer: Node) -> bool:
        if gold.op == answer.op == "text":
            return wording.same_words(gold.value, answer.value)
        return wording.words_against(gold, answer)

    # Relations and sets of reals

    def relations(self, gold: Node, answer: Node) -> bool:
        for equation, others in ((gold, answer), (answer, gold)):
            if is_to_solve(equation) and others.op in ("list", "set", "empty") and not others.symbols():
                return sets.same_set(sets.real_set(equation), sets.real_set(Node("set", others.args)))
        left, right = relations.assignment(gold), relations.assignment(answer)
        if left is not None and right is not None:
            if relations.same_name(gold.args[0], answer.args[0]):
                if not self.same(left[1], relations.renamed_argument(gold.args[0], answer.args[0], right[1])):
                    return False
                if gold.args[0].symbols() != answer.args[0].symbols():
                    raise UndecidedError("a function of another variable")
                if gold.args[0] != answer.args[0] and gold.args[0].op == "call" and len(gold.args[0].args) > 1:
                    raise UndecidedError("the arguments of a function in another order")
                return True
            if relations.are_both_functions(gold.args[0], answer.args[0]):
                return self.other_function(left, right)
            if not (left[1].symbols() or right[1].symbols()):
                if sorted(left[0]) == sorted(right[0]) and self.same(left[1], right[1]):
                    raise UndecidedError("names of the same letters in another order")
                return False
        if left is not None and answer.op != "rel" and kind(answer) in VALUE_KINDS:
            return self.same(left[1], answer)
        if gold.op == "rel" and answer.op == "rel":
            relations.refuse_unlike(gold, answer)
            if not gold.symbols() and not answer.symbols():
                return self.same_sides(gold, answer)
            if gold.value == answer.value:
                try:
                    alike = all_of([_later(self.member, *pair) for pair in zip(gold.args, answer.args, strict=False)])
                    if alike and len(gold.args) == len(answer.args) and gold.symbols() == answer.symbols():
                        return True
                except (UndecidedError, UnsupportedError, UndefinedError):
                    pass
            return relations.same_relation(gold, answer)
        if gold.op == "rel" and answer.op != "rel" and set(gold.value) <= {"=", "~"}:
            # The reference "x + y = 7" asks for the value 7.
            value_asked = relations.names_a_value(gold.args[0]) and not gold.args[-1].symbols()
            if kind(answer) in VALUE_KINDS and value_asked:
                return self.same(gold.args[-1], answer)
            if answer.op in SCALARS:
                raise UndecidedError("an expression where the reference is an equation")
        if "scalar" in (kind(gold), kind(answer)) and not gold.symbols() | answer.symbols():
            return False
        raise UndecidedError("relations of different shape")

    def other_function(self, gold: tuple[str, Node], answer: tuple[str, Node]) -> bool:
        """Whether two equations name different functions: y = x^2 is f(x) = x^2, but f may not be g."""
        if not self.same(gold[1], answer[1]):
            return False
        if "y" in (gold[0], answer[0]):
            return True
        raise UndecidedError("functions of different names")

    def list_against_group(self, gold: Node, answer: Node) -> bool:
        """Compares x=1, y=2 with (1,2), by the alphabetical order of the names."""
        listed, group = (gold, answer) if gold.op == "list" else (answer, gold)
        if group.value not in ("()", "<>", "[]"):
            return False  # a half-open interval
        named = [relations.assignment(arg) for arg in listed.args]
        if all(part is not None for part in named):
            pairs = sorted((part for part in named if part is not None), key=lambda part: part[0])
            if any("(" in name for name, _ in pairs):
                raise UndecidedError("values of a function against a tuple")
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
        if only_one_has_units(gold, answer) and self.in_order(without_units(gold), without_units(answer)):
            raise UndecidedError("numbers without the nouns or units that tell them apart")
        return self.in_order(gold, answer)

    def in_order(self, gold: Node, answer: Node) -> bool:
        if len(gold.args) != len(answer.args):
            return False
        return all_of([_later(self.part, a, b) for a, b in zip(gold.args, answer.args, strict=True)])

    def same_set(self, gold: Node, answer: Node) -> bool:
        return self.one_against_many(gold, answer)

    def same_list(self, gold: Node, answer: Node) -> bool:
        joints = {gold.value, answer.value}
        if "or" in joints and (joints == {"and", "or"} or (len(joints) > 1 and names_values(gold))):
            raise UndecidedError("'and' against 'or'")
        if names_values(gold) and names_values(answer):
            return self.by_name(gold, answer)
        if names_values(answer) and not any(arg.op == "rel" for arg in gold.args):
            same = match(list(gold.args), list(values(answer)), self.part)
            if not same or are_numbered(answer):
                return same
            raise UndecidedError("names of values, where the reference gives none")
        if only_one_has_units(gold, answer):
            if not match(list(without_units(gold).args), list(without_units(answer).args), self.same):
                return False
            raise UndecidedError("numbers without the nouns or units that tell them apart")
        return match(list(gold.args), list(answer.args), self.part)

    def by_name(self, gold: Node, answer: Node) -> bool:
        """Compares values by their names, in any order: x = 1, y = 2."""
        if len(gold.args) != len(answer.args):
            return False
        pairs = []
        for item in gold.args:
            found = [other for other in answer.args if relations.same_name(item.args[0], other.args[0])]
            if len(found) != 1:
                return False
            pairs.append((item, found[0]))
        return all_of([_later(self.relations, item, other) for item, other in pairs])

    def same_matrix(self, gold: Node, answer: Node) -> bool:
        same = gold.value == answer.value and self.in_order(gold, answer)
        if same and gold.symbols() != answer.symbols():
            raise UndecidedError("a matrix with another variable")
        return same

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
        """12:30 may be a time or a ratio. As a reference it is a time first; against a plain ratio it is a ratio."""
        time, ratio = (gold, answer) if gold.op == "time" else (answer, gold)
        if time.value[3] or not self.same_ratio(as_ratio(time), ratio):
            return False
        if gold.op == "time" or time.value[1] < 10:  # 1:02 has a zero that only a time has
            raise UndecidedError("a time that could be a ratio")
        return True

    def same_named(self, gold: Node, answer: Node) -> bool:
        if gold.value != answer.value and {gold.value, answer.value} <= {"N", "Z+", "Z^+", "Z_+", "Z>0", "N*", "N+"}:
            raise UndecidedError("whether zero is a natural number")
        return bool(gold.value == answer.value)

    def same_cases(self, gold: Node, answer: Node) -> bool:
        return match(list(gold.args), list(answer.args), self.same)

    def same_cong(self, gold: Node, answer: Node) -> bool:
        if len(gold.args) != len(answer.args):
            return False
        return relations.same_congruence(gold, answer)


def _later(same: Callable[[Node, Node], bool], a: Node, b: Node) -> Callable[[], bool]:
    return lambda: same(a, b)


_Rule = tuple[Callable[[Node, Node], bool], Callable[[_Comparer, Node, Node], bool]]


def _has(*kinds: str) -> Callable[[Node, Node], bool]:
    """Whether one side is of such a kind."""
    return lambda gold, answer: kind(gold) in kinds or kind(answer) in kinds


def _both(*kinds: str) -> Callable[[Node, Node], bool]:
    return lambda gold, answer: kind(gold) in kinds and kind(answer) in kinds


def _pair(one: str, other: str) -> Callable[[Node, Node], bool]:
    return lambda gold, answer: {kind(gold), kind(answer)} == {one, other}


_RULES: tuple[_Rule, ...] = (
    (_both("scalar"), _Comparer.scalars),
    (_has("where"), _Comparer.conditions),
    (lambda g, a: any(arg.op == "dots" for arg in (*g.args, *a.args)), _Comparer.as_written),
    (_has("lettered"), _Comparer.lettered),
    (_has("text"), _Comparer.texts),
    (lambda g, a: families.is_family(g) or families.is_family(a), _Comparer.families),
    (_has("qty", "percent"), _Comparer.quantities),
    (lambda g, a: kind(g) == "scalar" and units.joined(a) is not a, _Comparer.quantities),
    (lambda g, a: are_real_sets(g, a), _Comparer.real_sets),
    (_has("rel"), _Comparer.relations),
    (lambda g, a: g.op == a.op == "list" and names_values(g) and not names_values(a), _Comparer.lists_by_name),
    (lambda g, a: kind(g) == kind(a) and kind(g) in _SAME_KIND, _Comparer.same_kind),
    (_both("group", "matrix"), _Comparer.vectors),
    (lambda g, a: names_values(g) and a.op in ("list", "set"), _Comparer.unnamed),
    (_both("list", "scalar", "set", "empty"), _Comparer.one_against_many),
    (_pair("list", "group"), _Comparer.list_against_group),
    (_pair("time", "ratio"), _Comparer.time_against_ratio),
    (lambda g, a: a.op == "time" and kind(g) == "scalar" and not a.value[3], _Comparer.ratio_against_number),
    (_pair("ratio", "scalar"), _Comparer.ratio_against_number),
    (_has("based"), _Comparer.base_on_one_side),
    (
        lambda g, a: _has("scalar")(g, a) and _has("time", "date", "group", "matrix", "empty", *REAL_SETS)(g, a),
        _Comparer.different,
    ),
)
"""What judges a pair of answers: the first rule whose condition holds. The order is that of docs/math_answers.md."""
_SAME_KIND: dict[str, Callable[[_Comparer, Node, Node], bool]] = {
    "group": _Comparer.same_group,
    "set": _Comparer.same_set,
    "list": _Comparer.same_list,
    "matrix": _Comparer.same_matrix,
    "ratio": _Comparer.same_ratio,
    "time": lambda _, gold, answer: same_time(gold, answer),
    "date": lambda _, gold, answer: same_date(gold, answer),
    "based": lambda _, gold, answer: same_digits(gold, answer),
    "empty": lambda *_: True,
    "named": _Comparer.same_named,
    "cases": _Comparer.same_cases,
    "branch": _Comparer.in_order,
    "cong": _Comparer.same_cong,
}
