"""The files that an export writes: rows, fingerprints, card and manifest."""

from __future__ import annotations

import json
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.config import ConfigError
from jobs.export.destination import CONTAMINATION, FINGERPRINTS, Destination
from jobs.export.duplicates import FINGERPRINT
from jobs.export.settings import ExportSettings
from runstore.storage import open_filesystem

Json = Any


class Output:
    """Writes the data files of one export."""

    def __init__(self, settings: ExportSettings, destination: Destination) -> None:
        self._destination = destination
        self._names = settings.data_files
        self._without_nulls = settings.layout_files.without_nulls
        self._streams: dict[str, BinaryIO] = {}
        self._parquet: pq.ParquetWriter | None = None
        self._prints = [np.zeros(0, FINGERPRINT)]
        self._hits: BinaryIO | None = None
        self._num_rows = 0
        self.num_bytes = 0
        self.schema: pa.Schema | None = None

    def __enter__(self) -> Output:
        for kind, name in self._names.items():
            self._streams[kind] = self._destination.create(name)
        return self

    def __exit__(self, *fault: object) -> None:
        # A half-written Parquet file has no footer and is invalid; the destination removes it.
        for stream in self._streams.values():
            if fault[0] is None:
                self.num_bytes += stream.tell() if stream.seekable() else 0
                stream.close()

    def add(self, table: pa.Table, prints: np.ndarray) -> None:
        self._prints.append(prints)
        if "extra_info" in table.column_names:
            table = numbered(table, self._num_rows)
        self._num_rows += len(table)
        self.schema = table.schema
        if stream := self._streams.get("parquet"):
            if self._parquet is None:
                self._parquet = pq.ParquetWriter(stream, table.schema, compression="zstd")
            self._parquet.write_table(table)
        if stream := self._streams.get("jsonl"):
            for row in table.to_pylist():
                if self._without_nulls:
                    row = {name: without_nulls(value) for name, value in row.items()}
                stream.write(json.dumps(row, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")

    def add_hits(self, hits: list[dict[str, Json]]) -> None:
        if hits and self._hits is None:
            self._hits = self._destination.create(CONTAMINATION)
        for hit in hits:
            assert self._hits is not None
            self._hits.write(json.dumps(hit, ensure_ascii=False).encode() + b"\n")

    def finish(self) -> None:
        if self._parquet:
            self._parquet.close()
        if self._hits:
            self._hits.close()
        with self._destination.create(FINGERPRINTS) as stream:
            prints = np.concatenate(self._prints)
            np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(prints))
            for part in self._prints:
                stream.write(part.tobytes())


def without_nulls(value: Json) -> Json:
    """A column's value without its null fields, at any depth."""
    if isinstance(value, dict):
        return {name: without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [without_nulls(inner) for inner in value] if isinstance(value, list) else value


def numbered(table: pa.Table, start: int) -> pa.Table:
    """`table` with each row's number in `extra_info.index`, as verl expects it."""
    at = table.column_names.index("extra_info")
    info = table["extra_info"].combine_chunks()
    fields = [field.name for field in info.type]
    columns = [info.field(name) for name in fields]
    columns[fields.index("index")] = pa.array(np.arange(start, start + len(table)))
    return table.set_column(at, "extra_info", pa.StructArray.from_arrays(columns, fields=list(info.type)))


def read_fingerprints(uri: str) -> np.ndarray:
    """Fingerprints of an earlier export. Raises ConfigError."""
    filesystem, path = open_filesystem(uri)
    try:
        with filesystem.open_input_stream(f"{path}/{FINGERPRINTS}") as stream:
            prints = np.lib.format.read_array(stream, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{uri}: no readable {FINGERPRINTS}; --against is the folder of an earlier export: {error}")
    if prints.dtype != FINGERPRINT:
        raise ConfigError(f"{uri}: {FINGERPRINTS} is of another version of proofmill")
    return prints


def write(destination: Destination, name: str, data: bytes) -> None:
    with destination.create(name) as stream:
        stream.write(data)
