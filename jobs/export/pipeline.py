"""One export, from run folders to a finished data set.

    runs ──► scan (processes) ──► bucket files on scratch disk ──► buckets (processes) ──► this process ──► destination
             one batch each       a problem's rows together        one bucket each        duplicates across problems,
                                                                                          one row group at a time

Bounds: a process holds one batch or one bucket (`work.bucket_mb`, some three times over); at most two buckets a process
are under way or waiting; this process holds the fingerprints of what was exported, 170 bytes a sample.

Promises: the output is the same for the same runs and settings, whatever `work.processes`; it appears whole or not at
all (jobs.export.destination); every row of the runs is in exactly one counter of the card.
Fails: ConfigError for what the user can mend, before the destination shows anything.
"""

from __future__ import annotations

import dataclasses
import datetime
import errno
import json
import multiprocessing
import multiprocessing.connection
import os
import resource
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.config import ConfigError
from jobs.errors import WorkerKilledError
from jobs.export import dataset_card, evaluation
from jobs.export.bucket import text_hashes
from jobs.export.choosing import BucketResult, process_bucket
from jobs.export.contamination import ContaminationIndex, build_index
from jobs.export.destination import (
    CARD,
    CONTAMINATION,
    DATA_FILES,
    FINGERPRINTS,
    Destination,
    open_destination,
    scratch,
)
from jobs.export.duplicates import EARLIER, EXACT, FINGERPRINT, NEAR, NEW, SeenSamples
from jobs.export.partition import MAX_BUCKETS, ScanFacts, bucket_of, read_bucket, scan
from jobs.export.settings import ExportSettings
from runstore.reader import RunSource, SampleFile, find_run, read_problems
from runstore.storage import open_filesystem

Json = Any
T = TypeVar("T")
Progress = Callable[[str], None]

MEGABYTE = 1 << 20
RATE_COLUMNS = [
    "run_id",
    "problem_id",
    "num_samples",
    "num_verified",
    "pass_rate",
    "pass_rate_low",
    "pass_rate_high",
]
"""What a bucket of an `rl` pool needs of a problem."""
OUTCOMES = {EXACT: "duplicate_across_problems", NEAR: "near_duplicate_across_problems", EARLIER: "exported_earlier"}


@dataclasses.dataclass(slots=True)
class Summary:
    """What an export did; the manifest and the card are made of it."""

    settings: ExportSettings
    runs: list[str]
    facts: ScanFacts
    unfinished: list[str] = dataclasses.field(default_factory=list)
    """Runs without a problems.parquet."""
    funnel: Counter[str] = dataclasses.field(default_factory=Counter)
    num_rows: int = 0
    num_bytes: int = 0
    hits: int = 0
    first_hit: dict[str, Json] | None = None
    domains: Counter[str] = dataclasses.field(default_factory=Counter)
    sources: Counter[str] = dataclasses.field(default_factory=Counter)
    lengths: Counter[int] = dataclasses.field(default_factory=Counter)
    """Completion tokens of the exported samples, by power of two."""
    pass_rates: Counter[int] = dataclasses.field(default_factory=Counter)
    """Exported problems of an `rl` pool, by tenth."""
    clusters: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    passes: dataset_card.DomainPasses = dataclasses.field(default_factory=dataset_card.DomainPasses)
    seconds: float = 0.0


def export(settings: ExportSettings, runs: Sequence[str], out: str, progress: Progress = lambda line: None) -> Summary:
    """Writes the data set of `runs` to `out`. Raises one of jobs.errors.TOLD, with nothing visible at
    `out`."""
    started = time.monotonic()
    processes = settings.work.processes or min(os.cpu_count() or 1, 8)
    sources = [find_run(uri, pieces=processes) for uri in runs]
    if settings.format == "rl" and (unfinished := [source.uri for source in sources if not source.problems_uri]):
        raise ConfigError(f"{unfinished[0]}: no problems.parquet there: rl needs the pass rates of a finished run")
    with scratch(out, settings.work.directory) as folder:
        destination = open_destination(out, settings.output.overwrite)
        try:
            exporter = Exporter(settings, sources, folder, processes, progress)
            summary = exporter.run(destination)
            summary.seconds = time.monotonic() - started
            write(destination, CARD, dataset_card.dataset_card(summary, out).encode())
            destination.commit(manifest(summary))
        except BaseException as error:
            destination.abort()
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise ConfigError(f"{error}; scratch space ({folder}) takes about the size of the runs: --work-dir")
            raise
    return summary


class Exporter:
    def __init__(
        self,
        settings: ExportSettings,
        sources: list[RunSource],
        folder: Path,
        processes: int,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._folder = folder
        self._processes = processes
        self._progress = progress
        self._files = [file for source in sources for file in source.files]
        total = sum(file.num_bytes for file in self._files)
        self._num_buckets = max(1, min(MAX_BUCKETS, total // (settings.work.bucket_mb * MEGABYTE)))
        allow_open_files(self._num_buckets + 64)
        self._spills = [folder / f"rows-{at}" for at in range(processes)]
        self._index = folder / "evaluation"
        self._rates = folder / "rates"
        self._scores: Path | None = None

    def run(self, destination: Destination) -> Summary:
        summary = Summary(self._settings, [source.uri for source in self._sources], ScanFacts())
        self._prepare(summary)
        seen = SeenSamples(self._settings.dedup.near)
        for uri in self._settings.dedup.against:
            seen.add_earlier(read_fingerprints(uri))
        with worker_pool(self._processes) as pool:
            for facts in self._scan(pool):
                summary.facts.merge(facts)
            if self._settings.select.strategy == "learning_potential":
                from jobs.export.learning_potential import score_buckets

                self._scores = self._folder / "scores"
                index = self._index if self._settings.decontaminate.files else None
                score_buckets(self._settings, self._spills, self._num_buckets, self._scores, self._progress, index)
            with Output(self._settings, destination) as output:
                for at, bucket in enumerate(self._buckets(pool)):
                    self._take(bucket, seen, summary, output)
                    self._progress(f"bucket {at + 1} of {self._num_buckets}: {summary.num_rows} rows exported")
                if not summary.num_rows:
                    raise ConfigError(nothing_left(summary))
                output.finish()
        summary.num_bytes = output.num_bytes
        return summary

    def _prepare(self, summary: Summary) -> None:
        """The evaluation index and the pass rates, on the scratch disk."""
        decontaminate = self._settings.decontaminate
        if decontaminate.files:
            items = evaluation.read_items(decontaminate.files)
            number = build_index(items, self._index, decontaminate.ngram, decontaminate.answer_chars)
            self._progress(f"evaluation index: {number} n-grams of {decontaminate.ngram} words")
        self._rates.mkdir()
        columns = list(dict.fromkeys([*dataset_card.PASS_COLUMNS, *RATE_COLUMNS]))
        known = np.zeros(0, np.uint64)
        with RateFiles(self._rates, self._num_buckets) as rates:
            for source in self._sources:
                if source.problems_uri is None:
                    summary.unfinished.append(source.uri)
                here = [known]
                for batch in read_problems(source.problems_uri, columns) if source.problems_uri else []:
                    if len(self._sources) > 1:  # the same run may be given twice
                        names = pc.binary_join_element_wise(batch.column("run_id"), batch.column("problem_id"), "\0")
                        keys = text_hashes(names)
                        new = ~np.isin(keys, known)
                        here.append(keys[new])
                        batch = batch.filter(pa.array(new))
                    summary.passes.add(batch)
                    if self._settings.format == "rl":
                        rates.add(batch.select(RATE_COLUMNS))
                known = np.concatenate(here)

    def _scan(self, pool: Executor | None) -> Iterator[ScanFacts]:
        shares = balanced(self._files, self._processes)
        rows = sum(file.num_rows for file in self._files)
        self._progress(f"reading {rows} rows of {len(self._files)} pieces into {self._num_buckets} buckets")
        tasks = [
            (share, folder, self._settings.format, self._num_buckets)
            for share, folder in zip(shares, self._spills, strict=True)
        ]
        yield from in_order(pool, scan, tasks, self._processes)

    def _buckets(self, pool: Executor | None) -> Iterator[BucketResult]:
        index = self._index if self._settings.decontaminate.files else None
        tasks = [
            (self._spills, bucket, self._settings, index, self._rates, self._scores)
            for bucket in range(self._num_buckets)
        ]
        yield from in_order(pool, run_bucket, tasks, 2 * self._processes)

    def _take(self, bucket: BucketResult, seen: SeenSamples, summary: Summary, output: Output) -> None:
        summary.funnel.update(bucket.funnel)
        for domain, counts in bucket.clusters.items():
            known = summary.clusters.setdefault(domain, [0, 0, 0])
            summary.clusters[domain] = [one + other for one, other in zip(known, counts, strict=True)]
        output.add_hits(bucket.hits)
        summary.hits += len(bucket.hits)
        summary.first_hit = summary.first_hit or next(iter(bucket.hits), None)
        table, prints = bucket.table, bucket.fingerprints
        if table is None or not len(table):
            return
        if self._settings.dedup.across_problems or self._settings.dedup.against:
            outcome = seen.admit(prints)
            if not self._settings.dedup.across_problems:
                outcome[outcome != EARLIER] = NEW
            for code, name in OUTCOMES.items():
                if number := int((outcome == code).sum()) * bucket.rows_each:
                    summary.funnel[name] += number
                    summary.funnel["exported"] -= number
            table, prints = table.filter(pa.array(outcome == NEW)), prints[outcome == NEW]
        summary.num_rows += len(table)
        dataset_card.add_figures(summary, table)
        output.add(table, prints)


def nothing_left(summary: Summary) -> str:
    stopped = ", ".join(f"{name} {number:,}" for name, number in summary.funnel.most_common() if number)
    first = summary.first_hit
    overlap = f"; the first overlap is with {first['item']} of {first['file']}: {first['matching']!r}" if first else ""
    return (
        f"nothing to export: no row passed the filters ({stopped or 'no rows at all'}{overlap}); "
        "`--set` or a TOML file loosens them"
    )


def in_order(
    pool: Executor | None, function: Callable[..., T], tasks: Sequence[tuple[Any, ...]], window: int
) -> Iterator[T]:
    """Results in the order of `tasks`, at most `window` of them begun and not yet taken."""
    if pool is None:
        for task in tasks:
            yield function(*task)
        return
    pending: deque[Future[T]] = deque()
    try:
        for task in tasks:
            if len(pending) >= window:
                yield pending.popleft().result()
            pending.append(pool.submit(function, *task))
        while pending:
            yield pending.popleft().result()
    except BrokenProcessPool:
        raise WorkerKilledError(
            "a worker process was killed, most likely for want of memory; fewer --processes or a smaller "
            "`work.bucket_mb` need less"
        )
    finally:
        for future in pending:
            future.cancel()


class worker_pool:
    """A pool of spawned processes (fork and Arrow's threads do not mix); None for one process."""

    def __init__(self, processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pool = (
            ProcessPoolExecutor(processes, mp_context=context, initializer=prepare_worker) if processes > 1 else None
        )

    def __enter__(self) -> Executor | None:
        return self._pool

    def __exit__(self, *fault: object) -> None:
        if self._pool:
            self._pool.shutdown(cancel_futures=True)


def prepare_worker() -> None:
    # One process a core is the parallelism; Arrow's own threads would only take turns with it.
    pa.set_cpu_count(1)
    allow_open_files(MAX_BUCKETS + 64)
    threading.Thread(target=follow_parent, name="follow-parent", daemon=True).start()


def follow_parent() -> None:
    """Ends this process when its parent is gone.

    A pool's workers hold both ends of their task queue: they never see the death of a parent that was killed, and would
    wait for its next task for ever.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    multiprocessing.connection.wait([parent.sentinel])
    os._exit(1)


def allow_open_files(number: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < number:
        limit = number if hard == resource.RLIM_INFINITY else min(number, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))


def balanced(files: Sequence[SampleFile], shares: int) -> list[list[SampleFile]]:
    """`files` in `shares` lists of about the same size, largest first."""
    result: list[list[SampleFile]] = [[] for _ in range(shares)]
    sizes = [0] * shares
    for file in sorted(files, key=lambda one: (-one.num_bytes, one.uri, one.row_groups)):
        least = sizes.index(min(sizes))
        result[least].append(file)
        sizes[least] += file.num_bytes + 1
    return result


def run_bucket(
    spills: list[Path], bucket: int, settings: ExportSettings, index: Path | None, rates: Path, scores: Path | None
) -> BucketResult:
    """`process_bucket` on the scratch files of one bucket. Runs in a worker process."""
    table = read_bucket(spills, bucket)
    if table is None:
        return BucketResult(None, np.zeros(0, FINGERPRINT), 1, Counter(), [], {})
    known = None
    if settings.format == "rl":
        known = {(row["run_id"], row["problem_id"]): row for row in RateFiles.read(rates, bucket)}
    potentials = None
    if scores is not None:
        from jobs.export.learning_potential import read_scores

        potentials = read_scores(scores, bucket)
    return process_bucket(table, settings, ContaminationIndex(index) if index else None, known, potentials)


class RateFiles:
    """Rows of problems.parquet by bucket, so that a bucket finds its own without holding all."""

    def __init__(self, folder: Path, num_buckets: int) -> None:
        self._folder = folder
        self._num_buckets = num_buckets
        self._streams: dict[int, BinaryIO] = {}

    def __enter__(self) -> RateFiles:
        return self

    def __exit__(self, *fault: object) -> None:
        for stream in self._streams.values():
            stream.close()

    def add(self, batch: pa.RecordBatch) -> None:
        buckets = bucket_of(batch.column("problem_id"), self._num_buckets)
        for bucket, row in zip(buckets.tolist(), batch.to_pylist(), strict=True):
            if bucket not in self._streams:
                self._streams[bucket] = (self._folder / f"{bucket}.jsonl").open("wb")
            self._streams[bucket].write(json.dumps(row).encode() + b"\n")

    @staticmethod
    def read(folder: Path, bucket: int) -> Iterator[dict[str, Json]]:
        path = folder / f"{bucket}.jsonl"
        if path.exists():
            with path.open("rb") as stream:
                yield from map(json.loads, stream)


class Output:
    """The data files of one export, in the making."""

    def __init__(self, settings: ExportSettings, destination: Destination) -> None:
        self._destination = destination
        self._kinds = ("parquet", "jsonl") if settings.output.files == "both" else (settings.output.files,)
        self._streams: dict[str, BinaryIO] = {}
        self._parquet: pq.ParquetWriter | None = None
        self._prints = [np.zeros(0, FINGERPRINT)]
        self._hits: BinaryIO | None = None
        self._num_rows = 0
        self.num_bytes = 0

    def __enter__(self) -> Output:
        for kind in self._kinds:
            self._streams[kind] = self._destination.create(DATA_FILES[kind])
        return self

    def __exit__(self, *fault: object) -> None:
        # Without its footer a half Parquet file is not valid; the destination throws it away.
        for stream in self._streams.values():
            if fault[0] is None:
                self.num_bytes += stream.tell() if stream.seekable() else 0
                stream.close()

    def add(self, table: pa.Table, prints: np.ndarray) -> None:
        self._prints.append(prints)
        if "extra_info" in table.column_names:
            table = numbered(table, self._num_rows)
        self._num_rows += len(table)
        if stream := self._streams.get("parquet"):
            if self._parquet is None:
                self._parquet = pq.ParquetWriter(stream, table.schema, compression="zstd")
            self._parquet.write_table(table)
        if stream := self._streams.get("jsonl"):
            for row in table.to_pylist():
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


def numbered(table: pa.Table, start: int) -> pa.Table:
    """verl wants the row's number in `extra_info.index`."""
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


def manifest(summary: Summary) -> bytes:
    facts = summary.facts
    table = {
        "version": 1,
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "settings": summary.settings.resolved(),
        "runs": summary.runs,
        "rows": summary.num_rows,
        "funnel": dict(summary.funnel),
        "models": sorted(facts.models),
        "checkers": sorted(facts.checkers),
        "code_revisions": sorted(facts.code_revisions),
        "seconds": round(summary.seconds, 3),
    }
    return json.dumps(table, indent=2, ensure_ascii=False).encode() + b"\n"
