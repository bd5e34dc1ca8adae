"""What a cell does with its program, from the moment the sandbox is closed around it.

Nothing here is trusted by the judge: once the program runs it owns this process, and all it can do is send values or
bytes, which the judge compares with expectations that never enter the cell. So this code serves the honest programs: it
gives them what a fresh interpreter would (`__main__`, streams, exit status, atexit, threads) and reports plainly.
"""

from __future__ import annotations

import atexit
import builtins
import contextlib
import functools
import gc
import importlib
import io
import os
import random
import re
import resource
import socket
import sys
import threading
import traceback
import types
from collections.abc import Callable
from typing import Any

from verifiers.code.wire import framing, values

_MAX_FDS = 6
_MAX_FRAME = 1 << 28
_MESSAGE_CHARS = 500
SOURCE = "/tmp/solution.py"
ENVIRONMENT = {"HOME": "/tmp", "TMPDIR": "/tmp", "PATH": "/usr/bin:/bin", "LANG": "C"}
# Importing numpy starts a thread for every core: on a big machine more than a program may have.
ENVIRONMENT["OMP_NUM_THREADS"] = "1"


DENIED: list[str] = []
"""Operations that the program has tried and that a cell without namespaces refuses, in order."""
DENIED_MARK = "proofmill: the sandbox of this machine denies "
_DENIED_EVENTS = {
    *("os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system", "os.exec", "subprocess.Popen"),
    *("os.mkdir", "os.rename", "os.link", "os.symlink", "os.mkfifo", "os.truncate", "sqlite3.connect"),
    *("tempfile.mkstemp", "tempfile.mkdtemp"),
}
_COMMAND_EVENTS = {"os.system", "subprocess.Popen"}
_COMMANDS = re.compile(r"system|popen|subprocess", re.IGNORECASE)
_STARTS_PROCESSES = {"fork", "vfork", "clone", "system", "popen", "posix_spawn", "posix_spawnp", "syscall"}
"""Functions of the C library that a program can reach through ctypes."""
_watched: list[bool] = []
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def watch_denied_operations() -> None:
    """Notes what needs namespaces, so that its refusal is not taken for the program's own failure."""
    _watch(everything=True)
    _watched.append(True)


def may_run_commands(code: str) -> bool:
    """Whether a program speaks of running others. No room has a shell or any other program to run."""
    return _COMMANDS.search(code) is not None


def _watch(*, everything: bool) -> None:
    def watch(event: str, args: tuple[Any, ...]) -> None:
        if not everything:
            if event not in _COMMAND_EVENTS:
                return
        elif event == "open":
            path, _, flags = args
            if not isinstance(path, str) or not flags & _WRITING or path.startswith(("/dev/", "/proc/")):
                return
            event = "writing a file"
        elif event == "import":
            if args[0] != "multiprocessing.synchronize":  # its locks have no event of their own
                return
            event = "multiprocessing"
        elif event == "ctypes.dlsym":
            if args[1] not in _STARTS_PROCESSES:
                return
            event = f"ctypes.{args[1]}"
        elif event not in _DENIED_EVENTS:
            return
        if event not in DENIED:
            DENIED.append(event)
            with contextlib.suppress(OSError):
                os.write(2, f"{DENIED_MARK}{event}\n".encode())

    sys.addaudithook(watch)


def set_limits(limits: dict[str, int]) -> None:
    for name, value in limits.items():
        number = getattr(resource, f"RLIMIT_{name}")
        _, hard = resource.getrlimit(number)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        resource.setrlimit(number, (value, value if name != "STACK" else hard))


def _redirect(fds: list[int]) -> None:
    """Makes `fds` the standard streams, /dev/null where there are fewer."""
    null = os.open("/dev/null", os.O_RDWR)
    for target in range(3):
        os.dup2(fds[target] if target < len(fds) else null, target)
    for fd in {*fds, null}:
        if fd > 2:
            os.close(fd)


def fresh_streams() -> None:
    """Text layers as a new interpreter makes them: UTF-8, universal newlines, undecodable input kept as surrogates.

    With their `name` and `mode`, which the fast-input headers of contest programs read.
    """
    _stream("stdin", 0, "surrogateescape")
    _stream("stdout", 1, "surrogateescape")
    _stream("stderr", 2, "backslashreplace")


def _stream(name: str, fd: int, errors: str) -> None:
    mode = "w" if fd else "r"
    raw = io.FileIO(fd, mode, closefd=False)
    raw.name = f"<{name}>"  # type: ignore[assignment]
    buffer = io.BufferedWriter(raw) if fd else io.BufferedReader(raw)
    text = io.TextIOWrapper(buffer, "utf-8", errors, line_buffering=fd == 2)
    text.mode = mode  # type: ignore[misc]
    # Both names: a program that wraps `sys.stdin.buffer` anew must not lose the last reference.
    setattr(sys, name, text)
    setattr(sys, f"__{name}__", text)


_BUFFERED = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom, io.BufferedRWPair)
"""Streams that the interpreter writes out when it ends. A class written in Python on top of them has lost its globals
by then, so what such a one holds back is lost."""


_MAKES_STREAMS = re.compile(r"open|Wrapper|Buffered|stdout|stderr|import io|from io")


def _flush_streams() -> None:
    """What the interpreter's end does to every stream that is still open: `w = open(1, "w").write` has no other."""
    for stream in gc.get_objects():
        try:
            if issubclass(type(stream), _BUFFERED) and not stream.closed:
                stream.flush()
        except BaseException:
            continue


def _is_closed(stream: Any) -> bool:
    """To the interpreter's end a stream of a program's own class that does not say is open."""
    try:
        return bool(stream.closed)
    except BaseException:
        return False


def _write_source(code: str) -> str:
    """For tracebacks, inspect.getsource and multiprocessing; a cell without a /tmp does without."""
    if _watched:
        return SOURCE
    with contextlib.suppress(OSError, UnicodeEncodeError), open(SOURCE, "w", encoding="utf-8") as file:
        file.write(code)
        sys.path.insert(0, "/tmp")
    return SOURCE


def _quit(code: object = None) -> None:
    raise SystemExit(code)


def forget_verifier(packages: list[str]) -> None:
    """Before any cell exists: its environment, what `site` would add, and no verifier module among the imported."""
    builtins.exit = builtins.quit = _quit  # type: ignore[assignment]
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    for name in [name for name in sys.modules if name.partition(".")[0] == "verifiers"]:
        del sys.modules[name]
    sys.path[:] = [path for path in sys.path if not os.path.exists(path + "/verifiers")]
    sys.path += packages


def _module(name: str, code: str) -> types.ModuleType:
    module = types.ModuleType(name)
    module.__file__ = _write_source(code)
    module.__dict__["__builtins__"] = builtins
    sys.modules[name] = module
    return module


def run_script(code: str, arguments: list[str], prelude: str = "", compiled: types.CodeType | None = None) -> int:
    """Runs `code` as `python solution.py` would; the exit status."""
    sys.argv[:] = [SOURCE, *arguments]
    fresh_streams()
    main = _module("__main__", code)
    main.__dict__.update(__annotations__={}, __cached__=None)
    status = 0
    try:
        if prelude:
            give_prelude(main.__dict__, prelude, code)
        compiled = compiled or compile(code, SOURCE, "exec", dont_inherit=True)
        exec(compiled, main.__dict__)  # noqa: S102 (this is the sandbox)
    except SystemExit as stop:
        status = _exit_status(stop)
    except BaseException as error:
        status = 1
        trace = error.__traceback__
        try:
            sys.excepthook(type(error), error.with_traceback(trace.tb_next if trace else None), trace)
        except BaseException:
            traceback.print_exc()
        del trace
    try:
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
    except SystemExit as stop:
        status = _exit_status(stop)
    for name in ("stdout", "stderr"):
        try:
            stream = getattr(sys, name, None)
            if stream is not None and not _is_closed(stream):
                stream.flush()
        except BaseException:
            status = status or 120  # as the interpreter does
    if "__del__" in code or "yield" in code:
        del main
        _forget_main()
    if _MAKES_STREAMS.search(code):
        _flush_streams()
    if "ctypes" in code:
        with contextlib.suppress(Exception):
            importlib.import_module("ctypes").CDLL(None).fflush(None)
    return status


def _forget_main() -> None:
    """As at the interpreter's end: the last objects say what they have to say, with the names of their module at hand.

    The caller keeps no reference to the module.
    """
    sys.modules.pop("__main__", None)
    gc.collect()
    for name in ("stdout", "stderr"):
        with contextlib.suppress(BaseException):
            getattr(sys, name).flush()


def _exit_status(stop: SystemExit) -> int:
    if stop.code is None:
        return 0
    if isinstance(stop.code, int):
        return stop.code & 0xFF
    with contextlib.suppress(BaseException):
        print(stop.code, file=sys.stderr)
    return 1


def describe(error: BaseException) -> dict[str, Any]:
    """`{"raised": type, "message", "bases"}`: enough to raise a builtin exception of that type elsewhere."""
    kind = type(error)
    try:
        # A KeyError shows its key's repr, and would show that one's again.
        text = error.args[0] if isinstance(error, KeyError) and error.args else error
        message = (text if isinstance(text, str) else str(error))[:_MESSAGE_CHARS]
    except BaseException:
        message = ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == SOURCE]
    bases = [base.__name__ for base in kind.__mro__ if base.__module__ == "builtins"]
    return {"raised": kind.__name__, "message": message, "bases": bases, "line": lines[-1] if lines else None}


class _ListNode:
    def __init__(self, val: Any = 0, next: Any = None) -> None:
        self.val = val
        self.next = next


class _TreeNode:
    def __init__(self, val: Any = 0, left: Any = None, right: Any = None) -> None:
        self.val = val
        self.left = left
        self.right = right


_ListNode.__name__ = _ListNode.__qualname__ = "ListNode"
_TreeNode.__name__ = _TreeNode.__qualname__ = "TreeNode"

NODES: dict[str, type] = {"ListNode": _ListNode, "TreeNode": _TreeNode}

# Names that the judges of such tasks provide, and that solutions therefore use without importing them.
_LIVECODEBENCH_STARS = (
    *("string", "re", "datetime", "collections", "heapq", "bisect", "copy", "math", "random", "statistics"),
    *("itertools", "functools", "operator", "io", "sys", "json", "builtins", "typing"),
)
_LIVECODEBENCH_RECURSION = 50_000
_SORTED = ("SortedList", "SortedDict", "SortedSet")
"""Names of the package sortedcontainers, which LeetCode gives too."""


@functools.cache
def livecodebench_names() -> dict[str, Any]:
    """What LiveCodeBench's runner imports in front of a program: all names of these modules, then the modules.

    Made once before any cell exists.
    """
    scope: dict[str, Any] = {}
    for name in _LIVECODEBENCH_STARS:
        exec(f"from {name} import *", scope)  # noqa: S102
    return {name: value for name, value in scope.items() if not name.startswith("__")}


def give_prelude(scope: dict[str, Any], prelude: str, code: str) -> None:
    """Puts the names of `prelude` into a program's namespace, and sets its recursion limit.

    Four modules hold something of their own name. LiveCodeBench leaves the module there, LeetCode the function or
    class, and programs are written for either: what the program asks of the name decides.
    """
    assert prelude == "livecodebench"
    names = livecodebench_names()
    scope.update(names)
    for name in _LIVECODEBENCH_STARS[:-2]:
        module = importlib.import_module(name)
        own = names.get(name)
        used = re.findall(rf"(?<![\w.]){name}\s*(?:\.\s*(\w+)|(\())", code) if own is not None else []
        if not used or any(attribute and not hasattr(own, attribute) for attribute, _ in used):
            scope[name] = module
    if wanted := [name for name in _SORTED if name in code]:
        sortedcontainers = importlib.import_module("sortedcontainers")
        scope.update({name: getattr(sortedcontainers, name) for name in wanted})
    sys.setrecursionlimit(_LIVECODEBENCH_RECURSION)


def _build_list(items: list[Any], node: Callable[..., Any]) -> Any:
    head = None
    for value in reversed(items):
        following, head = head, node(value)
        head.next = following
    return head


def _own_value(value: Any) -> Any:
    return None if value is values.NONE_VALUE else value


def _build_tree(items: list[Any], node: Callable[..., Any]) -> Any:
    if not items or items[0] is None:
        return None
    root = node(_own_value(items[0]))
    waiting, position = [root], 1
    for parent in waiting:
        for side in ("left", "right"):
            if position < len(items) and items[position] is not None:
                child = node(_own_value(items[position]))
                setattr(parent, side, child)
                waiting.append(child)
            position += 1
    return root


def _materialize(value: Any, scope: dict[str, Any]) -> Any:
    """Replaces Linked values by nodes of the candidate's own classes."""
    if isinstance(value, values.Linked):
        if value.kind == "list_node":
            return _build_list([_materialize(v, scope) for v in value.values], scope.get("ListNode", _ListNode))
        return _build_tree([_materialize(v, scope) for v in value.values], scope.get("TreeNode", _TreeNode))
    if type(value) in (list, tuple):
        return type(value)(_materialize(item, scope) for item in value)
    if type(value) is dict:
        return {key: _materialize(item, scope) for key, item in value.items()}
    return value


def load(code: str, name: str, prelude: str = "") -> dict[str, Any]:
    """Executes a candidate's module; its namespace. Raises whatever it raises."""
    module = _module(name, code)
    scope = module.__dict__
    if prelude:
        give_prelude(scope, prelude, code)
    scope.update(NODES)
    exec(compile(code, SOURCE, "exec", dont_inherit=True), scope)  # noqa: S102
    return scope


def find(scope: dict[str, Any], entry_point: str) -> Callable[..., Any]:
    """The callable named `name` or `Class.method`; a method belongs to a fresh instance."""
    owner, _, method = entry_point.rpartition(".")
    if not owner:
        target: Callable[..., Any] = scope[method]
        return target
    bound: Callable[..., Any] = getattr(scope[owner](), method)
    return bound


def _call_sequence(scope: dict[str, Any], names: list[str], arguments: list[list[Any]]) -> list[Any]:
    """LeetCode's design problems: makes an object of the class named first, then calls its methods in turn."""
    made: Any = None
    results: list[Any] = []
    for position, (name, args) in enumerate(zip(names, arguments, strict=True)):
        args = [_materialize(value, scope) for value in args]
        if position == 0:
            made = scope[name](*args)
            results.append(None)
        else:
            results.append(getattr(made, name)(*args))
    return results


def _call(scope: dict[str, Any], job: dict[str, Any], call: dict[str, Any]) -> Any:
    if "operations" in call:
        return _call_sequence(scope, call["operations"], call["args"])
    args = [_materialize(value, scope) for value in call["args"]]
    kwargs = {key: _materialize(value, scope) for key, value in call["kwargs"].items()}
    result = find(scope, job["entry_point"])(*args, **kwargs)
    return result if job["output_argument"] is None else args[job["output_argument"]]


def run_function(job: dict[str, Any], channel: socket.socket) -> int:
    """Answers calls: `{"args", "kwargs"}` in, `{"value"}` or `{"raised", …}` out."""
    fresh_streams()
    encode, decode, send, receive = values.encode, values.decode, framing.send, framing.receive_bytes
    try:
        scope = load(job["code"], "solution", job["prelude"])
        if not job["sequences"]:
            find(scope, job["entry_point"])
    except BaseException as error:
        send(channel, {**describe(error), "denied": DENIED})
        return 0
    send(channel, {"loaded": True})
    while True:
        try:
            call = decode(receive(channel, _MAX_FRAME))
        except EOFError:
            return 0
        answer: dict[str, Any]
        try:
            answer = {"value": encode(_call(scope, job, call))}
        except values.NotPlainDataError as error:
            answer = {"not_plain": str(error)[:_MESSAGE_CHARS], "foreign": error.foreign}
        except BaseException as error:
            answer = describe(error)
        send(channel, {**answer, "denied": DENIED} if DENIED else answer)


def run_command(job: dict[str, Any], fds: list[int]) -> int:
    """Becomes another program; one that was compiled before comes as the last descriptor."""
    command = job["command"]
    if job["code"] is not None:
        with open(job["source_name"], "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(job["code"])
    executable = fds.pop() if job["passes_executable"] else None
    if executable is not None:
        os.lseek(executable, 0, os.SEEK_SET)  # the offset is shared with the runs before
        with open("/tmp/program", "wb") as file, open(executable, "rb", closefd=True) as source:
            while chunk := source.read(1 << 20):
                file.write(chunk)
        os.chmod("/tmp/program", 0o755)
    _redirect(fds)
    os.execve(command[0], command, ENVIRONMENT)


def run_compiler(job: dict[str, Any], fds: list[int]) -> int:
    """Compiles, then writes the executable to standard output; the compiler's own output goes to standard error."""
    for path, text in job["headers"].items():
        with open(path, "w", encoding="utf-8", errors="surrogatepass") as file:
            file.write(text)
    with open(job["source_name"], "w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(job["code"])
    _redirect([fds[0], fds[2], fds[2]])
    pid = os.fork()
    if pid == 0:
        try:
            os.close(fds[1])
            os.execve(job["command"][0], job["command"], ENVIRONMENT)
        finally:
            os._exit(127)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        return 1
    with open(job["executable"], "rb") as file, open(fds[1], "wb", closefd=False) as output:
        while chunk := file.read(1 << 20):
            output.write(chunk)
    return 0


PairedMode = Callable[[dict[str, Any], socket.socket, socket.socket], int]
HostMode = Callable[[dict[str, Any], socket.socket, list[int]], int]


def serve(channel: socket.socket, paired: dict[str, PairedMode], hosts: dict[str, HostMode]) -> int:
    """Receives one job and does it; the exit status of the cell.

    `paired` modes get a second socket, `hosts` the descriptors as they are.
    """
    job, fds = framing.receive_with_fds(channel, _MAX_FDS)
    mode = job["mode"]
    if "random" in (job["code"] or ""):
        random.seed()  # the fork server's state would be the same in every cell
    if not _watched and mode in ("script", "function", "candidate") and may_run_commands(job["code"]):
        _watch(everything=False)
    if mode in ("command", "compile"):
        channel.close()
        set_limits(job["limits"])
        return run_command(job, fds) if mode == "command" else run_compiler(job, fds)
    if mode in paired:
        with socket.socket(fileno=fds[0]) as other:
            other.set_inheritable(False)
            _redirect([])
            set_limits(job["limits"])
            return paired[mode](job, channel, other)
    if mode in hosts:
        return hosts[mode](job, channel, fds)
    files, fds = fds[3:], fds[:3]
    _redirect(fds)
    set_limits(job["limits"])
    if mode == "script":
        channel.close()
        return run_script(job["code"], [f"/proc/self/fd/{fd}" for fd in files], job.get("prelude", ""))
    if mode == "function":
        return run_function(job, channel)
    raise ValueError(f"no mode {mode!r}")
