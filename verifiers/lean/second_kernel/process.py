"""A second kernel seen from outside: another release of Lean's, native, in a process and sandbox room of its own.

    export of an elaborator ─► auditor: statement, axioms, kernel 4.28 ─yes─► second kernel: 4.35.0 ─yes─► verified
                                  └── declarations of its library, once each ─►┘

It reads the elaborator's export itself, so that a fault of the auditor's reading does not reach it. Promises: an answer
within the deadline or a ProcessError; whatever a hostile export does to the process, the most it can bring about is a
yes of this one kernel, and verified needs both. Does not: compare statements or trace axioms; the auditor does.
Fails: Unavailable where the process does not start.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from verifiers.lean.line_process import LineProcess, ProcessError
from verifiers.sandbox.room import (
    INTERPRETER,
    Room,
    SandboxedProcess,
    SandboxError,
    library_symlinks,
    python_paths,
    shared_libraries,
    start,
)
from verifiers.types import Json

WORKER = Path(__file__).resolve().parent / "worker.py"
MAX_REQUESTS = 20_000
MAX_HEAP_MB = 1000
"""Heap above which a process is replaced after its answer. A fresh one has 114 MB; the library comes with use."""
_START_TIMEOUT_S = 60.0
_LIBRARY_TIMEOUT_S = 60.0
_MEMORY_MB = 1024
"""Private memory of one replay (RLIMIT_DATA). The room has twice as much, for the library beside it."""
_PROCESSES = 16
_BUILT_IN = """
    Nat Nat.zero Nat.succ Nat.add Nat.sub Nat.mul Nat.div Nat.mod Nat.gcd Nat.pow Nat.log2 Nat.beq Nat.ble Nat.land
    Nat.lor Nat.xor Nat.shiftLeft Nat.shiftRight Bool Bool.true Bool.false String String.mk String.ofList Char
    Char.ofNat List List.nil List.cons Eq Eq.refl Quot Quot.mk Quot.lift Quot.ind True False And Or Not Iff Exists
    HEq Unit PUnit Prod Fin UInt32 Decidable propext Quot.sound Classical.choice sorryAx
"""
"""What the kernel knows by name, and what statements are made of: there before the first export is."""


class Unavailable(RuntimeError):
    """The second kernel does not start."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    """What the second kernel says of an export."""

    outcome: str
    """`accepted`, `rejected` (the kernel's no), `malformed` (not an export), `resources`, `died`, `library` (it does
    not take a declaration of the library itself)."""
    detail: str
    version: str
    """Its release of Lean."""
    seconds: float = 0.0

    @property
    def disagrees(self) -> bool:
        """Whether it denies what the first kernel accepted, rather than to have come to no end."""
        return self.outcome in ("rejected", "malformed")


Fetch = Callable[[Sequence[Json]], bytes]
"""Components of names of library constants ─► an export with them and all that they use."""


class SecondKernel:
    """One process, started with its first check and replaced when it has died or grown. Thread-safe."""

    def __init__(self, folder: Path, *, memory_mb: int = _MEMORY_MB, allow_unprotected: bool = False) -> None:
        self._folder = folder
        self._memory_mb = memory_mb
        self._allow_unprotected = allow_unprotected
        self._lock = threading.Lock()
        self._process: LineProcess | None = None
        self._known: set[str] = set()
        self._closed = False
        self._ran = False
        self._broken = ""

    @property
    def broken(self) -> str:
        """Why it has never started on this machine; empty if it has, or was not asked yet."""
        return self._broken

    def warm(self, fetch: Fetch) -> str:
        """Starts the process; its release of Lean. Raises Unavailable or ProcessError."""
        with self._lock:
            return self._started(fetch).lean_version

    def check(
        self, payload: bytes, names: Sequence[Json], axioms: Sequence[str], fetch: Fetch, wall_s: float
    ) -> Answer:
        """`names`: the library constants that the export uses, as components. `axioms`: those it may declare.

        Raises Unavailable, and ProcessError of the auditor's that `fetch` asks.
        """
        with self._lock:
            process = self._started(fetch)
            try:
                refusal = self._add_library(process, names, fetch)
            except ProcessError as error:
                self._drop()
                return Answer("died", f"while the library was read: {error}", process.lean_version)
            if refusal:
                return Answer("library", refusal, process.lean_version)
            request = {"op": "check", "axioms": list(axioms), "seconds": wall_s, "memory_mb": self._memory_mb}
            try:
                said, _ = process.ask(request, time.monotonic() + wall_s + 5, payload.replace(b"\n", b" "))
            except ProcessError as error:
                self._drop()
                return Answer("died", f"{type(error).__name__}: {error}", process.lean_version)
            if process.tired or process.num_requests >= MAX_REQUESTS or process.heap_mb > MAX_HEAP_MB:
                self._drop()
            return Answer(
                str(said.get("outcome")), str(said.get("detail", "")), process.lean_version, float(said["seconds"])
            )

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._drop()

    def _drop(self) -> None:
        if self._process:
            self._process.close()
        self._process = None
        self._known.clear()

    def _started(self, fetch: Fetch) -> LineProcess:
        """The process with what every proof needs. The caller holds the lock. Raises Unavailable or ProcessError."""
        if self._closed:
            raise Unavailable("the second kernel is closed")
        if self._broken:
            raise Unavailable(self._broken)
        if self._process is None:
            try:
                self._process = LineProcess(self._open(), _START_TIMEOUT_S)
                refusal = self._add_library(self._process, [n.split(".") for n in _BUILT_IN.split()], fetch)
            except (SandboxError, OSError, ProcessError) as error:
                refusal = f"{type(error).__name__}: {error}"
            if refusal:
                self._drop()
                if not self._ran:  # no use in trying before each proof
                    self._broken = refusal
                raise Unavailable(refusal)
            self._ran = True
        assert self._process is not None
        return self._process

    def _add_library(self, process: LineProcess, names: Sequence[Json], fetch: Fetch) -> str:
        """Has the library constants of these names in the kernel. Returns its refusal, or an empty text."""
        missing = {key: n for n in names if (key := json.dumps(n)) not in self._known}
        if not missing:
            return ""
        payload = fetch(list(missing.values()))
        said, _ = process.ask({"op": "library"}, time.monotonic() + _LIBRARY_TIMEOUT_S, payload)
        if said.get("outcome") != "accepted":
            return f"{said.get('outcome')}: {said.get('detail', '')}"
        self._known.update(missing)
        return ""

    def _open(self) -> SandboxedProcess:
        folder, script = str(self._folder), str(WORKER)
        room = Room(
            argv=(INTERPRETER, "-I", "-S", "-B", script, folder),
            # The same paths inside as outside: so it works in the tiers without a root directory of their own, too.
            read_only={**python_paths(), **shared_libraries(), folder: folder, script: script},
            # Lean's allocator would take a gigabyte at once, of which it uses little; the limit below counts it all.
            env={"MIMALLOC_ARENA_EAGER_COMMIT": "0"},
            symlinks=library_symlinks(),
            tmp_mb=0,
            cwd="/",
            memory_mb=2 * self._memory_mb,
            processes=_PROCESSES,
        )
        return start(room, stdin=subprocess.PIPE, stdout=subprocess.PIPE, allow_unprotected=self._allow_unprotected)
