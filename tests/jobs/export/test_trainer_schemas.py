"""Exports read by other trainers: by their own loaders where a package can be had, else held against what they read.

verl 0.9.1 and LLaMA-Factory 0.9.5 (for the ShareGPT rows of OpenThoughts) are installed apart from our own packages
(locks/trainers.txt). open-instruct and NeMo-RL are on no package index: their names are those of open-instruct of
2026-08 (`dataset_transformation`, `ground_truth_utils`) and NeMo-RL 0.6.0 (`ResponseDataset`, `PreferenceDataset`).
Both tokenize by the chat template of the model's tokenizer, as done here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest
from made_up_runs import mixed_samples, sample, write_run
from trainer_loaders import MODEL

from jobs.export.formats.rl_layouts import VERL_SOURCES
from jobs.export.pipeline import export
from jobs.export.settings import load_settings

FILES = pytest.mark.parametrize("files", ["parquet", "jsonl"])


def exported(tmp_path: Path, format: Any, layout: str, files: str, samples: Any = None) -> list[dict[str, Any]]:
    """The data file read by its ending, which is how verl and NeMo-RL load a local one."""
    run = write_run(tmp_path / "run", samples or mixed_samples())
    overrides = ["work.processes=1", f"output.layout='{layout}'", f"output.files='{files}'"]
    export(load_settings(format, None, overrides), [run], str(tmp_path / "out"))
    kind = "json" if files == "jsonl" else files
    path = str(tmp_path / "out" / "data" / f"train.{files}")
    return list(datasets.load_dataset(kind, data_files=path, cache_dir=str(tmp_path / "cache"))["train"])


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(MODEL)


def tokens(tokenizer: Any, chat: list[dict[str, str]], generation: bool = False) -> list[int]:
    assert all(set(turn) == {"role", "content"} for turn in chat)
    return list(tokenizer.apply_chat_template(chat, add_generation_prompt=generation, return_dict=False))


def one_of_each() -> list[dict[str, Any]]:
    """Problems with a pass rate of one half: mathematics, multiple choice, three kinds of program, Lean."""
    tests = [{"input": [12, 18], "output": 6}]
    references: dict[str, tuple[str, dict[str, Any]]] = {
        "m": ("math", {"answer": "17"}),
        "c": ("choice", {"options": ["one", "two"], "answer": "B"}),
        "f": ("code", {"mode": "function", "entry_point": "gcd", "tests": tests}),
        "s": ("code", {"mode": "stdin", "tests": [{"input": "1 2\n", "output": "3\n"}]}),
        "a": ("code", {"mode": "assert", "test_list": ["assert gcd(12, 18) == 6"]}),
        "l": ("lean", {"name": "t", "header": "", "statement": "theorem t : 1 = 1"}),
    }
    prompts = [
        "Count the sheep.",
        "Which is more?",
        "Write gcd.",
        "Add what you read.",
        "Write gcd again.",
        "Prove it.",
    ]
    return [
        sample(
            name,
            at,
            kind=kind,
            prompt=prompt,
            reference=json.dumps(reference),
            status="verified" if at % 2 else "refuted",
        )
        for (name, (kind, reference)), prompt in zip(references.items(), prompts, strict=True)
        for at in range(4)
    ]


@FILES
def test_verl(tmp_path: Path, files: str) -> None:
    rows = exported(tmp_path, "rl", "verl", files, one_of_each())
    by_problem = {row["extra_info"]["id"]: row for row in rows}
    assert sorted(by_problem) == ["c", "f", "m", "s"]  # it has no scorer for the other two
    assert sorted(row["extra_info"]["index"] for row in rows) == list(range(len(rows)))
    for row in rows:
        assert row["data_source"] in VERL_SOURCES
        assert row["reward_model"]["style"] == "rule"
        assert [turn["role"] for turn in row["prompt"]] == ["user"]
        assert row["ability"] == row["extra_info"]["kind"]
    assert by_problem["m"]["reward_model"]["ground_truth"] == "17"
    # Its scorer of programs takes parallel lists of texts, and calls `fn_name` where there is one.
    truth = json.loads(by_problem["f"]["reward_model"]["ground_truth"])
    assert truth == {"inputs": ["12\n18"], "outputs": ["6"], "fn_name": "gcd"}
    truth = json.loads(by_problem["s"]["reward_model"]["ground_truth"])
    assert truth == {"inputs": ["1 2\n"], "outputs": ["3\n"]}


@FILES
def test_open_instruct(tmp_path: Path, tokenizer: Any, files: str) -> None:
    rows = exported(tmp_path, "sft", "messages", files)
    for row in rows:
        # Prompt and answer are told apart by position: all turns but the last, and the last.
        asked, whole = tokens(tokenizer, row["messages"][:-1], generation=True), tokens(tokenizer, row["messages"])
        assert whole[: len(asked)] == asked and len(whole) > len(asked)
        assert row["messages"][-1]["role"] == "assistant"


@FILES
def test_open_instruct_preference(tmp_path: Path, tokenizer: Any, files: str) -> None:
    for row in exported(tmp_path, "preference", "open_instruct", files):
        assert row["chosen"][:-1] == row["rejected"][:-1] != []
        assert tokens(tokenizer, row["chosen"]) != tokens(tokenizer, row["rejected"])


@FILES
def test_open_instruct_rlvr(tmp_path: Path, tokenizer: Any, files: str) -> None:
    rows = exported(tmp_path, "rl", "open_instruct", files, one_of_each())
    verifiers = {row["problem_id"]: row["dataset"] for row in rows}
    assert verifiers == {"m": "math", "c": "math", "a": "code", "s": "code_stdio"}
    truths = {row["problem_id"]: row["ground_truth"] for row in rows}
    assert (truths["m"], truths["c"]) == ("17", "B")
    assert json.loads(truths["a"]) == ["assert gcd(12, 18) == 6"]  # its code verifier runs a list of asserts
    assert json.loads(truths["s"]) == [{"input": "1 2\n", "output": "3\n"}]
    for row in rows:
        assert tokens(tokenizer, row["messages"], generation=True)
        assert row["messages"][-1]["role"] == "user"


@FILES
def test_nemo_rl(tmp_path: Path, files: str) -> None:
    for row in exported(tmp_path, "sft", "nemo_rl", files):
        assert isinstance(row["input"], str) and isinstance(row["output"], str)
        # With such a column it would take the chat from there; it adds a `task_name` of its own.
        assert not {"messages", "task_name"} & set(row)


@FILES
def test_nemo_rl_preference(tmp_path: Path, tokenizer: Any, files: str) -> None:
    for row in exported(tmp_path, "preference", "nemo_rl", files):
        assert [entry["rank"] for entry in row["completions"]] == [0, 1]
        for entry in row["completions"]:
            assert tokens(tokenizer, [*row["context"], *entry["completion"]])
        assert "task_name" not in row


@FILES
def test_openthoughts(tmp_path: Path, files: str) -> None:
    """A system text, then user and assistant in turn."""
    for row in exported(tmp_path, "sft", "openthoughts", files):
        assert isinstance(row["system"], str)
        assert [turn["from"] for turn in row["conversations"]] == ["user", "assistant"]
        assert all(set(turn) == {"from", "value"} and turn["value"] for turn in row["conversations"])
