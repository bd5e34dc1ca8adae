"""A Lake project and the toolchain it pins: found, checked and described before any candidate exists.

Promises: `check_folder` starts nothing; `Project.open` runs `lake env` and `lean --version` of the project as the user
would (the lakefile is the user's own code) and never writes to the project. Paths in a Project are resolved and
absolute, so a toolchain that is updated meanwhile is not picked up half-way. Does not: build anything. Fails: with
ProjectError, whose text says what to do.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from verifiers.lean.native.settings import NativeSettings, ProjectError

OLDEST_TRUSTED = (4, 34, 1)
"""Older Lean kernels accept proofs of False that are known (fixed in 4.32.1, 4.32.2, 4.33.1, 4.34.0 and 4.34.1)."""
TOOLCHAIN = "/lean/toolchain"
"""Where a room has the toolchain's folder."""
COMMAND_TIMEOUT_S = 120.0  # `lake env` elaborates the lakefile; the first time after a change it takes a while

HostCommand = Callable[[Sequence[str], Path], "subprocess.CompletedProcess[str]"]


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """A Lean version. A pre-release comes before its release."""

    number: tuple[int, int, int]
    suffix: str = ""

    @classmethod
    def parse(cls, text: str) -> Version | None:
        found = re.search(r"(?<![\d.])v?(\d+)\.(\d+)\.(\d+)(?:-([\w.-]+))?", text)
        if not found:
            return None
        major, minor, patch, suffix = found.groups()
        return cls((int(major), int(minor), int(patch)), suffix or "")

    @property
    def trusted(self) -> bool:
        """Whether the kernel has the known fixes."""
        return self.number > OLDEST_TRUSTED or (self.number == OLDEST_TRUSTED and not self.suffix)

    def __str__(self) -> str:
        return ".".join(map(str, self.number)) + (f"-{self.suffix}" if self.suffix else "")


@dataclasses.dataclass(frozen=True, slots=True)
class Project:
    """What is needed to run the project's Lean without Lake."""

    folder: Path
    toolchain: str
    """The line of `lean-toolchain`, for instance `leanprover/lean4:v4.35.0`."""
    version: Version
    commit: str
    prefix: Path
    """The toolchain's folder, with `bin/lean`."""
    search_path: tuple[Path, ...]
    """LEAN_PATH, resolved."""
    mathlib: str = ""
    """Revision that the manifest pins, or empty."""

    @classmethod
    def open(cls, folder: str | Path, settings: NativeSettings, command: HostCommand | None = None) -> Project:
        """Raises ProjectError."""
        command = command or run_on_host
        place = check_folder(folder)
        lake = settings.lake or shutil.which("lake")
        if not lake:
            raise ProjectError("verify.lean.project: `lake` was not found on PATH: install elan, or set native.lake")
        environment = _environment(_output(command, [str(lake), "env"], place))
        root = environment.get("LEAN_SYSROOT") or _output(command, [str(lake), "env", "lean", "--print-prefix"], place)
        prefix = Path(root.strip())
        lean = prefix / "bin" / "lean"
        if not prefix.is_absolute() or not lean.is_file():
            raise ProjectError(f"verify.lean.project: {place}: no Lean at {lean}: run `lake build` there once")
        shown = _output(command, [str(lean), "--version"], place)
        version = Version.parse(shown)
        if version is None:
            raise ProjectError(f"verify.lean.project: {place}: `lean --version` said {shown.strip()[:200]!r}")
        found = re.search(r"commit ([0-9a-f]{7,40})", shown)
        entries = [place / part for part in environment.get("LEAN_PATH", "").split(":") if part]
        return cls(
            folder=place,
            toolchain=toolchain_of(place),
            version=version,
            commit=found.group(1) if found else "",
            prefix=prefix.resolve(),
            search_path=tuple(dict.fromkeys(entry.resolve() for entry in entries if entry.is_dir())),
            mathlib=mathlib_revision(place),
        )

    def has_module(self, name: str) -> bool:
        """Whether the module is built, in the project, its packages or the toolchain."""
        parts = name.split(".")
        return any(
            entry.joinpath(*parts).with_suffix(".olean").is_file()
            for entry in (*self.search_path, self.prefix / "lib" / "lean")
        )

    def describe(self) -> str:
        """As recorded in verdicts: the exact version, and its commit where Lean says it."""
        return f"{self.version} ({self.commit[:12]})" if self.commit else str(self.version)


def check_folder(folder: str | Path) -> Path:
    """The project's absolute path. Starts nothing. Raises ProjectError."""
    place = Path(folder).expanduser()
    where = f"verify.lean.project = {str(folder)!r}"
    if not place.is_dir():
        raise ProjectError(f"{where}: no such folder; give the path of a built Lake project")
    place = place.resolve()
    if not (place / "lean-toolchain").is_file():
        raise ProjectError(f"{where}: has no `lean-toolchain`, which pins the Lean version; is it a Lake project?")
    toolchain = toolchain_of(place)
    if not toolchain:
        raise ProjectError(f"{where}: its `lean-toolchain` is empty; write for instance leanprover/lean4:v4.35.0")
    if not any((place / name).is_file() for name in ("lakefile.lean", "lakefile.toml")):
        raise ProjectError(f"{where}: has neither `lakefile.lean` nor `lakefile.toml`; is it a Lake project?")
    return place


def toolchain_of(place: Path) -> str:
    lines = (place / "lean-toolchain").read_text(errors="replace").split("\n")
    return lines[0].strip()[:200]


def mathlib_revision(place: Path) -> str:
    """What `lake-manifest.json` pins, or empty."""
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        manifest = json.loads((place / "lake-manifest.json").read_text())
        for package in manifest["packages"]:
            if package.get("name") == "mathlib":
                return str(package.get("rev", ""))[:40]
    return ""


def run_on_host(argv: Sequence[str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Raises OSError or subprocess.TimeoutExpired."""
    return subprocess.run(
        list(argv),
        cwd=cwd,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=COMMAND_TIMEOUT_S,
        env=dict(os.environ),
        stdin=subprocess.DEVNULL,
    )


def _output(command: HostCommand, argv: Sequence[str], cwd: Path) -> str:
    shown = " ".join(argv)
    try:
        done = command(argv, cwd)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ProjectError(f"verify.lean.project: `{shown}` in {cwd} could not be run: {error}") from error
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip()[-500:]
        raise ProjectError(f"verify.lean.project: `{shown}` in {cwd} failed ({done.returncode}): {said}")
    return done.stdout


def _environment(text: str) -> dict[str, str]:
    """What `lake env` without a command prints: NAME=value a line."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, found, value in pairs if found}
