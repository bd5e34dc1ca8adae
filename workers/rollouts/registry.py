"""The rollouts by name. A new one costs one file and one row."""

from __future__ import annotations

import functools
from typing import NamedTuple

from verifiers.registry import Registry, load
from workers.engines.base import Ability
from workers.messages import Parent
from workers.rollouts.base import Rollout


class RolloutRow(NamedTuple):
    """`target` names the workers.rollouts.base.Rollout, as `package.module:name`; `needs` is what an engine must be
    able to do for it."""

    target: str
    needs: frozenset[Ability] = frozenset()


ROLLOUTS: Registry[RolloutRow] = Registry(
    "rollout",
    {
        "single": RolloutRow("workers.rollouts.single:Single", frozenset({Ability.MESSAGES})),
        "repair": RolloutRow("workers.rollouts.repair:Repair", frozenset({Ability.MESSAGES})),
    },
)


@functools.cache  # asked once per sample; a name keeps its row
def rollout_class(name: str) -> type[Rollout]:
    """Raises UnknownNameError."""
    found: type[Rollout] = load(ROLLOUTS.row(name).target)
    return found


def rollout_name(parent: Parent | None) -> str:
    """Which rollout draws a sample: `repair` for one that answers an earlier attempt, else `single`."""
    return "repair" if parent is not None else "single"
