"""Calls of a model that answer no problem of the set: comparisons of answers, judgements, claims, facts asked for.

    calls/e0002-w00-000003.parquet

They are never rows of samples/, so that no estimate and no export can take one for an attempt. Their tokens and prices
count in what a run cost, and in nothing else.

Promises: a call is written once, whichever process dies, and when, by the protocol of runstore.parts in streams of its
own: an epoch's call streams are fenced by the next epoch before it reads what is durable. A call's identity is (run_id,
problem_id, purpose, call_index), and `durable_calls` tells a resume which ones it need not repeat.
Does not: draw a call, or say what its text means.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from runstore.durable import DuplicateRowError
from runstore.layout import CALLS
from runstore.parts import append_part, encode_part, fence_stream, list_parts, read_part
from runstore.storage import Storage

CALL_SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("purpose", pa.string(), nullable=False),  # what the call is for, such as judge or compare
        pa.field("call_index", pa.int32(), nullable=False),  # from 0, of this problem and purpose
        pa.field("parents", pa.list_(pa.int32()), nullable=False),  # sample_index of the samples that it is about
        pa.field("messages", pa.string(), nullable=False),  # JSON [{role, content}]: what the model was given
        pa.field("text", pa.string()),  # null when the call failed
        pa.field("opinion", pa.string()),  # what was read from the text; null: nothing could be read
        pa.field("error", pa.string()),  # why the call failed; null: it did not
        pa.field("finish_reason", pa.string(), nullable=False),
        pa.field("prompt_tokens", pa.int32(), nullable=False),
        pa.field("completion_tokens", pa.int32(), nullable=False),
        pa.field("generation_s", pa.float64(), nullable=False),
        pa.field("usd", pa.float64()),  # null where the pool has no price
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("pool", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("model_revision", pa.string(), nullable=False),
        pa.field("engine", pa.string(), nullable=False),
        pa.field("epoch", pa.int32(), nullable=False),
        pa.field("finished_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ],
    metadata={"proofmill.schema_version": "1"},
)
IDENTITY = ["problem_id", "purpose", "call_index"]

CallKey = tuple[str, str, int]
"""(problem_id, purpose, call_index)."""


@dataclasses.dataclass(frozen=True, slots=True)
class CallTotals:
    """What calls cost. `usd` counts those that have a price."""

    calls: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    generation_s: float = 0.0
    usd: float = 0.0


class CallWriter:
    """The owner of one stream of calls. Methods raise FencedError once another owner has taken the stream over, and
    StorageError."""

    def __init__(self, storage: Storage, stream: str) -> None:
        self._storage = storage
        self._stream = stream
        self._slot = fence_stream(storage, stream, CALLS, CALL_SCHEMA)

    def write(self, rows: Sequence[Mapping[str, Any]]) -> str:
        """Makes these rows durable in one part; returns its key. A row has every column of CALL_SCHEMA that cannot be
        null."""
        table = pa.Table.from_pylist([dict(row) for row in rows], schema=CALL_SCHEMA)
        key = append_part(self._storage, self._stream, self._slot, encode_part(table, CALL_SCHEMA), CALLS)
        self._slot += 1
        return key


def fence_calls(storage: Storage, streams: Iterable[str]) -> None:
    """Locks the writers of an earlier epoch out. Call it before `durable_calls`."""
    for stream in streams:
        fence_stream(storage, stream, CALLS, CALL_SCHEMA)


def read_calls(storage: Storage, columns: list[str] | None = None) -> pa.Table:
    """All calls of a run, ordered by identity. Raises StorageError and DuplicateRowError."""
    wanted = CALL_SCHEMA.names if columns is None else [*IDENTITY, *(name for name in columns if name not in IDENTITY)]
    tables = [read_part(storage, name.key, wanted, CALL_SCHEMA) for name in list_parts(storage, folder=CALLS)]
    if not tables:
        return pa.schema([CALL_SCHEMA.field(name) for name in wanted]).empty_table()
    table = pa.concat_tables(tables).sort_by([(name, "ascending") for name in IDENTITY])
    if len(table) > 1:
        pairs = [(table[name].slice(1).combine_chunks(), table[name].slice(0, len(table) - 1)) for name in IDENTITY]
        same = pa.chunked_array([pa.array([True] * (len(table) - 1))])
        for later, earlier in pairs:
            same = pc.and_(same, pc.equal(later, earlier.combine_chunks()))
        if pc.any(same).as_py():
            at = same.to_pylist().index(True)
            twice = {name: table[name][at].as_py() for name in IDENTITY}
            raise DuplicateRowError(f"{storage.uri}: a call was committed twice: {twice}")
    return table


def durable_calls(storage: Storage) -> set[CallKey]:
    """The calls that need not be repeated."""
    table = read_calls(storage, IDENTITY)
    return set(zip(*(table[name].to_pylist() for name in IDENTITY), strict=True))


def call_totals(storage: Storage) -> dict[tuple[str, str], CallTotals]:
    """(pool, purpose) → what its calls cost."""
    columns = ["pool", "error", "prompt_tokens", "completion_tokens", "generation_s", "usd"]
    found: dict[tuple[str, str], CallTotals] = {}
    for row in read_calls(storage, columns).to_pylist():
        key = row["pool"], row["purpose"]
        old = found.get(key, CallTotals())
        found[key] = CallTotals(
            old.calls + 1,
            old.failed + (row["error"] is not None),
            old.prompt_tokens + row["prompt_tokens"],
            old.completion_tokens + row["completion_tokens"],
            old.generation_s + row["generation_s"],
            old.usd + (row["usd"] or 0.0),
        )
    return found


def with_opinions(samples: pa.Table, calls: pa.Table) -> pa.Table:
    """`samples` (with problem_id and sample_index) with one column of lists per purpose, `opinions_<purpose>`: what the
    calls about each sample said, in the order of the calls. A call that failed, or that nothing could be read from, has
    no opinion; it is missing and never a no."""
    opinions: dict[str, dict[tuple[str, int], list[str]]] = {}
    for row in calls.select([*IDENTITY, "parents", "opinion"]).to_pylist():
        by_sample = opinions.setdefault(row["purpose"], {})
        for parent in row["parents"] if row["opinion"] is not None else []:
            by_sample.setdefault((row["problem_id"], parent), []).append(row["opinion"])
    keys = list(zip(samples["problem_id"].to_pylist(), samples["sample_index"].to_pylist(), strict=True))
    for purpose in sorted(opinions):
        column = [opinions[purpose].get(key, []) for key in keys]
        samples = samples.append_column(f"opinions_{purpose}", pa.array(column, pa.list_(pa.string())))
    return samples
