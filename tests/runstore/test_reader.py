"""One reader: what an older version left out is filled in for every program that reads a run, and what cannot be read
is named by all of them alike."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from made_up_run import sample_row, write_run

from jobs.cli import main
from jobs.export.pipeline import export
from jobs.export.settings import load_settings
from jobs.nightly.history import read_outcomes
from jobs.report.page import write_report
from runstore.durable import read_durable
from runstore.errors import NoRunError, StoredRunError
from runstore.layout import run_uri
from runstore.parts import read_part, read_row
from runstore.reader import (
    find_run,
    num_rows,
    read_batches,
    read_problems_table,
    read_rows,
    read_run_json,
    read_samples,
)
from runstore.schema import SAMPLE_SCHEMA
from runstore.storage import open_storage
from runstore.upgrades import UPGRADES

LATER = [name for name in UPGRADES if name in SAMPLE_SCHEMA.names]
FIXED = {"policy": "fixed", "estimates": "unbiased", "num_samples": 4}
WORK = "Two and two make four, and one more makes the next number, which we check by counting again from the start."


def rewrite(folder: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    """Puts another table into the place of each part; returns one of them."""
    parts = sorted((folder / "samples").glob("*.parquet"))
    for part in parts:
        pq.write_table(change(pq.read_table(part)), part)
    return parts[0]


@pytest.fixture
def old_run(tmp_path: Path) -> str:
    """As a version before the schema had a number could have left it: without the columns that came later."""
    rows = [
        sample_row(
            problem, index, "verified" if index % 2 else "refuted", FIXED, text=f"{WORK} \\boxed{{{4 + index % 2}}}"
        )
        for problem in ("p", "q")
        for index in range(4)
    ]
    uri = write_run(str(tmp_path / "old"), rows)
    write_report(uri)
    rewrite(tmp_path / "old", lambda table: table.drop_columns(LATER).replace_schema_metadata(None))
    problems = tmp_path / "old" / "problems.parquet"
    table = pq.read_table(problems).drop_columns(["settled_verified", "settled_first_try"])
    pq.write_table(table.replace_schema_metadata({"proofmill.schema_version": "1"}), problems)
    return uri


def test_the_fixture_lacks_what_came_later(old_run: str) -> None:
    part = next((Path(old_run) / "samples").glob("*.parquet"))
    assert {"meta", "round", "evidence", "tier", "thought_tokens", "extracted_answer"} <= set(LATER)
    assert not set(LATER) & set(pq.read_schema(part).names)


def test_every_way_to_read_fills_in_the_same(old_run: str) -> None:
    storage = open_storage(old_run)
    wanted = {name: UPGRADES[name].value for name in LATER}
    batches = [batch for _, batch in read_batches(storage, LATER)]
    samples = [batch for file in find_run(old_run).files for batch in read_samples(file, LATER)]
    for found in (batches, samples):
        assert [row for batch in found for row in batch.to_pylist()] == [wanted] * 8
    for key in storage.keys("samples/"):
        assert read_part(storage, key).schema.names == SAMPLE_SCHEMA.names
        for row in read_rows(storage, key, ["problem_id", *LATER], pc.field("problem_id") == "p"):
            assert row == {"problem_id": "p", **wanted}
    key = storage.keys("samples/")[0]
    first = read_part(storage, key).to_pylist()[0]
    assert read_row(storage, key, first["problem_id"], first["sample_index"]) == first
    assert num_rows(storage) == 8


def test_report_export_verify_night_and_resume_read_an_old_run(
    old_run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, statistics = write_report(old_run)
    assert (statistics.total.problems, statistics.total.solved, statistics.total.samples) == (2, 2, 8)
    summary = export(load_settings("sft", None, ["work.processes=1"]), [old_run], str(tmp_path / "sft"))
    assert summary.facts.num_rows == 8
    assert main(["verify", "--run", old_run, "--out", str(tmp_path / "again.jsonl")]) == 0
    assert len((tmp_path / "again.jsonl").read_text().splitlines()) == 8
    durable = read_durable(open_storage(old_run), with_texts=True)
    assert durable.num_rows == 8 and {row.round for rows in durable.values() for row in rows} == {0}
    table = read_problems_table(open_storage(old_run))
    assert table is not None
    assert {name: out.num_verified for name, out in read_outcomes(table).items()} == {"p": 2, "q": 2}


def test_an_older_problems_table_has_todays_columns(old_run: str) -> None:
    table = read_problems_table(open_storage(old_run))
    assert table is not None and table["settled_verified"].to_pylist() == [None, None]


BROKEN: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "newer": (lambda t: t.replace_schema_metadata({"proofmill.schema_version": "99"}), "schema version 99"),
    "lacking": (lambda t: t.drop_columns(["stopping_rule"]), "no column 'stopping_rule'"),
    "foreign": (
        lambda t: t.set_column(t.column_names.index("prompt_tokens"), "prompt_tokens", pa.array(["x"] * len(t))),
        "column 'prompt_tokens' has type string, expected int32",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_what_can_not_be_read_is_exit_code_3_and_named(
    fault: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, said = BROKEN[fault]
    uri = write_run(str(tmp_path / "run"), [sample_row("p", index, "verified", FIXED) for index in range(4)])
    part = rewrite(tmp_path / "run", change)
    with pytest.raises(StoredRunError, match=said):
        read_durable(open_storage(uri), with_texts=False)
    for command in (
        ["report", "--run", uri],
        ["verify", "--run", uri, "--out", str(tmp_path / "v.jsonl")],
        ["export", "sft", "--run", uri, "--out", str(tmp_path / "sft"), "--processes", "1"],
    ):
        assert main(command) == 3
        assert f"{part}: " in (told := capsys.readouterr().err) and said in told and "Traceback" not in told
    assert not (tmp_path / "v.jsonl").exists() and not (tmp_path / "sft").exists()


def test_a_place_without_a_run_is_the_users_to_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NoRunError, match="no samples/ folder"):
        find_run(str(tmp_path))
    for uri in (str(tmp_path), "gs://bucket/run"):
        for command in (["report", "--run", uri], ["verify", "--run", uri], ["export", "sft", "--run", uri]):
            out = ["--out", str(tmp_path / "out")] if command[0] == "export" else []
            assert main([*command, *out]) == 2
            assert uri in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", "[1]"])
def test_a_broken_run_json_is_named(tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]) -> None:
    uri = write_run(str(tmp_path), [sample_row("p", 0, "verified", FIXED)])
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(StoredRunError, match=r"run\.json: not (JSON|a JSON object).*is this the folder of a run"):
        read_run_json(open_storage(uri))
    assert main(["report", "--run", uri]) == 3
    assert "run.json" in capsys.readouterr().err


def test_the_folder_of_a_run_is_said_once() -> None:
    assert run_uri("out/", "r") == "out/runs/r" == run_uri("out", "r")
    assert run_uri("s3://bucket/prefix", "r") == "s3://bucket/prefix/runs/r"
