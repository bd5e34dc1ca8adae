"""Exports of agreed answers, and of runs with suspect references: what they hold, say and leave out."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from made_up_runs import reasoning, sample, write_run

from jobs.cli import main
from jobs.export.formats_table import FORMATS
from jobs.selections.select import select_run
from runstore.storage import open_storage


def problem(name: str, answer: str, statuses: list[str | None], key: str | None, **over: Any) -> list[dict[str, Any]]:
    """Samples that give one answer, at two temperatures. Without a key the problem has no reference."""
    rows = []
    for at, status in enumerate(statuses):
        row = sample(name, at, **{"status": status, **over})
        row["text"] = reasoning(at * 31 + sum(map(ord, name)), answer)
        row["extracted_answer"] = answer
        row["reference"] = json.dumps({} if key is None else {"answer": key})
        row["sampling"] = json.dumps({"temperature": 0.6 if at % 2 else 1.0})
        rows.append(row)
    return rows


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Verified problems, problems without an answer key that agree or do not, and one reference that is wrong."""
    rows = []
    for at in range(90):
        rows += problem(f"keyed-{at}", "1234567", ["verified"] * 8, "1234567")
    for at in range(6):
        rows += problem(f"agreed-{at}", "7654321", ["unchecked"] * 8, None)
    divided = problem("divided", "7654321", ["unchecked"] * 8, None)
    for row in divided[::2]:
        row["extracted_answer"] = "1111111"
    mostly = problem("mostly", "7654321", ["unchecked"] * 8, None)
    mostly[3]["extracted_answer"] = "2222222"
    rows += divided + mostly
    rows += problem("wrong", "7777777", ["refuted"] * 8, "8888888")
    folder = tmp_path_factory.mktemp("labels") / "run"
    uri = write_run(folder, rows)
    select_run(open_storage(uri))
    return uri


def exported(out: Path) -> list[dict[str, Any]]:
    return pq.read_table(out / "data" / "train.parquet").to_pylist()


def test_agreed_answers_are_written_as_what_they_are_and_never_mixed(run: str, tmp_path: Path) -> None:
    out = tmp_path / "agreed"
    assert main(["export", "sft", "--processes", "1", "--run", run, "--labels", "agreed", "--out", str(out)]) == 0
    rows = exported(out)
    # `divided` and `mostly` agree less than any problem with a reference does, so nothing is promised of them.
    assert {row["problem_id"] for row in rows} == {f"agreed-{at}" for at in range(6)}
    assert {row["label_source"] for row in rows} == {"agreement"}
    assert all(0.95 <= row["probability"] <= 1 for row in rows)
    card = (out / "README.md").read_text()
    assert "No solution of it was checked" in card and "was checked by the checkers below" not in card
    assert "- agreed\n" in card and "- verified\n" not in card
    assert "not_agreed" in card and "status_verified" in card
    manifest = json.loads((out / "export.json").read_text())
    assert manifest["settings"]["select"]["labels"] == "agreed"
    assert sum(manifest["funnel"].values()) == 99 * 8  # every row is in exactly one counter


@pytest.mark.parametrize("layout", FORMATS.row("sft").layouts)
def test_every_layout_says_where_its_labels_come_from(run: str, tmp_path: Path, layout: str) -> None:
    asked = ["--processes", "1", "--layout", layout, "--out", str(tmp_path / "out")]
    assert main(["export", "sft", "--run", run, "--labels", "agreed", *asked]) == 0
    files = [path for path in (tmp_path / "out").rglob("*") if path.suffix in (".parquet", ".jsonl")]
    (file,) = (path for path in files if path.stem in ("train", "training"))
    is_lines = file.suffix == ".jsonl"
    rows = [json.loads(line) for line in file.open()] if is_lines else pq.read_table(file).to_pylist()
    assert len(rows) == 24 and {row["label_source"] for row in rows} == {"agreement"}
    assert all(row["probability"] >= 0.95 for row in rows)


def test_by_default_no_unchecked_sample_is_exported(run: str, tmp_path: Path) -> None:
    out = tmp_path / "verified"
    assert main(["export", "sft", "--processes", "1", "--run", run, "--out", str(out)]) == 0
    rows = exported(out)
    assert rows and all(row["problem_id"].startswith("keyed") for row in rows)
    assert "label_source" not in rows[0] and "probability" not in rows[0]
    funnel = json.loads((out / "export.json").read_text())["funnel"]
    assert funnel["status_unchecked"] == 8 * 8


@pytest.mark.parametrize("format", ["kto", "preference", "rl", "prm"])
def test_formats_that_need_verdicts_refuse_agreed_answers(
    run: str, tmp_path: Path, format: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", format, "--run", run, "--labels", "agreed", "--out", str(tmp_path / "out")]) == 2
    assert "needs verdicts" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_probability_that_nothing_reaches_exports_nothing(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--labels", "agreed", "--min-probability", "0.9999", "--out", str(tmp_path / "out")]
    assert main(["export", "sft", "--processes", "1", "--run", run, *asked]) == 2
    assert "not_agreed 64" in capsys.readouterr().err


def test_suspect_references_are_dropped_on_request_and_counted(run: str, tmp_path: Path) -> None:
    kept, dropped = tmp_path / "kept", tmp_path / "dropped"
    common = ["export", "kto", "--processes", "1", "--run", run, "--set", "select.per_problem=8"]
    assert main([*common, "--out", str(kept)]) == 0
    assert main([*common, "--drop-suspects", "--out", str(dropped)]) == 0
    before, after = (Counter(row["problem_id"] for row in exported(out)) for out in (kept, dropped))
    assert before["wrong"] > 0 and after["wrong"] == 0
    del before["wrong"], after["wrong"]
    assert before == after
    assert json.loads((dropped / "export.json").read_text())["funnel"]["suspect_reference"] == 8


def test_a_pool_of_problems_drops_suspects_too(run: str, tmp_path: Path) -> None:
    out = tmp_path / "rl"
    asked = ["--set", "rl.low=0", "--set", "rl.high=1", "--drop-suspects", "--out", str(out)]
    assert main(["export", "rl", "--processes", "1", "--run", run, *asked]) == 0
    assert "wrong" not in {row["problem_id"] for row in exported(out)}
    assert json.loads((out / "export.json").read_text())["funnel"]["suspect_reference"] == 1


def test_a_run_without_selections_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    uri = write_run(tmp_path / "bare", problem("p", "1", ["verified"] * 4, "1"))
    for asked in (["--labels", "agreed"], ["--drop-suspects"]):
        assert main(["export", "sft", "--processes", "1", "--run", uri, *asked, "--out", str(tmp_path / "out")]) == 2
        assert "--select" in capsys.readouterr().err
