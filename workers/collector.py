"""Settings of Python's garbage collector for processes that make many short-lived objects.

Python looks for reference cycles after every 700 new objects, and now and then among everything that is loaded. An
actor of a run makes some hundred objects per sample and has hundreds of thousands loaded, so with Python's settings a
third of a generator's time went into that search (figures in docs/log.md).
"""

from __future__ import annotations

import gc

NEW_OBJECTS = 50_000
"""New objects, less those that were freed, after which the collector looks at them. Cycles are freed that much later,
which is some ten megabytes at most."""
YOUNG_ROUNDS = 20
OLD_ROUNDS = 50
"""Rounds of one generation before the next older one is looked at as well."""


def calm_collector() -> None:
    """To be called once a process has loaded what it keeps: the collector never looks at that again, and looks at what
    comes later less often. What has no reference left is freed at once, as ever."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, YOUNG_ROUNDS, OLD_ROUNDS)
