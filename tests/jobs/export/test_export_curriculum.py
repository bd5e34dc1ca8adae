"""Selection by pass rate and length of thought, and the columns that people filter by."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from made_up_runs import problem, reasoning, sample, write_run

from jobs.config import ConfigError
from jobs.export import command
from jobs.export.pipeline import export
from jobs.export.settings import load_settings

Json = Any


def call(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return command.run(parser.parse_args(arguments))


def rows_of(out: Path) -> list[dict[str, Json]]:
    return list(pq.read_table(out / "data" / "train.parquet").to_pylist())


def run_of(folder: Path, rights: dict[str, int], run_id: str = "run-a", **over: Json) -> str:
    """A run in which each problem has so many of ten samples right."""
    rows = [
        sample(name, at, run_id=run_id, status="verified" if at < right else "refuted", **over)
        for name, right in rights.items()
        for at in range(10)
    ]
    return write_run(folder, rows)


def test_the_curriculum_in_one_command(tmp_path: Path) -> None:
    """Long thoughts at problems that a reference model seldom solves, whatever the teacher's own pass rate."""
    long_, short = ({"thought_tokens": count} for count in (6000, 4999))
    rows = [
        sample(
            name,
            at,
            **(short if at == 2 else long_),
            text=f"<think>{reasoning(at + 3, '1')}</think>{reasoning(at + 13, '2')}",
        )
        for name in ("hard", "easy", "unknown")
        for at in range(3)
    ]
    teacher = write_run(tmp_path / "teacher", [*rows, sample("hard", 3, thought_tokens=None)])
    reference = run_of(tmp_path / "reference", {"hard": 2, "easy": 3}, "run-b")
    flags = ["--min-thought-tokens", "5000", "--max-pass-rate", "0.25", "--rates-from", reference, "--processes", "1"]
    assert call("sft", "--run", teacher, "--out", str(tmp_path / "out"), *flags, "--per-problem", "9") == 0
    kept = rows_of(tmp_path / "out")
    assert [row["id"] for row in kept] == ["run-a/hard/0", "run-a/hard/1"]
    assert all((row["pass_rate"], row["pass_rate_low"], row["pass_rate_high"]) == (0.2, 0.0, 0.4) for row in kept)
    funnel = json.loads((tmp_path / "out" / "export.json").read_text())["funnel"]
    assert funnel == {"exported": 2, "thought_too_short": 2, "pass_rate_not_selected": 3, "no_pass_rate": 3}
    card = (tmp_path / "out" / "README.md").read_text()
    assert "Pass rates are those of `reference`" in card and str(tmp_path) not in card


def test_a_pool_under_the_current_checkpoint(tmp_path: Path) -> None:
    pool = run_of(tmp_path / "pool", dict.fromkeys(("never", "seldom", "often", "always"), 5))
    checkpoint = run_of(tmp_path / "checkpoint", {"never": 0, "seldom": 1, "often": 9, "always": 10}, "run-b")
    samples = [sample("rare", at, run_id="run-c", status="refuted") for at in range(40)]
    rare = write_run(tmp_path / "rare", samples, problems=[problem(samples, pass_rate=1 / 40)])
    more = run_of(tmp_path / "more", {"rare": 5}, "run-d")
    flags = ["--rates-from", checkpoint, "--rates-from", rare, "--processes", "1"]
    command = ["rl", "--run", pool, "--run", more, *flags]
    assert call(*command, "--out", str(tmp_path / "out"), "--mixed") == 0
    rates = {row["problem_id"]: row["pass_rate"] for row in rows_of(tmp_path / "out")}
    assert rates == {"seldom": 0.1, "often": 0.9, "rare": 1 / 40}
    assert call(*command, "--out", str(tmp_path / "half"), "--mixed", "--max-pass-rate", "0.5") == 0
    assert {row["problem_id"] for row in rows_of(tmp_path / "half")} == {"seldom", "rare"}
    # Without it the band alone decides, both ends included.
    assert call(*command, "--out", str(tmp_path / "all"), "--min-pass-rate", "0", "--max-pass-rate", "1") == 0
    assert len(rows_of(tmp_path / "all")) == 5


def test_a_run_without_pass_rates_cannot_be_selected_by_them(tmp_path: Path) -> None:
    run = run_of(tmp_path / "run", {"p": 5})
    (tmp_path / "run" / "problems.parquet").unlink()
    with pytest.raises(ConfigError, match=r"no problems\.parquet"):
        export(
            load_settings("sft", None, ["work.processes=1", "select.max_pass_rate=0.5"]), [run], str(tmp_path / "out")
        )
    export(load_settings("sft", None, ["work.processes=1"]), [run], str(tmp_path / "out"))
    assert {row["pass_rate"] for row in rows_of(tmp_path / "out")} == {None}


@pytest.mark.parametrize(
    ("format", "override", "message"),
    [
        ("rl", "select.max_pass_rate=0.5", "rl.low and rl.high"),
        ("rl", "select.min_thought_tokens=5", "looks at no thought"),
        ("sft", "select.min_pass_rate=0.9,select.max_pass_rate=0.1", "above select.max_pass_rate"),
    ],
)
def test_bounds_that_say_nothing_are_faults(format: str, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(format, None, override.split(","))


@pytest.mark.parametrize("format", ["sft", "kto", "preference"])
def test_the_columns_that_people_filter_by(tmp_path: Path, format: str) -> None:
    rows = [
        sample(
            "p",
            at,
            status=status,
            extracted_answer="1234567",
            sampling=json.dumps({"temperature": 0.6, "top_p": 0.95}),
            checker_version="7",
        )
        for at, status in enumerate(["verified", "refuted"])
    ]
    out = tmp_path / "out"
    export(load_settings(format, None, ["work.processes=1"]), [write_run(tmp_path / "run", rows)], str(out))
    for row in rows_of(out):
        assert json.loads(row["reference"]) == {"answer": "1234567"} and row["expected_answer"] == "1234567"
        assert (row["extracted_answer"], row["temperature"]) == ("1234567", 0.6)
        assert (row["checker"], row["checker_version"]) == ("math", "7")
        assert (row["pass_rate"], row["pass_rate_low"], row["pass_rate_high"]) == (0.5, 0.3, 0.7)


THOUGHT, ANSWER = reasoning(1, "5"), reasoning(2, "1234567")


@pytest.mark.parametrize(
    ("text", "thought", "answer"),
    [
        (f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}", THOUGHT, ANSWER),
        (f"{THOUGHT}\n</think>\n\n{ANSWER}", THOUGHT, ANSWER),  # the prompt opened it
        (f"[THINK]{THOUGHT}[/THINK]{ANSWER}", THOUGHT, ANSWER),
        (
            f"<|channel|>analysis<|message|>{THOUGHT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}",
            THOUGHT,
            ANSWER,
        ),
        (ANSWER, None, ANSWER),
        (f"The tag `<think>` opens a thought. {ANSWER}", None, f"The tag `<think>` opens a thought. {ANSWER}"),
    ],
)
def test_thought_and_answer_apart(tmp_path: Path, text: str, thought: str | None, answer: str) -> None:
    run = write_run(tmp_path / "run", [sample("p", 0, text=text)])
    export(load_settings("sft", None, ["work.processes=1"]), [run], str(tmp_path / "out"))
    (row,) = rows_of(tmp_path / "out")
    assert (row["reasoning_content"], row["content"]) == (thought, answer)
    assert row["completion"][0]["content"] == text, "the text itself stays as it was"
