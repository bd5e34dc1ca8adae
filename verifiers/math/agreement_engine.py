"""Compares final answers of math problems in processes that can be killed (see verifiers.math.agreement)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from verifiers.partition import Relations, partition
from verifiers.processes.pool import End, Pool, PoolError
from verifiers.types import Json, Problem

TARGET = "verifiers.math.agreement:work"
SYMBOLIC_TARGET = "verifiers.math.symbolic.worker:judge_pair"
ALL_S = 5.0
"""Seconds that the answers of one problem get together, before each gets its own."""
EACH_S = 1.0
"""Seconds that the comparison of one answer with others gets."""
SYMBOLIC_PAIR_S = 2.0
"""Seconds that the symbolic engine gets for one pair."""
SYMBOLIC_ALL_S = 4.0
"""Seconds after which it is asked about no further pair of one call."""
MEMORY_MB = 512
SYMBOLIC_MEMORY_MB = 1024


class MathAgreement:
    """See verifiers.agreement.Engine."""

    def __init__(self, num_workers: int = 1, settings: Mapping[str, Json] | None = None) -> None:
        del settings
        self._pool = Pool(TARGET, num_workers)
        self._symbolic = Pool(SYMBOLIC_TARGET)
        """Starts, and imports sympy, when a pair stays open for the first time."""

    def pairs(self, problem: Problem, answers: Sequence[str], pairs: Sequence[tuple[int, int]]) -> list[bool | None]:
        used = sorted({place for pair in pairs for place in pair})
        renumbered = {place: number for number, place in enumerate(used)}
        asked = [[renumbered[one], renumbered[other]] for one, other in pairs]
        found = self._call(problem, [answers[place] for place in used], asked, EACH_S) if pairs else None
        if found is None and len(pairs) > 1:
            # One of the answers keeps the engine busy. The others are compared without it.
            return [relation for pair in pairs for relation in self.pairs(problem, answers, [pair])]
        return list(found["relations"]) if found else [None] * len(pairs)

    def classes(self, problem: Problem, answers: Sequence[str]) -> Relations:
        found = self._call(problem, answers, None, ALL_S)
        if found is not None:
            return Relations(found["founders"], [(one, other) for one, other in found["apart"]])
        known: dict[tuple[int, int], bool | None] = {}

        def same(one: int, other: int) -> bool | None:
            if (one, other) not in known:
                known[one, other] = self.pairs(problem, answers, [(one, other)])[0]
            return known[one, other]

        return partition(len(answers), same)

    def close(self) -> None:
        self._pool.close()
        self._symbolic.close()

    def _call(self, problem: Problem, answers: Sequence[str], pairs: Json, wall_s: float) -> dict[str, Json] | None:
        """What the worker says; None where it did not end in time, or failed."""
        payload = {"answers": list(answers), "type": problem.reference.get("type"), "pairs": pairs}
        try:
            outcome = self._pool.call(payload, wall_s, wall_s, MEMORY_MB)
            if outcome.end is not End.DONE:
                return None
            first: dict[str, Json] = outcome.value
            if not (known := self._second_opinion(first["open"])):
                return first
            outcome = self._pool.call({**payload, "known": known}, wall_s, wall_s, MEMORY_MB)
        except PoolError:
            return None
        return outcome.value if outcome.end is End.DONE else first

    def _second_opinion(self, pairs: Json) -> list[Json]:
        """What the symbolic engine says of the pairs that the exact one left open."""
        known: list[Json] = []
        began = time.monotonic()
        for pair in pairs:
            if time.monotonic() - began > SYMBOLIC_ALL_S:
                break
            found = self._symbolic.call({"pair": pair}, SYMBOLIC_PAIR_S, SYMBOLIC_PAIR_S, SYMBOLIC_MEMORY_MB)
            if found.end is End.DONE and found.value is not None:
                known.append([*pair, found.value])
        return known
