"""Looks for values that nothing may show: in files, archives, command lines, environments, Ray's APIs and its store.

Each search returns where it found something, in words, so that `== []` says it all. `forms` are the spellings under
which a value is looked for.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import gzip
import io
import os
import threading
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import psutil
import pyarrow.parquet as pq

CHUNK = 8 << 20
OVERLAP = 4096

API_PATHS = (
    *("/api/jobs/", "/api/version", "/nodes?view=details", "/nodes?view=summary", "/logical/actors", "/api/progress"),
    *(f"/api/v0/{kind}?detail=1&limit=10000" for kind in ("actors", "tasks", "workers", "nodes", "objects", "jobs")),
    *("/api/v0/runtime_envs?detail=1", "/api/v0/cluster_events?detail=1", "/api/v0/placement_groups?detail=1"),
    *("/api/component_activities", "/api/cluster_status", "/api/serve/applications/", "/timezone", "/events"),
)
"""What a Ray dashboard answers about its cluster."""


@functools.cache
def forms(value: str) -> frozenset[bytes]:
    """A value as it is, quoted for URLs and JSON, in hex, reversed, and in base64 at each of its three offsets."""
    raw = value.encode()
    found = {raw, urllib.parse.quote(value, safe="").encode(), raw.hex().encode(), raw[::-1]}
    for offset in range(3):
        # Whole groups of three bytes only: the characters at both ends depend on the neighbours.
        middle = raw[(3 - offset) % 3 :]
        middle = middle[: len(middle) // 3 * 3]
        found |= {base64.b64encode(middle), base64.urlsafe_b64encode(middle)}
    return frozenset(found)


def in_bytes(data: bytes, values: Iterable[str]) -> list[str]:
    return [value for value in values if any(form in data for form in forms(value))]


def in_files(roots: Iterable[Path], values: Iterable[str]) -> list[str]:
    """`file: value` for every file below the roots, archives and Parquet files opened."""
    values = list(values)
    hits = []
    for root in roots:
        for folder, _, names in os.walk(root):
            for name in names:
                path = Path(folder) / name
                hits += [f"{path}: {value}" for value in [*in_bytes(name.encode(), values), *in_file(path, values)]]
    return hits


def in_file(path: Path, values: list[str]) -> list[str]:
    if not path.is_file() or path.is_symlink():
        return []
    found: list[str] = []
    with contextlib.suppress(OSError), path.open("rb") as file:
        tail = b""
        while block := file.read(CHUNK):
            found += in_bytes(tail + block, values)
            tail = block[-OVERLAP:]
    return found + in_bytes(unpacked(path), values)


def unpacked(path: Path) -> bytes:
    """What lies compressed in a file; empty for what is no archive."""
    with contextlib.suppress(Exception):
        if path.suffix == ".parquet":
            return str(pq.read_table(path).to_pylist()).encode()
        if path.suffix == ".gz":
            return gzip.decompress(path.read_bytes())
        if zipfile.is_zipfile(path):
            return members(path.read_bytes())
    return b""


def members(data: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return b"\n".join(archive.read(name) for name in archive.namelist())


def in_store(client: Any, values: Iterable[str]) -> list[str]:
    """Keys of a GCS's key-value store whose key or value shows one."""
    values = list(values)
    hits = []
    for namespace in (None, b"fun", b"job", b"session", b"usage", b"tracing", b"serve", b"autoscaler", b"dashboard"):
        for key in client.internal_kv_keys(b"", namespace, timeout=30):
            data = client.internal_kv_get(key, namespace, timeout=30) or b""
            with contextlib.suppress(Exception):
                data += members(data)
            hits += [f"GCS {key!r}: {value}" for value in in_bytes(key + b"\n" + data, values)]
    return hits


def in_apis(address: str, token: str, values: Iterable[str], paths: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """Hits in what the dashboard answers, and the paths that it answered with 200."""
    values = list(values)
    hits, answered = [], []
    for path in [*API_PATHS, *paths]:
        request = urllib.request.Request(f"{address}{path}", headers={"Authorization": f"Bearer {token}"})
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=60) as answer:
            hits += [f"{path}: {value}" for value in in_bytes(answer.read(), values)]
            answered.append(path)
    return hits, answered


class ProcessWatch:
    """Reads the command lines and the environments that processes were started with, over and over, in a thread."""

    def __init__(self, values: Iterable[str], pause_s: float = 0.2) -> None:
        self.values = list(values)
        self.command_lines: set[str] = set()
        self.environments: set[str] = set()
        """`process name: value` of each hit."""
        self.seen: set[str] = set()
        """Names of all processes that were looked at."""
        self._known: dict[Path, bytes] = {}
        """Command line of each process as it was when the process was last searched."""
        self._pause_s = pause_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.is_set():
            for pid in psutil.pids():
                self._look(Path(f"/proc/{pid}"))
            self._stop.wait(self._pause_s)

    def _look(self, place: Path) -> None:
        with contextlib.suppress(OSError):
            words = (place / "cmdline").read_bytes()
            if self._known.get(place) == words:
                return  # what it was started with does not change, and its title has not
            self._known[place] = words
            name = words.replace(b"\0", b" ").decode(errors="replace")[:160]
            self.seen.add(name)
            self.command_lines.update(f"{name}: {value}" for value in in_bytes(words, self.values))
            environment = (place / "environ").read_bytes()
            self.environments.update(f"{name}: {value}" for value in in_bytes(environment, self.values))


def report(found: Mapping[str, Iterable[str]]) -> str:
    """All hits, one per line, for the message of an assertion."""
    return "\n".join(f"{where}: {hit}" for where, hits in found.items() for hit in hits)
