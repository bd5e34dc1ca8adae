"""The supervisor without Ray: restarts, what ends a run, and that nothing blocks the other workers."""

from __future__ import annotations

import asyncio
import collections
import time
from types import SimpleNamespace
from typing import Any

import pytest
import ray.exceptions
from stand_ins import StandInEngine

from runstore.parts import FencedError
from runstore.storage import StorageError
from workers.actors.generator import Generator, GeneratorSettings
from workers.actors.presence import Presence
from workers.coordinator import supervisor
from workers.coordinator.generators import GeneratorPool
from workers.coordinator.slots import GeneratorSlot, WorkerSlot
from workers.coordinator.state import RunState
from workers.coordinator.supervisor import supervise
from workers.engines.base import EngineSettings, EngineStartError, ModelLoadError, SamplingParameters
from workers.logs import LogSettings
from workers.prompting.messages import PromptStyle


class Scripted:
    """A pool whose workers end as the script says: an exception is raised, None is returned."""

    def __init__(self, *ends: Exception | None) -> None:
        self.ends = list(ends)
        self.served: list[int] = []
        self.given_back = 0

    async def serve(self, slot: WorkerSlot) -> None:
        self.served.append(slot.worker)
        if not self.ends:
            await asyncio.Event().wait()
        end = self.ends.pop(0)
        if end is not None:
            raise end

    def give_back(self, slot: WorkerSlot) -> None:
        self.given_back += 1


def state(**changes: Any) -> Any:
    made = SimpleNamespace(
        num_workers=0, stopping=False, fatal="", events=[], deaths=collections.Counter(), claim=object(),
        storage=object(), engines={0: {"engine": "e"}},
        generators=[], failures_by_node=collections.Counter(), dispatch_needed=asyncio.Event(), done=asyncio.Event(),
        settings=SimpleNamespace(
            max_restarts=2, restart_s=0.0,
            pools=[SimpleNamespace(name="model", min_replicas=1, gpus_per_replica=1, is_remote=False)],
        ),
    )  # fmt: skip
    made.note = lambda what, why: made.events.append((what, why))
    made.fail = lambda text: RunState.fail(made, text)
    made.__dict__.update(changes)
    return made


def run(pool: Scripted, run_state: Any, slot: WorkerSlot | None = None) -> None:
    async def until_it_waits() -> None:
        loop = asyncio.create_task(supervise(run_state, slot or WorkerSlot("verifier", 0), pool))
        for _ in range(200):
            await asyncio.sleep(0.001)
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)

    asyncio.run(until_it_waits())


def died() -> Exception:
    return ray.exceptions.RayActorError(error_msg="its node was lost")


def test_a_worker_that_dies_is_replaced_under_a_new_number_and_gives_back() -> None:
    pool, run_state = Scripted(died()), state()
    run(pool, run_state)
    assert pool.served == [0, 1] and pool.given_back == 1 and not run_state.fatal
    assert run_state.events == [("verifier 0", "its node was lost")]
    assert run_state.deaths == {"verifier": 1}


class Remote:
    """Stands in for an actor: counts how often it is asked to stop."""

    def __init__(self) -> None:
        self.stopped = 0
        self.stop = SimpleNamespace(remote=self._stop)

    def _stop(self) -> asyncio.Future[None]:
        self.stopped += 1
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ended.set_result(None)
        return ended


def test_a_worker_that_lives_at_the_end_of_the_run_is_asked_to_stop_and_then_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its engine ends in order, and its log is uploaded; killed at once, it could do neither."""
    killed: list[Remote] = []
    monkeypatch.setattr(supervisor.ray, "kill", killed.append)
    slot, actor, pool = WorkerSlot("verifier", 0), Remote(), Scripted()
    slot.actor = actor
    run_state = state(slots=[slot])
    run(pool, run_state, slot)
    assert pool.served and slot.actor is actor and not killed and not slot.ready
    asyncio.run(supervisor.dismiss(run_state, 5.0))
    assert actor.stopped == 1 and killed == [actor]


def test_a_worker_that_was_let_go_is_replaced_without_a_fault() -> None:
    pool, run_state, slot = Scripted(died(), None, died(), died()), state(), WorkerSlot("verifier", 0)
    run(pool, run_state, slot)
    # Three deaths in a row would be one too many; the rest in between is none, and forgives the one before it.
    assert not run_state.fatal and len(pool.served) == 5 and slot.restarts == 2
    assert len(run_state.events) == 3


def test_the_back_off_doubles_up_to_a_minute_and_begins_anew_after_a_steady_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = [supervisor.back_off_s(1.0, deaths) for deaths in range(1, 9)]
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60] and supervisor.back_off_s(1.0, 5000) == 60
    asked: list[int] = []
    monkeypatch.setattr(supervisor, "back_off_s", lambda _, deaths: asked.append(deaths) or 0.0)
    run(Scripted(died(), died()), state())
    monkeypatch.setattr(supervisor, "STEADY_S", 0.0)
    run(Scripted(died(), died()), state())
    assert asked == [1, 2, 1, 1]


def test_too_many_deaths_end_the_run_and_the_loop() -> None:
    pool, run_state = Scripted(died(), died(), died(), died()), state()
    run(pool, run_state)
    assert run_state.fatal == "verifier 0 failed 3 times in a row; the last time: its node was lost"
    assert run_state.done.is_set() and len(pool.served) == 3, "nothing is started after the run has failed"


@pytest.mark.parametrize(
    ("error", "engines", "fatal"),
    [
        (StorageError("the disk is full"), {0: {"engine": "e"}}, "the disk is full"),
        (ModelLoadError("no such model"), {}, "no such model"),
        (ModelLoadError("no such model"), {0: {"engine": "e"}}, ""),
    ],
)
def test_what_trying_again_cannot_mend_ends_the_run(error: Exception, engines: Any, fatal: str) -> None:
    pool, run_state = Scripted(error), state(engines=engines)
    run(pool, run_state, GeneratorSlot(0))
    assert run_state.fatal == fatal and len(pool.served) == (1 if fatal else 2)


def seats(count: int, **changes: Any) -> Any:
    made = state(engines={}, **changes)
    made.generators = [GeneratorSlot(i) for i in range(count)]
    return made


def run_all(run_state: Any, *pools: Scripted) -> None:
    async def until_they_wait() -> None:
        pairs = zip(run_state.generators, pools, strict=True)
        loops = [asyncio.create_task(supervise(run_state, slot, pool)) for slot, pool in pairs]
        for _ in range(200):
            await asyncio.sleep(0.001)
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)

    asyncio.run(until_they_wait())


def bad_gpu() -> Exception:
    return EngineStartError("the memory of this GPU is taken")


def test_one_bad_gpu_of_64_costs_one_seat_and_not_the_run() -> None:
    run_state = seats(64)
    run_all(run_state, Scripted(bad_gpu(), bad_gpu(), bad_gpu()), *(Scripted() for _ in range(63)))
    assert not run_state.fatal and [slot.index for slot in run_state.generators if slot.retired] == [0]
    assert run_state.events[-1] == (
        "generator 0", "retired: the memory of this GPU is taken; 63 of 64 replicas are left"
    )  # fmt: skip


def test_the_run_ends_when_no_seat_could_start_an_engine() -> None:
    run_state = seats(3)
    pools = [Scripted(bad_gpu()) for _ in range(3)]
    run_all(run_state, *pools)
    assert run_state.fatal == "the memory of this GPU is taken"
    assert sum(len(pool.served) for pool in pools) <= 5, "nothing is tried often once all have failed"


def test_the_run_ends_below_the_least_number_of_replicas() -> None:
    run_state = seats(4)
    run_state.settings.pools[0].min_replicas = 3
    run_state.engines = {0: {"engine": "e"}}
    pools = [*(Scripted(died(), died(), died()) for _ in range(2)), Scripted(), Scripted()]
    run_all(run_state, *pools)
    assert "2 of 4 replicas are left, fewer than resources.min_replicas = 3" in run_state.fatal


def test_a_node_where_two_generators_died_is_avoided() -> None:
    presence = Presence("node-7", "host7", 1, 0.0)

    class Placed(Scripted):
        async def serve(self, slot: WorkerSlot) -> None:
            slot.presence = presence
            await super().serve(slot)

    run_state = seats(2)
    run_all(run_state, Placed(bad_gpu(), bad_gpu()), Scripted())
    placed = SimpleNamespace(cpus_per_replica=1.0, gpus_per_replica=8, accelerator_type="H100")
    run_state.settings = SimpleNamespace(pools=[placed])
    options = GeneratorPool(run_state, None)._options(GeneratorSlot(0))  # type: ignore[arg-type]
    assert options["accelerator_type"] == "H100"
    assert run_state.failures_by_node == {"node-7": 2} and options["num_gpus"] == 8
    assert options["scheduling_strategy"].soft and "node-7" in str(
        vars(options["scheduling_strategy"].soft[0].operator)
    )


def test_a_storage_that_does_not_answer_stops_no_other_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    turns: list[float] = []

    def slow(*_: Any) -> bool:
        asked.append(time.monotonic())
        time.sleep(0.5)
        asked.append(time.monotonic())
        return True

    monkeypatch.setattr(supervisor, "is_superseded", slow)

    async def beside() -> str:
        run_state = state()
        loop = asyncio.create_task(supervise(run_state, WorkerSlot("writer", 0), Scripted(FencedError("fenced"))))
        while not loop.done():
            turns.append(time.monotonic())
            await asyncio.sleep(0.01)
        return str(run_state.fatal)

    assert asyncio.run(beside()).startswith("this run has been taken over by another job")
    began, ended = asked
    assert sum(began < turn < ended for turn in turns) >= 3, "the event loop goes on while the storage is asked"


def test_a_storage_that_fails_while_it_is_asked_ends_the_run_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> bool:
        raise StorageError("the bucket does not answer")

    monkeypatch.setattr(supervisor, "is_superseded", failing)
    run_state = state()
    run(Scripted(FencedError("fenced")), run_state)
    assert run_state.fatal == "the bucket does not answer"


def test_a_replica_that_rests_is_let_go_and_wanted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[Any] = []
    monkeypatch.setattr("workers.coordinator.generators.ray.kill", killed.append)
    wanted = iter([False, False, True])
    run_state = state()
    monkeypatch.setattr("workers.coordinator.generators.POLL_S", 0.001)
    slot = GeneratorSlot(0)
    slot.actor, slot.ready = "actor", True
    pool = GeneratorPool(run_state, None)  # type: ignore[arg-type]
    monkeypatch.setattr(pool, "is_needed", lambda _: next(wanted))
    asyncio.run(pool._rest(slot))
    assert killed == ["actor"] and slot.actor is None and not slot.ready
    assert run_state.events == [
        ("generator 0", "idle: GPUs given back"), ("generator 0", "samples are wanted again")
    ]  # fmt: skip


def test_no_two_engines_of_a_run_share_a_log() -> None:
    def log_of(epoch: int, replica: int, incarnation: int, folder: str = "/logs") -> str:
        engine = EngineSettings(path="m")
        settings = GeneratorSettings(
            "run", epoch, "code", engine, SamplingParameters(), PromptStyle(), log=LogSettings(folder),
            engine_class=StandInEngine,
        )  # fmt: skip
        return Generator(settings, replica, incarnation).engine.settings.log_path

    places = [(1, 0, 0), (1, 1, 1), (1, 0, 2), (2, 0, 0)]
    assert len({log_of(*place) for place in places}) == len(places)
    assert log_of(1, 0, 2) == "/logs/engine-1-0-2.log" and log_of(1, 0, 2, folder="") == ""
