# ruff: noqa: E501  (tables)
"""Characters to tokens: LaTeX and plain text, as people and models write final answers.

Promises: linear in the length of the text, capped, and total: any string either becomes tokens or raises
`UnreadableError`. Invisible characters never split or join what a reader of the page would see; text that a terminal
would show in another order (bidirectional controls) is refused.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

from verifiers.math.reading.characters import unify
from verifiers.math.reading.expression import MAX_CHARS, MAX_DEPTH, MAX_DIGITS, MAX_TOKENS, UnreadableError
from verifiers.math.reading.nouns import is_noun
from verifiers.math.reading.vocabulary import (
    FUNCTIONS,
    GLUED_UNITS,
    GREEK,
    KEYWORDS,
    NOT_PRODUCTS,
    SHORT_WORDS,
    UNITS,
    words_of,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Token:
    kind: str
    """One of num, sym, fn, cmd, word, op, open, close and end."""
    text: str
    space: bool = False
    """White space stood before it."""
    apart: bool = False
    """A line break or a \\quad stood before it."""
    run: bool = False
    """A letter that continues a run of letters."""
    groups: str = ""
    """The digits of a number with their commas, where the commas may also separate numbers (`81,256`)."""


# Groups of three digits after the first: 1,234,567  1{,}234  1\,234  12 345 (space groups need a first group of 1-3).
_SEPARATOR = r"(?:\{,\}|\\,|\\;|\\:|\\!,\\!|,\\! ?|\\ |~)"
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
_BRACKETS = {"(": "open", "[": "open", "{": "open", ")": "close", "]": "close", "}": "close"}
_ALIASES = {
    "dfrac": "frac", "tfrac": "frac", "cfrac": "frac", "leq": "le", "leqslant": "le", "geq": "ge", "geqslant": "ge",
    "neq": "ne", "lvert": "|", "rvert": "|", "vert": "|", "mid": "|", "lt": "<", "gt": ">",
    "dbinom": "binom", "tbinom": "binom", "varnothing": "emptyset", "cdot": "*", "times": "*", "ast": "*", "bullet": "*",
    "backslash": "setminus", "smallsetminus": "setminus", "wedge": "land", "vee": "lor", "ldots": "dots", "cdots": "dots",
    "dotsc": "dots", "dotsb": "dots", "rightarrow": "to", "varepsilon": "epsilon", "varphi": "phi", "vartheta": "theta",
    "imath": "i", "jmath": "j", "colon": ":", "degree": "circ", "implies": "Rightarrow",
    "lVert": "Vert", "rVert": "Vert", "prime": "'", "euro": "euros", "simeq": "approx",
    "thickapprox": "approx", "doteq": "=", "triangleq": "=", "iint": "int", "oint": "int", "vartriangle": "triangle",
    "overleftrightarrow": "overrightarrow", "widehat": "hat", "widetilde": "tilde",
}  # fmt: skip
_OPERATORS = frozenset("+-*/^_=<>,;:!|'&")

_LEFT_BRACE_SYSTEM = re.compile(
    r"\\left\s*\\\{\s*\\begin\{(array|aligned|matrix|gathered|align)\}(?:\{[^{}]*\})?(.*?)\\end\{\1\}\s*\\right\s*\.",
    re.DOTALL,
)
"""A system under one big brace: what `cases` draws."""


_PRIMES = re.compile(r"\^\s*(?:\{\s*((?:\\prime\s*|')+)\}|((?:\\prime(?![a-zA-Z])\s*)+))")
_COMMENT = re.compile(r"(?<!\\)%[^\n%\d]*[A-Za-z][^\n]*\n")
"""What TeX leaves out: from a percent sign to the end of the line, where words show that it is no percentage."""
_ESCAPED_TWICE = re.compile(
    r"\\\\(?=(?:frac|dfrac|tfrac|sqrt|text|pi|cup|cap|infty|left|right|begin|end|cdot|times|le|leq|ge|geq|in|mathbb|"
    r"theta|alpha|beta|sin|cos|tan|log|ln|circ|pm|mathrm|quad)(?![a-zA-Z])|[{}])"
)


def tokenize(text: str) -> list[Token]:
    """The tokens of an answer. Raises UnreadableError."""
    if len(text) > MAX_CHARS:
        raise UnreadableError(f"an answer of more than {MAX_CHARS} characters")
    text = unify(text)
    if "\\\\" in text:
        text = _LEFT_BRACE_SYSTEM.sub(r"\\begin{cases}\2\\end{cases}", _escaped_once(text))
    if "prime" in text or "'" in text:
        text = _PRIMES.sub(lambda m: "'" * ((m[1] or m[2]).count("\\prime") + (m[1] or m[2]).count("'")), text)
    if "%" in text and "\n" in text:
        text = _COMMENT.sub("\n", text)
    return _Scanner(text).scan()


def _escaped_once(text: str) -> str:
    """The text with `\\\\frac`, which was escaped twice, as `\\frac`. A real line break stands before no command."""
    if "\\\\begin" in text:
        return text.replace("\\\\", "\\")
    return _ESCAPED_TWICE.sub(r"\\", text) if _ESCAPED_TWICE.search(text) and "\\begin" not in text else text


class _Scanner:
    def __init__(self, text: str, depth: int = 0) -> None:
        if depth > MAX_DEPTH:
            raise UnreadableError(f"nesting deeper than {MAX_DEPTH}")
        self.text = text
        self.depth = depth
        self.at = 0
        self.tokens: list[Token] = []
        self.space = False
        self.apart = False
        self.group_ends: dict[int, int] | None = None
        self.last_dollar = text.rfind("$")
        self.last_content = len(text.rstrip(" .$*\\)]}\n"))
        """The place behind which only closing marks follow; a full stop there ends the answer."""

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
            elif char.isalpha():
                self._letters()
            elif char in _OPERATORS:
                self._operator(char)
            elif char in _BRACKETS:
                self._add(_BRACKETS[char], char)
                self.at += 1
            elif char in _SIGNS:
                _SIGNS[char](self)
            else:
                raise UnreadableError(f"the character {char!r}")
        self._add("end", "")
        return self.tokens

    def _dollar(self) -> None:
        """A dollar sign glued to a number is money unless it opens or closes math; both mean the same value."""
        self.at += 1
        text = self.text
        if self.at < len(text) and text[self.at].isdigit() and self.last_dollar < self.at:
            self._add("word", "dollars_prefix")

    def _percent(self) -> None:
        self._add("op", "%")
        self.at += 1

    def _full_stop(self) -> None:
        if self.text.startswith("...", self.at):
            self._add("cmd", "dots")
            self.at += 3
        elif self.at >= self.last_content:
            self.at += 1  # the full stop at the end
        else:
            raise UnreadableError("a stray full stop")

    def _quote(self) -> None:
        """A quotation mark is dropped, unless it counts seconds behind minutes."""
        self.at += 1
        follows_number = bool(self.tokens) and self.tokens[-1].kind == "num"
        if self.text[self.at - 1] == '"' and follows_number and any(t.text == "'" for t in self.tokens[-3:-1]):
            self._add("op", "'")
            self._add("op", "'")

    def _add(self, kind: str, text: str, run: bool = False, groups: str = "") -> None:
        if len(self.tokens) >= MAX_TOKENS:
            raise UnreadableError(f"more than {MAX_TOKENS} tokens")
        self.tokens.append(Token(kind, text, self.space, self.apart, run, groups))
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
        groups = raw if "," in raw and "{" not in raw and "\\" not in raw and "." not in raw else ""
        digits = raw.replace("{,}", "\0")
        if "\0" in digits and not re.fullmatch(r"\d{1,3}(?:\0\d{3})+(?:\.\d*)?", digits):
            if digits.count("\0") + digits.count(".") > 1:
                raise UnreadableError("a number with several decimal commas")
            digits = digits.replace("\0", ".")  # a decimal comma
        digits = re.sub(r"[^\d.]", "", digits)
        # 0x1F, 0b101, 0o17
        if raw == "0" and (hexa := _PREFIXED.match(self.text, self.at)):
            self.at = hexa.end()
            self._add("based", hexa[0])
            return
        exponent = _EXPONENT.match(self.text, self.at)
        if exponent:
            digits += "e" + exponent[0][1:]
            self.at = exponent.end()
        if digits.endswith(".") and not _REPETEND.match(self.text, self.at):
            digits = digits[:-1]
        self._add("num", digits, groups=groups)

    def _command(self) -> None:
        match = _COMMAND.match(self.text, self.at)
        if match is None:
            raise UnreadableError("a stray backslash")
        self.at = match.end()
        name = _ALIASES.get(match[1], match[1])
        action = _COMMANDS.get(name)
        if action is not None:
            action(self, name)
        elif (token := _COMMAND_TOKENS.get(name)) is not None:
            self._add(*token)
        else:
            self._add("cmd", name)

    def _no_command(self, name: str) -> None:
        raise UnreadableError(f"the command \\{name}")

    def _size(self, name: str) -> None:
        if self.text.startswith(".", self.at):
            self.at += 1

    def _nothing(self, name: str) -> None:
        """A command that only changes how its argument looks."""

    def _skip_argument(self, name: str) -> None:
        self.at = self._group_end() or self.at

    def _environment(self, name: str) -> None:
        end = self._group_end()
        if end is None:
            raise UnreadableError(f"\\{name} without a name")
        environment = self.text[self.at : end].strip("{} *")
        self.at = end
        if name == "begin" and environment == "array":
            self.at = self._group_end() or self.at
        self._add("cmd", f"{name}:{environment}")

    def _blackboard(self, name: str) -> None:
        while self.text.startswith(" ", self.at):
            self.at += 1
        end = self._group_end()
        letter = self.text[self.at : end].strip("{} ") if end else self.text[self.at : self.at + 1]
        self.at = end or self.at + 1
        self._add("cmd", f"bb:{letter}")

    def _font(self, name: str) -> None:
        if name == "mathbf" and _BOLD_SET.match(self.text, self.at):
            self._blackboard(name)
        elif (unit := _UNIT_VECTOR.match(self.text, self.at)) and name not in _ONLY_DECORATIONS:
            self.at = unit.end()
            self._add("sym", f"unit {unit[1] or unit[2] or unit[3]}")
        elif name == "vec" and (ends := _END_POINTS.match(self.text, self.at)):
            self.at = ends.end()
            self._add("sym", f"overrightarrow {ends[1]}")
        elif (letter := _DECORATED.match(self.text, self.at)) and (symbol := _symbol(letter[1] or letter[3])):
            self.at = letter.end()
            self._add("sym", f"{symbol} {name}" + (f"_{letter[2]}" if letter[2] else ""))
        elif name in ("hat", "tilde", "vec") and _NO_LETTER.match(self.text, self.at):
            raise UnreadableError("an accent on a number or a bracket")

    def _line_break(self, name: str) -> None:
        if spacing := _BREAK_LENGTH.match(self.text, self.at):
            self.at = spacing.end()
        self._add("cmd", "newline")

    def _bold_letters(self, name: str) -> None:
        """A decorated letter as a symbol of its own, by its whole text: `\\overrightarrow{AB}`, `\\dot{x}`."""
        end = self._group_end()
        while end is None and self.text.startswith(" ", self.at):
            self.at += 1
        inner = self.text[self.at : end].strip("{} ") if end else self.text[self.at : self.at + 1]
        if not re.fullmatch(r"[A-Za-z\d]{1,4}(?:_\{?\w{1,3}\}?)?|\\[a-z]+", inner):
            raise UnreadableError(f"the command \\{name}")
        self.at = end or self.at + 1
        self._add("sym", f"{name} {inner}")

    def _dotted(self, name: str) -> None:
        if self.tokens and self.tokens[-1].kind == "num":
            self._add("cmd", name)  # a digit that repeats
        else:
            self._bold_letters(name)

    def _group_end(self) -> int | None:
        """End of the brace group that starts here, or None."""
        at = self.at
        while self.text.startswith(" ", at):
            at += 1
        if not self.text.startswith("{", at):
            return None
        if self.group_ends is None:
            self.group_ends = _group_ends(self.text)
        end = self.group_ends.get(at)
        if end is None:
            raise UnreadableError("unbalanced braces")
        return end

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
        if stripped in FUNCTIONS and not (stripped in UNITS and self._follows_value()):
            self._add("fn", FUNCTIONS[stripped])
            return
        is_letter = len(stripped) == 1 and stripped.isalpha() and (stripped in "eid" or stripped.isupper())
        if is_letter and name in ("mathrm", "rm", "mathsf"):
            upright = stripped.isupper() and re.search(rf"(?<![A-Za-z{{\\]){stripped}(?![A-Za-z])", self.text)
            self._add("sym", f"{stripped} mathrm" if upright else stripped)
            return
        for piece in re.findall(r"[^\W\d_]+|[^\s]", stripped):
            if not piece[0].isalpha():
                break
        else:
            for piece in re.findall(r"[^\W\d_]+", stripped):
                self._add("word", piece)
            return
        # Mixed content: scan it on its own; its letters are words.
        scanner = _Scanner(stripped, self.depth + 1)
        scanner.tokens = self.tokens
        scanner.space = True
        scanner._scan_text()

    def _scan_text(self) -> None:
        pieces = _TEXT_WORD
        while self.at < len(self.text):
            if match := pieces.match(self.text, self.at):
                self._add("word", match[0])
                self.at = match.end()
                self.space = False
            else:
                before = self.at
                stop = pieces.search(self.text, self.at)
                part = _Scanner(self.text[before : stop.start() if stop else len(self.text)], self.depth + 1)
                part.tokens = self.tokens
                part.space = self.space
                part.scan()
                self.tokens.pop()
                self.at = stop.start() if stop else len(self.text)

    def _follows_value(self) -> bool:
        """Whether the token before ends a value, so that a unit may stand here."""
        return bool(self.tokens) and (
            self.tokens[-1].kind in ("num", "close", "const") or self.tokens[-1].text == "circ"
        )

    def _letters(self) -> None:
        match = _LETTERS.match(self.text, self.at)
        if match is None:
            raise UnreadableError(f"the character {self.text[self.at]!r}")
        run = match[0]
        start, self.at = self.at, match.end()
        if len(run) > 1:
            known = self._known_name(run)
            if known is not None:
                self._add(*known)
                return
            if self._is_word(run, start):
                self._add("word", run)
                return
            if self._split_run(run):
                return
        for index, letter in enumerate(run):
            self._add("sym", letter, run=index > 0)

    def _known_name(self, run: str) -> tuple[str, str] | None:
        """A function, a constant or a Greek letter."""
        lower = run.lower()
        if (run in FUNCTIONS or lower in FUNCTIONS) and not (lower in UNITS and self._is_unit_here()):
            return "fn", FUNCTIONS.get(run) or FUNCTIONS[lower]
        if lower in ("pi", "inf", "infinity", "infty", "oo"):
            return "const", "pi" if lower == "pi" else "inf"
        return ("sym", run) if run in GREEK else None

    def _is_unit_here(self) -> bool:
        """Whether `min` or `sec` is a unit here, as in `9 min`, and not a function, as in `min(…)` and `sec x`."""
        behind = self.text[self.at : self.at + 2].lstrip()
        return (
            self.space and self._follows_value() and (not behind or not (behind[0].isalnum() or behind[0] in "({\\^_"))
        )

    def _is_word(self, run: str, start: int) -> bool:
        """Whether a run of letters outside of text mode is a word; else it is a product of letters, or a name."""
        lower = run.lower()
        previous = self.tokens[-1] if self.tokens else None
        before, behind = self.text[start - 1 : start], self.text[self.at : self.at + 1]
        if previous is not None and previous.kind == "num" and not self.space:
            return self._is_glued_unit(run, lower, behind)
        apart = (not before or before.isspace() or self.space) and (not behind or behind in " \n.,;:!?~\\$")
        if (
            lower in ("or", "and")
            and before in ("", " ", ")", "]", "}", "$")
            and behind in ("", " ", "(", "[", "\\", "$")
        ):
            return True
        near_word = (
            self.space
            and previous is not None
            and previous.kind == "word"
            and not (run.isupper() and previous.text in ("and", "or"))
        )
        if (
            lower in UNITS
            and self.space
            and previous is not None
            and previous.kind in ("num", "close", "word", "const")
        ):
            return apart or behind in "^/*)"
        if len(run) == 2:
            return self._is_short_word(lower, apart, near_word)
        if lower in KEYWORDS or lower in NOT_PRODUCTS or not run.isascii():
            return True
        if lower in SHORT_WORDS or near_word:
            return not before or not before.isalnum()
        if len(run) < 4 or any(name in run for name in ("sqrt", "sin", "cos", "tan", "log")):
            return len(run) >= 4 and not self._splits(run)
        # A name such as ABCD = 12 is letters; a word stands apart from operators.
        return not (run.isupper() and ((before and before in _NAME_EDGES) or (behind and behind in _NAME_EDGES)))

    def _is_glued_unit(self, run: str, lower: str, behind: str) -> bool:
        """Letters glued to a number are factors, except units that no product of letters would spell."""
        if lower in _ORDINALS:
            return not behind or behind.isspace()
        if lower in GLUED_UNITS or (len(run) >= 4 and lower in UNITS):
            return True
        if len(run) >= 4 and is_noun(lower):
            raise UnreadableError("a word glued to a number")
        return False

    def _is_short_word(self, lower: str, apart: bool, near_word: bool) -> bool:
        """Two letters: a word only if they stand apart, and are alone or beside a word (`by`, `it`, `at`)."""
        if not apart:
            return False
        if lower in KEYWORDS or near_word:
            return True
        if lower in ("sq", "am", "pm") and self._follows_value():
            return True
        if lower not in SHORT_WORDS:
            return False
        if not self.text[self.at :].strip(" .!$") and not self.tokens:
            return True
        following = _LETTERS.match(self.text, self.at + 1)
        return following is not None and len(following[0]) >= 3 and following[0].lower() not in FUNCTIONS

    def _splits(self, run: str) -> bool:
        return _glued_pieces(run) is not None

    def _split_run(self, run: str) -> bool:
        """Splits function names from single letters that are glued to them: `sinx`, `xcosx`, `lnx`, `pir`, `sqrtx`."""
        pieces = _glued_pieces(run)
        for kind, text in pieces or ():
            self._add(kind, text)
        return pieces is not None


def _glued_pieces(run: str) -> list[tuple[str, str]] | None:
    pieces: list[tuple[str, str]] = []
    at = 0
    while at < len(run):
        name = next((name for name in _GLUED if run.startswith(name, at)), None)
        if name is None:
            pieces.append(("sym", run[at]))
            at += 1
        else:
            pieces.append(("const", "pi") if name == "pi" else ("fn", FUNCTIONS[name]))
            at += len(name)
    num_letters = sum(kind == "sym" for kind, _ in pieces)
    return pieces if num_letters < len(pieces) and num_letters <= 3 else None


def _symbol(letter: str) -> str:
    """The name of a letter or of a Greek letter's command; empty for any other command."""
    name = letter.removeprefix("\\")
    return name if len(letter) == 1 or name in GREEK else ""


def _group_ends(text: str) -> dict[int, int]:
    """The place behind the closing brace, for every opening brace. Escaped braces are skipped."""
    ends: dict[int, int] = {}
    opened: list[int] = []
    escaped = False
    for index, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == "{":
            opened.append(index)
        elif char == "}" and opened:
            ends[opened.pop()] = index + 1
    return ends


_GLUED = tuple(words_of("arcsin arccos arctan sinh cosh tanh sqrt sin cos tan cot sec csc log ln pi"))
_ORDINALS = frozenset(["st", "nd", "rd", "th"])
_NAME_EDGES = "=+-*/^_()[]{}|<>,0123456789"
_TEXT_WORD = re.compile(r"[^\W\d_]+(?:[-'][^\W\d_]+)*")
_PREFIXED = re.compile(r"x[0-9a-fA-F]+|b[01]+|o[0-7]+")
_EXPONENT = re.compile(r"[eE][+-]?\d{1,6}(?![\d.])")
_REPETEND = re.compile(r"\\(?:overline|bar|dot)(?![a-z])|\(\d")
_BREAK_LENGTH = re.compile(r"\[-?[\d.]+(?:pt|em|ex|mm|cm)\]")
_BOLD_SET = re.compile(r"\s*\{?[RZNQC]\}?(?![a-z])")
_DECORATED = re.compile(
    r"\s*(?:\{\s*(\\[a-zA-Z]+|[A-Za-z])\s*(?:_\s*\{?(\w{1,3})\}?)?\s*\}|(\\[a-zA-Z]+|[A-Za-z]))(?![A-Za-z])"
)
"""The one letter, with its index, that a font or an accent makes another name of."""
_NO_LETTER = re.compile(r"[\s{]{0,8}[\d()\[\].]")
_END_POINTS = re.compile(r"\s*\{\s*([A-Z]{2})\s*\}")
_ONLY_DECORATIONS = frozenset(["tilde", "underline", "mathcal", "mathfrak"])
_UNIT_VECTOR = re.compile(
    r"\s*(?:\{\s*\\?([ijk])(?:math)?\s*\}|\\([ij])math(?![a-z])|"
    r"\{\s*\\(?:mathbf|hat|vec|bm|boldsymbol)\s*\{\s*\\?([ijk])(?:math)?\s*\}\s*\})"
)
"""The argument of `\\mathbf`, `\\hat` and their kind where it is one of the unit vectors i, j, k."""

_SIGNS: dict[str, Callable[[_Scanner], None]] = {
    "\\": _Scanner._command,
    "$": _Scanner._dollar,
    "%": _Scanner._percent,
    ".": _Scanner._full_stop,
    '"': _Scanner._quote,
    "`": _Scanner._quote,
}
_COMMANDS: dict[str, Callable[[_Scanner, str], None]] = {
    name: action
    for action, names in (
        (
            _Scanner._nothing,
            "( ) [ ] mathit large Large LARGE small therefore boxed fbox",
        ),
        (_Scanner._font, "mathbf boldsymbol bm hat vec mathcal mathfrak tilde underline"),
        (_Scanner._skip_argument, "color textcolor tag label phantom hspace vspace"),
        (
            _Scanner._size,
            "left right middle big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr mleft mright",
        ),
        (_Scanner._text_command, " ".join(_TEXT_COMMANDS)),
        (_Scanner._environment, "begin end"),
        (_Scanner._blackboard, "mathbb"),
        (_Scanner._line_break, "\\"),
        (_Scanner._bold_letters, "overrightarrow overleftarrow"),
        (_Scanner._dotted, "dot ddot"),
        (_Scanner._no_command, "# _ - /"),
    )
    for name in words_of(names)
}
"""Commands that read on in the text, or put no token of their own."""
_COMMAND_TOKENS: dict[str, tuple[str, str]] = (
    {name: ("sym", name) for name in (*GREEK, "i", "j")}
    | {name: ("fn", function) for name, function in FUNCTIONS.items()}
    | {name: ("op", name) for name in "*|<>=:'%"}
    | {name: ("cmd", f"bb:{name[0].upper()}") for name in ("R", "Z", "N", "Q", "C", "reals", "Reals")}
    | {"{": ("open", r"\{"), "lbrace": ("open", r"\{"), "}": ("close", r"\}"), "rbrace": ("close", r"\}")}
    | {"lbrack": ("open", "["), "rbrack": ("close", "]")}
    | {"$": ("word", "dollars_prefix"), "&": ("word", "and"), "euros": ("word", "euros")}
    | {"pi": ("const", "pi"), "infty": ("const", "inf")}
)
"""Commands that are one token."""
