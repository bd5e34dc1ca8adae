"""What the builders of all export formats share: which rows of a bucket are chosen, and what becomes of the others.

Promises: deterministic; every row of the bucket is in exactly one counter of the funnel (`rl` counts problems).
Does not: see other buckets; the parent process finds duplicates across problems (jobs.export.pipeline).
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.export import selection
from jobs.export import text_hashes as shingles
from jobs.export.bucket import Bucket, Candidates, Ints, Problem
from jobs.export.duplicates import fingerprints
from jobs.export.partition import text_hashes
from jobs.export.rates import Rates

Json = Any

CLUSTER_SIMILARITY = 0.5
"""Similarity from which on verified solutions are one cluster of the diversity figures: half of their shingles."""


@dataclasses.dataclass(slots=True)
class BucketResult:
    table: pa.Table | None
    fingerprints: npt.NDArray[np.void]
    """One fingerprint for each row of `table`."""
    rows_each: int
    """Number of samples that one row of `table` stands for: 2 for a preference pair."""
    funnel: Counter[str]
    hits: list[dict[str, Json]]
    clusters: dict[str, list[int]]
    """Domain → [number of problems with a verified sample, of their verified samples, of their clusters]."""
    unranked: int = 0
    """Number of refuted samples that were to be ranked and have no mean_logprob."""


@dataclasses.dataclass(frozen=True, slots=True)
class BuilderInputs:
    """What a builder may need beside its bucket."""

    rates: Rates
    """What problems.parquet says of the problems."""
    scores: Mapping[tuple[str, str, int], float] | None
    """Learning potentials by sample identity (a sample without one was cut); None for every other strategy."""


def usable_candidates(bucket: Bucket) -> Candidates:
    """The first step of every format of samples: unusable rows and contaminated prompts leave the bucket."""
    bucket.drop_unusable()
    bucket.drop_contaminated_prompts()
    return bucket.candidates()


def spread(
    bucket: Bucket, found: Candidates, members: npt.NDArray[np.int64], status: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Candidates among `members` of this status that are alive, near duplicates dropped, and their similarities."""
    rows = found.at[members]
    chosen = members[bucket.alive[rows] & (bucket.status[rows] == status)]
    if len(chosen) > selection.MAX_COMPARED:
        over = np.zeros(len(bucket.table), bool)
        over[found.at[chosen[selection.MAX_COMPARED :]]] = True
        bucket.drop(over, "not_chosen")
        chosen = chosen[: selection.MAX_COMPARED]
    matrix = selection.similarities(found.signatures[chosen])
    if near := bucket.settings.dedup.near:
        dropped = selection.near_duplicates(matrix, near)
        if dropped.any():
            rows_out = np.zeros(len(bucket.table), bool)
            rows_out[found.at[chosen[dropped]]] = True
            bucket.drop(rows_out, "near_duplicate")
            chosen, matrix = chosen[~dropped], matrix[~dropped][:, ~dropped]
    return chosen, matrix


def choose(
    bucket: Bucket,
    found: Candidates,
    chosen: npt.NDArray[np.int64],
    matrix: npt.NDArray[np.float64],
    scores: Mapping[tuple[str, str, int], float] | None,
) -> npt.NDArray[np.int64]:
    """At most `per_problem` of `chosen`, selected by the strategy of the settings."""
    select = bucket.settings.select
    rows = found.at[chosen]
    lengths = bucket.tokens[rows]
    if select.strategy == "learning_potential":
        keys = [
            (bucket.table["run_id"][r].as_py(), bucket.table["problem_id"][r].as_py(), int(i))
            for r, i in zip(rows.tolist(), bucket.table["sample_index"].to_numpy()[rows], strict=True)
        ]
        values = np.array([(scores or {}).get(key, -np.inf) for key in keys])
        picked = [at for at in selection.by_score(values, select.per_problem) if values[at] > -np.inf]
    elif select.strategy == "shortest":
        picked = selection.shortest(lengths, select.per_problem)
    elif select.strategy == "middle":
        picked = selection.middle(lengths, select.per_problem)
    elif select.strategy == "first":
        picked = list(range(min(select.per_problem, len(chosen))))
    else:
        picked = selection.diverse(matrix, lengths, select.per_problem)
    return chosen[np.array(sorted(picked), np.int64)]


def leave(bucket: Bucket, exported: Ints, name: str) -> None:
    """Counts every remaining row: the exported ones as such, the rest under `name`."""
    mask = np.zeros(len(bucket.table), bool)
    mask[exported] = True
    bucket.drop(mask, "exported")
    bucket.drop(~mask, name)


def count_clusters(bucket: Bucket, problem: Problem, num_verified: int, matrix: npt.NDArray[np.float64]) -> None:
    if num_verified:
        counts = bucket.clusters.setdefault(problem.domain, [0, 0, 0])
        counts[0] += 1
        counts[1] += num_verified
        counts[2] += selection.clusters(matrix, CLUSTER_SIMILARITY)


def hardness(bucket: Bucket) -> npt.NDArray[np.float64]:
    """How sure the model was of each sample: a wrong one that it was sure of teaches most. Unknown values come last, in
    the order of the samples, and are counted."""
    unknown = bucket.table["mean_logprob"].is_null().to_numpy()
    bucket.unranked = int((unknown & (bucket.status == "refuted") & bucket.alive).sum())
    return bucket.table["mean_logprob"].fill_null(float("-inf")).to_numpy()


def sample_fingerprints(bucket: Bucket, found: Candidates, at: Ints) -> npt.NDArray[np.void]:
    """Fingerprints of prompt, text and label. The same words are another example under another prompt, and the opposite
    one where they are given as wrong."""
    rows = found.at[at]
    exact, of_prompts = prompt_features(bucket.table["prompt"].combine_chunks().take(pa.array(rows)))
    of_texts = found.signatures[at]
    # The signature of a union of sets is the minimum of their signatures.
    joined = np.minimum(of_prompts, of_texts).astype(np.uint64) << np.uint64(32) | of_texts
    label = (bucket.status[rows] != "verified").astype(np.uint64)
    return fingerprints(shingles.mix(exact ^ bucket.exact[at] ^ label), shingles.mix(joined ^ label[:, None]))


def prompt_features(prompts: pa.Array) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint32]]:
    encoded = prompts.dictionary_encode()
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    exact = text_hashes(encoded.dictionary)
    parts = [np.zeros((0, shingles.NUM_HASHES), np.uint32)]
    for _, chunk in shingles.chunks(encoded.dictionary):
        grams = shingles.ngrams(shingles.tokenize(shingles.normalise(chunk)), shingles.SHINGLE)
        parts.append(shingles.signatures(grams))
    # Mixed differently from texts, so that swapping prompt and text gives another hash.
    return shingles.mix(exact)[codes], np.concatenate(parts)[codes]


def result(bucket: Bucket, table: pa.Table, prints: npt.NDArray[np.void], rows_each: int) -> BucketResult:
    return BucketResult(table, prints, rows_each, bucket.funnel, bucket.hits, bucket.clusters, bucket.unranked)
