"""Problems without an answer key in a run: which policies can have them."""

from __future__ import annotations

from jobs.config import ConfigError, SolveConfig
from jobs.problems.load import ProblemSetSummary
from jobs.solve.endpoints import routes_through
from workers.sampling.registry import sample_bound


def check_policies(config: SolveConfig, problems: ProblemSetSummary) -> None:
    """Raises ConfigError where problems without an answer key go to a policy that waits for verified solutions: it
    would draw the most samples of each of them, unless a rule says when their answers agree."""
    if not problems.num_keyless or getattr(config, "agreement", None) is not None:
        return
    for name, pool in config.pools().items():
        if not sample_bound(pool.sampling.model_dump()).stops:
            continue
        if count := sum(problems.keyless.get(route, 0) for route in routes_through(config, name)):
            raise ConfigError(
                f"{pool.key('sampling.policy')} = {pool.sampling.policy}: it waits for verified solutions, and "
                f"{count:,} problems have no answer key, so that none of theirs is ever verified; add a table "
                "[agreement], which says when answers agree, or take policy fixed"
            )
