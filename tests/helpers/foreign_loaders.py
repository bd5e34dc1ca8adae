"""Reads an export by a trainer's own loader and prints what the trainer sees as JSON.

    python foreign_loaders.py verl data/train.parquet TEXTS_BY_PROBLEM
    python foreign_loaders.py llamafactory FOLDER_BY_STAGE SCRATCH
    python foreign_loaders.py several ARGUMENTS_BY_READER

A process of its own: the packages of locks/trainers.txt look for others at import, and would leave their traces in the
tests of the trainers that are our own dependencies.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import sys
import types
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

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


def llamafactory(plan: str, scratch: str) -> dict[str, list[dict[str, Any]]]:
    """The rows of each set as text: all that is fed in, and the parts that the loss is taken on. The JSON file `plan`
    has the folder of each stage; its data set is the one that the folder's dataset_info.json names."""
    # Imported by the loader for sound files; its wheel is a CUDA build.
    sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    sys.modules["torchaudio"].__spec__ = importlib.machinery.ModuleSpec("torchaudio", None)
    os.environ["DISABLE_VERSION_CHECK"] = "1"  # it refuses libraries newer than itself
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import DataArguments, ModelArguments

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    training = Seq2SeqTrainingArguments(output_dir=scratch, use_cpu=True)

    def learnt(labels: list[int]) -> str:
        return str(tokenizer.decode([label for label in labels if label != -100], skip_special_tokens=True))

    seen = {}
    for stage, folder in json.loads(Path(plan).read_text()).items():
        (name,) = json.loads((Path(folder) / "dataset_info.json").read_text())
        data = DataArguments(dataset=name, dataset_dir=folder, template="default", cutoff_len=512)
        template = get_template_and_fix_tokenizer(tokenizer, data)
        loaded = get_dataset(template, ModelArguments(MODEL), data, training, stage=stage, tokenizer=tokenizer)
        seen[stage] = [
            {
                "input": tokenizer.decode(row["chosen_input_ids" if stage == "rm" else "input_ids"]),
                "learnt": learnt(row.get("labels", [])),
                "chosen": learnt(row.get("chosen_labels", [])),
                "rejected": learnt(row.get("rejected_labels", [])),
                "label": row.get("kto_tags"),
            }
            for row in loaded["train_dataset"]
        ]
    return seen


class StandIns(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Empty modules in the place of packages that a trainer imports and that reading data does not need."""

    NAMES = ("torchao", "colorama", "pylatexenc", "deepspeed", "modelscope", "json_repair", "dacite", "addict")

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        is_one = name.partition(".")[0] in self.NAMES
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if is_one else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        module = types.ModuleType(spec.name)

        def attribute(name: str) -> MagicMock:
            if name.startswith("__"):
                raise AttributeError(name)
            return MagicMock(name=name)

        module.__getattr__ = attribute  # type: ignore[method-assign]
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        pass


def rows_of(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def axolotl(kto: str, pairs: str) -> dict[str, Any]:
    from axolotl.prompt_strategies.dpo import chat_template
    from axolotl.prompt_strategies.kto import chatml

    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    to_pair, _ = chat_template.default(
        {"datasets": [{"field_messages": "prompt"}], "chat_template": "tokenizer_default"}
    )
    return {
        "kto": [chatml.ultra({})(row) for row in rows_of(kto)],
        "pairs": [to_pair(row, tokenizer=tokenizer) for row in rows_of(pairs)],
    }


def torchtune(pairs: str) -> list[Any]:
    from torchtune.data import ChosenRejectedToMessages

    transform = ChosenRejectedToMessages()
    read = [transform(row) for row in rows_of(pairs)]
    return [
        {side: [[turn.role, turn.text_content] for turn in row[side]] for side in ("chosen", "rejected")}
        for row in read
    ]


def openrlhf(pairs: str, pool: str, sft: str) -> dict[str, Any]:
    from openrlhf.datasets import prompts_dataset, reward_dataset, sft_dataset

    template = AutoTokenizer.from_pretrained(MODEL).apply_chat_template
    return {
        "pairs": [
            reward_dataset.preprocess_data(row, prompt_key="prompt", apply_chat_template=template, is_dpo=True)
            for row in rows_of(pairs)
        ],
        "pool": [
            prompts_dataset.preprocess_data(row, None, "prompt", "ground_truth", template) for row in rows_of(pool)
        ],
        "sft": [sft_dataset.preprocess_data(row, None, "prompt", "completion", template) for row in rows_of(sft)],
    }


def swift(**paths: str) -> dict[str, Any]:
    from datasets import Dataset
    from swift.dataset.preprocessor import AutoPreprocessor
    from swift.rewards.orm import MathAccuracy

    seen = {
        name: list(AutoPreprocessor()(Dataset.from_list(rows_of(path)), num_proc=1)) for name, path in paths.items()
    }
    for row in seen["pool"]:
        texts = [f"So \\boxed{{{text}}}." for text in (row["expected_answer"], "no")]
        row["scores"] = MathAccuracy()(texts, [row["solution"]] * 2)
    return seen


def skyrl(pool: str, texts: str) -> list[dict[str, Any]]:
    """The rows of the pool, scored by the environment that each names."""
    import skyrl_gym
    from skyrl.train.dataset.dataset import PromptDataset

    answers = json.loads(Path(texts).read_text())
    rows = []
    for at in range(len(data := PromptDataset(pool, AutoTokenizer.from_pretrained(MODEL), 4096, num_workers=1))):
        prompt, env_class, extras, _ = data[at]
        scores = []
        for text in answers[extras["problem_id"]]:
            environment = skyrl_gym.make(env_class, env_config={}, extras=extras)
            environment.init(prompt)
            scores.append(environment.step(text)["reward"])
        rows.append({"id": extras["problem_id"], "env_class": env_class, "scores": scores})
    return rows


READERS = {"axolotl": axolotl, "torchtune": torchtune, "openrlhf": openrlhf, "swift": swift, "skyrl": skyrl}


def several(plan: str) -> dict[str, Any]:
    """What each reader of the JSON file `plan`, {reader: its arguments}, says."""
    sys.meta_path.append(StandIns())
    return {name: READERS[name](**arguments) for name, arguments in json.loads(Path(plan).read_text()).items()}


if __name__ == "__main__":
    sys.path.append(str(Path(sys.prefix) / "trainers"))
    read = {"verl": verl, "llamafactory": llamafactory, "several": several}[sys.argv[1]]
    print("\n" + json.dumps(read(*sys.argv[2:])))
