"""Reads an export by a trainer's own loader and prints what the trainer sees as JSON.

    python foreign_loaders.py verl data/train.parquet TEXTS_BY_PROBLEM
    python foreign_loaders.py llamafactory EXPORT_FOLDER SCRATCH      expects dataset_info.json with a set `ours`

A process of its own: the packages of locks/trainers.txt look for others at import, and would leave their traces in the
tests of the trainers that are our own dependencies.
"""

from __future__ import annotations

import importlib.machinery
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, Seq2SeqTrainingArguments

MODEL = str(Path(__file__).parents[2] / "models" / "tiny_reasoner")


def verl(path: str, texts: str) -> list[dict[str, Any]]:
    """Rows with the scores of the texts that the JSON file `texts` has for the problem: {id: [text, …]}."""
    from omegaconf import OmegaConf
    from verl.utils.dataset.rl_dataset import RLHFDataset
    from verl.utils.reward_score import default_compute_score

    samples = json.loads(Path(texts).read_text())
    options = OmegaConf.create({"cache_dir": str(Path(texts).parent), "filter_overlong_prompts": True})
    rows = []
    for row in RLHFDataset(path, AutoTokenizer.from_pretrained(MODEL), options):
        facts, truth = row["extra_info"], row["reward_model"]["ground_truth"]
        scores = [default_compute_score(row["data_source"], text, truth, facts) for text in samples[facts["id"]]]
        rows.append(
            {
                "ability": row["ability"],
                "id": facts["id"],
                "scores": [score["score"] if isinstance(score, dict) else score for score in scores],
            }
        )
    return rows


def llamafactory(folder: str, scratch: str) -> list[dict[str, str]]:
    """Rows as text: all that is fed in, and the part that the loss is taken on."""
    # Imported by the loader for sound files; its wheel is a CUDA build.
    sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    sys.modules["torchaudio"].__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    os.environ["DISABLE_VERSION_CHECK"] = "1"  # it refuses libraries newer than itself
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import DataArguments, ModelArguments

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    data = DataArguments(dataset="ours", dataset_dir=folder, template="default", cutoff_len=512)
    training = Seq2SeqTrainingArguments(output_dir=scratch, use_cpu=True)
    template = get_template_and_fix_tokenizer(tokenizer, data)
    loaded = get_dataset(template, ModelArguments(MODEL), data, training, stage="sft", tokenizer=tokenizer)
    return [
        {
            "input": tokenizer.decode(row["input_ids"]),
            "learnt": tokenizer.decode([label for label in row["labels"] if label != -100], skip_special_tokens=True),
        }
        for row in loaded["train_dataset"]
    ]


if __name__ == "__main__":
    sys.path.append(str(Path(sys.prefix) / "trainers"))
    read = {"verl": verl, "llamafactory": llamafactory}[sys.argv[1]]
    print(json.dumps(read(*sys.argv[2:])))
