"""The parts of the expert iteration: its problems, the control's choice, the estimates, the chart, the settings."""

from __future__ import annotations

import csv
import json
import random
import xml.etree.ElementTree as ElementTree
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from examples.expert_iteration import chart, measurement, selection
from examples.expert_iteration.flywheel import Flywheel
from examples.expert_iteration.problem_files import Fresh, held_out_items, round_items, write_problems
from examples.expert_iteration.settings import Settings, load_settings
from jobs.config import ConfigError, load_config
from models.tiny_reasoner.problems.draw import DOMAINS
from runstore.parts import append_part, encode_part
from runstore.schema import SAMPLE_SCHEMA
from runstore.storage import open_storage
from workers.sampling.estimates import Estimate, Stopped, clopper_pearson
from workers.sampling.plan import EXHAUSTED, SOLVED, Plan

HERE = Path(__file__).resolve().parents[3] / "examples" / "expert_iteration"
PLAN = Plan(num_samples=16, num_verified=2)


def shipped(*overrides: str) -> Settings:
    return load_settings(HERE / "flywheel.toml", list(overrides))


# Problems.


def test_no_question_is_on_both_sides_or_in_two_rounds() -> None:
    settings = shipped("problems.held_out_per_domain=10", "problems.per_round=300")
    held_out = held_out_items(settings)
    rounds = list(round_items(settings))
    assert len(rounds) == settings.rounds and all(len(items) == 300 for items in rounds)
    assert Counter(item.domain for item in held_out) == dict.fromkeys(DOMAINS, 10)
    everything = [*held_out, *(item for items in rounds for item in items)]
    for texts in ([i.key for i in everything], [i.prompt for i in everything], [i.problem().id for i in everything]):
        assert len(set(texts)) == len(everything)
    assert {i.problem().split for i in held_out} == {"held_out"}
    assert {i.problem().split for items in rounds for i in items} == {"train"}


def test_the_same_settings_give_the_same_problems_and_another_seed_others() -> None:
    small = shipped("problems.per_round=40")
    again, other = shipped("problems.per_round=40"), shipped("problems.per_round=40", "seed=2")
    assert list(round_items(small)) == list(round_items(again)) != list(round_items(other))


def test_every_problem_is_put_into_the_wording() -> None:
    plain = shipped("problems.wording={prompt}", "problems.per_round=20", "problems.held_out_per_domain=1")
    asked = shipped("problems.wording=Now: {prompt}!", "problems.per_round=20", "problems.held_out_per_domain=1")
    for before, after in [
        *zip(held_out_items(plain), held_out_items(asked), strict=True),
        *zip(next(round_items(plain)), next(round_items(asked)), strict=True),
    ]:
        assert after.problem().prompt == f"Now: {before.prompt}!"
        assert (after.key, after.reference, after.held_out) == (before.key, before.reference, before.held_out)


def test_a_supply_that_runs_out_is_an_error_and_no_endless_search() -> None:
    item = held_out_items(shipped("problems.held_out_per_domain=1"))[0]
    fresh = Fresh()
    assert fresh.first([item]) is item
    with pytest.raises(ValueError, match="no further one"):
        fresh.first(item for _ in iter(int, 1))


def test_problem_files_are_read_by_the_product(tmp_path: Path) -> None:
    from jobs.config import Problems
    from jobs.problems.load import stream_problems

    items = held_out_items(shipped("problems.held_out_per_domain=1"))
    write_problems(items, tmp_path / "held_out.jsonl")
    chosen = Problems(files=[str(tmp_path / "held_out.jsonl")])
    assert list(stream_problems(chosen, ())) == [item.problem() for item in items]


# Settings.


def test_shipped_configs() -> None:
    settings = shipped()
    sampling = load_config(HERE / "solve.toml").sampling
    assert settings.rounds >= 3
    assert sampling.num_samples >= max(measurement.KS) and sampling.estimates == "unbiased"
    assert sampling.temperature == 1.0 and sampling.num_verified > selection.CONTROL_INDEX


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("rounds=0", "rounds"),
        ("problems.wording=x", "problems.wording: .*prompt"),
        ("training.peek=1", "training.peek: unknown key"),
        ('problems.domains=["x"]', "known: "),
    ],
)
def test_a_wrong_setting_is_named(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        shipped(override)


def test_a_folder_begun_with_other_settings_is_refused(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")

    def flywheel(*overrides: str) -> Flywheel:
        return Flywheel(shipped(*overrides), model, HERE / "solve.toml", [], tmp_path / "out")

    flywheel().check_folder()
    flywheel().check_folder()
    with pytest.raises(ConfigError, match="begun with other settings;"):
        flywheel("seed=5").check_folder()
    (model / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(ConfigError, match="begun with other start;"):
        flywheel().check_folder()


def test_a_rule_that_may_stop_before_the_control_s_sample_is_refused(tmp_path: Path) -> None:
    flywheel = Flywheel(shipped(), tmp_path, HERE / "solve.toml", ["sampling.num_verified=1"], tmp_path / "out")
    with pytest.raises(ConfigError, match=r"sampling\.num_verified: is 1 and should be at least 2"):
        flywheel.check_folder()


# The control.


def sample_row(problem_id: str, index: int, status: str | None) -> dict[str, Any]:
    row: dict[str, Any] = {field.name: None for field in SAMPLE_SCHEMA}
    for field in SAMPLE_SCHEMA:
        if not field.nullable:
            row[field.name] = "" if pa.types.is_string(field.type) else False if pa.types.is_boolean(field.type) else 0
    text = None if status is None else f"{problem_id} {index} {status}"
    messages = json.dumps([{"role": "user", "content": problem_id}])
    return row | {
        "problem_id": problem_id,
        "sample_index": index,
        "status": status,
        "text": text,
        "messages": messages,
        "completion_tokens": 5,
    }


def write_samples(folder: Path, rows: list[dict[str, Any]]) -> Path:
    random.Random(0).shuffle(rows)
    for part in range(2):
        table = pa.Table.from_pylist(rows[part::2], SAMPLE_SCHEMA)
        append_part(open_storage(str(folder)), "e0001-w00", part, encode_part(table))
    return folder


def test_the_control_s_samples_are_plain_draws(tmp_path: Path) -> None:
    """1,000 problems stopped by their second verified sample: the share of right ones among the control's is the
    model's own rate, also of the problems whose first sample failed, and not the higher one of a random choice."""
    rng = random.Random(1)
    rows, hard = [], []
    for number in range(1000):
        verified = index = 0
        while verified < 2 and index < 16:
            right = rng.random() < 0.3
            verified += right
            rows.append(sample_row(f"p{number}", index, "verified" if right else "refuted"))
            hard += [f"p{number}"] if index == 0 and not right else []
            index += 1
    run = write_samples(tmp_path / "run", rows)
    for chosen in ([f"p{number}" for number in range(1000)], hard):
        written = selection.control_rows(run, chosen)
        assert [row["problem_id"] for row in written] == chosen
        share = sum(row["status"] == "verified" for row in written) / len(written)
        low, high = clopper_pearson(0.3 * len(written), len(written), 0.999)
        assert low < share < high
    by_problem: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        by_problem[row["problem_id"]].append(row["status"] == "verified")
    at_random = sum(sum(right) / len(right) for right in by_problem.values()) / len(by_problem)
    assert at_random > high, "the test would not see a choice among all samples of a problem"
    for row in written:
        assert [m["role"] for m in row["messages"]] == ["user", "assistant"]
        assert row["messages"][-1]["content"].startswith(row["problem_id"] + " 1 ")


def test_a_run_without_a_needed_sample_is_an_error(tmp_path: Path) -> None:
    run = write_samples(tmp_path / "run", [sample_row("p", 0, "verified"), sample_row("p", 1, None)])
    with pytest.raises(ValueError, match="no text of p, sample 1"):
        selection.control_rows(run, ["p"])


def test_only_problems_that_the_first_sample_did_not_solve(tmp_path: Path) -> None:
    statuses = {"easy": ["verified", "verified"], "hard": ["refuted", "verified"], "odd": ["malformed", "verified"]}
    rows = [sample_row(name, index, status) for name, column in statuses.items() for index, status in enumerate(column)]
    run = write_samples(tmp_path / "run", rows)
    export = write_export(tmp_path / "export", list(statuses))
    assert [row["problem_id"] for row in selection.verified_rows(export, run, hard_only=True)] == ["hard", "odd"]
    assert len(selection.verified_rows(export, run, hard_only=False)) == 3


def write_export(folder: Path, problem_ids: list[str]) -> Path:
    rows = [{"problem_id": name, "tokens": 5, "messages": [{"role": "user", "content": name}]} for name in problem_ids]
    (folder / "data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), folder / "data" / "train.parquet")
    return folder


# Estimates.


def stopped(solutions: int, failures: int) -> Stopped:
    return Stopped(PLAN, solutions, failures, solutions, SOLVED if solutions == 2 else EXHAUSTED)


def test_pass_rates_of_stopped_problems() -> None:
    rates = measurement.pass_rates({"a": stopped(2, 0), "b": stopped(2, 3), "c": stopped(0, 16), "d": stopped(1, 15)})
    assert rates[1].value == pytest.approx((1 + 1 / 4 + 0 + 1 / 16) / 4)
    assert rates[16].value == pytest.approx(3 / 4)
    assert all(e.low < e.value < e.high for e in rates.values())


def test_pass_16_is_left_out_where_fewer_samples_were_drawn() -> None:
    plan = Plan(num_samples=4, num_verified=2)
    assert list(measurement.pass_rates({"a": Stopped(plan, 2, 1, 2, SOLVED)})) == [1]


def test_a_difference_is_paired() -> None:
    """Every problem gains a quarter: certain, however far apart the problems are from each other."""
    before = {f"{k}": stopped(0, 16) if k % 2 else stopped(2, 1) for k in range(40)}
    after = {f"{k}": stopped(2, 3) if k % 2 else stopped(2, 0) for k in range(40)}
    gain = measurement.difference(before, after, 1)
    assert gain.value == pytest.approx((1 / 4 + 1 / 2) / 2)
    assert gain.low > 0.3 and gain.high < 0.45
    nothing = measurement.difference(before, before, 1)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)
    with pytest.raises(ValueError, match="different problems"):
        measurement.difference(before, {"0": stopped(2, 0)}, 1)


# The results.


def made_up_runs(flywheel: Flywheel, solved_by_round: dict[str, int]) -> None:
    """Runs over ten held-out problems, the first so many of them solved at once and the others never; each also holds
    training-side problems, all solved, that a measurement must not count."""
    rule = json.dumps({**PLAN.to_json(), "estimates": "unbiased"})
    for run_id, solved in solved_by_round.items():
        rows = []
        for number in range(10):
            statuses = ["verified"] * 2 if number < solved else ["refuted"] * 16
            for index, status in enumerate(statuses):
                row = sample_row(f"p{number}", index, status)
                rows.append(row | {"split": "held_out", "domain": "algebra", "stopping_rule": rule})
        for number in range(30):
            for index in range(2):
                row = sample_row(f"t{number}", index, "verified")
                rows.append(row | {"split": "train", "domain": "algebra", "stopping_rule": rule})
        write_samples(flywheel.run_folder(run_id), rows)


def test_what_is_published(tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.safetensors").write_bytes(b"weights")
    out = tmp_path / "out"
    flywheel = Flywheel(shipped("rounds=1"), model, HERE / "solve.toml", [], out)
    flywheel.check_folder()
    made_up_runs(flywheel, {"start": 4, "verified-1": 7, "control-1": 5})
    right = [selection.training_row(name, "verified", tokens, []) for name, tokens in (("t0", 5), ("t1", 6))]
    selection.write_rows(right, out / "data" / "verified-1.jsonl")
    (out / "stages.jsonl").write_text('{"stage": "solve start", "seconds": 1.5}\n')

    results = flywheel.publish()
    assert json.loads((out / "results.json").read_text()) == results
    assert results["held_out_problems"] == 10
    values = {what: e["value"] for what, e in results["differences"]["pass@1"].items()}
    assert values == {"verified - start": 0.3, "control - start": 0.1, "verified - control": 0.2}
    assert results["training"][0] == {
        "arm": "verified",
        "round": 1,
        "rows": 2,
        "completion_tokens": 11,
        "verified": 1.0,
    }
    assert results["training"][1]["rows"] == 2
    with (out / "pass_rates.csv").open() as file:
        rows = {(r["arm"], r["round"], r["domain"], r["k"]): r for r in csv.DictReader(file)}
    assert float(rows["verified", "1", "all", "16"]["pass_rate"]) == 0.7
    assert float(rows["control", "1", "algebra", "1"]["pass_rate"]) == 0.5
    assert rows["verified", "0", "all", "1"]["low"] == rows["control", "0", "all", "1"]["low"]
    ElementTree.parse(out / "pass_rates.svg")
    # Of this machine, only what everybody may read.
    assert str(tmp_path) not in (out / "results.json").read_text()


def test_an_incomplete_measurement_is_refused(tmp_path: Path) -> None:
    rule = json.dumps({**PLAN.to_json(), "estimates": "unbiased"})
    rows = [sample_row("p", 0, "refuted") | {"split": "held_out", "stopping_rule": rule}]
    with pytest.raises(ValueError, match="not sampled to its plan's end"):
        measurement.held_out_stops(write_samples(tmp_path / "run", rows))
    with pytest.raises(ValueError, match="no held-out problem"):
        measurement.held_out_stops(
            write_samples(
                tmp_path / "other", [sample_row("p", 0, "verified") | {"split": "train", "stopping_rule": rule}]
            )
        )


# The chart.


def test_the_chart_shows_every_estimate_in_its_place() -> None:
    up = [Estimate(0.5, 0.45, 0.55), Estimate(0.6, 0.55, 0.65), Estimate(0.7, 0.65, 0.75)]
    flat = [Estimate(0.5, 0.45, 0.55), Estimate(0.5, 0.4, 0.6), Estimate(0.45, 0.35, 0.55)]
    text = chart.svg({"pass@1": {"verified": up, "control": flat}, "pass@16 <&>": {"verified": up, "control": flat}})
    root = ElementTree.fromstring(text)
    space = "{http://www.w3.org/2000/svg}"
    panels = root.findall(f"{space}g")
    assert len(panels) == 2
    dots = panels[0].findall(f"{space}circle")
    assert len(dots) == 6
    heights = [float(dot.attrib["cy"]) for dot in dots]
    # Higher rates stand higher, equal steps are equally far apart, and both arms start at the same height.
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.11) and heights[0] > heights[2]
    assert heights[3] == heights[4] == heights[0] < heights[5]
    assert dots[2][0].text == "verified, round 2: 70.0% [65.0%, 75.0%]"
    view = [float(number) for number in root.attrib["viewBox"].split()]
    assert all(
        0 < float(dot.attrib["cx"]) < view[2] / 2 and 0 < height < view[3]
        for dot, height in zip(dots, heights, strict=True)
    )


def test_a_chart_of_certain_estimates_has_a_scale() -> None:
    ElementTree.fromstring(chart.svg({"pass@1": {"a": [Estimate(1, 1, 1)]}}))
