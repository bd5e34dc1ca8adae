"""Kills a real vLLM server with SIGKILL in the middle of a run, brings it back, resumes, and counts the rows.

    python -m benchmarks.remote_chaos [--problems 150] [--kills 2]

The first kills find the server back in time, so that the run waits and goes on. The last one finds it gone for longer
than `model.lost_s`: the run ends with `endpoint lost`, and the same command resumes it. In the end every sample must be
there exactly once.
"""

from __future__ import annotations

import argparse
import collections
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.vllm_server import NAME, VllmServer

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = 8


def write_config(folder: Path, url: str, num_problems: int, lost_s: float) -> Path:
    rows = [
        {
            "id": f"q{i}",
            "kind": "math",
            "prompt": f"Compute {i + 2} + {2 * i + 3}.",
            "reference": {"answer": f"{3 * i + 5}"},
        }
        for i in range(num_problems)
    ]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = {
        "run": {"id": "chaos"},
        "problems": {"files": [str(folder / "problems.jsonl")]},
        "model": {"engine": "openai", "base_url": url, "model": NAME, "max_concurrency": 32, "lost_s": lost_s},
        "output": {"uri": str(folder / "out"), "flush_s": 0.5, "lease_s": 3.0},
        "sampling": {"num_samples": SAMPLES, "max_tokens": 96},
    }
    import tomli_w

    path = folder / "run.toml"
    path.write_text(tomli_w.dumps(table))
    return path


def num_rows(folder: Path) -> int:
    parts = (folder / "out/runs/chaos/samples").glob("*.parquet")
    return sum(pq.read_metadata(part).num_rows for part in parts)


def check(folder: Path, num_problems: int) -> tuple[int, int]:
    """Rows that are missing, and rows that are there more than once."""
    counts: collections.Counter[tuple[str, int]] = collections.Counter()
    for part in (folder / "out/runs/chaos/samples").glob("*.parquet"):
        columns = pq.read_table(part, columns=["problem_id", "sample_index"]).to_pydict()
        counts.update(zip(columns["problem_id"], columns["sample_index"], strict=True))
    wanted = {(f"q{i}", j) for i in range(num_problems) for j in range(SAMPLES)}
    return len(wanted - set(counts)), sum(count - 1 for count in counts.values())


def start(config: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jobs.cli", "solve", str(config)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def wait_for_rows(folder: Path, run: subprocess.Popen[str], more: int) -> None:
    wanted = num_rows(folder) + more
    while num_rows(folder) < wanted and run.poll() is None:
        time.sleep(0.1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", type=int, default=150)
    parser.add_argument("--kills", type=int, default=2)
    arguments = parser.parse_args()
    total = arguments.problems * SAMPLES
    step = total // (arguments.kills + 1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = VllmServer(folder / "server.log")
        try:
            server.wait()
            config = write_config(folder, server.url, arguments.problems, lost_s=600.0)
            run = start(config)
            for number in range(1, arguments.kills + 1):
                wait_for_rows(folder, run, step)
                is_last = number == arguments.kills
                if is_last:  # from here on the server is missed for longer than the run waits
                    run.terminate()
                    run.communicate()
                    write_config(folder, server.url, arguments.problems, lost_s=2.0)
                    run = start(config)
                    wait_for_rows(folder, run, 20)
                server.kill()
                print(f"kill {number} at {num_rows(folder):,} of {total:,} rows", flush=True)
                if is_last:
                    said = run.communicate()[0]
                    lost = [line for line in said.splitlines() if line.startswith("Stopped early: endpoint lost")]
                    print(
                        f"the run ended with exit code {run.returncode}: {(lost or ['no word of it'])[0][:150]}",
                        flush=True,
                    )
                server = VllmServer(folder / "server.log", port=server.port)
                server.wait()
                if is_last:
                    run = start(config)
            said = run.communicate()[0]
            missing, doubled = check(folder, arguments.problems)
            print(f"the resume ended with exit code {run.returncode}")
            print(f"{num_rows(folder):,} rows, {missing} lost, {doubled} doubled")
            if run.returncode or missing or doubled:
                print(said[-3000:])
                sys.exit(1)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
