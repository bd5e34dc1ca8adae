"""The plan of a run: what will run where, whether it fits, how many samples to expect. Shown by `--dry-run`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from cluster.inventory import Ask, InventoryError, local_inventory, ray_inventory
from cluster.plan import Plan, PlanError, PlanRequest, make_plan
from jobs.config import ConfigError, SolveConfig
from jobs.model_path import read_model_config
from jobs.problems.load import ProblemSetSummary
from verifiers.lean.native.settings import NativeSettings
from verifiers.types import SettingsError
from workers.engines.base import EngineAbilityError, EngineSettings
from workers.engines.registry import open_engine
from workers.rollouts.registry import ROLLOUTS
from workers.sampling.registry import sample_bound

PROMPT_TOKENS = 1024
"""Tokens reserved for the prompt, beside `max_tokens`, when sequences are counted."""

ANSWER_TOKENS = 4096
"""Tokens reserved for an earlier answer in a repair round, where only its answer is shown."""
CHARS_PER_TOKEN = 2
"""Characters of a checker's finding per token. Programs and numbers have fewer than prose."""
TURN_TOKENS = 64
"""Tokens of a repair round beside answer and finding: its request, and the chat format's marks."""


def plan_run(config: SolveConfig, nodes: list[dict[str, Any]] | None = None, ask: Ask = lambda _: ()) -> Plan:
    """The plan on `nodes` (of `ray.nodes()`), or on this machine. `ask` reads the GPUs of a living node. Raises
    ConfigError with what would fit."""
    gpu_gib = config.resources.gpu_gib
    try:
        if nodes is None:
            inventory = local_inventory(config.ray.num_cpus, gpu_gib)
        else:
            inventory = ray_inventory(nodes, gpu_gib, ask)
    except InventoryError as error:
        raise ConfigError(f"no plan can be made: {error}")
    require_abilities(config)
    model = config.model
    request = PlanRequest(
        replicas=config.resources.replicas,
        tensor_parallel_size=model.tensor_parallel_size,
        data_parallel_size=int(model.engine_args.get("data_parallel_size", 1)),
        device=config.resources.device,
        dtype=model.dtype,
        quantization=model.quantization,
        kv_cache_dtype=str(model.engine_args.get("kv_cache_dtype", "auto")),
        weight_bytes=weight_bytes(model.path),
        max_model_len=model.max_model_len,
        max_num_seqs=model.max_num_seqs,
        tokens_per_sequence=sequence_tokens(config),
        gpu_memory_utilization=model.gpu_memory_utilization,
        cpu_kv_cache_bytes=int(model.cpu_kv_cache_gb * 2**30),
        cpus_per_replica=config.resources.cpus_per_replica,
        num_verifiers=config.verify.actors,
        cpus_per_verifier=config.resources.cpus_per_verifier,
        workers_per_verifier=config.verify.workers_per_actor,
        lean_worker_bytes=lean_worker_bytes(config),
        num_writers=config.resources.writers,
    )
    try:
        return make_plan(read_model_config(model.path, model.revision), request, inventory)
    except PlanError as error:
        raise ConfigError(str(error))


def sequence_tokens(config: SolveConfig) -> int:
    """The most tokens that a sample can hold: its prompt, the earlier turns that a repair round shows, and what is
    generated."""
    sampling, model = config.sampling, config.model
    shown = sampling.max_tokens
    if model.thinking and not model.keep_thought:
        shown = min(shown, ANSWER_TOKENS)
    turn = shown + -(-sampling.repair.evidence_chars // CHARS_PER_TOKEN) + TURN_TOKENS
    return PROMPT_TOKENS + sampling.repair.rounds * turn + sampling.max_tokens


def require_abilities(config: SolveConfig) -> None:
    """Raises ConfigError where the engine cannot do what the config asks for."""
    engine = open_engine(EngineSettings(**config.model.model_dump()))
    rollouts = [config.sampling.rollout, *(["repair"] if config.sampling.repair.rounds else [])]
    needs = config.sampling.parameters().needs().union(*(ROLLOUTS.row(name).needs for name in rollouts))
    try:
        engine.require(needs)
    except EngineAbilityError as error:
        able = ", ".join(sorted(engine.abilities)) or "nothing"
        raise ConfigError(
            f"model.engine = {config.model.engine!r}: {error}, which this config asks for; it can: {able}"
        )


def lean_worker_bytes(config: SolveConfig) -> int:
    """Memory of one worker of the native Lean engine; 0 where no project is configured. Raises ConfigError."""
    table = config.verify.lean
    if not table.get("project"):
        return 0
    try:
        settings = NativeSettings.read(table.get("native") or {})
    except SettingsError as error:
        raise ConfigError(str(error))
    limit = config.verify.limits.get("lean")
    if limit is not None and limit.memory_mb:
        settings = dataclasses.replace(settings, memory_mb=max(settings.memory_mb, int(limit.memory_mb)))
    return settings.worker_mb(bool(settings.repl)) << 20


def describe_plan(config: SolveConfig, problems: ProblemSetSummary, plan: Plan) -> str:
    sampling = config.sampling
    bound = sample_bound(sampling.model_dump())
    least, most = problems.num_problems * bound.least, problems.num_problems * bound.most * (1 + sampling.repair.rounds)
    expected = f"{most:,} samples" if least == most else f"{least:,} to {most:,} samples"
    policy = f"policy {sampling.policy}, {expected} of at most {sampling.max_tokens:,} tokens each"
    if bound.stops:
        policy += f"; a problem stops at {bound.stops}, at the latest after {bound.most:,} samples"
    repair = sampling.repair.rounds
    if repair and (needed := sequence_tokens(config)) > plan.max_model_len:
        policy += (
            f"\nnote: a sample of the last repair round may need {needed:,} tokens, and the context has "
            f"{plan.max_model_len:,}: a prompt that does not fit ends as cut off"
        )
    return f"{plan.describe()}\n{policy}"


def weight_bytes(path: str) -> int:
    """Size of a local checkpoint's weights; 0 where there is none."""
    folder = Path(path)
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) if folder.is_dir() else 0
