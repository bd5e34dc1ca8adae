"""Keeps the exports on which two kernels disagree: each is a fault in a kernel, or in what reads an export for it.

Promises: a file appears under its final name all at once, its name is the digest of what it holds, and there are never
more than MAX_FILES. Does not fail: a folder that cannot be written costs the file, never the verdict.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import tempfile
from pathlib import Path

from verifiers.lean.assembly import Reference

MAX_FILES = 200


def keep(reference: Reference, export: bytes, detail: str, place: Path) -> str:
    """Writes the problem, the export and the second kernel's words. Returns the file's path; empty if none was kept."""
    record = {
        "header": reference.header,
        "statement": reference.statement,
        "name": reference.name,
        "detail": detail,
        "export": export.decode(errors="replace"),
    }
    data = json.dumps(record).encode()
    path = place / f"{hashlib.sha256(data).hexdigest()[:32]}.json.gz"
    try:
        place.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return str(path)
        if len(list(place.glob("*.json.gz"))) >= MAX_FILES:
            return ""
        with tempfile.NamedTemporaryFile(dir=place, suffix=".part", delete=False) as file:
            file.write(gzip.compress(data))
        Path(file.name).replace(path)
    except OSError:
        return ""
    return str(path)
