"""Processes that stand still without dying, on a real local Ray with a stand-in engine."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from sabotage import Saboteur, check_exactly_once, coordinator_handle, easy

pytestmark = pytest.mark.ray

STALL = {"replicas": 2, "writers": 1, "stall_s": 2.0}
"""On a machine that is busy for two seconds the driver takes a coordinator for frozen that is not. The tests allow for
such a further replacement."""


def freeze(handle: Any) -> None:
    import ray

    os.kill(ray.get(handle.presence.remote()).pid, signal.SIGSTOP)


@pytest.mark.parametrize(
    ("kind", "counting", "count"), [("generator", "replicas", 2), ("verifier", "samples", 20), ("writer", "durable", 1)]
)
def test_a_frozen_worker_is_replaced_and_loses_nothing(make_batch: Any, kind: str, counting: str, count: int) -> None:
    import ray

    batch = make_batch(easy(150), resources=STALL)
    # The worker is at work by then. One that is frozen in its start is either not missed or found by another way.
    saboteur = Saboteur(
        batch, lambda: freeze(ray.get(coordinator_handle().actors.remote())[kind][0]), count, counting=counting
    )
    outcome = batch.run()
    assert saboteur.struck and saboteur.error is None
    assert outcome.summary and outcome.summary["complete"], outcome.error
    check_exactly_once(batch)
    if outcome.summary["epoch"] == 1:  # a successor does not know what was restarted before it
        whys = [event["why"] for event in outcome.summary["restarts"] if event["what"].startswith(kind)]
        assert any("its process has not answered for" in why for why in whys), outcome.summary


def test_a_frozen_coordinator_is_replaced_and_its_successor_resumes(make_batch: Any) -> None:
    batch = make_batch(easy(120, token_s=0.03), resources=STALL)
    saboteur = Saboteur(batch, lambda: freeze(coordinator_handle()), after_samples=1, counting="durable")
    outcome = batch.run()
    assert saboteur.struck and saboteur.error is None
    assert outcome.summary and outcome.summary["complete"], outcome.error
    assert outcome.summary["epoch"] >= 2 and check_exactly_once(batch)
    assert any("did not answer for 2 s (resources.stall_s)" in said for said in batch.display.said)


def test_a_prompt_that_hangs_engines_ends_as_an_error_and_not_the_run(make_batch: Any) -> None:
    batch = make_batch(
        [*easy(10), {"answer": "x", "p": 1, "fault": "engine hangs"}],
        sampling={"num_samples": 1},
        resources={"replicas": 2, "stall_s": 2.0, "max_restarts": 9},
    )
    outcome = batch.run()
    assert outcome.summary and outcome.summary["complete"], outcome.error
    rows = {row["problem_id"]: row for row in check_exactly_once(batch, num_samples=1)}
    assert rows["p0010"]["status"] == "error" and "stood still" in str(rows["p0010"]), rows["p0010"]
    whys = [event["why"] for event in outcome.summary["restarts"]]
    assert sum("made no step" in why for why in whys) == 3
    assert any(retry["why"] == "replica stood still" for retry in outcome.summary["retries"])


def test_writers_and_verifiers_must_answer_while_they_start() -> None:
    """One that stands still between its placement and its first work would otherwise hold the run up for ever."""
    from workers.actors.presence import Presence
    from workers.coordinator.silence import must_answer
    from workers.coordinator.slots import GeneratorSlot, VerifierSlot, WriterSlot

    for slot, while_starting in ((WriterSlot(0), True), (VerifierSlot(0), True), (GeneratorSlot(0), False)):
        assert not must_answer(slot)
        slot.actor = object()
        assert not must_answer(slot), "Ray has not placed it yet"
        slot.presence = Presence("id", "node", 1, 0.0)
        assert must_answer(slot) is while_starting
        slot.ready = True
        assert must_answer(slot)
