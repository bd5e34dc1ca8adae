"""maj@k equals its definition over all subsets."""

from __future__ import annotations

import collections
import itertools
import random
from fractions import Fraction

import pytest

from workers.sampling.majority import majority_at_k


def by_brute_force(sizes: list[int], right: list[bool], non_voters: int, k: int) -> Fraction:
    samples = [cluster for cluster, size in enumerate(sizes) for _ in range(size)] + [None] * non_voters
    score, subsets = Fraction(0), 0
    for subset in itertools.combinations(samples, k):
        subsets += 1
        votes = collections.Counter(cluster for cluster in subset if cluster is not None)
        if votes:
            most = max(votes.values())
            leaders = [cluster for cluster, count in votes.items() if count == most]
            score += Fraction(sum(right[cluster] for cluster in leaders), len(leaders))
    return score / subsets


def test_it_equals_brute_force_over_all_subsets():
    rng = random.Random(7)
    for _ in range(120):
        sizes = [rng.randint(1, 4) for _ in range(rng.randint(0, 4))]
        right = [rng.random() < 0.4 for _ in sizes]
        non_voters = rng.randint(0 if sizes else 1, 3)
        for k in range(1, sum(sizes) + non_voters + 1):
            assert majority_at_k(sizes, right, non_voters, k) == by_brute_force(sizes, right, non_voters, k)


def test_a_tie_counts_as_the_share_that_is_right_and_no_vote_as_wrong():
    assert majority_at_k([1, 1], [True, False], 0, 2) == Fraction(1, 2)
    assert majority_at_k([2, 2, 2], [True, True, False], 0, 6) == Fraction(2, 3)
    assert majority_at_k([], [], 3, 2) == 0
    assert majority_at_k([1], [True], 3, 2) == Fraction(1, 2)


def test_one_sample_is_the_share_of_right_ones_and_all_samples_are_one_vote():
    assert majority_at_k([5, 3], [True, False], 2, 1) == Fraction(5, 10)
    assert majority_at_k([5, 3], [True, False], 2, 10) == 1
    assert majority_at_k([30, 20] + [1] * 14, [True] + [False] * 15, 0, 33) > Fraction(9, 10)


def test_too_few_samples_are_refused_by_name():
    with pytest.raises(ValueError, match="maj@5 needs between 1 and 4 samples: the problem has 4"):
        majority_at_k([3], [True], 1, 5)
