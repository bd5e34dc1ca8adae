"""Sampling policies: how many samples a problem gets, when it is settled and what may then be aborted. Pure, no Ray.

    state = policy.open(number, domain); queue.push(state)
    for state, index in queue.take(room): …                     issue sample `index`
    policy.observe(state, index, outcome, tokens, seconds)       verdicts, in any order
    if policy.settle(state): …                                   else queue.push(state)
    for index in policy.abortable(state): …                      abort or withdraw; then observe it as ABORTED

Every policy gives each problem a `Plan`: a stopping rule on that problem's counts, fixed before its first sample. In
`unbiased` mode the plan is applied in index order, so a problem is settled once every index up to its settling index
has a verdict, and only indices above it are abortable: an index at or below it runs to its end however long it takes,
because a long sample is less often right and dropping it would flatter the model. In `fast` mode the plan is applied
to whatever has a verdict and the rest is abortable at once; no unbiased estimate follows (the stored rule says so).

With repair rounds the trial is a whole chain: `observe` is called once for the index of its first attempt, with
VERIFIED, or REPAIRED if a later round was verified, or the last failure.
"""

from __future__ import annotations

import dataclasses
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal

import pydantic

from workers.sampling.agreement import AgreementRule
from workers.sampling.plan import AGREED, BUDGET, EXHAUSTED, Plan
from workers.sampling.problem_state import (
    BYTE_OF_OUTCOME,
    SOLUTIONS,
    ExtraState,
    KeylessState,
    ProblemState,
    SampleOutcome,
)

_STARTED = 1e15
"""Priority offset of a started problem, above any problem number. A started problem goes on before a new one is begun,
which keeps few problems open and starts the long chains of waves early."""


Positive = Annotated[int, pydantic.Field(gt=0)]


class PolicySettings(pydantic.BaseModel):
    """The keys of `[sampling]` that every policy reads. A policy with keys of its own extends it; those that are not
    among WaveSettings stand in `sampling.policy_args`."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    policy: str = "fixed"
    """fixed, until_verified or adaptive, or the policy of a plugin."""
    num_samples: Positive = 8
    """Samples per problem (fixed) or the maximum (until_verified, adaptive)."""


class WaveSettings(PolicySettings):
    """The keys of policies that stop at verified solutions."""

    wave: Positive = 4
    """until_verified: samples asked for at a time. adaptive: samples of one problem that are drawn at once. More are
    drawn at the end of a run on GPUs, while more than a quarter of the room for samples is empty."""
    num_verified: Positive = 1
    """Verified solutions that settle a problem."""
    distinct: bool = False
    """Count verified solutions with different normalised texts only."""
    estimates: Literal["unbiased", "fast"] = "unbiased"
    """unbiased: only samples above the settling index are aborted: pass@k has an unbiased estimate. fast: any."""

    @property
    def unbiased(self) -> bool:
        return self.estimates == "unbiased"


@dataclasses.dataclass(frozen=True, slots=True)
class SampleBound:
    """How many samples one problem can get, repair rounds aside; `stops` says in words what ends it sooner."""

    least: int
    most: int
    stops: str = ""


class Policy(ABC):
    """What the policies share; each of them chooses plans, how many samples run at once, and priorities.

    Not thread-safe: the coordinator calls it from one place.
    """

    Settings: ClassVar[type[PolicySettings]] = PolicySettings
    """The settings that `from_settings` takes."""
    name = ""
    stride = 1_000_000
    """Samples of one problem that the priority queue hands out before it looks at the next problem."""
    widens = False
    """Whether a problem may get samples beyond `num_wanted` while engines stand idle (workers.sampling.widening)."""
    num_variants = 1
    """Number of variants (`sampling.variants`) that a problem's samples are dealt to."""
    agreement: AgreementRule | None = None
    """The rule for problems without an answer key (`[agreement]`); None: they get all their samples."""
    refits = 0
    """Counter that grows whenever all priorities may have changed; the priority queue then orders itself anew."""

    def __init__(self, num_samples: int, *, unbiased: bool = True) -> None:
        self.num_samples = num_samples
        self.unbiased = unbiased

    # What a policy chooses.

    @classmethod
    @abstractmethod
    def from_settings(cls, settings: Any) -> Policy:
        """`settings` is an instance of the class's own `Settings`."""

    @classmethod
    @abstractmethod
    def bound(cls, settings: Any) -> SampleBound:
        """How many samples a problem can get under these settings, for the plan that `--dry-run` prints."""

    @abstractmethod
    def plan_for(self, domain: str) -> Plan:
        """The plan of a problem about to be opened. May use what other problems showed, never this one."""

    @abstractmethod
    def num_wanted(self, state: ProblemState) -> int:
        """Further samples that this open problem may have issued now, before `num_samples` caps it."""

    def priority(self, state: ProblemState) -> float:
        """The problem's priority; the priority queue hands out the highest first."""
        return (_STARTED if state.next_index else 0.0) - state.number

    # What the coordinator calls.

    def open(self, number: int, domain: str, is_extra: bool = False, keyless: bool = False) -> ProblemState:
        """A problem at its beginning. `is_extra`: its samples are drawn only because of the audit. `keyless`: it has no
        answer key."""
        kind = KeylessState if keyless else ExtraState if is_extra else ProblemState
        return kind(number, sys.intern(domain), self.plan_of(domain, keyless))

    def plan_of(self, domain: str, keyless: bool = False) -> Plan:
        """The plan of a problem about to be opened, which may have no answer key."""
        return self.keyless_plan() if keyless else self.plan_for(domain)

    def keyless_plan(self) -> Plan:
        """The plan of a problem without an answer key: its answers may end it by agreement."""
        rule = self.agreement
        if rule is None:
            return Plan(self.num_samples)
        most = min(rule.max_samples, self.num_samples)
        return Plan(most, agreement=dataclasses.replace(rule, max_samples=most))

    def next_samples(self, state: ProblemState, room: int) -> int:
        """How many further samples may be issued now, at most `room`."""
        left = state.plan.num_samples - state.next_index
        if left <= 0 or state.settled or state.bound >= 0:
            return 0
        return max(0, min(room, self.num_wanted(state), left))

    def num_spare(self, state: ProblemState) -> int:
        """How many further samples may be issued at most, whatever the policy wants now."""
        return 0 if state.settled or state.bound >= 0 else max(0, state.plan.num_samples - state.next_index)

    def issue(self, state: ProblemState, count: int) -> range:
        """Gives out the next `count` indices."""
        first = state.next_index
        state.next_index += count
        return range(first, state.next_index)

    def observe(
        self,
        state: ProblemState,
        index: int,
        outcome: SampleOutcome,
        tokens: int = 0,
        seconds: float = 0.0,
        key: int = 0,
    ) -> None:
        """Records one outcome; a second one for an index is ignored (a task may be answered twice).

        `key` is the `solution_key` of a solution's text, needed with `distinct` only.
        """
        known = state.outcomes
        if index < len(known) and known[index]:
            return
        state.outcomes = known[:index].ljust(index, b"\0") + BYTE_OF_OUTCOME[outcome] + known[index + 1 :]
        if index >= state.next_index:
            state.next_index = index + 1
        state.tokens += tokens
        if outcome == SampleOutcome.ABORTED:
            return
        state.num_known += 1
        if outcome not in SOLUTIONS:
            state.num_failed += 1
        elif not state.plan.distinct:
            state.num_useful += 1
            self._lower_bound(state)
        else:
            keys = state.keys = state.keys if state.keys is not None else {}
            keys[key] = min(index, keys.get(key, index))
            state.num_useful = len(keys)
            self._lower_bound(state)

    def settle(self, state: ProblemState) -> bool:
        """Applies the plan; true when this call settled the problem."""
        if state.settled:
            return False
        if state.plan.agreement is not None and isinstance(state, KeylessState):
            return self._settle_by_votes(state, state.plan.agreement)
        if self.unbiased and not self._walk(state):
            return bool(state.settled)
        # In `fast` mode, or if a budget stop lost an index of the prefix, the counts decide whatever their order.
        plan = state.plan
        state.settled = plan.stop(state.num_useful, state.num_failed, state.num_known)
        if not state.settled and state.next_index >= plan.num_samples and not state.num_in_flight:
            state.settled = EXHAUSTED
        return bool(state.settled)

    def _settle_by_votes(self, state: KeylessState, rule: AgreementRule) -> bool:
        """Applies the rule of agreement to the samples known so far, in index order."""
        known = state.outcomes
        prefix = state.prefix
        while prefix < len(known) and known[prefix] not in (SampleOutcome.UNKNOWN, SampleOutcome.ABORTED):
            prefix += 1
        state.prefix = state.prefix_failed = prefix
        if (stop := state.votes.first_agreement(rule, prefix)) > 0:
            state.settled, state.settled_at_index = AGREED, stop - 1
        elif prefix >= rule.max_samples:
            state.settled, state.settled_at_index = EXHAUSTED, rule.max_samples - 1
        elif state.next_index >= rule.max_samples and not state.num_in_flight:
            state.settled = EXHAUSTED  # a budget stop lost an index of the prefix
        return bool(state.settled)

    def end(self, state: ProblemState, why: str = BUDGET) -> None:
        """Closes a problem that a budget, or the loss of its pool, left open; `why` is one of plan.UNFINISHED."""
        if not state.settled:
            state.settled = why

    def abortable(self, state: ProblemState) -> list[int]:
        """Indices in flight whose outcome no longer matters to the plan. Cheap; to be called after a solution or a
        settling."""
        if state.settled and (not self.unbiased or state.settled_at_index < 0):
            return state.in_flight
        last = state.settled_at_index if state.settled else state.bound
        return [index for index in state.in_flight if index > last] if last >= 0 else []

    def stopping_rule(self, state: ProblemState) -> dict[str, Any]:
        """Stored with the problem as JSON; all that workers.sampling.estimates needs beside the outcomes."""
        variants = {"variants": self.num_variants} if self.num_variants > 1 else {}
        keyless = {"keyless": True} if state.keyless else {}
        return {"policy": self.name, "estimates": self.estimates, **variants, **keyless, **state.plan.to_json()}

    @property
    def estimates(self) -> str:
        return "unbiased" if self.unbiased else "fast"

    def restore(
        self,
        state: ProblemState,
        outcomes: Mapping[int, SampleOutcome],
        tokens: Mapping[int, int] | None = None,
        keys: Mapping[int, int] | None = None,
    ) -> None:
        """Replays durable outcomes (index → outcome, tokens, with `distinct` also solution key) and settles.

        Indices below the highest durable one that have no row were lost with the process that ran them: they are
        `missing` and must be issued again under their own index before new ones.
        """
        for index, outcome in outcomes.items():
            self.observe(state, index, outcome, (tokens or {}).get(index, 0), key=(keys or {}).get(index, 0))
        self.settle(state)

    def missing(self, state: ProblemState) -> list[int]:
        """After `restore`: the indices to issue again. They are those in flight that the plan may still need."""
        if state.settled:
            return []
        last = state.bound if state.bound >= 0 else state.next_index
        return [index for index in state.in_flight if index <= last]

    # Index order.

    def _walk(self, state: ProblemState) -> bool:
        """Moves the prefix on through known outcomes up to the plan's stop. True if an aborted index bars the way."""
        plan, keys, prefix, failed = state.plan, state.keys, state.prefix, state.prefix_failed
        outcome = SampleOutcome.UNKNOWN.value
        for outcome in state.outcomes[prefix:]:
            if outcome == SampleOutcome.UNKNOWN or outcome == SampleOutcome.ABORTED:
                break
            prefix += 1
            failed += outcome not in SOLUTIONS
            if plan.distinct:
                # Whether a text is new depends on the order of indices, not on that of arrivals.
                useful = sum(index < prefix for index in keys.values()) if keys else 0
            else:
                useful = prefix - failed
            if settled := plan.stop(useful, failed, prefix):
                state.settled, state.settled_at_index = settled, prefix - 1
                break
        state.prefix, state.prefix_failed = prefix, failed
        return outcome == SampleOutcome.ABORTED

    def _lower_bound(self, state: ProblemState) -> None:
        """Solutions already known bound the settling index from above: what is unknown can only move it down."""
        needed = state.plan.num_verified
        if not needed or state.num_useful < needed or not self.unbiased:
            return
        if state.plan.distinct:
            firsts: Iterable[int] = (state.keys or {}).values()
        else:
            firsts = (index for index, outcome in enumerate(state.outcomes) if outcome in SOLUTIONS)
        state.bound = sorted(firsts)[needed - 1]
