"""`problems.parquet` from stored rows: counts, why a problem was settled, and when nothing may be claimed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from made_up_run import made_up_run, sample_row, write_run

from jobs.report.problems_table import iter_problems, write_problems_table
from runstore.errors import StoredRunError
from runstore.schema import PROBLEM_SCHEMA
from runstore.storage import open_storage

FIXED = {"policy": "fixed", "estimates": "unbiased", "num_samples": 4}
UNTIL = {"policy": "until_verified", "estimates": "unbiased", "num_samples": 8, "num_verified": 1}


def table_of(folder: Path, rows: list[dict[str, Any]], **arguments: Any) -> dict[str, dict[str, Any]]:
    uri = write_run(str(folder), rows)
    write_problems_table(uri, **arguments)
    table = pq.read_table(folder / "problems.parquet")
    assert table.schema == PROBLEM_SCHEMA
    return {row["problem_id"]: row for row in table.to_pylist()}


def samples(name: str, rule: dict[str, Any], statuses: str, **other: Any) -> list[dict[str, Any]]:
    """`statuses`: one letter an index, `-` = no row."""
    words = {"v": "verified", "r": "refuted", "m": "malformed", "u": "undecided", "e": "error", "a": None}
    return [
        sample_row(name, index, words[letter], rule, **other) for index, letter in enumerate(statuses) if letter != "-"
    ]


def test_counts_estimates_and_costs_of_a_fixed_problem(tmp_path: Path) -> None:
    row = table_of(tmp_path, samples("p", FIXED, "vrmv"))["p"]
    assert row["solved"] and (row["num_samples"], row["num_verified"], row["num_malformed"]) == (4, 2, 1)
    assert (row["settled"], row["settled_at_index"], row["estimator"]) == ("exhausted", 3, "hypergeometric")
    assert row["pass_rate"] == pytest.approx(0.5)
    assert row["pass_rate_low"] == pytest.approx(0.0676, abs=1e-4)
    assert (row["completion_tokens"], row["prompt_tokens"]) == (400, 40)
    assert row["generation_s"] == pytest.approx(8) and row["verify_s"] == pytest.approx(0.08)


def test_samples_above_the_stop_count_as_samples_but_not_in_the_estimate(tmp_path: Path) -> None:
    row = table_of(tmp_path, samples("p", UNTIL, "rrvva"))["p"]
    assert (row["num_verified"], row["num_aborted"], row["aborted_tokens"]) == (2, 1, 7)
    assert (row["settled"], row["settled_at_index"], row["estimator"]) == ("solved", 2, "path-counting")
    assert row["pass_rate"] == 0.0, "stopped by the first success: the first sample decides"
    assert row["pass_rate_low"] < 1 / 3 < row["pass_rate_high"]


@pytest.mark.parametrize(
    ("statuses", "rule", "settled"),
    [
        ("rr-r", FIXED, "budget"),
        ("ra", UNTIL, "budget"),
        ("a-v", UNTIL, "solved"),
        ("rav", {**UNTIL, "estimates": "fast"}, "solved"),
        ("rarrrrrr", {**UNTIL, "estimates": "fast"}, "budget"),
    ],
)
def test_nothing_is_claimed_from_a_prefix_with_holes_or_a_fast_run(tmp_path, statuses, rule, settled) -> None:
    row = table_of(tmp_path, samples("p", rule, statuses), ended="budget")["p"]
    assert row["settled"] == settled
    assert (row["estimator"], row["settled_at_index"], row["pass_rate"]) == ("none", None, None)


def test_repair_rounds_belong_to_the_attempt_they_answer(tmp_path: Path) -> None:
    rule = {**UNTIL, "num_verified": 2}
    rows = samples("p", rule, "rv")
    rows.append(sample_row("p", 0 + 8, "refuted", rule, round=1, parent_sample_index=0))
    rows.append(sample_row("p", 0 + 16, "verified", rule, round=2, parent_sample_index=8))
    row = table_of(tmp_path, rows)["p"]
    assert (row["settled"], row["settled_at_index"], row["num_samples"], row["num_verified"]) == ("solved", 1, 4, 2)
    assert row["pass_rate"] == pytest.approx(0.5), "one of the two solutions needed no repair"


def test_distinct_counts_texts(tmp_path: Path) -> None:
    rule = {**UNTIL, "num_verified": 2, "distinct": True}
    rows = samples("same", rule, "vvvv", text="x = 5")
    rows += [sample_row("two", 0, "verified", rule, text="x = 5"), sample_row("two", 1, "verified", rule, text="5")]
    table = table_of(tmp_path, rows)
    assert (table["same"]["settled"], table["two"]["settled"]) == ("open", "solved")


def test_many_small_buckets_give_the_same_table(tmp_path: Path) -> None:
    uri = made_up_run(str(tmp_path), num_problems=60)
    whole = {result.row["problem_id"]: result for result in iter_problems(open_storage(uri))}
    split = {result.row["problem_id"]: result for result in iter_problems(open_storage(uri), bucket_rows=50)}
    assert len(whole) == 60 and whole == split


def test_a_row_committed_twice_is_refused(tmp_path: Path) -> None:
    rows = samples("p", FIXED, "vrmv")
    with pytest.raises(StoredRunError, match="problem p has a sample that is committed twice"):
        table_of(tmp_path, [*rows, rows[2]])


def test_parts_of_another_version_are_named(tmp_path: Path) -> None:
    uri = write_run(str(tmp_path), samples("p", FIXED, "vrmv"), num_parts=1)
    part = next((tmp_path / "samples").glob("*.parquet"))
    pq.write_table(pq.read_table(part).drop_columns(["stopping_rule"]), part)
    with pytest.raises(StoredRunError, match="no column 'stopping_rule'"):
        write_problems_table(uri)


def test_a_run_without_rows_gives_an_empty_table(tmp_path: Path) -> None:
    assert write_problems_table(write_run(str(tmp_path), [])) == 0
    assert pq.read_table(tmp_path / "problems.parquet").num_rows == 0
