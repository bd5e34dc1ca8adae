"""What each model and stage of a run with several cost, and what its dollars bought.

    solved with the first k samples of every problem  ──►  the curve "solved against dollars"

Promises: problems without an answer key are in no count of problems, and what their samples took is in no price of a
solution; dollars are those that the run was charged, shared out among a pool's samples by their tokens where the pool
is paid by the token, and by the time that they ran where it is paid by the hour. What a later model alone would have
cost is an estimate from audited problems only, and is left out where there are too few.
Does not: know prices. `summary.pools` in `run.json` has what each pool was charged; without it there is no account.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, NamedTuple

import pyarrow as pa

from jobs.report.stages import StageStatistics
from verifiers.types import Status
from workers.sampling.pass_curve import Point
from workers.sampling.stage_curves import MIN_AUDITED

COLUMNS = (
    *("problem_id", "sample_index", "pool", "stage", "status", "prompt_tokens", "completion_tokens", "generation_s"),
    *("audited", "stopping_rule"),
)
"""Columns of a batch that `Accounts.add_batch` needs."""
DEVIATIONS = 1.96
"""Standard errors on either side of a mean that a 95 % interval covers."""


class AccountRow(NamedTuple):
    """A model in one stage, as the report shows it."""

    pool: str
    stage: int
    """From 1."""
    reached: int
    solved: int
    samples: int
    tokens: int
    device_s: float
    """Seconds of GPUs, or of CPUs where there were none; 0 for an endpoint."""
    usd: float
    usd_per_verified: float | None


class Alone(NamedTuple):
    """What a later model would have cost on every problem of its cascade."""

    pool: str
    samples: int
    """Per problem."""
    usd: tuple[float, float, float]
    """Estimate, and the ends of its interval."""
    solved: Point
    """Share of the problems that it would have solved."""


@dataclasses.dataclass(slots=True)
class Place:
    """The samples of one pool in one stage."""

    reached: set[str] = dataclasses.field(default_factory=set)
    solved: set[str] = dataclasses.field(default_factory=set)
    samples: int = 0
    verified: int = 0
    tokens: int = 0
    weight: float = 0.0
    unchecked_weight: float = 0.0
    """The part of it that went to problems without an answer key."""
    audited: dict[str, list[float]] = dataclasses.field(default_factory=lambda: defaultdict(list))
    """Weights of the samples of each audited problem, whatever they were drawn for."""
    num_samples: int = 0
    """The most samples of the stage per problem, repair rounds aside."""


class Accounts:
    """Collects a run's samples. Empty where the run was not accounted by pool."""

    def __init__(self, summary: Mapping[str, Any]) -> None:
        pools = summary.get("pools")
        self._charged: dict[str, Mapping[str, Any]] = dict(pools) if isinstance(pools, dict) else {}
        self._by_token = {name: not own.get("gpu_s") and not own.get("cpu_s") for name, own in self._charged.items()}
        self._places: dict[tuple[str, int], Place] = defaultdict(Place)
        self._weights: dict[tuple[str, int], float] = defaultdict(float)
        """(pool, sample index) → weight of the samples with this index that were not drawn for the audit alone."""
        self._first: dict[str, int] = {}
        """Problem → its first verified sample index."""
        self._problems: set[str] = set()
        self._rules: dict[str, dict[str, Any]] = {}

    def __bool__(self) -> bool:
        return any(own.get("usd") for own in self._charged.values())

    def add_batch(self, batch: pa.RecordBatch) -> None:
        """Counts samples."""
        if not self:
            return
        for row in batch.select(list(COLUMNS)).to_pylist():
            self._add(row)

    def _add(self, row: Mapping[str, Any]) -> None:
        name, pool, index = row["problem_id"], row["pool"], row["sample_index"]
        place = self._places[pool, row["stage"]]
        if self._by_token.get(pool, False):
            weight = float(row["prompt_tokens"] + row["completion_tokens"])
        else:
            weight = row["generation_s"]
        place.weight += weight
        place.tokens += row["completion_tokens"]
        place.samples += row["status"] is not None
        place.verified += row["status"] == "verified"
        rule = self._rule(row["stopping_rule"])
        stages = rule.get("stages") or [rule]
        if row["stage"] < len(stages):
            own = stages[row["stage"]]
            place.num_samples = max(place.num_samples, int(own.get("samples") or own.get("num_samples") or 0))
        if rule.get("audit"):
            place.audited[name].append(weight)
        if rule.get("keyless") or row["status"] == Status.UNCHECKED:
            place.unchecked_weight += weight
            return
        if row["audited"]:
            return  # it stops nothing, and is no part of what the cascade solved
        self._problems.add(name)
        self._weights[pool, index] += weight
        place.reached.add(name)
        if row["status"] == "verified":
            place.solved.add(name)
            self._first[name] = min(index, self._first.get(name, index))

    def _rule(self, text: str) -> dict[str, Any]:
        if text not in self._rules:
            found = json.loads(text or "{}")
            self._rules[text] = found if isinstance(found, dict) else {}
        return self._rules[text]

    def _usd_per_weight(self, pool: str) -> float:
        total = sum(place.weight for (name, _), place in self._places.items() if name == pool)
        return float(self._charged.get(pool, {}).get("usd", 0.0)) / total if total else 0.0

    def rows(self) -> list[AccountRow]:
        """A row per model and stage, in the order of the stages."""
        found = []
        for (pool, stage), place in sorted(self._places.items(), key=lambda item: (item[0][1], item[0][0])):
            rate = self._usd_per_weight(pool)
            total = sum(other.weight for (name, _), other in self._places.items() if name == pool)
            charged = self._charged.get(pool, {})
            seconds = float(charged.get("gpu_s") or charged.get("cpu_s") or 0.0)
            usd = rate * place.weight
            found.append(
                AccountRow(
                    *(pool, stage + 1, len(place.reached), len(place.solved), place.samples, place.tokens),
                    device_s=seconds * place.weight / total if total else 0.0,
                    usd=usd,
                    usd_per_verified=rate * (place.weight - place.unchecked_weight) / place.verified
                    if place.verified
                    else None,
                )
            )
        return found

    def curve(self) -> list[tuple[float, float]]:
        """(dollars, share of problems solved) with the first 1, 2, 3, … samples of every problem."""
        if not self or not self._problems:
            return []
        cost: dict[int, float] = defaultdict(float)
        for (pool, index), weight in self._weights.items():
            cost[index] += weight * self._usd_per_weight(pool)
        solved: dict[int, int] = defaultdict(int)
        for index in self._first.values():
            solved[index] += 1
        points, usd, count = [(0.0, 0.0)], 0.0, 0
        for index in sorted(cost):
            usd += cost[index]
            count += solved[index]
            points.append((usd, count / len(self._problems)))
        return points

    def alone(self, stages: StageStatistics) -> list[Alone]:
        """What each later model of a cascade would have cost on all problems of the cascade, with as many samples per
        problem as its stage has."""
        found, rows = [], stages.rows()
        num_problems = {row.cascade: row.reached for row in rows if row.number == 1}
        for row in rows:
            place = self._places.get((row.pool, row.number - 1))
            if not self or row.number < 2 or place is None or len(place.audited) < MIN_AUDITED:
                continue
            if (solved := stages.alone(row, place.num_samples)) is None:
                continue
            rate = self._usd_per_weight(row.pool)
            means = [statistics.fmean(weights) * rate for weights in place.audited.values()]
            mean, error = statistics.fmean(means), DEVIATIONS * statistics.stdev(means) / len(means) ** 0.5
            size = num_problems.get(row.cascade, 0) * place.num_samples
            ends = (mean * size, max(0.0, mean - error) * size, (mean + error) * size)
            found.append(Alone(row.pool, place.num_samples, ends, solved))
        return found
