"""The rollout `single`: the problem's messages, one answer."""

from __future__ import annotations

from workers.engines.base import Generation, GenerationRequest
from workers.rollouts.base import Rollout


class Single(Rollout):
    """Asks the engine once."""

    async def draw(self) -> Generation:
        request = self.request
        if request.is_unwanted():
            return Generation("", "abort")
        return await self.engine.generate(
            GenerationRequest(
                request.id,
                request.sampling,
                messages=self.messages,
                seed=request.task.seed,
                logprobs=request.tokens == "ids+logprobs",
                tokens=request.tokens != "none",
                confidential=request.confidential,
            )
        )
