"""Generators that follow one conversation, behind the interface of all generators."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from jobs.service.http_errors import HttpProblem, shown
from jobs.service.solving import Generators, usd_of
from jobs.service.steering import Steering
from runstore.schema import Sample, SampleRequest, sample_seed
from verifiers.types import Problem


class SteeredGenerators:
    """Generators whose every sample follows one conversation. The same interface as that of the generators inside."""

    def __init__(self, inner: Generators, steering: Steering) -> None:
        self.inner, self.steering = inner, steering
        self.num_slots, self.usd_per_replica_s = inner.num_slots, inner.usd_per_replica_s

    async def generate(self, request: SampleRequest, steering: Steering | None = None) -> Sample:
        """Raises GeneratorLost, and HttpProblem 422 where the model cannot be asked this."""
        sample = await self.inner.generate(request, self.steering)
        if sample.finish_reason == "error":
            raise HttpProblem(422, "unusable-conversation", f"the model cannot be asked this: {shown(sample.error)}")
        return sample

    def usd_of(self, request: SampleRequest, sample: Sample) -> float:
        """What a sample cost."""
        return usd_of(self.inner, request, sample)

    async def abort(self, request_ids: Sequence[str]) -> None:
        await self.inner.abort(request_ids)

    async def ready(self) -> bool:
        return await self.inner.ready()


def chat_requests(number: int, seed: int) -> list[SampleRequest]:
    """The requests of a chat that has no problem: each has an id of its own and its seed."""
    problem = Problem(f"chat-{secrets.token_hex(8)}", "", "", {})
    return [SampleRequest(problem, index, 1, sample_seed(seed, "chat", index)) for index in range(number)]
