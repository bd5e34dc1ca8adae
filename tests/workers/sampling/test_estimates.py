"""The estimators, proven by enumeration: expectation over every possible outcome sequence, coverage at every rate."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import pytest

from workers.sampling import estimates
from workers.sampling.estimates import Stopped
from workers.sampling.plan import Plan
from workers.sampling.problem_state import SampleOutcome

V, R, F = SampleOutcome.VERIFIED, SampleOutcome.REPAIRED, SampleOutcome.REFUTED

PLANS = [
    Plan(7),
    Plan(9, 1),
    Plan(9, 3),
    Plan(9, 1, (5,)),
    Plan(9, 3, (3, 4, 6)),
    Plan(9, 3, (2,)),
    Plan(8, 4, (4, 4, 4, 8)),
    Plan(1, 1),
]
RATES = [0.0, 0.03, 0.2, 0.5, 0.77, 0.99, 1.0]


def sequences(plan: Plan, chances: dict[tuple[SampleOutcome, int], float]) -> Iterator[tuple[Stopped, float]]:
    """Every stop of a plan with its probability; `chances` by (outcome, solution key)."""
    open_: list[tuple[tuple[tuple[SampleOutcome, int], ...], float]] = [((), 1.0)]
    while open_:
        path, weight = open_.pop()
        outcomes = [outcome for outcome, _ in path]
        stopped = estimates.replay(plan, outcomes, dict(enumerate(key for _, key in path)))
        if stopped:
            assert stopped.num_samples == len(path)
            yield stopped, weight
        else:
            open_ += [((*path, step), weight * chance) for step, chance in chances.items() if chance]


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("p", RATES)
def test_pass_at_k_is_unbiased_for_every_closed_plan(plan: Plan, p: float) -> None:
    stops = list(sequences(plan, {(V, 0): p, (F, 0): 1 - p}))
    assert math.fsum(weight for _, weight in stops) == pytest.approx(1)
    for k in range(1, estimates.reach(plan) + 1):
        values = [(estimates.pass_at_k(stopped, k), weight) for stopped, weight in stops]
        assert all(value is not None and 0 <= value <= 1 for value, _ in values)
        mean = math.fsum(value * weight for value, weight in values if value is not None)
        assert mean == pytest.approx(1 - (1 - p) ** k, abs=1e-12)
    assert math.fsum(estimates.first_pass(s) * w for s, w in stops) == pytest.approx(p, abs=1e-12)
    beyond = estimates.reach(plan) + 1
    assert all(estimates.pass_at_k(stopped, beyond) is None for stopped, _ in stops)
    assert math.fsum(estimates.pass_at_most(s, beyond) * w for s, w in stops) <= 1 - (1 - p) ** beyond + 1e-12


@pytest.mark.parametrize("plan", PLANS[1:6], ids=str)
def test_the_plain_ratio_is_not(plan: Plan) -> None:
    stops = list(sequences(plan, {(V, 0): 0.3, (F, 0): 0.7}))
    assert abs(math.fsum(estimates.naive_rate(s) * w for s, w in stops) - 0.3) > 0.02


@pytest.mark.parametrize("plan", PLANS, ids=str)
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_intervals_cover_every_rate(plan: Plan, confidence: float) -> None:
    coverage = []
    for p in [0.001, *(step / 50 for step in range(1, 50)), 0.999]:
        covered = 0.0
        for stopped, weight in sequences(plan, {(V, 0): p, (F, 0): 1 - p}):
            estimate = estimates.pass_rate(stopped, confidence)
            assert 0 <= estimate.low < estimate.high <= 1 and 0 <= estimate.value <= 1
            covered += weight * (estimate.low - 1e-9 <= p <= estimate.high + 1e-9)
        coverage.append(covered)
    assert min(coverage) >= confidence - 1e-9
    assert min(coverage) < 0.9999 or plan.num_samples == 1, "an interval that always covers says nothing"


@pytest.mark.parametrize(
    "plan", [Plan(6, 2, distinct=True), Plan(6, 3, distinct=True), Plan(6, 2, (3, 6), True)], ids=str
)
@pytest.mark.parametrize("rates", [(0.3, 0.1, 0.05), (0.6, 0.0, 0.0), (0.2, 0.2, 0.2)])
def test_stopping_on_distinct_texts_is_estimated_without_bias(plan: Plan, rates: tuple[float, ...]) -> None:
    p = sum(rates)
    chances = {(V, key): rate for key, rate in enumerate(rates)} | {(F, -1): 1 - p}
    stops = list(sequences(plan, chances))
    for k in range(1, estimates.reach(plan) + 1):
        mean = math.fsum((estimates.pass_at_k(s, k) or 0.0) * w for s, w in stops)
        assert mean == pytest.approx(1 - (1 - p) ** k, abs=1e-12)
    covered = math.fsum(w for s, w in stops if estimates.pass_rate(s).low <= p <= estimates.pass_rate(s).high)
    assert covered >= 0.95


@pytest.mark.parametrize("plan", [Plan(5), Plan(6, 1), Plan(6, 2), Plan(6, 2, (3, 4))], ids=str)
def test_repair_rounds_settle_a_problem_but_do_not_pass_for_a_first_attempt(plan: Plan) -> None:
    stops = list(sequences(plan, {(V, 0): 0.25, (R, 0): 0.3, (F, 0): 0.45}))
    assert math.fsum(estimates.first_pass(s) * w for s, w in stops) == pytest.approx(0.25, abs=1e-12)
    assert math.fsum((estimates.pass_at_k(s, 2) or 0) * w for s, w in stops) == pytest.approx(1 - 0.45**2, abs=1e-12)
    covered = math.fsum(w for s, w in stops if estimates.pass_rate(s).low <= 0.25 <= estimates.pass_rate(s).high)
    assert covered >= 0.95


def test_fixed_n_is_the_known_formula() -> None:
    stopped = estimates.replay(Plan(10), [V, V, V] + [F] * 7)
    assert stopped and stopped.method == "hypergeometric"
    assert estimates.pass_at_k(stopped, 4) == pytest.approx(1 - math.comb(7, 4) / math.comb(10, 4))
    low, high = estimates.clopper_pearson(3, 10)
    assert (low, high) == pytest.approx((0.06673951, 0.65245285))  # the textbook's 3 of 10


def test_large_plans_stay_exact() -> None:
    plan = Plan(1000, 5, (200, 250, 300, 400, 600))
    stopped = estimates.replay(plan, ([F] * 90 + [V]) * 4 + [F] * 90 + [V])
    assert stopped and stopped.why == "solved"
    estimate = estimates.pass_rate(stopped)
    assert 0 < estimate.low < estimate.value < estimate.high < 0.1
    assert 0 < (estimates.pass_at_k(stopped, 100) or 0) < 1
    assert estimates.pass_at_k(stopped, 200) == 1, "200 failures first would have been given up"


def test_a_hole_or_an_unfinished_plan_gives_no_estimate() -> None:
    plan = Plan(4, 1)
    assert estimates.replay(plan, [F, SampleOutcome.UNKNOWN, V]) is None
    assert estimates.replay(plan, [F, SampleOutcome.ABORTED, V]) is None
    assert estimates.replay(plan, [F, F]) is None
    above = estimates.replay(plan, [F, V, SampleOutcome.ABORTED, V])
    assert above and above.num_samples == 2, "nothing above the stop counts"


def test_errors_and_undecided_count_as_not_verified() -> None:
    stopped = estimates.replay(Plan(3), [SampleOutcome.ERROR, SampleOutcome.UNDECIDED, V])
    assert stopped and (stopped.solutions, stopped.failures) == (1, 2)


@pytest.mark.parametrize(("p", "num_problems"), [(0.5, 20), (0.95, 40), (0.05, 15)])
def test_the_mean_over_problems_is_covered(p: float, num_problems: int) -> None:
    """Exact over binomial counts: each problem solved or not in one draw."""
    plan = Plan(1)
    hit, miss = estimates.replay(plan, [V]), estimates.replay(plan, [F])
    assert hit and miss
    covered = 0.0
    for solved in range(num_problems + 1):
        estimate = estimates.mean_estimate({hit: solved, miss: num_problems - solved}, estimates.first_pass)
        assert estimate is not None
        weight = math.comb(num_problems, solved) * p**solved * (1 - p) ** (num_problems - solved)
        covered += weight * (estimate.low <= p <= estimate.high)
    assert covered >= 0.95


def test_a_set_with_a_problem_beyond_reach_has_no_mean() -> None:
    near, far = estimates.replay(Plan(8, 1, (2,)), [F, F]), estimates.replay(Plan(8, 1), [V])
    assert near and far
    both = {near: 1, far: 1}
    assert estimates.mean_estimate(both, lambda s: estimates.pass_at_k(s, 3)) is None
    assert estimates.mean_estimate({}, estimates.first_pass) is None
    bound = estimates.mean_estimate(both, lambda s: estimates.pass_at_most(s, 3))
    assert bound and bound.value == 0.5
    assert len(list(itertools.islice(sequences(Plan(2), {(V, 0): 0.5, (F, 0): 0.5}), 9))) == 4
