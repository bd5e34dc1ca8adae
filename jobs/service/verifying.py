"""A batch of checks over verifier replicas: in order, bounded, and whole when a replica dies.

Promises: one verdict per item, in the items' order; a chunk whose replica died is given to another one, item by item,
so that a text which kills its checker costs only its own verdict (`error`, after `attempts` replicas); at most `window`
chunks of one request are at replicas at a time, so a large batch cannot push a small one aside.
Does not: keep verdicts. A check is pure, so doing it again after a death is harmless.
Fails: never for an item; an item that cannot be checked gets a verdict of status `error`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import logging
import math
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Protocol

from verifiers.agreement import Agreement, Clusters
from verifiers.checker import Checkers
from verifiers.types import Json, Limits, Problem, Status, Verdict
from workers.actors.check_threads import CheckThreads

log = logging.getLogger("proofmill.service")

CHUNK_ITEMS = 32
"""Number of items per message to a replica: enough to make messages cheap, few enough to spread a batch."""
WINDOW = 4
"""Number of chunks of one request that are at replicas at a time, per replica."""
RETRY_DELAY_S = 0.2


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """One item. `limits` holds the fields that the client set; the others are the checker's own."""

    problem: Problem
    text: str
    limits: tuple[tuple[str, Any], ...] = ()
    finish_reason: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # As for the types of verifiers/: the default of a frozen class with slots takes ten times as long.
        return Check, (self.problem, self.text, self.limits, self.finish_reason)


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """A verdict as its JSON text, so that the gateway need not build it again."""

    status: str
    seconds: float
    body: str

    def __reduce__(self) -> tuple[Any, ...]:
        return Checked, (self.status, self.seconds, self.body)


Numbered = tuple[int, Check]
"""A check and its place in a chunk."""


class VerifierLost(Exception):
    """The replica died, hung, or cannot be reached; the chunk may be given to another."""


class Verifiers(Protocol):
    """What the gateway needs of its verifier replicas."""

    num_replicas: int

    async def check(self, chunk: Sequence[Check]) -> list[Checked]:
        """Verdicts in order. Raises VerifierLost."""
        ...

    async def cluster(self, problem: Problem, answers: Sequence[str | None]) -> Clusters:
        """Which answers are proven equal. Raises VerifierLost."""
        ...

    async def ready(self) -> bool: ...


class LocalVerifiers:
    """Checkers of this process, `num_workers` side by side."""

    num_replicas = 1

    def __init__(self, checkers: Checkers, num_workers: int) -> None:
        self._checkers = checkers
        self._agreement = Agreement()
        self._threads = CheckThreads(num_workers, self._check, self._failed)

    async def check(self, chunk: Sequence[Check]) -> list[Checked]:
        loop = asyncio.get_running_loop()
        results: dict[int, Checked] = {}
        complete = asyncio.Event()
        gone = False

        def done(numbered: Numbered, result: Checked) -> None:
            results[numbered[0]] = result
            if len(results) == len(chunk):
                loop.call_soon_threadsafe(complete.set)

        try:
            self._threads.add(enumerate(chunk), done, wanted=lambda: not gone)
            if chunk:
                await complete.wait()
        finally:
            gone = True  # the client may have gone away: what still waits is not checked
        return [results[at] for at in range(len(chunk))]

    async def cluster(self, problem: Problem, answers: Sequence[str | None]) -> Clusters:
        return await asyncio.to_thread(self._agreement.clusters, problem, answers)

    async def ready(self) -> bool:
        return True

    def _check(self, numbered: Numbered) -> Checked:
        _, check = numbered
        limits = None
        if check.limits:
            defaults = self._checkers.of(check.problem.kind).default_limits
            limits = dataclasses.replace(defaults, **dict(check.limits))
        return encode(self._checkers.verify(check.problem, check.text, limits, check.finish_reason))

    def _failed(self, numbered: Numbered, error: Exception, seconds: float) -> Checked:
        _, check = numbered
        log.error("checker of kind %s raised", check.problem.kind, exc_info=error)
        return encode(failure(check, f"checker raised {type(error).__name__}", seconds))

    def close(self) -> None:
        self._threads.close()
        self._checkers.close()
        self._agreement.close()


def encode(verdict: Verdict) -> Checked:
    body = verdict.to_json()
    try:
        text = json.dumps(body, allow_nan=False)
    except ValueError:
        text = json.dumps(finite(body), allow_nan=False)
    return Checked(str(verdict.status), verdict.seconds, text)


def finite(value: Json) -> Json:
    """`value` with NaN and infinities as text. Evidence may hold them, and JSON cannot."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    return value


def failure(check: Check, reason: str, seconds: float) -> Verdict:
    kind = str(check.problem.kind)
    limits = dataclasses.replace(Limits(), **dict(check.limits))
    return Verdict(Status.ERROR, reason, {}, kind, "", seconds, limits)


async def check_all(
    verifiers: Verifiers,
    checks: Sequence[Check],
    *,
    attempts: int,
    chunk_items: int = CHUNK_ITEMS,
    window: int = WINDOW,
    on_lost: Callable[[], object] = lambda: None,
) -> AsyncGenerator[list[Checked], None]:
    """Yields one result for each check, in order, a chunk at a time, as soon as it and all before it are there."""
    # Small batches are spread over the replicas too.
    size = max(1, min(chunk_items, math.ceil(len(checks) / (2 * verifiers.num_replicas))))
    chunks = (checks[start : start + size] for start in range(0, len(checks), size))
    running: deque[asyncio.Task[list[Checked]]] = deque()
    try:
        for chunk in chunks:
            running.append(asyncio.create_task(check_chunk(verifiers, chunk, attempts, on_lost)))
            if len(running) >= window * verifiers.num_replicas:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:  # the client went away
            task.cancel()


async def check_chunk(
    verifiers: Verifiers, chunk: Sequence[Check], attempts: int, on_lost: Callable[[], object]
) -> list[Checked]:
    try:
        return await verifiers.check(chunk)
    except VerifierLost as error:
        log.warning("verifier lost under %d items: %s", len(chunk), error)
        on_lost()
    # From here on one item at a time, so that the one that kills its checker does not take the others with it again.
    return [await check_alone(verifiers, check, attempts - 1, on_lost) for check in chunk]


async def check_alone(verifiers: Verifiers, check: Check, attempts: int, on_lost: Callable[[], object]) -> Checked:
    started = time.perf_counter()
    for attempt in range(attempts):
        await asyncio.sleep(RETRY_DELAY_S * attempt)
        try:
            return (await verifiers.check([check]))[0]
        except VerifierLost as error:
            log.warning("verifier lost under one item of kind %s: %s", check.problem.kind, error)
            on_lost()
    return encode(failure(check, "verifier lost", time.perf_counter() - started))


async def cluster(
    verifiers: Verifiers, problem: Problem, answers: Sequence[str | None], attempts: int
) -> Clusters | None:
    """None where the verifiers died under it time and again."""
    for attempt in range(attempts):
        await asyncio.sleep(RETRY_DELAY_S * attempt)
        try:
            return await verifiers.cluster(problem, answers)
        except VerifierLost as error:
            log.warning("verifier lost under answers of kind %s: %s", problem.kind, error)
    return None
