"""What a run's variants achieved (`sampling.variants`): counts of each, and a comparison where one is fair.

Promises: variants are compared only over problems whose plan looks at no outcome and was carried out in full. There
every variant got its fixed number of samples of every problem, so estimates are unbiased and the problems are the same
for all. Intervals take problems as the random draws. A variant's difference from the first one is paired by problem.
Does not: compare under a plan that stops at outcomes. It draws later indices of the harder problems only, which is held
against whichever variant they were dealt to (docs/estimates.md).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t

from jobs.report.intervals import MIN_PROBLEMS, paired_difference
from workers.sampling import estimates
from workers.sampling.estimates import Estimate, Stopped
from workers.sampling.pass_curve import PassCurve, Point
from workers.sampling.plan import EXHAUSTED, Plan
from workers.sampling.problem_state import SOLUTIONS, SampleOutcome

MILLION = 1e6


class VariantCounts(NamedTuple):
    """The samples of one problem that one variant drew."""

    name: str
    samples: int
    """Samples with a verdict."""
    verified: int
    completion_tokens: int
    """Generated tokens, those of aborted samples too."""
    stopped: Stopped | None = None
    """What its pass rate follows from; None where nothing unbiased does."""


def stopped_of(outcomes: Sequence[int]) -> Stopped:
    """The first attempts of one variant at one problem, of which a plan drew a fixed number. Repairs are in them."""
    solutions = sum(outcome in SOLUTIONS for outcome in outcomes)
    first_try = sum(outcome == SampleOutcome.VERIFIED for outcome in outcomes)
    return Stopped(Plan(len(outcomes)), solutions, len(outcomes) - solutions, first_try, EXHAUSTED)


@dataclasses.dataclass(slots=True)
class VariantTotals:
    """Sums over the problems of one variant."""

    problems: int = 0
    samples: int = 0
    verified: int = 0
    completion_tokens: int = 0

    def add(self, counts: VariantCounts) -> None:
        self.problems += 1
        self.samples += counts.samples
        self.verified += counts.verified
        self.completion_tokens += counts.completion_tokens


class Compared(NamedTuple):
    """One variant beside the first one."""

    name: str
    samples: int
    verified: int
    first: Point | None
    """pass@1."""
    last: Point | None
    """pass@k for its number of samples per problem."""
    tokens_per_sample: float | None
    per_million: Estimate | None
    """Verified samples per million generated tokens."""
    rate_change: Estimate | None
    """pass@1 minus that of the first variant; None for the first variant itself."""
    token_ratio: Estimate | None
    """Verified per token over that of the first variant; None for the first variant itself."""


class VariantTable:
    """Collects problems, and compares."""

    def __init__(self) -> None:
        self.all: dict[str, VariantTotals] = {}
        """Everything that each variant drew, by name."""
        self.fair: dict[str, VariantTotals] = {}
        """The same of the problems over which variants are compared."""
        self.passes: dict[str, PassCurve] = {}
        self.num_problems = 0
        """Problems whose samples were dealt to variants."""
        self.num_fair = 0
        self._places: dict[str, int] = {}
        self._moments = np.zeros((0, 0))
        """Sums of products over the fair problems, of (verified, tokens, rate, 1) of every variant."""

    def add(self, counts: Sequence[VariantCounts]) -> None:
        """Adds one problem, with its variants in the order of their first index."""
        self.num_problems += 1
        for each in counts:
            self.all.setdefault(each.name, VariantTotals()).add(each)
        if not counts or any(each.stopped is None for each in counts):
            return
        self.num_fair += 1
        for each in counts:
            self._places.setdefault(each.name, len(self._places))
        vector = np.zeros(4 * len(self._places))
        for each in counts:
            self.fair.setdefault(each.name, VariantTotals()).add(each)
            assert each.stopped is not None
            self.passes.setdefault(each.name, PassCurve()).add(each.stopped)
            place = 4 * self._places[each.name]
            vector[place : place + 4] = each.verified, each.completion_tokens, estimates.first_pass(each.stopped), 1.0
        missing = len(vector) - len(self._moments)
        self._moments = np.pad(self._moments, (0, missing)) + np.outer(vector, vector)

    @property
    def names(self) -> list[str]:
        """The variants, those whose indices come first before the others."""
        return list(self._places or self.all)

    @property
    def is_comparable(self) -> bool:
        """Whether there are problems over which every variant had its samples."""
        return self.num_fair > 0

    def compared(self) -> list[Compared]:
        """Each variant, over the fair problems."""
        return [self._compared(name) for name in self._places]

    def _compared(self, name: str) -> Compared:
        totals, curve = self.fair[name], self.passes[name]
        reference = next(iter(self._places))
        is_reference = name == reference
        return Compared(
            name,
            totals.samples,
            totals.verified,
            curve.at(1),
            curve.at(curve.reach) if curve.reach > 1 else None,
            totals.completion_tokens / totals.samples if totals.samples else None,
            scaled(self._ratio(name), MILLION),
            None if is_reference else self._rate_change(name, reference),
            None if is_reference else self._ratio(name, reference),
        )

    def _rate_change(self, name: str, reference: str) -> Estimate | None:
        weights = np.zeros(len(self._moments))
        weights[4 * self._places[name] + 2], weights[4 * self._places[reference] + 2] = 1.0, -1.0
        ones = 4 * self._places[name] + 3  # 1 for every problem
        number = float(self._moments[ones, ones])
        total, squares = weights @ self._moments[:, ones], weights @ self._moments @ weights
        return paired_difference(number, float(total), float(squares))

    def _ratio(self, name: str, reference: str = "") -> Estimate | None:
        """Verified per token, or its ratio to that of `reference`, with an interval of its logarithm over problems.
        None where a variant has no verified sample, of whose rate a logarithm says nothing."""
        weights = np.zeros(len(self._moments))
        value = 1.0
        for each, sign in ((name, 1.0), (reference, -1.0)) if reference else ((name, 1.0),):
            totals, place = self.fair[each], 4 * self._places[each]
            if not totals.verified or not totals.completion_tokens:
                return None
            value *= (totals.verified / totals.completion_tokens) ** sign
            weights[place] += sign / totals.verified
            weights[place + 1] -= sign / totals.completion_tokens
        n = self.num_fair
        if n < MIN_PROBLEMS:
            return Estimate(value, 0.0, math.inf)
        # The influences of the problems on the logarithm have the mean 0, so their squares are their spread.
        variance = max(0.0, float(weights @ self._moments @ weights)) * n / (n - 1)
        half = float(t.isf((1 - estimates.CONFIDENCE) / 2, n - 1)) * math.sqrt(variance)
        return Estimate(value, value * math.exp(-half), value * math.exp(half))


def scaled(estimate: Estimate | None, factor: float) -> Estimate | None:
    """An estimate in another unit."""
    if estimate is None:
        return None
    return Estimate(estimate.value * factor, estimate.low * factor, estimate.high * factor)
