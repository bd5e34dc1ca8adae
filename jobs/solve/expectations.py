"""What a run may draw, route by route and stage by stage: problems, samples, tokens, GPU-hours and dollars as ranges.

Promises: pure; a range holds whatever the model does, as far as the config alone says it. What nothing says is told as
unknown, and what would tell it.
Does not: guess how often a model is right. A pilot (jobs.solve.pilot) measures it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from cluster.fit import Plan
from jobs.config import SolveConfig
from jobs.pools.checks import is_remote
from jobs.pools.routing import RoutePlan
from jobs.problems.load import ProblemSetSummary
from jobs.solve.settings import longest_sample, stage_sampling
from workers.sampling.registry import sample_bound

MILLION = 1e6


class Range(NamedTuple):
    """From the least to the most that is possible."""

    least: float
    most: float

    def times(self, factor: float) -> Range:
        return Range(self.least * factor, self.most * factor)

    def told(self, unit: str = "", digits: int = 0) -> str:
        """`320 samples`, `0 to 320 samples`."""
        least, most = f"{self.least:,.{digits}f}", f"{self.most:,.{digits}f}"
        return f"{least if least == most else f'{least} to {most}'} {unit}".strip()


class StageExpectation(NamedTuple):
    """What one stage of a route may draw."""

    pool: str
    number: int
    policy: str
    problems: Range
    samples: Range
    stops: str
    """What ends a problem before its last sample, in words; empty where nothing does."""
    longest: int
    """Most tokens of a sample; 0 = not known."""

    @property
    def most_tokens(self) -> float:
        return self.samples.most * self.longest


def expect(
    config: SolveConfig, route: RoutePlan, num_problems: int, plans: Mapping[str, Plan]
) -> list[StageExpectation]:
    """The stages that `num_problems` problems may reach."""
    found = []
    pools = config.pools()
    for number, name in enumerate(route.pools):
        pool = pools[name]
        sampling = stage_sampling(pool, route.stages[number]) if route.stages else pool.sampling.model_dump()
        bound = sample_bound(sampling)
        problems = Range(0 if number else num_problems, num_problems)
        rounds = 1 + config.sampling.repair.rounds
        context = plans[name].max_model_len if name in plans else pool.model.max_model_len
        found.append(
            StageExpectation(
                pool=name,
                number=number,
                policy=str(sampling["policy"]),
                problems=problems,
                samples=Range(problems.least * bound.least, problems.most * bound.most * rounds),
                stops=bound.stops,
                longest=longest_sample(pool, context),
            )
        )
    return found


class Measured(Protocol):
    """What a pilot found."""

    def describe(self, config: SolveConfig, route: str, stage: StageExpectation, plan: Plan | None) -> str: ...


def describe_routes(
    config: SolveConfig, problems: ProblemSetSummary, plans: Mapping[str, Plan], pilot: Measured | None = None
) -> list[str]:
    """Lines for the plan: which problems go where, and what each stage may draw."""
    lines = []
    for number, route in enumerate(config.route_table()):
        count = problems.by_route.get(route.name, 0) if problems.by_route else problems.num_problems
        default = " (the default)" if number == 0 and config.routes else ""
        lines.append(f"route {route.name}{default}: {count:,} of {problems.num_problems:,} problems")
        for stage in expect(config, route, count, plans):
            known = pilot and pilot.describe(config, route.name, stage, plans.get(stage.pool))
            lines.append(f"  {describe_stage(route, stage)}")
            lines.append(f"    {known or ', '.join(costs(config, stage))}")
    if config.audit:
        lines.append(f"audit: about {config.audit:.1%} of the problems go through every stage, whatever the first gave")
    return lines


def describe_stage(route: RoutePlan, stage: StageExpectation) -> str:
    """What one stage may draw."""
    name = f"stage {stage.number}, {stage.pool}" if route.stages else stage.pool
    given = ", those that the stages before left unsolved" if stage.number else ""
    length = f"at most {stage.longest:,} tokens each" if stage.longest else "as many tokens as the context allows"
    text = f"{name}: {stage.problems.told('problems')}{given}; policy {stage.policy}, {stage.samples.told('samples')}"
    stops = f"; a problem stops at {stage.stops}" if stage.stops else ""
    return f"{text} of {length}{stops}"


def costs(config: SolveConfig, stage: StageExpectation) -> Iterator[str]:
    """The tokens of a stage, its GPU-hours and its dollars, as far as they are known before a sample is drawn."""
    pool = config.pools()[stage.pool]
    yield f"at most {stage.most_tokens:,.0f} tokens" if stage.longest else "tokens: not known"
    price = pool.cost.usd_per_million_output_tokens
    if not is_remote(pool.model):
        yield "GPU-hours and dollars: --pilot measures them"
    elif price and stage.longest:
        yield f"at most ${stage.most_tokens * price / MILLION:,.2f} for them, and the price of the prompts"
    else:
        yield f"dollars: not known without {pool.key('cost.usd_per_million_output_tokens')} and sampling.max_tokens"
