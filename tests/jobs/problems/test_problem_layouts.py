"""Foreign layouts: each publisher's shape is recognised by its first row and read into the canonical problem."""

from __future__ import annotations

import base64
import csv
import json
import pickle
import zlib

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.config import ConfigError, Problems
from jobs.problems.errors import ProblemFileError
from jobs.problems.exam_layouts import last_boxed
from jobs.problems.load import check_problems, stream_problems
from verifiers.checker import Checkers
from verifiers.types import Problem


def read(path, **options) -> list[Problem]:
    """The problems of one file, checked and streamed."""
    config = Problems(files=[str(path)], **options)
    summary = check_problems(config)
    found = list(stream_problems(config))
    assert summary.num_problems == len(found)
    return found


def read_rows(tmp_path, *rows, **options) -> list[Problem]:
    path = tmp_path / "set.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read(path, **options)


def fault(tmp_path, *rows, **options) -> str:
    with pytest.raises(ProblemFileError) as caught:
        read_rows(tmp_path, *rows, **options)
    return str(caught.value)


# MATH and its kin


def test_math_with_a_boxed_solution_one_json_file_a_problem(tmp_path):
    for name in ("1", "2"):
        row = {
            "problem": "Find $x$.",
            "level": "Level 3",
            "type": "Algebra",
            "solution": f"So $x = \\boxed{{\\frac{{{name}}}{{2}}}}$.",
        }
        (tmp_path / f"{name}.json").write_text(json.dumps(row, indent=2))
    first, second = read(tmp_path / "*.json")
    assert (first.id, second.id) == ("1-00001", "2-00001")
    assert first.reference == {"answer": "\\frac{1}{2}"}
    assert first.domain == "Algebra"
    assert first.meta == {"level": "Level 3"}


def test_math_500(tmp_path):
    row = {
        "problem": "p",
        "solution": "…",
        "answer": "(3, \\pi)",
        "subject": "Precalculus",
        "level": 2,
        "unique_id": "test/807",
    }
    (problem,) = read_rows(tmp_path, row)
    assert (problem.id, problem.reference, problem.domain) == ("test/807", {"answer": "(3, \\pi)"}, "Precalculus")


def test_math_arena_numbers(tmp_path):
    (problem,) = read_rows(tmp_path, {"problem_idx": 4, "problem": "p", "answer": 70})
    assert (problem.id, problem.reference) == ("set-4", {"answer": "70"})


def test_imo_answer_bench_csv(tmp_path):
    path = tmp_path / "answers.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["Problem ID", "Problem", "Short Answer", "Category", "Subcategory", "Source"])
        writer.writerow(
            ["imo-bench-algebra-001", 'Find, for "each"\nn, f(n).', "$f(n)=n$", "Algebra", "Functional", "x"]
        )
    (problem,) = read(path)
    assert problem.id == "imo-bench-algebra-001"
    assert problem.prompt == 'Find, for "each"\nn, f(n).'
    assert problem.reference == {"answer": "$f(n)=n$"}


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("\\boxed{1} no, \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{\\{1, 2\\}}", "\\{1, 2\\}"),
        ("\\boxed 5$.", "5"),
        ("\\boxed{1", None),
        ("\\boxed{}", None),
        ("no box", None),
    ],
)
def test_last_boxed(text, answer):
    assert last_boxed(text) == answer


def test_math_without_answer_is_a_fault(tmp_path):
    rows = [{"problem": "p", "solution": "\\boxed{1}"}, {"problem": "p", "solution": "It is 1."}]
    assert "set.jsonl:2: solution: no \\boxed{…}" in fault(tmp_path, *rows)


def test_gsm8k_row_without_answer_is_a_fault(tmp_path):
    rows = [{"question": "q", "answer": "#### 1"}, {"question": "q", "answer": "It is 1."}]
    assert "set.jsonl:2: answer: no `#### answer`" in fault(tmp_path, *rows)


# Code

HUMANEVAL = {
    "task_id": "HumanEval/900",
    "prompt": 'def twice(x: int) -> int:\n    """Double x."""\n',
    "entry_point": "twice",
    "canonical_solution": "    return 2 * x\n",
    "test": "def check(candidate):\n    assert candidate(2) == 4\n",
}
MBPP = {
    "task_id": 901,
    "text": "Write a function to double a number.",
    "code": "def twice(x):\n    return 2 * x",
    "test_list": ["assert twice(2) == 4", "assert twice(0) == 0"],
    "test_setup_code": "",
    "challenge_test_list": [],
}
LIVECODEBENCH = {
    "question_title": "Sum",
    "question_content": "Print the sum of two integers.",
    "platform": "atcoder",
    "question_id": "abc900_a",
    "contest_id": "abc900",
    "contest_date": "2024-01-01T00:00:00",
    "starter_code": "",
    "difficulty": "easy",
    "public_test_cases": json.dumps([{"input": "1 2\n", "output": "3\n", "testtype": "stdin"}]),
    "private_test_cases": json.dumps([{"input": "5 6\n", "output": "11\n", "testtype": "stdin"}]),
    "metadata": "{}",
}


def packed(value: object, protocol: int = 4) -> str:
    """Private tests as LiveCodeBench publishes them."""
    return base64.b64encode(zlib.compress(pickle.dumps(value, protocol))).decode()


def test_humaneval(tmp_path):
    (problem,) = read_rows(tmp_path, HUMANEVAL)
    assert (problem.id, problem.kind) == ("HumanEval/900", "code")
    assert problem.reference == {
        "mode": "assert",
        "entry_point": "twice",
        "prompt": HUMANEVAL["prompt"],
        "test": HUMANEVAL["test"],
    }
    assert "Double x" in problem.prompt
    assert "return 2" not in problem.prompt


def test_mbpp(tmp_path):
    (problem,) = read_rows(tmp_path, MBPP)
    assert problem.id == "mbpp-901"
    assert problem.reference == {"mode": "assert", "test_list": MBPP["test_list"]}
    assert "assert twice(2) == 4" in problem.prompt
    sanitised = {**MBPP, "prompt": MBPP["text"], "test_imports": ["import math"]}
    del sanitised["text"]
    (problem,) = read_rows(tmp_path, sanitised)
    assert problem.reference["test_setup"] == "import math"


MBPP_PLUS = {
    "task_id": 2,
    "prompt": "Write a function to add two numbers.",
    "code": "def add(a, b): return a + b",
    "test_imports": ["import math"],
    "test_list": ["assert add(1, 2) == 3"],
    "test": (
        "import numpy as np\n\n\ndef assertion(out, exp, atol):\n    assert out == exp\n\n\n"
        "inputs = [[1, 2], [5, 6], [-1, 1]]\nresults = [3, 11, 0]\n"
        "for i, (inp, exp) in enumerate(zip(inputs, results)):\n    assertion(add(*inp), exp, 0)\n"
    ),
}


def test_mbpp_plus_is_judged_by_its_own_tests(tmp_path):
    """lm-evaluation-harness 4212: by `test_list` alone, a function that returns 3 was right."""
    (problem,) = read_rows(tmp_path, MBPP_PLUS)
    assert problem.reference == {"mode": "assert", "test": MBPP_PLUS["test"], "test_setup": "import math"}
    assert "assert add(1, 2) == 3" in problem.prompt and "inputs" not in problem.prompt
    checkers = Checkers()
    try:
        assert checkers.check_problem(problem) is None
        right = checkers.verify(problem, "```python\ndef add(a, b):\n    return a + b\n```")
        wrong = checkers.verify(problem, "```python\ndef add(a, b):\n    return 3\n```")
    finally:
        checkers.close()
    assert (right.status, wrong.status) == ("verified", "refuted"), (right.reason, wrong.reason)


@pytest.mark.parametrize("answer", ["proof", "notfound", "Proof.", r"\text{proof}", "not found", "$\\text{notfound}$"])
def test_a_word_in_the_place_of_an_answer_is_refused(tmp_path, answer):
    with pytest.raises(ProblemFileError, match="is no answer"):
        read_rows(tmp_path, {"problem": "Prove it.", "answer": answer, "question_type": "proof"})
    (problem,) = read_rows(tmp_path, {"problem": "What?", "answer": "proofs: 5"})
    assert problem.reference == {"answer": "proofs: 5"}


NUMINA_LEAN = {
    "uuid": "u-1",
    "problem": "Show that zero plus a is a.",
    "answer": "proof",
    "question_type": "proof",
    "formal_statement": (
        "import Mathlib\nopen Nat\n\n/- the theorem x : False -/\ndef two := 2\n\n"
        "/-- zero -/\ntheorem zero_plus (a : Nat) : 0 + a = a := by\n  sorry"
    ),
}


NUMINA = {"problem": "What is 2+3?", "solution": "It is $\\boxed{5}$.", "answer": "5"}


@pytest.mark.parametrize("flag", ["problem_is_valid", "solution_is_valid"])
def test_a_row_that_numinamath_flags_is_a_bad_row(tmp_path, flag):
    for word in ("No", "Incomplete", "Problem not solved", False):
        with pytest.raises(ProblemFileError, match=f"{flag}: .*{word}.*the publisher says"):
            read_rows(tmp_path, {**NUMINA, "problem_is_valid": "Yes", "solution_is_valid": "Yes", flag: word})
    for word in ("Yes", "", None, True):
        (problem,) = read_rows(tmp_path, {**NUMINA, flag: word})
        assert problem.reference["answer"] == "5"


def test_numinamath_lean_keeps_its_statement(tmp_path):
    (problem,) = read_rows(tmp_path, NUMINA_LEAN)
    assert (problem.id, problem.kind) == ("u-1", "lean")
    assert problem.reference["name"] == "zero_plus"
    assert problem.reference["statement"] == "theorem zero_plus (a : Nat) : 0 + a = a"
    assert (
        problem.reference["header"].startswith("import Mathlib\nopen Nat")
        and "def two := 2" in problem.reference["header"]
    )
    assert "Show that" in problem.prompt and "sorry" in problem.prompt


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("theorem t : True := by trivial", "does not end in sorry"),
        ("abbrev answer : Nat := sorry\ntheorem t : answer = 2 := by sorry", "second sorry"),
    ],
)
def test_lean_files_that_state_nothing_to_prove(tmp_path, statement, wrong):
    with pytest.raises(ProblemFileError, match=wrong):
        read_rows(tmp_path, {**NUMINA_LEAN, "formal_statement": statement})


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (MBPP, "math"),
        (HUMANEVAL, "lean"),
        (LIVECODEBENCH, "choice"),
        ({"problem": "2+2?", "answer": "4"}, "lean"),
        ({"question": "2+2?", "answer": "#### 4"}, "code"),
        (NUMINA_LEAN, "math"),
    ],
)
def test_a_kind_that_a_layout_can_not_give_is_an_error(tmp_path, row, kind):
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(ConfigError, match=f"problems.kind: .*not {kind}"):
        check_problems(Problems(files=[str(path)], kind=kind))


def test_a_canonical_row_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "set.jsonl"
    row = {"id": "m", "kind": "math", "prompt": "?", "reference": {"answer": "5"}}
    path.write_text(json.dumps(row) + "\n")
    assert check_problems(Problems(files=[str(path)], kind="math")).num_problems == 1
    with pytest.raises(ProblemFileError, match=r"kind: is math, but problems.kind is code"):
        check_problems(Problems(files=[str(path)], kind="code"))


@pytest.mark.parametrize("pack", [False, True])
def test_livecodebench_stdin(tmp_path, pack):
    private = LIVECODEBENCH["private_test_cases"]
    row = {**LIVECODEBENCH, "private_test_cases": packed(private) if pack else private}
    (problem,) = read_rows(tmp_path, row)
    assert problem.id == "atcoder-abc900_a"
    assert problem.reference == {
        "mode": "stdin",
        "tests": [{"input": "1 2\n", "output": "3\n"}, {"input": "5 6\n", "output": "11\n"}],
        "prelude": "livecodebench",
        "time_limit_s": 6,
    }


def test_livecodebench_functional(tmp_path):
    tests = [{"input": '[1, 2]\n"ab"', "output": "[3]", "testtype": "functional"}]
    row = {
        **LIVECODEBENCH,
        "starter_code": "class Solution:\n    def f(self, a: List[int], s: str) -> List[int]:\n        ",
        "metadata": '{"func_name": "f"}',
        "public_test_cases": json.dumps(tests),
        "private_test_cases": packed(json.dumps(tests)),
    }
    (problem,) = read_rows(tmp_path, row)
    test = {"input": [[1, 2], "ab"], "output": [3]}
    assert problem.reference == {
        "mode": "function",
        "entry_point": "Solution.f",
        "compare": "json",
        "tests": [test, test],
        "prelude": "livecodebench",
        "time_limit_s": 6,
    }
    assert "class Solution" in problem.prompt
    assert "no func_name" in fault(tmp_path, {**row, "metadata": "{}"})


class Attack:
    """Unpickled without care, it makes a file."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("protocol", [0, 2, 5])
def test_hostile_pickle_is_refused_and_runs_nothing(tmp_path, protocol):
    mark = tmp_path / "touched"
    hostile = pickle.dumps(Attack(mark), protocol)
    pickle.loads(hostile).close()
    assert mark.exists(), "the attack works without the guard"
    mark.unlink()
    row = {**LIVECODEBENCH, "private_test_cases": base64.b64encode(zlib.compress(hostile)).decode()}
    assert "private_test_cases: a pickle that is not plain text" in fault(tmp_path, row)
    assert not mark.exists()


def test_zlib_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("jobs.problems.code_layouts.MAX_TESTS_BYTES", 1 << 20)
    bomb = base64.b64encode(zlib.compress(bytes(8 << 20))).decode()
    assert "unpacks to more than 1 MiB" in fault(tmp_path, {**LIVECODEBENCH, "private_test_cases": bomb})


def test_private_tests_that_are_neither(tmp_path):
    assert "private_test_cases: neither JSON" in fault(tmp_path, {**LIVECODEBENCH, "private_test_cases": "%%%"})


# Multiple choice and Lean


def test_gpqa_csv_right_answers_are_spread_over_the_letters(tmp_path):
    path = tmp_path / "gpqa.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            [
                "Question",
                "Correct Answer",
                "Incorrect Answer 1",
                "Incorrect Answer 2",
                "Incorrect Answer 3",
                "Record ID",
                "Subdomain",
            ]
        )
        for i in range(40):
            writer.writerow(
                [f"Question {i}?", f"right {i}", f"wrong {i}", f"wronger {i}", f"wrongest {i}", f"rec{i}", "Optics"]
            )
    problems = read(path)
    for i, problem in enumerate(problems):
        index = "ABCD".index(problem.reference["answer"])
        assert problem.reference["options"][index] == f"right {i}"
        assert sorted(problem.reference["options"]) == sorted(
            [f"right {i}", f"wrong {i}", f"wronger {i}", f"wrongest {i}"]
        )
    assert {problem.reference["answer"] for problem in problems} == set("ABCD")
    assert problems == read(path)


@pytest.mark.parametrize("tail", [" := by\n", " := by sorry", " :=\n", " := sorry", ""])
def test_minif2f(tmp_path, tail):
    row = {
        "name": "add_swap",
        "split": "valid",
        "informal_prefix": "/-- Show that $a+b=b+a$.-/\n",
        "formal_statement": f"theorem add_swap (a b : Nat)\n  (f : Nat → Nat := id) : a + b = b + a{tail}",
        "goal": "…",
        "header": "import Mathlib\n\nopen Nat\n\n",
    }
    (problem,) = read_rows(tmp_path, row)
    assert problem.reference == {
        "header": "import Mathlib\n\nopen Nat",
        "name": "add_swap",
        "statement": "theorem add_swap (a b : Nat)\n  (f : Nat → Nat := id) : a + b = b + a",
    }
    assert (problem.id, problem.split) == ("add_swap", "valid")
    assert "a + b = b + a := by\n  sorry" in problem.prompt
    assert "Show that $a+b=b+a$." in problem.prompt


def test_proofnet_name_with_its_book(tmp_path):
    row = {"name": "Artin|exercise_2", "formal_statement": "theorem exercise_2 : 1 = 1 :=", "header": ""}
    (problem,) = read_rows(tmp_path, row)
    assert (problem.id, problem.reference["name"]) == ("Artin|exercise_2", "exercise_2")
    assert "is not what the statement declares" in fault(tmp_path, {**row, "name": "other"})


# Training files

VERL = {
    "data_source": "own",
    "prompt": [{"role": "user", "content": "What is 2 + 2?"}],
    "ability": "math",
    "reward_model": {"style": "rule", "ground_truth": "4"},
    "extra_info": {"index": 7, "split": "train"},
}


def verl(tmp_path, *rows, **options) -> list[Problem]:
    path = tmp_path / "set.parquet"
    pa.parquet.write_table(pa.Table.from_pylist(list(rows)), path)
    return read(path, **options)


def test_verl_math(tmp_path):
    (problem,) = verl(tmp_path, VERL)
    assert (problem.id, problem.kind, problem.reference) == ("set-00001", "math", {"answer": "4"})
    assert (problem.source, problem.split, problem.meta) == ("own", "train", {"index": 7})
    (problem,) = verl(tmp_path, {**VERL, "reward_model": {"style": "rule", "ground_truth": 4}})
    assert problem.reference == {"answer": "4"}


def test_verl_system_message_is_kept_and_a_longer_chat_refused(tmp_path):
    system = {"role": "system", "content": "Be brief."}
    (problem,) = verl(tmp_path, {**VERL, "prompt": [system, *VERL["prompt"]]})
    assert (problem.prompt, problem.meta["system"]) == ("What is 2 + 2?", "Be brief.")
    chat = [*VERL["prompt"], {"role": "assistant", "content": "5"}, {"role": "user", "content": "Sure?"}]
    with pytest.raises(ProblemFileError, match=r"set.parquet:1: prompt\[1\]: .*then one user message"):
        verl(tmp_path, {**VERL, "prompt": chat})


@pytest.mark.parametrize("prompt", ["What is 2 + 2?", "[1, 2] has which sum?", '[{"role": "user", "content": "2?"}]'])
def test_verl_prompt_as_text(tmp_path, prompt):
    """DAPO-Math-17k-Processed has the question itself, where verl has a chat; others have the chat as JSON text."""
    (problem,) = verl(tmp_path, {**VERL, "prompt": prompt})
    assert problem.prompt == ("2?" if "role" in prompt else prompt)


def test_verl_code(tmp_path):
    truth = {"inputs": ["1 2"], "outputs": ["3"]}
    code = {**VERL, "ability": "code", "reward_model": {"style": "rule", "ground_truth": json.dumps(truth)}}
    (problem,) = verl(tmp_path, code)
    assert problem.reference == {"mode": "stdin", "tests": [{"input": "1 2", "output": "3"}]}
    truth = {"inputs": [[1, 2]], "outputs": [3], "fn_name": "add"}
    code["reward_model"] = {"style": "rule", "ground_truth": json.dumps(truth)}
    (problem,) = verl(tmp_path, code)
    assert problem.reference["entry_point"] == "add"
    assert problem.reference["tests"] == [{"input": [1, 2], "output": 3}]
    assert "wrapped_outputs" not in problem.reference


def test_outputs_in_lists_of_their_own(tmp_path):
    """APPS, TACO and PRIME write `[[true]]`; APPS also writes a text as the list of its lines."""
    truth = {"inputs": [["foefet", "toffee"]], "outputs": [[True]], "fn_name": "is_anagram"}
    code = {**VERL, "ability": "code", "reward_model": {"style": "rule", "ground_truth": json.dumps(truth)}}
    (problem,) = verl(tmp_path, code)
    assert problem.reference["wrapped_outputs"] is True
    assert problem.reference["tests"] == [{"input": ["foefet", "toffee"], "output": [True]}]
    truth = {"inputs": [["2", "1 2"]], "outputs": [["3", ""]]}
    code["reward_model"] = {"style": "rule", "ground_truth": json.dumps(truth)}
    (problem,) = verl(tmp_path, code)
    assert problem.reference["tests"] == [{"input": "2\n1 2", "output": "3\n"}]


def test_verl_ability_that_tells_nothing(tmp_path):
    row = {**VERL, "ability": "agent"}
    with pytest.raises(ProblemFileError, match=r"ability: 'agent' does not tell the kind; set problems.kind"):
        verl(tmp_path, row)
    assert verl(tmp_path, row, kind="math")[0].reference == {"answer": "4"}


def batch(body: dict) -> dict:
    return {"custom_id": "r-1", "method": "POST", "url": "/v1/chat/completions", "body": body}


def test_openai_batch(tmp_path):
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": [{"type": "text", "text": "2 + 2?"}]}]
    own = {"messages": messages, "proofmill": {"kind": "math", "reference": {"answer": "4"}, "domain": "sums"}}
    (problem,) = read_rows(tmp_path, batch(own))
    assert (problem.id, problem.prompt, problem.reference) == ("r-1", "2 + 2?", {"answer": "4"})
    assert (problem.domain, problem.meta) == ("sums", {"system": "s"})
    by_metadata = {
        "messages": messages,
        "metadata": {"kind": "choice", "reference": '{"options": ["a", "b"], "answer": "B"}'},
    }
    assert read_rows(tmp_path, batch(by_metadata))[0].kind == "choice"
    simple = {"messages": messages, "metadata": {"kind": "math", "answer": "4"}}
    assert read_rows(tmp_path, batch(simple))[0].reference == {"answer": "4"}


def test_openai_batch_without_anything_to_check(tmp_path):
    text = fault(tmp_path, batch({"messages": [{"role": "user", "content": "hi"}]}))
    assert "body.metadata: says nothing to check the answer against" in text


COLUMNS = {"prompt": "q", "reference.answer": "out.final", "domain": "area", "meta.level": "level", "id": "uid"}


def test_columns(tmp_path):
    row = {"q": "2 + 2?", "out": {"final": 4}, "area": "sums", "level": "easy", "uid": 12, "unused": [1]}
    (problem,) = verl(tmp_path, row, layout="columns", columns=COLUMNS, kind="math")
    assert problem == Problem("12", problem.kind, "2 + 2?", {"answer": "4"}, "sums", "set", "", {"level": "easy"})


def test_columns_faults(tmp_path):
    row = {"q": "2 + 2?", "out": {"final": 4}, "area": "a", "level": "b", "uid": 1}
    options = {"layout": "columns", "columns": COLUMNS}
    assert "kind: missing; one of math" in fault(tmp_path, row, **options)
    assert "level: no such column; " in fault(
        tmp_path, {"q": "x", "out": {"final": 4}, "area": "", "uid": 1}, kind="math", **options
    )
    for columns, expected in (
        ({"prompt": "q"}, "no column for the reference"),
        ({"reference.answer": "a"}, "no column for prompt"),
        ({"promt": "q"}, "promt: unknown field"),
    ):
        with pytest.raises(ConfigError, match=expected):
            read_rows(tmp_path, row, layout="columns", columns=columns)
    with pytest.raises(ConfigError, match="only used by layout"):
        read_rows(tmp_path, row, columns=COLUMNS)


# Anything at all


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["answer", "role", "content", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
EXAMPLES = [
    HUMANEVAL,
    MBPP,
    LIVECODEBENCH,
    VERL,
    batch({"messages": [{"role": "user", "content": "x"}], "metadata": {}}),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(EXAMPLES), st.data())
def test_a_spoilt_field_is_a_fault_or_a_problem_never_another_error(tmp_path, row, data):
    name = data.draw(st.sampled_from(sorted(row)))
    spoilt = {**row, name: data.draw(json_values)}
    try:
        read_rows(tmp_path, row, spoilt)
    except ProblemFileError as error:
        assert str(error)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from(["jsonl", "jsonl.gz", "json", "csv", "parquet"]))
def test_any_bytes_are_a_fault_never_another_error(tmp_path, content, suffix):
    path = tmp_path / f"set.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ProblemFileError):
        read(path)
