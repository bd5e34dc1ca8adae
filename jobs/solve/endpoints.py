"""Remote models before a run begins: is every endpoint there, does it have the model, and may it see the problems?

Promises: an endpoint that cannot serve the run is one error before anything starts, in a dry-run too. It gets a request
for its list of models and one trial answer of a few tokens per way of sampling, and never a problem.
Does not: measure an endpoint, or watch it while a run goes on (workers.engines.openai_compatible does).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from jobs.config import ConfigError, SolveConfig
from jobs.pools.checks import is_remote
from jobs.problems.examples import read_examples
from jobs.problems.load import ProblemSetSummary
from jobs.solve.settings import longest_sample
from jobs.solve.variants import prompt_style
from verifiers.types import Json
from workers.engines.base import EngineSettings, EngineStartError, SamplingParameters
from workers.engines.registry import open_engine
from workers.engines.remote.confidential import needs_leave
from workers.engines.remote.usage import TURN_TOKENS

ANSWER_BYTES = 4
"""Bytes of a token of an earlier answer that a repair round shows, at most on average."""


def check_endpoints(config: SolveConfig, problems: ProblemSetSummary) -> dict[str, dict[str, Json]]:
    """What the endpoints of the remote pools say of themselves, by pool. Raises ConfigError."""
    found: dict[str, dict[str, Json]] = {}
    for name, pool in config.pools().items():
        if is_remote(pool.model):
            check_limits(pool, problems)
            check_confidential(config, name, pool, problems)
            found[name] = try_endpoint(pool)
    return found


def try_endpoint(pool: SolveConfig) -> dict[str, Json]:
    """Asks one endpoint. Raises ConfigError, in the words of the config."""
    engine = open_engine(EngineSettings(**pool.model.of_engine()))
    ways: list[SamplingParameters] = []
    for sampling in pool.sampling.every_parameters():
        if sampling not in ways:
            ways.append(sampling)
    try:
        return engine.try_out(ways)
    except EngineStartError as error:
        told = str(error)
        key = told.partition(" ")[0].rstrip(":")
        raise ConfigError(told.replace(key, pool.key(key), 1) if key.startswith("model.") else told) from None


def check_limits(pool: SolveConfig, problems: ProblemSetSummary) -> None:
    """Raises ConfigError where the caps of an endpoint do not let one sample through, or a key means nothing to it."""
    model = pool.model
    if pool.resources.replicas > 1:
        raise ConfigError(
            f"{pool.key('resources.replicas')} = {pool.resources.replicas}: one process asks the endpoint, so that its "
            f"caps hold for all requests; leave it at 1 and set {pool.key('model.max_concurrency')}"
        )
    longest = longest_sample(pool, model.max_model_len)
    if (model.tokens_per_minute or pool.budget.usd or pool.budget.tokens) and not longest:
        raise ConfigError(
            f"{pool.key('sampling.max_tokens')} = 0: a cap or a ceiling counts every sample with its longest answer; "
            f"set it, or {pool.key('model.max_model_len')} to the context of the model"
        )
    needed = longest + longest_prompt(pool, problems)
    if model.tokens_per_minute and needed > model.tokens_per_minute:
        raise ConfigError(
            f"{pool.key('model.tokens_per_minute')} = {model.tokens_per_minute:,}: one sample may take up to "
            f"{needed:,} tokens (max_tokens, and a token per byte of the longest prompt), which this cap never lets "
            "through; raise it, or lower sampling.max_tokens"
        )


def check_confidential(config: SolveConfig, name: str, pool: SolveConfig, problems: ProblemSetSummary) -> None:
    """Raises ConfigError where problems of confidential sources would go to a pool that may not have them."""
    if not needs_leave(pool.model):
        return
    count = sum(problems.confidential.get(route, 0) for route in routes_through(config, name))
    if count:
        sources = ", ".join(config.problems.confidential)
        raise ConfigError(
            f"{pool.key('model.allow_confidential')} = false: {count:,} problems are of confidential sources "
            f"({sources}), and {pool.model.base_url} is another machine, which would see them; route them to another "
            "model, or allow it"
        )
    check_prompts(pool, problems.by_kind)


def check_prompts(pool: SolveConfig, kinds: Iterable[str]) -> None:
    """Raises ConfigError where what the pool's prompts have around problems of these kinds is confidential, and it may
    not have that."""
    if not needs_leave(pool.model):
        return
    kinds = list(kinds)
    variants = {"": None, **{variant.name: variant for variant in pool.sampling.variants}}
    for name, variant in variants.items():
        style = prompt_style(pool, variant)
        if not any(style.is_confidential_for(kind) for kind in kinds):
            continue
        where = f"sampling.variants.{name}" if name else pool.key("prompt")
        what = (
            f"{where}: its texts are marked as confidential"
            if style.confidential
            else f"{where}.examples: {sum(example.confidential for example in style.examples)} of its examples are of "
            f"confidential sources ({', '.join(pool.problems.confidential)})"
        )
        raise ConfigError(
            f"{what}, and {pool.model.base_url} is another machine, which would see them; take others for this model, "
            f"or set {pool.key('model.allow_confidential')} = true"
        )


def routes_through(config: SolveConfig, name: str) -> list[str]:
    """Names of the routes that lead to a pool, as ProblemSetSummary has them."""
    routes = config.route_table()
    if len(routes) == 1:
        return [""]
    return [route.name for route in routes if name in (route.name, *(stage.model for stage in route.stages))]


def longest_prompt(pool: SolveConfig, problems: ProblemSetSummary) -> int:
    """The most tokens that a prompt of a pool can have. A token stands for at least one byte."""
    prompt, repair = pool.prompt, pool.sampling.repair
    texts = [prompt.system, max([prompt.suffix, *prompt.suffix_by_kind.values()], key=len)]
    texts += [text for example in read_examples(prompt.examples) for text in (example.prompt, example.answer)]
    own = sum(len(text.encode()) + TURN_TOKENS for text in texts) + problems.longest_prompt + TURN_TOKENS
    # The earlier answers are tokens of this model; what the checker found is text.
    turn = longest_sample(pool, pool.model.max_model_len) + ANSWER_BYTES * repair.evidence_chars + 4 * TURN_TOKENS
    return own + repair.rounds * turn


def describe_endpoints(config: SolveConfig, endpoints: Mapping[str, Mapping[str, Json]]) -> list[str]:
    """Lines for the plan."""
    pools = config.pools()
    several = {name: f"{name}: " if config.models else "" for name in endpoints}
    return [several[name] + describe_endpoint(pools[name], facts) for name, facts in endpoints.items()]


def describe_endpoint(pool: SolveConfig, facts: Mapping[str, Json]) -> str:
    """One line for the plan."""
    model = pool.model
    fingerprint = f", fingerprint {facts['fingerprint']}" if facts.get("fingerprint") else ""
    hidden = "" if pool.model.is_loopback else ", another machine"
    return (
        f"endpoint    {model.base_url} ({facts['server']}{hidden}): {facts['model']}{fingerprint}; at most "
        f"{model.max_concurrency:,} requests at once; its samples are not reproducible"
    )
