"""Keeps problems of confidential sources away from endpoints on other machines.

A benchmark whose problems must not become training data (GPQA, PutnamBench) is worth nothing once it has been sent to a
service that may learn from what it is sent. Such a problem goes to a remote engine only where the config allows it for
this endpoint. A loopback address needs no leave.

Promises: `check_leave` is the one place that decides, and every request to an endpoint passes through it. A request
whose sender does not say whether its text is confidential is refused like a confidential one.
Does not: look into texts of problems. A source is known by its name, by `meta.confidential` of the problem, or by the
name of its theorem. A solved problem that is shown as an example is also known by the name of its file, and by a
theorem of PutnamBench in its text, since few such files say where their lines are from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from verifiers.types import Json, Problem
from workers.engines.endpoint import EndpointKeys

SOURCES = ("gpqa", "putnambench")
"""Sources that are confidential unless the config says otherwise."""
_PUTNAM = re.compile(r"putnam_\d{4}_[ab]\d")
"""How PutnamBench names its theorems, whatever file they were copied to."""


class ConfidentialError(ValueError):
    """A problem of a confidential source was about to leave for an endpoint on another machine."""


def is_confidential(problem: Problem, sources: Iterable[str]) -> bool:
    """Whether a problem is of one of the confidential `sources`, or says itself that it is confidential.

    A source counts where its letters and digits hold the name, so that `Idavidrein/gpqa_diamond` is `gpqa`.
    """
    if problem.meta.get("confidential"):
        return True
    return is_of_source(problem.source, sources) or (
        is_putnam(sources) and _PUTNAM.fullmatch(str(problem.reference.get("name", ""))) is not None
    )


def is_confidential_example(row: Mapping[str, Json], file: str, sources: Iterable[str]) -> bool:
    """Whether a solved problem of a file of examples is of one of the confidential `sources`, or says itself that it is
    confidential, as a line of a problem file does."""
    meta = row.get("meta")
    if row.get("confidential") or (isinstance(meta, Mapping) and meta.get("confidential")):
        return True
    if any(is_of_source(name, sources) for name in (file, str(row.get("source") or ""))):
        return True
    texts = (str(row.get(field) or "") for field in ("prompt", "answer"))
    return is_putnam(sources) and any(_PUTNAM.search(text) for text in texts)


def is_of_source(name: str, sources: Iterable[str]) -> bool:
    """Whether the name of a source or a file holds one of `sources`."""
    found = letters(name)
    return any(wanted in found for wanted in map(letters, sources) if wanted)


def is_putnam(sources: Iterable[str]) -> bool:
    return "putnambench" in map(letters, sources)


def letters(name: str) -> str:
    """The letters and digits of a name, in lower case."""
    return "".join(char for char in name.lower() if char.isalnum())


def needs_leave(endpoint: EndpointKeys) -> bool:
    """Whether confidential text may not be sent to an endpoint as its keys stand."""
    return not endpoint.allow_confidential and not endpoint.is_loopback


def check_leave(endpoint: EndpointKeys, confidential: bool | None) -> None:
    """Raises ConfidentialError where a request may not be sent to the endpoint. `confidential`: whether its text is of
    a confidential source; None: its sender does not say."""
    if confidential is False or not needs_leave(endpoint):
        return
    what = (
        "the problem is of a confidential source"
        if confidential
        else "it is not known whether the text is confidential"
    )
    raise ConfidentialError(
        f"{what}, and {endpoint.base_url} is another machine: nothing was sent. model.allow_confidential = true sends "
        "it all the same"
    )
