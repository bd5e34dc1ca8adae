"""What an endpoint is asked for one sample: the body of a chat completion from a GenerationRequest.

Every server gets messages, temperature, top_p, presence_penalty, frequency_penalty, stop and max_tokens. vLLM and
SGLang take further sampling keys in the same body. They get every value, neutral ones too, because they would put the
values of the model's generation_config.json in the place of a missing one. Any other API gets a key only where it says
something, since many refuse keys that they do not know.

Promises: a sampling key without an equivalent at the server is named (`without_equivalent`) and never dropped.
Does not: promise that an API of this kind takes what others of its kind take; the trial at the start finds that out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from verifiers.types import Json
from workers.engines.base import Ability, EngineSettings, GenerationRequest, SamplingParameters

STREAM_INTERVAL = 32
"""Tokens per piece of a stream that vLLM is asked for: enough to know what an aborted sample has cost, and few enough
pieces to cost the server nothing."""
COMMON = frozenset(
    {Ability.MESSAGES, Ability.PENALTIES, Ability.STOP, Ability.LOGPROBS, Ability.JSON_SCHEMA, Ability.ABORT}
)
ABILITIES: Mapping[str, frozenset[Ability]] = {
    "api": COMMON,
    "sglang": COMMON | {Ability.TOP_K, Ability.MIN_P, Ability.STOP_TOKENS},
    "vllm": COMMON
    | {Ability.TOP_K, Ability.MIN_P, Ability.STOP_TOKENS, Ability.LOOPS, Ability.PREFIX}
    | {Ability.THINKING_BUDGET},
}
"""What the engine can do with each kind of server. None promises to draw a sample again from its seed."""
WANTED_BY: Mapping[str, Ability] = {
    "top_k": Ability.TOP_K,
    "min_p": Ability.MIN_P,
    "stop_token_ids": Ability.STOP_TOKENS,
    "thinking_tokens": Ability.THINKING_BUDGET,
    "loop": Ability.LOOPS,
}
"""Sampling key → what the engine must be able to do where the key is used."""
NEUTRAL: Mapping[str, Json] = {"temperature": 1.0, "top_p": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0}
"""Values that a server uses for a missing key, by OpenAI's reference. Where an endpoint refuses such a key, leaving it
out changes nothing."""
OWN_KEYS = frozenset(
    {"messages", "model", "n", "stream", "stream_options", "seed", "stop", "max_tokens", "max_completion_tokens"}
    | {"temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty"}
    | {"stop_token_ids", "logprobs", "top_logprobs", "response_format", "chat_template_kwargs", "stream_interval"}
    | {"thinking_token_budget", "repetition_detection", "tools", "tool_choice", "functions"}
    | {"extra_headers", "extra_query", "extra_body", "timeout"}
)
"""Fields of the body that `model.engine_args` may not set."""


@dataclasses.dataclass(frozen=True, slots=True)
class Habits:
    """What a trial has shown of an endpoint."""

    max_tokens: str = "max_tokens"
    """Its name for the longest answer: max_tokens or max_completion_tokens."""
    left_out: frozenset[str] = frozenset()
    """Fields that it refuses and that may be left out."""


def without_equivalent(server: str, sampling: SamplingParameters) -> list[str]:
    """Sampling keys in use that a server has no field for."""
    able = ABILITIES[server]
    unused = {name: SamplingParameters.model_fields[name].default for name in WANTED_BY}
    found = [name for name, ability in WANTED_BY.items() if ability in sampling.needs() and ability not in able]
    assert all(getattr(sampling, name) != unused[name] for name in found)
    if server == "api" and sampling.repetition_penalty != 1:
        found.append("repetition_penalty")
    return found


def body_for(request: GenerationRequest, settings: EngineSettings, server: str, habits: Habits) -> dict[str, Json]:
    """The body of the request, without the model's name."""
    sampling = request.sampling
    body: dict[str, Json] = {
        "messages": [{"role": role, "content": content} for role, content in request.messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        **dict(settings.engine_args),
    }
    for name in ("presence_penalty", "frequency_penalty"):
        if server != "api" or getattr(sampling, name):
            body[name] = getattr(sampling, name)
    if sampling.max_tokens:
        body[habits.max_tokens] = sampling.max_tokens
    if stop := [*sampling.stop, *request.stop]:
        body["stop"] = stop
    if sampling.logprobs or request.logprobs:
        body |= {"logprobs": True, "top_logprobs": 0}
    if request.json_schema is not None:
        schema = {"name": "answer", "schema": dict(request.json_schema)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if settings.chat_template_kwargs:
        body["chat_template_kwargs"] = dict(settings.chat_template_kwargs)
    if settings.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if server != "api":
        body |= further_fields(request, settings, server)
    return {name: value for name, value in body.items() if name not in habits.left_out}


def further_fields(request: GenerationRequest, settings: EngineSettings, server: str) -> dict[str, Any]:
    """Fields that vLLM and SGLang have beside those of OpenAI's reference."""
    sampling = request.sampling
    body: dict[str, Any] = {
        "top_k": sampling.top_k,
        "min_p": sampling.min_p,
        "repetition_penalty": sampling.repetition_penalty,
    }
    if sampling.seeded:
        body["seed"] = request.seed
    if sampling.stop_token_ids:
        body["stop_token_ids"] = list(sampling.stop_token_ids)
    if settings.thinking:
        body["skip_special_tokens"] = False  # marks that are special tokens would be missing in the text
    if server != "vllm":
        return body
    if settings.stream:
        body["stream_interval"] = STREAM_INTERVAL
        body["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
    if sampling.thinking_tokens:
        body["thinking_token_budget"] = sampling.thinking_tokens
    if sampling.loop.size:
        body["repetition_detection"] = {
            "max_pattern_size": sampling.loop.size,
            "min_pattern_size": 1,
            "min_count": sampling.loop.count,
        }
    if request.prefix:
        turns = [*request.messages, ("assistant", request.prefix)]
        body["messages"] = [{"role": role, "content": content} for role, content in turns]
        body |= {"add_generation_prompt": False, "continue_final_message": True}
    return body


def learned_from(parameter: str, reason: str, body: Mapping[str, Json], habits: Habits) -> Habits | None:
    """What a refusal of `body` teaches about the endpoint; None where the refused field cannot be done without."""
    about = f"{parameter} {reason}"
    if "max_completion_tokens" in about and "max_tokens" in body:
        return dataclasses.replace(habits, max_tokens="max_completion_tokens")
    for name in named_in(about, body):
        if name == "stream_options" or (name in NEUTRAL and body[name] == NEUTRAL[name]):
            return dataclasses.replace(habits, left_out=habits.left_out | {name})
    return None


def named_in(text: str, names: Collection[str]) -> list[str]:
    """Those of `names` that stand in a text as words, the longest first."""
    words = {word.strip("'\"`.,:;()[]") for word in text.replace("=", " ").split()}
    return sorted((name for name in names if name in words), key=len, reverse=True)
