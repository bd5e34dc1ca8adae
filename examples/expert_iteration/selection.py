"""Which samples each arm is trained on: one per problem, of the same problems.

The verified arm takes a problem's first verified sample, as exported. The control takes its second sample, whatever the
verdict. Why that one: the stopping rule (two verified samples) never stops before the second, so it is always there and
is a plain draw of the model. A random choice among all samples would not be: the last one is always verified, so the
pool is better than the model. The first sample would not do either, since it says which problems are hard.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from examples.expert_iteration.problem_files import write_whole
from runstore.parts import read_parts
from runstore.storage import open_storage

DIFFICULTY_INDEX, CONTROL_INDEX = 0, 1
"""Sample whose failure makes a problem hard, and sample that the control takes."""
COLUMNS = ["problem_id", "sample_index", "messages", "text", "status", "completion_tokens"]

Row = Mapping[str, Any]


def samples_at(run: Path, index: int) -> dict[str, Row]:
    """Problem → its sample of this index, over a whole run."""
    found: dict[str, Row] = {}
    for table in read_parts(open_storage(str(run)), COLUMNS):
        found |= {row["problem_id"]: row for row in table.to_pylist() if row["sample_index"] == index}
    return found


def verified_rows(export: Path, run: Path, hard_only: bool) -> list[Row]:
    """The exported rows; with `hard_only` those of problems whose first sample in `run` was not verified."""
    rows = [row for path in sorted((export / "data").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    if hard_only:
        first = samples_at(run, DIFFICULTY_INDEX)
        rows = [row for row in rows if first[row["problem_id"]]["status"] != "verified"]
    return [training_row(row["problem_id"], "verified", row["tokens"], row["messages"]) for row in rows]


def control_rows(run: Path, problem_ids: Collection[str]) -> list[Row]:
    """The second sample of each problem. Raises ValueError if the run lacks one."""
    second = samples_at(run, CONTROL_INDEX)
    rows = []
    for problem_id in problem_ids:
        row = second.get(problem_id)
        if row is None or row["text"] is None:
            raise ValueError(f"{run}: no text of {problem_id}, sample {CONTROL_INDEX}: the run is not complete")
        messages = [*json.loads(row["messages"]), {"role": "assistant", "content": row["text"]}]
        rows.append(training_row(problem_id, row["status"], row["completion_tokens"], messages))
    return rows


def training_row(problem_id: str, status: str, tokens: int, messages: list[dict[str, str]]) -> Row:
    """`status` and `tokens` are for the reader; the trainer looks at the messages."""
    return {"problem_id": problem_id, "status": status, "tokens": tokens, "messages": messages}


def write_rows(rows: Iterable[Row], path: Path) -> None:
    write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text().splitlines()]
