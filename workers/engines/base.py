"""The engine protocol. An engine draws samples, whatever library it is built on. A new one is a subclass of `Engine`
and one row in workers.engines.registry.

    engine = engine_class("vllm")(settings)
    await engine.start()
    generation = await engine.generate(GenerationRequest("7-0", sampling, messages=messages, seed=1))

Promises, of every engine: `generate` returns a Generation for whatever is wrong with the prompt's length, raises
EngineGoneError when the engine itself is dead, and anything else for a request that it cannot serve; an aborted request
returns with finish reason `abort`. What an engine cannot do is missing from its `abilities`, which are known before it
starts, so that a config that needs more is refused before anything is loaded.
Does not: restart itself (the coordinator starts a new generator) or know of Ray.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any, ClassVar

import pydantic

from runstore.schema import Messages
from runstore.sizes import CPU_SEQUENCES, GPU_SEQUENCES
from verifiers.types import Json
from workers.engines.endpoint import REMOTE, EndpointKeys
from workers.engines.thinking import known_style

Positive = Annotated[int, pydantic.Field(gt=0)]
NotNegative = Annotated[int, pydantic.Field(ge=0)]


class EngineStartError(Exception):
    """The engine did not start; the text has its last lines."""


class ModelLoadError(EngineStartError):
    """The model or its settings are at fault, so that no other replica would start either."""


class EngineGoneError(Exception):
    """The engine died while it ran."""


class EngineStalledError(EngineGoneError):
    """The engine has samples to draw, makes no step and answers no call."""


class EndpointLostError(EngineGoneError):
    """The endpoint of a remote engine is gone for good: another replica would not reach it either."""


class NotDrawnError(Exception):
    """This one sample could not be drawn; the text says why."""

    wasted_prompt_tokens = 0
    wasted_completion_tokens = 0
    """Tokens of attempts at it, which are paid for though no text came of them."""


class CutOffError(NotDrawnError):
    """An answer was cut off, and what the endpoint charges for it is not known. The sample may be asked for again, once
    a further attempt is set aside in the budget (EngineSettings.returns_cut)."""


class EngineAbilityError(ValueError):
    """A request needs what the engine cannot do; the text says what."""


class Ability(StrEnum):
    """What an engine may be able to do; the value completes the sentence "the engine can …"."""

    MESSAGES = "render chat messages"
    TOKEN_IDS = "take a prompt as token ids"
    PREFIX = "continue a given beginning of the answer"
    SEED = "draw the same sample again from its seed"
    TOP_K = "filter by top_k"
    MIN_P = "filter by min_p"
    PENALTIES = "lower the scores of tokens that are there already"
    STOP = "end at stop strings"
    STOP_TOKENS = "end at stop tokens"
    THINKING_BUDGET = "close a thought that grows too long"
    LOOPS = "end a sample that repeats itself"
    LOGPROBS = "return log-probabilities"
    OUTPUT_IDS = "tell the ids of its tokens"
    JSON_SCHEMA = "hold the answer to a JSON schema"
    ADAPTER = "apply an adapter to the model"
    ABORT = "end a running request"
    SCORE = "score a given text"


Temperature = Annotated[float, pydantic.Field(ge=0, le=2)]
TopP = Annotated[float, pydantic.Field(gt=0, le=1)]
TopK = Annotated[int, pydantic.Field(ge=-1)]
MinP = Annotated[float, pydantic.Field(ge=0, le=1)]
Penalty = Annotated[float, pydantic.Field(ge=-2, le=2)]
RepetitionPenalty = Annotated[float, pydantic.Field(gt=0, le=10)]
StopString = Annotated[str, pydantic.Field(min_length=1)]


class Loop(pydantic.BaseModel):
    """When a sample counts as a loop, which ends it with the finish reason `repetition`: its last tokens are one
    pattern, repeated."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    size: NotNegative = 0
    """Longest pattern that is looked for, in tokens; 0 = loops are not looked for."""
    count: Annotated[int, pydantic.Field(ge=2)] = 16
    """How many times a pattern must stand in a row. Rulers, rows of zeros and indentation repeat one token too, so few
    repetitions would end honest samples."""


class SamplingParameters(pydantic.BaseModel):
    """How tokens are drawn, in vLLM's terms and under its names. Every engine gets these values; they are keys of the
    config's `[sampling]`. `top_k` -1 and `top_p` 1.0 switch the filters off."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    temperature: Temperature = 1.0
    """Randomness of the draw: 0 takes the likeliest token each time, 1 draws as the model was trained."""
    top_p: TopP = 1.0
    """Draw only among the likeliest tokens that together have this probability; 1 = all."""
    top_k: TopK = -1
    """Draw only among this many of the likeliest tokens; -1 = all."""
    min_p: MinP = 0.0
    """Draw only among tokens at least this share as likely as the likeliest one; 0 = all."""
    presence_penalty: Penalty = 0.0
    """Taken from the score of every token that the sample already has; 0 = none."""
    frequency_penalty: Penalty = 0.0
    """Taken from a token's score once for each time that the sample already has it; 0 = none."""
    repetition_penalty: RepetitionPenalty = 1.0
    """Divides the score of every token that the prompt or the sample already has; 1 = none."""
    max_tokens: NotNegative = 1024
    """Longest sample, in tokens; 0 = as much as the context leaves beside the prompt."""
    stop: tuple[StopString, ...] = ()
    """Texts that end a sample where they appear. With any, the engine decodes each token as it comes."""
    stop_token_ids: tuple[NotNegative, ...] = ()
    """Ids of further tokens that end a sample, beside those of the model's generation_config.json."""
    thinking_tokens: NotNegative = 0
    """Longest thought, in tokens: the engine then writes the closing mark, and the model goes on to its answer. The
    row says `thought_closed_by = "budget"`. Needs a model with a thinking style. 0 = no bound."""
    loop: Loop = Loop()
    logprobs: bool = False
    """Store the mean log-probability of each sample's tokens (column mean_logprob), by which exports rank wrong
    answers. It costs up to a third of the throughput of short samples: the engine then hands over a table per token."""
    seeded: bool = True
    """Draw each sample from its own seed, so that the same engine repeats a sample. On GPUs that holds only while the
    same samples run beside it, and vLLM's fastest sampler takes no seeds; false leaves the draw to the engine."""

    def to_json(self) -> dict[str, Json]:
        """What a row says of them. A parameter of FURTHER is left out where it does nothing."""
        values = self.model_dump(mode="json")
        untouched = {name: SamplingParameters.model_fields[name].default for name in FURTHER}
        return {name: value for name, value in values.items() if getattr(self, name) != untouched.get(name)}

    def needs(self) -> frozenset[Ability]:
        """What an engine must be able to do to draw with these parameters."""
        wanted = {
            Ability.TOP_K: self.top_k > 0,
            Ability.MIN_P: self.min_p > 0,
            Ability.PENALTIES: (self.presence_penalty, self.frequency_penalty, self.repetition_penalty) != (0, 0, 1),
            Ability.STOP: bool(self.stop),
            Ability.STOP_TOKENS: bool(self.stop_token_ids),
            Ability.THINKING_BUDGET: self.thinking_tokens > 0,
            Ability.LOOPS: self.loop.size > 0,
            Ability.LOGPROBS: self.logprobs,
        }
        return frozenset(ability for ability, is_wanted in wanted.items() if is_wanted)

    def changed(self, overrides: SamplingOverrides) -> SamplingParameters:
        """These parameters with those that `overrides` gives."""
        given = {name: getattr(overrides, name) for name in SamplingOverrides.model_fields}
        return self.model_copy(update={name: value for name, value in given.items() if value is not None})


FURTHER = (
    *("presence_penalty", "frequency_penalty", "repetition_penalty", "stop_token_ids", "thinking_tokens", "loop"),
)
"""Parameters that few runs set."""


class SamplingOverrides(pydantic.BaseModel):
    """Parameters of one kind of problems; a key that is left out is the one of `[sampling]`."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK | None = None
    min_p: MinP | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: RepetitionPenalty | None = None
    max_tokens: NotNegative | None = None
    stop: tuple[StopString, ...] | None = None
    stop_token_ids: tuple[NotNegative, ...] | None = None
    thinking_tokens: NotNegative | None = None
    loop: Loop | None = None


class ModelKeys(pydantic.BaseModel):
    """Which model, in which engine, and what the engine is told."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    path: str
    """A local Hugging Face directory or a hub id. For `engine = "openai"` it is `model`, the name at the endpoint."""
    engine: str = "vllm"
    """The engine that draws the samples: vllm in this process, openai for an endpoint, or the engine of a plugin."""
    revision: str = ""
    """Branch, tag or commit of a hub id; empty = its main branch."""
    dtype: str = "auto"
    """Number format of the weights, such as bfloat16 or float32; auto = what the model names."""
    max_model_len: NotNegative = 0
    """Context in tokens; 0 = the model's own."""
    tensor_parallel_size: Positive = 1
    """GPUs that one replica is split over."""
    gpu_memory_utilization: Annotated[float, pydantic.Field(gt=0, le=1)] = 0.90
    """Share of each GPU's memory that the engine may use."""
    cpu_kv_cache_gb: Positive = 1
    """Size of the KV cache on a machine without GPUs, in whole GiB (vLLM takes no fractions)."""
    max_num_seqs: NotNegative = 0
    """Samples that one replica runs at once, and each of its data-parallel ranks; 0 = 1,024 on GPUs, 256 on CPUs."""
    quantization: str = ""
    """How the weights are quantized, in vLLM's names; empty = what the model names."""
    trust_remote_code: bool = False
    """Run Python code that the model's folder brings along. Only for models that you trust."""
    chat_template_kwargs: dict[str, Json] = {}
    """Arguments of the model's chat format, such as enable_thinking, thinking or reasoning_effort. The dry-run refuses
    one that the chat format does not read."""
    completion: bool = False
    """Ask a base model, which knows no chat format: the turns follow each other under the labels `Problem:` and
    `Solution:`, a sample ends where the model writes a next problem, and prompt.examples show how answers look."""
    thinking: str = ""
    """How the model marks its thoughts: a style (think, [THINK], harmony, …) or a reasoning parser of vLLM (qwen3,
    deepseek_r1, kimi_k2, openai_gptoss, …). A sample of such a model that is cut off before any mark counts as cut off
    in its thought. Empty: marks alone tell."""
    keep_thought: bool = False
    """Show the model its earlier thoughts too in follow-up turns, for models whose makers ask for it; false shows their
    answers alone."""
    lora: str = ""
    """A local folder with a LoRA adapter of the model, as PEFT saves it; every sample is drawn with it. Empty: none."""
    engine_args: dict[str, Json] = {}
    """Further settings of the engine: for vLLM arguments of its AsyncEngineArgs, as they are."""

    @pydantic.field_validator("thinking")
    @classmethod
    def _a_known_style(cls, name: str) -> str:
        return known_style(name)


class ModelSettings(EndpointKeys, ModelKeys):
    """The keys of the config's `[model]`."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _called_as_the_endpoint_calls_it(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("engine") == REMOTE:
            return {**values, "path": values.get("model") or ""}
        return values

    @property
    def is_remote(self) -> bool:
        """Whether the samples are drawn by an endpoint, which needs neither a GPU here nor the model's folder."""
        return self.engine == REMOTE

    def sequences(self, use_gpu: bool) -> int:
        """Samples that one replica runs at once, and each of its data-parallel ranks."""
        if self.is_remote:
            return self.max_concurrency
        return self.max_num_seqs or (GPU_SEQUENCES if use_gpu else CPU_SEQUENCES)


class EngineSettings(ModelSettings):
    """The model and this replica's place on its machine. `max_num_seqs` is never 0 here."""

    use_gpu: bool = False
    cpu_cores: tuple[int, ...] = ()
    """Cores this replica's threads are bound to, where several share a machine; empty: the engine decides."""
    log_path: str = ""
    """File for the engine's own output; empty: the output of this process."""
    thinking_budget: bool = False
    """Whether samples may bound their thoughts (`sampling.thinking_tokens`). The engine then has to know the marks."""
    start_s: float = 1800.0
    """Seconds that the engine may take to start."""
    returns_cut: bool = False
    """Whether an answer that was cut off ends its request with CutOffError, so that nothing is asked for again before
    a ceiling has room for it. False: the engine asks again by itself."""

    @pydantic.model_validator(mode="before")
    @classmethod
    def _choose_sequences(cls, values: dict[str, Json]) -> dict[str, Json]:
        if values.get("engine") == REMOTE:
            default = cls.model_fields["max_concurrency"].default
            return {**values, "max_num_seqs": values.get("max_concurrency", default)}
        if values.get("max_num_seqs"):
            return values
        return {**values, "max_num_seqs": GPU_SEQUENCES if values.get("use_gpu") else CPU_SEQUENCES}

    def num_ranks(self) -> int:
        """Number of data-parallel engines in one replica. Each of them runs `max_num_seqs` samples at once."""
        return 1 if self.is_remote else int(self.engine_args.get("data_parallel_size", 1))


class NoArguments(pydantic.BaseModel):
    """The arguments of an engine that takes no `model.engine_args`."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


@dataclasses.dataclass(slots=True)
class StepClock:
    """When an engine made its steps. A step draws one token of every running sample, so a clock that stands still tells
    a hung engine from one that draws long samples."""

    num_steps: int = 0
    last: float = 0.0
    """Time of the last step (monotonic seconds)."""
    longest_s: float = 0.0
    """Longest time between two steps with samples running in between."""
    is_busy: bool = False
    """Whether samples were running after the last step."""

    def note(self, now: float, is_busy: bool) -> None:
        """Records a step that ended at `now` (monotonic seconds)."""
        if self.is_busy:
            self.longest_s = max(self.longest_s, now - self.last)
        self.num_steps += 1
        self.last = now
        self.is_busy = is_busy


@dataclasses.dataclass(slots=True)
class GenerationRequest:
    """One sample to draw; the prompt is given as `messages` or as `token_ids`."""

    id: str
    """Unique among the requests that run; `abort` takes it."""
    sampling: SamplingParameters
    messages: Messages = ()
    token_ids: tuple[int, ...] = ()
    """The whole prompt, where there are no messages."""
    prefix: str = ""
    """The beginning of the answer: the engine continues it, and the result has only what follows."""
    seed: int = 0
    stop: tuple[str, ...] = ()
    """Stop strings beside those of `sampling`."""
    json_schema: Mapping[str, Json] | None = None
    adapter: str = ""
    """A local folder with an adapter of the model; empty: none."""
    logprobs: bool = False
    """Whether the result has the log-probability of every token."""
    tokens: bool = False
    """Whether the result has the ids of the prompt too."""
    confidential: bool | None = None
    """Whether the text is of a confidential source (workers.engines.remote.confidential). None: the sender does not
    say, and an endpoint on another machine is not asked."""

    def needs(self) -> frozenset[Ability]:
        """What an engine must be able to do to serve this request."""
        wanted = {
            Ability.MESSAGES: bool(self.messages),
            Ability.TOKEN_IDS: bool(self.token_ids),
            Ability.PREFIX: bool(self.prefix),
            Ability.STOP: bool(self.stop),
            Ability.JSON_SCHEMA: self.json_schema is not None,
            Ability.ADAPTER: bool(self.adapter),
            Ability.LOGPROBS: self.logprobs,
            Ability.OUTPUT_IDS: self.tokens,
        }
        return self.sampling.needs() | {ability for ability, is_wanted in wanted.items() if is_wanted}


@dataclasses.dataclass(slots=True)
class Generation:
    """What an engine made of a GenerationRequest."""

    text: str
    finish_reason: str
    """stop, length, repetition, abort or error; error means that the engine was not asked or did not answer."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    mean_logprob: float | None = None
    """Mean log-probability (nats) of the sampled tokens, where the sampling or the request asked for it."""
    queue_s: float = 0.0
    generation_s: float = 0.0
    token_ids: Sequence[int] = ()
    logprobs: tuple[float, ...] | None = None
    """The log-probability of every token, where the request asked for them."""
    prompt_ids: Sequence[int] = ()
    """The prompt's tokens, where the request asked for them."""
    opening_tokens: int = 0
    """How many of the last `prompt_ids` are the opening mark of a thought with which the text begins."""
    opened_thought: bool = False
    """Whether the rendered prompt ends inside a thought. The text then begins with the opening mark, so that later
    readers need not know the template. Where the request has a prefix, the mark is left out."""
    thought_tokens: int | None = None
    """Tokens of the completion that are thought, marks included; None: the engine does not tell."""
    answer_tokens: int | None = None
    """The other tokens of the completion."""
    thought_closed_by: str | None = None
    """`model`, `budget` (sampling.thinking_tokens), `hidden` (an endpoint that does not show it), or None where the
    text closes no thought."""
    wasted_prompt_tokens: int = 0
    wasted_completion_tokens: int = 0
    """Tokens of answers that were cut off and asked for again. An endpoint charges for them too."""
    revision: str = ""
    """The revision of the model that drew this sample, where it may be another one than for the sample before; empty:
    the engine's."""


@dataclasses.dataclass(frozen=True, slots=True)
class PromptPreview:
    """How an engine would ask its model, found out before anything is loaded."""

    text: str = ""
    """The rendered prompt; empty where the model has no chat format, or `unknown` says why it is not known."""
    unknown: str = ""
    """Why it could not be tried here; that says nothing about the model."""
    error: str = ""
    """Why the engine cannot ask its model. The text is for the user."""


class Engine(ABC):
    """All methods belong to the event loop that awaited `start`; the constructor loads nothing."""

    name: ClassVar[str]
    is_remote: ClassVar[bool] = False
    """Whether the samples are drawn by an endpoint somewhere else, which needs neither a GPU here nor the model's
    folder."""
    Arguments: ClassVar[type[pydantic.BaseModel]] = NoArguments
    """What `model.engine_args` may hold."""
    abilities: frozenset[Ability]
    """What the engine can do. May depend on the settings; known before `start`."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.version = ""
        self.revision = ""
        self.steps: list[StepClock] | None = None
        """The steps of each data-parallel rank, kept up to date while the engine runs; None: the engine does not tell,
        and is never taken for hung."""
        self.max_model_len = 0
        self.kv_capacity_tokens = 0
        """Tokens that its KV cache holds; 0 = no bound for the generator to observe. Known only after `start`, like the
        three attributes above."""

    @abstractmethod
    async def start(self) -> None:
        """Loads the model (seconds to minutes). Raises EngineStartError."""

    def preview(self, messages: Messages) -> PromptPreview:
        """How `messages` would be rendered. Takes seconds, loads no weights and needs no GPU."""
        return PromptPreview(unknown=f"the engine {self.name} does not tell")

    def try_out(self, samplings: Iterable[SamplingParameters]) -> dict[str, Json]:
        """Whether the engine could start and draw with `samplings`, as far as that can be found out before anything is
        loaded. Returns what the run's record says of it. Raises EngineStartError, whose text is for the user."""
        return {}

    def facts(self) -> dict[str, Json]:
        """What the run's record says of the engine beside its version and revision. May change while it runs."""
        return {}

    def most_at_once(self) -> int | None:
        """The most samples that it takes at once now; None: as many as its settings say."""
        return None

    @abstractmethod
    async def generate(self, request: GenerationRequest) -> Generation:
        """Draws one sample. Raises EngineGoneError, and EngineAbilityError for what is not among the abilities."""

    @abstractmethod
    async def abort(self, request_ids: Sequence[str]) -> None:
        """Ends running requests at the engine's next step; unknown ids do nothing."""

    async def check(self) -> None:
        """Raises EngineGoneError if the engine is dead. An engine without a process of its own has nothing to check."""
        return None

    async def responds(self) -> bool:
        """Returns True once the engine's own process has answered a call. Does not return while that process hangs."""
        return True

    def kill(self) -> None:
        """Ends the engine's processes at once, also where they no longer answer."""
        self.stop()

    async def score(self, request_id: str, messages: Messages, text: str) -> list[float] | None:
        """The log-probability (nats) of each token of `text` as the answer to `messages`; None where it has no tokens
        or does not fit into the context."""
        raise EngineAbilityError(f"the engine {self.name} cannot {Ability.SCORE}")

    @abstractmethod
    def stop(self) -> None:
        """Ends the engine's processes; may be called twice, and before `start`."""

    def require(self, needs: Iterable[Ability]) -> None:
        """Raises EngineAbilityError if one of `needs` is not among the abilities."""
        if missing := frozenset(needs) - self.abilities:
            raise EngineAbilityError(f"the engine {self.name} cannot {' and cannot '.join(sorted(missing))}")
