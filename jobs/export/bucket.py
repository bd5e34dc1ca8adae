"""Second half of an export: the problems of one bucket, from rows to the chosen training examples.

Every row of a bucket leaves through exactly one counter of the funnel: `exported`, or the name of what stopped it. The
order is the order of the checks below, so a row is counted under the first that it fails.

Promises: deterministic, whatever the number of processes and the order of the files.
Does not: see other buckets; duplicates across problems are the parent's (jobs.export.pipeline).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from jobs.export import formats, gates, selection, shingles
from jobs.export import steps as steps_of
from jobs.export.contamination import ContaminationIndex, Hit
from jobs.export.duplicates import fingerprints
from jobs.export.settings import ExportSettings
from jobs.export.spill import TEXT_STATUSES

Json = Any
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

CLUSTER_SIMILARITY = 0.5
"""Verified solutions that share at least half of their shingles are one cluster of the diversity figures."""
MAX_HITS_KEPT = 1000
"""Contamination hits reported by one bucket; all are counted."""


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


@dataclasses.dataclass(slots=True)
class Problem:
    """The rows of one problem, as positions in the bucket's table."""

    first: int
    stop: int
    kind: str
    domain: str
    reference: str
    num_verified: int


class Candidates:
    """Features of the rows whose texts are looked at. `at[i]` is the row of candidate i."""

    def __init__(self, table: pa.Table, rows: Ints, index: ContaminationIndex | None) -> None:
        self.at = rows
        self.texts: pa.Array = table["text"].combine_chunks().take(pa.array(rows))
        count = len(rows)
        self.num_tokens = np.zeros(count, np.int64)
        self.repeated = np.zeros(count)
        self.signatures = np.zeros((count, shingles.NUM_HASHES), np.uint32)
        self.hits: dict[int, Hit] = {}
        for start, chunk in shingles.chunks(self.texts):
            normalised = shingles.normalise(chunk)
            tokens = shingles.tokenize(normalised)
            grams = shingles.ngrams(tokens, shingles.SHINGLE)
            stop = start + len(chunk)
            self.num_tokens[start:stop] = tokens.counts()
            self.repeated[start:stop] = shingles.repeated_share(grams)
            self.signatures[start:stop] = shingles.signatures(grams)
            if index is not None:
                for text, hit in index.find_in_chunk(normalised, tokens.words(), "text"):
                    self.hits.setdefault(start + text, hit)

    def exact_hashes(self) -> npt.NDArray[np.uint64]:
        return text_hashes(self.texts)


def text_hashes(texts: pa.Array) -> npt.NDArray[np.uint64]:
    """64-bit hash of each text, up to white space at its ends. Other white space is left to the near duplicates."""
    stripped = pc.utf8_trim_whitespace(texts).cast(pa.binary()).to_pylist()
    digests = b"".join(hashlib.blake2b(text, digest_size=8).digest() for text in stripped)
    return np.frombuffer(digests, ">u8").astype(np.uint64)


class Bucket:
    """The rows of one bucket in a fixed order, and the state of the funnel."""

    def __init__(self, table: pa.Table, settings: ExportSettings, index: ContaminationIndex | None) -> None:
        self.settings = settings
        self.index = index
        self.funnel: Counter[str] = Counter()
        self.hits: list[dict[str, Json]] = []
        self.clusters: dict[str, list[int]] = {}
        self.table, self.problem_of = in_order(table)
        self.alive = np.ones(len(self.table), bool)
        self.status = self.table["status"].to_numpy(zero_copy_only=False)
        self.drop(repeated_identities(self.table, self.problem_of), "repeated_identity")
        self.problems = list(self._problems())

    def drop(self, mask: Bools, name: str) -> None:
        """Rows still alive and in `mask` leave under `name`."""
        leaving = self.alive & mask
        if number := int(leaving.sum()):
            self.funnel[name] += number
            self.alive &= ~leaving

    def _problems(self) -> Iterator[Problem]:
        starts = np.flatnonzero(np.diff(self.problem_of, prepend=-1))
        stops = np.append(starts[1:], len(self.problem_of))
        facts = self.table.select(["kind", "domain", "reference"]).take(pa.array(starts)).to_pydict()
        verified: Any = np.add.reduceat((self.status == "verified") & self.alive, starts) if len(starts) else []
        for at, (first, stop) in enumerate(zip(starts.tolist(), stops.tolist(), strict=True)):
            yield Problem(
                first, stop, facts["kind"][at], facts["domain"][at], facts["reference"][at], int(verified[at])
            )

    def keep_only(self) -> None:
        """The user's own restrictions."""
        select = self.settings.select
        for name, allowed in (("kind", select.kinds), ("domain", select.domains), ("split", select.splits)):
            if allowed:
                inside = pc.is_in(self.table[name], value_set=pa.array(allowed, pa.string()))
                self.drop(~inside.to_numpy(), f"{name}_not_selected")

    def drop_unusable(self) -> None:
        """Rows without a text that this format may use, counted by status."""
        aborted = self.table["status"].is_null().to_numpy()
        self.drop(aborted, "aborted")
        usable = TEXT_STATUSES[self.settings.format]
        for status in sorted({str(value) for value in set(self.status[self.alive])} - set(usable)):
            self.drop(self.status == status, f"status_{status}")
        self.drop(self.table["text"].is_null().to_numpy(), "aborted")
        select = self.settings.select
        if select.tiers:
            inside = pc.is_in(self.table["tier"], value_set=pa.array(select.tiers, pa.string())).to_numpy()
            self.drop((self.status == "verified") & ~inside, "tier_not_selected")
        if select.audits:
            inside = pc.is_in(self.table["audit"], value_set=pa.array(select.audits, pa.string())).to_numpy()
            self.drop((self.status == "verified") & ~inside, "audit_not_selected")
        if self.settings.gates.vacuous:
            self.drop(self.table["vacuous"].to_numpy(), "vacuous")
        if not select.repairs:
            self.drop(self.table["round"].to_numpy() > 0, "repair_round")
        tokens = self.table["completion_tokens"].to_numpy()
        if select.min_tokens:
            self.drop(tokens < select.min_tokens, "too_short")
        if select.max_tokens:
            self.drop(tokens > select.max_tokens, "too_long")
        if self.settings.gates.truncated:
            self.drop(self.table["finish_reason"].to_numpy(zero_copy_only=False) != "stop", "truncated")

    def drop_contaminated_prompts(self) -> dict[int, str]:
        """Drops them, and returns under which name by the problem's first row."""
        names: dict[int, str] = {}
        if self.index is None or not self.problems:
            return names
        firsts = [problem.first for problem in self.problems if self.alive[problem.first : problem.stop].any()]
        prompts = self.table["prompt"].combine_chunks().take(pa.array(firsts, pa.int64()))
        found = self.index.find(prompts, "prompt")
        at_row = dict(zip(firsts, range(len(firsts)), strict=True))
        mask = {
            "contaminated_prompt": np.zeros(len(self.table), bool),
            "leaked_answer": np.zeros(len(self.table), bool),
        }
        for problem in self.problems:
            if problem.first not in at_row:
                continue
            name, hit = "contaminated_prompt", found.get(at_row[problem.first])
            if hit is None and self.settings.decontaminate.answer_chars:
                answer = json.loads(problem.reference).get("answer")
                name, hit = "leaked_answer", self.index.find_answer(answer) if isinstance(answer, str) else None
            if hit is not None:
                mask[name][problem.first : problem.stop] = True
                names[problem.first] = name
                self.report(problem.first, hit, sample=False)
        for name, rows in mask.items():
            self.drop(rows, name)
        return names

    def report(self, row: int, hit: Hit, sample: bool) -> None:
        if len(self.hits) < MAX_HITS_KEPT:
            index = self.table["sample_index"][row].as_py() if sample else None
            where = {"problem_id": self.table["problem_id"][row].as_py(), "run_id": self.table["run_id"][row].as_py()}
            self.hits.append({**where, "sample_index": index, **dataclasses.asdict(hit)})

    def candidates(self) -> Candidates:
        """Applies the gates that need the texts. Rows that pass stay alive."""
        settings = self.settings.gates
        searched = self.index if self.settings.decontaminate.solutions else None
        found = Candidates(self.table, np.flatnonzero(self.alive), searched)
        mask = np.zeros(len(found.at), bool)

        def drop(name: str) -> None:
            rows = np.zeros(len(self.table), bool)
            rows[found.at[mask]] = True
            self.drop(rows, name)

        mask[list(found.hits)] = True
        for at in sorted(found.hits):
            self.report(int(found.at[at]), found.hits[at], sample=True)
        drop("contaminated_text")
        if settings.truncated:
            thinking = pc.match_substring(found.texts, "<think>").to_numpy(zero_copy_only=False)
            mask[:] = False
            for at in np.flatnonzero(thinking):
                mask[at] = gates.is_truncated(found.texts[int(at)].as_py(), "stop")
            drop("truncated")
        mask = gates.is_loop(found.repeated, found.num_tokens, settings)
        drop("loop")
        mask = np.zeros(len(found.at), bool)
        if settings.foreign_share < 1:
            for at in np.flatnonzero(~pc.string_is_ascii(found.texts).to_numpy(zero_copy_only=False)):
                prompt = self.table["prompt"][int(found.at[at])].as_py()
                mask[at] = gates.is_mixed(found.texts[int(at)].as_py(), prompt, settings.foreign_share)
        drop("language_mixing")
        for problem, members in self.members(found):
            tokens = found.num_tokens[members]
            verified = self.status[found.at[members]] == "verified"
            mask[members] = verified & gates.is_answer_only(problem.kind, tokens, settings)
        drop("answer_without_work")
        mask[:] = False
        for problem, members in self.members(found):
            if problem.num_verified < settings.luck_agreement:
                guessable = gates.is_guessable(problem.kind, problem.reference, settings)
                luck = gates.is_luck(guessable, problem.num_verified, found.num_tokens[members], settings)
                mask[members] = luck & (self.status[found.at[members]] == "verified")
        drop("luck")
        return self._without_exact_duplicates(found)

    def members(self, found: Candidates) -> Iterator[tuple[Problem, slice]]:
        """Candidates of each problem, as a range; problems without any are left out."""
        stops = np.searchsorted(found.at, [problem.stop for problem in self.problems])
        start = 0
        for problem, stop in zip(self.problems, stops.tolist(), strict=True):
            if stop > start:
                yield problem, slice(start, stop)
            start = stop

    def _without_exact_duplicates(self, found: Candidates) -> Candidates:
        alive = self.alive[found.at]
        hashes = found.exact_hashes()
        self.exact = hashes
        order = np.lexsort((found.at, hashes, self.problem_of[found.at], ~alive))
        at = found.at[order]
        same = (
            (hashes[order][1:] == hashes[order][:-1])
            & (self.problem_of[at][1:] == self.problem_of[at][:-1])
            & (self.status[at][1:] == self.status[at][:-1])
            & alive[order][1:]
            & alive[order][:-1]
        )
        rows = np.zeros(len(self.table), bool)
        rows[at[1:][same]] = True
        self.drop(rows, "duplicate")
        return found


def in_order(table: pa.Table) -> tuple[pa.Table, Ints]:
    """Rows by problem, run and sample index, and the number of each row's problem.

    A problem is an id with its kind, prompt and reference: two runs may have used the same id for different things.
    """
    keys = [ranks(table[name]) for name in ("problem_id", "kind", "prompt", "reference")]
    index = table["sample_index"].to_numpy()
    order = np.lexsort((index, ranks(table["run_id"]), *reversed(keys)))
    new = np.zeros(len(order), bool)
    for key in keys:
        new[1:] |= np.diff(key[order]) != 0
    return table.take(pa.array(order)).combine_chunks(), np.cumsum(new)


def ranks(column: pa.ChunkedArray) -> Ints:
    """The rank of each value among the distinct values."""
    encoded = column.combine_chunks().dictionary_encode()
    order = pc.array_sort_indices(encoded.dictionary).to_numpy()
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return rank[encoded.indices.to_numpy(zero_copy_only=False)]


def repeated_identities(table: pa.Table, problem_of: Ints) -> Bools:
    """Rows whose (run, problem, sample index) is that of the row before: the same run given twice."""
    index, run = table["sample_index"].to_numpy(), ranks(table["run_id"])
    repeated = np.zeros(len(table), bool)
    repeated[1:] = (np.diff(problem_of) == 0) & (np.diff(index) == 0) & (np.diff(run) == 0)
    return repeated


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
    checks: dict[str, Callable[[str], object]] = {"messages": formats.parse_chat, "reference": parse_reference}
    for name, check in checks.items():
        encoded = table[name].combine_chunks().dictionary_encode()
        bad = []
        for code, text in enumerate(encoded.dictionary.to_pylist()):
            try:
                check(text)
            except formats.BadRow as fault:
                if not settings.work.skip_bad:
                    row = encoded.indices.index(code).as_py()
                    run, problem, sample = (table[key][row].as_py() for key in ("run_id", "problem_id", "sample_index"))
                    raise formats.BadRow(
                        f"run {run}, problem {problem}, sample {sample}: {fault}; --skip-bad leaves such rows out"
                    )
                bad.append(code)
        good &= ~np.isin(encoded.indices.to_numpy(zero_copy_only=False), bad)
    if not good.all():
        funnel["bad_row"] += int((~good).sum())
        table = table.filter(pa.array(good))
    return table


def parse_reference(text: str) -> dict[str, Json]:
    try:
        reference = json.loads(text)
    except ValueError:
        reference = None
    if not isinstance(reference, dict):
        raise formats.BadRow(f"reference: expected a JSON object, got {text[:200]!r}")
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
    lengths = bucket.table["completion_tokens"].to_numpy()[rows].astype(np.int64)
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
    tokens = bucket.table["completion_tokens"].to_numpy()
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
        table = formats.kto_table(taken, reward)
    else:
        table = formats.sft_table(bucket.settings.layout, taken, reward)
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
    tokens = bucket.table["completion_tokens"].to_numpy()
    prompts = ranks(bucket.table["messages"]) if len(bucket.table) else np.zeros(0, np.int64)
    logprobs = hardness(bucket)
    for problem, members in bucket.members(found):
        range_ = np.arange(members.start, members.stop)
        good, matrix = spread(bucket, found, range_, "verified")
        count_clusters(bucket, problem, len(good), matrix)
        bad, _ = spread(bucket, found, range_, "refuted")
        left = settings.select.per_problem
        # Both answers of a pair were given to the very same messages.
        for prompt in np.unique(prompts[found.at[bad]]):
            g, b = good[prompts[found.at[good]] == prompt], bad[prompts[found.at[bad]] == prompt]
            chosen = selection.pairs(
                tokens[found.at[g]], tokens[found.at[b]], logprobs[found.at[b]], left, settings.preference.length_ratio
            )
            left -= len(chosen)
            good_at += [int(g[first]) for first, _ in chosen]
            bad_at += [int(b[second]) for _, second in chosen]
    goods, bads = np.array(good_at, np.int64), np.array(bad_at, np.int64)
    leave(bucket, found.at[np.concatenate([goods, bads])], "unpaired")
    chosen_rows, rejected_rows = (bucket.table.take(pa.array(found.at[at])) for at in (goods, bads))
    table = formats.preference_table(settings.layout, chosen_rows, rejected_rows, {})
    return result(bucket, table, sample_fingerprints(bucket, found, goods), 2)


def sample_fingerprints(bucket: Bucket, found: Candidates, at: Ints) -> npt.NDArray[np.void]:
    """Of prompt and text together: the same words are another example under another prompt."""
    prompts = bucket.table["prompt"].combine_chunks().take(pa.array(found.at[at]))
    exact, signatures = prompt_features(prompts)
    # The signature of a union of sets is the minimum of their signatures.
    return fingerprints(shingles.mix(exact ^ bucket.exact[at]), np.minimum(signatures, found.signatures[at]))


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
    tokens = table["completion_tokens"].to_numpy()
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
        built = formats.rl_row(
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
    return result(bucket, formats.rl_table(settings.layout, rows), fingerprints(exact, signatures), 1)


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
    rows: list[int] = []
    at: list[int] = []
    steps: list[tuple[list[str], list[bool]]] = []
    missing = np.zeros(len(bucket.table), bool)
    taken: Counter[int] = Counter()
    for position, row in enumerate(found.at.tolist()):
        if not bucket.alive[row]:
            continue
        evidence = bucket.table["evidence"][row].as_py()
        labelled = steps_of.read_steps(evidence) or steps_of.lean_steps(found.texts[position].as_py(), evidence)
        if labelled is None:
            missing[row] = True
        elif taken[int(bucket.problem_of[row])] < bucket.settings.select.per_problem:
            taken[int(bucket.problem_of[row])] += 1
            rows.append(row)
            at.append(position)
            steps.append(labelled)
    bucket.drop(missing, "no_step_evidence")
    leave(bucket, np.array(rows, np.int64), "not_chosen")
    table = formats.prm_table(bucket.table.take(pa.array(rows, pa.int64())), steps)
    return result(bucket, table, sample_fingerprints(bucket, found, np.array(at, np.int64)), 1)


def result(bucket: Bucket, table: pa.Table, prints: npt.NDArray[np.void], rows_each: int) -> BucketResult:
    return BucketResult(table, prints, rows_each, bucket.funnel, bucket.hits, bucket.clusters)
