"""The real thing: vLLM on CPU with the bundled model, by the command line, killed and resumed, on disk and on S3."""

from __future__ import annotations

import asyncio
import collections
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]
MODEL = ROOT / "models" / "tiny_reasoner"

pytestmark = [pytest.mark.ray, pytest.mark.timeout(1200)]


def write_problems(path: Path, count: int) -> None:
    lines = []
    for i in range(count):
        row = {"id": f"q{i}", "kind": "math", "prompt": f"Compute {i + 2} + {2 * i + 3}.", "domain": "arithmetic"}
        lines.append(json.dumps({**row, "reference": {"answer": str(3 * i + 5)}}))
    path.write_text("\n".join(lines) + "\n")


def write_config(folder: Path, uri: str, num_samples: int = 8, part_rows: int = 20_000) -> Path:
    path = folder / "run.toml"
    path.write_text(
        f"""
[run]
id = "r"
[problems]
files = ["{folder / "problems.jsonl"}"]
[model]
path = "{MODEL}"
dtype = "float32"
max_model_len = 512
max_num_seqs = 16
cpu_kv_cache_gb = 1
[output]
uri = "{uri}"
part_rows = {part_rows}
flush_s = 0.5
lease_s = 3.0
[sampling]
num_samples = {num_samples}
max_tokens = 96
[verify]
workers_per_actor = 1
[resources]
device = "cpu"
"""
    )
    return path


def start(config: Path, *more: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "solve", str(config), *more],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def rows_of(uri: str) -> list[dict[str, Any]]:
    from runstore.parts import read_parts
    from runstore.schema import SAMPLE_SCHEMA
    from runstore.storage import open_storage

    return [row for table in read_parts(open_storage(uri), SAMPLE_SCHEMA.names) for row in table.to_pylist()]


def wait_for_rows(uri: str, count: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 500
    while len(rows_of(uri)) < count:
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline, "no rows appeared"
        time.sleep(0.2)


def marked_processes(mark: str) -> list[str]:
    """Living processes that inherited our environment: Ray's, the actors', the engine's."""
    found = []
    for process in psutil.process_iter(["name", "status"]):
        try:
            if process.info["status"] != psutil.STATUS_ZOMBIE and process.environ().get("PROOFMILL_TEST_MARK") == mark:
                found.append(process.info["name"])
        except psutil.Error:
            continue
    return found


def check_complete(uri: str, problems: int, samples: int) -> None:
    counts = collections.Counter((row["problem_id"], row["sample_index"]) for row in rows_of(uri))
    assert counts == {(f"q{i}", j): 1 for i in range(problems) for j in range(samples)}


def test_killed_in_the_middle_and_resumed(tmp_path: Path) -> None:
    """kill -9 of the driver: nothing durable is lost or drawn again, and nothing of the first start lives on."""
    import duckdb
    import pandas as pd

    problems = 80
    write_problems(tmp_path / "problems.jsonl", problems)
    config = write_config(tmp_path, str(tmp_path / "out"))
    uri = f"{tmp_path}/out/runs/r"
    mark = str(tmp_path)
    first = start(config, PROOFMILL_TEST_MARK=mark)
    wait_for_rows(uri, 16, first)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    # Ray's own agents look for their parent now and then, and take their time to end on a busy machine.
    deadline = time.monotonic() + 300
    while left := marked_processes(mark):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.5)
    before = {(row["problem_id"], row["sample_index"]): row["finished_at"] for row in rows_of(uri)}
    assert 16 <= len(before) < problems * 8

    second = start(config)
    output, _ = second.communicate(timeout=900)
    assert second.returncode == 0, output
    assert "resuming" in output and "report" in output
    check_complete(uri, problems, 8)
    rows = rows_of(uri)
    after = {(row["problem_id"], row["sample_index"]): row["finished_at"] for row in rows}
    assert all(after[key] == finished for key, finished in before.items())
    for row in rows:
        assert row["finish_reason"] in ("stop", "length") and row["completion_tokens"] > 0
        assert row["mean_logprob"] is None and row["seed"] >= 0 and row["model_revision"].startswith("sha256:")
        assert row["engine"] == "vllm" and row["status"] in ("verified", "refuted", "malformed", "undecided")

    glob = f"{uri}/samples/*.parquet"
    assert duckdb.sql(f"select count(*), count(distinct (problem_id, sample_index)) from '{glob}'").fetchall() == [
        (problems * 8, problems * 8)
    ]
    assert len(pd.read_parquet(f"{uri}/problems.parquet")) == problems
    assert (Path(uri) / "report.html").stat().st_size > 5000
    record = json.loads((Path(uri) / "run.json").read_text())
    assert record["complete"] and len(record["starts"]) == 2 and record["summary"]["samples"] == problems * 8

    third = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "solve", str(config)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert third.returncode == 0 and "nothing to do" in third.stdout

    changed = subprocess.run(
        [sys.executable, "-m", "jobs.cli", "solve", str(config), "--set", "sampling.temperature=0.5"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert changed.returncode == 2
    assert "sampling.temperature was 1.0 and is 0.5 now" in changed.stderr


def engine_processes(mark: str) -> list[psutil.Process]:
    """vLLM's engine processes among those that inherited our environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("PROOFMILL_TEST_MARK") == mark and "EngineCore" in " ".join(process.cmdline()):
                found.append(process)
        except psutil.Error:
            continue
    return found


def test_a_frozen_engine_is_replaced_and_its_samples_are_drawn_again(tmp_path: Path) -> None:
    """SIGSTOP of vLLM's engine process: its actor lives and answers, and only the engine's steps tell."""
    problems, mark = 80, str(tmp_path)
    write_problems(tmp_path / "problems.jsonl", problems)
    config = write_config(tmp_path, str(tmp_path / "out"))
    uri = f"{tmp_path}/out/runs/r"
    process = start(config, "--set", "resources.stall_s=8", PROOFMILL_TEST_MARK=mark)
    wait_for_rows(uri, 8, process)
    (engine,) = engine_processes(mark)
    engine.suspend()
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    check_complete(uri, problems, 8)
    restarts = json.loads((Path(uri) / "run.json").read_text())["summary"]["restarts"]
    assert any("the engine made no step for" in event["why"] for event in restarts), restarts
    assert not engine.is_running(), "the frozen process would hold its GPU"


def test_to_object_storage_with_an_interrupt(tmp_path: Path, s3: str, proxy: Any) -> None:
    """The store holds parts back until the run has heard the interrupt, so that no machine is fast enough to finish."""
    import datasets

    problems = 100
    write_problems(tmp_path / "problems.jsonl", problems)
    config = write_config(tmp_path, s3, part_rows=100)
    uri = f"{s3}/runs/r"
    proxy.parts_let_through = 2  # the writer's fence and one part with rows, of eight
    process = start(config)
    wait_for_rows(uri, 8, process)
    os.kill(process.pid, signal.SIGINT)
    assert process.stdout is not None
    output = ""
    while "stopping; what is checked is being written" not in output:
        line = process.stdout.readline()
        assert line, output
        output += line
    proxy.opened.set()
    output += process.stdout.read()
    assert process.wait(300) == 130, output
    assert "To resume: proofmill solve" in output
    process = start(config)
    output, _ = process.communicate(timeout=900)
    assert process.returncode == 0, output
    check_complete(uri, problems, 8)

    # What a trainer does with it: the folder as a data set.
    local = tmp_path / "copy"
    local.mkdir()
    from runstore.storage import open_storage

    storage = open_storage(uri)
    for key in storage.keys("samples/"):
        (local / Path(key).name).write_bytes(storage.read(key) or b"")
    loaded = datasets.load_dataset(
        "parquet", data_files=str(local / "*.parquet"), split="train", cache_dir=str(tmp_path / "cache")
    )
    assert len(loaded) == problems * 8


def test_the_engine_repeats_a_sample_and_aborts_one(tmp_path: Path) -> None:
    """One engine: the same seed gives the same tokens whatever runs beside it; an abort ends a sample early."""
    code = """
import asyncio, json, sys
from workers.engines.base import EngineSettings, GenerationRequest, SamplingParameters
from workers.engines.registry import open_engine

async def main():
    engine = open_engine(EngineSettings(path=sys.argv[1], dtype="float32", max_model_len=512, max_num_seqs=64,
                                        cpu_kv_cache_gb=1, log_path=sys.argv[2]))
    sampling = SamplingParameters(max_tokens=400)
    def generate(name, messages, seed, **more):
        return engine.generate(GenerationRequest(name, sampling, messages=messages, seed=seed, **more))
    await engine.start()
    ask = (("user", "Which zebra sang?"),)  # out of the model's domain: it says many things
    alone = await generate("a", ask, 7)
    crowd = await asyncio.gather(*(generate(f"c{i}", ask, 7 if i == 20 else i) for i in range(40)))
    long = asyncio.create_task(generate("long", (("user", "zzzz qqqq"),), 3))
    tasks = [asyncio.create_task(generate(f"l{i}", (("user", f"zz {i}"),), i)) for i in range(30)]
    await asyncio.sleep(0.05)
    await engine.abort(["long"] + [f"l{i}" for i in range(30)])
    ended = [(await task).finish_reason for task in [long, *tasks]]
    too_long = await generate("t", (("user", "word " * 5000),), 1)
    longest = max(range(40), key=lambda i: len(crowd[i].text))
    seed = 7 if longest == 20 else longest
    told = await generate("g", ask, seed, logprobs=True)
    score = await engine.score("s", ask, told.text)
    beyond = await engine.score("s2", ask, "word " * 5000)
    begun = await generate("p", ask, seed, prefix=told.text[:4])
    tokens = engine._prompt(ask).tokens
    by_tokens = await engine.generate(GenerationRequest("i", sampling, token_ids=tuple(tokens), seed=seed))
    schema = {"type": "object", "properties": {"n": {"type": "boolean"}}, "required": ["n"],
              "additionalProperties": False}
    shaped = await generate("j", ask, seed, json_schema=schema)
    by_token = await generate("k", ask, seed, stop=("no text has this",))  # vLLM itself decodes each token
    cut = [await engine.generate(GenerationRequest(f"n{i}", SamplingParameters(max_tokens=5 + i), messages=ask,
           seed=seed, stop=("no text has this",) * (i % 2))) for i in (0, 1)]
    kept = await engine.generate(GenerationRequest("m", SamplingParameters(max_tokens=20, logprobs=True), messages=ask,
                                                   seed=seed))
    # At this temperature the model says something else each time, unless the draw is the same.
    unseeded = SamplingParameters(max_tokens=60, temperature=2.0, seeded=False)
    free = await asyncio.gather(*(engine.generate(GenerationRequest(f"u{i}", unseeded, messages=ask, seed=7))
                                  for i in range(40)))
    middle = told.text[len(told.text) // 2]
    stopped = await generate("x", ask, seed, stop=(middle,))
    try:
        await generate("y", ask, 7, adapter="/none")
        refused = ""
    except ValueError as error:
        refused = str(error)
    await engine.check()
    print("RESULT " + json.dumps({"alone": alone.text, "crowd": crowd[20].text, "others": len({c.text for c in crowd}),
        "by_token": by_token.text, "cut": [c.text for c in cut], "kept": kept.mean_logprob, "kept_told": kept.logprobs,
        "free": len({f.text for f in free}), "parted": [told.thought_tokens, told.answer_tokens],
        "reason": alone.finish_reason, "logprob": alone.mean_logprob, "ended": ended,
        "told": told.text, "longest": crowd[longest].text, "told_reported": told.mean_logprob,
        "told_tokens": len(told.token_ids), "told_count": told.completion_tokens,
        "told_logprobs": len(told.logprobs), "told_mean": sum(told.logprobs) / len(told.logprobs),
        "score_mean": sum(score[:-1]) / len(score[:-1]), "beyond": beyond, "begun": begun.text,
        "begun_prompt": begun.prompt_tokens - told.prompt_tokens, "by_tokens": by_tokens.text, "shaped": shaped.text,
        "shaped_reason": shaped.finish_reason,
        "stopped": stopped.text, "middle": middle, "stop_reason": stopped.finish_reason, "refused": refused,
        "too_long": too_long.finish_reason, "kv": engine.kv_capacity_tokens, "version": engine.version}))
    engine.stop()

if __name__ == "__main__":
    asyncio.run(main())
"""
    script = tmp_path / "engine_script.py"
    script.write_text(code)
    done = subprocess.run(
        [sys.executable, str(script), str(MODEL), str(tmp_path / "engine.log")],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout + done.stderr + (tmp_path / "engine.log").read_text()[-3000:]
    result = json.loads(lines[0].removeprefix("RESULT "))
    assert result["alone"] == result["crowd"] and result["others"] > 5
    assert (
        result["logprob"] is None
        and result["kept"] < 0
        and result["kept_told"] is None
        and result["kv"] > 10_000
        and result["version"]
    )
    assert "abort" in result["ended"]
    assert result["too_long"] == "length"
    assert result["by_token"] == result["longest"], "the text decoded at the end is the one that vLLM makes by token"
    assert all(result["longest"].startswith(text) and text for text in result["cut"])
    assert result["free"] > 1, "without seeds the same request gives other texts"
    # What a request may ask for beside the messages.
    assert result["told"] == result["longest"] == result["by_tokens"] and len(result["told"]) > 8
    assert result["parted"] == [0, result["told_tokens"]]
    assert result["told_logprobs"] == result["told_tokens"] == result["told_count"]
    assert result["told_mean"] == pytest.approx(result["told_reported"], abs=1e-6)
    assert result["score_mean"] < 0 and result["beyond"] is None
    assert result["begun_prompt"] > 0 and not result["begun"].startswith(result["told"][:4])
    # A model of two million parameters may write white space, which the schema allows, until its tokens are used up.
    assert result["shaped"].lstrip().startswith("{")
    assert result["shaped_reason"] == "length" or set(json.loads(result["shaped"])) == {"n"}
    assert result["middle"] not in result["stopped"] and result["stop_reason"] == "stop"
    assert "the engine vllm cannot apply an adapter to the model" in result["refused"]


def test_an_engine_that_can_not_start_says_why(tmp_path: Path) -> None:
    from workers.engines.base import EngineSettings, EngineStartError, ModelLoadError
    from workers.engines.vllm import VllmEngine

    (tmp_path / "config.json").write_text('{"architectures": ["NoSuchModel"], "model_type": "qwen2"}')
    engine = VllmEngine(EngineSettings(path=str(tmp_path), log_path=str(tmp_path / "engine.log")))
    with pytest.raises(EngineStartError) as caught:
        asyncio.run(engine.start())
    assert "did not start" in str(caught.value) and str(tmp_path) in str(caught.value)
    assert isinstance(caught.value, ModelLoadError), "no other replica would start either"
