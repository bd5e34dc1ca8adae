"""Files that a command writes: each appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import Any, TextIO

from jobs.config import ConfigError


def open_out(path: str | None) -> Any:
    """A text file that appears whole when it is closed, or standard output."""
    if path is None:
        return contextlib.nullcontext(sys.stdout)
    return WholeFile(Path(path))


class WholeFile:
    """Writes beside `path` and moves the file there at the end, so that a reader never finds half of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")

    def __enter__(self) -> TextIO:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._temporary.open("w", encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--out {self._path}: {error.strerror}")
        return self._file

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        self._file.close()
        if kind is None:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink(missing_ok=True)
