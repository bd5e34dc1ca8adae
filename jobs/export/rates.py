"""Pass rates of problems, as runs estimated them: those of the exported runs, or of another model's (`rates_from`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.export.partition import bucket_of
from jobs.report.problems_table import read_rule

Json = Any
Floats = npt.NDArray[np.float64]

FIGURES = ("pass_rate", "pass_rate_low", "pass_rate_high")
"""An unbiased estimate and its interval."""
RATE_COLUMNS = [
    *("run_id", "problem_id", "kind", "num_samples", "num_verified", *FIGURES),
    *("stopping_rule", "settled_at_index", "settled_verified"),
]
"""Columns of problems.parquet that a bucket needs."""


class Rates:
    """Rows of problems.parquet by problem: those of the exported runs, and of others whose estimates count instead."""

    def __init__(self, rows: Iterable[Mapping[str, Json]] = (), of_others: bool = False) -> None:
        self._own: dict[tuple[str, str], list[Mapping[str, Json]]] = {}
        self._others: dict[tuple[str, str], list[Mapping[str, Json]]] = {}
        self._of_others = of_others
        """Whether the estimates are those of other runs, be there one in this bucket or none."""
        for row in rows:
            known = self._others if row["of_others"] else self._own
            known.setdefault((row["problem_id"], row["kind"]), []).append(row)

    def of(self, problem_id: str, kind: str, runs: Sequence[str]) -> dict[str, Json] | None:
        """The problem's estimate and counts, pooled over its `runs`; None where no run has an unbiased estimate. Other
        runs know a problem by its id and kind only."""
        if self._of_others:
            rows = self._others.get((problem_id, kind), [])
        else:
            rows = [row for row in self._own.get((problem_id, kind), []) if row["run_id"] in runs]
        return pooled_rate([of_first_stage(row) for row in rows])

    def first_stage_end(self, problem_id: str, kind: str, run: str) -> int:
        """The index of the first of the run's samples that is none of a cascade's first stage."""
        rows = [row for row in self._own.get((problem_id, kind), []) if row["run_id"] == run]
        return first_stage_end(rows[0]) if rows else sys.maxsize

    def __bool__(self) -> bool:
        return bool(self._own or self._others)


def of_first_stage(row: Mapping[str, Json]) -> Mapping[str, Json]:
    """A problem's row of problems.parquet, with the counts behind its pass rate where it went through a cascade."""
    if first_stage_end(row) == sys.maxsize or row["settled_at_index"] is None:
        return row
    return {**row, "num_samples": row["settled_at_index"] + 1, "num_verified": row["settled_verified"]}


def first_stage_end(row: Mapping[str, Json]) -> int:
    """The index of the first sample that is none of the first stage; without a cascade no sample has it."""
    stages = read_rule(row["stopping_rule"])[0].get("stages", ())
    return int(stages[1]["start"]) if len(stages) > 1 else sys.maxsize


def pooled_rate(estimates: Sequence[Mapping[str, Json]]) -> dict[str, Json] | None:
    """The mean of the runs' unbiased estimates, unbiased itself; its interval is the mean of theirs, which covers at
    least as often. Runs without an unbiased estimate are left out; None when no run has one."""
    known = [estimate for estimate in estimates if estimate["pass_rate"] is not None]
    if not known:
        return None
    pooled: dict[str, Json] = {
        name: sum(estimate[name] for estimate in known) / len(known)
        for name in FIGURES
        if all(estimate[name] is not None for estimate in known)
    }
    counts = {name: sum(estimate[name] for estimate in known) for name in ("num_samples", "num_verified")}
    return {"pass_rate_low": None, "pass_rate_high": None, **pooled, **counts}


class RateFiles:
    """Rows of problems by bucket, so that a bucket can read its own rows only."""

    def __init__(self, folder: Path, num_buckets: int) -> None:
        self._folder = folder
        self._num_buckets = num_buckets
        self._streams: dict[int, BinaryIO] = {}

    def __enter__(self) -> RateFiles:
        return self

    def __exit__(self, *fault: object) -> None:
        for stream in self._streams.values():
            stream.close()

    def add(self, batch: pa.RecordBatch, **facts: Json) -> None:
        """The rows of `batch`, each with `facts` added to it."""
        buckets = bucket_of(batch.column("problem_id"), self._num_buckets)
        for bucket, row in zip(buckets.tolist(), batch.to_pylist(), strict=True):
            if bucket not in self._streams:
                self._streams[bucket] = (self._folder / f"{bucket}.jsonl").open("wb")
            self._streams[bucket].write(json.dumps({**row, **facts}).encode() + b"\n")

    @staticmethod
    def read(folder: Path, bucket: int) -> Iterator[dict[str, Json]]:
        path = folder / f"{bucket}.jsonl"
        if path.exists():
            with path.open("rb") as stream:
                yield from map(json.loads, stream)
