"""A reward function for TRL's GRPOTrainer that asks a Proofmill service.

    trainer = GRPOTrainer(model=…, reward_funcs=proofmill_reward, train_dataset=dataset, …)

The data set needs the columns `prompt`, `kind` and `reference` (a problem file has them). None tells TRL that a sample
has no reward: our own errors, undecided checks, and unchecked samples of problems without an answer key must not teach
the model anything.
"""

from __future__ import annotations

from typing import Any

from client import verify

REWARDS = {"verified": 1.0, "refuted": 0.0, "malformed": 0.0, "undecided": None, "error": None, "unchecked": None}


def proofmill_reward(
    prompts: list[Any],
    completions: list[Any],
    kind: list[str],
    reference: list[dict[str, Any]],
    finish_reason: list[str | None] | None = None,
    **columns: Any,
) -> list[float | None]:
    """TRL passes every column of the data set as a list as long as `completions`. `finish_reason` is for trainers that
    know it: a completion that was cut off must not be rewarded for a draft."""
    ends = finish_reason or [None] * len(completions)
    items = [
        {"problem": {"kind": one_kind, "reference": one_reference}, "text": text_of(completion), "finish_reason": end}
        for completion, one_kind, one_reference, end in zip(completions, kind, reference, ends, strict=True)
    ]
    return [REWARDS[verdict["status"]] for verdict in verify(items)]


def text_of(completion: Any) -> str:
    """Plain text, or the content of a conversation's last message."""
    return completion if isinstance(completion, str) else completion[-1]["content"]
