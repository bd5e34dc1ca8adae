"""Hard ceilings of a whole run in tokens, GPU-seconds, dollars and wall-clock, and when the first will be reached.

Promises: with `room` asked before every issue, the token ceiling is never passed (each sample in flight counts with its
`max_tokens` until it is charged), and neither are the dollars by samples that are paid by the token. Each of them in
flight counts with the most that it may cost, and one that was lost in flight counts like that for ever. The ceilings on
time and on money for time are noticed at the next `exhausted`, so they are passed by no more than the caller's interval
between two calls. Zero means no ceiling.
Does not: read clocks (the caller says what time it is) or stop anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

SECONDS_PER_HOUR = 3600.0
ROUNDING = 1e-9
"""Share of a sample's price that rounding may hide."""
_FIELDS = ("tokens", "gpu_s", "usd", "wall_s")


@dataclasses.dataclass(frozen=True, slots=True)
class Reserve:
    """The most that one sample may use."""

    tokens: int
    usd: float = 0.0
    """What it costs at most where it is paid by the token."""


@dataclasses.dataclass(frozen=True, slots=True)
class TokenPrices:
    """What an endpoint takes, in dollars per million tokens."""

    usd_per_million_input_tokens: float = 0.0
    usd_per_million_output_tokens: float = 0.0

    @classmethod
    def of(cls, cost: Mapping[str, Any]) -> TokenPrices:
        """From a pool's prices."""
        return cls(**{field.name: cost.get(field.name) or 0.0 for field in dataclasses.fields(cls)})

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        prompt = prompt_tokens * self.usd_per_million_input_tokens
        return (prompt + completion_tokens * self.usd_per_million_output_tokens) / 1e6


@dataclasses.dataclass(slots=True)
class Budget:
    """Ceilings, prices and what was spent, earlier starts of the same run included."""

    tokens: int = 0
    gpu_s: float = 0.0
    usd: float = 0.0
    wall_s: float = 0.0
    usd_per_gpu_hour: float = 0.0
    usd_per_cpu_hour: float = 0.0

    spent_tokens: int = 0
    """Generated tokens, aborted ones included."""
    spent_gpu_s: float = 0.0
    spent_cpu_s: float = 0.0
    spent_wall_s: float = 0.0
    charged_usd: float = 0.0
    """Dollars that were charged as such: of tokens, and of pools with prices of their own."""
    lost_usd: float = 0.0
    """The most that samples have cost that were in flight when their engine or their run ended."""
    by_pool: dict[str, dict[str, float]] = dataclasses.field(default_factory=dict)
    """Pool → seconds of GPUs and CPUs that it held, and dollars for them. It is a part of what was spent, and empty for
    a run with one pool."""
    reserved_tokens: int = 0
    reserved_usd: float = 0.0

    @classmethod
    def of(cls, budget: Mapping[str, Any], cost: Mapping[str, Any] | None = None) -> Budget:
        """From the fields of the config's `[budget]` and `[cost]`."""
        prices = {name: (cost or {}).get(name, 0.0) for name in ("usd_per_gpu_hour", "usd_per_cpu_hour")}
        return cls(**{name: budget.get(name, 0) for name in _FIELDS}, **prices)

    @property
    def spent_usd(self) -> float:
        gpu = self.spent_gpu_s * self.usd_per_gpu_hour
        return self.charged_usd + (gpu + self.spent_cpu_s * self.usd_per_cpu_hour) / SECONDS_PER_HOUR

    def restore(self, earlier: Mapping[str, Any], durable_tokens: int = 0, durable_usd: float = 0.0) -> None:
        """Charges what earlier starts of the run spent: what `to_json` said, at least the tokens that are stored and
        what they cost by the token."""
        spent = {name: earlier.get(name, 0) for name in ("gpu_s", "cpu_s", "wall_s")}
        for name, of_pool in (earlier.get("pools") or {}).items():
            self.note_pool(name, **of_pool)
        spent["usd"] = max(earlier.get("charged_usd", 0.0), durable_usd)
        self.charge(tokens=max(earlier.get("tokens", 0), durable_tokens), **spent)
        self.lost_usd += earlier.get("usd_in_flight", 0.0)

    def charge(
        self, *, tokens: int = 0, gpu_s: float = 0.0, cpu_s: float = 0.0, wall_s: float = 0.0, usd: float = 0.0
    ) -> None:
        """Adds what was used since the last call. `usd` comes on top of what the times cost at the budget's prices."""
        self.charged_usd += usd
        self.spent_tokens += tokens
        self.spent_gpu_s += gpu_s
        self.spent_cpu_s += cpu_s
        self.spent_wall_s += wall_s

    def note_pool(self, name: str, *, gpu_s: float = 0.0, cpu_s: float = 0.0, usd: float = 0.0) -> None:
        """Adds what one pool held since the last call. It says whose spending it was, and charges nothing."""
        before = self.of_pool(name)
        now = {"gpu_s": gpu_s, "cpu_s": cpu_s, "usd": usd}
        self.by_pool[name] = {key: before[key] + value for key, value in now.items()}

    def of_pool(self, name: str) -> dict[str, float]:
        """What a pool held so far, earlier starts included."""
        return self.by_pool.get(name, {"gpu_s": 0.0, "cpu_s": 0.0, "usd": 0.0})

    def room(self, most: Reserve, wanted: int) -> int:
        """How many samples that use at most `most` may be issued, at most `wanted`."""
        if self.exhausted():
            return 0
        if self.tokens:
            wanted = min(wanted, (self.tokens - self.spent_tokens - self.reserved_tokens) // most.tokens)
        if self.usd and most.usd:
            wanted = min(wanted, int(self._left_usd() / most.usd + ROUNDING))
        return max(0, wanted)

    def reserve(self, most: Reserve, count: int = 1) -> None:
        """To be called when samples are issued. When one ends, `release` the same and `charge` what it used."""
        self.reserved_tokens += most.tokens * count
        self.reserved_usd += most.usd * count

    def release(self, most: Reserve, count: int = 1) -> None:
        """To be called when samples have ended."""
        self.reserved_tokens = max(0, self.reserved_tokens - most.tokens * count)
        # A sum of fractions: with nothing in flight, what rounding left must not count.
        self.reserved_usd = max(0.0, self.reserved_usd - most.usd * count) if self.reserved_tokens else 0.0

    def lose(self, most: Reserve) -> None:
        """To be called for a sample in flight whose engine is gone. What it has cost is not known."""
        self.release(most)
        self.lost_usd += most.usd

    def _left_usd(self) -> float:
        return self.usd - self.spent_usd - self.lost_usd - self.reserved_usd

    def stranded(self, most: Reserve) -> str:
        """The ceiling that leaves no room for one more sample, with nothing in flight, so that the run is over; empty
        while there is none."""
        if self.reserved_tokens or self.room(most, 1):
            return ""
        if self.tokens and self.tokens - self.spent_tokens < most.tokens:
            return f"budget.tokens = {self.tokens}"
        lost = (
            f", of which up to {self.lost_usd:.4g} went to samples that were lost in flight," if self.lost_usd else ""
        )
        return f"budget.usd = {self.usd:g}{lost}" if self.usd and self._left_usd() < most.usd else ""

    def exhausted(self) -> str | None:
        """The ceiling that is reached, for the user, or None."""
        for name, ceiling, spent in self._spending():
            if spent >= ceiling:
                return f"budget.{name} = {ceiling:g} is used up ({spent:.6g} spent)"
        return None

    def eta_s(self, elapsed_s: float | None = None) -> float | None:
        """Seconds until the first ceiling at the average rate so far; None if none is in sight."""
        elapsed = self.spent_wall_s if elapsed_s is None else elapsed_s
        left = [
            max(0.0, ceiling - spent) * elapsed / spent
            for _, ceiling, spent in self._spending()
            if spent > 0 and elapsed > 0
        ]
        return min(left, default=None)

    def to_json(self) -> dict[str, Any]:
        """What was spent, for the summary and for a resume."""
        return {
            "tokens": self.spent_tokens,
            "gpu_s": self.spent_gpu_s,
            "cpu_s": self.spent_cpu_s,
            "wall_s": self.spent_wall_s,
            "usd": self.spent_usd,
            "charged_usd": self.charged_usd,
            "usd_in_flight": self.lost_usd + self.reserved_usd,
            **({"pools": self.by_pool} if self.by_pool else {}),
        }

    def _spending(self) -> list[tuple[str, float, float]]:
        rows = [
            ("tokens", self.tokens, self.spent_tokens),
            ("gpu_s", self.gpu_s, self.spent_gpu_s),
            ("usd", self.usd, self.spent_usd + self.lost_usd),
            ("wall_s", self.wall_s, self.spent_wall_s),
        ]
        return [row for row in rows if row[1] > 0]
