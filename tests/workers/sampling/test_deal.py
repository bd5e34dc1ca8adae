"""Which variant an index gets: by index and shares alone, near the shares at every length."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import pytest

from workers.sampling.registry import make_policy
from workers.sampling.variants import deal

SHARES = [
    *([1.0], [1.0, 1.0], [1.0, 1.0, 1.0], [2.0, 1.0], [1.0, 2.0], [5.0, 3.0, 1.0], [0.7, 0.3], [0.1, 0.2, 0.3]),
    *([1e-3, 1.0], [3.0, 3.0, 2.0, 1.0]),
]


@pytest.mark.parametrize("shares", SHARES, ids=str)
def test_every_beginning_is_near_the_shares_and_never_changes(shares: list[float]) -> None:
    whole = deal(shares, 400)
    weights = [Fraction(str(share)) for share in shares]
    for count in (0, 1, 2, 3, 7, 50, 399, 400):
        assert deal(shares, count) == whole[:count]
        dealt = Counter(whole[:count])
        for place, weight in enumerate(weights):
            assert abs(dealt[place] - count * weight / sum(weights)) < 1, (count, place)


@pytest.mark.parametrize(("shares", "cycle"), [([2.0, 1.0], 3), ([0.7, 0.3], 10), ([5.0, 3.0, 1.0], 9)])
def test_whole_cycles_meet_the_shares(shares: list[float], cycle: int) -> None:
    whole = deal(shares, 6 * cycle)
    assert all(whole[start : start + cycle] == whole[:cycle] for start in range(0, 6 * cycle, cycle))
    total = sum(map(Fraction, map(str, shares)))
    assert [whole[:cycle].count(i) for i in range(len(shares))] == [cycle * Fraction(str(s)) / total for s in shares]


def test_only_ratios_of_shares_count_and_ties_go_to_the_first() -> None:
    assert deal([1, 1, 1], 6) == (0, 1, 2, 0, 1, 2)
    assert deal([0.1, 0.2], 30) == deal([1, 2], 30) == deal([7, 14], 30), "0.1 + 0.2 is not 0.3 in floating point"
    assert deal([], 5) == ()


@pytest.mark.parametrize("policy", ["fixed", "until_verified", "adaptive"])
def test_the_stored_rule_says_to_how_many_the_samples_are_dealt(policy: str) -> None:
    several = make_policy({"policy": policy, "variants": [{"name": "a"}, {"name": "b"}]})
    assert several.stopping_rule(several.open(0, "d"))["variants"] == 2
    for variants in ([], [{"name": "a"}]):
        alone = make_policy({"policy": policy, "variants": variants})
        assert "variants" not in alone.stopping_rule(alone.open(0, "d"))
