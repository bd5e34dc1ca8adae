"""Generator, verifier and writer in this process, without Ray: what their answers hold, and in which form."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from stand_ins import StandInCheckers, StandInEngine
from test_ledger import Bench

from verifiers.types import Kind, Limits, Problem, Status, Verdict
from workers.bundles import pack_verdicts, unpack_bundle
from workers.engine import EngineSettings
from workers.generator import Generator, GeneratorSettings
from workers.messages import INLINE_BYTES, CheckItem, GeneratorReport, Lease, Orders, PartRows, pack, unpack
from workers.parts import read_part
from workers.prompts import PromptStyle
from workers.pump import Pump, shares_of
from workers.records import SamplingParameters
from workers.run_state import GeneratorSeat
from workers.storage import open_storage
from workers.verifier import Verifier, VerifierSettings
from workers.writer import Writer
from workers.writing import WriterCrew


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


def leases(count: int) -> list[Lease]:
    return [Lease((i, 0), f"p{i}", 0, i, 1, i, "{}") for i in range(count)]


async def generator() -> Generator:
    engine = EngineSettings("stand-in", max_num_seqs=32)
    settings = GeneratorSettings(
        "run", 1, "code", engine, SamplingParameters(), PromptStyle(), engine_class=StandInEngine
    )
    made = Generator(settings, 0, 0)
    await made.start()
    return made


async def draw(made: Generator, *orders: Orders) -> tuple[GeneratorReport, bytes | None]:
    for earlier in orders[:-1]:
        await made.add(earlier)
    report, bundle = await made.results(orders[-1], 0.2)
    return unpack(report), bundle


def test_a_small_bundle_lies_in_the_report_and_a_large_one_beside_it() -> None:
    async def drawn(**task: Any) -> tuple[GeneratorReport, bytes | None]:
        chunk = Stored(pack(problems(4, **task)))
        return await draw(await generator(), Orders(pack(leases(4)), {0: [chunk]}, [], {}))

    report, bundle = asyncio.run(drawn())
    assert len(report.finished) == 4 and bundle is None and len(report.bundle) <= INLINE_BYTES
    report, bundle = asyncio.run(drawn(pad="x" * INLINE_BYTES))
    assert len(report.finished) == 4 and report.bundle == b"" and bundle is not None
    rows = unpack_bundle(bundle)
    keys = [(f"p{row.key[0]}", row.key[1]) for row in report.finished]
    assert list(zip(rows.columns["problem_id"], rows.columns["sample_index"], strict=True)) == keys


def test_leases_that_overtake_their_problems_wait_for_them() -> None:
    async def drawn() -> tuple[GeneratorReport, bytes | None]:
        made = await generator()
        await made.add(Orders(pack(leases(2)), {}, [], {}))
        await asyncio.sleep(0.02)
        assert not made._done
        return await draw(made, Orders(pack([]), {0: [Stored(pack(problems(2)))]}, [], {}))

    report, _ = asyncio.run(drawn())
    assert sorted(row.key for row in report.finished) == [(0, 0), (1, 0)]


class Slow(StandInCheckers):
    def verify(self, problem: Problem, text: str, limits: Limits | None = None) -> Verdict:
        time.sleep(0.003)
        return super().verify(problem, text, limits)


def test_every_row_is_answered_once_while_verdicts_come_in() -> None:
    async def checked() -> list[Any]:
        made = await generator()
        report, _ = await draw(made, Orders(pack(leases(2)), {0: [Stored(pack(problems(2)))]}, [], {}))
        verifier = Verifier(VerifierSettings(num_threads=4, checkers_class=Slow))
        rows = [((0, i), i % 2) for i in range(100)]
        bundle = report.bundle
        answers: list[Any] = []
        items = [CheckItem(bundle, rows[:50]), CheckItem(Stored(bundle), rows[50:])]
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


def test_a_part_joins_bundles_and_verdicts_row_by_row(tmp_path: Path) -> None:
    async def written() -> str:
        made = await generator()
        report, _ = await draw(made, Orders(pack(leases(4)), {0: [Stored(pack(problems(4)))]}, [], {}))
        verdicts = pack_verdicts(
            [Verdict(Status.REFUTED, f"r{i}", {"tier": "t"}, "c", "1", 0.5, Limits()) for i in range(4)]
        )
        writer = Writer(str(tmp_path), "e0001-w00")
        await writer.take_over(0)
        order = [3, 0, 2]
        reply = await writer.write(
            [
                PartRows(report.bundle, order, [(verdicts, 3), (verdicts, 0), None]),
                PartRows(Stored(report.bundle), [1], [(verdicts, 1)]),
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


def test_plenty_keeps_problems_together_and_scarcity_spreads_them() -> None:
    seats = [GeneratorSeat(i) for i in range(2)]
    for seat, credit, running in zip(seats, (4, 4), (0, 3), strict=True):
        seat.credit, seat.running = credit, running
    drawn = leases(8)
    assert shares_of(drawn, seats) == [drawn[:4], drawn[4:]]
    assert [len(share) for share in shares_of(drawn[:5], seats)] == [4, 1]


class Told:
    """Stands for a generator's actor: keeps what it was told in messages of their own."""

    def __init__(self) -> None:
        self.orders: list[Orders] = []
        self.add = self

    def remote(self, orders: Orders) -> None:
        self.orders.append(orders)


def test_a_generator_that_has_enough_to_do_is_told_with_its_next_report() -> None:
    seat = GeneratorSeat(0)
    seat.actor, seat.ready, seat.polled = Told(), True, True
    seat.worker, seat.capacity, seat.credit = 1, 4, 4
    state: Any = SimpleNamespace(ledger=Bench(4).ledger, generators=[seat], stopping=False, chunks={0: ["reference"]})
    pump = Pump(state, WriterCrew(state))
    pump.lease_to(seat)
    assert [len(unpack(orders.leases)) for orders in seat.actor.orders] == [4], "it would have run dry"
    assert seat.actor.orders[0].chunks == {0: ["reference"]}
    seat.credit = 2
    pump.lease_to(seat)
    assert len(seat.actor.orders) == 1
    waiting = pump.orders(seat)
    assert waiting is not None and len(unpack(waiting.leases)) == 2
    assert waiting.chunks == {}, "it has the reference already"
    assert pump.orders(seat) is None
    assert (seat.given, seat.running, seat.credit) == (6, 6, 0)
