"""Turns a config into the plain values that the actors take. The workers never see a config."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path

from jobs.config import ConfigError, SolveConfig
from jobs.pools.checks import is_remote
from jobs.pools.routing import ONLY
from jobs.pools.tables import Stage
from jobs.run_secrets import run_secrets, variables_of_models
from jobs.solve.variants import deal_of, prompt_style, variants_of
from runstore.code_revision import code_revision
from verifiers.types import Json
from workers.actors.generator import GeneratorSettings, Variant
from workers.actors.verifier import VerifierSettings
from workers.coordinator.pools import PoolSettings, RouteSettings, StageSettings, route_to_pool
from workers.coordinator.state import CoordinatorSettings
from workers.engines.base import EngineSettings, SamplingParameters
from workers.logs import NO_FILES, LogSettings, log_settings
from workers.scheduling.sample_state import LedgerSettings

NO_PROMPTS: Mapping[str, int] = {}
UNKNOWN_CONTEXT = 131_072
"""Tokens that a ceiling on tokens sets aside for a sample that may be as long as a context that is not known."""


def engine_settings(config: SolveConfig, use_gpu: bool) -> EngineSettings:
    model = config.model
    path = Path(model.path)
    # A worker's working folder is not the driver's.
    is_folder = not model.is_remote and path.is_dir() and not config.ray.address
    resolved = str(path.resolve()) if is_folder else model.path
    lora = str(Path(model.lora).resolve()) if model.lora and not config.ray.address else model.lora
    return EngineSettings(
        **{**model.of_engine(), "path": resolved, "lora": lora},
        use_gpu=use_gpu,
        start_s=config.resources.start_s,
        thinking_budget=bounds_thoughts(config),
        returns_cut=bool(config.budget.usd or config.budget.tokens),
    )


def bounds_thoughts(config: SolveConfig) -> bool:
    """Whether samples of any kind bound their thoughts."""
    return any(parameters.thinking_tokens for parameters in config.sampling.every_parameters())


def longest_sample(config: SolveConfig, context: int = 0) -> int:
    """Most tokens that a sample may have, over all kinds. `context` stands for as many as the context allows."""
    lengths = [parameters.max_tokens for parameters in config.sampling.every_parameters()]
    return max(lengths) if all(lengths) else context


def as_stored(config: SolveConfig, parameters: SamplingParameters) -> SamplingParameters:
    """`parameters` with what the rows ask of the engine."""
    return parameters.model_copy(update={"logprobs": True}) if config.output.tokens == "ids+logprobs" else parameters


def variant_as_stored(config: SolveConfig, variant: Variant) -> Variant:
    """`variant` with what the rows ask of the engine."""
    by_kind = {kind: as_stored(config, each) for kind, each in variant.sampling_by_kind.items()}
    return dataclasses.replace(variant, sampling=as_stored(config, variant.sampling), sampling_by_kind=by_kind)


def generator_settings(
    config: SolveConfig, run_uri: str, use_gpu: bool, log: LogSettings = NO_FILES
) -> GeneratorSettings:
    return GeneratorSettings(
        run_id=config.run.id,
        epoch=0,
        code_revision=code_revision(),
        engine=engine_settings(config, use_gpu),
        sampling=as_stored(config, config.sampling.parameters()),
        sampling_by_kind={kind: as_stored(config, each) for kind, each in config.sampling.parameters_by_kind().items()},
        tokens=config.output.tokens,
        style=prompt_style(config),
        variants=tuple(variant_as_stored(config, variant) for variant in variants_of(config)),
        deal=deal_of(config),
        rollout=config.sampling.rollout,
        storage_uri=run_uri,
        evidence_chars=config.sampling.repair.evidence_chars,
        log=log,
        stall_s=config.resources.stall_s,
        with_solution_keys=config.sampling.distinct,
        confidential=tuple(config.problems.confidential),
    )


def verifier_settings(config: SolveConfig, log: LogSettings = NO_FILES, lean_workers: int = 0) -> VerifierSettings:
    """`lean_workers` bounds the native Leans of one verifier, as the plan does; 0: the plan says nothing of them."""
    verify = config.verify
    tables = verify.tables()
    if lean_workers:
        native = dict(tables["lean"].get("native") or {})
        native["max_workers"] = min(lean_workers, native.get("max_workers") or lean_workers)
        tables["lean"]["native"] = native
    limits = {kind: limit.model_dump(exclude_none=True) for kind, limit in verify.limits.items()}
    return VerifierSettings(
        num_threads=verify.workers_per_actor,
        log=log,
        limits={kind: limit for kind, limit in limits.items() if limit},
        checkers=tables,
        withheld=tuple(variables_of_models(config)),
    )


def pool_settings(
    config: SolveConfig, run_uri: str, use_gpu: bool, log: LogSettings = NO_FILES, name: str = ONLY
) -> PoolSettings:
    """One pool, from its config alone (SolveConfig.pools)."""
    resources = config.resources
    remote = is_remote(config.model)
    ranks = config.model.tensor_parallel_size * int(config.model.engine_args.get("data_parallel_size", 1))
    generator = dataclasses.replace(generator_settings(config, run_uri, use_gpu, log), pool=name)
    # One process asks an endpoint for everything, so that its limits hold over all requests. It waits most of its time.
    replicas = 1 if remote else resources.replicas
    return PoolSettings(
        name=name,
        generator=generator,
        replicas=replicas,
        gpus_per_replica=ranks if use_gpu and not remote else 0,
        cpus_per_replica=0.0 if remote else resources.cpus_per_replica,
        accelerator_type=resources.accelerator_type if use_gpu and not remote else "",
        min_replicas=min(replicas, resources.min_replicas) or (replicas + 1) // 2,
        is_remote=remote,
        # Of prices that pools share, each takes those of its own kind: an endpoint's tokens, or time on our machines.
        cost={key: price for key, price in config.cost.model_dump().items() if ("million" in key) == remote},
    )


def stage_sampling(pool: SolveConfig, stage: Stage) -> dict[str, Json]:
    """The sampling of one stage: that of its pool, with the stage's own policy and number of samples."""
    sampling = pool.sampling.model_dump()
    if stage.policy and stage.policy != sampling["policy"]:
        sampling |= {"policy": stage.policy, "policy_args": {}}  # those of another policy
    return {**sampling, "num_samples": stage.samples}


def with_agreement(config: SolveConfig, sampling: dict[str, Json]) -> dict[str, Json]:
    """The sampling of a stage with the rule for problems without an answer key."""
    return sampling if config.agreement is None else {**sampling, "agreement": config.agreement.model_dump()}


def route_settings(config: SolveConfig) -> tuple[RouteSettings, ...]:
    """The routes in the order of SolveConfig.route_table, which the driver counts by."""
    pools = config.pools()
    return tuple(
        RouteSettings(
            route.name,
            tuple(
                StageSettings(stage.model, with_agreement(config, stage_sampling(pools[stage.model], stage)))
                for stage in route.stages
            ),
        )
        if route.stages
        else route_to_pool(route.name, with_agreement(config, pools[route.name].sampling.model_dump()))
        for route in config.route_table()
    )


def coordinator_settings(
    config: SolveConfig,
    kinds: tuple[str, ...],
    run_uri: str,
    use_gpu: bool | Mapping[str, bool],
    lean_workers: int = 0,
    context: int | Mapping[str, int] = 0,
    longest_prompts: Mapping[str, int] = NO_PROMPTS,
) -> CoordinatorSettings:
    """`use_gpu` and `context` are the plan's, for all pools or by pool: whether the engines run on GPUs, and the
    model's context in tokens; 0: not known. `longest_prompts` has the most tokens of a prompt of each remote pool."""
    try:
        log = log_settings(run_uri, config.run.id)
    except ValueError as error:
        raise ConfigError(str(error))
    sampling, resources, views = config.sampling, config.resources, config.pools()
    on_gpu = {name: use_gpu if isinstance(use_gpu, bool) else use_gpu[name] for name in views}
    contexts = {name: context if isinstance(context, int) else context.get(name, 0) for name in views}
    lengths = {
        name: longest_sample(pool, contexts[name] or pool.model.max_model_len or UNKNOWN_CONTEXT)
        for name, pool in views.items()
    }
    pools = [
        dataclasses.replace(
            pool_settings(pool, run_uri, on_gpu[name], log, name),
            max_tokens=lengths[name],
            longest_prompt=longest_prompts.get(name, 0),
        )
        for name, pool in views.items()
    ]
    return CoordinatorSettings(
        run_uri=run_uri,
        kinds=kinds,
        ledger=LedgerSettings(
            run_seed=config.run.seed,
            max_tokens=max(lengths.values()),
            repair_rounds=sampling.repair.rounds,
            repair_kinds=frozenset(sampling.repair.kinds),
            evidence_chars=sampling.repair.evidence_chars,
            check_attempts=config.verify.attempts,
        ),
        pools=tuple(pools),
        routes=route_settings(config),
        audit=config.audit,
        budget=config.budget.model_dump(),
        verifier=verifier_settings(config, log, lean_workers),
        log=log,
        secrets=run_secrets(config, os.environ),
        cores=0 if any(on_gpu.values()) or config.ray.address else os.cpu_count() or 1,
        verifiers=config.verify.actors,
        cpus_per_verifier=resources.cpus_per_verifier,
        writers=resources.writers,
        max_restarts=resources.max_restarts,
        stall_s=resources.stall_s,
        start_s=resources.start_s,
        part_rows=config.output.part_rows,
        part_mb=config.output.part_mb,
        flush_s=config.output.flush_s,
        lease_s=config.output.lease_s,
    )
