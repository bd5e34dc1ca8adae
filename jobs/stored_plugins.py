"""The plugins that a stored run was made with: named in its run.json, loaded only where the operator allows the name.

A run may come from anywhere, and a plugin is code. So the names in run.json are compared with the loaded plugins, and
never imported.
"""

from __future__ import annotations

from jobs.config import ConfigError
from runstore.reader import read_run_json
from runstore.storage import open_storage
from verifiers import plugins
from verifiers.types import Json


def plugin_records() -> list[dict[str, Json]]:
    """What run.json says of the plugins of this process."""
    return [{"name": name, "sha256": plugin.sha256} for name, plugin in sorted(plugins.loaded().items())]


def missing_plugins(uri: str) -> str:
    """What the user has to do if the run at `uri` was made with plugins that are not loaded here; else empty. Raises
    StoredRunError, StorageError."""
    record = read_run_json(open_storage(uri)) or {}
    stored = record.get("plugins", [])
    names = [str(entry.get("name")) for entry in stored if isinstance(entry, dict)] if isinstance(stored, list) else []
    missing = [name for name in names if name not in plugins.loaded()]
    if not missing:
        return ""
    allow = " ".join(f"--plugin {name}" for name in missing)
    return (
        f"{uri}: the run was made with {'plugins' if len(missing) > 1 else 'the plugin'} {', '.join(missing)}, which "
        f"{'are' if len(missing) > 1 else 'is'} not loaded; a run does not load code by itself: if you trust it, add "
        f"{allow}"
    )


def require_plugins(uri: str) -> None:
    """Raises ConfigError where the run at `uri` needs a plugin that is not loaded."""
    if fault := missing_plugins(uri):
        raise ConfigError(fault)
