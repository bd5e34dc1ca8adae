"""Figures per stage of a cascade: exact in expectation by enumeration, with intervals that cover as often as stated."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

import numpy as np
import pytest

from workers.sampling import estimates
from workers.sampling.estimates import Stopped, first_pass, pass_at_k, replay
from workers.sampling.plan import Plan
from workers.sampling.problem_state import SampleOutcome
from workers.sampling.stage_curves import MIN_AUDITED, StageCurves

V, R = int(SampleOutcome.VERIFIED), int(SampleOutcome.REFUTED)
PLANS = [Plan(3), Plan(4, 1), Plan(5, 2), Plan(6, 1, (3,)), Plan(6, 2, (3, 4))]


def stops(plan: Plan, rate: float) -> Iterator[tuple[Stopped, float]]:
    """Every way in which a plan can stop, and its probability."""
    seen: dict[Stopped, float] = {}
    for outcomes in itertools.product((V, R), repeat=plan.num_samples):
        stopped = replay(plan, outcomes)
        assert stopped is not None
        chance = float(np.prod([rate if outcome == V else 1 - rate for outcome in outcomes]))
        seen[stopped] = seen.get(stopped, 0.0) + chance
    yield from seen.items()


@pytest.mark.parametrize("later", PLANS)
@pytest.mark.parametrize("first", PLANS)
def test_the_expectation_is_exact_given_that_the_stage_before_failed_and_in_the_audit(first: Plan, later: Plan) -> None:
    for small, large in itertools.product((0.05, 0.4, 0.9), repeat=2):
        of_large = list(stops(later, large))
        for k in range(1, estimates.reach(later) + 1):
            failed = given = audit = 0.0
            for before, chance in stops(first, small):
                for after, other in of_large:
                    value = first_pass(after) if k == 1 else pass_at_k(after, k)
                    assert value is not None
                    audit += chance * other * value
                    if not before.solutions:
                        given += chance * other * value
                        failed += chance * other
            truth = 1 - (1 - large) ** k
            assert given / failed == pytest.approx(truth, abs=1e-12)
            assert audit == pytest.approx(truth, abs=1e-12)


EASY_AND_HARD = [(0.9, 0.95), (0.1, 0.3)]
"""Rates of the small and the large model on two kinds of problems."""


def test_what_a_later_stage_sees_is_no_figure_of_its_model() -> None:
    """The attack that the audit is for: the plain figure of the second stage is far below its model's own."""
    plan = Plan(2)
    own = sum(large for _, large in EASY_AND_HARD) / 2
    weights = [(1 - small) ** plan.num_samples for small, _ in EASY_AND_HARD]
    seen = sum(w * large for w, (_, large) in zip(weights, EASY_AND_HARD, strict=True)) / sum(weights)
    assert own - seen > 0.25


SMALL, LARGE = Plan(3), Plan(4)
ENDS = {
    plan: [replay(plan, [V] * count + [R] * (plan.num_samples - count)) for count in range(plan.num_samples + 1)]
    for plan in (SMALL, LARGE)
}
"""Where a plan with a fixed number of samples stops, by the number of verified ones."""


def simulated(rng: np.random.Generator, num_problems: int, share: float) -> StageCurves:
    """Problems of a population whose hard ones are hard for both models."""
    curves = StageCurves(2)
    abilities = rng.beta(1.2, 1.2, num_problems)
    small, large = rng.binomial(3, abilities**2), rng.binomial(4, abilities)
    for first, second, audited in zip(small, large, rng.random(num_problems) < share, strict=True):
        stops = [ENDS[SMALL][first], ENDS[LARGE][second]]
        curves.add(stops if audited or not first else stops[:1], bool(audited))
    return curves


def test_the_intervals_cover_as_often_as_they_say() -> None:
    runs = int(os.environ.get("PROOFMILL_COVERAGE_RUNS", "1000"))
    abilities = np.random.default_rng(1).beta(1.2, 1.2, 2_000_000)
    failing = (1 - abilities**2) ** 3
    truth = {"alone": float(abilities.mean()), "given": float((failing * abilities).sum() / failing.sum())}
    hits = dict.fromkeys(truth, 0)
    rng = np.random.default_rng(20261130)
    for _ in range(runs):
        curves = simulated(rng, 300, 0.4)
        for name, point in (("alone", curves.alone(1, 1)), ("given", curves.given(1, 1))):
            assert point is not None
            hits[name] += point.estimate.low <= truth[name] <= point.estimate.high
    coverage = {name: count / runs for name, count in hits.items()}
    print(coverage)
    assert all(0.93 <= share <= 0.97 for share in coverage.values()), coverage


def test_nothing_is_said_of_a_model_alone_with_fewer_than_thirty_audited_problems() -> None:
    curves = StageCurves(2)
    stop = replay(Plan(2), [R, V])
    assert stop is not None
    for _ in range(MIN_AUDITED):
        assert curves.alone(1, 1) is None
        curves.add([stop, stop], audited=True)
    point = curves.alone(1, 1)
    assert point is not None and point.estimate.value == 0.5
    assert curves.reached[1].problems == 0, "extra samples of solved problems are no evidence of what a stage adds"


def test_a_problem_that_was_not_sampled_to_its_end_takes_the_claim_away() -> None:
    curves = StageCurves(2)
    failed, solved = replay(Plan(2), [R, R]), replay(Plan(2), [V, V])
    for _ in range(MIN_AUDITED):
        curves.add([failed, solved], audited=True)
    assert curves.given(1, 1) is not None and curves.alone(1, 1) is not None
    curves.add([failed, None], audited=False)
    assert curves.given(0, 1) is not None and curves.given(1, 1) is None and curves.alone(1, 1) is not None
    curves.add([solved, None], audited=True)
    assert curves.alone(1, 1) is None
