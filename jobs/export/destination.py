"""Where a data set is written: a local folder or an S3 prefix, visible whole or not at all.

Promises
- Local: everything is written to a hidden sibling `.<name>.staging-…` and renamed to the folder in one step.
- S3: an object store has no rename, so the data is one object per file format, sent as a multipart upload that shows
  nothing until it is completed. `export.json` is put last, with a condition that fails when another export finished
  first. A reader that globs `data/*.parquet` sees no file or the whole data set, never a part of it.
- A killed export leaves nothing visible, with one exception: between the last two steps on S3, a whole data file
  without `export.json`. The next export to the same place removes what a dead one left and starts afresh.
Does not: replace an existing data set unless told to; resume an interrupted one; guard the two renames of an overwrite
(a reader between them finds no folder, but never half of one).
Fails: ConfigError where the place cannot be used, StorageError where the store does not answer, both before anything
is written.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol, cast
from urllib.parse import urlsplit

from jobs.config import ConfigError
from jobs.export.layout_files import DATA_NAMES, DATASET_INFO
from runstore.multipart import MultipartFile, abort_uploads
from runstore.storage import UPLOAD_ATTEMPTS, StorageError, s3_client

MANIFEST = "export.json"
CARD = "README.md"
FINGERPRINTS = "fingerprints.npy"
CONTAMINATION = "contamination.jsonl"
PARTIAL = ".partial"
"""Suffix of unfinished local files, needed because some globs (Python's pathlib) look into hidden folders too."""


def is_ours(name: str) -> bool:
    """Whether an export writes a file of this name. A folder with any other file is never replaced or cleared."""
    return name in (MANIFEST, CARD, FINGERPRINTS, CONTAMINATION, DATASET_INFO, *DATA_NAMES)


def files_of(folder: Path) -> list[Path]:
    return sorted(path.relative_to(folder) for path in folder.rglob("*") if not path.is_dir())


class Destination(Protocol):
    def create(self, name: str) -> BinaryIO:
        """A file that becomes visible with `commit`. It has to be closed before that."""
        ...

    def commit(self, manifest: bytes) -> None:
        """Makes all created files visible, then the manifest."""
        ...

    def abort(self) -> None:
        """Removes everything that was not committed. After `commit` it does nothing."""
        ...


def open_destination(uri: str, overwrite: bool) -> Destination:
    """Raises ConfigError if the place holds something else, or a data set and `overwrite` is false."""
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        return S3Folder(parts.netloc, parts.path.strip("/"), overwrite)
    if parts.scheme not in ("", "file"):
        raise ConfigError(f"{uri}: expected a local path or s3://bucket/prefix, got the scheme {parts.scheme!r}")
    try:
        # A link is resolved, because a rename would replace the link itself.
        return LocalFolder(Path(parts.path if parts.scheme else uri).resolve(), overwrite)
    except OSError as error:
        raise ConfigError(f"{uri}: cannot be written: {error}")


class LocalFolder:
    def __init__(self, path: Path, overwrite: bool) -> None:
        self._path = path
        self._overwrite = overwrite
        path.parent.mkdir(parents=True, exist_ok=True)
        self._remove_leftovers()
        if path.exists():
            if not path.is_dir():
                raise ConfigError(f"{path}: is a file; --out is a folder")
            if any(path.iterdir()) and not (path / MANIFEST).exists():
                raise ConfigError(f"{path}: holds other files and no {MANIFEST}; give an empty or a new folder")
            if other := [str(name) for name in files_of(path) if not is_ours(name.as_posix())]:
                raise ConfigError(f"{path}: holds other files too ({other[0]}); give an empty or a new folder")
            if any(path.iterdir()) and not overwrite:
                raise ConfigError(f"{path}: holds a data set already; give another folder or --overwrite")
        self._staging = path.parent / f".{path.name}.staging-{uuid.uuid4().hex[:12]}"
        self._staging.mkdir()

    def _remove_leftovers(self) -> None:
        # The caller holds the lock of this place (`scratch`), so the process that made these is dead.
        for kind in ("staging", "replaced"):
            for left in self._path.parent.glob(f".{glob.escape(self._path.name)}.{kind}-*"):
                if kind == "replaced" and not self._path.exists():
                    left.rename(self._path)  # killed between the two renames of an overwrite
                else:
                    shutil.rmtree(left, ignore_errors=True)

    def create(self, name: str) -> BinaryIO:
        path = self._staging / (name + PARTIAL)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("xb")

    def commit(self, manifest: bytes) -> None:
        for partial in self._staging.rglob(f"*{PARTIAL}"):
            partial.rename(partial.with_name(partial.name.removesuffix(PARTIAL)))
        (self._staging / MANIFEST).write_bytes(manifest)
        for path in [*self._staging.rglob("*"), self._staging]:
            sync(path)
        if self._path.exists() and any(self._path.iterdir()):
            if not self._overwrite:
                raise ConfigError(f"{self._path}: another export was there first; give another folder")
            replaced = self._path.parent / f".{self._path.name}.replaced-{uuid.uuid4().hex[:12]}"
            self._path.rename(replaced)
            self._staging.rename(self._path)
            shutil.rmtree(replaced, ignore_errors=True)
        else:
            self._staging.rename(self._path)
        sync(self._path.parent)

    def abort(self) -> None:
        shutil.rmtree(self._staging, ignore_errors=True)


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class S3Folder:
    def __init__(self, bucket: str, prefix: str, overwrite: bool) -> None:
        import botocore.exceptions

        if not bucket or not prefix:
            raise ConfigError(f"s3://{bucket}/{prefix}: expected s3://bucket/prefix")
        self._errors = botocore.exceptions
        self._client = s3_client(UPLOAD_ATTEMPTS)
        self._bucket = bucket
        self._prefix = prefix
        self._overwrite = overwrite
        self._uploads: list[MultipartFile] = []
        self._small: dict[str, bytes] = {}
        try:
            existing = self._keys()
            if f"{prefix}/{MANIFEST}" in existing and not overwrite:
                raise ConfigError(
                    f"s3://{bucket}/{prefix}: holds a data set already; give another prefix or --overwrite"
                )
            if other := [key for key in existing if not self._ours(key)]:
                raise ConfigError(f"s3://{bucket}/{prefix}: holds other objects ({other[0]}); give an empty prefix")
            if f"{prefix}/{MANIFEST}" not in existing:
                if existing and not any(f"{prefix}/{name}" in existing for name in DATA_NAMES):
                    # An export completes another file first, and that is missing: no export left this.
                    raise ConfigError(
                        f"s3://{bucket}/{prefix}: holds other objects ({existing[0]}); give an empty prefix"
                    )
                for key in existing:  # whole data files of an export that died before its manifest
                    self._client.delete_object(Bucket=bucket, Key=key)
            self._abort_uploads()
        except (self._errors.BotoCoreError, self._errors.ClientError) as error:
            raise StorageError(f"s3://{bucket}/{prefix}: {error}") from error

    def _ours(self, key: str) -> bool:
        return is_ours(key.removeprefix(self._prefix + "/"))

    def _keys(self) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix + "/")
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return [key for key in keys if not key.endswith("/")]  # S3 consoles make such objects to show folders

    def _abort_uploads(self) -> None:
        """Clears the invisible parts that a killed export left, where the server and our rights allow it."""
        with contextlib.suppress(self._errors.ClientError):
            abort_uploads(self._client, self._bucket, self._prefix + "/", self._ours)

    def create(self, name: str) -> BinaryIO:
        upload = MultipartFile(self._client, self._bucket, f"{self._prefix}/{name}")
        self._uploads.append(upload)
        return cast(BinaryIO, upload)

    def commit(self, manifest: bytes) -> None:
        key = f"{self._prefix}/{MANIFEST}"
        if self._overwrite:
            # From here until the new manifest the place has none, so an export that finds data without a manifest
            # knows that its owner died. The old data files are replaced one by one, each in one step.
            self._client.delete_object(Bucket=self._bucket, Key=key)
        elif key in self._keys():
            raise self._late()
        try:
            for upload in self._uploads:
                upload.complete(replace=self._overwrite)
            if self._overwrite:
                written = {upload.key for upload in self._uploads}
                for stale in [key for key in self._keys() if key not in written and self._ours(key)]:
                    self._client.delete_object(Bucket=self._bucket, Key=stale)
            self._client.put_object(Bucket=self._bucket, Key=key, Body=manifest, IfNoneMatch="*")
        except self._errors.ClientError as error:
            if error.response["Error"]["Code"] in ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload"):
                raise self._late()
            raise
        self._uploads = []

    def _late(self) -> ConfigError:
        return ConfigError(f"s3://{self._bucket}/{self._prefix}: another export was there first; give another prefix")

    def abort(self) -> None:
        for upload in self._uploads:
            upload.abort()
        self._uploads = []


@contextlib.contextmanager
def scratch(out: str, directory: str) -> Iterator[Path]:
    """A scratch folder that belongs to the destination `out`, held by one process of this machine at a time.

    What a killed export left in it is removed. Raises ConfigError if a live export to `out` holds it.
    """
    identity = out.rstrip("/") if out.startswith("s3://") else str(Path(out).resolve())
    name = f"proofmill-export-{hashlib.blake2b(identity.encode(), digest_size=8).hexdigest()}"
    root = Path(directory or os.environ.get("TMPDIR") or "/tmp") / f"{name}-{os.getuid()}"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(f"{root}: no scratch space; give another folder with --work-dir: {error}")
    if root.stat().st_uid != os.getuid():
        raise ConfigError(f"{root}: belongs to another user; give a scratch folder with --work-dir")
    with (root / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(f"{out}: another export to this place is running")
        # Each attempt has a name of its own: worker processes of a killed export take a moment to end too, and must
        # not write into the files of the next one.
        for left in root.glob("work*"):
            shutil.rmtree(left, ignore_errors=True)
        work = root / f"work-{uuid.uuid4().hex[:12]}"
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
