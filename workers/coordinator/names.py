"""How coordinators are named on a Ray cluster, so that other processes find that of a run."""

from __future__ import annotations

from runstore.storage import LocalStorage, open_storage

NAMESPACE = "proofmill"
"""Ray's namespace for the names of coordinators."""


def coordinator_name(run_uri: str) -> str:
    """How the name of every coordinator of the run begins. What follows is the start's own: the coordinator before may
    still be dying, and another job may try to have the run."""
    storage = open_storage(run_uri)
    return f"coordinator of {storage.root.resolve() if isinstance(storage, LocalStorage) else storage.uri}, "
