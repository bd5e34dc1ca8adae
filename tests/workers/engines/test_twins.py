"""Random twins of the presets' architectures on the real engine, where vLLM runs them on CPUs.

An engine takes a quarter of a minute to start, so the suite starts that of one twin, and `make twins` all of them.
Of an architecture that cannot run here the parameters are counted, and the table says why it cannot.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import twins

from cluster.model_size import model_size

ROOT = Path(__file__).resolve().parents[3]
CANNOT_RUN = {
    "qwen3_5_text": "vLLM's module imports the image processing of its vision tower, and torchvision is not among our "
    "packages for CPUs",
    "deepseek_v32": "vLLM 0.32 says so itself: Sparse Attention is not supported on CPU",
}
"""Model type → why vLLM cannot run it on CPUs."""
CHOSEN = sorted(set(twins.TWINS) - set(CANNOT_RUN))
IN_SUITE = ("falcon_h1",)
"""Twins whose engines start in every run of the suite: one with states beside its KV cache, which has its own rules."""
IS_ASKED_FOR = os.environ.get("PROOFMILL_TWINS") == "all"

SCRIPT = """
import asyncio, json, sys
from workers.engines.base import EngineSettings, GenerationRequest, SamplingParameters
from workers.engines.registry import open_engine

async def main():
    engine = open_engine(EngineSettings(path=sys.argv[1], dtype="float32", max_model_len=256, max_num_seqs=4,
                                        cpu_kv_cache_gb=1, log_path=sys.argv[2]))
    await engine.start()
    sampling = SamplingParameters(max_tokens=24)
    asked = [("a", 1), ("b", 1), ("c", 2), ("d", 3)]
    drawn = await asyncio.gather(*(
        engine.generate(GenerationRequest(name, sampling, messages=(("user", "1 + 1?"),), seed=seed))
        for name, seed in asked))
    print("RESULT " + json.dumps({"texts": [one.text for one in drawn], "prompt": drawn[0].prompt_tokens,
        "tokens": [one.completion_tokens for one in drawn], "reasons": [one.finish_reason for one in drawn]}))
    engine.stop()

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.parametrize("model_type", sorted(twins.TWINS))
def test_a_twin_has_its_size(model_type: str, tmp_path: Path) -> None:
    """Its config.json is what the planner reads of a model, and its parameters are those of the saved model."""
    count = twins.write_twin(model_type, tmp_path)
    assert 300_000 < count < 3_000_000
    assert model_size(json.loads((tmp_path / "config.json").read_text())).num_parameters == count


def test_every_architecture_of_a_preset_has_a_twin() -> None:
    from jobs.presets import known_presets, load_preset

    shapes = [load_preset(name).shape for name in known_presets()]
    kinds = {str(shape.get("text_config", shape)["model_type"]) for shape in shapes}
    assert kinds - {"kimi_k2"} | {"deepseek_v3"} == set(twins.TWINS), "Kimi K2's language model is DeepSeek-V3's class"
    assert set(CANNOT_RUN) <= set(twins.TWINS) and all(len(why) > 20 for why in CANNOT_RUN.values())


def test_states_switch_prefix_caching_off_on_cpus(tmp_path: Path) -> None:
    """There the engine runs without chunked prefill, without which vLLM starts no such model with prefix caching."""
    from workers.engines.base import EngineSettings
    from workers.engines.vllm import VllmEngine

    def caching(config: str, **more: Any) -> bool:
        (tmp_path / "config.json").write_text(config)
        return bool(VllmEngine(EngineSettings(path=str(tmp_path), **more)).arguments()["enable_prefix_caching"])

    for stateful in ('{"mamba_d_state": 64}', '{"text_config": {"linear_num_key_heads": 2}}'):
        assert not caching(stateful)
        assert caching(stateful, use_gpu=True)
        assert caching(stateful, engine_args={"enable_prefix_caching": True}), "what the config says wins"
    for plain in ('{"hidden_size": 64, "text_config": null}', "[]", "{"):
        assert caching(plain)


@pytest.mark.ray
@pytest.mark.timeout(900)
@pytest.mark.parametrize("model_type", CHOSEN if IS_ASKED_FOR else IN_SUITE)
def test_a_twin_loads_and_samples(model_type: str, tmp_path: Path) -> None:
    twins.write_twin(model_type, tmp_path / "twin")
    script, log = tmp_path / "engine_script.py", tmp_path / "engine.log"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "twin"), str(log)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stderr[-2000:] + (log.read_text()[-3000:] if log.exists() else "")
    told = json.loads(lines[0].removeprefix("RESULT "))
    assert all(0 < count <= 24 for count in told["tokens"]) and set(told["reasons"]) <= {"length", "stop"}
    assert told["prompt"] > len("1 + 1?"), "the chat template's role marks are in the prompt"
    assert told["texts"][0] == told["texts"][1], "one seed, one sample"
    assert len(set(told["texts"])) > 1
