"""Tokens to a tree: a recursive-descent reader of final answers.

Promises: every call either returns a `Node` or raises `UnreadableError`; depth, tokens and digits are capped; no part
of the text is evaluated. Conventions it fixes (docs/math_answers.md lists them): exponents take the whole number in
`2^10`; a slash and implied products read left to right, so `1/2x` is x/2; a function without parentheses takes the
implied product after it; `3\\frac12` and `3 1/2` are mixed numbers.
"""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction

from verifiers.enclosures import holds_hidden_color
from verifiers.math.reading import commas
from verifiers.math.reading.expression import MAX_DEPTH, Node, UnreadableError
from verifiers.math.reading.lexer import Token, tokenize
from verifiers.math.reading.notations import lettered_parts, read_notation
from verifiers.math.reading.number_words import read_words, spelled_number, with_words
from verifiers.math.reading.vocabulary import CASED_UNITS, SCALE_WORDS, unit_name

MAX_EXPONENT_DIGITS = 5
"""Digits of the exponent of a literal: 1e99999 still fits every exact step, 1e9999999 does not."""

_RELATIONS = {
    "=": "=", "<": "<", ">": ">", "le": "<=", "ge": ">=", "ne": "!=", "approx": "~", "equiv": "==",
    "in": "in", "notin": "notin",
    "subset": "subset", "subseteq": "subseteq", "parallel": "parallel", "perp": "perp",
    "Leftrightarrow": "iff", "iff": "iff",
    "sim": "sim", "cong": "cong",
}  # fmt: skip
_SET_OPERATORS = {"cup": "union", "cap": "inter", "setminus": "setminus"}
_ENVIRONMENTS = frozenset(["matrix", "pmatrix", "bmatrix", "Bmatrix", "vmatrix", "Vmatrix", "smallmatrix", "array"])


_FACTORS = frozenset(
    "frac sqrt binom overline bar lfloor lceil sum prod langle emptyset surd cbrt log int lim angle triangle".split()  # noqa: SIM905
)
"""Commands with which a factor may begin."""
_FUNCTION_LETTERS = frozenset(["f", "g", "h", "f^-1", "g^-1", "h^-1", "Gamma", "zeta"])
"""What brackets behind are applied to; behind another letter they are a factor."""


_ABOUT = re.compile(r"\s{0,20}~\s{0,4}[\d.\-\\$]")
_SWITCHED = re.compile(r"\\(?:mathit|bf|rm|it|sf|tt|cal)\s{0,4}\{?\s{0,4}([A-Za-z])(?![A-Za-z])")
"""A letter behind a command for a font that the lexer reads over."""
_FOOTNOTE = re.compile(r"\d\s{0,2}\[\d{1,3}\]")


def _is_in_two_fonts(text: str) -> bool:
    """Whether a letter behind a command for its font also stands in the text without one."""
    letters = {match[1] for match in _SWITCHED.finditer(text)}
    if not letters:
        return False
    rest = _SWITCHED.sub("", text)
    return any(re.search(rf"(?<![A-Za-z\\]){letter}(?![A-Za-z])", rest) for letter in letters)


def read(text: str) -> Node:
    """The tree of one answer. Raises UnreadableError."""
    if _ABOUT.match(text) or "~~" in text or _FOOTNOTE.search(text):
        raise UnreadableError("a value that is struck out, approximate or has a footnote")
    if "color" in text and holds_hidden_color(text):
        raise UnreadableError("a colour that cannot be seen")
    if _is_in_two_fonts(text):
        raise UnreadableError("a letter in two fonts")
    special = read_notation(text)
    if special is not None:
        return special
    parts = lettered_parts(text)
    if parts is not None:
        return Node("lettered", tuple(read(part) for part in parts))
    tokens = tokenize(text)
    first, last = 0, len(tokens) - 1
    while tokens[first].text == "Rightarrow":
        first += 1
    while last > first and tokens[last - 1].text == "newline":
        last -= 1
    tokens = [*tokens[first:last], tokens[-1]]
    if len(tokens) == 1:
        raise UnreadableError("empty")
    words = _words_only(_without_group(tokens))
    if words is not None:
        return read_words(words)
    made: list[tuple[Node, bool]] = []
    problem = UnreadableError("empty")
    for reading in commas.readings(tokens):
        try:
            made.append((_read_tokens(reading.tokens), reading.weak))
        except UnreadableError as error:
            problem = error
    if not made:
        named = _numbered_name(text)
        if named is None:
            raise problem
        return named
    if len(made) == 1:
        return made[0][0]
    return Node("either", tuple(node for node, _ in made), any(weak for _, weak in made))


def _can_be_name(words: str) -> bool:
    """Whether words on the left of an equals sign name a value: `area = 5`, `Alice = 3`."""
    return len(words.split()) <= 3 and not _DENIALS & set(words.lower().split())


_DENIALS = frozenset("not wrong incorrect false no never minus negative half twice double if answer".split())  # noqa: SIM905
_NUMBERED = re.compile(
    r"(?:\\(?:text|mbox|textbf|textrm|mathrm)\s*\{)?\s*([A-Z][a-z]{2,}(?: [A-Za-z]+)* \d{1,3})\s*\}?\.?\s*"
)


def _numbered_name(text: str) -> Node | None:
    """Words with a number that is a part of the name: `Player 1`, `Door 3`."""
    match = _NUMBERED.fullmatch(text)
    return Node("text", value=match[1]) if match else None


def _without_group(tokens: list[Token]) -> list[Token]:
    """The text without the braces around the whole, which TeX does not show."""
    depth = 0
    for place, token in enumerate(tokens[:-1]):
        depth += (token.text == "{") - (token.text == "}")
        if depth == 0 and place < len(tokens) - 2:
            return tokens
    return [*tokens[1:-2], tokens[-1]] if tokens[0].text == "{" and tokens[-2].text == "}" else tokens


def _read_tokens(tokens: list[Token]) -> Node:
    node = _Reader(tokens).read()
    _refuse_prose(node)
    return node


_ARITHMETIC = frozenset("add mul div pow neg fn call sum prod deg percent pm ratio".split())  # noqa: SIM905


def _refuse_prose(node: Node) -> None:
    """Words may be an answer or a part of a list; inside a formula, or behind a symbol, they make it a sentence."""
    for inner in node.walk():
        if inner.op in _ARITHMETIC and any(arg.op == "text" for arg in inner.args):
            raise UnreadableError("words inside a formula")
        if inner.op == "rel" and any(arg.op == "text" for arg in inner.args[:1]):
            raise UnreadableError("words on the left of a relation")
        if inner.op == "qty" and inner.value[1].startswith(("because", "since ", "so ", "which ")):
            raise UnreadableError("a sentence")
        if inner.op == "qty" and inner.value[1] and (inner.symbols() or inner.value[1].count(" ") > 5):
            raise UnreadableError("a sentence")


def _words_only(tokens: list[Token]) -> list[str] | None:
    """The words if the answer is nothing but words (with commas and single letters between them)."""
    words: list[str] = []
    for token in tokens[:-1]:
        if (token.kind == "word" and token.text != "dollars_prefix") or (
            token.kind == "sym" and words and not token.run and len(token.text) == 1 and token.space
        ):
            words.append(token.text)
        elif token.kind == "op" and token.text == "," and words:
            words[-1] += ","
        elif token.kind == "op" and token.text in "-'" and words:
            continue
        elif token.kind in ("open", "close") and token.text in "({})" and len(tokens) <= 5:
            continue  # {\text{north}}, (\text{A})
        else:
            return None
    if words:
        words[-1] = words[-1].rstrip(",")
    return words or None


class _Reader:
    def __init__(self, tokens: list[Token], depth: int = 0) -> None:
        self.tokens = [*tokens, *[tokens[-1]] * 8]  # a few ends more, so that looking ahead needs no care
        self.at = 0
        self.depth = depth
        self.num_series = 0
        self.bars = 0
        self.plain: set[str] | None = None
        """Letters that stand outside of brackets, once they were looked for."""
        """Absolute values open around the current place: there a bar closes, it does not multiply."""
        self.in_braces = False
        """Inside \\{…}: a bar or colon there begins the condition of a set."""

    # Moving about

    @property
    def here(self) -> Token:
        return self.tokens[self.at]

    def is_op(self, *texts: str) -> bool:
        token = self.tokens[self.at]
        return token.text in texts and (token.kind == "op" or token.kind == "cmd")

    def is_word(self, *texts: str) -> bool:
        token = self.tokens[self.at]
        return token.kind == "word" and token.text.lower() in texts

    def take(self) -> Token:
        token = self.tokens[self.at]
        if token.kind == "end":
            raise UnreadableError("it ends too early")
        self.at += 1
        return token

    def expect(self, kind: str, text: str) -> None:
        if (self.here.kind, self.here.text) != (kind, text):
            raise UnreadableError(f"expected {text!r}")
        self.at += 1

    def enter(self) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise UnreadableError(f"nesting deeper than {MAX_DEPTH}")

    # Lists and relations

    def read(self) -> Node:
        node = self.read_list()
        if self.here.kind != "end":
            raise UnreadableError(f"unexpected {self.here.text!r}")
        return node

    def read_list(self) -> Node:
        """Items joined by commas, semicolons, `and` and `or`."""
        items = [self.read_relation()]
        joints: set[str] = set()
        while True:
            if self.is_op(",", ";"):
                self.take()
                joint = ","
                if self.is_word("and", "or"):
                    joint = self.take().text.lower()
            elif self.is_word("and", "or"):
                joint = self.take().text.lower()
            elif self.is_op("land", "lor"):
                joint = "and" if self.take().text == "land" else "or"
            else:
                break
            if joint == "," and (self.here.kind == "end" or self.starts_condition() or self.ends_cell()):
                break
            joints.add(joint)
            items.append(self.read_relation())
        if len(items) == 1:
            return self.read_condition(items[0])
        kinds = joints - {","}
        if len(kinds) > 1:
            raise UnreadableError("both 'and' and 'or' between the parts")
        if any(item.op == "text" for item in items) and not all(item.op == "text" for item in items):
            raise UnreadableError("words between the parts")
        return self.read_condition(Node("list", tuple(items), kinds.pop() if kinds else ","))

    def ends_cell(self) -> bool:
        ends = self.here.text == "newline" or self.here.text.startswith("end:")
        return self.is_op("&") or (self.here.kind == "cmd" and ends)

    def starts_condition(self) -> bool:
        return self.depth <= 1 and (self.is_op("forall") or self.is_word("where", "for"))

    def read_condition(self, node: Node) -> Node:
        """What stands behind `for all` or `where`: the values a formula is meant for."""
        if self.bars or self.depth > 1:
            return node
        if self.is_op("forall"):
            self.take()
            quantifier = "all"
        elif self.is_word("for") and self.tokens[self.at + 1].text.lower() in ("all", "every", "any", "each"):
            self.at += 2
            quantifier = "all"
        elif self.is_word("for", "where", "with", "when"):
            quantifier = self.take().text.lower()
        else:
            return node
        words = []
        while self.here.kind == "word":
            words.append(self.take().text.lower())
        if self.here.kind == "end":
            return Node("where", (node,), (quantifier, " ".join(words)))
        condition = self.read_list()
        if condition.op == "where":
            raise UnreadableError("several values for several cases")
        trailing = []
        while self.here.kind == "word":
            trailing.append(self.take().text.lower())
        return Node("where", (node, condition), (quantifier, " ".join(words + trailing)))

    def read_relation(self) -> Node:
        rounded = self.is_op("approx")
        if rounded:  # "≈ 3.14"
            self.take()
            if self.here.kind == "num" and "." not in self.here.text:
                raise UnreadableError("a value that is only approximate")
        if self.is_op("dots") and self.tokens[self.at + 1].text in (",", "", ")", "]", "}", r"\}", "+"):
            self.take()
            return Node("dots")
        sides = [self.read_set()]
        operators: list[str] = []
        while self.here.kind in ("op", "cmd") and self.here.text in _RELATIONS:
            operators.append(_RELATIONS[self.take().text])
            sides.append(self.read_set())
        if rounded and sides[0].symbols() and not sides[0].has_decimals():
            raise UnreadableError("a value that is only approximate")
        if not operators:
            return sides[0]
        if operators[0] == "=" and sides[0].op == "text" and _can_be_name(sides[0].value):
            sides[0] = Node("sym", value=f"text {sides[0].value}")
        if operators == ["=="] and sides[1].op == "fn" and sides[1].value == "mod":
            return Node("cong", (sides[0], *sides[1].args), ("==",))
        if operators == ["=="] or self.is_op("pmod", "bmod", "mod") or self.is_word("mod"):
            node = Node("rel", tuple(sides), tuple(operators))
            return self.read_modulus(node)
        return Node("rel", tuple(sides), tuple(operators))

    def read_modulus(self, node: Node) -> Node:
        if (
            self.here.kind == "open"
            and self.here.text == "("
            and self.tokens[self.at + 1].text in ("mod", "bmod", "pmod")
        ):
            self.take()
            self.take()
            modulus = self.read_sum()
            self.expect("close", ")")
        elif self.is_op("pmod", "bmod", "mod") or self.is_word("mod"):
            self.take()
            modulus = self.read_power()
        else:
            return node
        return Node("cong", (*node.args, modulus), node.value)

    def read_set(self) -> Node:
        node = self.read_sum()
        while (
            (self.here.kind == "cmd" and self.here.text in _SET_OPERATORS)
            or self.is_word("union")
            or (self.here.kind == "sym" and self.here.text == "U" and self.at and self.is_union_letter())
        ):
            operator = _SET_OPERATORS.get(self.here.text, "union")
            self.take()
            node = Node(operator, (node, self.read_sum()))
        return node

    # Arithmetic

    def read_sum(self) -> Node:
        self.enter()
        start = self.at
        node = self.lone_name(start, self.read_product())
        while True:
            if self.is_op("+"):
                self.take()
                node = _add(node, self.read_product())
            elif self.is_op("-"):
                self.take()
                node = _add(node, Node("neg", (self.read_product(),)))
            elif self.is_op("pm", "mp"):
                sign = 1 if self.take().text == "pm" else -1
                node = Node("pm", (node, self.read_product()), sign)
            else:
                break
        self.depth -= 1
        return node

    def lone_name(self, start: int, node: Node) -> Node:
        """Letters written as one word and standing alone are a name or a string, not a product: AB, HTH, aab."""
        run = self.tokens[start : self.at]
        if len(run) < 2 or any(token.kind != "sym" or token.run != (place > 0) for place, token in enumerate(run)):
            return node
        text = "".join(token.text for token in run)
        return Node("sym", value=text) if text.isupper() or len(set(text)) < len(text) else node

    def read_product(self) -> Node:
        node = self.read_signed()
        while True:
            if self.is_op("*"):
                self.take()
                node = Node("mul", (node, self.read_signed()))
            elif self.is_op("/", "div"):
                self.take()
                node = Node("div", (node, self.read_signed()))
            elif self.is_op("choose"):
                self.take()
                node = Node("fn", (node, self.read_product()), "binom")
            elif self.is_op("bmod", "mod") or (self.is_word("mod")):
                self.take()
                node = Node("fn", (node, self.read_signed()), "mod")
            elif self.is_op(":") and node.op == "text" and _can_be_name(node.value):
                self.take()  # Alice: 3
                return Node("rel", (Node("sym", value=f"text {node.value}"), self.read_product()), ("=",))
            elif self.is_op(":") and not self.in_braces:
                parts = [node]
                while self.is_op(":"):
                    self.take()
                    parts.append(self.read_signed())
                    while self.starts_factor():
                        parts[-1] = Node("mul", (parts[-1], self.read_power()))
                node = Node("ratio", tuple(parts))
            elif node.op == "qty" and self.here.kind == "num":
                node = Node("list", (node, self.read_product()), "and")  # 5 feet 3 inches
            elif self.starts_factor():
                node = self.read_implied(node)
            elif self.here.kind == "word":
                after = self.read_suffix(node)
                if after is None:
                    return node
                node = after
            else:
                return node

    def read_implied(self, left: Node) -> Node:
        here, before = self.here, self.tokens[self.at - 1]
        if here.apart and here.kind in ("num", "sym", "const", "fn"):
            raise UnreadableError("parts that are set apart")
        behind = self.tokens[self.at + 1]
        if (
            here.kind == "open"
            and behind.kind == "word"
            and behind.text.lower() not in ("negative", "minus", "dollars_prefix")
        ):
            raise UnreadableError("words in brackets")  # "5 (five)"
        if left.op == "num" and here.kind == "num":
            # 3 1/2
            if (
                before.kind == "num"
                and here.space
                and _is_natural(left)
                and "." not in here.text
                and self.tokens[self.at + 1].text == "/"
                and self.tokens[self.at + 2].kind == "num"
            ):
                top = self.read_power()
                self.take()
                bottom = self.read_power()
                wrapper, bottom = (bottom.op, bottom.args[0]) if bottom.op in ("percent", "deg") else ("", bottom)
                if _is_proper(Node("div", (top, bottom))):
                    mixed = Node("num", value=left.value + top.value / bottom.value)
                    return Node(wrapper, (mixed,)) if wrapper else mixed
            raise UnreadableError("two numbers side by side")
        right = self.read_power()
        if before.kind == "num" and _is_natural(left) and here.kind == "cmd" and here.text == "frac":
            wrapper, fraction = (right.op, right.args[0]) if right.op in ("percent", "deg") else ("", right)
            if fraction.op == "div" and all(map(_is_natural, fraction.args)) and not _is_proper(fraction):
                raise UnreadableError("an improper fraction behind a whole number")
            if _is_proper(fraction):
                top, bottom = fraction.args
                mixed = Node("num", value=left.value + top.value / bottom.value)
                return Node(wrapper, (mixed,)) if wrapper else mixed
        if right.op == "num" and here.kind == "num" and before.kind in ("sym", "const") and not here.space:
            # "x2": a digit after a symbol is a subscript or an exponent gone astray, not a product anyone writes.
            raise UnreadableError("a digit behind a letter")
        return Node("mul", (left, right))

    def read_suffix(self, node: Node) -> Node | None:
        """Words behind a value: a unit, a noun, `degrees`, `percent`, `base two`."""
        if self.is_word("base"):
            self.take()
            if self.here.kind == "word":
                base = spelled_number([self.take().text.lower()])
            else:
                base = self.read_power()
            return _in_base(node, base)
        if self.is_word("and", "or", "mod", "union", "if", "for", "where", "when", "with", "not", "otherwise", "is"):
            return None
        after = self.tokens[self.at + 1]
        if self.is_word("in") and after.kind not in ("end", "close") and after.text not in ("^", ","):
            return None
        if node.op not in ("num", "neg", "div", "mul", "add", "pow", "fn", "const", "sym"):
            raise UnreadableError(f"the word {self.here.text!r}")
        return self.read_unit(node)

    def read_unit(self, node: Node) -> Node:
        words: list[str] = []
        factors: list[tuple[str, int]] = []
        sign = 1
        plain = True
        while self.here.kind == "word" and not self.is_word("and", "or", "if", "for", "where", "union"):
            word = self.take().text
            words.append(word)
            power = 1
            if self.is_op("^"):
                self.take()
                exponent = self.read_script()
                if exponent.op == "neg" and _is_natural(exponent.args[0]):
                    exponent = Node("num", value=-exponent.args[0].value)
                if exponent.op != "num" or exponent.value.denominator != 1 or abs(exponent.value) > 9:
                    raise UnreadableError("a unit with an odd exponent")
                power = int(exponent.value)
                plain = False
            factors.append((unit_name(word), power * sign))
            if self.is_op("/") and self.tokens[self.at + 1].kind == "word":
                self.take()
                sign, plain = -1, False
            elif (
                self.is_op("/")
                and self.tokens[self.at + 1].kind == "sym"
                and self.tokens[self.at + 1].text in CASED_UNITS
            ):
                self.take()
                sign, plain = -1, False
                self.tokens[self.at] = Token("word", self.here.text)
            elif self.is_op("*") and self.tokens[self.at + 1].kind == "word":
                self.take()
                plain = False
        if plain:
            return with_words(node, words)
        if not all(name for name, _ in factors):
            raise UnreadableError("an unknown unit")
        return Node("qty", (node,), (tuple(factors), ""))

    def read_signed(self) -> Node:
        if self.is_op("-"):
            self.take()
            self.enter()
            node = Node("neg", (self.read_signed_product(),))
            self.depth -= 1
            return node
        if self.is_op("+"):
            self.take()
            return self.read_signed()
        if self.is_op("pm", "mp"):
            sign = 1 if self.take().text == "pm" else -1
            return Node("pm", (Node("num", value=Fraction(0)), self.read_signed_product()), sign)
        if self.is_word("negative", "minus"):
            self.take()
            return Node("neg", (self.read_signed(),))
        if self.is_word("euros", "pounds", "yen") and self.tokens[self.at + 1].kind == "num":
            unit = self.take().text.lower()
            return Node("qty", (self.read_signed(),), (((unit, 1),), ""))
        if self.here.kind == "word" and self.here.text == "dollars_prefix":
            self.take()
            node = self.read_signed()
            if self.is_word("million", "billion", "thousand"):
                node = Node("mul", (node, Node("num", value=Fraction(SCALE_WORDS[self.take().text.lower()]))))
            return Node("qty", (node,), ((("dollar", 1),), ""))
        return self.read_power()

    def read_signed_product(self) -> Node:
        """What a sign binds: the mixed number in -3 1/2, else one factor."""
        node = self.read_signed()
        if (
            node.op == "num"
            and self.starts_factor()
            and self.here.kind in ("num", "cmd")
            and self.here.text not in ("sqrt",)
        ):
            return self.read_implied(node)
        return node

    def starts_factor(self) -> bool:
        token = self.here
        if token.kind == "sym" and token.text == "U" and self.is_union_letter():
            return False
        if token.kind in ("num", "sym", "const", "fn", "based"):
            return True
        if token.kind == "open":
            return True
        if token.kind == "op" and token.text == "|":
            return self.bars == 0
        return token.kind == "cmd" and (token.text in _FACTORS or token.text.startswith(("begin:", "bb:")))

    def is_union_letter(self) -> bool:
        """Whether a letter U stands for a union: `(1,2) U (3,4)`."""
        return self.tokens[self.at - 1].kind == "close" and self.tokens[self.at + 1].kind == "open"

    def read_power(self) -> Node:
        node = self.read_primary()
        while True:
            if self.is_op("^"):
                self.take()
                if self.is_op("circ"):
                    self.take()
                    node = self.read_degrees(node)
                    continue
                if (
                    self.here.kind == "open"
                    and self.here.text == "{"
                    and self.tokens[self.at + 1].text == "circ"
                    and self.tokens[self.at + 2].text == "}"
                ):
                    self.at += 3
                    node = self.read_degrees(node)
                    continue
                if node.op == "sym" and (label := self.raised_label()):
                    node = Node("sym", value=f"{node.value} ^({label})")
                    continue
                node = Node("pow", (node, self.read_script()))
                if self.is_op("_") and node.args[0].op == "sym":
                    node = self.read_late_subscript(node)
            elif self.is_op("!"):
                self.take()
                if self.is_op("!"):
                    self.take()
                    node = Node("fn", (node,), "doublefactorial")
                else:
                    node = Node("fn", (node,), "factorial")
            elif self.is_op("%"):
                self.take()
                if node.op in ("percent", "deg"):
                    raise UnreadableError("two signs behind one number")
                if any(part == Node("const", value="inf") for part in node.walk()):
                    raise UnreadableError("a percent sign behind infinity")
                node = Node("percent", (node,))
            elif self.is_op("circ") and node.op == "num":
                self.take()
                node = self.read_degrees(node)
            elif node.op == "deg" and self.here.kind == "num" and self.tokens[self.at + 1].text == "'":
                node = self.read_minutes(node)
            elif self.is_op("'") and node.op == "sym":
                self.take()
                node = Node("sym", value=f"{node.value}'")
                node = self.read_call(node)
            elif self.is_op("_") and node.op in ("num", "sym", "group1"):
                self.take()
                node = _in_base(node, self.read_script())
            else:
                return node

    def raised_label(self) -> str:
        """The 1 of `x^{(1)}`, which tells names apart and is no exponent; empty if something else stands here."""
        texts = self.texts(5)
        if texts[:2] != ["{", "("] or texts[3:] != [")", "}"] or self.tokens[self.at + 2].kind not in ("num", "sym"):
            return ""
        self.at += 5
        return texts[2]

    def read_late_subscript(self, power: Node) -> Node:
        """Reads a subscript behind an exponent: v^2_0 is v_0^2, and C^3_10 the number of combinations."""
        base, exponent = power.args
        self.take()
        return self.combinations(Node("pow", (self.with_subscript(base), exponent)))

    def with_subscript(self, symbol: Node) -> Node:
        """The symbol with the subscript that begins here as a part of its name."""
        start = self.at
        if self.here.kind == "open":
            self.read_balanced()
        else:
            self.take()
        name = "".join(t.groups or t.text for t in self.tokens[start : self.at] if t.text not in "{}")
        return Node("sym", value=f"{symbol.value}_{name}")

    def combinations(self, power: Node) -> Node:
        """C_n^k, where n is a number above 2 or a letter, is a binomial coefficient."""
        base, exponent = power.args
        name, _, below = base.value.partition("_") if base.op == "sym" else ("", "", "")
        if name != "C":
            return power
        if below.isdigit() and exponent.op == "num" and 2 < int(below) >= exponent.value:
            return Node("fn", (Node("num", value=Fraction(below)), exponent), "binom")
        return power

    def read_minutes(self, degrees: Node) -> Node:
        """63° 45' 30'': the parts of a degree."""
        value = degrees.args[0]
        for marks, parts in (("'", 60), ("''", 3600)):
            if self.here.kind != "num" or self.texts(len(marks) + 1)[1:] != list(marks):
                break
            number = self.read_number(self.take())
            self.at += len(marks)
            value = _add(value, Node("div", (number, Node("num", value=Fraction(parts)))))
        if self.is_op("'"):
            raise UnreadableError("minutes and seconds of a degree in an unknown order")
        return Node("deg", (value,))

    def read_degrees(self, node: Node) -> Node:
        if node.op in ("percent", "deg"):
            raise UnreadableError("two signs behind one number")
        if self.here.kind == "sym" and self.here.text in ("C", "F"):
            unit = {"C": "celsius", "F": "fahrenheit"}[self.take().text]
            return Node("qty", (node,), (((unit, 1),), ""))
        if self.here.kind == "word" and self.here.text in ("C", "F"):
            unit = {"C": "celsius", "F": "fahrenheit"}[self.take().text]
            return Node("qty", (node,), (((unit, 1),), ""))
        return Node("deg", (node,))

    def read_script(self) -> Node:
        """An exponent or subscript: a group, a signed number, or one primary; powers associate to the right."""
        self.enter()
        braces = False
        if self.is_op("-", "+"):
            sign = self.take().text
            node = self.read_script()
            node = Node("neg", (node,)) if sign == "-" else node
        else:
            if braces := self.here.kind == "open" and self.here.text == "{":
                self.take()
                outer, self.bars = self.bars, 0
                if self.is_op("+", "-", "*") and self.tokens[self.at + 1].text == "}":
                    node = Node("text", value=self.take().text)
                elif self.here.kind == "word":
                    node = read_words([self.take().text])
                else:
                    node = self.read_sum()
                self.bars = outer
                self.expect("close", "}")
            elif self.here.kind == "word":
                node = read_words([self.take().text])
            else:
                node = self.read_primary()
            if self.is_op("^") and self.tokens[self.at + 1].text != "circ":
                self.take()
                node = Node("pow", (node, self.read_script()))
            elif self.is_op("!"):
                if braces:
                    raise UnreadableError("a factorial of a power or of its exponent")
                self.take()
                node = Node("fn", (node,), "factorial")
        self.depth -= 1
        return node

    # Primaries

    def read_primary(self) -> Node:
        self.enter()
        node = self._read_primary()
        self.depth -= 1
        return node

    def _read_primary(self) -> Node:
        token = self.take()
        if token.kind == "cmd" and token.text == "dots":
            return Node("dots")
        if token.kind == "num":
            return self.read_number(token)
        if token.kind == "based":
            base = {"x": 16, "b": 2, "o": 8}[token.text[0]]
            return Node("based", value=(token.text[1:].lower(), base))
        if token.kind == "const":
            return Node("const", value=token.text)
        if token.kind == "sym":
            return self.read_symbol(token)
        if token.kind == "fn":
            return self.read_function(token.text)
        if token.kind == "open":
            return self.read_brackets(token.text)
        if token.kind == "op" and token.text == "|":
            self.bars += 1
            inner = self.read_sum()
            self.bars -= 1
            self.expect("op", "|")
            return Node("fn", (inner,), "abs")
        if token.kind == "word":
            return self.read_word(token)
        if token.kind == "cmd":
            return self.read_command(token.text)
        raise UnreadableError(f"unexpected {token.text!r}" if token.text else "it ends too early")

    def read_number(self, token: Token) -> Node:
        mantissa, _, exponent = token.text.partition("e")
        if len(exponent.lstrip("+-")) > MAX_EXPONENT_DIGITS:
            raise UnreadableError("an exponent of too many digits")
        if not exponent:
            repeating = self.read_repetend(mantissa)
            if repeating is not None:
                return repeating
        return Node("num", value=Fraction(mantissa.rstrip(".")) * Fraction(10) ** int(exponent or 0))

    def read_repetend(self, mantissa: str) -> Node | None:
        """0.1\\overline{6}, 0.(3), 0.333..."""
        whole, _, fixed = mantissa.partition(".")
        decimal_point = "." in mantissa
        if self.here.kind == "cmd" and self.here.text in ("overline", "bar", "dot") and (decimal_point):
            self.take()
            if self.here.kind == "open":
                self.take()
                digits = self.take()
                self.expect("close", "}")
            else:
                digits = self.take()
        elif (
            decimal_point
            and self.here.kind == "open"
            and self.here.text == "("
            and not self.here.space
            and self.tokens[self.at + 1].kind == "num"
            and self.tokens[self.at + 2].text == ")"
        ):
            self.take()
            digits = self.take()
            self.take()
        elif decimal_point and self.is_op("dots"):
            match = re.fullmatch(r"(\d*?)(\d+?)\2{2,}", fixed)
            if match is None:
                raise UnreadableError("an ellipsis behind digits that do not repeat")
            self.take()
            fixed, digits = match[1], Token("num", match[2])
        else:
            return None
        if digits.kind != "num" or not digits.text.isdigit():
            raise UnreadableError("a repetend that is not digits")
        scale = 10 ** len(fixed)
        value = Fraction(int(whole + fixed or "0"), scale) + Fraction(
            int(digits.text), scale * (10 ** len(digits.text) - 1)
        )
        return Node("num", value=value)

    def read_symbol(self, token: Token) -> Node:
        if token.text == "d" and self.texts(3)[1:] == ["/", "d"] and self.here.run and self.tokens[self.at + 3].run:
            name = f"d{self.here.text}/d{self.tokens[self.at + 3].text}"
            self.at += 4
            return Node("sym", value=name)
        if token.text == "e":
            return Node("const", value="e")
        if token.text == "i":
            return Node("const", value="i")
        name = token.text
        if self.is_op("_"):
            self.take()
            name = self.with_subscript(Node("sym", value=name)).value
            if name.startswith("C_") and self.is_op("^"):
                self.take()
                return self.combinations(Node("pow", (Node("sym", value=name), self.read_script())))
        return self.read_call(Node("sym", value=name))

    def read_call(self, node: Node) -> Node:
        """Reads a call: f(x), f'(x), f^{-1}(x), C(8,3); any letter before a bracketed symbol and an equals sign."""
        name: str = node.value
        if name in ("f", "g", "h") and self.texts(6) == ["^", "{", "-", "1", "}", "("]:
            self.at += 5
            name = f"{name}^-1"
        ahead = self.tokens[self.at : self.at + 5]
        kinds = [token.kind for token in ahead]
        if name == "C" and kinds == ["open", "num", "op", "num", "close"] and ahead[2].text == ",":
            self.at += 5
            return Node("fn", tuple(Node("num", value=Fraction(ahead[place].text)) for place in (1, 3)), "binom")
        defined = kinds[:3] == ["open", "sym", "close"] and self.texts(4)[3:] == ["="]
        if (self.here.kind, self.here.text) == ("open", "(") and not defined:
            defined = self.names_what_follows(name)
        applied = name.rstrip("'").split(" ")[0] in _FUNCTION_LETTERS and not self.here.space
        applied = applied or self.is_at_zero_or_one()
        if (defined or applied) and (self.here.kind, self.here.text) == ("open", "("):
            self.take()
            outer, self.bars = self.bars, 1
            inner = self.read_list()
            if self.is_op("|"):  # P(A|B)
                self.take()
                inner = Node("given", (inner, self.read_list()))
            self.bars = outer
            self.expect("close", ")")
            return Node("call", inner.args if inner.op == "list" else (inner,), name)
        return node

    def names_what_follows(self, name: str) -> bool:
        """Whether the letter before this bracket begins a side, and an equals sign stands behind the bracket: then
        the whole is a name, as P(A|B) = or p(0) =, and no product."""
        start = self.at - 1
        while start > 0 and self.tokens[start].text == "'":
            start -= 1
        before = self.tokens[start - 1] if start else None
        if before is not None and not (before.kind == "word" or before.text in (",", ";", "=", "{", "newline", "&")):
            return False
        letter = name.rstrip("'").split(" ")[0]
        if len(letter) != 1 or not (letter.isupper() or self.tokens[self.at + 1].kind == "num"):
            return False
        depth = 0
        for place in range(self.at, len(self.tokens)):
            token = self.tokens[place]
            depth += (token.kind == "open") - (token.kind == "close")
            if depth == 0:
                return place + 1 < len(self.tokens) and self.tokens[place + 1].text == "="
        return False

    def is_at_zero_or_one(self) -> bool:
        """Whether `y(0)` or `N(1)` is a function's value, since as a product it would be zero or the letter alone."""
        opening, number, closing = self.tokens[self.at : self.at + 3]
        around = (opening.kind, opening.text, number.kind, closing.text) == ("open", "(", "num", ")")
        return around and not opening.space and number.text in ("0", "1")

    def texts(self, count: int) -> list[str]:
        return [token.text for token in self.tokens[self.at : self.at + count]]

    def read_balanced(self) -> None:
        depth = 0
        while True:
            token = self.take()
            if token.kind == "end":
                raise UnreadableError("unbalanced braces")
            depth += (token.kind == "open") - (token.kind == "close")
            if depth == 0:
                return

    def read_word(self, token: Token) -> Node:
        words = [token.text]
        while self.here.kind == "word" and not self.is_word("and", "or"):
            words.append(self.take().text)
        return read_words(words)

    def read_brackets(self, opening: str) -> Node:
        outer, self.bars = self.bars, 0
        closing = {"(": (")", "]"), "[": ("]", ")", "["), "{": ("}",), r"\{": (r"\}",)}[opening]
        if self.here.kind == "close" and self.here.text in closing:
            self.take()
            self.bars = outer
            if opening == r"\{" or (opening == "{" and self.here.kind == "end"):
                return Node("empty")
            if opening == "{":
                return self.read_primary()  # {} before a real thing
            raise UnreadableError("empty brackets")
        outer_braces, self.in_braces = self.in_braces, opening == r"\{"
        self.bars = 1 if opening == r"\{" else 0
        inner = self.read_list()
        self.bars = outer
        if opening in (r"\{", "{") and (self.is_op("|", ":")):
            self.take()
            self.bars, self.in_braces = 0, False
            condition = self.read_list()
            self.bars, self.in_braces = outer, outer_braces
            self.take_closing(closing)
            return Node("builder", (inner, condition))
        self.in_braces = outer_braces
        end = self.take_closing(closing)
        items = inner.args if inner.op == "list" and inner.value == "," else (inner,)
        if opening == r"\{":
            return Node("set", items)
        if opening == "{":
            # A group of TeX, which is not seen, or a set written without backslashes.
            grouped = len(items) == 1 or any(item.op in ("rel", "text", "qty") for item in items)
            return inner if grouped else Node("set", items)
        if len(items) == 1 and opening + end in ("()", "[]"):
            if opening == "[" and items[0].op == "group":
                return Node("group", items, "[]")
            if opening == "[" and items[0].op == "sym" and self.occurs_plain(items[0].value):
                return Node("sym", value=f"{items[0].value} []")  # the whole part of x, or another name
            return items[0]
        if len(items) == 1:
            raise UnreadableError("mismatched brackets")
        return Node("group", tuple(items), opening + end)

    def occurs_plain(self, name: str) -> bool:
        """Whether a letter that stands in brackets also stands without them."""
        if self.plain is None:
            around = zip(self.tokens, self.tokens[1:], self.tokens[2:], strict=False)
            inside = [second.text for first, second, third in around if (first.text, third.text) == ("[", "]")]
            every = [token.text for token in self.tokens if token.kind == "sym"]
            self.plain = {text for text, count in Counter(every).items() if count > inside.count(text)}
        return name in self.plain

    def take_closing(self, closing: tuple[str, ...]) -> str:
        token = self.take()
        if token.kind not in ("close", "open") or token.text not in closing:
            raise UnreadableError("unbalanced brackets")
        return token.text

    def read_argument(self) -> Node:
        """A LaTeX argument: a group, or one digit or token (\\frac12)."""
        if self.here.kind == "open" and self.here.text == "{":
            self.take()
            outer, self.bars = self.bars, 0
            node = self.read_list()
            self.bars = outer
            self.expect("close", "}")
            return node
        if self.here.kind == "num" and len(self.here.text) > 1 and self.here.text[0] != ".":
            token = self.here
            self.tokens[self.at] = Token("num", token.text[1:])
            return Node("num", value=Fraction(token.text[0]))
        return self.read_primary()

    def read_command(self, name: str) -> Node:
        if name == "frac":
            top = self.read_argument()
            bottom = self.read_argument()
            if [n.value for n in letters_of(bottom)][:1] == ["d"] and len(letters_of(bottom)) == 2:
                return self.read_derivative(top, bottom)
            return Node("div", (top, bottom))
        if name in ("sqrt", "surd", "cbrt"):
            return self.read_function({"surd": "sqrt"}.get(name, name))
        if name == "binom":
            top = self.read_argument()
            return Node("fn", (top, self.read_argument()), "binom")
        if name in ("lfloor", "lceil"):
            inner = self.read_sum()
            self.expect("cmd", "rfloor" if name == "lfloor" else "rceil")
            return Node("fn", (inner,), "floor" if name == "lfloor" else "ceil")
        if name == "langle":
            inner = self.read_list()
            self.expect("cmd", "rangle")
            return Node("group", inner.args if inner.op == "list" else (inner,), "<>")
        if name == "emptyset":
            return Node("empty")
        if name.startswith("bb:"):
            return self.read_named_set(name[3:])
        if name.startswith("begin:"):
            return self.read_environment(name[6:])
        if name in ("sum", "prod"):
            return self.read_series(name)
        if name in ("overline", "bar"):
            inner = self.read_argument()
            if len(letters_of(inner)) > 1 or (inner.op == "sym" and inner.value.isupper() and len(inner.value) > 1):
                return inner  # a segment by its end points
            if inner.op == "num":
                raise UnreadableError("a bar over a number")
            return Node("fn", (inner,), "conj")
        if name in ("angle", "triangle"):
            letters = ""
            while self.here.kind == "sym":
                letters += self.take().text
            return Node("sym", value=f"{name} {letters}")
        if name in ("int", "lim", "bigcup", "bigcap"):
            return self.read_operator(name)
        raise UnreadableError(f"the command \\{name}")

    def read_operator(self, name: str) -> Node:
        """An integral, a limit or a union of many sets with the bounds at its sign; none is worked out."""
        scripts: dict[str, Node] = {}
        while self.is_op("_", "^"):
            which = self.take().text
            if self.here.kind == "open" and self.here.text == "{":
                self.take()
                scripts[which] = self.read_target() if name == "lim" else self.read_list()
                self.expect("close", "}")
            else:
                if self.here.kind == "num" and len(self.here.text) > 1:
                    raise UnreadableError("a bound of several digits without braces")
                scripts[which] = self._read_primary_only()
        low, high = scripts.get("_"), scripts.get("^")
        if name == "int":
            return self.read_integral(low, high)
        if low is None:
            raise UnreadableError(f"\\{name} without what it runs over")
        if name == "lim" and low.op == "to" and low.args[0].op == "sym":
            body, bound = _bound_by(self.read_product(), low.args[0].value)
            return Node("lim", (body, Node("to", (bound, *low.args[1:]), low.value)))
        body = self.read_product() if name == "lim" else self.read_set()
        return Node(name, (body, low) if high is None else (body, low, high))

    def read_target(self) -> Node:
        """Reads x \\to a, under a limit."""
        variable = self.read_primary()
        self.expect("cmd", "to")
        target = self.read_sum_or_side()
        return Node("to", (variable, *target.args), target.value)

    def read_sum_or_side(self) -> Node:
        """0, or 0^+ for the limit from above."""
        start = self.at
        if self.here.kind in ("num", "sym", "const") and self.tokens[start + 1].text == "^":
            marks = [t.text for t in self.tokens[start + 2 : start + 5] if t.text not in "{}"]
            if marks and marks[0] in ("+", "-"):
                point = self._read_primary_only()
                self.take()
                if self.here.text == "{":
                    self.at += 3
                else:
                    self.take()
                return Node("side", (point,), marks[0])
        return Node("side", (self.read_sum(),))

    def _read_primary_only(self) -> Node:
        token = self.take()
        if token.kind == "num":
            return self.read_number(token)
        if token.kind not in ("const", "sym"):
            raise UnreadableError(f"unexpected {token.text!r}")
        return Node("const" if token.kind == "const" or token.text in "ei" else "sym", value=token.text)

    def read_integral(self, low: Node | None, high: Node | None) -> Node:
        """The integrand up to its dx; a differential inside a fraction is not looked for."""
        place = self.at
        depth = 0
        while self.tokens[place].kind != "end":
            token, behind = self.tokens[place], self.tokens[place + 1]
            depth += (token.kind == "open") - (token.kind == "close")
            if depth == 0 and (token.kind, token.text) == ("sym", "d") and behind.kind == "sym":
                break
            place += 1
        else:
            raise UnreadableError("an integral without a differential")
        variable = self.tokens[place + 1].text
        inner = [*self.tokens[self.at : place], Token("end", "")]
        body = Node("num", value=Fraction(1)) if len(inner) == 1 else _Reader(inner, self.depth).read()
        self.at = place + 2
        bound = Node("sym", value=variable)
        if low is None or high is None:
            return Node("int", (body, bound))
        return Node("int", (*_bound_by(body, variable), low, high))

    def read_derivative(self, top: Node, bottom: Node) -> Node:
        """Reads a derivative: dy/dx is a name, and d/dx before an expression is its derivative."""
        upper = [n.value for n in letters_of(top)]
        if upper == ["d"] and self.starts_factor():
            return Node("derivative", (self.read_bare_argument(), letters_of(bottom)[1]))
        if len(upper) != 2 or upper[0] != "d":
            raise UnreadableError("a derivative that is not worked out")
        return Node("sym", value=f"d{upper[1]}/d{letters_of(bottom)[1].value}")

    def read_named_set(self, letter: str) -> Node:
        if letter not in ("R", "Z", "N", "Q", "C"):
            raise UnreadableError(f"the set {letter!r}")
        mark = ""
        while self.is_op("^", "_"):
            self.take()
            start = self.at
            if self.here.kind == "open":
                self.read_balanced()
            else:
                self.take()
            mark += "".join(token.text for token in self.tokens[start : self.at] if token.text not in "{}")
        return Node("named", value=letter + mark)

    def read_environment(self, name: str) -> Node:
        if name in ("cases", "aligned", "align", "gathered", "dcases"):
            return self.read_cases(name)
        if name not in _ENVIRONMENTS:
            raise UnreadableError(f"the environment {name}")
        rows: list[list[Node]] = [[]]
        while True:
            rows[-1].append(self.read_relation())
            if self.is_op("&"):
                self.take()
            elif self.is_op("newline"):
                self.take()
                if self.is_op(f"end:{name}"):
                    break
                rows.append([])
            else:
                break
        self.expect("cmd", f"end:{name}")
        if len({len(row) for row in rows}) != 1:
            raise UnreadableError("a matrix with uneven rows")
        node = Node("matrix", tuple(cell for row in rows for cell in row), (len(rows), len(rows[0])))
        if name == "vmatrix":
            if len(rows) != len(rows[0]):
                raise UnreadableError("a determinant that is not square")
            return _determinant(node.args, len(rows))
        if len(rows[0]) == 1 and all(cell.op == "rel" for cell in node.args):
            return Node("list", node.args, "and")
        return node

    def read_cases(self, name: str) -> Node:
        rows: list[Node] = []
        while not self.is_op(f"end:{name}"):
            row = self.read_list()
            if self.is_op("&"):
                self.take()
                while self.is_word("if", "for", "when", "where") or self.is_op("&"):
                    self.take()
                if self.is_word("otherwise"):
                    self.take()
                    row = Node("branch", (row, Node("text", value="otherwise")))
                else:
                    row = Node("branch", (row, self.read_list()))
            elif self.is_word("if", "for", "when", "where"):
                self.take()
                row = Node("branch", (row, self.read_list()))
            rows.append(row)
            while self.is_op("newline", ","):
                self.take()
        self.take()
        if not rows:
            raise UnreadableError("empty cases")
        if all(row.op != "branch" for row in rows):
            return rows[0] if len(rows) == 1 else Node("list", tuple(rows), "and")
        return Node("cases", tuple(rows))

    def read_series(self, name: str) -> Node:
        index, low, high = "", None, None
        while self.is_op("_", "^"):
            which = self.take().text
            if which == "^":
                high = self.read_script()
                continue
            self.expect("open", "{")
            token = self.take()
            if token.kind != "sym":
                raise UnreadableError("a sum without an index")
            index = token.text
            self.expect("op", "=")
            low = self.read_sum()
            self.expect("close", "}")
        if not index or low is None or high is None:
            raise UnreadableError("a sum without bounds")
        body = self.read_product()
        # The index is bound: it gets a name of its own, so that i is no imaginary unit and k may be called n.
        self.num_series += 1
        bound = Node("sym", value=f"#{self.num_series}")
        for old in (Node("sym", value=index), Node("const", value=index)):
            body = _replace(body, old, bound)
        return Node(name, (body, bound, low, high))

    def read_function(self, name: str) -> Node:
        exponent: Node | None = None
        base: Node | None = None
        if name == "sqrt" and self.here.kind == "open" and self.here.text == "[":
            self.take()
            base = self.read_sum()
            self.expect("close", "]")
        while self.is_op("^", "_") and name != "sqrt":
            if self.take().text == "^":
                exponent = self.read_script()
            else:
                base = self.read_script()
        if name in ("sqrt", "cbrt"):
            # A bare number is taken whole: the root of 10 in \sqrt10, which TeX would draw over the 1 only.
            braces = self.here.kind == "open" and self.here.text == "{"
            argument = self.read_argument() if braces else self.read_primary()
            index = base or Node("num", value=Fraction(3 if name == "cbrt" else 2))
            return Node("fn", (argument, index), "root")
        if self.here.kind == "open" and (self.here.text in ("(", "[", "{") or name in ("max", "min", "gcd", "lcm")):
            opening = self.take().text
            outer, self.bars = self.bars, 0
            inner = self.read_list()
            self.bars = outer
            self.take_closing({"(": (")",), "[": ("]",), "{": ("}",), r"\{": (r"\}",)}[opening])
            arguments = inner.args if inner.op == "list" else (inner,)
        elif name in ("max", "min", "gcd", "lcm"):
            raise UnreadableError(f"{name} without brackets")
        else:
            arguments = (self.read_bare_argument(),)
        if name == "det" and arguments[0].op == "matrix" and len(set(arguments[0].value)) == 1:
            node = _determinant(arguments[0].args, arguments[0].value[0])
        elif name == "exp":
            node = Node("pow", (Node("const", value="e"), arguments[0]))
        elif name == "log" and base is not None:
            node = Node("fn", (arguments[0], base), "logbase")
        elif name == "lg":
            node = Node("fn", (arguments[0], Node("num", value=Fraction(10))), "logbase")
        elif base is not None:
            raise UnreadableError(f"a subscript on {name}")
        else:
            if name not in ("gcd", "lcm", "max", "min", "binom") and len(arguments) != 1:
                raise UnreadableError(f"{name} of several arguments")
            node = Node("fn", tuple(arguments), name)
        if exponent is None:
            return node
        if exponent == Node("neg", (Node("num", value=Fraction(1)),)) and name in (
            "sin",
            "cos",
            "tan",
            "sec",
            "csc",
            "cot",
            "sinh",
            "cosh",
            "tanh",
        ):
            return Node("fn", node.args, f"arc{name}")
        return Node("pow", (node, exponent))

    def read_bare_argument(self) -> Node:
        """Reads sin 2x, ln 3, cos -x: the argument is the implied product up to the next function or operator."""
        self.enter()
        if self.is_op("-"):
            self.take()
            node = Node("neg", (self.read_bare_argument(),))
        else:
            node = self.read_power()
            while self.starts_factor() and self.here.kind not in ("fn", "num") and not self.here.apart:
                node = Node("mul", (node, self.read_power()))
        self.depth -= 1
        return node


def letters_of(node: Node) -> list[Node]:
    """The symbols of a product of single letters, in order."""
    if node.op == "sym" and node.value.isupper():
        return [Node("sym", value=letter) for letter in node.value]
    if node.op == "sym":
        return [node]
    if node.op == "mul":
        left, right = (letters_of(arg) for arg in node.args)
        return [*left, *right] if left and right else []
    return []


def _bound_by(body: Node, variable: str) -> tuple[Node, Node]:
    """The body of an integral or a limit with its variable bound, and that variable."""
    bound = Node("sym", value=f"#{variable}")
    return _replace(body, Node("sym", value=variable), bound), bound


def _replace(node: Node, old: Node, new: Node) -> Node:
    if node == old:
        return new
    return Node(node.op, tuple(_replace(arg, old, new) for arg in node.args), node.value) if node.args else node


def _add(left: Node, right: Node) -> Node:
    """Sums are kept flat, so that long ones do not nest."""
    return Node("add", (*left.args, right)) if left.op == "add" else Node("add", (left, right))


def _is_natural(node: Node) -> bool:
    return node.op == "num" and node.value.denominator == 1 and node.value >= 0


def _is_proper(node: Node) -> bool:
    return node.op == "div" and all(map(_is_natural, node.args)) and 0 < node.args[0].value < node.args[1].value


def _determinant(cells: tuple[Node, ...], size: int) -> Node:
    """The determinant, by the first row. Small matrices only."""
    if size == 1:
        return cells[0]
    if size > 4:
        raise UnreadableError("a determinant of more than 4 rows")
    terms: list[Node] = []
    for column in range(size):
        minor = tuple(cells[r * size + c] for r in range(1, size) for c in range(size) if c != column)
        term = Node("mul", (cells[column], _determinant(minor, size - 1)))
        terms.append(Node("neg", (term,)) if column % 2 else term)
    return Node("add", tuple(terms))


def _in_base(node: Node, base: Node | None) -> Node:
    if node.op == "sym" and base is not None:
        raise UnreadableError("a subscript")
    if (
        base is None
        or base.op != "num"
        or base.value.denominator != 1
        or not 2 <= base.value <= 36
        or not _is_natural(node)
    ):
        raise UnreadableError("a number in an unknown base")
    digits = str(node.value.numerator)
    if any(int(digit) >= base.value for digit in digits):
        raise UnreadableError("a digit outside its base")
    return Node("based", value=(digits, int(base.value)))
