"""Checks Lean proofs: `verified` means that this statement, as the problem gives it, is proved from propext, Quot.sound
and Classical.choice only, and that Lean's kernel agreed in an environment the candidate never touched.

Limits first. The embedded engine has Lean's core library and no Mathlib: a header that asks for more goes to the native
engine (native/engine.py) where a project is configured, and is `undecided` elsewhere. The embedded engine's
library files leave proofs out, so axioms are traced to the library's edge and the library is trusted; and it is Lean
4.28.0-pre, older than the kernel fixes of 4.34.1, so that the kernel of Lean 4.35.0 must agree where it is installed
(second_kernel/). Axioms that the problem's own header declares are allowed and
reported (`header_axioms`), a statement whose hypotheses contradict each other is reported (`vacuous`).

Statuses: an error, a policy breach, another statement, a foreign axiom or the kernel's no is `refuted`; a text without
the theorem or a readable proof is `malformed`; time, memory and heartbeats that run out are `undecided`. Safe for many
threads.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from verifiers import finish_reasons
from verifiers.lean.assembly import Reference, Source, Unreadable, assemble, read_reference
from verifiers.lean.embedded.engine import EngineError, Pool
from verifiers.lean.embedded.install import LEAN_VERSION, PACKAGE_VERSION, REVISION, Prepared, SetupError, prepare
from verifiers.lean.embedded.process import Settings
from verifiers.lean.embedded.tactics import EmbeddedTactics
from verifiers.lean.findings import (
    MAX_EVIDENCE_CHARS,
    Finding,
    about_this_lean,
    how_telling,
    is_gibberish,
    is_guess,
    read_outcome,
)
from verifiers.lean.line_process import OutOfMemory, ProcessError, Timeout
from verifiers.lean.native.engine import NativeEngine
from verifiers.lean.native.project import check_folder, toolchain_of
from verifiers.lean.native.sandboxed_tools import RoomError
from verifiers.lean.native.settings import NativeSettings, ProjectError
from verifiers.lean.second_kernel.library import SECOND_LEAN_VERSION, find_library
from verifiers.lean.second_kernel.process import SecondKernel
from verifiers.types import Json, Limits, Problem, Status, Verdict

VERSION = "5"
_MAX_SHARED = 20_000  # verdicts kept for duplicates; sampling repeats itself a lot
_MAX_LIBRARIES = 2  # sets of imports with warm processes at once
_REPLAY_HEARTBEATS = 200_000_000  # small allocations: minutes; the wall clock is the tighter bound
_VACUITY_S = 10.0
_SECOND_KERNEL = ("auto", "off", "required")


class LeanChecker:
    """The `Checker` of Lean problems.

    `policy` False switches the syntax layer off (the audit alone decides; for tests). `num_spares` warm processes wait
    for one to fail, at about 550 MB each. On a machine without any sandbox nothing runs unless `allow_unprotected`.

    `project` is the folder of a built Lake project: problems whose header needs modules that the embedded library has
    not are judged with its Lean; `native` are that engine's settings (NativeSettings).

    `second_kernel`: with "auto" a proof needs the yes of Lean 4.35.0's kernel, too, where the wheel that brings it is
    installed and starts; with "required" everywhere; with "off" the embedded kernel's alone. Raises ProjectError.
    """

    name = "lean"

    def __init__(
        self,
        num_workers: int = 1,
        *,
        policy: bool = True,
        num_spares: int = 1,
        max_heartbeats: int = 200_000,
        wall_s: float = 30.0,
        memory_mb: int = 2500,
        allow_unprotected: bool = False,
        project: str = "",
        native: Mapping[str, Json] | None = None,
        second_kernel: str = "auto",
    ) -> None:
        self.version = f"{VERSION}+lean{LEAN_VERSION}+wasm{PACKAGE_VERSION}r{REVISION}"
        self.check_settings({"project": project, "native": native or {}, "second_kernel": second_kernel})
        library = "switched off" if second_kernel == "off" else find_library()
        if second_kernel == "required" and isinstance(library, str):
            raise ProjectError(f'verify.lean.second_kernel is "required": {library}')
        self._second_kernel = None if isinstance(library, str) else library
        self._needs_second = second_kernel == "required"
        if self._second_kernel:
            self.version += f"+kernel{SECOND_LEAN_VERSION}"
        self._project = check_folder(project) if project else None
        self._native_settings = NativeSettings.read(native or {})
        if self._project:
            self.version += f"+native:{toolchain_of(self._project)}"
        self._native: NativeEngine | None = None
        self.default_limits = Limits(wall_s=wall_s, cpu_s=wall_s * 2, memory_mb=memory_mb)
        self._num_workers = num_workers
        self._num_spares = num_spares
        self._policy = policy
        self._allow_unprotected = allow_unprotected
        self._max_heartbeats = max_heartbeats
        self._prepared: Prepared | None = None
        self._pools: OrderedDict[tuple[str, ...], Pool] = OrderedDict()
        self._lock = threading.Lock()
        self._shared: OrderedDict[bytes, concurrent.futures.Future[Finding]] = OrderedDict()
        self._vacuous: OrderedDict[Reference, bool] = OrderedDict()
        self._closed = False

    @staticmethod
    def check_settings(settings: Mapping[str, Json]) -> None:
        """Raises ProjectError for a project or native settings that cannot be used. Starts nothing."""
        project, native = settings.get("project", ""), settings.get("native", {})
        if not isinstance(project, str) or not isinstance(native, Mapping):
            raise ProjectError("verify.lean: `project` is a path, `native` a table")
        if settings.get("second_kernel", "auto") not in _SECOND_KERNEL:
            raise ProjectError(f"verify.lean.second_kernel is one of {', '.join(_SECOND_KERNEL)}")
        NativeSettings.read(native)
        if project:
            check_folder(project)
        elif native:
            raise ProjectError("verify.lean.native is set and verify.lean.project is not: give the project's folder")

    # The Checker protocol

    def warm(self) -> None:
        """Starts Lean on its core library. Does nothing beside a project, whose problems may never ask for it."""
        if self._project is None:
            with contextlib.suppress(SetupError, EngineError):
                self._pool(()).warm()

    def check_problem(self, problem: Problem) -> str | None:
        reference = read_reference(dict(problem.reference))
        if isinstance(reference, str):
            return reference
        try:
            if self._goes_native(reference):
                engine = self._native_engine()
                return None if engine.missing_modules(reference) else engine.check_problem(reference)
            if self._missing_modules(reference):
                return None  # a good problem, for a checker that has its library
            return self._pool(reference.imports).state(reference).error or None
        except (SetupError, EngineError, ProcessError, ProjectError, RoomError) as error:
            return f"could not be checked: {error}"

    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        limits = limits or self.default_limits
        started = time.monotonic()
        finding, shared = self._shared_finding(problem, text, limits, finish_reason)
        evidence = {**finding.evidence, **({"shared": True} if shared else {})}
        return Verdict(
            status=finding.status,
            reason=finish_reasons.name_unknown(finding.reason, finish_reason),
            evidence=evidence,
            checker=self.name,
            checker_version=self.version,
            seconds=time.monotonic() - started,
            limits=limits,
        )

    def close(self) -> None:
        with self._lock:
            self._closed = True
            pools = list(self._pools.values())
            self._pools.clear()
            native, self._native = self._native, None
        for pool in pools:
            pool.close()
        if native:
            native.close()

    def open_tactics(self, problem: Problem, step_s: float = 10.0) -> EmbeddedTactics:
        """The problem, tactic by tactic; `step_s` bounds one step. Raises EngineError, SetupError, and ValueError for
        a problem that the embedded engine cannot state.
        """
        reference = read_reference(dict(problem.reference))
        if isinstance(reference, str):
            raise ValueError(reference)
        if missing := self._missing_modules(reference):
            raise ValueError(f"needs {missing[0].split('.')[0]}: the embedded engine has the core library only")
        return EmbeddedTactics(self._pool(reference.imports), reference, policy=self._policy, wall_s=step_s)

    # Duplicates

    def _shared_finding(
        self, problem: Problem, text: str, limits: Limits, finish_reason: str | None
    ) -> tuple[Finding, bool]:
        """The finding, and whether it is another sample's: equal texts for one problem are checked once."""
        if len(text) > limits.text_chars:
            return Finding(Status.MALFORMED, "text too long", {}), False
        key = _digest(problem, text, limits, finish_reason)
        with self._lock:
            future = self._shared.get(key)
            mine = future is None
            if future is None:
                future = self._shared[key] = concurrent.futures.Future()
                if len(self._shared) > _MAX_SHARED:
                    self._shared.popitem(last=False)
            else:
                self._shared.move_to_end(key)
        if not mine:
            return future.result(), True
        try:
            finding = self._find(problem, text, limits, finish_reason)
        except BaseException as error:
            finding = Finding(Status.ERROR, "internal error", {"detail": f"{type(error).__name__}: {error}"[:500]})
            if not isinstance(error, Exception):
                future.set_result(finding)
                raise
        if finding.status in (Status.ERROR, Status.UNDECIDED):
            with self._lock:  # the next one may have more luck
                self._shared.pop(key, None)
        future.set_result(finding)
        return finding, False

    # The check

    def _find(self, problem: Problem, text: str, limits: Limits, finish_reason: str | None) -> Finding:
        reference = read_reference(dict(problem.reference))
        if isinstance(reference, str):
            return Finding(Status.UNDECIDED, "unusable problem", {"detail": reference})
        try:
            if self._goes_native(reference):
                return self._find_natively(reference, text, limits, finish_reason)
            missing = self._missing_modules(reference)
            if missing:
                library = missing[0].split(".")[0]
                return Finding(
                    Status.UNDECIDED, f"needs {library}: configure a native Lean project", {"imports": missing[:20]}
                )
            sources = assemble(reference, text, self._max_heartbeats, finish_reason)
            if isinstance(sources, Unreadable):
                return Finding(Status.REFUTED if sources.refused else Status.MALFORMED, sources.reason, {})
            pool = self._pool(reference.imports)
            stated = pool.state(reference)
            if stated.error:
                return Finding(Status.UNDECIDED, "unusable problem", {"detail": stated.error})
            return self._judge(sources, lambda source: self._try(pool, reference, source, limits))
        except Timeout:
            return Finding(Status.UNDECIDED, "timeout", {"detail": "the problem's own statement took too long"})
        except (SetupError, EngineError, ProjectError, RoomError) as error:
            return Finding(Status.ERROR, "no Lean", {"detail": str(error)[:MAX_EVIDENCE_CHARS]})
        except ProcessError as error:
            return Finding(Status.ERROR, "Lean died", {"detail": str(error)[:MAX_EVIDENCE_CHARS]})

    def _find_natively(self, reference: Reference, text: str, limits: Limits, finish_reason: str | None) -> Finding:
        engine = self._native_engine()
        if missing := engine.missing_modules(reference):
            library = missing[0].split(".")[0]
            return Finding(
                Status.UNDECIDED, f"needs {library}: not built in the native project", {"imports": missing[:20]}
            )
        sources = assemble(reference, text, self._native_settings.max_heartbeats, finish_reason)
        if isinstance(sources, Unreadable):
            return Finding(Status.REFUTED if sources.refused else Status.MALFORMED, sources.reason, {})
        if limits == self.default_limits:  # none were asked for, and the embedded engine's do not fit
            limits = dataclasses.replace(engine.default_limits, text_chars=limits.text_chars)

        return self._judge(sources, lambda source: engine.check(reference, source, limits))

    def _judge(self, sources: list[Source], check: Callable[[Source], Finding]) -> Finding:
        """The first reading that is verified, else the finding of the first one."""
        findings = []
        for source in sources:
            finding = check(source)
            if finding.status is Status.VERIFIED:
                return finding
            findings.append(finding)
            if finding.status in (Status.UNDECIDED, Status.ERROR):
                break
        if len(findings) > 1 and is_guess(sources[0]) and all(map(is_gibberish, findings)):
            return Finding(Status.MALFORMED, "not Lean", findings[0].evidence)
        return max(findings, key=how_telling)

    def _try(self, pool: Pool, reference: Reference, source: Source, limits: Limits) -> Finding:
        for attempt in (1, 2):
            try:
                outcome = pool.check(reference, pool.state(reference), source, self._policy, limits.wall_s)
                break
            except Timeout:
                return Finding(Status.UNDECIDED, "timeout", {"form": source.form, "wall_s": limits.wall_s})
            except OutOfMemory:
                return Finding(Status.UNDECIDED, "memory limit", {"form": source.form})
            except ProcessError as error:
                if attempt == 2:
                    detail = str(error)[:500]
                    return Finding(Status.UNDECIDED, "Lean crashed twice", {"form": source.form, "detail": detail})
        evidence: dict[str, Json] = {
            "form": source.form,
            "engine": "embedded",
            "toolchain": pool.lean_version,
            "tier": pool.tier,
            "audit": "kernel replay",
            "elaboration_s": round(outcome.elaboration_s, 4),
            "audit_s": round(outcome.audit_s, 4),
        }
        if outcome.second_kernel_s:
            evidence["second_kernel_s"] = round(outcome.second_kernel_s, 4)
        finding = about_this_lean(read_outcome(outcome, source, evidence), source)
        if finding.status is Status.VERIFIED and self._is_vacuous(pool, reference):
            evidence["vacuous"] = True
        return finding

    def _is_vacuous(self, pool: Pool, reference: Reference) -> bool:
        with self._lock:
            known = self._vacuous.get(reference)
        if known is None:
            try:
                known = pool.is_vacuous(reference, time.monotonic() + _VACUITY_S)
            except (ProcessError, EngineError):
                known = False  # a remark on the problem; no verdict hangs on it
            with self._lock:
                self._vacuous[reference] = known
                if len(self._vacuous) > _MAX_SHARED:
                    self._vacuous.popitem(last=False)
        return known

    # Processes

    def _library(self) -> Prepared:
        with self._lock:
            if self._prepared is None:
                self._prepared = prepare()
            return self._prepared

    def _goes_native(self, reference: Reference) -> bool:
        if self._project is None:
            return False
        try:
            return self._native_settings.everything or bool(self._missing_modules(reference))
        except SetupError:
            return True  # there is no embedded Lean here, and a project that may do without

    def _native_engine(self) -> NativeEngine:
        """Opened with its first problem. Raises ProjectError or RoomError."""
        assert self._project is not None
        with self._lock:
            if self._closed:
                raise EngineError("the Lean checker is closed")
            if self._native is None:
                self._native = NativeEngine.open(
                    self._project, self._native_settings, num_workers=self._num_workers, policy=self._policy
                )
            return self._native

    def _missing_modules(self, reference: Reference) -> list[str]:
        if "Mathlib" in {m.split(".")[0] for m in reference.imports}:
            return ["Mathlib"]  # known without a library at hand
        if not reference.imports:
            return []
        prepared = self._library()
        return [m for m in reference.imports if not prepared.has_module(m)]

    def _pool(self, imports: tuple[str, ...]) -> Pool:
        prepared = self._library()
        key = tuple(dict.fromkeys(m for m in imports if m != "Init"))
        with self._lock:
            if self._closed:
                raise EngineError("the Lean checker is closed")
            if key in self._pools:
                self._pools.move_to_end(key)
                return self._pools[key]
            settings = Settings(
                prepared=prepared,
                imports=key,
                max_heartbeats=self._max_heartbeats,
                replay_heartbeats=_REPLAY_HEARTBEATS,
                memory_mb=self.default_limits.memory_mb,
                allow_unprotected=self._allow_unprotected,
            )
            second = None
            if self._second_kernel:
                second = SecondKernel(self._second_kernel, allow_unprotected=self._allow_unprotected)
            pool = self._pools[key] = Pool(settings, self._num_workers, self._num_spares, second, self._needs_second)
            old = self._pools.popitem(last=False)[1] if len(self._pools) > _MAX_LIBRARIES else None
        if old:
            old.close()
        return pool


def _digest(problem: Problem, text: str, limits: Limits, finish_reason: str | None) -> bytes:
    finish = finish_reasons.map_finish_reason(finish_reason)
    reference = problem.reference
    parts = [str(reference.get(k, "")) for k in ("header", "statement", "name")] + [
        repr(limits),
        finish.name if finish.cut else "",
        text,
    ]
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()
