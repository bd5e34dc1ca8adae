"""Which policies can have problems without an answer key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jobs.config import ConfigError, SolveConfig, check_config
from jobs.problems.load import ProblemSetSummary
from jobs.solve.keyless import check_policies

MODEL = Path(__file__).resolve().parents[3] / "models" / "tiny_reasoner"


def summary(**keyless: int) -> ProblemSetSummary:
    return ProblemSetSummary(9, {"math": 9}, {}, "", (), keyless={name.strip("_"): n for name, n in keyless.items()})


def config_of(**more: Any) -> SolveConfig:
    found = check_config(
        {"run": {"id": "r"}, "problems": {"files": ["p.jsonl"]}, "output": {"uri": "out"}, **more}, "test"
    )
    assert isinstance(found, SolveConfig)
    return found


def one_model(policy: str, **more: Any) -> SolveConfig:
    return config_of(model={"path": str(MODEL)}, sampling={"policy": policy, "num_samples": 8}, **more)


@pytest.mark.parametrize("policy", ["until_verified", "adaptive"])
def test_a_policy_that_waits_for_proofs_is_refused_for_problems_without_a_key_only(policy: str) -> None:
    check_policies(one_model(policy), summary())
    check_policies(one_model("fixed"), summary(_=3))
    check_policies(one_model(policy, agreement={}), summary(_=3))
    with pytest.raises(ConfigError, match=rf"^sampling.policy = {policy}: .* 3 problems have no answer key"):
        check_policies(one_model(policy), summary(_=3))


def test_only_the_ways_that_such_problems_take_count() -> None:
    waits = {"policy": "until_verified", "num_samples": 8}
    models = {"plain": {"path": str(MODEL)}, "waits": {"path": str(MODEL), "sampling": waits}}
    config = config_of(
        models=models,
        routes=[{"when": {"kind": "code"}, "use": "waits"}],
        default_route="plain",
        sampling={"policy": "fixed", "num_samples": 4},
    )
    check_policies(config, summary(plain=3))
    with pytest.raises(ConfigError, match=r"^models.waits.sampling.policy = until_verified: .* 2 problems"):
        check_policies(config, summary(plain=3, waits=2))


@pytest.mark.parametrize("place", ["model", "stage"])
def test_a_later_stage_of_a_cascade_counts_too(place: str) -> None:
    waits = {"policy": "until_verified"}
    large = {"path": "large", **({"sampling": waits} if place == "model" else {})}
    stages = [{"model": "small", "samples": 2}, {"model": "large", "samples": 2, **(waits if place == "stage" else {})}]
    config = config_of(models={"small": {"path": str(MODEL)}, "large": large}, cascade={"stages": stages})
    check_policies(config, summary())
    with pytest.raises(ConfigError, match=r"^models.large.sampling.policy"):
        check_policies(config, summary(_=1))
