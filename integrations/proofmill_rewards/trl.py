"""Reward functions for TRL's GRPOTrainer and its relatives.

    from proofmill_rewards.trl import proofmill_reward            # or proofmill_reward_async
    trainer = GRPOTrainer(model=…, reward_funcs=proofmill_reward, train_dataset=dataset, …)

The data set needs the columns `prompt`, `kind` and `reference`: a problem file has them, and so has `proofmill export
rl --layout trl`. None tells TRL that a sample has no reward; TRL (1.13) leaves such a sample out of its group's
baseline and gives it the advantage 0. `proofmill/masked` in the trainer's log is their share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .client import Item, Verdict, item, verify, verify_async


def proofmill_reward(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    kind: Sequence[str],
    reference: Sequence[Any],
    finish_reason: Sequence[str | None] | None = None,
    log_metric: Callable[[str, float], None] | None = None,
    **columns: Any,
) -> list[float | None]:
    """One reward per completion. TRL passes every column of the data set as a list as long as `completions`."""
    return _rewards(verify(_items(completions, kind, reference, finish_reason)), log_metric)


async def proofmill_reward_async(
    prompts: Sequence[Any],
    completions: Sequence[Any],
    kind: Sequence[str],
    reference: Sequence[Any],
    finish_reason: Sequence[str | None] | None = None,
    log_metric: Callable[[str, float], None] | None = None,
    **columns: Any,
) -> list[float | None]:
    """The same for TRL's event loop, on which several reward functions wait side by side."""
    return _rewards(await verify_async(_items(completions, kind, reference, finish_reason)), log_metric)


def _items(
    completions: Sequence[Any],
    kinds: Sequence[str],
    references: Sequence[Any],
    finish_reasons: Sequence[str | None] | None,
) -> list[Item]:
    if not len(completions) == len(kinds) == len(references):
        raise ValueError(
            f"{len(completions)} completions, {len(kinds)} kinds and {len(references)} references: "
            "give one of each per completion"
        )
    ends = finish_reasons or [None] * len(completions)
    return [item(kinds[at], references[at], text, ends[at]) for at, text in enumerate(completions)]


def _rewards(verdicts: Sequence[Verdict], log_metric: Callable[[str, float], None] | None) -> list[float | None]:
    rewards = [verdict.reward for verdict in verdicts]
    if log_metric is not None and rewards:
        log_metric("proofmill/masked", rewards.count(None) / len(rewards))
    return rewards
