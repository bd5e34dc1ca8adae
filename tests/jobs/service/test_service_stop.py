"""The service stopped, at every time: while it starts, under load with a batch run, and at once. Engines killed too."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from service_process import STARTED, ServiceProcess

pytestmark = [pytest.mark.ray, pytest.mark.anyio]
LOOPBACK = ("127.0.0.1", "::ffff:127.0.0.1", "::1")
NEVER = {"answer": "\\boxed{4}", "p": 1, "tokens": 200_000, "token_s": 0.01}
"""What the stand-in engine is told: half an hour for a text."""
SOON = {"answer": "\\boxed{5}", "p": 1, "tokens": 200, "token_s": 0.01}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def config_of(folder: Path, engine: str) -> str:
    model = f'model = {{ path = "models/tiny_reasoner", engine = "{engine}", max_num_seqs = 64 }}\n'
    (folder / "solve.toml").write_text(
        f'plugins = ["stand_in_plugin"]\n{model}problems.files = ["x"]\nrun.id = "x"\nresources.device = "cpu"\n'
        "resources.cpus_per_replica = 0.1\n"
    )
    return (
        f'plugins = ["stand_in_plugin"]\nray.num_cpus = 2\nserver.drain_s = 3\nsolve.config = "{folder}/solve.toml"\n'
        f"verify = {{ actors = 1, workers_per_actor = 1 }}\nresources = {{ cpus_per_verifier = 0.1 }}\n"
        f'runs.output_uri = "{folder}/api"\nruns.roots = ["models"]\nruns.template = {{ {model.strip()}, '
        'resources = { device = "cpu" }, ray = { num_cpus = 2 } }\n'
    )


@contextlib.contextmanager
def started(folder: Path, engine: str = "stand-in") -> Iterator[ServiceProcess]:
    service = ServiceProcess(folder, config_of(folder, engine))
    try:
        yield service
    finally:
        service.kill()


def solve_body(task: dict[str, Any], num_samples: int) -> dict[str, Any]:
    problem = {"kind": "math", "prompt": json.dumps(task), "reference": {"answer": "5"}}
    return {"problem": problem, "num_samples": num_samples}


def still_alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    _, alive = psutil.wait_procs(processes, timeout=20)
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_an_interrupt_while_the_model_loads_ends_it_at_once(tmp_path: Path) -> None:
    with started(tmp_path, "loads-for-ever") as service:
        service.until(lambda: service.replicas("generator"))
        service.until(lambda: httpx_status(f"{service.url}/readyz") == 503, 120)
        processes = service.descendants()
        service.interrupt()
        assert service.ended() == 130
        assert STARTED not in service.text() and "Traceback" not in service.text()
        assert still_alive(processes) == []


def httpx_status(url: str) -> int:
    with contextlib.suppress(httpx.TransportError):
        return httpx.get(url, timeout=30).status_code
    return 0


async def stalled_upload(port: int) -> bytes:
    """The answer to a request whose body never comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = "POST /v1/verify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    writer.write(head.encode() + b'{"items":')
    await writer.drain()
    answer = await reader.read(65536)
    writer.close()
    return answer


async def test_an_engine_killed_and_then_the_loaded_service_interrupted(tmp_path: Path) -> None:
    with started(tmp_path) as service:
        await asyncio.to_thread(service.wait)
        async with httpx.AsyncClient(base_url=service.url, timeout=120) as client:
            ports = listening(service)
            assert [at for at in ports if at[1] not in LOOPBACK] == [], "another machine can reach a part of it"
            assert any(at[1:] == ("127.0.0.1", service.port) for at in ports)
            await an_engine_is_killed_under_load(client, service)
            await the_loaded_service_is_interrupted(client, service, tmp_path)


def listening(service: ServiceProcess) -> list[tuple[str, str, int]]:
    found = []
    for process in service.descendants():
        with contextlib.suppress(psutil.Error):
            for each in process.net_connections("inet"):
                if each.status == psutil.CONN_LISTEN:
                    found.append((process.name(), each.laddr.ip, each.laddr.port))
    return found


async def an_engine_is_killed_under_load(client: httpx.AsyncClient, service: ServiceProcess) -> None:
    asked = [asyncio.create_task(client.post("/v1/solve", json=solve_body(SOON, 4))) for _ in range(8)]
    await asyncio.sleep(0.5)
    (victim,) = service.replicas("generator")
    victim.kill()
    answers = await asyncio.gather(*asked)
    assert [answer.status_code for answer in answers] == [200] * 8
    assert all(answer.json()["text"] == SOON["answer"] and answer.json()["num_lost"] == 0 for answer in answers)
    assert victim.pid not in [each.pid for each in service.replicas("generator")]


async def the_loaded_service_is_interrupted(client: httpx.AsyncClient, service: ServiceProcess, folder: Path) -> None:
    problem = {"id": "p1", "kind": "math", "prompt": json.dumps(NEVER), "reference": {"answer": "5"}}
    request = {"config": {"run": {"id": "r1"}, "sampling": {"num_samples": 4}}, "problems": [problem]}
    assert (await client.post("/v1/runs", json=request)).status_code == 202
    run = folder / "api/runs/anonymous.r1"
    await asyncio.to_thread(service.until, lambda: (run / "run.json").exists())
    soon = asyncio.create_task(client.post("/v1/solve", json=solve_body(SOON, 2)))
    never = asyncio.create_task(client.post("/v1/solve", json=solve_body(NEVER, 2)))
    stalled = asyncio.create_task(stalled_upload(service.port))
    await asyncio.sleep(1)
    processes = service.descendants()
    service.interrupt()
    assert (await soon).json()["text"] == SOON["answer"], "it would have ended in time"
    assert (await never).status_code == 503 and "stopping" in (await never).json()["detail"]
    assert (await stalled).startswith(b"HTTP/1.1 503")
    assert await asyncio.to_thread(service.ended) == 0
    outcome = json.loads((run / "request/outcome.json").read_text())
    assert outcome["exit_code"] == 130
    assert json.loads((run / "run.json").read_text()).get("complete") is not True
    assert still_alive(processes) == []
    assert "Traceback" not in service.text() and "graceful_shutdown failed" not in service.text()


def test_a_second_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    with started(tmp_path) as service:
        service.wait()
        connection = httpx.Client(base_url=service.url, timeout=60)
        with (
            contextlib.suppress(httpx.TransportError),
            connection.stream("POST", "/v1/solve", json={**solve_body(NEVER, 1), "stream": True}) as answer,
        ):
            assert answer.status_code == 200
            processes = service.descendants()
            service.process.send_signal(signal.SIGINT)
            service.until(lambda: "again to stop at once" in service.text())
            service.process.send_signal(signal.SIGTERM)
            assert service.ended() == 130
        assert still_alive(processes) == []
