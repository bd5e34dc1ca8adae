"""What every section of a config is made of: the base class, the numbers and names that its keys take, and the error.

Does not: know any section. jobs.config has those of a run, jobs.nightly.settings and jobs.service.settings their own.
"""

from __future__ import annotations

from typing import Annotated, Any

import pydantic

from verifiers.kinds import KINDS
from verifiers.registry import UnknownNameError, meant

Positive = Annotated[int, pydantic.Field(gt=0)]
NotNegative = Annotated[int, pydantic.Field(ge=0)]
PositiveFloat = Annotated[float, pydantic.Field(gt=0)]


def _known_kind(name: str) -> str:
    try:
        KINDS.row(name)
    except UnknownNameError as error:
        raise ValueError(f"{error}{meant(name, KINDS)}") from None
    return name


KindName = Annotated[
    str,
    pydantic.AfterValidator(_known_kind),
    pydantic.Field(json_schema_extra=lambda schema: schema.update(enum=list(KINDS))),
]
"""A name in the table of kinds."""


class ConfigError(Exception):
    """A configuration that cannot be used; the text is for the user. Exit code 2."""


class Section(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    @pydantic.field_validator("*", mode="before")
    @classmethod
    def _no_truth_as_a_number(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        """Python takes true for 1, and `samples = true` for one sample."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation in (int, float):
            raise ValueError("expected a number")
        return value
