"""The sampling that a model's makers publish with it, as defaults, and where each value of a run came from.

A model's generation_config.json lies below a preset, the config file and `--set`, and above the engine's own defaults
(jobs.layers). vLLM's server takes the same keys from it.

Promises: the values are read once, at the first start of a run, and kept in its record, so that a resume draws with the
same ones whatever became of the file. A file that cannot be read is named in the plan; a value that is out of range is
an error.
Does not: read `do_sample` (as vLLM does not), or the ids of the tokens that end a sample (vLLM reads them itself).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from jobs.config import ConfigError, Sampling, SolveConfig, validate
from jobs.model_path import hub_file, is_hub_id
from jobs.pools.checks import is_remote
from jobs.pools.routing import ONLY
from verifiers.types import Json
from workers.engines.base import FURTHER, SamplingOverrides, SamplingParameters

FILE = "generation_config.json"
KEYS = {
    **{name: name for name in ("temperature", "top_p", "top_k", "min_p")},
    **{name: name for name in ("presence_penalty", "frequency_penalty", "repetition_penalty")},
    "max_new_tokens": "max_tokens",
}
"""Key of a generation_config.json → key of `[sampling]`."""
SHOWN = ("temperature", "top_p", "top_k", "min_p", "max_tokens")
"""Keys that the plan always shows; others are shown where they do something."""
ENGINE_DEFAULT = "the engine's default"
OWN_DEFAULT = "Proofmill's default"


class Published(NamedTuple):
    """What the makers of a model recommend."""

    values: dict[str, Json]
    """By key of `[sampling]`."""
    place: str = ""
    """The file, as people read it."""
    unknown: str = ""
    """Why the file could not be read, where that is not because there is none."""


NOTHING = Published({})


def with_published(config: SolveConfig, record: Mapping[str, Json] | None = None) -> tuple[SolveConfig, Published]:
    """`config` with the published values for the keys that it leaves open, and these values. `record` is that of a run
    that has begun: its own values are used again. Raises ConfigError for values that cannot be used."""
    published = read_published(config) if record is None else stored_published(record)
    checked = validate(SamplingParameters, published.values, published.place)
    taken = {name: getattr(checked, name) for name in published.values if not config.origin("sampling", name)}
    if not taken:
        return config, published
    changed = config.model_copy(update={"sampling": config.sampling.model_copy(update=taken)})
    return changed.with_origins({f"sampling.{name}": published.place for name in taken}), published


def settle_pools(
    config: SolveConfig, record: Mapping[str, Json] | None = None
) -> tuple[SolveConfig, dict[str, Published]]:
    """`with_published` for every pool: the config whose pools have the published values, and these values by pool.
    Raises ConfigError."""
    if not config.models:
        if is_remote(config.model):
            return config, {ONLY: NOTHING}
        changed, published = with_published(config, record)
        return changed, {ONLY: published}
    stored = None if record is None else record.get("published_by_pool", {})
    found: dict[str, Published] = {}
    origins: dict[str, str] = {}
    samplings: dict[str, Sampling] = {}
    for name, pool in config.pools().items():
        if is_remote(pool.model):
            found[name] = NOTHING
            continue
        own = None if stored is None else {"published": stored.get(name)}
        settled, found[name] = with_published(pool, own)
        samplings[name] = settled.sampling
        origins |= {
            f"models.{name}.sampling.{key}": found[name].place
            for key in found[name].values
            if not pool.origin("sampling", key)
        }
    return config.with_sampling(samplings).with_origins(origins), found


def to_record(published: Mapping[str, Published]) -> dict[str, Json]:
    """The published values as `run.json` keeps them, for a resume."""
    if set(published) == {ONLY}:
        return {"published": {"values": published[ONLY].values, "place": published[ONLY].place}}
    return {
        "published_by_pool": {name: {"values": each.values, "place": each.place} for name, each in published.items()}
    }


def stored_published(record: Mapping[str, Json]) -> Published:
    """The published values that a run began with; a run of an older version began with none."""
    stored = record.get("published") or {}
    return Published(dict(stored.get("values", {})), stored.get("place", ""))


def read_published(config: SolveConfig) -> Published:
    """Reads the model's generation_config.json from its folder, the hub's cache or the hub. Raises ConfigError for a
    file that is there and says nothing sensible."""
    path, revision = config.model.path, config.model.revision
    if Path(path).is_dir():
        file = Path(path) / FILE
        return read_file(file, f"{path.rstrip('/')}/{FILE}") if file.is_file() else NOTHING
    if config.model.engine != "vllm" or not is_hub_id(path):
        return NOTHING
    from huggingface_hub.errors import EntryNotFoundError

    place = f"{FILE} of {path}"
    try:
        return read_file(Path(hub_file(path, revision, FILE)), place)
    except ConfigError:
        raise
    except EntryNotFoundError as error:
        # The hub says that there is none. A cache that has none only says so where it was asked for one.
        offline = type(error).__name__ == "LocalEntryNotFoundError"
        return Published({}, place, "not in the hub's cache on this machine") if offline else NOTHING
    except Exception as error:  # the hub's library raises its own, those of its HTTP client, and OSError
        return Published({}, place, type(error).__name__)


def read_file(file: Path, place: str) -> Published:
    """Raises ConfigError."""
    try:
        content = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{place}: not readable as JSON: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{place}: expected a JSON object")
    values = {ours: content[theirs] for theirs, ours in KEYS.items() if content.get(theirs) is not None}
    if values.get("top_k") == 0:  # no filter, in the words of transformers
        values["top_k"] = -1
    return Published(values, place)


def describe_sampling(config: SolveConfig, published: Published = NOTHING) -> list[str]:
    """Each value of the sampling and where it came from: lines for the plan."""
    lines = [f"sampling: {grouped(origins_of(config))}"]
    for kind, overrides in config.sampling.by_kind.items():
        names = [name for name in SamplingOverrides.model_fields if getattr(overrides, name) is not None]
        given = [
            (name, getattr(overrides, name), config.origin("sampling", f"by_kind.{kind}.{name}")) for name in names
        ]
        if given:
            origin = config.origin("sampling", "by_kind")
            lines.append(
                f"sampling of {kind}: {grouped((name, value, found or origin) for name, value, found in given)}"
            )
    if published.unknown:
        lines.append(f"{published.place} could not be read ({published.unknown}), so nothing of it is used")
    return lines


def describe_model(config: SolveConfig) -> list[str]:
    """The keys of the model that something sets, each with where its value came from: a line for the plan."""
    names = [name for name in type(config.model).model_fields if name not in ("path", "preset")]
    given = [(name, getattr(config.model, name), config.origin("model", name)) for name in names]
    text = grouped([(name, value, origin) for name, value, origin in given if origin])
    return [f"settings: {text}"] if text else []


def origins_of(config: SolveConfig) -> Iterator[tuple[str, Json, str]]:
    """Key, value and origin of what `describe_sampling` shows."""
    sampling = config.sampling
    for name in (*SHOWN, "stop", *FURTHER):
        value = getattr(sampling, name)
        is_default = value == SamplingParameters.model_fields[name].default
        origin = config.origin("sampling", name)
        if name in SHOWN or not is_default:
            yield name, value, origin or (OWN_DEFAULT if name == "max_tokens" else ENGINE_DEFAULT)


def grouped(values: Iterator[tuple[str, Json, str]] | list[tuple[str, Json, str]]) -> str:
    """`a 1, b 2 (from here); c 3 (from there)`."""
    by_origin: dict[str, list[str]] = {}
    for name, value, origin in values:
        by_origin.setdefault(origin, []).append(f"{name} {shown(name, value)}")
    return "; ".join(f"{', '.join(texts)} ({origin})" for origin, texts in by_origin.items())


def shown(name: str, value: Json) -> str:
    """A value as people read it."""
    if name in ("max_tokens", "thinking_tokens"):
        return f"{value:,}" if value else "as many as the context allows" if name == "max_tokens" else "without a bound"
    if name == "loop":
        return f"of up to {value.size:,} tokens, {value.count} times" if value.size else "none"
    if isinstance(value, tuple):
        return json.dumps(list(value), ensure_ascii=False)
    return f"{value:g}" if isinstance(value, float) else str(value)
