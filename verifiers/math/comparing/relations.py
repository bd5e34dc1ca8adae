"""Equations, inequalities and assignments: what names a value, what two relations share, signs that stand for two."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from flint import fmpz_poly

from verifiers.math.algebra import ball
from verifiers.math.algebra.ball import UndefinedError, UnsupportedError
from verifiers.math.algebra.normal_field import Element, Field
from verifiers.math.algebra.normal_form import normal_form
from verifiers.math.comparing import equality, names
from verifiers.math.comparing.equality import UndecidedError
from verifiers.math.reading.expression import SCALARS, Node, show

FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "=", "!=": "!="}


def tidy(node: Node) -> Node:
    """Gives one shape to what is written in several: signs expanded, (x,y)=(1,2) taken apart, 5 = x turned."""
    if node.op == "where":
        return _without_condition(node)
    if node.op == "lettered":
        return Node("lettered", tuple(map(tidy, node.args)))
    node = expand_signs(node)
    if any(n.op == "sym" and n.value[:5] == "unit " for n in node.walk()):
        node = _from_unit_vectors(node)
    if any(n.op in ("matrix", "group") for n in node.args):
        node = _matrix_arithmetic(node)
    if node.op == "rel" and node.value == ("=",):
        left, right = node.args
        left = _with_braced_names(left) if left.op == right.op == "group" else left
        named_tuple = left.op == right.op == "group" and all(arg.op == "sym" for arg in left.args)
        if named_tuple and len(left.args) == len(right.args):
            pairs = zip(left.args, right.args, strict=True)
            return Node("list", tuple(Node("rel", pair, ("=",)) for pair in pairs), "and")
        if left.op == "group" and right.op == "list":
            return right
        if right.op == "list":
            return tidy(Node("list", tuple(Node("rel", (left, item), ("=",)) for item in right.args), right.value))
        if right.op == "sym" and not left.symbols() and left.op != "sym":
            return Node("rel", (right, left), ("=",))
    if node.op == "rel" and node.value == ("in",) and node.args[0].op in ("sym", "group") and node.args[1].op == "set":
        return node.args[1]
    if node.op == "list":
        items: list[Node] = []
        tuples = _named_tuples(node)
        for arg in tuples or node.args:
            arg = tidy(arg)
            items.extend(arg.args if arg.op == "list" else (arg,))
        first = items[0]
        if first.op == "rel" and first.value in (("=",), ("!=",)) and first.args[0].op in ("sym", "group"):
            # x = 1, 2 and (x,y) = (1,2), (3,4)
            items = [
                i if i.op == "rel" or i.op == "text" else Node("rel", (first.args[0], i), first.value) for i in items
            ]
        named = [assignment(item) for item in items]
        if (
            all(part is not None for part in named)
            and len({part[0] for part in named if part is not None}) == 1
            and len(named) > 1
        ):
            return Node("list", tuple(part[1] for part in named if part is not None), node.value)
        return Node("list", tuple(items), node.value)
    return node


def _named_tuples(node: Node) -> tuple[Node, ...]:
    """The tuples of (x,y) = (5,8) or (x,y) = (8,5); none if the list is another one."""
    made: list[Node] = []
    for item in node.args:
        if item.op == "group" and made:
            made.append(item)
            continue
        if item.op != "rel" or item.value != ("=",) or any(side.op != "group" for side in item.args):
            return ()
        names, values = item.args
        if any(arg.op != "sym" for arg in names.args) or names != node.args[0].args[0]:
            return ()
        made.append(values)
    return tuple(made)


def _without_condition(node: Node) -> Node:
    """The answer without a condition that restricts nothing, and `k is an integer` as the condition of a family."""
    main, *conditions = node.args
    quantifier, words = node.value
    condition = conditions[0] if conditions else None
    main = tidy(main)
    names = main.args[0] if main.op == "rel" else main
    subject = condition.args[0] if condition is not None and condition.op == "rel" else condition
    said = set(words.split()) - _EMPTY_WORDS
    in_set = condition is not None and condition.op == "rel" and condition.value == ("in",)
    domain = condition.args[1] if condition is not None and in_set else None
    about = subject is None or subject.op in ("sym", "list", "group")
    everywhere = about and said <= _DOMAIN_WORDS and (condition is subject or domain in _WHOLE_SETS)
    of_a_function = names.op == "call" or not ("integer" in words or domain == _INTEGERS)
    if quantifier == "all" and everywhere and of_a_function:
        return main
    if said <= {"constant", "constants", "real"} and said & {"constant", "constants"} and condition is subject:
        return main
    if subject is not None and subject.op == "sym" and (said & {"integer", "integers"} or domain == _INTEGERS):
        return Node("list", (main, Node("rel", (subject, _INTEGERS), ("in",))), ",")
    if quantifier == "for" and condition is not None and _is_first_index(condition):
        return main
    return Node("where", (main, *conditions), None)


_EMPTY_WORDS = frozenset(
    {"is", "are", "a", "an", "any", "arbitrary", "the", "of", "integration", "some", "x", "y", "n"}
)
_DOMAIN_WORDS = frozenset({"real", "reals", "number", "numbers", "values", "integer", "integers", "in"})
_INTEGERS = Node("named", value="Z")
_WHOLE_SETS = tuple(Node("named", value=letter) for letter in "RZNQC")


def _is_first_index(node: Node) -> bool:
    """Whether a condition only says where a sequence begins: n >= 1."""
    if node.op != "rel" or node.args[0].op != "sym" or node.args[0].value not in ("n", "k", "m", "j"):
        return False
    return (node.value, node.args[1].value) in (((">=",), 0), ((">=",), 1), ((">",), 0))


_UNIT_VECTORS = ("unit i", "unit j", "unit k")


def _from_unit_vectors(node: Node) -> Node:
    """3i + 4j in unit vectors as the vector of its coefficients; other shapes stay as they are."""
    if node.op in ("rel", "list", "set"):
        return Node(node.op, tuple(map(_from_unit_vectors, node.args)), node.value)
    parts: dict[str, list[Node]] = {}
    for term in node.args if node.op == "add" else (node,):
        found = _coefficient(term)
        if found is None:
            return node
        parts.setdefault(found[0], []).append(found[1])
    size = 3 if "unit k" in parts else 2
    zero = Node("num", value=Fraction(0))
    sums = [parts.get(name, [zero]) for name in _UNIT_VECTORS[:size]]
    return Node("group", tuple(terms[0] if len(terms) == 1 else Node("add", tuple(terms)) for terms in sums), "<>")


def _coefficient(term: Node) -> tuple[str, Node] | None:
    """The unit vector of a term and what it is multiplied by."""
    if term.op == "sym" and term.value in _UNIT_VECTORS:
        return term.value, Node("num", value=Fraction(1))
    if term.op not in ("neg", "mul", "div"):
        return None
    for place, arg in enumerate(term.args):
        if term.op == "div" and place:
            break
        found = _coefficient(arg)
        if found is not None and not any(_holds_unit(other) for other in term.args if other is not arg):
            args = tuple(found[1] if spot == place else other for spot, other in enumerate(term.args))
            return found[0], Node(term.op, args, term.value)
    return None


def _holds_unit(node: Node) -> bool:
    return any(part.op == "sym" and part.value in _UNIT_VECTORS for part in node.walk())


def _matrix_arithmetic(node: Node) -> Node:
    """A matrix or vector times or over a scalar, and its negative, as one matrix or vector."""
    if node.op == "neg":
        return _map_cells(node.args[0], lambda cell: Node("neg", (cell,)))
    if node.op in ("mul", "div") and len(node.args) == 2:
        left, right = node.args
        if left.op in ("matrix", "group") and right.op in SCALARS:
            return _map_cells(left, lambda cell: Node(node.op, (cell, right)))
        named = left.op == "sym" and left.value[:1].isupper() and right.op == "group"  # the point P(3,4), C(n,2)
        if right.op in ("matrix", "group") and left.op in SCALARS and node.op == "mul" and not named:
            return _map_cells(right, lambda cell: Node("mul", (left, cell)))
    return node


def _map_cells(matrix: Node, change: Callable[[Node], Node]) -> Node:
    return Node(matrix.op, tuple(change(cell) for cell in matrix.args), matrix.value)


def _with_braced_names(names: Node) -> Node:
    """The tuple with {x}, the fractional part of x, as a name of its own."""
    args = tuple(
        Node("sym", value=f"{arg.args[0].value} {{}}")
        if arg.op == "set" and [a.op for a in arg.args] == ["sym"]
        else arg
        for arg in names.args
    )
    return Node(names.op, args, names.value)


def refuse_unlike(gold: Node, answer: Node) -> None:
    """Raises UndecidedError for relations that only a unit or the strictness of a subset keeps apart."""
    if {"subset", "subseteq"} <= set(gold.value) | set(answer.value):
        raise UndecidedError("whether a subset may be the whole set")
    for one, other in ((gold, answer), (answer, gold)):
        measured = any(part.op in ("qty", "percent") for part in one.walk())
        if measured and not any(part.op in ("qty", "percent") for part in other.walk()) and not is_name(one.args[0]):
            raise UndecidedError("a unit in an equation")


def is_name(node: Node) -> bool:
    """Whether a tree is a name: x, f(x), P(A), x_1, AB; also e and i, which an equation of their own makes names (an
    eccentricity, a rate)."""
    if node.op in ("sym", "call") or node in _CONSTANT_NAMES:
        return True
    return node.op == "mul" and all(arg.op == "sym" for arg in node.args) and node.args[0].value[:1].isupper()


_CONSTANT_NAMES = (Node("const", value="e"), Node("const", value="i"))


def names_a_value(node: Node) -> bool:
    """Whether `node = 7` can be the answer 7: a name, a closed expression, |S|, P(X=3), f'(2), dy/dx, or a plain sum or
    product of different letters (m+n = 7). Any other left side, and |x|, makes it an equation."""
    if is_name(node) or not node.symbols():
        return True
    if node.op == "fn" and node.value in ("abs", "det", "gcd", "lcm", "max", "min"):
        return not names.is_equation_to_solve(node)
    if node.op in ("add", "mul"):
        letters = [part for arg in node.args for part in (arg.args if arg.op == "mul" == node.op else (arg,))]
        if all(letter.op == "sym" for letter in letters):
            return len({letter.value for letter in letters}) == len(letters)
    if node.op == "div" and all(arg.op == "sym" for arg in node.args):
        return node.args[0] != node.args[1]
    return node.op == "mul" and node.args[0].op == "sym" and node.args[1].op in ("rel", "group")


def assignment(node: Node) -> tuple[str, Node] | None:
    """The parts of `x = …` or `f(x) = …`, with a lone name on the left that the right side does not contain."""
    if node.op != "rel" or node.value != ("=",):
        return None
    left, right = node.args
    if not is_name(left):
        return None
    if left.op == "call" and left.symbols() and right.symbols() and not left.symbols() & right.symbols():
        return None  # f(y) = x^2 is no name for x^2
    if left.op == "sym" and left.value in right.symbols():
        return None
    return (left.value if left.op in ("sym", "const") else show(left)), right


def same_name(gold: Node, answer: Node) -> bool:
    """Names are the same by their whole text: f(2) is not f(3). The variable of f(x) may be called otherwise."""
    if gold == answer:
        return True
    if gold.op != "call" or answer.op != "call" or gold.value != answer.value or len(gold.args) != len(answer.args):
        return False
    if all(arg.op == "sym" for arg in (*gold.args, *answer.args)):
        return all(arg.value[0].islower() for arg in (*gold.args, *answer.args))
    numbers = [equality.as_rational(arg) for arg in (*gold.args, *answer.args)]
    return None not in numbers and numbers[: len(gold.args)] == numbers[len(gold.args) :]


_FONTS = frozenset(["mathrm", "[]", "{}", "mathbf", "boldsymbol", "bm", "vec", "mathcal", "mathfrak", "underline"])
_ACCENTS = frozenset(["hat", "tilde"])


def without_fonts(gold: Node, answer: Node) -> tuple[Node, Node]:
    """Both sides without the fonts and arrows of letters that stand in one font only, on either side."""
    names = gold.symbols() | answer.symbols()
    if not any(" " in name for name in names):
        return gold, answer
    bare: dict[str, str] = {}
    for name in names:
        plain = _undecorated(name, _FONTS)
        if plain == name:
            continue
        letter = plain.partition("_")[0]
        writings = [
            {n.replace(f"_{n.partition('_')[2]}", "") for n in side.symbols() if _letter(n) == letter}
            for side in (gold, answer)
        ]
        if all(len(written) <= 1 for written in writings):
            bare[name] = plain
    return _rename_all(gold, bare), _rename_all(answer, bare)


def without_accents(node: Node) -> Node:
    """The tree without hats, tildes, fonts and raised labels, to see whether two sides differ by them only."""
    if node.op != "sym":
        return Node(node.op, tuple(map(without_accents, node.args)), node.value) if node.args else node
    if (raised := node.value.partition(" ^("))[1]:
        label = raised[2].rstrip(")")
        exponent = Node("num", value=Fraction(label)) if label.isdigit() else Node("sym", value=label)
        return Node("pow", (without_accents(Node("sym", value=raised[0])), exponent))
    return Node("sym", value=_undecorated(node.value, _FONTS | _ACCENTS))


def _undecorated(name: str, decorations: frozenset[str]) -> str:
    letter, _, rest = name.partition(" ")
    decoration, mark, index = rest.partition("_")
    return letter + mark + index if decoration in decorations else name


def _letter(name: str) -> str:
    return name.partition(" ")[0].partition("_")[0]


def renamed_argument(gold: Node, answer: Node, value: Node) -> Node:
    """The right side of f(t) = … with the names that the reference gives to the variables."""
    if gold.op != "call" or not all(arg.op == "sym" for arg in (*gold.args, *answer.args)):
        return value
    names = {other.value: one.value for one, other in zip(gold.args, answer.args, strict=True)}
    if len(set(names.values())) < len(names) or set(names.values()) & (value.symbols() - set(names)):
        return value
    return _rename_all(value, names)


def _rename_all(node: Node, names: dict[str, str]) -> Node:
    if node.op == "sym":
        return Node("sym", value=names.get(node.value, node.value))
    return Node(node.op, tuple(_rename_all(arg, names) for arg in node.args), node.value) if node.args else node


def are_both_functions(gold: Node, answer: Node) -> bool:
    """Whether both are y or a function of variables, f(x)."""
    return all(
        node == Node("sym", value="y")
        or (node.op == "call" and all(arg.op == "sym" for arg in node.args) and node.value[0] in "fghFGHpP")
        or (node.op == "sym" and node.value[0] in "fghFGH" and len(node.value) == 1)
        for node in (gold, answer)
    )


def exact_side(node: Node) -> Node:
    """The reference without its rounded side: sqrt 2 of sqrt 2 = 1.41 approximately."""
    if node.op != "rel" or "~" not in node.value or set(node.value) - {"=", "~"}:
        return node
    place = node.value.index("~")
    if place == 0 and is_name(node.args[0]):
        return Node("rel", node.args[:2], ("=",))
    return Node("rel", node.args[: place + 1], node.value[:place]) if place else node.args[0]


def rounded_side(node: Node) -> Node | None:
    """The value to which the reference rounds its exact side."""
    exact = exact_side(node)
    return None if exact is node or exact.args[-1:] == node.args[-1:] else node.args[-1]


def rename_constant(gold: Node, answer: Node) -> Node:
    """The constant of integration may be called C, c or K."""
    only_gold, only_answer = gold.symbols() - answer.symbols(), answer.symbols() - gold.symbols()
    if len(only_gold) == len(only_answer) == 1 and only_gold | only_answer <= {"C", "c", "K", "k", "C_1", "c_1"}:
        (old,), (new,) = only_answer, only_gold
        return _rename(answer, old, new)
    return answer


_CONSTANTS = frozenset({"A", "B", "C", "C_1", "C_2", "C_3", "c_1", "c_2", "c_3"})


def num_constants(node: Node) -> int:
    """How many constants of integration a function of other symbols may hold."""
    symbols = node.symbols()
    return len(symbols & _CONSTANTS) if symbols - _CONSTANTS else 0


def _rename(node: Node, old: str, new: str) -> Node:
    if node.op == "sym":
        return Node("sym", value=new) if node.value == old else node
    return Node(node.op, tuple(_rename(arg, old, new) for arg in node.args), node.value) if node.args else node


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
    signs = [n.value for n in node.walk() if n.op == "pm"]
    if len(signs) > 1 and len(set(signs)) == 1:
        raise UndecidedError("several signs that move together or apart")
    return Node("list", (_signed(node, 1), _signed(node, -1)), "or")


def _signed(node: Node, sign: int) -> Node:
    args = tuple(_signed(arg, sign) for arg in node.args)
    if node.op == "pm":
        left, right = args
        return Node("add", (left, right if node.value * sign > 0 else Node("neg", (right,))))
    return Node(node.op, args, node.value)


# Relations as a whole


def same_relation(gold: Node, answer: Node) -> bool:
    """Whether two equations or inequalities in any variables say the same. Raises UndecidedError."""
    if len(gold.value) != 1 or len(answer.value) != 1:
        if (
            len(gold.value) == len(answer.value)
            and tuple(FLIPPED.get(o, o) for o in reversed(answer.value)) == gold.value
        ):
            turned = tuple(reversed(answer.args))
            if all(equality.equal(a, b) for a, b in zip(gold.args, turned, strict=True)):
                return True
        return _refute_at_points(gold, answer)
    operator, other = gold.value[0], answer.value[0]
    if operator not in FLIPPED or other not in FLIPPED:
        raise UndecidedError(f"relations {operator} and {other}")
    field = Field()
    try:
        left, right = (_difference(field, node) for node in (gold, answer))
        if field.is_constant(left) or field.is_constant(right):
            raise UndecidedError("a relation that always or never holds")
        quotient = field.div(left, right)
        constant = field.is_constant(quotient)
    except (UnsupportedError, UndefinedError) as error:
        raise UndecidedError(f"unsupported: {error}") from None
    if operator == "=" and other == "=":
        if constant:
            return True
        return _same_zeros(field, left, right)
    if constant:
        sign = field.sign(quotient)
        if sign is not None and other == (operator if sign > 0 else FLIPPED[operator]):
            return True
        if sign is not None:
            return False
    elif not _same_zeros(field, left, right):
        return False  # their boundaries differ
    return _refute_at_points(gold, answer)


def _difference(field: Field, node: Node) -> Element:
    a, b = node.args
    return field.add(normal_form(field, a), field.neg(normal_form(field, b)))


def _same_zeros(field: Field, left: Element, right: Element) -> bool:
    """Polynomial equations: equal when their different irreducible factors are the same; different when a factor of one
    that the other lacks has real zeros, seen on a line through the space."""
    kinds = {field.generators[i].kind for i in field.used(left.top, left.bottom, right.top, right.bottom)}
    if kinds != {"sym"} or any(_meet(side.top, side.bottom) for side in (left, right)):
        raise UndecidedError("equations beyond polynomials with rational coefficients")
    ours = [factor for factor, _ in left.top.factor()[1]]
    theirs = [factor for factor, _ in right.top.factor()[1]]
    odd = [f for f in ours if f not in theirs and -f not in theirs] + [
        f for f in theirs if f not in ours and -f not in ours
    ]
    if not odd:
        return True
    if any(_has_real_zeros(factor) for factor in odd):
        return False
    raise UndecidedError("equations whose real solutions were not compared")


def _meet(top: Any, bottom: Any) -> bool:
    """Whether zeros of the numerator may be poles: then the equation says less than its numerator does. They cannot
    where every factor of the denominator is one variable that, set to zero, leaves a constant of the numerator."""
    if bottom.is_constant():
        return False
    for factor, _ in bottom.factor()[1]:
        used = [index for index, degree in enumerate(factor.degrees()) if int(degree) > 0]
        if len(factor.to_dict()) != 1 or len(used) != 1:
            return True
        rest = [monomial for monomial in top.to_dict() if int(monomial[used[0]]) == 0]
        if len(rest) != 1 or any(int(power) for power in rest[0]):
            return True
    return False


def _has_real_zeros(poly: object) -> bool:
    """Certain when True: on some rational line through the space the polynomial has a real root of odd multiplicity."""
    degrees = [int(d) for d in poly.degrees()]  # type: ignore[attr-defined]
    present = [index for index, degree in enumerate(degrees) if degree > 0]
    for main in present:
        for turn in range(4):
            coefficients: dict[int, Fraction] = {}
            for monomial, coefficient in poly.to_dict().items():  # type: ignore[attr-defined]
                value = Fraction(int(coefficient))
                for index in present:
                    if index != main:
                        value *= Fraction((turn * 3 + index) % 7 - 3, 2) ** int(monomial[index])
                power = int(monomial[main])
                coefficients[power] = coefficients.get(power, Fraction(0)) + value
            scale = 1
            for value in coefficients.values():
                scale *= value.denominator
            line = fmpz_poly([int(coefficients.get(p, Fraction(0)) * scale) for p in range(max(coefficients) + 1)])
            if line.degree() >= 1 and line.degree() % 2 == 1:
                return True
            if line.degree() >= 1 and any(f.degree() == 1 for f, _ in line.factor()[1]):
                return True
            if line.degree() == 2 and int(line[1]) ** 2 > 4 * int(line[0]) * int(line[2]):
                return True
    return False


def _refute_at_points(gold: Node, answer: Node) -> bool:
    symbols = sorted(gold.symbols() | answer.symbols())
    for point in equality.points(symbols):
        truths = [_holds(node, point) for node in (gold, answer)]
        if None not in truths and truths[0] != truths[1]:
            return False
    raise UndecidedError("relations that agree where they were compared, without a proof")


def _holds(node: Node, point: dict[str, Fraction]) -> bool | None:
    result = True
    for a, operator, b in zip(node.args, node.value, node.args[1:], strict=False):
        try:
            with ball.precision(128):
                gap = ball.enclose(a, point, real=True).real - ball.enclose(b, point, real=True).real
        except (UnsupportedError, UndefinedError):
            return None
        if operator in ("<", "<="):
            truth = gap < 0 or (None if not gap > 0 else False)
        elif operator in (">", ">="):
            truth = gap > 0 or (None if not gap < 0 else False)
        elif operator == "!=":
            truth = True if gap < 0 or gap > 0 else None
        else:
            truth = False if gap < 0 or gap > 0 else None
        if truth is None:
            return None
        result = result and truth
    return result


def same_congruence(gold: Node, answer: Node) -> bool:
    """Whether two congruences x = a mod m have the same name, modulus and residue."""
    values = []
    for node in (gold, answer):
        name, residue, modulus = node.args
        numbers = [equality.as_rational(part) for part in (residue, modulus)]
        if numbers[0] is None or numbers[1] is None or any(n is not None and n.denominator != 1 for n in numbers):
            raise UndecidedError("a congruence with other than integers")
        if numbers[1] <= 0:
            raise UndecidedError("a modulus that is not positive")
        values.append((name, int(numbers[0]) % int(numbers[1]), int(numbers[1])))
    return values[0] == values[1]
