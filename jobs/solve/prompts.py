"""What the dry-run says of prompts: the model's chat format is tried with the messages that this config would send."""

from __future__ import annotations

from jobs.config import ConfigError, SolveConfig
from jobs.problems.examples import read_examples
from runstore.schema import Messages
from workers.engines.base import EngineSettings
from workers.engines.registry import open_engine
from workers.prompting.messages import repair_turns

TAIL_CHARS = 60
"""Characters of the rendered prompt's end that are shown: they tell where the model goes on."""


def describe_prompts(config: SolveConfig) -> str:
    """A line for the plan, one per pool where there are several. Raises ConfigError where a model cannot be asked as
    the config wants, and ProblemFileError for examples that cannot be read."""
    pools = config.pools()
    head = {name: f"{name}: " if config.models else "" for name in pools}
    return "\n".join(head[name] + describe_pool(pool) for name, pool in pools.items())


def describe_pool(config: SolveConfig) -> str:
    """How one model is asked."""
    # The engine's number of samples and its GPUs play no part in rendering.
    engine = open_engine(EngineSettings(**config.model.of_engine()))
    found = engine.preview(trial_messages(config))
    if found.error:
        raise ConfigError(f"{config.key('model.path')} = {config.model.path!r}: {found.error}")
    if found.unknown:
        return f"prompts     not tried: {found.unknown}"
    if not found.text:
        return "prompts     plain text: the model has no chat format, so it goes on where the problem ends"
    how = "under labels, without a chat format" if config.model.completion else "by the model's chat format"
    return f"prompts     {how}; the model goes on after {found.text[-TAIL_CHARS:]!r}"


def trial_messages(config: SolveConfig) -> Messages:
    """Messages with every role that a run of this config sends."""
    prompt = config.prompt
    suffix = next(iter([*prompt.suffix_by_kind.values(), prompt.suffix]), "")
    first = (("system", prompt.system),) if prompt.system else ()
    examples = read_examples(prompt.examples)
    shown = [turn for one in examples for turn in (("user", one.prompt), ("assistant", one.answer))]
    asked = (*first, *shown, ("user", f"2 + 2?\n{suffix}".strip()))
    return (*asked, *repair_turns("5", "wrong answer")) if config.sampling.repair.rounds else asked
