"""The script for a real GPU, rehearsed on CPUs: its steps run, and every figure is in the file at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def rehearse(results: Path, *steps: str) -> tuple[int, list[dict[str, object]]]:
    command = [sys.executable, "-m", "benchmarks.gpu", str(results), "--dry", "--steps", *steps]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert results.exists(), done.stdout + done.stderr
    return done.returncode, [json.loads(line) for line in results.read_text().splitlines()]


@pytest.mark.timeout(900)
def test_the_script_measures_what_a_machine_without_a_gpu_can_tell(tmp_path: Path) -> None:
    code, lines = rehearse(tmp_path / "results.jsonl", "machine", "kernels", "hang")
    assert code == 0, lines
    assert lines[0]["step"] == "machine" and lines[0]["packages"]
    timed = [line for line in lines if line["step"] == "kernels" and "ms" in line]
    assert {"matrix products", "attention of one layer", "sampling"} <= {line["what"] for line in timed}
    assert all(float(str(line["ms"])) >= 0 for line in timed)
    (hang,) = [line for line in lines if line["step"] == "hang" and "exit" not in line]
    assert hang["answered_before"] and hang["silent_after"] and hang["stopped"] == 1
    assert [line["exit"] for line in lines if "exit" in line] == [0, 0, 0]


def test_a_step_that_fails_is_told_and_leaves_what_was_measured(tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    results.write_text('{"step": "earlier"}\n')
    broken = [sys.executable, "-m", "benchmarks.gpu.steps", "no-such-step", str(results)]
    assert subprocess.run(broken, cwd=ROOT, capture_output=True, check=False).returncode == 2
    code, lines = rehearse(results, "machine")
    assert code == 0 and lines[0] == {"step": "earlier"} and lines[-1]["step"] == "machine"
