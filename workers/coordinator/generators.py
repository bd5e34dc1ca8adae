"""The generators' side of the coordinator: starts them, takes in finished samples, aborts superfluous ones."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import logging
import time
from collections.abc import Iterable
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeLabelSchedulingStrategy, NotIn

from runstore.batches import unpack
from workers.actors.generator import Generator, GeneratorSettings
from workers.coordinator.dispatcher import Dispatcher
from workers.coordinator.slots import GeneratorSlot, replicas_of
from workers.coordinator.state import RunState
from workers.engines.base import EngineStartError
from workers.messages import GeneratorReport, SampleKey

log = logging.getLogger("proofmill.coordinator.generators")

POLL_S = 0.25
START_GRACE_S = 60.0
"""Seconds beyond `start_s` before the coordinator gives a starting engine up. The engine's own deadline comes first and
says more."""
FAILURES_OF_A_NODE = 2
"""Number of generators that have to die on a node before the next ones are placed elsewhere where that is possible."""
NODE_LABEL = "ray.io/node-id"
"""The label that Ray gives every node."""


class GeneratorPool:
    """See workers.coordinator.supervisor.WorkerPool."""

    def __init__(self, state: RunState, dispatcher: Dispatcher) -> None:
        self._state = state
        self._dispatcher = dispatcher
        self.abort_latency: collections.deque[float] = collections.deque(maxlen=1000)
        """Seconds from a verdict to the last output of a sample that the verdict made superfluous."""
        self._aborting: set[tuple[int, SampleKey]] = set()
        """(worker, key) of samples that were told to abort and are not yet reported."""

    async def serve(self, slot: GeneratorSlot) -> None:
        state, settings = self._state, self._state.settings
        while not self.is_needed(slot):
            await asyncio.sleep(POLL_S)
        began = time.monotonic()
        generator = self._settings_of(slot)
        arguments = generator, slot.index, slot.worker, settings.secrets.generator
        slot.actor = ray.remote(Generator).options(**self._options(slot)).remote(*arguments)
        # Placing may wait for a node to be started, so the engine's deadline begins only when the process is there.
        slot.waits_since = began
        slot.presence = await slot.actor.presence.remote()
        slot.waits_since = None
        try:
            state.engines[slot.pool] = await asyncio.wait_for(
                slot.actor.start.remote(), settings.start_s + START_GRACE_S
            )
        except TimeoutError:
            raise EngineStartError(
                f"the engine on {slot.presence.node} did not start within resources.start_s = {settings.start_s:g} s"
            ) from None
        log.info("generator %d: worker %d is ready after %.1f s", slot.index, slot.worker, time.monotonic() - began)
        slot.capacity = settings.pools[slot.pool].room
        state.generating_since = state.generating_since or time.monotonic()
        slot.ready = True
        slot.credit = slot.capacity
        await self._collect(slot)

    def _options(self, slot: GeneratorSlot) -> dict[str, Any]:
        """How Ray places a generator. All GPUs of one actor are on one node anyway, and vLLM starts its processes there
        itself. Inside a placement group it would ask Ray for them instead, which cannot give the GPUs that the actor
        holds already."""
        pool = self._state.settings.pools[slot.pool]
        options: dict[str, Any] = {"num_cpus": pool.cpus_per_replica, "max_concurrency": 10_000}
        if pool.gpus_per_replica:
            options["num_gpus"] = pool.gpus_per_replica
        if pool.accelerator_type:
            options["accelerator_type"] = pool.accelerator_type
        failures = self._state.failures_by_node
        if avoided := [node for node, count in failures.items() if count >= FAILURES_OF_A_NODE]:
            options["scheduling_strategy"] = NodeLabelSchedulingStrategy(hard={}, soft={NODE_LABEL: NotIn(*avoided)})
        else:
            # The loss of one node should not take every replica with it.
            options["scheduling_strategy"] = "SPREAD"
        return options

    def _settings_of(self, slot: GeneratorSlot) -> GeneratorSettings:
        state, settings = self._state, self._state.settings
        generator = settings.pools[slot.pool].generator
        beside = [other.index for other in state.generators if self._works_beside(slot, other)]
        if settings.cores and len(beside) > 1:
            place = beside.index(slot.index)
            cores = tuple(range(settings.cores))[place % settings.cores :: len(beside)]
            engine = generator.engine.model_copy(update={"cpu_cores": cores})
            generator = dataclasses.replace(generator, engine=engine)
        return dataclasses.replace(generator, epoch=state.claim.epoch if state.claim else 0)

    def _works_beside(self, slot: GeneratorSlot, other: GeneratorSlot) -> bool:
        """Whether two replicas share the cores of a machine. Pools that do not fit side by side take turns."""
        settings = self._state.settings
        local = [pool for pool in settings.pools if not pool.is_remote]
        fit = sum(pool.replicas * pool.cpus_per_replica for pool in local) <= settings.cores
        return other.pool == slot.pool or (fit and not settings.pools[other.pool].is_remote)

    async def _collect(self, slot: GeneratorSlot) -> None:
        """Takes in what the generator finishes until it dies; returns when its GPUs were given back and are needed
        again."""
        state = self._state
        results = slot.actor.results.options(num_returns=2)
        while True:
            self._dispatcher.assign_to(slot)
            slot.polled = True
            report_ref, batch_ref = results.remote(self._dispatcher.orders(slot), self._dispatcher.pace_s())
            report: GeneratorReport = unpack(await report_ref)
            slot.polled = False
            now = time.monotonic()
            if report.facts:
                state.engines[slot.pool] = {**state.engines.get(slot.pool, {}), **report.facts}
            if report.finished:
                self._note_aborts(slot, report)
                if slot.suspect is not None and any(row.key == slot.suspect for row in report.finished):
                    slot.suspect = None
                state.generated_at = now
                state.ledger.finished(slot.worker, report.finished, report.batch or batch_ref, now)
            # Tasks that have not arrived yet count against the room that was reported.
            on_the_way = slot.num_assigned - report.received
            slot.credit = max(0, report.free - on_the_way)
            slot.running = report.running + on_the_way
            if report.finished or slot.credit:
                state.dispatch_needed.set()
            if self._may_release(slot):
                await self._rest(slot)
                return

    def _note_aborts(self, slot: GeneratorSlot, report: GeneratorReport) -> None:
        if not self._aborting:
            return
        for row in report.finished:
            self._aborting.discard((slot.worker, row.key))
            if row.aborted and row.abort_s >= 0:
                self.abort_latency.append(row.abort_s)

    def is_needed(self, slot: GeneratorSlot) -> bool:
        """Whether an empty slot should be filled. The pools that problems begin in are there from the start; every
        other replica starts once its pool has more to draw than those at work and those under way have room for."""
        state, index = self._state, slot.pool
        if index in state.first_pools and not slot.rested:
            return True
        queues = state.ledger.queues
        room = sum(
            other.credit if other.ready else state.settings.pools[index].room
            for other in replicas_of(index, state.generators)
            if other.actor is not None
        )
        return index in queues and queues.wants(index) and len(queues[index]) > room

    def _may_release(self, slot: GeneratorSlot) -> bool:
        """Whether this replica may give its GPUs or cores back: it is idle, and another pool waits for them, or only
        checks are left for a while."""
        state, settings = self._state, self._state.settings
        pool = settings.pools[slot.pool]
        if slot.running or pool.is_remote or state.ledger.queues.wants(slot.pool):
            return False
        if self._makes_room(slot):
            return True
        if not pool.gpus_per_replica or not state.fed_all or state.ledger.queues.wants():
            return False
        threads = settings.verifiers * settings.verifier.num_threads
        return state.ledger.checks.backlog_s() / threads > settings.release_backlog_s

    def _makes_room(self, slot: GeneratorSlot) -> bool:
        """Whether an idle replica makes room for another pool. It stays where new problems or verdicts are about to
        bring it work that no other replica of its pool is there for."""
        state = self._state
        others = (pool for pool in range(len(state.settings.pools)) if pool != slot.pool)
        if not any(state.waits_for_room(pool) for pool in others) or (state.room() and not state.fed_all):
            return False
        beside = (other for other in replicas_of(slot.pool, state.generators) if other is not slot)
        return any(other.running for other in beside) or not state.ledger.is_at_work(slot.pool)

    async def _rest(self, slot: GeneratorSlot) -> None:
        """Gives the replica's GPUs back; returns when samples are wanted again."""
        slot.ready = False
        slot.rested = True
        what = "GPUs" if self._state.settings.pools[slot.pool].gpus_per_replica else "cores"
        self._state.note(f"generator {slot.index}", f"idle: {what} given back")
        ray.kill(slot.actor)
        slot.actor = slot.presence = None
        while not self.is_needed(slot):
            await asyncio.sleep(POLL_S)
        self._state.note(f"generator {slot.index}", "samples are wanted again")

    def give_back(self, slot: GeneratorSlot) -> None:
        lost = self._state.ledger.lost_generator(slot.worker, slot.stalled)
        log.info("generator %d: worker %d gave %d samples back", slot.index, slot.worker, lost)
        self._aborting = {(worker, key) for worker, key in self._aborting if worker != slot.worker}
        slot.waits_since = None
        slot.vacate()

    def abort(self, aborts: Iterable[tuple[int, SampleKey]], since: float = 0.0) -> None:
        """Ends samples, given as (worker, key), in their engines. `since` is the time of the verdict that made them
        superfluous (seconds since the epoch); 0 = now."""
        by_worker: dict[int, list[SampleKey]] = {}
        for worker, key in aborts:
            if (worker, key) not in self._aborting:
                self._aborting.add((worker, key))
                by_worker.setdefault(worker, []).append(key)
        if not by_worker:
            return
        for slot in self._state.generators:
            if slot.actor is not None and (keys := by_worker.get(slot.worker)):
                untold = not {task.key for task in slot.tasks}.isdisjoint(keys)
                if untold and (orders := self._dispatcher.orders(slot)):
                    slot.actor.add.remote(orders)  # else the abort would arrive before the task that it aborts
                log.debug("generator %d: worker %d aborts %s", slot.index, slot.worker, keys)
                slot.actor.abort.remote(keys, since or time.time())
