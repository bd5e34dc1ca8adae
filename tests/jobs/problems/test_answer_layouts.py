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
from made_up_answer_sets import CHAT, MEDMCQA, PRIME, SETS, Set

from jobs.config import ConfigError, Problems
from jobs.problems.errors import ProblemFileError
from jobs.problems.load import check_problems, stream_problems
from verifiers.checker import Checkers
from verifiers.kinds import KINDS
from verifiers.types import Problem


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
        ("mmlu", {"choices": []}, "a list of 2 to 26 options"),
        ("mmlu", {"choices": ["4"], "answer": 1}, "a list of 2 to 26 options"),
        ("medmcqa", {"cop": 4}, "this file counts from 1"),
        ("medmcqa", {"cop": -1}, "no answer key"),
        ("medqa", {"answer": "4"}, "is option A, but the letter is C"),
        ("arc", {"answerKey": "3"}, "one of A, B, C, D"),
        ("ceval", {"answer": ""}, "no answer key"),
        ("webinstruct_choice", {"question": PRIME}, "lists no options"),
        ("verl_own_choice", {"prompt": CHAT}, "lists no options"),
        ("rlvr", {"dataset": "ifeval"}, "a verifier that is not here"),
        ("rlvr_lists", {"dataset": ["math", "ifeval"], "ground_truth": ["5", "{}"]}, "dataset: 2 verifiers"),
        ("rlvr_lists", {"dataset": ["gsm8k", "math"], "ground_truth": ["5", "7"]}, "dataset: 2 verifiers"),
        ("rlvr_lists", {"dataset": ["math", "math"], "ground_truth": ["5", "5"]}, "dataset: 2 verifiers"),
        ("rlvr", {"dataset": "math, ifeval"}, "a verifier that is not here"),
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


SEVERAL = {
    "aime_opencompass": "answer",
    "deepmath": "final_answer",
    "webinstruct": "answer",
    "intellect_3": "answer",
    "rlvr": "ground_truth",
    "rlvr_lists": "ground_truth",
    "trl": "solution",
    "slime": "label",
    "nemo_gym": "expected_answer",
    "openrlhf": "answer",
    "nemo_rl": "output",
}


@pytest.mark.parametrize(("name", "column"), SEVERAL.items())
@pytest.mark.parametrize("given", [["1", "-1"], '["1", "-1"]', [["1", "-1"]]])
def test_several_answers_of_a_plain_layout_are_refused(tmp_path, name, column, given):
    """All roots of x^2 = 1: taken as answers of which any is right, 1 alone would be verified."""
    row = {**SETS[name].row, column: given}
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps(row) + "\n")
    with pytest.raises(ProblemFileError, match=rf"{column}: 2 answers.*reference.answers.*reference.all"):
        check_problems(Problems(files=[str(path)]))


def test_several_answers_inside_a_column_are_refused_too(tmp_path):
    turns = [SETS["orz"].row[0], {"from": "assistant", "ground_truth": {"value": ["1", "-1"]}}]
    spec = {"method": "rule", "ground_truth": ["1", "-1"]}
    for one in (
        dataclasses.replace(SETS["orz"], row=turns),
        dataclasses.replace(SETS["skyrl"], row={**SETS["skyrl"].row, "reward_spec": spec}),
    ):
        with pytest.raises(ProblemFileError, match="2 answers"):
            read(tmp_path, one)


@pytest.mark.parametrize(
    ("names", "truth", "tests"),
    [
        ("code", ["assert f(1) == 1"], ["assert f(1) == 1"]),
        ("code", ["assert f(1) == 1", "assert f(2) == 2"], ["assert f(1) == 1", "assert f(2) == 2"]),
        ("code", '["assert f(1) == 1"]', ["assert f(1) == 1"]),
        (["code"], ['["assert f(1) == 1"]'], ["assert f(1) == 1"]),
        (["code"], [["assert f(1) == 1"]], ["assert f(1) == 1"]),
        ("code_stdio", [{"input": "1", "output": "1"}], [{"input": "1", "output": "1"}]),
        (["code_stdio"], ['[{"input": "1", "output": "1"}]'], [{"input": "1", "output": "1"}]),
    ],
)
def test_the_tests_of_a_row_of_one_verifier(tmp_path, names, truth, tests):
    path = tmp_path / "set.jsonl"
    path.write_text(json.dumps({"messages": CHAT, "ground_truth": truth, "dataset": names}) + "\n")
    (problem,) = stream_problems(Problems(files=[str(path)]))
    assert problem.reference.get("test_list", problem.reference.get("tests")) == tests
