"""Finds where the answer of a sample belongs among the clusters of its problem, inside a verifier.

Rows of one problem are often checked together, before the coordinator has heard of the first. So the clusters that this
process found are remembered for a while, beside those that requests name.

Promises: never raises; the answers of one problem are placed one after the other, so that equal ones find each other.
Bounds: MAX_PROBLEMS problems are remembered, each with the representatives that a request may carry.
"""

from __future__ import annotations

import collections
import logging
import threading

from verifiers.agreement import MAX_REPRESENTATIVES, Agreement, fits
from verifiers.types import Problem
from workers.messages import SampleKey
from workers.sampling.votes import NOWHERE, Known, Placed

MAX_PROBLEMS = 256
log = logging.getLogger("proofmill.verifier")


class _Found:
    """The clusters of one problem's stage that this process began."""

    __slots__ = ("answers", "lock")

    def __init__(self) -> None:
        self.answers: dict[int, str] = {}
        self.lock = threading.Lock()


class Placer:
    """Thread-safe."""

    def __init__(self, agreement: Agreement) -> None:
        self._agreement = agreement
        self._found: collections.OrderedDict[tuple[int, int], _Found] = collections.OrderedDict()
        self._lock = threading.Lock()

    def place(self, key: SampleKey, problem: Problem, answer: str, known: Known) -> Placed:
        """Where the answer of sample `key` belongs."""
        found = self._of(key[0], known.start)
        with found.lock:
            try:
                return self._place(key[1] - known.start, problem, answer, known, found)
            except Exception:  # it costs this answer its vote, and not the sample its verdict
                log.exception("the answers to problem %s could not be compared", problem.id)
                return NOWHERE

    def close(self) -> None:
        self._agreement.close()

    def _of(self, number: int, start: int) -> _Found:
        with self._lock:
            found = self._found.setdefault((number, start), _Found())
            self._found.move_to_end((number, start))
            if len(self._found) > MAX_PROBLEMS:
                self._found.popitem(last=False)
            return found

    def _place(self, index: int, problem: Problem, answer: str, known: Known, found: _Found) -> Placed:
        told = {name: text.decode("utf-8", "surrogatepass") for name, text in known.representatives}
        clusters = sorted({**found.answers, **told}.items())[:MAX_REPRESENTATIVES]
        names = [name for name, _ in clusters]
        placement = self._agreement.place(problem, answer, clusters)
        if not placement.readable or not fits(answer):
            return NOWHERE
        compared = []
        if unmet := [pair for pair in known.unmet if pair[0] in told and pair[1] in told]:
            places = [(names.index(one), names.index(other)) for one, other in unmet if {one, other} <= set(names)]
            relations = self._agreement.compare(problem, [text for _, text in clusters], places)
            compared = [(names[one], names[other], same) for (one, other), same in zip(places, relations, strict=True)]
        if not placement.equal:
            # One that names a cluster already was drawn again, and says something else now.
            if index in names or len(clusters) >= MAX_REPRESENTATIVES:
                return NOWHERE._replace(compared=tuple(compared))
            found.answers[index] = answer
            unsure = set(names) - set(placement.apart) - {index}
            compared += [(index, name, None) for name in sorted(unsure)]
        return Placed(answer.encode("utf-8", "surrogatepass"), placement.equal, placement.apart, tuple(compared))
