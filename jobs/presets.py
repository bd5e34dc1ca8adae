"""Presets: what is published of a model, as one TOML per model under jobs/solve/presets/.

    [model] preset = "vibethinker-3b"        # or `proofmill solve --preset vibethinker-3b`

Promises: a preset sets keys of `[model]`, `[prompt]`, `[sampling]` and `[resources]` only, and lies below the config:
a key that the file or `--set` gives wins. Each of its values has a source. Its `[shape]` holds the values of the
model's config.json that a plan reads, for machines that cannot read the file itself.
Does not: check the values (jobs.config does, with the rest of the config), or run code of a model's folder: a preset
says where that is needed, and the config has to allow it.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "solve" / "presets"
SECTIONS = ("model", "prompt", "sampling", "resources")
"""Sections of a config that a preset may set keys of."""
_OTHERS = ("about", "shape", "sources", "remote_code")
_COMMIT = re.compile(r"[0-9a-f]{40}")


class PresetError(Exception):
    """A preset that does not exist, is broken, or asks for something that the config does not allow."""


@dataclasses.dataclass(frozen=True, slots=True)
class Preset:
    """What is published of one model."""

    name: str
    about: str
    values: Mapping[str, Mapping[str, Any]]
    """Section → key → value, as in a config."""
    sources: Mapping[str, str]
    """Where a value is from, by `section`, `section.key` or a longer path; the longest path that fits counts."""
    shape: Mapping[str, Any]
    """The keys of the model's config.json that a plan reads."""
    shape_source: str
    remote_code: str
    """Why Python code of the model's folder has to run; empty where none has to."""

    def source(self, path: str) -> str:
        """Where the value at `path` (`sampling.top_p`) is from. Raises PresetError for a value without a source."""
        parts = path.split(".")
        for length in range(len(parts), 0, -1):
            if found := self.sources.get(".".join(parts[:length])):
                return found
        raise PresetError(f"{self.name}: no source for {path}")


def known_presets() -> list[str]:
    return sorted(file.stem for file in FOLDER.glob("*.toml"))


@functools.cache
def load_preset(name: str) -> Preset:
    """The preset of this name. Raises PresetError."""
    known = known_presets()
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise PresetError(f"{name!r} is no preset{meant}; known: {', '.join(known)}")
    return read_preset(FOLDER / f"{name}.toml")


def read_preset(file: Path) -> Preset:
    """Raises PresetError naming the file."""
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PresetError(f"{file}: cannot be read: {error}")
    if further := set(table) - {*SECTIONS, *_OTHERS}:
        allowed = ", ".join(f"[{name}]" for name in SECTIONS)
        raise PresetError(f"{file}: {', '.join(sorted(further))}: a preset sets keys of {allowed} only")
    if "preset" in table.get("model", {}):
        raise PresetError(f"{file}: model.preset: a preset names no other")
    shape = dict(table.get("shape", {}))
    if not shape or not shape.get("source"):
        raise PresetError(f"{file}: [shape] with its `source` is missing: the values of config.json that a plan reads")
    return Preset(
        name=file.stem,
        about=str(table.get("about", "")),
        values={section: table[section] for section in SECTIONS if section in table},
        sources=table.get("sources", {}),
        shape={key: value for key, value in shape.items() if key != "source"},
        shape_source=str(shape["source"]),
        remote_code=str(table.get("remote_code", {}).get("needs", "")),
    )


def preset_of(table: Mapping[str, Any]) -> Preset | None:
    """The preset that a config's table names. Raises PresetError."""
    model = table.get("model")
    name = model.get("preset") if isinstance(model, Mapping) else None
    return load_preset(name) if name and isinstance(name, str) else None


def check_remote_code(preset: Preset, path: str, revision: str, is_allowed: bool) -> None:
    """Raises PresetError where the model needs code of its folder, and the config does not allow it or does not say
    which version of the code."""
    if not preset.remote_code:
        return
    if not is_allowed:
        raise PresetError(
            f"{preset.name}: {preset.remote_code}, and would run on every node that has an engine. Read it, then allow "
            "it with --allow-remote-code (or model.trust_remote_code = true) and model.revision = the commit you read"
        )
    if not Path(path).is_dir() and not _COMMIT.fullmatch(revision):
        got = f"model.revision = {revision!r}" if revision else "model.revision is not set"
        raise PresetError(
            f"{preset.name}: code from the hub runs only at a pinned version: set model.revision to the commit of "
            f"{path} that you read, 40 hexadecimal digits ({got})"
        )
