"""Checker programs: the problem's own word on an output, where several are right.

A checker runs in a room of its own, which no candidate ever enters; of the candidate it gets one file, its output, and
treats it as what it is, hostile input. Every check has a fresh cell in that room, and every test a fresh process in
that cell, so that an output which takes a checker over can decide about nothing but its own candidate's tests.

`testlib`: called with the paths of input, output and answer; exit status 0 is right, 1 and 2 are wrong. `score`:
called with input, answer and output, as open-r1/codeforces has it; it ends with status 0, and the last line it prints
is 1 (right) or 0 (wrong). Everything else is no ruling, and the verdict is undecided: another status, a signal, a
limit, no such line, or a line that is 0 before a last one that is 1. A checker that includes testlib.h needs
`verify.code.testlib`, the path of that file.

Promises: never right without the checker's own word; each source is compiled once, in the checkers' room.
Does not: protect an honest verdict from a checker that is wrong, or that its input can take over.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from types import TracebackType

from verifiers.code.cells import languages
from verifiers.code.cells.run import (
    CellGoneError,
    Conversation,
    Deadline,
    Stop,
    cell_limits,
    run_job,
    sealed_file,
    stop_of_error,
)
from verifiers.code.cells.worker import Slot
from verifiers.code.evidence import Outcome, cut, describe_status
from verifiers.code.judges.compiling import compile_program
from verifiers.code.reference import CheckerProgram
from verifiers.sandbox.room import SandboxError
from verifiers.types import Limits, Status

LIMITS = Limits(wall_s=10.0, cpu_s=10.0, memory_mb=1024, output_kb=1024, processes=16)
"""Limits of one run of a checker program."""
_COMPILE_LIMITS = dataclasses.replace(LIMITS, wall_s=90.0, cpu_s=60.0)
_MAX_COMPILED = 64
_INCLUDES_TESTLIB = re.compile(r"^[ \t]*#[ \t]*include[ \t]*[<\"]testlib\.h[>\"]", re.MULTILINE)

Rooms = Callable[[str, Limits], contextlib.AbstractContextManager[Slot]]
"""Lends a slot in a room for checkers of a language."""


@dataclasses.dataclass(frozen=True, slots=True)
class Ruling:
    """What a checker said about one output; `right` is None when it said nothing that counts."""

    right: bool | None
    words: str


@contextlib.contextmanager
def _broken_on_error(slot: Slot) -> Iterator[None]:
    try:
        yield
    except SandboxError:
        slot.broken = True
        raise


class CheckerPrograms:
    """The checker programs of all problems, each compiled on first use. Thread-safe."""

    def __init__(self, rooms: Rooms, testlib: str = "") -> None:
        """`testlib`: the path of the user's testlib.h, or nothing. Raises ValueError if it cannot be read."""
        self._rooms = rooms
        self._compiled: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()
        self._testlib: str | None = None
        if testlib:
            try:
                with open(testlib, encoding="utf-8", errors="surrogateescape") as file:
                    self._testlib = file.read()
            except OSError as error:
                raise ValueError(f"verify.code.testlib: cannot read {testlib!r}: {error.strerror}") from None

    @contextlib.contextmanager
    def open(self, program: CheckerProgram) -> Iterator[Session | Outcome]:
        """A session for the tests of one candidate, or why there is none. Raises SandboxError."""
        uses_testlib = program.language == "cpp" and bool(_INCLUDES_TESTLIB.search(program.source))
        if uses_testlib and self._testlib is None:
            detail = "set verify.code.testlib to the path of testlib.h"
            yield Outcome(Status.UNDECIDED, "testlib.h is not configured", {"detail": detail})
            return
        with self._rooms(program.language, LIMITS) as slot, _broken_on_error(slot):
            boundary = slot.tier.boundary
            if boundary == "landlock" and languages.needs_namespaces(program.language):
                detail = f"a checker program in {program.language} needs namespaces, which this machine does not grant"
                yield Outcome(Status.UNDECIDED, "the checker program cannot run here", {"detail": detail})
                return
            executable = self._executable(slot, program)
            if isinstance(executable, Outcome):
                yield executable
                return
            try:
                with Session(slot, program, executable) as session:
                    yield session
            finally:
                if executable is not None:
                    os.close(executable)

    def _executable(self, slot: Slot, program: CheckerProgram) -> int | Outcome | None:
        """A descriptor of the compiled checker, which the caller closes; None for an interpreted one."""
        if program.language == "python":
            return None
        key = hashlib.sha256(program.source.encode("utf-8", "surrogatepass")).hexdigest()
        with self._lock:
            if key in self._compiled:
                self._compiled.move_to_end(key)
                return os.dup(self._compiled[key])
        headers = {"testlib.h": self._testlib} if self._testlib is not None else {}
        job = languages.compile_job(program.language, program.source, _COMPILE_LIMITS, headers)
        assert job is not None
        made = compile_program(slot, job, _COMPILE_LIMITS, Deadline.after(_COMPILE_LIMITS.wall_s))
        if isinstance(made, Outcome):
            reason = "the checker program does not compile"
            if made.status is not Status.REFUTED:
                reason = f"{reason}: {made.reason}"
            return Outcome(Status.UNDECIDED, reason, made.evidence)
        with self._lock:
            spent = self._compiled.pop(key, None)  # another thread was as fast
            self._compiled[key] = made
            spare = [self._compiled.popitem(last=False)[1]] if len(self._compiled) > _MAX_COMPILED else []
            for fd in [*spare, *([spent] if spent is not None else [])]:
                os.close(fd)
            return os.dup(made)

    def close(self) -> None:
        with self._lock:
            while self._compiled:
                os.close(self._compiled.popitem()[1])


def _no_answer(error: CellGoneError | ValueError) -> Ruling:
    if isinstance(error, CellGoneError):
        return Ruling(None, str(error.stop) or f"its host ended ({describe_status(error.exit.status)})")
    return Ruling(None, f"an answer outside the protocol: {error}"[:300])


class Session:
    """The checker at work on the tests of one candidate, in a cell that starts with the first of them.

    `begin` and `finish` are two calls so that the checker can look at one output while the program makes the next.
    """

    def __init__(self, slot: Slot, program: CheckerProgram, executable: int | None) -> None:
        self._slot = slot
        self._program = program
        self._executable = executable
        self._host: Conversation | None = None
        self._deadline = Deadline.after(LIMITS.wall_s)
        self._ruling: Ruling | None = None

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._host is not None:
            self._host.__exit__(kind, error, trace)

    def begin(self, given: bytes, output: bytes, answer: bytes, deadline: Deadline) -> None:
        """Gives the checker an output to look at; `finish` has its word on it. Raises SandboxError."""
        texts = (given, output, answer) if self._program.protocol == "testlib" else (given, answer, output)
        self._deadline = deadline.sooner(LIMITS.wall_s)
        self._ruling = None
        with contextlib.ExitStack() as stack:
            files = []
            for text in texts:
                files.append(sealed_file(text, "file"))
                stack.callback(os.close, files[-1])
            try:
                if self._slot.tier.boundary == "landlock":
                    self._ruling = self._alone(tuple(files))
                    return
                self._start()
                assert self._host is not None
                self._host.tell({}, self._deadline, tuple(files))
            except (CellGoneError, ValueError) as error:
                self._ruling = _no_answer(error)

    def finish(self) -> Ruling:
        """The checker's word on the output of the last `begin`. Raises SandboxError."""
        if self._ruling is None:
            assert self._host is not None
            try:
                answered = self._host.hear(self._deadline)
            except (CellGoneError, ValueError) as error:
                self._ruling = _no_answer(error)
            else:
                fields = answered if type(answered) is dict else {}
                status, stdout, stderr = (fields.get(key) for key in ("status", "stdout", "stderr"))
                if fields.get("full"):
                    self._ruling = Ruling(None, str(Stop.OUTPUT))
                elif type(status) is int and type(stdout) is str and type(stderr) is str:
                    self._ruling = self._read(status, stdout, stderr)
                else:
                    self._ruling = Ruling(None, "an answer outside the protocol")
        return self._ruling

    def _start(self) -> None:
        if self._host is None:
            job = {"mode": "checker", "code": self._program.source, "limits": cell_limits(LIMITS)}
            fds = () if self._executable is None else (self._executable,)
            self._host = Conversation(self._slot, job, LIMITS, fds)
            self._host.ask(None, self._deadline)

    def _alone(self, files: tuple[int, ...]) -> Ruling:
        """Where a cell cannot start processes, every run has a cell of its own."""
        job = {"mode": "script", "code": self._program.source, "limits": cell_limits(LIMITS)}
        run = run_job(self._slot, job, b"", LIMITS, self._deadline, extra_fds=files)
        if run.stop is not Stop.NONE:
            return Ruling(None, str(run.stop))
        return self._read(run.exit.status, run.stdout.decode("utf-8", "replace"), run.stderr.decode("utf-8", "replace"))

    def _read(self, status: int, stdout: str, stderr: str) -> Ruling:
        last_error = stderr.rstrip().rpartition("\n")[2]
        if status != 0 and (stop := stop_of_error(last_error)) is not Stop.NONE:
            return Ruling(None, str(stop))
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
        if self._program.protocol == "testlib":
            if code in (0, 1, 2):
                return Ruling(code == 0, cut(last_error))
            return Ruling(None, f"{describe_status(status)}: {cut(last_error)}")
        lines = [line.strip() for line in stdout.rstrip().split("\n")]
        last_line = lines[-1]
        if code == 0 and last_line in ("0", "1"):
            if last_line == "1" and "0" in lines:
                # A checker that repeats the output behind its ruling would let the output end with another.
                return Ruling(None, "it prints both 0 and 1")
            return Ruling(last_line == "1", cut(last_error))
        if code == 0:
            return Ruling(None, f"its last line is {cut(last_line)!r}, neither 1 nor 0")
        return Ruling(None, f"{describe_status(status)}: {cut(last_error)}")
