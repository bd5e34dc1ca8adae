"""The tables that say which pool a problem goes to: `[[routes]]`, `[cascade]` and `[cascades.NAME]`.

A pool is the replicas of one model, named by its table `[models.NAME]` (jobs.config.PoolTable). A cascade is a list of
stages, and a stage is a pool with a number of samples. A route sends the problems that fit it to a pool or a cascade.

Does not: know which pools there are (jobs.pools.checks compares the names) or draw anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pydantic

from jobs.sections import KindName, Positive, Section
from verifiers.registry import UnknownNameError, meant
from verifiers.types import Json
from workers.sampling.registry import POLICIES


def _a_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,39}", name):
        raise ValueError(
            f"{name!r} is no name for a model or a cascade: up to 40 letters, digits, - and _, beginning with a letter "
            "(without dots, so that --set can name its keys)"
        )
    return name


PoolName = Annotated[str, pydantic.AfterValidator(_a_name)]
"""Name of a pool or a cascade."""


def _listed(value: Any) -> Any:
    return value if isinstance(value, list) else [value]


def _or_one(schema: dict[str, Any]) -> None:
    """In the JSON schema: one value may stand for a list of one."""
    one = schema["items"]
    array = {key: schema.pop(key) for key in ("type", "items", "minItems") if key in schema}
    schema["anyOf"] = [one, array]


_ANY_OF = (
    pydantic.BeforeValidator(_listed),
    pydantic.Field(min_length=1, json_schema_extra=_or_one),
)
"""Makes a list of one or more values, as which a single value counts too."""


def _plain(value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    raise ValueError("expected a text, a number, true or false, or a list of them (there are no expressions)")


Plain = Annotated[
    Any, pydantic.AfterValidator(_plain), pydantic.WithJsonSchema({"type": ["string", "number", "boolean"]})
]
"""A value that a field of a problem's `meta` is compared with."""


class When(Section):
    """Which problems a route takes: those that have one of the given values in every field that is named."""

    kind: Annotated[list[KindName], *_ANY_OF] | None = None
    """Kind of the problem, or a list of kinds; left out = any."""
    domain: Annotated[list[str], *_ANY_OF] | None = None
    """Domain of the problem, or a list of domains; left out = any."""
    meta: dict[str, Annotated[list[Plain], *_ANY_OF]] = {}
    """Fields of the problem's `meta`, each with a value or a list of values, as {level = [4, 5]}. A problem without the
    field does not fit, and the number 4 is not the text "4"."""

    def is_open(self) -> bool:
        """Whether every problem fits."""
        return self.kind is None and self.domain is None and not self.meta

    def fits(self, kind: str, domain: str, meta: Mapping[str, Json]) -> bool:
        """Whether a problem with these fields fits."""
        return (
            (self.kind is None or kind in self.kind)
            and (self.domain is None or domain in self.domain)
            and all(name in meta and is_among(meta[name], values) for name, values in self.meta.items())
        )


def is_among(value: Json, values: Sequence[Any]) -> bool:
    """Whether `value` equals one of `values`. Python takes true for 1, and a route must not.

    >>> is_among(4.0, [4, 5]), is_among(True, [1]), is_among("4", [4]), is_among([4], [4])
    (True, False, False, False)
    """
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in values)


class Route(Section):
    """Where some of the problems go. The first route that fits a problem takes it; `default_route` takes the rest."""

    when: When = When()
    """Which problems the route takes, as {kind = "math", meta = {level = [4, 5]}}; left out = all of them."""
    use: PoolName
    """The pool or the cascade that solves them."""


class Stage(Section):
    """One stage of a cascade."""

    model: PoolName
    """The pool that draws this stage's samples."""
    samples: Positive
    """Samples per problem: all that the policy `fixed` draws, and the most that another policy draws."""
    policy: str = ""
    """The stage's sampling policy; empty = `sampling.policy` of its pool."""

    @pydantic.field_validator("policy")
    @classmethod
    def _a_known_policy(cls, name: str) -> str:
        try:
            if name:
                POLICIES.row(name)
        except UnknownNameError as error:
            raise ValueError(f"{error}{meant(name, POLICIES)}") from None
        return name


class Cascade(Section):
    """Stages in order. A stage begins for a problem where the stage before ended without a solution."""

    stages: Annotated[list[Stage], pydantic.Field(min_length=1)]
    """The stages, as {model = "small", samples = 16, policy = "until_verified"}."""
