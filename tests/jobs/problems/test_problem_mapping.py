"""`problems.columns`: constants, templates, paths, options, letters, Lean texts; one mapping per file; its faults."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from jobs.cli import main
from jobs.config import ConfigError, Problems
from jobs.problems.errors import ProblemFileError
from jobs.problems.load import check_problems, stream_problems
from jobs.problems.paths import Path
from jobs.problems.solutions import Solution, read_solutions
from verifiers.checker import Checkers
from verifiers.types import Problem


def write(path, *rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def read(tmp_path, row, columns, **options) -> Problem:
    config = Problems(files=[write(tmp_path / "set.jsonl", row)], layout="columns", columns=columns, **options)
    assert check_problems(config).num_problems == 1
    (problem,) = stream_problems(config)
    return problem


def verdicts(problem: Problem, *texts: str) -> list[str]:
    checkers = Checkers()
    try:
        assert checkers.check_problem(problem) is None
        return [str(checkers.verify(problem, text).status) for text in texts]
    finally:
        checkers.close()


# Paths


@pytest.mark.parametrize(
    ("path", "row", "value"),
    [
        ("a", {"a": 1}, 1),
        ("a.b", {"a": {"b": 1}}, 1),
        ("a.b", {"a": {"b": 1}, "a.b": 2}, 2),
        ("info.truth", {"info": '{"truth": ["5"]}'}, ["5"]),
        ("info.truth[0]", {"info": '{"truth": ["5"]}'}, "5"),
        ("a[1]", {"a": ["x", "y"]}, "y"),
        ("a[-1].b", {"a": [{"b": 1}, {"b": 2}]}, 2),
        ("a[].b", {"a": [{"b": 1}, {}, {"b": 3}]}, [1, None, 3]),
        ("a[7]", {"a": ["x"]}, None),
        ("a.b", {"a": None}, None),
        ("a.b", {"c": 1}, None),
        ("Question Text", {"Question Text": "?"}, "?"),
    ],
)
def test_paths(path, row, value):
    assert Path.of(path).value(row) == value


@pytest.mark.parametrize("path", ["", "a..b", "[0]", "a[x]", "a[0", "a]b["])
def test_texts_that_are_no_path(path):
    with pytest.raises(ValueError, match="is no path"):
        Path.of(path)


# What a field is made of


def test_a_template_joins_columns_and_a_constant_fills_in(tmp_path):
    """SVAMP: without the column `Body` the question "How big is each group?" cannot be answered."""
    row = {"ID": 7, "Body": "9 bananas lie in {3} groups.", "Question": "How big is each?", "Answer": 3.0, "note": None}
    columns = {
        "id": "ID",
        "prompt": {"template": "{Body} {Question}{note} {{sic}}"},
        "reference.answer": "Answer",
        "source": {"value": "svamp"},
        "meta.level": {"value": 3},
    }
    problem = read(tmp_path, row, columns, kind="math")
    assert problem == Problem(
        "7",
        "math",
        "9 bananas lie in {3} groups. How big is each? {sic}",
        {"answer": "3"},
        "",
        "svamp",
        "",
        {"level": 3},
    )
    assert verdicts(problem, "\\boxed{3}", "\\boxed{4}") == ["verified", "refuted"]


def test_json_text_and_a_kind_from_a_column(tmp_path):
    row = {"q": "2+3?", "info": '{"ground_truth": "5"}', "task": "math"}
    columns = {"prompt": "q", "reference.answer": "info.ground_truth", "kind": "task"}
    assert read(tmp_path, row, columns).reference == {"answer": "5"}


@pytest.mark.parametrize(
    ("error", "right", "wrong"), [("1e-1", "3.15", "3.25"), ("", "3.1", "3.15"), (None, "3.1", "3.2")]
)
def test_a_tolerance_from_a_column(tmp_path, error, right, wrong):
    columns = {"prompt": "q", "reference.answer": "a", "reference.tolerance.abs": "error"}
    problem = read(tmp_path, {"q": "?", "a": "3.1", "error": error}, columns, kind="math")
    assert verdicts(problem, f"\\boxed{{{right}}}", f"\\boxed{{{wrong}}}") == ["verified", "refuted"]
    with pytest.raises(ProblemFileError, match=r"error: is 'much'; a number"):
        read(tmp_path, {"q": "?", "a": "3.1", "error": "much"}, columns, kind="math")


def test_code_with_a_constant_mode(tmp_path):
    row = {"q": "Add.", "io": '[{"input": "1 2", "output": "3"}]'}
    columns = {"prompt": "q", "reference.mode": {"value": "stdin"}, "reference.tests": "io"}
    problem = read(tmp_path, row, columns, kind="code")
    assert problem.reference == {"mode": "stdin", "tests": [{"input": "1 2", "output": "3"}]}
    right, wrong = "```python\nprint(sum(map(int, input().split())))\n```", "```python\nprint(4)\n```"
    assert verdicts(problem, right, wrong) == ["verified", "refuted"]


def test_inputs_and_outputs_make_a_whole_reference(tmp_path):
    row = {"q": "Add.", "io": json.dumps({"inputs": [[1, 2]], "outputs": [3], "fn_name": "add"}), "limit": 2}
    columns = {"prompt": "q", "reference": {"tests": "io"}, "reference.time_limit_s": "limit"}
    problem = read(tmp_path, row, columns, kind="code")
    assert (problem.reference["entry_point"], problem.reference["time_limit_s"]) == ("add", 2)


OPTIONS = [
    ("options", ["4", "6", "7", "9"]),
    ("options", '["4", "6", "7", "9"]'),
    ("options", ["A)4", "B)6", "C)7", "D)9"]),
    ("options", {"A": "4", "C": "7", "B": "6", "D": "9", "E": None}),
    ("options", [{"A": "4"}, {"B": "6"}, {"C": "7"}, {"D": "9"}]),
    ("options", [{"key": k, "value": v} for k, v in zip("ABCD", "4679", strict=True)]),
    ("options", {"text": ["4", "6", "7", "9"], "label": ["1", "2", "3", "4"]}),
    ({"columns": ["a", "b", "c", "d", "e"]}, None),
]


@pytest.mark.parametrize(("column", "value"), OPTIONS)
def test_options_in_every_form(tmp_path, column, value):
    row = {"q": "Which is prime?", "options": value, "a": "4", "b": 6, "c": "7", "d": "9", "e": ""}
    columns = {"prompt": "q", "reference.options": column, "reference.answer": {"value": 2}}
    columns["reference.answer"] = {"column": "right", "choice": "from 0"}
    problem = read(tmp_path, {**row, "right": 2}, columns, kind="choice")
    assert problem.reference == {"options": ["4", "6", "7", "9"], "answer": "C"}
    assert verdicts(problem, "Answer: C", "Answer: B") == ["verified", "refuted"]


@pytest.mark.parametrize(
    ("options", "answer", "choice", "letter"),
    [
        (["w", "x", "y"], "B", "", "B"),
        (["w", "x", "y"], "(b)", "", "B"),
        (["w", "x", "y"], "x", "", "B"),
        (["w", "x", "y"], 1, "from 0", "B"),
        (["w", "x", "y"], "2", "from 1", "B"),
        (["A", "B", "AB"], "B", "", "B"),
        (["B", "A", "AB"], "B", "letter", "B"),
        (["B", "A", "AB"], "B", "text", "A"),
        ({"text": ["w", "x"], "label": ["1", "2"]}, "2", "", "B"),
        (["10", "20", "30"], "30", "", "C"),
        (["2", "4", "6", "8"], "4", "text", "B"),
    ],
)
def test_the_right_option_becomes_a_letter(tmp_path, options, answer, choice, letter):
    named = {"column": "a", "choice": choice} if choice else "a"
    columns = {"prompt": "q", "reference.options": "o", "reference.answer": named}
    assert read(tmp_path, {"q": "?", "o": options, "a": answer}, columns, kind="choice").reference["answer"] == letter


@pytest.mark.parametrize(
    ("options", "answer", "choice", "wrong"),
    [
        (["w", "x"], 1, "", 'choice = "from 0" or "from 1"'),
        (["w", "x"], "1", "", "say where it counts from"),
        (["B", "A", "AB"], "B", "", "names several options"),
        (["2", "4", "6", "8"], "4", "", "may be an option's text or its number"),
        (["w", "x"], "C", "", "one of A, B"),
        (["w", "w"], "w", "text", "names several options"),
        (["w", "x"], "", "", "reference.answer: the problem has no answer key"),
        (["w", "x"], -1, "from 0", "a number from 0 on"),
        (["w", "x"], True, "from 0", "a number from 0"),
        ("w or x", "A", "", "a list of 2 to 26 options"),
    ],
)
def test_a_right_option_that_is_not_clear_is_refused(tmp_path, options, answer, choice, wrong):
    named = {"column": "a", "choice": choice} if choice else "a"
    columns = {"prompt": "q", "reference.options": "o", "reference.answer": named}
    with pytest.raises(ProblemFileError, match=wrong):
        read(tmp_path, {"q": "?", "o": options, "a": answer}, columns, kind="choice")


@pytest.mark.parametrize(("choice", "answer"), [("from 0", 4), ("from 1", 0)])
def test_a_number_that_shows_a_wrong_start_ends_the_reading(tmp_path, choice, answer):
    """With `skip_bad`, only the rows that cannot be would be left out, and all others read one option off."""
    rows = [{"q": f"{n}?", "o": ["w", "x", "y", "z"], "a": 2} for n in range(3)]
    path = write(tmp_path / "set.jsonl", *rows, {**rows[0], "a": answer})
    columns = {"prompt": "q", "reference.options": "o", "reference.answer": {"column": "a", "choice": choice}}
    config = Problems(files=[path], layout="columns", columns=columns, kind="choice", skip_bad=True)
    with pytest.raises(ProblemFileError, match=r"set.jsonl:4: a: .*this file counts from"):
        check_problems(config)


@pytest.mark.parametrize("tail", [" := by sorry", " := sorry", " := by\n  sorry", " :=", ""])
@pytest.mark.parametrize("apart", [True, False])
def test_a_lean_text_is_split(tmp_path, tail, apart):
    header, theorem = "import Mathlib\nopen Nat", f"theorem t (a : Nat) (f : Nat → Nat := id) : a + 0 = a{tail}"
    row = {"head": header, "text": theorem} if apart else {"text": f"{header}\n\n{theorem}"}
    rule = {"lean": "text", "header": "head"} if apart else {"lean": "text"}
    problem = read(tmp_path, row, {"reference": rule}, kind="lean")
    assert problem.reference == {
        "header": header,
        "name": "t",
        "statement": "theorem t (a : Nat) (f : Nat → Nat := id) : a + 0 = a",
    }
    assert "sorry" in problem.prompt and header in problem.prompt


def test_a_lean_text_with_a_proof_is_no_problem(tmp_path):
    with pytest.raises(ProblemFileError, match="does not end in sorry"):
        read(tmp_path, {"text": "theorem t : True := trivial"}, {"reference": {"lean": "text"}}, kind="lean")


# What is wrong with a mapping


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ({"prompt": 3}, "prompt: is a number"),
        ({"prompt": "a..b"}, "is no path"),
        ({"prompt": {}}, "prompt: has no key; give one of value"),
        ({"prompt": {"tempalte": "{q}"}}, "prompt: has tempalte; give one of value"),
        ({"prompt": {"template": "{q}", "choice": "letter"}}, "choice: has no effect beside template"),
        ({"prompt": {"template": "{q} }"}}, "a lone }"),
        ({"prompt": {"template": "q"}}, "no column in 'q'"),
        ({"prompt": {"value": "a", "template": "{q}"}}, "several of these at once"),
        ({"prompt": "q", "reference.answer": {"column": "a", "choice": "from 2"}}, "one of letter, text"),
        ({"prompt": {"column": "q", "choice": "letter"}, "reference.answer": "a"}, "how the right option is named"),
        ({"prompt": "q", "reference.statement": {"lean": "q"}}, "gives a whole reference"),
        ({"prompt": "q", "reference.options": {"columns": []}}, "a list of paths"),
        ({"prompt": "q"}, "no column for the reference"),
        ({"reference.answer": "a"}, "no column for prompt"),
        ({"promt": "q"}, "promt: unknown field"),
    ],
)
def test_faults_of_a_mapping_are_told_before_any_row_is_read(tmp_path, columns, wrong):
    config = Problems(files=[str(tmp_path / "nowhere.jsonl")], layout="columns", columns=columns)
    with pytest.raises(ConfigError) as caught:
        check_problems(config)
    assert str(caught.value).startswith("problems.columns: ") and wrong in str(caught.value)


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ({"prompt": "qq"}, 'qq: no such column; problems.columns."prompt" names it, but the columns are q, out, text'),
        ({"prompt": {"template": "{q} {Body}"}}, 'Body: no such column; problems.columns."prompt" names it'),
        ({"prompt": "q", "domain": "out.c"}, "out.c: no such column; .* the keys of out are a, b"),
        ({"prompt": "q", "domain": "text.c"}, "text.c: no such column; .* the keys of text are x"),
        ({"prompt": "q", "domain": "q.c"}, "text that is not JSON"),
    ],
)
def test_a_column_that_a_file_does_not_have_is_one_error(tmp_path, columns, wrong):
    rows = [{"q": f"{n}?", "out": {"a": 1, "b": 2}, "text": '{"x": 1}'} for n in range(30)]
    path = write(tmp_path / "set.jsonl", *rows)
    columns = {"reference.answer": "out.a", **columns}
    config = Problems(files=[path], layout="columns", columns=columns, kind="math", skip_bad=True)
    with pytest.raises(ProblemFileError, match=wrong) as caught:
        check_problems(config)
    assert len(caught.value.faults) == 1 or "not JSON" in wrong


def test_a_key_that_only_some_rows_have_is_null_in_the_others(tmp_path):
    rows = [{"q": "2+3?", "a": "5", "area": "sums"}, {"q": "2+4?", "a": "6"}]
    columns = {"prompt": "q", "reference.answer": "a", "domain": "area"}
    config = Problems(files=[write(tmp_path / "set.jsonl", *rows)], layout="columns", columns=columns, kind="math")
    assert [problem.domain for problem in stream_problems(config)] == ["sums", ""]


# One mapping per file


def several(tmp_path) -> Problems:
    rows = [{"q": "2+3?", "a": "5"}, {"Body": "Two and", "Question": "three?", "n": 5}]
    one, other = (write(tmp_path / f"{name}.jsonl", row) for name, row in zip(("one", "other"), rows, strict=True))
    own = write(tmp_path / "own.jsonl", {"id": "m", "kind": "math", "prompt": "?", "reference": {"answer": "5"}})
    return Problems.model_validate(
        {
            "files": [own],
            "sources": [
                {
                    "files": [one],
                    "layout": "columns",
                    "kind": "math",
                    "columns": {"prompt": "q", "reference.answer": "a"},
                },
                {
                    "files": [other],
                    "layout": "columns",
                    "kind": "math",
                    "columns": {"prompt": {"template": "{Body} {Question}"}, "reference.answer": "n"},
                },
            ],
        }
    )


def test_a_mapping_for_each_file(tmp_path):
    config = several(tmp_path)
    assert check_problems(config).num_problems == 3
    assert [(problem.id, problem.prompt) for problem in stream_problems(config)] == [
        ("m", "?"),
        ("one-00001", "2+3?"),
        ("other-00001", "Two and three?"),
    ]
    assert Problems.model_validate(config.model_dump(mode="json")) == config, "run.json gives it back"


def test_errors_name_the_part_of_the_config(tmp_path):
    config = several(tmp_path)
    table = config.model_dump()
    table["sources"][1]["columns"]["domain"] = "area"
    with pytest.raises(ProblemFileError, match=r'other.jsonl: area: .*problems.sources\[1\].columns."domain" names it'):
        check_problems(Problems.model_validate(table))
    table["sources"][1]["columns"] = {}
    with pytest.raises(ConfigError, match=r"problems.sources\[1\].columns: no column for prompt"):
        check_problems(Problems.model_validate(table))
    table = config.model_dump()
    table["files"] = [*table["files"], *table["sources"][0]["files"]]
    with pytest.raises(ProblemFileError, match=r"one.jsonl: named by problems and by problems.sources\[0\]"):
        check_problems(Problems.model_validate(table))
    with pytest.raises(ValueError, match="give at least one path"):
        Problems.model_validate({"files": []})
    with pytest.raises(ValueError, match="Field required"):
        Problems.model_validate({})


# Solutions, `verify` and its mapping files


def verify(tmp_path, *arguments):
    out = tmp_path / "verdicts.jsonl"
    code = main(["verify", "--out", str(out), "--workers", "1", *arguments])
    return code, [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else None


GENERATIONS = {
    "problem": "2+3?",
    "answer": "5",
    "uuid": "e1",
    "generations": ["It is \\boxed{5}.", "It is \\boxed{6}."],
    "finish_reasons": ["stop", "stop"],
}


def test_generations_of_the_problem_file_itself(tmp_path):
    """OpenR1-Math-220k: each row has its problem and several texts."""
    path = tmp_path / "set.parquet"
    pa.parquet.write_table(pa.Table.from_pylist([GENERATIONS]), path)
    for columns in ([], ["--columns", "text=generations[]", "finish_reason=finish_reasons[]"]):
        code, lines = verify(tmp_path, "--problems", str(path), "--solutions", str(path), *columns)
        assert code == 0
        assert [(line["problem_id"], line["number"], line["status"]) for line in lines] == [
            ("set-00001", 0, "verified"),
            ("set-00001", 1, "refuted"),
        ]


@pytest.mark.parametrize("column", ["text", "generation", "generated_solution", "llm_response"])
def test_texts_are_found_under_the_names_that_publishers_use(tmp_path, column):
    path = write(tmp_path / "s.jsonl", {"problem_id": 7.0, column: "\\boxed{5}", "finish_reason": None})
    assert list(read_solutions(path)) == [Solution("7", "\\boxed{5}", 1, None, path)]


def test_a_solution_without_a_text_says_which_columns_there_are(tmp_path):
    path = write(tmp_path / "s.jsonl", {"problem_id": "7", "out": "5"}, {"problem_id": "8", "out": "5"})
    one, _ = read_solutions(path)
    assert "the columns are problem_id, out" in str(one) and "--columns text=" in str(one)
    (fault,) = read_solutions(path, {"text": "outt"})
    assert "outt: no such column" in str(fault) and "problem_id, out" in str(fault)


MAPPING = """
kind = "math"
[columns]
prompt = {template = "{Body} {Question}"}
"reference.answer" = "n"
id = "ID"
[solutions]
problem_id = "ID"
text = "out.text"
"""


def test_verify_takes_a_mapping_by_file_and_by_argument(tmp_path, capsys):
    problems = write(tmp_path / "p.jsonl", {"ID": 1, "Body": "2", "Question": "+3?", "n": 5})
    solutions = write(tmp_path / "s.jsonl", {"ID": 1, "out": {"text": "\\boxed{5}"}})
    (tmp_path / "m.toml").write_text(MAPPING)
    files = ["--problems", problems, "--solutions", solutions]
    assert verify(tmp_path, *files, "--mapping", str(tmp_path / "m.toml"))[1][0]["status"] == "verified"
    columns = ["id=ID", "reference.answer=n", 'prompt={template = "{Body} {Question}"}', "problem_id=ID"]
    given = [*files, "--kind", "math", "--columns", *columns, "text=out.text"]
    assert verify(tmp_path, *given)[1][0]["status"] == "verified"
    own = MAPPING.split("[solutions]")[0].replace("[columns]", "[problems.columns]")
    config = f'[problems]\nfiles = ["x"]\nlayout = "columns"\n{own}'
    (tmp_path / "run.toml").write_text(config)
    more = ["--columns", "problem_id=ID", "text=out.text"]
    assert verify(tmp_path, *files, "--mapping", str(tmp_path / "run.toml"), *more)[1][0]["status"] == "verified"
    capsys.readouterr()
    for number, entry, wrong in (
        (2, "prompt={template = 3}", "template: is a number"),
        (2, "prompt={template", "no TOML table"),
        (3, "problem_id=a..b", "is no path"),
    ):
        changed = [*columns[:number], entry, *columns[number + 1 :], "text=out.text"]
        assert verify(tmp_path, *files, "--kind", "math", "--columns", *changed)[0] == 2
        assert wrong in capsys.readouterr().err
