"""Of what the sentence before an answer speaks: of the answer, or of something near it."""

import pytest

from verifiers.math.judge import work

NEAR_THE_ANSWER = [
    "The ceiling of the answer is @.",
    "Thrice the answer is @.",
    "The denominator of the answer is @.",
    "The hypothetical answer is @.",
    "The plausible-looking answer is @.",
    "The answer to a simpler exercise is @.",
    "The answer in the appendix is @.",
    "The answer given by Carol is @.",
    "The answer plus two is @.",
    "The answer mod 9 is @.",
    "The answer rounds to @.",
    "Up to a factor, the answer is @.",
    "In base 9, the answer is @.",
    "Granted that $k$ is odd, the answer is @.",
    "For most k, the answer is @.",
    "By intuition, the answer is @.",
    "From memory, the answer is @.",
    "As far as I can see, the answer is @.",
    "It is a myth that the answer is @.",
    "I heard the answer is @.",
    "Naively, we get @.",
    "Nobody got @.",
    "It skips @.",
    "The decoy is @.",
    "The forbidden value is @.",
    "The problem number is @.",
    r"@ $\pm 2$.",
    r"@ \cdot 3.",
    r"@ \bmod 9.",
    "@ ± 2.",
    "@ [sic].",
    "@ (7).",
    "@ | 7.",
    "@ becomes 7.",
    "@, i.e., 7.",
]


@pytest.mark.parametrize("text", NEAR_THE_ANSWER)
def test_something_near_the_answer(text):
    result = work({"reference": {"answer": "5"}, "text": text.replace("@", r"$\boxed{5}$")})
    assert result["status"] == "malformed"
