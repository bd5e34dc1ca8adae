"""Runs, exports and nights that an older version stored are read, and gone on with, as that version would have.

The fixture and its expected.json were written by the code before the redesign; its README.md says how. Everything here
goes through the command line, so that no move or new name of a module touches it.
"""

from __future__ import annotations

import collections
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from stored_figures import (
    EXPORTS,
    FIRST_NIGHT,
    FIXTURE,
    RUNS,
    SECOND_NIGHT,
    StoredRuns,
    comparison_figures,
    export_figures,
    exported_rows,
    night_figures,
    problem_ids,
    read_page,
    report_figures,
    rounded,
    sample_figures,
    verify_again,
)

EXPECTED = json.loads((FIXTURE / "expected.json").read_text())
NIGHTS = Path("stored/nightly/small/nights")


@pytest.fixture
def runs(tmp_path: Path) -> StoredRuns:
    return StoredRuns(tmp_path)


@pytest.mark.parametrize("run", RUNS)
def test_a_report_gives_the_same_figures(runs: StoredRuns, run: str) -> None:
    expected = EXPECTED["report"][run]
    figures = report_figures(runs, run)
    for before, now in zip(expected["problems"], figures["problems"], strict=True):
        assert now == {**now, **before}  # a later version may add columns
    page = read_page(runs.run_folder(run) / "report.html")
    assert not [number for number in expected["tiles"] if number not in page.numbers]
    for name, *numbers in expected["domains"]:
        assert any(label == name and has_in_order(shown, numbers) for label, *shown in page.rows), (name, numbers)
    assert sample_figures(runs, run) == EXPECTED["samples"][run]


def test_what_a_report_wrote_then_is_what_it_writes_now(runs: StoredRuns) -> None:
    """The stored problems.parquet, from the end of the run itself, has the same rows as the one written anew."""
    stored = pq.read_table(runs.run_folder("main") / "problems.parquet").to_pylist()
    assert sorted(map(rounded, stored), key=problem_id) == sorted(
        EXPECTED["report"]["main"]["problems"], key=problem_id
    )


def test_two_runs_are_compared_as_before(runs: StoredRuns) -> None:
    expected = EXPECTED["comparison"]
    comparison_figures(runs)
    page = read_page(runs.folder / "compared" / "compare.html")
    assert not [number for number in expected["tiles"] if number not in page.numbers]
    # Each row's last number is the relative change, which a later version shows only where it is beyond chance.
    for name, *numbers, _ in expected["rows"]:
        assert any(has_in_order(shown, numbers) for _, *shown in page.rows), (name, numbers)


@pytest.mark.parametrize("format", EXPORTS)
def test_an_export_gives_the_same_rows(runs: StoredRuns, format: str) -> None:
    expected = EXPECTED["export"][format]
    figures = export_figures(runs, format)
    assert figures["funnel"] == {**figures["funnel"], **expected["funnel"]}
    again = exported_rows(runs.folder / "exported_again" / format, expected["columns"])
    stored = exported_rows(runs.folder / "exports" / format, expected["columns"])
    assert stored == {key: expected[key] for key in ("rows", "columns", "sha256")}
    # A later version names a model without the path to it, writes tests of functions so that verl scores them, and
    # leaves everything else as it was.
    assert again == exported_rows(runs.folder / "exports" / format, expected["columns"], with_model_paths=False)


def test_an_earlier_export_is_known(runs: StoredRuns) -> None:
    """`--against` an export of then leaves out every sample that it holds: its fingerprints are still understood."""
    words = ("export", "sft", "--run", "stored/runs/main", "--run", "stored/runs/other", "--processes", "1")
    done = runs.command(*words, "--out", "new", "--against", "exports/sft")
    assert done.returncode == 0, done.stderr
    earlier, new = (completions(runs.folder / name) for name in ("exports/sft", "new"))
    assert earlier and new and not earlier & new
    funnel = json.loads((runs.folder / "new" / "export.json").read_text())["funnel"]
    assert funnel["exported_earlier"] >= len(earlier)


@pytest.mark.lean
def test_stored_solutions_are_checked_again(runs: StoredRuns) -> None:
    """Every text is checked; the stored statuses are read as they are; where there is no room for a policy, the verdict
    is the same."""
    expected = EXPECTED["verify"]
    verdicts = verify_again(runs)
    stored = [[row["problem_id"], row["sample_index"], row["stored_status"]] for row in verdicts]
    assert stored == expected["stored"]
    found = {(row["problem_id"], row["sample_index"]): row["status"] for row in verdicts}
    changed = {
        (problem, index): (status, found[problem, index])
        for problem, index, status in expected["clear_cut"]
        if found[problem, index] != status
    }
    assert not changed


def test_a_night_that_is_over_stays_so_and_is_compared_alike(runs: StoredRuns) -> None:
    """The night's plan, its problems and its comparison with the night before follow from the stored results alone."""
    expected = EXPECTED["night"]
    stored = json.loads((runs.folder / NIGHTS / SECOND_NIGHT / "report.json").read_text())
    figures = night_figures(runs)
    assert figures["over"] == expected["over"] and figures["exit_code"] == expected["exit_code"]
    assert not figures["drawn_again"]
    assert figures["problems"] == expected["problems"]
    assert holds(rounded(figures["plan"]), rounded(expected["plan"]))
    assert holds(rounded(figures["report"]), rounded(expected["report"]))
    assert holds(rounded(figures["report"]), rounded(stored))


def test_a_finished_run_is_not_begun_again(runs: StoredRuns) -> None:
    before = runs.contents()
    for words in (("solve", "main.toml"), ("nightly", "nightly.toml", "--date", FIRST_NIGHT)):
        done = runs.command(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "complete" in done.stdout
    assert runs.contents() == before


def test_another_setting_is_still_another_run(runs: StoredRuns) -> None:
    """Every change is named, and nothing is written; so are changes of the keys that a resume may not leave out."""
    before = runs.contents()
    (runs.folder / "problems" / "unfinished.jsonl").write_text((runs.folder / "problems" / "nightly.jsonl").read_text())
    done = refused(runs, "unfinished.toml", CHANGES)
    assert "problem set" in done.stderr
    assert runs.contents() == before


def test_a_key_that_an_older_version_lacked_counts_as_its_default(runs: StoredRuns) -> None:
    """The stored settings as a version would have written them that did not know these keys yet: the same settings are
    taken for the same run, others are still refused."""
    path = runs.run_folder("main") / "run.json"
    record = json.loads(path.read_text())
    del record["config"]["prompt"]
    del record["config"]["sampling"]["min_p"], record["config"]["sampling"]["top_k"]
    del record["config"]["sampling"]["repair"]["evidence_chars"]
    del record["config"]["model"]["quantization"]
    path.write_text(json.dumps(record))
    refused(runs, "main.toml", CHANGES)
    done = runs.command("solve", "main.toml")
    assert done.returncode == 0 and "complete" in done.stdout, done.stdout + done.stderr


CHANGES = {
    "run.seed": "10",
    "model.quantization": "fp8",
    "prompt.suffix": "Be brief.",
    "sampling.temperature": "0.5",
    "sampling.min_p": "0.1",
    "sampling.repair.evidence_chars": "100",
}


def refused(runs: StoredRuns, config: str, changes: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """A resume with `changes`, which must be refused naming each of them."""
    done = runs.command("solve", config, *(word for key in changes for word in ("--set", f"{key}={changes[key]}")))
    assert done.returncode == 2, done.stdout + done.stderr
    missing = [key for key in changes if ".".join(key.split(".")[:2]) not in done.stderr]
    assert not missing, done.stderr
    return done


@pytest.mark.ray
def test_an_unfinished_run_is_taken_up(runs: StoredRuns) -> None:
    """No sample is lost or drawn twice, what was durable stays byte for byte, and every plan is carried out."""
    before = {name: data for name, data in runs.contents().items() if name.startswith("stored/runs/unfinished/samples")}
    durable = runs.samples("unfinished")
    assert 0 < len(durable) < 4 * len(problem_ids(runs.folder / "problems" / "unfinished.jsonl"))

    done = runs.command("solve", "unfinished.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"resuming: {len(durable)} samples" in done.stdout

    after = runs.contents()
    assert before == {name: after[name] for name in before}
    rows = runs.samples("unfinished")
    assert len({(row["problem_id"], row["sample_index"]) for row in rows}) == len(rows)
    assert {row["epoch"] for row in rows} == {1, 2}
    firsts = collections.Counter(row["problem_id"] for row in rows if row["round"] == 0)
    assert firsts == dict.fromkeys(problem_ids(runs.folder / "problems" / "unfinished.jsonl"), 4)
    answered = {(row["problem_id"], row["parent_sample_index"]) for row in rows if row["round"] == 1}
    assert answered == set(to_be_repaired(rows))
    check_record(runs, len(rows))


def to_be_repaired(rows: list[dict[str, Any]]) -> Iterator[tuple[str, int]]:
    """First attempts that the run's plan gives a second round."""
    for row in rows:
        if row["round"] == 0 and row["status"] in ("refuted", "malformed", "undecided"):
            yield row["problem_id"], row["sample_index"]


def check_record(runs: StoredRuns, num_rows: int) -> None:
    record = json.loads((runs.run_folder("unfinished") / "run.json").read_text())
    stored = json.loads((FIXTURE / "stored" / "runs" / "unfinished" / "run.json").read_text())
    assert record["complete"] and len(record["starts"]) == len(stored["starts"]) + 1
    assert record["starts"][:-1] == stored["starts"] and record["created_at"] == stored["created_at"]
    assert record["summary"]["samples"] == num_rows
    problems = pq.read_table(runs.run_folder("unfinished") / "problems.parquet").to_pylist()
    assert sum(row["num_samples"] for row in problems) == num_rows


def problem_id(row: dict[str, Any]) -> str:
    return str(row["problem_id"])


def completions(export: Path) -> set[str]:
    rows = pq.read_table(export / "data" / "train.parquet").to_pylist()
    return {json.dumps([row["prompt"], row["completion"]], sort_keys=True) for row in rows}


def has_in_order(shown: list[str], wanted: list[str]) -> bool:
    """Whether `wanted` stands in `shown` in its order; a later version may show more between."""
    rest = iter(shown)
    return all(number in rest for number in wanted)


def holds(now: Any, before: Any) -> bool:
    """Whether everything that stood in a JSON value stands in it still; objects may have gained keys."""
    if isinstance(before, dict):
        return isinstance(now, dict) and all(key in now and holds(now[key], value) for key, value in before.items())
    if isinstance(before, list):
        return isinstance(now, list) and len(now) == len(before) and all(map(holds, now, before))
    return bool(now == before)
