"""What the coordinator keeps of one problem: its outcomes by sample index and where its plan stands.

Promises: under 300 bytes per problem at 16 samples (a test measures it), and `settled_at_index` depends on the outcomes
alone, not on the order in which they arrived.
Does not: hold texts, or decide (workers.sampling.policy does).
"""

from __future__ import annotations

from enum import IntEnum

from workers.sampling.plan import OPEN, Plan
from workers.sampling.votes import Votes


class SampleOutcome(IntEnum):
    """Fate of one sample index; fits a byte. The numbers are not stored anywhere durable."""

    UNKNOWN = 0
    """The sample is not issued yet, or in flight."""
    VERIFIED = 1
    REFUTED = 2
    MALFORMED = 3
    UNDECIDED = 4
    ERROR = 5
    """Out of retries. The stopping rule and the estimates count it as a failure, since they estimate the share of
    samples that end up verified."""
    ABORTED = 6
    """Stopped in the engine or withdrawn before it began; no verdict."""
    REPAIRED = 7
    """Verified in a repair round only. It settles a problem but is no success of the first attempt."""

    UNCHECKED = 8
    """The problem has no answer key. It is no solution, and no failure for what is learnt about pass rates."""

    @property
    def is_solution(self) -> bool:
        return self in SOLUTIONS


SOLUTIONS = frozenset({SampleOutcome.VERIFIED, SampleOutcome.REPAIRED})
BYTE_OF_OUTCOME = {outcome: bytes([outcome]) for outcome in SampleOutcome}
"""Each outcome as it stands in `ProblemState.outcomes`."""

OUTCOME_OF_STATUS = {
    "verified": SampleOutcome.VERIFIED,
    "refuted": SampleOutcome.REFUTED,
    "malformed": SampleOutcome.MALFORMED,
    "undecided": SampleOutcome.UNDECIDED,
    "error": SampleOutcome.ERROR,
    "unchecked": SampleOutcome.UNCHECKED,
    None: SampleOutcome.ABORTED,
}
"""Outcomes by the `status` column of a sample row; an aborted row has none."""


class ProblemState:
    """One open problem. Made by `Policy.open`, changed only by the policy."""

    __slots__ = (
        "bound",
        "domain",
        "keys",
        "next_index",
        "num_failed",
        "num_known",
        "num_useful",
        "number",
        "outcomes",
        "plan",
        "prefix",
        "prefix_failed",
        "queued",
        "settled",
        "settled_at_index",
        "tokens",
    )

    is_extra = False
    """Whether only the audit asks for these samples. A policy learns nothing from them."""
    keyless = False
    """Whether the problem has no answer key. A policy learns nothing from its samples."""

    def __init__(self, number: int, domain: str, plan: Plan) -> None:
        self.number = number
        """Position in the problem set."""
        self.domain = domain
        """The problem's domain; the string is shared with the other problems of the domain (interned by the policy)."""
        self.plan = plan
        self.next_index = 0
        """Samples issued so far; the next sample gets this index."""
        self.outcomes = b""
        """One byte per index (`SampleOutcome`). Bytes take half the memory of a bytearray at these lengths."""
        self.keys: dict[int, int] | None = None
        """With `distinct`: solution key → lowest index known to carry it."""
        self.num_known = 0
        """Number of indices with a verdict, in any order."""
        self.num_useful = 0
        """Number of useful solutions among them: all solutions, or with `distinct` those with different texts."""
        self.num_failed = 0
        self.prefix = 0
        """Length of the longest prefix of known outcomes that the plan has been applied to."""
        self.prefix_failed = 0
        self.bound = -1
        """The settling index is at most this, whatever is still in flight; -1 = not known yet."""
        self.tokens = 0
        self.settled = OPEN
        self.settled_at_index = -1
        """Last index of the prefix that the plan used; -1 while open, in `fast` mode and after a budget stop."""
        self.queued: float | None = None
        """Its key in the priority queue; None while it is not queued."""

    def outcome(self, index: int) -> SampleOutcome:
        return SampleOutcome(self.outcomes[index]) if index < len(self.outcomes) else SampleOutcome.UNKNOWN

    @property
    def in_flight(self) -> list[int]:
        """Indices issued and without an outcome, ascending."""
        known = len(self.outcomes)
        return [index for index in range(self.next_index) if index >= known or not self.outcomes[index]]

    @property
    def num_in_flight(self) -> int:
        return self.next_index - len(self.outcomes) + self.outcomes.count(0)

    @property
    def solved(self) -> bool:
        return self.num_useful > 0


class ExtraState(ProblemState):
    """A stage that a problem goes through only because of the audit."""

    __slots__ = ()

    is_extra = True


class KeylessState(ProblemState):
    """A problem without an answer key."""

    __slots__ = ("votes",)

    keyless = True

    def __init__(self, number: int, domain: str, plan: Plan) -> None:
        super().__init__(number, domain, plan)
        self.votes = Votes()
