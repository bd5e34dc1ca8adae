"""What the service counts. `RayMetrics` reports through ray.util.metrics, which every node exposes for Prometheus.

docs/grafana/proofmill.json plots them. Names carry the prefix `ray_` there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Protocol


class Metrics(Protocol):
    def verdicts(self, given: Sequence[tuple[str, str, float]]) -> None:
        """Kind, status and seconds of each."""

    def request(self, route: str, status: int, seconds: float) -> None: ...
    def pending(self, num_items: int) -> None: ...
    def lost(self) -> None: ...
    def generator_lost(self) -> None: ...
    def sample(self, completion_tokens: int, seconds: float) -> None: ...
    def sampling(self, num_running: int, capacity: int) -> None: ...
    def solved(self, verified: bool, cost_usd: float) -> None: ...


class NoMetrics:
    def verdicts(self, given: Sequence[tuple[str, str, float]]) -> None:
        pass

    def request(self, route: str, status: int, seconds: float) -> None:
        pass

    def pending(self, num_items: int) -> None:
        pass

    def lost(self) -> None:
        pass

    def generator_lost(self) -> None:
        pass

    def sample(self, completion_tokens: int, seconds: float) -> None:
        pass

    def sampling(self, num_running: int, capacity: int) -> None:
        pass

    def solved(self, verified: bool, cost_usd: float) -> None:
        pass


SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300]


class RayMetrics:
    def __init__(self) -> None:
        from ray.util import metrics
        from ray.util.metrics import Gauge, Histogram

        self._verdicts = metrics.Counter("proofmill_verdicts", "verdicts given", tag_keys=("kind", "status"))
        self._verdict_s = Histogram("proofmill_verdict_seconds", "time of one check", SECONDS, tag_keys=("kind",))
        self._requests = metrics.Counter("proofmill_requests", "requests answered", tag_keys=("route", "status"))
        self._request_s = Histogram("proofmill_request_seconds", "time of a request", SECONDS, tag_keys=("route",))
        self._pending = Gauge("proofmill_pending_items", "items accepted and not yet answered")
        self._lost = metrics.Counter("proofmill_verifiers_lost", "chunks whose verifier died")
        self._generators_lost = metrics.Counter("proofmill_generators_lost", "samples whose generator died")
        self._samples = metrics.Counter("proofmill_samples", "samples drawn by /v1/solve")
        self._tokens = metrics.Counter("proofmill_completion_tokens", "tokens sampled by /v1/solve")
        self._sample_s = Histogram("proofmill_sample_seconds", "time of one sample", SECONDS)
        self._running = Gauge("proofmill_running_samples", "samples being drawn")
        self._occupancy = Gauge("proofmill_occupancy", "share of the engine's sequences in use")
        self._solves = metrics.Counter("proofmill_solves", "problems asked for by /v1/solve", tag_keys=("verified",))
        self._cost = metrics.Counter("proofmill_cost_usd", "cost of /v1/solve at the configured prices")

    def verdicts(self, given: Sequence[tuple[str, str, float]]) -> None:
        # One Ray record takes as long as a tenth of a check, so the counter gets one for many verdicts.
        for (kind, status), count in Counter((kind, status) for kind, status, _ in given).items():
            self._verdicts.inc(count, {"kind": kind, "status": status})
        for kind, _, seconds in given:
            self._verdict_s.observe(seconds, {"kind": kind})

    def request(self, route: str, status: int, seconds: float) -> None:
        self._requests.inc(1, {"route": route, "status": str(status)})
        self._request_s.observe(seconds, {"route": route})

    def pending(self, num_items: int) -> None:
        self._pending.set(num_items)

    def lost(self) -> None:
        self._lost.inc(1)

    def generator_lost(self) -> None:
        self._generators_lost.inc(1)

    def sample(self, completion_tokens: int, seconds: float) -> None:
        self._samples.inc(1)
        if completion_tokens:
            self._tokens.inc(completion_tokens)
        self._sample_s.observe(seconds)

    def sampling(self, num_running: int, capacity: int) -> None:
        self._running.set(num_running)
        self._occupancy.set(num_running / max(capacity, 1))

    def solved(self, verified: bool, cost_usd: float) -> None:
        self._solves.inc(1, {"verified": str(verified).lower()})
        if cost_usd:
            self._cost.inc(cost_usd)
