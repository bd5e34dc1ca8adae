"""Which replicas start, make room and are given up, by pool; without Ray."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest
from ledger_bench import Bench

from workers.coordinator.generators import GeneratorPool
from workers.coordinator.monitor import RunMonitor
from workers.coordinator.pools import PoolSettings
from workers.coordinator.slots import GeneratorSlot
from workers.coordinator.state import OPEN_APART, RunState
from workers.coordinator.supervisor import give_up, lose_pool
from workers.sampling.budget import Budget

SMALL, LARGE = {"num_samples": 2}, {"num_samples": 2}


class Pools:
    """A run with a small pool of two replicas and a large one of one, eight samples at once each."""

    def __init__(self, num_problems: int = 4, is_remote: bool = False, **more: Any) -> None:
        engine = SimpleNamespace(max_num_seqs=8, num_ranks=lambda: 1)
        generator: Any = SimpleNamespace(engine=engine)
        self.bench = Bench(num_problems, stages=[SMALL, LARGE], **more)
        pools = PoolSettings("small", generator, 2), PoolSettings("large", generator, is_remote=is_remote)
        settings = SimpleNamespace(
            pools=pools, verifiers=1, verifier=SimpleNamespace(num_threads=1), release_backlog_s=1e9, room_wait_s=5.0,
            turn_s=900.0, window=0, cores=0,
        )  # fmt: skip
        self.state: Any = SimpleNamespace(
            settings=settings, ledger=self.bench.ledger, opened_ledger=self.bench.ledger, first_pools={0},
            generators=[GeneratorSlot(0, 0), GeneratorSlot(1, 0), GeneratorSlot(2, 1)], stopping=False, fed_all=True,
            events=[], fatal="", dispatch_needed=asyncio.Event(), done=asyncio.Event(), forget_chunks=lambda: None,
        )  # fmt: skip
        self.state.note = lambda what, why: self.state.events.append((what, why))
        self.state.fail = lambda text: setattr(self.state, "fatal", text)
        self.state.waits_for_room = lambda *asked: RunState.waits_for_room(self.state, *asked)
        self.state._is_overdue = lambda pool: RunState._is_overdue(self.state, pool)
        self.state.room = lambda: RunState.room(self.state)
        self.generators = GeneratorPool(self.state, None)  # type: ignore[arg-type]

    def fill(self, *slots: int) -> None:
        """Replicas that are at work, with nothing to do."""
        for index in slots:
            slot = self.state.generators[index]
            slot.actor, slot.ready, slot.worker, slot.credit, slot.capacity = "actor", True, index, 8, 8

    def fail_first_stage(self) -> None:
        self.bench.finish(self.bench.draw())
        self.bench.check(self.bench.take_checks(), "refuted")

    def wait_for_room(self, slot: int, seconds: float) -> None:
        self.state.generators[slot].actor = "pending"
        self.state.generators[slot].waits_since = time.monotonic() - seconds

    def makes_room(self, slot: int) -> bool:
        return self.generators._may_release(self.state.generators[slot])


def test_a_later_pool_starts_when_something_reaches_it() -> None:
    run = Pools()
    first, second, large = run.state.generators
    assert run.generators.is_needed(first) and run.generators.is_needed(second) and not run.generators.is_needed(large)
    run.fail_first_stage()
    assert run.generators.is_needed(large)


def test_a_replica_that_rested_starts_again_only_where_the_others_have_no_room() -> None:
    run = Pools(num_problems=12)
    first, second, _ = run.state.generators
    first.rested = second.rested = True
    assert run.generators.is_needed(first), "nothing else is there"
    run.fill(0)
    assert run.generators.is_needed(second), "twelve problems wait, and there is room for eight"
    run.bench.draw(room=10)
    assert not run.generators.is_needed(second), "seven wait, and there is room for eight"


def test_an_idle_pool_makes_room_for_one_that_waits_and_no_sooner() -> None:
    run = Pools()
    run.fill(0, 1)
    run.wait_for_room(2, 60.0)
    assert not run.makes_room(0), "it has samples to draw"
    tasks = run.bench.draw()
    assert not run.makes_room(0), "the large pool wants nothing yet"
    run.bench.finish(tasks)
    keys = run.bench.take_checks()
    run.bench.check([key for key in keys if key[0] < 3], "refuted")
    assert not run.makes_room(0), "a verdict is outstanding that may ask for more samples"
    run.state.generators[1].running = 1
    assert run.makes_room(0), "another replica is there for it"
    run.state.generators[1].running = 0
    run.bench.check([key for key in keys if key[0] == 3], "refuted")
    assert run.makes_room(0) and run.makes_room(1)
    run.wait_for_room(2, 0.0)
    assert not run.makes_room(0), "it has only just asked"
    run.wait_for_room(2, 60.0)
    run.state.fed_all = False
    assert not run.makes_room(0), "new problems are about to come"
    run.state.settings.window = 1
    run.state.room = lambda: 0
    assert run.makes_room(0), "no problem will come before the large pool has had its turn"


def test_an_endpoint_holds_nothing_that_another_pool_could_use() -> None:
    run = Pools(is_remote=True)
    run.fail_first_stage()
    run.bench.draw(pool=1)
    run.fill(2)
    run.wait_for_room(0, 60.0)
    assert not run.makes_room(2)


def test_problems_that_wait_for_a_turn_do_not_fill_the_window() -> None:
    run = Pools(num_problems=40)
    run.state.fed_all = False
    window = 4 * 24
    assert RunState.room(run.state) == window - 40
    run.fail_first_stage()
    assert RunState.room(run.state) == window - 40
    run.wait_for_room(2, 60.0)
    assert RunState.room(run.state) == window < OPEN_APART


def test_a_pool_that_finds_work_without_end_makes_room_after_the_time_of_a_turn() -> None:
    """Without that bound the small pool keeps its place until OPEN_APART problems wait for the large one."""
    run = Pools(num_problems=100)
    run.state.fed_all = False
    run.fill(0, 1)
    while tasks := run.bench.draw():
        run.bench.finish(tasks)
        run.bench.check(run.bench.take_checks(), "refuted")
    run.wait_for_room(2, 800.0)
    assert RunState.room(run.state) > 0, "within its turn the small pool begins new problems"
    assert not run.makes_room(0)
    run.wait_for_room(2, 1000.0)
    assert RunState.room(run.state) == 0, "no new problem begins while a hundred of a window of 96 are open"
    assert run.makes_room(0)
    assert run.makes_room(1)
    for slot in run.state.generators:
        slot.ready = False
    assert RunState.room(run.state) > 0, "no other pool is in its way, so the run goes on without it"


def test_replicas_are_given_up_by_pool() -> None:
    run = Pools()
    give_up(run.state, run.state.generators[0], "a bad GPU")
    assert not run.state.fatal and "1 of 2 replicas are left" in run.state.events[-1][1]
    give_up(run.state, run.state.generators[2], "no such model")
    assert "generator 2 failed" in run.state.fatal, "the large pool has no other replica"


def test_an_endpoint_that_is_given_up_leaves_the_run_and_its_other_pools() -> None:
    run = Pools(is_remote=True)
    run.fail_first_stage()
    run.bench.draw(pool=1)
    give_up(run.state, run.state.generators[2], "the key is refused")
    assert not run.state.fatal and run.state.events[-1][0] == "pool large"
    assert "the key is refused" in run.bench.ledger.queues.lost[1]
    run.bench.ledger.lost_generator(1)
    run.bench.write()
    assert run.bench.ledger.is_done() and run.bench.ledger.totals.problems_lost == 4
    events = len(run.state.events)
    lose_pool(run.state, run.state.generators[2], "again")
    assert len(run.state.events) == events


@pytest.mark.parametrize(
    ("placed", "usd"),
    [((), 0.0), ((0,), 3.0), ((0, 1), 6.0), ((0, 1, 2), 16.0)],
)
def test_each_pool_is_charged_at_its_own_price_and_only_where_it_holds_something(
    placed: tuple[int, ...], usd: float
) -> None:
    run = Pools()
    small, large = run.state.settings.pools
    run.state.settings.pools = (
        PoolSettings("small", small.generator, 2, gpus_per_replica=1, cost={"usd_per_gpu_hour": 3.0}),
        PoolSettings("large", large.generator, 1, gpus_per_replica=2, cost={"usd_per_gpu_hour": 5.0}),
    )
    run.state.budget = Budget()
    for slot in run.state.generators:
        slot.actor = "actor"  # one that waits for a place holds nothing
        slot.presence = object() if slot.index in placed else None
    RunMonitor(run.state, None, None)._charge(3600.0)  # type: ignore[arg-type]
    assert run.state.budget.spent_usd == pytest.approx(usd)
    gpus = sum((1, 1, 2)[index] for index in placed)
    assert run.state.budget.spent_gpu_s == 3600.0 * gpus and run.state.budget.spent_cpu_s == 0.0
