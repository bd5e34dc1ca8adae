"""What the terminal says at the end of a run and while it waits."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest
from made_up_run import sample_row, write_run
from rich.console import Console

from jobs.config import SolveConfig
from jobs.report.statistics import gather
from jobs.report.variants import VariantTable
from jobs.solve.command import finish
from jobs.solve.driver import DriveResult
from jobs.solve.progress import last_log_line, one_line
from jobs.solve.summary import PassRates, print_summary, summary_rows
from runstore.storage import open_storage

LONG = "out/a_long_folder/another_long_folder/runs/small-tiny-main-20261129"


def summary(**over: Any) -> dict[str, Any]:
    return {
        "uri": LONG,
        "report": f"{LONG}/report.html",
        "rates": PassRates({}, "no unbiased estimate"),
        "repairs": Counter(),
        "variants": VariantTable(),
        "problems": 4,
        "problems_solved": 2,
        "samples": 16,
        "aborted_samples": 0,
        "statuses": {"verified": 8, "refuted": 8},
        "prompt_tokens": 100,
        "completion_tokens": 1000,
        "saved_tokens": 0,
        "gpu_s": 0.0,
        "cpu_s": 36.0,
        "wall_s": 20.0,
        "usd": 0.0,
        **over,
    }


def printed(shown: dict[str, Any], width: int) -> str:
    stream = io.StringIO()
    print_summary(shown, Console(file=stream, width=width))
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_place_is_cut(width: int) -> None:
    lines = printed(summary(), width).splitlines()
    for place in (f"{LONG}/samples/*.parquet", f"{LONG}/report.html", f"{LONG}/logs/"):
        assert any(line.endswith(place) for line in lines), place


def test_no_two_rows_have_one_name() -> None:
    names = [name for name, _ in summary_rows(summary(repairs=Counter(verified=1)))]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(("seconds", "key"), [({"gpu_s": 9.0}, "usd_per_gpu_hour"), ({}, "usd_per_cpu_hour")])
def test_the_key_of_the_price_is_that_of_the_device(seconds: dict[str, float], key: str) -> None:
    assert f"set cost.{key} to see it" in dict(summary_rows(summary(**seconds)))["cost per verified solution"]


def test_a_small_price_is_for_many() -> None:
    assert dict(summary_rows(summary(usd=8e-6)))["cost per million verified solutions"] == "$1.00"


def test_repair_rounds_are_counted(tmp_path: Path) -> None:
    rule = {"policy": "fixed", "estimates": "unbiased", "num_samples": 2}
    rows = [
        sample_row("p", 0, "refuted", rule),
        sample_row("p", 1, "verified", rule, round=1, parent_sample_index=0),
        sample_row("q", 0, "verified", rule),
        sample_row("q", 1, "refuted", rule, round=1, parent_sample_index=0),
    ]
    repairs = gather(write_run(str(tmp_path), rows)).repairs
    assert repairs == {"verified": 1, "refuted": 1}
    rows_shown = dict(summary_rows(summary(repairs=repairs)))
    assert rows_shown["repair rounds"] == "2 of these samples, 1 of them verified"
    assert "repair rounds" not in dict(summary_rows(summary()))


def status(phase: str, **over: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("problems_settled", "problems_solved", "samples", "running", "unchecked", "unwritten"), 0)
    return {"phase": phase, **counts, "statuses": {}, "elapsed_s": 83.0, "usd": 0.0, **over}


def test_the_wait_for_engines_says_where_to_look(tmp_path: Path) -> None:
    line = one_line(status("starting engines"), (0.0, 0.0), 9, str(tmp_path))
    assert "1:23 so far" in line and str(tmp_path) in line and "end with" not in line
    (tmp_path / "engine-1-0-0.log").write_text("first\nLoading weights: 40 %\x1b[0m\n\n")
    line = one_line(status("starting engines"), (0.0, 0.0), 9, str(tmp_path))
    assert line.endswith("which end with: Loading weights: 40 %")
    assert last_log_line(str(tmp_path / "nothing")) == ""
    assert str(tmp_path) not in one_line(status("running"), (0.0, 0.0), 9, str(tmp_path))


def test_a_run_without_a_price_is_not_said_to_cost_nothing() -> None:
    assert "$" not in one_line(status("running"), (0.0, 0.0), 9)
    assert "$0.2500" in one_line(status("running", usd=0.25), (0.0, 0.0), 9)


@pytest.mark.parametrize(
    ("stopped", "code"),
    [("endpoint lost: large: no sign of life", 3), ("budget.tokens = 9 is used up (9 spent)", 0), ("", 0)],
)
def test_a_run_that_lost_an_endpoint_ends_with_an_error_and_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, stopped: str, code: int
) -> None:
    """A script must not take it for done: a part of the problems was never asked of the model that was lost."""
    monkeypatch.setattr("jobs.solve.summary.close_run", lambda *_: {})
    monkeypatch.setattr("jobs.solve.summary.print_summary", lambda _: None)
    summary = {"complete": not stopped, "stopped": stopped, "statuses": {}}
    config = cast(SolveConfig, None)
    record: dict[str, Any] = {"starts": [{}]}
    assert finish(config, open_storage(str(tmp_path)), record, DriveResult(summary), "proofmill solve x.toml") == code
    said = capsys.readouterr()
    assert (stopped in said.out) and ("Once the endpoint is back: proofmill solve x.toml" in said.err) is bool(code)
    assert record["complete"] is not bool(stopped)
