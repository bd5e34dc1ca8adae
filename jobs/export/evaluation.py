"""Evaluation sets, read for decontamination: any problem file that jobs.problems recognises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from jobs.config import ConfigError, Problems
from jobs.export.contamination import EvaluationItem
from jobs.problems.errors import ProblemFileError
from jobs.problems.layouts import TASKS
from jobs.problems.load import stream_problems
from jobs.problems.places import find_sources
from verifiers.types import Kind, Problem

OTHER_LAYOUTS = ". An export takes no columns mapping: write such a set as canonical JSONL (docs/problem_files.md)"


def read_items(files: Sequence[str]) -> Iterator[EvaluationItem]:
    """The items of all files. Raises ConfigError for a file that cannot be read, since an export that silently skipped
    an evaluation set would be worse than none."""
    try:
        # Files are read one by one, because two sets may use the same ids and a hit names its file.
        for source in find_sources(files):
            for problem in stream_problems(Problems(files=[source.uri], unchecked="accept")):
                answer = problem.reference.get("answer")
                solution = problem.meta.get("solution")
                yield EvaluationItem(
                    source.uri,
                    problem.id,
                    statement_of(problem),
                    answer if isinstance(answer, str) else "",
                    solution if isinstance(solution, str) else "",
                )
    except ProblemFileError as error:
        raise ConfigError(f"decontaminate.files: {error}{OTHER_LAYOUTS if 'unknown layout' in str(error) else ''}")


def statement_of(problem: Problem) -> str:
    """The item's own text. The task around it and a Lean file's header are left out: they are the same in every problem
    of the layout and longer than the overlap that counts, so all training problems would be hits."""
    text = problem.prompt
    for task in TASKS:
        text = text.replace(task, " ")
    if problem.kind != Kind.LEAN:
        return text
    header = {line.strip() for line in problem.reference["header"].splitlines()}
    text = "\n".join(line for line in text.splitlines() if line.strip() not in header)
    statement: str = problem.reference["statement"]
    return text if statement in text else f"{text}\n{statement}"
