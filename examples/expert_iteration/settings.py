"""The settings of one flywheel: a TOML file, then `--set key=value`, as in the product's own configs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pydantic

from jobs.config import NotNegative, Positive, PositiveFloat, Section, merge_overrides, read_toml, validate
from models.tiny_reasoner.problems.draw import DOMAINS

Domain = Annotated[str, pydantic.AfterValidator(lambda name: _known(name))]


def _known(name: str) -> str:
    if name not in DOMAINS:
        raise ValueError(f"no such domain; known: {', '.join(DOMAINS)}")
    return name


PLACE = "{prompt}"


class Problems(Section):
    held_out_per_domain: Positive
    per_round: Positive
    """Training-side problems of one round, no two alike over all rounds, in the model's own training mixture."""
    wording: Annotated[str, pydantic.Field(pattern=r"\{prompt\}")] = PLACE
    """What the model is asked, held out or not, with the problem's own statement in the place of {prompt}."""
    domains: Annotated[tuple[Domain, ...], pydantic.Field(min_length=1)] = DOMAINS


class Training(Section):
    hard_only: bool
    """Train only on problems whose first sample failed. Of the others the model makes the right text already: they add
    steps and next to no gradient."""
    epochs: Positive
    batch_size: Positive
    peak: PositiveFloat
    """Peak learning rate; it falls to zero within each round."""


class Settings(Section):
    seed: NotNegative
    """Seed of the problems, the sampling and the order of training."""
    rounds: Positive
    problems: Problems
    training: Training


def load_settings(path: Path, overrides: list[str]) -> Settings:
    """Raises ConfigError with a text for the user."""
    return validate(Settings, merge_overrides(read_toml(path), overrides), str(path))
