"""The generator actor: leases samples from the coordinator, runs them in one engine, hands over bundles.

Promises: it asks for as many samples as its engine has room for (sequences and KV tokens), never more, so a slow
replica holds no queue; an abort reaches the engine at once; what it finishes is reported within FLUSH_S.
Does not: retry or restart: a dead engine ends `serve` with EngineGoneError, and the coordinator starts a new actor.

Bounds: at most `max_num_seqs` plus LOOKAHEAD of it in flight; finished rows wait at most FLUSH_S in memory.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import time
from collections import OrderedDict
from typing import Any, Protocol

import ray

from verifiers.types import Kind, Problem
from workers.bundles import make_bundle
from workers.engine import Completion, Engine, EngineSettings
from workers.messages import Finished, GeneratorReport, Lease, LeaseReply, SampleKey
from workers.parts import read_row
from workers.prompts import Messages, PromptStyle, build_messages, repair_turns, shuffle_options
from workers.records import Provenance, Sample, SampleRequest, SamplingParameters
from workers.storage import open_storage

FLUSH_S = 0.05
"""Finished samples wait so long for company: one message for many, yet far below the 200 ms an abort may take."""
IDLE_S = 0.1
"""How often an idle or full generator reports."""
LOOKAHEAD = 0.1
"""Share of `max_num_seqs` that may wait inside the engine, so that a freed slot is filled at the very next step."""
CHUNKS_KEPT = 64
FIRST_TOKENS = 256
"""Guess of a sample's length before the first has finished, for the KV bound."""


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
    """Runs as a Ray actor with an event loop of its own; see `serve`."""

    def __init__(self, settings: GeneratorSettings, replica: int, incarnation: int) -> None:
        self.settings = settings
        self.replica = replica
        self.incarnation = incarnation
        self.engine: EngineLike = settings.engine_class(settings.engine, settings.sampling)
        self.origin: Provenance | None = None
        self._tasks: dict[SampleKey, asyncio.Task[None]] = {}
        self._done: list[tuple[SampleKey, Problem, Sample]] = []
        self._chunks: OrderedDict[int, list[Problem]] = OrderedDict()
        self._failure: BaseException | None = None
        self._wake = asyncio.Event()
        self._mean_tokens = float(FIRST_TOKENS)

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

    async def serve(self, coordinator: Any) -> None:
        """Works until the coordinator says stop. Raises EngineGoneError when the engine dies."""
        while True:
            reply: LeaseReply = await coordinator.exchange_samples.remote(self._report(coordinator))
            if reply.stop:
                break
            for lease in reply.leases:
                problem = await self._problem(lease, reply)
                self._tasks[lease.key] = asyncio.create_task(self._run(lease, problem))
            await self._pause(got_work=bool(reply.leases))
            if self._failure is not None:
                raise self._failure
        for task in self._tasks.values():
            task.cancel()
        self.engine.stop()

    async def generate(self, request: SampleRequest) -> Sample:
        """One sample outside any run (the service). Raises EngineGoneError."""
        messages = (*build_messages(request.problem, self.settings.style), *request.turns)
        lease = Lease((0, request.sample_index), request.problem.id, 0, 0, request.attempt, request.seed, request.round)
        return await self._draw(lease, messages, f"{request.problem.id}/{request.sample_index}/{request.seed}")

    async def abort(self, keys: list[SampleKey]) -> None:
        """Ends running samples at the engine's next step; they are reported as aborted."""
        await self.engine.abort([request_id(key) for key in keys if key in self._tasks])

    async def abort_requests(self, request_ids: list[str]) -> None:
        """`abort` for samples drawn by `generate`: ids are `problem/index/seed`."""
        await self.engine.abort(request_ids)

    def ping(self) -> int:
        return len(self._tasks)

    def _report(self, coordinator: Any) -> GeneratorReport:
        done, self._done = self._done, []
        bundle = []
        if done and self.origin is not None:
            table = make_bundle([(problem, sample) for _, problem, sample in done], self.origin)
            # Owned by the coordinator, the bundle outlives this process.
            bundle = [ray.put(table, _owner=coordinator)]
        finished = [
            Finished(
                key=key,
                attempt=sample.attempt,
                kind=str(problem.kind),
                aborted=sample.text is None,
                prompt_tokens=sample.prompt_tokens,
                completion_tokens=sample.completion_tokens,
                generation_s=sample.generation_s,
                num_bytes=len(sample.text or "") + len(problem.prompt) + 500,
                solution_key=solution_key(sample.text or ""),
            )
            for key, problem, sample in done
        ]
        return GeneratorReport(self.replica, self.incarnation, finished, bundle, len(self._tasks), self._free())

    def _free(self) -> int:
        running = len(self._tasks)
        limit = self.settings.engine.max_num_seqs
        room = limit + max(1, int(limit * LOOKAHEAD)) - running
        if capacity := self.engine.kv_capacity_tokens:
            # A sample may need more than the mean; vLLM preempts then. At least one always fits.
            room = min(room, int(capacity / self._mean_tokens) - running)
        return max(room, 0 if running else 1)

    async def _pause(self, got_work: bool) -> None:
        """Until something finished (then a moment longer, for company) or it is time to report anyway."""
        self._wake.clear()
        if self._done or self._failure:
            await asyncio.sleep(FLUSH_S)
            return
        try:
            await asyncio.wait_for(self._wake.wait(), FLUSH_S if got_work else IDLE_S)
            await asyncio.sleep(FLUSH_S)
        except TimeoutError:
            pass

    async def _problem(self, lease: Lease, reply: LeaseReply) -> Problem:
        if lease.chunk not in self._chunks:
            self._chunks[lease.chunk] = await reply.chunks[lease.chunk][0]
            if len(self._chunks) > CHUNKS_KEPT:
                self._chunks.popitem(last=False)
        self._chunks.move_to_end(lease.chunk)
        return self._chunks[lease.chunk][lease.row]

    async def _run(self, lease: Lease, problem: Problem) -> None:
        try:
            if self.settings.style.shuffle_choices and problem.kind is Kind.CHOICE:
                problem = shuffle_options(problem, lease.seed)
            messages = build_messages(problem, self.settings.style)
            if lease.parent is not None:
                messages = await self._repair_messages(lease)
            sample = await self._draw(lease, messages, request_id(lease.key))
            if sample.text is not None:
                self._mean_tokens += 0.02 * (sample.prompt_tokens + sample.completion_tokens - self._mean_tokens)
            self._done.append((lease.key, problem, sample))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self._failure = error
        finally:
            self._tasks.pop(lease.key, None)
            self._wake.set()

    async def _draw(self, lease: Lease, messages: Messages, engine_id: str) -> Sample:
        completion = await self.engine.generate(engine_id, messages, lease.seed)
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

    async def _repair_messages(self, lease: Lease) -> Messages:
        import json

        parent = lease.parent
        assert parent is not None
        if parent.bundle is not None:
            table = await parent.bundle
            row = table.slice(parent.row, 1).to_pylist()[0]
        else:
            storage = open_storage(self.settings.storage_uri)
            row = await asyncio.to_thread(read_row, storage, parent.part, lease.problem_id, lease.parent_index or 0)
        before = tuple((turn["role"], turn["content"]) for turn in json.loads(row["messages"]))
        return (*before, *repair_turns(row["text"] or "", parent.evidence))


def request_id(key: SampleKey) -> str:
    return f"{key[0]}-{key[1]}"


def solution_key(text: str) -> int:
    """Equal for texts that differ in white space and letter case only."""
    digest = hashlib.blake2b(" ".join(text.lower().split()).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")
