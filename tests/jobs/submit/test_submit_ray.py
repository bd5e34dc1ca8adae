"""Submission to a real Ray head with token authentication: log over cut connections, stop, exit code, variables."""

from __future__ import annotations

import argparse
import contextlib
import re
import select
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ray_head import running_head

from cluster.ray_jobs import RemoteError, connect
from jobs.submit import command as submit

pytestmark = pytest.mark.ray

JOB = """
import os, signal, sys, time
from cluster.handover import adopt
adopt()
print("config", open(sys.argv[1]).read().strip(), "key", os.environ.get("AWS_SECRET_ACCESS_KEY"), flush=True)
signal.signal(signal.SIGINT, lambda *_: (print("interrupted, flushing", flush=True), sys.exit(130)))
lines, pause_s, code = int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
for number in range(lines):
    print(f"line {number} é√", flush=True)
    time.sleep(pause_s)
sys.exit(code)
"""


class CuttingProxy:
    """Forwards TCP to `target`; `cut` breaks every open connection."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.open: list[socket.socket] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
                server = socket.create_connection(self.target)
            except OSError:
                return
            self.open += [client, server]
            threading.Thread(target=self.forward, args=(client, server), daemon=True).start()

    def forward(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        raise OSError
                    (server if ready is client else client).sendall(data)
        for side in (client, server):
            side.close()

    def cut(self) -> None:
        for side in self.open:
            with contextlib.suppress(OSError):
                side.shutdown(socket.SHUT_RDWR)
        self.open.clear()


@pytest.fixture(scope="module")
def head() -> Iterator[str]:
    with running_head() as started:
        yield started.address


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("job.py").write_text(JOB)
    Path("p.jsonl").write_text("{}\n")
    Path("c.toml").write_text(
        'run.id = "r1"\nproblems.files = ["p.jsonl"]\nmodel.path = "org/m"\noutput.uri = "/shared"\n'
    )
    return tmp_path


def run_job(monkeypatch: pytest.MonkeyPatch, address: str, job: str, *words: str) -> int:
    """`proofmill submit` with a small script in the place of the solver."""
    monkeypatch.setattr(
        submit, "solve_entrypoint", lambda python, config, overrides: f"exec python job.py {config} {job}"
    )
    parser = argparse.ArgumentParser()
    submit.add_arguments(parser)
    return submit.run(parser.parse_args(["c.toml", "--address", address, "--include", "job.py", *words]))


def call(add_arguments, run, *words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run(parser.parse_args(words))


def test_log_survives_cuts_and_the_exit_code_comes_back(head: str, workplace, monkeypatch, capfd) -> None:
    proxy = CuttingProxy(("127.0.0.1", int(head.rpartition(":")[2])))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    seen: list[str] = []

    def write(text: str) -> None:
        seen.append(text)
        if text.count("line") and len([chunk for chunk in seen if "line" in chunk]) in (1, 3):
            proxy.cut()

    monkeypatch.setattr(submit, "write_now", write)
    assert run_job(monkeypatch, proxy.address, "12 0.5 3") == 3
    out, err = capfd.readouterr()
    log = "".join(seen)
    assert re.findall(r"line (\d+) é√", log) == [str(number) for number in range(12)]
    assert "connection lost" in err and "connected again" in err, "the cut was not felt, so nothing was tested"
    assert "key hunter2" in log and 'run.id = "r1"' in log
    assert "hunter2" not in out and "output /shared/runs/r1" in out


def test_a_detached_job_is_listed_read_and_stopped_gently(head: str, workplace, monkeypatch, capfd) -> None:
    assert run_job(monkeypatch, head, "600 1 0", "--detach") == 0
    job_id = re.search(r"job (\S+) accepted", capfd.readouterr().out)[1]
    client = connect(head)
    deadline = time.monotonic() + 60
    while "line 0" not in client.get_job_logs(job_id) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert call(submit.add_jobs_arguments, submit.run_jobs, "--address", head) == 0
    assert re.search(rf"{job_id}\s+running .* /shared/runs/r1", capfd.readouterr().out)
    assert call(submit.add_stop_arguments, submit.run_stop, job_id, "--address", head) == 0
    assert "stopped" in capfd.readouterr().out
    assert call(submit.add_logs_arguments, submit.run_logs, job_id, "--address", head) == 0
    assert "interrupted, flushing" in capfd.readouterr().out, "the job was killed before it could flush"
    assert call(submit.add_logs_arguments, submit.run_logs, job_id, "--follow", "--address", head) == 130


def test_an_unknown_job_and_a_wrong_token_are_told_plainly(head: str, monkeypatch, capfd) -> None:
    assert call(submit.add_stop_arguments, submit.run_stop, "nope", "--address", head) == 3
    assert call(submit.add_logs_arguments, submit.run_logs, "nope", "--follow", "--address", head) == 3
    assert "no job nope" in capfd.readouterr().err
    monkeypatch.setenv("RAY_AUTH_TOKEN", "wrong-wrong-wrong-wrong-wrong")
    with pytest.raises(RemoteError, match="differs from yours"):
        connect(head)


@pytest.mark.timeout(900)
def test_the_real_job_runs_there_and_its_rows_come_back(head: str, tmp_path: Path, monkeypatch, capfd) -> None:
    """`proofmill submit` of a small batch with the bundled model: nothing replaced."""
    import json

    import duckdb

    root = Path(__file__).resolve().parents[3]
    rows = [
        {"id": f"q{i}", "kind": "math", "prompt": f"Compute {i} + {i}.", "reference": {"answer": str(2 * i)}}
        for i in range(4)
    ]
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    shutil.copytree(
        root / "models" / "tiny_reasoner", tmp_path / "tiny", ignore=shutil.ignore_patterns("*.py", "problems")
    )
    (tmp_path / "c.toml").write_text(
        f"""
run.id = "remote"
problems.files = ["p.jsonl"]
model = {{ path = "tiny", dtype = "float32", max_model_len = 512, max_num_seqs = 16 }}
output = {{ uri = "{tmp_path}/out", flush_s = 1.0 }}
sampling = {{ num_samples = 2, max_tokens = 64 }}
resources = {{ device = "cpu", cpus_per_replica = 0.5, cpus_per_verifier = 0.25 }}
"""
    )
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    submit.add_arguments(parser)
    code = submit.run(parser.parse_args(["c.toml", "--address", head, "--python", sys.executable]))
    out, err = capfd.readouterr()
    assert code == 0, out + err
    assert "problems solved" in out and f"output {tmp_path}/out/runs/remote" in out
    found = duckdb.sql(
        f"select count(*), count(distinct problem_id) from '{tmp_path}/out/runs/remote/samples/*.parquet'"
    )
    assert found.fetchall() == [(8, 4)]
