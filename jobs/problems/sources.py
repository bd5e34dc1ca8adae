"""How the rows of problem files stream in: JSONL, JSON, CSV, TSV, Parquet and Arrow files, compressed or not.

Promises: rows come one at a time in the order of the file, and memory is bounded by the longest row, Parquet batch or
Arrow batch. Whatever is wrong with the bytes (not UTF-8, not JSON, a truncated compressed or Parquet file, an empty
file, a server that fails) comes out as a `RowError` with file and line, never as a foreign exception.
Does not: know where files lie (places does) or what the rows mean (layouts do).
"""

from __future__ import annotations

import bz2
import contextlib
import csv
import dataclasses
import gzip
import http
import io
import json
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any

import pyarrow as pa
import pyarrow.fs
import pyarrow.ipc
import pyarrow.parquet

from jobs.problems.errors import BadRow, RowError, identity_of
from jobs.problems.lean_files import read_lean
from jobs.problems.rows import load_json
from jobs.uris import without_keys
from runstore.storage import s3_filesystem
from verifiers.reference_fields import excerpt, json_type
from verifiers.types import Json

MAX_LINE_BYTES = 256 * 2**20
"""Longest line that is read. LiveCodeBench's longest rows (all private tests of one problem) are tens of MB."""
MAX_JSON_BYTES = 512 * 2**20
"""Largest `.json` file, since such a file is read whole. A bigger set belongs in JSONL or Parquet, which stream."""
PARQUET_BATCH_ROWS = 64
"""Parquet rows read at a time: few, because a row may carry megabytes of tests."""

Row = dict[str, Json]
FORMATS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".lean": "lean",
}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bz2", ".xz": "xz"}
"""Suffixes of compressed files. They stand behind the suffix of the format: `set.jsonl.zst`."""
STATUSES = {int(status): status.phrase for status in http.HTTPStatus}
SEEKING_FORMATS = frozenset({"parquet", "arrow"})
"""Formats that are read from several places of the file and have a compression of their own."""
KNOWN_FORMATS = (
    "JSONL (.jsonl), JSON (.json), CSV (.csv) or TSV (.tsv), each also with .gz, .zst, .bz2 or .xz, or Parquet "
    "(.parquet) or Arrow (.arrow), or theorems in Lean (.lean)"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """One file. `label` is short and unique within the set, and starts the ids of problems that have none."""

    uri: str
    """As the user is shown it; also what names it in run.json."""
    path: str
    """What `system` opens."""
    format: str
    compression: str
    label: str
    system: str = "local"
    """local, s3, or fsspec for every other scheme."""
    is_found: bool = False
    """Whether it was found in a folder, and not named by itself."""

    @property
    def place(self) -> str:
        """The URI in full, by which the file can be found again. The query of a web address may hold a key."""
        return self.path if self.system == "fsspec" else self.uri


def open_source(source: Source) -> Any:
    """A binary file, decompressed where its name says so. Raises OSError, and BadRow for what is no such file."""
    raw: Any
    if source.system == "fsspec":
        raw = io.BufferedReader(ForeignFile(source.path), buffer_size=2**20)
    else:
        filesystem = s3_filesystem() if source.system == "s3" else pa.fs.LocalFileSystem()
        raw = io.BufferedReader(filesystem.open_input_file(source.path), buffer_size=2**20)
    if source.format in SEEKING_FORMATS or not source.compression:
        return raw
    return DECOMPRESSORS[source.compression](raw)


class ForeignFile(io.RawIOBase):
    """A file of a file system that fsspec knows. Whatever its server or library raises becomes an OSError."""

    def __init__(self, uri: str) -> None:
        import fsspec

        super().__init__()
        with foreign_errors():
            # Not fsspec.open, which takes the question mark before a query for a wildcard once the file is missing.
            system, path = fsspec.core.url_to_fs(uri)
            self._file = system.open(path, "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        with foreign_errors():
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        with foreign_errors():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            with contextlib.suppress(Exception):
                self._file.close()
        super().close()


@contextlib.contextmanager
def foreign_errors() -> Iterator[None]:
    """Turns the exceptions of a file system's library, which are of its own kinds, into OSError. Such a library writes
    the whole URI into its errors, a signature included: none of it goes on, and no cause either."""
    try:
        yield
    except Exception as error:
        told = told_failure(error)
    else:
        return
    raise OSError(told)


def told_failure(error: BaseException) -> str:
    """What went wrong, without what may be a key: the answer of a server, where there was one."""
    # fsspec tells every failure of a web server as a file that is not there, with the failure as the cause.
    if isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        return told_failure(error.__cause__)
    status = getattr(error, "status", None)
    if isinstance(status, int) and status in STATUSES:
        return f"the server says {status} {STATUSES[status]}"
    name = "" if isinstance(error, OSError) and error.args else f"{type(error).__name__}: "
    return f"{name}{without_keys(str(error))}"


def open_zstd(raw: Any) -> Any:
    return io.BufferedReader(pa.CompressedInputStream(raw, "zstd"), buffer_size=2**20)  # type: ignore[type-var]


DECOMPRESSORS: dict[str, Callable[[Any], Any]] = {
    "gzip": lambda raw: gzip.GzipFile(fileobj=raw),
    "zstd": open_zstd,
    "bz2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}


def read_rows(source: Source, holds: str = "problem") -> Iterator[tuple[int, Row | RowError]]:
    """(line, row) pairs; a `RowError` stands where a row could not be read. After a fault of the file itself nothing
    follows. `holds` is what a row of the file is, for people."""
    line = 0
    broken: BadRow | None = None
    try:
        with open_source(source) as file:
            for line, row in READERS[source.format](file):
                yield line, row.at(source.uri, line) if isinstance(row, BadRow) else row
    except BadRow as bad:
        broken = bad
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        wrong = f"broken {source.compression} data after line {line}: {first_line(error)}"
        broken = BadRow("", wrong, "the file is truncated or corrupt: copy it again")
    except pa.ArrowException as error:
        wrong = f"not a readable {source.format.capitalize()} file: {first_line(error)}"
        broken = BadRow("", wrong, "the file is truncated or corrupt: copy it again")
    except OSError as error:
        if source.compression in ("zstd", "bz2") and source.system == "local":
            # These two tell broken data by an OSError.
            wrong = f"broken {source.compression} data after line {line}: {first_line(error)}"
            broken = BadRow("", wrong, "the file is truncated or corrupt: copy it again")
        else:
            right = "check the path, its permissions and the storage"
            broken = BadRow("", f"cannot be read: {first_line(error)}", right)
    if broken is not None:
        yield line + 1, broken.at(source.uri, line + 1 if line else 0)
    elif line == 0:
        yield (
            0,
            RowError(source.uri, 0, "", "the file has no rows", f"give at least one {holds}, or leave the file out"),
        )


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
        value = load_json(text)
    except json.JSONDecodeError as error:
        near = excerpt(text[max(0, error.pos - 20) : error.pos + 20])
        raise BadRow("", f"not JSON: {error.msg} at column {error.colno}, near {near}", "one JSON object per line")
    except RecursionError:
        raise BadRow("", "JSON nested too deeply", "problems are a few levels deep")
    except ValueError as error:
        raise BadRow("", f"not JSON: {first_line(error)}", "one JSON object per line, each key once")
    if "\\u" in text:
        try:
            refuse_surrogates(value)
        except BadRow as bad:
            bad.identity = identity_of(value, "problem_id", "id")
            raise
    return value


def refuse_surrogates(value: Json) -> None:
    """Raises BadRow for half a surrogate pair. JSON can spell it, but neither UTF-8 nor Parquet can store it."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        raise BadRow("", f"an escape \\u{code:04x} that is half a character", "write the character itself")


def read_json(file: IO[bytes]) -> Iterator[tuple[int, Row | BadRow]]:
    """One object is one row (MATH publishes one file per problem); a list holds one row per element, counted from 1.
    An element that is a list of turns is the row of a chat, as Open-Reasoner-Zero publishes it."""
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
        elif isinstance(row, list) and row and all(isinstance(turn, dict) and "from" in turn for turn in row):
            yield line, {"conversations": row}
        else:
            yield line, BadRow("", f"an element is a {json_type(row)}: {excerpt(row)}", "each element is one object")


def read_csv(file: IO[bytes], delimiter: str = ",") -> Iterator[tuple[int, Row | BadRow]]:
    """Rows as strings by column name; `line` is the last line of the row. Bad bytes end the file, since after
    them no quotation mark can be relied on."""
    csv.field_size_limit(MAX_LINE_BYTES)

    def decoded() -> Iterator[str]:
        for line, data in numbered_lines(file):
            try:
                yield data.decode()
            except UnicodeDecodeError as error:
                raise BadRow("", f"not UTF-8 at byte {error.start} of line {line}", "save the file as UTF-8")

    reader = csv.DictReader(decoded(), delimiter=delimiter, strict=True)
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


def read_arrow(file: IO[bytes]) -> Iterator[tuple[int, Row | BadRow]]:
    """Arrow's stream format, which `datasets` writes with `save_to_disk`, or its file format."""
    try:
        batches: Any = pa.ipc.open_stream(file)
    except pa.ArrowInvalid:
        file.seek(0)
        reader = pa.ipc.open_file(file)
        batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
    line = 0
    for batch in batches:
        for start in range(0, batch.num_rows, PARQUET_BATCH_ROWS):
            for row in batch.slice(start, PARQUET_BATCH_ROWS).to_pylist():
                line += 1
                yield line, row


READERS: dict[str, Callable[[IO[bytes]], Iterator[tuple[int, Row | BadRow]]]] = {
    "jsonl": read_jsonl,
    "json": read_json,
    "csv": read_csv,
    "tsv": lambda file: read_csv(file, "\t"),
    "parquet": read_parquet,
    "arrow": read_arrow,
    "lean": read_lean,
}
