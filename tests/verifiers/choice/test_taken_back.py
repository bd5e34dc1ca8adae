"""Texts around an answer: what goes back on it, attributes it, hedges it or hides it, and what only explains it.

Texts stand one per line in `texts_taken_back.txt` and `texts_that_explain_c.txt`; ⏎ is a line break.
"""

import re
from pathlib import Path

import pytest
from steps import patterns_of, python_steps, repeats_without_bound

from verifiers import answer_words, enclosures
from verifiers.choice import behind, chosen, context, objects, reading, subject
from verifiers.choice.checker import ChoiceChecker
from verifiers.types import Kind, Problem, Status

QUESTION = "Which gas do plants absorb?"
OPTIONS = [
    ["oxygen", "nitrogen", "carbon dioxide", "helium"],
    ["4", "6", "7", "9"],
    ["The mass doubles", "The mass halves", "The mass stays constant", "None of the above"],
]
FOLDER = Path(__file__).parent


def texts(name):
    return [line.replace("⏎", "\n") for line in (FOLDER / name).read_text().split("\n") if line]


def status(text, options=OPTIONS[0], answer="C", question=QUESTION, finish_reason=None):
    problem = Problem("p", Kind.CHOICE, question, {"options": options, "answer": answer})
    return ChoiceChecker().verify(problem, text, finish_reason=finish_reason).status


BEFORE = ["", "We compare the options one by one.\n\n", "<think>\nIt is C.\n</think>\n\n"]


def test_an_answer_that_its_text_takes_back_is_not_verified():
    found = [
        text
        for index, text in enumerate(texts("texts_taken_back.txt"))
        for before, options in ((0, 0), (1 + index % 2, 1 + index // 2 % 2))
        if status(BEFORE[before] + text, OPTIONS[options]) is Status.VERIFIED
    ]
    assert found == []


def test_an_answer_about_gases_that_its_text_takes_back_is_not_verified():
    """What these texts say of their answer depends on the options' texts."""
    assert [text for text in texts("texts_of_gases_taken_back.txt") if status(text) is Status.VERIFIED] == []


def test_an_explained_answer_is_verified():
    explained = texts("texts_that_explain_c.txt")
    assert [text for text in explained if status(text) is not Status.VERIFIED] == []
    assert [text for text in explained if status(text, answer="D") is not Status.REFUTED] == []


@pytest.mark.parametrize(
    ("module", "guard", "off", "text"),
    [
        (reading, "_is_taken_further", lambda *_, **__: False, "Answer: C\n\nBetter: D"),
        (reading, "_is_taken_further", lambda *_, **__: False, r"\boxed{C} is ruled out."),
        (behind, "is_harmless_tail", lambda *_: True, "Answer: C (eliminated)"),
        (subject, "_faults_the_work", lambda *_: False, "Answer: C\n\nThe second step for the gas does not hold up."),
        (
            behind,
            "holds_on_to_the_subject",
            lambda *_: True,
            "Answer: C\n\nYet the facts point in the opposite direction.",
        ),
        (subject, "_is_led_to", lambda *_: False, "Answer: C\n\nIt turns out that oxygen is what the gas must be."),
        (
            subject,
            "_answers_with",
            lambda *_: False,
            "Answer: C\n\nThen again, it is mostly nitrogen that plants need.",
        ),
        (context, "_WHICH", re.compile("(?!)"), "Which answer is wrong? The answer is C."),
        (behind, "is_harmless_sentence", lambda *_: True, "Answer: C\n\nTeacher: rejected."),
        (context, "is_badly_introduced", lambda *_: False, "Bob said:\n\nThe answer is C."),
        (reading, "is_of_another_author", lambda *_: False, "Alice's solution:\n\nWe add.\n\n\\boxed{C}"),
        (objects, "_is_outermost", lambda *_: True, '{"steps": [{"answer": "C"}]}'),
        (context, "_gives_nothing", lambda *_: False, "I ran out of time.\n\nAnswer: C"),
        (context, "_is_a_bad_heading", lambda *_, **__: False, "**Bob**\n\nAnswer: C"),
        (context, "has_unknown_mark", lambda *_: False, ":( Answer: C"),
        (context, "is_quoted", lambda *_: False, 'So "the answer is C.'),
        (enclosures.Enclosures, "hides", lambda *_, **__: "", "% \\boxed{C}"),
        (objects, "is_plain_object", lambda *_: True, '{"answer": "C", "retracted": true}'),
        (reading, "is_counted_lead", lambda *_, **__: True, r"Alice gets \boxed{C}."),
        (answer_words, "TAIL", answer_words.TAIL | {"tempting"}, r"\boxed{C} is tempting."),
    ],
)
def test_each_guard_is_what_refuses_its_text(monkeypatch, module, guard, off, text):
    assert status(text) is not Status.VERIFIED
    monkeypatch.setattr(module, guard, off)
    assert status(text) is Status.VERIFIED


def test_words_of_the_question_may_lead_to_a_box():
    text = "Thus, the total force on the plate is:\n\n\\[\n\\boxed{C}\n\\]"
    assert status(text, question="What is the total force on the plate?") is Status.VERIFIED
    assert status(text, question="Which?") is Status.MALFORMED


def test_an_explanation_that_was_cut_off_leaves_a_complete_answer():
    text = "The answer is C.\n\nPlants absorb carbon dioxide, and they rel"
    assert status(text, finish_reason="length") is Status.VERIFIED
    assert status("The answer is C.\n\nI take it back. Plants absorb", finish_reason="length") is Status.MALFORMED


FLOODS = [
    *(
        "e.g. ",
        "** . ",
        "A: B. ",
        "C is right. ",
        "<!-- ",
        "~~ ",
        '{"a": ',
        '{"answer": "C"} ',
        "`C` ",
        "```\n",
        "❌ ",
        "D, ",
    ),
    *(
        "I guess. ",
        "the following is wrong. ",
        "\\verb|",
        "- [ ] C\n",
        "“ ",
        "not A, ",
        "Explanation: ",
        "Plants take up gas. ",
        "其中，",
        "\\footnote{",
    ),
]


@pytest.mark.parametrize("flood", FLOODS)
def test_the_cost_is_linear(flood):
    checker = ChoiceChecker()
    problem = Problem("p", Kind.CHOICE, QUESTION, {"options": OPTIONS[0], "answer": "C"})
    counts = []
    for size in (4_000, 8_000):
        text = f"Answer: C\n\n{(flood * size)[:size]}"
        counts.append(python_steps(lambda text=text: checker.verify(problem, text)))
    assert counts[1] <= 2.2 * counts[0] + 3_000, counts


def test_no_pattern_repeats_without_bound():
    for name, pattern in {
        **patterns_of(behind),
        **patterns_of(chosen),
        **patterns_of(objects),
        **patterns_of(subject),
        **patterns_of(enclosures),
        **patterns_of(answer_words),
    }.items():
        assert not repeats_without_bound(pattern), name
