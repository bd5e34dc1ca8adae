"""The stopping rule of agreement: its error, exact for races of two and simulated for others, and its prefixes."""

from __future__ import annotations

import collections
import itertools
import math
import random

import pytest

from verifiers.partition import Classes
from workers.sampling.agreement import (
    NO_VOTE,
    UNPLACED,
    AgreementRule,
    error_of_even_race,
    first_agreement,
    overtaking,
    threshold,
)

RULE = AgreementRule(0.05, 4, 32)


def classes_of(*founders: int) -> Classes:
    """Classes that are all proven different."""
    classes = Classes()
    for founder in founders:
        classes.found(founder)
    for one, other in itertools.combinations(founders, 2):
        classes.part(one, other)
    return classes


def error_and_samples(rule: AgreementRule, share: float) -> tuple[float, float]:
    """What is exactly true of a race of two answers of these probabilities: how often it is stopped with a leader that
    does not lead alone at the end, and its mean number of samples."""
    error = samples = 0.0
    at = {(0, 0): 1.0}
    for seen in range(1, rule.max_samples + 1):
        grown: dict[tuple[int, int], float] = collections.defaultdict(float)
        for (one, other), weight in at.items():
            grown[one + 1, other] += weight * share
            grown[one, other + 1] += weight * (1 - share)
        at = {}
        for (one, other), weight in grown.items():
            if not rule.is_settled([size for size in (one, other) if size], 0, seen):
                at[one, other] = weight
                continue
            samples += weight * seen
            left = rule.max_samples - seen
            for more in range(left + 1):
                chance = math.comb(left, more) * share**more * (1 - share) ** (left - more)
                ahead = one + more - (other + left - more)
                error += weight * chance * (ahead <= 0 if one > other else ahead >= 0)
    return error, samples + rule.max_samples * sum(at.values())


@pytest.mark.parametrize("max_samples", [5, 8, 16, 31, 32])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_the_error_of_a_race_of_two_is_at_most_alpha_over_all_looks(alpha, max_samples):
    rule = AgreementRule(alpha, 4, max_samples)
    errors = {share: error_and_samples(rule, share)[0] for share in (0.5, 0.52, 0.55, 0.6, 0.7, 0.9, 1.0)}
    assert max(errors.values()) <= alpha
    assert errors[0.5] == max(errors.values()), "the even race is the worst, as the module's text proves"
    assert errors[0.5] <= error_of_even_race(threshold(alpha, 4, max_samples), 4, max_samples) + 1e-12


def test_the_error_bound_is_used_and_a_rule_without_it_breaks_it():
    assert error_and_samples(RULE, 0.5)[0] > 0.8 * RULE.alpha
    assert error_of_even_race(0.3, 4, 32) > 2 * RULE.alpha, "a rule that stops at a risk of 30 % each time"


def test_a_clear_problem_costs_a_fraction_of_its_samples():
    assert error_and_samples(RULE, 1.0) == (0.0, 8.0)
    assert error_and_samples(RULE, 0.9)[1] < 10.5


SHAPES = {
    "three alike": [1, 1, 1],
    "ten alike": [1] * 10,
    "forty alike": [1] * 40,
    "two ahead of a tail": [0.45, 0.45] + [0.01] * 10,
    "two and a third": [0.4, 0.4, 0.2],
    "one ahead of a tail": [0.3] + [0.035] * 20,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_other_races_keep_the_bound_too(shape):
    rng = random.Random(shape)
    weights = SHAPES[shape]
    trials, errors = 600, 0
    for _ in range(trials):
        drawn = rng.choices(range(len(weights)), weights, k=RULE.max_samples)
        stop = first_agreement(RULE, drawn, classes_of(*range(len(weights))))
        if stop > 0:
            leader = collections.Counter(drawn[:stop]).most_common(1)[0][0]
            final = collections.Counter(drawn)
            errors += any(count >= final[leader] for answer, count in final.items() if answer != leader)
    # At an error of exactly alpha, 30 of 600 are expected, and more than 48 less than once in a thousand times.
    assert errors <= 48


def test_a_lead_that_exceeds_what_is_left_ends_it_even_without_any_risk():
    rule = AgreementRule(0.0, 4, 10)
    votes = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0]
    assert first_agreement(rule, votes, classes_of(0, 1)) == 8, "six against two, and two are left"
    assert overtaking(4, 3) == 0.0


def test_overtaking_is_the_tail_of_a_symmetric_walk():
    for lead, left in itertools.product(range(1, 8), range(0, 11)):
        tails = []
        for used in {left, max(0, left - 1)}:
            walks = [sum(steps) for steps in itertools.product((-1, 1), repeat=used)]
            tails.append(sum(end >= lead for end in walks) / len(walks))
        assert overtaking(lead, left) == pytest.approx(max(tails))


def test_votes_without_a_place_count_for_the_strongest_challenger():
    sure = [0] * 8
    assert first_agreement(RULE, sure, classes_of(0)) == 8
    unsure = [0, UNPLACED, 0, 0, UNPLACED, 0, 0, 0, 0, 0]
    assert first_agreement(RULE, unsure, classes_of(0)) == -1
    with_none = [0, NO_VOTE, 0, 0, NO_VOTE, 0, 0, 0, 0, 0]
    assert first_agreement(RULE, with_none, classes_of(0)) == 9, "a sample without an answer only uses up the budget"


def test_a_class_that_is_not_proven_different_counts_as_votes_without_a_place():
    classes = classes_of(0)
    classes.found(1)
    votes = [0, 1, 0, 0, 0, 0, 0, 0, 0]
    apart = first_agreement(RULE, votes, classes_of(0, 1))
    assert first_agreement(RULE, votes, classes) == apart, "one doubtful vote weighs as much as one against"


def test_merged_classes_count_as_one():
    classes = Classes()
    for founder in (0, 1):
        classes.found(founder)
    votes = [0, 1] * 4
    assert first_agreement(RULE, votes, classes) == -1
    classes.merge(0, 1)
    assert first_agreement(RULE, votes, classes) == 8


def test_nothing_is_settled_before_enough_votes_or_by_no_votes():
    classes = classes_of(0)
    assert first_agreement(RULE, [NO_VOTE] * 32, classes) == -1
    assert first_agreement(RULE, [NO_VOTE] * 31 + [0], classes) == -1, "one vote of 32 is no agreement"


def test_more_samples_never_change_where_a_prefix_settled():
    rng = random.Random(2)
    classes = classes_of(0, 1, 2)
    for _ in range(200):
        votes = rng.choices([0, 1, 2, NO_VOTE, UNPLACED], [6, 2, 1, 1, 1], k=32)
        stop = first_agreement(RULE, votes, classes)
        for cut in range(1, 33):
            assert first_agreement(RULE, votes[:cut], classes) == (stop if 0 < stop <= cut else -1)
        if stop > 0:
            assert first_agreement(RULE, votes, classes, start=stop - 1) == stop


def test_the_rule_survives_its_row():
    assert AgreementRule.from_json(RULE.to_json()) == RULE
    with pytest.raises(ValueError, match="alpha"):
        AgreementRule(1.0, 4, 32)
