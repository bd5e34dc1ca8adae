"""Runs tests/helpers/foreign_loaders.py, which reads an export by the code of a trainer, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

MODEL = str(Path(__file__).parents[2] / "models" / "tiny_reasoner")


def read_by(trainer: str, *arguments: Path | str) -> Any:
    """What foreign_loaders.py prints."""
    program = str(Path(__file__).with_name("foreign_loaders.py"))
    # Some trainers keep a cache in the working directory.
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, program, trainer, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])
