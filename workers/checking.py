"""The verifiers' side of the coordinator: starts them, takes in verdicts, kills one that hangs."""

from __future__ import annotations

import time

import ray

from workers.generating import GeneratorCrew
from workers.messages import VerifierReport, unpack
from workers.pump import Pump
from workers.run_state import RunState, VerifierSeat
from workers.verifier import Verifier

HANG_S = 120.0
"""A row that a verifier has had for so long beyond every limit means that the checker itself hangs."""
WALL_S = 10.0
"""Limit of a check whose kind sets none."""


class VerifierCrew:
    """See workers.seats.Crew."""

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
        await seat.actor.start.remote(list(settings.kinds))
        seat.capacity = 2 * settings.verifier.num_threads
        seat.vacate()
        seat.ready = True
        while True:
            self._pump.hand_out_checks()
            items, seat.items = seat.items, []
            seat.polled = True
            data, num_rows = await seat.actor.results.remote(items)
            seat.polled = False
            if not num_rows:
                continue
            seat.answered(num_rows)
            report: VerifierReport = unpack(data)
            aborts = state.ledger.checked(seat.worker, report.checked, report.verdicts, time.monotonic())
            self._generators.abort(aborts, report.since)
            state.forget_chunks()
            state.pump_needed.set()

    def give_back(self, seat: VerifierSeat) -> None:
        self._generators.abort(self._state.ledger.lost_verifier(seat.worker, now=time.monotonic()))
        seat.vacate()

    def kill_hung(self, now: float) -> None:
        """Ends verifiers that have had a row for far longer than any limit; the row is to blame."""
        limits = [float(limit.get("wall_s") or 0.0) for limit in self._state.settings.verifier.limits.values()]
        before = now - HANG_S - 2 * max([WALL_S, *limits])
        for seat in self._state.verifiers:
            if seat.ready and (hung := self._state.ledger.overdue_checks(seat.worker, before)):
                self._generators.abort(self._state.ledger.lost_verifier(seat.worker, hung, now))
                ray.kill(seat.actor)
