"""examples/real_model: its problems are right, and a pretrained model goes the whole path, with 16 samples."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import sympy

from examples.real_model import cascade
from examples.real_model.make_model import make_model
from examples.real_model.make_problems import COUNT, FORMS, SEED, problems
from examples.real_model.verdicts import rows_of
from jobs.config import load_config
from jobs.problems.examples import read_examples
from jobs.solve.command import check_problem_set

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "examples" / "real_model"
PROBLEMS = FOLDER / "cascade_problems.jsonl"
MODEL = ROOT / ".venv" / "real_model" / "SmolLM2-135M-Instruct"


def test_the_file_is_what_its_program_writes() -> None:
    written = [json.loads(line) for line in (FOLDER / "problems.jsonl").read_text(encoding="utf-8").splitlines()]
    assert written == list(problems(COUNT, SEED))
    assert len({row["question"] for row in written}) == COUNT


@pytest.mark.parametrize("form", FORMS)
def test_worked_steps_lead_to_the_answer(form) -> None:  # type: ignore[no-untyped-def]
    for seed in range(50):
        _, steps, answer = form(random.Random(seed))
        assert answer > 0
        values = []
        for step in steps:
            formula = re.findall(r"\d+(?: [-+*/] \d+)+", step)[-1]
            value = int(sympy.sympify(formula))
            stated = re.search(re.escape(formula) + r" = (\d+)", step)
            assert stated is None or int(stated[1]) == value
            values.append(value)
        assert values[-1] == answer


def test_packages_without_the_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"locks/real_model\.txt"):
        make_model(tmp_path, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_the_cascade_leads_to_the_endpoint_and_its_examples_are_none_of_its_problems() -> None:
    config = load_config(FOLDER / "cascade.toml", ["problems.files=" + json.dumps([str(PROBLEMS)])])
    assert [stage.model for route in config.route_table() for stage in route.stages] == ["small", "large"]
    large = config.pools()["large"]
    assert large.model.is_remote
    assert large.model.is_loopback
    problems = check_problem_set(config)
    assert problems.num_problems == 12
    asked = {json.loads(line)["prompt"] for line in PROBLEMS.read_text(encoding="utf-8").splitlines()}
    shown = read_examples(str(FOLDER / "cascade_examples.jsonl"))
    assert not asked & {example.prompt for example in shown}


def test_the_cascade_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["cascade", str(tmp_path), str(FOLDER / "cascade.toml")])
    with pytest.raises(SystemExit, match="no model is there; `make real-cascade` fetches it"):
        cascade.main()


@pytest.mark.ray
@pytest.mark.timeout(900)
def test_the_whole_path(tmp_path: Path) -> None:
    assert (MODEL / "config.json").is_file(), (
        "`make test` makes the model: make .venv/real_model/SmolLM2-135M-Instruct/config.json"
    )
    settings = {"problems.limit": 4, "sampling.num_samples": 4, "sampling.max_tokens": 128, "output.uri": tmp_path}
    more = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "jobs.cli", "solve", str(FOLDER / "solve.toml"), *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = rows_of(f"{tmp_path}/runs/real_model")
    assert sum(row.count for row in rows) == 16
    assert {row.status for row in rows} <= {"verified", "refuted", "malformed", "undecided"}
    # The model writes English sentences and not the marks of a broken template or tokenizer.
    assert all("<|im" not in row.example for row in rows)
    assert any(re.search(r"\b(?:the|is|of|has)\b", row.example) for row in rows)
