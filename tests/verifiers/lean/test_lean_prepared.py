"""The set-up of the embedded Lean: integrity, two at once, killed ones. Nothing is downloaded here."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from verifiers.lean.embedded import install
from verifiers.lean.embedded.install import SetupError, check_integrity, find_prepared, module_path, prepare
from verifiers.lean.embedded.wasm_rewrite import rewrite_script, rewrite_wasm


def pretend(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Replaces the download and rewriting by something quick; the list shows how often it was done."""
    built: list[Path] = []

    def build(work: Path, node: Path, progress: Callable[[str], None]) -> None:
        built.append(work)
        time.sleep(0.2)
        (work / "module").mkdir()
        (work / "module" / "manifest.json").write_text(json.dumps({}))

    monkeypatch.setattr(install, "_build", build)
    return built


def test_two_set_ups_at_once_do_the_work_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = pretend(monkeypatch)
    threads = [threading.Thread(target=prepare, args=(tmp_path,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
    assert find_prepared(tmp_path) is not None


def test_what_a_killed_set_up_leaves_is_not_ready_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_over = module_path(tmp_path).parent / "building-abc" / "module"
    left_over.mkdir(parents=True)
    (left_over / "manifest.json").write_text("{}")
    assert find_prepared(tmp_path) is None
    pretend(monkeypatch)
    prepare(tmp_path)
    assert not left_over.exists()


def test_a_failed_set_up_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(work: Path, node: Path, progress: Callable[[str], None]) -> None:
        (work / "half").write_text("")
        raise SetupError("no network")

    monkeypatch.setattr(install, "_build", build)
    with pytest.raises(SetupError, match="no network"):
        prepare(tmp_path)
    assert find_prepared(tmp_path) is None
    assert [p.name for p in module_path(tmp_path).parent.iterdir()] == ["lock"]


def test_a_package_with_another_digest_is_not_used(tmp_path: Path) -> None:
    archive = tmp_path / "package.tgz"
    archive.write_bytes(b"what was published")
    published = "sha512-" + base64.b64encode(hashlib.sha512(b"what was published").digest()).decode()
    check_integrity(archive, published)
    archive.write_bytes(b"something else")
    with pytest.raises(SetupError, match="not used"):
        check_integrity(archive, published)


def test_an_unwritable_cache_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match="PROOFMILL_CACHE"):
        prepare(tmp_path / "file" / "below")


@pytest.mark.parametrize("data", [b"", b"\0asm\1\0\0", b"#!/bin/sh\n"])
def test_other_binaries_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError):
        rewrite_wasm(data, set())


def test_other_scripts_are_refused() -> None:
    with pytest.raises(ValueError, match="expected way"):
        rewrite_script("console.log(1)")
