"""The variants of a run (`[[sampling.variants]]`) as its workers take them, and what the plan says of them.

Promises: what a variant leaves out is taken from `[prompt]` and `[sampling]`; two variants that would send and draw the
same are refused, whatever their keys look like. Reads the few-shot files, and raises ConfigError and ProblemFileError
for those that cannot be used.
"""

from __future__ import annotations

from collections.abc import Iterator

from jobs.config import ConfigError, SolveConfig
from jobs.problems.examples import read_examples, variant_key
from jobs.sampling_tables import Variant as VariantKeys
from workers.actors.generator import Variant
from workers.engines.base import SamplingParameters
from workers.prompting.messages import PromptStyle
from workers.sampling.registry import sample_bound
from workers.sampling.variants import deal

SHOWN_INDICES = 12
"""Number of indices whose variants the plan spells out."""
SHOWN_CHARS = 40
"""Characters of a variant's text that the plan shows."""


def prompt_style(config: SolveConfig, variant: VariantKeys | None = None) -> PromptStyle:
    """How problems are shown: by `[prompt]`, or by a variant on top of it."""
    prompt = config.prompt
    system, suffix = prompt.system, prompt.suffix
    by_kind = {str(kind): text for kind, text in prompt.suffix_by_kind.items()}
    path, key = prompt.examples, "prompt.examples"
    if variant is not None:
        system = system if variant.system is None else variant.system
        if variant.suffix is not None:
            suffix, by_kind = variant.suffix, {}
        if variant.examples is not None:
            path, key = variant.examples, variant_key(variant.name)
    examples = read_examples(path, key, config.problems.confidential)
    return PromptStyle(system, suffix, by_kind, config.sampling.shuffle_choices, examples, prompt.confidential)


def variants_of(config: SolveConfig) -> tuple[Variant, ...]:
    """The variants in the order of the file; none where the config has none."""
    sampling = config.sampling
    common, by_kind = sampling.parameters(), sampling.parameters_by_kind()

    def drawn(variant: VariantKeys, parameters: SamplingParameters) -> SamplingParameters:
        own = {} if variant.temperature is None else {"temperature": variant.temperature}
        return parameters.model_copy(update=own)

    return tuple(
        Variant(
            variant.name,
            prompt_style(config, variant),
            drawn(variant, common),
            {kind: drawn(variant, parameters) for kind, parameters in by_kind.items()},
        )
        for variant in sampling.variants
    )


def deal_of(config: SolveConfig) -> tuple[int, ...]:
    """Index of a first attempt → place of its variant."""
    sampling = config.sampling
    return deal([variant.share for variant in sampling.variants], sampling.num_samples) or (0,)


def require_different(config: SolveConfig) -> None:
    """Raises ConfigError where two variants differ in nothing but their names and shares."""
    known: dict[str, str] = {}
    for variant in variants_of(config):
        kinds = sorted(variant.sampling_by_kind.items())
        what = repr((variant.style, variant.sampling, kinds))
        if (other := known.setdefault(what, variant.name)) != variant.name:
            raise ConfigError(
                f"sampling.variants: {other!r} and {variant.name!r} differ in nothing that the model sees or draws by; "
                "give one of them another system, suffix, temperature or examples, or keep one with both shares"
            )


def describe_variants(config: SolveConfig) -> Iterator[str]:
    """Lines for the plan: how many samples each variant gets, and what it changes. Nothing without variants."""
    variants, dealt = config.sampling.variants, deal_of(config)
    if not variants:
        return
    order = " ".join(variants[place].name for place in dealt[:SHOWN_INDICES])
    yield f"variants    {len(variants)}, dealt by index: {order}{' …' if len(dealt) > SHOWN_INDICES else ''}"
    for place, variant in enumerate(variants):
        changes = ", ".join(changes_of(variant)) or "as [prompt] and [sampling] say"
        count = f"{dealt.count(place):,} of {len(dealt):,} samples per problem"
        yield f"  {variant.name}: {count}; {changes}"
    if len(variants) > 1 and sample_bound(config.sampling.model_dump()).stops:
        yield (
            f"  note: policy {config.sampling.policy} stops at what comes out, so the report counts the variants and "
            "does not compare them (docs/estimates.md); policy fixed compares them"
        )


def changes_of(variant: VariantKeys) -> Iterator[str]:
    """What a variant changes, a key each."""
    if variant.temperature is not None:
        yield f"temperature {variant.temperature:g}"
    for key in ("system", "suffix"):
        text = getattr(variant, key)
        if text is not None:
            cut = text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"
            yield f"{key} {cut!r}" if text else f"no {key}"
    if variant.examples is not None:
        yield f"examples of {variant.examples}" if variant.examples else "no examples"
