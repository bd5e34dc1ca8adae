"""Where a Ray listens: a cluster that is gone is told at once, and a Ray of our own is seen by this machine only."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import ray
from ray._private import services
from service_process import environment_of, free_port

from cluster.addresses import host_and_port
from cluster.connect import ClusterError, start_ray

LISTENING = """
import json, psutil, subprocess, sys, ray
from cluster.connect import start_ray
start_ray("", num_cpus=1, include_dashboard=False, log_to_driver=False, object_store_memory=128 << 20)
ports = []
for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
    try:
        ports += [each.laddr.ip for each in process.net_connections("inet") if each.status == "LISTEN"]
    except psutil.Error:
        pass
address = ray.get_runtime_context().gcs_address
join = "import ray, sys; from cluster.connect import start_ray as start; start(sys.argv[1]); "
join += "print(ray.cluster_resources()['CPU'])"
joined = subprocess.run([sys.executable, "-c", join, address], capture_output=True, text=True)
print(json.dumps({"ports": ports, "joined": joined.stdout.strip(), "said": joined.stderr[-2000:]}))
"""


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("10.0.0.1:6379", ("10.0.0.1", 6379)),
        ("head:6379", ("head", 6379)),
        ("[::1]:6379", ("::1", 6379)),
        ("ray://head:10002", ("head", 10002)),
        ("ray://head", ("head", 10001)),
        ("ray://head:10002/?namespace=x", ("head", 10002)),
    ],
)
def test_addresses_are_read(address: str, place: tuple[str, int]) -> None:
    assert host_and_port(address) == place


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8265", "https://x:1", "head", "head:", ":6379", "head:x", "x://h:1"]
)
def test_what_is_no_address_is_told(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "init", never)
    with pytest.raises(ClusterError, match="no Ray cluster answers at"):
        start_ray(address)


def never(**arguments: Any) -> None:
    pytest.fail("Ray was asked, which tries for minutes")


def test_a_cluster_that_is_gone_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that Ray writes for `auto` outlives a head that was killed."""
    gone = f"127.0.0.1:{free_port()}"
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "init", never)
    monkeypatch.setattr(services, "find_gcs_addresses", set)
    monkeypatch.setattr(services, "find_bootstrap_address", lambda folder: gone)
    with pytest.raises(ClusterError, match=f"no Ray cluster answers at {gone}, which `auto` means here: .*refused"):
        start_ray("auto")
    with pytest.raises(ClusterError, match="refused"):
        start_ray(gone)
    monkeypatch.setattr(services, "find_bootstrap_address", lambda folder: None)
    with pytest.raises(ClusterError, match="no Ray cluster answers at auto"):
        start_ray("auto")


@pytest.mark.ray
def test_a_ray_of_our_own_listens_on_loopback_and_can_be_joined_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LISTENING],
        capture_output=True,
        text=True,
        env=environment_of({"RAY_ADDRESS": "203.0.113.1:1"}),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["ports"] and set(found["ports"]) <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}
    assert found["joined"] == "1.0", found["said"]
