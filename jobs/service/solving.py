"""Best of n with verification, for one problem at a time.

Promises: an answer is given only when a sample was verified; the first verified one ends the others (cancelled here,
aborted in the engine); the result says what was spent in either case. Leaving the request ends its samples.
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

from jobs.service.http_errors import HttpProblem
from jobs.service.steering import Steering
from jobs.service.verifying import Check, Checked, Verifiers, check_chunk
from runstore.schema import Sample, SampleRequest, sample_seed
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


async def solve(
    problem: Problem,
    num_samples: int,
    generators: Generators,
    verifiers: Verifiers,
    *,
    attempts: int,
    timeout_s: float,
    seed: int = 0,
) -> AsyncGenerator[Event, None]:
    """Draws `num_samples` at once and stops at the first verified one."""
    started = time.perf_counter()
    # Engine requests are named by problem id, so two requests for one problem must not share it.
    own = dataclasses.replace(problem, id=f"solve-{secrets.token_hex(8)}")
    requests = [SampleRequest(own, index, 1, sample_seed(seed, problem.id, index)) for index in range(num_samples)]
    yield Event("started", {"problem_id": problem.id, "num_samples": num_samples, "seed": seed})

    async def one(request: SampleRequest) -> tuple[Sample, Checked]:
        sample = await generators.generate(request)
        check = Check(problem, sample.text or "", finish_reason=sample.finish_reason)
        return sample, (await check_chunk(verifiers, [check], attempts, lambda: None))[0]

    tasks = {asyncio.create_task(one(request)): request for request in requests}
    cost = Cost()
    best: tuple[Sample, Checked] | None = None
    counts = Counts(num_samples)
    try:
        waiting = set(tasks)
        deadline = started + timeout_s
        while waiting and best is None and time.perf_counter() < deadline:
            timeout = max(0.0, deadline - time.perf_counter())
            done, waiting = await asyncio.wait(waiting, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                request = tasks[task]
                try:
                    sample, checked = task.result()
                except GeneratorLost as error:
                    counts.lost += 1
                    yield Event(
                        "sample", {"sample_index": request.sample_index, "status": "error", "reason": str(error)}
                    )
                    continue
                cost.add(sample, checked)
                counts.add(sample, checked)
                if checked.status == "verified" and (best is None or sample.sample_index < best[0].sample_index):
                    best = (sample, checked)
                yield Event("sample", sample_event(sample, checked))
    finally:
        running = [tasks[task] for task in tasks if not task.done()]
        for task in tasks:
            task.cancel()
        if running:
            with contextlib.suppress(GeneratorLost):
                await generators.abort([f"{one.problem.id}/{one.sample_index}/{one.seed}" for one in running])
        await asyncio.gather(*tasks, return_exceptions=True)
    if best is None and counts.checked == 0:
        raise HttpProblem(503, "not-ready", f"no sample got a verdict: {counts.told()}", retry_after_s=5)
    result = result_event(problem, best, cost, generators, num_samples, time.perf_counter() - started)
    yield Event("result", {**result, **counts.to_json()})


@dataclasses.dataclass(slots=True)
class Counts:
    """What became of a request's samples."""

    asked: int
    checked: int = 0
    """Number of samples whose text has a verdict."""
    lost: int = 0
    """Generators or verifiers died under it."""

    @property
    def unfinished(self) -> int:
        """Running when the time was over, or when another sample was verified."""
        return self.asked - self.checked - self.lost

    def add(self, sample: Sample, checked: Checked) -> None:
        if sample.error or sample.text is None or checked.status == Status.ERROR:
            self.lost += 1  # such a verdict is about the service and not about a text
        else:
            self.checked += 1

    def told(self) -> str:
        parts = [(self.lost, "lost"), (self.unfinished, "not finished in time")]
        return ", ".join(f"{count} of {self.asked} {name}" for count, name in parts if count)

    def to_json(self) -> dict[str, Json]:
        return {"num_checked": self.checked, "num_lost": self.lost, "num_unfinished": self.unfinished}


def refusal_of(result: dict[str, Any]) -> str:
    """Why a result has no text. Samples that nothing is known about are told apart."""
    counts = Counts(result["num_samples"], result["num_checked"], result["num_lost"])
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

    def add(self, sample: Sample, checked: Checked) -> None:
        self.add_sample(sample)
        self.verify_s += checked.seconds

    def add_sample(self, sample: Sample) -> None:
        self.samples += 1
        self.prompt_tokens += sample.prompt_tokens
        self.completion_tokens += sample.completion_tokens
        self.generation_s += sample.generation_s

    def to_json(self, wall_s: float, usd: float) -> dict[str, Json]:
        return {**dataclasses.asdict(self), "wall_s": wall_s, "usd": usd}


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
    generators: Generators,
    num_samples: int,
    wall_s: float,
) -> dict[str, Any]:
    return {
        "problem_id": problem.id,
        "verified": best is not None,
        "text": best[0].text if best else None,
        "sample_index": best[0].sample_index if best else None,
        "verdict": json.loads(best[1].body) if best else None,
        "num_samples": num_samples,
        "cost": cost.to_json(wall_s, usd_of(cost, generators)),
    }


def usd_of(cost: Cost, generators: Generators) -> float:
    """A sample occupies one of a replica's slots while it runs; the slots share the replica's price."""
    return generators.usd_per_replica_s * cost.generation_s / max(generators.num_slots, 1)
