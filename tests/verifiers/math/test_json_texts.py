"""Texts that are one JSON object: which keys may stand beside the answer, and what they may say."""

import pytest

from verifiers.math.judge import work


def status(text: str, answer: str = "5") -> str:
    return work({"reference": {"answer": answer}, "text": text})["status"]


@pytest.mark.parametrize(
    "other",
    [
        '"correct": false',
        '"confidence": 0.01',
        '"status": "wrong"',
        '"final": 6',
        '"final": "5"',
        '"corrected_answer": 6',
        '"final_answer": "6"',
        '"note": "this is wrong"',
        '"unit": "percent"',
        '"base": 7',
        '"relation": ">"',
        '"answers": [5, 6]',
        '"explanation": {"answer": "6"}',
        '"explanation": "I am not sure, I guessed"',
        '"explanation": "Actually it should be 6"',
        '"reasoning": "2 + 4 = 6, so the answer is 6."',
        '"steps": ["2 + 3 = 5", "Wait, that is wrong."]',
        '"guess": true',
    ],
)
def test_another_key_that_may_change_the_answer(other):
    assert status(f'{{"answer": "5", {other}}}') == "malformed"
    assert status(f'```json\n{{{other}, "answer": 5}}\n```') == "malformed"


@pytest.mark.parametrize(
    "text",
    [
        r'{"not_answer": "\\boxed{5}"}',
        r'{"student_answer": "\boxed{5}"}',
        r'{"question": "\\boxed{5}"}',
        r'{"guess": "\sqrt{25}, \boxed{5}"}',
        r"student_answer: \boxed{5}",
        r"previous_answer = \boxed{5}",
        r"answer_a: $\boxed{5}$",
        '{"answer": null}',
        '{"answer": ["5"]}',
        r'The result is {"guess": "\boxed{5}"}',
    ],
)
def test_a_key_that_names_no_final_answer(text):
    assert status(text) == "malformed"


@pytest.mark.parametrize(
    "text",
    [
        '{"answer": "5"}',
        '{"answer": 5}',
        r'{"answer": "\\boxed{5}"}',
        r'{"answer": "\boxed{5}"}',
        '{"reasoning": "2 + 3 = 5.", "answer": 5}',
        '{"reasoning": "We add 2 and 3. So the answer is 5.", "final_answer": "5"}',
        '{"steps": ["2 + 3", "this is 5"], "answer": "5"}',
        '{"id": 17, "problem": "What is 2 + 3?", "answer": "5"}',
        "Here it is:\n\n\\boxed{5}",
    ],
)
def test_an_object_with_an_answer(text):
    assert status(text) == "verified"


def test_a_fraction_whose_backslash_was_not_doubled():
    assert status(r'{"answer": "\frac{3}{4}"}', r"\frac{3}{4}") == "verified"
