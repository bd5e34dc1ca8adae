"""A Ray that does not start: an exit code of its own, and what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray

from cluster.connect import ClusterError, LocalRayError, connect, ray_log_folder, start_ray
from jobs.cli import main

TIMED_OUT = "The current node timed out during startup. This could happen because some of the raylet failed to startup."
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def broken_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Ray begins a session, and then its node is not up in time. Returns the session's log folder."""
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    logs = tmp_path / "ray" / "session_2026-11-29_10-00-00_000000_1" / "logs"

    def init(**arguments: Any) -> None:
        logs.mkdir(parents=True, exist_ok=True)
        raise Exception(TIMED_OUT)  # a plain one, as Ray raises it

    monkeypatch.setattr(ray, "init", init)
    return logs


def test_the_error_says_where_its_log_is_and_what_to_do(broken_ray: Path) -> None:
    with pytest.raises(LocalRayError) as failed, connect(""):
        pass
    told = str(failed.value)
    for word in ("timed out during startup", str(broken_ray), "same command again", "GiB are free", "ray stop"):
        assert word in told


@pytest.mark.parametrize(("faults", "tries"), [([TIMED_OUT], 2), ([TIMED_OUT] * 3, 2), (["the disk is full"] * 3, 1)])
def test_a_ray_that_was_too_slow_is_started_once_more(
    faults: list[str], tries: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried: list[str] = []

    def init(address: str, **arguments: Any) -> None:
        tried.append(address)
        if len(tried) <= len(faults):
            raise Exception(faults[len(tried) - 1])

    monkeypatch.setattr(ray, "init", init)
    if tries > len(faults):
        start_ray("")
    else:
        with pytest.raises(LocalRayError, match=faults[0]):
            start_ray("")
    assert tried == ["local"] * tries
    assert ("is started once more" in caplog.text) is (tries == 2)


def test_what_a_failed_start_left_running_is_ended_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    left: list[subprocess.Popen[bytes]] = []

    def init(**arguments: Any) -> None:
        assert all(process.poll() is not None for process in left), "still there at the next attempt"
        left.append(subprocess.Popen([*sleeper, f"--log_dir={tmp_path}/ray/session_2026-11-29_1/logs"]))
        raise Exception(TIMED_OUT)

    monkeypatch.setattr(ray, "init", init)
    other = subprocess.Popen(sleeper)
    try:
        with pytest.raises(LocalRayError):
            start_ray("")
        assert len(left) == 2 and all(process.poll() is not None for process in left)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_an_earlier_sessions_log_is_not_named(tmp_path: Path, broken_ray: Path) -> None:
    broken_ray.mkdir(parents=True)
    assert ray_log_folder() == str(broken_ray)
    assert ray_log_folder(started=broken_ray.stat().st_mtime + 3600) == ""


def test_a_cluster_that_does_not_answer_is_for_the_user_to_mend(broken_ray: Path) -> None:
    with pytest.raises(ClusterError, match="no Ray cluster answers at") as failed, connect("127.0.0.1:9"):
        pass
    assert not isinstance(failed.value, LocalRayError) and "ray.address" in str(failed.value)


def test_solve_ends_with_code_3(
    broken_ray: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    words = ["solve", "configs/solve/demo.toml", "--set", f"output.uri={tmp_path / 'out'}", "--set", "problems.limit=4"]
    assert main(words) == 3
    assert "a local Ray could not be started" in capsys.readouterr().err
    assert main([*words, "--set", "ray.address=127.0.0.1:9"]) == 2


def test_serve_ends_with_code_3(broken_ray: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("PYTHONPATH", "")
    assert main(["serve"]) == 3
    assert "a local Ray could not be started" in capsys.readouterr().err
