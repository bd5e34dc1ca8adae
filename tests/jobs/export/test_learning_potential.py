"""Learning potential: the arithmetic and the cuts with a made-up student, the scores with a real vLLM engine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from made_up_runs import reasoning, sample, write_run

from jobs.config import ConfigError
from jobs.export import learning_potential
from jobs.export.pipeline import export
from jobs.export.settings import load_settings
from runstore.errors import StoredRunError
from runstore.schema import Messages
from workers.engines.base import EngineStartError

MODEL = Path(__file__).parents[3] / "models" / "tiny_reasoner"
OVERRIDES = ["work.processes=1", "select.strategy=learning_potential"]


class CountingStudent:
    """Surprised by the number that each text carries."""

    def __init__(self, model: str) -> None:
        self.model = model

    def surprise(self, chats: Sequence[Messages], texts: Sequence[str]) -> list[float | None]:
        assert all(chat[-1][0] == "user" for chat in chats)
        return [None if "unscored" in text else float(text.rsplit("surprise ", 1)[1]) for text in texts]

    def close(self) -> None:
        pass


def chosen(out: Path) -> dict[str, list[float]]:
    result: dict[str, list[float]] = {}
    for row in pq.read_table(out / "data" / "train.parquet").to_pylist():
        surprise = float(row["completion"][0]["content"].rsplit("surprise ", 1)[1])
        result.setdefault(row["problem_id"], []).append(surprise)
    return result


def test_highest_within_the_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_potential, "open_student", CountingStudent)
    rows = [
        sample(f"p{p}", i, completion_tokens=100, text=f"{reasoning(p * 11 + i, '5', 60)} surprise {p * 10 + i}")
        for p in range(10)
        for i in range(10)
    ]
    rows.append(sample("p0", 50, completion_tokens=100, text=reasoning(999, "5", 60) + " unscored surprise 55"))
    rows.append(sample("p0", 51, status="refuted", text=reasoning(998, "5", 60) + " surprise 50"))
    run = write_run(tmp_path / "run", rows)
    cuts = ["select.per_problem=2", "select.low_quantile=0.2", "select.high_quantile=0.8", "select.student=x"]
    export(load_settings("sft", None, [*OVERRIDES, *cuts]), [run], str(tmp_path / "out"))
    assert chosen(tmp_path / "out") == {f"p{p}": [p * 10.0 + 8, p * 10.0 + 9] for p in range(2, 8)}


def test_cuts_are_taken_within_domain_and_length(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_potential, "open_student", CountingStudent)
    rows = []
    for group, (domain, tokens) in enumerate([("easy", 100), ("hard", 100), ("hard", 4000)]):
        for i in range(9):
            text = f"{reasoning(group * 40 + i, '5', 60)} surprise {group * 1000 + i}"
            rows.append(sample(f"g{group}-{i}", 0, domain=domain, completion_tokens=tokens, text=text))
    run = write_run(tmp_path / "run", rows)
    cuts = ["select.low_quantile=0.5", "select.high_quantile=1.0", "select.student=x"]
    export(load_settings("sft", None, [*OVERRIDES, *cuts]), [run], str(tmp_path / "out"))
    assert set(chosen(tmp_path / "out")) == {f"g{group}-{i}" for group in range(3) for i in range(4, 9)}


def test_bad_rows_are_named_or_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_potential, "open_student", CountingStudent)
    rows = [sample(name, 0, text=reasoning(at * 11, "5", 60) + " surprise 1") for at, name in enumerate("pqr")]
    rows[1]["messages"], rows[2]["reference"] = "?", "[1]"
    run = write_run(tmp_path / "run", rows)
    flags = [*OVERRIDES, "select.student=x"]
    with pytest.raises(StoredRunError, match="problem q, sample 0"):
        export(load_settings("sft", None, flags), [run], str(tmp_path / "out"))
    summary = export(load_settings("sft", None, [*flags, "work.skip_bad=true"]), [run], str(tmp_path / "out"))
    assert summary.funnel == {"exported": 1, "bad_row": 2}


def test_a_student_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(model: str) -> None:
        raise EngineStartError(f"{model} is not a local folder")

    monkeypatch.setattr(learning_potential, "open_student", missing)
    run = write_run(tmp_path / "run", [sample("p", 0)])
    with pytest.raises(ConfigError, match=r"select\.student: no/such cannot be loaded"):
        export(load_settings("sft", None, [*OVERRIDES, "select.student=no/such"]), [run], str(tmp_path / "out"))


def test_a_student_that_can_not_be_is_refused_before_an_engine_starts(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [sample("p", 0)])
    with pytest.raises(ConfigError, match=r"select\.student = './no/such/folder': no such folder here"):
        export(load_settings("sft", None, [*OVERRIDES, "select.student=./no/such/folder"]), [run], str(tmp_path / "o"))


def reference_potential(prompt: list[dict[str, str]], text: str) -> float:
    """By transformers, token by token."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(str(MODEL))
    model: Any = AutoModelForCausalLM.from_pretrained(str(MODEL), dtype=torch.float32)
    before = tokenizer(tokenizer.apply_chat_template(prompt, add_generation_prompt=True, tokenize=False)).input_ids
    answer = tokenizer(text, add_special_tokens=False).input_ids
    with torch.no_grad():
        logprobs = torch.log_softmax(model(torch.tensor([before + answer])).logits[0], dim=-1)
    places = range(len(before), len(before) + len(answer))
    return -sum(float(logprobs[i - 1, (before + answer)[i]]) for i in places) / len(answer)


@pytest.mark.ray
def test_vllm_scores_are_those_of_transformers(tmp_path: Path) -> None:
    prompt = "Compute 12 + 34."
    texts = ["2 + 4 = 6, 1 + 3 = 4, so the sum is \\boxed{46}.", "Zebras gather quietly; thus, oddly, \\boxed{46}."]
    texts.append("1 + 1 = 2. " * 400)  # beyond the context of the student
    rows = [
        sample(
            f"p{at}", 0, prompt=prompt, text=text, answer="46", completion_tokens=40, messages=json.dumps(chat(prompt))
        )
        for at, text in enumerate(texts)
    ]
    run = write_run(tmp_path / "run", rows)
    gates = ["gates.loop_share=1.0", "dedup.near=0", "select.low_quantile=0.0", "select.high_quantile=1.0"]
    student = f"select.student={MODEL}"
    kept: dict[Any, float] = {}
    original = learning_potential.read_scores

    def remember(folder: Path, bucket: int) -> dict[Any, float]:
        kept.update(original(folder, bucket))
        return original(folder, bucket)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning_potential, "read_scores", remember)
        summary = export(load_settings("sft", None, [*OVERRIDES, *gates, student]), [run], str(tmp_path / "out"))
    assert summary.num_rows == 2
    for at in range(2):
        # Another token or offset would change the first digit.
        assert kept["run-a", f"p{at}", 0] == pytest.approx(reference_potential(chat(prompt), texts[at]), abs=0.002)
    assert kept["run-a", "p1", 0] > kept["run-a", "p0", 0]


def chat(prompt: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": prompt}]
