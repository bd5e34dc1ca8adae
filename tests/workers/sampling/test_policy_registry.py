"""Policies by name: what a config may say, what a plugin adds, and the bound that the dry-run prints."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator

import pytest

from jobs.config import ConfigError, check_config
from verifiers.registry import UnknownNameError
from workers.sampling.policy import PolicySettings, SampleBound
from workers.sampling.registry import POLICIES, PolicyRow, make_policy, sample_bound
from workers.sampling.until_verified import UntilVerified


def table(**sampling: object) -> dict[str, object]:
    return {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m"}, "sampling": sampling}


class Halving(UntilVerified):
    """A policy with a key of its own."""

    class Settings(PolicySettings):
        pace: int = 2

    name = "halving"

    @classmethod
    def from_settings(cls, settings: Settings) -> Halving:
        return cls(settings.num_samples, wave=settings.pace)

    @classmethod
    def bound(cls, settings: Settings) -> SampleBound:
        return SampleBound(settings.pace, settings.num_samples)


@pytest.fixture
def halving() -> Iterator[None]:
    module = types.ModuleType("halving_plugin")
    module.Halving = Halving  # type: ignore[attr-defined]
    sys.modules["halving_plugin"] = module
    POLICIES.add("halving", PolicyRow("halving_plugin:Halving"))
    yield
    del POLICIES._rows["halving"], sys.modules["halving_plugin"]


def test_an_unknown_policy_is_one_error_that_lists_the_known_ones() -> None:
    known = "unknown sampling policy 'greedy'; known: fixed, until_verified, adaptive"
    with pytest.raises(UnknownNameError, match=known):
        make_policy({"policy": "greedy", "num_samples": 4})
    with pytest.raises(ConfigError, match=f"test: sampling.policy: {known}"):
        check_config(table(policy="greedy"), "test")


def test_keys_of_another_policy_are_kept_and_not_read() -> None:
    config = check_config(table(policy="fixed", wave=2, num_verified=3), "test")
    policy = make_policy(config.sampling.model_dump())
    assert policy.name == "fixed" and policy.num_samples == 8


def test_a_policy_of_a_plugin_has_keys_of_its_own(halving: None) -> None:
    config = check_config(table(policy="halving", num_samples=6, policy_args={"pace": 3}), "test")
    policy = make_policy(config.sampling.model_dump())
    assert isinstance(policy, Halving) and (policy.num_samples, policy.wave) == (6, 3)
    assert sample_bound(config.sampling.model_dump()) == SampleBound(3, 6)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"peace": 3}, r"sampling\.policy_args\.peace: unknown key"),
        ({"pace": "x"}, r"sampling\.policy_args\.pace: Input should be a valid integer"),
        ({"num_samples": 3}, r"sampling\.policy_args: num_samples has a key of its own, sampling\.num_samples"),
    ],
)
def test_keys_of_a_policy_are_checked_before_anything_starts(
    halving: None, arguments: dict[str, object], text: str
) -> None:
    with pytest.raises(ConfigError, match=text):
        check_config(table(policy="halving", policy_args=arguments), "test")


def test_a_policy_without_keys_of_its_own_takes_none() -> None:
    with pytest.raises(ConfigError, match=r"sampling\.policy_args\.patience: unknown key"):
        check_config(table(policy="adaptive", policy_args={"patience": 3}), "test")


@pytest.mark.parametrize(
    ("sampling", "least", "most"),
    [
        ({"policy": "fixed", "num_samples": 16}, 16, 16),
        ({"policy": "until_verified", "num_samples": 16, "num_verified": 2}, 2, 16),
        ({"policy": "until_verified", "num_samples": 4, "num_verified": 9}, 4, 4),
        ({"policy": "adaptive", "num_samples": 500, "num_verified": 40}, 16, 500),
    ],
)
def test_the_bound_of_samples_is_the_policys(sampling: dict[str, object], least: int, most: int) -> None:
    bound = sample_bound(sampling)
    assert (bound.least, bound.most) == (least, most)
