"""TOML files as plain tables, and the changes that `--set` makes to them.

Does not: check any value (jobs.config does).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from jobs.sections import ConfigError
from verifiers.types import Json


def read_toml(path: Path) -> dict[str, Json]:
    """Raises ConfigError naming the file, and the line where the TOML is broken."""
    try:
        return tomllib.loads(path.read_bytes().decode())
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; give the path of a TOML config, for instance configs/solve/demo.toml")
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; give the path of a TOML config")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}; TOML files are UTF-8")
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}")


def merge_overrides(table: dict[str, Json], overrides: Iterable[str]) -> dict[str, Json]:
    """Applies `--set a.b=value` in order. Values are TOML (`3`, `0.5`, `true`, `["a"]`); anything else is a string."""
    for override in overrides:
        key, found, text = override.partition("=")
        if not found or not key.strip():
            raise ConfigError(f"--set {override}: expected key=value, for instance --set sampling.num_samples=16")
        try:
            value = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            value = text
        node = table
        *parents, leaf = key.strip().split(".")
        for parent in parents:
            node = node.setdefault(parent, {})
            if not isinstance(node, dict):
                # The value is not repeated: it may be a secret that was put in the wrong place.
                raise ConfigError(f"--set {key.strip()}: {parent} is a value, not a section")
        node[leaf] = value
    return table
