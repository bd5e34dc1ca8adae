"""Problems without an answer key in the ledger: they end where their answers agree, and a resume knows it from rows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from ledger_bench import Bench

from runstore.batches import pack_verdicts
from runstore.durable import DurableRow
from verifiers.agreement import Placement
from verifiers.types import Limits, Problem, Status, Verdict
from workers.actors.placing import Placer
from workers.messages import Checked
from workers.sampling.agreement import AgreementRule
from workers.sampling.plan import AGREED, EXHAUSTED
from workers.sampling.votes import EVIDENCE, Placed, replayed
from workers.scheduling.ledger import Ledger

RULE = {"alpha": 0.05, "min_samples": 4, "max_samples": 32}
PROBLEM = Problem("p", "math", "", {})


class ByFirstLetter:
    """Answers are equal that begin with the same letter."""

    def compare(self, problem: Problem, answers: Any, pairs: Any) -> list[bool | None]:
        return [answers[one][0] == answers[other][0] for one, other in pairs]

    def place(self, problem: Problem, answer: str, representatives: Any) -> Placement:
        equal = tuple(name for name, text in representatives if text[0] == answer[0])
        apart = tuple(name for name, text in representatives if text[0] != answer[0])
        return Placement(equal[0] if equal else None, equal, apart)

    def close(self) -> None:
        pass


class Run:
    """A ledger over problems without answer keys, several verifiers, and rows that a resume finds."""

    def __init__(self, answer: Callable[[int], str | None], durable: Any = None, **settings: Any) -> None:
        sampling = {"policy": "until_verified", "num_samples": 32, "wave": 8, "agreement": RULE, **settings}
        self.bench = Bench(1, durable=durable, keyless=True, **sampling)
        self.answer = answer
        self.placers = [Placer(ByFirstLetter()) for _ in range(2)]
        self.rows: dict[int, DurableRow] = {}
        self.rule = ""
        self.aborts: list[Any] = []

    def step(self, shuffle: random.Random | None = None, pool: int = 0, room: int = 100) -> bool:
        """Draws, checks and writes once; whether there was anything to draw."""
        bench = self.bench
        tasks = bench.draw(room, pool=pool)
        for task in tasks:
            self.rule = task.stopping_rule
        if shuffle:
            shuffle.shuffle(tasks)
        for task in tasks:  # one by one, so that an abort comes while others are drawn
            if task.key in bench.ledger._samples:
                bench.finish([task], aborted=any(key == task.key for _, key in self.aborts), batch=str(task.key))
                self.check(task.key[1] % 2)
        self.write()
        return bool(tasks)

    def check(self, verifier: int | None) -> None:
        """One verifier checks all that is finished; None: each row goes to another one, all at once."""
        items, _ = self.bench.ledger.next_checks(50, 1, 1000, 1e9, True)
        for item in items:
            for key, _ in item.rows:
                answer = self.answer(key[1])
                placed = None
                evidence: dict[str, Any] = {"no_answer": "none"} if answer is None else {"answer": answer}
                if answer is not None and key in item.known:
                    placer = self.placers[key[1] if verifier is None else verifier]
                    placed = placer.place(key, PROBLEM, answer, item.known[key])
                    evidence[EVIDENCE] = placed.to_json()
                verdict = Verdict(Status.UNCHECKED, "no key", evidence, "test", "1", 0.01, Limits())
                rows = [Checked(key, Status.UNCHECKED, 0.01, 0, placed)]
                self.aborts += self.bench.ledger.checked(50, rows, pack_verdicts([verdict]))
                agreement = json.dumps(evidence.get(EVIDENCE)) if placed is not None else None
                self.rows[key[1]] = DurableRow(
                    *(key[1], 0, "unchecked", self.rule, 5, 7, 0.1, 0.01, "part", 0, answer, agreement)
                )

    def write(self) -> None:
        while self.bench.write():
            pass

    def play(self, shuffle: random.Random | None = None) -> Run:
        while self.step(shuffle):
            pass
        self.write()
        assert self.bench.ledger.is_done()
        return self


def state_of(run: Run) -> Any:
    (problem,) = run.bench.ledger._problems.values()
    return problem.state


@pytest.mark.parametrize("policy", ["until_verified", "adaptive"])
def test_a_problem_ends_where_its_answers_agree(policy: str) -> None:
    run = Run(lambda index: "a" * (1 + index), policy=policy).play()
    assert len(run.rows) == 8, "unanimous answers need eight of 32"
    assert json.loads(run.rule)["agreement"] == RULE
    assert json.loads(run.rule)["keyless"] is True
    totals = run.bench.ledger.totals
    assert (totals.problems_settled, totals.problems_solved) == (1, 0)
    assert totals.statuses == {"unchecked": 8}


def test_samples_in_flight_above_the_settling_index_are_aborted() -> None:
    run = Run(lambda index: "a", wave=32)
    tasks = run.bench.draw()
    assert len(tasks) == 32
    run.bench.finish(tasks[:8])
    run.check(0)
    assert sorted(key[1] for _, key in run.aborts) == list(range(8, 32))
    run.bench.finish(tasks[8:], aborted=True)
    run.write()
    assert run.bench.ledger.is_done()
    assert run.bench.ledger.totals.aborted == 24


def test_the_rule_waits_for_the_prefix() -> None:
    run = Run(lambda index: "a", wave=32)
    tasks = run.bench.draw()
    run.bench.finish(tasks[1:20])
    run.check(0)
    assert not run.aborts and not state_of(run).settled, "index 0 may take as long as it likes"
    run.bench.finish(tasks[:1])
    run.check(0)
    assert (state_of(run).settled, state_of(run).settled_at_index) == (AGREED, 7)


def test_without_a_rule_and_under_fixed_all_samples_are_drawn() -> None:
    assert len(Run(lambda index: "a", agreement=None).play().rows) == 32
    assert len(Run(lambda index: "a", agreement=None, policy="adaptive", num_samples=64).play().rows) == 64
    run = Run(lambda index: "a", policy="fixed")
    tasks = run.bench.draw()
    run.bench.finish(tasks)
    run.check(0)
    assert (state_of(run).settled, state_of(run).settled_at_index) == (AGREED, 31)


def test_max_samples_bounds_a_problem_and_so_does_num_samples() -> None:
    diverse = [chr(97 + index % 20) for index in range(64)]
    assert len(Run(diverse.__getitem__, num_samples=64).play().rows) == 32
    assert len(Run(diverse.__getitem__, num_samples=12).play().rows) == 12


def test_samples_without_an_answer_vote_for_nothing() -> None:
    run = Run(lambda index: None).play()
    assert len(run.rows) == 32


def test_they_get_no_repair_rounds() -> None:
    run = Run(lambda index: "a" if index < 32 else "repair", repair_rounds=2).play()
    assert set(run.rows) == set(range(8))


def some_answers(seed: int) -> list[str]:
    rng = random.Random(seed)
    return [rng.choices("abcd", [5, 2, 1, 1])[0] + str(rng.randrange(3)) for _ in range(32)]


@pytest.mark.parametrize("seed", range(12))
def test_the_order_of_arrival_decides_nothing(seed: int) -> None:
    answers = some_answers(seed)
    ordered = Run(answers.__getitem__, wave=32, policy="until_verified")
    tasks = ordered.bench.draw()
    for task in tasks:
        ordered.bench.finish([task], batch=str(task.key))
    ordered.check(0)
    shuffled = Run(answers.__getitem__, wave=32)
    tasks = shuffled.bench.draw()
    random.Random(seed).shuffle(tasks)
    for task in tasks:
        shuffled.bench.finish([task], batch=str(task.key))
        shuffled.check(task.key[1] % 2)
    first, second = state_of(ordered), state_of(shuffled)
    assert (first.settled, first.settled_at_index) == (second.settled, second.settled_at_index)
    assert first.settled in (AGREED, EXHAUSTED)
    placed = [
        (row.sample_index, Placed.from_json(json.loads(row.agreement), row.answer or ""))
        for row in shuffled.rows.values()
        if row.agreement
    ]
    length = replayed(placed).first_agreement(AgreementRule.from_json(RULE), 32)
    assert length == (second.settled_at_index + 1 if second.settled == AGREED else -1), "as the rows say in their order"


@pytest.mark.parametrize("seed", range(6))
def test_a_resume_from_any_rows_ends_as_the_run_did(seed: int) -> None:
    answers = some_answers(seed)
    whole = Run(answers.__getitem__, wave=4).play()
    rng = random.Random(seed)
    for _ in range(8):
        kept = sorted(rng.sample(sorted(whole.rows), rng.randint(1, len(whole.rows))))
        again = Run(answers.__getitem__, wave=4, durable={"p0": [whole.rows[index] for index in kept]})
        again.rows = {index: whole.rows[index] for index in kept}
        again.rule = whole.rule
        again.play()
        assert set(again.rows) == set(whole.rows)
        assert again.bench.ledger.totals.problems_settled == 1


def test_a_resume_of_an_agreed_problem_draws_nothing() -> None:
    whole = Run(lambda index: "a" * (1 + index)).play()
    again = Run(lambda index: "b", durable={"p0": list(whole.rows.values())})
    assert again.bench.draw() == []
    assert again.bench.ledger.is_done()
    assert again.bench.ledger.totals.problems_resumed == 1


def test_a_cascade_opens_its_next_stage_on_no_agreement() -> None:
    stages = [{"policy": "fixed", "num_samples": 4}, {"policy": "until_verified", "num_samples": 8, "wave": 8}]
    agreed = Run(lambda index: "a", stages=stages)
    assert agreed.step() and not agreed.step(pool=1)
    assert agreed.bench.ledger.is_done()
    split = Run(lambda index: "ab"[index % 2] if index < 4 else "c", stages=stages)
    assert split.step() and not split.bench.ledger.is_done()
    later = split.bench.draw(pool=1)
    assert [task.key[1] for task in later] == list(range(4, 12))
    split.bench.finish(later)
    split.check(0)
    split.write()
    assert split.bench.ledger.is_done()
    again = Run(lambda index: "d", stages=stages, durable={"p0": list(split.rows.values())})
    assert again.bench.ledger.is_done(), "the rows of both stages say where their answers belong"


def test_batches_checked_together_find_each_other_before_the_coordinator_hears_of_them() -> None:
    run = Run(lambda index: "a" * (1 + index), wave=8)
    tasks = run.bench.draw()
    for task in tasks:
        run.bench.finish([task], batch=str(task.key))
    items, _ = run.bench.ledger.next_checks(50, 1, 1000, 1e9, True)
    assert all(not known.representatives for item in items for known in item.known.values())
    placed = [
        run.placers[0].place(key, PROBLEM, run.answer(key[1]) or "", item.known[key])
        for item in items
        for key, _ in item.rows
    ]
    assert [one.equal for one in placed] == [(), *[(0,)] * 7]


def crowd_of_answers(rng: random.Random) -> list[str]:
    """Up to 60 wrong answers beside a right one, so that more clusters begin than a problem has room for."""
    share = rng.uniform(0.3, 0.7)
    return ["R" if rng.random() < share else chr(0x4E00 + rng.randrange(60)) for _ in range(40)]


def crowded(answers: list[str], rng: random.Random, steps: int = 99, **settings: Any) -> Run:
    """A run, killed after some steps, whose rows arrive in any order, up to 16 at once, each from another verifier."""
    run = Run(answers.__getitem__, **settings)
    run.placers = [Placer(ByFirstLetter()) for _ in answers]
    flying: list[Any] = []
    for _ in range(steps):
        for pool in range(len(settings.get("stages", [0]))):
            tasks = run.bench.draw(16 - len(flying), pool=pool) if len(flying) < 16 else []
            flying += tasks
            run.rule = tasks[0].stopping_rule if tasks else run.rule
        if not flying:
            break
        rng.shuffle(flying)
        arrived, flying = flying[: (count := rng.randint(1, len(flying)))], flying[count:]
        for task in arrived:
            if task.key in run.bench.ledger._samples:
                run.bench.finish([task], aborted=any(key == task.key for _, key in run.aborts), batch=str(task.key))
        run.check(None)
        run.write()
    return run


def agreed_by_rows(run: Run, stop: int, at_end: bool) -> bool:
    """Whether the rows of the first stage, up to `stop`, say that their answers agree, as problems.parquet reads it."""
    rule = AgreementRule.from_json({**RULE, **({"max_samples": stop} if at_end else {}), "at_end": at_end})
    rows = {index: row for index, row in run.rows.items() if index < stop}
    prefix = next(index for index in range(stop + 1) if index not in rows)
    found = [(i, Placed.from_json(json.loads(row.agreement), row.answer or "")) for i, row in rows.items()]
    return replayed(found).first_agreement(rule, prefix) > 0


CROWDED = {
    "one stage": {"wave": 16},
    "a cascade": {"stages": [{"policy": "fixed", "num_samples": 24}, {"policy": "until_verified", "num_samples": 12}]},
}


@pytest.mark.parametrize(
    ("name", "seed"),
    [("one stage", seed) for seed in (*range(8), 50, 63, 91, 122)] + [("a cascade", 40), ("a cascade", 1)],
)
def test_rows_decide_whatever_the_order_of_arrival_with_more_clusters_than_there_is_room_for(
    name: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[Any] = []
    count = Ledger._count_settled

    def note(ledger: Ledger, problem: Any) -> None:
        ended.append((problem.at.index, problem.state.settled, problem.state.settled_at_index))
        count(ledger, problem)

    monkeypatch.setattr(Ledger, "_count_settled", note)
    rng = random.Random(seed)
    answers, settings = crowd_of_answers(rng), CROWDED[name]
    run = crowded(answers, rng, **settings)
    for _ in range(3):
        assert run.bench.ledger.is_done()
        live = ended[-1]
        again = Run(answers.__getitem__, durable={"p0": list(run.rows.values())}, **settings)
        assert again.bench.ledger.is_done(), "a resume from the same rows draws more"
        assert ended[-1] == live, "a resume from the same rows ends elsewhere"
        first = len(answers) if live[0] == 0 and "stages" not in settings else 24
        assert agreed_by_rows(run, first, at_end="stages" in settings) == (live[:2] == (0, AGREED))
        # Killed at some point, with any of its last rows lost, and resumed from what is durable.
        killed = crowded(answers, rng, rng.randint(1, 4), **settings)
        kept = [row for row in killed.rows.values() if rng.random() < 0.8]
        run = crowded(answers, rng, durable={"p0": kept}, **settings)
        run.rows = {row.sample_index: row for row in kept} | run.rows
