"""Joining a Ray cluster, or starting a local one for the length of a `with` block."""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import ray

from cluster.addresses import found_by_ray, host_and_port, knock, listens_on_loopback_only, loopback_node
from runstore.sizes import PENDING_BYTES
from verifiers import plugins

log = logging.getLogger("proofmill.cluster.connect")

TOO_SLOW = "timed out during startup"
"""Part of what Ray says where the machine was too busy to start it in time."""
END_S = 5.0
"""Longest wait for the processes of a failed start to be gone, in seconds."""
LOCAL_OBJECT_STORE_BYTES = 2 * PENDING_BYTES
"""Size of a local Ray's object store, which holds the batches of samples that wait, and those of samples that were
under way when the bound on them was reached. Ray moves objects to the disk and back once four fifths are full."""

EXCLUDES = [".git", ".venv", "out", "build", "tests", "docs", "benchmarks", "**/__pycache__", "**/.*_cache"]


PASSED_VARIABLES = ("HF_HOME", "HF_ENDPOINT")
"""Where models are kept and fetched from; actors on other nodes need it too. Variables that hold keys are not among
them."""


class ClusterError(Exception):
    """Ray cannot be reached or started; the text is for the user."""


class LocalRayError(ClusterError):
    """A local Ray did not start on this machine. The config is not at fault."""


def start_ray(address: str, **arguments: Any) -> None:
    """`ray.init`. Raises LocalRayError where `address` is empty and a local Ray does not start, ClusterError where none
    answers at the address. A local Ray that is not up within Ray's own 30 seconds is started once more.

    A local Ray listens on loopback only. `RAY_ADDRESS` counts for the address `auto` alone, as inside Ray's own jobs.
    """
    on_loopback = not address or require_answer(address)
    started = time.time()
    for is_last in (False, True):
        try:
            with loopback_node() if on_loopback else contextlib.nullcontext():
                ray.init(address=address or "local", **arguments)
            return
        except Exception as error:  # a plain Exception where a node is not up in time, as on a busy machine
            if address:
                raise no_cluster(address, error) from error
            with contextlib.suppress(Exception):
                ray.shutdown()
            end_partly_started()
            if is_last or TOO_SLOW not in str(error):
                raise LocalRayError(f"a local Ray could not be started: {error}\n{remedy(started)}") from error
            log.warning(
                "a local Ray was not up within Ray's own limit of 30 s (the machine is busy: load %.1f on %d CPUs); it "
                "is started once more", os.getloadavg()[0], os.cpu_count() or 1,
            )  # fmt: skip


def end_partly_started() -> None:
    """Ends what a start of a local Ray that failed has left running below this process. Ray itself ends it only when
    this process ends, and until then it would take memory and ports from the next attempt."""
    left = []
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if any("/ray/session_" in word for word in child.cmdline()):
                child.kill()
                left.append(child)
    psutil.wait_procs(left, timeout=END_S)


def require_answer(address: str) -> bool:
    """Whether the cluster at `address` listens on loopback only. Raises ClusterError where nothing listens there, which
    Ray itself would try for minutes; the file that `auto` reads outlives the cluster it names."""
    try:
        named = found_by_ray() if address == "auto" else address
        host, port = host_and_port(named)
    except (ConnectionError, ValueError) as error:
        raise no_cluster(address, error) from error
    if fault := knock(host, port):
        raise no_cluster(address if named == address else f"{named}, which `{address}` means here", fault)
    return listens_on_loopback_only(host, port)


def no_cluster(address: str, reason: object) -> ClusterError:
    return ClusterError(
        f"no Ray cluster answers at {address}: {reason}\nTry `ray status --address {address.partition(',')[0]}` from "
        "here; ray.address takes the head's host and port, ray://host:10001, `auto`, or nothing for a Ray of our own"
    )


def remedy(started: float) -> str:
    """What the user can look at and do when a local Ray does not start; `started`: when the start was tried."""
    lines = []
    if log := ray_log_folder(started):
        lines.append(f"Its logs: {log} (raylet.err, gcs_server.err)")
    free = psutil.virtual_memory().available
    lines += [
        "Most often the machine is too busy to start it within 30 seconds: give the same command again.",
        f"Memory: {free / 2**30:.1f} GiB are free; a local Ray takes about 1 GiB and its object store "
        f"{LOCAL_OBJECT_STORE_BYTES / 2**30:.1f} GiB.",
        "Ports or leftovers of an earlier Ray on this machine: `ray stop` ends all that run here under your name.",
        "Or join a cluster that runs already: ray.address.",
    ]
    return "\n".join(lines)


def ray_log_folder(started: float = 0.0) -> str:
    """The logs of the youngest Ray session begun since `started` on this machine; empty where there is none."""
    root = Path(os.environ.get("RAY_TMPDIR") or os.environ.get("TMPDIR") or "/tmp") / "ray"
    with contextlib.suppress(OSError):
        sessions = [path for path in root.glob("session_2*") if path.stat().st_mtime >= started - 1]
        if sessions:
            return str(max(sessions, key=lambda path: path.stat().st_mtime) / "logs")
    return ""


@contextlib.contextmanager
def connect(
    address: str,
    num_cpus: int = 0,
    runtime_env: Mapping[str, Any] | None = None,
    code_travels: bool = True,
    num_gpus: int | None = None,
) -> Iterator[Mapping[str, float]]:
    """Connects this process to Ray and yields the cluster's resources. Raises ClusterError
    (LocalRayError where a Ray of our own does not start).

    With an empty `address` it starts a local Ray, which ends with the block (`num_cpus` 0 and `num_gpus` None: all that
    the machine has). Inside a Ray job (`RAY_JOB_*` is set) or with an address it joins that cluster. Our code then
    travels as a working_dir snapshot, unless the job brought it already or `code_travels` is false. No key goes into
    the runtime environment, which Ray writes into logs and command lines: jobs.run_secrets hands them to the actors.
    """
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    inside_job = bool(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR"))
    environment = dict(runtime_env or {})
    arguments: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if address:
        if code_travels and not inside_job and "working_dir" not in environment:
            environment |= {
                "working_dir": str(Path(__file__).resolve().parents[1]),
                "excludes": [*EXCLUDES, *environment.get("excludes", [])],
            }
        passed = {name: os.environ[name] for name in PASSED_VARIABLES if os.environ.get(name)}
        named = {plugins.VARIABLE: names} if (names := os.environ.get(plugins.VARIABLE)) else {}
        if passed or named:
            environment["env_vars"] = {**passed, **environment.get("env_vars", {}), **named}
    else:
        arguments |= {
            "num_cpus": num_cpus or None,
            "num_gpus": num_gpus,
            "include_dashboard": False,
            "object_store_memory": LOCAL_OBJECT_STORE_BYTES,
        }
    if environment:
        arguments["runtime_env"] = environment
    start_ray(address, **arguments)
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()
