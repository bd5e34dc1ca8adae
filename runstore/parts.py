"""Parquet parts of a run: streams of exclusive slots, so that a row is written once whichever process dies, and when.

    samples/e0002-w00-000017.parquet      epoch 2, stream 0, slot 17

The same protocol serves another folder of a run, such as calls/, whose streams and slots are its own.

Promises: a part appears whole or not at all. A stream's slots are filled in order, each by one exclusive `create`. A
writer that takes over a stream first fills the next slot with an empty part (a fence): the previous writer finds its
slot taken and raises FencedError. The streams of an epoch are fixed when the epoch is claimed (runstore.lease), so a
new epoch can fence all of them before it reads what is durable. Reasons and proof: docs/decisions/exactly_once.md.
Does not: decide which rows to write; the coordinator never hands one row to two streams of one epoch.
"""

from __future__ import annotations

import dataclasses
import io
import re
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runstore.layout import SAMPLES
from runstore.schema import SAMPLE_SCHEMA
from runstore.storage import Storage, StorageError
from runstore.upgrades import check_schema, conform_table

ROW_GROUP_ROWS = 4096
"""Rows per Parquet row group: few enough to read a few problems' texts cheaply, enough to compress well."""
READERS = 8
NAME = re.compile(r"^(e(\d{4,})-w(\d{2,}))-(\d{6,})\.parquet$")


class FencedError(Exception):
    """The stream belongs to another writer now; the one that gets this error must write nothing more."""


@dataclasses.dataclass(frozen=True, slots=True)
class PartName:
    stream: str
    epoch: int
    slot: int
    folder: str = SAMPLES

    @property
    def key(self) -> str:
        return part_key(self.stream, self.slot, self.folder)


def stream_name(epoch: int, writer: int) -> str:
    return f"e{epoch:04d}-w{writer:02d}"


def part_key(stream: str, slot: int, folder: str = SAMPLES) -> str:
    return f"{folder}{stream}-{slot:06d}.parquet"


def list_parts(storage: Storage, stream: str = "", folder: str = SAMPLES) -> list[PartName]:
    """The committed parts (fences too), of one stream or of the whole folder, in slot order."""
    matches = [NAME.match(key.removeprefix(folder)) for key in storage.keys(folder + stream)]
    names = [PartName(m[1], int(m[2]), int(m[4]), folder) for m in matches if m and stream in ("", m[1])]
    return sorted(names, key=lambda name: (name.epoch, name.stream, name.slot))


def encode_part(table: pa.Table, schema: pa.Schema = SAMPLE_SCHEMA) -> bytes:
    """Parquet bytes with a token of their own, so that no two writes are equal by chance."""
    metadata = {**(schema.metadata or {}), b"proofmill.part": uuid.uuid4().hex.encode()}
    table = table.replace_schema_metadata(metadata)
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, table.schema, compression="zstd") as writer:
        if len(table):  # a fence has no rows, and an empty row group makes `datasets` fail
            writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
    return sink.getvalue()


def append_part(storage: Storage, stream: str, slot: int, data: bytes, folder: str = SAMPLES) -> str:
    """Fills one slot and returns its key. Raises FencedError if another writer filled it."""
    key = part_key(stream, slot, folder)
    if not storage.create(key, data):
        raise FencedError(f"{storage.uri}/{key} was written by another job: this run has been taken over")
    return key


def fence_stream(storage: Storage, stream: str, folder: str = SAMPLES, schema: pa.Schema = SAMPLE_SCHEMA) -> int:
    """Locks earlier writers out of `stream`; returns the first slot that is free for its new owner."""
    names = list_parts(storage, stream, folder)
    slot = names[-1].slot + 1 if names else 0
    empty = encode_part(schema.empty_table(), schema)
    while not storage.create(part_key(stream, slot, folder), empty):
        slot += 1
    return slot + 1


def read_part(
    storage: Storage, key: str, columns: list[str] | None = None, schema: pa.Schema = SAMPLE_SCHEMA
) -> pa.Table:
    """The given columns, or all of them, as `schema` has them. Raises StorageError if the part is gone or cannot
    be read, StoredRunError if this version does not read such parts."""
    data = storage.read(key)
    if data is None:
        raise StorageError(f"{storage.uri}/{key}: listed but gone; was the run's folder changed by hand?")
    uri = f"{storage.uri}/{key}"
    wanted = columns if columns is not None else schema.names
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        found = file.schema_arrow
        check_schema(found, schema, uri, wanted)
        table = file.read(columns=[name for name in wanted if name in found.names])
    except pa.ArrowInvalid as error:
        raise StorageError(f"{uri}: not a readable Parquet file: {error}") from error
    return conform_table(table, pa.schema([schema.field(name) for name in wanted]), uri)


def read_parts(storage: Storage, columns: list[str], stream: str = "", from_slot: int = 0) -> Iterator[pa.Table]:
    """One table per part, with a `part` column that names it. Several parts are read at once."""

    def read(name: PartName) -> pa.Table:
        table = read_part(storage, name.key, columns)
        return table.append_column("part", pa.array([name.key] * len(table), pa.string()).dictionary_encode())

    names = [name for name in list_parts(storage, stream) if name.slot >= from_slot]
    with ThreadPoolExecutor(READERS) as pool:
        yield from pool.map(read, names)


def read_row(storage: Storage, key: str, problem_id: str, sample_index: int) -> dict[str, object]:
    """One row of a part. Raises KeyError where it is not there."""
    table = read_part(storage, key)
    found = table.filter(
        pc.and_(pc.equal(table["problem_id"], problem_id), pc.equal(table["sample_index"], sample_index))
    )
    if not len(found):
        raise KeyError(f"{key} has no row {problem_id} #{sample_index}")
    row: dict[str, object] = found.to_pylist()[0]
    return row
