"""What a run solved, and what it took: parameters x tokens, seconds, dollars.

Tokens are prompt and completion tokens of every sample, those of aborted samples too. A token costs as many units as
the model that read or wrote it has parameters, which is proportional to its arithmetic; seconds and dollars are
those of the run itself, on whatever else the machine did.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from runstore.reader import read_batches
from runstore.storage import open_storage
from workers.sampling.estimates import Estimate

COLUMNS = (
    *("problem_id", "domain", "pool", "stage", "sample_index", "status", "prompt_tokens", "completion_tokens"),
    "generation_s",
)
NUM_RESAMPLES = 10_000


@dataclasses.dataclass(slots=True)
class Drawn:
    """The samples of one problem."""

    domain: str
    samples: int = 0
    verified: int = 0
    tokens: int = 0
    """Prompt and completion."""
    cost: float = 0.0
    """Parameters x tokens."""
    cost_until_solved: float = 0.0
    """The same of the samples up to the first verified one, in their order: what it would have cost to stop there."""
    solved_by: str = ""
    """The pool of a verified sample; empty: none."""

    @property
    def solved(self) -> bool:
        return self.verified > 0


@dataclasses.dataclass(frozen=True, slots=True)
class Account:
    """One run."""

    problems: Mapping[str, Drawn]
    by_pool: Mapping[str, Mapping[str, float]]
    """Pool → problems reached, samples, tokens, parameters x tokens, problems solved."""
    seconds: float
    """From the first sample to the last one, without the start of the engines."""
    usd: float
    """What the run was charged, with the start of the engines."""

    def part(self, names: Collection[str]) -> Account:
        """The same run with some of its problems. Seconds and dollars are those of the whole run."""
        chosen = {name: self.problems[name] for name in names if name in self.problems}
        return dataclasses.replace(self, problems=chosen)

    @property
    def solved(self) -> frozenset[str]:
        return frozenset(name for name, drawn in self.problems.items() if drawn.solved)

    @property
    def cost(self) -> float:
        return sum(drawn.cost for drawn in self.problems.values())

    @property
    def tokens(self) -> int:
        return sum(drawn.tokens for drawn in self.problems.values())


def num_parameters(model: Path) -> int:
    """As the weights of a model's folder say; tied embeddings count once."""
    with safe_open(model / "model.safetensors", "pt") as weights:
        return sum(int(np.prod(weights.get_slice(name).get_shape())) for name in weights.keys())  # noqa: SIM118


def read_account(run: Path, parameters: Mapping[str, int]) -> Account:
    """`parameters` of each pool by name. Raises ValueError where the run is not complete."""
    summary = json.loads((run / "run.json").read_text())["summary"]
    if not summary["complete"]:
        raise ValueError(f"{run}: the run is not complete ({summary['stopped']})")
    problems: dict[str, Drawn] = {}
    rows: dict[str, list[tuple[int, bool, float]]] = defaultdict(list)
    pools: dict[str, dict[str, float]] = {name: defaultdict(float) for name in parameters}
    reached: dict[str, set[str]] = defaultdict(set)
    for _, batch in read_batches(open_storage(str(run)), list(COLUMNS)):
        for row in batch.to_pylist():
            drawn = problems.setdefault(row["problem_id"], Drawn(row["domain"]))
            tokens = row["prompt_tokens"] + row["completion_tokens"]
            cost = tokens * parameters[row["pool"]]
            verified = row["status"] == "verified"
            drawn.samples += 1
            drawn.verified += verified
            drawn.tokens += tokens
            drawn.cost += cost
            drawn.solved_by = row["pool"] if verified else drawn.solved_by
            rows[row["problem_id"]].append((row["sample_index"], verified, cost))
            reached[row["pool"]].add(row["problem_id"])
            own = pools[row["pool"]]
            own["samples"] += 1
            own["tokens"] += tokens
            own["cost"] += cost
    for name, drawn in problems.items():
        for _, verified, cost in sorted(rows[name]):
            drawn.cost_until_solved += cost
            if verified:
                break
    for name, own in pools.items():
        own["reached"] = len(reached[name])
        own["solved"] = sum(drawn.solved_by == name for drawn in problems.values())
    seconds = float(summary["generated_s"] or 0) - float(summary["ready_s"] or 0)
    return Account(problems, pools, seconds, float(summary["usd"]))


def ratio(pairs: Sequence[tuple[float, float]], seed: int = 0) -> Estimate | None:
    """Sum of the first over sum of the second, with a 95 % bootstrap interval over the pairs (problems).

    None where the second sum is 0; resamples in which it is 0 are left out."""
    values = np.array(pairs, dtype=float)
    picks = np.random.default_rng(seed).integers(len(values), size=(NUM_RESAMPLES, len(values)))
    sums = values[picks].sum(axis=1)
    total = values.sum(axis=0)
    if not total[1]:
        return None
    sums = sums[sums[:, 1] > 0]
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975])
    return Estimate(float(total[0] / total[1]), float(low), float(high))


def rounded(estimate: Estimate | None, digits: int = 4) -> dict[str, Any] | None:
    """For JSON; None stays."""
    return (
        None if estimate is None else {key: round(value, digits) for key, value in dataclasses.asdict(estimate).items()}
    )
