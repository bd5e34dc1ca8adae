"""The kind `unchecked` of chats without a problem in a batch: every verdict is `unchecked`, since there is nothing to
check a text against. Only the service loads this plugin, for its batches (jobs.service.batches).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from verifiers.kinds import KindRow
from verifiers.types import Json, Limits, Problem, Status, Verdict

KIND = "unchecked"
PLUGIN = "jobs.service.unchecked"


class Unchecked:
    """Checks nothing."""

    name = KIND
    version = "1"
    default_limits = Limits()

    def __init__(self, num_workers: int = 1) -> None:
        pass

    def check_problem(self, problem: Problem) -> str | None:
        return None

    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        used = limits or self.default_limits
        return Verdict(
            Status.UNCHECKED, "a chat without a problem: nothing to check", {}, KIND, self.version, 0.0, used
        )

    def close(self) -> None:
        pass


def check_reference(reference: Mapping[str, Json]) -> None:
    return None


def has_answer_key(reference: Mapping[str, Json]) -> bool:
    return False


def register(tables: Any) -> None:
    tables.kinds.add(KIND, KindRow(f"{PLUGIN}:Unchecked", check_reference, has_answer_key))
