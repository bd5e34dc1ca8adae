"""The sentences above and below an answer: announcements of a wrong answer, retractions, doubts, further steps."""

import time

import pytest

from verifiers.math.judge import work

ANSWERS = [r"\boxed{5}", r"The answer is $\boxed{5}$.", "So the answer is 5.", "**Final Answer**: $5$", "#### 5"]
ABOVE = [
    "Here is a wrong solution:",
    "The following is incorrect.",
    "A faulty argument:",
    "A student wrote the following.",
    "Carol's attempt:",
    "Carol says:",
    "Find the flaw in this argument.",
    "Do not copy this:",
    "This is what not to write:",
    "An example of a response:",
    "My guess:",
    "I could not finish.",
    "I was unable to solve this.",
    "I have no clue.",
    "Not certain about this.",
    "The problem is ill-posed.",
    "Output format:",
    "Write your answer like this:",
    "Previous exercise:",
    "A similar problem:",
    "Second attempt (failed):",
    "Trivial bound:",
    "Case 2:",
    "**For k odd**",
    "When m is prime:",
    "Suppose $m=3$.",
    "Disregarding the last condition:",
    "Outdated answer:",
    "Prompt:",
    "Reciprocal of the answer:",
    "The square of the result:",
    "Discarded values:",
    "Typical errors:",
    "In millions:",
    "In binary:",
    "Half of the required number:",
    "Double the number below.",
    "The sentence below is a lie.",
    "Everything except:",
]
BELOW = [
    "Hang on, the sign is wrong.",
    "Not really.",
    "Nope.",
    "This only covers odd n.",
    "This leaves out the case n = 1.",
    "It is an underestimate.",
    "That was a hunch.",
    "I am just guessing.",
    "I have no proof.",
    "I doubt this.",
    "Perhaps.",
    "7 also works.",
    "Both 5 and 7 work.",
    "The other solution is 7.",
    "The true value is 7.",
    "Bob says 7, and he is right.",
    "Substituting gives 0 = 2.",
    "This violates the first condition.",
    "Hence we exclude it.",
    "Everything above is nonsense.",
    "Just joking!",
    "(sarcasm)",
    "At least, that is what Carol believes.",
    "The above was written by a student; find the mistake.",
    "Grade: 1/10.",
    "Evaluation: incorrect.",
    "So x = 7.",
    "Thus we have seven.",
    "Seven is the answer.",
    "Therefore there are 7 apples.",
    "So the total is 5 + 2.",
    "And adding 2 we get $5+2=7$.",
    "Step 3: add two.",
    "- subtract one",
    "TODO: halve it.",
    "It remains to add 2.",
    "We are not finished yet.",
]


def status(text: str) -> str:
    return work({"reference": {"answer": "5"}, "text": text})["status"]


@pytest.mark.parametrize("above", ABOVE)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_announcement_above_the_answer(above, answer):
    assert status(f"{above}\n\n{answer}") == "malformed"


@pytest.mark.parametrize("below", BELOW)
@pytest.mark.parametrize("answer", ANSWERS)
def test_an_undoing_below_the_answer(below, answer):
    assert status(f"{answer}\n\n{below}") == "malformed"


def test_a_wrong_solution_that_is_announced_far_above():
    assert status("Here is a wrong solution:\n\nWe add 2 and 3.\n\nThis gives \\boxed{5}.") == "malformed"
    corrected = "Here is a wrong solution: 2 + 3 = 6.\n\nThe correct sum is 2 + 3.\n\nThis gives \\boxed{5}."
    assert status(corrected) == "verified"


@pytest.mark.parametrize("part", ["a ", "So ", "** ", "guess", "\n", "the answer ", "5 = ", "not ", "(", "\\\\"])
def test_long_passages_are_read_in_time_that_grows_with_their_length(part):
    """Processor time, with a bound far above what a reader needs that looks at every character once."""
    began = time.process_time()
    status(part * 50_000 + "\n\n\\boxed{5}.\n\n" + part * 50_000)
    assert time.process_time() - began < 20
