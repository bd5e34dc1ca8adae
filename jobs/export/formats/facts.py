"""The columns of a sample that people filter by: reference, answers, pass rate, checker, and the thought apart."""

from __future__ import annotations

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.export.bucket import Bucket, Ints
from jobs.export.formats.chats import column
from jobs.export.quality_filters import may_hold_marks
from jobs.export.rates import FIGURES
from verifiers import thoughts

MARK_AT_END = re.compile(rf"\A\s*(?:{thoughts.MARKS})|(?:{thoughts.MARKS})\s*\Z", re.IGNORECASE)
"""The marks around a thought."""


def filter_columns(bucket: Bucket, rows: Ints) -> dict[str, pa.Array]:
    """The columns of the bucket's `rows`, in their order."""
    taken = bucket.table.select(FROM_RUN).take(pa.array(rows))
    estimates = bucket.rates[bucket.problem_of[rows]]
    reference = column(taken, "reference")
    return {
        "reference": reference,
        "expected_answer": expected_answers(reference),
        "extracted_answer": column(taken, "extracted_answer"),
        "temperature": column(taken, "temperature"),
        **{name: numbers(estimates[:, at]) for at, name in enumerate(FIGURES)},
        "checker": column(taken, "checker"),
        "checker_version": column(taken, "checker_version"),
    }


FROM_RUN = ["reference", "extracted_answer", "temperature", "checker", "checker_version"]


def numbers(values: np.ndarray) -> pa.Array:
    """NaN becomes null."""
    return pa.array(values, pa.float64(), mask=np.isnan(values))


def expected_answers(references: pa.Array) -> pa.Array:
    """The final answer of each reference (JSON) as text; null where it has none. Each distinct one is parsed once."""
    encoded = references.dictionary_encode()
    answers = [expected_answer(json.loads(text)) for text in encoded.dictionary.to_pylist()]
    return pa.array(answers, pa.string()).take(encoded.indices)


def expected_answer(reference: dict[str, object]) -> str | None:
    answer = reference.get("answer")
    return str(answer) if isinstance(answer, str | int | float) and not isinstance(answer, bool) else None


def thought_columns(texts: pa.Array) -> dict[str, pa.Array]:
    """Thought and answer of each text apart, without the marks. A text without a thought is all answer."""
    marked = may_hold_marks(texts)
    reasoning: list[str | None] = [None] * len(texts)
    answers: list[str | None] = [None] * len(texts)
    for at in np.flatnonzero(marked).tolist():
        text = texts[at].as_py()
        parts = thoughts.split(text, "stop")
        if parts.opened or parts.closed:
            thought = MARK_AT_END.sub("", parts.thought)
            reasoning[at], answers[at] = thoughts.without_end_tokens(thought).strip(), parts.answer.strip()
    return {
        "reasoning_content": pa.array(reasoning, pa.string()),
        "content": pc.coalesce(pa.array(answers, pa.string()), texts),
    }
