"""The plan of a run: what will run where, whether it fits, how many samples to expect. Shown by `--dry-run`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from cluster.inventory import Ask, Inventory, InventoryError, local_inventory, ray_inventory
from cluster.named_hardware import assumed, named_inventory
from cluster.plan import Plan, PlanError, PlanRequest, make_plan
from cluster.pools import PoolRequest, usable
from jobs.config import ConfigError, SolveConfig
from jobs.model_path import read_model_config
from jobs.presets import load_preset
from jobs.problems.load import ProblemSetSummary
from jobs.solve.adapter import check_adapter
from jobs.solve.published import NOTHING, Published, describe_sampling
from jobs.solve.settings import bounds_thoughts, longest_sample
from jobs.solve.variants import describe_variants, require_different
from runstore.sizes import BATCHED_TOKENS
from verifiers.lean.native.settings import NativeSettings
from verifiers.types import SettingsError
from workers.engines.base import Ability, EngineAbilityError, EngineSettings
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


@dataclasses.dataclass(frozen=True, slots=True)
class Where:
    """What is planned for, and what the plan may be made from."""

    nodes: list[dict[str, Any]] | None = None
    """Nodes of `ray.nodes()`; None = this machine."""
    ask: Ask = lambda _: ()
    """Reads the GPUs of a living node."""
    named: str = ""
    """Hardware by its name (cluster.named_hardware), in place of nodes and of this machine."""
    from_shape: bool = False
    """Whether the `[shape]` of a preset may stand for a config.json that cannot be read. A dry-run may, a run not."""

    def inventory(self, config: SolveConfig) -> Inventory:
        """Raises InventoryError."""
        gpu_gib = config.resources.gpu_gib
        if self.named:
            return named_inventory(self.named, gpu_gib)
        if self.nodes is None:
            return local_inventory(config.ray.num_cpus, gpu_gib)
        return ray_inventory(self.nodes, gpu_gib, self.ask)


HERE = Where()


def plan_run(config: SolveConfig, nodes: list[dict[str, Any]] | None = None, where: Where = HERE) -> Plan:
    """The plan of a run with one model on `nodes`, or on what `where` says. Raises ConfigError with what would fit."""
    where = where if nodes is None else dataclasses.replace(where, nodes=nodes)
    inventory = open_inventory(config, where)
    require_abilities(config)
    require_different(config)
    pool, notes = pool_to_plan(config, where, inventory)
    try:
        plan = make_plan(pool.model, pool.request, usable(inventory, pool))
    except PlanError as error:
        raise ConfigError("\n".join([str(error), *(f"note: {note}" for note in notes)]))
    return dataclasses.replace(plan, notes=(*notes, *plan.notes))


def open_inventory(config: SolveConfig, where: Where) -> Inventory:
    """Raises ConfigError."""
    try:
        return where.inventory(config)
    except InventoryError as error:
        raise ConfigError(f"no plan can be made: {error}")


def pool_to_plan(
    config: SolveConfig, where: Where, inventory: Inventory, name: str = ""
) -> tuple[PoolRequest, list[str]]:
    """What is planned for one model, and what the user should know of it. `name` is that of its `[models.NAME]`. Raises
    ConfigError."""
    model = config.model
    request = PlanRequest(
        pool=name,
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
        batched_tokens=int(model.engine_args.get("max_num_batched_tokens", BATCHED_TOKENS)),
        tokens_per_sequence=tokens_per_sequence(config),
        gpu_memory_utilization=model.gpu_memory_utilization,
        cpu_kv_cache_bytes=int(model.cpu_kv_cache_gb * 2**30),
        cpus_per_replica=config.resources.cpus_per_replica,
        **of_verifiers(config),
    )
    model_config, notes = model_to_plan(config, where.from_shape)
    if model.lora:
        check_adapter(model.lora, model.path, model_config)
    notes += [f"planned for {where.named} by its name; {assumed(inventory)}"] if where.named else []
    return PoolRequest(name, model_config, request, config.resources.accelerator_type), notes


def of_verifiers(config: SolveConfig) -> dict[str, Any]:
    """The fields of a PlanRequest that are about verifiers and writers. Raises ConfigError."""
    return {
        "num_verifiers": config.verify.actors,
        "cpus_per_verifier": config.resources.cpus_per_verifier,
        "workers_per_verifier": config.verify.workers_per_actor,
        "lean_worker_bytes": lean_worker_bytes(config),
        "num_writers": config.resources.writers,
    }


def model_to_plan(config: SolveConfig, from_shape: bool) -> tuple[dict[str, Any], list[str]]:
    """The model's config.json, or what the preset has of it, and what the user should know of that. Raises
    ConfigError."""
    model = config.model
    preset = load_preset(model.preset) if model.preset else None
    notes = []
    if preset and preset.remote_code:
        version = f" at {model.revision}" if model.revision else ""
        notes.append(f"code of {model.path}{version} runs in every engine: {preset.remote_code}")
    try:
        return read_model_config(model.path, model.revision), notes
    except ConfigError as error:
        if not from_shape or not preset:
            raise ConfigError(str(error).replace("model.path", config.key("model.path"), 1)) from None
    notes.append(
        f"the config.json of {model.path} cannot be read here; planned from the [shape] of the preset {preset.name} "
        f"({preset.shape_source})"
    )
    return dict(preset.shape), notes


def tokens_per_sequence(config: SolveConfig) -> int:
    """The most tokens that a sample can hold: its prompt, the earlier turns that a repair round shows, and what is
    generated; 0 = as many as the context has."""
    longest, model, repair = longest_sample(config), config.model, config.sampling.repair
    if not longest:
        return 0
    shown = min(longest, ANSWER_TOKENS) if model.thinking and not model.keep_thought else longest
    turn = shown + -(-repair.evidence_chars // CHARS_PER_TOKEN) + TURN_TOKENS
    return PROMPT_TOKENS + repair.rounds * turn + longest


def require_abilities(config: SolveConfig) -> None:
    """Raises ConfigError where the engine cannot do what the config asks for."""
    if bounds_thoughts(config) and not config.model.thinking:
        raise ConfigError(
            "sampling.thinking_tokens: a thought can be bounded only where its marks are known: set "
            f"{config.key('model.thinking')} to the model's style of thoughts (docs/thoughts.md), or leave "
            "thinking_tokens at 0"
        )
    engine = open_engine(EngineSettings(**config.model.of_engine(), thinking_budget=bounds_thoughts(config)))
    rollouts = [config.sampling.rollout, *(["repair"] if config.sampling.repair.rounds else [])]
    needs = frozenset[Ability]().union(
        *(parameters.needs() for parameters in config.sampling.every_parameters()),
        *(ROLLOUTS.row(name).needs for name in rollouts),
        {Ability.OUTPUT_IDS} if config.output.tokens != "none" else (),
        {Ability.LOGPROBS} if config.output.tokens == "ids+logprobs" else (),
    )
    try:
        engine.require(needs)
    except EngineAbilityError as error:
        able = ", ".join(sorted(engine.abilities)) or "nothing"
        raise ConfigError(
            f"{config.key('model.engine')} = {config.model.engine!r}: {error}, which this config asks for; it can: "
            f"{able}"
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


def describe_plan(config: SolveConfig, problems: ProblemSetSummary, plan: Plan, published: Published = NOTHING) -> str:
    """The plan for people: what runs where, how many samples, and where the sampling's values came from."""
    sampling = config.sampling
    bound = sample_bound(sampling.model_dump())
    least, most = problems.num_problems * bound.least, problems.num_problems * bound.most * (1 + sampling.repair.rounds)
    expected = f"{most:,} samples" if least == most else f"{least:,} to {most:,} samples"
    longest = longest_sample(config)
    length = f"at most {longest:,} tokens each" if longest else "as many tokens as the context allows"
    policy = f"policy {sampling.policy}, {expected} of {length}"
    if bound.stops:
        policy += f"; a problem stops at {bound.stops}, at the latest after {bound.most:,} samples"
    lines = [plan.describe(), policy, *describe_sampling(config, published), *describe_variants(config)]
    repair, needed = sampling.repair.rounds, tokens_per_sequence(config)
    if repair and needed > plan.max_model_len:
        lines.append(
            f"note: a sample of the last repair round may need {needed:,} tokens, and the context has "
            f"{plan.max_model_len:,}: a prompt that does not fit ends as cut off"
        )
    return "\n".join(lines)


def weight_bytes(path: str) -> int:
    """Size of a local checkpoint's weights; 0 where there is none."""
    folder = Path(path)
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) if folder.is_dir() else 0
