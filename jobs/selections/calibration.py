"""How often the answer with this score was right, measured on the problems of the same run that have references.

Promises:

- the curve never falls with the score: isotonic regression (pool adjacent violators, scipy), shrunk towards one half
  by one right and one wrong observation per block, so that a handful of problems is never certainty; scores below those
  that are known have no more than one half;
- the interval is exact for a probability that does not fall with the score, and no window of it is chosen by an
  outcome. The problems just below a score are right at most as often as those at it, and those just above at least as
  often, so the lower end is the largest Clopper-Pearson bound of windows that end at the score, and the upper end the
  smallest of windows that begin there. Windows double in size, and share the error among them (Bonferroni);
- a problem's own outcome enters no probability of its own: its curve is fitted without its tenth of the problems;
- a domain with MIN_REFERENCES problems or more has its own curve, in which all other problems of its kind together
  weigh as much as BORROWED of its own, so that scores with few problems are not left to chance; its interval is from
  its own problems alone, and the curve stays within it; a domain that contradicts its kind's curve neither borrows nor
  lends. Another domain has the curve of its kind, with the lowest and highest end that this curve and the kind's
  domains have at the score. It has none where its own few references contradict that curve: models that agree on what
  is wrong there must not be read by how they do elsewhere;
- no references, no probability.

Does not: look at texts or storage. Pure, deterministic.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression
from scipy.special import betaincinv
from scipy.stats import binom

Floats = npt.NDArray[np.float64]

MIN_REFERENCES = 50
"""Fewest problems with references from which a curve is fitted."""
BORROWED = 50
"""Number of a domain's own problems that all others of its kind weigh as much as in its curve."""
UNKNOWN = 0.5
"""Largest probability of a winner whose score is below all that are known: of two answers with equally many votes at
least one is wrong."""
FOLDS = 10
"""Number of parts that problems with references are dealt to. A problem's probability comes from the nine others."""
CONFIDENCE = 0.95
SMALLEST_WINDOW = 25
"""Number of problems in the smallest window of an interval."""
CONTRADICTED = 0.01
"""A domain contradicts its kind's curve if it would have as few right answers under it with less than this
probability."""


class Level(NamedTuple):
    """What is known of one score."""

    probability: float
    low: float
    high: float


class Probability(NamedTuple):
    """The probability that a winner is right, and what it was measured on."""

    value: float
    low: float
    high: float
    calibrated_on: str
    """`domain` or `kind`."""
    references: int
    """Number of problems that the curve was fitted on."""


class Outcomes(NamedTuple):
    """Scores of problems, and 1 where the winner was right."""

    scores: Floats
    right: Floats


@dataclasses.dataclass(frozen=True, slots=True)
class Curve:
    """A step function of the score. A score between two levels has the lower one's values, which are no larger."""

    scores: Floats
    probability: Floats
    low: Floats
    high: Floats
    references: int

    def at(self, score: float) -> Level:
        place = int(np.searchsorted(self.scores, score, side="right")) - 1
        if place < 0:  # below every score seen: no more than the lowest of them, and nothing else is known
            return Level(min(float(self.probability[0]), UNKNOWN), 0.0, float(self.high[0]))
        # Between two levels the upper one bounds from above.
        above = place if self.scores[place] == score else min(place + 1, len(self.scores) - 1)
        high = float(self.high[above]) if self.scores[above] >= score else 1.0
        return Level(float(self.probability[place]), float(self.low[place]), high)


def fit(own: Outcomes, borrowed: Outcomes | None = None) -> Curve:
    """The curve of at least one problem. `borrowed` problems are similar ones; together they have the weight of
    BORROWED problems at the most, and no part in the interval."""
    others = borrowed if borrowed is not None and len(borrowed.scores) else Outcomes(np.zeros(0), np.zeros(0))
    levels, place = np.unique(np.r_[own.scores, others.scores], return_inverse=True)
    total, hits = _by_level(place[: len(own.scores)], own, len(levels))
    other_total, other_hits = _by_level(place[len(own.scores) :], others, len(levels))
    weight = min(1.0, BORROWED / max(1, len(others.scores)))
    all_total, all_hits = total + weight * other_total, hits + weight * other_hits
    blocks = isotonic_regression(all_hits / all_total, weights=all_total).blocks
    sizes = np.diff(blocks)
    shrunk = (np.add.reduceat(all_hits, blocks[:-1]) + 1) / (np.add.reduceat(all_total, blocks[:-1]) + 2)
    # A small block on top of a large one would fall below it by being shrunk.
    probability = np.maximum.accumulate(np.repeat(shrunk, sizes))
    # The lowest scores belong to the block above them where their few problems happen to be right.
    below, right_below = np.cumsum(total + other_total), np.cumsum(hits + other_hits)
    few = below < SMALLEST_WINDOW
    probability[few] = np.minimum(probability[few], ((right_below + 1) / (below + 2))[few])
    low, high = _bounds(total, hits)
    return Curve(levels, np.clip(probability, low, high), low, high, len(own.scores))


def _by_level(place: npt.NDArray[Any], outcomes: Outcomes, levels: int) -> tuple[Floats, Floats]:
    """Numbers of problems and of right winners at each level."""
    total = np.bincount(place, minlength=levels).astype(np.float64)
    return total, np.bincount(place, weights=outcomes.right, minlength=levels).astype(np.float64)


def _bounds(total: Floats, hits: Floats) -> tuple[Floats, Floats]:
    """Lower and upper ends at each level, from the numbers of problems and of right ones at the levels in order."""
    wrong = total - hits
    low = _best_lower_bound(total, hits)
    # The upper end of being right is one minus the lower end of being wrong, seen from the other side.
    high = 1 - _best_lower_bound(total[::-1], wrong[::-1])[::-1]
    return np.maximum.accumulate(low), np.minimum.accumulate(high[::-1])[::-1]


def _best_lower_bound(total: Floats, hits: Floats) -> Floats:
    """The largest lower bound of the windows that end at each level and reach back over SMALLEST_WINDOW problems, twice
    as many, and so on; whole levels only."""
    problems, successes = np.r_[0.0, np.cumsum(total)], np.r_[0.0, np.cumsum(hits)]
    reach = [float(SMALLEST_WINDOW)]
    while reach[-1] < problems[-1]:
        reach.append(reach[-1] * 2)
    tail = (1 - CONFIDENCE) / 2 / len(reach)
    ends = np.arange(1, len(problems))
    best = np.zeros(len(total))
    for size in reach:
        starts = np.maximum(np.searchsorted(problems, problems[ends] - size, side="right") - 1, 0)
        number, found = problems[ends] - problems[starts], successes[ends] - successes[starts]
        some = found > 0
        bound = np.zeros(len(total))
        bound[some] = betaincinv(found[some], number[some] - found[some] + 1, tail)
        best = np.maximum(best, bound)
    return best


class Known(NamedTuple):
    """A problem with a reference, whose samples were drawn without a look at their verdicts."""

    kind: str
    domain: str
    score: float
    right: bool
    fold: int


class Fitted:
    """The curves of some problems with references, by kind and by domain."""

    def __init__(self, known: Sequence[Known]) -> None:
        kinds: dict[str, list[Known]] = {}
        domains: dict[tuple[str, str], list[Known]] = {}
        for each in known:
            kinds.setdefault(each.kind, []).append(each)
            domains.setdefault((each.kind, each.domain), []).append(each)
        self._kinds = {kind: fit(_outcomes(group)) for kind, group in kinds.items() if len(group) >= MIN_REFERENCES}
        self._contradicting = {
            key for key, group in domains.items() if key[0] in self._kinds and _contradicts(self._kinds[key[0]], group)
        }
        lenders = {
            kind: [each for each in group if (kind, each.domain) not in self._contradicting]
            for kind, group in kinds.items()
        }
        self._domains = {
            key: fit(_outcomes(group), self._borrowed(key, lenders[key[0]]))
            for key, group in domains.items()
            if key[1] and len(group) >= MIN_REFERENCES
        }

    def _borrowed(self, key: tuple[str, str], lenders: Sequence[Known]) -> Outcomes | None:
        """The problems that a domain borrows. One that contradicts its kind neither borrows nor lends."""
        if key in self._contradicting:
            return None
        return _outcomes([each for each in lenders if each.domain != key[1]])

    def probability(self, kind: str, domain: str, score: float) -> Probability | None:
        """None where too few problems with references say anything about this one."""
        own = self._domains.get((kind, domain))
        if own is not None:
            return Probability(*own.at(score), "domain", own.references)
        curve = self._kinds.get(kind)
        if curve is None or (kind, domain) in self._contradicting:
            return None
        level = curve.at(score)
        others = [other.at(score) for (of_kind, _), other in self._domains.items() if of_kind == kind]
        low = min([level.low, *(other.low for other in others)])
        high = max([level.high, *(other.high for other in others)])
        return Probability(level.probability, low, high, "kind", curve.references)


def _outcomes(group: Sequence[Known]) -> Outcomes:
    scores = np.fromiter((each.score for each in group), np.float64, len(group))
    return Outcomes(scores, np.fromiter((each.right for each in group), np.float64, len(group)))


def _contradicts(curve: Curve, group: Sequence[Known]) -> bool:
    """Whether these problems have fewer right winners than the curve can explain. Their number is close to binomial
    with the mean probability, which has the longer tails (Hoeffding 1956)."""
    expected = sum(curve.at(each.score).probability for each in group) / len(group)
    return bool(binom.cdf(sum(each.right for each in group), len(group), expected) < CONTRADICTED)


class Calibration:
    """Probabilities of winners. Fitted once on all problems with references, and once without each fold of them."""

    def __init__(self, known: Sequence[Known]) -> None:
        self.references = len(known)
        self._all = Fitted(known)
        self._without = {
            fold: Fitted([each for each in known if each.fold != fold]) for fold in {each.fold for each in known}
        }

    def probability(self, kind: str, domain: str, score: float, fold: int | None) -> Probability | None:
        """`fold` is that of a problem with a reference; None: the problem has none."""
        fitted = self._all if fold is None else self._without.get(fold, self._all)
        return fitted.probability(kind, domain, score)


def fold_of(prompt: str) -> int:
    """The fold of a problem. Problems with the same prompt are in the same one.

    >>> fold_of("What is 1 + 1?") == fold_of(" what is  1 + 1?") in range(FOLDS)
    True
    """
    text = " ".join(prompt.split()).lower()
    return hashlib.blake2b(text.encode(), digest_size=8).digest()[0] % FOLDS
