"""Generators that say what a test has prepared, in the place of engines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from jobs.service.solving import GeneratorLost
from jobs.service.steering import Steering
from runstore.schema import Sample, SampleRequest


class FakeGenerators:
    """Sample i takes i * 20 ms and says what `texts` has for it; later ones never end unless aborted."""

    num_slots = 4
    usd_per_replica_s = 0.5
    pace_s = 0.02

    def __init__(self, texts: Sequence[str | None]) -> None:
        self.texts = texts
        self.aborted: list[str] = []
        self.cancelled = 0
        self.dead = False
        self.asked: list[tuple[SampleRequest, Steering | None]] = []
        self.refuses = ""
        self.finish_reason = "stop"

    async def generate(self, request: SampleRequest, steering: Steering | None = None) -> Sample:
        self.asked.append((request, steering))
        if self.dead:
            raise GeneratorLost("ActorDiedError")
        index = request.sample_index
        try:
            await asyncio.sleep(self.pace_s * index if index < len(self.texts) else 3600)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        end = "error" if self.refuses else self.finish_reason
        return Sample(
            request.problem.id, index, 1, 0, None, (("user", request.problem.prompt),), self.texts[index], end,
            10, 20, -0.5, request.seed, 0.0, 1.0, 0.0, self.refuses,
        )  # fmt: skip

    async def abort(self, request_ids: Sequence[str]) -> None:
        self.aborted += request_ids

    async def ready(self) -> bool:
        return not self.dead
