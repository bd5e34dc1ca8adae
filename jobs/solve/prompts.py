"""What the dry-run says of prompts: the model's chat format is tried with the messages that this config would send."""

from __future__ import annotations

from collections.abc import Sequence

from jobs.config import ConfigError, SolveConfig
from jobs.sampling_tables import Variant
from jobs.solve.variants import prompt_style
from runstore.schema import Messages
from workers.engines.base import EngineSettings, PromptPreview
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
    tried: set[tuple[str, ...]] = set()
    found = PromptPreview()
    variants: Sequence[Variant | None] = config.sampling.variants or [None]
    for variant in variants:
        messages = trial_messages(config, variant)
        # A chat format may refuse a role or an order of roles; what is said in them makes no difference to it.
        roles = tuple(role for role, _ in messages)
        if roles in tried:
            continue
        tried.add(roles)
        found = engine.preview(messages)
        if found.error:
            of = f" (asked as the variant {variant.name!r} asks)" if variant else ""
            raise ConfigError(f"{config.key('model.path')} = {config.model.path!r}: {found.error}{of}")
        if found.unknown:
            return f"prompts     not tried: {found.unknown}"
    if not found.text:
        return "prompts     plain text: the model has no chat format, so it goes on where the problem ends"
    how = "under labels, without a chat format" if config.model.completion else "by the model's chat format"
    return f"prompts     {how}; the model goes on after {found.text[-TAIL_CHARS:]!r}"


def trial_messages(config: SolveConfig, variant: Variant | None = None) -> Messages:
    """Messages with every role that a run of this config, or one of its variants, sends."""
    style = prompt_style(config, variant)
    suffix = next(iter([*style.suffix_by_kind.values(), style.suffix]), "")
    first = (("system", style.system),) if style.system else ()
    shown = [turn for one in style.examples for turn in (("user", one.prompt), ("assistant", one.answer))]
    asked = (*first, *shown, ("user", f"2 + 2?\n{suffix}".strip()))
    return (*asked, *repair_turns("5", "wrong answer")) if config.sampling.repair.rounds else asked
