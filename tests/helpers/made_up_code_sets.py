"""Made-up rows of public code sets, in the columns and types of their publishers, each with a right and a wrong
program. Every task adds two numbers."""

from __future__ import annotations

import base64
import dataclasses
import json
import pickle
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet

TEXT, WHOLE, REAL, YES = pa.string(), pa.int64(), pa.float64(), pa.bool_()
TEXTS = pa.list_(TEXT)
IO_LISTS = pa.struct({"input": TEXTS, "output": TEXTS})
IO_PAIRS = pa.list_(pa.struct({"input": TEXT, "output": TEXT}))
CHAT = pa.list_(pa.struct({"content": TEXT, "role": TEXT}))

READS = "```python\na, b = map(int, input().split())\nprint(a + b)\n```"
READS_WRONG = "```python\na, b = map(int, input().split())\nprint(a - b)\n```"
ADDS = "```python\ndef add(a, b):\n    return a + b\n```"
ADDS_WRONG = "```python\ndef add(a, b):\n    return 3\n```"
METHOD = "```python\nclass Solution:\n    def add(self, a: int, b: int) -> int:\n        return a + b\n```"
METHOD_WRONG = METHOD.replace("a + b", "3")
STARTER = "class Solution:\n    def add(self, a: int, b: int) -> int:\n        "
LISTS = {"inputs": ["1 2\n", "5 6\n"], "outputs": ["3\n", "11\n"]}
CALLS = {"fn_name": "add", "inputs": [[1, 2], [5, 6]], "outputs": [[3], [11]]}
CASES = [
    {"type": "stdin_stdout", "input": "1 2\n", "output": "3\n", "fn_name": None},
    {"type": "stdin_stdout", "input": "5 6\n", "output": "11\n", "fn_name": None},
]
CALLED = [
    {"type": "function_call", "fn_name": "add", "input": [1, 2], "output": [3]},
    {"type": "function_call", "fn_name": "add", "input": [5, 6], "output": [11]},
]
LIVECODEBENCH = [
    {"input": "1\n2", "output": "3", "testtype": "functional"},
    {"input": "5\n6", "output": "11", "testtype": "functional"},
]
CHECK = "def check(candidate):\n    assert candidate(a = 1, b = 2) == 3\n    assert candidate(a = 5, b = 6) == 11\n"
SPLIT = "Read n. Print two numbers whose sum is n. If there are several answers, print any of them."
SPLITS = "```python\nn = int(input())\nprint(1, n - 1)\n```"
SPLITS_WRONG = "```python\nn = int(input())\nprint(1, n)\n```"
SPLIT_PAIRS = [{"input": "3\n", "output": "0 3\n"}, {"input": "10\n", "output": "0 10\n"}]
SPLIT_CHECKER = """
import sys

def main():
    given, answer, output = (open(path).read() for path in sys.argv[1:4])
    try:
        parts = [int(word) for word in output.split()]
    except ValueError:
        parts = []
    print(1 if len(parts) == 2 and sum(parts) == int(given) else 0)

main()
"""
SPLIT_TESTLIB = """
#include <fstream>
// A checker as testlib calls it, which needs no testlib.
int main(int count, char **arguments) {
    std::ifstream given(arguments[1]), output(arguments[2]);
    long n, a, b;
    given >> n;
    return output >> a >> b && a + b == n ? 0 : 1;
}
"""


@dataclasses.dataclass(frozen=True)
class MadeUp:
    """One row of a set. `columns` gives types of a Parquet file, and none of a JSONL file; a column of `columns` that
    the row lacks is null."""

    layout: str
    row: Mapping[str, Any]
    right: str
    wrong: str
    columns: Mapping[str, pa.DataType] | None = None
    id: str = ""
    needs_gcc: bool = False

    def write(self, folder: Path, *, changed: Sequence[Mapping[str, Any]] = ({},), name: str = "set") -> str:
        """A file with this row, once for each of `changed`, with these columns changed."""
        rows = [{**self.row, **change} for change in changed]
        if self.columns is None:
            path = folder / f"{name}.jsonl"
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
            return str(path)
        path = folder / f"{name}.parquet"
        full = [{column: row.get(column) for column in self.columns} for row in rows]
        pa.parquet.write_table(pa.Table.from_pylist(full, pa.schema(list(self.columns.items()))), path)
        return str(path)


APPS_COLUMNS = {"problem_id": WHOLE} | dict.fromkeys(
    ("question", "solutions", "input_output", "difficulty", "url", "starter_code"), TEXT
)
APPS = {
    "problem_id": 7,
    "question": "Add two numbers.",
    "solutions": "[]",
    "input_output": json.dumps(LISTS),
    "difficulty": "introductory",
    "url": "https://example.org/7",
    "starter_code": "",
}
TACO_COLUMNS = {
    **dict.fromkeys(("question", "starter_code", "input_output", "difficulty", "solutions", "raw_tags", "name"), TEXT),
    **dict.fromkeys(("source", "tags", "skill_types", "url", "Expected Auxiliary Space", "time_limit", "date"), TEXT),
    **dict.fromkeys(("picture_num", "memory_limit", "Expected Time Complexity"), TEXT),
}
TACO = {
    "question": "Add two numbers.",
    "starter_code": "",
    "input_output": json.dumps(LISTS),
    "difficulty": "EASY",
    "solutions": "[]",
    "raw_tags": "[]",
    "source": "codeforces",
    "tags": "['Implementation']",
    "skill_types": "[]",
    "url": "https://example.org/a",
    "time_limit": "2.0 seconds",
    "memory_limit": "256.0 megabytes",
}
CODE_CONTESTS = {
    "name": "7_A. Sum",
    "description": "Add two numbers.",
    "public_tests": {"input": ["1 2\n"], "output": ["3\n"]},
    "private_tests": {"input": ["5 6\n"], "output": ["11\n"]},
    "generated_tests": {"input": [], "output": []},
    "source": 2,
    "difficulty": 7,
    "solutions": {"language": [3], "solution": ["print(1)"]},
    "incorrect_solutions": {"language": [], "solution": []},
    "cf_contest_id": 7,
    "cf_index": "A",
    "cf_points": 0.0,
    "cf_rating": 800,
    "cf_tags": ["math"],
    "is_description_translated": False,
    "untranslated_description": "",
    "time_limit": {"seconds": 2, "nanos": 0},
    "memory_limit_bytes": 256000000,
    "input_file": "",
    "output_file": "",
}
SUBMISSIONS = pa.struct({"language": pa.list_(WHOLE), "solution": TEXTS})
CODE_CONTESTS_COLUMNS = {
    **{"name": TEXT, "description": TEXT},
    **dict.fromkeys(("public_tests", "private_tests", "generated_tests"), IO_LISTS),
    **{"source": WHOLE, "difficulty": WHOLE, "solutions": SUBMISSIONS, "incorrect_solutions": SUBMISSIONS},
    **{"cf_contest_id": WHOLE, "cf_index": TEXT, "cf_points": REAL, "cf_rating": WHOLE, "cf_tags": TEXTS},
    **{"is_description_translated": YES, "untranslated_description": TEXT},
    **{"time_limit": pa.struct({"seconds": WHOLE, "nanos": WHOLE}), "memory_limit_bytes": WHOLE},
    **{"input_file": TEXT, "output_file": TEXT},
}
CODED = pa.list_(pa.struct({"code": TEXT, "language": WHOLE}))
CODE_CONTESTS_PLUS = {
    "source": "Codeforces",
    "id": "7_B",
    "title": "Split",
    "description": SPLIT,
    "time_limit": 2000,
    "memory_limit": 256,
    "validator": "…",
    "generator": "…",
    "generator_cmd": "…",
    "checker": SPLIT_TESTLIB,
    "correct_submissions": [{"code": "…", "language": 3}],
    "incorrect_submissions": [],
    "test_cases": SPLIT_PAIRS,
    "true_positive_rate": 1.0,
    "true_negative_rate": 1.0,
}
CODE_CONTESTS_PLUS_COLUMNS = {
    **dict.fromkeys(("source", "id", "title", "description"), TEXT),
    **{"time_limit": WHOLE, "memory_limit": WHOLE},
    **dict.fromkeys(("validator", "generator", "generator_cmd", "checker"), TEXT),
    **{"correct_submissions": CODED, "incorrect_submissions": CODED, "test_cases": IO_PAIRS},
    **{"true_positive_rate": REAL, "true_negative_rate": REAL},
}
CODEFORCES = {
    "id": "7/C",
    "aliases": [],
    "contest_id": "7",
    "contest_name": "Round 7",
    "contest_type": "CF",
    "contest_start": 1268395200,
    "contest_start_year": 2010,
    "index": "C",
    "time_limit": 1.0,
    "memory_limit": 256.0,
    "title": "Split",
    "description": SPLIT,
    "input_format": "One number n.",
    "output_format": "Two numbers.",
    "interaction_format": None,
    "note": None,
    "examples": SPLIT_PAIRS[:1],
    "editorial": None,
    "rating": 800,
    "tags": ["math"],
    "testset_size": 2,
    "official_tests": SPLIT_PAIRS,
    "official_tests_complete": True,
    "input_mode": "stdio",
    "generated_checker": SPLIT_CHECKER,
    "executable": True,
    "generated_tests": 0,
}
CODEFORCES_COLUMNS = {
    **{"id": TEXT, "aliases": TEXTS, "contest_id": TEXT, "contest_name": TEXT, "contest_type": TEXT},
    **{"contest_start": WHOLE, "contest_start_year": WHOLE, "index": TEXT, "time_limit": REAL, "memory_limit": REAL},
    **dict.fromkeys(("title", "description", "input_format", "output_format", "interaction_format", "note"), TEXT),
    **{"examples": IO_PAIRS, "editorial": TEXT, "rating": WHOLE, "tags": TEXTS, "testset_size": WHOLE},
    **{"official_tests": IO_PAIRS, "official_tests_complete": YES, "input_mode": TEXT, "generated_checker": TEXT},
    **{"executable": YES, "generated_tests": WHOLE},
}
DEEPCODER = {"problem": "Add two numbers.", "solutions": ["print(1)"], "tests": json.dumps(CASES)}
DEEPCODER_COLUMNS = {"problem": TEXT, "solutions": TEXTS, "tests": TEXT}
DEEPCODER_LCB = {
    "problem": "Add two numbers.",
    "starter_code": STARTER,
    "tests": json.dumps(LIVECODEBENCH),
    "metadata": {"func_name": "add"},
}
DEEPCODER_LCB_COLUMNS = {
    "problem": TEXT,
    "starter_code": TEXT,
    "tests": TEXT,
    "metadata": pa.struct({"func_name": TEXT}),
}
VERIFIABLE = {
    "source": "primeintellect",
    "task_type": "verifiable_code",
    "in_source_id": "7",
    "prompt": "Write Python that reads two numbers and prints their sum.",
    "gold_standard_solution": "print(1)",
    "verification_info": {"language": "python", "test_cases": CASES},
    "metadata": "{}",
    "problem_id": "vcpp_7",
}
VERIFIABLE_COLUMNS = {
    **dict.fromkeys(("source", "task_type", "in_source_id", "prompt", "gold_standard_solution"), TEXT),
    "verification_info": pa.struct(
        {
            "language": TEXT,
            "test_cases": pa.list_(pa.struct({"fn_name": TEXT, "input": TEXT, "output": TEXT, "type": TEXT})),
        }
    ),
    **{"metadata": TEXT, "problem_id": TEXT},
}
SYNTHETIC = {
    **VERIFIABLE,
    "problem_id": "vcpp_8",
    "verification_info": repr({"language": "python", "test_cases": CALLED}),
}
SYNTHETIC_COLUMNS = {**VERIFIABLE_COLUMNS, "verification_info": TEXT}
SYNTHETIC_2 = {
    "problem_id": "prime_rl_code_7",
    "task_type": "prime_rl_code",
    "prompt": "Write Python that reads two numbers and prints their sum.",
    "verification_info": json.dumps({"test_cases": json.dumps(LISTS)}),
    "metadata": "{}",
    "solve_rate_qwen_r1_distill_7b": 0.5,
}
SYNTHETIC_2_COLUMNS = {
    **dict.fromkeys(("problem_id", "task_type", "prompt", "verification_info", "metadata"), TEXT),
    "solve_rate_qwen_r1_distill_7b": REAL,
}
INTELLECT_3 = {
    "question": "Write Python that reads two numbers and prints their sum.",
    "answer": "",
    "info": json.dumps({"tests": json.dumps({**LISTS, "fn_name": None}), "source": "taco"}),
    "task": "code",
}
INTELLECT_3_COLUMNS = dict.fromkeys(("question", "answer", "info", "task"), TEXT)
RSTAR = {
    "question_id": "seed_7",
    "question": "Add two numbers.",
    "starter_code": "",
    "inputs": json.dumps(LISTS["inputs"]),
    "outputs": json.dumps(LISTS["outputs"]),
    "is_synthesized": "[false, false]",
    "test_case_type": "synthetic",
    "func_name": "",
    "class_name": "",
}
RSTAR_COLUMNS = dict.fromkeys(RSTAR, TEXT)
KODCODE = {
    "version": "v1.0",
    "style": "instruct",
    "subset": "Prefill",
    "question_id": "Prefill_7_I",
    "question": "Add two numbers.",
    "solution": "def add(a, b):\n    return a + b",
    "test": (
        "from solution import add\n\n\ndef test_small():\n    assert add(1, 2) == 3\n\n\n"
        "def test_big():\n    assert add(5, 6) == 11\n"
    ),
    "test_info": [
        {
            "docstring": "Adds.",
            "function_declaration": "def add(a, b):",
            "function_name": "add",
            "parameter_list": "(a, b)",
        }
    ],
    "gpt_pass_sequence": [1],
    "gpt_pass_trial_num": 1,
    "gpt_difficulty": "easy",
    "gpt_pass_percentage": 1.0,
}
DECLARED = ("docstring", "function_declaration", "function_name", "parameter_list")
KODCODE_COLUMNS = {
    **dict.fromkeys(("version", "style", "subset", "question_id", "question", "solution", "test"), TEXT),
    "test_info": pa.list_(pa.struct(dict.fromkeys(DECLARED, TEXT))),
    **{"gpt_pass_sequence": pa.list_(WHOLE), "gpt_pass_trial_num": WHOLE, "gpt_difficulty": TEXT},
    "gpt_pass_percentage": REAL,
}
BIGCODEBENCH = {
    "task_id": "BigCodeBench/7",
    "complete_prompt": 'import math\n\ndef add(a, b):\n    """Adds."""\n',
    "instruct_prompt": "Add two numbers. You should write self-contained code starting with: …",
    "canonical_solution": "    return a + b\n",
    "code_prompt": "import math\n\ndef add(a, b):\n",
    "test": (
        "import unittest\n\nclass TestCases(unittest.TestCase):\n    def test_small(self):\n"
        "        self.assertEqual(add(1, 2), 3)\n    def test_big(self):\n        self.assertEqual(add(5, 6), 11)\n"
    ),
    "entry_point": "add",
    "doc_struct": "{}",
    "libs": "['math']",
}
BIGCODEBENCH_COLUMNS = dict.fromkeys(BIGCODEBENCH, TEXT)
LEETCODE = {
    "task_id": "add-two",
    "question_id": 7,
    "difficulty": "Easy",
    "tags": ["Math"],
    "problem_description": "Add two numbers.",
    "starter_code": STARTER,
    "estimated_date": "2022-01-01",
    "prompt": (
        "import math\nfrom typing import *\n\nclass ListNode:\n    def __init__(self, val=0, next=None):\n"
        "        self.val = val\n        self.next = next\n"
    ),
    "completion": "…",
    "entry_point": "Solution().add",
    "test": CHECK,
    "input_output": [{"input": "a = 1, b = 2", "output": "3"}],
    "query": "…",
    "response": "…",
}
ACECODE = {
    "id": "oss_7",
    "source": "oss",
    "question": "Write a function that adds two numbers.",
    "test_cases": ["assert add(1, 2) == 3", "assert add(5, 6) == 11"],
    "inferences": [],
}
ACECODE_COLUMNS = {
    "id": TEXT,
    "source": TEXT,
    "question": TEXT,
    "test_cases": TEXTS,
    "inferences": pa.list_(pa.struct({"completion": TEXT, "model_name": TEXT, "pass_rate": REAL})),
}


HUMANEVAL_PLUS = {
    "task_id": "HumanEval/907",
    "prompt": 'def add(a, b):\n    """Adds two numbers."""\n',
    "canonical_solution": "    return a + b\n",
    "entry_point": "add",
    "test": (
        "import numpy as np\n\n\ndef assertion(out, exp, atol):\n    assert out == exp\n\n\n"
        "def check(candidate):\n    inputs = [[1, 2], [5, 6]]\n    results = [3, 11]\n"
        "    for i, (inp, exp) in enumerate(zip(inputs, results)):\n        assertion(candidate(*inp), exp, 0)\n"
    ),
}
MBPP_PLUS = {
    "task_id": 907,
    "code": "def add(a, b):\n    return a + b",
    "prompt": "Write a function to add two numbers.",
    "source_file": "x",
    "test_imports": [],
    "test_list": ["assert add(1, 2) == 3"],
    "test": (
        "def assertion(out, exp, atol):\n    assert out == exp\n\n\ninputs = [[1, 2], [5, 6]]\nresults = [3, 11]\n"
        "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(add(*inp), exp, 0)\n"
    ),
}
MBPP_PLUS_COLUMNS = {
    **{"task_id": WHOLE, "code": TEXT, "prompt": TEXT, "source_file": TEXT},
    **{"test_imports": TEXTS, "test_list": TEXTS, "test": TEXT},
}
STREAMED = [{"input": case["input"], "output": case["output"], "testtype": "stdin"} for case in CASES]
LIVECODEBENCH_V6 = {
    "question_title": "Sum",
    "question_content": "Add two numbers.",
    "platform": "atcoder",
    "question_id": "abc907_a",
    "contest_id": "abc907",
    "contest_date": "2025-02-01T00:00:00",
    "starter_code": "",
    "difficulty": "easy",
    "public_test_cases": json.dumps(STREAMED[:1]),
    "private_test_cases": base64.b64encode(zlib.compress(pickle.dumps(json.dumps(STREAMED[1:])))).decode(),
    "metadata": "{}",
}
LIVECODEBENCH_METHOD = {
    **LIVECODEBENCH_V6,
    "platform": "leetcode",
    "question_id": "907",
    "starter_code": STARTER,
    "public_test_cases": json.dumps(LIVECODEBENCH[:1]),
    "private_test_cases": json.dumps(LIVECODEBENCH[1:]),
    "metadata": '{"func_name": "add"}',
}


def verl(source: str, truth: object, ability: str = "code", **extra: Any) -> dict[str, Any]:
    """A row as verl's sets have it; `truth` goes into JSON text."""
    return {
        "data_source": source,
        "prompt": [{"content": "You are careful.", "role": "system"}, {"content": "Add two numbers.", "role": "user"}],
        "ability": ability,
        "reward_model": {"ground_truth": json.dumps(truth), "style": "rule"},
        "extra_info": {"index": 7, "split": "train", **extra},
    }


VERL_COLUMNS = {
    **{"data_source": TEXT, "prompt": CHAT, "ability": TEXT},
    "reward_model": pa.struct({"ground_truth": TEXT, "style": TEXT}),
    "extra_info": pa.struct({"index": WHOLE, "split": TEXT, "prefix": TEXT}),
}
SKYWORK = {"entry_point": "Solution().add", "test_code": CHECK, "import_prefix": "from typing import *\n"}
VERL_TEXT = {"fn_name": "add", "inputs": ["1\n2", "5\n6"], "outputs": ["3", "11"]}

SETS = {
    "apps": MadeUp("apps", APPS, READS, READS_WRONG, APPS_COLUMNS, "set-7"),
    "apps_function": MadeUp(
        "apps", {**APPS, "input_output": json.dumps(CALLS), "starter_code": "def add(a, b):"}, ADDS, ADDS_WRONG
    ),
    "taco": MadeUp("apps", TACO, READS, READS_WRONG, TACO_COLUMNS),
    "code_contests": MadeUp("code_contests", CODE_CONTESTS, READS, READS_WRONG, CODE_CONTESTS_COLUMNS, "7_A. Sum"),
    "code_contests_plus": MadeUp(
        "code_contests_plus",
        CODE_CONTESTS_PLUS,
        SPLITS,
        SPLITS_WRONG,
        CODE_CONTESTS_PLUS_COLUMNS,
        "codeforces-7_B",
        needs_gcc=True,
    ),
    "codeforces": MadeUp("codeforces", CODEFORCES, SPLITS, SPLITS_WRONG, CODEFORCES_COLUMNS, "7/C"),
    "deepcoder_primeintellect": MadeUp("deepcoder", DEEPCODER, READS, READS_WRONG, DEEPCODER_COLUMNS),
    "deepcoder_primeintellect_function": MadeUp(
        "deepcoder", {**DEEPCODER, "tests": json.dumps(CALLED)}, ADDS, ADDS_WRONG, DEEPCODER_COLUMNS
    ),
    "deepcoder_taco": MadeUp(
        "deepcoder", {**DEEPCODER, "tests": json.dumps(CALLS)}, ADDS, ADDS_WRONG, DEEPCODER_COLUMNS
    ),
    "deepcoder_codeforces": MadeUp(
        "deepcoder",
        {
            "problem": "Add two numbers.",
            "tests": json.dumps([{k: case[k] for k in ("input", "output")} for case in CASES]),
        },
        READS,
        READS_WRONG,
        {"problem": TEXT, "tests": TEXT},
    ),
    "deepcoder_lcbv5": MadeUp("deepcoder", DEEPCODER_LCB, METHOD, METHOD_WRONG, DEEPCODER_LCB_COLUMNS),
    "verifiable_coding": MadeUp("verification_info", VERIFIABLE, READS, READS_WRONG, VERIFIABLE_COLUMNS, "vcpp_7"),
    "synthetic_1": MadeUp("verification_info", SYNTHETIC, ADDS, ADDS_WRONG, SYNTHETIC_COLUMNS),
    "synthetic_2": MadeUp("verification_info", SYNTHETIC_2, READS, READS_WRONG, SYNTHETIC_2_COLUMNS, "prime_rl_code_7"),
    "intellect_3": MadeUp("intellect_code", INTELLECT_3, READS, READS_WRONG, INTELLECT_3_COLUMNS),
    "rstar": MadeUp("rstar_coder", RSTAR, READS, READS_WRONG, RSTAR_COLUMNS, "seed_7"),
    "rstar_function": MadeUp(
        "rstar_coder",
        {**RSTAR, "starter_code": STARTER, "func_name": "add", "class_name": "Solution"}
        | {"inputs": json.dumps(VERL_TEXT["inputs"]), "outputs": json.dumps(VERL_TEXT["outputs"])},
        METHOD,
        METHOD_WRONG,
        RSTAR_COLUMNS,
    ),
    "kodcode": MadeUp("kodcode", KODCODE, ADDS, ADDS_WRONG, KODCODE_COLUMNS, "Prefill_7_I"),
    "kodcode_streams": MadeUp(
        "kodcode",
        {**KODCODE, "test": json.dumps({"stdin": LISTS["inputs"], "stdout": LISTS["outputs"]}), "test_info": []},
        READS,
        READS_WRONG,
        KODCODE_COLUMNS,
    ),
    "bigcodebench": MadeUp("bigcodebench", BIGCODEBENCH, ADDS, ADDS_WRONG, BIGCODEBENCH_COLUMNS, "BigCodeBench/7"),
    "leetcode_dataset": MadeUp("leetcode_dataset", LEETCODE, METHOD, METHOD_WRONG, id="leetcode-add-two"),
    "acecode": MadeUp("acecode", ACECODE, ADDS, ADDS_WRONG, ACECODE_COLUMNS, "oss_7"),
    "acecode_v2": MadeUp(
        "acecode",
        {"id": "v2_7", "question": "Add two numbers.", "tests": ACECODE["test_cases"], "source": "evol"},
        ADDS,
        ADDS_WRONG,
        {"id": TEXT, "question": TEXT, "tests": TEXTS, "source": TEXT},
    ),
    "humaneval_plus": MadeUp(
        "humaneval", HUMANEVAL_PLUS, ADDS, ADDS_WRONG, dict.fromkeys(HUMANEVAL_PLUS, TEXT), "HumanEval/907"
    ),
    "mbpp_plus": MadeUp("mbpp", MBPP_PLUS, ADDS, ADDS_WRONG, MBPP_PLUS_COLUMNS, "mbpp-907"),
    "livecodebench_stdin": MadeUp("livecodebench", LIVECODEBENCH_V6, READS, READS_WRONG, id="atcoder-abc907_a"),
    "livecodebench_functional": MadeUp("livecodebench", LIVECODEBENCH_METHOD, METHOD, METHOD_WRONG, id="leetcode-907"),
    "eurus_2": MadeUp("verl", verl("taco", LISTS), READS, READS_WRONG, VERL_COLUMNS),
    "eurus_2_function": MadeUp("verl", verl("apps", CALLS), ADDS, ADDS_WRONG, VERL_COLUMNS),
    "verl_text": MadeUp("verl", verl("apps", VERL_TEXT), ADDS, ADDS_WRONG, VERL_COLUMNS),
    "skywork_or1_leetcode": MadeUp(
        "verl", verl("train-code-leetcode-Easy", SKYWORK), METHOD, METHOD_WRONG, VERL_COLUMNS
    ),
    "rstar_verl": MadeUp("verl", verl("rstar-coder", LISTS, "coding"), READS, READS_WRONG, VERL_COLUMNS),
    "guru_leetcode": MadeUp(
        "verl",
        verl(
            "codegen__leetcode2k", {"functional": CHECK + "\ncheck(Solution().add)"}, "codegen", prefix="import math\n"
        ),
        METHOD,
        METHOD_WRONG,
        VERL_COLUMNS,
    ),
}
"""Every set, by the name that docs/problem_files.md gives to it."""
OPEN_CODE_REASONING = {
    "id": "7",
    "input": "Add two numbers.",
    "output": "<think>…</think>",
    "source": "taco",
    "license": "cc-by-4.0",
    "dataset": "taco",
    "split": "train",
    "difficulty": "EASY",
    "solution": "print(1)",
}
