"""Problems that ask what an earlier problem of the set has asked already: published files repeat prompts, some of them
a hundred times."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Sequence

from verifiers.kinds import KINDS
from verifiers.types import Problem
from workers.prompting.messages import conversation

FIRST_SLOTS = 1024


def shown_texts(problem: Problem) -> list[bytes]:
    """The problem's own messages as a model is shown them, the problem itself first."""
    texts = [KINDS.row(problem.kind).show(problem), *(content for _, content in conversation(problem))]
    return [text.encode(errors="replace") for text in texts]


def prompt_digest(kind: str, shown: Sequence[bytes]) -> int:
    """64 bits that are equal for problems of one kind that show a model the same text; never zero."""
    text = b"\0".join((kind.encode(), shown[0].strip(), *shown[1:]))
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) or 1


class PromptTable:
    """Prompts seen so far: an open-addressing table of 64-bit digests, 8 bytes per slot. At least three
    eighths of the slots are in use once it has grown.

    Among a million prompts two share a digest with a chance of one in 37 million.
    """

    def __init__(self) -> None:
        self._used = 0
        self._slots = array("Q", bytes(8 * FIRST_SLOTS))

    def add(self, problem: Problem, shown: Sequence[bytes] | None = None) -> bool:
        """Whether the prompt was there already. `shown` are the problem's `shown_texts`, where they are known."""
        digest = prompt_digest(problem.kind, shown_texts(problem) if shown is None else shown)
        slot = self._slot(digest)
        if self._slots[slot]:
            return True
        self._slots[slot] = digest
        self._used += 1
        if self._used * 4 > len(self._slots) * 3:
            self._grow()
        return False

    def _slot(self, digest: int) -> int:
        mask = len(self._slots) - 1
        slot = digest & mask
        while self._slots[slot] not in (0, digest):
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        old = self._slots
        self._slots = array("Q", bytes(16 * len(old)))
        for digest in old:
            if digest:
                self._slots[self._slot(digest)] = digest
