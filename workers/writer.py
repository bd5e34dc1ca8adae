"""The writer actor: turns rows of bundles and their verdicts into Parquet parts of one stream.

Promises: a part is durable when `write` returns; a writer that was replaced or superseded stops with FencedError and
can not add a row; `take_over` returns every row that the stream's earlier writers made durable.
Does not: choose rows. One `write` at a time.
"""

from __future__ import annotations

import asyncio
from typing import Any

import pyarrow as pa

from workers.bundles import add_verdicts
from workers.messages import PartRows, WriteReply
from workers.parts import append_part, encode_part, fence_stream, read_parts
from workers.storage import open_storage


class Writer:
    """Runs as a Ray actor with an event loop of its own; owns one stream."""

    def __init__(self, storage_uri: str, stream: str) -> None:
        self._storage = open_storage(storage_uri)
        self._stream = stream
        self._slot = 0

    async def take_over(self, from_slot: int) -> list[tuple[str, int, str]]:
        """Fences the writer of before. Returns (problem_id, sample_index, part key) of rows in slots from `from_slot`
        on: those whose acknowledgement may have been lost."""
        return await asyncio.to_thread(self._take_over, from_slot)

    def _take_over(self, from_slot: int) -> list[tuple[str, int, str]]:
        self._slot = fence_stream(self._storage, self._stream)
        rows = []
        for table in read_parts(self._storage, ["problem_id", "sample_index"], self._stream, from_slot):
            rows += list(
                zip(
                    table["problem_id"].to_pylist(),
                    table["sample_index"].to_pylist(),
                    table["part"].to_pylist(),
                    strict=True,
                )
            )
        return rows

    async def write(self, parts: list[PartRows]) -> WriteReply:
        """Writes one part. Raises FencedError, StorageError. Nothing is written if a bundle is lost."""
        tables: list[Any] = await asyncio.gather(*(part.bundle for part in parts), return_exceptions=True)
        lost = [i for i, table in enumerate(tables) if isinstance(table, BaseException)]
        if lost:
            return WriteReply("", self._slot, 0, lost)
        return await asyncio.to_thread(self._write, parts, tables)

    def _write(self, parts: list[PartRows], tables: list[pa.Table]) -> WriteReply:
        rows = [add_verdicts(table.take(part.rows), part.verdicts) for part, table in zip(parts, tables, strict=True)]
        data = encode_part(pa.concat_tables(rows))
        slot = self._slot
        key = append_part(self._storage, self._stream, slot, data)
        self._slot += 1
        return WriteReply(key, slot, len(data), [])
