"""Tonight against the night before: paired by problem, tested, corrected for the number of problems. Pure.

Which problems a night tries depends on how they ended before: solved ones are tried again because they were solved. A
problem that was lucky once is therefore more likely to be tried, and does worse the next time for that reason alone. So
every test of pass rates conditions on it. If a problem was solved when last tried and has T verified samples over both
nights, then the split of T between equal nights is hypergeometric, truncated to at least one verified sample before
(the conditional distribution under equal odds, Fisher 1935, with the truncation that the selection makes). No rate
needs to be known, and none is estimated.

- The mean pass rate over those problems is tested against draws from that distribution (10,000, seeded).
- Each problem's own rate: the exact two-sided p of its split, with Holm's correction over all problems tested (Holm
  1979). The chance of even one false name in the report is at most alpha.
- The number of lost problems is tested against its exact distribution, a sum of unequal coin tosses (Poisson binomial).

Pass rates are compared only where both nights drew a fixed number of samples: under a policy that stops at the first
success, verified / samples is biased upwards, and one problem's two nights alone say nothing. There a regression needs
two tests to agree, because each is blind to one side of the selection. One compares lost with gained problems
(McNemar's exact test; resting problems gain nothing). The other compares the share of solved problems that were lost
with the share on all earlier nights (Fisher's exact test, one-sided; a problem solved later by luck is lost more
easily). Such nights notice only large drops. A bigger budget alone can solve more; `unequal_budgets` says how many
pairs had one.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy import stats

from jobs.nightly.history import Outcome
from jobs.nightly.settings import Bounds

DRAWS = 10_000
SEED = 20_240_229
MAX_DRAWN_AT_ONCE = 2_000_000

Floats = np.ndarray[tuple[int], np.dtype[np.float64]]


@dataclasses.dataclass(frozen=True, slots=True)
class Shift:
    """One problem whose pass rate changed beyond chance."""

    problem_id: str
    before: tuple[int, int]
    """(verified, samples) on the night before."""
    after: tuple[int, int]
    p: float
    """The p-value after correction."""


@dataclasses.dataclass(frozen=True, slots=True)
class Comparison:
    num_paired: int
    num_rates: int
    """Number of pairs whose pass rates can be compared: solved when last tried, with fixed numbers of samples."""
    unequal_budgets: int
    newly_solved: list[str]
    """Solved tonight and on no earlier night."""
    lost: list[str]
    """Solved when last tried, tried tonight and not solved."""
    num_solved_before: int
    """Number of pairs that were solved when last tried."""
    lost_p: float
    lost_note: str
    """What the number of lost problems says: nothing beyond chance, or a change, within the bound or beyond it."""
    pass_rate_before: float
    pass_rate_expected: float
    """Tonight's expected pass rate if nothing changed. It is below the rate before, since problems with lucky samples
    are tried again and those with unlucky ones are not."""
    pass_rate_after: float
    pass_rate_p: float
    worse: list[Shift]
    better: list[Shift]
    tokens_per_sample: tuple[float, float]
    seconds_per_token: tuple[float, float]
    regressions: list[str]
    """One sentence for each bound that was exceeded; empty if all is well."""


def compare(
    before: Mapping[str, Outcome],
    after: Mapping[str, Outcome],
    bounds: Bounds,
    ever_solved: frozenset[str] = frozenset(),
    gained_elsewhere: int = 0,
    earlier_lost: tuple[int, int] = (0, 0),
) -> Comparison:
    """`before` holds each problem's last outcome on an earlier night; `ever_solved` the problems solved on any.

    `gained_elsewhere`: problems unsolved when last tried and solved tonight in a run that is not in `after`.
    `earlier_lost`: solved problems that earlier nights lost, and how many they tried again.
    """
    paired = sorted(set(before) & set(after))
    solved_before = [name for name in paired if before[name].solved]
    rated = [name for name in solved_before if before[name].fixed and after[name].fixed and counts(after[name])[1]]
    splits = [Split.of(before[name], after[name]) for name in rated]
    shifts = problem_shifts(rated, splits, bounds.alpha)
    lost = [name for name in solved_before if not after[name].solved]
    gained = [name for name in paired if not before[name].solved and after[name].solved]
    if len(rated) == len(solved_before):
        lost_p = lost_by_chance(splits)
    else:
        lost_p = mcnemar(len(lost), len(gained) + gained_elsewhere)
        if earlier_lost[1]:
            lost_p = max(lost_p, more_lost(len(lost), len(solved_before), *earlier_lost))
    drift, rate_p = mean_shift(splits)
    rate_before = mean([split.rate_before for split in splits])
    result = Comparison(
        num_paired=len(paired),
        num_rates=len(rated),
        unequal_budgets=sum(before[name].num_samples != after[name].num_samples for name in paired),
        newly_solved=[name for name, outcome in sorted(after.items()) if outcome.solved and name not in ever_solved],
        lost=lost,
        num_solved_before=len(solved_before),
        lost_p=lost_p,
        lost_note=lost_note(len(lost), len(solved_before), lost_p, bounds),
        pass_rate_before=rate_before,
        pass_rate_expected=rate_before + drift,
        pass_rate_after=mean([split.rate_after for split in splits]),
        pass_rate_p=rate_p,
        worse=[shift for shift in shifts if rate(shift.after) < rate(shift.before)],
        better=[shift for shift in shifts if rate(shift.after) > rate(shift.before)],
        tokens_per_sample=(tokens_per_sample(before, paired), tokens_per_sample(after, paired)),
        seconds_per_token=(seconds_per_token(before, paired), seconds_per_token(after, paired)),
        regressions=[],
    )
    return dataclasses.replace(result, regressions=regressions(result, bounds))


def lost_note(num_lost: int, num_solved_before: int, p: float, bounds: Bounds) -> str:
    if p >= bounds.alpha:
        return "within chance"
    return "beyond chance" + (", within its bound" if not exceeds(num_lost, num_solved_before, bounds) else "")


def exceeds(num_lost: int, num_solved_before: int, bounds: Bounds) -> bool:
    """Whether more of the solved problems were lost than the bound allows."""
    return num_lost / max(num_solved_before, 1) > bounds.max_lost


def regressions(found: Comparison, bounds: Bounds) -> list[str]:
    lines = []
    drop = found.pass_rate_expected - found.pass_rate_after
    if found.num_rates and drop > bounds.max_pass_rate_drop and found.pass_rate_p < bounds.alpha:
        lines.append(
            f"mean pass rate is {drop:.3f} below what was expected "
            f"(bound {bounds.max_pass_rate_drop:g}, p = {found.pass_rate_p:.2g})"
        )
    if exceeds(len(found.lost), found.num_solved_before, bounds) and found.lost_p < bounds.alpha:
        lines.append(
            f"{len(found.lost)} of {found.num_solved_before} solved problems were lost "
            f"(bound {bounds.max_lost:.0%}, p = {found.lost_p:.2g})"
        )
    if (count := len(found.worse)) > bounds.max_worse_problems:
        what = "problem" if count == 1 else "problems"
        lines.append(f"{count} {what} got worse beyond chance (bound {bounds.max_worse_problems})")
    for what, (old, new), bound in (
        ("tokens per sample", found.tokens_per_sample, bounds.max_cost_increase),
        ("seconds of generation per token", found.seconds_per_token, bounds.max_slowdown),
    ):
        if old > 0 and new / old - 1 > bound:
            lines.append(f"{what} rose by {new / old - 1:.0%} (bound {bound:.0%})")
    return lines


@dataclasses.dataclass(frozen=True, slots=True, order=True)
class Split:
    """Verified samples of one problem on both nights, `verified_before` at least 1."""

    verified_before: int
    samples_before: int
    verified_after: int
    samples_after: int

    @classmethod
    def of(cls, before: Outcome, after: Outcome) -> Split:
        return cls(*counts(before), *counts(after))

    @property
    def rate_before(self) -> float:
        return rate((self.verified_before, self.samples_before))

    @property
    def rate_after(self) -> float:
        return rate((self.verified_after, self.samples_after))

    def chances(self) -> tuple[int, Floats]:
        """The least `verified_before` possible given the total, and the chance of each from there on."""
        return split_chances(self.samples_before, self.samples_after, self.verified_before + self.verified_after)

    def p(self) -> float:
        """Two-sided p: the chance of a split that is no more likely than this one."""
        least, chances = self.chances()
        return float(chances[chances <= chances[self.verified_before - least] * (1 + 1e-7)].sum())

    def lost_chance(self) -> float:
        """The chance that all verified samples fall on the night before."""
        least, chances = self.chances()
        place = self.verified_before + self.verified_after - least
        return float(chances[place]) if place < len(chances) else 0.0


@functools.lru_cache(maxsize=10_000)
def split_chances(samples_before: int, samples_after: int, total: int) -> tuple[int, Floats]:
    """Hypergeometric chances, given at least one verified sample before. Cached, since few different triples occur."""
    least, most = max(1, total - samples_after), min(samples_before, total)
    chances = stats.hypergeom.pmf(np.arange(least, most + 1), samples_before + samples_after, total, samples_before)
    return least, chances / chances.sum()


def mean_shift(splits: Sequence[Split]) -> tuple[float, float]:
    """The mean change of the pass rate that chance and selection alone make, and the two-sided p of the one seen."""
    if not splits:
        return 0.0, 1.0
    generator = np.random.default_rng(SEED)
    expected = 0.0
    drawn = np.zeros(DRAWS)
    alike = Counter((s.samples_before, s.samples_after, s.verified_before + s.verified_after) for s in splits)
    for (num_before, num_after, total), count in sorted(alike.items()):
        least, chances = split_chances(num_before, num_after, total)
        verified_before = np.arange(least, least + len(chances))
        changes = (total - verified_before) / num_after - verified_before / num_before
        expected += count * float(changes @ chances)
        step = max(1, MAX_DRAWN_AT_ONCE // DRAWS)
        for start in range(0, count, step):
            drawn += generator.choice(changes, p=chances, size=(min(step, count - start), DRAWS)).sum(axis=0)
    seen = sum(split.rate_after - split.rate_before for split in splits)
    reached = int(np.sum(np.abs(drawn - expected) >= abs(seen - expected) - 1e-9))
    return expected / len(splits), (reached + 1) / (DRAWS + 1)


def lost_by_chance(splits: Sequence[Split]) -> float:
    """The chance of at least as many lost problems as there are."""
    lost = sum(split.verified_after == 0 for split in splits)
    chances: Any = np.ones(1)
    for split in splits:
        chance = split.lost_chance()
        chances = np.convolve(chances, [1 - chance, chance])
    return float(min(1.0, chances[lost:].sum()))


def counts(outcome: Outcome) -> tuple[int, int]:
    """(verified, drawn). Samples that our own side failed to check are left out: they say nothing about the model."""
    return outcome.num_verified, outcome.num_samples - outcome.num_error


def rate(pair: tuple[int, int]) -> float:
    return pair[0] / pair[1] if pair[1] else 0.0


def mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0


def problem_shifts(names: Sequence[str], splits: Sequence[Split], alpha: float) -> list[Shift]:
    """Problems whose pass rate changed, at a family-wise error of `alpha`; smallest p first."""
    tested = sorted((split.p(), name, split) for name, split in zip(names, splits, strict=True))
    shifts = []
    corrected = 0.0
    for rank, (p, name, split) in enumerate(tested):
        corrected = max(corrected, min(1.0, p * (len(tested) - rank)))
        if corrected >= alpha:
            break
        before, after = (split.verified_before, split.samples_before), (split.verified_after, split.samples_after)
        shifts.append(Shift(name, before, after, corrected))
    return shifts


def more_lost(lost: int, tried: int, lost_before: int, tried_before: int) -> float:
    """One-sided p-value of the test whether tonight loses a greater share than the earlier nights."""
    table = [[lost, tried - lost], [lost_before, tried_before - lost_before]]
    return float(stats.fisher_exact(table, alternative="greater").pvalue)


def mcnemar(lost: int, gained: int) -> float:
    """Two-sided exact p-value under the hypothesis that losses and gains are equally likely."""
    if lost + gained == 0:
        return 1.0
    return float(stats.binomtest(lost, lost + gained).pvalue)


def tokens_per_sample(outcomes: Mapping[str, Outcome], names: Sequence[str]) -> float:
    drawn = sum(outcomes[name].num_samples for name in names)
    return sum(outcomes[name].tokens for name in names) / drawn if drawn else 0.0


def seconds_per_token(outcomes: Mapping[str, Outcome], names: Sequence[str]) -> float:
    tokens = sum(outcomes[name].tokens for name in names)
    return sum(outcomes[name].generation_s for name in names) / tokens if tokens else 0.0
