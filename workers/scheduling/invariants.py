"""What is always true of a ledger between two calls, and the story of one sample. For tests and fault reports.

The check takes time linear in everything that is open, so a run makes it only after an unexpected error.
"""

from __future__ import annotations

import collections
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import NamedTuple

from workers.messages import SampleKey
from workers.sampling.budget import Reserve
from workers.scheduling.sample_state import STORY_MOVES, OpenProblem, SampleState, Stage
from workers.scheduling.write_queue import WriteQueue

STORY_SIZE = 3 * STORY_MOVES
"""Number of entries of `SampleState.story` that are told."""
WITH_BATCH = frozenset({Stage.FINISHED, Stage.CHECKING, Stage.CHECKED, Stage.WRITING})


class Parts(NamedTuple):
    """What a ledger keeps."""

    samples: Mapping[SampleKey, SampleState]
    problems: Mapping[int, OpenProblem]
    queues: Mapping[int, Container[SampleState]]
    """Pool → the samples that wait for it."""
    writes: WriteQueue
    num_stage: Sequence[int]
    chunk_uses: Mapping[int, int]
    pending_bytes: int
    reserved_tokens: int
    most: Mapping[int, Reserve]
    """Pool → what is set aside for one sample."""
    open_problems: Mapping[int, int]
    """Pool → number of open problems whose stage it draws."""


def faults(parts: Parts) -> Iterator[str]:
    """Every rule that the ledger breaks, with the story of the sample where the fault concerns a single one."""
    by_stage = collections.Counter(sample.stage for sample in parts.samples.values())
    by_problem = collections.Counter(key[0] for key in parts.samples)
    for stage in Stage:
        if parts.num_stage[stage] != by_stage[stage]:
            yield f"{parts.num_stage[stage]} samples are counted as {stage.name}, and {by_stage[stage]} are"
    for number, problem in parts.problems.items():
        if problem.num_rows != by_problem[number]:
            yield f"problem {problem.id} counts {problem.num_rows} samples and has {by_problem[number]}"
    for key, sample in parts.samples.items():
        if fault := _fault_of(parts, sample):
            yield f"{fault}\n{story_of(sample)}"
        if sample.key != key or parts.problems.get(key[0]) is not sample.problem:
            yield f"sample {key} is filed under another key or problem\n{story_of(sample)}"
    pending = sum(sample.num_bytes for sample in parts.samples.values() if sample.stage in WITH_BATCH)
    if parts.pending_bytes != pending:
        yield f"{parts.pending_bytes} bytes are counted as pending, and {pending} are"
    drawing = [sample for sample in parts.samples.values() if sample.stage is Stage.DRAWING]
    reserved = sum(parts.most[sample.at.pool].tokens for sample in drawing)
    if parts.reserved_tokens != reserved:
        yield f"{parts.reserved_tokens} tokens are reserved, and the samples being drawn need {reserved}"
    by_pool = collections.Counter(problem.at.pool for problem in parts.problems.values())
    if by_pool != collections.Counter(parts.open_problems):
        yield f"{dict(parts.open_problems)} problems are counted as open by pool, and {dict(by_pool)} are"
    chunks = collections.Counter(problem.chunk for problem in parts.problems.values())
    if chunks != collections.Counter(parts.chunk_uses):
        yield f"chunks are counted as {dict(parts.chunk_uses)}, and the open problems need {dict(chunks)}"


def _fault_of(parts: Parts, sample: SampleState) -> str:
    held = sample in (sample.problem.held or ())
    ready = sample in parts.writes
    if sample.stage is Stage.CHECKED and held == ready:
        return "a checked sample has to be either held back or ready for a part, and not both"
    if sample.stage is not Stage.CHECKED and (held or ready):
        return f"a sample is held back or ready for a part while it is {sample.stage.name}"
    if sample.stage is Stage.QUEUED and sample not in parts.queues[sample.at.pool]:
        return "a sample is QUEUED and not in the queue"
    if sample.stage in WITH_BATCH and sample.finished is None:
        return f"a sample is {sample.stage.name} without a row of a batch"
    if sample.story and sample.story[-2] is not sample.stage:
        return f"a sample is {sample.stage.name}, and its story ends with {sample.story[-2].name}"
    return ""


def story_of(sample: SampleState) -> str:
    """The last changes of state of a sample, one per line: when, which stage, and which worker had it."""
    head = f"sample {sample.problem.id}:{sample.key[1]}, attempt {sample.attempt}"
    moves = zip(*(iter(sample.story[-STORY_SIZE:]),) * 3, strict=True)
    lines = (f"  {at:.3f} {stage.name}" + (f" worker {who}" if who >= 0 else "") for at, stage, who in moves)
    return "\n".join([head, *lines])
