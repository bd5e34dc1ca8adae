"""Patterns of file names where no file system matches them: on object stores and in data sets of the hub."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence

GLOB = re.compile(r"[*?\[]")


def fits(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path, in its parts, fits a pattern, in its parts: `*`, `?` and `[…]` stay within one folder, `**` spans
    any number of them, and matches all that is below where it stands last, as in fsspec and on the hub.

    >>> fits("a/b/c.jsonl".split("/"), "a/**/*.jsonl".split("/")), fits("a/b/c".split("/"), "a/*".split("/"))
    (True, False)
    >>> fits("a/b/c".split("/"), "a/**".split("/")), fits(["a"], "a/**".split("/"))
    (True, False)
    """
    if not parts or not pattern:
        return not parts and not pattern
    if pattern[0] == "**":
        return len(pattern) == 1 or any(fits(parts[skipped:], pattern[1:]) for skipped in range(len(parts)))
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and fits(parts[1:], pattern[1:])
