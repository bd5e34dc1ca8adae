"""Problems without an answer key in the ledger and the policies: nothing is learnt from them, nothing is repaired."""

from __future__ import annotations

import json

import pytest
from ledger_bench import Bench

from runstore.durable import DurableRow
from workers.sampling.adaptive import FIRST_REFIT, Adaptive
from workers.sampling.problem_state import SOLUTIONS, SampleOutcome


def test_every_sample_is_drawn_once_and_none_is_a_solution_or_repaired() -> None:
    bench = Bench(2, keyless=True, repair_rounds=2)
    tasks = bench.draw()
    assert all(json.loads(task.stopping_rule)["keyless"] for task in tasks)
    bench.finish(tasks)
    bench.check(bench.take_checks(), "unchecked")
    assert not bench.draw(), "no repair round, and no further sample"
    assert bench.write() == 8 and bench.ledger.is_done()
    totals = bench.ledger.totals
    assert (totals.problems_settled, totals.problems_solved, totals.statuses) == (2, 0, {"unchecked": 8})


def test_an_attempt_at_a_problem_with_a_key_is_still_repaired() -> None:
    """What the test above would see, were the status one that is repaired."""
    bench = Bench(1, repair_rounds=1)
    bench.finish(bench.draw())
    bench.check(bench.take_checks(), "undecided")
    assert len(bench.draw()) == 4


def test_a_resumed_run_draws_what_is_missing_only() -> None:
    rule = json.dumps({"policy": "fixed", "estimates": "unbiased", "num_samples": 4, "keyless": True})
    rows = [DurableRow(i, 0, "unchecked", rule, 5, 7, 0.1, 0.01, "part", 0) for i in (0, 2)]
    bench = Bench(1, durable={"p0": rows}, keyless=True)
    assert sorted(task.key[1] for task in bench.draw()) == [1, 3]
    assert bench.ledger.totals.statuses == {"unchecked": 2}


@pytest.mark.parametrize("keyless", [True, False])
def test_the_priors_of_a_domain_see_problems_with_an_answer_key_only(keyless: bool) -> None:
    """A failure that none is would make every problem of the domain look hard."""
    policy = Adaptive(16, 4)
    outcome = SampleOutcome.UNCHECKED if keyless else SampleOutcome.REFUTED
    for number in range(FIRST_REFIT):
        state = policy.open(number, "algebra", keyless=keyless)
        for index in policy.issue(state, 2):
            policy.observe(state, index, outcome, tokens=100)
        assert not state.solved
    assert bool(policy.seen.num_samples) == bool(policy.refits) == (not keyless)
    a, b = policy.prior("algebra")
    assert (a / (a + b) == 0.5) == keyless


def test_an_unchecked_sample_is_no_solution() -> None:
    assert SampleOutcome.UNCHECKED not in SOLUTIONS and not SampleOutcome.UNCHECKED.is_solution
