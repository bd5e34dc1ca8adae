"""The policy `until_verified`: waves of samples until enough of them are verified."""

from __future__ import annotations

from workers.sampling.plan import Plan
from workers.sampling.policy import Policy, SampleBound, WaveSettings
from workers.sampling.problem_state import ProblemState


class UntilVerified(Policy):
    """Waves of `wave` samples until `num_verified` (distinct) solutions, at most `num_samples` samples.

    The next wave waits for the last verdict of the previous one, since a sample that was not begun costs nothing. At
    the end of a run, where idle engines cost as much as busy ones, waves are drawn together (see `widening`).
    """

    Settings = WaveSettings
    name = "until_verified"
    widens = True

    def __init__(
        self, num_samples: int, wave: int, num_verified: int = 1, *, distinct: bool = False, unbiased: bool = True
    ) -> None:
        super().__init__(num_samples, unbiased=unbiased)
        self.wave = wave
        self._plan = Plan(num_samples, num_verified, distinct=distinct)

    @classmethod
    def from_settings(cls, settings: WaveSettings) -> UntilVerified:
        return cls(
            settings.num_samples,
            settings.wave,
            settings.num_verified,
            distinct=settings.distinct,
            unbiased=settings.unbiased,
        )

    @classmethod
    def bound(cls, settings: WaveSettings) -> SampleBound:
        least = min(settings.num_verified, settings.num_samples)
        return SampleBound(least, settings.num_samples, f"{settings.num_verified} verified")

    def plan_for(self, domain: str) -> Plan:
        return self._plan

    def num_wanted(self, state: ProblemState) -> int:
        if not state.num_in_flight:
            return self.wave
        # A wave that was cut short by a lack of room is completed.
        return -state.next_index % self.wave
