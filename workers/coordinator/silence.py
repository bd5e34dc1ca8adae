"""Finds workers that no longer answer, and ends them.

A worker can stand still without dying: its process is stopped, its node swaps, a library holds its event loop. Ray
sees a living actor then, and the call that waits for it never returns. So every worker is asked for a sign of life
from time to time, as soon as its process is known. One that has not answered for `stall_s` is killed on its node; the
call that waited for it then raises, and its slot is filled again as after any death.

Does not: watch a generator whose engine still starts, which holds its event loop (`resources.start_s` is its deadline),
a process that Ray has not placed yet, or engines (workers.actors.generator does).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable

import ray
import ray.exceptions

from workers.actors.presence import KILL_S, end_on_its_node
from workers.coordinator.slots import GeneratorSlot, WorkerSlot
from workers.coordinator.state import RunState

log = logging.getLogger("proofmill.coordinator.silence")

ASK_S = 5.0
"""Seconds between two questions to one worker."""


class SilenceWatch:
    """Called by the clock (workers.coordinator.monitor)."""

    def __init__(self, state: RunState) -> None:
        self._state = state
        self._asked: dict[int, float] = {}
        """Worker → when it was asked last (monotonic seconds), as long as it has not answered."""
        self._next: dict[int, float] = {}
        """Worker → when to ask it again."""

    def watch(self, now: float) -> None:
        """Asks workers for a sign of life and ends those that owe one for too long."""
        stall_s = self._state.settings.stall_s
        slots = {slot.worker: slot for slot in self._state.slots if must_answer(slot)}
        for known in (self._asked, self._next):
            for worker in known.keys() - slots.keys():
                del known[worker]
        for worker, slot in slots.items():
            asked = self._asked.get(worker)
            if asked is None and now >= self._next.get(worker, 0.0):
                self._asked[worker] = now
                answer = slot.actor.presence.remote()
                answer.future().add_done_callback(self._heard(worker))
            elif asked is not None and now - asked > stall_s and not slot.stalled:
                slot.stalled = True
                slot.ready = False  # else it would get more work until its death is known
                self._state.note(
                    f"{slot.name} {slot.index}",
                    f"its process has not answered for {now - asked:.0f} s and is ended "
                    f"(resources.stall_s = {stall_s:g})",
                )
                self._state.spawn(end_worker(slot))

    def _heard(self, worker: int) -> Callable[[object], None]:
        loop = asyncio.get_running_loop()

        def answered(_: object) -> None:
            # An exception counts as an answer too: the worker's death is noticed elsewhere.
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._answered, worker)

        return answered

    def _answered(self, worker: int) -> None:
        self._asked.pop(worker, None)
        self._next[worker] = time.monotonic() + min(ASK_S, self._state.settings.stall_s / 4)


def must_answer(slot: WorkerSlot) -> bool:
    """Whether the event loop of the slot's worker is free to answer. Writers and verifiers start in threads."""
    is_starting = slot.presence is not None and not isinstance(slot, GeneratorSlot)
    return slot.actor is not None and (slot.ready or is_starting)


async def end_worker(slot: WorkerSlot) -> None:
    """Ends the slot's worker with every process below it, also where it does not answer."""
    actor, presence = slot.actor, slot.presence
    if presence is not None:
        try:
            found = await asyncio.wait_for(end_on_its_node(presence), KILL_S)
            log.info(
                "%s %d: process %d on %s: %s", slot.name, slot.index, presence.pid, presence.node,
                "killed" if found else "was gone",
            )  # fmt: skip
        except (TimeoutError, ray.exceptions.RayError) as error:
            log.warning("process %d on %s could not be killed there: %r", presence.pid, presence.node, error)
    if actor is not None:
        with contextlib.suppress(Exception):
            ray.kill(actor)
