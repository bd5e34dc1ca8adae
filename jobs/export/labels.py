"""Labels of another source than a checker, and references that may be wrong, as `selections.parquet` has them.

Promises: with `select.labels = "agreed"` a data set holds samples of problems without an answer key whose answer was
agreed on, and nothing else; each row says so (`label_source`, `probability`). Verified samples never mix with them.
`select.drop_suspects` leaves out every sample of a problem whose reference may be wrong. Every row that is left out is
counted. Verdicts are read and never changed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.export.settings import ExportSettings, Select
from verifiers.types import Status

Json = Any

AGREEMENT = "agreement"
"""`label_source` of a row whose answer most samples of its problem agree on."""
SELECTED = ["run_id", "problem_id", "keyless", "probability", "winner_rows", "suspect"]
"""Columns of selections.parquet that an export needs."""
PROBABILITY = "probability"
SUSPECT = "suspect"
COLUMNS = {
    "label_source": "what says that the answer is right: `agreement` of the problem's samples. No checker did",
    "probability": "how often such an answer was right among the problems with references of the same run",
    "completion": "the text that the model wrote; its answer was agreed on, and not checked",
    "output": "the text that the model wrote; its answer was agreed on, and not checked",
    "long2short_reward": "reward for brevity, above 1 for a short text: 1 + 0.2 · (s − s̄) / max|s − s̄| with "
    "s = 1 / tokens over the problem's agreed samples",
}
"""Meanings of columns in a data set of agreed answers."""


def wanted(batch: pa.RecordBatch, select: Select) -> pa.RecordBatch:
    """The problems of some selections that an export has to know of."""
    agreed = pc.and_(
        batch["keyless"], pc.fill_null(pc.greater_equal(batch["probability"], select.min_probability), False)
    )
    if select.labels != "agreed":
        agreed = pa.array(np.zeros(batch.num_rows, bool))
    return batch.filter(pc.or_(agreed, batch["suspect"]) if select.drop_suspects else agreed)


def with_labels(table: pa.Table, selections: Iterable[Mapping[str, Json]], select: Select) -> pa.Table:
    """The rows of a bucket with the probability of those that were agreed on (null for others), and with whether their
    reference is suspect."""
    probabilities: dict[tuple[str, str, int], float] = {}
    suspects: set[tuple[str, str]] = set()
    for row in selections:
        problem = row["run_id"], row["problem_id"]
        if row["suspect"]:
            suspects.add(problem)
        elif select.labels == "agreed":
            probabilities |= {(*problem, index): row["probability"] for index in row["winner_rows"]}
    keys = list(zip(*(table[name].to_pylist() for name in ("run_id", "problem_id", "sample_index")), strict=True))
    found = [probabilities.get(key) for key in keys]
    table = table.append_column(PROBABILITY, pa.array(found, pa.float64()))
    return table.append_column(SUSPECT, pa.array([key[:2] in suspects for key in keys], pa.bool_()))


def without_suspects(table: pa.Table, settings: ExportSettings, funnel: Counter[str]) -> pa.Table:
    """Leaves out the problems whose reference may be wrong, and counts what the format counts."""
    gone = table.filter(table[SUSPECT])
    name = "suspect_reference"
    if settings.row.rows_of == "problems":
        funnel[name] += len(set(zip(gone["run_id"].to_pylist(), gone["problem_id"].to_pylist(), strict=True)))
    else:
        funnel[name] += len(gone)
    return table.filter(pc.invert(table[SUSPECT]))


def only_agreed(table: pa.Table, funnel: Counter[str]) -> pa.Table:
    """The samples whose answer was agreed on, given as right: from here on that is what `verified` says in this bucket,
    and no sample that a checker verified is in it."""
    agreed = pc.and_(table[PROBABILITY].is_valid(), pc.fill_null(pc.equal(table["status"], Status.UNCHECKED), False))
    for status, number in Counter(table.filter(pc.invert(agreed))["status"].to_pylist()).items():
        name = "aborted" if status is None else "not_agreed" if status == Status.UNCHECKED else f"status_{status}"
        funnel[name] += number
    table = table.filter(agreed)
    given = pa.array([str(Status.VERIFIED)] * len(table), pa.string())
    return table.set_column(table.column_names.index("status"), "status", given)


def label_columns(rows: pa.Table) -> dict[str, pa.Array]:
    """What a row of agreed answers says of itself; nothing in a data set of verified ones."""
    if PROBABILITY not in rows.column_names or rows[PROBABILITY].null_count:
        return {}
    sources = pa.array([AGREEMENT] * len(rows), pa.string())
    return {"label_source": sources, "probability": rows[PROBABILITY].combine_chunks()}


def promise(settings: ExportSettings) -> str:
    """The card's sentence on what the solutions of the data set are."""
    if settings.select.labels != "agreed":
        return "Every solution given as right was checked by the checkers below"
    return (
        "**No solution of it was checked.** Its problems have no answer key. The answer of each row is the one that "
        "most samples of its problem agree on, where such answers were right with probability "
        f"{settings.select.min_probability:g} or more among the problems with references of the same run "
        "(`label_source`, `probability`). Samples that a checker verified are not in it"
    )
