"""A data set appears whole or not at all, on a local disk and on S3, whichever process dies, and whenever."""

from __future__ import annotations

import glob
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pyarrow.parquet as pq
import pytest
from made_up_runs import mixed_samples, write_run

from jobs.config import ConfigError
from jobs.export import destination
from jobs.export.pipeline import export
from jobs.export.settings import ExportSettings, load_settings
from runstore import multipart
from runstore.storage import open_filesystem


def keys(bucket: str) -> set[str]:
    return {entry["Key"] for entry in boto3.client("s3").list_objects_v2(Bucket=bucket).get("Contents", [])}


def settings(*overrides: str) -> ExportSettings:
    return load_settings("sft", None, ["work.processes=1", *overrides])


def test_local_run_to_s3_and_back(tmp_path: Path, bucket: str) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    summary = export(settings(), [run], f"s3://{bucket}/sets/one")
    assert keys(bucket) == {
        f"sets/one/{name}" for name in ("README.md", "export.json", "fingerprints.npy", "data/train.parquet")
    }
    filesystem, path = open_filesystem(f"s3://{bucket}/sets/one/data/train.parquet")
    assert pq.read_table(path, filesystem=filesystem).num_rows == summary.num_rows


def test_run_on_s3_gives_the_same_rows(tmp_path: Path, bucket: str) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    client = boto3.client("s3")
    for path in Path(run).rglob("*.parquet"):
        client.upload_file(str(path), bucket, f"runs/r/{path.relative_to(run)}")
    export(settings(), [f"s3://{bucket}/runs/r"], str(tmp_path / "from-s3"))
    export(settings(), [run], str(tmp_path / "from-disk"))
    tables = [pq.read_table(tmp_path / name / "data" / "train.parquet") for name in ("from-s3", "from-disk")]
    assert tables[0].equals(tables[1])


class Watch:
    """Looks at the destination each time the export writes something, as a reader with a glob would."""

    def __init__(self, look: Any) -> None:
        self.look, self.seen = look, set()

    def __call__(self, line: str) -> None:
        self.seen.add(frozenset(self.look()))


def test_nothing_shows_before_the_end(tmp_path: Path, bucket: str) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    remote = Watch(lambda: keys(bucket))
    export(settings(), [run], f"s3://{bucket}/out", remote)
    local = Watch(lambda: [str(path) for path in tmp_path.glob("out/**/*")])
    export(settings(), [run], str(tmp_path / "out"), local)
    assert remote.seen == local.seen == {frozenset()}


@pytest.mark.parametrize("where", ["local", "s3"])
def test_a_failing_export_shows_nothing(
    tmp_path: Path, bucket: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    out = f"s3://{bucket}/out" if where == "s3" else str(tmp_path / "out")

    def fail(*args: Any) -> str:
        raise RuntimeError("disk on fire")

    monkeypatch.setattr("jobs.export.dataset_card.dataset_card", fail)
    with pytest.raises(RuntimeError, match="disk on fire"):
        export(settings(), [run], out)
    assert keys(bucket) == set()
    assert not boto3.client("s3").list_multipart_uploads(Bucket=bucket).get("Uploads")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_an_export_that_dies_between_data_and_manifest_is_cleared(tmp_path: Path, bucket: str) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    client = boto3.client("s3")
    client.put_object(Bucket=bucket, Key="out/data/train.jsonl", Body=b"{}")
    client.create_multipart_upload(Bucket=bucket, Key="out/data/train.parquet")
    export(settings(), [run], f"s3://{bucket}/out")
    assert "out/data/train.jsonl" not in keys(bucket)
    assert "out/export.json" in keys(bucket)
    assert not client.list_multipart_uploads(Bucket=bucket).get("Uploads")


@pytest.mark.parametrize("where", ["local", "s3"])
def test_existing_data_set_is_kept_or_replaced_whole(tmp_path: Path, bucket: str, where: str) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    out = f"s3://{bucket}/out" if where == "s3" else str(tmp_path / "out")
    export(settings("output.files='both'"), [run], out)
    with pytest.raises(ConfigError, match="holds a data set already"):
        export(settings(), [run], out)
    export(settings("output.overwrite=true", "select.per_problem=1"), [run], out)
    names = keys(bucket) if where == "s3" else {p.name for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert not any("jsonl" in name for name in names)
    filesystem, path = open_filesystem(out + "/data/train.parquet")
    assert pq.read_table(path, filesystem=filesystem).num_rows == 12


def test_foreign_files_are_never_touched(tmp_path: Path, bucket: str) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    boto3.client("s3").put_object(Bucket=bucket, Key="out/thesis.tex", Body=b"years of work")
    for out in (str(tmp_path / "out"), f"s3://{bucket}/out"):
        with pytest.raises(ConfigError, match="holds other"):
            export(settings("output.overwrite=true"), [run], out)
    assert (tmp_path / "out" / "thesis.tex").exists() and "out/thesis.tex" in keys(bucket)


@pytest.mark.parametrize("name", ["data/raw.csv", "README.md"])
def test_foreign_objects_where_ours_would_be_are_not_cleared_away(tmp_path: Path, bucket: str, name: str) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    boto3.client("s3").put_object(Bucket=bucket, Key=f"out/{name}", Body=b"years of work")
    with pytest.raises(ConfigError, match="holds other objects"):
        export(settings("output.overwrite=true"), [run], f"s3://{bucket}/out")
    assert keys(bucket) == {f"out/{name}"}


def test_overwriting_takes_nothing_else_with_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    export(settings(), [run], str(tmp_path / "out"))
    (tmp_path / "out" / "data" / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigError, match=r"holds other files too \(data/thesis.tex\)"):
        export(settings("output.overwrite=true"), [run], str(tmp_path / "out"))
    assert (tmp_path / "out" / "data" / "thesis.tex").exists()


def test_a_folder_made_by_a_console_is_empty(tmp_path: Path, bucket: str) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    boto3.client("s3").put_object(Bucket=bucket, Key="out/", Body=b"")
    export(settings(), [run], f"s3://{bucket}/out/")
    assert "out/export.json" in keys(bucket)


def test_uploads_of_an_export_further_down_go_on(bucket: str) -> None:
    below = destination.open_destination(f"s3://{bucket}/sets/one", overwrite=False)
    with below.create("data/train.parquet") as stream:
        stream.write(b"rows")
    destination.open_destination(f"s3://{bucket}/sets", overwrite=False)
    below.commit(b"{}")
    assert "sets/one/data/train.parquet" in keys(bucket)


def test_places_that_can_not_be_written(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="file/out: cannot be written"):
        export(settings(), [run], str(tmp_path / "file" / "out"))
    with pytest.raises(ConfigError, match="no scratch space"):
        export(settings(f"work.directory='{tmp_path}/file'"), [run], str(tmp_path / "out"))


def test_odd_names_of_the_output_folder(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    left, other = tmp_path / ".set[1].staging-0123", tmp_path / ".set1.staging-0123"
    left.mkdir()
    other.mkdir()
    export(settings(), [run], str(tmp_path / "set[1]"))
    assert not left.exists() and other.exists()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    export(settings(), [run], str(tmp_path / "link"))
    assert (tmp_path / "link").is_symlink() and (tmp_path / "elsewhere" / "export.json").exists()


def test_the_later_of_two_exports_to_one_place_fails(bucket: str) -> None:
    first, second = (destination.open_destination(f"s3://{bucket}/out", overwrite=False) for _ in range(2))
    for folder, content in ((first, b"first"), (second, b"second")):
        with folder.create("data/train.parquet") as stream:
            stream.write(content)
    first.commit(b"{}")
    with pytest.raises(ConfigError, match="was there first"):
        second.commit(b"{}")
    second.abort()
    assert boto3.client("s3").get_object(Bucket=bucket, Key="out/data/train.parquet")["Body"].read() == b"first"


def test_one_export_at_a_time_on_a_machine(tmp_path: Path) -> None:
    with (
        destination.scratch("o", str(tmp_path)),
        pytest.raises(ConfigError, match="another export"),
        destination.scratch("o", str(tmp_path)),
    ):
        pass


def test_parts_are_sent_as_they_fill(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "PART_BYTES", 5 << 20)
    folder = destination.open_destination(f"s3://{bucket}/big", overwrite=False)
    data = os.urandom(1 << 20) * 12
    with folder.create("data/train.parquet") as stream:
        for at in range(0, len(data), 700_001):
            stream.write(data[at : at + 700_001])
    assert keys(bucket) == set()
    folder.commit(b"{}")
    stored = boto3.client("s3").get_object(Bucket=bucket, Key="big/data/train.parquet")
    assert stored["Body"].read() == data
    assert stored["ETag"].endswith('-3"')


KILLED = """
import sys, time
from jobs.export import pipeline
from jobs.export.settings import load_settings
original = pipeline.Output.add
def slow(self, table, prints):
    original(self, table, prints)
    print("writing", flush=True)
    time.sleep(60)
pipeline.Output.add = slow
settings = load_settings("sft", None, ["work.processes=1", f"work.directory='{sys.argv[3]}'"])
pipeline.export(settings, [sys.argv[1]], sys.argv[2])
"""


def test_killed_and_run_again(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    out, scratch = tmp_path / "sets" / "out", tmp_path / "scratch"
    command = [sys.executable, "-c", KILLED, run, str(out), str(scratch)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert glob.glob(str(tmp_path / "sets" / "*")) == []  # noqa: PTH207 - the glob that skips hidden names
    assert list((tmp_path / "sets").rglob("*.parquet")) == []  # pathlib looks into hidden folders
    assert len(list((tmp_path / "sets").iterdir())) == 1
    export(settings(f"work.directory={json.dumps(str(scratch))}"), [run], str(out))
    assert [path.name for path in (tmp_path / "sets").iterdir()] == ["out"]
    assert not list(scratch.rglob("*.arrow"))


def test_killed_between_the_renames_of_an_overwrite(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    out = tmp_path / "out"
    export(settings(), [run], str(out))
    out.rename(tmp_path / ".out.replaced-0123456789ab")
    with pytest.raises(ConfigError, match="holds a data set already"):
        export(settings(), [run], str(out))
    assert (out / "export.json").exists()


HOLDER = """
import sys, time
from jobs.export.destination import scratch
with scratch("o", sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_lock_is_released_by_death(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    with pytest.raises(ConfigError, match="another export"), destination.scratch("o", str(tmp_path)):
        pass
    process.kill()
    process.wait()
    with destination.scratch("o", str(tmp_path)) as folder:
        assert folder.is_dir()
