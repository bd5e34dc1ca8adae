"""Settings in layers: which value a key has in the end, and which layer it came from.

The layers of a run, from the weakest to the strongest: the engine's own default, the model's generation_config.json, a
preset, the config file, `--set`. The dry-run prints the origin of every sampling value (jobs.solve.published).

Promises: pure; tables are merged key by key and never changed; a list is one value.
Does not: check any value (jobs.config does that with the merged table).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from verifiers.types import Json

FILE = "the config file"
COMMAND_LINE = "--set"


class Layer(NamedTuple):
    """Settings from one place."""

    name: str
    """What people read: `the config file`, `--set`, `the preset qwen3.6-27b`, the path of a generation_config.json."""
    table: Mapping[str, Json]
    """Sections and their keys, as a TOML file has them."""


def merge_layers(layers: Iterable[Layer]) -> tuple[dict[str, Json], dict[str, str]]:
    """The merged table, and the name of the layer that each key came from. `layers` go from the weakest to the
    strongest.

    >>> weak, strong = Layer("weak", {"a": {"b": 1, "c": 2}}), Layer("strong", {"a": {"c": 3}})
    >>> merge_layers([weak, strong])
    ({'a': {'b': 1, 'c': 3}}, {'a.b': 'weak', 'a.c': 'strong'})
    """
    merged: dict[str, Json] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        _lay_over(merged, origins, layer.table, layer.name, "")
    return merged, origins


def _lay_over(below: dict[str, Json], origins: dict[str, str], table: Mapping[str, Json], name: str, at: str) -> None:
    for key, value in table.items():
        place = f"{at}{key}"
        if isinstance(value, Mapping):
            if not isinstance(below.get(key), dict):
                _forget(origins, place)
                below[key] = {}
            _lay_over(below[key], origins, value, name, f"{place}.")
            continue
        _forget(origins, place)
        below[key] = value
        origins[place] = name


def in_terms_of_arguments(message: str, where: str, arguments: Mapping[str, str]) -> str:
    """A config error's lines, `where: key: fault`, with the argument in the place of a key that an argument gave.

    >>> in_terms_of_arguments("--set: format: no such format", "--set", {"format": "FORMAT"})
    'FORMAT: no such format'
    """
    lines = []
    for line in message.split("\n"):
        for key, argument in arguments.items():
            # `key[0]` and `key.0` are items of its list.
            rest = line.removeprefix(f"{where}: {key}")
            if rest != line and rest[:1] in (":", ".", "["):
                line = f"{argument}: {rest.partition(': ')[2]}"
                break
        lines.append(line)
    return "\n".join(lines)


def keys_of(overrides: Iterable[str]) -> frozenset[str]:
    """The keys that `key=value` overrides name."""
    return frozenset(override.partition("=")[0].strip() for override in overrides)


def _forget(origins: dict[str, str], place: str) -> None:
    """Drops the origins of a value, or of a table, that another layer replaces."""
    for known in [known for known in origins if known == place or known.startswith(f"{place}.")]:
        del origins[known]
