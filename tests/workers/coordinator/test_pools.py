"""Runs with two pools on a real local Ray with a stand-in engine: who draws what, turns, and a pool that is lost."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from batches import cascade
from sabotage import check_cascade

pytestmark = pytest.mark.ray

SMALL = ("small", {}, {"num_samples": 4})
LARGE = ("large", {}, {"num_samples": 2})


def tasks(count: int, small: float = 0.2, **more: Any) -> list[dict[str, Any]]:
    return [{"answer": str(i), "p": small, "p_of": {"large": 0.7}, "tokens": 5, **more} for i in range(count)]


def test_what_the_small_pool_does_not_solve_goes_to_the_large_one(make_batch: Any) -> None:
    batch = make_batch(tasks(40))
    outcome = batch.drive(cascade(batch.settings(), SMALL, LARGE))
    assert outcome.summary and outcome.summary["complete"], outcome.error
    rows = check_cascade(batch, [4, 2])
    assert {(row["pool"], row["stage"], row["model"], row["audited"]) for row in rows} == {
        ("small", 0, "small", False),
        ("large", 1, "large", False),
    }
    pools = outcome.summary["pools"]
    for name in ("small", "large"):
        assert pools[name]["samples"] == sum(row["pool"] == name for row in rows)
        assert pools[name]["completion_tokens"] == sum(row["completion_tokens"] for row in rows if row["pool"] == name)
    assert outcome.summary["problems_solved"] == len({row["problem_id"] for row in rows if row["status"] == "verified"})
    again = batch.drive(cascade(batch.settings(), SMALL, LARGE))
    assert again.summary["complete"] and check_cascade(batch, [4, 2]) == rows


def test_pools_that_do_not_fit_side_by_side_take_turns(make_batch: Any) -> None:
    batch = make_batch(tasks(60))
    alone = {"cpus_per_replica": 5.0}  # of eight
    pools = ("small", alone, {"num_samples": 4}), ("large", alone, {"num_samples": 2})
    outcome = batch.drive(cascade(batch.settings(), *pools, room_wait_s=0.5, window=20))
    assert outcome.summary and outcome.summary["complete"], outcome.error
    check_cascade(batch, [4, 2])
    whys = [event["why"] for event in outcome.summary["restarts"]]
    assert any("cores given back" in why for why in whys), whys


def test_the_problems_of_a_lost_endpoint_end_resumably_and_the_other_pool_goes_on(make_batch: Any) -> None:
    batch = make_batch(tasks(30, lost="large"))
    large = ("large", {"is_remote": True}, {"num_samples": 2})
    outcome = batch.drive(cascade(batch.settings(), SMALL, large))
    assert outcome.summary and not outcome.summary["complete"] and not outcome.error
    assert outcome.summary["stopped"].startswith("endpoint lost: large: ")
    rows = batch.rows()
    assert {row["pool"] for row in rows} == {"small"} and len(rows) == 120
    # The endpoint is back: here its pool gets another path, which the prompts do not call lost.
    settings = cascade(batch.settings(), SMALL, large)
    engine = settings.pools[1].generator.engine.model_copy(update={"path": "back"})
    generator = dataclasses.replace(settings.pools[1].generator, engine=engine)
    back = dataclasses.replace(settings.pools[1], generator=generator)
    outcome = batch.drive(dataclasses.replace(settings, pools=(settings.pools[0], back)))
    assert outcome.summary and outcome.summary["complete"], outcome.error
    check_cascade(batch, [4, 2])


def test_a_route_leads_a_problem_to_its_pool(make_batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import jobs.solve.driver
    from workers.coordinator.pools import RouteSettings
    from workers.scheduling.sample_state import ProblemEntry

    batch = make_batch(tasks(20))
    settings = cascade(batch.settings(), SMALL, LARGE)
    small, large = settings.routes[0].stages
    routes = RouteSettings("small", (small,)), RouteSettings("large", (large,))

    def entry(id: str, kind: str, domain: str, **others: Any) -> ProblemEntry:
        return ProblemEntry(id, kind, domain, int(id[1:]) % 2, **others)

    monkeypatch.setattr(jobs.solve.driver, "ProblemEntry", entry)
    outcome = batch.drive(dataclasses.replace(settings, routes=routes))
    assert outcome.summary and outcome.summary["complete"], outcome.error
    rows = batch.rows()
    assert {(row["pool"], int(row["problem_id"][1:]) % 2, row["stage"]) for row in rows} == {
        ("small", 0, 0),
        ("large", 1, 0),
    }
    assert len(rows) == 10 * 4 + 10 * 2


def test_other_stages_are_refused_by_one_clear_error(make_batch: Any) -> None:
    batch = make_batch(tasks(10))
    assert batch.drive(cascade(batch.settings(), SMALL, LARGE)).summary["complete"]
    outcome = batch.drive(cascade(batch.settings(), SMALL, ("large", {}, {"num_samples": 3})))
    assert outcome.summary is None and "Choose another run.id, or change the stages back" in outcome.error
