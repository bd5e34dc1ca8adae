"""Legs with several models: the first stage of a cascade as a track of its own, and what endpoints say they are.

A leg's cascade as a whole may hold its rate while the small model got worse and the large one makes up for it. So the
first stage is compared apart, over the same samples, under the leg's name with `.stage0` behind it.

Does not: draw anything. Both tracks are of the same runs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jobs.config import SolveConfig
from jobs.nightly.history import Outcome
from jobs.pools.checks import is_remote
from runstore.reader import read_batches
from runstore.storage import Storage
from verifiers.types import Json, Status

STAGE0 = ".stage0"
COLUMNS = (
    *("problem_id", "stage", "status", "completion_tokens", "generation_s", "stopping_rule", "audited"),
    "sample_index",
)


def has_stages(leg: SolveConfig) -> bool:
    """Whether some problem of the leg may go through more than one stage."""
    return any(len(route.stages) > 1 for route in leg.route_table())


def track_of(leg: str) -> str:
    """The name of the first stage's track."""
    return f"{leg}{STAGE0}"


def leg_of(track: str) -> str:
    """The leg or run that a track belongs to; a leg's own name is itself."""
    return track.removesuffix(STAGE0)


def first_pool(leg: SolveConfig) -> str:
    """The pool in which most problems begin."""
    return leg.route_table()[0].pools[0]


def model_names(leg: SolveConfig, only: str = "") -> str:
    """The models of a leg, or of one of its pools, as the history names them."""
    pools = {name: pool for name, pool in leg.pools().items() if only in ("", name)}
    names = {
        name: pool.model.path + (f"@{pool.model.revision}" if pool.model.revision else "")
        for name, pool in pools.items()
    }
    if not leg.models:
        return next(iter(names.values()))
    return ", ".join(f"{name} {path}" for name, path in names.items())


def reported(leg: SolveConfig, summary: Mapping[str, Json]) -> dict[str, str]:
    """The model and fingerprint that each endpoint said it is, by pool."""
    engines = {name: figures.get("engine", {}) for name, figures in summary.get("pools", {}).items()}
    if not leg.models:
        engines = {name: summary.get("engine", {}) for name in leg.pools()}
    return {
        name: str(engines.get(name, {}).get("model_revision", ""))
        for name, pool in leg.pools().items()
        if is_remote(pool.model)
    }


def other_endpoints(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """The endpoints that are another model than before, one line each. One that said nothing is not known to be."""
    return [
        f"endpoint {name}: {before[name]} → {now[name]}"
        for name in now
        if before.get(name) and now[name] and before[name] != now[name]
    ]


def first_stage_outcomes(storage: Storage) -> dict[str, Outcome]:
    """What each problem's first stage gave, from the run's rows."""
    rows: dict[str, list[dict[str, Any]]] = {}
    seen: set[tuple[str, int]] = set()
    for _, batch in read_batches(storage, COLUMNS):
        for row in batch.to_pylist():
            key = row["problem_id"], row["sample_index"]
            if row["stage"] == 0 and key not in seen:
                seen.add(key)
                rows.setdefault(row["problem_id"], []).append(row)
    return dict(outcomes(rows))


def outcomes(rows: Mapping[str, list[dict[str, Any]]]) -> Iterator[tuple[str, Outcome]]:
    for name, own in rows.items():
        checked = [row for row in own if row["status"] is not None]
        counts = {status: sum(row["status"] == status for row in checked) for status in Status}
        rule = json.loads(own[0]["stopping_rule"] or "{}")
        if counts[Status.UNCHECKED] or rule.get("keyless"):
            continue
        policy = (rule.get("stages") or [rule])[0].get("policy")
        yield (
            name,
            Outcome(
                num_samples=len(checked),
                num_verified=counts[Status.VERIFIED],
                num_malformed=counts[Status.MALFORMED],
                num_undecided=counts[Status.UNDECIDED],
                num_error=counts[Status.ERROR],
                tokens=sum(row["completion_tokens"] for row in own),
                generation_s=sum(row["generation_s"] for row in own),
                fixed=policy == "fixed" and len(checked) == len(own),
            ),
        )
