"""Runs on a real local Ray with an endpoint as one of their pools, which dies and comes back."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batches import cascade
from endpoints import ROOT, StandInEndpoint, stand_in_endpoint
from sabotage import check_cascade

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

PRICES = {"usd_per_million_input_tokens": 2.0, "usd_per_million_output_tokens": 10.0}


@pytest.fixture
def endpoint() -> Iterator[StandInEndpoint]:
    with stand_in_endpoint() as running:
        yield running


def config(folder: Path, endpoint: StandInEndpoint, count: int) -> Path:
    rows = [
        {"id": f"q{i}", "kind": "math", "prompt": f"Question {i}?", "reference": {"answer": "1"}} for i in range(count)
    ]
    (folder / "problems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "run.toml"
    path.write_text(f"""
[run]
id = "r"
[problems]
files = ["{folder / "problems.jsonl"}"]
[output]
uri = "{folder / "out"}"
flush_s = 0.3
lease_s = 3.0
[model]
engine = "openai"
base_url = "{endpoint.url}"
model = "stand-in"
api_key_env = "STAND_IN_KEY"
max_concurrency = 8
lost_s = 1.0
[sampling]
num_samples = 4
max_tokens = 200
[budget]
usd = 5.0
[cost]
usd_per_million_input_tokens = {PRICES["usd_per_million_input_tokens"]}
usd_per_million_output_tokens = {PRICES["usd_per_million_output_tokens"]}
""")
    return path


def solve(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jobs.cli", "solve", str(path)]
    environment = {**os.environ, "STAND_IN_KEY": "sk-secret-value", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def rows_of(folder: Path) -> list[dict[str, Any]]:
    from runstore.parts import read_parts
    from runstore.schema import SAMPLE_SCHEMA
    from runstore.storage import open_storage

    tables = read_parts(open_storage(str(folder / "out/runs/r")), SAMPLE_SCHEMA.names)
    return [row for table in tables for row in table.to_pylist()]


def test_a_run_outlives_the_loss_of_its_endpoint(tmp_path: Path, endpoint: StandInEndpoint) -> None:
    manners = {"owned_by": "vllm", "key": "sk-secret-value", "thought": "so it is", "fingerprint": "fp_9"}
    faults = ["", "", "429 after 1", "500", "cut", "error inside", *([""] * 70)]
    endpoint.behave(**manners, faults=faults, always="hang")  # so that the run cannot be over before the endpoint dies
    path = config(tmp_path, endpoint, 40)
    first = solve(path)
    while endpoint.seen()["answered"] < 60:
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.05)
    endpoint.kill()
    said = first.communicate()[0]
    assert first.returncode == 3, said
    assert "Stopped early: endpoint lost" in said
    assert "Once the endpoint is back" in said
    before = rows_of(tmp_path)
    assert 0 < len(before) < 160
    record = json.loads((tmp_path / "out/runs/r/run.json").read_text())
    assert record["summary"]["stopped"].startswith("endpoint lost")
    assert not record.get("complete")

    again = StandInEndpoint(endpoint.port)
    try:
        again.behave(**{**manners, "fingerprint": "fp_10"})
        second = solve(path)
        said = second.communicate()[0]
    finally:
        again.kill()
    assert second.returncode == 0, said
    rows = rows_of(tmp_path)
    counts = collections.Counter((row["problem_id"], row["sample_index"]) for row in rows)
    assert counts == {(f"q{i}", j): 1 for i in range(40) for j in range(4)}
    for row in rows:
        assert (row["engine"], row["engine_version"], row["model"]) == ("openai", "vllm 0.0.1", "stand-in")
        assert json.loads(row["sampling"])["reproducible"] is False
        assert row["text"].startswith("<think>so it is</think>The answer is")
        assert row["status"] == ("verified" if "{1}" in row["text"] else "refuted")
        assert (row["thought_tokens"], row["thought_closed_by"]) == (3, "model")
    assert {row["model_revision"] for row in rows} == {"stand-in@fp_9", "stand-in@fp_10"}

    record = json.loads((tmp_path / "out/runs/r/run.json").read_text())
    assert [start["endpoints"]["model"]["fingerprint"] for start in record["starts"]] == ["fp_9", "fp_10"]
    assert record["summary"]["engine"]["revisions"]["stand-in@fp_10"] > 0
    tokens = {name: sum(row[name] for row in rows) for name in ("prompt_tokens", "completion_tokens")}
    least = tokens["prompt_tokens"] * 2e-6 + tokens["completion_tokens"] * 1e-5
    assert least * 0.9 <= record["summary"]["usd"] <= least * 1.5
    assert record["summary"]["gpu_s"] == record["summary"]["cpu_s"] == 0
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if b"sk-secret-value" in path.read_bytes()]
    assert "sk-secret-value" not in said


def remote_pool(settings: Any, endpoint: StandInEndpoint, **keys: Any) -> Any:
    """Settings whose pool `large` is the endpoint."""
    from endpoints import settings as endpoint_settings

    small, large = settings.pools
    engine = endpoint_settings(endpoint, **keys)
    generator = dataclasses.replace(large.generator, engine=engine, engine_class=None)
    remote = dataclasses.replace(
        large, generator=generator, is_remote=True, replicas=1, cpus_per_replica=0.0, cost=PRICES, longest_prompt=500
    )
    return dataclasses.replace(settings, pools=(small, remote))


def test_a_ceiling_in_dollars_is_never_passed(make_batch: Any, endpoint: StandInEndpoint) -> None:
    endpoint.behave(owned_by="vllm", tokens=50, token_s=0.002)
    batch = make_batch([{"answer": str(i), "p": 0.0, "tokens": 5, "token_s": 0.001} for i in range(60)])
    stages = ("small", {}, {"num_samples": 1}), ("large", {}, {"num_samples": 8})
    settings = cascade(batch.settings(), *stages, budget={"tokens": 0, "gpu_s": 0, "usd": 0.05, "wall_s": 0})
    outcome = batch.drive(remote_pool(settings, endpoint, max_concurrency=16))
    assert outcome.summary, outcome.error
    assert outcome.summary["stopped"].startswith("budget.usd = 0.05")
    rows = [row for row in batch.rows() if row["pool"] == "large"]
    spent = sum(row["prompt_tokens"] * 2e-6 + row["completion_tokens"] * 1e-5 for row in rows)
    # One sample costs at most 500 × 2e-6 + 100 × 1e-5 = 0.002 dollars.
    assert 0.04 < outcome.summary["usd"] <= 0.05
    assert spent == pytest.approx(outcome.summary["usd"], rel=0.05)


@pytest.mark.chaos
def test_chaos_with_an_endpoint(make_batch: Any) -> None:
    """Kills the endpoint, the generators, the coordinator and other parts, many times over one run with two pools."""
    import ray

    import jobs.solve.driver

    seed = int(os.environ.get("PROOFMILL_CHAOS_SEED", "20261130"))
    rounds = int(os.environ.get("PROOFMILL_CHAOS_ROUNDS", "10"))
    print(f"chaos seed {seed}, {rounds} rounds")
    dice = random.Random(seed)
    batch = make_batch(
        [{"answer": str(i), "p": 0.3, "tokens": 40, "token_s": 0.01} for i in range(20 * rounds)],
        resources={"replicas": 1, "writers": 2, "max_restarts": 1000},
        verify={"actors": 2, "attempts": 1000},
        output={"flush_s": 0.2},
    )
    endpoint = StandInEndpoint()
    manners = {"owned_by": "vllm", "tokens": 20, "token_s": 0.01}
    endpoint.behave(**manners)
    kills: collections.Counter[str] = collections.Counter()
    over = threading.Event()

    def havoc() -> None:
        nonlocal endpoint
        while sum(kills.values()) < rounds and not over.wait(dice.uniform(0.05, 0.6)):
            kind = dice.choice(["endpoint", "endpoint", "generator", "writer", "coordinator"])
            if kind == "endpoint":
                endpoint.kill()
                time.sleep(dice.uniform(0, 0.5))
                endpoint = StandInEndpoint(endpoint.port)
                endpoint.behave(**manners)
                kills[kind] += 1
                continue
            try:
                actor = jobs.solve.driver.current_coordinator()
                if kind != "coordinator":
                    actor = dice.choice(ray.get(actor.actors.remote(), timeout=3)[kind])
                ray.kill(actor)
                kills[kind] += 1
            except Exception:
                time.sleep(0.1)

    jobs.solve.driver.COORDINATOR_STARTS, before = 1000, jobs.solve.driver.COORDINATOR_STARTS
    stages = ("small", {}, {"num_samples": 4}), ("large", {}, {"num_samples": 2})
    settings = remote_pool(cascade(batch.settings(), *stages), endpoint, lost_s=60.0, max_concurrency=32)
    killer = threading.Thread(target=havoc)
    killer.start()
    try:
        outcome = batch.drive(settings)
    finally:
        over.set()
        killer.join()
        endpoint.kill()
        jobs.solve.driver.COORDINATOR_STARTS = before
    assert outcome.summary and outcome.summary["complete"], outcome.error
    rows = check_cascade(batch, [4, 2])
    print(f"kills: {dict(kills)}, {len(rows)} rows")
    assert sum(kills.values()) >= rounds
