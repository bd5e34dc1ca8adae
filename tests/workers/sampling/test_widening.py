"""Samples beyond a wave at the end of a run: which problems get them, and that none settles elsewhere for them."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from ledger_bench import route_of

from workers.sampling.budget import Budget
from workers.sampling.policy import Policy
from workers.sampling.priority_queue import PriorityQueue
from workers.sampling.problem_state import SampleOutcome
from workers.sampling.registry import make_policy
from workers.sampling.widening import widened
from workers.scheduling.ledger import Ledger
from workers.scheduling.sample_state import LedgerSettings, ProblemEntry

NUM_SAMPLES, WAVE = 16, 4
V, R = SampleOutcome.VERIFIED, SampleOutcome.REFUTED


def policy_of(name: str, **more: Any) -> Policy:
    return make_policy({"policy": name, "num_samples": NUM_SAMPLES, "wave": WAVE, **more})


def test_the_problem_with_the_fewest_samples_in_flight_comes_first() -> None:
    policy = policy_of("until_verified")
    states = [policy.open(number, "") for number in range(3)]
    policy.issue(states[0], 4)
    policy.issue(states[1], 2)
    issued = widened(policy, states, 9)
    assert Counter(state.number for state, _ in issued) == {2: 5, 1: 3, 0: 1}
    assert [index for state, index in issued if state is states[1]] == [2, 3, 4]
    assert all(state.num_in_flight == 5 for state in states)


def test_settled_bounded_and_exhausted_problems_get_nothing_more() -> None:
    policy = policy_of("until_verified")
    settled, bounded, full, last = (policy.open(number, "") for number in range(4))
    for state in (settled, bounded):
        policy.issue(state, WAVE)
    policy.observe(settled, 0, V)
    assert policy.settle(settled)
    policy.observe(bounded, 2, V)  # the settling index is at most 2, whatever 0 and 1 give
    assert not policy.settle(bounded)
    policy.issue(full, NUM_SAMPLES)
    policy.issue(last, NUM_SAMPLES - 1)
    assert widened(policy, [settled, bounded, full, last], 100) == [(last, NUM_SAMPLES - 1)]
    assert widened(policy, [last], 100) == [] and widened(policy, [last], 0) == []


def test_fixed_and_plugins_are_not_widened() -> None:
    policy = policy_of("fixed")
    assert widened(policy, [policy.open(0, "")], 5) == []


def played(policy: Policy, outcomes: list[list[SampleOutcome]], widen: bool, seed: int) -> list[tuple[Any, ...]]:
    """How each problem settles where samples end in a random order and room for 60 is there."""
    rng = random.Random(seed)
    queue = PriorityQueue(policy)
    states = [policy.open(number, "") for number in range(len(outcomes))]
    for state in states:
        queue.push(state)
    flying: list[tuple[Any, int]] = []
    while any(not state.settled for state in states):
        flying += queue.take(60 - len(flying))
        if widen:
            flying += widened(policy, [state for state in states if not state.settled], 60 - len(flying))
        state, index = flying.pop(rng.randrange(len(flying)))
        policy.observe(state, index, outcomes[state.number][index])
        if not state.settled and not policy.settle(state):
            queue.push(state)
        superfluous = {(state.number, other) for other in policy.abortable(state)}
        for other in policy.abortable(state):
            policy.observe(state, other, SampleOutcome.ABORTED)
        flying = [(one, at) for one, at in flying if (one.number, at) not in superfluous]
    return [(state.settled, state.settled_at_index, state.outcomes[: state.settled_at_index + 1]) for state in states]


@pytest.mark.parametrize("more", [{}, {"num_verified": 2}])
def test_every_problem_settles_at_the_same_index(more: dict[str, Any]) -> None:
    """What estimates are made of is the outcomes up to the settling index, so they are equal, and not only in mean."""
    for seed in range(20):
        rng = random.Random(seed)
        rates = [rng.choice([0.0, 0.1, 0.5, 0.9]) for _ in range(30)]
        outcomes = [[V if rng.random() < rate else R for _ in range(NUM_SAMPLES)] for rate in rates]
        plain, wide = (played(policy_of("until_verified", **more), outcomes, widen, seed) for widen in (False, True))
        assert plain == wide and len({settled for settled, _, _ in plain}) > 1


@pytest.mark.parametrize(("tokens", "wanted"), [(0, NUM_SAMPLES), (1_000_000, WAVE)])
def test_the_ledger_widens_only_where_it_is_told_and_tokens_are_free(tokens: int, wanted: int) -> None:
    settings = LedgerSettings(run_seed=0, max_tokens=10)
    ledger = Ledger(settings, [route_of([policy_of("until_verified")])], Budget(tokens=tokens))
    ledger.feed(0, [ProblemEntry("p", "math", "d")])
    tasks = ledger.next_tasks(100)
    assert len(tasks) == WAVE and ledger.next_tasks(100) == []
    tasks += ledger.next_tasks(100, widen=True)
    assert [task.key[1] for task in tasks] == list(range(wanted))
    ledger.validate()
