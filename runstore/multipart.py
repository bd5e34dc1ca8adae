"""A write-only file that is one S3 object, sent as a multipart upload. It is invisible until it is completed.

Promises: an object is visible whole or not at all, and `complete(replace=False)` never replaces one; `abort_uploads`
clears what a killed writer left.
Fails with botocore errors, which its caller turns into texts for the user.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

PART_BYTES = 16 << 20

PARTS_PER_STEP = 1000
"""Number of parts after which the part size grows by PART_BYTES. S3 takes 10,000 parts per object, so that objects up
to 880 GB fit."""


class MultipartFile(io.RawIOBase):
    """A write-only file that is one S3 object, invisible until `complete`."""

    def __init__(self, client: Any, bucket: str, key: str) -> None:
        super().__init__()
        self._client = client
        self.key = key
        self._target = {"Bucket": bucket, "Key": key}
        self._upload_id: str | None = client.create_multipart_upload(**self._target)["UploadId"]
        self._parts: list[dict[str, Any]] = []
        self._buffer = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._buffer += view
        part_bytes = PART_BYTES * (1 + len(self._parts) // PARTS_PER_STEP)
        while len(self._buffer) >= part_bytes:
            self._send(bytes(self._buffer[:part_bytes]))
            del self._buffer[:part_bytes]
        return len(view)

    def _send(self, data: bytes) -> None:
        number = len(self._parts) + 1
        sent = self._client.upload_part(**self._target, UploadId=self._upload_id, PartNumber=number, Body=data)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def close(self) -> None:
        if not self.closed and self._upload_id and (self._buffer or not self._parts):
            self._send(bytes(self._buffer))
            self._buffer.clear()
        super().close()

    def complete(self, replace: bool) -> None:
        condition = {} if replace else {"IfNoneMatch": "*"}
        self._client.complete_multipart_upload(
            **self._target, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}, **condition
        )
        self._upload_id = None

    def abort(self) -> None:
        if self._upload_id:
            # The upload is gone already if another export to this place has cleared it.
            with contextlib.suppress(self._client.exceptions.NoSuchUpload):
                self._client.abort_multipart_upload(**self._target, UploadId=self._upload_id)
            self._upload_id = None
            super().close()


def abort_uploads(client: Any, bucket: str, prefix: str, is_ours: Callable[[str], bool]) -> None:
    """Clears the invisible parts under `prefix` that a killed writer left, for keys where `is_ours` holds and where our
    access rights allow it. Raises ClientError where the server does not list them."""
    import botocore.exceptions

    pages = client.get_paginator("list_multipart_uploads").paginate(Bucket=bucket, Prefix=prefix)
    for upload in [upload for page in pages for upload in page.get("Uploads", [])]:
        if is_ours(upload["Key"]):
            with contextlib.suppress(botocore.exceptions.ClientError):
                client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
