"""Load generation without a model: a stand-in engine, trivial checkers, and runs of the real coordinator over them.

Two things are stand-ins: the engine inside each generator, and the checker inside each verifier. The engine ends
samples by a timer, twenty times per second, all of a tick together, and has 128 running for half a second each: 256
samples per second. Its start waits for all replicas of the run, so that starting processes is not measured. The rest
is real: driver, coordinator, one generator actor per replica, verifier and writer actors, storage.

Only for measuring what the pipeline itself costs; nothing here takes part in a product run.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import math
import random
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from jobs.config import check_config
from jobs.solve.driver import drive
from jobs.solve.settings import coordinator_settings
from runstore.layout import run_uri
from verifiers.types import Limits, Problem, Status, Verdict
from workers.coordinator.pools import PoolSettings, RouteSettings, StageSettings
from workers.coordinator.state import CoordinatorSettings
from workers.engines.base import Ability, Engine, Generation, GenerationRequest

SECONDS = 0.5
"""Time of one made-up sample."""
TICK_S = 0.05
CONCURRENCY = 128
MEAN_SHARE, SIGMA = 0.25, 0.9
"""Mean length of a long text before the cut, as a share of the longest, and the spread of its logarithm."""
CPU_S = 1.0
"""How often processor times are read."""


class StandInEngine(Engine):
    """Ends every sample after SECONDS with a text of 200 characters, or with `text_chars` of log-normal length."""

    name = "stand-in"
    abilities = frozenset(Ability)

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.version, self.revision, self.max_model_len = "1", "1", 4096
        self._barrier = Path(settings.engine_args["barrier"])
        self._replicas = int(settings.engine_args["replicas"])
        self._ticks: dict[int, list[asyncio.Future[None]]] = {}
        self._longest = int(settings.engine_args.get("text_chars", 0))
        self._words = made_up_words(2 * self._longest)

    async def start(self) -> None:
        (self._barrier / uuid.uuid4().hex).touch()
        while len(list(self._barrier.iterdir())) < self._replicas:
            await asyncio.sleep(0.5)

    async def generate(self, request: GenerationRequest) -> Generation:
        loop = asyncio.get_running_loop()
        tick = int((loop.time() + SECONDS) / TICK_S) + 1
        if tick not in self._ticks:
            self._ticks[tick] = []
            loop.call_at(tick * TICK_S, self._end, tick)
        ended: asyncio.Future[None] = loop.create_future()
        self._ticks[tick].append(ended)
        await ended
        text = f"{request.seed % 10} " + (self._cut(request.seed) if self._longest else "x" * 198)
        return Generation(text, "stop", 20, 50, -1.0, generation_s=SECONDS)

    def _cut(self, seed: int) -> str:
        dice = random.Random(seed)
        length = dice.lognormvariate(math.log(self._longest * MEAN_SHARE) - SIGMA**2 / 2, SIGMA)
        start = dice.randrange(self._longest)
        return self._words[start : start + min(self._longest, max(200, int(length)))]

    def _end(self, tick: int) -> None:
        for ended in self._ticks.pop(tick):
            if not ended.done():
                ended.set_result(None)

    async def abort(self, request_ids: Any) -> None:
        pass

    def stop(self) -> None:
        pass


def made_up_words(length: int) -> str:
    """Text of this length that compresses about as well as prose: words of a made-up vocabulary."""
    dice = random.Random(length)
    letters = "etaoinshrdlu"
    vocabulary = ["".join(dice.choices(letters, k=dice.randint(2, 9))) for _ in range(5000)]
    return " ".join(dice.choices(vocabulary, k=length // 5 + 1))[:length]


class TrivialCheckers:
    """Verifies every text that starts with an even digit."""

    def __init__(self, num_workers: int, settings: Any) -> None:
        pass

    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        status = Status.VERIFIED if int(text[0]) % 2 == 0 else Status.REFUTED
        return Verdict(status, "parity", {}, "trivial", "1", 1e-5, Limits())

    def close(self) -> None:
        pass


class Coin:
    """Verifies a text with the pass rate of its problem, which is drawn from a wide Beta by the problem's id."""

    def __init__(self, num_workers: int, settings: Any) -> None:
        pass

    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        rate = random.Random(problem.id).betavariate(0.6, 0.8)
        status = Status.VERIFIED if random.Random(text).random() < rate else Status.REFUTED
        return Verdict(status, "a coin", {}, "coin", "1", 1e-5, Limits())

    def close(self) -> None:
        pass


class Silent:
    """Shows nothing; keeps memory, and processor seconds by kind of process."""

    def __init__(self) -> None:
        self.driver_mb = 0.0
        self.coordinator_mb = 0.0
        self.most_open = 0
        self.memory_mb: dict[str, float] = {}
        """Most memory that all processes of a kind together have of their own: no libraries, no object store."""
        self._first: tuple[int, dict[str, float]] | None = None
        self._last: tuple[int, dict[str, float]] | None = None
        self._read_at = 0.0

    def update(self, status: Any) -> None:
        import ray

        from jobs.solve.driver import current_coordinator

        self.driver_mb = max(self.driver_mb, psutil.Process().memory_info().rss / 2**20)
        self.coordinator_mb = max(self.coordinator_mb, ray.get(current_coordinator().memory_mb.remote()))
        self.most_open = max(self.most_open, status.get("problems_opened", 0) - status.get("problems_closed", 0))
        if status.get("samples") and status["replicas"] and time.monotonic() - self._read_at > CPU_S:
            self._read_at = time.monotonic()
            spent, memory_mb = usage()
            for kind, megabytes in memory_mb.items():
                self.memory_mb[kind] = round(max(megabytes, self.memory_mb.get(kind, 0.0)), 1)
            self._last = (status["samples"], spent)
            self._first = self._first or self._last

    def cpu_us_per_sample(self) -> dict[str, float]:
        """Processor microseconds per sample by kind of process, between the first and the last reading."""
        if self._first is None or self._last is None or self._first is self._last:
            return {}
        num = self._last[0] - self._first[0]
        spent = {kind: seconds - self._first[1].get(kind, 0.0) for kind, seconds in self._last[1].items()}
        return {kind: round(seconds / max(1, num) * 1e6, 1) for kind, seconds in sorted(spent.items())}

    def say(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


def usage() -> tuple[dict[str, float], dict[str, float]]:
    """Processor seconds used so far and MiB of memory of their own, by kind, of this process and all below it."""
    spent: dict[str, float] = {}
    memory_mb: dict[str, float] = {}
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            title = (process.cmdline() or [""])[0]
            kind = title.removeprefix("ray::").partition(".")[0] if title.startswith("ray::") else process.name()
            times = process.cpu_times()
            kind = "driver" if process == me else kind
            spent[kind] = spent.get(kind, 0.0) + times.user + times.system
            memory = process.memory_info()
            memory_mb[kind] = memory_mb.get(kind, 0.0) + (memory.rss - memory.shared) / 2**20
    return spent, memory_mb


def stored_text_bytes(folder: Path) -> int:
    """Bytes of the texts in a run's parts, before compression."""
    total = 0
    for part in folder.rglob("samples/*.parquet"):
        about = pq.ParquetFile(part).metadata
        place = about.schema.names.index("text")
        total += sum(
            about.row_group(group).column(place).total_uncompressed_size for group in range(about.num_row_groups)
        )
    return total


def write_problems(path: Path, count: int) -> None:
    with path.open("w") as file:
        for i in range(count):
            row = {"id": f"p{i:07d}", "kind": "math", "prompt": f"Problem {i}: " + "y" * 200, "domain": f"d{i % 8}"}
            file.write(json.dumps({**row, "reference": {"answer": "1"}}) + "\n")


def with_engine(pool: PoolSettings, engine_class: type[Engine]) -> PoolSettings:
    """A pool whose replicas run another engine."""
    return dataclasses.replace(pool, generator=dataclasses.replace(pool.generator, engine_class=engine_class))


def in_pools(settings: CoordinatorSettings, count: int) -> CoordinatorSettings:
    """Shares replicas and samples among so many pools. Every problem goes through a stage in each, as an audit has it.
    The other routes are taken by no problem: they have all pools start with the run."""
    if count == 1:
        return settings
    whole, sampling = settings.pools[0], settings.routes[0].stages[0].sampling
    each = whole.replicas // count
    pools = tuple(
        dataclasses.replace(
            whole, name=name, replicas=each, generator=dataclasses.replace(whole.generator, pool=name), min_replicas=1
        )
        for name in (f"pool{number}" for number in range(count))
    )
    stages = tuple(
        StageSettings(pool.name, {**sampling, "num_samples": int(sampling["num_samples"]) // count}) for pool in pools
    )
    unused = tuple(RouteSettings(stage.pool, (stage,)) for stage in stages)
    return dataclasses.replace(settings, pools=pools, routes=(RouteSettings("all", stages), *unused), audit=1.0)


def run_stand_in(
    num_problems: int,
    num_samples: int,
    replicas: int,
    verifiers: int = 1,
    text_chars: int = 0,
    pools: int = 1,
    **changes: Any,
) -> dict[str, Any]:
    """One run of the real coordinator, verifiers and writers over the stand-in engine; Ray is connected. `text_chars`:
    the longest text, in characters; 0 = 200 each."""
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with tempfile.TemporaryDirectory(prefix="proofmill-bench-") as folder:
        write_problems(Path(folder) / "problems.jsonl", num_problems)
        barrier = Path(folder) / "barrier"
        barrier.mkdir()
        config = check_config(
            {
                "run": {"id": "bench"},
                "problems": {"files": [f"{folder}/problems.jsonl"]},
                "model": {
                    "path": "stand-in",
                    "max_num_seqs": CONCURRENCY,
                    "engine_args": {"barrier": str(barrier), "replicas": replicas, "text_chars": text_chars},
                },
                "output": {"uri": folder, "part_rows": 5000, "flush_s": 5.0},
                "sampling": {"num_samples": num_samples, "max_tokens": 64},
                "verify": {"actors": verifiers, "workers_per_actor": 1},
                "resources": {"replicas": replicas, "cpus_per_replica": 0.01, "cpus_per_verifier": 0.01},
            },
            "benchmark",
        )
        settings = coordinator_settings(config, ("math",), run_uri(config.output.uri, config.run.id), use_gpu=False)
        settings = dataclasses.replace(
            settings,
            pools=tuple(with_engine(pool, StandInEngine) for pool in settings.pools),
            verifier=dataclasses.replace(settings.verifier, checkers_class=TrivialCheckers),
            **changes,
        )
        settings = in_pools(settings, pools)
        screen = Silent()
        outcome = drive(config, settings, screen)
        if outcome.summary is None or not outcome.summary["complete"]:
            raise RuntimeError(outcome.error or "the run did not complete")
        summary = outcome.summary
        seconds = summary["wall_s"] - summary["ready_s"]
        return {
            "problems": num_problems,
            "samples": summary["samples"],
            "replicas": replicas,
            "pools": pools,
            "seconds": round(seconds, 2),
            "samples_per_s": round(summary["samples"] / seconds),
            "text_mb_per_s": round(stored_text_bytes(Path(folder)) / 1e6 / seconds, 1),
            "memory_mb": screen.memory_mb,
            "cpu_us_per_sample": screen.cpu_us_per_sample(),
            "driver_mb": round(screen.driver_mb, 1),
            "coordinator_mb": round(screen.coordinator_mb, 1),
            "most_open_problems": screen.most_open,
        }


def rows(results: Iterator[dict[str, Any]]) -> None:
    """Prints one JSON object per line as results come."""
    for result in results:
        print(json.dumps(result), flush=True)
