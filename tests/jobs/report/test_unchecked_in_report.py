"""Problems without an answer key change no figure of the others: a run with them says what it says without them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from made_up_run import sample_row, write_run

from jobs.report.compare import compare
from jobs.report.page import render_report, write_report
from jobs.report.statistics import RunStatistics, gather
from jobs.solve.summary import pass_rates

FIXED = {"policy": "fixed", "estimates": "unbiased", "num_samples": 4}
STAGES = [
    {"pool": "small", "samples": 2, "start": 0, **FIXED, "num_samples": 2},
    {"pool": "large", "samples": 2, "start": 2, **FIXED, "num_samples": 2},
]
RULES: dict[str, dict[str, Any]] = {
    "plain": FIXED,
    "variants": {**FIXED, "variants": 2},
    "cascade": {**FIXED, "num_samples": 2, "stages": STAGES},
}
WORDS = {"v": "verified", "r": "refuted", "m": "malformed", "e": "error", "u": "unchecked", "-": None}


def rows_of(form: str, name: str, letters: str, **other: Any) -> list[dict[str, Any]]:
    rule = {**RULES[form], **({"keyless": True} if name.startswith("u") else {})}
    rows = []
    for index, letter in enumerate(letters):
        stage = index // 2 if form == "cascade" else 0
        place = {"pool": "large" if stage else "small", "stage": stage}
        variant = {"variant": "ab"[index % 2]} if form == "variants" else {}
        rows.append(sample_row(name, index, WORDS[letter], rule, **{**place, **variant, **other}))
    return rows


def gathered(folder: Path, rows: list[dict[str, Any]], usd: float, cpu_s: float) -> tuple[str, RunStatistics]:
    pools = {"small": {"usd": usd, "cpu_s": cpu_s}, "large": {"usd": usd, "cpu_s": cpu_s}}
    record = {"summary": {"starts": 1, "epoch": 1, "usd": usd, "cpu_s": cpu_s, "pools": pools}, "starts": [{}]}
    uri = write_run(str(folder), rows, record)
    return uri, gather(uri)


@pytest.mark.parametrize("form", RULES)
def test_every_figure_of_the_others_is_as_it_was(tmp_path: Path, form: str) -> None:
    keyed = [*rows_of(form, "a", "vvrm"), *rows_of(form, "b", "rrvr"), *rows_of(form, "c", "rrrr")]
    # As many samples of either model without a key as with one, and each of them takes twice as long.
    about = {"generation_s": 4.0, "completion_tokens": 700}
    keyless = [row for name in ("u1", "u2", "u3") for row in rows_of(form, name, "uuuu", **about)]
    _, before = gathered(tmp_path / "before", keyed, usd=6.0, cpu_s=100.0)
    uri, after = gathered(tmp_path / "after", keyed + keyless, usd=18.0, cpu_s=300.0)
    one, two = before.total, after.total
    assert (two.problems, two.checked, two.unchecked, two.statuses["unchecked"]) == (6, 3, 3, 12)
    assert (one.solved_share, one.missing, one.checked_tokens) == (two.solved_share, two.missing, two.checked_tokens)
    assert one.passes.points() == two.passes.points() and one.tokens_per_verified == two.tokens_per_verified
    assert pass_rates(one) == pass_rates(two)
    assert after.price_per_verified() == pytest.approx(before.price_per_verified())
    assert after.verified_per_hour() == pytest.approx(before.verified_per_hour())
    assert before.stages.rows() == after.stages.rows()
    assert before.variants.names == after.variants.names and before.variants.num_fair == after.variants.num_fair
    for mine, theirs in zip(before.accounts.rows(), after.accounts.rows(), strict=True):
        assert (mine.reached, mine.solved) == (theirs.reached, theirs.solved)
        assert theirs.usd_per_verified == pytest.approx(mine.usd_per_verified)
        assert theirs.usd == pytest.approx(3 * mine.usd), "the bill itself is the whole one"
    assert before.checkers.keys() == after.checkers.keys()
    assert [c.statuses for c in before.checkers.values()] == [c.statuses for c in after.checkers.values()]
    page = render_report(after)
    assert "3 of 6 problems, which have no answer key (12 unchecked samples)" in page
    found = compare(uri, uri)
    assert (found.common, found.compared, found.unchecked) == (6, 3, 3)


def test_a_run_without_any_key_claims_nothing(tmp_path: Path) -> None:
    uri, statistics = gathered(tmp_path / "run", rows_of("plain", "u", "uu-u"), usd=1.0, cpu_s=1.0)
    total = statistics.total
    assert total.solved_share is None and total.tokens_per_verified is None and not total.passes.points()
    assert statistics.price_per_verified() is None and pass_rates(total).why_not == "no problem has an answer key"
    page = Path(write_report(uri)[0].removeprefix("file://")).read_text()
    assert "No pass@k: no problem has an answer key." in page and "unchecked" in page
    (row,) = pq.read_table(f"{uri}/problems.parquet").to_pylist()
    assert (row["num_unchecked"], row["num_aborted"], row["solved"], row["pass_rate"]) == (3, 1, False, None)


def test_our_own_faults_do_not_give_a_problem_without_a_key_a_pass_rate(tmp_path: Path) -> None:
    """All of its samples are errors, so that only its stopping rule tells."""
    _, statistics = gathered(tmp_path / "run", rows_of("plain", "u", "eeee"), usd=1.0, cpu_s=1.0)
    assert statistics.total.unchecked == 1 and not statistics.total.estimated
