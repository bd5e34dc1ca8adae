"""Faults on a real local Ray with a stand-in engine: whichever process dies, every row lands exactly once."""

from __future__ import annotations

import collections
import os
import random
import signal
import threading
import time
from typing import Any

import pytest
from batches import cascade
from sabotage import Saboteur, check_cascade, check_exactly_once, coordinator_handle, easy

pytestmark = pytest.mark.ray


def kill_worker(kind: str) -> None:
    import ray

    ray.kill(random.choice(ray.get(coordinator_handle().actors.remote())[kind]))


@pytest.mark.parametrize("kind", ["generator", "verifier", "writer"])
def test_a_killed_worker_loses_nothing(make_batch: Any, kind: str) -> None:
    batch = make_batch(easy(40), resources={"replicas": 2, "writers": 2})
    saboteur = Saboteur(batch, lambda: kill_worker(kind))
    outcome = batch.run()
    assert saboteur.struck and saboteur.error is None
    assert outcome.summary["complete"], outcome.error
    check_exactly_once(batch)
    assert any(event["what"].startswith(kind) for event in outcome.summary["restarts"])


def test_an_idle_writers_death_is_noticed_before_it_gets_a_part(make_batch: Any) -> None:
    batch = make_batch(easy(40), output={"flush_s": 60.0})  # no part is due before the last sample is checked
    saboteur = Saboteur(batch, lambda: kill_worker("writer"))
    outcome = batch.run()
    assert saboteur.struck and outcome.summary["complete"], outcome.error
    check_exactly_once(batch)
    noticed = [status for status in batch.display.statuses if status.get("events")]
    assert noticed and noticed[0]["samples"] < 40 * 8 and noticed[0]["durable"] == 0
    assert noticed[0]["events"][0]["what"] == "writer 0"


def test_a_killed_coordinator_is_started_again_and_resumes(make_batch: Any) -> None:
    import ray

    batch = make_batch(easy(40, token_s=0.03))
    # However slow the machine is, something is durable by then, and the successor's rows differ from it by their epoch.
    saboteur = Saboteur(batch, lambda: ray.kill(coordinator_handle()), after_samples=1, counting="durable")
    outcome = batch.run()
    assert saboteur.struck and outcome.summary["complete"], outcome.error
    assert outcome.summary["epoch"] == 2
    assert {row["epoch"] for row in check_exactly_once(batch)} == {1, 2}


def test_kills_lose_and_double_nothing_of_problems_without_an_answer_key(make_batch: Any) -> None:
    """A verifier, then a generator, then the coordinator die while answers are clustered."""
    import ray

    from jobs.report.problems_table import iter_problems
    from runstore.storage import open_storage

    writings = ["1/2", "0.5", r"\frac{1}{2}"]
    tasks = [{"answer": "1/2", "p": p, "keyless": True, "writings": writings, "token_s": 0.03} for p in (1.0, 0.6) * 12]
    batch = make_batch(
        tasks,
        problems={"unchecked": "accept"},
        sampling={"policy": "until_verified", "num_samples": 16, "wave": 4},
        agreement={"max_samples": 16},
        resources={"replicas": 2, "writers": 2},
        verify={"actors": 2},
    )
    strikes = [("samples", lambda: kill_worker("verifier")), ("samples", lambda: kill_worker("generator"))]
    strikes.append(("durable", lambda: ray.kill(coordinator_handle())))

    def strike(status: Any) -> None:
        if strikes and status.get(strikes[0][0], 0) >= 20 * (4 - len(strikes)):
            strikes.pop(0)[1]()

    batch.display.on_update = strike
    outcome = batch.run()
    assert not strikes and outcome.summary["complete"], outcome.error
    assert outcome.summary["epoch"] == 2
    rows = batch.rows()
    counts = collections.Counter((row["problem_id"], row["sample_index"]) for row in rows)
    assert max(counts.values()) == 1
    assert {row["status"] for row in rows} <= {"unchecked", None}
    found = {result.row["problem_id"]: result.row for result in iter_problems(open_storage(batch.uri))}
    assert len(found) == batch.num_problems
    assert {row["settled"] for row in found.values()} <= {"agreed", "exhausted"}
    unanimous = [row for problem, row in found.items() if int(problem[1:]) % 2 == 0]
    assert {row["settled"] for row in unanimous} == {"agreed"}
    # A plan stops only once every index up to its end has a verdict, so both ends say that no sample is missing.
    assert sum(row["num_unchecked"] for row in unanimous) < 12 * 16, "agreement ends a problem early"


def test_an_engine_that_dies_is_replaced_until_the_limit(make_batch: Any) -> None:
    batch = make_batch([{"answer": "1", "p": 1, "fault": "engine dies"}], resources={"max_restarts": 1})
    outcome = batch.run()
    assert outcome.summary is None
    assert "failed 2 times in a row" in outcome.error and "told to die" in outcome.error


def test_a_poison_sample_becomes_an_error_and_harms_no_other(make_batch: Any) -> None:
    batch = make_batch(
        [*easy(10), {"answer": "x", "p": 1, "fault": "checker dies"}],
        sampling={"num_samples": 2},
        verify={"attempts": 2},
        resources={"max_restarts": 50},
    )
    outcome = batch.run()
    assert outcome.summary["complete"], outcome.error
    rows = check_exactly_once(batch, num_samples=2)
    poisoned = [row for row in rows if row["problem_id"] == "p0010"]
    assert [row["status"] for row in poisoned] == ["error", "error"]
    assert {row["reason"] for row in poisoned} == {"the checker died of this sample"}


def test_a_poison_sample_is_found_while_other_checks_keep_coming(make_batch: Any) -> None:
    tasks = [{"answer": "x", "p": 1, "fault": "checker dies"}, *easy(400, check_s=0.02)]
    outcome = make_batch(tasks, sampling={"num_samples": 1}, verify={"attempts": 2}).run()
    assert outcome.summary and outcome.summary["complete"], outcome.error
    assert outcome.summary["statuses"]["error"] == 1
    deaths = [event for event in outcome.summary["restarts"] if event["what"] == "verifier 0"]
    assert len(deaths) <= 3, "in company, then alone twice"


def test_a_checker_that_raises_is_tried_again_then_an_error(make_batch: Any) -> None:
    batch = make_batch([*easy(4), {"answer": "x", "p": 1, "fault": "checker raises"}], sampling={"num_samples": 2})
    outcome = batch.run()
    assert outcome.summary["complete"], outcome.error
    assert [row["status"] for row in batch.rows() if row["problem_id"] == "p0004"] == ["error", "error"]
    assert outcome.summary["retries"][0]["count"] == 4


def test_sigterm_drains_and_the_same_run_resumes(make_batch: Any) -> None:
    batch = make_batch(easy(60))
    Saboteur(batch, lambda: os.kill(os.getpid(), signal.SIGTERM), after_samples=40)
    outcome = batch.run()
    assert "SIGTERM" in outcome.interrupted and outcome.summary and not outcome.summary["complete"]
    written = len(batch.rows())
    assert 40 <= written < 480
    batch.display.on_update = None
    outcome = batch.run()
    assert outcome.summary["complete"]
    check_exactly_once(batch)
    assert outcome.summary["samples"] == 480


def test_idle_replicas_give_their_gpus_back_while_checks_go_on(make_batch: Any) -> None:
    """Ray counts a GPU that is only declared; the stand-in engine needs none."""
    import ray

    batch = make_batch(easy(6, check_s=0.4), sampling={"num_samples": 4})
    free: list[float] = []
    batch.display.on_update = lambda status: free.append(ray.available_resources().get("GPU", 0.0))
    outcome = batch.run(of_pool={"gpus_per_replica": 1}, release_backlog_s=1.0)
    assert outcome.summary["complete"], outcome.error
    check_exactly_once(batch, num_samples=4)
    assert any("given back" in event["why"] for event in outcome.summary["restarts"])
    assert max(free) == 2.0


FREEZES = 0.25
"""Share of the rounds of chaos that stop a process instead of killing it."""


@pytest.mark.chaos
@pytest.mark.timeout(1200)
def test_chaos(make_batch: Any) -> None:
    """Kills or freezes random components at random moments, the coordinator among them, many times over one run with
    two pools, the second of which counts as an endpoint."""
    import ray

    import jobs.solve.driver

    seed = int(os.environ.get("PROOFMILL_CHAOS_SEED", "20261123"))
    rounds = int(os.environ.get("PROOFMILL_CHAOS_ROUNDS", "20"))
    print(f"chaos seed {seed}, {rounds} rounds")
    dice = random.Random(seed)
    batch = make_batch(
        easy(14 * rounds, tokens=40, token_s=0.02),
        resources={"replicas": 2, "writers": 2, "max_restarts": 1000, "stall_s": 3.0},
        verify={"actors": 2, "attempts": 1000},
        output={"flush_s": 0.2},
    )
    kills: collections.Counter[str] = collections.Counter()
    over = threading.Event()

    def havoc() -> None:
        while sum(kills.values()) < rounds and not over.wait(dice.uniform(0.05, 0.8)):
            kind = dice.choice(["generator", "verifier", "writer", "generator", "verifier", "writer", "coordinator"])
            freezes = dice.random() < FREEZES
            try:
                actor = jobs.solve.driver.current_coordinator()
                if kind != "coordinator":
                    actors = ray.get(actor.actors.remote(), timeout=3)[kind]
                    if not actors:
                        continue
                    actor = dice.choice(actors)
                if freezes:
                    os.kill(ray.get(actor.presence.remote(), timeout=3).pid, signal.SIGSTOP)
                else:
                    ray.kill(actor)
                kills[f"{kind} frozen" if freezes else kind] += 1
            except Exception:
                time.sleep(0.1)

    jobs.solve.driver.COORDINATOR_STARTS, before = 1000, jobs.solve.driver.COORDINATOR_STARTS
    killer = threading.Thread(target=havoc)
    killer.start()
    second = "large", {"replicas": 1, "is_remote": True}, {"num_samples": 3}
    settings = cascade(batch.settings(), ("small", {"replicas": 2}, {"num_samples": 5}), second)
    try:
        outcome = batch.drive(settings)
    finally:
        over.set()
        killer.join()
        jobs.solve.driver.COORDINATOR_STARTS = before
    assert outcome.summary and outcome.summary["complete"], outcome.error
    rows = check_cascade(batch, [5, 3])
    assert {row["pool"] for row in rows} == {"small", "large"}
    print(f"kills: {dict(kills)}")
    assert sum(kills.values()) >= rounds
