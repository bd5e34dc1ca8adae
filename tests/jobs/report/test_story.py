"""Stories of samples out of stored logs: which lines are of a sample, and what is said where a run cannot be asked."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.config import ConfigError
from jobs.report import story as module
from jobs.report.story import ask, listens, log_lines, story_of_sample
from runstore.errors import NoRunError
from runstore.storage import LocalStorage

LOG = """2026-11-29T23:00:00.123Z INFO proofmill.coordinator out is owned, epoch 1
2026-11-29T23:00:03.000Z WARNING proofmill.ledger given up: the engine could not draw this sample
sample a.b:1, attempt 3
  1.000 DRAWING worker 0
  2.000 QUEUED
2026-11-29T23:00:02.000Z WARNING proofmill.generator sample a.b:12 was not drawn: told to
2026-11-29T23:00:02.500Z WARNING proofmill.generator sample aXb:1 was not drawn: told to
2026-11-29T23:00:02.700Z WARNING proofmill.generator sample c:a.b:1 was not drawn: told to
2026-11-29T23:00:01.000Z WARNING proofmill.generator sample a.b:1 was not drawn: told to
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/coordinator-1.log").write_text(LOG)
    (tmp_path / "logs/verifier-1-0-0.log").write_text("")
    (tmp_path / "logs/engine-1-0-0.log").write_bytes(b"\xff sample a.b:1 in an engine's own words\n")
    (tmp_path / "logs/coordinator-1.status.jsonl").write_text('{"at": "2026", "samples": 1}\n')
    (tmp_path / "run.json").write_text(json.dumps({"complete": True, "starts": []}))
    return tmp_path


def test_the_events_of_a_sample_and_no_other_come_in_order_of_time(run: Path) -> None:
    assert list(log_lines(LocalStorage(run), "a.b", 1)) == [
        "  coordinator-1.log: 2026-11-29T23:00:01.000Z WARNING proofmill.generator sample a.b:1 was not drawn: told to",
        "  coordinator-1.log: 2026-11-29T23:00:03.000Z WARNING proofmill.ledger given up: "
        "the engine could not draw this sample",
        "    sample a.b:1, attempt 3", "      1.000 DRAWING worker 0", "      2.000 QUEUED",
    ]  # fmt: skip
    assert len(list(log_lines(LocalStorage(run), "c:a.b", 1))) == 1
    assert list(log_lines(LocalStorage(run), "a.b", 2)) == []


def test_an_id_may_have_colons(run: Path) -> None:
    assert story_of_sample(str(run), "c:a.b:1").startswith("sample c:a.b:1\n")


@pytest.mark.parametrize("sample", ["", ":", "a.b", "a.b:", ":1", "a.b:x", "a.b:-1", "a.b:1.0", "a.b:²"])
def test_what_is_no_sample_is_refused(run: Path, sample: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--run", str(run), "--story", sample]) == 2
    assert "expected PROBLEM:INDEX" in capsys.readouterr().err


def test_where_nothing_is_known_it_says_so(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigError, match=r"nothing is known of sample a\.b:2: .* PROOFMILL_LOG=debug"):
        story_of_sample(str(run), "a.b:2")
    with pytest.raises(NoRunError, match="no run here"):
        story_of_sample(str(tmp_path / "absent"), "a.b:1")
    assert main(["report", "--compare", str(run), str(run), "--story", "a.b:1"]) == 2
    assert "--story is of one run" in capsys.readouterr().err


def test_a_run_whose_ray_is_gone_is_told_of_by_its_logs(run: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        gone = f"127.0.0.1:{probe.getsockname()[1]}"
    for address in (gone, "", "nonsense", "127.0.0.1:x"):
        (run / "run.json").write_text(json.dumps({"starts": [{"ray_address": address}]}))
        said: list[str] = []
        assert "was not drawn" in story_of_sample(str(run), "a.b:1", said.append)
        assert said == [] and not listens(address)


def test_a_ray_that_cannot_be_joined_is_told_in_a_note(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(address: str) -> None:
        raise ConnectionError("no node of this cluster is here\nand more")

    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setattr(module, "joined", refuse)
        story, fault = ask(str(run), {"starts": [{"ray_address": address, "host": "gpu-7"}]}, "a.b", 1)
    assert story == "" and address in fault and "on gpu-7" in fault and "and more" not in fault
