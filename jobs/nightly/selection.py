"""Which problems a night tries, and with what budget. Pure: history and date in, buckets out.

    new         never tried
    open        tried, not solved yet
    near        solved once and lost since, or mostly cut off, unreadable or undecided: a bigger budget
    regression  a sample of the solved ones, another one each night
    resting     tried for long without a verified sample; tried again after a while, then rested longer

Promises: the same history and date give the same buckets; every problem is in exactly one, or rests, or is solved and
was not drawn.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence

from jobs.nightly.history import Outcome, RunResult
from jobs.nightly.settings import Hopeless, Regression

NEW, OPEN, NEAR, REGRESSION = "new", "open", "near", "regression"


@dataclasses.dataclass(frozen=True, slots=True)
class Past:
    """What is known of one problem on one leg, oldest night first."""

    nights: tuple[tuple[dt.date, Outcome], ...]

    @property
    def ever_solved(self) -> bool:
        return any(outcome.solved for _, outcome in self.nights)

    @property
    def solved_last(self) -> bool:
        return bool(self.nights) and self.nights[-1][1].solved

    def unsolved_streak(self) -> list[tuple[dt.date, Outcome]]:
        """The latest nights in a row without a verified sample."""
        streak: list[tuple[dt.date, Outcome]] = []
        for night, outcome in reversed(self.nights):
            if outcome.solved:
                break
            streak.append((night, outcome))
        return streak[::-1]


def pasts(results: Iterable[RunResult], leg: str) -> dict[str, Past]:
    """The past of each problem, by id. Nights whose checks were all errors say nothing and are left out."""
    nights: dict[str, dict[dt.date, Outcome]] = {}
    for result in results:
        if result.leg != leg:
            continue
        for name, outcome in result.outcomes.items():
            if outcome.num_samples > outcome.num_error:
                nights.setdefault(name, {})[result.night] = outcome
    return {name: Past(tuple(sorted(found.items()))) for name, found in nights.items()}


def select(
    problem_ids: Sequence[str],
    past: dict[str, Past],
    night: dt.date,
    regression: Regression,
    hopeless: Hopeless,
) -> dict[str, list[str]]:
    """Bucket → ids, in the set's order."""
    buckets: dict[str, list[str]] = {NEW: [], OPEN: [], NEAR: [], REGRESSION: []}
    solved = []
    for name in problem_ids:
        known = past.get(name)
        if known is None:
            buckets[NEW].append(name)
        elif known.solved_last:
            solved.append(name)
        elif is_resting(known, night, hopeless):
            continue
        elif known.ever_solved or known.nights[-1][1].unreadable:
            buckets[NEAR].append(name)
        else:
            buckets[OPEN].append(name)
    # Drawn by a hash of night and id: repeatable, different each night, and without favour to any problem.
    drawn = set(sorted(solved, key=lambda name: draw(night, name))[: regression.problems])
    buckets[REGRESSION] = [name for name in solved if name in drawn]
    return buckets


def longest_first(names: Iterable[str], past: dict[str, Past]) -> list[str]:
    """The same problems, those with the longest samples on their latest night first; where lengths are equal, in the
    order given. A problem that was never tried counts as long as the others on average."""
    ordered = list(names)
    lengths = {name: past[name].nights[-1][1].tokens_per_sample for name in ordered if name in past}
    mean = sum(lengths.values()) / max(1, len(lengths))
    return sorted(ordered, key=lambda name: -lengths.get(name, mean))


def draw(night: dt.date, name: str) -> bytes:
    return hashlib.blake2b(f"{night}\x00{name}".encode(), digest_size=8).digest()


def is_resting(past: Past, night: dt.date, hopeless: Hopeless) -> bool:
    """Whether a hopeless problem rests tonight. It is hopeless after enough nights and samples in a row without a
    verified one; its rest doubles every time."""
    streak = past.unsolved_streak()
    samples = sum(outcome.num_samples for _, outcome in streak)
    if past.ever_solved or len(streak) < hopeless.after_nights or samples < hopeless.after_samples:
        return False
    rests = len(streak) - hopeless.after_nights
    rest_nights = min(hopeless.rest_nights * 2 ** min(rests, 16), hopeless.max_rest_nights)
    return (night - streak[-1][0]).days <= rest_nights
