"""The service in Ray Serve: gateways that speak HTTP, verifier replicas that check, generators, one keeper of runs.

Promises: replicas are restarted by Serve when they die, and the gateway gives the work of verifiers and generators to
others (jobs.service.verifying, jobs.service.solving). A gateway is ready once a verifier answers and, where the service
solves, an engine is loaded. All gateways see the same batch runs.
Does not: scale by itself (the config sets the number of replicas), or share rates between gateways (each has its part).
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import fastapi
from ray import serve

from cluster.addresses import replica_on_loopback
from jobs.config import Problems, SolveConfig
from jobs.pools.checks import is_remote
from jobs.run_secrets import variables_of_models
from jobs.service.app import build_app
from jobs.service.batches import BatchKeeper
from jobs.service.control import follow
from jobs.service.gateway import Gateway
from jobs.service.http_errors import HttpProblem
from jobs.service.metrics import RayMetrics
from jobs.service.pools import PooledGenerators, Ways
from jobs.service.run_routes import Ask
from jobs.service.settings import ServiceConfig
from jobs.service.solving import GeneratorLost, Generators
from jobs.service.steering import Steering, told_reason
from jobs.service.verifying import WINDOW, Check, Checked, LocalVerifiers, VerifierLost
from jobs.solve.settings import generator_settings
from runstore.schema import Messages, Sample, SampleRequest
from verifiers.agreement import Clusters
from verifiers.checker import Checkers
from verifiers.processes.environment import withhold
from verifiers.types import Kind, Problem
from workers.engines.base import EngineGoneError, Generation, SamplingParameters
from workers.engines.registry import open_engine
from workers.engines.remote.confidential import SOURCES, is_confidential
from workers.messages import SampleTask
from workers.prompting.messages import build_messages
from workers.rollouts.base import RolloutRequest, make_sample
from workers.rollouts.registry import rollout_class
from workers.rollouts.single import Single
from workers.sampling.budget import TokenPrices

APP = "proofmill"
VERIFIER = "verifier"
GENERATOR = "generator"
KEEPER = "runs"
READY_TIMEOUT_S = 5.0
READY_CACHE_S = 1.0
RUNS_GRACE_S = 60.0
"""How long interrupted batch runs have to write what they hold when the service stops, in seconds."""
CLUSTER_TIMEOUT_S = 120.0
"""Longest time for the answers of one request to be compared, in seconds."""
CHECK_TIMEOUT_S = 600.0
"""Longest time for one item of a chunk, in seconds, if the client sets no limit. A checker's own limit is far lower."""
MAX_KNOWN_PROBLEMS = 200_000
"""Largest number of problems kept in a gateway's memory for requests by id."""

log = logging.getLogger("proofmill.service")


class VerifierReplica:
    """One process with warm checkers. Runs as a Serve deployment."""

    def __init__(self, config: dict[str, Any], withheld: Sequence[str] = ()) -> None:
        """`withheld` names the variables that the checkers' child processes must not have."""
        replica_on_loopback()
        withhold(withheld)
        verify = ServiceConfig.model_validate(config).verify
        checkers = Checkers(verify.workers_per_actor, verify.tables())
        self._local = LocalVerifiers(checkers, verify.workers_per_actor)
        checkers.of(Kind.MATH)  # warm before the first request; the others start when they are first asked for

    async def check(self, chunk: Sequence[Check]) -> list[Checked]:
        return await self._local.check(chunk)

    async def cluster(self, problem: Problem, answers: Sequence[str | None]) -> Clusters:
        return await self._local.cluster(problem, answers)

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

    async def cluster(self, problem: Problem, answers: Sequence[str | None]) -> Clusters:
        from ray.exceptions import RayError
        from ray.serve.exceptions import RayServeException

        try:
            found: Clusters = await asyncio.wait_for(
                self.handle().cluster.remote(problem, list(answers)), CLUSTER_TIMEOUT_S
            )
        except (RayError, RayServeException, TimeoutError) as error:
            raise VerifierLost(type(error).__name__) from error
        return found

    async def ready(self) -> bool:
        try:
            return bool(await asyncio.wait_for(self.handle().ping.remote(), READY_TIMEOUT_S))
        except Exception as error:
            log.info("not ready: %s", type(error).__name__)
            return False


Method = TypeVar("Method", bound=Callable[..., Any])


def ends_with_its_engine(method: Method) -> Method:
    """A GeneratorReplica's method that ends the replica's process where the engine is gone. Serve's health checks need
    fifteen seconds to see it, and would send more samples there meanwhile; a dead process is left out at once."""

    @functools.wraps(method)
    async def wrapped(self: GeneratorReplica, *arguments: Any) -> Any:
        try:
            return await method(self, *arguments)
        except EngineGoneError:
            log.exception("the engine is gone; its replica ends")
            self._engine.stop()
            os._exit(1)

    return wrapped  # type: ignore[return-value]


class GeneratorReplica:
    """One engine. Runs as a Serve deployment; Serve starts another one when it dies."""

    async def __init__(self, config: dict[str, Any], use_gpu: bool) -> None:  # type: ignore[misc]
        """Loads the model. Serve awaits this and counts the replica as ready only then."""
        replica_on_loopback()
        settings = generator_settings(SolveConfig.model_validate(config), "", use_gpu)
        self._style, self._sampling = settings.style, settings.sampling
        self._parameters_of = settings.plain().parameters_of
        self._confidential = settings.confidential
        self._rollout = rollout_class(settings.rollout)
        log_path = Path(tempfile.gettempdir()) / "proofmill-service" / f"engine-{os.getpid()}.log"
        self._engine = open_engine(settings.engine.model_copy(update={"log_path": str(log_path)}))
        await self._engine.start()

    @ends_with_its_engine
    async def generate(self, request: SampleRequest, steering: Steering | None = None) -> Sample:
        """Raises EngineGoneError. What a model cannot be asked, or may not, comes back as a sample that ended in an
        error: another replica would do no better."""
        key = (0, request.sample_index)
        task = SampleTask(key, request.problem.id, 0, 0, request.attempt, request.seed, round=request.round)
        try:
            if steering is None:
                messages = (*build_messages(request.problem, self._style), *request.turns)
                sampling = self._parameters_of(str(request.problem.kind))
                return await self._draw(
                    request, task, messages, sampling, needs_rollout=not request.turns, has_problem=True
                )
            messages = steering.messages(request.problem, self._style)
            operators = self._parameters_of(str(request.problem.kind)) if steering.has_problem else self._sampling
            sampling = steering.parameters(operators)
            has_problem = steering.has_problem
            return await self._draw(
                request, task, messages, sampling, needs_rollout=has_problem, has_problem=has_problem
            )
        except EngineGoneError:
            raise
        except Exception as error:
            log.warning("a sample could not be drawn", exc_info=error)
            return make_sample(task, (), Generation("", "error"), told_reason(error))

    async def _draw(
        self,
        request: SampleRequest,
        task: SampleTask,
        messages: Messages,
        sampling: SamplingParameters,
        needs_rollout: bool,
        has_problem: bool,
    ) -> Sample:
        """One sample. A follow-up turn and a plain chat have all their messages already, so they need one answer and
        not the configured rollout."""
        engine_id = f"{request.problem.id}/{request.sample_index}/{request.seed}"
        drawn_by = self._rollout if needs_rollout else Single
        # A chat without a problem is its client's own text, with the operator's around it.
        confidential = has_problem and is_confidential(request.problem, self._confidential)
        confidential = confidential or self._style.is_confidential_for(request.problem.kind)
        what = RolloutRequest(engine_id, task, messages, sampling, confidential=confidential)
        rollout = drawn_by(self._engine, what)
        generation = await rollout.draw()
        return make_sample(task, rollout.messages, generation)

    async def abort(self, request_ids: list[str]) -> None:
        """Ends running samples; ids are `problem/index/seed`."""
        await self._engine.abort(request_ids)

    async def check_health(self) -> None:
        """Serve's own hook: a replica whose engine is gone is replaced."""
        await self._engine.check()


class ServeGenerators:
    """The generator replicas, through their Serve handle."""

    def __init__(self, config: SolveConfig, use_gpu: bool, deployment: str = GENERATOR) -> None:
        """`config` is that of one pool alone."""
        self.num_slots = config.model.sequences(use_gpu)
        price = config.cost.usd_per_gpu_hour * config.model.tensor_parallel_size if use_gpu else 0.0
        price = price or config.cost.usd_per_cpu_hour * config.resources.cpus_per_replica
        self._remote = is_remote(config.model)
        self._prices = TokenPrices.of(config.cost.model_dump())
        self.usd_per_replica_s = 0.0 if self._remote else price / 3600
        self._replicas = 1 if self._remote else config.resources.replicas
        self._deployment = deployment
        self._handle: Any = None
        self._ready = (-READY_CACHE_S, False)

    def usd_of(self, request: SampleRequest, sample: Sample) -> float:
        """What a sample cost: its tokens at an endpoint, else its share of a replica."""
        if self._remote:
            return self._prices.usd(sample.prompt_tokens, sample.completion_tokens)
        return self.usd_per_replica_s * sample.generation_s / max(self.num_slots, 1)

    def handle(self) -> Any:
        if self._handle is None:
            self._handle = serve.get_deployment_handle(self._deployment, app_name=APP)
        return self._handle

    async def generate(self, request: SampleRequest, steering: Steering | None = None) -> Sample:
        from ray.exceptions import RayError
        from ray.serve.exceptions import RayServeException

        try:
            sample: Sample = await self.handle().generate.remote(request, steering)
        except (RayError, RayServeException) as error:
            raise GeneratorLost(type(error).__name__) from error
        return sample

    async def ready(self) -> bool:
        """Serve counts a replica as running once its engine is loaded, and while the engine is in good health. A call
        to a replica would tell less: it would wait behind the samples of a busy engine."""
        asked, running = self._ready
        if time.monotonic() > asked + READY_CACHE_S:
            try:
                status = await asyncio.wait_for(asyncio.to_thread(serve.status), READY_TIMEOUT_S)
                running = status.applications[APP].deployments[self._deployment].replica_states.get("RUNNING", 0) > 0
            except Exception as error:
                log.info("not ready: %s", type(error).__name__)
                running = False
            self._ready = (time.monotonic(), running)
        return running

    async def abort(self, request_ids: Sequence[str]) -> None:
        from ray.exceptions import RayError
        from ray.serve.exceptions import RayServeException

        # Only the router knows which replica has a request. With one replica this call reaches it. With more, Serve
        # cancels the coroutine of the cancelled call, which ends the engine's request.
        if self._replicas == 1:
            try:
                await self.handle().abort.remote(list(request_ids))
            except (RayError, RayServeException) as error:
                raise GeneratorLost(type(error).__name__) from error


class KeeperReplica:
    """The one keeper of the service's runs and batches. Runs as a Serve deployment. Its processes outlive it where it
    is killed; where Serve ends it in order, they are interrupted in order first, since Ray kills what a worker leaves
    behind."""

    def __init__(self, config: dict[str, Any], ray_address: str) -> None:
        replica_on_loopback()
        self._keeper = BatchKeeper(ServiceConfig.model_validate(config).runs, ray_address)

    async def __del__(self) -> None:
        """Serve's own hook."""
        if keeper := getattr(self, "_keeper", None):
            await asyncio.to_thread(keeper.close, RUNS_GRACE_S)

    async def ask(self, method: str, *arguments: Any) -> tuple[Any, HttpProblem | None]:
        # Faults are returned here, since an exception would arrive wrapped in one of Ray's.
        try:
            return await asyncio.to_thread(getattr(self._keeper, method), *arguments), None
        except HttpProblem as fault:
            return None, fault


def ask_keeper() -> Ask:
    """Calls the keeper through its Serve handle."""
    handles: list[Any] = []

    async def ask(method: str, *arguments: Any) -> Any:
        from ray.exceptions import RayError
        from ray.serve.exceptions import RayServeException

        if not handles:
            handles.append(serve.get_deployment_handle(KEEPER, app_name=APP))
        try:
            value, fault = await handles[0].ask.remote(method, *arguments)
        except (RayError, RayServeException) as error:
            log.warning("the keeper of runs did not answer: %s", type(error).__name__)
            raise HttpProblem(503, "not-ready", "the keeper of batch runs does not answer", retry_after_s=5) from error
        if fault is not None:
            raise fault
        return value

    return ask


def gateway_app(config: dict[str, Any], solve: dict[str, Any] | None, use_gpu: bool) -> fastapi.FastAPI:
    """Builds the application inside a gateway replica."""
    replica_on_loopback()
    settings = ServiceConfig.model_validate(config)
    model = SolveConfig.model_validate(solve) if solve else None
    gateway = Gateway(
        settings,
        ServeVerifiers(settings.verify.actors),
        load_known(settings, model.problems.confidential if model else SOURCES),
        RayMetrics(),
        share=1.0 / settings.server.gateways,
        generators=open_generators(model, use_gpu) if model else None,
        ways=Ways(model) if model and has_ways(model) else None,
        model=answering(model) if model else "",
        sampling=first_pool(model).sampling.parameters() if model else SamplingParameters(),
        runs=ask_keeper(),
        follow=follow,
    )
    return build_app(gateway)


def has_ways(config: SolveConfig) -> bool:
    """Whether problems may take different ways, or several stages."""
    return bool(config.models) or any(route.stages for route in config.route_table())


def first_pool(config: SolveConfig) -> SolveConfig:
    """The pool in which most problems begin, as a config of its own."""
    return config.pools()[config.route_table()[0].pools[0]]


def answering(config: SolveConfig) -> str:
    """The name under which the service answers: its model's, or that of the way that most problems take."""
    return config.route_table()[0].name if config.models else config.model.path


def deployment_of(config: SolveConfig, pool: str) -> str:
    """The name of a pool's deployment."""
    return f"{GENERATOR}-{pool}" if config.models else GENERATOR


def on_gpu(pool: SolveConfig, use_gpu: bool) -> bool:
    """Whether the engines of a pool run on GPUs, where there are any."""
    return use_gpu and pool.resources.device != "cpu" and not is_remote(pool.model)


def open_generators(config: SolveConfig, use_gpu: bool) -> Generators:
    """The generators of every pool."""
    pools = {
        name: ServeGenerators(pool, on_gpu(pool, use_gpu), deployment_of(config, name))
        for name, pool in config.pools().items()
    }
    return PooledGenerators(Ways(config), pools) if has_ways(config) else next(iter(pools.values()))


def generator_deployment(pool: SolveConfig, name: str, use_gpu: bool) -> serve.Application:
    """The deployment of one pool."""
    remote, gpu = is_remote(pool.model), on_gpu(pool, use_gpu)
    options: dict[str, Any] = {
        "num_cpus": 0.0 if remote else pool.resources.cpus_per_replica,
        "num_gpus": pool.model.tensor_parallel_size if gpu else 0,
    }
    if gpu and pool.resources.accelerator_type:
        options["accelerator_type"] = pool.resources.accelerator_type
    deployment = serve.deployment(
        GeneratorReplica,
        name=name,
        num_replicas=1 if remote else pool.resources.replicas,
        ray_actor_options=options,
        max_ongoing_requests=pool.model.sequences(gpu),
        health_check_period_s=5.0,
        health_check_timeout_s=60.0,
        graceful_shutdown_timeout_s=10.0,
    )
    return deployment.bind(pool.resolved(), gpu)


def load_known(config: ServiceConfig, confidential: Sequence[str] = SOURCES) -> dict[str, Problem]:
    """The configured problem sets by id; those of the `confidential` sources are marked. Raises ProblemFileError or
    ConfigError, whose texts are for the user."""
    if not config.problems.files:
        return {}
    from jobs.config import ConfigError
    from jobs.problems.load import stream_problems

    known: dict[str, Problem] = {}
    # A text for a problem without an answer key gets the verdict `unchecked`.
    found = Problems(
        files=config.problems.files,
        layout=config.problems.layout,
        confidential=list(confidential),
        unchecked="accept",
    )
    for problem in stream_problems(found):
        known[problem.id] = problem
        if len(known) > MAX_KNOWN_PROBLEMS:
            raise ConfigError(
                f"problems.files: more than {MAX_KNOWN_PROBLEMS:,} problems; name fewer, or send them inline"
            )
    return known


def application(config: ServiceConfig, solve: SolveConfig | None = None, use_gpu: bool = False) -> serve.Application:
    """The Serve application: gateway → verifiers, and generators where there is a model."""
    table = config.model_dump(mode="json")
    solve_table = solve.resolved() if solve else None

    def build() -> fastapi.FastAPI:  # Serve calls a plain function in the replica; it takes anything else for the app
        return gateway_app(table, solve_table, use_gpu)

    verifier = serve.deployment(
        VerifierReplica,
        name=VERIFIER,
        num_replicas=config.verify.actors,
        ray_actor_options={"num_cpus": config.resources.cpus_per_verifier, "resources": config.resources.verifier},
        # Twice what a gateway's windows can send, so that the queue stays in the gateway, which answers 429.
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
        graceful_shutdown_timeout_s=config.server.drain_s + 5.0,
    )
    keeper = serve.deployment(
        KeeperReplica,
        name=KEEPER,
        num_replicas=1,
        ray_actor_options={"num_cpus": 0},
        max_ongoing_requests=100,
        health_check_period_s=5.0,
        graceful_shutdown_timeout_s=RUNS_GRACE_S + 5.0,
    )
    withheld = variables_of_models(solve) if solve else []
    parts = [verifier.bind(table, withheld), keeper.bind(table, config.ray.address)]
    if solve is not None:
        pools = solve.pools()
        parts += [generator_deployment(pool, deployment_of(solve, name), use_gpu) for name, pool in pools.items()]
    return gateway.bind(*parts)
