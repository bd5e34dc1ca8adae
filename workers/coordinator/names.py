"""How coordinators are named on a Ray cluster, so that other processes find the coordinator of a run."""

from __future__ import annotations

from runstore.storage import LocalStorage, open_storage

NAMESPACE = "proofmill"
"""Ray namespace that coordinators are named in."""


def coordinator_name(run_uri: str) -> str:
    """The beginning of the name of every coordinator of the run. What follows differs per start, because the previous
    coordinator may still be dying, and another job may be trying to take the run."""
    storage = open_storage(run_uri)
    return f"coordinator of {storage.root.resolve() if isinstance(storage, LocalStorage) else storage.uri}, "
