"""The ledger alone: stages, retries, blame, aborts, back-pressure, restoring. No Ray."""

from __future__ import annotations

import gc
import json
import random
import tracemalloc

import pytest
from ledger_bench import Bench, ValidatedLedger, verdict

from jobs.solve.progress import eta_s
from runstore.batches import pack, pack_verdicts, unpack
from runstore.durable import DurableRow
from verifiers.types import Status
from workers.messages import Checked, Finished
from workers.sampling.adaptive import Adaptive
from workers.sampling.budget import Budget, Reserve, TokenPrices
from workers.sampling.registry import make_policy
from workers.scheduling.routes import Route, RouteStage
from workers.scheduling.sample_state import LedgerSettings, ProblemEntry, Stage


def test_a_run_goes_through_every_stage() -> None:
    bench = Bench()
    tasks = bench.draw()
    assert [task.key for task in tasks] == [(p, i) for p in range(3) for i in range(4)]
    assert len({task.seed for task in tasks}) == 12
    assert json.loads(tasks[0].stopping_rule)["num_samples"] == 4
    bench.finish(tasks)
    keys = bench.take_checks()
    assert len(keys) == 12 and bench.ledger.num(Stage.CHECKING) == 12
    bench.check(keys, "verified")
    assert not bench.ledger.is_done()
    assert bench.write() == 12
    assert bench.ledger.is_done() and bench.ledger.chunks() == set()
    assert bench.ledger.totals.problems_solved == 3 and len(set(bench.written)) == 12


def test_answers_of_a_replica_that_lost_its_lease_are_ignored() -> None:
    bench = Bench(1)
    tasks = bench.draw(worker=1)
    bench.ledger.lost_generator(1)
    again = bench.draw(worker=2)
    assert [task.key for task in again] == [task.key for task in tasks]
    assert {task.attempt for task in again} == {2} and again[0].seed == tasks[0].seed
    bench.finish(tasks, worker=1)
    assert bench.ledger.num(Stage.FINISHED) == 0
    bench.finish(again, worker=2)
    bench.finish(again, worker=2)
    assert bench.ledger.num(Stage.FINISHED) == 4


def test_a_verdict_counts_once() -> None:
    bench = Bench(1)
    bench.finish(bench.draw())
    keys = bench.take_checks()
    bench.check(keys)
    bench.check(keys)
    assert bench.ledger.totals.samples == 4 and bench.write() == 4


def test_settling_aborts_only_what_lies_above() -> None:
    bench = Bench(1, policy="until_verified", num_samples=8, wave=8)
    tasks = bench.draw()
    bench.finish(tasks[2:4])
    keys = bench.take_checks()
    aborts = bench.check(keys, "verified")
    # Index 2 is verified, but 0 and 1 are open: they must run to their end; 4 to 7 need not.
    assert sorted(index for _, (_, index) in aborts) == [4, 5, 6, 7]
    bench.finish(tasks[4:], aborted=True)
    assert bench.write() == 2, "aborted rows wait for the settling evidence"
    bench.finish(tasks[:2])
    bench.check(bench.take_checks(), "refuted")
    assert bench.write() == 2 and not bench.ledger.is_done()
    assert bench.write() == 4 and bench.ledger.is_done()
    assert [status for _, index, status in sorted(bench.written) if index >= 4] == [None] * 4
    assert bench.ledger.totals.aborted == 4 and bench.ledger.totals.aborted_tokens == 28


def test_several_rows_in_a_dead_verifiers_hands_are_then_checked_alone() -> None:
    bench = Bench(1)
    bench.finish(bench.draw())
    keys = bench.take_checks(worker=50)
    bench.ledger.lost_verifier(50)
    assert bench.take_checks(worker=51, idle=False) == []
    alone = bench.take_checks(worker=51, idle=True)
    assert len(alone) == 1 and alone[0] in keys
    bench.ledger.lost_verifier(51)
    for _ in range(3):
        bench.check(bench.take_checks(worker=52, idle=True), worker=52)
    assert bench.take_checks(worker=53, idle=True) == alone
    bench.ledger.lost_verifier(53)
    bench.write()
    assert sorted(status for _, _, status in bench.written) == ["error", "refuted", "refuted", "refuted"]
    assert bench.ledger.is_done()


def test_whoever_checks_a_suspect_gets_nothing_beside_it() -> None:
    bench = Bench(2)
    tasks = bench.draw()
    bench.finish(tasks[:2])
    suspects = bench.take_checks(worker=50)
    bench.ledger.lost_verifier(50)
    bench.finish(tasks[2:])
    first = bench.take_checks(worker=51, idle=True)
    assert first == suspects[:1] and bench.take_checks(worker=51, idle=False) == []
    assert len(bench.take_checks(worker=52, room=3, idle=False)) == 3, "others go on"
    bench.check(first, worker=51)
    assert bench.take_checks(worker=51, idle=True) == suspects[1:]
    bench.ledger.lost_verifier(51)
    again = bench.take_checks(worker=53, idle=True)
    bench.ledger.lost_verifier(53)
    assert again == suspects[1:] and bench.ledger.totals.statuses == {"refuted": 1, "error": 1}


def test_a_hung_row_is_blamed_and_its_neighbours_are_not() -> None:
    bench = Bench(1)
    bench.finish(bench.draw())
    keys = bench.take_checks(worker=50)
    bench.ledger.lost_verifier(50, culprits=[keys[0]])
    assert sorted(bench.take_checks(worker=51, idle=False)) == sorted(keys[1:])
    assert bench.take_checks(worker=52, idle=True) == [keys[0]]


def test_an_error_verdict_is_tried_again_then_kept() -> None:
    bench = Bench(1, num_samples=1)
    bench.finish(bench.draw())
    bench.check(bench.take_checks(), "error")
    assert bench.ledger.num(Stage.FINISHED) == 1
    bench.check(bench.take_checks(), "error")
    assert bench.write() == 1 and bench.written == [("p0", 0, "error")]


def test_a_lost_batch_is_drawn_again() -> None:
    bench = Bench(1, num_samples=2)
    bench.finish(bench.draw())
    keys = bench.take_checks()
    bench.ledger.checked(50, [Checked(keys[0], None, 0.0, -1)], b"")
    bench.check(keys[1:], "verified")
    samples = bench.ledger.cut(10, 1 << 30)
    bench.ledger.batch_gone(samples)
    again = bench.draw()
    assert sorted(task.key for task in again) == sorted(keys) and {task.attempt for task in again} == {2}
    bench.finish(again)
    bench.check(bench.take_checks(), "verified")
    assert bench.write() == 2 and bench.ledger.totals.samples == 2 and bench.ledger.is_done()


def test_back_pressure_stops_leasing() -> None:
    bench = Bench(3, max_unchecked=4)
    bench.finish(bench.draw(4))
    assert bench.draw() == []
    bench.check(bench.take_checks())
    assert len(bench.draw()) > 0


def test_rows_that_no_writer_may_have_yet_are_no_back_pressure() -> None:
    bench = Bench(2, policy="until_verified", num_samples=8, wave=8, max_unchecked=1)
    tasks = bench.draw(8)
    bench.finish(tasks[2:3])
    bench.check(bench.take_checks(), "verified")
    bench.finish(tasks[3:], aborted=True)
    bench.write()
    assert bench.ledger.num(Stage.CHECKED) == 5 and len(bench.draw()) == 8


def test_the_token_budget_bounds_what_is_in_flight() -> None:
    budget = Budget(tokens=45)
    bench = Bench(3, budget=budget)
    assert len(bench.draw()) == 4  # four samples of at most ten tokens
    assert bench.draw() == []


def test_a_repair_is_not_begun_twice_when_its_parent_is_drawn_again() -> None:
    bench = Bench(1, num_samples=1, repair_rounds=1)
    bench.finish(bench.draw())
    bench.check(bench.take_checks(), "refuted")
    repair = bench.draw()
    bench.ledger.batch_gone(bench.ledger.cut(10, 1 << 30))
    bench.finish(bench.draw(), batch="again")
    bench.check(bench.take_checks(), "refuted")
    assert bench.ledger.parents(repair)[repair[0].key].batch == "again" and bench.draw() == []
    bench.finish(repair)
    bench.check(bench.take_checks(), "verified")
    # The same once more, with the repair durable before its parent.
    parent, child = bench.ledger.cut(10, 1 << 30)
    bench.written.append(("p0", child.key[1], "verified"))
    bench.ledger.durable([child], "part")
    bench.ledger.batch_gone([parent])
    bench.finish(bench.draw())
    bench.check(bench.take_checks(), "refuted")
    bench.write()
    assert bench.ledger.is_done() and sorted(bench.written) == [("p0", 0, "refuted"), ("p0", 1, "verified")]


def test_a_resumed_chain_whose_first_attempt_was_lost_goes_on_behind_its_last_round() -> None:
    rule = json.dumps({"num_samples": 4})
    second = DurableRow(4, 1, "refuted", rule, 5, 7, 0.1, 0.01, "part", 0)
    bench = Bench(1, durable={"p0": [second]}, num_samples=4, repair_rounds=2)
    assert [(task.key[1], task.round) for task in bench.draw(1)] == [(8, 2)]


def test_nothing_waits_to_be_drawn_again_once_the_budget_is_spent() -> None:
    bench = Bench(2, num_samples=4)
    tasks = bench.draw()
    bench.finish(tasks[:4])
    keys = bench.take_checks()
    bench.check(keys[:1], "verified")
    samples = bench.ledger.cut(10, 1 << 30)
    bench.ledger.spend_out("spent")
    bench.ledger.batch_gone(samples)
    bench.ledger.checked(50, [Checked(keys[1], None, 0.0, -1)], b"")
    bench.check(keys[2:])
    failed = Finished(tasks[4].key, 1, False, "no", 5, 0, 0.1, 100, 0)
    bench.ledger.finished(1, [failed], "b")
    bench.finish(tasks[5:], aborted=True)
    bench.write()
    assert bench.ledger.is_done() and len(bench.written) == 2


def test_answers_that_are_cut_off_and_asked_for_again_do_not_pass_the_dollars() -> None:
    """The endpoint charges the most for every attempt, and cuts all of them. When an attempt is asked for again, it has
    to be set aside again."""
    most, budget = Reserve(10, usd=1.0), Budget(usd=20.0)
    settings = LedgerSettings(run_seed=0, max_tokens=10, prices={0: TokenPrices(0.0, 1e5)})
    route = Route([RouteStage(make_policy({"policy": "fixed", "num_samples": 4}), most)])
    ledger = ValidatedLedger(settings, [route], budget)
    ledger.feed(0, [ProblemEntry(f"p{i}", "math", "d") for i in range(10)])
    billed = 0.0
    while tasks := ledger.next_tasks(7, 1):
        billed += len(tasks) * most.usd
        rows = [Finished(t.key, t.attempt, False, "cut", 0, 0, 0.1, 9, 0, -1.0, 5, 3, is_cut=True) for t in tasks]
        ledger.finished(1, rows, "b")
        assert billed <= budget.usd
    assert billed == budget.usd, "and all of the budget is used"
    assert budget.spent_tokens == 20 * 3
    assert ledger.queues.stranded(budget).startswith("budget.usd = 20, of which up to 20 went to samples")


def test_a_sample_that_is_always_cut_off_ends_as_an_error() -> None:
    bench = Bench(1, num_samples=1)
    attempts = 0
    while tasks := bench.draw():
        attempts += 1
        cut = Finished(tasks[0].key, tasks[0].attempt, False, "cut", 0, 0, 0.1, 9, 0, is_cut=True)
        bench.ledger.finished(1, [cut], "b")
    assert attempts == bench.ledger.settings.cut_attempts
    bench.write()
    assert bench.written == [("p0", 0, "error")]


def test_a_settled_problems_lost_rows_end_with_the_budget_too() -> None:
    bench = Bench(1, policy="until_verified", num_samples=4, wave=4)
    tasks = bench.draw()
    bench.finish(tasks[:1])
    bench.check(bench.take_checks(), "verified")
    bench.finish(tasks[1:], aborted=True)
    bench.ledger.batch_gone(bench.ledger.cut(10, 1 << 30))
    bench.ledger.spend_out("spent")
    assert bench.ledger.is_done(), "else a resume finds aborted rows whose settling evidence is lost"
    assert bench.write() == 0


def test_a_solution_found_after_the_budget_was_spent_counts() -> None:
    bench = Bench(1)
    tasks = bench.draw()
    bench.finish(tasks[:2])
    keys = bench.take_checks()
    bench.ledger.spend_out("spent")
    bench.check(keys, "verified")
    bench.finish(tasks[2:], aborted=True)
    bench.write()
    totals = bench.ledger.totals
    assert bench.ledger.is_done() and (totals.problems_settled, totals.problems_solved) == (1, 1)


def test_a_dead_replicas_samples_that_nobody_needs_are_not_drawn_again() -> None:
    bench = Bench(1, policy="until_verified", num_samples=8, wave=8)
    tasks = bench.draw()
    bench.finish(tasks[2:3])
    bench.check(bench.take_checks(), "verified")
    bench.ledger.lost_generator(1)
    assert [task.key[1] for task in bench.draw(worker=2)] == [0, 1]


def test_a_parts_age_counts_from_its_verdicts() -> None:
    bench = Bench(1, num_samples=1)
    task = bench.draw()
    bench.ledger.finished(1, [Finished(task[0].key, 1, False, "", 5, 7, 0.1, 100, 0)], "b", 10.0)
    bench.ledger.next_checks(50, 1, 1, 1.0, True, 10.0)
    bench.ledger.checked(50, [Checked(task[0].key, Status.REFUTED, 60.0, 0)], pack_verdicts([verdict("refuted")]), 70.0)
    assert bench.ledger.writes.oldest() == 70.0


def test_repair_rounds_extend_a_trial() -> None:
    bench = Bench(1, num_samples=2, repair_rounds=1)
    first = bench.draw()
    bench.finish(first)
    bench.check(bench.take_checks(), "refuted")
    repairs = bench.draw()
    assert [(task.key[1], task.parent_index, task.round) for task in repairs] == [(2, 0, 1), (3, 1, 1)]
    parents = bench.ledger.parents(repairs)
    assert all("refuted" in parents[task.key].evidence for task in repairs)
    bench.finish(repairs)
    bench.check(bench.take_checks(), "verified")
    bench.write()
    assert bench.ledger.is_done() and bench.ledger.totals.problems_solved == 1 and len(bench.written) == 4


def test_an_open_problem_takes_less_than_a_kilobyte() -> None:
    bench = Bench(0, num_samples=16)
    entries = [ProblemEntry(f"problem-{i:07d}", "math", f"d{i % 8}") for i in range(4096)]
    gc.collect()
    tracemalloc.start()
    try:
        for chunk in range(0, 4096, 64):
            bench.ledger.feed(chunk // 64, unpack(pack(entries[chunk : chunk + 64])))
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert bench.ledger.num_open() == 4096 and taken / 4096 < 1000


def rows(*samples: tuple[int, str | None]) -> list[DurableRow]:
    rule = json.dumps({"num_samples": 4})
    return [DurableRow(index, 0, status, rule, 5, 7, 0.1, 0.01, "part", 0) for index, status in samples]


def test_a_resume_asks_for_what_is_missing_and_nothing_else() -> None:
    durable = {"p0": rows(*((i, "refuted") for i in range(4))), "p1": rows((0, "verified"), (2, "refuted"))}
    bench = Bench(3, durable=durable)
    keys = sorted(task.key for task in bench.draw())
    assert keys == [(1, 1), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3)]
    assert bench.ledger.totals.samples == 6 and bench.ledger.totals.problems_closed == 1
    assert bench.ledger.totals.problems_resumed == 1


def test_what_is_left_takes_as_long_as_this_start_shows() -> None:
    status = {"problems_settled": 910, "problems_resumed": 900, "generating_s": 60.0}
    assert eta_s(status, 1000) == 540.0
    assert eta_s({**status, "problems_settled": 900}, 1000) is None


def test_a_resumed_adaptive_run_learns_from_what_is_durable_as_it_did_before() -> None:
    rule = json.dumps({"num_samples": 8, "num_verified": 1})
    statuses = [(i, "verified" if i == 5 else "refuted") for i in range(6)]
    chain = [DurableRow(i, 0, status, rule, 5, 7, 0.1, 0.01, "part", 0) for i, status in statuses]
    bench = Bench(60, durable={f"p{n}": chain for n in range(50)}, policy="adaptive", num_samples=8, wave=4)
    policy = bench.policies[0]
    assert isinstance(policy, Adaptive)
    assert policy.refits == 1 and policy.seen.tokens_per_sample("d") == 7.0
    assert len(bench.draw()) == 40


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("policy", ["fixed", "until_verified", "adaptive"])
def test_random_faults_lose_and_double_nothing(policy: str, seed: int) -> None:
    """Every message may be lost or doubled, every worker may die: the rows written are right all the same."""
    dice = random.Random(seed)
    bench = Bench(12, policy=policy, num_samples=6, wave=3, repair_rounds=seed % 3)
    ledger = bench.ledger
    worker, leased, assigned = 1, [], []
    for _ in range(20_000):
        if ledger.is_done():
            break
        event = dice.randrange(8)
        if event == 0:
            leased += [(worker, task) for task in ledger.next_tasks(dice.randrange(6), worker)]
        elif event in (1, 2) and leased:
            owner, task = leased.pop(dice.randrange(len(leased)))
            for _ in range(dice.choice([1, 1, 2])):
                bench.finish([task], worker=owner, aborted=False)
        elif event in (3, 4):
            assigned += [
                (100 + worker, key) for key in bench.take_checks(100 + worker, dice.randrange(4), idle=not assigned)
            ]
        elif event == 5 and assigned:
            owner, key = assigned.pop(dice.randrange(len(assigned)))
            aborts = bench.check([key], dice.choice(["verified", "refuted", "refuted", "error"]), owner)
            for abort_worker, abort_key in aborts:
                for pair in [pair for pair in leased if pair[1].key == abort_key and dice.random() < 0.7]:
                    leased.remove(pair)
                    bench.finish([pair[1]], worker=abort_worker, aborted=True)
        elif event == 6:
            if dice.random() < 0.3:
                ledger.batch_gone(ledger.cut(dice.randrange(4), 1 << 30))
            bench.write()
        elif event == 7 and dice.random() < 0.15:
            ledger.lost_generator(worker)
            ledger.lost_verifier(100 + worker)
            assigned.clear()
            leased.clear()
            worker += 1
    assert ledger.is_done()
    keys = [(problem, index) for problem, index, _ in bench.written]
    assert len(keys) == len(set(keys))
    if policy == "fixed":
        assert {index for _, index in keys if index < 6} == set(range(6))


def test_samples_that_stood_beside_a_poison_prompt_are_drawn_apart() -> None:
    """Two replicas stood still over the same four samples: none is lost, and no replica gets two of them together."""
    bench = Bench(4, num_samples=1)
    for worker in (1, 2):
        assert len(bench.ledger.next_tasks(9, worker)) == 4
        assert bench.ledger.lost_generator(worker, stalled=True) == 4
    first = bench.ledger.next_tasks(9, 3)
    assert len(first) == 1 and first[0].suspect and not first[0].refusal
    others = bench.ledger.next_tasks(9, 4, max_suspects=2)
    assert len(others) == 2 and bench.ledger.queues.wants()
    bench.ledger.lost_generator(3, stalled=True)
    again = bench.ledger.next_tasks(9, 5, max_suspects=0)
    assert [task.key for task in again] == [first[0].key], "what is to blame ends, wherever it goes"
    assert "3 replicas stood still" in again[0].refusal
