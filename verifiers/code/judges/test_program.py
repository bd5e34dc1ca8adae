"""Runs the test program of an `assert` problem, in a cell without the candidate.

The names that the test program uses and does not define are the candidate's: each becomes a stand-in that calls across
the channel. Names of the standard library and the prompt's own finished helpers are never taken from the candidate, who
could have replaced them. Every assert is counted and rewritten so that a failing one tells what it compared.
"""

from __future__ import annotations

import ast
import builtins
import functools
import importlib
import socket
from collections.abc import Callable
from typing import Any

from verifiers.code.cells import guest, rpc
from verifiers.code.wire import framing

_SHOWN_CHARS = 500
_CHECK_EQUAL, _CHECK_TRUE = "__check_equal__", "__check_true__"


class _Rewrite(ast.NodeTransformer):
    """`assert a == b, m` becomes `__check_equal__(a, b, "a == b")`, any other `assert x` `__check_true__(x, "x")`.

    Those that hold whatever the candidate does stay, uncounted: `assert True` and `assert (a == b, m)`.
    """

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        test = node.test
        if (isinstance(test, ast.Constant) and test.value) or (isinstance(test, ast.Tuple) and test.elts):
            return node
        text = ast.Constant(ast.unparse(test)[:_SHOWN_CHARS])
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq):
            name, args = _CHECK_EQUAL, [test.left, test.comparators[0], text]
        else:
            name, args = _CHECK_TRUE, [test, text]
        call = ast.Expr(ast.Call(ast.Name(name, ast.Load()), args, []))
        return ast.fix_missing_locations(ast.copy_location(call, node))


class _Failed(AssertionError):
    def __init__(self, evidence: dict[str, str]) -> None:
        super().__init__(evidence.get("assert", ""))
        self.evidence = evidence


_ASSERTIONS = [
    "assert_allclose",
    "assert_almost_equal",
    "assert_array_almost_equal",
    "assert_array_equal",
    "assert_equal",
]


def _strict(compare: Callable[..., Any], answer: Callable[[], Any], size: Callable[[Any], int]) -> Callable[..., Any]:
    @functools.wraps(compare)
    def checked(*args: Any, **kwargs: Any) -> Any:
        sizes = [size(value) for value in args[:2]]
        return answer() if len(sizes) == 2 and 0 in sizes and any(sizes) else compare(*args, **kwargs)

    return checked


def _guard_numpy() -> None:
    """To numpy an empty array is close to any number, so `[]` would be the right answer to every test on numbers."""
    import numpy

    def refuse() -> None:
        raise AssertionError("nothing, where there should be something")

    for name in ("allclose", "isclose"):
        setattr(numpy, name, _strict(getattr(numpy, name), lambda: numpy.False_, numpy.size))
    for name in _ASSERTIONS:
        setattr(numpy.testing, name, _strict(getattr(numpy.testing, name), refuse, numpy.size))


def _show(value: Any) -> str:
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= _SHOWN_CHARS else text[:_SHOWN_CHARS] + "…"


class _StandIn:
    """A function or class of the candidate, which the test can call and nothing else."""

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self.__name__ = self.__qualname__ = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._session.call(self.__name__, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise rpc.UnsupportedError(f"{self.__name__}.{name}")

    def __instancecheck__(self, value: object) -> bool:
        raise rpc.UnsupportedError(f"isinstance(…, {self.__name__})")

    def __mro_entries__(self, bases: tuple[Any, ...]) -> tuple[type, ...]:
        raise rpc.UnsupportedError(f"a subclass of {self.__name__}")


class Session:
    """One test program and its view of the candidate."""

    def __init__(self, channel: socket.socket) -> None:
        self.peer = rpc.Peer(channel, self._serve, guest.describe)
        self.peer.ask = self.ask
        self.peer.hashes = False
        self.calls = 0
        self.asserts = 0
        self.last_call: dict[str, str] = {}
        self.gone = ""
        self.failure: dict[str, str] | None = None

    def _serve(self, target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """A call back from the candidate to a function that the test has passed to it."""
        number, operation = target
        own = self.peer.own(number)
        if operation not in ("call", "iter", "next"):
            # Attributes would lead it through a function's globals into this process.
            if not callable(own):
                raise rpc.UnsupportedError(f"the test passes an object of type {type(own).__name__}")
            raise TypeError("what a test passes can be called or iterated over, nothing else")
        return rpc.operate(own, operation, args, kwargs)

    def ask(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            answer = self.peer.call(target, args, kwargs)
        except (EOFError, OSError) as error:
            self.gone = "the program ended without an answer"
            raise rpc.CandidateGoneError(self.gone) from error
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            self.gone = f"an answer outside the protocol: {error}"[:300]
            raise rpc.CandidateGoneError(self.gone) from error
        if "unsupported" in answer:
            raise rpc.UnsupportedError(_show(answer["unsupported"]))
        if "raised" in answer:
            raise self._exception(answer, stops=type(target) is list and target[1] == "next")
        if "value" not in answer:
            self.gone = "an answer outside the protocol"
            raise rpc.CandidateGoneError(self.gone)
        # In-place functions return None. Where there is a result, a changed argument could only spoil what the test
        # is about to compute from it: `assert candidate(x) == sorted(x)`.
        if answer["value"] is None:
            for position, value in (answer.get("changed") or {}).items():
                _replace(args[int(position)], value)
        return answer["value"]

    @staticmethod
    def _exception(answer: dict[str, Any], stops: bool = False) -> BaseException:
        """A builtin exception like the one raised over there; never one that could end or skip the test program.

        `stops`: StopIteration is the answer of an iterator; elsewhere it would end a loop of the test's over `map`.
        """
        message = answer.get("message")
        message = message if type(message) is str else ""
        for name in answer.get("bases", []):
            kind = getattr(builtins, name, None) if type(name) is str else None
            if name in ("StopIteration", "StopAsyncIteration") and not stops:
                continue
            if isinstance(kind, type) and issubclass(kind, Exception):
                try:
                    return kind(message)
                except TypeError:
                    continue
        return RuntimeError(message)

    def call(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.calls += 1
        shown = ", ".join([*map(_show, args), *(f"{k}={_show(v)}" for k, v in kwargs.items())])
        self.last_call = {"input": f"{name}({shown})"[: 2 * _SHOWN_CHARS]}
        try:
            result = self.ask(name, args, kwargs)
        except Exception as error:
            self.last_call["got"] = f"raised {type(error).__name__}: {error}"[:_SHOWN_CHARS]
            raise
        self.last_call["got"] = _show(result)
        if type(result) is rpc.RemoteObject and result._kind in ("coroutine", "async_generator"):
            raise rpc.UnsupportedError(f"{name} is asynchronous")
        return result

    def check_equal(self, left: Any, right: Any, text: str) -> None:
        self.asserts += 1
        if not left == right:  # noqa: SIM201 (what assert evaluates; __ne__ may differ)
            self._fail(text, expected=_show(right), got=_show(left))

    def check_true(self, value: Any, text: str) -> None:
        self.asserts += 1
        if type(value) is rpc.RemoteObject or not value:
            self._fail(text)

    def _fail(self, text: str, **shown: str) -> None:
        if self.failure is None:
            self.failure = {"assert": text, **self.last_call, **shown}
        raise _Failed(self.failure)

    def report(self, source: str, preamble: str, names: list[str], modules: list[str]) -> dict[str, Any]:
        """Runs the test program; `{"passed"}`, `{"failed"}` or `{"unsupported"}`."""
        scope: dict[str, Any] = {"__name__": "__test__", "__builtins__": builtins}
        try:
            if "numpy" in preamble + source:
                _guard_numpy()
            exec(compile(preamble, "<prompt>", "exec"), scope)  # noqa: S102 (the problem set's own code, in a cell)
            for name in names:
                if name in modules:
                    scope[name] = importlib.import_module(name)
                elif self.ask("?", (name,), {}):
                    scope[name] = _StandIn(self, name)
                else:
                    scope[name] = self.ask("value", (name,), {})
            scope[_CHECK_EQUAL], scope[_CHECK_TRUE] = self.check_equal, self.check_true
            tree = _Rewrite().visit(ast.parse(source))
            exec(compile(tree, "<test>", "exec"), scope)  # noqa: S102
        except rpc.UnsupportedError as error:
            return {"unsupported": str(error)}
        except _Failed as failed:
            return {"failed": failed.evidence}
        except rpc.CandidateGoneError as error:
            return {"gone": str(error), "failed": {**self.last_call, "got": self.gone}}
        except BaseException as error:
            if isinstance(error, MemoryError):
                return {"memory": True}
            what = f"{type(error).__name__}: {error}"[:_SHOWN_CHARS]
            return {"failed": {**self.last_call, "error": what}}
        if self.gone:  # swallowed by a bare except
            return {"gone": self.gone, "failed": {**self.last_call, "got": self.gone}}
        if self.failure is not None:  # so was this one
            return {"failed": self.failure}
        return {"passed": self.asserts, "calls": self.calls}


def _replace(target: Any, value: Any) -> None:
    """Gives a mutable argument the content that the call has left in it."""
    if type(target) is not type(value):
        return
    if isinstance(target, list | bytearray):
        target[:] = value
    elif isinstance(target, dict | set):
        target.clear()
        target.update(value)


def run_test(job: dict[str, Any], judge: socket.socket, candidate: socket.socket) -> int:
    guest.fresh_streams()
    session = Session(candidate)
    report = session.report(job["code"], job["preamble"], job["names"], job["modules"])
    framing.send(judge, report)
    return 0


def run_candidate(job: dict[str, Any], judge: socket.socket, test: socket.socket) -> int:
    """The other end: loads the candidate and answers the test program's calls until it has finished."""
    guest.fresh_streams()
    try:
        scope = guest.load(job["code"], "solution")
    except BaseException as error:
        framing.send(judge, guest.describe(error))
        return 0
    framing.send(judge, {"loaded": True})
    aliases: dict[str, str] = job["aliases"]

    def serve(target: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if target == "?":
            return callable(guest.find(scope, aliases.get(args[0], args[0])))
        if target == "value":
            return scope[args[0]]
        if type(target) is str:
            return guest.find(scope, aliases.get(target, target))(*args, **kwargs)
        return rpc.operate(peer.own(target[0]), target[1], args, kwargs)

    peer = rpc.Peer(test, serve, guest.describe)

    def ask(target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        answer = peer.call(target, args, kwargs)
        if "raised" in answer:
            raise Session._exception(answer, stops=True)
        return answer["value"]

    peer.ask = ask
    while True:
        try:
            peer.answer()
        except EOFError:
            return 0
        except rpc.UnsupportedError as error:
            framing.send(test, {"unsupported": str(error)})


MODES: dict[str, guest.PairedMode] = {"test": run_test, "candidate": run_candidate}
