"""What the routes of the service share: admission of clients, pending work, and access to the verifiers."""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Annotated, Any

import fastapi
import fastapi.openapi.utils
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from jobs.service.access import Access, Admission, Tokens
from jobs.service.batch_lines import NO_BOUND
from jobs.service.draining import Draining
from jobs.service.metrics import Metrics, NoMetrics
from jobs.service.pools import Ways
from jobs.service.redrawing import Redrawing
from jobs.service.run_routes import Ask
from jobs.service.settings import ServiceConfig, Token
from jobs.service.solving import Generators
from jobs.service.verifying import Check, Checked, Verifiers, check_all
from verifiers.types import Problem
from workers.engines.base import SamplingParameters

BEARER = HTTPBearer(auto_error=False)
"""The security scheme of the OpenAPI schema; `Access` reads the header."""


@dataclasses.dataclass(slots=True)
class Gateway:
    """What the routes share."""

    config: ServiceConfig
    verifiers: Verifiers
    known: Mapping[str, Problem] = dataclasses.field(default_factory=dict)
    metrics: Metrics = dataclasses.field(default_factory=NoMetrics)
    share: float = 1.0
    """This gateway's part of the configured rates and of the pending work: one over the number of gateways."""
    generators: Generators | None = None
    """The generator replicas; None if the service only verifies."""
    ways: Ways | None = None
    """The ways of problems through several models; None where there is one."""
    model: str = ""
    """Name of the model that answers, or of the cascade that does."""
    sampling: SamplingParameters = dataclasses.field(default_factory=SamplingParameters)
    """How the generators draw where a client sets nothing."""
    runs: Ask | None = None
    """Calls the keeper of batch runs; None for a keeper in this process."""
    draining: Draining = dataclasses.field(default_factory=Draining)
    follow: Callable[[Draining], Awaitable[None]] | None = None
    """Keeps `draining` as the service's command wants it, while the gateway runs; None where nothing stops it."""
    access: Access = dataclasses.field(init=False)
    items: Admission = dataclasses.field(init=False)
    samples: Admission = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.access = Access(Tokens(self.config.tokens, self.config.tokens_file), share=self.share)
        if self.generators is not None:
            self.generators = Redrawing(self.generators, self.config.verify.attempts, self.metrics.generator_lost)
        self.items = Admission(math.ceil(self.config.server.max_pending_items * self.share), "items")
        self.samples = Admission(math.ceil(self.config.solve.max_running * self.share), "samples")

    @property
    def max_tokens(self) -> int:
        """Longest answer that a client may ask for, in tokens."""
        return self.config.solve.max_tokens or self.sampling.max_tokens or NO_BOUND

    async def client(self, request: fastapi.Request) -> Token:
        """The authenticated client of a request, charged for one. Raises HttpProblem 401 and 429."""
        client = self.access.authenticate(request.headers.get("authorization"))
        self.access.charge_request(client)
        return client

    async def checked(self, checks: list[Check]) -> AsyncGenerator[list[Checked], None]:
        """Verdicts in order; each is counted in the metrics."""
        chunks = check_all(self.verifiers, checks, attempts=self.config.verify.attempts, on_lost=self.metrics.lost)
        kinds = (str(check.problem.kind) for check in checks)
        async with contextlib.aclosing(chunks):
            async for chunk in chunks:
                # The chunk comes first, since zip would otherwise consume one kind too many.
                pairs = zip(chunk, kinds, strict=False)
                self.metrics.verdicts([(kind, each.status, each.seconds) for each, kind in pairs])
                yield chunk


def client_of(gateway: Gateway) -> Any:
    """The dependency that admits a request."""

    async def client(
        request: fastapi.Request, _: Annotated[HTTPAuthorizationCredentials | None, fastapi.Depends(BEARER)]
    ) -> Token:
        return await gateway.client(request)

    return fastapi.Depends(client)
