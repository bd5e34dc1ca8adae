"""The programs that can audit a proof, found and named: what `proofmill doctor` shows and the engine chooses from.

Facts, read in the tools' sources (versions are Lean's):
- `leanchecker MODULE` is part of the toolchain from 4.28.0; before, the same program was built from lean4checker.
  It replays one module's declarations through the kernel, on top of the module's imports. Exit code 0 or 1.
- `leanexport MODULE -- NAMES` is part of the toolchain from 4.35.0 (lean4 PR 14885); before, it was built from
  lean4export. It writes declarations and all they depend on as lines of JSON to standard output.
- comparator is part of Lake from 4.35.0: added as `lake challenge` (PR 14885, bubblewrap since PR 15005), renamed to
  `lake comparator` before a release had it (PR 15146), judging ready exports since PR 15157
  (`--challenge-from-export`, `--solution-from-export`). Exit codes: 0 accepted, 1 rejected, 2 could not start.
- `safe_verify REFERENCE.olean CANDIDATE.olean` of SafeVerify compares two compiled files, for one Lean version a build.
"""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

from verifiers.lean.native.project import TOOLCHAIN, HostCommand, Project, run_on_host
from verifiers.lean.native.settings import NativeSettings, ProjectError


@dataclasses.dataclass(frozen=True, slots=True)
class Tools:
    """Absolute paths, or None for what is not there."""

    comparator: Path | None = None
    """The `lake` whose `comparator` judges exports."""
    exporter: Path | None = None
    """`leanexport` or `lean4export`."""
    checker: Path | None = None
    """`leanchecker` or `lean4checker`."""
    safe_verify: Path | None = None
    repl: Path | None = None
    notes: tuple[str, ...] = ()
    prefix: Path | None = None
    """The toolchain's folder."""

    def inside(self, program: Path) -> tuple[str, dict[str, Path]]:
        """Where a room has the program, and what has to be put there for it. A toolchain's own finds its libraries
        beside itself, so it stays where it is."""
        if self.prefix and program.is_relative_to(self.prefix):
            return f"{TOOLCHAIN}/{program.relative_to(self.prefix)}", {}
        place = f"/lean/tools/{program.name}"
        return place, {place: program}

    def audits(self) -> list[str]:
        """Names of the audits these tools allow, strongest first."""
        found = []
        if self.comparator and self.exporter:
            found.append("comparator")
        if self.safe_verify:
            found.append("safeverify")
        if self.checker and self.exporter:
            found.append("leanchecker")
        return found

    def choose(self, settings: NativeSettings) -> str:
        """The audit to use, or empty if there is none. Raises ProjectError if a named one is not there."""
        audits = self.audits()
        if settings.audit == "auto":
            return audits[0] if audits else ""
        if settings.audit not in audits:
            here = ", ".join(audits) or "none"
            raise ProjectError(
                f"verify.lean.native.audit = {settings.audit!r}: its tools were not found (there are: {here}); "
                "`proofmill doctor` with this config lists what is missing"
            )
        return settings.audit


def find_tools(project: Project, settings: NativeSettings, command: HostCommand | None = None) -> Tools:
    """Looks in the settings, the toolchain, the project's packages and on PATH, in this order."""
    command = command or run_on_host
    notes = []
    lake = project.prefix / "bin" / "lake"
    comparator = None
    shown = _help(command, lake, "comparator", project)
    if "--solution-from-export" in shown and "--challenge-from-export" in shown:
        comparator = lake
    elif shown and project.version.number >= (4, 35, 0) and (project.prefix / "bin" / "leanexport").is_file():
        comparator = lake  # should it lack the options after all, it fails to start and accepts nothing
    elif "comparator" in _help(command, lake, "challenge", project):
        notes.append("`lake challenge` of this toolchain cannot judge exports: not used; take Lean 4.35.0 or later")
    exporter = _find(project, settings.lean4export, "leanexport", "lean4export", "lean4export")
    checker = _find(project, settings.lean4checker, "leanchecker", "lean4checker", "lean4checker")
    safe_verify = _find(project, settings.safe_verify, "", "safe_verify", "SafeVerify")
    repl = find_repl(project, settings)
    return Tools(comparator, exporter, checker, safe_verify, repl, tuple(notes), project.prefix)


def find_repl(project: Project, settings: NativeSettings) -> Path | None:
    """The REPL's program: from the settings, the project's packages, or lean-interact's own cache."""
    built = Path(".lake", "build", "bin", "repl")
    if settings.repl:
        place = Path(settings.repl).expanduser()
        for candidate in (place / built, place):
            if _is_program(candidate):
                return candidate.resolve()
        raise ProjectError(f"verify.lean.native.repl = {settings.repl!r}: has no {built}: run `lake build` there")
    for package in ("REPL", "repl"):
        candidate = project.folder / ".lake" / "packages" / package / built
        if _is_program(candidate):
            return candidate.resolve()
    try:
        from lean_interact.utils import DEFAULT_CACHE_DIR
    except ImportError:
        return None
    pattern = f"*/*/repl_*_lean-toolchain-v{project.version}/{built}"
    found = sorted(path for path in Path(DEFAULT_CACHE_DIR).glob(pattern) if _is_program(path))
    return found[-1].resolve() if found else None


def _find(project: Project, configured: str, bundled: str, name: str, package: str) -> Path | None:
    candidates = []
    if configured:
        candidates.append(Path(configured).expanduser())
    if bundled:
        candidates.append(project.prefix / "bin" / bundled)
    candidates.append(project.folder / ".lake" / "packages" / package / ".lake" / "build" / "bin" / name)
    if on_path := shutil.which(name):
        candidates.append(Path(on_path))
    return next((candidate.resolve() for candidate in candidates if _is_program(candidate)), None)


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _help(command: HostCommand, lake: Path, topic: str, project: Project) -> str:
    if not _is_program(lake):
        return ""
    try:
        done = command([str(lake), "help", topic], project.folder)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
