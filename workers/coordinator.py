"""The coordinator actor: knows every problem's state, steers generation, checking and writing while they run.

    driver ──chunks of problems──► coordinator ──leases, aborts──► generators   (one engine each)
                                       ▲  │                            │ finished: counts here, texts as bundles
                                       │  └──rows of bundles──► verifiers ──verdicts──┐
                                       └──────────────────────────────────────────────┘
                                          └──rows + verdicts──► writers ──► samples/*.parquet

Every arrow that leaves the coordinator is sized by credit that the receiver reported, so nobody holds a queue it can
not work on. Bounds: open problems `window` (the driver is asked for more below it); samples in flight = the engines'
room; unchecked rows `max_unchecked` and pending bytes `max_pending_bytes` (above either, nothing is leased); rows at a
verifier CHECK_AHEAD_S seconds of work, at least twice its threads; one part at a writer, at most `part_rows` and
`part_mb`.

Promises: it owns the run by a claim (workers.claim) and stops when superseded; a dead generator, verifier or writer is
replaced, with back-off and at most `max_restarts` times a seat, and what it held goes back; `status` never waits.
Does not: see texts, read problem files, or survive: after its death the driver starts a new one, which resumes.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import ray
import ray.exceptions
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from verifiers.types import Json
from workers.claim import Claim, beat, claim_run, is_superseded, release
from workers.engine import EngineStartError
from workers.generator import Generator, GeneratorSettings
from workers.ledger import Flight, Ledger, LedgerSettings, ProblemEntry, Stage
from workers.messages import GeneratorReport, PartRows, Reference, SampleKey, VerifierReport, WriteReply
from workers.parts import FencedError
from workers.resume import read_durable
from workers.sampling.budget import Budget
from workers.sampling.policy import make_policy
from workers.storage import StorageError, open_storage
from workers.verifier import Verifier, VerifierSettings
from workers.writer import Writer

TICK_S = 0.25
"""Budgets, overdue checks and part ages are looked at so often."""
OCCUPANCY_POINTS = 600
RESTART_S = 1.0
RESTART_MAX_S = 60.0
STEADY_S = 120.0
"""A worker that lived so long has its back-off forgiven."""
CHECK_AHEAD_S = 0.25
CHECK_AHEAD_ROWS = 512
HANG_S = 120.0
"""A row that a verifier has had for so long beyond every limit means that the checker itself hangs."""
ERROR_CHARS = 4000


@dataclasses.dataclass(frozen=True, slots=True)
class CoordinatorSettings:
    """All that a run needs, as plain values; jobs.solve makes it from the config."""

    run_uri: str
    kinds: tuple[str, ...]
    ledger: LedgerSettings
    sampling: Mapping[str, Json]
    budget: Mapping[str, Json]
    cost: Mapping[str, Json]
    generator: GeneratorSettings
    verifier: VerifierSettings
    replicas: int = 1
    gpus_per_replica: int = 0
    cpus_per_replica: float = 1.0
    cores: int = 0
    """Cores to share among replicas on a machine without GPUs; 0 = leave them to vLLM."""
    verifiers: int = 1
    cpus_per_verifier: float = 0.5
    writers: int = 1
    max_restarts: int = 5
    part_rows: int = 20_000
    part_mb: int = 64
    flush_s: float = 20.0
    lease_s: float = 30.0
    release_backlog_s: float = 60.0
    """Seconds of checking that must be waiting before idle replicas give their GPUs back: more than a restart costs."""
    window: int = 0
    """Problems open at once; 0 = four times the engines' room."""


class Seat:
    """A place for one worker, filled again when its occupant dies. `worker` numbers occupants, never reused."""

    def __init__(self, name: str, index: int) -> None:
        self.name = name
        self.index = index
        self.worker = -1
        self.actor: Any = None
        self.ready = False
        self.credit = 0
        self.given = 0
        """Generator: leases handed to this occupant so far. Writer: the stream's first slot not acknowledged."""
        self.running = 0
        self.capacity = 0
        self.restarts = 0
        self.busy = False
        self.outstanding = 0


class Coordinator:
    """Runs as a Ray actor with an event loop of its own; `run` returns when the run is complete or stopped."""

    def __init__(self, settings: CoordinatorSettings) -> None:
        self.settings = settings
        self._storage = open_storage(settings.run_uri)
        self._claim: Claim | None = None
        self._ledger: Ledger | None = None
        self._budget = Budget.of(settings.budget, settings.cost)
        self._chunks: dict[int, list[Reference]] = {}
        self._next_chunk = 0
        self._fed_all = False
        self._generators = [Seat("generator", i) for i in range(settings.replicas)]
        self._verifiers = [Seat("verifier", i) for i in range(settings.verifiers)]
        self._writers = [Seat("writer", i) for i in range(settings.writers)]
        self._workers = 0
        self._pump_needed = asyncio.Event()
        self._room_wanted = asyncio.Event()
        self._done = asyncio.Event()
        self._fatal = ""
        self._stop_reason = ""
        self._stopping = False
        self._engine: dict[str, Json] = {}
        self._events: collections.deque[dict[str, Json]] = collections.deque(maxlen=200)
        self._occupancy: list[list[float]] = []
        self._occupancy_step = 1.0
        self._started = time.monotonic()
        self._generating_since = 0.0
        self._generated_at = 0.0
        self._abort_latency: collections.deque[float] = collections.deque(maxlen=1000)
        self._aborting: dict[SampleKey, float] = {}
        self._writing: dict[int, list[Flight]] = {}
        """Rows of the part that a writer seat is writing."""
        self._writer_errors: dict[int, BaseException] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ever_ready = False

    # What the driver calls.

    async def claim(self) -> dict[str, Json]:
        """Takes the run over and reads what is durable. Raises RunHeldError, StorageError, DuplicateRowError."""
        settings = self.settings
        await asyncio.to_thread(self._storage.check_conditional_writes)
        self._claim = await asyncio.to_thread(claim_run, self._storage, settings.writers, settings.lease_s)
        distinct = bool(settings.sampling.get("distinct"))
        durable = await asyncio.to_thread(read_durable, self._storage, distinct)
        policy = make_policy(settings.sampling)
        self._ledger = Ledger(settings.ledger, policy, self._budget, durable)
        return {"epoch": self._claim.epoch, "durable_rows": durable.num_rows, "durable_problems": len(durable)}

    async def feed(self, chunk: list[Reference], entries: list[ProblemEntry]) -> int:
        """Takes a chunk of problems; returns how many further problems are wanted now."""
        number = self._next_chunk
        self._next_chunk += 1
        self._chunks[number] = chunk
        self.ledger.feed(number, entries)
        self._forget_chunks()
        self._pump_needed.set()
        return self._room()

    async def end_of_problems(self) -> None:
        self._fed_all = True
        self._pump_needed.set()

    async def wants_problems(self, timeout_s: float) -> int:
        """How many problems are wanted; waits up to `timeout_s` for that to be more than none."""
        deadline = time.monotonic() + timeout_s
        while not self._room() and not self._done.is_set() and time.monotonic() < deadline:
            self._room_wanted.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._room_wanted.wait(), max(0.01, deadline - time.monotonic()))
        return 0 if self._done.is_set() else self._room()

    async def run(self) -> dict[str, Json]:
        """Works until every problem is settled and durable, or `stop`. Returns the summary; raises RuntimeError with a
        text for the user when the run can not go on."""
        if self._claim is None:
            await self.claim()
        self._started = time.monotonic()
        for job in self._jobs():
            self._spawn(job)
        try:
            await self._done.wait()
        finally:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._dismiss()
        if self._claim is not None and not await asyncio.to_thread(is_superseded, self._storage, self._claim):
            with contextlib.suppress(StorageError):
                await asyncio.to_thread(release, self._storage, self._claim)
        if self._fatal:
            raise RuntimeError(self._fatal)
        return self.summary()

    async def stop(self, reason: str, grace_s: float) -> None:
        """Draws nothing more, writes what is checked and returns within about `grace_s`. The run can be resumed."""
        if self._stopping:
            return
        self._stopping = True
        self._stop_reason = reason
        for seat in self._generators:
            if seat.actor is not None:
                seat.actor.stop.remote()
        deadline = time.monotonic() + grace_s
        while time.monotonic() < deadline:
            checking = self.ledger.num(Stage.FINISHED) + self.ledger.num(Stage.CHECKING)
            if not checking and not self.ledger.num(Stage.CHECKED) and not self.ledger.num(Stage.WRITING):
                break
            self._pump_needed.set()
            await asyncio.sleep(0.05)
        self._done.set()

    async def status(self) -> dict[str, Json]:
        """Counts for the progress display; cheap."""
        ledger = self._ledger
        if ledger is None:
            return {"phase": "claiming"}
        totals = ledger.totals
        ready = sum(seat.ready for seat in self._generators)
        return {
            "phase": "starting engines" if not ready and not self._generating_since else "running",
            "stopping": self._stopping,
            "elapsed_s": time.monotonic() - self._started,
            "generating_s": time.monotonic() - self._generating_since if self._generating_since else 0.0,
            "problems_opened": totals.problems_opened,
            "problems_settled": totals.problems_settled,
            "problems_solved": totals.problems_solved,
            "problems_closed": totals.problems_closed,
            "samples": totals.samples,
            "aborted": totals.aborted,
            "durable": totals.durable,
            "completion_tokens": totals.completion_tokens,
            "statuses": dict(totals.statuses),
            "running": sum(seat.running for seat in self._generators),
            "unchecked": ledger.num(Stage.FINISHED) + ledger.num(Stage.CHECKING),
            "unwritten": ledger.num(Stage.CHECKED) + ledger.num(Stage.WRITING),
            "usd": self._budget.spent_usd,
            "budget_eta_s": self._budget.eta_s(),
            "replicas": ready,
            "events": list(self._events),
        }

    def summary(self) -> dict[str, Json]:
        """What `run.json` keeps of the run."""
        totals = self.ledger.totals
        latencies = sorted(self._abort_latency)
        return {
            "complete": self._fed_all and self.ledger.is_done() and not self._stop_reason,
            "stopped": self._stop_reason,
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
            "wall_s": time.monotonic() - self._started,
            "ready_s": max(0.0, self._generating_since - self._started) if self._generating_since else None,
            "generated_s": max(0.0, self._generated_at - self._started) if self._generated_at else None,
            "gpu_s": self._budget.spent_gpu_s,
            "cpu_s": self._budget.spent_cpu_s,
            "usd": self._budget.spent_usd,
            "occupancy": self._occupancy,
            "retries": [{"what": "sample", "why": why, "count": n} for why, n in sorted(totals.retries.items())],
            "restarts": list(self._events),
            "abort_s": {
                "count": len(latencies),
                "median": latencies[len(latencies) // 2] if latencies else None,
                "max": latencies[-1] if latencies else None,
            },
            "engine": self._engine,
            "epoch": self._claim.epoch if self._claim else 0,
        }

    def memory_mb(self) -> float:
        """Resident memory of this process, for benchmarks."""
        import psutil

        return float(psutil.Process().memory_info().rss) / 2**20

    def actors(self) -> dict[str, list[Any]]:
        """Handles of the live workers, for tests that kill them."""
        seats = {"generator": self._generators, "verifier": self._verifiers, "writer": self._writers}
        return {name: [seat.actor for seat in group if seat.actor is not None] for name, group in seats.items()}

    # Problems.

    @property
    def ledger(self) -> Ledger:
        if self._ledger is None:
            raise RuntimeError("claim the run first")
        return self._ledger

    def _room(self) -> int:
        if self._stopping or self._fed_all or self._ledger is None:
            return 0
        window = self.settings.window or 4 * self.settings.replicas * self.settings.generator.engine.max_num_seqs
        return max(0, window - self.ledger.num_open())

    def _forget_chunks(self) -> None:
        live = self.ledger.chunks()
        for number in [n for n in self._chunks if n not in live]:
            del self._chunks[number]

    # The pump: one place that hands out work.

    def _jobs(self) -> list[Any]:
        return [
            self._pump(),
            self._heartbeat(),
            self._watch(),
            *(self._fill(seat, self._serve_generator) for seat in self._generators),
            *(self._fill(seat, self._serve_verifier) for seat in self._verifiers),
            *(self._fill(seat, self._serve_writer) for seat in self._writers),
        ]

    async def _pump(self) -> None:
        while True:
            await self._pump_needed.wait()
            self._pump_needed.clear()
            if not self._stopping:
                self._lease()
            self._hand_out_checks()
            self._cut_parts()
            if self._room():
                self._room_wanted.set()
            if self._fed_all and self.ledger.is_done():
                self._done.set()
                return
            await asyncio.sleep(0)

    def _lease(self) -> None:
        seats = [seat for seat in self._generators if seat.ready and seat.credit > 0]
        room = sum(seat.credit for seat in seats)
        if not room:
            return
        leases = self.ledger.lease(room, now=time.monotonic())
        if not leases:
            return
        # Plenty: runs of one problem's samples stay together, where they share its prompt's KV blocks. Scarce (the end
        # of a run): spread over the least occupied engines, so that it does not drain to one with three sequences.
        shares: dict[int, list[Any]] = {i: [] for i in range(len(seats))}
        if len(leases) >= room:
            position = 0
            for i, seat in enumerate(seats):
                shares[i] = leases[position : position + seat.credit]
                position += seat.credit
        else:
            load = [seat.running for seat in seats]
            for lease in leases:
                fits = [i for i, seat in enumerate(seats) if len(shares[i]) < seat.credit]
                i = min(fits, key=lambda i: load[i])
                shares[i].append(lease)
                load[i] += 1
        for i, seat in enumerate(seats):
            if not shares[i]:
                continue
            for lease in shares[i]:
                self.ledger.assign(lease.key, seat.worker)
            seat.credit -= len(shares[i])
            seat.given += len(shares[i])
            seat.running += len(shares[i])
            chunks = {lease.chunk: self._chunks[lease.chunk] for lease in shares[i]}
            seat.actor.add.remote(shares[i], chunks)

    def _hand_out_checks(self) -> None:
        waiting = True
        while waiting:
            waiting = False
            for seat in sorted(self._verifiers, key=lambda seat: seat.outstanding):
                room = self._check_room(seat)
                if not seat.ready or room <= 0:
                    continue
                # Half a round at a time, so that a few rows spread over all verifiers.
                items = self.ledger.next_checks(
                    seat.worker, max(1, room // 2), idle=not seat.outstanding, now=time.monotonic()
                )
                if items:
                    seat.outstanding += sum(len(item.rows) for item in items)
                    seat.actor.add.remote(items)
                    waiting = True

    def _check_room(self, seat: Seat) -> int:
        """Rows a verifier may get now: a quarter second of work, so that fast checks do not wait for messages and slow
        ones stay with the coordinator, which can still give them to somebody else."""
        rows = int(CHECK_AHEAD_S * self.settings.verifier.num_threads / max(1e-4, self.ledger.mean_check_seconds()))
        return max(seat.capacity, min(rows, CHECK_AHEAD_ROWS)) - seat.outstanding

    def _cut_parts(self) -> None:
        settings, now = self.settings, time.monotonic()
        for seat in self._writers:
            rows, size = self.ledger.num_ready()
            if not rows:
                return
            if not seat.ready or seat.busy:
                continue
            idle = self._fed_all and not self.ledger.num(Stage.LEASED) and not self.ledger.num(Stage.QUEUED)
            drained = idle and not self.ledger.num(Stage.FINISHED) and not self.ledger.num(Stage.CHECKING)
            full = rows >= settings.part_rows or size >= settings.part_mb << 20
            if full or drained or self._stopping or now - self.ledger.oldest_ready() >= settings.flush_s:
                seat.busy = True
                self._spawn(self._write(seat))

    # Seats.

    async def _fill(self, seat: Seat, serve: Callable[[Seat], Awaitable[None]]) -> None:
        """Keeps one seat occupied. Returns when the seat is no longer needed; raises when it can not be filled."""
        while True:
            began = time.monotonic()
            seat.worker = self._workers
            self._workers += 1
            try:
                await serve(seat)
                return
            except (FencedError, StorageError, EngineStartError, ray.exceptions.RayError) as error:
                reason = describe(error)
                cause = cause_of(error)
            finally:
                seat.ready = False
                seat.actor, actor = None, seat.actor
                if actor is not None:
                    with contextlib.suppress(Exception):
                        ray.kill(actor)
            if self._stopping and seat.name == "generator":
                return
            await self._clean_up(seat)
            if isinstance(cause, FencedError) and self._claim is not None and is_superseded(self._storage, self._claim):
                self._fail("this run has been taken over by another job; nothing was lost, and this job stops here")
            if isinstance(cause, StorageError) or (isinstance(cause, EngineStartError) and not self._ever_ready):
                # Trying again would only repeat the user's wait: the disk is full, or the model does not load.
                self._fail(reason)
            seat.restarts = seat.restarts + 1 if time.monotonic() - began < STEADY_S else 1
            self._events.append({"what": f"{seat.name} {seat.index}", "why": reason[-ERROR_CHARS:], "at": time.time()})
            if seat.restarts > self.settings.max_restarts:
                self._fail(f"{seat.name} {seat.index} failed {seat.restarts} times in a row; the last time: {reason}")
            await asyncio.sleep(min(RESTART_S * 2 ** (seat.restarts - 1), RESTART_MAX_S))

    async def _clean_up(self, seat: Seat) -> None:
        """What the dead occupant held goes back."""
        if seat.name == "generator":
            self.ledger.lost_generator(seat.worker)
            seat.running = seat.credit = seat.given = 0
        elif seat.name == "verifier":
            self._abort(self.ledger.lost_verifier(seat.worker, now=time.monotonic()))
            seat.outstanding = 0
        self._pump_needed.set()

    def _fail(self, text: str) -> None:
        self._fatal = self._fatal or text
        self._done.set()
        raise asyncio.CancelledError

    # Generators.

    async def _serve_generator(self, seat: Seat) -> None:
        settings = self.settings
        group = None
        try:
            options: dict[str, Any] = {
                "num_cpus": settings.cpus_per_replica,
                "max_concurrency": 10_000,
                # One node's loss should not take every replica.
                "scheduling_strategy": "SPREAD",
            }
            if settings.gpus_per_replica == 1:
                options["num_gpus"] = 1
            elif settings.gpus_per_replica > 1:
                bundle = {"GPU": settings.gpus_per_replica, "CPU": max(1.0, settings.cpus_per_replica)}
                group = placement_group([bundle], strategy="STRICT_PACK")
                options["num_gpus"] = settings.gpus_per_replica
                options["scheduling_strategy"] = PlacementGroupSchedulingStrategy(group)
            generator = settings.generator
            if settings.cores and settings.replicas > 1:
                cores = tuple(range(settings.cores))[seat.index % settings.cores :: settings.replicas]
                engine = dataclasses.replace(generator.engine, cpu_cores=cores)
                generator = dataclasses.replace(generator, engine=engine)
            generator = dataclasses.replace(generator, epoch=self._claim.epoch if self._claim else 0)
            seat.actor = ray.remote(Generator).options(**options).remote(generator, seat.index, seat.worker)
            self._engine = await seat.actor.start.remote()
            seat.capacity = generator.engine.max_num_seqs
            self._generating_since = self._generating_since or time.monotonic()
            self._ever_ready = True
            seat.ready = True
            seat.credit = seat.capacity
            await self._collect(seat)
        finally:
            if group is not None:
                remove_placement_group(group)

    async def _collect(self, seat: Seat) -> None:
        """Takes in what the generator finishes until it dies or its GPUs are given back."""
        while True:
            report_ref, bundle_ref = seat.actor.results.options(num_returns=2).remote()
            report: GeneratorReport = await report_ref
            now = time.monotonic()
            for row in report.finished:
                started = self._aborting.pop(row.key, None)
                if started is not None and row.aborted:
                    self._abort_latency.append(now - started)
            if report.finished:
                self._generated_at = now
                self.ledger.finished(seat.worker, report.finished, bundle_ref, now)
            # Leases still on their way count against the room that was reported.
            on_the_way = seat.given - report.received
            seat.credit = max(0, report.free - on_the_way)
            seat.running = report.running + on_the_way
            if report.finished or seat.credit:
                self._pump_needed.set()
            if self._may_release(seat):
                await self._rest(seat)

    def _may_release(self, seat: Seat) -> bool:
        """In the verification tail an idle replica gives its GPUs back."""
        if not self.settings.gpus_per_replica or seat.running or not self._fed_all or self.ledger.wants_samples():
            return False
        threads = self.settings.verifiers * self.settings.verifier.num_threads
        return self.ledger.backlog_s() / threads > self.settings.release_backlog_s

    async def _rest(self, seat: Seat) -> None:
        """Frees the replica until samples are wanted again, then raises to have the seat filled."""
        seat.ready = False
        self._events.append({"what": f"generator {seat.index}", "why": "idle: GPUs given back", "at": time.time()})
        ray.kill(seat.actor)
        seat.actor = None
        while not self.ledger.wants_samples():
            await asyncio.sleep(TICK_S)
        seat.restarts = 0
        raise ray.exceptions.RayActorError(error_msg="samples are wanted again")

    def _abort(self, aborts: list[tuple[int, SampleKey]]) -> None:
        by_worker: dict[int, list[SampleKey]] = {}
        now = time.monotonic()
        for worker, key in aborts:
            if key not in self._aborting:
                self._aborting[key] = now
                by_worker.setdefault(worker, []).append(key)
        for seat in self._generators:
            if seat.actor is not None and seat.worker in by_worker:
                seat.actor.abort.remote(by_worker[seat.worker])

    # Verifiers.

    async def _serve_verifier(self, seat: Seat) -> None:
        options = {
            "num_cpus": self.settings.cpus_per_verifier,
            "max_concurrency": 1000,
            "scheduling_strategy": "SPREAD",
        }
        seat.actor = ray.remote(Verifier).options(**options).remote(self.settings.verifier)
        await seat.actor.start.remote(list(self.settings.kinds))
        seat.capacity = 2 * self.settings.verifier.num_threads
        seat.ready = True
        seat.outstanding = 0
        self._pump_needed.set()
        while True:
            report: VerifierReport = await seat.actor.results.remote()
            if not report.checked:
                continue
            seat.outstanding -= len(report.checked)
            self._abort(self.ledger.checked(seat.worker, report.checked, time.monotonic()))
            self._forget_chunks()
            self._pump_needed.set()

    # Writers.

    async def _serve_writer(self, seat: Seat) -> None:
        assert self._claim is not None
        stream = self._claim.streams()[seat.index]
        options = {"num_cpus": 0, "max_concurrency": 10}
        actor = ray.remote(Writer).options(**options).remote(self._storage.uri, stream)
        seat.actor = actor
        from_slot = seat.given
        seen = {(problem, index): part for problem, index, part in await actor.take_over.remote(from_slot)}
        self._reconcile(seat, seen)
        seat.busy = False
        seat.ready = True
        self._pump_needed.set()
        # The actor does its work in `_write`; here its death is noticed.
        while seat.index not in self._writer_errors:
            await asyncio.sleep(TICK_S)
        raise self._writer_errors.pop(seat.index)

    def _reconcile(self, seat: Seat, seen: Mapping[tuple[str, int], str]) -> None:
        """After a writer's death: what it made durable is acknowledged now, the rest waits for the next part."""
        flights = self._writing.pop(seat.index, [])
        for flight in flights:
            part = seen.get((flight.problem.entry.id, flight.key[1]))
            if part:
                self.ledger.durable([flight], part)
            else:
                self.ledger.not_written([flight])

    async def _write(self, seat: Seat) -> None:
        """One part at a time; several in a row while rows wait."""
        settings = self.settings
        actor = seat.actor
        flights = self.ledger.cut(settings.part_rows, settings.part_mb << 20, time.monotonic())
        if not flights:
            seat.busy = False
            return
        self._writing[seat.index] = flights
        by_bundle: dict[Any, PartRows] = {}
        members: dict[Any, list[Flight]] = {}
        for flight in flights:
            rows = by_bundle.setdefault(flight.bundle, PartRows(flight.bundle, [], []))
            rows.rows.append(flight.bundle_row)
            rows.verdicts.append(flight.verdict)
            members.setdefault(flight.bundle, []).append(flight)
        parts = list(by_bundle.values())
        try:
            reply: WriteReply = await actor.write.remote(parts)
        except (ray.exceptions.RayError, FencedError, StorageError) as error:
            self._writer_errors[seat.index] = error
            return
        self._writing.pop(seat.index, None)
        seat.given = reply.slot
        if reply.lost:
            gone = [parts[i].bundle for i in reply.lost]
            self.ledger.bundle_gone([flight for bundle in gone for flight in members[bundle]])
            self.ledger.not_written([f for bundle, rows in members.items() if bundle not in gone for f in rows])
        else:
            seat.given = reply.slot + 1
            self.ledger.durable(flights, reply.key)
        self._forget_chunks()
        seat.busy = False
        self._pump_needed.set()

    def _spawn(self, job: Any) -> None:
        task = asyncio.create_task(job)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fatal = self._fatal or f"{type(error).__name__}: {error}"
            self._done.set()

    # Clocks.

    async def _heartbeat(self) -> None:
        assert self._claim is not None
        count = 0
        while True:
            await asyncio.sleep(self.settings.lease_s / 6)
            count += 1
            try:
                if await asyncio.to_thread(is_superseded, self._storage, self._claim):
                    self._fail("this run has been taken over by another job; this job stops here")
                await asyncio.to_thread(beat, self._storage, self._claim, count)
            except StorageError as error:
                self._events.append({"what": "heartbeat", "why": str(error)[-ERROR_CHARS:], "at": time.time()})

    async def _watch(self) -> None:
        """Charges time, ends the run at a ceiling, kills verifiers that hang, records occupancy."""
        last = time.monotonic()
        next_point = last
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            self._charge(now - last)
            last = now
            reason = self._budget.exhausted()
            if not reason and self._budget.stranded(self.settings.ledger.max_tokens):
                reason = f"budget.tokens = {self._budget.tokens} leaves no room for one more sample"
            if reason and not self._stop_reason:
                self._stop_reason = reason
                self._abort(self.ledger.spend_out(reason))
            for seat in self._verifiers:
                if seat.ready and (hung := self.ledger.overdue_checks(seat.worker, now - self._hang_s())):
                    self._abort(self.ledger.lost_verifier(seat.worker, hung, now))
                    ray.kill(seat.actor)
            if now >= next_point:
                next_point = now + self._occupancy_step
                self._note_occupancy(now)
            self._pump_needed.set()

    def _hang_s(self) -> float:
        limits = [float(limit.get("wall_s") or 0.0) for limit in self.settings.verifier.limits.values()]
        return HANG_S + 2 * max([10.0, *limits])

    def _charge(self, seconds: float) -> None:
        gpus = self.settings.gpus_per_replica
        live = sum(1 for seat in self._generators if seat.actor is not None)
        cpus = self.settings.cores or live * self.settings.cpus_per_replica
        self._budget.charge(gpu_s=live * gpus * seconds, cpu_s=0.0 if gpus else cpus * seconds, wall_s=seconds)

    def _note_occupancy(self, now: float) -> None:
        running = sum(seat.running for seat in self._generators)
        capacity = sum(seat.capacity for seat in self._generators if seat.ready)
        self._occupancy.append([round(now - self._started, 2), running, capacity])
        if len(self._occupancy) >= OCCUPANCY_POINTS:
            self._occupancy = self._occupancy[::2]
            self._occupancy_step *= 2

    async def _dismiss(self) -> None:
        """Ends every worker of the run."""
        stops = []
        for seat in [*self._generators, *self._verifiers]:
            if seat.actor is not None:
                with contextlib.suppress(Exception):
                    stops.append(seat.actor.stop.remote())
        if stops:
            with contextlib.suppress(Exception):
                await asyncio.wait_for(asyncio.gather(*stops, return_exceptions=True), 20)
        for seat in [*self._generators, *self._verifiers, *self._writers]:
            if seat.actor is not None:
                with contextlib.suppress(Exception):
                    ray.kill(seat.actor)


def cause_of(error: BaseException) -> BaseException:
    """What a remote method raised, out of Ray's wrapper."""
    return getattr(error, "cause", None) or error


def describe(error: BaseException) -> str:
    cause = cause_of(error)
    if isinstance(cause, ray.exceptions.RayActorError):
        return str(cause).strip().splitlines()[0] if str(cause).strip() else "its process died"
    return str(cause) or type(cause).__name__
