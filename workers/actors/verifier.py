"""The verifier actor: checks rows of batches with the checkers of verifiers/, side by side in threads.

Promises: every row it was given is answered once, or the actor is dead; a checker that raises costs that row a verdict
`error`, nothing else. The checkers kill what hangs; the coordinator notices a checker that hangs itself.
Does not: retry (the coordinator does), store, or choose what to check next.

Bounds: as many rows as it has threads are checked at once; the coordinator hands it at most twice as many.
"""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import logging
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from runstore.batches import error_verdict, pack, rows_to_check, unpack_batch, verdict_columns
from verifiers.agreement import Agreement
from verifiers.checker import Checkers
from verifiers.processes.environment import withhold
from verifiers.types import Json, Limits, Problem, Status, Verdict
from workers.actors.check_threads import CheckThreads
from workers.actors.placing import Placer
from workers.actors.presence import Present
from workers.collector import calm_collector
from workers.logs import NO_FILES, LogSettings, RunLog
from workers.messages import Checked, CheckItem, SampleKey, VerifierReport
from workers.run_secrets import NONE, Secrets
from workers.sampling.votes import EVIDENCE, Known, Placed

IDLE_S = 1.0
"""How often a verifier reports when nothing ends."""
FLUSH_S = 0.02
"""Verdicts are batched for up to this long while others are being checked; an abort may depend on one."""
EVIDENCE_CHARS = 2000
Row = tuple[SampleKey, Problem, str, str, Known | None]
"""(key, problem, text, finish reason, known clusters) of one row to check."""
Checks = tuple[Verdict, tuple[Any, ...], Placed | None]
"""(verdict, its columns, where the answer belongs) of one checked row."""
SLOW_CHECK_S = 60.0
"""Seconds after which a check is reported in the log as slow."""

log = logging.getLogger("proofmill.verifier")


class CheckersLike(Protocol):
    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict: ...
    def close(self) -> None: ...


@dataclasses.dataclass(frozen=True, slots=True)
class VerifierSettings:
    """`limits` overrides fields of a kind's default limits; `checkers` the `[verify.<kind>]` tables."""

    num_threads: int = 2
    limits: Mapping[str, Mapping[str, Json]] = dataclasses.field(default_factory=dict)
    checkers: Mapping[str, Mapping[str, Json]] = dataclasses.field(default_factory=dict)
    checkers_class: Callable[..., CheckersLike] = Checkers
    log: LogSettings = NO_FILES
    withheld: tuple[str, ...] = ()
    """Variables that the checkers' child processes must not have, such as the keys of endpoints: on a local Ray this
    process inherits them."""


class _Ended(NamedTuple):
    """An answer that is not reported yet."""

    key: SampleKey
    verdict: Verdict | None
    columns: tuple[Any, ...]
    placed: Placed | None
    at: float


class Verifier(Present):
    """Runs as a Ray actor with an event loop of its own."""

    def __init__(self, settings: VerifierSettings, worker: int = 0, secrets: Secrets = NONE) -> None:
        secrets.adopt()
        withhold(settings.withheld)
        self.settings = settings
        self._log = RunLog(settings.log, f"verifier-{worker}")
        self._checkers = settings.checkers_class(settings.num_threads, settings.checkers)
        self._placer = Placer(Agreement(settings.num_threads, settings.checkers))
        self._threads: CheckThreads[Row, Checks] = CheckThreads(settings.num_threads, self._check, self._failed)
        self._ended: collections.deque[_Ended] = collections.deque()
        """Answers not yet reported. Threads append to it, so it is emptied row by row: if it were swapped for a new
        one, a thread might still append to the old one."""
        self._num_rows = 0
        """Number of rows received and not yet reported."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._woken = False

    async def start(self, kinds: list[str]) -> float:
        """Warms the checkers of `kinds` while the engines load, so that the first samples do not wait for them. Returns
        how long a check may take under the longest limit, in seconds."""
        if isinstance(self._checkers, Checkers):
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.run_in_executor(None, self._checkers.warm, kind) for kind in kinds))
        calm_collector()
        return max(((self._limits(kind) or self._default_limits(kind)).wall_s for kind in kinds), default=0.0)

    async def add(self, items: list[CheckItem]) -> None:
        """Starts to check rows."""
        self._loop = asyncio.get_running_loop()
        self._num_rows += sum(len(item.rows) for item in items)
        for item in items:
            try:
                data = item.batch if isinstance(item.batch, bytes) else await item.batch
            except Exception:
                # The node that held it is gone: the samples have to be drawn again.
                self._ended += [_Ended(key, None, (), None, time.time()) for key, _ in item.rows]
                self._wake.set()
                continue
            rows = rows_to_check(unpack_batch(data), [row for _, row in item.rows])
            work = [(key, *row, item.known.get(key)) for (key, _), row in zip(item.rows, rows, strict=True)]
            self._threads.add(work, self._done)

    async def results(self, items: list[CheckItem]) -> tuple[bytes, int]:
        """Starts to check `items`. Returns the verdicts since the last call, after at most IDLE_S: a packed
        VerifierReport and the number of its rows."""
        if items:
            await self.add(items)
        self._wake.clear()
        self._woken = False
        if not self._ended:
            try:
                await asyncio.wait_for(self._wake.wait(), IDLE_S)
            except TimeoutError:
                return b"", 0
        if len(self._ended) < self._num_rows:
            await asyncio.sleep(FLUSH_S)
        ended = [self._ended.popleft() for _ in range(len(self._ended))]
        self._num_rows -= len(ended)
        checked = [
            Checked(end.key, end.verdict.status, end.verdict.seconds, row, end.placed)
            if end.verdict
            else Checked(end.key, None, 0.0, row)
            for row, end in enumerate(ended)
        ]
        since = min((end.at for end in ended), default=0.0)
        return pack(VerifierReport(checked, pack([end.columns for end in ended]), since)), len(checked)

    async def stop(self) -> None:
        await asyncio.to_thread(self._checkers.close)
        await asyncio.to_thread(self._placer.close)
        await asyncio.to_thread(self._log.upload)

    def _check(self, row: Row) -> Checks:
        key, problem, text, finish_reason, known = row
        verdict = self._checkers.verify(problem, text, self._limits(str(problem.kind)), finish_reason)
        if verdict.seconds > SLOW_CHECK_S:
            log.warning("a check of problem %s took %.1f s: %s", problem.id, verdict.seconds, verdict.reason)
        answer = verdict.evidence.get("answer")
        placed = None
        if known is not None and verdict.status is Status.UNCHECKED and isinstance(answer, str):
            placed = self._placer.place(key, problem, answer, known)
            evidence = {**verdict.evidence, EVIDENCE: placed.to_json()}
            verdict = dataclasses.replace(verdict, evidence=evidence)
        return verdict, verdict_columns(verdict), placed

    def _failed(self, row: Row, error: Exception, seconds: float) -> Checks:
        log.error("the checker failed at problem %s", row[1].id, exc_info=error)
        told = "".join(traceback.format_exception(error))
        evidence = {"error": repr(error), "traceback": told[-EVIDENCE_CHARS:]}
        verdict = error_verdict("the checker failed", evidence, seconds)
        return verdict, verdict_columns(verdict), None

    def _done(self, row: Row, result: Checks) -> None:
        """Takes in one result. Runs in the thread that made the check."""
        self._ended.append(_Ended(row[0], *result, time.time()))
        if not self._woken and self._loop is not None:
            # Waking the loop takes a system call, so it is done once for all rows of a report.
            self._woken = True
            self._loop.call_soon_threadsafe(self._wake.set)

    def _limits(self, kind: str) -> Limits | None:
        override = self.settings.limits.get(kind)
        return dataclasses.replace(self._default_limits(kind), **override) if override else None

    def _default_limits(self, kind: str) -> Limits:
        return self._checkers.of(kind).default_limits if isinstance(self._checkers, Checkers) else Limits()
