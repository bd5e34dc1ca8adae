"""What may be wrong between the tables of a config: pools, routes and cascades that do not go together.

Promises: every fault is one line, `key: what is wrong; what would be right`, and all are reported at once. A name that
is not known is told with the nearest one that is.
Does not: look at a single value (pydantic does, in the tables) or at the cluster.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from jobs.pools.expand import pool_tables
from jobs.pools.routing import (
    CASCADE,
    Routed,
    all_cascades,
    default_name,
    pool_names,
    route_names,
    route_table,
)
from jobs.pools.tables import Cascade
from jobs.presets import PresetError, check_remote_code, load_preset
from verifiers.registry import meant
from verifiers.types import Json


class Checkable(Routed, Protocol):
    """A config whose tables are compared."""

    @property
    def audit(self) -> float: ...
    @property
    def budget(self) -> Any: ...
    def pools(self) -> Mapping[str, Any]: ...


def table_faults(table: Mapping[str, Json]) -> Iterator[str]:
    """Faults of the file as it is, before any value is read."""
    has_models = bool(pool_tables(table))
    if "model" not in table and not has_models:
        yield "model: missing"
    if table.get("model") is not None and has_models:
        yield "models: [model] and [models.NAME] both stand here; name the model of [model] too: [models.NAME]"
    for name, own in pool_tables(table).items():
        sampling = own.get("sampling")
        if isinstance(sampling, Mapping) and isinstance(table.get("sampling"), Mapping | None):
            general = table.get("sampling") or {}
            for key in ONE_FOR_ALL:
                if key in sampling and sampling[key] != general.get(key):
                    yield f"models.{name}.sampling.{key}: is one for all pools; set sampling.{key}"


def misplaced_override(table: Mapping[str, Json], overrides: Iterable[str]) -> str:
    """What is wrong with a `--set` of a key of `[model]` where the file has `[models.NAME]`, or of a key of a model
    that the file does not have; empty if nothing is. A new model is one whose path, preset or base_url is set too."""
    names = list(pool_tables(table))
    keys = [override.partition("=")[0].strip() for override in overrides]
    for key in keys:
        section, _, rest = key.partition(".")
        name = rest.partition(".")[0]
        is_new = any(f"models.{name}.{own}" in keys for own in ("path", "preset", "base_url"))
        if names and section == "models" and "." in rest and name not in names and not is_new:
            return f"--set {key}: {unknown(name, 'model', names)}"
        if names and table.get("model") is None and section == "model":
            own = key.partition(".")[2]
            right = " or ".join(f"models.{name}.{own}" if own else f"models.{name}" for name in names)
            return f"--set {key}: there is no [model] here, but {told_models(names)}; set {right}"
    return ""


def told_models(names: Sequence[str]) -> str:
    """Several models in words: `2 models (small, large)`."""
    return f"{len(names)} model{'s' if len(names) > 1 else ''} ({', '.join(names)})"


ONE_FOR_ALL = ("repair", "distinct", "estimates")
"""Keys of `[sampling]` that mean the same for every sample of a problem, whichever pool draws it."""


def pool_faults(config: Checkable, table: Mapping[str, Json]) -> Iterator[str]:
    """Faults between the tables. `table` is the file as it is: it tells a key that was given from a default."""
    wrong = [*cascade_faults(config), *route_faults(config)]
    yield from wrong
    if wrong:
        return  # what follows needs routes that lead somewhere
    yield from num_samples_faults(config, table)
    yield from twin_faults(config)
    yield from price_faults(config)
    yield from remote_code_faults(config)
    if config.audit and all(len(route.stages) < 2 for route in route_table(config)):
        yield (
            f"audit: {config.audit:g} of the problems would go through all stages of their cascade, and no route "
            "leads to a cascade of two stages; leave audit at 0"
        )


def cascade_faults(config: Routed) -> Iterator[str]:
    """Cascades whose names or stages cannot be."""
    pools, cascades = pool_names(config), all_cascades(config)
    if config.cascade and CASCADE in config.cascades:
        yield f"cascades.{CASCADE}: stands as [{CASCADE}] already; choose another name"
    for name in cascades:
        if name in pools:
            place = f"cascades.{name}" if name in config.cascades else CASCADE
            yield f"{place}: a model has the name {name} too, and a route could not tell them apart"
    for name, cascade in cascades.items():
        place = f"cascades.{name}" if name in config.cascades else name
        seen: dict[str, int] = {}
        for number, stage in enumerate(cascade.stages):
            key = f"{place}.stages.{number}.model"
            if stage.model in pools:
                if stage.model in seen:
                    yield (
                        f"{key}: a cycle: {stage.model} is stage {seen[stage.model]} already, and a cascade does "
                        f"not go back; give stage {seen[stage.model]} more samples"
                    )
                seen.setdefault(stage.model, number)
            elif stage.model in cascades:
                circle = cycle(name, cascades)
                what = f"a cycle of cascades: {' → '.join(circle)}" if circle else f"{stage.model} is a cascade"
                yield f"{key}: {what}; a stage is a model: {', '.join(pools)}"
            else:
                yield f"{key}: {unknown(stage.model, 'model', pools)}"


def cycle(start: str, cascades: Mapping[str, Cascade]) -> list[str]:
    """The way from a cascade back to itself, where there is one."""
    ways = [[start]]
    seen: set[str] = set()
    while ways:
        way = ways.pop(0)
        for stage in cascades[way[-1]].stages:
            if stage.model == start:
                return [*way, start]
            if stage.model in cascades and stage.model not in seen:
                seen.add(stage.model)
                ways.append([*way, stage.model])
    return []


def route_faults(config: Routed) -> Iterator[str]:
    """Routes that lead nowhere, and problems without a route."""
    pools, cascades = pool_names(config), all_cascades(config)
    places = [*pools, *cascades]
    if config.default_route and config.default_route not in places:
        yield f"default_route: {unknown(config.default_route, 'model or cascade', places)}"
    open_route = ""
    for number, route in enumerate(config.routes):
        if route.use not in places:
            yield f"routes.{number}.use: {unknown(route.use, 'model or cascade', places)}"
        if open_route:
            yield f"routes.{number}: is never reached, because {open_route} has no `when` and takes every problem"
        open_route = open_route or (f"routes.{number}" if route.when.is_open() else "")
    if config.cascade and (config.routes or config.default_route or config.cascades):
        other = "default_route" if config.default_route else "[[routes]]" if config.routes else "[cascades.NAME]"
        yield (
            f"{CASCADE}: all problems take [{CASCADE}], so {other} has no place beside it; name it [cascades.NAME] and "
            "set default_route"
        )
    elif config.routes and not config.default_route:
        yield (
            "default_route: missing: with [[routes]] it names the model or cascade of the problems that no route fits, "
            f'for instance default_route = "{places[0]}" at the top of the file'
        )
    elif not default_name(config) or (config.cascades and not config.default_route):
        given = f"{len(pools)} models" if len(pools) > 1 else f"{len(cascades)} cascades"
        yield (
            f"default_route: missing: {given} stand here ({', '.join(pools if len(pools) > 1 else cascades)}), and "
            "nothing says which problems take which: set default_route, or add [[routes]] or a [cascade]"
        )


def num_samples_faults(config: Routed, table: Mapping[str, Json]) -> Iterator[str]:
    """`num_samples` where every problem gets the samples of its stages."""
    cascades = all_cascades(config)
    plain = [name for name in route_names(config) if name not in cascades]
    if not set(route_names(config)) & set(cascades):
        return
    why = "has no effect: the stages of a cascade have `samples` of their own; take it out"
    if not plain and _gives(table, "sampling", "num_samples"):
        yield f"sampling.num_samples: {why}, or route problems to a plain model"
    for name, own in pool_tables(table).items():
        if name not in plain and _gives(own, "sampling", "num_samples"):
            yield f"models.{name}.sampling.num_samples: {why}, or route problems to {name} alone"


def _gives(table: Mapping[str, Json], section: str, key: str) -> bool:
    return isinstance(table.get(section), Mapping) and key in table[section]


def twin_faults(config: Checkable) -> Iterator[str]:
    """Pools that differ in nothing, and would load the same model twice."""
    pools = {name: pool for name, pool in config.pools().items() if not is_remote(pool.model)}
    for (first, one), (second, other) in itertools.combinations(pools.items(), 2):
        if (one.model, one.sampling, one.prompt) == (other.model, other.sampling, other.prompt):
            yield (
                f"models.{second}: is models.{first} again, with the same model, sampling and prompt, and would be "
                f"loaded twice; use {first} in both places, or say what differs"
            )


def price_faults(config: Checkable) -> Iterator[str]:
    """Pools without a price under a ceiling in dollars, which could never be noticed."""
    if not config.budget.usd:
        return
    for name, pool in config.pools().items():
        place = f"models.{name}.cost" if config.models else "cost"
        missing = missing_prices(pool)
        if missing:
            yield (
                f"{place}.{missing[0]}: missing: budget.usd = {config.budget.usd:g} is a ceiling in dollars, and it "
                f"needs the price of every model; set {' and '.join(f'{place}.{key}' for key in missing)}"
            )


def missing_prices(pool: Any) -> list[str]:
    """The keys of the pool's `[cost]` without which its dollars cannot be told."""
    cost = pool.cost
    wanted: tuple[str, ...]
    if is_remote(pool.model):
        wanted = ("usd_per_million_input_tokens", "usd_per_million_output_tokens")
        return [key for key in wanted if not getattr(cost, key)]
    by_device = {"gpu": ("usd_per_gpu_hour",), "cpu": ("usd_per_cpu_hour",)}
    wanted = by_device.get(pool.resources.device, ("usd_per_gpu_hour", "usd_per_cpu_hour"))
    return [] if any(getattr(cost, key) for key in wanted) else [wanted[0]]


def remote_code_faults(config: Checkable) -> Iterator[str]:
    """Models whose preset needs code of their folder that the config does not allow."""
    for pool in config.pools().values():
        model = pool.model
        try:
            if model.preset and not is_remote(model):
                check_remote_code(load_preset(model.preset), model.path, model.revision, model.trust_remote_code)
        except PresetError as error:
            yield f"{pool.key('model.preset')}: {error}"


def is_remote(model: Any) -> bool:
    """Whether the model's engine is an endpoint somewhere else, which needs no GPU here."""
    return bool(getattr(model, "is_remote", False))


def unknown(name: str, what: str, known: Iterable[str]) -> str:
    """The error text for a name that is not known."""
    known = list(known)
    return f"{name!r} is no {what} here{meant(name, known)}; known: {', '.join(known)}"
