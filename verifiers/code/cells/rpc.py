"""The channel between a test program and the candidate, each in a cell of its own (mode `assert`).

Calls into the candidate and their results cross over a heap that both sides share (wire/heap.py): values, identity and
changes are those of one process. What the heap does not carry stays where it was made and crosses as a number: the
candidate's objects appear to the test as `RemoteObject`, the test's functions to the candidate as functions that call
back. A RemoteObject answers only by further values (attributes, items, calls): it has no equality, order, truth or
arithmetic of its own, so a candidate's `__eq__` or `__bool__` is never asked whether the candidate is right. What would
need them is UnsupportedError.

Messages: `{"call": target, "args", "kwargs"}`, answered by `{"value"}`, `{"raised", …}`, `{"unsupported"}` or, while it
runs, by a call in the other direction.
"""

from __future__ import annotations

import builtins
import collections
import decimal
import fractions
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from verifiers.code.wire import framing, values
from verifiers.code.wire.heap import Heap, UnsupportedError

__all__ = ["ASKED", "CandidateGoneError", "Peer", "RemoteObject", "UnsupportedError", "kind_of", "operate"]

MAX_FRAME = 1 << 26
_MAX_OBJECTS = 100_000
_PLAIN: tuple[type, ...] = (int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range)
_LIBRARY: tuple[type, ...] = (
    fractions.Fraction,
    decimal.Decimal,
    collections.Counter,
    collections.OrderedDict,
    collections.defaultdict,
    collections.deque,
)
_ERRORS = tuple(kind for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, Exception))
_NAMED: tuple[Any, ...] = (bool, object, type(None), *_PLAIN, *_LIBRARY, *_ERRORS)
_TYPES: dict[str, type] = {kind.__name__: kind for kind in _NAMED}
"""Types that cross by their names: tests pass them as arguments."""
_PREDICATES = {name for kind in (str, set, float) for name in dir(kind) if name.startswith(("is", "starts", "ends"))}
"""Names of plain values' questions: `assert candidate(x).startswith("a")` must not be answered by an object that says
yes to everything."""
ASKED = {"__module__", "__name__", "__qualname__", "__doc__", "__annotations__", "__defaults__", "__dict__"}
"""Special attributes that are plain values and are asked for like any other."""


class CandidateGoneError(BaseException):
    """The candidate's process has ended or broken the protocol. Not an Exception: tests must not swallow it."""


class Peer:
    """One end. `serve` handles the other end's calls: it gets (target, args, kwargs) and returns a value.

    `ask` is how this end's RemoteObjects reach theirs: `call` with this end's idea of errors; set by the owner.
    """

    ask: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]
    hashes = True
    """Whether the other end's objects may stand in sets: not where that would tell right from wrong."""
    keeps_arguments = False
    """Whether calls leave the arguments of this end as they are, unless they return None."""

    def __init__(
        self,
        channel: socket.socket,
        serve: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any],
        describe: Callable[[BaseException], dict[str, Any]],
        first: bool,
    ) -> None:
        self._channel = channel
        self._serve = serve
        self._describe = describe
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._imported: dict[int, RemoteObject] = {}
        decoders = {"$yours": self.own, "$object": self._import, "$type": _type}
        self.heap = Heap(0 if first else 1, self._export, decoders)
        self._suspects: set[int] = set()
        self._has_changed = False

    def own(self, number: int) -> Any:
        return self._objects[number]

    def _export(self, value: Any) -> dict[str, Any]:
        if type(value) is RemoteObject:
            return {"$yours": _number_of(value)}
        if type(value) is type and _TYPES.get(value.__name__) is value:
            return {"$type": value.__name__}
        number = self._numbers.get(id(value))
        if number is None:
            if len(self._objects) >= _MAX_OBJECTS:
                raise values.NotPlainDataError("too many objects", foreign=True)
            number = len(self._objects)
            self._objects[number] = value  # keeps it alive, so that its id stays its own
            self._numbers[id(value)] = number
        kind = type(value)
        is_plain = getattr(kind, "__eq__", None) is object.__eq__
        contains = hasattr(kind, "__iter__") and (kind.__module__ == "builtins" or not hasattr(kind, "__contains__"))
        return {"$object": [number, kind.__name__, is_plain, contains]}

    def _import(self, reference: Any) -> RemoteObject:
        number, kind, is_only_itself, holds_what_it_yields = reference
        if type(number) is not int or type(kind) is not str:
            raise ValueError("not an object reference")
        # One object for one number, so that `is` holds for it too.
        return self._imported.setdefault(
            number, RemoteObject(self, number, kind, is_only_itself is True, holds_what_it_yields is True)
        )

    def _receive(self) -> dict[str, Any]:
        packed = json.loads(framing.receive_bytes(self._channel, MAX_FRAME))
        if type(packed) is dict and "unsupported" in packed:
            return packed
        is_value = type(packed) is dict and packed.get("body") != _NOTHING
        keep = self.keeps_arguments and is_value
        message, changed = self.heap.unpack(packed, keep=keep)
        if type(message) is not dict:
            raise ValueError("not a message")
        if is_value:
            self._suspects.update(changed)
        return message

    def _send(self, message: dict[str, Any]) -> None:
        framing.send(self._channel, self.heap.pack(message))
        if not self._has_changed:
            self._has_changed = bool(self.heap.knows(self._suspects))
            self._suspects.clear()

    def changed_beside_a_value(self) -> bool:
        """Whether a call that returned something, or raised, has changed an object that this end went on using."""
        self.heap.drop()
        return self._has_changed or bool(self.heap.knows(self._suspects))

    def answer(self) -> None:
        """Serves one call of the other side. Raises EOFError when it has closed."""
        self._answer(self._receive())

    def _answer(self, message: dict[str, Any]) -> None:
        args, kwargs, target = message["args"], dict(message["kwargs"]), message["call"]
        del message
        try:
            result = self._serve(target, args, kwargs)
        except (CandidateGoneError, UnsupportedError):
            raise
        except BaseException as error:
            self._send_error(error)
            return
        try:
            self._send({"value": result})
        except values.NotPlainDataError as error:
            raise UnsupportedError(f"a result: {error}") from None

    def _send_error(self, error: BaseException) -> None:
        described = {key: tuple(item) if type(item) is list else item for key, item in self._describe(error).items()}
        try:
            self._send({**described, "args": tuple(error.args) if type(error.args) is tuple else ()})
        except values.NotPlainDataError:
            self._send(described)

    def call(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The answer; serves the other side's calls meanwhile. Raises EOFError, OSError, ValueError."""
        try:
            self._send({"call": target, "args": args, "kwargs": tuple(kwargs.items())})
        except values.NotPlainDataError as error:
            raise UnsupportedError(f"an argument: {error}") from None
        while True:
            message = self._receive()
            if "call" not in message:
                return message
            self._answer(message)


_NOTHING = json.dumps({"value": None})


def _type(name: Any) -> type:
    if type(name) is not str or name not in _TYPES:
        raise ValueError("not a builtin type")
    return _TYPES[name]


class RemoteObject:
    """An object of the other side. Each use of it crosses the channel and yields plain data, or another of these."""

    __slots__ = ("_holds_what_it_yields", "_is_only_itself", "_kind", "_number", "_peer")

    def __init__(self, peer: Peer, number: int, kind: str, is_only_itself: bool, holds_what_it_yields: bool) -> None:
        _SLOTS["peer"].__set__(self, peer)
        _SLOTS["number"].__set__(self, number)
        _SLOTS["kind"].__set__(self, kind)
        # Its class has no equality, and no `in`, of its own. A false claim only makes it equal nothing.
        _SLOTS["is_only_itself"].__set__(self, is_only_itself)
        _SLOTS["holds_what_it_yields"].__set__(self, holds_what_it_yields)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _ask(self, "call", *args, **kwargs)

    def __getattribute__(self, name: str) -> Any:
        if (name.startswith("__") and name not in ASKED) or name in _PREDICATES:
            raise UnsupportedError(f"{name} of an object of type {kind_of(self)}")
        return _ask(self, "attribute", name)

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "set attribute", name, value)

    def __delattr__(self, name: str) -> None:
        _ask(self, "delete attribute", name)

    def __getitem__(self, key: Any) -> Any:
        return _ask(self, "item", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        _ask(self, "set item", key, value)

    def __delitem__(self, key: Any) -> None:
        _ask(self, "delete item", key)

    def __len__(self) -> int:
        return int(_ask(self, "len"))

    def __iter__(self) -> Iterator[Any]:
        iterator = _ask(self, "iter")
        return iterator if type(iterator) is RemoteObject else iter(iterator)

    def __next__(self) -> Any:
        return _ask(self, "next")

    def __contains__(self, value: Any) -> bool:
        if not _SLOTS["holds_what_it_yields"].__get__(self):
            raise UnsupportedError(f"what an object of type {kind_of(self)} contains")
        return any(value is item or value == item for item in self)

    def __enter__(self) -> Any:
        return _ask(self, "enter")

    def __exit__(self, *_: object) -> None:
        _ask(self, "exit")

    def __str__(self) -> str:
        return str(_ask(self, "str"))

    def __repr__(self) -> str:
        return str(_ask(self, "repr"))

    def __format__(self, spec: str) -> str:
        return str(_ask(self, "format", spec))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if other is None or (type(other) in (*_PLAIN, *_LIBRARY, bool) and _SLOTS["is_only_itself"].__get__(self)):
            return False
        both = type(other) is RemoteObject and _SLOTS["is_only_itself"].__get__(other)
        if both and _SLOTS["is_only_itself"].__get__(self):
            return False
        raise UnsupportedError(f"the test compares an object of type {kind_of(self)} with another object")

    def __hash__(self) -> int:
        if not _SLOTS["peer"].__get__(self).hashes:
            raise UnsupportedError(f"the hash of an object of type {kind_of(self)}")
        return _number_of(self)


_SLOTS: dict[str, Any] = {name[1:]: vars(RemoteObject)[name] for name in RemoteObject.__slots__}


def _number_of(remote: RemoteObject) -> int:
    number: int = _SLOTS["number"].__get__(remote)
    return number


def kind_of(remote: RemoteObject) -> str:
    """The name of the object's type, as its owner says."""
    kind: str = _SLOTS["kind"].__get__(remote)
    return kind


def _ask(remote: RemoteObject, operation: str, *args: Any, **kwargs: Any) -> Any:
    return _SLOTS["peer"].__get__(remote).ask((_number_of(remote), operation), args, kwargs)


def _unsupported(operation: str) -> Callable[..., NoReturn]:
    def method(self: RemoteObject, *_: Any) -> NoReturn:
        raise UnsupportedError(f"{operation} of an object of type {kind_of(self)}")

    return method


_OPERATIONS = """
    bool lt le gt ge neg pos invert abs int float complex index round instancecheck reduce_ex
    array array_interface array_struct array_priority array_ufunc array_function aenter aexit aiter anext await
    add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or
    radd rsub rmul rmatmul rtruediv rfloordiv rmod rdivmod rpow rlshift rrshift rand rxor ror
"""
for _name in _OPERATIONS.split():
    setattr(RemoteObject, f"__{_name}__", _unsupported(f"__{_name}__"))


def operate(value: Any, operation: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a RemoteObject's owner does with the real one."""
    if operation == "call":
        return value(*args, **kwargs)
    return _OPERATE[operation](value, *args)


_OPERATE: dict[str, Callable[..., Any]] = {
    "attribute": getattr,
    "set attribute": setattr,
    "delete attribute": delattr,
    "item": lambda value, key: value[key],
    "set item": lambda value, key, item: value.__setitem__(key, item),
    "delete item": lambda value, key: value.__delitem__(key),
    "len": len,
    "iter": iter,
    "next": next,
    "str": str,
    "repr": repr,
    "format": format,
    "enter": lambda manager: manager.__enter__(),
    "exit": lambda manager: manager.__exit__(None, None, None),
}
