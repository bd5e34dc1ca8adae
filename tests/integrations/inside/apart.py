"""Takes Proofmill off this process's path, puts the integrations and the trainers on it, and runs a script."""

from __future__ import annotations

import importlib.util
import json
import os
import runpy
import sys
from pathlib import Path

ROOT = Path(os.environ["PROOFMILL_ROOT"])
sys.path[:] = [path for path in sys.path if path and not (Path(path) / "jobs" / "cli.py").exists()]
sys.path.append(str(ROOT / "integrations"))
sys.path.append(str(Path(sys.prefix) / "trainers"))
for name in ("jobs", "workers", "runstore"):
    assert importlib.util.find_spec(name) is None, f"{name} of Proofmill can be imported"

ITEMS = [{**item, "text": item["text"] * item.get("times", 1)} for item in json.loads(os.environ["ITEMS"])]
"""Texts to check: name, reference, text. A long one travels as a short one and a number of `times`."""

if __name__ == "__main__":
    runpy.run_path(sys.argv[1], run_name="__main__")
