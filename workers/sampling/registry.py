"""The sampling policies by name. A new one costs one file and one row.

The class that a row names is a workers.sampling.policy.Policy; its `Settings` are the keys of `[sampling]` that it
reads, and its own further keys stand in `sampling.policy_args`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from verifiers.registry import Registry, load
from workers.sampling.agreement import AgreementRule
from workers.sampling.policy import Policy, PolicySettings, SampleBound


class PolicyRow(NamedTuple):
    """`target` names the class, as `package.module:name`; its module is imported when the policy is used."""

    target: str


POLICIES: Registry[PolicyRow] = Registry(
    "sampling policy",
    {
        "fixed": PolicyRow("workers.sampling.fixed:Fixed"),
        "until_verified": PolicyRow("workers.sampling.until_verified:UntilVerified"),
        "adaptive": PolicyRow("workers.sampling.adaptive:Adaptive"),
    },
)


def policy_class(name: str) -> type[Policy]:
    """Raises UnknownNameError."""
    found: type[Policy] = load(POLICIES.row(name).target)
    return found


def policy_settings(sampling: Mapping[str, Any]) -> tuple[type[Policy], PolicySettings]:
    """The class and its settings from the fields of the config's `[sampling]`. Keys that the policy does not know are
    ignored, since a config may keep them for another policy. Raises UnknownNameError, and pydantic.ValidationError for
    a value out of range."""
    chosen = policy_class(sampling.get("policy", "fixed"))
    known = {key: value for key, value in sampling.items() if key in chosen.Settings.model_fields}
    return chosen, chosen.Settings.model_validate({**known, **sampling.get("policy_args", {})})


def make_policy(sampling: Mapping[str, Any]) -> Policy:
    """The policy that the fields of `[sampling]` describe, with those of `[agreement]` under `agreement`. Raises what
    `policy_settings` raises."""
    chosen, settings = policy_settings(sampling)
    policy = chosen.from_settings(settings)
    if agreement := sampling.get("agreement"):
        policy.agreement = AgreementRule.from_json(agreement)
    policy.num_variants = max(1, len(sampling.get("variants", ())))
    return policy


def sample_bound(sampling: Mapping[str, Any]) -> SampleBound:
    """How many samples one problem can get, repair rounds aside; raises what `policy_settings` raises."""
    chosen, settings = policy_settings(sampling)
    return chosen.bound(settings)
