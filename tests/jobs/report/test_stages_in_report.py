"""Runs with cascades in `problems.parquet` and in the report: what belongs to which stage, and what may be claimed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from made_up_run import sample_row, write_run

from jobs.export.pipeline import export
from jobs.export.settings import load_settings
from jobs.export.summary import where_stopped
from jobs.report.page import write_report
from jobs.report.problems_table import iter_problems, write_problems_table
from jobs.report.statistics import gather
from jobs.report.variants import VariantTable
from jobs.solve.summary import PassRates, summary_rows
from runstore.storage import open_storage
from workers.sampling.estimates import Estimate
from workers.sampling.stage_curves import MIN_AUDITED

FIXED = {"policy": "fixed", "estimates": "unbiased", "num_samples": 2}
UNTIL = {"policy": "until_verified", "estimates": "unbiased", "num_samples": 3, "num_verified": 1}
CASCADE = {
    **FIXED,
    "stages": [
        {"pool": "small", "samples": 2, "start": 0, **FIXED},
        {"pool": "large", "samples": 3, "start": 4, **UNTIL},
    ],
}
AUDITED = {**CASCADE, "audit": True}
WORDS = {"v": "verified", "r": "refuted", "a": None}


def samples(name: str, first: str, second: str = "", rule: dict[str, Any] = CASCADE) -> list[dict[str, Any]]:
    """One letter per sample of each stage; the block of the first stage has room for a repair round."""
    rows = [sample_row(name, index, WORDS[letter], rule, pool="small") for index, letter in enumerate(first)]
    extra = "v" in first
    return rows + [
        sample_row(name, 4 + index, WORDS[letter], rule, pool="large", stage=1, audited=extra, completion_tokens=300)
        for index, letter in enumerate(second)
    ]


@pytest.mark.parametrize(
    ("first", "second", "settled", "solved"),
    [
        ("rv", "", "exhausted", True),  # `fixed` is exhausted, and has a solution: no further stage
        ("rr", "rv", "solved", True),
        ("rr", "rrr", "exhausted", False),
        ("rr", "r", "budget", False),
        ("rr", "", "budget", False),
        ("r", "rrr", "budget", False),
        ("r", "", "budget", False),
    ],
)
def test_a_cascade_is_settled_by_the_stage_that_ends_it(
    tmp_path: Path, first: str, second: str, settled: str, solved: bool
) -> None:
    uri = write_run(str(tmp_path), samples("p", first, second))
    write_problems_table(uri, ended="budget")
    (row,) = pq.read_table(tmp_path / "problems.parquet").to_pylist()
    assert (row["settled"], row["solved"]) == (settled, solved)
    assert row["num_samples"] == len(first) + len(second)
    # The estimate is that of the first stage, as without a cascade.
    assert row["pass_rate"] == (None if len(first) < 2 else first.count("v") / 2)


def test_what_the_audit_alone_drew_has_no_part_in_how_a_problem_ended(tmp_path: Path) -> None:
    uri = write_run(str(tmp_path), samples("p", "vr", "r", AUDITED))
    (result,) = iter_problems(open_storage(uri), "budget")
    assert result.audited and result.row["settled"] == "exhausted" and result.stages[1].settled == ""


def test_exports_read_the_first_stage(tmp_path: Path) -> None:
    uri = write_run(str(tmp_path), [*samples("p", "rr", "rv"), *samples("q", "rv"), *samples("r", "r")])
    write_problems_table(uri)
    rows = {row["problem_id"]: row for row in pq.read_table(tmp_path / "problems.parquet").to_pylist()}
    stops = {name: where_stopped(row) for name, row in rows.items()}
    assert stops["r"] is None
    for name, solutions in (("p", 0), ("q", 1)):
        stopped = stops[name]
        assert stopped is not None and (stopped.solutions, stopped.num_samples, stopped.why) == (
            solutions,
            2,
            "exhausted",
        )


def run_of(folder: Path, num_audited: int) -> str:
    rows: list[dict[str, Any]] = []
    for number in range(num_audited):
        rows += samples(f"a{number}", "vr", "v", AUDITED) if number % 2 else samples(f"a{number}", "rr", "rrr", AUDITED)
    for number in range(10):
        rows += samples(f"p{number}", "rr", "rv" if number < 4 else "rrr")
    return write_run(str(folder), rows)


def test_the_report_says_what_a_stage_adds_and_what_its_model_can_do_alone(tmp_path: Path) -> None:
    uri = run_of(tmp_path / "enough", MIN_AUDITED)
    small, large = gather(uri).stages.rows()
    assert (small.reached, small.solved, large.reached, large.solved) == (40, 15, 25, 4)
    assert (large.drawn.samples, large.drawn.verified, large.drawn.audited) == (15 + 45 + 8 + 18, 19, 15)
    assert small.given is not None and small.alone is not None
    assert small.given.estimate.value == small.alone.estimate.value == pytest.approx(15 / 80)
    assert large.given is not None and large.given.estimate.value == 0.0, "no first sample of those was right"
    assert large.alone is not None and large.alone.estimate.value == pytest.approx(0.5)
    page = Path(write_report(uri)[0].removeprefix("file://")).read_text()
    assert "By stage" in page and "given that they failed" in page and "50.0\N{NO-BREAK SPACE}%" in page


def test_an_estimate_of_the_first_stage_says_so_beside_counts_of_all(tmp_path: Path) -> None:
    uri = run_of(tmp_path / "r", 0)
    assert "It is that of the first stage" in Path(write_report(uri)[0].removeprefix("file://")).read_text()
    shown = {
        **{"problems": 1, "problems_solved": 1, "statuses": {}, "samples": 1, "aborted_samples": 0, "saved_tokens": 0},
        **{"completion_tokens": 1, "prompt_tokens": 1, "gpu_s": 0.0, "cpu_s": 0.0, "wall_s": 1.0, "usd": 0.0},
        **{"variants": VariantTable(), "repairs": {}, "rates": PassRates({1: Estimate(0.5, 0.4, 0.6)})},
    }
    assert "pass@1 of the first stage" in dict(summary_rows({**shown, "has_stages": True}))
    assert "pass@1" in dict(summary_rows(shown))


def test_an_rl_pool_has_counts_and_lengths_of_the_stage_that_its_pass_rate_is_of(tmp_path: Path) -> None:
    rows = [*samples("p", "rr", "rv"), *samples("q", "rv", "v", AUDITED), *samples("s", "vv")]
    uri = write_run(str(tmp_path / "run"), rows)
    write_report(uri)
    settings = load_settings("rl", None, ["rl.low=0", "rl.high=1", "work.processes=1"])
    export(settings, [uri], str(tmp_path / "out"))
    table = pq.read_table(next((tmp_path / "out").rglob("*.parquet")))
    found = {row["problem_id"]: row for row in table.to_pylist()}
    assert {name: (row["pass_rate"], row["num_samples"], row["num_verified"]) for name, row in found.items()} == {
        "p": (0.0, 2, 0), "q": (0.5, 2, 1), "s": (1.0, 2, 2),
    }  # fmt: skip
    assert {name: len(row["verified_lengths"]) for name, row in found.items()} == {"p": 0, "q": 1, "s": 2}


def test_with_too_few_audited_problems_nothing_is_said_of_the_model_alone(tmp_path: Path) -> None:
    _, large = gather(run_of(tmp_path, MIN_AUDITED - 1)).stages.rows()
    assert large.alone is None and large.given is not None


def test_a_run_without_a_cascade_has_no_such_part(tmp_path: Path) -> None:
    uri = write_run(str(tmp_path), [sample_row("p", index, "verified", FIXED) for index in range(2)])
    assert not gather(uri).stages and "By stage" not in Path(write_report(uri)[0]).read_text()
