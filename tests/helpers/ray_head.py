"""A Ray head of a test's own, with token authentication, at free ports; ended by its process group."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cluster.ray_jobs import RemoteError, connect

TOKEN = "0123456789abcdef0123456789abcdef"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclasses.dataclass(frozen=True)
class Head:
    """`address` is for submissions, `gcs` for drivers that join; `folder` holds all that Ray writes."""

    address: str
    gcs: str
    folder: Path


@contextlib.contextmanager
def running_head(num_cpus: int = 1, environment: Mapping[str, str] | None = None) -> Iterator[Head]:
    """Sets Ray's token in this process too, until the block ends. `environment` takes the place of this process's."""
    folder = Path(tempfile.mkdtemp(prefix="pm", dir="/tmp"))  # short: Ray's socket names have a bound
    (folder / "token").write_text(TOKEN)
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_AUTH_MODE", "token")
    patch.setenv("RAY_AUTH_TOKEN_PATH", str(folder / "token"))
    for name in ("RAY_AUTH_TOKEN", "RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
        patch.delenv(name, raising=False)
    patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    dashboard, gcs = free_port(), free_port()
    words = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--num-cpus={num_cpus}"]
    words += [f"--port={gcs}", f"--dashboard-port={dashboard}", f"--temp-dir={folder}/ray"]
    words += [f"--dashboard-agent-listen-port={free_port()}", "--disable-usage-stats", "--node-ip-address=127.0.0.1"]
    words += [f"--object-store-memory={100 * 2**20}", f"--ray-client-server-port={free_port()}"]
    with (folder / "head.log").open("wb") as log:
        token = {name: os.environ[name] for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "PATH")}
        environment = {**(os.environ if environment is None else environment), **token}
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True, env=environment)
    try:
        address = f"http://127.0.0.1:{dashboard}"
        deadline = time.monotonic() + 120
        while True:
            try:
                connect(address)
                break
            except RemoteError:
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"the Ray head did not start:\n{(folder / 'head.log').read_text()[-3000:]}")
                time.sleep(0.5)
        yield Head(address, f"127.0.0.1:{gcs}", folder)
    finally:
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        patch.undo()
        shutil.rmtree(folder, ignore_errors=True)
