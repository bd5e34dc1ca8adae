"""`proofmill verify`: nothing is lost, and both files are checked before work begins."""

import json

import pytest
from made_up_runs import sample, write_run

from jobs.cli import main

PROBLEMS = [
    {"id": "m1", "kind": "math", "prompt": "2+3?", "reference": {"answer": "5"}},
    {"id": "q1", "kind": "choice", "prompt": "?", "reference": {"options": ["a1", "b1", "c1"], "answer": "C"}},
]
BAD_PROBLEMS = [
    {"id": "m2", "kind": "math", "prompt": "?", "reference": {"answer": "\\frac{1"}},
    {"id": "m3", "kind": "math", "prompt": "?", "reference": {}},
]
HALF = '{"problem_id": "m1", "text": "\\ud83d is half"}'
SOLUTIONS = [
    {"problem_id": "m1", "text": r"\boxed{5}"},
    {"problem_id": "m2", "text": r"\boxed{5}"},
    {"problem_id": "m3", "text": r"\boxed{5}"},
    {"problem_id": "none", "text": r"\boxed{5}"},
    {"problem_id": "m1"},
    {"problem_id": "q1", "text": "Answer: C"},
    {"problem_id": "q1", "text": "Answer: C", "finish_reason": "length"},
    {"problem_id": "m1", "text": r"<think>\boxed{5}", "finish_reason": "stop"},
    {"problem_id": "m1", "text": r"\boxed{5}", "finish_reason": "odd"},
]


def write(path, rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return str(path)


def verify(tmp_path, *arguments):
    out = tmp_path / "verdicts.jsonl"
    code = main(["verify", "--out", str(out), "--workers", "1", *arguments])
    return code, [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else None


@pytest.fixture
def files(tmp_path):
    problems = write(tmp_path / "problems.jsonl", [*PROBLEMS, *BAD_PROBLEMS])
    solutions = write(tmp_path / "solutions.jsonl", [*SOLUTIONS, HALF, "not JSON"])
    return ["--problems", problems, "--solutions", solutions]


def test_every_bad_line_is_listed_before_any_work(tmp_path, files, capsys):
    code, lines = verify(tmp_path, *files)
    assert code == 2 and lines is None
    error = capsys.readouterr().err
    for place in ("problems.jsonl:3", "problems.jsonl:4", *(f"solutions.jsonl:{n}" for n in (4, 5, 10, 11))):
        assert f"{place}:" in error, place
    for place in ("problems.jsonl:1:", "solutions.jsonl:1:", "solutions.jsonl:2:", "solutions.jsonl:6:"):
        assert place not in error


def test_more_bad_lines_than_a_screen_are_listed(tmp_path, capsys):
    problems = write(tmp_path / "problems.jsonl", PROBLEMS)
    solutions = write(tmp_path / "solutions.jsonl", [{"problem_id": f"x{n}", "text": ""} for n in range(300)])
    assert verify(tmp_path, "--problems", problems, "--solutions", solutions) == (2, None)
    assert capsys.readouterr().err.count("solutions.jsonl:") == 300


def test_skip_bad_gives_one_line_per_solution_in_order(tmp_path, files):
    code, lines = verify(tmp_path, *files, "--skip-bad")
    assert code == 3
    assert [(line["problem_id"], line["status"]) for line in lines] == [
        ("m1", "verified"),
        ("m2", "error"),
        ("m3", "error"),
        ("none", "error"),
        ("m1", "error"),
        ("q1", "verified"),
        ("q1", "malformed"),
        ("m1", "malformed"),
        ("m1", "verified"),
        ("m1", "error"),
        (None, "error"),
    ]
    assert [line["reason"].split(":")[0] for line in lines if line["status"] == "error"] == [
        *("bad problem", "bad problem", "bad solution", "bad solution", "bad solution", "bad solution")
    ]
    assert "'odd'" in lines[8]["reason"]
    assert all(line["checker"] and "limits" in line for line in lines)


def test_a_file_that_is_not_there_is_an_error_even_so(tmp_path, files, capsys):
    assert verify(tmp_path, *files[:2], "--solutions", str(tmp_path / "none.jsonl"), "--skip-bad") == (2, None)
    assert "no such file" in capsys.readouterr().err
    empty = write(tmp_path / "empty.jsonl", [])
    assert verify(tmp_path, *files[:2], "--solutions", empty, "--skip-bad")[0] == 2


def test_foreign_columns_in_both_files(tmp_path):
    problems = write(
        tmp_path / "set.jsonl", [{"qid": 1, "q": "2+3?", "gold": "5"}, {"qid": 2, "q": "2+4?", "gold": "6"}]
    )
    rows = [{"qid": 2, "generation": r"\boxed{6}", "why": "eos"}, {"qid": 1, "generation": "5", "why": "max_tokens"}]
    solutions = write(tmp_path / "generations.jsonl", rows)
    columns = ["id=qid", "prompt=q", "reference.answer=gold", "problem_id=qid", "text=generation", "finish_reason=why"]
    files = ["--problems", problems, "--solutions", solutions, "--kind", "math"]
    code, lines = verify(tmp_path, *files, "--columns", *columns)
    assert code == 0
    assert [(line["problem_id"], line["status"]) for line in lines] == [("2", "verified"), ("1", "malformed")]


@pytest.mark.parametrize("columns", [["text"], ["=x"], ["text=a", "text=b"], ["nothing=x"]])
def test_columns_that_can_not_be_used(tmp_path, files, columns, capsys):
    assert verify(tmp_path, *files, "--columns", *columns) == (2, None)
    assert columns[-1].partition("=")[0] in capsys.readouterr().err


def test_a_mapping_of_solutions_is_told_by_its_flag_or_its_file(tmp_path, files, capsys):
    mapping = tmp_path / "m.toml"
    for text, told in (
        ("text = 5", f"{mapping}: solutions.text: is"),
        ('text = "x"', f"{mapping}: solutions.text names"),
    ):
        mapping.write_text(f"[solutions]\n{text}\n")
        assert verify(tmp_path, *files, "--mapping", str(mapping)) == (2, None)
        assert told in capsys.readouterr().err
    assert verify(tmp_path, *files, "--columns", "text=x", "--mapping", str(mapping)) == (2, None)
    assert "--columns text names it" in capsys.readouterr().err


def test_a_checker_that_raises_costs_its_own_line_only(tmp_path, monkeypatch):
    from verifiers.choice.checker import ChoiceChecker

    def fail(*arguments, **named):
        raise RuntimeError("told to \ud800")

    monkeypatch.setattr(ChoiceChecker, "verify", fail)
    problems = write(tmp_path / "problems.jsonl", PROBLEMS)
    solutions = write(tmp_path / "solutions.jsonl", [SOLUTIONS[5], SOLUTIONS[0]])
    code, lines = verify(tmp_path, "--problems", problems, "--solutions", solutions)
    assert code == 3
    assert [line["status"] for line in lines] == ["error", "verified"]


def test_a_stored_run_gives_its_finish_reasons(tmp_path):
    texts = [
        ("stop", r"So \boxed{1234567}."),
        ("length", "The answer is 1234567"),
        ("length", "\\boxed{1234567}.\n\nTo check this, note that we"),
    ]
    rows = [sample("p", at, text=text, finish_reason=finish) for at, (finish, text) in enumerate(texts)]
    run = write_run(tmp_path / "run", rows)
    code, lines = verify(tmp_path, "--run", run)
    found = {line["sample_index"]: line["status"] for line in lines}
    assert found == {0: "verified", 1: "malformed", 2: "verified"}
    assert code == 3 and [line["stored_status"] for line in lines] == ["verified"] * 3


def test_a_checked_run_says_how_many_verdicts_changed(tmp_path, capsys):
    def checked(name, statuses):
        rows = [sample("p", at, text=r"So \boxed{1234567}.", status=status) for at, status in enumerate(statuses)]
        code, _ = verify(tmp_path, "--run", write_run(tmp_path / name, rows))
        return code, capsys.readouterr().err

    code, said = checked("same", ["verified", "verified"])
    assert code == 0 and "0 of 2 verdicts changed against the stored ones" in said
    code, said = checked("other", ["verified", "refuted", "refuted", "malformed"])
    assert code == 3
    assert "3 of 4 verdicts changed against the stored ones: 1 × malformed → verified, 2 × refuted → verified" in said


def test_given_solutions_have_no_stored_verdicts(tmp_path, capsys):
    problems, solutions = write(tmp_path / "p.jsonl", PROBLEMS), write(tmp_path / "s.jsonl", SOLUTIONS[:1])
    assert verify(tmp_path, "--problems", problems, "--solutions", solutions)[0] == 0
    assert "changed" not in capsys.readouterr().err


def test_a_long_check_says_how_far_it_is(tmp_path, monkeypatch, capsys):
    run = write_run(tmp_path / "run", [sample("p", at, text=r"So \boxed{1234567}.") for at in range(3)])
    verify(tmp_path, "--run", run)
    assert "per second" not in capsys.readouterr().err, "a short check is silent"
    monkeypatch.setattr("jobs.verify.PROGRESS_S", 0.0)
    verify(tmp_path, "--run", run)
    assert "2 of at most 3 checked, " in capsys.readouterr().err


# Problems without an answer key.

OPTIONS = ["red", "green", "blue", "black"]


def keyless(problem_id, index, text, **over):
    row = {"reference": "{}", "status": "unchecked", "reason": "the problem has no answer key", "text": text}
    return sample(problem_id, index, **{**row, **over})


def test_solutions_of_problems_without_a_key_are_refused_unless_they_are_asked_for(tmp_path, capsys):
    problems = write(tmp_path / "p.jsonl", [PROBLEMS[0], BAD_PROBLEMS[1]])
    solutions = write(tmp_path / "s.jsonl", [SOLUTIONS[0], SOLUTIONS[2]])
    files = ["--problems", problems, "--solutions", solutions]
    assert verify(tmp_path, *files) == (2, None)
    assert "p.jsonl:2: reference.answer: the problem has no answer key; an answer key, or --unchecked" in (
        capsys.readouterr().err
    )
    code, lines = verify(tmp_path, *files, "--unchecked")
    assert code == 0 and [line["status"] for line in lines] == ["verified", "unchecked"]
    assert lines[1]["evidence"]["answer"] == "5" and "1 unchecked" in capsys.readouterr().err


@pytest.fixture
def keyless_run(tmp_path):
    asked = {"kind": "choice", "prompt": "Which?", "checker": "choice"}
    shuffled = {"reference": json.dumps({"options": [OPTIONS[at] for at in (2, 0, 3, 1)]})}
    rows = [
        keyless("m", 0, r"\boxed{7}"),
        keyless("m", 1, r"\boxed{8}"),
        keyless("m", 2, "I cannot tell."),
        keyless("left", 0, r"\boxed{7}"),
        keyless("c", 0, "The answer is B.", **asked, **shuffled),  # "red", where the model saw it
        sample("k", 0, text=r"So \boxed{1234567}."),
    ]
    return write_run(tmp_path / "run", rows, parts=1)


def test_keys_turn_unchecked_samples_into_verdicts_and_the_run_stays(tmp_path, keyless_run, capsys):
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    prompt = sample("m")["prompt"]
    keyed = [
        {"id": "m", "kind": "math", "prompt": prompt, "reference": {"answer": "7"}},
        {"id": "c", "kind": "choice", "prompt": "Which?", "reference": {"options": OPTIONS, "answer": "A"}},
        {"id": "stray", "kind": "math", "prompt": "?", "reference": {"answer": "7"}},
    ]
    code, lines = verify(tmp_path, "--run", keyless_run, "--problems", write(tmp_path / "keyed.jsonl", keyed))
    assert [(line["problem_id"], line["status"], line["stored_status"]) for line in lines] == [
        ("m", "verified", "unchecked"),
        ("m", "refuted", "unchecked"),
        ("m", "malformed", "unchecked"),
        ("left", "unchecked", "unchecked"),
        ("c", "verified", "unchecked"),
        ("k", "verified", "verified"),
    ]
    said = capsys.readouterr().err
    assert code == 0, "to get a verdict is no change of one"
    assert "4 unchecked samples have a verdict now: 2 verified, 1 refuted, 1 malformed" in said
    assert "1 problems of the file match no sample of the run: stray" in said
    assert "0 of 6 verdicts changed" in said and "another prompt" not in said
    assert before == {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}


def test_without_keys_unchecked_samples_stay_so(tmp_path, keyless_run):
    code, lines = verify(tmp_path, "--run", keyless_run)
    assert code == 0 and [line["status"] for line in lines] == ["unchecked"] * 5 + ["verified"]


def test_keys_replace_other_keys_and_what_changes_is_told(tmp_path, keyless_run, capsys):
    keyed = [{"id": "k", "kind": "math", "prompt": "another one", "reference": {"answer": "8"}}]
    code, lines = verify(tmp_path, "--run", keyless_run, "--problems", write(tmp_path / "keyed.jsonl", keyed))
    assert code == 3 and lines[-1]["status"] == "refuted"
    said = capsys.readouterr().err
    assert "1 × verified → refuted" in said
    assert "1 problems have another prompt in the file than in the run; are they the same ones? k" in said


def test_another_question_with_the_same_options_is_told(tmp_path, capsys):
    """Answers of yes and no are the same for every question, so they do not tell one from another."""
    answers = ["Yes", "No"]
    listed = "Is the sky green?\nA. {}\nB. {}"
    asked = {"kind": "choice", "checker": "choice", "reference": json.dumps({"options": answers})}
    rows = [
        keyless("other", 0, "The answer is A.", **asked, prompt="Is the sky green?"),
        keyless("same", 0, "The answer is A.", **asked, prompt=listed.format(*answers)),
    ]
    run = write_run(tmp_path / "run", rows, parts=1)
    reference = {"options": answers[::-1], "answer": "B"}
    keyed = [
        {"id": "other", "kind": "choice", "prompt": "Is water wet?", "reference": reference},
        {"id": "same", "kind": "choice", "prompt": listed.format(*answers[::-1]), "reference": reference},
    ]
    _, lines = verify(tmp_path, "--run", run, "--problems", write(tmp_path / "keyed.jsonl", keyed))
    assert [line["status"] for line in lines] == ["verified", "verified"]
    said = capsys.readouterr().err
    assert "1 problems have another prompt in the file than in the run; are they the same ones? other" in said


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"kind": "choice", "reference": {"options": [*OPTIONS[:3], "grey"], "answer": "A"}}, "its options"),
        ({"kind": "math", "reference": {"answer": "B"}}, "is of kind choice in the run, and math in the file"),
    ],
)
def test_a_key_that_is_for_another_problem_gives_no_verdict(tmp_path, keyless_run, given, wrong):
    """A letter says nothing about other options. Taken as it stands, it would be verified here."""
    keyed = write(tmp_path / "keyed.jsonl", [{"id": "c", "prompt": "Which?", **given}])
    code, lines = verify(tmp_path, "--run", keyless_run, "--problems", keyed)
    found = next(line for line in lines if line["problem_id"] == "c")
    assert code == 3 and found["status"] == "error" and wrong in found["reason"]


def test_a_file_of_keys_needs_keys(tmp_path, keyless_run, capsys):
    keyed = write(tmp_path / "keyed.jsonl", [{"id": "m", "kind": "math", "prompt": "?", "reference": {}}])
    assert verify(tmp_path, "--run", keyless_run, "--problems", keyed)[0] == 2
    assert "no answer key" in capsys.readouterr().err
    code, lines = verify(tmp_path, "--run", keyless_run, "--problems", keyed, "--unchecked")
    assert code == 0 and lines[0]["status"] == "unchecked"
    solutions = write(tmp_path / "s.jsonl", SOLUTIONS[:1])
    assert verify(tmp_path, "--run", keyless_run, "--problems", keyed, "--solutions", solutions)[0] == 2
