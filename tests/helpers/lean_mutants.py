"""Small theorems with right proofs, a seeded mutator of their statements, and an oracle that knows nothing of Lean.

A statement is written in a part of Lean's language that both Lean and this file read: numbers or propositions as
variables, hypotheses, arithmetic, comparisons, connectives. The oracle tries every small value of the variables, so
that a counterexample is certain, and for propositions and closed arithmetic the lack of one is, too.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import re
from collections.abc import Iterator
from typing import Any

Tree = tuple[Any, ...]
"""`("num", n)`, `("var", name)`, `("¬", tree)` or `(operator, left, right)`."""

_RIGHT = {"↔": 20, "→": 25, "∨": 30, "∧": 35}
_COMPARE = {"=": 50, "≠": 50, "<": 50, "≤": 50, ">": 50, "≥": 50}
_LEFT = {"+": 65, "-": 65, "*": 70, "/": 70, "%": 70}
_BINDING = {**_RIGHT, **_COMPARE, **_LEFT}
_TOKEN = re.compile(r"\s*(\d+|[a-z]\w*|[^\s\w])")


def parse(text: str) -> Tree:
    """Lean's precedences."""
    tokens = _TOKEN.findall(text)
    tree, rest = _parse(tokens, 0)
    assert not rest, (text, rest)
    return tree


def _parse(tokens: list[str], least: int) -> tuple[Tree, list[str]]:
    head, rest = tokens[0], tokens[1:]
    if head == "(":
        left, rest = _parse(rest, 0)
        assert rest[0] == ")", rest
        rest = rest[1:]
    elif head == "¬":
        inner, rest = _parse(rest, 40)
        left = ("¬", inner)
    else:
        left = ("num", int(head)) if head.isdigit() else ("var", head)
    while rest and (binding := _BINDING.get(rest[0], -1)) >= least and binding > 0:
        operator = rest[0]
        right, rest = _parse(rest[1:], binding if operator in _RIGHT else binding + 1)
        left = (operator, left, right)
    return left, rest


def shown(tree: Tree, sort: str) -> str:
    """As Lean text, with every parenthesis."""
    match tree:
        case ("num", number):
            return f"({number} : {sort})"
        case ("var", name):
            return str(name)
        case ("¬", inner):
            return f"(¬ {shown(inner, sort)})"
        case (operator, left, right):
            return f"({shown(left, sort)} {operator} {shown(right, sort)})"
    raise AssertionError(tree)


def value(tree: Tree, values: dict[str, Any], sort: str) -> Any:
    """What Lean's definitions compute: subtraction of naturals ends at 0, and x / 0 = 0, x % 0 = x."""
    match tree:
        case ("num", number):
            return number
        case ("var", name):
            return values[name]
        case ("¬", inner):
            return not value(inner, values, sort)
    operator, left, right = tree[0], value(tree[1], values, sort), value(tree[2], values, sort)
    match operator:
        case "+" | "*":
            return left + right if operator == "+" else left * right
        case "-":
            return max(0, left - right) if sort == "Nat" else left - right
        case "/":
            return left // right if right else 0
        case "%":
            return left % right if right else left
        case "=" | "≠" | "↔":
            return (left != right) if operator == "≠" else left == right
        case "<" | "≤":
            return left < right if operator == "<" else left <= right
        case ">" | "≥":
            return left > right if operator == ">" else left >= right
        case "∧" | "∨" | "→":
            return {"∧": left and right, "∨": left or right, "→": not left or right}[operator]
    raise AssertionError(tree)


@dataclasses.dataclass(frozen=True)
class Statement:
    """`sort` is Nat, Int or Prop: that of all variables."""

    sort: str
    variables: tuple[str, ...]
    hypotheses: tuple[Tree, ...]
    conclusion: Tree

    def lean(self, name: str = "t") -> str:
        binders = f" ({' '.join(self.variables)} : {self.sort})" if self.variables else ""
        sort = "Nat" if self.sort == "Prop" else self.sort
        assumed = "".join(f" (h{i} : {shown(h, sort)})" for i, h in enumerate(self.hypotheses, 1))
        return f"theorem {name}{binders}{assumed} : {shown(self.conclusion, sort)}"

    def is_refuted(self) -> bool:
        """Whether some small values of the variables refute it."""
        small = {"Nat": range(6), "Int": range(-3, 4), "Prop": (False, True)}[self.sort]
        for values in itertools.product(small, repeat=len(self.variables)):
            given = dict(zip(self.variables, values, strict=True))
            if all(value(h, given, self.sort) for h in self.hypotheses) and not value(
                self.conclusion, given, self.sort
            ):
                return True
        return False


@dataclasses.dataclass(frozen=True)
class Subject:
    """A statement and a text that proves it."""

    statement: Statement
    proof: str


def _subject(sort: str, variables: str, hypotheses: str, conclusion: str, proof: str) -> Subject:
    assumed = tuple(parse(h) for h in hypotheses.split(",") if h.strip())
    return Subject(Statement(sort, tuple(variables.split()), assumed, parse(conclusion)), proof)


SUBJECTS = [
    _subject("Nat", "a b c", "a < b, b < c", "a + 2 ≤ c", "by omega"),
    _subject("Nat", "a b", "a ≤ b", "a - b = 0", "by omega"),
    _subject("Nat", "a b", "", "a + b = b + a", "Nat.add_comm a b"),
    _subject("Nat", "a b c", "", "(a + b) + c = a + (b + c)", "by\n  rw [Nat.add_assoc]"),
    _subject("Nat", "a b", "", "(a * b) + a = a * (b + 1)", "by\n  rw [Nat.mul_add, Nat.mul_one]"),
    _subject("Nat", "a", "", "a < a + 1", "Nat.lt_succ_self a"),
    _subject("Nat", "a", "0 < a", "a - 1 + 1 = a", "by\n  omega"),
    _subject("Nat", "a b", "a % 2 = 0, b % 2 = 0", "(a + b) % 2 = 0", "by omega"),
    _subject("Nat", "a b", "a < b, b < a + 2", "b = a + 1", "by\n  have := h1\n  omega"),
    _subject("Nat", "a b", "a + b = 5, a > b", "a ≥ 3 ∧ b ≤ 2", "⟨by omega, by omega⟩"),
    _subject("Nat", "a", "", "a = 0 ∨ a > 0", "by\n  cases a with\n  | zero => simp\n  | succ n => simp"),
    _subject("Nat", "a", "", "a * 0 = 0", "by simp"),
    _subject("Nat", "a b", "a = b", "a * a = b * b", "by\n  subst h1\n  rfl"),
    _subject("Nat", "", "", "12 * 3 + 4 = 40", "by decide"),
    _subject("Nat", "", "", "(7 - 9) + 17 / 5 = 3", "rfl"),
    _subject("Nat", "", "", "(100 % 7 < 3) ∧ ¬ (4 / 0 = 4)", "by decide"),
    _subject("Int", "a b", "a < b", "a + 1 ≤ b", "by omega"),
    _subject("Int", "a b", "", "a - b = 0 - (b - a)", "by omega"),
    _subject("Int", "a b c", "a ≤ b, b ≤ c, c ≤ a", "a = c ∧ b = a", "by\n  constructor <;> omega"),
    _subject("Int", "a b", "a + b > 0, a < 0", "b > 0 ∧ b ≥ 2", "by omega"),
    _subject("Prop", "p q", "p ∧ q", "q ∧ p", "⟨h1.2, h1.1⟩"),
    _subject("Prop", "p q", "p → q, ¬ q", "¬ p", "fun k => h2 (h1 k)"),
    _subject("Prop", "p q r", "p → q, q → r", "p → r", "fun k => h2 (h1 k)"),
    _subject("Prop", "p q", "", "p ∧ q → p ∨ q", "by\n  intro k\n  exact Or.inl k.1"),
    _subject(
        "Prop", "p q", "p ∨ q, ¬ p", "q", "by\n  cases h1 with\n  | inl k => exact absurd k h2\n  | inr k => exact k"
    ),
    _subject("Prop", "p q", "", "¬ (p ∨ q) ↔ ¬ p ∧ ¬ q", "by simp"),
    _subject("Prop", "p", "", "¬ ¬ p → p", "by\n  intro k\n  exact Classical.byContradiction k"),
    _subject("Prop", "p q r", "p ∧ (q ∨ r)", "(p ∧ q) ∨ (p ∧ r)", "by\n  grind"),
]
_SWAPS = {
    "+": "-*", "-": "+", "*": "+", "/": "*%", "%": "/",
    "=": "≠≤<", "≠": "=", "<": "≤>=", "≤": "<≥=", ">": "≥<", "≥": ">≤",
    "∧": "∨→", "∨": "∧→", "→": "∧↔", "↔": "→∧",
}  # fmt: skip


def _changes(tree: Tree, variables: tuple[str, ...]) -> Iterator[Tree]:
    """The tree with one thing changed."""
    match tree:
        case ("num", number):
            yield from (("num", n) for n in (number + 1, number - 1) if n >= 0)
        case ("var", name):
            yield from (("var", other) for other in variables if other != name)
        case ("¬", inner):
            yield inner
            yield from (("¬", changed) for changed in _changes(inner, variables))
        case (operator, left, right):
            yield from ((other, left, right) for other in _SWAPS[operator])
            if left != right:
                yield (operator, right, left)
            yield from ((operator, changed, right) for changed in _changes(left, variables))
            yield from ((operator, left, changed) for changed in _changes(right, variables))
            if operator in _COMPARE or operator in _RIGHT:
                yield ("¬", tree)


def mutants(statement: Statement, seed: int, count: int) -> list[Statement]:
    """Other statements, each one or two changes away: single changes first, all in an order that the seed gives."""
    single = list(dict.fromkeys(_mutated(statement)))
    draw = random.Random(seed)
    draw.shuffle(single)
    double = [draw.choice(list(_mutated(draw.choice(single)))) for _ in range(count)]
    return [m for m in dict.fromkeys([*single, *double]) if m != statement][:count]


def _mutated(statement: Statement) -> Iterator[Statement]:
    hypotheses, names = statement.hypotheses, statement.variables
    for i, hypothesis in enumerate(hypotheses):
        yield dataclasses.replace(statement, hypotheses=(*hypotheses[:i], *hypotheses[i + 1 :]))
        for changed in _changes(hypothesis, names):
            yield dataclasses.replace(statement, hypotheses=(*hypotheses[:i], changed, *hypotheses[i + 1 :]))
    for changed in _changes(statement.conclusion, names):
        yield dataclasses.replace(statement, conclusion=changed)


# --- what chat models write around a proof ----------------------------------------------------------------------------

_PREAMBLES = (
    "",
    "import Mathlib\n\n",
    "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 400000\n\nopen BigOperators Real Nat Topology Rat\n\n",
    "import Init\n\n",
    "import Mathlib\n\nset_option maxHeartbeats 0\nset_option linter.all false\n\n",
    "-- a core problem\n",
    "universe u\n\n",
)
_HELPERS = (
    "",
    "",
    "theorem helper (n : Nat) : n + 0 = n := by simp\n\n",
    "lemma helper_one : (1 : Nat) = 1 := rfl\n\n",
)
_BEHIND = ("", "", "\n#eval 1 + 1", "\n#check t", "\n#print axioms t", "\n-- done", "\n/- This ends it. -/")
_FENCES = (
    ("```lean4\n", "\n```"),
    ("```lean\n", "\n```"),
    ("```Lean4\n", "\n```"),
    ("```\n", "\n```"),
    ("~~~lean4\n", "\n~~~"),
    ("````lean4\n", "\n````"),
    ("```lean4:main.lean\n", "\n```"),
    ("    ```lean4\n", "\n    ```"),
    ("```lean4\n", "\n``` This proves it."),
    ("```lean4\n", "```"),
    ("", "\n```"),
    ("", ""),
)
_BEFORE = (
    "",
    "",
    "Here is the proof.\n\n",
    "**Proof.** We use `omega` here:\n\n",
    "<think>\nFirst I thought of `theorem t : False := by sorry`.\n</think>\n\n",
    "\ufeff",
    "Some text, then code in Python:\n```python\nprint(1)\n```\nand in Lean:\n\n",
    "## Solution\n\nLet me write it down.\n\n",
)
_AFTER = ("", "", "\n\nThis completes the proof.", "\n\nThe theorem follows from the steps above.\n")
_ENDS = (
    "",
    "",
    "<|im_end|>",
    "</s>",
    "<|eot_id|>",
    "<|endoftext|>",
    "\n<|im_end|>\n",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
)


def wrapped(draw: random.Random, statement: str, proof: str) -> str:
    """A model's answer that holds `statement := proof` among what models write around it."""
    opening, closing = draw.choice(_FENCES)
    before, after = draw.choice(_BEFORE), draw.choice(_AFTER)
    code = draw.choice(_PREAMBLES) + draw.choice(_HELPERS) + f"{statement} := {proof}"
    behind = draw.choice(_BEHIND)
    if closing == "```" and "--" in behind:
        behind = ""  # a fence at the end of a comment's line is the comment's
    if not opening:
        # Without a fence a blank line must tell prose from Lean, and other blocks would be taken for the answer.
        before = before if "```" not in before else ""
        after = "" if closing else after
    text = before + opening + code + behind + closing + after + draw.choice(_ENDS)
    return text.replace("\n", "\r\n") if draw.random() < 0.1 else text
