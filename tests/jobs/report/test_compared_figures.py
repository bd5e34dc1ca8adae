"""What a comparison calls a change: differences beyond chance, and no others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_up_run import sample_row, write_run

from jobs.report.compare import compare, render_comparison
from jobs.report.compared_figures import (
    MIN_PROBLEMS,
    WITHIN_CHANCE,
    Differences,
    Totals,
    changed_settings,
    differ,
    exact_share,
)

SAMPLES = 16
RULE = {"policy": "fixed", "estimates": "unbiased", "num_samples": SAMPLES}


def made(folder: Path, name: str, statuses: list[list[str]], tokens: int = 100, **summary: Any) -> str:
    """A run of one problem for each list of statuses."""
    rows = [
        sample_row(f"p{number:03d}", index, status, {**RULE, "num_samples": len(of_problem)}, completion_tokens=tokens)
        for number, of_problem in enumerate(statuses)
        for index, status in enumerate(of_problem)
    ]
    return write_run(str(folder / name), rows, {"summary": summary})


def change_of(first: str, second: str) -> dict[str, tuple[str, str]]:
    return {figure.label: (figure.change, figure.better) for figure in compare(first, second).figures}


def test_rare_events_are_no_change(tmp_path: Path) -> None:
    """2 malformed of 3,840 samples against 1 of 1,280 is +50 % and says nothing."""

    def statuses(per_problem: int, malformed: int) -> list[list[str]]:
        found = [["verified" if (n + i) % 3 else "refuted" for i in range(per_problem)] for n in range(80)]
        for number in range(malformed):
            found[number][0] = "malformed"
        return found

    change = change_of(made(tmp_path, "a", statuses(48, 2)), made(tmp_path, "b", statuses(16, 1)))
    assert change["malformed samples"] == (WITHIN_CHANCE, "soft")
    change = change_of(made(tmp_path, "c", statuses(48, 2)), made(tmp_path, "d", statuses(16, 60)))
    assert change["malformed samples"][0].startswith("+")
    assert change["problems"] == change["samples"] == ("", ""), "counts follow from the settings"


def test_time_and_money_change_where_tokens_can_not_explain_it(tmp_path: Path) -> None:
    statuses = [["verified" if (n + i) % 2 else "refuted" for i in range(SAMPLES)] for n in range(40)]
    slow = made(tmp_path, "slow", statuses, gpu_s=7200.0, usd=8.0)
    fast = made(tmp_path, "fast", statuses, gpu_s=3600.0, usd=4.0)
    change = change_of(slow, fast)
    assert change["verified solutions per GPU-hour"] == ("+100%", "")
    assert change["cost per 1,000 verified solutions"] == ("-50%", "")
    assert change["pass@1"] == ("same", "soft")
    labels = [figure.label for figure in compare(slow, fast).figures]
    assert labels[0] == "verified solutions per GPU-hour", "the figure that rules comes first"
    other = made(tmp_path, "cpu", statuses, cpu_s=3600.0)
    change = change_of(slow, other)
    assert change["verified solutions per GPU-hour"] == change["verified solutions per CPU-hour"] == ("", "")


def test_fewer_tokens_for_the_same_problems_are_better(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    statuses = [[str(random.choice(["verified", "refuted"])) for _ in range(SAMPLES)] for _ in range(40)]
    change = change_of(made(tmp_path, "long", statuses, 200), made(tmp_path, "short", statuses, 100))
    assert change["tokens per verified solution"] == ("-50%", "better")
    assert change["problems solved"] == ("same", "soft")
    few = change_of(made(tmp_path, "long_few", statuses[:4], 200), made(tmp_path, "short_few", statuses[:4], 100))
    assert few["tokens per verified solution"] == (WITHIN_CHANCE, "soft")


def test_changed_settings_are_listed(tmp_path: Path) -> None:
    def run(name: str, temperature: float, revision: str, **more: Any) -> str:
        config = {
            "run": {"id": name},
            "output": {"uri": name},
            "sampling": {"temperature": temperature, "repair": {"rounds": 0}, **more},
        }
        rows = [sample_row("p", index, "verified", RULE, run_id=name) for index in range(2)]
        record = {"config": config, "code_revision": revision, "problems": {"sha256": "c" * 64}}
        return write_run(str(tmp_path / name), rows, record)

    comparison = compare(run("one", 1.0, "abc"), run("two", 0.7, "abd", top_k=5))
    settings = changed_settings(comparison.first.run, comparison.second.run)
    assert [tuple(setting) for setting in settings] == [
        ("sampling.temperature", "1", "0.7"),
        ("code revision", "abc", "abd"),
        ("sampling.top_k", "not stored", "5"),
    ]
    page = render_comparison(comparison)
    assert "Changed settings" in page and "sampling.<wbr>temperature" in page
    same = compare(f"{tmp_path}/one", f"{tmp_path}/one")
    assert "None: both runs had the same settings" in render_comparison(same)


def test_settings_of_runs_without_a_record_are_not_said_to_be_the_same(tmp_path: Path) -> None:
    rows = [sample_row("p", index, "verified", RULE) for index in range(2)]
    bare = write_run(str(tmp_path), rows)
    assert "Not known: a run left no run.json" in render_comparison(compare(bare, bare))


NONE = {"num_malformed": 0, "num_undecided": 0, "num_error": 0, "num_unchecked": 0, "stopping_rule": "{}"}


def drawn_run(random: np.random.Generator, rates: np.ndarray, paired: bool) -> list[dict[str, Any]]:
    """Rows of problems.parquet with what the figures read. `rates`: the malformed share of each problem."""
    own = rates if paired else random.permutation(rates)
    rows = []
    for rate in own:
        malformed = int(random.binomial(SAMPLES, rate))
        verified = int(random.binomial(SAMPLES - malformed, 0.5))
        tokens = int(100 * random.gamma(8, 0.125, SAMPLES).sum())
        counts = {**NONE, "num_malformed": malformed, "num_verified": verified}
        rows.append({**counts, "num_samples": SAMPLES, "completion_tokens": tokens, "solved": verified > 0})
    return rows


def naive(first: Totals, second: Totals, name: str) -> bool:
    """Samples taken as independent."""
    return differ(*(exact_share(totals.counts[name], totals.sizes[name]) for totals in (first, second)))


@pytest.mark.parametrize("paired", [True, False], ids=["the same problems", "other problems"])
def test_equal_models_are_rarely_said_to_differ(paired: bool) -> None:
    """1,000 pairs of runs of one model on 40 problems: at most 5 % of them may look different, and a little more for
    the 40 problems' sake. Counting samples as independent would call far more of them different."""
    random = np.random.default_rng(0)
    alarms = {"malformed": 0, "tokens_per_verified": 0, "naive": 0}
    for _ in range(1000):
        rates = random.beta(0.3, 1.0, 40)
        runs = [drawn_run(random, rates if paired else random.beta(0.3, 1.0, 40), paired) for _ in range(2)]
        totals = Totals(), Totals()
        for rows, sums in zip(runs, totals, strict=True):
            for row in rows:
                sums.add(row)
        differences = Differences(*totals)
        influences = [[sums.influence(row) for row in rows] for rows, sums in zip(runs, totals, strict=True)]
        if paired:
            for a, b in zip(*influences, strict=True):
                differences.add(a, b)
        else:
            for a in influences[0]:
                differences.add(a, None)
            for b in influences[1]:
                differences.add(None, b)
        alarms["malformed"] += differences.is_beyond_chance("malformed")
        alarms["tokens_per_verified"] += differences.is_beyond_chance("tokens_per_verified")
        alarms["naive"] += naive(*totals, "malformed")
    assert alarms["malformed"] <= 70 and alarms["tokens_per_verified"] <= 70, alarms
    assert paired or alarms["naive"] > 300, alarms


def test_too_few_problems_say_nothing() -> None:
    totals = Totals(), Totals()
    row = {**NONE, "num_verified": 4, "num_samples": 4, "solved": True}
    rows = [{**row, "completion_tokens": tokens} for tokens in (100, 900)]
    for number in range(1, MIN_PROBLEMS + 1):
        for sums, each in zip(totals, rows, strict=True):
            sums.add(each)
        differences = Differences(*totals)
        for _ in range(number):
            differences.add(*(sums.influence(each) for sums, each in zip(totals, rows, strict=True)))
        assert differences.is_beyond_chance("tokens_per_verified") == (number >= MIN_PROBLEMS)
