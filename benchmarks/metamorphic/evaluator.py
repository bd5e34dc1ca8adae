"""Do two written answers mean the same? An evaluator of its own, by mpmath at random points; never `verifiers`.

It knows arithmetic in LaTeX (fractions, roots, powers, elementary functions, letters) and the outer structure of lists,
tuples and relations. `EQUAL` and `DIFFERENT` rest on 40 digits at several points; anything it does not know is
`UNKNOWN`. The suites use it to tell a mutation that happens to keep the value (`6/9` to `2/3`) from one that does not.
"""

from __future__ import annotations

import enum
import itertools
import random
import re

import mpmath

from .latex import CLOSING, OPENING, RELATIONS, split, tokens

DIGITS = 40
POINTS = 4
TOLERANCE = mpmath.mpf(10) ** -25


class Sameness(enum.StrEnum):
    EQUAL = "equal"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


class UnknownError(Exception):
    """The evaluator does not know such an answer."""


_SKIPPED = frozenset(
    {
        r"\left",
        r"\right",
        r"\big",
        r"\Big",
        r"\bigl",
        r"\bigr",
        r"\displaystyle",
        r"\,",
        r"\;",
        r"\!",
        r"\:",
        r"\ ",
        "$",
        r"\$",
    }
)
_FUNCTIONS = {
    "sin": mpmath.sin, "cos": mpmath.cos, "tan": mpmath.tan, "cot": mpmath.cot, "sec": mpmath.sec, "csc": mpmath.csc,
    "ln": mpmath.log, "log": mpmath.log, "exp": mpmath.exp, "arcsin": mpmath.asin, "arccos": mpmath.acos,
    "arctan": mpmath.atan, "sinh": mpmath.sinh, "cosh": mpmath.cosh, "tanh": mpmath.tanh, "lg": mpmath.log10,
}  # fmt: skip
_GREEK = frozenset(
    {r"\alpha", r"\beta", r"\gamma", r"\delta", r"\theta", r"\phi", r"\varphi", r"\lambda", r"\mu", r"\omega"}
    | {r"\rho", r"\sigma", r"\tau", r"\epsilon", r"\xi", r"\eta"}
)


class _Reader:
    """Evaluates while it reads; `signs` gives each `\\pm` its sign, `point` each letter its value."""

    def __init__(self, parts: list[str], point: dict[str, mpmath.mpf], signs: dict[int, int]) -> None:
        self.parts = [part for part in parts if not part.isspace() and part not in _SKIPPED]
        self.at = 0
        self.point = point
        self.signs = signs
        self.num_signs = 0

    def here(self) -> str:
        return self.parts[self.at] if self.at < len(self.parts) else ""

    def take(self) -> str:
        part = self.here()
        if not part:
            raise UnknownError("it ends")
        self.at += 1
        return part

    def whole(self) -> mpmath.mpc:
        value = self.sum()
        if self.here():
            raise UnknownError(self.here())
        return value

    def sum(self) -> mpmath.mpc:
        value = self.product()
        while self.here() in ("+", "-", "−", r"\pm", r"\mp"):
            sign = self._sign(self.take())
            value += sign * self.product()
        return value

    def _sign(self, operator: str) -> int:
        if operator in (r"\pm", r"\mp"):
            sign = self.signs[0]  # every ± of one answer goes together
            self.num_signs += 1
            return sign if operator == r"\pm" else -sign
        return 1 if operator == "+" else -1

    def product(self) -> mpmath.mpc:
        if self.here() in ("+", "-", "−", r"\pm", r"\mp"):
            return self._sign(self.take()) * self.product()
        value = self.power()
        while True:
            here = self.here()
            if here in (r"\cdot", r"\times", "*", "·", "×"):
                self.take()
                value *= self.signed()
            elif here in ("/", r"\div"):
                self.take()
                value /= self.signed()
            elif here and (here[0].isalnum() or here in OPENING or (here[0] == "\\" and here not in RELATIONS)):
                if here in CLOSING or here in (r"\pm", r"\mp", r"\rangle"):
                    return value
                value *= self.power()
            else:
                return value

    def signed(self) -> mpmath.mpc:
        if self.here() in ("-", "−"):
            self.take()
            return -self.signed()
        return self.power()

    def power(self) -> mpmath.mpc:
        value = self.atom()
        while True:
            here = self.here()
            if here == "^":
                self.take()
                if self.here() in (r"\circ", "°"):
                    self.take()
                    value *= mpmath.pi / 180
                    continue
                if self.here() == "{" and self.parts[self.at + 1 : self.at + 3] == [r"\circ", "}"]:
                    self.at += 3
                    value *= mpmath.pi / 180
                    continue
                value = self._raised(value, self.argument())
            elif here == "!":
                self.take()
                value = mpmath.factorial(value)
            elif here in (r"\%", "%"):
                self.take()
                value /= 100
            elif here == "°":
                self.take()
                value *= mpmath.pi / 180
            else:
                return value

    def _raised(self, base: mpmath.mpc, exponent: mpmath.mpc) -> mpmath.mpc:
        if abs(exponent) > 10_000:
            raise UnknownError("a large exponent")
        return mpmath.power(base, exponent)

    def argument(self) -> mpmath.mpc:
        """What a command or an exponent takes: a group, or one token, of a number one digit."""
        if self.here() == "{":
            return self.atom()
        if self.here().isdigit():
            digits = self.parts[self.at]
            if len(digits) > 1:
                self.parts[self.at : self.at + 1] = [digits[0], digits[1:]]
            return mpmath.mpf(self.take())
        if self.here() == "-":
            self.take()
            return -self.argument()
        return self.atom()

    def atom(self) -> mpmath.mpc:
        part = self.take()
        if part.isdigit() or part == ".":
            return self._number(part)
        if part in OPENING and part not in (r"\{", r"\lbrace", r"\langle"):
            value = self.sum()
            if self.take() != OPENING[part]:
                raise UnknownError("brackets")
            return value
        if part == "|":
            value = self.sum()
            if self.take() != "|":
                raise UnknownError("bars")
            return abs(value)
        if part == r"\pi" or part == "π":
            return +mpmath.pi
        if part in (r"\frac", r"\dfrac", r"\tfrac", r"\cfrac"):
            top = self.argument()
            return top / self.argument()
        if part in (r"\binom", r"\dbinom", r"\tbinom"):
            top = self.argument()
            return mpmath.binomial(top, self.argument())
        if part == r"\sqrt":
            index = mpmath.mpf(2)
            if self.here() == "[":
                self.take()
                index = self.sum()
                self.take()
            return mpmath.power(self.argument(), 1 / index)
        if part.lstrip("\\") in _FUNCTIONS and part.startswith("\\"):
            return self._function(part[1:])
        if part in ("e", "i") and part not in self.point:
            return mpmath.e if part == "e" else mpmath.mpc(0, 1)
        if (len(part) == 1 and part.isalpha()) or part in _GREEK:
            return self._letter(part)
        raise UnknownError(part)

    def _function(self, name: str) -> mpmath.mpc:
        exponent = mpmath.mpf(1)
        base = None
        while self.here() in ("^", "_"):
            if self.take() == "^":
                exponent = self.argument()
                if exponent == -1:
                    raise UnknownError("an inverse function")
            else:
                base = self.argument()
        if self.here() in ("(", "{", "["):
            inner = self.atom()
        else:
            inner = self.power()
            while self.here() and (self.here()[0].isalnum() or self.here() in (r"\pi", *_GREEK)):
                inner *= self.power()
        value = _FUNCTIONS[name](inner)
        if base is not None:
            value /= mpmath.log(base)
        return mpmath.power(value, exponent)

    def _number(self, digits: str) -> mpmath.mpf:
        text = digits
        while self.here() == "," or self.parts[self.at : self.at + 3] == ["{", ",", "}"]:
            skip = 1 if self.here() == "," else 3
            group = self.parts[self.at + skip] if self.at + skip < len(self.parts) else ""
            if not (group.isdigit() and len(group) == 3):
                raise UnknownError("a comma")
            text += group
            self.at += skip + 1
        if self.here() == "." and text != ".":
            self.take()
            text += "."
        if text.endswith("."):
            text += self.take() if self.here().isdigit() else ""
            if self.parts[self.at : self.at + 2] == [r"\overline", "{"]:
                return self._repeating(text)
        return mpmath.mpf(text.rstrip("."))

    def _repeating(self, before: str) -> mpmath.mpf:
        period = self.parts[self.at + 2]
        if not period.isdigit() or self.parts[self.at + 3 : self.at + 4] != ["}"]:
            raise UnknownError("a bar")
        self.at += 4
        places = len(before.partition(".")[2])
        repeated = mpmath.mpf(int(period)) / (10 ** len(period) - 1) / 10**places
        return mpmath.mpf(before.rstrip(".")) + repeated

    def _letter(self, name: str) -> mpmath.mpf:
        if self.here() == "_":
            self.take()
            start = self.at
            if self.take() == "{":
                while self.take() != "}":
                    pass
            name += "_" + "".join(self.parts[start : self.at])
        while self.here() == "'":
            name += self.take()
        if name not in self.point:
            seed = random.Random(f"{name} {self.point['']}")
            self.point[name] = mpmath.mpf(seed.randrange(3, 10**6)) / 10**5
        return self.point[name]


def values(parts: list[str], turn: int) -> list[mpmath.mpc]:
    """The values of an expression at the point number `turn`, one for each choice of its sign. Raises UnknownError."""
    made = []
    signs = (1, -1) if r"\pm" in parts or r"\mp" in parts else (1,)
    for sign in signs:
        try:
            with mpmath.workdps(DIGITS):
                made.append(_Reader(parts, {"": mpmath.mpf(turn)}, {0: sign}).whole())
        except (UnknownError, RecursionError, ArithmeticError, ValueError, TypeError) as error:
            raise UnknownError(f"not arithmetic: {error}") from None
    return made


def same(a: str, b: str) -> Sameness:
    """Whether two answers mean the same, as far as this evaluator can tell."""
    with mpmath.workdps(DIGITS):
        return _same(*(tokens(_COMBINATIONS.sub(r"\\binom{\1}{\2}", text.strip())) for text in (a, b)))


_COMBINATIONS = re.compile(r"\bC_\{(\d+)\}\^\{(\d+)\}")


def _bare(parts: list[str]) -> list[str]:
    return [part for part in parts if not part.isspace() and part not in _SKIPPED]


def _same(a: list[str], b: list[str]) -> Sameness:
    a, b = _bare(a), _bare(b)
    if a == b:
        return Sameness.EQUAL
    for separators in (frozenset({r"\cup"}), frozenset({",", ";"}), RELATIONS, frozenset({":"})):
        (left, left_marks), (right, right_marks) = split(a, separators), split(b, separators)
        if left_marks or right_marks:
            if len(left_marks) != len(right_marks):
                return Sameness.UNKNOWN
            if separators is RELATIONS and left_marks == right_marks == ["="]:
                return _same_equation(left, right)
            if left_marks != right_marks:
                return Sameness.UNKNOWN if separators is RELATIONS else Sameness.DIFFERENT
            return _all(_same(x, y) for x, y in zip(left, right, strict=True))
    if a and b and a[0] in OPENING and b[0] in OPENING and a[-1] in CLOSING and b[-1] in CLOSING:
        inner = split(a[1:-1], frozenset({","}))[0], split(b[1:-1], frozenset({","}))[0]
        if len(inner[0]) == len(inner[1]) > 1:
            if (a[0], a[-1]) != (b[0], b[-1]):
                return Sameness.DIFFERENT  # the generator changes brackets only where they are the ends of an interval
            return _all(_same(x, y) for x, y in zip(*inner, strict=True))
    return _same_values(a, b)


def _all(results: itertools.chain[Sameness] | object) -> Sameness:
    found = set(results)  # type: ignore[call-overload]
    if Sameness.DIFFERENT in found:
        return Sameness.DIFFERENT
    return Sameness.UNKNOWN if Sameness.UNKNOWN in found else Sameness.EQUAL


def _same_values(a: list[str], b: list[str]) -> Sameness:
    if any(_is_string(part) for part in (a, b)):
        return Sameness.UNKNOWN
    try:
        for turn in range(POINTS):
            left, right = values(a, turn), values(b, turn)
            if len(left) != len(right) or not all(any(_close(x, y) for y in right) for x in left):
                return Sameness.DIFFERENT
            if not all(any(_close(x, y) for x in left) for y in right):
                return Sameness.DIFFERENT
    except UnknownError:
        return Sameness.UNKNOWN
    return Sameness.EQUAL


def _has_letters(parts: list[str]) -> bool:
    return any((len(part) == 1 and part.isalpha() and part not in "ei") or part in _GREEK for part in parts)


def _is_string(parts: list[str]) -> bool:
    """Capitals side by side: a word or a segment (`HTH`, `AB`), whose letters do not change places."""
    return any(re.fullmatch("[A-Z]{2}", a + b) is not None for a, b in itertools.pairwise(parts))


def _same_equation(a: list[list[str]], b: list[list[str]]) -> Sameness:
    """Two equations, equal where one is a constant times the other; `e = 2` names an unknown here."""
    lone = [side for side in (a[0], b[0]) if len(side) == 1 and side[0] in ("e", "i")]
    if lone or not any(_has_letters(side) for side in (*a, *b)):
        return _all(_same(x, y) for x, y in zip(a, b, strict=True))
    try:
        ratios = []
        for turn in range(POINTS):
            sides = [values(part, turn) for part in (*a, *b)]
            if any(len(side) != 1 for side in sides):
                return Sameness.UNKNOWN
            left, right = sides[0][0] - sides[1][0], sides[2][0] - sides[3][0]
            if _close(left, 0) or _close(right, 0):
                return Sameness.UNKNOWN
            ratios.append(left / right)
    except UnknownError:
        return _all(_same(x, y) for x, y in zip(a, b, strict=True))
    return Sameness.EQUAL if all(_close(ratio, ratios[0]) for ratio in ratios) else Sameness.DIFFERENT


def _close(a: mpmath.mpc, b: mpmath.mpc) -> bool:
    """Relatively close. Raises UnknownError where both are too small to tell a rounding error from a value."""
    size = max(abs(a), abs(b))
    if a != b and size < mpmath.mpf(10) ** -30:
        raise UnknownError("too small")
    return bool(abs(a - b) <= TOLERANCE * size)


_CONGRUENCE = re.compile(r"([a-z]) \\equiv (-?\d+) \\pmod\{(\d+)\}")
_FAMILY = re.compile(r"(?:([a-z])=)?(.+?),\s*([kn])\s*\\in\s*\\mathbb\{Z\}")


def same_family(a: str, b: str) -> bool:
    """Whether both are one congruence, or one progression with an index that runs over all integers."""
    left, right = _CONGRUENCE.fullmatch(a), _CONGRUENCE.fullmatch(b)
    if left and right:
        modulus = int(left[3])
        return left[1] == right[1] and left[3] == right[3] and (int(left[2]) - int(right[2])) % modulus == 0
    left, right = _FAMILY.fullmatch(a), _FAMILY.fullmatch(b)
    if not (left and right and left[1] == right[1]):
        return False
    with mpmath.workdps(DIGITS):
        try:
            (offset, step), (other, other_step) = _progression(left[2], left[3]), _progression(right[2], right[3])
        except UnknownError:
            return False
        ratio, shift = step / other_step, (offset - other) / step
        return bool(abs(abs(ratio) - 1) < TOLERANCE and abs(shift - mpmath.nint(shift)) < TOLERANCE)


def _progression(text: str, index: str) -> tuple[mpmath.mpf, mpmath.mpf]:
    """Offset and step of a form that is linear in its index."""
    at = [values(tokens(text.replace(index, f"({number})")), 0)[0] for number in (0, 1, 2)]
    if abs(at[2] - 2 * at[1] + at[0]) > TOLERANCE or at[0] == at[1]:
        raise UnknownError("not linear")
    return at[0], at[1] - at[0]


def number(text: str) -> mpmath.mpf | None:
    """The real value of a constant expression, or None."""
    parts = tokens(text.strip())
    if re.search(r"[A-Za-df-hj-z]", re.sub(r"\\[A-Za-z]+", "", text)):
        return None
    try:
        (value,) = values(parts, 0)
    except (UnknownError, ValueError):
        return None
    return mpmath.re(value) if abs(mpmath.im(value)) < TOLERANCE else None
