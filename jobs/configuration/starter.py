"""A first config for a model and problem files: what `proofmill init` writes and `proofmill solve --model` runs.

Promises: the table is complete (it names a run, problems, a model and an output) and passes the checks of a config; the
run's name follows from model and problems, so that the same command resumes the same run.
Does not: look into the model or the problems; the dry-run does.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from pathlib import Path

import tomli_w

from jobs.config import SolveConfig
from jobs.configuration.describe import sections, toml_value
from verifiers.types import Json

_SHOWN = ("run", "problems", "model", "output", "prompt", "sampling", "budget", "verify", "resources", "cost")
"""Sections that a new file lists key by key; docs/configuration.md has the others."""
MAX_NAME_CHARS = 40


def starter_table(
    model: str,
    problems: Sequence[str],
    out: str,
    num_samples: int | None = None,
    run_id: str = "",
    preset: str = "",
) -> dict[str, Json]:
    """The table of a config with everything else at its default, or as `preset` has it.

    `problems` are files, globs or s3:// URIs. Without `run_id` the name is made of the model's and the problems' names.
    With a preset `model` may be empty: the preset names it.
    """
    chosen = {"preset": preset, "path": model}
    named = _short(model) if model else _short(preset.replace(".", "-"))
    table: dict[str, Json] = {
        "run": {"id": run_id or f"{named}-{'-'.join(_short(name) for name in problems[:2])}"},
        "problems": {"files": list(problems)},
        "model": {key: value for key, value in chosen.items() if value},
        "output": {"uri": out},
    }
    if num_samples is not None:
        table["sampling"] = {"num_samples": num_samples}
    return table


def plain_toml(table: dict[str, Json]) -> str:
    """The table as a TOML file that says when and by what it was written."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return f"# Written by `proofmill solve` on {now}. docs/configuration.md lists every key.\n\n{tomli_w.dumps(table)}"


def commented_toml(table: dict[str, Json]) -> str:
    """The table as a TOML file in which every other key stands as a comment with its default and meaning."""
    lines = [
        "#:schema ./proofmill.schema.json",
        "# `proofmill config schema > proofmill.schema.json` lets an editor complete and check the keys below.",
        "# Lines that begin with `# key =` are defaults; take the mark away to change one.",
        "# Several models in one run stand as [models.NAME] in the place of [model]: docs/pools.md.",
    ]
    for section in sections(SolveConfig):
        top = section.path.partition(".")[0]
        if top not in _SHOWN or not section.keys:
            continue
        given = table.get(section.path, {})
        if section.repeated:  # an entry of the list would be there with its header alone
            lines += ["", f"# [[{section.path}]]", *([f"# {section.text}"] if section.text else [])]
            lines += [f"#   {key.name}: {key.text}" for key in section.keys]
            continue
        lines += ["", f"[{section.path}]", *([f"# {section.text}"] if section.text else [])]
        for key in section.keys:
            if key.text:
                lines.append(f"# {key.text}")
            if key.name in given:
                lines.append(f"{key.name} = {toml_value(given[key.name])}")
            elif key.default is not None:
                lines.append(f"# {key.name} = {toml_value(key.default)}")
            else:
                lines.append(f"# {key.name} =")
    return "\n".join(lines) + "\n"


def _short(name: str) -> str:
    """A path or hub id as a part of a run's name."""
    stem = Path(name.rstrip("/")).name.partition(".")[0]
    return re.sub(r"[^A-Za-z0-9]+", "-", stem).strip("-").lower()[:MAX_NAME_CHARS] or "set"
