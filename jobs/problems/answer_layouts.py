"""Layouts of sets with a question and a final answer: plain ones, OlympiadBench, s1K, ORZ, WebInstruct-verified,
INTELLECT-3's mathematics, prompts of OpenRLHF and NeMo-RL."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from jobs.problems.choices import listed_choice
from jobs.problems.errors import BadRow
from jobs.problems.exam_layouts import last_boxed
from jobs.problems.rows import (
    RowContext,
    answer_list,
    answer_text,
    first_there,
    first_words,
    is_nothing,
    key_of,
    objects,
    optional_string,
    own_id,
    some,
    string,
)
from jobs.problems.training_layouts import one_user_message
from verifiers.reference_fields import excerpt
from verifiers.types import Json, Kind, Problem

Row = Mapping[str, Json]

IDS = ("id", "uuid", "unique_id", "question_id", "problem_id")
ANSWERS = ("final_answer", "expected_answer", "answer")
DOMAINS = ("topic", "subject", "category", "type", "source_type")
NOT_PLAIN = frozenset(
    {
        "options",
        "choices",
        "A",
        "opa",
        "context",
        "passage",
        "support",
        "Body",
        "instruction",
        "info",
        "image",
        "images",
    }
    | {"tests", "test", "test_list", "test_cases", "starter_code", "entry_point"}
)
"""Columns beside which a question and an answer are not the whole of a problem."""
OTHER_CHOICES = ("multiple choice", "multiple-choice")


def math(row: Row, context: RowContext, prompt: str, reference: dict[str, Json], source: str = "") -> Problem:
    return Problem(
        id=own_id(row, IDS, context),
        kind=Kind.MATH,
        prompt=prompt,
        reference=reference,
        domain=first_words(row, DOMAINS),
        source=source,
        meta=some(difficulty=row.get("difficulty")),
    )


def is_plain(row: Row) -> bool:
    return any(name in row for name in ANSWERS) and NOT_PLAIN.isdisjoint(row)


def read_plain(row: Row, context: RowContext) -> Problem:
    """`question` with `answer`, `final_answer` or `expected_answer`: DeepMath, opencompass' AIME, Minerva, and more."""
    field = first_there(row, ANSWERS)
    return math(row, context, string(row, "question").strip(), key_of(row.get(field), field))


def read_olympiadbench(row: Row, context: RowContext) -> Problem:
    """OlympiadBench: physics has its setting in `context`; several answers are all asked for; `error` is the tolerance.
    Rows with images, proofs, and those that only a person can judge are bad rows."""
    if str(row.get("modality") or "").lower().startswith("multi") or "<image" in str(row.get("question")):
        raise BadRow("modality", "shows an image, which a text cannot", "a question that is all text")
    kind = str(row.get("answer_type") or "")
    if "human" in kind.lower() or "proof" in str(row.get("question_type") or "").lower():
        raise BadRow("answer_type", f"{excerpt(kind)}: there is no answer to check", "an answer that can be compared")
    given = row.get("final_answer")
    answers = answer_list(given, "final_answer") if not is_nothing(given) and given not in ([], "") else []
    key = "all" if row.get("is_multiple_answer") and len(answers) > 1 else "answer"
    if key == "answer" and len(answers) > 1:
        raise BadRow("final_answer", f"{len(answers)} answers, and is_multiple_answer is not set", "one answer")
    reference: dict[str, Json] = {key: answers if key == "all" else answers[0]} if answers else {}
    tolerance = tolerance_of(row.get("error"))
    if tolerance is not None and reference:
        reference["tolerance"] = {"abs": tolerance}
    parts = [optional_string(row, "context").strip(), string(row, "question").strip()]
    if unit := optional_string(row, "unit").strip():
        parts.append(f"Give the answer in {unit}.")
    row = {**row, "subject": row.get("subfield") or row.get("subject")}
    return math(row, context, "\n\n".join(part for part in parts if part), reference, "olympiadbench")


def tolerance_of(error: Json) -> float | None:
    """OlympiadBench's `error`, such as `1e-1`; one for each answer stands behind commas. Raises BadRow."""
    if is_nothing(error) or str(error).strip() == "":
        return None
    try:
        found = {abs(float(part)) for part in str(error).split(",")}
    except ValueError:
        found = set()
    if len(found) != 1:
        raise BadRow("error", f"is {excerpt(error)}", "one tolerance, such as 1e-1")
    return found.pop()


def read_s1k(row: Row, context: RowContext) -> Problem:
    """simplescaling/s1K: the answer is the last boxed one of `solution`, or all of it."""
    solution = string(row, "solution")
    answer = last_boxed(solution) or solution
    return math(row, context, string(row, "question").strip(), {"answer": answer_text(answer, "solution")}, "s1k")


def is_orz(row: Row) -> bool:
    turns = row["conversations"]
    return isinstance(turns, list) and any(isinstance(turn, dict) and "ground_truth" in turn for turn in turns)


def read_orz(row: Row, context: RowContext) -> Problem:
    """Open-Reasoner-Zero: a row is a list of turns, and the assistant's holds `ground_truth`."""
    given = objects(row, "conversations")
    turns = {str(turn.get("from")): turn for turn in given}
    if len(turns) != 2 or len(given) != 2 or "human" not in turns:
        raise BadRow("conversations", excerpt(given), "one question and one answer")
    truth = next((turn.get("ground_truth") for turn in turns.values() if "ground_truth" in turn), None)
    value = truth.get("value") if isinstance(truth, dict) else truth
    prompt = string(turns["human"], "value").strip()
    return math(row, context, prompt, key_of(value, "ground_truth.value"), "orz")


def read_webinstruct(row: Row, context: RowContext) -> Problem:
    """TIGER-Lab/WebInstruct-verified: `answer_type` says what the answer is; questions of type Multiple Choice list
    their options themselves."""
    question = string(row, "question").strip()
    source = "webinstruct-verified"
    if str(row.get("answer_type") or "").strip().lower() not in OTHER_CHOICES or context.kind == Kind.MATH:
        return math(row, context, question, key_of(row.get("answer"), "answer"), source)
    return Problem(
        id=own_id(row, IDS, context),
        kind=Kind.CHOICE,
        prompt=question,
        reference=listed_choice(question, row.get("answer"), "answer"),
        domain=optional_string(row, "category"),
        source=source,
        meta=some(difficulty=row.get("difficulty")),
    )


def read_intellect_math(row: Row, context: RowContext) -> Problem:
    """PrimeIntellect/INTELLECT-3-RL, configurations with a final answer. A `task` other than mathematics has its own
    scorer, which is not here."""
    task = optional_string(row, "task")
    if task and "math" not in task.lower():
        raise BadRow("task", f"is {excerpt(task)}, a task that is not judged here", "math")
    return math(row, context, string(row, "question").strip(), key_of(row.get("answer"), "answer"), "intellect-3")


INPUT_ANSWERS = ("answer", "label", "expected_answer", "output")


def has_input_answer(row: Row) -> bool:
    return any(name in row for name in INPUT_ANSWERS) and NOT_PLAIN.isdisjoint(row)


def read_input(row: Row, context: RowContext) -> Problem:
    """OpenRLHF's prompts and NeMo-RL's ResponseDataset: `input` is a text, or a chat as JSON text."""
    prompt, system = one_user_message(row.get("input"), "input")
    field = first_there(row, INPUT_ANSWERS)
    found = math(row, context, prompt, key_of(row.get(field), field))
    return dataclasses.replace(found, meta={**found.meta, **some(system=system)})
