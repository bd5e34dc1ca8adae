"""What must not reach a data set: each case gets in when its check is off, and is counted when it is on."""

from __future__ import annotations

import errno
import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from made_up_runs import mixed_samples, problem, reasoning, sample, write_run

from jobs.cli import main
from jobs.config import ConfigError, Problems
from jobs.errors import WorkerKilledError
from jobs.export import parallel, quality_filters
from jobs.export.contamination import ContaminationIndex, EvaluationItem, build_index
from jobs.export.pipeline import export
from jobs.export.settings import load_settings
from jobs.export.summary import Summary
from jobs.problems.load import stream_problems
from runstore.errors import StoredRunError
from runstore.schema import SAMPLE_SCHEMA
from verifiers import thoughts


def exported(
    tmp_path: Path, samples: list[dict[str, Any]], *overrides: str, format: Any = "sft"
) -> tuple[list[str], Summary]:
    """The exported completions (or problem ids, for rl), and what became of the others."""
    number = len(list(tmp_path.glob("run-*")))
    run = write_run(tmp_path / f"run-{number}", [*samples, sample("other", 90)])
    settings = load_settings(format, None, ["work.processes=1", "select.per_problem=50", *overrides])
    summary = export(settings, [run], str(tmp_path / f"out-{number}"))
    rows = pq.read_table(tmp_path / f"out-{number}" / "data" / "train.parquet").to_pylist()
    kept = [row["problem_id"] for row in rows] if format == "rl" else [row["completion"][0]["content"] for row in rows]
    return [text for text in kept if text not in ("other", sample("other", 90)["text"])], summary


LOOP = "So we try the other way and see that it fails. " * 40 + "The answer is \\boxed{1234567}."
MIXED = (
    reasoning(5, "1234567")
    + " "
    + "因此我们得到了这个方程的解并且检查它是否正确，然后把结果代回原来的等式里看看两边相等不相等"
)
CYRILLIC = "Сначала перенесём все слагаемые с неизвестным в одну сторону, потом разделим обе части. Ответ: 1234567"

BAD: list[tuple[str, dict[str, Any], str]] = [
    ("truncated", {"finish_reason": "length"}, "gates.truncated=false"),
    ("truncated", {"text": "<think> " + reasoning(4, "1")}, "gates.truncated=false"),
    ("truncated", {"text": "[THINK]" + reasoning(4, "1")}, "gates.truncated=false"),
    ("truncated", {"text": "<thinking>\n" + reasoning(4, "1")}, "gates.truncated=false"),
    ("truncated", {"text": "<|channel|>analysis<|message|>" + reasoning(4, "1")}, "gates.truncated=false"),
    ("loop", {"text": LOOP}, "gates.loop_share=1.0"),
    ("language_mixing", {"text": MIXED}, "gates.foreign_share=1.0"),
    (
        "language_mixing",
        {
            "text": "```python\nfrom math import gcd\n# 先读入两个整数\nprint(gcd(*map(int, input().split())))\n```",
            "kind": "code",
            "reference": json.dumps({"mode": "stdin", "tests": []}),
        },
        "gates.foreign_share=1.0",
    ),
    ("language_mixing", {"text": reasoning(5, "1234567") + " এখন আমরা সমীকরণটি সমাধান করি"}, "gates.foreign_share=1.0"),
    ("answer_without_work", {"text": "It is \\boxed{1234567}."}, "gates.min_work_tokens=0"),
    ("answer_without_work", {"text": "<think>\n\n</think>\n\nIt is \\boxed{1234567}."}, "gates.min_work_tokens=0"),
    ("answer_without_work", {"text": "$$\\boxed{\\frac{355}{113} + \\sqrt{7} - 2}$$"}, "gates.min_work_tokens=0"),
    (
        "luck",
        {"text": "We look at it and take \\boxed{4} at once.", "reference": json.dumps({"answer": "4"})},
        "gates.luck_agreement=0",
    ),
    (
        "luck",
        {"text": "We look at it and take \\boxed{4} at once.", "reference": json.dumps({"answer": "$4$"})},
        "gates.luck_agreement=0",
    ),
    (
        "luck",
        {
            "text": "Of the four it must be \\boxed{C}, surely.",
            "kind": "choice",
            "reference": json.dumps({"answer": "C"}),
        },
        "gates.luck_agreement=0",
    ),
    ("repair_round", {"round": 1, "parent_sample_index": 0}, "select.repairs=true"),
]


@pytest.mark.parametrize(("name", "over", "off"), BAD)
def test_gate(tmp_path: Path, name: str, over: dict[str, Any], off: str) -> None:
    row = sample("p", 0, **over)
    assert exported(tmp_path, [row], off)[0] == [row["text"]]
    kept, summary = exported(tmp_path, [row])
    assert kept == []
    assert summary.funnel == {name: 1, "exported": 1}


def test_every_mark_of_a_thought_is_looked_at() -> None:
    """The quick look that goes before the search for marks overlooks none."""
    marks = [mark for style in thoughts.STYLES for mark in style.example]
    cases = [change(mark) for mark in marks for change in (str, str.upper, lambda mark: mark.replace("<", "&lt;"))]
    assert quality_filters.may_hold_marks(pa.array([f"So {mark} it is" for mark in cases])).all()
    assert not quality_filters.may_hold_marks(pa.array(["So it is 5."])).any()


GOOD = [
    {"text": "<think> first this, then that </think> so we put it together and have \\boxed{1234567}."},
    {"text": CYRILLIC, "prompt": "Решите уравнение и объясните каждый шаг решения, пожалуйста."},
    {"text": "先算三乘四：3×4÷2×5÷3×6÷4×8÷5 = 48。再加上剩下的苹果，一共是1234567个。", "prompt": "一共有多少个苹果？"},
    {"text": CYRILLIC + " $\\frac{x}{2} + \\sqrt{y} = \\boxed{1234567}$", "prompt": "Решите уравнение, пожалуйста."},
    {"text": "Let α and β be the angles; then α + β = 90 and \\boxed{1234567} follows from the sum."},
    {"text": reasoning(5, "4"), "reference": json.dumps({"answer": "4"})},
    {"text": "def gcd(a, b): return a", "kind": "code", "reference": json.dumps({"mode": "stdin", "tests": []})},
    {"text": "1 + 1 = 2\n" * 5 + "\\boxed{1234567}"},
    {"text": "The tag `<think>` opens a thought, [THINK] does too, and so does <thinking>. " + reasoning(4, "1234567")},
]


@pytest.mark.parametrize("over", GOOD)
def test_gates_let_good_texts_pass(tmp_path: Path, over: dict[str, Any]) -> None:
    row = sample("p", 0, **over)
    assert exported(tmp_path, [row])[0] == [row["text"]]


def test_agreement_excuses_a_guessable_answer(tmp_path: Path) -> None:
    over = {"reference": json.dumps({"answer": "4"})}
    rows = [sample("p", at, text=f"By way number {at} we find that it is \\boxed{{4}}.", **over) for at in range(2)]
    assert len(exported(tmp_path, rows, "dedup.near=0")[0]) == 2


LEAN: dict[str, Any] = {
    "kind": "lean",
    "reference": json.dumps({"statement": "theorem t : True", "name": "t", "header": ""}),
}


@pytest.mark.parametrize(
    ("strict", "lax", "flag"),
    [
        ({"tier": "sandbox"}, {"tier": "none"}, "select.tiers=['sandbox']"),
        ({"variant": "plain"}, {"variant": "brief"}, "select.variants=['plain']"),
        ({"variant": "plain"}, {"variant": None}, "select.variants=['plain']"),
        (
            {"evidence": json.dumps({"audit": "kernel replay"})},
            {"evidence": json.dumps({"audit": "compiled", "detail": "kernel replay"})},
            "select.audits=['kernel replay']",
        ),
        ({}, {"evidence": json.dumps({"audit": "kernel replay", "vacuous": True})}, "gates.vacuous=true"),
    ],
)
def test_stricter_proofs(tmp_path: Path, strict: dict[str, Any], lax: dict[str, Any], flag: str) -> None:
    rows = [sample("p", 0, **LEAN, **strict), sample("p", 1, **LEAN, **lax)]
    run = write_run(tmp_path / "run", rows)
    for number, (override, expected) in enumerate([("gates.vacuous=false", [0, 1]), (flag, [0])]):
        out = tmp_path / f"out-{number}"
        export(load_settings("sft", None, ["work.processes=1", override]), [run], str(out))
        kept = pq.read_table(out / "data" / "train.parquet").to_pylist()
        assert [row["completion"][0]["content"] for row in kept] == [rows[at]["text"] for at in expected]


def test_duplicates_within_and_across_problems(tmp_path: Path) -> None:
    first = sample("p", 0, text=reasoning(3, "1234567", 200))
    again = sample("p", 1, text=first["text"] + "\n")
    nearly = sample("p", 2, text=first["text"] + " Done.")
    copied = sample("q", 0, prompt=first["prompt"], text=first["text"])
    rows = [first, again, nearly, copied]
    kept, summary = exported(tmp_path, rows)
    assert kept == [first["text"]]
    assert summary.funnel == {"exported": 2, "duplicate": 1, "near_duplicate": 1, "duplicate_across_problems": 1}
    kept, _ = exported(tmp_path, rows, "dedup.near=0", "dedup.across_problems=false")
    assert len(kept) == 3


def test_same_text_under_another_prompt_is_another_example(tmp_path: Path) -> None:
    one = sample("p", 0)
    prompt = "An altogether different question about the number of ways to colour a map with four colours."
    two = sample("q", 0, prompt=prompt, text=one["text"])
    assert len(exported(tmp_path, [one, two])[0]) == 2


def test_texts_differ_however_long_their_prompt(tmp_path: Path) -> None:
    prompt = " ".join(f"word{number}" for number in range(900))
    rows = [sample("p", at, prompt=prompt) for at in range(3)]
    assert len(exported(tmp_path, rows)[0]) == 3


def test_a_right_and_a_wrong_text_are_no_duplicates(tmp_path: Path) -> None:
    text = reasoning(1, "5", 80)
    rows = [sample("p", 0, text=text), sample("p", 1, text=text + " Or 6.", status="refuted")]
    assert len(exported(tmp_path, rows, format="kto")[0]) == 2


@pytest.mark.parametrize("format", ["sft", "preference", "kto"])
def test_a_text_with_two_verdicts_is_not_used(tmp_path: Path, format: str) -> None:
    """Two runs of the same problem, checked by different versions of a checker."""
    text = reasoning(3, "1234567")
    rows = [
        sample("p", 0, text=text),
        sample("p", 0, text=text, run_id="run-b", status="refuted"),
        *(sample("q", at, status=status) for at, status in enumerate(["verified", "refuted"])),
    ]
    run = write_run(tmp_path / "run", rows)
    summary = export(load_settings(format, None, ["work.processes=1"]), [run], str(tmp_path / "out"))
    # sft may not use the refuted text, and still must know that it is the verified one.
    others = {"status_refuted": 1, "exported": 1} if format == "sft" else {"exported": 2}
    assert summary.funnel == {"contradictory": 2, **others}


def shuffled_choices(listed: bool) -> list[dict[str, Any]]:
    """One multiple-choice problem, its options in another order for each sample, as `sampling.shuffle_choices` does."""
    question, options = "Which letter of the Greek alphabet comes third in it?", ["alpha", "beta", "gamma", "delta"]
    rows = []
    for at, order in enumerate(itertools.islice(itertools.permutations(options), 12)):
        answer = "ABCD"[order.index("gamma")]
        lines = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", order, strict=True))
        rows.append(
            sample(
                "c",
                at,
                kind="choice",
                prompt=f"{question}\n{lines}" if listed else question,
                reference=json.dumps({"options": order, "answer": answer}),
                messages=json.dumps([{"role": "user", "content": f"{question}\n{lines}"}]),
                status="verified" if at % 2 else "refuted",
                text=reasoning(at * 31 + 7, answer),
            )
        )
    return rows


@pytest.mark.parametrize("listed", [False, True])
def test_shuffled_options_are_one_problem(tmp_path: Path, listed: bool) -> None:
    run = write_run(tmp_path / "run", shuffled_choices(listed))
    chosen = export(
        load_settings("sft", None, ["work.processes=1", "select.per_problem=2"]), [run], str(tmp_path / "sft")
    )
    assert chosen.num_rows == 2
    pool = export(load_settings("rl", None, ["work.processes=1"]), [run], str(tmp_path / "rl"))
    assert pool.funnel == {"exported": 1}
    (row,) = pq.read_table(tmp_path / "rl" / "data" / "train.parquet").to_pylist()
    assert row["num_verified"] == len(row["verified_lengths"]) == 6


@pytest.mark.parametrize(
    "prompts",
    [
        ("Which is the LISTEN of these?", "Which is the SILENT of these?"),
        ("What is 21 + 30?", "What is 12 + 03?"),
        ("Pick one.\nA. alpha\nB. beta\nNot 12.", "Pick one.\nA. alpha\nB. beta\nNot 21."),
        ("Pick one.\nA. beta\nB. alpha\nNot 12.", "Pick one.\nA. alpha\nB. beta\nNot 21."),
    ],
)
def test_two_prompts_of_the_same_letters_are_two_problems(tmp_path: Path, prompts: tuple[str, str]) -> None:
    """Two runs used one id for two questions, whose texts are anagrams of each other and whose options are the same."""
    runs = []
    for number, prompt in enumerate(prompts):
        options = ["beta", "alpha"] if "A. beta" in prompt else ["alpha", "beta"]
        row = sample(
            "c",
            0,
            kind="choice",
            run_id=f"run-{number}",
            prompt=prompt,
            reference=json.dumps({"options": options, "answer": "AB"[options.index("beta")]}),
            messages=json.dumps([{"role": "user", "content": prompt}]),
            status="verified",
            text=reasoning(number * 31 + 7, "B"),
        )
        runs.append(write_run(tmp_path / f"run-{number}", [row]))
    settings = load_settings("sft", None, ["work.processes=1", "select.per_problem=1", "gates.luck_agreement=0"])
    assert export(settings, runs, str(tmp_path / "sft")).num_rows == 2


def test_against_an_earlier_export(tmp_path: Path) -> None:
    one, two = sample("p", 0), sample("p", 1)
    exported(tmp_path, [one])
    earlier = json.dumps([str(tmp_path / "out-0")])
    kept, summary = exported(tmp_path, [one, two], f"dedup.against={earlier}")
    assert kept == [two["text"]]
    assert summary.funnel["exported_earlier"] == 2  # with the sample that both runs end with


def test_nearly_exported_earlier_where_problems_may_repeat(tmp_path: Path) -> None:
    text = reasoning(1, "5", 80)
    exported(tmp_path, [sample("p", 0, text=text)])
    earlier = f"dedup.against={json.dumps([str(tmp_path / 'out-0')])}"
    prompt = sample("p")["prompt"]
    rows = [sample(name, 0, text=text + " Done.", prompt=prompt) for name in ("q", "r")]
    new = sample("s", 0)
    kept, summary = exported(tmp_path, [*rows, new], earlier, "dedup.across_problems=false")
    assert kept == [new["text"]] and summary.funnel["exported_earlier"] == 3


def test_two_runs_of_one_id_are_not_mixed_up(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name, [sample("p", 0, text=reasoning(seed, "1"))]) for seed, name in enumerate("ab")]
    with pytest.raises(ConfigError, match=r"two different runs have the id run-a .*--against"):
        export(load_settings("sft", None, ["work.processes=1"]), runs, str(tmp_path / "out"))


def test_runs_of_one_id_may_hold_different_problems(tmp_path: Path) -> None:
    rows = [[sample(name, at, status=["verified", "refuted"][at % 2]) for at in range(4)] for name in ("one", "other")]
    for number, prompt in enumerate(["What is the sum of all odd primes below ten?", "How many roads lead to Rome?"]):
        rows[number] = [{**row, "prompt": prompt} for row in rows[number]]
    runs = [write_run(tmp_path / name, samples) for name, samples in zip("ab", rows, strict=True)]
    pool = export(load_settings("rl", None, ["work.processes=1"]), runs, str(tmp_path / "out"))
    assert pool.funnel == {"exported": 2}
    assert "| algebra | 2 | 0 |" in (tmp_path / "out" / "README.md").read_text().split("## pass@k")[1]


def test_the_same_run_twice_gives_nothing_new(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    settings = load_settings("sft", None, ["work.processes=1"])
    once = export(settings, [run], str(tmp_path / "once"))
    twice = export(settings, [run, run], str(tmp_path / "twice"))
    assert once.num_rows == twice.num_rows
    assert twice.funnel["repeated_identity"] == len(mixed_samples())
    cards = [(tmp_path / name / "README.md").read_text().split("## pass@k")[1] for name in ("once", "twice")]
    assert cards[0] == cards[1]


EVALUATION = (
    "A train leaves the old station at noon and reaches the harbour after three hours of steady travel at sea level."
)


def evaluation_file(tmp_path: Path, *items: tuple[str, str]) -> str:
    path = tmp_path / "evaluation.jsonl"
    rows = [
        {"id": f"e{at}", "kind": "math", "prompt": prompt, "reference": {"answer": answer}}
        for at, (prompt, answer) in enumerate(items)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"decontaminate.files={json.dumps([str(path)])}"


def hits(tmp_path: Path) -> list[dict[str, Any]]:
    outs = sorted(tmp_path.glob("out-*/contamination.jsonl"))
    return [json.loads(line) for line in outs[-1].read_text().splitlines()]


@pytest.mark.parametrize("format", ["sft", "rl"])
def test_contaminated_prompt(tmp_path: Path, format: str) -> None:
    prompt = "Warm-up! A TRAIN leaves the old station, at noon, and reaches the harbour (after) three minutes."
    row = sample("p", 0, prompt=prompt)
    flag = evaluation_file(tmp_path, (EVALUATION, "5"))
    band = ["rl.high=1.0"]
    assert len(exported(tmp_path, [row], *band, format=format)[0]) == 1
    kept, summary = exported(tmp_path, [row], flag, *band, format=format)
    assert kept == [] and summary.funnel["contaminated_prompt"] == 1
    (hit,) = hits(tmp_path)
    assert hit["where"] == "prompt" and hit["item"] == "e0" and hit["problem_id"] == "p"
    assert hit["matching"] == "a train leaves the old station at noon and reaches"


def test_contaminated_solution(tmp_path: Path) -> None:
    row = sample("p", 0, text="I remember this one. " + EVALUATION + " The answer is \\boxed{1234567}.")
    flag = evaluation_file(tmp_path, (EVALUATION, "5"))
    assert exported(tmp_path, [row], flag, "decontaminate.solutions=false")[0] == [row["text"]]
    kept, summary = exported(tmp_path, [row], flag)
    assert kept == [] and summary.funnel["contaminated_text"] == 1
    assert hits(tmp_path)[0]["where"] == "text" and hits(tmp_path)[0]["sample_index"] == 0


def test_leaked_answer(tmp_path: Path) -> None:
    answer = "\\frac{355}{113} + \\sqrt{7}"
    row = sample("p", 0, answer=answer)
    flag = evaluation_file(tmp_path, ("Quite another question about ratios.", answer.replace(" ", "")))
    assert exported(tmp_path, [row], flag, "decontaminate.answer_chars=0")[0]
    kept, summary = exported(tmp_path, [row], flag)
    assert kept == [] and summary.funnel["leaked_answer"] == 1


def test_short_statements(tmp_path: Path) -> None:
    items = [
        EvaluationItem("f", "six", "Find the greatest common odd divisor"),
        EvaluationItem("f", "two", "Compute 2+2"),
    ]
    build_index(items, tmp_path / "index", 10, 12)
    index = ContaminationIndex(tmp_path / "index")
    texts = [
        "Please find the greatest common odd divisor of 4.",
        "Now compute 2 2 and go on.",
        "compute 2 + 2",
        "find it",
    ]
    found = index.find(pa.array(texts), "prompt")
    assert {at: hit.item for at, hit in found.items()} == {0: "six", 2: "two"}


def test_short_solutions_are_in_every_text(tmp_path: Path) -> None:
    items = [
        EvaluationItem("f", "e", EVALUATION, "42", "So the answer is 42."),
        EvaluationItem("f", "g", "", "", EVALUATION),
    ]
    build_index(items, tmp_path / "index", 10, 12)
    index = ContaminationIndex(tmp_path / "index")
    found = index.find(pa.array(["Six by seven, so the answer is 42 indeed.", "Hear: " + EVALUATION]), "text")
    assert list(found) == [1]


TEN_WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa"


@pytest.mark.parametrize(
    "text",
    [
        "Over ℝ and ℂ, with 𝐀 in ℤ: " + TEN_WORDS,
        TEN_WORDS.replace("beta", "be\u00adta").replace("eta theta", "e\u200bta\u00a0the\u2060ta"),
        "\ufeff" + TEN_WORDS.upper().replace(" ", " — "),
        TEN_WORDS.replace(" ", "\r\n").replace("kappa", "\uff4bappa"),
        TEN_WORDS.replace("beta", "𝒃eta").replace(" ", "\0"),
    ],
)
def test_normalisation_of_unicode(tmp_path: Path, text: str) -> None:
    build_index([EvaluationItem("f", "e", f"Over {TEN_WORDS} once")], tmp_path / "index", 10, 12)
    hits = ContaminationIndex(tmp_path / "index").find(pa.array([text + " and ℝ more words that follow"]), "text")
    assert hits[0].matching == TEN_WORDS


INTEGRAL = r"Compute \int _ 0 ^ 1 x ^ 2 \, d x and give the exact value of it"


@pytest.mark.parametrize(
    ("statement", "prompt"),
    [
        (EVALUATION, EVALUATION.replace(" ", "&nbsp;")),
        (EVALUATION, EVALUATION.replace("a", "&#97;").replace("e", "&#x65;")),
        (EVALUATION, EVALUATION.translate(str.maketrans("aeopcxyiTKHM", "аеорсхуіТКНМ"))),
        (EVALUATION, EVALUATION.replace("leaves", "lеaves").replace("station", "statiοn").replace("hours", "hоurs")),
        (EVALUATION, "".join(letter + "\u0301" * letter.isalpha() for letter in EVALUATION)),
        (EVALUATION, EVALUATION.replace("a", "à").replace("e", "ê")),
        (INTEGRAL, INTEGRAL.replace("d x", "dx")),
        (INTEGRAL.replace("d x", "dx"), "First: " + INTEGRAL + ". Then rest."),
        (INTEGRAL, INTEGRAL.replace(" ", "")),
        ("Is 2 + 2 = 5?", "Is 2+2=5?"),
        ("How many x y are there", "How many xy are there"),
    ],
)
def test_disguised_statements(tmp_path: Path, statement: str, prompt: str) -> None:
    row = sample("p", 0, prompt=prompt)
    kept, summary = exported(tmp_path, [row], evaluation_file(tmp_path, (statement, "5")))
    assert kept == [] and summary.funnel["contaminated_prompt"] == 1


@pytest.mark.parametrize(
    ("statement", "prompt"),
    [
        ("What is the sum of 3 and 1", "What is the sum of 3 and 15, written in words?"),
        ("Compute d x", "Now compute dx and go on."),  # too short for a part of another text
        ("x & y", "x &amp; z"),
        ("Сколько дорог ведёт в Рим из этого места?", "Сколько дорог ведёт в Рим отсюда?"),
        ("Let α be the sum of all angles", "Let β be the sum of all angles"),
    ],
)
def test_other_statements_are_not_taken_for_disguised_ones(tmp_path: Path, statement: str, prompt: str) -> None:
    row = sample("p", 0, prompt=prompt)
    assert exported(tmp_path, [row], evaluation_file(tmp_path, (statement, "5")))[0] == [row["text"]]


HEADER = "import Mathlib\nimport Aesop\n\nset_option maxHeartbeats 400000\n\nopen BigOperators Real Nat Topology Rat"
LAYOUTS: dict[str, tuple[dict[str, Any], str]] = {
    "humaneval": (
        {"task_id": "H/0", "prompt": "def add(a, b):", "entry_point": "add", "test": "def check(f): pass"},
        "def prime(n): ...",
    ),
    "mbpp": (
        {"task_id": 7, "text": "Add them.", "test_list": ["assert f(1) == 1, 'the first of all'"]},
        "def prime(n): ...",
    ),
    "livecodebench": (
        {
            "question_content": "Print it twice.",
            "public_test_cases": json.dumps([{"input": "1", "output": "11", "testtype": "stdin"}]),
            "private_test_cases": "",
        },
        "Print it thrice.",
    ),
    "minif2f": (
        {
            "name": "odd",
            "header": HEADER,
            "informal_prefix": "/-- Three is odd.-/",
            "formal_statement": "theorem odd : 3 % 2 = 1 := by",
        },
        "theorem square (x : ℝ) : 0 ≤ x ^ 2",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_words_that_a_layout_puts_around_every_problem_are_no_overlap(tmp_path: Path, layout: str) -> None:
    item, other = LAYOUTS[layout]
    path = tmp_path / "evaluation.jsonl"
    path.write_text(json.dumps(item) + "\n")
    (problem,) = stream_problems(Problems(files=[str(path)]))
    own = {"question_content": "Print it twice.", "prompt": "def add(a, b):", "text": "Add them."}
    said = next((text for key, text in own.items() if key in item), "theorem odd : 3 % 2 = 1")
    prompt = problem.prompt.replace(said, other).replace("the first of all", "").replace("Three is odd.", "")
    text = reasoning(5, "1234567") + f"\n```\n{HEADER}\n{other}\n```"
    flag = f"decontaminate.files={json.dumps([str(path)])}"
    kept, _ = exported(tmp_path, [sample("p", 0, prompt=prompt, text=text)], flag)
    assert kept == [text]


def test_an_evaluation_theorem_is_found_in_a_proof(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.jsonl"
    statement = "theorem four (a b c d : ℕ) (h : a < b) (g : b < c) (k : c < d) : a < d"
    reference = {"header": HEADER, "name": "four", "statement": statement}
    path.write_text(json.dumps({"id": "e", "kind": "lean", "prompt": "Prove it.", "reference": reference}) + "\n")
    row = sample("p", 0, text=reasoning(5, "1") + f"\n```lean4\n{statement} := by omega\n```")
    kept, summary = exported(tmp_path, [row], f"decontaminate.files={json.dumps([str(path)])}")
    assert kept == [] and summary.funnel["contaminated_text"] == 1


def test_every_hit_is_reported(tmp_path: Path) -> None:
    rows = [sample("p", at, text=f"{reasoning(at, '1234567')} {EVALUATION}") for at in range(1100)]
    _, summary = exported(tmp_path, rows, evaluation_file(tmp_path, (EVALUATION, "5")))
    assert len(hits(tmp_path)) == summary.hits == summary.funnel["contaminated_text"] == 1100


def test_a_collision_of_hashes_is_not_a_hit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.export.text_hashes.mix", lambda values: values & 7)
    build_index([EvaluationItem("f", "e", EVALUATION)], tmp_path / "index", 10, 12)
    index = ContaminationIndex(tmp_path / "index")
    assert index.find(pa.array([" ".join(str(n) for n in range(200))]), "text") == {}
    assert index.find(pa.array(["so " + EVALUATION]), "text")


def test_a_hit_names_its_file_and_sets_may_share_ids(tmp_path: Path) -> None:
    (tmp_path / "sets").mkdir()
    for name, prompt in (("a", "Something altogether different."), ("b", EVALUATION)):
        row = {"id": "1", "kind": "math", "prompt": prompt, "reference": {"answer": "5"}}
        (tmp_path / "sets" / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    for files in ("sets", "sets/*.jsonl"):
        flag = f"decontaminate.files={json.dumps([str(tmp_path / files)])}"
        exported(tmp_path, [sample("p", 0, prompt=EVALUATION)], flag)
        (hit,) = hits(tmp_path)
        assert hit["file"] == str(tmp_path / "sets" / "b.jsonl")


def test_nothing_left_by_the_decontamination_says_why(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [sample("p", 0, prompt=EVALUATION)])
    settings = load_settings("sft", None, ["work.processes=1", evaluation_file(tmp_path, (EVALUATION, "5"))])
    with pytest.raises(
        ConfigError, match=r"contaminated_prompt 1, .*; the first overlap is with e0 of .*'a train leaves"
    ):
        export(settings, [run], str(tmp_path / "out"))


def test_unreadable_evaluation_set_stops_the_export(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", mixed_samples())
    for files in (["missing.jsonl"], [str(tmp_path / "run" / "problems.parquet")]):
        settings = load_settings("sft", None, ["work.processes=1", f"decontaminate.files={json.dumps(files)}"])
        with pytest.raises(
            ConfigError, match=r"decontaminate\.files.*(no such file|write such a set as canonical JSONL)"
        ):
            export(settings, [run], str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_killed_worker_and_a_full_disk_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with parallel.worker_pool(2) as pool, pytest.raises(WorkerKilledError, match="want of memory"):
        list(parallel.in_order(pool, os._exit, [(1,)], 1))

    def full(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("jobs.export.pipeline.scan", full)
    run = write_run(tmp_path / "run", [sample("p", 0)])
    assert "--work-dir" in message(tmp_path, run, ConfigError)


def write_table(tmp_path: Path, table: pa.Table) -> str:
    folder = tmp_path / "odd"
    (folder / "samples").mkdir(parents=True)
    pq.write_table(table, folder / "samples" / "part.parquet")
    return str(folder)


def message(tmp_path: Path, run: str, kind: type[Exception] = StoredRunError) -> str:
    with pytest.raises(kind) as caught:
        export(load_settings("sft", None, ["work.processes=1"]), [run], str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    return str(caught.value)


GOOD_TABLE = pa.Table.from_pylist([sample("p", at) for at in range(4)], schema=SAMPLE_SCHEMA)


def test_source_errors_name_file_and_column(tmp_path: Path) -> None:
    assert "no samples/ folder" in message(tmp_path, str(tmp_path))
    assert "'text'" in message(tmp_path, write_table(tmp_path / "a", GOOD_TABLE.drop(["text"])))
    at = GOOD_TABLE.column_names.index("text")
    typed = GOOD_TABLE.set_column(at, "text", pa.array([1.5] * 4))
    assert "type double, expected string" in message(tmp_path, write_table(tmp_path / "b", typed))
    newer = GOOD_TABLE.replace_schema_metadata({"proofmill.schema_version": "99"})
    assert "schema version 99" in message(tmp_path, write_table(tmp_path / "c", newer))
    run = write_table(tmp_path / "d", GOOD_TABLE)
    path = Path(run) / "samples" / "part.parquet"
    path.write_bytes(path.read_bytes()[:-50])
    assert "not a whole Parquet file" in message(tmp_path, run)


def test_damage_inside_a_file_is_named(tmp_path: Path) -> None:
    run = write_table(tmp_path / "a", GOOD_TABLE)
    path = Path(run) / "samples" / "part.parquet"
    data = bytearray(path.read_bytes())
    data[100 : len(data) // 2] = bytes(len(data) // 2 - 100)
    path.write_bytes(bytes(data))
    assert f"{path}: cannot be read" in message(tmp_path, run)
    offsets, text = np.array([0, 2, 4, 6, 8], np.int32), b"ok\xff\xfeokok"
    foreign = pa.Array.from_buffers(pa.string(), 4, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(text)])
    at = GOOD_TABLE.column_names.index("text")
    run = write_table(tmp_path / "b", GOOD_TABLE.set_column(at, "text", foreign))
    assert "column 'text'" in message(tmp_path, run) and "UTF8" in message(tmp_path, run)


def test_older_schema_is_upgraded(tmp_path: Path) -> None:
    old = GOOD_TABLE.drop(["tier", "round", "meta", "mean_logprob"]).replace_schema_metadata(None)
    summary = export(
        load_settings("sft", None, ["work.processes=1"]), [write_table(tmp_path, old)], str(tmp_path / "out")
    )
    assert summary.num_rows == 4


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("messages", "not JSON"),
        ("messages", "[]"),
        ("messages", '[{"role": "user", "content": "half a character: \\ud835"}]'),
        ("messages", "[" * 100_000),
        ("reference", "[1]"),
        ("reference", '{"answer": "\\ud835"}'),
    ],
)
def test_bad_rows(tmp_path: Path, column: str, value: str) -> None:
    run = write_run(tmp_path / "run", [sample("p", 0), sample("p", 1, **{column: value}), sample("q", 0)])
    text = message(tmp_path, run)
    assert "problem p, sample 1" in text and column in text and "--skip-bad" in text
    settings = load_settings("sft", None, ["work.processes=1", "work.skip_bad=true"])
    summary = export(settings, [run], str(tmp_path / "out"))
    assert summary.num_rows == 2 and summary.funnel["bad_row"] == 1


def test_processes_and_buckets_do_not_change_the_rows(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", mixed_samples(40), parts=5)
    sets = []
    for number, overrides in enumerate([["work.processes=1"], ["work.processes=2"]]):
        out = tmp_path / f"out-{number}"
        export(load_settings("preference", None, overrides), [run], str(out))
        sets.append(pq.read_table(out / "data" / "train.parquet"))
    assert sets[0].equals(sets[1])


def test_many_buckets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = mixed_samples(40)
    run = write_run(tmp_path / "run", rows, parts=3)
    one = export(load_settings("sft", None, ["work.processes=1"]), [run], str(tmp_path / "one"))
    monkeypatch.setattr("jobs.export.pipeline.MEGABYTE", 1 << 7)
    many = export(load_settings("sft", None, ["work.processes=1"]), [run], str(tmp_path / "many"))
    assert one.funnel == many.funnel and sum(many.funnel.values()) == len(rows)
    ids = [set(pq.read_table(tmp_path / name / "data" / "train.parquet")["id"].to_pylist()) for name in ("one", "many")]
    # Which of two duplicates under different problems stays depends on the order of the buckets.
    assert len(ids[0] ^ ids[1]) <= 2 * one.funnel["near_duplicate_across_problems"]


def test_rl_pools_two_runs(tmp_path: Path) -> None:
    halves = []
    for name, right in (("run-a", 2), ("run-b", 4)):
        rows = [sample("p", at, run_id=name, status="verified" if at < right else "refuted") for at in range(8)]
        halves.append(write_run(tmp_path / name, rows, problems=[problem(rows)]))
    export(load_settings("rl", None, ["work.processes=1"]), halves, str(tmp_path / "out"))
    (row,) = pq.read_table(tmp_path / "out" / "data" / "train.parquet").to_pylist()
    assert row["pass_rate"] == (2 / 8 + 4 / 8) / 2
    assert (row["num_samples"], row["num_verified"]) == (16, 6)


def test_nothing_to_export(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [sample("p", 0, status="refuted")])
    assert "nothing to export" in (text := message(tmp_path, run, ConfigError)) and "status_refuted 1" in text


@pytest.mark.parametrize("format", ["sft", "preference", "kto", "rl", "prm"])
def test_nothing_but_bad_rows(tmp_path: Path, format: Any) -> None:
    run = write_run(tmp_path / "run", [sample("p", at, messages="?") for at in range(3)])
    settings = load_settings(format, None, ["work.processes=1", "work.skip_bad=true"])
    with pytest.raises(ConfigError, match=rf"nothing to export.*bad_row {1 if format == 'rl' else 3}"):
        export(settings, [run], str(tmp_path / "out"))


def test_bad_rows_of_a_pool_of_problems_are_counted_as_problems(tmp_path: Path) -> None:
    rows = [sample(name, at, status=["verified", "refuted"][at % 2]) for name in "pq" for at in range(4)]
    for row in rows[4:] + rows[:1]:
        row["messages"] = "?"
    run = write_run(tmp_path / "run", rows)
    settings = load_settings("rl", None, ["work.processes=1", "work.skip_bad=true"])
    assert export(settings, [run], str(tmp_path / "out")).funnel == {"bad_row": 1, "exported": 1}


def test_an_evaluation_set_of_any_columns_is_read_by_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "evaluation.jsonl"
    half = len(EVALUATION) // 2
    path.write_text(json.dumps({"Body": EVALUATION[:half], "Ask": EVALUATION[half:], "n": "5"}) + "\n")
    run = write_run(tmp_path / "run", [sample("p", 0, prompt=EVALUATION), sample("other", 90)])
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('kind = "math"\n[columns]\nprompt = {template = "{Body}{Ask}"}\n"reference.answer" = "n"\n')
    arguments = ["export", "sft", "--run", run, "--out", str(tmp_path / "out"), "--processes", "1"]
    assert main([*arguments, "--decontaminate", str(path)]) == 2, "its layout is not a known one"
    assert main([*arguments, "--mapping", str(mapping)]) == 2, "a mapping of nothing"
    assert main([*arguments, "--decontaminate", str(path), "--mapping", str(mapping)]) == 0
    rows = pq.read_table(tmp_path / "out" / "data" / "train.parquet").to_pylist()
    assert [row["prompt"][0]["content"] == EVALUATION for row in rows] == [False]
    assert json.loads((tmp_path / "out" / "export.json").read_text())["settings"]["decontaminate"]["sources"]
