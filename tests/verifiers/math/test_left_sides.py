"""`name = value` where the reference is a value: which names state it, and which are of another value."""

import pytest

from verifiers.math.judge import work


def status(answer: str, text: str, prompt: str = "") -> str:
    return work({"reference": {"answer": answer}, "text": text, "prompt": prompt})["status"]


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        *(("5", f"{left}=5") for left in ("|x|", "|x-3|", r"\gcd(x,10)", r"\max(x,3)", "x_1", "x_2", "x_{old}")),
        *(("5", f"{left}=5") for left in (r"x_{\text{wrong}}", r"\text{guess}", r"\text{Bob}", r"\Delta", "f(x+1)")),
        *(("x^2+1", f"{left}=x^2+1") for left in ("f(y)", "f(2)", "f(2x)", "f(x+1)", "f(1/x)", "x", "|y|")),
        *(("x^2+1", f"{left}=x^2+1") for left in ("f^{-1}(x)", "g'(x)", "y'", r"\frac{dy}{dx}", r"\dot y")),
        *(("x^2+1", f"{left}=x^2+1") for left in ("f_x", "Df", r"\Delta f", "f^{(2)}(x)", r"\hat f(x)", "f_{old}(x)")),
        ("x^2+1", r"f(x)\approx x^2+1"),
        ("1, 2", r"\{1\},\{2\}"),
        (r"\{1\},\{2\}", "1,2"),
        ("(1,2)", r"(\{1\},2)"),
        ("1:2", "1:02"),
        (r"\mathbb{R}", r"\mathbb{R}\cup\{\infty\}"),
        (r"\mathbb{R}", r"\mathbb{R}\cup\{i\}"),
        (r"\mathbb{R}", r"\mathbb{R}\cup\{x\}"),
        (r"[0,1]", r"[0,1]\cup\{\infty\}"),
        ("5", r"5\text{ N/A}"),
    ],
)
def test_another_thing_than_the_value(reference, answer):
    assert status(reference, f"The answer is $\\boxed{{{answer}}}$.") == "undecided"
    assert status(reference, f"#### {answer}") == "undecided"


@pytest.mark.parametrize("answer", [r"\vec{5}", r"\hat{5}", r"\vec 5", r"\tilde{5}", "5...", r"\color{white}5"])
def test_a_number_under_an_accent_or_with_dots_is_no_number(answer):
    assert status("5", f"Answer: {answer}") == "malformed"


@pytest.mark.parametrize(
    "left", ["|S|", "|AB|", "|a-b|", "|z|", "f(2)", "f'(2)", "P(X=3)", "a_1", "a_{10}", r"\text{Area}"]
)
def test_names_of_a_value(left):
    assert status("5", f"\\boxed{{{left}=5}}") == "verified"


@pytest.mark.parametrize(
    "text",
    [
        "$2x =$ \\boxed{5}.",
        "So $x + 1 = \\boxed{5}$.",
        "$|x| =$ **5**.",
        "$\\frac{x}{2} = \\boxed{5}$",
        "$x_1 =$ \\boxed{5}.",
        "$x_{old} = \\boxed{5}$",
        "$\\Delta =$ $\\boxed{5}$.",
        "$\\deg =$ \\boxed{5}.",
    ],
)
def test_a_left_side_in_front_of_the_box(text):
    assert status("5", text) == "undecided"


@pytest.mark.parametrize(
    "text",
    [
        "$a+b =$ \\boxed{5}",
        "$2x+1 = 2(2)+1 = \\boxed{5}$",
        "Since $x$ is positive,\n\\[x + \\frac{1}{x} = \\boxed{5}.\\]",
        "$x_{\\max} = \\boxed{5}$",
    ],
)
def test_left_sides_that_give_the_value(text):
    assert status("5", text) == "verified"


def test_the_problem_may_ask_for_a_derivative_or_an_inverse():
    derivative, inverse = r"\boxed{f'(x)=x^2+1}", r"\boxed{f^{-1}(x)=x^2+1}"
    assert status("x^2+1", derivative, "Differentiate $f$.") == "verified"
    assert status("x^2+1", inverse, "Find $f^{-1}(x)$.") == "verified"
    assert status("x^2+1", derivative, "Find $f(x)$.") == "undecided"
    assert status("x^2+1", inverse, "Find the derivative.") == "undecided"
    assert status("x^2+1", r"\boxed{f(2x)=x^2+1}", "Find the inverse of the derivative.") == "undecided"
    assert status("x^2", derivative, "Differentiate $f$.") == "refuted"
