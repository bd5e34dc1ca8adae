"""Engines over a fake toolchain (fake_lean.py). Only test_native_real_lean.py of this folder runs a real Lean."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from fake_project import make_project, program

from verifiers.lean.native.engine import NativeEngine
from verifiers.lean.native.settings import NativeSettings


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
