"""The native engine: a Lake project's own Lean and Mathlib, for problems the embedded engine has no library for.

    text ─► policy ─► warm REPL (may only reject) ─► elaborate to .olean in a sandbox ─► audit (audit.py) ─► verdict
    problem ─ header + statement := sorry ─► elaborate first, alone ────────────────────────┘

Promises: `verified` only from the audit, which compares with a reference that was elaborated before the candidate was
read. Without an audit tool nothing is accepted, unless `accept_unaudited` is set: then the statement is compared all
the same, and every verdict's tier says `unaudited`. A crash costs one retry in a fresh process; limits end as
`undecided`. Each verdict carries the exact version.
Does not: install or build anything. It has been exercised with the real `lean` on a small core library, and with
recorded exchanges and a fake toolchain beyond: see docs/lean.md.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import logging
import re
import shutil
import tempfile
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from verifiers.lean.assembly import Reference, Source, mask, with_capped_heartbeats
from verifiers.lean.findings import MAX_EVIDENCE_CHARS, Finding
from verifiers.lean.native.audit import MODULE, WAYS, Audit, Judgement, Stated, Unaudited
from verifiers.lean.native.exports import STANDARD_AXIOMS
from verifiers.lean.native.policy import refusal
from verifiers.lean.native.project import OLDEST_TRUSTED, TOOLCHAIN, Project
from verifiers.lean.native.repl import Rejection, Timeout, WarmPass
from verifiers.lean.native.sandboxed_tools import Done, RoomRunner, Runner, Task
from verifiers.lean.native.settings import NativeSettings
from verifiers.lean.native.tools import Tools, find_tools
from verifiers.sandbox.cgroups import memory_limit
from verifiers.types import Json, Limits, Status

log = logging.getLogger("proofmill.lean")

MAX_REFERENCES = 128
"""Elaborated statements kept, each with its export on disk (up to some hundred megabytes over Mathlib)."""
_OLEAN = f"/tmp/{MODULE}.olean"
_RESOURCE_MARKS = ("(deterministic) timeout", "maximum number of heartbeats")
_NO_PROOF = "_root_.sorryAx _ _root_.Bool.false"
"""What `sorry` stands for, in words that no header can give another meaning."""
_AXIOMS_LINE = re.compile(r"['`](.+?)['`] (?:depends on axioms: \[(.*)\]|does not depend on any axioms)", re.S)


class Warm(Protocol):
    """What the engine needs of a first pass; warm.WarmPass is the real one."""

    def examine(self, header: str, code: str, wall_s: float) -> Rejection | None: ...

    def close(self) -> None: ...


class NativeEngine:
    """One project, opened. Thread-safe."""

    def __init__(
        self,
        project: Project,
        tools: Tools,
        settings: NativeSettings,
        *,
        num_workers: int = 1,
        policy: bool = True,
        runner: Runner | None = None,
        warm: Warm | None = None,
    ) -> None:
        """Raises ProjectError or RoomError."""
        self.project = project
        self.settings = settings
        self.default_limits = Limits(settings.wall_s, settings.wall_s * 4, settings.memory_mb)
        self._policy = policy
        num_workers = self.num_workers = bounded_workers(num_workers, settings, tools.repl is not None)
        self._scratch = Path(tempfile.mkdtemp(prefix="proofmill-lean-"))
        self._scratch.chmod(0o755)
        try:
            real = None
            if runner is None:
                runner = real = RoomRunner(project, self._scratch)
            self._runner = runner
            way = tools.choose(settings)
            kind = WAYS[way] if way else Unaudited if settings.accept_unaudited else None
            self._audit: Audit | None = kind(tools, runner, settings.audit_wall_s, settings.memory_mb) if kind else None
            if warm is None and real is not None and tools.repl is not None:
                with contextlib.suppress(ImportError):
                    warm = WarmPass(
                        real,
                        *tools.inside(tools.repl),
                        num_workers,
                        settings.memory_mb,
                        settings.max_requests,
                        settings.max_heartbeats,
                    )
        except BaseException:
            shutil.rmtree(self._scratch, ignore_errors=True)
            raise
        self._warm = warm
        self._free = threading.Semaphore(num_workers)
        self._stated: OrderedDict[Reference, concurrent.futures.Future[Stated | str]] = OrderedDict()
        self._in_use: Counter[Reference] = Counter()
        self._lock = threading.Lock()
        self._number = 0
        if not project.version.trusted:
            log.warning("%s", old_toolchain(project))

    @classmethod
    def open(
        cls, folder: str | Path, settings: NativeSettings, *, num_workers: int = 1, policy: bool = True
    ) -> NativeEngine:
        """Raises ProjectError or RoomError."""
        project = Project.open(folder, settings)
        return cls(project, find_tools(project, settings), settings, num_workers=num_workers, policy=policy)

    def close(self) -> None:
        if self._warm:
            self._warm.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    # Problems

    def missing_modules(self, reference: Reference) -> list[str]:
        return [name for name in reference.imports if not self.project.has_module(name)]

    def check_problem(self, reference: Reference) -> str | None:
        """None, or what is wrong with it. Raises RoomError."""
        stated = self._state(reference)
        return stated if isinstance(stated, str) else None

    def _state(self, reference: Reference) -> Stated | str:
        """The statement, elaborated once; several statements side by side, each as one of the workers."""
        with self._lock:
            known = self._stated.get(reference)
            mine = known is None
            future = self._stated.setdefault(reference, concurrent.futures.Future())
            self._stated.move_to_end(reference)
        if not mine:
            return future.result()
        try:
            with self._free:
                stated = self._elaborate_reference(reference)
        except BaseException as error:
            self._forget(reference)
            future.set_exception(error)
            raise
        if isinstance(stated, str) and stated.startswith("?"):
            self._forget(reference)  # the machine's fault or a limit: the next one may have more luck
            stated = stated[1:]
        future.set_result(stated)
        self._drop_oldest()
        return stated

    def _forget(self, reference: Reference) -> None:
        with self._lock:
            self._stated.pop(reference, None)

    def _drop_oldest(self) -> None:
        """Drops statements beyond MAX_REFERENCES that are elaborated and that no candidate is compared with."""
        with self._lock:
            done = [r for r, future in self._stated.items() if future.done() and not self._in_use[r]]
            dropped = [self._stated.pop(r).result() for r in done[: max(0, len(self._stated) - MAX_REFERENCES)]]
        for stated in dropped:
            if isinstance(stated, Stated):
                shutil.rmtree(stated.olean.parent, ignore_errors=True)

    def _elaborate_reference(self, reference: Reference) -> Stated | str:
        """A string is what is wrong with the problem, with `?` before it if it may pass."""
        if re.search(r"(?<![\w.'])axiom(?![\w'])", mask(reference.header)):
            return "the header declares an axiom: the native engine allows the three standard ones only"
        folder = self._folder()
        prefix = self._header(reference, reference.header)
        # `#print axioms` says the theorem's full name. Nothing of a candidate has run here, so Lean can be believed.
        text = f"{prefix}{reference.statement} :=\n  {_NO_PROOF}\n#print axioms {reference.name}\n"
        done = self._compile(folder, text, self.settings.audit_wall_s, self.settings.memory_mb)
        messages = read_messages(done, prefix.count("\n"))
        errors = [message for message in messages if message["severity"] == "error"]
        if errors:
            first = errors[0]
            if first["line"] == reference.statement.count("\n") + 3:  # where `#print axioms` stands
                return f"the statement declares no theorem named {reference.name}"
            where = f" (line {first['line']}): {first['text']}"[:500]
            part = "header" if first["line"] < 1 else "statement"
            return f"the {part} does not elaborate{where}"
        olean = done.handed_out.get(_OLEAN)
        if done.code != 0 or olean is None:
            return f"?could not be elaborated: {_ending(done)}: {done.text()[-300:]}"
        shown = next((found for m in messages if (found := _AXIOMS_LINE.search(str(m["text"])))), None)
        if shown is None:
            return f"the statement declares no theorem named {reference.name}"
        axioms = [name.strip() for name in (shown.group(2) or "").split(",")]
        if "sorryAx" not in axioms:
            return f"{reference.name} is not the statement's theorem: it is proved without the sorry in its place"
        path = folder / "reference.olean"
        path.write_bytes(olean)
        path.chmod(0o644)
        stated = Stated(shown.group(1), path)
        if self._audit is None or not self._audit.needs_export:
            return stated
        export = folder / "reference.ndjson"
        roots = self._audit.export_reference(stated.theorem, path, export)
        if isinstance(roots, str):
            return f"?{roots}"
        export.chmod(0o644)
        return dataclasses.replace(stated, export=export, roots=roots)

    # Candidates

    def check(self, reference: Reference, source: Source, limits: Limits) -> Finding:
        """One reading. Raises RoomError."""
        evidence: dict[str, Json] = {
            "form": source.form,
            "engine": "native",
            "toolchain": self.project.describe(),
            "tier": self._runner.tier,
            "limits": {"wall_s": limits.wall_s, "memory_mb": limits.memory_mb},
        }
        if self.project.mathlib:
            evidence["mathlib"] = self.project.mathlib
        if not self.project.version.trusted:
            evidence["toolchain_warning"] = old_toolchain(self.project)
        if self._policy and (reason := refusal(source.code)):
            return Finding(Status.REFUTED, f"policy: {reason}"[:200], evidence)
        with self._using(reference):
            stated = self._state(reference)
            if isinstance(stated, str):
                return Finding(Status.UNDECIDED, "unusable problem", {**evidence, "detail": stated})
            with self._free:
                return self._check(reference, stated, source, limits, evidence)

    @contextlib.contextmanager
    def _using(self, reference: Reference) -> Iterator[None]:
        """Keeps the statement's files for the length of the block."""
        with self._lock:
            self._in_use[reference] += 1
        try:
            yield
        finally:
            with self._lock:
                self._in_use[reference] -= 1
                if not self._in_use[reference]:
                    del self._in_use[reference]

    def _check(
        self, reference: Reference, stated: Stated, source: Source, limits: Limits, evidence: dict[str, Json]
    ) -> Finding:
        began = time.monotonic()
        prefix = self._header(reference, source.header)
        # What the policy would refuse runs in a process of its own only: the warm one serves others, too.
        if self._warm and (self._policy or not refusal(source.code)):
            try:
                rejection = self._warm.examine(prefix, source.code, limits.wall_s)
            except Timeout:
                return Finding(Status.UNDECIDED, "timeout", {**evidence, "wall_s": limits.wall_s})
            if rejection is not None:
                evidence["elaboration_s"] = round(time.monotonic() - began, 4)
                evidence["pass"] = "warm"
                return read_rejection(rejection, source, evidence)
        folder = self._folder()
        try:
            return self._elaborate_and_audit(folder, prefix, stated, source, limits, evidence)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _elaborate_and_audit(
        self, folder: Path, prefix: str, stated: Stated, source: Source, limits: Limits, evidence: dict[str, Json]
    ) -> Finding:
        done = self._compile(folder, prefix + source.code, limits.wall_s, limits.memory_mb)
        evidence["elaboration_s"] = round(done.seconds, 4)
        for hit, reason in (
            (done.timed_out, "timeout"),
            (done.out_of_memory, "memory limit"),
            (done.overflowed, "output limit"),
            (done.code is None, "Lean crashed twice"),
        ):
            if hit:
                return Finding(Status.UNDECIDED, reason, {**evidence, "detail": done.text()[-300:]})
        messages = read_messages(done, prefix.count("\n"))
        if done.code != 0 or any(message["severity"] == "error" for message in messages):
            if not any(message["severity"] == "error" for message in messages):
                evidence["detail"] = done.text()[-500:]
                return Finding(Status.UNDECIDED, f"Lean ended with {done.code} and no error", evidence)
            return read_rejection(Rejection(tuple(messages)), source, evidence)
        data = done.handed_out.get(_OLEAN)
        if data is None:
            return Finding(Status.REFUTED, "no compiled file", evidence)
        if self._audit is None:
            evidence["audit"] = "none"
            evidence["detail"] = "no audit tool for this toolchain: see `proofmill doctor` with this config"
            return Finding(Status.UNDECIDED, "no audit tool", evidence)
        unaudited = isinstance(self._audit, Unaudited)
        if unaudited and any("declaration uses" in str(m["text"]) and "sorry" in str(m["text"]) for m in messages):
            return Finding(Status.REFUTED, "uses sorry", evidence)
        olean = folder / "candidate.olean"
        olean.write_bytes(data)
        olean.chmod(0o644)
        judgement = self._audit.judge(stated, olean, folder)
        evidence["audit"] = self._audit.name
        if unaudited:
            evidence["tier"] = f"unaudited, {self._runner.tier}"
        elif self._audit.maps_candidate:
            evidence["tier"] = f"{self._runner.tier}, audit maps the candidate's file"
        evidence["audit_s"] = round(judgement.seconds, 4)
        finding = read_judgement(judgement, evidence)
        if unaudited and finding.status is Status.VERIFIED:
            del evidence["axioms"]  # those that imported modules rest on are not known
        return finding

    def _compile(self, folder: Path, text: str, wall_s: float, memory_mb: int) -> Done:
        """Elaborates a file in a room, once more after a crash. What comes back is the candidate's word."""
        path = folder / f"{MODULE}.lean"
        path.write_text(text, encoding="utf-8", errors="replace")
        path.chmod(0o644)
        task = Task(
            # The working folder is the package root, so the module is called like the file.
            argv=(
                *(f"{TOOLCHAIN}/bin/lean", f"-DmaxHeartbeats={self.settings.max_heartbeats}", "--json"),
                *("-o", _OLEAN, f"{MODULE}.lean"),
            ),
            wall_s=wall_s,
            memory_mb=memory_mb,
            files={f"/lean/work/{MODULE}.lean": path},
            hand_out=(_OLEAN,),
            cwd="/lean/work",
        )
        done = self._runner.run(task)
        return self._runner.run(task) if done.crashed else done

    def _header(self, reference: Reference, header: str) -> str:
        """What precedes the code: the problem's imports, and the header unless the file stands alone."""
        imports = "".join(f"import {name}\n" for name in reference.imports)
        header = with_capped_heartbeats(header, self.settings.max_heartbeats)
        return imports + (f"{header}\n" if header.strip() else "")

    def _folder(self) -> Path:
        with self._lock:
            self._number += 1
            folder = self._scratch / str(self._number)
        folder.mkdir(mode=0o755)
        return folder


def bounded_workers(num_workers: int, settings: NativeSettings, with_repl: bool) -> int:
    """As many as are wanted, as the settings allow and as the machine's memory holds; at least one."""
    each = settings.worker_mb(with_repl)
    most = settings.max_workers or memory_limit() // (each << 20)
    if most < num_workers:
        log.warning("%d of %d Lean workers side by side: each may take %d MB", max(1, most), num_workers, each)
    return max(1, min(num_workers, most))


def old_toolchain(project: Project) -> str:
    oldest = ".".join(map(str, OLDEST_TRUSTED))
    return f"Lean {project.version} is older than {oldest}: its kernel has known bugs that prove False"


def read_messages(done: Done, num_header_lines: int) -> list[dict[str, Json]]:
    """Lines of `lean --json`, positions counted from the code's first line (0 and below: in the header)."""
    messages: list[dict[str, Json]] = []
    for line in done.stdout.splitlines():
        try:
            row = json.loads(line)
            severity, text, place = str(row["severity"]), str(row["data"]), row["pos"]
            position = int(place["line"]) - num_header_lines, int(place["column"])
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue  # a candidate may print what it likes; nothing hangs on what cannot be read
        messages.append({"severity": severity, "line": position[0], "column": position[1], "text": text})
    return messages


def read_rejection(rejection: Rejection, source: Source, evidence: dict[str, Json]) -> Finding:
    """Messages as a finding: the first error with its place in the text, and the goals left."""
    errors = [message for message in rejection.messages if message["severity"] == "error"]
    if not errors:
        return Finding(Status.REFUTED, "uses sorry", {**evidence, "num_sorries": rejection.num_sorries})
    first = errors[0]
    text = str(first["text"])
    evidence["error"] = {
        "line": source.line_in_text(int(first["line"])),
        "column": max(int(first["column"]) - source.indent, 0),
        "message": text[:MAX_EVIDENCE_CHARS],
    }
    evidence["num_errors"] = len(errors)
    is_parse = re.match(r"(?:unexpected|expected|<input>|unterminated|unknown tactic)\b", text) is not None
    evidence["phase"] = "parse" if is_parse else "elaboration"
    if goals := [goal for goal in text.split("\n") if goal.startswith("⊢")]:
        evidence["goals"] = [goal[:500] for goal in goals[:20]]
    if any(mark in str(message["text"]) for message in errors for mark in _RESOURCE_MARKS):
        return Finding(Status.UNDECIDED, "heartbeat limit", evidence)
    return Finding(Status.REFUTED, "syntax error" if is_parse else "Lean error", evidence)


def read_judgement(judgement: Judgement, evidence: dict[str, Json]) -> Finding:
    if judgement.axioms is not None:
        evidence["axioms"] = [axiom[:200] for axiom in judgement.axioms[:50]]
    elif judgement.stage == "verified":
        evidence["axioms_within"] = list(STANDARD_AXIOMS)  # the tool says yes or no, and not which
    if judgement.detail:
        evidence["detail"] = judgement.detail[:500]
    outcomes: dict[str, tuple[Status, str]] = {
        "verified": (Status.VERIFIED, "proved"),
        "name": (Status.MALFORMED, "theorem not found"),
        "kind": (Status.REFUTED, "not a theorem"),
        "statement": (Status.REFUTED, "states something else"),
        "axioms": (Status.REFUTED, "uses other axioms"),
        "kernel": (Status.REFUTED, "kernel rejected"),
        "resources": (Status.UNDECIDED, "audit ran out of resources"),
        "unread": (Status.UNDECIDED, "statement could not be compared"),
    }
    status, reason = outcomes.get(judgement.stage, (Status.ERROR, "audit failed"))
    return Finding(status, reason, evidence)


def _ending(done: Done) -> str:
    if done.timed_out:
        return "wall clock"
    if done.out_of_memory:
        return "memory limit"
    return "was killed" if done.code is None else f"ended with {done.code}"
