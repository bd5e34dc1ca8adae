"""Pieces of Markdown for the dataset card."""

from __future__ import annotations

import re
from collections.abc import Mapping

BAR = 30
"""Length of the longest bar of a histogram, in characters."""


def span(counts: Mapping[int, int]) -> range:
    return range(min(counts), max(counts) + 1)


def table(heads: list[str], rows: list[list[str]]) -> str:
    if not rows:
        return ""
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    return "\n".join(lines + ["| " + " | ".join(map(plain_cell, row)) + " |" for row in rows])


def plain_cell(text: str) -> str:
    """Text that is safe in a table cell. Names come from problem files and may hold anything."""
    return " ".join(text.split()).replace("|", "\\|")


def code_block(text: str, language: str = "") -> str:
    """A block that nothing inside can end: its fence is longer than any run of backticks in the text."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def histogram(bars: list[tuple[str, int]]) -> str:
    largest = max(number for _, number in bars) or 1
    width = max(len(label) for label, _ in bars)
    lines = [f"{label:>{width}}  {'█' * round(BAR * number / largest)} {number:,}" for label, number in bars]
    return "```\n" + "\n".join(lines) + "\n```"
