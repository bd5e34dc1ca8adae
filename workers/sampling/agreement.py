"""When the answers to a problem without an answer key agree: a rule that looks at its samples in index order. Pure.

A problem gets at most `max_samples`. Its leader is the largest cluster of equal answers, and sampling may end once the
leader cannot be overtaken any more, or so rarely that the risk of it is at most `alpha` over all looks together.

**The test.** Let the leader be `lead` votes ahead of a challenger while `left` samples are still to come. If both were
equally likely and all that is left went to one of the two, the challenger would catch up with probability
Q(lead, left) = P(S >= lead), S a symmetric random walk of `left` steps (one step fewer where the parities of `left` and
`lead` differ, since a vote for a third answer is no step). The rule ends the problem at the first look at which these
probabilities, summed over all challengers and over an answer that no sample has given yet, are at most a threshold.
Where the lead exceeds what is left, Q is 0.

This is stochastic curtailment (Lan, Simon and Halperin, "Stochastically curtailed tests in long-term clinical trials",
Sequential Analysis 1, 1982). Its error does not grow with the number of looks: the conditional probability that the
leader changes is a martingale, so by optional stopping its mean at the stop is the probability of both stopping and
being overtaken. With `alpha` as the threshold that mean would be far below `alpha`, because most even races are never
stopped. So the threshold is the highest one at which it is at most `alpha`, summed exactly over all stops of an even
race.

**Why an even race.** The true probabilities are unknown. Write the second-best answer's share of the two as 1/2 + e.
Every sequence of votes that ends with a difference of d between them has its probability under the even race times
(1 - 4e^2)^(n/2) cosh(d artanh(2e)), both directions together. That factor grows with |d| and has mean 1, while the
probability of having stopped on the wrong side falls with |d|. By Chebyshev's inequality for ordered sequences their
product has its largest mean at e = 0: of all races of two the even one has the largest error. With more answers the
probabilities are added up over challengers (Bonferroni); there the bound is not proven and is checked by simulation
(tests/workers/sampling/test_agreement.py, benchmarks/agreement.py).

**Answers without a place.** An answer that is undecided against a larger cluster votes for nothing, but may turn out to
belong to a challenger. Such votes are counted for the strongest challenger. Samples without an answer use up their
share of the budget and vote for nothing.

The rule is applied to prefixes in index order, as every plan is (workers.sampling.plan), so that neither the order of
arrival nor a resume changes where it stops.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from verifiers.partition import Classes

NO_VOTE = -1
"""The vote of a sample without an answer."""
UNPLACED = -2
"""The vote of an answer that belongs to no known cluster."""
MAX_CALIBRATED = 256
"""Most samples for which the threshold is computed exactly, in a time that grows with their square. Above it `alpha`
itself is the threshold, which is stricter."""
BISECTIONS = 24
"""Steps of the search for the threshold; its last step is below any difference that matters."""


@functools.lru_cache(maxsize=65_536)
def overtaking(lead: int, left: int) -> float:
    """The probability Q of the module's text that a challenger catches up.

    >>> overtaking(3, 2), overtaking(2, 2), overtaking(1, 2), overtaking(4, 28) < 0.3
    (0.0, 0.25, 0.5, True)
    """
    if lead <= 0:
        return 1.0
    steps = left - (left - lead) % 2
    if lead > steps:
        return 0.0
    return sum(math.comb(steps, up) for up in range((steps + lead) // 2, steps + 1)) / 2**steps


@functools.lru_cache(maxsize=1024)
def threshold(alpha: float, min_samples: int, max_samples: int) -> float:
    """The highest risk at which the rule stops: the largest one whose error in an even race of two is at most `alpha`.

    >>> threshold(0.0, 4, 32) == 0 and 0.05 < threshold(0.05, 4, 32) < 0.2
    True
    """
    if not alpha or max_samples > MAX_CALIBRATED:
        return alpha
    low, high = alpha, 0.5
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if error_of_even_race(middle, min_samples, max_samples) <= alpha:
            low = middle
        else:
            high = middle
    return low


def error_of_even_race(limit: float, min_samples: int, max_samples: int) -> float:
    """The probability that a problem with two equally likely answers is stopped at a risk of at most `limit`, and its
    leader does not lead alone after `max_samples`."""
    error = 0.0
    at_lead = {0: 1.0}
    """Lead → probability of being there without a stop. The two answers are alike, so a lead is never negative."""
    for seen in range(1, max_samples + 1):
        left = max_samples - seen
        grown: dict[int, float] = collections.defaultdict(float)
        for lead, weight in at_lead.items():
            grown[lead + 1] += weight / 2 if lead else weight
            if lead:
                grown[lead - 1] += weight / 2
        at_lead = {}
        for lead, weight in grown.items():
            behind = overtaking(lead, left)
            unseen = overtaking((seen + lead) // 2, left) if lead < seen else 0.0
            if seen >= min_samples and lead and behind + unseen <= limit:
                error += weight * behind
            else:
                at_lead[lead] = weight
    return error


@dataclasses.dataclass(frozen=True, slots=True)
class AgreementRule:
    """The numbers of one problem's rule, fixed before its first sample."""

    alpha: float
    """Highest probability that another answer would lead after `max_samples`."""
    min_samples: int
    """Votes before the rule looks for the first time."""
    max_samples: int
    at_end: bool = False
    """Whether it looks once, when all samples are known: policy `fixed` draws them anyway."""

    def __post_init__(self) -> None:
        if not 0 <= self.alpha < 1 or self.min_samples < 1 or self.max_samples < 1:
            raise ValueError(f"agreement needs 0 <= alpha < 1 and at least one sample, got {self}")

    def is_settled(self, sizes: Iterable[int], unplaced: int, seen: int) -> bool:
        """Whether the leader stands after `seen` samples. `sizes` are the votes of each cluster, and `unplaced` is the
        number of answers that may belong to any of them."""
        if self.at_end and seen < self.max_samples:
            return False
        ordered = sorted(sizes, reverse=True)
        if sum(ordered) + unplaced < self.min_samples or not ordered:
            return False
        leader, *others = ordered
        left = self.max_samples - seen
        strongest = (others[0] if others else 0) + unplaced
        if strongest >= leader:
            return False
        challengers = [strongest, *others[1:], 0] if strongest else [0]
        # Clusters of one size have one probability: 30 answers that were given once cost one look.
        counts = collections.Counter(challengers)
        risk = sum(number * overtaking(leader - size, left) for size, number in counts.items())
        return risk <= threshold(self.alpha, self.min_samples, self.max_samples)

    def to_json(self) -> dict[str, Any]:
        row: dict[str, Any] = {"alpha": self.alpha, "min_samples": self.min_samples, "max_samples": self.max_samples}
        return {**row, "at_end": True} if self.at_end else row

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> AgreementRule:
        return cls(float(row["alpha"]), int(row["min_samples"]), int(row["max_samples"]), row.get("at_end", False))


def first_agreement(rule: AgreementRule, votes: Sequence[int], classes: Classes, start: int = 0) -> int:
    """The length of the shortest prefix, longer than `start`, after which the leader stands; -1: none. A vote is the
    founder of a class, NO_VOTE or UNPLACED."""
    sizes: collections.Counter[int] = collections.Counter()
    unplaced = 0
    for seen, vote in enumerate(votes[: rule.max_samples], 1):
        if vote == UNPLACED:
            unplaced += 1
        elif vote != NO_VOTE:
            sizes[classes.root(vote)] += 1
        if seen <= start or sizes.total() + unplaced < rule.min_samples:
            continue
        voting = classes.voting(list(sizes.items()))
        chosen = [sizes[founder] for founder in voting]
        if rule.is_settled(chosen, unplaced + sizes.total() - sum(chosen), seen):
            return seen
    return -1
