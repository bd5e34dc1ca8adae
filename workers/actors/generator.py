"""The generator actor: takes tasks for the room it has, runs them in one engine, hands over batches.

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
import logging
import os
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from runstore.batches import PromptColumns, messages_column, pack, pack_batch, problem_columns, unpack
from runstore.schema import Provenance, Sample, SampleTokens, solution_key
from verifiers.types import Problem
from workers.actors.presence import Present
from workers.collector import calm_collector
from workers.engines.base import (
    Ability,
    CutOffError,
    Engine,
    EngineGoneError,
    EngineSettings,
    EngineStalledError,
    Generation,
    NotDrawnError,
    SamplingParameters,
    StepClock,
)
from workers.engines.registry import engine_class
from workers.engines.remote.confidential import SOURCES, is_confidential
from workers.logs import NO_FILES, LogSettings, RunLog
from workers.messages import INLINE_BYTES, Finished, GeneratorReport, Orders, Parent, Reference, SampleKey, SampleTask
from workers.prompting.messages import PromptStyle, build_messages, is_shuffled, shuffle_options
from workers.rollouts.base import RolloutRequest, TokenRows, make_sample, sample_tokens
from workers.rollouts.registry import rollout_class, rollout_name
from workers.run_secrets import NONE, Secrets
from workers.scheduling.kv_room import KvRoom

log = logging.getLogger("proofmill.generator")

FLUSH_S = 0.02
FLUSH_MAX_S = 0.25
FLUSH_SHARE = 0.02
"""How long finished samples are collected before one message reports them, as a share of the time that a sample takes.
The wait lies between FLUSH_S and FLUSH_MAX_S, and is zero once nothing is running. No slot of the engine idles
meanwhile, because LOOKAHEAD keeps further samples ready."""
IDLE_S = 1.0
"""How often a generator reports when nothing finishes."""
LOOKAHEAD = 0.1
"""Share of `max_num_seqs` that may wait inside the engine, so that a freed slot is filled at the very next step."""
CHUNKS_KEPT = 64
MEAN_WEIGHT = 0.02
"""Weight of the newest sample in the running mean of time, which follows a change of the problems within some fifty
samples."""
ERROR_CHARS = 2000
LONGEST_STEPS = 20
"""An engine may stand still for this many times its longest step before it counts as hung, where that is longer than
`stall_s`."""
RESPONSE_S = 30.0
"""Seconds that the engine's process may take to answer a call before it counts as hung."""
WATCH_S = 5.0
"""Seconds between two looks at the engine's steps."""
ROW_BYTES = 500
"""Rough size of a row's columns beside its texts."""


@dataclasses.dataclass(frozen=True, slots=True)
class Variant:
    """One way to ask for a sample."""

    name: str
    """Empty in a run without `sampling.variants`."""
    style: PromptStyle
    sampling: SamplingParameters
    sampling_by_kind: Mapping[str, SamplingParameters] = dataclasses.field(default_factory=dict)
    """Parameters for the problems of a kind, where they are not `sampling`."""

    def parameters_of(self, kind: str) -> SamplingParameters:
        """How the samples of a kind of problems are drawn."""
        return self.sampling_by_kind.get(kind, self.sampling)


@dataclasses.dataclass(frozen=True, slots=True)
class GeneratorSettings:
    """What every generator of a run shares."""

    run_id: str
    epoch: int
    code_revision: str
    engine: EngineSettings
    sampling: SamplingParameters
    style: PromptStyle
    sampling_by_kind: Mapping[str, SamplingParameters] = dataclasses.field(default_factory=dict)
    """Parameters for the problems of a kind, where they are not `sampling`."""
    variants: tuple[Variant, ...] = ()
    """What `sampling.variants` asks for in place of `sampling` and `style`; empty: one way for all samples."""
    deal: tuple[int, ...] = (0,)
    """Index of a first attempt → place of its variant. Repair rounds of an attempt have its index plus multiples of
    this length, and so the same variant."""
    rollout: str = "single"
    """How the first attempt at a problem is drawn; repair rounds have a rollout of their own."""
    tokens: TokenRows = "none"
    """Which tokens the rows of tokens/ have."""
    storage_uri: str = ""
    """Where repair rounds find attempts written before a resume."""
    evidence_chars: int = 2000
    """Longest finding of the checker that a repair round shows, in characters."""
    log: LogSettings = NO_FILES
    """Each replica's engine writes a log of its own beside this process's; without a folder, to its output."""
    stall_s: float = 300.0
    """Seconds without a step, with samples running, after which the engine is asked whether it still answers."""
    pool: str = "model"
    """The pool that the replica belongs to; the rows name it."""
    confidential: tuple[str, ...] = SOURCES
    """Sources whose problems an endpoint on another machine gets only with leave."""
    with_solution_keys: bool = False
    """Whether every text is hashed, which `distinct` needs."""
    engine_class: type[Engine] | None = None
    """Engine class for tests and benchmarks, used in place of the one that `engine.engine` names."""

    def every_variant(self) -> tuple[Variant, ...]:
        """The variants by place; of a run without any, the one way in which it asks."""
        return self.variants or (self.plain(),)

    def plain(self) -> Variant:
        """The way to ask of a run without variants."""
        return Variant("", self.style, self.sampling, self.sampling_by_kind)

    def sampling_of(self) -> dict[tuple[str, str], SamplingParameters]:
        """How rows are drawn by variant and kind, where that is not by `sampling`."""
        found = {
            (variant.name, kind): parameters
            for variant in self.every_variant()
            for kind, parameters in variant.sampling_by_kind.items()
        }
        return found | {(variant.name, ""): variant.sampling for variant in self.variants}

    def longest_sample(self, context: int) -> int:
        """Most tokens that a sample may have in a model with this context."""
        every = (self.sampling, *self.sampling_by_kind.values())
        return max(parameters.max_tokens or context for parameters in every)


class Prompted:
    """A problem as the model sees it. All samples of a problem share one instance, so its texts are made once."""

    __slots__ = ("columns", "confidential", "messages", "problem")

    def __init__(self, problem: Problem, settings: GeneratorSettings, style: PromptStyle) -> None:
        self.problem = problem
        self.confidential = is_confidential(problem, settings.confidential) or style.is_confidential_for(problem.kind)
        self.messages = build_messages(problem, style)
        self.columns = PromptColumns(problem_columns(problem), messages_column(self.messages))


class Chunk:
    """Problems that travel together, fetched when the first sample of one begins."""

    def __init__(self) -> None:
        self.reference: Reference | None = None
        self.arrived = asyncio.Event()
        """Messages may overtake each other: a task may be here before its chunk's reference."""
        self.problems: list[Problem] = []
        self.prompted: dict[tuple[int, int], Prompted] = {}
        """Place of a problem in `problems` and of a variant → the problem as these samples see it."""
        self.lock = asyncio.Lock()


class Generator(Present):
    """Runs as a Ray actor with an event loop of its own."""

    def __init__(self, settings: GeneratorSettings, replica: int, incarnation: int, secrets: Secrets = NONE) -> None:
        secrets.adopt()
        self.settings = settings
        self.replica = replica
        self.incarnation = incarnation
        self._log = RunLog(settings.log, self._log_name("generator"))
        make_engine = settings.engine_class or engine_class(settings.engine.engine)
        self.engine = make_engine(settings.engine.model_copy(update={"log_path": self._log_path()}))
        self.origin: Provenance | None = None
        self._variants = settings.every_variant()
        self._drawing: dict[SampleKey, asyncio.Task[None]] = {}
        self._done: list[tuple[SampleTask, PromptColumns, Sample, float]] = []
        """Samples not yet reported; the last value of each is its Finished.abort_s."""
        self._chunks: dict[int, Chunk] = {}
        self._fetched: OrderedDict[int, Chunk] = OrderedDict()
        self._failure: BaseException | None = None
        self._wake = asyncio.Event()
        self._drained = asyncio.Event()
        self._facts: dict[str, Any] = {}
        """What was last told of the engine."""
        self._kv_room = KvRoom(0, 1)  # known once the engine has started
        self._mean_s = 0.0
        self._received = 0
        self._busy_since = 0.0
        """Since when samples have been running without a break (monotonic seconds)."""
        self._watching: asyncio.Task[None] | None = None
        self._unwanted: dict[SampleKey, float] = {}
        """Aborted samples that have not ended yet → when it was known that they are superfluous (seconds since the
        epoch)."""

    async def start(self) -> dict[str, Any]:
        """Loads the model. Raises EngineStartError. Returns what the run's record says about the engine."""
        began = time.monotonic()
        # What this process has loaded is looked at while its engine is not ready yet, and only what the engine adds
        # after that: replicas that start together would otherwise all do so in their first second of work.
        rollout_class(self.settings.rollout)
        calm_collector()
        await self.engine.start()
        calm_collector()
        name, version = self.engine.name, self.engine.version
        log.info("%s %s is ready after %.1f s", name, version, time.monotonic() - began)
        if self.engine.steps is not None:
            self._watching = asyncio.create_task(self._watch_engine(self.engine.steps))
        longest = self.settings.longest_sample(self.engine.max_model_len)
        self._kv_room = KvRoom(self.engine.kv_capacity_tokens, longest)
        self.origin = Provenance(
            run_id=self.settings.run_id,
            epoch=self.settings.epoch,
            code_revision=self.settings.code_revision,
            model=self.settings.engine.path,
            model_revision=self.engine.revision,
            engine=self.engine.name,
            engine_version=self.engine.version,
            replica=f"{self.replica}.{self.incarnation}@{os.uname().nodename}",
            pool=self.settings.pool,
            sampling=self._stored(self.settings.sampling),
            sampling_of={key: self._stored(each) for key, each in self.settings.sampling_of().items()},
        )
        self._facts = self.engine.facts()
        return {
            **self._facts,
            "engine": self.engine.name,
            "engine_version": self.engine.version,
            "model_revision": self.engine.revision,
            "max_model_len": self.engine.max_model_len,
            "kv_capacity_tokens": self.engine.kv_capacity_tokens,
        }

    async def add(self, orders: Orders) -> None:
        """Starts to draw the samples of the tasks."""
        for number in orders.gone:
            self._chunks.pop(number, None)
            self._fetched.pop(number, None)
        for number, (reference,) in orders.chunks.items():
            chunk = self._chunks.setdefault(number, Chunk())
            chunk.reference = reference
            chunk.arrived.set()
        tasks: list[SampleTask] = unpack(orders.tasks)
        self._received += len(tasks)
        if tasks:
            self._drained.clear()
            if not self._drawing:
                self._busy_since = time.monotonic()
        loop = asyncio.get_running_loop()
        for task in tasks:
            chunk = self._chunks.get(task.chunk) or self._chunks.setdefault(task.chunk, Chunk())
            drawing = self._run(task, chunk, orders.parents.get(task.key))
            self._drawing[task.key] = asyncio.Task(drawing, loop=loop)

    async def results(self, orders: Orders | None, flush_s: float) -> tuple[bytes, bytes | None]:
        """Starts what is ordered. Returns what finished since the last call, after at most IDLE_S: a packed
        GeneratorReport, and its batch where that is too large to lie in the report. Raises EngineGoneError.

        `flush_s` is the shortest time for which finished samples are collected before they are reported, in seconds.
        The caller passes num_returns=2, so that a large batch is a Ray object of its own. The caller never reads that
        object, and it outlives this process.
        """
        if orders is not None:
            await self.add(orders)
        await self._pause(flush_s)
        if self._failure is not None:
            raise self._failure
        done, self._done = self._done, []
        batch = b""
        if done and self.origin is not None:
            rows = [(task.stopping_rule, prompt, sample) for task, prompt, sample, _ in done]
            batch = pack_batch(rows, self.origin, with_tokens=self.settings.tokens != "none")
        with_keys = self.settings.with_solution_keys
        finished = [
            Finished(
                task.key,
                sample.attempt,
                sample.text is None,
                sample.error,
                sample.prompt_tokens,
                sample.completion_tokens,
                sample.generation_s,
                utf8_bytes(sample.text or "") + utf8_bytes(prompt.messages) + num_bytes(sample.tokens) + ROW_BYTES,
                solution_key(sample.text or "") if with_keys else 0,
                abort_s,
                sample.wasted_prompt_tokens,
                sample.wasted_completion_tokens,
                sample.is_cut,
            )
            for task, prompt, sample, abort_s in done
        ]
        inline = len(batch) <= INLINE_BYTES
        report = GeneratorReport(
            finished, len(self._drawing), self._free(), self._received, batch if inline else b"", self._new_facts()
        )
        return pack(report), None if inline else batch

    def _stored(self, sampling: SamplingParameters) -> dict[str, Any]:
        """What a row says of its sampling: also that it cannot be drawn again, where the engine promises nothing."""
        untold = {} if Ability.SEED in self.engine.abilities else {"reproducible": False}
        return {**sampling.to_json(), **untold}

    def _new_facts(self) -> dict[str, Any]:
        facts = self.engine.facts()
        if facts == self._facts:
            return {}
        self._facts = facts
        return facts

    def _log_path(self) -> str:
        """The log file of this engine. Engines do not share a file, so an error always quotes the right engine's last
        lines."""
        settings = self.settings
        return str(Path(settings.log.folder) / f"{self._log_name('engine')}.log") if settings.log.folder else ""

    def _log_name(self, what: str) -> str:
        return f"{what}-{self.settings.epoch}-{self.replica}-{self.incarnation}"

    async def stop(self) -> None:
        for drawing in self._drawing.values():
            drawing.cancel()
        log.info("stopped with %d samples running", len(self._drawing))
        if self._watching is not None:
            self._watching.cancel()
        self.engine.stop()
        await asyncio.to_thread(self._log.upload)

    async def abort(self, keys: list[SampleKey], since: float) -> None:
        """Ends running samples at the engine's next step; they are reported as aborted. `since` is when it was known
        that they are not needed (seconds since the epoch)."""
        known = [key for key in keys if key in self._drawing]
        self._unwanted.update(dict.fromkeys(known, since))  # read by samples that have not reached the engine yet
        await self.engine.abort([request_id(key) for key in known])

    def _free(self) -> int:
        running = len(self._drawing)
        limit = self.engine.most_at_once() or self.settings.engine.max_num_seqs * self.settings.engine.num_ranks()
        room = limit + max(1, int(limit * LOOKAHEAD)) - running
        if (most := self._kv_room.limit()) is not None:
            room = min(room, most - running)
        return max(room, 0 if running else 1)

    async def _pause(self, flush_s: float) -> None:
        """Waits until something has finished and then a moment longer for more, or until a report is due anyway."""
        self._wake.clear()
        if not self._done and not self._failure:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), IDLE_S)
        if self._done and not self._failure and self._drawing:
            wait_s = min(max(flush_s, FLUSH_S, FLUSH_SHARE * self._mean_s), FLUSH_MAX_S)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._drained.wait(), wait_s)

    async def _prompted(self, task: SampleTask, chunk: Chunk, place: int) -> Prompted:
        if not chunk.problems:
            await chunk.arrived.wait()
            async with chunk.lock:
                if not chunk.problems and chunk.reference is not None:
                    chunk.problems = unpack(await chunk.reference)
                    self._fetched[task.chunk] = chunk
                    if len(self._fetched) > CHUNKS_KEPT:
                        _, oldest = self._fetched.popitem(last=False)
                        oldest.problems, oldest.prompted = [], {}
        problem = chunk.problems[task.row]
        style = self._variants[place].style
        if is_shuffled(problem, style):
            return Prompted(shuffle_options(problem, task.seed), self.settings, style)
        key = task.row, place
        if key not in chunk.prompted:
            chunk.prompted[key] = Prompted(problem, self.settings, style)
        return chunk.prompted[key]

    async def _run(self, task: SampleTask, chunk: Chunk, parent: Parent | None) -> None:
        deal = self.settings.deal
        place = deal[task.key[1] % len(deal)]
        try:
            prompted = chunk.prompted.get((task.row, place)) or await self._prompted(task, chunk, place)
            sample = await self._sample(task, prompted, parent, self._variants[place])
            if sample.completion_tokens:
                if sample.text is not None:
                    self._kv_room.add(sample.prompt_tokens + sample.completion_tokens)
                self._mean_s += MEAN_WEIGHT * (sample.generation_s - self._mean_s)
            columns = prompted.columns
            if sample.messages is not prompted.messages:
                columns = columns._replace(messages=messages_column(sample.messages))
            since = self._unwanted.get(task.key)
            self._done.append((task, columns, sample, -1.0 if since is None else max(0.0, sample.finished_at - since)))
        except asyncio.CancelledError:
            raise  # `stop`
        except BaseException as error:
            log.error("sample %s:%d ended the engine", task.problem_id, task.key[1], exc_info=error)
            self._failure = self._failure or error
        finally:
            self._drawing.pop(task.key, None)
            self._unwanted.pop(task.key, None)
            self._wake.set()
            if not self._drawing or self._failure is not None:
                self._drained.set()

    async def _watch_engine(self, clocks: Sequence[StepClock]) -> None:
        """Ends the engine once it hangs: samples run, no step is made, and its process answers no call."""
        stall_s = self.settings.stall_s
        response_s = min(RESPONSE_S, stall_s)
        while self._failure is None:
            await asyncio.sleep(min(WATCH_S, stall_s / 4))
            if not self._drawing:
                continue
            silent_s = standing_s(clocks, time.monotonic(), self._busy_since)
            if silent_s < max(stall_s, LONGEST_STEPS * max(clock.longest_s for clock in clocks)):
                continue
            num_steps = sum(clock.num_steps for clock in clocks)
            log.warning("no step for %.0f s with %d samples running", silent_s, len(self._drawing))
            try:
                if await asyncio.wait_for(self.engine.responds(), response_s):
                    continue
            except TimeoutError:
                if sum(clock.num_steps for clock in clocks) > num_steps:
                    continue
            except EngineGoneError as error:
                self._failure = self._failure or error
            self._failure = self._failure or EngineStalledError(
                f"the engine made no step for {silent_s:.0f} s with {len(self._drawing)} samples running, and its "
                f"process did not answer within {response_s:g} s"
            )
            log.error("%s", self._failure)
            self.engine.kill()
            self._wake.set()
            self._drained.set()

    async def _sample(self, task: SampleTask, prompted: Prompted, parent: Parent | None, variant: Variant) -> Sample:
        """Draws one sample. Any fault of this one sample becomes data in its row; only a dead engine raises."""
        settings, key, unwanted = self.settings, task.key, self._unwanted
        request = RolloutRequest(
            request_id(key),
            task,
            prompted.messages,
            variant.parameters_of(str(prompted.problem.kind)),
            parent,
            settings.storage_uri,
            lambda: key in unwanted,
            settings.evidence_chars,
            settings.engine.keep_thought,
            settings.tokens,
            prompted.confidential,
        )
        rollout = rollout_class(rollout_name(settings.rollout, parent))(self.engine, request)
        name = variant.name or None
        try:
            if task.refusal:
                return make_sample(task, rollout.messages, Generation("", "error"), task.refusal, name)
            generation = await rollout.draw()  # a rollout knows only then what it showed the model
            sample = make_sample(task, rollout.messages, generation, "", name)
            if settings.tokens != "none":
                sample.tokens = sample_tokens(generation)
            return sample
        except EngineGoneError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"[:ERROR_CHARS]
            log.warning("sample %s:%d was not drawn: %s", task.problem_id, task.key[1], reason)
            sample = make_sample(task, rollout.messages, failed(error), reason, name)
            sample.is_cut = isinstance(error, CutOffError)
            return sample


def failed(error: Exception) -> Generation:
    """What is left of a sample that could not be drawn. What was paid for it counts in the budget."""
    if not isinstance(error, NotDrawnError):
        return Generation("", "error")
    return Generation(
        *("", "error"),
        wasted_prompt_tokens=error.wasted_prompt_tokens,
        wasted_completion_tokens=error.wasted_completion_tokens,
    )


def standing_s(clocks: Sequence[StepClock], now: float, busy_since: float) -> float:
    """How long an engine with samples to draw has made no step, in seconds; with several ranks that of the rank that
    stands longest. A rank without samples stands for good reason, unless all do."""
    all_idle = now - max([busy_since, *(clock.last for clock in clocks)])
    return max([all_idle, *(now - clock.last for clock in clocks if clock.is_busy)])


def num_bytes(tokens: SampleTokens | None) -> int:
    """Size of a sample's tokens."""
    return len(tokens.prompt_ids) + len(tokens.token_ids) + len(tokens.logprobs or b"") if tokens else 0


def utf8_bytes(text: str) -> int:
    """Size of a text in a batch and in a part. Most texts are ASCII, of which Python knows the size."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def request_id(key: SampleKey) -> str:
    return f"{key[0]}-{key[1]}"
