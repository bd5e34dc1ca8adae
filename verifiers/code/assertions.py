"""Mode `assert`."""

from __future__ import annotations

from verifiers.code.evidence import Outcome
from verifiers.code.extraction import Program
from verifiers.code.references import Reference
from verifiers.code.runs import Deadline
from verifiers.code.slots import Slot
from verifiers.types import Limits, Status


def judge(slot: Slot, reference: Reference, program: Program, limits: Limits, deadline: Deadline) -> Outcome:
    return Outcome(Status.UNDECIDED, "mode assert is not supported yet", {})
