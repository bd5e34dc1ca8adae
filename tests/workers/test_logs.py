"""The log of a run: where it lies, what a level keeps, and that a log never fails a run."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from jobs.solve.progress import Rates
from runstore.durable import DurableRow
from runstore.storage import LocalStorage, open_storage
from workers import logs
from workers.coordinator.monitor import rates
from workers.logs import LogSettings, RunLog, log_settings
from workers.scheduling.sample_state import RATED, Totals


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_a_run_in_a_folder_has_its_logs_beside_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOFMILL_LOG", "WARNING")
    settings = log_settings(str(tmp_path / "run"), "r")
    assert settings == LogSettings(str(tmp_path / "run" / "logs"), "", "warning")
    log = RunLog(settings, "generator-1-0-0")
    logging.getLogger("proofmill.generator").info("not told")
    logging.getLogger("proofmill.generator").warning("sample %s:%d was not drawn", "p7", 3)
    log.close()
    logging.getLogger("proofmill.generator").warning("after the end")
    (line,) = lines(tmp_path / "run/logs/generator-1-0-0.log")
    at, level, name, text = line.split(" ", 3)
    assert (level, name, text) == ("WARNING", "proofmill.generator", "sample p7:3 was not drawn") and at.endswith("Z")


def test_an_unknown_level_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOFMILL_LOG", "loud")
    with pytest.raises(ValueError, match="PROOFMILL_LOG = 'loud': no such level; give debug, info, warning or error"):
        log_settings("out", "r")


def test_logs_of_a_run_on_object_storage_are_uploaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_settings("s3://bucket/runs/r", "r").run_uri == "s3://bucket/runs/r"
    storage = LocalStorage(tmp_path / "stored")
    monkeypatch.setattr(logs, "open_storage", lambda uri: storage)
    log = RunLog(LogSettings(str(tmp_path / "node"), "s3://bucket/runs/r"), "coordinator-1")
    (tmp_path / "node/generator-1-0-0.log").write_text("the last lines of a process that was killed\n")
    log.status({"samples": 3})
    log.upload()
    log.close()
    assert sorted(storage.keys("logs/")) == [
        "logs/coordinator-1.log", "logs/coordinator-1.status.jsonl", "logs/generator-1-0-0.log"
    ]  # fmt: skip
    assert json.loads(storage.read("logs/coordinator-1.status.jsonl") or b"")["samples"] == 3


def test_a_log_that_cannot_be_written_or_uploaded_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    log = RunLog(LogSettings(str(tmp_path / "file" / "logs")), "x")
    log.status({"samples": 1})
    log.close()
    log = RunLog(LogSettings(str(tmp_path / "logs"), "ftp://nowhere/run"), "x")
    log.upload()
    log.close()
    with pytest.raises(Exception, match="unknown scheme"):
        open_storage("ftp://nowhere/run")


def test_rates_are_what_grew_between_two_lines() -> None:
    earlier = {"elapsed_s": 10.0, "samples": 100, "durable": 80, "completion_tokens": 1000}
    later = {"elapsed_s": 70.0, "samples": 400, "durable": 200, "completion_tokens": 7000}
    assert rates(earlier, later) == {"samples_per_s": 5.0, "durable_per_s": 2.0, "completion_tokens_per_s": 100.0}


def test_rates_leave_out_what_a_resume_restores() -> None:
    """After a resume the counts of earlier starts come back while the problems are fed."""
    totals = Totals()
    earlier = figures_of(totals, 10.0)
    for index in range(600):
        status = None if index % 6 == 0 else "verified"
        totals.restore("math", DurableRow(index, 0, status, "{}", 5, 10, 0.1, 0.1, "part", 0))
    for _ in range(120):
        totals.count("math", "refuted", 5, 20, 0.1, 0.1)
    totals.durable += 60
    later = figures_of(totals, 70.0)
    assert (later["samples"], later["durable"], later["completion_tokens"]) == (620, 660, 8400)
    assert rates(earlier, later) == {"samples_per_s": 2.0, "durable_per_s": 1.0, "completion_tokens_per_s": 40.0}
    shown = Rates()
    shown.add(earlier)
    samples, tokens = shown.add(later)
    assert tokens == pytest.approx(2400 / 120 * samples), "the display counts the same way"


def figures_of(totals: Totals, elapsed_s: float) -> dict[str, Any]:
    counts = {name: getattr(totals, name) for name in RATED}
    return {"elapsed_s": elapsed_s, **counts, "restored": dict(totals.restored)}


def test_two_runs_of_one_name_have_folders_of_their_own() -> None:
    here, there = log_settings("s3://bucket/a/runs/main", "main"), log_settings("s3://bucket/b/runs/main", "main")
    assert here.folder != there.folder and Path(here.folder).name.startswith("proofmill-main-")
    assert here == log_settings("s3://bucket/a/runs/main", "main"), "every process of a run finds the same folder"
