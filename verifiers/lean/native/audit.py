"""The audit: the only thing that accepts. Each of three ways compares statements, traces axioms and replays the kernel.

    elaborate (a room that the candidate's code may take over) ──.olean, hostile data──► audit ──► yes or no

What each way trusts, besides Lean's kernel and the sandbox:
- `comparator`: a second room maps the .olean and writes terms as text (leanexport); it may be taken over, too, and then
  writes other text, which is judged like any. A third room, which gets nothing but the two texts, runs
  `lake comparator`: statement against reference, axioms, kernel replay. Nothing the candidate touched decides.
- `safeverify` and `leanchecker`, for toolchains without it: the judging process itself maps the candidate's .olean, so
  a file that corrupts its reader could forge the answer. It stands alone in a room, and the verdict's tier says
  `maps the candidate's file`. Older releases of SafeVerify compare less, so that both files are compared here as well.
- `Unaudited`, where no tool is there and the settings accept that: the statement is compared and no kernel asked.

A yes needs exit code 0 and the tool's own words; whatever is neither a clear yes nor a known no is `failed`, an error
of ours, never a verdict on the candidate. No tool's standard output is read for a yes where a candidate's code ran.
"""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Iterable
from pathlib import Path

from verifiers.lean.native.compiled_file import CompiledFile, compare_imports
from verifiers.lean.native.exports import (
    PRIMITIVES,
    STANDARD_AXIOMS,
    Constants,
    Export,
    ExportError,
    Terms,
    axioms_of,
    compare,
)
from verifiers.lean.native.project import TOOLCHAIN
from verifiers.lean.native.sandboxed_tools import Done, Runner, Task
from verifiers.lean.native.tools import Tools

MODULE = "ProofmillProblem"
"""Reference and candidate are compiled under one module name, for private names hold it."""
_MODULES = "/lean/candidate"
_EXPORT_ROOTS = (*STANDARD_AXIOMS, *PRIMITIVES, "String.mk", "optParam", "autoParam", "outParam", "semiOutParam")
_MISSING = re.compile(r"[Cc]onstant ['`]?([^\s'`]+?)['`]? not found")
_DETAIL_CHARS = 500
_TAIL_BYTES = 4096
"""Bytes at the end of SafeVerify's standard output that are read; older releases print every definition there."""
MAX_PYTHON_EXPORT_BYTES = 100 << 20
"""What exports.py is asked to read, in this process; larger ones need the comparator."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stated:
    """A problem's reference, elaborated before any candidate was read."""

    theorem: str
    """Full name."""
    olean: Path
    export: Path | None = None
    roots: tuple[str, ...] = ()
    """What was exported, and will be of the candidate."""


@dataclasses.dataclass(frozen=True, slots=True)
class Judgement:
    """`stage`: `verified`, or where it ended: name, kind, statement, axioms, kernel, resources, unread, failed."""

    stage: str
    detail: str = ""
    axioms: tuple[str, ...] | None = None
    """Known where the way traces them itself."""
    seconds: float = 0.0


class Audit:
    """One way, with its tools. Stateless; `scratch` folders are the caller's."""

    name = ""
    maps_candidate = True
    needs_export = False

    def __init__(self, tools: Tools, runner: Runner, wall_s: float, memory_mb: int) -> None:
        self.tools = tools
        self.runner = runner
        self.wall_s = wall_s
        self.memory_mb = memory_mb

    def judge(self, stated: Stated, olean: Path, scratch: Path) -> Judgement:
        """Raises RoomError."""
        raise NotImplementedError

    # Shared steps

    def task(self, argv: Iterable[str], **more: object) -> Task:
        return Task(argv=tuple(argv), wall_s=self.wall_s, memory_mb=self.memory_mb, **more)  # type: ignore[arg-type]

    def run(self, task: Task) -> Done:
        """A second try in a fresh process after a crash."""
        done = self.runner.run(task)
        return self.runner.run(task) if done.crashed else done

    def export(self, theorem: str, roots: Iterable[str], olean: Path, out: Path) -> Done:
        """Terms of a compiled file as text. The room maps the file, so what it writes is the candidate's word."""
        assert self.tools.exporter is not None
        program, files = self.tools.inside(self.tools.exporter)
        argv = [program, MODULE, "--", theorem, *roots]
        files = {**files, f"{_MODULES}/{MODULE}.olean": olean}
        return self.run(self.task(argv, files=files, modules=(_MODULES,), stdout_to=out))

    def export_reference(self, theorem: str, olean: Path, out: Path) -> tuple[str, ...] | str:
        """The roots that this version has, or what went wrong. The reference is trusted."""
        roots = list(_EXPORT_ROOTS)
        while True:
            done = self.export(theorem, roots, olean, out)
            if done.code == 0:
                return tuple(roots)
            missing = _MISSING.search(done.text())
            if missing is None or missing.group(1) not in roots:
                return f"the reference could not be exported: {done.text()[-_DETAIL_CHARS:] or _ending(done)}"
            roots.remove(missing.group(1))

    def export_candidate(self, stated: Stated, olean: Path, out: Path) -> Judgement | None:
        """None if there is an export to judge."""
        done = self.export(stated.theorem, stated.roots, olean, out)
        if done.code == 0:
            return None
        missing = _MISSING.search(done.text())
        if missing and missing.group(1) == stated.theorem:
            return Judgement("name", f"{stated.theorem} is not in the compiled file", seconds=done.seconds)
        return _unfinished(done, "export") or Judgement("failed", _said(done, "export"), seconds=done.seconds)


class Comparator(Audit):
    """`lake comparator` over two exports. Needs Lean 4.35.0."""

    name = "lake comparator"
    maps_candidate = False
    needs_export = True

    def judge(self, stated: Stated, olean: Path, scratch: Path) -> Judgement:
        assert stated.export is not None
        out = scratch / "solution.ndjson"
        if ended := self.export_candidate(stated, olean, out):
            return ended
        config = scratch / "comparator.json"
        config.write_text(
            json.dumps(
                {
                    "challenge_module": MODULE,
                    "solution_module": MODULE,
                    "theorem_names": [stated.theorem],
                    "permitted_axioms": list(STANDARD_AXIOMS),
                }
            )
        )
        # Its own sandbox is bubblewrap, which cannot nest in ours; what it would shut in, building, is not done here.
        argv = [
            *(f"{TOOLCHAIN}/bin/lake", "comparator", "--config", "/lean/judge/comparator.json"),
            *("--challenge-from-export", "/lean/judge/challenge.ndjson"),
            *("--solution-from-export", "/lean/judge/solution.ndjson", "--inadvisably-no-sandbox"),
        ]
        files = {
            "/lean/judge/comparator.json": config,
            "/lean/judge/challenge.ndjson": stated.export,
            "/lean/judge/solution.ndjson": out,
        }
        done = self.run(self.task(argv, files=files))
        return read_comparator(done)


def read_comparator(done: Done) -> Judgement:
    """Exit codes: 0 accepted, 1 rejected, 2 could not start. The words are Lake/Check's."""
    text = done.text()
    if ended := _unfinished(done, "comparator"):
        return ended
    if done.code == 0:
        if "Your solution is okay!" in done.stdout.decode(errors="replace").splitlines():
            return Judgement("verified", seconds=done.seconds)
        return Judgement("failed", f"comparator ended with 0 without its verdict: {text[-_DETAIL_CHARS:]}")
    if done.code == 1:
        for stage, words in _COMPARATOR_WORDS:
            if found := re.search(words, text):
                axioms = (found.group(1),) if stage == "axioms" else None
                return Judgement(stage, _line_of(found), axioms, done.seconds)
    return Judgement("failed", _said(done, "comparator"), seconds=done.seconds)


def _line_of(found: re.Match[str]) -> str:
    """The whole line in which a match begins, cut."""
    text = found.string
    return text[text.rfind("\n", 0, found.start()) + 1 :].split("\n", 1)[0][:_DETAIL_CHARS]


_COMPARATOR_WORDS = (
    ("name", r"Const not found in solution: '"),
    ("kind", r"constant kind don't match: '"),
    ("kind", r"Solution constant is not a theorem: '"),
    ("statement", r"theorem statement do not match: '"),
    ("statement", r"Const does not match between challenge and target '"),
    ("statement", r"Const not found in (?:challenge|solution) '"),
    ("axioms", r"Illegal axiom detected: '([^']*)'"),
    ("kernel", r"kernel reject(?:s|ed) the solution|Quotient post-check rejects"),
)


class SafeVerify(Audit):
    """`safe_verify` over two compiled files."""

    name = "SafeVerify"

    def judge(self, stated: Stated, olean: Path, scratch: Path) -> Judgement:
        assert self.tools.safe_verify is not None
        program, files = self.tools.inside(self.tools.safe_verify)
        argv = (program, "/lean/judge/reference.olean", "/lean/judge/candidate.olean")
        files = {
            **files,
            "/lean/judge/reference.olean": stated.olean,
            "/lean/judge/candidate.olean": olean,
        }
        said = scratch / "safe_verify.out"
        done = self.run(self.task(argv, files=files, stdout_to=said))
        with said.open("rb") as file:
            file.seek(max(0, said.stat().st_size - _TAIL_BYTES))
            done = dataclasses.replace(done, stdout=file.read())
        found = read_safe_verify(done)
        if found.stage != "verified" or _says(done.stderr, _SAFE_VERIFY_YES):
            return found
        compared = judge_compiled(stated.olean, olean, stated.theorem)
        return dataclasses.replace(compared, axioms=found.axioms, seconds=done.seconds)


_SAFE_VERIFY_YES = "SafeVerify check passed."
_OLDER_SAFE_VERIFY_YES = ("Finished with no errors.", "Finished.")
"""Last lines of releases for Lean 4.9 to 4.21, and of those to 4.27.0. They compare no inductive types, or end with 0
although they found something."""


def read_safe_verify(done: Done) -> Judgement:
    """A yes is exit code 0 and `SafeVerify check passed.` on standard error; of older releases, their last line on
    standard output and no problem named on standard error. A no is a line for each declaration that fails, or the
    exception that ended it.
    """
    if ended := _unfinished(done, "SafeVerify"):
        return ended
    said = done.stderr.decode(errors="replace")
    problem = re.search(r"[Ff]ound a problem in|used disallowed axioms", said)
    if done.code == 0 and not problem:
        last = done.stdout.decode(errors="replace").rstrip().rpartition("\n")[2]
        if _says(done.stderr, _SAFE_VERIFY_YES) or last in _OLDER_SAFE_VERIFY_YES:
            return Judgement("verified", seconds=done.seconds)
        return Judgement("failed", f"SafeVerify ended with 0 without its verdict: {done.text()[-_DETAIL_CHARS:]}")
    # Axioms first: an unfinished proof fails its declaration's check, too.
    for stage, words in _SAFE_VERIFY_WORDS:
        if found := re.search(words, said):
            axioms = None
            if stage == "axioms" and found.lastindex:
                foreign = (name.strip() for name in found.group(1).split(","))
                axioms = tuple(name for name in foreign if name and name not in STANDARD_AXIOMS)
            return Judgement(stage, _line_of(found), axioms, done.seconds)
    return Judgement("failed", _said(done, "SafeVerify"), seconds=done.seconds)


def _says(stream: bytes, line: str) -> bool:
    return line in stream.decode(errors="replace").splitlines()


_SAFE_VERIFY_WORDS = (
    ("axioms", r"used disallowed axioms\. #?\[([^\]]*)\]"),
    ("axioms", r"uncaught exception: (.*) is not in the allowed set of standard axioms"),
    ("name", r"declaration not found in submission|uncaught exception: .* not found in submission"),
    ("kind", r"kind mismatch \(expected|is not the same kind as the requirement"),
    ("statement", r"theorem type mismatch|(?:definition|opaque) type or value mismatch|inductive type mismatch"),
    ("statement", r"does not have the same type as the requirement|does not match the requirement"),
    ("statement", r"constructor mismatch|missing \d+ transitive imports|has no imports"),
    ("axioms", r"uses disallowed axioms"),
    ("kernel", r"kernel verification failed|\(kernel\)|unsafe constant|suspicious Nat literal|unsafe/partial function"),
)
"""What refuses, by words on standard error. On standard output older releases print the candidate's own names."""


class Leanchecker(Audit):
    """Exported terms compared and traced here (exports.py), and the module replayed by leanchecker."""

    name = "exported terms and leanchecker"
    needs_export = True

    def judge(self, stated: Stated, olean: Path, scratch: Path) -> Judgement:
        assert stated.export is not None and self.tools.checker is not None
        began = time.monotonic()
        out = scratch / "solution.ndjson"
        if ended := self.export_candidate(stated, olean, out):
            return ended
        found = judge_terms(stated.export, out, stated.theorem)
        if found.stage != "verified":
            return dataclasses.replace(found, seconds=time.monotonic() - began)
        program, files = self.tools.inside(self.tools.checker)
        files = {**files, f"{_MODULES}/{MODULE}.olean": olean}
        argv = (program, "-v", MODULE)
        done = self.run(self.task(argv, files=files, modules=(_MODULES,)))
        return dataclasses.replace(read_leanchecker(done), axioms=found.axioms, seconds=time.monotonic() - began)


class Unaudited(Audit):
    """The statement and the axioms that the file itself names, compared here. No kernel looks at the proof again."""

    name = "none"
    maps_candidate = False

    def judge(self, stated: Stated, olean: Path, scratch: Path) -> Judgement:
        return judge_compiled(stated.olean, olean, stated.theorem)


def judge_terms(reference: Path, candidate: Path, theorem: str) -> Judgement:
    """Statement and axioms of an export, without the kernel."""
    if max(reference.stat().st_size, candidate.stat().st_size) > MAX_PYTHON_EXPORT_BYTES:
        return Judgement("resources", f"an export of more than {MAX_PYTHON_EXPORT_BYTES >> 20} MB")
    terms = Terms()
    try:
        wanted = Export.read(reference, terms)
    except ExportError as error:
        return Judgement("failed", f"the reference's export: {error}")
    try:
        return _judge_constants(wanted, Export.read(candidate, terms), theorem)
    except ExportError as error:
        # The exporter wrote it from a file of the candidate's making: not finished, not readable, not a proof.
        return Judgement("kernel", f"the export is not whole: {error}"[:_DETAIL_CHARS])


def judge_compiled(reference: Path, candidate: Path, theorem: str) -> Judgement:
    """Statement, imports and axioms of a compiled file, without the kernel and without any tool."""
    terms = Terms()
    try:
        wanted, found = CompiledFile.read(reference, terms), CompiledFile.read(candidate, terms)
        if difference := compare_imports(wanted, found):
            return Judgement("statement", difference)
        return _judge_constants(wanted, found, theorem)
    except ExportError as error:
        return Judgement("unread", f"the compiled files cannot be compared: {error}"[:_DETAIL_CHARS])


def _judge_constants(wanted: Constants, found: Constants, theorem: str) -> Judgement:
    """Raises ExportError if something below the theorem is missing."""
    name = theorem.replace("«", "").replace("»", "")
    if difference := compare(wanted, found, name):
        return Judgement(difference.stage, difference.detail)
    axioms = tuple(axioms_of(found, name))
    foreign = [axiom for axiom in axioms if axiom not in STANDARD_AXIOMS]
    return Judgement("axioms" if foreign else "verified", axioms=axioms)


def read_leanchecker(done: Done) -> Judgement:
    """Exit code 0, and with -v the line `replaying MODULE`: an empty search would end with 0 as well."""
    if ended := _unfinished(done, "leanchecker"):
        return ended
    text = done.text()
    if done.code == 0:
        if f"replaying {MODULE}" in done.stdout.decode(errors="replace").splitlines():
            return Judgement("verified", seconds=done.seconds)
        return Judgement("failed", f"leanchecker ended with 0 without replaying: {text[-_DETAIL_CHARS:]}")
    if re.search(rf"(?:leanchecker|lean4checker) found a problem in {MODULE}", text) and "(kernel)" in text:
        return Judgement("kernel", text[: 2 * _DETAIL_CHARS], seconds=done.seconds)
    return Judgement("failed", _said(done, "leanchecker"), seconds=done.seconds)


WAYS: dict[str, type[Audit]] = {"comparator": Comparator, "safeverify": SafeVerify, "leanchecker": Leanchecker}


def _unfinished(done: Done, what: str) -> Judgement | None:
    if done.timed_out:
        return Judgement("resources", f"{what}: wall clock", seconds=done.seconds)
    if done.out_of_memory:
        return Judgement("resources", f"{what}: memory limit", seconds=done.seconds)
    if done.overflowed:
        return Judgement("resources", f"{what}: output limit", seconds=done.seconds)
    if done.code is None:
        return Judgement("resources", f"{what}: crashed twice: {done.text()[-200:]}", seconds=done.seconds)
    return None


def _said(done: Done, what: str) -> str:
    return f"{what} {_ending(done)}: {done.text()[-_DETAIL_CHARS:]}"


def _ending(done: Done) -> str:
    return "was killed" if done.code is None else f"ended with {done.code}"
