"""A reward manager and an advantage estimator for verl's reward loop (verl 0.9).

    reward.reward_manager.source=importlib
    reward.reward_manager.name=ProofmillRewardManager
    reward.reward_manager.module.path=pkg://proofmill_rewards.verl
    algorithm.adv_estimator=proofmill_grpo

The rows are those of `proofmill export rl --layout verl`, whose columns `kind` and `reference` say what is checked; or
any row whose `extra_info` has `kind` and whose `reward_model.ground_truth` is a reference, its JSON text, or a bare
answer.

verl has no way to leave a sample out of a step: a reward manager must return a number, and the group's mean and
deviation are taken over all of them. So the manager scores what was not decided as NaN, and `proofmill_grpo` is GRPO
that takes means and deviations over decided samples only, gives the others the advantage 0, and takes their tokens out
of the loss. Any other estimator would carry the NaN into the weights; the manager refuses to start with one.
`proofmill_masked` in the step's metrics counts them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import torch
from verl import DataProto
from verl.experimental.reward_loop.reward_manager.base import RewardManagerBase
from verl.trainer.ppo.core_algos import register_adv_est

from .client import Batcher, Verdict, item

ESTIMATOR = "proofmill_grpo"
EPSILON = 1e-6


class ProofmillRewardManager(RewardManagerBase):
    """Asks the service sample by sample; the checks of samples that end together travel together."""

    def __init__(self, config: Any, tokenizer: Any, compute_score: Any = None, **others: Any) -> None:
        super().__init__(config, tokenizer, compute_score)
        chosen = config.get("algorithm", {}).get("adv_estimator")
        if chosen is not None and str(chosen) != ESTIMATOR:
            raise ValueError(
                f"algorithm.adv_estimator is {chosen}, which would train on samples that were not decided; "
                f"set it to {ESTIMATOR}"
            )
        self._batcher = Batcher()

    async def run_single(self, data: DataProto) -> dict[str, Any]:
        """The score of one response: 1.0, 0.0, or NaN where nothing was decided."""
        row = data[-1]  # of several turns the last one holds the answer
        responses = row.batch["responses"]
        length = int(row.batch["attention_mask"][-responses.shape[-1] :].sum())
        text = await self.loop.run_in_executor(
            None, lambda: self.tokenizer.decode(responses[:length], skip_special_tokens=True)
        )
        columns = row.non_tensor_batch
        extra = columns.get("extra_info") or {}
        kind = columns.get("kind") or extra.get("kind") or "math"
        # What an export wrote for verl's own scorers may be another form of the tests than a reference.
        reference = columns.get("reference") or columns["reward_model"]["ground_truth"]
        ended = (columns.get("tool_extra_fields") or {}).get("finish_reason") or extra.get("finish_reason")
        verdict = await self._batcher.verify(item(str(kind), reference, text, ended))
        return scored(verdict)


def scored(verdict: Verdict) -> dict[str, Any]:
    """What verl's reward loop takes from a reward manager."""
    reward = verdict.reward
    facts = {
        "acc": float(reward == 1.0),
        "proofmill_masked": float(reward is None),
        "proofmill_status": verdict.status,
        "proofmill_reason": verdict.reason[:200],
    }
    return {"reward_score": math.nan if reward is None else reward, "reward_extra_info": facts}


@register_adv_est(ESTIMATOR)
def proofmill_grpo(
    token_level_rewards: torch.Tensor,
    response_mask: torch.Tensor,
    index: np.ndarray,
    config: Any = None,
    **others: Any,
) -> tuple[torch.Tensor, torch.Tensor]:
    """GRPO's outcome advantage (arXiv 2402.03300, section 4.1.2) over decided samples.

    `token_level_rewards` and `response_mask` have the shape (samples, tokens), `index` names each sample's group. Rows
    that hold a NaN are masked: their advantage is 0, and their `response_mask` is set to 0 in place, so that the loss
    does not count their tokens. As in verl, a group with one sample has mean 0 and deviation 1, and
    `norm_adv_by_std_in_grpo = false` leaves the deviation out. Returns advantages and returns, both (samples, tokens).
    """
    scores = token_level_rewards.sum(dim=-1)
    masked = torch.isnan(scores)
    by_deviation = True if config is None else bool(config.get("norm_adv_by_std_in_grpo", True))
    groups: dict[Any, list[int]] = defaultdict(list)
    for at, name in enumerate(index):
        if not masked[at]:
            groups[name].append(at)
    with torch.no_grad():
        advantages = torch.zeros_like(scores)
        for members in groups.values():
            own = scores[members]
            if len(members) == 1:
                mean, deviation = torch.zeros_like(own[0]), torch.ones_like(own[0])
            else:
                mean, deviation = own.mean(), own.std()
            advantages[members] = (own - mean) / (deviation + EPSILON) if by_deviation else own - mean
        response_mask[masked] = 0
        token_level_rewards[masked] = 0
        spread = advantages.unsqueeze(-1) * response_mask
    return spread, spread
