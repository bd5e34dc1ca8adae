"""The adaptive policy: its prior, its ranking, its frozen give-up boundaries and how a resume gets them back."""

from __future__ import annotations

import json
import random
from collections import Counter

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import beta, binom

from workers.sampling.adaptive import Adaptive
from workers.sampling.plan import Plan
from workers.sampling.prior import fit_prior
from workers.sampling.priority_queue import PriorityQueue
from workers.sampling.problem_state import ProblemState, SampleOutcome
from workers.sampling.registry import make_policy

V, R = SampleOutcome.VERIFIED, SampleOutcome.REFUTED


def learn(policy: Adaptive, rates: dict[str, list[float]], first: int = 0, draws: int = 8) -> int:
    """Opens and samples problems of known pass rates; returns the next free problem number."""
    rng = random.Random(1)
    number = first
    for domain, ps in rates.items():
        for p in ps:
            state = policy.open(number, domain)
            number += 1
            for index in policy.issue(state, draws):
                policy.observe(state, index, V if rng.random() < p else R, tokens=100)
    return number


@pytest.mark.parametrize(("a", "b"), [(0.3, 0.3), (2.0, 6.0), (8.0, 2.0)])
def test_the_fit_finds_the_prior_that_made_the_counts(a: float, b: float) -> None:
    rng = np.random.default_rng(3)
    ps = rng.beta(a, b, 2000)
    # Stopped at the first success or after 10: the likelihood does not care.
    counts: Counter[tuple[int, int]] = Counter()
    for p in ps:
        failures = int(rng.geometric(p)) - 1 if p > 0 else 10
        counts[(1, failures) if failures < 10 else (0, 10)] += 1
    fitted_a, fitted_b = fit_prior(counts, {})
    assert fitted_a / (fitted_a + fitted_b) == pytest.approx(a / (a + b), abs=0.06)
    assert 0.4 < (fitted_a + fitted_b) / (a + b) < 2.5


def test_a_domain_of_two_problems_leans_on_the_run() -> None:
    run = Counter({(9, 1): 500})
    alone = fit_prior(Counter({(0, 2): 2}), {})
    pooled = fit_prior(Counter({(0, 2): 2}), run)
    assert alone[0] / sum(alone) < 0.1 < pooled[0] / sum(pooled)


@pytest.mark.parametrize(
    ("verified", "failed", "flying", "needed"), [(0, 3, 4, 1), (1, 2, 3, 3), (2, 0, 6, 4), (0, 0, 0, 2)]
)
def test_usefulness_is_the_posterior_probability_it_claims_to_be(verified, failed, flying, needed) -> None:
    policy = Adaptive(64, wave=64, num_verified=needed)
    state = policy.open(0, "")
    policy.issue(state, verified + failed + flying)
    for index in range(verified + failed):
        policy.observe(state, index, V if index < verified else R)
    posterior = beta(1 + verified, 1 + failed)
    truth, _ = quad(lambda p: posterior.pdf(p) * p * binom.cdf(needed - verified - 1, flying, p), 0, 1)
    assert policy.usefulness(state) == pytest.approx(truth, rel=1e-6)


def test_the_priority_queue_prefers_likely_and_short_problems_and_spreads_speculation() -> None:
    policy = Adaptive(16, wave=4, num_verified=1)
    learn(policy, {"easy": [0.9] * 60, "hard": [0.05] * 60})
    assert policy.refits >= 1
    queue = PriorityQueue(policy)
    hard = policy.open(1000, "hard")
    easy = [policy.open(number, "easy") for number in (1001, 1002)]
    for state in (hard, *easy):
        queue.push(state)
    order = [state.number for state, _ in queue.take(6)]
    assert set(order[:2]) == {1001, 1002}, "one each before a second one that is probably useless"
    assert 1000 in order

    long, short = policy.open(1003, "easy"), policy.open(1004, "easy")
    for state, tokens in ((long, 900), (short, 30)):
        policy.issue(state, 1)
        policy.observe(state, 0, R, tokens=tokens)
    assert policy.priority(short) > policy.priority(long)


def test_a_plan_is_frozen_when_its_problem_is_opened() -> None:
    settings = {"policy": "adaptive", "num_samples": 256, "wave": 4, "num_verified": 2}
    policy = make_policy(settings)
    assert isinstance(policy, Adaptive)
    early = policy.open(0, "hard")
    promised = early.plan
    last = learn(policy, {"hard": [0.01] * 50, "easy": [0.95] * 50}, first=1)
    late = {domain: policy.open(last + number, domain) for number, domain in enumerate(("hard", "easy"))}
    assert early.plan == promised
    assert late["hard"].plan != promised and late["hard"].plan.give_up[0] < promised.give_up[0]
    assert Plan.from_json(json.loads(json.dumps(policy.stopping_rule(late["hard"])))) == late["hard"].plan


def test_boundaries_use_nothing_of_the_problem_they_bind() -> None:
    """The plan of problem n is the same whatever problem n itself will show."""

    def plan_of(outcome: SampleOutcome) -> ProblemState:
        policy = Adaptive(64, wave=4)
        last = learn(policy, {"d": [0.2] * 40})
        state = policy.open(last, "d")
        for index in policy.issue(state, 20):
            policy.observe(state, index, outcome)
        for _ in range(200):
            learn(policy, {"d": [0.2]}, first=last + 1)
        return state

    assert plan_of(V).plan == plan_of(R).plan


def test_a_hopeless_problem_is_given_up_at_its_boundary() -> None:
    policy = Adaptive(500, wave=4)
    last = learn(policy, {"d": [0.0] * 20 + [0.9] * 40})
    state = policy.open(last, "d")
    while not policy.settle(state):
        for index in policy.issue(state, policy.next_samples(state, 10)):
            policy.observe(state, index, R, tokens=100)
    assert state.settled == "hopeless"
    assert state.settled_at_index + 1 == state.plan.give_up[0] < 200


def test_with_distinct_only_a_problem_without_solutions_is_given_up() -> None:
    policy = Adaptive(500, wave=4, num_verified=3, distinct=True)
    last = learn(policy, {"d": [0.0] * 20 + [0.9] * 40})
    plan = policy.open(last, "d").plan
    assert plan.distinct and plan.give_up[0] < 500 and plan.give_up[1:] == (500,)


def test_domains_beyond_the_cap_share_one_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.sampling.adaptive.MAX_DOMAINS", 3)
    policy = Adaptive(8, wave=2)
    assert [policy.open(number, f"d{number}").domain for number in range(5)] == ["d0", "d1", "d2", "", ""]
