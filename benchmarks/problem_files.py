"""Reading a problem set: problems/s and memory of our checked stream against `datasets` (streaming) and pandas.

    python benchmarks/problem_files.py [--sizes 1000 10000 100000] [--rounds 3]

Each reader runs in a process of its own over the same GSM8K-like JSONL (the sides alternate) and counts the rows; the
peers neither check types nor find duplicates. Memory is the growth of the process's peak while it reads. Shows medians.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

READERS = ("proofmill check", "proofmill stream", "datasets", "pandas")


def write_set(path: Path, size: int) -> None:
    """Problems of about GSM8K's length, each different."""
    with path.open("w") as file:
        for i in range(size):
            question = f"Farm {i} has {i % 97 + 3} hens that lay {i % 7 + 1} eggs a day. " * 3 + "How many in a week?"
            worked = f"A day {i % 97 + 3} * {i % 7 + 1}.\n" * 4 + f"#### {(i % 97 + 3) * (i % 7 + 1) * 7}"
            file.write(json.dumps({"question": question, "answer": worked}) + "\n")


def read(reader: str, path: str) -> int:
    """Rows read. Imports happen before the clock starts."""
    if reader.startswith("proofmill"):
        from jobs.config import Problems
        from jobs.problems.load import check_problems, stream_problems

        config = Problems(files=[path])
        start()
        return (
            check_problems(config).num_problems if reader.endswith("check") else sum(1 for _ in stream_problems(config))
        )
    if reader == "datasets":
        import datasets

        start()
        return sum(1 for _ in datasets.load_dataset("json", data_files=path, split="train", streaming=True))
    import pandas

    start()
    return sum(1 for _ in pandas.read_json(path, lines=True).itertuples())


started = (0.0, 0)


def start() -> None:
    global started
    started = (time.perf_counter(), peak())


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--one", nargs=2, metavar=("READER", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        rows = read(*arguments.one)
        print(json.dumps({"rows": rows, "s": time.perf_counter() - started[0], "kib": peak() - started[1]}))
        return
    print(f"{'reader':<18}{'problems':>10}{'problems/s':>12}{'MiB more':>10}")
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "set.jsonl"
            write_set(path, size)
            seen: dict[str, list[dict[str, float]]] = {reader: [] for reader in READERS}
            for _ in range(arguments.rounds):
                for reader in READERS:
                    command = [sys.executable, __file__, "--one", reader, str(path)]
                    environment = {
                        **os.environ,
                        "PYTHONPATH": str(Path.cwd()),
                        "HF_HUB_OFFLINE": "1",
                        "HF_HOME": folder,
                    }
                    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
                    seen[reader].append(json.loads(done.stdout.splitlines()[-1]))
            for reader, runs in seen.items():
                assert all(run["rows"] == size for run in runs), reader
                speed = statistics.median(run["rows"] / run["s"] for run in runs)
                grown = statistics.median(run["kib"] for run in runs) / 1024
                print(f"{reader:<18}{size:>10,}{speed:>12,.0f}{grown:>10.1f}", flush=True)


if __name__ == "__main__":
    main()
