"""Reads the Parquet files of stored runs, on a local disk or on S3-compatible storage.

Promises: `find_run` names what is missing and where; every batch of `read_samples` has exactly the columns of
SAMPLE_SCHEMA that were asked for, in that type, whichever older writer made the file (`UPGRADES` lists what is filled
in); a file of a newer schema, without a needed column or with a column of a foreign type is an error that names it.
Does not: hold more than one row group, or look at a run's state: uncommitted rows are not there.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet as pq

from jobs.config import ConfigError
from runstore.schema import PROBLEM_SCHEMA, SAMPLE_SCHEMA

BATCH_ROWS = 16_384
"""Rows read at a time. Texts of 100 kB make that 1.6 GB, so row groups of long texts are read in smaller steps."""

BATCH_BYTES = 64 << 20

FOOTERS_AT_ONCE = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Added:
    """A column that files written before schema version `version` may lack, and the value it is then read as."""

    version: int
    value: str | int | None


UPGRADES = {
    "meta": Added(1, "{}"),
    "split": Added(1, ""),
    "source": Added(1, ""),
    "domain": Added(1, ""),
    "round": Added(1, 0),
    "parent_sample_index": Added(1, None),
    "mean_logprob": Added(1, None),
    "evidence": Added(1, None),
    "tier": Added(1, None),
    "checker_version": Added(1, None),
    "model_revision": Added(1, ""),
    "code_revision": Added(1, ""),
    "settled_verified": Added(2, None),
    "settled_first_try": Added(2, None),
}


@dataclasses.dataclass(frozen=True, slots=True)
class SampleFile:
    """A consecutive range of row groups of one Parquet file: one unit of scanning."""

    uri: str
    row_groups: tuple[int, ...]
    num_rows: int
    num_bytes: int
    """Uncompressed."""


@dataclasses.dataclass(frozen=True, slots=True)
class RunSource:
    uri: str
    files: tuple[SampleFile, ...]
    problems_uri: str | None
    """None: the run is not finished."""


def open_filesystem(uri: str) -> tuple[pa.fs.FileSystem, str]:
    """The file system of `uri` and the path in it. AWS_ENDPOINT_URL names an S3-compatible server."""
    parts = urlsplit(uri)
    if parts.scheme == "s3":
        endpoint = urlsplit(os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "")
        options: dict[str, str] = {}
        if endpoint.netloc:
            options = {"endpoint_override": endpoint.netloc, "scheme": endpoint.scheme}
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        if region or endpoint.netloc:
            options["region"] = region or "us-east-1"
        return pyarrow.fs.S3FileSystem(**options), parts.netloc + parts.path.rstrip("/")
    if parts.scheme not in ("", "file"):
        raise ConfigError(f"{uri}: expected a local path or s3://bucket/prefix, got the scheme {parts.scheme!r}")
    return pyarrow.fs.LocalFileSystem(), str(Path(parts.path if parts.scheme else uri).absolute())


def find_run(uri: str, pieces: int = 1) -> RunSource:
    """Lists the committed sample files of the run at `uri` and checks the schema of each.

    Files are cut into ranges of row groups so that there are at least `pieces` of them where the row groups allow.
    Raises ConfigError.
    """
    filesystem, root = open_filesystem(uri)
    try:
        infos = filesystem.get_file_info(pyarrow.fs.FileSelector(f"{root}/samples"))
    except (FileNotFoundError, NotADirectoryError):
        raise ConfigError(f"{uri}: no samples/ folder there; --run is a run's folder, <output.uri>/runs/<run_id>")
    except OSError as error:
        raise ConfigError(f"{uri}: can not be read: {error}")
    paths = sorted(info.path for info in infos if info.is_file and info.path.endswith(".parquet"))
    if not paths:
        raise ConfigError(f"{uri}: samples/ has no .parquet file: the run has no finished sample yet")
    prefix = "s3://" if uri.startswith("s3://") else ""
    groups_per_file = max(1, -(-pieces // len(paths)))
    # A run has thousands of parts, and on object storage each footer is a few round trips.
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as threads:
        split = threads.map(lambda path: split_file(filesystem, path, prefix + path, groups_per_file), paths)
        files = [file for ranges in split for file in ranges]
    problems = f"{root}/problems.parquet"
    has_problems = filesystem.get_file_info(problems).type == pyarrow.fs.FileType.File
    return RunSource(uri, tuple(files), prefix + problems if has_problems else None)


def split_file(filesystem: pa.fs.FileSystem, path: str, uri: str, pieces: int) -> list[SampleFile]:
    try:
        with filesystem.open_input_file(path) as stream:
            metadata = pq.ParquetFile(stream).metadata
            check_schema(metadata.schema.to_arrow_schema(), SAMPLE_SCHEMA, uri)
    except pa.ArrowInvalid as error:
        raise ConfigError(f"{uri}: not a whole Parquet file: {error}")
    except OSError as error:
        raise ConfigError(f"{uri}: can not be read: {error}")
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


def check_schema(schema: pa.Schema, wanted: pa.Schema, uri: str) -> None:
    """Raises ConfigError naming the file, the column, what it is and what it should be."""
    version, newest = version_of(schema), version_of(wanted)
    if not version.isdecimal() or int(version) > int(newest):
        raise ConfigError(f"{uri}: written with schema version {version}; this proofmill reads versions up to {newest}")
    for field in wanted:
        at = schema.get_field_index(field.name)
        if at < 0:
            added = UPGRADES.get(field.name)
            if not added or int(version) >= added.version:
                raise ConfigError(f"{uri}: no column {field.name!r}; expected one of type {field.type}")
        elif not readable_as(schema.field(at).type, field.type):
            raise ConfigError(f"{uri}: column {field.name!r} has type {schema.field(at).type}, expected {field.type}")


def version_of(schema: pa.Schema) -> str:
    """ "0" for files written before there were versions."""
    return (schema.metadata or {}).get(b"proofmill.schema_version", b"0").decode()


def readable_as(found: pa.DataType, wanted: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    return (
        found == wanted
        or (pa.types.is_integer(found) and pa.types.is_integer(wanted))
        or (pa.types.is_floating(found) and pa.types.is_floating(wanted))
        or (pa.types.is_large_string(found) and pa.types.is_string(wanted))
        or (pa.types.is_timestamp(found) and pa.types.is_timestamp(wanted))
        or pa.types.is_null(found)
    )


def read_samples(file: SampleFile, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of `columns`, cast to SAMPLE_SCHEMA. Raises ConfigError for values that do not fit."""
    schema = pa.schema([SAMPLE_SCHEMA.field(name) for name in columns])
    filesystem, path = open_filesystem(file.uri)
    # One buffered read a column chunk: on object storage a request costs more than the bytes it saves.
    try:
        with filesystem.open_input_file(path) as stream:
            parquet = pq.ParquetFile(stream, pre_buffer=file.uri.startswith("s3://"))
            present = [name for name in columns if name in parquet.schema_arrow.names]
            row_bytes = max(1, file.num_bytes // max(1, file.num_rows))
            rows = max(64, min(BATCH_ROWS, BATCH_BYTES // row_bytes))
            for group in file.row_groups:
                for batch in parquet.iter_batches(rows, row_groups=[group], columns=present, use_threads=False):
                    yield conform(batch, schema, file.uri)
    except (pa.ArrowInvalid, OSError) as error:
        raise ConfigError(f"{file.uri}: can not be read, the file is damaged or gone: {error}")


def conform(batch: pa.RecordBatch, schema: pa.Schema, uri: str) -> pa.RecordBatch:
    columns = []
    for field in schema:
        at = batch.schema.get_field_index(field.name)
        if at < 0:
            columns.append(pa.repeat(pa.scalar(UPGRADES[field.name].value, field.type), batch.num_rows))
            continue
        column = batch.column(at)
        try:
            column = column if column.type == field.type else column.cast(field.type)
            column.validate(full=True)  # Parquet's reader lets text through that is not UTF-8
        except pa.ArrowInvalid as error:
            raise ConfigError(f"{uri}: column {field.name!r}: {error}")
        if not field.nullable and column.null_count:
            row = column.is_null().index(True).as_py()
            raise ConfigError(f"{uri}: column {field.name!r}: null in row {row} of a batch; it must have a value")
        columns.append(column)
    return pa.record_batch(columns, schema=schema)


def read_problems(run: RunSource, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of the run's problems.parquet. Raises ConfigError; an unfinished run has none."""
    if run.problems_uri is None:
        return
    schema = pa.schema([PROBLEM_SCHEMA.field(name) for name in columns])
    filesystem, path = open_filesystem(run.problems_uri)
    with filesystem.open_input_file(path) as stream:
        try:
            parquet = pq.ParquetFile(stream)
        except pa.ArrowInvalid as error:
            raise ConfigError(f"{run.problems_uri}: not a whole Parquet file: {error}")
        check_schema(parquet.schema_arrow, PROBLEM_SCHEMA, run.problems_uri)
        present = [name for name in columns if name in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(BATCH_ROWS, columns=present, use_threads=False):
            yield conform(batch, schema, run.problems_uri)
