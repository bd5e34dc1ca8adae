"""Finished samples on their way from a generator to verifiers and writers, column by column.

A batch has the columns of `SAMPLE_SCHEMA` up to the verdict, so that a verifier needs nothing but the batch to check
its rows, and a writer nothing but batches and packed verdicts to make a part. Columns are plain lists, packed: a text
that rows share (a problem's own) is in the bytes once, and Arrow, whose cost is per column and not per row, is met once
per part and not per batch. The coordinator passes batches and verdicts on unopened.
"""

from __future__ import annotations

import functools
import json
import operator
import pickle
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from runstore.schema import SAMPLE_SCHEMA, Messages, Provenance, Sample, SampleTokens
from verifiers.types import Json, Limits, Problem, Status, Verdict

VerdictRow = tuple[bytes, int]
"""Packed verdicts (runstore.batches.pack_verdicts) and the index of one among them."""

MAX_ANSWER_CHARS = 2000
"""Longest extracted answer that a row keeps, in characters."""
VERDICT_COLUMNS = (
    "status",
    "reason",
    "evidence",
    "extracted_answer",
    "checker",
    "checker_version",
    "tier",
    "limits",
    "verify_s",
)
SAMPLE_COLUMNS = (
    *("sample_index", "attempt", "round", "parent_sample_index", "text", "finish_reason", "prompt_tokens"),
    *("completion_tokens", "mean_logprob", "thought_tokens", "answer_tokens", "thought_opened_by_prompt"),
    *("thought_closed_by", "variant", "stage", "audited", "seed", "queue_s", "generation_s"),
)
"""Columns that are a `Sample`'s own fields."""
_sample_values = operator.attrgetter(*SAMPLE_COLUMNS)
PROBLEM_COLUMNS = ("problem_id", "kind", "prompt", "reference", "domain", "source", "split", "meta")
"""Columns that `problem_of` needs."""


class PromptColumns(NamedTuple):
    """The columns of a row that its problem fixes, made once per problem and shared by its samples."""

    problem: tuple[str, ...]
    """The problem's columns, in the order of PROBLEM_COLUMNS."""
    messages: str


class BatchRows(NamedTuple):
    """An unpacked batch of finished samples: values that all its rows share, and lists with one value per row."""

    shared: dict[str, Any]
    columns: dict[str, list[Any]]
    tokens: list[SampleTokens | None] | None = None
    """One per row, where the run stores tokens."""


def pack(message: Any) -> bytes:
    """Packs messages and rows of plain values. A message that holds a Reference has to go through Ray's own pickler."""
    return pickle.dumps(message, protocol=5)


def unpack(data: bytes) -> Any:
    """Unpacks a message. Never call it on bytes that come from outside the run's own actors."""
    return pickle.loads(data)


def problem_columns(problem: Problem) -> tuple[str, ...]:
    """The problem's columns, in the order of PROBLEM_COLUMNS."""
    reference = json.dumps(problem.reference, ensure_ascii=False)
    meta = json.dumps(problem.meta, ensure_ascii=False)
    names = problem.domain, problem.source, problem.split
    return (problem.id, str(problem.kind), problem.prompt, reference, *names, meta)


def messages_column(messages: Messages) -> str:
    return json.dumps([{"role": role, "content": content} for role, content in messages], ensure_ascii=False)


def pack_batch(
    samples: Sequence[tuple[str, PromptColumns, Sample]], origin: Provenance, with_tokens: bool = False
) -> bytes:
    """One row per (stopping rule, prompt, sample), in the given order; at least one. The problem is stored as the
    model saw it, with its options in shuffled order if they were shuffled. `with_tokens`: the run stores tokens."""
    shared = {
        "run_id": origin.run_id,
        "pool": origin.pool,
        "sampling": json.dumps(dict(origin.sampling), sort_keys=True),
        "model": origin.model,
        "model_revision": origin.model_revision,
        "engine": origin.engine,
        "engine_version": origin.engine_version,
        "replica": origin.replica,
        "code_revision": origin.code_revision,
        "epoch": origin.epoch,
    }
    columns: dict[str, list[Any]] = {"stopping_rule": [rule for rule, _, _ in samples]}
    problems = zip(*(prompt.problem for _, prompt, _ in samples), strict=True)
    columns |= zip(PROBLEM_COLUMNS, map(list, problems), strict=True)
    if any(sample.model_revision for _, _, sample in samples):
        common = shared.pop("model_revision")
        columns["model_revision"] = [sample.model_revision or common for _, _, sample in samples]
    columns["messages"] = [prompt.messages for _, prompt, _ in samples]
    values = zip(*(_sample_values(sample) for _, _, sample in samples), strict=True)
    columns |= zip(SAMPLE_COLUMNS, map(list, values), strict=True)
    if origin.sampling_of:
        texts = {key: json.dumps(dict(each), sort_keys=True) for key, each in origin.sampling_of.items()}
        common = shared.pop("sampling")
        drawn = [(variant or "", kind) for variant, kind in zip(columns["variant"], columns["kind"], strict=True)]
        columns["sampling"] = [texts.get(key) or texts.get((key[0], ""), common) for key in drawn]
    columns["finished_at"] = [int(sample.finished_at * 1e6) for _, _, sample in samples]
    return pack((shared, columns, [sample.tokens for _, _, sample in samples] if with_tokens else None))


def unpack_batch(data: bytes) -> BatchRows:
    return BatchRows(*unpack(data))


def rows_to_check(batch: BatchRows, rows: Sequence[int]) -> list[tuple[Problem, str, str]]:
    """(problem, text, finish reason) of some rows; rows with the same problem share the object."""
    known: dict[tuple[str, ...], Problem] = {}
    columns = [batch.columns[name] for name in PROBLEM_COLUMNS]
    texts, finish_reasons = batch.columns["text"], batch.columns["finish_reason"]
    found = []
    for row in rows:
        values = tuple(column[row] for column in columns)
        problem = known.get(values)
        if problem is None:
            problem = known[values] = problem_of(dict(zip(PROBLEM_COLUMNS, values, strict=True)))
        found.append((problem, texts[row], finish_reasons[row]))
    return found


def row_of_batch(batch: BatchRows, row: int) -> dict[str, Any]:
    """One row by column name."""
    return {**batch.shared, **{name: values[row] for name, values in batch.columns.items()}}


def problem_of(row: dict[str, object]) -> Problem:
    """The problem of a batch's or a stored run's row."""
    return Problem(
        id=str(row["problem_id"]),
        kind=str(row["kind"]),
        prompt=str(row["prompt"]),
        reference=json.loads(str(row["reference"])),
        domain=str(row["domain"]),
        source=str(row["source"]),
        split=str(row["split"]),
        meta=json.loads(str(row["meta"])),
    )


def pack_verdicts(verdicts: Sequence[Verdict]) -> bytes:
    """Packs the columns of verdicts, to be read one by one as a VerdictRow. Raises TypeError for evidence that is not
    JSON."""
    return pack([verdict_columns(verdict) for verdict in verdicts])


def unpack_verdicts(data: bytes) -> list[tuple[Any, ...]]:
    """One tuple per verdict, in the order of VERDICT_COLUMNS."""
    found: list[tuple[Any, ...]] = unpack(data)
    return found


_unpack_recent = functools.lru_cache(maxsize=4)(unpack_verdicts)
"""`unpack_verdicts` that remembers the last few reports, since a reader of one verdict soon asks for the others."""


def reason_and_evidence(verdict: VerdictRow) -> tuple[str, str]:
    """The reason, and the evidence as JSON."""
    data, row = verdict
    _, reason, evidence, *_ = _unpack_recent(data)[row]
    return reason, evidence


def verdict_columns(verdict: Verdict) -> tuple[Any, ...]:
    """A verdict's values in the order of VERDICT_COLUMNS. Raises TypeError for evidence that is not JSON."""
    evidence = verdict.evidence
    text = json.dumps(dict(evidence), ensure_ascii=False) if evidence else "{}"
    found = evidence.get("answer")
    answer = found[:MAX_ANSWER_CHARS] if isinstance(found, str) else None
    checker = verdict.checker, verdict.checker_version
    limits = _limits_column(verdict.limits)
    return (str(verdict.status), verdict.reason, text, answer, *checker, evidence.get("tier"), limits, verdict.seconds)


@functools.lru_cache(maxsize=256)
def _limits_column(limits: Limits) -> str:
    return json.dumps(limits.to_json())


_NO_VERDICT = (None,) * len(VERDICT_COLUMNS)


def part_table(parts: Sequence[tuple[BatchRows, Sequence[int], Sequence[VerdictRow | None]]]) -> pa.Table:
    """Rows of `samples/*.parquet`: (batch, its rows, their verdicts), in order; no verdict (an aborted sample) becomes
    null columns."""
    columns: dict[str, list[Any]] = {field.name: [] for field in SAMPLE_SCHEMA}
    unpacked: dict[int, list[tuple[Any, ...]]] = {}
    verdicts: list[tuple[Any, ...]] = []
    for batch, rows, verdict_rows in parts:
        for name, value in batch.shared.items():
            columns[name].extend([value] * len(rows))
        for name, values in batch.columns.items():
            columns[name].extend([values[row] for row in rows])
        for verdict in verdict_rows:
            if verdict is None:
                verdicts.append(_NO_VERDICT)
                continue
            data, row = verdict
            found = unpacked.get(id(data))
            if found is None:
                found = unpacked[id(data)] = unpack_verdicts(data)
            verdicts.append(found[row])
    for place, name in enumerate(VERDICT_COLUMNS):
        columns[name] = [verdict[place] for verdict in verdicts]
    arrays = [pa.array(columns[field.name], field.type) for field in SAMPLE_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=SAMPLE_SCHEMA)


def error_verdict(reason: str, evidence: Mapping[str, Json], seconds: float = 0.0) -> Verdict:
    """A verdict `error` of the pipeline itself, when nothing is known about the sample."""
    return Verdict(Status.ERROR, reason, evidence, "pipeline", "1", seconds, Limits())


def packed_error(reason: str, evidence: Mapping[str, Json]) -> VerdictRow:
    """A verdict `error` of the pipeline itself, as a row."""
    return pack_verdicts([error_verdict(reason, evidence)]), 0
