"""Layouts of benchmarks: GSM8K, MATH and related sets, GPQA."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Mapping

from jobs.problems.errors import BadRow
from jobs.problems.rows import (
    RowContext,
    answer_text,
    identity,
    is_nothing,
    optional_string,
    own_id,
    some,
    string,
    words,
)
from verifiers.reference_fields import excerpt
from verifiers.types import Json, Kind, Problem

Row = Mapping[str, Json]

MATH_PROMPTS = ("problem", "Problem")
MATH_ANSWERS = ("answer", "expected_answer", "final_answer", "Short Answer", "Answer")
MATH_IDS = ("unique_id", "problem_idx", "problem_id", "Problem ID", "id", "ID")
MATH_DOMAINS = ("subject", "problem_type", "question_type", "type", "Category")


def looks_like_gsm8k(row: Row) -> bool:
    return isinstance(row["answer"], str) and "####" in row["answer"]


def read_gsm8k(row: Row, context: RowContext) -> Problem:
    """openai/grade-school-math: the answer follows `####` at the end of the worked solution."""
    worked = string(row, "answer")
    _, found, answer = worked.rpartition("####")
    if not found or not answer.strip():
        raise BadRow("answer", f"no `#### answer` at its end: {excerpt(worked[-60:])}", "worked steps, then `#### 18`")
    return Problem(
        id=context.made_id,
        kind=Kind.MATH,
        prompt=string(row, "question").strip(),
        # GSM8K groups thousands with commas; in a final answer of this set a comma never separates two values.
        reference={"answer": re.sub(r"(?<=\d),(?=\d{3})", "", answer.strip())},
        domain="word problems",
        source="gsm8k",
    )


VALIDITY_FLAGS = ("problem_is_valid", "solution_is_valid")
"""Columns in which NuminaMath says whether a row is sound: `Yes`, or another word."""


def looks_like_math(row: Row) -> bool:
    has_answer = any(name in row for name in MATH_ANSWERS) or "\\boxed" in str(row.get("solution", ""))
    return has_answer and any(name in row for name in MATH_PROMPTS)


def read_math(row: Row, context: RowContext) -> Problem:
    """MATH, MATH-500, MathArena, NuminaMath, OpenMathReasoning, IMO-AnswerBench: `problem` with `answer`, or the last
    `\\boxed{…}` of `solution`."""
    for flag in VALIDITY_FLAGS:
        if row.get(flag) not in (None, "") and str(row[flag]).strip().lower() not in ("yes", "true"):
            raise BadRow(flag, f"{excerpt(row[flag])}: the publisher says that the row cannot be used", "Yes")
    prompt = next((name for name in MATH_PROMPTS if name in row), "problem")
    field = next((name for name in MATH_ANSWERS if row.get(name) != "" and not is_nothing(row.get(name))), None)
    reference: dict[str, Json] = {}
    if field:
        reference["answer"] = answer_text(row[field], field)
    elif row.get("solution") not in (None, ""):
        solution = string(row, "solution")
        boxed = last_boxed(solution)
        if boxed is None and not any(name in row for name in MATH_ANSWERS):
            raise BadRow(
                "solution", f"no \\boxed{{…}}: {excerpt(solution[-60:])}", "an answer field, or a boxed answer in it"
            )
        reference |= {} if boxed is None else {"answer": boxed}  # else the answer is what is missing
    return Problem(
        id=own_id(row, MATH_IDS, context),
        kind=Kind.MATH,
        prompt=string(row, prompt).strip(),
        reference=reference,
        domain=next((words(row[name]) for name in MATH_DOMAINS if row.get(name)), ""),
        source=optional_string(row, "source"),
        meta=some(level=row.get("level")),
    )


def last_boxed(text: str) -> str | None:
    """The content of the last `\\boxed{…}`, braces matched; also `\\boxed 5` as MATH has it. None where there is
    none."""
    start = max(text.rfind("\\boxed{"), text.rfind("\\fbox{"))
    if start < 0:
        bare = re.findall(r"\\boxed\s+([^\s$]+)", text)
        return bare[-1].rstrip(".") if bare else None
    begin = text.index("{", start) + 1
    depth, escaped = 1, False
    for position in range(begin, len(text)):
        character = text[position]
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = True
        elif character in "{}":
            depth += 1 if character == "{" else -1
            if depth == 0:
                return text[begin:position].strip() or None
    return None


def read_gpqa(row: Row, context: RowContext) -> Problem:
    """Idavidrein/gpqa. The right answer stands first in the file, so the options are put in an order that depends on
    the question's text; the same question always gets the same order."""
    question = string(row, "Question").strip()
    given = [(string(row, "Correct Answer").strip(), True)]
    given += [(string(row, f"Incorrect Answer {number}").strip(), False) for number in (1, 2, 3)]
    if len({option for option, _ in given}) < len(given):
        raise BadRow("Correct Answer", "two options have the same text", "four different options")
    random.Random(hashlib.sha256(question.encode()).digest()).shuffle(given)
    right = next(index for index, (_, correct) in enumerate(given) if correct)
    return Problem(
        id=identity(row, "Record ID", context),
        kind=Kind.CHOICE,
        prompt=question,
        reference={"options": [option for option, _ in given], "answer": chr(ord("A") + right)},
        domain=optional_string(row, "High-level domain") or optional_string(row, "Subdomain"),
        source="gpqa",
        meta=some(subdomain=row.get("Subdomain")),
    )
