"""The channel between a test program and the candidate, each in a cell of its own (mode `assert`).

Calls into the candidate and their results cross as plain data (values.py). What is not plain data stays where it was
made and crosses as a number: the candidate's objects appear to the test as `RemoteObject`, the test's functions to the
candidate as functions that call back. A RemoteObject answers only by further plain values (attributes, items, calls):
it has no equality, order or arithmetic of its own, so a candidate's `__eq__` or `__lt__` is never asked whether the
candidate is right; what would need them is UnsupportedError, except that it equals no plain value.

Frames: `{"call": target, "args", "kwargs"}`, answered by `{"value"}`, `{"raised", …}`, `{"unsupported"}` or, while it
runs, by a call in the other direction. Mutable arguments that the call has changed come back in `"changed"`.
"""

from __future__ import annotations

import decimal
import fractions
import json
import socket
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from verifiers.code.wire import framing, values

MAX_FRAME = 1 << 26
_MAX_OBJECTS = 100_000
_MUTABLE = (list, dict, set, bytearray)
_PLAIN: tuple[type, ...] = (int, float, complex, str, bytes, bytearray, list, tuple, dict, set, frozenset, range)
_NUMBERS: tuple[type, ...] = (fractions.Fraction, decimal.Decimal)
_TYPES: dict[str, type] = {kind.__name__: kind for kind in (bool, *_PLAIN)}
"""Types that cross by their names: tests pass them as arguments."""
_PREDICATES = {name for kind in (str, set, float) for name in dir(kind) if name.startswith(("is", "starts", "ends"))}
"""Of plain values: `assert candidate(x).startswith("a")` must not be answered by an object that says yes to all."""


class CandidateGoneError(BaseException):
    """The candidate's process has ended or broken the protocol. Not an Exception: tests must not swallow it."""


class UnsupportedError(BaseException):
    """The test needs something that can not cross the channel, so nothing is decided."""


class Peer:
    """One end. `serve` handles the other end's calls: it gets (target, args, kwargs) and returns a value.

    `ask` is how this end's RemoteObjects reach theirs: `call` with this end's idea of errors; set by the owner.
    """

    ask: Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]
    hashes = True
    """Whether the other end's objects may stand in sets: not where that would tell right from wrong."""

    def __init__(
        self,
        channel: socket.socket,
        serve: Callable[[Any, list[Any], dict[str, Any]], Any],
        describe: Callable[[BaseException], dict[str, Any]],
    ) -> None:
        self._channel = channel
        self._serve = serve
        self._describe = describe
        self._objects: dict[int, Any] = {}
        self._numbers: dict[int, int] = {}
        self._imported: dict[int, RemoteObject] = {}

    def own(self, number: int) -> Any:
        return self._objects[number]

    def _export(self, value: Any) -> dict[str, Any]:
        if type(value) is RemoteObject:
            return {"$yours": value._number}
        if type(value) is type and _TYPES.get(value.__name__) is value:
            return {"$type": value.__name__}
        number = self._numbers.get(id(value))
        if number is None:
            if len(self._objects) >= _MAX_OBJECTS:
                raise values.NotPlainDataError("too many objects")
            number = len(self._objects)
            self._objects[number] = value  # keeps it alive, so that its id stays its own
            self._numbers[id(value)] = number
        return {"$object": [number, type(value).__name__]}

    def encode(self, value: Any) -> Any:
        return values.encode(value, self._export, nodes=False)

    def decode(self, text: bytes) -> Any:
        return values.decode(text, {"$yours": self._objects.__getitem__, "$object": self._import, "$type": _type})

    def _import(self, reference: Any) -> RemoteObject:
        number, kind = reference
        if type(number) is not int or type(kind) is not str:
            raise ValueError("not an object reference")
        return self._imported.setdefault(number, RemoteObject(self, number, kind))  # so that `is` holds for it too

    def _receive(self) -> Any:
        return self.decode(framing.receive_bytes(self._channel, MAX_FRAME))

    def answer(self) -> None:
        """Serves one call of the other side. Raises EOFError when it has closed."""
        self._answer(self._receive())

    def _answer(self, message: Any) -> None:
        args, kwargs = message["args"], message["kwargs"]
        before = [json.dumps(self.encode(a)) if type(a) in _MUTABLE else None for a in args]
        reply: dict[str, Any]
        try:
            reply = {"value": self.encode(self._serve(message["call"], args, kwargs))}
            changed = {}
            for position, text in enumerate(before):
                if text is not None:
                    after = self.encode(args[position])
                    if json.dumps(after) != text:
                        changed[str(position)] = after
            if changed:
                reply["changed"] = changed
        except (CandidateGoneError, UnsupportedError):
            raise
        except BaseException as error:
            reply = self._describe(error)
        framing.send(self._channel, reply)

    def call(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The answer; serves the other side's calls meanwhile. Raises EOFError, OSError, ValueError."""
        try:
            request = {"call": target, "args": [self.encode(a) for a in args], "kwargs": self.encode(kwargs)}
        except values.NotPlainDataError as error:
            raise UnsupportedError(f"an argument: {error}") from None
        framing.send(self._channel, request)
        while True:
            message = self._receive()
            if type(message) is not dict:
                raise ValueError("not a message")
            if "call" not in message:
                return message
            self._answer(message)


def _type(name: Any) -> type:
    if type(name) is not str or name not in _TYPES:
        raise ValueError("not a builtin type")
    return _TYPES[name]


class RemoteObject:
    """An object of the other side. Each use of it crosses the channel and yields plain data, or another of these."""

    __slots__ = ("_kind", "_number", "_peer")
    _kind: str
    _number: int
    _peer: Peer

    def __init__(self, peer: Peer, number: int, kind: str) -> None:
        for name, value in (("_peer", peer), ("_number", number), ("_kind", kind)):
            object.__setattr__(self, name, value)

    def _ask(self, operation: str, *args: Any, **kwargs: Any) -> Any:
        return self._peer.ask([self._number, operation], args, kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask("call", *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in _PREDICATES:
            raise UnsupportedError(f"{name} of an object of type {self._kind}")
        return self._ask("attribute", name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._ask("set attribute", name, value)

    def __getitem__(self, key: Any) -> Any:
        return self._ask("item", key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._ask("set item", key, value)

    def __len__(self) -> int:
        return int(self._ask("len"))

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Any]:
        iterator = self._ask("iter")
        return iterator if type(iterator) is RemoteObject else iter(iterator)

    def __next__(self) -> Any:
        return self._ask("next")

    def __contains__(self, value: Any) -> bool:
        return any(value == item for item in self)

    def __enter__(self) -> Any:
        return self._ask("enter")

    def __exit__(self, *_: object) -> None:
        self._ask("exit")

    def __str__(self) -> str:
        return str(self._ask("str"))

    def __repr__(self) -> str:
        return str(self._ask("repr"))

    def __eq__(self, other: object) -> bool:
        if other is None or isinstance(other, _PLAIN + _NUMBERS):
            return False
        if type(other) is RemoteObject and self._number == other._number:
            return True
        raise UnsupportedError(f"the test compares an object of type {self._kind} with another object")

    def __hash__(self) -> int:
        if not self._peer.hashes:
            raise UnsupportedError(f"the hash of an object of type {self._kind}")
        return self._number


def _unsupported(operation: str) -> Callable[..., NoReturn]:
    def method(self: RemoteObject, *_: Any) -> NoReturn:
        raise UnsupportedError(f"{operation} of an object of type {self._kind}")

    return method


_OPERATIONS = """
    lt le gt ge neg pos invert abs int float complex index round instancecheck delitem reduce_ex
    add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or
    radd rsub rmul rmatmul rtruediv rfloordiv rmod rdivmod rpow rlshift rrshift rand rxor ror
"""
for _name in _OPERATIONS.split():
    setattr(RemoteObject, f"__{_name}__", _unsupported(f"__{_name}__"))


def operate(value: Any, operation: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """What a RemoteObject's owner does with the real one."""
    if operation == "call":
        return value(*args, **kwargs)
    if operation == "attribute":
        return getattr(value, *args)
    if operation == "item":
        return value[args[0]]
    if operation == "set attribute":
        setattr(value, *args)
        return None
    if operation == "set item":
        value[args[0]] = args[1]
        return None
    if operation == "exit":
        return value.__exit__(None, None, None)
    plain: dict[str, Callable[[Any], Any]] = {
        "len": len,
        "iter": iter,
        "next": next,
        "str": str,
        "repr": repr,
        "enter": lambda manager: manager.__enter__(),
    }
    return plain[operation](value)
