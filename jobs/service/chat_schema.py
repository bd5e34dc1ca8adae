"""OpenAI's chat request as this service reads it.

Promises: every field is honoured or refused, or it labels the request and changes no answer. A field that is not named
here is refused, so that nothing a client asked for is silently left out. A field that the service cannot honour is
accepted with the value that asks for nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import pydantic
import pydantic_core

from jobs.config import KindName
from jobs.service.http_errors import HttpProblem, invalid
from jobs.service.schemas import Model
from jobs.service.steering import CLIENT_SAMPLING, Steering
from runstore.schema import Messages
from verifiers.reference_fields import MAX_PROMPT_CHARS
from verifiers.types import Json

MAX_SEED = 2**53
"""JSON numbers beyond it lose digits in many clients."""
MAX_MESSAGES = 1000
MAX_STOPS = 16
LABELS = ("user", "safety_identifier", "prompt_cache_key", "metadata")
"""Fields that label a request and change no answer."""

Content = Annotated[str, pydantic.Field(max_length=MAX_PROMPT_CHARS)]
Stop = Annotated[str, pydantic.Field(min_length=1, max_length=200)]


def asks_nothing(reason: str, *neutral: Json) -> Any:
    """The type of a field that cannot be honoured: null or one of `neutral`; anything else is refused with `reason`."""

    def check(value: Json) -> Json:
        if value is not None and value not in neutral:
            raise pydantic_core.PydanticCustomError("unsupported", "{reason}", {"reason": reason})
        return value

    return Annotated[
        Any,
        pydantic.BeforeValidator(check),
        pydantic.Field(json_schema_extra=lambda schema: schema.update(enum=[None, *neutral])),
    ]


NO_TOOLS = "this service calls no tools"
NO_LOGPROBS = "this service gives no log-probabilities"
NO_PENALTY = "this service applies no penalty"
TEXT_ONLY = "this service answers with text only"


class ChatPart(Model):
    type: Literal["text"]
    text: Content

    @pydantic.model_validator(mode="before")
    @classmethod
    def _is_text(cls, part: Any) -> Any:
        # Else each field of an image's part would be a fault of its own.
        if isinstance(part, dict) and part.get("type", "text") != "text":
            raise ValueError("this service reads text parts only")
        return part


class ChatMessage(Model):
    role: Literal["system", "developer", "user", "assistant"]
    content: Content | list[ChatPart] | None = None
    refusal: Content | None = None
    """Why an earlier answer was refused; stands for the content of an assistant's message that has none."""
    name: asks_nothing("names of participants are not shown to the model") = None  # type: ignore[valid-type]
    tool_calls: asks_nothing(NO_TOOLS, []) = None  # type: ignore[valid-type]
    function_call: asks_nothing(NO_TOOLS) = None  # type: ignore[valid-type]
    annotations: asks_nothing("annotations are not shown to the model", []) = None  # type: ignore[valid-type]
    audio: asks_nothing(TEXT_ONLY) = None  # type: ignore[valid-type]

    @pydantic.model_validator(mode="after")
    def _has_content(self) -> ChatMessage:
        if self.content is None and not (self.role == "assistant" and self.refusal):
            raise ValueError("a message needs content")
        return self

    def pair(self) -> tuple[str, str]:
        """(role, text) for the chat template. Templates know no role `developer`; it is OpenAI's later name of
        `system`."""
        role = "system" if self.role == "developer" else self.role
        if self.content is None:
            return role, self.refusal or ""
        return role, self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class ChatProblem(Model):
    """The field `proofmill` of a chat request (`extra_body` in the openai client)."""

    kind: KindName
    reference: dict[str, Any]
    num_samples: Annotated[int, pydantic.Field(ge=1)] = 8
    seed: Annotated[int, pydantic.Field(ge=0, le=MAX_SEED)] = 0


class StreamOptions(Model):
    include_usage: bool | None = None


class ResponseFormat(Model):
    type: Literal["text"]


class ChatRequest(Model):
    """OpenAI's request. With `proofmill`, the last user message is a problem and only a verified text is given. Without
    it the model answers, and nothing is checked."""

    model: Annotated[str, pydantic.Field(max_length=512)] = ""
    """Any name is accepted. The answer names the model that gave it."""
    messages: Annotated[list[ChatMessage], pydantic.Field(min_length=1, max_length=MAX_MESSAGES)]
    proofmill: ChatProblem | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, pydantic.Field(ge=1)] | None = None
    seed: Annotated[int, pydantic.Field(ge=-(2**63), lt=2**63)] | None = None
    temperature: Annotated[float, pydantic.Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, pydantic.Field(gt=0, le=1)] | None = None
    top_k: Annotated[int, pydantic.Field(ge=-1, le=2**31)] | None = None
    min_p: Annotated[float, pydantic.Field(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, pydantic.Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, pydantic.Field(ge=1)] | None = None
    stop: Stop | Annotated[list[Stop], pydantic.Field(max_length=MAX_STOPS)] | None = None
    response_format: ResponseFormat | None = None

    user: Annotated[str, pydantic.Field(max_length=512)] | None = None
    safety_identifier: Annotated[str, pydantic.Field(max_length=512)] | None = None
    prompt_cache_key: Annotated[str, pydantic.Field(max_length=512)] | None = None
    metadata: dict[str, str] | None = None
    service_tier: asks_nothing("there is one tier of service", "auto", "default") = None  # type: ignore[valid-type]
    store: asks_nothing("this service stores no chats; batch runs are stored", False) = None  # type: ignore[valid-type]

    logprobs: asks_nothing(NO_LOGPROBS, False) = None  # type: ignore[valid-type]
    top_logprobs: asks_nothing(NO_LOGPROBS) = None  # type: ignore[valid-type]
    tools: asks_nothing(NO_TOOLS, []) = None  # type: ignore[valid-type]
    tool_choice: asks_nothing(NO_TOOLS, "none", "auto") = None  # type: ignore[valid-type]
    parallel_tool_calls: asks_nothing(NO_TOOLS) = None  # type: ignore[valid-type]
    functions: asks_nothing(NO_TOOLS, []) = None  # type: ignore[valid-type]
    function_call: asks_nothing(NO_TOOLS, "none", "auto") = None  # type: ignore[valid-type]
    web_search_options: asks_nothing(NO_TOOLS) = None  # type: ignore[valid-type]
    presence_penalty: asks_nothing(NO_PENALTY, 0) = None  # type: ignore[valid-type]
    frequency_penalty: asks_nothing(NO_PENALTY, 0) = None  # type: ignore[valid-type]
    logit_bias: asks_nothing("this service changes no token's weight", {}) = None  # type: ignore[valid-type]
    modalities: asks_nothing(TEXT_ONLY, ["text"]) = None  # type: ignore[valid-type]
    audio: asks_nothing(TEXT_ONLY) = None  # type: ignore[valid-type]
    prediction: asks_nothing("predicted outputs are not used") = None  # type: ignore[valid-type]
    reasoning_effort: asks_nothing("the model's effort cannot be set") = None  # type: ignore[valid-type]
    verbosity: asks_nothing("the model's verbosity cannot be set") = None  # type: ignore[valid-type]

    def check(self, max_tokens: int) -> None:
        """What the types above cannot say; `max_tokens` is the operator's bound. Raises HttpProblem 422."""
        wrong = []
        if self.stream_options and not self.stream:
            wrong.append(("/stream_options", "only with stream: true"))
        if None not in (self.max_tokens, self.max_completion_tokens) and self.max_tokens != self.max_completion_tokens:
            wrong.append(("/max_tokens", "differs from max_completion_tokens, its later name; leave one out"))
        for name in ("max_tokens", "max_completion_tokens"):
            if (getattr(self, name) or 0) > max_tokens:
                wrong.append((f"/{name}", f"at most {max_tokens:,} here"))
        if self.proofmill:
            if (self.n or 1) > 1:
                wrong.append(
                    ("/n", "a problem gets one verified answer; proofmill.num_samples says how many are drawn")
                )
            if self.messages[-1].role != "user":
                wrong.append(
                    (f"/messages/{len(self.messages) - 1}/role", "the problem is the last message, of the user")
                )
            if self.seed is not None and "seed" in self.proofmill.model_fields_set and self.seed != self.proofmill.seed:
                wrong.append(("/seed", "differs from proofmill.seed; leave one out"))
        if wrong:
            raise invalid([{"pointer": pointer, "detail": detail} for pointer, detail in wrong])

    def pairs(self) -> Messages:
        return tuple(message.pair() for message in self.messages)

    def sampling(self) -> Mapping[str, Json]:
        """The sampling parameters that the client set."""
        chosen = {name: getattr(self, name) for name in CLIENT_SAMPLING}
        chosen["max_tokens"] = self.max_tokens or self.max_completion_tokens
        if isinstance(self.stop, str):
            chosen["stop"] = [self.stop]
        return {name: value for name, value in chosen.items() if value is not None}

    def steering(self) -> Steering:
        messages = self.pairs()
        has_problem = self.proofmill is not None
        return Steering(messages[:-1] if has_problem else messages, has_problem, self.sampling())


class ModelCard(pydantic.BaseModel):
    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "proofmill"


class ModelList(pydantic.BaseModel):
    object: Literal["list"] = "list"
    data: list[ModelCard]


BODIES: list[type[pydantic.BaseModel]] = [ChatRequest]


def unknown_model(name: str) -> HttpProblem:
    return HttpProblem(404, "unknown-model", "no model of this name; GET /v1/models lists those that are here")
