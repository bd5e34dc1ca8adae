"""Answers that are one letter, and sentences beside an answer that call it a part, a decoy or one of several."""

import pytest

from verifiers.math.judge import work
from verifiers.math.reading import sentences

ANOTHER_LETTER = [
    "The answer is C. D.",
    r"\boxed{C} | D",
    r"\boxed{\text{(C)}}. So it must be D.",
    "Answer: C\n\nThe right one is D.",
    "Answer: C\n\nBetter: D",
    "Answer: (C)\n\nHence the choice is (D).",
    "#### C\n\nSo I pick D.",
]
NO_ANSWER = [
    r"\boxed{#} is the distractor.",
    r"\boxed{#} is a tempting decoy.",
    r"\boxed{#} was just a guess.",
    r"This skips \boxed{#}.",
    r"That rules out \boxed{#}.",
    r"The first root is \boxed{#}.",
    r"The first solution is \boxed{#}.",
    r"The other case is \boxed{#}.",
    "Answer: #\n\nHence no option fits.",
    "Answer: #\n\nThus none of the options is right.",
    "Answer: #\n\nNone of these values works.",
    "Answer: #\nAnswer: ?",
    "\\boxed{#}\n\nFinal answer: unknown",
    "\\boxed{#}\n\nAnswer: ...",
]
STATED = [
    "Answer: #\n\nOption A is wrong because it is small.",
    "Answer: #\n\nNone of the other options is right.",
    "We rule out A. The answer is #.",
    r"The first term is \boxed{#}.",
    r"The smaller root is \boxed{#}.",
    r"The other solution is \boxed{#}.",
    r"The second solution is \boxed{#}.",
    r"This leaves \boxed{#}.",
]


def status(reference: str, text: str) -> str:
    return str(work({"reference": {"answer": reference}, "text": text})["status"])


@pytest.mark.parametrize("text", ANOTHER_LETTER)
def test_a_letter_that_another_one_follows_is_not_verified(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert status("C", text) == "malformed"
    monkeypatch.setattr(sentences, "_names_another_letter", lambda *_, **__: False)
    assert status("C", text) == "verified"


@pytest.mark.parametrize("text", NO_ANSWER)
def test_what_is_called_another_thing_is_no_answer(text: str) -> None:
    for answer in ("C", "5"):
        assert status(answer, text.replace("#", answer)) == "malformed"


@pytest.mark.parametrize("text", STATED)
def test_other_options_may_be_named(text: str) -> None:
    for answer in ("C", "5"):
        assert status(answer, text.replace("#", answer)) == "verified"
    assert status("D", text.replace("#", "C")) == "refuted"
