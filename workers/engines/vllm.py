"""One vLLM engine in this process: started from settings, one request per sample, aborted by id.

Where the chat template begins a thought in the prompt, the text carries the opening mark of that thought. Marks that
are special tokens are decoded too. Code that reads a stored text therefore needs no template (verifiers.thoughts).

Promises: each request has its own random generator, so on CPUs a sample's tokens depend on its prompt, its seed and the
engine, not on what else runs; an engine that cannot start raises EngineStartError with the engine's own last lines; a
dead engine raises EngineGoneError out of `generate`.
Does not: restart itself (the coordinator starts a new generator) or know of Ray. It does not promise equal tokens on
GPUs, where the probabilities themselves depend on the batch (unless vLLM runs with VLLM_BATCH_INVARIANT=1), or with
`sampling.seeded = false`.

Some arguments are not left to vLLM. On CPUs chunked prefill is switched off, since vLLM 0.32 dies there: it rolls the
random generator of a partly prefilled seeded request back by an offset that CPU generators do not have. On CPUs
torch.compile of the sampler is switched off too, since it costs half a minute at the first token.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import logging
import math
import os
import re
import secrets
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pydantic

from runstore.schema import Messages
from verifiers import thoughts
from workers.engines.base import (
    Ability,
    Engine,
    EngineGoneError,
    EngineSettings,
    EngineStartError,
    Generation,
    GenerationRequest,
    ModelLoadError,
    ModelSettings,
    PromptPreview,
    StepClock,
)
from workers.engines.detokenize import LONG_TOKENS, decoder_of, num_last_tokens, text_of
from workers.engines.lora import room_for
from workers.engines.orphans import end_with_this_process
from workers.engines.preview import preview
from workers.engines.rendering import COMPLETION_STOP, Prompt, PromptError, Renderer, text_to_store
from workers.engines.thinking import Parted, marks_of, part_tokens
from workers.engines.thinking_budget import closed_by_budget, mark_ids, reasoning_config
from workers.engines.vllm_parameters import parameters_for

log = logging.getLogger("proofmill.engine")

LOG_LINES = 30
TRIAL: Messages = (("system", "Answer in one word."), ("user", "2 + 2?"))
"""What every chat format can render, with or without its first message."""
PROMPT_CACHE = 4096
"""Number of tokenised prompts kept; the samples of a problem share one."""
BATCHED_TOKENS = 8192
"""Tokens of one step on a GPU. The plan counts with the same number (cluster.fit)."""
WATERMARK = 0.05
"""Share of a GPU's KV cache that vLLM keeps free when it admits a sample (benchmarks/kv_room.py)."""
START_APART_S = 2.0
"""Seconds between two engine starts on one machine with GPUs."""
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500
_OF_THE_NODE = re.compile("gpu|cuda|device", re.IGNORECASE)
ABILITIES = frozenset(Ability) - {Ability.ADAPTER, Ability.THINKING_BUDGET}
"""What a vLLM engine can always do. Adapters need `enable_lora` among the engine's arguments, since vLLM reserves
memory for them."""


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


class VllmEngine(Engine):
    """An AsyncLLM."""

    name = "vllm"
    Arguments = VllmArguments

    def __init__(self, settings: EngineSettings) -> None:
        super().__init__(settings)
        has_room = settings.lora or settings.engine_args.get("enable_lora")
        adapters = frozenset({Ability.ADAPTER}) if has_room else frozenset()
        budget = frozenset({Ability.THINKING_BUDGET}) if settings.thinking and settings.thinking_budget else frozenset()
        self.abilities = ABILITIES | adapters | budget
        self._marks = marks_of(settings.thinking) if settings.thinking else None
        self._prompts: OrderedDict[tuple[Messages, str], Prompt] = OrderedDict()
        self._renderer: Any = None
        self._adapters: dict[str, int] = {}
        """Folder of an adapter → the number that vLLM knows it by."""
        self._llm: Any = None
        self._tokenizer: Any = None
        self._skip_special_tokens = True
        self._decoder: Any = None

    async def start(self) -> None:
        """Loads the model (seconds to minutes). Raises EngineStartError."""
        set_environment(self.settings)
        saved = redirect_output(self.settings.log_path)
        try:
            log.info("%s: loading", self.settings.path)
            await asyncio.to_thread(import_vllm)
            if self.settings.use_gpu:
                lift_niceness()
                await asyncio.to_thread(wait_for_turn)
            end_with_this_process()
            self._start()
        except Exception as error:
            lines = last_lines(self.settings.log_path)
            kind = ModelLoadError if isinstance(error, ModelLoadError) else EngineStartError
            raise kind(
                f"the engine for {self.settings.path} did not start: {error}"
                + (f"\nIts last lines were:\n{lines}" if lines else "")
            ) from None
        finally:
            restore_output(saved)

    def preview(self, messages: Messages) -> PromptPreview:
        """See Engine.preview. vLLM's renderer is asked in a process of its own, so that this one stays without vLLM."""
        return preview(self.settings, self.arguments(), messages)

    def arguments(self) -> dict[str, Any]:
        """The arguments for vLLM's AsyncEngineArgs."""
        settings = self.settings
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

    def _start(self) -> None:
        import vllm
        from vllm.engine.arg_utils import AsyncEngineArgs
        from vllm.usage.usage_lib import UsageContext
        from vllm.v1.engine.async_llm import AsyncLLM

        settings = self.settings
        clocks = self.steps = [StepClock() for _ in range(settings.num_ranks())]
        try:
            engine_args = AsyncEngineArgs(**self.arguments())
            if Ability.THINKING_BUDGET in self.abilities and self._marks is not None:
                engine_args.reasoning_config = reasoning_config(self._marks)
            config = engine_args.create_engine_config(UsageContext.ENGINE_CONTEXT)
        except Exception as error:
            if is_about_the_model(error):
                raise ModelLoadError(str(error)) from error
            raise
        check_chat_format(config, settings)
        self._llm = AsyncLLM.from_vllm_config(config, stat_loggers=[lambda _config, rank=0: step_logger(clocks[rank])])
        self._tokenizer = self._llm.get_tokenizer()
        self._renderer = Renderer(self._llm.renderer, settings.chat_template_kwargs, settings.completion)
        self._skip_special_tokens = not thoughts.special_marks(getattr(self._tokenizer, "all_special_tokens", ()))
        self._decoder = decoder_of(self._tokenizer)
        model = self._llm.vllm_config.model_config
        cache = self._llm.vllm_config.cache_config
        self.version = vllm.__version__
        self.max_model_len = int(model.max_model_len)
        # `num_gpu_blocks` is the sum over ranks. It overstates models whose layers need caches of several kinds, for
        # which vLLM counts the tokens itself, for each rank.
        counted = int(cache.kv_cache_size_tokens or 0) * len(clocks)
        self.kv_capacity_tokens = counted or int(cache.num_gpu_blocks or 0) * int(cache.block_size or 0)
        self.revision = settings.revision or model_revision(settings.path, model)
        if settings.lora:
            self.revision += f"+lora:{model_revision(settings.lora, model)}"

    async def generate(self, request: GenerationRequest) -> Generation:
        """One sample. An aborted one returns with finish_reason `abort`. Raises EngineGoneError, EngineAbilityError."""
        self.require(request.needs())
        prompt = self._prompt_of(request)
        room = self.max_model_len - len(prompt.tokens)
        started = time.time()
        if room < 1:
            # Data, not a fault: the problem does not fit this model's context.
            return Generation(
                "",
                "length",
                len(prompt.tokens),
                prompt_ids=prompt.tokens if request.tokens else (),
                opened_thought=bool(prompt.opening),
                thought_tokens=0,
                answer_tokens=0,
            )
        stop = [*request.sampling.stop, *request.stop, *(COMPLETION_STOP if self.settings.completion else ())]
        is_decoded_here = self._decoder is not None and not stop
        handling = {"detokenize": not is_decoded_here, "skip_special_tokens": self._skip_special_tokens}
        parameters = parameters_for(request, room, stop, **handling)
        final = await self._final_output(prompt.tokens, parameters, request.id, self._adapter(request.adapter))
        completion = final.outputs[0]
        num_tokens = len(completion.token_ids)
        text = completion.text
        if is_decoded_here:
            what = prompt.tokens, completion.token_ids, completion.finish_reason == "stop"
            text = await text_of(self._decoder, *what, self._skip_special_tokens)
        if not request.prefix:  # after a prefix the mark would stand in the middle of the answer
            text = text_to_store(text, prompt, self._marks, completion.finish_reason)
        parted = await self._parted(text, completion)
        stats = final.metrics
        waited = (stats.scheduled_ts - stats.queued_ts) if stats and stats.scheduled_ts else 0.0
        mean = completion.cumulative_logprob / num_tokens if num_tokens and completion.cumulative_logprob else None
        return Generation(
            text=text,
            finish_reason=completion.finish_reason or "abort",
            prompt_tokens=len(prompt.tokens),
            completion_tokens=num_tokens,
            mean_logprob=mean,
            queue_s=max(waited, 0.0),
            generation_s=max(time.time() - started - max(waited, 0.0), 0.0),
            token_ids=completion.token_ids,
            logprobs=token_logprobs(completion.token_ids, completion.logprobs) if request.logprobs else None,
            opened_thought=bool(prompt.opening),
            prompt_ids=prompt.tokens if request.tokens else (),
            opening_tokens=self._opening_tokens(prompt) if request.tokens and not request.prefix else 0,
            thought_tokens=parted.thought_tokens,
            answer_tokens=parted.answer_tokens,
            thought_closed_by=self._closed_by(request, prompt, completion.token_ids) if parted.is_closed else None,
        )

    def _closed_by(self, request: GenerationRequest, prompt: Prompt, token_ids: Sequence[int]) -> str:
        budget = request.sampling.thinking_tokens
        if not budget:
            return "model"
        marks = mark_ids(self._llm.vllm_config.reasoning_config)
        return "budget" if closed_by_budget(prompt.tokens, token_ids, budget, marks) else "model"

    def _opening_tokens(self, prompt: Prompt) -> int:
        """How many of the prompt's last tokens are its opening mark."""
        return num_last_tokens(prompt.tokens, prompt.opening, self._tokenizer) if prompt.opening else 0

    async def _parted(self, text: str, completion: Any) -> Parted:
        """The sample's tokens, told apart by thought and answer."""
        what = text, completion.finish_reason or "abort", completion.token_ids
        if len(completion.token_ids) < LONG_TOKENS:
            return part_tokens(*what, self._encoded, self._decoded)
        return await asyncio.to_thread(part_tokens, *what, self._encoded, self._decoded)

    def _encoded(self, text: str) -> Sequence[int]:
        if self._decoder is not None:  # changes nothing in the tokenizer, so that a thread may call it
            return list(self._decoder.encode(text, add_special_tokens=False).ids)
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _decoded(self, token_ids: Sequence[int]) -> str:
        decoder = self._decoder if self._decoder is not None else self._tokenizer
        return str(decoder.decode(list(token_ids), skip_special_tokens=self._skip_special_tokens))

    async def _final_output(self, token_ids: list[int], parameters: Any, request_id: str, adapter: Any = None) -> Any:
        """The only output of a FINAL_ONLY request. Raises EngineGoneError."""
        from vllm.v1.engine.exceptions import EngineDeadError

        final = None
        try:
            outputs: AsyncIterator[Any] = self._llm.generate(
                {"prompt_token_ids": token_ids}, parameters, request_id, lora_request=adapter
            )
            async for output in outputs:
                final = output
        except EngineDeadError as error:
            raise EngineGoneError(f"{error}\n{last_lines(self.settings.log_path)}") from None
        if final is None:
            raise EngineGoneError(f"request {request_id} ended without an output")
        return final

    async def score(self, request_id: str, messages: Messages, text: str) -> list[float] | None:
        """See Engine.score. A cached prefix has no log-probabilities, so vLLM skips its cache for such a request."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        before, opening, _ = self._prompt(messages)
        # The template may have begun the thought that the text begins with; its mark must not stand there twice.
        answer = self._tokenizer.encode(text.removeprefix(opening), add_special_tokens=False)
        # vLLM draws one token even where only the prompt is asked for.
        if not answer or len(before) + len(answer) >= self.max_model_len:
            return None
        parameters = SamplingParams(
            max_tokens=1, prompt_logprobs=0, temperature=0, output_kind=RequestOutputKind.FINAL_ONLY
        )
        final = await self._final_output([*before, *answer], parameters, request_id, self._adapter())
        return list(token_logprobs(answer, final.prompt_logprobs[len(before) :]))

    async def abort(self, request_ids: Sequence[str]) -> None:
        """Stops requests at the engine's next step; unknown ids do nothing."""
        await self._llm.abort(list(request_ids))

    def _adapter(self, folder: str = "") -> Any:
        """The adapter in `folder`, or else that of `model.lora`, as vLLM takes it; None: there is none."""
        from vllm.lora.request import LoRARequest

        folder = folder or self.settings.lora
        if not folder:
            return None
        number = self._adapters.setdefault(folder, len(self._adapters) + 1)
        return LoRARequest(lora_name=folder, lora_int_id=number, lora_path=folder)

    def _prompt_of(self, request: GenerationRequest) -> Prompt:
        if request.messages:
            return self._prompt(request.messages, request.prefix)
        beginning = self._tokenizer.encode(request.prefix, add_special_tokens=False) if request.prefix else []
        return Prompt([*request.token_ids, *beginning], "")

    def _prompt(self, messages: Messages, prefix: str = "") -> Prompt:
        """The prompt of `messages`, from the cache where it is known."""
        key = messages, prefix
        if key in self._prompts:
            self._prompts.move_to_end(key)
            return self._prompts[key]
        prompt = self._prompts[key] = self._renderer.prompt(messages, prefix)
        if len(self._prompts) > PROMPT_CACHE:
            self._prompts.popitem(last=False)
        return prompt

    async def responds(self) -> bool:
        """Makes the round trip to the processes of all ranks. vLLM's own health check looks at a flag only."""
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            await self._llm.is_sleeping()
        except EngineDeadError as error:
            raise EngineGoneError(f"{error}\n{last_lines(self.settings.log_path)}") from None
        return True

    def kill(self) -> None:
        """Ends the engine's processes, which are all those below this one."""
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

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


def check_chat_format(config: Any, settings: EngineSettings) -> None:
    """Raises ModelLoadError where the model's chat format renders nothing. Called before the weights are loaded."""
    from vllm.renderers import renderer_from_config

    try:
        renderer = Renderer(renderer_from_config(config), settings.chat_template_kwargs, settings.completion)
        try:
            renderer.prompt(TRIAL[1:])
        except PromptError:
            renderer.prompt(TRIAL)  # some formats want a system message
    except PromptError as error:
        raise ModelLoadError(f"its chat format does not render: {error}") from error


def token_logprobs(token_ids: Sequence[int], rows: Any) -> tuple[float, ...]:
    """The log-probability of each token, taken from vLLM's tables of alternatives."""
    return tuple(row[token].logprob for token, row in zip(token_ids, rows, strict=True))


def gpu_is_here() -> bool:
    """Whether a driver shows this process a GPU. Asks no library, so that none has to be loaded."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd"))


def step_logger(clock: StepClock) -> Any:
    """A stat logger that only keeps the clock. vLLM calls `record` for each step of one rank."""
    from vllm.v1.metrics.loggers import StatLoggerBase

    class StepLogger(StatLoggerBase):
        def __init__(self) -> None:
            pass

        def record(self, scheduler_stats: Any, *_: Any, **__: Any) -> None:
            waiting = scheduler_stats is not None and bool(
                scheduler_stats.num_running_reqs or scheduler_stats.num_waiting_reqs
            )
            clock.note(time.monotonic(), waiting)

        def log_engine_initialized(self) -> None:
            pass

    return StepLogger()


def is_about_the_model(error: BaseException) -> bool:
    """Whether the engine's config could not be made because of the model or its settings. A hub that does not answer
    and a GPU that is missing here say nothing about the model."""
    cause: BaseException | None = error
    while cause is not None:
        status = getattr(getattr(cause, "response", None), "status_code", 0)
        if isinstance(cause, ConnectionError | TimeoutError) or status == TOO_MANY_REQUESTS or status >= SERVER_ERROR:
            return False
        cause = cause.__cause__ or cause.__context__
    return isinstance(error, ValueError | OSError) and not _OF_THE_NODE.search(str(error))


def lift_niceness() -> None:
    """Takes back the niceness of 15 that Ray gives its workers. An engine's own processes inherit it, and a step that
    waits for a core leaves the GPU idle."""
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if nice <= 0:
        return
    try:
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    except PermissionError:
        log.info("the engine runs at niceness %d; start Ray with RAY_worker_niceness=0 on nodes with GPUs", nice)


def wait_for_turn() -> None:
    """Keeps engine starts on one machine START_APART_S apart. Each engine looks for a free port and opens it later;
    engines that start together find the same one."""
    path = Path(tempfile.gettempdir()) / f"proofmill-engine-start-{os.getuid()}"
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        time.sleep(max(0.0, min(START_APART_S, path.stat().st_mtime + START_APART_S - time.time())))
        os.utime(path)


def set_environment(settings: EngineSettings) -> None:
    """What vLLM reads from the environment. Must run before its first import."""
    if Path(settings.path).is_dir():
        os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_ENGINE_READY_TIMEOUT_S", str(math.ceil(settings.start_s)))
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
    return int(config_of(path).get("max_position_embeddings", 0))


def keeps_states(path: str) -> bool:
    """Whether a sample has a state of fixed size beside its KV cache (Mamba, linear attention), by the config.json."""
    config = config_of(path)
    inner = config.get("text_config")
    keys = inner if isinstance(inner, dict) else config
    return any(key.startswith(("mamba_", "linear_")) for key in keys)


def config_of(path: str) -> dict[str, Any]:
    """The config.json of a model's folder, empty where there is none to read."""
    try:
        config = json.loads((Path(path) / "config.json").read_text())
    except (OSError, ValueError):
        return {}
    return config if isinstance(config, dict) else {}


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
