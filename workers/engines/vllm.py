"""One vLLM engine in this process: started from settings, one request a sample, aborted by id.

A text carries the opening mark of a thought that the chat template began in the prompt, and a model whose marks are
special tokens has them decoded: what reads a stored text later needs to know no template (verifiers.thoughts).

Promises: a sample's tokens depend on its prompt, its seed and the engine, not on what else runs (each request has its
own random generator); an engine that can not start raises EngineStartError with the engine's own last lines; a dead
engine raises EngineGoneError out of `generate`.
Does not: restart itself (the coordinator starts a new generator) or know of Ray.

Why some arguments are not left to vLLM: on CPUs chunked prefill is switched off, since vLLM 0.32 rolls the random
generator of a partly prefilled seeded request back by an offset that CPU generators do not have, and dies; and
torch.compile of the sampler is switched off there, since it costs half a minute at the first token.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import os
import sys
import time
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from runstore.schema import Messages, SamplingParameters
from verifiers import thoughts
from verifiers.types import Json

LOG_LINES = 30
PROMPT_CACHE = 4096
"""Tokenised prompts kept: the samples of a problem share one."""


class EngineStartError(Exception):
    """The engine did not start; the text has its last lines."""


class EngineGoneError(Exception):
    """The engine died while it ran."""


@dataclasses.dataclass(frozen=True, slots=True)
class EngineSettings:
    """`path` is a local Hugging Face directory or a hub id; the rest is `[model]` of the config."""

    path: str
    revision: str = ""
    dtype: str = "auto"
    max_model_len: int = 0
    tensor_parallel_size: int = 1
    gpu_memory_utilization: float = 0.90
    cpu_kv_cache_gb: int = 1
    max_num_seqs: int = 256
    quantization: str = ""
    trust_remote_code: bool = False
    engine_args: Mapping[str, Json] = dataclasses.field(default_factory=dict)
    use_gpu: bool = False
    cpu_cores: tuple[int, ...] = ()
    """Cores this replica's threads are bound to, where several share a machine; empty: vLLM decides."""
    log_path: str = ""
    """Where the engine's own output goes; empty: this process's."""


@dataclasses.dataclass(frozen=True, slots=True)
class Completion:
    text: str
    finish_reason: str
    """stop | length | abort"""
    prompt_tokens: int
    completion_tokens: int
    mean_logprob: float | None
    queue_s: float
    generation_s: float


class Prompt(NamedTuple):
    tokens: list[int]
    opening: str
    """The opening mark of a thought that the prompt leaves open, with what the template wrote behind it."""


def make_prompt(tokenizer: Any, messages: Messages) -> Prompt:
    """By the tokenizer's chat template, or of the plain contents where it has none."""
    if not getattr(tokenizer, "chat_template", None):
        text = "\n\n".join(content for _, content in messages) + "\n"
        return Prompt(list(tokenizer.encode(text)), thoughts.opening_mark_of_prompt(text))
    turns = [{"role": role, "content": content} for role, content in messages]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    before = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=False)
    tokens = list(tokenizer.encode(text, add_special_tokens=False))
    return Prompt(tokens, thoughts.opening_mark_of_prompt(text, before))


class Engine:
    """An AsyncLLM. All methods belong to the event loop that awaited `start`."""

    def __init__(self, settings: EngineSettings, sampling: SamplingParameters) -> None:
        self.settings = settings
        self.sampling = sampling
        self._prompts: OrderedDict[Messages, Prompt] = OrderedDict()
        self._llm: Any = None
        self._tokenizer: Any = None
        self._skip_special_tokens = True
        self.name = "vllm"
        self.version = ""
        self.revision = ""
        self.max_model_len = 0
        self.kv_capacity_tokens = 0

    async def start(self) -> None:
        """Loads the model (seconds to minutes). Raises EngineStartError."""
        set_environment(self.settings)
        saved = redirect_output(self.settings.log_path)
        try:
            await asyncio.to_thread(import_vllm)
            self._start()
        except Exception as error:
            lines = last_lines(self.settings.log_path)
            raise EngineStartError(
                f"the engine for {self.settings.path} did not start: {error}"
                + (f"\nIts last lines were:\n{lines}" if lines else "")
            ) from None
        finally:
            restore_output(saved)

    def _start(self) -> None:
        import vllm
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        settings = self.settings
        arguments: dict[str, Any] = {
            "model": settings.path,
            "dtype": settings.dtype,
            "tensor_parallel_size": settings.tensor_parallel_size,
            "max_num_seqs": settings.max_num_seqs,
            "enable_prefix_caching": True,
            "trust_remote_code": settings.trust_remote_code,
            "disable_log_stats": False,
        }
        if settings.revision:
            arguments["revision"] = settings.revision
        if settings.max_model_len:
            arguments["max_model_len"] = settings.max_model_len
        if settings.quantization:
            arguments["quantization"] = settings.quantization
        if settings.use_gpu:
            arguments["gpu_memory_utilization"] = settings.gpu_memory_utilization
        else:
            context = settings.max_model_len or context_of(settings.path) or 8192
            arguments |= {
                "enforce_eager": True,
                "enable_chunked_prefill": False,
                "max_num_batched_tokens": max(context, 8192),
            }
        arguments |= dict(settings.engine_args)
        self._llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
        self._tokenizer = self._llm.get_tokenizer()
        self._skip_special_tokens = not thoughts.special_marks(getattr(self._tokenizer, "all_special_tokens", ()))
        model = self._llm.vllm_config.model_config
        cache = self._llm.vllm_config.cache_config
        self.version = vllm.__version__
        self.max_model_len = int(model.max_model_len)
        self.kv_capacity_tokens = int(cache.num_gpu_blocks or 0) * int(cache.block_size or 0)
        self.revision = settings.revision or model_revision(settings.path, model)

    async def generate(self, request_id: str, messages: Messages, seed: int) -> Completion:
        """One sample. An aborted one returns with finish_reason `abort`. Raises EngineGoneError."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind
        from vllm.v1.engine.exceptions import EngineDeadError

        prompt, opening = self.prepare(messages)
        room = self.max_model_len - len(prompt)
        started = time.time()
        if room < 1:
            # Data, not a fault: the problem does not fit this model's context.
            return Completion("", "length", len(prompt), 0, None, 0.0, 0.0)
        sampling = self.sampling
        parameters = SamplingParams(
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            top_k=sampling.top_k,
            min_p=sampling.min_p,
            max_tokens=min(sampling.max_tokens, room),
            stop=list(sampling.stop),
            seed=seed,
            logprobs=0,
            skip_special_tokens=self._skip_special_tokens,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )
        final = None
        try:
            async for output in self._llm.generate({"prompt_token_ids": prompt}, parameters, request_id):
                final = output
        except EngineDeadError as error:
            raise EngineGoneError(f"{error}\n{last_lines(self.settings.log_path)}") from None
        if final is None:
            raise EngineGoneError(f"request {request_id} ended without an output")
        completion = final.outputs[0]
        num_tokens = len(completion.token_ids)
        stats = final.metrics
        waited = (stats.scheduled_ts - stats.queued_ts) if stats and stats.scheduled_ts else 0.0
        mean = completion.cumulative_logprob / num_tokens if num_tokens and completion.cumulative_logprob else None
        return Completion(
            text=opening + completion.text,
            finish_reason=completion.finish_reason or "abort",
            prompt_tokens=len(prompt),
            completion_tokens=num_tokens,
            mean_logprob=mean,
            queue_s=max(waited, 0.0),
            generation_s=max(time.time() - started - max(waited, 0.0), 0.0),
        )

    async def abort(self, request_ids: list[str]) -> None:
        """Stops requests at the engine's next step; unknown ids do nothing."""
        await self._llm.abort(request_ids)

    def encode(self, messages: Messages) -> list[int]:
        """Token ids by the model's chat template, or of the plain contents where it has none."""
        return self.prepare(messages).tokens

    def prepare(self, messages: Messages) -> Prompt:
        """The prompt of `messages`, from the cache where it is known."""
        if messages in self._prompts:
            self._prompts.move_to_end(messages)
            return self._prompts[messages]
        prompt = self._prompts[messages] = make_prompt(self._tokenizer, messages)
        if len(self._prompts) > PROMPT_CACHE:
            self._prompts.popitem(last=False)
        return prompt

    async def check(self) -> None:
        """Raises EngineGoneError if the engine process is gone."""
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            await self._llm.check_health()
        except EngineDeadError as error:
            raise EngineGoneError(f"{error}\n{last_lines(self.settings.log_path)}") from None

    def stop(self) -> None:
        if self._llm is not None:
            self._llm.shutdown()
            self._llm = None


def gpu_is_here() -> bool:
    """Whether a driver shows this process a GPU; asks no library, so that none is loaded for it."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd"))


def set_environment(settings: EngineSettings) -> None:
    """What vLLM reads from the environment. Must run before its first import."""
    if Path(settings.path).is_dir():
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    if not settings.use_gpu:
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
        os.environ["VLLM_CPU_KVCACHE_SPACE"] = str(settings.cpu_kv_cache_gb)
        if settings.cpu_cores:
            os.environ["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(str(core) for core in settings.cpu_cores)
        # Ray sets it to the actor's CPUs, which may be a fraction; vLLM sizes its threads by the cores it binds.
        os.environ.pop("OMP_NUM_THREADS", None)


def import_vllm() -> None:
    import vllm.v1.engine.async_llm  # noqa: F401


def redirect_output(path: str) -> tuple[int, int] | None:
    """Sends file descriptors 1 and 2 to `path`, for this process and the engine's children."""
    if not path:
        return None
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    return saved


def restore_output(saved: tuple[int, int] | None) -> None:
    if saved is None:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    for descriptor, original in zip((1, 2), saved, strict=True):
        os.dup2(original, descriptor)
        os.close(original)


def last_lines(path: str) -> str:
    try:
        return "\n".join(Path(path).read_text(errors="replace").splitlines()[-LOG_LINES:]) if path else ""
    except OSError:
        return ""


def context_of(path: str) -> int:
    """The model's context from its config.json, 0 where there is none to read."""
    import json

    try:
        return int(json.loads((Path(path) / "config.json").read_text()).get("max_position_embeddings", 0))
    except (OSError, ValueError):
        return 0


def model_revision(path: str, model_config: Any) -> str:
    """The hub's commit, or for a local directory a hash over its JSON files and the ends of its weight files.

    The first megabyte of a safetensors file holds every tensor's name, shape and offset; hashing all of a large
    model would take minutes at every start.
    """
    folder = Path(path)
    if not folder.is_dir():
        return str(getattr(model_config.hf_config, "_commit_hash", "") or "")
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.json")):
        digest.update(file.name.encode() + file.read_bytes())
    for file in sorted(folder.glob("*.safetensors")):
        size = file.stat().st_size
        digest.update(f"{file.name} {size}".encode())
        with file.open("rb") as stream:
            digest.update(stream.read(1 << 20))
            stream.seek(max(0, size - (1 << 20)))
            digest.update(stream.read())
    return f"sha256:{digest.hexdigest()[:16]}"
