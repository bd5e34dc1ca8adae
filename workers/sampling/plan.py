"""The stopping rule of one problem, as a closed plan on its own counts.

A plan is chosen before the problem's first sample is drawn and looks at nothing but that problem's outcomes in index
order, whatever the order in which they arrive. That is what makes an unbiased estimate possible afterwards
(workers.sampling.estimates), so nothing here may ever depend on time, on text length or on another problem.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from workers.sampling.agreement import AgreementRule

SOLVED = "solved"
EXHAUSTED = "exhausted"
HOPELESS = "hopeless"
AGREED = "agreed"
"""The answers of a problem without an answer key agree as far as its rule asks. Nothing is proven by it."""
BUDGET = "budget"
"""A global ceiling ended the run first. Not a stop of the plan: no unbiased estimate follows from it."""
LOST = "endpoint lost"
"""The pool that draws the problem's samples was lost for good. No stop of the plan either."""
UNFINISHED = frozenset({BUDGET, LOST})
"""What ends a problem without a stop of its plan; a resume goes on with it."""
OPEN = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """Stops after each sample of the index order, by the counts so far.

    `solved` at `num_verified` useful verified samples (0 = never stops on success), `exhausted` at `num_samples`
    samples, `hopeless` at `give_up[s]` failures beside `s` useful verified samples (the last entry serves every larger
    `s`; empty = never). Useful means verified, or verified with a text unlike the earlier ones if `distinct`.
    """

    num_samples: int
    num_verified: int = 0
    give_up: tuple[int, ...] = ()
    distinct: bool = False
    agreement: AgreementRule | None = None
    """When the answers to a problem without an answer key agree. It is applied to them, and not to these counts."""

    def __post_init__(self) -> None:
        if self.num_samples < 1 or self.num_verified < 0:
            raise ValueError(f"a plan needs num_samples >= 1 and num_verified >= 0, got {self}")
        if any(failures < 1 for failures in self.give_up) or list(self.give_up) != sorted(self.give_up):
            # A decreasing boundary would also stop on a success, which the ordering of the intervals excludes.
            raise ValueError(f"give_up must not decrease and start at 1 or more, got {self.give_up}")
        if self.distinct and self.give_up and (len(self.give_up) < 2 or self.give_up[1] < self.num_samples):
            raise ValueError("with distinct, a plan can give up only before the first verified sample")

    def stop(self, useful: int, failures: int, total: int) -> str:
        """Why the plan stops at these counts of a prefix, or `OPEN`. `total` includes verified duplicates."""
        if self.num_verified and useful >= self.num_verified:
            return SOLVED
        if total >= self.num_samples:
            return EXHAUSTED
        if self.give_up and failures >= self.give_up[min(useful, len(self.give_up) - 1)]:
            return HOPELESS
        return OPEN

    def to_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {"num_samples": self.num_samples}
        if self.num_verified:
            row["num_verified"] = self.num_verified
        if self.give_up:
            row["give_up"] = list(self.give_up)
        if self.distinct:
            row["distinct"] = True
        if self.agreement is not None:
            row["agreement"] = self.agreement.to_json()
        return row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Plan:
        """Other keys of a stored rule (`policy`, `estimates`, `variants`) are ignored."""
        return cls(
            num_samples=row["num_samples"],
            num_verified=row.get("num_verified", 0),
            give_up=tuple(row.get("give_up", ())),
            distinct=row.get("distinct", False),
            agreement=AgreementRule.from_json(row["agreement"]) if "agreement" in row else None,
        )
