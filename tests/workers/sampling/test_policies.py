"""Policies without Ray: what is issued, what settles a problem and what may be aborted, whatever the arrival order."""

from __future__ import annotations

import json
import random
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runstore.schema import solution_key
from workers.sampling.budget import Budget, Reserve, TokenPrices
from workers.sampling.fixed import Fixed
from workers.sampling.plan import Plan
from workers.sampling.policy import Policy
from workers.sampling.priority_queue import PriorityQueue
from workers.sampling.problem_state import ProblemState, SampleOutcome
from workers.sampling.registry import POLICIES, make_policy
from workers.sampling.until_verified import UntilVerified

V, R, E, A = SampleOutcome.VERIFIED, SampleOutcome.REFUTED, SampleOutcome.ERROR, SampleOutcome.ABORTED
FINAL = [
    SampleOutcome.VERIFIED,
    SampleOutcome.REFUTED,
    SampleOutcome.MALFORMED,
    SampleOutcome.UNDECIDED,
    SampleOutcome.ERROR,
    SampleOutcome.REPAIRED,
]


def reference_stop(plan: Plan, outcomes: list[SampleOutcome], keys: list[int]) -> int:
    """The settling index, read off the whole sequence at once."""
    seen: set[int] = set()
    failed = 0
    for index, outcome in enumerate(outcomes):
        if outcome.is_solution:
            seen.add(keys[index] if plan.distinct else index)
        else:
            failed += 1
        if plan.stop(len(seen), failed, index + 1):
            return index
    raise AssertionError("the plan never stops")


def drive(
    policy: Policy, outcomes: list[SampleOutcome], keys: list[int], rng: random.Random
) -> tuple[ProblemState, set[int]]:
    """Runs one problem with verdicts in random order, aborting whatever may be aborted; returns it and the aborted."""
    state = policy.open(7, "algebra")
    flying: list[int] = []
    aborted: set[int] = set()
    while not state.settled:
        flying += policy.issue(state, policy.next_samples(state, rng.randint(1, 5)))
        assert flying, "nothing in flight and not settled"
        assert state.num_in_flight == len(flying) and sorted(flying) == state.in_flight
        index = flying.pop(rng.randrange(len(flying)))
        policy.observe(state, index, outcomes[index], tokens=3, key=keys[index])
        policy.settle(state)
        for doomed in policy.abortable(state):
            flying.remove(doomed)
            aborted.add(doomed)
            policy.observe(state, doomed, A)
    assert not flying or not policy.unbiased or max(flying) <= state.settled_at_index
    return state, aborted


# An example may wait for other work on the machine, and the first one for a slow import.
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@UNHURRIED
@given(
    st.lists(st.sampled_from(FINAL), min_size=12, max_size=12),
    st.lists(st.integers(0, 3), min_size=12, max_size=12),
    st.sampled_from(list(POLICIES)),
    st.integers(1, 5),
    st.integers(1, 4),
    st.booleans(),
    st.integers(0, 2**32),
)
def test_the_settling_index_does_not_depend_on_the_order_of_arrival(outcomes, keys, name, wave, needed, distinct, seed):
    policy = make_policy(
        {"policy": name, "num_samples": 12, "wave": wave, "num_verified": needed, "distinct": distinct}
    )
    state, aborted = drive(policy, outcomes, keys, random.Random(seed))
    assert state.settled_at_index == reference_stop(state.plan, outcomes, keys)
    assert all(index > state.settled_at_index for index in aborted)
    assert state.settled in {"solved", "exhausted", "hopeless"}


@UNHURRIED
@given(st.lists(st.sampled_from([V, R]), min_size=12, max_size=12), st.integers(0, 2**32))
def test_fast_mode_aborts_everything_once_enough_are_verified(outcomes, seed):
    policy = UntilVerified(12, wave=4, num_verified=2, unbiased=False)
    state, _ = drive(policy, outcomes, [0] * 12, random.Random(seed))
    assert not state.in_flight
    assert state.settled_at_index == -1
    assert policy.stopping_rule(state)["estimates"] == "fast"
    assert (state.settled == "solved") == (state.num_useful >= 2)


def test_a_late_verified_index_bounds_what_can_still_matter() -> None:
    policy = UntilVerified(16, wave=8)
    state = policy.open(0, "")
    assert list(policy.issue(state, policy.next_samples(state, 99))) == list(range(8))
    policy.observe(state, 3, V)
    assert not policy.settle(state), "indices 0 to 2 may still settle it earlier"
    assert policy.abortable(state) == [4, 5, 6, 7]
    assert policy.next_samples(state, 99) == 0
    policy.observe(state, 1, V)
    assert policy.abortable(state) == [2, 4, 5, 6, 7]
    policy.observe(state, 0, R)
    assert policy.settle(state)
    assert (state.settled, state.settled_at_index) == ("solved", 1)


def test_naming_only_the_first_of_equal_texts_counts_with_distinct() -> None:
    policy = UntilVerified(8, wave=4, num_verified=2, distinct=True)
    state = policy.open(0, "")
    policy.issue(state, 4)
    same, other = solution_key("so 5"), solution_key("5, clearly")
    policy.observe(state, 2, V, key=same)
    policy.observe(state, 0, V, key=same)
    policy.observe(state, 1, R)
    assert not policy.settle(state)
    policy.observe(state, 3, V, key=other)
    assert policy.settle(state) and state.settled_at_index == 3


def test_waves_wait_for_the_last_verdict() -> None:
    policy = UntilVerified(10, wave=4)
    state = policy.open(0, "")
    assert policy.next_samples(state, 3) == 3
    policy.issue(state, 3)
    assert policy.next_samples(state, 9) == 1, "a wave cut short goes on"
    policy.issue(state, 1)
    for index in range(3):
        policy.observe(state, index, R)
        assert policy.next_samples(state, 9) == 0
    policy.observe(state, 3, R)
    assert policy.next_samples(state, 9) == 4
    policy.issue(state, 4)
    for index in range(4, 8):
        policy.observe(state, index, E)
    assert policy.next_samples(state, 9) == 2, "capped by num_samples"


def test_a_second_outcome_for_an_index_is_ignored() -> None:
    policy = Fixed(2)
    state = policy.open(0, "")
    policy.issue(state, 2)
    policy.observe(state, 0, V, tokens=5)
    policy.observe(state, 0, R, tokens=5)
    assert (state.num_useful, state.num_known, state.tokens) == (1, 1, 5)


def test_an_index_lost_below_the_settling_index_costs_the_claim_not_the_run() -> None:
    policy = UntilVerified(4, wave=4)
    state = policy.open(0, "")
    policy.issue(state, 4)
    policy.observe(state, 0, A)
    for index in (1, 2, 3):
        policy.observe(state, index, R)
    assert policy.settle(state)
    assert (state.settled, state.settled_at_index) == ("exhausted", -1)


@pytest.mark.parametrize("name", POLICIES)
def test_a_resume_asks_only_for_what_is_missing(name: str) -> None:
    policy = make_policy({"policy": name, "num_samples": 8, "wave": 4, "num_verified": 1})
    state = policy.open(0, "")
    policy.restore(state, {0: R, 2: R}, {0: 15, 2: 5})
    assert policy.missing(state) == [1] and state.tokens == 20
    policy.observe(state, 1, R)
    assert policy.next_samples(state, 1) == 1
    assert policy.issue(state, 1) == range(3, 4)

    solved = policy.open(1, "")
    policy.restore(solved, {0: R, 1: V})
    if name != "fixed":
        assert solved.settled == "solved" and policy.missing(solved) == []
        bounded = policy.open(2, "")
        policy.restore(bounded, {3: V, 5: A, 1: R})
        assert policy.missing(bounded) == [0, 2], "index 4 lies above the bound"


def test_the_stopping_rule_is_json_that_gives_the_plan_back() -> None:
    policy = UntilVerified(8, wave=4, num_verified=2, distinct=True)
    rule = json.loads(json.dumps(policy.stopping_rule(policy.open(0, ""))))
    assert rule["policy"] == "until_verified" and rule["estimates"] == "unbiased"
    assert Plan.from_json(rule) == Plan(8, 2, distinct=True)


@pytest.mark.parametrize(
    "bad", [{"num_samples": 0}, {"num_samples": 4, "give_up": (3, 2)}, {"num_samples": 4, "give_up": (0,)}]
)
def test_plans_that_are_no_closed_plans_are_refused(bad: dict) -> None:
    with pytest.raises(ValueError):
        Plan(**bad)
    with pytest.raises(ValueError, match="unknown sampling policy"):
        make_policy({"policy": "greedy", "num_samples": 4})


def test_memory_of_an_open_problem() -> None:
    policy = UntilVerified(16, wave=16)
    states = []
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(1_000_000, 1_002_000):
        state = policy.open(number, "algebra")
        policy.issue(state, 16)
        for index in range(16):
            policy.observe(state, index, R, tokens=40_000)
        states.append(state)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used / len(states) < 300


def test_the_priority_queue_goes_on_with_started_problems_and_takes_the_rest_in_order() -> None:
    policy = UntilVerified(8, wave=2)
    queue = PriorityQueue(policy)
    states = [policy.open(number, "") for number in range(3)]
    for state in states:
        queue.push(state)
    assert [(state.number, index) for state, index in queue.take(3)] == [(0, 0), (0, 1), (1, 0)]
    for index in range(2):
        policy.observe(states[0], index, R)
    queue.push(states[0])
    assert [(state.number, index) for state, index in queue.take(99)] == [(0, 2), (0, 3), (1, 1), (2, 0), (2, 1)]
    assert not queue.take(5) and len(queue) == 0
    policy.observe(states[2], 1, V)
    queue.push(states[2])
    assert not queue.take(5), "a problem with a bound wants nothing more"


def test_the_priority_queue_stays_small_under_many_pushes() -> None:
    policy = Fixed(1_000_000)
    queue = PriorityQueue(policy)
    states = [policy.open(number, "") for number in range(10)]
    for _ in range(1000):
        for state in states:
            queue.push(state)
        queue.take(1)
    assert len(queue._heap) < 200


def test_a_token_ceiling_is_never_passed() -> None:
    budget = Budget(tokens=1000)
    rng = random.Random(5)
    flying = 0
    while True:
        count = budget.room(Reserve(64), 10)
        budget.reserve(Reserve(64), count)
        flying += count
        if not flying:
            break
        used = rng.randint(1, 64)
        budget.release(Reserve(64))
        budget.charge(tokens=used)
        flying -= 1
        assert budget.spent_tokens <= 1000
    assert budget.stranded(Reserve(64)) == "budget.tokens = 1000"
    assert budget.spent_tokens > 1000 - 64


def test_dollars_for_tokens_are_never_passed() -> None:
    """Each sample in flight counts with its longest prompt and answer."""
    prices = TokenPrices.of({"usd_per_million_input_tokens": 2.0, "usd_per_million_output_tokens": 8.0})
    most = Reserve(1000, prices.usd(500, 1000))
    budget = Budget.of({"usd": 1.0})
    rng = random.Random(6)
    flying = 0
    while True:
        count = budget.room(most, 10)
        budget.reserve(most, count)
        flying += count
        if not flying:
            break
        budget.release(most)
        tokens = rng.randint(1, 1000)
        budget.charge(tokens=tokens, usd=prices.usd(rng.randint(1, 500), tokens))
        flying -= 1
        assert budget.spent_usd <= 1.0
    assert budget.stranded(most) == "budget.usd = 1" and budget.spent_usd > 1.0 - most.usd
    resumed = Budget.of({"usd": 1.0})
    resumed.restore(budget.to_json(), durable_usd=0.5)
    assert resumed.spent_usd == pytest.approx(budget.spent_usd), "a resume has no new dollars"
    resumed = Budget.of({"usd": 1.0})
    resumed.restore({}, durable_usd=0.5)
    assert resumed.spent_usd == 0.5, "at least what the stored rows cost"


def test_ceilings_on_time_and_money_and_their_eta() -> None:
    budget = Budget.of({"tokens": 0, "gpu_s": 0, "usd": 2.0, "wall_s": 7200}, {"usd_per_gpu_hour": 3.0})
    assert budget.exhausted() is None and budget.eta_s() is None
    budget.charge(gpu_s=1200, wall_s=1200)
    assert budget.spent_usd == pytest.approx(1.0)
    assert budget.eta_s() == pytest.approx(1200), "the dollars end before the clock does"
    budget.charge(gpu_s=1200, wall_s=1200)
    assert "budget.usd = 2" in (budget.exhausted() or "")
    assert budget.room(Reserve(10), 5) == 0
    assert budget.to_json()["usd"] == pytest.approx(2.0)


def test_what_each_pool_held_is_kept_over_starts_and_charges_nothing() -> None:
    budget = Budget(usd=2.0)
    budget.note_pool("small", gpu_s=10.0, usd=0.5)
    budget.note_pool("small", gpu_s=5.0, usd=0.25)
    assert budget.of_pool("small") == {"gpu_s": 15.0, "cpu_s": 0.0, "usd": 0.75} and not budget.spent_usd
    again = Budget(usd=2.0)
    again.restore(budget.to_json())
    again.note_pool("small", gpu_s=1.0)
    assert again.of_pool("small")["gpu_s"] == 16.0 and again.of_pool("large")["usd"] == 0.0
    assert "pools" not in Budget().to_json(), "a run with one pool says it once"
