"""References as trainers hand them over."""

from __future__ import annotations

import math

import pytest

from integrations.proofmill_rewards.client import reference_of


@pytest.mark.parametrize("value", [None, math.nan, {"answer": None}, '{"answer": null}', {}])
def test_a_gap_is_no_answer(value: object) -> None:
    """The text `None` would reward every sample that ends in it."""
    assert reference_of(value) == {}


@pytest.mark.parametrize("value", ["5", 5, {"answer": "5", "answers": None}, '{"answer": "5"}'])
def test_an_answer_is_taken_in_every_form(value: object) -> None:
    assert reference_of(value) == {"answer": "5"}
