"""Values that cross the channel between judge, test program and candidate: plain data in tagged JSON.

Promises: `decode` yields exact builtin types (and `Linked`) only, so that no object with an equality of its own can
reach a comparison; it raises ValueError for anything else. `encode` reduces subclasses of builtin types (defaultdict,
IntEnum, named tuples, numpy scalars) to the plain value they hold, reading it with the base type's own methods.
Does not: keep identity or sharing, nor carry functions; the channel of mode `assert` does both (heap.py).
Runs in the cells too: standard library only.
"""

from __future__ import annotations

import base64
import collections
import decimal
import fractions
import json
import math
from collections.abc import Callable
from typing import Any

MAX_DEPTH = 200
"""Nesting: deeper than any honest test, shallow enough for every recursion here."""
MAX_NODES = 1_000_000
"""Elements of one value, and nodes of one linked list or tree: a cycle ends here."""
_PLAIN_INT = 1 << 63
# What the judge makes of a candidate's answer must not take long: nothing could stop it.
_MAX_FRACTION_BITS = 1 << 15  # finding the common divisor takes time quadratic in these
_MAX_SAME_HASH = 100  # and filling a set, in the elements of one hash


class Linked:
    """A linked list or binary tree as the flat list of its values, as LeetCode writes them."""

    __slots__ = ("kind", "values")

    def __init__(self, kind: str, values: list[Any]) -> None:
        self.kind = kind
        self.values = values

    def __repr__(self) -> str:
        return f"{self.kind}({self.values!r})"


class NoneValue:
    """Stands among the values of a binary tree for a node whose own value is None; None itself is a missing child."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "a node of None"


NONE_VALUE = NoneValue()


class NotPlainDataError(ValueError):
    """A value that cannot cross: `str` names its type or says what is wrong.

    `foreign` is false where the program itself made what cannot cross: its own class, or a structure with a cycle. It
    is true for the objects of libraries and for values that are only too large, which may be right answers.
    """

    def __init__(self, text: str, *, foreign: bool = False) -> None:
        super().__init__(text)
        self.foreign = foreign


# --- encode ----------------------------------------------------------------------------------------------------------


def _list_nodes(value: Any) -> list[Any]:
    values: list[Any] = []
    while value is not None:
        values.append(value.val)
        value = value.next
        if len(values) > MAX_NODES:
            raise NotPlainDataError("linked list with a cycle, or too long")
    return values


def _tree_nodes(value: Any) -> list[Any]:
    """Level order with None for missing children, without the trailing ones."""
    values: list[Any] = []
    level = [value]
    while level:
        below = []
        for node in level:
            values.append(None if node is None else NONE_VALUE if node.val is None else node.val)
            if node is not None:
                below += [node.left, node.right]
        level = below if any(node is not None for node in below) else []
        if len(values) > MAX_NODES:
            raise NotPlainDataError("tree with a cycle, or too large")
    while values and values[-1] is None:
        values.pop()
    return values


def _has_cycle(value: Any) -> bool:
    """Whether a list, tuple or dict contains itself."""
    waiting: list[tuple[Any, bool]] = [(value, False)]
    above: set[int] = set()
    done: set[int] = set()
    while waiting:
        item, leaving = waiting.pop()
        if leaving:
            above.discard(id(item))
            done.add(id(item))
            continue
        if not isinstance(item, list | tuple | dict) or id(item) in done:
            continue
        if id(item) in above:
            return True
        above.add(id(item))
        waiting.append((item, True))
        waiting += [(child, False) for child in (dict.values(item) if isinstance(item, dict) else item)]
    return False


def _sympy_number(value: Any, refuse: Callable[[Any], Any]) -> Any:
    """The Python number of the same value, where there is one."""
    if value.is_Integer is True:
        return int(value)
    if value.is_Rational is True:
        return fractions.Fraction(int(value.p), int(value.q))
    if value.is_Float is True:
        return float(value)
    return refuse(value)


_NOT_SCALAR = object()


def _scalar(value: Any) -> Any:
    """The JSON form of a value that holds no others, or _NOT_SCALAR.

    Methods of the builtin types are asked, never those of a subclass.
    """
    if value is None or value is True or value is False:
        return value
    if value is NONE_VALUE:
        return {"$none": []}
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        plain = int.__int__(value)
        return plain if -_PLAIN_INT < plain < _PLAIN_INT else {"$int": hex(plain)}
    if isinstance(value, float):
        number = float.__float__(value)
        return number if math.isfinite(number) else {"$float": repr(number)}
    if isinstance(value, bytes | bytearray):
        name = "$bytes" if isinstance(value, bytes) else "$bytearray"
        return {name: base64.b64encode(value).decode()}
    if isinstance(value, complex):
        return {"$complex": [_scalar(value.real), _scalar(value.imag)]}
    if isinstance(value, range):
        return {"$range": [value.start, value.stop, value.step]}
    if isinstance(value, decimal.Decimal):
        return {"$decimal": decimal.Decimal.__str__(value)}
    return _NOT_SCALAR


def _refuse(value: Any) -> Any:
    kind = type(value)
    foreign = kind.__module__ not in ("builtins", "solution", "__main__")
    raise NotPlainDataError(f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."), foreign=foreign)


def encode(value: Any, other: Callable[[Any], Any] = _refuse, *, nodes: bool = True) -> Any:
    """The JSON form of `value`. `other` encodes what is not plain data; without it that raises NotPlainDataError.

    `nodes`: objects with val and next, or val, left and right, cross as LeetCode's lists and trees.
    """
    budget = [MAX_NODES]
    top = value

    def items(values: Any, depth: int) -> list[Any]:
        return [walk(item, depth + 1) for item in values]

    def walk(value: Any, depth: int) -> Any:
        budget[0] -= 1
        if depth > MAX_DEPTH or budget[0] < 0:
            if _has_cycle(top):
                raise NotPlainDataError("a structure that contains itself")
            raise NotPlainDataError("nested too deeply" if depth > MAX_DEPTH else "too many elements", foreign=True)
        scalar = _scalar(value)
        if scalar is not _NOT_SCALAR:
            return scalar
        if isinstance(value, list):
            return items(list.__iter__(value), depth)
        if isinstance(value, tuple):
            return {"$tuple": items(tuple.__iter__(value), depth)}
        if isinstance(value, dict):
            pairs = list(dict.items(value))
            if all(type(key) is str and not key.startswith("$") for key, _ in pairs):
                return {key: walk(item, depth + 1) for key, item in pairs}
            return {"$dict": [[walk(key, depth + 1), walk(item, depth + 1)] for key, item in pairs]}
        if isinstance(value, set):
            return {"$set": items(set.__iter__(value), depth)}
        if isinstance(value, frozenset):
            return {"$frozenset": items(frozenset.__iter__(value), depth)}
        kind = type(value)
        if kind.__module__ == "numpy" and hasattr(value, "item") and getattr(value, "shape", None) == ():
            return walk(value.item(), depth + 1)
        if kind.__module__.startswith("sympy.") and getattr(value, "is_number", False):
            return walk(_sympy_number(value, other), depth + 1)
        if isinstance(value, fractions.Fraction):
            return {"$fraction": [walk(value.numerator, depth + 1), walk(value.denominator, depth + 1)]}
        if nodes and hasattr(value, "val") and hasattr(value, "next"):
            return {"$list_node": items(_list_nodes(value), depth)}
        if nodes and hasattr(value, "val") and hasattr(value, "left") and hasattr(value, "right"):
            return {"$tree_node": items(_tree_nodes(value), depth)}
        return other(value)

    return walk(value, 0)


# --- decode ----------------------------------------------------------------------------------------------------------


def _number(text: Any) -> float:
    if text not in ("nan", "inf", "-inf"):
        raise ValueError("$float is for nan, inf and -inf")
    return float(text)


def _complex(parts: Any) -> complex:
    real, imag = parts
    if not all(type(part) in (int, float) for part in parts):
        raise ValueError("$complex takes two numbers")
    return complex(real, imag)


def _fraction(parts: Any) -> fractions.Fraction:
    numerator, denominator = parts
    if type(numerator) is not int or type(denominator) is not int or denominator == 0:
        raise ValueError("$fraction takes two integers")
    if max(numerator.bit_length(), denominator.bit_length()) > _MAX_FRACTION_BITS:
        raise ValueError("$fraction too long")
    return fractions.Fraction(numerator, denominator)


def _decimal(text: str) -> decimal.Decimal:
    if len(text) > 10_000:
        raise ValueError("$decimal too long")
    try:
        return decimal.Decimal(text)
    except decimal.InvalidOperation:
        raise ValueError("$decimal is not a number") from None


def _distinct(items: list[Any]) -> list[Any]:
    if items and max(collections.Counter(map(hash, items)).values()) > _MAX_SAME_HASH:
        raise ValueError("too many elements with the same hash")
    return items


def _dict(pairs: list[Any]) -> dict[Any, Any]:
    _distinct([key for key, _ in pairs])
    return {key: value for key, value in pairs}  # noqa: C416 (must be pairs exactly)


def _typed(kind: type, convert: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"expected a {kind.__name__}")
        return convert(value)

    return checked


def _linked(kind: str) -> Callable[[list[Any]], Linked | None]:
    return lambda values: Linked(kind, values) if values else None


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "$tuple": _typed(list, tuple),
    "$set": _typed(list, lambda items: set(_distinct(items))),
    "$frozenset": _typed(list, lambda items: frozenset(_distinct(items))),
    "$dict": _typed(list, _dict),
    "$bytes": _typed(str, lambda text: base64.b64decode(text, validate=True)),
    "$bytearray": _typed(str, lambda text: bytearray(base64.b64decode(text, validate=True))),
    "$float": _number,
    "$complex": _typed(list, _complex),
    "$range": _typed(list, lambda parts: range(*parts)),
    "$int": _typed(str, lambda text: int(text, 16)),
    "$fraction": _typed(list, _fraction),
    "$decimal": _typed(str, _decimal),
    "$list_node": _typed(list, _linked("list_node")),
    "$tree_node": _typed(list, _linked("tree_node")),
    "$none": lambda _: NONE_VALUE,
}

Decoders = dict[str, Callable[[Any], Any]]


def object_hook(extra: Decoders | None) -> Callable[[dict[str, Any]], Any]:
    decoders = {**_DECODERS, **extra} if extra else _DECODERS

    def hook(row: dict[str, Any]) -> Any:
        if len(row) == 1:
            ((key, value),) = row.items()
            if key in decoders:
                try:
                    return decoders[key](value)
                except (TypeError, OverflowError) as error:  # unhashable elements, wrong arity, …
                    raise ValueError(f"{key}: {error}") from None
        if any(key.startswith("$") for key in row):
            raise ValueError(f"unknown tag among {list(row)[:3]}")
        return row

    return hook


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def decode(text: str | bytes, extra: Decoders | None = None) -> Any:
    """The value of a JSON text. Raises ValueError for anything that `encode` cannot have written."""
    try:
        return json.loads(text, object_hook=object_hook(extra), parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def decode_object(value: Any) -> Any:
    """The value of an already parsed JSON object, as a problem file holds it. Raises ValueError."""
    return decode(json.dumps(portable(value)))


def portable(value: Any) -> Any:
    """`value` with its long integers in hexadecimal: Python writes and reads no decimal ones above 4,300 digits."""
    if isinstance(value, list):
        return [portable(item) for item in value]
    if isinstance(value, dict):
        return {key: portable(item) for key, item in value.items()}
    if type(value) is int and not -_PLAIN_INT < value < _PLAIN_INT:
        return {"$int": hex(value)}
    return value


# --- compare ---------------------------------------------------------------------------------------------------------


def same(
    expected: Any, got: Any, *, tuples_are_lists: bool = False, rel: float | None = None, abs_: float | None = None
) -> bool:
    """Equality of decoded values by exact type and value: 1, 1.0 and True differ, and so do [1] and (1,).

    With `rel` or `abs_`, numbers (not booleans) compare within that tolerance, whatever their types. NaN equals NaN.
    """

    def numbers(a: Any, b: Any) -> bool:
        try:
            return math.isclose(a, b, rel_tol=rel or 0.0, abs_tol=abs_ or 0.0) or (math.isnan(a) and math.isnan(b))
        except OverflowError:  # an integer beyond every float
            return bool(a == b)

    def walk(a: Any, b: Any) -> bool:
        kind, other = type(a), type(b)
        if (rel is not None or abs_ is not None) and kind in (int, float) and other in (int, float):
            return numbers(a, b)
        if tuples_are_lists:
            kind, other = (list if k is tuple else k for k in (kind, other))
        if kind is not other:
            return False
        if kind in (list, tuple):
            return len(a) == len(b) and all(map(walk, a, b))
        if kind is dict:
            keys = {key: key for key in b}
            return len(a) == len(b) and all(k in b and walk(k, keys[k]) and walk(v, b[k]) for k, v in a.items())
        if kind in (set, frozenset):
            members = {member: member for member in b}
            return len(a) == len(b) and all(m in members and walk(m, members[m]) for m in a)
        if kind is Linked:
            return a.kind == b.kind and walk(a.values, b.values)
        if kind is float:
            return bool(a == b) or (math.isnan(a) and math.isnan(b))
        if kind is decimal.Decimal and (a.is_nan() or b.is_nan()):  # == raises for a signalling one
            return bool(a.compare_total(b) == 0)
        return bool(a == b)

    return walk(expected, got)
