"""Generator, verifier and writer in this process, without Ray: what their answers hold, and in which form."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from batches import Batch
from ledger_bench import Bench
from stand_ins import StandInCheckers, StandInEngine

from runstore.batches import pack, pack_verdicts, unpack, unpack_batch
from runstore.lease import claim_run
from runstore.parts import FencedError, read_part
from runstore.storage import open_storage
from verifiers.types import Kind, Limits, Problem, Status, Verdict
from workers.actors.generator import ROW_BYTES, Generator, GeneratorSettings, Variant
from workers.actors.verifier import Verifier, VerifierSettings
from workers.actors.writer import Writer
from workers.coordinator.actor import Coordinator
from workers.coordinator.dispatcher import CHECK_AHEAD_BYTES, CHECK_AHEAD_ROWS, Dispatcher
from workers.coordinator.generators import GeneratorPool
from workers.coordinator.monitor import RunMonitor
from workers.coordinator.slots import GeneratorSlot, VerifierSlot, WriterSlot
from workers.coordinator.verifiers import HANG_S, VerifierPool
from workers.coordinator.writers import WriterPool
from workers.engines.base import Engine, EngineSettings, SamplingParameters
from workers.logs import NO_FILES
from workers.messages import INLINE_BYTES, CheckItem, GeneratorReport, Orders, Parent, PartRows, SampleTask
from workers.prompting.messages import PromptStyle
from workers.run_secrets import NO_SECRETS
from workers.sampling.budget import Budget
from workers.scheduling.check_queue import CheckQueue
from workers.scheduling.sample_state import Stage


class Stored:
    """Stands for a reference: awaiting it gives the object."""

    def __init__(self, value: bytes) -> None:
        self.value = value

    def __await__(self) -> Any:
        async def value() -> bytes:
            return self.value

        return value().__await__()


def problems(count: int, **task: Any) -> list[Problem]:
    prompts = [json.dumps({"answer": str(i), "p": 1.0, "token_s": 0.0005, **task}) for i in range(count)]
    return [Problem(f"p{i}", Kind.MATH, prompt, {"answer": str(i)}, "d") for i, prompt in enumerate(prompts)]


def tasks(count: int) -> list[SampleTask]:
    return [SampleTask((i, 0), f"p{i}", 0, i, 1, i, "{}") for i in range(count)]


async def generator(engine_class: type[Engine] = StandInEngine, **more: Any) -> Generator:
    engine = EngineSettings(path="stand-in", max_num_seqs=32)
    settings = GeneratorSettings(
        "run", 1, "code", engine, SamplingParameters(), PromptStyle(), engine_class=engine_class, **more
    )
    made = Generator(settings, 0, 0)
    await made.start()
    return made


async def draw(made: Generator, *orders: Orders) -> tuple[GeneratorReport, bytes | None]:
    for earlier in orders[:-1]:
        await made.add(earlier)
    report, batch = await made.results(orders[-1], 0.2)
    return unpack(report), batch


def test_a_small_batch_lies_in_the_report_and_a_large_one_beside_it() -> None:
    async def drawn(**task: Any) -> tuple[GeneratorReport, bytes | None]:
        chunk = Stored(pack(problems(4, **task)))
        return await draw(await generator(), Orders(pack(tasks(4)), {0: [chunk]}, [], {}))

    report, batch = asyncio.run(drawn())
    assert len(report.finished) == 4 and batch is None and len(report.batch) <= INLINE_BYTES
    report, batch = asyncio.run(drawn(pad="x" * INLINE_BYTES))
    assert len(report.finished) == 4 and report.batch == b"" and batch is not None
    rows = unpack_batch(batch)
    keys = [(f"p{row.key[0]}", row.key[1]) for row in report.finished]
    assert list(zip(rows.columns["problem_id"], rows.columns["sample_index"], strict=True)) == keys


def test_tasks_that_overtake_their_problems_wait_for_them() -> None:
    async def drawn() -> tuple[GeneratorReport, bytes | None]:
        made = await generator()
        await made.add(Orders(pack(tasks(2)), {}, [], {}))
        await asyncio.sleep(0.02)
        assert not made._done
        return await draw(made, Orders(pack([]), {0: [Stored(pack(problems(2)))]}, [], {}))

    report, _ = asyncio.run(drawn())
    assert sorted(row.key for row in report.finished) == [(0, 0), (1, 0)]


def test_each_variant_of_a_problem_is_asked_in_its_own_words() -> None:
    """The prompts of one problem are made once per variant, and a sample of a later round keeps its variant."""
    made_of = {"a": PromptStyle(), "b": PromptStyle(suffix="Be brief.")}
    variants = tuple(
        Variant(name, style, SamplingParameters(temperature=place), {"code": SamplingParameters(temperature=2.0)})
        for place, (name, style) in enumerate(made_of.items())
    )

    async def drawn() -> Any:
        made = await generator(variants=variants, deal=(0, 1, 1))
        asked = [SampleTask((0, index), "p0", 0, 0, 1, index, "{}", round=index // 3) for index in range(6)]
        report, _ = await draw(made, Orders(pack(asked), {0: [Stored(pack(problems(1)))]}, [], {}))
        return unpack_batch(report.batch)

    rows = asyncio.run(drawn())
    columns = rows.columns
    names = dict(zip(columns["sample_index"], columns["variant"], strict=True))
    assert names == {0: "a", 1: "b", 2: "b", 3: "a", 4: "b", 5: "b"}
    for name, messages, sampling in zip(columns["variant"], columns["messages"], columns["sampling"], strict=True):
        assert ("Be brief." in messages) is (name == "b")
        assert json.loads(sampling)["temperature"] == (1.0 if name == "b" else 0.0)
    assert "sampling" not in rows.shared and len({id(text) for text in columns["messages"]}) == 2


def test_the_size_of_a_row_is_that_of_its_bytes() -> None:
    """Bounds on what waits and on a part are in bytes, and a text in Greek or Chinese has more bytes than letters."""
    prompt = json.dumps({"answer": "αλφα" * 100, "p": 1.0, "token_s": 0.0005})
    problem = Problem("p0", Kind.MATH, prompt, {"answer": "1"}, "δ")

    async def drawn() -> tuple[GeneratorReport, bytes | None]:
        return await draw(await generator(), Orders(pack(tasks(1)), {0: [Stored(pack([problem]))]}, [], {}))

    report, _ = asyncio.run(drawn())
    columns = unpack_batch(report.batch).columns
    texts = columns["text"][0] + columns["messages"][0]
    assert len(texts.encode()) > len(texts) + 300
    assert report.finished[0].num_bytes == len(texts.encode()) + ROW_BYTES


def test_what_is_loaded_is_frozen_before_the_engine_is_ready_and_what_it_adds_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []

    class Noted(StandInEngine):
        async def start(self) -> None:
            seen.append("engine")
            await super().start()

    monkeypatch.setattr("workers.actors.generator.calm_collector", lambda: seen.append("frozen"))
    asyncio.run(generator(Noted))
    assert seen == ["frozen", "engine", "frozen"]


class Slow(StandInCheckers):
    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        time.sleep(0.003)
        return super().verify(problem, text, limits, finish_reason)


def test_every_row_is_answered_once_while_verdicts_come_in() -> None:
    async def checked() -> list[Any]:
        made = await generator()
        report, _ = await draw(made, Orders(pack(tasks(2)), {0: [Stored(pack(problems(2)))]}, [], {}))
        verifier = Verifier(VerifierSettings(num_threads=4, checkers_class=Slow))
        rows = [((0, i), i % 2) for i in range(100)]
        batch = report.batch
        answers: list[Any] = []
        items = [CheckItem(batch, rows[:50], {}), CheckItem(Stored(batch), rows[50:], {})]
        silent = 0
        while len(answers) < 100 and silent < 2:
            data, num_rows = await verifier.results(items)
            items = []
            silent = 0 if num_rows else silent + 1
            answers += unpack(data).checked if num_rows else []
        await verifier.stop()
        return answers

    answers = asyncio.run(checked())
    assert sorted(answer.key for answer in answers) == [(0, i) for i in range(100)]
    assert {answer.status for answer in answers} == {Status.VERIFIED}


def test_a_part_joins_batches_and_verdicts_row_by_row(tmp_path: Path) -> None:
    async def written() -> str:
        made = await generator()
        report, _ = await draw(made, Orders(pack(tasks(4)), {0: [Stored(pack(problems(4)))]}, [], {}))
        verdicts = pack_verdicts(
            [Verdict(Status.REFUTED, f"r{i}", {"tier": "t"}, "c", "1", 0.5, Limits()) for i in range(4)]
        )
        writer = Writer(str(tmp_path), "e0001-w00")
        await writer.take_over(0)
        order = [3, 0, 2]
        reply = await writer.write(
            [
                PartRows(report.batch, order, [(verdicts, 3), (verdicts, 0), None]),
                PartRows(Stored(report.batch), [1], [(verdicts, 1)]),
            ]
        )
        return reply.key

    table = read_part(open_storage(str(tmp_path)), asyncio.run(written())).to_pylist()
    assert len(table) == 4 and len({row["problem_id"] for row in table}) == 4
    assert [row["reason"] for row in table] == ["r3", "r0", None, "r1"]
    assert [row["status"] for row in table] == ["refuted", "refuted", None, "refuted"]
    assert {row["run_id"] for row in table} == {"run"} and table[0]["tier"] == "t"
    assert abs(table[0]["finished_at"].timestamp() - time.time()) < 60
    assert json.loads(table[0]["messages"])[0]["content"] == table[0]["prompt"]


class Told:
    """Stands for a generator's actor: keeps what it was told in messages of their own."""

    def __init__(self) -> None:
        self.orders: list[Orders] = []
        self.add = self
        self.told: list[str] = []
        self.abort = SimpleNamespace(remote=lambda keys, since: self.told.append(f"abort {keys}"))

    def remote(self, orders: Orders) -> None:
        self.orders.append(orders)
        self.told.append("add")


def test_a_generator_that_has_enough_to_do_is_told_with_its_next_report() -> None:
    slot = GeneratorSlot(0)
    slot.actor, slot.ready, slot.polled = Told(), True, True
    slot.worker, slot.capacity, slot.credit = 1, 4, 4
    state: Any = SimpleNamespace(ledger=Bench(4).ledger, generators=[slot], stopping=False, chunks={0: ["reference"]})
    dispatcher = Dispatcher(state, WriterPool(state))
    dispatcher.assign_to(slot)
    assert [len(unpack(orders.tasks)) for orders in slot.actor.orders] == [4], "it would have run dry"
    assert slot.actor.orders[0].chunks == {0: ["reference"]}
    slot.credit = 2
    dispatcher.assign_to(slot)
    assert len(slot.actor.orders) == 1
    waiting = dispatcher.orders(slot)
    assert waiting is not None and len(unpack(waiting.tasks)) == 2
    assert waiting.chunks == {}, "it has the reference already"
    assert dispatcher.orders(slot) is None
    assert (slot.num_assigned, slot.running, slot.credit) == (6, 6, 0)


def test_an_abort_does_not_overtake_its_lease_and_holds_for_one_replica() -> None:
    slot = GeneratorSlot(0)
    slot.actor, slot.ready, slot.worker, slot.capacity, slot.credit = Told(), True, 1, 4, 4
    ledger = Bench(4).ledger
    state: Any = SimpleNamespace(ledger=ledger, generators=[slot], stopping=False, chunks={0: ["reference"]})
    dispatcher = Dispatcher(state, WriterPool(state))
    pool = GeneratorPool(state, dispatcher)
    dispatcher.assign_to(slot)
    assert slot.actor.told == [] and len(slot.tasks) == 4, "to be told with the next call"
    key = slot.tasks[0].key
    pool.abort([(1, key)])
    pool.abort([(1, key)])
    assert slot.actor.told == ["add", f"abort {[key]}"]
    pool.give_back(slot)
    slot.worker = 2
    pool.abort([(2, key)])
    assert slot.actor.told == ["add", f"abort {[key]}", f"abort {[key]}"]


@pytest.mark.parametrize(
    ("row_bytes", "rows"), [(700.0, CHECK_AHEAD_ROWS), (160e3, int(CHECK_AHEAD_BYTES / 160e3)), (1e9, 4)]
)
def test_a_verifier_holds_many_short_rows_or_few_long_ones(row_bytes: float, rows: int) -> None:
    asked: list[int] = []

    def next_checks(_: int, at_least: int, at_most: int, *__: Any, **___: Any) -> tuple[list[CheckItem], float]:
        asked.append(at_most)
        return [], 0.0

    slot = VerifierSlot(0)
    slot.ready, slot.capacity = True, 4
    ledger = SimpleNamespace(checks=CheckQueue(), next_checks=next_checks)
    ledger.checks.row_bytes = row_bytes
    settings = SimpleNamespace(verifier=VerifierSettings(num_threads=2))
    state: Any = SimpleNamespace(ledger=ledger, verifiers=[slot], settings=settings)
    Dispatcher(state, WriterPool(state)).hand_out_checks()
    assert asked == [rows]


def item(*indices: int) -> CheckItem:
    return CheckItem(b"", [((0, index), index) for index in indices], {})


def test_rows_that_wait_at_a_verifier_do_not_hang() -> None:
    slot = VerifierSlot(0)
    slot.capacity = 4
    slot.assign([item(0, 1, 2), item(3)], 4.0, now=10.0)
    assert slot.overdue(11.0) == [(0, 0), (0, 1)], "two threads"
    slot.complete([(0, 1)], now=20.0)
    assert (slot.outstanding, slot.outstanding_s) == (3, 3.0)
    assert slot.overdue(11.0) == [(0, 0)] and slot.overdue(21.0) == [(0, 0), (0, 2)]


def test_a_verifier_that_hangs_gets_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.coordinator.verifiers.ray", SimpleNamespace(kill=lambda actor: None))
    bench = Bench(1)
    bench.finish(bench.draw())
    slot = VerifierSlot(0)
    slot.worker, slot.capacity, slot.check_s, slot.ready = 50, 2, 300.0, True
    items, seconds = bench.ledger.next_checks(50, 1, 2, 0.0, idle=True)
    slot.assign(items, seconds, now=0.0)
    state: Any = SimpleNamespace(ledger=bench.ledger, verifiers=[slot], generators=[])
    pool = VerifierPool(
        state, Dispatcher(state, WriterPool(state)), GeneratorPool(state, Dispatcher(state, WriterPool(state)))
    )
    pool.kill_hung(HANG_S + 600.0)
    assert slot.ready, "a check of five minutes is within its limit"
    pool.kill_hung(HANG_S + 601.0)
    assert not slot.ready and bench.ledger.num(Stage.FINISHED) == 4


def test_a_verifier_tells_its_longest_limit() -> None:
    verifier = Verifier(VerifierSettings(1, {"math": {"wall_s": 7.0}}))
    try:
        assert asyncio.run(verifier.start(["math", "choice"])) == 7.0
    finally:
        asyncio.run(verifier.stop())


class Gone:
    """Stands for a reference whose node is lost."""

    def __await__(self) -> Any:
        raise RuntimeError("lost")
        yield


def test_a_repair_reads_its_parent_from_its_part_if_the_batch_is_lost(tmp_path: Path) -> None:
    async def drawn() -> GeneratorReport:
        made = await generator()
        report, _ = await draw(made, Orders(pack(tasks(1)), {0: [Stored(pack(problems(1)))]}, [], {}))
        writer = Writer(str(tmp_path), "e0001-w00")
        await writer.take_over(0)
        verdict = Verdict(Status.REFUTED, "no", {}, "test", "1", 0.1, Limits())
        reply = await writer.write([PartRows(report.batch, [0], [(pack_verdicts([verdict]), 0)])])
        made.settings = dataclasses.replace(made.settings, storage_uri=str(tmp_path))
        repair = SampleTask((0, 4), "p0", 0, 0, 1, 1, "{}", round=1, parent_index=0)
        report, _ = await draw(made, Orders(pack([repair]), {}, [], {(0, 4): Parent(Gone(), 0, reply.key, "no")}))
        return report

    assert asyncio.run(drawn()).finished[0].error == ""


def test_a_budget_that_is_just_enough_ends_no_run() -> None:
    async def watched(num_tasks: int, spent: int) -> str:
        bench = Bench(1, budget=Budget(tokens=45))
        bench.finish(bench.draw(num_tasks))  # 7 of at most 10 tokens each
        state: Any = SimpleNamespace(
            **{"ledger": bench.ledger, "budget": bench.ledger.budget, "generators": [], "verifiers": [], "slots": []},
            settings=SimpleNamespace(pools=[], cores=0, stall_s=300.0, ledger=bench.ledger.settings),
            **{"stop_reason": "", "started": 0.0, "dispatch_needed": asyncio.Event()},
        )
        state.budget.charge(tokens=spent)
        pool: Any = SimpleNamespace(abort=len)
        task = asyncio.create_task(RunMonitor(state, pool, pool).watch())
        await asyncio.wait_for(state.dispatch_needed.wait(), 5)
        task.cancel()
        return str(state.stop_reason)

    assert asyncio.run(watched(4, spent=10)) == "", "all samples are drawn; what is left is to check them"
    assert "no room for one more" in asyncio.run(watched(3, spent=20))


def test_a_stop_does_not_wait_for_rows_that_are_held_back(tmp_path: Path) -> None:
    bench = Bench(1, policy="until_verified", num_samples=4, wave=4)
    drawn_tasks = bench.draw()
    bench.finish(drawn_tasks[1:2])
    bench.check(bench.take_checks(), "verified")
    bench.finish(drawn_tasks[2:], aborted=True)
    bench.write()
    assert bench.ledger.num(Stage.CHECKED) == 2
    coordinator = Coordinator(Batch(tmp_path, []).settings())
    coordinator._state.opened_ledger = bench.ledger
    started = time.monotonic()
    asyncio.run(coordinator.stop("asked", 300.0))
    assert time.monotonic() - started < 150, "it waited"


def test_a_writer_that_died_before_it_was_told_takes_no_rows() -> None:
    bench = Bench(1)
    bench.finish(bench.draw())
    bench.check(bench.take_checks())
    state: Any = SimpleNamespace(settings=SimpleNamespace(part_rows=10, part_mb=1), ledger=bench.ledger)
    asyncio.run(WriterPool(state).write(WriterSlot(0)))
    assert bench.ledger.num_ready()[0] == 4


def test_a_writer_started_after_the_run_was_taken_over_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = open_storage(str(tmp_path))
    ours = claim_run(storage, 1, 0.1)
    (tmp_path / "lease.json").unlink()  # as if we had been silent for long
    claim_run(storage, 1, 0.1)

    async def nowhere() -> None:
        return None

    class Local(Writer):
        @classmethod
        def options(cls, **_: Any) -> Any:
            return SimpleNamespace(
                remote=lambda *arguments: SimpleNamespace(
                    presence=SimpleNamespace(remote=nowhere),
                    take_over=SimpleNamespace(remote=Writer(*arguments).take_over),
                )
            )

    monkeypatch.setattr("workers.coordinator.writers.ray", SimpleNamespace(remote=lambda _: Local))
    state: Any = SimpleNamespace(
        storage=storage, claim=ours, settings=SimpleNamespace(log=NO_FILES, secrets=NO_SECRETS, start_s=60.0)
    )
    slot = WriterSlot(0)
    with pytest.raises(FencedError):
        asyncio.run(WriterPool(state).serve(slot))
    assert not slot.ready


def test_metrics_that_fail_end_no_run(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        updates = 0

        def update(self, state: Any, now: float) -> None:
            self.updates += 1
            raise RuntimeError("told to fail")

    state: Any = SimpleNamespace()
    pool: Any = SimpleNamespace()
    monitor, broken = RunMonitor(state, pool, pool), Broken()
    monitor.metrics = broken  # type: ignore[assignment]
    monitor._update_metrics(1.0)
    monitor._update_metrics(6.0)
    assert broken.updates == 1 and "no metrics from here on: RuntimeError: told to fail" in caplog.text
