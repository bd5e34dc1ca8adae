"""What each model of a run cost: by stage, on the curve, and alone as the audit estimates it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_up_run import sample_row, write_run

from jobs.report.page import write_report
from jobs.report.statistics import gather
from jobs.solve.summary import account_rows
from workers.sampling.stage_curves import MIN_AUDITED

FIXED = {"policy": "fixed", "estimates": "unbiased", "num_samples": 2}
CASCADE = {
    **FIXED,
    "stages": [
        {"pool": "small", "samples": 2, "start": 0, **FIXED},
        {"pool": "large", "samples": 2, "start": 2, **FIXED},
    ],
}
AUDITED = {**CASCADE, "audit": True}
WORDS = {"v": "verified", "r": "refuted"}


def samples(name: str, first: str, second: str = "", rule: dict[str, Any] = CASCADE) -> list[dict[str, Any]]:
    """One letter per sample of each stage. A sample of the large model takes three times as long, and 300 tokens."""
    rows = [sample_row(name, i, WORDS[letter], rule, pool="small", generation_s=1.0) for i, letter in enumerate(first)]
    about = {"pool": "large", "stage": 1, "audited": "v" in first, "generation_s": 3.0, "completion_tokens": 290}
    return rows + [sample_row(name, 2 + i, WORDS[letter], rule, **about) for i, letter in enumerate(second)]


def run_of(folder: Path, rows: list[dict[str, Any]], small: dict[str, float], large: dict[str, float]) -> str:
    usd = small["usd"] + large["usd"]
    summary = {"starts": 1, "epoch": 1, "usd": usd, "cpu_s": 9.0, "pools": {"small": small, "large": large}}
    return write_run(str(folder), rows, {"summary": summary, "starts": [{}]})


def test_dollars_are_shared_out_by_stage_and_by_sample(tmp_path: Path) -> None:
    rows = samples("a", "rv") + samples("b", "rr", "rv") + samples("c", "rr", "rr") + samples("d", "vv")
    uri = run_of(tmp_path, rows, {"usd": 8.0, "cpu_s": 16.0}, {"usd": 40.0})
    accounts = gather(uri).accounts
    small, large = accounts.rows()
    assert (small.pool, small.stage, small.reached, small.solved, small.samples) == ("small", 1, 4, 2, 8)
    assert (large.pool, large.stage, large.reached, large.solved, large.samples) == ("large", 2, 2, 1, 4)
    assert (small.usd, large.usd) == (pytest.approx(8.0), pytest.approx(40.0))
    assert small.usd_per_verified == pytest.approx(8 / 3) and large.usd_per_verified == pytest.approx(40.0)
    assert (small.device_s, large.device_s) == (pytest.approx(16.0), 0.0), "an endpoint has no machine here"
    assert accounts.curve() == [
        *((0.0, 0.0), (pytest.approx(4.0), 0.25), (pytest.approx(8.0), 0.5)),
        *((pytest.approx(28.0), 0.5), (pytest.approx(48.0), 0.75)),
    ]
    page = Path(write_report(uri)[0].removeprefix("file://")).read_text()
    assert "What each model cost" in page and "Solved against dollars" in page and "$40.00" in page
    said = dict(account_rows([row._asdict() for row in accounts.rows()]))
    assert said["large, stage 2"] == "1 of 2 problems, 1,160 tokens, $40.00, $40.00 per verified solution"


def audited_run(folder: Path, num_audited: int) -> str:
    rows: list[dict[str, Any]] = []
    for number in range(num_audited):
        easy = number % 2
        rows += samples(f"a{number}", "vr" if easy else "rr", "vv" if easy else "rr", AUDITED)
    for number in range(100 - num_audited):
        rows += samples(f"p{number}", "rv")
    drawn = 2 * num_audited
    return run_of(folder, rows, {"usd": 1.0, "cpu_s": 1.0}, {"usd": 0.5 * drawn})


def test_the_large_model_alone_is_priced_from_the_audit(tmp_path: Path) -> None:
    statistics = gather(audited_run(tmp_path, 2 * MIN_AUDITED))
    (alone,) = statistics.accounts.alone(statistics.stages)
    assert (alone.pool, alone.samples) == ("large", 2)
    assert alone.usd[0] == pytest.approx(100 * 2 * 0.5) and alone.usd[1] <= alone.usd[0] <= alone.usd[2]
    assert alone.solved.estimate.value == pytest.approx(0.5), "it solves every second audited problem"
    solved = {row.pool: row.solved for row in statistics.accounts.rows()}
    assert solved["large"] == 0, "what only the audit drew solves nothing for the cascade"


def test_too_few_audited_problems_price_nothing(tmp_path: Path) -> None:
    statistics = gather(audited_run(tmp_path, MIN_AUDITED - 1))
    assert statistics.accounts.alone(statistics.stages) == [] and statistics.accounts.rows()


def test_a_run_without_prices_or_with_one_model_has_no_accounts(tmp_path: Path) -> None:
    unpriced = run_of(tmp_path / "a", samples("a", "rv"), {"usd": 0.0}, {"usd": 0.0})
    one = write_run(str(tmp_path / "b"), [sample_row("p", 0, "verified", FIXED)], {"summary": {"usd": 3.0}})
    for uri in (unpriced, one):
        assert not gather(uri).accounts and gather(uri).accounts.curve() == []
        assert "What each model cost" not in Path(write_report(uri)[0].removeprefix("file://")).read_text()


def test_the_page_names_every_model(tmp_path: Path) -> None:
    models = {"small": {"path": "tiny", "revision": "abc"}, "large": {"path": "big"}}
    uri = write_run(str(tmp_path), samples("a", "rv"), {"config": {"models": models}, "summary": {}})
    page = Path(write_report(uri)[0].removeprefix("file://")).read_text()
    assert "small tiny abc, large big" in page.replace("<wbr>", "")
    assert json.dumps("small") in page.replace("&#34;", '"')
