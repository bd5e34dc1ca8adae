"""Whole runs on a real local Ray with a stand-in engine: what lands, what a resume does, what policies save."""

from __future__ import annotations

import collections
import json
from typing import Any

import pytest

pytestmark = pytest.mark.ray


def easy(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"answer": str(i), "p": 0.5, "tokens": 10, **more} for i in range(count)]


def keys_of(rows: list[dict[str, Any]]) -> collections.Counter[tuple[str, int]]:
    return collections.Counter((row["problem_id"], row["sample_index"]) for row in rows)


def test_every_sample_lands_once_with_its_verdict(make_batch: Any) -> None:
    batch = make_batch(easy(30))
    outcome = batch.run()
    assert outcome.summary["complete"], outcome.error
    rows = batch.rows()
    assert keys_of(rows) == {(f"p{i:04d}", j): 1 for i in range(30) for j in range(8)}
    for row in rows:
        right = row["text"] == row["problem_id"].lstrip("p").lstrip("0") or (
            row["problem_id"] == "p0000" and row["text"] == "0"
        )
        assert row["status"] == ("verified" if right else "refuted")
        assert row["run_id"] == "t" and row["epoch"] == 1 and row["finish_reason"] == "stop"
        assert row["mean_logprob"] == -0.5 and row["completion_tokens"] > 0
    assert 60 < sum(row["status"] == "verified" for row in rows) < 180


def test_every_process_of_a_run_leaves_its_log(make_batch: Any) -> None:
    from pathlib import Path

    batch = make_batch([*easy(8), {"answer": "1", "p": 0.5, "fault": "engine refuses"}], resources={"replicas": 2})
    outcome = batch.run()
    assert outcome.summary["complete"], outcome.error
    logs = {path.stem.partition("-")[0]: path.read_text() for path in (Path(batch.uri) / "logs").glob("*.log")}
    assert set(logs) == {"coordinator", "generator", "verifier", "writer"}
    coordinator = (Path(batch.uri) / "logs/coordinator-1.log").read_text()
    for said in (
        "is owned, epoch 1",
        "generator 1: worker",
        "is ready after",
        "writer 0: worker",
        "ended: all is done",
    ):
        assert said in coordinator
    # The story of a sample that was given up: drawn three times, by which worker and when.
    story = coordinator.partition("given up: the engine could not draw this sample\nsample p0008:")[2]
    assert story.splitlines()[0].endswith(", attempt 3") and story.count(" DRAWING worker ") >= 3


def test_a_second_start_redoes_nothing(make_batch: Any) -> None:
    batch = make_batch(easy(10))
    batch.run()
    before = batch.rows()
    outcome = batch.run()
    assert outcome.summary["complete"] and outcome.summary["samples"] == 80
    assert [keys_of(before), len(before)] == [keys_of(batch.rows()), 80]
    assert any("resuming" in line for line in batch.display.said)


def test_a_row_that_is_there_twice_is_told_and_nothing_more_is_written(make_batch: Any) -> None:
    from pathlib import Path

    batch = make_batch(easy(3))
    batch.run()
    parts = sorted((Path(batch.uri) / "samples").glob("*.parquet"))
    largest = max(parts, key=lambda part: part.stat().st_size)
    (largest.parent / "e0001-w09-000000.parquet").write_bytes(largest.read_bytes())
    before = len(batch.rows())
    outcome = batch.run()
    assert outcome.summary is None and "committed twice" in outcome.error
    assert len(batch.rows()) == before


def test_a_sample_is_the_same_when_it_is_drawn_again(make_batch: Any, tmp_path: Any) -> None:
    from batches import Batch

    first = make_batch(easy(5))
    first.run()
    (tmp_path / "again").mkdir()
    second = Batch(tmp_path / "again", easy(5))
    second.run()
    texts = [
        {(row["problem_id"], row["sample_index"]): row["text"] for row in batch.rows()} for batch in (first, second)
    ]
    assert texts[0] == texts[1]


def test_until_verified_stops_and_aborts(make_batch: Any) -> None:
    tasks = easy(20, token_s=0.05)
    batch = make_batch(tasks, sampling={"policy": "until_verified", "num_samples": 8, "wave": 8})
    outcome = batch.run()
    assert outcome.summary["complete"], outcome.error
    rows = batch.rows()
    assert max(keys_of(rows).values()) == 1
    aborted = [row for row in rows if row["finish_reason"] == "abort"]
    assert aborted and all(row["text"] is None and row["status"] is None for row in aborted)
    assert outcome.summary["aborted_samples"] == len(aborted)
    by_problem: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for row in rows:
        by_problem[row["problem_id"]].append(row)
    for rows_of_problem in by_problem.values():
        verdicts = {row["sample_index"]: row["status"] for row in rows_of_problem}
        settled = min((i for i, status in verdicts.items() if status == "verified"), default=7)
        # Nothing at or below the settling index may have been aborted: that is what keeps the estimate unbiased.
        assert all(verdicts.get(i) is not None for i in range(settled + 1))
    assert outcome.summary["problems_solved"] >= 18


def test_repair_rounds_answer_their_parent(make_batch: Any) -> None:
    tasks = [{"answer": str(i), "p": 0.0, "p_repair": 0.7} for i in range(10)]
    batch = make_batch(tasks, sampling={"num_samples": 2, "repair": {"rounds": 2, "kinds": ["math"]}})
    outcome = batch.run()
    assert outcome.summary["complete"], outcome.error
    rows = {(row["problem_id"], row["sample_index"]): row for row in batch.rows()}
    repairs = [row for row in rows.values() if row["round"]]
    assert repairs and all(row["status"] == "refuted" for row in rows.values() if not row["round"])
    for row in repairs:
        parent = rows[row["problem_id"], row["parent_sample_index"]]
        assert parent["status"] == "refuted" and parent["round"] == row["round"] - 1
        assert parent["text"] in row["messages"]
    assert outcome.summary["problems_solved"] >= 8


def test_variants_are_dealt_by_index_and_stay_with_their_attempts(make_batch: Any) -> None:
    """Two prompts in one run, stopped in the middle by its budget and resumed: each row says which prompt drew it."""
    tasks = [{"answer": str(i), "p": 0.3, "p_repair": 0.5} for i in range(12)]
    variants = [
        {"name": "plain", "share": 2.0},
        {"name": "brief", "suffix": "Be brief.", "system": "You are a judge.", "temperature": 0.5},
    ]
    sampling = {"num_samples": 5, "repair": {"rounds": 1, "kinds": ["math"]}, "variants": variants}
    batch = make_batch(tasks, sampling=sampling, budget={"tokens": 700})
    outcome = batch.run()
    assert outcome.summary["stopped"], "the first start ends in the middle"
    before = {(row["problem_id"], row["sample_index"]): row["text"] for row in batch.rows()}
    batch.config = batch.config.model_copy(update={"budget": type(batch.config.budget)()})
    outcome = batch.run()
    assert outcome.summary["complete"], outcome.error
    rows = {(row["problem_id"], row["sample_index"]): row for row in batch.rows()}
    assert len(rows) == len(batch.rows()) and before.items() <= {key: row["text"] for key, row in rows.items()}.items()
    assert {key[1] for key in rows if not rows[key]["round"]} == set(range(5)) and any(
        r["round"] for r in rows.values()
    )
    for (_, index), row in rows.items():
        expected = ("plain", "brief", "plain", "plain", "brief")[index % 5]
        turns, drawn = json.loads(row["messages"]), json.loads(row["sampling"])
        assert row["variant"] == expected and json.loads(row["stopping_rule"])["variants"] == 2
        assert drawn["temperature"] == (1.0 if expected == "plain" else 0.5)
        assert (turns[0]["role"] == "system") is (expected == "brief")
        assert turns[-1 - 2 * row["round"]]["content"].endswith("Be brief.") is (expected == "brief")
    for row in rows.values():
        if row["round"]:
            assert row["variant"] == rows[row["problem_id"], row["parent_sample_index"]]["variant"]


def test_a_token_budget_is_a_hard_ceiling_and_can_be_raised(make_batch: Any) -> None:
    batch = make_batch(easy(50), budget={"tokens": 1500})
    outcome = batch.run()
    assert outcome.summary, outcome.error
    assert "budget.tokens" in outcome.summary["stopped"] and not outcome.summary["complete"]
    assert 1000 < sum(row["completion_tokens"] for row in batch.rows()) <= 1500
    # An aborted row would use its index up for good.
    assert all(row["status"] for row in batch.rows())
    drawn = len(batch.rows())
    again = batch.run()
    assert "budget.tokens" in again.summary["stopped"] and len(batch.rows()) == drawn, (
        "a ceiling of all starts together"
    )
    assert (again.summary["starts"], again.summary["epoch"]) == (2, 2)
    assert again.summary["wall_s"] > outcome.summary["wall_s"]
    outcome = batch.run(budget={**batch.settings().budget, "tokens": 0})
    assert outcome.summary["complete"] and sum(keys_of(batch.rows()).values()) == 400


def test_a_sample_that_the_engine_refuses_is_written_as_an_error(make_batch: Any) -> None:
    batch = make_batch([*easy(5), {"answer": "x", "p": 1, "fault": "engine refuses"}])
    outcome = batch.run()
    assert outcome.summary["complete"], outcome.error
    bad = [row for row in batch.rows() if row["problem_id"] == "p0005"]
    assert len(bad) == 8 and all(row["status"] == "error" and "cannot be drawn" in row["evidence"] for row in bad)


def test_two_jobs_on_one_run_the_second_is_refused(make_batch: Any) -> None:
    from runstore.lease import RunHeldError, claim_run
    from runstore.storage import open_storage

    batch = make_batch(easy(30, token_s=0.02))
    refusals = []

    def intrude(status: Any) -> None:
        if status.get("samples") and not refusals:
            try:
                claim_run(open_storage(batch.uri), 1, 3.0)
            except RunHeldError as error:
                refusals.append(str(error))

    batch.display.on_update = intrude
    assert batch.run().summary["complete"]
    assert refusals and "is working on this run" in refusals[0]
