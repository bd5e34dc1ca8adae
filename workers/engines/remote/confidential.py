"""Keeps problems of confidential sources away from endpoints on other machines.

A benchmark whose problems must not become training data (GPQA, PutnamBench) is worth nothing once it has been sent to a
service that may learn from what it is sent. Such a problem goes to a remote engine only where the config allows it for
this endpoint. A loopback address needs no leave.

Promises: `check_leave` is the one place that decides, and every request to an endpoint passes through it. A request
whose sender does not say whether its text is confidential is refused like a confidential one.
Does not: look into texts of problems. A source is known by its name, by `meta.confidential` of the problem, or by the
name of its theorem. Problems that are read from files are marked in `meta` by the name of the file, of its folders or
of its data set, and by the columns of their rows that name a set (jobs.problems.load). A solved problem that is shown
as an example is known in the same way, and by a theorem of PutnamBench in its text.
"""

from __future__ import annotations

import functools
import re
import urllib.parse
from collections.abc import Iterable, Mapping

from verifiers.types import Json, Problem
from workers.engines.endpoint import EndpointKeys

SOURCES = ("gpqa", "putnambench")
"""Sources that are confidential unless the config says otherwise."""
_PUTNAM = re.compile(r"putnam_\d{4}_[ab]\d")
"""How PutnamBench names its theorems, whatever file they were copied to."""
MARK = "confidential"
"""The key of a problem's `meta`, and of a row, that says that it is confidential."""
ORIGINS = frozenset({"source", "data_source", "dataset", "dataset_name", "benchmark", "origin", "subset", "src"})
"""Columns in which publishers say which set a row is from. A layout may read none of them."""
DETAILS = frozenset({"meta", "metadata", "extra_info", "info"})
"""Columns with a table of further data, in which the same may stand."""
_WORD = re.compile(
    r"(?<![^\W_])[^\W_]"  # after a mark, or first of all
    r"|(?<=\d)[^\W\d_]"
    r"|(?<![Ss]uper)(?<=[a-z])[A-Z]"  # a set called Super… is another one than that whose name follows
)
"""The first character of a word in a name."""


class ConfidentialError(ValueError):
    """A problem of a confidential source was about to leave for an endpoint on another machine."""


def is_confidential(problem: Problem, sources: Iterable[str]) -> bool:
    """Whether a problem is of one of the confidential `sources`, or says itself that it is confidential."""
    return (
        is_marked(problem.meta)
        or is_of_source(problem.source, sources)
        or (is_putnam(sources) and is_putnam_theorem(problem.reference))
    )


def is_marked(meta: Json) -> bool:
    """Whether the `meta` of a problem says that it is confidential: by any value that is not false, empty or zero."""
    return isinstance(meta, Mapping) and bool(meta.get(MARK))


def is_putnam_theorem(reference: Json) -> bool:
    """Whether the reference of a problem names a theorem of PutnamBench."""
    return isinstance(reference, Mapping) and _PUTNAM.fullmatch(str(reference.get("name", ""))) is not None


def is_confidential_row(row: Mapping[str, Json], sources: Iterable[str]) -> bool:
    """Whether a row of a file, in whatever layout, says that it is confidential or names one of the confidential
    `sources` as the set that it is from."""
    if row.get(MARK) or is_marked(row.get("meta")):
        return True
    inner = [value for field in row.keys() & DETAILS if isinstance(value := row[field], Mapping)]
    values = [table[field] for table in (row, *inner) for field in table.keys() & ORIGINS]
    names = [name for value in values for name in (value if isinstance(value, list) else [value])]
    return any(isinstance(name, str) and is_of_source(name, sources) for name in names)


def is_confidential_example(row: Mapping[str, Json], file: str, sources: Iterable[str]) -> bool:
    """Whether a solved problem of a file of examples is of one of the confidential `sources`, or says itself that it is
    confidential, as a line of a problem file does."""
    if is_of_place(file, sources) or is_confidential_row(row, sources):
        return True
    texts = (str(row.get(field) or "") for field in ("prompt", "answer"))
    return is_putnam(sources) and any(_PUTNAM.search(text) for text in texts)


def is_of_place(uri: str, sources: Iterable[str]) -> bool:
    """Whether the id of a data set, a folder or the file in a path or URI has the name of one of `sources`."""
    return is_of_source(urllib.parse.unquote(uri), sources)


def is_of_source(name: str, sources: Iterable[str]) -> bool:
    """Whether a word of the name of a source or a file begins one of `sources`, marks and capitals aside.

    `Idavidrein/gpqa_diamond`, `GPQADiamond` and `my-GPQA` are of `gpqa`, `putnam-bench` is of `putnambench`, but
    `SuperGPQA`, which is another set, and `claimed` for `aime` are not.
    """
    return _is_of_source(name, tuple(sources))


@functools.lru_cache(maxsize=1024)
def _is_of_source(name: str, sources: tuple[str, ...]) -> bool:
    """The same; kept, since a file's name is asked for at each of its rows."""
    begins = {begin.start() for begin in _WORD.finditer(name)}
    found, starts = "", []
    for place, char in enumerate(name):
        if place in begins:
            starts.append(len(found))
        found += letters(char)
    return any(found.startswith(wanted, start) for wanted in map(letters, sources) if wanted for start in starts)


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
