"""The verifier actor: checks rows of bundles with the checkers of verifiers/, side by side in threads.

Promises: every row it was given is answered once, or the actor is dead; a checker that raises costs that row a verdict
`error`, nothing else. The checkers kill what hangs; a checker that hangs itself is the coordinator's to notice.
Does not: retry (the coordinator does), store, or choose what to check next.

Bounds: as many rows as it has threads are checked at once; the coordinator hands it at most twice as many.
"""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import time
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from verifiers.checker import Checkers
from verifiers.types import Json, Kind, Limits, Problem, Status, Verdict
from workers.bundles import PROBLEM_COLUMNS, problem_of
from workers.messages import Checked, CheckItem, SampleKey, VerifierReport

IDLE_S = 0.25
FLUSH_S = 0.005
"""A verdict waits so long for company; an abort may depend on it."""
EVIDENCE_CHARS = 2000


class CheckersLike(Protocol):
    def verify(self, problem: Problem, text: str, limits: Limits | None = None) -> Verdict: ...
    def close(self) -> None: ...


@dataclasses.dataclass(frozen=True, slots=True)
class VerifierSettings:
    """`limits` overrides fields of a kind's default limits; `checkers` the `[verify.<kind>]` tables."""

    num_threads: int = 2
    limits: Mapping[str, Mapping[str, Json]] = dataclasses.field(default_factory=dict)
    checkers: Mapping[str, Mapping[str, Json]] = dataclasses.field(default_factory=dict)
    checkers_class: Callable[..., CheckersLike] = Checkers


class Verifier:
    """Runs as a Ray actor with an event loop of its own."""

    def __init__(self, settings: VerifierSettings) -> None:
        self.settings = settings
        self._checkers = settings.checkers_class(settings.num_threads, settings.checkers)
        self._threads = ThreadPoolExecutor(settings.num_threads, thread_name_prefix="check")
        self._checked: list[Checked] = []
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, kinds: list[str]) -> None:
        """Warms the checkers of `kinds`, so that the first samples do not wait for them."""
        if isinstance(self._checkers, Checkers):
            loop = asyncio.get_running_loop()
            await asyncio.gather(*(loop.run_in_executor(None, self._checkers.of, Kind(kind)) for kind in kinds))

    async def add(self, items: list[CheckItem]) -> None:
        """Begins to check rows."""
        for item in items:
            task = asyncio.create_task(self._check(item))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def results(self) -> VerifierReport:
        """Verdicts since the last call, after at most IDLE_S."""
        self._wake.clear()
        if not self._checked:
            try:
                await asyncio.wait_for(self._wake.wait(), IDLE_S)
            except TimeoutError:
                return VerifierReport([])
        await asyncio.sleep(FLUSH_S)
        checked, self._checked = self._checked, []
        return VerifierReport(checked)

    async def stop(self) -> None:
        await asyncio.to_thread(self._checkers.close)

    async def _check(self, item: CheckItem) -> None:
        try:
            bundle = await item.bundle
        except Exception:
            # The node that held it is gone: the samples have to be drawn again.
            self._checked += [Checked(key, None) for key, _ in item.rows]
            self._wake.set()
            return
        rows = bundle.select([*PROBLEM_COLUMNS, "text"]).take([row for _, row in item.rows]).to_pylist()
        loop = asyncio.get_running_loop()
        for (key, _), row in zip(item.rows, rows, strict=True):
            future = loop.run_in_executor(self._threads, self._verify, row)
            future.add_done_callback(functools.partial(self._finish, key))

    def _finish(self, key: SampleKey, verdict: asyncio.Future[Verdict]) -> None:
        self._checked.append(Checked(key, verdict.result()))
        self._wake.set()

    def _verify(self, row: dict[str, Any]) -> Verdict:
        started = time.monotonic()
        try:
            return self._checkers.verify(problem_of(row), row["text"], self._limits(row["kind"]))
        except Exception as error:
            evidence = {"error": repr(error), "traceback": traceback.format_exc()[-EVIDENCE_CHARS:]}
            return error_verdict("the checker failed", evidence, time.monotonic() - started)

    def _limits(self, kind: str) -> Limits | None:
        override = self.settings.limits.get(kind)
        if not override:
            return None
        defaults = self._checkers.of(Kind(kind)).default_limits if isinstance(self._checkers, Checkers) else Limits()
        return dataclasses.replace(defaults, **override)


def error_verdict(reason: str, evidence: Mapping[str, Json], seconds: float = 0.0) -> Verdict:
    """A verdict of the pipeline itself: nothing is known about the sample."""
    return Verdict(Status.ERROR, reason, evidence, "pipeline", "1", seconds, Limits())
