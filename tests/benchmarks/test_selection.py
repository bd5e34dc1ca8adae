"""A twentieth of `python -m benchmarks.selection`: what is promised holds, and wrong references are found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from benchmarks.selection import PROMISED, Referee, World, precision, suspects


@pytest.fixture(scope="module")
def referee() -> Iterator[Referee]:
    referee = Referee()
    yield referee
    referee.close()


def test_promised_answers_are_right_and_errors_that_models_share_are_not_promised(referee: Referee) -> None:
    found = precision(World(), 1000, 300, 0, referee)
    total = found.total()
    assert total["promised"] >= 100
    assert total["right"] >= PROMISED * total["promised"]
    # Where the models share errors on a third of the problems, the same votes are worth less.
    trapped = precision(World(trap=0.3, trap_domain=0.3), 1000, 300, 0, referee).total()
    assert trapped["promised"] < 0.5 * total["promised"]
    assert trapped["right"] >= 0.9 * trapped["promised"]


def test_wrong_references_are_found(referee: Referee) -> None:
    found = suspects(World(hard=0.0, trap=0.0, trap_domain=0.0), 600, 0.05, 0, referee)
    assert found.falsified == 30 and found.found >= 0.7 * found.falsified
    assert found.alarms <= 0.01 * found.sound
