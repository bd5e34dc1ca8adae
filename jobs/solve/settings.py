"""Turns a config into the plain values that the actors take. The workers never see a config."""

from __future__ import annotations

import os
from pathlib import Path

from jobs.config import ConfigError, SolveConfig
from jobs.problems.examples import read_examples
from jobs.run_secrets import run_secrets
from runstore.code_revision import code_revision
from workers.actors.generator import GeneratorSettings
from workers.actors.verifier import VerifierSettings
from workers.coordinator.pools import PoolSettings, route_to_pool
from workers.coordinator.state import CoordinatorSettings
from workers.engines.base import EngineSettings, SamplingParameters
from workers.logs import NO_FILES, LogSettings, log_settings
from workers.prompting.messages import PromptStyle
from workers.scheduling.sample_state import LedgerSettings

UNKNOWN_CONTEXT = 131_072
"""Tokens that a ceiling on tokens sets aside for a sample that may be as long as a context that is not known."""


def engine_settings(config: SolveConfig, use_gpu: bool) -> EngineSettings:
    model = config.model
    path = Path(model.path)
    # A worker's working folder is not the driver's.
    resolved = str(path.resolve()) if path.is_dir() and not config.ray.address else model.path
    lora = str(Path(model.lora).resolve()) if model.lora and not config.ray.address else model.lora
    return EngineSettings(
        **{**model.of_engine(), "path": resolved, "lora": lora},
        use_gpu=use_gpu,
        start_s=config.resources.start_s,
        thinking_budget=bounds_thoughts(config),
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


def generator_settings(
    config: SolveConfig, run_uri: str, use_gpu: bool, log: LogSettings = NO_FILES
) -> GeneratorSettings:
    prompt = config.prompt
    return GeneratorSettings(
        run_id=config.run.id,
        epoch=0,
        code_revision=code_revision(),
        engine=engine_settings(config, use_gpu),
        sampling=as_stored(config, config.sampling.parameters()),
        sampling_by_kind={kind: as_stored(config, each) for kind, each in config.sampling.parameters_by_kind().items()},
        tokens=config.output.tokens,
        style=PromptStyle(
            prompt.system,
            prompt.suffix,
            {str(kind): suffix for kind, suffix in prompt.suffix_by_kind.items()},
            config.sampling.shuffle_choices,
            read_examples(prompt.examples),
        ),
        rollout=config.sampling.rollout,
        storage_uri=run_uri,
        evidence_chars=config.sampling.repair.evidence_chars,
        log=log,
        stall_s=config.resources.stall_s,
        with_solution_keys=config.sampling.distinct,
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
    )


def pool_settings(config: SolveConfig, run_uri: str, use_gpu: bool, log: LogSettings = NO_FILES) -> PoolSettings:
    """The one pool of a config with `[model]`."""
    resources = config.resources
    ranks = config.model.tensor_parallel_size * int(config.model.engine_args.get("data_parallel_size", 1))
    generator = generator_settings(config, run_uri, use_gpu, log)
    return PoolSettings(
        name=generator.pool,
        generator=generator,
        replicas=resources.replicas,
        gpus_per_replica=ranks if use_gpu else 0,
        cpus_per_replica=resources.cpus_per_replica,
        min_replicas=resources.min_replicas or (resources.replicas + 1) // 2,
        cost=config.cost.model_dump(),
    )


def coordinator_settings(
    config: SolveConfig,
    kinds: tuple[str, ...],
    run_uri: str,
    use_gpu: bool,
    lean_workers: int = 0,
    context: int = 0,
) -> CoordinatorSettings:
    """`context` is the plan's: the model's context in tokens; 0: not known."""
    try:
        log = log_settings(run_uri, config.run.id)
    except ValueError as error:
        raise ConfigError(str(error))
    sampling, resources = config.sampling, config.resources
    pool = pool_settings(config, run_uri, use_gpu, log)
    return CoordinatorSettings(
        run_uri=run_uri,
        kinds=kinds,
        ledger=LedgerSettings(
            run_seed=config.run.seed,
            num_samples=sampling.num_samples,
            max_tokens=longest_sample(config, context or config.model.max_model_len or UNKNOWN_CONTEXT),
            repair_rounds=sampling.repair.rounds,
            repair_kinds=frozenset(sampling.repair.kinds),
            evidence_chars=sampling.repair.evidence_chars,
            check_attempts=config.verify.attempts,
        ),
        pools=(pool,),
        routes=(route_to_pool(pool.name, sampling.model_dump()),),
        budget=config.budget.model_dump(),
        verifier=verifier_settings(config, log, lean_workers),
        log=log,
        secrets=run_secrets(config, os.environ),
        cores=0 if use_gpu or config.ray.address else os.cpu_count() or 1,
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
