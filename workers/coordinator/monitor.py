"""What the coordinator does by the clock: its heartbeat, budgets, hung verifiers, occupancy."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping

from runstore.lease import is_superseded, renew
from runstore.storage import StorageError
from verifiers.types import Json
from workers.coordinator.generators import GeneratorPool
from workers.coordinator.metrics import RunMetrics
from workers.coordinator.pools import PoolSettings
from workers.coordinator.silence import SilenceWatch
from workers.coordinator.state import RunState
from workers.coordinator.verifiers import VerifierPool
from workers.logs import NO_FILES, RunLog
from workers.sampling.budget import SECONDS_PER_HOUR
from workers.scheduling.sample_state import RATED, Stage, own_work

TICK_S = 0.25
"""Polling interval for budgets, overdue checks and part ages."""
HANG_TICKS = 20
OCCUPANCY_POINTS = 600


log = logging.getLogger("proofmill.coordinator.monitor")

STATUS_S = 60.0
"""Seconds between two lines of figures in the log."""
METRICS_S = 5.0
"""Seconds between two updates of the metrics. Ray exports them every 10 s and drops a gauge that is not set again."""


def rates(earlier: Mapping[str, Json], later: Mapping[str, Json]) -> dict[str, float]:
    """How fast each count in `RATED` grew by this start's own work between two sets of figures, per second."""
    seconds = max(later["elapsed_s"] - earlier["elapsed_s"], 1e-3)
    grown = {name: own_work(later, name) - own_work(earlier, name) for name in RATED}
    return {f"{name}_per_s": round(count / seconds, 3) for name, count in grown.items()}


def hourly_usd(pool: PoolSettings) -> float:
    """What one replica of a pool on our own machines costs per hour."""
    if pool.gpus_per_replica:
        return pool.gpus_per_replica * float(pool.cost.get("usd_per_gpu_hour") or 0.0)
    return pool.cpus_per_replica * float(pool.cost.get("usd_per_cpu_hour") or 0.0)


class RunMonitor:
    """Two loops that end with the run."""

    def __init__(self, state: RunState, generators: GeneratorPool, verifiers: VerifierPool) -> None:
        self._state = state
        self._generators = generators
        self._verifiers = verifiers
        self._silence = SilenceWatch(state)
        self.occupancy: list[list[float]] = []
        """[seconds since the start, samples running, samples that ready engines have room for]."""
        self._occupancy_step = 1.0
        self.log = RunLog(NO_FILES, "")
        """The coordinator's log, which gets one line of figures every STATUS_S seconds."""
        self.metrics: RunMetrics | None = None
        """None outside Ray, as in some tests."""

    async def heartbeat(self) -> None:
        """Renews the lease of this job, and stops the job once another one owns the run."""
        state = self._state
        assert state.claim is not None
        count = 0
        while True:
            await asyncio.sleep(state.settings.lease_s / 6)
            count += 1
            try:
                if await asyncio.to_thread(is_superseded, state.storage, state.claim):
                    state.fail("this run has been taken over by another job; this job stops here")
                    return
                await asyncio.to_thread(renew, state.storage, state.claim, count, state.spent())
            except StorageError as error:
                state.note("heartbeat", str(error))

    async def watch(self) -> None:
        """Charges time, ends the run at a ceiling, ends workers that hang, records occupancy."""
        state = self._state
        last = next_point = time.monotonic()
        figures, next_figures = self._figures(), last + STATUS_S
        next_metrics = last
        ticks = 0
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            ticks += 1
            self._charge(now - last)
            last = now
            reason = state.budget.exhausted()
            if not reason and (ceiling := state.ledger.queues.stranded(state.budget)):
                reason = f"{ceiling} leaves no room for one more sample"
            if reason and not state.stop_reason:
                log.info("the budget ends the run: %s", reason)
                state.stop_reason = reason
                self._generators.abort(state.ledger.spend_out(reason))
            if ticks % HANG_TICKS == 0:
                self._verifiers.kill_hung(now)
            self._silence.watch(now)
            if now >= next_point:
                next_point = now + self._occupancy_step
                self._note_occupancy(now)
            if now >= next_figures:
                earlier, figures, next_figures = figures, self._figures(), now + STATUS_S
                self.log.status({**figures, **rates(earlier, figures)})
            if now >= next_metrics:
                next_metrics = now + METRICS_S
                self._update_metrics(now)
            state.dispatch_needed.set()

    def _figures(self) -> dict[str, Json]:
        """Queue lengths and totals, now."""
        state, ledger = self._state, self._state.ledger
        totals = ledger.totals
        return {
            "elapsed_s": round(time.monotonic() - state.started, 3),
            "problems_open": ledger.num_open(),
            "problems_solved": totals.problems_solved,
            **{stage.name.lower(): ledger.num(stage) for stage in Stage},
            "ready": ledger.num_ready()[0],
            "backlog_s": round(ledger.checks.backlog_s(), 3),
            "workers": {slot.name: sum(s.ready for s in state.slots if s.name == slot.name) for slot in state.slots},
            "samples": totals.samples,
            "aborted": totals.aborted,
            "durable": totals.durable,
            "completion_tokens": totals.completion_tokens,
            "statuses": dict(totals.statuses),
            "restored": dict(totals.restored),
            "retries": dict(totals.retries),
        }

    def _update_metrics(self, now: float) -> None:
        if self.metrics is None:
            return
        try:
            self.metrics.update(self._state, now)
        except Exception as error:  # raised by Ray; a run works without metrics
            log.warning("no metrics from here on: %s: %s", type(error).__name__, error)
            self.metrics = None

    def _charge(self, seconds: float) -> None:
        settings = self._state.settings
        local = [pool for pool in settings.pools if not pool.is_remote]
        live = [settings.pools[slot.pool] for slot in self._state.generators if slot.is_placed]
        live = [pool for pool in live if not pool.is_remote]
        gpus = sum(pool.gpus_per_replica for pool in live)
        cpus = 0.0
        if local and not any(pool.gpus_per_replica for pool in local):
            cpus = settings.cores or sum(pool.cpus_per_replica for pool in live)
        usd = sum(map(hourly_usd, live)) * seconds / SECONDS_PER_HOUR if len(settings.pools) > 1 else 0.0
        self._state.budget.charge(gpu_s=gpus * seconds, cpu_s=cpus * seconds, wall_s=seconds, usd=usd)
        for pool in live if len(settings.pools) > 1 else ():
            self._state.budget.note_pool(
                pool.name,
                gpu_s=pool.gpus_per_replica * seconds,
                cpu_s=pool.cpus_per_replica * seconds,
                usd=hourly_usd(pool) * seconds / SECONDS_PER_HOUR,
            )

    def _note_occupancy(self, now: float) -> None:
        running = sum(slot.running for slot in self._state.generators)
        capacity = sum(slot.capacity for slot in self._state.generators if slot.ready)
        self.occupancy.append([round(now - self._state.started, 2), running, capacity])
        if len(self.occupancy) >= OCCUPANCY_POINTS:
            self.occupancy = self.occupancy[::2]
            self._occupancy_step *= 2
