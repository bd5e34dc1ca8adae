"""The nightly's configuration (TOML): problem sets × models, what to spend where, and what counts as a regression."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import pydantic

from jobs.config import (
    ConfigError,
    ConfigFile,
    Notify,
    NotNegative,
    Positive,
    PositiveFloat,
    Section,
    SolveConfig,
    check_config,
    merge_overrides,
    read_toml,
    validate,
)
from jobs.nightly.budgets import resolved_presets
from jobs.pools.expand import SHARED
from jobs.solve.published import settle_pools
from verifiers.types import Json

Name = Annotated[str, pydantic.Field(pattern=r"^[a-z0-9][a-z0-9_]{0,39}$")]
"""Lower case, digits and underscores: names become parts of run ids, joined by dashes."""
Fraction = Annotated[float, pydantic.Field(ge=0, le=1)]


class Nightly(Section):
    name: Name = "nightly"
    output_uri: str
    """Runs go to `<output_uri>/runs`, history to `<output_uri>/nightly/<name>`."""
    time_zone: str = "UTC"
    """Time zone of `starts_at` and of a night's date."""
    starts_at: Annotated[str, pydantic.Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "01:00"
    """When `--daemon` starts a night. A start by hand before this hour still belongs to the night before."""
    catch_up: NotNegative = 1
    """Number of missed nights that a later start makes up for; the newest ones are kept."""
    keep_nights: NotNegative = 0
    """Nights after which a run is deleted; its history stays. 0 = keep all."""
    longest_first: bool = True
    """Start with the problems whose samples were longest on earlier nights, so that none of them is left to run alone
    at the end. The order changes no sample and no estimate; policy `adaptive` goes by its own ranking instead."""
    lease_s: PositiveFloat = 60.0


class Leg(Section):
    """One problem set with one model."""

    name: Name
    config: str
    """A `proofmill solve` config, relative to this file."""
    overrides: list[str] = pydantic.Field(default_factory=list)
    """Changes to that config, as with `--set` of `proofmill solve`: another model or other sampling, for instance."""


class Regression(Section):
    """Problems solved on earlier nights: a few of them are checked again."""

    problems: NotNegative = 50
    num_samples: NotNegative = 0
    """Samples per problem; 0 = as in the leg's config."""


class NearMiss(Section):
    """Problems lost since, or that ended mostly cut off, unreadable or undecided. They get a bigger budget."""

    samples_factor: PositiveFloat = 2.0
    tokens_factor: PositiveFloat = 2.0
    repair_rounds: NotNegative = 0
    overrides: list[str] = pydantic.Field(default_factory=list)
    """Further changes to the leg's config, as with `--set`: another model, for instance."""


class Hopeless(Section):
    """Problems without a verified sample for long. They rest, longer each time."""

    after_nights: Positive = 3
    after_samples: Positive = 24
    rest_nights: Positive = 7
    max_rest_nights: Positive = 56


class Bounds(Section):
    """A regression is a change beyond these, and beyond chance at `alpha`."""

    alpha: Annotated[float, pydantic.Field(gt=0, lt=0.5)] = 0.01
    max_pass_rate_drop: Fraction = 0.02
    """Allowed drop of the mean pass rate over the problems that both nights tried."""
    max_lost: Fraction = 0.05
    """Allowed share of problems that were solved before and were tried and not solved tonight."""
    max_worse_problems: NotNegative = 0
    """Allowed number of problems whose own pass rate fell, after correction for the number of problems."""
    max_cost_increase: Annotated[float, pydantic.Field(ge=0)] = 0.5
    """Allowed growth in tokens per sample; 0.5 = 50 % more."""
    max_slowdown: Annotated[float, pydantic.Field(ge=0)] = 1.0
    """Allowed growth in seconds of generation per token; 1.0 = twice as slow."""


class NightlyConfig(ConfigFile):
    nightly: Nightly
    legs: Annotated[list[Leg], pydantic.Field(min_length=1)]
    regression: Regression = Regression()
    near_miss: NearMiss = NearMiss()
    hopeless: Hopeless = Hopeless()
    bounds: Bounds = Bounds()
    notify: list[Notify] = pydantic.Field(default_factory=list)
    """Receivers of what becomes of a night: done, failed, regression; `stalled` of any of its runs."""


def load_nightly_config(
    path: str | Path, overrides: Iterable[str] = ()
) -> tuple[NightlyConfig, dict[str, SolveConfig]]:
    """The config and the checked solve config of every leg. Raises ConfigError that lists every fault."""
    path = Path(path)
    table = merge_overrides(read_toml(path), overrides)
    if is_solve_config(table):
        raise ConfigError(told_solve_config(path))
    config = validate(NightlyConfig, table, str(path))
    try:
        zoneinfo.ZoneInfo(config.nightly.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        raise ConfigError(
            f"{path}: nightly.time_zone: {config.nightly.time_zone} is unknown; for instance Europe/Paris"
        )
    names = [leg.name for leg in config.legs]
    if len(set(names)) < len(names):
        raise ConfigError(f"{path}: legs: two have the same name")
    legs = {}
    for leg in config.legs:
        legs[leg.name] = leg_config(path.parent / leg.config, leg, config.nightly.output_uri)
    return config, legs


def is_solve_config(table: dict[str, Json]) -> bool:
    return not {"nightly", "legs"} & set(table) and bool({"model", "models", "sampling", "problems"} & set(table))


def told_solve_config(path: Path) -> str:
    """The error text for a config of `proofmill solve`, with what to do instead."""
    leg = re.sub(r"[^a-z0-9_]+", "_", path.stem.lower()).strip("_") or "leg"
    return (
        f"{path}: this is a config of `proofmill solve`, not of a nightly. `proofmill solve {path}` runs it once. To "
        "run it every night, name it in a file of its own beside it and give that one:\n"
        f'[nightly]\noutput_uri = "out"\n\n[[legs]]\nname = "{leg}"\nconfig = "{path.name}"\n'
        "docs/nightly.md has the other keys"
    )


def leg_config(file: Path, leg: Leg, output_uri: str) -> SolveConfig:
    table = merge_overrides(read_toml(file), leg.overrides)
    for section, key, value in (("run", "id", leg.name), ("output", "uri", output_uri)):
        part = table.setdefault(section, {})
        if isinstance(part, dict):
            part[key] = value
    # Written out here, since the runs of a night scale what is the leg's own.
    return settle_pools(check_config(table, str(file)))[0]


def changed(config: SolveConfig, changes: Mapping[str, Any], overrides: Iterable[str] = ()) -> SolveConfig:
    """`config` with `changes` (section → key → value) and then `--set` style overrides. Raises ConfigError."""
    table: dict[str, Any] = config.resolved()
    for section, values in changes.items():
        is_table = isinstance(values, dict) and isinstance(table.get(section), dict)
        table[section] = {**table[section], **values} if is_table else values
    table = merge_overrides(table, [each for override in overrides for each in for_every_pool(config, override)])
    for place, preset in resolved_presets(config).items():
        node: Any = table
        for part in place.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        if node != preset:
            # Every value of the leg is in the table already, so the other preset would be a name without effect.
            raise ConfigError(
                f"nightly: near_miss.overrides: {place} cannot be changed here; set the keys that differ, or add a leg"
            )
    return check_config(table, "nightly")


def for_every_pool(config: SolveConfig, override: str) -> list[str]:
    """A change as it is meant for a config whose pools have every value written out: what pools share, all get."""
    section, _, key = override.partition("=")[0].strip().partition(".")
    if section not in SHARED or (SHARED[section] is not None and key not in (SHARED[section] or ())):
        return [override]
    return [override, *(f"models.{name}.{override.strip()}" for name in config.models)]


def night_of(now: dt.datetime, nightly: Nightly) -> dt.date:
    """The night that `now` belongs to: from one `starts_at` to the next."""
    hour, minute = (int(part) for part in nightly.starts_at.split(":"))
    local = now.astimezone(zoneinfo.ZoneInfo(nightly.time_zone))
    return local.date() if (local.hour, local.minute) >= (hour, minute) else local.date() - dt.timedelta(days=1)
