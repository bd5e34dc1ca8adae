"""`sampling.loop` by vLLM's own rule: a looping text is stopped early, and no honest text of the bundled model is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from vllm.sampling_params import RepetitionDetectionParams
from vllm.v1.core.sched.utils import check_sequence_repetition

from workers.engines.base import Loop, SamplingParameters
from workers.engines.vllm_parameters import further_parameters

ROOT = Path(__file__).resolve().parents[3]
LOOP = Loop(size=64)
FULL = 16_384
"""Tokens that a looping sample would have without the rule."""


def rule() -> RepetitionDetectionParams:
    found: RepetitionDetectionParams = further_parameters(SamplingParameters(loop=LOOP))["repetition_detection"]
    return found


def stopped_at(tokens: Sequence[int]) -> int:
    """Length at which vLLM ends a sample that draws these tokens; 0: it does not."""
    return next((end for end in range(1, len(tokens) + 1) if check_sequence_repetition(tokens[:end], rule())), 0)


@pytest.mark.parametrize("length", [1, 2, 3, 7, 12, 31, 50, 64])
def test_a_looping_text_is_stopped_within_a_tenth_of_its_length(length: int) -> None:
    draw = random.Random(length)
    pattern = [draw.randrange(1000, 2000) for _ in range(length)]
    beginning = [draw.randrange(1000) for _ in range(400)]
    tokens = (beginning + pattern * (FULL // length))[:FULL]
    end = stopped_at(tokens[: FULL // 10])
    assert 0 < end <= len(beginning) + LOOP.count * length <= FULL // 10 + LOOP.count


def test_no_honest_sample_of_the_bundled_model_is_stopped() -> None:
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(ROOT / "models" / "tiny_reasoner")
    parts = (ROOT / "tests" / "fixtures" / "before_redesign" / "stored").glob("runs/*/samples/*.parquet")
    rows = [row for part in parts for row in pq.read_table(part, columns=["text", "finish_reason"]).to_pylist()]
    honest = [row["text"] for row in rows if row["text"] and row["finish_reason"] == "stop"]
    assert len(honest) > 100
    assert not [text for text in honest if stopped_at(tokenizer.encode(text, add_special_tokens=False))]


def test_few_repetitions_would_end_honest_texts() -> None:
    """Why the rule wants 16 of them: rulers, rows of zeros and indentation repeat one token too."""
    tiny = RepetitionDetectionParams(max_pattern_size=64, min_pattern_size=1, min_count=4)
    zeros = [7, 8, *[0] * 9, 4]
    ends = range(1, len(zeros) + 1)
    assert any(check_sequence_repetition(zeros[:end], tiny) for end in ends)
    assert not any(check_sequence_repetition(zeros[:end], rule()) for end in ends)
