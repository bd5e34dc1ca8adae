"""The environment of the checkers' child processes: this process's own, without what was handed to it in confidence.

Promises: a child is started without the keys of the object storage, the hubs' tokens and whatever `withhold` named, so
that neither its memory nor its `/proc/<pid>/environ` has them. A child works on texts that a model wrote.
Does not: hide anything from the process itself. Candidates that are programs run in a sandbox, whose environment is
empty (verifiers.sandbox).
"""

from __future__ import annotations

import os
from collections.abc import Iterable

PREFIXES = ("AWS_", "RAY_AUTH_TOKEN")
"""Beginnings of the names of variables that no checker's child has a use for, in the user's shell as well."""
NAMES = frozenset({"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"})
"""Further such variables."""

_withheld: set[str] = set()


def withhold(names: Iterable[str]) -> None:
    """Keeps these variables from children that are started from now on."""
    _withheld.update(names)


def child_environment() -> dict[str, str]:
    """`os.environ` without what children must not have."""
    return {
        name: value
        for name, value in os.environ.items()
        if not (name.startswith(PREFIXES) or name in NAMES or name in _withheld)
    }
