"""How fast and in how much memory `proofmill export` turns a stored run into training data.

    python benchmarks/export.py                      one million made-up samples, from local disk and from an S3 server
    python benchmarks/export.py --rows 100000 --where s3

The run is made up: 16 samples per problem, 60 % verified, 25 % refuted, lognormal lengths around 700 characters, one in
twenty texts a duplicate, an evaluation set of 5,000 statements to decontaminate against. The peer is DuckDB on the same
files doing only a part of the work: keep verified rows, drop exact
duplicates, keep four rows per problem, write Parquet.

The S3 server (moto) runs on the same cores; what it took of them is printed as `server_cpu_s`.

Prints rows/s and the peak resident memory of all processes together (sampled every 50 ms), one JSON line a case.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from runstore.schema import PROBLEM_SCHEMA, SAMPLE_SCHEMA  # noqa: E402

SAMPLES = 16
PART_ROWS = 20_000
WORDS = 8000
SENTENCES = 100_000
DOMAINS = ["algebra", "geometry", "number theory", "combinatorics"]


def make_run(folder: Path, rows: int, seed: int = 0) -> None:
    """Writes a run of `rows` samples in parts of PART_ROWS, samples of a problem spread over neighbouring parts."""
    rng = np.random.default_rng(seed)
    (folder / "samples").mkdir(parents=True)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = ["".join(rng.choice(letters, rng.integers(2, 9))) for _ in range(WORDS)]
    words[::7] = [str(number) for number in rng.integers(0, 999, len(words[::7]))]
    words[::13] = ["="] * len(words[::13])
    draws = rng.zipf(1.3, (SENTENCES, 16)) % WORDS
    sentences = [" ".join(words[at] for at in row) + ". " for row in draws.tolist()]
    problems: list[dict[str, Any]] = []
    counts: dict[int, list[int]] = {}
    done = 0
    while done < rows:
        number = min(PART_ROWS, rows - done)
        at = np.arange(done, done + number)
        # Problems finish interleaved, as they do in a run.
        problem = (at // (SAMPLES * 64)) * 64 + at % 64
        index = (at // 64) % SAMPLES
        write_part(folder / "samples" / f"part-{done // PART_ROWS:05}.parquet", problem, index, sentences, rng, counts)
        done += number
    for problem, (samples, verified) in sorted(counts.items()):
        problems.append(problem_row(problem, samples, verified))
    pq.write_table(pa.Table.from_pylist(problems, schema=PROBLEM_SCHEMA), folder / "problems.parquet")


NOUNS = ["acre", "boat", "coin", "desk", "fox", "gate", "hill", "iron", "jar", "knot", "lamp", "mile", "nail", "oven"]


def statement(problem: int) -> str:
    """Twenty-five words, of which no ten in a row are those of another problem."""
    draw = random.Random(problem)
    words = draw.choices(NOUNS, k=22)
    return f"Problem {problem}: {' '.join(words)}; how many?"


SAME_IN_EVERY_ROW: dict[str, Any] = {
    "run_id": "bench",
    "kind": "math",
    "source": "made-up",
    "split": "train",
    "meta": "{}",
    "pool": "model",
    "stage": 0,
    "audited": False,
    "round": 0,
    "finish_reason": "stop",
    "prompt_tokens": 60,
    "seed": 0,
    "sampling": "{}",
    "stopping_rule": "{}",
    "queue_s": 0.1,
    "generation_s": 1.0,
    "reason": "",
    "evidence": "{}",
    "checker": "math",
    "checker_version": "1",
    "limits": "{}",
    "verify_s": 0.01,
    "attempt": 1,
    "model": "made-up",
    "model_revision": "1",
    "engine": "none",
    "engine_version": "0",
    "replica": "0",
    "code_revision": "0",
    "epoch": 1,
    "finished_at": datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
}
"""Columns of the made-up samples that do not differ."""


def write_part(
    path: Path, problem: np.ndarray, index: np.ndarray, sentences: list[str], rng: Any, counts: dict[int, list[int]]
) -> None:
    number = len(problem)
    lengths = np.clip(rng.lognormal(2.0, 0.5, number), 1, 60).astype(int)
    picks = rng.integers(0, SENTENCES, lengths.sum()).tolist()
    ends = np.cumsum(lengths).tolist()
    texts = [
        "".join(sentences[at] for at in picks[end - n : end]) for end, n in zip(ends, lengths.tolist(), strict=True)
    ]
    for at in np.flatnonzero(rng.random(number) < 0.05):
        texts[at] = texts[at - 64 if at >= 64 else at]
    texts = [f"{text}So the answer is \\boxed{{{p}}}." for text, p in zip(texts, problem, strict=True)]
    draw = rng.random(number)
    status = np.select([draw < 0.6, draw < 0.85, draw < 0.95], ["verified", "refuted", "malformed"], "undecided")
    for p, verified in zip(problem.tolist(), (status == "verified").tolist(), strict=True):
        count = counts.setdefault(p, [0, 0])
        count[0] += 1
        count[1] += verified
    said = {p: statement(p) for p in np.unique(problem).tolist()}
    asked = {p: json.dumps([{"role": "user", "content": prompt}]) for p, prompt in said.items()}
    prompts = [said[p] for p in problem.tolist()]
    made: dict[str, Any] = {
        **SAME_IN_EVERY_ROW,
        "problem_id": [f"p{p:07}" for p in problem.tolist()],
        "sample_index": index.astype(np.int32),
        "domain": [DOMAINS[p % 4] for p in problem.tolist()],
        "prompt": prompts,
        "reference": [json.dumps({"answer": str(p)}) for p in problem.tolist()],
        "messages": [asked[p] for p in problem.tolist()],
        "text": texts,
        "completion_tokens": (lengths * 24).astype(np.int32),
        "mean_logprob": -rng.random(number),
        "status": status,
    }
    columns = []
    for field in SAMPLE_SCHEMA:
        value = made.get(field.name)
        if isinstance(value, (list, np.ndarray)):
            columns.append(pa.array(value, field.type))
        else:
            columns.append(pa.repeat(pa.scalar(value, field.type), number))
    pq.write_table(pa.table(columns, schema=SAMPLE_SCHEMA), path, compression="zstd", row_group_size=5000)


def problem_row(problem: int, samples: int, verified: int) -> dict[str, Any]:
    rate = verified / samples
    numbers = {name: 0 for name in PROBLEM_SCHEMA.names if name.startswith("num_")}
    texts = {"run_id": "bench", "problem_id": f"p{problem:07}", "kind": "math", "domain": DOMAINS[problem % 4]}
    return {
        **texts,
        **{"source": "made-up", "split": "train", "settled": "exhausted", "settled_at_index": samples - 1},
        **{"settled_verified": verified, "settled_first_try": verified},
        **{"stopping_rule": json.dumps({"policy": "fixed", "estimates": "unbiased", "num_samples": samples})},
        **numbers,
        **{"num_samples": samples, "num_verified": verified, "solved": verified > 0, "estimator": "hypergeometric"},
        **{"pass_rate": rate, "pass_rate_low": max(0.0, rate - 0.2), "pass_rate_high": min(1.0, rate + 0.2)},
        **{"prompt_tokens": 0, "completion_tokens": 0, "aborted_tokens": 0, "generation_s": 0.0, "verify_s": 0.0},
    }


def make_evaluation_set(path: Path) -> None:
    """5,000 statements; a hundred of them are the training problems' own."""
    with path.open("w") as stream:
        for at in range(5000):
            prompt = (
                statement(at * 3) if at < 100 else f"Exercise {at}: " + statement(at + 10**8).replace("farmer", "king")
            )
            row = {"id": f"e{at}", "kind": "math", "prompt": prompt, "reference": {"answer": str(at)}}
            stream.write(json.dumps(row) + "\n")


class PeakMemory:
    """Resident memory of a process and its children, summed (shared pages count once per process)."""

    def __init__(self, pid: int) -> None:
        self.peak_mb = 0.0
        self._process = psutil.Process(pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._over.wait(0.05):
            total = 0
            try:
                for process in [self._process, *self._process.children(recursive=True)]:
                    total += process.memory_info().rss
            except psutil.Error:
                continue
            self.peak_mb = max(self.peak_mb, total / 2**20)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *fault: object) -> None:
        self._over.set()
        self._thread.join()


def timed(name: str, command: list[str], rows: int, server: subprocess.Popen[bytes] | None = None) -> dict[str, Any]:
    served = cpu_seconds(server)
    started, before = time.monotonic(), os.times()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    with PeakMemory(process.pid) as memory:
        if process.wait():
            raise SystemExit(f"{name}: exit code {process.returncode}")
    seconds, after = time.monotonic() - started, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    result: dict[str, Any] = {
        "case": name,
        "rows": rows,
        "seconds": round(seconds, 2),
        "rows_per_s": round(rows / seconds),
        "cpu_s": round(cpu, 1),
        "peak_rss_mb": round(memory.peak_mb),
    }
    return result | ({"server_cpu_s": round(cpu_seconds(server) - served, 1)} if server else {})


def cpu_seconds(server: subprocess.Popen[bytes] | None) -> float:
    times = psutil.Process(server.pid).cpu_times() if server else None
    return times.user + times.system if times else 0.0


PEER = """
import duckdb, sys
duckdb.execute("SET threads=2; SET memory_limit='2GB'; SET preserve_insertion_order=false")
duckdb.execute(f'''COPY (
  SELECT problem_id, messages, text FROM (
    SELECT *, row_number() OVER (PARTITION BY problem_id ORDER BY sample_index) AS place FROM (
      SELECT DISTINCT ON (problem_id, text) * FROM '{sys.argv[1]}/samples/*.parquet' WHERE status = 'verified'))
  WHERE place <= 4) TO '{sys.argv[2]}' (FORMAT parquet, COMPRESSION zstd)''')
"""

EXPORT = "import sys; from jobs.export import command; import argparse; p = argparse.ArgumentParser(); \
command.add_arguments(p); sys.exit(command.run(p.parse_args(sys.argv[1:])))"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--where", nargs="+", default=["local", "s3"], choices=["local", "s3"])
    parser.add_argument("--formats", nargs="+", default=["sft", "preference", "rl"])
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="keeps the made-up run here and uses it again")
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="export-benchmark-"))
    run, evaluation = folder / f"run-{args.rows}", folder / "evaluation.jsonl"
    try:
        if not (run / "problems.parquet").exists():
            shutil.rmtree(run, ignore_errors=True)
            make_run(run, args.rows)
            make_evaluation_set(evaluation)
        size = sum(path.stat().st_size for path in run.rglob("*.parquet"))
        print(json.dumps({"run_mb": round(size / 2**20), "cores": os.cpu_count(), "load": os.getloadavg()[0]}))
        for where in args.where:
            source, out, server = open_place(where, run, folder)
            try:
                for _ in range(args.repeats):
                    for format in args.formats:
                        flags = ["--run", source, "--out", f"{out}/{format}", "--overwrite"]
                        flags += ["--decontaminate", str(evaluation), "--work-dir", str(folder)]
                        command = [sys.executable, "-c", EXPORT, format, *flags]
                        print(json.dumps(timed(f"{format} {where}", command, args.rows, server)), flush=True)
                    if where == "local":
                        peer = [sys.executable, "-c", PEER, str(run), str(folder / "peer.parquet")]
                        print(json.dumps(timed("duckdb, part of sft", peer, args.rows)), flush=True)
            finally:
                if server:
                    server.terminate()
                    server.wait()
    finally:
        if not args.folder:
            shutil.rmtree(folder, ignore_errors=True)


def open_place(where: str, run: Path, folder: Path) -> tuple[str, str, subprocess.Popen[bytes] | None]:
    """(run, output, server): for S3 a server of its own, with the run's files in it."""
    if where == "local":
        return str(run), str(folder / "out"), None
    import boto3

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.environ |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    client = boto3.client("s3")
    for _ in range(100):
        try:
            client.create_bucket(Bucket="bench")
            break
        except Exception:
            time.sleep(0.2)
    for path in run.rglob("*.parquet"):
        client.upload_file(str(path), "bench", f"run/{path.relative_to(run)}")
    return "s3://bench/run", "s3://bench/out", server


if __name__ == "__main__":
    main()
