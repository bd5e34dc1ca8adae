"""Public sets of mathematics, multiple choice and prompts for reinforcement learning: each opens without a mapping, a
right answer is verified and a wrong one refuted. The rows are made up, in the publishers' columns and types."""

from __future__ import annotations

import csv
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from jobs.config import ConfigError, Problems
from jobs.problems.errors import ProblemFileError
from jobs.problems.load import check_problems, stream_problems
from verifiers.checker import Checkers
from verifiers.kinds import KINDS
from verifiers.types import Problem

CHAT = [{"role": "user", "content": "What is 2+3?"}]
SYSTEM_CHAT = [{"role": "system", "content": "Be brief."}, *CHAT]
BOX = "So $\\boxed{{{}}}$."
LETTER = "Answer: {}"


@dataclasses.dataclass(frozen=True)
class Set:
    """One row of a set; `types` are those of its Parquet columns that would be told otherwise."""

    layout: str
    row: Any
    right: str
    wrong: str
    format: str = "parquet"
    types: dict[str, pa.DataType] = dataclasses.field(default_factory=dict)
    kind: str = "math"
    say: str = BOX
    shows: str = ""
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


def choices(layout: str, row: Any, right: str, wrong: str, **more: Any) -> Set:
    return Set(layout, row, right, wrong, kind="choice", say=LETTER, **more)


FOUR = ["4", "6", "7", "9"]
PRIME = "Which is prime?"
VERL = {
    "data_source": "own",
    "prompt": CHAT,
    "ability": "math",
    "reward_model": {"style": "rule", "ground_truth": "5"},
    "extra_info": {"index": 0, "split": "train"},
}
OLYMPIAD = {
    "id": 1606,
    "question": "Find the speed.",
    "solution": ["It falls."],
    "final_answer": ["3.1"],
    "context": "A stone falls from a tower.",
    "image_1": None,
    "modality": "Text-only",
    "difficulty": "Competition",
    "is_multiple_answer": False,
    "unit": "m/s",
    "answer_type": "Numerical",
    "error": "1e-1",
    "question_type": "Open-ended",
    "subfield": "Mechanics",
    "subject": "Physics",
    "language": "English",
}
NUMINA = {
    "problem": "What is 2+3?",
    "solution": "It is $\\boxed{5}$.",
    "answer": "5",
    "problem_type": "Algebra",
    "question_type": "math-word-problem",
    "problem_is_valid": "Yes",
    "solution_is_valid": "Yes",
    "source": "olympiads",
    "synthetic": False,
}
WEB = {
    "id": 7,
    "question": "What is 2+3?",
    "answer": "5",
    "answer_type": "Integer",
    "category": "Mathematics",
    "difficulty": "Primary School",
}
NEMO = {"responses_create_params": {"input": CHAT}, "expected_answer": "5", "question": "2+3?", "uuid": "n-1"}
MEDMCQA = {
    "id": "e9",
    "question": PRIME,
    **dict(zip(("opa", "opb", "opc", "opd"), FOUR, strict=True)),
    "cop": 2,
    "choice_type": "single",
    "exp": "Seven.",
    "subject_name": "Anatomy",
    "topic_name": None,
}
CEVAL = {"id": 0, "question": "哪个是质数?", **dict(zip("ABCD", FOUR, strict=True)), "answer": "C", "explanation": ""}
LISTED = f"{PRIME}\n\nA. 4\nB. 6\nC. 7\nD. 9"

SETS = {
    # Mathematics
    "math": Set(
        "math", {"problem": "2+3?", "level": "Level 1", "type": "Algebra", "solution": "$\\boxed{5}$"}, "5", "6"
    ),
    "math_500": Set(
        "math",
        {"problem": "2+3?", "solution": "…", "answer": "5", "subject": "Algebra", "level": 2, "unique_id": "test/1"},
        "5",
        "6",
        format="jsonl",
    ),
    "gsm8k": Set("gsm8k", {"question": "2+3?", "answer": "2+3=<<2+3=5>>5\n#### 5"}, "5", "6"),
    "aime_maxwell_jia": Set(
        "math", {"ID": "2024-I-1", "Problem": "2+3?", "Solution": "Words.", "Answer": 5}, "5", "6", format="jsonl"
    ),
    "aime_opencompass": Set("question_answer", {"question": "2+3?", "answer": "5"}, "5", "6", format="jsonl"),
    "hmmt": Set(
        "math", {"problem_idx": 1, "problem": "Roots?", "answer": "1,2", "problem_type": ["Algebra"]}, "2,1", "1"
    ),
    "olympiadbench": Set("olympiadbench", OLYMPIAD, "3.15", "3.25", shows="tower"),
    "olympiadbench_several": Set(
        "olympiadbench",
        {**OLYMPIAD, "final_answer": ["1", "2"], "is_multiple_answer": True, "error": None, "unit": None},
        "2, 1",
        "1",
        types={"error": pa.string(), "unit": pa.string()},
    ),
    "skywork_or1": Set(
        "verl", {**VERL, "reward_model": {"style": "rule", "ground_truth": '["\\\\frac{1}{2}", "50\\\\%"]'}}, "0.5", "2"
    ),
    "verl_list": Set("verl", {**VERL, "reward_model": {"style": "rule", "ground_truth": ["5", "5.0"]}}, "5", "6"),
    "deepmath": Set(
        "question_answer",
        {
            "question": "2+3?",
            "final_answer": "5",
            "difficulty": 4.5,
            "topic": "Mathematics -> Algebra",
            "r1_solution_1": "x",
        },
        "5",
        "6",
    ),
    "minerva": Set("question_answer", {"question": "2+3?", "answer": "5"}, "5", "6"),
    "s1k": Set(
        "s1k",
        {"solution": "Thus $\\boxed{5}$.", "question": "2+3?", "cot_type": "math", "source_type": "x", "cot": None},
        "5",
        "6",
        types={"cot": pa.null()},
    ),
    "orz": Set(
        "orz",
        [{"from": "human", "value": "2+3?"}, {"from": "assistant", "ground_truth": {"value": "5", "pass_at_n": None}}],
        "5",
        "6",
        format="json",
    ),
    "numinamath_1_5": Set("math", NUMINA, "5", "6"),
    "dapo": Set("verl", {**VERL, "ability": "MATH"}, "5", "6"),
    "dapo_processed": Set(
        "verl",
        {**VERL, "prompt": "What is 2+3?", "solution": "5", "source_prompt": CHAT},
        "5",
        "6",
        shows="What is 2+3?",
    ),
    "webinstruct": Set("webinstruct", WEB, "5", "6"),
    # Multiple choice
    "mmlu": choices("mmlu", {"question": PRIME, "subject": "number_theory", "choices": FOUR, "answer": 2}, "C", "B"),
    "mmlu_pro": choices(
        "mmlu_pro",
        {
            "question_id": 70,
            "question": PRIME,
            "options": FOUR,
            "answer": "C",
            "answer_index": 2,
            "cot_content": "",
            "category": "math",
            "src": "ori",
        },
        "C",
        "D",
    ),
    "supergpqa": choices(
        "supergpqa",
        {
            "uuid": "u1",
            "question": PRIME,
            "options": FOUR,
            "answer": "7",
            "answer_letter": "C",
            "discipline": "Science",
            "field": "Mathematics",
            "difficulty": "easy",
            "is_calculation": False,
        },
        "C",
        "A",
        format="jsonl",
    ),
    "medmcqa": choices("medmcqa", MEDMCQA, "C", "B", types={"topic_name": pa.null()}),
    "medqa": choices(
        "medqa",
        {
            "question": PRIME,
            "answer": "7",
            "options": dict(zip("ABCD", FOUR, strict=True)),
            "meta_info": "step1",
            "answer_idx": "C",
            "metamap_phrases": ["prime"],
        },
        "C",
        "B",
        format="jsonl",
    ),
    "medqa_bigbio": choices(
        "medqa",
        {
            "meta_info": "step1",
            "question": PRIME,
            "answer_idx": "C",
            "answer": "7",
            "options": [{"key": key, "value": value} for key, value in zip("ABCD", FOUR, strict=True)],
        },
        "C",
        "B",
    ),
    "arc": choices(
        "arc",
        {"id": "M_1", "question": PRIME, "choices": {"text": FOUR, "label": ["A", "B", "C", "D"]}, "answerKey": "C"},
        "C",
        "B",
    ),
    "arc_numbers": choices(
        "arc",
        {"id": "N_1", "question": PRIME, "choices": {"text": FOUR, "label": ["1", "2", "3", "4"]}, "answerKey": "3"},
        "C",
        "B",
    ),
    "arc_first_release": choices(
        "arc",
        {
            "id": "M_2",
            "question": {
                "stem": PRIME,
                "choices": [{"text": text, "label": label} for label, text in zip("ABCD", FOUR, strict=True)],
            },
            "answerKey": "C",
        },
        "C",
        "B",
        format="jsonl",
    ),
    "openbookqa": choices(
        "arc",
        {
            "id": "7-1",
            "question_stem": PRIME,
            "choices": {"text": FOUR, "label": ["A", "B", "C", "D"]},
            "answerKey": "C",
        },
        "C",
        "B",
    ),
    "ceval": choices("ceval", CEVAL, "C", "B"),
    "cmmlu": choices(
        "cmmlu", {"Question": PRIME, **dict(zip("ABCD", FOUR, strict=True)), "Answer": "C"}, "C", "B", format="csv"
    ),
    "aqua": choices(
        "aqua",
        {"question": PRIME, "options": ["A)4", "B)6", "C)5(√3 + 1)"], "rationale": "…", "correct": "C"},
        "C",
        "B",
        shows="C. 5(√3 + 1)",
    ),
    "webinstruct_choice": choices(
        "webinstruct", {**WEB, "question": LISTED, "answer": "C", "answer_type": "Multiple Choice"}, "C", "B"
    ),
    # Prompts for reinforcement learning
    "verl": Set("verl", VERL, "5", "6"),
    "verl_own_choice": choices(
        "verl",
        {
            **VERL,
            "data_source": "lighteval/MATH",
            "ability": "choice",
            "prompt": [{"role": "user", "content": LISTED}],
            "reward_model": {"style": "rule", "ground_truth": "C"},
        },
        "C",
        "B",
    ),
    "verl_stem": Set("verl", {**VERL, "ability": "reasoning"}, "5", "6", options={"kind": "math"}),
    "rlvr": Set(
        "rlvr",
        {"messages": CHAT, "ground_truth": "5", "dataset": "gsm8k", "constraint_type": "", "constraint": ""},
        "5",
        "6",
    ),
    "rlvr_lists": Set("rlvr", {"messages": CHAT, "ground_truth": ["5"], "dataset": ["math"]}, "5", "6"),
    "trl": Set("trl", {"prompt": CHAT, "solution": "$5$"}, "5", "6"),
    "trl_own_choice": choices(
        "trl",
        {
            "prompt": [{"role": "user", "content": LISTED}],
            "ground_truth": "C",
            "reference": json.dumps({"options": FOUR, "answer": "C"}),
        },
        "C",
        "B",
    ),
    "slime": Set("slime", {"prompt": SYSTEM_CHAT, "label": "5"}, "5", "6", format="jsonl"),
    "skyrl": Set(
        "skyrl",
        {
            "data_source": "openai/gsm8k",
            "prompt": CHAT,
            "env_class": "gsm8k",
            "reward_spec": {"method": "rule", "ground_truth": "5"},
            "extra_info": {"split": "train", "index": 0, "answer": "x", "question": "y"},
        },
        "5",
        "6",
    ),
    "intellect_3": Set(
        "intellect_math", {"question": "2+3?", "answer": "5", "info": '{"source": "x"}', "task": "math"}, "5", "6"
    ),
    "nemo_gym": Set("nemo_gym", NEMO, "5", "6", format="jsonl"),
    "nemo_gym_mcqa": choices(
        "nemo_gym",
        {
            "responses_create_params": {"input": [{"role": "user", "content": LISTED}]},
            "options": [{letter: text} for letter, text in zip("ABCD", FOUR, strict=True)],
            "expected_answer": "C",
            "grading_mode": "strict_single_letter_boxed",
            "uuid": "n-2",
        },
        "C",
        "B",
        format="jsonl",
    ),
    "nemo_gym_code": Set(
        "nemo_gym",
        {
            "responses_create_params": {"input": [{"role": "user", "content": "Add two numbers."}]},
            "verifier_metadata": {"unit_tests": {"inputs": ["1 2\n", "5 6\n"], "outputs": ["3\n", "11\n"]}},
        },
        "print(sum(map(int, input().split())))",
        "print(3)",
        format="jsonl",
        kind="code",
        say="```python\n{}\n```",
    ),
    "openrlhf": Set("input_answer", {"input": json.dumps(CHAT), "answer": "5"}, "5", "6", format="jsonl"),
    "nemo_rl": Set("input_answer", {"input": "2+3?", "output": "5"}, "5", "6", format="jsonl"),
}


def write(tmp_path, one: Set) -> str:
    path = tmp_path / f"set.{one.format}"
    if one.format == "parquet":
        schema = pa.Table.from_pylist([one.row]).schema
        fields = [pa.field(field.name, one.types.get(field.name, field.type)) for field in schema]
        pa.parquet.write_table(pa.Table.from_pylist([one.row], schema=pa.schema(fields)), path)
    elif one.format == "csv":
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(one.row))
            writer.writeheader()
            writer.writerow(one.row)
    else:
        path.write_text(json.dumps([one.row] if one.format == "json" else one.row, ensure_ascii=False) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def checkers() -> Iterator[Checkers]:
    found = Checkers()
    yield found
    found.close()


def read(tmp_path, one: Set) -> Problem:
    config = Problems(files=[write(tmp_path, one)], **one.options)
    summary = check_problems(config)
    assert [source.layout for source in summary.sources] == [one.layout]
    (problem,) = stream_problems(config)
    return problem


@pytest.mark.parametrize("name", SETS)
def test_a_set_opens_and_its_answers_are_judged(tmp_path, checkers, name):
    one = SETS[name]
    problem = read(tmp_path, one)
    assert problem.kind == one.kind and checkers.check_problem(problem) is None
    assert one.shows in KINDS.row(problem.kind).show(problem)
    right, wrong = (checkers.verify(problem, one.say.format(text)) for text in (one.right, one.wrong))
    assert (right.status, wrong.status) == ("verified", "refuted"), (right.reason, wrong.reason)


def faulty(tmp_path, name: str, **change: Any) -> str:
    one = SETS[name]
    with pytest.raises(ProblemFileError) as caught:
        read(tmp_path, dataclasses.replace(one, row={**one.row, **change}))
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "change", "wrong"),
    [
        ("olympiadbench", {"modality": "Multimodal"}, "shows an image"),
        ("olympiadbench", {"question": "See <image_1>."}, "shows an image"),
        ("olympiadbench", {"question_type": "Theorem proof"}, "no answer to check"),
        ("olympiadbench", {"answer_type": "Need_human_evaluate"}, "no answer to check"),
        ("olympiadbench", {"error": "1e-1,1e-2"}, "one tolerance"),
        ("olympiadbench", {"final_answer": ["1", "2"]}, "is_multiple_answer is not set"),
        ("olympiadbench", {"final_answer": []}, "no answer key"),
        ("numinamath_1_5", {"answer": "proof"}, "is no answer"),
        ("numinamath_1_5", {"answer": "notfound"}, "is no answer"),
        ("numinamath_1_5", {"problem_is_valid": "Incomplete"}, "the publisher says"),
        ("mmlu", {"answer": 4}, "this file counts from 1"),
        ("mmlu", {"answer": "E"}, "one of A, B, C, D"),
        ("mmlu_pro", {"answer": "B"}, "names B, another column C"),
        ("supergpqa", {"answer": "9"}, "is option D, but the letter is C"),
        ("medmcqa", {"cop": 4}, "this file counts from 1"),
        ("medmcqa", {"cop": -1}, "no answer key"),
        ("medqa", {"answer": "4"}, "is option A, but the letter is C"),
        ("arc", {"answerKey": "3"}, "one of A, B, C, D"),
        ("ceval", {"answer": ""}, "no answer key"),
        ("webinstruct_choice", {"question": PRIME}, "lists no options"),
        ("verl_own_choice", {"prompt": CHAT}, "lists no options"),
        ("rlvr", {"dataset": "ifeval"}, "a verifier that is not here"),
        ("skyrl", {"env_class": "text2sql"}, "an environment that is not here"),
        ("intellect_3", {"task": "logic"}, "a task that is not judged here"),
        ("nemo_gym", {"expected_answer": None}, "no answer key"),
        ("verl_stem", {"ability": "reasoning", "prompt": []}, "prompt: "),
    ],
)
def test_what_such_a_set_cannot_say_is_a_bad_row(tmp_path, name, change, wrong):
    assert wrong in faulty(tmp_path, name, **change)


def test_a_file_that_counts_from_one_is_not_read_past_its_bad_rows(tmp_path):
    """The first release of MedMCQA: with `skip_bad`, three of four rows would have the next option as the right one."""
    path = tmp_path / "dev.jsonl"
    path.write_text("".join(json.dumps({**MEDMCQA, "id": f"e{n}", "cop": n}) + "\n" for n in (1, 2, 3, 4)))
    with pytest.raises(ProblemFileError, match=r"dev.jsonl:4: cop: .*this file counts from 1"):
        check_problems(Problems(files=[str(path)], skip_bad=True))


@pytest.mark.parametrize(("name", "kind"), [("mmlu", "math"), ("olympiadbench", "choice"), ("rlvr", "lean")])
def test_a_kind_that_a_set_cannot_give_is_an_error(tmp_path, name, kind):
    with pytest.raises(ConfigError, match=f"not {kind}"):
        read(tmp_path, dataclasses.replace(SETS[name], options={"kind": kind}))


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Where?", "answer": "5", "context": "A long story without which nobody could answer."},
        {"question": "Which?", "answer": "5", "options": ["5", "6"]},
        {"instruction": "Add.", "input": "2 3", "output": "5"},
        {"prompt": "Add.", "answer": "5", "tests": ["assert True"]},
    ],
)
def test_rows_of_which_a_plain_layout_would_lose_a_part_are_not_guessed(tmp_path, row):
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(ProblemFileError, match="unknown layout"):
        check_problems(Problems(files=[str(path)]))
