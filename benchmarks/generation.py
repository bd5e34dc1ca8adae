"""Output tokens per second of the whole pipeline over those of a bare `AsyncLLM`, alternating in one run; and those of
`ray.data.llm` with replicated rows, the second peer.

The peers run in processes of their own with the same model, prompts, sampling (seeds included), concurrency and engine
arguments. The side to compare with is `AsyncLLM` as a user would run it: no log-probabilities, no statistics, texts
decoded by vLLM. A second bare side shows what log-probabilities cost: our engine with `sampling.logprobs`. Two
figures of the pipeline: with a trivial checker (what the orchestration costs), and with the real ones beside it.
All count from the first sample's start to the last one's end, engine start excluded.

`--tokens none ids ids+logprobs` runs the pipeline once for each value of output.tokens, alternating, and prints what
storing tokens costs:

    python -m benchmarks.generation --tokens none ids --checkers trivial --no-ray-data --no-logprobs-side --rounds 5

    python -m benchmarks.generation --problems examples/problems/demo.jsonl --rounds 3
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks.stand_in import Silent
from cluster.connect import connect
from jobs.config import SolveConfig, check_config
from jobs.problems.load import stream_problems
from jobs.solve.driver import drive
from jobs.solve.settings import coordinator_settings, engine_settings
from runstore.layout import run_uri
from runstore.schema import Messages, sample_seed
from verifiers.types import Limits, Problem, Status, Verdict
from workers.engines.base import GenerationRequest
from workers.engines.registry import open_engine
from workers.prompting.messages import PromptStyle, build_messages


class AcceptEverything:
    """The trivial checker."""

    def __init__(self, num_workers: int, settings: Any) -> None:
        pass

    def verify(
        self, problem: Problem, text: str, limits: Limits | None = None, finish_reason: str | None = None
    ) -> Verdict:
        return Verdict(Status.REFUTED, "not looked at", {}, "trivial", "1", 1e-5, Limits())

    def close(self) -> None:
        pass


def engine_argument(text: str) -> tuple[str, Any]:
    """`name=value`, the value as JSON."""
    name, _, value = text.partition("=")
    return name, json.loads(value)


def config_of(args: argparse.Namespace, folder: str, tokens: str = "none") -> SolveConfig:
    return check_config(
        {
            "run": {"id": "bench"},
            "problems": {"files": [args.problems], "limit": args.limit},
            "model": {
                "path": args.model,
                "dtype": args.dtype,
                "max_model_len": args.max_model_len,
                "max_num_seqs": args.concurrency,
                "engine_args": dict(args.engine_arg),
            },
            "output": {"uri": folder, "tokens": tokens},
            "sampling": {"num_samples": args.samples, "max_tokens": args.max_tokens},
            "verify": {"actors": 1, "workers_per_actor": 1},
            "resources": {"device": args.device},
        },
        "benchmark",
    )


async def bare(config: SolveConfig, use_gpu: bool, concurrency: int) -> dict[str, float]:
    """Our engine without the pipeline, with log-probabilities."""
    engine = open_engine(engine_settings(config, use_gpu))
    sampling = config.sampling.parameters().model_copy(update={"logprobs": True})
    await engine.start()

    async def draw(name: str, messages: Messages, seed: int) -> int:
        return (
            await engine.generate(GenerationRequest(name, sampling, messages=messages, seed=seed))
        ).completion_tokens

    figures = await keep_full(config, concurrency, draw)
    engine.stop()
    return figures


async def plain(config: SolveConfig, use_gpu: bool, concurrency: int) -> dict[str, float]:
    """The peer: AsyncLLM as a user would run it, with the engine arguments of the pipeline."""
    from workers.engines.vllm import VllmEngine
    from workers.engines.vllm_start import set_environment

    settings = engine_settings(config, use_gpu)
    set_environment(settings)
    from vllm import SamplingParams
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.sampling_params import RequestOutputKind
    from vllm.v1.engine.async_llm import AsyncLLM

    arguments = VllmEngine(settings).arguments() | {"disable_log_stats": True}
    llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
    tokenizer, sampling = llm.get_tokenizer(), config.sampling

    async def draw(name: str, messages: Messages, seed: int) -> int:
        turns = [{"role": role, "content": content} for role, content in messages]
        prompt = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        parameters = SamplingParams(
            temperature=sampling.temperature, max_tokens=sampling.max_tokens, seed=seed,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )  # fmt: skip
        tokens = 0
        async for output in llm.generate(prompt, parameters, name):
            tokens = len(output.outputs[0].token_ids)
        return tokens

    figures = await keep_full(config, concurrency, draw)
    llm.shutdown()
    return figures


async def keep_full(
    config: SolveConfig, concurrency: int, draw: Callable[[str, Messages, int], Awaitable[int]]
) -> dict[str, float]:
    """Keeps `concurrency` requests in flight until all are done; `draw` returns the number of tokens of one sample."""
    work = [(problem, i) for problem in stream_problems(config.problems) for i in range(config.sampling.num_samples)]
    room = asyncio.Semaphore(concurrency)
    style = PromptStyle()

    async def one(problem: Problem, index: int) -> int:
        async with room:
            seed = sample_seed(config.run.seed, problem.id, index)
            return await draw(f"{problem.id}/{index}", build_messages(problem, style), seed)

    started = time.monotonic()
    tokens = sum(await asyncio.gather(*(one(problem, index) for problem, index in work)))
    seconds = time.monotonic() - started
    return {"tokens": tokens, "seconds": seconds, "tokens_per_s": tokens / seconds}


def ray_data_llm(config: SolveConfig, concurrency: int) -> dict[str, float]:
    """The second peer: Ray Data LLM over one row per sample. Nothing is verified or written."""
    import ray
    from ray.data.llm import build_processor, vLLMEngineProcessorConfig

    settings = engine_settings(config, use_gpu=False)
    environment = {"VLLM_CPU_KVCACHE_SPACE": "1", "TORCHDYNAMO_DISABLE": "1", "HF_HUB_OFFLINE": "1"}
    processor = build_processor(
        vLLMEngineProcessorConfig(
            model_source=settings.path,
            engine_kwargs={
                "dtype": settings.dtype,
                "max_model_len": settings.max_model_len,
                "max_num_seqs": concurrency,
                "enable_prefix_caching": True,
                "enforce_eager": True,
                "enable_chunked_prefill": False,
                "max_num_batched_tokens": 8192,
            },
            runtime_env={"env_vars": environment},
            placement_group_config={"bundles": [{"CPU": 1}]},
            concurrency=1,
            batch_size=64,
            log_engine_metrics=False,
        ),
        preprocess=lambda row: {
            "messages": [{"role": "user", "content": row["prompt"]}],
            "sampling_params": {
                "temperature": config.sampling.temperature,
                "max_tokens": config.sampling.max_tokens,
                "seed": row["seed"],
            },
        },
        postprocess=lambda row: {
            "tokens": row["num_generated_tokens"],
            "ended": time.time(),
            "took": row["time_taken_llm"],
        },
    )
    style = PromptStyle()
    rows = [
        {
            "prompt": build_messages(problem, style)[-1][1],
            # Ray Data keeps integers as signed 64-bit, vLLM takes them so too.
            "seed": sample_seed(config.run.seed, problem.id, index),
        }
        for problem in stream_problems(config.problems)
        for index in range(config.sampling.num_samples)
    ]
    done = processor(ray.data.from_items(rows, override_num_blocks=max(1, len(rows) // 64))).take_all()
    tokens = sum(row["tokens"] for row in done)
    seconds = max(row["ended"] for row in done) - min(row["ended"] - row["took"] for row in done)
    return {"tokens": tokens, "seconds": seconds, "tokens_per_s": tokens / seconds}


def in_its_own_process(side: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.generation", "--side", side, *sys.argv[1:]]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("SIDE ")]
    if not lines:
        raise RuntimeError(f"{side} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    return dict(json.loads(lines[0].removeprefix("SIDE ")))


def pipeline(args: argparse.Namespace, use_gpu: bool, trivial: bool, tokens: str = "none") -> dict[str, float]:
    import ray

    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with tempfile.TemporaryDirectory(prefix="proofmill-bench-") as folder:
        config = config_of(args, folder, tokens)
        kinds = tuple({str(problem.kind) for problem in stream_problems(config.problems)})
        settings = coordinator_settings(config, kinds, run_uri(config.output.uri, config.run.id), use_gpu)
        if trivial:
            verifier = dataclasses.replace(settings.verifier, checkers_class=AcceptEverything)
            settings = dataclasses.replace(settings, verifier=verifier)
        outcome = drive(config, settings, Silent())
    summary = outcome.summary
    if summary is None:
        raise RuntimeError(outcome.error)
    seconds = summary["generated_s"] - summary["ready_s"]
    tokens = summary["completion_tokens"]
    return {"tokens": tokens, "seconds": seconds, "tokens_per_s": tokens / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--problems", default="examples/problems/demo.jsonl")
    parser.add_argument("--model", default=str(Path("models/tiny_reasoner").resolve()))
    parser.add_argument("--limit", type=int, default=40)
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--concurrency", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", choices=["cpu", "gpu"], default="cpu")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--max-model-len", type=int, default=1024)
    parser.add_argument(
        "--engine-arg", type=engine_argument, action="append", default=[], metavar="NAME=JSON",
        help='a further engine argument, for instance load_format="dummy"; may be repeated',
    )  # fmt: skip
    parser.add_argument("--checkers", choices=["trivial", "real"], nargs="+", default=["trivial", "real"])
    parser.add_argument(
        "--tokens", choices=["none", "ids", "ids+logprobs"], nargs="+", default=["none"], help="values of output.tokens"
    )
    parser.add_argument("--no-ray-data", action="store_true", help="leave the second peer out")
    parser.add_argument("--no-logprobs-side", action="store_true", help="leave our engine with log-probabilities out")
    parser.add_argument("--side", choices=["plain", "bare", "ray-data"], help=argparse.SUPPRESS)
    args = parser.parse_args()
    use_gpu = args.device == "gpu"
    if args.side in ("plain", "bare"):
        side = plain if args.side == "plain" else bare
        print("SIDE " + json.dumps(asyncio.run(side(config_of(args, "."), use_gpu, args.concurrency))))
        return
    if args.side == "ray-data":
        # Before the processor is built, which would start a Ray of its own; four stages hold a processor each.
        with connect("", num_cpus=8):
            print("SIDE " + json.dumps(ray_data_llm(config_of(args, "."), args.concurrency)))
        return
    compare(args, use_gpu)


def compare(args: argparse.Namespace, use_gpu: bool) -> None:
    """Runs the sides in turn and prints every figure, and their medians."""
    ways = [(checker, tokens) for checker in args.checkers for tokens in args.tokens]
    ratios: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    costs: dict[tuple[str, str], list[float]] = {way: [] for way in ways if way[1] != args.tokens[0]}
    for number in range(args.rounds):
        reference = in_its_own_process("plain")
        print(json.dumps({"round": number, "side": "bare AsyncLLM", **reference}), flush=True)
        if not args.no_logprobs_side:
            told = in_its_own_process("bare")
            told["over_bare"] = told["tokens_per_s"] / reference["tokens_per_s"]
            print(json.dumps({"round": number, "side": "our engine with log-probabilities", **told}), flush=True)
        if not args.no_ray_data:
            peer = in_its_own_process("ray-data")
            ratio = peer["tokens_per_s"] / reference["tokens_per_s"]
            print(json.dumps({"round": number, "side": "ray.data.llm", **peer, "over_bare": ratio}), flush=True)
        speeds: dict[tuple[str, str], float] = {}
        # Every second round goes the other way round, so that none of them always comes first.
        for checker, tokens in ways if number % 2 == 0 else reversed(ways):
            with connect("", num_cpus=4):
                result = pipeline(args, use_gpu, trivial=checker == "trivial", tokens=tokens)
            speeds[checker, tokens] = result["tokens_per_s"]
            ratios[checker, tokens].append(result["tokens_per_s"] / reference["tokens_per_s"])
            side = f"pipeline, {checker} checker, output.tokens = {tokens}"
            print(json.dumps({"round": number, "side": side, **result}), flush=True)
        for checker, tokens in costs:
            costs[checker, tokens].append(1 - speeds[checker, tokens] / speeds[checker, args.tokens[0]])
    for (checker, tokens), values in ratios.items():
        what = f"pipeline with {checker} checker, output.tokens = {tokens}"
        print(f"{what}, over bare AsyncLLM: median {statistics.median(values):.3f} of {values}")
    for (checker, tokens), values in costs.items():
        what = f"output.tokens = {tokens} with {checker} checker costs"
        print(f"{what} {statistics.median(values):.1%} of the speed (median of {values})")


if __name__ == "__main__":
    main()
