"""Further samples for open problems while engines would stand idle at the end of a run.

A policy that stops at a solution draws in waves, and each wave lasts as long as its longest sample. While other
problems wait, a wave keeps no engine from working. Once all problems have begun, a problem that no sample solves would
hold the whole cluster for its last waves, one after the other. So the waves that follow are drawn at once.

Promises: no estimate changes. The stopping rule is applied in index order, so a problem settles at the index at which
it would have settled anyway, and what lies above it is aborted.
Does not: know engines; the dispatcher says when they stand idle.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from workers.sampling.policy import Policy
from workers.sampling.problem_state import ProblemState


def widened(policy: Policy, states: Iterable[ProblemState], room: int) -> list[tuple[ProblemState, int]]:
    """Issues up to `room` further samples: (problem, index), each to the problem with the fewest in flight."""
    if room <= 0 or not policy.widens:
        return []
    open_now = [(state.num_in_flight, state.number, state) for state in states if policy.num_spare(state)]
    heapq.heapify(open_now)
    issued: list[tuple[ProblemState, int]] = []
    while open_now and len(issued) < room:
        flying, number, state = open_now[0]
        issued += ((state, index) for index in policy.issue(state, 1))
        if policy.num_spare(state):
            heapq.heapreplace(open_now, (flying + 1, number, state))
        else:
            heapq.heappop(open_now)
    return issued
