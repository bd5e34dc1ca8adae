"""One export, from run folders to a finished data set.

    runs ──► scan (processes) ──► bucket files on scratch disk ──► buckets (processes) ──► this process ──► destination
             one batch each       a problem's rows together        one bucket each        duplicates across problems,
                                                                                          one row group at a time

Bounds: a process holds one batch or one bucket (about three times `work.bucket_mb`); at most two buckets per process
are under way or waiting; this process holds the fingerprints of what was exported, 170 bytes per sample.

Promises: the output is the same for the same runs and settings, whatever `work.processes`; it appears whole or not at
all (jobs.export.destination); every row of the runs is in exactly one counter of the card.
Fails: ConfigError for what the user can mend, before the destination shows anything.
"""

from __future__ import annotations

import errno
import functools
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.config import ConfigError
from jobs.export import dataset_card, evaluation, labels, push
from jobs.export.choosing import BucketResult
from jobs.export.contamination import ContaminationIndex, build_index
from jobs.export.destination import (
    CARD,
    Destination,
    open_destination,
    scratch,
)
from jobs.export.duplicates import EARLIER, EXACT, FINGERPRINT, NEAR, NEW, SeenSamples
from jobs.export.layout_files import DATASET_INFO, dataset_info
from jobs.export.output import Output, read_fingerprints, write
from jobs.export.parallel import allow_open_files, balanced, in_order, worker_pool
from jobs.export.partition import MAX_BUCKETS, ScanFacts, read_bucket, scan, text_hashes
from jobs.export.process import process_bucket
from jobs.export.rates import RATE_COLUMNS, RateFiles, Rates
from jobs.export.settings import ExportSettings
from jobs.export.summary import PASS_COLUMNS, Summary, add_figures, manifest, nothing_left
from runstore.reader import RunSource, find_run, read_problems, read_selections
from runstore.storage import open_storage

Json = Any
Progress = Callable[[str], None]

MEGABYTE = 1 << 20
OUTCOMES = {EXACT: "duplicate_across_problems", NEAR: "near_duplicate_across_problems", EARLIER: "exported_earlier"}


def export(settings: ExportSettings, runs: Sequence[str], out: str, progress: Progress = lambda line: None) -> Summary:
    """Writes the data set of `runs` to `out`. Raises one of jobs.errors.TOLD, with nothing visible at
    `out`."""
    started = time.monotonic()
    processes = settings.work.processes or min(os.cpu_count() or 1, 8)
    sources = [find_run(uri, pieces=processes) for uri in runs]
    others = [find_run(uri, pieces=1) for uri in settings.select.rates_from]
    asked = others or (sources if settings.needs_pass_rates else [])
    if unfinished := [source.uri for source in asked if not source.problems_uri]:
        raise ConfigError(
            f"{unfinished[0]}: no problems.parquet there: {settings.format} needs the pass rates that it holds; "
            f"`proofmill report {unfinished[0]}` writes it, of a run that was interrupted too"
        )
    with scratch(out, settings.work.directory) as folder:
        destination = open_destination(out, settings.output.overwrite)
        try:
            exporter = Exporter(settings, sources, others, folder, processes, progress)
            summary = exporter.run(destination)
            summary.seconds = time.monotonic() - started
            write(destination, CARD, dataset_card.dataset_card(summary, out).encode())
            file = next(iter(settings.data_files.values()))
            if info := dataset_info(settings.format, settings.layout, dataset_card.title(summary, out), file):
                write(destination, DATASET_INFO, info)
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
        others: list[RunSource],
        folder: Path,
        processes: int,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._sources = sources
        self._others = others
        """The runs that pass rates are taken from, where these are not the exported ones."""
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
        self._selections = folder / "selections" if settings.select.needs_selections else None
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
            if summary.facts.confidential:
                raise ConfigError(
                    f"{push.KEY}: these runs hold samples of confidential problems "
                    f"({', '.join(sorted(summary.facts.confidential)[:5])}), which must not become training data of "
                    "others; export runs without them"
                )
            if self._settings.select.strategy == "learning_potential":
                from jobs.export.learning_potential import score_buckets

                self._scores = self._folder / "scores"
                index = self._index if self._settings.decontaminate.all_files() else None
                score_buckets(
                    self._settings, self._spills, self._num_buckets, self._scores, self._progress, index, self._rates
                )
            with Output(self._settings, destination) as output:
                for at, bucket in enumerate(self._buckets(pool)):
                    self._take(bucket, seen, summary, output)
                    self._progress(f"bucket {at + 1} of {self._num_buckets}: {summary.num_rows} rows exported")
                if not summary.num_rows:
                    raise ConfigError(nothing_left(summary))
                output.finish()
        summary.num_bytes = output.num_bytes
        summary.schema = output.schema
        return summary

    def _prepare(self, summary: Summary) -> None:
        """Writes the evaluation index and the pass rates to the scratch disk."""
        decontaminate = self._settings.decontaminate
        if decontaminate.all_files():
            items = evaluation.read_items(decontaminate)
            number = build_index(items, self._index, decontaminate.ngram, decontaminate.answer_chars)
            self._progress(f"evaluation index: {number} n-grams of {decontaminate.ngram} words")
        if self._selections:
            self._selections.mkdir()
            with RateFiles(self._selections, self._num_buckets) as files:
                for source in self._sources:
                    for batch in read_selections(open_storage(source.uri), labels.SELECTED):
                        files.add(labels.wanted(batch, self._settings.select))
        self._rates.mkdir()
        columns = list(dict.fromkeys([*PASS_COLUMNS, *RATE_COLUMNS]))
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
                    rates.add(batch.select(RATE_COLUMNS), of_others=False)
                known = np.concatenate(here)
            for source in self._others:
                for batch in read_problems(str(source.problems_uri), RATE_COLUMNS):
                    rates.add(batch, of_others=True)

    def _scan(self, pool: Executor | None) -> Iterator[ScanFacts]:
        shares = balanced(self._files, self._processes)
        rows = sum(file.num_rows for file in self._files)
        self._progress(f"reading {rows} rows of {len(self._files)} pieces into {self._num_buckets} buckets")
        look = None
        if self._settings.output.push_to_hub:
            sources = push.confidential_sources(source.uri for source in self._sources)
            look = functools.partial(push.confidential_rows, sources=sources)
        tasks = [
            (share, folder, self._settings.read_row, self._num_buckets, self._settings.with_tokens, look)
            for share, folder in zip(shares, self._spills, strict=True)
        ]
        yield from in_order(pool, scan, tasks, self._processes)

    def _buckets(self, pool: Executor | None) -> Iterator[BucketResult]:
        index = self._index if self._settings.decontaminate.all_files() else None
        tasks = [
            (self._spills, bucket, self._settings, index, self._rates, self._scores, self._selections)
            for bucket in range(self._num_buckets)
        ]
        yield from in_order(pool, run_bucket, tasks, 2 * self._processes)

    def _take(self, bucket: BucketResult, seen: SeenSamples, summary: Summary, output: Output) -> None:
        summary.funnel.update(bucket.funnel)
        summary.unranked += bucket.unranked
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
        summary.columns = summary.columns or table.column_names
        summary.example = summary.example or next(iter(table.slice(0, 1).to_pylist()), {})
        add_figures(summary, table)
        output.add(table, prints)


def run_bucket(
    spills: list[Path],
    bucket: int,
    settings: ExportSettings,
    index: Path | None,
    rates: Path,
    scores: Path | None,
    selections: Path | None = None,
) -> BucketResult:
    """`process_bucket` on the scratch files of one bucket. Runs in a worker process."""
    table = read_bucket(spills, bucket)
    if table is None:
        return BucketResult(None, np.zeros(0, FINGERPRINT), 1, Counter(), [], {})
    if selections is not None:
        table = labels.with_labels(table, RateFiles.read(selections, bucket), settings.select)
    known = Rates(RateFiles.read(rates, bucket), bool(settings.select.rates_from))
    potentials = None
    if scores is not None:
        from jobs.export.learning_potential import read_scores

        potentials = read_scores(scores, bucket)
    return process_bucket(table, settings, ContaminationIndex(index) if index else None, known, potentials)
