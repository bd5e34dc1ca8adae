"""A FAKE Lake project with a fake toolchain, for fake_lean.py."""

from __future__ import annotations

from pathlib import Path

from verifiers.sandbox.room import INTERPRETER

FAKE = Path(__file__).with_name("fake_lean.py")


def make_project(
    place: Path, version: str = "4.35.0", tools: tuple[str, ...] = ("lake", "leanexport", "leanchecker")
) -> Path:
    """The folder of a project whose toolchain has `lean` and `tools`."""
    binaries = place / "toolchain" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "version").write_text(version)
    for name in ("lean", *tools):
        program(binaries / name)
    project = place / "project"
    mathlib = project / ".lake" / "packages" / "mathlib" / ".lake" / "build" / "lib" / "lean"
    mathlib.mkdir(parents=True)
    (mathlib / "Mathlib.olean").write_text("{}")
    (project / ".lake" / "build" / "lib" / "lean").mkdir(parents=True)
    (project / "lean-toolchain").write_text(f"leanprover/lean4:v{version}\n")
    (project / "lakefile.toml").write_text('name = "fake"\n')
    (project / "lake-manifest.json").write_text('{"packages": [{"name": "mathlib", "rev": "d13f23b7"}]}')
    return project


def program(path: Path) -> Path:
    """fake_lean.py as the program `path`, whose name says which."""
    first = "import os, sys\nsys.path.insert(0, os.path.dirname(os.path.realpath(__file__)))\n"
    body = FAKE.read_text().replace("from __future__ import annotations\n", "")
    path.write_text(f"#!{INTERPRETER} -ISB\n{first}{body}")
    path.chmod(0o755)
    return path
