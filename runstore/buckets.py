"""Rows of a run regrouped so that all rows of a problem are together, in bounded memory.

Promises: each table holds whole problems; at most about `bucket_rows` rows are in memory at a time, further ones wait
in a temporary folder on the local disk, which is gone afterwards.
Does not: sort within a table, or keep the order of problems.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa


def encoded_schema(schema: pa.Schema, plain: frozenset[str] = frozenset()) -> pa.Schema:
    """`schema` with its texts dictionary-encoded, except for those in `plain`."""
    encoded = pa.dictionary(pa.int32(), pa.string())
    return pa.schema([(f.name, encoded if f.type == pa.string() and f.name not in plain else f.type) for f in schema])


def whole_problems(
    batches: Iterable[pa.RecordBatch], plain: pa.Schema, num_rows: int, bucket_rows: int
) -> Iterator[pa.Table]:
    """The rows of `batches` as tables that hold whole problems. `plain` is their schema without dictionaries;
    `problem_id` is dictionary-encoded in each batch. `num_rows` is how many rows there are about."""
    if num_rows <= bucket_rows:
        held = list(batches)
        if held:
            yield pa.Table.from_batches(held)
        return
    num_buckets = -(-num_rows // bucket_rows)
    with tempfile.TemporaryDirectory(prefix="proofmill-buckets-") as folder:
        paths = [Path(folder) / f"{number}.arrow" for number in range(num_buckets)]
        _spill(batches, plain, paths)
        for path in paths:
            if path.exists():
                with pa.memory_map(str(path)) as source:
                    table = pa.ipc.open_stream(source).read_all()
                yield table
                path.unlink()


def _spill(batches: Iterable[pa.RecordBatch], plain: pa.Schema, paths: list[Path]) -> None:
    """Writes rows to files so that all rows of a problem are in the file that its id selects."""
    writers: dict[int, Any] = {}
    try:
        for batch in batches:
            ids = batch.column("problem_id")
            chosen = np.array([zlib.crc32(text.encode()) % len(paths) for text in ids.dictionary.to_pylist()])
            bucket = chosen[ids.indices.to_numpy()]
            rows = batch.cast(plain)
            for number in np.unique(bucket):
                if number not in writers:
                    writers[number] = pa.ipc.new_stream(str(paths[number]), plain)
                writers[number].write_batch(rows.take(pa.array(np.flatnonzero(bucket == number))))
    finally:
        for writer in writers.values():
            writer.close()
