"""The real engine on CPUs: stored tokens are those that vLLM drew, an adapter is applied where it is asked for, a
thought is closed at its budget, and a loop is ended."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.adapters import write_adapter

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "models" / "tiny_reasoner"

pytestmark = [pytest.mark.timeout(600)]

SCRIPT = """
import asyncio, dataclasses, json, sys
from pathlib import Path
from runstore.batches import PromptColumns, pack_batch, problem_columns
from runstore.parts import read_part
from runstore.schema import Provenance
from runstore.storage import open_storage
from runstore.tokens import read_tokens
from verifiers.types import Problem
from workers.actors.writer import Writer
from workers.engines.base import EngineSettings, GenerationRequest, Loop, SamplingParameters
from workers.engines.registry import open_engine
from workers.messages import PartRows, SampleTask
from workers.rollouts.base import RolloutRequest, make_sample, sample_tokens
from workers.rollouts.single import Single

async def main():
    model, adapter, log, folder = sys.argv[1:]
    engine = open_engine(EngineSettings(
        path=model, dtype="float32", max_model_len=512, max_num_seqs=64, cpu_kv_cache_gb=1, log_path=log,
        thinking="think", thinking_budget=True, engine_args={"enable_lora": True, "max_lora_rank": 8}))
    await engine.start()
    whole, kept = engine._final_output, []
    async def watched(*arguments):
        kept.append(await whole(*arguments))
        return kept[-1]
    engine._final_output = watched
    ask = (("user", "Which zebra sang?"),)
    result = {}

    # Tokens, from vLLM to the stored row.
    rows, told = [], []
    problem = Problem(id="p", kind="math", prompt="?", reference={})
    for index in range(4):
        task = SampleTask((0, index), "p", 0, 0, 1, 40 + index)
        request = RolloutRequest(f"t{index}", task, ask, SamplingParameters(max_tokens=30 + 40 * (index % 2)),
                                 tokens="ids+logprobs")
        rollout = Single(engine, request)
        generation = await rollout.draw()
        sample = make_sample(task, rollout.messages, generation)
        sample.tokens = sample_tokens(generation)
        rows.append(("{}", PromptColumns(problem_columns(problem), "[]"), sample))
        output = kept[-1].outputs[0]
        told.append({"prompt_ids": list(kept[-1].prompt_token_ids), "token_ids": list(output.token_ids),
                     "logprobs": [table[token].logprob for token, table in zip(output.token_ids, output.logprobs)]})
    writer = Writer(folder, "e0001-w00")
    await writer.take_over(0)
    reply = await writer.write([PartRows(pack_batch(rows, Provenance("r", 1, "c", "m", "", "e", "", "0", {}), True),
                                         [0, 1, 2, 3], [None] * 4)])
    result["stored"] = read_tokens(open_storage(folder), reply.key).to_pylist()
    result["told"] = told

    # Thoughts that a budget closes, and loops. So negative a penalty makes a model say again what it said.
    fond = dict(frequency_penalty=-2.0, presence_penalty=-2.0, max_tokens=0)
    asked = {"bounded": SamplingParameters(max_tokens=40, thinking_tokens=3),
             "unbounded": SamplingParameters(max_tokens=40),
             "loop": SamplingParameters(**fond, loop=Loop(size=64)), "whole": SamplingParameters(**fond)}
    asks = [(name, seed) for name in asked for seed in range(12)]
    work = (("user", "Compute 417 * 38."),)

    async def stored(index, name, seed):
        task = SampleTask((1, index), "q", 0, 0, 1, seed)
        rollout = Single(engine, RolloutRequest(f"{name}-{seed}", task, work, asked[name]))
        prompt = PromptColumns(problem_columns(dataclasses.replace(problem, id="q")), "[]")
        return "{}", prompt, make_sample(task, rollout.messages, await rollout.draw())
    drawn = await asyncio.gather(*(stored(index, *each) for index, each in enumerate(asks)))
    packed = pack_batch(drawn, Provenance("r", 1, "c", "m", "", "e", "", "0", {}))
    reply = await writer.write([PartRows(packed, list(range(len(drawn))), [None] * len(drawn))])
    rows = {row["sample_index"]: row for row in read_part(open_storage(folder), reply.key).to_pylist()}
    shown = ("text", "finish_reason", "completion_tokens", "thought_tokens", "answer_tokens", "thought_closed_by")
    result["rows"] = {name: [{key: rows[i][key] for key in shown} for i, each in enumerate(asks) if each[0] == name]
                      for name in asked}

    # An adapter.
    async def adapted(name, folder):
        generation = await engine.generate(GenerationRequest(
            name, SamplingParameters(max_tokens=24, temperature=0), messages=ask, adapter=folder))
        return list(generation.token_ids)
    result["adapted"] = [await adapted("a0", ""), await adapted("a1", adapter + "/nothing"),
                         await adapted("a2", adapter + "/much")]
    print("RESULT " + json.dumps(result))
    engine.stop()

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("contract")
    model = folder / "model"
    shutil.copytree(MODEL, model, ignore=shutil.ignore_patterns("*.py", "*.csv", "*.svg", "problems", "__pycache__"))
    template = model / "chat_template.jinja"
    template.write_text(template.read_text().replace("<|im_start|>assistant\n", "<|im_start|>assistant\n<think>\n"))
    write_adapter(folder / "adapters" / "nothing", MODEL, scale=0.0)
    write_adapter(folder / "adapters" / "much", MODEL, scale=2.0)
    script = folder / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(model), str(folder / "adapters"), str(folder / "log"), str(folder / "run")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    log = folder / "log"
    assert lines, done.stdout + done.stderr + (log.read_text()[-3000:] if log.exists() else "")
    found: dict[str, Any] = json.loads(lines[0].removeprefix("RESULT "))
    Path("/tmp/bad/rows.json").write_text(json.dumps(found["rows"], indent=1))
    return found


def test_stored_tokens_are_those_that_vllm_drew(result: dict[str, Any]) -> None:
    assert len(result["stored"]) == 4
    for stored, told in zip(result["stored"], result["told"], strict=True):
        assert stored["prompt_ids"] == told["prompt_ids"] and stored["token_ids"] == told["token_ids"]
        assert stored["logprobs"] == pytest.approx(told["logprobs"], abs=1e-5) and told["token_ids"]


def test_an_adapter_is_applied_to_the_sample_that_asks_for_it(result: dict[str, Any]) -> None:
    plain, nothing, much = result["adapted"]
    assert plain == nothing != much


def test_a_thought_is_closed_at_its_budget_and_the_model_answers(result: dict[str, Any]) -> None:
    closed = [row for row in result["rows"]["bounded"] if row["thought_closed_by"] == "budget"]
    assert closed and not any(row["thought_closed_by"] == "budget" for row in result["rows"]["unbounded"])
    for row in closed:
        thought, mark, answer = row["text"].partition("</think>")
        assert thought.startswith("<think>\n") and mark and answer
        assert row["thought_tokens"] < 20 and row["answer_tokens"] > 0
        assert row["thought_tokens"] + row["answer_tokens"] == row["completion_tokens"]


def test_a_looping_sample_is_ended_within_a_tenth_of_its_length(result: dict[str, Any]) -> None:
    pairs = zip(result["rows"]["loop"], result["rows"]["whole"], strict=True)
    ended = [(loop, whole) for loop, whole in pairs if loop["finish_reason"] == "repetition"]
    assert any(whole["text"].startswith(loop["text"]) for loop, whole in ended), "the same sample, but for its end"
    endless = [(loop, whole) for loop, whole in ended if whole["finish_reason"] == "length"]
    assert endless, "one that would have gone on to the limit"
    for loop, whole in endless:
        assert 0 < loop["completion_tokens"] <= whole["completion_tokens"] / 10
