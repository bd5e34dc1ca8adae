"""The adaptive policy: the next sample goes where a useful verified solution is expected to cost the fewest tokens.

Two decisions, kept apart so that the estimates stay honest:

- *Order.* Open problems are ranked by the expected number of newly useful verified solutions per generated token, from
  a Beta posterior of each pass rate (prior fitted on the run so far, by domain) and the samples already in flight. The
  order decides when a sample is drawn, never whether a problem's plan has stopped.
- *Stopping.* When a problem is opened its plan is frozen: `num_verified` solutions, `num_samples` samples, or a give-up
  boundary on failures. The boundary is where the posterior would expect a further solution to cost `patience` times
  the run's average. It is computed from the other problems seen so far, so given the boundary the problem's own
  outcomes are independent draws and the plan is closed: workers.sampling.estimates stays unbiased. A boundary that
  moved with the ranking while the problem runs would not be.

A global budget that ends the run first is no stop of any plan: it takes effect while long samples are in flight and
after the ranking favoured some problems for their outcomes. Problems that it leaves open get no unbiased estimate.

Boundaries are computed anew when the number of verdicts has doubled (`refits` grows), and apply to problems opened
after that. Each problem's plan is stored in its rows, and a resumed run reads it from there.
"""

from __future__ import annotations

import math

from workers.sampling.plan import Plan
from workers.sampling.policy import Policy, SampleBound, WaveSettings
from workers.sampling.prior import DEFAULT, PassRates, fit_prior
from workers.sampling.problem_state import ProblemState, SampleOutcome

PATIENCE = 32.0
"""Give up when a further solution is expected to cost this many times the run's average. Giving up wrongly loses a
solution, giving up late only costs some tokens, so the value errs on the late side."""
MIN_GIVE_UP = 16
"""Lowest give-up boundary, in failures. A lower one would depend on the shape of the prior near zero, which a run knows
least. Also, pass@k can be estimated up to the lowest boundary only."""
FIRST_REFIT = 256
"""Verdicts before the first fit; each later fit waits for twice as many."""
MAX_DOMAINS = 1024
"""Number of domains with a prior of their own; further ones share one. Bounds memory if every problem has a domain of
its own."""
OWN_WEIGHT = 4.0
"""Weight of a domain's mean length against a problem's own: the domain counts as this many samples."""


class Adaptive(Policy):
    """Ranks by expected useful solutions per token; at most `wave` samples of a problem are in flight at once."""

    Settings = WaveSettings
    name = "adaptive"
    widens = True
    stride = 1

    def __init__(
        self,
        num_samples: int,
        wave: int,
        num_verified: int = 1,
        *,
        distinct: bool = False,
        unbiased: bool = True,
        patience: float = PATIENCE,
    ) -> None:
        super().__init__(num_samples, unbiased=unbiased)
        self.wave = wave
        self.num_verified = num_verified
        self.distinct = distinct
        self.patience = patience
        self.seen = PassRates()
        self._domains: set[str] = set()
        self._priors: dict[str, tuple[float, float]] = {"": DEFAULT}
        self._next_refit = FIRST_REFIT
        self._plans = {"": self._plan(DEFAULT)}

    @classmethod
    def from_settings(cls, settings: WaveSettings) -> Adaptive:
        return cls(
            settings.num_samples,
            settings.wave,
            settings.num_verified,
            distinct=settings.distinct,
            unbiased=settings.unbiased,
        )

    @classmethod
    def bound(cls, settings: WaveSettings) -> SampleBound:
        least = min(settings.num_verified, settings.num_samples, MIN_GIVE_UP)
        stops = f"{settings.num_verified} verified, or when further samples look hopeless"
        return SampleBound(least, settings.num_samples, stops)

    def open(self, number: int, domain: str, is_extra: bool = False, keyless: bool = False) -> ProblemState:
        if domain not in self._domains:
            if len(self._domains) >= MAX_DOMAINS:
                domain = ""
            self._domains.add(domain)
        return super().open(number, domain, is_extra, keyless)

    def plan_for(self, domain: str) -> Plan:
        return self._plans.get(domain) or self._plans[""]

    def num_wanted(self, state: ProblemState) -> int:
        return self.wave - state.num_in_flight

    def priority(self, state: ProblemState) -> float:
        """Expected newly useful verified solutions per token of this problem's next sample."""
        return self.usefulness(state) / self.expected_tokens(state)

    def usefulness(self, state: ProblemState) -> float:
        """Probability that the next sample is verified while those in flight leave the problem unsettled."""
        a, b = self._priors.get(state.domain) or self._priors[""]
        verified = state.num_known - state.num_failed
        a += verified
        b += state.num_failed
        missing = self.num_verified - state.num_useful
        flying = state.num_in_flight
        if missing <= 0:
            return 0.0
        # A verified text is new about as often as it was so far (rule of succession).
        fresh = (state.num_useful + 1) / (verified + 1) if self.distinct else 1.0
        if missing > flying:
            return fresh * a / (a + b)
        # E[p · P(fewer than `missing` of `flying` are verified)] = Σ_j C(m, j) E[p^(j+1) (1-p)^(m-j)], Beta(a, b).
        term = a / (a + b + flying)
        for index in range(flying):
            term *= (b + index) / (a + b + index)
        total = term
        for j in range(missing - 1):
            term *= (a + j + 1) / (b + flying - j - 1) * (flying - j) / (j + 1)
            total += term
        return fresh * total

    def expected_tokens(self, state: ProblemState) -> float:
        domain = self.seen.tokens_per_sample(state.domain)
        return (state.tokens + OWN_WEIGHT * domain) / (state.num_known + OWN_WEIGHT)

    def observe(
        self,
        state: ProblemState,
        index: int,
        outcome: SampleOutcome,
        tokens: int = 0,
        seconds: float = 0.0,
        key: int = 0,
    ) -> None:
        known, failed, useful = state.num_known, state.num_failed, state.num_useful
        super().observe(state, index, outcome, tokens, seconds, key)
        if state.num_known == known or state.is_extra or state.keyless:
            # Problems that an earlier stage solved would make this one's boundaries those of easier problems, and of a
            # problem without an answer key it is not known which samples are right.
            return
        counted = min(state.num_useful, self.num_verified) - min(useful, self.num_verified)
        before = (known - failed, failed)
        after = (state.num_known - state.num_failed, state.num_failed)
        self.seen.move(state.domain, before, after, tokens, counted)
        if self.seen.num_samples >= self._next_refit:
            self._refit()

    def prior(self, domain: str) -> tuple[float, float]:
        """(a, b) in use for ranking."""
        return self._priors.get(domain) or self._priors[""]

    def _refit(self) -> None:
        seen = self.seen
        self._next_refit = 2 * seen.num_samples
        self._priors = {"": fit_prior(seen.run, {})}
        for domain, counts in seen.domains.items():
            self._priors[domain] = fit_prior(counts, seen.run)
        self.refits += 1
        self._plans = {domain: self._plan(prior, domain) for domain, prior in self._priors.items()}

    def _give_up(self, prior: tuple[float, float], domain: str = "") -> list[int]:
        """Failures at which a further solution would cost `patience` times the run's average, beside 0, 1, …
        solutions."""
        a, b = prior
        seen = self.seen
        # Before the first solution the run's average is what the prior expects of it.
        average = seen.num_useful / seen.num_tokens if seen.num_useful else a / (a + b) / seen.tokens_per_sample(domain)
        floor = average * seen.tokens_per_sample(domain) / self.patience
        # The smallest f with (a + s) / (a + b + s + f) < floor.
        return [max(MIN_GIVE_UP, math.ceil((a + s) / floor - a - b - s)) for s in range(self.num_verified)]

    def _plan(self, prior: tuple[float, float], domain: str = "") -> Plan:
        failures = self._give_up(prior, domain)
        # Where texts repeat, the plan's paths are countable only with a single boundary, before the first solution.
        rows = [failures[0], self.num_samples] if self.distinct else failures
        capped = [min(count, self.num_samples) for count in rows]
        ascending = tuple(max(capped[: index + 1]) for index in range(len(capped)))
        if ascending[0] == self.num_samples:
            ascending = ()  # exhausted comes first
        return Plan(self.num_samples, self.num_verified, ascending, self.distinct)
