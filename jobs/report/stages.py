"""What each stage of a run's cascades drew and solved, and what can be said of its model.

Promises: a later stage's pass@1 is named as what it is, given that the earlier stages failed; a figure of its model
alone comes from audited problems, and is left out where there are too few (workers.sampling.stage_curves).
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from jobs.report.problems_table import ProblemResult
from verifiers.types import Status
from workers.sampling.pass_curve import Point
from workers.sampling.stage_curves import StageCurves

COLUMNS = ("pool", "stage", "status", "completion_tokens", "prompt_tokens", "generation_s", "audited")
"""Columns of a batch that `StageStatistics.add_batch` needs."""


@dataclasses.dataclass(slots=True)
class Drawn:
    """Counts of the samples of one stage."""

    samples: int = 0
    """With a verdict."""
    verified: int = 0
    audited: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    generation_s: float = 0.0


class StageRow(NamedTuple):
    """A stage as the report shows it."""

    cascade: str
    number: int
    """From 1."""
    pool: str
    reached: int
    solved: int
    drawn: Drawn
    given: Point | None
    """pass@1 given that the earlier stages failed."""
    alone: Point | None
    """pass@1 of the model alone, from the audit."""


class StageStatistics:
    """Collects the cascades of one run. Empty for a run without any."""

    def __init__(self) -> None:
        self._curves: dict[tuple[str, ...], StageCurves] = {}
        self._reached: dict[tuple[tuple[str, ...], int], int] = defaultdict(int)
        self._solved: dict[tuple[tuple[str, ...], int], int] = defaultdict(int)
        self._drawn: dict[tuple[str, int], Drawn] = defaultdict(Drawn)

    def __bool__(self) -> bool:
        return bool(self._curves)

    def add(self, result: ProblemResult) -> None:
        """Counts a problem in the stages that it reached because the earlier ones failed."""
        if not result.stages or result.keyless:
            return
        names = tuple(stage.pool for stage in result.stages)
        curves = self._curves.setdefault(names, StageCurves(len(names)))
        curves.add([stage.stopped for stage in result.stages], result.audited)
        for number, stage in enumerate(result.stages):
            self._reached[names, number] += 1
            self._solved[names, number] += stage.is_solved
            if stage.is_solved or not stage.settled:
                break

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Counts samples, without those of problems that have no answer key."""
        if not self._curves:
            return
        pools, stages = batch.column("pool"), batch.column("stage").to_numpy()
        names = pools.dictionary.to_pylist()
        codes = pools.indices.to_numpy()
        status = np.array(batch.column("status").to_pylist(), dtype=object)
        known = batch.column("status").is_valid().to_numpy(zero_copy_only=False)
        audited = batch.column("audited").to_numpy(zero_copy_only=False)
        sums = {name: batch.column(name).to_numpy() for name in ("prompt_tokens", "completion_tokens", "generation_s")}
        for code, stage in {(int(code), int(stage)) for code, stage in zip(codes, stages, strict=True)}:
            of_stage = (codes == code) & (stages == stage) & (status != Status.UNCHECKED)
            drawn = self._drawn[names[code], stage]
            drawn.samples += int(np.count_nonzero(of_stage & known))
            drawn.verified += int(np.count_nonzero(of_stage & (status == "verified")))
            drawn.audited += int(np.count_nonzero(of_stage & audited))
            drawn.prompt_tokens += int(sums["prompt_tokens"][of_stage].sum())
            drawn.completion_tokens += int(sums["completion_tokens"][of_stage].sum())
            drawn.generation_s += float(sums["generation_s"][of_stage].sum())

    def alone(self, row: StageRow, k: int) -> Point | None:
        """pass@k of a stage's model alone, from the audit."""
        curves = {" → ".join(names): found for names, found in self._curves.items()}[row.cascade]
        return curves.alone(row.number - 1, k)

    def rows(self) -> list[StageRow]:
        """The stages of every cascade, in order. Samples of a model that stands in the same place of two cascades are
        counted together."""
        return [
            StageRow(
                *(" → ".join(names), number + 1, pool, self._reached[names, number], self._solved[names, number]),
                *(self._drawn[pool, number], curves.given(number, 1), curves.alone(number, 1)),
            )
            for names, curves in sorted(self._curves.items())
            for number, pool in enumerate(names)
        ]
