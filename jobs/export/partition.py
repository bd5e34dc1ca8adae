"""First half of an export: reads the runs once and sorts their rows by problem into buckets on the scratch disk.

A run's samples of one problem lie in many files, as they were finished; choosing among them needs them together. So
every row goes to the bucket that its problem id hashes to, and each bucket is small enough to be handled in memory,
whatever the size of the run. Texts that the format cannot use are dropped here.

Promises: memory is one batch and one open file per bucket; a problem's rows are all in one bucket.
Does not: order rows (jobs.export.bucket does) or drop any: every row of the runs is counted later.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.export.formats_table import FormatRow
from jobs.model_path import public_name
from runstore.errors import StoredRunError
from runstore.reader import SampleFile, read_samples
from runstore.tokens import read_token_groups

MAX_BUCKETS = 1024
"""Largest number of buckets, since each is an open file of a scanning process. Runs above 24 GB of rows, by default,
get larger buckets instead."""

SPILLED = [
    "run_id",
    "problem_id",
    "sample_index",
    "kind",
    "domain",
    "source",
    "split",
    "prompt",
    "reference",
    "round",
    "variant",
    "messages",
    "text",
    "finish_reason",
    "completion_tokens",
    "mean_logprob",
    "thought_tokens",
    "status",
    "extracted_answer",
    "checker",
    "checker_version",
    "tier",
    "model",
]
FACTS = ["evidence", "sampling", "model_revision", "engine", "engine_version", "code_revision"]
"""Columns that are read for the dataset card, `audit_columns` and `temperatures`, and not kept."""
OF_TEXTS = {"text", "thought_tokens", "extracted_answer"}
"""Columns that a format of problems has no use for."""


@dataclasses.dataclass(slots=True)
class ScanFacts:
    """What the card says of the sources."""

    num_rows: int = 0
    models: set[tuple[str, ...]] = dataclasses.field(default_factory=set)
    checkers: set[tuple[str, ...]] = dataclasses.field(default_factory=set)
    code_revisions: set[str] = dataclasses.field(default_factory=set)
    run_ids: set[str] = dataclasses.field(default_factory=set)
    confidential: set[str] = dataclasses.field(default_factory=set)
    """Sources of confidential problems, where they were looked for."""

    def add(self, batch: pa.RecordBatch) -> None:
        self.num_rows += batch.num_rows
        models = distinct(batch, ["model", "model_revision", "engine", "engine_version"])
        self.models |= {(public_name(model), *others) for model, *others in models}
        self.run_ids |= {run for (run,) in distinct(batch, ["run_id"])}
        self.checkers |= distinct(batch, ["checker", "checker_version"])
        self.code_revisions |= {revision for (revision,) in distinct(batch, ["code_revision"])}

    def merge(self, other: ScanFacts) -> None:
        self.num_rows += other.num_rows
        self.models |= other.models
        self.run_ids |= other.run_ids
        self.confidential |= other.confidential
        self.checkers |= other.checkers
        self.code_revisions |= other.code_revisions


def distinct(batch: pa.RecordBatch, columns: Sequence[str]) -> set[tuple[str, ...]]:
    table = pa.table({name: batch.column(name) for name in columns})
    rows = table.group_by(columns, use_threads=False).aggregate([]).to_pylist()
    return {tuple(row[name] or "" for name in columns) for row in rows if any(row[name] for name in columns)}


def audit_columns(evidence: pa.Array) -> dict[str, pa.Array]:
    """Two facts of the evidence that selection asks for, without parsing every row's JSON: the audit that a checker
    ran, and whether it remarked that the statement holds vacuously."""
    found = pc.extract_regex(evidence, pattern=r'"audit": ?"(?P<audit>[^"\\]*)"')
    vacuous = pc.match_substring_regex(evidence, pattern=r'"vacuous": ?true')
    return {"audit": pc.struct_field(found, "audit"), "vacuous": pc.fill_null(vacuous, False)}


def temperatures(sampling: pa.Array) -> pa.Array:
    """`temperature` of each sample's settings (JSON); null where it is not there. Each distinct text is read once."""
    encoded = sampling.dictionary_encode()
    return pa.array(map(temperature, encoded.dictionary.to_pylist()), pa.float64()).take(encoded.indices)


def temperature(sampling: str) -> float | None:
    try:
        value = json.loads(sampling)["temperature"]
        return None if isinstance(value, bool) else float(value)
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def columns_for(row: FormatRow) -> list[str]:
    left_out = OF_TEXTS if row.rows_of == "problems" else set()
    return [name for name in SPILLED if name not in left_out] + (["evidence"] if row.needs_evidence else [])


def text_keys(texts: pa.Array, statuses: pa.Array) -> pa.Array:
    """A hash of each text that was judged, null for others. It is kept even where the text itself is dropped, because a
    text that was refuted elsewhere must not be taught as right."""
    judged = pc.fill_null(pc.is_in(statuses, value_set=pa.array(["verified", "refuted"], pa.string())), False)
    hashes = pa.array(text_hashes(pc.fill_null(texts, "")), pa.uint64())
    return pc.if_else(pc.and_(judged, pc.is_valid(texts)), hashes, pa.scalar(None, pa.uint64()))


def text_hashes(texts: pa.Array) -> np.ndarray:
    """64-bit hash of each text without white space at its ends. Near duplicates cover other white space."""
    stripped = pc.utf8_trim_whitespace(texts).cast(pa.binary()).to_pylist()
    digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in stripped)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


def bucket_of(ids: pa.Array, num_buckets: int) -> np.ndarray:
    """Bucket of each problem id; the same on every machine."""
    encoded = ids.dictionary_encode()
    buckets = [zlib.crc32(value.encode()) % num_buckets for value in encoded.dictionary.to_pylist()]
    return np.array(buckets, np.int64)[encoded.indices.to_numpy(zero_copy_only=False)]


class BucketFiles:
    """The bucket files of one process, `folder/<bucket>.arrow`. Each is opened when its first row comes."""

    def __init__(self, folder: Path, num_buckets: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._num_buckets = num_buckets
        self._writers: dict[int, pa.ipc.RecordBatchFileWriter] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> BucketFiles:
        return self

    def __exit__(self, *fault: object) -> None:
        self._stack.close()

    def add(self, batch: pa.RecordBatch) -> None:
        buckets = bucket_of(batch.column("problem_id"), self._num_buckets)
        order = np.argsort(buckets, kind="stable")
        dealt = batch.take(pa.array(order))
        ends = np.searchsorted(buckets[order], np.arange(self._num_buckets + 1))
        for bucket in np.flatnonzero(np.diff(ends)):
            self._writer(int(bucket), batch.schema).write_batch(
                dealt.slice(int(ends[bucket]), int(ends[bucket + 1] - ends[bucket]))
            )

    def _writer(self, bucket: int, schema: pa.Schema) -> pa.ipc.RecordBatchFileWriter:
        if bucket not in self._writers:
            options = pa.ipc.IpcWriteOptions(compression="lz4")
            writer = pa.ipc.new_file(str(self._folder / f"{bucket}.arrow"), schema, options=options)
            self._writers[bucket] = self._stack.enter_context(writer)
        return self._writers[bucket]


class Tokens:
    """The tokens of a file's samples, handed out batch by batch."""

    COLUMNS = ("prompt_ids", "opening_tokens", "token_ids", "logprobs")

    def __init__(self, file: SampleFile) -> None:
        """Raises StoredRunError where the run stored none."""
        self._table = read_token_groups(file).combine_chunks()
        self._uri = file.uri
        self._next = 0

    def of_next(self, batch: pa.RecordBatch) -> dict[str, pa.Array]:
        """The columns of the rows of `batch`, which follow those of the batch before. Raises StoredRunError."""
        rows = self._table.slice(self._next, batch.num_rows)
        self._next += batch.num_rows
        for name in ("problem_id", "sample_index"):
            if not rows[name].combine_chunks().equals(batch.column(name).cast(rows[name].type)):
                raise StoredRunError(f"{self._uri}: the rows in tokens/ are not those of this file")
        return {name: rows[name].combine_chunks() for name in self.COLUMNS}


def scan(
    files: Iterable[SampleFile],
    folder: Path,
    row: FormatRow,
    num_buckets: int,
    with_tokens: bool = False,
    confidential: Callable[[pa.RecordBatch], set[str]] | None = None,
    progress: Callable[[int], None] = lambda rows: None,
) -> ScanFacts:
    """Sorts the rows of `files` into bucket files under `folder`. Raises StoredRunError for unreadable files.

    `confidential` names what is confidential in some rows, with their column `meta`.
    """
    columns = columns_for(row)
    usable = pa.array([*row.statuses], pa.string())
    facts = ScanFacts()
    asked = list(dict.fromkeys([*columns, *FACTS, *(["meta"] if confidential else [])]))
    with BucketFiles(folder, num_buckets) as buckets:
        for file in files:
            tokens = Tokens(file) if with_tokens else None
            for batch in read_samples(file, asked):
                facts.add(batch)
                if confidential is not None:
                    facts.confidential |= confidential(batch)
                kept = {name: batch.column(name) for name in columns}
                if tokens is not None:
                    kept |= tokens.of_next(batch)
                if "text" in kept:
                    kept["text_key"] = text_keys(kept["text"], kept["status"])
                    wanted = pc.is_in(kept["status"], value_set=usable)
                    kept["text"] = pc.if_else(wanted, kept["text"], pa.scalar(None, pa.string()))
                if "text" in kept:
                    kept |= audit_columns(batch.column("evidence"))
                    kept["temperature"] = temperatures(batch.column("sampling"))
                if "evidence" in kept:
                    wanted = pc.is_in(kept["status"], value_set=usable)
                    kept["evidence"] = pc.if_else(wanted, kept["evidence"], pa.scalar(None, pa.string()))
                buckets.add(pa.record_batch(kept))
                progress(batch.num_rows)
    return facts


def read_bucket(folders: Iterable[Path], bucket: int) -> pa.Table | None:
    """All rows of a bucket, from every scanning process; None for an empty one."""
    tables = []
    for folder in folders:
        path = folder / f"{bucket}.arrow"
        if path.exists():
            with pa.memory_map(str(path)) as mapped, pa.ipc.open_file(mapped) as reader:
                tables.append(reader.read_all())
    return pa.concat_tables(tables).combine_chunks() if tables else None
