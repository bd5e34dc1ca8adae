"""The writers' side of the coordinator: starts them, hands them parts, and finds out what a dead one left behind."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

import ray
import ray.exceptions

from runstore.lease import is_superseded
from runstore.parts import FencedError
from runstore.storage import StorageError
from workers.actors.writer import Writer
from workers.coordinator.placement import on_this_node
from workers.coordinator.slots import WriterSlot
from workers.coordinator.state import RunState
from workers.messages import PartRows, WriteReply
from workers.scheduling.invariants import story_of
from workers.scheduling.sample_state import SampleState

log = logging.getLogger("proofmill.coordinator.writers")

SLOW_PART_S = 10.0
"""Seconds after which the writing of a part is reported in the log as slow."""


class WriterPool:
    """See workers.coordinator.supervisor.WorkerPool."""

    def __init__(self, state: RunState) -> None:
        self._state = state

    async def serve(self, slot: WriterSlot) -> None:
        state = self._state
        assert state.claim is not None
        stream = state.claim.streams()[slot.index]
        options = {"num_cpus": 0, "max_concurrency": 10, "scheduling_strategy": on_this_node()}
        arguments = state.storage.uri, stream, state.settings.log, slot.worker, state.settings.secrets.storage
        actor = slot.actor = ray.remote(Writer).options(**options).remote(*arguments)
        try:
            # It needs no resources, so Ray places it at once.
            slot.presence = await asyncio.wait_for(actor.presence.remote(), state.settings.start_s)
        except TimeoutError:
            raise ray.exceptions.GetTimeoutError(
                f"the process of writer {slot.index} did not start within resources.start_s = "
                f"{state.settings.start_s:g} s"
            ) from None
        seen = {(problem, index): part for problem, index, part in await actor.take_over.remote(slot.next_stream_slot)}
        if await asyncio.to_thread(is_superseded, state.storage, state.claim):
            # The next owner's fence lies below this writer's own, and would not stop it.
            raise FencedError(f"{state.storage.uri} has been taken over by another job")
        self._reconcile(slot, seen)
        log.info("writer %d: worker %d fenced %s and found %d rows", slot.index, slot.worker, stream, len(seen))
        slot.failure = asyncio.get_running_loop().create_future()
        slot.busy = False
        slot.ready = True
        state.dispatch_needed.set()
        # This call ends only when the actor dies, so a death is noticed even while the writer has no part.
        presence = asyncio.ensure_future(actor.stay.remote())
        try:
            await asyncio.wait({presence, slot.failure}, return_when=asyncio.FIRST_COMPLETED)
            await (slot.failure if slot.failure.done() else presence)
        finally:
            presence.cancel()
            slot.failure.cancel()

    def give_back(self, slot: WriterSlot) -> None:
        """Gives nothing back yet: what the writer made durable is known once its successor has fenced the stream."""

    def _reconcile(self, slot: WriterSlot, seen: Mapping[tuple[str, int], str]) -> None:
        """After a writer's death: acknowledges the rows that it made durable. The rest wait for the next part."""
        samples, slot.writing = slot.writing, []
        for sample in samples:
            part = seen.get((sample.problem.id, sample.key[1]))
            if part:
                self._state.ledger.durable([sample], part)
            else:
                self._state.ledger.not_written([sample])

    async def write(self, slot: WriterSlot) -> None:
        """Cuts one part and has it written."""
        state, settings, ledger = self._state, self._state.settings, self._state.ledger
        if not slot.ready:
            return  # it died meanwhile
        actor, failure = slot.actor, slot.failure
        samples = ledger.cut(settings.part_rows, settings.part_mb << 20, time.monotonic())
        if not samples:
            slot.busy = False
            return
        slot.writing = samples
        parts: dict[Any, PartRows] = {}
        members: dict[Any, list[SampleState]] = {}
        for sample in samples:
            rows = parts.get(sample.batch)
            if rows is None:
                rows = parts[sample.batch] = PartRows(sample.batch, [], [])
                members[sample.batch] = []
            rows.rows.append(sample.batch_row)
            rows.verdicts.append(sample.verdict)
            members[sample.batch].append(sample)
        ordered = list(parts.values())
        began = time.monotonic()
        try:
            reply: WriteReply = await actor.write.remote(ordered)
        except (ray.exceptions.RayError, FencedError, StorageError) as error:
            if failure is not None and not failure.done():
                failure.set_exception(error)
            return
        if slot.writing is not samples:
            return  # a successor has already dealt with these rows
        slot.writing = []
        seconds = time.monotonic() - began
        state.part_seconds.append(seconds)
        if seconds > SLOW_PART_S:
            log.warning("writer %d: part %s took %.1f s", slot.index, reply.key, seconds)
        slot.next_stream_slot = reply.slot
        if reply.lost:
            gone = {ordered[i].batch for i in reply.lost}
            ledger.batch_gone([sample for batch in gone for sample in members[batch]])
            ledger.not_written([f for batch, rows in members.items() if batch not in gone for f in rows])
        else:
            slot.next_stream_slot = reply.slot + 1
            if log.isEnabledFor(logging.DEBUG):
                for sample in samples:
                    log.debug("durable in %s\n%s", reply.key, story_of(sample))
            ledger.durable(samples, reply.key)
        state.forget_chunks()
        slot.busy = False
        state.dispatch_needed.set()
