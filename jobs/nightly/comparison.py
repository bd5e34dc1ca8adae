"""Tonight against the night before: paired by problem, tested, corrected for the number of problems. Pure.

- Each problem's own pass rate: Fisher's exact test on (verified, not verified) of both nights, Holm's correction over
  all problems tested (Holm 1979), so that the chance of even one false name in the report is at most alpha.
- The mean pass rate over problems: a sign-flip permutation test on the paired differences (Fisher's randomisation
  test); exact to 12 problems, 10,000 seeded draws beyond.
- Solved or not: McNemar's exact test on the problems where the nights differ.

Pass rates are compared only where both nights drew a fixed number of samples: under a policy that stops at the first
success, verified / samples is biased upwards. Solved flags are compared everywhere, but a bigger budget alone can solve
more; `unequal_budgets` says how many pairs had one.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from jobs.nightly.history import Outcome
from jobs.nightly.settings import Bounds

EXACT_PROBLEMS = 12
DRAWS = 10_000
SEED = 20_240_229


@dataclasses.dataclass(frozen=True, slots=True)
class Shift:
    """One problem whose pass rate changed beyond chance."""

    problem_id: str
    before: tuple[int, int]
    """verified, samples"""
    after: tuple[int, int]
    p: float
    """After correction."""


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    num_paired: int
    num_rates: int
    """Pairs whose pass rates can be compared."""
    unequal_budgets: int
    newly_solved: list[str]
    """Solved tonight and on no earlier night."""
    lost: list[str]
    """Solved when last tried, tried tonight and not solved."""
    num_solved_before: int
    """Of the pairs: solved when last tried."""
    lost_p: float
    pass_rate_before: float
    pass_rate_after: float
    pass_rate_p: float
    worse: list[Shift]
    better: list[Shift]
    tokens_per_sample: tuple[float, float]
    seconds_per_token: tuple[float, float]
    regressions: list[str]
    """Sentences, one for each bound that was passed; empty = all well."""


def compare(
    before: Mapping[str, Outcome],
    after: Mapping[str, Outcome],
    bounds: Bounds,
    ever_solved: frozenset[str] = frozenset(),
) -> Comparison:
    """`before` holds each problem's last outcome on an earlier night; `ever_solved` the problems solved on any."""
    paired = sorted(set(before) & set(after))
    rated = [name for name in paired if before[name].fixed and after[name].fixed and samples(before, after, name)]
    shifts = problem_shifts(before, after, rated, bounds.alpha)
    worse = [shift for shift in shifts if rate(shift.after) < rate(shift.before)]
    better = [shift for shift in shifts if rate(shift.after) > rate(shift.before)]
    differences = [rate(counts(after[name])) - rate(counts(before[name])) for name in rated]
    solved_before = [name for name in paired if before[name].solved]
    lost = [name for name in solved_before if not after[name].solved]
    gained = [name for name in paired if not before[name].solved and after[name].solved]
    result = Comparison(
        num_paired=len(paired),
        num_rates=len(rated),
        unequal_budgets=sum(before[name].num_samples != after[name].num_samples for name in paired),
        newly_solved=[name for name, outcome in sorted(after.items()) if outcome.solved and name not in ever_solved],
        lost=lost,
        num_solved_before=len(solved_before),
        lost_p=mcnemar(len(lost), len(gained)),
        pass_rate_before=mean([rate(counts(before[name])) for name in rated]),
        pass_rate_after=mean([rate(counts(after[name])) for name in rated]),
        pass_rate_p=sign_flip(differences),
        worse=worse,
        better=better,
        tokens_per_sample=(tokens_per_sample(before, paired), tokens_per_sample(after, paired)),
        seconds_per_token=(seconds_per_token(before, paired), seconds_per_token(after, paired)),
        regressions=[],
    )
    return dataclasses.replace(result, regressions=regressions(result, bounds))


def regressions(found: Comparison, bounds: Bounds) -> list[str]:
    lines = []
    drop = found.pass_rate_before - found.pass_rate_after
    if found.num_rates and drop > bounds.max_pass_rate_drop and found.pass_rate_p < bounds.alpha:
        lines.append(
            f"mean pass rate fell by {drop:.3f} (bound {bounds.max_pass_rate_drop:g}, p = {found.pass_rate_p:.2g})"
        )
    share = len(found.lost) / max(found.num_solved_before, 1)
    if share > bounds.max_lost and found.lost_p < bounds.alpha:
        lines.append(
            f"{len(found.lost)} of {found.num_solved_before} solved problems were lost "
            f"(bound {bounds.max_lost:.0%}, p = {found.lost_p:.2g})"
        )
    if len(found.worse) > bounds.max_worse_problems:
        lines.append(f"{len(found.worse)} problems got worse beyond chance (bound {bounds.max_worse_problems})")
    for what, (old, new), bound in (
        ("tokens a sample", found.tokens_per_sample, bounds.max_cost_increase),
        ("seconds of generation a token", found.seconds_per_token, bounds.max_slowdown),
    ):
        if old > 0 and new / old - 1 > bound:
            lines.append(f"{what} rose by {new / old - 1:.0%} (bound {bound:.0%})")
    return lines


def samples(before: Mapping[str, Outcome], after: Mapping[str, Outcome], name: str) -> bool:
    return before[name].num_samples > 0 and after[name].num_samples > 0


def counts(outcome: Outcome) -> tuple[int, int]:
    """Verified and drawn; samples that our own side failed to check say nothing about the model."""
    return outcome.num_verified, outcome.num_samples - outcome.num_error


def rate(pair: tuple[int, int]) -> float:
    return pair[0] / pair[1] if pair[1] else 0.0


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def problem_shifts(
    before: Mapping[str, Outcome], after: Mapping[str, Outcome], names: Sequence[str], alpha: float
) -> list[Shift]:
    """Problems whose pass rate changed, at a family-wise error of `alpha`; smallest p first."""
    tested = []
    for name in names:
        tested.append((fisher(*counts(before[name]), *counts(after[name])), name))
    tested.sort()
    shifts = []
    corrected = 0.0
    for rank, (p, name) in enumerate(tested):
        corrected = max(corrected, min(1.0, p * (len(tested) - rank)))
        if corrected >= alpha:
            break
        shifts.append(Shift(name, counts(before[name]), counts(after[name]), corrected))
    return shifts


@functools.lru_cache(maxsize=100_000)
def fisher(good_before: int, all_before: int, good_after: int, all_after: int) -> float:
    """Two-sided p of Fisher's exact test. Few different tables occur among many problems."""
    table = [[good_before, all_before - good_before], [good_after, all_after - good_after]]
    return float(stats.fisher_exact(table).pvalue)


def sign_flip(differences: Sequence[float]) -> float:
    """Two-sided p of the mean difference under flips of each pair's sign."""
    values = np.array([value for value in differences if value != 0.0])
    if not len(values):
        return 1.0
    observed = abs(values.sum())
    if len(values) <= EXACT_PROBLEMS:
        signs = np.array(list(itertools.product((-1.0, 1.0), repeat=len(values))))
        return float(np.mean(np.abs(signs @ values) >= observed - 1e-12))
    generator = np.random.default_rng(SEED)
    reached = 0
    batch = max(1, 2_000_000 // len(values))
    for start in range(0, DRAWS, batch):
        signs = generator.choice((-1.0, 1.0), size=(min(batch, DRAWS - start), len(values)))
        reached += int(np.sum(np.abs(signs @ values) >= observed - 1e-12))
    return (reached + 1) / (DRAWS + 1)


def mcnemar(lost: int, gained: int) -> float:
    """Two-sided exact p that losses and gains are equally likely."""
    if lost + gained == 0:
        return 1.0
    return float(stats.binomtest(lost, lost + gained).pvalue)


def tokens_per_sample(outcomes: Mapping[str, Outcome], names: Sequence[str]) -> float:
    drawn = sum(outcomes[name].num_samples for name in names)
    return sum(outcomes[name].tokens for name in names) / drawn if drawn else 0.0


def seconds_per_token(outcomes: Mapping[str, Outcome], names: Sequence[str]) -> float:
    tokens = sum(outcomes[name].tokens for name in names)
    return sum(outcomes[name].generation_s for name in names) / tokens if tokens else 0.0
