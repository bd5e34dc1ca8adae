"""Training data for the control: the same problems and as many samples of each as in the verified data, but taken
without a look at the verdicts.

A problem's first k samples are k plain draws of the model: the stopping rule looks only at what is drawn and never
stops before `num_verified` samples, so whether sample j < `num_verified` exists depends on no verdict. A random
choice among all samples would not do: the last one of a solved problem is always verified.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from examples.expert_iteration.problem_files import write_whole
from workers.parts import read_parts
from workers.storage import open_storage

COLUMNS = ["problem_id", "sample_index", "messages", "text", "status", "completion_tokens"]


def verified_counts(export: Path) -> Counter[str]:
    """Rows of each problem in an export's Parquet files."""
    counts: Counter[str] = Counter()
    for path in sorted((export / "data").glob("*.parquet")):
        counts.update(pq.read_table(path, columns=["problem_id"])["problem_id"].to_pylist())
    return counts


def write_control(run: Path, counts: Counter[str], path: Path) -> None:
    """Writes JSONL rows {problem_id, status, tokens, messages}. `status` is for the reader: nothing here looks at it.

    Raises ValueError if the run lacks one of the samples.
    """
    chosen = {}
    for table in read_parts(open_storage(str(run)), COLUMNS):
        for row in table.to_pylist():
            if row["sample_index"] < counts[row["problem_id"]]:
                chosen[row["problem_id"], row["sample_index"]] = row
    lines = []
    for problem_id in sorted(counts):
        for index in range(counts[problem_id]):
            row = chosen.get((problem_id, index))
            if row is None or row["text"] is None:
                raise ValueError(f"{run}: no text of {problem_id}, sample {index}: the run is not complete")
            messages = [*json.loads(row["messages"]), {"role": "assistant", "content": row["text"]}]
            written = {
                "problem_id": problem_id,
                "status": row["status"],
                "tokens": row["completion_tokens"],
                "messages": messages,
            }
            lines.append(json.dumps(written, ensure_ascii=False) + "\n")
    write_whole(path, "".join(lines))
