"""A mapping in a TOML file of its own, for commands that have no config: `--mapping set.toml`.

    layout = "columns"            # or left out, where [columns] is there
    kind = "math"
    [columns]
    prompt = {template = "{Body} {Question}"}
    "reference.answer" = "Answer"
    [solutions]
    text = "generations[]"

A config of a run is taken too: then its table [problems] counts, without its files.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pydantic

from jobs.config import ConfigError
from jobs.faults import told_faults
from jobs.sections import KindName, Section
from jobs.toml_tables import read_toml
from verifiers.types import Json

OF_A_CONFIG = ("layout", "kind", "columns")


class MappingFile(Section):
    layout: str = "auto"
    kind: KindName | Literal[""] = ""
    columns: dict[str, Json] = pydantic.Field(default_factory=dict)
    solutions: dict[str, Json] = pydantic.Field(default_factory=dict)


def read_mapping_file(path: str) -> MappingFile:
    """Raises ConfigError."""
    table = read_toml(Path(path))
    problems = table.get("problems")
    if isinstance(problems, dict):
        if problems.get("sources"):
            raise ConfigError(f"{path}: problems.sources has several mappings; give a file with the one that is meant")
        table = {key: problems[key] for key in OF_A_CONFIG if key in problems}
    try:
        found = MappingFile.model_validate(table)
    except pydantic.ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {fault}" for fault in told_faults(error, MappingFile))) from None
    if found.columns and found.layout not in ("auto", "columns"):
        raise ConfigError(f'{path}: layout: is {found.layout!r} beside [columns]; leave it out, or say "columns"')
    return found
