"""The rollout `repair`: an unverified attempt, what the checker found in it, and a new answer.

The attempt comes from the batch that the coordinator still knows, or, once it is durable, from its part.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from runstore.batches import row_of_batch, unpack_batch
from runstore.parts import read_row
from runstore.schema import Messages
from runstore.storage import open_storage
from workers.engines.base import Generation
from workers.messages import Parent
from workers.prompting.messages import answer_shown, finding_for_model, repair_turns
from workers.rollouts.single import Single


class Repair(Single):
    """Shows the model the messages of the attempt, its answer, and a turn with what the checker found."""

    async def draw(self) -> Generation:
        if self.request.parent is None:
            raise ValueError("a repair round without the attempt that it answers")
        self.messages = await self._repair_messages(self.request.parent)
        return await super().draw()

    async def _repair_messages(self, parent: Parent) -> Messages:
        row = await self._attempt(parent)
        before = tuple((turn["role"], turn["content"]) for turn in json.loads(row["messages"]))
        # After a resume only the row is left of what the checker found.
        finding = parent.evidence or finding_for_model(row["reason"], row["evidence"], self.request.evidence_chars)
        text = row["text"] or ""
        said = text if self.request.keep_thought else answer_shown(text, row["finish_reason"])
        return (*before, *repair_turns(said, finding))

    async def _attempt(self, parent: Parent) -> dict[str, Any]:
        """The row that this round answers."""
        if parent.batch is not None:
            try:
                data = parent.batch if isinstance(parent.batch, bytes) else await parent.batch
                return row_of_batch(unpack_batch(data), parent.row)
            except Exception:
                if not parent.part:
                    raise  # lost with its node before it was durable
        task = self.request.task
        storage = open_storage(self.request.storage_uri)
        return await asyncio.to_thread(read_row, storage, parent.part, task.problem_id, task.parent_index or 0)
