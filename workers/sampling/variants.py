"""Deals sample indices to the variants of a run: several prompts or temperatures per problem (`sampling.variants`).

Promises: which variant an index gets depends on the index and on the shares alone, so that a resume, a sample that is
drawn again and its seed need nothing else; every prefix of the deal is as near to the shares as whole samples allow,
and whole cycles meet them exactly; more samples continue the deal and change nothing of its beginning.
Does not: look at outcomes. What can be said of variants afterwards stands in docs/estimates.md.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from fractions import Fraction


def deal(shares: Sequence[float], count: int) -> tuple[int, ...]:
    """The place among `shares` of each of the first `count` indices. Shares are positive; only their ratios count.

    Each index goes to the variant with the least (2 × dealt + 1) / share, which is the rule of Webster and
    Sainte-Laguë; of equals to the first one. The fractions are exact: rounding must not move an index.

    >>> deal([1, 1], 6), deal([2, 1], 6), deal([0.5, 0.25, 0.25], 8)
    ((0, 1, 0, 1, 0, 1), (0, 1, 0, 0, 1, 0), (0, 1, 2, 0, 0, 1, 2, 0))
    """
    weights = [Fraction(str(share)) for share in shares]
    queue = [(1 / weight, place) for place, weight in enumerate(weights)]
    heapq.heapify(queue)
    dealt = []
    for _ in range(count if weights else 0):
        key, place = queue[0]
        dealt.append(place)
        heapq.heapreplace(queue, (key + 2 / weights[place], place))
    return tuple(dealt)
