"""The log of a run: one file per process, and one line of figures per minute.

    logs = RunLog(settings.log, "coordinator-1")     the loggers `proofmill.…` of this process now write to its file
    logs.upload(); logs.close()                      at the end, and when the run fails

A run in a local folder has its logs in `<run>/logs/` from the start. A run on object storage has them in a temporary
folder of each machine, and each process that ends uploads what lies in its machine's folder, so that the lines of a
process that was killed on that machine are uploaded too.

Promises: a log that cannot be written or uploaded never fails a run. `PROOFMILL_LOG` (debug, info, warning or error)
sets the level, for every process of the run.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path

from runstore.layout import LOGS
from runstore.storage import LocalStorage, StorageError, open_storage
from verifiers.types import Json

LEVELS = ("debug", "info", "warning", "error")
LEVEL_VARIABLE = "PROOFMILL_LOG"
PLACE_DIGITS = 10
"""Length of the part of a temporary log folder's name that stands for the run's URI."""

log = logging.getLogger("proofmill.logs")


@dataclasses.dataclass(frozen=True, slots=True)
class LogSettings:
    """Where the processes of a run write their logs."""

    folder: str = ""
    """Folder for log files on each machine; empty: no files."""
    run_uri: str = ""
    """Run that `upload` copies them to; empty: the folder lies in the run already."""
    level: str = "info"


NO_FILES = LogSettings()
"""Settings that write no log file, for tests and for code that works outside a run."""


def log_settings(run_uri: str, run_id: str, level: str = "") -> LogSettings:
    """Log settings of a run. An empty `level` means that of PROOFMILL_LOG, else info. Raises ValueError for an unknown
    level."""
    level = (level or os.environ.get(LEVEL_VARIABLE) or "info").lower()
    if level not in LEVELS:
        raise ValueError(f"{LEVEL_VARIABLE} = {level!r}: no such level; give {', '.join(LEVELS[:-1])} or {LEVELS[-1]}")
    storage = open_storage(run_uri)
    if isinstance(storage, LocalStorage):
        return LogSettings(str((storage.root / LOGS).resolve()), "", level)
    # Two runs of one name may lie at different places, and one machine may work for both.
    place = hashlib.sha256(storage.uri.encode()).hexdigest()[:PLACE_DIGITS]
    return LogSettings(str(Path(tempfile.gettempdir()) / f"proofmill-{run_id}-{place}"), run_uri, level)


class Formatter(logging.Formatter):
    """`2026-11-29T23:00:00.123Z INFO proofmill.coordinator generator 0: …`, in UTC."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        moment = dt.datetime.fromtimestamp(record.created, dt.UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RunLog:
    """The log file of this process; does nothing where the settings name no folder."""

    def __init__(self, settings: LogSettings, name: str) -> None:
        self.settings = settings
        self._handler: logging.Handler | None = None
        self._status: Path | None = None
        if not settings.folder:
            return
        folder = Path(settings.folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._handler = logging.FileHandler(folder / f"{name}.log", encoding="utf-8")
        except OSError as error:
            log.warning("no log in %s: %s", folder, error)
            return
        self._status = folder / f"{name}.status.jsonl"
        self._handler.setFormatter(Formatter())
        root = logging.getLogger("proofmill")
        root.addHandler(self._handler)
        root.setLevel(settings.level.upper())

    def status(self, figures: dict[str, Json]) -> None:
        """Writes one JSON line of figures to a file beside the log."""
        if self._status is None:
            return
        line = json.dumps({"at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), **figures})
        try:
            with self._status.open("a") as file:
                file.write(line + "\n")
        except OSError as error:
            log.warning("no line of figures in %s: %s", self._status, error)

    def upload(self) -> None:
        """Copies the logs of this machine to the run's storage, unless they lie there already. May take seconds."""
        if not self.settings.run_uri or not self.settings.folder:
            return
        try:
            storage = open_storage(self.settings.run_uri)
            for path in sorted(Path(self.settings.folder).iterdir()):
                storage.replace(f"{LOGS}{path.name}", path.read_bytes())
        except (OSError, StorageError) as error:
            log.warning("the logs in %s were not uploaded: %s", self.settings.folder, error)

    def close(self) -> None:
        """Closes the file. The loggers go on without it."""
        if self._handler is not None:
            logging.getLogger("proofmill").removeHandler(self._handler)
            self._handler.close()
            self._handler = None
