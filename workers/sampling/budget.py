"""Hard ceilings of a whole run in tokens, GPU-seconds, dollars and wall-clock, and when the first will be reached.

Promises: with `room` asked before every issue, the token ceiling is never passed (each sample in flight counts with its
`max_tokens` until it is charged); the ceilings on time and money are noticed at the next `exhausted`, so they are
passed by no more than the caller's interval between two calls. Zero means no ceiling.
Does not: read clocks (the caller says what time it is) or stop anything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

SECONDS_PER_HOUR = 3600.0
_FIELDS = ("tokens", "gpu_s", "usd", "wall_s")


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
    reserved_tokens: int = 0

    @classmethod
    def of(cls, budget: Mapping[str, Any], cost: Mapping[str, Any] | None = None) -> Budget:
        """From the fields of the config's `[budget]` and `[cost]`."""
        prices = {name: (cost or {}).get(name, 0.0) for name in ("usd_per_gpu_hour", "usd_per_cpu_hour")}
        return cls(**{name: budget.get(name, 0) for name in _FIELDS}, **prices)

    @property
    def spent_usd(self) -> float:
        gpu = self.spent_gpu_s * self.usd_per_gpu_hour
        return (gpu + self.spent_cpu_s * self.usd_per_cpu_hour) / SECONDS_PER_HOUR

    def restore(self, earlier: Mapping[str, Any], durable_tokens: int = 0) -> None:
        """Charges what earlier starts of the run spent: what `to_json` said, at least the tokens that are stored."""
        spent = {name: earlier.get(name, 0) for name in ("gpu_s", "cpu_s", "wall_s")}
        self.charge(tokens=max(earlier.get("tokens", 0), durable_tokens), **spent)

    def charge(self, *, tokens: int = 0, gpu_s: float = 0.0, cpu_s: float = 0.0, wall_s: float = 0.0) -> None:
        """Adds what was used since the last call."""
        self.spent_tokens += tokens
        self.spent_gpu_s += gpu_s
        self.spent_cpu_s += cpu_s
        self.spent_wall_s += wall_s

    def room(self, max_tokens: int, wanted: int) -> int:
        """How many samples of at most `max_tokens` may be issued, at most `wanted`."""
        if self.exhausted():
            return 0
        if not self.tokens:
            return wanted
        return max(0, min(wanted, (self.tokens - self.spent_tokens - self.reserved_tokens) // max_tokens))

    def reserve(self, max_tokens: int, count: int = 1) -> None:
        """To be called when samples are issued. When one ends, `release` the same and `charge` what it used."""
        self.reserved_tokens += max_tokens * count

    def release(self, max_tokens: int, count: int = 1) -> None:
        """To be called when samples have ended."""
        self.reserved_tokens = max(0, self.reserved_tokens - max_tokens * count)

    def stranded(self, max_tokens: int) -> bool:
        """True when nothing is in flight and too few tokens are left for one more sample: the run is over."""
        return bool(self.tokens) and not self.reserved_tokens and self.room(max_tokens, 1) == 0

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
        }

    def _spending(self) -> list[tuple[str, float, float]]:
        rows = [
            ("tokens", self.tokens, self.spent_tokens),
            ("gpu_s", self.gpu_s, self.spent_gpu_s),
            ("usd", self.usd, self.spent_usd),
            ("wall_s", self.wall_s, self.spent_wall_s),
        ]
        return [row for row in rows if row[1] > 0]
