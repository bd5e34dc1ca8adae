"""Finished samples on their way from a generator to verifiers and writers: one Arrow table a bundle.

A bundle has the columns of `SAMPLE_SCHEMA` up to the verdict, so that a verifier needs nothing but the bundle to check
its rows, and a writer nothing but the bundle and the verdicts. It lives in Ray's object store; the coordinator passes
references only.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence

import pyarrow as pa

from verifiers.types import Kind, Problem, Verdict
from workers.records import SAMPLE_SCHEMA, Provenance, Sample

VERDICT_COLUMNS = (
    "status",
    "reason",
    "evidence",
    "checker",
    "checker_version",
    "tier",
    "limits",
    "verify_s",
)
SAMPLE_COLUMNS = (
    *("sample_index", "attempt", "round", "parent_sample_index", "text", "finish_reason", "prompt_tokens"),
    *("completion_tokens", "mean_logprob", "seed", "queue_s", "generation_s"),
)
"""Columns that are a `Sample`'s own fields."""
PROBLEM_COLUMNS = ("problem_id", "kind", "prompt", "reference", "domain", "source", "split", "meta")
"""What `problem_of` needs of a row."""
BUNDLE_SCHEMA = pa.schema([field for field in SAMPLE_SCHEMA if field.name not in VERDICT_COLUMNS])


def make_bundle(samples: Sequence[tuple[str, Problem, Sample]], origin: Provenance) -> pa.Table:
    """One row a (stopping rule, problem, sample), in the given order. The problem is the one the model saw (options
    shuffled, if they were)."""
    size = len(samples)
    constant = {
        "run_id": origin.run_id,
        "sampling": json.dumps(dict(origin.sampling), sort_keys=True),
        "model": origin.model,
        "model_revision": origin.model_revision,
        "engine": origin.engine,
        "engine_version": origin.engine_version,
        "replica": origin.replica,
        "code_revision": origin.code_revision,
        "epoch": origin.epoch,
    }
    columns: dict[str, list[object]] = {name: [value] * size for name, value in constant.items()}
    columns["stopping_rule"] = [rule for rule, _, _ in samples]
    for name in ("kind", "domain", "source", "split", "prompt"):
        columns[name] = [str(getattr(problem, name)) for _, problem, _ in samples]
    columns["problem_id"] = [problem.id for _, problem, _ in samples]
    for name in ("reference", "meta"):
        columns[name] = [json.dumps(getattr(problem, name), ensure_ascii=False) for _, problem, _ in samples]
    columns["messages"] = [
        json.dumps([{"role": role, "content": content} for role, content in sample.messages], ensure_ascii=False)
        for _, _, sample in samples
    ]
    for name in SAMPLE_COLUMNS:
        columns[name] = [getattr(sample, name) for _, _, sample in samples]
    columns["finished_at"] = [dt.datetime.fromtimestamp(sample.finished_at, tz=dt.UTC) for _, _, sample in samples]
    return pa.Table.from_pydict(columns, schema=BUNDLE_SCHEMA)


def problem_of(row: dict[str, object]) -> Problem:
    """The problem of a bundle's or a stored run's row."""
    return Problem(
        id=str(row["problem_id"]),
        kind=Kind(str(row["kind"])),
        prompt=str(row["prompt"]),
        reference=json.loads(str(row["reference"])),
        domain=str(row["domain"]),
        source=str(row["source"]),
        split=str(row["split"]),
        meta=json.loads(str(row["meta"])),
    )


def add_verdicts(bundle: pa.Table, verdicts: Sequence[Verdict | None]) -> pa.Table:
    """The rows of `samples/*.parquet`; None (an aborted sample) becomes null columns."""
    columns: dict[str, list[object]] = {name: [] for name in VERDICT_COLUMNS}
    for verdict in verdicts:
        if verdict is None:
            for values in columns.values():
                values.append(None)
            continue
        columns["status"].append(str(verdict.status))
        columns["reason"].append(verdict.reason)
        columns["evidence"].append(json.dumps(dict(verdict.evidence), ensure_ascii=False))
        columns["checker"].append(verdict.checker)
        columns["checker_version"].append(verdict.checker_version)
        columns["tier"].append(verdict.evidence.get("tier"))
        columns["limits"].append(json.dumps(verdict.limits.to_json()))
        columns["verify_s"].append(verdict.seconds)
    arrays = [
        pa.array(columns[field.name], field.type) if field.name in columns else bundle[field.name]
        for field in SAMPLE_SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SAMPLE_SCHEMA)
