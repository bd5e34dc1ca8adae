"""Keeps a worker in every slot: restarts workers that die, with back-off, and gives back what they held."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Any, Protocol, TypeVar

import ray
import ray.exceptions

from runstore.lease import is_superseded
from runstore.parts import FencedError
from runstore.storage import StorageError
from workers.coordinator.silence import end_worker
from workers.coordinator.slots import GeneratorSlot, WorkerSlot, replicas_of
from workers.coordinator.state import RunState
from workers.engines.base import EndpointLostError, EngineStalledError, EngineStartError, ModelLoadError
from workers.sampling.plan import LOST

log = logging.getLogger("proofmill.coordinator.supervisor")

RESTART_MAX_S = 60.0
"""Longest back-off between two workers of a slot."""
STEADY_S = 120.0
"""Seconds of life after which a worker's death starts the back-off from the beginning."""


S = TypeVar("S", bound=WorkerSlot, contravariant=True)


class WorkerPool(Protocol[S]):
    """The workers of one kind."""

    async def serve(self, slot: S) -> None:
        """Starts a worker in the slot and works with it until it dies, which raises. Returns when it has let the worker
        go and wants another one now."""

    def give_back(self, slot: S) -> None:
        """Returns what the slot's last worker held to the ledger."""


async def supervise(state: RunState, slot: S, pool: WorkerPool[S]) -> None:
    """Keeps a worker in the slot and waits longer after each death. Returns when the slot is no longer needed or is
    given up; ends the run when it cannot do without the slot."""
    while True:
        began = time.monotonic()
        slot.worker = state.num_workers
        state.num_workers += 1
        slot.stalled, slot.presence = False, None
        log.info("%s %d: worker %d starts", slot.name, slot.index, slot.worker)
        error = await occupy(slot, pool)
        if state.stopping and slot.name == "generator":
            return
        pool.give_back(slot)
        state.dispatch_needed.set()
        if error is None:
            slot.restarts = 0
            log.info("%s %d: worker %d was let go, another one starts", slot.name, slot.index, slot.worker)
            continue
        reason = describe(error)
        if isinstance(slot, GeneratorSlot):
            note_failure(state, slot, error)
        if isinstance(slot, GeneratorSlot) and (slot.retired or isinstance(cause_of(error), EndpointLostError)):
            lose_pool(state, slot, reason)
            return
        if hopeless := await why_hopeless(state, slot, error):
            end_pool_or_run(state, slot, hopeless)
            return
        slot.restarts = slot.restarts + 1 if time.monotonic() - began < STEADY_S else 1
        state.deaths[slot.name] += 1
        state.note(f"{slot.name} {slot.index}", reason)
        if slot.restarts > state.settings.max_restarts:
            give_up(state, slot, reason)
            return
        wait_s = back_off_s(state.settings.restart_s, slot.restarts)
        log.info("%s %d: worker %d died, the next one starts in %.0f s", slot.name, slot.index, slot.worker, wait_s)
        await asyncio.sleep(wait_s)


def back_off_s(restart_s: float, deaths: int) -> float:
    """Seconds to wait after that many deaths in a row."""
    # The power is bounded too: a float has no room for that of a thousand deaths.
    return float(min(restart_s * 2 ** min(deaths - 1, 30), RESTART_MAX_S))


async def occupy(slot: S, pool: WorkerPool[S]) -> Exception | None:
    """One worker's life in the slot: returns what it died of, or None if it was let go and another one is wanted. A
    worker that lives when the run ends stays in the slot, since `dismiss` asks it to stop."""
    is_over = True
    try:
        await pool.serve(slot)
        return None
    except asyncio.CancelledError:
        is_over = False
        raise
    except (FencedError, StorageError, EngineStartError, ray.exceptions.RayError) as error:
        # Its engine's processes may not notice that their actor is gone, and would hold the GPU.
        slot.stalled = slot.stalled or isinstance(cause_of(error), EngineStalledError)
        if slot.stalled:
            await end_worker(slot)
        return error
    finally:
        slot.ready = False
        if is_over:
            slot.actor, actor = None, slot.actor
            if actor is not None:
                with contextlib.suppress(Exception):
                    ray.kill(actor)


def note_failure(state: RunState, slot: GeneratorSlot, error: BaseException) -> None:
    """Counts a generator's death against its node, and a failed start against its slot."""
    if slot.presence is not None:
        state.failures_by_node[slot.presence.node_id] += 1
    if isinstance(cause_of(error), EngineStartError):
        slot.failed_starts += 1


def give_up(state: RunState, slot: WorkerSlot, reason: str) -> None:
    """Retires a generator slot that keeps failing, as long as enough others are left; ends the run otherwise."""
    failed = f"{slot.name} {slot.index} failed {slot.restarts} times in a row; the last time: {reason}"
    if not isinstance(slot, GeneratorSlot):
        state.fail(failed)
        return
    slot.retired = True
    pool = state.settings.pools[slot.pool]
    beside = replicas_of(slot.pool, state.generators)
    left, planned = sum(not other.retired for other in beside), len(beside)
    if left < max(1, pool.min_replicas):
        of_pool = f" of the pool {pool.name}" if len(state.settings.pools) > 1 else ""
        if planned > 1:
            failed += f"; {left} of {planned} replicas{of_pool} are left, fewer than resources.min_replicas = "
            failed += str(pool.min_replicas)
        end_pool_or_run(state, slot, failed)
        return
    place = f"generator {slot.index}" + (f" on {slot.presence.node}" if slot.presence else "")
    state.note(place, f"retired: {reason}; {left} of {planned} replicas are left")


def end_pool_or_run(state: RunState, slot: WorkerSlot, reason: str) -> None:
    """Gives up the slot's pool where the run can do without it: an endpoint elsewhere, beside other pools. Ends the run
    otherwise."""
    pools = state.settings.pools
    if isinstance(slot, GeneratorSlot) and pools[slot.pool].is_remote and len(pools) > 1:
        lose_pool(state, slot, reason)
    else:
        state.fail(reason)


def lose_pool(state: RunState, slot: GeneratorSlot, reason: str) -> None:
    """Gives up every replica of the slot's pool. Its problems end unfinished, and a resume goes on with them."""
    if slot.pool in state.ledger.queues.lost:
        return
    name = state.settings.pools[slot.pool].name
    state.note(f"pool {name}", f"{LOST}: {reason}")
    state.ledger.lose_pool(slot.pool, f"{LOST}: {name}: {reason}")
    for beside in replicas_of(slot.pool, state.generators):
        beside.retired = True
        if beside.actor is not None:
            with contextlib.suppress(Exception):
                ray.kill(beside.actor)  # its loop gives back what it draws
    state.forget_chunks()
    state.dispatch_needed.set()


async def why_hopeless(state: RunState, slot: WorkerSlot, error: BaseException) -> str:
    """Why the run cannot go on after this, for the user; empty where another worker may do better."""
    cause = cause_of(error)
    if isinstance(cause, FencedError) and state.claim is not None:
        try:
            # In a thread: a storage that does not answer would otherwise stop every worker with it.
            if await asyncio.to_thread(is_superseded, state.storage, state.claim):
                return "this run has been taken over by another job; nothing was lost, and this job stops here"
        except StorageError as fault:
            return str(fault)
    # Trying again would only repeat the user's wait where the disk is full, or the model does not load.
    if isinstance(cause, StorageError):
        return describe(error)
    if isinstance(cause, EngineStartError) and isinstance(slot, GeneratorSlot):
        return describe(error) if no_engine_will_start(state, slot, cause) else ""
    return ""


def no_engine_will_start(state: RunState, slot: GeneratorSlot, cause: EngineStartError) -> bool:
    """Whether a failed start says something about all replicas of the pool. One bad GPU says nothing about the others,
    so every slot must have failed, or the model itself must be at fault."""
    if slot.pool in state.engines:
        return False
    beside = replicas_of(slot.pool, state.generators)
    return isinstance(cause, ModelLoadError) or all(other.failed_starts for other in beside)


async def dismiss(state: RunState, stop_s: float) -> None:
    """Ends every worker of the run; each gets up to `stop_s` seconds to end its own processes and to upload its log."""
    stops: list[Any] = []
    for slot in state.slots:
        if slot.actor is not None:
            with contextlib.suppress(Exception):
                stops.append(slot.actor.stop.remote())
    if stops:
        with contextlib.suppress(Exception):
            await asyncio.wait_for(asyncio.gather(*stops, return_exceptions=True), stop_s)
    for slot in state.slots:
        if slot.actor is not None:
            with contextlib.suppress(Exception):
                ray.kill(slot.actor)


def cause_of(error: BaseException) -> BaseException:
    """What a remote method raised, without Ray's wrapper."""
    return getattr(error, "cause", None) or error


def describe(error: BaseException) -> str:
    """The error in one text for the user."""
    cause = cause_of(error)
    if isinstance(cause, ray.exceptions.RayActorError):
        return str(cause).strip().splitlines()[0] if str(cause).strip() else "its process died"
    return str(cause) or type(cause).__name__
