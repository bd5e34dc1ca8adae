"""Whole nights over made-up runs: memory, idempotence, locking, overlap, catch-up, retention, reports, storage."""

from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import os
import random
import re
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer
from page_layout import CHROMIUM, layout_faults

from jobs import notify
from jobs.cli import main
from jobs.config import ConfigError, SolveConfig
from jobs.nightly import command
from jobs.nightly.history import History, HistoryError, Outcome, RunResult
from jobs.nightly.report import render_html
from jobs.nightly.run import due_nights, nightly_uri, run_night
from jobs.nightly.settings import NightlyConfig, load_nightly_config, night_of
from jobs.problems.load import stream_problems
from jobs.report.rendering import environment
from runstore.schema import PROBLEM_SCHEMA
from runstore.storage import StorageError, open_storage

ROOT = Path(__file__).resolve().parents[3]

DAY = dt.date(2026, 3, 1)
PAST = dt.date(2020, 1, 1)
"""A night that has begun wherever the clock stands."""


def days(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number)


class FakeSolve:
    """Writes what a run leaves, with the given pass rate for each problem."""

    def __init__(self, rate: Callable[[str, SolveConfig], float]) -> None:
        self.rate = rate
        self.runs: list[SolveConfig] = []
        self.before: Callable[[SolveConfig], int | None] = lambda config: None
        self.length: Callable[[str], int] = lambda name: 100

    def __call__(self, config: SolveConfig) -> int:
        self.runs.append(config)
        if (code := self.before(config)) is not None:
            return code
        drawn = config.sampling.num_samples
        rows = []
        for problem in stream_problems(config.problems):
            chance = random.Random(f"{config.run.id}{problem.id}")
            good = sum(chance.random() < self.rate(problem.id, config) for _ in range(drawn))
            row = dict.fromkeys(PROBLEM_SCHEMA.names, 0) | {
                "run_id": config.run.id, "problem_id": problem.id, "kind": "math",
                "domain": "", "source": "", "split": "",
                "solved": good > 0, "num_samples": drawn, "num_verified": good, "num_refuted": drawn - good,
                "stopping_rule": '{"policy": "fixed"}', "settled": "solved" if good else "exhausted",
                "settled_at_index": None, "pass_rate": None, "pass_rate_low": None, "pass_rate_high": None,
                "estimator": "none", "completion_tokens": self.length(problem.id) * drawn,
                "generation_s": float(drawn), "verify_s": 0.0,
            }  # fmt: skip
            rows.append(row)
        storage = open_storage(f"{config.output.uri}/runs/{config.run.id}")
        buffer = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(rows, schema=PROBLEM_SCHEMA), buffer)
        storage.replace("problems.parquet", buffer.getvalue())
        summary = {"gpu_s": 0, "cpu_s": 3.5, "usd": 0.01, "wall_s": 60}
        storage.replace("run.json", json.dumps({"complete": True, "summary": summary, "code_revision": "c1"}).encode())
        return 0


def steady(problem_id: str, config: SolveConfig) -> float:
    """p00 … p39: a third is easy, a third never works, the rest in between; `bad` models are worse."""
    number = int(problem_id[1:])
    rate = (0.9, 0.0, 0.5)[number % 3]
    return rate * (0.1 if "bad" in config.model.path else 1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [
        {"id": f"p{n:02}", "kind": "math", "prompt": f"<b>{n}</b>?", "reference": {"answer": str(n)}} for n in range(40)
    ]
    (tmp_path / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "solve.toml").write_text(
        f'run.id = "x"\nproblems.files = ["{tmp_path}/set.jsonl"]\nmodel.path = "good"\nsampling.num_samples = 16\n'
        "model.max_model_len = 4096\n"
    )
    return tmp_path


def load(folder: Path, *overrides: str, output: str = "") -> tuple[NightlyConfig, dict[str, SolveConfig]]:
    (folder / "night.toml").write_text(
        f'nightly.output_uri = "{output or folder / "out"}"\nnightly.name = "t"\nnightly.lease_s = 1\n'
        '[[legs]]\nname = "leg"\nconfig = "solve.toml"\n'
    )
    return load_nightly_config(folder / "night.toml", overrides)


def history_of(config: NightlyConfig) -> History:
    return History(open_storage(nightly_uri(config)))


def report_of(config: NightlyConfig, night: dt.date) -> dict:
    return json.loads(open_storage(nightly_uri(config)).read(f"nights/{night}/report.json"))


def test_nights_remember_and_a_worse_model_is_a_regression(folder: Path, capsys) -> None:
    config, legs = load(folder)
    solve = FakeSolve(steady)
    assert run_night(config, legs, days(0), solve) == 0
    assert [run.run.id for run in solve.runs] == ["t-leg-main-20260301"]
    assert run_night(config, legs, days(1), solve) == 0, capsys.readouterr().out
    ids = {run.run.id: [p.id for p in stream_problems(run.problems)] for run in solve.runs[1:]}
    solved = [f"p{n:02}" for n in range(40) if n % 3 != 1]
    assert ids == {
        "t-leg-regression-20260302": solved,
        "t-leg-main-20260302": [f"p{n:02}" for n in range(40) if n % 3 == 1],
    }
    legs_bad = {"leg": legs["leg"].model_copy(update={"model": legs["leg"].model.model_copy(update={"path": "bad"})})}
    assert run_night(config, legs_bad, days(2), solve) == 3
    body = report_of(config, days(2))
    assert any("mean pass rate is" in line for line in body["regressions"])
    assert "model: good → bad" in body["legs"][0]["changes"]
    assert body["legs"][0]["comparison"]["num_worse"] > 0
    text = capsys.readouterr().out
    assert "t 2026-03-03: REGRESSION" in text
    # What was lost gets a bigger budget the night after.
    assert run_night(config, legs, days(3), solve) in (0, 3)
    near = next(run for run in solve.runs if run.run.id == "t-leg-near-20260304")
    assert near.sampling.num_samples == 32 and near.sampling.max_tokens == 2048


def test_problems_that_lose_their_answer_key_are_left_out_and_neither_lost_nor_regressed(folder: Path) -> None:
    config, legs = load(folder)
    leg = legs["leg"]
    legs = {"leg": leg.model_copy(update={"problems": leg.problems.model_copy(update={"unchecked": "accept"})})}
    solve = FakeSolve(lambda *_: 1.0)
    assert run_night(config, legs, days(0), solve) == 0
    assert "unchecked" in report_of(config, days(0))["legs"][0]["plan"]
    rows = [json.loads(line) for line in (folder / "set.jsonl").read_text().splitlines()]
    for row in rows[:30]:
        row["reference"] = {}
    (folder / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert run_night(config, legs, days(1), solve) == 0
    tried = [problem.id for run in solve.runs[1:] for problem in stream_problems(run.problems)]
    assert tried == [f"p{n}" for n in range(30, 40)]
    leg_body = report_of(config, days(1))["legs"][0]
    assert (leg_body["plan"]["num_problems"], leg_body["plan"]["unchecked"]) == (10, 30)
    assert not leg_body["comparison"]["num_lost"] and not leg_body["comparison"]["regressions"]
    storage = open_storage(nightly_uri(config))
    assert "left out 30: no answer key" in (storage.read(f"nights/{days(1)}/report.txt") or b"").decode()
    assert (
        "Left out: 30 problems without an answer key" in (storage.read(f"nights/{days(1)}/report.html") or b"").decode()
    )


def test_problems_with_the_longest_samples_begin_first_and_a_resumed_night_keeps_their_order(folder: Path) -> None:
    def length(name: str) -> int:
        return 100 + 37 * int(name[1:]) % 11

    config, legs = load(folder)
    past = FakeSolve(lambda *_: 0.0)
    past.length = length
    assert run_night(config, legs, days(0), past) == 0
    (first,) = [[problem.id for problem in stream_problems(run.problems)] for run in past.runs]
    assert first == sorted(first)  # nothing was known
    with (folder / "set.jsonl").open("a") as file:
        file.write(json.dumps({"id": "p99", "kind": "math", "prompt": "9?", "reference": {"answer": "9"}}) + "\n")

    solve = FakeSolve(lambda *_: 0.0)
    solve.length = lambda name: 211 - length(name)  # what this night finds must not change what it set out to do
    solve.before = lambda run: 130 if len(solve.runs) == 1 else None
    assert run_night(config, legs, days(1), solve) == 130
    assert run_night(config, legs, days(1), solve) == 0
    begun, resumed = [[problem.id for problem in stream_problems(run.problems)] for run in solve.runs]
    assert begun == resumed and begun != sorted(begun)
    mean = sum(map(length, first)) / len(first)
    lengths = [mean if name == "p99" else length(name) for name in begun]
    assert lengths == sorted(lengths, reverse=True) and set(begun) == {*first, "p99"}
    (entry,) = history_of(config).plan(days(1))["runs"]
    assert entry["lengths_known"] == 40

    config, legs = load(folder, "nightly.longest_first=false", "nightly.name=u")
    assert run_night(config, legs, days(0), past) == 0
    assert run_night(config, legs, days(1), solve) == 0
    order = [problem.id for problem in stream_problems(solve.runs[-1].problems)]
    assert order == sorted(order)


def test_a_night_posts_how_it_ended(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    posted: list[tuple[str, str, dict]] = []
    delivered = threading.Lock()

    def deliver(entry: object, name: str, body: bytes) -> None:
        line = json.loads(body)
        with delivered:
            posted.append((line["run_id"], line["event"], line["figures"]))

    monkeypatch.setattr(notify, "_deliver", deliver)  # tests/jobs/notify posts to real servers
    config, legs = load(folder, 'notify=[{url_env = "HOOK"}]')
    with pytest.raises(ConfigError, match="HOOK is not set"):
        command.require_urls(config, legs)
    monkeypatch.setenv("HOOK", "http://127.0.0.1:9/x")
    command.require_urls(config, legs)
    solve = FakeSolve(steady)
    assert run_night(config, legs, days(0), solve) == 0
    assert [entry.on for entry in solve.runs[0].notify] == [["stalled"]], "a run of a night tells that it stalls"
    assert run_night(config, legs, days(0), solve) == 0, "the same night again has nothing to tell"
    bad = {"leg": legs["leg"].model_copy(update={"model": legs["leg"].model.model_copy(update={"path": "bad"})})}
    assert run_night(config, bad, days(1), solve) == 3
    solve.before = lambda run: 3
    assert run_night(config, legs, days(2), solve) == 3
    solve.before = lambda run: 130
    assert run_night(config, legs, days(2), solve) == 130, "a person who stops a night knows it"

    def raise_lost(run: SolveConfig) -> int:
        raise StorageError("the store is lost")

    solve.before = raise_lost
    with pytest.raises(StorageError):
        run_night(config, legs, days(2), solve)
    assert sorted((run_id, event) for run_id, event, _ in posted) == [
        ("t-2026-03-01", "done"), ("t-2026-03-02", "done"), ("t-2026-03-02", "regression"),
        ("t-2026-03-03", "failed"), ("t-2026-03-03", "failed"),
    ]  # fmt: skip
    regression = next(figures for _, event, figures in posted if event == "regression")
    assert any("mean pass rate is" in line for line in regression["regressions"])
    assert {run["bucket"] for run in regression["runs"]["leg"]} == {"main", "regression"}


def test_the_html_report_shows_it_and_escapes(folder: Path) -> None:
    config, legs = load(folder)
    evil = '<script>alert("x")</script>'
    bad = legs["leg"].model.model_copy(update={"path": evil})
    solve = FakeSolve(steady)
    run_night(config, legs, days(0), solve)
    run_night(config, {"leg": legs["leg"].model_copy(update={"model": bad})}, days(1), solve)
    html = open_storage(nightly_uri(config)).read(f"nights/{days(1)}/report.html").decode()
    assert "night of 2026-03-02" in html and "mean pass rate" in html and "<svg" in html
    assert "<script" not in html and "&lt;script&gt;" in html
    rate = 3600 * sum(run["verified"] for run in runs_of(config, days(1))) / (2 * 3.5)
    assert f"<b>{rate:,.0f}</b><span>verified solutions per CPU-hour" in html
    page = folder / "out/nightly/t/nights" / str(days(1)) / "report.html"
    linked = re.findall(r'href="([^"]+report\.html)"', html)
    assert {(page.parent / link).resolve().parent.name for link in linked} == {
        run["run_id"] for run in runs_of(config, days(1))
    }
    assert all((page.parent / link).resolve().parent == folder / "out/runs" / link.split("/")[-2] for link in linked)


def runs_of(config: NightlyConfig, night: dt.date) -> list[dict]:
    return report_of(config, night)["legs"][0]["runs"]


def test_the_html_report_has_the_design_of_a_runs_report() -> None:
    style = environment().get_template("style.css").render()
    assert "--card" in style and style in render_html(
        {"name": "t", "night": "2026-03-01", "regressions": [], "errors": [], "legs": []}
    )


@pytest.mark.skipif(not CHROMIUM, reason="needs a Chromium")
@pytest.mark.parametrize("width", [390, 1200])
def test_the_html_report_does_not_scroll_sideways(folder: Path, width: int) -> None:
    config, legs = load(folder)
    long = {"a_track_with_a_long_name_of_its_own": legs["leg"]}
    bad = legs["leg"].model.model_copy(update={"path": "models/bad/with_a_long_path/and_a_revision@0123456789abcdef"})
    run_night(config, long, days(0), FakeSolve(steady))
    run_night(
        config, {name: leg.model_copy(update={"model": bad}) for name, leg in long.items()}, days(1), FakeSolve(steady)
    )
    for night in (days(0), days(1)):
        assert layout_faults(folder / f"out/nightly/t/nights/{night}/report.html", width, folder) == []


def test_the_same_night_again_does_nothing(folder: Path) -> None:
    config, legs = load(folder)
    solve = FakeSolve(steady)
    assert run_night(config, legs, days(0), solve) == 0
    storage = open_storage(nightly_uri(config))
    keys = storage.keys()
    before = {key: storage.read(key) for key in keys}
    assert run_night(config, legs, days(0), solve) == 0
    assert len(solve.runs) == 1
    assert before == {key: open_storage(nightly_uri(config)).read(key) for key in before}


def test_an_interrupted_night_resumes_with_the_same_plan(folder: Path) -> None:
    config, legs = load(folder)
    solve = FakeSolve(steady)
    run_night(config, legs, days(0), solve)
    solve.before = lambda run: 130 if "regression" in run.run.id else None
    assert run_night(config, legs, days(1), solve) == 130
    plan = history_of(config).plan(days(1))
    assert not history_of(config).is_complete(days(1))
    solve.before = lambda run: None
    solve.runs.clear()
    assert run_night(config, legs, days(1), solve) == 0
    assert [run.run.id for run in solve.runs] == ["t-leg-regression-20260302"], "the finished run was run again"
    assert history_of(config).plan(days(1)) == plan


def test_a_failing_leg_does_not_cost_the_others_and_is_taken_up_again(folder: Path) -> None:
    config, legs = load(folder)
    legs = {"broken": legs["leg"], "leg": legs["leg"]}
    solve = FakeSolve(steady)

    def fail(run: SolveConfig) -> int | None:
        if "broken" in run.run.id:
            raise ConfigError("no such model")
        return None

    solve.before = fail
    assert run_night(config, legs, days(0), solve) == 3
    assert history_of(config).result(days(0), "t-leg-main-20260301") is not None
    assert not history_of(config).is_complete(days(0))
    solve.before = lambda run: None
    solve.runs.clear()
    assert run_night(config, legs, days(0), solve) == 0
    assert [run.run.id for run in solve.runs] == ["t-broken-main-20260301"]


def test_of_two_starts_one_works(folder: Path) -> None:
    config, legs = load(folder)
    entered, leave = threading.Event(), threading.Event()
    solve = FakeSolve(steady)
    solve.before = lambda run: (entered.set(), leave.wait(30), None)[2]
    codes: list[int] = []
    first = threading.Thread(target=lambda: codes.append(run_night(config, legs, days(0), solve)))
    first.start()
    entered.wait(30)
    said: list[str] = []
    assert run_night(config, legs, days(0), FakeSolve(steady), said.append) == 0
    assert "already under way" in said[0]
    leave.set()
    first.join(60)
    assert codes == [0] and len(solve.runs) == 1


def test_two_nights_that_overlap_both_stay(folder: Path) -> None:
    config, legs = load(folder)
    late = FakeSolve(steady)
    early = FakeSolve(steady)
    early.before = lambda run: None if run_night(config, legs, days(1), late) == 0 else 99
    assert run_night(config, legs, days(0), early) == 0
    nights = {result.night for result in history_of(config).results()}
    assert nights == {days(0), days(1)}
    # The later night was planned when the earlier one was not done, so it took every problem for new.
    assert [run.run.id for run in late.runs] == ["t-leg-main-20260302"]


def test_history_is_append_only(folder: Path) -> None:
    config, legs = load(folder)
    run_night(config, legs, days(0), FakeSolve(steady))
    history = history_of(config)
    old = history.result(days(0), "t-leg-main-20260301")
    other = RunResult(
        **{**{f: getattr(old, f) for f in old.__slots__}, "outcomes": {"x": Outcome(1, 1, 0, 0, 0, 1, 1.0, True)}}
    )
    assert not history.add(other)
    assert history.result(days(0), "t-leg-main-20260301") == old
    open_storage(nightly_uri(config)).replace("nights/2026-03-01/results/bad.json", b"{}")
    with pytest.raises(HistoryError, match=r"bad\.json"):
        history.results()


def test_missed_nights_are_made_up_for(folder: Path) -> None:
    config, legs = load(folder)
    history = history_of(config)
    assert due_nights(history, days(0), 5) == [days(0)]
    run_night(config, legs, days(0), FakeSolve(steady))
    assert due_nights(history, days(4), 2) == [days(2), days(3), days(4)]
    assert due_nights(history, days(4), 0) == [days(4)]
    run_night(config, legs, days(3), FakeSolve(steady))
    assert due_nights(history, days(4), 2) == [days(2), days(4)]


def test_a_night_begins_at_its_hour_in_its_zone(folder: Path) -> None:
    nightly = load(folder, "nightly.time_zone=Europe/Paris", "nightly.starts_at=01:00")[0].nightly
    utc = dt.UTC
    assert night_of(dt.datetime(2026, 3, 10, 0, 30, tzinfo=utc), nightly) == dt.date(2026, 3, 10)  # 01:30 in Paris
    assert night_of(dt.datetime(2026, 3, 9, 23, 30, tzinfo=utc), nightly) == dt.date(2026, 3, 9)  # 00:30 in Paris
    assert night_of(dt.datetime(2026, 7, 9, 23, 30, tzinfo=utc), nightly) == dt.date(2026, 7, 10)  # summer time


def test_old_runs_are_deleted_and_their_history_stays(folder: Path) -> None:
    config, legs = load(folder, "nightly.keep_nights=2")
    keep = folder / "out/runs/somebody-elses/run.json"
    keep.parent.mkdir(parents=True)
    keep.write_text("{}")
    for number in range(4):
        run_night(config, legs, days(number), FakeSolve(steady))
    runs = sorted(path.name for path in (folder / "out/runs").iterdir() if any(path.iterdir()))
    assert not [name for name in runs if name.endswith(("20260301", "20260302"))]
    assert "somebody-elses" in runs and any(name.endswith("20260304") for name in runs)
    assert {result.night for result in history_of(config).results()} == {days(n) for n in range(4)}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="nights")
    yield "s3://nights/team"
    server.stop()


def test_nights_on_object_storage(folder: Path, s3: str) -> None:
    config, legs = load(folder, output=s3)
    solve = FakeSolve(steady)
    assert run_night(config, legs, days(0), solve) == 0
    assert run_night(config, legs, days(1), solve) == 0
    assert run_night(config, legs, days(1), solve) == 0
    assert len(solve.runs) == 3
    assert report_of(config, days(1))["legs"][0]["comparison"]["num_paired"] > 0


def test_the_command_runs_what_is_due(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    load(folder)
    solve = FakeSolve(steady)
    monkeypatch.setattr(command, "solve_batch", solve)
    path = str(folder / "night.toml")
    assert command.run_one(path, [], days(0)) == 0
    assert command.run_one(path, ["nightly.nam=1"], None) == 2
    assert "nightly.nam: unknown key" in capsys.readouterr().err
    assert command.run_one(path, [], None) == 0  # tonight, and the nights before it that were missed
    assert len({run.run.id for run in solve.runs}) >= 2


def test_shipped_configs_load() -> None:
    for path in Path("configs/nightly").glob("*.toml"):
        config, legs = load_nightly_config(path)
        assert set(legs) == {leg.name for leg in config.legs}


def test_the_daemon_starts_a_due_night_in_a_process_and_passes_the_signal_on(folder: Path, monkeypatch) -> None:
    load(folder)
    started: list[list[str]] = []
    stopped = threading.Event()

    class Child:
        def __init__(self, words: list[str], cwd: Path) -> None:
            started.append(words)
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()

        def wait(self) -> int:
            assert stopped.wait(30)
            return 130

        def send_signal(self, number: int) -> None:
            assert number == signal.SIGTERM
            stopped.set()

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(command.subprocess, "Popen", Child)
    path = str(folder / "night.toml")
    try:
        args = argparse.Namespace(configs=[path], overrides=["nightly.catch_up=0"], date=None, daemon=True)
        assert command.run(args) == 0
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert stopped.is_set()
    assert started[0][1:] == ["-m", "jobs.cli", "nightly", path, "--set", "nightly.catch_up=0"]


def test_a_signal_between_runs_ends_the_night_in_good_order(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM while Ray starts, when the solver does not listen yet: killed outright, a night would keep its lock."""
    config, _ = load(folder)

    def solve(run: SolveConfig) -> int:
        os.kill(os.getpid(), signal.SIGTERM)
        raise AssertionError("the signal was not felt")

    monkeypatch.setattr(command, "solve_batch", solve)
    args = argparse.Namespace(configs=[str(folder / "night.toml")], overrides=[], date=PAST, daemon=False)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):  # which the command line turns into exit code 130
        command.run(args)
    assert signal.getsignal(signal.SIGTERM) is before
    lease = open_storage(f"{nightly_uri(config)}/nights/{PAST}/lock").read("lease.json")
    assert json.loads(lease)["released"]


def test_a_night_to_come_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    config, _ = load(folder)
    monkeypatch.setattr(command, "solve_batch", lambda run: pytest.fail("it was begun"))
    tomorrow = night_of(dt.datetime.now(dt.UTC), config.nightly) + dt.timedelta(days=2)
    args = argparse.Namespace(configs=[str(folder / "night.toml")], overrides=[], date=tomorrow, daemon=False)
    assert command.run(args) == 2
    assert f"--date {tomorrow}: this night has not begun" in capsys.readouterr().err
    assert open_storage(nightly_uri(config)).keys("nights/") == []
    with pytest.raises(argparse.ArgumentTypeError, match="2026-13-01' is no date"):
        command.a_date("2026-13-01")


def test_every_night_draws_with_another_seed(folder: Path) -> None:
    config, legs = load(folder)
    solve = FakeSolve(steady)
    for number in range(3):
        run_night(config, legs, days(number), solve)
    by_night = {run.run.id[-8:]: run.run.seed for run in solve.runs}
    assert len(set(by_night.values())) == 3


def test_a_solve_config_is_recognised_and_what_to_write_is_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    solve_config = tmp_path / "Small Run.toml"
    shutil.copy(ROOT / "configs" / "solve" / "demo.toml", solve_config)
    assert main(["nightly", str(solve_config)]) == 2
    said = capsys.readouterr().err
    assert "this is a config of `proofmill solve`" in said and "unknown key" not in said
    # What it shows is a nightly config that loads.
    shown = said[said.index("[nightly]") : said.index("docs/nightly.md")]
    (tmp_path / "nightly.toml").write_text(shown)
    config, legs = load_nightly_config(tmp_path / "nightly.toml")
    assert [leg.name for leg in config.legs] == ["small_run"] and list(legs) == ["small_run"]


def test_a_nightly_config_given_to_solve_is_recognised(capsys: pytest.CaptureFixture[str]) -> None:
    (path,) = sorted((ROOT / "configs" / "nightly").glob("*.toml"))[:1]
    assert main(["solve", str(path)]) == 2
    said = capsys.readouterr().err
    assert f"`proofmill nightly {path}` starts it" in said and "unknown key" not in said
