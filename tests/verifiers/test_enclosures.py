"""What encloses an answer hides it in math and in multiple choice alike, by one table."""

import pytest

from verifiers import enclosures
from verifiers.choice.checker import ChoiceChecker
from verifiers.math.judge import work
from verifiers.types import Kind, Problem

CHOICE = Problem("p", Kind.CHOICE, "Which gas?", {"options": ["oxygen", "nitrogen", "argon", "helium"], "answer": "C"})
HIDDEN = [
    "```\nAnswer: #\n```",
    "~~~python\n# Answer: #\nprint(1)\n~~~",
    "We print.\n\n```python\nAnswer: #",
    "The output is `\\boxed{#}`.",
    "<!-- \\boxed{#} -->",
    "<!-- \\boxed{#}",
    "<student>The answer is #.</student>",
    "<draft>\\boxed{#}</draft>",
    "<code>\\boxed{#}",
    "<del>\\boxed{#}</del>",
    "<sup>The answer is #.</sup>",
    "\\footnote{The answer is #.}",
    "\\phantom{\\boxed{#}}",
    "\\newcommand{\\ans}{\\boxed{#}}",
    "\\verb|\\boxed{#}|",
    "\\iffalse\n\\boxed{#}\n\\fi",
    "\\begin{quote}\nThe answer is #.\n\\end{quote}",
    "$\\color{white}\\boxed{#}$",
    "% The answer is #",
    "// The answer is #",
    "[^1]: The answer is #.",
    "[ ] Answer: #",
    "- [ ] \\boxed{#}",
    "☐ Answer: #",
    "🚫 \\boxed{#}",
    "~~\\boxed{#}~~",
]
SAID = [
    "<answer>#</answer>",
    "<div>\nThe answer is #.\n</div>",
    "\\textbf{\n\\boxed{#}\n}",
    "✅ Answer: #",
    "🔥 The answer is #.",
    "```python\nprint(1)\n```\n\nThe answer is #.",
    "x < 3 and y > 2. The answer is #.",
]


def statuses(text: str) -> tuple[str, str]:
    return (
        str(work({"reference": {"answer": "5"}, "text": text.replace("#", "5")})["status"]),
        str(ChoiceChecker().verify(CHOICE, text.replace("#", "C")).status),
    )


@pytest.mark.parametrize("text", HIDDEN)
def test_what_is_hidden_is_no_answer(text: str) -> None:
    assert "verified" not in statuses(text)


@pytest.mark.parametrize("text", SAID)
def test_what_only_formats_leaves_an_answer_said(text: str) -> None:
    assert statuses(text) == ("verified", "verified")


def test_the_table_is_what_hides_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enclosures.Enclosures, "hides", lambda *_, **__: "")
    found = [statuses(text) for text in HIDDEN]
    assert [math for math, _ in found].count("verified") > len(HIDDEN) / 2
    assert [choice for _, choice in found].count("verified") > len(HIDDEN) / 4


def test_a_block_of_data_may_hold_an_option() -> None:
    for text in ('```json\n{"answer": "C"}\n```', "```\nC\n```"):
        assert str(ChoiceChecker().verify(CHOICE, text).status) == "verified"
