"""A pilot: some problems of the set are solved for real, and what they needed says what the whole set will need.

Promises: the problems are chosen by a hash of the run's seed and their ids, so the same config has the same pilot; its
run is stored beside the others under a name that follows from the config, so that a second dry-run reads it instead of
drawing again.
Does not: count for the run itself. A pilot's samples are not among its rows.
"""

from __future__ import annotations

import dataclasses
import hashlib
import heapq
import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cluster.fit import Plan
from jobs.config import Problems, SolveConfig
from jobs.pools.checks import is_remote
from jobs.problems.load import stream_problems
from jobs.solve.expectations import MILLION, Range, StageExpectation
from runstore.layout import run_uri
from runstore.reader import read_batches
from runstore.storage import open_storage
from verifiers.types import Problem
from workers.sampling.estimates import clopper_pearson

PILOT_PROBLEMS = 20
COLUMNS = (
    *("problem_id", "kind", "domain", "meta", "pool", "stage", "audited", "status", "prompt_tokens"),
    *("completion_tokens", "generation_s", "finished_at"),
)
DEVIATIONS = 2.0
"""Standard errors of a mean on either side of it that a range covers."""


def pilot_config(config: SolveConfig) -> SolveConfig:
    """The config of the pilot's run; writes its problems beside it. Raises ProblemFileError."""
    chosen = heapq.nsmallest(
        PILOT_PROBLEMS, stream_problems(config.problems), key=lambda problem: order(config.run.seed, problem)
    )
    lines = "".join(json.dumps(problem.to_json()) + "\n" for problem in chosen)
    about = {key: value for key, value in config.resolved().items() if key not in ("run", "output", "problems")}
    digest = hashlib.sha256(json.dumps([about, config.run.seed, lines], sort_keys=True).encode()).hexdigest()[:8]
    run_id = f"{config.run.id[:80]}-pilot-{digest}"
    storage = open_storage(f"{config.output.uri.rstrip('/')}/pilots")
    storage.replace(f"{run_id}.jsonl", lines.encode())
    confidential = config.problems.confidential
    problems = Problems(
        files=[f"{storage.uri}/{run_id}.jsonl"],
        layout="canonical",
        confidential=confidential,
        unchecked=config.problems.unchecked,
    )
    run = config.run.model_copy(update={"id": run_id})
    return config.model_copy(update={"run": run, "problems": problems, "notify": [], "audit": 0.0})


def order(seed: int, problem: Problem) -> bytes:
    return hashlib.blake2b(f"pilot\0{seed}\0{problem.id}".encode(), digest_size=8).digest()


@dataclasses.dataclass(slots=True)
class StageMeasure:
    """What one stage of a route needed in the pilot."""

    prompt_tokens: dict[str, int] = dataclasses.field(default_factory=dict)
    """By problem that reached the stage."""
    completion_tokens: dict[str, int] = dataclasses.field(default_factory=dict)
    solved: set[str] = dataclasses.field(default_factory=set)


@dataclasses.dataclass(slots=True)
class PoolMeasure:
    """How fast a pool drew in the pilot."""

    tokens: int = 0
    sample_s: float = 0.0
    """Seconds of all samples together."""
    spans: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    """Begin and end of each sample."""

    def busy_s(self) -> float:
        """Seconds with at least one sample running."""
        total, end = 0.0, float("-inf")
        for start, stop in sorted(self.spans):
            total += max(0.0, stop - max(start, end))
            end = max(end, stop)
        return total


@dataclasses.dataclass(slots=True)
class Pilot:
    """What a pilot's rows say."""

    problems: dict[str, set[str]] = dataclasses.field(default_factory=dict)
    """Ids of the pilot's problems by the name of their route."""
    stages: dict[tuple[str, int], StageMeasure] = dataclasses.field(default_factory=dict)
    """By name of the route and number of the stage."""
    pools: dict[str, PoolMeasure] = dataclasses.field(default_factory=dict)

    def add(self, row: Mapping[str, Any], route: str) -> None:
        """Takes one row in."""
        problem = row["problem_id"]
        self.problems.setdefault(route, set()).add(problem)
        stage = self.stages.setdefault((route, row["stage"]), StageMeasure())
        for counts, name in ((stage.prompt_tokens, "prompt_tokens"), (stage.completion_tokens, "completion_tokens")):
            counts[problem] = counts.get(problem, 0) + row[name]
        if row["status"] == "verified":
            stage.solved.add(problem)
        pool = self.pools.setdefault(row["pool"], PoolMeasure())
        pool.tokens += row["completion_tokens"]
        pool.sample_s += row["generation_s"]
        end = row["finished_at"].timestamp()
        pool.spans.append((end - row["generation_s"], end))

    def describe(self, config: SolveConfig, route: str, stage: StageExpectation, plan: Plan | None) -> str:
        """What the whole route's problems will need in this stage, as ranges."""
        num_pilot = len(self.problems.get(route, ()))
        if not num_pilot:
            return "the pilot had no problem of this route"
        measure = self.stages.get((route, stage.number), StageMeasure())
        reached = len(measure.completion_tokens)
        problems = self.reaching(stage, reached, num_pilot)
        tokens = needed(problems, list(measure.completion_tokens.values()), stage.most_tokens)
        asked = needed(problems, list(measure.prompt_tokens.values()), float("inf"))
        counted = f"{reached} of {num_pilot} pilot problems reached it, {len(measure.solved)} were solved"
        return ", ".join([counted, f"so {tokens.told('tokens')}", *self.costs(config, stage, tokens, asked, plan)])

    def reaching(self, stage: StageExpectation, reached: int, num_pilot: int) -> Range:
        """How many problems of the whole set reach the stage."""
        if not stage.number:
            return stage.problems
        low, high = clopper_pearson(reached, num_pilot)
        return Range(low * stage.problems.most, high * stage.problems.most)

    def costs(
        self, config: SolveConfig, stage: StageExpectation, tokens: Range, asked: Range, plan: Plan | None
    ) -> Iterable[str]:
        """GPU-hours and dollars of a stage."""
        pool, measure = config.pools()[stage.pool], self.pools.get(stage.pool)
        cost = pool.cost
        if is_remote(pool.model):
            into, out = cost.usd_per_million_input_tokens / MILLION, cost.usd_per_million_output_tokens / MILLION
            if into or out:
                dollars = Range(
                    asked.least * into + tokens.least * out,
                    asked.most * into + tokens.most * out,
                )
                yield dollars.told("dollars", 2)
            return
        if plan is None or measure is None or not measure.tokens:
            yield "GPU-hours: not measured"
            return
        on_gpu = plan.device == "gpu"
        devices = plan.gpus_per_replica if on_gpu else pool.resources.cpus_per_replica
        # With all its room in use a replica shares each step among as many samples as it can hold; in the pilot it
        # shared it among those that there were. The truth of a long run lies between the two.
        ranks = plan.data_parallel_size
        full = measure.sample_s / measure.tokens / (plan.max_num_seqs * ranks) * devices / 3600
        as_here = measure.busy_s() / measure.tokens * plan.replicas * devices / 3600
        hours = Range(tokens.least * min(full, as_here), tokens.most * as_here)
        yield hours.told("GPU-hours" if on_gpu else "CPU-hours", 4)
        price = cost.usd_per_gpu_hour if on_gpu else cost.usd_per_cpu_hour
        if price:
            yield hours.times(price).told("dollars", 4)


def needed(problems: Range, per_problem: Sequence[float], most: float) -> Range:
    """What that many problems need, from what some of them needed. Two problems at least say how much it varies."""
    if len(per_problem) < 2:
        return Range(0, most)
    mean = statistics.fmean(per_problem)
    error = DEVIATIONS * statistics.stdev(per_problem) / len(per_problem) ** 0.5
    return Range(min(most, problems.least * max(0.0, mean - error)), min(most, problems.most * (mean + error)))


def read_pilot(config: SolveConfig, pilot: SolveConfig) -> Pilot:
    """What the pilot's run left. `config` is that of the whole run."""
    found = Pilot()
    names = [route.name for route in config.route_table()]
    storage = open_storage(run_uri(pilot.output.uri, pilot.run.id))
    for _, batch in read_batches(storage, COLUMNS):
        for row in batch.to_pylist():
            route = config.route_of(row["kind"], row["domain"], json.loads(row["meta"] or "{}"))
            found.add(row, names[route])
    return found
