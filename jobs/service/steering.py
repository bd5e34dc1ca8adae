"""What a chat request sets beside its problem: the conversation before it, and how tokens are drawn.

Promises: only sampling parameters that are named in `CLIENT_SAMPLING` come from a client; every other one, the model
and the engine are the operator's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jinja2

from runstore.schema import Messages
from verifiers.types import Json, Problem
from workers.engines.base import EngineAbilityError, SamplingParameters
from workers.prompting.messages import MESSAGES_BEFORE, PromptStyle, build_messages

CLIENT_SAMPLING = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "stop")


@dataclasses.dataclass(frozen=True, slots=True)
class Steering:
    """The conversation as the client sent it."""

    before: Messages = ()
    """The messages before the problem. Without a problem, all messages."""
    has_problem: bool = True
    sampling: Mapping[str, Json] = dataclasses.field(default_factory=dict)
    """Sampling parameters that replace the operator's; stop strings are added to the operator's."""

    def messages(self, problem: Problem, style: PromptStyle) -> Messages:
        """What the model is shown. Without a problem nothing is added to the client's messages; with one, a system
        message of the client's replaces the operator's."""
        if not self.has_problem:
            return self.before
        turns = [{"role": role, "content": content} for role, content in self.before]
        return build_messages(dataclasses.replace(problem, meta={**problem.meta, MESSAGES_BEFORE: turns}), style)

    def parameters(self, operators: SamplingParameters) -> SamplingParameters:
        chosen = {name: self.sampling[name] for name in CLIENT_SAMPLING if name in self.sampling}
        if "stop" in chosen:
            chosen["stop"] = (*operators.stop, *chosen["stop"])
        return SamplingParameters.model_validate({**operators.model_dump(), **chosen})


def told_reason(error: Exception) -> str:
    """Why the engine refused a conversation, as far as a client may know."""
    if isinstance(error, jinja2.TemplateError | EngineAbilityError):
        return str(error)
    return f"the engine answered with {type(error).__name__}"
