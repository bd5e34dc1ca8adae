"""How much is measured: `measure.toml`, checked, and scaled down where a test wants less."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pydantic

from examples.families.recipe import HERE
from jobs.config import NotNegative, Positive, Section, read_toml, validate

MEASURE = HERE / "measure.toml"


class Settings(Section):
    seed: NotNegative
    """Seed of the sampling, and of the problems for the specialists and the generalists."""
    per_field: Positive
    """Held-out problems of each field."""
    samples: Positive
    cascade_seeds: Annotated[tuple[NotNegative, ...], pydantic.Field(min_length=1)]
    """Seeds of the problems for the cascade: each has problems of its own, with samples of their own."""
    cascade_per_field: Positive
    large_alone: str
    large_samples: Positive
    """Samples per problem of the large model alone. What it would cost to stop at the first verified one follows."""
    sums: Positive


def load_settings(path: Path = MEASURE) -> Settings:
    """Raises ConfigError with a text for the user."""
    return validate(Settings, read_toml(path), str(path))


def scaled(settings: Settings, scale: float) -> Settings:
    """The same with `scale` times as many problems (at least three per field), and one seed below a half."""

    def fewer(count: int) -> int:
        return max(3, round(count * scale))

    changed = {name: fewer(getattr(settings, name)) for name in ("per_field", "cascade_per_field", "sums")}
    seeds = settings.cascade_seeds if scale >= 0.5 else settings.cascade_seeds[:1]
    return settings.model_copy(update={**changed, "cascade_seeds": seeds})
