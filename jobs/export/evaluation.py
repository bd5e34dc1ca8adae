"""Evaluation sets, read for decontamination: any problem file that jobs.problems recognises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobs.config import ConfigError, Problems
from jobs.export.contamination import EvaluationItem
from jobs.problems.faults import ProblemFileError
from jobs.problems.load import stream_problems


def read_items(files: Sequence[str]) -> Iterator[EvaluationItem]:
    """The items of all files. Raises ConfigError for a file that can not be read: an export that silently skipped an
    evaluation set would be worse than none."""
    for file in files:
        try:
            for problem in stream_problems(Problems(files=[file])):
                answer = problem.reference.get("answer")
                solution = problem.meta.get("solution")
                yield EvaluationItem(
                    file,
                    problem.id,
                    problem.prompt,
                    answer if isinstance(answer, str) else "",
                    solution if isinstance(solution, str) else "",
                )
        except ProblemFileError as error:
            raise ConfigError(f"decontaminate.files: {error}")
