"""Streams of exclusive slots and the claim on a run: a zombie cannot add a row, whatever it tries."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from runstore.durable import DuplicateRowError, read_durable
from runstore.lease import RunHeldError, claim_run, is_superseded, release, renew
from runstore.parts import FencedError, append_part, encode_part, fence_stream, list_parts, read_parts, stream_name
from runstore.schema import SAMPLE_SCHEMA
from runstore.storage import Storage, open_storage


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    uri = str(tmp_path / "run") if request.param == "local" else request.getfixturevalue("s3")
    return open_storage(uri)


def part_of(*keys: tuple[str, int]) -> bytes:
    rows = [
        {
            field.name: key[0]
            if field.name == "problem_id"
            else key[1]
            if field.name == "sample_index"
            else '{"num_samples": 8}'
            if field.name == "stopping_rule"
            else ("x" if pa.types.is_string(field.type) else False if pa.types.is_boolean(field.type) else 0)
            for field in SAMPLE_SCHEMA
        }
        for key in keys
    ]
    return encode_part(pa.Table.from_pylist(rows, schema=SAMPLE_SCHEMA))


def rows_in(storage: Storage) -> list[tuple[str, int]]:
    tables = read_parts(storage, ["problem_id", "sample_index"])
    return [(row["problem_id"], row["sample_index"]) for table in tables for row in table.to_pylist()]


def test_a_fenced_writer_can_not_add_a_row(storage: Storage) -> None:
    stream = stream_name(1, 0)
    append_part(storage, stream, 0, part_of(("a", 0)))
    assert fence_stream(storage, stream) == 2
    with pytest.raises(FencedError, match="taken over"):
        append_part(storage, stream, 1, part_of(("a", 1)))
    append_part(storage, stream, 2, part_of(("a", 2)))
    assert rows_in(storage) == [("a", 0), ("a", 2)]


def test_without_a_fence_the_zombie_would_write(storage: Storage) -> None:
    """The attack that fences are for."""
    append_part(storage, stream_name(1, 0), 0, part_of(("a", 0)))
    append_part(storage, stream_name(2, 0), 0, part_of(("a", 1)))
    append_part(storage, stream_name(1, 0), 1, part_of(("a", 1)))
    assert rows_in(storage).count(("a", 1)) == 2
    with pytest.raises(DuplicateRowError):
        read_durable(storage, with_texts=False)["a"]


def test_a_new_epoch_fences_every_stream_of_the_old_ones(storage: Storage) -> None:
    first = claim_run(storage, 2, 0.2)
    append_part(storage, first.streams()[1], 0, part_of(("a", 0)))
    release(storage, first)
    second = claim_run(storage, 1, 0.2)
    assert (first.epoch, second.epoch) == (1, 2)
    assert is_superseded(storage, first) and not is_superseded(storage, second)
    for stream, slot in zip(first.streams(), (0, 1), strict=True):
        with pytest.raises(FencedError):
            append_part(storage, stream, slot, part_of(("zombie", 0)))
    append_part(storage, second.streams()[0], 0, part_of(("a", 1)))
    assert sorted(rows_in(storage)) == [("a", 0), ("a", 1)]


def test_globbing_readers_see_committed_rows_only(storage: Storage) -> None:
    import duckdb
    import pyarrow.dataset as ds

    claim = claim_run(storage, 1, 0.2)
    append_part(storage, claim.streams()[0], 0, part_of(("a", 0), ("a", 1)))
    release(storage, claim)
    claim_run(storage, 1, 0.2)
    filesystem, path = storage.arrow()
    assert ds.dataset(f"{path}/samples", filesystem=filesystem, format="parquet").count_rows() == 2
    if not storage.uri.startswith("s3"):
        assert duckdb.sql(f"select count(*) from '{path}/samples/*.parquet'").fetchall() == [(2,)]
        assert len(list_parts(storage)) == 2  # the part and the fence
        import datasets

        loaded = datasets.load_dataset(
            "parquet", data_files=f"{path}/samples/*.parquet", split="train", cache_dir=f"{path}/cache"
        )
        assert len(loaded) == 2


def test_a_live_owner_is_respected(storage: Storage) -> None:
    claim_run(storage, 1, 5.0)
    with pytest.raises(RunHeldError, match=r"process \d+ on .* is working on this run"):
        claim_run(storage, 1, 5.0)


def test_a_live_owner_is_known_by_its_start_even_if_the_clock_was_set(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim_run(storage, 1, 5.0)
    before = psutil.Process().create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: before + 3600.0)
    with pytest.raises(RunHeldError):
        claim_run(storage, 1, 5.0)


def test_a_dead_owner_of_this_machine_is_taken_over_at_once(tmp_path: Path) -> None:
    code = (
        "from runstore.lease import claim_run; from runstore.storage import open_storage;"
        f"claim_run(open_storage({str(tmp_path)!r}), 1, 600.0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    started = time.monotonic()
    assert claim_run(open_storage(str(tmp_path)), 1, 600.0).epoch == 2
    assert time.monotonic() - started < 60


def test_what_was_spent_is_handed_on_by_starts_that_ended_and_by_those_that_were_killed(storage: Storage) -> None:
    def die() -> None:
        lease = json.loads(storage.read("lease.json") or b"")
        storage.replace("lease.json", json.dumps({**lease, "owner": None}).encode())

    first = claim_run(storage, 1, 0.2)
    assert first.earlier == {}
    release(storage, first, {"gpu_s": 5.0})
    second = claim_run(storage, 1, 0.2)
    assert second.earlier == {"gpu_s": 5.0}
    die()  # before its first heartbeat
    third = claim_run(storage, 1, 0.2)
    assert third.earlier == {"gpu_s": 5.0}
    renew(storage, third, 1, {"gpu_s": 7.0})
    die()
    assert claim_run(storage, 1, 0.2).earlier == {"gpu_s": 7.0}


def test_an_owner_elsewhere_is_taken_over_only_when_its_heartbeat_stands_still(storage: Storage) -> None:
    claim = claim_run(storage, 1, 0.2)
    lease = json.loads(storage.read("lease.json") or b"")
    lease["owner"] |= {"host": "another", "boot": "another"}
    storage.replace("lease.json", json.dumps(lease).encode())
    assert claim_run(storage, 1, 0.4).epoch == claim.epoch + 1


def test_a_moving_heartbeat_refuses(storage: Storage) -> None:
    import threading

    claim = claim_run(storage, 1, 0.2)

    def elsewhere(count: int) -> None:
        renew(storage, claim, count)
        lease = json.loads(storage.read("lease.json") or b"")
        lease["owner"] |= {"host": "another", "boot": "another"}
        storage.replace("lease.json", json.dumps(lease).encode())

    elsewhere(1)
    timer = threading.Timer(0.6, elsewhere, (2,))
    timer.start()
    with pytest.raises(RunHeldError):
        claim_run(storage, 1, 30.0)
    timer.join()


def test_an_epoch_is_claimed_by_one_of_two(storage: Storage) -> None:
    claim_run(storage, 1, 0.2)
    storage.replace("lease.json", b"{}")
    storage.create("epochs/0002.json", json.dumps({"token": "other", "num_streams": 1}).encode())
    # Both saw epoch 1 as the last: the exclusive write decides.
    assert not storage.create("epochs/0002.json", b'{"token": "mine", "num_streams": 1}')
