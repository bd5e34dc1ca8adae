"""The writer actor: turns rows of batches and their verdicts into Parquet parts of one stream.

Promises: a part is durable when `write` returns; a writer that was replaced or superseded raises FencedError and cannot
add a row; `take_over` returns every row that the stream's earlier writers made durable.
Does not: choose rows. One `write` at a time.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from runstore.batches import part_table, unpack_batch
from runstore.parts import append_part, encode_part, fence_stream, read_parts
from runstore.storage import open_storage
from runstore.tokens import append_tokens, empty_uncommitted, tokens_table
from workers.actors.presence import Present
from workers.collector import calm_collector
from workers.logs import NO_FILES, LogSettings, RunLog
from workers.messages import PartRows, SampleBatch, WriteReply
from workers.run_secrets import NONE, Secrets

log = logging.getLogger("proofmill.writer")


class Writer(Present):
    """Runs as a Ray actor with an event loop of its own; owns one stream."""

    def __init__(
        self, storage_uri: str, stream: str, log: LogSettings = NO_FILES, worker: int = 0, secrets: Secrets = NONE
    ) -> None:
        secrets.adopt()
        self._log = RunLog(log, f"writer-{stream}-{worker}")
        self._storage = open_storage(storage_uri)
        self._stream = stream
        self._slot = 0

    async def take_over(self, from_slot: int) -> list[tuple[str, int, str]]:
        """Fences the previous writer. Returns (problem_id, sample_index, part key) of rows in slots from `from_slot`
        on: those whose acknowledgement may have been lost."""
        rows = await asyncio.to_thread(self._take_over, from_slot)
        # pyarrow imports pandas for its first table, which takes half a second that no part should wait for.
        await asyncio.to_thread(part_table, [])
        calm_collector()
        return rows

    def _take_over(self, from_slot: int) -> list[tuple[str, int, str]]:
        self._slot = fence_stream(self._storage, self._stream)
        empty_uncommitted(self._storage, self._stream)
        log.info("stream %s is fenced; the next slot is %d", self._stream, self._slot)
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

    async def stop(self) -> None:
        await asyncio.to_thread(self._log.upload)

    async def stay(self) -> None:
        """Never returns, so a call of it fails as soon as this actor dies, idle or not."""
        await asyncio.Event().wait()

    async def write(self, parts: list[PartRows]) -> WriteReply:
        """Writes one part. Raises FencedError, StorageError. Nothing is written if a batch is lost."""
        batches = await asyncio.gather(*(fetch(part.batch) for part in parts), return_exceptions=True)
        lost = [i for i, batch in enumerate(batches) if isinstance(batch, BaseException)]
        if lost:
            return WriteReply("", self._slot, 0, lost)
        return await asyncio.to_thread(self._write, parts, batches)

    def _write(self, parts: list[PartRows], batches: list[Any]) -> WriteReply:
        # What is not needed any more is let go of at each step, or the texts of a part would be here four times over.
        batches.reverse()
        rows = [(unpack_batch(batches.pop()), part.rows, part.verdicts) for part in parts]
        table, tokens, slot = part_table(rows), None, self._slot
        if any(batch.tokens is not None for batch, _, _ in rows):
            tokens = tokens_table([(batch, at) for batch, at, _ in rows])
        rows.clear()
        data = encode_part(table)
        del table
        if tokens is not None:
            append_tokens(self._storage, self._stream, slot, tokens)
        key = append_part(self._storage, self._stream, slot, data)
        self._slot += 1
        log.debug("part %s: %d bytes", key, len(data))
        return WriteReply(key, slot, len(data), [])


async def fetch(batch: SampleBatch) -> bytes:
    """The bytes of a batch. Raises a Ray error where the node that held them is gone."""
    data: bytes = batch if isinstance(batch, bytes) else await batch
    return data
