"""An environment and a generator for SkyRL (skyrl 0.3, skyrl-gym 0.4).

    import proofmill_rewards.skyrl                       # registers the environment `proofmill`
    generator = proofmill_rewards.skyrl.masking(SkyRLGymGenerator)(…)   # in your entry point's get_generator

The rows are those of `proofmill export rl --layout skyrl --data-source proofmill`, which names this environment and has
the columns `kind` and `reference`; or any row with `env_class: "proofmill"` and a `reward_spec` of `kind` and
`ground_truth`, which is a reference, its JSON text, or a bare answer.

SkyRL's environments return a number for every sample. The environment returns 0 for what was not decided and says so
in its metrics (`proofmill_masked`); the generator that `masking` makes takes the tokens of such samples out of the loss
and sets their reward to the mean of their group's decided samples, which leaves the group's baseline where it was.
Without that generator the environment raises, since 0 would be a verdict.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput
from skyrl_gym.envs.registration import register

from .client import ProofmillError, item, verify

ENVIRONMENT = "proofmill"
MASKED = "proofmill_masked"
_masking = False
"""Whether a generator of this process masks samples."""


class ProofmillEnv(BaseTextEnv):  # type: ignore[misc]
    """One answer per problem, checked by the service."""

    def __init__(self, env_config: Any = None, extras: dict[str, Any] | None = None) -> None:
        super().__init__()
        row = extras or {}
        spec = row.get("reward_spec") or {}
        if "ground_truth" not in spec:
            raise ValueError("reward_spec.ground_truth: missing; a reference, its JSON text, or a bare answer")
        self._kind = str(row.get("kind") or spec.get("kind") or "math")
        self._reference = row.get("reference") or spec["ground_truth"]
        self._masked = False
        self._reason = ""

    def step(self, action: str) -> BaseTextEnvStepOutput:
        verdict = verify([item(self._kind, self._reference, action)])[0]
        self._masked, self._reason = verdict.reward is None, verdict.reason
        if self._masked and not _masking:
            raise ProofmillError(
                f"{verdict.status} ({verdict.reason}): SkyRL would score it 0; use the generator of "
                "proofmill_rewards.skyrl.masking"
            )
        facts = {"status": verdict.status, "reason": verdict.reason}
        return BaseTextEnvStepOutput(observations=[], reward=verdict.reward or 0.0, done=True, metadata=facts)

    def get_metrics(self) -> dict[str, Any]:
        return {MASKED: float(self._masked)}


register(id=ENVIRONMENT, entry_point=ProofmillEnv)


def masking(generator_class: type[Any]) -> type[Any]:
    """A subclass of SkyRL's generator that leaves undecided samples out of a step."""
    global _masking
    _masking = True

    class MaskingGenerator(generator_class):  # type: ignore[misc]
        async def agent_loop(self, *arguments: Any, **named: Any) -> Any:
            output = await super().agent_loop(*arguments, **named)
            if (getattr(output, "env_metrics", None) or {}).get(MASKED):
                output.loss_mask = [0] * len(output.loss_mask)
            return output

        async def generate(self, input_batch: Any, *arguments: Any, **named: Any) -> Any:
            output = await super().generate(input_batch, *arguments, **named)
            names = [getattr(one, "instance_id", one) for one in input_batch.get("trajectory_ids") or []]
            if len(names) == len(output["rewards"]):
                output["rewards"] = neutral_rewards(output["rewards"], output["loss_masks"], names)
            return output

    return MaskingGenerator


def neutral_rewards(rewards: list[Any], loss_masks: list[list[int]], groups: list[Any]) -> list[Any]:
    """`rewards` with those of masked samples, whose loss mask is 0 throughout, at the mean of their group's others; 0
    where the group has no other. A reward is a number or one number per token, of which the last carries it."""
    totals: dict[Any, list[float]] = defaultdict(list)
    masked = [not any(mask) for mask in loss_masks]
    for reward, group, is_masked in zip(rewards, groups, masked, strict=True):
        if not is_masked:
            totals[group].append(float(sum(reward)) if isinstance(reward, list) else float(reward))
    filled: list[Any] = []
    for reward, group, is_masked in zip(rewards, groups, masked, strict=True):
        if not is_masked:
            filled.append(reward)
            continue
        others = totals[group]
        mean = sum(others) / len(others) if others else 0.0
        filled.append([0.0] * (len(reward) - 1) + [mean] if isinstance(reward, list) and reward else mean)
    return filled
