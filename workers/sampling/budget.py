"""Hard ceilings of a whole run in tokens, GPU-seconds, dollars and wall-clock, and when the first will be reached.

Promises: with `room` asked before every issue, the token ceiling is never passed (each sample in flight counts with its
`max_tokens` until it is charged), and neither is the ceiling on dollars by what endpoints charge per token (each sample
in flight counts with the most that it can cost, and one that was lost in flight counts like that for ever). The
ceilings on time, and on dollars for time, are noticed at the next `exhausted`, so they are passed by no more than the
caller's interval between two calls. Zero means no ceiling.
Does not: read clocks (the caller says what time it is) or stop anything.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

SECONDS_PER_HOUR = 3600.0
ROUNDING = 1e-9
"""Share of a sample's price that rounding may hide."""
_FIELDS = ("tokens", "gpu_s", "usd", "wall_s")


@dataclasses.dataclass(frozen=True, slots=True)
class TokenPrices:
    """What an endpoint charges."""

    usd_per_input_token: float
    usd_per_output_token: float
    longest_prompt: int = 0
    """The most tokens that a prompt of the run has."""

    @classmethod
    def of(cls, cost: Mapping[str, Any], longest_prompt: int = 0) -> TokenPrices:
        """From the fields of the config's `[cost]`."""
        per_token = (cost.get(f"usd_per_million_{way}_tokens", 0.0) / 1e6 for way in ("input", "output"))
        return cls(*per_token, longest_prompt)

    def usd(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The price of one sample."""
        return prompt_tokens * self.usd_per_input_token + completion_tokens * self.usd_per_output_token

    def most(self, max_tokens: int) -> float:
        """The most that a sample of at most `max_tokens` costs."""
        return self.usd(self.longest_prompt, max_tokens)


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
    """What was charged in dollars, beside the price of `spent_gpu_s` and `spent_cpu_s`."""
    lost_usd: float = 0.0
    """The most that samples have cost which were in flight when their engine or their run ended."""
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
        return (gpu + self.spent_cpu_s * self.usd_per_cpu_hour) / SECONDS_PER_HOUR + self.charged_usd

    def restore(self, earlier: Mapping[str, Any], durable_tokens: int = 0) -> None:
        """Charges what earlier starts of the run spent: what `to_json` said, at least the tokens that are stored."""
        spent = {name: earlier.get(name, 0) for name in ("gpu_s", "cpu_s", "wall_s")}
        self.charge(tokens=max(earlier.get("tokens", 0), durable_tokens), **spent)
        if not self.usd_per_gpu_hour and not self.usd_per_cpu_hour:
            self.charged_usd += earlier.get("usd", 0.0)
        self.lost_usd += earlier.get("usd_in_flight", 0.0)

    def charge(
        self, *, tokens: int = 0, gpu_s: float = 0.0, cpu_s: float = 0.0, wall_s: float = 0.0, usd: float = 0.0
    ) -> None:
        """Adds what was used since the last call. `usd` is money for what has no price here."""
        self.charged_usd += usd
        self.spent_tokens += tokens
        self.spent_gpu_s += gpu_s
        self.spent_cpu_s += cpu_s
        self.spent_wall_s += wall_s

    def room(self, max_tokens: int, wanted: int, usd: float = 0.0) -> int:
        """How many samples of at most `max_tokens` and `usd` may be issued, at most `wanted`."""
        if self.exhausted():
            return 0
        if self.tokens:
            wanted = min(wanted, (self.tokens - self.spent_tokens - self.reserved_tokens) // max_tokens)
        if self.usd and usd > 0:
            left = self.usd - self.spent_usd - self.lost_usd - self.reserved_usd
            wanted = min(wanted, math.floor(left / usd + ROUNDING))
        return max(0, wanted)

    def reserve(self, max_tokens: int, count: int = 1, usd: float = 0.0) -> None:
        """To be called when samples are issued. When one ends, `release` the same and `charge` what it used."""
        self.reserved_tokens += max_tokens * count
        self.reserved_usd += usd * count

    def release(self, max_tokens: int, count: int = 1, usd: float = 0.0) -> None:
        """To be called when samples have ended."""
        self.reserved_tokens = max(0, self.reserved_tokens - max_tokens * count)
        self.reserved_usd = max(0.0, self.reserved_usd - usd * count) if self.reserved_tokens else 0.0

    def lose(self, max_tokens: int, usd: float) -> None:
        """To be called for a sample in flight whose engine is gone: nobody knows what it has cost."""
        self.release(max_tokens, usd=usd)
        self.lost_usd += usd

    def stranded(self, max_tokens: int, usd: float = 0.0) -> bool:
        """True when nothing is in flight and too little is left for one more sample: the run is over."""
        has_ceiling = self.tokens or (self.usd and usd > 0)
        return bool(has_ceiling) and not self.reserved_tokens and self.room(max_tokens, 1, usd) == 0

    def why_stranded(self, max_tokens: int) -> str:
        """Which ceiling leaves no room for one more sample, for the user."""
        if self.tokens and self.tokens - self.spent_tokens - self.reserved_tokens < max_tokens:
            return f"budget.tokens = {self.tokens} leaves no room for one more sample"
        lost = f"; up to {self.lost_usd:.4g} went to samples that were lost in flight" if self.lost_usd else ""
        return f"budget.usd = {self.usd:g} leaves no room for one more sample{lost}"

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
            "usd_in_flight": self.lost_usd + self.reserved_usd,
        }

    def _spending(self) -> list[tuple[str, float, float]]:
        rows = [
            ("tokens", self.tokens, self.spent_tokens),
            ("gpu_s", self.gpu_s, self.spent_gpu_s),
            ("usd", self.usd, self.spent_usd + self.lost_usd),
            ("wall_s", self.wall_s, self.spent_wall_s),
        ]
        return [row for row in rows if row[1] > 0]
