"""Runs over made-up problems with the stand-ins."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

RESTART_S = 0.05
"""Back-off in the place of a second: workers of these tests die often, and nothing that is tested waits for it."""


def with_engine(pool: Any, engine_class: Any, **changes: Any) -> Any:
    """A pool whose replicas run another engine."""
    generator = dataclasses.replace(pool.generator, engine_class=engine_class)
    return dataclasses.replace(pool, generator=generator, **changes)


def cascade(settings: Any, *stages: tuple[str, dict[str, Any], dict[str, Any]], **changes: Any) -> Any:
    """Settings with a pool per (name, changes of the pool, changes of the sampling), through which every problem goes
    in this order. An engine knows its pool by its path."""
    from workers.coordinator.pools import RouteSettings, StageSettings

    base, sampling = settings.pools[0], settings.routes[0].stages[0].sampling
    pools = []
    for name, of_pool, _ in stages:
        engine = base.generator.engine.model_copy(update={"path": name})
        generator = dataclasses.replace(base.generator, engine=engine, pool=name)
        pools.append(dataclasses.replace(base, name=name, generator=generator, **of_pool))
    of_stages = tuple(StageSettings(name, {**sampling, **own}) for name, _, own in stages)
    return dataclasses.replace(settings, pools=tuple(pools), routes=(RouteSettings("ladder", of_stages),), **changes)


class QuietDisplay:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.statuses: list[Any] = []
        self.on_update: Any = None

    def update(self, status: Any) -> None:
        self.statuses.append(status)
        if self.on_update is not None:
            self.on_update(status)

    def say(self, text: str) -> None:
        self.said.append(text)

    def close(self) -> None:
        pass


class Batch:
    """A run over made-up problems with the stand-ins; `run` may be called again to resume."""

    def __init__(self, folder: Path, tasks: list[dict[str, Any]], uri: str = "", **overrides: Any) -> None:
        from jobs.config import check_config
        from runstore.layout import run_uri

        path = folder / "problems.jsonl"
        path.write_text(
            "".join(
                json.dumps(
                    {
                        "id": f"p{i:04d}",
                        "kind": task.pop("kind", "math"),
                        "prompt": json.dumps(task),
                        "reference": {} if task.get("keyless") else {"answer": task["answer"]},
                        "domain": task.get("domain", "d"),
                    }
                )
                + "\n"
                for i, task in enumerate(tasks)
            )
        )
        table: dict[str, Any] = {
            "run": {"id": "t"},
            "problems": {"files": [str(path)]},
            "model": {"path": "stand-in", "max_num_seqs": 32},
            "output": {"uri": uri or str(folder / "out"), "flush_s": 0.3, "lease_s": 3.0},
            "sampling": {"num_samples": 8, "max_tokens": 100},
            "verify": {"workers_per_actor": 2},
            "resources": {"cpus_per_replica": 0.1, "cpus_per_verifier": 0.1},
        }
        for key, value in overrides.items():
            table.setdefault(key, {}).update(value)
        self.config = check_config(table, "test")
        self.uri = run_uri(self.config.output.uri, self.config.run.id)
        self.num_problems = len(tasks)
        self.display = QuietDisplay()

    def settings(self, of_pool: dict[str, Any] | None = None, **changes: Any) -> Any:
        """`of_pool` changes every pool, `changes` the whole."""
        import stand_ins

        from jobs.solve.settings import coordinator_settings

        settings = coordinator_settings(self.config, ("math",), self.uri, use_gpu=False)
        return dataclasses.replace(
            settings,
            pools=tuple(with_engine(pool, stand_ins.StandInEngine, **of_pool or {}) for pool in settings.pools),
            verifier=dataclasses.replace(settings.verifier, checkers_class=stand_ins.StandInCheckers),
            **{"restart_s": RESTART_S, **changes},
        )

    def run(self, **changes: Any) -> Any:
        return self.drive(self.settings(**changes))

    def drive(self, settings: Any) -> Any:
        from jobs.solve.driver import drive

        return drive(self.config, settings, self.display)

    def rows(self) -> list[dict[str, Any]]:
        from runstore.parts import read_parts
        from runstore.schema import SAMPLE_SCHEMA
        from runstore.storage import open_storage

        tables = read_parts(open_storage(self.uri), SAMPLE_SCHEMA.names)
        return [row for table in tables for row in table.to_pylist()]
