"""One generated problem with a worked solution, and the split that keeps training and held-out problems apart.

Promises: the side of an item depends on its `key` alone, a text of what is asked with wording, names and the order of
commuting operands taken out. So no rewording of a held-out question can reach the training side.
Does not promise: that no step inside a training solution happens to be a held-out question (47·36 uses 1410 + 282).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any

from verifiers.types import Kind, Problem

HELD_OUT_SHARE = 8
"""One key in so many is held out."""


@dataclasses.dataclass(frozen=True, slots=True)
class Item:
    """A problem and one right solution. `key` is the canonical content: equal keys ask for the same thing."""

    domain: str
    kind: Kind
    key: str
    prompt: str
    reference: Mapping[str, Any]
    solution: str

    @property
    def held_out(self) -> bool:
        return is_held_out(self.key)

    def problem(self) -> Problem:
        digest = hashlib.blake2b(self.prompt.encode(), digest_size=5).hexdigest()
        return Problem(
            id=f"{self.domain}-{digest}",
            kind=self.kind,
            prompt=self.prompt,
            reference=self.reference,
            domain=self.domain,
            source="tiny_reasoner",
            split="held_out" if self.held_out else "train",
        )

    def messages(self) -> list[dict[str, str]]:
        return [{"role": "user", "content": self.prompt}, {"role": "assistant", "content": self.solution}]


def is_held_out(key: str) -> bool:
    return hashlib.blake2b(key.encode(), digest_size=8).digest()[0] % HELD_OUT_SHARE == 0


def math_item(domain: str, key: str, prompt: str, steps: str, answer: str) -> Item:
    """A math item whose solution is `steps` and then the boxed answer."""
    return Item(domain, Kind.MATH, key, prompt, {"answer": answer}, f"{steps}\n\\boxed{{{answer}}}")
