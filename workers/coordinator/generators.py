"""The generators' side of the coordinator: starts them, takes in what they finish, aborts what nobody needs."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import time
from collections.abc import Iterable
from typing import Any

import ray
import ray.exceptions
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from runstore.batches import unpack
from workers.actors.generator import Generator
from workers.coordinator.dispatcher import Pump
from workers.coordinator.state import GeneratorSeat, RunState
from workers.messages import GeneratorReport, SampleKey

POLL_S = 0.25


class GeneratorCrew:
    """See workers.coordinator.supervisor.Crew."""

    def __init__(self, state: RunState, pump: Pump) -> None:
        self._state = state
        self._pump = pump
        self.abort_latency: collections.deque[float] = collections.deque(maxlen=1000)
        """Seconds from the verdict to the last output of a sample that it made superfluous."""
        self._aborting: set[tuple[int, SampleKey]] = set()
        """(worker, key): told to abort, and not reported."""

    async def serve(self, seat: GeneratorSeat) -> None:
        state, settings = self._state, self._state.settings
        group = None
        try:
            options: dict[str, Any] = {
                "num_cpus": settings.cpus_per_replica,
                "max_concurrency": 10_000,
                # One node's loss should not take every replica.
                "scheduling_strategy": "SPREAD",
            }
            if settings.gpus_per_replica == 1:
                options["num_gpus"] = 1
            elif settings.gpus_per_replica > 1:
                bundle = {"GPU": settings.gpus_per_replica, "CPU": max(1.0, settings.cpus_per_replica)}
                group = placement_group([bundle], strategy="STRICT_PACK")
                options["num_gpus"] = settings.gpus_per_replica
                options["scheduling_strategy"] = PlacementGroupSchedulingStrategy(group)
            generator = settings.generator
            if settings.cores and settings.replicas > 1:
                cores = tuple(range(settings.cores))[seat.index % settings.cores :: settings.replicas]
                engine = dataclasses.replace(generator.engine, cpu_cores=cores)
                generator = dataclasses.replace(generator, engine=engine)
            generator = dataclasses.replace(generator, epoch=state.claim.epoch if state.claim else 0)
            seat.actor = ray.remote(Generator).options(**options).remote(generator, seat.index, seat.worker)
            state.engine = await seat.actor.start.remote()
            seat.capacity = generator.engine.max_num_seqs
            state.generating_since = state.generating_since or time.monotonic()
            seat.ready = True
            seat.credit = seat.capacity
            await self._collect(seat)
        finally:
            if group is not None:
                remove_placement_group(group)

    async def _collect(self, seat: GeneratorSeat) -> None:
        """Takes in what the generator finishes until it dies or its GPUs are given back."""
        state = self._state
        while True:
            self._pump.lease_to(seat)
            results = seat.actor.results.options(num_returns=2)
            seat.polled = True
            report_ref, bundle_ref = results.remote(self._pump.orders(seat), self._pump.pace_s())
            report: GeneratorReport = unpack(await report_ref)
            seat.polled = False
            now = time.monotonic()
            if report.finished:
                self._note_aborts(seat, report)
                state.generated_at = now
                state.ledger.finished(seat.worker, report.finished, report.bundle or bundle_ref, now)
            # Leases still on their way count against the room that was reported.
            on_the_way = seat.given - report.received
            seat.credit = max(0, report.free - on_the_way)
            seat.running = report.running + on_the_way
            if report.finished or seat.credit:
                state.pump_needed.set()
            if self._may_release(seat):
                await self._rest(seat)

    def _note_aborts(self, seat: GeneratorSeat, report: GeneratorReport) -> None:
        if not self._aborting:
            return
        for row in report.finished:
            self._aborting.discard((seat.worker, row.key))
            if row.aborted and row.abort_s >= 0:
                self.abort_latency.append(row.abort_s)

    def _may_release(self, seat: GeneratorSeat) -> bool:
        """In the verification tail an idle replica gives its GPUs back."""
        state, settings = self._state, self._state.settings
        if not settings.gpus_per_replica or seat.running or not state.fed_all or state.ledger.wants_samples():
            return False
        threads = settings.verifiers * settings.verifier.num_threads
        return state.ledger.backlog_s() / threads > settings.release_backlog_s

    async def _rest(self, seat: GeneratorSeat) -> None:
        """Frees the replica until samples are wanted again, then raises to have the seat filled."""
        seat.ready = False
        self._state.note(f"generator {seat.index}", "idle: GPUs given back")
        ray.kill(seat.actor)
        seat.actor = None
        while not self._state.ledger.wants_samples():
            await asyncio.sleep(POLL_S)
        seat.restarts = 0
        raise ray.exceptions.RayActorError(error_msg="samples are wanted again")

    def give_back(self, seat: GeneratorSeat) -> None:
        self._state.ledger.lost_generator(seat.worker)
        self._aborting = {(worker, key) for worker, key in self._aborting if worker != seat.worker}
        seat.vacate()

    def abort(self, aborts: Iterable[tuple[int, SampleKey]], since: float = 0.0) -> None:
        """Ends samples, (worker, key), in their engines. `since` is when the verdict fell that made them superfluous
        (seconds since the epoch); 0 = now."""
        by_worker: dict[int, list[SampleKey]] = {}
        for worker, key in aborts:
            if (worker, key) not in self._aborting:
                self._aborting.add((worker, key))
                by_worker.setdefault(worker, []).append(key)
        if not by_worker:
            return
        for seat in self._state.generators:
            if seat.actor is not None and (keys := by_worker.get(seat.worker)):
                untold = not {lease.key for lease in seat.leases}.isdisjoint(keys)
                if untold and (orders := self._pump.orders(seat)):
                    seat.actor.add.remote(orders)  # or the abort would come before what it means
                seat.actor.abort.remote(keys, since or time.time())
