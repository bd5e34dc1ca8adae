"""The verifiers' side of the coordinator: starts them, takes in verdicts, kills one that hangs."""

from __future__ import annotations

import logging
import time

import ray

from runstore.batches import unpack
from workers.actors.verifier import Verifier
from workers.coordinator.dispatcher import Dispatcher
from workers.coordinator.generators import GeneratorPool
from workers.coordinator.slots import VerifierSlot
from workers.coordinator.state import RunState
from workers.messages import VerifierReport

log = logging.getLogger("proofmill.coordinator.verifiers")

HANG_S = 120.0
"""Seconds beyond all limits of a check. If a row is still being checked after that, the checker itself hangs."""


class VerifierPool:
    """See workers.coordinator.supervisor.WorkerPool."""

    def __init__(self, state: RunState, dispatcher: Dispatcher, generators: GeneratorPool) -> None:
        self._state = state
        self._dispatcher = dispatcher
        self._generators = generators

    async def serve(self, slot: VerifierSlot) -> None:
        state, settings = self._state, self._state.settings
        options = {
            "num_cpus": settings.cpus_per_verifier,
            "max_concurrency": 1000,
            "scheduling_strategy": "SPREAD",
        }
        arguments = settings.verifier, slot.worker, settings.secrets.verifier
        slot.actor = ray.remote(Verifier).options(**options).remote(*arguments)
        slot.presence = await slot.actor.presence.remote()
        check_s = await slot.actor.start.remote(list(settings.kinds))
        log.info("verifier %d: worker %d is ready; a check takes at most %.0f s", slot.index, slot.worker, check_s)
        slot.capacity = 2 * settings.verifier.num_threads
        slot.vacate()
        slot.check_s = check_s
        slot.ready = True
        while True:
            self._dispatcher.hand_out_checks()
            items, slot.items = slot.items, []
            slot.polled = True
            data, num_rows = await slot.actor.results.remote(items)
            slot.polled = False
            if not num_rows:
                continue
            report: VerifierReport = unpack(data)
            now = time.monotonic()
            slot.complete([row.key for row in report.checked], now)
            aborts = state.ledger.checked(slot.worker, report.checked, report.verdicts, now)
            self._generators.abort(aborts, report.since)
            state.forget_chunks()
            state.dispatch_needed.set()

    def give_back(self, slot: VerifierSlot) -> None:
        self._generators.abort(self._state.ledger.lost_verifier(slot.worker, now=time.monotonic()))
        slot.vacate()

    def kill_hung(self, now: float) -> None:
        """Ends verifiers that have been checking one row for far longer than any limit, and blames that row."""
        for slot in self._state.verifiers:
            if slot.ready and (hung := slot.overdue(now - HANG_S - 2 * slot.check_s)):
                log.warning("verifier %d: worker %d hangs at %s and is ended", slot.index, slot.worker, hung)
                slot.ready = False  # else it would get more rows until its death is known
                self._generators.abort(self._state.ledger.lost_verifier(slot.worker, hung, now))
                ray.kill(slot.actor)
