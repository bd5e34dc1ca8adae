"""Variants in the report: figures as by hand, no pass@k of a mixture, no comparison under early stopping."""

from __future__ import annotations

import html
import json
import random
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from made_up_run import sample_row, write_run

from jobs.export.pipeline import export
from jobs.export.settings import load_settings
from jobs.nightly.history import read_outcomes
from jobs.report.compare import compare, render_comparison
from jobs.report.page import render_report, write_report
from jobs.report.statistics import RunStatistics, gather
from jobs.report.variants import VariantCounts, VariantTable, stopped_of
from jobs.solve.summary import pass_rates
from workers.sampling.problem_state import SampleOutcome
from workers.sampling.variants import deal

FIXED = {"policy": "fixed", "estimates": "unbiased", "num_samples": 6, "variants": 2}
EARLY = {"policy": "until_verified", "estimates": "unbiased", "num_samples": 6, "num_verified": 1, "variants": 2}
NAMES = ("plain", "brief")
DEAL = deal([2, 1], 6)
STATUSES = {"v": "verified", "r": "refuted", "u": "undecided", "a": None}
TOKENS = {"plain": 100, "brief": 10}
PROBLEMS = ["vrrvrr", "rvrrvr", "vvvvvv", "rrrrrr", "vrvrru", "rrrvvr"]


def rows_of(problems: list[str], rule: dict[str, Any] = FIXED) -> list[dict[str, Any]]:
    return [
        sample_row(
            *(f"p{number}", index, STATUSES[letter], rule),
            variant=NAMES[DEAL[index]],
            completion_tokens=TOKENS[NAMES[DEAL[index]]],
        )
        for number, letters in enumerate(problems)
        for index, letter in enumerate(letters)
    ]


def page_of(uri: str) -> tuple[str, RunStatistics]:
    write_report(uri)
    statistics = gather(uri)
    text = html.unescape(re.sub(r"<[^>]+>", " ", render_report(statistics)))
    return " ".join(text.replace("\u00a0", " ").split()), statistics


def test_variants_stand_side_by_side(tmp_path: Path) -> None:
    text, statistics = page_of(write_run(str(tmp_path), rows_of(PROBLEMS)))
    plain, brief = statistics.variants.compared()
    verified = dict.fromkeys(NAMES, 0)
    for letters in PROBLEMS:
        for index, letter in enumerate(letters):
            verified[NAMES[DEAL[index]]] += letter == "v"
    assert (plain.name, plain.samples, plain.verified) == ("plain", 24, verified["plain"])
    assert (brief.name, brief.samples, brief.verified) == ("brief", 12, verified["brief"])
    assert plain.first is not None and plain.first.estimate.value == pytest.approx(verified["plain"] / 24)
    assert plain.last is not None and (plain.last.k, plain.last.exact) == (4, True)
    assert plain.last.estimate.value == pytest.approx(4 / 6), "two problems have no verified sample of plain"
    assert plain.per_million is not None and plain.per_million.value == pytest.approx(1e4 * verified["plain"] / 24)
    assert brief.token_ratio is not None and plain.token_ratio is None and plain.rate_change is None
    ratio = (verified["brief"] / 120) / (verified["plain"] / 2400)
    assert brief.token_ratio.value == pytest.approx(ratio)
    assert brief.token_ratio.low < ratio < brief.token_ratio.high
    change = verified["brief"] / 12 - verified["plain"] / 24
    assert brief.rate_change is not None and brief.rate_change.value == pytest.approx(change)
    assert brief.rate_change.low < change < brief.rate_change.high
    assert "By variant" in text and f"{ratio:.2f}" in text and f"{100 * change:+.1f}" in text


def test_no_pass_at_k_of_the_mixture_anywhere(tmp_path: Path) -> None:
    uri = write_run(str(tmp_path / "run"), rows_of(PROBLEMS))
    text, statistics = page_of(uri)
    assert statistics.total.mixed == 6 and statistics.total.estimated == 0
    assert "No pass@k: samples were dealt to several variants" in text
    assert pass_rates(statistics.total).to_json() == {} and "variants" in pass_rates(statistics.total).why_not
    table = pq.read_table(f"{uri}/problems.parquet")
    for row in table.to_pylist():
        assert row["estimator"] == "none" and row["settled"] == "exhausted"
        assert {row[name] for name in ("pass_rate", "settled_at_index", "settled_verified", "settled_first_try")} == {
            None
        }
    assert not any(outcome.fixed for outcome in read_outcomes(table).values())
    assert compare(uri, uri).difference is None and "No pass@k" in render_comparison(compare(uri, uri))
    with pytest.raises(Exception, match="nothing to export"):
        export(load_settings("rl", None, ["work.processes=1", "rl.low=0", "rl.high=1"]), [uri], str(tmp_path / "rl"))
    # The same rows without variants do have one: the guard is what takes it away.
    plain = [dict(row, stopping_rule=json.dumps({**FIXED, "variants": 1}), variant=None) for row in rows_of(PROBLEMS)]
    assert gather(write_run(str(tmp_path / "plain"), plain)).total.estimated == 6


def test_a_plan_that_stops_at_outcomes_gives_counts_alone(tmp_path: Path) -> None:
    text, statistics = page_of(write_run(str(tmp_path), rows_of(["v", "rv", "rrraav", "rrrrrr"], EARLY)))
    assert not statistics.variants.is_comparable and "Counts only, and no comparison" in text
    counts = statistics.variants.all
    assert (counts["plain"].problems, counts["plain"].samples, counts["plain"].verified) == (4, 9, 2)
    assert (counts["brief"].problems, counts["brief"].samples, counts["brief"].verified) == (3, 4, 1)
    assert counts["plain"].completion_tokens == 1000, "tokens of aborted samples are paid for too"
    assert "pass@1" not in text.partition("By variant")[2].partition("By domain")[0]


def test_why_counts_under_early_stopping_are_no_comparison() -> None:
    """Two variants of the same rates, a drawn first: what is verified of what was drawn favours a by far."""
    ratio = {}
    for place in (0, 1):
        drawn = verified = 0.0
        for rate in (0.9, 0.1):
            chance = 1.0 if place == 0 else 1 - rate
            drawn += chance
            verified += chance * rate
        ratio[place] = verified / drawn
    assert ratio[0] == pytest.approx(0.5) and ratio[1] == pytest.approx(0.18)


def test_a_problem_that_was_cut_off_counts_for_no_variant(tmp_path: Path) -> None:
    uri = write_run(str(tmp_path), rows_of([*PROBLEMS, "vv", "rvrva"]))
    text, statistics = page_of(uri)
    table = statistics.variants
    assert (table.num_problems, table.num_fair) == (8, 6)
    assert "over the 6 of 8 problems that were sampled to their plan's end" in text
    assert table.all["plain"].samples > table.fair["plain"].samples == 24


def test_repairs_belong_to_their_variant(tmp_path: Path) -> None:
    rows = rows_of(["rrrrrr"])
    repair = sample_row(
        *("p0", 6 + DEAL.index(1), "verified", FIXED), round=1, parent_sample_index=1, variant="brief",
        completion_tokens=5,
    )  # fmt: skip
    _, statistics = page_of(write_run(str(tmp_path), [*rows, repair]))
    plain, brief = statistics.variants.compared()
    assert (plain.verified, brief.verified, brief.samples) == (0, 1, 3)
    assert brief.first is not None and brief.first.estimate.value == 0, "pass@1 is that of first attempts"
    assert brief.last is not None and brief.last.estimate.value == 1
    assert statistics.variants.all["brief"].completion_tokens == 25


def test_one_variant_is_no_mixture(tmp_path: Path) -> None:
    rule = {name: value for name, value in FIXED.items() if name != "variants"}
    rows = [dict(row, variant="only", stopping_rule=json.dumps(rule)) for row in rows_of(PROBLEMS)]
    _, statistics = page_of(write_run(str(tmp_path), rows))
    assert statistics.total.estimated == 6 and not statistics.variants.num_problems


def counts(name: str, outcomes: list[bool], tokens: int) -> VariantCounts:
    stopped = stopped_of([SampleOutcome.VERIFIED if right else SampleOutcome.REFUTED for right in outcomes])
    return VariantCounts(name, len(outcomes), sum(outcomes), tokens, stopped)


@pytest.mark.parametrize(("factor", "shift"), [(1.0, 0.0), (2.5, -0.1)])
def test_the_intervals_cover(factor: float, shift: float) -> None:
    """Problems of different rates and lengths, two variants: the true ratio and difference are inside in 95 %."""
    draw = random.Random(7)
    covered = {"ratio": 0, "rate": 0}
    runs, problems, each = 250, 60, 4
    rates = [(rate, min(max(rate + shift, 0.02), 0.98)) for rate in (0.15, 0.4, 0.6, 0.85)]
    verified = [sum(pair[place] for pair in rates) for place in (0, 1)]
    # Right samples have 100 tokens on average, wrong ones twice as many; the second variant has `factor` times those.
    lengths = [sum(100 * pair[0] + 200 * (1 - pair[0]) for pair in rates), 0.0]
    lengths[1] = factor * sum(100 * pair[1] + 200 * (1 - pair[1]) for pair in rates)
    true_ratio = (verified[1] / lengths[1]) / (verified[0] / lengths[0])
    true_change = (verified[1] - verified[0]) / len(rates)
    for _ in range(runs):
        table = VariantTable()
        for _ in range(problems):
            chosen = draw.choice(rates)
            made = []
            for place, name in enumerate(NAMES):
                right = [draw.random() < chosen[place] for _ in range(each)]
                tokens = sum(draw.uniform(50, 150) * (1 if one else 2) for one in right)
                made.append(counts(name, right, round(tokens * (factor if place else 1.0))))
            table.add(made)
        second = table.compared()[1]
        assert second.token_ratio is not None and second.rate_change is not None
        covered["ratio"] += second.token_ratio.low <= true_ratio <= second.token_ratio.high
        covered["rate"] += second.rate_change.low <= true_change <= second.rate_change.high
    for name, count in covered.items():
        assert 0.90 <= count / runs <= 0.99, (name, count / runs)


def test_what_nothing_can_be_said_of_is_not_said() -> None:
    table = VariantTable()
    for _ in range(3):
        table.add([counts("a", [True, False], 100), counts("b", [False, False], 100)])
    a, b = table.compared()
    assert a.per_million is not None and a.per_million.high == float("inf"), "three problems have no spread to speak of"
    assert b.per_million is None and b.token_ratio is None, "nothing verified: no logarithm"
    assert b.first is not None and b.first.estimate.value == 0
