"""Probabilities of winners: isotonic, with intervals that hold, from other problems only."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from jobs.selections.calibration import (
    BORROWED,
    FOLDS,
    MIN_REFERENCES,
    Calibration,
    Curve,
    Fitted,
    Known,
    Outcomes,
    fit,
    fold_of,
)

SCORES = np.arange(1, 17) / 18


def truth(score: float) -> float:
    return float(np.clip(0.15 + 0.9 * score, 0, 0.99))


def drawn(seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.choice(SCORES, size=number)
    return scores, rng.random(number) < np.array([truth(score) for score in scores])


def curve_of(scores: Sequence[float] | np.ndarray, right: Sequence[bool] | np.ndarray) -> Curve:
    return fit(Outcomes(np.asarray(scores, float), np.asarray(right, float)))


def brute_force(values: list[float], weights: list[float]) -> list[float]:
    """Isotonic means by the min-max formula: max over starts of min over ends of the weighted mean."""

    def mean(start: int, stop: int) -> float:
        return float(np.average(values[start:stop], weights=weights[start:stop]))

    size = len(values)
    return [max(min(mean(a, b) for b in range(at + 1, size + 1)) for a in range(at + 1)) for at in range(size)]


def test_the_curve_is_the_isotonic_one_shrunk_by_block() -> None:
    scores, right = drawn(1, 400)
    curve = curve_of(scores, right)
    levels = np.unique(scores)
    total = [float((scores == level).sum()) for level in levels]
    means = [float(right[scores == level].mean()) for level in levels]
    isotonic = brute_force(means, total)
    blocks = [list(group) for _, group in itertools.groupby(range(len(levels)), key=lambda at: round(isotonic[at], 9))]
    highest = 0.0
    for block in blocks:
        number, hits = sum(total[at] for at in block), sum(total[at] * means[at] for at in block)
        highest = max(highest, (hits + 1) / (number + 2))
        for at in block:
            expected = min(max(highest, curve.low[at]), curve.high[at])
            assert curve.probability[at] == pytest.approx(expected)
    assert (np.diff(curve.probability) >= 0).all()


def test_intervals_hold_the_truth() -> None:
    """At 16 scores in 100 calibrations each: a wrong interval would miss one time in twenty at the most."""
    held = total = 0
    for seed in range(100):
        curve = curve_of(*drawn(seed, 300))
        for score in curve.scores:
            level = curve.at(float(score))
            held += level.low <= truth(float(score)) <= level.high
            total += 1
    assert held / total >= 0.95


def test_few_problems_are_never_certainty() -> None:
    scores = [0.9] * MIN_REFERENCES
    level = curve_of(scores, [True] * MIN_REFERENCES).at(0.9)
    assert level.probability == pytest.approx((MIN_REFERENCES + 1) / (MIN_REFERENCES + 2))
    assert level.low < 0.93 and level.high == 1.0


def test_scores_between_and_beyond_those_seen_claim_no_more_than_the_lower_ones() -> None:
    curve = curve_of([0.2] * 60 + [0.8] * 60, [False] * 50 + [True] * 10 + [True] * 60)
    assert curve.at(0.5).probability == curve.at(0.2).probability
    assert curve.at(0.5).high == curve.at(0.8).high
    assert curve.at(0.99)[:2] == curve.at(0.8)[:2] and curve.at(0.99).high == 1.0
    assert curve.at(0.1).low == 0.0 and curve.at(0.1).probability == curve.at(0.2).probability


def test_scores_below_those_known_are_not_promised_what_higher_ones_are() -> None:
    """All problems with references agree wholly and are right; a tie says nothing of the kind."""
    curve = curve_of([0.8] * 200, [True] * 200)
    assert curve.at(0.8).probability > 0.99
    assert curve.at(0.0).probability == curve.at(0.79).probability == 0.5
    # One lucky problem at a low score does not make it as good as the block above.
    lucky = curve_of([0.1, *[0.8] * 200], [True, *[True] * 200])
    assert lucky.at(0.1).probability == pytest.approx(2 / 3) and lucky.at(0.8).probability > 0.99


def test_borrowed_problems_weigh_as_much_as_a_few_and_have_no_part_in_the_interval() -> None:
    own = Outcomes(np.full(100, 0.9), np.r_[np.ones(80), np.zeros(20)])
    many = Outcomes(np.full(10_000, 0.9), np.ones(10_000))
    alone, helped = fit(own).at(0.9), fit(own, many).at(0.9)
    assert helped[1:] == alone[1:]
    assert helped.probability == pytest.approx((80 + BORROWED + 1) / (100 + BORROWED + 2))
    assert fit(own, Outcomes(many.scores[:10], many.right[:10])).at(0.9).probability == pytest.approx(91 / 112)
    # Where others contradict the domain's own problems, the curve stays within what these allow.
    wrong = Outcomes(np.full(300, 0.9), np.zeros(300))
    assert fit(own, wrong).at(0.9).probability == alone.low


def known(domain: str, number: int, share_right: float, score: float = 0.9, kind: str = "math") -> list[Known]:
    return [
        Known(kind, domain, score, at < round(number * share_right), fold_of(f"{domain} {at}")) for at in range(number)
    ]


def test_models_that_agree_on_what_is_wrong_lower_the_probability() -> None:
    """The same votes in two domains: in one of them the models make the same error in a third of the problems."""
    calibration = Calibration([*known("sound", 300, 0.99), *known("trap", 300, 0.66)])
    sound, trap = (calibration.probability("math", domain, 0.9, None) for domain in ("sound", "trap"))
    assert sound and trap and sound.calibrated_on == trap.calibrated_on == "domain"
    assert sound.value > 0.95 and sound.low > 0.9
    assert trap.value < 0.75 and trap.high < 0.76
    elsewhere = calibration.probability("math", "without references", 0.9, None)
    assert elsewhere and elsewhere.calibrated_on == "kind"
    assert elsewhere.value < 0.9 and elsewhere.low <= trap.low and elsewhere.high >= sound.high


def test_a_domain_whose_few_references_contradict_its_kind_has_no_probability() -> None:
    sound = known("sound", 300, 0.99)
    assert Calibration([*sound, *known("small", 10, 0.9)]).probability("math", "small", 0.9, None)
    assert Calibration([*sound, *known("small", 10, 0.4)]).probability("math", "small", 0.9, None) is None


def test_no_references_no_probability() -> None:
    assert Calibration([]).probability("math", "algebra", 0.9, None) is None
    few = Calibration(known("algebra", MIN_REFERENCES - 1, 1.0))
    assert few.probability("math", "algebra", 0.9, None) is None
    other = Calibration(known("letters", 300, 1.0, kind="choice"))
    assert other.probability("math", "letters", 0.9, None) is None


def test_a_problems_own_outcome_enters_no_probability_of_its_own() -> None:
    base = known("algebra", 200, 0.9)
    for own in (True, False):
        mine = Known("math", "algebra", 0.9, own, 3)
        without = Fitted([each for each in base if each.fold != 3]).probability("math", "algebra", 0.9)
        assert Calibration([*base, mine]).probability("math", "algebra", 0.9, mine.fold) == without


def test_folds_are_of_prompts_and_all_in_use() -> None:
    assert {fold_of(f"Problem {at}") for at in range(300)} == set(range(FOLDS))
