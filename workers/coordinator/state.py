"""What the coordinator's parts share: settings, the ledger, the slots of the workers, and how the run stands.

The parts (dispatcher, supervisor, monitor, generators, verifiers, writers) run on one event loop and change this state
only between two awaits, so it needs no locks.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import itertools
import logging
import time
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any

from runstore.durable import DurableRows
from runstore.lease import RunLease
from runstore.storage import open_storage
from verifiers.types import Json
from workers.actors.verifier import VerifierSettings
from workers.coordinator.pools import PoolSettings, RouteSettings
from workers.coordinator.slots import GeneratorSlot, VerifierSlot, WorkerSlot, WriterSlot, replicas_of
from workers.logs import NO_FILES, LogSettings
from workers.messages import Reference
from workers.run_secrets import NO_SECRETS, RunSecrets
from workers.sampling.budget import Budget, Reserve, TokenPrices
from workers.sampling.registry import make_policy
from workers.scheduling.ledger import Ledger
from workers.scheduling.routes import Route, RouteStage
from workers.scheduling.sample_state import LedgerSettings

log = logging.getLogger("proofmill.coordinator")

ERROR_CHARS = 4000
FAULTS_LOGGED = 20
EVENTS_KEPT = 200
WINDOW_FACTOR = 4
"""Open problems per sample that the engines have room for. With this factor every engine stays full even if only one in
four open problems has a sample to draw. An open problem costs the coordinator about a kilobyte."""

CONTEXT_ASSUMED = 32_768
"""Tokens of a prompt and its answer together that a dollar budget sets aside for a sample of an endpoint where neither
the longest prompt nor the context is known."""
OPEN_APART = 65_536
"""The most open problems beyond that which may wait for a pool whose turn has not come. It bounds the coordinator's
memory; how often pools take turns is bounded by `turn_s`."""


@dataclasses.dataclass(frozen=True, slots=True)
class CoordinatorSettings:
    """All that a run needs, as plain values. jobs.solve.settings builds it from the config."""

    run_uri: str
    kinds: tuple[str, ...]
    ledger: LedgerSettings
    pools: tuple[PoolSettings, ...]
    routes: tuple[RouteSettings, ...]
    """`ProblemEntry.route` is an index of it."""
    budget: Mapping[str, Json]
    verifier: VerifierSettings
    audit: float = 0.0
    """Share of the problems that pass through every stage of their route, whatever comes out."""
    log: LogSettings = NO_FILES
    secrets: RunSecrets = NO_SECRETS
    """What the workers of a cluster that was joined are handed; a local Ray's workers inherit it."""
    cores: int = 0
    """Cores to share among replicas on a machine without GPUs; 0 = leave them to vLLM."""
    verifiers: int = 1
    cpus_per_verifier: float = 0.5
    writers: int = 1
    max_restarts: int = 5
    stall_s: float = 300.0
    """Seconds without a sign of life after which a worker counts as hung."""
    start_s: float = 1800.0
    """Seconds that a placed worker may take to start."""
    restart_s: float = 1.0
    """Seconds from a worker's first death to the start of the next one; they double with each death in a row."""
    part_rows: int = 20_000
    part_mb: int = 64
    flush_s: float = 20.0
    lease_s: float = 30.0
    room_wait_s: float = 10.0
    """Seconds that a replica waits for GPUs or cores after which idle replicas of other pools give it theirs."""
    turn_s: float = 1800.0
    """Seconds that a pool waits for GPUs or cores after which no new problems are begun, so that the pools at work end
    what is open and make room. A start of an engine should cost much less than that."""
    release_backlog_s: float = 60.0
    """Seconds of waiting checks above which idle replicas give their GPUs back. A restart must cost less than that."""
    window: int = 0
    """Problems open at once; 0 = WINDOW_FACTOR times the engines' room."""

    @property
    def run_id(self) -> str:
        return self.pools[0].generator.run_id


def places_of(pools: Sequence[PoolSettings]) -> Iterator[int]:
    """The pool of every generator slot, as an index."""
    for index, pool in enumerate(pools):
        yield from itertools.repeat(index, pool.replicas)


def prices_of(settings: CoordinatorSettings) -> dict[int, TokenPrices]:
    """Pool → what its tokens cost, where they are paid for."""
    prices = {index: TokenPrices.of(pool.cost) for index, pool in enumerate(settings.pools)}
    return {index: price for index, price in prices.items() if price != TokenPrices()}


def open_routes(settings: CoordinatorSettings) -> list[Route]:
    """The routes as the ledger works with them, each stage with a policy of its own."""
    names = [pool.name for pool in settings.pools]
    prices = prices_of(settings)
    routes = []
    for route in settings.routes:
        stages: list[RouteStage] = []
        for index, stage in enumerate(route.stages):
            pool = names.index(stage.pool)
            drawing = settings.pools[pool]
            longest = drawing.max_tokens or settings.ledger.max_tokens
            context = drawing.generator.engine.max_model_len or CONTEXT_ASSUMED
            prompt = drawing.longest_prompt or max(0, context - longest)
            usd = prices[pool].usd(prompt, longest) if pool in prices else 0.0
            place = index, stages[-1].stop if stages else 0, settings.ledger.repair_rounds
            stages.append(RouteStage(make_policy(stage.sampling), Reserve(longest, usd), pool, stage.pool, *place))
        routes.append(Route(stages, route.name))
    return routes


class RunState:
    """The state of one run. Must be created inside the coordinator's event loop."""

    def __init__(self, settings: CoordinatorSettings) -> None:
        self.settings = settings
        self.storage = open_storage(settings.run_uri)
        self.claim: RunLease | None = None
        self.opened_ledger: Ledger | None = None
        # One price holds for earlier starts too. Where pools have several, dollars are charged as they fall due.
        self.budget = Budget.of(settings.budget, settings.pools[0].cost if len(settings.pools) == 1 else {})
        self.starts = 1
        """Starts whose spending is in `budget`, this one included."""
        self.earlier_wall_s = 0.0
        self.chunks: dict[int, list[Reference]] = {}
        """Chunk number → [reference to a packed list of Problem], kept while a problem of the chunk is open."""
        self.fed_all = False
        self.generators = [GeneratorSlot(i, pool) for i, pool in enumerate(places_of(settings.pools))]
        names = [pool.name for pool in settings.pools]
        self.first_pools = {names.index(route.stages[0].pool) for route in settings.routes}
        """The pools in which problems begin."""
        self.verifiers = [VerifierSlot(i) for i in range(settings.verifiers)]
        self.writers = [WriterSlot(i) for i in range(settings.writers)]
        self.num_workers = 0
        self.dispatch_needed = asyncio.Event()
        self.room_wanted = asyncio.Event()
        self.done = asyncio.Event()
        self.fatal = ""
        """Why the run cannot go on, for the user."""
        self.stop_reason = ""
        self.stopping = False
        self.engines: dict[int, dict[str, Json]] = {}
        """Pool → what its engines said of themselves, once one was ready."""
        self.events: collections.deque[dict[str, Json]] = collections.deque(maxlen=EVENTS_KEPT)
        self.failures_by_node: collections.Counter[str] = collections.Counter()
        """Ray's id of a node → number of generators that died there."""
        self.deaths: collections.Counter[str] = collections.Counter()
        """Number of workers that died, by slot name."""
        self.part_seconds: list[float] = []
        """Seconds that the writing of each part took, since the last update of the metrics."""
        self.started = time.monotonic()
        self.generating_since = 0.0
        self.generated_at = 0.0
        self.loops: set[asyncio.Task[None]] = set()

    @property
    def ledger(self) -> Ledger:
        if self.opened_ledger is None:
            raise RuntimeError("claim the run first")
        return self.opened_ledger

    @property
    def slots(self) -> list[WorkerSlot]:
        return [*self.generators, *self.verifiers, *self.writers]

    def take_over(self, claim: RunLease, durable: DurableRows) -> None:
        """Goes on from what earlier starts of the run spent."""
        prices = {self.settings.pools[index].name: price for index, price in prices_of(self.settings).items()}
        tokens = durable.tokens_by_pool() if prices else {}
        usd = sum(prices[pool].usd(*both) for pool, both in tokens.items() if pool in prices)
        self.budget.restore(claim.earlier, durable.completion_tokens, usd)
        self.starts = int(claim.earlier.get("starts", 0)) + 1
        self.earlier_wall_s = self.budget.spent_wall_s

    def spent(self) -> dict[str, Json]:
        """What all starts so far spent, for the next one."""
        if self.opened_ledger is None and self.claim is not None:
            return dict(self.claim.earlier)
        return {**self.budget.to_json(), "starts": self.starts}

    def room(self) -> int:
        """How many more problems are wanted now."""
        settings = self.settings
        if self.stopping or self.fed_all or self.opened_ledger is None:
            return 0
        window = settings.window or WINDOW_FACTOR * sum(pool.replicas * pool.room for pool in settings.pools)
        if any(self._is_overdue(pool) for pool in self.ledger.queues.open):
            return max(0, window - self.ledger.num_open())
        apart = sum(count for pool, count in self.ledger.queues.open.items() if self.waits_for_room(pool))
        return max(0, window + min(apart, OPEN_APART) - self.ledger.num_open())

    def waits_for_room(self, pool: int, seconds: float | None = None) -> bool:
        """Whether a pool is needed, and has waited for so long for GPUs or cores that others hold; None: for
        `room_wait_s`."""
        before = time.monotonic() - (self.settings.room_wait_s if seconds is None else seconds)
        waiting = (slot for slot in replicas_of(pool, self.generators) if slot.waits_since is not None)
        return any((slot.waits_since or 0.0) < before for slot in waiting) and self.ledger.queues.wants(pool)

    def _is_overdue(self, pool: int) -> bool:
        """Whether a pool has waited for a whole turn, and others are at work where it might be."""
        others = (slot for slot in self.generators if slot.pool != pool and slot.ready)
        at_work = any(not self.settings.pools[slot.pool].is_remote for slot in others)
        return at_work and self.waits_for_room(pool, self.settings.turn_s)

    def forget_chunks(self) -> None:
        """Drops chunks without open problems, here and in the generators."""
        live = self.ledger.chunks()
        if len(live) == len(self.chunks):
            return
        for number in [number for number in self.chunks if number not in live]:
            del self.chunks[number]
            for slot in self.generators:
                if number in slot.chunks:
                    slot.chunks.discard(number)
                    slot.chunks_gone.append(number)

    def note(self, what: str, why: str) -> None:
        """Adds an event to the run's record, its report and its log."""
        log.warning("%s: %s", what, why)
        self.events.append({"what": what, "why": why[-ERROR_CHARS:], "at": time.time()})

    def fail(self, text: str) -> None:
        """Ends the run; the caller has nothing more to do. Only the first reason is reported."""
        log.error("the run ends: %s", text)
        self.fatal = self.fatal or text
        self.done.set()

    def spawn(self, job: Coroutine[Any, Any, None]) -> None:
        """Runs a part of the coordinator; an exception out of it ends the run."""
        task = asyncio.create_task(job)
        self.loops.add(task)
        task.add_done_callback(self._task_ended)

    async def end_loops(self) -> None:
        """Cancels every part of the coordinator that still runs, and waits until all have ended."""
        for loop in list(self.loops):
            loop.cancel()
        await asyncio.gather(*self.loops, return_exceptions=True)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self.loops.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Loops handle the errors they expect. This one is unexpected, so the ledger itself may be inconsistent.
            log.error("a loop of the coordinator died", exc_info=error)
            for fault in self.opened_ledger.faults()[:FAULTS_LOGGED] if self.opened_ledger else ():
                log.error("%s", fault)
            self.fail(f"{type(error).__name__}: {error}")
