"""Evaluation sets, read for decontamination: any problem file that jobs.problems recognises."""

from __future__ import annotations

from collections.abc import Iterator

from jobs.config import ConfigError, Problems
from jobs.export.contamination import EvaluationItem
from jobs.export.settings import Decontaminate
from jobs.problems.errors import ProblemFileError
from jobs.problems.hub import Wanted
from jobs.problems.layouts import TASKS
from jobs.problems.load import stream_problems
from jobs.problems.places import find_sources
from verifiers.types import Kind, Problem

OTHER_LAYOUTS = (
    ". For other columns give --mapping or [[decontaminate.sources]], or write such a set as canonical JSONL "
    "(docs/problem_files.md)"
)


def read_items(settings: Decontaminate) -> Iterator[EvaluationItem]:
    """The items of all files. Raises ConfigError for a file that cannot be read, since an export that silently skipped
    an evaluation set would be worse than none."""
    for key, part in settings.parts():
        try:
            # Files are read one by one, because two sets may use the same ids and a hit names its file.
            for source in find_sources(part.files, Wanted(part.config, part.split, part.revision)):
                alone = part.model_copy(update={"files": [source.place], "config": "", "split": "", "revision": ""})
                # What is compared is the statement, so an evaluation set needs no answer key.
                for problem in stream_problems(Problems.model_validate({**alone.model_dump(), "unchecked": "accept"})):
                    yield item_of(problem, source.uri)
        except ProblemFileError as error:
            raise ConfigError(f"{key}: {error}{OTHER_LAYOUTS if 'unknown layout' in str(error) else ''}") from None
        except ConfigError as error:
            # The set has one part, which such an error calls `problems`.
            raise ConfigError(f"{key}: {str(error).replace('problems.', '', 1)}") from None


def item_of(problem: Problem, file: str) -> EvaluationItem:
    answer, solution = problem.reference.get("answer"), problem.meta.get("solution")
    return EvaluationItem(
        file,
        problem.id,
        statement_of(problem),
        answer if isinstance(answer, str) else "",
        solution if isinstance(solution, str) else "",
    )


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
