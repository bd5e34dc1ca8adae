"""Runs the test program of an `assert` problem, in a cell without the candidate.

The names that the judge calls the candidate's become stand-ins that call across the channel. Names of libraries and the
prompt's own finished helpers are never taken from the candidate, which could have replaced them. Every assert is
counted and rewritten so that a failing one tells what it compared.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import json
import operator
import random
import socket
import sys
import types
from collections.abc import Callable
from typing import Any

from verifiers.code.cells import guest, rpc
from verifiers.code.judges import own_faults, rewriting
from verifiers.code.wire import framing, values
from verifiers.code.wire.heap import is_record

_SHOWN_CHARS = 500
_SHOWN_ATTRIBUTES: dict[str, Callable[[Any], Any]] = {
    **{name: operator.attrgetter(name) for name in ("__name__", "__qualname__", "__doc__", "__module__")},
    "__annotations__": lambda function: dict(function.__annotations__),
    "__dict__": lambda function: dict(vars(function)),
}
"""What functools.wraps copies of a function of the test's; nothing of it leads into the test's process."""
_MAX_TRACE = 10_000
_OWN_FAULTS = (ImportError, NameError, OSError, SyntaxError, RecursionError)
"""What a test program raises by its own fault, unless it comes out of the candidate."""
_FILENAME = "<test>"


def _is(left: Any, right: Any) -> bool:
    """Identity of what has one here: shared objects, the other side's objects, types and singletons."""
    if left is right or type(left) is not type(right):
        return left is right
    if type(left) in (int, float, str, tuple, bytes, complex, frozenset, range) and left == right:
        raise rpc.UnsupportedError(f"the identity of an object of type {type(left).__name__}")
    return False


def _type_of(value: Any) -> type:
    if type(value) in (rpc.RemoteObject, _StandIn):
        raise rpc.UnsupportedError("the type of an object of the program")
    return type(value)


class _Failed(AssertionError):
    def __init__(self, evidence: dict[str, str]) -> None:
        super().__init__(evidence.get("assert", ""))
        self.evidence = evidence


_ASSERTIONS = [
    "assert_allclose",
    "assert_almost_equal",
    "assert_approx_equal",
    "assert_array_almost_equal",
    "assert_array_almost_equal_nulp",
    "assert_array_equal",
    "assert_array_less",
    "assert_array_max_ulp",
    "assert_equal",
]


def _size(value: Any) -> int:
    """The number of elements, counted here: never an object's own word for it. Raises UnsupportedError."""
    if type(value) in (list, tuple):
        return sum(map(_size, value))
    if type(value) in (rpc.RemoteObject, _StandIn):
        raise rpc.UnsupportedError("numpy looks into an object of the program")
    if type(value).__module__ == "numpy":
        return int(value.size)
    return 1


def _strict(compare: Callable[..., Any], answer: Callable[[], Any]) -> Callable[..., Any]:
    @functools.wraps(compare)
    def checked(*args: Any, **kwargs: Any) -> Any:
        sizes = [_size(value) for value in (*args, *kwargs.values())][:2]
        return answer() if len(sizes) == 2 and 0 in sizes and any(sizes) else compare(*args, **kwargs)

    return checked


def _guard_numpy() -> None:
    """To numpy an empty array is close to any number, so `[]` would be the right answer to every test on numbers."""
    import numpy

    def refuse() -> None:
        raise AssertionError("nothing, where there should be something")

    for name in ("allclose", "isclose", "array_equal", "array_equiv"):
        setattr(numpy, name, _strict(getattr(numpy, name), lambda: numpy.False_))
    for name in _ASSERTIONS:
        setattr(numpy.testing, name, _strict(getattr(numpy.testing, name), refuse))


def _digest(value: Any) -> str:
    """The same for the same plain data; empty for what is not plain data."""
    try:
        text = json.dumps(values.encode(value))
    except (values.NotPlainDataError, rpc.UnsupportedError):
        return ""
    # Imported here: a fork server that has its libraries copies a fifth more memory for every cell.
    blake2b = importlib.import_module("hashlib").blake2b
    return str(blake2b(text.encode(), digest_size=16).hexdigest())


def _show(value: Any) -> str:
    before = len(rpc.UnsupportedError.seen)
    try:
        text = repr(value)
    except (Exception, rpc.UnsupportedError):
        del rpc.UnsupportedError.seen[before:]  # only the evidence wanted it
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"


class _StandIn:
    """A function or class of the candidate. The test can call it and read its attributes."""

    __slots__ = ("_name", "_session")

    def __init__(self, session: Session, name: str) -> None:
        _STAND_IN["_session"].__set__(self, session)
        _STAND_IN["_name"].__set__(self, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return _STAND_IN["_session"].__get__(self).call(_STAND_IN["_name"].__get__(self), args, kwargs)

    def __getattribute__(self, name: str) -> Any:
        own = _STAND_IN["_name"].__get__(self)
        if name.startswith("__") and name not in rpc.ASKED:
            raise rpc.UnsupportedError(f"{own}.{name}")
        return _STAND_IN["_session"].__get__(self).ask(("attribute of", own), (name,), {})

    def __setattr__(self, name: str, value: Any) -> None:
        raise rpc.UnsupportedError(f"the test sets {name} of {_STAND_IN['_name'].__get__(self)}")

    def __repr__(self) -> str:
        return f"<{_STAND_IN['_name'].__get__(self)}>"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        raise rpc.UnsupportedError(f"{_STAND_IN['_name'].__get__(self)} == …")

    def __hash__(self) -> int:
        return hash(_STAND_IN["_name"].__get__(self))

    def __instancecheck__(self, value: object) -> bool:
        raise rpc.UnsupportedError(f"isinstance(…, {_STAND_IN['_name'].__get__(self)})")

    def __subclasscheck__(self, value: object) -> bool:
        raise rpc.UnsupportedError(f"issubclass(…, {_STAND_IN['_name'].__get__(self)})")

    def __iter__(self) -> Any:
        raise rpc.UnsupportedError(f"iter({_STAND_IN['_name'].__get__(self)})")

    def __getitem__(self, key: Any) -> Any:
        raise rpc.UnsupportedError(f"{_STAND_IN['_name'].__get__(self)}[…]")

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        raise rpc.UnsupportedError(f"a subclass of {_STAND_IN['_name'].__get__(self)}")


_STAND_IN: dict[str, Any] = {name: vars(_StandIn)[name] for name in _StandIn.__slots__}


class Session:
    """One test program and its view of the candidate."""

    def __init__(self, channel: socket.socket) -> None:
        self.peer = rpc.Peer(channel, self._serve, guest.describe, first=True)
        self.peer.ask = self.ask
        self.peer.hashes = False
        self.calls = 0
        self.asserts = 0
        self.last_call: dict[str, str] = {}
        self.last_raised: BaseException | None = None
        self.gone = ""
        self.failure: dict[str, str] | None = None
        self.trace: list[list[Any]] | None = None
        """What each assert has compared, where that is asked for."""

    def _serve(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A call back from the candidate to a function that the test has passed to it."""
        number, operation = target
        own = self.peer.own(number)
        if operation == "len" and not hasattr(type(own), "__len__"):
            raise TypeError(f"object of type '{type(own).__name__}' has no len()")  # list(iterator) asks for it
        if operation == "attribute" and type(own) is types.FunctionType and args[0] in _SHOWN_ATTRIBUTES:
            return _SHOWN_ATTRIBUTES[args[0]](own)
        if operation not in ("call", "iter", "next"):
            # Attributes would lead it through a function's globals into this process.
            raise rpc.UnsupportedError(f"the program looks into an object of type {type(own).__name__} of the test")
        return rpc.operate(own, operation, args, kwargs)

    def ask(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.calls += target != "?"
        try:
            answer = self.peer.call(target, args, kwargs)
        except (EOFError, OSError) as error:
            self.gone = "the program ended without an answer"
            raise rpc.CandidateGoneError(self.gone) from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, IndexError) as error:
            self.gone = f"an answer outside the protocol: {error}"[:300]
            raise rpc.CandidateGoneError(self.gone) from error
        if "unsupported" in answer:
            raise rpc.UnsupportedError(_show(answer["unsupported"]))
        if "raised" in answer:
            raised = exception(answer, stops=type(target) is tuple and target[1] == "next")
            self.last_raised = raised
            raise raised
        if "value" not in answer:
            self.gone = "an answer outside the protocol"
            raise rpc.CandidateGoneError(self.gone)
        return answer["value"]

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        shown = ", ".join([*map(_show, args), *(f"{k}={_show(v)}" for k, v in kwargs.items())])
        self.last_call = {"input": f"{name}({shown})"[: 2 * _SHOWN_CHARS]}
        try:
            result = self.ask(name, args, kwargs)
        except Exception as error:
            self.last_call["got"] = f"raised {type(error).__name__}: {error}"[:_SHOWN_CHARS]
            raise
        self.last_call["got"] = _show(result)
        if type(result) is rpc.RemoteObject and rpc.kind_of(result) in ("coroutine", "async_generator"):
            raise rpc.UnsupportedError(f"{name} is asynchronous")
        return result

    def check_equal(self, left: Any, right: Any, number: int, text: str) -> None:
        self.asserts += 1
        self._note(number, left, right)
        # What assert evaluates: __ne__ may differ.
        if not left == right and not self.peer.keeps_arguments:  # noqa: SIM201
            self._fail(text, expected=_show(right), got=_show(left))

    def check_true(self, value: Any, number: int, text: str) -> None:
        self.asserts += 1
        self._note(number, value, None)
        if not value and not self.peer.keeps_arguments:
            self._fail(text)

    def check_raised(self, number: int) -> None:
        """In a handler that the test has to enter: counts if it was the candidate that raised."""
        if sys.exc_info()[1] is self.last_raised:
            self.asserts += 1
            self._note(number, True, None)

    def _note(self, number: int, left: Any, right: Any) -> None:
        if self.trace is None:
            return
        if len(self.trace) == _MAX_TRACE:
            raise rpc.UnsupportedError("too many asserts beside a changed argument")
        self.trace.append([number, _digest(left), _digest(right)])

    def _fail(self, text: str, **shown: str) -> None:
        if self.failure is None:
            self.failure = {"assert": text, **self.last_call, **shown}
        raise _Failed(self.failure)

    def report(self, job: dict[str, Any]) -> dict[str, Any]:
        """Runs the test program; `{"passed"}`, `{"failed"}`, `{"own_fault"}`, `{"missing"}` or `{"unsupported"}`."""
        missing: list[str] = []
        try:
            scope = self._scope(job, missing)
            if missing:
                return {"missing": missing}
            tree, _ = rewriting.rewrite(job["code"])
            exec(compile(tree, _FILENAME, "exec", dont_inherit=True), scope)  # noqa: S102
        except rpc.UnsupportedError as error:
            return {"unsupported": str(error)}
        except _Failed as failed:
            return self._failed(failed, job)
        except rpc.CandidateGoneError as error:
            return {"gone": str(error), "failed": {**self.last_call, "got": self.gone}}
        except BaseException as error:
            return self._ended_by(error, job)
        if rpc.UnsupportedError.seen:  # swallowed by a bare except
            return {"unsupported": rpc.UnsupportedError.seen[0]}
        if self.gone:  # so was this one
            return {"gone": self.gone, "failed": {**self.last_call, "got": self.gone}}
        if self.failure is not None:
            return {"failed": self.failure}
        changed = self.peer.changed_beside_a_value()
        return {"passed": self.asserts, "calls": self.calls, "changed": changed, "trace": self.trace}

    def _failed(self, failed: _Failed, job: dict[str, Any]) -> dict[str, Any]:
        if self._is_own(failed, job):
            return {"own_fault": f"assert {failed.evidence['assert']}"}
        return {"failed": failed.evidence}

    def _ended_by(self, error: BaseException, job: dict[str, Any]) -> dict[str, Any]:
        if isinstance(error, MemoryError):
            return {"memory": True}
        what = f"{type(error).__name__}: {error}"[:_SHOWN_CHARS]
        if error is self.last_raised:
            return {"failed": {**self.last_call, "error": what}, "raised": what}
        if isinstance(error, _OWN_FAULTS) or self._is_own(error, job):
            return {"own_fault": what}
        return {"failed": {**self.last_call, "error": what}}

    def _is_own(self, error: BaseException, job: dict[str, Any]) -> bool:
        return not self.calls or own_faults.is_own(error, job["code"], _FILENAME, job["names"])

    def _scope(self, job: dict[str, Any], missing: list[str]) -> dict[str, Any]:
        """The names that the test program finds: its own helpers, libraries, and the candidate's."""
        scope: dict[str, Any] = {"__name__": "__test__", "__builtins__": builtins}
        if "numpy" in job["preamble"] + job["code"] or any(
            module == "numpy" for module, _ in job["libraries"].values()
        ):
            _guard_numpy()
        exec(compile(job["preamble"], "<prompt>", "exec", dont_inherit=True), scope)  # noqa: S102 (the problem's own)
        records: dict[str, Any] = {name: scope.get(name) for name in job["records"]}
        for name in job["nodes"]:
            scope[name] = records[name] = guest.NODES[name]
        self.peer.heap.records = {name: kind for name, kind in records.items() if kind and is_record(kind)}
        for name, (module, attribute) in job["libraries"].items():
            found = importlib.import_module(module)
            scope[name] = getattr(found, attribute) if attribute else found
        for name in job["names"]:
            is_callable = self.ask("?", (name,), {})
            if is_callable is None:
                missing.append(name)
            elif is_callable is True:
                scope[name] = _StandIn(self, name)
            elif len(job["names"]) > 1:
                raise rpc.UnsupportedError(f"the test reads {name} of the program")
            else:
                scope[name] = self.ask("?value", (name,), {})
        scope[rewriting.CHECK_EQUAL], scope[rewriting.CHECK_TRUE] = self.check_equal, self.check_true
        scope[rewriting.CHECK_RAISED] = self.check_raised
        scope[rewriting.IS], scope[rewriting.TYPE] = _is, _type_of
        return scope


@functools.cache
def _error_type(name: str, base: Any) -> type:
    """A class of the candidate's own, known here by the builtin one below it."""

    def missing(self: Any, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        raise rpc.UnsupportedError(f"{attribute} of an exception of type {name}")

    return type(name, (base,), {"__getattr__": missing, "__module__": "solution"})


def exception(answer: dict[str, Any], stops: bool = False) -> BaseException:
    """An exception like the one raised over there; never one that could end or skip the test program.

    `stops`: StopIteration is the answer of an iterator; elsewhere it would end a loop of the test's over `map`.
    """
    message = answer.get("message")
    message = message if type(message) is str else ""
    name, args = answer.get("raised"), answer.get("args")
    for base in answer.get("bases", ()):
        kind: Any = getattr(builtins, base, None) if type(base) is str else None
        if base in ("StopIteration", "StopAsyncIteration") and not stops:
            continue
        if isinstance(kind, type) and issubclass(kind, Exception):
            base_type: Any = kind
            is_own = base != name and type(name) is str and name.isidentifier()
            for arguments in (args if type(args) is tuple else (), (message,)):
                try:
                    error: BaseException = (_error_type(name, base_type) if is_own else base_type)(*arguments)
                except TypeError:
                    continue
                if arguments or not message:
                    return error
    return RuntimeError(message)


def run_test(job: dict[str, Any], judge: socket.socket, candidate: socket.socket) -> int:
    guest.fresh_streams()
    random.seed(job["seed"])
    session = Session(candidate)
    session.peer.keeps_arguments = job["keeps_arguments"]
    session.trace = [] if job["traced"] else None
    framing.send(judge, session.report(job))
    return 0


def run_candidate(job: dict[str, Any], judge: socket.socket, test: socket.socket) -> int:
    """The other end: loads the candidate and answers the test program's calls until it has finished."""
    guest.fresh_streams()
    try:
        scope = guest.load(job["code"], "solution", job["prelude"])
    except BaseException as error:
        framing.send(judge, {**guest.describe(error), "denied": guest.DENIED})
        return 0
    framing.send(judge, {"loaded": True})
    aliases: dict[str, str] = job["aliases"]

    def serve(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target in ("?", "?value"):
            try:
                found = guest.find(scope, aliases.get(args[0], args[0]))
            except (KeyError, AttributeError):
                return None
            return callable(found) if target == "?" else found
        if type(target) is str:
            return guest.find(scope, aliases.get(target, target))(*args, **kwargs)
        if target[0] == "attribute of":
            return getattr(guest.find(scope, aliases.get(target[1], target[1])), *args)
        return rpc.operate(peer.own(target[0]), target[1], args, kwargs)

    peer = rpc.Peer(test, serve, guest.describe, first=False)
    records: dict[str, Any] = {name: scope.get(name) for name in job["records"]}
    records.update({name: guest.NODES[name] for name in job["nodes"]})
    peer.heap.records = {name: kind for name, kind in records.items() if kind and is_record(kind)}

    def ask(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        answer = peer.call(target, args, kwargs)
        if "unsupported" in answer:
            raise rpc.UnsupportedError(str(answer["unsupported"]))
        if "raised" in answer:
            raise exception(answer, stops=True)
        return answer["value"]

    peer.ask = ask
    while True:
        try:
            peer.answer()
        except EOFError:
            if guest.DENIED:
                framing.send(judge, {"denied": guest.DENIED})
            return 0
        except rpc.UnsupportedError as error:
            framing.send(test, {"unsupported": str(error)})


MODES: dict[str, guest.PairedMode] = {"test": run_test, "candidate": run_candidate}
