"""The statistics and the selection of the nightly, on made-up outcomes."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest
from scipy import stats

from jobs.nightly.comparison import compare, mcnemar, problem_shifts, sign_flip
from jobs.nightly.history import Outcome, RunResult
from jobs.nightly.selection import NEAR, NEW, OPEN, REGRESSION, pasts, select
from jobs.nightly.settings import Bounds, Hopeless, Regression

DAY = dt.date(2026, 3, 1)


def outcome(verified: int, samples: int = 8, malformed: int = 0, fixed: bool = True, tokens: int = 800, error: int = 0):
    return Outcome(samples, verified, malformed, 0, error, tokens, tokens / 100, fixed)


def draw_night(rates: np.ndarray, generator: np.random.Generator, samples: int = 8) -> dict[str, Outcome]:
    return {f"p{n:03}": outcome(int(generator.binomial(samples, rate)), samples) for n, rate in enumerate(rates)}


def test_two_equal_nights_are_not_called_a_regression() -> None:
    generator = np.random.default_rng(7)
    rates = generator.beta(0.7, 0.7, 80)
    bounds = Bounds(alpha=0.05, max_pass_rate_drop=0.0, max_lost=0.0)
    alarms = [
        bool(compare(draw_night(rates, generator), draw_night(rates, generator), bounds).regressions)
        for _ in range(100)
    ]
    # Three tests at 5 % each; all of them are conservative or exact, and a drop is one side of two.
    assert sum(alarms) <= stats.binom.ppf(0.999, 100, 0.15)


def test_naive_counting_would_have_called_them_one() -> None:
    """The attack: without tests and correction, chance alone 'loses' problems and lowers rates every second night."""
    generator = np.random.default_rng(7)
    rates = generator.beta(0.7, 0.7, 80)
    found = [compare(draw_night(rates, generator), draw_night(rates, generator), Bounds()) for _ in range(50)]
    assert sum(bool(one.lost) for one in found) > 25
    assert sum(one.pass_rate_after < one.pass_rate_before for one in found) > 10


def test_a_real_drop_is_found_and_named() -> None:
    generator = np.random.default_rng(3)
    rates = np.full(60, 0.7)
    lower = rates - 0.3
    found = compare(draw_night(rates, generator, 16), draw_night(lower, generator, 16), Bounds())
    assert any("mean pass rate fell" in line for line in found.regressions)
    one_broken = rates.copy()
    one_broken[5] = 0.0
    found = compare(draw_night(rates, generator, 32), draw_night(one_broken, generator, 32), Bounds())
    assert [shift.problem_id for shift in found.worse] == ["p005"]
    assert "1 problems got worse beyond chance (bound 0)" in found.regressions


def test_holm_is_holm() -> None:
    before = {"a": outcome(16, 16), "b": outcome(14, 16), "c": outcome(8, 16)}
    after = {"a": outcome(0, 16), "b": outcome(3, 16), "c": outcome(8, 16)}
    shifts = problem_shifts(before, after, ["a", "b", "c"], 0.05)
    raw = [stats.fisher_exact([[16, 0], [0, 16]]).pvalue, stats.fisher_exact([[14, 2], [3, 13]]).pvalue]
    assert [shift.problem_id for shift in shifts] == ["a", "b"]
    assert [shift.p for shift in shifts] == pytest.approx([3 * raw[0], 2 * raw[1]])


def test_sign_flip_is_exact_for_few_and_close_for_many() -> None:
    assert sign_flip([1, 1, 1, 1, 1]) == pytest.approx(2 / 32)
    assert sign_flip([0, 0]) == 1.0
    differences = list(np.random.default_rng(1).normal(0.25, 1, 100))
    assert sign_flip(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.01)


def test_mcnemar() -> None:
    assert mcnemar(0, 0) == 1.0 and mcnemar(5, 5) == 1.0
    assert mcnemar(10, 0) == pytest.approx(2 / 1024)


def test_biased_rates_and_our_own_errors_are_left_out() -> None:
    stopped_early = {"a": outcome(1, 1, fixed=False)}
    found = compare(stopped_early, {"a": outcome(1, 8)}, Bounds())
    assert found.num_paired == 1 and found.num_rates == 0 and not found.regressions
    ours = compare({"a": outcome(8, 8)}, {"a": outcome(4, 8, error=4)}, Bounds())
    assert ours.pass_rate_after == 1.0


def test_cost_and_speed() -> None:
    found = compare({"a": outcome(8)}, {"a": outcome(8, tokens=1600)}, Bounds(max_cost_increase=0.5))
    assert found.regressions == ["tokens a sample rose by 100% (bound 50%)"]


def result(night: dt.date, outcomes: dict[str, Outcome], bucket: str = "main", leg: str = "leg") -> RunResult:
    return RunResult(night, leg, bucket, f"r-{leg}-{bucket}-{night}", "m", {}, "c", 0, 0, 0, 0, 0, outcomes)


def days(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number)


def test_every_problem_has_its_bucket() -> None:
    history = [
        result(days(0), {"solved": outcome(3), "lost": outcome(3), "cut": outcome(0, malformed=6), "hard": outcome(0)}),
        result(days(1), {"lost": outcome(0)}),
        result(days(1), {"solved": outcome(0)}, leg="other"),
        result(days(1), {"ours": outcome(0, 8, error=8)}),
    ]
    past = pasts(history, "leg")
    buckets = select(["new", "solved", "lost", "cut", "hard", "ours"], past, days(2), Regression(), Hopeless())
    assert buckets == {NEW: ["new", "ours"], OPEN: ["hard"], NEAR: ["lost", "cut"], REGRESSION: ["solved"]}


def test_the_regression_sample_changes_by_night_and_is_repeatable() -> None:
    names = [f"p{n}" for n in range(100)]
    past = pasts([result(days(0), {name: outcome(8) for name in names})], "leg")
    draws = [select(names, past, days(n), Regression(problems=10), Hopeless())[REGRESSION] for n in (1, 1, 2)]
    assert draws[0] == draws[1] != draws[2] and len(draws[0]) == 10


def test_the_hopeless_rest_longer_each_time() -> None:
    hopeless = Hopeless(after_nights=3, after_samples=24, rest_nights=4, max_rest_nights=8)
    history: list[RunResult] = []
    tried = []
    for number in range(60):
        past = pasts(history, "leg")
        if select(["hard"], past, days(number), Regression(), hopeless) != {
            NEW: [],
            OPEN: [],
            NEAR: [],
            REGRESSION: [],
        }:
            tried.append(number)
            history.append(result(days(number), {"hard": outcome(0)}))
    assert tried == [0, 1, 2, 7, 16, 25, 34, 43, 52]
    history.append(result(days(61), {"hard": outcome(1)}))
    past = pasts(history, "leg")
    assert select(["hard"], past, days(62), Regression(), hopeless)[REGRESSION] == ["hard"]
