"""Layouts that other trainers read, each by the trainer's own code where its package can be had (locks/trainers.txt).

LLaMA-Factory, axolotl, ms-swift, torchtune, OpenRLHF and SkyRL read theirs in foreign_loaders.py. What they import and
reading data does not need is stood in for there. NeMo-RL, NeMo Gym, slime and prime-rl are on no index or are other
things there, Megatron-Bridge needs Megatron, and `verifiers` has the name of a package of ours: the tests say what the
sources of 2026-08 read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_up_runs import mixed_samples, sample, write_run
from rl_cases import CASES, FENCED, half_right
from trainer_loaders import read_by

from jobs.config import ConfigError
from jobs.export.pipeline import export
from jobs.export.settings import load_settings

Json = Any


def exported(tmp_path: Path, format: str, layout: str, *overrides: str, samples: Json = None) -> list[dict[str, Json]]:
    """The rows of tmp_path / format-layout as JSON lines, which lie beside Parquet where the trainer reads either."""
    run = tmp_path / f"run-{format}-{layout}"
    rows = samples or (rl_samples() if format == "rl" else mixed_samples())
    settings = load_settings(format, None, ["work.processes=1", f"output.layout='{layout}'", *overrides])
    if not settings.layout_files.only:
        settings = load_settings(
            format, None, ["work.processes=1", f"output.layout='{layout}'", "output.files='both'", *overrides]
        )
    out = tmp_path / f"{format}-{layout}"
    export(settings, [write_run(run, rows)], str(out))
    lines = (out / settings.data_files["jsonl"]).read_text().splitlines()
    return [json.loads(line) for line in lines]


def rl_samples() -> list[dict[str, Json]]:
    return [row for name, case in CASES.items() for row in half_right(name, *case)]


def system_samples() -> list[dict[str, Json]]:
    """A chat with a system turn, one right and one wrong answer."""
    chat = json.dumps([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What now?"}])
    return [sample("p", at, messages=chat, status=status) for at, status in enumerate(["verified", "refuted"])]


def text_of(name: str, at: int) -> str:
    kind, _, *both = CASES[name]
    return FENCED.format(both[at]) if kind == "code" else str(both[at])


# --- LLaMA-Factory ----------------------------------------------------------------------------------------------------


def test_llama_factory_reads_every_set_by_the_dataset_info_that_lies_beside_it(tmp_path: Path) -> None:
    sft = exported(tmp_path, "sft", "openthoughts")
    pairs = exported(tmp_path, "preference", "llama_factory", "output.name='My pairs, new'", samples=system_samples())
    kto = exported(tmp_path, "kto", "llama_factory", samples=system_samples())
    folders = {"sft": "sft-openthoughts", "rm": "preference-llama_factory", "kto": "kto-llama_factory"}
    (tmp_path / "plan.json").write_text(json.dumps({stage: str(tmp_path / name) for stage, name in folders.items()}))
    seen = read_by("llamafactory", tmp_path / "plan.json", tmp_path / "scratch")
    for row, read in zip(sft, seen["sft"], strict=True):
        asked, answer = (turn["value"] for turn in row["conversations"])
        assert asked in read["input"] and read["learnt"].strip() == answer.strip()
    ((row,), (read,)) = pairs, seen["rm"]
    assert "Be brief." in read["input"] and "What now?" in read["input"]
    assert read["chosen"].strip() == row["chosen"]["value"].strip()
    assert read["rejected"].strip() == row["rejected"]["value"].strip()
    assert list(json.loads((tmp_path / "preference-llama_factory" / "dataset_info.json").read_text())) == [
        "My_pairs_new"
    ]
    assert [read["label"] for read in seen["kto"]] == [row["label"] for row in kto] == [True, False]
    for row, read in zip(kto, seen["kto"], strict=True):
        assert "Be brief." in read["input"] and read["learnt"].strip() == row["conversations"][-1]["value"].strip()


# --- axolotl, ms-swift, torchtune, OpenRLHF, SkyRL --------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trainers")


@pytest.fixture(scope="module")
def seen(folder: Path) -> dict[str, Json]:
    """What the five trainers read, by one process."""

    def data(format: str, layout: str, *overrides: str, samples: Json = None) -> str:
        exported(folder, format, layout, *overrides, samples=samples)
        return str(folder / f"{format}-{layout}" / "data" / "train.jsonl")

    pairs = data("preference", "trl", samples=system_samples())
    texts = {name: [text_of(name, at) for at in (0, 1)] for name in CASES}
    # Its environment for answers reads no box.
    texts |= {"math": ["Answer: 17", "Answer: 18"], "choice": ["Answer: B", "Answer: A"]}
    (folder / "texts.json").write_text(json.dumps(texts))
    plan = {
        "axolotl": {"kto": data("kto", "axolotl", samples=system_samples()), "pairs": pairs},
        "torchtune": {"pairs": data("preference", "torchtune", samples=system_samples())},
        "openrlhf": {
            "pairs": pairs,
            "pool": data("rl", "trl"),
            "sft": data("sft", "prompt_completion", samples=system_samples()),
        },
        "swift": {
            "pairs": data("preference", "ms_swift", samples=system_samples()),
            "kto": data("kto", "ms_swift", samples=system_samples()),
            "pool": data("rl", "ms_swift"),
        },
        "skyrl": {"pool": data("rl", "skyrl"), "texts": str(folder / "texts.json")},
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    return dict(read_by("several", folder / "plan.json"))


RIGHT, WRONG = (row["text"] for row in system_samples())


def test_axolotl(seen: dict[str, Json]) -> None:
    kto = seen["axolotl"]["kto"]
    asked = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat now?<|im_end|>\n<|im_start|>assistant\n"
    assert [row["prompt"] for row in kto] == [asked, asked]
    assert [row["completion"] for row in kto] == [RIGHT + "<|im_end|>", WRONG + "<|im_end|>"]
    assert [row["label"] for row in kto] == [True, False]
    (pair,) = seen["axolotl"]["pairs"]
    assert "Be brief." in pair["prompt"] and "What now?" in pair["prompt"] and RIGHT not in pair["prompt"]
    assert pair["chosen"].startswith(RIGHT) and pair["rejected"].startswith(WRONG)


def test_torchtune(seen: dict[str, Json]) -> None:
    asked = [["system", "Be brief."], ["user", "What now?"]]
    assert seen["torchtune"] == [
        {"chosen": [*asked, ["assistant", RIGHT]], "rejected": [*asked, ["assistant", WRONG]]},
    ]


def test_openrlhf(seen: dict[str, Json]) -> None:
    ((prompt, chosen, rejected, _),) = seen["openrlhf"]["pairs"]
    assert "Be brief." in prompt and "What now?" in prompt
    assert chosen.startswith(RIGHT) and rejected.startswith(WRONG)
    ((asked, answer),) = seen["openrlhf"]["sft"]
    assert "What now?" in asked and answer.startswith(RIGHT)
    labels = {name: label for asked, label in seen["openrlhf"]["pool"] for name in CASES if f"name {name}." in asked}
    assert labels["math"] == "17" and labels["choice"] == "B" and len(labels) == len(CASES)


def test_ms_swift(seen: dict[str, Json]) -> None:
    (pair,) = seen["swift"]["pairs"]
    assert [turn["content"] for turn in pair["messages"]] == ["Be brief.", "What now?", RIGHT]
    assert pair["rejected_response"] == WRONG
    assert [(row["messages"][-1]["content"], row["label"]) for row in seen["swift"]["kto"]] == [
        (RIGHT, True),
        (WRONG, False),
    ]
    pool = {row["problem_id"]: row for row in seen["swift"]["pool"]}
    assert set(pool) == {"math", "choice"}, "its accuracy reward reads answers only"
    assert all(row["scores"] == [1.0, 0.0] for row in pool.values())
    assert [turn["role"] for turn in pool["math"]["messages"]] == ["user"]


def test_skyrl(seen: dict[str, Json]) -> None:
    rows = {row["id"]: row for row in seen["skyrl"]}
    assert {name: row["env_class"] for name, row in rows.items()} == {
        **dict.fromkeys(("math", "choice"), "aime"),
        **dict.fromkeys(("function", "method", "list", "strings", "wrapped", "stdin"), "lcb"),
    }
    assert all(row["scores"][0] == 1.0 and row["scores"][1] <= 0.0 for row in rows.values()), rows


def test_skyrl_has_no_scorer_for_a_prompt_that_asks_for_a_box(tmp_path: Path) -> None:
    chat = json.dumps([{"role": "user", "content": "Count the sheep. Put the answer into \\boxed{}."}])
    boxed = [sample("boxed", at, status=status, messages=chat) for at, status in enumerate(["verified", "refuted"])]
    rows = exported(tmp_path, "rl", "skyrl", samples=[*boxed, *half_right("math", *CASES["math"])])
    assert [row["problem_id"] for row in rows] == ["math"]
    rows = exported(tmp_path / "own", "rl", "skyrl", "rl.data_source='mine'", samples=boxed)
    assert [(row["env_class"], row["reward_spec"]["ground_truth"]) for row in rows] == [("mine", "1234567")]


# --- TRL, unsloth, slime, prime-rl ------------------------------------------------------------------------------------


def test_trls_own_accuracy_reward_reads_the_solution(tmp_path: Path) -> None:
    """unsloth trains by TRL's trainers, on their rows."""
    from trl.rewards import accuracy_reward

    rows = {row["problem_id"]: row for row in exported(tmp_path, "rl", "trl")}
    assert set(rows) == set(CASES)
    fraction = {"fraction": ("math", {"answer": "\\frac{1}{2}"}, "\\boxed{0.5}", "\\boxed{2}")}
    samples = half_right("fraction", *fraction["fraction"])
    rows |= {row["problem_id"]: row for row in exported(tmp_path / "more", "rl", "trl", samples=samples)}
    for name, case in {**CASES, **fraction}.items():
        solution = rows[name]["solution"]
        if case[0] == "code":
            assert solution is None
        else:
            texts = [[{"role": "assistant", "content": text}] for text in case[2:]]
            assert accuracy_reward(texts, [solution] * 2) == [1.0, 0.0]


def test_slime_reads_prompt_and_label(tmp_path: Path) -> None:
    """Its `Dataset` with `--input-key prompt --label-key ground_truth --apply-chat-template`: lines of JSON or Parquet,
    a chat or a text, a label, and a `metadata` that is an object where it is there."""
    for row in exported(tmp_path, "rl", "trl"):
        assert [set(turn) for turn in row["prompt"]] == [{"role", "content"}]
        assert isinstance(row["ground_truth"], str) and "metadata" not in row


def test_prime_rl_reads_prompt_and_completion(tmp_path: Path) -> None:
    """Its `SFTDataset` takes `messages` where a row has them, and else `prompt` and `completion`."""
    for row in exported(tmp_path, "sft", "prompt_completion"):
        assert "messages" not in row and row["prompt"] and row["completion"][0]["role"] == "assistant"


def test_verifiers_reads_the_pool(tmp_path: Path) -> None:
    """An environment of Prime Intellect's `verifiers` keeps a `prompt` that is a chat, numbers rows by an `example_id`
    of its own, loads `info` from JSON, and compares `answer` by math-verify, each side put into a box."""
    from math_verify import parse, verify

    rows = {row["problem_id"]: row for row in exported(tmp_path, "rl", "verifiers")}
    assert set(rows) == {"math", "choice"}
    for name, row in rows.items():
        assert not {"example_id", "env_id", "task"} & set(row)
        assert row["prompt"][-1]["role"] == "user" and row["question"] == f"Problem with the name {name}."
        assert json.loads(row["info"]) == {"kind": name, "reference": CASES[name][1]}
        right, wrong = (parse(text) for text in CASES[name][2:])
        gold = parse(f"\\boxed{{{row['answer']}}}")
        assert verify(gold, right) and not verify(gold, wrong)


# --- NeMo-RL, NeMo Gym, Megatron-Bridge -------------------------------------------------------------------------------


def test_nemo_rl_grpo(tmp_path: Path) -> None:
    """`ResponseDataset` makes two turns of `input` and `output`, which have to be texts, and
    `math_hf_data_processor` takes the second for the ground truth."""
    rows = {row["problem_id"]: row for row in exported(tmp_path, "rl", "nemo_rl")}
    assert {name: row["output"] for name, row in rows.items()} == {"math": "17", "choice": "B"}
    assert rows["math"]["input"] == "Problem with the name math. Box the answer."
    assert not {"messages", "task_name"} & set(rows["math"])


def test_nemo_gym(tmp_path: Path) -> None:
    """`math_with_judge`, `mcqa` and `code_gen`, resources servers; NeMo-RL's `NemoGymDataset` reads the lines too."""
    rows = {row["problem_id"]: row for row in exported(tmp_path, "rl", "nemo_gym")}
    assert {name: row["agent_ref"]["name"] for name, row in rows.items()} == {
        "math": "math_with_judge_simple_agent",
        "choice": "mcqa_simple_agent",
        **dict.fromkeys(("function", "method", "list", "strings", "wrapped", "stdin"), "code_gen_simple_agent"),
    }
    for row in rows.values():
        assert row["responses_create_params"]["input"][-1]["role"] == "user" and isinstance(row["question"], str)
    assert rows["math"]["expected_answer"] == "17"
    choice = rows["choice"]
    assert choice["options"] == [{"A": "one"}, {"B": "two"}] and choice["expected_answer"] == "B"
    assert choice["grading_mode"] == "strict_single_letter_boxed"
    assert rows["function"]["verifier_metadata"]["unit_tests"] == {
        "inputs": ["12\n18", "5\n10"],
        "outputs": ["6", "5"],
        "fn_name": "gcd",
    }
    assert rows["stdin"]["verifier_metadata"]["unit_tests"] == {
        "inputs": ["1 2\n", "4 5\n"],
        "outputs": ["3\n", "9\n"],
    }


def test_megatron_bridge(tmp_path: Path) -> None:
    """`GPTSFTDatasetBuilder` reads `training.jsonl` in its `dataset_root` by the template `{input} {output}`."""
    rows = exported(tmp_path, "sft", "megatron_bridge")
    assert (tmp_path / "sft-megatron_bridge" / "data" / "training.jsonl").exists()
    assert all(isinstance(row["input"], str) and isinstance(row["output"], str) for row in rows)
    assert "path: data/training.jsonl" in (tmp_path / "sft-megatron_bridge" / "README.md").read_text()


def test_a_layout_whose_trainer_reads_lines_of_json_only_refuses_parquet(tmp_path: Path) -> None:
    for format, layout in (("sft", "megatron_bridge"), ("rl", "nemo_gym")):
        with pytest.raises(ConfigError, match=rf"output\.files: the trainer of the layout {layout} reads jsonl only"):
            load_settings(format, None, [f"output.layout='{layout}'", "output.files='parquet'"])
