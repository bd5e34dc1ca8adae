"""One miniature round for real: Ray and vLLM sample, checkers verify, both arms are trained, nothing is done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.expert_iteration import selection
from examples.expert_iteration.flywheel import Flywheel, StageError
from examples.expert_iteration.problem_files import held_out_items, round_items, write_problems
from examples.expert_iteration.settings import load_settings

ROOT = Path(__file__).resolve().parents[3]
HERE = ROOT / "examples" / "expert_iteration"
MODEL = ROOT / "models" / "tiny_reasoner"


@pytest.mark.ray
def test_one_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings(
        HERE / "flywheel.toml",
        [
            "rounds=1",
            "training.epochs=1",
            "training.hard_only=false",
            "problems.per_round=24",
            "problems.held_out_per_domain=2",
            'problems.domains=["modular_arithmetic", "polynomials"]',
        ],
    )
    solve = ["sampling.num_samples=8", "sampling.max_tokens=128", "model.max_num_seqs=32"]
    flywheel = Flywheel(settings, MODEL, HERE / "solve.toml", solve, tmp_path)
    held_out, (items,) = held_out_items(settings), list(round_items(settings))
    write_problems(held_out, flywheel.held_out)
    write_problems(items, tmp_path / "problems" / "round_1.jsonl")

    flywheel.sample("start", MODEL, 1)
    data, control = (flywheel.choose(arm, 1) for arm in ("verified", "control"))
    models = [flywheel.train("verified", 1, data), flywheel.train("control", 1, control)]

    rows = selection.read_rows(data)
    asked = {item.problem().id for item in items}
    assert rows and {row["problem_id"] for row in rows} <= asked, "held-out problems must not be trained on"
    unverified = selection.read_rows(control)
    assert [row["problem_id"] for row in unverified] == [row["problem_id"] for row in rows]
    assert any(row["status"] != "verified" for row in unverified), "a control of right samples only is no control"
    weights = [(folder / "model.safetensors").read_bytes() for folder in (MODEL, *models)]
    assert len(set(weights)) == 3

    # Again: everything is there already.
    def refuse(stage: str, *arguments: str) -> None:
        raise StageError(stage, 1)

    monkeypatch.setattr(flywheel, "command", refuse)
    flywheel.sample("start", MODEL, 1)
    assert [flywheel.choose(arm, 1) for arm in ("verified", "control")] == [data, control]
    assert [flywheel.train("verified", 1, data), flywheel.train("control", 1, control)] == models
