"""The pages' templates: one design, one style sheet and one set of filters for runs, comparisons and nights.

Promises: whatever a template shows is escaped, and a value that a template names must exist.
"""

from __future__ import annotations

from pathlib import Path

import jinja2

from jobs.report import formats

TEMPLATES = Path(__file__).parent / "templates"
"""Folder of the frame (`page.html`), the style sheet, the macros and the templates of this package."""


def environment(*folders: Path) -> jinja2.Environment:
    """The templates here and in `folders`, with their filters."""
    loader = jinja2.FileSystemLoader([*folders, TEMPLATES])
    result = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    numbers = (
        formats.number,
        formats.short,
        formats.percent,
        formats.cautious_percent,
        formats.dollars,
        formats.seconds,
        formats.p_value,
    )
    for filter_ in (*numbers, formats.clipped, formats.excerpt, formats.breakable, formats.facts, formats.priced):
        result.filters[filter_.__name__] = filter_
    return result
