"""The verifiers' side of the coordinator: starts them, takes in verdicts, kills one that hangs."""

from __future__ import annotations

import time

import ray

from runstore.batches import unpack
from workers.actors.verifier import Verifier
from workers.coordinator.dispatcher import Pump
from workers.coordinator.generators import GeneratorCrew
from workers.coordinator.state import RunState, VerifierSeat
from workers.messages import VerifierReport

HANG_S = 120.0
"""A row that a verifier has been at for so long beyond every limit means that the checker itself hangs."""


class VerifierCrew:
    """See workers.coordinator.supervisor.Crew."""

    def __init__(self, state: RunState, pump: Pump, generators: GeneratorCrew) -> None:
        self._state = state
        self._pump = pump
        self._generators = generators

    async def serve(self, seat: VerifierSeat) -> None:
        state, settings = self._state, self._state.settings
        options = {
            "num_cpus": settings.cpus_per_verifier,
            "max_concurrency": 1000,
            "scheduling_strategy": "SPREAD",
        }
        seat.actor = ray.remote(Verifier).options(**options).remote(settings.verifier)
        check_s = await seat.actor.start.remote(list(settings.kinds))
        seat.capacity = 2 * settings.verifier.num_threads
        seat.vacate()
        seat.check_s = check_s
        seat.ready = True
        while True:
            self._pump.hand_out_checks()
            items, seat.items = seat.items, []
            seat.polled = True
            data, num_rows = await seat.actor.results.remote(items)
            seat.polled = False
            if not num_rows:
                continue
            report: VerifierReport = unpack(data)
            now = time.monotonic()
            seat.answered([row.key for row in report.checked], now)
            aborts = state.ledger.checked(seat.worker, report.checked, report.verdicts, now)
            self._generators.abort(aborts, report.since)
            state.forget_chunks()
            state.pump_needed.set()

    def give_back(self, seat: VerifierSeat) -> None:
        self._generators.abort(self._state.ledger.lost_verifier(seat.worker, now=time.monotonic()))
        seat.vacate()

    def kill_hung(self, now: float) -> None:
        """Ends verifiers that have been at a row for far longer than any limit; the row is to blame."""
        for seat in self._state.verifiers:
            if seat.ready and (hung := seat.overdue(now - HANG_S - 2 * seat.check_s)):
                seat.ready = False  # or it would be given more until its death is known
                self._generators.abort(self._state.ledger.lost_verifier(seat.worker, hung, now))
                ray.kill(seat.actor)
