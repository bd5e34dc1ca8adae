"""What can be wrong with a stored run, in texts for the user. The package `jobs` maps each to an exit code."""

from __future__ import annotations


class StoredRunError(Exception):
    """A stored run is damaged, or was written by a version whose files this one cannot read."""


class NoRunError(StoredRunError):
    """There is no run at this place, or it has no finished sample yet."""


class NoSelectionsError(StoredRunError):
    """The run has no `selections.parquet` yet."""
