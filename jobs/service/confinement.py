"""Which files and models a client may name: those under the configured roots, and nothing else.

Guarantee: a name that passes lies under a root after links and `..` are resolved, or is an s3:// URI that starts with a
root's folder. No other scheme passes. A glob is judged by its fixed part, and may not hold `..`.
Does not: protect a root into which a client can put symbolic links while a run reads it. Roots must belong to the
operator.
Fails: with HttpProblem 403, which does not reveal what exists.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from pathlib import Path

from jobs.service.http_errors import HttpProblem

GLOB = "*?["


def confined(name: str, roots: Sequence[str]) -> str:
    """The name as it may be opened: absolute and resolved. Raises HttpProblem 403."""
    refusal = HttpProblem(403, "forbidden-path", "only names under the service's roots may be used")
    if "\x00" in name or not name or "%" in name:
        raise refusal
    if "://" in name:
        scheme, _, path = name.partition("://")
        if scheme != "s3" or posixpath.normpath(path) != path or ".." in path.split("/"):
            raise refusal
        for root in roots:
            if root.startswith("s3://") and name.startswith(root.rstrip("/") + "/"):
                return name
        raise refusal
    parts = Path(name).parts
    fixed = []
    for part in parts:
        if any(letter in part for letter in GLOB):
            break
        fixed.append(part)
    if ".." in parts or name.startswith("~"):
        raise refusal
    start = Path(*fixed).resolve() if fixed else Path.cwd()
    for root in roots:
        if "://" not in root and start.is_relative_to(Path(root).resolve()):
            return str(start.joinpath(*parts[len(fixed) :]))
    raise refusal
