"""A stored run read back for its report: narrow columns of every committed part, in batches.

Promises: memory is bounded by one batch whatever the size of the run; texts are read only where asked for; rows come in
no particular order.
Fails with RunError, whose text is for the user, or with runstore.storage.StorageError.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from runstore.layout import RUN
from runstore.parts import list_parts
from runstore.storage import Storage

BATCH_ROWS = 65_536


class RunError(Exception):
    """The run can not be reported on; the text says why and what would help."""


@contextlib.contextmanager
def open_part(storage: Storage, key: str) -> Iterator[Any]:
    """A part as a file for pyarrow; what it says of one that is gone or broken becomes a RunError."""
    system, root = storage.arrow()
    try:
        with system.open_input_file(f"{root}/{key}") as source:
            yield source
    except (pa.ArrowInvalid, OSError) as error:
        raise RunError(f"{storage.uri}/{key}: not a readable Parquet file: {error}") from error


def read_batches(storage: Storage, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """(part key, rows) over all parts; strings that repeat come dictionary-encoded."""
    for name in list_parts(storage):
        with open_part(storage, name.key) as source:
            metadata = pq.read_metadata(source)
            known = metadata.schema.to_arrow_schema().names
            missing = [column for column in columns if column not in known]
            if missing:
                raise RunError(
                    f"{storage.uri}/{name.key}: no column {', '.join(missing)}; "
                    "the run was written by another version, or the file is not one of its parts"
                )
            repeating = [column for column in columns if column in REPEATING]
            file = pq.ParquetFile(source, metadata=metadata, read_dictionary=repeating)
            for batch in file.iter_batches(BATCH_ROWS, columns=list(columns)):
                if batch.num_rows:
                    yield name.key, batch


REPEATING = frozenset(
    {"problem_id", "kind", "domain", "source", "split", "stopping_rule", "status", "reason", "checker"}
    | {"checker_version", "tier", "finish_reason", "reference", "meta", "model", "run_id"}
)


def num_rows(storage: Storage) -> int:
    """Committed rows, from the parts' footers."""
    total = 0
    for name in list_parts(storage):
        with open_part(storage, name.key) as source:
            total += pq.ParquetFile(source).metadata.num_rows
    return total


def read_run_json(storage: Storage) -> dict[str, Any]:
    """`run.json`, or an empty object where a run has none."""
    data = storage.read(RUN)
    if data is None:
        return {}
    try:
        content = json.loads(data)
    except ValueError as error:
        raise RunError(f"{storage.uri}/{RUN}: not valid JSON: {error}") from error
    return content if isinstance(content, dict) else {}
