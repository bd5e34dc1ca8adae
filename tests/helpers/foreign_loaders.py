"""Reads an export by a trainer's own loader and prints what the trainer sees as JSON.

    python foreign_loaders.py verl data/train.parquet MODEL SCRATCH
    python foreign_loaders.py llamafactory EXPORT_FOLDER MODEL SCRATCH      expects dataset_info.json with a set `ours`

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


def verl(path: str, model: str, scratch: str) -> list[dict[str, Any]]:
    """Rows with the score of the reference answer and that of a wrong one, where the answer is a text."""
    from omegaconf import OmegaConf
    from verl.utils.dataset.rl_dataset import RLHFDataset
    from verl.utils.reward_score import default_compute_score

    options = OmegaConf.create({"cache_dir": scratch, "filter_overlong_prompts": True})
    rows = []
    for row in RLHFDataset(path, AutoTokenizer.from_pretrained(model), options):
        seen = {"ability": row["ability"], "id": row["extra_info"]["id"]}
        if row["ability"] in ("math", "choice"):
            truth = row["reward_model"]["ground_truth"]
            for name, answer in (("right", truth), ("wrong", truth + "0")):
                text = f"So \\boxed{{{answer}}}."
                score = default_compute_score(row["data_source"], text, truth, row["extra_info"])
                seen[name] = score["score"] if isinstance(score, dict) else score
        rows.append(seen)
    return rows


def llamafactory(folder: str, model: str, scratch: str) -> list[dict[str, str]]:
    """Rows as text: all that is fed in, and the part that the loss is taken on."""
    # Imported by the loader for sound files; its wheel is a CUDA build.
    sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    sys.modules["torchaudio"].__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    os.environ["DISABLE_VERSION_CHECK"] = "1"  # it refuses libraries newer than itself
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import DataArguments, ModelArguments

    tokenizer = AutoTokenizer.from_pretrained(model)
    data = DataArguments(dataset="ours", dataset_dir=folder, template="default", cutoff_len=512)
    training = Seq2SeqTrainingArguments(output_dir=scratch, use_cpu=True)
    template = get_template_and_fix_tokenizer(tokenizer, data)
    loaded = get_dataset(template, ModelArguments(model), data, training, stage="sft", tokenizer=tokenizer)
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
