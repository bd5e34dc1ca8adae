"""Which option a text settles on: what models write, and what must not count."""

import random
import re
from pathlib import Path

import pytest
from step_counts import some
from steps import patterns_of, python_steps, repeats_without_bound

from verifiers import fences, thoughts
from verifiers.choice import context, reading, spans
from verifiers.choice.checker import ChoiceChecker, shuffle
from verifiers.types import Kind, Limits, Problem, Status

COLOURS = Problem("c", Kind.CHOICE, "Which?", {"options": ["red", "green", "blue", "yellow"], "answer": "C"})
FORMULAS = Problem(
    "f", Kind.CHOICE, "Which?", {"options": [r"\(\Delta E\)", r"\(\Delta H\)", "$T$", "42"], "answer": "A"}
)
NINE = Problem("n", Kind.CHOICE, "Which?", {"options": [f"thing {i}" for i in range(10)], "answer": "I"})

ANSWERS = [
    # (text, letter or None when malformed)
    ("The answer is C.", "C"),
    ("The answer is (C).", "C"),
    ("The answer is: C", "C"),
    ("Answer: C", "C"),
    ("Answer: **C**", "C"),
    ("**Answer:** C", "C"),
    ("**Answer: C**", "C"),
    ("**Final Answer:** (C)", "C"),
    ("ANSWER: C", "C"),
    ("answer: c", "C"),
    ("Final answer: C. blue", "C"),
    ("The correct answer is C) blue.", "C"),
    ("The correct option is (C) blue.", "C"),
    ("The best choice is C", "C"),
    ("Option C is correct.", "C"),
    ("option (C) is the correct one", "C"),
    ("I choose C.", "C"),
    ("We select option C.", "C"),
    ("I would go with B at first. Answer: C", "C"),
    (r"\boxed{C}", "C"),
    (r"\boxed{\text{C}}", "C"),
    (r"\boxed{\textbf{(C)}}", "C"),
    (r"$\boxed{\mathrm{C}}$", "C"),
    (r"\boxed{(C)\ blue}", "C"),
    (r"\boxed{\text{C. blue}}", "C"),
    (r"\boxed{blue}", "C"),
    ("C", "C"),
    ("c", "C"),
    ("(C)", "C"),
    ("C.", "C"),
    ("C. blue", "C"),
    ("C) blue", "C"),
    ("blue", "C"),
    ("Blue.", "C"),
    ("**C**", "C"),
    ("*C*", "C"),
    ("The sky is what it is.\n\nC", "C"),
    ("The sky is what it is.\n\n**C. blue**", "C"),
    ("The answer is blue.", "C"),
    ("Ａｎｓｗｅｒ： Ｃ", "C"),
    ("Answer: С", "C"),  # Cyrillic
    ("Answer: C, because the others are wrong.", "C"),
    ("Answer: C because the sky is blue.", "C"),
    ("Answer: C - blue", "C"),
    ("Answer: A? No, it is C.", "C"),
    ("The answer is A. Wait, the answer is C.", "C"),
    ("Answer: A\nOn reflection:\nAnswer: C", "C"),
    ("<think>The answer is A.</think>The answer is C.", "C"),
    ("Answer:\n\nC", "C"),
    ("The answer is not A. The answer is C.", "C"),
    ("Answer: $C$", "C"),
    ("Answer: `C`", "C"),
    ("The answer is D", "D"),
    ("A is wrong, B is wrong, D is wrong. The answer is C", "C"),
    ("Answer: C because A is red", "C"),
    ("C is right. If option A is correct, then 1 = 2. Answer: C", "C"),
    ("The correct answer is: C. If option A is correct, then 1 = 2.", "C"),
    ("Answer: C. D is wrong because it is yellow.", "C"),
    ("\\boxed{C}\n\nOption A is incorrect.", "C"),
    # Nothing that can be counted
    ("option C is correct? No.", None),
    ("It is not true that option C is correct.", None),
    ("If option C is correct, then 1 = 2.", None),
    ("Suppose the answer is C. Then 1 = 2.", None),
    ("The wrong answer is C.", None),
    ("The least likely answer is C", None),
    ("The worst choice is C", None),
    ("Should I choose C", None),
    ("You may think I pick C. In fact it is D.", None),
    ("not \\boxed{C}", None),
    ("The answer is \\boxed{C}? No, D.", None),
    ("\\boxed{C}. Wait, that's wrong, it is D.", None),
    ("\\boxed{C} is wrong.", None),
    ("Answer: C. Wait, no.", None),
    ("The answer is C; D is also right", None),
    ("Answer: C, though I would say D", None),
    ("the answer is (C), no wait (D)", None),
    ("Answer: C (red)", None),
    ("C. The colour is red", None),
    ("Answer: C.5", None),
    ("C) red D) blue", None),
    ("A) red\nB) green\nC) blue", None),
    ("A\nB\nC", None),
    ("", None),
    ("Because the sky is blue in the day", None),
    ("Because", None),
    ("Clearly", None),
    ("Certainly!", None),
    ("I think so.", None),
    ("A cell divides.", None),
    ("The answer is B or C.", None),
    ("The answer is B and C.", None),
    ("Answer: A, B, C, D", None),
    ("Answer: A/C", None),
    ("Answer: (A) or (C)", None),
    (r"\boxed{A, C}", None),
    (r"\boxed{B} or \boxed{C}", None),
    ("Answer: E", None),
    ("Answer: X", None),
    ("The answer is Because", None),
    ("Answer: Blue-green", None),
    ("Answer: C. red", None),
    ("<think>The answer is C.", None),
    ("I do not know.", None),
    ("All of them could be right: A, B, C and D.", None),
    (r"\boxed{C", None),
    ("The answer is either B or C", None),
    ("Answer: none of the above", None),
    ("Answer: 3", None),
]


@pytest.fixture
def checker():
    return ChoiceChecker()


@pytest.mark.parametrize(("text", "letter"), ANSWERS)
def test_colours(checker, text, letter):
    verdict = checker.verify(COLOURS, text)
    if letter is None:
        assert verdict.status is Status.MALFORMED
    else:
        assert verdict.evidence["answer"] == letter
        assert verdict.status is (Status.VERIFIED if letter == "C" else Status.REFUTED)


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        (r"\boxed{\Delta E}", "A"),
        (r"\boxed{\Delta H}", "B"),
        (r"The answer is $\Delta E$.", "A"),
        (r"\boxed{E}", None),
        ("42", "D"),
        ("Answer: 42", "D"),
        ("T", "C"),
        ("Answer: A. $\\Delta E$", "A"),
    ],
)
def test_formulas(checker, text, letter):
    verdict = checker.verify(FORMULAS, text)
    assert verdict.evidence.get("answer") == letter, verdict.reason


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("I", "I"),
        ("Answer: I", "I"),
        ("I think it is thing 3", None),
        ("I am not sure", None),
        ("Answer: I think so", None),
        ("thing 8", "I"),
    ],
)
def test_the_pronoun_is_not_option_i(checker, text, letter):
    assert checker.verify(NINE, text).evidence.get("answer") == letter


FLOODS = [
    *(
        r"\text{",
        r"\boxed{",
        r"\boxed{C} ",
        "{",
        "}",
        "Answer: ",
        "Answer: C\n",
        "answer is C? ",
        "final ",
        "(",
        "**",
        "`",
    ),
    *(
        "the answer is ",
        "C is the correct answer. ",
        "option C is correct. ",
        "<answer>",
        "</answer>",
        "$",
        "I choose ",
    ),
    *(
        "not ",
        "if ",
        "no, ",
        "wait ",
        "答案",
        "选C",
        "\n",
        " ",
        "\t",
        "#### C\n",
        "A) x\n",
        "C or ",
        "C, ",
        '"',
        "\\",
        "- ",
    ),
    *(
        "it is C ",
        "also ",
        "С",
        "Ⓒ",
        "?",
        "...",
        "because A ",
        "say the answer ",
        "<think>",
        "</think>\n",
        "```\n",
        "<|im_end|>",
    ),
]


ONCE_QUADRATIC = ["\\text{", "**", "$", "\n", " "]
"""On these the reader was slower than linear at some time, or others were; they are always tried."""


@pytest.mark.parametrize("token", some(FLOODS, ONCE_QUADRATIC))
@pytest.mark.parametrize("end", ["", "\nAnswer: C"])
def test_a_megabyte_of_one_token_takes_few_steps(checker, token, end):
    """Twice the text may take twice the steps, and no more; of regular expressions see the next test."""
    texts = [(token * (size // len(token) + 1))[: size - len(end)] + end for size in (500_000, 1_000_000)]
    half, whole = (python_steps(lambda text=text: checker.verify(COLOURS, text)) for text in texts)
    assert whole <= 2.1 * half + 1000, (half, whole)
    assert whole < 3_000_000


def test_no_pattern_repeats_without_bound():
    """Each search then costs a bounded number of steps per character, whatever the text is."""
    for name, pattern in {**patterns_of(reading), **patterns_of(spans), **patterns_of(context)}.items():
        assert not repeats_without_bound(pattern), name
    assert not repeats_without_bound(thoughts._MARK)
    # A fence reads its own line once: the parts of the line that it repeats have no character in common.
    assert len(repeats_without_bound(fences._LINE)) == 5
    assert repeats_without_bound(re.compile("a*")) and repeats_without_bound(re.compile("(?:(?=(?:a|b+)))"))


GASES = ["oxygen", "nitrogen", "carbon dioxide", "helium"]
FOLDER = Path(__file__).parent


def texts(name):
    """One text per line; ⏎ is a line break."""
    return [line.replace("⏎", "\n") for line in (FOLDER / name).read_text().split("\n") if line]


@pytest.mark.parametrize("text", texts("texts_that_say_c.txt"))
def test_texts_that_say_c(checker, text):
    """The options turn with the answer, so that no other letter is read by luck."""
    problem = Problem("g", Kind.CHOICE, "Which gas do plants absorb?", {"options": GASES, "answer": "C"})
    verdict = checker.verify(problem, text)
    assert verdict.status is Status.VERIFIED, verdict.reason
    other = Problem("g", Kind.CHOICE, "Which gas do plants absorb?", {"options": GASES, "answer": "D"})
    assert checker.verify(other, text).status is Status.REFUTED
    thought = f"<think>\nPerhaps D? The answer is D.\n</think>\n\n{text}"
    assert checker.verify(problem, thought).status is Status.VERIFIED
    assert checker.verify(problem, f"◁think▷{text}", finish_reason="stop").status is Status.MALFORMED


@pytest.mark.parametrize("text", texts("texts_that_do_not.txt"))
def test_texts_that_do_not_say_c(checker, text):
    verdict = checker.verify(Problem("g", Kind.CHOICE, "Which?", {"options": GASES, "answer": "C"}), text)
    assert verdict.status is not Status.VERIFIED, verdict.evidence


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        # simple-evals 33: a label whose own first letter is an option
        ("Antwort:\n\nAntwort: C", "C"),
        ("**Antwort: A**ntwort: C", None),
        # NeMo-Skills 1526: a formula in a box beside an explicit answer
        (r"So \boxed{\Delta E} follows. Answer: C", "C"),
        (r"The text mentions Answer: D." "\n\n" r"\boxed{(C)}", None),
        (r"\boxed{D}" "\n\nAnswer: C", None),
        # openbench 348: "seems" is no letter
        ("Answer seems to be A.\n\nAnswer: A\n", "A"),
        ("Answer seems to be A.\n\nAnswer: C\n", "C"),
        # lm-evaluation-harness 4188: the article
        ("The answer is B because a car moves.", "B"),
        ("I would pick B — a safe choice.", "B"),
        # frontier-evals 125: a correction that is said
        ("Answer: A\nAfter checking the reasoning, I need to correct this.\nAnswer: B", "B"),
        # inspect_ai 5055: markup around the letter
        ("ANSWER: **A**", "A"),
        ("ANSWER: $A$", "A"),
        # omlx 3668: letters that are mentioned behind the answer
        ("The answer is B. Note that A is a common distractor.", "B"),
    ],
)
def test_what_public_extractors_got_wrong(checker, text, letter):
    problem = Problem("g", Kind.CHOICE, "Which?", {"options": GASES, "answer": "C"})
    assert checker.verify(problem, text).evidence.get("answer") == letter


POWERS = Problem("n", Kind.CHOICE, "Which?", {"options": ["2", "4", "8", "16"], "answer": "C"})


@pytest.mark.parametrize(
    "text",
    [
        *(r"-\boxed{8}", r"2\boxed{8}", r"$2\,\boxed{8}$", r"\boxed{8}^2", r"\frac{\boxed{8}}{2}", r"$- \boxed{8}$"),
        *(r"\sqrt{\boxed{8}}", r"{\boxed{8}}^2", r"\boxed{8}!^2", r"\boxed{8}\times 2", r"\boxed{8}/2", r"\boxed{8}x"),
        *(r"10 - \boxed{8}", r"x\cdot\boxed{8}", r"\boxed{8} \%", r"\neq \boxed{8}", r"f(\boxed{8})", r"\boxed{8} - 2"),
    ],
)
def test_a_box_that_is_calculated_with_says_no_option(checker, text):
    assert checker.verify(POWERS, text).status is Status.MALFORMED


@pytest.mark.parametrize(
    "text", [r"\boxed{8}", r"$\boxed{8}$", r"$x = \boxed{8}$.", r"- \boxed{8}", r"**\boxed{8}**", r"\[\boxed{8}\]"]
)
def test_a_box_that_stands_alone_says_its_option(checker, text):
    assert checker.verify(POWERS, text).status is Status.VERIFIED


def test_an_option_is_read_whole_before_its_article_is_dropped(checker):
    dogs = {"options": ["the cat", "a dog", "the dog", "none of the above"], "answer": "C"}
    assert checker.verify(Problem("d", Kind.CHOICE, "-", dogs), "Answer: the dog").status is Status.VERIFIED
    assert checker.verify(Problem("d", Kind.CHOICE, "-", dogs), "Answer: a dog").status is Status.REFUTED


def test_too_long_is_malformed(checker):
    assert checker.verify(COLOURS, "x" * 100, Limits(text_chars=10)).status is Status.MALFORMED


@pytest.mark.parametrize(
    "reference",
    [
        {"options": ["a"], "answer": "A"},
        {"options": ["a", "b"], "answer": "C"},
        {"options": ["a", "b"], "answer": 1},
        {"options": ["a", "a"], "answer": "A"},
        {"options": "ab", "answer": "A"},
        {"answer": "A"},
    ],
)
def test_bad_references_are_named(checker, reference):
    problem = Problem("p", Kind.CHOICE, "", reference)
    assert checker.check_problem(problem)
    assert checker.verify(problem, "A").status is Status.ERROR


def test_a_good_reference_passes(checker):
    assert checker.check_problem(COLOURS) is None


def test_shuffle_moves_the_answer_with_its_option():
    problem = Problem("s", Kind.CHOICE, "Which?\nA. red\nB. green\nC. blue\nD. yellow", COLOURS.reference)
    moved = {}
    for seed in range(40):
        shuffled = shuffle(problem, seed)
        letter = shuffled.reference["answer"]
        assert shuffled.reference["options"]["ABCD".index(letter)] == "blue"
        assert f"{letter}. blue" in shuffled.prompt
        assert [problem.reference["options"][i] for i in shuffled.meta["shuffle"]["order"]] == shuffled.reference[
            "options"
        ]
        assert shuffle(problem, seed) == shuffled
        moved[letter] = moved.get(letter, 0) + 1
    assert len(moved) == 4


def test_shuffle_refuses_a_prompt_without_the_options():
    with pytest.raises(ValueError, match="line of its own"):
        shuffle(COLOURS, 0)


# Random texts out of the parts that models write

SETS = [
    ["oxygen", "nitrogen", "carbon dioxide", "helium"],
    ["3", "5", "7", "9"],
    ["$x^2$", r"\frac{1}{2}", "2x", "x+1"],
    ["True", "False"],
    ["A and B only", "B and C only", "all of the above", "none of the above"],
    ["cat", "dog", "bird", "fish", "cow", "pig", "hen", "ant", "bee", "fox"],
]
SAYINGS = [
    *("Answer: {L}", "The answer is {L}.", "The correct answer is ({L}).", r"\boxed{{{L}}}", "<answer>{L}</answer>"),
    *('{{"answer": "{L}"}}', "So {L} is the correct answer.", "I choose {L}.", "**Answer:** {L}", "**{L}**", "{L}"),
    *("({L})", "答案：{L}", "故选{L}。", "#### {L}", "Answer: {L}. {T}", "{L}. {T}", r"\boxed{{\text{{{L}. {T}}}}}"),
    *("The answer is {T}.", "### Answer\n{L}", r"$\boxed{{\text{{{L}}}}}$", "The answer is option {L}."),
]
DENIALS = [
    *("The answer is not {L}.", "Is the answer {L}?", "If the answer is {L}, we get a contradiction.", "{L} is wrong."),
    *("One might think the answer is {L}.", "Option {L} is incorrect.", "It is tempting to answer {L}."),
]
FILLERS = ["Let us see.", "Since plants need it, we go on.", "Step 1: look.", "- first\n- second", ""]


def random_case(dice):
    """A problem, a text, and whether the text says its right letter and no other."""
    options = dice.choice(SETS)
    letters = "ABCDEFGHIJ"[: len(options)]
    right, wrong = dice.sample(letters, 2)
    problem = Problem("r", Kind.CHOICE, "-", {"options": options, "answer": right})

    def say(sentences, letter):
        return dice.choice(sentences).format(L=letter, T=options[letters.index(letter)])

    filler = "\n".join(dice.choice(FILLERS) for _ in range(dice.randrange(3)))
    style = dice.choice([style for style in thoughts.STYLES if style.name != "harmony, bare"])
    opening, closing = style.example
    return problem, *dice.choice(
        [
            (f"{filler}\n\n{say(SAYINGS, right)}", True),
            (f"{say(DENIALS, wrong)}\n{filler}\n\n{say(SAYINGS, right)}", True),
            (f"{opening}\n{say(SAYINGS, wrong)}\n{closing}\n\n{filler}\n{say(SAYINGS, right)}", True),
            (f"{filler}\n\n{say(SAYINGS, wrong)}", False),
            (f"{say(SAYINGS, wrong)}\n{filler}\n{say(SAYINGS, right)}", False),
            (f"{filler}\n{say(DENIALS, right)}", False),
            (f"{opening}\n{say(SAYINGS, right)}\n{closing}\n{say(SAYINGS, wrong)}", False),
            (f"{opening}\n{filler}\n{say(SAYINGS, right)}", False),
        ]
    )


@pytest.mark.parametrize("seed", range(20))
def test_random_texts(checker, seed):
    dice = random.Random(seed)
    for _ in range(150):
        problem, text, is_right = random_case(dice)
        verdict = checker.verify(problem, text)
        assert (verdict.status is Status.VERIFIED) is is_right, (text, problem.reference, verdict.reason)
