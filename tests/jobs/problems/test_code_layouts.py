"""Public code sets: each opens by its name, and the real checker tells a right program of it from a wrong one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import made_up_code_sets as made_up
import made_up_lean_sets
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobs.config import ConfigError, Problems
from jobs.problems import code_tests
from jobs.problems.errors import ProblemFileError
from jobs.problems.load import check_problems, stream_problems
from verifiers.code.checker import CodeChecker
from verifiers.types import Problem


@pytest.fixture(scope="module")
def checker() -> Iterator[CodeChecker]:
    checker = CodeChecker(num_workers=1)
    yield checker
    checker.close()


def opened(path: str, layout: str = "", **options) -> list[Problem]:
    """The problems of a file that is opened without any setting but `options`."""
    config = Problems(files=[path], **options)
    summary = check_problems(config)
    assert not layout or summary.sources[0].layout == layout
    return list(stream_problems(config, summary.skipped))


def judged(checker: CodeChecker, problem: Problem, *texts: str) -> list[str]:
    assert checker.check_problem(problem) is None
    return [str(checker.verify(problem, text).status) for text in texts]


@pytest.mark.parametrize("name", made_up.SETS)
def test_a_set_opens_and_its_programs_are_judged(checker: CodeChecker, tmp_path: Path, name: str) -> None:
    made = made_up.SETS[name]
    (problem,) = opened(made.write(tmp_path), made.layout)
    assert problem.kind == "code" and (not made.id or problem.id == made.id)
    assert "two numbers" in problem.prompt
    if made.needs_gcc and not shutil.which("g++"):
        pytest.skip("no g++ on this machine")
    assert judged(checker, problem, made.right, made.wrong) == ["verified", "refuted"]


@pytest.mark.parametrize("name", made_up.SETS)
def test_a_set_of_code_is_nothing_else(tmp_path: Path, name: str) -> None:
    made = made_up.SETS[name]
    with pytest.raises((ConfigError, ProblemFileError), match="kind"):
        opened(made.write(tmp_path), kind="lean")


def test_mathematics_beside_code_in_prime_intellects_sets(tmp_path: Path) -> None:
    made = made_up.SETS["synthetic_2"]
    sums = {"problem_id": "m", "task_type": "verifiable_math", "verification_info": json.dumps({"ground_truth": "5"})}
    other = {"problem_id": "o", "task_type": "unscramble_sentence", "verification_info": "{}"}
    path = made.write(tmp_path, changed=[{}, sums, other])
    with pytest.raises(ProblemFileError, match="task_type: is 'unscramble_sentence', a task that is not judged here"):
        opened(path)
    code, math = opened(path, skip_bad=True)
    assert (code.kind, math.kind, math.reference) == ("code", "math", {"answer": "5"})


def test_a_set_without_tests_says_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "split_0.jsonl"
    row = made_up.OPEN_CODE_REASONING
    path.write_text("".join(json.dumps({**row, "id": str(number)}) + "\n" for number in range(3)))
    with pytest.raises(ProblemFileError, match=r'no answer key.*problems\.unchecked = "accept"') as caught:
        opened(str(path))
    assert caught.value.num_faults == 3
    problems = opened(str(path), "opencodereasoning", unchecked="accept")
    assert [problem.id for problem in problems] == ["0", "1", "2"]
    path.write_text(json.dumps({**row, "input": "-", "index": "7"}) + "\n")
    with pytest.raises(ProblemFileError, match="left out by the publisher: it is in taco, train, 7"):
        opened(str(path), unchecked="accept")


NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8) | st.just("[{}]"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["inputs", "outputs", "input", "output", "fn_name", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*made_up.SETS.values(), *made_up_lean_sets.SETS.values()]), st.data())
def test_a_spoilt_field_is_a_fault_or_a_problem_never_another_error(tmp_path: Path, made: made_up.MadeUp, data) -> None:
    field = data.draw(st.sampled_from(sorted(made.row)))
    value = data.draw(NESTED)
    if data.draw(st.booleans()):
        value = json.dumps(value)
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(made.row) + "\n" + json.dumps({**made.row, field: value}) + "\n")
    try:
        check_problems(Problems(files=[str(path)]))
    except ProblemFileError as error:
        assert str(error)


# What is no evidence

NO_EVIDENCE = [
    ("apps", {"input_output": ""}, "input_output: no tests"),
    ("apps", {"input_output": json.dumps({"inputs": [], "outputs": []})}, "no tests"),
    ("apps", {"input_output": json.dumps({"inputs": ["1"], "outputs": [None]})}, "test 1: output: missing"),
    ("apps", {"input_output": json.dumps({"inputs": ["1", "2"], "outputs": ["1"]})}, "2 inputs, 1 outputs"),
    ("apps", {"input_output": json.dumps({"inputs": ["1"], "outputs": None})}, "nothing to check against"),
    ("apps", {"input_output": json.dumps({"inputs": ["1"], "outputs": [""]})}, "prints nothing would be right"),
    ("apps", {"input_output": json.dumps({"fn_name": "f", "inputs": [[1]], "outputs": [None]})}, "does nothing"),
    ("apps", {"input_output": json.dumps({"inputs": ["1 " * 150 + "..."], "outputs": ["1"]})}, "was cut off"),
    ("taco", {"input_output": json.dumps({"fn_name": "f", "inputs": [[1], 2], "outputs": [1, 2]})}, "not a list"),
    ("code_contests", {"public_tests": None, "private_tests": None}, "no tests"),
    ("code_contests", {"private_tests": {"input": ["1 2"], "output": []}}, "1 inputs, 0 outputs"),
    ("code_contests_plus", {"test_cases": []}, "test_cases: no tests"),
    ("code_contests_plus", {"checker": ""}, "checker: missing"),
    ("codeforces", {"official_tests_complete": False}, "official_tests_complete: not true: tests are missing"),
    ("codeforces", {"official_tests": []}, "no tests"),
    ("codeforces", {"executable": False}, "the publisher says"),
    ("deepcoder_primeintellect", {"tests": "[]"}, "no tests"),
    ("deepcoder_primeintellect", {"tests": "7"}, "a list of tests"),
    ("deepcoder_lcbv5", {"metadata": None}, "tests of type"),
    ("verifiable_coding", {"verification_info": {"language": "python", "test_cases": []}}, "no tests"),
    (
        "verifiable_coding",
        {"verification_info": {"language": "rust", "test_cases": made_up.CASES}},
        "language: is 'rust'",
    ),
    ("synthetic_1", {"verification_info": "{'language': open('x')}"}, "not JSON"),
    ("rstar", {"inputs": "[]", "outputs": "[]"}, "no tests"),
    ("kodcode", {"test": " "}, "test: empty"),
    ("acecode", {"test_cases": []}, "at least one"),
    ("leetcode_dataset", {"test": ""}, "test: missing"),
]
NOT_JUDGED = [
    ("apps", {"question": "See the figure.\n[Image]"}, "shows an image"),
    ("taco", {"picture_num": "2"}, "shows pictures"),
    ("code_contests", {"description": "Let <image> be the sum."}, "shows an image"),
    ("code_contests", {"description": "This is an interactive problem. Ask."}, "an interactive problem"),
    ("code_contests", {"input_file": "sum.in"}, "has to use files"),
    ("codeforces", {"interaction_format": "Ask `? x`."}, "an interactive problem"),
    ("codeforces", {"input_mode": "file"}, "has to use files"),
    ("leetcode_dataset", {"starter_code": "class Solution {\npublic:\n    int add(int a, int b) {"}, "is no Python"),
    ("deepcoder_lcbv5", {"starter_code": "function add(a, b) {"}, "is no Python"),
]


@pytest.mark.parametrize(("name", "change", "wrong"), NO_EVIDENCE + NOT_JUDGED)
def test_a_row_that_cannot_be_judged_is_refused_and_the_rest_is_kept(
    tmp_path: Path, name: str, change: dict[str, object], wrong: str
) -> None:
    made = made_up.SETS[name]
    with pytest.raises(ProblemFileError) as caught:
        opened(made.write(tmp_path, changed=[change]))
    assert wrong in str(caught.value) and caught.value.num_faults == 1
    identities = {"id": "kept", "name": "kept", "problem_id": 8 if name == "apps" else "kept", "question_id": "kept"}
    kept = {field: value for field, value in identities.items() if field in made.row and field != "question_id"}
    path = made.write(tmp_path, changed=[{**kept}, change])
    assert len(opened(path, skip_bad=True)) == 1


# Several right answers


@pytest.mark.parametrize(
    ("statement", "is_several"),
    [
        ("If there are multiple answers, print any of them.", True),
        ("You can print any of these.", True),
        ("Print any valid answer.", True),
        ("Output any such array.", True),
        ("If there are several solutions, any of them will be accepted.", True),
        ("You may return the answer in any order.", True),
        ("Print the numbers in arbitrary order.", True),
        ("Any correct answer is accepted.", True),
        ("If any of the sums is even, print YES.", False),
        ("Do not print any extra spaces.", False),
        ("Print any other line and you lose. Don't print any debug text.", False),
        ("If you cannot find any path, print -1.", False),
        ("If there are multiple answers, print the smallest.", False),
        ("The moves can be made in any order. Print their number.", False),
        ("Print the lexicographically smallest answer.", False),
    ],
)
def test_words_that_allow_several_answers(statement: str, is_several: bool) -> None:
    assert code_tests.several_answers(statement) is is_several


def test_another_answer_is_no_wrong_answer_where_there_is_no_checker(checker: CodeChecker, tmp_path: Path) -> None:
    """CodeContests has no checkers. By its outputs alone a right program would be refuted and taught as wrong."""
    group = {"input": ["3\n", "10\n"], "output": ["0 3\n", "0 10\n"]}
    change = {"description": made_up.SPLIT, "public_tests": group, "private_tests": None}
    (problem,) = opened(made_up.SETS["code_contests"].write(tmp_path, changed=[change]))
    assert problem.reference["several_answers"] is True
    same = "```python\nprint(0, input())\n```"
    crash = "```python\nprint(0 / 0)\n```"
    assert judged(checker, problem, same, made_up.SPLITS, crash) == ["verified", "undecided", "refuted"]
    strict = Problem(problem.id, problem.kind, "", {**problem.reference, "several_answers": False})
    assert judged(checker, strict, made_up.SPLITS) == ["refuted"]
    both = Problem(
        "b", "code", "", {**problem.reference, "checker": {"language": "python", "source": "1", "protocol": "score"}}
    )
    assert "the checker decides" in str(checker.check_problem(both))


def test_functions_with_several_answers(checker: CodeChecker, tmp_path: Path) -> None:
    row = made_up.SETS["deepcoder_lcbv5"]
    change = {"problem": "Find two numbers with sum n. You may return the answer in any order."}
    tests = [{"input": "3", "output": "[0, 3]", "testtype": "functional"}]
    (problem,) = opened(row.write(tmp_path, changed=[{**change, "tests": json.dumps(tests)}]))
    text = "```python\nclass Solution:\n    def add(self, n):\n        return {}\n```"
    assert judged(checker, problem, text.format("[0, n]"), text.format("[n, 0]")) == ["verified", "undecided"]


def test_a_codeforces_problem_without_a_checker_is_judged_by_its_outputs(checker: CodeChecker, tmp_path: Path) -> None:
    row = made_up.SETS["codeforces"]
    one = {"description": "Add 1.", "generated_checker": None, "official_tests": [{"input": "1\n", "output": "2\n"}]}
    (problem,) = opened(row.write(tmp_path, changed=[one]))
    assert "checker" not in problem.reference and "several_answers" not in problem.reference
    assert judged(checker, problem, "```python\nprint(2)\n```", "```python\nprint(3)\n```") == ["verified", "refuted"]


def test_a_checker_in_python(checker: CodeChecker, tmp_path: Path) -> None:
    """One that ends with the status of testlib: the language is told by the source."""
    source = "import sys\n\ngiven, output, answer = (open(p).read() for p in sys.argv[1:])\n" + (
        "sys.exit(0 if sum(map(int, output.split())) == int(given) else 1)\n"
    )
    (problem,) = opened(made_up.SETS["code_contests_plus"].write(tmp_path, changed=[{"checker": source}]))
    assert problem.reference["checker"]["language"] == "python"
    assert judged(checker, problem, made_up.SPLITS, made_up.SPLITS_WRONG) == ["verified", "refuted"]


# Shapes of tests


def test_dicts_get_back_the_numbers_that_json_has_made_text(checker: CodeChecker) -> None:
    tests = {"fn_name": "flip", "inputs": [[{"1": 2}], [{"3": 4}]], "outputs": [[{"2": 1}], [{"4": 3}]]}
    reference = code_tests.inputs_outputs(tests, "input_output")
    problem = Problem("d", "code", "Flip.", reference)
    right = "```python\ndef flip(d):\n    return {value: key for key, value in d.items()}\n```"
    assert judged(checker, problem, right, right.replace("value: key", "key: value")) == ["verified", "refuted"]


def test_livecodebenchs_lists_of_one_are_no_wrapping(checker: CodeChecker, tmp_path: Path) -> None:
    tests = [
        {"input": "3", "output": "[3]", "testtype": "functional"},
        {"input": "4", "output": "[4]", "testtype": "functional"},
    ]
    (problem,) = opened(made_up.SETS["deepcoder_lcbv5"].write(tmp_path, changed=[{"tests": json.dumps(tests)}]))
    text = "```python\nclass Solution:\n    def add(self, n):\n        return {}\n```"
    assert judged(checker, problem, text.format("[n]"), text.format("n")) == ["verified", "refuted"]


@pytest.mark.parametrize(
    ("given", "wanted", "arguments"),
    [
        (["1\n2"], ["3"], [1, 2]),
        (["[1, 2]"], ["3"], [[1, 2]]),
        (["[1, 2]"], ["[3]"], [1, 2]),
        (['"a b"\n[1]'], ["[3]"], ["a b", [1]]),
    ],
)
def test_arguments_that_are_text(given: list[str], wanted: list[str], arguments: list[object]) -> None:
    """Where nothing says which of the two ways of writing it is, outputs that are wrapped tell."""
    pairs = list(zip(given, wanted, strict=True))
    reference = code_tests.function_reference("f", pairs, "tests")
    assert reference["tests"][0]["input"] == arguments
