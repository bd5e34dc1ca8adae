"""Proofmill's reward manager and estimator in verl: loaded as verl loads them, asked as its reward loop asks."""

import asyncio
import json
import math

import numpy as np
import torch
from apart import ITEMS
from omegaconf import OmegaConf
from tensordict import TensorDict
from verl import DataProto
from verl.trainer.ppo import core_algos
from verl.trainer.ppo.reward import load_reward_manager


class Tokenizer:
    """Every token is the number of a text."""

    def decode(self, ids: torch.Tensor, skip_special_tokens: bool) -> str:
        return ITEMS[int(ids[0])]["text"]


def config(estimator: str):
    manager = {
        "source": "importlib",
        "name": "ProofmillRewardManager",
        "module": {"path": "pkg://proofmill_rewards.verl"},
    }
    reward = {"reward_manager": manager, "custom_reward_function": {"path": None}}
    return OmegaConf.create({"algorithm": {"adv_estimator": estimator}, "reward": reward})


def sample(at: int) -> DataProto:
    reference = ITEMS[at]["reference"]
    truth = reference if isinstance(reference, str) else json.dumps(reference)
    batch = TensorDict(
        {
            "prompts": torch.zeros(1, 2, dtype=torch.int64),
            "responses": torch.full((1, 3), at),
            "attention_mask": torch.ones(1, 5, dtype=torch.int64),
        },
        batch_size=1,
    )
    facts = {"reward_model": {"ground_truth": truth}, "extra_info": {"kind": "math"}, "data_source": "x"}
    if at % 2:  # as `proofmill export rl --layout verl` has them
        facts = {"reward_model": {"ground_truth": "for another scorer"}, "kind": "math", "reference": truth}
    return DataProto(batch=batch, non_tensor_batch={name: np.array([value], object) for name, value in facts.items()})


async def scores() -> list[dict]:
    manager = load_reward_manager(config("proofmill_grpo"), Tokenizer())
    manager.loop = asyncio.get_running_loop()
    return await asyncio.gather(*(manager.run_single(sample(at)) for at in range(len(ITEMS))))


answers = asyncio.run(scores())
try:
    load_reward_manager(config("grpo"), Tokenizer())
    refusal = ""
except ValueError as error:
    refusal = str(error)

estimator = core_algos.get_adv_estimator_fn("proofmill_grpo")
rewards = torch.zeros(6, 3)
rewards[:, -1] = torch.tensor([1.0, 0.0, math.nan, math.nan, 1.0, 1.0])
mask = torch.ones(6, 3)
advantages, _ = estimator(rewards, mask, np.array(["a", "a", "a", "b", "c", "c"], object), config=OmegaConf.create({}))

generator = torch.Generator().manual_seed(0)
plain = torch.zeros(12, 4)
plain[:, -1] = torch.bernoulli(torch.full((12,), 0.5), generator=generator)
names = np.array([f"group {at % 4}" for at in range(11)] + ["alone"], object)


def same(by_deviation: bool) -> bool:
    ours, _ = estimator(
        plain.clone(), torch.ones(12, 4), names, config=OmegaConf.create({"norm_adv_by_std_in_grpo": by_deviation})
    )
    theirs, _ = core_algos.compute_grpo_outcome_advantage(
        plain.clone(), torch.ones(12, 4), names, norm_adv_by_std_in_grpo=by_deviation
    )
    return bool(torch.allclose(ours, theirs))


print(
    json.dumps(
        {
            "scores": [None if math.isnan(answer["reward_score"]) else answer["reward_score"] for answer in answers],
            "facts": {item["name"]: answer["reward_extra_info"] for item, answer in zip(ITEMS, answers, strict=True)},
            "advantages": advantages[:, -1].tolist(),
            "mask": mask[:, 0].int().tolist(),
            "same as grpo": same(True),
            "same as grpo without deviations": same(False),
            "refusal": refusal,
        }
    )
)
