"""What is always true of a ledger between two calls, and the story of one sample. For tests and for faults.

Linear in everything that is open, so no run asks for it while all goes well.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import TYPE_CHECKING

from workers.scheduling.sample_state import SampleState, Stage

if TYPE_CHECKING:
    from workers.scheduling.ledger import Ledger

WITH_BATCH = frozenset({Stage.FINISHED, Stage.CHECKING, Stage.CHECKED, Stage.WRITING})


def faults(ledger: Ledger) -> Iterator[str]:
    """Every rule that the ledger breaks, with the story of the sample where it is one sample's."""
    samples = ledger._samples
    by_stage = collections.Counter(sample.stage for sample in samples.values())
    by_problem = collections.Counter(key[0] for key in samples)
    for stage in Stage:
        if ledger.num(stage) != by_stage[stage]:
            yield f"{ledger.num(stage)} samples are counted as {stage.name}, and {by_stage[stage]} are"
    for number, problem in ledger._problems.items():
        if problem.num_rows != by_problem[number]:
            yield f"problem {problem.entry.id} counts {problem.num_rows} samples and has {by_problem[number]}"
    for key, sample in samples.items():
        if problem_fault := _fault_of(ledger, sample):
            yield f"{problem_fault}\n{story_of(sample)}"
        if sample.key != key or ledger._problems.get(key[0]) is not sample.problem:
            yield f"sample {key} is filed under another key or problem\n{story_of(sample)}"
    pending = sum(sample.num_bytes for sample in samples.values() if sample.stage in WITH_BATCH)
    if ledger._pending_bytes != pending:
        yield f"{ledger._pending_bytes} bytes are counted as pending, and {pending} are"
    reserved = by_stage[Stage.DRAWING] * ledger.settings.max_tokens
    if ledger.budget.reserved_tokens != reserved:
        yield f"{ledger.budget.reserved_tokens} tokens are reserved, and the samples being drawn need {reserved}"
    chunks = collections.Counter(problem.chunk for problem in ledger._problems.values())
    if chunks != collections.Counter(ledger._chunk_uses):
        yield f"chunks are counted as {ledger._chunk_uses}, and the open problems need {dict(chunks)}"


def _fault_of(ledger: Ledger, sample: SampleState) -> str:
    held = sample in (sample.problem.held or ())
    ready = sample in ledger.writes
    if sample.stage is Stage.CHECKED and held == ready:
        return "a checked sample has to be either held back or ready for a part, and not both"
    if sample.stage is not Stage.CHECKED and (held or ready):
        return f"a sample is held back or ready for a part while it is {sample.stage.name}"
    if sample.stage is Stage.QUEUED and sample not in ledger._queued:
        return "a sample is QUEUED and not in the queue"
    if sample.stage in WITH_BATCH and sample.finished is None:
        return f"a sample is {sample.stage.name} without a row of a batch"
    if sample.story and sample.story[-1].stage is not sample.stage:
        return f"a sample is {sample.stage.name}, and its story ends with {sample.story[-1].stage.name}"
    return ""


def story_of(sample: SampleState) -> str:
    """The last changes of state of a sample, one a line: when, which stage, and which worker had it."""
    head = f"sample {sample.problem.entry.id}:{sample.key[1]}, attempt {sample.attempt}"
    lines = (
        f"  {move.at:.3f} {move.stage.name}" + (f" worker {move.worker}" if move.worker >= 0 else "")
        for move in sample.story
    )
    return "\n".join([head, *lines])
