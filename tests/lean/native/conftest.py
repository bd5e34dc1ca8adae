"""A fake Lake project with a fake toolchain (fake_lean.py). No test of this folder runs a real Lean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from verifiers.lean.native.engine import NativeEngine
from verifiers.lean.native.settings import NativeSettings
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


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., NativeEngine]]:
    """Opens engines on fake projects, one for equal options unless `fresh`, and closes them."""
    engines: dict[str, NativeEngine] = {}

    def open_engine(
        version: str = "4.35.0",
        tools: tuple[str, ...] = ("lake", "leanexport", "leanchecker"),
        policy: bool = False,
        safe_verify: bool = False,
        warm: bool = False,
        fresh: bool = False,
        **settings: object,
    ) -> NativeEngine:
        key = repr((version, tools, policy, safe_verify, warm, settings)) + (f" {len(engines)}" if fresh else "")
        if key in engines:
            return engines[key]
        place = tmp_path_factory.mktemp("native")
        project = make_project(place, version, tools)
        settings["lake"] = str(place / "toolchain" / "bin" / "lake")
        if safe_verify:
            settings["safe_verify"] = str(program(place / "toolchain" / "bin" / "safe_verify"))
        if warm:
            settings["repl"] = str(program(place / "toolchain" / "bin" / "repl"))
        engine = NativeEngine.open(project, NativeSettings.read(settings), num_workers=2, policy=policy)
        engines[key] = engine
        return engine

    yield open_engine
    for engine in engines.values():
        engine.close()
