"""Which code this is: a hash over the sources of our packages, equal on every node that has the same code."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

from verifiers import plugins

PACKAGES = ("verifiers", "runstore", "workers", "cluster", "jobs")
"""Our top-level packages. A test ensures that pyproject.toml and the container image name the same ones."""


def code_revision() -> str:
    """`src:` and 16 hex digits of a hash over our packages and the loaded plugins. Raises PluginError."""
    return _revision(tuple((name, plugin.sha256) for name, plugin in sorted(plugins.loaded().items())))


@functools.cache
def _revision(further: tuple[tuple[str, str], ...]) -> str:
    root = Path(__file__).resolve().parents[1]
    digest = hashlib.sha256()
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            digest.update(str(file.relative_to(root)).encode() + b"\0" + file.read_bytes())
    for name, sha256 in further:
        digest.update(f"plugin {name}\0{sha256}".encode())
    return f"src:{digest.hexdigest()[:16]}"
