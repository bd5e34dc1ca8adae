"""The arguments of a vLLM engine: which ones a config may give, and which ones the engine chooses.

Some arguments are not left to vLLM. On CPUs chunked prefill is switched off, since vLLM 0.32 dies there: it rolls the
random generator of a partly prefilled seeded request back by an offset that CPU generators do not have. On CPUs
torch.compile of the sampler is switched off too, since it costs half a minute at the first token.
"""

from __future__ import annotations

import secrets
from typing import Any

import pydantic

from runstore.sizes import BATCHED_TOKENS
from workers.engines.base import EngineSettings, ModelSettings
from workers.engines.lora import room_for
from workers.engines.model_folder import context_of, keeps_states

WATERMARK = 0.05
"""Share of a GPU's KV cache that vLLM keeps free when it admits a sample (benchmarks/kv_room.py)."""

_THINKING = "model.thinking names how the model marks its thoughts, and sampling.thinking_tokens bounds them"
_TOOLS = "no tools are offered to the model; a rollout of a plugin (sampling.rollout) reads what the model wrote"
_TEMPLATE = "model.chat_template_kwargs sets the arguments of the model's chat format"
_SAMPLING = "temperature and the other sampling keys stand in [sampling] and [sampling.by_kind.<kind>]"
_LORA = "model.lora names the adapter and keeps room for it"
WITHOUT_EFFECT = {
    **dict.fromkeys(("reasoning_parser", "reasoning_parser_plugin", "reasoning_config"), _THINKING),
    **dict.fromkeys(("tool_call_parser", "tool_parser_plugin", "enable_auto_tool_choice", "tool_server"), _TOOLS),
    **dict.fromkeys(("default_chat_template_kwargs", "chat_template_kwargs", "chat_template"), _TEMPLATE),
    **dict.fromkeys(("chat_template_content_format", "response_role"), _TEMPLATE),
    **dict.fromkeys(("temperature", "top_p", "top_k", "min_p", "max_tokens"), _SAMPLING),
    "override_generation_config": _SAMPLING,
    "lora_modules": _LORA,
}
"""Arguments of vLLM that belong to its server, or that this engine's own settings replace, and what to set instead."""


class VllmArguments(pydantic.BaseModel):
    """Arguments of vLLM's AsyncEngineArgs, which checks them itself when the engine starts."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    @pydantic.model_validator(mode="before")
    @classmethod
    def _further_ones_only(cls, arguments: Any) -> Any:
        """Refuses arguments that have a key of their own, so that values used for planning are set in one place."""
        for name in arguments:
            if name in WITHOUT_EFFECT:
                raise ValueError(f"{name} has no effect here: {WITHOUT_EFFECT[name]}")
            key = "path" if name == "model" else name
            if key in ModelSettings.model_fields and key != "engine_args":
                raise ValueError(f"{name} has a key of its own, model.{key}")
        if arguments.get("pipeline_parallel_size", 1) != 1:
            raise ValueError("pipeline_parallel_size is not planned for; set model.tensor_parallel_size")
        return arguments


def arguments_of(settings: EngineSettings) -> dict[str, Any]:
    """The arguments for vLLM's AsyncEngineArgs."""
    arguments: dict[str, Any] = {
        "model": settings.path,
        "dtype": settings.dtype,
        "tensor_parallel_size": settings.tensor_parallel_size,
        "max_num_seqs": settings.max_num_seqs,
        "enable_prefix_caching": True,
        "trust_remote_code": settings.trust_remote_code,
        "disable_log_stats": False,
        # Replicas would otherwise all draw the same numbers for requests without a seed.
        "seed": secrets.randbits(31),
    }
    if settings.revision:
        arguments["revision"] = settings.revision
    if settings.max_model_len:
        arguments["max_model_len"] = settings.max_model_len
    if settings.quantization:
        arguments["quantization"] = settings.quantization
    if settings.lora:
        arguments |= room_for(settings.lora)
    if settings.use_gpu:
        arguments |= {
            "gpu_memory_utilization": settings.gpu_memory_utilization,
            # vLLM gives an engine inside a program 2,048, where its own server takes four times as many.
            "max_num_batched_tokens": BATCHED_TOKENS,
            # Without free blocks in reserve, every sample that is let in soon throws another one out.
            "watermark": WATERMARK,
            # Batches above this run without CUDA graphs, and vLLM stops at 512 by itself.
            "max_cudagraph_capture_size": settings.max_num_seqs,
        }
        if settings.tensor_parallel_size * settings.num_ranks() > 1:
            # The replica's GPUs are all here, so vLLM starts one process for each. Its other executor asks Ray for
            # GPUs, which this actor holds already.
            arguments["distributed_executor_backend"] = "mp"
    else:
        context = settings.max_model_len or context_of(settings.path) or 8192
        arguments |= {
            "enforce_eager": True,
            "enable_chunked_prefill": False,
            "max_num_batched_tokens": max(context, 8192),
        }
        if keeps_states(settings.path):
            # vLLM shares the beginnings of Mamba states only with chunked prefill, and refuses to start without.
            arguments["enable_prefix_caching"] = False
    return arguments | dict(settings.engine_args)
