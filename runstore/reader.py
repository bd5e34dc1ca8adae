"""Reads a stored run, on a local disk or on S3-compatible storage, for its report, an export or a new check.

Promises: every batch has exactly the columns that were asked for, in the type of the schema, whichever older writer
made the file (runstore.upgrades); memory is bounded by one batch whatever the size of the run; texts are read only
where asked for; every error names what is missing or broken, and where.
Does not: look at a run's state: uncommitted rows are not there.
Fails with runstore.errors.StoredRunError, or with runstore.storage.StorageError where the store does not answer.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs
import pyarrow.parquet as pq

from runstore.errors import NoRunError, NoSelectionsError, StoredRunError
from runstore.layout import PROBLEMS, RUN, SAMPLES, SELECTIONS
from runstore.schema import PROBLEM_SCHEMA, SAMPLE_SCHEMA, SELECTION_SCHEMA
from runstore.storage import Storage, open_filesystem, open_storage
from runstore.upgrades import check_schema, conform_batch

BATCH_ROWS = 16_384
"""Rows read at a time. With texts of 100 kB that is 1.6 GB, so row groups with long texts are read in smaller steps."""
BATCH_BYTES = 64 << 20
NARROW_BATCH_ROWS = 65_536
"""Rows read at a time where no texts are among the columns."""
FOOTERS_AT_ONCE = 16
REPEATING = frozenset(
    {"problem_id", "kind", "domain", "source", "split", "stopping_rule", "status", "reason", "checker"}
    | {"checker_version", "tier", "finish_reason", "reference", "meta", "model", "run_id", "pool", "variant"}
)
"""Columns with few different values, which `read_batches` gives dictionary-encoded."""
NONE: frozenset[str] = frozenset()


@dataclasses.dataclass(frozen=True, slots=True)
class SampleFile:
    """A consecutive range of row groups of one Parquet file: one unit of scanning."""

    uri: str
    row_groups: tuple[int, ...]
    num_rows: int
    num_bytes: int
    """Uncompressed size."""


@dataclasses.dataclass(frozen=True, slots=True)
class RunSource:
    """A run's sample files, each of a schema that can be read."""

    uri: str
    files: tuple[SampleFile, ...]
    problems_uri: str | None
    """Place of `problems.parquet`; None while the run is not finished."""


def find_run(uri: str, pieces: int = 1) -> RunSource:
    """Lists the committed sample files of the run at `uri` and checks the schema of each.

    Files are cut into ranges of row groups so that there are at least `pieces` of them where the row groups allow.
    Raises StoredRunError, StorageError.
    """
    storage = open_storage(uri)
    keys = storage.keys(SAMPLES)
    if not keys:
        raise NoRunError(f"{uri}: no samples/ folder there; --run is a run's folder, <output.uri>/runs/<run_id>")
    parts = sample_keys(keys)
    if not parts:
        raise NoRunError(f"{uri}: samples/ has no .parquet file: the run has no finished sample yet")
    groups_per_file = max(1, -(-pieces // len(parts)))
    # A run has thousands of parts, and on object storage each footer takes a few round trips.
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as threads:
        split = threads.map(lambda key: split_file(storage, key, groups_per_file), parts)
        files = [file for ranges in split for file in ranges]
    filesystem, root = storage.arrow()
    problems = filesystem.get_file_info(f"{root}/{PROBLEMS}").type == pyarrow.fs.FileType.File
    return RunSource(uri, tuple(files), uri_of(storage, PROBLEMS) if problems else None)


def sample_keys(keys: Sequence[str]) -> list[str]:
    """The parts among the keys of `samples/`: what a reader that globs `samples/*.parquet` sees."""
    return [key for key in keys if key.endswith(".parquet") and "/" not in key.removeprefix(SAMPLES)]


def uri_of(storage: Storage, key: str) -> str:
    return f"{storage.uri.rstrip('/')}/{key}"


@contextlib.contextmanager
def open_parquet(uri: str, schema: pa.Schema, columns: Sequence[str], encoded: frozenset[str] = NONE) -> Iterator[Any]:
    """Opens a file whose given columns can be read as `schema`; those in `encoded` are dictionary-encoded. Raises
    StoredRunError, with pyarrow's text, for a file that is gone or broken."""
    try:
        filesystem, path = open_filesystem(uri)
        with filesystem.open_input_file(path) as stream:
            try:
                # On object storage a request costs more than the bytes it saves: one buffered read per column chunk.
                file = pq.ParquetFile(stream, pre_buffer=uri.startswith("s3://"))
            except pa.ArrowInvalid as error:
                raise StoredRunError(f"{uri}: not a whole Parquet file: {error}") from error
            check_schema(file.schema_arrow, schema, uri, columns)
            if repeating := [name for name in present(file, columns) if name in encoded]:
                file = pq.ParquetFile(stream, metadata=file.metadata, read_dictionary=repeating)
            yield file
    except (pa.ArrowInvalid, OSError) as error:
        raise StoredRunError(f"{uri}: cannot be read, the file is damaged or gone: {error}") from error


def present(file: Any, columns: Sequence[str]) -> list[str]:
    known = set(file.schema_arrow.names)
    return [name for name in columns if name in known]


def split_file(storage: Storage, key: str, pieces: int) -> list[SampleFile]:
    """One file as at most `pieces` ranges of row groups."""
    uri = uri_of(storage, key)
    with open_parquet(uri, SAMPLE_SCHEMA, SAMPLE_SCHEMA.names) as file:
        metadata = file.metadata
    groups = range(metadata.num_row_groups)
    size = max(1, -(-len(groups) // pieces))
    ranges = [tuple(groups[at : at + size]) for at in range(0, len(groups), size)]
    return [
        SampleFile(
            uri,
            chosen,
            sum(metadata.row_group(group).num_rows for group in chosen),
            sum(metadata.row_group(group).total_byte_size for group in chosen),
        )
        for chosen in ranges
    ]


def read_samples(file: SampleFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of `columns`, cast to SAMPLE_SCHEMA. Raises StoredRunError for values that do not fit."""
    schema = pa.schema([SAMPLE_SCHEMA.field(name) for name in columns])
    with open_parquet(file.uri, SAMPLE_SCHEMA, columns) as parquet:
        names = present(parquet, columns)
        row_bytes = max(1, file.num_bytes // max(1, file.num_rows))
        rows = max(64, min(BATCH_ROWS, BATCH_BYTES // row_bytes))
        for group in file.row_groups:
            for batch in parquet.iter_batches(rows, row_groups=[group], columns=names, use_threads=False):
                yield conform_batch(batch, schema, file.uri)


def read_batches(storage: Storage, columns: Sequence[str]) -> Iterator[tuple[str, pa.RecordBatch]]:
    """(part key, rows) over all parts, in no particular order of rows; strings that repeat come dictionary-encoded."""
    schema = pa.schema([_encoded(SAMPLE_SCHEMA.field(name)) for name in columns])
    for key in sample_keys(storage.keys(SAMPLES)):
        uri = uri_of(storage, key)
        with open_parquet(uri, SAMPLE_SCHEMA, columns, REPEATING) as file:
            for batch in file.iter_batches(NARROW_BATCH_ROWS, columns=present(file, columns)):
                if batch.num_rows:
                    yield key, conform_batch(batch, schema, uri)


def read_part(storage: Storage, key: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of one part, in the order of its rows, cast to SAMPLE_SCHEMA."""
    uri = uri_of(storage, key)
    schema = pa.schema([SAMPLE_SCHEMA.field(name) for name in columns])
    with open_parquet(uri, SAMPLE_SCHEMA, columns) as file:
        row_bytes = max(1, part_bytes(file.metadata) // max(1, file.metadata.num_rows))
        rows = max(64, min(BATCH_ROWS, BATCH_BYTES // row_bytes))
        for batch in file.iter_batches(rows, columns=present(file, columns), use_threads=False):
            yield conform_batch(batch, schema, uri)


def part_bytes(metadata: Any) -> int:
    """Uncompressed size of a Parquet file's rows."""
    return sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))


def _encoded(field: pa.Field) -> pa.Field:
    return field.with_type(pa.dictionary(pa.int32(), pa.string())) if field.name in REPEATING else field


def read_rows(storage: Storage, key: str, columns: Sequence[str], chosen: pc.Expression) -> list[dict[str, Any]]:
    """The rows of one part for which `chosen` holds."""
    uri = uri_of(storage, key)
    schema = pa.schema([SAMPLE_SCHEMA.field(name) for name in columns])
    rows: list[dict[str, Any]] = []
    with open_parquet(uri, SAMPLE_SCHEMA, columns) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=present(file, columns)):
            rows += pa.Table.from_batches([conform_batch(batch, schema, uri)]).filter(chosen).to_pylist()
    return rows


def num_rows(storage: Storage) -> int:
    """Committed rows, from the parts' footers."""
    total = 0
    for key in sample_keys(storage.keys(SAMPLES)):
        with open_parquet(uri_of(storage, key), SAMPLE_SCHEMA, []) as file:
            total += file.metadata.num_rows
    return total


def read_problems(uri: str, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of a `problems.parquet`, cast to PROBLEM_SCHEMA."""
    schema = pa.schema([PROBLEM_SCHEMA.field(name) for name in columns])
    with open_parquet(uri, PROBLEM_SCHEMA, PROBLEM_SCHEMA.names) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=present(file, columns), use_threads=False):
            yield conform_batch(batch, schema, uri)


def read_selections(storage: Storage, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of the run's `selections.parquet`. Raises NoSelectionsError where it has none."""
    filesystem, root = storage.arrow()
    if filesystem.get_file_info(f"{root}/{SELECTIONS}").type != pyarrow.fs.FileType.File:
        raise NoSelectionsError(
            f"{storage.uri}: no {SELECTIONS} there; `proofmill report --run {storage.uri} --select` writes it"
        )
    uri = uri_of(storage, SELECTIONS)
    schema = pa.schema([SELECTION_SCHEMA.field(name) for name in columns])
    with open_parquet(uri, SELECTION_SCHEMA, SELECTION_SCHEMA.names) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=present(file, columns), use_threads=False):
            yield conform_batch(batch, schema, uri)


def read_problems_table(storage: Storage) -> pa.Table | None:
    """The run's whole `problems.parquet`; None where the run is not finished."""
    filesystem, root = storage.arrow()
    if filesystem.get_file_info(f"{root}/{PROBLEMS}").type != pyarrow.fs.FileType.File:
        return None
    return pa.Table.from_batches(read_problems(uri_of(storage, PROBLEMS), PROBLEM_SCHEMA.names), PROBLEM_SCHEMA)


def read_run_json(storage: Storage) -> dict[str, Any] | None:
    """`run.json`; None where the run has not begun."""
    data = storage.read(RUN)
    if data is None:
        return None
    try:
        content = json.loads(data)
    except ValueError as error:
        raise StoredRunError(f"{storage.uri}/{RUN}: not JSON: {error}; is this the folder of a run?") from error
    if not isinstance(content, dict):
        raise StoredRunError(f"{storage.uri}/{RUN}: not a JSON object; is this the folder of a run?")
    return content
