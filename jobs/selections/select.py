"""Chooses an answer for every problem of a stored run: `selections.parquet`, one row per problem and method.

Promises: a pure function of the committed rows; texts are not read; two passes, of which the first counts votes and the
second adds probabilities; between them the rows lie in a temporary file, and memory holds one small tuple per problem
that others are calibrated on.
Does not: change a verdict.
Fails with StoredRunError or StorageError.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.selections.calibration import MIN_REFERENCES, Calibration, Known, fold_of
from jobs.selections.rows import BUCKET_ROWS, DrawnProblem, drawn_problems
from jobs.selections.suspects import MIN_PROBABILITY, may_be_suspect
from jobs.selections.votes import Clustering, as_keyless, count_votes, is_keyless, is_right, looks_at_verdicts
from runstore.layout import SELECTIONS
from runstore.reader import num_rows, read_batches
from runstore.schema import SELECTION_SCHEMA
from runstore.storage import Storage
from verifiers.agreement import Agreement
from verifiers.kinds import KINDS
from verifiers.types import Kind, Problem, Status

AGREEMENT = "agreement"
FLUSH_ROWS = 4096
"""Number of problems in memory at once, with their samples' answers."""
ROWS_PER_WORKER = 20_000
"""Number of samples for which a further process that compares answers is worth its start."""
MAX_WORKERS = 8
"""Largest number of problems whose answers are compared side by side."""
NOT_CHOSEN = frozenset({Kind.LEAN})
"""Kinds whose problems have no row: what a kernel accepts needs no vote."""
_OF_CALIBRATION = (
    pa.field("fold", pa.int32(), nullable=False),
    # The vote as a problem without an answer key would have had it, and whether its winner is right.
    pa.field("compared_score", pa.float64()),
    pa.field("compared_right", pa.bool_(), nullable=False),
)
_COUNTED = pa.schema([*SELECTION_SCHEMA, *_OF_CALIBRATION])
"""A row before its probability is known. `suspect` is then whether it may be one."""


@dataclasses.dataclass(frozen=True, slots=True)
class SelectionCounts:
    """What came of the selections of a run."""

    problems: int = 0
    keyless: int = 0
    references: int = 0
    """Number of problems that probabilities were measured on."""
    looked: int = 0
    """Number of problems with references that say nothing, since their plans looked at verdicts."""
    suspects: int = 0
    probable: int = 0
    """Number of problems with a probability."""

    def told(self) -> str:
        """One line for the user."""
        text = f"{self.problems:,} problems, {self.keyless:,} of them without an answer key; "
        if self.probable:
            return (
                f"{text}{self.probable:,} have a probability, measured on {self.references:,} references, "
                f"{self.suspects:,} of which may be wrong"
            )
        why = f"; the plans of {self.looked:,} problems with one looked at verdicts" if self.looked else ""
        return f"{text}no probability, which needs {MIN_REFERENCES} references of a kind{why}"


def select_run(storage: Storage, bucket_rows: int = BUCKET_ROWS) -> SelectionCounts:
    """Writes `selections.parquet` beside the samples."""
    workers = max(1, min(num_rows(storage) // ROWS_PER_WORKER, os.cpu_count() or 1, MAX_WORKERS))
    with contextlib.closing(Agreement(workers)) as agreement, ThreadPoolExecutor(workers) as threads:
        return _select(storage, agreement.clusters, threads, bucket_rows)


def _select(storage: Storage, cluster: Clustering, threads: ThreadPoolExecutor, bucket_rows: int) -> SelectionCounts:
    known: list[Known] = []
    counts = SelectionCounts()
    sink = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="proofmill-selections-") as folder:
        path = Path(folder) / "counted.parquet"
        with pq.ParquetWriter(path, _COUNTED, compression="zstd") as writer:
            rules = keyless_rules(storage)

            def counted(drawn: DrawnProblem) -> dict[str, Any]:
                return counted_row(drawn, cluster, rules.get(drawn.problem.kind, {}))

            chosen = (drawn for drawn in drawn_problems(storage, bucket_rows) if is_chosen_for(drawn.problem))
            while rows := list(threads.map(counted, itertools.islice(chosen, FLUSH_ROWS))):
                known += [_known(row) for row in rows if row["calibrates"]]
                counts = _added(counts, rows)
                writer.write_table(pa.Table.from_pylist(rows, _COUNTED))
        calibration = Calibration(known)
        with pq.ParquetFile(path) as file, pq.ParquetWriter(sink, SELECTION_SCHEMA, compression="zstd") as writer:
            for batch in file.iter_batches(FLUSH_ROWS):
                rows = [finished(row, calibration) for row in batch.to_pylist()]
                suspects = sum(row["suspect"] for row in rows)
                probable = sum(row["probability"] is not None for row in rows)
                counts = dataclasses.replace(
                    counts, suspects=counts.suspects + suspects, probable=counts.probable + probable
                )
                writer.write_table(pa.Table.from_pylist(rows, SELECTION_SCHEMA))
    storage.replace(SELECTIONS, sink.getvalue())
    return counts


def is_chosen_for(problem: Problem) -> bool:
    """Whether a vote can choose. The kind of a plugin that is not loaded has none."""
    return problem.kind in KINDS and problem.kind not in NOT_CHOSEN


def keyless_rules(storage: Storage) -> dict[str, dict[str, Any]]:
    """The stopping rule of the problems without an answer key, by kind: the one with the most samples where a kind has
    several."""
    found: dict[str, dict[str, Any]] = {}
    for _, batch in read_batches(storage, ["kind", "status", "stopping_rule"]):
        rows = batch.filter(pc.fill_null(pc.equal(batch["status"].cast(pa.string()), Status.UNCHECKED), False))
        table = pa.table({name: rows[name].cast(pa.string()) for name in ("kind", "stopping_rule")})
        for row in table.group_by(["kind", "stopping_rule"]).aggregate([]).to_pylist():
            rule = json.loads(row["stopping_rule"])
            known = found.setdefault(row["kind"], rule)
            if rule.get("num_samples", 0) > known.get("num_samples", 0):
                found[row["kind"]] = rule
    return found


def counted_row(drawn: DrawnProblem, cluster: Clustering, rule: Mapping[str, Any]) -> dict[str, Any]:
    """The row of one problem, without its probability. `rule` is that of problems without an answer key."""
    problem = drawn.problem
    votes = count_votes(problem, drawn.draws, cluster)
    keyless = is_keyless(drawn.draws)
    best = votes.clusters[0] if votes.clusters else ()
    voters = sorted(draw.sample_index for members in votes.clusters for draw in members)
    right = None if keyless else [is_right(members) for members in votes.clusters]
    compared = votes if keyless or not rule else as_keyless(votes, rule)
    shown = KINDS.row(problem.kind).without_order
    prompt = shown(problem.prompt, problem.reference)[0] if shown else problem.prompt
    return {
        **{"run_id": drawn.run_id, "problem_id": problem.id, "kind": str(problem.kind), "domain": problem.domain},
        **{"source": problem.source, "split": problem.split, "method": AGREEMENT, "keyless": keyless},
        "winner": best[0].vote if best else None,
        "winner_sample_index": best[0].sample_index if best else None,
        "score": votes.score,
        "margin": votes.margin,
        "tied": votes.tied,
        **dict.fromkeys(("probability", "probability_low", "probability_high", "calibrated_on", "num_references")),
        "calibrates": bool(compared.clusters) and not keyless and not looks_at_verdicts(drawn.rule),
        "samples": votes.samples,
        "voters": votes.voters,
        "unplaced": len(votes.unplaced),
        "votes": votes.votes,
        "runner_up": votes.clusters[1][0].vote if len(votes.clusters) > 1 else None,
        "runner_up_votes": votes.runner_up_votes,
        "rows_used": voters,
        "winner_rows": [draw.sample_index for draw in best],
        "winner_sources": votes.sources,
        "cluster_sizes": [len(members) for members in votes.clusters],
        "clusters_right": right,
        "suspect": not keyless and may_be_suspect(drawn.draws, votes),
        "fold": fold_of(prompt),
        "compared_score": compared.score,
        "compared_right": bool(compared.clusters) and is_right(compared.clusters[0]),
    }


def _known(row: dict[str, Any]) -> Known:
    return Known(row["kind"], row["domain"], row["compared_score"], row["compared_right"], row["fold"])


def finished(row: dict[str, Any], calibration: Calibration) -> dict[str, Any]:
    """The row with its probability, as far as references tell one."""
    fold = row["fold"]
    for field in _OF_CALIBRATION:
        del row[field.name]
    if row["score"] is not None:
        own = None if row["keyless"] else fold
        if found := calibration.probability(row["kind"], row["domain"], row["score"], own):
            row |= {"probability": found.value, "probability_low": found.low, "probability_high": found.high}
            row |= {"calibrated_on": found.calibrated_on, "num_references": found.references}
    row["suspect"] = row["suspect"] and row["probability"] is not None and row["probability"] >= MIN_PROBABILITY
    return row


def _added(counts: SelectionCounts, rows: Sequence[dict[str, Any]]) -> SelectionCounts:
    return dataclasses.replace(
        counts,
        problems=counts.problems + len(rows),
        keyless=counts.keyless + sum(row["keyless"] for row in rows),
        references=counts.references + sum(row["calibrates"] for row in rows),
        looked=counts.looked
        + sum(bool(row["cluster_sizes"]) and not row["keyless"] and not row["calibrates"] for row in rows),
    )
