"""What a run tells Prometheus through Ray, which every node exposes: docs/grafana/run.json plots it.

    ray_proofmill_run_<name>{run="<run id>", …}

Promises: `update` reads counts that are kept anyway, so its cost does not grow with the samples of a run.
Counts are gauges, not counters: they begin where the earlier starts of the run ended, and a verdict whose batch is lost
is taken back.
"""

from __future__ import annotations

from ray.util.metrics import Gauge, Histogram

from workers.coordinator.state import RunState
from workers.scheduling.sample_state import Stage

PREFIX = "proofmill_run_"
PART_SECONDS = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
"""Bounds of the histogram of part latency."""
WORKERS = ("generator", "verifier", "writer")


class RunMetrics:
    """The metrics of one run. Must be created in a Ray process."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._problems = self._gauge("problems", "problems, by state: open, settled or solved", "state")
        self._samples = self._gauge("samples", "samples, by state: checked, aborted or durable", "state")
        self._verdicts = self._gauge("verdicts", "verdicts, by kind of problem and status", "kind", "status")
        self._queue = self._gauge("queue", "samples on their way, by stage", "stage")
        self._backlog = self._gauge("backlog_seconds", "seconds of checking that wait, for one checker alone")
        self._tokens = self._gauge("tokens_per_second", "tokens of the samples that finished lately, per second")
        self._per_gpu_hour = self._gauge("verified_per_gpu_hour", "verified samples per GPU-hour, over all starts")
        self._per_cpu_hour = self._gauge("verified_per_cpu_hour", "verified samples per CPU-hour, without GPUs")
        self._usd = self._gauge("cost_usd", "cost at the configured prices, over all starts")
        self._ready = self._gauge("workers", "workers that are ready", "worker")
        self._restarts = self._gauge("restarts", "workers that died since the start", "worker")
        self._parts = Histogram(PREFIX + "part_seconds", "time until a part was durable", PART_SECONDS, ("run",))
        self._parts.set_default_tags({"run": run_id})
        self._last: tuple[float, int] | None = None
        """When the tokens were last read, and how many there were."""

    def _gauge(self, name: str, text: str, *tags: str) -> Gauge:
        return Gauge(PREFIX + name, text, ("run", *tags)).set_default_tags({"run": self._run_id})

    def update(self, state: RunState, now: float) -> None:
        """Sets every metric; `now` is in monotonic seconds."""
        ledger, budget = state.ledger, state.budget
        totals = ledger.totals
        self._problems.set(ledger.num_open(), {"state": "open"})
        self._problems.set(totals.problems_settled, {"state": "settled"})
        self._problems.set(totals.problems_solved, {"state": "solved"})
        self._samples.set(totals.samples, {"state": "checked"})
        self._samples.set(totals.aborted, {"state": "aborted"})
        self._samples.set(totals.durable, {"state": "durable"})
        for (kind, status), count in totals.verdicts.items():
            self._verdicts.set(count, {"kind": kind, "status": status})
        for stage in Stage:
            self._queue.set(ledger.num(stage), {"stage": stage.name.lower()})
        self._backlog.set(ledger.checks.backlog_s())
        if self._last is not None and now > self._last[0]:
            self._tokens.set((budget.spent_tokens - self._last[1]) / (now - self._last[0]))
        self._last = now, budget.spent_tokens
        verified = totals.statuses.get("verified", 0)
        if budget.spent_gpu_s:
            self._per_gpu_hour.set(verified * 3600 / budget.spent_gpu_s)
        elif budget.spent_cpu_s:
            self._per_cpu_hour.set(verified * 3600 / budget.spent_cpu_s)
        self._usd.set(budget.spent_usd)
        for name in WORKERS:
            self._ready.set(sum(slot.ready for slot in state.slots if slot.name == name), {"worker": name})
            self._restarts.set(state.deaths[name], {"worker": name})
        seconds, state.part_seconds = state.part_seconds, []
        for each in seconds:
            self._parts.observe(each)
