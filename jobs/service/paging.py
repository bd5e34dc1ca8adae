"""Lists in pages, as OpenAI's clients follow them: by id, each page after the last id of the page before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, TypeVar

import pydantic

Body = TypeVar("Body", bound=pydantic.BaseModel)


class ListPage(pydantic.BaseModel, Generic[Body]):
    object: Literal["list"] = "list"
    data: list[Body]
    first_id: str | None
    last_id: str | None
    """The value of `after` for the next page."""
    has_more: bool


Page = TypeVar("Page", bound=ListPage)  # type: ignore[type-arg]


def page_of(kind: type[Page], ids: Sequence[str], after: str, limit: int, show: Callable[[str], Any]) -> Page:
    """The next `limit` of the sorted `ids`, each as `show` describes it: a body with an `id`."""
    rest = [each for each in ids if each > after]
    data = [show(each) for each in rest[:limit]]
    first, last = (data[0].id, data[-1].id) if data else (None, None)
    return kind(data=data, first_id=first, last_id=last, has_more=len(rest) > limit)
