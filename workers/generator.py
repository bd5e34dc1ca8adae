"""The generator actor: takes leases for the room it has, runs them in one engine, hands over bundles.

Promises: it reports room for as many samples as its engine can run (sequences and KV tokens) and gets no more, so a
slow replica holds no queue; an abort reaches the engine at once; what it finishes is reported within FLUSH_S.
Does not: retry or restart: a dead engine raises EngineGoneError out of `results`, and the coordinator starts a new
actor.

Bounds: at most `max_num_seqs` plus LOOKAHEAD of it in flight; finished rows wait at most FLUSH_S in memory.
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

import pyarrow as pa

from verifiers.types import Kind, Problem
from workers.bundles import make_bundle
from workers.engine import Completion, Engine, EngineGoneError, EngineSettings
from workers.messages import Finished, GeneratorReport, Lease, Reference, SampleKey
from workers.parts import read_row
from workers.prompts import Messages, PromptStyle, build_messages, repair_turns, shuffle_options
from workers.records import Provenance, Sample, SampleRequest, SamplingParameters
from workers.sampling.state import solution_key
from workers.storage import open_storage

FLUSH_S = 0.05
"""Finished samples wait so long for company: one message for many, yet far below the 200 ms an abort may take."""
IDLE_S = 0.5
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
    engine_class: type[Any] = Engine


class Generator:
    """Runs as a Ray actor with an event loop of its own."""

    def __init__(self, settings: GeneratorSettings, replica: int, incarnation: int) -> None:
        self.settings = settings
        self.replica = replica
        self.incarnation = incarnation
        self.engine: EngineLike = settings.engine_class(settings.engine, settings.sampling)
        self.origin: Provenance | None = None
        self._tasks: dict[SampleKey, asyncio.Task[None]] = {}
        self._done: list[tuple[Lease, Problem, Sample]] = []
        self._chunks: OrderedDict[int, list[Problem]] = OrderedDict()
        self._failure: BaseException | None = None
        self._wake = asyncio.Event()
        self._mean_tokens = float(FIRST_TOKENS)
        self._received = 0
        self._unwanted: set[SampleKey] = set()

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

    async def add(self, leases: list[Lease], chunks: dict[int, list[Reference]]) -> None:
        """Begins the leased samples. `chunks` has [reference to a list of Problem] for every chunk they name."""
        self._received += len(leases)
        for lease in leases:
            self._tasks[lease.key] = asyncio.create_task(self._run(lease, chunks[lease.chunk][0]))

    async def results(self) -> tuple[GeneratorReport, pa.Table | None]:
        """What finished since the last call, after at most IDLE_S. Raises EngineGoneError when the engine died.

        The coordinator calls it with num_returns=2: the bundle is then the coordinator's own object, whose text it
        never looks at, and which outlives this process.
        """
        await self._pause()
        if self._failure is not None:
            raise self._failure
        done, self._done = self._done, []
        bundle = None
        if done and self.origin is not None:
            bundle = make_bundle(
                [(lease.stopping_rule, problem, sample) for lease, problem, sample in done], self.origin
            )
        finished = [
            Finished(
                key=lease.key,
                attempt=sample.attempt,
                aborted=sample.text is None,
                error=sample.error,
                prompt_tokens=sample.prompt_tokens,
                completion_tokens=sample.completion_tokens,
                generation_s=sample.generation_s,
                num_bytes=len(sample.text or "") + len(problem.prompt) + ROW_BYTES,
                solution_key=solution_key(sample.text or ""),
            )
            for lease, problem, sample in done
        ]
        return GeneratorReport(finished, len(self._tasks), self._free(), self._received), bundle

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

    async def abort(self, keys: list[SampleKey]) -> None:
        """Ends running samples at the engine's next step; they are reported as aborted."""
        known = [key for key in keys if key in self._tasks]
        self._unwanted.update(known)  # for those that have not reached the engine yet
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

    async def _pause(self) -> None:
        """Until something finished, then a moment longer for company; or until it is time to report anyway."""
        self._wake.clear()
        if not self._done and not self._failure:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), IDLE_S)
        if self._done:
            await asyncio.sleep(FLUSH_S)

    async def _problem(self, lease: Lease, chunk: Reference) -> Problem:
        if lease.chunk not in self._chunks:
            self._chunks[lease.chunk] = await chunk
            if len(self._chunks) > CHUNKS_KEPT:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(lease.chunk)
        return self._chunks[lease.chunk][lease.row]

    async def _run(self, lease: Lease, chunk: Reference) -> None:
        try:
            problem = await self._problem(lease, chunk)
            if self.settings.style.shuffle_choices and problem.kind is Kind.CHOICE:
                problem = shuffle_options(problem, lease.seed)
            sample = await self._sample(lease, problem)
            if sample.completion_tokens:
                self._mean_tokens += 0.02 * (sample.prompt_tokens + sample.completion_tokens - self._mean_tokens)
            self._done.append((lease, problem, sample))
        except asyncio.CancelledError:
            raise  # `stop`
        except BaseException as error:
            self._failure = error
        finally:
            self._tasks.pop(lease.key, None)
            self._unwanted.discard(lease.key)
            self._wake.set()

    async def _sample(self, lease: Lease, problem: Problem) -> Sample:
        """Whatever is wrong with this one sample is data; only a dead engine raises."""
        messages: Messages = ()
        try:
            messages = build_messages(problem, self.settings.style)
            if lease.parent is not None:
                messages = await self._repair_messages(lease)
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

    async def _repair_messages(self, lease: Lease) -> Messages:
        parent = lease.parent
        assert parent is not None
        if parent.bundle is not None:
            table = await parent.bundle
            row = table.slice(parent.row, 1).to_pylist()[0]
        else:
            storage = open_storage(self.settings.storage_uri)
            row = await asyncio.to_thread(read_row, storage, parent.part, lease.problem_id, lease.parent_index or 0)
        before = tuple((turn["role"], turn["content"]) for turn in json.loads(row["messages"]))
        evidence = parent.evidence or row.get("evidence") or ""
        return (*before, *repair_turns(row["text"] or "", evidence))


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
