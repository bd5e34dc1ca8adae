"""Generators whose lost samples are drawn again, as the checks of a lost verifier are made again.

Promises: a sample is lost for its request only after `attempts` generators were lost under it. Another replica draws it
at once; with one replica it waits, inside Serve, until the engine is loaded again. Its seed stays, so it is the same
sample.
Does not: bound the wait; the request's own time limit does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from jobs.service.solving import GeneratorLost, Generators, usd_of
from jobs.service.steering import Steering
from runstore.schema import Sample, SampleRequest

RETRY_DELAY_S = 0.5
"""Wait before a second attempt, in seconds; before the third it is twice as long, and so on."""

log = logging.getLogger("proofmill.service")


class Redrawing:
    """`generators`, where a lost sample is drawn up to `attempts` times."""

    def __init__(self, generators: Generators, attempts: int, on_lost: Callable[[], object]) -> None:
        self._generators = generators
        self._attempts = attempts
        self._on_lost = on_lost
        self.num_slots = generators.num_slots
        self.usd_per_replica_s = generators.usd_per_replica_s

    async def generate(self, request: SampleRequest, steering: Steering | None = None) -> Sample:
        """Raises GeneratorLost."""
        for attempt in range(1, self._attempts):
            try:
                return await self._generators.generate(request, steering)
            except GeneratorLost as error:
                log.warning("generator lost under a sample, attempt %d: %s", attempt, error)
                self._on_lost()
            await asyncio.sleep(RETRY_DELAY_S * attempt)
        return await self._generators.generate(request, steering)

    def usd_of(self, request: SampleRequest, sample: Sample) -> float:
        """What a sample cost."""
        return usd_of(self._generators, request, sample)

    async def abort(self, request_ids: Sequence[str]) -> None:
        await self._generators.abort(request_ids)

    async def ready(self) -> bool:
        return await self._generators.ready()
