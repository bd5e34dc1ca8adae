"""What the dry-run finds out about a chat format. Tokenizers and templates are written for the tests (chat_models)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from chat_models import chatml, write_chat_model

from jobs.cli import main
from jobs.config import check_config
from jobs.solve.prompts import describe_prompts, trial_messages
from workers.engines import preview as previews
from workers.engines.base import EngineSettings
from workers.engines.vllm import VllmEngine

ASKED = (("system", "Be brief."), ("user", "2 + 2?"))
THINKING = chatml("{{ '<think>\\n' if thinking else '<think>\\n\\n</think>\\n' }}")
REFUSES = "{%- if messages[0]['role'] == 'system' %}{{ raise_exception('No system role here') }}{%- endif %}" + chatml()


def asked(folder: Path, messages: Any = ASKED, **model: Any) -> previews.PromptPreview:
    """As in the child process, but here."""
    pytest.importorskip("vllm")
    settings = EngineSettings(path=str(folder), max_model_len=512, **model)
    arguments = VllmEngine(settings).arguments()
    kwargs = {name: getattr(settings, name) for name in ("thinking", "completion")}
    kwargs["template_kwargs"] = settings.chat_template_kwargs
    return previews.answer({"arguments": arguments, "messages": messages, **kwargs})


def test_a_format_that_renders(tmp_path: Path) -> None:
    folder = write_chat_model(tmp_path, THINKING)
    assert asked(folder).text.endswith("2 + 2?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n")
    on = asked(folder, chat_template_kwargs={"thinking": True}, thinking="deepseek_v3")
    assert on.text.endswith("<think>\n") and not on.error


def test_a_base_model_is_asked_under_labels(tmp_path: Path) -> None:
    shown = (*ASKED, ("assistant", "4"), ("user", "3 + 3?"))
    found = asked(write_chat_model(tmp_path, None), shown, completion=True)
    assert found.text == "Be brief.\n\nProblem:\n2 + 2?\n\nSolution:\n4\n\nProblem:\n3 + 3?\n\nSolution:\n"


WRONG: dict[str, tuple[str | None, dict[str, Any], str]] = {
    "refuses": (REFUSES, {}, "the model's chat format does not render: .*No system role here"),
    "broken": ("{% if %}", {}, "the model's chat format does not render: "),
    "unread": (
        THINKING,
        {"chat_template_kwargs": {"thinking": True, "enable_thinking": True}},
        "model.chat_template_kwargs.enable_thinking: the model's chat format does not read it",
    ),
    "ours": (
        THINKING,
        {"chat_template_kwargs": {"add_generation_prompt": False}},
        "add_generation_prompt is not for a config to give",
    ),
    "no format": (None, {"chat_template_kwargs": {"thinking": True}}, "no chat format is used that could read them"),
    "base model": (
        THINKING,
        {"chat_template_kwargs": {"thinking": True}, "completion": True},
        "no chat format is used that could read them",
    ),
    "no argument": (
        THINKING,
        {"engine_args": {"kv_cache_dtyp": "fp8"}},
        r"^model.engine_args.kv_cache_dtyp: vLLM's engine has no such argument .did you mean kv_cache_dtype",
    ),
    "style": (
        THINKING,
        {"chat_template_kwargs": {"thinking": True}, "thinking": "openai_gptoss"},
        "model.thinking = 'openai_gptoss', but the chat format begins a thought with '<think>', .* style 'think'",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_format_that_cannot_be_used(tmp_path: Path, name: str) -> None:
    template, model, said = WRONG[name]
    found = asked(write_chat_model(tmp_path, template), **model)
    assert re.search(said, found.error) and not found.text


def test_what_this_machine_cannot_try_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))

    def said(path: str) -> str:
        table = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": path}}
        return describe_prompts(check_config(table, "test"))

    assert said("nobody/no-such-model") == "prompts     not tried: the model's tokenizer is not on this machine"
    assert said(str(tmp_path)).endswith("has no tokenizer")
    monkeypatch.setattr(previews.importlib.util, "find_spec", lambda _: None)
    assert said(str(tmp_path)).endswith("not tried: vLLM is not installed here")


def test_the_trial_has_every_role_that_the_run_sends() -> None:
    def roles(**more: Any) -> list[str]:
        table = {"run": {"id": "r"}, "problems": {"files": ["p"]}, "model": {"path": "m"}, **more}
        return [role for role, _ in trial_messages(check_config(table, "test"))]

    assert roles() == ["user"]
    assert roles(prompt={"system": "Be brief."}) == ["system", "user"]
    assert roles(sampling={"repair": {"rounds": 1}}) == ["user", "assistant", "user"]


def test_the_dry_run_refuses_a_template_that_does_not_render(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("vllm")
    folder = write_chat_model(tmp_path / "model", REFUSES)
    (tmp_path / "p.jsonl").write_text('{"id": "a", "kind": "math", "prompt": "1+1?", "reference": {"answer": "2"}}\n')
    config = tmp_path / "c.toml"
    config.write_text(
        f'run.id = "r"\nproblems.files = ["{tmp_path}/p.jsonl"]\nmodel.path = "{folder}"\nprompt.system = "Be brief."\n'
        f'output.uri = "{tmp_path}/out"\nresources.device = "cpu"\n'
    )
    assert main(["solve", str(config), "--dry-run"]) == 2
    said = capsys.readouterr()
    assert f"model.path = '{folder}': the model's chat format does not render: " in said.err
    assert "No system role here" in said.err and len(said.err.strip().splitlines()) == 1
    assert main(["solve", str(config), "--dry-run", "--set", "model.thinking=thinkk"]) == 2
    assert (
        "model.thinking: no style of thoughts is called 'thinkk' (did you mean think?). Styles: think, "
        in capsys.readouterr().err
    )
