"""Where problem files lie and how their rows stream in: local paths, globs and `s3://`, JSONL, JSON, CSV, Parquet,
gzip.

Promises: rows come one at a time in the order of the file, files in the order given (a glob's matches sorted), and
memory is bounded by the longest row or Parquet batch. Whatever is wrong with the bytes (not UTF-8, not JSON, a
truncated gzip or Parquet file, an empty file) comes out as a `RowError` with file and line, never as a foreign
exception.
Does not: know what the rows mean (layouts do). S3 credentials, region and endpoint come from the environment
(runstore.storage).
"""

from __future__ import annotations

import csv
import dataclasses
import fnmatch
import gzip
import io
import json
import re
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.parquet

from jobs.problems.errors import BadRow, ProblemFileError, RowError, identity_of
from runstore.storage import s3_endpoint, s3_filesystem
from verifiers.reference_fields import excerpt, json_type
from verifiers.types import Json

MAX_LINE_BYTES = 256 * 2**20
"""Longest line that is read. LiveCodeBench's longest rows (all private tests of one problem) are tens of MB."""
MAX_JSON_BYTES = 512 * 2**20
"""Largest `.json` file, since such a file is read whole. A bigger set belongs in JSONL or Parquet, which stream."""
PARQUET_BATCH_ROWS = 64
"""Parquet rows read at a time: few, because a row may carry megabytes of tests."""

Row = dict[str, Json]
GLOB = re.compile(r"[*?\[]")
FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
}
KNOWN_FORMATS = "JSONL (.jsonl, .jsonl.gz), JSON (.json), CSV (.csv, .csv.gz) or Parquet (.parquet)"


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """One file. `label` is short and unique within the set, and starts the ids of problems that have none."""

    uri: str
    path: str
    format: str
    gzipped: bool
    label: str

    @property
    def remote(self) -> bool:
        return self.uri.startswith("s3://")


def find_sources(files: Sequence[str]) -> list[Source]:
    """Expands paths, globs, folders and s3:// URIs. Raises ProblemFileError for what is not there or not a known
    format."""
    uris: dict[str, None] = {}
    faults: list[RowError] = []
    for name in files:
        try:
            for uri in expand(name):
                uris[uri] = None
        except BadRow as fault:
            faults.append(fault.at(name, 0))
    parsed: list[tuple[str, str, bool]] = []
    for uri in uris:
        name = uri.removesuffix(".gz")
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in FORMATS:
            parsed.append((uri, FORMATS[suffix], name != uri))
        else:
            faults.append(RowError(uri, 0, "", f"unknown file format {suffix!r}", f"give {KNOWN_FORMATS}"))
    if faults:
        raise ProblemFileError(faults)
    labels = short_labels(list(uris))
    return [
        Source(uri, uri.removeprefix("s3://"), format, gzipped, label)
        for (uri, format, gzipped), label in zip(parsed, labels, strict=True)
    ]


def expand(name: str) -> list[str]:
    """The files that one entry of `problems.files` stands for, sorted. Raises BadRow where there is none."""
    if name.startswith("s3://"):
        return expand_s3(name)
    if "://" in name:
        raise BadRow("", "unknown scheme", "give a local path or an s3:// URI")
    path = Path(name).expanduser()
    if GLOB.search(name):
        # Path.glob takes no absolute pattern, so the root is split off.
        root, pattern = (
            (Path(path.anchor), str(path.relative_to(path.anchor))) if path.is_absolute() else (Path(), name)
        )
        found = sorted(str(match) for match in root.glob(pattern) if match.is_file())
        if not found:
            raise BadRow("", "no file matches this pattern", "patterns are relative to the working directory")
        return found
    if path.is_dir():
        found = sorted(str(match) for match in path.iterdir() if is_known(match.name))
        if not found:
            raise BadRow("", "no problem file in this folder", f"give {KNOWN_FORMATS}")
        return found
    if not path.exists():
        raise BadRow("", "no such file", "paths are relative to the working directory")
    return [str(path)]


def is_known(name: str) -> bool:
    return PurePosixPath(name.removesuffix(".gz")).suffix.lower() in FORMATS


def expand_s3(uri: str) -> list[str]:
    path = uri.removeprefix("s3://").rstrip("/")
    bucket, _, key = path.partition("/")
    if not bucket or GLOB.search(bucket):
        raise BadRow("", "no bucket in this URI", "give s3://bucket/path")
    filesystem, server = s3_filesystem(), s3_endpoint()
    try:
        if not GLOB.search(key):
            info = filesystem.get_file_info(path)
            if info.type == pa.fs.FileType.File:
                return [f"s3://{path}"]
            if info.type == pa.fs.FileType.NotFound:
                raise BadRow("", "no such object", f"endpoint {server or 'of AWS'}; check the bucket and the key")
            keys = list_s3(filesystem, path, recursive=False)
            found = sorted(f"s3://{key}" for key in keys if is_known(key))
        else:
            # List from the last folder before the first wildcard; S3 itself knows no patterns.
            prefix = GLOB.split(path, maxsplit=1)[0].rpartition("/")[0]
            keys = list_s3(filesystem, prefix, recursive="/" in path[len(prefix) + 1 :])
            pattern = path.split("/")
            found = sorted(f"s3://{key}" for key in keys if matches(key.split("/"), pattern))
    except OSError as error:
        raise BadRow("", f"S3 at {server or 'AWS'} says: {error}", "check AWS_ENDPOINT_URL, credentials and bucket")
    if not found:
        raise BadRow("", "no object matches", f"give {KNOWN_FORMATS}")
    return found


def list_s3(filesystem: Any, prefix: str, recursive: bool) -> list[str]:
    selector = pa.fs.FileSelector(prefix, recursive=recursive)
    return [info.path for info in filesystem.get_file_info(selector) if info.type == pa.fs.FileType.File]


def matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    """Whether a path, in its parts, fits a pattern, in its parts: `*`, `?` and `[…]` stay within one folder, `**` spans
    any number of them, as in pathlib.

    >>> matches("a/b/c.jsonl".split("/"), "a/**/*.jsonl".split("/")), matches("a/b/c".split("/"), "a/*".split("/"))
    (True, False)
    """
    if not parts or not pattern:
        return not parts and not pattern
    if pattern[0] == "**" and len(pattern) > 1:
        return any(matches(parts[skipped:], pattern[1:]) for skipped in range(len(parts)))
    return fnmatch.fnmatchcase(parts[0], pattern[0]) and matches(parts[1:], pattern[1:])


def short_labels(uris: Sequence[str]) -> list[str]:
    """For each file its name without suffixes, with as many parent folders in front as make it unique."""
    parts = [PurePosixPath(uri.removeprefix("s3://")).parts for uri in uris]
    stems = [(*part[:-1], part[-1].split(".")[0] or part[-1]) for part in parts]
    depth = 1
    labels = [stem[-1] for stem in stems]
    while len(set(labels)) < len(labels) and depth < max(len(stem) for stem in stems):
        depth += 1
        labels = ["-".join(stem[-depth:]).replace("/", "") for stem in stems]
    if len(set(labels)) < len(labels):  # a.jsonl beside a.parquet
        labels = [f"{label}-{index}" for index, label in enumerate(labels)]
    return labels


def open_source(source: Source) -> Any:
    """A binary file with random access, and its gzip layer where the name says so. Raises OSError."""
    filesystem = s3_filesystem() if source.remote else pa.fs.LocalFileSystem()
    raw: Any = io.BufferedReader(filesystem.open_input_file(source.path), buffer_size=2**20)  # type: ignore[type-var]
    return gzip.GzipFile(fileobj=raw) if source.gzipped and source.format != "parquet" else raw


def read_rows(source: Source) -> Iterator[tuple[int, Row | RowError]]:
    """(line, row) pairs; a `RowError` stands where a row could not be read. After a fault of the file itself nothing
    follows."""
    line = 0
    broken: BadRow | None = None
    try:
        with open_source(source) as file:
            readers = {"jsonl": read_jsonl, "json": read_json, "csv": read_csv, "parquet": read_parquet}
            for line, row in readers[source.format](file):
                yield line, row.at(source.uri, line) if isinstance(row, BadRow) else row
    except BadRow as bad:
        broken = bad
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        wrong = f"broken gzip data after line {line}: {first_line(error)}"
        broken = BadRow("", wrong, "the file is truncated or corrupt: copy it again")
    except pa.ArrowException as error:
        wrong = f"not a readable Parquet file: {first_line(error)}"
        broken = BadRow("", wrong, "the file is truncated or corrupt: copy it again")
    except OSError as error:
        broken = BadRow("", f"cannot be read: {first_line(error)}", "check the path, its permissions and the storage")
    if broken is not None:
        yield line + 1, broken.at(source.uri, line + 1 if line else 0)
    elif line == 0:
        yield 0, RowError(source.uri, 0, "", "the file has no rows", "give at least one problem, or leave the file out")


def first_line(error: Exception) -> str:
    return excerpt(str(error).partition("\n")[0])[1:-1]


def read_jsonl(file: IO[bytes]) -> Iterator[tuple[int, Row | BadRow]]:
    for line, data in numbered_lines(file):
        if data.strip():
            try:
                yield line, parse_object(data, "a line")
            except BadRow as fault:
                yield line, fault


def numbered_lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    line = 0
    while data := file.readline(MAX_LINE_BYTES + 1):
        line += 1
        if len(data) > MAX_LINE_BYTES:
            raise BadRow(
                "", f"line {line} is longer than {MAX_LINE_BYTES >> 20} MiB", "is this JSONL, one object per line?"
            )
        yield line, data.removeprefix(b"\xef\xbb\xbf") if line == 1 else data


def parse_object(data: bytes, what: str) -> Row:
    value = parse_json(data)
    if not isinstance(value, dict):
        raise BadRow("", f"{what} is a {json_type(value)}: {excerpt(value)}", 'each line is one object, {"id": …, …}')
    return value


def parse_json(data: bytes) -> Json:
    """Strict JSON of strict UTF-8. Raises BadRow."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        found = data[error.start : error.start + 8]
        raise BadRow("", f"not UTF-8 at byte {error.start}: {found!r}", "save the file as UTF-8")
    try:
        value = json.loads(text, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        near = excerpt(text[max(0, error.pos - 20) : error.pos + 20])
        raise BadRow("", f"not JSON: {error.msg} at column {error.colno}, near {near}", "one JSON object per line")
    except RecursionError:
        raise BadRow("", "JSON nested too deeply", "problems are a few levels deep")
    except ValueError as error:
        raise BadRow("", f"not JSON: {first_line(error)}", "one JSON object per line, finite numbers only")
    if "\\u" in text:
        try:
            refuse_surrogates(value)
        except BadRow as bad:
            bad.identity = identity_of(value, "problem_id", "id")
            raise
    return value


def refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def refuse_surrogates(value: Json) -> None:
    """Raises BadRow for half a surrogate pair. JSON can spell it, but neither UTF-8 nor Parquet can store it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        raise BadRow("", f"an escape \\u{code:04x} that is half a character", "write the character itself")


def read_json(file: IO[bytes]) -> Iterator[tuple[int, Row | BadRow]]:
    """One object is one row (MATH publishes one file per problem); a list holds one row per element, counted from 1."""
    data = file.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise BadRow(
            "", f"a .json file of more than {MAX_JSON_BYTES >> 20} MiB", "JSONL and Parquet stream; convert it"
        )
    if not data.strip():
        return
    value = parse_json(data.removeprefix(b"\xef\xbb\xbf"))
    for line, row in enumerate(value if isinstance(value, list) else [value], start=1):
        if isinstance(row, dict):
            yield line, row
        else:
            yield line, BadRow("", f"an element is a {json_type(row)}: {excerpt(row)}", "each element is one object")


def read_csv(file: IO[bytes]) -> Iterator[tuple[int, Row | BadRow]]:
    """Rows as strings by column name; `line` is the last line of the row. Bad bytes end the file, since after
    them no quotation mark can be relied on."""
    csv.field_size_limit(MAX_LINE_BYTES)

    def decoded() -> Iterator[str]:
        for line, data in numbered_lines(file):
            try:
                yield data.decode()
            except UnicodeDecodeError as error:
                raise BadRow("", f"not UTF-8 at byte {error.start} of line {line}", "save the file as UTF-8")

    reader = csv.DictReader(decoded(), strict=True)
    try:
        for row in reader:
            if None in row:
                yield (
                    reader.line_num,
                    BadRow("", f"more cells than the {len(reader.fieldnames or ())} columns", "quote commas"),
                )
            elif None in row.values():
                missing = ", ".join(name for name, value in row.items() if value is None)
                yield (
                    reader.line_num,
                    BadRow("", f"no cell for {missing}", "one cell for each column of the first line"),
                )
            else:
                yield reader.line_num, dict(row)
    except csv.Error as error:
        raise BadRow("", f"not CSV: {error}", "quote cells that hold commas, quotes or line breaks")


def read_parquet(file: IO[bytes]) -> Iterator[tuple[int, Row | BadRow]]:
    table = pa.parquet.ParquetFile(file)
    line = 0
    for batch in table.iter_batches(batch_size=PARQUET_BATCH_ROWS):
        for row in batch.to_pylist():
            line += 1
            yield line, row
