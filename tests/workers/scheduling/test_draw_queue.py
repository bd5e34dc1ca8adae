"""Samples prefer the replica that has their prompt in its cache, and nothing waits for it that could run."""

from __future__ import annotations

import random
from typing import Any

import pytest
from ledger_bench import Bench

from benchmarks.prompt_homes import Simulation
from workers.messages import SampleTask
from workers.scheduling.sample_state import MAX_STALLS
from workers.scheduling.task_queue import KEPT_SHARE


def simulated(prefer: bool, repair_rounds: int = 0, **sampling: Any) -> dict[str, float]:
    return Simulation(6, 16, 160, prefer, repair_rounds, **sampling).run()


@pytest.mark.parametrize(
    ("sampling", "least"),
    [
        ({"policy": "fixed", "num_samples": 16}, 0.88),
        ({"policy": "until_verified", "num_samples": 16}, 0.65),
        ({"policy": "adaptive", "num_samples": 16}, 0.6),
        ({"policy": "fixed", "num_samples": 8, "repair_rounds": 1}, 0.8),
    ],
)
def test_samples_find_their_prompt_in_the_cache_and_no_slot_stands_idle_for_it(
    sampling: dict[str, Any], least: float
) -> None:
    without, preferring = simulated(False, **sampling), simulated(True, **sampling)
    assert preferring["prompt_in_cache"] >= max(least, without["prompt_in_cache"] + 0.1)
    assert preferring["busy_while_work_waits"] >= without["busy_while_work_waits"] - 0.01
    assert preferring["seconds"] <= 1.06 * without["seconds"]


def test_every_sample_is_drawn_once_with_its_own_seed_whatever_dies() -> None:
    seeds: list[dict[Any, int]] = []
    for prefer in (False, True):
        dice = random.Random(3)
        run = Simulation(6, 8, 30, prefer, policy="fixed", num_samples=8)
        drawn: dict[Any, int] = {}
        steps = 0
        while not run.ledger.is_done():
            steps += 1
            run.dispatcher.assign_in_rounds()
            for index, seat in enumerate(run.seats):
                run.report(index)
                run.dispatcher.assign_to(seat)
                drawn |= {task.key: task.seed for task in seat.tasks}
                run.deliver(index)
            if steps < 400 and steps % 20 == 0:
                run.lose(dice.randrange(6), stalled=steps % 40 == 0)
                run.ledger.validate()
            run.advance(0.25)
        assert set(run.drawn.values()) == {1} and len(run.drawn) == 30 * 8
        seeds.append(drawn)
    assert seeds[0] == seeds[1]


def bench(**sampling: Any) -> Bench:
    """A ledger with replica 1 at work on problem p0, and a prompt of 5 tokens beside an output of 7."""
    made = Bench(num_problems=sampling.pop("num_problems", 2), num_samples=64, **sampling)
    made.finish(took(made, 1, 3), worker=1)
    made.check(made.take_checks())
    return made


def took(made: Bench, worker: int, room: int, now: float = 0.0) -> list[SampleTask]:
    tasks = made.ledger.next_tasks(room, worker, now)
    for task in tasks:
        made.ledger.assign(task.key, worker)
    return tasks


def problems(tasks: list[SampleTask]) -> list[int]:
    return [task.key[0] for task in tasks]


def test_another_replica_begins_another_problem_and_the_first_one_finds_its_own() -> None:
    made = bench()
    assert problems(took(made, 2, 3)) == [1, 1, 1]
    assert problems(took(made, 1, 3)) == [0, 0, 0]
    assert len(made.ledger.homes([])) == 0 and made.ledger.queues.wants()


def test_a_replica_that_asks_is_never_left_idle_for_the_sake_of_another() -> None:
    made = bench(num_problems=1)
    assert len(took(made, 2, 40)) == 40
    assert len(took(made, 3, 40)) == 64 - 43
    assert not made.ledger.queues.wants()


def test_few_samples_are_kept_and_none_for_long() -> None:
    made = bench()
    assert problems(took(made, 2, 1, now=0.0)) == [1]
    kept = [sample.key[1] for sample in made.ledger.queues[0]]
    assert 0 < len(kept) <= KEPT_SHARE * 64
    # A sample takes 0.1 s here, so half a second later replica 1 has let its samples wait for too long.
    first = took(made, 3, 2, now=0.5)
    assert problems(first) == [0, 0] and [task.key[1] for task in first] == kept[:2]
    made.ledger.validate()


def test_what_was_kept_for_a_lost_replica_comes_first() -> None:
    made = bench()
    took(made, 2, 1)
    kept = [sample.key for sample in made.ledger.queues[0]]
    made.ledger.lost_generator(1)
    assert [task.key for task in took(made, 3, len(kept))] == kept
    assert problems(took(made, 3, 3)) == [0, 0, 0]  # replica 3 has the prompt now


def test_no_sample_follows_one_beside_which_a_replica_stood_still() -> None:
    made = bench()
    for replica in range(10, 10 + MAX_STALLS - 1):
        tasks = took(made, replica, 200)
        assert tasks
        made.ledger.lost_generator(replica, stalled=True)
    apart = took(made, 20, 5)
    assert sum(task.suspect for task in apart) == 1
    assert made.ledger.homes(apart) == [-1] * len(apart)
    assert took(made, 21, 5) and made.ledger.faults() == []


@pytest.mark.parametrize("short_prompt", [4, 5])
def test_short_prompts_are_not_worth_a_preference(short_prompt: int) -> None:
    """Prompts have 5 tokens here, and outputs 7."""
    made = Bench(num_problems=2, num_samples=64, short_prompt=short_prompt)
    made.finish(took(made, 1, 3), worker=1)
    made.check(made.take_checks())
    assert made.ledger.queues[0].prefers() == (short_prompt < 5)
    assert problems(took(made, 2, 3)) == [1 if short_prompt < 5 else 0] * 3


def test_prompts_that_are_short_beside_their_outputs_are_not_worth_a_preference() -> None:
    made = Bench(num_problems=2, num_samples=64)
    tasks = took(made, 1, 3)
    assert not made.ledger.queues[0].prefers()
    assert problems(tasks + took(made, 2, 3)) == [0] * 6


def test_a_repair_round_goes_to_the_replica_of_its_parent() -> None:
    made = Bench(num_problems=2, num_samples=4, repair_rounds=1)
    mine, others = took(made, 1, 4), took(made, 2, 4)
    for worker, tasks in ((2, others), (1, mine)):
        made.finish(tasks, worker=worker)
        made.check(made.take_checks())
    assert problems(took(made, 1, 3)) == [0, 0, 0] and problems(took(made, 2, 3)) == [1, 1, 1]
    rest = took(made, 3, 9)
    assert sorted(problems(rest)) == [0, 1] and all(task.round == 1 for task in rest)
