"""A twentieth of the example's cascade for real: two vLLM engines, the verifiers, and the account of what came."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.families import results
from examples.families.measure import CASCADE, HERE, Measurement, StageError, problem_ids
from examples.families.recipe import load_recipe
from examples.families.settings import load_settings, scaled


@pytest.mark.ray
def test_a_twentieth_of_the_cascade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = scaled(load_settings(), 0.05)
    measurement = Measurement(settings, load_recipe(), HERE / "checkpoints", tmp_path)
    (seed,) = settings.cascade_seeds
    problems, paths = measurement.problem_files()[seed], measurement.paths(measurement.stage_models())
    measurement.solve(CASCADE, "cascade.toml", [problems], paths)

    account = measurement.account(CASCADE, *measurement.stage_models())
    asked = set(problem_ids(problems))
    assert account.problems.keys() == asked and len(asked) == 3 * settings.cascade_per_field
    first, second = measurement.stage_models()
    reached, solved = ({name: own[key] for name, own in account.by_pool.items()} for key in ("reached", "solved"))
    assert reached[first] == len(asked)
    assert reached[second] == len(asked) - solved[first], "the second stage opens for what the first left unsolved"
    assert solved[first] > 0 and sum(solved.values()) == len(account.solved)
    assert account.cost > 0 and results.compared(account, account)["kept"]["value"] == 1

    def refuse(*arguments: object, **named: object) -> None:
        raise StageError("again", 1)

    monkeypatch.setattr("subprocess.run", refuse)
    measurement.solve(CASCADE, "cascade.toml", [problems], paths)  # complete: nothing is run again
