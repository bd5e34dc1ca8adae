"""The start of a vLLM engine: its environment, its turn on the machine, and what its errors mean.

Promises: whatever goes wrong raises EngineStartError with the engine's own last lines, and ModelLoadError where the
model or its settings are to blame. The programs that the engine starts end with this process.
Does not: keep the engine or ask it for samples (workers.engines.vllm).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import math
import os
import re
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runstore.schema import Messages
from workers.engines.base import EngineSettings, EngineStartError, ModelLoadError, StepClock
from workers.engines.engine_log import last_lines, redirect_output, restore_output
from workers.engines.orphans import end_with_this_process
from workers.engines.rendering import PromptError, Renderer
from workers.engines.thinking import Marks
from workers.engines.thinking_budget import reasoning_config

log = logging.getLogger("proofmill.engine")

TRIAL: Messages = (("system", "Answer in one word."), ("user", "2 + 2?"))
"""What every chat format can render, with or without its first message."""
START_APART_S = 2.0
"""Seconds between two engine starts on one machine with GPUs."""
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500
_OF_THE_NODE = re.compile("gpu|cuda|device", re.IGNORECASE)


@contextlib.contextmanager
def logged_start(settings: EngineSettings) -> Iterator[None]:
    """Sends all output to the engine's log meanwhile. Raises EngineStartError for whatever is raised inside."""
    set_environment(settings)
    saved = redirect_output(settings.log_path)
    try:
        yield
    except Exception as error:
        lines = last_lines(settings.log_path)
        kind = ModelLoadError if isinstance(error, ModelLoadError) else EngineStartError
        raise kind(
            f"the engine for {settings.path} did not start: {error}"
            + (f"\nIts last lines were:\n{lines}" if lines else "")
        ) from None
    finally:
        restore_output(saved)


async def prepare(settings: EngineSettings) -> None:
    """Makes this process ready for an engine, and waits for its turn on the machine."""
    log.info("%s: loading", settings.path)
    await asyncio.to_thread(import_vllm)
    if settings.use_gpu:
        lift_niceness()
        await asyncio.to_thread(wait_for_turn)
    end_with_this_process()


def started_llm(
    settings: EngineSettings, arguments: Mapping[str, Any], budget: Marks | None, clocks: Sequence[StepClock]
) -> Any:
    """A started AsyncLLM, whose ranks keep `clocks`. `budget`: the marks of thoughts that samples may bound, or None.
    Raises ModelLoadError, or whatever vLLM raises."""
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.usage.usage_lib import UsageContext
    from vllm.v1.engine.async_llm import AsyncLLM

    try:
        engine_args = AsyncEngineArgs(**arguments)
        if budget is not None:
            engine_args.reasoning_config = reasoning_config(budget)
        config = engine_args.create_engine_config(UsageContext.ENGINE_CONTEXT)
    except Exception as error:
        if is_about_the_model(error):
            raise ModelLoadError(str(error)) from error
        raise
    check_chat_format(config, settings)
    return AsyncLLM.from_vllm_config(config, stat_loggers=[lambda _config, rank=0: step_logger(clocks[rank])])


def vllm_version() -> str:
    import vllm

    return str(vllm.__version__)


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


def gpu_is_here() -> bool:
    """Whether a driver shows this process a GPU. Asks no library, so that none has to be loaded."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd"))


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
