"""Objects that two processes share by taking turns: what one side changes, the other sees when it is its turn.

A list, dict, set, bytearray, deque or dict of `collections` gets a number when it first crosses, and both sides keep
one object for that number. Each message carries the new content of every shared object that its sender has changed
since the turn before. As only one side runs at a time, identity, sharing and changes are those of one process:
`[[0] * n] * n` arrives as n times the same row, and an argument that is changed later is changed for both.

Immutable values cross by value, in the tagged JSON of values.py and with more types: named tuples, dates, paths, numpy
scalars, and instances of other subclasses of builtin types as their plain value, which answers to nothing else
(`Reduced`). What remains is left to the owner of the heap (rpc.py), which passes it by number.

Promises: `unpack` builds only objects of these types and raises ValueError for anything else; each side forgets an
object when the other has no reference to it any more. Runs in the cells: standard library only.
"""

from __future__ import annotations

import base64
import collections
import datetime
import decimal
import fractions
import functools
import json
import math
import operator
import re
import sys
from collections.abc import Callable
from typing import Any

from verifiers.code.wire import values

MAX_SHARED = 300_000
_FLAT = {int, float, str, bool, type(None)}
_MUTABLE: dict[type, str] = {
    list: "list",
    dict: "dict",
    set: "set",
    bytearray: "bytearray",
    collections.deque: "deque",
    collections.Counter: "Counter",
    collections.OrderedDict: "OrderedDict",
    collections.defaultdict: "defaultdict",
}
_FACTORIES: dict[str, Any] = {kind.__name__: kind for kind in (int, float, str, list, dict, set, tuple, bool)}
_NAMED_TUPLE = set(vars(collections.namedtuple("_", "x"))) | {"__annotations__", "__orig_bases__", "x"}
_NUMPY_KINDS = "biufc"


class UnsupportedError(BaseException):
    """The program needs something that cannot cross the channel, so nothing is decided.

    Not an Exception, so that tests do not swallow it; one that is caught all the same stays in `seen`.
    """

    seen: list[str] = []  # noqa: RUF012 (of the process, not of an instance)

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.seen.append(text)


def _needs(text: str) -> Callable[..., Any]:
    def method(self: Any, *_: Any) -> Any:
        raise UnsupportedError(f"{text} of an object of type {type(self).__name__}")

    return method


@functools.cache
def _reduced(base: Any, name: str) -> type:
    """A subclass of a builtin type that has the value, and nothing of what its own class may have added to it."""

    def missing(self: Any, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise UnsupportedError(f"{attribute} of an object of type {name}")

    body = {"__getattr__": missing, "__module__": "solution"}
    return type(name, (base,), {**body, **{f"__{n}__": _needs(f"__{n}__") for n in ("str", "repr", "format")}})


@functools.cache
def _named_tuple(name: str, fields: tuple[str, ...]) -> Any:
    return collections.namedtuple(name, fields, module="solution")


class _Entry:
    __slots__ = ("text", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.text: str | None = None
        """Its content when both sides last had the same; None when the other has to be told."""


class Heap:
    """One side's view. `export` encodes, and `decoders` decode, what crosses by number.

    `numbers_from` keeps the numbers that the two sides give apart: 0 for one side, 1 for the other.
    """

    def __init__(
        self, numbers_from: int, export: Callable[[Any], Any], decoders: dict[str, Callable[[Any], Any]]
    ) -> None:
        self._export = export
        self._next = numbers_from
        self._entries: dict[int, _Entry] = {}
        self._numbers: dict[int, int] = {}
        self._untold: list[int] = []
        self._replaced: dict[int, Any] = {}
        self.records: dict[str, type] = {}
        """Classes that both sides have, whose instances are shared as their attributes."""
        self._hook = values.object_hook(
            {
                **decoders,
                "$ref": self._resolve,
                "$dict": _refuse,
                "$set": _refuse,
                "$bytearray": _refuse,
                "$named": _decode_named,
                "$reduced": _decode_reduced,
                "$date": _decode_date,
                "$path": _decode_path,
                "$list_node": _refuse,
                "$tree_node": _refuse,
                "$numpy": _decode_numpy,
                "$constant": {"Ellipsis": Ellipsis, "NotImplemented": NotImplemented}.__getitem__,
                "$slice": lambda parts: slice(*parts),
            }
        )

    # --- out ---------------------------------------------------------------------------------------------------------

    def pack(self, message: dict[str, Any]) -> dict[str, Any]:
        """The JSON form of a message with the changes that the other side has to make before it reads it.

        Raises NotPlainDataError; nothing is lost then.
        """
        self._untold = []
        body = json.dumps({key: self._encode(value, 0) for key, value in message.items()})
        told: dict[int, str] = {}
        waiting = list(self._entries)
        while waiting:
            for number in waiting:
                if number not in told:
                    entry = self._entries[number]
                    content = self._content(entry.value)
                    if content != entry.text:
                        told[number] = content
            waiting, self._untold = self._untold, []  # met for the first time among the content of others
        for number, content in told.items():
            self._entries[number].text = content
        changes = [[number, self._kind(self._entries[number].value), content] for number, content in told.items()]
        return {"body": body, "heap": changes, "dropped": self.drop()}

    def drop(self) -> list[int]:
        """Forgets what only this heap refers to; the other side has to forget it too."""
        dropped = []
        for number in list(self._entries):
            if sys.getrefcount(self._entries[number].value) <= _ONLY_HERE:
                self._forget(number)
                dropped.append(number)
        return dropped

    def _forget(self, number: int) -> None:
        entry = self._entries.pop(number, None)
        if entry is not None:
            del self._numbers[id(entry.value)]

    def _number_of(self, value: Any) -> int:
        number = self._numbers.get(id(value))
        if number is None:
            number, self._next = self._next, self._next + 2
            self._enter(number, value)
            self._untold.append(number)
        return number

    def _enter(self, number: int, value: Any) -> None:
        if len(self._entries) >= MAX_SHARED:
            raise values.NotPlainDataError("too many lists and dicts", foreign=True)
        self._entries[number] = _Entry(value)
        self._numbers[id(value)] = number

    @staticmethod
    def _kind(value: Any) -> str:
        kind = _MUTABLE.get(type(value))
        if _is_array(value):
            return f"ndarray {value.dtype.str} {','.join(map(str, value.shape))}"
        if kind is None:
            return f"record {type(value).__name__}"
        if kind == "deque":
            return f"deque {value.maxlen}"
        if kind == "defaultdict":
            return f"defaultdict {value.default_factory.__name__ if value.default_factory else None}"
        return kind

    def _content(self, value: Any) -> str:
        if type(value) in (list, collections.deque):
            return _flat(list(value)) or json.dumps([self._encode(item, 0) for item in value])
        if _is_array(value):
            items = value.ravel().tolist()
            return _flat(items) or json.dumps([self._encode(item, 0) for item in items])
        if type(value) is bytearray:
            return json.dumps(base64.b64encode(value).decode())
        if type(value) is set:
            # In an order of their values, so that both sides write the same.
            return json.dumps(sorted((self._encode(item, 0) for item in value), key=json.dumps))
        pairs = list(value.items() if type(value) in _MUTABLE else vars(value).items())
        parts = [part for pair in pairs for part in pair]
        return _flat(parts) or json.dumps([self._encode(part, 0) for part in parts])

    def _encode(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in _FLAT or kind is tuple or kind is frozenset:
            return self._encode_plain(value, depth)
        if kind in _MUTABLE and (kind is not collections.defaultdict or _known_factory(value)):
            return {"$ref": self._number_of(value)}
        if self.records.get(kind.__name__) is kind or (_is_array(value) and _is_alone(value)):
            return {"$ref": self._number_of(value)}
        return self._encode_other(value, depth)

    def _encode_plain(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if depth > values.MAX_DEPTH:
            raise values.NotPlainDataError("nested too deeply", foreign=True)
        if kind is tuple:
            return {"$tuple": [self._encode(item, depth + 1) for item in value]}
        if kind is frozenset:
            return {"$frozenset": sorted((self._encode(item, depth + 1) for item in value), key=json.dumps)}
        if kind is float and not math.isfinite(value):
            return {"$float": repr(value)}
        if kind is int and value.bit_length() > 63:
            return {"$int": hex(value)}
        return value

    def _encode_other(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in (bytes, complex, range, fractions.Fraction, decimal.Decimal):
            return values.encode(value)
        if kind in _DATES:
            return {"$date": [_DATES[kind], *_date_parts(value)]} if _plain_zone(value) else self._export(value)
        if kind.__name__ == "PosixPath" and kind.__module__.startswith("pathlib"):
            return {"$path": str(value)}
        if value is Ellipsis or value is NotImplemented:
            return {"$constant": str(value)}
        if kind is slice:
            return {"$slice": [self._encode(part, depth + 1) for part in (value.start, value.stop, value.step)]}
        if kind.__module__ == "numpy" and getattr(value, "shape", None) == () and value.dtype.kind in _NUMPY_KINDS:
            return {"$numpy": [value.dtype.str, self._encode(value.item(), depth + 1)]}
        if kind.__module__.startswith("sympy."):
            number = values.encode(value, lambda _: None)
            return number if number is not None else self._export(value)
        if issubclass(kind, tuple):
            items = [self._encode(item, depth + 1) for item in tuple.__iter__(value)]
            fields = getattr(kind, "_fields", None)
            if kind.__bases__ == (tuple,) and fields and vars(kind).keys() <= _NAMED_TUPLE | set(fields):
                return {"$named": [kind.__name__, list(fields), items]}
            return {"$reduced": [kind.__name__, {"$tuple": items}]}
        for base in (str, int, float, bytes, complex, frozenset):
            if issubclass(kind, base):
                return {"$reduced": [kind.__name__, self._encode(_BASE_VALUE[base](value), depth + 1)]}
        return self._export(value)

    # --- in ----------------------------------------------------------------------------------------------------------

    def unpack(self, packed: Any, *, keep: bool = False) -> tuple[Any, list[int]]:
        """The message, and the numbers of the objects that come from this side and that the other has changed.

        `keep`: whether they keep the content that they have here; the message then refers to copies with the new one.
        """
        if type(packed) is not dict or not {"body", "heap", "dropped"} <= packed.keys():
            raise ValueError("not a message")
        known = []
        self._replaced = {}
        for number, kind, _ in packed["heap"]:
            if type(number) is not int or type(kind) is not str:
                raise ValueError("not a shared object")
            if number not in self._entries:
                self._enter(number, self._empty(kind))
                continue
            if self._kind(self._entries[number].value) != kind:
                raise UnsupportedError(f"a {kind} that has become something else")
            if number % 2 == self._next % 2:
                known.append(number)
        texts = {number: text for number, _, text in packed["heap"]}
        if keep and known:
            self._replaced = {number: self._empty(self._kind(self._entries[number].value)) for number in known}
            self._copy_what_refers_to_copies(texts)
        for number, text in texts.items():
            entry = self._entries[number]
            _fill(self._replaced.get(number, entry.value), json.loads(text, object_hook=self._hook))
            entry.text = None if number in self._replaced else text
        body = json.loads(packed["body"], object_hook=self._hook)
        self._replaced = {}
        for number in packed["dropped"]:  # the sender has told its last changes of them
            self._forget(number)
        return body, known

    def _copy_what_refers_to_copies(self, texts: dict[int, str]) -> None:
        """Containers of what is copied are copied too, with their content as both sides know it."""
        refers = {
            number: {int(found) for found in _REFERENCES.findall(texts.get(number, entry.text or ""))}
            for number, entry in self._entries.items()
            if number not in self._replaced and entry.text is not None
        }
        while found := [number for number, others in refers.items() if others & self._replaced.keys()]:
            for number in found:
                entry = self._entries[number]
                self._replaced[number] = self._empty(self._kind(entry.value))
                texts.setdefault(number, str(entry.text))
                del refers[number]

    def knows(self, numbers: set[int]) -> set[int]:
        """Those of the numbers that are still shared."""
        return numbers & self._entries.keys()

    def _resolve(self, number: Any) -> Any:
        if number in self._replaced:
            return self._replaced[number]
        return self._entries[number].value

    def _empty(self, kind: str) -> Any:
        name, _, argument = kind.partition(" ")
        if name != "record":
            return _empty(name, argument)
        record = self.records.get(argument)
        if record is None:
            raise UnsupportedError(f"an object of type {argument}")
        return object.__new__(record)


_REFERENCES = re.compile(r'\{"\$ref": (\d+)\}')


def _flat(items: list[Any]) -> str:
    """The JSON of a list of plain scalars, in one step; empty for any other."""
    if set(map(type, items)) <= _FLAT:
        try:
            return json.dumps(items, allow_nan=False)
        except ValueError:  # nan and inf; integers of thousands of digits
            pass
    return ""


def _is_array(value: Any) -> bool:
    kind = type(value)
    return kind.__module__ == "numpy" and kind.__name__ == "ndarray" and value.dtype.kind in _NUMPY_KINDS


def _is_alone(array: Any) -> bool:
    """Whether no other array has the same memory: a change of that one could not be told."""
    return array.base is None or sys.getrefcount(array.base) <= 2


def _known_factory(value: Any) -> bool:
    factory = value.default_factory
    return factory is None or (type(factory) is type and _FACTORIES.get(factory.__name__) is factory)


def _empty(name: str, argument: str) -> Any:
    if name == "deque":
        return collections.deque(maxlen=None if argument == "None" else int(argument))
    if name == "ndarray":
        import numpy

        dtype, _, shape = argument.partition(" ")
        if numpy.dtype(dtype).kind not in _NUMPY_KINDS:
            raise ValueError("not an array of numbers")
        return numpy.zeros([int(size) for size in shape.split(",") if size], dtype)
    if name == "defaultdict":
        return collections.defaultdict(None if argument == "None" else _FACTORIES[argument])
    for kind_, known in _MUTABLE.items():
        if known == name:
            return kind_()
    raise ValueError("not the name of a shared type")


def _fill(target: Any, content: Any) -> None:
    if type(target) is bytearray:
        target[:] = base64.b64decode(content, validate=True)
    elif type(target) is list:
        target[:] = content
    elif _is_array(target):
        target.flat[:] = content
    elif type(target) not in _MUTABLE:
        attributes = dict(zip(content[::2], content[1::2], strict=True))
        if not all(type(name) is str for name in attributes) or attributes.keys() & vars(type(target)).keys():
            raise UnsupportedError(f"an attribute that hides one of the class {type(target).__name__}")
        vars(target).clear()
        vars(target).update(attributes)
    else:
        target.clear()
        if type(target) is set:
            target.update(content)
        elif type(target) is collections.deque:
            target.extend(content)
        else:
            for position in range(0, len(content), 2):
                target[content[position]] = content[position + 1]


def _refuse(_: Any) -> Any:
    raise ValueError("crosses as a shared object only")


_BASE_VALUE: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    int: int.__int__,
    float: float.__float__,
    bytes: lambda value: bytes.join(b"", [value]) if type(value) is bytes else bytes(memoryview(value)),
    complex: lambda value: complex(value.real, value.imag),
    frozenset: lambda value: frozenset(frozenset.__iter__(value)),
}

_DATES: dict[type, str] = {
    kind: kind.__name__ for kind in (datetime.date, datetime.datetime, datetime.time, datetime.timedelta)
}


def _plain_zone(value: Any) -> bool:
    return getattr(value, "tzinfo", None) in (None, datetime.UTC)


def _date_parts(value: Any) -> list[Any]:
    if type(value) is datetime.timedelta:
        return [value.days, value.seconds, value.microseconds]
    names = "year month day" if type(value) is datetime.date else "hour minute second microsecond"
    if type(value) is datetime.datetime:
        names = "year month day " + names
    parts: list[Any] = list(operator.attrgetter(*names.split())(value))
    return parts if type(value) is datetime.date else [*parts, value.tzinfo is not None, value.fold]


def _decode_date(parts: Any) -> Any:
    name, *rest = parts
    kind: Any = next(kind for kind, known in _DATES.items() if known == name)
    if kind in (datetime.date, datetime.timedelta):
        return kind(*rest)
    *numbers, utc, fold = rest
    return kind(*numbers, tzinfo=datetime.UTC if utc else None, fold=fold)


def _decode_path(text: Any) -> Any:
    import pathlib  # a third of an interpreter's start, and rarely wanted

    return pathlib.Path(text)


def is_record(kind: Any) -> bool:
    """Whether the instances of a class are their attributes and nothing else."""
    return (
        type(kind) is type
        and kind.__bases__ == (object,)
        and not {"__slots__", "__getattribute__", "__getattr__", "__setattr__", "__new__"} & vars(kind).keys()
    )


def _decode_named(parts: Any) -> Any:
    name, fields, items = parts
    return _named_tuple(name, tuple(fields))._make(items)


def _decode_reduced(parts: Any) -> Any:
    name, value = parts
    if type(name) is not str or type(value) not in (*_BASE_VALUE, tuple):
        raise ValueError("not a subclass of a builtin type")
    base: Any = type(value)
    return _reduced(base, name)(value)


def _decode_numpy(parts: Any) -> Any:
    import numpy

    kind = numpy.dtype(parts[0])
    if kind.kind not in _NUMPY_KINDS or type(parts[1]) not in (bool, int, float, complex):
        raise ValueError("not a number of numpy")
    return kind.type(parts[1])


def _references_of_an_entry() -> int:
    heap = Heap(0, lambda value: value, {})
    heap._number_of([])
    return sys.getrefcount(heap._entries[0].value)


_ONLY_HERE = _references_of_an_entry()
"""What sys.getrefcount says, as `drop` asks it, of an object that only a heap refers to."""
