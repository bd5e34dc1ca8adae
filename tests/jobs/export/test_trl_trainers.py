"""Exports as TRL's own trainers take them: data preparation and one optimiser step on the embedded tiny reasoner.

TRL is pinned to 1.13, the last version with a trainer for stepwise labels.
"""

from __future__ import annotations

import json
import math
import warnings
from pathlib import Path
from typing import Any

import datasets
import pytest
from made_up_runs import mixed_samples, sample, write_run

from jobs.export.pipeline import export
from jobs.export.settings import load_settings

with warnings.catch_warnings():
    # It remarks on the installed vLLM's version; nothing here samples through vLLM.
    warnings.simplefilter("ignore")
    trl = pytest.importorskip("trl", reason="needs the dev extra")
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForTokenClassification, AutoTokenizer

MODEL = str(Path(__file__).parents[3] / "models" / "tiny_reasoner")


def exported(tmp_path: Path, format: Any, layout: str = "", samples: Any = None) -> datasets.Dataset:
    run = write_run(tmp_path / "run", samples or mixed_samples())
    settings = load_settings(format, None, ["work.processes=1", f"output.layout='{layout}'"])
    export(settings, [run], str(tmp_path / "out"))
    return datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return AutoTokenizer.from_pretrained(MODEL)


def config(kind: Any, tmp_path: Path, **over: Any) -> Any:
    """One step on the CPU that writes and reports nothing."""
    values: dict[str, Any] = {"max_steps": 1, "per_device_train_batch_size": 2, "learning_rate": 1e-3}
    values |= {"report_to": "none", "save_strategy": "no", "use_cpu": True, "bf16": False, "logging_steps": 1}
    values |= {"gradient_checkpointing": False, "disable_tqdm": True}
    return kind(output_dir=str(tmp_path / "trained"), **values, **over)


def one_step(trainer: Any) -> None:
    """Trains, and checks that the loss is a number and that the model has moved."""
    before = [parameter.detach().clone() for parameter in trainer.model.parameters()]
    outcome = trainer.train()
    assert math.isfinite(outcome.training_loss) and outcome.global_step == 1
    after = trainer.model.parameters()
    assert any(not torch.equal(old, new.detach()) for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize("layout", ["prompt_completion", "messages"])
def test_sft(tmp_path: Path, tokenizer: Any, layout: str) -> None:
    data = exported(tmp_path, "sft", layout)
    trainer = trl.SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(MODEL),
        args=config(trl.SFTConfig, tmp_path, max_length=2048),
        train_dataset=data,
        processing_class=tokenizer,
    )
    assert len(trainer.train_dataset) == len(data)
    for row, prepared in zip(data, trainer.train_dataset, strict=True):
        labels = prepared.get("labels") or prepared["input_ids"]
        learnt = tokenizer.decode([token for token in labels if token != -100])
        if layout == "messages":
            assert row["messages"][0]["content"] in learnt and row["messages"][1]["content"] in learnt
        else:  # the loss is on the completion, all of it and nothing else
            assert learnt == row["completion"][0]["content"] + "<|im_end|>\n"
    one_step(trainer)


def test_dpo(tmp_path: Path, tokenizer: Any) -> None:
    data = exported(tmp_path, "preference")
    trainer = trl.DPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(MODEL),
        ref_model=AutoModelForCausalLM.from_pretrained(MODEL),
        args=config(trl.DPOConfig, tmp_path, max_length=2048),
        train_dataset=data,
        processing_class=tokenizer,
    )
    for row, prepared in zip(data, trainer.train_dataset, strict=True):
        for side in ("chosen", "rejected"):
            assert tokenizer.decode(prepared[f"{side}_ids"]) == row[side][0]["content"] + "<|im_end|>\n"
        assert row["prompt"][0]["content"] in tokenizer.decode(prepared["prompt_ids"])
    one_step(trainer)


def test_kto(tmp_path: Path, tokenizer: Any) -> None:
    data = exported(tmp_path, "kto")
    trainer = trl.KTOTrainer(
        model=AutoModelForCausalLM.from_pretrained(MODEL),
        ref_model=AutoModelForCausalLM.from_pretrained(MODEL),
        args=config(trl.KTOConfig, tmp_path, max_length=2048),
        train_dataset=data,
        processing_class=tokenizer,
    )
    assert sorted(trainer.train_dataset["label"]) == sorted(data["label"])
    one_step(trainer)


def test_grpo(tmp_path: Path, tokenizer: Any) -> None:
    """The columns beyond `prompt` reach the reward function."""
    data = exported(tmp_path, "rl", "trl")
    asked: list[dict[str, Any]] = []

    def reward(completions: list[Any], ground_truth: list[str], reference: list[str], **rest: Any) -> list[float]:
        asked.append({"truth": ground_truth, "reference": reference, "weight": rest["mgpo_weight"]})
        # Unequal within a group, so that there is an advantage to learn from.
        return [at + len(completion[0]["content"]) for at, completion in enumerate(completions)]

    trainer = trl.GRPOTrainer(
        model=AutoModelForCausalLM.from_pretrained(MODEL),
        reward_funcs=reward,
        args=config(trl.GRPOConfig, tmp_path, num_generations=2, max_completion_length=8),
        train_dataset=data,
        processing_class=tokenizer,
    )
    one_step(trainer)
    known = {(row["ground_truth"], row["reference"], row["mgpo_weight"]) for row in data}
    (call,) = asked
    assert set(zip(call["truth"], call["reference"], call["weight"], strict=True)) <= known


def test_stepwise_labels(tmp_path: Path, tokenizer: Any) -> None:
    from trl.experimental.prm import PRMConfig, PRMTrainer

    steps = [{"text": "3x = 15", "ok": True}, {"text": "x = 6", "ok": False}]
    samples = [sample("p", at, status="refuted", evidence=json.dumps({"steps": steps})) for at in range(2)]
    trainer = PRMTrainer(
        model=AutoModelForTokenClassification.from_pretrained(MODEL, num_labels=2),
        args=config(PRMConfig, tmp_path, max_length=2048),
        train_dataset=exported(tmp_path, "prm", samples=samples),
        processing_class=tokenizer,
    )
    for prepared in trainer.train_dataset:
        assert [label for label in prepared["labels"] if label != -100] == [1, 0]
    one_step(trainer)
