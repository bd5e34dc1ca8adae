"""Second half of an export: from the rows of one bucket to the chosen training examples, one function a format.

Promises: deterministic; every row of the bucket is in exactly one counter of the funnel (`rl` counts problems).
Does not: see other buckets; duplicates across problems are the parent's (jobs.export.pipeline).
"""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.export import selection
from jobs.export import steps as steps_of
from jobs.export import text_hashes as shingles
from jobs.export.bucket import Bucket, Candidates, Ints, Problem, ranks, text_hashes
from jobs.export.contamination import ContaminationIndex
from jobs.export.duplicates import fingerprints
from jobs.export.formats import chats
from jobs.export.settings import ExportSettings

Json = Any

CLUSTER_SIMILARITY = 0.5
"""Verified solutions that share at least half of their shingles are one cluster of the diversity figures."""


@dataclasses.dataclass(slots=True)
class BucketResult:
    table: pa.Table | None
    fingerprints: npt.NDArray[np.void]
    """One for each row of `table`."""
    rows_each: int
    """Samples that one row of `table` stands for: 2 for a preference pair."""
    funnel: Counter[str]
    hits: list[dict[str, Json]]
    clusters: dict[str, list[int]]
    """Domain → [problems with a verified sample, their verified samples, their clusters]."""


def process_bucket(
    table: pa.Table,
    settings: ExportSettings,
    index: ContaminationIndex | None = None,
    rates: Mapping[tuple[str, str], Mapping[str, Json]] | None = None,
    scores: Mapping[tuple[str, str, int], float] | None = None,
) -> BucketResult:
    """The chosen examples of one bucket.

    `rates` are rows of problems.parquet by (run_id, problem_id), for `rl`; `scores` are learning potentials by sample
    identity: samples without one were cut.
    """
    funnel: Counter[str] = Counter()
    table = without_bad_rows(table, settings, funnel)
    bucket = Bucket(table, settings, index)
    bucket.funnel.update(funnel)
    bucket.keep_only()
    if settings.format == "rl":
        return rl_pool(bucket, rates or {})
    bucket.drop_unusable()
    bucket.drop_contaminated_prompts()
    found = bucket.candidates()
    if settings.format == "prm":
        return step_labels(bucket, found)
    if settings.format == "preference":
        return preference_pairs(bucket, found)
    return single_samples(bucket, found, scores)


def without_bad_rows(table: pa.Table, settings: ExportSettings, funnel: Counter[str]) -> pa.Table:
    """Raises formats.BadRow for a `messages` or `reference` that can not be read, or leaves such rows out."""
    good = np.ones(len(table), bool)
    checks: dict[str, Callable[[str], object]] = {"messages": chats.parse_chat, "reference": parse_reference}
    for name, check in checks.items():
        encoded = table[name].combine_chunks().dictionary_encode()
        bad = []
        for code, text in enumerate(encoded.dictionary.to_pylist()):
            try:
                check(text)
            except chats.BadRow as fault:
                if not settings.work.skip_bad:
                    row = encoded.indices.index(code).as_py()
                    run, problem, sample = (table[key][row].as_py() for key in ("run_id", "problem_id", "sample_index"))
                    raise chats.BadRow(
                        f"run {run}, problem {problem}, sample {sample}: {fault}; --skip-bad leaves such rows out"
                    )
                bad.append(code)
        good &= ~np.isin(encoded.indices.to_numpy(zero_copy_only=False), bad)
    if not good.all():
        gone = table.filter(pa.array(~good))
        table = table.filter(pa.array(good))
        if settings.format == "rl":  # counts problems: those with no row left
            funnel["bad_row"] += len(set(gone["problem_id"].to_pylist()) - set(table["problem_id"].to_pylist()))
        else:
            funnel["bad_row"] += len(gone)
    return table


def parse_reference(text: str) -> dict[str, Json]:
    try:
        reference = json.loads(text)
        str(reference.get("answer")).encode()  # fails for half a surrogate pair, which JSON can name
    except (ValueError, AttributeError, RecursionError):
        reference = None
    if not isinstance(reference, dict):
        raise chats.BadRow(f"reference: expected a JSON object, got {text[:200]!r}")
    return reference


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
    """At most `per_problem` of `chosen`, by the strategy of the settings."""
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


def single_samples(
    bucket: Bucket, found: Candidates, scores: Mapping[tuple[str, str, int], float] | None
) -> BucketResult:
    """`sft` and `kto`."""
    picked: list[npt.NDArray[np.int64]] = []
    rewards = np.full(len(bucket.table), np.nan)
    tokens = bucket.tokens
    logprobs = hardness(bucket)
    for problem, members in bucket.members(found):
        range_ = np.arange(members.start, members.stop)
        chosen, matrix = spread(bucket, found, range_, "verified")
        count_clusters(bucket, problem, len(chosen), matrix)
        rows = found.at[chosen]
        rewards[rows] = selection.long2short(tokens[rows].tolist(), bucket.settings.rl.long2short)
        good = choose(bucket, found, chosen, matrix, scores)
        picked.append(good)
        if bucket.settings.format == "kto":
            bad, _ = spread(bucket, found, range_, "refuted")
            order = selection.by_score(logprobs[found.at[bad]], bucket.settings.select.per_problem)
            picked.append(bad[np.array(order, np.int64)])
    at = np.sort(np.concatenate([*picked, np.zeros(0, np.int64)]))
    rows = found.at[at]
    leave(bucket, rows, "not_chosen")
    taken = bucket.table.take(pa.array(rows))
    values = rewards[rows]
    reward = {"long2short_reward": pa.array(values, pa.float64(), mask=np.isnan(values))}
    if bucket.settings.format == "kto":
        table = chats.kto_table(taken, reward)
    else:
        table = chats.sft_table(bucket.settings.layout, taken, reward)
    return result(bucket, table, sample_fingerprints(bucket, found, at), 1)


def leave(bucket: Bucket, exported: Ints, name: str) -> None:
    """All rows leave: the exported ones as such, the rest under `name`."""
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
    """How sure the model was of each sample: a wrong one that it was sure of teaches most. Unknown comes last."""
    return bucket.table["mean_logprob"].fill_null(float("-inf")).to_numpy()


def preference_pairs(bucket: Bucket, found: Candidates) -> BucketResult:
    settings = bucket.settings
    good_at: list[int] = []
    bad_at: list[int] = []
    tokens = bucket.tokens
    prompts = ranks(bucket.table["messages"]) if len(bucket.table) else np.zeros(0, np.int64)
    logprobs = hardness(bucket)
    for problem, members in bucket.members(found):
        range_ = np.arange(members.start, members.stop)
        good, matrix = spread(bucket, found, range_, "verified")
        count_clusters(bucket, problem, len(good), matrix)
        bad, _ = spread(bucket, found, range_, "refuted")
        wanted = settings.select.per_problem
        paired: list[tuple[int, int]] = []
        # Both answers of a pair were given to the very same messages.
        for prompt in np.unique(prompts[found.at[bad]]):
            g, b = good[prompts[found.at[good]] == prompt], bad[prompts[found.at[bad]] == prompt]
            chosen = selection.pairs(
                tokens[found.at[g]],
                tokens[found.at[b]],
                logprobs[found.at[b]],
                wanted,
                settings.preference.length_ratio,
            )
            paired += [(int(g[first]), int(b[second])) for first, second in chosen]
        hardest = selection.by_score(logprobs[found.at[[second for _, second in paired]]], wanted) if paired else []
        good_at += [paired[at][0] for at in hardest]
        bad_at += [paired[at][1] for at in hardest]
    goods, bads = np.array(good_at, np.int64), np.array(bad_at, np.int64)
    leave(bucket, found.at[np.concatenate([goods, bads])], "unpaired")
    chosen_rows, rejected_rows = (bucket.table.take(pa.array(found.at[at])) for at in (goods, bads))
    table = chats.preference_table(settings.layout, chosen_rows, rejected_rows, {})
    return result(bucket, table, sample_fingerprints(bucket, found, goods), 2)


def sample_fingerprints(bucket: Bucket, found: Candidates, at: Ints) -> npt.NDArray[np.void]:
    """Of prompt, text and label: the same words are another example under another prompt, and the opposite one where
    they are given as wrong."""
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
    # Another mixing than that of texts, so that prompt and text are no symmetric pair.
    return shingles.mix(exact)[codes], np.concatenate(parts)[codes]


def rl_pool(bucket: Bucket, rates: Mapping[tuple[str, str], Mapping[str, Json]]) -> BucketResult:
    """Problems in the pass-rate band; the funnel counts problems."""
    settings, table = bucket.settings, bucket.table
    bucket.funnel = Counter({name: number for name, number in bucket.funnel.items() if name == "bad_row"})
    contaminated = bucket.drop_contaminated_prompts()
    bucket.funnel = Counter({name: number for name, number in bucket.funnel.items() if name == "bad_row"})
    tokens = bucket.tokens
    rounds = table["round"].to_numpy()
    rows: list[dict[str, Json]] = []
    firsts: list[int] = []
    for problem in bucket.problems:
        span = slice(problem.first, problem.stop)
        row = {name: table[name][problem.first].as_py() for name in RL_COLUMNS}
        if name := contaminated.get(problem.first):
            bucket.funnel[name] += 1
            continue
        if not bucket.alive[span].any():
            bucket.funnel["not_selected"] += 1
            continue
        runs = dict.fromkeys(table["run_id"].slice(problem.first, problem.stop - problem.first).to_pylist())
        estimate = pooled_rate([rates[run, row["problem_id"]] for run in runs if (run, row["problem_id"]) in rates])
        if estimate is None:
            bucket.funnel["no_pass_rate"] += 1
            continue
        if not settings.rl.low <= estimate["pass_rate"] <= settings.rl.high:
            bucket.funnel["pass_rate_outside"] += 1
            continue
        verified = np.flatnonzero((bucket.status[span] == "verified") & (rounds[span] == 0)) + problem.first
        lengths = [int(length) for length in tokens[verified]]
        built = chats.rl_row(
            settings.layout,
            {
                **row,
                **estimate,
                "mgpo_weight": selection.mgpo_weight(estimate["pass_rate"], settings.rl.mgpo_gamma),
                "verified_lengths": lengths,
                "long2short_rewards": selection.long2short(lengths, settings.rl.long2short),
            },
            settings.rl.data_source,
        )
        if built is None:
            bucket.funnel["no_scorer"] += 1
            continue
        bucket.funnel["exported"] += 1
        rows.append(built)
        firsts.append(problem.first)
    exact, signatures = prompt_features(table["prompt"].combine_chunks().take(pa.array(firsts, pa.int64())))
    return result(bucket, chats.rl_table(settings.layout, rows), fingerprints(exact, signatures), 1)


RL_COLUMNS = ["problem_id", "run_id", "kind", "domain", "source", "split", "reference", "messages"]


def pooled_rate(estimates: list[Mapping[str, Json]]) -> dict[str, Json] | None:
    """The mean of the runs' unbiased estimates, unbiased itself; its interval is the mean of theirs, which covers at
    least as often. Runs without an unbiased estimate are left out; None when no run has one."""
    known = [estimate for estimate in estimates if estimate["pass_rate"] is not None]
    if not known:
        return None
    pooled: dict[str, Json] = {
        name: float(np.mean([estimate[name] for estimate in known]))
        for name in ("pass_rate", "pass_rate_low", "pass_rate_high")
        if all(estimate[name] is not None for estimate in known)
    }
    counts = {name: sum(estimate[name] for estimate in known) for name in ("num_samples", "num_verified")}
    return {"pass_rate_low": None, "pass_rate_high": None, **pooled, **counts}


def step_labels(bucket: Bucket, found: Candidates) -> BucketResult:
    """`prm`: samples whose evidence says step by step what is right."""
    steps: dict[int, tuple[list[str], list[bool]]] = {}
    missing = np.zeros(len(bucket.table), bool)
    for position, row in enumerate(found.at.tolist()):
        if not bucket.alive[row]:
            continue
        evidence = bucket.table["evidence"][row].as_py()
        labelled = steps_of.read_steps(evidence) or steps_of.lean_steps(found.texts[position].as_py(), evidence)
        if labelled is None:
            missing[row] = True
        else:
            steps[position] = labelled
    bucket.drop(missing, "no_step_evidence")
    picked = [np.zeros(0, np.int64)]
    for _, members in bucket.members(found):
        range_ = np.arange(members.start, members.stop)
        # A right and a wrong text that are nearly the same teach where they part.
        either = [spread(bucket, found, range_, status)[0] for status in ("verified", "refuted")]
        chosen = np.sort(np.concatenate(either))
        picked.append(choose(bucket, found, chosen, selection.similarities(found.signatures[chosen]), None))
    at = np.sort(np.concatenate(picked))
    rows = found.at[at]
    leave(bucket, rows, "not_chosen")
    table = chats.prm_table(bucket.table.take(pa.array(rows)), [steps[position] for position in at.tolist()])
    return result(bucket, table, sample_fingerprints(bucket, found, at), 1)


def result(bucket: Bucket, table: pa.Table, prints: npt.NDArray[np.void], rows_each: int) -> BucketResult:
    return BucketResult(table, prints, rows_each, bucket.funnel, bucket.hits, bucket.clusters)
