"""Solves a config whose pool `large` is a model at an endpoint, with a vLLM server of that model started for it.

    python -m examples.real_model.cascade MODEL_FOLDER CONFIG [arguments of `proofmill solve`]

The same command resumes a run that was stopped: the address of an endpoint may change between two starts.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.vllm_server import VllmServer

SEQUENCES = 16
"""Samples that the server draws at once."""
CONTEXT = 1024


def main() -> int:
    if len(sys.argv) < 3:
        raise SystemExit("usage: python -m examples.real_model.cascade MODEL_FOLDER CONFIG [further arguments]")
    folder, config, *further = sys.argv[1:]
    model = Path(folder).resolve()
    if not (model / "config.json").is_file():
        raise SystemExit(f"{folder}: no model is there; `make real-cascade` fetches it")
    with tempfile.TemporaryDirectory() as place:
        server = VllmServer(
            Path(place) / "server.log", sequences=SEQUENCES, model=model, name=model.name, context=CONTEXT
        )
        try:
            server.wait()
            address = f'models.large.base_url="{server.url}"'
            command = [sys.executable, "-m", "jobs.cli", "solve", config, "--set", address, *further]
            return subprocess.run(command, check=False).returncode
        finally:
            server.kill()


if __name__ == "__main__":
    sys.exit(main())
