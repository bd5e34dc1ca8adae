"""The plan of a run with several models, as `--dry-run` prints it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from jobs.config import ConfigError, SolveConfig, check_config
from jobs.problems.load import ProblemSetSummary, check_problems
from jobs.solve.command import route_name
from jobs.solve.expectations import Range, expect
from jobs.solve.plan import Where
from jobs.solve.run_plan import plan_whole_run

TEXT = """
default_route = "ladder"
audit = 0.05
[run]
id = "r"
[problems]
files = ["p.jsonl"]
[models.small]
preset = "vibethinker-3b"
[models.small.resources]
replicas = 4
[models.large]
preset = "qwen3.6-27b"
[models.large.sampling]
max_tokens = 8192
[sampling]
max_tokens = 4096
[[routes]]
when = {kind = "math", meta = {level = [1, 2]}}
use = "small"
[cascades.ladder]
stages = [{model = "small", samples = 16, policy = "until_verified"}, {model = "large", samples = 3}]
"""
PROBLEMS = ProblemSetSummary(1000, {"math": 1000}, {}, "ab" * 32, (), by_route={"small": 300, "ladder": 700})


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ConfigError("model.path = 'x': not here")

    monkeypatch.setattr("jobs.solve.plan.read_model_config", refuse)


def config(text: str = TEXT) -> SolveConfig:
    return check_config(tomllib.loads(text), "run.toml")


def planned(hardware: str, text: str = TEXT) -> str:
    plan = plan_whole_run(config(text), Where(named=hardware, from_shape=True))
    return plan.describe(config(text), PROBLEMS)


def test_the_plan_shows_all_pools_their_ways_and_what_each_stage_may_draw() -> None:
    text = planned("8xH100")
    for line in (
        *("pool small: WeiboAI/VibeThinker-3B", "pool large: Qwen/Qwen3.6-27B", "side by side: small, large"),
        "  node0: 4 replicas of small, 1 replica of large, 1 verifier",
        "route ladder (the default): 700 of 1,000 problems",
        "  stage 0, small: 700 problems; policy until_verified, 700 to 11,200 samples of at most 4,096 tokens each; a "
        "problem stops at 1 verified",
        "    at most 45,875,200 tokens, GPU-hours and dollars: --pilot measures them",
        "  stage 1, large: 0 to 700 problems, those that the stages before left unsolved; policy fixed, 0 to 2,100 "
        "samples of at most 8,192 tokens each",
        "route small: 300 of 1,000 problems",
        "  small: 300 problems; policy fixed, 2,400 samples of at most 4,096 tokens each",
        "audit: about 5.0% of the problems go through every stage, whatever the first gave",
    ):
        assert line in text.splitlines(), line
    assert "max_tokens 8,192 (the config file)" in text and "top_p 0.95, top_k 20 (the preset qwen3.6-27b)" in text


def test_pools_that_do_not_fit_side_by_side_take_turns_and_one_that_fits_nowhere_is_refused() -> None:
    assert "taking turns: small, then large" in planned("4xH100")
    with pytest.raises(ConfigError) as raised:
        planned("1xL4", TEXT.replace("replicas = 4", "replicas = 1"))
    text = str(raised.value)
    assert text.startswith("models.large alone beside the verifiers: the plan does not fit")
    assert "--set models.large." in text and "--set model." not in text


def test_the_model_of_a_pool_is_looked_for_under_its_own_key() -> None:
    with pytest.raises(ConfigError, match=r"models\.small\.path = 'x': not here"):
        plan_whole_run(config(), Where(named="8xH100"))


def test_repair_rounds_and_contexts_count_in_what_a_stage_may_draw() -> None:
    repaired = config(TEXT.replace("[sampling]\nmax_tokens = 4096", "[sampling]\nmax_tokens = 0\nrepair.rounds = 1"))
    ladder = repaired.route_table()[0]
    plan = plan_whole_run(repaired, Where(named="8xH100", from_shape=True))
    first, second = expect(repaired, ladder, 10, plan.plans)
    assert (first.samples, second.samples) == (Range(10, 320), Range(0, 60))
    assert (first.longest, second.longest) == (131_072, 8192), "as much as the context allows"


def test_problems_are_counted_by_the_way_they_take(tmp_path: Path) -> None:
    row = '{"id": "p%d", "kind": "math", "prompt": "1+1?", "reference": {"answer": "2"}, "meta": {"level": %d}}\n'
    (tmp_path / "p.jsonl").write_text("".join(row % (number, number) for number in range(5)))
    found = config(TEXT.replace("p.jsonl", str(tmp_path / "p.jsonl")))
    summary = check_problems(found.problems, route_of=route_name(found))
    assert summary.by_route == {"small": 2, "ladder": 3}
