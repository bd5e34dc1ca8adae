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
STATED = [
    "An approximate answer is 5.",
    "A possible answer is 5.",
    "One answer is 5.",
    "Bob's answer is 5.",
    "The old answer is 5.",
    "The expected answer is 5.",
    "Incorrect solution: ... the answer is 5.",
    "Answer: x ≈ 5",
    "Answer: max 5",
    "#### ~5",
    "The answer is ~~5~~",
    "The answer is 5[1]",
    "The answer is 5 [1]",
    "The answer is 5. Not!",
    "The answer is 5 per cent",
    "The answer is 5%",
    "The answer is given by $(5)$.",
    "The answer is 5th",
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
    "Checking: 5 fails.",
    "But 5 does not satisfy the equation.",
    "Note that 5 is extraneous.",
    "Let me redo this.",
    "Let me recompute.",
    "Let's re-check.",
    "I need to recalculate.",
    "Next we test n = 17, for which we need",
    "Now suppose that n is even, so we get",
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


@pytest.mark.parametrize("text", STATED)
def test_a_statement_of_something_else_than_the_answer(text):
    assert status(text) != "verified"
    assert status("We add 2 and 3.\n" + text) in ("malformed", "undecided")


@pytest.mark.parametrize(
    "heading", ["**Thinking:**", "### Thinking", "Thinking...", "Analysis:", "<proof>", "<R>", "<o1>"]
)
@pytest.mark.parametrize("statement", ["We get \\boxed{5}.", "The answer is 5."])
def test_a_draft_that_goes_on_behind_its_answer_and_breaks_off(heading, statement):
    for rest in ("Next we test n = 17, for which we need", "Now we test n = 17, so", "But then n is odd, which"):
        assert status(f"{heading}\n{statement} {rest}") == "malformed"
        assert status(f"{heading}\n{statement}\n{rest}") == "malformed"
    assert status(f"{heading}\n2 + 3 = 5.\n\n{statement}") == "verified"


@pytest.mark.parametrize(
    "tail",
    ["I hope it is correct", "Let me know if you need more help", "\\end{document}", "This completes the proof."],
)
def test_what_may_follow_an_answer(tail):
    assert status(f"\\boxed{{5}}\n\n{tail}") == "verified"
    assert status(f"The answer is 5.\n\n{tail}") == "verified"


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
