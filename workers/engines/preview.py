"""Renders a prompt as the engine will, in a process of its own, before anything is loaded: `python -m
workers.engines.preview` reads a question as JSON and answers with one line.

Promises: no weights are read, no GPU is asked for and nothing is downloaded. What only says that this machine cannot
try it (no vLLM, no tokenizer, no answer in TIMEOUT_S) is `unknown`, never an error.
Does not: judge whether the chat format suits the model.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runstore.schema import Messages
from verifiers import thoughts
from verifiers.registry import meant
from verifiers.types import Json
from workers.engines.base import EngineSettings, PromptPreview
from workers.engines.thinking import marks_of

TIMEOUT_S = 300.0
TOKENIZER_FILES = ("tokenizer*", "tekken.json", "vocab.*", "*.tiktoken", "*.model", "chat_template*")
ANSWER = "PREVIEW "
"""What the answer's line begins with; vLLM's own output goes to the same place."""
MAX_REASON_CHARS = 500


def preview(settings: EngineSettings, arguments: Mapping[str, Any], messages: Messages) -> PromptPreview:
    """How vLLM would render `messages` for the model; `arguments` are those of the engine."""
    if importlib.util.find_spec("vllm") is None:
        return PromptPreview(unknown="vLLM is not installed here")
    folder = Path(settings.path)
    files: list[tuple[str, int]] = []
    if folder.is_dir():
        found = {file for pattern in TOKENIZER_FILES for file in folder.glob(pattern)}
        if not found:
            return PromptPreview(unknown=f"{settings.path} has no tokenizer")
        files = sorted((file.name, file.stat().st_mtime_ns) for file in found)
    elif not cached_folder(settings.path).is_dir():
        return PromptPreview(unknown="the model's tokenizer is not on this machine")
    question = {
        "arguments": dict(arguments),
        "template_kwargs": settings.chat_template_kwargs,
        "thinking": settings.thinking,
        "completion": settings.completion,
        "messages": messages,
        "files": files,
    }
    return _asked(json.dumps(question, sort_keys=True, default=str))


def cached_folder(hub_id: str) -> Path:
    """Where the hub's cache on this machine has a model."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(HF_HUB_CACHE) / f"models--{hub_id.replace('/', '--')}"


@functools.lru_cache(maxsize=64)
def _asked(question: str) -> PromptPreview:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "TORCHDYNAMO_DISABLE": "1"}
    environment.setdefault("VLLM_LOGGING_LEVEL", "ERROR")
    command = [sys.executable, "-m", "workers.engines.preview"]
    try:
        done = subprocess.run(
            command, input=question, capture_output=True, text=True, timeout=TIMEOUT_S, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return PromptPreview(unknown=f"vLLM did not render it within {TIMEOUT_S:g} s")
    lines = [line for line in done.stdout.splitlines() if line.startswith(ANSWER)]
    if not lines:
        last = " ".join(done.stderr.strip().splitlines()[-1:])
        return PromptPreview(unknown=f"vLLM could not be asked here: {last[:MAX_REASON_CHARS]}")
    return PromptPreview(**json.loads(lines[-1].removeprefix(ANSWER)))


def answer(question: Mapping[str, Any]) -> PromptPreview:
    """What the child process answers."""
    from workers.engines.rendering import PromptError, Renderer, open_renderer

    messages = tuple((role, content) for role, content in question["messages"])
    kwargs: dict[str, Json] = question["template_kwargs"]
    if wrong := unknown_argument(question["arguments"]):
        return PromptPreview(error=wrong)
    try:
        vllm_renderer = open_renderer(question["arguments"])
    except Exception as error:  # vLLM, transformers and the hub raise anything here
        return PromptPreview(unknown=f"{type(error).__name__}: {error}"[:MAX_REASON_CHARS])
    try:
        renderer = Renderer(vllm_renderer, kwargs, question["completion"])
        prompt = renderer.prompt(messages)
        if (renderer.is_plain or question["completion"]) and kwargs:
            return PromptPreview(error="model.chat_template_kwargs: no chat format is used that could read them")
        if unread := renderer.without_effect(messages):
            named = ", ".join(f"model.chat_template_kwargs.{name}" for name in unread)
            return PromptPreview(error=f"{named}: the model's chat format does not read it; leave it out")
        text = renderer.text(messages)
    except PromptError as error:
        return PromptPreview(error=f"the model's chat format does not render: {error}")
    opened = thoughts.split(prompt.opening).style if prompt.opening else ""
    if question["thinking"] and opened and marks_of(question["thinking"]).style != opened:
        return PromptPreview(
            error=f"model.thinking = {question['thinking']!r}, but the chat format begins a thought with "
            f"{prompt.opening.strip()!r}, which is the style {opened!r}"
        )
    return PromptPreview(text=text or "")


def unknown_argument(arguments: Mapping[str, Any]) -> str:
    """What is wrong with arguments that vLLM's engine does not have; empty where it has them all."""
    from vllm.engine.arg_utils import AsyncEngineArgs

    known = [field.name for field in dataclasses.fields(AsyncEngineArgs)]
    name = next((name for name in arguments if name not in known), "")
    return f"model.engine_args.{name}: vLLM's engine has no such argument{meant(name, known)}" if name else ""


if __name__ == "__main__":
    print(ANSWER + json.dumps(dataclasses.asdict(answer(json.load(sys.stdin)))), flush=True)
    # vLLM's threads need not be waited for.
    os._exit(0)
