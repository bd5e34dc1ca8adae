"""The service beside another team's Ray and Serve on one machine: its own unless told otherwise, and nothing of theirs
is answered for, changed or ended."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from service_process import ROOT, ServiceProcess, environment_of, free_port, get

from jobs.service.settings import new_token

pytestmark = pytest.mark.ray
TOKEN, TOKEN_LINES = new_token("trainer")
SMALL = (
    "verify = { actors = 1, workers_per_actor = 1 }\nresources = { cpus_per_verifier = 0.1, cpus_per_gateway = 0.1 }\n"
)
NUM_REQUESTS = 200


class Foreign:
    """Another team's Ray and its application."""

    def __init__(self, log: Path) -> None:
        self.port = free_port()
        with log.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "tests/helpers/foreign_ray.py"), str(self.port)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment_of({}),
            )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"foreign ray at (\S+)", line):
                self.address = found[1]
                return
        pytest.fail(log.read_text()[-3000:])

    def answer(self) -> str:
        return httpx.get(f"http://127.0.0.1:{self.port}/other", timeout=60).text


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foreign]:
    foreign = Foreign(tmp_path_factory.mktemp("foreign") / "log")
    yield foreign
    assert foreign.process.stdin is not None
    foreign.process.stdin.close()
    foreign.process.wait(120)


def refused(folder: Path, config: str, port: int = 0, **variables: str) -> str:
    """What a service that must not start says, after exit code 2."""
    service = ServiceProcess(folder, SMALL + config, port, **variables)
    try:
        assert service.ended() == 2, service.text()[-3000:]
        assert "Traceback" not in service.text()
        return service.text()
    finally:
        service.kill()


def test_a_service_of_its_own_answers_no_one_without_a_token(foreign: Foreign, tmp_path: Path) -> None:
    """RAY_ADDRESS leads to the other team's Ray, as `ray` commands leave it in a shell."""
    service = ServiceProcess(tmp_path, SMALL + "ray.num_cpus = 1\n" + TOKEN_LINES, RAY_ADDRESS=foreign.address)
    try:
        service.wait()
        assert foreign.answer() == "other-team"
        second = refused(tmp_path, "", service.port)
        assert f"server.port {service.port}: in use by process " in second
        assert f"of the service with process id {service.process.pid}" in second
        # A new connection each: a second listener of the port would get every other one.
        with ThreadPoolExecutor(8) as threads, httpx.Client(headers={"Connection": "close"}, timeout=60) as client:
            answers = threads.map(lambda _: client.get(f"{service.url}/v1/models"), range(NUM_REQUESTS))
            statuses = Counter(answer.status_code for answer in answers)
        assert statuses == {401: NUM_REQUESTS}
        assert get(f"{service.url}/v1/models", TOKEN) == 200
        assert get(f"http://127.0.0.1:{foreign.port}/v1/models") == 404, "it took the other team's paths"
        service.interrupt()
        assert service.ended() == 0
        assert foreign.answer() == "other-team"
    finally:
        service.kill()


def test_a_cluster_whose_serve_listens_elsewhere_is_refused(foreign: Foreign, tmp_path: Path) -> None:
    text = refused(tmp_path, f'ray.address = "{foreign.address}"\n')
    assert "Ray Serve runs on this cluster already with other HTTP options" in text
    assert f"port {foreign.port} in place of " in text
    assert foreign.answer() == "other-team"


def test_on_a_shared_cluster_our_application_alone_comes_and_goes(foreign: Foreign, tmp_path: Path) -> None:
    config = SMALL + f'ray.address = "{foreign.address}"\n' + TOKEN_LINES
    service = ServiceProcess(tmp_path, config, foreign.port)
    try:
        service.wait()
        assert get(f"{service.url}/v1/models") == 401 and get(f"{service.url}/v1/models", TOKEN) == 200
        assert foreign.answer() == "other-team"
        second = refused(tmp_path, f'ray.address = "{foreign.address}"\n', foreign.port)
        assert "a Proofmill service runs on this cluster already: process " in second
        assert get(f"{service.url}/v1/models") == 401, "the refused service took its place"
        service.interrupt()
        assert service.ended() == 0
        assert get(f"{service.url}/healthz") == 404
        assert foreign.answer() == "other-team"
    finally:
        service.kill()


def test_what_is_no_cluster_is_told_without_a_traceback(tmp_path: Path) -> None:
    text = refused(tmp_path, 'ray.address = "auto"\n', RAY_ADDRESS="http://127.0.0.1:8265")
    assert "no Ray cluster answers at auto: http:// is no address of a Ray cluster" in text
