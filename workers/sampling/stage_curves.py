"""What can be said of each stage of a cascade without bias.

A later stage sees only the problems that the stages before it did not solve, which are the hard ones. So its figures
are "given that the earlier stages failed", and no claim about its model on the whole problem set: that would be too low
for a large model, and no longer the same question when the small model before it changes. The first stage sees every
problem. The audit sends a share of the problems, chosen by a hash and so by nothing that a model did, through every
stage: over these, each stage's figures are unbiased for its model alone.

Promises: `given` is unbiased for the mean over the problems that reached a stage; `alone` is unbiased for the mean over
all problems, and gives nothing with fewer than MIN_AUDITED audited problems.
"""

from __future__ import annotations

from collections.abc import Sequence

from workers.sampling.estimates import Stopped
from workers.sampling.pass_curve import PassCurve, Point

MIN_AUDITED = 30
"""Fewest audited problems from which a figure for one model alone is given."""


class StageCurves:
    """Collects where the stages of one route's problems stopped. Memory grows with the number of different stops."""

    def __init__(self, num_stages: int) -> None:
        self.reached = [PassCurve() for _ in range(num_stages)]
        """Curves of the problems that reached each stage because the ones before it failed."""
        self.audited = [PassCurve() for _ in range(num_stages)]
        self.unknown = [0] * num_stages
        """Problems that each stage did not sample to its plan's end, although the ones before it had failed."""
        self.unknown_audited = [0] * num_stages

    def add(self, stops: Sequence[Stopped | None], audited: bool) -> None:
        """One problem: where each stage's plan stopped; None where it did not, or nothing unbiased follows from it."""
        for stage, stopped in enumerate(stops):
            if stopped is None:
                self.unknown[stage] += 1
                break
            self.reached[stage].add(stopped)
            if stopped.solutions:
                break
        if audited:
            for stage, stopped in enumerate(stops):
                if stopped is None:
                    self.unknown_audited[stage] += 1
                else:
                    self.audited[stage].add(stopped)

    def given(self, stage: int, k: int) -> Point | None:
        """pass@k of a stage given that the earlier ones failed; None where some of its problems are unknown, since
        the others are no fair sample of them."""
        return None if any(self.unknown[: stage + 1]) else self.reached[stage].at(k)

    def alone(self, stage: int, k: int) -> Point | None:
        """pass@k of the stage's model on the whole problem set, as it was sampled there. The first stage needs no audit
        for it."""
        if not stage:
            return self.given(0, k)
        curve = self.audited[stage]
        if self.unknown_audited[stage] or curve.problems < MIN_AUDITED:
            return None
        return curve.at(k)
