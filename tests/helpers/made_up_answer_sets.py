"""Made-up rows of public sets of mathematics, multiple choice and prompts for reinforcement learning, in the columns
and types of their publishers, each with a right and a wrong answer."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pyarrow as pa

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
"""Every set, by the name that docs/problem_files.md gives to it."""
