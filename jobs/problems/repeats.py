"""Problems that ask what an earlier problem of the set has asked already: published files repeat prompts, some of them
a hundred times."""

from __future__ import annotations

import hashlib
from array import array

from verifiers.kinds import KINDS
from verifiers.types import Problem
from workers.prompting.messages import conversation

FIRST_SLOTS = 1024


def prompt_digest(problem: Problem) -> int:
    """64 bits that are equal for problems of one kind that show a model the same text; never zero."""
    shown = [str(problem.kind), KINDS.row(problem.kind).show(problem).strip()]
    shown += [text for turn in conversation(problem) for text in turn]
    digest = hashlib.blake2b("\0".join(shown).encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest) or 1


class PromptTable:
    """Prompts seen so far: an open-addressing table of 64-bit digests, 8 bytes per slot. At least three
    eighths of the slots are in use once it has grown.

    Among a million prompts two share a digest with a chance of one in 37 million.
    """

    def __init__(self) -> None:
        self._used = 0
        self._slots = array("Q", bytes(8 * FIRST_SLOTS))

    def add(self, problem: Problem) -> bool:
        """Whether the prompt was there already."""
        digest = prompt_digest(problem)
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
