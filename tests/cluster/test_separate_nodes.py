"""A head and two workers as separate `ray start` processes, each worker in a network namespace of its own where the
machine allows it: a set is submitted over HTTP, one worker is taken away in the middle, the rows come from S3."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import io
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import leftovers
import psutil
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import BotoCoreError

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]
ROOT = Path(__file__).resolve().parents[2]
NUM_PROBLEMS, NUM_SAMPLES = 24, 64


def run(words: str) -> None:
    subprocess.run(words.split(), check=True, capture_output=True, timeout=30)


@dataclasses.dataclass
class Network:
    """`prefix` puts a command on a machine of its own; without namespaces all are this machine."""

    address: str
    workers: list[tuple[str, list[str]]]
    """Address and command prefix of each."""


@contextlib.contextmanager
def network() -> Iterator[Network]:
    """A bridge on this machine and two namespaces on it, or loopback for all where that is not allowed. Either way each
    worker has mounts of its own."""
    tag = secrets.token_hex(3)
    subnet = f"10.{200 + secrets.randbelow(50)}.{secrets.randbelow(250)}"
    bridge = f"pmb{tag}"
    spaces = [f"pm{tag}{number}" for number in range(2)]
    try:
        try:
            run(f"ip link add {bridge} type bridge")
            run(f"ip addr add {subnet}.1/24 dev {bridge}")
            run(f"ip link set {bridge} up")
            for number, space in enumerate(spaces):
                run(f"ip netns add {space}")
                run(f"ip link add v{tag}{number} type veth peer name eth0 netns {space}")
                run(f"ip link set v{tag}{number} master {bridge} up")
                run(f"ip -n {space} addr add {subnet}.{10 + number}/24 dev eth0")
                run(f"ip -n {space} link set lo up")
                run(f"ip -n {space} link set eth0 up")
        except (OSError, subprocess.SubprocessError):
            try:
                run("unshare --mount true")
            except (OSError, subprocess.SubprocessError):
                pytest.skip("no namespaces here, and nodes that share a folder delete each other's packages")
            yield Network("127.0.0.1", [("127.0.0.1", ["unshare", "--mount"])] * 2)
        else:
            prefixes = [["ip", "netns", "exec", space] for space in spaces]
            yield Network(f"{subnet}.1", [(f"{subnet}.{10 + n}", prefix) for n, prefix in enumerate(prefixes)])
    finally:
        for words in (*(f"ip netns del {space}" for space in spaces), f"ip link del {bridge}"):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                run(words)


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as listener:
        listener.bind((address, 0))
        return int(listener.getsockname()[1])


def wait_for(what: str, true: Callable[[], object], timeout_s: float, log: Path) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(OSError, BotoCoreError):
            if true():
                return
        if time.monotonic() > deadline:
            pytest.fail(f"{what}:\n{log.read_text()[-4000:]}")
        time.sleep(0.3)


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """As a machine that loses power: every process of the node at once. Only what this test started."""
    with contextlib.suppress(psutil.NoSuchProcess):
        found = psutil.Process(process.pid)
        for each in [*found.children(recursive=True), found]:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
    process.wait(30)


def actors(process: subprocess.Popen[bytes]) -> set[str]:
    """Titles of Ray's workers on a node."""
    titles = set()
    for each in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            titles.update(word for word in each.cmdline()[:1] if word.startswith("ray::"))
    return titles


class Cluster:
    def __init__(self, net: Network, folder: Path) -> None:
        self.net, self.folder = net, folder
        self.environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }
        named = ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_TOKEN_PATH")
        for name in (*named, *(name for name in os.environ if name.startswith("AWS_"))):
            self.environment.pop(name, None)
        # Only the submitting process has them: the nodes' actors get them from it.
        self.keys = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": f"canary{secrets.token_hex(20)}",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{net.address}:{(s3 := free_port(net.address))}",
        }
        self.processes: list[subprocess.Popen[bytes]] = []
        self.start("s3", [sys.executable, "-m", "moto.server", "-H", net.address, "-p", str(s3)])
        self.port, self.dashboard = free_port(net.address), free_port(net.address)
        head = [f"--port={self.port}", f"--dashboard-port={self.dashboard}", f"--dashboard-host={net.address}"]
        head += [f"--ray-client-server-port={free_port()}", f"--temp-dir={folder}/ray", "--num-cpus=0"]
        self.node("head", net.address, [], ["--head", *head])
        url = f"http://{net.address}:{self.dashboard}/api/version"
        token = {"Authorization": f"Bearer {self.environment['RAY_AUTH_TOKEN']}"}
        ask = urllib.request.Request(url, headers=token)
        wait_for("the head", lambda: urllib.request.urlopen(ask, timeout=5), 180, folder / "head.log")

    def start(self, name: str, words: list[str]) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True, env=self.environment)
        self.processes.append(process)
        return process

    def node(self, name: str, address: str, prefix: list[str], words: list[str]) -> subprocess.Popen[bytes]:
        ray = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"]
        ray += [f"--node-ip-address={address}", f"--object-store-memory={100 << 20}"]
        ray += [f"--dashboard-agent-listen-port={free_port()}"]
        if prefix:
            # A disk of its own: a worker's Ray deletes a package there when it does not use it any more.
            disk = self.folder / f"disk-{name}"
            disk.mkdir()
            mount = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
            prefix = [*prefix, "sh", "-c", mount, "sh", str(disk), f"{self.folder}/ray"]
        return self.start(name, [*prefix, *ray, *words])

    def worker(self, number: int, num_cpus: float) -> subprocess.Popen[bytes]:
        address, prefix = self.net.workers[number]
        words = [f"--address={self.net.address}:{self.port}", f"--num-cpus={num_cpus}"]
        words += ["--resources", json.dumps({f"kind{number}": 1})]
        process = self.node(f"worker{number}", address, prefix, words)
        log = self.folder / f"worker{number}.log"
        # A job that comes before its nodes is refused by the plan, and rightly.
        wait_for(f"worker {number}", lambda: "Ray runtime started" in log.read_text(), 180, log)
        return process

    def s3(self) -> Any:
        import boto3

        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        return boto3.session.Session().client("s3", endpoint_url=self.keys["AWS_ENDPOINT_URL"], **keys)

    def close(self) -> None:
        for process in reversed(self.processes):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        time.sleep(1)
        for process in reversed(self.processes):
            kill_all(process)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="pm", dir="/tmp"))  # short: Ray's socket names have a bound
    with network() as net:
        cluster = Cluster(net, folder)
        try:
            yield cluster
        finally:
            cluster.close()
    shutil.rmtree(folder, ignore_errors=True)


def test_a_submitted_set_survives_the_loss_of_a_worker(cluster: Cluster, tmp_path: Path) -> None:
    cluster.worker(0, 2)
    away = cluster.worker(1, 1)
    rows = [
        {"id": f"q{i}", "kind": "math", "prompt": f"Compute {i} + {i}.", "reference": {"answer": str(2 * i)}}
        for i in range(NUM_PROBLEMS)
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    skip = shutil.ignore_patterns("*.py", "problems")
    shutil.copytree(ROOT / "models" / "tiny_reasoner", tmp_path / "tiny", ignore=skip)
    # The engine fits the first worker only; of three verifiers at most two fit beside it.
    (tmp_path / "c.toml").write_text(
        f"""
run.id = "spot"
problems.files = ["p.jsonl"]
model = {{ path = "tiny", dtype = "float32", max_model_len = 512, max_num_seqs = 16 }}
output = {{ uri = "s3://runs/prefix", flush_s = 0.5, part_rows = 32 }}
sampling = {{ num_samples = {NUM_SAMPLES}, max_tokens = 64 }}
verify = {{ actors = 3, workers_per_actor = 1 }}
resources = {{ device = "cpu", cpus_per_replica = 1.2, cpus_per_verifier = 0.4, max_restarts = 20 }}
"""
    )
    s3 = cluster.s3()
    wait_for("S3", lambda: s3.create_bucket(Bucket="runs"), 60, cluster.folder / "s3.log")
    address = f"http://{cluster.net.address}:{cluster.dashboard}"
    words = [sys.executable, "-m", "jobs.cli", "submit", "c.toml", "--address", address, "--python", sys.executable]
    log = tmp_path / "submit.log"
    with log.open("wb") as out:
        submit = subprocess.Popen(
            words, cwd=tmp_path, stdout=out, stderr=out, env={**cluster.environment, **cluster.keys}
        )
    cluster.processes.append(submit)

    def parts() -> list[str]:
        assert submit.poll() is None, log.read_text()
        found = s3.list_objects_v2(Bucket="runs", Prefix="prefix/runs/spot/samples/").get("Contents", [])
        return [each["Key"] for each in found]

    def reached() -> bool:
        # The first part only fences the writer's stream; it holds no rows.
        return len(parts()) > 1 and any("Verifier" in title for title in actors(away))

    wait_for("no rows came, or no verifier to the second worker", reached, 400, log)
    hosted = actors(away)
    kill_all(away)
    assert submit.wait(400) == 0, log.read_text()[-4000:]
    # The nodes' own disks too: `disk-*` are what their folder of Ray's was.
    assert leftovers.in_files([cluster.folder, tmp_path], [cluster.keys["AWS_SECRET_ACCESS_KEY"]]) == []
    assert any("Verifier" in title for title in hosted), f"only {hosted} ran on the node that was taken away"

    found = s3.list_objects_v2(Bucket="runs", Prefix="prefix/runs/spot/samples/")["Contents"]
    written: collections.Counter[tuple[str, int]] = collections.Counter()
    for each in found:
        table = pq.read_table(io.BytesIO(s3.get_object(Bucket="runs", Key=each["Key"])["Body"].read()))
        written.update(zip(table["problem_id"].to_pylist(), table["sample_index"].to_pylist(), strict=True))
    assert written == {(f"q{i}", j): 1 for i in range(NUM_PROBLEMS) for j in range(NUM_SAMPLES)}
    record = json.loads(s3.get_object(Bucket="runs", Key="prefix/runs/spot/run.json")["Body"].read())
    assert record["complete"] and record["summary"]["restarts"], "the loss was not felt, so nothing was tested"
    assert record["summary"]["epoch"] == 1, "the coordinator was lost with the node, so it was not beside the driver"
