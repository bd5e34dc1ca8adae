"""`problems.parquet`: one row per problem, computed from the durable samples alone.

Promises: a pure function of the committed sample rows (running it twice gives the same rows), so a crash before, during
or after it loses nothing; estimates follow workers.sampling.estimates and are null where no unbiased one exists;
memory is bounded by BUCKET_ROWS samples at a time, further rows wait in a temporary file on the local disk.
Does not: list problems that have no row at all, or give its rows in a particular order.
Fails with StoredRunError or StorageError.
"""

from __future__ import annotations

import bisect
import dataclasses
import io
import itertools
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from jobs.report.variants import VariantCounts, stopped_of
from runstore.buckets import encoded_schema, whole_problems
from runstore.durable import ANSWER_COLUMNS, with_agreement
from runstore.errors import StoredRunError
from runstore.layout import PROBLEMS
from runstore.reader import num_rows, read_batches
from runstore.schema import PROBLEM_SCHEMA, solution_key
from runstore.storage import Storage, open_storage
from verifiers.types import Status
from workers.sampling import estimates
from workers.sampling.agreement import AgreementRule
from workers.sampling.estimates import Stopped
from workers.sampling.plan import AGREED, EXHAUSTED, Plan
from workers.sampling.problem_state import OUTCOME_OF_STATUS, SOLUTIONS, SampleOutcome
from workers.sampling.votes import Placed, replayed

BUCKET_ROWS = 2_000_000
"""Number of samples sorted in memory at once, about 60 bytes each."""
FLUSH_ROWS = 50_000
DIFFICULTY_CHARS = 40
"""Longest difficulty that is kept, in characters. It comes from a problem file and heads a table row."""

_COLUMNS = [
    *("run_id", "problem_id", "kind", "domain", "source", "split", "stopping_rule", "sample_index", "round", "status"),
    *("prompt_tokens", "completion_tokens", "generation_s", "verify_s", "meta", "variant"),
]
_STATUSES = tuple(Status)


class StageEnd(NamedTuple):
    """What came of one stage of a problem's cascade."""

    pool: str
    stopped: Stopped | None
    settled: str
    """Empty: it was not sampled to its plan's end, or never opened."""
    is_solved: bool


@dataclasses.dataclass(frozen=True, slots=True)
class ProblemResult:
    """A row of PROBLEM_SCHEMA and the counts behind its estimates (None where there is no unbiased estimate)."""

    row: dict[str, Any]
    stopped: Stopped | None
    difficulty: str = ""
    """`meta.difficulty` or `meta.level` of the problem, where its set has one."""
    variants: tuple[VariantCounts, ...] = ()
    """What each variant drew, in the order of first indices, where its samples were dealt to several. `stopped` is None
    then: pass@k of a mixture would be none of any of them."""
    stages: tuple[StageEnd, ...] = ()
    """What came of each stage of its cascade; `stopped` is that of the first one. Empty without a cascade."""
    audited: bool = False
    """Whether it went through every stage, whatever came out."""
    keyless: bool = False
    """Whether the problem has no answer key: it is neither solved nor unsolved."""


class ProblemsTable:
    """Builds `problems.parquet` for code that goes through a run's problems anyway."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._sink = io.BytesIO()
        self._writer = pq.ParquetWriter(self._sink, PROBLEM_SCHEMA, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._written = 0

    def add(self, result: ProblemResult) -> None:
        self._rows.append(result.row)
        if len(self._rows) == FLUSH_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(pa.Table.from_pylist(self._rows, PROBLEM_SCHEMA))
        self._written += len(self._rows)
        self._rows.clear()

    def write(self) -> int:
        """Makes the file visible beside the samples; returns its number of rows."""
        self._flush()
        self._writer.close()
        self._storage.replace(PROBLEMS, self._sink.getvalue())
        return self._written


def write_problems_table(run_uri: str, ended: str = "open", bucket_rows: int = BUCKET_ROWS) -> int:
    """Writes `problems.parquet` beside the samples and returns its number of rows.

    `ended` is stored for problems that no plan settled: `budget` if a ceiling ended the run, `endpoint lost` if the
    loss of a remote model did, else `open`.
    """
    storage = open_storage(run_uri)
    table = ProblemsTable(storage)
    for result in iter_problems(storage, ended, bucket_rows):
        table.add(result)
    return table.write()


def iter_problems(storage: Storage, ended: str = "open", bucket_rows: int = BUCKET_ROWS) -> Iterator[ProblemResult]:
    """Every problem that has a committed sample."""
    for table in whole_problems(_narrow_batches(storage), _NARROW, num_rows(storage), bucket_rows):
        yield from _problems_of(table, storage, ended)


_NARROW = pa.schema(
    [
        *((name, pa.string()) for name in ("run_id", "problem_id", "kind", "domain", "source", "split")),
        *(("stopping_rule", pa.string()), ("sample_index", pa.int32()), ("round", pa.int16())),
        *(("status", pa.int8()), ("prompt_tokens", pa.int32()), ("completion_tokens", pa.int32())),
        *(("generation_s", pa.float64()), ("verify_s", pa.float64()), ("key", pa.uint64())),
        *(("meta", pa.string()), ("variant", pa.string()), ("placed", pa.string())),
    ]
)
_ENCODED = encoded_schema(_NARROW)


def _narrow_batches(storage: Storage) -> Iterator[pa.RecordBatch]:
    """The columns needed for counting, with statuses as outcomes; texts as keys where a rule counts distinct ones."""
    rules = {
        rule for _, batch in read_batches(storage, ["stopping_rule"]) for rule in batch.column(0).dictionary.to_pylist()
    }
    distinct = any(counts_distinct(json.loads(rule)) for rule in rules)
    agreement = any(looks_at_agreement(json.loads(rule)) for rule in rules)
    extra = [*(["text"] if distinct else []), *(ANSWER_COLUMNS if agreement else [])]
    for _, batch in read_batches(storage, [*_COLUMNS, *extra]):
        columns: dict[str, Any] = {name: batch.column(name) for name in _COLUMNS}
        columns["status"] = _outcomes(columns["status"])
        texts = batch.column("text").to_pylist() if distinct else []
        keys = [solution_key(text or "") for text in texts] if distinct else np.zeros(batch.num_rows, np.uint64)
        columns["key"] = pa.array(keys, pa.uint64())
        columns["placed"] = _placed(batch) if agreement else pa.nulls(batch.num_rows, pa.string())
        yield pa.record_batch([columns[f.name].cast(f.type) for f in _ENCODED], schema=_ENCODED)


def _outcomes(statuses: pa.DictionaryArray) -> pa.Array:
    """Statuses as outcomes; an aborted sample has none."""
    known = [OUTCOME_OF_STATUS[name] for name in statuses.dictionary.to_pylist()] + [SampleOutcome.ABORTED]
    codes = statuses.indices.fill_null(len(known) - 1).to_numpy()
    return pa.array(np.array(known, np.int8)[codes])


def _problems_of(table: pa.Table, storage: Storage, ended: str) -> Iterator[ProblemResult]:
    """Problems whose rows are all in `table`. Whole columns are summed at once; only plans are applied one by one."""
    encoded = table.cast(_ENCODED).unify_dictionaries().combine_chunks()
    ids = encoded["problem_id"].chunk(0)
    codes = ids.indices.to_numpy()
    index = encoded["sample_index"].to_numpy()
    order = np.lexsort((index, codes))
    codes, index = codes[order], index[order]
    again = np.flatnonzero((codes[1:] == codes[:-1]) & (index[1:] == index[:-1]))
    if len(again):
        problem_id = ids.dictionary[int(codes[again[0]])]
        raise StoredRunError(f"{storage.uri}: problem {problem_id} has a sample that is committed twice")
    starts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])

    def column(name: str) -> np.ndarray:
        return np.asarray(encoded[name].to_numpy()[order])

    def totals(values: np.ndarray) -> list[Any]:
        sums: list[Any] = np.add.reduceat(values, starts).tolist()
        return sums

    status, tokens = column("status"), column("completion_tokens").astype(np.int64)
    aborted = status == SampleOutcome.ABORTED
    counted = {f"num_{name}": totals((status == OUTCOME_OF_STATUS[name]).astype(np.int64)) for name in _STATUSES}
    counted["num_aborted"] = totals(aborted.astype(np.int64))
    counted["prompt_tokens"] = totals(column("prompt_tokens").astype(np.int64))
    counted["completion_tokens"] = totals(tokens)
    counted["aborted_tokens"] = totals(np.where(aborted, tokens, 0))
    counted["generation_s"] = totals(column("generation_s"))
    counted["verify_s"] = totals(np.nan_to_num(column("verify_s")))
    firsts = encoded.select(_OF_PROBLEM).take(pa.array(order[starts])).to_pylist()
    samples: list[Any] = [values.tolist() for values in (index, column("round"), status, column("key"), tokens)]
    variant = encoded["variant"].chunk(0)
    names = [*variant.dictionary.to_pylist(), ""]
    samples.append(variant.indices.fill_null(len(names) - 1).to_numpy()[order].tolist())
    placed = encoded["placed"].chunk(0)
    texts = np.array([*placed.dictionary.to_pylist(), ""], dtype=object)
    samples.append(texts[placed.indices.fill_null(len(texts) - 1).to_numpy()[order]].tolist())
    ends = [*starts[1:].tolist(), len(codes)]
    for number, (start, end) in enumerate(zip(starts.tolist(), ends, strict=True)):
        sums = {name: values[number] for name, values in counted.items()}
        of_problem = _Samples(*(values[start:end] for values in samples))
        yield _result(firsts[number], sums, of_problem, ended, names)


_OF_PROBLEM = ["run_id", "problem_id", "kind", "domain", "source", "split", "stopping_rule", "meta"]


class _Samples(NamedTuple):
    """One problem's samples by ascending index."""

    indices: list[int]
    rounds: list[int]
    outcomes: list[int]
    keys: list[int]
    tokens: list[int]
    variants: list[int]
    """Places of their names."""
    placed: list[str]
    """Where the answers to a problem without an answer key belong; empty for any other sample."""

    def within(self, start: int, stop: int) -> _Samples:
        """Those of one stage, numbered from 0."""
        part = slice(bisect.bisect_left(self.indices, start), bisect.bisect_left(self.indices, stop))
        others: list[Any] = [values[part] for values in self[1:]]
        return _Samples([index - start for index in self.indices[part]], *others)


def _placed(batch: pa.RecordBatch) -> pa.Array:
    """What each row says of where its answer belongs, and the answer."""
    table = with_agreement(pa.Table.from_batches([batch.select(["status", *ANSWER_COLUMNS])]))
    pairs = zip(table["agreement"].to_pylist(), table["extracted_answer"].to_pylist(), strict=True)
    texts = [json.dumps({**json.loads(text), "answer": answer or ""}) if text else None for text, answer in pairs]
    return pa.array(texts, pa.string())


def looks_at_agreement(rule: dict[str, Any]) -> bool:
    """Whether any stage of a stored rule ends where answers agree."""
    return any("agreement" in plan for plan in (rule, *rule.get("stages", ())))


def is_keyless(row: Mapping[str, Any]) -> bool:
    """Whether the problem of a row of `problems.parquet` has no answer key. Its samples may all be errors, so the
    stopping rule says it too."""
    return row["num_unchecked"] > 0 or _is_keyless_rule(row["stopping_rule"])


@lru_cache(maxsize=65536)
def _is_keyless_rule(rule: str) -> bool:
    return bool(json.loads(rule or "{}").get("keyless"))


def counts_distinct(rule: dict[str, Any]) -> bool:
    """Whether any stage of a stored rule counts solutions with different texts only."""
    return any(plan.get("distinct") for plan in (rule, *rule.get("stages", ())))


@lru_cache(maxsize=65536)
def read_rule(rule: str) -> tuple[dict[str, Any], Plan]:
    """A stored `stopping_rule` and the plan in it."""
    row = json.loads(rule)
    return row, Plan.from_json(row)


@lru_cache(maxsize=65536)
def _difficulty(meta: str) -> str:
    fields = json.loads(meta) if meta else {}
    value = fields.get("difficulty", fields.get("level", "")) if isinstance(fields, dict) else ""
    return str(value)[:DIFFICULTY_CHARS] if isinstance(value, str | int | float) else ""


@lru_cache(maxsize=65536)
def _pass_rate(stopped: Stopped) -> estimates.Estimate:
    return estimates.pass_rate(stopped)


def _result(
    first: dict[str, Any], sums: dict[str, Any], samples: _Samples, ended: str, names: Sequence[str]
) -> ProblemResult:
    rule, plan = read_rule(first["stopping_rule"])
    keyless = bool(rule.get("keyless")) or sums["num_unchecked"] > 0
    is_mixed = rule.get("variants", 1) > 1 and not keyless
    replayed: Stopped | None = None
    if stages := _stage_ends(rule, samples):
        stopped, settled = stages[0].stopped, settled_by(stages)
    else:
        replayed, settled, _ = _end_of(rule, plan, samples)
        stopped = None if is_mixed else replayed
    if keyless:  # what its samples are worth is not known, so nothing follows from them
        stopped = None
        stages = tuple(stage._replace(stopped=None) for stage in stages)
    estimate = _pass_rate(stopped) if stopped else None
    row = {
        **{name: first[name] for name in ("run_id", "problem_id", "kind", "domain", "source", "split")},
        **sums,
        "solved": sums["num_verified"] > 0,
        "num_samples": sum(sums[f"num_{name}"] for name in _STATUSES),
        "stopping_rule": first["stopping_rule"],
        "settled": settled or ended,
        "settled_at_index": stopped.num_samples - 1 if stopped else None,
        "settled_verified": stopped.solutions if stopped else None,
        "settled_first_try": stopped.first_try if stopped else None,
        "pass_rate": estimate.value if estimate else None,
        "pass_rate_low": estimate.low if estimate else None,
        "pass_rate_high": estimate.high if estimate else None,
        "estimator": stopped.method if stopped else estimates.NONE,
    }
    looks = bool(plan.num_verified or plan.give_up)
    known = _chains(plan, samples)[0] if is_mixed and replayed and not looks else None
    variants = _variant_counts(plan, samples, names, known) if is_mixed else ()
    audited = bool(rule.get("audit"))
    return ProblemResult(row, stopped, _difficulty(first["meta"]), variants, stages, audited, keyless)


def _variant_counts(
    plan: Plan, samples: _Samples, names: Sequence[str], outcomes: list[int] | None
) -> tuple[VariantCounts, ...]:
    """What each variant drew, in the order of first indices. `outcomes` by index where all of them are known and their
    number was fixed before the first: only then does anything follow from them for one variant alone."""
    rows: dict[int, list[int]] = {}
    for at, variant in enumerate(samples.variants):
        rows.setdefault(variant, []).append(at)
    found = []
    for variant, places in rows.items():
        statuses = [samples.outcomes[at] for at in places]
        bases = sorted({samples.indices[at] % plan.num_samples for at in places})
        found.append(
            VariantCounts(
                names[variant],
                sum(status != SampleOutcome.ABORTED for status in statuses),
                statuses.count(SampleOutcome.VERIFIED),
                sum(samples.tokens[at] for at in places),
                stopped_of([outcomes[base] for base in bases]) if outcomes else None,
            )
        )
    return tuple(found)


def _end_of(rule: dict[str, Any], plan: Plan, samples: _Samples) -> tuple[Stopped | None, str, bool]:
    """Where a plan stopped, how it was settled, and whether with a solution."""
    if not samples.indices:
        return None, "", False
    if plan.agreement is not None:
        settled = _agreement_of(plan.agreement, samples)
        return None, settled, settled == AGREED
    outcomes, keys = _chains(plan, samples)
    unbiased = rule.get("estimates") == "unbiased"
    stopped = estimates.replay(plan, outcomes, keys) if unbiased else None
    if stopped:
        return stopped, stopped.why, stopped.solutions > 0
    settled = _settled_anyhow(plan, outcomes, keys, unbiased)
    return None, settled, any(outcome in SOLUTIONS for outcome in outcomes)


def _agreement_of(rule: AgreementRule, samples: _Samples) -> str:
    """How the answers to a problem without an answer key ended it; empty: they did not."""
    votes = replayed(
        (index, Placed.from_json(json.loads(text), json.loads(text)["answer"]))
        for index, text in zip(samples.indices, samples.placed, strict=True)
        if text
    )
    known = {
        index
        for index, outcome in zip(samples.indices, samples.outcomes, strict=True)
        if outcome != SampleOutcome.ABORTED
    }
    prefix = next(index for index in itertools.count() if index not in known)
    if votes.first_agreement(rule, prefix) > 0:
        return AGREED
    return EXHAUSTED if prefix >= rule.max_samples else ""


def _stage_ends(rule: dict[str, Any], samples: _Samples) -> tuple[StageEnd, ...]:
    """What came of each stage of a cascade; nothing without one."""
    stages = rule.get("stages", [])
    starts = [*(stage["start"] for stage in stages), sys.maxsize]
    return tuple(
        StageEnd(stage["pool"], *_end_of(stage, Plan.from_json(stage), samples.within(start, stop)))
        for stage, start, stop in zip(stages, starts, starts[1:], strict=False)
    )


def settled_by(stages: Sequence[StageEnd]) -> str:
    """How a problem ended that went through these stages; what only the audit asked for has no part in it."""
    for stage in stages:
        if not stage.settled or stage.is_solved:
            return stage.settled
    return stages[-1].settled


def _chains(plan: Plan, samples: _Samples) -> tuple[list[int], dict[int, int]]:
    """Outcome by index of the first attempt; repair rounds of it have that index plus multiples of `num_samples`."""
    if samples.indices[-1] == len(samples.indices) - 1 < plan.num_samples:
        return samples.outcomes, dict(enumerate(samples.keys)) if plan.distinct else {}
    outcomes = [int(SampleOutcome.UNKNOWN)] * (min(samples.indices[-1] + 1, plan.num_samples))
    keys: dict[int, int] = {}
    # Ascending sample index: a chain's rounds come in order.
    for index, round_, outcome, key in zip(*samples[:4], strict=True):
        base = index % plan.num_samples
        if outcomes[base] in SOLUTIONS:
            continue
        outcomes[base] = int(SampleOutcome.REPAIRED) if round_ and outcome == SampleOutcome.VERIFIED else outcome
        keys[base] = key
    return outcomes, keys


def _settled_anyhow(plan: Plan, outcomes: list[int], keys: dict[int, int], unbiased: bool) -> str:
    """How a problem ended by its counts, where index order cannot say: in `fast` mode, or with a hole below its end."""
    known = [
        index for index, outcome in enumerate(outcomes) if outcome not in (SampleOutcome.UNKNOWN, SampleOutcome.ABORTED)
    ]
    solved = [index for index in known if outcomes[index] in SOLUTIONS]
    useful = len({keys[index] for index in solved}) if plan.distinct else len(solved)
    if unbiased and not (plan.num_verified and useful >= plan.num_verified):
        return ""  # whatever is missing may have been decisive
    return plan.stop(useful, len(known) - len(solved), len(known))
