"""Sentences around an answer: suppositions, attributions, guesses, revisions; and honest ones that look alike."""

import pytest

from verifiers.math.judge import work


def status(text: str, answer: str = "5") -> str:
    return work({"reference": {"answer": answer}, "text": text})["status"]


UNREAL = [
    "If n were odd, the answer would be {}.",
    "If we had two more, the answer would be {}.",
    "Otherwise the answer would be {}.",
    "For France, the answer would be {}.",
    "When n = 1, the answer is {}.",
    "Ignoring the constraint, the answer is {}.",
    "Conjecture: the answer is {}.",
    "Tom thinks the answer is {}.",
    "ChatGPT says the answer is {}.",
    "There is no way the answer is {}.",
    "We want to show the answer is {}.",
    "According to my friend, the answer is {}.",
]
GUESSED = [
    r"We cannot get \boxed{5}.",
    r"Do not write \boxed{5}.",
    r"One might think \boxed{5}.",
    r"A common error gives \boxed{5}.",
    r"Maybe \boxed{5}.",
    r"Suppose \boxed{5}.",
    r"The answer could be \boxed{5}.",
    r"The answer for n=1 is \boxed{5}.",
    r"Incorrectly, \boxed{5}.",
    r"e.g. \boxed{5}",
    r"\boxed{5}, then 6",
    r"\boxed{5} with remainder 2.",
    r"\boxed{5} (guess)",
    r"\boxed{5} is the old answer.",
]
REVISED = [
    "Never mind, it's 6.",
    "Ignore that.",
    "Alternatively, 6.",
    "So the total is 6.",
    "Therefore x = 6.",
    "I forgot the factor 2.",
    "This is only a guess.",
    "There is no solution.",
    "I cannot determine the answer.",
    "Attempt 2: 6",
]


@pytest.mark.parametrize("sentence", UNREAL)
def test_a_supposition_or_an_attribution_is_no_answer(sentence):
    assert status(sentence.format("5")) == "malformed"
    assert status(sentence.format(r"\boxed{5}")) == "malformed"
    assert status(sentence.format("4") + "\n\nThe answer is 5.") == "verified"


@pytest.mark.parametrize("text", GUESSED)
def test_a_box_that_is_guessed_or_qualified(text):
    assert status(text) == "malformed"
    assert status("We add 2 and 3.\n\n" + text) == "malformed"


@pytest.mark.parametrize("sentence", REVISED)
def test_an_answer_that_is_revised(sentence):
    assert status(f"\\boxed{{5}}\n\n{sentence}") == "malformed"
    assert status(f"The answer is 5. {sentence}") == "malformed"


@pytest.mark.parametrize(
    "text",
    [
        "Since 2 + 3 = 5, the answer is 5.",
        "If we add 2 and 3, the answer is 5.",
        "We conclude that the answer is 5.",
        "By symmetry the answer is 5.",
        r"The number of students who did not pass is $\boxed{5}$.",
        r"The average amount guessed is 10/2 = \boxed{5}.",
        r"His guess is off by 900 - 895 = \boxed{5}.",
        "\\boxed{5}\n\nCheck: 2 * 5 = 10, as required.",
        "\\boxed{5}\n\nSo the answer is 5.",
        "\\boxed{5}\n\nThis is because 2 + 3 = 5.",
        r"In simplest form, the answer is \boxed{5}.",
        r"We cannot use more, so the answer is \boxed{5}.",
        r"For all n, we get \boxed{5}.",
    ],
)
def test_honest_sentences(text):
    assert status(text) == "verified"
