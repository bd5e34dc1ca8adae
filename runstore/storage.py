"""Object storage with the one guarantee that exactly-once output needs: create this key, or learn that it exists.

Promises: `create` is atomic and exclusive, on a local disk (a finished temporary file is linked into place) and on
S3-compatible storage (`If-None-Match: *`); a key is visible whole or not at all; a `create` whose response was lost is
recognised by its content and counts as done. Transient faults (5xx, resets, time-outs, throttling) are retried with
back-off; expired credentials are looked up again.
Does not: lock, or overwrite conditionally. `check_conditional_writes` refuses a store that ignores `If-None-Match`.
Fails with StorageError, whose text names the URI and what the user can do.
"""

from __future__ import annotations

import abc
import contextlib
import errno
import functools
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.fs

ATTEMPTS = 8
"""Tries per storage call. With the back-off below they span about a minute, longer than a rolling restart."""
BACKOFF_S = 0.25
BACKOFF_MAX_S = 15.0
TRANSIENT = {
    "InternalError",
    "ServiceUnavailable",
    "SlowDown",
    "RequestTimeout",
    "Throttling",
    "500",
    "502",
    "503",
    "504",
}
EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
CONNECT_S = 10.0
REQUEST_S = 60.0
UPLOAD_ATTEMPTS = 5
"""Tries per call of a multipart upload. botocore may repeat them, since only the last of these calls is conditional."""
READ_ATTEMPTS = 3
"""Tries per request of pyarrow's file system, which reads Parquet."""
DEFAULT_REGION = "us-east-1"
"""The region of a private endpoint where none is named. Without one pyarrow asks AWS itself, which the endpoint's
network may not reach."""


class StorageError(Exception):
    """Storage cannot do what was asked; the text is for the user."""


class StorageUriError(StorageError):
    """The URI names no kind of storage that is supported."""


class Storage(abc.ABC):
    """One folder of a store. Keys are relative, with `/` between parts."""

    uri: str

    @abc.abstractmethod
    def create(self, key: str, data: bytes) -> bool:
        """Writes `key` if it does not exist. Returns False, without writing, if it exists with other content."""

    @abc.abstractmethod
    def replace(self, key: str, data: bytes) -> None:
        """Writes `key` atomically, whatever was there."""

    @abc.abstractmethod
    def read(self, key: str) -> bytes | None:
        """The content, or None where there is no such key."""

    @abc.abstractmethod
    def keys(self, prefix: str = "") -> list[str]:
        """Every key that starts with `prefix`, sorted."""

    @abc.abstractmethod
    def delete(self, key: str) -> None:
        """Removes `key`; no error where there is none."""

    @abc.abstractmethod
    def arrow(self) -> tuple[pyarrow.fs.FileSystem, str]:
        """A pyarrow file system and this folder's path in it, for reading Parquet."""

    def check_conditional_writes(self) -> None:
        """Proves that `create` is exclusive here. Raises StorageError where it is not."""
        key = f".probe-{uuid.uuid4().hex}"
        try:
            if not self.create(key, b"first") or self.create(key, b"second"):
                raise StorageError(
                    f"{self.uri}: the store ignores If-None-Match, so two jobs could overwrite each other's rows; "
                    "use a store with conditional writes (Amazon S3, recent MinIO, Ceph, R2) or a local disk"
                )
        finally:
            with contextlib.suppress(StorageError):
                self.delete(key)


def open_storage(uri: str) -> Storage:
    """Opens `s3://bucket/prefix` or a local path (with or without `file://`). Does not access it yet."""
    scheme, _, _ = uri.partition("://")
    if uri.startswith("s3://"):
        parts = urlsplit(uri)
        if not parts.netloc:
            raise StorageUriError(f"{uri}: no bucket; expected s3://bucket/prefix")
        return S3Storage(parts.netloc, parts.path.strip("/"))
    if "://" in uri and scheme != "file":
        raise StorageUriError(f"{uri}: unknown scheme {scheme}; expected a local path or s3://bucket/prefix")
    return LocalStorage(Path(uri.removeprefix("file://")).absolute())


def open_filesystem(uri: str) -> tuple[pyarrow.fs.FileSystem, str]:
    """A pyarrow file system for reading what lies at `uri`, and the path in it. Raises StorageUriError."""
    return open_storage(uri).arrow()


def s3_endpoint() -> str:
    """The server that the environment names; empty for AWS."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""


def s3_region() -> str:
    """The region that the environment or the AWS files name. Empty if AWS has to be asked for it."""
    if region := os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"):
        return region
    if not s3_endpoint():
        return ""
    import boto3

    return boto3.session.Session().region_name or DEFAULT_REGION


def s3_client(attempts: int) -> Any:
    """A boto3 client that itself tries each call up to `attempts` times."""
    import boto3
    import botocore.config

    config = botocore.config.Config(
        retries={"total_max_attempts": attempts}, connect_timeout=CONNECT_S, read_timeout=REQUEST_S
    )
    return boto3.session.Session().client("s3", region_name=s3_region() or None, config=config)


def s3_filesystem() -> pyarrow.fs.FileSystem:
    """pyarrow's S3 file system for the environment's endpoint."""
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_S,
        "request_timeout": REQUEST_S,
        "retry_strategy": pyarrow.fs.AwsStandardS3RetryStrategy(max_attempts=READ_ATTEMPTS),
    }
    if endpoint := s3_endpoint():
        parts = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
        options["endpoint_override"] = parts.netloc + parts.path.rstrip("/")
        options["scheme"] = parts.scheme
    if region := s3_region():
        options["region"] = region
    return pyarrow.fs.S3FileSystem(**options)


class LocalStorage(Storage):
    """A folder on a local or shared POSIX disk."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uri = str(root)

    def create(self, key: str, data: bytes) -> bool:
        path = self.root / key
        with self._temporary(path, data) as temporary:
            try:
                os.link(temporary, path)
            except FileExistsError:
                return self.read(key) == data
        sync_folder(path.parent)
        return True

    def replace(self, key: str, data: bytes) -> None:
        path = self.root / key
        with self._temporary(path, data) as temporary:
            temporary.replace(path)
        sync_folder(path.parent)

    @contextlib.contextmanager
    def _temporary(self, path: Path, data: bytes) -> Iterator[Path]:
        temporary = path.parent / f".{path.name}.{uuid.uuid4().hex}.tmp"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        except OSError as error:
            raise StorageError(f"{path}: {advice(error)}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def read(self, key: str) -> bytes | None:
        try:
            return (self.root / key).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(f"{self.root / key}: {advice(error)}") from error

    def keys(self, prefix: str = "") -> list[str]:
        folder = self.root / prefix.rpartition("/")[0]
        found = (path.relative_to(self.root).as_posix() for path in folder.rglob("*") if path.is_file())
        return sorted(key for key in found if key.startswith(prefix) and not key.endswith(".tmp"))

    def delete(self, key: str) -> None:
        (self.root / key).unlink(missing_ok=True)

    def arrow(self) -> tuple[pyarrow.fs.FileSystem, str]:
        return pyarrow.fs.LocalFileSystem(), str(self.root)


def sync_folder(folder: Path) -> None:
    """Makes a new name in `folder` survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def advice(error: OSError) -> str:
    hints = {
        errno.ENOSPC: "the disk is full; free some space and run the same command again to resume",
        errno.EDQUOT: "the quota is used up; free some space and run the same command again to resume",
        errno.EROFS: "the file system is read-only; set output.uri to a folder that can be written",
        errno.EACCES: "no permission to write here; set output.uri to a folder that can be written",
    }
    return hints.get(error.errno or 0, str(error))


class S3Storage(Storage):
    """A prefix of a bucket. Endpoint, region and credentials come from the usual AWS_* environment and files."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket = bucket
        self.prefix = prefix + "/" if prefix else ""
        self.uri = f"s3://{bucket}/{prefix}".rstrip("/")

    @functools.cached_property
    def _client(self) -> Any:
        # Retries are ours: botocore's own would hide whether an earlier try of a conditional write took effect.
        return s3_client(attempts=1)

    def _call(self, name: str, key: str, **arguments: Any) -> Any:
        """Calls the client until it answers. Raises botocore's ClientError for answers that are final."""
        import botocore.exceptions as failures

        for attempt in range(1, ATTEMPTS + 1):
            try:
                return getattr(self._client, name)(Bucket=self.bucket, **arguments)
            except failures.ClientError as error:
                code = str(error.response.get("Error", {}).get("Code", ""))
                status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
                if code in EXPIRED:
                    self.__dict__.pop("_client", None)
                elif not (code in TRANSIENT or status >= 500 or status == 409):
                    raise
                last: Exception = error
            except (failures.BotoCoreError, failures.HTTPClientError) as error:
                if isinstance(error, failures.NoCredentialsError | failures.PartialCredentialsError):
                    raise StorageError(
                        f"{self.uri}: no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
                    )
                last = error
            if attempt < ATTEMPTS:
                time.sleep(min(BACKOFF_S * 2 ** (attempt - 1), BACKOFF_MAX_S))
        raise StorageError(f"{self.uri}/{key}: {name} failed {ATTEMPTS} times; the last answer was: {last}") from last

    def create(self, key: str, data: bytes) -> bool:
        import botocore.exceptions as failures

        try:
            self._call("put_object", key, Key=self.prefix + key, Body=data, IfNoneMatch="*")
        except failures.ClientError as error:
            if code_of(error) in ("PreconditionFailed", "412"):
                # The object is another writer's, or our own whose response was lost.
                return self.read(key) == data
            raise self._explain(error, key)
        return True

    def replace(self, key: str, data: bytes) -> None:
        import botocore.exceptions as failures

        try:
            self._call("put_object", key, Key=self.prefix + key, Body=data)
        except failures.ClientError as error:
            raise self._explain(error, key)

    def read(self, key: str) -> bytes | None:
        import botocore.exceptions as failures

        for _ in range(ATTEMPTS):
            try:
                body = self._call("get_object", key, Key=self.prefix + key)["Body"]
                return bytes(body.read())
            except failures.ClientError as error:
                if code_of(error) in ("NoSuchKey", "404"):
                    return None
                raise self._explain(error, key)
            except (failures.BotoCoreError, OSError):
                time.sleep(BACKOFF_S)  # the connection broke inside the body
        raise StorageError(f"{self.uri}/{key}: the connection broke {ATTEMPTS} times while reading")

    def keys(self, prefix: str = "") -> list[str]:
        import botocore.exceptions as failures

        found: list[str] = []
        arguments: dict[str, Any] = {"Prefix": self.prefix + prefix}
        while True:
            try:
                page = self._call("list_objects_v2", prefix, **arguments)
            except failures.ClientError as error:
                raise self._explain(error, prefix)
            found += [row["Key"].removeprefix(self.prefix) for row in page.get("Contents", [])]
            if not page.get("IsTruncated"):
                return sorted(found)
            arguments["ContinuationToken"] = page["NextContinuationToken"]

    def delete(self, key: str) -> None:
        import botocore.exceptions as failures

        try:
            self._call("delete_object", key, Key=self.prefix + key)
        except failures.ClientError as error:
            raise self._explain(error, key)

    def arrow(self) -> tuple[pyarrow.fs.FileSystem, str]:
        return s3_filesystem(), f"{self.bucket}/{self.prefix}".rstrip("/")

    def _explain(self, error: Any, key: str) -> StorageError:
        code = code_of(error)
        hints = {
            "NoSuchBucket": f"bucket {self.bucket} does not exist; create it first",
            "AccessDenied": "access denied; the credentials need s3:PutObject, s3:GetObject and s3:ListBucket",
            "InvalidAccessKeyId": "the access key is not known there; check AWS_ACCESS_KEY_ID and AWS_ENDPOINT_URL",
            "SignatureDoesNotMatch": "the secret key does not fit; check AWS_SECRET_ACCESS_KEY",
            "RequestTimeTooSkewed": "this machine's clock is too far from the store's; set the clock",
        }
        return StorageError(f"{self.uri}/{key}: {hints.get(code, str(error))}")


def code_of(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
