"""The embedded engine: warm Lean processes in two roles, and a spare.

    text ─► elaborator (runs what the candidate wrote) ──export, plain data──► auditor (never runs a candidate)
                                                                                │ compares statements, traces
    problem ─────────────── header + statement := sorry ──────────────────────► │ axioms, replays in the kernel
                                                                                ▼
                                        verdict ◄─ the second kernel, where there is one (second_kernel/)
Promises: an elaborator's answer can make a verdict worse, never better than the auditor's; a process that was killed,
has crashed, grown or aged is replaced, by a spare that is warm already; the wall clock bounds elaboration and audit
together. A process takes its role with its first request and keeps it. Bounds: `num_workers` elaborators, one auditor,
`num_spares` spares; callers wait for a free elaborator.
"""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence

from verifiers.lean.assembly import Reference, Source
from verifiers.lean.embedded.install import cache_root
from verifiers.lean.embedded.process import LeanProcess, Settings
from verifiers.lean.line_process import Died, OutOfMemory, ProcessError, Timeout
from verifiers.lean.second_kernel.disagreements import keep
from verifiers.lean.second_kernel.process import SecondKernel, Unavailable
from verifiers.types import Json

MAX_REQUESTS = 5000
"""An elaborator is replaced after so many; its heap was flat over thousands in tests, this bounds what was not seen."""
MAX_HEAP_MB = 1200
"""Heap above which an elaborator is replaced between requests. A fresh one has 176 MB."""
REFERENCE_TIMEOUT_S = 60.0
_SPAWN_ATTEMPTS = 3
_MAX_REFERENCES = 4096


class EngineError(RuntimeError):
    """No Lean process could be had: the machine's fault or ours."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stated:
    """What the auditor made of a problem."""

    id: str
    error: str
    """Empty if the statement elaborates; else what is wrong with the problem."""
    target: tuple[Json, ...] = ()
    """Components of the theorem's full name."""


@dataclasses.dataclass(frozen=True, slots=True)
class Outcome:
    """One reading's way through elaborator and auditor. `stage` says where it ended."""

    stage: str
    """`verified`, or where it failed: `policy`, `elaboration`, `name`, `export`, `statement`, `axioms`, `kernel`,
    `resources`, `unsupported`; `disagreement` or `second kernel` where only the first kernel said yes.
    """
    answer: dict[str, Json]
    elaboration_s: float = 0.0
    audit_s: float = 0.0
    second_kernel_s: float = 0.0


class Pool:
    """Warm processes of one library. Thread-safe.

    A proof needs the yes of `second`, too, where it is given; unless `needs_second` is set, one kernel is enough on a
    machine where the other one has never started.
    """

    def __init__(
        self,
        settings: Settings,
        num_workers: int,
        num_spares: int,
        second: SecondKernel | None = None,
        needs_second: bool = False,
    ) -> None:
        self.settings = settings
        self._num_wanted = num_workers + num_spares
        self._num_spares = num_spares
        self._fresh: list[LeanProcess] = []
        self._idle: list[LeanProcess] = []
        self._auditor: LeanProcess | None = None
        self._num_starting = 0
        self._num_busy = 0
        self._num_workers = num_workers
        self._failures = 0
        self._problem = ""
        self._closed = False
        self._changed = threading.Condition()
        self._auditor_lock = threading.Lock()
        self._stated: OrderedDict[tuple[str, str, str], Stated] = OrderedDict()
        self._second = second
        self._needs_second = needs_second
        self.tier = ""
        self.lean_version = ""

    # Processes

    def _want(self, count: int) -> None:
        """Has `count` fresh processes ready or on their way. The caller holds the lock."""
        while not self._closed and len(self._fresh) + self._num_starting < count:
            self._num_starting += 1
            threading.Thread(target=self._spawn, name="lean-start", daemon=True).start()

    def _spawn(self) -> None:
        process = None
        problem = ""
        try:
            process = LeanProcess(self.settings, "auditor")
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        with self._changed:
            self._num_starting -= 1
            if process is None:
                self._failures += 1
                self._problem = problem
            elif self._closed:
                process.close()
            else:
                self._failures = 0
                self.tier, self.lean_version = process.tier, process.lean_version
                self._fresh.append(process)
            self._changed.notify_all()

    def _take_fresh(self, others: int = 0) -> LeanProcess:
        """A process that has served no candidate; `others` more will be needed soon. The caller holds the lock."""
        while not self._fresh:
            if self._closed:
                raise EngineError("the Lean engine is closed")
            if self._failures >= _SPAWN_ATTEMPTS:
                self._failures = 0
                raise EngineError(f"Lean does not start: {self._problem}")
            self._want(1 + others)
            self._changed.wait()
        process = self._fresh.pop()
        return process

    @contextlib.contextmanager
    def _elaborator(self) -> Iterator[LeanProcess]:
        with self._changed:
            while self._num_busy >= self._num_workers and not self._closed:
                self._changed.wait()
            self._num_busy += 1
            try:
                process = self._idle.pop() if self._idle else self._take_fresh(others=0 if self._auditor else 1)
            except BaseException:
                self._num_busy -= 1
                self._changed.notify_all()
                raise
        keep = False
        try:
            yield process
            keep = not (process.tired or process.num_requests >= MAX_REQUESTS or process.heap_mb > MAX_HEAP_MB)
        finally:
            with self._changed:
                self._num_busy -= 1
                if keep and not self._closed:
                    self._idle.append(process)
                    if self._auditor:
                        self._want(self._num_spares)
                else:
                    process.close()
                    self._want(max(self._num_spares, 1))
                self._changed.notify_all()

    @contextlib.contextmanager
    def _the_auditor(self) -> Iterator[LeanProcess]:
        with self._auditor_lock:
            if self._auditor is None:
                with self._changed:
                    self._auditor = self._take_fresh(others=0 if self._idle else 1)
            process = self._auditor
            try:
                yield process
            except ProcessError:
                self._drop_auditor()
                raise
            if process.tired or process.num_requests >= MAX_REQUESTS or process.heap_mb > MAX_HEAP_MB:
                self._drop_auditor()

    def _drop_auditor(self) -> None:
        assert self._auditor is not None
        self._auditor.close()
        self._auditor = None
        self._stated.clear()
        with self._changed:
            self._want(max(self._num_spares, 1))

    def warm(self) -> None:
        """Waits for the first elaborator and the auditor to start, which the first check would wait for otherwise.
        Returns early where they do not start: that check will say why."""
        with self._changed:
            while not (self._closed or self._auditor or self._failures >= _SPAWN_ATTEMPTS or len(self._fresh) > 1):
                self._want(2)
                self._changed.wait()
            ready = self._failures < _SPAWN_ATTEMPTS and not self._closed
        if self._second and ready:
            with contextlib.suppress(Unavailable, ProcessError):
                self._second.warm(self._library)

    # Work

    def state(self, reference: Reference) -> Stated:
        """Elaborates the problem's own statement. Raises ProcessError or EngineError."""
        with self._the_auditor() as auditor:
            return self._state(auditor, reference)

    def _state(self, auditor: LeanProcess, reference: Reference) -> Stated:
        key = (reference.header, reference.statement, reference.name)
        known = self._stated.get(key)
        if known:
            return known
        number = f"{auditor.num_requests}"
        answer, _ = auditor.ask(
            {
                "op": "reference",
                "id": number,
                "header": reference.header,
                "statement": reference.statement,
                "name": reference.name,
            },
            time.monotonic() + REFERENCE_TIMEOUT_S,
        )
        stated = Stated(number, _reference_error(reference, answer), tuple(answer.get("target") or ()))
        self._stated[key] = stated
        if len(self._stated) > _MAX_REFERENCES // 2:
            self._stated.popitem(last=False)
        return stated

    def is_vacuous(self, reference: Reference, deadline: float) -> bool:
        """Whether simple tactics derive a contradiction from the statement's own hypotheses."""
        with self._the_auditor() as auditor:
            stated = self._state(auditor, reference)
            answer, _ = auditor.ask({"op": "vacuous", "id": stated.id}, deadline)
            return bool(answer.get("vacuous"))

    def check(self, reference: Reference, stated: Stated, source: Source, policy: bool, wall_s: float) -> Outcome:
        """One reading, elaborated and audited. The clock starts when a process is free. Raises ProcessError,
        EngineError.
        """
        with self._elaborator() as elaborator:
            deadline = time.monotonic() + wall_s
            request = {
                "op": "elaborate",
                "header": source.header,
                "source": source.code,
                "target": list(stated.target),
                "policy": policy,
            }
            answer, exported = elaborator.ask(request, deadline)
        elaboration_s = float(answer.get("seconds", 0.0))
        if exported is None or not answer.get("ok"):
            return Outcome(_failure(answer), answer, elaboration_s)
        with self._the_auditor() as auditor:
            number = self._state(auditor, reference).id
            # The wait for the auditor is not the candidate's; but the kernel gets no more than the candidate's own
            # time.
            judged, _ = auditor.ask({"op": "audit", "id": number}, time.monotonic() + wall_s, exported)
        stage = "verified" if judged.get("ok") is True else str(judged.get("reason", "kernel"))
        outcome = Outcome(
            stage, {**judged, "messages": answer.get("messages", [])}, elaboration_s, float(judged["seconds"])
        )
        if stage != "verified":
            return outcome
        outcome.answer["kernels"] = [self.lean_version]
        return self._second_opinion(outcome, reference, exported, wall_s) if self._second else outcome

    def _second_opinion(self, outcome: Outcome, reference: Reference, exported: bytes, wall_s: float) -> Outcome:
        """The outcome, once the second kernel has seen the export that the first one accepted."""
        assert self._second is not None
        first = outcome.answer
        try:
            said = self._second.check(exported, first["library"], first["headerAxioms"], self._library, wall_s)
        except Unavailable as error:
            if self._second.broken and not self._needs_second:
                first["second_kernel"] = f"does not start: {error}"
                return outcome
            return dataclasses.replace(
                outcome, stage="second kernel", answer={"outcome": "absent", "detail": str(error)}
            )
        if said.outcome == "accepted":
            first["kernels"].append(said.version)
            return dataclasses.replace(outcome, second_kernel_s=said.seconds)
        answer: dict[str, Json] = {"outcome": said.outcome, "detail": said.detail}
        if said.disagrees:
            answer["export"] = keep(reference, exported, said.detail, cache_root() / "lean" / "disagreements")
        stage = "disagreement" if said.disagrees else "second kernel"
        return dataclasses.replace(outcome, stage=stage, answer=answer, second_kernel_s=said.seconds)

    def _library(self, names: Sequence[Json]) -> bytes:
        """The auditor's export of library constants. Raises ProcessError, EngineError."""
        with self._the_auditor() as auditor:
            _, exported = auditor.ask({"op": "library", "names": list(names)}, time.monotonic() + REFERENCE_TIMEOUT_S)
        if exported is None:
            raise Died("the auditor sent no library")
        return exported

    def run_tactics(self, reference: Reference, tactics: Sequence[str], policy: bool, wall_s: float) -> dict[str, Json]:
        """The goals that `tactics` leave, by an elaborator's word. Raises ProcessError, EngineError."""
        request = {
            "op": "tactic",
            "header": reference.header,
            "statement": reference.statement,
            "tactics": list(tactics),
            "policy": policy,
        }
        with self._elaborator() as elaborator:
            answer, _ = elaborator.ask(request, time.monotonic() + wall_s)
        return answer

    def close(self) -> None:
        with self._changed:
            self._closed = True
            processes = [*self._fresh, *self._idle]
            self._fresh.clear()
            self._idle.clear()
            self._changed.notify_all()
        with self._auditor_lock:
            if self._auditor:
                processes.append(self._auditor)
                self._auditor = None
        for process in processes:
            process.close()
        if self._second:
            self._second.close()


def _failure(answer: dict[str, Json]) -> str:
    if answer.get("veto"):
        return "policy"
    if answer.get("unexportable"):
        return "export"
    if any(m.get("severity") == "error" for m in answer.get("messages") or ()):
        return "elaboration"
    return "name"


def _reference_error(reference: Reference, answer: dict[str, Json]) -> str:
    if answer.get("ok"):
        return ""
    message = answer.get("message") or {}
    where = f" (line {message.get('line')}): {message.get('text', '')}"[:500] if message else ""
    match answer.get("reason"):
        case "header":
            return f"the header does not elaborate{where}"
        case "name":
            return f"the statement declares no theorem named {reference.name}"
        case _:
            return f"the statement does not elaborate{where}"


__all__ = ["EngineError", "OutOfMemory", "Outcome", "Pool", "Stated", "Timeout"]
