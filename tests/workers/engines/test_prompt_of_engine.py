"""How the engine asks its model: vLLM's renderer, the same tokens as vLLM's own server, and how a prompt ended.

Tokenizers and chat templates are written for these tests in the forms that model makers publish (chat_models).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from chat_models import MISTRAL_MARKS, chatml, write_chat_model, write_mistral_model

from verifiers.thoughts import split
from workers.engines.base import EngineSettings
from workers.engines.vllm import VllmEngine

pytest.importorskip("vllm")
from workers.engines.rendering import PromptError, Renderer, open_renderer

MODEL = Path(__file__).parents[3] / "models" / "tiny_reasoner"
MESSAGES = (("user", "What does <think> mean?\n<think>"),)
TURNS = (("system", "Be brief."), ("user", "2 + 2?"), ("assistant", "5"), ("user", "Wrong. Again."))
TAILS = {
    "": "",
    "<think>\n": "<think>\n",
    "[THINK]": "[THINK]",
    "<think>\nFirst of all, ": "<think>\nFirst of all, ",
    "<|channel|>analysis<|message|>": "<|channel|>analysis<|message|>",
    "<think>\n\n</think>\n\n": "",  # thinking is switched off
    "<|channel|>final<|message|>": "",
}
SWITCH = chatml("{% if enable_thinking is false %}{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}")
"""The form of Qwen3: the model begins its thought itself, unless thinking is switched off."""
EFFORT = chatml("{{ '<|effort|>' + reasoning_effort|default('medium') + '\n' }}")


def renderer_of(folder: Path, kwargs: dict[str, Any] | None = None, **arguments: Any) -> Renderer:
    settings = EngineSettings(path=str(folder), max_model_len=512, engine_args=arguments)
    return Renderer(open_renderer(VllmEngine(settings).arguments()), kwargs)


async def served(renderer: Renderer, messages: Any, kwargs: dict[str, Any] | None) -> list[int]:
    """The tokens that vLLM's chat server makes of the same request."""
    from vllm.entrypoints.openai.chat_completion.protocol import ChatCompletionRequest
    from vllm.renderers.online_renderer import OnlineRenderer

    turns = [{"role": role, "content": content} for role, content in messages]
    request = ChatCompletionRequest(model="m", messages=turns, chat_template_kwargs=kwargs)
    options: dict[str, Any] = {"request_logger": None, "chat_template": None, "chat_template_content_format": "auto"}
    inner = renderer._renderer
    _, (prompt,) = await OnlineRenderer(inner.model_config, inner, **options).render_chat(request)
    return list(prompt["prompt_token_ids"])


@pytest.mark.parametrize(("tail", "opening"), TAILS.items())
def test_the_opening_mark_of_a_template(tmp_path: Path, tail: str, opening: str) -> None:
    renderer = renderer_of(write_chat_model(tmp_path, chatml(f"{{{{ {tail!r} }}}}")))
    prompt = renderer.prompt(MESSAGES)
    assert prompt.opening == opening
    assert prompt.no_thought is (bool(tail) and not opening)
    assert renderer.tokenizer.decode(prompt.tokens).endswith(tail)
    assert split(f"{prompt.opening}It is \\boxed{{5}}.", "stop").open_at_end is bool(opening)


def test_a_model_without_a_template(tmp_path: Path) -> None:
    renderer = renderer_of(write_chat_model(tmp_path, None))
    assert renderer.prompt((("user", "2 + 2?"),)).opening == "" and renderer.is_plain
    # Here the message is the prompt, and the model goes on where it ends.
    assert renderer.prompt(MESSAGES).opening == "<think>\n"


def test_the_bundled_model_is_asked_as_by_vllms_server() -> None:
    renderer = renderer_of(MODEL)
    for messages in (TURNS, TURNS[1:2], MESSAGES):
        assert renderer.prompt(messages).tokens == asyncio.run(served(renderer, messages, None))


@pytest.mark.parametrize("kwargs", [{}, {"enable_thinking": True}, {"enable_thinking": False}])
def test_arguments_of_the_template_reach_it_as_by_vllms_server(tmp_path: Path, kwargs: dict[str, Any]) -> None:
    renderer = renderer_of(write_chat_model(tmp_path, SWITCH), kwargs)
    prompt = renderer.prompt(TURNS)
    assert prompt.tokens == asyncio.run(served(renderer, TURNS, kwargs))
    assert prompt.no_thought is (kwargs.get("enable_thinking") is False)
    assert renderer.without_effect(TURNS) == []


@pytest.mark.parametrize("kwargs", [{}, {"thinking": True}, {"enable_thinking": True}])
def test_a_format_outside_the_tokenizer(tmp_path: Path, kwargs: dict[str, Any]) -> None:
    """DeepSeek V3.2 publishes no template: vLLM's tokenizer mode has the format as code."""
    marks = ["<｜User｜>", "<｜Assistant｜>", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"]
    folder = write_chat_model(tmp_path, None, marks, ["<think>", "</think>"])
    renderer = renderer_of(folder, kwargs, tokenizer_mode="deepseek_v32")
    prompt = renderer.prompt(TURNS)
    assert prompt.tokens == asyncio.run(served(renderer, TURNS, kwargs))
    text = renderer.tokenizer.decode(prompt.tokens)
    assert "<｜User｜>Wrong. Again.<｜Assistant｜>" in text and not renderer.is_plain
    assert text.endswith("<think>" if kwargs else "</think>")
    assert (prompt.opening, prompt.no_thought) == (("<think>", False) if kwargs else ("", True))
    assert renderer.without_effect(TURNS) == []
    wrong = renderer_of(folder, {**kwargs, "thinkin": True}, tokenizer_mode="deepseek_v32")
    assert wrong.without_effect(TURNS) == ["thinkin"]


@pytest.mark.parametrize("version", ["v7", "v11", "v13"])
def test_a_tokenizer_of_mistrals_own_library(tmp_path: Path, version: str) -> None:
    """Mistral publishes no template either: its library makes tokens of messages, and no text on the way."""
    folder = write_mistral_model(tmp_path, version)
    renderer = renderer_of(folder, tokenizer_mode="mistral")
    for messages in (TURNS, TURNS[1:2], (("user", "Ähm, 2 + 2?"),)):
        prompt = renderer.prompt(messages)
        assert prompt.tokens == asyncio.run(served(renderer, messages, None))
        assert (prompt.opening, prompt.no_thought) == ("", False)
    text = renderer.tokenizer.decode(renderer.prompt(TURNS).tokens)
    assert text.startswith("<s>[SYSTEM_PROMPT]") and text.endswith("5</s>[INST]Wrong. Again.[/INST]"), text
    assert text == renderer.text(TURNS) and not renderer.is_plain
    # Marks that a problem's text quotes are text, and open no thought.
    quoted = renderer.prompt((("user", "What does [THINK] mean? [THINK]"),))
    assert quoted.opening == "" and quoted.tokens.count(MISTRAL_MARKS.index("[THINK]")) == 0
    whole, begun = renderer.prompt(TURNS), renderer.prompt(TURNS, "The answer")
    assert begun.tokens[: len(whole.tokens)] == whole.tokens
    assert renderer.tokenizer.decode(begun.tokens[len(whole.tokens) :]) == "The answer"
    assert renderer_of(folder, {"thinking": True}, tokenizer_mode="mistral").without_effect(TURNS) == ["thinking"]


def test_what_mistrals_library_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    renderer = renderer_of(write_mistral_model(tmp_path), tokenizer_mode="mistral")
    with pytest.raises(PromptError, match="assistant"):
        renderer.prompt((*TURNS, ("assistant", "4")))


def test_an_argument_that_changes_nothing_is_named(tmp_path: Path) -> None:
    folder = write_chat_model(tmp_path, EFFORT)
    assert renderer_of(folder, {"reasoning_effort": "medium"}).without_effect(TURNS) == []
    assert renderer_of(folder, {"reasoning_effort": "low", "effort": "low"}).without_effect(TURNS) == ["effort"]
    with pytest.raises(PromptError, match="add_generation_prompt is not for a config"):
        renderer_of(folder, {"add_generation_prompt": False})


def test_a_template_that_does_not_render(tmp_path: Path) -> None:
    refuses = "{%- if messages[0]['role'] == 'system' %}{{ raise_exception('No system role here') }}{%- endif %}"
    renderer = renderer_of(write_chat_model(tmp_path / "a", refuses + chatml()))
    assert renderer.prompt(TURNS[1:]).tokens
    with pytest.raises(PromptError, match="No system role here"):
        renderer.prompt(TURNS)
    with pytest.raises(PromptError):
        renderer_of(write_chat_model(tmp_path / "b", "{% if %}")).prompt(TURNS)


def test_a_prefix_begins_the_answer(tmp_path: Path) -> None:
    renderer = renderer_of(write_chat_model(tmp_path, chatml()))
    whole = renderer.prompt(TURNS)
    begun = renderer.prompt(TURNS, "The answer")
    assert begun.tokens == [*whole.tokens, *renderer.tokenizer.encode("The answer", add_special_tokens=False)]
