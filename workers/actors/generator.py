"""The generator actor: takes leases for the room it has, runs them in one engine, hands over bundles.

Promises: it reports room for as many samples as its engine can run (sequences and KV tokens) and gets no more, so a
slow replica holds no queue; an abort reaches the engine at once; what it finishes is reported within FLUSH_MAX_S.
Does not: retry or restart: a dead engine raises EngineGoneError out of `results`, and the coordinator starts a new
actor.

Bounds: at most `max_num_seqs` plus LOOKAHEAD of it in flight; finished rows wait at most FLUSH_MAX_S in memory;
CHUNKS_KEPT chunks of problems.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import time
from collections import OrderedDict
from typing import Any, Protocol

from runstore.batches import (
    PromptColumns,
    messages_column,
    pack,
    pack_bundle,
    problem_columns,
    row_of_bundle,
    unpack,
    unpack_bundle,
)
from runstore.parts import read_row
from runstore.schema import Messages, Provenance, Sample, SampleRequest, SamplingParameters, solution_key
from runstore.storage import open_storage
from verifiers.types import Problem
from workers.engines.vllm import Completion, Engine, EngineGoneError, EngineSettings
from workers.messages import INLINE_BYTES, Finished, GeneratorReport, Lease, Orders, Parent, Reference, SampleKey
from workers.prompting.messages import PromptStyle, build_messages, is_shuffled, repair_turns, shuffle_options

FLUSH_S = 0.02
FLUSH_MAX_S = 0.25
FLUSH_SHARE = 0.02
"""Finished samples wait for company, one message for many: for this share of the time that a sample takes, within the
two bounds above, and not at all once nothing is running. LOOKAHEAD covers the wait: no slot of the engine idles."""
IDLE_S = 1.0
"""How often a generator reports when nothing finishes."""
LOOKAHEAD = 0.1
"""Share of `max_num_seqs` that may wait inside the engine, so that a freed slot is filled at the very next step."""
CHUNKS_KEPT = 64
FIRST_TOKENS = 256
"""Guess of a sample's length before the first has finished, for the KV bound."""
ERROR_CHARS = 2000
ROW_BYTES = 500
"""Rough size of a row's columns beside its texts."""


class EngineLike(Protocol):
    """What the generator needs of an engine; benchmarks bring a stand-in."""

    name: str
    version: str
    revision: str
    max_model_len: int
    kv_capacity_tokens: int

    async def start(self) -> None: ...
    async def generate(self, request_id: str, messages: Messages, seed: int) -> Completion: ...
    async def abort(self, request_ids: list[str]) -> None: ...
    def stop(self) -> None: ...


@dataclasses.dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """What every generator of a run shares."""

    run_id: str
    epoch: int
    code_revision: str
    engine: EngineSettings
    sampling: SamplingParameters
    style: PromptStyle
    storage_uri: str = ""
    """Where a repair round finds parents of before a resume."""
    with_solution_keys: bool = False
    """For `distinct`: hash every text."""
    engine_class: type[Any] = Engine


class Prompted:
    """A problem as the model sees it. The samples of a problem share one, so that its texts are made once."""

    __slots__ = ("columns", "messages", "problem")

    def __init__(self, problem: Problem, style: PromptStyle) -> None:
        self.problem = problem
        self.messages = build_messages(problem, style)
        self.columns = PromptColumns(problem_columns(problem), messages_column(self.messages))


class Chunk:
    """Problems that travel together, fetched when the first sample of one begins."""

    def __init__(self) -> None:
        self.reference: Reference | None = None
        self.arrived = asyncio.Event()
        """Messages may overtake each other: a lease may be here before its chunk's reference."""
        self.problems: list[Problem] = []
        self.prompted: dict[int, Prompted] = {}
        self.lock = asyncio.Lock()


class Generator:
    """Runs as a Ray actor with an event loop of its own."""

    def __init__(self, settings: GeneratorSettings, replica: int, incarnation: int) -> None:
        self.settings = settings
        self.replica = replica
        self.incarnation = incarnation
        self.engine: EngineLike = settings.engine_class(settings.engine, settings.sampling)
        self.origin: Provenance | None = None
        self._tasks: dict[SampleKey, asyncio.Task[None]] = {}
        self._done: list[tuple[Lease, PromptColumns, Sample, float]] = []
        """The last is Finished.abort_s."""
        self._chunks: dict[int, Chunk] = {}
        self._fetched: OrderedDict[int, Chunk] = OrderedDict()
        self._failure: BaseException | None = None
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._mean_tokens = float(FIRST_TOKENS)
        self._mean_s = 0.0
        self._received = 0
        self._unwanted: dict[SampleKey, float] = {}
        """Aborted ones that have not ended: when it was known that nobody needs them (seconds since the epoch)."""

    async def start(self) -> dict[str, Any]:
        """Loads the model. Raises EngineStartError. Returns what the run's record says about the engine."""
        await self.engine.start()
        self.origin = Provenance(
            run_id=self.settings.run_id,
            epoch=self.settings.epoch,
            code_revision=self.settings.code_revision,
            model=self.settings.engine.path,
            model_revision=self.engine.revision,
            engine=self.engine.name,
            engine_version=self.engine.version,
            replica=f"{self.replica}.{self.incarnation}@{os.uname().nodename}",
            sampling=self.settings.sampling.to_json(),
        )
        return {
            "engine": self.engine.name,
            "engine_version": self.engine.version,
            "model_revision": self.engine.revision,
            "max_model_len": self.engine.max_model_len,
            "kv_capacity_tokens": self.engine.kv_capacity_tokens,
        }

    async def add(self, orders: Orders) -> None:
        """Begins the leased samples."""
        for number in orders.gone:
            self._chunks.pop(number, None)
            self._fetched.pop(number, None)
        for number, (reference,) in orders.chunks.items():
            chunk = self._chunks.setdefault(number, Chunk())
            chunk.reference = reference
            chunk.arrived.set()
        leases: list[Lease] = unpack(orders.leases)
        self._received += len(leases)
        if leases:
            self._drained.clear()
        for lease in leases:
            chunk = self._chunks.get(lease.chunk) or self._chunks.setdefault(lease.chunk, Chunk())
            task = self._run(lease, chunk, orders.parents.get(lease.key))
            self._tasks[lease.key] = asyncio.create_task(task)

    async def results(self, orders: Orders | None, flush_s: float) -> tuple[bytes, bytes | None]:
        """Begins what is ordered; returns what finished since the last call, after at most IDLE_S: a packed
        GeneratorReport, and its bundle where that is too large to lie in it. Raises EngineGoneError.

        `flush_s` is the least time that the caller would have finished samples wait for company (seconds). It calls
        with num_returns=2: a large bundle is then its own object, whose text it never looks at, and which outlives this
        process.
        """
        if orders is not None:
            await self.add(orders)
        await self._pause(flush_s)
        if self._failure is not None:
            raise self._failure
        done, self._done = self._done, []
        bundle = b""
        if done and self.origin is not None:
            bundle = pack_bundle(
                [(lease.stopping_rule, prompt, sample) for lease, prompt, sample, _ in done], self.origin
            )
        with_keys = self.settings.with_solution_keys
        finished = [
            Finished(
                key=lease.key,
                attempt=sample.attempt,
                aborted=sample.text is None,
                error=sample.error,
                prompt_tokens=sample.prompt_tokens,
                completion_tokens=sample.completion_tokens,
                generation_s=sample.generation_s,
                num_bytes=len(sample.text or "") + len(prompt.messages) + ROW_BYTES,
                solution_key=solution_key(sample.text or "") if with_keys else 0,
                abort_s=abort_s,
            )
            for lease, prompt, sample, abort_s in done
        ]
        inline = len(bundle) <= INLINE_BYTES
        report = GeneratorReport(finished, len(self._tasks), self._free(), self._received, bundle if inline else b"")
        return pack(report), None if inline else bundle

    async def stop(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        self.engine.stop()

    async def generate(self, request: SampleRequest) -> Sample:
        """One sample outside any run (the service). Raises EngineGoneError."""
        messages = (*build_messages(request.problem, self.settings.style), *request.turns)
        key = (0, request.sample_index)
        lease = Lease(key, request.problem.id, 0, 0, request.attempt, request.seed, round=request.round)
        return await self._draw(lease, messages, f"{request.problem.id}/{request.sample_index}/{request.seed}")

    async def abort(self, keys: list[SampleKey], since: float) -> None:
        """Ends running samples at the engine's next step; they are reported as aborted. `since` is when it was known
        that nobody needs them (seconds since the epoch)."""
        known = [key for key in keys if key in self._tasks]
        self._unwanted.update(dict.fromkeys(known, since))  # read by those that have not reached the engine yet
        await self.engine.abort([request_id(key) for key in known])

    async def abort_requests(self, request_ids: list[str]) -> None:
        """`abort` for samples drawn by `generate`: ids are `problem/index/seed`."""
        await self.engine.abort(request_ids)

    def _free(self) -> int:
        running = len(self._tasks)
        limit = self.settings.engine.max_num_seqs
        room = limit + max(1, int(limit * LOOKAHEAD)) - running
        if capacity := self.engine.kv_capacity_tokens:
            # A sample may need more than the mean; vLLM preempts then. At least one always fits.
            room = min(room, int(capacity / self._mean_tokens) - running)
        return max(room, 0 if running else 1)

    async def _pause(self, flush_s: float) -> None:
        """Until something finished, then a moment longer for company; or until it is time to report anyway."""
        self._wake.clear()
        if not self._done and not self._failure:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), IDLE_S)
        if self._done and not self._failure and self._tasks:
            wait_s = min(max(flush_s, FLUSH_S, FLUSH_SHARE * self._mean_s), FLUSH_MAX_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), wait_s)

    async def _prompted(self, lease: Lease, chunk: Chunk) -> Prompted:
        if not chunk.problems:
            await chunk.arrived.wait()
            async with chunk.lock:
                if not chunk.problems and chunk.reference is not None:
                    chunk.problems = unpack(await chunk.reference)
                    self._fetched[lease.chunk] = chunk
                    if len(self._fetched) > CHUNKS_KEPT:
                        _, oldest = self._fetched.popitem(last=False)
                        oldest.problems, oldest.prompted = [], {}
        problem = chunk.problems[lease.row]
        style = self.settings.style
        if is_shuffled(problem, style):
            return Prompted(shuffle_options(problem, lease.seed), style)
        if lease.row not in chunk.prompted:
            chunk.prompted[lease.row] = Prompted(problem, style)
        return chunk.prompted[lease.row]

    async def _run(self, lease: Lease, chunk: Chunk, parent: Parent | None) -> None:
        try:
            prompted = await self._prompted(lease, chunk)
            sample = await self._sample(lease, prompted, parent)
            if sample.completion_tokens:
                self._mean_tokens += 0.02 * (sample.prompt_tokens + sample.completion_tokens - self._mean_tokens)
                self._mean_s += 0.02 * (sample.generation_s - self._mean_s)
            columns = prompted.columns
            if sample.messages is not prompted.messages:
                columns = columns._replace(messages=messages_column(sample.messages))
            since = self._unwanted.get(lease.key)
            self._done.append((lease, columns, sample, -1.0 if since is None else max(0.0, sample.finished_at - since)))
        except asyncio.CancelledError:
            raise  # `stop`
        except BaseException as error:
            self._failure = error
        finally:
            self._tasks.pop(lease.key, None)
            self._unwanted.pop(lease.key, None)
            self._wake.set()
            if not self._tasks or self._failure is not None:
                self._drained.set()

    async def _sample(self, lease: Lease, prompted: Prompted, parent: Parent | None) -> Sample:
        """Whatever is wrong with this one sample is data; only a dead engine raises."""
        messages = prompted.messages
        try:
            if parent is not None:
                messages = await self._repair_messages(lease, parent)
            if lease.key in self._unwanted:
                return make_sample(lease, messages, Completion("", "abort", 0, 0, None, 0.0, 0.0))
            return await self._draw(lease, messages, request_id(lease.key))
        except EngineGoneError:
            raise
        except Exception as error:
            failed = make_sample(lease, messages, Completion("", "error", 0, 0, None, 0.0, 0.0))
            return dataclasses.replace(failed, error=f"{type(error).__name__}: {error}"[:ERROR_CHARS])

    async def _draw(self, lease: Lease, messages: Messages, engine_id: str) -> Sample:
        return make_sample(lease, messages, await self.engine.generate(engine_id, messages, lease.seed))

    async def _repair_messages(self, lease: Lease, parent: Parent) -> Messages:
        row = await self._attempt(lease, parent)
        before = tuple((turn["role"], turn["content"]) for turn in json.loads(row["messages"]))
        evidence = parent.evidence or row.get("evidence") or ""
        return (*before, *repair_turns(row["text"] or "", evidence))

    async def _attempt(self, lease: Lease, parent: Parent) -> dict[str, Any]:
        """The row that a repair round answers."""
        if parent.bundle is not None:
            try:
                data = parent.bundle if isinstance(parent.bundle, bytes) else await parent.bundle
                return row_of_bundle(unpack_bundle(data), parent.row)
            except Exception:
                if not parent.part:
                    raise  # lost with its node before it was durable
        storage = open_storage(self.settings.storage_uri)
        return await asyncio.to_thread(read_row, storage, parent.part, lease.problem_id, lease.parent_index or 0)


def make_sample(lease: Lease, messages: Messages, completion: Completion) -> Sample:
    return Sample(
        problem_id=lease.problem_id,
        sample_index=lease.key[1],
        attempt=lease.attempt,
        round=lease.round,
        parent_sample_index=lease.parent_index,
        messages=messages,
        # A partial text is no solution and must never be stored as one.
        text=None if completion.finish_reason == "abort" else completion.text,
        finish_reason=completion.finish_reason,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        mean_logprob=completion.mean_logprob,
        seed=lease.seed,
        queue_s=completion.queue_s,
        generation_s=completion.generation_s,
        finished_at=time.time(),
    )


def request_id(key: SampleKey) -> str:
    return f"{key[0]}-{key[1]}"
