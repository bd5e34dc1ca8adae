"""What an export counted, and what its manifest says."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.export.outcomes import told
from jobs.export.partition import ScanFacts
from jobs.export.settings import ExportSettings
from jobs.report.problems_table import is_keyless, read_rule
from jobs.uris import stored_config
from workers.sampling.estimates import Stopped
from workers.sampling.pass_curve import PassCurve
from workers.sampling.plan import Plan

Json = Any


class DomainPasses:
    """Pass@k of the sampled problems by domain, from rows of problems.parquet."""

    def __init__(self) -> None:
        self.curves: dict[str, PassCurve] = {}
        self.missing: Counter[str] = Counter()
        """Domain → number of its problems with an answer key and without an unbiased estimate."""
        self.unchecked = 0
        """Number of problems without an answer key."""

    def add(self, batch: pa.RecordBatch) -> None:
        for row in batch.select(PASS_COLUMNS).to_pylist():
            if is_keyless(row):
                self.unchecked += 1
            elif stopped := where_stopped(row):
                self.curves.setdefault(row["domain"], PassCurve()).add(stopped)
            else:
                self.missing[row["domain"]] += 1


@dataclasses.dataclass(slots=True)
class Summary:
    """What an export did; the manifest and the card are made of it."""

    settings: ExportSettings
    runs: list[str]
    facts: ScanFacts
    unfinished: list[str] = dataclasses.field(default_factory=list)
    """URIs of runs without a problems.parquet."""
    funnel: Counter[str] = dataclasses.field(default_factory=Counter)
    num_rows: int = 0
    columns: list[str] = dataclasses.field(default_factory=list)
    example: dict[str, Json] = dataclasses.field(default_factory=dict)
    """The first row."""
    num_bytes: int = 0
    schema: pa.Schema | None = None
    hits: int = 0
    first_hit: dict[str, Json] | None = None
    domains: Counter[str] = dataclasses.field(default_factory=Counter)
    sources: Counter[str] = dataclasses.field(default_factory=Counter)
    lengths: Counter[int] = dataclasses.field(default_factory=Counter)
    """Number of exported samples by completion tokens, in powers of two."""
    pass_rates: Counter[int] = dataclasses.field(default_factory=Counter)
    """Number of exported rows by the pass rate of their problem, in tenths."""
    clusters: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    unranked: int = 0
    """Number of refuted samples that were to be ranked and have no mean_logprob."""
    passes: DomainPasses = dataclasses.field(default_factory=DomainPasses)
    seconds: float = 0.0


def ranking_note(summary: Summary) -> str:
    """Says that wrong answers could not be ranked by how sure the model was of them; empty where all could."""
    if not summary.unranked:
        return ""
    return (
        f"{summary.unranked:,} refuted samples have no mean_logprob, so how sure the model was of them is unknown: "
        "they are ranked last, in the order of their indices. Runs with sampling.logprobs = true store it."
    )


def nothing_left(summary: Summary) -> str:
    """Which filter took what, and the settings that loosen each."""
    settings = summary.settings.resolved()
    stopped = "; ".join(told(name, number, settings) for name, number in summary.funnel.most_common() if number)
    first = summary.first_hit
    overlap = f"; the first overlap is with {first['item']} of {first['file']}: {first['matching']!r}" if first else ""
    return (
        f"nothing to export: no row passed the filters: {stopped or 'no rows at all'}{overlap}. "
        "`--set KEY=VALUE` or a TOML file (--config) sets the keys that are named here"
    )


def manifest(summary: Summary) -> bytes:
    facts = summary.facts
    table = {
        "version": 1,
        "created_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "settings": stored_config(summary.settings.resolved()),
        "runs": summary.runs,
        "run_ids": sorted(facts.run_ids),
        "rows": summary.num_rows,
        "funnel": dict(summary.funnel),
        "unranked": summary.unranked,
        "models": sorted(facts.models),
        "checkers": sorted(facts.checkers),
        "code_revisions": sorted(facts.code_revisions),
        "seconds": round(summary.seconds, 3),
    }
    return json.dumps(table, indent=2, ensure_ascii=False).encode() + b"\n"


PASS_COLUMNS = [
    "domain",
    "num_samples",
    "num_verified",
    "num_unchecked",
    "stopping_rule",
    "settled",
    "settled_at_index",
    "settled_verified",
    "settled_first_try",
]


def where_stopped(row: Mapping[str, Json]) -> Stopped | None:
    """Where the plan of a problem stopped; None where nothing unbiased follows from its samples."""
    if row["settled_at_index"] is None:
        return None
    total = row["settled_at_index"] + 1
    verified, first_try = row["settled_verified"], row["settled_first_try"]
    if verified is None:  # schema version 1: the plain counts are the plan's if nothing lies above its stop
        if row["num_samples"] != total:
            return None
        verified = first_try = row["num_verified"]
    rule, plan = read_rule(row["stopping_rule"])
    why = row["settled"] if "stages" not in rule else _why_of_first_stage(plan, verified, total)
    return Stopped(plan, verified, total - verified, first_try, why) if why else None


def _why_of_first_stage(plan: Plan, verified: int, total: int) -> str:
    """Why the plan of a cascade's first stage stopped there; the row's `settled` is of the whole cascade. Empty where
    the counts do not tell: the last sample may have had a new text or not."""
    if plan.distinct and total == plan.num_samples and verified >= plan.num_verified:
        return ""
    useful = plan.num_verified if plan.distinct and total < plan.num_samples and verified else verified
    return plan.stop(useful, total - verified, total)


def add_figures(summary: Summary, table: pa.Table) -> None:
    """Counts the exported rows by domain and source, and by length or pass rate."""
    for name, counts in (("domain", summary.domains), ("source", summary.sources)):
        for row in table[name].value_counts().to_pylist():
            counts[row["values"]] += row["counts"]
    if "tokens" in table.column_names:
        tokens = np.maximum(table["tokens"].to_numpy(), 1)
        for power, number in zip(*np.unique(np.floor(np.log2(tokens)).astype(int), return_counts=True), strict=True):
            summary.lengths[int(power)] += int(number)
    if "pass_rate" in table.column_names:
        tenths = np.minimum((table["pass_rate"].drop_null().to_numpy() * 10).astype(int), 9)
        for tenth, number in zip(*np.unique(tenths, return_counts=True), strict=True):
            summary.pass_rates[int(tenth)] += int(number)
