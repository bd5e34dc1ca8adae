"""The tables [agreement] and [selection]. Which runs are refused without the first stands in test_keyless_policies."""

from __future__ import annotations

from typing import Any

import pytest

from jobs.config import ConfigError, check_config
from jobs.solve.settings import route_settings
from workers.sampling.agreement import AgreementRule
from workers.sampling.registry import make_policy

TABLE: dict[str, Any] = {"run": {"id": "r"}, "problems": {"files": ["p.jsonl"]}, "model": {"path": "m"}}


def config_of(**tables: Any) -> Any:
    return check_config({**TABLE, **tables}, "test")


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
