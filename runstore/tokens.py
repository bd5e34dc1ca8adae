"""Token ids and log-probabilities of a run's samples: `tokens/*.parquet`, for training that must not tokenise again.

Each part of samples/ has a part of the same name and with the same rows, in the same order, in tokens/. The samples'
part is what commits both: the tokens are written first, and a tokens' part counts only where samples/ has that part.

    tokens/e0002-w00-000017.parquet       row i belongs to row i of
    samples/e0002-w00-000017.parquet

Promises: `read_tokens` gives one row per committed sample, whichever process died, and when; the ids are the engine's
own, the token that ended the sample included. A start of the run that takes over a stream empties what an interrupted
write left behind, so that a reader that globs tokens/*.parquet sees no row twice once a run is complete.
Does not: keep the tokens of an aborted sample (its row has null lists), or of a sample that was not drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runstore.batches import BatchRows
from runstore.errors import StoredRunError
from runstore.layout import SAMPLES, TOKENS
from runstore.parts import FencedError, encode_part, list_parts, part_key
from runstore.reader import SampleFile, open_parquet
from runstore.schema import SAMPLE_SCHEMA, SampleTokens
from runstore.storage import Storage
from runstore.upgrades import check_schema, conform_table

TOKEN_SCHEMA = pa.schema(
    [
        # Identity, as in samples/.
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("problem_id", pa.string(), nullable=False),
        pa.field("sample_index", pa.int32(), nullable=False),
        pa.field("prompt_ids", pa.list_(pa.int32())),  # what the model was given
        # How many of the last prompt_ids are the opening mark of a thought with which the row's text begins. They are
        # the prompt's: no gradient belongs to them.
        pa.field("opening_tokens", pa.int32()),
        pa.field("token_ids", pa.list_(pa.int32())),  # what the model wrote, with the token that ended it
        pa.field("logprobs", pa.list_(pa.float32())),  # nats, one per token id; null without ids+logprobs
    ],
    metadata={"proofmill.schema_version": "1"},
)


def tokens_key(key: str) -> str:
    """The key of the tokens of a part of samples/."""
    return TOKENS + key.removeprefix(SAMPLES)


def tokens_table(parts: Sequence[tuple[BatchRows, Sequence[int]]]) -> pa.Table:
    """The tokens of (batch, its rows), in order; a sample without tokens has null lists."""
    ids: dict[str, list[object]] = {name: [] for name in ("run_id", "problem_id", "sample_index")}
    tokens: list[SampleTokens | None] = []
    for batch, rows in parts:
        ids["run_id"] += [batch.shared["run_id"]] * len(rows)
        for name in ("problem_id", "sample_index"):
            ids[name] += [batch.columns[name][row] for row in rows]
        tokens += [batch.tokens[row] if batch.tokens else None for row in rows]
    columns = {
        **ids,
        "prompt_ids": list_column([each and each.prompt_ids for each in tokens], pa.int32()),
        "opening_tokens": [each and each.opening_tokens for each in tokens],
        "token_ids": list_column([each and each.token_ids for each in tokens], pa.int32()),
        "logprobs": list_column([each and each.logprobs for each in tokens], pa.float32()),
    }
    arrays = [pa.array(columns[field.name], field.type) for field in TOKEN_SCHEMA]
    return pa.Table.from_arrays(arrays, schema=TOKEN_SCHEMA)


def list_column(rows: Sequence[bytes | None], kind: pa.DataType) -> pa.Array:
    """Lists of four-byte values from their bytes, without a Python object per value."""
    lengths = np.array([0] + [len(row or b"") // 4 for row in rows], np.int32)
    offsets = np.cumsum(lengths, dtype=np.int32)
    values = pa.Array.from_buffers(kind, int(offsets[-1]), [None, pa.py_buffer(b"".join(row or b"" for row in rows))])
    is_null = pa.array([row is None for row in rows], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=is_null)


def append_tokens(storage: Storage, stream: str, slot: int, table: pa.Table) -> None:
    """Writes the tokens of the part that comes next. Raises FencedError where the stream has another owner."""
    key = tokens_key(part_key(stream, slot))
    if not storage.create(key, encode_part(table, TOKEN_SCHEMA)):
        raise FencedError(f"{storage.uri}/{key} was written by another job: this run has been taken over")


def empty_uncommitted(storage: Storage, stream: str) -> None:
    """Empties the parts of a fenced stream that no part of samples/ commits. Call it after the fence: from then on the
    earlier owner can commit nothing."""
    kept = {name.key for name in list_parts(storage, stream)}
    empty = None
    for key in storage.keys(TOKENS + stream):
        samples = SAMPLES + key.removeprefix(TOKENS)
        if samples in kept and num_rows(storage, samples):
            continue
        if num_rows(storage, key):
            empty = empty or encode_part(TOKEN_SCHEMA.empty_table(), TOKEN_SCHEMA)
            storage.replace(key, empty)


def read_token_groups(file: SampleFile) -> pa.Table:
    """The tokens of some consecutive row groups of a part of samples/, row by row. Raises StoredRunError."""
    folder, _, name = file.uri.rpartition(SAMPLES)
    uri = f"{folder}{TOKENS}{name}"
    try:
        with open_parquet(file.uri, SAMPLE_SCHEMA, []) as parquet:
            before = sum(parquet.metadata.row_group(group).num_rows for group in range(min(file.row_groups, default=0)))
        with open_parquet(uri, TOKEN_SCHEMA, TOKEN_SCHEMA.names) as parquet:
            return conform_table(parquet.read().slice(before, file.num_rows), TOKEN_SCHEMA, uri)
    except StoredRunError as error:
        raise StoredRunError(f"{error}; a run stores tokens only with output.tokens") from None


def num_rows(storage: Storage, key: str) -> int:
    """Rows of a part."""
    data = storage.read(key)
    return pq.ParquetFile(pa.BufferReader(data)).metadata.num_rows if data else 0


def read_tokens(storage: Storage, key: str) -> pa.Table:
    """The tokens of the part `key` of samples/, row by row. Raises StoredRunError where they are missing or are those
    of other rows."""
    uri = f"{storage.uri}/{tokens_key(key)}"
    data = storage.read(tokens_key(key))
    if data is None:
        raise StoredRunError(f"{uri}: not there: this run stored no tokens (output.tokens), or the file was removed")
    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        check_schema(file.schema_arrow, TOKEN_SCHEMA, uri, TOKEN_SCHEMA.names)
        table = conform_table(file.read(), TOKEN_SCHEMA, uri)
    except pa.ArrowInvalid as error:
        raise StoredRunError(f"{uri}: not a readable Parquet file: {error}") from error
    samples = storage.read(key)
    identity = ["problem_id", "sample_index"]
    rows = pq.read_table(pa.BufferReader(samples or b""), columns=identity)
    same = len(rows) == len(table) and all(
        pc.all(pc.equal(rows[name].cast(table[name].type), table[name])).as_py() is not False for name in identity
    )
    if not same:
        raise StoredRunError(f"{uri}: its rows are not those of {key}")
    return table
