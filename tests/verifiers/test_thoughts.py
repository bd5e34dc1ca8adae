"""Thought and answer: the marks, fences and finish reasons, and that nothing of an open thought is ever verified."""

import itertools
import json
import random

import pytest

from jobs.lean.search.model_proposer import read_tactics
from verifiers import thoughts
from verifiers.checker import Checkers
from verifiers.choice.checker import ChoiceChecker
from verifiers.code import extraction
from verifiers.finish_reasons import MAX_NAMED_CHARS, Finish, map_finish_reason, name_unknown
from verifiers.lean.assembly import Reference, Unreadable, assemble
from verifiers.math.judge import work
from verifiers.thoughts import (
    STYLES,
    opening_mark_of_prompt,
    special_marks,
    split,
    without_end_tokens,
)
from verifiers.types import Kind, Problem, Status

FINISHES = [None, "", "stop", "STOP", "eos", "end_turn", "stop_sequence", "length", "max_tokens", "abort", "strange"]
STYLE = pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
BARE = {"harmony, bare", "granite"}
"""Styles whose opening mark is words, which count at the beginning of a text only."""


@STYLE
@pytest.mark.parametrize("finish", FINISHES)
def test_every_style_is_split(style: thoughts.Style, finish: str | None) -> None:
    opening, closing = style.example
    text = f"{opening} maybe 4\n{closing}\n\nIt is 5.\n"
    parts = split(text, finish)
    assert parts.answer.strip() == "It is 5." and parts.style == style.name
    assert parts.opened and parts.closed and not parts.open_at_end
    assert parts.thought + parts.answer == text
    assert text[parts.answer_start :].startswith(parts.answer)


@STYLE
@pytest.mark.parametrize("before", ["", "\n \n", "Okay.\n", "So:\n  "])
def test_every_style_is_open_until_its_own_closing_mark(style: thoughts.Style, before: str) -> None:
    if before.strip() and style.name in BARE:
        pytest.skip("words, which count at the beginning only")
    opening, closing = style.example
    for behind in ("", "\n5", "\n```python\nx = 1\n```", "\n```\nx = 1", f"\n```\n{closing}\n```\nIt is 5."):
        parts = split(f"{before}{opening} so{behind}")
        assert parts.open_at_end and not parts.answer, behind
    for other in STYLES:
        if other is not style:
            assert split(f"{before}{opening} so {other.example[1]} It is 5.").open_at_end, other.name


@STYLE
def test_a_closing_mark_alone_ends_what_a_template_opened(style: thoughts.Style) -> None:
    closing = style.example[1]
    parts = split(f"maybe 4 {closing} It is 5.")
    assert parts.closed is style.closes_alone and not parts.opened
    parts = split(f"maybe 4 {closing} It is 5.", style=style.name)
    assert parts.closed and parts.opened and parts.answer.strip() == "It is 5."
    assert split("It is 5.", style=style.name).open_at_end


@STYLE
def test_a_prompt_that_ends_inside_a_thought_gives_its_mark(style: thoughts.Style) -> None:
    if style.at_start_only:
        pytest.skip("no template ends like that")
    opening, closing = style.example
    before = f"<|im_start|>user\nWhat does {opening} mean?<|im_end|>\n"
    head = "<|im_start|>assistant\n"
    assert opening_mark_of_prompt(before + head, before) == ""
    assert opening_mark_of_prompt(before + head) == ""
    for tail in (opening, f"{opening}\n", f"{opening}\nFirst, "):
        mark = opening_mark_of_prompt(before + head + tail, before)
        assert mark == tail
        assert split(f"{mark}maybe 5").open_at_end
    assert opening_mark_of_prompt(f"{before}{head}{opening}\n") == f"{opening}\n"
    assert opening_mark_of_prompt(f"{before}{head}{opening}\n\n{closing}\n\n", before) == ""
    assert opening_mark_of_prompt(f"{before}{head}{opening}\n\n{closing}\n\n") == ""


OPEN = [
    "<think>\nmaybe 5",
    "<THINK>maybe 5",
    "<think >5",
    '<thinking type="long">5',
    "<think:6124c78e>5",
    "<think>a</think>5\n<think>b",
    "<think>a</think><think>5",
    "5\n<think>\n",
    "<think>\n```\n</think>\n```\n5",
    "<think>\n```python\nprint('</think>')\n5",
    "maybe 5\n```\ncode\n</think>\nI do not know.",
    "```\n<think>\nmaybe 5",
    "```\nx\n```\n<think>5",
    "~~~\nx\n~~~\n<think>5",
    "````\n```\n````\n<think>5",
    "<|channel|>analysis<|message|>5<|end|>",
    "<|channel|>analysis<|message|>5<|end|><|start|>assistant<|channel|>commentary to=f <|constrain|>json<|message|>{}",
    "<|channel|>final<|message|>5<|end|><|start|>assistant<|channel|>analysis<|message|>6",
    "analysisWe think 5",
    "<think>5</thinking>",
    "<think>5 < / thinking >",
]
CLOSED = [
    ("5", "5"),
    ("", ""),
    ("Use the `<think>` tag: 5", "Use the `<think>` tag: 5"),
    ("`<think>` is a tag. 5", "`<think>` is a tag. 5"),
    ("The <think> tag. 5", "The <think> tag. 5"),
    ("```html\n<think>\n</think>\n```\n5", "```html\n<think>\n</think>\n```\n5"),
    ("```\n<think>\n```\n5", "```\n<think>\n```\n5"),
    ("<think>a</think>5", "5"),
    ("<think>a</think>4<think>b</think>5", "5"),
    ("<think>a</ think >5", "5"),
    ("<think>\n```\nx\n```</think>5", "5"),
    ("<think>\n<think>\na</think>5", "5"),
    ("a</think>5", "5"),
    ("<think:1f>a</think:1f>5", "5"),
    ("</think>5", "5"),
    ("<think></think>", ""),
    ("<thinker>5", "<thinker>5"),
    ("thought 5", "thought 5"),
    ("Analysis: 5", "Analysis: 5"),
    ("analysis of 5", "analysis of 5"),
    ("5<|im_end|>\n<|endoftext|> ", "5"),
    ("<|begin_of_thought|>a<|end_of_thought|>\n<|begin_of_solution|>5<|end_of_solution|>", "5"),
    ("<|start|>assistant<|channel|>final<|message|>5<|return|>", "5"),
    ("analysisWe need it.assistantfinal5", "5"),
]


@pytest.mark.parametrize("text", OPEN)
@pytest.mark.parametrize("finish", [None, "stop", "length"])
def test_open(text: str, finish: str | None) -> None:
    parts = split(text, finish)
    assert parts.open_at_end and parts.answer == "" and parts.unreadable() == thoughts.UNENDED


@pytest.mark.parametrize(("text", "answer"), CLOSED)
def test_closed(text: str, answer: str) -> None:
    parts = split(text)
    assert (parts.answer, parts.open_at_end, parts.unreadable()) == (answer, False, "")


def test_a_text_ends_in_a_fence() -> None:
    assert split("```\nx", "length").in_fence and not split("```\nx\n```", "length").in_fence
    assert split("<think>a</think>```\nx", "stop").in_fence and not split("a ```\nx", "length").in_fence
    assert not split("a <b>```\nx", "length").in_fence
    assert split("<think>a</think>\n```\nx", "length").unreadable() == (
        "cut off inside a fenced block (finish reason length)"
    )
    assert split("<think>a</think>\n```\nx", "stop").unreadable() == ""


@pytest.mark.parametrize(
    "reason", ["stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence", "COMPLETE", "Stop "]
)
def test_foreign_stops(reason: str) -> None:
    assert map_finish_reason(reason) == Finish("stop", cut=False)


@pytest.mark.parametrize("reason", ["length", "MAX_TOKENS", "max_tokens", "content_filter", "SAFETY", "tool_calls"])
def test_known_cuts(reason: str) -> None:
    finish = map_finish_reason(reason)
    assert finish.cut and not finish.unknown and finish.name == reason.lower()


@pytest.mark.parametrize("reason", ["banana", "null", "stopp", "not stop", "x" * 1000, "\x00\n"])
def test_an_unknown_finish_reason_is_a_cut_and_named(reason: str) -> None:
    finish = map_finish_reason(reason)
    assert finish.cut and len(finish.unknown) <= MAX_NAMED_CHARS
    named = name_unknown("no final answer", reason)
    assert finish.unknown and repr(finish.unknown) in named and named.isprintable()


def test_no_finish_reason_is_no_cut() -> None:
    assert [map_finish_reason(reason).cut for reason in (None, "", "  ")] == [False] * 3


def test_special_tokens_that_belong_to_marks() -> None:
    assert special_marks(["<s>", "</s>", "[INST]", "[THINK]", "[/THINK]"]) == ["[/THINK]", "[THINK]"]
    assert special_marks(["<|channel|>", "<|message|>", "<|return|>"]) == ["<|channel|>", "<|message|>"]
    assert special_marks(["<|channel>", "<channel|>"]) == ["<channel|>", "<|channel>"]
    assert special_marks(["<|im_start|>", "<|im_end|>", "<|endoftext|>"]) == []


PAIRS = [
    *(
        (f"<{name}>", f"</{name}>")
        for name in (
            *("longcat_think", "antThinking", "rationale", "seed:cot_budget_reflect", "scratch_pad", "inner_thoughts"),
            *(
                "thinking_process",
                "thought_process",
                "self_reflection",
                "monologue",
                "plan",
                "draft",
                "think_fast",
                "think_on",
            ),
            *(
                "internal",
                "ds:think",
                "brainstorm",
                "ponder",
                "deliberation",
                "critique",
                "reflect",
                "working",
                "notes",
            ),
            *("tool_call", "tool_code", "tool_response", "step", "steps", "attempt", "verify", "hypothesis", "brain"),
            *("chain-of-thought-2", "my_new_reasoning_trace", "reasoning.budget", "search", "try", "cogito"),
        )
    ),
    ("<start_working_out>", "<end_working_out>"),
    ("<unused94>thought\n", "<unused95>"),
    ("<|reasoning|>", "<|/reasoning|>"),
    ("<|thought|>", "<|/thought|>"),
    ("<|thought|>", "<|end_thought|>"),
    ("<|redacted_thinking|>", "<|/redacted_thinking|>"),
    ("<|begin_of_reasoning|>", "<|end_of_reasoning|>"),
    ("<|start_of_reasoning|>", "<|end_of_reasoning|>"),
    ("<|start_of_thinking|>", "<|end_of_thinking|>"),
    ("<|begin_of_thinking|>", "<|end_of_thinking|>"),
    ("<|start_of_thought|>", "<|end_of_thought|>"),
    ("<|reasoning_start|>", "<|reasoning_end|>"),
    ("<|thinking_start|>", "<|thinking_end|>"),
    ("<|sot|>", "<|eot|>"),
    ("<｜begin▁of▁thought｜>", "<｜end▁of▁thought｜>"),
    ("<｜think｜>", "<｜/think｜>"),
    ("[REASONING]", "[/REASONING]"),
    ("[THINKING]", "[/THINKING]"),
    ("[THOUGHT]", "[/THOUGHT]"),
    ("[BEGIN_THINK]", "[END_THINK]"),
    ("[BEGIN OF THOUGHT]", "[END OF THOUGHT]"),
    ("◁thinking▷", "◁/thinking▷"),
    ("<think\n>", "</think>"),
    ("<think\n>", "</think\n>"),
    ("< think >", "</think>"),
    ("<think:>", "</think>"),
    ("<think/>", "</think>"),
    ("&lt;think&gt;", "&lt;/think&gt;"),
    ("\\<think\\>", "\\</think\\>"),
    ("＜think＞", "＜/think＞"),
    ("<|assistant|><think>", "</think>"),
    ("<|im_start|>assistant\n<think>", "</think>"),
    ("<details><summary>Thinking</summary>", "</details>"),
    ("<details>\n<summary>💭 Thought process</summary>\n", "</details>"),
    ('<details type="reasoning" done="true">', "</details>"),
    ("```thinking\n", "\n```"),
    ("```think\n", "\n```"),
    ("~~~ reasoning\n", "\n~~~"),
]
"""Marks that no template of the list above has: names are read by their words."""


@pytest.mark.parametrize(("opening", "closing"), PAIRS)
@pytest.mark.parametrize("finish", [None, "stop", "length"])
def test_marks_are_known_by_their_words(opening: str, closing: str, finish: str | None) -> None:
    for before in ("", "\n\n", "Okay.\n"):
        assert split(f"{before}{opening}\nMaybe 5. Hmm, so", finish).open_at_end
        assert split(f"{before}{opening}Maybe 5.", finish).open_at_end or "`" in opening or "~" in opening
    parts = split(f"{opening}\nMaybe 4.{closing}\nIt is 5.", finish)
    assert parts.answer.strip() == "It is 5." and parts.opened and parts.closed
    assert not split(f"{opening}\nIt is 5.\n{closing}\n", finish).answer.strip()
    assert not split(f"{opening}\nIt is 5.\n</answer>\n", finish).answer.strip()


def test_a_fence_inside_a_fenced_thought_does_not_end_it() -> None:
    text = "```thinking\ntry\n```python\nx\n```\nIt is 4.\n"
    assert split(text).open_at_end
    assert split(f"{text}```\nIt is 5.").answer.strip() == "It is 5."


@pytest.mark.parametrize("opening", ["assistantanalysis", "analysis\n", "assistantanalysis\n", "assistantcommentary"])
def test_words_of_a_lost_channel(opening: str) -> None:
    assert split(f"{opening}We get 5").open_at_end
    assert split(f"{opening}We get 4assistantfinal5").answer == "5"


@pytest.mark.parametrize(
    "text",
    [
        "The rationale is simple: 5",
        "Use the <rationale> tag: 5",
        "My plan: add. <plan> is a tag. 5",
        "<planet> 5",
        "<reasonable> 5",
        "<cotangent> 5",
        "<stepper> 5",
        "[Thinking](http://a.b) 5",
        "[reasoning] 5",
        "[1] 5",
        "Thinking about it, 5",
        "It is </plan> 5",
        "a <|user_thoughtful|> 5",
        "n < reason 5",
        "<details><summary>Code</summary>x</details> 5",
        "```python\nthinking\n```\n5",
        "```\nthinking\n```\n5",
        "The plan and the draft: <draft> 5",
        "&lt;b&gt; 5",
    ],
)
def test_words_in_prose_are_no_marks(text: str) -> None:
    parts = split(text)
    assert parts.answer == text and not parts.open_at_end and not parts.opened


# Nothing of an open thought is ever verified, by any of the four kinds

MATH = {"answer": "42"}
CHOICE = Problem("c", Kind.CHOICE, "-", {"options": ["red", "green", "blue"], "answer": "C"})
LEAN = Reference(imports=(), header="", statement="theorem t : 1 = 1", name="t")
DRAFTS = {
    Kind.MATH: [
        r"So \boxed{42}.",
        "The answer is 42.",
        "42",
        "#### 42",
        "Answer:\n\n**42**",
        r"$\boxed{42}$. By (b)",
    ],
    Kind.CHOICE: ["Answer: C", r"\boxed{C}", "C", "The answer is (C).", "blue"],
    Kind.CODE: [
        "def f(x):\n    return x\n",
        "```python\ndef f(x):\n    return x\n```",
        "```\ndef f(x):\n    return x\n```\nBut",
        "    return x\n",
    ],
    Kind.LEAN: ["by rfl", "```lean\nby rfl\n```", "theorem t : 1 = 1 := rfl", "```lean4\ntheorem t : 1 = 1 := rfl"],
}


def is_read(kind: Kind, text: str, finish: str | None) -> bool:
    """Whether anything of the text reaches the judge of `kind`: more than that is not needed to be verified."""
    match kind:
        case Kind.MATH:
            return work({"reference": MATH, "text": text, "finish_reason": finish})["status"] != Status.MALFORMED
        case Kind.CHOICE:
            return ChoiceChecker().verify(CHOICE, text, finish_reason=finish).status is not Status.MALFORMED
        case Kind.CODE:
            try:
                extraction.extract(text, entry_point="f", prompt="def f(x):\n", finish_reason=finish)
            except extraction.MalformedError:
                return False
            return True
        case Kind.LEAN:
            return not isinstance(assemble(LEAN, text, 1000, finish), Unreadable)


@pytest.mark.parametrize("kind", Kind)
def test_a_draft_alone_is_read(kind: Kind) -> None:
    """Without the thought around them, the drafts are answers: the property below says something."""
    for draft in DRAFTS[kind]:
        assert is_read(kind, draft, "stop"), draft
        assert is_read(kind, f"<think>no</think>\n{draft}", "stop"), draft


@pytest.mark.parametrize("kind", Kind)
def test_nothing_inside_an_open_thought_is_verified(kind: Kind) -> None:
    dice = random.Random(13)
    befores = ["", "\n", "Let me see.\n", "First.\n\n", "```\nx\n```\n", "<think>a</think>\n", "Answer so far: none.\n"]
    behinds = ["", "\n", " Hmm, but that contradicts (b).", "\n\nWait.", "\n```\n</think>\n```\n", "<|im_end|>"]
    for style, finish, draft in itertools.product(STYLES, FINISHES, DRAFTS[kind]):
        before = "" if style.name in BARE else dice.choice(befores)
        opening = style.example[0]
        joint = dice.choice(["", "\n", "\n\n", " "])
        # Behind a block that was not ended, a fence would end it.
        behind = "" if draft.count("```") % 2 else dice.choice(behinds)
        text = f"{before}{opening}{joint}{draft}{behind}"
        if style.name == "harmony, bare" and not split(text).opened:
            continue
        assert split(text).open_at_end, text
        assert not is_read(kind, text, finish), text


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("finish", ["length", "strange"])
def test_what_was_cut_off_in_a_fence_or_before_an_answer_is_not_read(kind: Kind, finish: str) -> None:
    cut = {
        Kind.MATH: [
            "42",
            "so x = 42",
            "The answer is 4",
            "The answer is 42",
            "The answer is 42.",
            r"\boxed{42",
            "```\n42",
        ],
        Kind.CHOICE: ["C", "Answer: C", "Answer: C.", r"\boxed{C", "It is so.\n\nC", "```\nAnswer: C\n"],
        Kind.CODE: ["def f(x):\n    return x", "```python\ndef f(x):\n    return x\n", "    return x", "return x"],
        Kind.LEAN: [
            "by rfl",
            "```lean\nby rfl\n",
            "theorem t : 1 = 1 := rfl",
            "```lean\nby rfl\n```\n```lean\nby simp",
        ],
    }
    for text in cut[kind]:
        assert not is_read(kind, text, finish), text
        assert not is_read(kind, f"<think>a</think>\n{text}", finish), text


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("finish", ["length", "strange"])
def test_an_answer_that_was_complete_before_the_cut_is_read(kind: Kind, finish: str) -> None:
    whole = {
        Kind.MATH: [r"So \boxed{42}. Let me che", "The answer is 42. To che", "The answer is 42.\nLet", "#### 42\n"],
        Kind.CHOICE: [r"\boxed{C} bec", "Answer: C\nThe", "The answer is C. It is so. The sk", "Answer: C. blue\n"],
        Kind.CODE: ["```python\ndef f(x):\n    return x\n```\nThis fun", "    return x\n\nThe function retur"],
        Kind.LEAN: ["```lean\nby rfl\n```\nThis pro", "```lean\nby rfl\n```"],
    }
    for text in whole[kind]:
        assert is_read(kind, text, finish), text
        assert is_read(kind, f"<think>a</think>\n{text}", finish), text


def test_tactics_of_an_open_thought_are_not_tried() -> None:
    assert read_tactics("<think>try\n```lean\nomega\n```") == []
    assert read_tactics("[THINK]omega[/THINK]\nrfl") == ["rfl"]
    assert read_tactics("simp\nomeg", "length") == ["simp"]
    assert read_tactics("simp", "length") == []


@pytest.mark.parametrize("kind", [Kind.MATH, Kind.CHOICE, Kind.CODE])
def test_the_checkers_take_the_finish_reason(kind: Kind) -> None:
    stdin = {"mode": "stdin", "tests": [{"input": "1\n", "output": "1\n"}]}
    problems = {
        Kind.MATH: (Problem("m", Kind.MATH, "-", MATH), r"So \boxed{42}. Let"),
        Kind.CHOICE: (CHOICE, "Answer: C\nThe"),
        Kind.CODE: (Problem("p", Kind.CODE, "-", stdin), "```python\nprint(input())\n```\nThis"),
    }
    problem, text = problems[kind]
    checkers = Checkers()
    try:
        assert checkers.verify(problem, text).status is Status.VERIFIED
        assert checkers.verify(problem, text, finish_reason="length").status is Status.VERIFIED
        verdict = checkers.verify(problem, text, finish_reason="strange")
        assert verdict.status is Status.VERIFIED and "'strange'" in verdict.reason
        for finish in FINISHES:
            verdict = checkers.verify(problem, f"◁think▷\n{text}", finish_reason=finish)
            assert verdict.status is Status.MALFORMED and verdict.reason.startswith(thoughts.UNENDED)
            assert json.dumps(verdict.to_json())
    finally:
        checkers.close()


@pytest.mark.parametrize(
    "token", ["<|im_end|>", "<|any other▁token|>", "<｜end▁of▁sentence｜>", "</s>", "[/INST]", "<|x>"]
)
def test_special_tokens_at_the_end_of_a_text_are_no_part_of_it(token: str) -> None:
    assert without_end_tokens(f"5{token} \n{token}\n") == "5"
    assert without_end_tokens(f"5{token} is six") == f"5{token} is six"
    assert without_end_tokens(f"5</answer>\n{token}", "answer") == "5"
    assert without_end_tokens(f"5</answer>\n{token}") == "5</answer>"


@pytest.mark.parametrize("text", ["5 \n", "", "a <| b |>", "|5|>", "<|>", "x < y |>", "def f():\n    return 1\n"])
def test_what_looks_like_a_special_token_stays(text: str) -> None:
    assert without_end_tokens(text) == text


PIECES = [
    *(piece for style in STYLES for piece in style.example),
    *(
        "\\",
        "<",
        "</",
        "&lt;think&gt;",
        "＜think＞",
        "[BEGIN OF THOUGHT]",
        "◁thinking▷",
        "<|end_thinking|>",
        "xanalysis",
    ),
    *(
        "analysis",
        "assistant",
        "final",
        "there",
        "to=",
        "ſ",
        "aſsistantfinal",
        "```python",
        "~~~ a",
        "5",
        " ",
        "\n",
        "|>",
    ),
]
"""Marks, and what looks like the beginning or the middle of one."""


def test_what_is_passed_over_quickly_holds_no_mark() -> None:
    """The sets of characters that let a text pass find every mark that the pattern of all marks finds."""
    drawn = random.Random(5)
    for _ in range(3000):
        text = "".join(drawn.choices(PIECES, k=drawn.randint(1, 8)))
        found = list(thoughts._MARK.finditer(text))
        assert [match.span() for match in thoughts._found(text)] == [match.span() for match in found], text
        assert not found or thoughts._HINT.search(text), text
