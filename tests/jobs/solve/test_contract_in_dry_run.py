"""What a dry-run refuses: keys without effect, a thinking budget without a style, an adapter of another model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs.config import ConfigError, SolveConfig, check_config
from jobs.solve.adapter import check_adapter
from jobs.solve.plan import plan_run
from jobs.solve.record import check_resume
from jobs.solve.settings import engine_settings, generator_settings
from tests.helpers.adapters import write_adapter
from workers.engines.vllm import VllmEngine

MODEL = Path(__file__).resolve().parents[3] / "models" / "tiny_reasoner"
NODE = {"Alive": True, "NodeManagerAddress": "here", "Resources": {"CPU": 4.0, "memory": 30 * 2**30}}


def config(sampling: dict[str, Any] | None = None, output: dict[str, Any] | None = None, **model: Any) -> SolveConfig:
    table = {
        **{"run": {"id": "r"}, "problems": {"files": ["p"]}, "sampling": sampling or {}, "output": output or {}},
        "model": {"path": str(MODEL), "max_model_len": 700, **model},
    }
    return check_config(table, "test")


@pytest.mark.parametrize(
    ("argument", "value", "instead"),
    [
        ("reasoning_parser", "qwen3", "model.thinking"),
        ("reasoning_config", {"reasoning_end_str": "</think>"}, "model.thinking"),
        ("tool_call_parser", "hermes", "sampling.rollout"),
        ("enable_auto_tool_choice", True, "sampling.rollout"),
        ("chat_template", "x.jinja", "model.chat_template_kwargs"),
        ("override_generation_config", {"temperature": 0.5}, "[sampling]"),
        ("temperature", 0.5, "[sampling]"),
        ("lora_modules", ["a=b"], "model.lora"),
    ],
)
def test_an_argument_without_effect_is_refused_with_the_key_to_use(argument: str, value: Any, instead: str) -> None:
    with pytest.raises(ConfigError) as raised:
        config(engine_args={argument: value})
    assert f"engine_args: {argument} has no effect here" in str(raised.value) and instead in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("argument", ["enable_lora", "max_loras", "max_lora_rank"])
def test_room_for_an_adapter_is_refused_without_one(argument: str) -> None:
    with pytest.raises(ConfigError, match=rf"engine_args\.{argument} has no effect without an adapter: set lora"):
        config(engine_args={argument: 1})


def test_arguments_with_an_effect_still_pass() -> None:
    assert config(engine_args={"kv_cache_dtype": "fp8", "seed": 3}).model.engine_args == {
        "kv_cache_dtype": "fp8",
        "seed": 3,
    }


@pytest.mark.parametrize("sampling", [{"thinking_tokens": 64}, {"by_kind": {"math": {"thinking_tokens": 64}}}])
def test_a_budget_for_thoughts_needs_a_style(sampling: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^sampling\.thinking_tokens: .* set model\.thinking") as raised:
        plan_run(config(sampling), [NODE])
    assert "\n" not in str(raised.value)
    planned = config(sampling, thinking="qwen3")
    plan_run(planned, [NODE])
    assert engine_settings(planned, False).thinking_budget
    assert not engine_settings(config(thinking="qwen3"), False).thinking_budget


def test_log_probabilities_of_tokens_imply_those_of_samples() -> None:
    settings = generator_settings(config(output={"tokens": "ids+logprobs"}), "", False)
    assert settings.sampling.logprobs and settings.tokens == "ids+logprobs"
    assert not generator_settings(config(output={"tokens": "ids"}), "", False).sampling.logprobs


def test_a_resume_stores_the_same_tokens() -> None:
    problems: Any = type("Problems", (), {"sha256": "0"})
    stored: dict[str, Any] = {"config": config().resolved(), "problems": {"sha256": "0"}}
    check_resume(config(output={"flush_s": 1.0, "uri": "elsewhere"}), problems, stored, "run")
    with pytest.raises(ConfigError, match=r"output\.tokens was 'none' and is 'ids' now"):
        check_resume(config(output={"tokens": "ids"}), problems, stored, "run")
    del stored["config"]["output"]["tokens"]
    check_resume(config(), problems, stored, "run")


def test_an_adapter_of_the_model_is_planned_and_reaches_the_engine(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "a", MODEL, rank=12)
    plan_run(config(lora=str(adapter)), [NODE])
    settings = engine_settings(config(lora=str(adapter)), False)
    engine = VllmEngine(settings)
    arguments = engine.arguments()
    assert (arguments["enable_lora"], arguments["max_lora_rank"], arguments["max_loras"]) == (True, 16, 1)
    request = engine._adapter()
    assert request.lora_path == str(adapter) and request.lora_int_id == 1
    assert VllmEngine(engine_settings(config(), False))._adapter() is None


@pytest.mark.parametrize("has_weights", [True, False])
@pytest.mark.parametrize(
    ("change", "told"),
    [({"hidden": 999}, r"\b999\b"), ({"layers": 99}, r"layers\.\d+\.self_attn")],
)
def test_an_adapter_for_another_architecture_is_one_clear_error(
    tmp_path: Path, change: dict[str, int], told: str, has_weights: bool
) -> None:
    model = tmp_path / "m"
    model.mkdir()
    for name in ("config.json", *(["model.safetensors"] if has_weights else [])):
        shutil.copy(MODEL / name, model / name)
    adapter = write_adapter(tmp_path / "a", MODEL, base="someone/Other-7B", **change)
    with pytest.raises(ConfigError, match=told) as raised:
        plan_run(config(path=str(model), lora=str(adapter)), [NODE])
    text = str(raised.value)
    assert "an adapter of another architecture (it was trained on someone/Other-7B)" in text and "\n" not in text


def test_a_folder_that_is_no_adapter_is_one_clear_error(tmp_path: Path) -> None:
    about = json.loads((MODEL / "config.json").read_text())

    def refused(lora: Path, told: str) -> None:
        with pytest.raises(ConfigError, match=told) as raised:
            check_adapter(str(lora), str(MODEL), about)
        assert "\n" not in str(raised.value)

    refused(tmp_path / "none", r"model\.lora = .*no such folder here")
    refused(MODEL, r"no readable adapter_config\.json")
    adapter = write_adapter(tmp_path / "a", MODEL)
    (adapter / "adapter_model.safetensors").write_bytes(b"\xff" * 40)
    refused(adapter, "not a readable safetensors file")
    shutil.copy(MODEL / "model.safetensors", adapter / "adapter_model.safetensors")
    refused(adapter, "has no tensor of a LoRA adapter")
    (adapter / "adapter_model.safetensors").unlink()
    refused(adapter, "save the adapter as safetensors")
    (adapter / "adapter_config.json").write_text('{"peft_type": "PROMPT_TUNING", "r": 4}')
    refused(adapter, "expected a LoRA adapter")
