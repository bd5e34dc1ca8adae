"""What kind of answer a tree is: a number, a set of reals, values with names, a string of letters."""

from __future__ import annotations

from fractions import Fraction

from verifiers.math.algebra.ball import UndefinedError, UnsupportedError
from verifiers.math.algebra.normal_field import FinerExponentError
from verifiers.math.comparing import equality, relations, sets
from verifiers.math.comparing.equality import UndecidedError
from verifiers.math.reading.expression import SCALARS, Node
from verifiers.math.reading.vocabulary import GREEK

REAL_SETS = frozenset({"union", "inter", "setminus", "named", "builder"})
VALUE_KINDS = frozenset(
    "scalar group set matrix list qty percent based ratio text time empty cases int lim".split()  # noqa: SIM905
)
STATED_BY_NAME = frozenset({"rel", "list"})
"""What describes a set of reals by naming its variable: x > 1."""
NOT_WORKED_OUT = frozenset({"int", "lim", "dots", "bigcup", "bigcap"})
"""Nodes that the exact engine only carries along."""


def kind(node: Node) -> str:
    return "scalar" if node.op in SCALARS else node.op


def names_values(node: Node) -> bool:
    """Whether only their names tell values apart: x = 1, y = 2."""
    if node.op != "list":
        return False
    named = [relations.assignment(arg) for arg in node.args]
    return len({part[0] for part in named if part is not None}) > 1 and None not in named


def are_numbered(node: Node) -> bool:
    """Whether only numbers behind one letter tell values apart, as those of an equation's roots: x_1 = 2, x_2 = 3."""
    names = [arg.args[0] for arg in node.args]
    letters = {name.value.partition("_")[0] for name in names if name.op == "sym" and "_" in name.value}
    return len(letters) == 1 and all(name.op == "sym" and "_" in name.value for name in names)


def values(node: Node) -> tuple[Node, ...]:
    return tuple(arg.args[1] for arg in node.args)


def holds_vectors(node: Node) -> bool:
    """Whether an expression calculates with tuples or matrices, which is not worked out here: (1,2) + t(3,4), A^T."""
    return node.op in SCALARS and any(inner.op in ("group", "matrix") for inner in node.walk())


def is_to_solve(node: Node) -> bool:
    """An equation in one unknown that is not just its value: x^2 = 4."""
    return node.op == "rel" and node.value == ("=",) and len(node.symbols()) == 1 and relations.assignment(node) is None


def values_of_digits(digits: str, base: int) -> set[int]:
    """What a number without a base could mean: the value, or the digits with the base left out."""
    return {int(digits, base), *({int(digits)} if digits.isdigit() else ())}


def integer(value: int) -> Node:
    return Node("num", value=Fraction(value))


def is_inequality(node: Node) -> bool:
    return (
        node.op == "rel" and bool(set(node.value) & (sets.INEQUALITIES | {"in", "notin"})) and len(node.symbols()) == 1
    )


def are_real_sets(gold: Node, answer: Node) -> bool:
    """Whether both can be sets of reals and at least one must be."""
    return any(map(must_be_real_set, (gold, answer))) and all(map(may_be_real_set, (gold, answer)))


def must_be_real_set(node: Node) -> bool:
    if node.op in REAL_SETS:
        return not (node.op == "named" and node.value[0] != "R")
    if node.op == "group" and node.value in ("(]", "[)", "]["):
        return True
    if node.op == "group" and len(node.args) == 2 and any(equality.infinity_rank(arg) for arg in node.args):
        return True
    return is_inequality(node) or (node.op == "list" and any(map(is_inequality, node.args)))


def may_be_real_set(node: Node) -> bool:
    if node.op == "list":
        relation = all(arg.op == "rel" and len(arg.symbols()) == 1 for arg in node.args)
        return relation and len(node.symbols()) == 1
    if node.op == "rel":
        return len(node.symbols()) == 1 and set(node.value) <= sets.INEQUALITIES | {"in", "notin", "="}
    if node.op == "group":
        return len(node.args) == 2 and not node.symbols() and all(arg.op in SCALARS for arg in node.args)
    if node.op == "named":
        return bool(node.value[0] == "R")
    return node.op in REAL_SETS or (node.op in ("set", "empty") and not node.symbols())


def as_ratio(time: Node) -> Node:
    hour, minute, second, _, has_seconds = time.value
    return Node("ratio", tuple(map(integer, (hour, minute, second) if has_seconds else (hour, minute))))


def seconds(node: Node) -> tuple[int, bool | None]:
    """Seconds since midnight, and whether the half of the day is known."""
    hour, minute, second, half, _ = node.value
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    known = True if half or hour >= 13 or hour == 0 else None
    return hour * 3600 + minute * 60 + second, known


def same_time(gold: Node, answer: Node) -> bool:
    """The same moment of the day. Raises UndecidedError where it is open what the numbers count."""
    (left, left_known), (right, right_known) = seconds(gold), seconds(answer)
    bare = not gold.value[3] and not answer.value[3]
    if bare and gold.value[4] != answer.value[4]:
        raise UndecidedError("hours and minutes, or minutes and seconds")
    if left != right and bare and gold.value[0] * answer.value[1] == gold.value[1] * answer.value[0]:
        raise UndecidedError("times that could be ratios")
    if left_known == right_known or left % 43200 != right % 43200:
        return left == right
    raise UndecidedError("morning or afternoon is not stated")


def rounded_value(node: Node) -> Node:
    """The value of `x ≈ 3.14`. A whole number behind the sign tells no digit of the exact value."""
    if not node.has_decimals() and (node.op == "num" or node.symbols()):
        raise UndecidedError("a value that is only approximate")
    return node


def same_date(gold: Node, answer: Node) -> bool:
    """The same day; the year may be left out on one side."""
    if gold.value[0] is None or answer.value[0] is None:
        return bool(gold.value[1:] == answer.value[1:])
    return bool(gold.value == answer.value)


def same_digits(gold: Node, answer: Node) -> bool:
    """The same number in the same base."""
    return bool(gold.value[1] == answer.value[1] and gold.value[0].lstrip("0") == answer.value[0].lstrip("0"))


def has_mixed_units(node: Node) -> bool:
    """10 cm, 20 kg; 10%, 20: parts that differ by what stands behind them."""
    marks = {arg.value if arg.op == "qty" else arg.op if arg.op in ("percent", "deg") else "" for arg in node.args}
    return len(marks) > 1


def only_one_has_units(gold: Node, answer: Node) -> bool:
    """Whether one side tells its parts apart by units or signs and the other has bare numbers."""
    for one, other in ((gold, answer), (answer, gold)):
        bare = any(arg.op in SCALARS and arg.op != "deg" for arg in other.args)
        if has_mixed_units(one) and bare and not has_mixed_units(other):
            return True
    return False


def without_units(node: Node) -> Node:
    """The parts as bare numbers."""
    return Node(node.op, tuple(a.args[0] if a.op in ("qty", "percent", "deg") else a for a in node.args), node.value)


def same_letters(gold: Node, answer: Node) -> bool:
    """Whether both hold names of several letters (AB, HTH) and would be equal if those were products."""
    if not any(is_string(part) for node in (gold, answer) for part in node.walk()):
        return False
    left, right = spelled_out(gold), spelled_out(answer)
    try:
        return equality.equal(left, right)
    except (UndecidedError, UnsupportedError, UndefinedError, FinerExponentError):
        return True


def is_string(node: Node) -> bool:
    if node.op != "sym" or len(node.value) < 2 or not node.value.isalpha():
        return False
    return bool(node.value.isupper() or (len(set(node.value)) < len(node.value) and node.value not in GREEK))


def spelled_out(node: Node) -> Node:
    if is_string(node):
        product = Node("sym", value=node.value[0])
        for letter in node.value[1:]:
            product = Node("mul", (product, Node("sym", value=letter)))
        return product
    return Node(node.op, tuple(map(spelled_out, node.args)), node.value) if node.args else node
