"""When the dispatcher lets problems have more samples than their policy wants."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from workers.coordinator.dispatcher import WIDEN_S, Dispatcher


def dispatcher(credits: list[int], **changes: Any) -> Dispatcher:
    slots = [SimpleNamespace(ready=True, credit=credit, capacity=100, pool=0) for credit in credits]
    settings = SimpleNamespace(pools=[SimpleNamespace(gpus_per_replica=changes.pop("gpus", 1))])
    state: Any = SimpleNamespace(**{"fed_all": True, "settings": settings, "generators": slots, **changes})
    return Dispatcher(state, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (dispatcher([60, 0]), True),
        (dispatcher([50, 0]), False),  # a quarter is empty, and not more
        (dispatcher([100, 100], fed_all=False), False),
        (dispatcher([100, 100], gpus=0), False),
        (dispatcher([]), False),
    ],
)
def test_engines_have_to_stand_idle_at_the_end_of_a_run_on_gpus(made: Dispatcher, wanted: bool) -> None:
    assert made._may_widen(1000.0) is wanted


def test_replicas_that_are_not_ready_do_not_count_and_rounds_are_apart() -> None:
    made = dispatcher([60, 0, 90])
    made._state.generators[2].ready = False
    assert made._may_widen(1000.0)
    assert not made._may_widen(1000.0 + WIDEN_S / 2) and made._may_widen(1000.0 + WIDEN_S)
