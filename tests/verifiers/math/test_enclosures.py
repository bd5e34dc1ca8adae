"""An answer in code, in a quotation, in a command that hides it or behind a mark against it is not said."""

import pytest

from verifiers import fences
from verifiers.math.judge import work

BOX = r"\boxed{5}"
HIDDEN = [
    # code
    "```\n\\boxed{5}\n```",
    "```latex\n\\boxed{5}\n```",
    "~~~\n\\boxed{5}\n~~~",
    "```python\nprint('\\boxed{5}')\n```",
    "```python\nanswer = 5 # The answer is 5\n```",
    "```text\nAnswer: 5\n```",
    "`The answer is 5.`",
    "The output is `\\boxed{5}`.",
    "# The answer is 5\nprint(6)",
    "# Answer: 5\ndef f(x):",
    "// The answer is 5",
    "/* The answer is 5 */",
    "% The answer is 5",
    # tags
    *(
        f"<{tag}>\\boxed{{5}}</{tag}>"
        for tag in ("hidden", "student", "User", "example", "quote", "blockquote", "code")
    ),
    "<student><answer>5</answer></student>",
    "<draft>The answer is 5.</draft>",
    "<!-- \\boxed{5} -->",
    # commands and environments
    *(
        f"\\{name}{{\\boxed{{5}}}}"
        for name in ("footnote", "bcancel", "phantom", "sout", "marginpar", "todo", "caption")
    ),
    "\\verb|\\boxed{5}|",
    "\\lstinline!\\boxed{5}!",
    "\\newcommand{\\ans}{\\boxed{5}}",
    "\\def\\ans{\\boxed{5}}",
    "\\iffalse \\boxed{5} \\fi",
    "\\begin{comment}\\boxed{5}\\end{comment}",
    "\\begin{quote}\nThe answer is 5.\n\\end{quote}",
    "$\\color{white}\\boxed{5}$",
    "{\\color{White} \\boxed{5}}",
    "$\\boxed{\\textcolor{white}{5}}$",
    "$\\color{#fff}\\boxed{5}$",
    # marks
    *(f"{mark} \\boxed{{5}}" for mark in ("[ ]", "- [ ]", "( )", "☒", "☐", "□", "👎", "🚫", "⛔", "⚠️")),
    *(f"{mark} Answer: 5" for mark in ("❌", "✗", "🚫", "🛑", "[ ]")),
    "The answer is 5 ❌",
    # quotations
    'Bob: "The answer is 5."',
    "Alice: The answer is 5.",
    "He wrote: «The answer is 5.»",
    "[user] \\boxed{5}",
    "[Student] The answer is 5.",
    "(Bob) The answer is 5.",
    "Bob - The answer is 5.",
    "@bob The answer is 5.",
    "Expected answer: 5",
    "Your answer: 5",
    "Not answer: 5",
    "Bob said:\n> \\boxed{5}",
    "The student's answer:\n> \\boxed{5}",
    "> The answer is 5.\n\nThis quote is wrong.",
    "> \\boxed{5}\n\nThe quoted text is wrong.",
]
SAID = [
    "The answer is `5`.",
    "```python\nprint(2+3)\n```\n\nThe answer is \\boxed{5}.",
    "# Answer\n\n5",
    "# The answer is 5\n\nWe are done.",
    "> **Answer:** 5",
    "> \\boxed{5}",
    "<div>\\boxed{5}</div>",
    '<p style="color:red">\\boxed{5}</p>',
    "<solution>So \\boxed{5}.</solution>",
    "Since a<b and b>c, x = \\boxed{5}.",
    "\\textbf{The answer is $\\boxed{5}$}",
    "{\\Large \\boxed{5}}",
    "$\\boxed{\\color{red}5}$",
    "\\section*{Answer}\n\\boxed{5}",
    "### ✅ Final Answer: $\\boxed{5}$",
    "🎯 **Answer:** 5",
    "- [x] \\boxed{5}",
    "\\boxed{5} □",
    "Solution: The answer is 5.",
    "Justification: The answer is 5.",
    "Adding: the answer is 5.",
    "There are \\boxed{5} 🍎",
    "[Answer] \\boxed{5}",
    "(Final) The answer is 5.",
    "Thus - the answer is 5.",
    "My final answer: 5",
    "The correct answer: 5",
    "Step 3: The answer is 5.",
]


def status(text: str, prompt: str = "", answer: str = "5") -> str:
    return work({"reference": {"answer": answer}, "text": text, "prompt": prompt})["status"]


@pytest.mark.parametrize("text", HIDDEN)
def test_what_the_text_does_not_say_itself_is_no_answer(text):
    assert status(text) == "malformed"


@pytest.mark.parametrize("text", SAID)
def test_formatting_leaves_an_answer_said(text):
    assert status(text) == "verified"


def test_only_an_open_fence_encloses():
    text = "a\n```py\nb\n```\nc\n~~~\nd"
    assert [fences.is_inside(text, text.index(letter)) for letter in "abcd"] == [False, True, False, True]
    assert not fences.is_inside("``` inline ``` x", 15)


@pytest.mark.parametrize(
    "text",
    [
        "Prompt: 2+3\nAnswer: 5\nPrompt: 2+4",
        "Answer: 5\n\nNext question: 7+8?\nAnswer:",
        "Answer: 5\nInput: 2+4",
        "Answer: 5\nFinal answer:",
        "Answer: 5\nAnswer: ",
        "<answer>5</answer> n = 6.",
        "<answer>5</answer> thousand",
        "<answer>5</answer> (guess)",
    ],
)
def test_a_text_that_goes_on_behind_its_answer(text):
    assert status(text) == "malformed"


@pytest.mark.parametrize(
    "text",
    [
        "0.\\boxed{5}",
        "12,\\boxed{5}",
        "—\\boxed{5}",
        "!\\boxed{5}",
        "~\\boxed{5}",
        "$x = 2 \\cdot$ \\boxed{5}",
        "$x = 2 +$ $\\boxed{5}$",
        "\\boxed{5} $+ 1$",
        "$\\boxed{5}$ $\\times 2$",
        "$$\\boxed{5},\\quad n=2$$",
        "$$\\boxed{5}\\\\ 6$$",
        "\\begin{align}x &= \\boxed{5}\\\\ x &= 6\\end{align}",
        "We need \\boxed{5}.",
        "We tried \\boxed{5}.",
        "Then again, \\boxed{5}.",
        "By elimination of wrong reasoning, \\boxed{5}.",
        "Initially, \\boxed{5}.",
        "The unsimplified answer is off; \\boxed{5}.",
        "Step 1: \\boxed{5}.",
        "Step 3: we get \\boxed{5}.",
        "The remainder is \\boxed{5}, the quotient 6.",
        "Line $5$.",
        "Equation $5$.",
        "The answer is triple $5$.",
        "The answer is point **5**.",
    ],
)
def test_a_box_that_is_a_part_or_a_name_or_a_goal(text):
    assert status(text) == "malformed"


@pytest.mark.parametrize(
    "text",
    [
        "We need \\boxed{5} more apples.",
        "Step 2: Add them.\nStep 3: \\boxed{5}",
        "**Answer:** $\\boxed{5}$",
        "The final answer is:~\\boxed{5}",
        "Great! $\\boxed{5}$",
        "$$\\boxed{5} \\qquad \\blacksquare$$",
        "The answer is the number $5$.",
        "\\begin{align}x &= 2 + 3\\\\ &= \\boxed{5}\\end{align}",
    ],
)
def test_honest_neighbours_of_these(text):
    assert status(text) == "verified"
