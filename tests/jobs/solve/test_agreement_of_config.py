"""The tables [agreement] and [selection], and the runs that are refused without the first."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.config import ConfigError, check_config
from jobs.solve.settings import require_agreement, route_settings
from workers.sampling.agreement import AgreementRule
from workers.sampling.registry import make_policy

TABLE: dict[str, Any] = {"run": {"id": "r"}, "problems": {"files": ["p.jsonl"]}, "model": {"path": "m"}}


def config_of(**tables: Any) -> Any:
    return check_config({**TABLE, **tables}, "test")


@pytest.mark.parametrize("policy", ["until_verified", "adaptive"])
def test_a_policy_that_stops_at_solutions_needs_the_table(policy: str) -> None:
    config = config_of(sampling={"policy": policy})
    with pytest.raises(ConfigError, match=rf"{policy} stops at verified .* the 3 problems .* \[agreement\]"):
        require_agreement(config, 3)
    require_agreement(config, 0)
    require_agreement(config_of(sampling={"policy": policy}, agreement={}), 3)
    require_agreement(config_of(), 3)


def test_a_stage_of_a_cascade_needs_it_too() -> None:
    models = {name: {"path": name} for name in ("small", "large")}
    stages = [{"model": "small", "samples": 4}, {"model": "large", "samples": 2, "policy": "until_verified"}]
    table = {key: value for key, value in TABLE.items() if key != "model"}
    config = check_config({**table, "models": models, "cascade": {"stages": stages}}, "test")
    with pytest.raises(ConfigError, match=r"\[agreement\]"):
        require_agreement(config, 1)


def test_every_stage_gets_the_rule() -> None:
    config = config_of(sampling={"policy": "until_verified", "num_samples": 64}, agreement={"alpha": 0.01})
    (stage,) = route_settings(config)[0].stages
    policy = make_policy(stage.sampling)
    assert policy.agreement == AgreementRule(0.01, 4, 32)
    assert policy.plan_of("d", keyless=True).agreement == AgreementRule(0.01, 4, 32)
    assert policy.plan_of("d").agreement is None, "a problem with a key is not ended by agreement"


def test_what_cannot_be_is_refused_by_key() -> None:
    for table, key in (({"alpha": 1.0}, "agreement.alpha"), ({"min_samples": 0}, "agreement.min_samples")):
        with pytest.raises(ConfigError, match=key):
            config_of(agreement=table)
    with pytest.raises(ConfigError, match=r"selection\.methods"):
        config_of(selection={"methods": ["oracle"]})
