"""Many clients of one service while its parts are killed: every verdict counted and compared with its own question.

    python benchmarks/service_load.py [--clients 50] [--verdicts 57000] [--solves 20] [--without-token 1000]

A verifier is killed after a quarter of the verdicts, a gateway after half of them, the engine (the bundled model on
CPU) while `--solves` requests are under way. Clients repeat a request that fails, as the documents advise; how often
that was needed is printed, for solves too. `--without-token` requests without a token come at the same time; each must
get 401.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from jobs.service.settings import new_token

ROOT = Path(__file__).resolve().parents[1]
TOKEN, TOKEN_LINES = new_token("load")
BATCH = 60
TRIES = 8
FAILED = (500, 502, 503, 504)


@contextlib.contextmanager
def service() -> Iterator[tuple[str, int]]:
    """URL and process id of a service with two gateways, two verifiers and an engine."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "load.toml"
        config.write_text(
            f'server = {{ port = {port}, gateways = 2 }}\nsolve.config = "{ROOT}/configs/solve/demo.toml"\n'
            "verify = { actors = 2, workers_per_actor = 1, attempts = 5 }\nray.num_cpus = 4\n"
            "resources = { cpus_per_verifier = 0.25, cpus_per_gateway = 0.1 }\n"
            f"{TOKEN_LINES}requests_per_s = 100000\nitems_per_s = 1000000\n"
        )
        log = Path(folder) / "log"
        with log.open("wb") as out:
            words = [sys.executable, "-m", "jobs.cli", "serve", str(config)]
            process = subprocess.Popen(words, stdout=out, stderr=out, start_new_session=True, cwd=ROOT)
        try:
            while "serves on" not in log.read_text():
                if process.poll() is not None:
                    raise SystemExit(log.read_text()[-3000:])
                time.sleep(0.5)
            yield f"http://127.0.0.1:{port}", process.pid
        finally:
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            code = process.wait(180)
            print(f"stopped with code {code} after {time.monotonic() - began:.1f} s")


def kill(service_pid: int, deployment: str) -> None:
    """Kills one replica."""
    for process in psutil.Process(service_pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if any(f"ServeReplica:proofmill:{deployment}" in word for word in process.cmdline()[:1]):
                process.kill()
                print(f"killed a {deployment} (process {process.pid})", flush=True)
                return
    raise SystemExit(f"no {deployment} found")


class Load:
    """What the clients sent and got."""

    def __init__(self, url: str, service_pid: int, verdicts: int) -> None:
        self.service_pid, self.total = service_pid, verdicts
        self.client = httpx.AsyncClient(
            base_url=url, timeout=600, limits=httpx.Limits(max_connections=200),
            headers={"Authorization": f"Bearer {TOKEN}"},
        )  # fmt: skip
        self.counts: Counter[str] = Counter()
        self.sent = 0

    async def post(self, path: str, body: dict) -> httpx.Response | None:
        """The first answer that is no failure of the service; None where there is none."""
        for attempt in range(TRIES):
            with contextlib.suppress(httpx.TransportError):
                answer = await self.client.post(path, json=body)
                if answer.status_code == 200:
                    return answer
                self.counts[f"{path} {answer.status_code}"] += 1
                if answer.status_code not in (*FAILED, 429):
                    return None
            self.counts[f"{path} repeated"] += 1
            await asyncio.sleep(0.5 * (attempt + 1))
        return None

    async def verifies(self) -> None:
        while self.sent < self.total:
            base, self.sent = self.sent, self.sent + BATCH
            claimed = [base + n + (n % 2) for n in range(BATCH)]
            items = [
                {
                    "problem": {"kind": "math", "prompt": "?", "reference": {"answer": str(base + n)}},
                    "text": f"So it is \\boxed{{{claimed[n]}}}.",
                }
                for n in range(BATCH)
            ]
            answer = await self.post("/v1/verify", {"items": items})
            if answer is None:
                self.counts["lost"] += BATCH
                continue
            for n, verdict in enumerate(answer.json()["verdicts"]):
                self.counts["verdicts"] += 1
                self.counts["wrong"] += verdict["status"] != ("refuted" if n % 2 else "verified")
                self.counts["crossed"] += str(claimed[n]) not in str(verdict["evidence"])

    async def solves(self, count: int) -> None:
        problem = {"kind": "math", "prompt": "What is 2+3?", "reference": {"answer": "77777"}}
        body = {"problem": problem, "num_samples": 4}
        asked = [asyncio.create_task(self.post("/v1/solve", body)) for _ in range(count)]
        await asyncio.sleep(2)
        await asyncio.to_thread(kill, self.service_pid, "generator")
        for answer in await asyncio.gather(*asked):
            self.counts["solves answered"] += answer is not None
            self.counts["samples lost"] += answer.json()["num_lost"] if answer else 0

    async def strangers(self, count: int) -> None:
        for _ in range(count):
            with contextlib.suppress(httpx.TransportError):
                answer = await self.client.get("/v1/models", headers={"Authorization": ""})
                self.counts[f"without a token: {answer.status_code}"] += 1

    async def kills(self) -> None:
        for share, deployment in ((0.25, "verifier"), (0.5, "gateway")):
            while self.counts["verdicts"] < share * self.total:
                await asyncio.sleep(0.05)
            await asyncio.to_thread(kill, self.service_pid, deployment)


async def run(args: argparse.Namespace) -> None:
    with service() as (url, service_pid):
        load = Load(url, service_pid, args.verdicts)
        began = time.monotonic()
        clients = [load.verifies() for _ in range(args.clients)]
        await asyncio.gather(*clients, load.kills(), load.strangers(args.without_token))
        seconds = time.monotonic() - began
        print(f"{load.counts['verdicts'] / seconds:.0f} verdicts per second, {args.clients} clients")
        await load.solves(args.solves)
        for name in ("verdicts", "lost", "wrong", "crossed", "solves answered", "samples lost"):
            load.counts[name] += 0
        for name, count in sorted(load.counts.items()):
            print(f"{name:28} {count:,}")
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--verdicts", type=int, default=57_000)
    parser.add_argument("--solves", type=int, default=20)
    parser.add_argument("--without-token", type=int, default=1000)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
