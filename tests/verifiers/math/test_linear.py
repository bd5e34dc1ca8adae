"""Every reader of model text is linear: a megabyte of one repeated token, bounded by steps and not by a clock.

A run tries the tokens that were once quadratic and a twentieth of the others; `make linear` tries all.
"""

import re
from functools import partial
from pathlib import Path

import pytest
from step_counts import CountedText, TooManyStepsError, count_lines, counted_patterns, regex_run, regex_steps, some

import verifiers
from verifiers.math import judge

FOLDER = str(Path(verifiers.__file__).parent)
READERS = ("verifiers.math", "verifiers.thoughts", "verifiers.prose", "verifiers.enclosures", "verifiers.fences")
MEGABYTE = 2**20
MAX_SCANS = 100
"""Times that a text may be handed to a pattern in whole; the text is read by some dozens of patterns."""
LONG = 4096
"""Characters from which on the cost of a pattern matters; the readers of one answer refuse more."""
TOKENS = [
    "a", "7", " ", "\n", "$", "$$", "{", "}", "\\", "\\{", "(", "[", "*", "**", "_", "`", "#", "####", "?", "!", ".",
    ",", "-", ":", "<think>", "</think>", "<answer>", "</answer>", "\\boxed{", "\\boxed{1}", "\\boxed{1} ",
    "\\boxed ", "\\text{", "\\text{a}", "\\frac{1}{", "\\left(", "\\(", "\\[", "\\]", "\\begin{", "\\begin{cases}",
    "the answer is ", "the answer is 5. ", "Answer: ", "wait, ", "no ", "not ", "because ", "so ", "and ", "is not ",
    "was very ", "{\"answer\": ", "\"", "'", "<|im_end|>", "|", "&", "\\\\", "1,000", "1 ", "a b ", "the ",
    "the correct ", "if ", "答案", "\t", "\u200b", "^", "**Answer** ", "```\n", "x = ", "5 \\quad ", "\\, ",
    "is the final answer ", "(incorrect) ",
]  # fmt: skip


ONCE_QUADRATIC = ["*", "**", "`", "$", "$$", "\\(", "\\[", "\n", " ", "\\boxed{1} "]
"""On these a reader was slower than linear at some time; they are always tried."""
TRIED = some(TOKENS, ONCE_QUADRATIC)


def read(text):
    judge.work({"reference": {"answer": "12345"}, "text": text})


FORMS = (
    "{}",
    "So \\boxed{{5}} {}",
    "The answer is {}",
    "The answer is 5{}cm.",
    "The answer is \\[ {}",
    "<think>{}</think>5",
)
"""Where the repeated token stands: alone, behind a box, as the stated answer or in it, in a display, in a thought."""


def exists(name):
    path = Path(FOLDER).parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


@pytest.fixture(scope="module")
def patterns():
    """Patterns that were handed a long text by any of the repeated tokens."""
    return {}


@pytest.mark.parametrize("token", TRIED)
def test_texts_are_looked_at_a_bounded_number_of_times(token, patterns):
    for form in FORMS:
        few, many = (looked_at(form.format(token * (size // len(token))), patterns) for size in (2**13, 2**15))
        assert many < max(5 * few, MAX_SCANS * 2**15), f"{form}: {few} characters of 8 KiB, {many} of 32 KiB"
    # Counting slices makes each read a Python call, so of the megabyte only what patterns are handed is counted.
    handed = looked_at(token * (MEGABYTE // len(token)), patterns, slices=False)
    assert handed < MAX_SCANS * MEGABYTE, f"{handed} characters were handed to patterns"


def looked_at(text, patterns, slices=True):
    """Characters of slices and of texts handed to patterns; `patterns` collects what was handed long texts."""
    sizes = []
    with counted_patterns(READERS) as uses:
        read(CountedText(text, sizes) if slices else text)
    for pattern, method, handed in uses:
        if handed > LONG:
            patterns.setdefault((pattern.pattern, pattern.flags, method), text[:20])
    return sum(sizes) + sum(handed for _, _, handed in uses)


def test_no_pattern_that_sees_long_texts_backtracks_more_than_linearly(patterns):
    assert patterns, "no pattern was seen with a long text: run the whole file"
    slow = []
    for pattern, flags, method in patterns:
        compiled = re.compile(pattern, flags)
        for token in TRIED:
            small, large = (token * (size // len(token) + 1) for size in (200, 800))
            try:
                few = regex_steps(compiled, small, method, limit=200_000)
                many = regex_steps(compiled, large, method, limit=6 * few + 2000)
            except TooManyStepsError:
                slow.append((pattern[:60], method, token))
                continue
            assert many > 0 and few > 0
    assert not slow, f"more than linear: {slow}"


@pytest.mark.parametrize("token", TRIED)
def test_executed_lines_grow_linearly(token):
    # Both sizes are beyond what the reader of one answer takes, so that only the search for the answer is counted.
    small, large = (token * (size // len(token)) for size in (5_000, 15_000))
    for form in FORMS[:3]:
        few, many = (count_lines(FOLDER, partial(read, form.format(text))) for text in (small, large))
        assert many <= 3.6 * few + 500, f"{form}: {few} lines for 5,000 characters, {many} for 15,000"


def test_the_counters_see_what_is_not_linear():
    def quadratic(text):
        for end in range(len(text)):
            re.search("b", text[:end])

    assert regex_steps(re.compile(r"a+b"), "a" * 400) > 10 * regex_steps(re.compile(r"a+b"), "a" * 100)
    assert regex_steps(re.compile(r"ab"), "a" * 400) < 5 * regex_steps(re.compile(r"ab"), "a" * 100)
    with pytest.raises(TooManyStepsError):
        regex_steps(re.compile(r"(a|a)*b"), "a" * 40, limit=10_000)
    here = str(Path(__file__).parent)
    assert count_lines(here, lambda: quadratic("a" * 400)) < 5 * count_lines(here, lambda: quadratic("a" * 100))


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"\banswers?\b\s*(?:is|are)(?!\s*not)", "the Answer is 5, the answers are not 6. "),
        (r"(?<=a)b+?c{2,3}", "abbccc b"),
        (r"[^\s{]+|\{\d+", "x {12 {y"),
        (r"^(?:the|an?)\s+(\w)\1$", "the aa"),
        (r"<(?:think|thought)>", "<Think> <thought>"),
    ],
)
@pytest.mark.parametrize("flags", [0, re.IGNORECASE])
def test_the_matcher_that_counts_finds_what_re_finds(pattern, text, flags):
    compiled = re.compile(pattern, flags)
    for whole in (text, text * 7, text[1:]):
        assert regex_run(compiled, whole, "finditer")[1] == [match.end() for match in compiled.finditer(whole)]


@pytest.mark.parametrize("token", ["a b ", "2a", "-a"])
def test_a_product_as_deep_as_it_is_long_raises_nothing(token):
    result = judge.work({"reference": {"answer": "12345"}, "text": f"\\boxed{{{token * 600}}}"})
    assert result["status"] in ("undecided", "refuted", "malformed")
