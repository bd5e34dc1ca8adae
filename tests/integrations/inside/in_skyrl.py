"""Proofmill's environment in SkyRL's gym, and the generator that masks around a stand-in for SkyRL's own."""

import asyncio
import json
from types import SimpleNamespace

import proofmill_rewards.skyrl as integration
import skyrl_gym
from apart import ITEMS


def play(item: dict) -> tuple[float, float]:
    spec = {"kind": "math", "ground_truth": item["reference"]}
    extras = {"reward_spec": spec}
    if item["name"] == "refuted":  # as `proofmill export rl --layout skyrl --data-source proofmill` has them
        extras = {"reward_spec": {"ground_truth": "5"}, "kind": "math", "reference": json.dumps(item["reference"])}
    environment = skyrl_gym.make("proofmill", env_config=None, extras=extras)
    environment.init([{"role": "user", "content": "?"}])
    step = environment.step(item["text"])
    assert step["done"]
    return step["reward"], environment.get_metrics()["proofmill_masked"]


try:
    play(ITEMS[3])
    refused = ""
except Exception as error:
    refused = str(error)


class StandInGenerator:
    """What SkyRL's generator (skyrl 0.3) does with an environment, as far as it matters here."""

    async def agent_loop(self, item: dict) -> SimpleNamespace:
        reward, masked = play(item)
        return SimpleNamespace(reward=reward, loss_mask=[1, 1], env_metrics={"proofmill_masked": masked})

    async def generate(self, input_batch: dict) -> dict:
        outputs = [await self.agent_loop(item) for item in input_batch["items"]]
        return {"rewards": [o.reward for o in outputs], "loss_masks": [o.loss_mask for o in outputs]}


generator = integration.masking(StandInGenerator)()
played = [play(item) for item in ITEMS]
groups = [SimpleNamespace(instance_id=name) for name in ("a", "a", "a", "b")]
batch = {"items": [ITEMS[0], ITEMS[1], ITEMS[3], ITEMS[4]], "trajectory_ids": groups}
output = asyncio.run(generator.generate(batch))
print(
    json.dumps(
        {
            "rewards": [reward for reward, _ in played],
            "masked": [masked for _, masked in played],
            "without the generator": refused,
            "neutral": output["rewards"],
            "loss masks": output["loss_masks"],
        }
    )
)
