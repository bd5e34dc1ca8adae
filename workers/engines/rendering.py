"""Prompts by vLLM's own renderer, so that a model is asked in the words of its own chat format: a Jinja template in its
tokenizer or beside it, or code of vLLM's where there is none (tokenizer modes such as `deepseek_v32` and `mistral`).

Promises: the tokens are those that vLLM's own server makes of the same messages and the same
`model.chat_template_kwargs`. It needs a tokenizer and a config, but no weights and no GPU (`open_renderer`).
Does not: invent a format. A model without any chat format gets the plain contents, and says so (`is_plain`).
Fails with PromptError, whose text is the template's own.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, NamedTuple

from runstore.schema import Messages
from verifiers import thoughts
from verifiers.types import Json
from workers.engines.thinking import Marks

LABELS = {"user": "Problem:", "assistant": "Solution:"}
"""What stands above a turn where the model knows no chat format."""
COMPLETION_STOP = ("\nProblem:",)
"""Where a sample of such a model ends: it goes on with a problem of its own."""
MAX_REASON_CHARS = 500
RESERVED = frozenset({"add_generation_prompt", "chat_template", "continue_final_message", "conversation", "messages"})
"""Arguments of a template that are ours to give."""
OTHER_VALUES = (None, False, True, "low", "high", "none")
"""Values that are tried to see whether an argument has any effect."""


class PromptError(ValueError):
    """The messages cannot be rendered; the text says why."""


class Prompt(NamedTuple):
    """A prompt as tokens."""

    tokens: list[int]
    opening: str
    """The opening mark of a thought that the prompt leaves open, with what the template wrote after it."""
    no_thought: bool = False
    """Whether the template wrote a thought that is closed already: thinking is switched off."""


def labelled(messages: Messages) -> str:
    """The messages under labels, for a model that was trained on no chat format."""
    turns = [f"{LABELS[role]}\n{content.strip()}" if role in LABELS else content.strip() for role, content in messages]
    return "\n\n".join([*turns, f"{LABELS['assistant']}\n"])


def text_to_store(text: str, prompt: Prompt, marks: Marks | None, finish_reason: str | None) -> str:
    """The text behind the mark that began its thought, so that later readers need no template: the prompt's mark or,
    where the model is known to think first (`marks`) and was cut off before it wrote any, its style's."""
    if prompt.opening or marks is None or prompt.no_thought or finish_reason == "stop":
        return prompt.opening + text
    parts = thoughts.split(text, finish_reason)
    return text if parts.opened or parts.closed else marks.opening + text


class Renderer:
    """Makes prompts of messages."""

    def __init__(
        self, renderer: Any, template_kwargs: Mapping[str, Json] | None = None, completion: bool = False
    ) -> None:
        """`renderer` is vLLM's, of an engine or of `open_renderer`. `completion`: the model knows no chat format, and
        is asked under labels. Raises PromptError."""
        from vllm.utils.mistral import is_mistral_tokenizer

        self._renderer = renderer
        self._kwargs = dict(template_kwargs or {})
        self.tokenizer = renderer.get_tokenizer()
        self._makes_tokens = bool(is_mistral_tokenizer(self.tokenizer))
        self._completion = completion
        self.is_plain = False
        """Whether the model has no chat format. Known after the first prompt."""
        if wrong := RESERVED & self._kwargs.keys():
            raise PromptError(f"{min(wrong)} is not for a config to give")

    def prompt(self, messages: Messages, prefix: str = "") -> Prompt:
        """The prompt of `messages`; `prefix` begins the answer. Raises PromptError."""
        rendered = None if self._completion else self._rendered(messages, self._kwargs)
        if rendered is None:
            self.is_plain = not self._completion
            text = labelled(messages) if self._completion else "\n\n".join(content for _, content in messages) + "\n"
            return Prompt(list(self.tokenizer.encode(text + prefix)), thoughts.opening_mark_of_prompt(text))
        if isinstance(rendered, str):
            text, tokens = rendered, list(self.tokenizer.encode(rendered + prefix, add_special_tokens=False))
        else:
            text = self.tokenizer.decode(rendered, skip_special_tokens=False)
            tokens = [*rendered, *(self.tokenizer.encode(prefix, add_special_tokens=False) if prefix else ())]
        tail = thoughts.read_prompt_tail(text, self._before(messages, text))
        return Prompt(tokens, tail.opening, tail.is_closed)

    def text(self, messages: Messages) -> str | None:
        """The rendered prompt as text; None where the model has no chat format. Raises PromptError."""
        if self._completion:
            return labelled(messages)
        rendered = self._rendered(messages, self._kwargs)
        if rendered is None or isinstance(rendered, str):
            return rendered
        return str(self.tokenizer.decode(rendered, skip_special_tokens=False))

    def without_effect(self, messages: Messages) -> list[str]:
        """Names of the template's arguments that change nothing, whatever value they have. Raises PromptError."""
        found = []
        for name, value in self._kwargs.items():
            rest = {key: other for key, other in self._kwargs.items() if key != name}
            plain = self._rendered(messages, rest)
            if not any(self._differs(messages, {**rest, name: tried}, plain) for tried in (value, *OTHER_VALUES)):
                found.append(name)
        return found

    def _differs(self, messages: Messages, kwargs: dict[str, Json], plain: str | list[int] | None) -> bool:
        try:
            return self._rendered(messages, kwargs) != plain
        except PromptError:
            return True  # a value that the template refuses is one that it reads

    def _before(self, messages: Messages, text: str) -> str:
        """The conversation without the turn that is to be written; empty where the chat format always begins one."""
        if self._makes_tokens:
            return ""
        try:
            before = self._rendered(messages, self._kwargs, begins_turn=False)
        except PromptError:
            return ""
        return before if isinstance(before, str) and before != text else ""

    def _rendered(
        self, messages: Messages, kwargs: Mapping[str, Json], begins_turn: bool = True
    ) -> str | list[int] | None:
        """The prompt as text, or as tokens where the chat format makes them; None: the model has no chat format."""
        from vllm.renderers import ChatParams
        from vllm.renderers.chat_utils import ChatTemplateResolutionError

        ours = {"add_generation_prompt": begins_turn, "continue_final_message": False, "tokenize": self._makes_tokens}
        turns = [{"role": role, "content": content} for role, content in messages]
        try:
            _, prompt = self._renderer.render_messages(turns, ChatParams(chat_template_kwargs={**kwargs, **ours}))
        except ChatTemplateResolutionError:
            return None
        except Exception as error:  # templates and tokenizers raise anything
            raise PromptError(f"{type(error).__name__}: {error}"[:MAX_REASON_CHARS]) from error
        text = prompt.get("prompt")
        return text if isinstance(text, str) else list(prompt["prompt_token_ids"])


def open_renderer(arguments: Mapping[str, Any]) -> Any:
    """vLLM's renderer for the arguments of an engine, without the engine. Raises what vLLM does for a model that it
    cannot read."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.renderers import renderer_from_config

    model_config = AsyncEngineArgs(**arguments).create_model_config()
    # A renderer reads no more of the whole config, which cannot be made on a machine without the model's hardware.
    parallel = types.SimpleNamespace(_api_process_rank=0, _api_process_count=1)
    whole = types.SimpleNamespace(model_config=model_config, parallel_config=parallel, observability_config=None)
    return renderer_from_config(whole)
