"""The service in Ray Serve: gateways that speak HTTP, verifier replicas that check.

Promises: verifier replicas are restarted by Serve when they die, and the gateway gives their work to others
(jobs.service.verifying). A gateway is ready once a verifier answers.
Does not: scale by itself; replicas are what the config says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import fastapi
from ray import serve

from jobs.config import Problems
from jobs.service.app import Gateway, build_app
from jobs.service.metrics import RayMetrics
from jobs.service.settings import ServiceConfig
from jobs.service.verifying import WINDOW, Check, Checked, LocalVerifiers, VerifierLost
from verifiers.checker import Checkers
from verifiers.types import Kind, Problem

APP = "proofmill"
VERIFIER = "verifier"
READY_TIMEOUT_S = 5.0
CHECK_TIMEOUT_S = 600.0
"""What one item of a chunk may take at most where the client sets no limit; a checker keeps its own, far lower."""
MAX_KNOWN_PROBLEMS = 200_000
"""Problems kept in a gateway's memory for requests by id."""

log = logging.getLogger("proofmill.service")


class VerifierReplica:
    """One process with warm checkers. Runs as a Serve deployment."""

    def __init__(self, config: dict[str, Any]) -> None:
        verify = ServiceConfig.model_validate(config).verify
        settings = {str(kind): getattr(verify, str(kind)) for kind in Kind}
        checkers = Checkers(verify.workers_per_actor, settings)
        self._local = LocalVerifiers(checkers, verify.workers_per_actor)
        checkers.of(Kind.MATH)  # warm before the first request; the others start when they are first asked for

    async def check(self, chunk: Sequence[Check]) -> list[Checked]:
        return await self._local.check(chunk)

    async def ping(self) -> bool:
        return True

    def __del__(self) -> None:
        if local := getattr(self, "_local", None):
            local.close()


class ServeVerifiers:
    """The verifier replicas, through their Serve handle."""

    def __init__(self, num_replicas: int) -> None:
        self.num_replicas = num_replicas
        self._handle: Any = None

    def handle(self) -> Any:
        if self._handle is None:
            self._handle = serve.get_deployment_handle(VERIFIER, app_name=APP)
        return self._handle

    async def check(self, chunk: Sequence[Check]) -> list[Checked]:
        from ray.exceptions import RayError
        from ray.serve.exceptions import RayServeException

        timeout_s = 30.0 + sum(dict(check.limits).get("wall_s", CHECK_TIMEOUT_S) for check in chunk)
        try:
            return list(await asyncio.wait_for(self.handle().check.remote(list(chunk)), timeout_s))
        except (RayError, RayServeException, TimeoutError) as error:
            raise VerifierLost(type(error).__name__) from error

    async def ready(self) -> bool:
        try:
            return bool(await asyncio.wait_for(self.handle().ping.remote(), READY_TIMEOUT_S))
        except Exception as error:
            log.info("not ready: %s", type(error).__name__)
            return False


def gateway_app(config: dict[str, Any]) -> fastapi.FastAPI:
    """Builds the application inside a gateway replica."""
    settings = ServiceConfig.model_validate(config)
    gateway = Gateway(
        settings,
        ServeVerifiers(settings.verify.actors),
        load_known(settings),
        RayMetrics(),
        share=1.0 / settings.server.gateways,
    )
    return build_app(gateway)


def load_known(config: ServiceConfig) -> dict[str, Problem]:
    """The configured problem sets by id. Raises ProblemFileError or ConfigError, whose texts are for the user."""
    if not config.problems.files:
        return {}
    from jobs.config import ConfigError
    from jobs.problems.load import stream_problems

    known: dict[str, Problem] = {}
    for problem in stream_problems(Problems(files=config.problems.files, layout=config.problems.layout)):
        known[problem.id] = problem
        if len(known) > MAX_KNOWN_PROBLEMS:
            raise ConfigError(
                f"problems.files: more than {MAX_KNOWN_PROBLEMS:,} problems; name fewer, or send them inline"
            )
    return known


def application(config: ServiceConfig) -> serve.Application:
    """The Serve application: gateway → verifiers."""
    table = config.model_dump(mode="json")

    def build() -> fastapi.FastAPI:  # Serve calls plain functions in the replica; anything else it takes for the app
        return gateway_app(table)

    verifier = serve.deployment(
        VerifierReplica,
        name=VERIFIER,
        num_replicas=config.verify.actors,
        ray_actor_options={"num_cpus": config.resources.cpus_per_verifier, "resources": config.resources.verifier},
        # Twice what a gateway's windows can send: the queue stays with the gateway, which answers 429.
        max_ongoing_requests=2 * WINDOW * config.server.gateways + 16,
        health_check_period_s=2.0,
        health_check_timeout_s=30.0,
        graceful_shutdown_timeout_s=10.0,
    )
    gateway = serve.deployment(
        serve.ingress(build)(),
        name="gateway",
        num_replicas=config.server.gateways,
        ray_actor_options={"num_cpus": config.resources.cpus_per_gateway},
        max_ongoing_requests=1000,
        health_check_period_s=5.0,
        graceful_shutdown_timeout_s=10.0,
    )
    return gateway.bind(verifier.bind(table))
