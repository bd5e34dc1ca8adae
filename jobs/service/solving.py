"""Best of n with verification, for one problem at a time.

Promises: an answer to a problem with an answer key is given only when a sample was verified; the first verified one
ends the others (cancelled here, aborted in the engine); without a key the answer is that of most samples, and the
result says that nothing was proven (jobs.service.agreed); the result says what was spent in either case. Leaving the
request ends its samples.
Promises: a sample that was lost (its generator or its verifier died time and again) or that did not end in time is
counted as such, and never as one that could not be verified.
Does not: batch, resume or store, as runs do.
Fails: with HttpProblem 503 where no sample got a verdict; a sample that fails is an event with status `error`.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import secrets
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Protocol

from jobs.selections.votes import Votes
from jobs.service.agreed import Agreed, has_majority, selection_body
from jobs.service.http_errors import HttpProblem
from jobs.service.steering import Steering
from jobs.service.verifying import Check, Checked, Verifiers, check_chunk, encode, failure
from runstore.schema import Sample, SampleRequest, sample_seed
from verifiers.answer_keys import has_answer_key
from verifiers.types import Json, Problem, Status


class GeneratorLost(Exception):
    """The generator died or cannot be reached."""


class Generators(Protocol):
    """What the gateway needs of the generator replicas."""

    num_slots: int
    """Number of samples that all replicas run side by side."""
    usd_per_replica_s: float

    async def generate(self, request: SampleRequest, steering: Steering | None = None) -> Sample:
        """Raises GeneratorLost. `steering` is what a chat sets beside its problem."""
        ...

    async def abort(self, request_ids: Sequence[str]) -> None: ...

    async def ready(self) -> bool:
        """Whether an engine is loaded."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """`started`, `sample`, then `result`, in this order; `data` is what the client gets."""

    name: str
    data: dict[str, Json]

    def sse(self) -> str:
        return f"event: {self.name}\ndata: {json.dumps(self.data)}\n\n"


Blocks = Sequence[range]
"""The sample indices of a request, stage by stage. The indices of a stage are drawn at once, and a further stage only
where the ones before it gave nothing."""


async def solve(
    problem: Problem,
    num_samples: int,
    generators: Generators,
    verifiers: Verifiers,
    *,
    attempts: int,
    timeout_s: float,
    seed: int = 0,
    blocks: Blocks = (),
) -> AsyncGenerator[Event, None]:
    """Draws until a sample is verified: `num_samples` at once, or what `blocks` says, which has as many indices."""
    started = time.perf_counter()
    blocks = blocks or (range(num_samples),)
    solving = Solving(problem, generators, verifiers, attempts, started + timeout_s)
    yield Event("started", {"problem_id": problem.id, "num_samples": num_samples, "seed": seed})
    try:
        for left, block in zip(range(len(blocks) - 1, -1, -1), blocks, strict=True):
            solving.begin([sample_seed(seed, problem.id, index) for index in block], block)
            async for event in solving.wait():
                yield event
            if solving.is_over() or (left and await solving.is_agreed()):
                break
    finally:
        await solving.end()
    best, counts = solving.best, solving.counts
    if best is None and counts.checked == counts.unchecked == 0:
        raise HttpProblem(503, "not-ready", f"no sample got a verdict: {counts.told()}", retry_after_s=5)
    votes = await solving.votes()
    if solving.agreed and votes is None:
        raise HttpProblem(503, "not-ready", "the answers could not be compared: verifiers were lost", retry_after_s=5)
    given = solving.agreed.chosen(votes) if solving.agreed and votes else best
    result = result_event(problem, given, solving.cost, counts.asked, time.perf_counter() - started)
    selection = selection_body(votes) if votes else None
    yield Event("result", {**result, **counts.to_json(), "verified": best is not None, "selection": selection})


class Solving:
    """The samples of one request, from the first to the last."""

    def __init__(
        self, problem: Problem, generators: Generators, verifiers: Verifiers, attempts: int, deadline: float
    ) -> None:
        self.problem = problem
        # Engine requests are named by problem id, so two requests for one problem must not share it.
        self._own = dataclasses.replace(problem, id=f"solve-{secrets.token_hex(8)}")
        self._generators = generators
        self._verifiers = verifiers
        self._attempts = attempts
        self._deadline = deadline
        self._tasks: dict[asyncio.Task[tuple[Sample, Checked]], SampleRequest] = {}
        self._waiting: set[asyncio.Task[tuple[Sample, Checked]]] = set()
        self.cost = Cost()
        self.counts = Counts(0)
        self.best: tuple[Sample, Checked] | None = None
        self.agreed = None if has_answer_key(problem.kind, problem.reference) else Agreed(problem)
        """What the samples of a problem without an answer key say."""

    def begin(self, seeds: Sequence[int], indices: range) -> None:
        """Starts to draw one stage."""
        for index, seed in zip(indices, seeds, strict=True):
            request = SampleRequest(self._own, index, 1, seed)
            task = asyncio.create_task(self._one(request))
            self._tasks[task] = request
            self._waiting.add(task)
        self.counts.asked += len(indices)

    async def _one(self, request: SampleRequest) -> tuple[Sample, Checked]:
        sample = await self._generators.generate(request)
        check = Check(self.problem, sample.text or "", finish_reason=sample.finish_reason)
        if sample.finish_reason == "error":
            return sample, encode(failure(check, sample.error or "the sample could not be drawn", 0.0))
        return sample, (await check_chunk(self._verifiers, [check], self._attempts, lambda: None))[0]

    def is_over(self) -> bool:
        """Whether there is an answer, or no time for one."""
        return self.best is not None or time.perf_counter() >= self._deadline

    async def votes(self) -> Votes | None:
        """The vote on a problem without an answer key, over what was drawn so far. None where the problem has a key, or
        the verifiers died over it."""
        return await self.agreed.votes(self._verifiers, self._attempts) if self.agreed else None

    async def is_agreed(self) -> bool:
        """Whether a problem without an answer key needs no further stage."""
        votes = await self.votes()
        return votes is not None and has_majority(votes)

    async def wait(self) -> AsyncGenerator[Event, None]:
        """An event per sample, until one is verified, all have ended, or the time is over."""
        while self._waiting and not self.is_over():
            timeout = max(0.0, self._deadline - time.perf_counter())
            done, self._waiting = await asyncio.wait(
                self._waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                yield self._note(task)

    def _note(self, task: asyncio.Task[tuple[Sample, Checked]]) -> Event:
        request = self._tasks[task]
        try:
            sample, checked = task.result()
        except GeneratorLost as error:
            self.counts.lost += 1
            about = {"sample_index": request.sample_index, "status": "error", "reason": str(error)}
            return Event("sample", about)
        self.cost.add(sample, checked, usd_of(self._generators, request, sample))
        self.counts.add(sample, checked)
        if self.agreed and sample.text is not None:
            self.agreed.add(sample, checked)
        if checked.status == "verified" and (self.best is None or sample.sample_index < self.best[0].sample_index):
            self.best = (sample, checked)
        return Event("sample", sample_event(sample, checked))

    async def end(self) -> None:
        """Ends what is still drawn or checked."""
        running = [request for task, request in self._tasks.items() if not task.done()]
        for task in self._tasks:
            task.cancel()
        if running:
            with contextlib.suppress(GeneratorLost):
                await self._generators.abort([f"{one.problem.id}/{one.sample_index}/{one.seed}" for one in running])
        await asyncio.gather(*self._tasks, return_exceptions=True)


@dataclasses.dataclass(slots=True)
class Counts:
    """What became of a request's samples."""

    asked: int
    checked: int = 0
    """Number of samples whose text has a verdict."""
    unchecked: int = 0
    """Number of samples of a problem without an answer key."""
    lost: int = 0
    """Generators or verifiers died under it."""

    @property
    def unfinished(self) -> int:
        """Running when the time was over, or when another sample was verified."""
        return self.asked - self.checked - self.unchecked - self.lost

    def add(self, sample: Sample, checked: Checked) -> None:
        if sample.error or sample.text is None or checked.status == Status.ERROR:
            self.lost += 1  # such a verdict is about the service and not about a text
        elif checked.status == Status.UNCHECKED:
            self.unchecked += 1
        else:
            self.checked += 1

    def told(self) -> str:
        parts = [(self.lost, "lost"), (self.unfinished, "not finished in time")]
        return ", ".join(f"{count} of {self.asked} {name}" for count, name in parts if count)

    def to_json(self) -> dict[str, Json]:
        counts = {"num_checked": self.checked, "num_unchecked": self.unchecked}
        return {**counts, "num_lost": self.lost, "num_unfinished": self.unfinished}


def refusal_of(result: dict[str, Any]) -> str:
    """Why a result has no text. Samples that nothing is known about are told apart."""
    counts = Counts(*(result[f"num_{name}"] for name in ("samples", "checked", "unchecked", "lost")))
    if result["selection"] is not None:
        text = f"none of {counts.unchecked} samples gave an answer that can be compared, and nothing was checked"
        return f"{text}; {missing}" if (missing := counts.told()) else text
    text = f"none of {counts.checked} samples could be verified"
    return f"{text}; {missing}" if (missing := counts.told()) else text


@dataclasses.dataclass(slots=True)
class Cost:
    """What finished samples cost; aborted ones are not counted."""

    samples: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    generation_s: float = 0.0
    verify_s: float = 0.0
    usd: float = 0.0

    def add(self, sample: Sample, checked: Checked, usd: float = 0.0) -> None:
        """`usd` is what the sample cost."""
        self.add_sample(sample, usd)
        self.verify_s += checked.seconds

    def add_sample(self, sample: Sample, usd: float = 0.0) -> None:
        self.samples += 1
        self.usd += usd
        self.prompt_tokens += sample.prompt_tokens
        self.completion_tokens += sample.completion_tokens
        self.generation_s += sample.generation_s

    def to_json(self, wall_s: float) -> dict[str, Json]:
        return {**dataclasses.asdict(self), "wall_s": wall_s}


def sample_event(sample: Sample, checked: Checked) -> dict[str, Json]:
    verdict = json.loads(checked.body)
    return {
        "sample_index": sample.sample_index,
        "status": checked.status,
        "reason": verdict["reason"],
        "finish_reason": sample.finish_reason,
        "completion_tokens": sample.completion_tokens,
        "generation_s": round(sample.generation_s, 4),
    }


def result_event(
    problem: Problem,
    best: tuple[Sample, Checked] | None,
    cost: Cost,
    num_samples: int,
    wall_s: float,
) -> dict[str, Any]:
    return {
        "problem_id": problem.id,
        "text": best[0].text if best else None,
        "sample_index": best[0].sample_index if best else None,
        "verdict": json.loads(best[1].body) if best else None,
        "num_samples": num_samples,
        "cost": cost.to_json(wall_s),
    }


def usd_of(generators: Generators, request: SampleRequest, sample: Sample) -> float:
    """What a sample cost. It occupies one of a replica's slots while it runs; the slots share the replica's price.
    Generators of several models know which of them drew it."""
    if (priced := getattr(generators, "usd_of", None)) is not None:
        return float(priced(request, sample))
    return generators.usd_per_replica_s * sample.generation_s / max(generators.num_slots, 1)
