"""A problem goes through the stages of its route: when one opens, where its samples lie, and what a resume finds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest
from ledger_bench import Bench

from runstore.durable import DurableRow
from runstore.schema import sample_seed
from workers.messages import SampleTask
from workers.sampling.budget import Budget
from workers.sampling.plan import BUDGET, LOST
from workers.scheduling.routes import ChangedRouteError
from workers.scheduling.sample_state import SampleState

SMALL, LARGE = {"num_samples": 2}, {"policy": "until_verified", "num_samples": 3, "wave": 3}


def cascade(num_problems: int = 1, stages: Iterable[dict[str, Any]] = (SMALL, LARGE), **more: Any) -> Bench:
    return Bench(num_problems, stages=list(stages), **more)


def play(bench: Bench, tasks: list[SampleTask], status: str) -> list[Any]:
    """Has samples drawn and checked, and written where they are done; returns what is to be aborted."""
    bench.finish(tasks)
    aborts = bench.check(bench.take_checks(), status)
    bench.write()
    return aborts


def fail_first(bench: Bench) -> None:
    play(bench, bench.draw(), "refuted")


def test_the_next_stage_opens_only_when_the_one_before_failed() -> None:
    bench = cascade(2)
    tasks = bench.draw()
    assert bench.draw(pool=1) == [] and not bench.ledger.queues.wants(1)
    play(bench, [task for task in tasks if task.key[0] == 0], "verified")
    assert bench.draw(pool=1) == [], "a solved problem asks no larger model"
    play(bench, [task for task in tasks if task.key[0] == 1], "refuted")
    later = bench.draw(pool=1)
    assert [(task.key, task.stage, task.audited) for task in later] == [((1, 2 + i), 1, False) for i in range(3)]
    assert [task.seed for task in later] == [sample_seed(0, "p1", 2 + i) for i in range(3)]
    assert bench.draw() == [] and bench.ledger.totals.problems_settled == 1
    play(bench, later, "verified")
    totals = bench.ledger.totals
    assert bench.ledger.is_done() and (totals.problems_settled, totals.problems_solved) == (2, 2)


def test_a_stage_that_is_hopeless_opens_the_next_one_and_aborts_the_rest_of_itself() -> None:
    adaptive = {"policy": "adaptive", "num_samples": 64, "wave": 64}
    bench = cascade(stages=[adaptive, LARGE])
    tasks = bench.draw()
    rule = json.loads(tasks[0].stopping_rule)
    bound = rule["stages"][0]["give_up"][0]
    assert bound < 64 and rule["stages"][1]["start"] == 64
    bench.finish(tasks[:bound])
    aborts = bench.check(bench.take_checks(), "refuted")
    assert [key for _, key in aborts] == [task.key for task in tasks[bound:]]
    later = bench.draw(pool=1)
    assert [task.key[1] for task in later] == [64, 65, 66]
    bench.finish(tasks[bound:], aborted=True)
    play(bench, later, "verified")
    bench.write()
    assert bench.ledger.is_done() and bench.ledger.totals.aborted == 64 - bound
    assert len(bench.written) == 67


def test_repair_rounds_stay_within_the_block_of_their_stage() -> None:
    bench = cascade(stages=[SMALL, {"num_samples": 3}], repair_rounds=1)
    fail_first(bench)
    repairs = bench.draw()
    assert [(task.key[1], task.parent_index, task.round) for task in repairs] == [(2, 0, 1), (3, 1, 1)]
    assert bench.draw(pool=1) == [], "a chain counts once its last round is checked"
    play(bench, repairs, "refuted")
    later = bench.draw(pool=1)
    assert [task.key[1] for task in later] == [4, 5, 6]
    play(bench, later[:1], "refuted")
    again = bench.draw(pool=1)
    assert [(task.key[1], task.parent_index, task.round, task.stage) for task in again] == [(7, 4, 1, 1)]
    play(bench, again, "verified")
    play(bench, later[1:], "verified")
    assert bench.ledger.is_done() and len({index for _, index, _ in bench.written}) == 8


def test_a_last_round_that_becomes_durable_is_no_parent_of_the_next_stages_rounds() -> None:
    """Index 6 is the last round of sample 2, and 6 + 4 is the second round of sample 0 of the next stage."""
    bench = cascade(stages=[{"num_samples": 4}, {"num_samples": 2}], repair_rounds=1)
    for _ in range(2):
        bench.finish(bench.draw())
        bench.check(bench.take_checks(), "refuted")
    bench.finish(bench.draw(pool=1), batch="b1")
    bench.check(bench.take_checks(), "refuted")
    repairs = bench.draw(pool=1)
    assert [(task.key[1], task.parent_index) for task in repairs] == [(10, 8), (11, 9)]
    rows = bench.ledger.cut(1000, 1 << 30)
    bench.ledger.durable([row for row in rows if row.key[1] < 8], "part of the first stage")
    assert {parent.part for parent in bench.ledger.parents(repairs).values()} == {""}
    bench.ledger.durable([row for row in rows if row.key[1] >= 8], "part of the second")
    assert {parent.part for parent in bench.ledger.parents(repairs).values()} == {"part of the second"}


def test_one_stage_has_the_rule_and_the_indices_of_a_run_without_cascades() -> None:
    bench = Bench(1)
    tasks = bench.draw()
    assert json.loads(tasks[0].stopping_rule) == {"policy": "fixed", "estimates": "unbiased", "num_samples": 4}
    assert [(task.key[1], task.seed) for task in tasks] == [(i, sample_seed(0, "p0", i)) for i in range(4)]


def test_the_rule_of_a_cascade_holds_the_layout_and_every_plan() -> None:
    rule = json.loads(cascade(repair_rounds=1).draw()[0].stopping_rule)
    first = {"policy": "fixed", "estimates": "unbiased", "num_samples": 2}
    second = {"policy": "until_verified", "estimates": "unbiased", "num_samples": 3, "num_verified": 1}
    assert rule == {
        **first,
        "stages": [
            {"pool": "pool0", "samples": 2, "start": 0, **first},
            {"pool": "pool1", "samples": 3, "start": 4, **second},
        ],
    }


def test_a_solution_above_the_settling_index_opens_and_ends_nothing() -> None:
    """What decides is the prefix that the plan used, so that a resume decides the same."""
    adaptive = {"policy": "adaptive", "num_samples": 64, "wave": 64}
    bench = cascade(stages=[adaptive, LARGE])
    tasks = bench.draw()
    bound = json.loads(tasks[0].stopping_rule)["stages"][0]["give_up"][0]
    bench.finish(tasks)
    keys = bench.take_checks()
    bench.check([key for key in keys if key[1] < bound], "refuted")
    later = bench.draw(pool=1)
    bench.check([key for key in keys if key[1] >= bound], "verified")
    assert bench.ledger.num_open() == 1
    play(bench, later, "refuted")
    totals = bench.ledger.totals
    assert bench.ledger.is_done() and (totals.problems_settled, totals.problems_solved) == (1, 1)
    rows = restored(bench, tasks[0].stopping_rule)
    again = cascade(stages=[adaptive, LARGE], durable=rows)
    assert again.ledger.is_done() and again.ledger.totals.problems_solved == 1


def restored(bench: Bench, rule: str, keep: Any = lambda index: True) -> dict[str, list[DurableRow]]:
    rows: dict[str, list[DurableRow]] = {}
    for problem, index, status in bench.written:
        if keep(index):
            rows.setdefault(problem, []).append(DurableRow(index, 0, status, rule, 5, 7, 0.1, 0.01, "part", 0))
    return rows


def test_a_resume_goes_on_in_the_stage_where_it_was() -> None:
    bench = cascade()
    rule = bench.draw()[0].stopping_rule
    bench = cascade()
    fail_first(bench)
    play(bench, bench.draw(pool=1)[1:2], "refuted")
    again = cascade(durable=restored(bench, rule))
    assert again.draw() == [] and [task.key[1] for task in again.draw(pool=1)] == [2, 4]
    assert again.ledger.totals.problems_resumed == 0 and again.ledger.totals.samples == 3


def test_rows_of_a_later_stage_wait_until_the_stage_before_is_whole() -> None:
    """Two writers can make the rows of a later stage durable first, and then all can die."""
    bench = cascade()
    rule = bench.draw()[0].stopping_rule
    bench = cascade()
    fail_first(bench)
    play(bench, bench.draw(pool=1), "refuted")
    again = cascade(durable=restored(bench, rule, keep=lambda index: index != 1))
    missing = again.draw()
    assert [task.key[1] for task in missing] == [1] and again.draw(pool=1) == []
    play(again, missing, "refuted")
    assert again.ledger.is_done(), "the rows of the later stage are there, and none is drawn twice"
    assert again.ledger.totals.samples == 5 and again.ledger.totals.problems_resumed == 0


@pytest.mark.parametrize(
    "stages",
    [
        [SMALL],
        [SMALL, {**LARGE, "num_samples": 4}],
        [{"num_samples": 3}, LARGE],
        [SMALL, LARGE, LARGE],
        [SMALL, {"policy": "fixed", "num_samples": 3}],
    ],
)
def test_a_resume_refuses_other_stages(stages: list[dict[str, Any]]) -> None:
    bench = cascade()
    rule = bench.draw()[0].stopping_rule
    bench = cascade()
    fail_first(bench)
    with pytest.raises(ChangedRouteError, match=r"problem p0 was begun with .*Choose another run\.id"):
        cascade(stages=stages, durable=restored(bench, rule))
    assert cascade(durable=restored(bench, rule)).ledger.num_open() == 1


def test_a_stage_that_is_added_to_a_plain_run_is_refused() -> None:
    bench = Bench(1, **SMALL)
    rule = bench.draw()[0].stopping_rule
    bench = Bench(1, **SMALL)
    fail_first(bench)
    with pytest.raises(ChangedRouteError, match="begun with a single stage"):
        cascade(durable=restored(bench, rule))


def state_of(bench: Bench, tasks: list[SampleTask]) -> SampleState:
    return bench.ledger._samples[tasks[0].key]


def test_the_budget_ends_a_later_stage_too() -> None:
    bench = cascade(budget=Budget(tokens=1000))
    fail_first(bench)
    later = bench.draw(pool=1)
    sample = state_of(bench, later)
    assert {key for _, key in bench.ledger.spend_out("spent")} == {task.key for task in later}
    assert sample.state.settled == BUDGET
    bench.finish(later, aborted=True)
    assert bench.ledger.is_done() and len(bench.written) == 2, "an aborted row would use its index up"


def test_a_budget_that_is_spent_opens_no_further_stage() -> None:
    bench = cascade()
    tasks = bench.draw()
    bench.finish(tasks)
    keys = bench.take_checks()
    bench.ledger.spend_out("spent")
    bench.check(keys, "refuted")
    bench.write()
    assert bench.draw(pool=1) == [] and bench.ledger.is_done()


def test_the_problems_of_a_lost_pool_end_and_the_others_go_on() -> None:
    bench = cascade(3)
    tasks = bench.draw()
    play(bench, [task for task in tasks if task.key[0] == 0], "refuted")
    later = bench.draw(pool=1)
    sample = state_of(bench, later)
    bench.ledger.lose_pool(1, "gone")
    bench.ledger.lost_generator(1)
    assert sample.state.settled == LOST and bench.ledger.num_open() == 2
    bench = cascade(3)
    tasks = bench.draw()
    bench.ledger.lose_pool(1, "gone")
    play(bench, [task for task in tasks if task.key[0] == 0], "refuted")
    play(bench, [task for task in tasks if task.key[0] > 0], "verified")
    totals = bench.ledger.totals
    assert bench.ledger.is_done() and (totals.problems_solved, totals.problems_lost) == (2, 1)
    rule = tasks[0].stopping_rule
    again = cascade(3, durable=restored(bench, rule))
    assert {task.key for task in again.draw(pool=1)} == {(0, 2), (0, 3), (0, 4)}, "a resume goes on where it was"


def test_a_pool_that_is_lost_while_it_draws_gives_no_row() -> None:
    bench = cascade()
    fail_first(bench)
    later = bench.draw(pool=1)
    for task in later:
        bench.ledger.assign(task.key, 1)
    assert len(bench.ledger.lose_pool(1, "gone")) == 3
    bench.ledger.lost_generator(1)
    assert bench.ledger.is_done() and len(bench.written) == 2


# Audit.


def test_audited_problems_pass_through_every_stage_and_their_extra_samples_stop_nothing() -> None:
    bench = cascade(2, audit=1.0)
    tasks = bench.draw()
    assert json.loads(tasks[0].stopping_rule)["audit"] is True and not any(task.audited for task in tasks)
    play(bench, [task for task in tasks if task.key[0] == 0], "verified")
    play(bench, [task for task in tasks if task.key[0] == 1], "refuted")
    later = bench.draw(pool=1)
    assert {(task.key[0], task.audited) for task in later} == {(0, True), (1, False)}
    assert bench.ledger.totals.problems_settled == 0
    play(bench, later, "refuted")
    totals = bench.ledger.totals
    assert bench.ledger.is_done() and (totals.problems_settled, totals.problems_solved) == (2, 1)


def test_an_audited_problem_is_audited_after_a_resume_whatever_the_share_is_then() -> None:
    bench = cascade(audit=1.0)
    rule = bench.draw()[0].stopping_rule
    bench = cascade(audit=1.0)
    play(bench, bench.draw(), "verified")
    again = cascade(durable=restored(bench, rule), audit=0.0)
    assert [(task.key[1], task.audited) for task in again.draw(pool=1)] == [(2, True), (3, True), (4, True)]


def test_an_adaptive_policy_learns_nothing_from_what_only_the_audit_asks_for() -> None:
    """The boundaries of the other problems would become those of easier ones, and would depend on the audit."""
    adaptive = {"policy": "adaptive", "num_samples": 64, "wave": 4}
    bench = cascade(2, [SMALL, adaptive], audit=1.0)
    rule = bench.draw()[0].stopping_rule
    bench = cascade(2, [SMALL, adaptive], audit=1.0)
    tasks = bench.draw()
    play(bench, [task for task in tasks if task.key[0] == 0], "verified")
    play(bench, [task for task in tasks if task.key[0] == 1], "refuted")
    later = bench.draw(pool=1)
    assert {(task.key[0], task.audited) for task in later} == {(0, True), (1, False)}
    learned = bench.policies[1].seen  # type: ignore[attr-defined]
    play(bench, [task for task in later if task.audited], "refuted")
    assert learned.num_samples == 0
    play(bench, [task for task in later if not task.audited], "refuted")
    assert learned.num_samples == 4
    again = cascade(2, [SMALL, adaptive], durable=restored(bench, rule))
    assert again.policies[1].seen.num_samples == 4, "nor after a resume"  # type: ignore[attr-defined]


def test_a_plain_pool_has_nothing_to_audit() -> None:
    bench = Bench(1, audit=1.0)
    assert "audit" not in bench.draw()[0].stopping_rule


# Faults.


def status_of(problem: int, index: int) -> str:
    return "verified" if random.Random(problem * 1000 + index).random() < 0.15 else "refuted"


def outcome_of_run(seed: int, faults: bool, **more: Any) -> dict[tuple[str, int], str | None]:
    """Runs a cascade of three stages to its end, with restarts from what is durable where `faults` says so."""
    dice = random.Random(seed)
    stages = [SMALL, {"policy": "adaptive", "num_samples": 24, "wave": 4}, LARGE]
    durable: dict[str, list[DurableRow]] = {}
    for _ in range(200):
        bench = cascade(8, stages, durable=durable, audit=0.3, **more)
        rules = {problem.id: problem.rule for problem in bench.ledger._problems.values()}
        steps = dice.randrange(4, 30) if faults and dice.random() < 0.9 else 100_000
        leased: list[SampleTask] = []
        assigned: list[Any] = []
        while steps and not bench.ledger.is_done():
            steps -= 1
            pool, event = dice.randrange(3), dice.randrange(5)
            if event == 0:
                leased += bench.draw(dice.randrange(1, 6), worker=1, pool=pool)
            elif event == 1 and leased:
                bench.finish([leased.pop(dice.randrange(len(leased)))])
            elif event == 2:
                assigned += bench.take_checks(50, dice.randrange(1, 4))
            elif event == 3 and assigned:
                key = assigned.pop(dice.randrange(len(assigned)))
                for _, abort_key in bench.check([key], status_of(*key)):
                    for task in [task for task in leased if task.key == abort_key]:
                        leased.remove(task)
                        bench.finish([task], aborted=True)
            elif event == 4:
                bench.write()
        for problem, index, status in bench.written:
            stage = next(stage for stage in bench.route.stages if stage.holds(index))
            round_ = (index - stage.start) // stage.num_samples
            row = DurableRow(index, round_, status, rules[problem], 5, 7, 0.1, 0.01, "part", 0)
            durable.setdefault(problem, []).append(row)
        if bench.ledger.is_done():
            break
    assert bench.ledger.is_done()
    found = [(problem, row.sample_index) for problem, rows in durable.items() for row in rows]
    assert len(found) == len(set(found)), "no row is doubled"
    return {(problem, row.sample_index): row.status for problem, rows in durable.items() for row in rows}


@pytest.mark.parametrize("seed", range(6))
def test_kills_and_resumes_change_nothing_that_counts(seed: int) -> None:
    """What every stage used of each problem is the same with restarts and without them. Only samples above a settling
    index may differ, which were in flight when it was settled."""
    rounds = seed % 3
    whole, broken = (outcome_of_run(seed, faults, repair_rounds=rounds) for faults in (False, True))
    for key in whole.keys() & broken.keys():
        assert whole[key] == broken[key] or None in (whole[key], broken[key])
    starts = 2 * (1 + rounds), 26 * (1 + rounds)
    reached = [{(problem, *(index >= start for start in starts)) for problem, index in run} for run in (whole, broken)]
    assert reached[0] == reached[1], "the same stages were opened"
