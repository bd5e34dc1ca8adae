"""What the left side of `name = value` says where the reference is a value without a name.

`x = 5`, `P(A) = 5` and `|S| = 5` state the value 5. `|x| = 5` is an equation whose solution is another value, and
`f^{-1}(x) = x + 1`, `f(2x) = x + 1` and `g'(x) = x + 1` say what another function is than the one that `f(x) = x + 1`
gives: which of them the problem asks for cannot be seen in the answer.
"""

from __future__ import annotations

import re

from verifiers.math.comparing.equality import UndecidedError
from verifiers.math.reading.expression import SCALARS, Node
from verifiers.math.reading.nouns import is_noun
from verifiers.math.reading.vocabulary import OTHER_VALUE_LABELS, QUANTITIES

DERIVED = "a function derived from another, where the reference gives no name"
"""The reason that stands until the problem is seen to ask for such a function."""
_UNKNOWNS = frozenset("xytnkm")
"""Letters that name an unknown real number or integer rather than a vector, a set or a complex number."""
_DERIVED_SYMBOL = re.compile(r"d?dot |.*'|d\w*/d\w+\Z")
_ONE_OF_SEVERAL = re.compile(r"[xyzt]_[12]\Z")
"""Roots and coordinates are numbered so; the problem that asks for one of them gives its name in the reference."""
_DERIVED_FUNCTION = re.compile(r".*(?:'|\^| )")
_OPERATORS = (Node("sym", value="D"), Node("sym", value="Delta"), Node("sym", value="nabla"))
_PLAIN_FUNCTIONS = frozenset({"abs", "gcd", "lcm", "max", "min"})


def is_equation_to_solve(node: Node) -> bool:
    """|x|, |x-3|, gcd(n, 12): the value of such a side is not the value of the unknown in it."""
    if node.op != "fn" or node.value not in _PLAIN_FUNCTIONS or len(node.symbols()) != 1:
        return False
    (name,) = node.symbols()
    return name in _UNKNOWNS and (len(node.args) == 1 or any(not arg.symbols() for arg in node.args))


def is_function_of_unknown(node: Node) -> bool:
    """2x, x + 1, x^2: worked out from one unknown, so that an equation with it on the left is still to be solved."""
    names = node.symbols()
    return node.op in ("add", "mul", "div", "neg", "pow", "fn") and len(names) == 1 and names <= _UNKNOWNS


def refuse_another(node: Node) -> None:
    """Raises UndecidedError where the left side of an equation names another thing than the value on its right."""
    left, right = node.args[0], node.args[-1]
    if left.op == "sym":
        if left.value in right.symbols():
            raise UndecidedError("an equation where the reference is a value")
        if right.symbols() and _DERIVED_SYMBOL.match(left.value):
            raise UndecidedError(DERIVED)
        if left.value == "Delta" or _names_another(left.value) or _ONE_OF_SEVERAL.match(left.value):
            raise UndecidedError("a name that may be of another value than the answer")
        if right.symbols() and _is_partial_derivative(left.value, right):
            raise UndecidedError(DERIVED)
    elif left.op == "mul" and right.symbols() and _is_operator(left.args[0]):
        raise UndecidedError(DERIVED)
    elif left.op == "call":
        if right.symbols() and not left.symbols() & right.symbols():
            raise UndecidedError("a function of another variable")
        if _names_another(left.value):
            raise UndecidedError("a name that may be of another value than the answer")
        plain = all(arg.op == "sym" or arg.op not in SCALARS or not arg.symbols() for arg in left.args)
        if not plain or (left.symbols() and _DERIVED_FUNCTION.match(left.value)):
            raise UndecidedError(DERIVED)


_ASKS = {
    "'": re.compile(
        r"['′]|\\prime|\\d?dot\b|derivative|differentiat|rate of change|slope|d\w?\s*/\s*d\w|\\d?frac\{d", re.IGNORECASE
    ),
    "^": re.compile(r"\^\s*\{?\s*-\s*1|inverse|⁻¹", re.IGNORECASE),
}


def is_asked_for(side: Node, prompt: str) -> bool:
    """Whether the problem asks for a function derived as the left side of an answer is: its derivative, its inverse."""
    name = str(side.value) if side.op in ("sym", "call") else ""
    plain = side.op == "sym" or all(arg.op == "sym" for arg in side.args)
    if name.endswith("^-1"):
        return plain and _ASKS["^"].search(prompt) is not None
    return plain and _DERIVED_SYMBOL.match(name) is not None and _ASKS["'"].search(prompt) is not None


def _is_operator(node: Node) -> bool:
    """D, Δ and ∇, and f^{(n)}, which the reader takes for a factor."""
    return node in _OPERATORS or (node.op == "sym" and " ^(" in node.value)


def _is_partial_derivative(name: str, value: Node) -> bool:
    """Whether a name is a partial derivative: f_x, where x is a variable of the function."""
    letter, _, index = name.partition("_")
    return len(letter) == 1 and len(index) == 1 and index in "xyzt" and index in value.symbols()


def _names_another(name: str) -> bool:
    """Whether a name is that of something else: x_old, x_wrong, or a word that names no quantity (`Bob`, `guess`)."""
    if name.startswith("text "):
        words = name.removeprefix("text ").lower().split()
        if not words or OTHER_VALUE_LABELS & set(words):
            return True
        return len(name) > len("text x") and not any(word in QUANTITIES or is_noun(word) for word in words)
    return name.partition("_")[2].lower() in OTHER_VALUE_LABELS
