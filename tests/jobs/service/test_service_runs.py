"""Batch runs by API: confinement (the attacks first), ownership, resume, stop."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs.config import SolveConfig
from jobs.service import runs
from jobs.service.app import build_app
from jobs.service.confinement import confined
from jobs.service.gateway import Gateway
from jobs.service.http_errors import HttpProblem
from jobs.service.settings import Runs, check_service_config, token_digest
from runstore import layout
from runstore.storage import open_storage
from workers.engines.endpoint import EndpointKeys

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "root/models").mkdir(parents=True)
    (tmp_path / "root/set.jsonl").write_text("{}\n")
    (tmp_path / "secret.jsonl").write_text("{}\n")
    (tmp_path / "root/leak.jsonl").symlink_to(tmp_path / "secret.jsonl")
    (tmp_path / "rootless").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "root"


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd", "../secret.jsonl", "root/../secret.jsonl", "root/leak.jsonl", "rootless/x", "secret.jsonl", "",
        "root/*/../../secret.jsonl", "*/set.jsonl", "~/x", "root/x\x00", "file:///etc/passwd", "http://169.254.169.254/",
        "s3://other/x", "s3://bucket/sets-private/x", "s3://bucket/sets/../private/x", "s3://bucket/sets", "S3://bucket/sets/x",
        "s3://bucket/sets/%2e%2e/private", "hub-org/model",
    ],
)  # fmt: skip
def test_nothing_outside_the_roots_passes(root: Path, name: str) -> None:
    with pytest.raises(HttpProblem) as caught:
        confined(name, [str(root), "s3://bucket/sets"])
    assert caught.value.status == 403 and (not name or name not in caught.value.detail)


def test_names_under_the_roots_pass(root: Path) -> None:
    roots = [str(root), "s3://bucket/sets/"]
    assert confined("root/set.jsonl", roots) == str(root / "set.jsonl")
    assert confined(str(root / "*.jsonl"), roots) == str(root / "*.jsonl")
    assert confined("s3://bucket/sets/a/*.jsonl", roots) == "s3://bucket/sets/a/*.jsonl"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """In the place of the solver, a process that waits to be interrupted."""
    found = []

    def launch(config):
        # A shell that runs the tests in the background has its children ignore SIGINT; the solver sets its own handler.
        wait = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL);"
        code = wait + "print('up', flush=True); time.sleep(600)"
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        process.stdout.readline()
        found.append((config, process))
        return process

    monkeypatch.setattr(runs, "launch", launch)
    yield found
    for _, process in found:
        process.kill()
        process.wait()


def clients(root: Path, max_running: int = 2) -> tuple[httpx.AsyncClient, httpx.AsyncClient]:
    table = {
        "tokens": [{"name": name, "sha256": token_digest(name)} for name in ("ann", "bob")],
        "runs": {
            "output_uri": str(root.parent / "out"), "roots": [str(root)], "max_running": max_running,
            "template": {"resources": {"replicas": 3}, "budget": {"tokens": 1000}},
        },
    }  # fmt: skip
    app = build_app(Gateway(check_service_config(table, "test"), verifiers=None))
    transport = httpx.ASGITransport(app)
    return tuple(
        httpx.AsyncClient(transport=transport, base_url="http://test", headers={"Authorization": f"Bearer {name}"})
        for name in ("ann", "bob")
    )


CONFIG = {"run": {"id": "r1"}, "problems": {"files": ["root/set.jsonl"]}, "model": {"path": "root/models"}}
INLINE = [{"id": "a", "kind": "math", "prompt": "1+1?", "reference": {"answer": "2"}}]


async def test_a_run_starts_once_is_seen_by_its_owner_only_and_stops(root: Path, started) -> None:
    ann, bob = clients(root)
    answer = await ann.post("/v1/runs", json={"config": CONFIG})
    assert answer.status_code == 202, answer.text
    assert answer.json() == {
        "id": "ann.r1",
        "state": "running",
        "output": f"{root.parent}/out/runs/ann.r1",
        "exit_code": None,
        "error": "",
        "ended_at": None,
        "progress": None,
        "summary": None,
    }
    config = started[0][0]
    assert config.problems.files == [str(root / "set.jsonl")] and config.resources.replicas == 3
    assert (await ann.post("/v1/runs", json={"config": CONFIG})).status_code == 409
    assert (await ann.get("/v1/runs/r1")).json()["state"] == "running"
    assert (await ann.put("/v1/runs/r1")).headers["allow"] == "DELETE, GET"
    for path in ("r1", "ann.r1"):
        assert (await bob.get(f"/v1/runs/{path}")).status_code == 404
        assert (await bob.delete(f"/v1/runs/{path}")).status_code == 404
    assert (await ann.get("/v1/runs/r1/report")).json()["type"].endswith("not-yet")
    assert (await ann.delete("/v1/runs/r1")).status_code == 202
    assert started[0][1].wait(20) in (-signal.SIGINT, 1)
    assert (await ann.get("/v1/runs/ann.r1")).json()["state"] == "stopped"
    # The same request resumes; another config under the same id does not.
    assert (await ann.post("/v1/runs", json={"config": CONFIG})).status_code == 202
    started[1][1].kill()
    started[1][1].wait()
    other = {**CONFIG, "sampling": {"num_samples": 99}}
    assert (await ann.post("/v1/runs", json={"config": other})).json()["type"].endswith("id-taken")


async def test_clients_choose_no_address_output_code_or_limits(root: Path, started) -> None:
    ann, _ = clients(root)
    for section in (
        {"ray": {"address": "evil:6379"}}, {"output": {"uri": "/etc"}}, {"verify": {"lean": {"toolchain": "/bin/sh"}}},
        {"model": {"path": "root/models", "trust_remote_code": True}}, {"resources": {"replicas": 1000}},
        {"model": {"path": "root/models", "engine_args": {"load_format": "x"}}},
    ):  # fmt: skip
        answer = await ann.post("/v1/runs", json={"config": {**CONFIG, **section}})
        assert answer.status_code == 422 and answer.json()["errors"], answer.text
    for bad in ({"problems": {"files": ["/etc/passwd"]}}, {"model": {"path": "/root/.ssh"}}):
        assert (await ann.post("/v1/runs", json={"config": {**CONFIG, **bad}})).status_code == 403
    raised = await ann.post("/v1/runs", json={"config": {**CONFIG, "budget": {"tokens": 10**9}}})
    assert raised.status_code == 202 and started[0][0].budget.tokens == 1000, "the operator's budget must win"
    assert (await ann.post("/v1/runs", json={"config": {**CONFIG, "run": {"id": "../../x"}}})).status_code == 422


def test_every_key_of_a_run_is_open_to_clients_by_name_or_refused() -> None:
    """A key that a later version adds is closed until it is named in CLIENT_KEYS, and this list is read again then."""
    refused = {
        "problems": {"confidential", "config", "revision", "sources", "split"},
        "model": {
            *("engine", "tensor_parallel_size", "gpu_memory_utilization", "cpu_kv_cache_gb", "max_num_seqs"),
            *("quantization", "trust_remote_code", "engine_args"),
            *("preset", "lora", "chat_template_kwargs", "thinking", "keep_thought", "completion"),
            *EndpointKeys.model_fields,
        },
        "prompt": {"examples", "confidential"},
        "sampling": {
            *("policy_args", "rollout", "by_kind", "thinking_tokens", "loop.size", "loop.count", "stop_token_ids"),
            *("presence_penalty", "frequency_penalty", "repetition_penalty", "variants"),
        },
    }
    sections = {name: field.annotation for name, field in SolveConfig.model_fields.items()}
    assert set(sections) - set(runs.CLIENT_KEYS) == {
        *("plugins", "notify", "output", "verify", "resources", "ray", "cost"),
        *("models", "default_route", "routes", "cascade", "cascades", "audit", "agreement", "selection"),
    }
    for name, allowed in runs.CLIENT_KEYS.items():
        keys = set(every_key(sections[name]))
        assert keys - set(allowed) == refused.get(name, set()), name
        assert set(allowed) <= keys, "a whole section is never open"


def every_key(section: Any) -> list[str]:
    """The keys of a section, those of sections inside it by their path."""
    found = []
    for name, field in section.model_fields.items():
        inner = hasattr(field.annotation, "model_fields")
        found += [f"{name}.{key}" for key in every_key(field.annotation)] if inner else [name]
    return found


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"plugins": {"x": 1}}, "/config/plugins"),
        ({"notify": {"url_env": "AWS_SECRET_ACCESS_KEY"}}, "/config/notify"),
        ({"sampling": {"policy_args": {"file": "/etc/passwd"}}}, "/config/sampling/policy_args"),
        ({"sampling": {"rollout": "tools"}}, "/config/sampling/rollout"),
        ({"sampling": {"repair": {"file": "/etc/passwd"}}}, "/config/sampling/repair/file"),
        ({"sampling": {"repair": 5}}, "/config/sampling/repair"),
        ({"model": {"engine": "parrot"}}, "/config/model/engine"),
        ({"prompt": {"knowledge": "/etc/passwd"}}, "/config/prompt/knowledge"),
    ],
)
async def test_no_section_is_open_as_a_whole(root: Path, started, changes: dict[str, Any], pointer: str) -> None:
    ann, _ = clients(root)
    answer = await ann.post("/v1/runs", json={"config": {**CONFIG, **changes}})
    assert answer.status_code == 422 and not started
    assert pointer in [error["pointer"] for error in answer.json()["errors"]]


async def test_plugins_at_the_top_of_a_request_are_refused(root: Path, started) -> None:
    ann, _ = clients(root)
    answer = await ann.post("/v1/runs", json={"config": {**CONFIG, "plugins": ["os"]}})
    assert answer.status_code == 422 and not started


async def test_single_keys_of_an_inner_section_are_open(root: Path, started) -> None:
    ann, _ = clients(root)
    body = {"config": {**CONFIG, "sampling": {"repair": {"rounds": 1, "kinds": ["lean"]}}}}
    assert (await ann.post("/v1/runs", json=body)).status_code == 202
    assert started[0][0].sampling.repair.rounds == 1


async def test_inline_problems_and_results(root: Path, started) -> None:
    ann, _ = clients(root, max_running=1)
    body = {"config": {"run": {"id": "r2"}, "model": {"path": "root/models"}}, "problems": INLINE}
    assert (await ann.post("/v1/runs", json=body)).status_code == 202
    file = started[0][0].problems.files[0]
    assert json.loads(Path(file).read_text())["id"] == "a"
    busy = await ann.post("/v1/runs", json={**body, "config": {**body["config"], "run": {"id": "r3"}}})
    assert busy.status_code == 429
    storage = open_storage(f"{root.parent}/out/runs/ann.r2")
    storage.replace("report.html", b"<script>alert(1)</script>")
    page = await ann.get("/v1/runs/r2/report")
    assert "sandbox" in page.headers["content-security-policy"]


def keeper_of(root: Path) -> runs.RunKeeper:
    return runs.RunKeeper(Runs(output_uri=str(root.parent / "out"), roots=[str(root)], max_running=1))


def test_a_new_keeper_finds_the_process_of_the_old_one_and_stops_it(root: Path, started) -> None:
    request = runs.RunRequest.model_validate({"config": CONFIG})
    assert keeper_of(root).start("ann", request).state == "running"
    successor = keeper_of(root)
    assert successor.status("ann", "r1").state == "running"
    with pytest.raises(HttpProblem, match="under way"):
        successor.start("ann", request)
    with pytest.raises(HttpProblem, match="as many runs"):
        successor.start("bob", request)
    successor.stop("ann", "r1")
    assert started[0][1].wait(20) == -signal.SIGINT
    assert successor.status("ann", "r1").state == "stopped"
    assert successor.start("bob", request).state == "running"


def test_a_process_number_given_out_again_is_neither_running_nor_interrupted(root: Path, started) -> None:
    """The attack: a number in an old record that names somebody else's process by now."""
    keeper_of(root).start("ann", runs.RunRequest.model_validate({"config": CONFIG}))
    storage = open_storage(str(root.parent / "out"))
    (key,) = storage.keys("service/processes/")
    record = json.loads(storage.read(key))
    storage.replace(key, json.dumps({**record, "started": record["started"] - 1}).encode())
    successor = keeper_of(root)
    successor.stop("ann", "r1")
    assert successor.status("ann", "r1").state == "stopped" and started[0][1].poll() is None
    assert storage.keys("service/processes/") == []


def test_a_fault_crosses_processes_whole() -> None:
    fault = pickle.loads(
        pickle.dumps(HttpProblem(429, "busy", "why", errors=[{"pointer": "/x", "detail": "wrong"}], retry_after_s=7))
    )
    assert fault.body()["errors"] == [{"pointer": "/x", "detail": "wrong"}] and fault.headers == {"Retry-After": "7"}


def test_how_a_run_failed_is_told_to_its_owner(root: Path) -> None:
    """The real process, with a problem file that cannot be used: the solver's own words, through the keeper."""
    keeper = keeper_of(root)
    keeper.start("ann", runs.RunRequest.model_validate({"config": CONFIG}))
    deadline = time.monotonic() + 120
    while (found := keeper.status("ann", "r1")).state == "running" and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found.state == "failed" and found.exit_code == 2
    assert "set.jsonl" in found.error and keeper.processes().running() == set()


def test_an_interrupt_before_the_solver_listens_ends_the_run(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service started in a shell's background ignores SIGINT, and its children inherit that: DELETE would be lost."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        os.mkfifo(root / "slow.jsonl")  # reading it waits for a writer, long before the solver listens for signals
        config = {**CONFIG, "problems": {"files": ["root/slow.jsonl"]}}
        keeper = keeper_of(root)
        keeper.start("ann", runs.RunRequest.model_validate({"config": config}))
    finally:
        signal.signal(signal.SIGINT, before)
    storage = runs.run_storage(str(root.parent / "out"), "ann.r1")
    deadline = time.monotonic() + 120
    while keeper.status("ann", "r1").state == "running" and time.monotonic() < deadline:
        keeper.stop("ann", "r1")  # again and again: the process needs a moment until it handles signals at all
        time.sleep(0.5)
    assert keeper.status("ann", "r1").state == "stopped"
    assert json.loads(storage.read(layout.REQUEST_OUTCOME) or b"{}").get("exit_code") in (None, 130)
