"""Exclusive creation on a local disk and on a real S3 server, through every fault that a network can show."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest

from runstore.storage import ATTEMPTS, LocalStorage, S3Storage, Storage, StorageError, open_storage


@pytest.fixture(params=["local", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    uri = str(tmp_path / "store") if request.param == "local" else request.getfixturevalue("s3")
    return open_storage(uri)


def test_a_key_is_created_once(storage: Storage) -> None:
    assert storage.create("a/b", b"one")
    assert not storage.create("a/b", b"two")
    assert storage.read("a/b") == b"one"


def test_creating_the_same_content_again_counts_as_done(storage: Storage) -> None:
    assert storage.create("a", b"one") and storage.create("a", b"one")


def test_of_many_at_once_one_wins(storage: Storage) -> None:
    wins: list[int] = []

    def race(i: int) -> None:
        if open_storage(storage.uri).create("race", f"writer {i}".encode()):
            wins.append(i)

    threads = [threading.Thread(target=race, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1 and storage.read("race") == f"writer {wins[0]}".encode()


def test_replace_read_list_delete(storage: Storage) -> None:
    storage.replace("x/2", b"two")
    storage.replace("x/1", b"one")
    storage.replace("x/1", b"uno")
    assert storage.keys("x/") == ["x/1", "x/2"] and storage.read("x/1") == b"uno"
    assert storage.keys("y/") == [] and storage.read("y/0") is None
    storage.delete("x/1")
    storage.delete("x/1")
    assert storage.keys() == ["x/2"]


def test_conditional_writes_are_proven_and_leave_nothing(storage: Storage) -> None:
    storage.check_conditional_writes()
    assert storage.keys() == []


def test_a_store_that_overwrites_is_refused(tmp_path: Path) -> None:
    class Careless(LocalStorage):
        def create(self, key: str, data: bytes) -> bool:
            self.replace(key, data)
            return True

    with pytest.raises(StorageError, match="ignores If-None-Match"):
        Careless(tmp_path).check_conditional_writes()


def test_a_failed_local_write_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        LocalStorage(tmp_path).create("a", b"one")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fault", ["500", "503", "reset", "lost", "slow", "expired"])
def test_a_fault_is_outlived(proxy: Any, s3: str, fault: str) -> None:
    proxy.faults = [fault]
    storage = open_storage(s3)
    assert storage.create("a", b"one")
    assert storage.read("a") == b"one"
    assert not storage.create("a", b"two")
    assert f"PUT {fault}" in proxy.seen


def test_a_put_whose_answer_is_lost_is_not_taken_for_somebody_elses(proxy: Any, s3: str) -> None:
    """Without the comparison of contents the second try would see 412 and report a foreign object."""
    proxy.faults = ["lost", "lost"]
    assert open_storage(s3).create("a", b"mine")
    assert proxy.seen.count("PUT lost") == 2


def test_a_fault_that_does_not_end_is_reported(proxy: Any, s3: str) -> None:
    proxy.faults = ["500"] * ATTEMPTS
    with pytest.raises(StorageError, match=f"failed {ATTEMPTS} times"):
        open_storage(s3).create("a", b"one")


def test_reads_survive_resets(proxy: Any, s3: str) -> None:
    storage = open_storage(s3)
    storage.create("a", b"one")
    proxy.method, proxy.faults = "GET", ["reset", "500"]
    assert storage.read("a") == b"one"


@pytest.mark.parametrize(
    ("uri", "text"),
    [("s3://", "no bucket"), ("gs://bucket/x", "unknown scheme gs"), ("s3:///x", "no bucket")],
)
def test_a_bad_uri_is_explained(uri: str, text: str) -> None:
    with pytest.raises(StorageError, match=text):
        open_storage(uri)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("RequestTimeTooSkewed", "clock"),
        ("SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
        ("InvalidAccessKeyId", "AWS_ACCESS_KEY_ID"),
        ("AccessDenied", "s3:PutObject"),
    ],
)
def test_what_the_store_refuses_for_good_is_explained(
    code: str, told: str, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    def refuse(**_: Any) -> None:
        answer = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise ClientError(answer, "PutObject")  # type: ignore[arg-type]

    storage = open_storage(s3)
    assert isinstance(storage, S3Storage)
    monkeypatch.setattr(storage._client, "put_object", refuse)
    with pytest.raises(StorageError, match=told):
        storage.create("a", b"b")


def test_a_missing_bucket_is_explained(s3: str) -> None:
    with pytest.raises(StorageError, match="bucket nowhere-at-all does not exist"):
        open_storage("s3://nowhere-at-all/x").create("a", b"one")
