"""maj@k: how often the largest cluster of k samples is right, exactly, from the clusters of n samples. Pure.

It is the mean over all subsets of k samples of this score: the share of right clusters among those that have the most
votes. Samples that do not vote (malformed, undecided, cut off) may be drawn all the same, and a subset without a single
vote scores 0. Nothing is resampled: subsets are counted by the size of their largest cluster.
"""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence
from fractions import Fraction

_Counts = dict[tuple[int, int, int], int]
"""(samples drawn, right clusters that lead, wrong clusters that lead) → number of subsets."""


def majority_at_k(cluster_sizes: Sequence[int], right: Sequence[bool], non_voters: int, k: int) -> Fraction:
    """The mean score of all subsets of `k` samples. `right` says of each cluster whether its answer is right. Raises
    ValueError where there are fewer than `k` samples.

    >>> majority_at_k([3, 1], [True, False], 0, 2), majority_at_k([1], [True], 1, 1)
    (Fraction(3, 4), Fraction(1, 2))
    """
    total = sum(cluster_sizes) + non_voters
    if not 1 <= k <= total:
        raise ValueError(f"maj@{k} needs between 1 and {total} samples: the problem has {total}")
    score = Fraction(0)
    for most in range(1, min(k, max(cluster_sizes, default=0)) + 1):
        for (drawn, winners, losers), subsets in _led_by(cluster_sizes, right, most, k).items():
            if winners and k - drawn <= non_voters:
                score += Fraction(winners * subsets * math.comb(non_voters, k - drawn), winners + losers)
    return score / math.comb(total, k)


def _led_by(cluster_sizes: Sequence[int], right: Sequence[bool], most: int, k: int) -> _Counts:
    """The subsets of voters in which no cluster has more than `most` votes, by how many have exactly that many."""
    counts: _Counts = {(0, 0, 0): 1}
    for size, is_right in zip(cluster_sizes, right, strict=True):
        ways = [math.comb(size, votes) for votes in range(min(size, most) + 1)]
        grown: _Counts = collections.defaultdict(int)
        for (drawn, winners, losers), subsets in counts.items():
            for votes, way in enumerate(ways[: k - drawn + 1]):
                leads = votes == most
                key = drawn + votes, winners + (leads and is_right), losers + (leads and not is_right)
                grown[key] += subsets * way
        counts = grown
    return counts
