# ruff: noqa: E501  (tables)
"""Characters to tokens: LaTeX and plain text, as people and models write final answers.

Promises: linear in the length of the text, capped, and total: any string either becomes tokens or raises
`UnreadableError`. Invisible characters never split or join what a reader of the page would see; text that a terminal
would show in another order (bidirectional controls) is refused.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata

from verifiers.math.reading.expression import MAX_CHARS, MAX_DIGITS, MAX_TOKENS, UnreadableError
from verifiers.math.reading.vocabulary import FUNCTIONS, GREEK, KEYWORDS, NOT_PRODUCTS, SHORT_WORDS, UNITS, words_of


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """num sym fn cmd word op open close end"""
    text: str
    space: bool = False
    """White space stood before it."""
    apart: bool = False
    """A line break or a \\quad stood before it."""
    run: bool = False
    """A letter that continues a run of letters."""


_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ", "0123456789+-ni")
_SUBSCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋", "0123456789+-")
_FRACTIONS = {
    "½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5",
    "⅙": "1/6", "⅚": "5/6", "⅐": "1/7", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8", "⅑": "1/9", "⅒": "1/10",
}  # fmt: skip
_CHARACTERS = {
    "−": "-", "–": "-", "—": "-", "﹣": "-", "－": "-", "‐": "-", "‑": "-", "×": "*", "·": "*", "⋅": "*", "∙": "*",
    "•": "*", "∗": "*", "÷": r"\div ", "⁄": "/", "∕": "/", "≤": r"\le ", "⩽": r"\le ", "≥": r"\ge ", "⩾": r"\ge ",
    "≠": r"\ne ", "≈": r"\approx ", "≡": r"\equiv ", "∈": r"\in ", "∉": r"\notin ", "∪": r"\cup ", "∩": r"\cap ",
    "∖": r"\setminus ", "∅": r"\emptyset ", "⌀": r"\emptyset ", "Ø": r"\emptyset ", "∞": r"\infty ", "√": r"\surd ",
    "∛": r"\cbrt ", "π": r"\pi ", "°": r"^\circ ", "º": r"^\circ ", "˚": r"^\circ ", "±": r"\pm ", "∓": r"\mp ",
    "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}",
    "⟨": r"\langle ", "⟩": r"\rangle ", "〈": r"\langle ", "〉": r"\rangle ", "⌊": r"\lfloor ", "⌋": r"\rfloor ",
    "⌈": r"\lceil ", "⌉": r"\rceil ", "′": "'", "’": "'", "‘": "'", "∣": "|", "｜": "|", "∑": r"\sum ", "∏": r"\prod ",
    "∧": r"\land ", "∨": r"\lor ", "→": r"\to ", "⇒": r"\Rightarrow ", "⟹": r"\Rightarrow ", "∫": r"\int ", "€": r"\text{euros}",
    "£": r"\text{pounds}", "¥": r"\text{yen}", "…": r"\ldots ", "⋯": r"\ldots ", "“": '"', "”": '"', "∘": r"\circ ",
    "\u00a0": r"\,", "\u2009": r"\,", "\u202f": r"\,", "\u2007": r"\,", "\u2008": r"\,", "\u200a": r"\,",
}  # fmt: skip
_GREEK_LETTERS = dict(zip("αβγδεζηθικλμνξρστυφχψωϕϵΓΔΘΛΞΠΣΦΨΩ", words_of(
    """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi rho sigma tau upsilon phi chi
    psi omega phi epsilon Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega
    """
), strict=True))  # fmt: skip
_CHARACTERS.update({letter: f"\\{name} " for letter, name in _GREEK_LETTERS.items()})
_BIDI = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f\u061c]")
_INVISIBLE_OPERATORS = re.compile("[\u2061-\u2064]")
_ZERO_WIDTH = re.compile("[\u200b-\u200d\u2060\ufeff\u00ad\ufe00-\ufe0f\u180e\u034f]")


def unify(text: str) -> str:
    """Unicode to ASCII LaTeX: digits of every script, superscripts, fraction signs, operators, Greek, odd spaces."""
    if text.isascii():
        return text
    if _BIDI.search(text):
        raise UnreadableError("text with bidirectional controls")
    if _INVISIBLE_OPERATORS.search(text):
        raise UnreadableError("text with invisible operators")
    text = _ZERO_WIDTH.sub("", text)
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿⁱ]+", lambda m: "^{" + m[0].translate(_SUPERSCRIPTS) + "}", text)
    text = re.sub("[₀₁₂₃₄₅₆₇₈₉₊₋]+", lambda m: "_{" + m[0].translate(_SUBSCRIPTS) + "}", text)
    text = re.sub(
        f"(\\d?)([{''.join(_FRACTIONS)}])",
        lambda m: (m[1] + " " if m[1] else "") + "\\frac{" + _FRACTIONS[m[2]].replace("/", "}{") + "}",
        text,
    )
    text = "".join(_CHARACTERS.get(c) or c for c in text)
    if text.isascii():
        return text
    # Compatibility forms (full-width, mathematical alphabets), then decimal digits of other scripts.
    text = unicodedata.normalize("NFKC", text)
    text = "".join(_CHARACTERS.get(c) or _digit(c) for c in text)
    return text


def _digit(char: str) -> str:
    if char.isascii():
        return char
    value = unicodedata.decimal(char, None)
    return char if value is None else str(value)


# Groups of three digits after the first: 1,234,567  1{,}234  1\,234  12 345 (space groups need a first group of 1-3).
_SEPARATOR = r"(?:\{,\}|\\,|\\;|\\:|\\!,\\!|,\\!|\\ |~)"
_NUMBER = re.compile(
    rf"(?:\d{{1,3}}(?:(?:,\d{{3}})+|(?:{_SEPARATOR}\d{{3}})+|(?: \d{{3}})+)(?![\d])|\d+)"
    r"(?:\.\d+|\{,\}\d+(?!\d)|\.(?![\d.a-zA-Z]))?|\.\d+"
)
_COMMAND = re.compile(r"\\([a-zA-Z]+|.)", re.DOTALL)
_SPACE = re.compile(
    r"(?:\s|~|\\[,;:! ]|\\(?:quad|qquad|thinspace|enspace|displaystyle|textstyle|limits|nolimits|allowbreak|nonumber|hfill)(?![a-zA-Z])|&nbsp;)+"
)
_LETTERS = re.compile(r"[^\W\d_]+")
_TEXT_COMMANDS = frozenset(
    words_of(
        """
    text mbox textbf textit textrm texttt textsf textnormal emph hbox operatorname operatorname* mathrm
    mathsf mathtt rm bf it
    """
    )
)
_FONT_COMMANDS = frozenset(
    words_of(
        """
    mathbf boldsymbol bm mathit mathcal mathfrak vec hat tilde underline large Large LARGE small therefore color textcolor boxed fbox
    """
    )
)
_SIZE_COMMANDS = frozenset(
    words_of(
        """
    left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr mleft mright
    """
    )
)
_ALIASES = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge",
    "neq": "ne", "lbrace": "{", "rbrace": "}", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "lt": "<", "gt": ">",
    "dbinom": "binom", "tbinom": "binom", "varnothing": "emptyset", "cdot": "*", "times": "*", "ast": "*", "bullet": "*",
    "backslash": "setminus", "smallsetminus": "setminus", "wedge": "land", "vee": "lor", "ldots": "dots", "cdots": "dots",
    "dotsc": "dots", "dotsb": "dots", "rightarrow": "to", "varepsilon": "epsilon", "varphi": "phi", "vartheta": "theta",
    "imath": "i", "jmath": "j", "lbrack": "[", "rbrack": "]", "colon": ":", "degree": "circ", "implies": "Rightarrow",
    "bigcup": "cup", "bigcap": "cap", "lVert": "Vert", "rVert": "Vert", "prime": "'", "euro": "euros", "simeq": "approx",
    "thickapprox": "approx", "doteq": "=", "triangleq": "=",
}  # fmt: skip
_OPERATORS = frozenset("+-*/^_=<>,;:!|'&")

_LEFT_BRACE_SYSTEM = re.compile(
    r"\\left\s*\\\{\s*\\begin\{(array|aligned|matrix|gathered|align)\}(?:\{[^{}]*\})?(.*?)\\end\{\1\}\s*\\right\s*\.",
    re.DOTALL,
)
"""A system under one big brace: what `cases` draws."""


def tokenize(text: str) -> list[Token]:
    """Raises UnreadableError."""
    if len(text) > MAX_CHARS:
        raise UnreadableError(f"an answer of more than {MAX_CHARS} characters")
    return _Scanner(_LEFT_BRACE_SYSTEM.sub(r"\\begin{cases}\2\\end{cases}", unify(text))).scan()


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.tokens: list[Token] = []
        self.space = False
        self.apart = False

    def scan(self) -> list[Token]:
        text, size = self.text, len(self.text)
        while self.at < size:
            if match := _SPACE.match(text, self.at):
                self.at = match.end()
                self.space = True
                self.apart = self.apart or "\n" in match[0] or "quad" in match[0]
                continue
            char = text[self.at]
            if char.isdigit() or (char == "." and _NUMBER.match(text, self.at)):
                self._number()
            elif char == "\\":
                self._command()
            elif char.isalpha():
                self._letters()
            elif char in "([{":
                self._add("open", char)
                self.at += 1
            elif char in ")]}":
                self._add("close", char)
                self.at += 1
            elif char == "$":
                # A dollar sign glued to a number is money unless it opens or closes math; both mean the same value.
                self.at += 1
                if (
                    not text.startswith("$", self.at)
                    and self.at < size
                    and text[self.at].isdigit()
                    and "$" not in text[self.at :]
                ):
                    self._add("word", "dollars_prefix")
            elif char == "%":
                self._add("op", "%")
                self.at += 1
            elif char == ".":
                if text.startswith("...", self.at):
                    self._add("cmd", "dots")
                    self.at += 3
                elif text[self.at + 1 :].strip(" .$*\\)]}\n") == "":
                    self.at += 1  # the full stop at the end
                else:
                    raise UnreadableError("a stray full stop")
            elif char in _OPERATORS:
                self._operator(char)
            elif char in '"`':
                self.at += 1
            else:
                raise UnreadableError(f"the character {char!r}")
        self._add("end", "")
        return self.tokens

    def _add(self, kind: str, text: str, run: bool = False) -> None:
        if len(self.tokens) >= MAX_TOKENS:
            raise UnreadableError(f"more than {MAX_TOKENS} tokens")
        self.tokens.append(Token(kind, text, self.space, self.apart, run))
        self.space = self.apart = False

    def _operator(self, char: str) -> None:
        for long, token in (
            ("<=", "le"),
            (">=", "ge"),
            ("!=", "ne"),
            ("==", "="),
            ("=>", "Rightarrow"),
            ("->", "to"),
            ("**", "^"),
            ("||", "|"),
        ):
            if self.text.startswith(long, self.at):
                if long == "!=" and not self.space and self.tokens and self.tokens[-1].kind in ("num", "close"):
                    break  # 5!=120 is a factorial; 5 != 120 an inequality
                if long == "||":
                    break
                self._add("op" if token in "=^|" else "cmd", token)
                self.at += len(long)
                return
        self._add("op", char)
        self.at += 1

    def _number(self) -> None:
        match = _NUMBER.match(self.text, self.at)
        if match is None:
            raise UnreadableError("a digit of an unknown script")
        raw = match[0]
        self.at = match.end()
        if len(raw) > MAX_DIGITS:
            raise UnreadableError(f"a number of more than {MAX_DIGITS} digits")
        comma_groups = "," in raw and "{" not in raw and "\\" not in raw
        digits = raw.replace("{,}", "\0")
        if "\0" in digits and not re.fullmatch(r"\d{1,3}(?:\0\d{3})+(?:\.\d*)?", digits):
            digits = digits.replace("\0", ".")  # a decimal comma
        digits = re.sub(r"[^\d.]", "", digits)
        # 0x1F, 0b101, 0o17
        if raw == "0" and (hexa := re.compile(r"x[0-9a-fA-F]+|b[01]+|o[0-7]+").match(self.text, self.at)):
            self.at = hexa.end()
            self._add("based", hexa[0])
            return
        exponent = re.compile(r"[eE][+-]?\d{1,6}(?![\d.])").match(self.text, self.at)
        if exponent:
            digits += "e" + exponent[0][1:]
            self.at = exponent.end()
        if digits.endswith(".") and not re.compile(r"\\(?:overline|bar|dot)(?![a-z])|\(\d").match(self.text, self.at):
            digits = digits[:-1]
        self._add("num", digits, run=comma_groups)

    def _command(self) -> None:
        match = _COMMAND.match(self.text, self.at)
        if match is None:
            raise UnreadableError("a stray backslash")
        name = match[1]
        self.at = match.end()
        name = _ALIASES.get(name, name)
        if name in "()[]" and match[0] in (r"\(", r"\)", r"\[", r"\]"):
            return
        if name in _SIZE_COMMANDS:
            if self.text.startswith(".", self.at):
                self.at += 1
            return
        if name in _TEXT_COMMANDS:
            self._text_command(name)
        elif name == "begin" or name == "end":
            end = self._group_end()
            if end is None:
                raise UnreadableError(f"\\{name} without a name")
            environment = self.text[self.at : end].strip("{} *")
            self.at = end
            if name == "begin" and environment == "array":
                self.at = self._group_end() or self.at
            self._add("cmd", f"{name}:{environment}")
        elif name == "mathbb" or (name == "mathbf" and re.match(r"\s*\{?[RZNQC]\}?(?![a-z])", self.text[self.at :])):
            while self.text.startswith(" ", self.at):
                self.at += 1
            end = self._group_end()
            letter = self.text[self.at : end].strip("{} ") if end else self.text[self.at : self.at + 1]
            self.at = end or self.at + 1
            self._add("cmd", f"bb:{letter}")
        elif name in _FONT_COMMANDS:
            if name in ("color", "textcolor"):
                self.at = self._group_end() or self.at
        elif name == "\\":
            if self.text.startswith("[", self.at) and (
                spacing := re.compile(r"\[-?[\d.]+(?:pt|em|ex|mm|cm)\]").match(self.text, self.at)
            ):
                self.at = spacing.end()
            self._add("cmd", "newline")
        elif name in "{":
            self._add("open", r"\{")
        elif name == "}":
            self._add("close", r"\}")
        elif name in "[":
            self._add("open", "[")
        elif name == "]":
            self._add("close", "]")
        elif name in "*|<>=:'":
            self._add("op", name)
        elif name == "%":
            self._add("op", "%")
        elif name == "$":
            self._add("word", "dollars_prefix")
        elif name == "&":
            self._add("word", "and")
        elif name in ("#", "_", "-", "/"):
            raise UnreadableError(f"the command \\{name}")
        elif name == "pi":
            self._add("const", "pi")
        elif name in ("i", "j"):
            self._add("sym", name)
        elif name == "infty":
            self._add("const", "inf")
        elif name in FUNCTIONS:
            self._add("fn", FUNCTIONS[name])
        elif name in GREEK:
            self._add("sym", name)
        elif name in ("R", "Z", "N", "Q", "C", "reals", "Reals"):
            self._add("cmd", f"bb:{name[0].upper()}")
        elif name in ("euros",):
            self._add("word", name)
        elif name in ("tag", "label", "phantom", "hspace", "vspace"):
            self.at = self._group_end() or self.at
        else:
            self._add("cmd", name)

    def _group_end(self) -> int | None:
        """End of the brace group that starts here, or None."""
        at = self.at
        while at < len(self.text) and self.text[at] == " ":
            at += 1
        if not self.text.startswith("{", at):
            return None
        depth = 0
        for index in range(at, len(self.text)):
            if self.text[index] == "\\":
                continue
            if self.text[index] == "{" and self.text[index - 1] != "\\":
                depth += 1
            elif self.text[index] == "}" and self.text[index - 1] != "\\":
                depth -= 1
                if depth == 0:
                    return index + 1
        raise UnreadableError("unbalanced braces")

    def _text_command(self, name: str) -> None:
        if self.text.startswith("*", self.at):
            self.at += 1
        end = self._group_end()
        if end is None:
            return  # \rm and its kind: a switch without an argument
        start = self.text.index("{", self.at)
        inner = self.text[start + 1 : end - 1]
        self.at = end
        stripped = inner.strip().replace("\\ ", " ")
        if stripped in FUNCTIONS:
            self._add("fn", FUNCTIONS[stripped])
            return
        if (
            name in ("mathrm", "rm", "mathsf")
            and len(stripped) == 1
            and stripped.isalpha()
            and (stripped in "eid" or stripped.isupper())
        ):
            self._add("sym", stripped)
            return
        for piece in re.findall(r"[^\W\d_]+|[^\s]", stripped):
            if not piece[0].isalpha():
                break
        else:
            for piece in re.findall(r"[^\W\d_]+", stripped):
                self._add("word", piece)
            return
        # Mixed content: scan it on its own; its letters are words.
        scanner = _Scanner(stripped)
        scanner.tokens = self.tokens
        scanner.space = True
        scanner._scan_text()

    def _scan_text(self) -> None:
        pieces = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*")
        while self.at < len(self.text):
            if match := pieces.match(self.text, self.at):
                self._add("word", match[0])
                self.at = match.end()
                self.space = False
            else:
                before = self.at
                stop = pieces.search(self.text, self.at)
                part = _Scanner(self.text[before : stop.start() if stop else len(self.text)])
                part.tokens = self.tokens
                part.space = self.space
                part.scan()
                self.tokens.pop()
                self.at = stop.start() if stop else len(self.text)

    def _letters(self) -> None:
        match = _LETTERS.match(self.text, self.at)
        if match is None:
            raise UnreadableError(f"the character {self.text[self.at]!r}")
        run = match[0]
        self.at = match.end()
        lower = run.lower()
        previous = self.tokens[-1] if self.tokens else None
        if len(run) > 1:
            if lower in KEYWORDS:
                self._add("word", lower)
                return
            if run in FUNCTIONS or lower in FUNCTIONS:
                self._add("fn", FUNCTIONS.get(run) or FUNCTIONS[lower])
                return
            if lower in ("pi", "inf", "infinity", "infty", "oo"):
                self._add("const", "pi" if lower == "pi" else "inf")
                return
            if run in GREEK:
                self._add("sym", run)
                return
            after_value = previous is not None and (previous.kind in ("num", "close") or (previous.kind == "word"))
            if (run in UNITS or lower in UNITS) and after_value:
                self._add("word", run)
                return
            if lower in SHORT_WORDS or lower in NOT_PRODUCTS or not run.isascii():
                self._add("word", run)
                return
            if self._split_run(run):
                return
            # A word as soon as it is longer than a product of letters would be, or has white space and a neighbour word.
            if len(run) >= 4 or (previous is not None and previous.kind == "word" and self.space):
                self._add("word", run)
                return
        for index, letter in enumerate(run):
            self._add("sym", letter, run=index > 0)

    def _split_run(self, run: str) -> bool:
        """`sinx`, `xcosx`, `lnx`, `pir`, `sqrtx`: function names glued to single letters."""
        pieces: list[tuple[str, str]] = []
        at = 0
        found = False
        while at < len(run):
            for name in _GLUED:
                if run.startswith(name, at):
                    pieces.append(("const", "pi") if name == "pi" else ("fn", FUNCTIONS[name]))
                    at += len(name)
                    found = True
                    break
            else:
                pieces.append(("sym", run[at]))
                at += 1
        if not found or sum(kind == "sym" for kind, _ in pieces) > 3:
            return False
        for kind, text in pieces:
            self._add(kind, text)
        return True


_GLUED = (
    "arcsin",
    "arccos",
    "arctan",
    "sinh",
    "cosh",
    "tanh",
    "sqrt",
    "sin",
    "cos",
    "tan",
    "cot",
    "sec",
    "csc",
    "log",
    "ln",
    "pi",
)
