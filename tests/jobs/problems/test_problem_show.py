"""`proofmill problems show`, proposals for unknown files, and prompts that repeat."""

from __future__ import annotations

import json
import re
import tomllib

import pytest

from jobs.cli import main
from jobs.config import Problems
from jobs.problems.load import check_problems, stream_problems
from jobs.problems.proposal import as_toml, propose
from jobs.problems.repeats import FIRST_SLOTS, PromptTable
from verifiers.types import Problem


def write(path, *rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def math(number: int, prompt: str, answer: str = "5", kind: str = "math") -> dict:
    return {"id": f"m{number}", "kind": kind, "prompt": prompt, "reference": {"answer": answer}, "domain": "sums"}


# Prompts that repeat


def choice(number: int, *options: str) -> dict:
    return {"id": f"c{number}", "kind": "choice", "prompt": "Which?", "reference": {"options": options, "answer": "A"}}


def test_the_dry_run_says_how_many_prompts_repeat(tmp_path):
    """DAPO-Math-17k as published has each prompt about a hundred times."""
    rows = [math(n, f"{n % 3}+3?") for n in range(300)]
    config = Problems(files=[write(tmp_path / "set.jsonl", *rows)])
    summary = check_problems(config)
    assert (summary.num_problems, summary.num_repeated) == (300, 297)
    assert "297 problems repeat the prompt of an earlier one; problems.unique_prompts = true" in summary.describe()
    unique = config.model_copy(update={"unique_prompts": True})
    summary = check_problems(unique)
    assert (summary.num_problems, summary.num_repeated, summary.by_domain) == (3, 297, {"sums": 3})
    assert [problem.id for problem in stream_problems(unique)] == ["m0", "m1", "m2"]
    assert "left out" in summary.describe()
    limited = unique.model_copy(update={"limit": 2})
    assert check_problems(limited).num_problems == len(list(stream_problems(limited))) == 2


def test_questions_that_differ_in_their_options_do_not_repeat(tmp_path):
    rows = [choice(0, "a", "b"), choice(1, "a", "c"), choice(2, "a", "b"), math(3, "Which?")]
    config = Problems(files=[write(tmp_path / "set.jsonl", *rows)], unique_prompts=True)
    assert [problem.id for problem in stream_problems(config)] == ["c0", "c1", "m3"]


def test_a_prompt_whose_first_reference_cannot_be_read_is_kept(tmp_path):
    rows = [math(0, "2+3?", "\\frac{1}{"), math(1, "2+3?"), math(2, "2+3?")]
    config = Problems(files=[write(tmp_path / "set.jsonl", *rows)], unique_prompts=True, skip_bad=True)
    summary = check_problems(config, lambda problem: "bad" if "frac" in problem.reference["answer"] else None, 2)
    assert (summary.num_problems, summary.num_repeated, len(summary.skipped)) == (1, 1, 1)
    assert [problem.id for problem in stream_problems(config, summary.skipped)] == ["m1"]


def test_the_table_of_prompts_grows_and_forgets_none():
    table, problems = PromptTable(), [Problem(str(n), "math", f"{n}+3?", {}) for n in range(3 * FIRST_SLOTS)]
    assert not any(table.add(problem) for problem in problems)
    assert all(table.add(problem) for problem in problems)


# The command


def test_show_prints_rows_and_counts(tmp_path, capsys):
    rows = [
        math(1, "2+3?"),
        math(2, "2+3?"),
        math(3, "Roots?\n\x1b[31m", "\\frac{1}{"),
        {**math(4, "9?"), "domain": "x"},
    ]
    keyless = {**math(5, "Why?"), "reference": {}}
    path = write(tmp_path / "set.jsonl", *rows, keyless, {"id": "m6"})
    assert main(["problems", "show", path, "--rows", "3"]) == 3
    out = capsys.readouterr().out
    assert "m1 (math, sums, set)" in out and 'reference: {"answer": "5"}' in out and "m4 (" not in out
    assert "\x1b" not in out and "layout canonical, 6 rows" in out
    for expected in (
        "kinds: 5 math",
        "domains: sums 4, x 1",
        "1 of 5 problems repeat the prompt",
        "1 problems have no answer key",
        "2 rows cannot be used",
        "set.jsonl:3: reference: reference.answer:",
        "set.jsonl:6: kind: missing",
    ):
        assert expected in out, expected
    assert main(["problems", "show", write(tmp_path / "good.jsonl", rows[0])]) == 0
    assert main(["problems", "show", str(tmp_path / "none.jsonl")]) == 2


def test_a_stray_file_of_a_folder_does_not_hide_the_others(tmp_path, capsys):
    """Its name sorts first, and nothing in it looks like a problem."""
    (tmp_path / "about.json").write_text('{"version": 1, "question": "none"}')
    assert main(["problems", "show", str(tmp_path)]) == 3
    assert 'layout = "columns"' in capsys.readouterr().out, "alone it is what there is to show"
    write(tmp_path / "set.jsonl", math(1, "2+3?"))
    assert main(["problems", "show", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "m1 (math, sums, set)" in out and "kinds: 1 math" in out and "about.json: no problem file, left out" in out
    (tmp_path / "set.jsonl").unlink()
    write(tmp_path / "set.jsonl", {"aufgabe": "Wie viel ist 2 und 3?", "loesung": "5"})
    main(["problems", "show", str(tmp_path)])
    assert 'prompt = "aufgabe"' in capsys.readouterr().out


def test_show_takes_a_mapping(tmp_path, capsys):
    path = write(tmp_path / "set.jsonl", {"Body": "2", "Question": "+3?", "n": 5})
    columns = ["--columns", 'prompt={template = "{Body}{Question}"}', "reference.answer=n", "--kind", "math"]
    assert main(["problems", "show", path, *columns]) == 0
    assert "shown:     2+3?" in capsys.readouterr().out
    assert main(["problems", "show", path, "--columns", "prompt=Bodies", "reference.answer=n", "--kind", "math"]) == 2
    assert "Bodies: no such column" in capsys.readouterr().err


MAPPINGS = [
    ('kind = "bad"\n', [], "FILE: kind: unknown problem kind 'bad'; known: math,"),
    ("", ["--columns", "foo=bar"], "--columns foo: unknown field; known are"),
    ("", ["--columns", "prompt=q", "reference.answer=gold", "--kind", "math"], "--columns reference.answer names it"),
    ("", ["--layout", "nope"], "--layout: unknown 'nope'; known are auto,"),
    ("", ["--layout", "gsm8k", "--kind", "lean"], "--kind: "),
    ('layout = "nope"\n', [], "FILE: layout: unknown 'nope'; known are auto,"),
    ('[columns]\nfoo = "q"\n', [], "FILE: columns.foo: unknown field; known are"),
    ('[columns]\nprompt = "q"\n', ["--columns", "foo=q"], "--columns foo: unknown field; known are"),
    ('[columns]\nfoo = "q"\n', ["--columns", "prompt=q"], "FILE: columns.foo: unknown field; known are"),
    ("[solutions]\ntext = 5\n", [], "FILE: solutions.text: is a number;"),
    ('[solutions]\nanswer = "a"\n', [], "FILE: solutions.answer: no field of a solution; known are problem_id,"),
]


@pytest.mark.parametrize(("table", "flags", "told"), MAPPINGS)
def test_what_is_wrong_with_a_mapping_is_told_by_its_flag_or_its_file(tmp_path, capsys, table, flags, told):
    """In one line, and never by a key of a config that is not there."""
    path, mapping = write(tmp_path / "set.jsonl", {"q": "2 + 3?", "a": 5}), tmp_path / "m.toml"
    if table:
        mapping.write_text(table)
        flags = [*flags, "--mapping", str(mapping)]
    assert main(["problems", "show", path, *flags]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told.replace("FILE", str(mapping)) in line and not re.search(r"problems\.|function-after|literal\[", line)


def test_bad_rows_are_told_by_flags_too(tmp_path, capsys):
    path = write(tmp_path / "set.jsonl", {"q": "2 + 3?", "a": 5})
    assert main(["problems", "show", path, "--columns", "prompt=q", "reference.answer=a"]) == 3
    shown = capsys.readouterr().out
    assert "kind: missing; one of math, code, lean, choice, or set --kind" in shown and "problems.kind" not in shown


PROPOSED = [
    (
        {"aufgabe": "Wie viel ist 2 und 3?", "nr": 1, "loesung": "5"},
        "math",
        {"prompt": "aufgabe", "reference.answer": "nr"},
    ),
    (
        {"uid": "a", "Body": "Two groups of three.", "Question": "How many are there?", "Answer": 6.0, "Type": "sum"},
        "math",
        {"id": "uid", "prompt": {"template": "{Body} {Question}"}, "reference.answer": "Answer", "domain": "Type"},
    ),
    (
        {"prompt": "2+3?", "verification": '{"ground_truth": "5"}'},
        "math",
        {"prompt": "prompt", "reference.answer": "verification.ground_truth"},
    ),
    (
        {"query": "Which is prime?", "option_a": "4", "option_b": "7", "option_c": "9", "gold": 1},
        "choice",
        {
            "prompt": "query",
            "reference.options": {"columns": ["option_a", "option_b", "option_c"]},
            "reference.answer": {"column": "gold", "choice": "from 0"},
        },
    ),
    (
        {"query": "Which is prime?", "candidates": ["4", "7"], "gold": "B"},
        "choice",
        {"prompt": "query", "reference.options": "candidates", "reference.answer": "gold"},
    ),
    ({"lean": "theorem t (a : Nat) : a = a := by sorry"}, "lean", {"reference": {"lean": "lean"}}),
    (
        {"task": "Add two numbers.", "io": '{"inputs": ["1 2"], "outputs": ["3"]}'},
        "code",
        {"prompt": "task", "reference": {"tests": "io"}},
    ),
]


@pytest.mark.parametrize(("row", "kind", "columns"), PROPOSED)
def test_a_mapping_is_proposed_and_can_be_pasted(tmp_path, capsys, row, kind, columns):
    proposal = propose(row)
    assert proposal == {"kind": kind, "columns": columns}
    path = write(tmp_path / "set.jsonl", row)
    table = tomllib.loads(as_toml(proposal, path))
    assert check_problems(Problems.model_validate(table["problems"])).by_kind == {kind: 1}
    assert main(["problems", "show", path]) == 3
    out = capsys.readouterr().out
    assert 'layout = "columns"' in out and f"kinds: 1 {kind}" in out


def test_a_file_without_a_question_gets_no_proposal(tmp_path, capsys):
    assert main(["problems", "show", write(tmp_path / "set.jsonl", {"x": 1, "y": None})]) == 3
    assert "no column looks like a question" in capsys.readouterr().out
