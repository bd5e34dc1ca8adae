"""The live processes of batch runs on this node, found again after their keeper died.

    <output>/service/processes/<run id>.json    process number, its start, node; deleted once it is seen to have ended

Promises: a process counts as running only while its number, its start and the boot of the node all agree, so a number
that was given out again is never interrupted.
Does not: see processes of other nodes; their records stay for a keeper there.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import psutil

from runstore.process_identity import boot_id, is_running, started_at
from runstore.storage import Storage

FOLDER = "service/processes/"


class Processes:
    """Run id → process. Not thread-safe; the keeper holds a lock."""

    def __init__(self, storage: Storage) -> None:
        """`storage`: the folder that holds `runs/`."""
        self._storage = storage
        self._own: dict[str, subprocess.Popen[bytes]] = {}
        self._found: dict[str, tuple[int, float]] | None = None

    def add(self, run_id: str, process: subprocess.Popen[bytes]) -> None:
        self._own[run_id] = process
        try:
            started = started_at(process.pid)
        except psutil.NoSuchProcess:  # it ended already; poll() will say so
            return
        record = {"pid": process.pid, "started": started, "boot": boot_id(), "host": socket.gethostname()}
        self._storage.replace(f"{FOLDER}{run_id}.json", json.dumps(record).encode())

    def running(self) -> set[str]:
        """Ids of the runs whose processes live. Forgets those that have ended. Raises StorageError."""
        found = self._earlier()
        own = {run_id for run_id, process in self._own.items() if process.poll() is None}
        earlier = {run_id for run_id, (pid, started) in found.items() if is_running(pid, started)}
        for run_id in (set(self._own) - own) | (set(found) - earlier):
            self._own.pop(run_id, None)
            found.pop(run_id, None)
            if run_id not in own | earlier:
                self._storage.delete(f"{FOLDER}{run_id}.json")
        return own | earlier

    def log_of(self, run_id: str) -> Path | None:
        """The file that a process on this node writes its output to, while it runs."""
        if process := self._own.get(run_id):
            pid = process.pid
        elif (found := self._earlier().get(run_id)) and is_running(*found):
            pid = found[0]
        else:
            return None
        try:
            path = Path(f"/proc/{pid}/fd/1").resolve(strict=True)
        except OSError:
            return None
        return path if path.is_file() else None

    def interrupt(self, run_id: str) -> None:
        """Sends SIGINT to the run's process, if it lives."""
        if process := self._own.get(run_id):
            process.send_signal(signal.SIGINT)
        elif (found := self._earlier().get(run_id)) and is_running(*found):
            os.kill(found[0], signal.SIGINT)

    def _earlier(self) -> dict[str, tuple[int, float]]:
        """Processes that an earlier keeper started on this node; read once."""
        if self._found is None:
            self._found = {}
            here = (boot_id(), socket.gethostname())
            for key in self._storage.keys(FOLDER):
                record = json.loads(self._storage.read(key) or b"{}")
                if (record.get("boot"), record.get("host")) == here:
                    run_id = key.removeprefix(FOLDER).removesuffix(".json")
                    self._found[run_id] = (record["pid"], record["started"])
        return self._found


def read_tail(path: Path, num_bytes: int) -> bytes:
    """The last bytes of a file, from the beginning of a line on; nothing where it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - num_bytes))
            data = file.read(num_bytes)
    except OSError:
        return b""
    return data if size <= num_bytes else data.partition(b"\n")[2]
