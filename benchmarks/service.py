"""/v1/verify through HTTP against the same checkers in this process: items per second, alternating, one run.

    python benchmarks/service.py [--workers 2] [--batch 256] [--clients 2] [--rounds 5]

Peer: `Checkers.verify` called from as many threads as the service has workers. Both sides check the same math items, a
mixture of right and wrong answers; the service side adds HTTP, JSON, Serve's proxy and two hops between processes.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx

from verifiers.checker import Checkers
from verifiers.types import Kind, Problem

ANSWERS = ["42", "\\frac{3}{4}", "x^2+2x+1", "(1, 2)", "\\sqrt{2}", "0.125", "2\\pi", "10^{6}"]
TEXTS = ["42", "0.75", "(x+1)^2", "(1,2)", "2^{1/2}", "1/8", "6.28", "1000000"]


def make_items(count: int) -> list[dict]:
    """Every second text is wrong."""
    items = []
    for number in range(count):
        index = number % len(ANSWERS)
        problem = {"id": f"b{number}", "kind": "math", "prompt": "?", "reference": {"answer": ANSWERS[index]}}
        text = TEXTS[index] if number % 2 else str(number)
        items.append({"problem": problem, "text": f"We compute step by step. The answer is \\boxed{{{text}}}."})
    return items


@contextlib.contextmanager
def service(workers: int) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    words = [sys.executable, "-m", "jobs.cli", "serve"]
    for setting in (f"server.port={port}", "verify.actors=1", f"verify.workers_per_actor={workers}"):
        words += ["--set", setting]
    environment = {**os.environ, "RAY_AUTH_MODE": "disabled"}
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True, env=environment)
        try:
            url = f"http://127.0.0.1:{port}"
            deadline = time.monotonic() + 180
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(url + "/readyz", timeout=10).status_code == 200:
                        break
                if process.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise SystemExit(f"the service did not start:\n{log.read().decode()[-3000:]}")
                time.sleep(0.5)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def through_http(url: str, batches: list[list[dict]], clients: int) -> float:
    bodies = [json.dumps({"items": batch}).encode() for batch in batches]

    def send(body: bytes) -> int:
        response = client.post("/v1/verify", content=body, headers={"Content-Type": "application/json"})
        response.raise_for_status()
        return len(response.json()["verdicts"])

    with httpx.Client(base_url=url, timeout=600) as client, ThreadPoolExecutor(clients) as threads:
        started = time.perf_counter()
        total = sum(threads.map(send, bodies))
    return total / (time.perf_counter() - started)


def in_process(checkers: Checkers, batches: list[list[dict]], workers: int) -> float:
    def check(item: dict) -> None:
        checkers.verify(Problem.from_json(item["problem"]), item["text"])

    items = [item for batch in batches for item in batch]
    with ThreadPoolExecutor(workers) as threads:
        started = time.perf_counter()
        list(threads.map(check, items))
    return len(items) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--batches", type=int, default=8)
    parser.add_argument("--clients", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    batches = [make_items(args.batch) for _ in range(args.batches)]
    checkers = Checkers(args.workers)
    checkers.of(Kind.MATH)
    ratios = []
    with service(args.workers) as url:
        through_http(url, batches[:2], args.clients)
        in_process(checkers, batches[:2], args.workers)
        for turn in range(args.rounds):
            http_rate = through_http(url, batches, args.clients)
            local_rate = in_process(checkers, batches, args.workers)
            ratios.append(http_rate / local_rate)
            print(f"round {turn}: HTTP {http_rate:.0f}/s, in process {local_rate:.0f}/s, ratio {ratios[-1]:.2f}")
    checkers.close()
    load = os.getloadavg()[0]
    print(f"median ratio {statistics.median(ratios):.2f} (bound 0.60); {os.cpu_count()} cores, load {load:.1f}")


if __name__ == "__main__":
    main()
