"""A batch reward function for verl that asks a Proofmill service.

    custom_reward_function.path=examples/service/verl_reward.py
    custom_reward_function.name=compute_score
    reward_model.reward_manager=batch

`extra_info["finish_reason"]` is read where the rollout sets it: a response that was cut off gets nothing for a draft.
`ground_truth` is a problem's reference as JSON text (or a bare math answer) and `extra_info["kind"]` its kind, as
`proofmill export rl` writes them. verl needs a number for every sample: what was not checked, or could not be, gets 0
and has 1 in `proofmill_unchecked`, by which a trainer masks it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
from client import verify

UNJUDGED = ("undecided", "error", "unchecked")
"""Statuses that say nothing of a sample: its score is to be masked."""


def compute_score(
    data_sources: list[str], solution_strs: list[str], ground_truths: list[str], extra_infos: list[dict[str, Any]]
) -> list[dict[str, float]]:
    items = [
        {
            "problem": {"kind": extra["kind"], "reference": reference_of(truth)},
            "text": text,
            "finish_reason": extra.get("finish_reason"),
        }
        for text, truth, extra in zip(solution_strs, ground_truths, extra_infos, strict=True)
    ]
    return [
        {
            "score": float(verdict["status"] == "verified"),
            "proofmill_unchecked": float(verdict["status"] in UNJUDGED),
        }
        for verdict in verify(items)
    ]


def reference_of(truth: Any) -> dict[str, Any]:
    """The reference as an object; a bare answer is a math reference."""
    try:
        value = json.loads(truth) if isinstance(truth, str) else truth
    except ValueError:
        value = truth
    return value if isinstance(value, dict) else {"answer": str(truth)}
