"""Whether the sentence in front of an answer speaks of the answer or of something near it."""

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
    "La respuesta no es @.",
    "Según Juan, la respuesta es @.",
    "Si n est impair, la réponse est @.",
    "La risposta non è @.",
    "Ответ, возможно, @.",
    "答案可能是@。",
    "In theory it is @.",
    "It never equals @.",
]


@pytest.mark.parametrize("text", NEAR_THE_ANSWER)
def test_something_near_the_answer(text):
    result = work({"reference": {"answer": "5"}, "text": text.replace("@", r"$\boxed{5}$")})
    assert result["status"] == "malformed"


@pytest.mark.parametrize(
    ("reference", "text", "status"),
    [
        (r"(5,\infty)", r"So the solution is $x \in \boxed{(5,\infty)}.$", "verified"),
        (r"[-36,104]", r"We need $k \in \boxed{[-36,104]}$.", "verified"),
        (r"\{1,2\}", r"Hence $x \in \boxed{\{1,2\}}$.", "verified"),
        ("5", r"Hence $x \in \boxed{5}$.", "malformed"),
    ],
)
def test_membership_states_a_set_and_no_number(reference: str, text: str, status: str) -> None:
    assert work({"reference": {"answer": reference}, "text": text})["status"] == status
