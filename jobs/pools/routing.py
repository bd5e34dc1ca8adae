"""Which pools a run uses, which routes lead to them, and which route a problem takes.

Promises: pure; the route of a problem follows from its kind, its domain and its meta alone, so that a resume sends it
the same way.
Does not: check the names (jobs.pools.checks does).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from jobs.pools.tables import Cascade, Route, Stage
from verifiers.types import Json

ONLY = "model"
"""Name of the pool of a config with `[model]` alone."""
CASCADE = "cascade"
"""Name of the cascade that stands as `[cascade]`."""


class Routed(Protocol):
    """The keys of a config that routes are made of."""

    @property
    def models(self) -> Mapping[str, Any]: ...
    @property
    def default_route(self) -> str: ...
    @property
    def routes(self) -> Sequence[Route]: ...
    @property
    def cascade(self) -> Cascade | None: ...
    @property
    def cascades(self) -> Mapping[str, Cascade]: ...


class RoutePlan(NamedTuple):
    """A way through the pools."""

    name: str
    """Name of the pool or the cascade."""
    stages: tuple[Stage, ...]
    """Empty for a plain pool, whose sampling says all."""

    @property
    def pools(self) -> tuple[str, ...]:
        """The pools in the order in which a problem reaches them."""
        return tuple(stage.model for stage in self.stages) or (self.name,)


def pool_names(config: Routed) -> list[str]:
    return list(config.models) or [ONLY]


def all_cascades(config: Routed) -> dict[str, Cascade]:
    """The cascades by name, that of `[cascade]` included."""
    return {**({CASCADE: config.cascade} if config.cascade else {}), **config.cascades}


def default_name(config: Routed) -> str:
    """Where problems go that no route fits; empty where the config does not say."""
    if config.default_route:
        return config.default_route
    if config.cascade:
        return CASCADE
    names = pool_names(config)
    return names[0] if len(names) == 1 else ""


def route_names(config: Routed) -> list[str]:
    """Where problems may go, the default first: the position of a name is the number of the route."""
    names = [default_name(config), *(route.use for route in config.routes)]
    return list(dict.fromkeys(name for name in names if name))


def route_table(config: Routed) -> tuple[RoutePlan, ...]:
    """The routes that lead somewhere, the default first."""
    cascades = all_cascades(config)
    return tuple(
        RoutePlan(name, tuple(cascades[name].stages) if name in cascades else ()) for name in route_names(config)
    )


def route_of(config: Routed, kind: str, domain: str, meta: Mapping[str, Json]) -> int:
    """The number of the route that a problem takes: that of the first that fits, or the default."""
    fitting = next((route for route in config.routes if route.when.fits(kind, domain, meta)), None)
    return route_names(config).index(fitting.use) if fitting else 0


def used_pools(config: Routed) -> list[str]:
    """The pools that some route leads to, in the order of the file. Others are not started."""
    reached = {name for route in route_table(config) for name in route.pools}
    return [name for name in pool_names(config) if name in reached]
