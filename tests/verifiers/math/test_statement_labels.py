"""The quick pattern of labels in front of answers finds what the plain one finds."""

import random
import re

from verifiers.math.reading.statements import STATEMENT

PLAIN = re.compile(
    r"####|"
    r"\b(?:"
    r"(?:final\s+)?\banswers?\b(?:\s*\*\*)?\s*(?:is|are|=|:|：|to\s+(?:the|this)\s+(?:problem|question)\s+is)(?:\s*[:：])?|"
    r"answer\s+(?:will|would|should|must)\s+be\b|"
    r"(?:no|wait|actually|rather|correction)\b[,.:;! -]*(?:it\s+is|it's|it\s+should\s+be|that\s+is|that's)\b"
    r"(?!\s*(?:wrong|incorrect|not|a|an|the|right|correct|impossible|false|true)\b))|"
    r"(?<![^\n])(?:"
    r"[ \t*_]*ans(?:\.|\b)[ \t*_]*[:=：]|"
    r"[ \t]*(?:\#{1,6}[ \t]+|\*\*|__)[ \t*_]*(?:final[ \t]+)?answer[ \t*_]*[:：]?[ \t*_]*(?=\n))|"
    r"(?:最终)?答案\s*(?:是|为|：|:)+|(?<![^\n])[ \t]*答[ \t]*[：:]",
    re.IGNORECASE,
)
PIECES = [
    *("final answer", "Final  Answer:", "answer is", "ANSWERS are", "answer to the problem is", "answer will be", "\n"),
    *("\n## Answer\n", "ans:", " ans. :", "**Answer**\n", "__answer__\n", "答案：", "最终答案 是", " 答:", "答："),
    *("no, it is", "wait it's", "actually, that is", "rather that's not", "correction: it should be", "####", "### "),
    *("#", " ", "\t", "*", "_", "x", "5", "Final\nanswer :", "final answer would be", ".", "ſ", "unanswered is"),
]


def test_labels_are_found_as_by_the_plain_pattern() -> None:
    drawn = random.Random(3)
    for _ in range(4000):
        text = "".join(drawn.choices(PIECES, k=drawn.randint(1, 8)))
        found = [match.span() for match in STATEMENT.finditer(text)]
        assert found == [match.span() for match in PLAIN.finditer(text)], text
