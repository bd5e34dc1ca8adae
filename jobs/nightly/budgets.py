"""Other numbers of samples and other lengths than a leg's own: what near misses and regression samples are drawn with.

Promises: pure; the leg is not changed. Whatever way a problem takes, the change reaches it: the sampling that pools
share, that of each pool, and the stages of cascades.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from jobs.config import SolveConfig
from verifiers.types import Json

Table = dict[str, Any]


def samplings(leg: SolveConfig, table: Table) -> Iterator[tuple[Table, SolveConfig]]:
    """Every `[sampling]` of a resolved config, each with the config whose model it is for."""
    yield table["sampling"], leg
    for name, pool in leg.pools().items():
        if leg.models:
            yield table["models"][name]["sampling"], pool


def stages(table: Table) -> Iterator[Table]:
    """The stages of every cascade of a resolved config."""
    for cascade in [table.get("cascade"), *(table.get("cascades") or {}).values()]:
        yield from cascade["stages"] if cascade else ()


def with_samples(leg: SolveConfig, table: Table, change: Callable[[int], int]) -> Table:
    """The resolved config with other numbers of samples; `change` takes the leg's own number."""
    for sampling, _ in samplings(leg, table):
        if "num_samples" in sampling:
            sampling["num_samples"] = change(sampling["num_samples"])
    for stage in stages(table):
        stage["samples"] = change(stage["samples"])
    return table


def with_lengths(leg: SolveConfig, table: Table, factor: float) -> Table:
    """The resolved config with longer samples."""
    for sampling, pool in samplings(leg, table):
        sampling["max_tokens"] = longer_sample(pool, factor, sampling["max_tokens"])
        for keys in sampling["by_kind"].values():
            if keys["max_tokens"]:
                keys["max_tokens"] = longer_sample(pool, factor, keys["max_tokens"])
    return table


def with_repairs(leg: SolveConfig, table: Table, rounds: int) -> Table:
    """The resolved config with other repair rounds."""
    for sampling, _ in samplings(leg, table):
        sampling["repair"] = {**sampling["repair"], "rounds": rounds}
    return table


def longer_sample(leg: SolveConfig, factor: float, max_tokens: int) -> int:
    """`max_tokens` of a problem that was nearly solved; 0 stays what it is, as much as the context allows."""
    longer = max(1, round(max_tokens * factor)) if max_tokens else 0
    context = leg.model.max_model_len if leg.model else 0  # what pools share has no model of its own
    if longer and context:
        # The prompt must still fit beside the longer answer.
        longer = max(max_tokens, min(longer, context - context // 4))
    return longer


def resolved_presets(leg: SolveConfig) -> dict[str, Json]:
    """The preset of every model, by the place of its key."""
    if not leg.models:
        return {"model.preset": leg.model.preset}
    return {f"models.{name}.preset": pool.preset for name, pool in leg.models.items()}
