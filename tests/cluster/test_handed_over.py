"""Secrets on a real Ray head: after a submitted job and after a `solve` that joined, everything that Ray leaves behind
and shows is searched for them, while the workers that need them have them and no others do."""

from __future__ import annotations

import json
import os
import re
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import leftovers
import pyarrow.parquet as pq
import pytest
from ray._private.authentication_test_utils import reset_auth_token_state
from ray_head import TOKEN, Head, running_head

from cluster.handover import VARIABLE, Handover, HandoverError, control_store, take
from cluster.ray_jobs import connect
from runstore.storage import S3Storage, open_storage

pytestmark = pytest.mark.ray

ROOT = Path(__file__).resolve().parents[2]
WITNESS = ROOT / "tests" / "fixtures" / "witness_plugin"
EVERYONE = {"AWS_SECRET_ACCESS_KEY", "EXTRA_KEY"}


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    """Its nodes have no key of any kind, and find the plugin."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HF_"))}
    with running_head(2, {**bare, "PYTHONPATH": os.pathsep.join([str(ROOT), str(WITNESS)])}) as started:
        # Ray reads the way to sign in once per process, and an earlier test may have made it do so.
        reset_auth_token_state()
        yield started
    reset_auth_token_state()


class Values:
    """A value of its own for each variable, and one that is no secret: the search has to find that one."""

    def __init__(self, s3_port: int) -> None:
        self.secret = {
            name: f"canary-{secrets.token_hex(12)}+/=é {name.lower()}"
            for name in ("AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "ENGINE_KEY", "JUDGE_KEY", "EXTRA_KEY")
        }
        self.secret["AWS_SECRET_ACCESS_KEY"] = f"canary{secrets.token_hex(20)}"
        self.secret["AWS_ACCESS_KEY_ID"] = f"AKIA{secrets.token_hex(8).upper()}"
        self.secret["HOOK_URL"] = f"http://127.0.0.1:9/{secrets.token_hex(16)}"
        self.public = f"control-{secrets.token_hex(8)}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
            **self.secret,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{s3_port}",
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(WITNESS)]),
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self.secret.values())


@pytest.fixture
def values(s3_port: int) -> Values:
    return Values(s3_port)


@pytest.fixture
def bucket(s3: str) -> Iterator[str]:
    """The bucket's URI. The keys by which the test itself reads it are no secret."""
    yield s3


def write_run(folder: Path, values: Values, bucket: str) -> Path:
    rows = [{"id": f"p{i}", "kind": "witness", "prompt": "what do you see", "reference": {}} for i in range(3)]
    (folder / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "c.toml").write_text(
        f"""
plugins = ["witness"]
notify = [{{ url_env = "HOOK_URL", on = ["failed"] }}]
run.id = "{values.public}"
problems.files = ["p.jsonl"]
model = {{ path = "{ROOT}/models/tiny_reasoner", engine = "witness", engine_args = {{ api_key_env = "ENGINE_KEY" }} }}
output = {{ uri = "{bucket}", flush_s = 0.5 }}
sampling = {{ num_samples = 2, max_tokens = 8 }}
verify.witness = {{ api_key_env = "JUDGE_KEY" }}
resources = {{ device = "cpu", cpus_per_replica = 0.5, cpus_per_verifier = 0.25 }}
"""
    )
    return folder / "c.toml"


def proofmill(words: list[str], folder: Path, environment: Mapping[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "jobs.cli", *words],
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=400,
    )
    (folder / "output.log").write_text(done.stdout)
    return done.returncode, done.stdout


def check_workers_have_theirs(uri: str, values: Values) -> None:
    """Each kind of worker saw the right values, and only what it needs."""
    sys.path.append(str(WITNESS))
    try:
        from witness import digest
    finally:
        sys.path.remove(str(WITNESS))
    filesystem, path = open_storage(f"{uri}/runs/{values.public}").arrow()
    rows = pq.read_table(f"{path}/samples", filesystem=filesystem).to_pylist()
    assert len(rows) == 6
    for row in rows:
        evidence = json.loads(row["evidence"])
        found = {"generator": json.loads(row["text"]), "verifier": evidence["verifier"], "child": evidence["child"]}
        expected = {
            "generator": EVERYONE | {"HF_TOKEN", "ENGINE_KEY"},
            "verifier": EVERYONE | {"JUDGE_KEY"},
            "child": set(),
        }
        assert {who: set(names) for who, names in found.items()} == expected
        for names in found.values():
            for name, told in names.items():
                assert told == digest(values.secret[name]), f"{name} has another value there"


def hits(head: Head, folder: Path, bucket: str, values: Any, job: str = "") -> dict[str, list[str]]:
    """Where any of the values is found, by kind of place."""
    store = control_store(head.gcs)
    logs = [f"/api/jobs/{job}", f"/api/jobs/{job}/logs"] if job else []
    in_apis, answered = leftovers.in_apis(head.address, TOKEN, values, logs)
    assert len(answered) >= 12 + len(logs), f"only {answered} could be read"
    storage = open_storage(bucket)
    keys = storage.keys("")
    assert isinstance(storage, S3Storage)
    rows = "".join(
        str(pq.read_table(storage.arrow()[1] + f"/{key}", filesystem=storage.arrow()[0]).to_pylist())
        for key in keys
        if key.endswith(".parquet")
    )
    stored = b"\n".join([rows.encode(), *(storage.read(key) or b"" for key in keys)])
    return {
        "files": leftovers.in_files([head.folder, folder], values),
        "APIs": in_apis,
        "control store": leftovers.in_store(store, values),
        "object storage": leftovers.in_bytes(stored, values),
    }


def check_nothing_is_left(
    head: Head, folder: Path, bucket: str, values: Values, watch: leftovers.ProcessWatch, job: str = ""
) -> None:
    found = hits(head, folder, bucket, values, job)
    found["command lines"] = sorted(watch.command_lines)
    # The command itself was started with them. No process of the cluster was.
    found["environments"] = sorted(hit for hit in watch.environments if " -m jobs.cli " not in hit)
    assert not leftovers.report(found), leftovers.report(found)
    assert any(name.startswith("ray::Coordinator") for name in watch.seen), "the run was over before it was watched"
    control = hits(head, folder, bucket, [values.public], job)
    unseen = [place for place, hit in control.items() if not hit]
    # Without a submitted job no API and no key of the store has a reason to know the run's name.
    assert unseen == [] if job else {"files", "object storage"}.isdisjoint(unseen), f"the search is blind in {unseen}"


def test_after_a_submitted_job_nothing_shows_its_secrets(
    head: Head, values: Values, bucket: str, tmp_path: Path
) -> None:
    write_run(tmp_path, values, bucket)
    words = ["submit", "c.toml", "--address", head.address, "--python", sys.executable, "--env", "EXTRA_KEY"]
    with leftovers.ProcessWatch(values) as watch:
        code, text = proofmill(words, tmp_path, values.environment)
    assert code == 0, text
    job = re.search(r"job (\S+) accepted", text)
    assert job, text
    assert "handed over (values not shown): AWS_ACCESS_KEY_ID" in text and "HOOK_URL" in text
    check_workers_have_theirs(bucket, values)
    check_nothing_is_left(head, tmp_path, bucket, values, watch, job[1])
    left = control_store(head.gcs).internal_kv_keys(b"gcs://proofmill_", None, timeout=30)
    assert left == [], "the job left what was handed over"


def test_after_a_run_that_joined_nothing_shows_its_secrets(
    head: Head, values: Values, bucket: str, tmp_path: Path
) -> None:
    write_run(tmp_path, values, bucket)
    words = ["solve", "c.toml", "--set", f"ray.address={head.gcs}", "--set", 'ray.pass_env=["EXTRA_KEY"]']
    with leftovers.ProcessWatch(values) as watch:
        code, text = proofmill(words, tmp_path, values.environment)
    assert code == 0, text
    check_workers_have_theirs(bucket, values)
    check_nothing_is_left(head, tmp_path, bucket, values, watch)


def test_what_is_left_for_a_job_is_read_once_and_means_nothing_alone(head: Head, values: Values) -> None:
    client, store = connect(head.address), control_store(head.gcs)
    handover = Handover(values.secret)
    handover.deposit(client)
    assert leftovers.in_store(store, values) == []
    assert not leftovers.in_bytes(repr(handover).encode() + str(handover.environment()).encode(), values)
    job = {"RAY_ADDRESS": head.gcs, **handover.environment()}
    assert take(dict(job)) == values.secret
    with pytest.raises(HandoverError, match="started before"):
        take(dict(job))
    taken = dict(job)
    with pytest.raises(HandoverError):
        take(taken)
    assert VARIABLE not in taken

    handover.deposit(client)
    handover.withdraw(client)
    with pytest.raises(HandoverError, match="submit it again"):
        take(dict(job))


def test_what_no_job_takes_is_dropped_by_ray(head: Head) -> None:
    """The ten minutes are Ray's constant; here the same question is asked with one second."""
    store = control_store(head.gcs)
    handover = Handover({"A": "b"})
    handover.deposit(connect(head.address))
    (key,) = store.internal_kv_keys(b"gcs://proofmill_", None, timeout=30)
    name = b"gcs://proofmill_other.zip"
    store.internal_kv_put(name, b"x", True, None)
    store.pin_runtime_env_uri(name.decode(), 1)
    deadline = time.monotonic() + 60
    while store.internal_kv_exists(name, None):
        assert time.monotonic() < deadline, "Ray does not drop what nothing refers to"
        time.sleep(0.2)
    assert store.internal_kv_exists(key, None)
    store.internal_kv_del(key, False, None)
