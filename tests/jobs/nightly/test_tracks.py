"""A night of a leg with a cascade: the first stage is a track of its own, and another remote model is no fault of the
code."""

from __future__ import annotations

import datetime as dt
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up_run import sample_row, write_run

from jobs.config import SolveConfig
from jobs.nightly import tracks
from jobs.nightly.budgets import with_lengths, with_samples
from jobs.nightly.history import History, RunResult, read_outcomes
from jobs.nightly.run import BUCKETS, nightly_uri, run_config, run_night
from jobs.nightly.settings import changed, load_nightly_config
from jobs.nightly.tracks import first_stage_outcomes, other_endpoints, outcomes
from jobs.problems.load import stream_problems
from jobs.report.problems_table import write_problems_table
from runstore.schema import PROBLEM_SCHEMA
from runstore.storage import open_storage

CASCADE = """
[run]
id = "x"
[problems]
files = ["{folder}/set.jsonl"]
[models.small]
path = "tiny"
max_model_len = 4096
[models.large]
path = "big"
[models.large.sampling]
max_tokens = 100
[cascade]
stages = [{{model = "small", samples = 16, policy = "fixed"}}, {{model = "large", samples = 4}}]
[sampling]
max_tokens = 512
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [{"id": f"p{n:02}", "kind": "math", "prompt": f"{n}?", "reference": {"answer": str(n)}} for n in range(30)]
    (tmp_path / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "solve.toml").write_text(CASCADE.format(folder=tmp_path))
    (tmp_path / "night.toml").write_text(
        f'nightly.output_uri = "{tmp_path}/out"\nnightly.name = "t"\n[[legs]]\nname = "leg"\nconfig = "solve.toml"\n'
    )
    return tmp_path


DAY = dt.date(2026, 3, 1)


def days(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number)


class Stages:
    """The whole cascade solves every problem on every night; the first stage does so at the rate of the night."""

    def __init__(self, first_rate: float) -> None:
        self.first_rate, self.endpoint = first_rate, ""
        self.runs: list[SolveConfig] = []

    def __call__(self, config: SolveConfig) -> int:
        self.runs.append(config)
        about = {"run_id": config.run.id, "kind": "math", "domain": "", "source": "", "split": "", "estimator": "none"}
        counts = {
            "solved": True,
            "num_samples": 16,
            "num_verified": 16,
            "completion_tokens": 160,
            "generation_s": 1.6,
            "verify_s": 0.0,
        }
        open_ends = dict.fromkeys(("settled_at_index", "pass_rate", "pass_rate_low", "pass_rate_high"))
        rows = [
            dict.fromkeys(PROBLEM_SCHEMA.names, 0)
            | {"problem_id": problem.id, "stopping_rule": '{"policy": "fixed"}', "settled": "exhausted"}
            | about | counts | open_ends
            for problem in stream_problems(config.problems)
        ]  # fmt: skip
        storage = open_storage(f"{config.output.uri}/runs/{config.run.id}")
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema=PROBLEM_SCHEMA), buffer)
        storage.replace("problems.parquet", buffer.getvalue())
        summary = {"gpu_s": 0, "cpu_s": 3.5, "usd": 0.01, "wall_s": 60}
        summary["pools"] = {"large": {"engine": {"model_revision": self.endpoint}}}
        storage.replace("run.json", json.dumps({"complete": True, "summary": summary, "code_revision": "c1"}).encode())
        return 0

    def first(self, storage: Any) -> dict[str, Any]:
        lines = [json.loads(line) for line in Path(self.runs[-1].problems.files[0]).read_text().splitlines()]
        rows = {}
        for number, line in enumerate(lines):
            verified = round(16 * self.first_rate) if number % 2 else 1
            statuses = ["verified"] * verified + ["refuted"] * (16 - verified)
            about = {"completion_tokens": 10, "generation_s": 0.1, "stopping_rule": '{"policy": "fixed"}'}
            rows[line["id"]] = [{"status": status, **about} for status in statuses]
        return dict(outcomes(rows))


def report_of(folder: Path, night: dt.date) -> Any:
    return json.loads(open_storage(f"{folder}/out/nightly/t").read(f"nights/{night}/report.json") or b"")


def nights(folder: Path, monkeypatch: pytest.MonkeyPatch, solve: Stages, remote: bool = False) -> tuple[Any, Any]:
    monkeypatch.setattr("jobs.nightly.run.first_stage_outcomes", solve.first)
    monkeypatch.setattr(tracks, "is_remote", lambda model: remote and model.path in ("big", "tiny"))
    return load_nightly_config(folder / "night.toml")


def test_a_worse_first_stage_is_found_though_the_cascade_makes_up_for_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    solve = Stages(0.75)
    config, legs = nights(folder, monkeypatch, solve)
    assert run_night(config, legs, days(0), solve) == 0
    history = History(open_storage(nightly_uri(config)))
    assert [(result.leg, result.model) for result in history.results()] == [
        *(("leg", "small tiny, large big"), ("leg.stage0", "small tiny")),
    ]
    assert run_night(config, legs, days(1), solve) == 0
    solve.first_rate = 0.25
    assert run_night(config, legs, days(2), solve) == 3
    body = report_of(folder, days(2))
    assert body["regressions"] and all(line.startswith("leg.stage0: ") for line in body["regressions"])
    page = open_storage(f"{folder}/out/nightly/t/nights/{days(2)}").read("report.html")
    assert page is not None and page.count(b"runs/t-leg-regression-20260303/report.html") == 2
    assert run_night(config, legs, days(2), solve) == 3, "a night that is complete is not run again"


def test_another_remote_model_is_shown_and_not_held_against_the_code(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    solve = Stages(0.75)
    config, legs = nights(folder, monkeypatch, solve, remote=True)
    monkeypatch.setattr(tracks, "first_pool", lambda leg: "large")
    monkeypatch.setattr("jobs.nightly.run.first_pool", lambda leg: "large")
    solve.endpoint = "giant-1@aa"
    assert run_night(config, legs, days(0), solve) == 0
    assert run_night(config, legs, days(1), solve) == 0
    solve.first_rate, solve.endpoint = 0.25, "giant-1@bb"
    assert run_night(config, legs, days(2), solve) == 0
    track = next(leg for leg in report_of(folder, days(2))["legs"] if leg["leg"] == "leg.stage0")
    assert "endpoint large: giant-1@aa → giant-1@bb" in track["changes"]
    assert any("not held against the code" in line and "pass rate" in line for line in track["changes"])


def test_an_endpoint_that_says_nothing_is_not_known_to_be_another_model() -> None:
    assert other_endpoints({"a": "x"}, {"a": "y", "b": "z"}) == ["endpoint a: x → y"]
    assert other_endpoints({"a": ""}, {"a": "y"}) == other_endpoints({"a": "x"}, {"a": ""}) == []


def test_a_night_keeps_its_list_of_confidential_sources(folder: Path) -> None:
    """Else problems that may not leave the machine would go to an endpoint every night."""
    config, legs = load_nightly_config(folder / "night.toml")
    history = History(open_storage(nightly_uri(config)))
    for sources in (["mine"], []):
        problems = legs["leg"].problems.model_copy(update={"confidential": sources})
        leg = legs["leg"].model_copy(update={"problems": problems})
        for bucket in BUCKETS:
            run = run_config(config, leg, {"run_id": f"t-{bucket}", "bucket": bucket}, history, DAY)
            assert run.problems.confidential == sources


def test_near_misses_reach_every_stage_and_every_pool(folder: Path) -> None:
    _, legs = load_nightly_config(folder / "night.toml")
    leg = legs["leg"]
    table = with_lengths(leg, with_samples(leg, leg.resolved(), lambda own: 2 * own), 2.0)
    run = changed(leg, table, ["sampling.temperature=0.5"])
    assert [(stage.model, stage.samples) for stage in run.route_table()[0].stages] == [("small", 32), ("large", 8)]
    assert {name: pool.sampling.max_tokens for name, pool in run.pools().items()} == {"small": 1024, "large": 200}
    assert {pool.sampling.temperature for pool in run.pools().values()} == {0.5}
    assert leg.route_table()[0].stages[0].samples == 16


def test_the_first_stage_is_read_from_the_rows(tmp_path: Path) -> None:
    rule = {"policy": "fixed", "stages": [{"policy": "fixed"}, {"policy": "fixed"}]}
    first = {"pool": "small", "stage": 0, "audited": False}
    second = {"pool": "large", "stage": 1, "audited": False}
    rows = [sample_row("a", index, "refuted", rule, **first) for index in range(3)]
    rows += [sample_row("a", index, "verified", rule, **second) for index in range(3, 5)]
    rows += [sample_row("b", index, "verified", rule, **first) for index in range(3)]
    found = first_stage_outcomes(open_storage(write_run(str(tmp_path / "run"), rows)))
    assert {name: (one.num_samples, one.num_verified, one.fixed) for name, one in found.items()} == {
        "a": (3, 0, True),
        "b": (3, 3, True),
    }


def test_rates_of_a_whole_cascade_are_not_compared(tmp_path: Path) -> None:
    """How many samples the later stages add depends on what came out of the first."""
    first = {"policy": "fixed", "estimates": "unbiased", "num_samples": 2}
    stages = [{"pool": pool, "samples": 2, "start": start, **first} for pool, start in (("small", 0), ("large", 2))]
    fixed = {}
    for name, rule in (("cascade", {**first, "stages": stages}), ("plain", first)):
        uri = write_run(str(tmp_path / name), [sample_row("a", index, "verified", rule) for index in range(2)])
        write_problems_table(uri)
        fixed[name] = read_outcomes(pq.read_table(f"{uri}/problems.parquet"))["a"].fixed
    assert fixed == {"cascade": False, "plain": True}


def test_a_track_counts_what_has_a_verdict() -> None:
    rule = json.dumps({"policy": "until_verified", "stages": [{"policy": "fixed"}, {"policy": "until_verified"}]})
    row = {"completion_tokens": 4, "generation_s": 0.5, "stopping_rule": rule}
    found = dict(outcomes({"a": [{**row, "status": "verified"}, {**row, "status": "malformed"}]}))["a"]
    assert (found.num_samples, found.num_verified, found.num_malformed, found.tokens, found.fixed) == (2, 1, 1, 8, True)
    cut = dict(outcomes({"a": [{**row, "status": "verified"}, {**row, "status": None}]}))["a"]
    assert cut.num_samples == 1 and not cut.fixed, "an aborted sample makes the number depend on the others"


def test_nights_of_a_version_without_endpoints_are_read(folder: Path) -> None:
    result = RunResult(dt.date(2026, 1, 1), "leg", "main", "r", "m", {}, "c", 0, 0.0, 0.0, 0.0, 0.0, {})
    body = json.loads(result.encode())
    del body["endpoints"]
    assert RunResult.decode(json.dumps(body).encode(), "x").endpoints == {}
