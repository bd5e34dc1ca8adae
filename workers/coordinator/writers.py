"""The writers' side of the coordinator: starts them, hands them parts, and finds out what a dead one left behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import ray
import ray.exceptions

from runstore.lease import is_superseded
from runstore.parts import FencedError
from runstore.storage import StorageError
from workers.actors.writer import Writer
from workers.coordinator.state import RunState, WriterSeat
from workers.messages import PartRows, WriteReply
from workers.scheduling.sample_state import Flight


class WriterCrew:
    """See workers.coordinator.supervisor.Crew."""

    def __init__(self, state: RunState) -> None:
        self._state = state

    async def serve(self, seat: WriterSeat) -> None:
        state = self._state
        assert state.claim is not None
        stream = state.claim.streams()[seat.index]
        options = {"num_cpus": 0, "max_concurrency": 10}
        actor = seat.actor = ray.remote(Writer).options(**options).remote(state.storage.uri, stream)
        seen = {(problem, index): part for problem, index, part in await actor.take_over.remote(seat.next_slot)}
        if await asyncio.to_thread(is_superseded, state.storage, state.claim):
            # The next owner's fence lies below this writer's own, and would not stop it.
            raise FencedError(f"{state.storage.uri} has been taken over by another job")
        self._reconcile(seat, seen)
        seat.failure = asyncio.get_running_loop().create_future()
        seat.busy = False
        seat.ready = True
        state.pump_needed.set()
        # Its death is noticed here, whether or not it has a part: this call ends with the actor only.
        presence = asyncio.ensure_future(actor.stay.remote())
        try:
            await asyncio.wait({presence, seat.failure}, return_when=asyncio.FIRST_COMPLETED)
            await (seat.failure if seat.failure.done() else presence)
        finally:
            presence.cancel()
            seat.failure.cancel()

    def give_back(self, seat: WriterSeat) -> None:
        """Nothing yet: what it wrote is known when its successor has fenced the stream."""

    def _reconcile(self, seat: WriterSeat, seen: Mapping[tuple[str, int], str]) -> None:
        """After a writer's death: what it made durable is acknowledged now, the rest waits for the next part."""
        flights, seat.writing = seat.writing, []
        for flight in flights:
            part = seen.get((flight.problem.entry.id, flight.key[1]))
            if part:
                self._state.ledger.durable([flight], part)
            else:
                self._state.ledger.not_written([flight])

    async def write(self, seat: WriterSeat) -> None:
        """Cuts one part and has it written."""
        state, settings, ledger = self._state, self._state.settings, self._state.ledger
        if not seat.ready:
            return  # it died meanwhile
        actor, failure = seat.actor, seat.failure
        flights = ledger.cut(settings.part_rows, settings.part_mb << 20, time.monotonic())
        if not flights:
            seat.busy = False
            return
        seat.writing = flights
        parts: dict[Any, PartRows] = {}
        members: dict[Any, list[Flight]] = {}
        for flight in flights:
            rows = parts.get(flight.bundle)
            if rows is None:
                rows = parts[flight.bundle] = PartRows(flight.bundle, [], [])
                members[flight.bundle] = []
            rows.rows.append(flight.bundle_row)
            rows.verdicts.append(flight.verdict)
            members[flight.bundle].append(flight)
        ordered = list(parts.values())
        try:
            reply: WriteReply = await actor.write.remote(ordered)
        except (ray.exceptions.RayError, FencedError, StorageError) as error:
            if failure is not None and not failure.done():
                failure.set_exception(error)
            return
        if seat.writing is not flights:
            return  # a successor has found out what became of them
        seat.writing = []
        seat.next_slot = reply.slot
        if reply.lost:
            gone = {ordered[i].bundle for i in reply.lost}
            ledger.bundle_gone([flight for bundle in gone for flight in members[bundle]])
            ledger.not_written([f for bundle, rows in members.items() if bundle not in gone for f in rows])
        else:
            seat.next_slot = reply.slot + 1
            ledger.durable(flights, reply.key)
        state.forget_chunks()
        seat.busy = False
        state.pump_needed.set()
