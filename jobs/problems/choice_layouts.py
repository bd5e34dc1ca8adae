"""Layouts of multiple-choice sets: MMLU, MMLU-Pro, SuperGPQA, MedMCQA, MedQA, ARC and its kin, C-Eval, CMMLU, AQuA.

Promises: where a publisher names the right option twice, by letter and by number or text, both must agree; a number
that shows that a file counts from elsewhere ends the reading (jobs.problems.choices).
"""

from __future__ import annotations

import string as letters
from collections.abc import Mapping

from jobs.problems.choices import read_options, right_letter, text_of, without_empty_end
from jobs.problems.errors import BadRow
from jobs.problems.rows import RowContext, first_words, is_nothing, own_id, some, string
from verifiers.types import Json, Kind, Problem

Row = Mapping[str, Json]

IDS = ("id", "uuid", "question_id")
DOMAINS = ("subject", "category", "discipline", "subject_name", "Subject")


def choice(
    row: Row,
    context: RowContext,
    prompt: str,
    options: Json,
    field: str,
    source: str,
    form: str,
    column: str = "options",
) -> Problem:
    """The problem of a row with its options, which stand in `column`; `field` names the right one, in `form`
    (jobs.problems.choices.FORMS)."""
    texts, labels = read_options(options, column)
    reference: dict[str, Json] = {"options": texts}
    if not is_nothing(row.get(field)) and row[field] != "":
        reference["answer"] = right_letter(row[field], field, texts, labels, form)
    return Problem(
        id=own_id(row, IDS, context),
        kind=Kind.CHOICE,
        prompt=prompt,
        reference=reference,
        domain=first_words(row, DOMAINS),
        source=source,
        meta=some(explanation=row.get("explanation") or row.get("exp") or row.get("rationale")),
    )


def agree(problem: Problem, row: Row, field: str, form: str) -> Problem:
    """The problem itself. Raises BadRow where a second column names another option than the first."""
    if is_nothing(row.get(field)) or row[field] == "" or "answer" not in problem.reference:
        return problem
    options = problem.reference["options"]
    found = right_letter(row[field], field, options, list(letters.ascii_uppercase[: len(options)]), form)
    if found != problem.reference["answer"]:
        raise BadRow(field, f"names {found}, another column {problem.reference['answer']}", "one right option")
    return problem


def is_mmlu(row: Row) -> bool:
    return isinstance(row["choices"], list) and "answerKey" not in row


def read_mmlu(row: Row, context: RowContext) -> Problem:
    """cais/mmlu: `choices` and the number of the right one, from 0."""
    right = row.get("answer")
    form = "from 0" if not isinstance(right, str) or right.strip().isdecimal() else "letter"
    return choice(row, context, string(row, "question").strip(), row.get("choices"), "answer", "mmlu", form, "choices")


def read_mmlu_pro(row: Row, context: RowContext) -> Problem:
    """TIGER-Lab/MMLU-Pro: up to ten options, the right one by letter and by number from 0."""
    question = string(row, "question").strip()
    found = choice(row, context, question, row.get("options"), "answer_index", "mmlu-pro", "from 0")
    return agree(found, row, "answer", "letter")


def read_supergpqa(row: Row, context: RowContext) -> Problem:
    """m-a-p/SuperGPQA: the right option by letter and by its text."""
    question = string(row, "question").strip()
    found = choice(row, context, question, row.get("options"), "answer_letter", "supergpqa", "letter")
    return same_text(found, row, "answer")


def same_text(problem: Problem, row: Row, field: str) -> Problem:
    """The problem itself. Raises BadRow where the text beside the letter is that of another option."""
    text, right = row.get(field), problem.reference.get("answer")
    options = [option.strip() for option in problem.reference["options"]]
    if right and isinstance(text, str) and text.strip() in options:
        places = [letters.ascii_uppercase[place] for place, option in enumerate(options) if option == text.strip()]
        if right not in places:
            raise BadRow(field, f"is option {places[0]}, but the letter is {right}", "one right option")
    return problem


def read_medmcqa(row: Row, context: RowContext) -> Problem:
    """openlifescienceai/medmcqa: four columns of options, `cop` counts from 0; -1 stands in the test split. The JSON
    files of its first release count from 1, which a 4 shows."""
    options = [text_of(row.get(name), name) for name in ("opa", "opb", "opc", "opd")]
    row = {**row, "cop": None} if row.get("cop") in (-1, "-1") else row
    return choice(row, context, string(row, "question").strip(), options, "cop", "medmcqa", "from 0")


def read_medqa(row: Row, context: RowContext) -> Problem:
    """MedQA: `options` an object, or a list of keys and values; `answer_idx` the letter, `answer` its text."""
    question = string(row, "question").strip()
    found = choice(row, context, question, row.get("options"), "answer_idx", "medqa", "letter")
    return same_text(found, row, "answer")


def read_arc(row: Row, context: RowContext) -> Problem:
    """allenai/ai2_arc, and OpenBookQA and CommonsenseQA in its way: texts and labels, which may be 1 to 4."""
    question: Json = row.get("question", row.get("question_stem"))
    options: Json = row.get("choices")
    if isinstance(question, dict):  # the files of the first release
        question, options = question.get("stem"), question.get("choices")
    asked = string({"question": question}, "question").strip()
    return choice(row, context, asked, options, "answerKey", "", "letter", "choices")


def read_lettered_columns(row: Row, context: RowContext) -> Problem:
    """C-Eval and CMMLU: a column for each option. The test split has no answers."""
    capital = "Question" in row
    options = without_empty_end([row.get(letter) for letter in "ABCDEF"])
    question = string(row, "Question" if capital else "question").strip()
    return choice(row, context, question, options, "Answer" if capital else "answer", "", "letter")


def read_aqua(row: Row, context: RowContext) -> Problem:
    """deepmind/aqua_rat: options with their letters in front."""
    return choice(row, context, string(row, "question").strip(), row.get("options"), "correct", "aqua", "letter")
