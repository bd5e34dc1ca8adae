"""The service as deployed: Ray Serve, real checkers, a real HTTP client, and a verifier killed under load."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from jobs.service.settings import new_token

pytestmark = [pytest.mark.ray, pytest.mark.anyio]
ROOT = Path(__file__).parents[3]
MODELS = ROOT / "models"
TOY = ROOT / "tests" / "fixtures" / "toy_plugin"
TOKEN, TOKEN_LINES = new_token("trainer")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Service:
    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        known = {"id": "k-1", "kind": "math", "prompt": "1+1?", "reference": {"answer": "2"}}
        (folder / "known.jsonl").write_text(json.dumps(known) + "\n")
        (folder / "solve.toml").write_text(
            f"run.id = 'served'\nproblems.files = ['{folder}/known.jsonl']\nresources.cpus_per_replica = 0.25\n"
            f"model = {{ path = '{MODELS}/tiny_reasoner', engine = 'parrot' }}\nsampling.rollout = 'told'\n"
        )
        (folder / "service.toml").write_text(
            f"plugins = ['toy_mill.proofmill']\nsolve.config = '{folder}/solve.toml'\nverify.echo.loud = true\n"
            f"server.port = {port}\nserver.max_body_mb = 4\nproblems.files = ['{folder}/known.jsonl']\n"
            f"server.gateways = 2\nruns = {{ output_uri = '{folder}/api', roots = ['{folder}', '{MODELS}'] }}\n"
            "server.header_timeout_s = 5\n"
            "ray.num_cpus = 2\nresources.cpus_per_gateway = 0.1\nverify.actors = 2\nverify.workers_per_actor = 1\n"
            "verify.attempts = 5\n" + TOKEN_LINES
        )
        self.log = folder / "service.log"
        environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "PYTHONPATH": f"{ROOT}{os.pathsep}{TOY}"}
        for name in ("RAY_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
            environment.pop(name, None)
        with self.log.open("wb") as log:
            words = [sys.executable, "-m", "jobs.cli", "serve", str(folder / "service.toml")]
            self.process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True, env=environment)

    def wait(self, timeout_s: float = 150) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError):
                answer = httpx.get(self.url + "/readyz", timeout=10)
                if answer.status_code == 200:
                    return
                if answer.status_code == 500:
                    pytest.fail(f"{answer.status_code}: {answer.text}")
            time.sleep(0.5)
        pytest.fail(f"the service did not start:\n{self.log.read_text()[-5000:]}")

    def replicas(self, deployment: str) -> list[psutil.Process]:
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                words = process.cmdline()
                if words and f"ServeReplica:proofmill:{deployment}" in words[0]:
                    found.append(process)
        return found

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            return -9


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("service"))
    try:
        service.wait()
        yield service
    finally:
        code = service.stop()
    assert code == 0, service.log.read_text()[-3000:]


def client_of(service: Service) -> httpx.AsyncClient:
    limits = httpx.Limits(max_connections=32)
    headers = {"Authorization": f"Bearer {TOKEN}"}
    return httpx.AsyncClient(base_url=service.url, headers=headers, timeout=120, limits=limits)


def addition(number: int, claimed: int) -> dict:
    problem = {"id": f"a{number}", "kind": "math", "prompt": f"{number}+1?", "reference": {"answer": str(number + 1)}}
    return {"problem": problem, "text": f"The sum is \\boxed{{{claimed}}}."}


async def test_verdicts_through_serve_are_those_of_the_checkers(service: Service) -> None:
    choice = {"kind": "choice", "prompt": "?", "reference": {"options": ["x", "y"], "answer": "B"}}
    async with client_of(service) as client:
        items = [
            addition(1, 2),
            addition(1, 3),
            {"problem": choice, "text": "The answer is B."},
            {"problem": choice, "text": "The answer is A."},
            {"problem_id": "k-1", "text": "\\boxed{2}"},
            {"problem_id": "k-1", "text": ""},
        ]
        response = await client.post("/v1/verify", json={"items": items})
        assert response.status_code == 200, response.text
        verdicts = response.json()["verdicts"]
        expected = ["verified", "refuted", "verified", "refuted", "verified", "malformed"]
        assert [verdict["status"] for verdict in verdicts] == expected
        assert (await client.post("/v1/verify", json={}, headers={"Authorization": "Bearer no"})).status_code == 401
        large = await client.post("/v1/verify", content=b"x" * (5 << 20), headers={"Content-Type": "application/json"})
        assert large.status_code == 413 and large.headers["content-type"] == "application/problem+json"


async def test_a_plugin_is_served(service: Service) -> None:
    """Its kind is checked in a verifier replica, and its engine and rollout draw in a generator replica."""
    problem = {"kind": "echo", "prompt": "Say silence or word", "reference": {"answer": "word"}}
    async with client_of(service) as client:
        items = [{"problem": problem, "text": text} for text in ("word", "silence")]
        checked = await client.post("/v1/verify", json={"items": items})
        assert checked.status_code == 200, checked.text
        verdicts = checked.json()["verdicts"]
        assert [verdict["status"] for verdict in verdicts] == ["verified", "refuted"]
        assert all("echo" in v["evidence"]["kinds"] and v["evidence"]["loud"] for v in verdicts)
        solved = await client.post("/v1/solve", json={"problem": problem, "num_samples": 8})
        assert solved.status_code == 200, solved.text
        body = solved.json()
        assert body["verified"] and body["text"] == "word" and body["verdict"]["checker"] == "echo"
        words = 2 + 4  # two of the rollout's system message, four of the prompt
        assert body["cost"]["prompt_tokens"] == words * body["cost"]["samples"]
        wrong = {**problem, "reference": {"answer": "two words"}}
        refused = await client.post("/v1/verify", json={"items": [{"problem": wrong, "text": "x"}]})
        assert refused.status_code == 422 and "letters only" in refused.text


async def test_a_half_sent_head_does_not_hold_a_connection(service: Service) -> None:
    """Serve's own proxy would wait for ever; ours closes what is not complete in time."""
    with socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])), timeout=60) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert client.recv(1) == b""


async def test_a_verifier_killed_under_load_loses_and_crosses_nothing(service: Service) -> None:
    answered = 0
    killed: list[int] = []

    async with client_of(service) as client:

        async def ask(worker: int) -> None:
            nonlocal answered
            for turn in range(12):
                base = 1000 * worker + 20 * turn
                items = [addition(base + n, base + n + (n % 2)) for n in range(20)]
                response = await client.post("/v1/verify", json={"items": items, "stream": worker % 2 == 0})
                assert response.status_code == 200, response.text
                body = response.text
                verdicts = (
                    [json.loads(line) for line in body.splitlines()] if worker % 2 == 0 else response.json()["verdicts"]
                )
                assert [v["status"] for v in verdicts] == ["refuted", "verified"] * 10
                texts = [str(verdict["evidence"]) for verdict in verdicts]
                assert all(str(base + n + (n % 2)) in text for n, text in enumerate(texts)), "an answer was crossed"
                answered += 20

        async def kill() -> None:
            for _ in range(2):
                before = answered
                while answered < before + 200:
                    await asyncio.sleep(0.02)
                victims = await asyncio.to_thread(service.replicas, "verifier")
                if victims:
                    killed.append(victims[0].pid)
                    victims[0].kill()

        killer = asyncio.create_task(kill())
        await asyncio.gather(*(ask(worker) for worker in range(8)))
        killer.cancel()
    assert killed, "no verifier was killed, so nothing was tested"
    assert answered == 8 * 12 * 20


async def test_all_gateways_see_one_run_and_so_does_a_new_keeper(service: Service) -> None:
    """Each gateway used to keep its own runs: half of all requests saw a running one as stopped."""
    assert len(service.replicas("gateway")) == 2
    config = {
        "run": {"id": "shared"},
        "problems": {"files": [f"{service.log.parent}/known.jsonl"]},
        "model": {"path": f"{MODELS}/tiny_reasoner", "dtype": "float32", "max_model_len": 512},
    }

    async with client_of(service) as client:

        async def states(number: int) -> set[str]:
            answers = await asyncio.gather(*(client.get("/v1/runs/shared") for _ in range(number)))
            return {str(answer.json().get("state", answer.status_code)) for answer in answers}

        started = await client.post("/v1/runs", json={"config": config})
        assert started.status_code == 202, started.text
        assert await states(16) == {"running"}
        again = await client.post("/v1/runs", json={"config": config})
        assert again.json()["type"].endswith(":already-running")
        (keeper,) = service.replicas("runs")
        keeper.kill()
        deadline = time.monotonic() + 60
        while (found := await states(1)) == {"503"} and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
        assert found == {"running"}, "the new keeper does not know the process of the old one"
        assert (await client.delete("/v1/runs/shared")).status_code == 202
        while (found := await states(1)) == {"running"} and time.monotonic() < deadline + 60:
            await asyncio.sleep(0.5)
        assert found == {"stopped"}


async def test_what_the_dashboard_plots_is_exported(service: Service) -> None:
    """Gauges too, though nothing happens any more: Ray forgets a gauge that is not set again."""
    port_files = list(Path("/tmp/ray").glob(f"session_*_{service.process.pid}/metrics_export_port_*"))
    wanted = {
        "verdicts_total",
        "verdict_seconds_bucket",
        "requests_total",
        "request_seconds_bucket",
        "verifiers_lost_total",
    }
    wanted = {f"ray_proofmill_{name}" for name in wanted | {"pending_items", "occupancy"}}
    panels = json.loads((MODELS.parent / "docs/grafana/proofmill.json").read_text())["panels"]
    assert all(any(name in target["expr"] for panel in panels for target in panel["targets"]) for name in wanted)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        text = "\n"
        for port_file in port_files:  # an earlier process with this number may have left one
            with contextlib.suppress(httpx.TransportError):
                url = f"http://127.0.0.1:{port_file.read_text()}/metrics"
                text += (await asyncio.to_thread(httpx.get, url, timeout=30)).text
        if all(f"\n{name}{{" in text for name in wanted):
            return
        await asyncio.sleep(1)
    pytest.fail(f"not exported: {[name for name in wanted if name not in text]}")
