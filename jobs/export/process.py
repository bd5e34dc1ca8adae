"""From the rows of one bucket to the chosen training examples; runs in a worker process."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa

from jobs.export import labels
from jobs.export.bucket import Bucket
from jobs.export.choosing import BucketResult, BuilderInputs, Json
from jobs.export.contamination import ContaminationIndex
from jobs.export.formats import chats
from jobs.export.rates import Rates
from jobs.export.settings import ExportSettings
from verifiers.registry import load


def process_bucket(
    table: pa.Table,
    settings: ExportSettings,
    index: ContaminationIndex | None = None,
    rates: Rates | None = None,
    scores: Mapping[tuple[str, str, int], float] | None = None,
) -> BucketResult:
    """The chosen examples of one bucket, made by the builder of the format's row.

    `rates` and `scores` are those of BuilderInputs. Raises BadRow for a JSON column that cannot be read.
    """
    funnel: Counter[str] = Counter()
    if settings.select.drop_suspects:
        table = labels.without_suspects(table, settings, funnel)
    if settings.select.labels == "agreed":
        table = labels.only_agreed(table, funnel)
    table = without_bad_rows(table, settings, funnel)
    bucket = Bucket(table, settings, index)
    bucket.funnel.update(funnel)
    bucket.keep_only()
    known = rates or Rates()
    if settings.row.rows_of == "samples":
        bucket.take_rates(known)
    build: Callable[[Bucket, BuilderInputs], BucketResult] = load(settings.row.build)
    return build(bucket, BuilderInputs(known, scores))


def without_bad_rows(table: pa.Table, settings: ExportSettings, funnel: Counter[str]) -> pa.Table:
    """Raises formats.BadRow for a `messages` or `reference` that cannot be read, or leaves such rows out."""
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
        if settings.row.rows_of == "problems":  # counts problems: those with no row left
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
