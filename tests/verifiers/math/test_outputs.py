"""Whole outputs as models write them: where the final answer is, and when there is none."""

import pytest

from verifiers.math.judge import work

OUTPUTS = [
    # (reference, output, status)
    ("18", "Janet sells 16 - 3 - 4 = <<16-3-4=9>>9 eggs a day.\nShe makes 9 * 2 = $<<9*2=18>>18.\n#### 18", "verified"),
    ("18", "She makes 9 * 2 = $18 every day.\n#### 17", "refuted"),
    ("70000", "So he made $70,000 in profit.\n#### 70,000", "verified"),
    ("70000", "#### $70,000", "verified"),
    ("5", "Step 1: x + 2 = 7.\nStep 2: x = 5.\n\nThe final answer is $\\boxed{5}$.", "verified"),
    ("5", "Therefore, the answer is 5.", "verified"),
    ("5", "Therefore, the answer is $5$.", "verified"),
    ("5", "Therefore the answer is \\(5\\).", "verified"),
    ("5", "Therefore the answer is\n\n\\[ 5 \\]", "verified"),
    ("5", "**Answer:** 5", "verified"),
    ("5", "**Answer: 5**", "verified"),
    ("5", "**Final Answer**\n\nThe final answer is $\\boxed{5}$. I hope it is correct.", "verified"),
    ("5", "Answer: 5 apples", "verified"),
    ("5", "The answer is $x = 5$.", "verified"),
    ("5", "The answer is 5, since 5 + 2 = 7.", "verified"),
    ("5", "The answer is **5**.", "verified"),
    ("5", "Final Answer: $5$\n", "verified"),
    ("5", "the answer is: 5", "verified"),
    ("5", "Answer = 5", "verified"),
    ("5", "So our answer is $2+3=\\boxed{5}$.", "verified"),
    ("5", "$$\\boxed{5}$$", "verified"),
    ("5", "\\boxed 5", "verified"),
    ("5", "\\boxed{\\boxed{5}}", "verified"),
    ("5", "\\fbox{5}", "verified"),
    ("5", "\\boxed{5} \\boxed{5}", "verified"),
    ("5", "\\boxed{5}\n\nThe answer is 5.", "verified"),
    ("5", "First \\boxed{5}, that is \\boxed{x = 5}.", "verified"),
    ("5", "<think>\nMaybe \\boxed{4}? The answer is 6.\n</think>\n\nThe answer is \\boxed{5}.", "verified"),
    ("5", "Maybe \\boxed{4}...</think>\\boxed{5}", "verified"),
    ("5", "<think>a</think><think>\\boxed{4}</think>\\boxed{5}", "verified"),
    ("5", "The answer is 4. Wait, that is wrong. The answer is 5.", "verified"),
    ("5", "\\boxed{4}. Wait, I made a mistake. \\boxed{5}", "verified"),
    ("13", "The answer is 12? No, it is 13.", "verified"),
    ("12", "The answer is 12? No, it is 13.", "refuted"),
    ("12", "The answer is 12. Actually, the answer is 13.", "refuted"),
    ("5", "5", "verified"),
    ("5", "$5$", "verified"),
    ("5", "x = 5", "verified"),
    ("5", " 5.\n", "verified"),
    ("1,2", "The solutions are \\boxed{1} and \\boxed{2}.", "verified"),
    ("1,2", "\\boxed{1}, \\boxed{2}", "verified"),
    ("1,2", "\\boxed{1, 2}", "verified"),
    ("\\frac{3}{4}", "The probability is $\\boxed{\\frac{3}{4}}$.", "verified"),
    ("\\frac{3}{4}", "The answer is 3/4.", "verified"),
    ("0.5", "The answer is 0.5.", "verified"),
    ("0.5", "The answer is .5", "verified"),
    ("3.14", "The answer is 3.14. Done.", "verified"),
    ("3:30 p.m.", "The answer is 3:30 p.m.", "verified"),
    ("120", "The answer is 5!", "verified"),
    ("(1,2)", "The answer is $(1,2)$.", "verified"),
    ("x^2+1", "The answer is $x^2+1$, which is irreducible.", "verified"),
    ("\\begin{pmatrix}1\\\\2\\end{pmatrix}", "\\[\\boxed{\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}}\\]", "verified"),
    ("\\text{Evelyn}", "The student with the greatest average speed is \\boxed{\\text{Evelyn}}.", "verified"),
    ("25", "Alice eats $\\boxed{25\\%}$ of it.", "undecided"),
    ("5", "\\boxed{4}", "refuted"),
    ("5", "The answer is 4.", "refuted"),
    ("5", "4", "refuted"),
    ("5", "The answer is 5.5", "refuted"),
    ("5", "The answer is -5", "refuted"),
    ("5", "The answer is 55", "refuted"),
    ("5", "\\boxed{4} or \\boxed{5}", "malformed"),
    ("5", "\\boxed{4}\n\nSo \\boxed{5}", "malformed"),
    ("5", "The answer is 4. The answer is 5.", "malformed"),
    ("5", "\\boxed{5}. So the answer is 6.", "malformed"),
    ("5", "", "malformed"),
    ("5", "\n \n", "malformed"),
    ("5", "I cannot solve this problem.", "malformed"),
    ("5", "We have 2 + 3 = 5 apples and then some more were eaten", "malformed"),
    ("5", "<think>It must be 5.", "malformed"),
    ("5", "\\boxed{}", "malformed"),
    ("5", "\\boxed{5", "malformed"),
    ("5", "The answer is", "malformed"),
    ("5", "The answer is?", "malformed"),
    ("5", "The answer is 5?", "malformed"),
    ("5", "\\boxed{\\text{the answer}}", "malformed"),
    # What the sentence says of a formula, and what is taken back
    ("5", "The answer is not $5$.", "malformed"),
    ("5", "The answer is less than $5$.", "malformed"),
    ("5", "The answer is between 4 and **5**.", "malformed"),
    ("10", "The answer is half of $10$.", "malformed"),
    ("5", "The answer is anything but $5$", "malformed"),
    ("5", "The answer is a third of $5$", "malformed"),
    ("5", "The answer is given in Table $5$", "malformed"),
    ("5", "The answer is obtained at $x=5$", "malformed"),
    ("5", "The answer is the number of divisors of $5$", "malformed"),
    ("5", "The answer is that $5$ fails", "malformed"),
    ("5", "The answer is equal to $5$.", "verified"),
    ("5", "The answer is given by $x = 5$.", "verified"),
    ("5", "The answer is indeed **5** apples.", "verified"),
    ("5", "The answer is 6, not $5$", "refuted"),
    ("5", "The answer is $5$, wait no, 6", "malformed"),
    ("5", "Answer: > $5$", "malformed"),
    ("5", "The answer is 5, and also 7.", "malformed"),
    ("5,7", "The answer is 5, and also 7.", "malformed"),
    ("5", "The answer is 5, which is wrong.", "malformed"),
    ("5", "The answer is 5 for n=1 and 7 for n=2.", "malformed"),
    ("5", "The answer is 5 so far, plus 2.", "malformed"),
    ("2^n", "The answer is $2^n$ for $n \\ge 1$.", "verified"),
    ("5", "The answer is therefore $5$.", "verified"),
    ("(1,2)", "The answer is the point $(1,2)$.", "verified"),
    ("5", "The answer is 5, not 6.", "verified"),
    ("5", "The answer is 5 because 3 + 2 = 5.", "verified"),
    ("5", "The answer is 5.\n\nI wait for the next question.", "verified"),
    ("5", "If the answer is 5, then 2 = 3.", "malformed"),
    ("5", "Suppose the answer is 5. Then 2 = 3.", "malformed"),
    ("5", "A common wrong answer is 5.", "malformed"),
    ("5", "I do not think the answer is 5.", "malformed"),
    ("5", "The answer is not \\boxed{5}.", "malformed"),
    ("5", "\\boxed{5} is wrong.", "malformed"),
    ("5", "Is it \\boxed{5}? No.", "malformed"),
    ("5", "\\boxed{5}. Wait, I made a mistake; 6 is right.", "malformed"),
    ("5", "The answer is 5. Wait, that is wrong.", "malformed"),
    ("5", "\\boxed{5}. There are no other solutions.", "verified"),
    ("5", "#### 5. Verify the result\nSo we get 12.", "malformed"),
    ("12", "#### 2. Solve\nSo we get 12.", "malformed"),
    ("5", "#### 1. Setup\nWe count.\n#### 2. Solve\nThe answer is 5.", "verified"),
    ("5", "\\boxed{x = 3 \\quad y = 5}", "malformed"),
    ("5", "x = 3\ny = 5", "malformed"),
    ("25", "\\boxed{5 \\text{ (five)}}", "malformed"),
]


@pytest.mark.parametrize(("gold", "output", "status"), OUTPUTS)
def test_output(gold, output, status):
    verdict = work({"reference": {"answer": gold}, "text": output})
    assert verdict["status"] == status, verdict


@pytest.mark.parametrize(
    ("tolerance", "answer", "status"),
    [
        ({"abs": 0.01}, "3.14", "verified"),
        ({"abs": "0.01"}, "3.15", "verified"),
        ({"abs": 0.01}, "3.13", "refuted"),
        ({"rel": 0.001}, "3.1416", "verified"),
        ({"rel": 0.001}, "3.2", "refuted"),
        ({"rel": 0}, "3.14159265358979", "refuted"),
        (None, "3.14159265358979", "refuted"),
    ],
)
def test_tolerance_only_where_declared(tolerance, answer, status):
    reference = {"answer": "\\pi"} | ({"tolerance": tolerance} if tolerance else {})
    assert work({"reference": reference, "text": f"\\boxed{{{answer}}}"})["status"] == status


@pytest.mark.parametrize(
    ("gold", "answer", "status"),
    [
        ("5 cm", "5.009 cm", "verified"),
        ("5 cm", "5.9 cm", "refuted"),
        ("5 km", "5.005 km", "verified"),
        ("1 hour", "60.5 minutes", "verified"),
        ("1 hour", "61 minutes", "refuted"),
        ("60", "60^\\circ", "verified"),
        ("60", "61^\\circ", "refuted"),
        ("\\{1\\}", "\\{1, 1.005\\}", "refuted"),
        ("(-\\infty, 1.41]", "(-\\infty, 1.414]", "undecided"),
    ],
)
def test_tolerance_is_meant_in_the_unit_of_the_reference(gold, answer, status):
    reference = {"answer": gold, "tolerance": {"abs": 0.01}}
    assert work({"reference": reference, "text": f"\\boxed{{{answer}}}"})["status"] == status


@pytest.mark.parametrize(
    "reference",
    [
        {"answer": ""},
        {"answer": "\\foo{3}"},
        {"answer": "3 +"},
        {"answer": "\\boxed{1} \\boxed{2}"},
        {"answer": "5", "tolerance": {"relative": 1}},
        {"answer": "5", "tolerance": {"abs": -1}},
        {"answer": "5", "tolerance": "loose"},
    ],
)
def test_a_reference_that_cannot_be_used_is_our_error(reference):
    assert work({"reference": reference, "text": "\\boxed{5}"})["status"] == "error"
    assert work({"reference": reference, "text": None})["status"] == "error"


@pytest.mark.parametrize("answer", ["She has 18 left.\n#### 18", "\\boxed{18}", "$18$", "18"])
def test_references_in_the_layouts_of_data_sets(answer):
    assert work({"reference": {"answer": answer}, "text": "\\boxed{18}"})["status"] == "verified"
