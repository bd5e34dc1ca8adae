"""kill -9 at every step of an export, on disk and on S3: a reader never sees half a data set, and the same command
finishes the work and leaves nothing else behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boto3
import psutil
import pyarrow.parquet as pq
import pytest
from made_up_runs import mixed_samples, write_run

from jobs.config import ConfigError
from jobs.export.pipeline import export
from jobs.export.settings import ExportSettings, load_settings
from runstore.storage import open_filesystem

DYING = """
import os, signal, sys
from jobs.export import destination, pipeline
from jobs.export.settings import load_settings
from runstore import multipart
run, out, scratch, point = sys.argv[1:]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def after(function, times=1):
    calls = []
    def wrapped(*given, **named):
        result = function(*given, **named)
        calls.append(1)
        if len(calls) == times:
            die()
        return result
    return wrapped

patches = {
    "scanning": (pipeline, "read_bucket", die),
    "bucket": (pipeline.Output, "add", after(pipeline.Output.add)),
    "finished": (pipeline.Output, "finish", after(pipeline.Output.finish)),
    "syncing": (destination, "sync", after(destination.sync)),
    "data": (multipart.MultipartFile, "complete", after(multipart.MultipartFile.complete)),
    "all_but_manifest": (multipart.MultipartFile, "complete", after(multipart.MultipartFile.complete, 3)),
    "local_commit": (destination.LocalFolder, "commit", after(destination.LocalFolder.commit)),
    "s3_commit": (destination.S3Folder, "commit", after(destination.S3Folder.commit)),
}
setattr(*patches[point])
settings = load_settings("sft", None, ["work.processes=1", f"work.directory='{scratch}'"])
pipeline.export(settings, [run], out)
"""


def settings(scratch: Path) -> ExportSettings:
    return load_settings("sft", None, ["work.processes=1", f"work.directory={json.dumps(str(scratch))}"])


def killed(run: str, out: str, scratch: Path, point: str) -> None:
    command = [sys.executable, "-c", DYING, run, out, str(scratch), point]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL


@pytest.mark.parametrize("point", ["scanning", "bucket", "finished", "syncing", "local_commit"])
def test_on_disk(tmp_path: Path, point: str) -> None:
    run, scratch, out = write_run(tmp_path / "run", mixed_samples()), tmp_path / "scratch", tmp_path / "sets" / "out"
    export(settings(tmp_path / "other"), [run], str(tmp_path / "whole"))
    whole = pq.read_table(tmp_path / "whole" / "data" / "train.parquet")
    killed(run, str(out), scratch, point)
    visible = point == "local_commit"
    assert out.exists() == visible
    # What died in the staging folder is no Parquet file to a reader with the widest glob, unless it is a whole one.
    for path in (tmp_path / "sets").rglob("*.parquet"):
        assert pq.read_table(path).equals(whole)
    if visible:
        with pytest.raises(ConfigError, match="holds a data set already"):
            export(settings(scratch), [run], str(out))
    else:
        export(settings(scratch), [run], str(out))
    assert pq.read_table(out / "data" / "train.parquet").equals(whole)
    assert [path.name for path in (tmp_path / "sets").iterdir()] == ["out"]
    assert not list(scratch.rglob("*.arrow"))


@pytest.mark.parametrize("point", ["bucket", "finished", "data", "all_but_manifest", "s3_commit"])
def test_on_s3(tmp_path: Path, bucket: str, point: str) -> None:
    run, scratch, out = write_run(tmp_path / "run", mixed_samples()), tmp_path / "scratch", f"s3://{bucket}/out"
    export(settings(tmp_path / "other"), [run], str(tmp_path / "whole"))
    whole = pq.read_table(tmp_path / "whole" / "data" / "train.parquet")
    killed(run, out, scratch, point)
    client = boto3.client("s3")
    names = {entry["Key"] for entry in client.list_objects_v2(Bucket=bucket).get("Contents", [])}
    assert ("out/export.json" in names) == (point == "s3_commit")
    assert ("out/data/train.parquet" in names) == (point in ("data", "all_but_manifest", "s3_commit"))
    filesystem, path = open_filesystem(f"{out}/data/train.parquet")
    if "out/data/train.parquet" in names:
        assert pq.read_table(path, filesystem=filesystem).equals(whole)
    if point == "s3_commit":
        with pytest.raises(ConfigError, match="holds a data set already"):
            export(settings(scratch), [run], out)
    else:
        export(settings(scratch), [run], out)
    assert pq.read_table(path, filesystem=filesystem).equals(whole)
    names = {entry["Key"] for entry in client.list_objects_v2(Bucket=bucket)["Contents"]}
    assert names == {f"out/{name}" for name in ("README.md", "export.json", "fingerprints.npy", "data/train.parquet")}
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


POOL = """
import os, time
from jobs.export.pipeline import worker_pool

if __name__ == "__main__":
    with worker_pool(2) as pool:
        print(*{future.result() for future in [pool.submit(os.getpid) for _ in range(8)]}, flush=True)
        time.sleep(60)
"""


def test_workers_die_with_their_parent(tmp_path: Path) -> None:
    """Else they would wait for work for ever, and one in the middle of a scan would go on writing scratch files."""
    script = tmp_path / "pool.py"
    script.write_text(POOL)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    workers = [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]
    assert workers
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and any(worker.is_running() for worker in workers):
        time.sleep(0.05)
    left = [worker for worker in workers if worker.is_running()]
    for worker in left:
        worker.kill()
    assert not left
