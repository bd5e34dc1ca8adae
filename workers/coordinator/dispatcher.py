"""The dispatcher: the one place that hands out work, to workers that reported room for it.

Samples go to generators, rows to verifiers, parts to writers. A worker whose `results` call has just returned gets its
new work with the next call. Only a worker that would run dry before that gets a separate message. Generators get these
messages in rounds, which become rarer the more replicas there are: with many replicas a coordinator spends its time on
messages and not on samples (figures in docs/log.md).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from runstore.batches import pack
from workers.coordinator.slots import GeneratorSlot, replicas_of
from workers.coordinator.state import RunState
from workers.coordinator.writers import WriterPool
from workers.messages import Orders, SampleTask
from workers.scheduling.sample_state import Stage
from workers.scheduling.shares import shares_of

CHECK_AHEAD_S = 0.25
"""Seconds of work that each thread of a verifier may hold, so that fast checks do not wait for messages and slow ones
stay with the coordinator, which can still give them to another verifier."""
CHECK_AHEAD_ROWS = 2048
CHECK_AHEAD_BYTES = 32 << 20
"""The most rows that one verifier may hold, and the most bytes of them by the mean row. A message to a verifier and
back takes a tenth of a second where processors are scarce; trivial checks are done with 512 rows long before that."""
REPORTS_PER_S = 250
"""Approximate limit on messages per second to and from all generators together. One message costs the coordinator a
millisecond or two."""
ROUND_MAX_S = 0.25
IDLE_SHARE = 0.25
"""Share of all room for samples that has to be empty before problems get more samples than their policy wants."""
WIDEN_S = 1.0
"""Shortest time between two such rounds, in seconds. Each looks at every open problem."""
DISPATCH_S = 0.002
"""Shortest time between two rounds, in seconds. What comes in meanwhile is handed out together."""


class Dispatcher:
    """Hands out work. Its methods never wait; `run` calls them when something changed."""

    def __init__(self, state: RunState, writers: WriterPool, clock: Callable[[], float] = time.monotonic) -> None:
        self._state = state
        self._writers = writers
        self._clock = clock
        self._next_round = 0.0
        self._round_planned = False
        self._next_widening: dict[int, float] = {}
        """Pool → when its problems may get more samples than their policy wants."""

    def pace_s(self) -> float:
        """Seconds between two messages to or from one generator, for all of them to stay below REPORTS_PER_S."""
        return min(ROUND_MAX_S, sum(slot.ready for slot in self._state.generators) / REPORTS_PER_S)

    async def run(self) -> None:
        """Returns when the run is complete."""
        state = self._state
        while True:
            await state.dispatch_needed.wait()
            state.dispatch_needed.clear()
            self.assign_in_rounds()
            self.hand_out_checks()
            self.cut_parts()
            if state.room():
                state.room_wanted.set()
            if state.fed_all and state.ledger.is_done():
                state.done.set()
                return
            await asyncio.sleep(DISPATCH_S)

    # Samples.

    def assign_in_rounds(self) -> None:
        """Fills the room of all generators together, where a round is due; else sees to it that it comes."""
        now = self._clock()
        if now >= self._next_round:
            self._next_round = now + self.pace_s()
            for pool in self._state.ledger.queues:
                slots = [slot for slot in self._ready(pool) if slot.credit > 0]
                self._assign(slots, self._may_widen(now, pool))
        elif not self._round_planned:
            self._round_planned = True
            asyncio.get_running_loop().call_later(self._next_round - now, self._begin_round)

    def _ready(self, pool: int) -> list[GeneratorSlot]:
        return [slot for slot in replicas_of(pool, self._state.generators) if slot.ready]

    def _may_widen(self, now: float, pool: int = 0) -> bool:
        """Whether engines stand idle at the end of the run, so that samples which may never be needed cost nothing. On
        CPUs such samples would slow the others down."""
        state = self._state
        gpus = state.settings.pools[pool].gpus_per_replica
        if not state.fed_all or not gpus or now < self._next_widening.get(pool, 0.0):
            return False
        ready = self._ready(pool)
        if sum(slot.credit for slot in ready) <= IDLE_SHARE * sum(slot.capacity for slot in ready):
            return False
        self._next_widening[pool] = now + WIDEN_S
        return True

    def _begin_round(self) -> None:
        self._round_planned = False
        self._state.dispatch_needed.set()

    def assign_to(self, slot: GeneratorSlot) -> None:
        """Fills one generator's room if there is enough work for the others too. Otherwise it waits for the next round,
        which spreads scarce work over all generators."""
        if slot.credit > 0 and len(self._state.ledger.queues[slot.pool]) >= sum(
            beside.credit for beside in self._ready(slot.pool)
        ):
            self._assign([slot])

    def _assign(self, slots: list[GeneratorSlot], widen: bool = False) -> None:
        """Fills the room of some replicas of one pool."""
        ledger = self._state.ledger
        room = sum(slot.credit for slot in slots)
        if not room or self._state.stopping:
            return
        pool = slots[0].pool
        queue = ledger.queues[pool]
        if len(slots) > 1 and not widen and queue.prefers() and len(queue) >= room:
            # Where there is enough for all, each asks for itself, and gets what its cache has the prompts of.
            for slot in slots:
                self._assign([slot])
            return
        worker = slots[0].worker if len(slots) == 1 else -1
        unburdened = sum(slot.suspect is None for slot in slots)
        now, at_once = self._clock(), slots[0].capacity
        tasks = ledger.next_tasks(room, worker, now, max_suspects=unburdened, widen=widen, slots=at_once, pool=pool)
        num_suspects = sum(task.suspect for task in tasks)
        for task, slot in zip(tasks[:num_suspects], [slot for slot in slots if slot.suspect is None], strict=False):
            slot.suspect = task.key
            self._hand(slot, [task])
        tasks = tasks[num_suspects:]
        homes = ledger.homes(tasks) if worker < 0 and queue.prefers() else []
        for slot, share in zip(slots, shares_of(tasks, slots, homes), strict=True):
            if share:
                self._hand(slot, share)

    def _hand(self, slot: GeneratorSlot, share: list[SampleTask]) -> None:
        """Gives tasks to one generator."""
        for task in share:
            self._state.ledger.assign(task.key, slot.worker)
        runs_dry = slot.running < slot.capacity
        slot.credit -= len(share)
        slot.num_assigned += len(share)
        slot.running += len(share)
        slot.tasks += share
        if slot.polled and runs_dry and (orders := self.orders(slot)):
            slot.actor.add.remote(orders)

    def orders(self, slot: GeneratorSlot) -> Orders | None:
        """What to send to this generator now; None if there is nothing."""
        tasks, slot.tasks = slot.tasks, []
        if not tasks:
            return None
        gone, slot.chunks_gone = slot.chunks_gone, []
        new = {task.chunk for task in tasks} - slot.chunks
        slot.chunks |= new
        chunks = {number: self._state.chunks[number] for number in new}
        return Orders(pack(tasks), chunks, gone, self._state.ledger.parents(tasks))

    # Checks.

    def hand_out_checks(self) -> None:
        """Fills verifiers up, the emptiest first."""
        ledger = self._state.ledger
        threads = self._state.settings.verifier.num_threads
        ahead_s = CHECK_AHEAD_S * threads
        fitting = int(CHECK_AHEAD_BYTES / max(1.0, ledger.checks.row_bytes))
        ahead_rows = max(2 * threads, min(CHECK_AHEAD_ROWS, fitting))
        now = self._clock()
        waiting = True
        while waiting:
            waiting = False
            for slot in sorted(self._state.verifiers, key=lambda slot: slot.outstanding):
                room_s = ahead_s - slot.outstanding_s
                room = ahead_rows - slot.outstanding
                least = slot.capacity - slot.outstanding
                if not slot.ready or (least <= 0 and min(room, room_s) <= 0):
                    continue
                # Only a verifier that would run dry gets a separate message.
                if slot.polled and 2 * least < slot.capacity and (2 * room_s < ahead_s or 2 * room < ahead_rows):
                    continue
                if len(self._state.verifiers) > 1:
                    # Each pass hands out half of what fits, so that a few rows spread over all verifiers.
                    least, room, room_s = -(-least // 2), max(1, room // 2), room_s / 2
                items, seconds = ledger.next_checks(
                    slot.worker, least, room, room_s, idle=not slot.outstanding, now=now
                )
                if not items:
                    continue
                slot.assign(items, seconds, now)
                if slot.polled:
                    slot.actor.add.remote(items)
                else:
                    slot.items += items
                waiting = True

    # Parts.

    def cut_parts(self) -> None:
        """Gives free writers the parts that are full or old enough."""
        state = self._state
        for slot in state.writers:
            if not state.ledger.num_ready()[0]:
                return
            if slot.ready and not slot.busy and self._part_is_due():
                slot.busy = True
                state.spawn(self._writers.write(slot))

    def _part_is_due(self) -> bool:
        state, settings, ledger = self._state, self._state.settings, self._state.ledger
        rows, size = ledger.num_ready()
        upstream = (Stage.DRAWING, Stage.QUEUED, Stage.FINISHED, Stage.CHECKING)
        drained = state.fed_all and not any(ledger.num(stage) for stage in upstream)
        full = rows >= settings.part_rows or size >= settings.part_mb << 20
        return full or drained or state.stopping or self._clock() - ledger.writes.oldest() >= settings.flush_s
