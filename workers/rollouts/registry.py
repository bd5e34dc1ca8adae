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
    able to do for it. `follows` says that it answers an earlier attempt: the coordinator chooses it for that, and a
    config cannot."""

    target: str
    needs: frozenset[Ability] = frozenset()
    follows: bool = False


ROLLOUTS: Registry[RolloutRow] = Registry(
    "rollout",
    {
        "single": RolloutRow("workers.rollouts.single:Single", frozenset({Ability.MESSAGES})),
        "repair": RolloutRow("workers.rollouts.repair:Repair", frozenset({Ability.MESSAGES}), follows=True),
    },
)


def check_first_rollout(name: str) -> None:
    """Raises ValueError for a rollout that cannot draw the first attempt at a problem. The text is for the user."""
    if not ROLLOUTS.row(name).follows:
        return
    known = ", ".join(known for known in ROLLOUTS if not ROLLOUTS.row(known).follows)
    raise ValueError(
        f"{name!r} answers an attempt that failed and cannot draw the first one; sampling.repair.rounds asks for it. "
        f"Known here: {known}"
    )


@functools.cache  # asked once per sample; a name keeps its row
def rollout_class(name: str) -> type[Rollout]:
    """Raises UnknownNameError."""
    found: type[Rollout] = load(ROLLOUTS.row(name).target)
    return found


def rollout_name(chosen: str, parent: Parent | None) -> str:
    """Which rollout draws a sample: `repair` for one that answers an earlier attempt, else the config's choice."""
    return "repair" if parent is not None else chosen
