"""Whole simulated runs over known pass rates: the policies, an engine with room for few samples at once, samples that
take longer when they are wrong, verdicts in order of completion, aborts. What the estimators make of it is compared
with the truth."""

from __future__ import annotations

import dataclasses
import heapq
import math
import random
from typing import Any

import pytest

from workers.sampling import estimates
from workers.sampling.estimates import Stopped
from workers.sampling.plan import Plan
from workers.sampling.priority_queue import PriorityQueue
from workers.sampling.problem_state import SampleOutcome
from workers.sampling.registry import make_policy

RATES = (0.05, 0.2, 0.5, 0.8)
DOMAINS = {0.05: "hard", 0.2: "hard", 0.5: "easy", 0.8: "easy"}
PER_RATE = 500
ENGINE_ROOM = 96


@dataclasses.dataclass
class Simulated:
    """One problem's end: its rule and outcomes as a stored run would have them."""

    rate: float
    rule: dict[str, Any]
    outcomes: list[SampleOutcome]

    @property
    def stopped(self) -> Stopped | None:
        if self.rule["estimates"] != "unbiased":
            return None
        return estimates.replay(Plan.from_json(self.rule), self.outcomes)

    @property
    def finished(self) -> list[SampleOutcome]:
        return [outcome for outcome in self.outcomes if outcome not in (SampleOutcome.UNKNOWN, SampleOutcome.ABORTED)]


def simulate(sampling: dict[str, Any], seed: int) -> list[Simulated]:
    """Wrong samples take four times as long as right ones, the worst case for a policy that aborts by time."""
    rng = random.Random(seed)
    policy = make_policy(sampling)
    queue = PriorityQueue(policy)
    rates = [rate for rate in RATES for _ in range(PER_RATE)]
    rng.shuffle(rates)
    states = []
    clock = 0.0
    flying: list[tuple[float, int, int, SampleOutcome]] = []
    opened = 0
    while True:
        while opened < len(rates) and len(queue) < 200:
            states.append(policy.open(opened, DOMAINS[rates[opened]]))
            queue.push(states[-1])
            opened += 1
        for state, index in queue.take(ENGINE_ROOM - len(flying)):
            right = rng.random() < rates[state.number]
            length = rng.expovariate(1.0) * (1 if right else 4)
            outcome = SampleOutcome.VERIFIED if right else SampleOutcome.REFUTED
            heapq.heappush(flying, (clock + length, state.number, index, outcome))
        if not flying:
            break
        clock, number, index, outcome = heapq.heappop(flying)
        state = states[number]
        policy.observe(state, index, outcome, tokens=100 if outcome == SampleOutcome.VERIFIED else 400)
        policy.settle(state)
        doomed = set(policy.abortable(state))
        if doomed:
            flying = [entry for entry in flying if entry[1] != number or entry[2] not in doomed]
            heapq.heapify(flying)
            for each in doomed:
                policy.observe(state, each, SampleOutcome.ABORTED)
        queue.push(state)
    assert all(state.settled for state in states)
    return [
        Simulated(rates[state.number], policy.stopping_rule(state), [SampleOutcome(byte) for byte in state.outcomes])
        for state in states
    ]


POLICIES: dict[str, dict[str, Any]] = {
    "fixed": {"policy": "fixed", "num_samples": 8},
    "until_verified": {"policy": "until_verified", "num_samples": 16, "wave": 4, "num_verified": 1},
    "until_two_verified": {"policy": "until_verified", "num_samples": 16, "wave": 8, "num_verified": 2},
    "adaptive": {"policy": "adaptive", "num_samples": 64, "wave": 6, "num_verified": 2},
}


@pytest.mark.parametrize("name", POLICIES)
def test_estimates_hit_the_truth_where_plain_counts_miss_it(name: str) -> None:
    run = simulate(POLICIES[name], seed=20)
    if name == "adaptive":
        assert len({str(row.rule.get("give_up")) for row in run}) > 2, "boundaries were refitted as the run went on"
    for rate in RATES:
        rows = [row for row in run if row.rate == rate]
        stops = [row.stopped for row in rows]
        assert None not in stops
        for k in (1, 2, 5):
            values = [estimates.pass_at_k(stopped, k) for stopped in stops if stopped]
            truth = 1 - (1 - rate) ** k
            assert None not in values
            mean = math.fsum(value or 0.0 for value in values) / len(values)
            spread = math.fsum(((value or 0.0) - mean) ** 2 for value in values) / len(values)
            assert abs(mean - truth) < 4 * math.sqrt(max(spread, truth * (1 - truth)) / len(values)), (rate, k)
        covered = [
            estimate.low <= rate <= estimate.high
            for estimate in (estimates.pass_rate(stopped) for stopped in stops if stopped)
        ]
        assert sum(covered) / len(covered) > 0.95 - 3 * math.sqrt(0.95 * 0.05 / len(covered))

        naive = [row.finished.count(SampleOutcome.VERIFIED) / len(row.finished) for row in rows]
        error = sum(naive) / len(naive) - rate
        standard_error = math.sqrt(rate * (1 - rate) / len(rows))
        if name == "fixed":
            assert abs(error) < 4 * standard_error
        elif rate in (0.2, 0.5):
            assert error > 4 * standard_error, "the test would not notice a biased estimator"


def test_the_interval_of_the_set_covers_its_mean_rate_at_the_stated_share() -> None:
    """60 small sets, each of problems with rates drawn anew: how often the 80 % interval holds the expected mean."""
    rng = random.Random(4)
    plan = Plan(12, 2)
    covered = 0
    for _ in range(400):
        counts: dict[Stopped, int] = {}
        for _ in range(30):
            rate = rng.betavariate(0.8, 1.2)
            outcomes = [SampleOutcome.VERIFIED if rng.random() < rate else SampleOutcome.REFUTED for _ in range(12)]
            stopped = estimates.replay(plan, outcomes)
            assert stopped
            counts[stopped] = counts.get(stopped, 0) + 1
        estimate = estimates.mean_estimate(counts, estimates.first_pass, confidence=0.8)
        assert estimate
        covered += estimate.low <= 0.4 <= estimate.high
    assert covered / 400 > 0.8 - 3 * math.sqrt(0.8 * 0.2 / 400)


def test_fast_mode_is_biased_and_says_so() -> None:
    run = simulate({**POLICIES["until_verified"], "estimates": "fast"}, seed=21)
    assert all(row.stopped is None for row in run)
    # Even the estimator that is right for the plan would mislead: the long, wrong samples were aborted out of order.
    misled = []
    for row in run:
        if row.rate == 0.5:
            dense = [
                outcome for outcome in row.outcomes if outcome not in (SampleOutcome.UNKNOWN, SampleOutcome.ABORTED)
            ]
            stopped = estimates.replay(Plan.from_json(row.rule), dense)
            misled.append(estimates.first_pass(stopped) if stopped else 0.0)
    assert sum(misled) / len(misled) > 0.5 + 4 * math.sqrt(0.25 / len(misled))
