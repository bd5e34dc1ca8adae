"""Problems without an answer key in a run: which policies can have them."""

from __future__ import annotations

from jobs.config import ConfigError, SolveConfig
from jobs.problems.load import ProblemSetSummary
from jobs.solve.settings import route_settings
from workers.sampling.registry import sample_bound


def check_policies(config: SolveConfig, problems: ProblemSetSummary) -> None:
    """Raises ConfigError where problems without an answer key go to a policy that waits for verified solutions: it
    would draw the most samples of each of them, unless a rule says when their answers agree."""
    if not problems.num_keyless or config.agreement is not None:
        return
    is_single, pools = len(config.route_table()) == 1, config.pools()
    for route in route_settings(config):
        count = problems.keyless.get("" if is_single else route.name, 0)
        for stage in route.stages:
            if count and sample_bound(stage.sampling).stops:
                raise ConfigError(
                    f"{pools[stage.pool].key('sampling.policy')} = {stage.sampling['policy']}: it waits for verified "
                    f"solutions, and {count:,} problems have no answer key, so that none of theirs is ever verified; "
                    "add a table [agreement], which says when answers agree, or take policy fixed"
                )
