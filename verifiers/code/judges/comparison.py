"""How outputs and values are compared with what a test expects.

Lines (mode `stdin`), as LiveCodeBench compares them: the whole output and each of its lines are stripped; two lines are
equal as text, or token by token as exact decimal numbers when every token of both is one (`2.0` equals `2`, `1e-05`
equals `0.00001`; nothing is rounded). `compare: "exact"` is stricter: only the ends of lines and of the output are
stripped, and text decides. With a declared tolerance a line that differs is compared token by token, numbers within
the tolerance and other tokens as text.
Values (mode `function`): by exact type and value, or with `compare: "json"` by Python's `==`, where a tuple counts as a
list.
In both modes `set`, `multiset` and `sorted_lines` take the lines, or the elements of a list, in any order.

Promises: what a candidate has written is data here; every comparison takes time about proportional to its length.
Nothing is hashed that a candidate could choose to collide.
Does not: judge anything else, for instance how the program ended.
"""

from __future__ import annotations

import decimal
import math
from typing import Any

from verifiers.code.reference import Tolerance
from verifiers.code.wire import values

_MAX_FLOAT_TOKEN = 400
"""Characters of the longest token that a tolerance applies to; a longer one is no number of any test."""
_MANY = (list, tuple, set, frozenset)
_EXACT = decimal.Context(prec=decimal.MAX_PREC, Emax=decimal.MAX_EMAX, Emin=decimal.MIN_EMIN)


# --- lines -----------------------------------------------------------------------------------------------------------


def lines_of(text: str, *, exact: bool = False) -> list[str]:
    if not exact:
        return [line.strip() for line in text.strip().split("\n")]
    lines = [line.rstrip() for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _decimals(line: str) -> list[decimal.Decimal] | None:
    """The numbers of a line, or None if a token is no number. Python's own extensions to numerals are no numbers."""
    if not line.isascii() or "_" in line:
        return None
    try:
        return [decimal.Decimal(token) for token in line.split()]
    except decimal.InvalidOperation:
        return None


def _same_numbers(expected: str, got: str) -> bool:
    left, right = _decimals(expected), _decimals(got)
    if left is None or right is None or len(left) != len(right):
        return False
    return all(not a.is_nan() and not b.is_nan() and a == b for a, b in zip(left, right, strict=True))


def _float(token: str) -> float | None:
    if len(token) > _MAX_FLOAT_TOKEN or "_" in token or not token.isascii():
        return None
    try:
        number = float(token)
    except ValueError:
        return None
    # Digits beyond every float would all be the same infinity.
    return None if math.isinf(number) and any(map(str.isdigit, token)) else number


def _near(expected: str, got: str, tolerance: Tolerance) -> bool:
    left, right = expected.split(), got.split()
    if len(left) != len(right):
        return False
    for a, b in zip(left, right, strict=True):
        if a == b or _same_numbers(a, b):
            continue
        x, y = _float(a), _float(b)
        if x is None or y is None or not math.isclose(x, y, rel_tol=tolerance.rel or 0.0, abs_tol=tolerance.abs or 0.0):
            return False
    return True


def _same_line(expected: str, got: str, compare: str, tolerance: Tolerance) -> bool:
    if expected == got:
        return True
    if tolerance.declared:
        return _near(expected, got, tolerance)
    return compare != "exact" and _same_numbers(expected, got)


def _line_key(line: str) -> str:
    """Equal for two lines that are equal by the rule of lines, and different for others."""
    numbers = _decimals(line)
    if numbers is None or any(number.is_nan() for number in numbers):
        return "text " + line
    return "numbers " + " ".join(str(_EXACT.normalize(number)) if number else "0" for number in numbers)


def _line_order(line: str) -> tuple[Any, ...]:
    """Sorts lines as a person would: by their numbers where they have some."""
    numbers = [_decimals(token) for token in line.split()]
    return tuple(
        (0, n[0], "") if n and n[0].is_finite() else (1, decimal.Decimal(), token)
        for n, token in zip(numbers, line.split(), strict=True)
    )


def same_output(expected: str, got: str, compare: str, tolerance: Tolerance) -> bool:
    return first_difference(expected, got, compare, tolerance) is None


def first_difference(expected: str, got: str, compare: str, tolerance: Tolerance) -> int | None:
    """None if the outputs are equal, else the number of the first line that differs (1 where order does not count)."""
    left, right = lines_of(expected, exact=compare == "exact"), lines_of(got, exact=compare == "exact")
    if compare in ("set", "multiset"):
        return None if _same_keys([*map(_line_key, left)], [*map(_line_key, right)], compare) else 1
    if compare == "sorted_lines":
        left, right = sorted(left, key=_line_order), sorted(right, key=_line_order)
    for number, (a, b) in enumerate(zip(left, right, strict=False), start=1):
        if not _same_line(a, b, compare, tolerance):
            return 1 if compare == "sorted_lines" else number
    return None if len(left) == len(right) else min(len(left), len(right)) + 1


def _same_keys(expected: list[str], got: list[str], compare: str) -> bool:
    """Sorted, not hashed: a candidate can choose numbers of one hash."""
    if compare == "set":
        return sorted(set(expected)) == sorted(set(got))
    return sorted(expected) == sorted(got)


# --- values ----------------------------------------------------------------------------------------------------------


def same_json(expected: Any, got: Any, tolerance: Tolerance) -> bool:
    """Python's `==` on decoded values, where a tuple counts as a list; numbers within a declared tolerance."""
    if isinstance(expected, list | tuple) and isinstance(got, list | tuple):
        return len(expected) == len(got) and all(same_json(a, b, tolerance) for a, b in zip(expected, got, strict=True))
    if type(expected) is dict and type(got) is dict:
        return len(expected) == len(got) and all(
            k in got and same_json(v, got[k], tolerance) for k, v in expected.items()
        )
    if type(expected) is values.Linked and type(got) is values.Linked:
        return expected.kind == got.kind and same_json(expected.values, got.values, tolerance)
    numbers = (int, float)
    if tolerance.declared and type(expected) in numbers and type(got) in numbers:
        return values.same(expected, got, rel=tolerance.rel, abs_=tolerance.abs)
    try:
        return bool(expected == got)
    except decimal.InvalidOperation:  # a signalling NaN
        return False


def _number_key(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return repr(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int):
        return hex(value)
    return repr(value)


def _value_key(value: Any) -> str:
    """Equal for two decoded values that are equal as JSON."""
    if isinstance(value, bool | int | float):
        return "number " + _number_key(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value_key, value)) + "]"
    if isinstance(value, set | frozenset):
        return "{" + ", ".join(sorted(map(_value_key, value))) + "}"
    if isinstance(value, dict):
        return "{" + ", ".join(sorted(f"{_value_key(k)}: {_value_key(v)}" for k, v in value.items())) + "}"
    if isinstance(value, values.Linked):
        return f"{value.kind} {_value_key(value.values)}"
    return repr(value)


def _value_order(value: Any) -> tuple[int, Any, str]:
    if isinstance(value, bool | int | float) and not (isinstance(value, float) and math.isnan(value)):
        return (0, value, "")
    return (1, 0, _value_key(value))


def _unordered(expected: Any, got: Any, compare: str, tolerance: Tolerance) -> bool:
    if not isinstance(expected, _MANY) or not isinstance(got, _MANY):
        return same_json(expected, got, tolerance)
    if compare == "sorted_lines":
        return same_json(sorted(expected, key=_value_order), sorted(got, key=_value_order), tolerance)
    return _same_keys([*map(_value_key, expected)], [*map(_value_key, got)], compare)


def same_value(expected: Any, got: Any, compare: str, tolerance: Tolerance) -> bool:
    """Whether a function's answer is the expected one. Both are decoded values (wire/values.py)."""
    if compare == "exact":
        return values.same(expected, got, rel=tolerance.rel, abs_=tolerance.abs)
    if compare == "json":
        return same_json(expected, got, tolerance)
    return _unordered(expected, got, compare, tolerance)


# --- keys ------------------------------------------------------------------------------------------------------------


def output_key(got: str, compare: str) -> str:
    """Equal for two outputs of a script that are equal without a tolerance, and different for others."""
    lines = lines_of(got, exact=compare == "exact")
    keys = lines if compare == "exact" else [*map(_line_key, lines)]
    return "\n".join(_ordered(keys, compare))


def value_key(got: Any, compare: str) -> str:
    """As `output_key`, for the decoded value that a function gave."""
    if compare in ("exact", "json"):
        return _exact_key(got) if compare == "exact" else _value_key(got)
    return "\n".join(_ordered([*map(_value_key, got)], compare)) if isinstance(got, _MANY) else _value_key(got)


def _ordered(keys: list[str], compare: str) -> list[str]:
    if compare == "set":
        return sorted(set(keys))
    return sorted(keys) if compare in ("multiset", "sorted_lines") else keys


def _exact_key(value: Any) -> str:
    kind = type(value).__name__
    if isinstance(value, list | tuple):
        inner = ", ".join(map(_exact_key, value))
    elif isinstance(value, set | frozenset):
        inner = ", ".join(sorted(map(_exact_key, value)))
    elif isinstance(value, dict):
        inner = ", ".join(sorted(f"{_exact_key(k)}: {_exact_key(v)}" for k, v in value.items()))
    elif isinstance(value, values.Linked):
        inner = f"{value.kind} {_exact_key(value.values)}"
    elif isinstance(value, float | complex):
        inner = repr(value + 0)  # -0.0 equals 0.0
    else:
        inner = hex(value) if type(value) is int else repr(value)
    return f"{kind}({inner})"
