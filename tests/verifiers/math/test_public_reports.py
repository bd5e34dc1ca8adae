"""Faults that users reported of other graders, each as a test of its kind. The texts are our own.

The reports: Math-Verify 14 (tiny values, chains, lists that share an item), 25 (order of the arguments), 26 (one line
in two forms), 37 (a number inside \\text), 41 and 60 (another formula), 44 (boxes glued to one number), 47 (a part of
the answers), 76 (bold answers); NeMo-Skills 1074 (leading zeros); simple-evals 33 and 115 (the first of several
statements); lm-evaluation-harness 3477 (\\boxed mentioned without content); sglang-jax 1409 (an answer in a thought).
"""

import pytest

from verifiers.math import judge
from verifiers.types import Status


def status(reference, text):
    return Status(judge.work({"reference": {"answer": reference}, "text": text})["status"])


RIGHT = {
    "Math-Verify 76: bold behind equations": (
        "61",
        "a + b = 437 + 2*234 = 905\n\nThus the number of people is **61**.\n\n---\n\nFinal Answer: **61**",
    ),
    "Math-Verify 76: bold heading, answer below": ("61", "437 - 61 = 376\n\n**Final Answer**\n\n**61**"),
    "Math-Verify 76: bold around the label": ("61", "234 + 3 = 237\n\n**Final Answer: 61**"),
    "Math-Verify 44: the same box twice": (
        "840",
        "so \\boxed{840}., but let me explain it.\n\n**Final Answer**\n\\boxed{840}",
    ),
    "Math-Verify 44: leading zeros": ("4", "the sum is 2,552,004, so \\boxed{004}.\n\n**Final Answer**\n\\boxed{004}"),
    "NeMo-Skills 1074: leading zeros in the answer": ("16", "\\boxed{016}"),
    "NeMo-Skills 1074: leading zeros in the reference": ("016", "\\boxed{16}"),
    "Math-Verify 37: a number inside text": ("13", "\\boxed{\\text{13}}"),
    "Math-Verify 26: one line": ("2x+4y-3=0", "\\boxed{y=-\\frac12x+\\frac34}"),
    "Math-Verify 26: one line, turned": ("y=-1/2x+3/4", "\\boxed{2x+4y-3=0}"),
    "Math-Verify 25: an inequality and its interval": ("m \\ge \\sqrt2", "\\boxed{m\\in[\\sqrt2,+\\infty)}"),
    "Math-Verify 25: the same, turned": ("[\\sqrt2,+\\infty)", "\\boxed{m\\ge\\sqrt2}"),
    "simple-evals 115: a statement repeated at the end": ("73", "Answer: 73\n\nTo sum up.\n\nAnswer: 73"),
    "sglang-jax 1409: a thought with another statement": (
        "72",
        "<think>Answer: 5? No: 24 + 48 = 72</think> The answer is 72.",
    ),
    "lm-evaluation-harness 3477: the command is mentioned": (
        "9",
        "I mark the result with \\boxed as asked.\n\n\\boxed{9}",
    ),
}
WRONG = {
    "Math-Verify 14: tiny values": (r"\frac{1}{2004!}", r"\boxed{\frac{1}{2006!}}"),
    "Math-Verify 14: small powers": (r"\frac{1}{2^{99}}", r"\boxed{\frac{1}{2^{98}}}"),
    "Math-Verify 14: lists behind a name": ("n=2, 3, 4", r"\boxed{n=1, 2, 3}"),
    "Math-Verify 14: intervals behind a name": ("D = (0, 1)", r"\boxed{D = (0, 1.5)}"),
    "Math-Verify 14: a recurrence": (r"F_n=\sum_{k=0}^{n-1}F_kF_{n-k-1}", r"\boxed{F_n=\sum_{k=0}^{n-2}F_kF_{n-k-2}}"),
    "Math-Verify 14: lists that share an item": (r"19, 46, \text{ and } 82", r"\boxed{21, 36, \text{ and } 82}"),
    "Math-Verify 14: a dropped term": (r"\frac{2^{2005}+1}{3\cdot2^{2006}}", r"\boxed{\frac{1}{3\cdot2^{2006}}}"),
    "Math-Verify 14: e in another font": (r"1-\frac{1}{\mathrm{e}}", r"\boxed{1+\frac{1}{\mathrm{e}}}"),
    "Math-Verify 14: one sign of two": (r"\pm 2021", r"\boxed{2021}"),
    "Math-Verify 14: times": ("12:00", r"\boxed{1:00}"),
    "Math-Verify 14: sequences with dots": (r"1, 2, \ldots, n", r"\boxed{1, 3, 5, \ldots, 2n-1}"),
    "Math-Verify 41: a factor": ("4", r"\boxed{4\sqrt(2)}"),
    "Math-Verify 60: another line": ("3x+4y+14=0", r"\boxed{3*x-1*y+13=0}"),
    "Math-Verify 47: one of two answers": ("1331 and 1728", r"\boxed{1728}"),
    "Math-Verify 44: boxes glued to one number": ("840840", "so \\boxed{840}.\n\n**Final Answer**\n\\boxed{840}"),
    "Math-Verify 76: a number of the working": ("234", "437 + 2*234 = 905\n\nFinal Answer: **61**"),
    "simple-evals 115: the first statement was another one": ("5", "Answer: 5\n\nThat misses a case.\n\nAnswer: 7"),
    "simple-evals 33: a word that begins like an answer": ("5", "Antwort:\n\nAntwort: 7"),
    "sglang-jax 1409: the answer of a thought": ("5", "<think>Answer: 5</think> The answer is 72."),
    "lm-evaluation-harness 3477: only the command is mentioned": ("as", "Mark your solution with \\boxed as asked"),
}  # fmt: skip


@pytest.mark.parametrize(("reference", "text"), RIGHT.values(), ids=RIGHT)
def test_right_answers_that_others_refused(reference, text):
    assert status(reference, text) is Status.VERIFIED


@pytest.mark.parametrize(("reference", "text"), WRONG.values(), ids=WRONG)
def test_wrong_answers_that_others_accepted(reference, text):
    assert status(reference, text) is not Status.VERIFIED
