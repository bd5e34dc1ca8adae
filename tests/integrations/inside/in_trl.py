"""Proofmill's reward functions in TRL: called as the trainer calls them, and its own rule for advantages."""

import asyncio
import json

from apart import ITEMS
from proofmill_rewards.trl import proofmill_reward, proofmill_reward_async

columns = {
    "prompts": ["?"] * len(ITEMS),
    # Every second completion is a conversation.
    "completions": [
        item["text"] if at % 2 else [{"role": "assistant", "content": item["text"]}] for at, item in enumerate(ITEMS)
    ],
    "kind": ["math"] * len(ITEMS),
    "reference": [item["reference"] for item in ITEMS],
    "trainer_state": None,
}
logged = {}
rewards = proofmill_reward(**columns, log_metric=logged.__setitem__)
again = asyncio.run(proofmill_reward_async(**columns))


def advantages(given: list) -> list[float]:
    """TRL's GRPOTrainer on one group: its own code computes rewards and advantages from what a function returned."""
    import inspect

    import torch
    from trl import GRPOTrainer

    source = inspect.getsource(GRPOTrainer)
    assert "unscorable_mask" in source, "TRL no longer masks what has no reward"
    values = torch.tensor([torch.nan if reward is None else reward for reward in given])
    mean = torch.nanmean(values)
    known = values[~torch.isnan(values)]
    found = (values - mean) / (known.std() + 1e-4)
    return torch.nan_to_num(found).tolist()


print(
    json.dumps(
        {
            "rewards": rewards,
            "async rewards": again,
            "masked": logged["proofmill/masked"],
            "advantages": advantages([rewards[0], rewards[1], rewards[3], rewards[4]]),
        }
    )
)
