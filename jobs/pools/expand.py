"""What each `[models.NAME]` leaves open and takes from elsewhere: its preset, and the tables that all pools share.

The layers of a pool, from the weakest to the strongest: its preset, the file's `[sampling]`, `[prompt]`, `[resources]`
and `[cost]`, and the pool's own `[models.NAME.sampling]` and so on.

Promises: pure; the given table is never changed. Expanding an expanded table changes nothing, so a stored config means
the same again.
Does not: check any value (jobs.config does that with the expanded table).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jobs.layers import FILE, Layer, merge_layers
from jobs.presets import Preset, PresetError, preset_of
from jobs.sections import ConfigError
from verifiers.types import Json
from workers.engines.endpoint import REMOTE

POOL_RESOURCES = ("replicas", "cpus_per_replica", "accelerator_type", "min_replicas", "device")
"""Keys of `[resources]` that each pool has for itself."""
SHARED: Mapping[str, tuple[str, ...] | None] = {
    "sampling": None,
    "prompt": None,
    "resources": POOL_RESOURCES,
    "cost": None,
}
"""Section that pools take from → its keys that they take; None = all."""


def pool_tables(table: Mapping[str, Json]) -> dict[str, Mapping[str, Json]]:
    """`[models.NAME]` by name, those that are no tables left out: another check reports them."""
    models = table.get("models")
    if not isinstance(models, Mapping):
        return {}
    return {str(name): own for name, own in models.items() if isinstance(own, Mapping)}


def over_presets(table: Mapping[str, Json], where: str) -> tuple[dict[str, Json], dict[str, str]]:
    """The whole table over the presets that its models name, and the layer that each key is from. Raises ConfigError
    for a preset that cannot be used; `where` names the file."""
    key = "model.preset"
    presets: dict[str, Preset] = {}
    try:
        alone = preset_of(table)
        for name, own in pool_tables(table).items():
            key = f"models.{name}.preset"
            if found := preset_of({"model": own}):
                presets[name] = found
    except PresetError as error:
        raise ConfigError(f"{where}: {key}: {error}") from None
    model = table.get("model")
    below = [Layer(f"the preset {alone.name}", _values(alone, model))] if alone else []
    merged, origins = merge_layers([*below, Layer(FILE, table)])
    expanded, of_pools = expand_pools(merged, presets)
    return expanded, {**origins, **of_pools}


def expand_pools(
    table: Mapping[str, Json], presets: Mapping[str, Preset] | None = None
) -> tuple[dict[str, Json], dict[str, str]]:
    """The table with every pool's tables in full, and where each key of a pool is from that no shared table gave:
    `models.small.sampling.top_p` → `the preset …`. `presets` are by name of the pool."""
    pools = pool_tables(table)
    if not pools:
        return dict(table), {}
    origins: dict[str, str] = {}
    expanded: dict[str, Any] = {}
    for name, own in pools.items():
        preset = (presets or {}).get(name)
        layers = [Layer(f"the preset {preset.name}", _of_preset(preset, own))] if preset else []
        layers += [Layer("", _shared(table, own)), Layer(FILE, own)]
        expanded[name], places = merge_layers(layers)
        origins |= {f"models.{name}.{place}": layer for place, layer in places.items() if layer}
    return {**table, "models": {**table["models"], **expanded}}, origins


def _values(preset: Preset, model: Json) -> dict[str, Mapping[str, Any]]:
    """What a preset sets for a model. Of a model at an endpoint it says how it samples and how it marks its thoughts;
    how it is loaded is the matter of the endpoint's server, and so are arguments of its chat format where the config
    does not say that the server takes them."""
    if not isinstance(model, Mapping) or model.get("engine") != REMOTE:
        return dict(preset.values)
    kept = {"thinking", "keep_thought", "max_model_len"} | ({"chat_template_kwargs"} if "server" in model else set())
    keys = {key: value for key, value in preset.values.get("model", {}).items() if key in kept}
    return {
        section: keys if section == "model" else preset.values[section]
        for section in preset.values
        if section != "resources"
    }


def _of_preset(preset: Preset, model: Mapping[str, Json]) -> dict[str, Any]:
    """A preset as the table of a pool has it: its `[model]` keys stand at the top."""
    values = {section: dict(keys) for section, keys in _values(preset, model).items()}
    return {**values.pop("model", {}), **values}


def _shared(table: Mapping[str, Json], own: Mapping[str, Json]) -> dict[str, Any]:
    """What the shared tables give this pool."""
    found: dict[str, Any] = {}
    for section, keys in SHARED.items():
        general = table.get(section)
        if isinstance(general, Mapping) and isinstance(own.get(section, {}), Mapping):
            found[section] = {key: value for key, value in general.items() if keys is None or key in keys}
    sampling = own.get("sampling")
    if isinstance(sampling, Mapping) and "policy" in sampling and "sampling" in found:
        found["sampling"].pop("policy_args", None)  # those of another policy
    return found


def origins_of(name: str, origins: Mapping[str, str]) -> dict[str, str]:
    """The origins of one pool's keys, under the names that they have where one model stands alone: from
    `models.small.path` to `model.path`. What the pool does not set is from the shared tables."""
    head = f"models.{name}."
    sections = tuple(f"{section}." for section in SHARED)
    found = {place: layer for place, layer in origins.items() if not place.startswith("models.")}
    for place, layer in origins.items():
        if place.startswith(head):
            own = place.removeprefix(head)
            found[own if own.startswith(sections) else f"model.{own}"] = layer
    return found
