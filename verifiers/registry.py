"""One idiom for everything that is chosen by name: a table of rows, each of which says what to import when it is used.

    POLICIES = Registry("sampling policy", {"fixed": PolicyRow("workers.sampling.fixed:Fixed")})
    POLICIES.add("mine", PolicyRow("my_package.policy:Mine"))      # a plugin
    policy_class = load(POLICIES.row(name).target)

Promises: plugins have added their rows before the first one is read (verifiers.plugins); an unknown name is one error
that lists the known names; a name is never given to a second row, and adding
the same row again does nothing, so that a plugin may register itself in every process and more than once.
Does not: import anything before a row is used, or know what the rows mean.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from verifiers.plugins import load_plugins

Row = TypeVar("Row")


class UnknownNameError(ValueError):
    """A name that is not in the table; the text lists those that are."""


class Registry(Generic[Row]):
    """`what` says in an error what the names stand for, for instance `sampling policy`. Iterates over the names."""

    def __init__(self, what: str, rows: Mapping[str, Row]) -> None:
        self.what = what
        self._rows = dict(rows)

    def add(self, name: str, row: Row) -> None:
        """Adds a row. Raises ValueError where the name belongs to another row already."""
        if self._rows.setdefault(name, row) != row:
            raise ValueError(f"the {self.what} {name!r} exists already, as {self._rows[name]}; choose another name")

    def row(self, name: str) -> Row:
        """Raises UnknownNameError, and PluginError where a plugin cannot be loaded."""
        load_plugins()
        if name not in self._rows:
            raise UnknownNameError(f"unknown {self.what} {name!r}; known: {', '.join(self._rows)}")
        return self._rows[name]

    def __contains__(self, name: object) -> bool:
        load_plugins()
        return name in self._rows

    def __iter__(self) -> Iterator[str]:
        load_plugins()
        return iter(self._rows)

    def __len__(self) -> int:
        load_plugins()
        return len(self._rows)


def meant(name: str, known: Iterable[str]) -> str:
    """` (did you mean …?)` for a name that is nearly one of the known ones; empty for others."""
    import difflib  # here, since cold interpreters read this module and only an error needs it

    near = difflib.get_close_matches(name, list(known), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def load(target: str) -> Any:
    """What `package.module:name` names; imports the module. Raises ValueError where there is no such name in it."""
    module, separator, name = target.partition(":")
    if not separator or not name:
        raise ValueError(f"{target!r} does not name anything to import; write it as `package.module:name`")
    loaded = importlib.import_module(module)
    if not hasattr(loaded, name):
        raise ValueError(f"the module {module} has no {name}, which a table names as {target!r}")
    return getattr(loaded, name)
