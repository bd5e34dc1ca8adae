"""A config with pools, routes and a cascade, solved whole on a real local Ray: its problems go where it says, and a
pilot tells what they need. Engines and checkers are stand-ins."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from batches import QuietDisplay, with_engine

from jobs.config import check_config
from jobs.solve import command as solve_command
from jobs.solve.expectations import Range
from jobs.solve.pilot import PILOT_PROBLEMS, needed, pilot_config, read_pilot
from runstore.layout import run_uri
from runstore.reader import read_run_json
from runstore.storage import open_storage

pytestmark = pytest.mark.ray

MODEL = Path(__file__).resolve().parents[3] / "models" / "tiny_reasoner"
NUM_PROBLEMS = 30


@pytest.fixture
def config(ray_here: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    import stand_ins

    real = solve_command.coordinator_settings

    def with_stand_ins(*args: Any, **kwargs: Any) -> Any:
        settings = real(*args, **kwargs)
        return dataclasses.replace(
            settings,
            pools=tuple(with_engine(pool, stand_ins.StandInEngine) for pool in settings.pools),
            verifier=dataclasses.replace(settings.verifier, checkers_class=stand_ins.StandInCheckers),
        )

    monkeypatch.setattr(solve_command, "coordinator_settings", with_stand_ins)
    monkeypatch.setattr(solve_command, "connect", lambda *_: contextlib.nullcontext())
    monkeypatch.setattr(solve_command, "describe_prompts", lambda _: "")
    paths = {name: tmp_path / name for name in ("small", "large")}
    for path in paths.values():
        path.mkdir()
        (path / "config.json").write_bytes((MODEL / "config.json").read_bytes())
    lines = []
    for i in range(NUM_PROBLEMS):
        task = {"answer": str(i), "p": 0.0, "p_of": {str(paths["small"]): i % 2, str(paths["large"]): 1.0}, "tokens": 5}
        meta = {"level": i % 3}
        reference = {"answer": str(i)}
        problem = {"id": f"p{i}", "kind": "math", "prompt": json.dumps(task), "reference": reference, "meta": meta}
        lines.append(json.dumps(problem) + "\n")
    (tmp_path / "p.jsonl").write_text("".join(lines))
    return check_config(
        {
            "default_route": "ladder",
            "run": {"id": "r"},
            "problems": {"files": [str(tmp_path / "p.jsonl")]},
            "output": {"uri": str(tmp_path / "out"), "flush_s": 0.3, "lease_s": 3.0},
            "models": {
                "small": {"path": str(paths["small"]), "sampling": {"max_tokens": 50}},
                "large": {"path": str(paths["large"]), "cost": {"usd_per_cpu_hour": 2.0}},
            },
            "routes": [{"when": {"meta": {"level": 2}}, "use": "large"}],
            "cascades": {"ladder": {"stages": [{"model": "small", "samples": 3}, {"model": "large", "samples": 2}]}},
            "sampling": {"num_samples": 4, "max_tokens": 100},
            "resources": {"cpus_per_replica": 0.1, "cpus_per_verifier": 0.1, "device": "cpu"},
        },
        "test",
    )


def test_problems_go_where_the_config_says_and_a_pilot_tells_what_they_need(
    config: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert solve_command.solve(config, display=QuietDisplay()) == 0
    uri = run_uri(config.output.uri, config.run.id)
    rows = rows_of(uri)
    by_problem: dict[int, list[tuple[str, int]]] = {}
    for row in rows:
        by_problem.setdefault(int(row["problem_id"][1:]), []).append((row["pool"], row["stage"]))
    for i in range(NUM_PROBLEMS):
        small, large = [("small", 0)] * 3, [("large", 1)] * 2
        wanted = [("large", 0)] * 4 if i % 3 == 2 else small if i % 2 else small + large
        assert sorted(by_problem[i], key=lambda place: place[1]) == wanted, i
    record: Any = read_run_json(open_storage(uri))
    assert record["complete"] and set(record["plan"]["pools"]) == {"small", "large"}
    assert record["problems"]["by_route"] == {"ladder": 20, "large": 10}
    accounts = {(row["pool"], row["stage"]): row for row in record["summary"]["accounts"]}
    assert accounts["large", 1]["reached"] == accounts["large", 1]["solved"] == 10
    assert (accounts["small", 1]["reached"], accounts["small", 1]["solved"]) == (20, 10)
    assert accounts["large", 2]["solved"] == 10
    spent = record["summary"]["pools"]
    assert spent["small"]["usd"] == 0 < spent["large"]["usd"] and spent["small"]["cpu_s"] > 0
    assert accounts["large", 1]["usd"] + accounts["large", 2]["usd"] == pytest.approx(spent["large"]["usd"])
    assert "Solved against dollars" in (open_storage(uri).read("report.html") or b"").decode()
    assert all(json.loads(row["sampling"])["max_tokens"] == (50 if row["pool"] == "small" else 100) for row in rows)

    capsys.readouterr()
    for _ in range(2):  # the second time reads what the first one drew
        assert solve_command.solve(config, dry_run=True, pilot=True, display=QuietDisplay()) == 0
    said = capsys.readouterr().out
    assert said.count("is complete; nothing to do") == 1
    assert f"pilot: {PILOT_PROBLEMS} of the problems" in said and "pilot problems reached it" in said
    assert "CPU-hours" in said and "dollars" in said
    chosen = pilot_config(config)
    pilot = read_pilot(config, chosen)
    assert sum(map(len, pilot.problems.values())) == PILOT_PROBLEMS
    unsolved = pilot.problems["ladder"] - pilot.stages["ladder", 0].solved
    assert set(pilot.stages["ladder", 1].completion_tokens) == unsolved, "the stage has the problems that were left"
    assert read_run_json(open_storage(uri)) == record, "a pilot is no part of the run"


def rows_of(uri: str) -> list[dict[str, Any]]:
    from runstore.parts import read_parts
    from runstore.schema import SAMPLE_SCHEMA

    return [row for table in read_parts(open_storage(uri), SAMPLE_SCHEMA.names) for row in table.to_pylist()]


def test_what_is_needed_lies_around_the_mean_of_the_pilot_and_below_what_is_possible() -> None:
    least, most = needed(Range(10, 20), [90, 100, 110], 1e9)
    assert least < 10 * 100 and most > 20 * 100 and most < 20 * 120
    assert needed(Range(10, 20), [90, 100, 110], 500) == (500, 500)
    assert needed(Range(0, 20), [90], 7_000) == (0, 7_000), "one problem does not say how much others differ"
