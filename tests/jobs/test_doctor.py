"""`proofmill doctor`: what it says of this machine, of broken ones, and of a config."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from jobs import doctor
from jobs.cli import main

SECRET = "do-not-print-this-secret"


@pytest.fixture
def quick_engine(monkeypatch):
    """The engine's import, which takes 10 s, replaced by what it prints on a machine where it works."""
    probe = 'print(\'{"torch": "2.13.0+cpu", "cuda": false}\\n{"vllm": "0.32.0", "platform": "CpuPlatform"}\')'
    monkeypatch.setattr(doctor, "ENGINE_PROBE", probe)


def config(tmp_path, problems: str, **changes: str):
    (tmp_path / "set.jsonl").write_text(problems)
    values = {"problems.files": f"['{tmp_path}/set.jsonl']", "output.uri": f"'{tmp_path}/out'", **changes}
    return ["configs/solve/demo.toml", *(f"--set={key}={value}" for key, value in values.items())]


GOOD = json.dumps({"id": "m1", "kind": "math", "prompt": "2 + 2?", "reference": {"answer": "4"}})
UNREADABLE = json.dumps({"id": "m2", "kind": "math", "prompt": "2 + 2?", "reference": {"answer": "\\frac{1}{"}})


@pytest.mark.ray
def test_this_machine_in_a_process_of_its_own():
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": SECRET, "RAY_AUTH_TOKEN": SECRET}
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "doctor"], capture_output=True, text=True, env=environment, timeout=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for expected in ("Python", "machine", "engine", "Ray", "S3", "sandbox", "Lean"):
        assert expected in done.stdout
    assert "ok      engine" in done.stdout
    assert "credentials from env" in done.stdout
    assert SECRET not in done.stdout + done.stderr


def test_good_config(tmp_path, capsys, quick_engine):
    assert main(["doctor", *config(tmp_path, GOOD)]) == 0
    shown = capsys.readouterr().out
    assert "ok      problems   1 problems (1 math)" in shown
    assert "ok      plan       model       qwen2" in shown
    assert not (tmp_path / "out").exists(), "doctor leaves nothing behind"


def test_each_bad_problem_is_listed(tmp_path, capsys, quick_engine):
    assert main(["doctor", *config(tmp_path, f"{GOOD}\n{UNREADABLE}\n{{\n")]) == 2
    shown = capsys.readouterr().out
    assert "set.jsonl:2: reference:" in shown, "an answer that the math checker cannot read"
    assert "set.jsonl:3: not JSON" in shown


def test_plan_that_does_not_fit_and_output_that_can_not_be_written(tmp_path, capsys, quick_engine):
    (tmp_path / "file").write_text("")
    changes = {"resources.replicas": "500", "output.uri": f"'{tmp_path}/file/out'"}
    assert main(["doctor", *config(tmp_path, GOOD, **changes)]) == 2
    shown = capsys.readouterr().out
    assert "wrong   plan" in shown
    assert "what would fit" in shown
    assert "wrong   output" in shown


def test_config_with_an_unknown_key(capsys, quick_engine):
    assert main(["doctor", "configs/solve/demo.toml", "--set", "modle.path=x"]) == 2
    assert "modle: unknown key" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        (
            "raise ImportError('libtorch_cuda.so: no such file')",
            "torch cannot be imported: ImportError: libtorch_cuda.so",
        ),
        ('print(\'{"torch": "2"}\', flush=True); import os; os.abort()', "vLLM cannot be imported"),
        ("import time; time.sleep(60)", "took more than 2 s"),
    ],
)
def test_engine_that_is_installed_but_broken(monkeypatch, probe, expected):
    monkeypatch.setattr(doctor, "ENGINE_PROBE", probe)
    monkeypatch.setattr(doctor, "PROBE_S", 2.0)
    (finding,) = doctor.engine()
    assert finding.state == "missing"
    assert expected in finding.text
    assert "make setup" in finding.advice


def test_a_missing_engine_is_exit_code_3(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "version_of", lambda name: "" if "vllm" in name else "1")
    assert doctor.run_doctor() == 3
    assert "missing engine" in capsys.readouterr().out


def test_a_part_that_can_not_be_examined_hides_no_other(monkeypatch, capsys, quick_engine):
    def broken():
        raise PermissionError("/proc is not mounted")
        yield

    monkeypatch.setattr(doctor, "processor", broken)
    assert doctor.run_doctor() == 0
    shown = capsys.readouterr().out
    assert "could not be examined: PermissionError: /proc is not mounted" in shown
    assert "Lean" in shown


def test_a_token_that_other_users_can_read_is_pointed_out(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    folder.mkdir()
    token = folder / "auth_token"
    token.write_text(SECRET)
    token.chmod(0o644)
    open_above = dict.fromkeys((folder, *folder.resolve().parents), 0o755)
    stat = Path.stat

    def as_if(self, **options):
        return SimpleNamespace(st_mode=open_above[self]) if self in open_above else stat(self, **options)

    monkeypatch.setattr(Path, "stat", as_if)
    assert doctor.readable_by_others(token) == f", which every user of this machine can read: chmod 600 {token}"
    open_above[folder] = 0o700
    assert doctor.readable_by_others(token) == ""
    open_above[folder] = 0o755
    token.chmod(0o600)
    assert doctor.readable_by_others(token) == ""
