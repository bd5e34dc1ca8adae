"""What is durable of a run, read back in the form the ledger needs; compact, since a run may have millions of rows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from runstore.parts import read_parts
from runstore.schema import solution_key
from runstore.storage import Storage

COLUMNS = [
    "problem_id",
    "sample_index",
    "pool",
    "round",
    "status",
    "stopping_rule",
    "prompt_tokens",
    "completion_tokens",
    "generation_s",
    "verify_s",
]


ANSWER_COLUMNS = ["extracted_answer", "evidence"]


class DurableRow(NamedTuple):
    sample_index: int
    round: int
    status: str | None
    stopping_rule: str
    prompt_tokens: int
    completion_tokens: int
    generation_s: float
    verify_s: float
    part: str
    solution_key: int
    answer: str | None = None
    """The extracted answer of an unchecked row, where answers are read."""
    agreement: str | None = None
    """What its verdict's evidence says of where that answer belongs, as JSON."""


class DuplicateRowError(Exception):
    """A row was committed twice. The exactly-once promise is broken, and nothing more may be written."""


class DurableRows(Mapping[str, Sequence[DurableRow]]):
    """Rows by problem id, kept as one Arrow table and unpacked one problem at a time."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table.sort_by([("problem_id", "ascending"), ("sample_index", "ascending")])
        self._spans: dict[str, tuple[int, int]] = {}
        start = 0
        ids = self._table["problem_id"].to_pylist()
        for end in range(1, len(ids) + 1):
            if end == len(ids) or ids[end] != ids[start]:
                self._spans[ids[start]] = (start, end - start)
                start = end

    def __getitem__(self, problem_id: str) -> Sequence[DurableRow]:
        start, length = self._spans[problem_id]
        rows = [row_of(row) for row in self._table.slice(start, length).to_pylist()]
        indices = [row.sample_index for row in rows]
        if len(set(indices)) != len(indices):
            raise DuplicateRowError(f"problem {problem_id} has a sample committed twice: indices {indices}")
        return rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._spans)

    def __len__(self) -> int:
        return len(self._spans)

    @property
    def num_rows(self) -> int:
        return len(self._table)

    def tokens_by_pool(self) -> dict[str, tuple[int, int]]:
        """Pool → prompt tokens and generated tokens of its rows."""
        if not self.num_rows:
            return {}
        names = self._table["pool"].cast(pa.string())
        table = self._table.select(["prompt_tokens", "completion_tokens"]).append_column("pool", names)
        sums = table.group_by("pool").aggregate([("prompt_tokens", "sum"), ("completion_tokens", "sum")])
        rows = sums.to_pylist()
        return {row["pool"]: (row["prompt_tokens_sum"], row["completion_tokens_sum"]) for row in rows}

    @property
    def completion_tokens(self) -> int:
        """Generated tokens of all rows, aborted ones included."""
        return int(pc.sum(self._table["completion_tokens"]).as_py()) if self.num_rows else 0


def row_of(row: dict[str, Any]) -> DurableRow:
    return DurableRow(
        sample_index=row["sample_index"],
        round=row["round"],
        status=row["status"],
        stopping_rule=row["stopping_rule"],
        prompt_tokens=row["prompt_tokens"],
        completion_tokens=row["completion_tokens"],
        generation_s=row["generation_s"],
        verify_s=row["verify_s"] or 0.0,
        part=row["part"],
        solution_key=row["solution_key"],
        answer=row.get("extracted_answer"),
        agreement=row.get("agreement"),
    )


def read_durable(storage: Storage, with_texts: bool, with_answers: bool = False) -> DurableRows:
    """Every committed row. `with_texts` (for `distinct`) hashes the texts too, part by part. `with_answers` keeps what
    problems without an answer key go on from. Raises StorageError."""
    tables = []
    columns = [*COLUMNS, *(["text"] if with_texts else []), *(ANSWER_COLUMNS if with_answers else [])]
    for table in read_parts(storage, columns):
        if with_answers:
            table = with_agreement(table)
        keys = [solution_key(text or "") for text in table["text"].to_pylist()] if with_texts else [0] * len(table)
        table = table.append_column("solution_key", pa.array(keys, pa.uint64()))
        if with_texts:
            table = table.drop_columns(["text"])
        tables.append(table.replace_schema_metadata(None))
    if not tables:
        fields = [(name, pa.string()) for name in ("problem_id", "sample_index")]
        return DurableRows(pa.table({name: pa.array([], kind) for name, kind in fields}))
    return DurableRows(pa.concat_tables(tables).unify_dictionaries())


def with_agreement(table: pa.Table) -> pa.Table:
    """The table with the column `agreement` in place of `evidence`: what an unchecked row says of where its answer
    belongs. Other rows have neither that nor an answer."""
    statuses, evidence = table["status"].to_pylist(), table["evidence"].to_pylist()
    answers = table["extracted_answer"].to_pylist()
    found: list[str | None] = []
    for place, (status, text) in enumerate(zip(statuses, evidence, strict=True)):
        agreement = json.loads(text).get("agreement") if status == "unchecked" and text else None
        found.append(json.dumps(agreement) if isinstance(agreement, dict) else None)
        answers[place] = answers[place] if found[-1] else None
    table = table.drop_columns(ANSWER_COLUMNS)
    table = table.append_column("extracted_answer", pa.array(answers, pa.string()))
    return table.append_column("agreement", pa.array(found, pa.string()))
