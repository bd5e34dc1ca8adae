"""The pump: the one place that hands out work, to whoever reported room for it.

Samples to generators, rows to verifiers, parts to writers. A worker whose `results` call has just returned is told with
the next one; only a worker that would otherwise run dry meanwhile gets a message of its own, and generators get those
in rounds, the rarer the more replicas there are. Messages, not samples, are what a coordinator of many replicas spends
its time on (figures in docs/log.md).
"""

from __future__ import annotations

import asyncio
import time

from runstore.batches import pack
from workers.coordinator.state import GeneratorSeat, RunState
from workers.coordinator.writers import WriterCrew
from workers.messages import Lease, Orders
from workers.scheduling.sample_state import Stage

CHECK_AHEAD_S = 0.25
"""Seconds of work that each thread of a verifier may hold, so that fast checks do not wait for messages and slow ones
stay with the coordinator, which can still give them to somebody else."""
CHECK_AHEAD_ROWS = 512
REPORTS_PER_S = 250
"""Messages to and from all generators together, at most about: one costs the coordinator a millisecond or two."""
ROUND_MAX_S = 0.25
PUMP_S = 0.002
"""Least time between two rounds: what comes in meanwhile is handed out together."""


class Pump:
    """Its methods never wait; `run` calls them when something changed."""

    def __init__(self, state: RunState, writers: WriterCrew) -> None:
        self._state = state
        self._writers = writers
        self._next_round = 0.0
        self._round_planned = False

    def pace_s(self) -> float:
        """Seconds between two messages to or from one generator, for all of them to stay below REPORTS_PER_S."""
        return min(ROUND_MAX_S, sum(seat.ready for seat in self._state.generators) / REPORTS_PER_S)

    async def run(self) -> None:
        """Returns when the run is complete."""
        state = self._state
        while True:
            await state.pump_needed.wait()
            state.pump_needed.clear()
            self._lease_in_rounds()
            self.hand_out_checks()
            self.cut_parts()
            if state.room():
                state.room_wanted.set()
            if state.fed_all and state.ledger.is_done():
                state.done.set()
                return
            await asyncio.sleep(PUMP_S)

    # Samples.

    def _lease_in_rounds(self) -> None:
        now = time.monotonic()
        if now >= self._next_round:
            self._next_round = now + self.pace_s()
            self._lease([seat for seat in self._state.generators if seat.ready and seat.credit > 0])
        elif not self._round_planned:
            self._round_planned = True
            asyncio.get_running_loop().call_later(self._next_round - now, self._begin_round)

    def _begin_round(self) -> None:
        self._round_planned = False
        self._state.pump_needed.set()

    def lease_to(self, seat: GeneratorSeat) -> None:
        """Fills one generator's room, if there is enough for the others too; else it takes part in the next round,
        where what is scarce is spread."""
        room = sum(seat.credit for seat in self._state.generators if seat.ready)
        if seat.credit > 0 and self._state.ledger.num_wanting() >= room:
            self._lease([seat])

    def _lease(self, seats: list[GeneratorSeat]) -> None:
        state = self._state
        room = sum(seat.credit for seat in seats)
        if not room or state.stopping:
            return
        leases = state.ledger.lease(room, now=time.monotonic())
        if not leases:
            return
        for seat, share in zip(seats, shares_of(leases, seats), strict=True):
            if not share:
                continue
            for lease in share:
                state.ledger.assign(lease.key, seat.worker)
            runs_dry = seat.running < seat.capacity
            seat.credit -= len(share)
            seat.given += len(share)
            seat.running += len(share)
            seat.leases += share
            if seat.polled and runs_dry and (orders := self.orders(seat)):
                seat.actor.add.remote(orders)

    def orders(self, seat: GeneratorSeat) -> Orders | None:
        """What this generator has to be told now."""
        leases, seat.leases = seat.leases, []
        if not leases:
            return None
        gone, seat.chunks_gone = seat.chunks_gone, []
        new = {lease.chunk for lease in leases} - seat.chunks
        seat.chunks |= new
        chunks = {number: self._state.chunks[number] for number in new}
        return Orders(pack(leases), chunks, gone, self._state.ledger.parents(leases))

    # Checks.

    def hand_out_checks(self) -> None:
        """Fills verifiers up, the emptiest first."""
        ledger = self._state.ledger
        ahead_s = CHECK_AHEAD_S * self._state.settings.verifier.num_threads
        now = time.monotonic()
        waiting = True
        while waiting:
            waiting = False
            for seat in sorted(self._state.verifiers, key=lambda seat: seat.outstanding):
                room_s = ahead_s - seat.outstanding_s
                room = CHECK_AHEAD_ROWS - seat.outstanding
                least = seat.capacity - seat.outstanding
                if not seat.ready or (least <= 0 and min(room, room_s) <= 0):
                    continue
                # A message of its own only to one that would otherwise run dry.
                if seat.polled and 2 * least < seat.capacity and (2 * room_s < ahead_s or 2 * room < CHECK_AHEAD_ROWS):
                    continue
                if len(self._state.verifiers) > 1:
                    # Half a round at a time, so that a few rows spread over all verifiers.
                    least, room, room_s = -(-least // 2), max(1, room // 2), room_s / 2
                items, seconds = ledger.next_checks(
                    seat.worker, least, room, room_s, idle=not seat.outstanding, now=now
                )
                if not items:
                    continue
                seat.given(items, seconds, now)
                if seat.polled:
                    seat.actor.add.remote(items)
                else:
                    seat.items += items
                waiting = True

    # Parts.

    def cut_parts(self) -> None:
        """Has free writers write what is full or old enough."""
        state = self._state
        for seat in state.writers:
            if not state.ledger.num_ready()[0]:
                return
            if seat.ready and not seat.busy and self._part_is_due():
                seat.busy = True
                state.spawn(self._writers.write(seat))

    def _part_is_due(self) -> bool:
        state, settings, ledger = self._state, self._state.settings, self._state.ledger
        rows, size = ledger.num_ready()
        upstream = (Stage.LEASED, Stage.QUEUED, Stage.FINISHED, Stage.CHECKING)
        drained = state.fed_all and not any(ledger.num(stage) for stage in upstream)
        full = rows >= settings.part_rows or size >= settings.part_mb << 20
        return full or drained or state.stopping or time.monotonic() - ledger.oldest_ready() >= settings.flush_s


def shares_of(leases: list[Lease], seats: list[GeneratorSeat]) -> list[list[Lease]]:
    """One share a seat, at most its credit; `leases` fit into the sum of credits.

    Plenty: runs of one problem's samples stay together, where they share its prompt's KV blocks. Scarce (the end of a
    run): spread over the least occupied engines, so that it does not drain to one with three sequences.
    """
    shares: list[list[Lease]] = [[] for _ in seats]
    if len(leases) >= sum(seat.credit for seat in seats):
        position = 0
        for share, seat in zip(shares, seats, strict=True):
            share += leases[position : position + seat.credit]
            position += seat.credit
        return shares
    load = [seat.running for seat in seats]
    for lease in leases:
        fits = [i for i, seat in enumerate(seats) if len(shares[i]) < seat.credit]
        i = min(fits, key=lambda i: load[i])
        shares[i].append(lease)
        load[i] += 1
    return shares
