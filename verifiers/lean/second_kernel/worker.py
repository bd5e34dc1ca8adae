"""Replays exported proofs through the kernel of Lean 4.35.0. Runs in a room of its own, as a script, with the standard
library only.

    argv: the folder of libleanshared.so. Requests are pairs of lines on standard input, the second one an export;
    answers are JSON lines on standard output.
    {op: "library"}                           → {outcome, added}
    {op: "check", axioms, seconds, memory_mb} → {outcome, detail, replayed}

    outcome: accepted, rejected (the kernel's no), malformed (no export), resources (time, memory, depth), died

The library's declarations are added once, to an environment that every later proof starts from. A proof is replayed in
a forked child, which ends with it: nothing of a hostile export is left for the next one, its memory is free again, and
a crash is the child's alone. Where no process can be forked the worker ends after its first proof.

The kernel is called through ctypes, without a header: the layout of Lean's objects is written down in `Kernel`. An
object whose reference count is 0 is persistent, it is never counted and never freed. An export is hostile: each index,
number and text is checked before it is used, because the native code below would not.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

LEAN_VERSION = "4.35.0"
MAX_EXPRESSIONS = 2_000_000
"""The exporter's own bound (export.js)."""
_MAX_BOUND = 1 << 20
"""Lean packs the range of loose bound variables into 20 bits, and panics above it."""
_MAX_DIGITS = 100_000
_STACK_BYTES = 256 << 20
_THREAD_STACK_BYTES = 8 << 20
_MAX_ANSWER_BYTES = 1 << 14
_DETAIL_CHARS = 500

ERRORS = (
    "unknown constant",
    "already declared",
    "declaration type mismatch",
    "declaration has metavariables",
    "declaration has free variables",
    "function expected",
    "type expected",
    "let type mismatch",
    "expression type mismatch",
    "application type mismatch",
    "invalid projection",
    "theorem type is not a proposition",
    "other",
    "deterministic timeout",
    "excessive memory",
    "deep recursion",
    "interrupted",
)
"""Constructors of Lean's KernelException, in their order."""
_OTHER = ERRORS.index("other")
_RESOURCES = ERRORS.index("deterministic timeout")
"""This one and those after it say that something ran out, not that the proof is wrong."""

Object = int
"""A Lean object: an address, or a small number with its lowest bit set."""
Json = Any
Component = str | tuple[str]
"""One component of a name: a text, or a number as its digits in a tuple of its own."""


class Malformed(Exception):
    """The export is not one: its text says why."""


class Refused(Exception):
    """The kernel's no to a declaration."""

    def __init__(self, outcome: str, detail: str) -> None:
        super().__init__(detail)
        self.outcome = outcome


class Kernel:
    """The library, started, and the few of its functions that a replay needs."""

    def __init__(self, folder: str) -> None:
        self._library = ctypes.CDLL(f"{folder}/libleanshared.so", mode=ctypes.RTLD_GLOBAL)
        self._kept: list[object] = []  # memory of the objects built here
        pointer, byte = ctypes.c_void_p, ctypes.c_uint8
        function = self._function
        self.mark = function("lean_mark_persistent", pointer, result=None)
        self._string = function("lean_mk_string_from_bytes", ctypes.c_char_p, ctypes.c_size_t)
        self._nat = function("lean_cstr_to_nat", ctypes.c_char_p)
        self.name_string = function("lean_name_mk_string", pointer, pointer)
        self.name_number = function("lean_name_mk_numeral", pointer, pointer)
        self.level_zero = function("lean_level_mk_zero", pointer)
        self.level_successor = function("lean_level_mk_succ", pointer)
        self.level_max = function("lean_level_mk_max", pointer, pointer)
        self.level_imax = function("lean_level_mk_imax", pointer, pointer)
        self.level_parameter = function("lean_level_mk_param", pointer)
        self.bound = function("lean_expr_mk_bvar", pointer)
        self.sort = function("lean_expr_mk_sort", pointer)
        self.constant = function("lean_expr_mk_const", pointer, pointer)
        self.apply = function("lean_expr_mk_app", pointer, pointer)
        self.lambda_ = function("lean_expr_mk_lambda", pointer, pointer, pointer, byte)
        self.forall = function("lean_expr_mk_forall", pointer, pointer, pointer, byte)
        self.let = function("lean_expr_mk_let", pointer, pointer, pointer, pointer)
        self.literal = function("lean_expr_mk_lit", pointer)
        self.projection = function("lean_expr_mk_proj", pointer, pointer, pointer)
        # Environment, most heartbeats, deepest recursion (0: no bound; clock and stack bound both), declaration, token.
        self._add = function(
            "lean_add_decl", pointer, ctypes.c_size_t, ctypes.c_size_t, pointer, pointer, result=pointer
        )
        self._start()

    def _function(self, name: str, *types: Any, result: Any = ctypes.c_void_p) -> Callable[..., Any]:
        found = getattr(self._library, name)
        found.argtypes, found.restype = list(types), result
        return found  # type: ignore[no-any-return]

    def _start(self) -> None:
        # Lean starts a thread for events. Its own default is a stack of a gigabyte, which would count as memory taken.
        self._function("lean_internal_set_thread_stack_size", ctypes.c_size_t, result=None)(_THREAD_STACK_BYTES)
        self._function("lean_initialize_runtime_module", result=None)()
        self._function("lean_initialize", result=None)()
        # A panic means that an object is not what was asked for: no answer may follow from it.
        self._function("lean_internal_set_exit_on_panic", ctypes.c_uint8, result=None)(1)
        done = self._function("initialize_Lean", ctypes.c_uint8, ctypes.c_void_p)(1, box(0))
        if tag(done) != 0:
            raise RuntimeError("Lean's own modules do not start")
        self._function("lean_io_mark_end_initialization", result=None)()
        version = ctypes.c_void_p.in_dll(self._library, "l_Lean_versionString").value
        self.version = text(version or box(0))
        if self.version != LEAN_VERSION:
            raise RuntimeError(f"the library is of Lean {self.version}, the layouts here are of {LEAN_VERSION}")
        make = self._function("l_Lean_mkEmptyEnvironment", ctypes.c_uint32, ctypes.c_void_p)
        empty = self.persist(field(make(0, box(0)), 0))
        self.empty: Object = self.persist(self._function("lean_elab_environment_to_kernel_env", ctypes.c_void_p)(empty))

    def persist(self, made: Object) -> Object:
        if not made & 1:
            self.mark(made)
        return made

    def new(self, constructor: int, fields: Iterable[Object], scalars: bytes = b"") -> Object:
        """A constructor object. Its header: count (32 bits), size (16), number of fields (8), tag (8)."""
        objects = list(fields)
        size = (8 + 8 * len(objects) + len(scalars) + 7) // 8 * 8
        memory = (ctypes.c_uint64 * (size // 8))()
        memory[0] = constructor << 56 | len(objects) << 48 | size << 32
        for i, o in enumerate(objects):
            memory[i + 1] = o
        self._kept.append(memory)
        address = ctypes.addressof(memory)
        if scalars:
            ctypes.memmove(address + 8 + 8 * len(objects), scalars, len(scalars))
        return address

    def make_list(self, items: list[Object]) -> Object:
        made = box(0)
        for item in reversed(items):
            made = self.new(1, [item, made])
        return made

    def string(self, value: Json) -> Object:
        if type(value) is not str:
            raise Malformed("a text is not a text")
        try:
            data = value.encode()
        except UnicodeEncodeError:
            raise Malformed("a text is not Unicode") from None
        return self.persist(self._string(data, len(data)))  # with its length: a null byte does not end it

    def nat(self, digits: Json) -> Object:
        if type(digits) is not str or not digits.isascii() or not digits.isdigit() or len(digits) > _MAX_DIGITS:
            raise Malformed("a number is not written in digits")
        if digits[0] == "0" and digits != "0":
            raise Malformed("a number begins with 0")
        return box(int(digits)) if len(digits) < 19 else self.persist(self._nat(digits.encode()))

    def add(self, environment: Object, declaration: Object) -> Object:
        """The environment with the declaration in it. Raises Refused, whose text is Lean's."""
        result = self._add(environment, 0, 0, declaration, box(0))
        if tag(result) == 1:
            return self.persist(field(result, 0))
        error = field(result, 0)
        kind = tag(error)
        detail = ERRORS[kind] if kind < len(ERRORS) else "kernel exception"
        if kind == _OTHER and not error & 1:
            detail = text(field(error, 0))
        raise Refused("resources" if kind >= _RESOURCES else "rejected", detail)


def box(number: int) -> Object:
    return number << 1 | 1


def tag(o: Object) -> int:
    return o >> 1 if o & 1 else ctypes.c_uint8.from_address(o + 7).value


def field(o: Object, index: int) -> Object:
    return ctypes.c_size_t.from_address(o + 8 + 8 * index).value


def text(o: Object) -> str:
    """A string object holds its size with the null byte, its capacity, its length, and then its bytes."""
    if o & 1:
        return ""
    return ctypes.string_at(o + 32, max(field(o, 0) - 1, 0)).decode(errors="replace")


def row_of(rows: Any, index: Json) -> Any:
    if type(index) is not int or not 0 <= index < len(rows):
        raise Malformed("a reference points nowhere")
    return rows[index]


class Export:
    """An export's tables as Lean objects. Raises Malformed."""

    def __init__(self, kernel: Kernel, data: Json) -> None:
        self.kernel = kernel
        if type(data) is not dict or any(type(data.get(k)) is not list for k in _TABLES):
            raise Malformed("the export lacks a table")
        if len(data["exprs"]) > MAX_EXPRESSIONS:
            raise Refused("resources", "the export is too large")
        self.declarations: list[Json] = data["declarations"]
        self.components: list[tuple[Component, ...]] = []
        self.names: list[Object] = []
        self.levels: list[Object] = []
        self.exprs: list[Object] = []
        self._read_names(data["names"])
        levels, exprs = _LEVELS, _EXPRESSIONS
        try:
            for row in data["levels"]:
                self.levels.append(kernel.persist(levels[row[0]](self, *row[1:])))
            for row in data["exprs"]:
                self.exprs.append(kernel.persist(exprs[row[0]](self, *row[1:])))
        except (TypeError, KeyError, IndexError):
            raise Malformed("a level or an expression of no known form") from None

    def _read_names(self, rows: list[Json]) -> None:
        kernel = self.kernel
        for i, row in enumerate(rows):
            if i == 0 and row is None:
                self.names.append(box(0))
                self.components.append(())
                continue
            if type(row) is not list or len(row) != 2:
                raise Malformed("a name of no known form")
            parent, last = row_of(self.names, row[0]), row[1]
            if type(last) is dict:
                made = kernel.name_number(parent, kernel.nat(last.get("n")))
                component: Component = (last["n"],)
            else:
                made = kernel.name_string(parent, kernel.string(last))
                component = last
            self.names.append(kernel.persist(made))
            self.components.append((*self.components[row[0]], component))
        if len(set(self.components)) != len(self.components):
            raise Malformed("a name is listed twice")

    def name(self, index: Json) -> Object:
        return row_of(self.names, index)  # type: ignore[no-any-return]

    def level(self, index: Json) -> Object:
        return row_of(self.levels, index)  # type: ignore[no-any-return]

    def expr(self, index: Json) -> Object:
        return row_of(self.exprs, index)  # type: ignore[no-any-return]

    def display(self, index: Json) -> str:
        """As the auditor writes names of axioms (audit.js)."""
        return ".".join(part if isinstance(part, str) else part[0] for part in row_of(self.components, index))

    # Rows of the tables

    def bound(self, index: Json) -> Object:
        number = self.kernel.nat(index)
        if not number & 1 or number >> 1 >= _MAX_BOUND:
            raise Malformed("a bound variable out of range")
        return self.kernel.bound(number)  # type: ignore[no-any-return]

    def constant(self, name: Json, levels: Json) -> Object:
        return self.kernel.constant(self.name(name), self.kernel.make_list([self.level(i) for i in levels]))  # type: ignore[no-any-return]

    def lambda_(self, name: Json, domain: Json, body: Json, info: Json) -> Object:
        return self.kernel.lambda_(self.name(name), self.expr(domain), self.expr(body), _binder(info))  # type: ignore[no-any-return]

    def forall(self, name: Json, domain: Json, body: Json, info: Json) -> Object:
        return self.kernel.forall(self.name(name), self.expr(domain), self.expr(body), _binder(info))  # type: ignore[no-any-return]

    def let(self, name: Json, type_: Json, value: Json, body: Json, _dependent: Json = 0) -> Object:
        return self.kernel.let(self.name(name), self.expr(type_), self.expr(value), self.expr(body))  # type: ignore[no-any-return]

    def number(self, digits: Json) -> Object:
        return self.kernel.literal(self.kernel.new(0, [self.kernel.nat(digits)]))  # type: ignore[no-any-return]

    def text(self, value: Json) -> Object:
        return self.kernel.literal(self.kernel.new(1, [self.kernel.string(value)]))  # type: ignore[no-any-return]

    # Declarations

    def parameters(self, row: Json) -> Object:
        return self.kernel.make_list([self.name(i) for i in _rows(row, "l")])

    def declaration(self, row: Json) -> Object:
        """What `lean_add_decl` takes. Raises Malformed."""
        kind = row.get("k") if type(row) is dict else None
        kernel = self.kernel
        if kind == "inductive":
            return kernel.new(6, [self.parameters(row), self._small(row.get("p")), self._types(row)], _SAFE_TYPE)
        if kind == "quotient":
            return box(4)
        if kind not in ("axiom", "definition", "theorem", "opaque"):
            raise Malformed("an unknown declaration")
        head = kernel.new(0, [self.name(row.get("n")), self.parameters(row), self.expr(row.get("t"))])
        if kind == "axiom":
            return kernel.new(0, [kernel.new(0, [head], _NOT_UNSAFE)])
        value, itself = self.expr(row.get("v")), kernel.make_list([self.name(row.get("n"))])
        if kind == "theorem":
            return kernel.new(2, [kernel.new(0, [head, value, itself])])
        if kind == "opaque":
            return kernel.new(3, [kernel.new(0, [head, value, itself], _NOT_UNSAFE)])
        return kernel.new(1, [kernel.new(0, [head, value, self._hints(row.get("h")), itself], _SAFE_DEFINITION)])

    def _types(self, row: Json) -> Object:
        kernel, types = self.kernel, []
        for member in _rows(row, "types"):
            constructors = [
                kernel.new(0, [self.name(_get(c, "n")), self.expr(_get(c, "t"))]) for c in _rows(member, "c")
            ]
            types.append(
                kernel.new(0, [self.name(member.get("n")), self.expr(member.get("t")), kernel.make_list(constructors)])
            )
        return kernel.make_list(types)

    def _small(self, digits: Json) -> Object:
        number = self.kernel.nat(digits)
        if not number & 1 or number >> 1 > 1 << 16:
            raise Malformed("a number of parameters out of range")
        return number

    def _hints(self, hints: Json) -> Object:
        if hints in ("o", "a"):
            return box("oa".index(hints))
        if type(hints) is not int or not 0 <= hints < 1 << 32:
            raise Malformed("hints of no known form")
        return self.kernel.new(2, [], hints.to_bytes(4, "little"))


_TABLES = ("names", "levels", "exprs", "declarations")
_NOT_UNSAFE = _SAFE_TYPE = b"\0"
_SAFE_DEFINITION = b"\1"
"""DefinitionSafety.safe: the constructors are unsafe, safe, partial."""
_LEVELS: dict[str, Callable[..., Object]] = {
    "0": lambda e: e.kernel.level_zero(box(0)),
    "s": lambda e, a: e.kernel.level_successor(e.level(a)),
    "m": lambda e, a, b: e.kernel.level_max(e.level(a), e.level(b)),
    "i": lambda e, a, b: e.kernel.level_imax(e.level(a), e.level(b)),
    "p": lambda e, n: e.kernel.level_parameter(e.name(n)),
}
_EXPRESSIONS: dict[str, Callable[..., Object]] = {
    "v": Export.bound,
    "s": lambda e, a: e.kernel.sort(e.level(a)),
    "c": Export.constant,
    "a": lambda e, f, x: e.kernel.apply(e.expr(f), e.expr(x)),
    "l": Export.lambda_,
    "p": Export.forall,
    "t": Export.let,
    "n": Export.number,
    "x": Export.text,
    "j": lambda e, n, i, x: e.kernel.projection(e.name(n), e.kernel.nat(i), e.expr(x)),
}


def _binder(info: Json) -> int:
    if type(info) is not int or not 0 <= info <= 3:
        raise Malformed("a binder of no known kind")
    return info


def _get(row: Json, key: str) -> Json:
    if type(row) is not dict:
        raise Malformed("a declaration of no known form")
    return row.get(key)


def _rows(row: Json, key: str) -> list[Json]:
    found = _get(row, key)
    if type(found) is not list:
        raise Malformed("a declaration lacks a list")
    return found


def _read(payload: bytes) -> Json:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        raise Malformed("not JSON") from None


class Replayer:
    """A kernel, and the environment with the library's declarations that were asked for so far."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._library: Object = kernel.empty
        self._known: set[tuple[Component, ...]] = set()

    def add_library(self, payload: bytes) -> dict[str, Json]:
        """Adds what is not there yet. The export comes from the auditor, whose library is pristine."""
        export = Export(self.kernel, _read(payload))
        added = 0
        for row in export.declarations:
            key = row_of(export.components, _get(row, "n"))
            if key in self._known:
                continue
            try:
                self._library = self.kernel.add(self._library, export.declaration(row))
            except Refused as error:
                raise Refused(error.outcome, f"{error} at {export.display(row['n'])}") from None
            self._known.add(key)
            added += 1
        return {"outcome": "accepted", "added": added}

    def check(self, payload: bytes, allowed_axioms: list[str]) -> dict[str, Json]:
        """Whether the kernel accepts every declaration of an export, with no axiom but these, and its target is a
        theorem among them."""
        data = _read(payload)
        export = Export(self.kernel, data)
        environment = self._library
        theorems = set()
        for row in export.declarations:
            declaration = export.declaration(row)
            if row["k"] == "quotient":
                raise Malformed("a quotient of its own")
            if row["k"] == "axiom" and export.display(row["n"]) not in allowed_axioms:
                raise Refused("rejected", f"an axiom of its own at {export.display(row['n'])}")
            try:
                environment = self.kernel.add(environment, declaration)
            except Refused as error:
                shown = export.display(row.get("n"))
                raise Refused(error.outcome, f"{error} at {shown}") from None
            if row["k"] == "theorem":
                theorems.add(row["n"])
        target = data.get("target")
        if type(target) is not dict or type(target.get("n")) is not int or target["n"] not in theorems:
            raise Malformed("the target is not a theorem of the export")
        return {"outcome": "accepted", "replayed": len(export.declarations)}


def _outcome(work: Callable[[], dict[str, Json]]) -> dict[str, Json]:
    try:
        return work()
    except Malformed as error:
        return {"outcome": "malformed", "detail": str(error)}
    except Refused as error:
        return {"outcome": error.outcome, "detail": str(error)[:_DETAIL_CHARS]}
    except MemoryError:
        return {"outcome": "resources", "detail": "memory"}


def _check_in_child(replayer: Replayer, request: dict[str, Json], payload: bytes) -> tuple[dict[str, Json], bool]:
    """The answer, and whether this process may go on to the next request."""
    read, write = os.pipe()
    seconds = max(float(request["seconds"]), 0.01)
    try:
        child = os.fork()
    except OSError:  # a room without processes of its own
        os.close(read)
        os.close(write)
        _bound(seconds, int(request["memory_mb"]))
        return _outcome(lambda: replayer.check(payload, request["axioms"])), False
    if child == 0:
        try:
            os.dup2(write, 1)  # the channel to the supervisor is not the child's to write on
            os.close(0)
            os.close(read)
            _bound(seconds, int(request["memory_mb"]))
            answer = _outcome(lambda: replayer.check(payload, request["axioms"]))
            os.write(1, json.dumps(answer).encode()[:_MAX_ANSWER_BYTES])
        finally:
            os._exit(0)
    os.close(write)
    said = _drain(read, time.monotonic() + seconds + 1)
    os.close(read)
    if said is None:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if said is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGALRM, signal.SIGXCPU)):
        return {"outcome": "resources", "detail": "time"}, True
    try:
        return dict(json.loads(said)), True
    except ValueError:
        return {"outcome": "died", "detail": f"wait status {status}"}, True


def _bound(seconds: float, memory_mb: int) -> None:
    """Limits of one replay: the alarm's default is the end of the process, whatever native code is doing."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    wanted = memory_mb << 20
    resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard < 0 else min(wanted, hard), hard))


def _drain(descriptor: int, deadline: float) -> bytes | None:
    """What was written until the other end closed; None if the time ran out first."""
    said = b""
    while len(said) < _MAX_ANSWER_BYTES:
        readable, _, _ = select.select([descriptor], [], [], max(deadline - time.monotonic(), 0))
        if not readable:
            return None
        chunk = os.read(descriptor, 4096)
        if not chunk:
            break
        said += chunk
    return said


def _say(answer: dict[str, Json]) -> None:
    heap_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    sys.stdout.buffer.write(json.dumps({**answer, "heapMb": heap_mb}).encode() + b"\n")
    sys.stdout.buffer.flush()


def _serve(replayer: Replayer) -> None:
    _say({"ready": True, "version": replayer.kernel.version})
    while line := sys.stdin.buffer.readline():
        request = json.loads(line)
        payload = sys.stdin.buffer.readline()
        started = time.perf_counter()
        goes_on = True
        if request["op"] == "library":
            answer = _outcome(lambda payload=payload: replayer.add_library(payload))  # type: ignore[misc]
        else:
            answer, goes_on = _check_in_child(replayer, request, payload)
        _say({**answer, "seconds": time.perf_counter() - started, "tired": not goes_on})
        if not goes_on:
            return


def main() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_STACK)
    wanted = _STACK_BYTES if hard < 0 else min(_STACK_BYTES, hard)
    if 0 <= soft < wanted and not os.environ.get("STACK_RAISED"):
        # The kernel recurses on the main thread's stack, which a program lays out by the limit that it starts with.
        resource.setrlimit(resource.RLIMIT_STACK, (wanted, hard))
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], {**os.environ, "STACK_RAISED": "1"})
    _serve(Replayer(Kernel(sys.argv[1])))


if __name__ == "__main__":
    main()
