"""The coordinator actor: knows every problem's state, steers generation, checking and writing while they run.

    driver ──chunks of problems──► coordinator ──tasks, aborts──► generators   (one engine each)
                                       ▲  │                            │ finished: counts, and texts as batches
                                       │  └──rows of batches──► verifiers ──verdicts──┐
                                       └──────────────────────────────────────────────┘
                                          └──rows + verdicts──► writers ──► samples/*.parquet

`Coordinator.run` is the whole life of a run. Its parts: workers.scheduling.ledger (what is known), dispatcher (hands
out work), supervisor (restarts workers that die), generators, verifiers and writers (each kind of worker), monitor
(budgets, heartbeat); they share workers.coordinator.state.

Every arrow that leaves the coordinator is sized by credit that the receiver reported, so no worker holds a queue that
it cannot work on. Bounds: open problems `window` (the driver is asked for more below it); samples in flight = the
engines' room; unchecked rows `max_unchecked` and pending bytes `max_pending_bytes` (above either, nothing is drawn);
rows at a verifier CHECK_AHEAD_S seconds of work, at least twice its threads; one part at a writer, at most `part_rows`
and `part_mb`.

Promises: it owns the run by a claim (runstore.lease) and stops when superseded; a dead generator, verifier or writer is
replaced, with back-off and at most `max_restarts` times per slot, and what it held goes back; `status` never waits.
Does not: open batches, read problem files, or survive: after its death the driver starts a new one, which resumes.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime as dt
import logging
import time
from typing import Any

from runstore.batches import unpack
from runstore.durable import read_durable
from runstore.lease import claim_run, is_superseded, release
from runstore.storage import StorageError
from verifiers.types import Json
from workers.actors.presence import Present
from workers.collector import calm_collector
from workers.coordinator.dispatcher import Dispatcher
from workers.coordinator.generators import GeneratorPool
from workers.coordinator.metrics import RunMetrics
from workers.coordinator.monitor import RunMonitor
from workers.coordinator.revisions import other_code
from workers.coordinator.state import CoordinatorSettings, RunState, open_routes, prices_of
from workers.coordinator.supervisor import dismiss, supervise
from workers.coordinator.verifiers import VerifierPool
from workers.coordinator.writers import WriterPool
from workers.logs import NO_FILES, RunLog
from workers.messages import Reference
from workers.scheduling.ledger import Ledger
from workers.scheduling.sample_state import Stage

log = logging.getLogger("proofmill.coordinator")

DISMISS_S = 20.0


class Coordinator(Present):
    """Runs as a Ray actor with an event loop of its own; `run` returns when the run is complete or stopped."""

    def __init__(self, settings: CoordinatorSettings) -> None:
        settings.secrets.storage.adopt()
        self._state = RunState(settings)
        self._next_chunk = 0
        self._log = RunLog(NO_FILES, "")
        self._writers = WriterPool(self._state)
        self._dispatcher = Dispatcher(self._state, self._writers)
        self._generators = GeneratorPool(self._state, self._dispatcher)
        self._verifiers = VerifierPool(self._state, self._dispatcher, self._generators)
        self._monitor = RunMonitor(self._state, self._generators, self._verifiers)

    # What the driver calls.

    async def claim(self) -> dict[str, Json]:
        """Takes the run over and reads what is durable. Raises RunHeldError, StorageError, DuplicateRowError."""
        state, settings = self._state, self._state.settings
        if wrong := await other_code():
            raise RuntimeError(wrong)
        await asyncio.to_thread(state.storage.check_conditional_writes)
        state.claim = await asyncio.to_thread(claim_run, state.storage, settings.writers, settings.lease_s)
        self._log = self._monitor.log = RunLog(settings.log, f"coordinator-{state.claim.epoch}")
        self._monitor.metrics = RunMetrics(settings.run_id)
        log.info("%s is owned, epoch %d", state.storage.uri, state.claim.epoch)
        # Started here, because reading millions of rows takes longer than a lease.
        state.spawn(self._monitor.heartbeat())
        stages = [stage for route in settings.routes for stage in route.stages]
        distinct = any(stage.sampling.get("distinct") for stage in stages)
        agreement = any(stage.sampling.get("agreement") for stage in stages)
        durable = await asyncio.to_thread(read_durable, state.storage, distinct, agreement)
        state.take_over(state.claim, durable)
        log.info("%d rows of %d problems are durable", durable.num_rows, len(durable))
        of_ledger = dataclasses.replace(settings.ledger, audit=settings.audit, prices=prices_of(settings))
        state.opened_ledger = Ledger(of_ledger, open_routes(settings), state.budget, durable)
        calm_collector()
        return {"epoch": state.claim.epoch, "durable_rows": durable.num_rows, "durable_problems": len(durable)}

    async def feed(self, chunk: list[Reference], entries: bytes) -> int:
        """Takes a chunk of problems, [reference to a packed list of Problem], and a packed list of their ProblemEntry;
        returns how many further problems are wanted now."""
        number = self._next_chunk
        self._next_chunk += 1
        self._state.chunks[number] = chunk
        self._state.ledger.feed(number, unpack(entries))
        self._state.forget_chunks()
        self._state.dispatch_needed.set()
        return self._state.room()

    async def end_of_problems(self) -> None:
        self._state.fed_all = True
        self._state.dispatch_needed.set()

    async def wants_problems(self, timeout_s: float) -> int:
        """How many problems are wanted. Waits up to `timeout_s` until at least one is."""
        state = self._state
        deadline = time.monotonic() + timeout_s
        while not state.room() and not state.done.is_set() and time.monotonic() < deadline:
            state.room_wanted.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(state.room_wanted.wait(), max(0.01, deadline - time.monotonic()))
        return 0 if state.done.is_set() else state.room()

    async def run(self) -> dict[str, Json]:
        """The whole life of a run: it works until every problem is settled and durable, or `stop`. Returns the summary;
        raises RuntimeError with a text for the user when the run cannot go on.

        docs/architecture.md says for each of the loops what it waits for and what unblocks it.
        """
        state = self._state
        if state.claim is None:
            await self.claim()  # the run is ours, what is durable is in the ledger, and the heartbeat runs
        state.started = time.monotonic()
        state.spawn(self._dispatcher.run())  # the ledger's work goes to slots that reported room
        state.spawn(self._monitor.watch())  # time and money are charged; hung verifiers are ended
        for generator in state.generators:
            state.spawn(supervise(state, generator, self._generators))  # finished samples come into the ledger
        for verifier in state.verifiers:
            state.spawn(
                supervise(state, verifier, self._verifiers)
            )  # verdicts come in, superfluous samples are aborted
        for writer in state.writers:
            state.spawn(supervise(state, writer, self._writers))  # rows become durable and leave the ledger
        try:
            await state.done.wait()  # by the dispatcher when all is durable, by `stop`, or by what ends the run
        finally:
            await state.end_loops()
            await dismiss(state, DISMISS_S)
            log.info("ended: %s", state.fatal or state.stop_reason or "all is done")
            await asyncio.to_thread(self._log.upload)
        await self._give_up_the_lease()
        if state.fatal:
            raise RuntimeError(state.fatal)
        return self.summary()

    async def _give_up_the_lease(self) -> None:
        """Releases the lease, so that the next start of the run need not wait for its end."""
        state = self._state
        if state.claim is not None and not await asyncio.to_thread(is_superseded, state.storage, state.claim):
            with contextlib.suppress(StorageError):
                await asyncio.to_thread(release, state.storage, state.claim, state.spent())

    async def stop(self, reason: str, grace_s: float) -> None:
        """Draws nothing more, writes what is checked and returns within about `grace_s`. The run can be resumed."""
        if self._state.stopping:
            return
        log.info("asked to stop: %s", reason)
        self._state.stopping = True
        self._state.stop_reason = reason
        for slot in self._state.generators:
            if slot.actor is not None:
                slot.actor.stop.remote()
        deadline = time.monotonic() + grace_s
        ledger = self._state.ledger
        while time.monotonic() < deadline:
            # Rows held back until the rest of their problem is durable (CHECKED, but not ready) are not written.
            left = ledger.num(Stage.FINISHED), ledger.num(Stage.CHECKING), ledger.num_ready()[0]
            if not any(left) and not ledger.num(Stage.WRITING):
                break
            self._state.dispatch_needed.set()
            await asyncio.sleep(0.05)
        self._state.done.set()

    async def story(self, problem_id: str, index: int) -> str:
        """The last changes of state of a sample in flight and the present time on the same clock, as text for people.
        Empty where the sample is not in flight."""
        ledger = self._state.opened_ledger
        story = ledger.story(problem_id, index) if ledger is not None else ""
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        return f"{story}\n  {time.monotonic():.3f} is now, {now}" if story else ""

    async def status(self) -> dict[str, Json]:
        """Counts for the progress display; cheap."""
        ledger = self._state.opened_ledger
        if ledger is None:
            return {"phase": "claiming"}
        totals = ledger.totals
        ready = sum(slot.ready for slot in self._state.generators)
        return {
            "phase": "starting engines" if not ready and not self._state.generating_since else "running",
            "stopping": self._state.stopping,
            "elapsed_s": time.monotonic() - self._state.started,
            "generating_s": time.monotonic() - self._state.generating_since if self._state.generating_since else 0.0,
            "problems_opened": totals.problems_opened,
            "problems_settled": totals.problems_settled,
            "problems_resumed": totals.problems_resumed,
            "problems_solved": totals.problems_solved,
            "problems_closed": totals.problems_closed,
            "samples": totals.samples,
            "aborted": totals.aborted,
            "durable": totals.durable,
            "completion_tokens": totals.completion_tokens,
            "restored": dict(totals.restored),
            "statuses": dict(totals.statuses),
            "running": sum(slot.running for slot in self._state.generators),
            "unchecked": ledger.num(Stage.FINISHED) + ledger.num(Stage.CHECKING),
            "unwritten": ledger.num(Stage.CHECKED) + ledger.num(Stage.WRITING),
            "usd": self._state.budget.spent_usd,
            "budget_eta_s": self._state.budget.eta_s(),
            "replicas": ready,
            "events": list(self._state.events),
        }

    def summary(self) -> dict[str, Json]:
        """What `run.json` keeps of the run."""
        totals = self._state.ledger.totals
        latencies = sorted(self._generators.abort_latency)
        stopped = self._state.stop_reason
        if not stopped and totals.problems_lost:
            stopped = "; ".join(self._state.ledger.queues.lost.values())
        return {
            "complete": self._state.fed_all and self._state.ledger.is_done() and not stopped,
            "stopped": stopped,
            "problems": totals.problems_opened,
            "problems_settled": totals.problems_settled,
            "problems_solved": totals.problems_solved,
            "samples": totals.samples,
            "aborted_samples": totals.aborted,
            "withdrawn_samples": totals.withdrawn,
            "statuses": dict(totals.statuses),
            "prompt_tokens": totals.prompt_tokens,
            "completion_tokens": totals.completion_tokens,
            "aborted_tokens": totals.aborted_tokens,
            "saved_tokens": totals.saved_tokens,
            "generation_s": totals.generation_s,
            "verify_s": totals.verify_s,
            # Time and money of all starts together, counted as the ceilings count them.
            "starts": self._state.starts,
            "wall_s": self._state.earlier_wall_s + time.monotonic() - self._state.started,
            "ready_s": max(0.0, self._state.generating_since - self._state.started)
            if self._state.generating_since
            else None,
            "generated_s": max(0.0, self._state.generated_at - self._state.started)
            if self._state.generated_at
            else None,
            "gpu_s": self._state.budget.spent_gpu_s,
            "cpu_s": self._state.budget.spent_cpu_s,
            "usd": self._state.budget.spent_usd,
            "occupancy": self._monitor.occupancy,
            "retries": [{"what": "sample", "why": why, "count": n} for why, n in sorted(totals.retries.items())],
            "restarts": list(self._state.events),
            "abort_s": {
                "count": len(latencies),
                "median": latencies[len(latencies) // 2] if latencies else None,
                "p99": latencies[int(0.99 * len(latencies))] if latencies else None,
                "max": latencies[-1] if latencies else None,
            },
            "engine": self._state.engines.get(0, {}),
            **({"pools": self._pools()} if len(self._state.settings.pools) > 1 else {}),
            "epoch": self._state.claim.epoch if self._state.claim else 0,
        }

    def _pools(self) -> dict[str, Json]:
        """What each pool drew, and what its engines said of themselves."""
        state = self._state
        prices = prices_of(state.settings)
        figures: dict[str, Json] = {}
        for index, totals in sorted(state.ledger.queues.totals.items()):
            name = state.settings.pools[index].name
            spent = state.budget.of_pool(name)
            tokens = prices[index].usd(totals.prompt_tokens, totals.completion_tokens) if index in prices else 0.0
            figures[name] = {
                "samples": totals.samples,
                "verified": totals.statuses.get("verified", 0),
                "aborted_samples": totals.aborted,
                "prompt_tokens": totals.prompt_tokens,
                "completion_tokens": totals.completion_tokens,
                "generation_s": totals.generation_s,
                "gpu_s": spent["gpu_s"],
                "cpu_s": spent["cpu_s"],
                "usd": spent["usd"] + tokens,
                "lost": state.ledger.queues.lost.get(index, ""),
                "engine": state.engines.get(index, {}),
            }
        return figures

    def memory_mb(self) -> float:
        """Resident memory of this process, for benchmarks."""
        import psutil

        return float(psutil.Process().memory_info().rss) / 2**20

    def actors(self) -> dict[str, list[Any]]:
        """Handles of the live workers, for tests that kill them."""
        state = self._state
        slots: dict[str, Any] = {"generator": state.generators, "verifier": state.verifiers, "writer": state.writers}
        return {name: [slot.actor for slot in group if slot.actor is not None] for name, group in slots.items()}
