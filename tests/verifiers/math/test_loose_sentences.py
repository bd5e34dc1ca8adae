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

ATTRIBUTED = [
    "My first instinct told me: the answer is 6.",
    "In the forum somebody wrote: the correct answer is 6.",
    "Many websites state that the correct answer is 6.",
    "Rumour has it that the answer is 6.",
    "It has been suggested that the answer is 6.",
    "It is commonly assumed that the answer is 6.",
    "An earlier version of this solution ended with: The answer is 6.",
    "Someone scribbled in the margin: Answer: 6",
    "The teacher marked this as wrong: Answer: 6",
    "A common misconception is that the answer is 6.",
    "The hint on the back reads: the answer is 6.",
    "In some editions the answer is 6.",
    "We can safely exclude that the answer is 6.",
    "I fail to see how the answer is 6.",
    "Wrong: Answer: 6",
]
OWN = [
    "We conclude that the answer is 6.",
    "This tells us that the answer is 6.",
    "By the product rule, the answer is 6.",
    "So the correct answer is 6.",
    "We have shown that the answer is 6.",
    "Final result: the answer is 6.",
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


def test_an_answer_that_somebody_else_gives_or_the_text_denies_is_none() -> None:
    assert [text for text in ATTRIBUTED if status(f"We multiply 2 by 3. {text}") == "verified"] == []
    assert [text for text in OWN if status(f"We multiply 2 by 3. {text}") != "verified"] == []
