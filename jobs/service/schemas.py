"""The JSON of the HTTP interface, and its conversion to the types of `verifiers`.

Requests are read with pydantic straight from the body's bytes, which bounds nesting and refuses broken Unicode;
problems then pass the same check as a line of a problem file (jobs.problems.canonical), with all its caps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

import fastapi
import pydantic
import pydantic.json_schema

from jobs.config import KindName
from jobs.problems.canonical import read_canonical
from jobs.problems.errors import BadRow
from jobs.service.http_errors import HttpProblem, invalid, invalid_body
from jobs.service.request_faults import pointer_to_field
from jobs.service.settings import Caps
from verifiers.reference_fields import MAX_ID_CHARS, MAX_LABEL_CHARS, MAX_PROMPT_CHARS
from verifiers.types import Limits, Problem, Status

MAX_TEXT_CHARS = Limits().text_chars
MAX_FINISH_REASON_CHARS = 100
Body = TypeVar("Body", bound=pydantic.BaseModel)


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class ProblemBody(Model):
    """A problem as in a problem file; docs/problem_files.md says what `reference` holds for each kind."""

    id: Annotated[str, pydantic.Field(min_length=1, max_length=MAX_ID_CHARS)] = "inline"
    kind: KindName
    prompt: Annotated[str, pydantic.Field(max_length=MAX_PROMPT_CHARS)] = "-"
    """What the model is asked. A check of kind math, choice or lean does not need it."""
    reference: dict[str, Any]
    domain: Annotated[str, pydantic.Field(max_length=MAX_LABEL_CHARS)] = ""
    source: Annotated[str, pydantic.Field(max_length=MAX_LABEL_CHARS)] = ""
    split: Annotated[str, pydantic.Field(max_length=MAX_LABEL_CHARS)] = ""
    meta: dict[str, Any] = {}

    def problem(self) -> Problem:
        """Raises BadRow."""
        return read_canonical({**dict(self), "kind": self.kind})


class LimitsBody(Model):
    """Bounds of one check; left out = the checker's own. The service caps them."""

    wall_s: Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)] | None = None
    cpu_s: Annotated[float, pydantic.Field(gt=0, allow_inf_nan=False)] | None = None
    memory_mb: Annotated[int, pydantic.Field(gt=0)] | None = None
    output_kb: Annotated[int, pydantic.Field(gt=0)] | None = None

    def capped(self, caps: Caps) -> tuple[tuple[str, float], ...]:
        """The fields that are set. Raises HttpProblem 422 for more than the service allows."""
        wanted = {name: value for name, value in dict(self).items() if value is not None}
        over = [name for name, value in wanted.items() if value > getattr(caps, name)]
        if over:
            errors = [{"pointer": f"/limits/{name}", "detail": f"at most {getattr(caps, name):g}"} for name in over]
            raise HttpProblem(422, "invalid-request", "more than this service allows", errors=errors)
        return tuple(wanted.items())


Text = Annotated[str, pydantic.Field(max_length=MAX_TEXT_CHARS)]
FinishReason = Annotated[str, pydantic.Field(max_length=MAX_FINISH_REASON_CHARS)]
"""Why the engine ended the text, in any engine's words. Anything but a stop means that it was cut off."""


class InlineItem(Model):
    problem: ProblemBody
    text: Text
    finish_reason: FinishReason | None = None


class KnownItem(Model):
    problem_id: Annotated[str, pydantic.Field(min_length=1, max_length=MAX_ID_CHARS)]
    """Id of a problem in the sets that the service was started with."""
    text: Text
    finish_reason: FinishReason | None = None


class VerifyRequest(Model):
    items: Annotated[list[InlineItem | KnownItem], pydantic.Field(min_length=1)]
    limits: LimitsBody = LimitsBody()
    stream: bool = False
    """Answer as JSON lines (application/x-ndjson), each verdict as soon as it and all before it are there."""


class LimitsUsed(pydantic.BaseModel):
    wall_s: float
    cpu_s: float
    memory_mb: int
    output_kb: int
    processes: int
    text_chars: int


class VerdictBody(pydantic.BaseModel):
    status: Status
    reason: str
    evidence: dict[str, Any]
    checker: str
    checker_version: str
    seconds: float
    limits: LimitsUsed


class VerifyResponse(pydantic.BaseModel):
    verdicts: list[VerdictBody]
    """One for each item, in order."""


class Health(pydantic.BaseModel):
    status: Literal["ok"]


async def read_body(request: fastapi.Request, model: type[Body]) -> Body:
    """The request's JSON. Raises HttpProblem 415 and 422."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise HttpProblem(415, "unsupported-media-type", "send application/json")
    content = await request.body()
    try:
        return model.model_validate_json(content)
    except pydantic.ValidationError as error:
        raise invalid_body(error, content) from None


def bad_row(error: BadRow, pointer: str, body: ProblemBody) -> dict[str, str]:
    """One entry of a problem detail's `errors`; `pointer` is the place of `body` in the request."""
    return {"pointer": pointer_to_field(pointer, error.field, dict(body)), "detail": f"{error.wrong}; {error.right}"}


def problems_of(items: list[InlineItem | KnownItem], known: Mapping[str, Problem]) -> list[Problem]:
    """Raises HttpProblem 404 for unknown ids and 422 for problems that cannot be used, naming every such item."""
    problems: list[Problem] = []
    unknown: list[dict[str, Any]] = []
    wrong: list[dict[str, Any]] = []
    # Groups of samples share a problem, so the same body is checked only once.
    checked: dict[str, Problem | BadRow] = {}
    for index, item in enumerate(items):
        if isinstance(item, KnownItem):
            if found := known.get(item.problem_id):
                problems.append(found)
            else:
                unknown.append({"pointer": f"/items/{index}/problem_id", "detail": "no problem of this id"})
            continue
        text = repr(item.problem)  # which tells 1, 1.0 and true apart
        if text not in checked:
            checked[text] = problem_or_fault(item.problem)
        if isinstance(problem := checked[text], BadRow):
            wrong.append(bad_row(problem, f"/items/{index}/problem", item.problem))
        else:
            problems.append(problem)
    if wrong:
        raise invalid(wrong)
    if unknown:
        raise HttpProblem(404, "unknown-problem", f"{len(unknown)} unknown problem id(s); see errors", errors=unknown)
    return problems


def problem_or_fault(body: ProblemBody) -> Problem | BadRow:
    """The problem, or why it cannot be used."""
    try:
        return body.problem()
    except BadRow as error:
        return error


def body_schema(*models: type[pydantic.BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads its body with `read_body`."""
    refs = [{"$ref": f"#/components/schemas/{model.__name__}"} for model in models]
    schema = refs[0] if len(refs) == 1 else {"oneOf": refs}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def add_schemas(openapi: dict[str, Any], *models: type[pydantic.BaseModel]) -> None:
    """Puts the models that routes name by `body_schema` among the components."""
    _, definitions = pydantic.json_schema.models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    openapi.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])
