"""Sentences behind an answer that speak of nothing that the text speaks of: they may go back on it in any words.

`loose_sentences.txt` holds some, one per line, which no table of phrases knows.
"""

from pathlib import Path

import pytest

from verifiers.math.judge import work
from verifiers.math.reading import passages

FORMS = ["We multiply 2 by 3.\n\nThe answer is 6. {}", "We multiply 2 by 3.\n\n\\[\n\\boxed{{6}}\n\\]\n\n{}"]
LOOSE = (Path(__file__).parent / "loose_sentences.txt").read_text().splitlines()
HONEST = [
    "I hope this helps!",
    "This completes the solution.",
    "We are done.",
    "QED.",
    "Final answer: 6",
    "The final answer is 6. I hope it is correct.",
    "**Verification:** $2 \\cdot 3 = 6$.",
    "Let me know if you have any questions.",
    "Multiplying is repeated adding.",
    "apples",
    "square units",
    "Thus the equation holds.",
    "Therefore, the correct answer is 6.",
    "This is the desired value.",
    "In conclusion:\n\n$2 \\cdot 3 = 6$",
    "Note that the order does not matter when we multiply.",
]


def status(text: str, finish_reason: str | None = None) -> str:
    return str(work({"reference": {"answer": "6"}, "text": text, "finish_reason": finish_reason})["status"])


@pytest.mark.parametrize("form", FORMS)
def test_a_loose_sentence_leaves_no_answer(form: str) -> None:
    assert len(LOOSE) > 80
    assert [sentence for sentence in LOOSE if status(form.format(sentence)) != "malformed"] == []


@pytest.mark.parametrize("form", FORMS)
def test_without_the_rule_they_are_accepted(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passages, "is_loose", lambda *_: False)
    assert [sentence for sentence in LOOSE if status(form.format(sentence)) != "verified"] == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sentence", HONEST)
def test_closing_confirming_and_explaining_sentences_leave_it(form: str, sentence: str) -> None:
    if form is FORMS[0] and sentence in ("apples", "square units"):
        form = "We multiply 2 by 3.\n\n#### 6\n{}"
    assert status(form.format(sentence)) == "verified"


def test_the_last_sentence_of_a_text_that_was_cut_off_is_not_read() -> None:
    text = FORMS[1].format("Another way to see it is to draw a rectangle with")
    assert status(text, "length") == "verified"
