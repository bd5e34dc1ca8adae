"""Chooses which open problem gets the next sample: a heap over the policy's priorities with lazy re-keying.

Promises: `take` hands out the problem with the highest present priority, provided that priorities only fell since the
problems were pushed (push again after a verdict, which may raise one); a settled problem is never handed out; the heap
holds at most about two entries per problem. Speed: benchmarks/policies.py.
Does not: keep problems alive or know which worker draws what.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable

from workers.sampling.policy import Policy
from workers.sampling.problem_state import ProblemState

_SLACK = 64
"""Number of dead entries, beyond one per live entry, above which the heap is rebuilt."""


class PriorityQueue:
    """Problems that may want samples. Not thread-safe."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._heap: list[tuple[float, int, ProblemState]] = []
        self._tie = itertools.count()
        self._live = 0
        self._refits = policy.refits

    def __len__(self) -> int:
        """Number of problems queued."""
        return self._live

    def wants(self) -> bool:
        """True if some problem wants a sample now. Drops problems at the front that want none."""
        while self._heap:
            key, _, state = self._heap[0]
            if state.queued == key:
                if self._policy.next_samples(state, 1):
                    return True
                self._drop(state)
            heapq.heappop(self._heap)
        return False

    def push(self, state: ProblemState) -> None:
        """Queues a problem, or moves it up if its priority rose. Cheap, and harmless where it wants no sample."""
        if not self._policy.next_samples(state, 1):
            return
        key = -self._policy.priority(state)
        if state.queued is not None:
            if key >= state.queued:
                return  # the priority fell or stayed; `take` notices when the entry reaches the top
        else:
            self._live += 1
        self._put(state, key)
        if len(self._heap) > 2 * self._live + _SLACK:
            self._heap = [entry for entry in self._heap if entry[2].queued == entry[0]]
            heapq.heapify(self._heap)

    def take(
        self, room: int, limit: Callable[[ProblemState, int], int] | None = None
    ) -> list[tuple[ProblemState, int]]:
        """Issues up to `room` samples: (problem, index) in order of priority. `limit` says how many of those that
        a problem is about to get it may have; it is passed over at 0, and keeps its place."""
        passed: list[tuple[float, int, ProblemState]] = []
        taken: list[tuple[ProblemState, int]] = []
        policy = self._policy
        if policy.refits != self._refits:
            self._refits = policy.refits
            self._rekey()
        while self._heap and len(taken) < room:
            entry = heapq.heappop(self._heap)
            key, _, state = entry
            if state.queued != key:
                continue
            wanted = policy.next_samples(state, room - len(taken))
            if not wanted:
                self._drop(state)
                continue
            current = -policy.priority(state)
            if current > key and self._heap and current > self._heap[0][0]:
                self._put(state, current)
                continue
            wanted = min(wanted, policy.stride)
            if limit is not None and not (wanted := limit(state, wanted)):
                passed.append(entry)
                continue
            taken.extend((state, index) for index in policy.issue(state, wanted))
            if policy.next_samples(state, 1):
                self._put(state, -policy.priority(state))
            else:
                self._drop(state)
        for entry in passed:
            heapq.heappush(self._heap, entry)
        return taken

    def _rekey(self) -> None:
        """Orders the whole heap anew, in time linear in the number of queued problems."""
        live = {entry[2].number: entry[2] for entry in self._heap if entry[2].queued == entry[0]}
        self._heap.clear()
        for state in live.values():
            self._put(state, -self._policy.priority(state))

    def _put(self, state: ProblemState, key: float) -> None:
        state.queued = key
        heapq.heappush(self._heap, (key, next(self._tie), state))

    def _drop(self, state: ProblemState) -> None:
        state.queued = None
        self._live -= 1
