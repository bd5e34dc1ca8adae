"""The lines of a batch file (OpenAI's format) as the problems and the settings of one run.

    {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": [...], "proofmill": {...}}}

Promises: each line is read like the body of a chat request, with the same refusals; all that is wrong is one error,
which names the lines. One run has one way of sampling, so lines that ask for another one than the first line are
refused, as is a file in which only some lines have a problem.
"""

from __future__ import annotations

import dataclasses
import json
import secrets
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import pydantic

from jobs.problems.canonical import require_answer_key
from jobs.problems.errors import BadRow
from jobs.service.chat_schema import ChatRequest
from jobs.service.http_errors import HttpProblem, invalid, shown
from jobs.service.request_faults import place_faults, pointer
from jobs.service.schemas import Model, ProblemBody, bad_row
from jobs.service.unchecked import KIND
from verifiers.reference_fields import MAX_ID_CHARS
from verifiers.types import Json, Problem
from workers.prompting.messages import MESSAGES_BEFORE

ENDPOINT = "/v1/chat/completions"
NO_BOUND = 2**31
"""Bound of max_tokens where the engine's own context is the only one."""


class BatchLine(Model):
    custom_id: Annotated[str, pydantic.Field(min_length=1, max_length=MAX_ID_CHARS)]
    method: Literal["POST"]
    url: Literal["/v1/chat/completions"]
    body: ChatRequest

    @pydantic.field_validator("custom_id")
    @classmethod
    def _is_a_name(cls, custom_id: str) -> str:
        if not custom_id.strip() or not custom_id.isprintable():
            raise ValueError("blank, or has control characters; a short printable name is needed")
        return custom_id


@dataclasses.dataclass(frozen=True, slots=True)
class BatchPlan:
    """What a run needs to answer a batch."""

    problems: tuple[Problem, ...]
    """One per line, named by its `custom_id`."""
    is_checked: bool
    """Whether the lines are problems. If not, they are chats."""
    model: str
    seed: int
    sampling: dict[str, Json]
    """Keys of a run's `[sampling]`."""


@dataclasses.dataclass(slots=True)
class Faults:
    """What is wrong with a file."""

    listed: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def add(self, line: int, place: str, detail: str) -> None:
        self.listed.append({"line": line, "pointer": place, "detail": detail})

    def raise_any(self) -> None:
        if self.listed:
            raise invalid(self.listed)


def read_batch(content: bytes, max_lines: int) -> BatchPlan:
    """Raises HttpProblem 413 and 422."""
    numbered = [(number, line) for number, line in enumerate(content.split(b"\n"), 1) if line.strip()]
    if len(numbered) > max_lines:
        raise HttpProblem(413, "too-large", f"{len(numbered):,} lines; at most {max_lines:,} in a batch")
    if not numbered:
        raise HttpProblem(422, "invalid-request", "the file has no lines")
    faults = Faults()
    lines: list[tuple[int, BatchLine]] = []
    first_of: dict[str, int] = {}
    for number, text in numbered:
        line = read_line(number, text, faults)
        if line is None:
            continue
        if (first := first_of.setdefault(line.custom_id, number)) != number:
            faults.add(number, "/custom_id", f"the same as in line {first}")
        lines.append((number, line))
    faults.raise_any()
    check_alike(lines, faults)
    faults.raise_any()
    problems = tuple(problem for number, line in lines if (problem := problem_of(number, line, faults)))
    faults.raise_any()
    return plan_of(lines[0][1].body, problems)


def read_line(number: int, text: bytes, faults: Faults) -> BatchLine | None:
    """None where the line cannot be used; what is wrong is among `faults` then."""
    try:
        line = BatchLine.model_validate_json(text)
    except pydantic.ValidationError as error:
        for place, message in place_faults(error.errors(include_url=False, include_context=False), text):
            faults.add(number, pointer(place), shown(message))
        return None
    try:
        line.body.check(NO_BOUND)
    except HttpProblem as wrong:
        for fault in wrong.errors:
            faults.add(number, f"/body{fault['pointer']}", str(fault["detail"]))
        return None
    if line.body.stream:
        faults.add(number, "/body/stream", "a batch is not streamed")
    last = len(line.body.messages) - 1
    if line.body.messages[last].role != "user":
        faults.add(number, f"/body/messages/{last}/role", "the last message must be the user's")
    elif not line.body.messages[last].pair()[1].strip():
        faults.add(number, f"/body/messages/{last}/content", "empty")
    return line


def check_alike(lines: list[tuple[int, BatchLine]], faults: Faults) -> None:
    """All lines must ask for one way of sampling."""
    first_number, first = lines[0]
    settings = dict(settings_of(first.body))
    reason = f"differs from line {first_number}, and a batch is one run; put these lines into another file"
    for number, line in lines[1:]:
        if (line.body.proofmill is None) != (first.body.proofmill is None):
            faults.add(number, "/body/proofmill", reason)
            continue
        for place, value in settings_of(line.body):
            if value != settings[place]:
                faults.add(number, f"/body{place}", reason)


def settings_of(body: ChatRequest) -> Iterator[tuple[str, Json]]:
    """What must be the same for all lines, by its place in the body."""
    asked = body.proofmill
    yield "/proofmill/num_samples", asked.num_samples if asked else None
    yield "/proofmill/seed", asked.seed if asked else None
    yield "/model", body.model
    yield "/n", body.n or 1
    yield "/seed", body.seed
    sampling = body.sampling()
    for name in ("temperature", "top_p", "top_k", "min_p", "max_tokens", "stop"):
        yield f"/{name}", sampling.get(name)


def problem_of(number: int, line: BatchLine, faults: Faults) -> Problem | None:
    messages = line.body.pairs()
    asked = line.body.proofmill
    before = [{"role": role, "content": content} for role, content in messages[:-1]]
    meta = {MESSAGES_BEFORE: before} if before else {}
    if asked is None:
        return Problem(line.custom_id, KIND, messages[-1][1], {}, meta=meta)
    row = ProblemBody(id=line.custom_id, kind=asked.kind, prompt=messages[-1][1], reference=asked.reference, meta=meta)
    try:
        return require_answer_key(row.problem())
    except BadRow as error:
        fault = bad_row(error, "/body/proofmill", row)
        own_places = {"id": "/custom_id", "prompt": f"/body/messages/{len(messages) - 1}/content"}
        faults.add(number, own_places.get(error.field, fault["pointer"]), fault["detail"])
        return None


def plan_of(body: ChatRequest, problems: tuple[Problem, ...]) -> BatchPlan:
    """The plan of a file whose first line has this body."""
    sampling: dict[str, Json] = {**body.sampling()}
    if body.proofmill is None:
        seed = secrets.randbelow(2**53) if body.seed is None else body.seed % 2**63
        sampling |= {"policy": "fixed", "num_samples": body.n or 1}
        return BatchPlan(problems, False, body.model, seed, sampling)
    seed = body.proofmill.seed if body.seed is None else body.seed % 2**63
    sampling |= {"policy": "until_verified", "num_samples": body.proofmill.num_samples}
    return BatchPlan(problems, True, body.model, seed, sampling)


def line_of(problem: Problem) -> str:
    """The problem as a line of a problem file."""
    return json.dumps(problem.to_json())
