"""Problem sets from files: what is read, what is refused and how the fault is told."""

from __future__ import annotations

import gzip
import json
import pickle
import re
import threading
import tracemalloc

import pyarrow as pa
import pyarrow.parquet
import pytest

from jobs.config import ConfigError, Problems
from jobs.problems.errors import ProblemFileError
from jobs.problems.load import IdTable, check_problems, stream_problems
from jobs.problems.solutions import read_solutions
from verifiers.types import Problem

MATH = {"id": "m1", "kind": "math", "prompt": "Solve 3x + 7 = 22.", "reference": {"answer": "5"}, "domain": "algebra"}
CODE = {
    "id": "c1",
    "kind": "code",
    "prompt": "Write gcd(a, b).",
    "reference": {"mode": "function", "entry_point": "gcd", "tests": [{"input": [12, 18], "output": 6}]},
}
LEAN = {
    "id": "l1",
    "kind": "lean",
    "prompt": "Prove it.",
    "reference": {"header": "", "name": "t", "statement": "theorem t (a b : Nat) : a + b = b + a"},
}
CHOICE = {
    "id": "q1",
    "kind": "choice",
    "prompt": "Which is prime?",
    "reference": {"options": ["4", "6", "7", "9"], "answer": "C"},
}
GSM8K = {"question": "2 + 2 ducks?", "answer": "2+2=<<2+2=4>>4\n#### 4"}


def write(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def problems(*files, **options) -> Problems:
    return Problems(files=[str(file) for file in files], **options)


def refused(*files, **options) -> str:
    """The text of the error that both the check and the stream raise."""
    config = problems(*files, **options)
    with pytest.raises(ProblemFileError) as checked:
        check_problems(config)
    with pytest.raises(ProblemFileError):
        list(stream_problems(config))
    return str(checked.value)


def test_canonical_of_every_kind(tmp_path):
    config = problems(write(tmp_path / "set.jsonl", MATH, CODE, LEAN, CHOICE))
    summary = check_problems(config)
    assert summary.num_problems == 4
    assert summary.by_kind == {"math": 1, "code": 1, "lean": 1, "choice": 1}
    assert summary.by_domain == {"algebra": 1, "": 3}
    assert [problem.to_json() for problem in stream_problems(config)] == [
        {**row, "source": "set"} for row in (MATH, CODE, LEAN, CHOICE)
    ]
    json.dumps(summary.to_json())
    assert "4 problems" in summary.describe()


def test_parquet_with_json_text_and_gzip_hold_the_same_problems(tmp_path):
    rows = [MATH, CODE, LEAN, CHOICE]
    plain = write(tmp_path / "set.jsonl", *rows)
    (tmp_path / "gz").mkdir()
    packed = tmp_path / "gz" / "set.jsonl.gz"
    packed.write_bytes(gzip.compress((tmp_path / "set.jsonl").read_bytes()))
    columns = [{**row, "reference": json.dumps(row["reference"]), "domain": row.get("domain")} for row in rows]
    pa.parquet.write_table(pa.Table.from_pylist(columns), tmp_path / "set.parquet")
    sums = {check_problems(problems(path)).sha256 for path in (plain, packed, tmp_path / "set.parquet")}
    assert len(sums) == 1


def test_parquet_struct_reference(tmp_path):
    rows = [MATH, {**MATH, "id": "m2", "reference": {"answer": "2.5", "tolerance": {"rel": 1e-3}}}]
    pa.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "set.parquet")
    first, second = stream_problems(problems(tmp_path / "set.parquet"))
    assert first.reference == {"answer": "5"}
    assert second.reference == {"answer": "2.5", "tolerance": {"rel": 1e-3}}


def test_globs_folders_and_labels(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "test.jsonl", GSM8K)
    (tmp_path / "a" / "README.md").write_text("not a problem file")
    by_glob = [problem.id for problem in stream_problems(problems(tmp_path / "*" / "test.jsonl"))]
    assert by_glob == ["a-test-00001", "b-test-00001"]
    assert [problem.id for problem in stream_problems(problems(tmp_path / "a"))] == ["test-00001"]
    deep = [problem.id for problem in stream_problems(problems(tmp_path / "**" / "*.jsonl"))]
    assert deep == by_glob


def test_gsm8k(tmp_path):
    rows = [GSM8K, {"question": "Profit?", "answer": "#### no\n#### 70,000"}]
    first, second = stream_problems(problems(write(tmp_path / "gsm8k.jsonl", *rows)))
    assert (first.id, first.kind, first.reference) == ("gsm8k-00001", "math", {"answer": "4"})
    assert second.reference == {"answer": "70000"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"kind": "maths"}, r"set.jsonl:2: kind: unknown kind 'maths'; one of math, code, lean, choice"),
        ({"prompt": None}, r":2: prompt: missing"),
        ({"prompt": "  "}, r":2: prompt: empty"),
        ({"id": True}, r":2: id: is a true/false: True; a string"),
        ({"id": 7.5}, r":2: id: is a number: 7.5; a string"),
        ({"id": "a\nb"}, r":2: id: .* control characters"),
        ({"reference": ["5"]}, r":2: reference: is a list"),
        ({"reference": {"answer": 5}}, r":2: reference.answer: is the number 5; a string, \"5\""),
        ({"reference": {"answer": ""}}, r":2: reference.answer: empty"),
        (
            {"reference": {"answr": "5"}},
            r":2: reference.answr: unknown key; known are all, answer, answers, tolerance, type",
        ),
        ({"reference": {"answer": "5", "tolerance": 0.1}}, r":2: reference.tolerance: 0.1; an object"),
        ({"reference": {"answer": "5", "tolerance": {"rel": -1}}}, r":2: reference.tolerance.rel: -1; a finite number"),
        ({"domian": "x"}, r":2: domian: unknown field"),
        ({"domain": 3}, r":2: domain: is a number"),
        ({"meta": 3}, r":2: meta: is a number"),
        ({"kind": "choice"}, r":2: reference.options: missing"),
        ({"kind": "choice", "reference": {"options": ["a", "b"], "answer": "C"}}, r"one letter from A to B"),
        ({"kind": "choice", "reference": {"options": ["a"], "answer": "A"}}, r"reference.options: .*list of 2 to 26"),
        (
            {"kind": "lean", "reference": {"header": "", "name": "t", "statement": "theorem t : 1 = 1 := by"}},
            "ends with",
        ),
        (
            {"kind": "lean", "reference": {"header": "", "name": "u", "statement": "theorem t : 1 = 1"}},
            "does not occur",
        ),
        ({"kind": "code", "reference": {"mode": "exec"}}, r"reference.mode: 'exec'; one of stdin, function, assert"),
        ({"kind": "code", "reference": {"mode": "stdin", "tests": []}}, r"reference.tests: \[\]; a list"),
        ({"kind": "code", "reference": {"mode": "stdin", "tests": [{"input": 1, "output": ""}]}}, "as text"),
        ({"kind": "code", "reference": {"mode": "stdin", "tests": [{"output": "1"}]}}, r"reference.tests\[0\]"),
        (
            {"kind": "code", "reference": {"mode": "assert", "test": "x", "test_list": ["x"]}},
            "both of test and test_li",
        ),
    ],
)
def test_one_clear_fault(tmp_path, change, expected):
    row = {**MATH, "id": "m2", **change}
    assert re.search(expected, refused(write(tmp_path / "set.jsonl", MATH, row)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"\xff\xfe{}", "not UTF-8 at byte 0"),
        (b'{"id": "m2", ', "not JSON"),
        (b"[1, 2]", "a line is a list"),
        (b'{"id": NaN}', "NaN is not a JSON number"),
        (b'{"id": "\\ud800"}', "half a character"),
        (b'{"id": "m2", "kind": "math", "prompt": "?", "reference": {"answer": NaN}}', "reference: not plain"),
        (
            b'{"id": "m2", "kind": "math", "prompt": "?", "reference": {"answer": "5"}, "meta": {"x": NaN}}',
            "meta: not plain",
        ),
        (b'{"id": "m2", "kind": "math", "kind": "code"}', "the key 'kind' stands twice in one object"),
        (b'{"id": "m2", "reference": {"answer": "5", "answer": "6"}}', "the key 'answer' stands twice in one object"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"id": ' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_bad_bytes_name_the_line(tmp_path, line, expected):
    path = tmp_path / "set.jsonl"
    path.write_bytes(json.dumps(MATH).encode() + b"\n" + line + b"\n")
    text = refused(path)
    assert "set.jsonl:2:" in text
    assert expected in text
    assert len(text) < 2000


def test_a_canonical_row_that_lacks_one_field_says_which(tmp_path):
    for name in ("id", "kind", "prompt", "reference"):
        row = {key: value for key, value in MATH.items() if key != name}
        text = refused(write(tmp_path / "set.jsonl", row))
        assert f"set.jsonl:1: {name}: missing" in text and "unknown layout" not in text
    row = {key: value for key, value in MATH.items() if key != "kind"}
    config = problems(write(tmp_path / "set.jsonl", row), kind="math")
    assert check_problems(config).by_kind == {"math": 1}


def test_ids_may_be_numbers(tmp_path):
    rows = [{**MATH, "id": 7}, {**MATH, "id": 8.0}]
    found = list(stream_problems(problems(write(tmp_path / "set.jsonl", *rows))))
    assert [problem.id for problem in found] == ["7", "8"]
    pa.parquet.write_table(pa.Table.from_pylist([{**MATH, "id": 7, "__index_level_0__": 3}]), tmp_path / "set.parquet")
    assert next(stream_problems(problems(tmp_path / "set.parquet"))).id == "7"


def test_nan_where_nothing_is_read_is_nothing(tmp_path):
    """Python's json.dumps writes NaN for a gap that pandas left."""
    nan = float("nan")
    rows = [
        {**MATH, "domain": nan, "meta": nan, "split": None},
        {"problem": "2+3?", "answer": "5", "level": nan, "x": -nan},
    ]
    one, other = (write(tmp_path / f"{name}.jsonl", row) for name, row in zip("ab", rows, strict=True))
    first, second = stream_problems(problems(one, other))
    assert (first.domain, first.meta, second.meta) == ("", {}, {})
    assert "answer: the problem has no answer key" in refused(
        write(tmp_path / "c.jsonl", {"problem": "?", "answer": nan})
    )


def test_a_missing_answer_is_told_as_that(tmp_path):
    for answer in (None, ""):
        for solution in ({}, {"solution": ""}, {"solution": "Long words without a box."}):
            text = refused(write(tmp_path / "set.jsonl", {"problem": "2+3?", "answer": answer, **solution}))
            assert "reference.answer: the problem has no answer key" in text and "solution" not in text


def test_byte_order_mark_and_blank_lines_are_fine(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(MATH).encode() + b"\r\n\r\n")
    assert check_problems(problems(path)).num_problems == 1


@pytest.mark.parametrize("content", [b"", b"\n\n"])
def test_empty_file(tmp_path, content):
    path = tmp_path / "set.jsonl"
    path.write_bytes(content)
    assert "the file has no rows" in refused(path)


def test_empty_parquet(tmp_path):
    pa.parquet.write_table(pa.Table.from_pylist([MATH]).slice(0, 0), tmp_path / "set.parquet")
    assert "the file has no rows" in refused(tmp_path / "set.parquet")


def test_truncated_gzip(tmp_path):
    path = tmp_path / "set.jsonl.gz"
    rows = "".join(json.dumps({**MATH, "id": f"m{i}"}) + "\n" for i in range(2000))
    path.write_bytes(gzip.compress(rows.encode())[:-200])
    text = refused(path)
    assert "broken gzip data after line" in text
    assert re.search(r"set.jsonl.gz:\d+:", text)


def test_not_gzip_at_all(tmp_path):
    path = tmp_path / "set.jsonl.gz"
    path.write_text(json.dumps(MATH))
    assert "broken gzip data" in refused(path)


@pytest.mark.parametrize("keep", [3, 300, -100])
def test_truncated_parquet(tmp_path, keep):
    path = tmp_path / "set.parquet"
    pa.parquet.write_table(pa.Table.from_pylist([{**MATH, "id": f"m{i}"} for i in range(500)]), path)
    path.write_bytes(path.read_bytes()[:keep])
    assert "not a readable Parquet file" in refused(path)


def test_parquet_value_that_json_lacks(tmp_path):
    pa.parquet.write_table(pa.Table.from_pylist([{**MATH, "meta": {"raw": b"\x00"}}]), tmp_path / "set.parquet")
    assert "meta: not plain JSON" in refused(tmp_path / "set.parquet")


def test_duplicate_id_over_files(tmp_path):
    one = write(tmp_path / "one.jsonl", MATH, CODE)
    two = write(tmp_path / "two.jsonl", LEAN, MATH)
    text = refused(one, two)
    assert "two.jsonl:2: id: 'm1' is also the id of" in text
    assert "one.jsonl:1" in text


def test_a_file_given_twice_is_read_once(tmp_path):
    path = write(tmp_path / "one.jsonl", MATH)
    assert check_problems(problems(path, tmp_path / "*.jsonl")).num_problems == 1


def test_missing_file_and_unknown_format(tmp_path):
    (tmp_path / "set.xlsx").write_text("x")
    text = refused(tmp_path / "none.jsonl", tmp_path / "*.gone", tmp_path / "set.xlsx", "ftb://bucket/x.jsonl")
    for expected in ("no such file", "no file matches", "unknown file format '.xlsx'", "unknown scheme"):
        assert expected in text


def test_unknown_layout_shows_the_first_row(tmp_path):
    path = write(tmp_path / "set.jsonl", {"aufgabe": "Wie viel ist 2 + 2?", "loesung": "4"})
    text = refused(path, skip_bad=True)
    assert "set.jsonl:1: unknown layout" in text
    assert "aufgabe='Wie viel ist 2 + 2?'" in text
    assert "gsm8k: question, answer" in text
    assert "problems.columns" in text


def test_unknown_layout_name():
    with pytest.raises(ConfigError, match=r"problems.layout: unknown 'gms8k'; known are auto, canonical"):
        check_problems(problems("x.jsonl", layout="gms8k"))


def test_all_faults_are_counted_and_the_first_shown(tmp_path):
    rows = [{**MATH, "id": f"m{i}", "prompt": ""} for i in range(100)]
    with pytest.raises(ProblemFileError) as caught:
        check_problems(problems(write(tmp_path / "set.jsonl", *rows)))
    assert caught.value.num_faults == 100
    assert len(caught.value.faults) == 20
    assert str(caught.value).endswith("… and 80 more")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)


def test_skip_bad_records_and_stream_agrees(tmp_path):
    path = tmp_path / "set.jsonl"
    good = [json.dumps({**MATH, "id": f"m{i}"}) for i in range(3)]
    path.write_text("\n".join([good[0], "{", good[1], good[0], json.dumps({**MATH, "id": "x", "prompt": ""}), good[2]]))
    config = problems(path, skip_bad=True)
    summary = check_problems(config)
    assert [(fault.line, fault.field) for fault in summary.skipped] == [(2, ""), (4, "id"), (5, "prompt")]
    assert [problem.id for problem in stream_problems(config)] == ["m0", "m1", "m2"]
    assert summary.num_problems == 3


def test_skip_bad_after_a_broken_first_row(tmp_path):
    path = tmp_path / "set.jsonl"
    path.write_text("{\n" + json.dumps({"id": "x", "prompt": "no kind"}) + "\n" + json.dumps(MATH))
    summary = check_problems(problems(path, skip_bad=True))
    assert summary.num_problems == 1
    assert len(summary.skipped) == 2


def test_nothing_left_after_skipping_is_an_error(tmp_path):
    path = write(tmp_path / "set.jsonl", {**MATH, "prompt": ""})
    with pytest.raises(ProblemFileError, match="prompt: empty"):
        check_problems(problems(path, skip_bad=True))


def test_a_reference_that_no_checker_can_read_is_a_fault(tmp_path):
    path = write(tmp_path / "set.jsonl", MATH, {**MATH, "id": "m2", "reference": {"answer": "\\frac{1}{"}})

    def check(problem: Problem) -> str | None:
        return "unbalanced brace" if "{" in problem.reference["answer"] else None

    with pytest.raises(ProblemFileError, match=r"set.jsonl:2: reference: unbalanced brace; problem m2"):
        check_problems(problems(path), check)
    summary = check_problems(problems(path, skip_bad=True), check)
    assert [problem.id for problem in stream_problems(problems(path, skip_bad=True), summary.skipped)] == ["m1"]


def test_references_that_cannot_be_used_are_counted_by_reason(tmp_path):
    answers = ["1", "\\frac{1}{", "\\frac{2}{", "", "\\frac{3}{"]
    rows = [{**MATH, "id": f"m{i}", "reference": {"answer": answer}} for i, answer in enumerate(answers, start=1)]
    path = write(tmp_path / "set.jsonl", *rows)

    def check(problem: Problem) -> str | None:
        answer = problem.reference["answer"]
        return f"reference.answer: {answer!r}: unbalanced braces" if "{" in answer else None

    summary = check_problems(problems(path, skip_bad=True), check)
    assert summary.reasons == {"unbalanced braces": 3}
    assert "3 references cannot be used, by reason:\n    3 × unbalanced braces" in summary.describe()
    with pytest.raises(ProblemFileError) as caught:
        check_problems(problems(path), check)
    assert str(caught.value).endswith("3 references cannot be used, by reason:\n  3 × unbalanced braces")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_references_of_slow_kinds_are_checked_side_by_side_and_told_in_order(tmp_path):
    """Each of two checks waits for the other to have begun: one after the other they would wait for ever."""
    rows = [{**LEAN, "id": f"l{i}"} for i in range(6)]
    path = write(tmp_path / "set.jsonl", *rows, MATH)
    meeting = threading.Barrier(2, timeout=60)
    threads = set()

    def check(problem: Problem) -> str | None:
        return "no such statement" if problem.id in ("l1", "l4") else None

    def check_with_another(problem: Problem) -> str | None:
        if problem.kind == "lean":
            meeting.wait()
            threads.add(threading.get_ident())
        return check(problem)

    with pytest.raises(ProblemFileError) as caught:
        check_problems(problems(path), check_with_another, side_by_side=2)
    assert [f"set.jsonl:{line}:" in str(caught.value) for line in range(1, 8)] == [
        False,
        True,
        False,
        False,
        True,
        False,
        False,
    ]
    assert len(threads) == 2
    summary = check_problems(problems(path, skip_bad=True, limit=4), check, side_by_side=2)
    assert summary.by_kind == {"lean": 4}
    assert [fault.line for fault in summary.skipped] == [2, 5]


@pytest.mark.parametrize("side_by_side", [1, 3])
def test_limit_counts_good_problems_and_stops_reading(tmp_path, side_by_side):
    path = tmp_path / "set.jsonl"
    lines = [json.dumps({**MATH, "id": f"m{i}"}) for i in range(3)]
    path.write_text("\n".join([*lines, "{ never read"]))
    config = problems(path, limit=3)
    assert check_problems(config, lambda problem: None, side_by_side).num_problems == 3
    assert len(list(stream_problems(config))) == 3


def test_stream_is_lazy_and_its_memory_small(tmp_path):
    path = tmp_path / "set.jsonl"
    padding = "x" * 15_000
    with path.open("w") as file:
        for i in range(3000):
            file.write(json.dumps({**MATH, "id": f"m{i}", "prompt": padding}) + "\n")
    stream = stream_problems(problems(path))
    tracemalloc.start()
    try:
        count = sum(1 for _ in stream)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert count == 3000
    assert peak < 8 * 2**20, "45 MB of prompts must not be held"


def test_id_table_finds_each_id_and_its_place():
    table = IdTable()
    for i in range(5000):
        assert table.add(f"p{i}", i % 7, i + 1) is None
    assert all(table.add(f"p{i}", 9, 9) == (i % 7, i + 1) for i in range(5000))


def test_solutions(tmp_path):
    rows = [
        {"problem_id": "m1", "text": "5", "model": "ignored"},
        {"problem_id": 7, "text": "", "finish_reason": "stop"},
    ]
    path = write(tmp_path / "solutions.jsonl", *rows)
    found = list(read_solutions(path))
    assert [(one.problem_id, one.text, one.line, one.finish_reason) for one in found] == [
        ("m1", "5", 1, None),
        ("7", "", 2, "stop"),
    ]
    bad = write(
        tmp_path / "bad.jsonl", rows[0], {"problem_id": "m1"}, {"problem_id": "m2", "text": "", "finish_reason": 3}
    )
    faults = list(read_solutions(bad))[1:]
    assert [(fault.line, fault.field, fault.identity) for fault in faults] == [
        (2, "text", "m1"),
        (3, "finish_reason", "m2"),
    ]
    foreign = write(tmp_path / "foreign.jsonl", {"id": "m1", "out": {"text": "5"}, "end": {"type": "length"}})
    columns = {"problem_id": "id", "text": "out.text", "finish_reason": "end"}
    (one,) = read_solutions(foreign, columns)
    assert (one.problem_id, one.text, one.finish_reason) == ("m1", "5", "length")
    (fault,) = read_solutions(foreign, {**columns, "text": "generation"})
    assert fault.field == "generation" and "no such column" in fault.wrong


KEYLESS = [
    {**MATH, "id": "m", "reference": {}},
    {**MATH, "id": "n", "reference": {"answer": None}},
    {**MATH, "id": "c", "kind": "choice", "reference": {"options": ["a", "b"]}},
    {**MATH, "id": "s", "kind": "code", "reference": {"mode": "stdin"}},
    {**MATH, "id": "i", "kind": "code", "reference": {"mode": "stdin", "tests": [{"input": "1"}]}},
    {**MATH, "id": "f", "kind": "code", "reference": {"mode": "function", "entry_point": "f"}},
    {**MATH, "id": "a", "kind": "code", "reference": {"mode": "assert", "entry_point": "f"}},
]


def test_problems_without_an_answer_key_are_refused_and_counted_unless_they_are_asked_for(tmp_path):
    path = write(tmp_path / "set.jsonl", MATH, *KEYLESS)
    with pytest.raises(ProblemFileError) as error:
        check_problems(problems(path))
    assert error.value.num_faults == len(KEYLESS)
    assert f"{len(KEYLESS)} × the problem has no answer key" in str(error.value)
    assert str(error.value).count('an answer key, or problems.unchecked = "accept"') == len(KEYLESS)
    with pytest.raises(ProblemFileError, match="no answer key"):
        list(stream_problems(problems(path)))
    skipping = check_problems(problems(path, skip_bad=True))
    assert skipping.num_problems == 1 and f"{len(KEYLESS)} × the problem has no answer key" in skipping.describe()
    accepting = problems(path, unchecked="accept")
    summary = check_problems(accepting)
    assert (summary.num_problems, summary.num_keyless) == (len(KEYLESS) + 1, len(KEYLESS))
    assert f"{len(KEYLESS)} without an answer key" in summary.describe()
    assert [problem.id for problem in stream_problems(accepting)] == ["m1", *(row["id"] for row in KEYLESS)]


def test_to_accept_missing_keys_accepts_no_broken_ones(tmp_path):
    for reference in ({"answer": ""}, {"answr": "5"}, {"answer": 5}):
        path = write(tmp_path / "set.jsonl", {**MATH, "reference": reference})
        with pytest.raises(ProblemFileError, match=r"reference\.answ"):
            check_problems(problems(path, unchecked="accept"))


def test_layouts_whose_answer_is_missing_give_problems_without_a_key(tmp_path):
    body = {"messages": [{"role": "user", "content": "?"}]}
    verl = {"data_source": "d", "prompt": body["messages"], "ability": "math"}
    asked = {"custom_id": "o", "method": "POST", "url": "/v1/chat/completions"}
    files = {
        "math": ({"problem": "?", "answer": "5"}, {"problem": "?", "answer": None}),
        "verl": (
            {**verl, "reward_model": {"ground_truth": "5"}},
            {**verl, "reward_model": {"ground_truth": None}},
        ),
        "openai": (
            {**asked, "custom_id": "p", "body": {**body, "proofmill": {"kind": "math", "reference": {"answer": "5"}}}},
            {**asked, "body": {**body, "proofmill": {"kind": "math"}}},
        ),
    }
    for name, rows in files.items():
        path = write(tmp_path / f"{name}.jsonl", *rows)
        summary = check_problems(problems(path, unchecked="accept"))
        assert (summary.num_problems, summary.num_keyless, summary.sources[0].layout) == (2, 1, name)
        with pytest.raises(ProblemFileError, match="no answer key"):
            check_problems(problems(path))
    table = tmp_path / "table.csv"
    table.write_text("question,final\nfirst,5\nsecond,\n")
    mapped = {"layout": "columns", "kind": "math", "columns": {"prompt": "question", "reference.answer": "final"}}
    assert check_problems(problems(table, unchecked="accept", **mapped)).num_keyless == 1
    mapped["columns"] = {"prompt": "question"}
    assert check_problems(problems(table, unchecked="accept", **mapped)).num_keyless == 2
    with pytest.raises(ConfigError, match="no column for the reference"):
        check_problems(problems(table, **mapped))
