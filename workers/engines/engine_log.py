"""The file that an engine and its processes write their output to."""

from __future__ import annotations

import os
import sys
from pathlib import Path

LOG_LINES = 30
"""How many lines of the log an error shows."""


def redirect_output(path: str) -> tuple[int, int] | None:
    """Sends file descriptors 1 and 2 to `path`, for this process and the engine's children."""
    if not path:
        return None
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    return saved


def restore_output(saved: tuple[int, int] | None) -> None:
    if saved is None:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    for descriptor, original in zip((1, 2), saved, strict=True):
        os.dup2(original, descriptor)
        os.close(original)


def last_lines(path: str) -> str:
    try:
        return "\n".join(Path(path).read_text(errors="replace").splitlines()[-LOG_LINES:]) if path else ""
    except OSError:
        return ""
