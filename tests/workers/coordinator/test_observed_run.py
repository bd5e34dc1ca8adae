"""`proofmill solve` on a real Ray, looked at from outside: stories of samples, metrics, and what is posted."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from jobs.report.story import story_of_sample
from jobs.solve import command as solve_command

pytestmark = pytest.mark.ray
ROOT = Path(__file__).parents[3]


def easy(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"answer": str(i), "p": 0.5, "tokens": 10, **more} for i in range(count)]


@pytest.fixture
def solving(make_batch: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`proofmill solve` of a batch with the stand-ins, on the Ray of the test."""

    def prepare(tasks: list[dict[str, Any]], **overrides: Any) -> Any:
        batch = make_batch(tasks, model={"path": str(ROOT / "models/tiny_reasoner"), "max_num_seqs": 32}, **overrides)
        monkeypatch.setattr(solve_command, "connect", lambda *_: contextlib.nullcontext())
        monkeypatch.setattr(solve_command, "coordinator_settings", lambda *_, **__: batch.settings())
        batch.solve = lambda: solve_command.solve(batch.config, command="again", display=batch.display)
        return batch

    return prepare


def tell(uri: str, sample: str) -> subprocess.CompletedProcess[str]:
    """`proofmill report --story` as a person gives it, from another process."""
    words = [sys.executable, "-m", "jobs.cli", "report", "--run", uri, "--story", sample]
    return subprocess.run(words, capture_output=True, text=True, timeout=180, cwd=ROOT)


def exported(session: int) -> str:
    """What the node of the Ray of this process shows Prometheus."""
    # One process may have started several Rays, one after the other; the one that runs wrote its port last.
    ports = Path("/tmp/ray").glob(f"session_*_{session}/metrics_export_port_*")
    port = max(ports, key=lambda path: path.stat().st_mtime)
    with urllib.request.urlopen(f"http://127.0.0.1:{port.read_text()}/metrics", timeout=30) as answer:
        return str(answer.read().decode())


def test_a_live_run_tells_stories_and_metrics(solving: Any) -> None:
    # Quick and right for once, so that parts are written and verdicts given, and then slow.
    tasks = [*easy(4), *easy(4, tokens=1000, token_s=0.3)]
    batch = solving(tasks, sampling={"num_samples": 4, "max_tokens": 2000})
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(batch.solve()))
    thread.start()
    deadline = time.monotonic() + 90
    while not any(status.get("running") == 16 and status["durable"] == 16 for status in batch.display.statuses[-1:]):
        assert time.monotonic() < deadline and thread.is_alive(), batch.display.statuses[-1:]
        time.sleep(0.2)

    drawn = tell(batch.uri, "p0006:2")
    assert drawn.returncode == 0, drawn.stderr
    head, *moves, now = drawn.stdout.splitlines()
    assert head == "sample p0006:2, attempt 1"
    assert re.fullmatch(r"  \d+\.\d{3} DRAWING worker \d+", moves[-1])
    at, clock = float(moves[-1].split()[0]), float(now.split()[0])
    assert "is now, 20" in now and at < clock < at + 90
    stored = tell(batch.uri, "p0001:2")
    assert stored.returncode == 0 and "durable in samples/" in stored.stdout, stored.stderr
    nothing = tell(batch.uri, "p0001:77")
    assert nothing.returncode == 2 and "nothing is known of sample p0001:77" in nothing.stderr

    board = json.loads((ROOT / "docs/grafana/run.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    plotted = {name for expr in expressions for name in re.findall(r"\bray_\w+", expr)}
    wanted = plotted - {"ray_proofmill_run_verified_per_gpu_hour"}  # of this run without GPUs it is per CPU-hour
    assert len(wanted) == len(plotted) - 1
    text = ""
    while not all(f"\n{name}{{" in text for name in wanted) or 'state="durable"' not in text:
        missing = [name for name in wanted if f"\n{name}{{" not in text]
        assert time.monotonic() < deadline + 60, f"not exported: {missing}"
        time.sleep(1)
        text = exported(os.getpid())
    names = set(re.findall(r"^(ray_proofmill_run_\w+?)(?:_bucket|_count|_sum)?\{", text, re.MULTILINE))
    assert names == {name.removesuffix("_bucket") for name in wanted}, "what is exported is plotted"
    verdicts = [line for line in text.splitlines() if line.startswith("ray_proofmill_run_verdicts{")]
    assert all('run="t"' in line and 'kind="math"' in line for line in verdicts)
    given = {re.search(r'status="(\w+)"', line)[1]: float(line.rpartition(" ")[2]) for line in verdicts}  # type: ignore[index]
    assert sum(given.values()) == 16 and set(given) == {"verified", "refuted"}

    from jobs.solve.driver import current_coordinator

    current_coordinator().stop.remote("the test has seen enough", 0.1)
    thread.join(60)
    assert codes == [0]


def test_a_run_on_gpus_exports_verified_per_gpu_hour(make_batch: Any) -> None:
    """Ray is told of two GPUs that are not there, and the engine is a stand-in; the accounting is the product's."""
    tasks = [*easy(4), *easy(4, tokens=1000, token_s=0.3)]
    batch = make_batch(
        tasks, run={"id": "on-gpus"}, sampling={"num_samples": 4, "max_tokens": 2000}, resources={"replicas": 2}
    )
    results: list[Any] = []
    thread = threading.Thread(target=lambda: results.append(batch.run(of_pool={"gpus_per_replica": 1})))
    thread.start()
    deadline = time.monotonic() + 150
    shown = durable = None
    while shown is None or durable is None or float(durable[1]) < 16:
        assert time.monotonic() < deadline and thread.is_alive(), f"shown {shown}, durable {durable}"
        time.sleep(0.5)
        text = exported(os.getpid())
        shown = re.search(r'^ray_proofmill_run_verified_per_gpu_hour{.*run="on-gpus".*} (\S+)$', text, re.MULTILINE)
        durable = re.search(
            r'^ray_proofmill_run_samples{.*run="on-gpus".*state="durable".*} (\S+)$', text, re.MULTILINE
        )
    assert not re.search(r'^ray_proofmill_run_verified_per_cpu_hour{.*run="on-gpus"', text, re.MULTILINE)

    from jobs.solve.driver import current_coordinator

    current_coordinator().stop.remote("the test has seen enough", 0.1)
    thread.join(60)
    summary = results[0].summary
    verified = sum(row["status"] == "verified" for row in batch.rows())
    assert verified and summary["gpu_s"] > 0 and summary["cpu_s"] == 0
    # Nothing more was verified after the figure was read, while both GPUs went on costing time.
    assert float(shown[1]) >= 3600 * verified / summary["gpu_s"] > 0


def test_a_finished_run_posts_and_tells_stories_from_its_logs(
    solving: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            lines.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{server.server_address[1]}/secret-token")
    monkeypatch.setenv("PROOFMILL_LOG", "debug")
    batch = solving(
        [*easy(11), {"answer": "1", "p": 0.5, "fault": "engine refuses"}],
        sampling={"num_samples": 12, "max_tokens": 100},
    )
    batch.config = batch.config.model_copy(update={"notify": notify_of("HOOK")})
    assert batch.solve() == 3, "samples ended with status error"
    server.shutdown()
    (line,) = lines
    assert (line["event"], line["run_id"], line["uri"]) == ("done", "t", batch.uri)
    assert line["figures"]["samples"] == 144 and line["figures"]["complete"]
    said = capsys.readouterr()
    everything = "".join(path.read_text(errors="replace") for path in Path(batch.uri).rglob("*") if path.is_file())
    assert "secret-token" not in everything + said.out + said.err
    assert "notify HOOK of done: posted" in (Path(batch.uri) / "logs/driver-1.log").read_text()

    story = story_of_sample(batch.uri, "p0003:1")
    assert "durable in samples/" in story and re.search(r"(verified|refuted) \(compared\)", story)
    stages = [line.split()[1] for line in story.splitlines() if re.match(r"\s+\d+\.\d{3} ", line)]
    assert stages == ["DRAWING", "FINISHED", "CHECKING", "CHECKED", "WRITING"], story
    assert "p0003:11" not in story and "p0003:10" not in story
    given_up = story_of_sample(batch.uri, "p0011:0")
    assert given_up.count(" DRAWING worker ") >= 3 and "was not drawn: " in given_up
    assert "error (the engine could not draw this sample)" in given_up


def notify_of(name: str) -> list[Any]:
    from jobs.config import Notify

    return [Notify(url_env=name)]
