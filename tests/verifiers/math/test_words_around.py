"""The sentence around a box: only what is known to leave its value as it is may stand there."""

import pytest

from verifiers.math.judge import work


def status(text: str, answer: str = "5") -> str:
    return work({"reference": {"answer": answer}, "text": text})["status"]


BOUNDS = [
    "at least",
    "at most",
    "up to",
    "no more than",
    "about",
    "Approximately",
    "roughly",
    "around",
    "just over",
    "within",
    "close to",
    "circa",
    "some",
]
LABELS = [
    "Lower bound",
    "Upper limit",
    "Estimate",
    "Hint",
    "Bob",
    "Draft",
    "Error",
    "Not yet",
    "Rounded",
    "Case n even",
    "Part (b)",
    "Option 1",
    "My friend's answer",
]
BEFORE = [
    "A lower bound is @.",
    "The estimate is @.",
    "An approximate answer is @.",
    "One root is @.",
    "When n=1 it is @.",
    "If n is odd, @.",
    "For positive x, @.",
    "Assuming independence, @.",
    "My friend got @.",
    "The book says @.",
    "The student's answer is @.",
    "I think @.",
    "It could be @.",
    "Let us test @.",
    "Take n = @.",
    "Is it @",
    "Multiply by @.",
    "No answer. @",
    "I do not know. @",
    "I am not sure. @",
    "Just a guess: @",
    "Incorrect solution: ... the answer is @.",
    "- @",
]
BEHIND = [
    "@ more.",
    "@ less.",
    "@ more than the number.",
    "@ pairs of them.",
    "@ times as large.",
    "@ fold.",
    "@ approx.",
    "@ out of 6.",
    "@ versus 6.",
    "@ hundredths.",
    "@ for n odd, 6 for n even.",
    "@ in the first case.",
    "@ on Earth.",
    "@ if n is odd.",
    "@ at noon.",
    "@ for Bob.",
    "@ according to Bob.",
    "@, said Bob.",
    "@, roughly.",
    "@, at least.",
    "@, though 6 also works.",
    "@ is one solution.",
    "The answer is @ for part (a).",
    "The answer is @ with probability 1/2.",
    "The answer is @ to the nearest ten.",
    "The answer is @ in the first case.",
    '"The answer is @" is what a careless student writes.',
    "When x>0, @; when x<0, 6.",
    "x is less than or equal to @.",
    "Answer to (a): @",
    "(a) @",
    "In the case n=1: @",
    "The value for n=1 is @.",
    "Ignoring friction, @.",
    "@ k",
    "@ M",
    "@ years ago.",
    "@ minutes early.",
    "@ is close.",
    "@ is approximately right.",
    "@ is the number of cases, not the answer.",
    "@ could work.",
    "@ needs to be halved.",
    "@, which we halve.",
    "@, doubled.",
    "@ (n odd)",
    "@ (n = 1)",
    "@ (?)",
    "@ [1]",
    "@, \\ldots",
    "@. Now double it.",
    "@. This is an upper bound.",
    "@. This is the answer to part (a).",
    "@. Just kidding.",
]


@pytest.mark.parametrize(
    "sentence", [*(f"{bound} @." for bound in BOUNDS), *(f"{label}: @" for label in LABELS), *BEFORE, *BEHIND]
)
@pytest.mark.parametrize("box", [r"\boxed{5}", r"$\boxed{5}$", r"\[ \boxed{5} \]", r"\(\boxed{5}\)", r"**\boxed{5}**"])
def test_a_sentence_that_qualifies_what_is_in_the_box(sentence, box):
    text = sentence.replace("@", box)
    assert status(text) == "malformed"
    assert status("We add 2 and 3.\n\n" + text) == "malformed"


@pytest.mark.parametrize(
    "text",
    [
        "Approximately\n\\[ \\boxed{5} \\]",
        "The answer is at least\n\n$$\n\\boxed{5}\n$$",
        "\\[ \\boxed{5} \\]\nif n is odd.",
        "\\[ \\text{at least } \\boxed{5} \\]",
        "\\[ \\boxed{5} \\text{ more than } x \\]",
    ],
)
def test_a_sentence_goes_on_across_a_displayed_formula(text):
    assert status(text) == "malformed"


HONEST = r"""
The smallest such n is @.
Then x = @, as claimed.
So the required number is simply @.
Adding these up yields @ in total.
Hence Anna pays @ dollars in all.
Final Answer: The final answer is @. I hope it is correct.
So we have @ as our answer.
For $x = 2$, the value of the expression $x^2+1$ is @.
When $x = 2$, we get $x^2+1 = @$.
Since n is odd, the answer is @.
Our desired answer is then $2+3=@$.
**Final answer** @
Putting it all together: @
The train travels at @ km/h.
The least common multiple of 1 and 5 is @.
She can buy at most 5, so the maximum number is @.
The probability that at least one of them wins is @.
The number of integers that are greater than 3 and less than 9 is @.
There are @ ways to arrange the letters.
There are exactly @ ordered pairs.
The maximum of @ is attained when $x=1$.
This leaves a remainder of @ when divided by 7.
He ate @ apples on Monday.
It takes Nate @ weeks to fill all the holes.
The area is $\frac{10}{2}$ or @.
She needs @ more apples.
The lights blink a total of @ times.
Therefore @, because $2+3=5$.
This simplifies to @.
@ is the answer.
@ square units.
Mrs. Read can knit @ pairs of mittens with the large ball.
所以答案是 @。
Die Antwort ist @.
So the answer is @ (mod 7).
The area is @ (square units).
Hence the speed is @ (since $2+3=5$).
@ is already in simplest form.
""".strip().split("\n")


@pytest.mark.parametrize("sentence", HONEST)
def test_honest_sentences_around_a_box(sentence):
    text = sentence.replace("@", r"\boxed{5}")
    assert status(text) == "verified"
    assert status(text, "6") == "refuted"
